"""The lab of the Riesz family: its shares against the distances of its points, and every control by keyboard."""

import re

import pytest
import torch

from hpn_lite import energy, labs, reference

NUMBER = r"(\d+\.\d)"


def expected(points, s):
    """Shares and numbers of the status, from the (n, 3) points."""
    x = torch.tensor(points, dtype=torch.float64)
    n = len(x)
    i, j = torch.triu_indices(n, n, 1)
    r = (x[i] - x[j]).norm(dim=1)
    say = torch.softmax(-s * r.log(), 0)  # r^-s over its sum
    near = r <= 1.4 * r.min()
    return {
        "neighbours": 2 * near.sum().item() / n,
        "near_pairs": near.double().mean().item(),
        "near": say[near].sum().item(),
        "felt": 2 / (n * say.square().sum().item()),
        "bars": torch.histogram(r.clamp(max=2 - 1e-9), 20, range=(0, 2), weight=say).hist.tolist(),
    }


@pytest.mark.parametrize("n", (12, 32))
def test_the_points_of_the_lab_are_at_rest(n):
    x = torch.tensor(labs.riesz(n).options["points"][n], dtype=torch.float64)
    assert energy.riesz(x, 1, reduction="sum").item() == pytest.approx(reference.thomson(n).value, rel=1e-7)


@pytest.mark.parametrize(("n", "s", "word"), [(13, 1, "one of 12, 32, 64"), (12, -1, "0 to 64"), (12, 65, "0 to 64")])
def test_bad_options_are_refused(n, s, word):
    with pytest.raises(ValueError, match=word):
        labs.riesz(n, s)


@pytest.fixture
def page(bare):
    return bare(labs.riesz(12, 1))


def check(page, n, s):
    """The status speaks of (n, s), and its numbers and the bars are those of the points."""
    start = f"{n} points, s = {s}:"
    page.wait_for_function(
        "(t) => document.querySelector('[role=status]').textContent.startsWith(t)", arg=start, timeout=10_000
    )
    said = page.get_by_role("status").inner_text()
    state = page.evaluate("document.querySelector('.hpn-lab').hpn.state()")
    assert (state["n"], state["s"], len(state["points"])) == (n, s, n)
    theirs = expected(state["points"], s)
    for key, value in theirs.items():
        assert state[key] == pytest.approx(value, abs=1e-9), key
    pattern = (
        rf"has {NUMBER} neighbours on average, {NUMBER}% of all pairs, and they have {NUMBER}% of the say. "
        rf"It is as if each point felt {NUMBER} of the {n - 1} others"
    )
    shown = [float(v) for v in re.search(pattern, said).groups()]
    right = [theirs["neighbours"], 100 * theirs["near_pairs"], 100 * theirs["near"], theirs["felt"]]
    assert shown == pytest.approx(right, abs=0.051)
    return theirs


def test_riesz_by_keyboard(page):
    ends = {}
    check(page, 12, 1)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "range"
    page.keyboard.press("ArrowRight")
    check(page, 12, 1.5)
    for key, s in (("Home", 0), ("End", 64)):
        page.keyboard.press(key)
        ends[s] = check(page, 12, s)
    assert ends[0]["felt"] == pytest.approx(11)  # everybody has the same say
    assert ends[64]["felt"] == pytest.approx(5, abs=0.01)  # the five neighbours of a corner of the icosahedron
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SELECT"
    page.keyboard.press("ArrowDown")
    check(page, 32, 64)
