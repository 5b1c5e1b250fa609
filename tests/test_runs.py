"""Run records: named by content, written once, believed only when sound; and the rows of the papers' tables."""

from __future__ import annotations

import dataclasses
import json
import math
import signal
import subprocess
import sys

import pytest
import torch

from hpn_lite import plots, records, runs
from hpn_lite.experiments import EXPERIMENTS, MHE_FACES, Experiment, Row

CONFIG = {"task": "toy", "lr": 0.1, "recipe": {"epochs": 3}}


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    """No test reads or writes the book's own records, nor depends on what is set outside."""
    for name in ("HPN_RUN", "HPN_SMOKE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HPN_LITE_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def toy(monkeypatch):
    """A task that "trains" without a net, keeps a checkpoint, and counts what it does."""
    seen = {"calls": 0, "epochs": []}

    def toy(config, seed, device, seconds, checkpoint, progress):
        seen["calls"] += 1
        if config.get("fails"):
            raise RuntimeError("out of memory")
        if config.get("lacks"):
            raise FileNotFoundError("no data: three ways out")
        done = json.loads(checkpoint.read_text()) if checkpoint.exists() else []
        for epoch in range(len(done) + 1, config["recipe"]["epochs"] + 1):
            if seconds is not None and len(seen["epochs"]) >= seconds:  # one epoch a "second"
                break
            seen["epochs"].append((seed, epoch))
            done.append({"epoch": epoch, "accuracy": 0.1 * epoch + 0.01 * seed})
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            checkpoint.write_text(json.dumps(done))
        if config.get("diverges"):
            return runs.Outcome({"accuracy": math.nan}, DATA, done, diverged="the loss is nan in epoch 3", seconds=2.0)
        return runs.Outcome(
            {"accuracy": done[-1]["accuracy"]} if done else {},
            DATA,
            done,
            {"parameters": 7},
            finished=len(done) == config["recipe"]["epochs"],
            seconds=2.0,
        )

    monkeypatch.setitem(runs.TASKS, "toy", toy)
    return seen


DATA = {"name": "toy", "train": 3, "test": 2, "checksum": "ab12"}


@pytest.fixture
def tables(monkeypatch):
    """Two small tables that share a row."""
    shared = Row("shared", {**CONFIG, "lr": 0.5}, {"accuracy": 30}, worth=2)
    first = Row("first", {**CONFIG, "lr": 0.25}, {"accuracy": 30}, worth=1, minutes=4)
    only = Row("no chance in it", {**CONFIG, "lr": 0.75}, {"accuracy": 30}, worth=3, seeds=1)
    made = {"A": Experiment("A", "a", (shared, first)), "B": Experiment("B", "b", (only, shared))}
    for name in reversed(list(EXPERIMENTS)):  # given back in the opposite order
        monkeypatch.delitem(EXPERIMENTS, name)
    for name, experiment in made.items():
        monkeypatch.setitem(EXPERIMENTS, name, experiment)
    return made


def saved(toy=None, **changes):
    """A sound record on disk."""
    return runs.get_or_run({**CONFIG, **changes}, seed=1, experiment="a", row="A", run=True)


# ---- configurations ----


def test_the_name_of_a_configuration_follows_its_content_alone():
    assert runs.key({"a": 1, "b": {"c": [1, 2], "d": 0.5}}) == runs.key({"b": {"d": 0.5, "c": (1, 2)}, "a": 1.0})
    assert runs.key({"lr": 0.1}) == runs.key({"lr": 0.1, "task": "train"}) != runs.key({"lr": 0.1, "task": "toy"})
    names = [runs.key(c) for c in ({"lr": 0.1}, {"lr": 0.01}, {"lr": "0.1"}, {"LR": 0.1}, {"lr": [0.1]}, {"lr": True})]
    assert len(set(names)) == len(names)
    assert all(len(name) == 12 and int(name, 16) >= 0 for name in names)


def test_what_is_no_configuration_is_refused():
    with pytest.raises(ValueError, match="seed"):
        runs.key({"lr": 0.1, "seed": 3})
    with pytest.raises(TypeError, match="strings"):
        runs.key({"head": {1: 2}})
    with pytest.raises(ValueError, match="JSON"):
        runs.key({"lr": math.nan})
    with pytest.raises(TypeError):
        runs.key({"points": object()})


# ---- writing and reading ----


def test_a_record_comes_back_as_it_was(toy, tmp_path):
    record = saved()
    assert record.path == tmp_path / "runs" / "a" / f"{runs.key(CONFIG)}-seed1.json"
    again = runs.read(record.path)
    assert again == record
    assert again.config == CONFIG and again.seed == 1 and again.row == "A" and again.data == DATA
    assert [row["epoch"] for row in again.epochs] == [1, 2, 3]
    assert again.final["accuracy"] == again.epochs[-1]["accuracy"] == pytest.approx(0.31)
    assert again.details == {"parameters": 7} and again.seconds == 2.0
    assert not list(tmp_path.rglob("*.new")), "a half-written file was left"
    assert not list((tmp_path / "runs" / ".unfinished").glob("*.pt")), "the checkpoint of a finished run was left"


def test_provenance_says_what_ran_where_and_when():
    here = runs.provenance()
    assert {
        "hpn_lite",
        "torch",
        "python",
        "system",
        "processor",
        "cores",
        "threads",
        "device",
        "commit",
        "date",
    } == set(here)
    assert here["device"] == "cpu" and here["date"].endswith("Z") and here["date"] > "2026"
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=runs.Path(__file__).parent, capture_output=True, text=True)
    if done.returncode == 0:
        assert here["commit"].rstrip("+") == done.stdout.strip()


def test_a_record_is_never_replaced_unasked(toy):
    record = saved()
    changed = dataclasses.replace(record, row="other")
    before = record.path.read_bytes()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        runs.write(changed)
    assert record.path.read_bytes() == before
    runs.write(changed, overwrite=True)
    assert runs.read(record.path).row == "other"


def test_a_second_call_reads_and_does_not_run(toy):
    first = saved()
    assert saved() == first and toy["calls"] == 1
    assert runs.get_or_run(CONFIG, seed=1) == first, "another experiment shares the record"
    assert runs.get_or_run(CONFIG, seed=2) is None, "not run yet"


def text(change):
    return lambda path: path.write_text(change(path.read_text()))


def content(**changes):
    """Change parts of the content, and sign it anew unless told not to."""

    def change(path):
        made = {**json.loads(path.read_text()), **changes}
        made = {k: v for k, v in made.items() if v is not DROP}
        made["digest"] = records.digest(made)
        path.write_text(json.dumps(made))

    return change


DROP = object()
EPOCHS = [{"epoch": e, "accuracy": 0.1 * e + 0.01} for e in (1, 2, 3)]
BROKEN = {
    "truncated": (text(lambda t: t[: len(t) // 2]), "Expecting|Unterminated|delimiter"),
    "empty": (text(lambda t: ""), "Expecting value"),
    "not JSON": (text(lambda t: "<html>"), "Expecting value"),
    "merge markers": (text(lambda t: "<<<<<<< HEAD\n" + t), "Expecting value"),
    "foreign": (lambda p: p.write_text('{"settings": {}, "date": "2026-11-20"}'), "not in the form"),
    "a list": (lambda p: p.write_text("[1, 2]"), "not in the form"),
    "a better number": (text(lambda t: t.replace('"accuracy": 0.31', '"accuracy": 0.91')), "changed after"),
    "another seed": (content(seed=2), "name of the file"),
    "another configuration": (content(config={**CONFIG, "lr": 0.2}), "does not belong"),
    "renamed": (lambda p: content(config={**CONFIG, "lr": 0.2}, key=runs.key({**CONFIG, "lr": 0.2}))(p), "name of the"),
    "other format": (content(format=99), "its format is 99"),
    "a part missing": (content(final=DROP), "missing or unknown: final"),
    "an unknown part": (content(extra=1), "missing or unknown: extra"),
    "a part of another kind": (content(seconds="long"), "seconds is 'long'"),
    "another experiment": (content(experiment="b"), "belongs to the experiment 'b'"),
    "no checksum": (content(data={"name": "toy"}), "checksum"),
    "no commit": (content(provenance={"torch": "2", "device": "cpu", "hpn_lite": "1", "date": "d"}), "lacks commit"),
    "cut short": (content(epochs=EPOCHS[:2], final={"accuracy": 0.21}), "after epoch 2 of 3"),
    "epochs out of order": (content(epochs=EPOCHS[::-1]), "do not go on"),
    "NaN in an epoch": (content(epochs=[*EPOCHS[:2], {"epoch": 3, "accuracy": None}]), "no finite number"),
    "NaN at the end": (content(final={"accuracy": None}), "not finite"),
    "nothing at the end": (content(final={}), "final numbers are missing"),
    "two truths": (content(final={"accuracy": 0.5}), "not that of its last epoch"),
    "a miniature": (content(details={"smoke": True}), "miniature"),
    "a seed in it": (content(config={**CONFIG, "seed": 1}), "seed is no part"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_record_is_named_and_ignored(toy, name):
    path = saved().path
    change, why = BROKEN[name]
    change(path)
    with pytest.raises(runs.RecordError, match=why) as caught:
        runs.read(path)
    assert f"a/{path.name}" in str(caught.value)
    with pytest.warns(UserWarning, match=f"a/{path.name}.*{why}.*ignored"):
        assert runs.find(CONFIG) == []
    with pytest.warns(UserWarning, match="ignored"):
        assert runs.every("a") == []


def test_a_sound_change_of_the_same_kind_is_read(toy):
    """The guard of the test above: signed anew without a fault, a record is read."""
    path = saved().path
    content(row="B")(path)
    assert runs.read(path).row == "B"


def test_a_broken_record_is_run_again_and_kept_aside(toy):
    path = saved().path
    path.write_text("{")
    with pytest.warns(UserWarning, match="ignored"), pytest.warns(UserWarning, match="could not be used"):
        assert saved().final["accuracy"] == pytest.approx(0.31)
    assert toy["calls"] == 2
    assert path.with_suffix(".broken").read_text() == "{"


def test_the_same_run_twice_counts_once(toy, tmp_path):
    record = saved()
    later = dataclasses.replace(
        record, experiment="b", path=None, provenance={**record.provenance, "date": "2999-01-01T00:00:00Z"}
    )
    runs.write(later)
    with pytest.warns(UserWarning, match="b/.* repeats a/.*ignored"):
        assert [r.experiment for r in runs.find(CONFIG)] == ["a"]


def test_other_files_are_no_records_of_a_configuration(toy, tmp_path):
    record = saved()
    (record.path.parent / "notes-seed0.json").write_text("{}")
    assert runs.find(CONFIG) == [record]
    with pytest.warns(UserWarning, match="notes-seed0.json"):
        assert runs.every("a") == [record]


def test_divergence_is_a_result(toy):
    record = runs.get_or_run({**CONFIG, "diverges": True}, run=True, experiment="a")
    assert record.diverged == "the loss is nan in epoch 3" and record.final == {"accuracy": None}
    assert runs.find({**CONFIG, "diverges": True}) == [record]
    assert str(runs.summary([record], "accuracy")) == "diverged"


def test_errors_of_the_caller_are_said(toy):
    with pytest.raises(ValueError, match="unknown task 'nothing'.*toy"):
        runs.get_or_run({"task": "nothing"})


def test_a_miniature_is_made_and_never_kept(toy, monkeypatch, tmp_path):
    kept = saved()
    monkeypatch.setenv("HPN_SMOKE", "1")
    record = runs.get_or_run(CONFIG, seed=1, experiment="a")
    assert toy["calls"] == 2 and not record.measured and record.path is None
    with pytest.raises(runs.RecordError, match="never recorded"):
        runs.write(record)
    monkeypatch.delenv("HPN_SMOKE")
    assert runs.find(CONFIG) == [kept]


@pytest.mark.parametrize("value, ran", [("0", False), ("1", True), (None, False)])
def test_training_has_to_be_allowed(toy, monkeypatch, value, ran):
    monkeypatch.setattr(runs.torch.cuda, "is_available", lambda: False)
    if value is not None:
        monkeypatch.setenv("HPN_RUN", value)
    assert (runs.get_or_run(CONFIG) is not None) == ran
    assert (runs.get_or_run({**CONFIG, "lr": 9}, run=False)) is None


def test_a_gpu_allows_it_unless_forbidden(toy, monkeypatch):
    monkeypatch.setattr(runs.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(runs, "provenance", lambda device: {**records.provenance(), "device": str(device)})
    monkeypatch.setenv("HPN_RUN", "0")
    assert runs.get_or_run(CONFIG) is None
    monkeypatch.delenv("HPN_RUN")
    assert runs.get_or_run(CONFIG).provenance["device"] == "cuda"


# ---- several seeds ----


def test_summary_is_students(toy):
    several = [runs.get_or_run(CONFIG, seed=s, run=True) for s in range(4)]
    mean, half = plots.mean_ci([100 * r.final["accuracy"] for r in several])
    found = runs.summary(several, "accuracy", 100)
    assert (found.runs, found.diverged) == (4, 0)
    assert found.mean == pytest.approx(mean) and found.half == pytest.approx(half, rel=1e-12)
    assert str(found) == f"{mean:.1f} ± {half:.1f}"
    one = runs.summary(several[:1], "accuracy")
    assert math.isnan(one.half) and str(one) == "0.3"
    assert str(runs.summary([], "accuracy")) == ""


def test_a_summary_mixes_nothing(toy):
    a, b = (runs.get_or_run({**CONFIG, "lr": lr}, run=True) for lr in (0.3, 0.4))
    for wrong in ([a, b], [a, a]):
        with pytest.raises(ValueError, match="seeds of one configuration"):
            runs.summary(wrong, "accuracy")


# ---- budget, order, resuming ----


def test_rows_come_in_order_of_worth_and_shared_ones_once(tables):
    found = [(name, row.name, seed) for name, row, seed in runs.wanted([], [0, 1])]
    assert found == [
        ("A", "first", 0),
        ("A", "shared", 0),
        ("B", "no chance in it", 0),
        ("A", "first", 1),
        ("A", "shared", 1),
    ]
    assert [row.name for _, row, _ in runs.wanted(["B"], [0])] == ["shared", "no chance in it"]
    with pytest.raises(ValueError, match="unknown experiment C; there are A, B"):
        runs.wanted(["C"], [0])


def test_fill_does_what_is_missing_and_no_more(toy, tables, tmp_path):
    said = []
    assert runs.fill(["A"], budget=60, say=said.append)["done"] == 2
    assert [line.split("  ")[1] for line in said if line.endswith("...")] == [
        "first, seed 0 ...",
        "shared, seed 0 ...",
    ]
    count = runs.fill([], budget=60, say=said.append)
    assert (count["there"], count["done"]) == (2, 1) and toy["calls"] == 3
    assert {p.parent.name for p in (tmp_path / "runs").glob("[!.]*/*.json")} == {"a", "b"}


def test_a_row_that_fails_leaves_the_others_their_chance(toy, tables, monkeypatch):
    bad = Row("bad", {**CONFIG, "fails": True}, {}, worth=0)
    far = Row("far", {**CONFIG, "lacks": True}, {}, worth=0)
    monkeypatch.setitem(EXPERIMENTS, "A", Experiment("A", "a", (bad, far, *tables["A"].rows)))
    said = []
    count = runs.fill(["A"], budget=60, say=said.append)
    assert (count["failed"], count["lacking"], count["done"]) == (1, 1, 2)
    assert any("RuntimeError: out of memory" in line for line in said)
    assert any("three ways out" in line for line in said)


def test_a_budget_ends_a_run_and_the_next_call_goes_on(toy):
    assert runs.get_or_run(CONFIG, seed=4, run=True, seconds=2) is None
    assert toy["epochs"] == [(4, 1), (4, 2)] and runs.find(CONFIG) == []
    record = runs.get_or_run(CONFIG, seed=4, run=True)
    assert toy["epochs"] == [(4, 1), (4, 2), (4, 3)], "no epoch is done twice"
    assert [row["epoch"] for row in record.epochs] == [1, 2, 3]


def test_no_budget_no_run(toy, tables):
    assert runs.fill(["A"], budget=0, say=lambda _: None)["left"] == 2 and toy["calls"] == 0


def test_a_row_that_another_process_is_at_is_left_to_it(toy, tmp_path):
    lock = tmp_path / "runs" / ".unfinished" / f"{runs.key(CONFIG)}-seed0.lock"
    code = (
        "import sys, time, pathlib\nfrom hpn_lite import runs\n"
        "with runs.alone(pathlib.Path(sys.argv[1])) as free: print(free, flush=True); time.sleep(600)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "True\n"
        assert runs.get_or_run(CONFIG, run=True) is None and toy["calls"] == 0
    finally:
        other.kill()
        other.communicate()
    assert runs.get_or_run(CONFIG, run=True) is not None, "the lock of a killed process is free"


# ---- with the real engine ----

DIGITS = {
    "data": "digits",
    "net": {"name": "mlp", "hidden": [16]},
    "head": {"kind": "prototypes", "points": "best", "dim": 2},
    "recipe": {"epochs": 6, "lr": 0.1},
}


def plain(record):
    """What must not depend on when and how often a run was interrupted."""
    times = ("seconds",)
    return [{k: v for k, v in row.items() if k not in times} for row in record.epochs], record.final, record.data


def test_a_run_that_is_killed_loses_at_most_an_epoch(tmp_path):
    """SIGKILL after some epoch; the next call goes on from there and ends with the very numbers of a run left alone."""
    pytest.importorskip("sklearn")
    whole = runs.get_or_run(DIGITS, seed=3, run=True, out=tmp_path / "whole")
    assert not whole.diverged and [row["epoch"] for row in whole.epochs] == [1, 2, 3, 4, 5, 6]
    assert whole.details["width"] == 2 and whole.details["recipe"]["lr"] == 0.1 and len(whole.data["checksum"]) == 16
    assert whole.details["largest_cosine"] == pytest.approx(math.cos(math.pi / 5), abs=1e-6)
    assert len(whole.details["sample"]["outputs"]) == 400

    code = (
        "import json, os, sys\nfrom pathlib import Path\nfrom hpn_lite import runs, training\n"
        "whole = training.train\n"
        "def slow(*args, **options):  # stops for ever after its third epoch\n"
        "    wait = lambda epoch, *rest: epoch == 4 and (print('here', flush=True), sys.stdin.read())\n"
        "    return whole(*args, **options, on_epoch=wait)\n"
        "training.train = slow\n"
        "runs.get_or_run(json.loads(sys.argv[1]), seed=3, run=True, out=Path(sys.argv[2]))\n"
    )
    broken = tmp_path / "broken"
    command = [sys.executable, "-c", code, json.dumps(DIGITS), str(broken)]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "here\n"
    other.kill()
    other.communicate()
    assert not list(broken.glob("[!.]*/*.json")), "a run that was killed left a record"
    seen = []
    original = runs.train

    def watch(*args):
        from hpn_lite import training

        train = training.train
        training.train = lambda *a, **o: train(*a, **o, on_epoch=lambda epoch, *rest: seen.append(epoch))
        try:
            return original(*args)
        finally:
            training.train = train

    runs.TASKS["train"] = watch
    try:
        resumed = runs.get_or_run(DIGITS, seed=3, run=True, out=broken)
    finally:
        runs.TASKS["train"] = original
    assert seen == [4, 5, 6], "of four epochs the last had not been saved"
    assert plain(resumed) == plain(whole)


def test_prototypes_are_measured(tmp_path):
    record = runs.get_or_run({"task": "points", "points": "best", "classes": 5, "dim": 4}, run=True)
    assert record.final == {"largest_cosine": pytest.approx(-0.25), "bound": pytest.approx(-0.25)}
    assert not record.diverged and record.details["shape"] == [5, 4]


def test_rare_classes_and_unseen_ones_have_numbers_of_their_own(tmp_path):
    """Against scores worked out by hand from the net that the same configuration trains."""
    pytest.importorskip("sklearn")
    from hpn_lite import training

    rare = {**DIGITS, "data": {"name": "digits", "imbalanced": {"3": 0.05}}, "head": {"kind": "softmax", "width": 2},
            "penalty": {"output": {"weight": 0.1, "s": 0}}}  # fmt: skip
    record = runs.get_or_run(rare, seed=1, run=True, out=tmp_path)

    def again(config):
        net, head, parts, recipe = training.build({**config, "seed": 1})
        training.train(net, head, parts, recipe, seed=1, penalty=training.penalty_of(config, head))
        return net.eval(), head, parts

    net, head, (train, test) = again(rare)
    with torch.no_grad():
        z = net(test.scaled(test.x))
    right = head.predict(z) == test.y
    assert record.final["accuracy"] == pytest.approx(float(right.double().mean()))
    assert record.final["rare_accuracy"] == pytest.approx(float(right[test.y == 3].double().mean()))
    assert record.details["class_images"] == torch.bincount(train.y).tolist()
    torch.testing.assert_close(torch.tensor(record.details["sample"]["outputs"]), z[:400], atol=1e-4, rtol=1e-4)
    wanted = head.linear.weight.detach()
    torch.testing.assert_close(torch.tensor(record.details["sample"]["class_vectors"]), wanted, atol=1e-4, rtol=1e-4)

    unseen = {**DIGITS, "data": {"name": "digits", "held_out": 3}, "head": {"kind": "angular", "width": 4, "margin": 2}}
    record = runs.get_or_run(unseen, seed=1, run=True, out=tmp_path)
    net, head, (train, test) = again(unseen)
    assert head.classes == 7 and len(set(train.classes) & set(training.data_of({**unseen, "seed": 1})[2].classes)) == 0
    images = training.data_of({**unseen, "seed": 1})[2]
    with torch.no_grad():
        z = torch.nn.functional.normalize(net(images.scaled(images.x)), dim=1)
    cosine, same = z @ z.T, images.y[:, None] == images.y
    off = ~torch.eye(len(z), dtype=torch.bool)
    # the area: how often a pair of one class is closer than a pair of two; 6,000 drawn pairs against all of them
    positives, negatives = cosine[same & off], cosine[~same].sort().values
    area = float(torch.searchsorted(negatives, positives).double().mean() / len(negatives))
    assert record.final["auc"] == pytest.approx(area, abs=0.03)
    assert 0.5 < record.final["verification"] <= 1


# ---- the shell ----


def test_the_list_says_what_is_missing(toy, tables, capsys):
    saved(lr=0.5)
    assert runs.main(["--list", "--seeds", "0", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert "4.0 min  missing" in lines[0] and "missing" in lines[1]
    assert lines[4].split()[-1] == f"a/{runs.key({**CONFIG, 'lr': 0.5})}-seed1.json"
    assert lines[-1].startswith("missing in all: about 8 minutes")


@pytest.mark.parametrize("line", ["X --list", "A", "A --budget 0", "A --budget 9 --seeds -1"])
def test_the_shell_says_what_it_needs(tables, line, capsys):
    with pytest.raises(SystemExit) as stopped:
        runs.main(line.split())
    assert stopped.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_the_shell_runs_and_counts(toy, tables, capsys, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert runs.main(["A", "--budget", "60", "--out", str(tmp_path / "else")]) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    out = capsys.readouterr().out
    assert "2 done" in out and "accuracy 0.3" in out
    assert len(list((tmp_path / "else" / "a").glob("*.json"))) == 2


# ---- the rows of the papers ----


def test_the_tables_are_complete():
    hpn = ["HPN-E5", "HPN-T1", "HPN-T2", "HPN-T3", "HPN-F4", "HPN-F5", "HPN-F6", "HPN-T4"]
    mhe = ["MHE-T1", "MHE-T2", "MHE-T3", "MHE-T4", "MHE-F3", "MHE-T5"]
    mhe += ["MHE-T6", "MHE-F4", "MHE-T7", "MHE-T7-DIGITS", "MHE-T8", "MHE-T9"]  # T10 is faces alone, and has no rows
    lpa = ["LPA-CIFAR100", "LPA-T9", "LPA-LT100", "LPA-LT10", "LPA-IN1K"]
    assert list(EXPERIMENTS) == [*hpn, *mhe, *lpa]
    assert {name: len(e.rows) for name, e in EXPERIMENTS.items()} == {
        "HPN-E5": 22,
        "HPN-T1": 14,
        "HPN-T2": 14,
        "HPN-T3": 12,
        "HPN-F4": 4,
        "HPN-F5": 10,
        "HPN-F6": 2,
        "HPN-T4": 5,
        "MHE-T1": 26,  # two data sets of four forms with three exponents, and a baseline each
        "MHE-T2": 15,
        "MHE-T3": 9,
        "MHE-T4": 11,
        "MHE-F3": 16,
        "MHE-T5": 6,
        "MHE-T6": 10,  # two nets without a penalty and with four
        "MHE-F4": 4,
        "MHE-T7": 12,  # two settings without a penalty and with five
        "MHE-T7-DIGITS": 12,
        "MHE-T8": 8,  # four margins with and without the energy
        "MHE-T9": 8,
        "LPA-CIFAR100": 16,
        "LPA-T9": 9,
        "LPA-LT100": 12,  # three rows at three imbalances, and three with a linear layer
        "LPA-LT10": 9,
        "LPA-IN1K": 5,
    }
    assert all(name == e.name for name, e in EXPERIMENTS.items())


def test_the_numbers_of_the_paper():
    """Cells copied here once more, from the paper's tables, against slips of the hand."""

    def paper(table, row, metric="accuracy"):
        return next(r for r in EXPERIMENTS[table].rows if r.name == row).paper[metric]

    assert [paper("HPN-T1", f"CIFAR-100, D = {d}, HPN") for d in (10, 25, 100)] == [49.5, 60.9, 64.1]
    assert [paper("HPN-T1", f"ImageNet-200, D = {d}, word2vec") for d in (25, 50, 200)] == [21.2, 27.7, 30.0]
    assert paper("HPN-T1", "CIFAR-100, D = 100, one-hot") == 60.9
    assert [paper("HPN-T2", f"ImageNet-200, D = {d}, HPN") for d in (25, 50, 200)] == [55.6, 56.3, 59.3]
    assert [paper("HPN-T3", f"CIFAR-100, D = {d}, HPN with semantics") for d in (3, 5, 10)] == [8.8, 30.3, 53.4]
    assert [paper("HPN-F5", f"{o}, 2D+1D baseline", "mae") for o in ("SGD", "Adam")] == [236.0, 78.7]
    assert paper("HPN-T4", "SGD, baseline", "mae") == "diverged"
    errors = [round(100 - paper("MHE-T6", f"ResNet-34, {form}"), 2) for form in ("orthogonal", "orthonormal", "MHE")]
    assert errors == [29.74, 29.75, 29.60]
    assert [paper("MHE-F4", f"free class vectors{more}") for more in ("", ", MHE")] == [88.5, 98.0]
    assert round(100 - paper("MHE-T7", "single, half-space MHE", "rare_accuracy"), 2) == 26.40
    assert round(100 - paper("MHE-T7", "multiple, half-space A-MHE"), 2) == 9.89
    assert MHE_FACES["MHE-T8"][3] == (98.97, 99.13, 63.71, 66.89) and MHE_FACES["MHE-T9"][1][:2] == (96.93, 97.47)
    assert all(plain < plus for table in MHE_FACES.values() for row in table.values()
               for plain, plus in (row[:2], row[2:]))  # fmt: skip


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_rows_are_told_apart(name):
    rows = EXPERIMENTS[name].rows
    assert len({row.name for row in rows}) == len(rows) == len({runs.key(row.config) for row in rows})
    for claim in EXPERIMENTS[name].claims:
        assert {claim.better, claim.worse} - {""} <= {row.name for row in rows} and claim.better != claim.worse


def test_tables_share_rows_where_the_papers_do():
    def configs(name):
        return {runs.key(row.config): row.name for row in EXPERIMENTS[name].rows}

    assert sorted(configs("HPN-T1").keys() & configs("HPN-T3").keys()) == sorted(
        k for k, row in configs("HPN-T1").items() if row.startswith("CIFAR") and row.endswith("HPN")
    )
    assert len(configs("HPN-F4").keys() & configs("HPN-T1").keys()) == 1


def test_the_papers_own_numbers_keep_its_claims():
    """Claims about order hold for the numbers they were taken from."""
    for experiment in EXPERIMENTS.values():
        paper = {row.name: row.paper for row in experiment.rows}
        for claim in experiment.claims:
            better, worse = (paper.get(n, {}).get(claim.metric) for n in (claim.better, claim.worse))
            if isinstance(better, float) and isinstance(worse, float):
                sign = -1 if claim.metric == "mae" else 1
                assert sign * (better - worse) > 0, claim.text


def test_the_cheap_and_telling_rows_come_first():
    order = [(name, row) for name, row, _ in runs.wanted([], [0])]
    names = [name for name, _ in order]
    assert names[0] == "HPN-F6", "needs no GPU"
    first = {name: names.index(name) for name in EXPERIMENTS}
    assert first["HPN-E5"] < first["HPN-T3"] < first["HPN-T1"] < first["HPN-F4"] < first["HPN-T2"] < first["HPN-F5"]
    needy = [bool(row.needs) for _, row in order]
    assert needy == sorted(needy), "what needs data that may be missing comes last"


# ---- several at once ----


def test_runs_that_take_turns_end_like_runs_alone(monkeypatch, tmp_path):
    """Three nets on the digits in two threads: each with the bits it has alone, and it says that it was not."""
    pytest.importorskip("sklearn")
    recipe = {"epochs": 2, "batch": 64, "lr": 0.05}
    base = {"task": "train", "data": "digits", "net": {"name": "mlp", "hidden": [16]}, "recipe": recipe}
    heads = {
        "best": {"kind": "prototypes", "points": "best", "dim": 4, "seconds": 0.05},
        "moving": {"kind": "assigned", "points": "uniformity", "dim": 3},
        "softmax": {"kind": "softmax", "smoothing": 0.1},
    }
    rows = tuple(
        Row(name, {**base, "head": head}, {"accuracy": None}, i) for i, (name, head) in enumerate(heads.items())
    )
    for name in list(EXPERIMENTS):
        monkeypatch.delitem(EXPERIMENTS, name)
    monkeypatch.setitem(EXPERIMENTS, "A", Experiment("A", "a", rows))
    count = {
        n: runs.fill([], budget=600, device="cpu", together=n, out=tmp_path / str(n), say=lambda _: None)
        for n in (1, 2)
    }
    assert count[1] == count[2] == {"there": 0, "done": 3, "left": 0, "lacking": 0, "failed": 0}
    for row in rows:
        alone, beside = (runs.find(row.config, 0, tmp_path / n)[0] for n in ("1", "2"))
        assert alone.final == beside.final
        assert [e["loss"] for e in alone.epochs] == [e["loss"] for e in beside.epochs]
        assert (alone.details["beside_others"], beside.details["beside_others"]) == (False, True)


def test_only_the_rows_that_are_named(tables):
    assert [row.name for _, row, _ in runs.wanted([], [0], ["shared", "chance"])] == ["shared", "no chance in it"]
    assert runs.wanted([], [0], ["nothing"]) == []
