"""The notebooks of this book: which have stale outputs, and how they are executed.

    python tools/notebooks.py status                 what is fresh, what is not
    python tools/notebooks.py execute [--all] [...]  run the stale ones, or all, or those named
    python tools/notebooks.py check [...]            what breaks the rules of tools/rules.py
    python tools/notebooks.py text [...]             write notebooks as MyST text into _text/
    python tools/notebooks.py notebook [...]         bring edited text back into the notebooks

A notebook's outputs are fresh while the fingerprint stored with them equals that of its code cells, of what they reach
in `hpn_lite` (functions, classes, constants, data files), and of the data files that they name (`metadata.hpn.reads`: a
list of globs relative to the root of the repository; those of run records may match nothing yet). Prose may change
freely. Everything hashed is text or bytes of files, so the fingerprint is the same on every Python and every machine.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("book", "notebooks")
SKIP = {"assignments", ".ipynb_checkpoints", "_build"}  # assignments are stripped for students and checked on their own
TIMEOUT = 600  # seconds for one cell; chapters need a few, slow machines more
LANGUAGE_INFO = {
    "name": "python",
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
KERNELSPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}


class NotebookError(Exception):
    """Something about one notebook that its author has to mend; the message names the file and says what to do."""


def find(root: Path = ROOT) -> list[Path]:
    """All notebooks that are executed and published, sorted by path."""
    paths = (p for folder in FOLDERS for p in (root / folder).rglob("*.ipynb"))
    return sorted(p for p in paths if not SKIP & set(p.relative_to(root).parts))


def name(path: Path, root: Path = ROOT) -> str:
    """The path as people write it: relative to the root of the repository, with forward slashes."""
    return path.resolve().relative_to(root.resolve()).as_posix()


def read(path: Path, root: Path = ROOT) -> dict:
    """A notebook as a dictionary. Raises NotebookError if the file does not hold a version 4 notebook."""
    try:
        nb = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise NotebookError(
            f"{name(path, root)} is not valid JSON ({error}); was a merge left unfinished? "
            f"`git checkout -- {name(path, root)}` brings back the last committed version"
        ) from error
    if not isinstance(nb, dict) or nb.get("nbformat") != 4 or not isinstance(nb.get("cells"), list):
        raise NotebookError(f"{name(path, root)} is not a notebook of format 4; open and save it in JupyterLab")
    return nb


def source(cell: dict) -> str:
    """The text of a cell, which the format stores as a string or as a list of lines."""
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def code_cells(nb: dict) -> list[dict]:
    """The code cells that hold code; empty ones are neither executed nor counted."""
    return [c for c in nb["cells"] if c["cell_type"] == "code" and source(c).strip()]


# ---- Fingerprints ---------------------------------------------------------------------------------------------------


class Piece(NamedTuple):
    """A statement: the names that it binds, what it uses as (module, name), its text (none for an import)."""

    binds: set[str]
    uses: set[tuple[str, str]]
    text: str


def pieces(code: str, module: str, package: str = "hpn_lite") -> list[Piece]:
    """The statements of a module of the package (or of a notebook), without its docstring and `__all__`."""

    def imported(node: ast.ImportFrom | ast.Import) -> Iterator[tuple[str, tuple[str, str]]]:
        """The names that an import binds, and what each of them is; "*" is all of a module."""
        for alias in node.names:
            bound = alias.asname or alias.name
            if isinstance(node, ast.Import):
                base = alias.name.split(".")
                if base[0] == package and (len(base) > 1 or alias.asname):
                    yield bound, (base[-1], "*" if alias.asname else "")
            elif module and node.level == 1 or node.module and node.module.split(".")[0] == package:
                base = (node.module or "").removeprefix(package).lstrip(".")
                yield bound, (base, alias.name) if base else (alias.name, "*")

    lines, found = code.split("\n"), []
    for node in ast.parse(code).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            # A module under another name counts as a whole, also where only "name." stands.
            for bound, what in imported(node):
                found.append(Piece({bound} if bound == what[0] else {bound, f"{bound}."}, {what}, ""))
            continue
        uses, owners, local = set(), set(), {}
        for n in ast.walk(node):
            if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name | ast.Attribute):
                owner = n.value.id if isinstance(n.value, ast.Name) else n.value.attr
                uses |= {(owner, n.attr), (module, f"{owner}.")}
                owners.add(id(n.value))
            elif isinstance(n, ast.Import | ast.ImportFrom):
                local |= dict(imported(n))
        bare = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and id(n) not in owners}
        uses |= {(module, n) for n in bare} | {what for bound, what in local.items() if bound in bare or what[1] != "*"}
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            binds = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        else:
            binds = {node.name} if hasattr(node, "name") else set()
        if binds == {"__all__"} or isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        found.append(Piece(binds, uses, "\n".join(lines[first - 1 : node.end_lineno])))
    return found


def reached(nb: dict, root: Path = ROOT) -> dict[str, bytes]:
    """What a notebook's code can reach in `hpn_lite`: statements and data files, by file.

    A new lab, or a new way of placing points, so leaves alone the notebooks that do not name it. A data file counts if
    its folder and its name, with or without the ending, stand in quotes in what counts.
    """
    package = root / "hpn_lite"
    code = "\n".join(source(c) for c in code_cells(nb))
    # Lines of IPython's own language (%pip, !ls) are not Python; `pass` keeps the block they stand in.
    code = re.sub(r"^([ \t]*)[%!].*$", r"\1pass", code, flags=re.MULTILINE)
    kept, waiting = [], []
    for piece in pieces(code, ""):  # all of the notebook counts, but of its imports those that are used
        (kept if piece.text else waiting).append(("", 0, piece))
    for path in sorted(package.glob("*.py")):
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
        waiting += [(path.stem, i, piece) for i, piece in enumerate(pieces(text, path.stem))]
    uses = set().union(*(piece.uses for _, _, piece in kept))
    while True:
        every = {module for module, _ in uses}  # a module that is used at all runs its bare statements
        whole = {module for module, what in uses if what == "*"}

        def counts(module: str, piece: Piece, every=every, whole=whole, uses=uses) -> bool:
            if not piece.binds or module in whole:
                return module in every
            return any((module, bound) in uses for bound in piece.binds)

        now = [w for w in waiting if counts(w[0], w[2])]
        if not now:
            break
        kept += now
        waiting = [w for w in waiting if w not in now]
        uses = uses.union(*(piece.uses for _, _, piece in now))
    found: dict[str, bytes] = {}
    for module, _, piece in sorted(kept, key=lambda k: k[:2]):
        if module and piece.text:
            file = f"hpn_lite/{module}.py"
            found[file] = found.get(file, b"") + piece.text.encode() + b"\n"
    quoted = set(re.findall(r"""["']([\w./-]+)["']""", code + b"".join(found.values()).decode()))
    for path in sorted(p for p in package.glob("*/*") if p.is_file() and p.parent.name in quoted):
        if {path.name, path.stem} & quoted:
            found[name(path, root)] = path.read_bytes().replace(b"\r\n", b"\n")
    return found


def fingerprint(nb: dict, root: Path = ROOT) -> str:
    """sha256 over everything that the notebook's outputs depend on."""
    digest = hashlib.sha256()

    def add(label: str, data: bytes) -> None:
        digest.update(f"{label}\n{len(data)}\n".encode() + data)

    for cell in code_cells(nb):
        add("cell", source(cell).strip().encode())
    for file, data in reached(nb, root).items():
        add(file, data)
    for pattern in nb["metadata"].get("hpn", {}).get("reads", []):
        files = sorted(p for p in root.glob(pattern) if p.is_file())
        if not files and not pattern.startswith("notebooks/runs/"):  # a run record may be yet to come
            raise NotebookError(f'metadata.hpn.reads names "{pattern}", and no file matches that')
        for path in files:
            add(name(path, root), path.read_bytes())
    return digest.hexdigest()


def why_stale(nb: dict, path: Path, root: Path = ROOT) -> str | None:
    """None while the outputs are fresh, else a sentence that says what happened and what to do."""
    stored = nb["metadata"].get("hpn", {}).get("fingerprint")
    cells = code_cells(nb)
    try:
        if not cells or stored == fingerprint(nb, root):
            return None
    except SyntaxError as error:
        return f"{name(path, root)} or a module that it imports is not valid Python: {error}"
    if stored is None or any(c.get("execution_count") is None for c in cells):
        return f"{name(path, root)} has no stored outputs yet; run `make book`"
    return (
        f"{name(path, root)} was edited after its outputs were stored (or a module or data file that it uses was); "
        "run `make book`"
    )


# ---- Execution ------------------------------------------------------------------------------------------------------


def execute(path: Path, root: Path = ROOT, timeout: int = TIMEOUT) -> float:
    """Run a notebook from top to bottom in a fresh kernel and store the outputs; returns the seconds it took.

    The file is replaced in one step, and only if every cell ran. Raises NotebookError with the traceback otherwise.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    os.environ.setdefault("HPN_RUN", "0")  # records are shown; hours of training start only where somebody asks
    before = path.read_bytes()
    mark = fingerprint(read(path, root), root)
    nb = nbformat.reads(before.decode(), as_version=4)
    for i, cell in enumerate(nb.cells):
        cell.setdefault("id", f"cell-{i:02d}")  # format 4.5 wants ids; numbered ones keep diffs small
    nb.nbformat_minor = max(nb.nbformat_minor, 5)
    client = NotebookClient(
        nb,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # kernels warn at every start that they use the local network
    )
    start = time.perf_counter()
    try:
        client.execute()
    except CellTimeoutError as error:
        raise NotebookError(f"{name(path, root)}: a cell ran for more than {timeout} s\n{error}") from None
    except (CellExecutionError, DeadKernelError) as error:
        text = str(error) if sys.stdout.isatty() else re.sub(r"\x1b\[[0-9;]*m", "", str(error))
        raise NotebookError(f"{name(path, root)}: this cell failed, and the file was left as it was\n{text}") from None
    seconds = time.perf_counter() - start

    nb.metadata.pop("widgets", None)
    nb.metadata.kernelspec = KERNELSPEC
    nb.metadata.language_info = LANGUAGE_INFO
    nb.metadata["hpn"] = {**nb.metadata.get("hpn", {}), "fingerprint": mark, "seconds": round(seconds, 1)}
    if path.read_bytes() != before:
        raise NotebookError(f"{name(path, root)} was edited while it ran; its outputs were not stored: run it again")
    new = path.with_suffix(".ipynb.new")
    new.write_text(nbformat.writes(nb) + "\n", encoding="utf-8")
    new.replace(path)
    return seconds


def select(names: list[str], root: Path = ROOT) -> list[Path]:
    """The notebooks named (by path, file name or the beginning of one), or all of them."""
    paths = find(root)
    for n in names:
        if not any(name(p, root) == n or p.name.startswith(Path(n).name) for p in paths):
            known = ", ".join(name(p, root) for p in paths)
            raise NotebookError(f"there is no notebook {n!r}; there are: {known}")
    return [p for p in paths if not names or any(name(p, root) == n or p.name.startswith(Path(n).name) for n in names)]


def run_stale(paths: list[Path], everything: bool, root: Path = ROOT) -> int:
    """Execute what is stale among the paths (or everything), showing progress; returns how many failed."""
    failed, ran, start = [], 0, time.perf_counter()
    for path in paths:
        try:
            if not everything and why_stale(read(path, root), path, root) is None:
                continue
            print(f"executing {name(path, root)} ...", end=" ", flush=True)
            print(f"{execute(path, root):.1f} s", flush=True)
            ran += 1
        except (NotebookError, SyntaxError) as error:
            print("failed")
            failed.append(f"{error}")
    for message in failed:
        print(f"\n{message}", file=sys.stderr)
    fresh = len(paths) - ran - len(failed)
    print(f"notebooks: {fresh} fresh, {ran} executed, {len(failed)} failed ({time.perf_counter() - start:.0f} s)")
    return len(failed)


def inspect(path: Path, rules: bool, root: Path = ROOT) -> list[str]:
    """What is wrong with a notebook: stale outputs and, if asked, broken rules."""
    try:
        nb = read(path, root)
        stale = why_stale(nb, path, root)
    except NotebookError as error:
        return [str(error)]
    found = [stale] if stale else []
    if rules:
        from rules import complaints, is_chapter

        found += [f"{name(path, root)}: {text}" for text in complaints(nb, is_chapter(path))]
    return found


# ---- Notebooks as text ----------------------------------------------------------------------------------------------


def convert(paths: list[Path], to_text: bool, root: Path = ROOT) -> None:
    """Write notebooks as MyST text into _text/, or bring edited text back.

    The newer side is never overwritten, and what is overwritten is kept in _text/before/.
    """
    for path in paths:
        text = root / "_text" / path.relative_to(root).with_suffix(".md")
        old, new = (path, text) if to_text else (text, path)
        if not old.exists() or new.exists() and new.stat().st_mtime >= old.stat().st_mtime:
            print(f"{name(new, root)}: kept, it is newer" if old.exists() else f"{name(old, root)}: not there")
            continue
        text.parent.mkdir(parents=True, exist_ok=True)
        if new.exists():
            (root / "_text/before").mkdir(exist_ok=True)
            shutil.copy2(new, root / "_text/before" / new.name)
        # --update keeps the outputs of the cells; `make book` then sees whether their code changed.
        options = ["--to", "md:myst"] if to_text else ["--to", "ipynb", "--update"]
        subprocess.run([sys.executable, "-m", "jupytext", "-q", *options, "-o", str(new), str(old)], check=True)
        if not to_text:  # what jupytext notes for itself
            nb = read(new, root)
            nb["metadata"].pop("jupytext", None)
            new.write_text(json.dumps(nb, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.utime(old, (new.stat().st_mtime,) * 2)  # both sides now say the same
        print(f"{name(old, root)} -> {name(new, root)}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for command, text in {
        "status": "say which notebooks are fresh",
        "execute": "run the stale notebooks and store their outputs",
        "check": "say which rules of the book the notebooks break",
        "text": "write notebooks as text into _text/",
        "notebook": "bring edited text back into the notebooks",
    }.items():
        sub = commands.add_parser(command, help=text)
        sub.add_argument("names", nargs="*", help="notebooks, for example 03-thomson (default: all)")
        if command == "execute":
            sub.add_argument("--all", action="store_true", help="run fresh ones too")
    args = parser.parse_args(argv)
    try:
        paths = select(args.names)
        if args.command == "execute":
            return 1 if run_stale(paths, args.all or bool(args.names)) else 0
        if args.command in ("status", "check"):
            found = [complaint for path in paths for complaint in inspect(path, rules=args.command == "check")]
            print("\n".join(found) or f"{len(paths)} notebooks: all is well")
            return 1 if found else 0
        convert(paths, args.command == "text")
    except NotebookError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
