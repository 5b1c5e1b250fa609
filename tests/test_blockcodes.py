"""Block codes against published parameters, all words, all cosines, and the bounds on both sides."""

import itertools
import math

import pytest
import torch
from scipy import special, stats

from hpn_lite import blockcodes, bounds, points, sphere


def words(code):
    """All words of a code by the definition: sums of rows, one message at a time."""
    messages = itertools.product((0, 1), repeat=code.bits)
    return torch.stack([torch.tensor(m) @ code.generator.long() % 2 for m in messages])


def least(code):
    """The true distance, from the words themselves."""
    ones = words(code).sum(1)
    assert (ones == 0).sum() == 1, "two messages give the same word"
    return int(ones[ones > 0].min())


@pytest.mark.parametrize(("r", "m"), [(1, 1), (1, 3), (2, 3), (3, 3), (1, 5), (2, 4), (2, 5), (3, 4)])
def test_reed_muller(r, m):
    """Length, dimension and distance as MacWilliams and Sloane 1977, chapter 13, theorems 2 and 3."""
    code = blockcodes.reed_muller(r, m)
    assert (code.length, code.bits) == (2**m, sum(math.comb(m, i) for i in range(r + 1)))
    assert code.distance == 2 ** (m - r) == least(code)


# (length, bits, distance) of the primitive codes one place shorter, MacWilliams and Sloane 1977, figure 9.1
PUBLISHED = {
    4: {(15, 11, 3), (15, 7, 5), (15, 5, 7)},
    5: {(31, 26, 3), (31, 21, 5), (31, 16, 7), (31, 11, 11), (31, 6, 15)},
    6: {(63, 57, 3), (63, 51, 5), (63, 45, 7), (63, 39, 9), (63, 36, 11), (63, 30, 13), (63, 24, 15), (63, 18, 21),
        (63, 16, 23), (63, 10, 27), (63, 7, 31)},
}  # fmt: skip


@pytest.mark.parametrize("m", PUBLISHED)
def test_bch_parameters_are_the_published_ones(m):
    made = {blockcodes.bch(m, d)[1:4] for d in range(4, 2 ** (m - 1) + 1, 2)}
    assert made == {(n + 1, k, d + 1) for n, k, d in PUBLISHED[m]}


@pytest.mark.parametrize(
    ("m", "bits", "distance"), [(7, 22, 48), (7, 15, 56), (8, 21, 112), (8, 13, 120), (9, 19, 240)]
)
def test_longer_bch_codes(m, bits, distance):
    """Bits of (127, 22), (127, 15), (255, 21), (255, 13) and (511, 19), as listed everywhere."""
    code = blockcodes.bch(m, distance)
    assert (code.length, code.bits, code.distance) == (2**m, bits, distance)
    assert code.generator.shape == (bits, 2**m)


@pytest.mark.parametrize(("m", "distance"), [(4, 4), (4, 6), (4, 8), (5, 12), (5, 16), (6, 28), (6, 32)])
def test_bch_keeps_its_guarantee(m, distance):
    code = blockcodes.bch(m, distance)
    assert least(code) >= code.distance >= distance
    ones = words(code).sum(1).bincount(minlength=code.length + 1)
    assert torch.equal(blockcodes.weights(code, chunk=100), ones)


def test_the_words_of_bch_vanish_where_they_should():
    """Without their parity bit they are multiples of the generator polynomial: zero at a, a^2, ..., a^(d-2)."""
    code, power = blockcodes.bch(4, 6), [1]
    while len(power) < 15:
        power.append((power[-1] << 1) ^ (0b10011 if power[-1] >> 3 else 0))
    for word in words(code):
        assert int(word.sum()) % 2 == 0
        for i in range(1, code.distance - 1):
            total = 0
            for j in word[:-1].nonzero()[:, 0].tolist():
                total ^= power[i * j % 15]
            assert total == 0


def test_shortening():
    code = blockcodes.bch(5, 12)
    for times in (0, 1, 4):
        short = blockcodes.shorten(code, times)
        assert short[1:4] == (32 - times, 11 - times, 12) and least(short) >= 12
    with pytest.raises(ValueError, match="times"):
        blockcodes.shorten(code, 11)


@pytest.mark.parametrize(("k", "dim"), [(2, 2), (3, 2), (8, 4), (10, 7), (33, 16), (100, 16), (100, 50), (200, 24)])
def test_points(k, dim):
    x, code = points.block_code(k, dim), blockcodes.best(k, dim)
    assert x.shape == (k, dim) and x.dtype == torch.float64
    torch.testing.assert_close(x.norm(dim=1), torch.ones(k, dtype=torch.float64), rtol=0, atol=1e-12)
    cosine = (x @ x.T - 3 * torch.eye(k, dtype=torch.float64)).max().item()
    assert cosine <= code.cosine + 1e-12
    assert cosine >= bounds.largest_cosine_bound(k, dim).value - 1e-12
    assert points.block_code(k, dim, dtype=torch.float32).dtype == torch.float32


def test_first_order_words_are_cross_polytope_and_simplex():
    x = points.block_code(64, 32)
    assert torch.equal((x @ x.T).round(decimals=9).unique(), torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64))
    code = blockcodes.reed_muller(1, 4)
    linear = code.generator[1:]  # without the constant: the functions that are 0 at x = 0
    assert (linear[:, 0] == 0).all()
    simplex = blockcodes.BlockCode("simplex", 15, 4, 8, linear[:, 1:])
    x = blockcodes.rows(simplex, 0, 16, dtype=torch.float64)
    expected = torch.full((16, 16), -1 / 15, dtype=torch.float64).fill_diagonal_(1)
    torch.testing.assert_close(x @ x.T, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("k", [17, 20, 31, 32])
def test_the_first_words_have_the_cosine_of_all(k):
    """Theorem of chapter 19: more than half of the words, taken in order, hold a closest pair."""
    code = blockcodes.bch(4, 8)  # 32 words
    x = blockcodes.rows(code, 0, k, dtype=torch.float64)
    cosine = (x @ x.T - 3 * torch.eye(k, dtype=torch.float64)).max().item()
    assert cosine == pytest.approx(1 - 2 * least(code) / code.length)


def test_rows_in_pieces_are_the_rows():
    code = blockcodes.best(1000, 40)
    whole = blockcodes.rows(code, 0, 1000)
    assert torch.equal(whole, torch.cat([blockcodes.rows(code, s, min(s + 300, 1000)) for s in range(0, 1000, 300)]))
    assert torch.equal(
        (whole * math.sqrt(code.length)).round().to(torch.int8), blockcodes.signs(code, torch.arange(1000))
    )
    numbers = torch.tensor([5, 999, 5])
    assert torch.equal(blockcodes.signs(code, numbers), blockcodes.signs(code, torch.arange(1000))[numbers])


def test_best_is_the_best_of_its_families():
    """Against every code of both families, shortened by every number of places."""
    for k, dim in ((20, 12), (100, 30), (500, 33)):
        all_codes = [blockcodes.reed_muller(r, m) for m in range(1, 6) for r in range(1, m + 1)]
        all_codes += [blockcodes.bch(m, d) for m in (3, 4, 5) for d in range(4, 2 ** (m - 1) + 1, 2)]
        shorter = [blockcodes.shorten(c, t) for c in all_codes for t in range(c.bits)]
        fits = [c.cosine for c in shorter if 2**c.bits >= k and c.length <= dim]
        assert blockcodes.best(k, dim).cosine == pytest.approx(min(fits))


def test_a_million():
    code = blockcodes.best(1_000_000, 256)
    assert (code.length, code.bits, code.distance) == (255, 20, 112)
    chosen = torch.randint(2**20, (2000,), generator=torch.Generator().manual_seed(0)).unique()
    x = blockcodes.signs(code, chosen).double() / math.sqrt(255)
    assert (x @ x.T - 3 * torch.eye(len(x), dtype=torch.float64)).max() <= code.cosine + 1e-12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: blockcodes.reed_muller(0, 3), "r must be at least 1"),
        (lambda: blockcodes.reed_muller(4, 3), "r from 1 to m"),
        (lambda: blockcodes.reed_muller(1, 13), "m from 1 to 12"),
        (lambda: blockcodes.bch(2, 4), "m must be from 3 to 10"),
        (lambda: blockcodes.bch(4, 5), "distance must be even, from 4 to 8"),
        (lambda: blockcodes.bch(4, 10), "distance must be even, from 4 to 8"),
        (lambda: blockcodes.best(1, 4), "k must be at least 2"),
        (lambda: blockcodes.best(10, 1025), "dim must be at most 1024"),
        (lambda: points.block_code(100, 4), "take at least 8 dimensions"),
        (lambda: blockcodes.rows(blockcodes.reed_muller(1, 2), 0, 9), "rows exist from 0 to 2"),
        (lambda: blockcodes.weights(blockcodes.bch(6, 4)), "too many"),
        (lambda: blockcodes.greedy_cosine(1, 3), "k must be at least 2"),
        (lambda: blockcodes.gilbert_varshamov(9, 3), "fewer than k=9"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- achievable ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "d"), [(10, 3), (100, 16), (1000, 64), (10**6, 256)])
def test_the_greedy_cosine_fills_the_sphere(k, d):
    """K - 1 caps have the area of the sphere: the share of a cap from the incomplete beta function."""
    s = blockcodes.greedy_cosine(k, d)
    share = 0.5 * special.betainc((d - 1) / 2, 0.5, 1 - s * s)
    assert (k - 1) * share == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(("k", "d"), [(2, 2), (6, 3), (30, 4), (200, 16)])
def test_greedy_sets_exist(k, d):
    """Grow one: a random point is kept if it is at most at this cosine to all; the theorem says that k can be had."""
    s, x = blockcodes.greedy_cosine(k, d) + 1e-6, sphere.uniform(1, d, seed=0)
    for seed in range(1, 400):
        if len(x) >= k:
            break
        for p in sphere.uniform(500, d, seed=seed):
            if (x @ p).max() <= s:
                x = torch.cat([x, p[None]])
    assert len(x) >= k


@pytest.mark.parametrize(("k", "n"), [(2, 1), (2, 9), (16, 7), (100, 20), (1000, 64), (2**20, 128)])
def test_gilbert_varshamov(k, n):
    """By the binomial distribution: d - 1 is the largest radius whose balls cannot cover all words."""
    d = round((1 - blockcodes.gilbert_varshamov(k, n)) * n / 2)
    share = lambda radius: stats.binom.cdf(radius, n, 0.5)  # noqa: E731
    assert (k - 1) * share(d - 1) < 1
    assert d == n or (k - 1) * share(d) >= 1 - 1e-12


@pytest.mark.parametrize(("k", "d"), [(10, 8), (100, 32), (1000, 64), (1000, 512), (10**6, 128)])
def test_the_order_of_the_bounds(k, d):
    converse = bounds.largest_cosine_bound(k, d).value
    assert converse <= blockcodes.best(k, d).cosine
    assert converse <= min(blockcodes.greedy_cosine(k, d), blockcodes.gilbert_varshamov(k, d))
