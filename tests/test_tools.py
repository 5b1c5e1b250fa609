"""The tools: when outputs count as stale, what happens when a cell fails, what messages say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import draw_logo
import notebooks
import numpy as np
import pages
import pytest
import site_fixes
from PIL import Image

SPHERE = "def norm(x): return abs(x)\n\ndef angle(x): return x\n"
ENERGY = '''"""Energies."""

from .sphere import angle, norm

__all__ = ["other", "total"]
TABLE = open(__file__ + "/../" + "tables" + "/" + "best.csv")

def total(x):  # as printed
    return norm(x) + TABLE

def other(x):
    return angle(x)
'''


@pytest.fixture
def repo(tmp_path) -> Path:
    """A repository in miniature: one notebook, a module that imports another, and one that nothing imports."""
    package = tmp_path / "hpn_lite"
    (package / "tables").mkdir(parents=True)
    (tmp_path / "book").mkdir()
    (package / "__init__.py").write_text('__version__ = "0.1.0"\n')
    (package / "sphere.py").write_text(SPHERE)
    (package / "energy.py").write_text(ENERGY)
    (package / "labs.py").write_text("import json\n")
    (package / "tables" / "best.csv").write_text("12,49.165\n")
    (package / "tables" / "other.csv").write_text("\n")
    write(tmp_path, "from hpn_lite import energy\nprint(energy.total(3))")
    return tmp_path


def write(repo: Path, code: str, prose: str = "# Title", **hpn) -> Path:
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": prose},
        {"cell_type": "code", "id": "b", "metadata": {}, "source": code, "outputs": [], "execution_count": None},
    ]
    metadata = {"kernelspec": notebooks.KERNELSPEC, "hpn": hpn}
    path = repo / "book" / "01-one.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}))
    return path


def mark(repo: Path) -> str:
    return notebooks.fingerprint(notebooks.read(repo / "book" / "01-one.ipynb", repo), repo)


# ---- Fingerprints ---------------------------------------------------------------------------------------------------


def test_fingerprint_is_of_bytes_alone(repo):
    # Written down once: another Python, another machine or another year gives the same.
    assert mark(repo) == "013ed14cd2ce2c15f4ce17ebc133470ccf3509691f67177436c55f9940c40c82"


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("hpn_lite/energy.py", "norm(x) + TABLE", "norm(x) - TABLE", True),
        ("hpn_lite/sphere.py", "abs(x)", "x", True),  # reached through energy
        ("hpn_lite/tables/best.csv", "49.165", "49.166", True),  # energy names it
        ("hpn_lite/tables/other.csv", "", "x", False),  # nothing names it
        ("hpn_lite/energy.py", "angle(x)", "angle(2 * x)", False),  # a function that the notebook does not name
        ("hpn_lite/sphere.py", "return x", "return 2 * x", False),
        ("hpn_lite/energy.py", "import angle, norm", "import angle, norm, new", False),
        ("hpn_lite/energy.py", '["other", "total"]', '["total"]', False),
        ("hpn_lite/energy.py", "Energies.", "All energies.", False),
        ("hpn_lite/energy.py", "\ndef other", "\nprint()\n\ndef other", True),  # runs whenever the module is imported
        ("hpn_lite/sphere.py", "\ndef angle", "\nprint()\n\ndef angle", True),
        ("hpn_lite/labs.py", "import json", "print()", False),  # nothing imports it
        ("hpn_lite/__init__.py", "0.1.0", "0.2.0", False),  # a release
        ("hpn_lite/sphere.py", "\n", "\r\n", False),  # line ends of another system
    ],
)
def test_fingerprint_follows_modules(repo, file, old, new, changes):
    before, text = mark(repo), (repo / file).read_text()
    assert old in text
    (repo / file).write_bytes(text.replace(old, new).encode() if old else new.encode())
    assert (mark(repo) != before) is changes


def test_fingerprint_follows_code_and_not_prose(repo):
    before = mark(repo)
    write(repo, "from hpn_lite import energy\nprint(energy.total(3))", prose="# Another title\n\nMore words.")
    assert mark(repo) == before
    write(repo, "from hpn_lite import energy\nprint(energy.total(4))")
    assert mark(repo) != before


def test_fingerprint_follows_data(repo):
    (repo / "runs").mkdir()
    (repo / "runs" / "a.json").write_text("1")
    write(repo, "print(1)", reads=["runs/*.json"])
    before = mark(repo)
    (repo / "runs" / "b.json").write_text("2")
    assert mark(repo) != before


def test_data_that_is_not_there_is_named(repo):
    write(repo, "print(1)", reads=["runs/*.json"])
    with pytest.raises(notebooks.NotebookError, match="runs/.*no file matches"):
        mark(repo)


def test_a_record_may_be_yet_to_come(repo):
    write(repo, "print(1)", reads=["notebooks/runs/x/*.json"])
    before = mark(repo)
    (repo / "notebooks" / "runs" / "x").mkdir(parents=True)
    (repo / "notebooks" / "runs" / "x" / "a.json").write_text("1")
    assert mark(repo) != before


@pytest.mark.parametrize(
    ("code", "files"),
    [
        ("from hpn_lite import energy\nenergy.total(1)", {"energy.py", "sphere.py", "best.csv"}),
        ("from hpn_lite import energy\nenergy.other(1)", {"energy.py", "sphere.py"}),
        ("from hpn_lite.energy import other\nother(1)", {"energy.py", "sphere.py"}),
        ("from hpn_lite.sphere import norm as n\nn(1)", {"sphere.py"}),
        ("import hpn_lite.energy as e\ne.other(1)", {"energy.py", "sphere.py", "best.csv"}),  # under another name: all
        ("from hpn_lite import energy as e\ne.other(1)", {"energy.py", "sphere.py", "best.csv"}),
        ("import hpn_lite.sphere\nhpn_lite.sphere.norm(1)", {"sphere.py"}),
        ("from hpn_lite import sphere\ngetattr(sphere, 'no' + 'rm')", {"sphere.py"}),  # handed on: all of it
        ("def f():\n    from hpn_lite import sphere\n    sphere.norm(1)", {"sphere.py"}),
        ("def f():\n    from hpn_lite.sphere import norm\n    norm(1)", {"sphere.py"}),
        ("from hpn_lite import energy, sphere", set()),  # imported and not used
        ("import numpy, os.path\nfrom torch import nn\nnn.norm(1)", set()),
        ("from . import sphere\nsphere(1)", set()),  # not ours: a notebook is in no package
        (
            'import sys\nif "x" in sys.modules:\n    %pip install y\nfrom hpn_lite import sphere\nsphere.norm',
            {"sphere.py"},
        ),
    ],
)
def test_what_a_notebook_reaches(repo, code, files):
    write(repo, code)
    found = notebooks.reached(notebooks.read(repo / "book" / "01-one.ipynb", repo), repo)
    assert {Path(p).name for p in found} == files


# ---- Execution ------------------------------------------------------------------------------------------------------


def test_execute_stores_outputs_and_fingerprint(repo):
    path = write(repo, "import sys\nprint(6 * 7)\nprint('a', file=sys.stderr) if 0 else None")
    assert "has no stored outputs yet; run `make book`" in notebooks.why_stale(notebooks.read(path, repo), path, repo)
    notebooks.execute(path, repo)
    nb = notebooks.read(path, repo)
    assert notebooks.why_stale(nb, path, repo) is None
    assert nb["cells"][1]["outputs"][0]["text"] == ["42\n"]
    assert nb["cells"][1]["execution_count"] == 1
    assert "version" not in nb["metadata"]["language_info"]
    assert "execution" not in nb["cells"][1]["metadata"]
    before = path.read_bytes()
    notebooks.execute(path, repo)
    after = json.loads(path.read_bytes())
    after["metadata"]["hpn"]["seconds"] = nb["metadata"]["hpn"]["seconds"]
    assert after == json.loads(before), "a second execution made a difference"

    nb["cells"][1]["source"] = "print(6 * 8)"
    path.write_text(json.dumps(nb))
    message = notebooks.why_stale(nb, path, repo)
    assert message.startswith("book/01-one.ipynb was edited after its outputs were stored")
    assert message.endswith("run `make book`")


def test_kernel_is_the_one_of_this_environment(repo):
    path = write(repo, "import sys\nprint(sys.prefix)")
    notebooks.execute(path, repo)
    assert notebooks.read(path, repo)["cells"][1]["outputs"][0]["text"] == [f"{sys.prefix}\n"]


def test_a_failing_cell_leaves_the_file_and_shows_the_traceback(repo, capsys):
    path = write(repo, "def broken():\n    return 1 / 0\n\nbroken()")
    before = path.read_bytes()
    assert notebooks.run_stale([path], everything=False, root=repo) == 1
    shown = capsys.readouterr()
    assert path.read_bytes() == before
    assert "book/01-one.ipynb: this cell failed" in shown.err
    assert "ZeroDivisionError" in shown.err
    assert "return 1 / 0" in shown.err
    assert "1 failed" in shown.out
    assert list(path.parent.iterdir()) == [path], "something was left lying about"


def test_a_slow_cell_is_stopped(repo):
    path = write(repo, "import time\ntime.sleep(60)")
    with pytest.raises(notebooks.NotebookError, match="a cell ran for more than 1 s"):
        notebooks.execute(path, repo, timeout=1)


def test_fresh_notebooks_are_not_run(repo, monkeypatch, capsys):
    path = write(repo, "print(1)")
    write(repo, "print(1)", fingerprint=mark(repo))
    nb = notebooks.read(path, repo)
    nb["cells"][1]["execution_count"] = 1
    path.write_text(json.dumps(nb))
    monkeypatch.setattr(notebooks, "execute", lambda *a: pytest.fail("it was run"))
    assert notebooks.run_stale([path], everything=False, root=repo) == 0
    assert "1 fresh, 0 executed, 0 failed" in capsys.readouterr().out


def test_an_edit_while_it_runs_is_not_lost(repo):
    path = write(repo, "import pathlib\npathlib.Path('01-one.ipynb').open('a').write('\\n')")
    with pytest.raises(notebooks.NotebookError, match="edited while it ran"):
        notebooks.execute(path, repo)
    assert notebooks.read(path, repo)["cells"][1]["outputs"] == []


# ---- Bad input ------------------------------------------------------------------------------------------------------


def test_broken_json_is_named(repo):
    path = repo / "book" / "01-one.ipynb"
    path.write_text('{"cells": [<<<<<<< HEAD')
    with pytest.raises(notebooks.NotebookError, match=r"book/01-one\.ipynb is not valid JSON .*git checkout"):
        notebooks.read(path, repo)
    path.write_text("[1, 2]")
    with pytest.raises(notebooks.NotebookError, match="not a notebook of format 4"):
        notebooks.read(path, repo)


def test_broken_module_is_named(repo):
    path = repo / "book" / "01-one.ipynb"
    (repo / "hpn_lite" / "sphere.py").write_text("def norm(:\n")
    assert "not valid Python" in notebooks.why_stale(notebooks.read(path, repo), path, repo)


def test_unknown_notebook_is_answered_with_the_known_ones(repo):
    with pytest.raises(notebooks.NotebookError, match=r"no notebook '09-none'; there are: book/01-one\.ipynb"):
        notebooks.select(["09-none"], repo)
    assert notebooks.select(["01"], repo) == notebooks.select(["book/01-one.ipynb"], repo) == notebooks.find(repo)


def test_assignments_are_left_alone(repo):
    (repo / "notebooks" / "assignments").mkdir(parents=True)
    (repo / "notebooks" / "assignments" / "ps1.ipynb").write_text("{}")
    assert [p.name for p in notebooks.find(repo)] == ["01-one.ipynb"]


@pytest.mark.parametrize("arguments", [["bake"], [], ["execute", "--fast"]])
def test_unknown_commands_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        notebooks.main(arguments)
    assert stop.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_pages_refuses_unknown_options(capsys):
    assert pages.main(["--quick"]) == 2
    assert "unknown option --quick" in capsys.readouterr().out


def test_text_and_back(repo):
    path = repo / "book" / "01-one.ipynb"
    notebooks.convert([path], to_text=True, root=repo)
    text = repo / "_text" / "book" / "01-one.md"
    assert "# Title" in text.read_text()
    before = path.read_bytes()
    notebooks.convert([path], to_text=False, root=repo)
    assert path.read_bytes() == before, "nothing was edited, and the notebook changed"
    text.write_text(text.read_text().replace("# Title", "# Another"))
    os.utime(text, (path.stat().st_mtime + 10,) * 2)
    notebooks.convert([path], to_text=False, root=repo)
    assert "# Another" in path.read_text()
    assert (repo / "_text" / "before" / "01-one.ipynb").read_bytes() == before, "the overwritten file was not kept"


# ---- The environment ------------------------------------------------------------------------------------------------

SCRIPT = notebooks.ROOT / "tools" / "env.sh"


def env_sh(folder: Path, **variables) -> subprocess.CompletedProcess:
    """tools/env.sh in a copy of the book's root that has no environment yet."""
    (folder / "tools").mkdir(exist_ok=True)
    for file in ("tools/env.sh", "requirements.txt", "pyproject.toml"):
        (folder / file).write_bytes((notebooks.ROOT / file).read_bytes())
    environment = {**os.environ, **variables}
    return subprocess.run(["sh", "tools/env.sh"], cwd=folder, env=environment, capture_output=True, text=True)


def fake_python(folder: Path, version: str) -> str:
    """A program that answers, as Python does, which version it is, and can do nothing else."""
    path = folder / f"python{version}"
    path.write_text(f'#!/bin/sh\n[ "$1" = -c ] && echo {version}\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("version", ["3.10", "3.14", "2.7"])
def test_wrong_python_is_named(tmp_path, version):
    done = env_sh(tmp_path, PYTHON=fake_python(tmp_path, version))
    assert done.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr
    assert f"is {version};" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_no_python_at_all(tmp_path):
    done = env_sh(tmp_path, PYTHON="no-such-python")
    assert done.returncode == 1
    assert "Found: no Python" in done.stderr


def test_environment_of_a_wrong_python_is_not_deleted(tmp_path):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    os.rename(fake_python(tmp_path, "3.14"), tmp_path / ".venv" / "bin" / "python")
    (tmp_path / ".venv" / "mine.txt").write_text("keep me")
    done = env_sh(tmp_path)
    assert done.returncode == 1
    assert ".venv holds Python 3.14" in done.stderr
    assert "mv .venv .venv-old" in done.stderr
    assert (tmp_path / ".venv" / "mine.txt").read_text() == "keep me"


def test_half_made_environment_is_completed_and_no_network_is_said(tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "mine.txt").write_text("keep me")
    nowhere = "http://127.0.0.1:9/simple"  # a port where nothing listens
    offline = {"PIP_INDEX_URL": nowhere, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    offline |= {"PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1", "PYTHON": sys.executable}
    done = env_sh(tmp_path, **offline)
    assert done.returncode == 1
    assert "No network: the packages of requirements.txt could not be fetched" in done.stderr, done.stdout + done.stderr
    assert (tmp_path / ".venv" / "mine.txt").read_text() == "keep me"
    assert not (tmp_path / ".venv" / "hpn-stamp").exists()


def test_every_target_of_make_is_explained():
    make = (notebooks.ROOT / "Makefile").read_text()
    phony = make.split(".PHONY:")[1].splitlines()[0].split()
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=notebooks.ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[1] for line in shown.splitlines()[1:]} == set(phony)
    assert {"book", "test", "lab", "serve", "execute", "help"} <= set(phony)


def test_commands_that_the_pages_name_exist():
    phony = (notebooks.ROOT / "Makefile").read_text().split(".PHONY:")[1].splitlines()[0].split()
    pages_and_files = [*(notebooks.ROOT / "book").glob("*.md"), *notebooks.ROOT.glob("*.md"), *notebooks.find()]
    named = {
        (command, file.name)
        for file in pages_and_files
        for command in re.findall(r"(?:`|^|\$ )make ([a-z]+)", file.read_text(encoding="utf-8"), flags=re.M)
    }
    assert {command for command, _ in named} >= {"book", "test"}
    assert not [(command, file) for command, file in named if command not in phony]


# ---- Logo and site --------------------------------------------------------------------------------------------------


def test_logo_is_what_its_code_draws(tmp_path):
    draw_logo.main(tmp_path)
    static = notebooks.ROOT / "book" / "_static"
    for name in ("logo.svg", "favicon.svg"):
        assert (tmp_path / name).read_text() == (static / name).read_text(), f"{name} is not what make logo draws"
    for name in ("logo.png", "favicon.ico"):
        with Image.open(tmp_path / name) as drawn, Image.open(static / name) as stored:
            new, old = (np.asarray(image.convert("RGBA"), dtype=int) for image in (drawn, stored))
        assert new.shape == old.shape
        assert abs(new - old).max() <= 2, f"{name} is not what make logo draws"


def test_plain_docstrings_become_markup():
    lines = ["Energy |x - y|^-s of `points` and x_, a * b.", "", "Source: Rankin 1955;", "    Kasarla 2022."]
    site_fixes.docstring_to_rst(None, "function", "f", None, None, lines)
    assert lines == [
        r"Energy \|x - y\|^-s of ``points`` and x\_, a \* b.",
        "",
        "Source:",
        "    Rankin 1955;",
        "    Kasarla 2022.",
    ]
    field = ["Alias for field number 0"]
    site_fixes.docstring_to_rst(None, "attribute", "Bound.value", None, None, field)
    assert field == []
