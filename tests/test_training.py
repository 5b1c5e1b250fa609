"""Training: against a plain loop, the papers' settings, and runs that are stopped, killed, out of time or diverging."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import types
import warnings

import pytest
import torch
from torch.nn import functional

from hpn_lite import data, heads, nets, stepping, training
from hpn_lite.training import Recipe, train


def some(n: int = 40, seed: int = 0) -> tuple[data.Images, data.Images]:
    """Images whose class can be learnt: a bright column where the label says."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 4
    x = torch.randint(0, 100, (n, 1, 8, 8), generator=generator)
    x[torch.arange(n), 0, :, 2 * y] += 150
    images = data.Images(x.to(torch.uint8), y, tuple("abcd"), name="columns")
    return images, images.subset(slice(0, 12))


def dropout_net(width: int) -> torch.nn.Module:
    """Dropout shows whether random numbers go on where they were, BatchNorm whether its statistics do."""
    net = nets.digits(width, filters=2)
    net.insert(6, torch.nn.Dropout(0.2))
    return net


def fresh(kind: str = "prototypes", seed: int = 0) -> tuple[torch.nn.Module, heads.Head]:
    head = {
        "prototypes": lambda: heads.PrototypeHead(torch.eye(4)),
        "softmax": lambda: nets.seeded(1, heads.SoftmaxHead, 4, 5),
        "nearest-mean": lambda: heads.NearestMeanHead(4, 3, "decay"),
    }[kind]()
    return nets.seeded(seed, dropout_net, head.width), head


SHORT = Recipe(epochs=3, batch=10, lr=0.05, milestones=(2,), weight_decay=1e-3, crop=1, flip=False)


def state(net, head) -> list[torch.Tensor]:
    return [t.clone() for module in (net, head) for t in module.state_dict().values()]


def numbers(result: training.Training) -> list[dict]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in result.epochs]


def same(one, other) -> None:
    (net, head, result), (net_, head_, result_) = one, other
    assert numbers(result) == numbers(result_) and result.final == result_.final
    for a, b in zip(state(net, head), state(net_, head_), strict=True):
        assert torch.equal(a, b)


def whole(kind: str = "prototypes", recipe: Recipe = SHORT, **options):
    net, head = fresh(kind)
    return net, head, train(net, head, some(), recipe, **options)


# ---- what is computed ----


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_train_agrees_with_a_plain_loop(reduction):
    images, test = some(42)
    recipe = Recipe(epochs=2, batch=10, lr=0.02, weight_decay=1e-2, milestones=(1,), crop=1, loss_reduction=reduction)
    head = heads.SoftmaxHead(4)
    net = nets.seeded(0, nets.digits, 4, filters=2)
    result = train(net, head, (images, test), recipe, seed=7)

    plain = nets.seeded(0, nets.digits, 4, filters=2)
    optimiser = torch.optim.SGD(plain.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-2)
    for epoch in range(2):
        optimiser.param_groups[0]["lr"] = 0.02 * 0.1**epoch
        generator = torch.Generator().manual_seed(training._mix(7, epoch))
        losses = []
        for x, y in data.batches(images, 10, generator, crop=1):
            loss = functional.cross_entropy(plain(x), y, reduction=reduction)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item() * (len(y) if reduction == "mean" else 1))
        assert result.epochs[epoch]["loss"] == pytest.approx(sum(losses) / 42, rel=1e-4)
    for a, b in zip(net.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)
    plain.eval()
    right = (plain(test.scaled(test.x)).argmax(1) == test.y).float().mean()
    assert result.final == {"accuracy": pytest.approx(float(right))}


def test_it_learns():
    net, head = fresh()
    result = train(net, head, some(200), Recipe(epochs=8, batch=20, lr=0.1))
    assert result.final["accuracy"] == 1.0 and result.epochs[-1]["loss"] < 0.2 * result.epochs[0]["loss"]
    assert result.finished and not result.stopped and not result.diverged
    assert [row["epoch"] for row in result.epochs] == list(range(1, 9)) and result.images_per_second > 0


def test_the_papers_rates():
    hpn = training.HPN_S1
    assert [hpn.rate(epoch * 391, 391) for epoch in (0, 99, 100, 199, 200, 249)] == pytest.approx(
        [1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4]
    )
    assert (hpn.total(391), hpn.batch, hpn.weight_decay, hpn.crop, hpn.flip) == (250 * 391, 128, 1e-4, 4, True)
    mhe = training.MHE_S1
    assert mhe.total(390) == 42_500
    assert [mhe.rate(step, 390) for step in (0, 19_999, 20_000, 30_000, 37_500)] == pytest.approx(
        [0.1, 0.1, 0.01, 1e-3, 1e-4]
    )
    lpa = training.LPA_S2
    assert [lpa.rate(epoch * 85, 85) for epoch in (159, 160, 180)] == pytest.approx([0.1, 0.01, 1e-3])
    assert lpa.mixup == 1.0 and training.LPA_S1 == hpn


def test_warm_up_and_cosine():
    recipe = Recipe(epochs=10, lr=1.0, warmup=2, cosine=True)
    rates = [recipe.rate(step, 5) for step in range(50)]
    assert rates[:10] == pytest.approx([k / 10 for k in range(1, 11)])
    assert rates[10] == 1.0 and rates[30] == pytest.approx(0.5) and 0 < rates[-1] < 0.01
    assert all(a > b for a, b in zip(rates[10:], rates[11:], strict=False))


def test_steps_may_end_inside_an_epoch():
    net, head = fresh()
    result = train(net, head, some(), Recipe(steps=6, batch=10, lr=0.05))
    assert len(result.epochs) == 2 and result.finished and "accuracy" in result.epochs[-1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "epochs or steps"), ({"epochs": 1, "steps": 2}, "epochs or steps"), ({"epochs": 0}, "at least 1"),
        ({"epochs": 1, "optimiser": "lion"}, "lion"), ({"epochs": 1, "loss_reduction": "none"}, "none"),
        ({"epochs": 1, "lr": -1}, "lr must be positive and finite, got -1"),
    ],
)  # fmt: skip
def test_impossible_recipes(wrong, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**wrong)


def test_what_does_not_fit_is_refused():
    images, test = some()
    head = heads.PrototypeHead(torch.eye(4))
    with pytest.raises(ValueError, match="net has 3 outputs and the head wants 4"):
        train(nets.digits(3), head, (images, test), SHORT)
    with pytest.raises(ValueError, match="y must lie from 0 to 2"):
        train(nets.digits(3), heads.PrototypeHead(torch.eye(3)), (images, test), SHORT)
    with pytest.raises(ValueError, match="0 images to train on"):
        train(nets.digits(4), head, (images.subset([]), test), SHORT)
    with pytest.raises(ValueError, match="no batch"):
        train(nets.digits(4), head, (images, test), dataclasses.replace(SHORT, batch=64, keep_last=False))
    with pytest.raises(ValueError, match='"auto", "plain" or "compile"'):
        train(nets.digits(4), head, (images, test), SHORT, speed="warp")


def test_head_and_penalty_are_called_in_their_places():
    calls = []

    class Watching(heads.PrototypeHead):
        def observe(self, z, y):
            assert not z.requires_grad and z.shape == (len(y), 4) and self.check is False
            calls.append("observe")

        def start_epoch(self, epoch):
            calls.append(f"start {epoch}")

        def end_epoch(self, epoch):
            calls.append(f"end {epoch}")

    head = Watching(torch.eye(4))
    net = nets.seeded(0, nets.digits, 4, filters=2)
    recipe = Recipe(epochs=2, batch=20, lr=0.05)
    result = train(
        net, head, some(), recipe, evaluate_every=2,
        penalty=lambda net, z, y: 10 * net[-1].weight.square().sum(),
        on_epoch=lambda epoch, net, head, row: calls.append(f"done {epoch} {row['epoch']}"),
    )  # fmt: skip
    epochs = [[f"start {e}", "observe", "observe", f"end {e}", f"done {e + 1} {e + 1}"] for e in range(2)]
    assert calls == epochs[0] + epochs[1]
    assert ["accuracy" in row for row in result.epochs] == [False, True]
    assert head.check is None
    free = nets.seeded(0, nets.digits, 4, filters=2)
    train(free, heads.PrototypeHead(torch.eye(4)), some(), recipe)
    assert net[-1].weight.norm().item() < 0.75 * free[-1].weight.norm().item()


def test_mixup_gives_the_head_the_larger_share():
    seen = []

    class Watching(heads.PrototypeHead):
        def observe(self, z, y):
            seen.append(y)

    net = nets.seeded(0, nets.digits, 4, filters=2)
    recipe = Recipe(epochs=1, batch=20, lr=0.1, mixup=1.0)
    result = train(net, Watching(torch.eye(4)), some(), recipe)
    assert sorted(torch.cat(seen).tolist()) == sorted(some()[0].y.tolist()) and result.epochs[0]["loss"] > 0


def test_two_targets_at_once():
    images, test = data.rotated(some()[0], keep=(0, 1, 2, 3)), data.rotated(some()[1], keep=(0, 1, 2, 3), seed=1)
    head = heads.JointHead(torch.eye(4), 0.0, 180.0)
    net = nets.seeded(0, nets.digits, head.width, filters=2)
    result = train(net, head, (images, test), dataclasses.replace(SHORT, mixup=0.0))
    assert set(result.final) == {"accuracy", "mae"} and result.final["mae"] <= 180


# ---- the same again ----


@pytest.mark.parametrize("kind", ["prototypes", "softmax", "nearest-mean"])
def test_a_seed_fixes_everything(kind):
    torch.manual_seed(1)
    first = whole(kind, seed=3)
    torch.manual_seed(2)
    number = torch.rand(1)
    torch.manual_seed(2)
    second = whole(kind, seed=3)
    assert torch.equal(torch.rand(1), number)  # the caller's random numbers are untouched
    same(first, second)
    assert numbers(whole(kind, seed=4)[2]) != numbers(first[2])


@pytest.mark.parametrize(("kind", "optimiser"), [("prototypes", "sgd"), ("softmax", "adam"), ("nearest-mean", "sgd")])
def test_a_run_in_pieces_is_the_whole_run(tmp_path, kind, optimiser):
    """seconds=0 allows one step a call: twelve steps, twelve calls with a new net each, and the same bits."""
    recipe = dataclasses.replace(SHORT, optimiser=optimiser, lr=0.01, mixup=0.0 if kind == "nearest-mean" else 1.0)
    straight = whole(kind, recipe)
    assert straight[2].finished
    calls = 0
    while True:
        net, head = fresh(kind, seed=100 * calls)  # from the second call on the checkpoint knows the weights
        result = train(net, head, some(), recipe, seconds=0, checkpoint=tmp_path / "deep/run.pt")
        calls += 1
        if result.finished:
            break
        assert result.stopped == "time" and result.final == {} and calls < 12
    assert calls == 12
    same(straight, (net, head, result))
    again = train(*fresh(kind), some(), recipe, checkpoint=tmp_path / "deep/run.pt")
    assert numbers(again) == numbers(result) and again.finished and again.seconds == result.seconds


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_step_and_keeps_it(tmp_path, number):
    steps = []

    def interrupt(net, z, y):
        steps.append(1)
        if len(steps) == 6:
            signal.raise_signal(number)
        return 0 * z.sum()

    before = signal.getsignal(number)
    net, head = fresh()
    result = train(net, head, some(), SHORT, checkpoint=tmp_path / "run.pt", penalty=interrupt)
    assert result.stopped == "interrupted" and not result.finished and len(result.epochs) == 1 and len(steps) == 6
    assert signal.getsignal(number) == before
    result = train(net, head, some(), SHORT, checkpoint=tmp_path / "run.pt", penalty=interrupt)
    assert len(steps) == 12
    same(whole(), (net, head, result))


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from test_training import SHORT, fresh, some, train

steps = []

def kill(net, z, y):
    steps.append(1)
    if len(steps) == 11:  # in the third epoch
        os.kill(os.getpid(), signal.SIGKILL)
    return 0 * z.sum()

train(*fresh(), some(), SHORT, checkpoint={file!r}, penalty=kill)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal on this system")
def test_a_killed_run_loses_at_most_its_epoch(tmp_path):
    file = tmp_path / "run.pt"
    code = KILLED.format(tests=os.path.dirname(__file__), file=str(file))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(torch.load(file, weights_only=True)["run"]["rows"]) == 2
    net, head = fresh(seed=9)
    result = train(net, head, some(), SHORT, checkpoint=file)
    same(whole(), (net, head, result))


def test_a_checkpoint_is_old_or_new_and_never_half(tmp_path, monkeypatch):
    file = tmp_path / "run.pt"
    real, saves = torch.save, []

    def dies(content, stream):
        saves.append(1)
        if len(saves) == 2:
            stream.write(b"half a checkpoint")
            raise OSError("no space left on device")
        real(content, stream)

    monkeypatch.setattr(torch, "save", dies)
    with pytest.raises(OSError, match="no space"):
        train(*fresh(), some(), SHORT, checkpoint=file)
    monkeypatch.setattr(torch, "save", real)
    net, head = fresh()
    result = train(net, head, some(), SHORT, checkpoint=file)
    same(whole(), (net, head, result))


def test_a_foreign_or_broken_checkpoint_is_refused(tmp_path):
    file = tmp_path / "run.pt"
    train(*fresh(), some(), SHORT, checkpoint=file)
    for change in ({"seed": 1}, {"recipe": dataclasses.replace(SHORT, lr=0.5)}, {"data": some(60)}):
        given = {"data": some(), "recipe": SHORT} | change
        with pytest.raises(ValueError, match="belongs to another run"):
            train(*fresh(), checkpoint=file, **given)
    with pytest.raises(ValueError, match="head: 'PrototypeHead"):
        train(*fresh("softmax"), some(), SHORT, checkpoint=file)
    file.write_bytes(b"PK nonsense")
    with pytest.raises(ValueError, match="no checkpoint of a run"):
        train(*fresh(), some(), SHORT, checkpoint=file)


def test_a_diverging_run_is_a_record(tmp_path):
    """Without its clamp the squared loss explodes at this rate, as the paper's baseline of HPN-T4 does."""
    images, test = some()
    images, test = (data.Images(part.x, part.y * 25.0) for part in (images, test))
    head = heads.SquaredHead(0.0, 100.0, clamp=False)
    recipe = Recipe(epochs=5, batch=10, lr=1e18, loss_reduction="sum")
    result = train(nets.seeded(0, nets.mlp, 1), head, (images, test), recipe, checkpoint=tmp_path / "run.pt")
    assert result.stopped == "diverged" and not result.finished and result.final == {}
    assert "loss became" in result.diverged and "epoch 1" in result.diverged
    assert len(result.epochs) == 1 and result.epochs[0]["loss"] is None
    assert json.loads(json.dumps(dataclasses.asdict(result), allow_nan=False))["diverged"] == result.diverged
    again = train(nets.seeded(0, nets.mlp, 1), head, (images, test), recipe, checkpoint=tmp_path / "run.pt")
    assert again.diverged == result.diverged and again.epochs == result.epochs


def test_the_bar_speaks_once_an_epoch_in_a_log(capsys):
    net, head = fresh()
    train(net, head, some(), SHORT, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and "100%" in lines[-1] and "images/s" in lines[-1] and "accuracy" in lines[-1]
    train(net, head, some(), SHORT)
    assert capsys.readouterr() == ("", "")


# ---- captured steps, acted on the CPU ----


class Recorded:
    """Stands for a CUDA graph: replaying runs the step again on the tensors that it was recorded with."""

    stepper: stepping.Stepper

    def replay(self):
        for old, new in zip(
            self.stepper.out, self.stepper._step(self.stepper.x, self.stepper.y, self.scale), strict=True
        ):
            old.copy_(new)


@pytest.fixture
def acted(monkeypatch):
    monkeypatch.setattr(torch.cuda, "Stream", lambda *_: torch.cpu.Stream())
    monkeypatch.setattr(torch.cpu.Stream, "wait_stream", lambda *_: None, raising=False)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda *_: torch.cpu.Stream())
    monkeypatch.setattr(torch.cuda, "stream", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Recorded)
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda *_: torch.get_rng_state())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, *_: torch.set_rng_state(state))


def run_steps(head: heads.Head, graph: bool, replaced: bool = False) -> tuple[list, list]:
    net = nets.seeded(0, nets.digits, head.width, filters=2)
    model = stepping.Model(net, head, None, bf16=False)
    step = stepping.Stepper(model, SHORT, torch.device("cpu"), graph=graph)
    losses = []
    for turn, (x, y) in enumerate(data.batches(some(34)[0], 10, torch.Generator().manual_seed(0))):
        if step.graph is not None:
            step.graph.stepper, step.graph.scale = step, 1 / 10
        if replaced and turn == 2:
            head.prototypes = head.prototypes.clone()
        loss, z = step(x, y, 1 / len(x), lr=0.05 / (turn + 1))
        head.observe(z, y)
        losses.append(float(loss))
    return losses, state(net, head)


@pytest.mark.parametrize("kind", ["prototypes", "nearest-mean"])
def test_captured_steps_are_the_same_steps(acted, monkeypatch, kind):
    """Warming up and capturing leave no trace; batches, rates and the smaller last batch reach the captured step."""
    captured = []
    real = stepping.Stepper._capture

    def capture(self, x, y, scale):
        captured.append(1)
        real(self, x, y, scale)
        self.graph.stepper, self.graph.scale = self, scale

    monkeypatch.setattr(stepping.Stepper, "_capture", capture)
    ours, weights = run_steps(fresh(kind)[1], graph=True)
    plain, wanted = run_steps(fresh(kind)[1], graph=False)
    assert captured == [1] and ours == pytest.approx(plain)
    for a, b in zip(weights, wanted, strict=True):
        torch.testing.assert_close(a, b)


def test_what_cannot_be_captured_is_stepped_eagerly(acted, monkeypatch):
    @contextlib.contextmanager
    def refuse(*_, **__):
        raise RuntimeError("operation not permitted when stream is capturing")
        yield

    monkeypatch.setattr(torch.cuda, "graph", refuse)
    with pytest.warns(UserWarning, match="run uncaptured.*not permitted"):
        ours, weights = run_steps(fresh()[1], graph=True)
    plain, wanted = run_steps(fresh()[1], graph=False)
    assert ours == pytest.approx(plain)
    for a, b in zip(weights, wanted, strict=True):
        torch.testing.assert_close(a, b)


def test_a_replaced_buffer_is_noticed(acted, monkeypatch):
    real = stepping.Stepper._capture

    def capture(self, x, y, scale):
        real(self, x, y, scale)
        self.graph.stepper, self.graph.scale = self, scale

    monkeypatch.setattr(stepping.Stepper, "_capture", capture)
    with pytest.warns(UserWarning, match="change it in place"):
        ours, _ = run_steps(fresh()[1], graph=True, replaced=True)
    assert ours == pytest.approx(run_steps(fresh()[1], graph=False)[0])


# ---- from a configuration, and from a shell ----


@pytest.mark.parametrize(
    ("head", "kind", "width"),
    [
        ({"kind": "prototypes", "points": "one-hot"}, heads.PrototypeHead, 10),
        ({"kind": "prototypes", "points": "best", "dim": 2, "seconds": 0.1}, heads.PrototypeHead, 2),
        ({"kind": "prototypes", "points": "uniform", "dim": 5}, heads.PrototypeHead, 5),
        ({"kind": "softmax"}, heads.SoftmaxHead, 10),
        ({"kind": "nearest-mean", "update": "decay", "dim": 6}, heads.NearestMeanHead, 6),
    ],
)
def test_build_makes_what_it_is_told(head, kind, width):
    config = {"data": "digits", "net": "digits", "head": head, "recipe": {"name": "MHE_S1", "epochs": 2}, "seed": 3}
    before = json.dumps(config)
    net, made, (images, _), recipe = training.build(config)
    assert json.dumps(config) == before
    assert type(made) is kind and made.width == net.width == width and len(images) == 1347
    assert (recipe.epochs, recipe.steps, recipe.weight_decay) == (2, None, 5e-4)
    again = training.build(config)[0]
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def test_build_makes_variants_of_the_data():
    head = {"kind": "joint", "points": "best", "dim": 3, "low": 0, "high": 180}
    net = {"name": "mlp", "hidden": [8]}
    config = {"data": {"name": "digits", "rotated": True}, "net": net, "head": head, "recipe": {"epochs": 1}}
    net, head, (images, test), _ = training.build(config)
    assert head.width == 3 and len(images.y) == 2 and images.classes == ("2", "3", "4", "5", "7")
    head.validate(test.y)
    tail = training.build(config | {"data": {"name": "digits", "long_tailed": 0.1}, "head": {"kind": "softmax"}})[2]
    rare = training.build(config | {"data": {"name": "digits", "imbalanced": {"0": 0.0}}, "head": {"kind": "softmax"}})[
        2
    ]
    assert len(tail[0]) < 600 and len(tail[1]) == 450
    assert int((rare[0].y == 0).sum()) == 0 and int((rare[1].y == 0).sum()) > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "digitz"}, "data sets are digits"), ({"net": "resnet33"}, "nets are .*resnet32"),
        ({"head": {"kind": "nearest"}}, "heads are prototypes"), ({"head": {"points": "good"}}, "points are best"),
    ],
)  # fmt: skip
def test_build_names_what_there_is(change, message):
    config = {"data": "digits", "net": "mlp", "head": {"kind": "softmax"}, "recipe": {"epochs": 1}}
    with pytest.raises(ValueError, match=message):
        training.build(config | change)


def test_the_shell_trains_and_writes(tmp_path, capsys):
    out = tmp_path / "out.json"
    arguments = [
        "--net",
        "mlp",
        "--head",
        "softmax",
        "--set",
        "epochs=2",
        "lr=0.05",
        "--device",
        "cpu",
        "--out",
        str(out),
    ]
    assert training.main(arguments) == 0
    written = json.loads(out.read_text())
    assert (
        len(written["epochs"]) == 2 and written["finished"] and written["config"]["recipe"] == {"epochs": 2, "lr": 0.05}
    )
    assert "accuracy" in capsys.readouterr().out


def test_no_warning_on_the_way():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole()


def test_the_bar_is_rewritten_in_a_notebook(monkeypatch, capsys):
    """In a kernel the bar is one display that is updated, with nothing on stderr."""
    shown = []

    class Handle:
        def update(self, content, raw):
            shown.append(content["text/plain"])

    def display(content, raw, display_id):
        assert raw and display_id
        return Handle()

    kernel = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: kernel))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    train(*fresh(), some(), SHORT, progress=True)
    assert len(shown) >= 3 and "100%" in shown[-1] and "0:00:00 left" in shown[-1] and "loss" in shown[-1]
    assert capsys.readouterr() == ("", "")


def test_the_bar_is_one_line_in_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    train(*fresh(), some(), SHORT, progress=True)
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and text.endswith("\n") and text.count("\r") >= 3


def test_runs_side_by_side():
    """Two processes give what two calls one after the other give."""
    config = {"data": "digits", "net": {"name": "mlp", "hidden": [8]}, "head": {"kind": "softmax"},
              "recipe": {"epochs": 1, "lr": 0.1}}  # fmt: skip
    runs = [(config | {"seed": seed}, {"evaluate_every": 1}) for seed in range(2)]
    found = training.together(runs, at_once=2)
    for (each, _), result in zip(runs, found, strict=True):
        net, head, images, recipe = training.build(each)
        assert numbers(train(net, head, images, recipe, seed=each["seed"])) == numbers(result)
    assert numbers(found[0]) != numbers(found[1])
