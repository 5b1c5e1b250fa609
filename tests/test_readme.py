"""The Python of the README and of the page on how to use the book runs as it stands."""

import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("page", ["README.md", "book/how-to-use.md"])
def test_examples_run(page):
    threads, names = torch.get_num_threads(), {}
    torch.set_num_threads(1)  # beside another test, two threads each make both wait
    for block in re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S):
        exec(block, names)
    torch.set_num_threads(threads)
    if "result" in names:  # the classifier of ten lines
        assert names["result"].final["accuracy"] > 0.85
        assert len(names["answers"]) == len(names["test"])
    else:
        assert "prototypes" in names
