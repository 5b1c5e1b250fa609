"""Point sets against closed forms, published minima, theorems and an independent formula for the energies."""

import math

import pytest
import torch

from hpn_lite import points, reference


def energy_sum(x, s):
    """Straight from the definition, pair by pair; independent of hpn_lite's matrix products."""
    r = torch.nn.functional.pdist(x)
    return float((-r.log() if s == 0 else r**-s).sum())


def largest(x):
    g = x @ x.T
    return float((g - 3 * torch.eye(len(x), dtype=x.dtype)).max())


def assert_unit(x, k, d):
    assert x.shape == (k, d) and x.dtype == torch.float64
    torch.testing.assert_close(x.norm(dim=1), torch.ones(k, dtype=torch.float64), rtol=0, atol=1e-14)


@pytest.mark.parametrize("k", [1, 2, 3, 7, 100])
def test_circle(k):
    x = points.circle(k)
    assert_unit(x, k, 2)
    if k > 1:
        assert largest(x) == pytest.approx(math.cos(2 * math.pi / k), abs=1e-12)
        torch.testing.assert_close(x.sum(0), torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("k", "d"), [(2, None), (2, 5), (3, None), (4, 3), (5, 9), (100, None), (1000, None)])
def test_simplex(k, d):
    x = points.simplex(k, d)
    assert_unit(x, k, d or k - 1)
    cosine = x @ x.T
    expected = torch.full((k, k), -1 / (k - 1), dtype=torch.float64).fill_diagonal_(1.0)
    torch.testing.assert_close(cosine, expected, rtol=0, atol=1e-13)
    torch.testing.assert_close(x.sum(0), torch.zeros(x.shape[1], dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("k", "d"), [(1, 2), (3, 2), (4, 2), (6, 3), (9, 5), (100, 50)])
def test_cross_polytope(k, d):
    x = points.cross_polytope(k, d)
    assert_unit(x, k, d)
    if k > 1:
        assert largest(x) == (0 if k != 2 or d > 1 else -1)
    assert len({tuple(row) for row in x.tolist()}) == k


@pytest.mark.parametrize("n", range(2, 33))
def test_thomson_reaches_the_published_energies(n):
    x = points.thomson(n)
    assert_unit(x, n, 3)
    assert energy_sum(x, 1) == pytest.approx(reference.thomson(n).value, rel=1e-10)


@pytest.mark.parametrize("n", [4, 5, 6, 7, 12, 20, 32])
@pytest.mark.parametrize("s", [0, 2])
def test_other_exponents(n, s):
    assert energy_sum(points.thomson(n, s=s), s) == pytest.approx(reference.riesz(n, s).value, rel=1e-10)


@pytest.mark.parametrize("s", [0, 0.5, 1, 3])
def test_universally_optimal_codes(s):
    """Simplex, cross-polytope and 600-cell's little sister: optimal for every s (Cohn and Kumar 2007)."""
    x = points.thomson(6, dim=5, s=s)
    torch.testing.assert_close(energy_sum(x, s), energy_sum(points.simplex(6), s), rtol=1e-10, atol=1e-10)
    x = points.thomson(8, dim=4, s=s)
    torch.testing.assert_close(energy_sum(x, s), energy_sum(points.cross_polytope(8, 4), s), rtol=1e-10, atol=1e-10)
    x = points.thomson(9, dim=2, s=s)
    torch.testing.assert_close(energy_sum(x, s), energy_sum(points.circle(9), s), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("s", [0, 1, 1.5, 2, 7])
def test_fused_gradient(s):
    """The hand-written gradient against autograd through the definition."""
    x = points.uniform(9, 4, seed=1).requires_grad_()
    r = torch.nn.functional.pdist(x)
    value = (-r.log() if s == 0 else r**-s).sum()
    (expected,) = torch.autograd.grad(value, x)
    fast, gradient = points.riesz_with_gradient(x.detach()[None], s)
    torch.testing.assert_close(fast[0], value.detach())
    torch.testing.assert_close(points.descent.tangent(x, gradient[0]), points.descent.tangent(x, expected))


def test_coincident_starts_part():
    """Points that begin on top of each other get a finite gradient."""
    x = torch.ones(1, 3, 3, dtype=torch.float64) / math.sqrt(3)
    value, gradient = points.riesz_with_gradient(x, 1.0)
    assert value.isfinite().all() and gradient.isfinite().all()


def test_seeds():
    a, b, c = points.thomson(20, seed=3), points.thomson(20, seed=3), points.thomson(20, seed=4)
    assert torch.equal(a, b) and not torch.equal(a, c)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: points.circle(0), "k must be at least 1"),
        (lambda: points.circle(2.5), "whole number"),
        (lambda: points.simplex(1), "k must be at least 2"),
        (lambda: points.simplex(5, 3), r"at least 4 dimensions, got 3; try tammes\(5, 3\)"),
        (lambda: points.cross_polytope(9, 4), r"at most 8 points .* try tammes\(9, 4\)"),
        (lambda: points.cross_polytope(3, 1), "d must be at least 2"),
        (lambda: points.thomson(1), "k must be at least 2"),
        (lambda: points.thomson(5, dim=1), "dim must be at least 2"),
        (lambda: points.thomson(5, s=-1), "s must be a finite number of at least 0"),
        (lambda: points.thomson(5, s=math.nan), "s must be a finite number"),
        (lambda: points.thomson(5, s=math.inf), "tammes"),
        (lambda: points.thomson(5, s="one"), "s is a number"),
        (lambda: points.thomson(5, starts=0), "starts must be at least 1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
