"""The signs of neural collapse on states that are collapsed by construction, or not; the theorems of chapter 19."""

import itertools
import math

import pytest
import torch
from torch.nn import functional

from hpn_lite import collapse, heads, points, sphere


def collapsed(classes=5, each=4, scale=3.0):
    w = points.simplex(classes)
    y = torch.arange(classes).repeat(each)
    return scale * w[y] + 0.7, y, 2 * w


def test_a_collapsed_state_has_zeros():
    z, y, w = collapsed()
    found = collapse.measure(z, y, w, y)
    assert max(found) < 1e-9


def test_each_sign_alone():
    z, y, w = collapsed()
    base = dict.fromkeys(("within", "lengths", "angles", "duality", "disagreement"), 0.0)
    away = z.clone()
    away[0], away[5] = away[0] + torch.eye(4, dtype=z.dtype)[0], away[5] - torch.eye(4, dtype=z.dtype)[0]
    found = collapse.measure(away, y, w, y)._asdict()  # two outputs of class 0, pushed apart
    assert found["within"] > 0.005 and all(found[k] < 1e-9 for k in base if k != "within")
    found = collapse.measure(z, y, w.flip(0), y)._asdict()
    assert found["duality"] > 0.5 and all(found[k] < 1e-9 for k in base if k != "duality")
    found = collapse.measure(z, y, w, (y + 1) % 5)._asdict()
    assert found["disagreement"] == 1 and all(found[k] < 1e-9 for k in base if k != "disagreement")


def test_measures_by_the_definition():
    """Against loops and numpy-free formulas on a random state."""
    k, d, n = 4, 6, 40
    z, w = sphere.uniform(n, d, seed=0) * 2, sphere.uniform(k, d, seed=1)
    y = torch.arange(k).repeat(n // k)
    prediction = (z @ w.T).argmax(1)
    found = collapse.measure(z, y, w, prediction)
    means = torch.stack([z[y == c].mean(0) for c in range(k)])
    m = means - means.mean(0)
    within = sum(torch.outer(a - means[c], a - means[c]) for a, c in zip(z, y.tolist(), strict=True)) / n
    between = sum(torch.outer(a, a) for a in m) / k
    values, vectors = torch.linalg.eigh(between)
    inverse = sum(torch.outer(v, v) / e for e, v in zip(values, vectors.T, strict=True) if e > 1e-10)
    assert found.within == pytest.approx((within * inverse).sum().item() / k, rel=1e-8)
    lengths = [a.norm().item() for a in m]
    mean = sum(lengths) / k
    assert found.lengths == pytest.approx(math.sqrt(sum((v - mean) ** 2 for v in lengths) / k) / mean)
    pairs = [functional.cosine_similarity(a, b, 0).item() for a, b in itertools.combinations(m, 2)]
    assert found.angles == pytest.approx(sum(abs(c + 1 / (k - 1)) for c in pairs) / len(pairs))
    v = w - w.mean(0)
    assert found.duality == pytest.approx((v / v.norm() - m / m.norm()).norm().item())
    nearest = torch.stack([torch.stack([(a - b).norm() for b in means]).argmin() for a in z])
    assert found.disagreement == pytest.approx((nearest != prediction).double().mean().item())


def test_signs_do_not_depend_on_rotation_shift_and_scale():
    z, w = sphere.uniform(60, 5, seed=0), sphere.uniform(6, 5, seed=1)
    y, q = torch.arange(6).repeat(10), torch.linalg.qr(sphere.uniform(5, 5, seed=2)).Q
    first = collapse.measure(z, y, w, y)
    again = collapse.measure(3 * z @ q + 1, y, 0.2 * w @ q, y)
    assert again == pytest.approx(first, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": torch.zeros(20, dtype=torch.long)}, "no example of class 1"),
        ({"vectors": torch.eye(5)}, "vectors must have shape"),
        ({"prediction": torch.zeros(3).long()}, "prediction"),
        ({"z": torch.ones(20, 4)}, "nothing to collapse onto"),
    ],
)
def test_bad_input_is_refused(change, message):
    z, y, w = collapsed()
    with pytest.raises(ValueError, match=message):
        collapse.measure(**{"z": z, "y": y, "vectors": w, "prediction": y, **change})


# --- theorem: the simplex is the minimum -----------------------------------------------------------------------------


def cross_entropy(z, w):
    return functional.cross_entropy(z @ w.T, torch.arange(len(w)).repeat_interleave(len(z) // len(w)))


@pytest.mark.parametrize(("k", "d"), [(2, 3), (3, 2), (5, 4), (10, 9), (4, 7)])
@pytest.mark.parametrize(("rho", "omega"), [(1.0, 1.0), (3.0, 0.5), (2.0, 4.0)])
def test_the_simplex_meets_the_bound_and_nothing_is_below(k, d, rho, omega):
    bound = collapse.least_cross_entropy(k, rho * omega)
    w = points.simplex(k, max(d, k - 1))
    assert cross_entropy(rho * w.repeat_interleave(3, 0), omega * w).item() == pytest.approx(bound, rel=1e-9)
    for seed in range(30):
        z = rho * sphere.uniform(3 * k, d, seed=seed)
        v = omega * sphere.uniform(k, d, seed=seed + 100)
        assert cross_entropy(z, v) >= bound - 1e-12
        noisy = sphere.normalize(w + 0.1 * sphere.uniform(*w.shape, seed=seed))  # near the minimum, not on it
        assert cross_entropy(rho * noisy.repeat_interleave(3, 0), omega * noisy) > bound * (1 + 1e-6)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_descent_ends_at_the_simplex(k):
    """Free outputs and class vectors of bounded length, from random starts."""
    z, w = sphere.uniform(4 * k, k, seed=3), sphere.uniform(k, k, seed=4)
    for _ in range(3000):
        z.requires_grad_(), w.requires_grad_()
        slopes = torch.autograd.grad(cross_entropy(z, w), (z, w))
        with torch.no_grad():
            z, w = (x - k * 2 * g for x, g in zip((z, w), slopes, strict=True))
            z, w = (x / x.norm(dim=1, keepdim=True).clamp_min(1) for x in (z, w))
    assert cross_entropy(z, w).item() == pytest.approx(collapse.least_cross_entropy(k, 1.0), rel=1e-4)
    y = torch.arange(k).repeat_interleave(4)
    found = collapse.measure(z, y, w, (z @ w.T).argmax(1))
    assert found.within < 1e-3 and found.angles < 0.02 and found.duality < 0.02 and found.disagreement == 0


# --- theorem: the trap behind a class --------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [3, 4, 10])
@pytest.mark.parametrize("factor", [0.3, 0.9, 1.1, 3.0])
def test_the_trap(k, factor):
    """Second derivatives by autograd along great circles through the point opposite to the class vector."""
    w, s = points.simplex(k), factor * (k - 1)
    head = heads.FixedSoftmaxHead(w, scale=s, cosine=True).double()
    head.prototypes = w  # in float64
    for seed in range(3):
        v = sphere.normalize(sphere.tangent(w[:1], sphere.uniform(1, k - 1, seed=seed)))
        t = torch.zeros((), dtype=torch.float64, requires_grad=True)
        loss = head.loss(-t.cos() * w[:1] + t.sin() * v, torch.tensor([0]))
        (first,) = torch.autograd.grad(loss, t, create_graph=True)
        (second,) = torch.autograd.grad(first, t)
        p = torch.softmax(-s * w @ w[0], 0)[0].item()
        assert first.item() == pytest.approx(0, abs=1e-9)
        expected = (1 - p) * k * s / (k - 1) * (s / (k - 1) - 1)
        assert second.item() == pytest.approx(expected, rel=1e-6)
        assert (second.item() > 0) == (s > k - 1)


# --- fixed softmax layers --------------------------------------------------------------------------------------------


def test_fixed_softmax_is_a_linear_layer_that_does_not_learn():
    w = points.simplex(6)
    head = heads.FixedSoftmaxHead(w, scale=2.5)
    assert list(head.parameters()) == [] and "prototypes" in head.state_dict()
    z, y = torch.randn(20, 5, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 6
    layer = torch.nn.Linear(5, 6, bias=False)
    layer.weight.data = 2.5 * w.float()
    torch.testing.assert_close(head(z), layer(z))
    torch.testing.assert_close(head.loss(z, y), functional.cross_entropy(layer(z), y))
    assert torch.equal(head.predict(z), layer(z).argmax(1))
    cosine = heads.FixedSoftmaxHead(w, scale=10, cosine=True)
    torch.testing.assert_close(cosine(z), 10 * functional.normalize(z, dim=1) @ w.float().T)
    torch.testing.assert_close(cosine(7 * z), cosine(z))


@pytest.mark.parametrize("scale", [0, -1, float("inf")])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(ValueError, match="scale"):
        heads.FixedSoftmaxHead(points.simplex(3), scale=scale)
    with pytest.raises(ValueError, match="scale"):
        collapse.least_cross_entropy(3, -1 if scale == 0 else scale)
