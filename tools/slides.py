"""Slides for a lecture, one deck for each chapter, made from what the chapter has stored (run: make slides).

    python tools/slides.py [03 12 ...]     into _build/slides, all chapters or those whose file name begins so

A deck holds what a chapter promises, its questions and labs, its figures with captions, and its summary, in one HTML
file that needs no network and no other file. The labs work on the slide. Keys: arrows, space or Page Up and Down to
turn over, Home and End; printing gives one slide to a page. Nothing is written for a deck: it is what the chapter has.
"""

from __future__ import annotations

import functools
import html
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import notebooks
import pages
import rules
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

FOLDER = pages.OUTPUT / "_build" / "slides"
# What our formulas use and matplotlib knows by another name; a pattern and what stands for it.
MACROS = [
    (r"\\(R|S)(?![A-Za-z])", r"\\mathbb{\1}"),
    (r"\\[lr]Vert", r"\\Vert "),
    (r"\\[lr]vert", r"\\vert "),
    (r"\\[td]frac", r"\\frac"),
    (r"\\(le|ge|ne)(?![A-Za-z])", r"\\\1q"),
    (r"\\(text|operatorname)(?=\{)", r"\\mathrm"),
    (r"\\dots(?![A-Za-z])", r"\\ldots"),
    (r"\\(bigl?|bigr|Bigl?|Bigr)(?![A-Za-z])", ""),
    (r"\\norm\{([^{}]*)\}", r"\\Vert \1 \\Vert "),
    (r"\\inner\{([^{}]*)\}\{([^{}]*)\}", r"\\langle \1, \2 \\rangle "),
    # \frac12 and \sqrt5 lack the braces that matplotlib wants
    (r"\\frac\s*(\\[A-Za-z]+|[^\s{}\\])\s*(\\[A-Za-z]+|[^\s{}\\])", r"\\frac{\1}{\2}"),
    (r"\\sqrt\s*(\\[A-Za-z]+|[^\s{}\\[])", r"\\sqrt{\1}"),
]

TEMPLATE = Path(__file__).with_suffix(".html")


# ---- Markdown to HTML -----------------------------------------------------------------------------------------------


@functools.cache
def formula(tex: str) -> str:
    """A formula as an inline drawing, set by matplotlib, so that a deck carries no fonts and no scripts for it.

    Raises ValueError, with the place, if there is something in it that matplotlib does not know.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path as Outline
    from matplotlib.textpath import TextPath

    known = tex
    for pattern, meaning in MACROS:
        known = re.sub(pattern, meaning, known)
    outline = TextPath((0, 0), f"${known}$", size=100, prop=FontProperties(math_fontfamily="stix"))
    letters = {Outline.MOVETO: "M", Outline.LINETO: "L", Outline.CURVE3: "Q", Outline.CURVE4: "C"}
    path = ""
    for values, code in outline.iter_segments(simplify=False):
        ends = " ".join(f"{x:.0f} {-y:.0f}" for x, y in values.reshape(-1, 2))  # SVG counts downwards
        path += "Z" if code == Outline.CLOSEPOLY else letters[code] + ends
    box = outline.get_extents()
    width, height = box.width + 8, box.height + 8
    return (
        f'<svg class="math" role="img" aria-label="{html.escape(tex, quote=True)}" '
        f'viewBox="{box.x0 - 4:.0f} {-4 - box.y1:.0f} {width:.0f} {height:.0f}" '
        f'style="height:{height / 85:.2f}em;width:{width / 85:.2f}em;vertical-align:{(box.y0 - 4) / 85:.2f}em">'
        f'<path fill="currentColor" d="{path}"/></svg>'
    )


@functools.cache
def titles() -> dict[str, str]:
    """The titles behind the labels of chapters and of what is proved in them."""
    found = {}
    for path in notebooks.find():
        text = rules.prose(notebooks.read(path))
        found |= dict(re.findall(r"^\(([\w-]+)\)=\n#+ (.+)$", text, flags=re.M))
        for _, title, options in rules.LABELLED.findall(text):
            label = re.search(r":label: *(\S+)", options)
            if label and title.strip():
                found[label[1]] = title.strip()
    return found


def plain(text: str) -> str:
    """Text without the book's links, which lead nowhere from a slide."""
    text = re.sub(r"\{(?:ref|prf:ref)\}`([\w-]+)`", lambda m: f"*{titles().get(m[1], 'above')}*", text)
    text = re.sub(r"\{eq\}`[^`]+`", "the equation", text)
    text = re.sub(r"\{numref\}`[^`]+`", "the figure", text)
    text = re.sub(r" *\{cite:?\w*\}`[^`]+`", "", text)
    text = re.sub(r"\{term\}`([^`<]+?)(?: *<[^`>]*>)?`", r"\1", text)
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text)


@functools.cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").use(dollarmath_plugin, renderer=lambda tex, _: formula(tex))


def rendered(text: str) -> str:
    return _parser().render(plain(text))


# ---- The deck -------------------------------------------------------------------------------------------------------


def section_of(text: str, title: str) -> str:
    """What stands under a heading of level two, without code."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S)
    return found[1].strip() if found else ""


def slides(path: Path) -> Iterator[str]:
    """The slides of one chapter, as HTML without their frame."""
    nb = notebooks.read(path)
    prose = rules.prose(nb)
    title = re.search(r"^# (.+)$", prose, flags=re.M)[1]
    yield f"<h1>{rendered(title).strip()[3:-4]}</h1>" + rendered(section_of(prose, "What you will be able to do"))
    level = {2: "", 3: ""}
    for cell in nb["cells"]:
        if cell["cell_type"] == "markdown":
            for marks, text in re.findall(r"^(##|###) (.+)$", notebooks.source(cell), flags=re.M):
                level[len(marks)] = text
                level |= {3: ""} if marks == "##" else {}
            continue
        if level[2] == "Exercises":  # their checks make no sense without the text
            break
        name = level[3] or level[2]
        figure = cell["metadata"].get("mystnb", {})
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if rules.LAB in rules.joined(data.get("text/html", "")):
                yield f"<h2>{rendered(name).strip()[3:-4]}</h2>" + rules.joined(data["text/html"])
            elif "image/png" in data and "figure" in figure:
                heading, caption = rendered(name).strip()[3:-4], rendered(figure["figure"]["caption"])
                alt = html.escape(figure["image"]["alt"], quote=True)
                picture = rules.joined(data["image/png"]).replace("\n", "")
                image = f'<img alt="{alt}" src="data:image/png;base64,{picture}">'
                yield f"<h2>{heading}</h2><figure>{image}<figcaption>{caption}</figcaption></figure>"
    yield "<h2>Summary</h2>" + rendered(section_of(prose, "Summary"))


def deck(path: Path) -> str:
    """The whole file."""
    parts = list(slides(path))
    title = re.sub(r"[`$]", "", re.search(r"^# (.+)$", rules.prose(notebooks.read(path)), flags=re.M)[1])
    book = f"<span>Learning on the Hypersphere · chapter {int(path.name[:2])}</span>"
    feet = [f"<footer>{book}<span>{i} / {len(parts)}</span></footer>" for i in range(1, len(parts) + 1)]
    framed = "\n".join(f"<section>{part}{foot}</section>" for part, foot in zip(parts, feet, strict=True))
    return (
        TEMPLATE.read_text(encoding="utf-8")
        .replace("<!-- title -->", html.escape(title))
        .replace("<!-- slides -->", framed)
    )


def main(argv: list[str]) -> int:
    chapters = [p for p in notebooks.find() if rules.is_chapter(p)]
    chosen = [p for p in chapters if not argv or any(p.name.startswith(a) for a in argv)]
    if not chosen or any(a.startswith("-") for a in argv):
        print(
            f"no chapter begins with {' '.join(argv)}; there are: {', '.join(p.stem for p in chapters)}",
            file=sys.stderr,
        )
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in chosen:
        (FOLDER / f"{path.stem}.html").write_text(deck(path), encoding="utf-8")
    print(f"{len(chosen)} decks are in {FOLDER}; open one in a browser and turn over with the arrow keys")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
