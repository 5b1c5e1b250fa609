"""What test_ddp.py runs under torchrun: a few short runs, and one JSON file per process with what came out."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from hpn_lite import data, heads, nets, training

# The last batch of 34 images is smaller, and each of two processes gets 5 or 2 images of a batch.
RECIPES = {
    "mean": training.Recipe(epochs=3, batch=10, lr=0.1, weight_decay=1e-3, milestones=(2,), crop=1),
    "sum": training.Recipe(epochs=3, batch=10, lr=0.01, weight_decay=1e-3, crop=1, flip=True, loss_reduction="sum"),
    "mixup": training.Recipe(epochs=3, batch=10, lr=0.1, mixup=1.0),
}


def some(n: int = 34) -> data.Images:
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(n) % 4
    x = torch.randint(0, 100, (n, 1, 8, 8), generator=generator)
    x[torch.arange(n), 0, :, 2 * y] += 150
    return data.Images(x.to(torch.uint8), y, tuple("abcd"))


def runs() -> dict[str, dict]:
    """Every run's rows, weights and head; nets without BatchNorm, whose statistics are local on a CPU."""
    made = {
        "prototypes, mean": (heads.PrototypeHead(torch.eye(4)), "mean"),
        "prototypes, sum": (heads.PrototypeHead(torch.eye(4)), "sum"),
        "softmax, mean": (nets.seeded(1, heads.SoftmaxHead, 4, 6), "mean"),
        "softmax, mixup": (nets.seeded(1, heads.SoftmaxHead, 4, 6), "mixup"),
        "nearest mean, condensation": (heads.NearestMeanHead(4, 3, "condensation", every=5), "mean"),
        "nearest mean, decay": (heads.NearestMeanHead(4, 3, "decay"), "mean"),
    }
    found = {}
    for name, (head, recipe) in made.items():
        net = nets.seeded(0, nets.mlp, head.width)
        penalty = (lambda net, z, y: 0.1 * net[1].weight.square().sum()) if "sum" in name else None
        result = training.train(net, head, (some(), some(16)), RECIPES[recipe], seed=5, penalty=penalty)
        weights = [t.double().sum().item() for t in net.parameters()]
        held = {key: value.tolist() for key, value in head.state_dict().items()}
        found[name] = {"rows": result.epochs, "weights": weights, "head": held, "finished": result.finished}
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    dist.init_process_group("gloo")
    found = runs()
    # a budget that is over at once: all processes stop after the same epoch, and go on together
    head = heads.PrototypeHead(torch.eye(4))
    for turn in range(3):
        net = nets.seeded(turn, nets.mlp, 4)
        options = {"seed": 5, "seconds": 0, "checkpoint": folder / "run.pt"}
        result = training.train(net, head, (some(), some(16)), RECIPES["mean"], **options)
        dist.barrier()
        found[f"piece {turn}"] = {"rows": result.epochs, "finished": result.finished, "stopped": result.stopped}
    shell = [
        "--net",
        "mlp",
        "--head",
        "softmax",
        "--set",
        "epochs=1",
        "--device",
        "cpu",
        "--out",
        str(folder / "out.json"),
    ]
    training.main(shell)
    (folder / f"rank{os.environ['RANK']}.json").write_text(json.dumps(found))
    dist.destroy_process_group()
