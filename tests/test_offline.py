"""The zip for a room without a network, and the PDF where TeX Live is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile

import book_pdf
import offline
import pages
import pytest

SCRIPT = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=["']((?:https?:)?//[^"']+)""", re.I)
LINKS_THAT_LOAD_NOTHING = re.compile(r"""<link [^>]*rel=["'](?:canonical|license|author)["']""", re.I)


@pytest.fixture(scope="module")
def packed(site, tmp_path_factory):
    """The zip of the built pages, and where it was unpacked: a folder with a blank and an umlaut in its name."""
    where = tmp_path_factory.mktemp("a stick ü")
    file = where / "pages.zip"
    count = offline.pack(site, file)
    with zipfile.ZipFile(file) as z:
        assert z.testzip() is None
        names = z.namelist()
        z.extractall(where)
    return file, names, where / offline.FOLDER, count


def test_the_zip_holds_the_whole_site(packed, site):
    _, names, folder, count = packed
    wanted = {p.relative_to(site).as_posix() for p in site.rglob("*") if p.is_file()}
    have = {n.removeprefix(f"{offline.FOLDER}/pages/") for n in names if "/pages/" in n}
    assert have <= wanted and len(have) == count
    missing = {n for n in wanted - have if n.split("/")[-1] not in offline.LEFT_OUT}
    assert not {n for n in missing if not offline.LEFT_OUT_FOLDERS & set(n.split("/"))}
    for page in ("book/welcome.html", "search.html", "searchindex.js", "_static/vendor/mathjax/tex-mml-chtml.js"):
        assert (folder / "pages" / page).read_bytes() == (site / page).read_bytes()
    assert all(n.startswith(offline.FOLDER + "/") and ".." not in n for n in names)
    assert (folder / "LICENSE").exists() and (folder / "LICENSE-text").exists()


def test_nothing_in_the_zip_loads_from_elsewhere(packed):
    _, _, folder, _ = packed
    for page in sorted(folder.rglob("*.html")):
        text = LINKS_THAT_LOAD_NOTHING.sub("<kept ", page.read_text(encoding="utf-8"))
        assert SCRIPT.findall(text) == [], page.name
    assert SCRIPT.findall('<script async src="https://cdn.example.org/x.js"></script>') == [
        "https://cdn.example.org/x.js"
    ]


def test_it_opens_from_the_folder_and_links_work(packed, browser):
    """From START.html to the welcome page and on by a link, with every request to a server noted; there is none."""
    _, _, folder, _ = packed
    context = browser.new_context()
    page, asked, errors = context.new_page(), [], []
    page.on("request", lambda r: asked.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None)
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.goto((folder / "START.html").as_uri())
    page.wait_for_url("**/pages/book/welcome.html")
    page.wait_for_function("document.querySelector('.hpn-lab')?.hpn")
    with page.expect_navigation():
        page.locator("article a[href='01-directions.html']").last.click()
    assert (
        page.locator("h1").first.inner_text().startswith("1") or "Directions" in page.locator("h1").first.inner_text()
    )
    assert asked == [] and errors == []
    context.close()


def test_the_zip_is_the_same_every_time(site, tmp_path):
    some = tmp_path / "site"
    (some / "book").mkdir(parents=True)
    shutil.copy(site / "book" / "welcome.html", some / "book")
    (some / ".buildinfo").write_text("left out")
    (some / "reports").mkdir()
    (some / "reports" / "x.log").write_text("left out")
    offline.pack(some, tmp_path / "a.zip")
    os.utime(some / "book" / "welcome.html", (0, 0))
    assert offline.pack(some, tmp_path / "b.zip") == 1
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_no_pages_no_zip(tmp_path):
    with pytest.raises(FileNotFoundError, match="make book"):
        offline.pack(tmp_path, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


# ---- PDF ------------------------------------------------------------------------------------------------------------


def test_without_tex_the_error_names_the_packages(tmp_path):
    """With an empty PATH nothing is found, whatever this machine has."""
    done = subprocess.run(
        [sys.executable, str(pages.ROOT / "tools/book_pdf.py")],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    for word in (
        "xelatex and latexmk and xindy",
        "apt-get install",
        "texlive-xetex",
        "texlive-fonts-extra",
        "make book",
    ):
        assert word in done.stderr


def test_faults_of_a_log():
    log = """Missing character: There is no ∎ ("220E) in font LibertinusSerif
! Undefined control sequence.
LaTeX Warning: Reference `x' on page 1 undefined on input line 3.
Overfull \\hbox (3.2pt too wide)
"""
    found = book_pdf.faults(log)
    assert len(found) == 3 and "no glyph for ∎" in found and "! Undefined control sequence." in found
    assert book_pdf.faults("all is well") == []


def test_chapters_are_numbered_as_on_the_pages():
    toc = (pages.ROOT / "_toc.yml").read_text()
    names = re.findall(r"caption: (.*)", toc)
    tex = book_pdf.numbered("".join(f"\\part{{{name}}}\n\\chapter{{x}}\n" for name in names))
    before = dict(zip(names, re.findall(r"(.*(?:\n.*)?)\n\\part", tex), strict=True))
    assert "{secnumdepth}{-1}" in before["Start"] and "{secnumdepth}{-1}" in before["Back"]
    assert "{secnumdepth}{2}\\setcounter{chapter}{0}" in before["I · Points"]
    assert sum("{chapter}{0}" in text for text in before.values()) == 1


@pytest.mark.skipif(bool(book_pdf.missing()), reason=f"make pdf needs {' and '.join(book_pdf.missing())} of TeX Live")
@pytest.mark.skipif(os.environ.get("HPN_PDF", "") in ("", "0"), reason="minutes of TeX; set HPN_PDF=1 to build the PDF")
def test_the_pdf_is_made():
    assert book_pdf.main() == 0
    data = book_pdf.PDF.read_bytes()
    assert data.startswith(b"%PDF") and len(data) > 1_000_000
