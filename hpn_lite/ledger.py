"""The papers beside our own runs: tables and verdicts, drawn from the records and from nothing else.

    >>> from hpn_lite import ledger
    >>> ledger.table("HPN-T3")                               # paper, ours, difference, what that means, the records
    >>> ledger.judge("HPN-T3").word                          # "reproduced", "partly", "not" or "not run"

The rule, the same for every table:

A number *agrees* if it lies within `TOLERANCE` of the paper's (2 points of accuracy; 5% of an error); else it is
*better* or *worse* than the paper's. A run that diverged agrees if the paper's did. A claim *holds* if the mean
advantage over our seeds lies where the paper has it, and *fails* otherwise.

A table is "not run" if no row is that the paper has a number or a claim for; "reproduced" if all rows are, none is
worse and every claim holds; "not reproduced" if no number agrees or is better and no claim holds; "partly reproduced"
in between.

Intervals are Student's, at 95%, over seeds; with one seed there is none, and the table says so.
"""

import html
import math
import statistics
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from . import runs
from .experiments import EXPERIMENTS, Claim, Row
from .records import Record, Summary

# metric: (what tables call it, factor from the record's number, whether larger is better, digits)
METRICS = {
    "accuracy": ("accuracy, %", 100.0, True, 1),
    "rare_accuracy": ("of the rare class, %", 100.0, True, 1),
    "verification": ("verification, %", 100.0, True, 1),
    "auc": ("area under the ROC curve, %", 100.0, True, 1),
    "mae": ("mean absolute error", 1.0, False, 1),
    "largest_cosine": ("largest cosine", 1.0, False, 4),
    "rank_correlation": ("rank correlation", 1.0, True, 3),
}
TOLERANCE = {
    "accuracy": (2.0, 0.0),
    "rare_accuracy": (2.0, 0.0),
    "verification": (2.0, 0.0),
    "auc": (2.0, 0.0),
    "mae": (0.0, 0.05),
    "largest_cosine": (0.005, 0.0),
    "rank_correlation": (0.02, 0.0),
}
WORDS = {"reproduced": "reproduced", "partly": "partly reproduced", "not": "not reproduced", "not run": "not run"}

Found = Mapping[str, list[Record]]


class Line(NamedTuple):
    """One number: the row and metric it belongs to, the paper's, ours over the seeds, ours - paper, and a word:
    "agrees", "better", "worse", "no number" (the paper has none) or "not run"."""

    row: Row
    metric: str
    paper: float | str | None
    ours: Summary
    difference: float
    word: str
    records: list[Record]


class Judged(NamedTuple):
    """A claim, what our runs say of it ("holds", "fails", "open": not run), the advantage and its half interval."""

    claim: Claim
    word: str
    advantage: float
    half: float


class Verdict(NamedTuple):
    """`word` is "reproduced", "partly", "not" or "not run"; `reason` says in numbers why."""

    word: str
    reason: str
    claims: list[Judged]

    def __str__(self) -> str:
        return textwrap.fill(f"{WORDS[self.word]}: {self.reason}", 72, subsequent_indent="  ")


def collect(
    name: str, *, seed: int = 0, run: bool | None = None, seconds: float | None = None
) -> dict[str, list[Record]]:
    """The records of every row of an experiment; with a GPU, what is missing is trained (see runs.get_or_run).

    Under HPN_SMOKE=1 one row of each kind is run in miniature, and the others are left out.

    Args:
        name: of the experiment.
        seed: of what has to be run; what is recorded comes with all its seeds.
        run, seconds: as in runs.get_or_run, for each row.
    Returns:
        {name of the row: records}, empty lists where there are none.
    """
    found, kinds = {}, set()
    for row in EXPERIMENTS[name].rows:
        found[row.name] = runs.find(row.config)
        head = row.config.get("head", {})
        kind = str([row.config.get(k) for k in ("task", "data", "net", "penalty")])
        kind += f"{head.get('kind')} {head.get('points')}"
        if found[row.name] or (runs.smoke() and kind in kinds):
            continue
        kinds.add(kind)
        made = runs.get_or_run(row.config, seed=seed, experiment=name.lower(), row=name, run=run, seconds=seconds)
        found[row.name] = [made] if made else []
    return found


def _found(name: str, found: Found | None) -> Found:
    return {row.name: runs.find(row.config) for row in EXPERIMENTS[name].rows} if found is None else found


def compare(name: str, found: Found | None = None) -> list[Line]:
    """Every number of an experiment: the paper's and ours.

    Args:
        name: of the experiment.
        found: what `collect` gave; None reads the records.
    """
    found, lines = _found(name, found), []
    for row in EXPERIMENTS[name].rows:
        for metric, paper in row.paper.items():
            records = [r for r in found[row.name] if r.diverged or metric in r.final]
            ours = runs.summary(records, metric, METRICS[metric][1])
            known = isinstance(paper, int | float)
            difference = ours.mean - paper if known else math.nan
            lines.append(Line(row, metric, paper, ours, difference, _word(metric, paper, ours), records))
    return lines


def _word(metric: str, paper: float | str | None, ours: Summary) -> str:
    if not ours.runs:
        return "not run"
    if paper is None:
        return "no number"
    if ours.diverged == ours.runs or paper == "diverged":
        return (
            "agrees"
            if (ours.diverged == ours.runs) == (paper == "diverged")
            else "better"
            if paper == "diverged"
            else "worse"
        )
    absolute, share = TOLERANCE[metric]
    difference = ours.mean - paper
    # a hair more than the tolerance, so that a difference of exactly 2 points counts as 2 points
    if abs(difference) <= absolute + share * abs(paper) + 1e-9:
        return "agrees"
    return "better" if (difference > 0) == METRICS[metric][2] else "worse"


def judge_claim(claim: Claim, found: Found) -> Judged:
    """What our runs say of a claim; a run that diverged counts as lost."""
    scale, larger = METRICS[claim.metric][1:3]
    sign = 1 if larger else -1

    def values(name: str) -> Summary | None:
        records = [r for r in found.get(name, []) if r.diverged or claim.metric in r.final]
        if claim.first is None:
            return runs.summary(records, claim.metric, scale) if records else None
        means = [
            statistics.fmean(
                e[claim.metric] for e in r.epochs if e["epoch"] <= claim.first and e.get(claim.metric) is not None
            )
            for r in records
            if not r.diverged
        ]
        return runs.summarise([scale * m for m in means]) if means else None

    better = values(claim.better)
    worse = values(claim.worse) if claim.worse else Summary(1, 0, 0.0, 0.0)
    if better is None or worse is None:
        return Judged(claim, "open", math.nan, math.nan)
    if better.diverged == better.runs or worse.diverged == worse.runs:
        won = better.diverged < better.runs
        return Judged(claim, "holds" if won else "fails", math.inf if won else -math.inf, math.nan)
    advantage = (better.mean - worse.mean) * (sign if claim.worse else 1)
    holds = claim.least < advantage <= claim.most or claim.least == advantage != 0
    return Judged(claim, "holds" if holds else "fails", advantage, math.hypot(better.half, worse.half))


def judge(name: str, found: Found | None = None) -> Verdict:
    """The verdict on a table or figure, by the rule at the head of this file."""
    found = _found(name, found)
    lines = [line for line in compare(name, found)]
    claims = [judge_claim(claim, found) for claim in EXPERIMENTS[name].claims]
    rows = {line.row.name for line in lines}
    ran = {line.row.name for line in lines if line.ours.runs}
    counted = [line for line in lines if line.word in ("agrees", "better", "worse")]
    good = [line for line in counted if line.word != "worse"]
    held = [c for c in claims if c.word == "holds"]
    decided = [c for c in claims if c.word != "open"]
    if not ran:
        reasons = Counter(_needs(row) for row in EXPERIMENTS[name].rows)
        lacks = "; ".join(f"{_many(n, 'row')} would need {what or 'time alone'}" for what, n in reasons.items())
        return Verdict("not run", "no record yet" + (f": {lacks}" if any(reasons) else ""), claims)
    parts = [f"{len(ran)} of {_many(len(rows), 'row')} run"]
    if counted:
        parts.append(f"{len(good)} of {_many(len(counted), 'number')} agree or are better")
    if claims:
        parts.append(
            f"{len(held)} of {_many(len(claims), 'claim')} hold"
            + (f", {len(claims) - len(decided)} open" if len(decided) < len(claims) else "")
        )
    if not counted and not decided:
        return Verdict("not run", f"{parts[0]}, for which the paper has no number", claims)
    if ran == rows and len(good) == len(counted) and len(held) == len(claims):
        return Verdict("reproduced", "; ".join(parts), claims)
    return Verdict("partly" if good or held else "not", "; ".join(parts), claims)


def _needs(row: Row) -> str:
    """What keeps a row from being run on any machine."""
    return " and ".join(filter(None, ("a GPU" if row.minutes >= 0.6 else "", row.needs)))


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


# --- tables ----------------------------------------------------------------------------------------------------------


class Table:
    """Rows and columns of text, as HTML on a page and as plain text anywhere else."""

    def __init__(self, caption: str, columns: Iterable[str], rows: Iterable[Iterable[str]]):
        self.caption, self.columns = caption, list(columns)
        self.rows = [[str(cell) for cell in row] for row in rows]

    def __repr__(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([self.caption, *text])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{html.escape(c)}</th>' for c in self.columns)
        body = "".join(
            f'<tr><th scope="row">{html.escape(row[0])}</th>'
            + "".join(f"<td>{html.escape(c)}</td>" for c in row[1:])
            + "</tr>"
            for row in self.rows
        )
        caption = html.escape(self.caption, quote=True)
        return (
            f'<div role="region" tabindex="0" aria-label="{caption}" style="overflow-x: auto">'
            f'<table class="table"><caption>{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )


def _number(value: float, digits: int, signed: bool = False) -> str:
    if not math.isfinite(value):
        return ""
    return f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"


def _cells(line: Line) -> list[str]:
    digits = METRICS[line.metric][3]
    paper = line.paper if isinstance(line.paper, str) else "" if line.paper is None else _number(line.paper, digits)
    if not line.ours.runs:
        ours = "not run"
    elif line.ours.diverged == line.ours.runs:
        ours = "diverged"
    else:
        ours = _number(line.ours.mean, digits)
        if math.isfinite(line.ours.half):
            ours += f" ± {_number(line.ours.half, digits)}"
        if line.ours.diverged:
            ours += f" ({line.ours.diverged} of {line.ours.runs} diverged)"
    seeds = str(line.ours.runs) if line.ours.runs else ""
    return [METRICS[line.metric][0], paper, ours, seeds, _number(line.difference, digits, signed=True), line.word]


COLUMNS = ("measured", "paper", "ours", "seeds", "difference", "that is")


def _title(name: str, found: Found) -> str:
    """The title of an experiment; a miniature says that it is one."""
    made = [r for records in found.values() for r in records]
    mark = "MINIATURE, not a result. " if any(not r.measured for r in made) else ""
    return f"{mark}{name}: {EXPERIMENTS[name].title}"


def table(name: str, found: Found | None = None) -> Table:
    """Paper beside ours: every number of an experiment, with seeds and 95% intervals.

    Args:
        name: of the experiment.
        found: what `collect` gave; None reads the records.
    """
    found = _found(name, found)
    return Table(
        _title(name, found), ("row", *COLUMNS), ([line.row.name, *_cells(line)] for line in compare(name, found))
    )


def claims(name: str, found: Found | None = None) -> Table:
    """The claims of an experiment and what our runs say of them."""
    rows = []
    for claim, word, advantage, half in judge(name, found).claims:
        size = _number(advantage, METRICS[claim.metric][3], signed=bool(claim.worse))
        if size and half > 0 and math.isfinite(half):
            size += f" ± {_number(half, METRICS[claim.metric][3])}"
        rows.append([claim.text, size, word])
    return Table(f"{name}: what it claims", ("claim", "ours", "our runs say"), rows)


def settings(name: str) -> Table:
    """What is the same in all configurations of an experiment, and what differs, printed from them."""
    flat = [_flat(row.config) for row in EXPERIMENTS[name].rows]
    keys = list(dict.fromkeys(k for f in flat for k in f))
    rows = []
    for k in keys:
        values = list(dict.fromkeys(str(f.get(k, "")) for f in flat))
        rows.append([k, values[0] if len(values) == 1 else " | ".join(v for v in values if v)])
    return Table(f"{name}: settings of {_many(len(flat), 'row')}", ("setting", "value"), rows)


def _flat(config: Mapping, before: str = "") -> dict[str, str]:
    found = {}
    for k, value in config.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{k}.")
        else:
            found[f"{before}{k}"] = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
    return found


def cost(name: str, found: Found | None = None) -> str:
    """Minutes: measured where there are records, with the device, and estimated for a data-centre GPU elsewhere."""
    found, parts, spent = _found(name, found), [], {}
    for records in found.values():
        for record in records:
            if record.measured:
                device = record.provenance["device"]
                seconds, count = spent.get(device, (0.0, 0))
                spent[device] = (seconds + record.seconds, count + 1)
    for device, (seconds, count) in sorted(spent.items()):
        parts.append(f"measured: {seconds / 60:.1f} minutes for {_many(count, 'run')} on {device}")
    missing = [row for row in EXPERIMENTS[name].rows if not any(r.measured for r in found.get(row.name, []))]
    if missing:
        minutes = sum(row.minutes for row in missing)
        parts.append(f"estimated: about {minutes:.0f} GPU minutes per seed for {_many(len(missing), 'missing row')}")
    return "\n".join(parts)


def ledger(names: Iterable[str] | None = None) -> Table:
    """One table of all rows of all experiments: paper, ours, difference, what that means, and the record."""
    rows = []
    for name in names or EXPERIMENTS:
        for line in compare(name):
            files = ", ".join(f"{r.path.parent.name}/{r.path.stem}" for r in line.records)
            if not files and (needs := _needs(line.row)):
                files = f"needs {needs}"
            rows.append([f"{name}: {line.row.name}", *_cells(line), files])
    return Table("All rows", ("row", *COLUMNS, "record"), rows)


def verdicts(names: Iterable[str] | None = None) -> Table:
    """The verdict on every experiment, with its reason."""
    judged = [(name, judge(name)) for name in names or EXPERIMENTS]
    rows = [[name, EXPERIMENTS[name].title, WORDS[v.word], v.reason] for name, v in judged]
    return Table("Verdicts", ("id", "what", "verdict", "why"), rows)
