"""The lab of neural collapse: its loss, slopes and steps against torch, and where it ends against the theorem."""

import math

import lab_page
import pytest
import torch

from hpn_lite import collapse, labs


@pytest.mark.parametrize("options", [{"k": 1}, {"k": 7}, {"scale": 0}, {"scale": 13}, {"each": 0}, {"seed": -1}])
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError):
        labs.collapse(**options)


def loss_of(state, theta, phi):
    score = state["scale"] * (phi[:, None] - theta).cos()
    return torch.nn.functional.cross_entropy(score, torch.arange(state["k"]).repeat_interleave(state["each"]))


def angles(state):
    return [torch.tensor(state[name], dtype=torch.float64, requires_grad=True) for name in ("theta", "phi")]


def check(state):
    """Loss, slopes and the three angles, by torch; the loss is never below the bound."""
    theta, phi = angles(state)
    loss = loss_of(state, theta, phi)
    assert state["loss"] == pytest.approx(loss.item(), rel=1e-9)
    assert state["bound"] == pytest.approx(collapse.least_cross_entropy(state["k"], state["scale"]), rel=1e-12)
    assert state["loss"] >= state["bound"] - 1e-12
    slopes = torch.autograd.grad(loss, (theta, phi))
    for name, slope in zip(("dtheta", "dphi"), slopes, strict=True):
        torch.testing.assert_close(torch.tensor(state[name], dtype=torch.float64), slope, rtol=1e-8, atol=1e-12)
    x = torch.stack([phi.cos(), phi.sin()], 1).detach().view(state["k"], state["each"], 2)
    w = torch.stack([theta.cos(), theta.sin()], 1).detach()
    mean = torch.nn.functional.normalize(x.mean(1), dim=1)
    degrees = lambda cosine: cosine.clamp(-1, 1).acos().rad2deg()  # noqa: E731
    assert state["within"] == pytest.approx(degrees((x * mean[:, None]).sum(-1)).mean().item(), abs=1e-4)
    assert state["duality"] == pytest.approx(degrees((mean * w).sum(1)).mean().item(), abs=1e-4)
    largest = (w @ w.T - 3 * torch.eye(len(w))).max()
    assert state["nearest"] == pytest.approx(degrees(largest).item(), abs=1e-4)
    return slopes


def test_one_step_is_gradient_descent(bare):
    page = bare(labs.collapse(4, 3, seed=5))
    before = lab_page.state(page)
    slopes = check(before)
    page.get_by_role("button", name="One step").click()
    after = lab_page.state(page)
    check(after)
    theta, phi = angles(before)
    own = torch.softmax(3 * (phi[:, None] - theta).cos(), 1)[torch.arange(24), torch.arange(4).repeat_interleave(6)]
    wrong = 1 - own.detach()  # each output moves by its own, a class vector by the mean
    for name, slope, times in zip(("theta", "phi"), slopes, (4 / wrong.mean(), 24 / wrong), strict=True):
        expected = torch.tensor(before[name], dtype=torch.float64) - 0.05 / 3 * times * slope
        torch.testing.assert_close(torch.tensor(after[name], dtype=torch.float64), expected, rtol=0, atol=1e-9)
    assert after["loss"] < before["loss"] and after["steps"] == 1


def run_to_rest(page):
    """Press Run with the keyboard, under reduced motion, until the loss hardly falls any more."""
    button = page.get_by_role("button", name="Run")
    for _ in range(4):
        button.press("Enter")
    return lab_page.state(page)


@pytest.mark.parametrize(("k", "degrees"), [(2, 180), (3, 120)])
def test_two_and_three_classes_meet_the_bound(bare, k, degrees):
    page = bare(labs.collapse(k, 4), reduced_motion="reduce")
    state = run_to_rest(page)
    check(state)
    assert state["steps"] == 4000 and state["loss"] < 1.01 * state["bound"]
    assert state["nearest"] == pytest.approx(degrees, abs=2) and state["within"] < 2 and state["duality"] < 2
    assert "the bound is met" in lab_page.says(page, "After 4000 steps.*").group()


def test_five_classes_cannot_meet_it_in_the_plane(bare):
    page = bare(labs.collapse(5, 4, fixed=True), reduced_motion="reduce")
    state = run_to_rest(page)
    check(state)
    # outputs on their class vectors, these 72 degrees apart: better than any start, and far above the bound
    even = -torch.log_softmax(4 * (2 * math.pi * torch.arange(5) / 5).cos(), 0)[0].item()
    assert state["loss"] == pytest.approx(even, abs=1e-2) and state["loss"] > 4 * state["bound"]
    assert state["nearest"] == pytest.approx(72)


def test_the_trap_of_fixed_vectors_opens_below_its_border(bare):
    """Theorem of chapter 19: of three classes in the plane, an output can rest behind its own above the scale 2."""
    page = bare(labs.collapse(3, 4, fixed=True), reduced_motion="reduce")
    caught = run_to_rest(page)
    check(caught)
    behind = lambda s: [  # noqa: E731
        i for i, p in enumerate(s["phi"]) if math.cos(p - s["theta"][i // s["each"]]) < -0.999
    ]
    assert behind(caught), "this start traps at least one output"
    slider = page.get_by_role("slider", name="Scale of the scores")
    for _ in range(3):
        slider.press("ArrowLeft")
    free = run_to_rest(page)
    check(free)
    assert free["scale"] == 1 and not behind(free) and free["loss"] < 1.001 * free["bound"]


def test_it_runs_and_rests_by_itself(bare):
    page = bare(labs.collapse(3, 4))
    page.get_by_role("button", name="Run").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.wait_for_function("!document.querySelector('.hpn-lab').hpn.state().running", timeout=60_000)
    state = lab_page.state(page)
    assert state["steps"] % 60 == 0 and state["loss"] < 1.01 * state["bound"]
    page.get_by_role("button", name="Run").wait_for()


def test_controls_change_the_setting(bare):
    page = bare(labs.collapse())
    page.get_by_role("slider", name="Classes").press("End")
    assert lab_page.state(page)["k"] == 6
    page.get_by_role("slider", name="Scale of the scores").press("Home")
    assert lab_page.state(page)["scale"] == 1
    page.get_by_role("combobox", name="Class vectors").select_option("1")
    held = lab_page.state(page)
    assert held["held"] and held["nearest"] == pytest.approx(60)
    page.get_by_role("button", name="New start").click()
    again = lab_page.state(page)
    assert again["seed"] == held["seed"] + 1 and again["phi"] != held["phi"] and again["theta"] == held["theta"]
    check(again)
