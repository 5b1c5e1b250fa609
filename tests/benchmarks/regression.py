"""Regression on the sphere against the baselines of the paper: rotated digits, and the years of paintings.

    python tests/benchmarks/regression.py digits DIGITS.json           # a few minutes on one core
    python tests/benchmarks/regression.py paintings PAINTINGS.json     # needs the paintings in $HPN_LITE_DATA

Each run trains one net with one head, optimiser, learning rate and seed. The seed decides all that chance decides: the
split, the angles, the start, the order of the images. The record is written after every run, and a second call goes on
where the first stopped. It holds settings, seeds, checksums of the data, software, hardware and date; chapter 10 shows
it. Run with OMP_NUM_THREADS=1 for one core.

References: Mettes, van der Pol, Snoek 2019, section 3.2 (HPN-F5).
"""

import argparse
import functools
import json
from pathlib import Path

import torch

from hpn_lite import data, heads, nets, runs, training


class SigmoidHead(heads.SquaredHead):
    """Squared loss on a sigmoid: bounded as the sphere is, with one output, and never quite without a gradient."""

    def _output(self, z):
        return super()._output(z).sigmoid()


HEADS = {
    "1D": lambda low, high: heads.SquaredHead(low, high, 1, clip=True),
    "2D+1D": lambda low, high: heads.SquaredHead(low, high, 2, clip=True),
    "3D+1D": lambda low, high: heads.SquaredHead(low, high, 3, clip=True),
    "1D, no clamp": lambda low, high: heads.SquaredHead(low, high, 1, clamp=False, clip=True),
    "1D, sigmoid": lambda low, high: SigmoidHead(low, high, 1, clamp=False, clip=True),
    "sphere 2D": lambda low, high: heads.RegressionHead(low, high, 2, clip=True),
    "sphere 3D": lambda low, high: heads.RegressionHead(low, high, 3, clip=True),
    "sphere 10D": lambda low, high: heads.RegressionHead(low, high, 10, clip=True),
}
MAIN = {"sgd": 0.01, "adam": 0.001}  # the learning rates of the tables
OTHERS = {"sgd": (0.1, 1.28), "adam": (0.01,)}  # 1.28 for the mean is the paper's 0.01 for the sum over 128
SWEPT = ("1D", "1D, no clamp", "sphere 3D", "sphere 10D")  # at those rates


@functools.cache
def digits(seed: int) -> tuple[data.Images, data.Images, float, float]:
    """Digits 2, 3, 4, 5 and 7 turned by 0 to 180 degrees, to be told the angle."""
    parts = [data.rotated(part, seed=2 * seed + i) for i, part in enumerate(data.digits(seed))]
    train, test = (data.Images(p.x, p.y[1], (), p.mean, p.std, p.name) for p in parts)
    return train, test, 0.0, 180.0


@functools.cache
def paintings(seed: int) -> tuple[data.Images, data.Images, float, float]:
    """The paintings as thumbnails of 8 by 8 pixels; the bounds are the first and the last year of the training set."""
    train, test = data.paintings(8, seed=seed)
    return train, test, train.y.min().item(), train.y.max().item()


SETS = {
    "digits": {"make": digits, "net": nets.digits, "options": {"filters": 8}, "recipe": {"epochs": 20, "batch": 128}},
    "paintings": {
        "make": paintings, "net": nets.mlp, "options": {"inputs": 192, "hidden": (64,)},
        "recipe": {"epochs": 30, "batch": 32, "crop": 1, "flip": True},
    },
}  # fmt: skip


def plan(name: str, seeds: int) -> list[tuple[str, float, str, int]]:
    """What is run, most wanted first: tables over five seeds; for the digits, other rates; the other seeds."""
    table = [(o, lr, h) for o, lr in MAIN.items() for h in HEADS if name == "digits" or h != "1D, sigmoid"]
    others = [(o, lr, h) for o, rates in OTHERS.items() for lr in rates for h in SWEPT if name == "digits"]
    first, rest = range(min(5, seeds)), range(5, seeds)
    return [
        (*row, s) for rows, numbers in ((table, first), (others, first), (table, rest)) for s in numbers for row in rows
    ]


def one(name: str, optimiser: str, lr: float, head_name: str, seed: int) -> dict:
    """Train once; what came of it, on the test images."""
    choice = SETS[name]
    train, test, low, high = choice["make"](seed)
    head = nets.seeded(seed, HEADS[head_name], low, high)
    net = nets.seeded(seed, choice["net"], width=head.width, **choice["options"])
    epochs = choice["recipe"]["epochs"]
    recipe = training.Recipe(
        **choice["recipe"], lr=lr, optimiser=optimiser, weight_decay=1e-4, milestones=(2 * epochs // 5, 4 * epochs // 5)
    )
    result = training.train(net, head, (train, test), recipe, seed=seed, evaluate_every=epochs)
    if result.stopped == "interrupted":
        raise SystemExit("interrupted; the same command goes on from here")
    row = {"optimiser": optimiser, "lr": lr, "head": head_name, "seed": seed, "mae": None, "diverged": result.diverged}
    if result.finished:
        net.eval()
        with torch.no_grad():
            z = net(next(data.batches(test, len(test)))[0])
            predicted = head.predict(z).double()
        miss = predicted - test.y
        row |= {
            "mae": round(result.final["mae"], 3),
            "spread": round(predicted.std().item(), 3),  # of the predictions: 0 when all are the same
            "length": round(torch.linalg.vector_norm(z, dim=1).mean().item(), 2),
        }
        if name == "digits":
            sixth = (test.y / 30).long().clamp(max=5)  # the signed error in each sixth of the range
            row["bias"] = [round(miss[sixth == i].mean().item(), 2) for i in range(6)]
            row["absolute"] = [round(miss[sixth == i].abs().mean().item(), 2) for i in range(6)]
    median = train.y.median()
    return row | {"median_mae": round((test.y - median).abs().mean().item(), 3), "seconds": round(result.seconds, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("set", choices=SETS)
    parser.add_argument("record", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    choice, rows = SETS[options.set], []
    if options.record.exists():
        rows = json.loads(options.record.read_text())["runs"]
    done = {(r["optimiser"], r["lr"], r["head"], r["seed"]) for r in rows}
    settings = {
        "net": f"{choice['net'].__name__} {choice['options'] or ''}".strip(), "recipe": choice["recipe"],
        "momentum": 0.9, "weight_decay": 1e-4, "milestones": "x0.1 after 2/5 and 4/5", "reduction": "mean",
        "rates_of_the_tables": MAIN, "rates_of_the_sweep": OTHERS,
    }  # fmt: skip
    sums = {str(s): [p.checksum for p in choice["make"](s)[:2]] for s in range(options.seeds)}
    provenance = runs.provenance()
    for optimiser, lr, head, seed in plan(options.set, options.seeds):
        if (optimiser, lr, head, seed) in done:
            continue
        row = one(options.set, optimiser, lr, head, seed)
        rows.append(row)
        print(optimiser, lr, head, seed, row["mae"], row["diverged"], f"{row['seconds']:.1f} s", flush=True)
        record = {
            "set": options.set,
            "settings": settings,
            "data_checksums": sums,
            "provenance": provenance,
            "runs": rows,
        }
        options.record.parent.mkdir(parents=True, exist_ok=True)
        options.record.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
