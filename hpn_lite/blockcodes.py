"""Words of bits as points of the sphere: prototypes for a hundred classes or a million, written down instead of found.

Write 0 as +1 and 1 as -1, and divide by the root of the length n: a word becomes a corner of a cube in the unit sphere
of R^n, and two words that differ in h places stand at the cosine 1 - 2 h / n. A code whose words differ in at least d
places is a set of prototypes whose largest cosine is at most 1 - 2 d / n. Two families are here.

*Reed-Muller codes*: all polynomials of degree r or less in m bits, evaluated at all 2^m values of the bits. Those of
degree one are the cross-polytope, turned. *Extended BCH codes*: functions x -> Tr(sum a_s x^s) + c on the field with
2^m elements, for a set of exponents s; leaving out the right exponents keeps the words far apart.

`best` chooses the code for k classes in dim dimensions, `points.block_code` its points. `greedy_cosine` and
`gilbert_varshamov` say what is possible without a construction; `bounds` says what is impossible.

    >>> from hpn_lite import blockcodes
    >>> code = blockcodes.best(1_000_000, 256)
    >>> code.name, code.length, code.bits, code.distance
    ('extended BCH', 255, 20, 112)

References:
    MacWilliams and Sloane 1977, The Theory of Error-Correcting Codes, chapters 1, 7, 9, 13
    Lindstroem, Rodriguez-Galvez, Thobaben, Skoglund 2024, A Coding-Theoretic Analysis of Hyperspherical Prototypical
        Learning Geometry, who proposed such prototypes
"""

import functools
import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from .bounds import whole
from .sphere import cap_fraction

CHUNK = 2**14  # words made at once
PRIMITIVE = {3: 11, 4: 19, 5: 37, 6: 67, 7: 137, 8: 285, 9: 529, 10: 1033}  # polynomials over two elements, as bits


class BlockCode(NamedTuple):
    """A linear code: 2^bits words of this length, which differ from each other in at least `distance` places.

    generator: (bits, length) of 0 and 1, uint8; word number i is the sum, modulo two, of the rows at i's binary ones.
    """

    name: str
    length: int
    bits: int
    distance: int
    generator: Tensor

    @property
    def cosine(self) -> float:
        """The largest cosine of its points, or a little more (BCH codes can be better than their guarantee)."""
        return 1 - 2 * self.distance / self.length


def reed_muller(r: int, m: int) -> BlockCode:
    """All polynomials of degree at most r in m bits: length 2^m, distance 2^(m-r) exactly.

    Args:
        r: degree, 1 to m.
        m: number of bits, 1 to 12.
    Raises:
        ValueError: if a number is out of range.
    Source: Muller 1954, Reed 1954; MacWilliams and Sloane 1977, chapter 13.
    """
    m = whole("m", m, 1)
    if m > 12 or not 1 <= whole("r", r, 1) <= m:
        raise ValueError(f"reed_muller takes m from 1 to 12 and r from 1 to m, got r={r}, m={m}")
    variables = torch.arange(2**m) >> torch.arange(m)[:, None] & 1  # (m, 2^m)
    rows = [torch.ones(2**m, dtype=torch.int64)]
    for degree in range(1, r + 1):
        rows += [variables[list(chosen)].prod(0) for chosen in itertools.combinations(range(m), degree)]
    return BlockCode("Reed-Muller", 2**m, len(rows), 2 ** (m - r), torch.stack(rows).to(torch.uint8))


def bch(m: int, distance: int) -> BlockCode:
    """The extended primitive BCH code of length 2^m whose words differ in at least `distance` places.

    Args:
        m: 3 to 10.
        distance: even, 4 to 2^(m-1); the code returned may guarantee more.
    Raises:
        ValueError: if a number is out of range.
    Source: Hocquenghem 1959; Bose and Ray-Chaudhuri 1960; MacWilliams and Sloane 1977, chapters 7 and 9.
    """
    if whole("m", m, 1) not in PRIMITIVE:
        raise ValueError(f"m must be from 3 to 10, got {m}")
    if whole("distance", distance, 1) % 2 or not 4 <= distance <= 2 ** (m - 1):
        raise ValueError(f"distance must be even, from 4 to {2 ** (m - 1)} = 2^(m-1), got {distance}")
    bits, guaranteed = next((b, d) for b, d in _bch_sizes(m) if d >= distance)
    forbidden = _zeros(m, guaranteed)
    n, power = 2**m - 1, _powers(m)
    leaders = [s for s in range(n) if s == min(_orbit(s, n)) and -s % n not in forbidden]
    j = torch.arange(n)
    planes = [power[s * j % n] >> bit & 1 for s in leaders for bit in (range(m) if s else range(1))]  # traces, as bits
    rows = torch.cat([torch.stack(planes), torch.stack(planes).sum(1, keepdim=True) % 2], 1)  # and a parity bit
    return BlockCode("extended BCH", n + 1, bits, guaranteed, _reduced(rows)[0].to(torch.uint8))


def shorten(code: BlockCode, times: int) -> BlockCode:
    """The words that are 0 in so many places, without these places: as far apart as before, on a smaller sphere.

    Args:
        code: a code.
        times: how many places, from 0 to code.bits - 1.
    Raises:
        ValueError: if times is out of range.
    Source: MacWilliams and Sloane 1977, chapter 1, section 9.
    """
    if not 0 <= whole("times", times, 0) < code.bits:
        raise ValueError(f"times must be from 0 to {code.bits - 1}, got {times}")
    if times == 0:
        return code
    rows, pivots = _reduced(code.generator)
    keep = torch.ones(code.length, dtype=torch.bool)
    keep[pivots[:times]] = False  # the rows left are 0 there
    shorter = (code.length - times, code.bits - times, code.distance, rows[times:, keep].to(torch.uint8))
    return BlockCode(code.name, *shorter)


def best(k: int, dim: int) -> BlockCode:
    """The code of the two families with at least k words, length at most dim and the smallest guaranteed cosine.

    Codes with more words than needed are shortened until 2^bits is just enough, which brings their cosine down.

    Args:
        k: number of classes, at least 2.
        dim: dimension, at least 2 and at most 1024.
    Raises:
        ValueError: if k < 2, dim is out of range or no code fits (k > 2^dim / 2, roughly).
    """
    k, dim = whole("k", k, 2), whole("dim", dim, 2)
    if dim > 1024:
        raise ValueError(f"dim must be at most 1024, got {dim}: beyond, build a code yourself with reed_muller")
    need, found = (k - 1).bit_length(), []  # (cosine, length, what to call, with what)
    for m in range(1, min(11, dim.bit_length() + 1)):
        sizes = [(sum(math.comb(m, i) for i in range(r + 1)), 2 ** (m - r), reed_muller, r) for r in range(1, m + 1)]
        sizes += [(bits, d, bch, d) for bits, d in _bch_sizes(m)] if m in PRIMITIVE else []
        for bits, distance, make, argument in sizes:
            length = 2**m - (bits - need)
            if bits >= need and length <= dim and (bits - need < bits):
                arguments = (argument, m) if make is reed_muller else (m, argument)
                found.append((1 - 2 * distance / length, length, bits - need, make, arguments))
    if not found:
        raise ValueError(f"no code here has {k} words of at most {dim} bits; take at least {need + 1} dimensions")
    _, _, times, make, arguments = min(found, key=lambda f: f[:3])
    return shorten(make(*arguments), times)


def rows(code: BlockCode, start: int, stop: int, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """The points of the words with the numbers start to stop - 1: (stop - start, length) unit rows.

    Made when they are asked for, so that a million prototypes need no more memory than the piece in hand. `signs` gives
    the words with any numbers.

    Raises:
        ValueError: unless 0 <= start < stop <= 2^bits.
    """
    if not 0 <= start < stop <= 2**code.bits:
        raise ValueError(f"rows exist from 0 to 2^{code.bits} = {2**code.bits}, got {start} to {stop}")
    x = torch.empty(stop - start, code.length, dtype=dtype)
    for low in range(start, stop, CHUNK):  # so that nothing but the result is large
        high = min(low + CHUNK, stop)
        x[low - start : high - start] = signs(code, torch.arange(low, high))
    return x.div_(math.sqrt(code.length))


def signs(code: BlockCode, numbers: Tensor) -> Tensor:
    """The words with these numbers as +1 and -1: (n,) -> (n, length) int8.

    Raises:
        ValueError: if a number does not lie from 0 to 2^bits - 1.
    """
    if numbers.is_floating_point() or len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < 2**code.bits:
        raise ValueError(f"numbers must be whole, from 0 to 2^{code.bits} - 1, got {numbers}")
    message = (numbers[:, None] >> torch.arange(code.bits) & 1).float()  # (n, bits)
    return (1 - 2 * (message @ code.generator.float() % 2)).to(torch.int8)  # sums of at most `bits` ones: exact


def weights(code: BlockCode, *, chunk: int = CHUNK) -> Tensor:
    """How many words have how many ones: (length + 1,) int64. As differences of words are words, that tells all
    cosines between its points: 1 - 2 w / length occurs 2^bits weights[w] / 2 times among the pairs, for w > 0.

    Args:
        code: of at most 26 bits, as all words are looked at.
        chunk: words at once.
    Raises:
        ValueError: for more than 26 bits.
    """
    if code.bits > 26:
        raise ValueError(f"weights looks at every word; 2^{code.bits} are too many")
    count, total = 2**code.bits, torch.zeros(code.length + 1, dtype=torch.int64)
    for start in range(0, count, chunk):
        sums = signs(code, torch.arange(start, min(start + chunk, count))).sum(1, dtype=torch.int64)
        total += torch.bincount((code.length - sums) // 2, minlength=code.length + 1)
    return total


# --- what is possible without a construction -------------------------------------------------------------------------


def greedy_cosine(k: int, d: int) -> float:
    """K points whose largest cosine is at most this exist in R^D: each time one more fits beside those that are there.

    K - 1 caps of points at a cosine above s from a centre cannot cover the sphere if (K - 1) cap_fraction(s, D) < 1.

    Args:
        k: number of points, at least 2.
        d: dimension, at least 2.
    Raises:
        ValueError: if k < 2 or d < 2.
    Source: Wyner 1965 and others before; it is the Gilbert-Varshamov argument on the sphere.
    """
    k, d = whole("k", k, 2), whole("d", d, 2)
    low, high = -1.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        covered = (k - 1) * float(cap_fraction(torch.tensor(middle, dtype=torch.float64), d))
        low, high = (low, middle) if covered < 1 else (middle, high)
    return high


def gilbert_varshamov(k: int, n: int) -> float:
    """A binary code of length n with k words exists whose points have at most this largest cosine, 1 - 2 d / n.

    d is the largest distance for which k - 1 balls of radius d - 1 cannot cover all 2^n words.

    Args:
        k: number of words, 2 to 2^n.
        n: length, at least 1.
    Raises:
        ValueError: if k < 2, n < 1 or k > 2^n.
    Source: Gilbert 1952.
    """
    k, n = whole("k", k, 2), whole("n", n, 1)
    if k > 2**n:
        raise ValueError(f"there are 2^{n} words of {n} bits, fewer than k={k}")
    ball = d = 0  # ball: words at less than d places from one word
    while d < n and (k - 1) * (ball + math.comb(n, d)) < 2**n:
        ball, d = ball + math.comb(n, d), d + 1
    return 1 - 2 * d / n


# --- the algebra -----------------------------------------------------------------------------------------------------


@functools.cache
def _powers(m: int) -> Tensor:
    """The powers 0, 1, ..., 2^m - 2 of a primitive element of the field with 2^m elements, as bits."""
    found = [1]
    while len(found) < 2**m - 1:
        x = found[-1] << 1
        found.append(x ^ PRIMITIVE[m] if x >> m else x)
    return torch.tensor(found)


def _orbit(s: int, n: int) -> set[int]:
    """s, 2s, 4s, ... modulo n: the exponents whose powers are conjugate."""
    found = {s}
    while (s := 2 * s % n) not in found:
        found.add(s)
    return found


def _zeros(m: int, distance: int) -> set[int]:
    """The exponents at whose powers all words of this code vanish: 1 to distance - 2, and their conjugates."""
    n = 2**m - 1
    return set().union(*(_orbit(i, n) for i in range(1, distance - 1)))


@functools.cache
def _bch_sizes(m: int) -> list[tuple[int, int]]:
    """(bits, guaranteed distance) of the extended BCH codes of length 2^m, distances ascending to 2^(m-1)."""
    n, zeros, found = 2**m - 1, set(), []
    for d in range(4, 2 ** (m - 1) + 1, 2):
        zeros |= _orbit(d - 3, n) | _orbit(d - 2, n)
        later = next(i for i in range(1, n + 1) if i == n or i not in zeros)  # zeros at 1, ..., later - 1
        found.append((n - len(zeros), later + 1))
    return sorted(set(found), key=lambda f: f[1])


def _reduced(rows: Tensor) -> tuple[Tensor, list[int]]:
    """The reduced echelon form modulo two, without rows of zeros, and the places of its leading ones."""
    rows, pivots = rows.clone().to(torch.int64), []
    for column in range(rows.shape[1]):
        at = len(pivots)
        below = rows[at:, column].nonzero()
        if len(below):
            first = at + int(below[0])
            rows[[at, first]] = rows[[first, at]]
            others = rows[:, column].bool()
            others[at] = False
            rows[others] ^= rows[at]
            pivots.append(column)
        if len(pivots) == len(rows):
            break
    return rows[: len(pivots)], pivots
