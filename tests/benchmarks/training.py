"""How fast `train` is: against the loader and loop of the papers' code, step by step, and many runs at once.

    OMP_NUM_THREADS=1 python tests/benchmarks/training.py notebooks/runs/benchmarks/training-cpu.json
    python tests/benchmarks/training.py notebooks/runs/benchmarks/training-gpu.json --device cuda
    python tests/benchmarks/training.py notebooks/runs/benchmarks/training-together.json --device cuda --groups together

Groups:
- `loop`: images per second of `train` and of a plain loop: torchvision transforms on PIL images in a DataLoader, eager
  float32 steps, the loss read after each, as the papers' public code has it; the two take turns, and the ratio is that
  of their medians. On a GPU the loader has workers, and `train` is timed plain, captured, and captured and compiled.
- `parts`: where the time of a step goes: cutting the batch, the net forward, backward, the update, the rest; and the
  floating-point operations of a step against what a matrix product reaches here.
- `together`: runs per hour with 1, 2, 4 and 8 processes on one device (hpn_lite.training.together).

On a CPU times are processor seconds of one process, which a busy machine disturbs less than wall-clock seconds; on a
GPU they are wall-clock seconds. Images are random, but for `together`, which needs the data set that it names.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from hpn_lite import data, heads, nets, records, stepping, training

CASES = {  # name: net, image shape, padding of the crop, prototypes, images, on which devices
    "digits": (nets.digits, (1, 8, 8), 1, 10, 1347, ("cpu",)),
    "resnet32": (nets.resnet32, (3, 32, 32), 4, 100, 50_000, ("cuda",)),
    "resnet20, few images": (nets.resnet20, (3, 32, 32), 4, 100, 512, ("cpu",)),
    "cnn9": (nets.cnn9, (3, 32, 32), 4, 100, 50_000, ("cuda",)),
    "densenet121": (nets.densenet121, (3, 32, 32), 4, 100, 12_800, ("cuda",)),
}
BATCH = 128


def some(shape: tuple[int, ...], classes: int, n: int) -> data.Images:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=generator)
    return data.Images(x, torch.arange(n) % classes, tuple(map(str, range(classes))), name="random")


def fresh(make, classes: int) -> tuple[torch.nn.Module, heads.Head]:
    head = heads.PrototypeHead(torch.eye(classes))
    return nets.seeded(0, make, head.width), head


def plain(make, images: data.Images, crop: int, epochs: int, device: torch.device, workers: int, clock) -> float:
    """Images per second of the papers' way, after a first epoch to warm up."""
    from PIL import Image
    from torchvision import transforms

    change = [transforms.RandomCrop(images.x.shape[-1], crop), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    change = transforms.Compose([*change, transforms.Normalize(images.mean.tolist(), images.std.tolist())])
    pixels = images.x.permute(0, 2, 3, 1).squeeze(-1).numpy()  # as torchvision's data sets hold them

    class Pictures(torch.utils.data.Dataset):
        def __len__(self):
            return len(images)

        def __getitem__(self, place):
            return change(Image.fromarray(pixels[place])), int(images.y[place])

    net, head = fresh(make, len(images.classes))
    net.to(device), head.to(device)
    options = {"num_workers": workers, "pin_memory": device.type == "cuda", "persistent_workers": workers > 0}
    loader = torch.utils.data.DataLoader(Pictures(), batch_size=BATCH, shuffle=True, **options)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    cosine = torch.nn.CosineSimilarity(eps=1e-9)
    net.train()
    for epoch in range(epochs + 1):
        if epoch == 1:
            began = clock()
        total = 0.0
        for x, y in loader:
            x, target = x.to(device, non_blocking=True), head.prototypes[y.to(device, non_blocking=True)]
            loss = (1 - cosine(net(x), target)).pow(2).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item()
    return epochs * len(images) / (clock() - began)


def ours(make, images: data.Images, crop: int, epochs: int, device: torch.device, speed: str, clock) -> float:
    """Images per second of `train`, with all it does (but looking at test images) after a first epoch to warm up."""
    net, head = fresh(make, len(images.classes))
    recipe = training.Recipe(
        epochs=epochs + 1, lr=0.01, weight_decay=1e-4, crop=crop, flip=True, loss_reduction="sum", batch=BATCH
    )
    seen = []
    training.train(
        net, head, (images, images.subset(slice(0, 2))), recipe, device=device, speed=speed,
        evaluate_every=10**6, on_epoch=lambda *_: seen.append(clock()),
    )  # fmt: skip
    return epochs * len(images) / (seen[-1] - seen[0])


def loop(options, device, clock) -> list[dict]:
    rows = []
    for name, (make, shape, crop, classes, n, where) in CASES.items():
        if device.type not in where:
            continue
        images = some(shape, classes, n)
        ways = {"plain": lambda: plain(make, images, crop, options.epochs, device, options.workers, clock)}  # noqa: B023
        for speed in ("auto",) if device.type == "cpu" else ("plain", "auto", "compile"):
            ways[f"train, {speed}"] = lambda s=speed: ours(make, images, crop, options.epochs, device, s, clock)  # noqa: B023
        measured = {way: [] for way in ways}
        for _ in range(options.repeats):
            for way, run in ways.items():
                measured[way].append(run())
        middle = {way: statistics.median(values) for way, values in measured.items()}
        for way, value in middle.items():
            row = {
                "net": name, "way": way, "images": n, "images_per_second": round(value),
                "all": [round(v) for v in measured[way]], "times_plain": round(value / middle["plain"], 2),
            }  # fmt: skip
            rows.append(row)
            print(
                f"{name:22s} {way:15s} {value:10,.0f} images/s   {row['times_plain']:6.2f} times the plain loop",
                flush=True,
            )
    return rows


def parts(options, device, clock) -> list[dict]:
    rows = []
    for name, (make, shape, crop, classes, n, where) in CASES.items():
        if device.type not in where:
            continue
        images = some(shape, classes, max(n if n < 5000 else 5120, BATCH)).to(device)
        net, head = fresh(make, classes)
        fast = device.type == "cuda"
        model = stepping.Model(net, head, None, bf16=fast).to(device, memory_format=torch.channels_last).train()
        recipe = training.Recipe(epochs=1, lr=1e-6, batch=BATCH, crop=crop, flip=True, loss_reduction="sum")
        eager, captured = (stepping.Stepper(model, recipe, device, graph=graph) for graph in (False, fast))
        head.check = False
        x, y = next(data.batches(images, BATCH, torch.Generator().manual_seed(0), crop=crop, flip=True))

        def cut():
            passing = data.batches(images, BATCH, torch.Generator(), crop=crop, flip=True, keep_last=False)  # noqa: B023
            for _ in passing:
                pass

        def backward():
            model.zero_grad(set_to_none=True)  # noqa: B023
            model(x, y, 1.0)[0].backward()  # noqa: B023

        batches = len(images) // BATCH
        cost = {
            "cut the batch": _milliseconds(cut, device, clock, options.seconds) / batches,
            "forward": _milliseconds(lambda: model(x, y, 1.0), device, clock, options.seconds),  # noqa: B023
            "forward and backward": _milliseconds(backward, device, clock, options.seconds),
            "eager step": _milliseconds(lambda: eager(x, y, 1.0, 1e-6), device, clock, options.seconds),  # noqa: B023
        }
        if fast:
            cost["captured step"] = _milliseconds(lambda: captured(x, y, 1.0, 1e-6), device, clock, options.seconds)  # noqa: B023
        with FlopCounterMode(display=False) as counter:
            backward()
        flops = counter.get_total_flops()
        row = {"net": name, "batch": BATCH, "milliseconds": {k: round(v, 4) for k, v in cost.items()}, "flops": flops}
        best = cost.get("captured step", cost["eager step"])
        row["gflops_reached"] = round(flops / best / 1e6, 2)
        row["gflops_matrix_product"] = round(_matrix_product(device, clock, options.seconds), 2)
        rows.append(row)
        print(name, json.dumps(row["milliseconds"]), f"{flops / 1e9:.3f} GFLOP a step,", row["gflops_reached"], "of",
              row["gflops_matrix_product"], "GFLOP/s", flush=True)  # fmt: skip
    return rows


def _milliseconds(call, device, clock, seconds: float) -> float:
    def many(n: int) -> float:
        began = clock()
        for _ in range(n):
            call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return clock() - began

    many(3)
    n = 3
    while (spent := many(n)) < seconds:
        n = int(n * max(2, 1.2 * seconds / max(spent, 1e-4)))
    return 1e3 * spent / n


def _matrix_product(device, clock, seconds: float) -> float:
    """GFLOP/s of a large matrix product, in the number format that the net computes in."""
    size, kind = (8192, torch.bfloat16) if device.type == "cuda" else (1024, torch.float32)
    a = torch.rand(size, size, device=device, dtype=kind)
    return 2 * size**3 / _milliseconds(lambda: a @ a, device, clock, seconds) / 1e6


def together(options, device, clock) -> list[dict]:
    name, net, points = ("digits", "digits", 10) if device.type == "cpu" else ("cifar100", "resnet32", 100)
    recipe = {"name": "HPN_S1"} if device.type == "cuda" else {"epochs": 10_000, "lr": 0.1}
    rows = []
    for count in (1, 2, 4, 8):
        head = {"kind": "prototypes", "points": "one-hot"}
        each = {"device": str(device), "seconds": options.run_seconds, "evaluate_every": 10}
        config = {"data": name, "net": net, "head": head, "recipe": recipe}
        runs = [(config | {"seed": seed}, each) for seed in range(count)]
        began = time.perf_counter()
        done = training.together(runs, at_once=count)
        rate = sum(run.images_per_second for run in done)
        one = training.Recipe(**(recipe if "epochs" in recipe else {"epochs": 250}))
        images = one.epochs * (50_000 if name == "cifar100" else 1347)
        rows.append({
            "at_once": count, "data": name, "net": net, "classes": points, "images_per_second": round(rate),
            "each": [round(run.images_per_second) for run in done], "runs_per_hour": round(3600 * rate / images, 2),
            "wall_seconds": round(time.perf_counter() - began, 1),
        })  # fmt: skip
        print(
            f"{count} at once: {rate:10,.0f} images/s, {rows[-1]['runs_per_hour']:8.2f} whole runs an hour", flush=True
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    groups = {"loop": loop, "parts": parts, "together": together}
    parser.add_argument("record", type=Path, help="where to write the JSON record")
    parser.add_argument("--groups", nargs="+", choices=list(groups), default=["loop", "parts"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--epochs", type=int, default=3, help="timed epochs of one measurement")
    parser.add_argument("--repeats", type=int, default=5, help="measurements; their median counts")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement of `parts`")
    parser.add_argument("--run-seconds", type=float, default=60.0, help="of each run of `together`")
    parser.add_argument("--workers", type=int, help="of the plain loader; default: none on a CPU, else one per core")
    options = parser.parse_args()
    device = torch.device(options.device)
    if options.workers is None:
        options.workers = 0 if device.type == "cpu" else os.cpu_count()
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    settings = {k: v for k, v in vars(options).items() if k != "record"} | {"batch": BATCH, "clock": clock.__name__}
    record = {"benchmark": "training", "settings": settings, "provenance": records.provenance(device)}
    record["load_average"] = [round(v, 1) for v in os.getloadavg()] if hasattr(os, "getloadavg") else None
    for name in options.groups:
        record[name] = groups[name](options, device, clock)
        options.record.parent.mkdir(parents=True, exist_ok=True)
        options.record.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
