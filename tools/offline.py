"""Packs the built pages into one file, _build/learning-on-the-hypersphere-pages.zip (make offline calls this).

    python tools/offline.py

Unpack it anywhere and open START.html: no server, no network, nothing to install. The file is the same, byte for byte,
for the same pages, so that it can be compared. Run it after the pages are built; it refuses stale ones.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pages

ZIP = pages.OUTPUT / "_build" / "learning-on-the-hypersphere-pages.zip"
FOLDER = "learning-on-the-hypersphere"  # what the zip unpacks to
START = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Learning on the Hypersphere</title>
<meta http-equiv="refresh" content="0; url=pages/book/welcome.html"></head>
<body><p><a href="pages/book/welcome.html">Learning on the Hypersphere: begin here</a></p></body></html>
"""
LEFT_OUT = {".buildinfo", "objects.inv", "sitemap.xml"}  # of use to a server or to Sphinx, not to a reader
LEFT_OUT_FOLDERS = {"reports", ".doctrees"}


def files(site: Path) -> list[Path]:
    """What goes in: all files of the site that a reader's browser may ask for, sorted."""
    found = (p for p in site.rglob("*") if p.is_file())
    parts = lambda p: p.relative_to(site).parts  # noqa: E731
    return sorted(p for p in found if p.name not in LEFT_OUT and not LEFT_OUT_FOLDERS & set(parts(p)))


def pack(site: Path, target: Path) -> int:
    """Write the zip, in one step; returns the number of files of the site in it.

    Raises:
        FileNotFoundError: if the site has no welcome page.
    """
    if not (site / "book" / "welcome.html").is_file():
        raise FileNotFoundError(f"{site} holds no built pages: run make book first")
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".part")
    licences = [pages.ROOT / name for name in ("LICENSE", "LICENSE-text")]
    with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:

        def add(name: str, data: bytes) -> None:
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            packed.writestr(entry, data)

        add("START.html", START.encode())
        for licence in licences:
            add(licence.name, licence.read_bytes())
        listed = files(site)
        for file in listed:
            add(f"pages/{file.relative_to(site).as_posix()}", file.read_bytes())
    half.replace(target)
    return len(listed)


def main() -> int:
    if not pages.fresh():
        print("The pages are not there, or older than their sources: run make book first.", file=sys.stderr)
        return 1
    count = pack(pages.HTML, ZIP)
    print(f"{ZIP} ({count} files, {ZIP.stat().st_size / 1e6:.0f} MB). Unpack it and open START.html.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
