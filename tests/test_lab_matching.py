"""The lab of labels and prototypes: its mathematics against hpn_lite.assignment, then every control on a bare page."""

import itertools
import math

import pytest
import torch
from lab_page import says, state, tab_to

from hpn_lite import assignment, labs, points, sphere

LAB = "matching"


def some(k: int, seed: int) -> torch.Tensor:
    """Class means of any length up to 1."""
    return sphere.uniform(k, 2, seed=seed) * torch.rand(k, 1, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("k", (2, 3, 5, 8, 10))
@pytest.mark.parametrize("seed", range(3))
def test_the_best_is_that_of_scipy(maths, k, seed):
    means, prototypes = some(k, seed), points.circle(k)
    s = means @ prototypes.T
    close = lambda a, b: torch.testing.assert_close(torch.tensor(a, dtype=torch.float64), b)  # noqa: E731
    close(maths("t.scores(m, a.m, a.w)", {"m": means.tolist(), "w": prototypes.tolist()}), s)
    assert maths("t.best(a)", s.tolist()) == assignment.best_assignment(means, prototypes).tolist()
    order = torch.randperm(k, generator=torch.Generator().manual_seed(seed)).tolist()
    value = maths("t.total(a.s, a.order)", {"s": s.tolist(), "order": order})
    assert value == pytest.approx((means * prototypes[order]).sum().item() / k)


def test_the_best_is_that_of_all_orders(maths):
    s = torch.rand(6, 6, generator=torch.Generator().manual_seed(5)).double()
    best = max(itertools.permutations(range(6)), key=lambda order: sum(s[c, p].item() for c, p in enumerate(order)))
    assert maths("t.best(a)", s.tolist()) == list(best)


def test_greedy_takes_the_largest_that_is_left(maths):
    s = torch.rand(7, 7, generator=torch.Generator().manual_seed(2)).double()
    expected, left = [-1] * 7, s.clone()
    for _ in range(7):
        c, p = divmod(left.argmax().item(), 7)
        expected[c] = p
        left[c], left[:, p] = -math.inf, -math.inf
    assert maths("t.greedy(a)", s.tolist()) == expected


def test_greedy_can_lose(maths):
    s = [[1.0, 0.9], [0.9, 0.0]]
    assert maths("t.greedy(a)", s) == [0, 1] and maths("t.best(a)", s) == [1, 0]


def test_crossings(maths):
    means, ends = [[0, 0], [1, 0], [0, 2]], [[1, 1], [0, 1], [1, 2]]
    assert maths("t.crossings(a[0], a[1])", [means, ends]) == 1
    assert maths("t.crossings(a[0], a[1])", [means, [ends[1], ends[0], ends[2]]]) == 0


# ---------------------------------------------------------------- on a page
def compared(page):
    """The state, after its scores were computed again from its points."""
    now = state(page)
    means, prototypes = (torch.tensor(now[name], dtype=torch.float64) for name in ("means", "prototypes"))
    score = lambda order: (means * prototypes[order]).sum().item() / len(means)  # noqa: E731
    assert sorted(now["order"]) == list(range(len(means)))
    assert now["score"] == pytest.approx(score(now["order"]))
    assert now["best"] == pytest.approx(score(assignment.best_assignment(means, prototypes)))
    assert now["greedy"] <= now["best"] + 1e-12 and now["score"] <= now["best"] + 1e-12
    return now


def test_swaps_and_buttons_by_keyboard(bare):
    page = bare(labs.matching(some(6, 1), names=list("abcdef"), seed=3))
    first = compared(page)
    tab_to(page, "combobox", "Class")
    page.keyboard.press("ArrowDown")
    tab_to(page, "combobox", "changes places with")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    tab_to(page, "button", "Swap")
    page.keyboard.press("Enter")
    said = says(page, r"b and e changed places: ([+-])([\d.]+)\. Matching score (-?[\d.]+), the best is ([\d.]+)")
    after = compared(page)
    assert after["moves"] == 1 and after["chosen"] == "b" and after["partner"] == "e"
    assert [after["order"][i] for i in (1, 4)] == [first["order"][i] for i in (4, 1)]
    assert abs(after["score"] - first["score"]) == pytest.approx(float(said[2]), abs=6e-4)
    assert (after["score"] > first["score"]) == (said[1] == "+")
    assert float(said[3]) == pytest.approx(after["score"], abs=6e-4)
    tab_to(page, "button", "Greedy")
    page.keyboard.press("Enter")
    says(page, "^Greedy")
    assert compared(page)["score"] == pytest.approx(after["greedy"])
    tab_to(page, "button", "Best")
    page.keyboard.press("Enter")
    says(page, "there is no better assignment")
    best = compared(page)
    assert best["score"] == pytest.approx(best["best"]) and best["order"] == best["wish"]
    tab_to(page, "button", "Other classes")
    page.keyboard.press("Enter")
    says(page, "^Other class means")
    other = compared(page)
    assert other["means"] != best["means"] and other["seed"] == 4
    tab_to(page, "button", "Shuffle")
    page.keyboard.press("Enter")
    says(page, "^Shuffled")
    assert compared(page)["seed"] == 5


def test_the_same_class_twice_changes_nothing(bare):
    page = bare(labs.matching(some(3, 1)))
    before = state(page)["order"]
    tab_to(page, "combobox", "changes places with")
    page.keyboard.press("ArrowUp")
    tab_to(page, "button", "Swap")
    page.keyboard.press("Enter")
    says(page, "^Choose two different classes")
    assert state(page)["order"] == before and state(page)["moves"] == 0


def test_a_label_can_be_dragged(bare):
    page = bare(labs.matching(some(4, 2), seed=1))
    before = state(page)
    box = page.locator("canvas").first.bounding_box()
    middle, radius = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2), box["width"] / 2 / 1.36
    spot = lambda p: (middle[0] + 1.15 * radius * p[0], middle[1] - 1.15 * radius * p[1])  # noqa: E731
    a, b = (before["prototypes"][before["order"][c]] for c in (2, 0))
    page.mouse.move(*spot(a))
    page.mouse.down()
    page.mouse.move(*middle, steps=3)
    page.mouse.move(*spot(b), steps=3)
    page.mouse.up()
    after = compared(page)
    assert after["chosen"] == "2" and after["moves"] == 1
    assert [after["order"][c] for c in (2, 0)] == [before["order"][c] for c in (0, 2)]
    page.mouse.click(*spot(after["prototypes"][after["order"][1]]))
    says(page, "Chosen: 1")


def test_a_film_of_an_assignment(bare):
    means = torch.stack([some(5, seed) for seed in range(4)])
    orders = [[0, 1, 2, 3, 4], [1, 0, 2, 3, 4], [1, 0, 2, 4, 3], [1, 0, 2, 4, 3]]
    page = bare(labs.matching(means, orders=orders, epochs=[0, 1, 2, 5], names=list("vwxyz")))
    says(page, "Matching score")
    assert compared(page)["order"] == orders[0]
    tab_to(page, "slider", "After epoch")
    for t, words in ((1, "After epoch 1, 2 of 5 labels moved"), (2, "epoch 2, 2 of 5"), (3, "epoch 5, 0 of 5")):
        page.keyboard.press("ArrowRight")
        says(page, words)
        now = compared(page)
        assert now["frame"] == t and now["order"] == orders[t]
        torch.testing.assert_close(torch.tensor(now["means"]).double(), means[t], rtol=0, atol=1e-6)
    tab_to(page, "button", "Best")
    page.keyboard.press("Enter")
    says(page, "there is no better assignment")
    compared(page)
    assert page.get_by_role("button", name="Other classes").count() == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: labs.matching(torch.zeros(2, 3, 2), orders=[[0, 1, 2]]), "as many orders"),
        (lambda: labs.matching(torch.zeros(1, 3, 2), orders=[[0, 1, 1]]), "all of 0 to 2 once"),
        (lambda: labs.matching(torch.zeros(3, 2), orders=[[0, 1, 2]]), r"\(T, K, 2\)"),
        (lambda: labs.matching(torch.zeros(1, 2)), "K from 2 to 10"),
        (lambda: labs.matching(torch.zeros(3, 3)), r"shape \(K, 2\)"),
        (lambda: labs.matching(2 * torch.eye(2)), "longer than 1"),
        (lambda: labs.matching(torch.full((2, 2), torch.nan)), "or NaN"),
        (lambda: labs.matching(torch.eye(2), points.circle(3)), "must agree"),
        (lambda: labs.matching(torch.eye(2), names=["a", "a"]), "different"),
        (lambda: labs.matching(torch.eye(2), names=["a", "long"]), "one to three"),
    ],
)
def test_bad_options_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
