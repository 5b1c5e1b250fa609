"""Cross-entropy, fixed prototypes and minority collapse on the digits: the runs that chapter 15 shows.

    python tests/benchmarks/cross_entropy.py losses LOSSES.json      # learnt and fixed vectors, push and pull-only
    python tests/benchmarks/cross_entropy.py collapse COLLAPSE.json  # five rare digits, outputs in the plane

Each run trains one small net from one seed, which decides the split, the images that are kept, the start and the order.
Learning rates are chosen first, from RATES, for every method and dimension, on the seeds TUNING, which are used for
nothing else. The record is written after every run, and a second call goes on where the first stopped. It holds
settings, seeds, checksums of the data, software, hardware and date.

References: Saadabadi et al. 2024 (LPA), supplement, sections 6 and 9 (E10 to E12, T9); Fang et al. 2021 (collapse).
"""

import argparse
import functools
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpn_lite import data, heads, losses, nets, points, records, scores, training

CLASSES = 10
RATES = (0.03, 0.1, 0.3, 1.0)
TUNING = (100, 101)
# the scale of normalised outputs; None: outputs as they are, which is LPA-T9's "fixed W + CE"
METHODS = ("fixed, pull-only", "fixed, cross-entropy", "fixed, cross-entropy, s = 4", "fixed, cross-entropy, s = 16",
           "learnt, pull-only", "learnt, cross-entropy")  # fmt: skip
DIMS = (2, 3, 5, 10)


class FixedSoftmax(heads.PrototypeHead):
    """Fixed prototypes and cross-entropy: of the scores <z, p_k>, or of s times the cosines."""

    def __init__(self, prototypes: Tensor, scale: float | None = None):
        super().__init__(prototypes)
        self.scale = scale

    def loss(self, z, y, reduction="mean"):
        values = z @ self.prototypes.T if self.scale is None else self.scale * self(z)  # (B, K)
        return F.cross_entropy(values, y, reduction=reduction)


class LearntVectors(heads.SoftmaxHead):
    """Class vectors that are learnt, without bias: by cross-entropy, or on unit vectors by the pull-only loss."""

    def __init__(self, classes: int, width: int, pull: bool = False):
        super().__init__(classes, width)
        self.linear, self.pull = nn.Linear(width, classes, bias=False), pull

    def forward(self, z):
        return F.normalize(z, dim=1) @ F.normalize(self.linear.weight, dim=1).T if self.pull else self.linear(z)

    def loss(self, z, y, reduction="mean"):
        if not self.pull:
            return super().loss(z, y, reduction)
        own = self(z).gather(1, y[:, None])[:, 0]  # (B,) cosines
        return losses.reduce((1 - own).square(), reduction)


@functools.cache
def prototypes(dim: int) -> Tensor:
    return points.best_prototypes(CLASSES, dim, seed=0).points.float()


def head_of(method: str, dim: int, seed: int) -> heads.Head:
    if method.startswith("learnt"):
        return nets.seeded(seed + 1000, LearntVectors, CLASSES, dim, method.endswith("pull-only"))
    if method == "fixed, pull-only":
        return heads.PrototypeHead(prototypes(dim))
    return FixedSoftmax(prototypes(dim), float(method.split("= ")[1]) if "s =" in method else None)


def trained(parts, method: str, dim: int, rate: float, recipe: dict, seed: int):
    net = nets.seeded(seed, nets.mlp, dim)
    head = head_of(method, dim, seed)
    made = training.Recipe(lr=rate, **recipe)
    result = training.train(net, head, parts, made, seed=seed, evaluate_every=made.epochs)
    net.eval()
    with torch.no_grad():
        z = torch.cat([net(x) for x, _ in data.batches(parts[1], 500)])
    return result, head, z


# ---- which loss for which vectors --------------------------------------------------------------------------------

PLAIN = {"epochs": 30, "batch": 64, "weight_decay": 5e-4, "milestones": (20,), "keep_last": False}


def one_loss(dim: int, method: str, rate: float, seed: int) -> dict:
    parts = data.digits(seed)
    result, head, z = trained(parts, method, dim, rate, PLAIN, seed)
    y = parts[1].y
    row = {"dim": dim, "method": method, "rate": rate, "seed": seed, "accuracy": round(result.final["accuracy"], 5)}
    vectors = F.normalize(head.linear.weight.detach() if "learnt" in method else head.prototypes, dim=1)
    u = F.normalize(z, dim=1)
    angle = (u * vectors[y]).sum(1).clamp(-1, 1).acos().rad2deg()
    c = (vectors @ vectors.T).fill_diagonal_(-1)
    row["degrees_to_own"] = round(float(angle.mean()), 2)  # of test outputs
    row["closest_pair"] = round(float(c.max().clamp(-1, 1).acos().rad2deg()), 2)
    return row | {"diverged": result.diverged, "seconds": round(result.seconds, 2)}


def plan_losses(seeds: int, rows: list[dict]):
    """First the tuning seeds at all rates, then the others at the best rate of each method and dimension."""
    for dim in DIMS:
        for method in METHODS:
            tried = {}
            for rate in RATES:
                for seed in TUNING:
                    yield dim, method, rate, seed
                tried[rate] = sum(
                    r["accuracy"] for r in rows
                    if (r["dim"], r["method"], r["rate"]) == (dim, method, rate) and r["seed"] in TUNING
                )  # fmt: skip
            best = max(tried, key=tried.get)
            for seed in range(seeds):
                yield dim, method, best, seed


# ---- minority collapse -------------------------------------------------------------------------------------------

SHARES = (1.0, 0.3, 0.1, 0.05, 0.02, 0.01)
UNEVEN = {"epochs": 60, "batch": 64, "weight_decay": 5e-4, "milestones": (40,), "keep_last": False}
PLANE = ("learnt, cross-entropy", "fixed, cross-entropy", "fixed, pull-only")


def rare_of(seed: int) -> list[int]:
    """The five digits that are made rare: another draw for each seed."""
    return sorted(torch.randperm(CLASSES, generator=torch.Generator().manual_seed(seed))[:5].tolist())


def one_collapse(share: float, method: str, rate: float, seed: int) -> dict:
    train, test = data.digits(seed)
    rare = rare_of(seed)
    part = data.imbalanced(train, {label: share for label in rare}, seed=seed)
    result, head, z = trained((part, test), method, 2, rate, UNEVEN, seed)
    w = head.linear.weight.detach() if "learnt" in method else head.prototypes
    length, u = torch.linalg.vector_norm(w, dim=1), F.normalize(w, dim=1)
    angle = (u @ u.T).clamp(-1, 1).acos().rad2deg()
    usual = [k for k in range(CLASSES) if k not in rare]
    pairs = lambda group: angle[group][:, group][*torch.triu_indices(len(group), len(group), 1)]  # noqa: E731
    each = scores.class_accuracy(head.predict(z), test.y, CLASSES)
    row = {
        "share": share,
        "method": method,
        "rate": rate,
        "seed": seed,
        "rare": rare,
        "rare_images": int(torch.isin(part.y, torch.tensor(rare)).sum()),
        "angle_rare": round(float(pairs(rare).mean()), 2),
        "angle_frequent": round(float(pairs(usual).mean()), 2),
        "length_rare": round(float(length[rare].mean()), 4),
        "length_frequent": round(float(length[usual].mean()), 4),
        "accuracy": round(result.final["accuracy"], 5),
        "accuracy_rare": round(float(each[rare].mean()), 5),
        "accuracy_frequent": round(float(each[usual].mean()), 5),
    }
    if seed == 0:
        row["vectors"] = [[round(v, 4) for v in r] for r in w.tolist()]
    return row | {"diverged": result.diverged, "seconds": round(result.seconds, 2)}


def plan_collapse(seeds: int, rows: list[dict]):
    """Rates as above, chosen on the balanced set; then all shares."""
    for method in PLANE:
        tried = {}
        for rate in RATES:
            for seed in TUNING:
                yield 1.0, method, rate, seed
            tried[rate] = sum(
                r["accuracy"] for r in rows
                if (r["share"], r["method"], r["rate"]) == (1.0, method, rate) and r["seed"] in TUNING
            )  # fmt: skip
        best = max(tried, key=tried.get)
        for share in SHARES:
            for seed in range(seeds):
                yield share, method, best, seed


BENCHMARKS = {
    "losses": (one_loss, plan_losses, ("dim", "method", "rate", "seed"), 10, PLAIN),
    "collapse": (one_collapse, plan_collapse, ("share", "method", "rate", "seed"), 10, UNEVEN),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=BENCHMARKS)
    parser.add_argument("record", type=Path)
    parser.add_argument("--seeds", type=int)
    options = parser.parse_args()
    torch.set_num_threads(1)
    run, plan, keys, seeds, recipe = BENCHMARKS[options.what]
    seeds = options.seeds or seeds
    rows = json.loads(options.record.read_text())["runs"] if options.record.exists() else []
    done = {tuple(r[k] for k in keys) for r in rows}
    sums = {str(seed): [part.checksum for part in data.digits(seed)] for seed in (*range(seeds), *TUNING)}
    settings = {"net": "mlp, 64 hidden units", "rates": RATES, "tuning_seeds": TUNING, **recipe}
    provenance = records.provenance()
    for job in plan(seeds, rows):
        if job in done:
            continue
        rows.append(run(*job))
        done.add(job)
        print(*job, rows[-1]["accuracy"], rows[-1]["seconds"], flush=True)
        record = {"what": options.what, "settings": settings, "data_checksums": sums, "provenance": provenance}
        options.record.parent.mkdir(parents=True, exist_ok=True)
        options.record.write_text(json.dumps({**record, "runs": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
