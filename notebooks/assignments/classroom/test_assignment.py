"""Grades one submitted notebook with plain pytest: a test for every task that a machine can grade.

    HPN_SUBMISSION=a1-points.ipynb HPN_KEY=source/a1-points/a1-points.ipynb python -m pytest test_assignment.py

HPN_KEY is the notebook whose test cells count: the source has the hidden tests, the release (the default, key.ipynb
beside this file) those that students can see. Test cells and other locked cells of the submission are replaced by
those of the key, deleted ones come back, and a cell that runs for longer than HPN_TIMEOUT seconds (120) is stopped.
Needs hpn_lite, pytest, nbclient and ipykernel; not nbgrader.
"""

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

SUBMISSION = Path(os.environ.get("HPN_SUBMISSION", "submission.ipynb"))
KEY = Path(os.environ.get("HPN_KEY", Path(__file__).with_name("key.ipynb")))
TIMEOUT = int(os.environ.get("HPN_TIMEOUT", "120"))


def mark(cell):
    return cell.metadata.get("nbgrader", {})


def graded(nb):
    """The test cells of a notebook by their names: graded, and no answer to be read by a person."""
    return {mark(c)["grade_id"]: c for c in nb.cells if mark(c).get("grade") and not mark(c).get("solution")}


def rebuilt(submission, key):
    """The student's cells in their order, with every locked cell as it is in the key."""
    own = {mark(c)["grade_id"]: c for c in key.cells if mark(c)}
    cells, seen = [], set()
    for cell in submission.cells:
        name = mark(cell).get("grade_id")
        if name in seen or name not in own:  # a copy, or a cell of the student's
            cell.metadata.pop("nbgrader", None)
        elif mark(own[name])["locked"]:
            cell = own[name]
        else:
            cell.metadata.nbgrader = mark(own[name])
        seen.add(mark(cell).get("grade_id"))
        cells.append(cell)
    before = None  # the cell after which a deleted one belongs
    for name, cell in own.items():
        if name not in seen and mark(cell)["locked"]:
            cells.insert(1 + next((i for i, c in enumerate(cells) if mark(c).get("grade_id") == before), -1), cell)
        if name in seen or mark(cell)["locked"]:
            before = name
    nb = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": key.metadata.kernelspec})
    for i, cell in enumerate(nb.cells):
        cell["id"] = f"cell-{i}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nb


@pytest.fixture(scope="session")
def run():
    """The rebuilt notebook after it ran; a cell that fails does not keep the next from running."""
    key, submission = (nbformat.read(p, as_version=4) for p in (KEY, SUBMISSION))
    nb = rebuilt(submission, key)
    folder = {"metadata": {"path": str(SUBMISSION.resolve().parent)}}
    error = {"ename": "Timeout", "evalue": f"the cell ran for more than {TIMEOUT} s", "traceback": []}
    NotebookClient(
        nb,
        timeout=TIMEOUT,
        kernel_name="python3",
        allow_errors=True,
        interrupt_on_timeout=True,
        error_on_timeout=error,
        resources=folder,
    ).execute()
    return graded(nb)


@pytest.mark.parametrize("name", graded(nbformat.read(KEY, as_version=4)))
def test_task(name, run, record_property):
    record_property("points", mark(run[name])["points"])
    # A cell that was never run proves nothing.
    assert run[name].execution_count, f"{name} did not run"
    for output in run[name].outputs:
        if output.output_type == "error":
            text = re.sub(r"\x1b\[[0-9;]*m", "", f"{output.ename}: {output.evalue}")
            pytest.fail(f"{name}: {text}", pytrace=False)
