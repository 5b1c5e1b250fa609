"""The assignments: what students get is made from the sources with their solutions (make assignments calls this).

    python tools/assignments.py release              make notebooks/assignments/release/ anew with nbgrader
    python tools/assignments.py check                say which releases are stale, and what is wrong with a source
    python tools/assignments.py classroom NAME DIR   write a template repository for GitHub Classroom

The sources are notebooks in nbgrader's format, notebooks/assignments/source/NAME/NAME.ipynb; README.md beside them
tells how they are written and graded.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from notebooks import ROOT, source

COURSE = ROOT / "notebooks" / "assignments"
HIDDEN = re.compile(r"^\s*### BEGIN (?:HIDDEN TESTS|SOLUTION).*?^\s*### END (?:HIDDEN TESTS|SOLUTION)$", re.M | re.S)
SCHEME = re.compile(r"^[^\n]*BEGIN MARK SCHEME.*?END MARK SCHEME[^\n]*$", re.M | re.S)
LEVELS = ("By hand", "Code", "Experiment")


def names(course: Path = COURSE) -> list[str]:
    """The assignments, in order."""
    return sorted(p.parent.name for p in course.glob("source/*/*.ipynb") if p.stem == p.parent.name)


def path(kind: str, name: str, course: Path = COURSE) -> Path:
    return course / kind / name / f"{name}.ipynb"


def cells(kind: str, name: str, course: Path = COURSE) -> list[dict]:
    return json.loads(path(kind, name, course).read_text(encoding="utf-8"))["cells"]


def mark(cell: dict) -> dict:
    """What nbgrader knows about a cell; empty for a cell of which it knows nothing."""
    return cell["metadata"].get("nbgrader", {})


class Task(NamedTuple):
    """A graded cell: a test, an answer that a person reads, or a piece of work that a person judges."""

    name: str
    points: float
    manual: bool  # graded by a person


def tasks(name: str, kind: str = "source", course: Path = COURSE) -> list[Task]:
    """The graded cells of an assignment, in order."""
    marks = [mark(cell) for cell in cells(kind, name, course)]
    return [
        Task(m["grade_id"], m["points"], bool(m.get("task") or m.get("solution")))
        for m in marks
        if m.get("grade") or m.get("task")
    ]


# nbgrader's own command for each name, in one process: starting it takes longer than its work.
GENERATE = """
import sys
from nbgrader.apps import GenerateAssignmentApp
for name in sys.argv[3:]:
    app = GenerateAssignmentApp()
    options = [f"--CourseDirectory.db_url={sys.argv[1]}", f"--CourseDirectory.release_directory={sys.argv[2]}"]
    app.initialize([name, "--force", *options])
    app.start()
"""


def environment() -> dict[str, str]:
    """The surroundings in which nbgrader finds its helpers and the kernel of this environment."""
    place = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": place, "JUPYTER_PREFER_ENV_PATH": "1"}


def generate(out: Path, course: Path = COURSE, gradebook: Path | None = None) -> None:
    """Let nbgrader write the releases into `out`. Raises RuntimeError with nbgrader's words when it fails."""
    with tempfile.TemporaryDirectory() as scratch:
        book = gradebook or Path(scratch) / "gradebook.db"
        command = [sys.executable, "-c", GENERATE, f"sqlite:///{book}", str(out.resolve())]
        done = subprocess.run([*command, *names(course)], cwd=course, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"nbgrader could not make the releases:\n{done.stdout}{done.stderr}")


def stale(fresh: Path, course: Path = COURSE) -> list[str]:
    """Which releases differ from those in the folder `fresh`, including those that should not be there."""
    found = {p.name for folder in (fresh, course / "release") for p in folder.iterdir() if p.is_dir()}
    return [n for n in sorted(found) if not _same(path("", n, fresh), path("release", n, course))]


def _same(a: Path, b: Path) -> bool:
    return a.exists() and b.exists() and json.loads(a.read_text()) == json.loads(b.read_text())


# ---- What is wrong with a source ------------------------------------------------------------------------------------


def bound(code: str) -> set[str]:
    """The names that a cell of code makes at its top level."""
    found = set()
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            found |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return found


def used(code: str) -> set[str]:
    return {n.id for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def stated_points(name: str, course: Path = COURSE) -> tuple[float, list[float]]:
    """The points that the introduction promises in all, and those that the headings of the tasks do."""
    text = "\n".join(source(c) for c in cells("source", name, course) if c["cell_type"] == "markdown")
    text = SCHEME.sub("", text)
    return (
        float(re.search(r"\*\*(\d+) points\*\*", text)[1]),
        [float(n) for n in re.findall(r"^### .*\((\d+) points?\)$", text, flags=re.M)],
    )


def faults(name: str, course: Path = COURSE) -> Iterator[str]:
    """What is wrong with a source, in sentences that go on from its name."""
    all_cells = cells("source", name, course)
    ids = [mark(c)["grade_id"] for c in all_cells if mark(c)]
    for twice in sorted({i for i in ids if ids.count(i) > 1}):
        yield f"has two cells {twice}"
    total, stated = stated_points(name, course)
    given = sum(t.points for t in tasks(name, course=course))
    if total != given:
        yield f"promises {total:g} points in all and gives {given:g}"
    if sum(stated) != given:
        yield f"promises {sum(stated):g} points in its headings and gives {given:g}"
    solutions, untested = [], False
    for cell in all_cells:
        m, text = mark(cell), source(cell)
        if not m and cell["cell_type"] == "code":
            yield f"has a code cell that nbgrader does not know, so nobody restores it: {text[:50]!r}"
        if cell["cell_type"] == "code" and cell.get("outputs"):
            yield f"stores outputs, which give answers away: {m.get('grade_id')}"
        if m.get("solution") and not m.get("grade"):
            solutions = [*(solutions if untested else ()), text]
            untested = True
            if "### BEGIN SOLUTION" not in text:
                yield f"has no BEGIN SOLUTION in {m['grade_id']}"
        elif m.get("grade") and m.get("solution"):
            if "### BEGIN SOLUTION" not in text or "Rubric" not in text:
                yield f"lacks a model answer and a rubric in {m['grade_id']}"
        elif m.get("task"):
            if "BEGIN MARK SCHEME" not in text:
                yield f"lacks a mark scheme in {m['grade_id']}"
        elif m.get("grade"):
            if "### BEGIN HIDDEN TESTS" not in text:
                yield f"has no hidden tests in {m['grade_id']}"
            if not HIDDEN.sub("", text).strip():
                yield f"has nothing to check at once in {m['grade_id']}"
            own = set().union(*(bound(s) for s in solutions)) if solutions else set()
            if not own & used(HIDDEN.sub("", text)) or not own & used(text):
                yield f"tests nothing in {m['grade_id']} that its own solution makes, so a stub might pass"
            untested = False
    if untested:
        yield f"grades nothing of its last solution: {solutions[-1][:50]!r}"


def hidden_lines(name: str, course: Path = COURSE) -> set[str]:
    """The lines of a source that no student may see: of solutions, hidden tests and mark schemes, but for trifles."""
    seen, secret = set(), set()
    for cell in cells("source", name, course):
        text = source(cell)
        m = mark(cell)
        open_text = SCHEME.sub("", HIDDEN.sub("", text)) if m else text
        seen |= {line.strip() for line in open_text.splitlines()}
        for block in (*HIDDEN.findall(text), *SCHEME.findall(text)):
            secret |= {line.strip() for line in block.splitlines()}
    return {line for line in secret - seen if len(line) > 12}


# ---- GitHub Classroom -----------------------------------------------------------------------------------------------


def classroom(name: str, out: Path, course: Path = COURSE) -> list[Path]:
    """Write a template repository for one assignment: the notebook, the grader and a workflow with a step per task.

    Nothing hidden goes into it. Raises FileExistsError rather than write over something.
    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty; name a new folder")
    (out / ".github/workflows").mkdir(parents=True)
    (out / "grader").mkdir()
    shutil.copy(path("release", name, course), out / f"{name}.ipynb")
    shutil.copy(path("release", name, course), out / "grader" / "key.ipynb")
    for file in ("test_assignment.py", "conftest.py", "requirements.txt"):
        shutil.copy(course / "classroom" / file, out / "grader" / file)
    (out / ".github/workflows/classroom.yml").write_text(workflow(name, course), encoding="utf-8")
    return sorted(p for p in out.rglob("*") if p.is_file())


def workflow(name: str, course: Path = COURSE) -> str:
    graded = [t for t in tasks(name, "release", course) if not t.manual]
    steps = "".join(
        f"""
      - name: {t.name}
        id: {t.name}
        uses: classroom-resources/autograding-command-grader@v1
        with:
          test-name: {t.name}
          command: HPN_SUBMISSION={name}.ipynb python -m pytest -q "grader/test_assignment.py::test_task[{t.name}]"
          timeout: 10
          max-score: {t.points:g}"""
        for t in graded
    )
    results = "".join(f'\n          {t.name.upper()}_RESULTS: "${{{{steps.{t.name}.outputs.result}}}}"' for t in graded)
    return f"""# Written by tools/assignments.py. Every push is graded with the checks that students can see themselves.
name: Autograding
on: [push, workflow_dispatch, repository_dispatch]
permissions: {{checks: write, actions: read, contents: read}}
jobs:
  grade:
    runs-on: ubuntu-latest
    timeout-minutes: 60
    if: github.actor != 'github-classroom[bot]'
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {{python-version: "3.12", cache: pip, cache-dependency-path: grader/requirements.txt}}
      - run: python -m pip install -r grader/requirements.txt
{steps.lstrip(chr(10))}
      - name: Report
        uses: classroom-resources/autograding-grading-reporter@v1
        env:{results}
        with:
          runners: {",".join(t.name for t in graded)}
"""


def main(argv: list[str]) -> int:
    try:
        if argv == ["release"]:
            generate(COURSE / "release")
            print(f"assignments: {', '.join(names())} released")
        elif argv == ["check"]:
            with tempfile.TemporaryDirectory() as fresh:
                generate(Path(fresh))
                found = [f"{name}: its release is stale; run make assignments" for name in stale(Path(fresh))]
            found += [f"{name} {fault}" for name in names() for fault in faults(name)]
            print("\n".join(found) or f"assignments: {len(names())}, all is well")
            return 1 if found else 0
        elif len(argv) == 3 and argv[0] == "classroom" and argv[1] in names():
            print("\n".join(str(p) for p in classroom(argv[1], Path(argv[2]))))
        else:
            print(__doc__.strip() + f"\n\nNAME is one of: {', '.join(names())}")
            return 2
    except (RuntimeError, FileExistsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
