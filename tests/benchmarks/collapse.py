"""Neural collapse on the digits: chapter 19's numbers. Five output layers, the same nets, four signs at every epoch.

    python tests/benchmarks/collapse.py RECORD.json               # five seeds, some minutes on one core
    python tests/benchmarks/collapse.py RECORD.json --seeds 0 1

Ten classes, so a simplex needs nine dimensions, and all but the last have nine. `learned`: a linear layer with softmax.
`simplex, softmax`: the same with the simplex as its fixed weights (Kasarla et al. 2022). `simplex, cosine softmax`: on
cosines over a temperature (the loss of equiangular basis vectors, on the simplex). `simplex, squared cosine`: fixed
prototypes (HPN-E1). `five dimensions`: fixed prototypes in five dimensions, where there is no simplex. Measures are
taken on the training images in evaluation mode, on the outputs as they are and on their directions. Use
OMP_NUM_THREADS=1.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from hpn_lite import collapse, data, heads, nets, points, records, sphere, training

RECIPE = {
    "epochs": 80, "batch": 64, "optimiser": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-3, "cosine": True,
    "keep_last": False,
}  # fmt: skip
EVERY = (1, 2, 3, 5, 8, 12, 20, 30, 40, 50, 60, 70, 80)  # epochs at which the signs are measured
HEADS = {
    "learned": lambda: heads.SoftmaxHead(10, 9),
    "simplex, softmax": lambda: heads.FixedSoftmaxHead(points.simplex(10)),
    "simplex, cosine softmax": lambda: heads.FixedSoftmaxHead(points.simplex(10), scale=1 / 0.07, cosine=True),
    "simplex, squared cosine": lambda: heads.PrototypeHead(points.simplex(10)),
    "five dimensions": lambda: heads.PrototypeHead(points.best_prototypes(10, 5).points),
}


@torch.no_grad()
def signs(net, head, images) -> dict:
    net.eval()
    z = torch.cat([net(x) for x, _ in data.batches(images, 500)])
    vectors = head.linear.weight if isinstance(head, heads.SoftmaxHead) else head.prototypes
    prediction = head.predict(z)
    raw = collapse.measure(z, images.y, vectors, prediction)._asdict()
    unit = collapse.measure(sphere.normalize(z), images.y, vectors, prediction)._asdict()
    rounded = lambda d: {k: float(f"{v:.5g}") for k, v in d.items()}  # noqa: E731
    return {
        "train_accuracy": float((prediction == images.y).double().mean()),
        "raw": rounded(raw),
        "unit": rounded(unit),
    }


def run(name: str, seed: int, sets) -> dict:
    began = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 1000)
        head = HEADS[name]()
    net = nets.seeded(seed, nets.digits, head.width)
    rows = []

    def look(epoch: int, net, head, row) -> None:
        if epoch in EVERY:
            rows.append({"epoch": epoch, "accuracy": row["accuracy"], **signs(net, head, sets[0])})

    done = training.train(net, head, sets, training.Recipe(**RECIPE), seed=seed, on_epoch=look)
    if not done.finished:
        raise SystemExit("stopped or diverged")
    return {
        "head": name,
        "seed": seed,
        "final": done.final,
        "signs": rows,
        "seconds": round(time.perf_counter() - began, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path)
    parser.add_argument("--heads", nargs="+", choices=list(HEADS), default=list(HEADS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    options = parser.parse_args()
    torch.set_num_threads(1)
    sets = data.digits()
    record = json.loads(options.record.read_text()) if options.record.exists() else {"runs": []}
    record |= {
        "settings": {"net": "nets.digits", "recipe": RECIPE, "measured": EVERY, "temperature": 0.07},
        "data": {"name": "digits", "train": len(sets[0]), "test": len(sets[1]), "checksum": sets[0].checksum},
        "provenance": records.provenance(),
    }
    for seed in options.seeds:
        for name in options.heads:
            if any((r["head"], r["seed"]) == (name, seed) for r in record["runs"]):
                continue
            record["runs"].append(run(name, seed, sets))
            options.record.parent.mkdir(parents=True, exist_ok=True)
            lines = ",\n".join("  " + json.dumps(r) for r in record["runs"])
            text = json.dumps({**record, "runs": []}, indent=1).replace('"runs": []', f'"runs": [\n{lines}\n ]')
            options.record.write_text(text + "\n")
            last = record["runs"][-1]
            print(name, seed, last["seconds"], last["final"], last["signs"][-1], flush=True)


if __name__ == "__main__":
    main()
