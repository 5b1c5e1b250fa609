"""How good the points are and how long they take: against published values, bounds and HPN's published loop.

    python tests/benchmarks/points.py RECORD.json                  # all groups, about two hours on one core
    python tests/benchmarks/points.py RECORD.json --groups classes --seconds 60
    python tests/benchmarks/points.py RECORD.json --groups tammes --sizes 4-60
    python tests/benchmarks/points.py RECORD.json --groups tammes --sizes 61-130 --within 1.5e-4

Groups: `classes` (the table of prototypes), `thomson` (energies on S^2), `tammes` (largest cosines on S^2).
A search stops at its target, the required or the best known value (or so close to it, --within), and else when its
seconds are over. Prints ours, the published value, the bound, wall and processor seconds, and for `classes` the time of
a plain PyTorch version of HPN's published loop (10,000 steps) run beside it, what that reached, and the time ours took
to be as good, as a ratio. The record holds every row with settings, seed, software and hardware, and is written after
every row. Run with OMP_NUM_THREADS=1 for one core.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch

from hpn_lite import energy, fused, points, records, reference, sphere

# classes, dimensions, as published with HPN, required, reached before (None: not given), seconds
CELLS = [
    (100, 3, 1.000, 0.93340, 0.933386, 60),
    (100, 5, 0.6986, 0.6850, 0.68316, 60),
    (100, 10, 0.3759, 0.3360, 0.33362, 60),
    (100, 16, None, 0.2060, 0.20472, 60),
    (100, 25, 0.1337, 0.1110, 0.09091, 60),
    (100, 32, None, 0.0765, 0.07629, 60),
    (100, 50, 0.0435, 0.0, 0.0, 60),
    (100, 100, 0.0460, -1 / 99, -1 / 99, 60),
    (200, 25, 0.2148, 0.2148, None, 60),
    (200, 50, 0.1057, 0.1057, 0.0753, 60),
    (1000, 64, None, 0.1460, 0.1115, 180),
    (1000, 512, None, 0.0322, None, 180),
]


def published_loop(k: int, dim: int, seed: int, steps: int = 10_000) -> tuple[float, float]:
    """HPN's loop as its code does it, with autograd and a new optimizer per step: largest cosine and seconds."""
    torch.manual_seed(seed)
    x = torch.nn.functional.normalize(torch.randn(k, dim), dim=1)
    began = time.perf_counter()
    for _ in range(steps):
        x = torch.nn.Parameter(x)
        optimizer = torch.optim.SGD([x], lr=0.1, momentum=0.9)
        cosines = x @ x.T - 2 * torch.eye(k)
        cosines.max(dim=1).values.mean().backward()
        optimizer.step()
        x = torch.nn.functional.normalize(x.detach(), dim=1)
    return float(energy.largest_cosine(x)), time.perf_counter() - began


def timed(call) -> tuple[object, dict]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, {
        "seconds": round(time.perf_counter() - wall, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "load_average": round(os.getloadavg()[0], 1),
    }


def classes(options, rows: list[dict], save: Callable[[], None]) -> None:
    print("  k    D   ours       construction                        published  required   bound      "
          "sec    cpu    loop: sec  reached   ratio")  # fmt: skip
    for k, dim, published, required, before, seconds in CELLS:
        if options.classes and k not in options.classes:
            continue
        loop, loop_seconds = published_loop(k, dim, options.seed)
        bound = sphere.largest_cosine_bound(k, dim).value
        # the time to be as good as the loop, then the best of the whole budget
        equal = max(loop, bound)
        _, to_equal = timed(lambda: points.best_prototypes(k, dim, seed=options.seed, seconds=seconds, target=equal))  # noqa: B023
        budget = seconds * options.seconds / 60
        best, spent = timed(lambda: points.best_prototypes(k, dim, seed=options.seed, seconds=budget))  # noqa: B023
        row = {
            "classes": k, "dimensions": dim, "ours": best.largest_cosine, "construction": best.construction,
            "published": published, "required": required, "reached_before": before, "bound": best.bound,
            "met": best.largest_cosine <= required + 1e-12, **spent, "published_loop_seconds": round(loop_seconds, 3),
            "published_loop_reached": loop, "seconds_to_equal": to_equal["seconds"],
            "ratio_to_equal": round(to_equal["seconds"] / loop_seconds, 4),
        }  # fmt: skip
        rows.append(row)
        print(f"{k:5d} {dim:4d} {best.largest_cosine:10.6f}  {best.construction:35.35s} {published or math.nan:8.4f}"
              f" {required:10.6f} {best.bound:10.6f} {spent['seconds']:6.1f} {spent['cpu_seconds']:6.1f}"
              f" {loop_seconds:8.1f} {loop:10.6f} {row['ratio_to_equal']:8.3f}"
              f"{'' if row['met'] else '   MISSED'}", flush=True)  # fmt: skip
        save()


def thomson(options, rows: list[dict], save: Callable[[], None]) -> None:
    _against_table(options, rows, save, "thomson", range(2, 201))


def tammes(options, rows: list[dict], save: Callable[[], None]) -> None:
    _against_table(options, rows, save, "tammes", range(4, 131))


def _against_table(options, rows: list[dict], save: Callable[[], None], quantity: str, sizes: range) -> None:
    print(f"{quantity}\n   n   ours                 best known           difference      sec    cpu")
    for n in options.sizes or sizes:
        known = getattr(reference, quantity)(n).value
        solve = points.thomson if quantity == "thomson" else points.tammes
        # the tables have twelve decimals; energies are compared relative to their size
        within = options.within or (1e-11 if quantity == "thomson" else 1e-10)
        target = known + within * (known if quantity == "thomson" else 1)
        x, spent = timed(lambda: solve(n, 3, seed=options.seed, seconds=options.seconds, target=target))  # noqa: B023
        ours = float(energy.riesz(x, 1.0, reduction="sum") if quantity == "thomson" else fused.largest(x[None]))
        difference = (ours - known) / (known if quantity == "thomson" else 1)
        tolerance = (1e-10 if n <= 100 else 1e-6) if quantity == "thomson" else (1e-9 if n <= 60 else 1.5e-4)
        row = {"n": n, "ours": ours, "best_known": known, "difference": difference, "met": difference <= tolerance}
        rows.append({**row, **spent})
        print(f"{n:4d}  {ours:19.12f}  {known:19.12f}  {difference:11.2e}  {spent['seconds']:6.1f} "
              f"{spent['cpu_seconds']:6.1f}{'' if row['met'] else '   MISSED'}", flush=True)  # fmt: skip
        save()
    met = sum(row["met"] for row in rows)
    print(f"{met} of {len(rows)} met, {sum(row['cpu_seconds'] for row in rows):.0f} processor seconds in all")


def sizes(text: str) -> list[int]:
    """'4-60,72' -> [4, ..., 60, 72]"""
    parts = [part.split("-") for part in text.split(",")]
    return [n for part in parts for n in range(int(part[0]), int(part[-1]) + 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="where to write the JSON record")
    parser.add_argument(
        "--groups", nargs="+", choices=["classes", "thomson", "tammes"], default=["classes", "thomson", "tammes"]
    )
    parser.add_argument(
        "--classes", type=int, nargs="+", choices=sorted({cell[0] for cell in CELLS}), help="cells to run"
    )
    parser.add_argument("--sizes", type=sizes, help="numbers of points for thomson and tammes, such as 4-60,72")
    parser.add_argument("--seconds", type=float, default=60.0, help="most seconds of a row (default 60)")
    parser.add_argument("--within", type=float, help="stop thomson (relative) and tammes this close to the best known")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.record.parent.is_dir():
        parser.error(f"{options.record.parent} is not a folder: make it first")
    record = {
        "settings": {name: value for name, value in vars(options).items() if name != "record"},
        "provenance": records.provenance(),
    }  # fmt: skip
    save = lambda: options.record.write_text(json.dumps(record, indent=1) + "\n")  # noqa: E731
    for group in options.groups:
        record[group] = []
        globals()[group](options, record[group], save)  # saves after every row: an interruption loses one


if __name__ == "__main__":
    main()
