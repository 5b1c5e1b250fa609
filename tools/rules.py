"""What every notebook of the book keeps to, as functions that return complaints (none when all is well).

`make check` prints the complaints of all notebooks, `make test` fails on any. `RULES` holds for every notebook, and
`CHAPTER_RULES` for the numbered chapters, book/NN-name.ipynb, as well (but for the ledger, which is a table).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from notebooks import code_cells, source

# Pages with a chapter's number that teach no idea of their own, and so have none of a chapter's sections.
LEDGER = {"18-ledger"}  # drawn from the run records

MAX_BYTES = 1_000_000
MAX_SCRATCH_LINES = 25

# The sections of a chapter, in this order; each pattern must match the beginning of a heading of level two.
HEADINGS = (
    r"What you will be able to do",
    r"Predict first",
    r"Play",
    r"Picture and intuition",
    r"Definitions",
    r"From scratch",
    r"The same from `hpn_lite`",
    r"Experiment",
    r"When it breaks",
    r"At full scale",
    r"Summary",
    r"Recall",
    r"Exercises",
    r"References",
)
LEVELS = ("by hand", "code", "research")  # of the exercises; each is a heading of level three

TAGS = {
    "nbval-check-output",  # a number that prose or a table quotes: the test compares it
    "nbval-ignore-output",  # labs and timings: run, never compared
    "raises-exception",  # a failure worth seeing
    "from-scratch",  # the idea in at most 25 lines
    "hide-input",
    "hide-output",
    "hide-cell",
    "remove-input",
    "remove-output",
    "remove-cell",
}
LABELLED = re.compile(
    r"^[`:]{3,}\{(prf:(?!proof)\w+|exercise|exercise-start|solution|solution-start)\}(.*)$((?:\n:[\w-]+:.*)*)", re.M
)
ABSOLUTE = re.compile(
    r"(?<![\w.:/-])(?:/(?:home|Users|root|tmp|private|opt|usr|var|mnt|work|workspace|content)/|[A-Z]:\\)"
)
LAB = 'class="hpn-lab'


def tags(cell: dict) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def where(i: int, cell: dict) -> str:
    first = source(cell).strip().split("\n")[0][:60]
    return f"cell {i} ({first!r})"


def joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def texts(output: dict) -> Iterator[str]:
    """The readable texts of an output: streams, plain text and HTML, without pictures."""
    if "text" in output:
        yield joined(output["text"])
    for kind, data in output.get("data", {}).items():
        if kind.startswith("text/"):
            yield re.sub(r"data:[\w/+]+;base64,[A-Za-z0-9+/=]+", "", joined(data))
    for line in output.get("traceback", []):
        yield re.sub("\x1b\\[[0-9;]*m", "", line)  # its colours


def html(cell: dict) -> str:
    return "".join(joined(o.get("data", {}).get("text/html", "")) for o in cell.get("outputs", []))


def prose(nb: dict) -> str:
    return "\n\n".join(source(c) for c in nb["cells"] if c["cell_type"] == "markdown")


# ---- Rules for every notebook ---------------------------------------------------------------------------------------


def valid(nb: dict) -> Iterator[str]:
    try:
        nbformat.validate(nbformat.from_dict(nb))
    except nbformat.ValidationError as error:
        yield f"is not a valid notebook: {str(error).splitlines()[0]}"
    if nb["metadata"].get("kernelspec", {}).get("name") != "python3":
        yield "its kernel is not called python3; execute it with `make book`"


def small(nb: dict) -> Iterator[str]:
    size = len(json.dumps(nb, ensure_ascii=False, indent=1).encode())
    if size > MAX_BYTES:
        yield f"is {size / 1e6:.1f} MB large; at most {MAX_BYTES / 1e6:.0f} MB: draw fewer or smaller figures"


def executed_in_order(nb: dict) -> Iterator[str]:
    for i, cell in enumerate(nb["cells"]):
        if cell["cell_type"] == "code" and not source(cell).strip():
            yield f"cell {i} is an empty code cell; delete it"
    counts = [c.get("execution_count") for c in code_cells(nb)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"was not executed from top to bottom: its cells are numbered {counts}; run `make book`"


def no_errors(nb: dict) -> Iterator[str]:
    for i, cell in enumerate(nb["cells"]):
        for output in cell.get("outputs", []):
            if output["output_type"] == "error" and "raises-exception" not in tags(cell):
                yield f"{where(i, cell)} stores an error: {output.get('ename')}: {output.get('evalue')}"
            if output.get("name") == "stderr":
                yield f"{where(i, cell)} stores a warning or other text of stderr: {joined(output['text'])[:120]!r}"


def alt_text(nb: dict) -> Iterator[str]:
    for i, cell in enumerate(nb["cells"]):
        if cell["cell_type"] == "markdown":
            if re.search(r"!\[\s*\]\(", source(cell)):
                yield f"{where(i, cell)} holds a picture without alt text"
            continue
        kinds = {kind for o in cell.get("outputs", []) for kind in o.get("data", {}) if "text/html" not in o["data"]}
        if any(kind.startswith("image/") for kind in kinds):
            mystnb = cell["metadata"].get("mystnb", {})
            figure = mystnb.get("figure", {})
            if len(mystnb.get("image", {}).get("alt", "")) < 20:
                yield f"{where(i, cell)} draws a figure without alt text, a sentence in metadata.mystnb.image.alt"
            if not figure.get("caption") or not str(figure.get("name", "")).startswith("fig-"):
                yield f'{where(i, cell)} draws a figure without caption or name "fig-...": metadata.mystnb.figure'


def no_traces(nb: dict) -> Iterator[str]:
    """Nothing in the file tells on which machine it was executed, or differs at the next execution."""
    for i, cell in enumerate(nb["cells"]):
        stored = [t for o in cell.get("outputs", []) for t in texts(o)]
        for text in [source(cell), *stored]:
            if found := ABSOLUTE.search(text):
                yield f"{where(i, cell)} names a path of one machine: {text[found.start() : found.start() + 40]!r}"
        for text in stored:
            if re.search(r"\bat 0x[0-9a-fA-F]{6,}", text):
                yield f"{where(i, cell)} prints a memory address, which differs every time"
        if "execution" in cell["metadata"]:
            yield f"{where(i, cell)} stores times of execution; execute it with `make book`"
    if "widgets" in nb["metadata"]:
        yield "stores the state of widgets; execute it with `make book`"
    if "version" in nb["metadata"].get("language_info", {}):
        yield "stores the version of Python; execute it with `make book`"


def known_tags(nb: dict) -> Iterator[str]:
    for i, cell in enumerate(nb["cells"]):
        for tag in set(tags(cell)) - TAGS:
            yield f"{where(i, cell)} has the unknown tag {tag!r}; known: {', '.join(sorted(TAGS))}"
        if LAB in html(cell) and "nbval-ignore-output" not in tags(cell):
            yield f"{where(i, cell)} shows a lab and lacks the tag nbval-ignore-output"


def labels(nb: dict) -> Iterator[str]:
    seen = set()
    for kind, _, options in LABELLED.findall(prose(nb)):
        label = re.search(r":label: *(\S+)", options)
        if not label:
            yield f"a {kind} has no :label:"
        elif not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", label[1]):
            yield f"label {label[1]!r}: small letters, digits and hyphens, as in thm-simplex"
        elif label[1] in seen:
            yield f"label {label[1]!r} is given twice"
        else:
            seen.add(label[1])


# ---- Rules for chapters ---------------------------------------------------------------------------------------------


def shape(nb: dict) -> Iterator[str]:
    """The sections are all there, in order."""
    text = re.sub(r"^(`{3,}|:{3,}).*?^\1", "", prose(nb), flags=re.M | re.S)
    found = re.findall(r"^## +(.+)$", text, flags=re.M)
    places = []
    for heading in HEADINGS:
        place = next((n for n, h in enumerate(found) if re.match(heading, h, flags=re.I)), None)
        if place is None:
            yield f"lacks the section {heading!r} (a heading of level two that begins so)"
        else:
            places.append(place)
    if places != sorted(places):
        yield f"has its sections in another order than {list(HEADINGS)}: {found}"
    if len(re.findall(r"^# +.+$", text, flags=re.M)) != 1:
        yield "needs exactly one title (a heading of level one)"


def bootstrap(nb: dict) -> Iterator[str]:
    first = source(code_cells(nb)[0]) if code_cells(nb) else ""
    if 'if "google.colab" in sys.modules:' not in first or "pip install" not in first:
        yield 'its first code cell must install what Colab lacks: if "google.colab" in sys.modules: %pip install ...'


def from_scratch(nb: dict) -> Iterator[str]:
    cells = [c for c in code_cells(nb) if "from-scratch" in tags(c)]
    if not cells:
        yield "has no cell with the tag from-scratch"
    for cell in cells:
        lines = [line for line in source(cell).splitlines() if line.strip()]
        if len(lines) > MAX_SCRATCH_LINES:
            yield f"its from-scratch cell has {len(lines)} lines; at most {MAX_SCRATCH_LINES} (blank ones not counted)"


def has_lab(nb: dict) -> Iterator[str]:
    if not any(LAB in html(c) for c in code_cells(nb)):
        yield "has no lab"


def checked_numbers(nb: dict) -> Iterator[str]:
    if not any("nbval-check-output" in tags(c) for c in code_cells(nb)):
        yield "has no cell with the tag nbval-check-output, so no test compares its numbers"


def exercises(nb: dict) -> Iterator[str]:
    text = prose(nb)
    headings = [h.lower() for h in re.findall(r"^### +(.+)$", text, flags=re.M)]
    for level in LEVELS:
        if not any(h.startswith(level) for h in headings):
            yield f"has no exercises {level!r} (a heading of level three that begins so)"
    found, solved = set(), set()
    for kind, argument, options in LABELLED.findall(text):
        label = re.search(r":label: *(\S+)", options)
        if kind.startswith("exercise") and label:
            found.add(label[1])
        elif kind.startswith("solution"):
            solved.add(argument.strip())
    for missing in sorted(found - solved):
        yield f"exercise {missing} has no solution"
    if len(found) < len(LEVELS):
        yield f"has {len(found)} exercises; at least one on each of the levels {', '.join(LEVELS)}"


RULES = (valid, small, executed_in_order, no_errors, alt_text, no_traces, known_tags, labels)
CHAPTER_RULES = (shape, bootstrap, from_scratch, has_lab, checked_numbers, exercises)


def is_chapter(path: Path) -> bool:
    return path.parent.name == "book" and re.match(r"\d\d-", path.name) is not None and path.stem not in LEDGER


def complaints(nb: dict, chapter: bool) -> list[str]:
    """Everything that is wrong with a notebook, in sentences that go on from its name."""
    return [text for rule in (*RULES, *(CHAPTER_RULES if chapter else ())) for text in rule(nb)]
