"""Point sets against closed forms, published minima, theorems and an independent formula for the energies."""

import math

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from hpn_lite import codes, descent, energy, fused, packing, points, reference, search, sphere


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
    fast, gradient = fused.riesz(x.detach()[None], s)
    torch.testing.assert_close(fast[0], value.detach())
    torch.testing.assert_close(descent.tangent(x, gradient[0]), descent.tangent(x, expected))


def test_coincident_starts_part():
    """Points that begin on top of each other get a finite gradient."""
    x = torch.ones(1, 3, 3, dtype=torch.float64) / math.sqrt(3)
    value, gradient = fused.riesz(x, 1.0)
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
        (lambda: points.thomson(5, seconds=0), "seconds must be a positive number"),
        (lambda: points.tammes(1, 3), "k must be at least 2"),
        (lambda: points.tammes(5, 1), "dim must be at least 2"),
        (lambda: points.tammes(5, 3, seconds=math.nan), "seconds must be a positive number"),
        (lambda: points.tammes(12, 3, target=0.44), r"12 points in 3 dimensions always have a pair at cosine 0.447214"),
        (lambda: points.tammes(12, 3, start=torch.ones(11, 3)), r"shape \(12, 3\)"),
        (lambda: points.tammes(3, 3, start=torch.zeros(3, 3)), "zero"),
        (lambda: points.uniformity(5, 3, t=0), "t must be positive"),
        (lambda: points.hpn_prototypes(5, 3, steps=0), "steps must be at least 1"),
        (lambda: points.best_prototypes(0, 3), "k must be at least 1"),
        (lambda: points.best_prototypes(5, 1), "dim must be at least 2"),
        (lambda: points.best_prototypes(100, 50, target=-0.1), "always have a pair at cosine 0.000000 or more"),
        (lambda: codes.build("cube"), "there are: icosahedron"),
        (lambda: codes.kerdock(4), "m = 3, 5, 7"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- pieces of the search --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("s", [0, 1, 2, 3.5])
def test_fused_energy_is_the_library_energy(s):
    x = points.uniform(40, 5, seed=2)
    torch.testing.assert_close(fused.riesz(x[None], s)[0][0], energy.riesz(x, s=s, reduction="sum"))
    torch.testing.assert_close(fused.largest(x[None])[0], energy.largest_cosine(x))


def test_blocks_change_nothing(monkeypatch):
    x = torch.stack([points.uniform(37, 4, seed=i) for i in range(3)])
    b = torch.tensor([5.0, 50.0, 500.0], dtype=torch.float64)
    whole = [fused.riesz(x, s) for s in (0, 1, 2.5)] + [fused.soft_largest(x, b)]
    monkeypatch.setattr(fused, "BLOCK", 3 * 37 * 5)
    assert len(fused._blocks(x)) == 8
    blocks = [fused.riesz(x, s) for s in (0, 1, 2.5)] + [fused.soft_largest(x, b)]
    torch.testing.assert_close(blocks, whole, rtol=1e-12, atol=1e-12)


def test_soft_largest():
    """Above the largest cosine by at most log(pairs) / b; its gradient is autograd's."""
    x = points.uniform(12, 3, seed=3)[None].requires_grad_()
    for b in (1.0, 30.0, 3000.0):
        value, gradient = fused.soft_largest(x.detach(), torch.tensor([b], dtype=torch.float64))
        c = (x[0] @ x[0].T)[tuple(torch.triu_indices(12, 12, 1))]
        expected = torch.logsumexp(b * c, 0) / b
        torch.testing.assert_close(value[0], expected.detach())
        (slope,) = torch.autograd.grad(expected, x)
        torch.testing.assert_close(descent.tangent(x, gradient), descent.tangent(x, slope))
        assert 0 <= value[0] - largest(x.detach()[0]) <= math.log(66) / b


def test_descent_of_a_quadratic_finds_the_eigenvector():
    """Minimising <p, A p> over one point of the sphere gives A's smallest eigenvalue, for every start by itself."""
    a = torch.diag(torch.tensor([3.0, -1.0, 7.0, 0.5], dtype=torch.float64))
    starts = torch.stack([points.uniform(1, 4, seed=i) for i in range(20)])
    calls = []
    fun = lambda x: (calls.append(len(x)) or (x @ a * x).sum((1, 2)), 2 * x @ a)  # noqa: E731
    x, value = descent.minimize(fun, starts)
    torch.testing.assert_close(value, torch.full((20,), -1.0, dtype=torch.float64))
    torch.testing.assert_close(x[:, 0, 1].abs(), torch.ones(20, dtype=torch.float64))
    assert calls[-1] < 20  # starts that arrive early drop out


def test_descent_passes_context_along_and_never_ends_higher():
    x = torch.stack([points.uniform(15, 3, seed=i) for i in range(6)])
    b = torch.tensor([3.0, 10, 30, 100, 300, 1000], dtype=torch.float64)
    _, value = descent.minimize(fused.soft_largest, x, b, iterations=60)
    assert (value < fused.soft_largest(x, b)[0]).all()
    for i in range(6):  # each start is moved as if it were alone
        alone = descent.minimize(fused.soft_largest, x[i : i + 1], b[i : i + 1], iterations=60)[1]
        torch.testing.assert_close(alone[0], value[i], rtol=1e-6, atol=1e-6)


def test_sharpen_reaches_the_last_digit():
    noise = torch.randn(8, 12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = descent.retract(codes.build("icosahedron") + 0.03 * noise)
    y, cosine = packing.sharpen(x)
    torch.testing.assert_close(cosine, torch.full((8,), 1 / math.sqrt(5), dtype=torch.float64), rtol=0, atol=1e-13)
    torch.testing.assert_close(cosine, fused.largest(y), rtol=0, atol=0)


def test_sharpen_never_makes_worse():
    x = torch.stack([points.uniform(9, 4, seed=i) for i in range(5)])
    assert (packing.sharpen(x, iterations=2)[1] <= fused.largest(x)).all()


def test_children():
    g = torch.Generator().manual_seed(0)
    parents = torch.stack([points.uniform(11, 3, seed=i) for i in range(4)])
    child = search.spliced(parents, 6, g)
    assert child.shape == (6, 11, 3)
    torch.testing.assert_close(child.norm(dim=2), torch.ones(6, 11, dtype=torch.float64))
    moved = search.into_holes(parents, 2, g)
    assert ((moved != parents).any(2).sum(1) <= 2).all() and ((moved != parents).any(2).sum(1) >= 1).all()
    # an octahedron without its north pole has one hole, and it is filled
    hole = torch.cat([points.cross_polytope(6, 3)[:2], points.cross_polytope(6, 3)[3:]])
    crowd = torch.cat([hole, hole[:1]])  # two points on each other
    best = min(largest(search.into_holes(crowd[None], 1, torch.Generator().manual_seed(i))[0]) for i in range(30))
    assert best < 0.6


def test_symmetric_starts():
    """Every set is mapped to itself by one of the groups, and icosahedron and octahedron are among them."""
    for k in (4, 6, 7, 12, 23, 60):
        sets = search.symmetric(20, k, torch.Generator().manual_seed(k))
        assert sets.shape == (20, k, 3)
        torch.testing.assert_close(sets.norm(dim=2), torch.ones(20, k, dtype=torch.float64))
        for x in sets:
            fits = 0
            for group, _ in search._groups():
                images = torch.cdist((x @ group).flatten(0, 1), x) < 1e-6  # of all points under all motions
                fits += bool(images.any(1).all())
            assert fits
        if k in (6, 12):
            cosines = [largest(x) for x in sets]
            assert min(cosines) == pytest.approx(0 if k == 6 else 1 / math.sqrt(5), abs=1e-12)
    torch.testing.assert_close(
        search.symmetric(3, 9, torch.Generator().manual_seed(1)),
        search.symmetric(3, 9, torch.Generator().manual_seed(1)),
    )


def test_symmetry_groups():
    """Closed under products, of the orders they should have; their short orbits have the sizes of textbooks."""
    orders, sizes = [], {}
    for group, short in search._groups():
        orders.append(len(group))
        sizes[len(group)] = sorted(len(orbit) for orbit in short)
        products = (group[:, None] @ group).flatten(0, 1)
        assert len(products) == len(group) ** 2
        away = (products[:, None] - group).abs().amax((2, 3))
        assert (away.amin(1) < 1e-12).all() and ((away < 1e-6).sum(1) == 1).all()
    assert orders == [2, 3, 4, 5, 6, 4, 6, 8, 10, 12, 2, 4, 6, 12, 24, 60]
    assert sizes[12] == [4, 4, 6] and sizes[24] == [6, 8, 12] and sizes[60] == [12, 20, 30]


def test_annealing_without_shakes_keeps_symmetry():
    x = search.symmetric(16, 24, torch.Generator().manual_seed(0))
    y = packing.anneal(x, (8,), None, iterations=20)
    assert (fused.largest(y) < fused.largest(x)).all()
    half = torch.diag(torch.tensor([-1.0, -1, 1], dtype=torch.float64))
    pairs = torch.cdist(x[0] @ half, x[0]).argmin(1)  # the first group: half-turns
    torch.testing.assert_close(y[0] @ half, y[0][pairs], rtol=0, atol=1e-6)


# --- another device ---------------------------------------------------------------------------------------------------


class FarDevice(TorchFunctionMode):
    """Plays a second device: tensors sent or made there are marked, and no operation may mix them with others.

    What PyTorch lets through is let through here too: numbers without axes, and indices on the CPU.
    """

    far = torch.device("cuda")

    def is_far(self, x):
        return getattr(x, "far", False)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs, name = dict(kwargs or {}), function.__name__
        if function == torch.Tensor.device.__get__:
            return self.far if self.is_far(args[0]) else function(*args)
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        marks = {self.is_far(t) for t in ([args[0]] if name == "__getitem__" else tensors) if t.ndim}
        goal = kwargs.pop("device", None)  # where the result shall be, if the call says so
        if name == "to":
            goal = next((a for a in args[1:] if isinstance(a, torch.device | str)), goal)
            if isinstance(args[1], torch.Tensor):
                goal = self.far if self.is_far(args[1]) else "cpu"
            args = tuple(a for a in args if not isinstance(a, torch.device | str))
        elif len(marks) > 1:
            raise RuntimeError(f"{name} got tensors on two devices")
        if goal is not None:
            far = torch.device(goal).type == "cuda"
        else:
            far = any(self.is_far(t) for t in tensors) if len(marks) == 0 else marks == {True}
        result = function(*args, **kwargs) if name != "to" or len(args) > 1 or kwargs else args[0]
        if name == "to" and result is args[0] and far != self.is_far(result):
            result = result.clone()
        for t in tree_leaves(result):
            if isinstance(t, torch.Tensor):
                t.far = far
        return result


def test_the_second_device_notices():
    with FarDevice() as device:
        x = torch.ones(3, device=device.far)
        assert x.device.type == "cuda" and (2 * x[:2]).device.type == "cuda" and torch.ones(3).device.type == "cpu"
        for mixed in (lambda: x + torch.ones(3), lambda: torch.cat([x, torch.ones(1)]), lambda: x.copy_(torch.ones(3))):
            with pytest.raises(RuntimeError, match="two devices"):
                mixed()


@pytest.mark.parametrize(
    "call",
    [
        lambda d: points.thomson(8, device=d),
        lambda d: points.thomson(7, s=0, starts=1, device=d),
        lambda d: points.tammes(9, 3, device=d),
        lambda d: points.tammes(9, 3, seconds=1.5, device=d),
        lambda d: points.tammes(9, 4, start=points.uniform(9, 4, seed=0), device=d),
        lambda d: points.uniformity(7, 4, device=d),
        lambda d: points.hpn_prototypes(9, 4, steps=20, device=d),
        lambda d: points.best_prototypes(9, 4, seconds=2, device=d).points,
        lambda d: points.best_prototypes(20, 8, seconds=2, device=d).points,
        lambda d: points.best_prototypes(10, 5, device=d).points,
    ],
)
def test_solvers_stay_on_their_device(call):
    with FarDevice():
        x = call("cuda")
        assert x.device.type == "cuda"
        for f in (energy.riesz, energy.gaussian, energy.largest_cosine, lambda x: energy.log_riesz(x, 30)):
            assert f(x).device.type == "cuda"
        assert energy.minibatch(x, 4).device.type == "cuda"
        assert sphere.separation(x).smallest_angle.device.type == "cuda"


# --- tammes, uniformity, prototypes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [*range(2, 15), 17, 20, 24, 27, 32])
def test_tammes_reaches_the_best_known_cosines(n):
    x = points.tammes(n, 3, target=reference.tammes(n).value + 5e-10, seconds=60)
    assert_unit(x, n, 3)
    assert largest(x) == pytest.approx(reference.tammes(n).value, abs=1e-9)


def test_tammes_in_four_dimensions():
    """The Petersen code's ten points, found without being told."""
    assert largest(points.tammes(10, 4)) == pytest.approx(1 / 6, abs=1e-9)


def test_tammes_parts_coincident_points():
    start = points.uniform(10, 3, seed=5)
    start[1] = start[0]
    start[7] = start[2]
    x = points.tammes(10, 3, start=start)
    assert largest(x) < 0.6


def test_tammes_keeps_a_better_start():
    start = codes.build("icosahedron")
    assert largest(points.tammes(12, 3, start=start)) <= largest(start)


def test_tammes_seeds():
    a, b, c = points.tammes(9, 3, seed=1), points.tammes(9, 3, seed=1), points.tammes(9, 3, seed=2)
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_uniformity_finds_universally_optimal_codes():
    torch.testing.assert_close(largest(points.uniformity(6, 5)), -1 / 5, rtol=0, atol=1e-6)
    torch.testing.assert_close(largest(points.uniformity(8, 4)), 0.0, rtol=0, atol=1e-6)
    torch.testing.assert_close(largest(points.uniformity(12, 3)), 1 / math.sqrt(5), rtol=0, atol=1e-6)


def test_hpn_prototypes_lower_their_objective_and_stay_behind():
    x = points.hpn_prototypes(20, 10, steps=3000)
    assert x.shape == (20, 10) and x.dtype == torch.float32
    before = energy.mean_largest_cosine(points.uniform(20, 10, seed=0, dtype=torch.float32))
    assert energy.mean_largest_cosine(x) < before - 0.1
    assert largest(x.double()) > largest(points.cross_polytope(20, 10))


def test_hpn_prototypes_warn_when_two_meet():
    with pytest.warns(UserWarning, match=r"degrees apart.*tammes\(30, 2\)"):
        points.hpn_prototypes(30, 2, steps=300)


@pytest.mark.parametrize("code", [c for c in codes.CODES if c.n < 5000], ids=lambda c: c.name)
def test_codes(code):
    x = codes.build(code.name)
    assert_unit(x, code.n, code.d)
    assert largest(x) == pytest.approx(code.cosine, abs=1e-10)


def test_codes_agree_with_the_table():
    table = {(c.n, c.d): c for c in reference.codes()}
    for code in codes.CODES:
        if (code.n, code.d) in table:
            assert code.cosine == pytest.approx(table[code.n, code.d].value, abs=1e-12)
            assert code.name == table[code.n, code.d].name
    assert len({c.name for c in codes.CODES}) == len(codes.CODES)


def test_fitting_codes():
    assert codes.fitting(1000, 64)[0].name == "Kerdock section 1024 in R^62"
    assert codes.fitting(100, 22)[0].name == "Higman-Sims 100"
    assert codes.fitting(40, 5)[0].name == "D5 roots" and codes.fitting(121, 5) == []
    x = codes.fitting(40, 5)[0].make()
    assert x.shape == (40, 5) and largest(x) == pytest.approx(0.5)


def test_deriving():
    """From the 24-cell's eight neighbours of a point: a cube, at cosine 1/3."""
    cube = codes.derive(codes.build("24-cell"))
    assert cube.shape == (8, 3) and largest(cube) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("k", "dim", "construction"),
    [
        (1, 5, "one point"),
        (4, 2, "circle"),
        (9, 2, "circle"),
        (5, 4, "simplex"),
        (3, 9, "simplex"),
        (100, 100, "simplex"),
        (100, 50, "cross-polytope"),
        (70, 50, "part of the cross-polytope"),
        (1000, 512, "part of the cross-polytope"),
        (120, 4, "600-cell"),
        (24, 4, "24-cell"),
        (240, 8, "E8 roots"),
        (275, 22, "McLaughlin 275"),
        (100, 22, "Higman-Sims 100"),
    ],
)
def test_best_prototypes_takes_the_optimal_form(k, dim, construction):
    best = points.best_prototypes(k, dim)
    assert best.construction == construction and best.gap == pytest.approx(0, abs=1e-10)
    assert_unit(best.points, k, dim)
    assert k == 1 or largest(best.points) == pytest.approx(best.largest_cosine, abs=1e-12)


# The cells of the benchmark that a fraction of its time is enough for: (classes, dimensions, required largest cosine).
@pytest.mark.parametrize(
    ("k", "dim", "required"),
    [(100, 16, 0.2060), (100, 25, 0.1110), (100, 32, 0.0850), (200, 25, 0.2), (1000, 64, 0.1460), (50, 10, 0.2600)],
)
def test_best_prototypes_reaches(k, dim, required):
    best = points.best_prototypes(k, dim, seconds=60, target=required)
    assert_unit(best.points, k, dim)
    assert best.largest_cosine == pytest.approx(largest(best.points), abs=1e-12)
    assert best.bound <= best.largest_cosine <= required
    assert best.bound == sphere.largest_cosine_bound(k, dim).value
    assert best.gap == pytest.approx(best.largest_cosine - best.bound)


def test_best_prototypes_says_when_it_is_proved():
    best = points.best_prototypes(7, 3, seconds=20, target=reference.tammes(7).value + 1e-10)
    assert best.gap == 0 and "optimal" in best.bound_name and best.construction == "search"


def test_large_sets_go_in_blocks():
    """3,000 points: a few steps of descent lower the energy, and the result stands on the sphere."""
    x = points.thomson(3000, seconds=3, starts=1)
    assert_unit(x, 3000, 3)
    start = points.uniform(3000, 3, generator=torch.Generator().manual_seed(0))
    assert energy.riesz(x, 1.0) < energy.riesz(start, 1.0)
