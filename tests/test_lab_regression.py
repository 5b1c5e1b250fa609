"""The lab of regression on the sphere: its loss and gradient against hpn_lite, and every control by keyboard."""

import pytest
import torch
from lab_page import says, state, tab_to

from hpn_lite import labs, losses, sphere

LAB = "regression"
NUMBER = r"(-?[\d.]+)"
POLE = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def loss_and_gradient(z, r):
    z = torch.tensor([z], dtype=torch.float64, requires_grad=True)
    loss = losses.squared_difference(z, torch.tensor([r], dtype=torch.float64), POLE, reduction="sum")
    loss.backward()
    return loss.item(), z.grad[0]


def compared(page):
    """The state, after its numbers were computed again from z, the target and the bounds."""
    now = state(page)
    z = torch.tensor(now["z"], dtype=torch.float64)
    value = torch.tensor(now["value"], dtype=torch.float64)
    r = losses.to_cosine(value, now["low"], now["high"]).item()
    cosine = sphere.cosine(z, POLE)
    loss, gradient = loss_and_gradient(now["z"], r)
    assert now["target"] == pytest.approx(r, abs=1e-12)
    assert now["cosine"] == pytest.approx(cosine.item(), abs=1e-12)
    assert now["predicted"] == pytest.approx(losses.from_cosine(cosine, now["low"], now["high"]).item(), abs=1e-9)
    assert now["loss"] == pytest.approx(loss, abs=1e-12)
    assert now["gradient"] == pytest.approx(gradient.tolist(), abs=1e-12)
    assert now["slope"] == pytest.approx(gradient.norm().item(), abs=1e-12)
    assert now["length"] == pytest.approx(z.norm().item())
    return now


def status_agrees(page, steps):
    """What the status says after this many steps are the rounded numbers of the state."""
    said = says(
        page,
        rf"has cosine {NUMBER} and predicts {NUMBER} .*Loss {NUMBER}, gradient {NUMBER}\. .* {steps} steps? taken",
    )
    now = compared(page)
    cosine, predicted, loss, slope = map(float, said.groups())
    assert cosine == pytest.approx(now["cosine"], abs=6e-5)
    assert predicted == pytest.approx(now["predicted"], abs=0.06)
    assert (loss, slope) == pytest.approx((now["loss"], now["slope"]), abs=6e-5)
    return now


@pytest.mark.parametrize("length", (0.3, 1, 5))
@pytest.mark.parametrize("r", (-1, -0.4, 0, 0.9, 1))
def test_loss_and_gradient_are_those_of_the_module(maths, length, r):
    for x in (sphere.uniform(10, 3, seed=1) * length).tolist():
        ours = maths("t.measure(m, a.z, a.r)", {"z": x, "r": r})
        loss, gradient = loss_and_gradient(x, r)
        assert ours["loss"] == pytest.approx(loss, rel=1e-9, abs=1e-14)
        assert ours["gradient"] == pytest.approx(gradient.tolist(), abs=1e-12)


def test_steps_follow_the_gradient_and_never_shorten(bare):
    page = bare(labs.regression(60))
    before = status_agrees(page, 0)
    assert before["value"] == 60 and before["cosine"] == pytest.approx(0.5, abs=0.01)
    tab_to(page, "button", "One step")
    for steps in (1, 2, 3):
        page.keyboard.press("Enter")
        now = status_agrees(page, steps)
        stepped = torch.tensor(before["z"]) - before["rate"] * torch.tensor(before["gradient"])
        assert now["z"] == pytest.approx(stepped.tolist(), abs=1e-6)
        assert now["length"] > before["length"]
        longitude = [z[1] / z[0] for z in (before["z"], now["z"])]
        assert longitude[0] == pytest.approx(longitude[1])  # along the meridian
        before = now


def test_walking_down_ends_on_the_circle(bare):
    page = bare(labs.regression(150, rate=1), reduced_motion="reduce")
    tab_to(page, "button", "Walk down")
    page.keyboard.press("Enter")
    says(page, r"which is right\. Loss 0\.0000.*Nothing left to pull")
    now = compared(page)
    assert now["loss"] < 1e-10 and now["predicted"] == pytest.approx(150, abs=0.01) and not now["running"]


def test_walking_moves_by_itself_and_can_be_stopped(bare):
    page = bare(labs.regression(20, rate=0.1))
    tab_to(page, "button", "Walk down")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.hpn-lab').hpn.state().steps > 2")
    page.get_by_role("button", name="Stop").press("Enter")
    assert compared(page)["running"] is False


def test_a_pole_has_no_gradient(bare):
    page = bare(labs.regression(60))
    tab_to(page, "button", "To the upper pole")
    page.keyboard.press("Enter")
    says(page, r"predicts 180\.0 degrees, 120\.0 degrees too much.*gradient 0\.0000.*sits on a pole")
    assert compared(page)["slope"] == 0
    page.get_by_role("button", name="One step").press("Enter")
    says(page, "1 step taken")
    assert compared(page)["z"] == pytest.approx([0, 0, 1], abs=1e-12)


def test_the_target_and_the_length_by_keyboard(bare):
    page = bare(labs.regression(60))
    tab_to(page, "slider", "Target value")
    for key, value, words in (
        ("Home", 0, "a single point, a pole"),
        ("End", 180, "a single point"),
        ("ArrowLeft", 179, "circle"),
    ):
        page.keyboard.press(key)
        says(page, rf"Target {value}\.0 degrees: .*{words}")
        assert compared(page)["value"] == value
    tab_to(page, "slider", "Length of the output")
    short = compared(page)
    page.keyboard.press("End")
    says(page, "of length 4.00")
    long = compared(page)
    assert long["cosine"] == pytest.approx(short["cosine"])
    assert long["slope"] == pytest.approx(short["slope"] / 4)
    tab_to(page, "slider", "Step size")
    page.keyboard.press("Home")
    assert state(page)["rate"] == 0.1


def test_the_output_moves_with_keys_and_with_the_mouse(bare):
    page = bare(labs.regression(60))
    tab_to(page, "application", "Sphere with the upper bound")
    before = compared(page)
    page.keyboard.press("ArrowUp")
    moved = compared(page)
    assert moved["cosine"] > before["cosine"] and moved["length"] == pytest.approx(before["length"])
    page.keyboard.press("Shift+ArrowUp")  # turns the sphere, and leaves the output alone
    turned = compared(page)
    assert turned["z"] == moved["z"] and turned["view"]["axes"] != moved["view"]["axes"]
    page.keyboard.press("Enter")
    assert status_agrees(page, 1)["steps"] == 1
    page.get_by_role("button", name="New output").press("Enter")
    fresh = status_agrees(page, 0)
    assert fresh["z"] != moved["z"]

    view, box = fresh["view"], page.get_by_role("application").bounding_box()
    x = torch.tensor(view["axes"]) @ sphere.normalize(torch.tensor(fresh["z"]))
    at = [
        box["x"] + view["width"] / 2 + view["radius"] * x[0].item(),
        box["y"] + view["width"] / 2 - view["radius"] * x[1].item(),
    ]
    page.mouse.move(*at)
    page.mouse.down()
    page.mouse.move(box["x"] + view["width"] / 2, box["y"] + view["width"] / 2, steps=4)
    page.mouse.up()
    dropped = compared(page)
    towards = torch.tensor(view["axes"][2])  # the middle of the picture
    assert (sphere.normalize(torch.tensor(dropped["z"])) - towards).abs().max() < 0.03


def test_without_motion_or_a_wide_screen_it_still_fits(bare):
    page = bare(labs.regression(60), viewport={"width": 340, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 340


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: labs.regression(200), "value"),
        (lambda: labs.regression(1, 2, 1), "low must be below"),
        (lambda: labs.regression(0, 0, float("inf")), "low must be below"),
        (lambda: labs.regression(output=(1, 0)), "three coordinates"),
        (lambda: labs.regression(output=(0, 0, 0)), "zero vector"),
        (lambda: labs.regression(length=9), "length"),
        (lambda: labs.regression(rate=0), "rate"),
    ],
)
def test_bad_options_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_other_bounds_and_units_reach_the_words(bare):
    page = bare(labs.regression(1820, 1400, 1900, unit=""))
    said = says(page, rf"Target 1820\.0: the circle of cosine {NUMBER}\.")
    assert float(said[1]) == pytest.approx(2 * 420 / 500 - 1, abs=6e-5)
    compared(page)
