"""The atlas: book/atlas.md, drawn from book/atlas.yml, the ledger and the run records (run: make atlas).

    python tools/atlas.py            draw the page, if it would change (make book calls this)
    python tools/atlas.py check      say what is missing, gone, pending or stale

The YAML file holds what people decide: which section explains an equation, which function computes it, which test
compares it. What a machine can know is looked up when the page is drawn: whether the heading, function, test, figure
and notebook are there, and what the ledger says of a table.
"""

from __future__ import annotations

import ast
import functools
import importlib
import re
import sys
from collections import Counter
from pathlib import Path

import notebooks
import yaml

from hpn_lite import ledger
from hpn_lite.experiments import EXPERIMENTS

ROOT = notebooks.ROOT
SOURCE, PAGE = ROOT / "book" / "atlas.yml", ROOT / "book" / "atlas.md"
KINDS = ("equation", "algorithm", "theorem", "setting", "figure", "table")
FIELDS = {"id", "name", "kind", "what", "at", "code", "tests", "figures", "notebook", "ledger", "beside", "note", "why"}
RUN = [ledger.WORDS[word] for word in ("reproduced", "partly", "not", "not run")]
WORDS = ("in code and tested", "drawn again", *RUN, "left out", "pending")

HEAD = """<!-- Drawn by tools/atlas.py from book/atlas.yml and the run records: edit that file and run `make atlas`. -->
(atlas)=
# Atlas of the papers

Three papers stand behind this book. Here is every equation, algorithm, theorem, table, figure and setting of theirs,
with the section that explains it, the code that computes it, the test that compares it with something else, and, for
what has to be run, the notebook and the verdict. Names such as HPN-E1 are ours; chapters, docstrings and run records
use them too.

*In code and tested* means that the code is there and that the tests beside it pass. *Drawn again* means that the
figure, or a lab that does more, was made from runs of our own. The other words are those of
[the ledger](18-ledger.ipynb), by [its rule](ledger-rule), and change with the records. A test fails when anything named
on this page is gone, and when the page no longer says what the records say.
"""


@functools.cache
def load() -> dict:
    return yaml.safe_load(SOURCE.read_text(encoding="utf-8"))


def entries() -> list[dict]:
    return [entry for paper in load()["papers"] for entry in paper["entries"]]


# ---- Looking things up ----------------------------------------------------------------------------------------------


@functools.cache
def page_of(name: str) -> Path | None:
    """The file of a page of the book, a notebook or Markdown."""
    return next((p for end in ("ipynb", "md") if (p := ROOT / "book" / f"{name}.{end}").is_file()), None)


@functools.cache
def headings(path: Path) -> tuple[str, ...]:
    """The headings of levels one to three, those to which a link can lead, in order."""
    if path.suffix == ".ipynb":
        cells = notebooks.read(path)["cells"]
        text = "\n\n".join(notebooks.source(cell) for cell in cells if cell["cell_type"] == "markdown")
    else:
        text = path.read_text(encoding="utf-8")
    text = re.sub(r"^(`{3,}|:{3,}).*?^\1", "", text, flags=re.M | re.S)  # what looks like one in a listing is none
    return tuple(h.strip() for h in re.findall(r"^#{1,3} (.+)$", text, flags=re.M))


def heading(place: str) -> tuple[Path, str]:
    """File and full heading of "file#the beginning of a heading". Raises ValueError with what there is instead."""
    name, _, start = place.partition("#")
    path = page_of(name)
    if path is None:
        raise ValueError(f"book/ has no page {name!r}")
    found = [h for h in headings(path) if h == start] or [h for h in headings(path) if h.startswith(start)]
    if len(found) != 1:
        what = "several headings begin" if found else "no heading begins"
        raise ValueError(f"{what} with {start!r} in {path.name}; it has: {'; '.join(headings(path))}")
    return path, found[0]


def anchor(title: str) -> str:
    """What MyST makes of a heading: small letters, hyphens for spaces, no other signs."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def thing(name: str) -> object:
    """A function or class of hpn_lite by "module.name". Raises ValueError if it is gone, or is documented elsewhere."""
    module, _, what = name.partition(".")
    try:
        found = getattr(importlib.import_module(f"hpn_lite.{module}"), what)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"hpn_lite has no {name}") from error
    if found.__module__ != f"hpn_lite.{module}" or what.startswith("_"):
        raise ValueError(f"{name} stands on the API page as {found.__module__.removeprefix('hpn_lite.')}.{what}")
    return found


@functools.cache
def tests_of(file: str) -> frozenset[str]:
    path = ROOT / "tests" / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_"))


@functools.cache
def figures_of_the_book() -> dict[str, Path]:
    """Every figure with a name that has a stored picture, and the notebook it is in."""
    found = {}
    for path in notebooks.find():
        for cell in notebooks.code_cells(notebooks.read(path)):
            name = cell["metadata"].get("mystnb", {}).get("figure", {}).get("name")
            if name and any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
                found[name] = path
    return found


def complaints(entry: dict) -> list[str]:
    """What an entry lacks, and which of its targets are gone."""
    found, wrong = [], set(entry) - FIELDS
    if wrong:
        found.append(f"unknown fields {sorted(wrong)}")
    if entry.get("kind") not in KINDS:
        found.append(f"kind has to be one of {', '.join(KINDS)}")
    if not entry.get("what"):
        found.append("says nothing about what it is")
    if entry.get("why"):
        return found + [f"has a reason to be left out, and {k}" for k in ("at", "code", "tests") if k in entry]
    found += [f"no target: {k} is empty" for k in ("at", "code", "tests") if not entry.get(k)]
    for look_up, names in ((heading, entry.get("at", ())), (thing, entry.get("code", ()))):
        for name in names:
            try:
                look_up(name)
            except ValueError as error:
                found.append(str(error))
    for name in entry.get("tests", ()):
        file, _, test = name.partition("::")
        if test not in tests_of(file):
            found.append(f"there is no test {name}")
    found += [f"no figure {name} is stored" for name in entry.get("figures", ()) if name not in figures_of_the_book()]
    if "notebook" in entry and not (ROOT / "notebooks" / f"{entry['notebook']}.ipynb").is_file():
        found.append(f"notebooks/ has no {entry['notebook']}.ipynb")
    judged = entry.get("ledger", [entry["id"]] if entry["id"] in EXPERIMENTS else [])
    found += [f"the ledger has no {n}" for n in (*judged, *entry.get("beside", ())) if n not in EXPERIMENTS]
    if entry["kind"] == "table" and not judged:
        found.append("a table that is not left out needs a verdict of the ledger")
    if entry["kind"] in ("table", "figure") and judged and "notebook" not in entry:
        found.append("what the ledger judges needs its notebook")
    if entry["kind"] == "figure" and not judged and not entry.get("figures"):
        if not any(name.startswith("labs.") for name in entry.get("code", ())):
            found.append("a figure needs a figure of ours, a lab, or a verdict of the ledger")
    return found


def is_pending(entry: dict) -> bool:
    return entry["id"] in load()["pending"]


# ---- The page -------------------------------------------------------------------------------------------------------


def verdict(entry: dict) -> tuple[str, str]:
    """A word of WORDS, and the reason."""
    if entry.get("why"):
        return "left out", entry["why"]
    if is_pending(entry):
        return "pending", "its chapter or its notebook is being written"
    names = entry.get("ledger", [entry["id"]] if entry["id"] in EXPERIMENTS else [])
    if names and entry["kind"] in ("table", "figure"):
        judged = [ledger.judge(name) for name in names]
        order = ("not run", "not", "partly", "reproduced")  # several parts: the least word for the whole
        word = min((v.word for v in judged), key=order.index)
        return ledger.WORDS[word], "; ".join(v.reason for v in judged)
    return ("drawn again" if entry["kind"] == "figure" else "in code and tested"), ""


def _number(path: Path) -> str:
    number = re.match(r"(\d\d)-", path.name)
    return f"Chapter {int(number[1])}, " if number else ""


def _places(entry: dict) -> str:
    links = []
    for place in entry.get("at", ()):
        path, title = heading(place)
        links.append(f"[{_number(path)}{title}]({path.name}#{anchor(title)})")
    links += [f"{{numref}}`{name}`" for name in entry.get("figures", ())]
    return ", ".join(links)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _definition(entry: dict, source: str) -> str:
    word, reason = verdict(entry)
    said = [_sentence(entry["what"]), f"**{_sentence(word)}**", reason and _sentence(reason)]
    if not is_pending(entry):
        twins = {name: ledger.judge(name) for name in entry.get("beside", ())}
        said += [f"At small scale, {name}: {v}." for name, v in twins.items()]
    said += [f"*{_sentence(entry['note'])}*"] if "note" in entry else []
    lines = [f"[{entry.get('name', entry['id'])}]{{#atlas-{entry['id'].lower()}}}", ": " + " ".join(filter(None, said))]
    if not entry.get("why") and not is_pending(entry):
        lines.append(f": {_places(entry)}")
        lines.append("  · code " + ", ".join(f"{{py:obj}}`{c} <hpn_lite.{c}>`" for c in entry["code"]))
        tests = (t.split("::") for t in entry["tests"])  # their names are sentences, and shown as such
        words = ((test.removeprefix("test_").replace("_", " "), file) for file, test in tests)
        lines.append("  · tests " + ", ".join(f"[{said}]({source}/{file})" for said, file in words))
        if "notebook" in entry:
            title = headings(ROOT / "notebooks" / f"{entry['notebook']}.ipynb")[0]
            lines.append(f"  · notebook [{title}](../notebooks/{entry['notebook']}.ipynb)")
    return "\n".join(lines)


def page() -> str:
    """The whole page as text. Raises ValueError if an entry that is not pending names something that is gone."""
    site = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]
    source = f"{site['url']}/blob/{site['branch']}/tests"
    counts = {p["key"]: Counter(verdict(e)[0] for e in p["entries"]) for p in load()["papers"]}
    words = [w for w in WORDS if any(c[w] for c in counts.values())]
    text = [HEAD, "| paper | " + " | ".join(words) + " |", "|---|" + "---|" * len(words)]
    for paper in load()["papers"]:
        row = [str(counts[paper["key"]][w] or "") for w in words]
        text.append(f"| [{paper['key']}](#atlas-{paper['key'].lower()}) | " + " | ".join(row) + " |")
    for paper in load()["papers"]:
        key, title = paper["key"], paper["title"]
        text += [
            "",
            f"(atlas-{key.lower()})=",
            f"## {key}: {title}",
            "",
            f"{{cite:t}}`{paper['cite']}`. {paper['says']}",
        ]
        for kinds, name in (
            (("equation", "theorem", "algorithm"), "Equations, theorems, algorithms"),
            (("setting",), "Settings"),
            (("table", "figure"), "Tables and figures"),
        ):
            text += ["", f"### {name} of {key}"]
            text += ["\n" + _definition(entry, source) for entry in paper["entries"] if entry["kind"] in kinds]
    return "\n".join(text) + "\n"


def faults() -> list[str]:
    """Everything that is wrong, one line each; pending entries are looked at by `check` alone."""
    return [f"{e['id']}: {fault}" for e in entries() if not is_pending(e) for fault in complaints(e)]


def main(argv: list[str]) -> int:
    if argv not in ([], ["check"]):
        print(f"unknown option {' '.join(argv)}; there is one: check says what is missing, gone, pending or stale")
        return 2
    found = faults()
    for fault in found:
        print(fault, file=sys.stderr)
    if argv:
        for entry in filter(is_pending, entries()):
            lacks = "; ".join(complaints(entry)) or "nothing is missing, take it off the list"
            print(f"{entry['id']} is pending: {lacks}")
    if found:
        print("book/atlas.yml names what is not there (above); the page was left as it was", file=sys.stderr)
        return 1
    new, old = page(), PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    if argv:
        print("atlas: stale, run make atlas" if new != old else "atlas: fresh")
        return int(new != old)
    if new != old:
        PAGE.write_text(new, encoding="utf-8")
    print(f"atlas: {'drawn' if new != old else 'fresh'}, {len(entries())} entries, {len(load()['pending'])} pending")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
