"""Shared by all tests: the built pages, and a browser to open them in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import filelock
import hypothesis
import pages
import pytest

# How fast a machine is says nothing about the code; the same examples every time keep a red test red.
hypothesis.settings.register_profile("book", deadline=None, derandomize=True)
hypothesis.settings.load_profile("book")

# Notebooks show what is recorded and train nothing at full scale, GPU or not.
os.environ.setdefault("HPN_RUN", "0")

# The kernel that runs a notebook is the one of this environment, whatever kernels a home folder holds.
os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
NO_BROWSER = (
    "no Chromium found: install it (apt-get install chromium on Debian and Ubuntu, or any Google Chrome), "
    "or name it: HPN_CHROMIUM=/path/to/chromium make test"
)
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 900}}


def find_chromium() -> str | None:
    named = os.environ.get("HPN_CHROMIUM")
    if named:
        return shutil.which(named)
    return next(filter(None, map(shutil.which, (*BROWSERS, MAC))), None)


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The folder of the built pages; builds them first when they are missing or something changed since."""
    lock = pages.OUTPUT / "_build" / "html.lock"  # the workers of one test run, and several runs, take turns
    lock.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(lock):
        if not pages.fresh():
            try:
                pages.build(quiet=True)
            except subprocess.CalledProcessError as error:
                faults = re.findall(r".*(?:WARNING|ERROR|Error): .*", error.stdout + error.stderr)
                pytest.fail("the pages have faults (make book shows all):\n" + "\n".join(faults[:30]), pytrace=False)
    return pages.HTML


@pytest.fixture(scope="module")  # not longer: while it runs, nothing else of asyncio (nbval) can run in this worker
def browser():
    """A headless Chromium driven by playwright. Without one the test is skipped, and on CI it fails."""
    path = find_chromium()
    if path is None:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(NO_BROWSER, pytrace=False)
        pytest.skip(NO_BROWSER)
    from playwright.sync_api import sync_playwright

    root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium's sandbox does not work for root, as in containers
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if root else [])
        yield chromium
        chromium.close()


class Visit:
    """One page open in the browser, with everything it complained about and everything it asked other servers for."""

    def __init__(self, browser, url: str, size: str, scheme: str, reduced_motion: str = "no-preference"):
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.context = browser.new_context(
            viewport=SIZES[size], color_scheme=scheme, reduced_motion=reduced_motion, has_touch=size == "phone"
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)  # machines differ; a passing test never waits for it
        self.page.on("pageerror", lambda error: self.errors.append(f"page error: {error}"))
        self.page.on("console", self._hear)
        self.context.route(lambda url: not url.startswith(("file:", "data:", "blob:", "http://127.0.0.1")), self._stop)
        self.page.goto(url)
        # Formulas are set after the page has loaded, and change its height.
        self.page.evaluate("() => window.MathJax?.startup?.promise?.then(() => true)")
        self.page.evaluate("() => document.fonts.ready.then(() => true)")

    def _hear(self, message) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"console: {message.text}")

    def _stop(self, route) -> None:
        self.requests.append(route.request.url)
        route.abort()


@pytest.fixture
def visit(browser, site):
    """A function that opens a page of the site: visit("book/welcome.html", "phone", "dark").page is playwright's."""
    visits = []

    def go(page: str, size: str = "desktop", scheme: str = "light", base: str | None = None, **options) -> Visit:
        visits.append(Visit(browser, f"{base or site.as_uri()}/{page}", size, scheme, **options))
        return visits[-1]

    yield go
    for v in visits:
        v.context.close()


@pytest.fixture
def bare(browser):
    """A function that opens a lab on a page of its own, without the site; a script that fails there fails the test."""
    contexts, errors = [], []

    def go(lab, **options):
        contexts.append(browser.new_context(**{"viewport": {"width": 900, "height": 900}, **options}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        head = '<meta charset="utf-8"><title>lab</title>'
        page.set_content(f"<!doctype html><html><head>{head}</head><body>{lab._repr_mimebundle_()['text/html']}</body>")
        page.wait_for_function("document.querySelector('.hpn-lab')?.hpn")
        return page

    yield go
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture(scope="module")
def maths(browser, request):
    """Evaluates JavaScript with `m`, the module sphere.js, `t`, that of the test's LAB, and `a`, the argument."""
    from hpn_lite import labs

    page = browser.new_page()
    page.evaluate(
        """async (texts) => {
            const module = (text) => import(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })));
            [window.m, window.t] = await Promise.all(texts.map(module));
        }""",
        [(labs.JS / name).read_text() for name in ("sphere.js", f"{request.module.LAB}.js")],
    )
    yield lambda expression, argument=None: page.evaluate(f"(a) => {expression}", argument)
    page.close()
