"""One way to train for every experiment of the book: on a CPU, on a GPU, on several.

    from hpn_lite import data, heads, nets, points, training

    head = heads.PrototypeHead(points.best_prototypes(10, 3).points)
    net = nets.seeded(0, nets.digits, head.width)
    result = training.train(net, head, data.digits(), training.Recipe(epochs=20, lr=0.1), progress=True)
    result.final                                          # {"accuracy": ...} on the test images
    result.epochs[-1]                                     # {"epoch": 20, "loss": ..., "lr": ..., "accuracy": ...}

The same from a shell, with the settings of a paper; give it a checkpoint and it goes on where it was stopped:

    python -m hpn_lite.training --data cifar100 --net resnet32 --dim 50 --recipe HPN_S1 --checkpoint run.pt
    torchrun --nproc-per-node=4 -m hpn_lite.training --data cifar100 --net resnet32 --dim 50 --recipe HPN_S1

Whatever is random follows from the seed and the number of the epoch, so a run that was stopped and taken up again ends
with the same bits as one that was not (on one device, with the same software). On GPUs outputs are computed in bfloat16
where the card has it, and a step of the net, the loss, the gradient and the update is captured once as a CUDA graph and
replayed. On several GPUs each takes its share of every batch, gradients are those of the whole batch, and BatchNorm's
statistics too; on several CPUs (gloo) each process has BatchNorm statistics of its own share.

References, for the settings: Mettes et al. 2019 (HPN), Liu et al. 2018 (MHE), Saadabadi et al. 2024 (LPA), and the
public code of each.
"""

import argparse
import concurrent.futures
import dataclasses
import functools
import json
import math
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from . import data as datasets
from . import heads, nets, points, stepping
from .bounds import real, whole
from .data import Images, Mixed, batches
from .heads import Head
from .stepping import Model, Run, Stepper


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train: the length, the learning rate over time, the optimiser, what is done to the images.

    Give `epochs` or `steps`; `milestones` (where the rate is multiplied by gamma) and `warmup` (a rise from 0) count in
    the same unit. `cosine` lets the rate fall to 0 along a cosine. `optimiser`: "sgd", "adam" or "adamw". `crop`,
    `flip`, `mixup`, `keep_last`: as in data.batches. `loss_reduction`: "sum" over the batch, as HPN's code has it, or
    "mean", which is the sum divided by the number of images.

    Raises:
        TypeError, ValueError: if a number or a word is not allowed.
    """

    epochs: int | None = None
    steps: int | None = None
    batch: int = 128
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.0
    optimiser: str = "sgd"
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    warmup: int = 0
    cosine: bool = False
    crop: int = 0
    flip: bool = False
    mixup: float = 0.0
    keep_last: bool = True
    loss_reduction: str = "mean"

    def __post_init__(self):
        object.__setattr__(self, "milestones", tuple(self.milestones))
        if (self.epochs is None) == (self.steps is None):
            raise ValueError(f"give epochs or steps, at least 1: got epochs={self.epochs}, steps={self.steps}")
        whole("epochs", 1 if self.epochs is None else self.epochs, 1)
        whole("steps", 1 if self.steps is None else self.steps, 1)
        for name, least in (("batch", 1), ("warmup", 0), ("crop", 0)):
            whole(name, getattr(self, name), least)
        if self.optimiser not in ("sgd", "adam", "adamw"):
            raise ValueError(f'optimiser is "sgd", "adam" or "adamw", got {self.optimiser!r}')
        if self.loss_reduction not in ("mean", "sum"):
            raise ValueError(f'loss_reduction is "mean" or "sum", got {self.loss_reduction!r}')
        if not 0 < real("lr", self.lr) < math.inf:
            raise ValueError(f"lr must be positive and finite, got {self.lr}")
        numbers = [(name, getattr(self, name)) for name in ("momentum", "weight_decay", "gamma", "mixup")]
        for name, value in (*numbers, *(("milestones", m) for m in self.milestones)):
            if not 0 <= real(name, value) < math.inf:
                raise ValueError(f"{name} must be 0 or more and finite, got {value}")

    def total(self, per_epoch: int) -> int:
        """Steps of the whole run, where an epoch has per_epoch of them."""
        return self.epochs * per_epoch if self.steps is None else self.steps

    def rate(self, step: int, per_epoch: int) -> float:
        """The learning rate of a step; the first is step 0."""
        unit = per_epoch if self.steps is None else 1
        if step < self.warmup * unit:
            return self.lr * (step + 1) / (self.warmup * unit)
        rate = self.lr * self.gamma ** sum(step >= m * unit for m in self.milestones)
        if self.cosine:
            done = (step - self.warmup * unit) / max(self.total(per_epoch) - self.warmup * unit, 1)
            rate *= 0.5 * (1 + math.cos(math.pi * done))
        return rate


HPN_S1 = Recipe(
    epochs=250, lr=0.01, weight_decay=1e-4, milestones=(100, 200), crop=4, flip=True, loss_reduction="sum"
)  # fmt: skip
MHE_S1 = Recipe(
    steps=42_500, lr=0.1, weight_decay=5e-4, milestones=(20_000, 30_000, 37_500), crop=4, flip=True, keep_last=False
)  # fmt: skip
LPA_S1 = HPN_S1  # the paper's balanced sets; ImageNet-1K has settings of its own
LPA_S2 = Recipe(epochs=200, lr=0.1, weight_decay=2e-4, milestones=(160, 180), crop=4, flip=True, mixup=1.0)
RECIPES = {"HPN_S1": HPN_S1, "MHE_S1": MHE_S1, "LPA_S1": LPA_S1, "LPA_S2": LPA_S2}


@dataclasses.dataclass
class Training:
    """What came out of `train`: plain numbers, ready for JSON.

    epochs: a row for each epoch, {"epoch" (from 1), "loss" (per image), "lr", "seconds", and the metrics where it was
    evaluated}; final: the metrics at the end, empty while there are none; finished: all epochs are done; stopped: "",
    "interrupted", "time" or "diverged"; diverged: what became infinite or NaN, and when, else ""; seconds: of all calls
    together; images_per_second: of training alone.
    """

    epochs: list[dict]
    final: dict[str, float]
    finished: bool
    stopped: str
    diverged: str
    seconds: float
    images_per_second: float
    device: str


def train(
    net: nn.Module,
    head: Head,
    data: tuple[Images, Images],
    recipe: Recipe,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    seconds: float | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = False,
    evaluate_every: int = 1,
    penalty: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None,
    on_epoch: Callable[[int, nn.Module, Head, dict], None] | None = None,
    speed: str = "auto",
) -> Training:
    """Train net and head, in place, and evaluate them on the test images.

    Args:
        net: images -> outputs (B, head.width); start it with nets.seeded.
        head: what the outputs mean. Its observe is called after each step, start_epoch and end_epoch around each epoch
            (the first is 0).
        data: (train, test).
        recipe: the settings.
        seed: of the shuffling and the augmentation.
        device: "cpu", "cuda", ...; net and head are moved there.
        seconds: stop after about so long, after at least one step.
        checkpoint: a file, written after every epoch and when the run is stopped (Ctrl-C, a time budget); a call that
            finds it goes on from there. Written in one stroke, so a kill at any moment loses at most one epoch, or a
            minute and one epoch of runs that take turns (stepping.Turns).
        progress: show a bar with the rate and the time left.
        evaluate_every: epochs between two looks at the test images; the last epoch is always evaluated.
        penalty: (net, outputs, targets) -> a scalar added to what is minimised, such as an energy of the weights.
        on_epoch: called with (epoch, net, head, row) after each epoch; the first is 1, as in the rows.
        speed: "auto"; "plain" for float32 and eager steps on a GPU too; "compile" for torch.compile on top of "auto".
    Returns:
        Training.
    Raises:
        TypeError: if an argument is of another kind.
        ValueError: if net, head and data do not fit together, a number is out of range, or the checkpoint belongs to
            another run.
    """
    device, evaluate_every = torch.device(device), whole("evaluate_every", evaluate_every, 1)
    if seconds is not None and not real("seconds", seconds) >= 0:
        raise ValueError(f"seconds must be 0 or more, or None, got {seconds}")
    if speed not in ("auto", "plain", "compile"):
        raise ValueError(f'speed is "auto", "plain" or "compile", got {speed!r}')
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else (0, 1)
    per_epoch = _check(net, head, data, recipe, world)
    total = recipe.total(per_epoch)
    belongs = _belongs(net, head, data, recipe, seed, world)
    images, test = data[0].to(device), data[1].to(device)
    fast = device.type == "cuda" and speed != "plain"
    model = Model(net, head, penalty, bf16=fast and torch.cuda.is_bf16_supported(including_emulation=False))
    model.to(device, memory_format=torch.channels_last)
    stepped: nn.Module = model
    if world > 1:
        if device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(net)
        stepped = nn.parallel.DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)
    elif speed == "compile":
        model.net = torch.compile(net)
    step = Stepper(stepped, recipe, device, graph=fast and world == 1)
    file = None if checkpoint is None else Path(checkpoint)
    run = stepping.load(file, belongs, net, head, step.optimiser) if file is not None and file.exists() else Run()
    bar = stepping.Bar(progress and rank == 0)
    wide = torch.float32 if device.type == "mps" else torch.float64
    look_every = 1 if device.type == "cpu" else 50  # looking at a number makes a GPU wait
    pause_every = 1 if device.type == "cpu" else 4  # changing turns takes time too
    began, spent, before, stopped = time.perf_counter(), run.seconds, run.images, ""

    def look(loss: float, end: bool = False) -> str:
        """Why to stop now, if at all; and the bar."""
        elapsed = time.perf_counter() - began
        rate = (run.images - before) / elapsed
        bar.show(run, total, rate, (total - run.done) * elapsed * recipe.batch / max(run.images - before, 1), end)
        if not math.isfinite(loss):
            return "diverged"
        return "interrupted" if caught else "time" if seconds is not None and elapsed >= seconds else ""

    kept = began

    def keep() -> None:
        nonlocal kept
        run.seconds = spent + time.perf_counter() - began
        # Runs that take turns wait for each other's files, so they write theirs once a minute.
        soon = stepping.taking_turns() and not stopped and time.perf_counter() - kept < 60
        if file is not None and rank == 0 and not soon:
            kept = time.perf_counter()
            stepping.save(file, belongs, run, net, head, step.optimiser)

    with stepping.interrupts() as caught, stepping.settings(device, head):
        while not stopped and not run.diverged and run.done < total:
            epoch, clock = len(run.rows), time.perf_counter()
            order = torch.Generator().manual_seed(_mix(seed, epoch))
            if run.step == 0:
                torch.manual_seed(_mix(seed, epoch, rank))  # for dropout and the like
                head.start_epoch(epoch)
            else:
                stepping.restore(run.rng, device)
            net.train()
            loss_sum = torch.tensor(run.loss, dtype=wide, device=device)
            augment = {name: getattr(recipe, name) for name in ("crop", "flip", "mixup", "keep_last")}
            for x, y in batches(images, recipe.batch, order, start=run.step, rank=rank, world=world, **augment):
                count = min(recipe.batch, len(images) - run.step * recipe.batch)  # of all processes together
                # DistributedDataParallel averages over its processes; times world that is the sum over all of them.
                scale = world / (count if recipe.loss_reduction == "mean" else 1)
                lr = recipe.rate(run.done, per_epoch)
                loss, z = step(x, y, scale, lr)
                head.observe(z, y.y if isinstance(y, Mixed) else y)
                loss_sum += loss
                run.count(count)
                if world == 1 and run.step % look_every == 0:
                    with stepping.aside():  # this waits for the GPU
                        seen = float(loss_sum)
                    stopped = look(seen)
                if stopped or run.done == total:
                    break
                if run.step % pause_every == 0:
                    stepping.pause()
            if world > 1:
                dist.all_reduce(loss_sum)
            run.loss = float(loss_sum)
            run.part, run.trained = run.part + time.perf_counter() - clock, run.trained + time.perf_counter() - clock
            if stopped and math.isfinite(run.loss) and run.step < per_epoch and run.done < total:
                break  # in the middle of an epoch
            clock, row = time.perf_counter(), {"epoch": epoch + 1, "loss": run.loss / run.seen, "lr": lr}
            if math.isfinite(run.loss):
                head.end_epoch(epoch)
                if run.done == total or (epoch + 1) % evaluate_every == 0:
                    row |= evaluate(model.net, head, test, bf16=model.bf16)
            wrong = [name for name, value in row.items() if not math.isfinite(value)]
            if wrong:
                run.diverged = f"{wrong[0]} became {row[wrong[0]]} in epoch {epoch + 1}, after {run.done} steps"
                row.update(dict.fromkeys(wrong))  # None: JSON knows no NaN
            run.rows.append(row | {"seconds": run.part + time.perf_counter() - clock})
            run.step, run.seen, run.loss, run.part = 0, 0, 0.0, 0.0
            if on_epoch is not None:
                on_epoch(epoch + 1, net, head, run.rows[-1])
            reason = look(0.0, end=True)
            stopped = _agree(reason, device) if world > 1 else reason
            keep()
        if stopped and run.step:
            keep()
    bar.close()
    finished, rate = run.done >= total and not run.diverged, run.images / max(run.trained, 1e-9)
    final = {k: v for k, v in run.rows[-1].items() if k not in ("epoch", "loss", "lr", "seconds")} if finished else {}
    why = "" if finished else "diverged" if run.diverged else stopped
    return Training(run.rows, final, finished, why, run.diverged, run.seconds, rate, str(device))


@torch.no_grad()
def evaluate(
    net: nn.Module, head: Head, images: Images, *, bf16: bool = False, size: int | None = None
) -> dict[str, float]:
    """The head's metrics on images, in batches of `size` (default 1,000, on a GPU 5,000); all are on one device."""
    size = size or (1000 if images.x.device.type == "cpu" else 5000)
    was = net.training
    net.eval()
    outputs = []
    for x, _ in batches(images, size):
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
            outputs.append(net(x))
    net.train(was)
    return head.metrics(head.predict(torch.cat(outputs).float() if bf16 else torch.cat(outputs)), images.y)


def _mix(*numbers: int) -> int:
    """One seed of several numbers; neighbours give seeds that have nothing in common."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def _check(net: nn.Module, head: Head, data: tuple[Images, Images], recipe: Recipe, world: int) -> int:
    """Refuse what does not fit together; gives the steps of an epoch."""
    for name, given, kind in (("net", net, nn.Module), ("head", head, Head), ("recipe", recipe, Recipe)):
        if not isinstance(given, kind):
            raise TypeError(f"{name} must be a {kind.__name__}, got {type(given).__name__}")
    if not isinstance(data, tuple | list) or len(data) != 2 or not all(isinstance(part, Images) for part in data):
        raise TypeError("data must be two sets of Images, (train, test)")
    images, test = data
    if not len(images) or not len(test):
        raise ValueError(f"there are {len(images)} images to train on and {len(test)} to test on")
    if getattr(net, "width", head.width) != head.width:
        raise ValueError(
            f"the net has {net.width} outputs and the head wants {head.width}: make the net with that width"
        )
    head.validate(images.y)
    per_epoch = datasets.steps(len(images), recipe.batch, keep_last=recipe.keep_last, world=world)
    if per_epoch == 0:
        raise ValueError(f"{len(images)} images make no batch of {recipe.batch} for {world} process(es)")
    return per_epoch


def _belongs(net: nn.Module, head: Head, data: tuple[Images, Images], recipe: Recipe, seed: int, world: int) -> dict:
    """What a checkpoint must agree with: plain numbers and words."""
    return {
        "recipe": json.dumps(dataclasses.asdict(recipe)), "seed": seed, "processes": world,
        "training images": data[0].checksum, "test images": data[1].checksum,
        "net": f"{type(net).__name__}, {nets.parameters(net)} parameters",
        "head": f"{type(head).__name__}, {head.width} outputs",
    }  # fmt: skip


def _agree(reason: str, device: torch.device) -> str:
    """Processes that each have a reason to stop, or none: all stop if one does."""
    words = ("", "time", "interrupted", "diverged")
    place = torch.tensor(words.index(reason), device=device)
    dist.all_reduce(place, dist.ReduceOp.MAX)
    return words[int(place)]


# ---- from a plain description to a run ----


def points_of(config: Mapping, classes: Sequence[str], seed: int = 0) -> Tensor:
    """The prototypes (K, D) that a head's configuration asks for.

    Args:
        config: {"points": "best", "hpn", "evolve", "uniform", "uniformity", "one-hot", "word2vec" or "semantic",
            "dim": D, "seconds": of search}.
        classes: the names of the K classes.
        seed: of the search.
    """
    from . import semantics, words

    kind, k = config.get("points", "best"), len(classes)
    dim = config.get("dim", k) - (1 if config.get("kind") == "joint" else 0)  # the last axis is the regression's
    if kind == "best":
        with stepping.aside(), _searching:  # one search for all runs that want the same points
            return _best(k, dim, seed, config.get("seconds", 30.0)).clone()
    if kind == "one-hot":
        return torch.eye(k)
    if kind in ("hpn", "evolve", "uniform", "uniformity"):
        if kind == "evolve":
            return points.evolve(k, dim, seed=seed).points.float()
        make = {"hpn": points.hpn_prototypes, "uniform": points.uniform, "uniformity": points.uniformity}[kind]
        return make(k, dim, seed=seed).float()
    if kind in ("word2vec", "semantic"):
        source = config.get("words")  # a name that find_vectors knows, or a file
        named = source in ("glove", "word2vec", "google", "bundled")
        w = words.word_vectors(list(classes), words.find_vectors(source).vectors if named else source)
        if kind == "word2vec":
            return semantics.pca(w, dim).float()
        return semantics.semantic_points(w, dim, seed=seed, seconds=config.get("seconds", 10.0)).float()
    raise ValueError(f"points are best, hpn, evolve, uniform, uniformity, one-hot, word2vec or semantic, got {kind!r}")


_searching = threading.Lock()


@functools.lru_cache
def _best(k: int, dim: int, seed: int, seconds: float) -> Tensor:
    return points.best_prototypes(k, dim, seed=seed, seconds=seconds).points.float()


def data_of(config: Mapping) -> tuple[Images, Images, Images | None]:
    """Training images, test images and, where classes are kept out of both, test images of those; as `build` reads it.

    Which classes are kept out follows from the configuration's seed; an imbalanced set keeps the same images for all.
    """
    seed = config.get("seed", 0)
    options = dict(config["data"]) if isinstance(config["data"], Mapping) else {"name": config["data"]}
    make = {f.__name__: f for f in datasets.SETS}
    if options["name"] not in make:
        raise ValueError(f"data sets are {', '.join(make)}; got {options['name']!r}")
    rotated, tail, rare, out = (
        options.pop(name, None) for name in ("rotated", "long_tailed", "imbalanced", "held_out")
    )
    (train_images, test), unseen = make[options.pop("name")](**options), None
    if rotated:
        train_images, test = datasets.rotated(train_images), datasets.rotated(test, seed=1)
    if tail:
        train_images = datasets.long_tailed(train_images, tail)
    if rare:
        train_images = datasets.imbalanced(train_images, {int(label): share for label, share in rare.items()})
    if out:
        train_images, test, unseen = datasets.held_out(train_images, test, out, seed=seed)
    return train_images, test, unseen


def build(config: Mapping) -> tuple[nn.Module, Head, tuple[Images, Images], Recipe]:
    """Net, head, data and recipe of a plain configuration, the same that the shell takes.

    Args:
        config: {"data": a name of data.SETS or {"name": ..., its options, and "rotated": True, "long_tailed": 0.01 or
            "imbalanced": {"0": 0.02}, or "held_out": 20 classes}, "net": a name of nets.NETS or {"name": ..., its
            options}, "head": {"kind": "prototypes", "fixed-softmax", "assigned", "nearest-mean", "softmax", "angular",
            "regression", "squared", "joint" or "multitask", "dim": D, options of the head and of points_of}, "recipe":
            {"name": of RECIPES, changes}, "seed": 0}.
    """
    seed = config.get("seed", 0)
    train_images, test, _ = data_of(config)
    recipe = dict(config.get("recipe", {}))
    if recipe.get("name", "HPN_S1") not in RECIPES:
        raise ValueError(f"recipes are {', '.join(RECIPES)}; got {recipe['name']!r}")
    base = dataclasses.asdict(RECIPES[recipe.pop("name")]) if "name" in recipe else {}
    if {"epochs", "steps"} & {name for name, value in recipe.items() if value is not None}:
        base |= {"epochs": None, "steps": None}
    head = _head(dict(config["head"]), train_images, seed)
    net = dict(config["net"]) if isinstance(config["net"], Mapping) else {"name": config["net"]}
    name = net.pop("name")
    if name not in nets.NETS:
        raise ValueError(f"nets are {', '.join(nets.NETS)}; got {name!r}")
    return (
        nets.seeded(seed, nets.NETS[name], width=head.width, **net),
        head,
        (train_images, test),
        Recipe(**base | recipe),
    )


def penalty_of(config: Mapping, head: Head) -> Callable[[nn.Module, Tensor, Tensor], Tensor] | None:
    """What a configuration's "penalty" adds to the loss: the energy of net and head together (MHE-E4), or None.

    Args:
        config: {"penalty": {"hidden": {"weight": 1, "s": 2, "half_space": True}, "output": {"weight": 10}}}: options of
            mhe.Energy for each group; a group that is not named is left alone.
        head: whose layer, if it has one, is the output layer; otherwise the net's last is.
    """
    if not config.get("penalty"):
        return None
    from . import mhe

    groups = {name: mhe.Energy(**options) for name, options in config["penalty"].items()}
    energies = mhe.MHE(**{"hidden": None, "output": None} | groups)
    return lambda net, z, y: energies(nn.ModuleDict({"net": net, "head": head}), y)


def _head(options: dict, images: Images, seed: int) -> Head:
    kind, classes = options.pop("kind", "prototypes"), images.classes
    place = {name: options.pop(name) for name in ("points", "dim", "seconds", "words") if name in options}
    if kind in ("regression", "squared", "joint", "multitask"):
        values = images.y[1] if isinstance(images.y, tuple) else images.y
        options = {"low": float(values.min()), "high": float(values.max())} | options
    if kind in ("prototypes", "fixed-softmax", "assigned", "joint"):
        options["prototypes"] = points_of({"kind": kind, **place}, classes, seed)
    elif kind in ("nearest-mean", "regression", "squared"):
        options |= {"dim": place["dim"]} if "dim" in place else {}
    if kind in ("nearest-mean", "softmax", "angular", "multitask"):
        options["classes"] = len(classes)
    if kind == "assigned":
        from .assignment import AssignedHead

        return AssignedHead(**{"seed": seed} | options)
    made = {
        "prototypes": heads.PrototypeHead, "fixed-softmax": heads.FixedSoftmaxHead,
        "nearest-mean": heads.NearestMeanHead, "softmax": heads.SoftmaxHead, "angular": heads.AngularSoftmaxHead,
        "regression": heads.RegressionHead, "squared": heads.SquaredHead, "joint": heads.JointHead,
        "multitask": heads.MultiTaskHead,
    }  # fmt: skip
    if kind not in made:
        raise ValueError(f"heads are {', '.join(made)}, assigned; got {kind!r}")
    return nets.seeded(seed + 1, made[kind], **options)


def together(runs: Sequence[tuple[Mapping, Mapping]], at_once: int = 4) -> list[Training]:
    """Several small runs side by side, each in a process of its own: one of them leaves most of a large GPU idle.

    Args:
        runs: pairs of a configuration, as for `build`, and options of `train` (device, seconds, checkpoint, ...).
        at_once: how many go on at the same time; the others wait.
    """
    context = multiprocessing.get_context("spawn")  # a forked process cannot use a GPU that its parent uses
    with concurrent.futures.ProcessPoolExecutor(min(at_once, len(runs)), mp_context=context) as pool:
        return list(pool.map(_alone, *zip(*runs, strict=True)))


def _alone(config: Mapping, options: Mapping) -> Training:
    net, head, data, recipe = build(config)
    penalty = penalty_of(config, head)
    return train(net, head, data, recipe, seed=config.get("seed", 0), penalty=penalty, **options)


def _setting(text: str) -> tuple[str, object]:
    """NAME=VALUE, the value in JSON, or a word."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def main(arguments: Sequence[str] | None = None) -> int:
    """The shell's way in: python -m hpn_lite.training --help."""
    parser = argparse.ArgumentParser(prog="hpn_lite.training", description="Train a net with a head on a data set.")
    parser.add_argument("--data", default="digits", help=", ".join(f.__name__ for f in datasets.SETS))
    parser.add_argument("--net", default="digits", help=", ".join(nets.NETS))
    parser.add_argument("--head", default="prototypes", help="prototypes, nearest-mean, softmax, regression, ...")
    parser.add_argument(
        "--points", default="best", help="prototypes: best, hpn, evolve, uniform, one-hot, word2vec, ..."
    )
    parser.add_argument("--dim", type=int, help="dimension of the outputs")
    parser.add_argument("--recipe", choices=list(RECIPES), help="settings of a paper")
    parser.add_argument(
        "--set", nargs="*", default=[], type=_setting, metavar="NAME=VALUE", help="settings to change: epochs=20 lr=0.1"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seconds", type=float, help="stop after so long; with a checkpoint the next call goes on")
    parser.add_argument("--checkpoint", help="file to keep the run in")
    parser.add_argument("--out", help="JSON file for the result")
    given = parser.parse_args(arguments)
    head = {"kind": given.head} | ({} if given.dim is None else {"dim": given.dim})
    if given.head in ("prototypes", "fixed-softmax", "assigned", "joint"):
        head["points"] = given.points
    recipe = ({"name": given.recipe} if given.recipe else {"epochs": 10, "lr": 0.1}) | dict(given.set)
    config = {"data": given.data, "net": given.net, "head": head, "recipe": recipe, "seed": given.seed}
    device, rank = torch.device(given.device), int(os.environ.get("RANK", "0"))
    launched = "WORLD_SIZE" in os.environ and not dist.is_initialized()  # started by torchrun
    if launched:
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        net, head, data, recipe = build(config)
    except (ImportError, FileNotFoundError, TypeError, ValueError) as error:
        parser.error(str(error))
    options = {"seconds": given.seconds, "checkpoint": given.checkpoint, "progress": True}
    result = train(net, head, data, recipe, seed=given.seed, device=device, **options)
    if rank == 0:
        text = json.dumps({"config": config, **dataclasses.asdict(result)}, indent=1)
        if given.out:
            Path(given.out).write_text(text)
        print(result.stopped or "finished", result.diverged or json.dumps(result.final))
    if launched:
        dist.destroy_process_group()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
