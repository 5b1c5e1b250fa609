"""Heads: what each measures, learns, predicts and stores; and what they must refuse."""

import copy
import io
import math

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp

from hpn_lite import heads, losses, points, sphere

LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 2])
VALUES = torch.tensor([0.0, 30, 60, 90, 120, 150, 180])


def outputs(width, seed=0):
    return 3 * torch.randn(7, width, generator=torch.Generator().manual_seed(seed))


CLASS_HEADS = {
    "prototypes": lambda: heads.PrototypeHead(points.simplex(3, 4)),
    "one-hot": lambda: heads.PrototypeHead(torch.eye(3)),
    "weighted": lambda: heads.PrototypeHead(points.circle(3), weight=torch.tensor([1.0, 2, 3])),
    "softmax": lambda: heads.SoftmaxHead(3),
    "softmax, wide": lambda: heads.SoftmaxHead(3, 5),
    "online": lambda: heads.NearestMeanHead(3, 4, "online"),
    "condensation": lambda: heads.NearestMeanHead(3, 4, every=2),
    "decay": lambda: heads.NearestMeanHead(3, 4, "decay", squared=True),
}
VALUE_HEADS = {
    "regression": lambda: heads.RegressionHead(0, 180, 3),
    "regression, axis": lambda: heads.RegressionHead(0, 180, 2, axis=torch.tensor([0.6, 0.8])),
    "squared 1D": lambda: heads.SquaredHead(0, 180),
    "squared 2D+1D": lambda: heads.SquaredHead(0, 180, 2),
    "squared 3D+1D, free": lambda: heads.SquaredHead(0, 180, 3, clamp=False),
}
BOTH_HEADS = {
    "joint": lambda: heads.JointHead(points.circle(3), 0, 180),
    "joint, projected": lambda: heads.JointHead(points.circle(3), 0, 180, project=True, regression_weight=2.0),
    "multi-task": lambda: heads.MultiTaskHead(3, 0, 180, 6),
}
HEADS = CLASS_HEADS | VALUE_HEADS | BOTH_HEADS


def make(name):
    torch.manual_seed(1)
    return HEADS[name]()


def target(name):
    return LABELS if name in CLASS_HEADS else VALUES if name in VALUE_HEADS else (LABELS, VALUES)


# --- what all heads have in common ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HEADS)
def test_contract(name):
    """One call after the other, as `training.train` makes them."""
    head, y = make(name), target(name)
    head.validate(y)
    z = outputs(head.width).requires_grad_()
    head.start_epoch(0)
    loss = head.loss(z, y)
    head.observe(z, y)
    loss.backward()
    head.end_epoch(0)
    assert loss.ndim == 0 and torch.isfinite(z.grad).all()
    assert all(p.grad is not None for p in head.parameters())
    assert not any(b.requires_grad for b in head.buffers())
    each = head.loss(z, y, reduction="none")
    assert each.shape == (7,)
    torch.testing.assert_close(head.loss(z, y, reduction="sum"), each.sum())
    if name != "weighted":
        torch.testing.assert_close(head.loss(z, y), each.mean())
    prediction = head.predict(z)
    metrics = head.metrics(prediction, y)
    expected = {"accuracy"} if y is not VALUES else set()
    expected |= {"mae"} if y is not LABELS else set()
    assert set(metrics) == expected and all(type(v) is float for v in metrics.values())
    for p, t in zip(*((x if isinstance(x, tuple) else (x,)) for x in (prediction, y)), strict=True):
        assert p.shape == t.shape and p.dtype == t.dtype and not p.requires_grad


@pytest.mark.parametrize("name", HEADS)
def test_state_dict_restores_everything(name):
    head, y = make(name), target(name)
    z = outputs(head.width)
    for step in range(3):
        head.observe(outputs(head.width, seed=step), y)
    file = io.BytesIO()
    torch.save(head.state_dict(), file)
    file.seek(0)
    torch.manual_seed(2)
    other = HEADS[name]()
    for tensor in [*other.parameters(), *other.buffers()]:
        torch.nn.init.zeros_(tensor)
    if name not in CLASS_HEADS:
        other.low, other.high = -5.0, 5.0
    other.load_state_dict(torch.load(file, weights_only=True))
    torch.testing.assert_close(other.loss(z, y), head.loss(z, y), rtol=0, atol=0)
    torch.testing.assert_close(other.predict(z), head.predict(z), rtol=0, atol=0)
    for h in (head, other):
        h.observe(z, y)
    torch.testing.assert_close(other.loss(z, y), head.loss(z, y), rtol=0, atol=0)


@pytest.mark.parametrize("name", HEADS)
def test_dtypes(name):
    """The net may compute in bfloat16 or in float64."""
    head, y = make(name), target(name)
    z = outputs(head.width)
    if not list(head.parameters()):
        low = head.loss(z.bfloat16(), y)
        assert low.dtype == torch.float32
        torch.testing.assert_close(low, head.loss(z, y), rtol=0.05, atol=0.05)
        head.predict(z.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(head.loss(z, y).float(), head.loss(z, y).float())
        head.predict(z)
    double = head.double()
    assert double.loss(z.double(), y if y is LABELS else target(name)).dtype == torch.float64


@pytest.mark.parametrize("name", HEADS)
def test_wrong_outputs(name):
    head, y = make(name), target(name)
    z = outputs(head.width)
    bad = z.clone()
    bad[3] = math.nan
    with pytest.raises(ValueError, match="z holds NaN or infinity in 1 of 7 rows"):
        head.loss(bad, y)
    with pytest.raises(ValueError, match=rf"z must have shape \(B, {head.width}\) with B >= 1, got"):
        head.loss(outputs(head.width + 1), y)
    with pytest.raises(ValueError, match="reduction must be|is not a valid value for reduction"):
        head.loss(z, y, reduction="total")
    head.check = False
    head.loss(bad, y)


@pytest.mark.parametrize("name", [*CLASS_HEADS, *BOTH_HEADS])
def test_wrong_labels(name):
    head, both = make(name), name in BOTH_HEADS
    z = outputs(head.width)
    for bad in (LABELS + 1, LABELS - 1):
        wrong = (bad, VALUES) if both else bad
        with pytest.raises(ValueError, match=f"must lie from 0 to 2 for 3 classes, got {3 if bad.max() > 2 else -1}"):
            head.loss(z, wrong)
        head.check = False  # as on a GPU: then validate still looks
        with pytest.raises(ValueError, match="must lie from 0 to 2 for 3 classes"):
            head.validate(wrong)
        head.check = None
    with pytest.raises(TypeError, match="whole numbers, got torch.float32"):
        head.loss(z, (VALUES, VALUES) if both else VALUES)


@pytest.mark.parametrize("name", [*VALUE_HEADS, *BOTH_HEADS])
def test_wrong_values(name):
    head, both = make(name), name in BOTH_HEADS
    z, bad = outputs(head.width), VALUES + 1
    wrong = (LABELS, bad) if both else bad
    with pytest.raises(ValueError, match="y must lie from 0 to 180, got 181; .*clip=True"):
        head.loss(z, wrong)
    head.check = False
    with pytest.raises(ValueError, match="y must lie from 0 to 180, got 181"):
        head.validate(wrong)
    head.check, head.clip = None, True
    head.validate(wrong)
    torch.testing.assert_close(
        head.loss(z, wrong), head.loss(z, (LABELS, bad.clamp_max(180)) if both else bad.clamp_max(180))
    )


@pytest.mark.parametrize("name", BOTH_HEADS)
def test_two_tasks_need_two_targets(name):
    head = make(name)
    for wrong, given in ((LABELS, "Tensor"), ((LABELS,), "1 of them")):
        with pytest.raises(TypeError, match=rf"y must be a tuple \(labels, values\), got {given}"):
            head.loss(outputs(head.width), wrong)


def test_wrong_heads():
    for match, make_it in [
        ("prototypes must have unit rows", lambda: heads.PrototypeHead(torch.ones(3, 2))),
        (r"weight must have shape \(3,\), one per class, got \(2,\)",
         lambda: heads.PrototypeHead(torch.eye(3), weight=torch.ones(2))),
        ("low < high, got low=5 and high=5", lambda: heads.RegressionHead(5, 5, 2)),
        ("low < high, got low=6 and high=5", lambda: heads.JointHead(points.circle(3), 6, 5)),
        ("dim", lambda: heads.RegressionHead(0, 1, 1)),
        (r"axis must be a torch.Tensor of shape \(3,\)", lambda: heads.RegressionHead(0, 1, 3, axis=torch.ones(2))),
        ("axis must have unit rows", lambda: heads.RegressionHead(0, 1, 3, axis=torch.ones(3))),
        ("classes", lambda: heads.SoftmaxHead(1)),
        ("update must be .*, got 'mean'", lambda: heads.NearestMeanHead(3, 2, "mean")),
        (r"decay must lie in \[0, 1\), got 1", lambda: heads.NearestMeanHead(3, 2, "decay", decay=1)),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=match):
            make_it()


# --- what each one does ---------------------------------------------------------------------------------------------


def test_prototype_head():
    p = points.simplex(3, 4)
    head = heads.PrototypeHead(p)
    z = outputs(4)
    torch.testing.assert_close(head(z), sphere.cosines(z, p.float()))
    torch.testing.assert_close(head.loss(z, LABELS), losses.squared_cosine(z, p.float(), LABELS))
    torch.testing.assert_close(head.predict(z), head(z).argmax(1))
    assert head.metrics(head.predict(5 * p.float()), torch.tensor([0, 1, 1])) == {"accuracy": pytest.approx(2 / 3)}
    p[0] = 0  # the head has a copy
    assert head.prototypes[0].norm() > 0.99
    weighted = heads.PrototypeHead(points.circle(3), weight=torch.tensor([0.0, 0, 1]))
    z = outputs(2)
    alone = heads.PrototypeHead(points.circle(3)).loss(z[LABELS == 2], LABELS[LABELS == 2])
    torch.testing.assert_close(weighted.loss(z, LABELS), alone)


def test_softmax_head():
    z = outputs(3)
    torch.testing.assert_close(heads.SoftmaxHead(3).loss(z, LABELS), torch.nn.functional.cross_entropy(z, LABELS))
    head = make("softmax, wide")
    assert sum(p.numel() for p in head.parameters()) == 3 * 5 + 3
    torch.testing.assert_close(head.predict(outputs(5)), head.linear(outputs(5)).argmax(1))


def test_regression_head():
    head = heads.RegressionHead(1900, 2000, 2)
    z = torch.tensor([[0.0, 3.0], [1, 1], [5, 0], [0, -2]])  # the last axis is the value
    expected = torch.tensor([2000, 1950 + 50 * math.sqrt(0.5), 1950, 1900])
    torch.testing.assert_close(head.predict(z), expected)
    assert float(head.loss(z, expected)) == pytest.approx(0, abs=1e-12)
    assert head.metrics(head.predict(z), expected + 10) == {"mae": pytest.approx(10)}
    other = heads.RegressionHead(1900, 2000, 2, axis=torch.tensor([0.0, -1.0]))
    torch.testing.assert_close(other.predict(z), 3900 - expected)


def test_squared_head():
    head = heads.SquaredHead(10, 20)
    z = torch.tensor([[-1.0], [0.5], [3]])
    torch.testing.assert_close(head.predict(z), torch.tensor([10.0, 15, 20]))
    torch.testing.assert_close(heads.SquaredHead(10, 20, clamp=False).predict(z), torch.tensor([0.0, 15, 40]))
    assert float(head.loss(z, torch.tensor([10.0, 20, 20]))) == pytest.approx(0.25 / 3)
    assert [p.shape for p in heads.SquaredHead(0, 1, 3).parameters()] == [(1, 3), (1,)]


def test_joint_head():
    head = heads.JointHead(points.circle(3), 0, 180)
    z = torch.tensor([[2.0, 0, 0], [1, 0, 1], [-1, 1, -9]])
    labels, values = head.predict(z)
    assert labels.tolist() == [0, 0, 1]
    torch.testing.assert_close(values[:2], torch.tensor([90, 90 + 90 * math.sqrt(0.5)]))
    # The whole output, or its class axes alone.
    torch.testing.assert_close(head(z)[0][1, 0], torch.tensor(math.sqrt(0.5)))
    projected = heads.JointHead(points.circle(3), 0, 180, project=True)
    torch.testing.assert_close(projected(z)[0][1, 0], torch.tensor(1.0))
    y = (torch.tensor([0, 0]), torch.tensor([90, 90 + 90 * math.sqrt(0.5)]))
    assert float(projected.loss(z[:2], y)) == pytest.approx(0, abs=1e-12)
    assert float(head.loss(z[:2], y)) == pytest.approx((1 - math.sqrt(0.5)) ** 2 / 2, rel=1e-5)
    assert head.metrics((labels, values), (labels, values + 3)) == {"accuracy": 1.0, "mae": pytest.approx(3)}


def test_multi_task_head():
    head, z = make("multi-task"), outputs(6)
    scores, values = head(z)
    expected = torch.nn.functional.cross_entropy(scores, LABELS) + ((values - VALUES) / 180).square().mean()
    torch.testing.assert_close(head.loss(z, (LABELS, VALUES)), expected)
    head.regression_weight = 0.0
    torch.testing.assert_close(head.loss(z, (LABELS, VALUES)), torch.nn.functional.cross_entropy(scores, LABELS))


# --- Deep NCM -------------------------------------------------------------------------------------------------------

FIRST = (torch.tensor([[1.0], [3], [10]]), torch.tensor([0, 0, 1]))
SECOND = (torch.tensor([[5.0], [20]]), torch.tensor([0, 1]))
THIRD = (torch.tensor([[8.0]]), torch.tensor([0]))


@pytest.mark.parametrize(
    ("options", "means", "counts"),
    [
        ({"update": "online"}, [(1 + 3 + 5 + 8) / 4, 15], [4, 2]),
        ({"update": "condensation", "every": 2}, [(3 + 8) / 2, 15], [2, 1]),  # (1, 3, 5) became one 3, (10, 20) one 15
        ({"update": "condensation", "every": 100}, [(1 + 3 + 5 + 8) / 4, 15], [4, 2]),
        ({"update": "decay", "decay": 0.5}, [((2 + 5) / 2 + 8) / 2, 15], [4, 2]),
        ({"update": "decay", "decay": 0.9}, [0.9 * (0.9 * 2 + 0.5) + 0.8, 0.9 * 10 + 2], [4, 2]),
    ],
)
def test_means_by_hand(options, means, counts):
    head = heads.NearestMeanHead(3, 1, **options)
    for batch in (FIRST, SECOND, THIRD):
        head.observe(*batch)
    np.testing.assert_allclose(head.means[:, 0], [*means, 0], rtol=1e-6)
    np.testing.assert_allclose(head.counts, [*counts, 0])
    assert 2 not in head.predict(torch.linspace(-30, 30, 50)[:, None]), "class 2 was never seen"


def test_means_before_the_first_step():
    """All means at the origin: every class is as likely, and nothing is learnt before the means are."""
    head = heads.NearestMeanHead(3, 4)
    z = outputs(4).requires_grad_()
    loss = head.loss(z, LABELS)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(math.log(3), rel=1e-6) and z.grad.abs().max() < 1e-6


def test_online_mean_is_the_mean():
    head = heads.NearestMeanHead(3, 4, "online")
    batches = [(outputs(4, seed), LABELS[torch.randperm(7)]) for seed in range(20)]
    for batch in batches:
        head.observe(*batch)
    z, y = (torch.cat(t) for t in zip(*batches, strict=True))
    torch.testing.assert_close(head.means, torch.stack([z[y == k].mean(0) for k in range(3)]))


def one_process(rank, folder, update):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    head = heads.NearestMeanHead(3, 4, update, every=2)
    for step in range(3):
        half = slice(0, 3) if rank == 0 else slice(3, 7)  # unequal halves
        head.observe(outputs(4, step)[half], LABELS[half])
    torch.save(head.state_dict(), f"{folder}/{rank}")
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("update", ["condensation", "decay"])
def test_means_agree_on_all_processes(update, tmp_path):
    """Two processes with unequal halves of each batch end with the means of one process with all of it."""
    mp.spawn(one_process, (tmp_path, update), nprocs=2)
    head = heads.NearestMeanHead(3, 4, update, every=2)
    for step in range(3):
        head.observe(outputs(4, step), LABELS)
    for rank in range(2):
        found = torch.load(tmp_path / str(rank), weights_only=True)
        torch.testing.assert_close(found, dict(head.state_dict()))


# --- they learn -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HEADS)
def test_learns(name):
    """Outputs moved freely by gradient steps reach their targets: loss and prediction mean the same."""
    head, y = make(name), target(name)
    z = outputs(head.width).requires_grad_()
    optimiser = torch.optim.Adam([z, *head.parameters()], lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        head.loss(z, y).backward()
        optimiser.step()
        head.observe(z, y)
    metrics = head.metrics(head.predict(z), y)
    assert metrics.get("accuracy", 1.0) == 1.0
    if name == "joint":  # the two tasks compete: cosine r / sqrt(1 + r^2) instead of r
        r = losses.to_cosine(VALUES, 0, 180)
        best = losses.from_cosine(r / (1 + r * r).sqrt(), 0, 180)
        torch.testing.assert_close(head.predict(z)[1], best, rtol=0, atol=2)
    elif "squared 1D" not in name and name not in ("squared 2D+1D", "multi-task"):  # there the clamp may stop learning
        assert metrics.get("mae", 0.0) < 2.0


def test_a_copy_is_independent():
    head = make("online")
    other = copy.deepcopy(head)
    other.observe(outputs(4), LABELS)
    assert head.counts.sum() == 0 and other.counts.sum() == 7
