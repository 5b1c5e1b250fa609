"""Runs that are recorded: asked for again, they are read, not trained twice; ended early, they go on where they were.

    python -m hpn_lite.runs --list                           # every row of every experiment: there, or what it costs
    python -m hpn_lite.runs HPN-T3 --budget 3600             # an hour of the missing rows, those of most worth first
    python -m hpn_lite.runs HPN-T1 HPN-F4 --seeds 0 1 2 --budget 7200 --together 4

Each row is saved as it ends. Until then its checkpoint lies in notebooks/runs/.unfinished, written after every epoch
(once a minute where several share a GPU), so that killing a run loses little; the same command goes on from there.

    >>> from hpn_lite import runs
    >>> record = runs.get_or_run(config, seed=0)             # a Record, or None: not run yet

HPN_RUN=0 forbids training and HPN_RUN=1 allows it without a GPU. Under HPN_SMOKE=1 everything runs in miniature, and
nothing is read or written. The records themselves are the matter of hpn_lite.records, and all of it is offered here.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import inspect
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch

from . import stepping
from .experiments import EXPERIMENTS, Row
from .records import (
    Record,
    RecordError,
    Summary,
    canonical,
    every,
    find,
    finite,
    folder,
    key,
    provenance,
    read,
    short,
    smoke,
    summarise,
    summary,
    write,
)

__all__ = [
    "Outcome", "Record", "RecordError", "Summary", "alone", "every", "fill", "find", "folder", "get_or_run", "key",
    "listing", "provenance", "read", "smoke", "summarise", "summary", "task", "train", "wanted", "write",
]  # fmt: skip

# --- running ---------------------------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What a task gives back. `finished` is False when the time was over first: nothing is recorded then."""

    final: dict
    data: dict
    epochs: list = []
    details: dict = {}
    diverged: str = ""
    finished: bool = True
    seconds: float = 0.0
    images_per_second: float | None = None


# A task makes an Outcome of (config, seed, device, seconds, checkpoint, progress); a configuration names its own.
TASKS: dict[str, Callable[..., Outcome]] = {}


def task(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
    TASKS[function.__name__] = function
    return function


@task
def train(config: Mapping, seed: int, device: str, seconds: float | None, checkpoint: Path, progress: bool) -> Outcome:
    """Train a net: see training.build for what the configuration may say.

    Where the data make classes rare, the final numbers have the accuracy on the rarest too ("rare_accuracy"); where
    they keep classes out, how well pairs of these are verified ("verification", "auc").
    """
    from . import energy, nets, training

    config = {k: v for k, v in config.items() if k != "task"}
    net, head, data, recipe = training.build({**(_miniature(config) if smoke() else config), "seed": seed})
    if smoke():
        data = tuple(part.subset(slice(0, 6)) for part in data)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    options = {
        "device": device,
        "seconds": seconds,
        "progress": progress,
        "checkpoint": None if smoke() else checkpoint,
        "penalty": training.penalty_of(config, head),
    }
    done = training.train(net, head, data, recipe, seed=seed, **options)
    if done.stopped == "interrupted":
        raise KeyboardInterrupt
    details = {
        "beside_others": stepping.taking_turns(),
        "recipe": finite(asdict(recipe)),
        "parameters": nets.parameters(net),
        "width": head.width,
    }
    if (prototypes := getattr(head, "prototypes", None)) is not None:
        details["largest_cosine"] = float(energy.largest_cosine(prototypes.double().cpu()))
    if done.finished and head.width <= 3:
        details["sample"] = _sample(net, head, data[1])
    final = dict(done.final)
    if done.finished and isinstance(config["data"], Mapping):
        if config["data"].get("imbalanced") or config["data"].get("long_tailed"):
            final |= _rare(net, head, data, details)
        if config["data"].get("held_out"):
            final |= _verified(net, training.data_of({**config, "seed": seed})[2], seed)
    return Outcome(
        final=final,
        data={"name": data[0].name, "train": len(data[0]), "test": len(data[1]), "checksum": data[0].checksum},
        epochs=[dict(row) for row in done.epochs],
        details=details,
        diverged=done.diverged,
        finished=done.finished or bool(done.diverged),
        seconds=done.seconds,
        images_per_second=round(done.images_per_second, 1),
    )


@torch.no_grad()
def _outputs(net: torch.nn.Module, images) -> torch.Tensor:
    """Outputs of a trained net (N, width), on the CPU."""
    from . import data

    net.eval()
    return torch.cat([net(x).float().cpu() for x, _ in data.batches(images.to(next(net.parameters()).device), 500)])


def _sample(net: torch.nn.Module, head: torch.nn.Module, images, count: int = 400) -> dict:
    """Where the first test images land, for outputs that can be drawn: the matter of HPN-F6 and MHE-F4.

    Where the head has class vectors of its own, these are there as well, and outputs keep their lengths.
    """
    part = images.subset(slice(0, count))
    z, w = _outputs(net, part), getattr(getattr(head, "linear", None), "weight", None)
    targets = part.y if isinstance(part.y, tuple) else (part.y,)
    sample = {"targets": [_rounded(y) for y in targets]}
    if w is None:
        return {"outputs": _rounded(torch.nn.functional.normalize(z, dim=1)), **sample}
    return {"outputs": _rounded(z), **sample, "class_vectors": _rounded(w.detach())}


def _rare(net: torch.nn.Module, head: torch.nn.Module, data: tuple, details: dict) -> dict[str, float]:
    """Accuracy on the classes with the fewest training images; that of each class goes into the details."""
    from . import scores

    device = next(net.parameters()).device
    counts = torch.bincount(data[0].labels.cpu(), minlength=len(data[0].classes))
    prediction = head.predict(_outputs(net, data[1]).to(device)).cpu()
    each = scores.class_accuracy(prediction, data[1].labels.cpu(), len(counts))
    details["class_images"], details["class_accuracy"] = counts.tolist(), _rounded(each.nan_to_num(0.0))
    return {"rare_accuracy": float(each[counts == counts.min()].nan_to_num(0.0).mean())}


def _verified(net: torch.nn.Module, images, seed: int, count: int = 6000) -> dict[str, float]:
    """Pairs of images of unseen classes, told apart by the cosine of their outputs (as many pairs as LFW has)."""
    from . import scores

    index, same = scores.pairs(images.labels, count, seed=seed)
    z = torch.nn.functional.normalize(_outputs(net, images).double(), dim=1)
    found = scores.verification((z[index[:, 0]] * z[index[:, 1]]).sum(1), same)
    return {"verification": found.accuracy, "auc": found.auc}


def _rounded(x: torch.Tensor) -> list:
    return (x.double().cpu() * 1e4).round().div(1e4).tolist() if x.is_floating_point() else x.tolist()


@task
def points(config: Mapping, seed: int, device: str, seconds: float | None, checkpoint: Path, progress: bool) -> Outcome:
    """Place prototypes and measure them: their largest cosine, and with words how much of their order is kept."""
    from . import data, energy, semantics, sphere, training

    named = isinstance(config["classes"], str)
    if named:  # a data set, whose classes have names
        images = getattr(data, config["classes"])()[0]
        about = {"name": f"names of {images.name}", "checksum": key({"classes": list(images.classes)})}
        classes = images.classes
    else:
        classes = tuple(map(str, range(config["classes"])))
        about = {"name": "none", "checksum": ""}
    start = time.perf_counter()
    p = training.points_of({**config, **({"seconds": 0.05} if smoke() else {})}, classes, seed).double()
    spent = time.perf_counter() - start
    final = {"largest_cosine": float(energy.largest_cosine(p)), "bound": sphere.largest_cosine_bound(*p.shape).value}
    if named:
        w = semantics.word_vectors(list(classes), semantics.find_vectors(config["words"]).vectors)
        final["rank_correlation"] = float(semantics.rank_correlation(w, p).mean())
    return Outcome(final, about, details={"shape": list(p.shape)}, seconds=spent)


def _miniature(config: Mapping) -> dict:
    """The same run as small as it can be: two steps of three images, small ones, and no time to search prototypes."""
    recipe = {**config.get("recipe", {}), "epochs": 1, "steps": None, "batch": 3, "milestones": []}
    head = dict(config.get("head", {}))
    if head.get("kind") in ("prototypes", "fixed-softmax", "assigned", "joint"):
        head["seconds"] = 0.05
    if isinstance(config["data"], Mapping) and "size" in config["data"]:
        config = {**config, "data": {**config["data"], "size": 32}}
    net = {"name": "densenet121", "growth": 4} if config["net"] == "densenet121" else config["net"]
    name = net if isinstance(net, str) else net["name"]
    net = {"name": name, "filters": 4} if name.startswith("cnn") else net
    return {**config, "recipe": recipe, "head": head, "net": net}


def get_or_run(
    config: Mapping,
    *,
    seed: int = 0,
    experiment: str = "other",
    row: str = "",
    run: bool | None = None,
    device: torch.device | str | None = None,
    seconds: float | None = None,
    out: Path | str | None = None,
    progress: bool = False,
) -> Record | None:
    """The record of a configuration: read if it is there, made if it may be, else None, which means "not run yet".

    Args:
        config: a plain dict; "task" says what it is for, "train" if it is not there.
        seed: of the run.
        experiment, row: under whose name a new record is saved.
        run: make it if it is missing; None: if HPN_RUN is 1, or it is not 0 and there is a GPU.
        device: where; None: the GPU if there is one.
        seconds: stop then. A run that has not ended keeps a checkpoint, and the next call goes on from it.
        out: the folder of the experiments' folders; `folder()` if None.
        progress: show a bar.
    Returns:
        Record or None. Under HPN_SMOKE=1 always a miniature, which `write` refuses.
    Raises:
        ValueError: on an unknown task.
        FileNotFoundError: if it has to be run and its data are not there.
    """
    config = {"task": "train", **config}
    if config["task"] not in TASKS:
        raise ValueError(f"unknown task {config['task']!r}; there are {', '.join(sorted(TASKS))}")
    out = Path(out or folder())
    if found := find(config, seed, out):
        return found[0]
    gpu = torch.cuda.is_available()
    if run is None:
        allowed = os.environ.get("HPN_RUN", "")
        run = smoke() or allowed == "1" or (allowed != "0" and gpu)
    if not run:
        return None
    device = device or ("cuda" if gpu else "cpu")
    start, here = time.perf_counter(), provenance(device)
    stem = f"{key(config)}-seed{seed}"
    with contextlib.nullcontext(True) if smoke() else alone(out / ".unfinished" / f"{stem}.lock") as free:
        if not free:  # another process is at it
            return None
        if found := find(config, seed, out):  # it was, until just now
            return found[0]
        checkpoint = out / ".unfinished" / f"{stem}.pt"
        done = TASKS[config["task"]](config, seed, str(device), seconds, checkpoint, progress)
        if not done.finished:
            return None
        record = Record(
            experiment=experiment, row=row, config=json.loads(canonical(config)), seed=seed, data=done.data,
            epochs=done.epochs, final=done.final, diverged=done.diverged,
            details={**done.details, **({"smoke": True} if smoke() else {})},
            seconds=round(done.seconds or time.perf_counter() - start, 3),
            images_per_second=done.images_per_second, provenance=here,
        )  # fmt: skip
        if smoke():
            return record
        path = out / experiment / record.name
        if path.exists():  # find did not believe it
            path.rename(path.with_suffix(".broken"))
            warnings.warn(f"{short(path)} could not be used; it is kept as {path.stem}.broken", stacklevel=2)
        write(record, out)
        checkpoint.unlink(missing_ok=True)
        return read(path)


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[bool]:
    """True for the one process that holds the lock, False for all others; it is free again however that one ends."""
    try:
        import fcntl
    except ImportError:  # not on Windows: run one at a time there
        yield True
        return
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


# --- the shell -------------------------------------------------------------------------------------------------------


def wanted(names: Iterable[str], seeds: Iterable[int], parts: Iterable[str] = ()) -> list[tuple[str, Row, int]]:
    """What the experiments ask for, in order of worth: every row with the first seed, then with the second ...

    Rows that several experiments share come once. parts: only rows whose names contain one of them.
    """
    names = list(names) or list(EXPERIMENTS)
    if unknown := [n for n in names if n not in EXPERIMENTS]:
        raise ValueError(f"unknown experiment {', '.join(unknown)}; there are {', '.join(EXPERIMENTS)}")
    rows: dict[str, tuple[str, Row]] = {}
    for name in names:
        for row in EXPERIMENTS[name].rows:
            if key(row.config) not in rows or row.worth < rows[key(row.config)][1].worth:
                rows[key(row.config)] = (name, row)
    ordered = sorted(rows.values(), key=lambda pair: pair[1].worth)
    parts = tuple(parts)
    ordered = [(name, row) for name, row in ordered if not parts or any(part in row.name for part in parts)]
    return [(name, row, seed) for seed in seeds for name, row in ordered if seed < row.seeds]


def fill(
    names: Iterable[str],
    *,
    budget: float,
    seeds: Iterable[int] = (0,),
    parts: Iterable[str] = (),
    device: str | None = None,
    out: Path | str | None = None,
    progress: bool = True,
    download: bool = False,
    together: int = 1,
    say: Callable[[str], None] = print,
) -> dict[str, int]:
    """Do the missing rows, in order of worth, until the budget is spent; each is saved as it ends.

    Args:
        names: of experiments; none for all.
        budget: seconds in all.
        seeds, device, out, progress: as in `get_or_run`.
        parts: only rows whose names contain one of these.
        download: fetch public data that are missing.
        together: so many at once, in threads that take turns and, on a GPU, have a stream each: one small net leaves
            most of a large GPU idle. Their records say so, since their seconds are not those of a run alone.
        say: told what happens.
    Returns:
        How many rows were there, done, left (no time, or another process is at them), lacking (no data), failed.
    """
    end = time.monotonic() + budget
    count = dict.fromkeys(("there", "done", "left", "lacking", "failed"), 0)

    def attempt(item: tuple[str, Row, int]) -> str:
        name, row, seed = item
        label = f"{name}  {row.name}, seed {seed}"
        if find(row.config, seed, out):
            return "there"
        left = end - time.monotonic()
        if left <= 0:
            return "left"
        say(f"{label} ...")
        try:
            if download:
                _fetch(row.config)
            record = get_or_run(
                row.config, seed=seed, experiment=name.lower(), row=name, run=True, device=device,
                seconds=left, out=out, progress=progress and together == 1,
            )  # fmt: skip
        except FileNotFoundError as error:
            say(f"{label}: cannot be run here: {error}")
            return "lacking"
        except Exception as error:  # the other rows are worth their time all the same
            say(f"{label}: failed: {type(error).__name__}: {error}")
            return "failed"
        if record is None:
            say(f"{label}: not finished: no time left, or another process is at it; the next call goes on from there")
            return "left"
        numbers = ", ".join(f"{m} {v:.4g}" for m, v in record.final.items() if v is not None)
        say(f"{label}: {record.diverged or numbers} ({record.seconds:.0f} s) -> {short(record.path)}")
        return "done"

    items = wanted(names, seeds, parts)
    for state in map(attempt, items) if together == 1 else _in_turns(attempt, items, together, device):
        count[state] += 1
    return count


def _in_turns(attempt: Callable, items: Iterable, together: int, device: str | None) -> list[str]:
    """Attempt the items in `together` threads that take turns; Ctrl-C stops them all, each with its checkpoint."""
    turns, gpu = stepping.Turns(), torch.cuda.is_available() and not str(device).startswith("cpu")
    queue, states = collections.deque(items), []

    def work() -> None:
        with turns, torch.cuda.stream(torch.cuda.Stream(device)) if gpu else contextlib.nullcontext():
            while queue and not turns.caught:
                states.append(attempt(queue.popleft()))

    # The threads' steps are many and short: what searches points beside them must not keep them waiting.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        with stepping.interrupts(turns.caught), stepping.settings(torch.device("cpu")):
            with concurrent.futures.ThreadPoolExecutor(together) as pool:
                done = [pool.submit(work) for _ in range(together)]
            for one in done:
                one.result()  # raises what was raised there
    finally:
        sys.setswitchinterval(interval)
    if turns.caught:
        raise KeyboardInterrupt
    return states


def _fetch(config: Mapping) -> None:
    """Download the data of a configuration if they are missing and public."""
    from . import data

    named = config.get("data", "")
    loader = getattr(data, named["name"] if isinstance(named, Mapping) else named, None)
    if loader is not None and "download" in inspect.signature(loader).parameters:
        loader(download=True)


def listing(
    names: Iterable[str], seeds: Iterable[int], out: Path | str | None = None, parts: Iterable[str] = ()
) -> str:
    """Which rows are there and which are missing, with what they will cost."""
    lines, minutes = [], 0.0
    for name, row, seed in wanted(names, seeds, parts):
        found = find(row.config, seed, out)
        if found:
            state = f"{found[0].seconds / 60:7.1f} min  {short(found[0].path)}"
        else:
            state = f"{row.minutes:7.1f} min  missing" + (f" (needs {row.needs})" if row.needs else "")
            minutes += row.minutes
        lines.append(f"{name:9s} {row.name:44.44s} seed {seed}  {state}")
    lines.append(f"missing in all: about {minutes:.0f} minutes of one data-centre GPU (estimated, not measured)")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hpn_lite.runs", description=__doc__.split("\n")[0])
    parser.add_argument(
        "experiments", nargs="*", metavar="EXPERIMENT", help=f"of {', '.join(EXPERIMENTS)}; default all"
    )
    parser.add_argument("--budget", type=float, metavar="SECONDS", help="stop after so many seconds (needed to run)")
    parser.add_argument("--list", action="store_true", help="say what is there, what is missing and its cost")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="default 0")
    parser.add_argument("--rows", nargs="+", default=[], metavar="TEXT", help="only rows with one of these in the name")
    parser.add_argument("--device", help="cuda, cuda:1, cpu; default: the GPU if there is one")
    parser.add_argument("--download", action="store_true", help="fetch public data sets that are missing")
    parser.add_argument("--out", type=Path, help="where the records are (default notebooks/runs of the repository)")
    parser.add_argument(
        "--together", type=int, default=1, metavar="N", help="so many runs at once: processes on CPUs, streams on a GPU"
    )
    options = parser.parse_args(argv)
    try:
        found = wanted(options.experiments, [0], options.rows)
    except ValueError as error:
        parser.error(str(error))
    if not found:
        parser.error(f"no row has a name that contains {' or '.join(map(repr, options.rows))}; --list shows them all")
    if options.list:
        print(listing(options.experiments, options.seeds, options.out, options.rows))
        return 0
    if options.budget is None or options.budget <= 0:
        parser.error("--budget SECONDS is needed to run (or --list, to see what there is)")
    if min(options.seeds) < 0 or options.together < 1:
        parser.error("seeds are 0 or more, and at least one run goes on at once")
    gpu = torch.cuda.is_available() and not str(options.device).startswith("cpu")
    if options.together > 1 and not gpu:
        return _together(options, list(sys.argv[1:] if argv is None else argv))
    # A polite kill ends like Ctrl-C: training saves its checkpoint first.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        count = fill(
            options.experiments, budget=options.budget, seeds=options.seeds, parts=options.rows, device=options.device,
            out=options.out, together=options.together, progress=sys.stderr.isatty(),
            download=options.download, say=lambda text: print(text, flush=True),
        )  # fmt: skip
    except KeyboardInterrupt:
        print("stopped; the next call goes on from the last checkpoint", flush=True)
        return 130
    print(", ".join(f"{n} {what}" for what, n in count.items()))
    return 1 if count["failed"] else 0


def _together(options: argparse.Namespace, argv: list[str]) -> int:
    """Several processes of this one, which share the rows out among themselves by their locks."""
    alike = [sys.executable, "-m", "hpn_lite.runs", *argv, "--together", "1"]  # the last word on it counts
    workers = [subprocess.Popen(alike) for _ in range(options.together)]
    try:
        return max(worker.wait() for worker in workers)
    except KeyboardInterrupt:
        for worker in workers:
            worker.send_signal(signal.SIGINT)
        return max(worker.wait() for worker in workers)


if __name__ == "__main__":
    sys.exit(main())
