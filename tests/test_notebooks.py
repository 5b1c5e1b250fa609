"""Every notebook keeps the rules of tools/rules.py, and every rule catches what it is there to catch."""

from __future__ import annotations

import copy
import zlib

import notebooks
import pytest
import rules

PATHS = notebooks.find()
NAMES = [notebooks.name(p) for p in PATHS]


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_outputs_are_fresh(path):
    assert notebooks.why_stale(notebooks.read(path), path) is None


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_rules_are_kept(path):
    complaints = rules.complaints(notebooks.read(path), rules.is_chapter(path))
    assert not complaints, "\n".join(f"{notebooks.name(path)} {text}" for text in complaints)


def test_there_are_chapters():
    assert [p.name for p in PATHS if rules.is_chapter(p)][:3] == [
        "01-directions.ipynb",
        "02-room.ipynb",
        "03-thomson.ipynb",
    ]


def test_labels_are_unique_in_the_book():
    seen = {}
    for path in PATHS:
        nb = notebooks.read(path)
        found = [options for _, _, options in rules.LABELLED.findall(rules.prose(nb))]
        found = [line.split(":label:")[1].strip() for text in found for line in text.split("\n") if ":label:" in line]
        found += [
            c["metadata"]["mystnb"]["figure"]["name"]
            for c in nb["cells"]
            if "figure" in c["metadata"].get("mystnb", {})
        ]
        for label in found:
            assert label not in seen, f"{label} is given in {path.name} and in {seen[label]}"
            seen[label] = path.name


# ---- Each rule, on a chapter that is good but for one thing ---------------------------------------------------------


def markdown(text):
    return {"cell_type": "markdown", "id": f"m{zlib.crc32(text.encode())}", "metadata": {}, "source": text}


def code(text, count, outputs=(), **metadata):
    cell = {"cell_type": "code", "id": f"c{count}", "metadata": metadata, "source": text, "outputs": list(outputs)}
    return {**cell, "execution_count": count}


def shows(**data):
    data = {kind.replace("_", "/", 1): value for kind, value in data.items()}
    return {"output_type": "display_data", "metadata": {}, "data": data}


def prints(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def good():
    """The smallest chapter that breaks no rule."""
    figure = {
        "image": {"alt": "Twelve points on a sphere, spread evenly."},
        "figure": {"name": "fig-twelve", "caption": "Twelve points."},
    }
    exercise = (
        "### {0}\n\n```{{exercise}}\n:label: ex-{1}\nDo it.\n```\n\n```{{solution}} ex-{1}\n:label: sol-{1}\nDone.\n```"
    )
    sections = [f"## {heading}\n\nText." for heading in rules.HEADINGS]
    place = rules.HEADINGS.index("Exercises")
    sections[place] += "".join("\n\n" + exercise.format(x.capitalize(), x.split()[-1]) for x in rules.LEVELS)
    theorem = "```{prf:theorem} Name\n:label: thm-name\nIt holds.\n```"
    cells = [markdown("# Title"), markdown(theorem), *map(markdown, sections)]
    cells += [
        code('import sys\n\nif "google.colab" in sys.modules:\n    %pip install -q hpn-lite', 1),
        code("def energy(): ...", 2, tags=["from-scratch"]),
        code(
            "lab()", 3, [shows(text_html='<div class="hpn-lab"></div>', image_png="AAAA")], tags=["nbval-ignore-output"]
        ),
        code("print(1 / 3)", 4, [prints("0.333\n")], tags=["nbval-check-output"]),
        code("draw()", 5, [shows(image_png="AAAA", text_plain="<Figure>")], mystnb=figure),
    ]
    metadata = {"kernelspec": notebooks.KERNELSPEC, "language_info": notebooks.LANGUAGE_INFO}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}


def test_a_good_chapter_has_no_complaints():
    assert rules.complaints(good(), chapter=True) == []


def edit(find, new):
    """Replace a piece of the chapter's text wherever it stands."""

    def change(nb):
        cells = [c for c in nb["cells"] if find in c["source"]]
        assert cells, f"nothing to change: {find}"
        for cell in cells:
            cell["source"] = cell["source"].replace(find, new)

    return change


def last(key, value):
    def change(nb):
        nb["cells"][-1][key] = value

    return change


def output(new):
    return lambda nb: nb["cells"][-2].update(outputs=[new])


def both(first, second):
    return lambda nb: (first(nb), second(nb))


error = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []}
BAD = {
    "no title": (lambda nb: nb["cells"].pop(0), "exactly one title"),
    "invalid": (lambda nb: nb["cells"][-1].update(execution_count="five"), "not a valid notebook"),
    "other kernel": (lambda nb: nb["metadata"].update(kernelspec={"name": "my", "display_name": "my"}), "kernel"),
    "too large": (edit("Text.", "x" * 100_000), "MB large"),
    "out of order": (last("execution_count", 7), "from top to bottom"),
    "not executed": (last("execution_count", None), "from top to bottom"),
    "empty cell": (lambda nb: nb["cells"].append(code(" ", None)), "empty code cell"),
    "error": (output(error), "stores an error: ValueError"),
    "warning": (output(prints("UserWarning: no", "stderr")), "stderr"),
    "no alt text": (last("metadata", {"mystnb": {"figure": {"name": "fig-a", "caption": "c"}}}), "without alt text"),
    "no caption": (last("metadata", {"mystnb": {"image": {"alt": "Twelve points on a sphere."}}}), "without caption"),
    "no alt in prose": (edit("Text.", "![](a.png)"), "picture without alt text"),
    "home folder": (output(prints("saved in /home/ada/book")), "path of one machine"),
    "traceback": (
        output({**error, "traceback": ["\x1b[36mFile \x1b[39m\x1b[32m/work/hpn_lite/a.py:1\x1b[39m"]}),
        "path of one machine",
    ),
    "absolute path": (edit("print(1 / 3)", "open('/tmp/x')"), "path of one machine"),
    "windows path": (edit("print(1 / 3)", r"open('C:\x')"), "path of one machine"),
    "address": (output(prints("<object at 0x7f12ab34cd>")), "memory address"),
    "times": (last("metadata", {**good()["cells"][-1]["metadata"], "execution": {}}), "times of execution"),
    "widget state": (lambda nb: nb["metadata"].update(widgets={}), "state of widgets"),
    "version": (
        lambda nb: nb["metadata"].update(language_info={"name": "python", "version": "3.12.1"}),
        "version of Python",
    ),
    "tag": (lambda nb: nb["cells"][-2]["metadata"].update(tags=["nbval-chek-output"]), "unknown tag"),
    "lab compared": (lambda nb: nb["cells"][-3]["metadata"].update(tags=[]), "lacks the tag nbval-ignore-output"),
    "no label": (edit(":label: thm-name\n", ""), "has no :label:"),
    "bad label": (edit("thm-name", "Thm_name"), "small letters"),
    "label twice": (edit("sol-hand", "thm-name"), "given twice"),
    "no section": (edit("## When it breaks", "## Well"), "lacks the section 'When it breaks'"),
    "section order": (both(edit("## Play", "## X"), edit("## Recall", "## Play")), "another order"),
    "no bootstrap": (edit("google.colab", "colab"), "first code cell"),
    "no scratch": (lambda nb: nb["cells"][-4]["metadata"].clear(), "no cell with the tag from-scratch"),
    "long scratch": (edit("def energy(): ...", "x = 1\n" * 26), "has 26 lines"),
    "no lab": (lambda nb: nb["cells"][-3].update(outputs=[]), "has no lab"),
    "no number": (lambda nb: nb["cells"][-2]["metadata"].update(tags=[]), "nbval-check-output"),
    "no level": (edit("### Research", "### More"), "no exercises 'research'"),
    "no solution": (edit("```{solution} ex-code", "```{solution} ex-hand"), "ex-code has no solution"),
    "few exercises": (edit("```{exercise}\n:label: ex-code", "```{note}\n"), "has 2 exercises"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_rule_catches(name):
    change, expected = BAD[name]
    nb = copy.deepcopy(good())
    change(nb)
    assert any(expected in text for text in rules.complaints(nb, chapter=True)), rules.complaints(nb, chapter=True)


def test_prose_in_code_blocks_is_no_heading():
    nb = good()
    nb["cells"].append(markdown("```python\n# a comment\n## another\n```"))
    assert rules.complaints(nb, chapter=True) == []


def test_chapter_rules_hold_for_chapters_alone():
    nb = {**good(), "cells": [markdown("# Welcome")]}
    assert rules.complaints(nb, chapter=False) == []
    assert rules.complaints(nb, chapter=True)


def test_the_ledger_alone_is_numbered_and_no_chapter():
    book = notebooks.ROOT / "book"
    assert rules.LEDGER == {"18-ledger"}
    assert not rules.is_chapter(book / "18-ledger.ipynb") and (book / "18-ledger.ipynb").exists()
    assert rules.is_chapter(book / "18-ledgers.ipynb") and rules.is_chapter(book / "03-thomson.ipynb")
    assert not rules.is_chapter(book / "welcome.ipynb")
