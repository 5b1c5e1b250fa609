"""Benchmarks of many small runs: one row each, written to a record as it ends, so that a stopped benchmark goes on.

`rare.py` and `tails.py` are made of it: they give a table of experiments, each with its plan and the function that runs
one of its jobs.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import torch

from hpn_lite import data, records


def as_text(record: dict, rows: list[dict]) -> str:
    """The record as JSON with one run on each line."""
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    return json.dumps(record, indent=1)[:-2] + f',\n "runs": [\n{lines}\n ]\n}}\n'


def main(doc: str, benchmarks: Mapping[str, Mapping]) -> None:
    """The shell of a benchmark.

    Args:
        doc: its __doc__.
        benchmarks: name -> {"run": a function of one job, "plan": seeds -> jobs, "keys": what a row calls the parts of
            a job, "seeds": how many, "settings": for the record, "sets": seeds -> pairs of images; default the digits}.
    """
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("what", choices=benchmarks)
    parser.add_argument("record", type=Path)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--only", default="", help="runs whose settings, written with commas, begin so")
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = benchmarks[options.what]
    seeds = options.seeds or chosen["seeds"]
    rows = json.loads(options.record.read_text())["runs"] if options.record.exists() else []
    done = {tuple(r[k] for k in chosen["keys"]) for r in rows}
    sets = chosen.get("sets", lambda n: [data.digits(seed) for seed in range(n)])(seeds)
    record = {
        "what": options.what,
        "settings": chosen["settings"],
        "data_checksums": [[part.checksum for part in parts] for parts in sets],
        "provenance": records.provenance(),
    }
    for job in chosen["plan"](seeds):
        if job in done or not ",".join(map(str, job)).startswith(options.only):
            continue
        rows.append(chosen["run"](*job))
        print(*job, {k: v for k, v in rows[-1].items() if isinstance(v, float)}, flush=True)
        options.record.parent.mkdir(parents=True, exist_ok=True)
        options.record.write_text(as_text(record, rows))
