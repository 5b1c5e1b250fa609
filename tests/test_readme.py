"""The Python of the README and of the page on how to use the book runs as it stands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("page", ["README.md", "book/how-to-use.md"])
def test_examples_run(page):
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S):
        exec(block, names)
    if "result" in names:  # the classifier of ten lines
        assert names["result"].final["accuracy"] > 0.85
        assert len(names["answers"]) == len(names["test"])
    else:
        assert "prototypes" in names
