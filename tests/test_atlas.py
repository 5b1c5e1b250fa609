"""The atlas is complete, all its targets exist, and the page says what the file and the run records say."""

from __future__ import annotations

import re

import atlas
import notebooks
import pytest
import rules
import yaml

from hpn_lite import ledger
from hpn_lite.experiments import EXPERIMENTS

# Every numbered thing of the three papers, written down once more, so that none can be dropped from the file unnoticed.
# HPN: equations 1 to 7, two algorithms, tables 1 to 4, figures 1 to 6. MHE: equations 1 to 8, two theorems, tables 1 to
# 10, figures 1 to 4. LPA's supplement: equations 10 to 12, table 9, and the method and tables published with the code.
IDENTIFIERS = {
    "HPN": ["E1", "E2", "E3", "E4", "E5", "E6", "E7", "joint", "A1", "A2", "S1", "T1", "T2", "T3", "T4",
            "F1", "F2", "F3", "F4", "F5", "F6"],
    "MHE": ["E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "Theorem1", "Theorem2", "half", "batch", "raw",
            "orthonormal", "S1", "T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10", "F1",
            "F2", "F3", "F4", "GAN"],
    "LPA": ["E10", "E11", "E12", "A1", "A2", "S1", "S2", "T9", "balanced", "ImageNet", "LT100", "LT10"],
}  # fmt: skip
READY = [e for e in atlas.entries() if not atlas.is_pending(e)]


def test_every_identifier_has_one_entry():
    wanted = [f"{paper}-{name}" for paper, names in IDENTIFIERS.items() for name in names]
    assert sorted(e["id"] for e in atlas.entries()) == sorted(wanted)
    for paper in atlas.load()["papers"]:
        assert all(e["id"].startswith(f"{paper['key']}-") for e in paper["entries"])


@pytest.mark.parametrize("entry", READY, ids=lambda e: e["id"])
def test_every_target_is_there(entry):
    assert atlas.complaints(entry) == []


def test_nothing_is_pending():
    """Fails while book/atlas.yml lists entries as pending, or the ledger judges a table that has no entry."""
    ids = [e["id"] for e in atlas.entries()]
    assert set(atlas.load()["pending"]) <= set(ids), "pending names an entry that there is not"
    judged = {name for e in atlas.entries() for name in (*e.get("ledger", [e["id"]]), *e.get("beside", ()))}
    assert set(EXPERIMENTS) <= judged, f"no entry for {sorted(set(EXPERIMENTS) - judged)}: give one a field ledger"
    lacks = [f"{e['id']}: {'; '.join(atlas.complaints(e)) or 'ready'}" for e in atlas.entries() if atlas.is_pending(e)]
    assert not lacks, "still pending in book/atlas.yml:\n" + "\n".join(lacks)


def test_the_page_is_fresh():
    assert atlas.PAGE.read_text(encoding="utf-8") == atlas.page(), "book/atlas.md is stale: run make atlas"


def test_the_page_says_what_the_ledger_says():
    """Read back from the page: word and reason behind each name are those of the ledger."""
    text = atlas.PAGE.read_text(encoding="utf-8")
    for entry in READY:
        block = text.split(f"{{#atlas-{entry['id'].lower()}}}")[1].split("\n\n")[0]
        names = entry.get("ledger", [entry["id"]])
        if set(names) <= set(EXPERIMENTS) and entry["kind"] in ("table", "figure"):
            verdict = ledger.judge(names[0])
            assert f"**{ledger.WORDS[verdict.word].capitalize()}.**" in block and verdict.reason[1:] in block
        else:
            assert re.search(r"\*\*(In code and tested|Drawn again|Left out)\.\*\*", block), entry["id"]


def test_what_chapters_name_is_in_the_atlas():
    known = {e["id"] for e in atlas.entries()}
    for path in notebooks.find():
        named = set(re.findall(r"\b(?:HPN|MHE|LPA)-[AEFST]\d+\b", rules.prose(notebooks.read(path))))
        assert named <= known, f"{path.name} names {sorted(named - known)}"


# ---- What is wrong is found -----------------------------------------------------------------------------------------

GOOD = {
    "id": "HPN-E1",
    "kind": "equation",
    "what": "a loss",
    "at": ["09-classification#Definitions"],
    "code": ["losses.squared_cosine"],
    "tests": ["test_losses.py::test_squared_cosine_by_hand"],
}
TABLE = {**GOOD, "id": "HPN-T1", "kind": "table", "notebook": "reproduce/hpn-t1"}
BAD = [
    ({**GOOD, "at": []}, "no target: at is empty"),
    ({k: v for k, v in GOOD.items() if k != "code"}, "no target: code is empty"),
    ({**GOOD, "tests": []}, "no target: tests is empty"),
    ({**GOOD, "at": ["99-none#Play"]}, "no page '99-none'"),
    ({**GOOD, "at": ["09-classification#No such heading"]}, "no heading begins with 'No such heading'"),
    ({**GOOD, "at": ["09-classification#P"]}, "several headings begin"),
    ({**GOOD, "code": ["losses.gone"]}, "hpn_lite has no losses.gone"),
    ({**GOOD, "code": ["gone.loss"]}, "hpn_lite has no gone.loss"),
    ({**GOOD, "code": ["points.thomson"]}, "stands on the API page as solvers.thomson"),
    ({**GOOD, "tests": ["test_losses.py::test_gone"]}, "there is no test test_losses.py::test_gone"),
    ({**GOOD, "tests": ["test_gone.py::test_it"]}, "there is no test test_gone.py::test_it"),
    ({**GOOD, "figures": ["fig-gone"]}, "no figure fig-gone"),
    ({**GOOD, "kind": "poem"}, "kind has to be one of"),
    ({**GOOD, "where": "here"}, "unknown fields ['where']"),
    ({**GOOD, "what": ""}, "says nothing"),
    ({**GOOD, "why": "no time"}, "has a reason to be left out, and at"),
    ({**TABLE, "notebook": "reproduce/gone"}, "no reproduce/gone.ipynb"),
    ({k: v for k, v in TABLE.items() if k != "notebook"}, "needs its notebook"),
    ({**TABLE, "id": "HPN-T9"}, "needs a verdict of the ledger"),
    ({**TABLE, "ledger": ["HPN-T9"]}, "the ledger has no HPN-T9"),
    ({**TABLE, "beside": ["HPN-T9-SMALL"]}, "the ledger has no HPN-T9-SMALL"),
    ({**GOOD, "kind": "figure", "id": "HPN-F1"}, "a figure needs"),
]


def test_good_entries_have_no_complaint():
    assert atlas.complaints(GOOD) == [] == atlas.complaints(TABLE)
    assert atlas.complaints({"id": "MHE-T10", "kind": "table", "what": "faces", "why": "no faces here"}) == []


@pytest.mark.parametrize(("entry", "message"), BAD, ids=[m for _, m in BAD])
def test_what_is_gone_is_named(entry, message):
    assert any(message in found for found in atlas.complaints(entry)), atlas.complaints(entry)


def test_verdicts_follow_the_records(monkeypatch):
    """A table in two parts gets the lesser word of the two; a reason to leave it out comes first."""
    words = {"HPN-T1": "reproduced", "HPN-T2": "partly"}
    monkeypatch.setattr(ledger, "judge", lambda name: ledger.Verdict(words[name], f"because of {name}", []))
    assert atlas.verdict(TABLE) == ("reproduced", "because of HPN-T1")
    both = {**TABLE, "ledger": ["HPN-T1", "HPN-T2"]}
    assert atlas.verdict(both) == ("partly reproduced", "because of HPN-T1; because of HPN-T2")
    assert atlas.verdict({**TABLE, "why": "no time"}) == ("left out", "no time")
    assert atlas.verdict(GOOD) == ("in code and tested", "")


def test_a_change_makes_the_page_stale_and_drawing_it_mends_that(monkeypatch, tmp_path, capsys):
    changed = yaml.safe_load(atlas.SOURCE.read_text())
    changed["pending"], changed["papers"] = [], [changed["papers"][0]]
    page = tmp_path / "atlas.md"
    monkeypatch.setattr(atlas, "load", lambda: changed)
    monkeypatch.setattr(atlas, "PAGE", page)
    assert atlas.main([]) == 0 and atlas.main(["check"]) == 0
    changed["papers"][0]["entries"][0]["what"] = "another sentence"
    assert atlas.main(["check"]) == 1 and "stale" in capsys.readouterr().out
    before = page.read_text()
    changed["papers"][0]["entries"][0]["code"] = ["losses.gone"]
    assert atlas.main([]) == 1 and page.read_text() == before, "a page with a broken entry was drawn"
    assert "losses.gone" in capsys.readouterr().err
    assert atlas.main(["chekc"]) == 2
