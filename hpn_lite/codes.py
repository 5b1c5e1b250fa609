"""Point sets that algebra gives: polytopes, root systems, the Leech lattice's family, Kerdock codes.

Where one of them has enough points in few enough dimensions it is often better than anything a search finds, because a
search in fifty dimensions never falls into a configuration that good. `CODES` is the catalogue, `build` makes one,
`fitting` lists those from which k points in dim dimensions can be taken.

Two ideas make most of them. *Deriving*: of all points at the largest cosine c from one of them, keep the part that is
perpendicular to it; what is left has the largest cosine c / (1 + c) in one dimension less. *Spectra*: the projections
of a graph's vertices onto one eigenspace of its adjacency matrix.

References:
    Conway and Sloane, Sphere Packings, Lattices and Groups (1999), chapters 4, 10, 11, 14
    Cohn and Kumar 2007, table 1, for which of them are optimal
    Calderbank, Cameron, Kantor and Seidel 1997, for Kerdock codes
"""

import functools
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .bounds import whole


class Code(NamedTuple):
    """A configuration that can be built: n points of R^d with this largest cosine."""

    name: str
    n: int
    d: int
    cosine: float
    make: Callable[[], Tensor]


def build(name: str) -> Tensor:
    """The points of the catalogue's code of this name, (n, d) unit rows in float64.

    Raises:
        ValueError: if there is none of that name.
    """
    for code in CODES:
        if code.name == name:
            return code.make()
    raise ValueError(f"no code is called {name!r}; there are: {', '.join(code.name for code in CODES)}")


def fitting(k: int, dim: int) -> list[Code]:
    """Codes with at least k points in at most dim dimensions, smallest cosine first."""
    k, dim = whole("k", k, 2), whole("dim", dim, 2)
    roots = [_roots_d(d) for d in {dim, _least_roots_d(k)} if 4 <= d <= dim]
    return sorted((c for c in [*CODES, *roots] if c.n >= k and c.d <= dim), key=lambda c: c.cosine)


# --- two ways to make a code from another object ---------------------------------------------------------------------


def derive(x: Tensor, cosine: float | None = None, pole: Tensor | None = None) -> Tensor:
    """The points of x at this cosine from the pole, in one dimension less (default: the neighbours of its first point).

    The points are first stripped of their part along the pole, then written in a basis of the space that is left, so
    two points at cosine c get (c - cosine^2) / (1 - cosine^2).

    Args:
        x: (K, D) unit rows.
        cosine: of the points to keep; default: the largest there is.
        pole: (D,) of any length; default: the first point.
    Raises:
        ValueError: if no point is at this cosine from the pole.
    """
    if pole is None:
        pole, x = x[0], x[1:]
    height = x @ (pole / pole.norm())
    cosine = height.max() if cosine is None else cosine
    x = x[(height - cosine).abs() < 1e-9]
    if not len(x):
        raise ValueError(f"no point is at the cosine {cosine:g} from the pole; the largest is {float(height.max()):g}")
    return _in_own_space(x - cosine * pole / pole.norm())


def from_graph(adjacency: Tensor, eigenvalue: float) -> Tensor:
    """A graph's vertices projected onto the eigenspace of this eigenvalue of its (K, K) adjacency matrix: unit rows.

    Raises:
        ValueError: if it is no eigenvalue.
    """
    values, vectors = torch.linalg.eigh(adjacency.double())
    own = (values - eigenvalue).abs() < 1e-6
    if not own.any():
        raise ValueError(f"eigenvalue must be one of the matrix, got {eigenvalue:g}")
    return _unit(vectors[:, own])


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def _in_own_space(x: Tensor) -> Tensor:
    """The same points in coordinates of the space that they span."""
    values, vectors = torch.linalg.eigh(x.T @ x)
    return _unit(x @ vectors[:, values > 1e-6 * values[-1]])


# --- polytopes and root systems --------------------------------------------------------------------------------------


def _signs(d: int) -> Tensor:
    """All 2^d vectors of signs."""
    return torch.tensor(list(itertools.product((1.0, -1.0), repeat=d)), dtype=torch.float64)


def _even(x: Tensor) -> Tensor:
    return x[x.prod(1) > 0]


def _pairs_of_signs(d: int) -> Tensor:
    """The roots of D_d: +-e_i +- e_j."""
    eye = torch.eye(d, dtype=torch.float64)
    i, j = torch.triu_indices(d, d, 1)
    return torch.cat([a * eye[i] + b * eye[j] for a in (1, -1) for b in (1, -1)])


def _icosahedron() -> Tensor:
    golden = (1 + math.sqrt(5)) / 2
    x = torch.tensor([[0, a, b * golden] for a in (1, -1) for b in (1, -1)], dtype=torch.float64)
    return _unit(torch.cat([x.roll(i, 1) for i in range(3)]))


def _cell600() -> Tensor:
    """The 24-cell's 24 points and 96 even permutations of (0, +-1/golden, +-1, +-golden) / 2."""
    golden = (1 + math.sqrt(5)) / 2
    even = [p for p in itertools.permutations(range(4)) if _parity(p) == 0]
    base = torch.tensor(
        [[0, a / golden, b, c * golden] for a, b, c in itertools.product((1, -1), repeat=3)], dtype=torch.float64
    )
    eye = 2 * torch.eye(4, dtype=torch.float64)
    return torch.cat([eye, 0 - eye, _signs(4), *(base[:, list(p)] for p in even)]) / 2


def _parity(p: tuple[int, ...]) -> int:
    return sum(p[i] > p[j] for i in range(len(p)) for j in range(i + 1, len(p))) % 2


def _edge_centres(k: int) -> Tensor:
    """The middles of the edges of a simplex; five points give the ten of Petersen's graph."""
    eye = torch.eye(k, dtype=torch.float64) - 1 / k
    i, j = torch.triu_indices(k, k, 1)
    return _in_own_space(eye[i] + eye[j])


def _e8() -> Tensor:
    return _unit(torch.cat([_pairs_of_signs(8), _even(_signs(8)) / 2]))


def _e6() -> Tensor:
    """Roots of E8 that are perpendicular to two of them which span a hexagon."""
    x = _e8()
    other = x[(x @ x[0] - 0.5).abs() < 1e-9][0]
    return _in_own_space(x[((x @ x[0]).abs() < 1e-9) & ((x @ other).abs() < 1e-9)])


def _roots_d(d: int) -> Code:
    return Code(f"D{d} roots", 2 * d * (d - 1), d, 0.5, lambda: _unit(_pairs_of_signs(d)))


def _least_roots_d(k: int) -> int:
    return math.ceil((1 + math.sqrt(1 + 2 * k)) / 2)


# --- the Golay code, the Leech lattice and what comes of them --------------------------------------------------------


@functools.cache
def _golay() -> Tensor:
    """The 4096 words of the binary Golay code of length 24, from the quadratic residues modulo 23."""
    residues = {i * i % 23 for i in range(1, 23)}
    row = torch.tensor([int(i in residues) for i in range(23)])
    rows = torch.stack([row.roll(i) for i in range(12)])
    words = torch.cartesian_prod(*[torch.arange(2)] * 12) @ rows % 2
    return torch.cat([words, words.sum(1, keepdim=True) % 2], 1)  # (4096, 24)


@functools.cache
def _leech() -> Tensor:
    """The 196,560 shortest vectors of the Leech lattice."""
    golay = _golay()
    octads = golay[golay.sum(1) == 8]
    place = octads.nonzero()[:, 1].view(-1, 8)  # (759, 8)
    even = _even(_signs(8))  # (128, 8)
    twos = torch.zeros(len(place), len(even), 24, dtype=torch.float64)
    twos.scatter_(2, place[:, None].expand(-1, len(even), -1), 2 * even.expand(len(place), -1, -1))
    ones = (1 - 2 * golay).double()[:, None] * (1 - 4 * torch.eye(24, dtype=torch.float64))  # a -3 or 3 in one place
    return torch.cat([twos.view(-1, 24), ones.view(-1, 24), 4 * _pairs_of_signs(24)]) / math.sqrt(32)


def _equiangular552() -> Tensor:
    """Around a vector of the lattice's second shell: 276 lines in 23 dimensions, any two at the same angle."""
    x = _leech()
    pole = x[(x @ x[0] - 1 / 4).abs() < 1e-9][0] - x[0]
    return derive(x, 3 / math.sqrt(24), pole)


def _hexads() -> Tensor:
    """The 77 blocks of the Steiner system S(3, 6, 22) as rows of 0 and 1."""
    golay = _golay()
    return golay[(golay.sum(1) == 8) & (golay[:, 0] == 1) & (golay[:, 1] == 1)][:, 2:]


def _higman_sims() -> Tensor:
    """One point, 22 points, 77 blocks; joined when in each other or, two blocks, when they are disjoint."""
    hexads, a = _hexads(), torch.zeros(100, 100)
    a[0, 1:23] = 1
    a[1:23, 23:] = hexads.T
    a = a + a.T
    a[23:, 23:] = (hexads @ hexads.T == 0).double()
    return from_graph(a, -8)


def _disjoint_hexads(without: int | None, eigenvalue: float) -> Tensor:
    hexads = _hexads()
    if without is not None:
        hexads = hexads[hexads[:, without] == 0]
    return from_graph(hexads @ hexads.T == 0, eigenvalue)


def _hoffman_singleton() -> Tensor:
    """Robertson's pentagons P_h and pentagrams Q_i: P_h(j) is joined to Q_i(h i + j)."""
    a = torch.zeros(50, 50)
    for h, j in itertools.product(range(5), repeat=2):
        a[5 * h + j, 5 * h + (j + 1) % 5] = a[25 + 5 * h + j, 25 + 5 * h + (j + 2) % 5] = 1
        for i in range(5):
            a[5 * h + j, 25 + 5 * i + (h * i + j) % 5] = 1
    return from_graph(a + a.T, -3)


# --- Kerdock codes ---------------------------------------------------------------------------------------------------


def kerdock(m: int, section: int = 0, basis: bool = False) -> Tensor:
    """Orthonormal bases of R^d, d = 2^(m+1), both ends of each axis; vectors of two bases meet at cosine +-1/sqrt(d).

    Args:
        m: 3, 5 or 7: d = 16, 64 or 256.
        section: keep the vectors that are positive in the first so many coordinates (0 to 5), without these.
        basis: add the coordinate axes, both ends.
    Returns:
        (d^2 / 2^section, d - section) unit rows, with largest cosine (sqrt(d) - section) / (d - section);
        2d more rows with the axes.
    Source: Kerdock 1972; the quadratic forms as in MacWilliams and Sloane 1977, chapter 15.
    """
    if m not in (3, 5, 7) or section not in range(6) or (basis and section):
        raise ValueError(f"kerdock takes m = 3, 5, 7, section 0 to 5, axes with section 0; got {m}, {section}, {basis}")
    q = 2**m
    product = _field(m)  # multiplication table of the field with q elements
    power = lambda i: functools.reduce(lambda a, _: product[a, a], range(i), torch.arange(q))  # noqa: E731, x^(2^i)
    trace = functools.reduce(torch.bitwise_xor, [power(i) for i in range(m)])  # 0 or 1
    square = functools.reduce(
        torch.bitwise_xor, [trace[product[power(j), torch.arange(q)]] for j in range(1, (m - 1) // 2 + 1)]
    )
    form = torch.stack([square[product], square[product] ^ trace[product]], 2).view(
        q, 2 * q
    )  # (a; x, e): Q(ax)+e Tr(ax)
    bits = torch.arange(2 * q)
    common = bits[:, None] & bits[None, :]
    linear = functools.reduce(torch.bitwise_xor, [common >> i & 1 for i in range(m + 1)])  # (2q, 2q)
    plus = (1.0 - 2 * (form[:, None] ^ linear[None])).view(-1, 2 * q).double()
    x = torch.cat([plus, 0 - plus])
    if basis:
        axes = math.sqrt(2 * q) * torch.eye(2 * q, dtype=torch.float64)
        x = torch.cat([x, axes, 0 - axes])
    return _unit(x[(x[:, :section] > 0).all(1), section:])


def _field(m: int) -> Tensor:
    """The multiplication table of the field with 2^m elements, written as polynomials of bits."""
    modulus = {3: 0b1011, 5: 0b100101, 7: 0b10000011}[m]
    a, b = torch.meshgrid(torch.arange(2**m), torch.arange(2**m), indexing="ij")
    total = torch.zeros_like(a)
    for i in range(m):
        total ^= torch.where((b >> i & 1).bool(), a << i, 0)
    for i in range(2 * m - 2, m - 1, -1):
        total ^= torch.where((total >> i & 1).bool(), modulus << (i - m), 0)
    return total


def _kerdock_codes() -> list[Code]:
    codes = [Code("Kerdock 288", 288, 16, 1 / 4, lambda: kerdock(3, basis=True)),
             Code("Kerdock 4224", 4224, 64, 1 / 8, lambda: kerdock(5, basis=True))]  # fmt: skip
    for m, section in itertools.product((3, 5, 7), range(1, 6)):
        d = 2 ** (m + 1)
        n, cosine = d * d // 2**section, (math.sqrt(d) - section) / (d - section)
        if n > 2 * (d - section):  # fewer do not beat a cross-polytope
            name = f"derived Kerdock {n}" if section == 1 else f"Kerdock section {n} in R^{d - section}"
            codes.append(Code(name, n, d - section, cosine, functools.partial(kerdock, m, section)))
    return codes


CODES = [
    Code("icosahedron", 12, 3, 1 / math.sqrt(5), _icosahedron),
    Code("Petersen code", 10, 4, 1 / 6, lambda: _edge_centres(5)),
    Code("24-cell", 24, 4, 1 / 2, lambda: _unit(_pairs_of_signs(4))),
    Code("600-cell", 120, 4, (1 + math.sqrt(5)) / 4, _cell600),
    Code("5-demicube", 16, 5, 1 / 5, lambda: _unit(_even(_signs(5)))),
    Code("Schlaefli 27", 27, 6, 1 / 4, lambda: derive(derive(_e8()))),
    Code("E6 roots", 72, 6, 1 / 2, _e6),
    Code("E7 56", 56, 7, 1 / 3, lambda: derive(_e8())),
    Code("E7 roots", 126, 7, 1 / 2, lambda: derive(_e8(), 0.0)),
    Code("E8 roots", 240, 8, 1 / 2, _e8),
    Code("Gewirtz 56", 56, 20, 1 / 15, lambda: _disjoint_hexads(0, -4)),
    Code("Hoffman-Singleton 50", 50, 21, 1 / 21, _hoffman_singleton),
    Code("M22 77", 77, 21, 1 / 12, lambda: _disjoint_hexads(None, -6)),
    Code("isotropic 112", 112, 21, 1 / 9, lambda: derive(build("McLaughlin 275"), -1 / 4)),
    Code("U4(3) 162", 162, 21, 1 / 7, lambda: derive(build("McLaughlin 275"))),
    Code("Higman-Sims 100", 100, 22, 1 / 11, _higman_sims),
    Code("McLaughlin 275", 275, 22, 1 / 6, lambda: derive(_equiangular552())),
    Code("U6(2) 891", 891, 22, 1 / 4, lambda: derive(derive(_leech()))),
    Code("equiangular 552", 552, 23, 1 / 5, _equiangular552),
    Code("Leech kissing 4600", 4600, 23, 1 / 3, lambda: derive(_leech())),
    Code("Leech 196560", 196560, 24, 1 / 2, _leech),
    *_kerdock_codes(),
]
