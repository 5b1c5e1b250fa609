"""The notebooks of the papers' tables run from end to end, in miniature, and their verdicts follow from the records."""

from __future__ import annotations

import dataclasses
import math
import re

import miniature
import notebooks
import pytest
import rules
from IPython.core.inputtransformer2 import TransformerManager

from hpn_lite import data, ledger, records, runs, words
from hpn_lite.experiments import EXPERIMENTS, Claim, Experiment, Row

pytest.importorskip("matplotlib").use("agg")
import matplotlib.pyplot as plt  # noqa: E402

PATHS = sorted((notebooks.ROOT / "notebooks" / "reproduce").glob("*.ipynb"))
TABLES = ["HPN-T1", "HPN-T2", "HPN-T3", "HPN-F4", "HPN-F5", "HPN-F6", "HPN-T4"]
TABLES += ["MHE-T1", "MHE-T2", "MHE-T3", "MHE-T4", "MHE-F3", "MHE-T5"]
TABLES += ["MHE-T6", "MHE-F4", "MHE-T7", "MHE-T8", "MHE-T9"]
TABLES += ["LPA-CIFAR100", "LPA-T9", "LPA-LT100", "LPA-LT10", "LPA-IN1K"]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    pytest.importorskip("torchvision")
    pytest.importorskip("gensim")
    return miniature.make(tmp_path_factory.mktemp("miniature"))


@pytest.fixture
def empty(monkeypatch, tmp_path):
    """No records at all."""
    monkeypatch.setenv("HPN_LITE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("HPN_RUN", "0")
    monkeypatch.delenv("HPN_SMOKE", raising=False)
    return tmp_path / "runs"


# ---- the notebooks ----


def test_every_table_has_its_notebook():
    assert {p.stem.upper() for p in PATHS} >= set(TABLES)


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_the_notebook_runs_in_miniature(path, tiny, empty, monkeypatch):
    """Every cell, with nets that really train for two steps on made-up images; and nothing of that is kept."""
    import gensim.downloader
    import torchvision

    monkeypatch.setenv("HPN_SMOKE", "1")
    monkeypatch.setenv("HPN_LITE_DATA", str(tiny))
    monkeypatch.setattr(data, "folders", lambda: [tiny])  # not the user's cache
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *_: True)
    monkeypatch.setattr(gensim.downloader, "BASE_DIR", str(tiny))
    (tiny / words.GOOGLE).mkdir(exist_ok=True)
    file = tiny / "word_vectors" / words.FILES["word2vec"]
    monkeypatch.setattr(gensim.downloader, "load", lambda name: words.load_vectors(file))

    name = path.stem.upper()
    shown, space = {}, {"display": print}
    for cell in notebooks.code_cells(notebooks.read(path)):
        exec(compile(TransformerManager().transform_cell(notebooks.source(cell)), str(path), "exec"), space)
        shown[notebooks.source(cell)] = plt.get_fignums()
    assert any(shown.values()), "no cell drew a figure"
    plt.close("all")

    found = space["found"]
    made = [record for several in found.values() for record in several]
    assert made and all(not record.measured for record in made)
    kind = lambda config: records.canonical([config["data"], config["net"], config["head"]["kind"]])  # noqa: E731
    kinds, wanted = {kind(r.config) for r in made}, {kind(row.config) for row in EXPERIMENTS[name].rows}
    assert kinds == wanted, "a kind of row was not tried"
    for record in made:
        assert not record.diverged and all(math.isfinite(v) for v in record.final.values())
    assert "MINIATURE, not a result" in repr(ledger.table(name, found))
    assert not list(empty.rglob("*.json")) and not list(empty.rglob("*.pt")), "a miniature was recorded"


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_the_notebook_is_short_and_compared_with_the_records(path):
    nb = notebooks.read(path)
    assert 8 <= len(nb["cells"]) <= 18
    checked = [notebooks.source(c) for c in notebooks.code_cells(nb) if "nbval-check-output" in rules.tags(c)]
    for part in ("ledger.table(", "ledger.judge(", "ledger.cost(", "ledger.settings("):
        assert any(part in cell for cell in checked), f"no compared cell with {part}"
    assert nb["metadata"]["hpn"]["reads"], "its outputs would not follow the records"


@pytest.mark.parametrize("name", TABLES)
def test_without_records_all_is_said_to_be_not_run(name, empty):
    found = ledger.collect(name)
    assert not any(found.values())
    assert ledger.judge(name, found).word == "not run"
    assert {line.word for line in ledger.compare(name, found)} == {"not run"}
    assert {c.word for c in ledger.judge(name).claims} <= {"open"}
    assert "estimated" in ledger.cost(name)


def test_what_keeps_a_table_from_being_run_is_said(empty):
    assert "OmniArt" in ledger.judge("HPN-T4").reason
    assert "7 rows would need a GPU; " in ledger.judge("HPN-T1").reason
    assert "Tiny ImageNet and the GoogleNews word vectors" in ledger.judge("HPN-T1").reason
    assert ledger.judge("HPN-F6").reason == "no record yet"


def test_the_penalty_of_a_configuration_is_the_energy_of_net_and_head():
    """By a second way: each layer's energy, weighed and summed; the classifier is the head's, or the net's own."""
    import torch

    from hpn_lite import energy, heads, nets, training

    z = y = None
    row = next(r for r in EXPERIMENTS["MHE-T4"].rows if r.name == "half-space MHE, both")
    net, head = nets.cnn(3, 256, filters=4), heads.SoftmaxHead(10, 256)
    inside = [m.weight.flatten(1) for m in net if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    wanted = sum(energy.riesz(w, 2, half_space=True) for w in inside) + 10 * energy.riesz(head.linear.weight, 2)
    torch.testing.assert_close(training.penalty_of(row.config, head)(net, z, y), wanted)
    alone = {"penalty": {"output": {"weight": 2.0}}}
    whole, plain = nets.digits(10), heads.SoftmaxHead(10)
    last = [m for m in whole if isinstance(m, torch.nn.Linear)][-1].weight
    torch.testing.assert_close(training.penalty_of(alone, plain)(whole, z, y), 2 * energy.riesz(last, 2))
    assert training.penalty_of({}, head) is None
    with pytest.raises(ValueError, match="half_space"):
        training.penalty_of({"penalty": {"output": {"half_space": True}}}, head)


# ---- the ledger ----


def test_the_ledger_has_every_number_once(empty):
    rows = ledger.ledger().rows
    assert len(rows) == sum(len(row.paper) for e in EXPERIMENTS.values() for row in e.rows)
    assert len({tuple(row[:2]) for row in rows}) == len(rows)
    assert [row[0] for row in ledger.verdicts().rows] == list(EXPERIMENTS)


def test_the_chapter_shows_the_records_as_they_are():
    """Chapter 18 as it is stored holds the verdicts that follow from the records that are there."""
    nb = notebooks.read(notebooks.ROOT / "book" / "18-ledger.ipynb")
    html = "".join(rules.html(cell) for cell in notebooks.code_cells(nb))
    for name in EXPERIMENTS:
        assert ledger.WORDS[ledger.judge(name).word] in html
    for line in (line for name in EXPERIMENTS for line in ledger.compare(name)):
        for record in line.records:
            assert record.path.stem in html, f"{record.path.name} is not in the ledger"


# ---- the rule ----


def record(config, **final):
    here = {**records.provenance(), "date": "2026-01-01T00:00:00Z"}
    epochs = [{"epoch": e, **{k: v * e / 2 for k, v in final.items()}} for e in (1, 2)]
    return runs.Record("x", "X", config, 0, {"name": "d", "checksum": "c"}, epochs, final, "", {}, 60.0, 9.0, here)


@pytest.fixture
def table(monkeypatch):
    """Two rows whose paper has 60 and 50 percent, and the claim that the first is ahead."""
    good, bad = (Row(n, {"task": "toy", "n": n}, {"accuracy": p}, 1) for n, p in (("good", 60.0), ("bad", 50.0)))
    made = Experiment("X", "x", (good, bad), (Claim("good is ahead", "good", "bad"),))
    monkeypatch.setitem(EXPERIMENTS, "X", made)

    def judge(*ours, **changes):
        if changes:
            monkeypatch.setitem(EXPERIMENTS, "X", dataclasses.replace(made, **changes))
        pairs = zip((good, bad), ours, strict=True)
        found = {r.name: [] if v is None else [record(r.config, accuracy=v)] for r, v in pairs}
        return ledger.judge("X", found), ledger.compare("X", found), found

    return judge


@pytest.mark.parametrize(
    ("good", "bad", "words", "verdict", "claim"),
    [
        (0.60, 0.50, ["agrees", "agrees"], "reproduced", "holds"),
        (0.62, 0.48, ["agrees", "agrees"], "reproduced", "holds"),  # 2 points are within the tolerance
        (0.70, 0.50, ["better", "agrees"], "reproduced", "holds"),
        (0.60, 0.62, ["agrees", "better"], "partly", "fails"),  # numbers fine, the claim is not
        (0.57, 0.50, ["worse", "agrees"], "partly", "holds"),
        (0.30, 0.40, ["worse", "worse"], "not", "fails"),
        (0.40, 0.30, ["worse", "worse"], "partly", "holds"),
        (0.60, None, ["agrees", "not run"], "partly", "open"),
        (0.30, None, ["worse", "not run"], "not", "open"),
        (None, None, ["not run", "not run"], "not run", "open"),
    ],
)
def test_the_rule(table, good, bad, words, verdict, claim):
    judged, lines, _ = table(good, bad)
    assert [line.word for line in lines] == words
    assert judged.word == verdict
    assert [c.word for c in judged.claims] == [claim]


def test_rows_that_the_paper_does_not_have_decide_nothing(table):
    rows = (Row("good", {"task": "toy", "n": "good"}, {"accuracy": None}, 1),
            Row("bad", {"task": "toy", "n": "bad"}, {"accuracy": 50.0}, 1))  # fmt: skip
    judged, _, _ = table(0.60, None, rows=rows)
    assert judged.word == "not run"
    assert judged.reason == "1 of 2 rows run, for which the paper has no number"


def test_an_error_is_better_when_it_is_smaller():
    row = Row("r", {"task": "toy"}, {"mae": 100.0}, 1)
    for ours, word in ((100, "agrees"), (105, "agrees"), (95, "agrees"), (106, "worse"), (94, "better")):
        assert ledger._word("mae", row.paper["mae"], runs.summary([record(row.config, mae=float(ours))], "mae")) == word


def test_divergence_counts_where_the_paper_has_it():
    burst = dataclasses.replace(record({"task": "toy"}, mae=1.0), diverged="the loss became nan", final={})
    assert ledger._word("mae", "diverged", runs.summary([burst], "mae")) == "agrees"
    assert ledger._word("mae", 70.0, runs.summary([burst], "mae")) == "worse"
    assert ledger._word("mae", "diverged", runs.summary([record({"task": "toy"}, mae=70.0)], "mae")) == "better"


def test_claims_have_a_size_and_a_time(table):
    band = Claim("2 to 4 points", "good", "bad", least=2, most=4)
    for ours, word in ((0.53, "holds"), (0.54, "holds"), (0.545, "fails"), (0.515, "fails")):
        assert table(ours, 0.50, claims=(band,))[0].claims[0].word == word
    early = Claim("early on", "good", "bad", first=1)
    judged = table(0.60, 0.50, claims=(early,))[0].claims[0]
    assert judged.advantage == pytest.approx(5.0), "after epoch 1 the made-up runs are half way"
    alone = Claim("good is above 55", "good", "", least=55)
    assert [table(v, 0.5, claims=(alone,))[0].claims[0].word for v in (0.56, 0.54)] == ["holds", "fails"]


def test_tables_can_be_read_aloud(table):
    """A caption, headers with a scope, escaped text, and the same numbers in HTML and in text."""
    *_, found = table(0.611, None)
    made = ledger.table("X", found)
    html, text = made._repr_html_(), repr(made)
    assert "<caption>" in html and 'scope="col"' in html and html.count('scope="row"') == 2
    assert "61.1" in html and "61.1" in text and "+1.1" in text and "not run" in text
    assert "<b>" not in ledger.Table("<b>", ["<b>"], [["<b>"]])._repr_html_()


def test_intervals_are_shown_where_there_are_several_seeds(table):
    row = EXPERIMENTS["X"].rows[0]
    several = [dataclasses.replace(record(row.config, accuracy=v), seed=s) for s, v in enumerate((0.60, 0.61, 0.62))]
    text = repr(ledger.table("X", {"good": several, "bad": []}))
    assert re.search(r"61\.0 ± 2\.5 +3 ", text)


def test_cost_tells_what_was_measured_from_what_is_estimated(table):
    *_, found = table(0.6, None)
    cost = ledger.cost("X", found)
    assert "measured: 1.0 minutes for 1 run on cpu" in cost and "1 missing row" in cost
