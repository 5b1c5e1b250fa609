"""Data sets as a few tensors: images are bytes (N, C, H, W), and batches are cut, flipped and mixed all at once.

A small-image data set fits into memory, on a GPU too, so there is no loader with workers and no image by image: a batch
is one gather that shuffles and crops, one flip, one scaling.

    >>> from hpn_lite import data
    >>> train, test = data.digits()                       # real digits, no download
    >>> len(train), len(test), tuple(train.x.shape[1:])
    (1347, 450, (1, 8, 8))
    >>> x, y = next(data.batches(train, 128))             # floats with mean 0 and deviation 1, and what they show

Larger sets (`mnist`, `cifar10`, `cifar100`, `tiny_imagenet`, `imagenet`, `paintings`, `omniart`) are looked for in the
folder that the environment variable HPN_LITE_DATA names, then in the user's cache folder; `download=True` fetches those
that are public. `rotated`, `long_tailed`, `imbalanced` and `held_out` make the papers' variants of any set.
"""

import csv
import dataclasses
import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Targets = Tensor | tuple[Tensor, ...]


@dataclasses.dataclass(eq=False)
class Images:
    """Images and what they show.

    x: (N, C, H, W) uint8; y: labels (N,) int64, values (N,) float, or a tuple of both; classes: names of the labels;
    mean, std: (C,) of pixels in [0, 1], to scale by, computed from x where not given; name: of the data set.
    """

    x: Tensor
    y: Targets
    classes: tuple[str, ...] = ()
    mean: Tensor | Sequence[float] | None = None
    std: Tensor | Sequence[float] | None = None
    name: str = ""

    def __post_init__(self):
        parts = self.y if isinstance(self.y, tuple) else (self.y,)
        for name, part in (("x", self.x), *(("y", part) for part in parts)):
            if not isinstance(part, Tensor):
                raise TypeError(f"{name} must be a torch.Tensor, got {type(part).__name__}; torch.as_tensor makes one")
        if self.x.dtype != torch.uint8 or self.x.dim() != 4:
            raise ValueError(
                f"images are uint8 of shape (N, C, H, W), got {self.x.dtype} of shape {tuple(self.x.shape)}"
            )
        if any(len(part) != len(self.x) for part in parts):
            raise ValueError(f"{len(self.x)} images, and targets for {[len(part) for part in parts]}")
        if self.mean is None or self.std is None:
            pixels = self.x.to(torch.float64) / 255
            self.mean = pixels.mean(dim=(0, 2, 3)) if self.mean is None else self.mean
            self.std = pixels.std(dim=(0, 2, 3)).clamp(min=1e-6) if self.std is None else self.std
        self.mean = torch.as_tensor(self.mean, dtype=torch.float32, device=self.x.device)
        self.std = torch.as_tensor(self.std, dtype=torch.float32, device=self.x.device)
        if self.mean.shape != self.std.shape or len(self.mean) != self.x.shape[1]:
            raise ValueError(f"{self.x.shape[1]} channels need as many means and deviations, got {len(self.mean)}")
        if not (self.mean.isfinite().all() and (self.std > 0).all() and self.std.isfinite().all()):
            raise ValueError(f"means must be finite and deviations positive, got {self.mean} and {self.std}")

    def __len__(self) -> int:
        return len(self.x)

    @property
    def labels(self) -> Tensor:
        """The class labels (N,), wherever in y they stand."""
        for part in self.y if isinstance(self.y, tuple) else (self.y,):
            if part.dtype == torch.int64:
                return part
        raise ValueError(f"{self.name or 'these images'} have values, no class labels")

    @cached_property
    def checksum(self) -> str:
        """Sixteen hexadecimal digits that stand for the content, images and targets (the start of a SHA-256)."""
        digest = hashlib.sha256()
        for part in (self.x, *(self.y if isinstance(self.y, tuple) else (self.y,))):
            digest.update(f"{part.dtype} {tuple(part.shape)}".encode())
            digest.update(part.cpu().contiguous().numpy())
        return digest.hexdigest()[:16]

    def subset(self, index) -> "Images":
        """The images at an index: a slice, a tensor or list of places, or a boolean mask."""
        if not isinstance(index, slice):
            index = torch.as_tensor(index, device=self.x.device)
            index = index if index.numel() else index.long()  # an empty list has no type
        return dataclasses.replace(self, x=self.x[index], y=_at(self.y, index))

    def to(self, device: torch.device | str) -> "Images":
        """The same images on another device."""
        if self.x.device == torch.device(device):
            return self
        y = tuple(part.to(device) for part in self.y) if isinstance(self.y, tuple) else self.y.to(device)
        moved = dataclasses.replace(self, x=self.x.to(device), y=y, mean=self.mean.to(device), std=self.std.to(device))
        if "checksum" in self.__dict__:
            moved.__dict__["checksum"] = self.checksum
        return moved

    def scaled(self, x: Tensor) -> Tensor:
        """Bytes (B, C, H, W) as floats with this set's mean 0 and deviation 1, in channels_last order."""
        shift, scale = self.mean.view(-1, 1, 1), (255 * self.std).view(-1, 1, 1)
        return x.float().div_(scale).sub_(shift / self.std.view(-1, 1, 1)).to(memory_format=torch.channels_last)

    def windows(self, crop: int) -> Tensor:
        """Windows of an image's size, `crop` black pixels around it: a view (N, C, 2 crop + 1, 2 crop + 1, H, W)."""
        if self.__dict__.get("_crop") != crop:
            self._crop, self._padded = crop, functional.pad(self.x, (crop,) * 4) if crop else self.x
        return self._padded.unfold(2, self.x.shape[2], 1).unfold(3, self.x.shape[3], 1)


class Mixed(NamedTuple):
    """Targets of a mixed-up batch: each image is weight * (one of y) + (1 - weight) * (one of other); weight >= 1/2."""

    y: Targets
    other: Targets
    weight: Tensor


def steps(count: int, size: int, *, keep_last: bool = True, world: int = 1) -> int:
    """How many batches of `size` one pass over `count` images has; a last one needs two images for each of `world`."""
    rest = count % size
    return count // size + (1 if keep_last and rest >= 2 * world else 0)


def batches(
    images: Images,
    size: int,
    generator: torch.Generator | None = None,
    *,
    crop: int = 0,
    flip: bool = False,
    mixup: float = 0.0,
    keep_last: bool = True,
    start: int = 0,
    rank: int = 0,
    world: int = 1,
) -> Iterator[tuple[Tensor, Targets | Mixed]]:
    """One pass over the images, in batches (x scaled floats (B, C, H, W), y), on the device where the images are.

    All random choices of the pass are drawn before its first batch, so a pass can be taken up again in its middle.

    Args:
        images: the data set.
        size: images in a batch, of all processes together.
        generator: a CPU generator, to shuffle and to augment; None for all images in their order, unchanged.
        crop: pad with so many black pixels, and cut a window of the old size anywhere.
        flip: mirror every second image, by chance.
        mixup: alpha of Zhang et al. 2018: images and targets are blended in pairs with a Beta(alpha, alpha) weight, and
            y is `Mixed`; 0 for none.
        keep_last: whether a last, smaller batch counts (a single image never does when shuffling).
        start: the batch to begin with.
        rank, world: with several processes, which part of every batch is ours.
    """
    if size < 1:
        raise ValueError(f"a batch has at least one image, got size={size}")
    count, device = len(images), images.x.device
    if generator is None:
        for low in range(start * size, count, size):
            index = slice(low, low + size)
            yield images.scaled(images.x[index]), _at(images.y, index)
        return
    passes = steps(count, size, keep_last=keep_last, world=world)
    order = torch.randperm(count, generator=generator).to(device)
    corner = torch.randint(2 * crop + 1, (2, count), generator=generator).to(device)
    mirrored = (torch.rand(count, generator=generator) < 0.5).to(device)
    if mixup:
        beta = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        weights = torch.as_tensor(beta.beta(mixup, mixup, size=passes), dtype=torch.float32)
        weights = torch.maximum(weights, 1 - weights).to(device)  # which of a pair is named first is chance anyway
    windows = images.windows(crop)

    def cut(places: Tensor) -> tuple[Tensor, Tensor]:
        index = order[places]
        x = windows[index, :, corner[0, places], corner[1, places]]  # (B, C, H, W), still bytes
        if flip:
            x = torch.where(mirrored[places].view(-1, 1, 1, 1), x.flip(-1), x)
        return images.scaled(x), index

    # On a GPU many batches are cut at once: launching so many small operations for each takes longer than they do.
    group = 1 if device.type == "cpu" or mixup or world > 1 else 32
    for step in range(start, passes):
        if group > 1:
            if step == start or step % group == 0:
                low = step - step % group
                many, indices = cut(torch.arange(low * size, min((low + group) * size, count), device=device))
            part = slice((step - low) * size, (step - low + 1) * size)
            yield many[part], _at(images.y, indices[part])
            continue
        places = torch.arange(step * size, min((step + 1) * size, count), device=device)
        x, index = cut(places[rank::world])
        if not mixup:
            yield x, _at(images.y, index)
            continue
        other_x, other = cut(places.roll(1)[rank::world])
        yield torch.lerp(other_x, x, weights[step]), Mixed(_at(images.y, index), _at(images.y, other), weights[step])


# ---- variants of a data set ----


def rotated(
    images: Images, keep: Sequence[int] = (2, 3, 4, 5, 7), max_angle: float = 180.0, *, seed: int = 0
) -> Images:
    """Some classes, every image turned by a random angle: what HPN-F6 learns, y = (labels, degrees).

    Args:
        images: labelled images.
        keep: the labels to keep, which become 0, 1, ... in this order (digits that look different when turned).
        max_angle: degrees, anticlockwise, drawn from 0 up to this.
        seed: of the angles.
    Raises:
        ValueError: if keep is empty, or one of it is no label of the images or is there twice.
    """
    labels, keep = images.labels, tuple(keep)
    there = range(max(int(labels.max()) + 1, len(images.classes)))
    if not keep or len(set(keep)) < len(keep) or not all(label in there for label in keep):
        raise ValueError(f"keep must be different labels of the images, 0 to {there[-1]}, got {keep}")
    chosen = torch.isin(labels, torch.tensor(list(keep), device=labels.device)).nonzero().flatten()
    new = torch.full((int(labels.max()) + 1 + max(keep),), -1, device=labels.device)
    new[torch.tensor(list(keep), device=labels.device)] = torch.arange(len(keep), device=labels.device)
    generator = torch.Generator().manual_seed(seed)
    degrees = (torch.rand(len(chosen), generator=generator) * max_angle).to(images.x.device)
    turned = torch.empty_like(images.x[chosen])
    for low in range(0, len(chosen), 4096):
        part = slice(low, low + 4096)
        angle = torch.deg2rad(degrees[part])
        turn = torch.zeros(len(angle), 2, 3, device=angle.device)  # where in the old image each new pixel comes from
        turn[:, 0, 0] = turn[:, 1, 1] = angle.cos()
        turn[:, 0, 1], turn[:, 1, 0] = -angle.sin(), angle.sin()
        x = images.x[chosen[part]].float()
        grid = functional.affine_grid(turn, list(x.shape), align_corners=False)
        turned[part] = functional.grid_sample(x, grid, align_corners=False).round().to(torch.uint8)
    classes = tuple(images.classes[label] for label in keep) if images.classes else ()
    return Images(turned, (new[labels[chosen]], degrees), classes, images.mean, images.std, f"{images.name} rotated")


def long_tailed(images: Images, factor: float, *, seed: int = 0) -> Images:
    """Fewer and fewer images of each class: class c of K keeps n factor^(c/(K-1)), where n is the largest class.

    Args:
        images: labelled images.
        factor: images of the last class over images of the first, such as 0.01.
        seed: which images are kept.
    Raises:
        ValueError: if factor is not in (0, 1].
    Source: Cui et al. 2019; LPA-S2.
    """
    if not 0 < factor <= 1:
        raise ValueError(f"factor is the last class's share of the first, above 0 and at most 1, got {factor}")
    count = torch.bincount(images.labels.cpu())
    classes = len(count)
    wanted = [int(int(count.max()) * factor ** (c / max(classes - 1, 1))) for c in range(classes)]
    return _keep(images, wanted, seed, f"{images.name} long-tailed {factor:g}")


def imbalanced(images: Images, keep: Mapping[int, float], *, seed: int = 0) -> Images:
    """Some classes made rare, as in MHE-F4 and T7.

    Args:
        images: labelled images.
        keep: label -> the share of its images that stays; {0: 0.02} removes 98% of the zeros.
        seed: which images are kept.
    Raises:
        ValueError: if a label does not exist or a share is not in [0, 1].
    """
    count = torch.bincount(images.labels.cpu()).tolist()
    for label, share in keep.items():
        if not (0 <= label < len(count) and 0 <= share <= 1):
            raise ValueError(f"labels are 0 to {len(count) - 1} and shares 0 to 1, got {label}: {share}")
    wanted = [round(n * keep.get(label, 1.0)) for label, n in enumerate(count)]
    return _keep(images, wanted, seed, f"{images.name} imbalanced")


def held_out(train: Images, test: Images, count: int, *, seed: int = 0) -> tuple[Images, Images, Images]:
    """Some classes kept out of training, for verification on classes that the net never saw (MHE-T8, T9).

    Args:
        train, test: labelled images.
        count: how many classes are kept out; two must be left on either side.
        seed: which classes.
    Returns:
        Training images and test images of the known classes, whose labels become 0, 1, ... in their old order, and the
        test images of the others, with labels of their own.
    Raises:
        ValueError: if there are too few classes.
    """
    classes = int(torch.cat([train.labels.cpu(), test.labels.cpu()]).max()) + 1
    if not 2 <= count <= classes - 2:
        raise ValueError(f"of {classes} classes 2 to {classes - 2} can be kept out, got {count}")
    order = torch.randperm(classes, generator=torch.Generator().manual_seed(seed))
    unseen, known = order[:count].sort().values, order[count:].sort().values

    def only(images: Images, chosen: Tensor, word: str) -> Images:
        part = images.subset(torch.isin(images.labels.cpu(), chosen))
        names = tuple(images.classes[k] for k in chosen) if images.classes else ()
        y = torch.searchsorted(chosen, part.labels.cpu()).to(part.x.device)
        return dataclasses.replace(part, y=y, classes=names, name=f"{images.name}, {len(chosen)} classes {word}")

    return only(train, known, "known"), only(test, known, "known"), only(test, unseen, "unseen")


def _keep(images: Images, wanted: Sequence[int], seed: int, name: str) -> Images:
    generator = torch.Generator().manual_seed(seed)
    chosen = []
    for label, number in enumerate(wanted):
        places = (images.labels.cpu() == label).nonzero().flatten()
        chosen.append(places[torch.randperm(len(places), generator=generator)[:number]])
    return dataclasses.replace(images.subset(torch.cat(chosen).sort().values), name=name)


def _at(y: Targets, index) -> Targets:
    return tuple(part[index] for part in y) if isinstance(y, tuple) else y[index]


# ---- the data sets ----


def digits(seed: int = 0) -> tuple[Images, Images]:
    """The 1,797 handwritten digits that come with scikit-learn, 8x8: (train, test) with 1,347 and 450 images.

    Args:
        seed: of the split, which keeps the share of every digit.
    Source: Alpaydin and Kaynak 1998.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise ImportError("the digits come with scikit-learn: pip install scikit-learn") from error
    raw = load_digits()
    x = torch.from_numpy((raw.images * (255 / 16)).round().astype(np.uint8))[:, None]  # values 0 to 16 in the source
    y = torch.from_numpy(raw.target.astype(np.int64))
    first, second = train_test_split(np.arange(len(y)), test_size=450, random_state=seed, stratify=raw.target)
    whole = Images(x, y, tuple("0123456789"), name="digits")
    train = Images(x[first], y[first], whole.classes, name="digits")
    return train, Images(x[second], y[second], whole.classes, train.mean, train.std, "digits test")


def mnist(*, download: bool = False) -> tuple[Images, Images]:
    """MNIST, 28x28 digits: (train, test) with 60,000 and 10,000 images.

    Args:
        download: fetch it where it is not found.
    Source: LeCun et al. 1998.
    """
    return _torchvision("MNIST", "mnist", "MNIST/raw", (0.1307,), (0.3081,), download)


def cifar10(*, download: bool = False) -> tuple[Images, Images]:
    """CIFAR-10, 32x32 photographs of 10 classes: (train, test) with 50,000 and 10,000 images; download as in `mnist`.

    Source: Krizhevsky 2009.
    """
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    return _torchvision("CIFAR10", "cifar10", "cifar-10-batches-py", mean, std, download)


def cifar100(*, download: bool = False) -> tuple[Images, Images]:
    """CIFAR-100, 32x32 photographs of 100 classes: (train, test) with 50,000 and 10,000; download as in `mnist`.

    Source: Krizhevsky 2009; scaled as in HPN's public code.
    """
    mean, std = (0.507, 0.487, 0.441), (0.267, 0.256, 0.276)
    return _torchvision("CIFAR100", "cifar100", "cifar-100-python", mean, std, download)


def tiny_imagenet(*, download: bool = False) -> tuple[Images, Images]:
    """Tiny ImageNet, the papers' ImageNet-200, 64x64: (train, test) with 100,000 and 10,000 images (its val folder).

    Args:
        download: fetch it (237 MB) where it is not found.
    """
    place = "tiny-imagenet-200"
    root = find(place)
    if root is None and download:
        address, md5 = "http://cs231n.stanford.edu/tiny-imagenet-200.zip", "90528d7ca1a48142e341f4ef8d21d0de"
        utils = _import("torchvision.datasets.utils")
        root = _attempt("tiny_imagenet", place, lambda r: utils.download_and_extract_archive(address, r, md5=md5))
    if root is None:
        raise FileNotFoundError(_ways_out("tiny_imagenet", place))
    root = root / place
    names = (root / "wnids.txt").read_text().split()
    words = dict(line.split("\t", 1) for line in (root / "words.txt").read_text().splitlines() if "\t" in line)
    classes = tuple(words.get(name, name).split(",")[0] for name in names)
    train = [(f, k) for k, name in enumerate(names) for f in sorted((root / "train" / name / "images").iterdir())]
    lines = [line.split("\t") for line in (root / "val/val_annotations.txt").read_text().splitlines()]
    test = [(root / "val/images" / line[0], names.index(line[1])) for line in lines]
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as in HPN's public code
    found = []
    for part, name in ((train, "tiny_imagenet"), (test, "tiny_imagenet test")):
        x = _pictures([file for file, _ in part], 64)
        found.append(Images(x, torch.tensor([label for _, label in part]), classes, mean, std, name))
    return found[0], found[1]


def imagenet(size: int = 112) -> tuple[Images, Images]:
    """ImageNet-1K in folders, one for each class: imagenet/train/<class>/<image> and imagenet/val/<class>/<image>.

    This is the layout of torchvision's ImageFolder; classes are numbered in the order of their folders' names. Images
    are cut to their middle square and held as bytes like all others: 48 GB at the default size, 16 GB at 64.

    Args:
        size: of the square images; the papers' are 224, for which there is no room here.
    Raises:
        FileNotFoundError: if the folder is not there; ImageNet has to be asked for.
        ValueError: if the folders of the two parts differ, or one is empty.
    Source: Russakovsky et al. 2015.
    """
    place = "imagenet/train"
    root = find(place)
    if root is None:
        raise FileNotFoundError(_ways_out("imagenet", place))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    found, classes = [], ()
    for part in ("train", "val"):
        folder = root / "imagenet" / part
        names = tuple(sorted(f.name for f in folder.iterdir() if f.is_dir())) if folder.is_dir() else ()
        classes = classes or names
        files = {name: sorted((folder / name).iterdir()) for name in names}
        if names != classes or not all(files.values()):
            raise ValueError(
                f"{folder} must have a folder with images for each of the {len(classes)} classes of training, and has "
                f"{len(names)}, {sum(not f for f in files.values())} of them empty; the official images of val come "
                "without folders and have to be sorted into them first"
            )
        y = torch.tensor([k for k, name in enumerate(classes) for _ in files[name]])
        x, start = torch.empty(len(y), 3, size, size, dtype=torch.uint8), 0
        for name in classes:  # class by class: all at once would hold everything twice
            x[start : start + len(files[name])] = _pictures(files[name], size)
            start += len(files[name])
        found.append(Images(x, y, classes, mean, std, "imagenet" if part == "train" else "imagenet test"))
    return found[0], found[1]


def paintings(size: int = 64, *, seed: int = 0) -> tuple[Images, Images]:
    """A folder `paintings` with images/ and paintings.csv (file, author, title, year); y is the year, a float.

    Args:
        size: of the square images.
        seed: of the split, three quarters for training.
    """
    root = find("paintings/paintings.csv")
    if root is None:
        raise FileNotFoundError(_ways_out("paintings", "paintings/paintings.csv"))
    rows = _table(root / "paintings/paintings.csv", ("file", "year"))
    x = _pictures([root / "paintings/images" / row["file"] for row in rows], size)
    years = torch.tensor([float(row["year"]) for row in rows])
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    cut = len(rows) - len(rows) // 4
    train = Images(x[order[:cut]], years[order[:cut]], name="paintings")
    test = Images(x[order[cut:]], years[order[cut:]], (), train.mean, train.std, "paintings test")
    return train, test


def omniart(target: str = "year", size: int = 64) -> tuple[Images, Images]:
    """OmniArt as HPN's public code reads it: a folder `omniart` with train/, test/ and two tables.

    The tables train_complete.csv and test_complete.csv have columns omni_id (the image is train/<omni_id>.jpg),
    creation_year, and school (the style); rows whose style never occurs in training are left out where styles count.

    Args:
        target: "year" (y is a float), "style" (labels), or "both" (labels, years).
        size: of the square images; the paper's are 224.
    """
    if target not in ("year", "style", "both"):
        raise ValueError(f'target is "year", "style" or "both", got {target!r}')
    root = find("omniart/train_complete.csv")
    if root is None:
        raise FileNotFoundError(_ways_out("omniart", "omniart/train_complete.csv"))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    found, styles = [], ()
    for part in ("train", "test"):
        rows = _table(root / f"omniart/{part}_complete.csv", ("omni_id", "creation_year", "school"))
        if part == "train":
            styles = tuple(sorted({row["school"] for row in rows}))
        if target != "year":
            rows = [row for row in rows if row["school"] in styles]
        years = torch.tensor([float(row["creation_year"]) for row in rows])
        y: Targets = years
        if target != "year":
            labels = torch.tensor([styles.index(row["school"]) for row in rows])
            y = labels if target == "style" else (labels, years)
        x = _pictures([root / "omniart" / part / f"{row['omni_id']}.jpg" for row in rows], size)
        found.append(Images(x, y, () if target == "year" else styles, mean, std, f"omniart {part}"))
    return found[0], found[1]


SETS = (digits, mnist, cifar10, cifar100, tiny_imagenet, imagenet, paintings, omniart)


# ---- where they are ----


def folders() -> list[Path]:
    """Where data sets are looked for: $HPN_LITE_DATA if set, then the user's cache. Downloads go to the first."""
    named = os.environ.get("HPN_LITE_DATA")
    home = {"win32": os.environ.get("LOCALAPPDATA"), "darwin": "~/Library/Caches"}.get(sys.platform)
    cache = Path(home or os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "hpn_lite"
    return [Path(named).expanduser(), cache] if named else [cache]


def find(place: str) -> Path | None:
    """The first of `folders()` in which the file or folder `place` exists."""
    return next((folder for folder in folders() if (folder / place).exists()), None)


def _ways_out(name: str, place: str) -> str:
    where = " and ".join(str(folder) for folder in folders())
    fetch = f"data.{name}(download=True) fetches it into {folders()[0]}"
    if name in ("paintings", "omniart", "imagenet"):
        fetch = "ask its authors for a copy (it has no public download)"
    return (
        f"{name} was not found: looked for {place} in {where}. Three ways out: {fetch}; or set the environment "
        f"variable HPN_LITE_DATA to a folder that has {place}; or use data.digits(), which needs no download."
    )


def _import(module: str):
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = {"PIL": "pillow"}.get(module.split(".")[0], module.split(".")[0])
        raise ImportError(f"this data set is read through {package}: pip install {package}") from error


def _attempt(name: str, place: str, fetch: Callable[[str], object]) -> Path:
    root = folders()[0]
    root.mkdir(parents=True, exist_ok=True)
    try:
        fetch(str(root))
    except Exception as error:  # no network, no space, a wrong checksum: whatever it is, the ways out are the same
        raise OSError(
            f"downloading {name} failed ({type(error).__name__}: {error}). {_ways_out(name, place)}"
        ) from error
    return root


def _torchvision(kind: str, name: str, place: str, mean, std, download: bool) -> tuple[Images, Images]:
    root = find(place)
    if root is None and not download:
        raise FileNotFoundError(_ways_out(name, place))
    make = getattr(_import("torchvision.datasets"), kind)
    if root is None:
        root = _attempt(name, place, lambda r: make(r, train=True, download=True))
    found = []
    for train in (True, False):
        raw = make(str(root), train=train, download=False)  # checks its files' MD5 sums
        x = torch.as_tensor(raw.data)
        x = x[:, None] if x.dim() == 3 else x.permute(0, 3, 1, 2).contiguous()
        y = torch.as_tensor(raw.targets, dtype=torch.int64)
        classes = tuple(label.split(" ")[0] for label in raw.classes) if kind == "MNIST" else tuple(raw.classes)
        found.append(Images(x, y, classes, mean, std, name if train else f"{name} test"))
    return found[0], found[1]


def _table(file: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    with open(file, newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{file} needs the columns {', '.join(columns)}; {', '.join(missing)} missing")
        return list(reader)


def _pictures(files: Sequence[Path], size: int) -> Tensor:
    image, operations = _import("PIL.Image"), _import("PIL.ImageOps")

    def one(file: Path) -> np.ndarray:
        with image.open(file) as picture:  # the middle square, in three colours
            return np.asarray(operations.fit(picture.convert("RGB"), (size, size)))

    with ThreadPoolExecutor() as pool:
        x = np.empty((len(files), size, size, 3), dtype=np.uint8)
        for place, picture in enumerate(pool.map(one, files)):
            x[place] = picture
    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()
