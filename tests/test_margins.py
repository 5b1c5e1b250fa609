"""SphereFace's angular margin and SphereFace+, against their definitions."""

import math

import pytest
import torch

from hpn_lite import energy, heads, mhe


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_margin_is_its_definition_and_falls(m):
    theta = torch.linspace(1e-4, math.pi - 1e-4, 999, dtype=torch.float64)
    k = (m * theta / math.pi).floor()
    expected = (-1) ** k * (m * theta).cos() - 2 * k
    found = heads.angular_margin(theta.cos(), m)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    assert bool((found.diff() < 0).all())
    ends = heads.angular_margin(torch.tensor([1.0, -1.0], dtype=torch.float64), m)
    assert ends.tolist() == [1, 1 - 2 * m]


def test_loss_by_hand():
    torch.manual_seed(0)
    head = heads.AngularSoftmaxHead(3, 2, margin=2, blend=(10.0, 1.0, 1.0)).double()
    z, y = torch.randn(4, 2, dtype=torch.float64), torch.tensor([0, 2, 1, 1])
    for step, blend in [(0, 10.0), (4, 2.0), (100, 1.0)]:
        head.steps.fill_(step)
        total = 0.0
        for row, label in zip(z, y, strict=True):
            length = float(row.norm())
            cosines = [float((row @ w / w.norm()).detach()) / length for w in head.weight]
            theta = math.acos(cosines[label])
            k = int(2 * theta / math.pi)
            psi = (-1) ** k * math.cos(2 * theta) - 2 * k
            scores = [length * c for c in cosines]
            scores[label] = length * (blend * cosines[label] + psi) / (1 + blend)
            total += math.log(sum(map(math.exp, scores))) - scores[label]
        assert abs(head.loss(z, y).item() - total / 4) < 1e-10


def test_without_margin_it_is_a_normalised_softmax_and_observe_counts():
    head = heads.AngularSoftmaxHead(5, 3, margin=1)
    z, y = torch.randn(7, 3), torch.arange(7) % 5
    torch.testing.assert_close(head.loss(z, y), torch.nn.functional.cross_entropy(head(z), y))
    torch.testing.assert_close(head(z), z @ torch.nn.functional.normalize(head.weight, dim=1).T)
    head.observe(z, y)
    assert head.steps == 1
    assert head.predict(3 * head.weight.detach()).tolist() == [0, 1, 2, 3, 4]


def test_plus_adds_the_energy_of_the_batch():
    torch.manual_seed(1)
    plain = heads.AngularSoftmaxHead(6, 3, margin=4)
    plus = heads.AngularSoftmaxHead(6, 3, margin=4, energy_weight=2.5, s=1)
    plus.load_state_dict(plain.state_dict())
    z, y = torch.randn(8, 3), torch.tensor([0, 0, 1, 2, 2, 2, 5, 5])
    expected = 2.5 * energy.class_minibatch(plain.weight, y, 1)
    torch.testing.assert_close(plus.loss(z, y) - plain.loss(z, y), expected)


def test_sums_and_means_weigh_the_energy_alike():
    """train takes the sum over a batch and divides it by its size: the energy must come out of that as it went in."""
    head = heads.AngularSoftmaxHead(6, 3, margin=2, energy_weight=0.7)
    z, y = torch.randn(8, 3), torch.tensor([0, 0, 1, 2, 2, 2, 5, 5])
    torch.testing.assert_close(head.loss(z, y, reduction="sum") / 8, head.loss(z, y))


def test_its_class_vectors_are_an_output_layer_for_the_energy():
    head = heads.AngularSoftmaxHead(6, 3)
    net = torch.nn.ModuleDict({"net": torch.nn.Linear(4, 3), "head": head})
    assert [(x.name, x.output) for x in mhe.MHE().survey(net)] == [("net", False), ("head.linear", True)]
    assert head.weight is head.linear.weight and list(head.state_dict()) == ["steps", "linear.weight"]


def test_gradient_is_finite_at_the_ends_of_the_angle():
    head = heads.AngularSoftmaxHead(2, 2, margin=4, blend=(0, 0, 0))
    z = torch.cat([head.weight.detach()[:1], -head.weight.detach()[:1]]).requires_grad_()
    head.loss(z, torch.tensor([0, 0])).backward()
    assert bool(z.grad.isfinite().all())
    assert bool(head.weight.grad.isfinite().all())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 5}, "margin must be 1, 2, 3 or 4, got 5"),
        ({"blend": (1, 2)}, "blend must be three numbers"),
        ({"energy_weight": -1}, "energy_weight must be 0 or more"),
    ],
)
def test_bad_heads(options, message):
    with pytest.raises(ValueError, match=message):
        heads.AngularSoftmaxHead(3, 2, **options)
