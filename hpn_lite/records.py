"""The records of runs: a configuration's name, what a record holds, and when it may be believed.

A configuration is a plain dict, and the hash of its canonical JSON is its name. The record of one run of it lies in

    notebooks/runs/<experiment>/<hash>-seed<k>.json

whichever experiment asked first, so that tables with a common row share its record. A record is written once, in one
step, and is checked whenever it is read; one that is broken is named in a warning and ignored, never half-used.

    >>> from hpn_lite import records
    >>> records.key({"net": "resnet32", "lr": 0.1}) == records.key({"lr": 0.1, "net": "resnet32"})
    True

$HPN_LITE_RUNS names another folder. `hpn_lite.runs` makes the runs, and offers all of this file.
"""

import contextlib
import datetime
import hashlib
import json
import math
import os
import platform
import subprocess
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch

from . import __version__

FORMAT = 1  # of the records; a reader refuses any other


class RecordError(ValueError):
    """A file that cannot be used as a record; the message names it and says why."""


# --- configurations --------------------------------------------------------------------------------------------------


def canonical(value: Any) -> str:
    """JSON that is the same for equal configurations: keys sorted, no blanks, 1.0 written as 1.

    Raises:
        TypeError: on what JSON does not have, such as a tensor, or a key that is no string.
        ValueError: on NaN and infinity.
    """

    def plain(v: Any) -> Any:
        if isinstance(v, Mapping):
            for key in v:
                if not isinstance(key, str):
                    raise TypeError(f"the keys of a configuration must be strings, got {key!r}")
            return {key: plain(item) for key, item in v.items()}
        if isinstance(v, list | tuple):
            return [plain(item) for item in v]
        return int(v) if isinstance(v, float) and v.is_integer() else v

    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def key(config: Mapping) -> str:
    """Twelve hexadecimal digits that name a configuration; the order of its keys is no matter.

    Args:
        config: its "task" is "train" if it does not say.

    Raises:
        ValueError: if it holds a seed, which belongs to the run.
    """
    if "seed" in config:
        raise ValueError("the seed is no part of a configuration; pass it as seed=")
    return hashlib.sha256(canonical({"task": "train", **config}).encode()).hexdigest()[:12]


def folder() -> Path:
    """Where the records are: $HPN_LITE_RUNS, else notebooks/runs of the repository, else of the current folder."""
    if named := os.environ.get("HPN_LITE_RUNS"):
        return Path(named).expanduser()
    root = Path(__file__).resolve().parent.parent
    return (root if (root / "notebooks").is_dir() else Path.cwd()) / "notebooks" / "runs"


def smoke() -> bool:
    """Whether HPN_SMOKE asks for everything in miniature."""
    return os.environ.get("HPN_SMOKE", "0") not in ("", "0")


# --- records ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """One run.

    experiment, row: who asked for it; config, seed: what was run; data: name, sizes and checksum; epochs: one dict per
    epoch; final: the numbers at the end; diverged: "" or what happened; details: whatever else the task knows (resolved
    recipe, number of parameters); seconds: wall time; images_per_second; provenance: see `provenance`.
    """

    experiment: str
    row: str
    config: dict
    seed: int
    data: dict
    epochs: list
    final: dict
    diverged: str
    details: dict
    seconds: float
    images_per_second: float | None
    provenance: dict
    path: Path | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """Name of the file, from hash and seed."""
        return f"{key(self.config)}-seed{self.seed}.json"

    @property
    def measured(self) -> bool:
        """Whether the run counts; a miniature made by a test does not."""
        return not self.details.get("smoke", False)


def provenance(device: torch.device | str = "cpu") -> dict:
    """Software, hardware, commit and date of what runs here and now.

    Args:
        device: the one that computes.
    Returns:
        hpn_lite, torch, python, system, processor, cores, threads, device, commit (None outside a repository; "+" at
        its end means that code was changed since), date (UTC).
    """
    device = torch.device(device)
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    return {
        "hpn_lite": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": card,
        "commit": _commit(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _processor() -> str:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return platform.processor()


def _commit() -> str | None:
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, timeout=20, check=True)
        return done.stdout.strip()

    try:
        # of the package alone: another notebook or record changes nothing about how a run is made
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):  # a copy without its repository can be told what it is a copy of
        return os.environ.get("HPN_LITE_COMMIT") or None


def digest(content: Mapping) -> str:
    """sha256 of a record's content: a bad merge, a cut file or an edit by hand shows."""
    return hashlib.sha256(canonical({k: v for k, v in content.items() if k != "digest"}).encode()).hexdigest()


def write(record: Record, out: Path | str | None = None, *, overwrite: bool = False) -> Path:
    """Save a record under its own name, in one step.

    Args:
        out: the folder of the experiments' folders; `folder()` if None.
        overwrite: replace a record that is there; otherwise it stays.
    Returns:
        The path.
    Raises:
        FileExistsError: if it is there and may not be replaced.
        RecordError: if it would not be read again, or is a miniature.
    """
    if not record.measured:
        raise RecordError("a miniature run is never recorded")
    path = Path(out or folder()) / record.experiment / record.name
    content = {"format": FORMAT, "key": key(record.config), **asdict(record)}
    del content["path"]
    content = finite(content)
    content["digest"] = digest(content)
    check(content, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with new.open("w", encoding="utf-8") as file:
            file.write(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            os.replace(new, path)
        else:
            os.link(new, path)  # fails if the name is taken, also by a run that ended at this very moment
    except FileExistsError:
        raise FileExistsError(f"{path} is there already; pass overwrite=True to replace it") from None
    finally:
        new.unlink(missing_ok=True)
    return path


def finite(value: Any) -> Any:
    """The same with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


KINDS = {"experiment": str, "row": str, "config": dict, "seed": int, "data": dict, "epochs": list, "final": dict,
         "diverged": str, "details": dict, "seconds": int | float, "images_per_second": int | float | None,
         "provenance": dict}  # fmt: skip


def check(content: Any, path: Path) -> None:
    """Raise RecordError, which names the file and says why, unless this is the whole content of a sound record."""

    def bad(why: str) -> RecordError:
        return RecordError(f"{path.parent.name}/{path.name} is no record that can be used: {why}")

    number = lambda v: isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)  # noqa: E731
    if not isinstance(content, dict) or not {"format", "key"} <= content.keys():
        raise bad("it is not in the form of a run record")
    if content["format"] != FORMAT:
        raise bad(f"its format is {content['format']!r}, this version reads {FORMAT}")
    if set(content) != {"format", "key", "digest", *KINDS}:
        odd = sorted(set(content) ^ {"format", "key", "digest", *KINDS})
        raise bad(f"these parts are missing or unknown: {', '.join(odd)}")
    for part, kind in KINDS.items():
        if not isinstance(content[part], kind) or isinstance(content[part], bool):
            raise bad(f"{part} is {content[part]!r:.40}")
    if content["seed"] < 0 or content["seconds"] < 0:
        raise bad("its seed or its seconds are negative")
    try:
        if content["key"] != key(content["config"]):
            raise bad("its hash does not belong to its configuration")
    except (TypeError, ValueError) as error:
        raise bad(str(error)) from None
    if path.name != f"{content['key']}-seed{content['seed']}.json":
        raise bad(f"the name of the file is not that of its configuration and seed ({content['key']})")
    if path.parent.name != content["experiment"]:
        raise bad(f"it belongs to the experiment {content['experiment']!r}")
    if content["digest"] != digest(content):
        raise bad("its content was changed after it was written")
    if not isinstance(content["data"].get("name"), str) or not isinstance(content["data"].get("checksum"), str):
        raise bad("it does not name its data and their checksum")
    if missing := [
        part for part in ("hpn_lite", "torch", "device", "commit", "date") if part not in content["provenance"]
    ]:
        raise bad(f"its provenance lacks {', '.join(missing)}")
    if content["details"].get("smoke"):
        raise bad("it is a miniature")
    before = 0
    for row in content["epochs"]:
        if not isinstance(row, dict) or not isinstance(row.get("epoch"), int) or row["epoch"] <= before:
            raise bad(f"after epoch {before} its epochs do not go on")
        before = row["epoch"]
        if not content["diverged"] and not all(number(v) for v in row.values()):
            raise bad(f"epoch {before} holds something that is no finite number")
    if content["diverged"]:
        return
    if not content["final"] or not all(number(v) for v in content["final"].values()):
        raise bad("its final numbers are missing or not finite, and it does not say that the run diverged")
    planned = content["config"].get("recipe", {}).get("epochs")
    if planned is not None and before != planned:
        raise bad(f"it ends after epoch {before} of {planned}")
    if content["epochs"]:
        last = content["epochs"][-1]
        if odd := [m for m, v in content["final"].items() if m in last and last[m] != v]:
            raise bad(f"its final {odd[0]} is not that of its last epoch")


def read(path: Path | str) -> Record:
    """The record in a file.

    Raises:
        FileNotFoundError: if there is none.
        RecordError: if it is broken, foreign or changed; see `check`.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"{path.parent.name}/{path.name} is no record that can be used: {error}") from None
    check(content, path)
    return Record(**{f.name: content[f.name] for f in fields(Record) if f.name != "path"}, path=path)


def find(config: Mapping, seed: int | None = None, out: Path | str | None = None) -> list[Record]:
    """All sound records of a configuration, by seed, whichever experiment made them.

    Broken files are named in a warning and ignored. If two experiments hold the same run, the earlier one counts, and a
    warning says so.

    Args:
        config: without the seed.
        seed: one seed only.
        out: the folder of the experiments' folders; `folder()` if None.
    """
    if smoke():
        return []
    found: dict[int, Record] = {}
    for path in sorted(Path(out or folder()).glob(f"[!.]*/{key(config)}-seed{'*' if seed is None else seed}.json")):
        record = _read_or_warn(path)
        if record is None:
            continue
        other = found.get(record.seed)
        if other is not None:
            record, other = sorted((record, other), key=lambda r: (r.provenance["date"], str(r.path)))
            warnings.warn(f"{short(other.path)} repeats {short(record.path)} and is ignored", stacklevel=2)
        found[record.seed] = record
    return [found[s] for s in sorted(found)]


def every(experiment: str, out: Path | str | None = None) -> list[Record]:
    """All sound records in an experiment's folder; what else lies there is named in a warning and ignored."""
    found = [_read_or_warn(path) for path in sorted((Path(out or folder()) / experiment).glob("[!.]*"))]
    return [record for record in found if record is not None]


def _read_or_warn(path: Path) -> Record | None:
    try:
        return read(path)
    except RecordError as error:
        warnings.warn(f"{error}; it is ignored", stacklevel=3)
        return None


def short(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


# --- several seeds ---------------------------------------------------------------------------------------------------


class Summary(NamedTuple):
    """Runs that differ in their seeds: how many, how many of them diverged, mean of the others and half the width of
    its 95% interval (NaN for one run: nothing is known of its spread)."""

    runs: int
    diverged: int
    mean: float
    half: float

    def __str__(self) -> str:
        if self.runs == self.diverged:
            return "diverged" if self.runs else ""
        return f"{self.mean:.1f}" + (f" ± {self.half:.1f}" if math.isfinite(self.half) else "")


def summary(records: Iterable[Record], metric: str, scale: float = 1.0) -> Summary:
    """Mean and 95% interval (Student's) of a final number over the seeds.

    Args:
        records: of one configuration, each seed once.
        metric: a name in their `final`.
        scale: the numbers are multiplied by this first.
    Raises:
        ValueError: on records of several configurations, or a seed that is there twice.
        KeyError: on a metric that a record does not have.
    """
    records = list(records)
    if len({key(r.config) for r in records}) > 1 or len({r.seed for r in records}) < len(records):
        raise ValueError("a summary is over the seeds of one configuration, each of them once")
    values = [scale * r.final[metric] for r in records if not r.diverged]
    return summarise(values)._replace(runs=len(records), diverged=len(records) - len(values))


def summarise(values: list[float]) -> Summary:
    """Mean and 95% interval of one number per run."""
    n = len(values)
    mean = math.fsum(values) / n if n else math.nan
    half = math.nan
    if n > 1:
        half = student_quantile(0.95, n - 1) * math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1) / n)
    return Summary(n, 0, mean, half)


def student_quantile(level: float, freedom: int) -> float:
    """t such that a Student variable with `freedom` degrees lies in [-t, t] with probability `level`.

    Source: Abramowitz and Stegun 26.7.3 and 26.7.4, exact for whole degrees of freedom.
    """
    low, high = 0.0, math.pi / 2  # bisect theta = atan(t / sqrt(freedom))
    for _ in range(60):
        theta = (low + high) / 2
        low, high = (theta, high) if _student_inside(theta, freedom) < level else (low, theta)
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def _student_inside(theta: float, freedom: int) -> float:
    sine, cosine = math.sin(theta), math.cos(theta)
    odd = freedom % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for k in range(1 + odd, freedom, 2):  # odd: cos + 2/3 cos^3 + ...; even: 1 + 1/2 cos^2 + (1*3)/(2*4) cos^4 + ...
        total += term
        term *= cosine**2 * k / (k + 1)
    return 2 / math.pi * (theta + sine * total) if odd else sine * total
