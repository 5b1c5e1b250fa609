"""What a chapter takes when a student runs it from top to bottom: the kernel's peak memory, and seconds.

    python tests/benchmarks/room.py RECORD.json [03 12 ...]     # all chapters, or those whose file name begins so

Each chapter is executed in a kernel of its own and nothing of it is stored. The peak is that of the kernel's resident
memory, which is what a shared machine has to hold for each student; JupyterLab itself comes on top, once for each user
on a hub. Seconds depend on who else uses the machine. The record is written after every chapter. It holds software,
hardware and date. Run with OMP_NUM_THREADS=1. The instructor's guide quotes it.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import notebooks  # noqa: E402
import rules  # noqa: E402

from hpn_lite import records  # noqa: E402


def one(path: Path) -> dict:
    """Execute a chapter; the kernel is the only child of this process, so the children's peak is the kernel's."""
    import nbformat
    from nbclient import NotebookClient

    nb = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    NotebookClient(
        nb, timeout=1200, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    seconds = time.perf_counter() - start
    kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return {"chapter": path.stem, "mebibytes": round(kilobytes / 1024), "seconds": round(seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("record", type=Path)
    parser.add_argument("chapters", nargs="*")
    parser.add_argument("--one", action="store_true", help="print the row of one chapter; used by the others")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.record)))
        return
    rows = json.loads(given.record.read_text())["rows"] if given.record.exists() else []
    for path in notebooks.find():
        if not rules.is_chapter(path) or given.chapters and not path.name.startswith(tuple(given.chapters)):
            continue
        done = subprocess.run([sys.executable, __file__, path, "--one"], check=True, capture_output=True, text=True)
        row = json.loads(done.stdout.splitlines()[-1])
        rows = sorted([r for r in rows if r["chapter"] != row["chapter"]] + [row], key=lambda r: r["chapter"])
        provenance = records.provenance("cpu")
        given.record.write_text(json.dumps({"provenance": provenance, "rows": rows}, indent=1) + "\n")
        print(row, flush=True)


if __name__ == "__main__":
    main()
