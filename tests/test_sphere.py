"""Directions, distances, moving, room and maps, against plain loops, mpmath and scipy."""

import itertools
import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from hpn_lite import sphere

DTYPES = [torch.float64, torch.float32]


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def exact_unit(row):
    """x / ||x|| in 60 digits, wherever the entries lie."""
    with mpmath.workdps(60):
        row = [mpmath.mpf(v) for v in row]
        norm = mpmath.sqrt(sum(v * v for v in row))
        return [v / norm for v in row]


def exact_angle(x, y):
    """Angle of two rows of floats in 60 digits, then as a float."""
    with mpmath.workdps(60):
        x, y = exact_unit(x), exact_unit(y)
        apart = mpmath.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)))
        near = mpmath.sqrt(sum((a + b) ** 2 for a, b in zip(x, y, strict=True)))
        return float(2 * mpmath.atan2(apart, near))


def brute_force(x):
    """Every point's least distance and all other distances, by two loops."""
    rows = [np.array([float(v) for v in exact_unit(row)]) for row in x.tolist()]
    distance = np.full((len(rows), len(rows)), np.inf)
    for i, j in itertools.permutations(range(len(rows)), 2):
        distance[i, j] = math.dist(rows[i], rows[j])
    return distance


def rotation(d, seed):
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    return torch.from_numpy(q * np.sign(np.diag(r)))


def vectors(d, n, width=64):
    """n vectors of any finite floats but all zeros, subnormal ones and the largest ones too."""
    vector = st.lists(st.floats(allow_nan=False, allow_infinity=False, width=width), min_size=d, max_size=d)
    return st.lists(vector.filter(any), min_size=n, max_size=n)


# --- normalize and the checks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "dtype"), [(64, torch.float64), (32, torch.float32)])
@settings(max_examples=50)
@given(data=st.data())
def test_normalize_any_size(data, width, dtype):
    x = data.draw(vectors(4, 1, width))
    expected = torch.tensor([[float(v) for v in exact_unit(row)] for row in x], dtype=dtype)
    got = sphere.normalize(torch.tensor(x, dtype=dtype))
    torch.testing.assert_close(got, expected, rtol=0, atol=4 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_normalize_ends_of_the_range(dtype):
    """The least subnormal and the largest float have a direction like any other number."""
    info = torch.finfo(dtype)
    for size in (info.smallest_normal * info.eps, info.smallest_normal, info.max):
        x = torch.tensor([[size, -size]], dtype=dtype)
        torch.testing.assert_close(sphere.normalize(x), torch.tensor([[1, -1]], dtype=dtype) / math.sqrt(2))


@pytest.mark.parametrize("shape", [(5,), (1,), (0, 3), (2, 3, 4), (2, 0, 3, 4)])
def test_normalize_shapes(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = sphere.normalize(x)
    assert y.shape == shape
    torch.testing.assert_close(y.norm(dim=-1), torch.ones(shape[:-1], dtype=torch.float64))


def test_normalize_gradient():
    x = f64([3.0, 4.0, 12.0], [1e-150, 2e-150, 2e-150]).requires_grad_()
    w = f64([0.3, -2.0, 1.0], [1.0, 1.0, -4.0])
    (g,) = torch.autograd.grad((sphere.normalize(x) * w).sum(), x)
    for row, weight, got in zip(x.tolist(), w, g, strict=True):
        length = math.hypot(*row)
        u = torch.tensor(row, dtype=torch.float64) / length
        torch.testing.assert_close(got * length, weight - (weight @ u) * u)


@pytest.mark.parametrize("dtype", DTYPES)
def test_normalize_without_a_look(dtype):
    x = torch.tensor([[0.0, 0, 0], [0, 3, 4]], dtype=dtype, requires_grad=True)
    y = sphere.normalize(x, check=False)
    assert y.tolist() == [[0, 0, 0], [0, pytest.approx(0.6), pytest.approx(0.8)]]
    y.sum().backward()
    assert x.grad.abs().max() < 10


BAD = [
    ([1.0, 2.0], TypeError, "must be a torch.Tensor, got list; torch.as_tensor makes one"),
    (torch.tensor([1, 2]), TypeError, r"floating-point numbers, got torch.int64; use .*\.double\(\)"),
    (torch.tensor([True]), TypeError, "got torch.bool"),
    (torch.tensor([1 + 2j]), TypeError, "got torch.complex64"),
    (torch.tensor(1.0), ValueError, r"must have shape \(\.\.\., D\), got \(\)"),
    (torch.ones(3, 0), ValueError, r"must have shape .*, got \(3, 0\)"),
    (torch.tensor([1.0, math.nan]), ValueError, "NaN or infinity"),
    (torch.tensor([[1.0, 1.0], [math.inf, 0.0]]), ValueError, "NaN or infinity"),
    (torch.zeros(2, 3), ValueError, r"holds 2 zero vector\(s\), and a zero vector has no direction"),
]


@pytest.mark.parametrize(("x", "error", "message"), BAD)
def test_refusals(x, error, message):
    good = torch.ones(3)
    for call in (
        lambda: sphere.check_vectors(x),
        lambda: sphere.normalize(x),
        lambda: sphere.cosine(x, good),
        lambda: sphere.chord(x, good),
        lambda: sphere.angle(x, good),
        lambda: sphere.tangent(x, good),
        lambda: sphere.exp_map(x, good),
        lambda: sphere.log_map(x, good),
        lambda: sphere.geodesic(x, good, 0.5),
        lambda: sphere.stereographic(x),
        lambda: sphere.equal_area(x),
    ):
        with pytest.raises(error, match=message):
            call()
    for call in (lambda: sphere.cosine(good, x), lambda: sphere.angle(good, x), lambda: sphere.chord(good, x)):
        with pytest.raises(error, match="^y .*" + message):  # and it is y that is named
            call()
    with pytest.raises(error, match="^prototypes .*" + message):
        sphere.check_vectors(x, "prototypes")


@pytest.mark.parametrize("shape", [(3,), (1, 3), (0, 3), (4, 1, 3)])
def test_too_few_points(shape):
    for call in (sphere.nearest, sphere.separation):
        with pytest.raises(ValueError, match=r"\(\.\.\., N, D\) with N >= 2, got \("):
            call(torch.ones(shape))
    with pytest.raises(ValueError, match="N >= 2"):
        sphere.check_vectors(torch.ones(shape), points=2, values=False)
    with pytest.raises(ValueError, match=r"N >= 1, got \(3,\)"):
        sphere.cosines(torch.ones(3))


@pytest.mark.parametrize("call", [sphere.cosine, sphere.cosines, sphere.chord, sphere.angle])
@pytest.mark.parametrize("d", [1, 2, 4])
def test_dimensions_do_not_broadcast(call, d):
    with pytest.raises(
        ValueError, match=r"x and y must have the same last dimension, got shapes \(5, 3\) and \(5, .\)"
    ):
        call(torch.ones(5, 3), torch.ones(5, d))


def test_unit_rows_are_asked_for():
    p, long = f64(1, 0, 0), f64(1, 1e-6, 0) * (1 + 1e-6)
    for name, call in {
        "p": lambda: sphere.tangent(long, p),
        "q": lambda: sphere.log_map(p, long),
        "x": lambda: sphere.stereographic(long),
    }.items():
        with pytest.raises(
            ValueError, match=rf"^{name} must have unit rows, .* off by 1e-06; pass normalize\({name}\)"
        ):
            call()
    with pytest.raises(ValueError, match="unit rows"):
        sphere.check_vectors(torch.ones(4, 3, dtype=torch.bfloat16), unit=True)
    for dtype in (*DTYPES, torch.float16, torch.bfloat16):  # and what normalize gives is unit enough for its dtype
        x = sphere.uniform(50, 300, seed=0, dtype=dtype)
        assert sphere.check_vectors(x, unit=True) is x
    sphere.check_vectors(torch.ones(0, 3), unit=True)


# --- how far apart --------------------------------------------------------------------------------------------------

SIZES = [(2, 2), (3, 3), (5, 4), (3, 5), (4, 50), (3, 1)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "d"), SIZES)
def test_measures(n, d, dtype):
    """Cosine, chord and angle of all pairs, one pair at a time in 60 digits."""
    generator = torch.Generator().manual_seed(n * d)
    x = 7 * torch.randn(n, d, generator=generator, dtype=dtype)
    y = torch.randn(n + 1, d, generator=generator, dtype=dtype)
    expected = torch.tensor([[exact_angle(a, b) for b in y.tolist()] for a in x.tolist()], dtype=torch.float64)
    close = dict(rtol=0, atol=8 * torch.finfo(dtype).eps, check_dtype=False)
    torch.testing.assert_close(sphere.angle(x[:, None], y), expected, **close)
    torch.testing.assert_close(sphere.chord(x[:, None], y), 2 * torch.sin(expected / 2), **close)
    torch.testing.assert_close(sphere.cosine(x[:, None], y), torch.cos(expected), **close)
    torch.testing.assert_close(sphere.cosines(x, y), torch.cos(expected), **close)
    assert sphere.angle(x[:, None], y).dtype == dtype
    assert sphere.cosines(x).shape == (n, n)
    torch.testing.assert_close(sphere.cosines(x), sphere.cosine(x[:, None], x), rtol=0, atol=1e-6)


def test_cosines_in_batches():
    x, y = torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(0)), sphere.uniform(5, 6, seed=1).float()
    c = sphere.cosines(x, y)
    assert c.shape == (2, 3, 4, 5)
    torch.testing.assert_close(c[1, 2], sphere.cosines(x[1, 2], y))


@settings(max_examples=50)
@given(vectors(3, 2, 32), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_lengths_do_not_matter(pair, a, b):
    x, y = torch.tensor(pair, dtype=torch.float64)
    for f in (sphere.cosine, sphere.chord, sphere.angle):
        torch.testing.assert_close(f(a * x, b * y), f(x, y), rtol=0, atol=1e-14)
        torch.testing.assert_close(f(x, y), f(y, x), rtol=0, atol=1e-15)
    assert -1 <= sphere.cosine(x, y) <= 1 and 0 <= sphere.angle(x, y) <= math.pi


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [0.0, 1e-18, 1e-12, 1e-8, 1e-5, 1e-3])
def test_small_angles_keep_their_digits(size, dtype):
    """Near 0 and pi, where the arccos of the cosine is off by up to 5e-4 in float32."""
    eps = torch.finfo(dtype).eps
    x = torch.tensor([1.0, 0, 0, 0, 0], dtype=dtype)
    y = torch.tensor([1.0, size, 0, 0, 0], dtype=dtype)
    true = math.atan(float(y[1]))
    assert float(sphere.angle(x, y)) == pytest.approx(true, rel=4 * eps, abs=0)
    assert float(sphere.chord(x, y)) == pytest.approx(2 * math.sin(true / 2), rel=4 * eps, abs=0)
    assert float(sphere.angle(x, -y)) == pytest.approx(math.pi - true, rel=2 * eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", [sphere.cosine, sphere.chord, sphere.angle])
def test_gradients_where_points_meet(call, dtype):
    """Finite at equal and opposite vectors, and of the right length beside them."""
    x = sphere.uniform(20, 6, seed=3, dtype=dtype)
    for y in (x, -x, x * 3, x + 1e-6, -x + 1e-6, x + 1e-12):
        a, b = x.clone().requires_grad_(), y.clone().requires_grad_()
        call(a, b).sum().backward()
        assert a.grad.isfinite().all() and b.grad.isfinite().all()
    for step in (1e-2, -1e-2):  # the angle grows by 1 per radian
        y = torch.tensor([1.0, step], dtype=dtype, requires_grad=True)
        (g,) = torch.autograd.grad(sphere.angle(torch.tensor([1.0, 0.0], dtype=dtype), y), y)
        assert float(g[1]) == pytest.approx(math.copysign(1, step) / (1 + step**2), rel=1e-4)


def assert_separated(x, rtol):
    """separation and nearest of one set of points against brute force."""
    distance = brute_force(x)
    got, (cosine, index) = sphere.separation(x), sphere.nearest(x)
    least = distance.min(1)
    eps = 16 * torch.finfo(x.dtype).eps
    for i, j in enumerate(got.nearest.tolist()):
        assert i != j and distance[i, j] ** 2 <= least[i] ** 2 + eps
    assert torch.equal(index, got.nearest)
    torch.testing.assert_close(cosine, torch.tensor(1 - least**2 / 2, dtype=x.dtype), rtol=0, atol=eps)
    assert float(got.smallest_chord) == pytest.approx(least.min(), rel=rtol)
    assert float(got.smallest_angle) == pytest.approx(2 * math.asin(min(1, least.min() / 2)), rel=rtol, abs=rtol)
    assert float(got.largest_cosine) == pytest.approx(1 - least.min() ** 2 / 2, abs=eps)
    assert float(got.mean_largest_cosine) == pytest.approx(np.mean(1 - least**2 / 2), abs=eps)


@pytest.mark.parametrize("block", [1, 50, sphere.BLOCK])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "d"), [(2, 1), (2, 2), (7, 2), (40, 3), (25, 4), (25, 5), (30, 64)])
def test_separation(n, d, dtype, block, monkeypatch):
    monkeypatch.setattr(sphere, "BLOCK", block)
    assert_separated(5 * sphere.uniform(n, d, seed=n + d, dtype=dtype), rtol=20 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("block", [1, 100, sphere.BLOCK])
def test_separation_in_batches(block, monkeypatch):
    x = sphere.uniform(2 * 3 * 11, 4, seed=5).reshape(2, 3, 11, 4)
    monkeypatch.setattr(sphere, "BLOCK", block)
    together = sphere.separation(x)
    assert together.nearest.shape == (2, 3, 11) and together.smallest_angle.shape == (2, 3)
    for i, j in itertools.product(range(2), range(3)):
        for a, b in zip(together, sphere.separation(x[i, j]), strict=True):
            torch.testing.assert_close(a[i, j], b)
    assert sphere.separation(x[:0]).nearest.shape == (0, 3, 11)
    assert sphere.nearest(x[:, :0])[0].shape == (2, 0, 11)


@pytest.mark.parametrize(
    ("d", "dtype", "gap", "rtol"),
    [
        (3, torch.float64, 1e-9, 1e-6),
        (10, torch.float64, 1e-9, 1e-6),
        (3, torch.float32, 1e-5, 0.02),
        (10, torch.float32, 1e-5, 0.05),
        (2, torch.float64, 1e-12, 1e-3),
    ],
)
def test_close_pairs(d, dtype, gap, rtol):
    """A pair so close that its cosine rounds to 1 still has a distance."""
    x = sphere.uniform(30, d, seed=1, dtype=torch.float64)
    side = sphere.normalize(sphere.tangent(x[4], x[9]))
    x[17] = sphere.exp_map(x[4], gap * side)
    got = sphere.separation(x.to(dtype))
    assert float(got.smallest_angle) == pytest.approx(gap, rel=rtol)
    assert float(got.smallest_chord) == pytest.approx(gap, rel=rtol)
    assert got.nearest[4] == 17 and got.nearest[17] == 4 and got.largest_cosine == pytest.approx(1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_separation_of_opposite_points(dtype):
    """Two nearly opposite points: the angle to pi keeps its digits, and the gradient its length."""
    x = torch.tensor([[1.0, 0, 0], [-1, 1e-3, 0]], dtype=dtype, requires_grad=True)
    angle = sphere.separation(x).smallest_angle
    assert angle.item() == pytest.approx(math.pi - math.atan(1e-3), rel=4 * torch.finfo(dtype).eps)
    (g,) = torch.autograd.grad(angle, x)
    assert float(g[0].norm()) == pytest.approx(1, rel=1e-5)
    for field in ("largest_cosine", "smallest_angle", "smallest_chord", "mean_largest_cosine"):
        for y in ([[1.0, 0], [-1, 0]], [[1.0, 0], [1, 0]]):
            y = torch.tensor(y, dtype=dtype, requires_grad=True)
            (g,) = torch.autograd.grad(getattr(sphere.separation(y), field), y)
            assert g.isfinite().all()


def test_gradient_of_the_closest_pair():
    x = sphere.uniform(12, 3, seed=2).requires_grad_()
    got = sphere.separation(x)
    (g,) = torch.autograd.grad(got.smallest_angle, x)
    i = int(sphere.nearest(x)[0].argmax())
    j = int(got.nearest[i])
    assert set(g.norm(dim=1).nonzero().flatten().tolist()) == {i, j}
    torch.testing.assert_close(g[i], -sphere.log_map(x[i], x[j]) / got.smallest_angle)  # straight away from the other


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    """Every measure works in the dtype it is given, to that dtype's accuracy; neighbours are found in float32."""
    x = sphere.uniform(40, 20, seed=4, dtype=dtype)
    exact = x.double()
    tolerance = dict(rtol=0, atol=16 * torch.finfo(dtype).eps, check_dtype=False)
    for f in (sphere.cosine, sphere.chord, sphere.angle):
        assert f(x[0], x[1]).dtype == dtype
        torch.testing.assert_close(f(x[1:], x[:1]), f(exact[1:], exact[:1]), **tolerance)
    torch.testing.assert_close(sphere.separation(x)[:4], sphere.separation(exact)[:4], **tolerance)
    t = torch.linspace(-1, 1, 41, dtype=dtype)
    share = sphere.cap_fraction(t, 1000)
    assert share.dtype == dtype and not share.isnan().any()
    torch.testing.assert_close(share, sphere.cap_fraction(t.double(), 1000), **tolerance)


# --- moving on the sphere -------------------------------------------------------------------------------------------


@given(d=st.integers(2, 40), seed=st.integers(0, 10**6), reach=st.floats(-8, 0))
def test_exp_and_log(d, seed, reach):
    """Each undoes the other, and both turn with the sphere."""
    p, v = sphere.uniform(2, d, seed=seed)
    v = sphere.tangent(p, v)
    assume(v.norm() > 1e-3)
    v = sphere.tangent(p, v / v.norm()) * 3 * 10**reach  # up to 3 radians, less than pi
    assert abs(p @ v) < 1e-15
    q = sphere.exp_map(p, v)
    assert float(q.norm()) == pytest.approx(1, abs=1e-15)
    assert float(sphere.angle(p, q)) == pytest.approx(float(v.norm()), abs=4e-15)
    torch.testing.assert_close(q, p * v.norm().cos() + v / v.norm() * v.norm().sin(), rtol=0, atol=1e-14)
    back = sphere.log_map(p, q)
    torch.testing.assert_close(back, v, rtol=0, atol=4e-14)
    assert abs(p @ back) < 4e-14
    torch.testing.assert_close(sphere.exp_map(p, back), q, rtol=0, atol=1e-14)
    turn = rotation(d, seed)
    torch.testing.assert_close(sphere.log_map(turn @ p, turn @ q), turn @ back, rtol=0, atol=1e-13)
    torch.testing.assert_close(sphere.exp_map(turn @ p, turn @ v), turn @ q, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
def test_great_circles_close(dtype):
    p = sphere.uniform(50, 5, seed=0, dtype=dtype)
    u = sphere.normalize(sphere.tangent(p, sphere.uniform(50, 5, seed=1, dtype=dtype)))
    close = dict(rtol=0, atol=64 * torch.finfo(dtype).eps)
    torch.testing.assert_close(sphere.exp_map(p, 0 * u), p, **close)
    torch.testing.assert_close(sphere.exp_map(p, math.pi / 2 * u), u, **close)
    torch.testing.assert_close(sphere.exp_map(p, math.pi * u), -p, **close)
    torch.testing.assert_close(sphere.exp_map(p, 2 * math.pi * u), p, **close)
    torch.testing.assert_close(sphere.exp_map(p, u + 7 * p), sphere.exp_map(p, u), **close)  # the part along p drops
    torch.testing.assert_close(sphere.tangent(p, u + 7 * p), u, **close)
    torch.testing.assert_close(sphere.log_map(p, p), torch.zeros_like(p), **close)


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), t=st.floats(-1, 2), u=st.floats(-1, 2))
def test_geodesics_have_constant_speed(seed, t, u):
    p, q = sphere.uniform(2, 3, seed=seed)
    theta = float(sphere.angle(p, q))
    assume(theta < 3.1)
    a, b = sphere.geodesic(p, q, t), sphere.geodesic(p, q, u)
    apart = abs(t - u) * theta
    assert float(sphere.angle(a, b)) == pytest.approx(min(apart % (2 * math.pi), -apart % (2 * math.pi)), abs=1e-12)
    torch.testing.assert_close(sphere.geodesic(q, p, 1 - t), a, rtol=0, atol=1e-12)
    torch.testing.assert_close(sphere.geodesic(p, q, 0), p, rtol=0, atol=1e-15)
    torch.testing.assert_close(sphere.geodesic(p, q, 1), q, rtol=0, atol=1e-14)


def test_geodesic_broadcasts():
    p, q = sphere.uniform(2, 3, seed=0)
    t = torch.linspace(0, 1, 3, dtype=torch.float64)
    path = sphere.geodesic(p, q, t[:, None])
    torch.testing.assert_close(path, torch.stack([p, sphere.normalize(p + q), q]))
    torch.testing.assert_close(sphere.geodesic(p, q, t[1]), path[1])
    with pytest.raises(
        ValueError, match=r"t must be a number or have shape \(\.\.\., 1\), got \(3,\); try t\[\.\.\., No"
    ):
        sphere.geodesic(p, q, t)


def test_log_map_close_by():
    """A vector to a point 1e-9 away keeps its digits."""
    p, v = sphere.uniform(2, 4, seed=0)
    v = 1e-9 * sphere.normalize(sphere.tangent(p, v))
    back = sphere.log_map(p, sphere.exp_map(p, v))
    torch.testing.assert_close(back, v, rtol=0, atol=3e-16)
    assert abs(p @ back) < 1e-22  # tangent to a relative 1e-13, not to 1e-16 in all
    assert not sphere.log_map(p, p).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_opposite_points_have_no_single_way(dtype):
    p = sphere.uniform(300, 3, seed=0, dtype=dtype)
    for row in p:
        with pytest.raises(ValueError, match="p and q hold opposite points"):
            sphere.log_map(row, -row)
        with pytest.raises(ValueError, match="p and q hold opposite points"):  # and where rounding parts them
            sphere.log_map(row, -sphere.normalize(0.7 * row))
    with pytest.raises(ValueError, match="opposite points"):
        sphere.geodesic(p, -p, 0.5)
    with pytest.raises(ValueError, match="p and v must have the same last dimension"):
        sphere.exp_map(p, p[:, :1])
    with pytest.raises(ValueError, match="p and q must have the same last dimension"):
        sphere.log_map(p, torch.ones(1, dtype=dtype))
    q = sphere.exp_map(p, 3.14 * sphere.normalize(sphere.tangent(p, p.flip(-1))))  # nearly opposite is fine
    torch.testing.assert_close(sphere.exp_map(p, sphere.log_map(p, q)), q, rtol=0, atol=2e3 * torch.finfo(dtype).eps)


def test_derivatives_of_exp():
    """At v = 0 the map is the identity on tangent vectors; elsewhere autograd agrees with differences."""
    p = sphere.uniform(1, 4, seed=0)[0]
    jacobian = torch.autograd.functional.jacobian(lambda v: sphere.exp_map(p, v), torch.zeros_like(p))
    torch.testing.assert_close(jacobian, torch.eye(4, dtype=torch.float64) - p[:, None] * p)
    v = sphere.uniform(3, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: sphere.exp_map(p, v), v)
    q = sphere.uniform(3, 4, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda q: sphere.log_map(p, sphere.normalize(q)), q)


# --- uniform points -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [1, 2, 3, 50])
def test_uniform(d, dtype):
    k = 20_000
    x = sphere.uniform(k, d, seed=7, dtype=dtype)
    assert x.shape == (k, d) and x.dtype == dtype
    torch.testing.assert_close(x.norm(dim=1), torch.ones(k, dtype=dtype))
    x = x.double()
    assert (x.mean(0).abs() < 5 / math.sqrt(k * d)).all()  # five standard deviations
    second = x.T @ x / k
    torch.testing.assert_close(second, torch.eye(d, dtype=torch.float64) / d, rtol=0, atol=5 * math.sqrt(2 / k) / d)


def test_uniform_seeds():
    a = sphere.uniform(6, 3, seed=1)
    assert torch.equal(a, sphere.uniform(6, 3, seed=1)) and not torch.equal(a, sphere.uniform(6, 3, seed=2))
    generator = torch.Generator().manual_seed(1)
    assert torch.equal(a, sphere.uniform(6, 3, generator=generator))
    assert not torch.equal(a, sphere.uniform(6, 3, generator=generator))  # it goes on drawing
    state = torch.random.get_rng_state()
    sphere.uniform(6, 3, seed=1)
    assert torch.equal(state, torch.random.get_rng_state())  # a seed of one's own leaves the global one alone
    assert not torch.allclose(a.float(), sphere.uniform(6, 3, seed=1, dtype=torch.float32))  # as the docstring says


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sphere.uniform(0, 3), ValueError, "k must be at least 1, got 0"),
        (lambda: sphere.uniform(3, 0), ValueError, "d must be at least 1, got 0"),
        (lambda: sphere.uniform(2.5, 3), ValueError, "k must be a whole number of at least 1, got 2.5"),
        (lambda: sphere.uniform(2, "3"), ValueError, "d must be a whole number of at least 1, got '3'"),
        (lambda: sphere.uniform(2, 3, seed=1, generator=torch.Generator()), ValueError, "seed or generator, not both"),
        (lambda: sphere.uniform(2, 3, dtype=torch.int64), TypeError, "floating-point type, got torch.int64"),
        (lambda: sphere.log_area(0), ValueError, "d must be at least 1, got 0"),
        (lambda: sphere.log_area(2.0), ValueError, "d must be a whole number .* got 2.0"),
        (lambda: sphere.inner_density(torch.zeros(1), 1), ValueError, "d must be at least 2, got 1"),
        (lambda: sphere.cap_fraction(torch.zeros(1), 1), ValueError, "d must be at least 2, got 1"),
        (lambda: sphere.inner_density(0.5, 3), TypeError, "t must be a floating-point torch.Tensor, got float"),
        (lambda: sphere.cap_fraction(torch.tensor(1), 3), TypeError, "t must be a .* got torch.int64"),
    ],
)
def test_bad_numbers(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- room -----------------------------------------------------------------------------------------------------------


def test_log_area():
    for d, area in {1: 2, 2: 2 * math.pi, 3: 4 * math.pi, 4: 2 * math.pi**2, 5: 8 / 3 * math.pi**2}.items():
        assert math.exp(sphere.log_area(d)) == pytest.approx(area, rel=1e-14)
    for d in (7, 100, 1000, 10**5):
        assert sphere.log_area(d) == pytest.approx(math.log(2 * math.pi ** (d % 2 / 2)) + (d // 2) * math.log(math.pi)
                                                   - special.gammaln(d / 2), rel=1e-13)  # fmt: skip
    for d in range(2, 60):  # a sphere is made of rings: A_d = A_{d-1} int sin^(d-2)
        rings = integrate.quad(lambda v, d=d: math.sin(v) ** (d - 2), 0, math.pi, epsabs=0)[0]
        assert sphere.log_area(d) - sphere.log_area(d - 1) == pytest.approx(math.log(rings), abs=1e-12)


@pytest.mark.parametrize("d", [2, 3, 4, 5, 7, 10, 30, 100, 300, 1000])
def test_density_integrates_to_one(d):
    """Over t = sin v, which takes the spikes of d = 2 away; mean 0, variance 1/D."""
    node, weight = np.polynomial.legendre.leggauss(400)
    v = torch.from_numpy(node * math.pi / 2)
    density = sphere.inner_density(v.sin(), d) * v.cos() * torch.from_numpy(weight * math.pi / 2)
    for power, moment in enumerate((1, 0, 1 / d, 0, 3 / (d * (d + 2)))):
        assert float((density * v.sin() ** power).sum()) == pytest.approx(moment, rel=1e-9, abs=1e-12)


def test_density_values():
    t = f64(-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
    assert sphere.inner_density(t, 2).tolist() == pytest.approx(
        [0, math.inf, 2 / math.pi / math.sqrt(3), 1 / math.pi, 2 / math.pi / math.sqrt(3), math.inf, 0]
    )
    assert sphere.inner_density(t, 3).tolist() == pytest.approx([0, 0.5, 0.5, 0.5, 0.5, 0.5, 0])
    assert sphere.inner_density(t, 5).tolist() == pytest.approx([0, 0, 0.5625, 0.75, 0.5625, 0, 0])
    assert sphere.inner_density(f64(math.nan), 4).isnan().all()
    assert sphere.inner_density(torch.zeros(2, 3, dtype=torch.float32), 9).dtype == torch.float32
    gauss = stats.norm.pdf([0, 0.003, 0.01], scale=0.01)  # large d: a Gaussian of variance 1/d
    assert sphere.inner_density(f64(0, 0.003, 0.01), 10_000).tolist() == pytest.approx(gauss, rel=3e-4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [10, 1000, 100_000])
def test_density_against_mpmath(d, dtype):
    """The shape (1 - t^2)^((d-3)/2) keeps its digits near t = 0, where 1 - t^2 rounds."""
    t = torch.tensor([0.1, 0.3, 1.0, 3.0], dtype=dtype) / math.sqrt(d)
    got = sphere.inner_density(t, d) / sphere.inner_density(torch.zeros((), dtype=dtype), d)
    with mpmath.workdps(40):
        expected = [float((1 - mpmath.mpf(v) ** 2) ** (mpmath.mpf(d - 3) / 2)) for v in t.tolist()]
        top = mpmath.gamma(mpmath.mpf(d) / 2) / mpmath.gamma(mpmath.mpf(d - 1) / 2) / mpmath.sqrt(mpmath.pi)
    assert got.tolist() == pytest.approx(expected, rel=1e-13 if dtype == torch.float64 else 3e-6)
    assert float(sphere.inner_density(f64(0.0), d)) == pytest.approx(float(top), rel=1e-9)


@pytest.mark.parametrize("d", [2, 3, 6, 50])
def test_inner_products_follow_the_density(d):
    """Kolmogorov and Smirnov's test of 20,000 pairs, seeded."""
    x, y = sphere.uniform(20_000, d, seed=1), sphere.uniform(20_000, d, seed=2)
    result = stats.kstest(sphere.cosine(x, y).numpy(), lambda t: 1 - sphere.cap_fraction(torch.tensor(t), d).numpy())
    assert result.pvalue > 0.01


def scipy_cap(t, d):
    """The incomplete beta function, on the side where 1 - t^2 does not lose the digits of t."""
    u, a = np.abs(t), (d - 1) / 2
    small = 0.5 - 0.5 * special.betainc(0.5, a, u * u)
    half = np.where(u < 0.3 / math.sqrt(d), small, special.betainc(a, 0.5, (1 - u) * (1 + u)) / 2)
    return np.where(t < 0, 1 - half, half)


DIMENSIONS = [2, 3, 4, 5, 6, 10, 51, 100, 300, 1000, 10_001, 100_000]


@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_cap_fraction(d, dtype):
    generator = np.random.default_rng(d)
    wide = generator.uniform(-1, 1, 3000)
    t = np.concatenate([wide, wide * min(1, 38 / math.sqrt(d)), 1 - 10 ** (-16 * wide**2), 10 ** (-20 * wide**2)])
    t = torch.tensor(t, dtype=dtype)
    got, expected = sphere.cap_fraction(t, d), scipy_cap(t.double().numpy(), d)
    assert got.dtype == dtype and got.min() >= 0 and got.max() <= 1
    known = expected > (1e-300 if dtype == torch.float64 else 1e-36)
    rtol = 1e-10 if dtype == torch.float64 else 3e-4  # scipy itself is off by 2e-11 at d = 10^5
    np.testing.assert_allclose(got.double().numpy()[known], expected[known], rtol=rtol)
    assert got[~torch.from_numpy(known)].double().max().item() <= 1e-35 if not known.all() else True
    order = torch.argsort(t)
    assert (got[order].diff() <= 4 * torch.finfo(dtype).eps).all()


@pytest.mark.parametrize("d", [2, 3, 10, 1000, 100_000])
def test_cap_fraction_in_the_far_tail(d):
    """Relative accuracy down to 1e-300, against mpmath."""
    for z in (0.01, 1, 3, 10, 20, 36):
        t = min(z / math.sqrt(d), 1 - 1e-9)
        with mpmath.workdps(40):
            true = mpmath.betainc(mpmath.mpf(d - 1) / 2, 0.5, 0, 1 - mpmath.mpf(t) ** 2, regularized=True) / 2
        if true > 1e-300:
            assert float(sphere.cap_fraction(f64(t), d)) == pytest.approx(float(true), rel=1e-12, abs=0)


@pytest.mark.parametrize("d", [*DIMENSIONS, 10**8])
@pytest.mark.parametrize("dtype", DTYPES)
def test_cap_fraction_at_the_ends(d, dtype):
    t = torch.tensor([-3.0, -1, 0, 1, 3], dtype=dtype)
    assert sphere.cap_fraction(t, d).tolist() == [1, 1, 0.5, 0, 0]
    assert sphere.cap_fraction(torch.tensor(math.nan, dtype=dtype), d).isnan()
    t = torch.linspace(0, 1, 9, dtype=dtype).reshape(3, 3)
    share = sphere.cap_fraction(t, d)
    torch.testing.assert_close(share + sphere.cap_fraction(-t, d), torch.ones_like(t))
    assert share.shape == (3, 3)


@pytest.mark.parametrize("d", [2, 3, 5, 20, 500])
def test_density_is_the_slope_of_the_cap(d):
    t = torch.linspace(-0.9, 0.9, 31, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(sphere.cap_fraction(t, d).sum(), t)
    density = sphere.inner_density(t.detach(), d)
    torch.testing.assert_close(-slope, density, rtol=1e-10, atol=1e-300)
    h = 1e-5
    differences = sphere.cap_fraction(t.detach() - h, d) - sphere.cap_fraction(t.detach() + h, d)
    torch.testing.assert_close(differences / (2 * h), density, rtol=1e-4, atol=1e-9)


# --- maps for drawing -----------------------------------------------------------------------------------------------


def numerical_jacobian(f, p, step=1e-5):
    """Of f at p on the sphere, in orthonormal tangent coordinates, by central differences: (image, D-1)."""
    basis = np.linalg.svd(p.numpy()[None])[2][1:]  # rows perpendicular to p
    columns = []
    for u in torch.from_numpy(basis):
        ahead, behind = (p * math.cos(step) + s * math.sin(step) * u for s in (1, -1))
        columns.append((f(ahead) - f(behind)) / (2 * step))
    return torch.stack(columns, 1)


@pytest.mark.parametrize("d", [2, 3, 5])
def test_stereographic_keeps_angles(d):
    for p in sphere.uniform(20, d, seed=d):
        jacobian = numerical_jacobian(sphere.stereographic, p)
        stretch = 1 / (1 - p[-1])
        torch.testing.assert_close(
            jacobian.T @ jacobian / stretch**2, torch.eye(d - 1, dtype=torch.float64), rtol=0, atol=1e-5
        )


def test_equal_area_keeps_areas():
    for p in sphere.uniform(40, 3, seed=0):
        if p[2] > -0.99:
            assert abs(float(torch.linalg.det(numerical_jacobian(sphere.equal_area, p)))) == pytest.approx(1, abs=1e-5)
    x = sphere.equal_area(sphere.uniform(50_000, 3, seed=1))
    radius = x.norm(dim=1)
    assert radius.max() <= 2
    assert stats.kstest((radius**2 / 4).numpy(), "uniform").pvalue > 0.01  # uniform points stay uniform
    c = torch.linspace(-0.99, 1, 10, dtype=torch.float64)
    x = torch.stack([(1 - c**2).sqrt(), 0 * c, c], -1)
    torch.testing.assert_close(sphere.equal_area(x)[:, 0] ** 2 / 4, sphere.cap_fraction(c, 3))  # a cap's share


@pytest.mark.parametrize("dtype", DTYPES)
def test_maps_have_inverses(dtype):
    eps = torch.finfo(dtype).eps
    far = sphere.uniform(2000, 3, seed=2, dtype=dtype)
    near = sphere.uniform(2000, 3, seed=3, dtype=dtype)  # crowded round the south pole, then round the north pole
    size = torch.logspace(-3, 0, 2000, base=1 / eps, dtype=dtype).clamp_min(1e-7)
    near = sphere.normalize(torch.cat([near[:, :2] * size[:, None], -torch.ones(2000, 1, dtype=dtype)], 1))
    for x in (far, near, -near):
        torch.testing.assert_close(
            sphere.inverse_stereographic(sphere.stereographic(x)), x, rtol=0, atol=8 * eps
        )  # fmt: skip
        y = sphere.equal_area(x)
        back = sphere.inverse_equal_area(y)
        torch.testing.assert_close(back.norm(dim=-1), torch.ones_like(back[:, 0]), rtol=0, atol=16 * eps)
        # Near the rim the radius says little about the place: a change of eps moves it by sqrt(eps).
        torch.testing.assert_close(back, x, rtol=0, atol=4 * math.sqrt(eps))
        torch.testing.assert_close(back[x[:, 2] > -0.9], x[x[:, 2] > -0.9], rtol=0, atol=32 * eps)
    y = sphere.normalize(torch.randn(100, 4, generator=torch.Generator().manual_seed(0), dtype=dtype)) * 3
    torch.testing.assert_close(sphere.stereographic(sphere.inverse_stereographic(y)), y, rtol=32 * eps, atol=32 * eps)


def test_maps_known_points():
    axes = f64([1, 0, 0], [0, -1, 0], [0, 0, -1])
    assert sphere.stereographic(axes).tolist() == [[1, 0], [0, -1], [0, 0]]
    assert sphere.inverse_stereographic(f64([0, 0], [1, 0], [1e200, 0])).tolist() == [[0, 0, -1], [1, 0, 0], [0, 0, 1]]
    root = pytest.approx(math.sqrt(2))
    assert sphere.equal_area(f64([1, 0, 0], [0, -1, 0], [0, 0, 1])).tolist() == [
        [root, 0],
        [0, pytest.approx(-math.sqrt(2))],
        [0, 0],
    ]
    assert sphere.inverse_equal_area(f64(0, 0)).tolist() == [0, 0, 1]
    assert sphere.inverse_equal_area(f64(2, 0)).tolist() == [0, 0, -1]
    grid = sphere.uniform(24, 3, seed=0).reshape(2, 3, 4, 3)
    assert sphere.stereographic(grid).shape == sphere.equal_area(grid).shape == (2, 3, 4, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sphere.stereographic(f64(0, 0, 1)), "x holds the north pole"),
        (lambda: sphere.stereographic(f64([1, 0, 0], [0, 0, 1 - 1e-14])), "north pole"),
        (lambda: sphere.stereographic(f64(1)), r"at least 2 dimensions, got shape \(1,\)"),
        (lambda: sphere.equal_area(f64(0, 0, -1)), "x holds the south pole"),
        (lambda: sphere.equal_area(f64(0, 1)), r"must have shape \(\.\.\., 3\), got \(2,\)"),
        (lambda: sphere.inverse_equal_area(f64(0, 3)), "disc of radius 2, got a radius of 3"),
        (lambda: sphere.inverse_equal_area(f64(0, 2.001)), "got a radius of 2.001"),
    ],
)
def test_maps_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@settings(max_examples=30)
@given(st.integers(2, 6), st.integers(0, 10**6))
def test_everything_is_offered(d, seed):
    """Names in __all__ exist, and the measures agree with each other on random points."""
    assert all(hasattr(sphere, name) for name in sphere.__all__)
    x, y = sphere.uniform(2, d, seed=seed)
    c = sphere.cosine(x, y)
    torch.testing.assert_close(sphere.chord(x, y).square(), 2 - 2 * c, rtol=0, atol=1e-14)
    torch.testing.assert_close(sphere.angle(x, y).cos(), c, rtol=0, atol=1e-14)
    torch.testing.assert_close(sphere.squared_chords(x[None], y[None])[0, 0], 2 - 2 * c, rtol=0, atol=1e-14)
