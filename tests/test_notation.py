"""The notation page and the code say the same."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import hpn_lite

PAGE = Path(__file__).parents[1] / "book" / "notation.md"
MODULES = ("bounds", "sphere", "energy", "points", "reference")
NAME = re.compile(rf"`({'|'.join(MODULES)})\.(\w+)(?:\((\w+)=\))?`")


def names() -> list[tuple[str, str, str]]:
    """(module, function, argument or "") of every name in the third column of the page's tables."""
    rows = [line.split("|")[3] for line in PAGE.read_text().splitlines() if line.startswith("| $")]
    return [found.groups(default="") for cell in rows for found in NAME.finditer(cell)]


def test_the_page_names_enough():
    assert len(names()) > 20


@pytest.mark.parametrize(("module", "function", "argument"), names())
def test_what_the_page_names_exists(module, function, argument):
    found = getattr(importlib.import_module(f"{hpn_lite.__name__}.{module}"), function, None)
    assert callable(found), f"book/notation.md names {module}.{function}, which does not exist"
    if argument:
        assert argument in inspect.signature(found).parameters


def test_every_one_letter_argument_is_on_the_page():
    on_page = {argument for _, _, argument in names()}
    for name in MODULES:
        module = importlib.import_module(f"hpn_lite.{name}")
        for function_name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__ and function_name[0] != "_":
                short = {p for p in inspect.signature(function).parameters if len(p) == 1}
                assert short <= on_page, f"{name}.{function_name} takes {short - on_page}, not in book/notation.md"


def test_terms_are_in_order():
    terms = re.findall(r"^(?=[A-Z])(.+)\n  \S", (PAGE.parent / "glossary.md").read_text(), re.M)
    assert len(terms) > 20 and terms == sorted(terms, key=str.casefold)


def test_modules_import_only_what_a_reader_has_met():
    order = re.findall(r"automodule:: hpn_lite\.(\w+)", (PAGE.parent / "api.md").read_text())
    folder = Path(hpn_lite.__file__).parent
    assert sorted(order) == sorted(p.stem for p in folder.glob("*.py") if p.stem != "__init__")
    for i, name in enumerate(order):
        used = set()
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                used |= {node.module} if node.module else {alias.name for alias in node.names} - {"__version__"}
        assert used <= set(order[:i]), f"{name} imports {used - set(order[:i])}, which come later"
