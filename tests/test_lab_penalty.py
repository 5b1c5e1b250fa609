"""The lab of a penalty's strength: what it says is what it was given, and every strength is reached by keyboard."""

import re

import lab_page
import pytest

from hpn_lite import labs


def row(weight, error, change, spread=1.0):
    numbers = {"weight": weight, "error": error, "half": 0.5, "change": change, "spread": spread}
    return numbers | {"energy": [0.6 - error / 100, 0.5], "length": [1.0 + weight, 2.5]}


def forms():
    return {
        "MHE": [row(0, 20.0, 0.0), row(0.1, 19.2, -0.8), row(10, 23.4, 3.4)],
        "half-space": [row(0, 20.0, 0.0), row(0.1, 17.1, -2.9), row(10, 20.3, 0.3)],
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.clear(),
        lambda f: f["MHE"].pop(),
        lambda f: [rows.pop(0) for rows in f.values()],
        lambda f: [rows.reverse() for rows in f.values()],
        lambda f: f["MHE"][1]["energy"].pop(),
    ],
    ids=["no forms", "other weights", "no zero", "descending", "a layer missing"],
)
def test_forms_that_do_not_fit_are_refused(change):
    given = forms()
    change(given)
    with pytest.raises(ValueError):
        labs.penalty(given, ["first", "last"])


@pytest.mark.parametrize("at", [-1, 3])
def test_a_start_that_is_not_there_is_refused(at):
    with pytest.raises(ValueError):
        labs.penalty(forms(), ["first", "last"], at=at)


@pytest.fixture
def page(bare):
    return bare(labs.penalty(forms(), ["first", "last"], at=1))


def check(page, form, at):
    """The state is the row that was given; status and table say its numbers. Returns the status."""
    given = forms()[form][at]
    state = lab_page.state(page)
    assert (state["form"], state["at"]) == (form, at)
    for name, value in given.items():
        assert state[name] == pytest.approx(value), name
    page.wait_for_function(
        "(t) => document.querySelector('[role=status]').textContent.includes(t)",
        arg=f"test error {given['error']:.1f} ",
    )
    said = page.get_by_role("status").inner_text()
    numbers = [given["error"], given["half"]] + ([abs(given["change"]), given["spread"]] if at else [])
    layers = [v for pair in zip(given["energy"], given["length"], strict=True) for v in pair]
    found = [float(v) for v in re.findall(r"\d+\.\d+", said.split(": ", 1)[1])]
    assert found == pytest.approx(numbers + layers, abs=6e-4)
    cells = [float(v) for v in page.locator("tbody td").all_inner_texts()]
    assert cells == pytest.approx(layers, abs=6e-4)
    return said


def test_strengths_and_forms_by_keyboard(page):
    assert "0.8 plus or minus 1.0 less than with none, which may be chance" in check(page, "MHE", 1)
    slider = page.get_by_role("slider", name="Strength")
    slider.press("ArrowRight")
    said = check(page, "MHE", 2)
    assert "MHE, λ = 10" in said and "3.4 plus or minus 1.0 more" in said and "chance" not in said
    assert slider.get_attribute("aria-valuetext") == "λ = 10"
    slider.press("ArrowRight")
    check(page, "MHE", 2)  # there is no further
    page.get_by_role("combobox", name="Penalty").select_option("1")
    check(page, "half-space", 2)
    slider.press("Home")
    assert check(page, "half-space", 0).startswith("no penalty")


def test_the_picture_takes_arrows_and_clicks(page):
    picture = page.locator("canvas")
    picture.press("ArrowRight")
    check(page, "MHE", 2)
    picture.press("Home")
    check(page, "MHE", 0)
    box = picture.bounding_box()
    picture.click(position={"x": 0.95 * box["width"], "y": 0.5 * box["height"]})
    check(page, "MHE", 2)
    assert page.get_by_role("slider", name="Strength").input_value() == "2"
