"""The map of regimes: its data against the solver and known values, and the lab on a bare page by keyboard."""

import math
import re

import pytest
import torch
from lab_page import state

from hpn_lite import codes, energy, labs, points, reference, sphere

NUMBER = r"(-?\d+\.\d+)"


# ---------------------------------------------------------------- in Python
@pytest.mark.parametrize(
    ("k", "d"), [(3, 2), (7, 2), (9, 8), (100, 99), (10, 8), (16, 8), (100, 50), (12, 3), (24, 4), (120, 4), (240, 8)]
)
def test_a_formula_of_the_map_is_what_best_prototypes_takes(k, d):
    construction, bound = labs.regime(k, d)
    best = points.best_prototypes(k, d, seconds=1)
    assert construction.proof
    assert construction.cosine == pytest.approx(best.largest_cosine, abs=1e-9)
    assert bound.value == pytest.approx(best.bound, abs=1e-9)
    family = "circle" if construction.kind == "circle" else construction.words
    assert family == best.construction


def test_every_field_keeps_its_bound_and_codes_stand_where_they_belong():
    exact = {(c.n, c.d): c for c in codes.CODES}
    seen = set()
    for d in labs.REGIME_DS:
        for k in labs.REGIME_KS:
            construction, bound = labs.regime(k, d)
            kinds = {"simplex": k <= d + 1, "circle": d == 2 and k > 3, "cross-polytope": d + 1 < k <= 2 * d and d > 2}
            for kind, here in kinds.items():
                assert (construction.kind == kind) == here, (k, d)
            if construction.cosine is not None:
                assert construction.cosine >= bound.value - 1e-9, (k, d)
            if construction.proof and construction.kind != "search":
                assert construction.cosine == pytest.approx(bound.value, abs=1e-9), (k, d)
            if construction.kind == "code" and (k, d) in exact:
                seen.add((k, d))
                assert construction.cosine == pytest.approx(exact[k, d].cosine)
    on_map = {p for p in exact if p[0] in labs.REGIME_KS and p[1] in labs.REGIME_DS}
    assert seen == on_map and {(12, 3), (24, 4), (240, 8), (100, 22), (288, 16)} <= seen


@pytest.mark.parametrize(("k", "d"), [(100, 25), (128, 8), (200, 22)])
def test_part_of_a_code_keeps_its_promise(k, d):
    construction = labs.regime(k, d).construction
    assert construction.kind == "part of a code"
    code = codes.fitting(k, d)[0]
    assert code.name in construction.words
    x = torch.nn.functional.pad(code.make()[:k], (0, d - code.d))
    assert x.shape == (k, d) and float(energy.largest_cosine(x)) <= construction.cosine + 1e-9


def test_proved_sizes_on_the_ordinary_sphere_show_their_value():
    for k in (7, 8, 9, 10, 11, 13, 14, 24):
        assert labs.regime(k, 3).construction.cosine == reference.tammes(k).value
    assert labs.regime(20, 3).construction.cosine is None


@pytest.mark.parametrize(("k", "d", "word"), [(1, 3, "k must be one of"), (301, 3, "k must"), (100, 65, "d must")])
def test_what_is_not_on_the_map_is_refused(k, d, word):
    with pytest.raises(ValueError, match=word):
        labs.regimes(k, d)


# ---------------------------------------------------------------- on the page
@pytest.fixture
def page(bare):
    return bare(labs.regimes(k=100, d=25))


def says(page, k, d):
    """Waits until the status speaks of (k, d); returns it."""
    page.wait_for_function(
        "(t) => document.querySelector('[role=status]').textContent.startsWith(t)", arg=f"K = {k}, D = {d}:"
    )
    return page.get_by_role("status").inner_text()


def check(page, k, d):
    said, (construction, bound) = says(page, k, d), labs.regime(k, d)
    assert construction.words in said and "undefined" not in said
    names = {"Fejes Toth": "Fejes Tóth", "simplex": "simplex bound", "Optimal": "proved for this code"}
    assert f"({names.get(bound.name, bound.name)})" in said
    assert float(re.search(rf"No set is below {NUMBER}", said)[1]) == pytest.approx(bound.value, abs=5.1e-5)
    found = re.search(rf"Largest cosine (?:at most )?{NUMBER}", said)
    assert (found is None) == (construction.cosine is None)
    if found:
        assert float(found[1]) == pytest.approx(construction.cosine, abs=5.1e-5)
    assert ("The best there is" in said) == bool(construction.proof)
    assert ("A search may do better" in said) == (construction.kind == "part of a code")
    now = state(page)
    assert (now["k"], now["d"], now["kind"]) == (k, d, construction.kind)


def test_arrow_keys_walk_over_the_map(page):
    check(page, 100, 25)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "CANVAS":
            break
    for key, place in (
        ("ArrowDown", (100, 24)),
        ("ArrowDown", (100, 23)),
        ("ArrowDown", (100, 22)),
        ("ArrowRight", (112, 22)),
        ("ArrowDown", (112, 21)),
        ("ArrowLeft", (100, 21)),
    ):
        page.keyboard.press(key)
        check(page, *place)
    for _ in range(60):
        page.keyboard.press("ArrowLeft")
    check(page, 2, 21)  # it stops at the rim
    for _ in range(60):
        page.keyboard.press("ArrowDown")
    check(page, 2, 2)


def test_sliders_and_the_button(page):
    page.get_by_role("slider", name="Dimension D").focus()
    page.keyboard.press("End")
    check(page, 100, 128)
    page.keyboard.press("Home")
    check(page, 100, 2)
    page.get_by_role("slider", name="Classes K").focus()
    page.keyboard.press("ArrowLeft")
    check(page, 90, 2)
    button = page.get_by_role("button", name="Next named code")
    button.focus()
    visited = []
    for _ in range(4):
        page.keyboard.press("Enter")
        visited.append((state(page)["k"], state(page)["d"]))
        assert state(page)["kind"] == "code"
    assert visited == [(12, 3), (10, 4), (24, 4), (120, 4)]
    check(page, 120, 4)
    assert state(page)["cosine"] == pytest.approx((1 + math.sqrt(5)) / 4, abs=1e-6)


def test_a_click_chooses_the_field_under_it(page):
    box = page.locator("canvas").bounding_box()
    page.mouse.click(box["x"] + 60, box["y"] + 20)  # the upper left corner: few classes, many dimensions
    now = state(page)
    assert now["kind"] == "simplex" and now["k"] == 2 and now["d"] >= 100
    page.mouse.click(box["x"] + box["width"] - 15, box["y"] + box["height"] - 55)
    now = state(page)
    assert now["kind"] == "circle" and now["k"] >= 275 and now["d"] == 2
    assert now["bound"] == pytest.approx(sphere.largest_cosine_bound(now["k"], 2).value, abs=5.1e-5)
