"""The six briefs of the projects page are whole, and their first steps run as they stand."""

import re
from pathlib import Path

import pytest
import torch

PAGE = (Path(__file__).parents[1] / "book" / "20-projects.md").read_text(encoding="utf-8")
BRIEFS = {
    title: text
    for title, text in re.findall(r"^## Project (\d: [^\n]+)\n(.*?)(?=^\(project-|^## |\Z)", PAGE, flags=re.M | re.S)
}
PARTS = ("**Question.**", "**Data.**", "**First steps.**", "**Hand in.**", "**Traps.**", "more points**")


def test_six_briefs_with_all_parts():
    assert [title.split(":")[0] for title in BRIEFS] == list("123456")
    for title, text in BRIEFS.items():
        flat = " ".join(text.split())
        places = [flat.find(part) for part in PARTS]
        assert -1 not in places and places == sorted(places), f"{title}: {dict(zip(PARTS, places, strict=True))}"
        assert len(re.findall(r"^```python", text, flags=re.M)) == 1, title


def test_the_rubric_adds_up():
    rows = re.findall(r"^\| (?!-)([\w ]+) \|(.*)\|(.*)\|(.*)\|$", PAGE, flags=re.M)
    head, *rest = rows
    points = [int(cell.split()[0]) for cell in head[1:]]
    assert points == [4, 2, 0] and len(rest) == 6
    assert "Twenty-four points" in PAGE and max(points) * len(rest) == 24


# What each beginning must show, so that a snippet that runs but says nonsense is noticed.
CHECKS = {
    "1": lambda r: all(bound - 1e-9 <= cosine < bound + 0.3 for cosine, bound in r.values()) and len(r) == 4,
    "2": lambda r: r["arranged"][0] > r["as they come"][0] and r["arranged"][1] == pytest.approx(r["as they come"][1]),
    "3": lambda r: all(0 < error < 45 for error in r.values()) and len(r) == 2,  # guessing 90 always has 45
    "4": lambda r: r[1.0][1] < r[0.0][1] and min(a for a, _ in r.values()) > 0.7,
    "5": lambda r: all(a.shape == (10,) and a[:3].mean() > 0.8 for a in r.values()),
    "6": lambda r: r > 0.5,
}


@pytest.mark.parametrize("title", BRIEFS)
def test_first_steps_run(title, capsys):
    threads, names = torch.get_num_threads(), {}
    torch.set_num_threads(1)
    torch.manual_seed(0)
    try:
        exec(re.search(r"^```python\n(.*?)^```", BRIEFS[title], flags=re.M | re.S)[1], names)
    finally:
        torch.set_num_threads(threads)
    assert capsys.readouterr().out.strip(), "the first steps print nothing"
    assert CHECKS[title[0]](names["result"]), names["result"]
