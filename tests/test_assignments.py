"""The assignments as they are handed out: releases are fresh, keep their secrets, and add up."""

from __future__ import annotations

import json
import re
import shutil

import assignments
import pages
import pytest
import rules
import yaml

from hpn_lite import checks

NAMES = assignments.names()
COURSE = assignments.COURSE


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Releases made afresh by nbgrader."""
    folder = tmp_path_factory.mktemp("release")
    assignments.generate(folder)
    return folder


def test_there_are_four_assignments_and_a_project():
    assert NAMES == ["a1-points", "a2-prototypes", "a3-tasks", "a4-neurons", "project"]


def test_releases_are_fresh(fresh):
    assert assignments.stale(fresh) == [], "run make assignments"


def test_a_stale_release_is_found(fresh, tmp_path):
    """One that was edited, one that is missing, and one that has no source."""
    shutil.copytree(COURSE / "release", tmp_path / "release")
    edited = assignments.path("release", NAMES[0], tmp_path)
    edited.write_text(edited.read_text().replace("two hours", "one hour"))
    assignments.path("release", NAMES[1], tmp_path).unlink()
    (tmp_path / "release" / "old").mkdir()
    assert assignments.stale(fresh, tmp_path) == [NAMES[0], NAMES[1], "old"]


@pytest.mark.parametrize("name", NAMES)
def test_sources_are_in_order(name):
    assert list(assignments.faults(name)) == []


def change(cell, find, new):
    assert find in assignments.source(cell)
    cell["source"] = assignments.source(cell).replace(find, new)


FAULTS = {
    "points": (lambda c: assignments.mark(c["a1-cube"]).update(points=9), "promises 40 points in all and gives 47"),
    "heading": (lambda c: change(c["rings"], "(5 points)", "(6 points)"), "promises 41 points in its headings"),
    "name twice": (lambda c: assignments.mark(c["a1-cube"]).update(grade_id="a1-gram"), "two cells a1-gram"),
    "unknown cell": (lambda c: c["setup"]["metadata"].clear(), "nbgrader does not know"),
    "outputs": (lambda c: c["setup"].update(outputs=[{"output_type": "stream"}]), "stores outputs"),
    "no solution": (lambda c: change(c["mean-answer"], "### BEGIN SOLUTION", ""), "no BEGIN SOLUTION in mean-answer"),
    "no rubric": (lambda c: change(c["a1-frame-proof"], "Rubric", "Note"), "and a rubric in a1-frame-proof"),
    "no hidden test": (lambda c: change(c["a1-mean"], "BEGIN HIDDEN", "BEGIN"), "no hidden tests in a1-mean"),
    "no instant check": (
        lambda c: c["a1-mean"].update(source="### BEGIN HIDDEN TESTS\nassert mean_direction\n### END HIDDEN TESTS"),
        "nothing to check at once in a1-mean",
    ),
    "a test of nothing": (
        lambda c: c["a1-mean"].update(source="x = 1\n### BEGIN HIDDEN TESTS\nassert x\n### END HIDDEN TESTS"),
        "a stub might pass",
    ),
    "ungraded": (lambda c: assignments.mark(c["a1-when"]).update(grade=False), "grades nothing of its last solution"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found(fault, tmp_path):
    make, expected = FAULTS[fault]
    shutil.copytree(COURSE / "source" / "a1-points", tmp_path / "source" / "a1-points")
    file = assignments.path("source", "a1-points", tmp_path)
    nb = json.loads(file.read_text())
    make({assignments.mark(c)["grade_id"]: c for c in nb["cells"]})
    file.write_text(json.dumps(nb))
    found = list(assignments.faults("a1-points", tmp_path))
    assert any(expected in text for text in found), found


@pytest.mark.parametrize("name", NAMES)
def test_tasks_stand_on_three_levels(name):
    """Six to ten tasks on three levels; the project has milestones instead."""
    text = "\n".join(assignments.source(c) for c in assignments.cells("release", name) if c["cell_type"] == "markdown")
    if name == "project":
        assert re.findall(r"^## (M.*)$", text, flags=re.M) == [f"Milestone {n}" for n in range(1, 5)]
        assert sum(t.points for t in assignments.tasks(name) if t.manual) > 60
        return
    levels = re.findall(r"^## (.*)$", text, flags=re.M)
    assert levels == list(assignments.LEVELS)
    titles = re.findall(r"^### (\d+)\. ", text, flags=re.M)
    assert titles == [str(n) for n in range(1, len(titles) + 1)] and 6 <= len(titles) <= 10
    assert any(t.manual for t in assignments.tasks(name))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_hidden_is_released(name):
    """Line by line, and the words that mark hidden regions; every stub raises NotImplementedError."""
    text = assignments.path("release", name).read_text(encoding="utf-8")
    shown = "\n".join(assignments.source(c) for c in assignments.cells("release", name))
    lines = {line.strip() for line in shown.splitlines()}
    assert not lines & assignments.hidden_lines(name)
    assert not re.search("HIDDEN TESTS|BEGIN SOLUTION|END SOLUTION|MARK SCHEME|Rubric", text)
    for cell in assignments.cells("release", name):
        m = assignments.mark(cell)
        if m.get("solution"):
            stub = "YOUR ANSWER HERE" if cell["cell_type"] == "markdown" else "raise NotImplementedError()"
            assert stub in assignments.source(cell), m["grade_id"]
        assert not cell.get("outputs")
        assert m.get("solution") or cell["metadata"].get("editable") is False, "locked cells cannot be edited"


def test_what_is_hidden():
    """The lines that may not be shown are those of solutions and tests, and no others."""
    hidden = assignments.hidden_lines("a1-points")
    assert any(line.startswith("for h in (0.3") for line in hidden), "of a hidden test"
    assert any("vectors, vectors" in line or "torch.linalg.eigh(g.double())" in line for line in hidden), (
        "of a solution"
    )
    assert "torch.set_num_threads(1)" not in hidden
    assert any("that would refute" in line for line in assignments.hidden_lines("project")), "of a mark scheme"


@pytest.mark.parametrize("name", NAMES)
def test_releases_keep_the_rules_that_fit_them(name):
    """All rules of tools/rules.py but those about outputs: a release is not executed, since its stubs raise."""
    nb = json.loads(assignments.path("release", name).read_text())
    fitting = (rules.valid, rules.small, rules.alt_text, rules.no_traces, rules.known_tags, rules.labels)
    assert [text for rule in fitting for text in rule(nb)] == []
    assert set(rules.RULES) - set(fitting) == {rules.executed_in_order, rules.no_errors}
    assert [text for text in rules.bootstrap(nb)] == []


def test_seals_are_all_in_use():
    """Each seal in a release belongs to a task of its assignment; no two are alike."""
    for name in NAMES:
        text = "\n".join(assignments.source(c) for c in assignments.cells("release", name))
        seals = re.findall(r'"([0-9a-f]{16})"', text)
        assert len(seals) == len(set(seals)) == text.count("checks.number(")


# ---- The pages ------------------------------------------------------------------------------------------------------


def test_releases_are_pages_and_sources_are_not(site):
    toc = (pages.ROOT / "_toc.yml").read_text()
    part = next(p for p in yaml.safe_load(toc)["parts"] if p["caption"] == "The classroom")
    listed = [c["file"] for c in part["chapters"]]
    for name in NAMES:
        assert f"notebooks/assignments/release/{name}/{name}" in listed
        assert (site / f"notebooks/assignments/release/{name}/{name}.html").exists()
    assert "assignments/source" not in toc
    assert not list(site.rglob("assignments/source*")) and not list(site.rglob("_sources/**/source/*"))
    hidden = {name: {line for line in assignments.hidden_lines(name) if len(line) > 30} for name in NAMES}
    looked = 0
    for file in site.rglob("assignments/**/*"):
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            own = [name for name in NAMES if name in file.parts]  # what one hides another may hand out
            secret = set().union(*(hidden[name] for name in own or NAMES))
            assert not [line for line in secret if line in text], file
            looked += bool(own)
    assert looked >= len(NAMES)


# ---- Seals ----------------------------------------------------------------------------------------------------------


def test_a_seal_knows_its_number_and_hides_it():
    import torch

    sealed = checks.seal("a0-task", 3.14159, digits=4)
    assert re.fullmatch("[0-9a-f]{16}", sealed)
    assert sealed == checks.seal("a0-task", 3.1416, digits=4) != checks.seal("another", 3.14159, digits=4)
    assert sealed != checks.seal("a0-task", 3.14159, digits=3)
    for right in (3.14159, 3.1415, 3.1417, torch.tensor([3.14162])):
        checks.number("a0-task", right, sealed, digits=4)
    wrong = (3.1419, -3.14159, 0, float("nan"), float("inf"), "3.1416", None, True, torch.zeros(2), [3.14159])
    for answer in wrong:
        with pytest.raises(AssertionError, match="a0-task"):
            checks.number("a0-task", answer, sealed, digits=4)


def test_a_seal_is_the_published_hash():
    """PBKDF2 as RFC 8018 has it, written out with HMAC alone."""
    import hashlib
    import hmac

    mac = lambda data: hmac.new(b"2:1234", data, hashlib.sha256).digest()  # noqa: E731
    u = mac(b"hpn_lite:task" + (1).to_bytes(4, "big"))
    total = int.from_bytes(u, "big")
    for _ in range(checks.ROUNDS - 1):
        u = mac(u)
        total ^= int.from_bytes(u, "big")
    assert checks.seal("task", 12.34, digits=2) == total.to_bytes(32, "big")[:8].hex()


def test_seals_refuse_what_makes_no_sense():
    with pytest.raises(TypeError, match="finite number, got nan"):
        checks.seal("task", float("nan"))
    with pytest.raises(TypeError, match="one number, got"):
        import numpy as np

        checks.seal("task", np.zeros(3))
    with pytest.raises(ValueError, match="task needs a name"):
        checks.seal("", 1.0)
    with pytest.raises(ValueError, match="digits must be at most 9, got 12"):
        checks.number("task", 1.0, "0" * 16, digits=12)
