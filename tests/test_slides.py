"""Slides: every figure of a chapter with its caption, in one file that asks for nothing, and turned over by keys."""

from __future__ import annotations

import html
import re

import notebooks
import pytest
import rules
import slides

pytest.importorskip("matplotlib")
CHAPTERS = [p for p in notebooks.find() if rules.is_chapter(p)]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_a_deck_holds_the_chapters_figures_and_labs(path):
    deck, nb = slides.deck(path), notebooks.read(path)
    end = next(i for i, c in enumerate(nb["cells"]) if re.search("^## Exercises", notebooks.source(c), re.M))
    told, checks = nb["cells"][:end], nb["cells"][end:]  # the checks of exercises stay out
    figures = [c["metadata"]["mystnb"] for c in told if "figure" in c["metadata"].get("mystnb", {})]
    assert deck.count("<figcaption>") == deck.count("data:image/png;base64,") - lab_pictures(deck) == len(figures)
    for figure in figures:
        assert f'alt="{html.escape(figure["image"]["alt"], quote=True)}"' in deck
    labs, later = ([rules.html(c) for c in some if rules.LAB in rules.html(c)] for some in (told, checks))
    assert labs and all(lab in deck for lab in labs) and not any(lab in deck for lab in later)
    assert len(deck) < 1.5e6


def lab_pictures(deck: str) -> int:
    """Pictures inside labs, such as digits; they are no figures."""
    return sum(part.count("data:image/png;base64,") for part in deck.split("<section>") if rules.LAB in part)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_a_deck_needs_no_other_file_and_shows_no_markup(path):
    deck = slides.deck(path)
    bare = re.sub(r"<script.*?</script>|<style.*?</style>", "", deck, flags=re.S)
    assert not re.findall(r"(?:src|href)=[\"']?(?!data:|#)[\w./]", bare), "a deck points to another file"
    text = html.unescape(re.sub(r"<[^>]+>", "", bare))
    assert not re.search(r"\$[^$\n]+\$|\{\w[\w:]*\}`|\]\(|`", text), "formulas, roles or links were left as they were"
    assert slides.deck(path) == deck, "the same chapter gave another deck"


@pytest.mark.parametrize(
    "tex",
    [
        r"\frac12",
        r"\tfrac{D-1}{D-2}",
        r"\sqrt{4\ln K/D}",
        r"\sqrt5",
        r"\R^3",
        r"\S^{D-1}",
        r"\lVert \hat x\rVert \le 1",
    ],
)
def test_formulas_are_drawn(tex):
    drawn = slides.formula(tex)
    assert f'aria-label="{html.escape(tex, quote=True)}"' in drawn
    assert len(re.search(r' d="([^"]+)"', drawn)[1]) > 100


def test_a_formula_has_the_shape_of_what_it_says():
    """A fraction is higher than its parts, a longer formula wider; the baseline of a letter is where letters stand."""

    def box(tex):
        drawn = slides.formula(tex)
        return [float(re.search(rf"{what}:(-?[\d.]+)em", drawn)[1]) for what in ("width", "height", "vertical-align")]

    assert box(r"\frac{x}{y}")[1] > 1.5 * box("x")[1] and box("x+y+z")[0] > 2 * box("x")[0]
    assert box(r"\frac{x}{y}")[2] < box("x")[2] < 0 and box("x")[2] > -0.1


def test_an_unknown_formula_is_named():
    with pytest.raises(ValueError, match="unknowable"):
        slides.formula(r"\unknowable")


def test_links_of_the_book_become_words():
    given = "{prf:ref}`thm-two-ruler`, {ref}`ch-mhe`, {term}`words <Word>`, [here](03-thomson.ipynb) {cite:p}`liu2018`."
    ruler = slides.titles()["thm-two-ruler"]
    assert slides.plain(given) == f"*{ruler}*, *Minimum hyperspherical energy*, words, here." and len(ruler) > 5
    assert slides.titles()["ch-mhe"] == "Minimum hyperspherical energy"


def test_the_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(slides, "FOLDER", tmp_path)
    assert slides.main(["12", "13"]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["12-mhe.html", "13-inside-networks.html"]
    assert slides.main(["99"]) == 2 and "01-directions" in capsys.readouterr().err


@pytest.mark.parametrize(("size", "scheme"), [("phone", "dark"), ("desktop", "light")])
def test_slides_are_turned_over_by_keys(browser, tmp_path, size, scheme):
    from conftest import SIZES
    from test_pages import faults_of_access

    file = tmp_path / "deck.html"
    file.write_text(slides.deck(next(p for p in CHAPTERS if p.name.startswith("12"))), encoding="utf-8")
    context = browser.new_context(viewport=SIZES[size], color_scheme=scheme)
    asked, errors = [], []
    context.route(lambda url: not url.startswith(("file:", "data:", "blob:")), lambda r: (asked.append(1), r.abort()))
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_function("document.querySelector('.hpn-lab')?.hpn")
    last = page.evaluate("slides.length") - 1
    assert page.evaluate("here()") == 0
    for key, wanted in (
        ("ArrowRight", 1),
        ("Space", 2),
        ("PageUp", 1),
        ("End", last),
        ("ArrowDown", last),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        page.wait_for_function(f"here() === {wanted}")
    # a key that belongs to a lab does not turn the slide over
    page.evaluate("go(1)")
    page.locator("section:nth-of-type(2) .hpn-lab input").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("here()") == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
    assert not asked and not errors
    assert faults_of_access(page) == []
    context.close()
