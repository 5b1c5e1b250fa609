"""A small Sphinx extension for this site.

It mends what the theme gets wrong, so that the page tests need no list of exceptions: every fix says what fails without
it, and works on the finished HTML, because the theme has no setting for any of them. And it lets docstrings be plain
text, which is how people read them in a notebook, by turning them into Sphinx's markup here.
"""

from __future__ import annotations

import re
from pathlib import Path

FIXES = [
    # The launch button for live code (thebe) is off, yet its scripts are added, twice; the browser reports on every
    # page: "Identifier 'THEBE_JS_URL' has already been declared".
    (r"<script>const THEBE_JS_URL.*?</script>", ""),
    (r'<script async="async" src="[^"]*sphinx-thebe\.js[^>]*></script>', ""),
    (r"<link [^>]*sphinx-thebe\.css[^>]*>", ""),
    (r'<script type="text/x-thebe-config">.*?</script>', ""),
    (r"<script>kernelName = .*?</script>", ""),
    # Preloading a font is refused on a page opened from a folder; the style sheet loads the same fonts anyway.
    (r'<link rel="preload" as="font"[^>]*>', ""),
    # axe, label-content-name-mismatch: the button reads "Search Ctrl+K" and is named "Search".
    (r'(<button class="btn search-button-field[^>]*) title="Search" aria-label="Search"', r"\1"),
    # axe, aria-allowed-role and list: ARIA has given up this role; entries of a list are list items.
    (r'role="doc-biblioentry"', 'role="listitem"'),
    # axe, label-content-name-mismatch: a hidden cell reads "Show code cell source" and is named otherwise.
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    # axe, summary-name: the arrow that unfolds the pages below a page has no name.
    (r'<summary>(<span class="toctree-toggle")', r'<summary aria-label="Pages below this one">\1'),
    # axe, region: the logo stands in no landmark.
    (r'<div (class="bd-sidebar-primary)', r'<div role="complementary" aria-label="The book" \1'),
]

# The theme's script takes the right-hand sidebar for granted wherever there is a margin note and stops with
# "Cannot read properties of null (reading 'classList')" on pages too short to have one.
NO_SIDEBAR = '<div class="bd-sidebar-secondary" style="display:none"></div></body>'


def mend(html: str) -> str:
    for pattern, replacement in FIXES:
        html = re.sub(pattern, replacement, html, flags=re.DOTALL)
    if 'class="bd-sidebar-secondary' not in html:
        html = html.replace("</body>", NO_SIDEBAR)
    return html


def mend_all(app, exception) -> None:
    if exception is None and app.builder.name == "html":
        for path in Path(app.outdir).rglob("*.html"):
            if "_static" not in path.relative_to(app.outdir).parts:
                html = path.read_text(encoding="utf-8")
                mended = mend(html)
                if mended != html:
                    path.write_text(mended, encoding="utf-8")


def docstring_to_rst(app, what, name, obj, options, lines: list[str]) -> None:
    """Make markup of a plain docstring: `code` becomes a literal, other special signs are escaped, Source a section."""
    if lines and lines[0].startswith("Alias for field number"):  # Python's own words for a field of a named tuple
        lines.clear()
        return
    for i, line in enumerate(lines):
        parts = line.split("`")
        if len(parts) % 2:  # the backticks of this line come in pairs; every second part is code
            plain = [re.sub(r"([*|\\]|(?<=\w)_(?!\w))", r"\\\1", p) for p in parts[::2]]
            parts[::2] = plain
            lines[i] = "".join(p if n % 2 == 0 else f"``{p}``" for n, p in enumerate(parts))
    if "References:" in lines:  # one entry a line, and a list on the page
        start = lines.index("References:") + 1
        entries = [line for line in lines[start:] if line.strip()]
        lines[start:] = [line.replace("    ", "    - ", 1) if line.startswith("    ") else line for line in entries]
    text = re.sub(r"^Source: *(.+(?:\n[ \t]+.+)*)", r"Source:\n    \1", "\n".join(lines), flags=re.MULTILINE)
    lines[:] = text.split("\n")


def setup(app) -> dict:
    app.connect("build-finished", mend_all)
    app.connect("autodoc-process-docstring", docstring_to_rst, priority=400)  # before napoleon reads the sections
    return {"parallel_read_safe": True, "parallel_write_safe": True}
