"""What the energy of the neurons costs: its share of a training step, and against the two obvious ways to compute it.

    OMP_NUM_THREADS=1 python tests/benchmarks/mhe.py notebooks/runs/benchmarks/mhe-cpu.json

Groups:
- `step`: seconds of a whole training step (forward, loss, backward, SGD) with batches of 128 random images of 32x32,
  and of the penalty alone (forward and backward), for CNN-9 and ResNet-32 with 100 classes; they take turns, and the
  share is that of the medians.
- `ways`: the mean energy (s = 2), forward and backward, of N neurons of D inputs by the penalty of mhe.MHE, by
  torch.pdist and by broadcasted differences. Times are processor seconds; the ways take turns, and the ratio is that
  of the medians. Memory is the most that tensors held at once beside the neurons themselves, counted from every
  allocation that PyTorch reports, so it is the same on every machine. What would hold more than 3 GiB is skipped and
  named.

Both obvious ways are written as one would: normalise, distances, power, mean.
"""

import argparse
import json
import math
import statistics
import time
from pathlib import Path

import torch

from hpn_lite import heads, mhe, nets, records

SIZES = [(64, 9), (64, 27), (64, 576), (128, 576), (128, 1152), (256, 2304), (512, 4608), (1024, 1152), (2048, 512),
         (4096, 576), (4096, 4608)]  # fmt: skip
LIMIT = 3 * 2**30
PENALTY = mhe.Energy(1.0, s=2.0)


def ours(w):
    return mhe.penalty(w, PENALTY)


def pdist(w):
    return torch.pdist(torch.nn.functional.normalize(w)).pow(-2.0).mean()


def broadcast(w):
    w = torch.nn.functional.normalize(w)
    square = (w[:, None] - w[None]).square().sum(-1)  # (N, N) from (N, N, D)
    i, j = torch.triu_indices(len(w), len(w), 1)
    return (1 / square[i, j]).mean()


WAYS = {"mhe.penalty": ours, "torch.pdist": pdist, "broadcast": broadcast}


def need(way: str, n: int, d: int) -> float:
    """Bytes that a way holds at once, roughly, in float32."""
    return 4 * {"mhe.penalty": 4 * n * d + 2**21, "torch.pdist": 4 * n * d + 3 * n * n, "broadcast": 3 * n * n * d}[way]


def once(function, w) -> float:
    began = time.process_time()
    w.grad = None
    function(w).backward()
    return time.process_time() - began


def held(way: str, w) -> int:
    """Bytes of tensors that one call holds at its worst moment."""
    w.grad = None
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        WAYS[way](w).backward()
    changes = [(e.start_ns(), e.nbytes()) for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    most = now = 0
    for _, change in sorted(changes, key=lambda c: c[0]):
        now += change
        most = max(most, now)
    return most


def ways(options) -> list[dict]:
    torch.set_num_threads(1)
    rows = []
    for n, d in SIZES:
        w = torch.randn(n, d, generator=torch.Generator().manual_seed(0)).requires_grad_()
        fits = [way for way in WAYS if need(way, n, d) <= LIMIT and n * n * d <= options.most]
        memory = {way: held(way, w) for way in fits}
        first = {way: once(WAYS[way], w) for way in fits}
        repeats = {way: max(1, min(options.repeats, int(options.seconds / max(t, 1e-5)))) for way, t in first.items()}
        taken = {way: [t] if t > options.seconds else [] for way, t in first.items()}
        for turn in range(max(repeats.values(), default=0)):
            for way in fits:
                if turn < repeats[way] and first[way] <= options.seconds:
                    if first[way] < 0.05:
                        once(WAYS[way], w)  # what the way before left in the caches is not its fault
                    taken[way].append(once(WAYS[way], w))
        for way in WAYS:
            row = {"neurons": n, "inputs": d, "way": way}
            if way in fits:
                row["milliseconds"] = round(1000 * statistics.median(taken[way]), 3)
                row |= {"times": len(taken[way]), "MiB": round(memory[way] / 2**20, 3)}
            else:
                much = need(way, n, d) > LIMIT
                row["skipped"] = f"would hold {need(way, n, d) / 2**30:.0f} GiB" if much else "no time"
            rows.append(row)
            print(row, flush=True)
    return rows


def step(options) -> list[dict]:
    torch.set_num_threads(1)
    rows = []
    for name, make in {"CNN-9": lambda: nets.cnn9(256), "ResNet-32": lambda: nets.resnet32(None)}.items():
        net = nets.seeded(0, make)
        model = torch.nn.Sequential(net, heads.SoftmaxHead(100, net.width))
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
        x, y = torch.randn(128, 3, 32, 32), torch.arange(128) % 100
        terms = {"plain": mhe.MHE(1.0, 10.0), "half-space": mhe.MHE(mhe.Energy(1.0, half_space=True), 10.0)}

        def whole():
            optimiser.zero_grad()  # noqa: B023
            torch.nn.functional.cross_entropy(model(x), y).backward()  # noqa: B023
            optimiser.step()  # noqa: B023

        def alone(term):
            optimiser.zero_grad()  # noqa: B023
            term(model).backward()  # noqa: B023

        taken = {"step": [], **{k: [] for k in terms}}
        for turn in range(options.steps + 1):
            for part, call in {"step": whole, **{k: lambda t=t: alone(t) for k, t in terms.items()}}.items():
                began = time.process_time()
                call()
                if turn:  # the first warms up
                    taken[part].append(time.process_time() - began)
        median = {part: statistics.median(values) for part, values in taken.items()}
        layers = [mhe.neurons(layer.module).shape for layer in terms["plain"].survey(model)]
        row = {"net": name, "batch": 128, "layers": len(layers), "largest layer": max([*s] for s in layers)}
        row |= {"seconds of a step": round(median["step"], 4), "turns": options.steps}
        row |= {f"share, {k}": round(median[k] / median["step"], 5) for k in terms}
        rows.append(row)
        print(row, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, nargs="?", help="where to write the JSON record")
    parser.add_argument("--groups", nargs="+", choices=["step", "ways"], default=["step", "ways"])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=100, help="calls of a way at one size, at most")
    parser.add_argument("--most", type=float, default=math.inf, help="N^2 D from which on a size is left out")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for them")
    options = parser.parse_args()
    torch.set_num_threads(1)
    record = json.loads(options.record.read_text()) if options.record.exists() else {}
    for group in options.groups:
        rows = globals()[group](options)
        record[group] = {"provenance": records.provenance(), "threads": 1, "rows": rows}
        options.record.parent.mkdir(parents=True, exist_ok=True)
        options.record.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
