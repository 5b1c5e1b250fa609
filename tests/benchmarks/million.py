"""A million classes: prototypes, predictions and one step of learning, each part in a process of its own.

    python tests/benchmarks/million.py notebooks/runs/beyond/million.json             # some minutes on one core
    python tests/benchmarks/million.py RECORD.json --parts written weights

All parts have 1,000,000 classes and 256 dimensions. Prototypes are the points of a block code, `held` in memory or
`written` out anew, a chunk at a time, whenever they are needed; `random` points are held. Each of these three predicts
the classes of the same 1,000 outputs at four strengths of noise and looks at the cosines of 1,000 prototypes to all
others. `weights` finds the largest cosine over all pairs of the block code, by looking at every word. `step` is the
loss and the gradient of a batch of 256 outputs, for which only 256 prototypes are needed, and `softmax` the same with a
learnt linear layer in their place. Peak memory is that of the whole process, Python and PyTorch included; `before` is
what it was when the part began. Use OMP_NUM_THREADS=1.
"""

import time

import apart
import torch

from hpn_lite import blockcodes, losses, points, sphere

K, DIM, OUTPUTS, CHUNK = 1_000_000, 256, 1000, 16_384
COSINES = (0.5, 0.4, 0.35, 0.3)  # of an output to its own prototype, in the mean


def outputs(rows, target: float, seed: int):
    """Outputs around the prototypes of random classes, at about this cosine: (OUTPUTS, DIM), and their classes."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(K, (OUTPUTS,), generator=generator)
    noise = torch.randn(OUTPUTS, DIM, generator=generator) / DIM**0.5
    return rows(y) + noise * (1 / target**2 - 1) ** 0.5, y


def predict(chunks, z):
    """The class of the nearest prototype, the prototypes taken a chunk at a time: (B, DIM) -> (B,)."""
    best, index = torch.full((len(z),), -torch.inf), torch.zeros(len(z), dtype=torch.long)
    for start, p in chunks():
        c, i = (z @ p.T).max(1)  # (B, chunk) -> (B,)
        index = torch.where(c > best, start + i, index)
        best = torch.maximum(best, c)
    return index


def neighbours(chunks, rows):
    """The largest cosine of 1,000 random prototypes to all others: (1000,)."""
    chosen = torch.randperm(K, generator=torch.Generator().manual_seed(1))[:OUTPUTS]
    x, best = rows(chosen), torch.full((OUTPUTS,), -torch.inf)
    for start, p in chunks():
        c = x @ p.T
        mine = (chosen >= start) & (chosen < start + len(p))
        c[mine, chosen[mine] - start] = -torch.inf  # not to itself
        best = torch.maximum(best, c.max(1).values)
    return best


def use(chunks, rows) -> dict:
    began = time.perf_counter()
    right = {}
    for i, target in enumerate(COSINES):
        z, y = outputs(rows, target, seed=i)
        right[str(target)] = int((predict(chunks, z) == y).sum())
    seconds = (time.perf_counter() - began) / len(COSINES)
    near = neighbours(chunks, rows)
    return {
        "right_of_1000": right,
        "seconds_per_1000_predictions": round(seconds, 2),
        "pairs_looked_at": OUTPUTS * (K - 1),
        "largest_cosine_seen": round(float(near.max()), 5),
        "median_nearest_cosine": round(float(near.median()), 5),
    }


def of(p):
    """Chunks and rows of prototypes that are held."""
    return (lambda: ((s, p[s : s + CHUNK]) for s in range(0, K, CHUNK))), (lambda y: p[y])


def held() -> dict:
    return use(*of(points.block_code(K, DIM, dtype=torch.float32)))


def random() -> dict:
    return use(*of(sphere.uniform(K, DIM, seed=0, dtype=torch.float32)))


def written() -> dict:
    code = blockcodes.best(K, DIM)
    pad = lambda x: torch.nn.functional.pad(x, (0, DIM - code.length))  # noqa: E731
    chunks = lambda: (  # noqa: E731
        (s, pad(blockcodes.rows(code, s, min(s + CHUNK, K)))) for s in range(0, K, CHUNK)
    )
    rows = lambda y: pad(blockcodes.signs(code, y) / code.length**0.5)  # noqa: E731
    return {"generator_bytes": code.generator.numel(), **use(chunks, rows)}


def weights() -> dict:
    code = blockcodes.best(K, DIM)
    found = blockcodes.weights(code)
    present = found[1:].nonzero()[:, 0] + 1
    # K > 2^(bits - 1), so every word of the code is a difference of two of the first K: this is over all their pairs
    assert K > 2 ** (code.bits - 1)
    return {
        "code": [code.name, code.length, code.bits, code.distance],
        "guaranteed_cosine": code.cosine,
        "weights": {str(int(w)): int(found[w]) for w in present},
        "largest_cosine": 1 - 2 * int(present[0]) / code.length,
        "pairs": K * (K - 1) // 2,
    }


def step() -> dict:
    code, generator = blockcodes.best(K, DIM), torch.Generator().manual_seed(0)
    y = torch.randint(K, (256,), generator=generator)
    z = torch.randn(256, code.length, generator=generator, requires_grad=True)
    began = time.perf_counter()
    own = blockcodes.signs(code, y) / code.length**0.5  # (256, length): the batch's prototypes and no others
    loss = losses.squared_cosine(z, own, torch.arange(256))
    loss.backward()
    return {"loss": loss.item(), "step_seconds": round(time.perf_counter() - began, 3)}


def softmax() -> dict:
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(K, (256,), generator=generator)
    z = torch.randn(256, DIM, generator=generator, requires_grad=True)
    layer = torch.nn.Linear(DIM, K, bias=False)
    began = time.perf_counter()
    loss = torch.nn.functional.cross_entropy(layer(z), y)
    loss.backward()
    return {"loss": loss.item(), "step_seconds": round(time.perf_counter() - began, 3)}


PARTS = {f.__name__: f for f in (weights, held, written, random, step, softmax)}


def measure(name: str) -> dict:
    torch.set_num_threads(1)
    before = apart.peak()
    row = {"part": name, "classes": K, "dimensions": DIM, **apart.timed(PARTS[name])}
    return row | {"peak_mebibytes": round(apart.peak() / 2**20, 1), "before_mebibytes": round(before / 2**20, 1)}


if __name__ == "__main__":
    apart.main(__doc__, __file__, "million", PARTS, measure)
