"""Makes the book as one PDF, _build/learning-on-the-hypersphere.pdf (make pdf calls this).

    python tools/book_pdf.py

Sphinx writes LaTeX from the stored outputs, labs as their pictures, and latexmk sets it with xelatex. Both are part of
TeX Live, which the book does not install: where it is missing, the error names the packages.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pages
import yaml

PDF = pages.OUTPUT / "_build" / "learning-on-the-hypersphere.pdf"
WORK = pages.OUTPUT / "_build" / "pdf"  # Sphinx puts its own _build in here
NEEDED = ("xelatex", "latexmk", "xindy")
ADVICE = """make pdf needs {missing}, which {is_are} not on this machine. On Debian or Ubuntu (about 2 GB):
    apt-get install texlive-xetex texlive-latex-extra texlive-fonts-extra texlive-fonts-recommended \\
        fonts-dejavu latexmk xindy
elsewhere install TeX Live or MacTeX, https://tug.org/texlive. The pages (make book) need none of it; make offline packs
them into one file."""


def missing() -> list[str]:
    return [name for name in NEEDED if shutil.which(name) is None]


def advice(names: list[str]) -> str:
    return ADVICE.format(missing=" and ".join(names), is_are="is" if len(names) == 1 else "are")


def write_latex() -> Path:
    """Have Sphinx write the LaTeX of the whole book; the folder that it is in. Warnings are errors."""
    command = ["build", str(pages.ROOT), "--all", "-W", "-n", "--keep-going", "--builder", "latex"]
    subprocess.run(
        [str(Path(sys.executable).parent / "jupyter-book"), *command, "--path-output", str(WORK)],
        check=True,
        cwd=pages.ROOT,
        stdout=subprocess.DEVNULL,
    )
    return WORK / "_build" / "latex"


def numbered(tex: str) -> str:
    """The LaTeX with the chapters numbered as on the pages: from 1 in the first numbered part, none at front and back.

    Sphinx numbers every chapter of a PDF; the table of contents says which parts are `numbered`.
    """
    parts = yaml.safe_load((pages.ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    first = next(i for i, part in enumerate(parts) if part.get("numbered"))
    found = iter(enumerate(parts))

    def part(match: re.Match) -> str:
        i, known = next(found)
        depth = 2 if known.get("numbered") else -1
        reset = "\\setcounter{chapter}{0}" if i == first else ""
        return f"\\setcounter{{secnumdepth}}{{{depth}}}{reset}\n{match[0]}"

    return re.sub(r"^\\part\{", part, tex, flags=re.M)


def faults(log: str) -> list[str]:
    """What a reader would miss: glyphs that no font has, references to nothing, errors that TeX passed over."""
    glyphs = {f"no glyph for {c}" for c in re.findall(r"Missing character: There is no (\S+)", log)}
    errors = set(re.findall(r"^! .*", log, flags=re.M))
    undefined = set(re.findall(r"^(?:LaTeX|Package hyperref) Warning: .*undefined.*", log, flags=re.M))
    return sorted(glyphs | errors | undefined)


def typeset(folder: Path) -> str:
    """Run latexmk; the log of the last pass. Raises CalledProcessError with the end of it where TeX stops."""
    environment = {
        **os.environ,
        "max_print_line": "1000",
        "LATEXOPTS": "",
        "XINDYOPTS": "-L english -C utf8 -M sphinx.xdy",
    }
    command = ["latexmk", "-xelatex", "-interaction=nonstopmode", "-halt-on-error", "-silent", "hypersphere.tex"]
    subprocess.run(
        command, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return (folder / "hypersphere.log").read_text(encoding="utf-8", errors="replace")


def main() -> int:
    if names := missing():
        print(advice(names), file=sys.stderr)
        return 1
    print("Sphinx writes the LaTeX, xelatex sets it three or four times: some minutes.", flush=True)
    try:
        folder = write_latex()
        tex = folder / "hypersphere.tex"
        tex.write_text(numbered(tex.read_text(encoding="utf-8")), encoding="utf-8")
        log = typeset(folder)
    except subprocess.CalledProcessError as error:
        log = WORK / "_build" / "latex" / "hypersphere.log"
        print(f"{error.cmd[0]} failed; if it was TeX, {log} says why, at its end.", file=sys.stderr)
        return error.returncode
    shutil.copyfile(folder / "hypersphere.pdf", PDF)
    if found := faults(log):
        print("The PDF is there but has faults:\n  " + "\n  ".join(found), file=sys.stderr)
        return 1
    print(f"{PDF} ({PDF.stat().st_size / 1e6:.0f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
