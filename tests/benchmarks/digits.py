"""Classification of the digits with outputs on spheres, against softmax, one-hot and Deep NCM: chapter 9's numbers.

    python tests/benchmarks/digits.py RECORD.json                       # all groups, about half an hour on one core
    python tests/benchmarks/digits.py RECORD.json --groups dimensions --seeds 0 1

Groups: `dimensions` (prototypes in 2, 3, 5 and 10 dimensions, and a softmax behind a layer of the same width),
`baselines` (HPN-F4 at small scale, accuracy per epoch), `orders` (the ten digits around the circle in random orders, in
the order of their numerals, and along the shortest round trip through their mean images), `learnt` (in the order that
a softmax with two outputs has found, from another start of the net), `shuffles` (prototypes handed out in random orders
in 3 and 5 dimensions), `steps` (SGD with large steps: six random orders in 2 and 3 dimensions, and one order from six
starts of the net in 2). A run that the record holds already is not done again. The record holds every run with its
settings and seed, the data's checksum, software, hardware and date. Use OMP_NUM_THREADS=1.
"""

import argparse
import functools
import itertools
import json
import time
from pathlib import Path

import torch

from hpn_lite import data, heads, nets, points, records, sphere, training

RECIPE = {"epochs": 30, "batch": 64, "optimiser": "adam", "lr": 0.005, "cosine": True}
LARGE_STEPS = {"epochs": 20, "batch": 64, "optimiser": "sgd", "lr": 0.3, "cosine": True}
DIMENSIONS = (2, 3, 5, 10)
ORDERS = 12  # random orders around the circle
MEANS = ("condensation", "decay", "online")


@functools.cache
def prototypes(dim: int) -> torch.Tensor:
    return points.best_prototypes(10, dim, seconds=2, seed=0).points


def shuffled(seed: int) -> list[int]:
    return torch.randperm(10, generator=torch.Generator().manual_seed(seed)).tolist()


def round_trip(images: data.Images) -> list[int]:
    """The order of the digits around the circle that brings similar mean images together; found by trying all."""
    x = images.x.flatten(1).double()
    means = torch.stack([x[images.y == k].mean(0) for k in range(10)])
    cosines = sphere.cosines(means - means.mean(0))
    tours = torch.tensor([(0, *rest) for rest in itertools.permutations(range(1, 10))])  # (9!, 10)
    return tours[cosines[tours, tours.roll(1, 1)].sum(1).argmax()].tolist()


def in_order(points: torch.Tensor, order: list[int]) -> torch.Tensor:
    """Prototypes such that class order[i] gets point i."""
    placed = torch.empty_like(points)
    placed[torch.tensor(order)] = points
    return placed


def learnt_order(seed: int, sets) -> heads.PrototypeHead:
    """The circle in the order in which a softmax with two outputs puts the digits: the angles of its weight vectors."""
    torch.manual_seed(seed + 100)
    softmax, net = heads.SoftmaxHead(10, 2), nets.seeded(seed + 100, nets.digits, 2)
    training.train(net, softmax, sets, training.Recipe(**RECIPE), seed=seed + 100, evaluate_every=30)
    x, y = softmax.linear.weight.detach().T
    head = heads.PrototypeHead(in_order(points.circle(10), torch.atan2(y, x).argsort().tolist()))
    head.found = torch.atan2(y, x).argsort().tolist()
    return head


def tasks(groups: list[str], seeds: list[int], sets):
    """(what it is, function that makes the head) for every run that is wanted."""
    for seed in seeds:
        if "dimensions" in groups:
            for dim in DIMENSIONS:
                what = {"group": "dimensions", "head": "prototypes", "dim": dim, "seed": seed}
                yield what, lambda dim=dim: heads.PrototypeHead(prototypes(dim))
                what = {"group": "dimensions", "head": "softmax", "dim": dim, "seed": seed}
                yield what, lambda dim=dim: heads.SoftmaxHead(10, dim)
        if "baselines" in groups:
            yield (
                {"group": "baselines", "head": "one-hot", "dim": 10, "seed": seed},
                lambda: heads.PrototypeHead(torch.eye(10)),
            )
            for update in MEANS:
                what = {"group": "baselines", "head": f"Deep NCM, {update}", "dim": 10, "seed": seed}
                yield what, lambda update=update: heads.NearestMeanHead(10, 10, update)
        if "orders" in groups:
            for name, order in (("numerals", list(range(10))), ("round trip", round_trip(sets[0]))):
                what = {"group": "orders", "head": "prototypes", "dim": 2, "seed": seed, "name": name, "order": order}
                yield what, lambda order=order: heads.PrototypeHead(in_order(points.circle(10), order))
        if "learnt" in groups:
            yield (
                {"group": "learnt", "head": "prototypes", "dim": 2, "seed": seed},
                lambda seed=seed: learnt_order(seed, sets),
            )
    for group, dims in (("orders", (2,)), ("shuffles", (3, 5))):
        if group in groups:
            for number, dim in itertools.product(range(ORDERS), dims):
                order = shuffled(number)
                what = {"group": group, "head": "prototypes", "dim": dim, "seed": 0, "name": "random", "order": order}
                yield what, lambda dim=dim, order=order: heads.PrototypeHead(in_order(prototypes(dim), order))
    if "steps" in groups:
        for (dim, vary), number in itertools.product(((2, "order"), (2, "start"), (3, "order")), range(6)):
            order = shuffled(number if vary == "order" else 0)
            seed = 0 if vary == "order" else number
            what = {"group": "steps", "head": "prototypes", "dim": dim, "seed": seed, "vary": vary, "order": order}
            yield what, lambda dim=dim, order=order: heads.PrototypeHead(in_order(prototypes(dim), order))


def run(what: dict, make, sets) -> dict:
    began = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(what["seed"])
        head = make()
    net = nets.seeded(what["seed"], nets.digits, head.width)
    done = training.train(
        net, head, sets, training.Recipe(**(LARGE_STEPS if what["group"] == "steps" else RECIPE)), seed=what["seed"]
    )
    if not done.finished and not done.diverged:
        raise SystemExit("stopped; run it again to go on")
    accuracy = [round(row["accuracy"], 6) for row in done.epochs]
    found = {"found": head.found} if hasattr(head, "found") else {}
    return {
        **what,
        **found,
        "accuracy": accuracy,
        "diverged": done.diverged,
        "seconds": round(time.perf_counter() - began, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path)
    groups = ["orders", "dimensions", "baselines", "shuffles", "steps", "learnt"]
    parser.add_argument("--groups", nargs="+", choices=groups, default=groups)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    options = parser.parse_args()

    sets = data.digits()
    record = json.loads(options.record.read_text()) if options.record.exists() else {"runs": []}
    record |= {
        "settings": {
            "net": "nets.digits",
            "recipe": RECIPE,
            "large_steps": LARGE_STEPS,
            "orders": ORDERS,
            "round_trip": round_trip(sets[0]),
        },
        "data": {"name": "digits", "train": len(sets[0]), "test": len(sets[1]), "checksum": sets[0].checksum},
        "provenance": records.provenance(),
    }
    known = [
        {k: v for k, v in r.items() if k not in ("found", "accuracy", "diverged", "seconds")} for r in record["runs"]
    ]
    for what, make in tasks(options.groups, options.seeds, sets):
        if what in known:
            continue
        record["runs"].append(run(what, make, sets))
        options.record.parent.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join("  " + json.dumps(r) for r in record["runs"])
        text = json.dumps({**record, "runs": []}, indent=1).replace('"runs": []', f'"runs": [\n{lines}\n ]')
        options.record.write_text(text + "\n")
        last = record["runs"][-1]
        print({k: last[k] for k in ("group", "head", "dim", "seed", "seconds")}, last["accuracy"][-1], flush=True)


if __name__ == "__main__":
    main()
