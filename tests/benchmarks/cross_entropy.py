"""Cross-entropy, fixed prototypes and minority collapse on the digits: the runs that chapter 15 shows.

    python tests/benchmarks/cross_entropy.py losses LOSSES.json      # learnt and fixed vectors, push and pull-only
    python tests/benchmarks/cross_entropy.py collapse COLLAPSE.json  # five rare digits, outputs in the plane

Each run trains one small net from one seed, which decides the split, the images that are kept, the start and the order.
Nets of all seeds are trained side by side as one batch of matrices; none of them sees another. Learning rates are
chosen first, from RATES, for every method and dimension, on the seeds TUNING, which are used for nothing else. The
record is written after every group of runs, and a second call goes on where the first stopped. It holds settings,
seeds, checksums of the data, software, hardware and date. Run with OMP_NUM_THREADS=1.

References: Saadabadi et al. 2024 (LPA), supplement, sections 6 and 9 (E10 to E12, T9); Fang et al. 2021 (collapse).
"""

import argparse
import functools
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpn_lite import data, nets, points, records, scores

CLASSES = 10
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
TUNING = (100, 101)
SEEDS = tuple(range(10))
# s: the scale of unit outputs; without it outputs are taken as they are, which is LPA-T9's "fixed W + CE"
METHODS = (
    "fixed, pull-only",
    "fixed, cross-entropy",
    "fixed, cross-entropy, s = 4",
    "fixed, cross-entropy, s = 16",
    "learnt, pull-only",
    "learnt, cross-entropy",
)
DIMS = (2, 3, 10)
RECIPE = {"batch": 64, "momentum": 0.9, "weight_decay": 5e-4, "gamma": 0.1}


@functools.cache
def prototypes(dim: int) -> Tensor:
    return points.best_prototypes(CLASSES, dim, seed=0).points.float()


def loss_of(method: str, z: Tensor, w: Tensor, y: Tensor) -> Tensor:
    """The losses (S, B) of outputs (S, B, D) with labels (S, B), for class vectors (S, K, D)."""
    if method.endswith("pull-only"):
        cosine = F.normalize(z, dim=-1) @ F.normalize(w, dim=-1).mT  # (S, B, K)
        return (1 - cosine.gather(-1, y[..., None])[..., 0]).square()
    u = float(method.split("= ")[1]) * F.normalize(z, dim=-1) if "s =" in method else z
    return F.cross_entropy((u @ w.mT).mT, y, reduction="none")  # classes are the second axis there


def outputs(p: dict, x: Tensor) -> Tensor:
    hidden = torch.relu(torch.baddbmm(p["1.bias"][:, None], x, p["1.weight"].mT))  # (S, B, 64)
    return torch.baddbmm(p["3.bias"][:, None], hidden, p["3.weight"].mT)  # (S, B, D)


def fit(parts: list, method: str, dim: int, rates: list[float], seeds: list[int], epochs: int, drop: int):
    """Train one net for each seed and rate: SGD with momentum, the rate times gamma from epoch `drop` on.

    Returns the outputs for the test images (S, 450, D) and the class vectors (S, K, D).
    """
    made = [dict(nets.seeded(seed, nets.mlp, dim).named_parameters()) for seed in seeds]
    p = {name: torch.stack([m[name].detach() for m in made]).requires_grad_() for name in made[0]}
    w = prototypes(dim).expand(len(seeds), -1, -1)
    if method.startswith("learnt"):
        w = torch.stack([nets.seeded(s + 1000, nn.Linear, dim, CLASSES, bias=False).weight.detach() for s in seeds])
        p["vectors"] = w = w.requires_grad_()
    speed = {name: torch.zeros_like(v) for name, v in p.items()}
    rate = torch.tensor(rates)
    x, y = [train.scaled(train.x).flatten(1) for train, _ in parts], [train.y for train, _ in parts]
    chance = [torch.Generator().manual_seed(seed) for seed in seeds]
    per_epoch = min(len(part) for part in y) // RECIPE["batch"]
    for epoch in range(epochs):
        used = per_epoch * RECIPE["batch"]
        orders = [torch.randperm(len(part), generator=g)[:used] for part, g in zip(y, chance, strict=True)]
        shuffled = torch.stack([part[o] for part, o in zip(x, orders, strict=True)]).split(RECIPE["batch"], 1)
        told = torch.stack([part[o] for part, o in zip(y, orders, strict=True)]).split(RECIPE["batch"], 1)
        now = rate * (RECIPE["gamma"] if epoch >= drop else 1)
        for batch, labels in zip(shuffled, told, strict=True):  # (S, B, 64), (S, B)
            loss = loss_of(method, outputs(p, batch), w, labels).mean(1).sum()  # nets do not meet: slopes stay apart
            slopes = torch.autograd.grad(loss, list(p.values()))
            with torch.no_grad():
                for (name, v), slope in zip(p.items(), slopes, strict=True):
                    speed[name].mul_(RECIPE["momentum"]).add_(slope + RECIPE["weight_decay"] * v)
                    v -= now.view(-1, *(1 for _ in v.shape[1:])) * speed[name]
    with torch.no_grad():
        z = outputs(p, torch.stack([test.scaled(test.x).flatten(1) for _, test in parts]))
    return z, w.detach()


def predictions(method: str, z: Tensor, w: Tensor) -> Tensor:
    """The class of the largest score, or of the largest cosine."""
    w = F.normalize(w, dim=-1) if method.endswith("pull-only") else w
    return (z @ w.T).argmax(1)


def degrees(w: Tensor) -> Tensor:
    unit = F.normalize(w.double(), dim=1)
    return (unit @ unit.T).clamp(-1, 1).acos().rad2deg()


# ---- which loss for which vectors --------------------------------------------------------------------------------


def losses_group(dim: int, method: str, rates: list[float], seeds: list[int]) -> list[dict]:
    parts, begun = [data.digits(seed) for seed in seeds], time.perf_counter()
    z, w = fit(parts, method, dim, rates, seeds, epochs=30, drop=20)
    rows = []
    for seed, rate, out, vectors, (_, test) in zip(seeds, rates, z, w, parts, strict=True):
        right = (predictions(method, out, vectors) == test.y).double().mean()
        own = (F.normalize(out, dim=1) * F.normalize(vectors, dim=1)[test.y]).sum(1).clamp(-1, 1).acos().rad2deg()
        rows.append({
            "dim": dim, "method": method, "rate": rate, "seed": seed, "accuracy": round(float(right), 5),
            "degrees_to_own": round(float(own.mean()), 2), "length": round(float(out.norm(dim=1).mean()), 3),
            "closest_pair": round(float((degrees(vectors) + 360 * torch.eye(CLASSES)).min()), 2),
            "seconds": round((time.perf_counter() - begun) / len(seeds), 2),
        })  # fmt: skip
    return rows


# ---- minority collapse -------------------------------------------------------------------------------------------

SHARES = (1.0, 0.3, 0.1, 0.03, 0.01)
PLANE = ("learnt, cross-entropy", "fixed, cross-entropy", "fixed, pull-only")


def rare_of(seed: int) -> list[int]:
    """The five digits that are made rare: another draw for each seed."""
    return sorted(torch.randperm(CLASSES, generator=torch.Generator().manual_seed(seed))[:5].tolist())


def collapse_group(share: float, method: str, rates: list[float], seeds: list[int]) -> list[dict]:
    parts = []
    for seed in seeds:
        train, test = data.digits(seed)
        parts.append((data.imbalanced(train, {label: share for label in rare_of(seed)}, seed=seed), test))
    begun = time.perf_counter()
    z, w = fit(parts, method, 2, rates, seeds, epochs=40, drop=27)
    rows = []
    for seed, rate, out, vectors, (train, test) in zip(seeds, rates, z, w, parts, strict=True):
        rare = rare_of(seed)
        usual = [k for k in range(CLASSES) if k not in rare]
        angle, length = degrees(vectors), torch.linalg.vector_norm(vectors, dim=1)
        pairs = [float(angle[g][:, g][*torch.triu_indices(5, 5, 1)].mean()) for g in (rare, usual)]
        each = scores.class_accuracy(predictions(method, out, vectors), test.y, CLASSES)
        rows.append({
            "share": share, "method": method, "rate": rate, "seed": seed, "rare": rare,
            "rare_images": int(torch.isin(train.y, torch.tensor(rare)).sum()), "train_images": len(train),
            "angle_rare": round(pairs[0], 2), "angle_frequent": round(pairs[1], 2),
            "length_rare": round(float(length[rare].mean()), 4),
            "length_frequent": round(float(length[usual].mean()), 4),
            "accuracy": round(float(each.mean()), 5), "accuracy_rare": round(float(each[rare].mean()), 5),
            "accuracy_frequent": round(float(each[usual].mean()), 5),
            "vectors": [[round(v, 4) for v in r] for r in vectors.tolist()] if seed == 0 else None,
            "seconds": round((time.perf_counter() - begun) / len(seeds), 2),
        })  # fmt: skip
    return rows


# ---- records -------------------------------------------------------------------------------------------------------

BENCHMARKS = {
    "losses": (losses_group, [(d, m) for d in DIMS for m in METHODS], {"epochs": 30, "milestones": [20]}),
    "collapse": (collapse_group, [(s, m) for m in PLANE for s in SHARES], {"epochs": 40, "milestones": [27]}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=BENCHMARKS)
    parser.add_argument("record", type=Path)
    parser.add_argument("--groups", type=int, default=10**6, help="stop after so many groups of runs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    group, plan, recipe = BENCHMARKS[options.what]
    rows = json.loads(options.record.read_text())["runs"] if options.record.exists() else []
    sums = {str(seed): [part.checksum for part in data.digits(seed)] for seed in (*SEEDS, *TUNING)}
    settings = {"net": "mlp, 64 hidden units", "rates": RATES, "tuning_seeds": TUNING, **RECIPE, **recipe}
    head = {"what": options.what, "settings": settings, "data_checksums": sums, "provenance": records.provenance()}
    names, left = ("dim", "method") if options.what == "losses" else ("share", "method"), options.groups
    for job in plan:
        same = lambda r, j: tuple(r[n] for n in names) == j  # noqa: E731
        even = job if options.what == "losses" else (1.0, job[1])  # rates for collapse: from all images
        tried = [r for r in rows if same(r, even) and r["seed"] in TUNING]
        if not tried:
            pairs = [(rate, seed) for rate in RATES for seed in TUNING]
            tried = group(*even, [rate for rate, _ in pairs], [seed for _, seed in pairs])
            rows += tried
        if not any(same(r, job) and r["seed"] in SEEDS for r in rows):
            total = {rate: sum(r["accuracy"] for r in tried if r["rate"] == rate) for rate in RATES}
            rows += group(*job, [max(total, key=total.get)] * len(SEEDS), list(SEEDS))
            found = [r["accuracy"] for r in rows[-len(SEEDS) :]]
            print(*job, "rate", rows[-1]["rate"], f"{100 * sum(found) / len(found):.1f}", flush=True)
            options.record.parent.mkdir(parents=True, exist_ok=True)
            options.record.write_text(json.dumps({**head, "runs": rows}, indent=1) + "\n")
            left -= 1
        if not left:
            break


if __name__ == "__main__":
    main()
