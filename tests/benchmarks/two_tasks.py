"""Two tasks on one sphere, many seeds: the numbers of chapter 11.

    python tests/benchmarks/two_tasks.py notebooks/runs/joint/digits.json --groups single weights axes
    python tests/benchmarks/two_tasks.py notebooks/runs/joint/rates.json --groups rates   # each a quarter of an hour
    python tests/benchmarks/two_tasks.py notebooks/runs/joint/mnist.json --groups mnist   # needs MNIST, see data.mnist

Data: digits 2, 3, 4, 5 and 7, each turned by 0 to 180 degrees. Every image of scikit-learn's digits is taken with four
angles, every one of MNIST once. Groups: `rates` compares methods over learning rates, `single` trains for
one of the tasks alone, `weights` gives one task a weight, `axes` tilts the class prototypes towards the axis of the
values or takes the class from the projection, `mnist` is HPN-F6. A record holds every run with settings, seeds,
checksums of the data, software and hardware; it is written after each group. Run with OMP_NUM_THREADS=1 for one core.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor

from hpn_lite import data, heads, losses, nets, points, records, sphere, training

KEEP = (2, 3, 4, 5, 7)
EPOCHS, BATCH, DECAY = 14, 64, 1e-4
RATES = {"sgd": (0.005, 0.02, 0.1, 0.5), "adam": (0.001, 0.003, 0.01)}
PLAIN = 0.003  # Adam's rate where no rates are compared
WEIGHTS = (1 / 16, 16)  # 1 is among the rates


class TiltedHead(heads.RegressionHead):
    """Both tasks on S^2, with class prototypes anywhere on it and not only on the equator."""

    def __init__(self, prototypes: Tensor, low: float, high: float):
        super().__init__(low, high, 3)
        self.register_buffer("prototypes", prototypes.float())

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        cosines = sphere.normalize(z) @ self.prototypes.T
        return cosines, super().forward(z)

    def loss(self, z: Tensor, y: tuple[Tensor, Tensor], reduction: str = "mean") -> Tensor:
        part = losses.squared_cosine(z, self.prototypes, y[0], reduction=reduction, check=False)
        return part + super().loss(z, y[1], reduction)

    def predict(self, z: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            cosines, values = self(z)
        return cosines.argmax(1), values

    def metrics(self, prediction, y) -> dict[str, float]:
        right = (prediction[0] == y[0]).double().mean().item()
        return {"accuracy": right, **super().metrics(prediction[1], y[1])}

    def validate(self, y) -> None:
        super().validate(y[1])


def many(images: data.Images, copies: int, seed: int) -> data.Images:
    """Every image several times, with another angle each time."""
    parts = [data.rotated(images, KEEP, seed=seed + i) for i in range(copies)]
    y = tuple(torch.cat(part) for part in zip(*(p.y for p in parts), strict=True))
    return data.Images(torch.cat([p.x for p in parts]), y, parts[0].classes, parts[0].mean, parts[0].std, parts[0].name)


def small(width: int) -> torch.nn.Module:
    return nets.digits(width, filters=8)


def head_of(method: str, weight: float) -> heads.Head:
    circle, bounds = points.circle(len(KEEP)), (0, 180)
    if method == "joint":
        return heads.JointHead(circle, *bounds, regression_weight=weight)
    if method == "joint 5D":
        return heads.JointHead(points.simplex(len(KEEP)), *bounds, regression_weight=weight)
    if method == "projected":
        return heads.JointHead(circle, *bounds, project=True)
    if method == "tilted":
        return TiltedHead(points.thomson(len(KEEP), 3), *bounds)
    if method == "baseline":
        return heads.MultiTaskHead(len(KEEP), *bounds, 64, regression_weight=weight)
    if method == "classes alone":
        return heads.PrototypeHead(circle)
    if method == "values alone":
        return heads.RegressionHead(*bounds, 3)
    raise ValueError(method)


def corrected(h: Tensor, weight: float) -> Tensor:
    """The value for which the height h is the best compromise: weight r = (weight - 1) sin + tan of the latitude."""
    tangent = h / (1 - h.square()).clamp_min(1e-12).sqrt()
    return losses.from_cosine((((weight - 1) * h + tangent) / weight).clamp(-1, 1), 0, 180)


def run(
    sets, net, method: str, optimiser: str, lr: float, seed: int, *, weight: float = 1, epochs: int = EPOCHS, **more
):
    """One training; a row of the record, and the unit outputs on the test images."""
    torch.manual_seed(seed)  # the two linear layers of the baseline
    head = head_of(method, weight)
    part = {"classes alone": 0, "values alone": 1}.get(method)
    if part is not None:
        sets = tuple(data.Images(s.x, s.y[part], s.classes, s.mean, s.std, s.name) for s in sets)
    recipe = training.Recipe(
        epochs=epochs,
        batch=BATCH,
        lr=lr,
        weight_decay=DECAY,
        optimiser=optimiser,
        milestones=(math.ceil(epochs * 2 / 3),),
    )
    net = nets.seeded(seed, net, head.width)
    result = training.train(net, head, sets, recipe, seed=seed, evaluate_every=epochs)
    row = {"method": method, "optimiser": optimiser, "lr": lr, "seed": seed, "weight": weight}
    row |= {"diverged": bool(result.diverged), **{k: round(v, 5) for k, v in result.final.items()}}
    unit = None
    if not result.diverged and method not in ("classes alone",):
        net.eval()
        with torch.no_grad():
            z = torch.cat([net(x) for x, _ in data.batches(sets[1], 1000)])
            values = sets[1].y if part == 1 else sets[1].y[1]
            if method == "baseline":
                row["outside"] = round(
                    (~((head.value_layer(z) > 0) & (head.value_layer(z) < 1))).float().mean().item(), 4
                )
            else:
                unit = sphere.normalize(z)
                row["length"] = round(z.norm(dim=1).mean().item(), 3)
            if method in ("joint", "joint 5D"):
                mended = corrected(unit[:, -1], weight)
                row["mae corrected"] = round((mended - values).abs().mean().item(), 4)
                top = values > 170
                row["top"] = [round(v[top].mean().item(), 2) for v in (values, head(z)[1], mended)]
    print(row, f"{result.seconds:.0f} s", flush=True)
    return row, unit


def rates(sets, options) -> list[dict]:
    cells = [(m, o, lr) for m in ("joint", "baseline") for o in RATES for lr in RATES[o]]
    cells += [("joint 5D", "sgd", 0.02), ("joint 5D", "adam", PLAIN)]
    return [run(sets, small, *cell, seed)[0] for seed in options.seeds for cell in cells]


def single(sets, options) -> list[dict]:
    cells = [(m, "adam", PLAIN) for m in ("classes alone", "values alone")]
    return [run(sets, small, *cell, seed)[0] for cell in cells for seed in options.seeds]


def weights(sets, options) -> list[dict]:
    cells = [(m, w) for m in ("joint", "baseline") for w in WEIGHTS]
    call = lambda m, w, seed: run(sets, small, m, "adam", PLAIN, seed, weight=w)[0]  # noqa: E731
    return [call(*cell, seed) for cell in cells for seed in options.seeds]


def axes(sets, options) -> list[dict]:
    cells = [(m, "adam", PLAIN) for m in ("projected", "tilted")]
    return [run(sets, small, *cell, seed)[0] for cell in cells for seed in options.seeds]


def mnist(sets, options) -> dict:
    row, unit = run(sets, nets.mnist, "joint", "adam", 0.001, options.seeds[0], epochs=4)
    labels, degrees = (part[:600] for part in sets[1].y)
    outputs = {"output": [[round(v, 3) for v in u] for u in unit[:600].tolist()], "label": labels.tolist(),
               "degrees": [round(d, 1) for d in degrees.tolist()]}  # fmt: skip
    return {"rows": [row], "outputs": outputs}


def main() -> None:
    names = ["rates", "single", "weights", "axes", "mnist"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="where to write the JSON record; groups that it holds are kept")
    parser.add_argument("--groups", nargs="+", choices=names, default=names[:-1])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    options = parser.parse_args()
    options.record.parent.mkdir(parents=True, exist_ok=True)
    record = json.loads(options.record.read_text()) if options.record.exists() else {}
    for group in options.groups:
        began = time.perf_counter()
        if group == "mnist":
            sets = tuple(data.rotated(s, KEEP, seed=i) for i, s in enumerate(data.mnist()))
        else:
            train, test = data.digits(seed=0)
            sets = many(train, 4, seed=0), many(test, 4, seed=1000)
        found = globals()[group](sets, options)
        about = {"epochs": 4 if group == "mnist" else EPOCHS, "batch": BATCH, "weight decay": DECAY, "momentum": 0.9,
                 "net": "nets.mnist" if group == "mnist" else "nets.digits, filters=8",
                 "seeds": options.seeds}  # fmt: skip
        record[group] = {
            "settings": about,
            "data": [{"name": s.name, "images": len(s), "checksum": s.checksum} for s in sets],
            "provenance": records.provenance(),
            "minutes": round((time.perf_counter() - began) / 60, 1),
            **(found if isinstance(found, dict) else {"rows": found}),
        }
        options.record.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
