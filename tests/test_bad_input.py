"""What a hostile caller may try: every wrong argument is named, and nothing that was wrong comes out as a number."""

import doctest
import importlib
import math

import pytest
import torch
from torch import nn

from hpn_lite import (
    assignment,
    blockcodes,
    codes,
    collapse,
    data,
    energy,
    heads,
    ledger,
    losses,
    mhe,
    nets,
    points,
    runs,
    scores,
    semantics,
    sphere,
    training,
    words,
)

P = sphere.uniform(4, 3, seed=0)
W = sphere.uniform(5, 8, seed=1)
Z = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 1, 2, 3, 0, 1])
V = torch.linspace(0, 1, 6)
ANY = torch.zeros(6, dtype=torch.bool)
NET = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
HEAD, ONE = heads.SoftmaxHead(2), training.Recipe(epochs=1)
I = data.Images(torch.zeros(4, 1, 2, 2).byte(), torch.arange(4))  # noqa: E741
nan = math.nan


CALLS = {
    # directions
    "squared chords": (lambda: sphere.squared_chords(P[:, :2], P), "x and y must have the same last dimension"),
    "tangent of a list": (lambda: sphere.tangent(P, P.tolist()), "v must be a floating-point torch.Tensor, got list"),
    "geodesic": (lambda: sphere.geodesic(P, -P.flip(0), "half"), "t must be a number, got 'half'"),
    "dtype": (lambda: sphere.uniform(2, 3, dtype="float32"), "dtype must be a floating-point type, got float32"),
    "off the page": (lambda: sphere.inverse_equal_area(P), r"y must have shape \(\.\.\., 2\), got \(4, 3\)"),
    "of whole numbers": (lambda: sphere.inverse_equal_area(Y), "y must be a floating-point torch.Tensor"),
    "of no numbers": (lambda: sphere.inverse_stereographic(P[:, :0]), r"y must have shape \(\.\.\., D-1\)"),
    "of a list": (lambda: sphere.inverse_stereographic([0.0]), "y must be a floating-point torch.Tensor, got list"),
    # points
    "seconds": (lambda: points.thomson(4, seconds="10"), "seconds must be a number, got '10'"),
    "target": (lambda: points.thomson(4, target="low"), "target must be a number, got 'low'"),
    "cosine": (lambda: points.tammes(7, 3, target="low"), "target must be a number, got 'low'"),
    "t": (lambda: points.uniformity(4, 3, "2"), "t must be a number, got '2'"),
    "lr": (lambda: points.hpn_prototypes(4, 3, lr=-0.1), "lr must be positive and finite, got -0.1"),
    "start": (lambda: points.tammes(4, 3, start=torch.zeros(4, 3)), "start holds 4 zero vector"),
    "no start": (lambda: points.tammes(4, 3, start=torch.zeros(0, 4, 3)), r"start must have .* got \(0, 4, 3\)"),
    "start of evolution": (lambda: points.evolve(4, 3, start=P * nan), "start holds NaN"),
    "mutation": (lambda: points.evolve(4, 3, mutation="few"), "mutation must be a number, got 'few'"),
    "derive": (lambda: codes.derive(codes.build("icosahedron"), 0.9), "no point is at the cosine 0.9"),
    "eigenvalue": (lambda: codes.from_graph(torch.eye(3), 5), "eigenvalue must be one of the matrix, got 5"),
    "word": (lambda: blockcodes.signs(blockcodes.best(16, 16), torch.tensor([16])), "numbers must be whole, from 0"),
    # meaning
    "pca": (lambda: semantics.pca(W[None], 2), r"w must have shape \(K, width\), got \(1, 5, 8\)"),
    "places": (lambda: semantics.arrange(P[None], W[:4]), r"points must have shape \(K, dim\), got \(1, 4, 3\)"),
    "words": (lambda: semantics.semantic_points(W[None], 3), r"w must have shape \(K, width\), got \(1, 5, 8\)"),
    "rows": (lambda: semantics.triplet_loss(P, W[:4], rows=torch.tensor([-1])), "rows must be whole numbers"),
    "no rows": (lambda: semantics.triplet_loss(P, W[:4], rows=[0.5]), "rows must be whole numbers from 0 to 3"),
    "weight": (lambda: semantics.semantic_points(W, 3, "half"), "weight must be a number, got 'half'"),
    "widths": (lambda: words.word_vectors(["a", "b"], {"a": [1.0], "b": [1.0, 2]}), r"one width, got \[1, 2\]"),
    # losses
    "weights": (lambda: losses.squared_cosine(Z, P, Y, weight=torch.ones(7)), r"weight must have .* got \(7,\)"),
    "weight of dots": (lambda: losses.dot_regression(Z, P, Y, weight=-torch.ones(4)), "weight must be finite"),
    "a list": (lambda: losses.squared_cosine(Z, P.tolist(), Y), "prototypes must be a torch.Tensor, got list"),
    "unchecked": (lambda: losses.squared_cosine(Z, P[None], Y, check=False), r"prototypes must have shape \(K, D\)"),
    "joint": (lambda: losses.joint(Z, [[1.0, 0]], Y, V), "prototypes must be a torch.Tensor, got list"),
    "no prototype": (lambda: losses.nearest_prototype(Z, P[:0]), "prototypes must have shape .* N >= 1, got"),
    "counted": (lambda: losses.batch_weights(Y, 3), "labels must lie from 0 to 2 for 3 classes, got 3"),
    "classes": (lambda: losses.batch_weights(Y, -1), "classes must be at least 1, got -1"),
    "bounds": (lambda: losses.check_bounds("0", 1), "low must be a number, got '0'"),
    "output": (lambda: losses.squared_error(V.tolist(), V, 0, 1), "output must be a floating-point"),
    "means": (lambda: losses.distance_scores(Z, P[:, :2].float()), r"z must have shape \(B, 2\)"),
    "mean": (lambda: losses.nearest_mean(Z, P.tolist(), Y), "means must be a floating-point torch.Tensor, got list"),
    # heads
    "class weights": (lambda: heads.PrototypeHead(P, weight=[1, 1, 1, 1]), "weight must be a torch.Tensor"),
    "no weight": (lambda: heads.PrototypeHead(P, weight=torch.zeros(4)), "weight must be .* over 0"),
    "NaN": (lambda: heads.PrototypeHead(P, weight=torch.full((4,), nan)), "weight must be finite"),
    "factor": (lambda: heads.JointHead(P, 0, 1, regression_weight=nan), "regression_weight must be 0 or more"),
    "factors": (lambda: heads.MultiTaskHead(3, 0, 1, 4, regression_weight=-1), "regression_weight must be 0 or more"),
    "scale": (lambda: heads.FixedSoftmaxHead(P, scale="1"), "scale must be a number, got '1'"),
    "smoothing": (lambda: heads.SoftmaxHead(3, smoothing="no"), "smoothing must be a number, got 'no'"),
    "decay": (lambda: heads.NearestMeanHead(3, 2, decay=None), "decay must be a number, got None"),
    "blend": (lambda: heads.AngularSoftmaxHead(3, 2, blend=(nan, 1, 1)), "blend must be 0 or more and finite, got nan"),
    "no blend": (lambda: heads.AngularSoftmaxHead(3, 2, blend=5), "blend must be three numbers"),
    "s": (lambda: heads.AngularSoftmaxHead(3, 2, s=-1), "s must be 0 or more and finite, got -1"),
    "m": (lambda: heads.angular_margin(V, 0), "m must be 1, 2, 3 or 4, got 0"),
    "m of five": (lambda: heads.angular_margin(V, 5), "m must be 1, 2, 3 or 4, got 5"),
    "broadcast labels": (lambda: heads.PrototypeHead(P).metrics(Y, Y[:, None]), r"got \(6,\) and \(6, 1\)"),
    "broadcast values": (lambda: heads.SquaredHead(0, 1).metrics(V, V[:, None]), r"got \(6,\) and \(6, 1\)"),
    "half a target": (lambda: heads.JointHead(P, 0, 1).metrics((Y, V), (Y,)), "y must be a tuple"),
    "observed": (lambda: heads.NearestMeanHead(4, 3).observe(Z, Y + 9), "y must lie from 0 to 3 for 4 classes, got 12"),
    "bounds that were stored": (
        lambda: heads.SquaredHead(0, 1).load_state_dict({"_extra_state": torch.tensor([1.0, 0.0])}),
        "low < high, got low=1 and high=0",
    ),
    # labels that move
    "labels": (lambda: assignment.LabelAssignment(P).observe(Z, Y + 9), "labels must lie from 0 to 3"),
    "few labels": (lambda: assignment.LabelAssignment(P).observe(Z, Y[:3]), r"labels must have shape \(6,\)"),
    "width": (lambda: assignment.LabelAssignment(P).observe(Z[:, :2], Y), r"z must have shape \(B, 3\)"),
    "momentum": (lambda: assignment.LabelAssignment(P, momentum="0.9"), "momentum must be a number, got '0.9'"),
    "matched lists": (lambda: assignment.best_assignment(P.tolist(), P), "means must be a torch.Tensor, got list"),
    "current": (lambda: assignment.best_assignment(P, P, torch.tensor([0, 1, 2, 9])), "current must lie from 0 to 3"),
    "half of current": (lambda: assignment.best_assignment(P, P, torch.tensor([0, 1])), "current must have shape"),
    "until": (lambda: assignment.AssignedHead(P, until="end"), "until must be a whole number"),
    "weighed": (lambda: assignment.AssignedHead(P, weight=3), "weight must be a torch.Tensor, got int"),
    # neurons
    "lambda": (lambda: mhe.Energy("1"), "weight must be a number, got '1'"),
    "sample": (lambda: mhe.Energy(sample=2.0), "sample must be a whole number of at least 2, got 2.0"),
    "letters": (lambda: mhe.MHE(layers="0"), "layers must be a tuple of layer types and names"),
    "one type": (lambda: mhe.MHE(layers=nn.Linear), "layers must be a tuple"),
    "no pattern": (lambda: mhe.MHE(layers=("(",)), r"layers must hold names or regular expressions, got '\('"),
    "model": (lambda: mhe.MHE()([NET]), "model must be a torch.nn.Module, got list"),
    "alone": (lambda: mhe.orthogonality(torch.ones(1, 3)), "w must have shape .* N >= 2, got"),
    "lonely": (lambda: mhe.unnormalised(torch.ones(1, 3)), "w must have shape .* N >= 2, got"),
    "flat": (lambda: mhe.orthonormality(torch.ones(3)), "w must have shape"),
    "exponent": (lambda: mhe.unnormalised(torch.ones(2, 3), -1), r"s must be in \[0, infinity\), got -1"),
    # scores
    "listed": (lambda: scores.class_accuracy(Y.tolist(), Y, 4), "both must be a torch.Tensor, got list"),
    "real labels": (lambda: scores.class_accuracy(Y, Y.double(), 4), "labels must be a torch.Tensor of whole numbers"),
    "no class": (lambda: scores.class_accuracy(Y, Y, 0), "classes must be at least 1, got 0"),
    "counts": (lambda: scores.group_accuracy(Y, Y, [1, 2, 3, 4]), r"counts must be a tensor of shape \(K,\), got list"),
    "right": (lambda: scores.calibration_error(V, Y), "right must be bool, or hold 0 and 1 alone"),
    "same": (lambda: scores.verification(V, Y), "same must be bool, or hold 0 and 1 alone"),
    "logits": (lambda: scores.temperature(Z.tolist(), Y), "scores must be a torch.Tensor, got list"),
    "pairs": (lambda: scores.pairs(-Y, 4), "labels must not be negative, got -3"),
    "pairs of numbers": (lambda: scores.pairs(V, 4), "labels must be a torch.Tensor of whole numbers"),
    "collapsed": (lambda: collapse.measure(Z, Y, P * nan, Y), "vectors holds NaN"),
    "to nothing": (lambda: collapse.measure(Z, Y, P * 0, Y), "all class vectors are equal"),
    "measured lists": (lambda: collapse.measure(Z, Y, P, Y.tolist()), "prediction must be a torch.Tensor"),
    "product": (lambda: collapse.least_cross_entropy(3, "1"), "scale must be a number, got '1'"),
    # nets, images, training
    "no output": (lambda: nets.digits(0), "width must be at least 1, got 0"),
    "fewer": (lambda: nets.resnet20(-1), "width must be at least 1, got -1"),
    "none": (lambda: nets.cnn6(0), "width must be at least 1, got 0"),
    "filters": (lambda: nets.resnet20(3, filters=0), "outputs must be at least 1, got 0"),
    "window": (lambda: nets.conv(3, 8, 2), "size must be odd, got 2"),
    "depth": (lambda: nets.cnn(6.0), "depth must be a whole number"),
    "pictures": (lambda: data.Images([[1]], Y), "x must be a torch.Tensor, got list"),
    "targets": (lambda: data.Images(torch.zeros(1, 1, 2, 2).byte(), [0]), "y must be a torch.Tensor, got list"),
    "epochs": (lambda: training.Recipe(epochs=1.5), "epochs must be a whole number of at least 1, got 1.5"),
    "batch": (lambda: training.Recipe(epochs=1, batch=0.5), "batch must be a whole number of at least 1, got 0.5"),
    "rate": (lambda: training.Recipe(epochs=1, lr=math.inf), "lr must be positive and finite, got inf"),
    "mixup": (lambda: training.Recipe(epochs=1, mixup=-1), "mixup must be 0 or more and finite, got -1"),
    "milestones": (lambda: training.Recipe(epochs=1, milestones="a"), "milestones must be a number, got 'a'"),
    "net": (lambda: training.train(3, HEAD, (I, I), ONE), "net must be a Module, got int"),
    "recipe": (lambda: training.train(NET, HEAD, (I, I), {"epochs": 1}), "recipe must be a Recipe, got dict"),
    "one set": (lambda: training.train(NET, HEAD, I, ONE), r"data must be two sets of Images, \(train, test\)"),
    "time": (lambda: training.train(NET, HEAD, (I, I), ONE, seconds=nan), "seconds must be 0 or more"),
    "name of a recipe": (
        lambda: training.build({"data": "digits", "net": "mlp", "head": {}, "recipe": {"name": "HPN"}}),
        "recipes are HPN_S1, .*; got 'HPN'",
    ),
    "deviation": (lambda: data.Images(I.x, I.y, mean=[0.5], std=[0.0]), "deviations positive, got"),
    "kept": (lambda: data.rotated(I, (0, 9)), r"keep must be different labels of the images, 0 to 3, got \(0, 9\)"),
    "kept twice": (lambda: data.rotated(I, (0, 0)), "keep must be different labels"),
    "experiment": (lambda: ledger.judge("HPN-T9"), "unknown experiment 'HPN-T9'; there are HPN-E5"),
    "looks": (
        lambda: training.train(NET, HEAD, (I, I), ONE, evaluate_every=0),
        "evaluate_every must be at least 1, got 0",
    ),
    # where more than one number may be taken for one
    "exponents": (lambda: energy.riesz(P, torch.tensor([1.0, 2])), "s must be a number, got tensor"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_it_is_named(name):
    call, message = CALLS[name]
    with pytest.raises((TypeError, ValueError), match=message):
        call()


# --- what ought to work, and did not ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        heads.PrototypeHead(P),
        heads.FixedSoftmaxHead(P, cosine=True),
        heads.NearestMeanHead(4, 3),
        heads.AngularSoftmaxHead(4, 3),
        assignment.AssignedHead(P),
        heads.RegressionHead(0, 1, 3),
        heads.JointHead(points.circle(4), 0, 1),
    ],
    ids=lambda head: type(head).__name__,
)
def test_outputs_in_float64(head):
    """A head in float32 takes the outputs of a net in float64: what it measures, its loss and its predictions."""
    y = (Y, V) if isinstance(head, heads.JointHead) else V if isinstance(head, heads.RegressionHead) else Y
    for one, two in ((head(Z.double()), head(Z)), (head.loss(Z.double(), y), head.loss(Z, y))):
        one, two = (one, two) if isinstance(one, tuple) else ((one,), (two,))
        assert all(a.dtype == torch.float64 for a in one)
        torch.testing.assert_close([a.float() for a in one], list(two))
    assert isinstance(head.metrics(head.predict(Z.double()), y), dict)


def test_pull_and_push_in_two_dtypes():
    one, two = losses.pull_and_push(Z, P, Y), losses.pull_and_push(Z.double(), P, Y)
    torch.testing.assert_close(one, two)


@pytest.mark.parametrize("make", [lambda: heads.NearestMeanHead(4, 3), lambda: assignment.AssignedHead(P)])
def test_labels_as_bytes(make):
    """What the loss takes, observe takes too."""
    one, two = make(), make()
    one.observe(Z, Y)
    two.observe(Z, Y.byte())
    torch.testing.assert_close(one.state_dict(), two.state_dict())
    assert torch.equal(losses.batch_weights(Y.byte(), 4), losses.batch_weights(Y, 4))


def test_a_mean_of_ones_own():
    """Of mean and deviation, what is given is kept, and what is not is computed."""
    x = torch.arange(8, dtype=torch.uint8).view(2, 1, 2, 2)
    whole = data.Images(x, torch.zeros(2))
    assert data.Images(x, torch.zeros(2), mean=[0.5]).mean == 0.5
    assert data.Images(x, torch.zeros(2), mean=[0.5]).std == whole.std
    assert data.Images(x, torch.zeros(2), std=[0.5]).mean == whole.mean


@pytest.mark.parametrize("groups", (1, 2, 4))
def test_neurons_of_a_transposed_layer_with_groups(groups):
    """A neuron is what one output channel looks for: driven alone, it alone decides that channel."""
    layer = nn.ConvTranspose2d(4, 8, 3, groups=groups, bias=False)
    found = mhe.neurons(layer)
    assert found.shape == (8, 4 // groups * 9)
    pulse = torch.eye(4).view(4, 4, 1, 1)  # one input channel at a time, at one place: the output is its weights
    seen = layer(pulse).transpose(0, 1).flatten(2)  # (8, 4, 9)
    for i, row in enumerate(found):
        group = i // (8 // groups)
        inputs = slice(group * 4 // groups, (group + 1) * 4 // groups)
        torch.testing.assert_close(row, seen[i, inputs].flatten())


def test_settings_in_a_shell(tmp_path, capsys):
    """Words need no quotes of JSON, and a wrong setting is a line, not a traceback."""
    assert training._setting("optimiser=adam") == ("optimiser", "adam")
    assert training._setting("lr=0.1") == ("lr", 0.1) and training._setting("flip=true") == ("flip", True)
    for words_, said in ((["--set", "lr"], "is not of the form NAME=VALUE"), (["--data", "mnits"], "got 'mnits'")):
        with pytest.raises(SystemExit):
            training.main(words_)
        assert said in capsys.readouterr().err


def test_runs_in_a_shell(monkeypatch, capsys):
    """No row of that name is an error; --together=N is as good as --together N."""
    with pytest.raises(SystemExit):
        runs.main(["HPN-F6", "--rows", "nothing like it", "--list"])
    assert "no row has a name that contains 'nothing like it'" in capsys.readouterr().err
    started = []

    class Worker:
        def __init__(self, command):
            started.append(command[3:])

        def wait(self):
            return 0

    monkeypatch.setattr(runs.subprocess, "Popen", Worker)
    assert runs.main(["HPN-F6", "--budget", "1", "--device", "cpu", "--together=2"]) == 0
    assert len(started) == 2 and started[0][-2:] == ["--together", "1"] and started[0][0] == "HPN-F6"


@pytest.mark.parametrize("module", ("blockcodes", "data", "nets", "records", "reference", "semantics", "words"))
def test_what_the_docstrings_show(module):
    """The examples of the docstrings that take no time, word for word."""
    if module in ("data", "semantics", "words"):
        pytest.importorskip({"data": "sklearn"}.get(module, "gensim"))
    found = doctest.testmod(importlib.import_module(f"hpn_lite.{module}"))
    assert found.attempted and not found.failed
