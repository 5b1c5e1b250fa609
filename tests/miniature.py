"""Data sets in miniature: a handful of made-up images in the folders and files of the real ones.

`make(root)` lays them out as data.mnist, data.cifar100, data.imagenet and the others expect them, so that
whatever runs at full scale can be tried from end to end in seconds. Nothing that is learnt from them means anything.
"""

from __future__ import annotations

import csv
import pickle
from pathlib import Path

import numpy as np

WORDS = [f"thing{i}" for i in range(200)]  # class names


def make(root: Path) -> Path:
    """All of them below root; returns root."""
    rng = np.random.default_rng(0)
    mnist(root / "MNIST" / "raw", rng)
    cifar100(root / "cifar-100-python", rng)
    cifar10(root / "cifar-10-batches-py", rng)
    tiny_imagenet(root / "tiny-imagenet-200", rng)
    imagenet(root / "imagenet", rng)
    omniart(root / "omniart", rng)
    vectors(root / "word_vectors", rng)
    return root


def mnist(folder: Path, rng: np.random.Generator, count: int = 60) -> None:
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        images, labels = _bytes(rng, count, 28, 28), (np.arange(count) % 10).astype(np.uint8)
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
            (folder / f"{part}-{name}-ubyte").write_bytes(head + array.tobytes())


def cifar100(folder: Path, rng: np.random.Generator, classes: int = 100) -> None:
    """torchvision checks the MD5 sums of these files; a test has to turn that off."""
    folder.mkdir()
    labels = [k for k in range(classes) for _ in range(2)]
    rng.shuffle(labels)
    for part in ("train", "test"):
        content = {"data": _bytes(rng, len(labels), 3072), "fine_labels": labels, "coarse_labels": [0] * len(labels)}
        (folder / part).write_bytes(pickle.dumps(content))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": WORDS[:classes], "coarse_label_names": ["all"]}))


def cifar10(folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir()
    for part in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        content = {"data": _bytes(rng, 20, 3072), "labels": [k % 10 for k in range(20)]}
        (folder / part).write_bytes(pickle.dumps(content))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": WORDS[:10]}))


def tiny_imagenet(root: Path, rng: np.random.Generator, classes: int = 200) -> None:
    ids = [f"n{i:08d}" for i in range(classes)]
    for name in ids:
        _picture(rng, root / "train" / name / "images" / f"{name}_0.JPEG", 64)
    lines = []
    for i in range(20):
        _picture(rng, root / "val" / "images" / f"val_{i}.JPEG", 64)
        lines.append(f"val_{i}.JPEG\t{ids[i * 7]}\t0\t0\t63\t63\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    (root / "wnids.txt").write_text("\n".join(ids) + "\n")
    words = "".join(f"{i}\t{word}, something else\n" for i, word in zip(ids, WORDS, strict=False))
    (root / "words.txt").write_text(words)


def imagenet(root: Path, rng: np.random.Generator, classes: int = 12) -> None:
    for part, count in (("train", 3), ("val", 1)):
        for i in range(classes):
            for k in range(count):
                _picture(rng, root / part / f"n{i:08d}" / f"{part}_{i}_{k}.JPEG", 130)


def omniart(root: Path, rng: np.random.Generator, count: int = 24) -> None:
    schools = ["dutch", "french", "italian", "flemish"]
    for part in ("train", "test"):
        rows = []
        for i in range(count):
            _picture(rng, root / part / f"{i}.jpg", 80)
            year = 1500 + 400 * i // (count - 1)
            rows.append({"omni_id": i, "creation_year": year, "school": schools[i % 4]})
        with (root / f"{part}_complete.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)


def vectors(folder: Path, rng: np.random.Generator, width: int = 99) -> None:
    """Word vectors of the 200 names, in the place of those of CIFAR-100's."""
    folder.mkdir()
    rows = [f"{word} {' '.join(f'{v:.4f}' for v in rng.normal(size=width))}\n" for word in WORDS]
    (folder / "cifar100_word2vec.99d.txt").write_text(f"{len(WORDS)} {width}\n{''.join(rows)}")


def _bytes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 256, shape, dtype=np.uint8)


def _picture(rng: np.random.Generator, path: Path, size: int) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(_bytes(rng, size, size, 3)).save(path)
