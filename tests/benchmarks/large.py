"""Large sets: the memory and the time that points, energies and placement take, each part in a process of its own.

    python tests/benchmarks/large.py notebooks/runs/points/large.json                 # ten minutes on one core
    python tests/benchmarks/large.py RECORD.json --parts uniform minibatch

Parts: `uniform` draws a million points of R^3; `minibatch` is the energy of 10,000 of them with its gradient; `energy`
is the energy of 10,000 points with autograd's gradient; `place` moves 100,000 points downhill by L-BFGS and prints the
mean energy at every step. Peak memory is that of the process less what it had before the call (Linux and macOS).
Run with OMP_NUM_THREADS=1 for one core.
"""

import argparse
import functools
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch

from hpn_lite import descent, energy, fused, records, sphere

STEPS = 1  # of the placement; each costs one energy of 100,000 points with its gradient


def uniform():
    x = sphere.uniform(1_000_000, 3, seed=0)
    return {"points": len(x), "longest_mean": float(x.mean(0).norm())}


def minibatch():
    x = sphere.uniform(1_000_000, 3, seed=0, dtype=torch.float32).requires_grad_()
    value = energy.minibatch(x, 10_000, generator=torch.Generator().manual_seed(0))
    value.backward()
    return {"points": len(x), "value": value.item(), "moved": int(x.grad.any(1).sum())}


def whole():
    x = sphere.uniform(10_000, 3, seed=0).requires_grad_()
    value = energy.riesz(x)
    value.backward()
    return {"points": len(x), "value": value.item()}


def place():
    x = sphere.uniform(100_000, 3, seed=0)
    values = []

    def riesz(x):
        value, gradient = fused.riesz(x, 1.0)
        values.append(value.item() / (len(x[0]) * (len(x[0]) - 1) / 2))
        return value, gradient

    _, lowest = descent.minimize(riesz, x[None], iterations=STEPS)
    return {"points": len(x), "mean_energies": values, "lower": lowest.item() / (len(x) * (len(x) - 1) / 2) < values[0]}


PARTS = {"uniform": uniform, "minibatch": minibatch, "energy": whole, "place": place}


def peak() -> float:
    """Most memory that this process has had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def measure(name: str) -> dict:
    warm = sphere.uniform(100, 3, seed=1).requires_grad_()  # what PyTorch loads at first use does not count
    energy.riesz(warm).backward()
    descent.minimize(functools.partial(fused.riesz, s=1.0), warm.detach()[None], iterations=2)
    before, wall, cpu = peak(), time.perf_counter(), time.process_time()
    row = {"part": name, **PARTS[name]()}
    return row | {
        "peak_megabytes": round(peak() - before, 1),
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "load_average": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="where to write the JSON record")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--alone", action="store_true", help="measure in this process and print (used by itself)")
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(measure(options.parts[0])))
        return
    record = {
        "provenance": records.provenance(),
        "large": [],
    }
    if options.record.exists():  # parts measured earlier stay
        earlier = json.loads(options.record.read_text())["large"]
        record["large"] = [row for row in earlier if row["part"] not in options.parts]
    for part in options.parts:
        command = [sys.executable, __file__, str(options.record), "--alone", "--parts", part]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        record["large"].append(row)
        print(row, flush=True)
        options.record.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
