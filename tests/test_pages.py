"""The built pages: links, and every page opened in a real browser, by phone and by desktop, in light and in dark."""

from __future__ import annotations

import functools
import html.parser
import http.server
import json
import threading
import urllib.parse
from pathlib import Path

import notebooks
import pages
import pytest
import rules
import yaml

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def listed() -> list[str]:
    """The pages of the table of contents, in order, with the pages below a page."""
    toc = yaml.safe_load((pages.ROOT / "_toc.yml").read_text())
    chapters = [c for part in toc["parts"] for c in part["chapters"]]
    return [toc["root"], *(p["file"] for c in chapters for p in (c, *c.get("sections", ())))]


PAGES = [f"{name}.html" for name in listed()]
NOTEBOOK_PAGES = [name for name in listed() if (pages.ROOT / f"{name}.ipynb").exists()]


# ---- Without a browser ----------------------------------------------------------------------------------------------


class Links(html.parser.HTMLParser):
    """Collects what a page points to, what it can be pointed at, and its pictures."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.targets, self.ids, self.pictures = path, [], set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given[k] for k in ("id", "name") if given.get(k)}
        if tag in ("a", "img", "script", "link", "source"):
            self.targets += [given[k] for k in ("href", "src") if given.get(k)]
        if tag == "img":
            self.pictures.append((given.get("src", ""), given.get("alt")))


@functools.cache
def links_of(path: Path) -> Links:
    return Links(path)


def dead(page: Links, root: Path) -> list[str]:
    """The local targets of a page that do not exist: files, and places within pages."""
    found = []
    for target in page.targets:
        url = urllib.parse.urlsplit(target)
        if url.scheme or url.netloc:
            continue
        file = (page.path.parent / urllib.parse.unquote(url.path)).resolve() if url.path else page.path
        if not file.is_file() or root not in file.parents:
            found.append(target)
        elif url.fragment and file.suffix == ".html":
            if urllib.parse.unquote(url.fragment) not in links_of(file).ids:
                found.append(target)
    return found


def test_no_dead_link_anchor_or_picture(site):
    built = [p for p in sorted(site.rglob("*.html")) if "_static" not in p.parts]
    assert len(built) >= len(PAGES)
    found = {p.name: dead(links_of(p), site) for p in built}
    assert not any(found.values()), {name: targets for name, targets in found.items() if targets}


def test_every_picture_has_alt_text(site):
    for page in PAGES:
        assert [src for src, alt in links_of(site / page).pictures if not alt] == [], page


def test_link_checker_finds_dead_links(tmp_path):
    page = tmp_path / "a.html"
    page.write_text('<a id="here"></a><a href="#here"></a><a href="#gone"></a><a href="b.html"></a><img src="c.png">')
    assert dead(Links(page), tmp_path) == ["#gone", "b.html", "c.png"]


def test_launch_buttons_open_the_notebook(site):
    repository = yaml.safe_load((pages.ROOT / "_config.yml").read_text())["repository"]["url"]
    project = repository.removeprefix("https://github.com/")
    assert NOTEBOOK_PAGES
    for name in NOTEBOOK_PAGES:
        targets = links_of(site / f"{name}.html").targets
        assert f"https://colab.research.google.com/github/{project}/blob/main/{name}.ipynb" in targets
        assert any(
            t.startswith(f"https://mybinder.org/v2/gh/{project}/main?") and f"{name}.ipynb" in t for t in targets
        )
        assert any("/hub/user-redirect/git-pull?" in t and f"{name}.ipynb" in t for t in targets)


def test_pages_describe_themselves(site):
    """A title, a sentence for search engines and previews, an icon; and the site map lists every page."""
    sitemap = (site / "sitemap.xml").read_text()
    for page in PAGES:
        text = (site / page).read_text(encoding="utf-8")
        assert "<title>" in text and 'rel="icon"' in text, page
        assert '<meta name="description" content="' in text, f"{page} has no description"
        assert page in sitemap


# ---- In the browser -------------------------------------------------------------------------------------------------


def faults_of_access(page) -> list[str]:
    """What axe finds: contrast, names of controls, landmarks, order of headings and much else."""
    page.evaluate(AXE)
    # preload would fetch the style sheets once more, which a page opened from a folder may not
    found = page.evaluate("tags => axe.run(document, {runOnly: tags, preload: false})", AXE_TAGS)["violations"]
    return [f"{v['id']}: {v['help']}: {n['html'][:200]}" for v in found for n in v["nodes"]]


@pytest.mark.parametrize(("size", "scheme"), [("phone", "dark"), ("desktop", "light")])
@pytest.mark.parametrize("page", [*PAGES, "search.html", "genindex.html"])
def test_page_opens_without_a_fault(visit, page, size, scheme):
    v = visit(page, size, scheme)
    assert v.page.evaluate("document.documentElement.dataset.theme") == scheme
    assert v.page.locator("mjx-merror, [data-mjx-error]").count() == 0, "a formula could not be set"
    too_wide = v.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert too_wide <= 0, f"the page is {too_wide} px wider than the window"
    assert faults_of_access(v.page) == []
    assert v.requests == [], "the page asks other servers"
    assert v.errors == []


def test_axe_finds_faults(visit):
    v = visit("search.html")
    v.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<main><img src=\"a.png\"><button></button></main>')"
    )
    assert {"image-alt", "button-name"} <= {text.split(":")[0] for text in faults_of_access(v.page)}


def test_formulas_are_set_by_the_vendored_mathjax(visit, site):
    with_formulas = [p for p in PAGES if 'class="math' in (site / p).read_text(encoding="utf-8")]
    assert with_formulas
    for page in with_formulas[:2]:
        assert visit(page).page.locator("mjx-container").count() > 0, page


def hits(page, word: str) -> list[str]:
    page.locator("#search-results li a").first.wait_for()
    page.wait_for_function("document.querySelector('#search-results .search-summary')?.textContent.includes('found')")
    return page.locator("#search-results li a").all_text_contents()


def test_search_finds_thomson_from_a_folder(visit):
    v = visit("book/welcome.html")
    v.page.keyboard.press("Control+k")
    v.page.keyboard.type("Thomson")
    v.page.keyboard.press("Enter")
    assert any("Thomson" in text for text in hits(v.page, "Thomson"))
    assert v.requests == []


@pytest.fixture
def served(site):
    """The address of a web server on this machine that has the site."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_site_works_from_a_server(visit, served):
    v = visit("book/welcome.html", base=served)
    search = visit("search.html?q=Thomson", base=served)
    assert any("Thomson" in text for text in hits(search.page, "Thomson"))
    for each in (v, search):
        assert each.requests == [] and each.errors == []
    v.page.goto(f"{served}/index.html")
    v.page.wait_for_url("**/book/welcome.html")  # the root leads to the first page


# ---- Labs -----------------------------------------------------------------------------------------------------------

FOCUS_IN_LAB = "lab => lab.contains(document.activeElement) && document.activeElement !== lab"
CONTROLS = "input:not([type=hidden]), select, button, textarea, [tabindex='0']"
KEYS = {
    "range": ["ArrowRight", "ArrowLeft", "End"],
    "number": ["ArrowUp"],
    "text": ["3", "Enter"],
    "checkbox": ["Space"],
    "radio": ["Space", "ArrowDown"],
}
# Where Tab should stop: every control that can be used, and of a group of radio buttons one. Returns their numbers.
STOPS = """(lab, controls) => {
    const usable = e => !e.disabled && e.tabIndex >= 0 && e.getClientRects().length;
    const seen = [...lab.querySelectorAll(controls)].filter(usable);
    seen.forEach((e, i) => e.dataset.testNumber = i);
    const group = e => seen.filter(r => r.name === e.name);
    const stop = e => e.type !== "radio" || e === (group(e).find(r => r.checked) ?? group(e)[0]);
    return seen.filter(stop).map(e => e.dataset.testNumber);
}"""


def keys_for(page) -> list[str]:
    """The keys that a reader would press at the control that has the focus."""
    kind = page.evaluate("(document.activeElement.type || document.activeElement.tagName).toLowerCase()")
    return KEYS.get(kind, ["ArrowDown", "ArrowUp"] if kind.startswith("select") else ["Enter", "ArrowRight"])


def labs_in_notebook(name: str) -> int:
    nb = notebooks.read(pages.ROOT / f"{name}.ipynb")
    return sum(rules.html(cell).count(rules.LAB) for cell in notebooks.code_cells(nb))


@pytest.mark.parametrize("name", [n for n in NOTEBOOK_PAGES if labs_in_notebook(n)])
@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_labs_work_by_keyboard(visit, name, size):
    """Tab reaches every control of every lab in turn, its keys do something, and the status says so in words."""
    v = visit(f"{name}.html", size, reduced_motion="reduce")  # so that nothing speaks unless a key made it
    labs = v.page.locator(".hpn-lab[data-lab]")
    assert labs.count() == labs_in_notebook(name), "a lab of the notebook is not on the page"
    for lab in labs.all():
        title = lab.get_attribute("data-lab")
        status = lab.locator("[role=status][aria-live=polite]")
        lab.scroll_into_view_if_needed()
        v.page.wait_for_function("lab => lab.hpn", arg=lab.element_handle())
        said = {status.inner_text()}
        wanted = lab.evaluate(STOPS, CONTROLS)
        reached = set()
        lab.locator(f"[data-test-number='{wanted[0]}']").focus()
        for _ in range(len(wanted) + 5):
            if not lab.evaluate(FOCUS_IN_LAB):
                break
            reached.add(v.page.evaluate("document.activeElement.dataset.testNumber"))
            for key in keys_for(v.page):
                v.page.keyboard.press(key)
                v.page.wait_for_timeout(60)  # a frame or two: labs draw and speak when the browser asks them to
                said.add(status.inner_text())
            if not lab.evaluate(FOCUS_IN_LAB):  # a button that removed or disabled itself lost the focus
                lab.locator(f"[data-test-number='{max(map(int, reached))}']").focus()
            v.page.keyboard.press("Tab")
        assert set(wanted) <= reached, f"{title}: Tab does not reach every control"
        if len(said) == 1:  # a status may wait for a pause before it speaks; once more, and with patience
            lab.locator(f"[data-test-number='{wanted[0]}']").focus()
            for key in ["Home", *keys_for(v.page)]:
                v.page.keyboard.press(key)
                v.page.wait_for_timeout(1500)
                said.add(status.inner_text())
        assert len(said) > 1 and len(status.inner_text().strip()) > 10, (
            f"{title}: no key changed what the status says: {said}"
        )
        state = lab.evaluate("e => JSON.stringify(e.hpn.state())")
        assert json.loads(state), f"{title}: state() is empty"
    assert v.requests == [] and v.errors == []
