"""The energy of neurons as a penalty on small nets, many seeds: the numbers of chapter 13.

    python tests/benchmarks/inside.py notebooks/runs/inside/digits.json                    # about a quarter of an hour
    python tests/benchmarks/inside.py notebooks/runs/inside/digits.json --groups where

Data: scikit-learn's digits. A seed draws the training images from the 1,347 that are for training, turns some labels
into wrong ones, starts the net and shuffles; every variant of a group has the same seeds, so that variants are compared
in pairs. Settings of the data: `clean` 200 images, `noisy` 200 images of which every fifth has a wrong label. Groups:
`where` penalises hidden layers, the output layer or both, on clean and noisy data; `strength` takes lambda over four
orders, on noisy data like the rest; `width` and `depth` change the net. Energies are mean plain energies with s = 2,
whatever the penalty was; lengths are means over the neurons of a layer. The record is written after each group. Run
with OMP_NUM_THREADS=1 for one core.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from hpn_lite import data, heads, mhe, nets, records, training

SETTINGS = {"clean": (200, 0.0), "noisy": (200, 0.2)}  # images, share of wrong labels
EPOCHS, BATCH, LR, DECAY = 40, 32, 0.05, 5e-4
PENALTIES = {  # hidden, output, at the weight lambda
    "none": lambda w: None,
    "hidden": lambda w: mhe.MHE(mhe.Energy(w), None),
    "output": lambda w: mhe.MHE(None, mhe.Energy(w)),
    "both": lambda w: mhe.MHE(mhe.Energy(w), mhe.Energy(w)),
    "half-space": lambda w: mhe.MHE(mhe.Energy(w, half_space=True), mhe.Energy(w)),
    "orthonormal": lambda w: mhe.MHE(mhe.Energy(w, form="orthonormal"), mhe.Energy(w, form="orthonormal")),
}
ENERGY = mhe.MHE(mhe.Energy(1.0), mhe.Energy(1.0))  # the yardstick


def drawn(train: data.Images, count: int | None, wrong: float, seed: int) -> data.Images:
    """`count` of the images, a share `wrong` of them with another label than their own."""
    generator = torch.Generator().manual_seed(seed)
    some = train if count is None else train.subset(torch.randperm(len(train), generator=generator)[:count])
    y = some.y.clone()
    bad = torch.randperm(len(y), generator=generator)[: round(wrong * len(y))]
    y[bad] = (y[bad] + torch.randint(1, 10, (len(bad),), generator=generator)) % 10
    return data.Images(some.x, y, some.classes, some.mean, some.std, some.name)


def lengths(net) -> dict[str, float]:
    with torch.no_grad():
        return {layer.name: mhe.neurons(layer.module).norm(dim=1).mean().item() for layer in ENERGY.survey(net)}


def rounded(numbers: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in numbers.items()}


def run(sets, make, penalty: str, weight: float, setting: str, seed: int) -> dict:
    """One training; a row of the record."""
    train = drawn(sets[0], *SETTINGS[setting], seed)
    net, head, term = nets.seeded(seed, make), heads.SoftmaxHead(10), PENALTIES[penalty](weight)
    recipe = training.Recipe(
        epochs=EPOCHS, batch=BATCH, lr=LR, weight_decay=DECAY, milestones=(EPOCHS // 2, 3 * EPOCHS // 4)
    )
    result = training.train(
        net, head, (train, sets[1]), recipe, seed=seed, evaluate_every=EPOCHS,
        penalty=None if term is None else lambda net, z, y: term(net),
    )  # fmt: skip
    row = {"penalty": penalty, "weight": weight, "setting": setting, "seed": seed, "diverged": bool(result.diverged)}
    if not result.diverged:
        row |= {"error": round(100 * (1 - result.final["accuracy"]), 3)}
        row |= {"learnt": round(100 * training.evaluate(net, head, train)["accuracy"], 2)}
        row |= {"energy": rounded(ENERGY.report(net)), "length": rounded(lengths(net))}
    print(row, f"{result.seconds:.1f} s", flush=True)
    return row


def small(filters: int = 8):
    return lambda: nets.digits(10, filters=filters)


def deep(layers: int):
    return lambda: nets.mlp(10, hidden=(32,) * layers)


def where(sets, seeds) -> list[dict]:
    cells = [("none", 0.0), ("hidden", 1.0), ("output", 1.0), ("both", 1.0), ("half-space", 1.0), ("orthonormal", 0.01)]
    return [
        run(sets, small(), *cell, setting, seed) for setting in ("clean", "noisy") for cell in cells for seed in seeds
    ]


def strength(sets, seeds) -> list[dict]:
    cells = [("none", 0.0)] + [(p, w) for p in ("both",) for w in (0.01, 0.1, 1.0, 10.0, 100.0)]
    return [run(sets, small(), *cell, "noisy", seed) for cell in cells for seed in seeds]


def width(sets, seeds) -> list[dict]:
    cells = [(f, p, w) for f in (2, 8) for p, w in (("none", 0.0), ("both", 1.0))]
    return [{"filters": f, **run(sets, small(f), p, w, "noisy", seed)} for f, p, w in cells for seed in seeds]


def depth(sets, seeds) -> list[dict]:
    cells = [(n, p, w) for n in (1, 2, 4, 6) for p, w in (("none", 0.0), ("both", 1.0), ("half-space", 1.0))]
    return [{"layers": n, **run(sets, deep(n), p, w, "noisy", seed)} for n, p, w in cells for seed in seeds]


def main() -> None:
    names = ["where", "strength", "width", "depth"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="where to write the JSON record; groups that it holds are kept")
    parser.add_argument("--groups", nargs="+", choices=names, default=names)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.record.parent.mkdir(parents=True, exist_ok=True)
    sets = data.digits(seed=0)
    for group in options.groups:
        began = time.perf_counter()
        rows = globals()[group](sets, options.seeds)
        about = {"epochs": EPOCHS, "batch": BATCH, "lr": LR, "momentum": 0.9,
                 "weight decay": DECAY, "s": 2, "seeds": options.seeds,
                 "net": "nets.mlp, 32 wide" if group == "depth" else "nets.digits, filters=8 unless a row says",
                 "images, share of wrong labels": SETTINGS}  # fmt: skip
        record = json.loads(options.record.read_text()) if options.record.exists() else {}
        record[group] = {
            "settings": about,
            "data": [{"name": s.name, "images": len(s), "checksum": s.checksum} for s in sets],
            "provenance": records.provenance(),
            "minutes": round((time.perf_counter() - began) / 60, 1),
            "rows": rows,
        }
        options.record.write_text(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
