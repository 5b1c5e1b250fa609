"""MHE on networks: which layers count, what is added to the loss, and that it works under DDP, autocast and compile."""

import math
import warnings

import pytest
import torch
from torch import nn

from hpn_lite import energy, fused, mhe, sphere


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 8), nn.ReLU(), nn.Linear(8, 5)
    ).double()


def loop(w: torch.Tensor, s: float, distance: str = "euclidean", half_space: bool = False) -> float:
    """MHE-E1 over N(N-1), a plain double loop over ordered pairs of unit neurons."""
    rows = [[float(v) / float(row.norm()) for v in row] for row in w.detach().flatten(1)]
    rows += [[-v for v in row] for row in rows] if half_space else []
    total = 0.0
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            if i != j:
                r = math.dist(a, b)
                r = 2 * math.asin(min(1.0, r / 2)) if distance == "angular" else r
                total += -math.log(r) if s == 0 else r**-s
    return total / (len(rows) * (len(rows) - 1))


@pytest.mark.parametrize("s", [0, 1, 2, 2.5])
@pytest.mark.parametrize("distance", ["euclidean", "angular"])
@pytest.mark.parametrize("half_space", [False, True])
def test_it_is_equation_4(s, distance, half_space):
    model = net()
    hidden = mhe.Energy(0.7, s, distance, half_space)
    output = mhe.Energy(3.0, s, distance)
    found = mhe.MHE(hidden, output)(model)
    expected = 0.7 * sum(loop(model[i].weight, s, distance, half_space) for i in (0, 4))
    expected += 3.0 * loop(model[6].weight, s, distance)
    assert abs(found.item() - expected) < 1e-10 * abs(expected)


def test_descent_on_it_spreads_the_neurons_of_every_layer():
    model, regulariser = net(), mhe.MHE()
    before = regulariser.report(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(50):
        optimizer.zero_grad()
        regulariser(model).backward()
        optimizer.step()
    after = regulariser.report(model)
    assert list(after) == ["0", "4", "6"]
    assert all(after[name] < before[name] for name in after)


def test_lengths_do_not_matter_and_the_unnormalised_form_is_a_trap():
    model = net()
    value = mhe.MHE()(model)
    trap = mhe.MHE(mhe.Energy(1, 2, form="unnormalised"), None)
    trapped = trap(model)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(3)
    torch.testing.assert_close(mhe.MHE()(model), value)
    torch.testing.assert_close(trap(model), trapped / 9)  # c^-s


def test_orthonormal_and_orthogonal_forms():
    q = torch.linalg.qr(torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))[0].T
    assert mhe.orthonormality(q) < 1e-14
    assert mhe.orthogonality(2 * q) < 1e-14
    torch.testing.assert_close(
        mhe.orthonormality(2 * q), torch.tensor(3 * 2.0, dtype=torch.float64)
    )  # ||3 I||_F, N = 4
    w = torch.tensor([[1.0, 0], [-1, 0], [0, 2]])
    torch.testing.assert_close(mhe.orthogonality(w), torch.tensor(1 / 3))  # |cos| = 1, 0, 0: opposite as bad as equal
    model = net()
    both = mhe.MHE(mhe.Energy(2.0, form="orthonormal"), mhe.Energy(1.0, form="orthogonal"))(model)
    parts = [mhe.neurons(model[i]) for i in (0, 4, 6)]
    expected = 2 * (mhe.orthonormality(parts[0]) + mhe.orthonormality(parts[1])) + mhe.orthogonality(parts[2])
    torch.testing.assert_close(both, expected)


# ---- In few steps ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("s", [0, 1, 2, 2.5, 30])
@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize("shape", [(2, 3), (2, 5), (9, 6), (1500, 7)])  # the last in several blocks of rows
def test_the_short_way_is_the_energy(s, half_space, shape):
    """Value and gradient against autograd through energy.riesz."""
    lengths = torch.logspace(-3, 3, shape[0], dtype=torch.float64)[:, None]
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) * lengths
    a, b = (x.clone().requires_grad_() for _ in range(2))
    value, wanted = fused.penalty(a, s, half_space), energy.riesz(b, s, half_space=half_space)
    torch.testing.assert_close(value, wanted, rtol=1e-12, atol=1e-14)
    slope, expected = (torch.autograd.grad(3 * v, w)[0] for v, w in ((value, a), (wanted, b)))
    size = abs(wanted.item())
    torch.testing.assert_close(slope * lengths, expected * lengths, rtol=1e-9, atol=1e-11 * size)
    assert (slope * x).sum(1).abs().max() < 1e-11 * max(size, 1)  # across the neurons


@pytest.mark.parametrize("half_space", [False, True])
def test_the_short_way_has_a_gradient_of_its_gradient(half_space):
    x = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(5)).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: fused.penalty(w, 2.0, half_space), x)
    assert torch.autograd.gradgradcheck(lambda w: fused.penalty(w, 2.0, half_space), x)


@pytest.mark.parametrize("s", [0, 2])
def test_the_short_way_is_finite_where_neurons_meet_vanish_or_are_huge(s):
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(6))
    x[1], x[2], x[3], x[4] = x[0], -x[0], 0, x[4] * 1e-30
    x[5] *= 1e30
    for half_space in (False, True):
        w, v = (x.clone().requires_grad_() for _ in range(2))
        value, wanted = fused.penalty(w, s, half_space), energy.riesz(v, s, half_space=half_space, check=False)
        value.backward()
        assert bool(w.grad[[0, 1, 2, 5]].isfinite().all()) and not bool(w.grad.isnan().any())
        torch.testing.assert_close(value, wanted)


# ---- Which layers ---------------------------------------------------------------------------------------------------


def test_layers_by_type_and_by_name():
    model = net()
    names = lambda **options: [(x.name, x.output) for x in mhe.MHE(**options).survey(model)]  # noqa: E731
    assert names() == [("0", False), ("4", False), ("6", True)]
    assert names(layers=(nn.Linear,)) == [("4", False), ("6", True)]
    assert names(layers=("0", "[46]"), output_layer="4") == [("0", False), ("4", True), ("6", False)]
    assert names(output_layer="") == [("0", False), ("4", False), ("6", False)]
    with pytest.raises(ValueError, match="output_layer must name one of.*'nope'"):
        names(output_layer="nope")


def test_layers_too_small_are_named_and_skipped_once():
    model = nn.Sequential(nn.Linear(1, 7), nn.Linear(7, 4), nn.Linear(4, 1))
    regulariser = mhe.MHE()
    with pytest.warns(UserWarning) as said:
        value = regulariser(model)
    assert [str(w.message) for w in said] == [
        "MHE skips 0: its neurons have one input each, and so no direction but a sign",
        "MHE skips 2: it has one neuron, and an energy needs a pair",
    ]
    torch.testing.assert_close(value, energy.riesz(model[1].weight, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regulariser(model)


def test_nothing_left_is_an_error():
    with pytest.raises(ValueError, match="no layer is left to regularise in Sequential"):
        mhe.MHE()(nn.Sequential(nn.ReLU()))
    with pytest.raises(ValueError, match="no layer is left"):
        mhe.MHE(hidden=0.0, output=None)(net())


def test_neurons_are_output_units():
    assert mhe.neurons(nn.Conv2d(3, 8, 5)).shape == (8, 75)
    assert mhe.neurons(nn.ConvTranspose2d(3, 8, 5)).shape == (8, 75)
    assert mhe.neurons(nn.Linear(4, 9)).shape == (9, 4)
    transposed = nn.ConvTranspose2d(2, 3, 1)
    torch.testing.assert_close(mhe.neurons(transposed)[1], transposed.weight[:, 1].flatten())
    with pytest.raises(TypeError, match="layer must be Linear or convolutional, got BatchNorm2d"):
        mhe.neurons(nn.BatchNorm2d(3))


# ---- Mini-batches ---------------------------------------------------------------------------------------------------


def test_drawing_neurons_is_unbiased():
    model = nn.Sequential(nn.Linear(5, 12, dtype=torch.float64))
    everything = mhe.MHE(mhe.Energy(1, 1), None, output_layer="")(model).item()
    few = mhe.MHE(mhe.Energy(1, 1, sample=4), None, output_layer="")
    torch.manual_seed(3)
    draws = torch.tensor([few(model).item() for _ in range(2000)], dtype=torch.float64)
    error = draws.std() / math.sqrt(len(draws))
    assert error > 0
    assert abs(draws.mean() - everything) < 4 * error


def test_output_by_labels():
    model, labels = net(), torch.tensor([0, 0, 3])
    regulariser = mhe.MHE(None, mhe.Energy(2.0, 1, by_labels=True))
    w = sphere.normalize(model[6].weight.detach())
    expected = sum(1 / (w[y] - w[j]).norm() for y in labels for j in range(5) if j != y) / (3 * 4)
    torch.testing.assert_close(regulariser(model, labels).detach(), 2 * expected)
    with pytest.raises(ValueError, match="labels are needed"):
        regulariser(model)
    assert list(regulariser.report(model)) == ["6"]  # as a metric it takes all pairs


# ---- Wrapped, compiled, half precision ------------------------------------------------------------------------------


def test_autocast_leaves_it_in_float32():
    model, regulariser = net().float(), mhe.MHE()
    value = regulariser(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        again = regulariser(model)
    assert again.dtype == torch.float32
    torch.testing.assert_close(again, value)


def test_compiled():
    model, regulariser = net(), mhe.MHE()
    compiled = torch.compile(lambda x: model(x).square().mean() + regulariser(model), backend="aot_eager")
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    loss = compiled(x)
    loss.backward()
    gradient = model[4].weight.grad.clone()
    model.zero_grad()
    (model(x).square().mean() + regulariser(model)).backward()
    torch.testing.assert_close(gradient, model[4].weight.grad)
    torch.testing.assert_close(mhe.MHE()(torch.compile(model, backend="eager")), regulariser(model))


def test_under_data_parallel(tmp_path):
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        model = net()
        wrapped = nn.parallel.DistributedDataParallel(model)
        assert [x.name for x in mhe.MHE().survey(wrapped)] == ["0", "4", "6"]
        x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
        (wrapped(x).mean() + mhe.MHE()(wrapped)).backward()
        gradient = model[0].weight.grad.clone()
        model.zero_grad()
        (model(x).mean() + mhe.MHE()(model)).backward()
        torch.testing.assert_close(gradient, model[0].weight.grad)
    finally:
        dist.destroy_process_group()


# ---- Bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": -1}, "weight must be 0 or more"),
        ({"s": -0.5}, r"s must be in \[0, infinity\), got -0.5"),
        ({"s": math.inf}, "s must be in"),
        ({"distance": "hyperbolic"}, "distance must be one of.*'hyperbolic'"),
        ({"form": "best"}, "form must be one of.*'best'"),
        ({"sample": 1}, "sample must be at least 2, got 1"),
        ({"sample": True}, "sample must be at least 2"),
        ({"form": "orthonormal", "half_space": True}, "are forms of the energy, got form='orthonormal'"),
        ({"by_labels": True, "sample": 3}, "by_labels is the Euclidean energy of all neurons"),
    ],
)
def test_bad_energies(options, message):
    with pytest.raises(ValueError, match=message):
        mhe.Energy(**options)


def test_bad_groups():
    with pytest.raises(ValueError, match="half_space is for hidden layers, where a neuron and its opposite"):
        mhe.MHE(output=mhe.Energy(half_space=True))
    with pytest.raises(ValueError, match="by_labels is for the output layer"):
        mhe.MHE(hidden=mhe.Energy(by_labels=True))
    for bad in ("1", True):
        with pytest.raises(TypeError, match="hidden must be an Energy, a number"):
            mhe.MHE(hidden=bad)
