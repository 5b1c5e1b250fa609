"""Builds the pages in _build/html when something that they are made of has changed (make book calls this).

    python tools/pages.py [--again]

Warnings are errors. The digest of all sources is kept beside the pages, so `make test` knows whether it can use them
as they are. HPN_OUTPUT names another folder for _build.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = Path(os.environ.get("HPN_OUTPUT", ROOT)).resolve()
HTML = OUTPUT / "_build" / "html"
STAMP = OUTPUT / "_build" / "html.sha256"
SOURCES = ("_config.yml", "_toc.yml", "requirements.txt", "book", "notebooks", "hpn_lite", "tools/site_fixes.py")


def digest() -> str:
    """sha256 over the names and bytes of everything that the pages are made of."""
    total = hashlib.sha256()
    for source in SOURCES:
        path = ROOT / source
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            hidden = any(part.startswith((".", "__pycache__")) for part in file.relative_to(ROOT).parts)
            if file.is_file() and not hidden:
                data = file.read_bytes()
                total.update(f"{file.relative_to(ROOT).as_posix()}\n{len(data)}\n".encode() + data)
    return total.hexdigest()


def fresh() -> bool:
    return (HTML / "index.html").exists() and STAMP.exists() and STAMP.read_text() == digest()


def build(quiet: bool = False) -> None:
    """Build all pages; raises CalledProcessError when Sphinx warns or fails. `quiet` keeps the log for the error."""
    STAMP.unlink(missing_ok=True)
    before = digest()
    # --all, because a page that did not change itself still shows the table of contents and the numbers of others.
    command = ["build", str(ROOT), "--all", "-W", "-n", "--keep-going", "--path-output", str(OUTPUT)]
    subprocess.run(
        [str(Path(sys.executable).parent / "jupyter-book"), *command],
        check=True,
        cwd=ROOT,
        capture_output=quiet,
        text=True,
    )
    STAMP.write_text(before)


def main(argv: list[str]) -> int:
    if argv not in ([], ["--again"]):
        print(f"unknown option {' '.join(argv)}; there is one: --again builds the pages even when nothing changed")
        return 2
    if fresh() and not argv:
        print("pages: fresh")
    else:
        try:
            build()
        except subprocess.CalledProcessError as error:
            print(
                "\nThe pages have faults: see the lines with WARNING or ERROR above (all of them count).",
                file=sys.stderr,
            )
            return error.returncode
    print(f"\nThe book is ready. Open {HTML / 'index.html'} in a browser, or run make serve.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
