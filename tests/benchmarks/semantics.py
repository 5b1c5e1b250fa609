"""Semantics against separation: what prototypes keep of the order of their words, and what it costs them in cosine.

    python tests/benchmarks/semantics.py RECORD.json                          # the 20 words that ship with gensim
    HPN_LITE_DATA=ROOT python tests/benchmarks/semantics.py RECORD.json --words word2vec --dims 3 5 10 25

Per dimension and seed: the words' own PCA; separated points with names given at random and by `semantics.arrange`; then
`semantics.semantic_points` for every weight, in both forms, from these starts (the PCA shaken a little by the seed);
with --evolve also the published evolution with several lambdas. Every row has the largest cosine, the mean rank
correlation, the triplet agreement and d_r. The record holds all rows with settings, software, hardware and the sha256
of the file of vectors. Run with OMP_NUM_THREADS=1 for one core.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path

import torch

from hpn_lite import fused, points, records, semantics, sphere

WEIGHTS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
LAMBDAS = [0.0, 10.0, 100.0, 1000.0]


def measured(w: torch.Tensor, p: torch.Tensor) -> dict:
    return {
        "largest_cosine": round(float(fused.largest(p[None])), 6),
        "rank_correlation": round(float(semantics.rank_correlation(w, p).mean()), 6),
        "triplet_agreement": round(semantics.triplet_agreement(w, p), 6),
        "rank_distance": float(semantics.rank_distance(w, p)),
    }


def rows_of(w: torch.Tensor, dim: int, options) -> list[dict]:
    """All rows of one dimension."""
    k, rows, began = len(w), [], time.perf_counter()

    def add(kind: str, x: torch.Tensor, **more) -> None:
        rows.append({"dimensions": dim, "kind": kind, **more, **measured(w, x)})

    own = semantics.pca(w, dim)
    add("pca", own)
    starts = []
    for seed in range(options.seeds):
        apart = points.best_prototypes(k, dim, seed=seed, seconds=options.seconds).points.double()
        shuffled = apart[torch.randperm(k, generator=torch.Generator().manual_seed(seed))]
        named = semantics.arrange(shuffled, w, seed=seed)
        add("separated, random names", shuffled, seed=seed)
        add("separated, names arranged", named, seed=seed)
        shaken = sphere.normalize(own + options.shake * sphere.uniform(k, dim, seed=seed))
        starts.append(torch.stack([shaken, named]))
    for form in options.forms:
        for weight in options.weights:
            ends = semantics.semantic_points(w, dim, weight, form=form, start=torch.cat(starts), every=True)
            for seed in range(options.seeds):  # every seed has the better of its own two
                mine = ends[2 * seed : 2 * seed + 2]
                order = semantics.misalignment(mine, w) if form == "ranks" else semantics.triplet_loss(mine, w)
                best = ((1 - weight) * fused.largest(mine) + weight * order).argmin()
                add(form, mine[best], weight=weight, seed=seed, start=("pca", "separated")[best])
        print(f"D = {dim}: {form} after {time.perf_counter() - began:.0f} s", flush=True)
    if dim in options.evolve:
        size = {"population": options.population, "generations": options.generations, "offspring": options.offspring}
        for weight in LAMBDAS:
            for seed in range(options.seeds):
                found = semantics.evolve_semantic(w, dim, weight=weight, seed=seed, **size)
                bonus = weight / float(semantics.rank_distance(w, found.points))
                add("evolution", found.points, weight=weight, seed=seed, fitness=found.fitness, bonus=bonus)
        print(f"D = {dim}: evolution after {time.perf_counter() - began:.0f} s", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="where to write the JSON record")
    parser.add_argument("--words", choices=["bundled", "glove", "word2vec"], default="bundled")
    parser.add_argument("--dims", type=int, nargs="+", default=[2, 3, 5, 10])
    parser.add_argument("--forms", nargs="+", choices=["ranks", "triplets"], default=["ranks", "triplets"])
    parser.add_argument("--weights", type=float, nargs="+", default=WEIGHTS)
    parser.add_argument("--evolve", type=int, nargs="*", default=[], help="dimensions in which to run evolution too")
    parser.add_argument("--population", type=int, default=300)
    parser.add_argument("--generations", type=int, default=100)
    parser.add_argument("--offspring", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each set of separated points")
    parser.add_argument("--shake", type=float, default=0.02, help="length of the noise on the PCA start")
    options = parser.parse_args()
    found = semantics.find_vectors(options.words)
    names = list(found.vectors.index_to_key)
    w = semantics.word_vectors(names, found.vectors)
    settings = {name: value for name, value in vars(options).items() if name != "record"}
    record = {
        "settings": settings | {"lambdas": LAMBDAS},
        "data": {
            "what": found.what,
            "file": found.path.name,
            "sha256": hashlib.sha256(found.path.read_bytes()).hexdigest(),
            "words": len(names),
            "width": w.shape[1],
            "own": measured(w, sphere.normalize(w)),
            "closest": closest(names, sphere.normalize(w)),
        },
        "provenance": records.provenance(),
        "rows": [],
    }
    for dim in options.dims:
        record["rows"] += rows_of(w, dim, options)
        text = json.dumps({key: value for key, value in record.items() if key != "rows"}, indent=1)[:-2]
        lines = ",\n".join(
            "  " + json.dumps(row) for row in record["rows"]
        )  # one row a line: small, and easy to compare
        options.record.write_text(f'{text},\n "rows": [\n{lines}\n ]\n}}\n')  # after every dimension


def closest(names: list[str], x: torch.Tensor) -> list[str]:
    c = (x @ x.T).fill_diagonal_(-2)
    i, j = divmod(int(c.argmax()), len(x))
    return [names[i], names[j]]


if __name__ == "__main__":
    main()
