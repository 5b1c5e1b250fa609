"""Word vectors for class names: from any file or object of gensim's, or the 20 words that ship with it.

gensim is imported only when it is needed. `hpn_lite.semantics` offers this file too.

    >>> from hpn_lite import words
    >>> found = words.find_vectors("bundled")                  # 20 words, offline; without a name: what is at hand
    >>> w = words.word_vectors(["dog", "cat", "apple"], found.vectors)

References:
    Mikolov et al. 2013, word2vec, and their translation between languages, from which the 20 words come
    Pennington et al. 2014, GloVe; Rehurek and Sojka 2010, gensim
"""

import gzip
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .sphere import check_vectors, normalize

BUNDLED = "EN.1-10.cbow1_wind5_hs0_neg10_size300_smpl1e-05.txt"  # 20 English words in gensim's own test data
FILES = {"glove": "cifar100_glove.100d.txt", "word2vec": "cifar100_word2vec.99d.txt"}
GOOGLE = "word2vec-google-news-300"


class Found(NamedTuple):
    """Word vectors that were found: the gensim KeyedVectors, a name for them, and the file (None: not from a file)."""

    vectors: Any
    what: str
    path: Path | None


def find_vectors(which: str | None = None, *, download: bool = False) -> Found:
    """Word vectors at hand, and which they are: a file in $HPN_LITE_DATA, else the 20 words that ship with gensim.

    Args:
        which: "glove" or "word2vec", the files for CIFAR-100's names in $HPN_LITE_DATA/word_vectors; "google", the
            three million words of GoogleNews; "bundled", the 20 words; None, the first of glove, word2vec and bundled
            that is there.
        download: let gensim fetch "google" (1.7 GB, kept in its own cache) if it is not there.
    Returns:
        Found(vectors, what, path).
    Raises:
        ImportError: without gensim.
        ValueError: on another name.
        FileNotFoundError: if the vectors asked for are not there; the message says the ways to get them.
    """
    names = (*FILES, "google", "bundled")
    if which is not None and which not in names:
        raise ValueError(f"which must be one of {', '.join(names)}, or None, got {which!r}")
    root = os.environ.get("HPN_LITE_DATA")
    for name in FILES if which is None else [which]:
        path = Path(root, "word_vectors", FILES[name]).expanduser() if root and name in FILES else None
        if path is not None and path.is_file():
            return Found(load_vectors(path), f"{name}, names of CIFAR-100", path)
    if which == "google":
        _gensim()
        import gensim.downloader

        if not download and not Path(gensim.downloader.BASE_DIR, GOOGLE).is_dir():
            raise FileNotFoundError(
                f"the GoogleNews vectors are not in {gensim.downloader.BASE_DIR}: pass download=True to fetch 1.7 GB, "
                "or give word_vectors the path of a copy of yours"
            )
        return Found(gensim.downloader.load(GOOGLE), "word2vec, GoogleNews", None)
    if which in FILES:
        raise FileNotFoundError(
            f"no {FILES[which]} in $HPN_LITE_DATA/word_vectors (HPN_LITE_DATA is {root!r}): set HPN_LITE_DATA to a "
            "folder that holds it, or give word_vectors a file of your own, or take find_vectors('bundled')"
        )
    _gensim()
    from gensim.test.utils import datapath

    path = Path(datapath(BUNDLED))
    if not path.is_file():
        raise FileNotFoundError(f"this copy of gensim came without its test data ({BUNDLED}); the one on PyPI has it")
    return Found(load_vectors(path), "word2vec, 20 words that ship with gensim", path)


def load_vectors(path: str | Path):
    """A gensim KeyedVectors from a file: gensim's own format, word2vec binary (.bin), or text, with a header or not.

    Raises:
        ImportError: without gensim.
        FileNotFoundError: if there is no such file.
        ValueError: if the file holds no word vectors.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; find_vectors() names vectors that are at hand")
    keyed = _gensim()
    suffixes = [s for s in path.suffixes if s != ".gz"]
    if suffixes[-1:] in ([".kv"], [".model"]):
        loaded = keyed.load(str(path))
        return getattr(loaded, "wv", loaded)
    binary = suffixes[-1:] == [".bin"]
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        first = file.readline(100_000).split()
    header = len(first) == 2 and all(part.isdigit() for part in first)  # "words width"; GloVe's own files have none
    try:
        if not header and (binary or len(first) < 2):
            raise ValueError("its first line is not the number of words and their width")
        if not header:
            [float(part) for part in first[1:]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # gensim looks into files without a header twice
            return keyed.load_word2vec_format(str(path), binary=binary, no_header=not header)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} holds no word vectors that gensim can read: {error}") from error


def word_vectors(names: list[str], source=None) -> Tensor:
    """One vector per class name.

    A name is looked up whole first, as it is, in small letters and with _, blank, - or nothing between its parts
    (aquarium_fish, "aquarium fish"); if it is not there, it is the mean of the unit vectors of its parts, so that
    neither part drowns the other.

    Args:
        names: K class names.
        source: a gensim KeyedVectors, a model that has one as `.wv`, a file of vectors, or a mapping from word to
            vector; find_vectors() if None.
    Returns:
        (K, width) float64, as they are stored, not normalised.
    Raises:
        ImportError: if gensim is needed and missing.
        KeyError: on names without a vector; it lists all of them.
        TypeError, ValueError: if source is nothing of that kind or has vectors of several widths, names is empty or
            has a name twice.
    """
    names = [names] if isinstance(names, str) else list(names)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("names must be a list of class names, none of them empty")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"names has these more than once, and equal classes cannot be told apart: {', '.join(twice)}")
    if source is None:
        source = find_vectors().vectors
    elif isinstance(source, (str, Path)):
        source = load_vectors(source)
    source = getattr(source, "wv", source)
    if not isinstance(source, Mapping) and not hasattr(source, "key_to_index"):
        raise TypeError(f"source must be a gensim KeyedVectors, a file or a mapping, got {type(source).__name__}")
    known = source if isinstance(source, Mapping) else source.key_to_index

    found, missing = [], []
    for name in names:
        parts = name.replace("-", "_").replace(" ", "_").strip("_").split("_")
        wholes = [joint.join(parts) for joint in ("_", " ", "-", "")]
        word = _first([name, *wholes], known)
        words = [word] if word is not None else [_first([part], known) for part in parts if part]
        if not words or None in words:
            lacking = [part for part, word in zip(parts, words, strict=False) if word is None]
            missing.append(name if len(parts) == 1 else f"{name} (no {', no '.join(lacking)})")
            continue
        vectors = [torch.tensor(source[word], dtype=torch.float64) for word in words]
        found.append(vectors[0] if len(vectors) == 1 else torch.stack([normalize(v) for v in vectors]).mean(0))
    if missing:
        few = f"; it knows {', '.join(map(str, list(known)[:20]))}" if len(known) <= 20 else ""
        raise KeyError(f"no vectors for {len(missing)} of {len(names)} names: {'; '.join(missing)}{few}")
    widths = {len(v) for v in found}
    if len(widths) > 1:
        raise ValueError(f"source must have vectors of one width, got {sorted(widths)}")
    return check_vectors(torch.stack(found), "the word vectors")


def _first(words: list[str], known) -> str | None:
    """The first spelling that is known: as it is, in small letters, with capitals."""
    tries = [form for word in words for form in (word, word.lower(), word.capitalize(), word.title())]
    return next((word for word in tries if word in known), None)


def _gensim():
    try:
        from gensim.models import KeyedVectors
    except ImportError as error:
        raise ImportError("word vectors need gensim: pip install gensim") from error
    return KeyedVectors
