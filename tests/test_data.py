"""Data as tensors: batches against a plain loop over images, variants, folder layouts, and what is not there."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
import torch

from hpn_lite import data


def some(n: int = 24, channels: int = 3, size: int = 6, classes: int = 4, seed: int = 0) -> data.Images:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=generator)
    return data.Images(x, torch.arange(n) % classes, tuple("abcd"), name="some")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plain(images: data.Images, size: int, generator: torch.Generator, crop: int, flip: bool) -> list:
    """The same pass, image by image and pixel by pixel, from the same random numbers."""
    n, (channels, height, width) = len(images), images.x.shape[1:]
    order = torch.randperm(n, generator=generator)
    corner = torch.randint(2 * crop + 1, (2, n), generator=generator)
    mirrored = torch.rand(n, generator=generator) < 0.5
    out = []
    for low in range(0, n, size):
        batch = []
        for place in range(low, min(low + size, n)):
            image = images.x[order[place]].numpy()
            padded = np.zeros((channels, height + 2 * crop, width + 2 * crop), dtype=np.uint8)
            padded[:, crop : crop + height, crop : crop + width] = image
            top, left = corner[:, place].tolist()
            window = padded[:, top : top + height, left : left + width]
            if flip and mirrored[place]:
                window = window[:, :, ::-1]
            mean, std = images.mean.numpy()[:, None, None], images.std.numpy()[:, None, None]
            batch.append((window / 255 - mean) / std)
        out.append((torch.tensor(np.array(batch)), images.labels[order[low : low + size]]))
    return out


@pytest.mark.parametrize(("crop", "flip"), [(0, False), (0, True), (2, False), (2, True)])
def test_batches_agree_with_a_plain_loop(crop, flip):
    images = some()
    ours = list(data.batches(images, 10, seeded(3), crop=crop, flip=flip))
    theirs = plain(images, 10, seeded(3), crop, flip)
    assert [len(x) for x, _ in ours] == [10, 10, 4]
    for (x, y), (wanted, labels) in zip(ours, theirs, strict=True):
        assert x.dtype == torch.float32
        torch.testing.assert_close(x, wanted.float(), atol=1e-5, rtol=1e-5)
        assert torch.equal(y, labels)


def test_crops_and_flips_are_uniform():
    """A single bright pixel shows where every window was cut and whether it was mirrored."""
    x = torch.zeros(4000, 1, 5, 5, dtype=torch.uint8)
    x[:, :, 2, 1] = 255
    images = data.Images(x, torch.zeros(4000, dtype=torch.int64), mean=(0.0,), std=(1.0,))
    batch, _ = next(data.batches(images, 4000, seeded(), crop=1, flip=True))
    places = batch.flatten(1).argmax(1)
    rows, columns = torch.bincount(places // 5, minlength=5) / 4000, torch.bincount(places % 5, minlength=5) / 4000
    third = 1 / 3
    spread = 4 * math.sqrt(third / 4000)
    torch.testing.assert_close(rows, torch.tensor([0, third, third, third, 0]), atol=spread, rtol=0)
    half = torch.tensor([1, 1, 2, 1, 1]) / 6  # columns 0 to 2, and mirrored 4 to 2
    torch.testing.assert_close(columns, half, atol=spread, rtol=0)


def test_mixup_blends_images_and_targets_alike():
    images = some(n=20)
    seen = []
    for (x, y), (raw, labels) in zip(
        data.batches(images, 5, seeded(1), crop=1, flip=True, mixup=1.0),
        data.batches(images, 5, seeded(1), crop=1, flip=True),
        strict=True,
    ):
        assert isinstance(y, data.Mixed)
        w = y.weight
        torch.testing.assert_close(x, w * raw + (1 - w) * raw.roll(1, 0))
        assert torch.equal(y.y, labels) and torch.equal(y.other, labels.roll(1))
        assert 0.5 <= float(w) <= 1
        seen.append(float(w))
    assert len(set(seen)) == 4


def test_mixup_weights_follow_the_beta_distribution():
    images = some(n=4000, channels=1, size=1)
    weights = torch.stack([y.weight for _, y in data.batches(images, 2, seeded(), mixup=1.0)])
    assert float(weights.mean()) == pytest.approx(0.75, abs=0.02)  # uniform on [1/2, 1]
    assert float(weights.var()) == pytest.approx(0.25**2 / 3, rel=0.1)


def test_every_image_comes_once_and_in_a_new_order():
    images = some(n=50, channels=1, size=2)
    images = data.Images(images.x, torch.arange(50))
    generator = seeded()
    first, second = (torch.cat([y for _, y in data.batches(images, 8, generator)]) for _ in range(2))
    assert torch.equal(first.sort().values, torch.arange(50)) and torch.equal(second.sort().values, torch.arange(50))
    assert not torch.equal(first, second)
    still = torch.cat([y for _, y in data.batches(images, 8)])
    assert torch.equal(still, torch.arange(50))


def test_a_pass_can_be_taken_up_in_its_middle():
    images = some()
    options = {"crop": 1, "flip": True, "mixup": 0.5}
    whole = list(data.batches(images, 5, seeded(9), **options))
    rest = list(data.batches(images, 5, seeded(9), start=2, **options))
    assert len(rest) == len(whole) - 2 == 3
    for (x, y), (again, same) in zip(whole[2:], rest, strict=True):
        assert torch.equal(x, again) and torch.equal(y.y, same.y) and torch.equal(y.weight, same.weight)


@pytest.mark.parametrize("mixup", [0.0, 1.0])
def test_processes_share_a_batch(mixup):
    images = some(n=22)
    whole = list(data.batches(images, 8, seeded(2), crop=1, mixup=mixup))
    parts = [list(data.batches(images, 8, seeded(2), crop=1, mixup=mixup, rank=r, world=2)) for r in range(2)]
    assert [len(x) for x, _ in whole] == [8, 8, 6]
    for (x, _), (even, _), (odd, _) in zip(whole, *parts, strict=True):
        torch.testing.assert_close(torch.stack([even, odd], 1).flatten(0, 1), x)


def test_steps_counts_batches():
    for n in (1, 2, 9, 10, 11, 12):
        images = some(n=n)
        for keep_last in (True, False):
            count = len(list(data.batches(images, 5, seeded(), keep_last=keep_last)))
            assert count == data.steps(n, 5, keep_last=keep_last)
    assert data.steps(11, 5) == 2 and data.steps(12, 5) == 3  # a batch of one image has no variance
    assert data.steps(50_000, 128) == 391 and data.steps(50_000, 128, keep_last=False) == 390


def test_scaled_has_mean_zero_and_deviation_one():
    images = some(n=200)
    x = images.scaled(images.x)
    assert float(x.mean(dim=(0, 2, 3)).abs().max()) < 1e-5
    torch.testing.assert_close(x.std(dim=(0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_checksum_stands_for_the_content():
    images, same = some(), some()
    assert images.checksum == same.checksum != some(seed=1).checksum
    assert images.subset(slice(0, 5)).checksum != images.checksum
    turned = data.Images(same.x, same.y.flip(0))
    assert turned.checksum != images.checksum


def test_subset_takes_any_index():
    images = data.Images(some().x, (some().y, torch.arange(24.0)))
    mask = images.labels == 2
    for index in (mask, mask.nonzero().flatten(), mask.nonzero().flatten().tolist()):
        part = images.subset(index)
        assert len(part) == 6 and set(part.y[0].tolist()) == {2} and torch.equal(part.mean, images.mean)
    assert images.subset(slice(3)).y[1].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(2, 1, 3, 3), torch.zeros(2), "uint8"),
        (torch.zeros(2, 3, 3, dtype=torch.uint8), torch.zeros(2), "N, C, H, W"),
        (torch.zeros(2, 1, 3, 3, dtype=torch.uint8), torch.zeros(3), "2 images, and targets for"),
    ],
)
def test_wrong_images_are_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        data.Images(x, y)


def test_digits_are_split_fairly():
    train, test = data.digits()
    assert (len(train), len(test)) == (1347, 450) and train.x.shape[1:] == (1, 8, 8)
    assert train.x.min() == 0 and train.x.max() == 255
    share = torch.bincount(train.y) / 1347 - torch.bincount(test.y) / 450
    assert float(share.abs().max()) < 0.002
    again, other = data.digits()[0], data.digits(seed=1)[0]
    assert again.checksum == train.checksum != other.checksum
    both = torch.cat([train.x, test.x]).flatten(1).sum(1).sort().values
    assert torch.equal(both, torch.cat([part.x for part in data.digits(1)]).flatten(1).sum(1).sort().values)


def test_long_tails_follow_the_exponential():
    images = data.Images(some(n=400, size=2).x, torch.arange(400) % 4)
    tailed = data.long_tailed(images, 0.1)
    assert torch.bincount(tailed.y).tolist() == [int(100 * 0.1 ** (c / 3)) for c in range(4)] == [100, 46, 21, 10]
    assert data.long_tailed(images, 0.1).checksum == tailed.checksum != data.long_tailed(images, 0.1, seed=1).checksum
    for wrong in (0, 1.5, -1):
        with pytest.raises(ValueError, match="factor"):
            data.long_tailed(images, wrong)


def test_one_class_made_rare():
    images = data.Images(some(n=400, size=2).x, torch.arange(400) % 4)
    assert torch.bincount(data.imbalanced(images, {0: 0.02}).y).tolist() == [2, 100, 100, 100]
    with pytest.raises(ValueError, match="labels are 0 to 3"):
        data.imbalanced(images, {4: 0.5})


def test_rotation_turns_anticlockwise():
    """Turned by a right angle, an image is what torch.rot90 makes of it."""
    x = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8, generator=seeded())
    images = data.Images(x, torch.tensor([2, 3, 4, 5, 6]), tuple("0123456"))
    whole = data.rotated(images, keep=(2, 3, 4, 5, 6), max_angle=0.0)
    assert torch.equal(whole.x, x)
    labels, degrees = data.rotated(images, keep=(5, 3)).y
    assert labels.tolist() == [1, 0] and data.rotated(images, keep=(5, 3)).classes == ("5", "3")
    assert ((degrees >= 0) & (degrees <= 180)).all()

    turned = data.rotated(images, keep=(2, 3, 4, 5, 6), max_angle=1e-9)
    assert torch.equal(turned.x, x)
    # the angle that belongs to a seed, stretched so that the first image turns by exactly 90 degrees
    first = float(torch.rand(5, generator=seeded())[0])
    quarter = data.rotated(images, keep=(2, 3, 4, 5, 6), max_angle=90 / first)
    assert float(quarter.y[1][0]) == pytest.approx(90, abs=1e-4)
    assert int((quarter.x[0].int() - torch.rot90(x[0], 1, (1, 2)).int()).abs().max()) <= 1


# ---- folders ----


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("HPN_LITE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100", "tiny_imagenet", "paintings", "omniart"])
def test_a_missing_set_names_the_ways_out(root, name):
    with pytest.raises(FileNotFoundError) as error:
        getattr(data, name)()
    text = str(error.value)
    assert name in text and str(root) in text and "cache" in text
    assert "HPN_LITE_DATA" in text and "data.digits()" in text
    assert ("download=True" in text) == (name not in ("paintings", "omniart"))


def test_a_failed_download_says_why_and_what_next(root, monkeypatch):
    pytest.importorskip("torchvision")
    from torchvision.datasets import utils

    def fail(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(utils, "download_and_extract_archive", fail)
    with pytest.raises(OSError, match=r"no route to host.*Three ways out"):
        data.tiny_imagenet(download=True)


def picture(file, colour, size=(80, 60)):
    image = pytest.importorskip("PIL.Image")
    file.parent.mkdir(parents=True, exist_ok=True)
    image.new("RGB", size, colour).save(file, quality=95)


def test_tiny_imagenet_layout(root):
    base = root / "tiny-imagenet-200"
    names, colours = ["n01", "n02"], [(200, 0, 0), (0, 0, 200)]
    for name, colour in zip(names, colours, strict=True):
        for place in range(3):
            picture(base / "train" / name / "images" / f"{name}_{place}.JPEG", colour, (64, 64))
    picture(base / "val/images/val_0.JPEG", colours[1], (64, 64))
    (base / "wnids.txt").write_text("n01\nn02\n")
    (base / "words.txt").write_text("n01\tgoldfish, Carassius auratus\nn02\tEuropean fire salamander\nn03\tother\n")
    (base / "val/val_annotations.txt").write_text("val_0.JPEG\tn02\t0\t0\t62\t62\n")
    train, test = data.tiny_imagenet()
    assert train.classes == ("goldfish", "European fire salamander")
    assert train.y.tolist() == [0, 0, 0, 1, 1, 1] and test.y.tolist() == [1]
    assert train.x.shape == (6, 3, 64, 64)
    assert train.x[0, :, 5, 5].tolist() == pytest.approx([200, 0, 0], abs=8)
    assert test.x[0, :, 5, 5].tolist() == pytest.approx([0, 0, 200], abs=8)


def write(file, rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, rows[0])
        table.writeheader()
        table.writerows(rows)


def test_omniart_layout(root):
    for part, years in (("train", (1850, 1900, 1925)), ("test", (1910, 1932))):
        rows = []
        for place, year in enumerate(years):
            picture(root / "omniart" / part / f"{place}.jpg", (10 * place, 100, 0))
            school = "cubism" if part == "test" and place == 1 else ("dutch", "french")[place % 2]
            rows.append({"omni_id": place, "creation_year": year, "century": 20, "school": school})
        write(root / f"omniart/{part}_complete.csv", rows)
    train, test = data.omniart(size=16)
    assert train.y.tolist() == [1850, 1900, 1925] and train.x.shape == (3, 3, 16, 16) and len(test) == 2
    train, test = data.omniart("both", size=16)
    assert train.classes == ("dutch", "french") and train.y[0].tolist() == [0, 1, 0]
    assert test.y[0].tolist() == [0] and test.y[1].tolist() == [1910]  # cubism never occurs in training
    assert data.omniart("style", size=16)[0].y.dtype == torch.int64
    with pytest.raises(ValueError, match='"year", "style" or "both"'):
        data.omniart("artist")
    write(root / "omniart/train_complete.csv", [{"omni_id": 1, "school": "dutch"}])
    with pytest.raises(ValueError, match="creation_year missing"):
        data.omniart()


def test_paintings_layout(root):
    rows = [{"file": f"{k}.jpg", "author": "?", "title": "?", "year": 1500 + k} for k in range(8)]
    for row in rows:
        picture(root / "paintings/images" / row["file"], (row["year"] - 1500, 0, 0))
    write(root / "paintings/paintings.csv", rows)
    train, test = data.paintings(size=16)
    assert (len(train), len(test)) == (6, 2) and train.y.dtype == torch.float32
    assert sorted([*train.y.tolist(), *test.y.tolist()]) == [1500 + k for k in range(8)]
    assert data.paintings(size=16, seed=0)[0].y.tolist() == train.y.tolist()


def test_the_environment_comes_before_the_cache(root, tmp_path):
    (tmp_path / "cache/hpn_lite/thing").mkdir(parents=True)
    if data.folders()[-1] == tmp_path / "cache/hpn_lite":  # elsewhere on other systems
        assert data.find("thing") == tmp_path / "cache/hpn_lite"
        (root / "thing").mkdir()
        assert data.find("thing") == root
    assert data.find("nothing") is None


# ---- classes kept out, and ImageNet's folders ----


def test_classes_kept_out_are_in_neither_part():
    train, test = some(n=40, classes=4), some(n=20, classes=4, seed=1)
    known, tested, unseen = data.held_out(train, test, 2, seed=3)
    left = {int(k) for k in range(4)} - {train.classes.index(name) for name in known.classes}
    assert len(left) == 2 and {train.classes[k] for k in left} == set(unseen.classes)
    for part, whole in ((known, train), (tested, test), (unseen, test)):
        kept = torch.tensor([train.classes.index(name) for name in part.classes])
        wanted = torch.isin(whole.y, kept)
        assert torch.equal(part.x, whole.x[wanted]), "in the order that they had"
        assert torch.equal(kept[part.y], whole.y[wanted]), "under the names that they had"
        assert sorted(part.y.unique().tolist()) == [0, 1]
    draws = {data.held_out(train, test, 2, seed=seed)[2].classes for seed in range(20)}
    assert len(draws) > 1, "the seed decides which"
    for count in (1, 3):
        with pytest.raises(ValueError, match=f"of 4 classes 2 to 2 can be kept out, got {count}"):
            data.held_out(train, test, count)


def test_imagenet_is_read_from_its_folders(tmp_path, monkeypatch):
    import miniature

    pil = pytest.importorskip("PIL.Image")
    monkeypatch.setattr(data, "folders", lambda: [tmp_path])
    with pytest.raises(FileNotFoundError, match="looked for imagenet/train.*ask its authors"):
        data.imagenet()
    miniature.imagenet(tmp_path / "imagenet", np.random.default_rng(0), classes=4)
    train, test = data.imagenet(size=32)
    assert (len(train), len(test), tuple(train.x.shape[1:])) == (12, 4, (3, 32, 32))
    assert train.y.tolist() == [k for k in range(4) for _ in range(3)] and test.y.tolist() == [0, 1, 2, 3]
    assert train.classes == test.classes == tuple(f"n{i:08d}" for i in range(4))
    with pil.open(tmp_path / "imagenet/val/n00000002/val_2_0.JPEG") as picture:
        wanted = np.asarray(picture.convert("RGB").resize((32, 32), pil.Resampling.BICUBIC)).astype(int)
    assert np.abs(test.x[2].permute(1, 2, 0).numpy() - wanted).max() <= 1
    (tmp_path / "imagenet/val/n00000002/val_2_0.JPEG").unlink()
    with pytest.raises(ValueError, match="for each of the 4 classes of training, and has 4, 1 of them empty"):
        data.imagenet(size=32)
