"""What a CUDA graph cannot hold (a copy between CPU and GPU, a look at a value) is not in a training step.

No GPU is needed: tensors of the device "meta", which have a shape and no values, show every operation of a step.
"""

from __future__ import annotations

import contextlib
import json

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hpn_lite import heads, nets, training
from hpn_lite.assignment import AssignedHead
from hpn_lite.data import Mixed
from hpn_lite.experiments import EXPERIMENTS
from hpn_lite.stepping import Model


class Crossings(TorchDispatchMode):
    """Notes every operation that copies between devices."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        tensors = [t for t in torch.utils._pytree.tree_leaves((args, kwargs, out)) if isinstance(t, torch.Tensor)]
        # A number that an operation takes along stays on the CPU as an argument, which a graph can hold.
        if "copy" in func.name() and len({t.device.type for t in tensors}) > 1:
            self.found.append(func.name())
        return out


def crossings(head, penalty=None, mixed=False) -> list[str]:
    """One step forward and back with tensors that have no values; raises where a value is looked at."""
    net = nets.cnn6(head.width, filters=4) if penalty else nets.mlp(head.width, inputs=12)
    head.check = False
    model = Model(net, head, penalty, bf16=False).to("meta")
    x = torch.empty((6, 3, 32, 32) if penalty else (6, 12), device="meta")
    y = torch.zeros(6, dtype=torch.long, device="meta")
    y = Mixed(y, y, torch.ones((), device="meta")) if mixed else y
    with pytest.MonkeyPatch.context() as patch, Crossings() as watch:
        patch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # it does not know this device
        for where, name in ((torch.Tensor, "new_tensor"), (torch, "tensor"), (torch, "as_tensor")):
            # These copy numbers from the CPU, which this device does not show.
            real = getattr(where, name)
            patch.setattr(where, name, lambda *a, r=real, n=name, **k: watch.found.append(n) or r(*a, **k))
        model(x, y, 1.0)[0].backward()
    return watch.found


PENALTIES = {
    json.dumps(row.config["penalty"], sort_keys=True): row.config
    for experiment in EXPERIMENTS.values()
    for row in experiment.rows
    if "penalty" in row.config
}


def test_the_watch_sees_a_copy():
    class Careless(heads.SoftmaxHead):
        def loss(self, z, y, reduction="mean"):
            return super().loss(z, y, reduction) * z.new_tensor(2.0)

    assert crossings(Careless(4))


@pytest.mark.parametrize("mixed", [False, True], ids=["plain", "mixup"])
@pytest.mark.parametrize(
    "make",
    [
        lambda p: heads.PrototypeHead(p),
        lambda p: heads.FixedSoftmaxHead(p),
        lambda p: heads.SoftmaxHead(4, 3, smoothing=0.1),
        lambda p: heads.AngularSoftmaxHead(4, 3, margin=4, energy_weight=1.0),
        lambda p: heads.NearestMeanHead(4, 3),
        lambda p: AssignedHead(p),
        lambda p: AssignedHead(p, loss="dot", weight="batch"),
        lambda p: AssignedHead(p, loss="unit-dot", weight="batch"),
    ],
    ids=["prototypes", "fixed-softmax", "softmax", "angular", "nearest-mean", "pull", "dot", "unit-dot"],
)
def test_a_step_of_a_head_can_be_captured(make, mixed):
    assert crossings(make(torch.nn.functional.normalize(torch.randn(4, 3), dim=1)), mixed=mixed) == []


@pytest.mark.parametrize("config", PENALTIES.values(), ids=range(len(PENALTIES)))
def test_a_step_with_an_energy_can_be_captured(config):
    head = heads.SoftmaxHead(100, 8)
    assert crossings(head, training.penalty_of(config, head)) == []
