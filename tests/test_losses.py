"""Losses by hand, against autograd, under rotations and scales, and given what they must refuse."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from hpn_lite import losses, points, sphere

SQUARE = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]], dtype=torch.float64)


def some(batch=9, classes=6, dim=4, seed=0):
    """Outputs of lengths from 0.01 to 100, prototypes and labels."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(batch, dim, generator=generator, dtype=torch.float64)
    z = z * torch.logspace(-2, 2, batch, dtype=torch.float64)[:, None]
    return z, sphere.uniform(classes, dim, seed=seed), torch.randint(classes, (batch,), generator=generator)


def rotation(dim, seed=0):
    q, _ = torch.linalg.qr(torch.randn(dim, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    return q


def gradient(loss, z):
    z = z.clone().requires_grad_()
    return torch.autograd.grad(loss(z), z)[0]


# --- HPN-E1 to E3 ---------------------------------------------------------------------------------------------------


def test_squared_cosine_by_hand():
    z = torch.tensor([[5.0, 0], [3, 3], [0, 2], [-0.1, 0]], dtype=torch.float64)  # at 0, 45, 90 and 180 degrees
    values = losses.squared_cosine(z, SQUARE, torch.zeros(4, dtype=torch.long), reduction="none")
    np.testing.assert_allclose(values, [0, (1 - math.sqrt(0.5)) ** 2, 1, 4], atol=1e-15)


def test_opposite_is_the_worst_and_not_the_best():
    """The printed |z . p| would give 0 here."""
    value = losses.squared_cosine(-SQUARE, SQUARE, torch.arange(4))
    assert float(value) == pytest.approx(4)


def test_reductions():
    z, p, y = some()
    each = losses.squared_cosine(z, p, y, reduction="none")
    assert each.shape == (9,)
    torch.testing.assert_close(losses.squared_cosine(z, p, y, reduction="sum"), each.sum())
    torch.testing.assert_close(losses.squared_cosine(z, p, y), each.sum() / 9)
    weight = torch.arange(1.0, 7, dtype=torch.float64)
    weighted = losses.squared_cosine(z, p, y, weight=weight)
    torch.testing.assert_close(weighted, (weight[y] * each).sum() / weight[y].sum())
    torch.testing.assert_close(losses.squared_cosine(z, p, y, weight=weight, reduction="sum"), weight[y] @ each)
    with pytest.raises(ValueError, match='"mean", "sum" or "none", got \'total\''):
        losses.squared_cosine(z, p, y, reduction="total")


@pytest.mark.parametrize("dim", [2, 3, 10, 50])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradient_is_autograds(dim, reduction):
    z, p, y = some(dim=dim, seed=dim)
    by_hand = losses.squared_cosine_gradient(z, p, y, reduction=reduction)
    by_autograd = gradient(lambda z: losses.squared_cosine(z, p, y, reduction=reduction), z)
    torch.testing.assert_close(by_hand, by_autograd, rtol=1e-10, atol=1e-10)


def test_gradient_by_hand():
    """At 90 degrees from its prototype an output of length 2 is pulled straight towards it: -2 p / 2."""
    z = torch.tensor([[0.0, 2.0]], dtype=torch.float64)
    g = losses.squared_cosine_gradient(z, SQUARE, torch.tensor([0]), reduction="sum")
    np.testing.assert_allclose(g, [[-1, 0]], atol=1e-15)


def test_gradient_is_the_limit_of_differences():
    z, p, y = some(batch=1)
    g, h = losses.squared_cosine_gradient(z, p, y)[0], 1e-6 * float(z.norm())
    for i, step in enumerate(torch.eye(4, dtype=torch.float64) * h):
        slope = (losses.squared_cosine(z + step, p, y) - losses.squared_cosine(z - step, p, y)) / (2 * h)
        assert float(slope) == pytest.approx(float(g[i]), rel=1e-6, abs=1e-8)


def test_gradient_turns_and_does_not_lengthen():
    z, p, y = some()
    g = losses.squared_cosine_gradient(z, p, y, reduction="sum")
    np.testing.assert_allclose((g * z).sum(1), 0, atol=1e-12)
    theta = sphere.angle(z, p[y])
    length = 2 * (1 - theta.cos()) * theta.sin() / z.norm(dim=1)
    torch.testing.assert_close(g.norm(dim=1), length, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(losses.squared_cosine_gradient(10 * z, p, y), g / 10 / 9)


@pytest.mark.parametrize("sign", [1, -1])
def test_gradient_vanishes_at_the_prototype_and_opposite(sign):
    _, p, y = some()
    np.testing.assert_allclose(losses.squared_cosine_gradient(sign * 3 * p[y], p, y), 0, atol=1e-14)


def test_a_zero_output_starts_towards_its_prototype():
    z, y = torch.zeros(1, 2, dtype=torch.float64), torch.tensor([3])
    assert float(losses.squared_cosine(z, SQUARE, y)) == 1
    by_autograd = gradient(lambda z: losses.squared_cosine(z, SQUARE, y), z)
    torch.testing.assert_close(by_autograd, -2 * SQUARE[3:])
    torch.testing.assert_close(losses.squared_cosine_gradient(z, SQUARE, y), by_autograd)


def test_rotation_and_scale_change_nothing():
    z, p, y = some()
    q, value = rotation(4), losses.squared_cosine(z, p, y)
    torch.testing.assert_close(losses.squared_cosine(z @ q.T, p @ q.T, y), value)
    torch.testing.assert_close(losses.squared_cosine(7.5 * z, p, y), value)
    turned = losses.squared_cosine_gradient(z @ q.T, p @ q.T, y)
    torch.testing.assert_close(turned, losses.squared_cosine_gradient(z, p, y) @ q.T)
    torch.testing.assert_close(losses.nearest_prototype(z @ q.T, p @ q.T), losses.nearest_prototype(z, p))


def test_low_precision_outputs_are_measured_in_the_prototypes_precision():
    z, p, y = some()
    z, p = z.bfloat16(), p.float()
    value = losses.squared_cosine(z, p, y)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, losses.squared_cosine(z.float(), p, y))


def steps(reduction, lr, decay, x, p, y):
    """Three steps of SGD with momentum on a linear net."""
    torch.manual_seed(0)
    net = nn.Linear(x.shape[1], p.shape[1]).double()
    optimiser = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=decay)
    for _ in range(3):
        optimiser.zero_grad()
        losses.squared_cosine(net(x), p, y, reduction=reduction).backward()
        optimiser.step()
    return net.weight.detach()


def test_sum_is_mean_with_another_learning_rate_and_decay():
    """What the head of losses.py says about SGD."""
    x, p, y = some(batch=8)
    by_sum, by_mean = steps("sum", 0.01, 0.1, x, p, y), steps("mean", 0.08, 0.1 / 8, x, p, y)
    torch.testing.assert_close(by_sum, by_mean, rtol=1e-10, atol=1e-12)
    assert not torch.allclose(by_sum, steps("mean", 0.08, 0.1, x, p, y), rtol=1e-4)


def test_averaging_over_processes_keeps_means_and_divides_sums():
    """What DistributedDataParallel does to the gradients of two halves of a batch."""
    z, p, y = some(batch=8)
    for reduction, factor in (("mean", 1), ("sum", 2)):
        whole = losses.squared_cosine_gradient(z, p, y, reduction=reduction)
        halves = [losses.squared_cosine_gradient(z[i], p, y[i], reduction=reduction) for i in torch.arange(8).split(4)]
        torch.testing.assert_close(factor * torch.cat(halves) / 2, whole)


# --- HPN-E4 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [None, 1, 7, 1000, 5000])
def test_nearest_prototype_in_chunks(chunk):
    z, p, _ = some(batch=20, classes=1000, dim=5)
    expected = sphere.cosines(z, p).argmax(1)
    torch.testing.assert_close(losses.nearest_prototype(z, p, chunk=chunk), expected)


def test_nearest_prototype_takes_the_first_of_equals():
    p = SQUARE[[1, 0, 0, 2]]
    for chunk in (1, 2, 3, 4):
        assert losses.nearest_prototype(SQUARE[:1], p, chunk=chunk).tolist() == [1]


# --- regression -----------------------------------------------------------------------------------------------------


def test_to_cosine_by_hand_and_back():
    y = torch.tensor([1900.0, 1925, 1950, 2000], dtype=torch.float64)
    r = losses.to_cosine(y, 1900, 2000)
    np.testing.assert_allclose(r, [-1, -0.5, 0, 1], atol=1e-15)
    torch.testing.assert_close(losses.from_cosine(r, 1900, 2000), y)


def test_targets_outside_the_bounds():
    y = torch.tensor([-1.0, 5, 12])
    with pytest.raises(ValueError, match=r"y must lie from 0 to 10, got -1; .*clip=True"):
        losses.to_cosine(y, 0, 10)
    with pytest.raises(ValueError, match="got 12"):
        losses.to_cosine(y[1:], 0, 10)
    torch.testing.assert_close(losses.to_cosine(y, 0, 10, clip=True), torch.tensor([-1.0, 0, 1]))
    torch.testing.assert_close(losses.to_cosine(y, 0, 10, check=False), torch.tensor([-1.0, 0, 1]))
    with pytest.raises(ValueError, match="y holds NaN in 1 of 2"):
        losses.to_cosine(torch.tensor([1.0, math.nan]), 0, 10, clip=True)
    with pytest.raises(TypeError, match=r"y must be a floating-point .*int64; use y.float\(\)"):
        losses.to_cosine(torch.arange(3), 0, 10)


@pytest.mark.parametrize("bounds", [(3, 3), (4, 3), (0, math.inf), (math.nan, 1)])
def test_bounds_that_enclose_nothing(bounds):
    with pytest.raises(ValueError, match="low < high, got low="):
        losses.to_cosine(torch.zeros(1), *bounds)
    with pytest.raises(ValueError, match="low < high, got low="):
        losses.from_cosine(torch.zeros(1), *bounds)


def test_squared_difference_by_hand():
    z = torch.tensor([[0.0, 9], [1, 0], [1, 1]], dtype=torch.float64)  # cosines 1, 0, sqrt(1/2) to the second axis
    r = torch.tensor([1.0, 0.5, 0], dtype=torch.float64)
    values = losses.squared_difference(z, r, SQUARE[1], reduction="none")
    np.testing.assert_allclose(values, [0, 0.25, 0.5], atol=1e-15)
    torch.testing.assert_close(losses.squared_difference(z, r, SQUARE[1]), values.mean())


def test_squared_difference_gradient_and_invariance():
    z, p, _ = some()
    r, axis, q = torch.linspace(-1, 1, 9, dtype=torch.float64), p[0], rotation(4)
    by_autograd = gradient(lambda z: losses.squared_difference(z, r, axis, reduction="sum"), z)
    c, length = sphere.cosine(z, axis)[:, None], z.norm(dim=1, keepdim=True)
    by_hand = 2 * (r[:, None] - c) * (c * z / length**2 - axis / length)  # HPN-E3 with another factor in front
    torch.testing.assert_close(by_autograd, by_hand, rtol=1e-10, atol=1e-10)
    value = losses.squared_difference(z, r, axis)
    torch.testing.assert_close(losses.squared_difference(3 * z @ q.T, r, q @ axis), value)
    torch.testing.assert_close(losses.squared_difference(z, -r, -axis), value)  # which end is up does not matter


# --- both -----------------------------------------------------------------------------------------------------------


def test_joint_is_the_sum_of_both():
    z, _, _ = some(dim=3)
    p, y, r = points.circle(5), torch.arange(9) % 5, torch.linspace(-1, 1, 9, dtype=torch.float64)
    flat = torch.cat([p, torch.zeros(5, 1)], 1)
    axis = torch.tensor([0, 0, 1.0], dtype=torch.float64)
    expected = losses.squared_cosine(z, flat, y, reduction="none")
    other = losses.squared_difference(z, r, axis, reduction="none")
    torch.testing.assert_close(losses.joint(z, p, y, r, reduction="none"), expected + other)
    torch.testing.assert_close(losses.joint(z, p, y, r, regression_weight=3.0), (expected + 3 * other).mean())
    inside = losses.squared_cosine(z[:, :2], p, y, reduction="none")
    torch.testing.assert_close(losses.joint(z, p, y, r, project=True, reduction="sum"), (inside + other).sum())


@pytest.mark.parametrize("r", [-1.0, -0.3, 0, 0.6, 1.0])
def test_joint_tasks_compete_unless_projected(r):
    """As published the best latitude is arctan(r); projected, the cosine to the axis can be r itself."""
    latitude = torch.linspace(-math.pi / 2, math.pi / 2, 200_001, dtype=torch.float64)[1:-1]
    z = torch.stack([latitude.cos(), torch.zeros_like(latitude), latitude.sin()], 1)
    y, target = torch.zeros(len(z), dtype=torch.long), torch.full((len(z),), r, dtype=torch.float64)
    published = losses.joint(z, points.circle(5), y, target, reduction="none")
    assert float(latitude[published.argmin()]) == pytest.approx(math.atan(r), abs=2e-5)
    assert float(z[published.argmin(), 2]) == pytest.approx(r / math.sqrt(1 + r * r), abs=2e-5)
    projected = losses.joint(z, points.circle(5), y, target, project=True, reduction="none")
    assert float(z[projected.argmin(), 2]) == pytest.approx(r, abs=2e-5)


def test_joint_gradient_turns():
    z, _, _ = some(dim=3)
    p, y, r = points.circle(5), torch.arange(9) % 5, torch.linspace(-1, 1, 9, dtype=torch.float64)
    for project in (False, True):
        g = gradient(lambda z, project=project: losses.joint(z, p, y, r, project=project, reduction="sum"), z)
        np.testing.assert_allclose((g * z).sum(1), 0, atol=1e-10)
        assert g.abs().max() > 0.1


# --- baselines ------------------------------------------------------------------------------------------------------


def test_squared_error_by_hand():
    output, y = torch.tensor([-0.5, 0.25, 2.0]), torch.tensor([0.0, 20, 15])
    values = losses.squared_error(output, y, 0, 20, reduction="none")
    torch.testing.assert_close(values, torch.tensor([0.0, 0.75**2, 0.25**2]))
    free = losses.squared_error(output[:, None], y, 0, 20, clamp=False, reduction="none")
    torch.testing.assert_close(free, torch.tensor([0.25, 0.75**2, 1.25**2]))


def test_clamp_stops_learning_outside():
    output, y = torch.tensor([-0.5, 0.25, 2.0], dtype=torch.float64), torch.tensor([10.0, 10, 10], dtype=torch.float64)
    g = gradient(lambda x: losses.squared_error(x, y, 0, 20, reduction="sum"), output)
    np.testing.assert_allclose(g, [0, -0.5, 0])


def test_distance_scores_and_nearest_mean_by_hand():
    z, means = torch.tensor([[3.0, 4.0], [0, 0]]), torch.tensor([[0.0, 0.0], [3, 0]])
    scores = losses.distance_scores(z, means)
    torch.testing.assert_close(scores, torch.tensor([[-5.0, -4], [0, -3]]), atol=1e-3, rtol=0)
    torch.testing.assert_close(losses.distance_scores(z, means, squared=True), torch.tensor([[-25.0, -16], [0, -9]]))
    value = losses.nearest_mean(z[:1], means, torch.tensor([0]))
    assert float(value) == pytest.approx(math.log(1 + math.e), rel=1e-6)  # -log of e^-5 / (e^-5 + e^-4)


def test_nearest_mean_gradient_is_finite_at_a_mean_and_reaches_no_mean():
    z = torch.tensor([[1.0, 2.0]], requires_grad=True)
    means = torch.tensor([[1.0, 2.0], [0, 0]], requires_grad=True)
    losses.nearest_mean(z, means, torch.tensor([1])).backward()
    assert torch.isfinite(z.grad).all() and means.grad is None


def test_nearest_mean_against_torch():
    z, means, y = some()
    expected = nn.functional.cross_entropy(-torch.cdist(z, means), y)
    torch.testing.assert_close(losses.nearest_mean(z, means, y), expected, rtol=1e-6, atol=1e-6)


# --- what must be refused -------------------------------------------------------------------------------------------


def refuse(match, *, z=None, p=None, y=None, error=ValueError, **options):
    good = some()
    z, p, y = (g if b is None else b for g, b in zip(good, (z, p, y), strict=True))
    for f in (losses.squared_cosine, losses.squared_cosine_gradient):
        with pytest.raises(error, match=match):
            f(z, p, y, **options)


def test_wrong_labels():
    z, p, y = some()
    refuse("labels must lie from 0 to 5 for 6 classes, got 6", y=y.clamp_min(6))
    refuse("labels must lie from 0 to 5 for 6 classes, got -1", y=y * 0 - 1)
    refuse(r"labels must have shape \(9,\), one for each row of z, got \(8,\)", y=y[:8])
    refuse(r"labels must have shape \(9,\), .* got \(9, 1\)", y=y[:, None])
    refuse(r"whole numbers, got torch.float64; use labels.long\(\)", y=y.double(), error=TypeError)
    refuse("whole numbers, got torch.bool", y=y > 0, error=TypeError)
    refuse("whole numbers, got list", y=y.tolist(), error=TypeError)
    torch.testing.assert_close(losses.squared_cosine(z, p, y.int()), losses.squared_cosine(z, p, y))


def test_wrong_prototypes():
    _, p, _ = some()
    refuse(r"prototypes must have unit rows, one has a length off by 1; pass normalize\(prototypes\)", p=2 * p)
    refuse("prototypes holds NaN or infinity", p=p * math.nan)
    refuse(r"prototypes must have shape \(K, D\), got \(1, 6, 4\)", p=p[None])


def test_wrong_outputs():
    z, _, _ = some()
    bad = z.clone()
    bad[2, 1], bad[5, 0] = math.nan, math.inf
    refuse("z holds NaN or infinity in 2 of 9 rows: the net has diverged", z=bad)
    refuse(r"z must have shape \(B, 4\) with B >= 1, got \(9, 3\)", z=z[:, :3])
    refuse(r"z must have shape \(B, 4\) with B >= 1, got \(0, 4\)", z=z[:0])
    refuse("z must be a floating-point torch.Tensor, got torch.int64", z=z.long(), error=TypeError)
    refuse("z must be a floating-point torch.Tensor, got list", z=z.tolist(), error=TypeError)
    _, p, y = some()
    assert torch.isnan(losses.squared_cosine(bad, p, y, check=False))


def test_wrong_regression():
    z, r, axis = some()[0], torch.zeros(9, dtype=torch.float64), torch.eye(4, dtype=torch.float64)[3]
    for match, options in [
        (r"axis must be a torch.Tensor of shape \(4,\), the width of z, got \(3,\)", {"axis": axis[:3]}),
        ("axis must have unit rows, one has a length off by 1", {"axis": 2 * axis}),
        ("r must lie from -1 to 1, got 2", {"r": r + 2}),
        (r"r must have shape \(9,\), one for each row of z, got \(9, 1\)", {"r": r[:, None]}),
    ]:
        with pytest.raises(ValueError, match=match):
            losses.squared_difference(**{"z": z, "r": r, "axis": axis, **options})
    with pytest.raises(ValueError, match=r"y must have shape \(2,\), one for each row of z, got \(3,\)"):
        losses.squared_error(torch.zeros(2), torch.zeros(3), 0, 1)
    with pytest.raises(ValueError, match=r"z must have shape \(B, 3\)"):
        losses.joint(z, points.circle(5), torch.zeros(9, dtype=torch.long), r)


class Watched(torch.Tensor):
    """A tensor that says when the values of anything computed from it are asked for, as a GPU's would stall."""

    asked: list = []

    @classmethod
    def __torch_function__(cls, f, types, args=(), kwargs=None):
        if f in (torch.Tensor.__bool__, torch.Tensor.__float__, torch.Tensor.__int__, torch.Tensor.item):
            cls.asked.append(f)
        return super().__torch_function__(f, types, args, kwargs or {})


def test_check_false_asks_for_no_value():
    """On a GPU every value asked for makes the CPU wait."""
    z, p, y = (t.as_subclass(Watched) for t in some())
    r, options = torch.zeros(9, dtype=torch.float64).as_subclass(Watched), {"check": False}
    calls = [
        lambda: losses.squared_cosine(z, p, y, **options),
        lambda: losses.squared_cosine_gradient(z, p, y, **options),
        lambda: losses.squared_difference(z, r, p[0], **options),
        lambda: losses.joint(z, p[:, :3], y, r, **options),
        lambda: losses.squared_error(z[:, 0], r, -1, 1, **options),
        lambda: losses.to_cosine(r, -1, 1, **options),
        lambda: losses.nearest_mean(z, p, y, **options),
        lambda: losses.nearest_prototype(z, p),
        lambda: losses.pull_and_push(z, p, y, **options),
    ]
    Watched.asked.clear()
    losses.to_cosine(r, -1, 1)
    assert Watched.asked, "the watch does not work"
    Watched.asked.clear()
    for call in calls:
        call()
        assert not Watched.asked


# --- LPA-E10 to E12 -------------------------------------------------------------------------------------------------


def cross_entropy_by_hand(z, w, y):
    """LPA-E10 as it is printed, row by row, without torch's softmax."""
    total = 0.0
    for i, label in enumerate(y.tolist()):
        own = torch.exp(z[i] @ w[label])
        others = sum(torch.exp(z[i] @ w[j]) for j in range(len(w)) if j != label)
        total = total - torch.log(own / (own + others))
    return total / len(z)


@pytest.mark.parametrize("seed", range(3))
def test_cross_entropy_and_its_gradients_row_by_row(seed):
    """E10 against torch, E11 and E12 as printed (row by row) against autograd and against pull_and_push, in float64."""
    generator = torch.Generator().manual_seed(seed)
    z, w = (torch.randn(n, 3, generator=generator, dtype=torch.float64).requires_grad_() for n in (7, 5))
    y = torch.randint(4, (7,), generator=generator)  # class 4 is absent
    value = cross_entropy_by_hand(z, w, y)
    torch.testing.assert_close(value, nn.functional.cross_entropy(z @ w.T, y), rtol=1e-13, atol=0)
    slope_z, slope_w = torch.autograd.grad(7 * value, (z, w))  # the paper's E11 and E12 leave the 1 / B of E10 out
    with torch.no_grad():
        p = torch.stack([torch.exp(w @ row) / torch.exp(w @ row).sum() for row in z])  # (B, K)
        for_z, for_w = losses.pull_and_push(z, w, y, reduction="sum")
        for i, label in enumerate(y.tolist()):  # E11
            pull = -(1 - p[i, label]) * w[label]
            push = sum(p[i, j] * w[j] for j in range(5) if j != label)
            torch.testing.assert_close(pull + push, slope_z[i], rtol=1e-12, atol=1e-13)
            torch.testing.assert_close(for_z.pull[i], pull, rtol=1e-12, atol=1e-13)
            torch.testing.assert_close(for_z.push[i], push, rtol=1e-12, atol=1e-13)
        for j in range(5):  # E12, with p_j(z_i) where the paper writes p_i
            zero = torch.zeros(3, dtype=torch.float64)
            pull = -sum(((1 - p[i, j]) * z[i] for i in range(7) if y[i] == j), zero)
            push = sum((p[i, j] * z[i] for i in range(7) if y[i] != j), zero)
            torch.testing.assert_close(pull + push, slope_w[j], rtol=1e-12, atol=1e-13)
            torch.testing.assert_close(for_w.pull[j], pull, rtol=1e-12, atol=1e-13)
            torch.testing.assert_close(for_w.push[j], push, rtol=1e-12, atol=1e-13)
        assert not for_w.pull[4].any() and for_w.push[4].norm() > 1e-3  # passive: pushed, though it is not there
        for ours, all_of_it in zip(losses.pull_and_push(z, w, y), (for_z, for_w), strict=True):
            torch.testing.assert_close(ours.pull, all_of_it.pull / 7)
            torch.testing.assert_close(ours.push, all_of_it.push / 7)


def test_pull_and_push_refuses():
    z, w, y = some()
    for arguments, message in (
        ((z, w[:, :3], y), "width|shape"),
        ((z, w, y + 1), "from 0 to 5"),
        ((z, w.long(), y), "vectors must be a floating-point"),
        ((z, w, y[:3]), "shape"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            losses.pull_and_push(*arguments)
    with pytest.raises(ValueError, match='"mean" or "sum"'):
        losses.pull_and_push(z, w, y, reduction="none")
