"""Large sets: the memory and the time that points, energies and placement take, each part in a process of its own.

    python tests/benchmarks/large.py notebooks/runs/points/large.json                 # ten minutes on one core
    python tests/benchmarks/large.py RECORD.json --parts uniform minibatch

Parts: `uniform` draws a million points of R^3; `minibatch` is the energy of 10,000 of them with its gradient; `energy`
is the energy of 10,000 points with autograd's gradient; `place` moves 100,000 points downhill by L-BFGS and prints the
mean energy at every step. Peak memory is that of the process less what it had before the call (Linux and macOS).
Run with OMP_NUM_THREADS=1 for one core.
"""

import functools

import apart
import torch

from hpn_lite import descent, energy, fused, sphere

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


def measure(name: str) -> dict:
    warm = sphere.uniform(100, 3, seed=1).requires_grad_()  # what PyTorch loads at first use does not count
    energy.riesz(warm).backward()
    descent.minimize(functools.partial(fused.riesz, s=1.0), warm.detach()[None], iterations=2)
    before = apart.peak()
    row = {"part": name, **apart.timed(PARTS[name])}
    return row | {"peak_megabytes": round((apart.peak() - before) / 1e6, 1)}


if __name__ == "__main__":
    apart.main(__doc__, __file__, "large", PARTS, measure)
