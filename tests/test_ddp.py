"""Two processes that train together: the same curve as one process with the same batches, and heads that agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import ddp_worker
import pytest
import torch.distributed as dist

if not (dist.is_available() and dist.is_gloo_available()):
    pytest.skip("this PyTorch has no gloo", allow_module_level=True)

TESTS = Path(__file__).parent
NAMES = [
    "prototypes, mean", "prototypes, sum", "softmax, mean", "softmax, mixup", "nearest mean, condensation",
    "nearest mean, decay",
]  # fmt: skip


@pytest.fixture(scope="module")
def ranks(tmp_path_factory) -> list[dict]:
    folder = tmp_path_factory.mktemp("ddp")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*command, str(TESTS / "ddp_worker.py"), str(folder)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(2)] + [
        json.loads((folder / "out.json").read_text())
    ]


@pytest.fixture(scope="module")
def alone() -> dict:
    return ddp_worker.runs()


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_follow_the_curve_of_one(ranks, alone, name):
    assert len(alone) == len(NAMES)
    for found in (ranks[0][name], ranks[1][name]):
        for ours, one in zip(found["rows"], alone[name]["rows"], strict=True):
            assert ours["loss"] == pytest.approx(one["loss"], rel=1e-4)
            assert ours["accuracy"] == pytest.approx(one["accuracy"], abs=1e-6)
        assert found["weights"] == pytest.approx(alone[name]["weights"], abs=1e-3)
    losses = [row["loss"] for row in alone[name]["rows"]]
    assert losses[-1] != pytest.approx(losses[0], rel=0.02), "nothing was learnt, so nothing was compared"


@pytest.mark.parametrize("name", NAMES)
def test_processes_hold_the_same_head(ranks, name):
    assert ranks[0][name]["head"] == ranks[1][name]["head"]
    assert ranks[0][name]["weights"] == ranks[1][name]["weights"]


def test_means_are_those_of_all_images(ranks, alone):
    for name in NAMES[-2:]:
        ours, one = ranks[0][name]["head"], alone[name]["head"]
        assert ours["steps"] == one["steps"] == 12 and ours["counts"] == one["counts"]
        for mean, wanted in zip(ours["means"], one["means"], strict=True):
            assert mean == pytest.approx(wanted, abs=1e-4)


def test_processes_stop_and_go_on_together(ranks, alone):
    for turn in range(3):
        first, second = (found[f"piece {turn}"] for found in ranks[:2])
        assert len(first["rows"]) == len(second["rows"]) == turn + 1
        assert first["stopped"] == second["stopped"] == ("" if turn == 2 else "time")
    for found in ranks[:2]:
        ours = [row["loss"] for row in found["piece 2"]["rows"]]
        assert ours == pytest.approx([row["loss"] for row in alone["prototypes, mean"]["rows"]], rel=1e-4)


def test_the_shell_starts_under_torchrun(ranks):
    assert ranks[2]["finished"] and "accuracy" in ranks[2]["final"]
