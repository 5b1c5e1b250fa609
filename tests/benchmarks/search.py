"""What three ways to search for prototypes reach and cost: evolution, HPN's gradient descent, and `points.tammes`.

    export OMP_NUM_THREADS=1
    python tests/benchmarks/search.py notebooks/runs/search/classes-10-20.json --cells 10x3 20x3   # 20 minutes
    python tests/benchmarks/search.py notebooks/runs/search/classes-100.json --cells 100x10   # 30 minutes

Methods: `evolution` (HPN-A1 at its published size), `small` (a tenth of its population and of its children per pair,
so a hundredth of its work), `gradient` (`points.hpn_prototypes`, 10,000 steps), `tammes` (till nothing improves, or 30
seconds for more than 20 points). After every evolution, `points.tammes` is asked for a set as good, with the same
seed, and timed. The record holds every run with its seed and its histories; it is written after every run.
"""

import argparse
import datetime
import json
import os
import platform
import time
import warnings
from pathlib import Path

import torch

import hpn_lite
from hpn_lite import points, reference, sphere

CELLS = {(10, 3): 5, (20, 3): 5, (100, 10): 1}  # classes, dimension: seeds of the published size
SEEDS = 5  # of everything else
METHODS = ("small", "gradient", "tammes", "evolution")
SIZES = {"evolution": {}, "small": {"population": 300, "offspring": 30}}


def run(method: str, k: int, dim: int, seed: int) -> dict:
    wall, cpu = time.perf_counter(), time.process_time()
    row = {"classes": k, "dimensions": dim, "method": method, "seed": seed}
    if method in SIZES:
        found = points.evolve(k, dim, seed=seed, **SIZES[method])
        x = found.points
        histories = {name: [round(v, 5) for v in getattr(found, name).tolist()] for name in ("record", "best", "mean")}
        row |= {"evaluated": found.evaluated, **histories}
    elif method == "gradient":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # two that meet: the number below tells
            x = points.hpn_prototypes(k, dim, seed=seed).double()
    else:
        x = points.tammes(k, dim, seed=seed, seconds=30 if k > 20 else None)
    row |= {
        "largest_cosine": float(sphere.separation(x).largest_cosine),
        "seconds": round(time.perf_counter() - wall, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "load_average": round(os.getloadavg()[0], 1),
    }
    if method in SIZES:
        cpu = time.process_time()
        points.tammes(k, dim, seed=seed, target=max(row["largest_cosine"], sphere.largest_cosine_bound(k, dim).value))
        row["tammes_cpu_seconds_to_equal"] = round(time.process_time() - cpu, 3)
    return row


def cell(text: str) -> tuple[int, int]:
    """'10x3' -> (10, 3)"""
    k, dim = text.split("x")
    return int(k), int(dim)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="where to write the JSON record")
    parser.add_argument("--cells", type=cell, nargs="+", default=list(CELLS), help="such as 10x3")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    options = parser.parse_args()
    if not options.record.parent.is_dir():
        parser.error(f"{options.record.parent} is not a folder: make it first")
    record = {
        "settings": {
            "cells": options.cells,
            "methods": options.methods,
            "evolution": {"population": 3000, "generations": 300, "parents": 0.3, "offspring": 300, "mutation": 0.01},
            "small": {"population": 300, "generations": 300, "parents": 0.3, "offspring": 30, "mutation": 0.01},
            "gradient": {"steps": 10_000, "lr": 0.1},
        },
        "software": {"hpn_lite": hpn_lite.__version__, "torch": torch.__version__, "python": platform.python_version()},
        "hardware": {"machine": platform.machine(), "processor": _processor(), "cores": os.cpu_count(),
                     "threads": torch.get_num_threads()},
        "date": datetime.date.today().isoformat(),
        "bounds": [],
        "runs": [],
    }  # fmt: skip
    for k, dim in options.cells:
        known = reference.tammes(k).value if dim == 3 and k in reference.sizes("tammes") else None
        bound = sphere.largest_cosine_bound(k, dim).value
        record["bounds"].append({"classes": k, "dimensions": dim, "bound": bound, "best_known": known})
    print("  K    D  method     seed  largest cosine   cpu seconds  tammes to equal")
    words = "{:3d} {:4d}  {:10s} {:3d} {:14.6f} {:13.2f} {:>10}"
    for method in options.methods:
        for k, dim in options.cells:
            for seed in range(CELLS.get((k, dim), SEEDS) if method == "evolution" else SEEDS):
                row = run(method, k, dim, seed)
                record["runs"].append(row)
                options.record.write_text(_text(record))
                equal = row.get("tammes_cpu_seconds_to_equal", "")
                print(words.format(k, dim, method, seed, row["largest_cosine"], row["cpu_seconds"], equal), flush=True)


def _text(record: dict) -> str:
    """JSON with a line for every run."""
    runs = ",\n".join("  " + json.dumps(row) for row in record["runs"])
    head = json.dumps({name: value for name, value in record.items() if name != "runs"}, indent=1)
    return f'{head[:-2]},\n "runs": [\n{runs}\n ]\n}}\n'


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    main()
