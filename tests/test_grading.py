"""The assignments from the release to the grade: students of every kind hand in, nbgrader and plain pytest grade them.

The full-mark student hands in the model solutions; the half-right one makes mistakes that people make (WRONG) and
leaves out the experiments; the empty one hands in the release as it is; the tampering one changes tests, points and
checks instead of answering; and one hands in an endless loop. All of them have torch and numpy, hpn_lite and what a
kernel needs, and nothing else: a wall stops every other import.

To import torch takes a kernel longer than most submissions take to run, and nbgrader takes as long to start. So the
kernels are forks of one process that has imported it (FORK), and nbgrader's commands go to one process (NBGRADER).
"""

from __future__ import annotations

import copy
import csv
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import assignments
import pytest

NAMES = assignments.names()
SHORT = "a3-tasks"  # the one that runs quickest, for what is tried with one assignment only
LOOP, LOOP_TASK = "both-answer", "a3-both"  # where the endless student gets lost

# Mistakes in the model solutions: (cell, what to replace, by what, the tasks that this costs). Mistakes of code give
# plausible results, of the right type and shape.
WRONG = json.loads((Path(__file__).parent / "wrong_answers.json").read_text())


def read(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def text(cell: dict) -> str:
    return assignments.source(cell)


def solutions(name: str) -> dict[str, str]:
    """The model solutions by cell, without the lines that mark them."""
    found = {}
    for cell in assignments.cells("source", name):
        if assignments.mark(cell).get("solution"):
            lines = [line for line in text(cell).splitlines() if not re.match(r"\s*### (BEGIN|END) SOLUTION", line)]
            found[assignments.mark(cell)["grade_id"]] = "\n".join(lines)
    return found


def submission(name: str, answers: dict[str, str], release: Path) -> dict:
    """The release with answers written into its cells."""
    nb = read(release)
    for cell in nb["cells"]:
        m = assignments.mark(cell)
        if m.get("solution") and m["grade_id"] in answers:
            cell["source"] = answers[m["grade_id"]]
    return nb


def half_right(name: str) -> dict[str, str]:
    answers = {cell: answer for cell, answer in solutions(name).items() if cell not in WRONG[name]["left out"]}
    for cell, old, new, _ in WRONG[name]["mistakes"]:
        assert answers[cell].count(old) == 1, f"{cell}: {old!r} is there {answers[cell].count(old)} times"
        answers[cell] = answers[cell].replace(old, new)
    return answers


def tampered(nb: dict) -> dict:
    """Without an answer, but with tests that cannot fail, more points, a deleted test, and checks that always agree."""
    nb = copy.deepcopy(nb)
    trick = "from hpn_lite import checks\nchecks.number = lambda *a, **k: print('right')\n"
    tests = [c for c in nb["cells"] if assignments.mark(c).get("grade") and not assignments.mark(c).get("solution")]
    for cell in tests:
        cell["source"] = "assert True"
        assignments.mark(cell)["points"] = 100
    assignments.mark(tests[1])["locked"] = False
    nb["cells"].remove(tests[0])
    next(c for c in nb["cells"] if c["cell_type"] == "code" and assignments.mark(c).get("solution"))["source"] = trick
    return nb


# Runs when a kernel starts: imports of what students need not have fail, as they would for them.
WALL = """
import importlib.metadata, sys
from packaging.requirements import Requirement

def needs(names, seen):
    for name in names:
        if name not in seen:
            try:
                required = importlib.metadata.requires(name) or []
            except importlib.metadata.PackageNotFoundError:
                continue
            seen.add(name)
            found = [r for r in map(Requirement, required) if not r.marker or r.marker.evaluate({"extra": ""})]
            needs([r.name.lower().replace("_", "-") for r in found], seen)
    return seen

own = needs(["torch", "numpy", "ipykernel"], set())
foreign = {
    top for top, dists in importlib.metadata.packages_distributions().items()
    if not {d.lower().replace("_", "-") for d in dists} & own and top != "hpn_lite"
}

class Wall:  # before a finder: what is foreign is not found, as if it were not installed
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in foreign else self.finder.find_spec(name, path, target)

for name in [n for n in sys.modules if n.partition(".")[0] in foreign]:
    del sys.modules[name]
sys.meta_path[:] = map(Wall, sys.meta_path)
"""


# Waits behind the wall, with torch and hpn_lite in memory, and forks a kernel for everybody who asks (ASK).
FORK = """
import json, os, pathlib, signal, socket, sys, threading
import torch
import hpn_lite
late = ("debugpy.server.api", "pdb", "psutil", "pydoc", "sqlite3", "stack_data", "xmlrpc.client")  # a kernel's own
for name in (*late, *(f"hpn_lite.{p.stem}" for p in pathlib.Path(hpn_lite.__file__).parent.glob("*.py"))):
    try:
        __import__(name)
    except ImportError:  # what needs something that students do not have
        pass
# What torch imports only when it is asked for, and takes seconds over.
torch.testing.assert_close(torch.ones(1), torch.ones(1))
weight = torch.ones(1, requires_grad=True)
weight.grad = torch.ones(1)
torch.optim.Adam([weight]).step()
from ipykernel.kernelapp import IPKernelApp

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
door = socket.socket(socket.AF_UNIX)
door.bind(sys.argv[1])
door.listen()
while True:
    guest, _ = door.accept()
    if os.fork() == 0:
        break
    guest.close()
door.close()
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
os.setsid()
with guest.makefile() as file:
    wish = json.loads(file.readline())
guest.sendall(f"{os.getpid()}\\n".encode())
threading.Thread(target=lambda: guest.recv(1) or os._exit(0), daemon=True).start()  # not longer than who asked
os.chdir(wish["folder"])
os.environ.update(wish["environment"])
sys.argv = ["kernel", "-f", wish["file"]]
IPKernelApp.launch_instance()
"""

# What Jupyter takes for the kernel: it passes interrupts on, and ends with the fork.
ASK = """
import json, os, signal, socket, sys
fork = socket.socket(socket.AF_UNIX)
fork.connect(sys.argv[1])
wish = {"file": sys.argv[2], "folder": os.getcwd(), "environment": dict(os.environ)}
fork.sendall((json.dumps(wish) + "\\n").encode())
pid = int(fork.makefile().readline())
signal.signal(signal.SIGINT, lambda *_: os.kill(pid, signal.SIGINT))
while fork.recv(1):
    pass
"""


@pytest.fixture(scope="module")
def walled(tmp_path_factory):
    """Surroundings in which the kernel "python3" stands behind the wall, and starts at once."""
    folder = tmp_path_factory.mktemp("kernel")
    door = folder / "door"
    for name, code in (("fork.py", WALL + FORK), ("ask.py", ASK)):
        (folder / name).write_text(code)
    spec = folder / "kernels/python3/kernel.json"
    spec.parent.mkdir(parents=True)
    command = [sys.executable, "-I", "-S", str(folder / "ask.py"), str(door), "{connection_file}"]
    spec.write_text(json.dumps({"argv": command, "display_name": "Python 3", "language": "python"}))
    own = {"IPYTHONDIR": str(folder / "ipython"), "OMP_NUM_THREADS": "1", "JUPYTER_PATH": str(folder)}
    environment = assignments.environment() | own
    with (folder / "said").open("w") as said:
        server = subprocess.Popen(
            [sys.executable, str(folder / "fork.py"), str(door)], env=environment, stdout=said, stderr=said
        )
    try:
        for _ in range(1200):
            if door.exists():
                break
            assert server.poll() is None, (folder / "said").read_text()
            time.sleep(0.1)
        yield environment
    finally:
        server.terminate()
        server.wait()


# Commands of nbgrader, as one would type them, one after the other in one process; a file's name instead of a command
# stands for writing all grades into it, and a list of lists for what a person gives.
NBGRADER = """
import json, sys
from jupyter_core.application import NoStart
from nbgrader.api import Gradebook
from nbgrader.apps.nbgraderapp import NbGraderApp

def run(command):
    app = NbGraderApp()
    app.initialize(command)
    try:
        app.start()
    except NoStart:  # the subcommand did
        pass
    app.subapp.clear_instance()

def give(points):
    with Gradebook("sqlite:///gradebook.db", "learning-on-the-hypersphere") as book:
        for name, student, cell, score in points:
            grade = book.find_grade(cell, name, name, student)
            grade.manual_score, grade.needs_manual_grade = score, False
        book.db.commit()

def write(file):
    with Gradebook("sqlite:///gradebook.db", "learning-on-the-hypersphere") as book:
        found = {
            f"{s.student.id} {s.assignment.name}": {
                g.name: [g.score, g.max_score, g.needs_manual_grade] for n in s.notebooks for g in n.grades
            }
            for a in book.assignments for s in a.submissions
        }
    with open(file, "w") as out:
        json.dump(found, out)

for step in json.loads(sys.argv[1]):
    {str: write, list: give if isinstance(step[0], list) else run}[type(step)](step)
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory, walled):
    """A course of its own with every kind of student, graded by nbgrader and by a person, with feedback and a table."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(assignments.COURSE / "source", folder / "source")
    shutil.copy(assignments.COURSE / "nbgrader_config.py", folder)

    def hand_in(student: str, name: str, nb: dict) -> None:
        file = folder / "submitted" / student / name / f"{name}.ipynb"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(nb))

    given = []  # a person gives the full-mark student all points and the half-right one none
    for name in NAMES:
        release = assignments.path("release", name)  # those that nbgrader makes below are the same: test_assignments
        hand_in("full", name, submission(name, solutions(name), release))
        hand_in("empty", name, read(release))
        given += [(name, "full", t.name, t.points) for t in assignments.tasks(name) if t.manual]
        if name in WRONG:
            hand_in("half", name, submission(name, half_right(name), release))
            given += [(name, "half", t.name, 0) for t in assignments.tasks(name) if t.manual]
        if name == SHORT:
            hand_in("tampering", name, tampered(read(release)))
            hand_in("endless", name, submission(name, half_right(name) | {LOOP: "while True:\n    pass"}, release))
    steps = [
        *(["generate_assignment", name, "--force"] for name in NAMES),
        # First those who are through in a moment, with little patience: empty, endless, and half after the loop.
        ["autograde", SHORT, "--student=[eh]*", "--Execute.timeout=10"],
        *(["autograde", name] for name in NAMES),
        "by machine.json",
        given,
        "by both.json",
        ["generate_feedback", SHORT],
        ["export", "--to=grades.csv"],
    ]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NBGRADER, json.dumps(steps)],
        cwd=folder,
        env=walled,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def automatic(name: str) -> dict[str, float]:
    return {t.name: t.points for t in assignments.tasks(name) if not t.manual}


def points(found: dict[str, list], name: str) -> dict[str, float]:
    """The points for what a machine grades."""
    return {cell: found[cell][0] for cell in automatic(name)}


@pytest.fixture(scope="module")
def graded(course):
    """Points, most points and whether a person is waited for, by student and assignment and by cell."""
    return read(course / "by machine.json")


@pytest.mark.parametrize("name", NAMES)
def test_the_model_solution_gets_every_point(graded, name):
    assert points(graded[f"full {name}"], name) == automatic(name)


def test_the_wall_stands(walled, tmp_path):
    nb = {"cells": [], "metadata": {"kernelspec": {"name": "python3", "display_name": ""}}, "nbformat": 4}
    for i, line in enumerate(("import torch, numpy", "import matplotlib", "import scipy", "import nbgrader")):
        nb["cells"].append({"cell_type": "code", "id": str(i), "metadata": {}, "source": line, "outputs": []})
        nb["cells"][-1]["execution_count"] = None
    (tmp_path / "a.ipynb").write_text(json.dumps(nb | {"nbformat_minor": 5}))
    command = ["nbconvert", "--execute", "--allow-errors", "--to", "notebook", "--output", "b", "a.ipynb"]
    done = subprocess.run([sys.executable, "-m", *command], cwd=tmp_path, env=walled, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    failed = [any(o["output_type"] == "error" for o in c["outputs"]) for c in read(tmp_path / "b.ipynb")["cells"]]
    assert failed == [False, True, True, True]


@pytest.mark.parametrize("name", NAMES)
def test_stubs_get_no_point(graded, name):
    """The empty student: no task passes undone, and no empty answer waits for a person to read it."""
    assert points(graded[f"empty {name}"], name) == dict.fromkeys(automatic(name), 0)
    for task in assignments.tasks(name):
        score, most, waits = graded[f"empty {name}"][task.name]
        assert score == 0 and most == task.points


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_cost_their_tasks_and_no_other(graded, name):
    lost = {task for *_, tasks in WRONG[name]["mistakes"] for task in tasks} | set(WRONG[name]["costs"])
    expected = {task: 0 if task in lost else most for task, most in automatic(name).items()}
    assert 0 < sum(expected.values()) < sum(automatic(name).values())
    assert points(graded[f"half {name}"], name) == expected


def test_tampering_is_undone(graded, course):
    assert points(graded[f"tampering {SHORT}"], SHORT) == dict.fromkeys(automatic(SHORT), 0)
    assert {cell: most for cell, (_, most, _) in graded[f"tampering {SHORT}"].items()} == {
        t.name: t.points for t in assignments.tasks(SHORT)
    }
    nb = read(course / "autograded" / "tampering" / SHORT / f"{SHORT}.ipynb")
    assert "assert True" not in [text(c) for c in nb["cells"]]


def test_an_endless_loop_is_stopped_and_costs_its_task_alone(graded, course):
    expected = points(graded[f"half {SHORT}"], SHORT)
    assert expected[LOOP_TASK] > 0
    assert points(graded[f"endless {SHORT}"], SHORT) == expected | {LOOP_TASK: 0}
    nb = read(course / "autograded" / "endless" / SHORT / f"{SHORT}.ipynb")
    cell = next(c for c in nb["cells"] if assignments.mark(c).get("grade_id") == LOOP)
    assert any(o["output_type"] == "error" for o in cell["outputs"])


def test_feedback_and_export_after_a_person_has_read(course, graded):
    """A person gave the manual points: the totals are what they should be, on the feedback and in the table."""
    found = read(course / "by both.json")
    for name in NAMES:
        total = sum(t.points for t in assignments.tasks(name))
        assert sum(score for score, *_ in found[f"full {name}"].values()) == total
        assert not any(waits for *_, waits in found[f"full {name}"].values())
    for student in ("full", "half", "empty", "tampering", "endless"):
        page = (course / "feedback" / student / SHORT / f"{SHORT}.html").read_text(encoding="utf-8")
        score = sum(score for score, *_ in found[f"{student} {SHORT}"].values())
        most = sum(t.points for t in assignments.tasks(SHORT))
        assert re.search(rf"Score: {score:.1f} / {most:.1f}|Score: {score:g} / {most:g}", page), student
    with (course / "grades.csv").open() as file:
        rows = {f"{r['student_id']} {r['assignment']}": r for r in csv.DictReader(file) if r["score"]}
    for who, cells in found.items():
        assert float(rows[who]["score"]) == sum(score for score, *_ in cells.values()), who
        assert float(rows[who]["max_score"]) == sum(most for _, most, _ in cells.values())


# ---- Plain pytest ---------------------------------------------------------------------------------------------------


def by_pytest(folder: Path, file: Path, key: Path | None, env: dict, timeout: int = 120) -> tuple[str, int]:
    environment = env | {"HPN_SUBMISSION": str(file), "HPN_TIMEOUT": str(timeout)}
    if key:
        environment["HPN_KEY"] = str(key)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.stdout + done.stderr, done.returncode


@pytest.fixture
def grader(tmp_path):
    for file in ("test_assignment.py", "conftest.py"):
        shutil.copy(assignments.COURSE / "classroom" / file, tmp_path)
    return tmp_path


@pytest.mark.parametrize("student", ["half", "tampering"])
def test_plain_pytest_gives_the_same_points(course, graded, grader, walled, student):
    """With the source as its key; the student's own answers count, whatever became of the tests."""
    file = course / "submitted" / student / SHORT / f"{SHORT}.ipynb"
    said, code = by_pytest(grader, file, assignments.path("source", SHORT), walled)
    got = sum(points(graded[f"{student} {SHORT}"], SHORT).values())
    assert f"points: {got:g} of {sum(automatic(SHORT).values()):g}" in said, said
    assert code == 1


def small(*cells: tuple[str, str, int]) -> dict:
    """A notebook of answers (0 points) and tests, each with a name and its code."""
    nb = {"cells": [], "metadata": {"kernelspec": {"name": "python3", "display_name": ""}}, "nbformat": 4}
    for name, code, most in cells:
        m = {"grade": most > 0, "grade_id": name, "locked": most > 0, "schema_version": 3, "solution": most == 0}
        m |= {"task": False} | ({"points": most} if most else {})
        cell = {"cell_type": "code", "id": name, "metadata": {"nbgrader": m}, "source": code, "outputs": []}
        nb["cells"].append(cell | {"execution_count": None})
    return nb | {"nbformat_minor": 5}


def test_plain_pytest_stops_a_loop_and_brings_tests_back(grader, walled):
    """Deleted and doubled tests, a test made weaker, a cell of the student's own, and a loop."""
    key = small(("x", "", 0), ("t-x", "assert x == 1", 2), ("y", "", 0), ("t-y", "assert y == 2", 3), ("z", "", 0))
    key["cells"] += small(("t-z", "assert z == helper", 4))["cells"]
    mine = small(("t-x", "x = 1", 100), ("x", "x = 1", 0), ("y", "while True: pass", 0), ("t-y", "y = 2", 3))
    own = small(("own", "helper = 3", 0))["cells"]
    own[0]["metadata"] = {}
    mine["cells"] += own + small(("z", "z = 3", 0))["cells"]
    (grader / "key.ipynb").write_text(json.dumps(key))
    (grader / "mine.ipynb").write_text(json.dumps(mine))
    said, code = by_pytest(grader, grader / "mine.ipynb", None, walled, timeout=4)
    # The test of x was moved before its answer, which costs the student two points; z's was deleted and came back.
    assert "points: 4 of 9" in said and code == 1, said


def test_the_template_for_github_classroom(course, tmp_path, walled):
    """It holds nothing hidden, its workflow has a step with points for each task, and its checks work as they are."""
    import yaml

    out = tmp_path / "template"
    files = assignments.classroom(SHORT, out)
    hidden = assignments.hidden_lines(SHORT)
    assert hidden and not any(line in file.read_text() for line in hidden for file in files)
    steps = yaml.safe_load((out / ".github/workflows/classroom.yml").read_text())["jobs"]["grade"]["steps"]
    graders = {s["id"]: s["with"] for s in steps if "id" in s}
    assert {name: g["max-score"] for name, g in graders.items()} == automatic(SHORT)
    reporter = steps[-1]
    assert reporter["with"]["runners"].split(",") == list(graders)
    assert reporter["env"] == {f"{n.upper()}_RESULTS": f"${{{{steps.{n}.outputs.result}}}}" for n in graders}
    shutil.copy(course / "submitted" / "half" / SHORT / f"{SHORT}.ipynb", out)
    right, wrong = LOOP_TASK, WRONG[SHORT]["mistakes"][0][3][0]
    # Both steps at once, since each starts a kernel: what a step runs is the same but for the task's name.
    start, end = graders[right]["command"].split(f'"grader/test_assignment.py::test_task[{right}]"')
    assert graders[wrong]["command"] == f'{start}"grader/test_assignment.py::test_task[{wrong}]"{end}'
    command = f'{graders[right]["command"]} "grader/test_assignment.py::test_task[{wrong}]" -rA'
    done = subprocess.run(
        command.replace("python", sys.executable),
        shell=True,
        cwd=out,
        env=walled,
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1 and f"PASSED grader/test_assignment.py::test_task[{right}]" in said, said
    assert f"FAILED grader/test_assignment.py::test_task[{wrong}]" in said, said
    with pytest.raises(FileExistsError):
        assignments.classroom(SHORT, out)
