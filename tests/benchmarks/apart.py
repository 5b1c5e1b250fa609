"""Benchmarks of memory: parts that are measured each in a process of its own, and written to a record as they end.

`large.py` and `million.py` are made of it: they give a `measure` that runs one part and says what it took.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from hpn_lite import records


def peak() -> int:
    """Most memory that this process has had so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def timed(part: Callable[[], dict]) -> dict:
    """What a part gives back, with its seconds and the load of the machine."""
    wall, cpu = time.perf_counter(), time.process_time()
    return part() | {
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "load_average": round(os.getloadavg()[0], 1),
    }


def main(doc: str, script: str, name: str, parts: Iterable[str], measure: Callable[[str], dict]) -> None:
    """The shell of a benchmark: its parts, one process each; parts that were measured earlier stay in the record.

    Args:
        doc, script: the benchmark's __doc__ and __file__.
        name: under which the record holds its rows.
        parts: their names.
        measure: a name -> a row, run in the part's own process.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="where to write the JSON record")
    parser.add_argument("--parts", nargs="+", choices=list(parts), default=list(parts))
    parser.add_argument("--alone", action="store_true", help="measure in this process and print (used by itself)")
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(measure(options.parts[0])))
        return
    record = {"provenance": records.provenance(), name: []}
    if options.record.exists():
        earlier = json.loads(options.record.read_text())[name]
        record[name] = [row for row in earlier if row["part"] not in options.parts]
    options.record.parent.mkdir(parents=True, exist_ok=True)
    for part in options.parts:
        command = [sys.executable, script, str(options.record), "--alone", "--parts", part]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        record[name].append(row)
        print(row, flush=True)
        options.record.write_text(json.dumps(record, indent=1) + "\n")
