"""The instructor's guide has a plan for every chapter, its minutes add up, and its numbers are those of a record."""

from __future__ import annotations

import json
import re
import statistics

import notebooks
import pytest
import rules

GUIDE = (notebooks.ROOT / "book" / "instructors.md").read_text(encoding="utf-8")
WORDS = " ".join(GUIDE.split())
NUMBERED = [p for p in notebooks.find() if p.parent.name == "book" and re.match(r"\d\d-", p.name)]
PLANS = {int(n): (title, text) for n, title, text in re.findall(r"^### (\d+) (.+)\n\n((?:.|\n)*?)(?=^##)", GUIDE, re.M)}


def test_twenty_chapters_have_a_plan():
    assert list(PLANS) == list(range(1, 21))


@pytest.mark.parametrize("path", NUMBERED, ids=lambda p: p.stem)
def test_the_plan_has_the_chapters_title(path):
    title = re.search(r"^# (.+)$", rules.prose(notebooks.read(path)), flags=re.M)[1]
    assert PLANS[int(path.name[:2])][0] == title


@pytest.mark.parametrize("number", PLANS)
def test_a_plan_takes_ninety_minutes_and_has_prompts(number):
    text = " ".join(PLANS[number][1].split())
    plan, ask, mind = re.fullmatch(r"\*Plan\.\* (.*) \*Ask\.\* (.*) \*Mind\.\* (.*)", text).groups()
    assert sum(int(re.search(r"\((\d+)\)\.?$", part)[1]) for part in plan.split(" · ")) == 90
    assert ask.count("?") >= 3 and ask.endswith("?") and len(mind) > 30


def table(heading: str) -> list[list[str]]:
    """The rows of the table below a heading, without its head."""
    text = GUIDE.split(f"### {heading}\n")[1].split("\n##")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", text, re.M)][2:]


def test_the_lecture_fills_ninety_minutes_without_a_gap():
    spans = [tuple(map(int, row[0].split(" to "))) for row in table("One lecture")]
    assert spans[0][0] == 0 and spans[-1][1] == 90
    assert all(a[1] == b[0] for a, b in zip(spans, spans[1:], strict=False))


def test_a_term_reaches_every_chapter_and_every_assignment():
    rows = table("A term")
    assert [int(row[0]) for row in rows] == list(range(1, 15))
    text = " ".join(" ".join(row[1:]) for row in rows)
    chapters = set(map(int, re.findall(r"(?<![A\d])(\d{1,2})(?= [A-Z])", text)))
    assert chapters == set(range(1, 20)) and "projects" in text  # chapter 20 is the projects
    assert [row[3] for row in rows if row[3].startswith("A")] == ["A1", "A2", "A3", "A4"]


def test_what_a_room_needs_is_what_was_measured():
    rows = json.loads((notebooks.ROOT / "notebooks" / "runs" / "benchmarks" / "room.json").read_text())["rows"]
    memory = {row["chapter"]: row["mebibytes"] for row in rows}
    most = max(memory, key=memory.get)
    said = re.search(
        r"largest of the (\d+) kernels was that of chapter (\d+), with (\d+) MiB; the median is (\d+) MiB", WORDS
    )
    found = (len(rows), int(most[:2]), memory[most], round(statistics.median(memory.values())))
    assert tuple(map(int, said.groups())) == found
    named = re.search(r"Chapters ([\d, and]+) were run with a kernel each", WORDS)[1]
    assert list(map(int, re.findall(r"\d+", named))) == sorted(int(chapter[:2]) for chapter in memory)
    assert int(re.search(r"keep (\d+) GiB for forty", WORDS)[1]) >= 40 * memory[most] / 1024
