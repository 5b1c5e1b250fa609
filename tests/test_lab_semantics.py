"""The lab of words on a circle: its mathematics against hpn_lite, then every control by keyboard on a bare page."""

import math

import pytest
import torch
from lab_page import says, state, tab_to

from hpn_lite import energy, fused, labs, points, semantics, sphere

LAB = "semantics"
NAMES = "one four seven dog cat pig fish apple orange mango".split()


@pytest.fixture(scope="module")
def w():
    return semantics.word_vectors(NAMES, semantics.find_vectors("bundled").vectors)


def close(ours, theirs):
    torch.testing.assert_close(torch.tensor(ours, dtype=torch.float64), theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dim", (2, 3, 10))
def test_the_same_numbers_as_in_python(maths, w, dim):
    x = sphere.uniform(10, dim, seed=dim).requires_grad_()
    given = {"x": x.tolist(), "r": semantics.neighbour_ranks(w).tolist()}
    close(maths("t.ranks(m, a.x)", given), semantics.neighbour_ranks(x.detach()))
    rho = semantics.rank_correlation(w, x.detach()).mean().item()
    assert maths("t.correlation(m, a.x, t.scores(a.r))", given) == pytest.approx(rho, abs=1e-12)
    order = semantics.misalignment(x, w)
    order.backward()
    ours = maths("t.misalignment(m, a.x, t.scores(a.r))", given)
    assert ours["value"] == pytest.approx(order.item(), abs=1e-10)
    close(
        sphere.tangent(x.detach(), torch.tensor(ours["gradient"], dtype=torch.float64)).tolist(),
        sphere.tangent(x.detach(), x.grad),
    )
    apart = maths("t.softLargest(m, a.x, 30)", given)
    value, gradient = fused.soft_largest(x.detach()[None], torch.tensor([30.0], dtype=torch.float64))
    assert apart["value"] == pytest.approx(value.item(), abs=1e-12)
    close(apart["gradient"], gradient[0])


def test_ties_share_their_rank(maths):
    close(maths("t.ranks(m, a)", points.circle(7).tolist()), semantics.neighbour_ranks(points.circle(7)))


def test_swaps_end_where_no_swap_helps(maths, w):
    x = points.circle(10)
    given = {"x": x.tolist(), "r": semantics.neighbour_ranks(w).tolist()}
    found = torch.tensor(maths("t.arrange(m, a.x, t.scores(a.r))", given), dtype=torch.float64)
    assert sorted(found.tolist()) == sorted(x.tolist())
    close(semantics.arrange(found, w, starts=0).tolist(), found)
    assert semantics.misalignment(found, w) < semantics.misalignment(x, w)


# ---------------------------------------------------------------- on a page
def settled(page):
    page.wait_for_function("document.querySelector('.hpn-lab').hpn.state().settled")


def compared(page, w):
    """The state, after its numbers were computed again from its points."""
    now = state(page)
    x = torch.tensor(now["points"], dtype=torch.float64)
    assert now["smallest"] == pytest.approx(math.degrees(sphere.separation(x).smallest_angle), abs=1e-9)
    i, j = now["pair"]
    assert sphere.angle(x[i], x[j]).rad2deg().item() == pytest.approx(now["smallest"])
    assert now["correlation"] == pytest.approx(semantics.rank_correlation(w, x).mean().item(), abs=1e-9)
    return now


def test_names_for_nothing_and_meaning_for_a_price_by_keyboard(bare, w):
    page = bare(labs.semantics(NAMES, w, groups=[0] * 3 + [1] * 4 + [2] * 3))
    says(page, r"10 words, weight of meaning 0\.00: .* is at 36\.0 degrees, of at most 36\.0\.")
    start = compared(page, w)
    tab_to(page, "button", "Arrange names")
    page.keyboard.press("Enter")
    named = compared(page, w)
    assert named["smallest"] == pytest.approx(36) and named["correlation"] > start["correlation"] + 0.2
    assert sorted(map(tuple, named["points"])) == sorted(map(tuple, start["points"]))
    said = says(page, r"Rank correlation with the words ([\d.]+)\. To one, the words say, four, seven and")
    assert float(said[1]) == pytest.approx(named["correlation"], abs=6e-4)
    tab_to(page, "slider", "Weight of meaning")
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    says(page, r"weight of meaning 0\.40: .*nearest\.$")
    settled(page)
    middle = compared(page, w)
    assert middle["smallest"] < 34 and middle["correlation"] > named["correlation"]
    x = torch.tensor(middle["points"], dtype=torch.float64)
    value = lambda p: 0.6 * energy.largest_cosine(p) + 0.4 * semantics.misalignment(p, w)  # noqa: E731
    ours = semantics.semantic_points(w, 2, 0.4, start=x)
    assert value(x) < value(ours) + 0.01  # nearly at rest for Python's sharper search as well
    page.keyboard.press("End")
    says(page, r"weight of meaning 1\.00: .*nearest\.$")
    settled(page)
    assert compared(page, w)["smallest"] < middle["smallest"]
    assert len(state(page)["trace"]) >= 4


@pytest.mark.parametrize("motion", ("no-preference", "reduce"))
def test_every_control_by_keyboard(bare, w, motion):
    page = bare(labs.semantics(NAMES, w, weight=0.3, seed=4), reduced_motion=motion)
    settled(page)
    says(page, r"weight of meaning 0\.30: .*nearest\.$")
    tab_to(page, "combobox", "Word")
    page.keyboard.press("ArrowDown")
    said = says(page, r"To four, the words say, (\w+), (\w+) and (\w+) are nearest")
    near = semantics.neighbour_ranks(w)[1].argsort()[1:4].tolist()
    assert list(said.groups()) == [NAMES[i] for i in near]
    tab_to(page, "button", "Swap with the next word")
    before = compared(page, w)
    page.keyboard.press("Enter")
    after = compared(page, w)
    moved = [i for i in range(10) if before["points"][i] != after["points"][i]]
    assert len(moved) == 2 and 1 in moved and after["points"][moved[0]] == before["points"][moved[1]]
    tab_to(page, "button", "Shuffle names")
    page.keyboard.press("Enter")
    settled(page)
    assert compared(page, w)["seed"] == 5
    tab_to(page, "button", "Start again")
    page.keyboard.press("Enter")
    now = compared(page, w)
    assert now["weight"] == 0 and now["seed"] == 4 and now["smallest"] == pytest.approx(36)


def test_a_tap_chooses_a_word(bare, w):
    page = bare(labs.semantics(NAMES, w), viewport={"width": 390, "height": 900}, has_touch=True)
    box = page.locator("canvas").first.bounding_box()
    assert box["width"] <= 390
    top = max(range(10), key=lambda i: state(page)["points"][i][1])
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + 40)
    assert state(page)["chosen"] == NAMES[top]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": NAMES[:3]}, "4 to 20"),
        ({"names": ["dog"] * 10}, "different"),
        ({"w": torch.eye(9)}, "as many vectors"),
        ({"groups": [0] * 9 + [3]}, "groups from 0 to 2"),
        ({"weight": 0.33}, "steps of 0.05"),
        ({"weight": -0.05}, "between 0 and 1"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_options_are_refused(w, change, message):
    with pytest.raises(ValueError, match=message):
        labs.semantics(**{"names": NAMES, "w": w, **change})
