"""The lab of two tasks on one sphere: its mathematics against hpn_lite.losses, then every control by keyboard."""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from lab_page import says, state, tab_to

from hpn_lite import labs, losses, points, sphere

LAB = "two_tasks"
WEIGHTS = (0.1, 0.25, 0.5, 1, 2, 4, 10)


def joint(z, k, label, r, weight, reduction="none"):
    prototypes = points.circle(k)
    labels = torch.full((len(z),), label)
    heights = torch.full((len(z),), r, dtype=torch.float64)
    return losses.joint(z, prototypes, labels, heights, regression_weight=weight, reduction=reduction)


def compared(page):
    """The state, after its numbers were computed again from the output with hpn_lite."""
    now = state(page)
    k, r = len(now["names"]), now["value"] / 90 - 1
    u = torch.tensor([now["output"]], dtype=torch.float64)
    best = torch.tensor([now["minimiser"]], dtype=torch.float64)
    assert now["r"] == pytest.approx(losses.to_cosine(torch.tensor([float(now["value"])]), 0, 180).item(), abs=1e-6)
    assert now["total"] == pytest.approx(joint(u, k, now["label"], r, now["weight"]).item(), abs=1e-12)
    assert now["ofClass"] + now["weight"] * now["ofValue"] == pytest.approx(now["total"], abs=1e-12)
    assert now["least"] == pytest.approx(joint(best, k, now["label"], r, now["weight"]).item(), abs=1e-12)
    grid = sphere.uniform(2000, 3, seed=0)
    assert joint(grid, k, now["label"], r, now["weight"]).min().item() > now["least"]
    prototypes = F.pad(points.circle(k), (0, 1))
    torch.testing.assert_close(torch.tensor(now["prototypes"], dtype=torch.float64), prototypes)
    assert now["predicted"] == losses.nearest_prototype(u, prototypes).item()
    assert now["read"] == pytest.approx(losses.from_cosine(u[:, 2], 0, 180).item())
    return now


@pytest.mark.parametrize("weight", WEIGHTS)
def test_losses_and_gradient_are_those_of_the_library(maths, weight):
    prototypes = points.circle(5)
    for i, r in enumerate((-1.0, -0.3, 0.0, 0.8, 1.0)):
        u = sphere.uniform(1, 3, seed=i).requires_grad_()
        a = {"u": u[0].tolist(), "p": [*prototypes[2].tolist(), 0], "r": r, "w": weight}
        loss = joint(u, 5, 2, r, weight, "sum")
        assert maths("t.losses(m, a.u, a.p, a.r, a.w).total", a) == pytest.approx(loss.item(), abs=1e-12)
        loss.backward()  # the loss normalises inside, so its gradient is tangent already
        ours = torch.tensor(maths("t.gradient(m, a.u, a.p, a.r, a.w)", a), dtype=torch.float64)
        torch.testing.assert_close(ours, u.grad[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_the_best_height_is_a_minimum_and_the_correction_undoes_it(maths, weight):
    for r in (-1, -0.6, 0, 0.2, 0.95, 1):
        h = maths("t.bestHeight(a.r, a.w)", {"r": r, "w": weight})
        around = torch.tensor([h - 1e-4, h, h + 1e-4], dtype=torch.float64)
        z = torch.stack([(1 - around.square()).sqrt(), 0 * around, around], dim=1)
        below, here, above = joint(z, 5, 0, r, weight).tolist()
        assert here < below and here < above
        assert maths("t.corrected(a.h, a.w)", {"h": h, "w": weight}) == pytest.approx(r, abs=1e-12)
        if weight == 1:
            assert h == pytest.approx(r / math.hypot(1, r), abs=1e-12)


def test_the_correction_stays_between_the_bounds(maths):
    for weight in WEIGHTS:
        for h in (-1, -0.99, 0.99, 1):
            assert maths("t.corrected(a.h, a.w)", {"h": h, "w": weight}) == math.copysign(1, h)


@pytest.mark.parametrize("motion", ("no-preference", "reduce"))
@pytest.mark.parametrize("weight", (0.1, 1, 10))
def test_descent_ends_at_the_least_loss(bare, motion, weight):
    page = bare(labs.two_tasks(1, 180, weight=weight), reduced_motion=motion)
    assert compared(page)["total"] > state(page)["least"] + 0.1
    tab_to(page, "button", "Descend")
    page.keyboard.press("Enter")
    page.wait_for_function("!document.querySelector('.hpn-lab').hpn.state().moving")
    now = compared(page)
    assert now["total"] == pytest.approx(now["least"], abs=1e-5)
    assert now["predicted"] == 1 and now["read"] < 177 and now["mended"] == pytest.approx(180, abs=0.2)
    said = says(page, rf"together {now['total']:.4f}; the least possible is ([\d.]+)\. .*class 3, value ([\d.]+) deg")
    assert float(said[1]) == pytest.approx(now["least"], abs=6e-5)
    assert float(said[2]) == pytest.approx(now["read"], abs=0.06)
    if weight == 1:
        assert now["read"] == pytest.approx(90 * (1 + math.sqrt(0.5)), abs=0.1)


def test_descent_at_the_equator_ends_too(bare):
    page = bare(labs.two_tasks(0, 90, seed=4), reduced_motion="reduce")
    tab_to(page, "button", "Descend")
    page.keyboard.press("Enter")
    page.wait_for_function("!document.querySelector('.hpn-lab').hpn.state().moving")
    assert compared(page)["total"] == pytest.approx(0, abs=1e-5)


def test_every_control_by_keyboard(bare):
    page = bare(labs.two_tasks(1, 150))
    says(page, "^Asked: class 3, value 150 degrees, weight 1\\.")
    tab_to(page, "application", re.compile("Sphere with the class prototypes"))
    before = compared(page)["output"]
    page.keyboard.press("ArrowUp")
    assert compared(page)["output"] != before
    page.keyboard.press("ArrowRight")
    moved = compared(page)
    page.keyboard.press("Shift+ArrowRight")
    assert state(page)["output"] == moved["output"] and state(page)["view"]["axes"] != moved["view"]["axes"]
    page.keyboard.press(" ")
    assert state(page)["moving"]
    page.keyboard.press(" ")
    assert not state(page)["moving"]
    tab_to(page, "combobox", "Class asked for")
    page.keyboard.press("ArrowDown")
    says(page, "Asked: class 4, ")
    assert compared(page)["label"] == 2
    tab_to(page, "slider", "Value asked for")
    page.keyboard.press("End")
    says(page, "value 180 degrees")
    page.keyboard.press("Home")
    assert compared(page)["r"] == -1
    page.keyboard.press("ArrowRight")
    says(page, "value 1 degrees")
    tab_to(page, "slider", "Weight of the value loss")
    page.keyboard.press("ArrowRight")
    says(page, "weight 2\\.")
    assert compared(page)["weight"] == 2
    tab_to(page, "button", "One step")
    total = compared(page)["total"]
    page.keyboard.press("Enter")
    assert compared(page)["total"] < total
    tab_to(page, "button", "Shuffle")
    seed = state(page)["seed"]
    page.keyboard.press("Enter")
    assert compared(page)["seed"] == seed + 1


def test_the_output_can_be_dragged_and_a_prototype_tapped(bare):
    page = bare(labs.two_tasks(1, 150))
    board = page.locator("canvas[role=application]")
    board.scroll_into_view_if_needed()

    def place(point):
        view, box = state(page)["view"], board.bounding_box()
        x, y, z = (sum(a * b for a, b in zip(axis, point, strict=True)) for axis in view["axes"])
        middle = view["width"] / 2
        return box["x"] + middle + view["radius"] * x, box["y"] + middle - view["radius"] * y, z

    x, y, depth = place(state(page)["output"])
    assert depth > 0
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 15, y - 30, steps=5)
    page.mouse.move(x - 30, y - 60, steps=5)
    page.mouse.up()
    now = compared(page)
    assert place(now["output"])[:2] == pytest.approx((x - 30, y - 60), abs=2)
    front = max(range(5), key=lambda i: place(now["prototypes"][i])[2])
    page.mouse.click(*place(now["prototypes"][front])[:2])
    assert compared(page)["label"] == front


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: labs.two_tasks(5), "index of the 5 classes"),
        (lambda: labs.two_tasks(-1), "label"),
        (lambda: labs.two_tasks(value=181), "0 to 180"),
        (lambda: labs.two_tasks(names=("a",)), "2 to 10"),
        (lambda: labs.two_tasks(names=("a", "a")), "different"),
        (lambda: labs.two_tasks(weight=3), "one of"),
        (lambda: labs.two_tasks(seed=-1), "seed"),
    ],
)
def test_bad_options_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
