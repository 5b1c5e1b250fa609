"""What the tests of labs share: a lab alone on a page (the fixture `bare` of conftest.py), asked and driven."""

import re

import pytest


def state(page) -> dict:
    """What the lab says of itself, as plain data."""
    return page.evaluate("document.querySelector('.hpn-lab').hpn.state()")


def says(page, pattern: str) -> re.Match:
    """Wait until the status line matches; lines come a moment after the numbers that they are about."""
    page.wait_for_function(
        "(p) => new RegExp(p).test(document.querySelector('.hpn-lab [role=status]').textContent)", arg=pattern
    )
    return re.search(pattern, page.get_by_role("status").inner_text())


def tab_to(page, role: str, name: str) -> None:
    """Press Tab until the control of this role and name is reached."""
    target = page.get_by_role(role, name=name)
    for _ in range(30):
        if target.evaluate("(node) => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"no {role} called {name!r} can be reached with Tab")
