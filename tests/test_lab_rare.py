"""The lab of the rare class: the net that it trained, judged again with torch."""

import re

import lab_page
import pytest
import torch

from hpn_lite import energy, labs, sphere


@pytest.mark.parametrize(
    "options", [{"share": 1}, {"share": 101}, {"weight": 1.5}, {"weight": 0.03}, {"seed": -1}, {"steps": 0}]
)
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError):
        labs.rare(**options)


def loss_of(state, net):
    x, y = (torch.tensor(state["training"][name]) for name in ("x", "y"))
    cross_entropy = torch.nn.functional.cross_entropy(outputs(net, x.double()) @ net["vectors"].T, y)
    decay = 1e-3 / 2 * sum(p.square().sum() for p in net.values())
    return cross_entropy + decay + state["weight"] * energy.riesz(net["vectors"], 0)


def outputs(net, x):
    return torch.relu(x @ net["inside"][:, :2].T + net["inside"][:, 2]) @ net["out"].T


def tensors(state):
    return {name: torch.tensor(p, dtype=torch.float64) for name, p in state["net"].items()}


def check(page, words):
    """The status says these words, and its numbers are those of the net. Returns the state."""
    page.wait_for_function(
        "(t) => document.querySelector('[role=status]').textContent.includes(t)", arg=words, timeout=20_000
    )
    said, state = page.get_by_role("status").inner_text(), lab_page.state(page)
    net = tensors(state)
    x, y = (torch.tensor(state["testing"][name]) for name in ("x", "y"))
    z = outputs(net, x.double())
    right = (z @ net["vectors"].T).argmax(1) == y
    angles = sphere.angle(net["vectors"][0], net["vectors"][1:]).rad2deg()
    expected = {
        "rare": right[y == 0].double().mean(), "others": right[y > 0].double().mean(), "nearest": angles.min(),
        "energy": energy.riesz(net["vectors"], 0), "loss": loss_of(state, net),
    }  # fmt: skip
    for name, value in expected.items():
        assert state[name] == pytest.approx(float(value), abs=1e-6), name
    percents = [int(v) for v in re.findall(r"(\d+)% of", said)]
    assert percents == pytest.approx([100 * state["rare"], 100 * state["others"]], abs=0.51)
    numbers = [float(v) for v in re.findall(r"(?:is|Energy|loss) (-?\d+\.\d+)", said)]
    assert numbers == pytest.approx([state[name] for name in ("nearest", "energy", "loss")], abs=0.06)
    return state


def test_numbers_and_controls_by_keyboard(bare):
    page = bare(labs.rare(5, 0, seed=1))
    first = check(page, "Class 0 has 2 of 40 examples, weight of the energy 0.00")
    page.get_by_role("slider", name="Weight of the energy").press("End")
    driven = check(page, "weight of the energy 1.00")
    assert driven["energy"] < first["energy"]
    page.get_by_role("slider", name="Examples of class 0").press("End")
    full = check(page, "Class 0 has 40 of 40 examples")
    assert full["rare"] > 0.8
    page.get_by_role("button", name="Another start").press("Enter")
    page.wait_for_function("document.querySelector('.hpn-lab').hpn.state().seed === 2")
    assert lab_page.state(page)["net"] != full["net"]


@pytest.mark.parametrize("weight", [0, 0.5])
def test_a_step_is_gradient_descent(bare, weight):
    """After one step the net is the start minus rate times torch's gradient; after two, momentum counts."""
    states = [lab_page.state(bare(labs.rare(20, weight, seed=3, steps=n))) for n in (1, 2, 3)]
    nets = [tensors(s) for s in states]
    gradients = []
    for state, net in zip(states[:2], nets[:2], strict=True):
        net = {name: p.clone().requires_grad_() for name, p in net.items()}
        slopes = torch.autograd.grad(loss_of(state, net), list(net.values()))
        gradients.append(dict(zip(net, slopes, strict=True)))
    for name in nets[0]:
        # v2 = 0.9 v1 + g, so the third place follows from the first two and the gradient at the second
        moved = 0.9 * (nets[1][name] - nets[0][name]) - 0.05 * gradients[1][name]
        torch.testing.assert_close(nets[2][name], nets[1][name] + moved, atol=1e-9, rtol=0)
