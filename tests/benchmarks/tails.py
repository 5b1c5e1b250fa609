"""Long tails: the runs that chapter 17 shows.

    python tests/benchmarks/tails.py prototypes PROTOTYPES.json  # digits: who places the classes, at several factors
    python tests/benchmarks/tails.py early EARLY.json            # digits: assignment in the first steps
    python tests/benchmarks/tails.py weights WEIGHTS.json        # digits: weights and mixup, softmax and simplex
    python tests/benchmarks/tails.py free FREE.json              # digits: dot-regression on outputs of any length, and
                                                                 # on batch-normalised ones
    python tests/benchmarks/tails.py short SHORT.json            # digits: SGD at a large rate, lengths of the outputs
    python tests/benchmarks/tails.py mnist MNIST.json            # MNIST made long-tailed; $HPN_LITE_DATA must hold it

Each run trains one net from one seed, which decides all that chance decides: the split, which digits are rare, which of
their images are kept, the start, the order of the images, the first assignment. The record is written after every run,
and a second call goes on where the first stopped. It holds settings, seeds, checksums of the data, software, hardware
and date. Run with OMP_NUM_THREADS=1.

References: Saadabadi et al. 2024 (LPA), section on long tails and supplement; Cui et al. 2019 (the profile); Zhang et
al. 2018 (mixup); Guo et al. 2017 (calibration).
"""

import dataclasses
import functools

import many
import torch

from hpn_lite import assignment, data, energy, heads, losses, nets, points, scores, training

CLASSES = 10
EARLY = 40  # steps
GROUP = 3  # the three most frequent classes are the head, the three rarest the tail: sizes differ too much to count


# ---- data and heads ------------------------------------------------------------------------------------------------


def shuffled(parts, seed: int):
    """The same images with labels permuted by the seed: which digits become rare must not be the same every time."""
    order = torch.randperm(CLASSES, generator=torch.Generator().manual_seed(seed))
    return tuple(dataclasses.replace(part, y=order[part.y]) for part in parts), order


def class_weights(counts, kind: str):
    """Fixed weights (K,) of the classes: none, or mean count over count (inverse frequency)."""
    return counts.float().mean() / counts if kind == "inverse" else None


class Softmax(heads.SoftmaxHead):
    """A learnt linear layer and cross-entropy, with fixed weights of the classes, or the batch's."""

    def __init__(self, classes, width, weight=None, batch=False):
        super().__init__(classes, width)
        self.weight, self.batch = weight, batch

    def loss(self, z, y, reduction="mean"):
        weight = losses.batch_weights(y, self.classes) if self.batch else self.weight
        value = torch.nn.functional.cross_entropy(self(z), y, reduction="none")
        return losses.reduce(value if weight is None else value * weight[y], reduction)


@functools.cache
def placed(dim: int):
    return points.best_prototypes(CLASSES, dim, seed=0).points.float()


def make_head(kind: str, dim: int, weighting: str, counts, seed: int):
    """softmax; fixed: prototypes in a random order, dot-regression on outputs of length 1; normed: the same after a
    batch normalisation, as in LPA's code; free: on outputs of any length; assigned: as fixed, matched to centred class
    means after every epoch; early: to their running means in the first EARLY steps, before outputs have settled.
    """
    weight, batch = class_weights(counts, weighting), weighting == "batch"
    if kind == "softmax":
        return nets.seeded(seed + 1000, Softmax, CLASSES, dim, weight, batch)
    options = {
        "fixed": {"every": 0},
        "normed": {"every": 0},
        "free": {"every": 0},
        "assigned": {"every": 1, "momentum": None},
        "early": {"steps": 1, "until": EARLY, "momentum": 0.9},
    }[kind]
    options |= {
        "loss": "dot" if kind == "free" else "unit-dot",
        "weight": "batch" if batch else weight,
        "centred": True,
        "seed": seed,
    }
    return assignment.AssignedHead(placed(dim), **options)


# ---- what is measured ----------------------------------------------------------------------------------------------


@torch.no_grad()
def outputs(net, images):
    net.eval()
    return torch.cat([net(x) for x, _ in data.batches(images, 1000)])


def judge(net, head, train, test, seed: int) -> dict:
    """Accuracy by groups, and calibration of softmax(scores / T) on half of the test images: with T = 1, and with the T
    that suits the other half."""
    counts = torch.bincount(train.y, minlength=CLASSES)
    with torch.no_grad():
        z = outputs(net, test)
        scored = head(z)
    predicted = scored.argmax(1)
    rank = torch.arange(CLASSES).flip(0)  # 9 for the most frequent class, 0 for the rarest
    found = scores.group_accuracy(predicted, test.y, rank, head=CLASSES - GROUP - 1, tail=GROUP)
    half = torch.randperm(len(test), generator=torch.Generator().manual_seed(seed)) < len(test) // 2
    temperature = scores.temperature(scored[half], test.y[half])
    errors = {}
    for name, t in (("raw", 1.0), ("fitted", temperature)):
        sure, said = torch.softmax(scored[~half] / t, 1).max(1)
        errors[f"ece_{name}"] = round(scores.calibration_error(sure, said == test.y[~half]), 5)
        errors[f"sure_{name}"] = round(float(sure.mean()), 5)
    vectors = head.linear.weight.detach() if isinstance(head, heads.SoftmaxHead) else head.prototypes
    cosine = torch.nn.functional.cosine_similarity(vectors[:, None], vectors[None], dim=-1)
    pair = torch.triu_indices(GROUP, GROUP, 1)
    return {
        **{name: round(value, 5) for name, value in found.items()},
        "classes": [round(v, 4) for v in scores.class_accuracy(predicted, test.y, CLASSES).tolist()],
        "counts": counts.tolist(),
        "length": round(float(z.norm(dim=1).mean()), 4),
        **errors,
        "temperature": round(temperature, 5),
        "head_cosine": round(float(cosine[:GROUP, :GROUP][pair[0], pair[1]].mean()), 4),
        "tail_cosine": round(float(cosine[-GROUP:, -GROUP:][pair[0], pair[1]].mean()), 4),
        "largest_cosine": round(float(energy.largest_cosine(vectors)), 4),
    }


def one(parts, make, recipe, factor, kind, dim, weighting, mixup, seed) -> dict:
    (train, test), order = shuffled(parts, seed)
    train = data.long_tailed(train, factor, seed=seed)
    counts = torch.bincount(train.y, minlength=CLASSES)
    head = make_head(kind, dim, weighting, counts, seed)
    net = nets.seeded(seed, make, head.width)
    if kind == "normed":
        net = torch.nn.Sequential(net, torch.nn.BatchNorm1d(head.width))
    recipe = dataclasses.replace(recipe, mixup=mixup)
    result = training.train(net, head, (train, test), recipe, seed=seed, evaluate_every=10**6)
    row = {"factor": factor, "kind": kind, "dim": dim, "weights": weighting, "mixup": mixup, "seed": seed}
    if not result.finished:
        return row | {"diverged": result.diverged, "seconds": round(result.seconds, 2)}
    row |= judge(net, head, train, test, seed)
    if kind in ("assigned", "early"):
        row["moved"] = [m.moved for m in head.labels.history]
    digits = [order.tolist().index(k) for k in range(CLASSES)]
    return row | {"digits": digits, "loss": round(result.epochs[-1]["loss"], 5), "seconds": round(result.seconds, 2)}


# ---- benchmarks ----------------------------------------------------------------------------------------------------

DIGITS = training.Recipe(steps=300, batch=64, optimiser="adam", lr=0.005, weight_decay=2e-4, cosine=True)
MNIST = training.Recipe(steps=1500, batch=128, optimiser="adam", lr=0.002, weight_decay=2e-4, cosine=True)
SHORT = training.Recipe(steps=200, batch=64, lr=0.5, weight_decay=2e-4)  # SGD, at a rate that is too large for some
FACTORS = (0.1, 0.02, 0.01)
METHODS = (  # kind, dimension, weights
    ("softmax", 9, "none"),
    ("softmax", 9, "inverse"),
    ("fixed", 9, "inverse"),  # nine dimensions hold the simplex of ten classes, the ETF
    ("assigned", 9, "inverse"),
    ("softmax", 3, "inverse"),
    ("fixed", 3, "inverse"),
    ("assigned", 3, "inverse"),
)


def one_digits(factor, kind, dim, weighting, mixup, seed) -> dict:
    make = functools.partial(nets.digits, filters=8)
    return one(data.digits(seed), make, DIGITS, factor, kind, dim, weighting, mixup, seed)


def one_short(factor, kind, dim, weighting, mixup, seed) -> dict:
    make = functools.partial(nets.digits, filters=8)
    return one(data.digits(seed), make, SHORT, factor, kind, dim, weighting, mixup, seed)


@functools.cache
def _mnist():
    return data.mnist()


def one_mnist(factor, kind, dim, weighting, mixup, seed) -> dict:
    return one(_mnist(), nets.mnist, MNIST, factor, kind, dim, weighting, mixup, seed)


KEYS = ("factor", "kind", "dim", "weights", "mixup", "seed")
BENCHMARKS = {
    "prototypes": {
        "run": one_digits,
        "keys": KEYS,
        "seeds": 10,
        "plan": lambda seeds: [(f, *m, 0.0, s) for s in range(seeds) for f in FACTORS for m in METHODS],
        "settings": {"net": "digits, 8 filters", **dataclasses.asdict(DIGITS)},
    },
    "early": {
        "run": one_digits,
        "keys": KEYS,
        "seeds": 10,
        "plan": lambda seeds: [(f, "early", 3, "inverse", 0.0, s) for s in range(seeds) for f in FACTORS],
        "settings": {"net": "digits, 8 filters", "early": EARLY, **dataclasses.asdict(DIGITS)},
    },
    "weights": {
        "run": one_digits,
        "keys": KEYS,
        "seeds": 10,
        "plan": lambda seeds: [
            (0.02, k, 9, w, m, s)
            for s in range(seeds)
            for k in ("softmax", "fixed")
            for w in ("none", "inverse", "batch")
            for m in (0.0, 1.0)
        ],
        "settings": {"net": "digits, 8 filters", **dataclasses.asdict(DIGITS)},
    },
    "free": {
        "run": one_digits,
        "keys": KEYS,
        "seeds": 10,
        "plan": lambda seeds: (
            [(f, k, 9, "inverse", 0.0, s) for s in range(seeds) for f in FACTORS for k in ("free", "normed")]
            + [
                (0.02, k, 9, w, m, s)
                for s in range(seeds)
                for k in ("free", "normed")
                for w in ("none", "inverse", "batch")
                for m in (0.0, 1.0)
                if (w, m) != ("inverse", 0.0)
            ]
        ),
        "settings": {"net": "digits, 8 filters", **dataclasses.asdict(DIGITS)},
    },
    "short": {
        "run": one_short,
        "keys": KEYS,
        "seeds": 10,
        "plan": lambda seeds: [
            (0.01, k, 9, "batch", m, s)
            for s in range(seeds)
            for k in ("softmax", "fixed", "normed", "free")
            for m in (0.0, 1.0)
        ],
        "settings": {"net": "digits, 8 filters", **dataclasses.asdict(SHORT)},
    },
    "mnist": {
        "run": one_mnist,
        "keys": KEYS,
        "sets": lambda _: [_mnist()],
        "seeds": 3,
        "plan": lambda seeds: (
            [(0.002, *m, 0.0, s) for s in range(seeds) for m in METHODS if m[1] == 9]
            + [(0.002, k, 9, "inverse", 0.0, s) for s in range(seeds) for k in ("normed", "free")]
        ),
        "settings": {"net": "mnist", **dataclasses.asdict(MNIST)},
    },
}


if __name__ == "__main__":
    many.main(__doc__, BENCHMARKS)
