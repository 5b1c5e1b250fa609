"""Energies and their gradients against double loops written out from the definitions, and against published values."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hpn_lite import energy, points, reference, sphere

DTYPES = [torch.float64, torch.float32]
S = [0, 0.5, 1, 2, 16, 100]
GOLD = (1 + math.sqrt(5)) / 2
TETRAHEDRON = [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
OCTAHEDRON = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]
CUBE = list(itertools.product((-1, 1), repeat=3))
ICOSAHEDRON = [
    row[i:] + row[:i] for row in [[0, a, b * GOLD] for a in (-1, 1) for b in (-1, 1)] for i in range(3)
]  # cyclic shifts of (0, +-1, +-golden ratio)


def loop(x, f, slope, distance="euclidean", half_space=False, weights=None, reduction="mean"):
    """Energy and gradient of f(distance) over all pairs, one pair at a time; f and slope are functions of a number."""
    x = np.asarray(x, dtype=float)
    length = [math.hypot(*row) for row in x]
    unit = [row / r for row, r in zip(x, length, strict=True)]
    charge = [1.0] * len(x) if weights is None else [float(w) for w in weights]
    rows = [(u, i, 1) for i, u in enumerate(unit)]
    if half_space:
        rows += [(-u, i, -1) for i, u in enumerate(unit)]
    total, mass = 0.0, 0.0
    pull = np.zeros_like(x)  # with respect to the unit vectors
    for (u, i, a), (v, j, b) in itertools.combinations(rows, 2):
        c = charge[i] * charge[j]
        chord = math.dist(u, v)
        if distance == "euclidean":
            r, direction = chord, (u - v) / chord
        else:
            r = 2 * math.atan2(chord, math.dist(u, -v))
            sine = math.sin(r)
            away = np.zeros_like(u) if i == j else 1 / sine  # no slope at the opposite point
            direction, other = -(v - math.cos(r) * u) * away, -(u - math.cos(r) * v) * away
        if distance == "euclidean":
            other = -direction
        total += c * f(r)
        mass += c
        if i != j:  # a point and its own opposite keep their distance
            pull[i] += a * c * slope(r) * direction
            pull[j] += b * c * slope(r) * other
    scale = 1 / mass if reduction == "mean" else 1.0
    gradient = [scale * (g - (g @ u) * u) / r for g, u, r in zip(pull, unit, length, strict=True)]
    return scale * total, np.array(gradient)


def riesz_functions(s):
    if s == 0:
        return (lambda r: -math.log(r)), (lambda r: -1 / r)
    return (lambda r: r**-s), (lambda r: -s * r ** (-s - 1))


def value_and_gradient(f, x):
    x = x.clone().requires_grad_()
    value = f(x)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), gradient


def assert_loop(f, x, functions, tolerance=1e-10, **options):
    value, gradient = value_and_gradient(f, x)
    expected, slope = loop(x, *functions, **options)
    assert float(value) == pytest.approx(expected, rel=tolerance, abs=tolerance)
    np.testing.assert_allclose(gradient, slope, rtol=tolerance, atol=tolerance * max(1, np.abs(slope).max()))


# --- every option against the double loop ---------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("charged", [False, True])
@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize("distance", ["euclidean", "angular"])
@pytest.mark.parametrize("s", S)
@pytest.mark.parametrize("d", [3, 6])
def test_riesz(d, s, distance, half_space, charged, reduction):
    x = 3 * sphere.uniform(7, d, seed=11)
    weights = torch.tensor([0.5, 1, 2, 0, 3, 1, 1.5], dtype=torch.float64) if charged else None
    options = dict(distance=distance, half_space=half_space, weights=weights, reduction=reduction)
    assert_loop(lambda x: energy.riesz(x, s, **options), x, riesz_functions(s), **options)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("charged", [False, True])
@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize("t", [0.1, 2.0, 30.0])
def test_gaussian(t, half_space, charged, reduction):
    x = 0.2 * sphere.uniform(6, 4, seed=2)
    weights = torch.arange(6.0) if charged else None
    options = dict(half_space=half_space, weights=weights, reduction=reduction)
    functions = (lambda r: math.exp(-t * r * r)), (lambda r: -2 * t * r * math.exp(-t * r * r))
    assert_loop(lambda x: energy.gaussian(x, t, **options), x, functions, **options)


@settings(max_examples=40)
@given(
    n=st.integers(2, 9),
    d=st.integers(2, 8),
    s=st.floats(0, 6),
    seed=st.integers(0, 10**6),
    distance=st.sampled_from(["euclidean", "angular"]),
    half_space=st.booleans(),
)
def test_riesz_of_any_size(n, d, s, seed, distance, half_space):
    x = sphere.uniform(n, d, seed=seed)
    expected, _ = loop(x, *riesz_functions(s), distance=distance, half_space=half_space)
    assert float(energy.riesz(x, s, distance=distance, half_space=half_space)) == pytest.approx(expected, rel=1e-7)
    assert float(energy.riesz(x.float(), s, distance=distance)) == pytest.approx(
        loop(x.float(), *riesz_functions(s), distance=distance)[0], rel=1e-3, abs=1e-4
    )


def test_one_dimension():
    """S^0 has two points; a pair of opposite ones is at distance 2, or pi."""
    x = torch.tensor([[3.0], [-0.1]], dtype=torch.float64)
    assert energy.riesz(x) == 0.5
    assert energy.riesz(x, distance="angular") == pytest.approx(1 / math.pi)


def test_uniformity():
    x = sphere.uniform(9, 5, seed=3)
    pairs = [math.exp(-2 * math.dist(a, b) ** 2) for a, b in itertools.combinations(x.tolist(), 2)]
    assert float(energy.uniformity(x)) == pytest.approx(math.log(sum(pairs) / len(pairs)), rel=1e-12)
    # as Wang and Isola 2020 write it in their section 4.1, in PyTorch's own pdist
    assert float(energy.uniformity(x, 3.5)) == pytest.approx(
        float(torch.pdist(x).pow(2).mul(-3.5).exp().mean().log()), rel=1e-12
    )


def test_defaults_and_short_names():
    x = sphere.uniform(8, 3, seed=4)
    torch.testing.assert_close(energy.riesz(x), energy.riesz(x, 1.0, distance="euclidean", reduction="mean"))
    options = dict(half_space=True, reduction="sum", distance="angular")
    torch.testing.assert_close(energy.logarithmic(x, **options), energy.riesz(x, 0, **options))
    torch.testing.assert_close(energy.uniformity(x), energy.gaussian(x, 2.0).log())
    torch.testing.assert_close(energy.riesz(x, 1) * 28, energy.riesz(x, 1, reduction="sum"))
    torch.testing.assert_close(energy.riesz(x, 1, half_space=True) * 120,
                               energy.riesz(x, 1, half_space=True, reduction="sum"))  # fmt: skip


def test_twice_the_pairs():
    """MHE-E1 runs over ordered pairs: N(N-1) times our mean, twice our sum; half-space is the energy of x and -x."""
    x = sphere.uniform(6, 4, seed=5)
    distance = torch.cdist(x, x) + torch.eye(6, dtype=torch.float64)
    ordered = (1 / distance).sum() - 6
    torch.testing.assert_close(energy.riesz(x) * 6 * 5, ordered)
    torch.testing.assert_close(energy.riesz(x, reduction="sum") * 2, ordered)
    for options in ({}, {"distance": "angular"}, {"reduction": "sum"}):
        for s in (0, 1, 3):
            both = energy.riesz(torch.cat([x, -x]), s, **options)
            torch.testing.assert_close(energy.riesz(x, s, half_space=True, **options), both)


def test_leading_dimensions():
    x = sphere.uniform(2 * 3 * 5, 4, seed=6).reshape(2, 3, 5, 4)
    weights = torch.rand(3, 5, generator=torch.Generator().manual_seed(0))
    for f in (
        lambda x, w: energy.riesz(x, 1.5),
        lambda x, w: energy.riesz(x, 0, half_space=True, distance="angular"),
        lambda x, w: energy.gaussian(x, reduction="sum", weights=w),
        lambda x, w: energy.riesz(x, 2, weights=w, half_space=True),
        lambda x, w: energy.uniformity(x),
        lambda x, w: energy.largest_cosine(x),
        lambda x, w: energy.mean_largest_cosine(x),
    ):
        together, gradient = value_and_gradient(lambda x, f=f: f(x, weights), x)
        assert together.shape == (2, 3)
        for i, j in itertools.product(range(2), range(3)):
            value, slope = value_and_gradient(lambda x, f=f, j=j: f(x, weights[j]), x[i, j])
            torch.testing.assert_close(together[i, j], value)
            torch.testing.assert_close(gradient[i, j], slope)
    assert energy.riesz(x[:0]).shape == (0, 3) and energy.largest_cosine(x[:, :0]).shape == (2, 0)


@pytest.mark.parametrize("block", [30, 100, 399])
@pytest.mark.parametrize("d", [3, 7])
@pytest.mark.parametrize(
    "options",
    [{}, {"half_space": True}, {"distance": "angular", "reduction": "sum"}, {"weights": torch.linspace(0, 2, 20)}],
    ids=["plain", "half_space", "angular", "weights"],
)
def test_blocks(options, d, block, monkeypatch):
    """The number of blocks changes neither the value nor the gradient, also with leading dimensions."""
    x = sphere.uniform(40, d, seed=7).reshape(2, 20, d)
    for f in (lambda x: energy.riesz(x[0], 1, **options), lambda x: energy.riesz(x, 0.5, **options)):
        value, gradient = value_and_gradient(f, x)
        monkeypatch.setattr(energy, "BLOCK", block)
        blocks, slope = value_and_gradient(f, x)
        monkeypatch.undo()
        torch.testing.assert_close(blocks, value, rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(slope, gradient, rtol=1e-12, atol=1e-13)


def test_gradient_of_weights(monkeypatch):
    x = sphere.uniform(9, 3, seed=8)
    weights = torch.linspace(0.5, 2, 9, dtype=torch.float64, requires_grad=True)
    for block in (20, energy.BLOCK):
        monkeypatch.setattr(energy, "BLOCK", block)
        for options in ({}, {"half_space": True}, {"reduction": "sum"}):
            assert torch.autograd.gradcheck(lambda w, o=options: energy.riesz(x, weights=w, **o), weights)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: energy.riesz(x, 1),
        lambda x: energy.riesz(x, 0, half_space=True),
        lambda x: energy.riesz(x, 2, distance="angular"),
        lambda x: energy.gaussian(x),
        lambda x: energy.uniformity(x),
        lambda x: energy.largest_cosine(x),
        lambda x: energy.mean_largest_cosine(x),
        lambda x: energy.class_minibatch(x, torch.tensor([0, 2, 2])),
    ],
)
def test_gradcheck(f, monkeypatch):
    for d in (3, 5):
        x = (2 * sphere.uniform(6, d, seed=9)).requires_grad_()
        assert torch.autograd.gradcheck(f, x)
    monkeypatch.setattr(energy, "BLOCK", 10)
    assert torch.autograd.gradcheck(f, x)


def test_second_derivatives():
    x = sphere.uniform(4, 3, seed=10).requires_grad_()
    for options in ({}, {"half_space": True}, {"distance": "angular"}):
        assert torch.autograd.gradgradcheck(lambda x, o=options: energy.riesz(x, 1, **o), x)


# --- symmetries -----------------------------------------------------------------------------------------------------

ENERGIES = {
    "riesz": lambda x: energy.riesz(x, 1),
    "log": lambda x: energy.logarithmic(x),
    "angular": lambda x: energy.riesz(x, 2, distance="angular"),
    "half-space": lambda x: energy.riesz(x, 1, half_space=True),
    "gaussian": lambda x: energy.gaussian(x),
    "uniformity": lambda x: energy.uniformity(x),
    "largest": lambda x: energy.largest_cosine(x),
    "mean largest": lambda x: energy.mean_largest_cosine(x),
}


@pytest.mark.parametrize("name", ENERGIES)
@settings(max_examples=15)
@given(n=st.integers(2, 12), d=st.integers(2, 7), seed=st.integers(0, 10**6))
def test_symmetries(name, n, d, seed):
    """Rotations, reflections, the order of the points and their lengths do not matter; gradients turn along."""
    f, x = ENERGIES[name], sphere.uniform(n, d, seed=seed)
    rng = np.random.default_rng(seed)
    turn = torch.from_numpy(np.linalg.qr(rng.normal(size=(d, d)))[0])
    order = torch.from_numpy(rng.permutation(n))
    length = torch.from_numpy(10 ** rng.uniform(-3, 3, size=(n, 1)))
    value, gradient = value_and_gradient(f, x)
    close = dict(rtol=1e-7, atol=1e-9)
    for y in (x @ turn, x[order], x * length):
        torch.testing.assert_close(f(y), value, **close)
    torch.testing.assert_close((gradient * x).sum(-1), torch.zeros(n, dtype=torch.float64), rtol=0, atol=1e-9)
    size = dict(rtol=1e-6, atol=1e-6 * float(1 + gradient.abs().max()))
    torch.testing.assert_close(value_and_gradient(f, x @ turn)[1], gradient @ turn, **size)
    if name == "half-space":  # and the sign of any point
        sign = torch.from_numpy(rng.choice([-1.0, 1.0], size=(n, 1)))
        torch.testing.assert_close(f(x * sign), value, **close)
        torch.testing.assert_close(value_and_gradient(f, x * sign)[1], gradient * sign, **size)


# --- where points meet ----------------------------------------------------------------------------------------------


def meetings(d, dtype):
    """Sets in which points coincide, are opposite, or nearly so."""
    p, q, r = sphere.uniform(3, d, seed=1, dtype=dtype)
    yield torch.stack([p, p])
    yield torch.stack([p, p, p, p])
    yield torch.stack([p, -p, q, -q, p])
    for gap in (1e-3, 1e-5, 1e-8, 1e-12, 1e-16, 1e-30):
        yield torch.stack([p, p + gap * q, r])
        yield torch.stack([p, -p + gap * q, r])
    yield 1e-30 * torch.stack([p, p, 1e25 * q, -q])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [2, 3, 8])
@pytest.mark.parametrize("s", S)
def test_finite_where_points_meet(s, d, dtype):
    for x in meetings(d, dtype):
        for distance, half_space in itertools.product(("euclidean", "angular"), (False, True)):
            for reduction in ("mean", "sum"):
                value, gradient = value_and_gradient(
                    lambda x, o=(distance, half_space, reduction): energy.riesz(
                        x, s, distance=o[0], half_space=o[1], reduction=o[2]
                    ),
                    x,
                )
                assert value.dtype == dtype and value.isfinite(), (s, distance, half_space)
                assert (gradient * x.norm(dim=-1, keepdim=True)).isfinite().all(), (s, distance, half_space)
        for f in (energy.gaussian, energy.uniformity, energy.largest_cosine, energy.mean_largest_cosine):
            value, gradient = value_and_gradient(f, x)
            assert value.isfinite() and gradient.isfinite().all()
        labels = torch.arange(len(x))
        value, gradient = value_and_gradient(lambda x, y=labels: energy.class_minibatch(x, y, s), x)
        assert value.isfinite() and gradient.isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [3, 8])
@pytest.mark.parametrize("distance", ["euclidean", "angular"])
def test_close_points_push(distance, d, dtype):
    """Above the floor sqrt(eps) a close pair has its energy and its slope; below it the floor's energy and no slope."""
    root = math.sqrt(torch.finfo(dtype).eps)
    p, v = sphere.uniform(2, d, seed=3)
    for factor, rel in ((1000, 1e-4), (30, 3e-2)):  # the error of a squared distance is a few eps
        x = torch.stack([p, p + factor * root * v]).to(dtype)
        value, gradient = value_and_gradient(lambda x: energy.riesz(x, 1, distance=distance), x)
        expected, slope = loop(x, *riesz_functions(1), distance=distance)
        assert float(value) == pytest.approx(expected, rel=rel)
        np.testing.assert_allclose(gradient, slope, rtol=0, atol=rel * np.abs(slope).max())
    x = torch.stack([p, p + 1e-3 * root * v]).to(dtype)
    value, gradient = value_and_gradient(lambda x: energy.riesz(x, 1, distance=distance), x)
    assert float(value) == pytest.approx(1 / root, rel=1e-6)
    assert (
        abs(gradient).max() < 1e-9 / root**2
    )  # nothing but rounding, beside the slope 1 / root^2 just above the floor


@pytest.mark.parametrize("s", [1, 16, 100])
@pytest.mark.parametrize("dtype", DTYPES)
def test_angles_near_pi(s, dtype):
    """A large s raises the floor of small distances; it must not touch the angle of nearly opposite points."""
    for away in (0.0, 1e-2, 0.1, 0.5):
        x = torch.tensor([[1.0, 0, 0], [-math.cos(away), math.sin(away), 0]], dtype=dtype)
        x = 1.5 * x / x.norm(dim=1, keepdim=True)
        got = energy.riesz(x, s, distance="angular").log()
        rel = 1e-12 if dtype == torch.float64 else 1e-4
        if s * math.log(math.pi) < 80 or dtype == torch.float64:  # pi^-100 is below float32
            assert float(got) == pytest.approx(-s * math.log(math.pi - away), rel=rel)


def test_the_floor_fits_the_floats():
    """For every s the energy and the gradient of coincident points fit, and distinct points are not touched."""
    for dtype in DTYPES:
        for s in (0, 1e-9, 1, 7.5, 30, 300, 1e4, 1e30):
            x = torch.tensor([[1.0, 0], [1, 0], [0, 1]], dtype=dtype)
            value, gradient = value_and_gradient(lambda x, s=s: energy.riesz(x, s), x)
            assert value.isfinite() and gradient.isfinite().all()
    x = torch.tensor([[1.0, 0], [math.cos(0.02), math.sin(0.02)]], dtype=torch.float64)
    assert float(energy.riesz(x, 100)) == pytest.approx((2 * math.sin(0.01)) ** -100, rel=1e-10)


@pytest.mark.parametrize("s", [0.5, 1, 20, 300, 5000])
@pytest.mark.parametrize("d", [2, 3, 8])
def test_log_riesz(d, s):
    """The logarithm of the double loop's energy, worked out from logarithms of distances, with its gradient."""
    x = 3 * sphere.uniform(7, d, seed=11)
    unit = (x / x.norm(dim=1, keepdim=True)).numpy()
    logs = [-s * math.log(math.dist(u, v)) for u, v in itertools.combinations(unit, 2)]
    top = max(logs)
    expected = top + math.log(sum(math.exp(v - top) for v in logs))
    value, gradient = value_and_gradient(lambda x: energy.log_riesz(x, s, reduction="sum"), x)
    assert float(value) == pytest.approx(expected, rel=1e-10)
    assert float(energy.log_riesz(x, s)) == pytest.approx(expected - math.log(21), rel=1e-10)
    assert float(energy.log_riesz(x.float(), s)) == pytest.approx(expected - math.log(21), rel=1e-4, abs=1e-5)
    step = 1e-6 * torch.randn(7, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    change = energy.log_riesz(x + step, s, reduction="sum") - energy.log_riesz(x - step, s, reduction="sum")
    assert float(change) == pytest.approx(2 * float((gradient * step).sum()), rel=1e-3)
    if s <= 20:
        torch.testing.assert_close(energy.log_riesz(x, s), energy.riesz(x, s).log())


def test_log_riesz_still_pushes_where_riesz_is_flat():
    """Twelve points in float32 at s = 400: powers do not fit, their logarithms do, and descent parts the points."""
    x = sphere.uniform(12, 3, seed=0, dtype=torch.float32)
    x[1] = x[0] + 0.05 * x[2]
    value, slope = value_and_gradient(lambda x: energy.riesz(x, 400), x[:2])
    assert value == energy.riesz(x[[0, 0]], 400) and not slope.any()  # below the floor
    for _ in range(300):
        _, slope = value_and_gradient(lambda x: energy.log_riesz(x, 400) / 400, x)
        x = sphere.normalize(x - 0.02 * slope)
    assert sphere.separation(x).smallest_angle > 0.8
    # log(E) / s is a soft maximum of log(1/r)
    closest = -sphere.separation(x).smallest_chord.log()
    assert closest - math.log(66) / 400 <= energy.log_riesz(x, 400) / 400 <= closest + 1e-5


def test_log_riesz_in_blocks_and_batches(monkeypatch):
    x = sphere.uniform(60, 3, seed=1).view(4, 15, 3)
    value, gradient = value_and_gradient(lambda x: energy.log_riesz(x, 30), x)
    torch.testing.assert_close(value, torch.stack([energy.log_riesz(y, 30) for y in x]))
    for block in (1, 4 * 15 * 2, 4 * 15 * 7):
        monkeypatch.setattr(energy, "BLOCK", block)
        torch.testing.assert_close(value_and_gradient(lambda x: energy.log_riesz(x, 30), x), (value, gradient))


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_riesz_where_points_meet(dtype):
    for x in meetings(3, dtype):
        for s in (1, 50, 1e4):
            value, gradient = value_and_gradient(lambda x, s=s: energy.log_riesz(x, s), x)
            assert value.dtype == dtype and value.isfinite()
            assert (gradient * x.norm(dim=-1, keepdim=True)).isfinite().all()


# --- published values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "value"),
    [
        (TETRAHEDRON, 3.674234614),
        (OCTAHEDRON, 9.985281374),
        (CUBE, 19.740774),  # Thomson's first guess for 8 electrons, not the minimum 19.675288
        (ICOSAHEDRON, 49.165253058),
    ],
    ids=["tetrahedron", "octahedron", "cube", "icosahedron"],
)
def test_platonic_solids(rows, value):
    x = torch.tensor(rows, dtype=torch.float64)
    assert float(energy.riesz(x, reduction="sum")) == pytest.approx(value, abs=5e-7 if value == 19.740774 else 5e-10)
    assert float(energy.riesz(x.float(), reduction="sum")) == pytest.approx(value, rel=1e-6)
    _, gradient = value_and_gradient(lambda x: energy.riesz(x, reduction="sum"), x)
    assert gradient.abs().max() < 1e-13  # each of them is in balance


def test_known_energies():
    x = torch.tensor(OCTAHEDRON, dtype=torch.float64)
    assert float(energy.logarithmic(x, reduction="sum")) == pytest.approx(-9 * math.log(2))
    assert float(energy.riesz(x, 2, reduction="sum")) == pytest.approx(6.75)
    assert float(energy.riesz(x, 1, distance="angular", reduction="sum")) == pytest.approx(27 / math.pi)
    assert float(energy.gaussian(x, 2, reduction="sum")) == pytest.approx(12 * math.exp(-4) + 3 * math.exp(-8))
    assert float(energy.riesz(torch.tensor(ICOSAHEDRON), reduction="sum")) == pytest.approx(
        reference.thomson(12).value, rel=1e-6
    )
    assert energy.largest_cosine(torch.tensor(ICOSAHEDRON, dtype=torch.float64)) == pytest.approx(1 / math.sqrt(5))
    axes = torch.eye(3, dtype=torch.float64)  # with their opposites: the octahedron
    assert float(energy.riesz(axes, half_space=True, reduction="sum")) == pytest.approx(9.985281374)


@pytest.mark.parametrize("k", [2, 3, 5, 30])
@pytest.mark.parametrize("s", S)
def test_simplex_energy(k, s):
    """All pairs at sqrt(2K/(K-1))."""
    r = math.sqrt(2 * k / (k - 1))
    expected = -math.log(r) if s == 0 else r**-s
    x = points.simplex(k)
    assert float(energy.riesz(x, s)) == pytest.approx(expected, rel=1e-11)
    assert float(energy.largest_cosine(x)) == pytest.approx(-1 / (k - 1), abs=1e-14)
    assert float(energy.mean_largest_cosine(x)) == pytest.approx(-1 / (k - 1), abs=1e-14)
    assert float(energy.uniformity(x)) == pytest.approx(-2 * r * r)


def test_the_logarithmic_energy_is_a_limit():
    """(E_s - 1)/s tends to E_0, from above, with an error of about s/2 times the mean squared logarithm."""
    x = sphere.uniform(30, 5, seed=12)
    for distance in ("euclidean", "angular"):
        limit = float(energy.riesz(x, 0, distance=distance))
        gaps = [(float(energy.riesz(x, s, distance=distance)) - 1) / s - limit for s in (1e-1, 1e-2, 1e-3)]
        assert gaps[0] > gaps[1] > gaps[2] > 0
        assert gaps[1] / gaps[2] == pytest.approx(10, rel=0.02)


def test_mhe_taylor_relation():
    """MHE-E3: near s = 0, E_s is about s E_0 + 1."""
    x = sphere.uniform(10, 3, seed=0)
    s = 1e-4
    assert float(energy.riesz(x, s)) == pytest.approx(1 + s * float(energy.logarithmic(x)), abs=1e-8)


# --- largest cosines ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "d"), [(2, 3), (20, 3), (20, 9)])
def test_largest_cosines(n, d, dtype):
    x = 2 * sphere.uniform(n, d, seed=n, dtype=dtype)
    unit = [row / np.linalg.norm(row) for row in x.double().numpy()]
    best = [max(a @ b for j, b in enumerate(unit) if j != i) for i, a in enumerate(unit)]
    assert float(energy.largest_cosine(x)) == pytest.approx(max(best), abs=1e-6 if dtype == torch.float32 else 1e-14)
    assert float(energy.mean_largest_cosine(x)) == pytest.approx(np.mean(best), abs=1e-6)
    _, gradient = value_and_gradient(energy.largest_cosine, x)
    assert (gradient.norm(dim=1) > 0).sum() == 2  # the closest pair alone


# --- mini-batches ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("s", [0, 1, 3])
@pytest.mark.parametrize("m", [2, 3, 5, 6])
def test_minibatch_is_unbiased(m, s, monkeypatch):
    """Over all draws of m of 6 points, the mean of what minibatch returns is the mean energy of all."""
    x = sphere.uniform(6, 4, seed=13)
    subsets = iter(itertools.combinations(range(6), m))

    def draw(n, generator=None):
        first = next(subsets)
        return torch.tensor([*first, *(i for i in range(n) if i not in first)])

    monkeypatch.setattr(torch, "randperm", draw)
    values = [energy.minibatch(x, m, s) for _ in range(math.comb(6, m))]
    torch.testing.assert_close(torch.stack(values).mean(), energy.riesz(x, s))


def test_minibatch_draws():
    x = sphere.uniform(5, 3, seed=14)
    pairs = {round(float(energy.riesz(x[list(p)])), 9) for p in itertools.combinations(range(5), 2)}
    generator = torch.Generator().manual_seed(0)
    drawn = [round(float(energy.minibatch(x, 2, generator=generator)), 9) for _ in range(300)]
    assert set(drawn) == pairs and len(pairs) == 10  # every pair comes
    again = torch.Generator().manual_seed(0)
    assert drawn[0] == round(float(energy.minibatch(x, 2, generator=again)), 9)
    torch.testing.assert_close(energy.minibatch(x, 5, 2.0, reduction="sum"), energy.riesz(x, 2.0, reduction="sum"))
    assert energy.minibatch(x.expand(7, 5, 3), 3, half_space=True).shape == (7,)
    weights = torch.tensor([0.0, 1, 2, 3, 4])  # the draw takes its points' weights along
    torch.testing.assert_close(energy.minibatch(x, 5, weights=weights), energy.riesz(x, weights=weights))


@pytest.mark.parametrize("s", [0, 1, 2.5])
@pytest.mark.parametrize("integers", [torch.int64, torch.int32, torch.uint8])
def test_class_minibatch(integers, s):
    """1/(m (N-1)) sum over the samples of the energies between their class and all others, sample by sample."""
    x, labels = 3 * sphere.uniform(7, 4, seed=15), [3, 0, 3, 6, 3]
    rows = sphere.normalize(x).tolist()
    f, _ = riesz_functions(s)
    expected = sum(f(math.dist(rows[y], rows[j])) for y in labels for j in range(7) if j != y) / (5 * 6)
    got = energy.class_minibatch(x, torch.tensor(labels, dtype=integers), s)
    assert float(got) == pytest.approx(expected, rel=1e-12)
    everyone = energy.class_minibatch(x, torch.arange(7), s)  # each class once: the mean over ordered pairs
    torch.testing.assert_close(everyone, energy.riesz(x, s))


# --- large sets -----------------------------------------------------------------------------------------------------

MEMORY = """
import resource, sys, torch
from hpn_lite import energy, sphere

def peak():  # in MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 ** (2 if sys.platform == "darwin" else 1)

torch.set_num_threads(1)
x = sphere.uniform(7000, 3, seed=0).requires_grad_()
energy.riesz(x[:100]).backward()
before = peak()
value = energy.riesz(x)
value.backward()
energy.mean_largest_cosine(x.detach())
print(peak() - before, value.item(), x.grad.isfinite().all().item())
"""


def test_memory_grows_with_the_number_of_points():
    """A matrix of all pairs of 7000 points has 370 MiB in float64, and autograd would hold about ten of them."""
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    mebibytes, value, finite = done.stdout.split()
    assert float(mebibytes) < 700 and finite == "True"
    assert float(value) == pytest.approx(1, abs=0.01)  # the energy integral of s = 1 on S^2


# --- half precision, transforms -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    x = sphere.uniform(12, 6, seed=16).to(dtype)
    for f in (energy.riesz, energy.logarithmic, energy.gaussian, energy.uniformity):
        value, gradient = value_and_gradient(f, x)
        assert value.dtype == torch.float32 and gradient.dtype == dtype and gradient.isfinite().all()
        torch.testing.assert_close(value, f(x.float()))
    assert energy.class_minibatch(x, torch.tensor([1])).dtype == torch.float32


@pytest.mark.parametrize("d", [3, 6])
def test_autocast_changes_nothing(d):
    x = sphere.uniform(12, d, seed=17, dtype=torch.float32)
    for f in (energy.riesz, energy.uniformity, energy.largest_cosine, lambda x: energy.riesz(x, 2, half_space=True)):
        y = x.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = f(y)
        value.backward()  # outside, as PyTorch asks
        expected, gradient = value_and_gradient(f, x)
        torch.testing.assert_close(value.detach(), expected, rtol=0, atol=0)
        torch.testing.assert_close(y.grad, gradient, rtol=0, atol=0)


def test_function_transforms():
    """torch.func: grad as it is, vmap with check=False."""
    x = sphere.uniform(12, 3, seed=18).reshape(2, 6, 3)
    for options in ({}, {"half_space": True, "distance": "angular"}):
        f = lambda x, o=options: energy.riesz(x, 1, check=False, **o)  # noqa: E731
        torch.testing.assert_close(torch.func.vmap(f)(x), f(x))
        per_set = torch.func.vmap(torch.func.grad(f))(x)
        torch.testing.assert_close(per_set, value_and_gradient(f, x)[1])
        torch.testing.assert_close(torch.func.grad(lambda x: energy.riesz(x))(x[0]),
                                   value_and_gradient(energy.riesz, x[0])[1])  # fmt: skip


# --- bad input ------------------------------------------------------------------------------------------------------

X = torch.eye(3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: energy.riesz(X, -1), ValueError, r"s must be in \[0, infinity\), got -1$"),
        (lambda: energy.riesz(X, math.nan), ValueError, r"s must be in \[0, infinity\), got nan$"),
        (lambda: energy.riesz(X, math.inf), ValueError, "got inf; the limit is the Tammes problem: see largest_cosine"),
        (lambda: energy.riesz(X, "1"), TypeError, "s must be a number, got '1'"),
        (lambda: energy.riesz(X, None), TypeError, "s must be a number, got None"),
        (lambda: energy.riesz(X, torch.ones(2)), TypeError, "s must be a number, got tensor"),
        (
            lambda: energy.riesz(X, distance="cosine"),
            ValueError,
            "distance must be one of 'euclidean', 'angular', got 'c",
        ),
        (lambda: energy.riesz(X, reduction="none"), ValueError, "reduction must be one of 'mean', 'sum', got 'none'"),
        (lambda: energy.riesz([1, 2]), TypeError, "x must be a torch.Tensor, got list"),
        (lambda: energy.riesz(X.long()), TypeError, "x must hold floating-point numbers, got torch.int64"),
        (lambda: energy.riesz(X[0]), ValueError, r"x must have shape \(..., N, D\) with N >= 2, got \(3,\)"),
        (lambda: energy.riesz(X[:1]), ValueError, r"N >= 2, got \(1, 3\)"),
        (lambda: energy.riesz(X[:1], check=False), ValueError, r"N >= 2, got \(1, 3\)"),
        (lambda: energy.riesz(X[:0]), ValueError, r"N >= 2, got \(0, 3\)"),
        (lambda: energy.riesz(X[:, :0]), ValueError, r"N >= 2, got \(3, 0\)"),
        (lambda: energy.riesz(X * math.nan), ValueError, "x holds NaN or infinity"),
        (lambda: energy.riesz(X / 0), ValueError, "x holds NaN or infinity"),
        (lambda: energy.riesz(X * 0), ValueError, r"x holds 3 zero vector\(s\)"),
        (lambda: energy.riesz(X, weights=[1, 1, 1]), TypeError, "weights must be a torch.Tensor, got list"),
        (lambda: energy.riesz(X, weights=torch.ones(2)), ValueError, r"one entry per point, \(3,\), got \(2,\)"),
        (lambda: energy.riesz(X, weights=torch.tensor(1.0)), ValueError, r"one entry per point, \(3,\), got \(\)"),
        (lambda: energy.riesz(X, weights=torch.tensor([1.0, 1, -1])), ValueError, "finite and not negative"),
        (lambda: energy.riesz(X, weights=torch.tensor([1.0, 1, math.nan])), ValueError, "finite and not negative"),
        (lambda: energy.riesz(X, weights=torch.tensor([1.0, 0, 0])), ValueError, "at least two of them over 0"),
        (lambda: energy.log_riesz(X, 0), ValueError, "s must be over 0: .* see logarithmic"),
        (lambda: energy.log_riesz(X, math.inf), ValueError, "the limit is the Tammes problem"),
        (lambda: energy.log_riesz(X, 2, reduction="none"), ValueError, "reduction must be one of 'mean', 'sum'"),
        (lambda: energy.log_riesz(X * 0, 2), ValueError, "zero vector"),
        (lambda: energy.logarithmic(X, s=2), TypeError, "multiple values|unexpected"),
        (lambda: energy.gaussian(X, 0), ValueError, "t must be positive and finite, got 0"),
        (lambda: energy.gaussian(X, -2.0), ValueError, "t must be positive and finite, got -2.0"),
        (lambda: energy.gaussian(X, math.inf), ValueError, "t must be positive and finite, got inf"),
        (lambda: energy.gaussian(X, math.nan), ValueError, "t must be positive and finite, got nan"),
        (lambda: energy.gaussian(X, "2"), TypeError, "t must be a number, got '2'"),
        (lambda: energy.uniformity(X, 0), ValueError, "t must be positive"),
        (lambda: energy.uniformity(X[:1]), ValueError, r"N >= 2, got \(1, 3\)"),
        (lambda: energy.minibatch(X, 1), ValueError, "m must be at least 2, got 1"),
        (lambda: energy.minibatch(X, 4), ValueError, "m must be at most the number of points 3, got 4"),
        (lambda: energy.minibatch(X, 2.0), ValueError, "m must be a whole number of at least 2, got 2.0"),
        (lambda: energy.minibatch(X, 2, -1), ValueError, "s must be in"),
        (lambda: energy.minibatch(X * 0, 2), ValueError, "zero vector"),
        (lambda: energy.minibatch(X, 2, weights=torch.ones(2)), ValueError, r"one entry per point, \(3,\), got \(2,\)"),
        (lambda: energy.class_minibatch(X, [0]), TypeError, "labels must be a torch.Tensor, got list"),
        (
            lambda: energy.class_minibatch(X, torch.tensor([0.0])),
            TypeError,
            "labels must be integers, got torch.float32",
        ),
        (lambda: energy.class_minibatch(X, torch.tensor([True])), TypeError, "labels must be integers, got torch.bool"),
        (lambda: energy.class_minibatch(X, torch.tensor(1)), ValueError, r"shape \(m,\) with m >= 1, got \(\)"),
        (lambda: energy.class_minibatch(X, torch.tensor([], dtype=torch.long)), ValueError, r"m >= 1, got \(0,\)"),
        (lambda: energy.class_minibatch(X, torch.tensor([0, 3])), ValueError, r"labels must be in 0\.\.2, got 0\.\.3"),
        (lambda: energy.class_minibatch(X, torch.tensor([-1])), ValueError, r"labels must be in 0\.\.2, got -1\.\.-1"),
        (lambda: energy.class_minibatch(X, torch.tensor([0]), -2), ValueError, "s must be in"),
        (lambda: energy.class_minibatch(X[None], torch.tensor([0])), ValueError, r"shape \(N, D\), got \(1, 3, 3\)"),
        (lambda: energy.class_minibatch(X * 0, torch.tensor([0])), ValueError, "zero vector"),
        (lambda: energy.largest_cosine(X[:1]), ValueError, "N >= 2"),
        (lambda: energy.largest_cosine(X * math.nan), ValueError, "NaN"),
        (lambda: energy.mean_largest_cosine(X.int()), TypeError, "got torch.int32"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_without_a_look():
    """check=False looks at no number: the same value for good points, and a finite gradient for a zero vector."""
    x = sphere.uniform(5, 3, seed=0)
    torch.testing.assert_close(energy.riesz(x, check=False), energy.riesz(x))
    torch.testing.assert_close(energy.uniformity(x, check=False), energy.uniformity(x))
    x[2] = 0
    value, gradient = value_and_gradient(lambda x: energy.riesz(x, check=False), x)
    assert value.isfinite() and gradient.isfinite().all()
