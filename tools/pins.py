"""Renews requirements.txt: the newest versions that fit pyproject.toml, for all its Pythons and systems (make pins).

Needs a network. Run make book and make test afterwards, and commit the pins with what they changed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# The versions this book was built and tested with, on Python 3.11 to 3.13 (make pins renews them).\n"
COMPILE = "pip compile pyproject.toml --universal --upgrade --python-version 3.11"
EXTRAS = "--extra book --extra test --extra teach"
PLAIN = "--no-annotate --no-header --no-emit-index-url --no-emit-find-links --no-strip-markers --quiet"


def main() -> int:
    uv = Path(sys.executable).parent / "uv"
    command = [uv, *f"{COMPILE} {EXTRAS} {PLAIN}".split()]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        print(
            "The pins stay as they were: see above (no network, or bounds that contradict each other).", file=sys.stderr
        )
        return done.returncode
    bad = [line for line in done.stdout.splitlines() if "://" in line or " @ " in line or "+" in line.split(";")[0]]
    if bad:
        print(
            "The pins stay as they were: these lines name an address or a private build:",
            *bad,
            sep="\n",
            file=sys.stderr,
        )
        return 1
    (ROOT / "requirements.txt").write_text(HEADER + done.stdout, encoding="utf-8")
    print("requirements.txt is renewed. Now: make book && make test")
    return 0


if __name__ == "__main__":
    sys.exit(main())
