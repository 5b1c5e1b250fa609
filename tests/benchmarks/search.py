"""What three ways to search for prototypes reach and cost: evolution, HPN's gradient descent, and `points.tammes`.

    export OMP_NUM_THREADS=1
    python tests/benchmarks/search.py notebooks/runs/search/classes-10-20.json --cells 10x3 20x3   # 20 minutes
    python tests/benchmarks/search.py notebooks/runs/search/classes-100.json --cells 100x10   # 30 minutes
    python tests/benchmarks/search.py RECORD.json --cells 100x10 --methods evolution --generations 30
    python tests/benchmarks/search.py notebooks/runs/search/variants.json --cells 10x3 --variants 10   # half a minute

Methods: `evolution` (HPN-A1 at its published size), `small` (a tenth of its population and of its children per pair,
so a hundredth of its work), `gradient` (`points.hpn_prototypes`, 10,000 steps), `tammes` (till nothing improves, or 30
seconds for more than 20 points). After every evolution, `points.tammes` is asked for a set as good, with the same
seed, and timed. The record holds every run with its seed and its histories; it is written after every run.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

from hpn_lite import points, records, reference, sphere

CELLS = {(10, 3): 5, (20, 3): 5, (100, 10): 1}  # classes, dimension: seeds of the published size
SEEDS = 5  # of everything else
METHODS = ("small", "gradient", "tammes", "evolution")
SMALL = {"population": 300, "offspring": 30}
SIZES = {"evolution": {}, "small": SMALL}
VARIANTS = {  # of the small evolution, one change or two at a time
    "as published": {},
    "the best is kept": {"keep_best": True},
    "pressure 4": {"pressure": 4},
    "pressure 16": {"pressure": 16},
    "mutation 0.03": {"mutation": 0.03},
    "mutation 0.1": {"mutation": 0.1},
    "pressure 16, mutation 0.03": {"pressure": 16, "mutation": 0.03},
    "pressure 64, mutation 0.03": {"pressure": 64, "mutation": 0.03},
}


def run(method: str, k: int, dim: int, seed: int, generations: int) -> dict:
    wall, cpu = time.perf_counter(), time.process_time()
    row = {"classes": k, "dimensions": dim, "method": method, "seed": seed}
    if method in SIZES:
        found = points.evolve(k, dim, seed=seed, generations=generations, **SIZES[method])
        x = found.points
        histories = {name: [round(v, 5) for v in getattr(found, name).tolist()] for name in ("record", "best", "mean")}
        row |= {"generations": generations, "evaluated": found.evaluated, **histories}
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


def vary(k: int, dim: int, seeds: int) -> list[dict]:
    """The small evolution with other numbers: a row for every variant, the largest cosines of all seeds in it."""
    rows = []
    for name, change in VARIANTS.items():
        found = [points.evolve(k, dim, seed=seed, **SMALL, **change) for seed in range(seeds)]
        cosines = [float(sphere.separation(f.points).largest_cosine) for f in found]
        rows.append({"variant": name, "classes": k, "dimensions": dim, **change, "seeds": seeds, "cosines": cosines})
        print(f"{name:28s} {k:3d} {dim:3d}  {sum(cosines) / seeds:.4f}", flush=True)
    return rows


def cell(text: str) -> tuple[int, int]:
    """'10x3' -> (10, 3)"""
    k, dim = text.split("x")
    return int(k), int(dim)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="where to write the JSON record")
    parser.add_argument("--cells", type=cell, nargs="+", default=list(CELLS), help="such as 10x3")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--generations", type=int, default=300, help="of the evolutions (default and published: 300)")
    parser.add_argument("--variants", type=int, metavar="SEEDS", help="instead: the small evolution with other numbers")
    options = parser.parse_args()
    if not options.record.parent.is_dir():
        parser.error(f"{options.record.parent} is not a folder: make it first")
    sizes = {"generations": options.generations, "parents": 0.3, "mutation": 0.01}
    record = {
        "settings": {
            "cells": options.cells,
            "methods": options.methods,
            "evolution": {"population": 3000, "offspring": 300, **sizes},
            "small": {**SIZES["small"], **sizes},
            "gradient": {"steps": 10_000, "lr": 0.1},
        },
        "provenance": records.provenance(),
        "bounds": [],
        "runs": [],
    }  # fmt: skip
    if options.variants:
        del record["runs"], record["bounds"], record["settings"]["methods"], record["settings"]["gradient"]
        record["variants"] = [row for k, dim in options.cells for row in vary(k, dim, options.variants)]
        options.record.write_text(json.dumps(record, indent=1) + "\n")
        return
    for k, dim in options.cells:
        known = reference.tammes(k).value if dim == 3 and k in reference.sizes("tammes") else None
        bound = sphere.largest_cosine_bound(k, dim).value
        record["bounds"].append({"classes": k, "dimensions": dim, "bound": bound, "best_known": known})
    print("  K    D  method     seed  largest cosine   cpu seconds  tammes to equal")
    words = "{:3d} {:4d}  {:10s} {:3d} {:14.6f} {:13.2f} {:>10}"
    for method in options.methods:
        for k, dim in options.cells:
            for seed in range(CELLS.get((k, dim), SEEDS) if method == "evolution" else SEEDS):
                row = run(method, k, dim, seed, options.generations)
                record["runs"].append(row)
                options.record.write_text(_text(record))
                equal = row.get("tammes_cpu_seconds_to_equal", "")
                print(words.format(k, dim, method, seed, row["largest_cosine"], row["cpu_seconds"], equal), flush=True)


def _text(record: dict) -> str:
    """JSON with a line for every run."""
    runs = ",\n".join("  " + json.dumps(row) for row in record["runs"])
    head = json.dumps({name: value for name, value in record.items() if name != "runs"}, indent=1)
    return f'{head[:-2]},\n "runs": [\n{runs}\n ]\n}}\n'


if __name__ == "__main__":
    main()
