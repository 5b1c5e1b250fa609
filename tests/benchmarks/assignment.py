"""Who gets which prototype, many seeds: the numbers of chapter 16.

    python tests/benchmarks/assignment.py notebooks/runs/assignment/digits.json              # a few minutes on one core
    python tests/benchmarks/assignment.py notebooks/runs/assignment/digits.json --groups time

Data: scikit-learn's digits; the net is nets.mlp (one hidden layer of 64). Nets of one width are trained side by side,
as one net with a leading axis (torch.func); each sees the batches and takes the steps that training.train would give
it, as tests/test_assignment.py checks. Groups:

    orders    2, 3, 5 and 9 dimensions: static random, static by the class means of pixels, static by those of a softmax
              net's features (both stand in for word vectors, which digits do not have), dynamic in several ways
    losses    LPA-T9 at small scale: cross-entropy or the pull-only loss, on static or dynamic labels
    averages  2 dimensions: which average the matching sees, with that of the public code as we read it
    settled   2 and 3 dimensions: static, in the order in which another seed's labels have settled
    film      one run in 2 dimensions: class means, assignment and outputs after every epoch
    time      seconds of one re-assignment, up to 1,000 classes in 512 dimensions

A record holds every run with settings, seed, the data's checksum, software and hardware, and is written after each
group. Use OMP_NUM_THREADS=1.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from hpn_lite import assignment, data, heads, nets, points, records, semantics, sphere, training

EPOCHS, BATCH = 20, 64
RECIPES = {
    "SGD 0.02": {"optimiser": "sgd", "lr": 0.02, "cosine": True},
    "SGD 0.1": {"optimiser": "sgd", "lr": 0.1, "cosine": True},
    "Adam 0.005": {"optimiser": "adam", "lr": 0.005, "cosine": True},
}
MAIN = ("SGD 0.02", "Adam 0.005")  # the larger steps only in the plane
DIMENSIONS = (2, 3, 5, 9)
LOOKS = (1, 2, 5, 10, 20)  # epochs after which the averages are compared with the class means of the net as it is
# How labels move; None: they do not. LabelAssignment's options, and when the matching is done.
WAYS = {
    "static random": None,
    "static, pixels": None,
    "static, features": None,
    "moving 0.9": {},
    "moving 0.9, centred": {"centred": True},
    "plain": {"momentum": None},
    "plain, centred": {"momentum": None, "centred": True},
    "plain, centred, from the start": {"momentum": None, "centred": True, "first": True},
}
AVERAGES = {
    "0.95 per example": {"momentum": 0.95},
    "0.99 per example": {"momentum": 0.99},
    "public, from zero": {"public": "zero"},
    "public, from random": {"public": "random"},
    "plain, from the start": {"momentum": None, "first": True},
}
LOSSES = ("pull", "cross-entropy")


class PublicAverage(assignment.LabelAssignment):
    """The average of LPA's public code as we read it: a class in a batch counts once, by its last example, with 0.05.

    Args:
        start: "zero" or "random", where the means begin.
    """

    def __init__(self, prototypes: Tensor, *, start: str, seed: int):
        super().__init__(prototypes, seed=seed)
        if start == "random":
            self.means.copy_(sphere.uniform(*self.means.shape, seed=seed))
            self.weights.fill_(1)

    @torch.no_grad()
    def observe(self, z: Tensor, labels: Tensor) -> None:
        unit = functional.normalize(z.detach(), dim=1)
        for c in labels.unique().tolist():
            last = unit[labels == c][-1]
            self.means[c] = 0.95 * self.means[c] + 0.05 * last
            self.weights[c] = 1
        self.steps += 1


def labels_of(run: dict, prototypes: Tensor, order: Tensor | None) -> assignment.LabelAssignment:
    """Where the labels of a run begin, and what it averages."""
    options = dict(run["options"] or {})
    options.pop("first", None)
    if "public" in options:
        return PublicAverage(prototypes, start=options["public"], seed=run["seed"])
    made = assignment.LabelAssignment(prototypes, seed=run["seed"], **options)
    if order is not None:
        made.assignment.copy_(order)
    return made


def by_meaning(prototypes: Tensor, w: Tensor, seed: int) -> Tensor:
    """The order of the prototypes that suits the rows of w, as an assignment."""
    placed = semantics.arrange(prototypes, w, seed=seed)
    return torch.cdist(placed.double(), prototypes.double()).argmin(1)


def class_means(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([x[y == k].mean(0) for k in range(int(y.max()) + 1)])


class Together:
    """Nets of one width that learn side by side. Everything with a leading axis M has one entry for each run."""

    def __init__(self, runs: list[dict], sets, recipe: training.Recipe, starts: list[Tensor | None] | None = None):
        self.runs, self.sets, self.recipe = runs, sets, recipe
        self.dim = runs[0]["dim"]
        prototypes = points.best_prototypes(10, self.dim, seconds=2, seed=0).points.float()
        made = [nets.seeded(run["seed"], nets.mlp, self.dim) for run in runs]
        stacked, _ = torch.func.stack_module_state(made)
        self.params = {name: p.detach().requires_grad_() for name, p in stacked.items()}
        self.net = made[0]
        self.labels = [labels_of(r, prototypes, s) for r, s in zip(runs, starts or [None] * len(runs), strict=True)]
        self.entropy = torch.tensor([r["loss"] == "cross-entropy" for r in runs])
        kind, rest = {"sgd": (torch.optim.SGD, {"momentum": recipe.momentum}), "adam": (torch.optim.Adam, {})}[
            recipe.optimiser
        ]
        self.optimiser = kind(self.params.values(), lr=recipe.lr, weight_decay=recipe.weight_decay, **rest)
        self.dynamic = [i for i, r in enumerate(runs) if r["options"] is not None]

    def follow(self) -> None:
        """Class means of all that move, side by side: LabelAssignment.observe with a leading axis."""
        self.moving = [i for i in self.dynamic if "public" not in self.runs[i]["options"]]
        labels = [self.labels[i] for i in self.moving]
        if labels:
            self.means, self.weights = (torch.stack([getattr(m, x) for m in labels]) for x in ("means", "weights"))
            self.momentum = torch.tensor([[math.nan if m.momentum is None else m.momentum] for m in labels])  # (M, 1)

    @torch.no_grad()
    def observe(self, z: Tensor, y: Tensor) -> None:
        for i in self.dynamic:
            if i not in self.moving:
                self.labels[i].observe(z[i], y[i])
        if not self.moving:
            return
        unit, many, k = functional.normalize(z[self.moving], dim=-1), len(self.moving), self.means.shape[1]
        row = (y[self.moving] + k * torch.arange(many)[:, None]).flatten()
        sums = torch.zeros(many * k, self.dim).index_add_(0, row, unit.flatten(0, 1)).view_as(self.means)
        counts = torch.zeros(many * k).index_add_(0, row, torch.ones(len(row))).view_as(self.weights)
        plain, new = self.momentum.isnan(), 1 - self.momentum.nan_to_num(0.5) ** counts
        self.weights += torch.where(plain, counts, new * (1 - self.weights))
        share = torch.where(plain, counts, new) / torch.where(self.weights > 0, self.weights, 1)
        self.means += share[..., None] * (sums / counts.clamp_min(1)[..., None] - self.means)

    def hand_over(self) -> None:
        """Give what was followed to the LabelAssignments, which do the matching."""
        for j, i in enumerate(self.moving):
            self.labels[i].means.copy_(self.means[j])
            self.labels[i].weights.copy_(self.weights[j])

    def outputs(self, x: Tensor) -> Tensor:
        """(M, B, C, H, W) -> (M, B, D)."""
        return torch.func.vmap(lambda p, x: torch.func.functional_call(self.net, p, (x,)))(self.params, x)

    def loss(self, z: Tensor, y: Tensor, w: Tensor) -> Tensor:
        """(M, B, D), (M, B), (M, K, D) -> (M,): pull-only (HPN-E1) or softmax cross-entropy on z . w (LPA-E10)."""
        pull = functional.normalize(z, dim=-1)
        own = w.gather(1, y[..., None].expand(-1, -1, self.dim))  # (M, B, D)
        pull = (1 - (pull * own).sum(-1)).square().mean(1)
        if not self.entropy.any():
            return pull
        scores = z @ w.mT  # (M, B, K)
        entropy = functional.cross_entropy(scores.mT, y, reduction="none").mean(1)
        return torch.where(self.entropy, entropy, pull)

    def assigned(self) -> Tensor:
        return torch.stack([labels.assigned for labels in self.labels])  # (M, K, D)

    @torch.no_grad()
    def on(self, images: data.Images) -> Tensor:
        x, _ = next(data.batches(images, len(images)))
        return self.outputs(x.expand(len(self.runs), *x.shape))  # (M, N, D)

    @torch.no_grad()
    def match(self, which: list[int]) -> None:
        for i in which:
            self.labels[i].reassign()

    def train(self, on_epoch=None) -> list[dict]:
        train, test = self.sets
        rows = [dict(r, regret=[], angle=[], accuracies=[]) for r in self.runs]
        first = [i for i in self.dynamic if self.runs[i]["options"].get("first")]
        if first:  # what the untrained net says of the classes
            for z, i in zip(self.on(train)[first], first, strict=True):
                self.labels[i].observe(z, train.y)
            self.match(first)
        self.follow()
        per_epoch, done = data.steps(len(train), BATCH), 0
        seeds = sorted({r["seed"] for r in self.runs})
        if on_epoch is not None:
            on_epoch(0, self)
        for epoch in range(self.recipe.epochs):
            streams = {s: data.batches(train, BATCH, _shuffle(s, epoch)) for s in seeds}
            w = self.assigned()
            for _ in range(per_epoch):
                batch = {s: next(stream) for s, stream in streams.items()}
                x, y = (torch.stack([batch[r["seed"]][part] for r in self.runs]) for part in (0, 1))
                for group in self.optimiser.param_groups:
                    group["lr"] = self.recipe.rate(done, per_epoch)
                z = self.outputs(x)
                self.optimiser.zero_grad()
                self.loss(z, y, w).sum().backward()
                self.optimiser.step()
                done += 1
                self.observe(z.detach(), y)
            self.hand_over()
            if epoch + 1 in LOOKS:
                self._compare(rows, train)
            self.match(self.dynamic)
            self.follow()
            right = (self.on(test) @ self.assigned().mT).argmax(-1) == test.y  # (M, N); lengths do not matter
            for row, value in zip(rows, right.double().mean(1).tolist(), strict=True):
                row["accuracies"].append(round(value, 4))
            if on_epoch is not None:
                on_epoch(epoch + 1, self)
        for row, labels in zip(rows, self.labels, strict=True):
            row["accuracy"] = row["accuracies"][-1]
            row["moved"] = [m.moved for m in labels.history]
            row["scores"] = [round(m.score, 4) for m in labels.history]
            row["first"], row["last"] = labels.assignments[0], labels.assignments[-1]
        return rows

    def _compare(self, rows: list[dict], train: data.Images) -> None:
        """The averages against the class means that the net has now: the angle between them, and what it costs."""
        z = functional.normalize(self.on(train), dim=-1)
        for i in self.dynamic:
            labels, now = self.labels[i], class_means(z[i], train.y)
            angle = sphere.angle(now.double(), labels.means.double()).rad2deg().mean().item()
            if labels.centred:
                now = functional.normalize(now - now.mean(0), dim=1)
                seen = labels.means - labels.means.mean(0)
                seen = functional.normalize(seen, dim=1)
            else:
                seen = labels.means
            score = lambda order: (now * labels.prototypes[order]).sum().item() / 10  # noqa: B023, E731
            best = assignment.best_assignment(now, labels.prototypes)
            chosen = assignment.best_assignment(seen, labels.prototypes, labels.assignment)
            rows[i]["angle"].append(round(angle, 2))
            rows[i]["regret"].append(round(score(best) - score(chosen), 5))


def _shuffle(seed: int, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(training._mix(seed, epoch))  # the same batches as training.train


def recipe_of(name: str, epochs: int = EPOCHS) -> training.Recipe:
    return training.Recipe(epochs=epochs, batch=BATCH, **RECIPES[name])


def features(sets, seeds: list[int]) -> dict[int, Tensor]:
    """Class means of the 64 hidden features of a softmax net, trained from another start than the run's."""
    found = {}
    for seed in seeds:
        net, head = nets.seeded(seed + 100, nets.mlp, 10), heads.SoftmaxHead(10)
        training.train(net, head, sets, recipe_of("Adam 0.005", 5), seed=seed + 100, evaluate_every=5)
        with torch.no_grad():
            x, y = next(data.batches(sets[0], len(sets[0])))
            found[seed] = class_means(net[:-1](x), y)
    return found


def starts_of(runs: list[dict], sets, means: dict[int, Tensor]) -> list[Tensor | None]:
    pixels = class_means(sets[0].x.flatten(1).double(), sets[0].y)
    prototypes = points.best_prototypes(10, runs[0]["dim"], seconds=2, seed=0).points.float()
    made = {}
    for r in runs:
        key = (r["way"], r["seed"])
        if r["way"] == "static, pixels":
            made[key] = by_meaning(prototypes, pixels - pixels.mean(0), r["seed"])
        elif r["way"] == "static, features":
            w = means[r["seed"]].double()
            made[key] = by_meaning(prototypes, w - w.mean(0), r["seed"])
    return [made.get((r["way"], r["seed"])) for r in runs]


def ways(names, loss: str = "pull", of=WAYS) -> list[dict]:
    return [{"way": way, "loss": loss, "options": of[way]} for way in names]


def cells(group: str) -> list[tuple[str, int]]:
    """(recipe, dimension) of each cell of a group's table; the larger steps in the plane only."""
    if group == "orders":
        return [(name, 2) for name in RECIPES] + [(MAIN[0], 3), (MAIN[1], 3), (MAIN[0], 5), (MAIN[0], 9)]
    if group == "losses":
        return [(MAIN[0], 2), (MAIN[0], 3), (MAIN[0], 5), (MAIN[1], 2), (MAIN[1], 3)]
    return [(name, 2) for name in (RECIPES if group == "averages" else MAIN)] + (
        [(MAIN[0], 3)] if group == "settled" else []
    )


def cell(group: str, name: str, dim: int, sets, seeds: list[int], record: dict) -> list[dict]:
    """All ways and seeds of one cell."""
    wanted = {
        "orders": ways(WAYS),
        "losses": ways(("static random", "plain, centred", "moving 0.9"), "cross-entropy"),
        "averages": ways(AVERAGES, of=AVERAGES),
        "settled": [{"way": "static, settled", "loss": "pull", "options": None}],
    }[group]
    runs = [{"dim": dim, "seed": s, "recipe": name, **w} for w in wanted for s in seeds]
    if group == "settled":  # the order that "moving 0.9" found for the seed before (for the first seed: for the last)
        found = {r["seed"]: torch.tensor(r["last"]) for r in record["orders"]["rows"]
                 if (r["recipe"], r["dim"], r["way"]) == (name, dim, "moving 0.9")}  # fmt: skip
        starts = [found[seeds[i - 1]] for i in range(len(seeds))]
    else:
        means = features(sets, seeds) if group == "orders" else {}
        starts = starts_of(runs, sets, means)
    rows = Together(runs, sets, recipe_of(name), starts).train()
    for way in {w["way"]: 0 for w in wanted}:
        values = [100 * r["accuracy"] for r in rows if r["way"] == way]
        print(
            f"{group}, {name}, {dim}D, {way}: {sum(values) / len(values):.1f} {sorted(map(round, values))}", flush=True
        )
    return rows


def film(sets, seeds: list[int]) -> dict:
    """One run in the plane, epoch by epoch; frame 0 is before training, with the class means of the untrained net."""
    run = {"dim": 2, "seed": seeds[0], "recipe": "SGD 0.02", "way": "moving 0.9", "loss": "pull", "options": {}}
    frames, rounded = [], lambda x: [[round(v, 4) for v in row] for row in x.tolist()]

    def keep(epoch: int, nets_: Together) -> None:
        labels, unit = nets_.labels[0], functional.normalize(nets_.on(sets[0])[0], dim=1)
        means = labels.means if epoch else class_means(unit, sets[0].y)
        frames.append({"epoch": epoch, "means": rounded(means), "order": labels.assignment.tolist()})
        if epoch:
            match = labels.history[-1]
            frames[-1] |= {"moved": match.moved, "before": round(match.before, 4), "score": round(match.score, 4)}
        else:
            frames[-1]["score"] = round((means * labels.assigned).sum().item() / 10, 4)

    rows = Together([run], sets, recipe_of(run["recipe"])).train(keep)
    return {"rows": rows, "frames": frames}


def time_(sets, seeds: list[int]) -> dict:
    """CPU seconds of one matching: of means anywhere, and of means near their prototypes, as late in training."""
    rows = []
    for k, d in ((10, 2), (100, 50), (1000, 512)):
        for seed in seeds[:5]:
            prototypes = sphere.uniform(k, d, seed=seed).float()
            order = torch.randperm(k, generator=torch.Generator().manual_seed(seed))
            anywhere = sphere.uniform(k, d, seed=seed + 1000).float()
            for what, means in (("anywhere", anywhere), ("near", prototypes[order] + 0.5 * anywhere)):
                began = time.process_time()
                found = assignment.best_assignment(means, prototypes)
                seconds = time.process_time() - began
                right = bool((found == order).all()) if what == "near" else None
                rows.append({"k": k, "d": d, "seed": seed, "means": what, "seconds": round(seconds, 5), "right": right})
    return {"rows": rows}


TABLES, SINGLE = ("orders", "losses", "averages", "settled"), {"film": film, "time": time_}


def main() -> None:
    names = [*TABLES, *SINGLE]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="the JSON record to write; cells that it holds are kept")
    parser.add_argument("--groups", nargs="+", choices=names, default=names)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--cells", type=int, default=1000, help="run at most so many cells that are missing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.record.parent.mkdir(parents=True, exist_ok=True)
    record = json.loads(options.record.read_text()) if options.record.exists() else {}
    sets = data.digits(seed=0)
    about = {"epochs": EPOCHS, "batch": BATCH, "net": "nets.mlp", "recipes": RECIPES, "seeds": options.seeds}
    about = {
        "settings": about,
        "data": [{"name": s.name, "images": len(s), "checksum": s.checksum} for s in sets],
        "provenance": records.provenance(),
    }
    todo = [(g, c) for g in options.groups for c in (cells(g) if g in TABLES else [None])]
    for group, which in todo:
        held = record.get(group, {}).get("rows", [])
        if (
            options.cells == 0
            or (held and which is None)
            or any((r.get("recipe"), r.get("dim")) == which for r in held)
        ):
            continue
        options.cells -= 1
        found = SINGLE[group](sets, options.seeds) if which is None else {}
        rows = found.pop("rows") if which is None else cell(group, *which, sets, options.seeds, record)
        record[group] = {**about, **found, "rows": held + rows}
        options.record.write_text(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
