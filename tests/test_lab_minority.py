"""The lab of minority collapse: its steps and its numbers against torch, and every control by keyboard."""

import lab_page
import pytest
import torch
import torch.nn.functional as F

from hpn_lite import labs, losses, points, sphere

CLASSES, RADIUS, DECAY, RATE = 6, 3.0, 0.005, 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rare": 1}, "rare"),
        ({"rare": 5}, "from 2 to 4"),
        ({"size": 4}, "one of"),
        ({"seed": -1}, "seed"),
        ({"steps": 10_001}, "at most 10000"),
        ({"steps": -1}, "steps"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        labs.minority(**options)


def tensors(state):
    return [torch.tensor(state[name], dtype=torch.float64) for name in ("vectors", "learnt", "pulled")]


def inside(z):
    return z * (RADIUS / torch.linalg.vector_norm(z, dim=1, keepdim=True)).clamp(max=1)


def advance(w, z, pulled, share):
    """One step, its slopes by autograd."""
    w, z, pulled = (v.detach().requires_grad_() for v in (w, z, pulled))
    each = F.cross_entropy(z @ w.T, torch.arange(CLASSES), reduction="none")
    (slope_w,) = torch.autograd.grad((share * each).sum() + DECAY / 2 * w.square().sum(), w, retain_graph=True)
    (slope_z,) = torch.autograd.grad(each.sum(), z)
    pull = losses.squared_cosine(pulled, points.circle(CLASSES), torch.arange(CLASSES), reduction="sum")
    (slope_pulled,) = torch.autograd.grad(pull, pulled)
    with torch.no_grad():
        return w - RATE * slope_w, inside(z - RATE * slope_z), inside(pulled - RATE * slope_pulled)


def shares(rare, size):
    weight = torch.ones(CLASSES, dtype=torch.float64)
    weight[:rare] = size / 100
    return weight / weight.sum()


@pytest.mark.parametrize(("rare", "size"), [(2, 100), (3, 5), (4, 0.5)])
def test_steps_and_end_are_those_of_torch(bare, rare, size):
    state = lab_page.state(bare(labs.minority(rare, size, seed=3, steps=0)))
    found, share = tensors(state), shares(rare, size)
    assert state["step"] == 0
    torch.testing.assert_close(torch.tensor(state["shares"], dtype=torch.float64), share)
    torch.testing.assert_close(found[1].norm(dim=1), torch.full((CLASSES,), RADIUS / 2, dtype=torch.float64))
    for steps in (1, 2, 40, 400):
        while state["step"] < steps:
            found = advance(*found, share)
            state["step"] += 1
        for ours, theirs in zip(
            tensors(lab_page.state(bare(labs.minority(rare, size, seed=3, steps=steps)))), found, strict=True
        ):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def check(page, words):
    """The status says these words, and its numbers are those of vectors and outputs. Returns the state."""
    number = r"(-?[\d.]+)"
    said = lab_page.says(
        page,
        rf"^{words}.* Learnt: the closest two rare class vectors are {number} degrees apart and {number} times as long "
        rf"as frequent ones; (\d) of 6 classes are told apart\. Fixed: {number} degrees, (\d) of 6\.$",
    )
    state = lab_page.state(page)
    w, z, pulled = tensors(state)
    rare, p = state["rare"], points.circle(CLASSES)
    pairs = torch.triu_indices(rare, rare, 1)
    closest = [sphere.angle(v[pairs[0]], v[pairs[1]]).min().rad2deg().item() for v in (w, p)]
    length = w.norm(dim=1)
    told = []
    for scores in (z @ w.T, sphere.normalize(pulled) @ p.T):
        others = scores.masked_fill(torch.eye(CLASSES, dtype=torch.bool), -torch.inf).max(1).values
        told.append(int((scores.diagonal() - others > 0.01).sum()))
    expected = [closest[0], (length[:rare].mean() / length[rare:].mean()).item(), told[0], closest[1], told[1]]
    names = ("closest", "length", "told", "fixedClosest", "fixedTold")
    assert [state[name] for name in names] == pytest.approx(expected, abs=1e-6)
    assert [float(v) for v in said.groups()] == pytest.approx(expected, abs=0.051)
    return state


@pytest.mark.parametrize("motion", ("no-preference", "reduce"))
def test_every_control_by_keyboard(bare, motion):
    page = bare(labs.minority(), reduced_motion=motion)
    even = check(page, "3 of 6 classes are rare, each with 100%")
    assert even["told"] == even["fixedTold"] == 6 and even["closest"] > 55
    lab_page.tab_to(page, "slider", "Size of a rare class")
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    few = check(page, "3 of 6 classes are rare, each with 1%")
    assert few["closest"] < 1 and few["told"] < 6 == few["fixedTold"]  # fallen together; nothing happens to fixed ones
    lab_page.tab_to(page, "slider", "Rare classes")
    page.keyboard.press("End")
    check(page, "4 of 6 classes are rare, each with 1%")
    lab_page.tab_to(page, "button", "Ten steps")
    page.keyboard.press("Enter")
    assert check(page, "4 of 6 .* Step 10 of 3000")["step"] == 10
    lab_page.tab_to(page, "button", "Another start")
    page.keyboard.press("Enter")
    other = check(page, "4 of 6 .* Step 3000")
    assert other["seed"] == 2 and other["vectors"] != few["vectors"]
    page.get_by_role("button", name="Replay").focus()
    page.keyboard.press("Enter")
    if motion == "reduce":
        assert lab_page.state(page)["step"] == 3000  # no film
    else:
        page.wait_for_function("document.querySelector('.hpn-lab').hpn.state().running")
        page.wait_for_function("!document.querySelector('.hpn-lab').hpn.state().running")
    assert check(page, "4 of 6 .* Step 3000")["vectors"] == other["vectors"]
