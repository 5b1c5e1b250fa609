"""Labs: things to play with on the page itself, without a kernel and without a network.

    >>> from hpn_lite import labs
    >>> labs.thomson(n=12, s=1)

A lab is a plain object that Jupyter shows as HTML with its script inside, as a picture where no script runs, and as
text where no picture is shown. The scripts lie in `js/`: `sphere.js` holds the mathematics, `view.js` the controls, the
canvas and the turnable sphere, and every lab is one more file. To add the lab NAME, write `js/NAME.js` with

    export function mount(el, options, core) { ...; return { state: () => ({ ...plain numbers... }) }; }

(`core` has everything that sphere.js and view.js export; the returned object becomes `el.hpn`, so that a test can ask
for `el.hpn.state()`), and a function here that checks the options and returns Lab(NAME, options, title, text, picture).
"""

import base64
import functools
import hashlib
import html
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from . import codes, plots, points, reference, sphere

__all__ = [
    "Construction",
    "Lab",
    "Regime",
    "collapse",
    "directions",
    "evolution",
    "film",
    "hello",
    "lights",
    "matching",
    "minority",
    "mirror",
    "number",
    "penalty",
    "question",
    "rare",
    "regime",
    "regimes",
    "regression",
    "riesz",
    "room",
    "semantics",
    "tail",
    "tammes",
    "thomson",
    "two_tasks",
]
JS = Path(__file__).parent / "js"
EXPONENTS = (0, 1, 2, 4, 8, 16, 32)
STOPS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024, math.inf)
SHARES = (0.0001, 0.001, 0.01, 0.05)

# The page part of every lab. A module runs once per output; it takes the first box with its id that no script has
# filled yet, so that the same lab may stand on a page twice. A Blob makes a module of a text: no file, no server.
PAGE = """<style>{css}</style>
<div class="hpn-lab" id="{id}" data-lab="{name}" role="group" aria-label="{title}" data-lm-suppress-shortcuts="true">
<noscript><p>{title}. This lab needs JavaScript. {text}</p></noscript></div>
<script type="module">
const el = [...document.querySelectorAll('[id="{id}"]')].find((box) => !box.dataset.lab_started);
const module = async (text) => {{
  const url = URL.createObjectURL(new Blob([text], {{ type: 'text/javascript' }}));
  try {{ return await import(url); }} finally {{ URL.revokeObjectURL(url); }}
}};
try {{
  el.dataset.lab_started = 'yes';
  const [maths, view, lab] = await Promise.all([{scripts}].map(module));
  el.hpn = lab.mount(el, {options}, {{ ...maths, ...view }});
}} catch (error) {{
  const note = document.createElement('p');
  note.className = 'hpn-error';
  note.setAttribute('role', 'alert');
  note.textContent = 'This lab could not start in this browser (' + error.message + '). ' + {plain};
  el?.append(note);
}}
</script>"""


@dataclass(frozen=True)
class Lab:
    """A lab with its options. Shown by Jupyter; nothing runs in Python after that.

    name: its file in js/; options: plain data for the script; title and text: what it is and what one would see;
    picture: draws the figure that stands in where no script runs, if there is one.
    """

    name: str
    options: dict
    title: str
    text: str
    picture: Callable | None = None

    @property
    def id(self) -> str:
        """The same for the same lab and options on every run, so that stored notebooks do not change."""
        return f"hpn-{self.name}-{hashlib.sha256(_json(self.options).encode()).hexdigest()[:8]}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        page = PAGE.format(
            css=_source("lab.css"),
            id=self.id,
            name=self.name,
            title=html.escape(self.title),
            text=html.escape(self.text),
            scripts=", ".join(_json(_source(f)) for f in ("sphere.js", "view.js", f"{self.name}.js")),
            options=_json(self.options),
            plain=_json(self.text),
        )
        bundle = {"text/html": page, "text/plain": f"{self.title}. {self.text}"}
        if self.picture is None:
            return bundle
        try:
            bundle["image/png"] = base64.b64encode(plots.png(self.picture())).decode()
        except ImportError:  # no matplotlib: the page still works
            pass
        return bundle

    def __repr__(self) -> str:
        return f"{self.title}. {self.text}"


def thomson(
    n: int = 12, s: float = 1, *, seed: int = 1, neighbours: bool = False, discs: bool = False, run: bool = False
) -> Lab:
    """The Thomson playground: points that repel each other with energy 1/r^s; drag, add, remove, run, compare.

    Args:
        n: number of points at the start, 2 to 64.
        s: exponent at the start, 0 to 32 (0 is the logarithm).
        seed: of the random start; Shuffle counts on from here.
        neighbours: show who is whose neighbour from the start.
        discs: show the discs that fit around the points from the start.
        run: set the points in motion at once (never for readers who asked for less motion).
    Raises:
        ValueError: on an option out of range.
    """
    n, seed = sphere.whole("n", n, 2), sphere.whole("seed", seed, 0)
    if n > 64:
        raise ValueError(f"the lab holds at most 64 points, got n={n}; points.thomson({n}) computes more")
    if isinstance(s, bool) or not 0 <= s <= 32:
        raise ValueError(f"s must be a number from 0 to 32, got {s!r}")
    s = int(s) if s == int(s) else float(s)
    sources = {0: "best of our own search", 1: "best known", 2: "best of our own search"}
    known = {
        k: {"words": w, "values": {i: reference.riesz(i, k).value for i in range(2, 65)}} for k, w in sources.items()
    }
    options = {
        "n": n,
        "s": s,
        "seed": seed,
        "neighbours": bool(neighbours),
        "discs": bool(discs),
        "run": bool(run),
        "exponents": sorted({*EXPONENTS, s}),
        "known": known,
    }
    law = "log 1/r" if s == 0 else "1/r" if s == 1 else f"1/r^{s}"
    text = f"{n} points on a sphere repel each other with energy {law} until they have found their places."
    return Lab("thomson", options, "Thomson playground", text, lambda: _ball(points.thomson(n, 3, s, starts=8)))


def tammes(n: int = 7, s: float = 1, *, seed: int = 1, share: float = 0.01, run: bool = False) -> Lab:
    """From Thomson to Tammes: the exponent as a slider from 0 to infinity, the contact graph drawn live.

    Args:
        n: number of points at the start, 2 to 60.
        s: exponent at the start, one of STOPS; math.inf keeps the closest pair apart and minds nothing else.
        seed: of the random start; Shuffle counts on from here.
        share: pairs whose angle is within this share of the smallest one are drawn as contacts, one of SHARES.
        run: let the points move at once.
    Raises:
        ValueError: on an option out of range.
    """
    n, seed = sphere.whole("n", n, 2), sphere.whole("seed", seed, 0)
    if n > 60:
        raise ValueError(f"the lab holds at most 60 points, got n={n}; points.tammes({n}, 3) computes more")
    if s not in STOPS or isinstance(s, bool):
        raise ValueError(f"s must be one of {', '.join(map(str, STOPS))}, got {s!r}")
    if share not in SHARES:
        raise ValueError(f"share must be one of {', '.join(map(str, SHARES))}, got {share!r}")
    exponents = [None if e == math.inf else e for e in STOPS]  # JSON knows no infinity
    options = {
        "n": n,
        "s": None if s == math.inf else int(s),
        "seed": seed,
        "share": share,
        "run": bool(run),
        "exponents": exponents,
        "shares": list(SHARES),
        "known": {i: [reference.tammes(i).angle, reference.tammes(i).proved] for i in range(2, 61)},
    }
    text = f"{n} points repel each other with energy 1/r^s; as s grows, only the closest pairs still count."
    return Lab("tammes", options, "From Thomson to Tammes", text, lambda: _contact_graph(n))


def hello(n: int = 24, *, seed: int = 3) -> Lab:
    """The sphere that greets: points that keep their distance; pull one and the others make room.

    Args:
        n: number of points, 2 to 64.
        seed: of the random start.
    Raises:
        ValueError: on an option out of range.
    """
    n, seed = sphere.whole("n", n, 2), sphere.whole("seed", seed, 0)
    if n > 64:
        raise ValueError(f"the lab holds at most 64 points, got n={n}")
    text = f"{n} points on a slowly turning sphere keep as far from each other as they can."
    return Lab("hello", {"n": n, "seed": seed}, "A live sphere", text, lambda: _ball(points.thomson(n, starts=8)))


def directions(x: tuple[float, float] = (1.5, 20), y: tuple[float, float] = (0.8, 75)) -> Lab:
    """Directions, not lengths: two arrows in the plane, and what each of their lengths and angles changes.

    Args:
        x, y: (length, angle in whole degrees) of the two arrows, lengths from 0.2 to 2, angles from -180 to 180.
    Raises:
        ValueError: on an option out of range.
    """
    arrows = []
    for name, arrow in (("x", x), ("y", y)):
        if len(arrow) != 2 or not 0.2 <= arrow[0] <= 2 or not -180 <= arrow[1] <= 180 or arrow[1] != int(arrow[1]):
            raise ValueError(f"{name} must be (length 0.2 to 2, angle -180 to 180 in whole degrees), got {arrow!r}")
        arrows.append([float(arrow[0]), int(arrow[1])])
    text = "Two arrows with the unit circle: changing a length changes their dot product and never their cosine."
    return Lab("directions", {"arrows": arrows}, "Directions, not lengths", text, lambda: _arrows(arrows))


def room(d: int = 20, k: int = 50, *, angle: int = 60, seed: int = 1) -> Lab:
    """Room on a high-dimensional sphere: how inner products of random directions gather around zero as D grows.

    Args:
        d: dimension D at the start, 2 to 1000.
        k: number K of random directions at the start, 2 to 200.
        angle: angular radius of the cap in whole degrees, 5 to 90.
        seed: of the draw; New draw counts on from here.
    Raises:
        ValueError: on an option out of range.
    """
    d, k = sphere.whole("d", d, 2), sphere.whole("k", k, 2)
    angle, seed = sphere.whole("angle", angle, 5), sphere.whole("seed", seed, 0)
    for name, value, most in (("d", d, 1000), ("k", k, 200), ("angle", angle, 90)):
        if value > most:
            raise ValueError(f"{name} can be at most {most} in this lab, got {value}")
    text = f"The cosines of {k} random directions in {d} dimensions spread like 1 over the root of {d}."
    options = {"d": d, "k": k, "angle": angle, "seed": seed}
    return Lab("room", options, "Room on the sphere", text, lambda: _density(d, k, seed))


def riesz(n: int = 32, s: float = 1) -> Lab:
    """The Riesz family: how the say of a pair, r^-s, is shared out between near and far pairs as s is pulled.

    Args:
        n: number of points at the start, 12, 32 or 64, at rest under s = 1.
        s: exponent at the start, 0 to 64.
    Raises:
        ValueError: on an option out of range.
    """
    sizes = (12, 32, 64)
    if sphere.whole("n", n, 2) not in sizes:
        raise ValueError(f"n must be one of {', '.join(map(str, sizes))}, got {n}")
    if isinstance(s, bool) or not 0 <= s <= 64:
        raise ValueError(f"s must be a number from 0 to 64, got {s!r}")
    s = int(s) if s == int(s) else float(s)
    sets = {k: [[round(v, 5) for v in p] for p in _at_rest(k).tolist()] for k in sizes}
    text = f"Which of the pairs of {n} points decide where the points go: all alike for s = 0, the closest for large s."
    return Lab("riesz", {"n": n, "s": s, "points": sets}, "Whose say counts", text, lambda: _say(_at_rest(n), s))


def lights(
    pictures: torch.Tensor, labels: list[int], means: torch.Tensor, *, names: list[str] | None = None, top: float = 16
) -> Lab:
    """Turn the lights down: which class mean is a picture closest to, by distance and by cosine?

    Args:
        pictures: (N, side * side) pixels of square pictures, N from 1 to 20, none of them constant.
        labels: the class of each picture.
        means: (K, side * side) the class means, K from 2 to 12, none of them constant.
        names: what the classes are called; 0, 1, 2, ... by default.
        top: the pixel value that a screen shows as white.
    Raises:
        ValueError: on shapes, labels or names that do not fit.
    """
    pictures, means = (torch.as_tensor(x, dtype=torch.float64) for x in (pictures, means))
    labels, names = [int(i) for i in labels], names or [str(i) for i in range(len(means))]
    if pictures.ndim != 2 or means.ndim != 2 or means.shape[1] != pictures.shape[1] or not 1 <= len(pictures) <= 20:
        raise ValueError(f"pictures (1 to 20) and means must be rows of pixels, got {pictures.shape}, {means.shape}")
    if math.isqrt(means.shape[1]) ** 2 != means.shape[1]:
        raise ValueError(f"pictures must be square, got {means.shape[1]} pixels")
    if not 2 <= len(means) <= 12 or len(names) != len(means):
        raise ValueError(f"2 to 12 classes with a name each, got {len(means)} means and {len(names)} names")
    if len(labels) != len(pictures) or not all(0 <= i < len(means) for i in labels):
        raise ValueError(f"every picture needs the index of its class, got labels {labels}")
    if any((x.amax(1) == x.amin(1)).any() for x in (pictures, means)):
        raise ValueError("a picture or mean is the same in every pixel, and nothing is left of it without its mean")
    rounded = [[round(v, 2) for v in row] for row in means.tolist()]
    options = {"pictures": pictures.tolist(), "labels": labels, "means": rounded, "names": list(names), "top": top}
    text = "A dimmed picture moves towards the class with the shortest mean; its cosines to the means stay the same."
    return Lab("lights", options, "Turn the lights down", text, lambda: _pictures(pictures, labels, names))


def question(prompt: str, choices: list[str], answer: int, why: str) -> Lab:
    """A question with several answers: choose one, and the page says whether it is right, and why.

    Args:
        prompt: the question, plain text.
        choices: at least two different answers, plain text.
        answer: index of the right one, counted from 0.
        why: the explanation, shown after the right choice or the second one.
    Raises:
        ValueError: on an empty text, fewer than two choices, two equal ones, or an answer that is no index of them.
    """
    choices = list(choices)
    if not prompt or not why or not all(choices):
        raise ValueError("prompt, why and every choice need a text")
    if len(choices) < 2 or len(set(choices)) < len(choices):
        raise ValueError(f"choices must be at least two different texts, got {choices!r}")
    if sphere.whole("answer", answer, 0) >= len(choices):
        raise ValueError(f"answer must be an index of the {len(choices)} choices, counted from 0, got {answer}")
    options = {"prompt": prompt, "choices": choices, "answer": answer, "why": why}
    return Lab("question", options, "A question", f"{prompt} {' / '.join(choices)}")


def number(prompt: str, answer: float, *, digits: int = 3, hint: str = "") -> Lab:
    """A question with a number as its answer, of which the page holds a salted hash alone.

    Args:
        prompt: the question, plain text.
        answer: the right number.
        digits: how many digits after the point are compared, 0 to 9; the last may be off by one.
        hint: shown after the second wrong try.
    Raises:
        ValueError: on an empty prompt, an answer that is not finite, or digits out of range.
    """
    if not prompt:
        raise ValueError("prompt needs a text")
    if not math.isfinite(answer):
        raise ValueError(f"answer must be a finite number, got {answer}")
    if sphere.whole("digits", digits, 0) > 9:
        raise ValueError(f"digits must be at most 9, got {digits}")
    salt = hashlib.sha256(prompt.encode()).hexdigest()[:12]
    options = {"prompt": prompt, "digits": digits, "hint": hint, "salt": salt}
    options["hash"] = _fnv(f"{salt}:{math.floor(answer * 10**digits + 0.5)}")  # rounds as JavaScript's Math.round does
    return Lab("question", options, "A question", prompt)


def _fnv(text: str) -> int:
    """The 32-bit FNV-1a hash, the same as in js/question.js (Fowler, Noll, Vo 1991)."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 % 2**32
    return value


def _ball(x: torch.Tensor):
    return plots.sphere_3d(x, edges=True).figure


def _contact_graph(n: int):
    x = points.tammes(n, 3, starts=8, seconds=2, target=reference.tammes(n).value + 1e-10)
    return plots.contacts(x).figure


def _arrows(arrows: list[list[float]]):
    x = torch.tensor([[r * math.cos(math.radians(a)), r * math.sin(math.radians(a))] for r, a in arrows])
    return plots.circle_2d(x, labels=["x", "y"], colours=[plots.BLUE, plots.VERMILION]).figure


@plots.style()
def _density(d: int, k: int, seed: int):
    figure, ax = plots.axes()
    t = torch.linspace(-1, 1, 801, dtype=torch.float64)
    cosines = sphere.cosines(sphere.uniform(k, d, seed=seed))[*torch.triu_indices(k, k, 1)]
    ax.hist(
        cosines, bins=max(20, int(6 * d**0.5)), range=(-1, 1), density=True, color=plots.SKY, label=f"{k} directions"
    )
    ax.plot(t, sphere.inner_density(t, d), label=f"density for D = {d}")
    ax.set(xlabel="inner product", ylabel="density", ylim=(0, max(1.15, 1.3 * sphere.inner_density(t[400], d).item())))
    ax.legend()
    return figure


@functools.cache
def _at_rest(n: int) -> torch.Tensor:
    """n points at rest under 1/r; one descent, not a search."""
    return points.thomson(n, starts=1)


@plots.style()
def _say(x: torch.Tensor, s: float):
    figure, ax = plots.axes()
    r = sphere.chord(*x[torch.triu_indices(len(x), len(x), 1)])
    weight = (r.min() / r) ** s
    near = r <= 1.4 * r.min()
    both = [r[near], r[~near]], [weight[near] / weight.sum(), weight[~near] / weight.sum()]
    colour, words = [plots.ORANGE, plots.BLUE], ["neighbours", "others"]
    ax.hist(both[0], 20, range=(0, 2), weights=both[1], stacked=True, color=colour, label=words)
    ax.set(xlabel="distance", ylabel="share of the say")
    ax.legend()
    return figure


def _pictures(pictures: torch.Tensor, labels: list[int], names: list[str]):
    side = math.isqrt(pictures.shape[1])
    figure, axes = plots.axes(1.1 * len(pictures), 1.5, ncols=len(pictures), squeeze=False)
    for ax, picture, label in zip(axes[0], pictures, labels, strict=True):
        ax.imshow(picture.view(side, side).numpy(), cmap="gray")
        ax.set_title(names[label])
        ax.set_axis_off()
    return figure


def _json(value) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True).replace("<", "\\u003c")


@functools.cache
def _source(name: str) -> str:
    return (JS / name).read_text(encoding="utf-8")


class Construction(NamedTuple):
    """One way to place points, as the map of regimes names it."""

    kind: str  # circle, simplex, cross-polytope, code, part of a code, search
    words: str
    cosine: float | None  # the largest; None if only a search can tell
    proof: str  # by whom or what it is proved to be the best; empty if it is not


class Regime(NamedTuple):
    """What `regime` returns."""

    construction: Construction
    bound: sphere.Bound


REGIME_KS = [*range(2, 17), 18, 20, 22, 24, 27, 28, 32, 36, 40, 45, 50, 56, 64, 72, 77, 80, 90, 100, 112, 120, 126, 128]
REGIME_KS += [144, 162, 180, 200, 220, 240, 256, 275, 288, 300]
REGIME_DS = [
    *range(2, 17),
    18,
    20,
    21,
    22,
    23,
    24,
    25,
    28,
    32,
    36,
    40,
    45,
    50,
    56,
    60,
    61,
    64,
    72,
    80,
    90,
    100,
    112,
    128,
]


def regime(k: int, d: int) -> Regime:
    """Which construction `points.best_prototypes(k, d)` takes or begins with, and the bound, without any search.

    Beyond K = 2D and apart from the codes that have exactly K points in R^D, part of a larger code is named where its
    cosine is within 0.25 / sqrt(D) of the bound: about where short searches end, so a rule of thumb, not a theorem.

    Args:
        k: number of classes, at least 2.
        d: dimension, at least 2.
    Raises:
        ValueError: if k < 2 or d < 2.
    """
    k, d = sphere.whole("k", k, 2), sphere.whole("d", d, 2)
    bound = sphere.largest_cosine_bound(k, d)
    if k <= d + 1:
        return Regime(Construction("simplex", "simplex", bound.value, "the squared length of the sum"), bound)
    if d == 2:
        return Regime(
            Construction("circle", "equal slices of the circle", bound.value, "the gaps, which add up to a full turn"),
            bound,
        )
    if k <= 2 * d:
        words = "cross-polytope" if k == 2 * d else "part of the cross-polytope"
        return Regime(Construction("cross-polytope", words, 0.0, "Rankin's theorem"), bound)
    row = reference.tammes(k) if d == 3 and k in reference.sizes("tammes") else None
    fitting = [c for c in codes.fitting(k, d) if (c.n, c.d) == (k, d) or (d >= 8 and c.n <= 3 * k)]
    if not fitting or fitting[0].cosine - bound.value > 0.25 / math.sqrt(d) and (fitting[0].n, fitting[0].d) != (k, d):
        value, proof = (
            (row.value, "a computer-assisted proof" if k > 12 else "a proof") if row and row.proved else (None, "")
        )
        words = f"search, best known {row.value:.4f}" if row and not row.proved else "search"
        construction = Construction("search", words, value, proof)
    elif (fitting[0].n, fitting[0].d) == (k, d):
        proof = next((c.source for c in reference.codes() if (c.n, c.d) == (k, d) and c.proved), "")
        construction = Construction("code", fitting[0].name, fitting[0].cosine, proof)
    else:
        words = f"part of {fitting[0].name}" if fitting[0].n > k else f"{fitting[0].name}, with dimensions to spare"
        construction = Construction("part of a code", words, fitting[0].cosine, "")
    if construction.proof and construction.cosine > bound.value + 1e-9:
        bound = sphere.Bound(construction.cosine, "Optimal", True)
    return Regime(construction, bound)


def regimes(k: int = 100, d: int = 25) -> Lab:
    """The map of regimes: for K classes in D dimensions, which construction is best, how good it is, and why.

    Args:
        k: number of classes at the start, one of REGIME_KS (2 to 300).
        d: dimension at the start, one of REGIME_DS (2 to 128).
    Raises:
        ValueError: if k or d is not on the map.
    """
    for name, value, values in (("k", k, REGIME_KS), ("d", d, REGIME_DS)):
        if value not in values:
            raise ValueError(f"{name} must be one of {', '.join(map(str, values))}, got {value!r}")
    known, which, below, names = {}, [], [], []  # every construction once; per field its index, the bound and its name
    for dim in REGIME_DS:
        row = [regime(n, dim) for n in REGIME_KS]
        which.append([known.setdefault(r.construction, len(known)) for r in row])
        below.append([round(1e4 * r.bound.value) for r in row])
        names.append(
            "".join(r.bound.name[0].upper() for r in row)
        )  # Circle, Simplex, Rankin, Fejes Toth, Levenshtein, Optimal
    options = {"k": k, "d": d, "ks": REGIME_KS, "ds": REGIME_DS, "constructions": [list(c) for c in known]}
    for construction in options["constructions"]:
        construction[2] = None if construction[2] is None else round(construction[2], 6)
    options |= {"which": which, "bounds": below, "names": names}
    text = (
        "Which construction is best for K classes in D dimensions: simplex up to D + 1, cross-polytope up to 2 D, "
        "beyond that a few named codes in an ocean of search."
    )
    return Lab("regimes", options, "Map of regimes", text, _regime_map)


@plots.style()
def _regime_map():
    """The same map as a picture, for where no script runs."""
    figure, ax = plots.axes(6.6, 4.4)
    looks = {
        "circle": (plots.MUTED, "s"), "simplex": (plots.GREEN, "s"), "cross-polytope": (plots.BLUE, "s"),
        "search": (plots.LINE, "s"), "part of a code": (plots.ORANGE, "s"), "code": (plots.VERMILION, "D"),
    }  # fmt: skip
    kinds = {(k, d): regime(k, d).construction.kind for k in REGIME_KS for d in REGIME_DS}
    for kind, (colour, mark) in looks.items():
        at = [place for place, other in kinds.items() if other == kind]
        size = 40 if kind == "code" else 17
        ax.scatter(*zip(*at, strict=True), s=size, color=colour, marker=mark, label=kind, linewidths=0)
    ax.set(xscale="log", yscale="log", xlabel="classes K", ylabel="dimension D")
    ax.set_xticks([2, 5, 10, 20, 50, 100, 200], [2, 5, 10, 20, 50, 100, 200])
    ax.set_yticks([2, 5, 10, 20, 50, 100], [2, 5, 10, 20, 50, 100])
    ax.minorticks_off()
    ax.grid(False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.17), ncols=3, handletextpad=0.1, columnspacing=1)
    return figure


def regression(
    value: float = 60,
    low: float = 0,
    high: float = 180,
    *,
    unit: str = "degrees",
    output: tuple[float, float, float] = (0.8, 0.33, 0.5),
    length: float = 1,
    rate: float = 0.5,
) -> Lab:
    """Regression on the sphere: a target as a circle of equal cosine, and one output that walks down the loss.

    Args:
        value: the target at the start, from low to high.
        low, high: the bounds, at the lower and the upper pole.
        unit: what values are counted in, for the words.
        output: direction of the output at the start, any nonzero vector; the third coordinate points to the upper pole.
        length: of the output at the start, 0.5 to 4.
        rate: step size at the start, 0.1 to 2.
    Raises:
        ValueError: on an option out of range.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"low must be below high, got {low} and {high}")
    if not low <= value <= high:
        raise ValueError(f"value must lie from {low} to {high}, got {value}")
    if not 0.5 <= length <= 4:
        raise ValueError(f"length must be 0.5 to 4, got {length}")
    if not 0.1 <= rate <= 2:
        raise ValueError(f"rate must be 0.1 to 2, got {rate}")
    x = sphere.normalize(torch.tensor(output, dtype=torch.float64))
    if x.shape != (3,):
        raise ValueError(f"output must have three coordinates, got {output!r}")
    grid = 10.0 ** math.floor(math.log10((high - low) / 100))  # at least a hundred stops of the slider
    options = {
        "value": value,
        "low": low,
        "high": high,
        "grid": grid,
        "unit": unit,
        "output": [round(v, 9) for v in x.tolist()],
        "length": length,
        "rate": rate,
    }
    text = (
        f"A target between {low} and {high} {unit}".strip() + " is a circle; an output is pulled to it, not along it."
    )
    return Lab("regression", options, "Regression on the sphere", text, lambda: _target_circle(value, low, high, x))


def _target_circle(value: float, low: float, high: float, x: torch.Tensor):
    cosine = 2 * (value - low) / (high - low) - 1
    turn = torch.linspace(0, 2 * math.pi, 61, dtype=torch.float64)[:-1]
    flat = math.sqrt(1 - cosine**2)
    ring = torch.stack([flat * turn.cos(), flat * turn.sin(), torch.full_like(turn, cosine)], dim=1)
    poles = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]], dtype=torch.float64)
    colours = [plots.GREEN] * len(ring) + [plots.INK] * 2 + [plots.VERMILION]
    names = [""] * len(ring) + [f"{high:g}", f"{low:g}", "output"]
    return plots.sphere_3d(torch.cat([ring, poles, x[None]]), colours=colours, labels=names, size=60).figure


def two_tasks(
    label: int = 1,
    value: int = 150,
    *,
    names: tuple[str, ...] = ("2", "3", "4", "5", "7"),
    weight: float = 1,
    seed: int = 1,
) -> Lab:
    """Two tasks, one sphere: classes on the equator, values along the axis, and one output that has to serve both.

    Args:
        label: index of the class that is asked for at the start.
        value: the value that is asked for at the start, 0 to 180 whole degrees.
        names: of the classes, 2 to 10 of them.
        weight: of the value's loss at the start, one of 0.1, 0.25, 0.5, 1, 2, 4, 10 (the class loss has 1).
        seed: of the output at the start; Shuffle counts on from here.
    Raises:
        ValueError: on an option out of range.
    """
    names, weights = [str(name) for name in names], (0.1, 0.25, 0.5, 1, 2, 4, 10)
    if not 2 <= len(names) <= 10 or len(set(names)) < len(names):
        raise ValueError(f"names must be 2 to 10 different words, got {names}")
    if sphere.whole("label", label, 0) >= len(names):
        raise ValueError(f"label must be an index of the {len(names)} classes, counted from 0, got {label}")
    if sphere.whole("value", value, 0) > 180:
        raise ValueError(f"value must be 0 to 180 degrees, got {value}")
    if weight not in weights or isinstance(weight, bool):
        raise ValueError(f"weight must be one of {', '.join(map(str, weights))}, got {weight!r}")
    seed = sphere.whole("seed", seed, 0)
    options = {"names": names, "label": label, "value": value, "weight": weight, "weights": weights, "seed": seed}
    text = (
        f"Class {names[label]} and {value} degrees are asked of one output on the sphere, which can serve both in part."
    )
    return Lab("two_tasks", options, "Two tasks, one sphere", text, lambda: _compromise(len(names), label, value))


def _compromise(k: int, label: int, value: int):
    prototypes = torch.nn.functional.pad(points.circle(k), (0, 1))
    r = value / 90 - 1
    best = sphere.normalize(prototypes[label] + torch.tensor([0, 0, r], dtype=prototypes.dtype))
    colours = [plots.BLUE] * k + [plots.GREEN]
    return plots.sphere_3d(torch.cat([prototypes, best[None]]), colours=colours, elevation=20).figure


def evolution(n: int = 8, *, pressure: float = 1, mutation: float = 0.01, seed: int = 1) -> Lab:
    """Evolution, generation by generation: a hundred sets of points breed for the distance of their closest pair.

    Args:
        n: number of points at the start, 3 to 16.
        pressure: parents and survivors are drawn by fitness to this power: 0, 0.5, 1, 2, 4, 8, 16 or 32.
        mutation: chance of each coordinate to be replaced: 0, 0.003, 0.01, 0.03, 0.1 or 0.3.
        seed: of the first population; Start anew counts on from here.
    Raises:
        ValueError: on an option out of range.
    """
    n, seed = sphere.whole("n", n, 3), sphere.whole("seed", seed, 0)
    if n > 16:
        raise ValueError(f"the lab breeds at most 16 points, got n={n}; points.evolve({n}, 3) breeds more")
    for name, value, values in (
        ("pressure", pressure, (0, 0.5, 1, 2, 4, 8, 16, 32)),
        ("mutation", mutation, (0, 0.003, 0.01, 0.03, 0.1, 0.3)),
    ):
        if value not in values or isinstance(value, bool):
            raise ValueError(f"{name} must be one of {', '.join(map(str, values))}, got {value!r}")
        if name == "pressure" and value == int(value):
            pressure = int(value)
    known = {k: reference.tammes(k).angle for k in range(3, 17)}
    options = {"n": n, "pressure": pressure, "mutation": mutation, "seed": seed, "known": known}
    text = f"Sets of {n} points breed: the further apart the closest pair of a set, the more children it has."
    return Lab("evolution", options, "Evolution of prototypes", text, lambda: _bred(n, seed))


def _bred(n: int, seed: int):
    return _ball(points.evolve(n, 3, population=100, offspring=20, generations=100, pressure=8, seed=seed).points)


def film(
    films: dict[str, tuple[torch.Tensor, torch.Tensor]],
    labels: torch.Tensor | list[int],
    epochs: list[int],
    *,
    names: list[str] | None = None,
    frame: int = 0,
) -> Lab:
    """Outputs of a net turning towards their prototypes: a film to scrub, with what it looked like after each epoch.

    Directions are stored as bytes, to about half a degree; all numbers on the page are those of the stored directions.

    Args:
        films: from words ("on the circle") to (outputs, prototypes): (T, N, D) outputs of the same N examples in T
            frames, and (K, D) unit rows, with D = 2 or 3.
        labels: (N,) the class of each example.
        epochs: (T,) after which epoch each frame was taken, 0 for before training.
        names: of the classes; 0, 1, 2, ... by default.
        frame: where the film stands at the start.
    Raises:
        ValueError: on shapes or labels that do not fit together.
    """
    labels, epochs = [int(y) for y in labels], [sphere.whole("epochs", e, 0) for e in epochs]
    if not films:
        raise ValueError("films is empty; it needs at least one entry, words: (outputs, prototypes)")
    stored = []
    for words, (outputs, prototypes) in films.items():
        outputs, prototypes = (torch.as_tensor(x).detach().double().cpu() for x in (outputs, prototypes))
        sphere.check_vectors(prototypes, "prototypes", points=2, unit=True)
        sphere.check_vectors(outputs, "outputs")
        if outputs.shape[:2] != (len(epochs), len(labels)) or outputs.ndim != 3:
            wanted = f"({len(epochs)}, {len(labels)}, D), one frame per epoch and one output per label"
            raise ValueError(f"outputs of {words!r} must have shape {wanted}, got {tuple(outputs.shape)}")
        if outputs.shape[2] not in (2, 3) or prototypes.shape[1:] != outputs.shape[2:]:
            raise ValueError(
                f"{words!r} must have 2 or 3 dimensions, the same for both: got outputs of {outputs.shape[2]} and "
                f"prototypes of shape {tuple(prototypes.shape)}"
            )
        bytes_ = (127 * sphere.normalize(outputs, check=False)).round().to(torch.int8)
        stored.append(
            {
                "words": words,
                "dim": outputs.shape[2],
                "prototypes": [[round(v, 6) for v in p] for p in prototypes.tolist()],
                "frames": base64.b64encode(bytes_.contiguous().numpy().tobytes()).decode(),
            }
        )
    k = len(stored[0]["prototypes"])
    names = [str(name) for name in (names or range(k))]
    if any(len(f["prototypes"]) != k for f in stored) or len(names) != k or k > 36:
        raise ValueError(f"every film needs as many prototypes as there are names, at most 36, got {len(names)} names")
    if not all(0 <= y < k for y in labels):
        raise ValueError(f"labels must lie from 0 to {k - 1}, got {min(labels)} to {max(labels)}")
    if sphere.whole("frame", frame, 0) >= len(epochs):
        raise ValueError(f"frame must be an index of the {len(epochs)} frames, counted from 0, got {frame}")
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    options = {"films": stored, "labels": "".join(digits[y] for y in labels), "epochs": epochs}
    options |= {"names": names, "frame": frame}
    text = (
        f"{len(labels)} outputs turn towards the prototypes of their classes, from epoch {epochs[0]} to {epochs[-1]}."
    )
    first = next(iter(films.values()))
    return Lab("film", options, "Outputs turning towards prototypes", text, lambda: _stills(*first, labels, epochs))


@plots.style()
def _stills(outputs: torch.Tensor, prototypes: torch.Tensor, labels: list[int], epochs: list[int]):
    """Three frames of a film side by side: the first, one on the way, the last."""
    z = sphere.normalize(torch.as_tensor(outputs).detach().double().cpu(), check=False)
    p, y = torch.as_tensor(prototypes).double().cpu(), torch.tensor(labels)
    figure, axes = plots.axes(7.2, 2.6, ncols=3)
    reach = 0.55 + 0.4 * y / max(1, len(p) - 1) if p.shape[1] == 2 else torch.ones(len(y))  # a ring for each class
    for ax, t in zip(axes, (0, min(2, len(z) - 1), len(z) - 1), strict=True):
        right = (z[t] @ p.T).argmax(1) == y
        spots = z[t] * reach[:, None]
        for rows, colour, mark in ((right, plots.BLUE, "."), (~right, plots.VERMILION, "x")):
            ax.scatter(*spots[rows, :2].T, s=14, color=colour, marker=mark, linewidths=0.9)
        for k, q in enumerate(p.tolist()):
            ax.annotate(str(k), (1.12 * q[0], 1.12 * q[1]), ha="center", va="center")
        ax.set(xlim=(-1.25, 1.25), ylim=(-1.25, 1.25), aspect="equal", title=f"epoch {epochs[t]}")
        ax.set_axis_off()
    return figure


def semantics(
    names: list[str], w: torch.Tensor, *, groups: list[int] | None = None, weight: float = 0.0, seed: int = 1
) -> Lab:
    """Meaning against separation: words on a circle, a slider that weighs the two, names arranged by swaps or by hand.

    Args:
        names: 4 to 20 different words.
        w: (K, width) their vectors.
        groups: a number from 0 to 2 per word, drawn as its colour and shape; all alike if None.
        weight: of meaning at the start, 0 to 1 in steps of 0.05.
        seed: of the order at the start; Shuffle counts on from here.
    Raises:
        ValueError: on options that do not fit.
    """
    from . import semantics as meaning

    names, groups = list(names), [0] * len(names) if groups is None else [int(g) for g in groups]
    if not 4 <= len(names) <= 20 or len(set(names)) < len(names) or not all(names):
        raise ValueError(f"names must be 4 to 20 different words, got {names}")
    if w.ndim != 2 or not len(w) == len(groups) == len(names) or not set(groups) <= {0, 1, 2}:
        raise ValueError(
            f"{len(names)} words need as many vectors and groups from 0 to 2, got {tuple(w.shape)}, {groups}"
        )
    if not 0 <= weight <= 1 or abs(20 * weight - round(20 * weight)) > 1e-9:
        raise ValueError(f"weight must lie between 0 and 1 in steps of 0.05, got {weight!r}")
    ranks = meaning.neighbour_ranks(w).tolist()
    options = {"names": names, "groups": groups, "ranks": ranks, "weight": round(float(weight), 2)}
    options["seed"] = sphere.whole("seed", seed, 0)
    text = f"{len(names)} words on a circle: equal slices keep them apart, meaning draws related words together."
    return Lab("semantics", options, "Meaning against separation", text, lambda: _words(names, w, groups))


def _words(names: list[str], w: torch.Tensor, groups: list[int]):
    from . import semantics as meaning

    x = meaning.semantic_points(w, 2, 0.4)
    colours = [(plots.BLUE, plots.VERMILION, plots.GREEN)[g] for g in groups]
    return plots.circle_2d(x, labels=names, colours=colours, arrows=False).figure


def mirror(n: int = 10, s: int = 2, form: str = "full", seed: int = 1) -> Lab:
    """Neurons on a sphere, driven by the energy, by the energy with every neuron's opposite, or towards right angles.

    Args:
        n: number of neurons, 2 to 20.
        s: exponent, 0, 1 or 2.
        form: "full", "half" (half-space) or "right".
        seed: of the random start.
    Raises:
        ValueError: on an option out of range.
    """
    if not 2 <= sphere.whole("n", n, 2) <= 20:
        raise ValueError(f"n must be at most 20, got {n}")
    if s not in (0, 1, 2) or form not in ("full", "half", "right"):
        raise ValueError(f's must be 0, 1 or 2 and form "full", "half" or "right", got {s!r} and {form!r}')
    text = (
        f"{n} neurons push each other, or each other's lines, apart; what is order to one penalty is none to another."
    )
    options = {"n": int(n), "s": int(s), "form": form, "seed": sphere.whole("seed", seed, 0)}
    return Lab("mirror", options, "Neurons and their mirror images", text, lambda: _mirrored(n, seed))


def _mirrored(n: int, seed: int):
    x = sphere.uniform(n, 3, seed=seed)
    colours = [plots.BLUE] * n + ["#9aa4ad"] * n
    return plots.sphere_3d(torch.cat([x, -x]), colours=colours, size=30).figure


def rare(share: float = 5, weight: float = 0, *, seed: int = 1, steps: int = 300) -> Lab:
    """A rare class: a small net with outputs in the plane, retrained in the page, and its class vectors as arrows.

    Args:
        share: per cent of class 0's examples that stay, 2.5 to 100 in steps of 2.5.
        weight: of the energy (s = 0) of the class vectors at the start, 0 to 1 in steps of 0.05.
        seed: of points and net; Another start counts on from here.
        steps: of gradient descent, 1 to 1000.
    Raises:
        ValueError: on an option out of range.
    """
    if not 2.5 <= share <= 100 or share % 2.5:
        raise ValueError(f"share must be 2.5 to 100 per cent in steps of 2.5, got {share}")
    if not 0 <= weight <= 1 or abs(20 * weight - round(20 * weight)) > 1e-9:
        raise ValueError(f"weight must lie between 0 and 1 in steps of 0.05, got {weight!r}")
    if sphere.whole("steps", steps, 1) > 1000:
        raise ValueError(f"steps must be at most 1000, got {steps}")
    options = {"share": float(share), "weight": round(float(weight), 2), "seed": sphere.whole("seed", seed, 0)}
    options |= {"classes": 5, "each": 40, "steps": steps}
    text = "Five classes, one of them rare: its class vector is pushed by all and pulled by few."
    return Lab("rare", options, "A rare class", text, lambda: plots.circle_2d(points.circle(5)).figure)


def minority(rare: int = 3, size: float = 100, *, seed: int = 1, steps: int = 3000) -> Lab:
    """Minority collapse: outputs free in a disc and a learnt classifier, against fixed prototypes, by class size.

    Args:
        rare: how many of the six classes are rare, 2 to 4.
        size: examples of a rare class, per cent of a frequent one: 0.1, 0.2, 0.5, 1, 1.5, 2, 3, 5, 7, 10, 15, 20,
            30, 50, 70 or 100.
        seed: of the start; Another start counts on from here.
        steps: of gradient descent, 0 to 10000.
    Raises:
        ValueError: on an option out of range.
    Source: the layer-peeled model of Fang et al. 2021, with one output per class and weight decay on the class vectors.
    """
    sizes = (0.1, 0.2, 0.5, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100)
    if not 2 <= sphere.whole("rare", rare, 2) <= 4:
        raise ValueError(f"rare must be from 2 to 4, got {rare}")
    if size not in sizes:
        raise ValueError(f"size must be one of {sizes} per cent, got {size}")
    if sphere.whole("steps", steps, 0) > 10_000:
        raise ValueError(f"steps must be at most 10000, got {steps}")
    options = {"rare": int(rare), "size": float(size), "seed": sphere.whole("seed", seed, 0), "steps": int(steps)}
    text = "Six classes in the plane, some of them rare: learnt vectors of rare classes fall together, fixed ones stay."
    return Lab("minority", options, "Minority collapse", text, lambda: plots.circle_2d(points.circle(6)).figure)


def penalty(forms: dict[str, list[dict]], layers: list[str], *, at: int = 0) -> Lab:
    """Strength against test error: a slider over measured strengths of a penalty, with energies and lengths by layer.

    Args:
        forms: name of a penalty -> one dict per strength: weight (ascending, the first 0), error and half (mean and
            half interval in per cent), change and spread (paired difference to weight 0 and its half interval), energy
            and length (one number per layer). All forms have the same weights.
        layers: names of the layers.
        at: which strength is chosen at the start.
    Raises:
        ValueError: on forms that do not fit together, or a start that is not there.
    """
    weights = [[row["weight"] for row in rows] for rows in forms.values()]
    if (
        not weights
        or any(w != weights[0] for w in weights)
        or weights[0][:1] != [0]
        or weights[0] != sorted(weights[0])
    ):
        raise ValueError(f"every form needs the same ascending weights, the first of them 0, got {weights}")
    if any(len(row[key]) != len(layers) for rows in forms.values() for row in rows for key in ("energy", "length")):
        raise ValueError(f"every row needs an energy and a length for each of the {len(layers)} layers")
    if not 0 <= sphere.whole("at", at, 0) < len(weights[0]):
        raise ValueError(f"at must be below {len(weights[0])}, the number of strengths, got {at}")
    names = ("weight", "error", "half", "change", "spread")

    def plain(row: dict) -> dict:
        numbers = {name: round(float(row[name]), 4) for name in names}
        return numbers | {key: [round(float(v), 4) for v in row[key]] for key in ("energy", "length")}

    shown = [{"name": name, "rows": [plain(row) for row in rows]} for name, rows in forms.items()]
    text = f"Test error against the strength of a penalty, {len(weights[0])} strengths, {len(layers)} layers."
    return Lab(
        "penalty",
        {"forms": shown, "layers": list(layers), "at": at},
        "How strong a penalty",
        text,
        lambda: _errors(shown),
    )


def _errors(shown: list[dict]):
    figure, ax = plots.axes(5.6, 3.2)
    for form, colour in zip(shown, (plots.BLUE, plots.ORANGE, plots.GREEN) * len(shown), strict=False):
        rows = form["rows"]
        ax.errorbar(range(len(rows)), [r["error"] for r in rows], [r["half"] for r in rows], fmt="o-", color=colour)
    ax.set(
        xticks=range(len(rows)), xticklabels=[f"{r['weight']:g}" for r in rows], xlabel="strength", ylabel="error, %"
    )
    return figure


def matching(
    means: torch.Tensor,
    prototypes: torch.Tensor | None = None,
    *,
    names: list[str] | None = None,
    orders: list[list[int]] | None = None,
    epochs: list[int] | None = None,
    seed: int = 1,
) -> Lab:
    """Who gets which prototype: drag labels between prototypes in the plane, with the matching score live.

    With `orders` it is also a film: class means and assignment after each epoch of a training, to scrub and to change.

    Args:
        means: (K, 2) class means, no longer than 1, K from 2 to 10; (T, K, 2) for a film.
        prototypes: (K, 2) unit rows; K points spread evenly on the circle by default.
        names: of the classes, at most three letters each; 0, 1, 2, ... by default.
        orders: for a film, the assignment after each epoch, T lists of K different indices into the prototypes.
        epochs: for a film, the T epochs; 0, 1, 2, ... by default.
        seed: of the assignment at the start where there is no film; Shuffle counts on from here.
    Raises:
        ValueError: on shapes, lengths, names or orders that do not fit.
    """
    means = torch.as_tensor(means).detach().double().cpu()
    frames = means if orders is not None else means[None]
    if frames.ndim != 3 or frames.shape[2] != 2 or not 2 <= frames.shape[1] <= 10 or not len(frames):
        wanted = "(T, K, 2), with orders," if orders is not None else "(K, 2)"
        raise ValueError(f"means must have shape {wanted} K from 2 to 10, got {tuple(means.shape)}")
    if not (torch.linalg.vector_norm(frames, dim=2) <= 1 + 1e-4).all():  # NaN as well
        raise ValueError("means of unit vectors are no longer than 1; got a longer one, or NaN")
    k = frames.shape[1]
    prototypes = points.circle(k) if prototypes is None else torch.as_tensor(prototypes).detach().double().cpu()
    sphere.check_vectors(prototypes, "prototypes", points=2, unit=True)
    if prototypes.shape != frames.shape[1:]:
        raise ValueError(f"means and prototypes must agree, got {tuple(means.shape)} and {tuple(prototypes.shape)}")
    names = [str(name) for name in (names if names is not None else range(k))]
    if len(set(names)) != k or len(names) != k or not all(0 < len(name) <= 3 for name in names):
        raise ValueError(f"names must be {k} different words of one to three letters, got {names}")
    orders = [[int(p) for p in order] for order in (orders or [])]
    epochs = list(range(len(orders))) if epochs is None else [sphere.whole("epochs", e, 0) for e in epochs]
    if len(epochs) != len(orders) or (orders and len(orders) != len(frames)):
        raise ValueError(f"a film needs as many orders and epochs as means, got {len(orders)}, {len(epochs)}")
    if not all(sorted(order) == list(range(k)) for order in orders):
        raise ValueError(f"each of the orders must name all of 0 to {k - 1} once")
    rows = lambda x: [[round(v, 6) for v in row] for row in x.tolist()]  # noqa: E731
    film_ = [
        {"epoch": e, "means": rows(m), "order": order}
        for e, m, order in zip(epochs, frames, orders, strict=bool(orders))
    ]
    options = {"means": rows(frames[0]), "prototypes": rows(prototypes), "names": names, "frames": film_}
    options["seed"] = sphere.whole("seed", seed, 0)
    text = f"{k} class means and as many prototypes on a circle: the mean of their inner products is the score."
    title = "How an assignment settles" if orders else "Who gets which prototype"
    return Lab("matching", options, title, text, lambda: _matched(frames[-1], prototypes, names))


def _matched(means: torch.Tensor, prototypes: torch.Tensor, names: list[str]):
    from .assignment import best_assignment

    found = best_assignment(means, prototypes)
    placed = [names[found.tolist().index(p)] for p in range(len(names))]
    ax = plots.circle_2d(prototypes, labels=placed, arrows=False)
    for m, w in zip(means.tolist(), prototypes[found].tolist(), strict=True):
        ax.plot(*zip(m, w, strict=True), color=plots.ORANGE)
    return ax.figure


def collapse(k: int = 3, scale: float = 4, *, fixed: bool = False, seed: int = 1, each: int = 6) -> Lab:
    """Neural collapse in the plane: outputs and class vectors are free directions, and cross-entropy turns them.

    Args:
        k: number of classes at the start, 2 to 6.
        scale: factor of the cosines in the scores, a whole number from 1 to 12.
        fixed: hold the class vectors, evenly spaced.
        seed: of the random start; New start counts on from here.
        each: outputs of each class, 1 to 12.
    Raises:
        ValueError: on an option out of range.
    """
    if not 2 <= sphere.whole("k", k, 2) <= 6:
        raise ValueError(f"k must be from 2 to 6, got {k}")
    if not 1 <= sphere.whole("scale", scale, 1) <= 12 or not 1 <= sphere.whole("each", each, 1) <= 12:
        raise ValueError(f"scale and each must be from 1 to 12, got {scale} and {each}")
    options = {"k": int(k), "scale": int(scale), "held": bool(fixed), "each": int(each)}
    options["seed"] = sphere.whole("seed", seed, 0)
    text = f"Outputs of {k} classes and their class vectors turn in the plane until each class is a single direction."
    return Lab(
        "collapse", options, "Neural collapse in the plane", text, lambda: plots.circle_2d(points.circle(k)).figure
    )


TAIL_FACTORS = (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
TAIL_KS = (2, 5, 10, 20, 50, 100, 200)
TAIL_SIZES = (50, 137, 500, 1280, 5000)


def tail(factor: float = 0.01, k: int = 10, n: int = 500) -> Lab:
    """A long tail: sizes of the classes by imbalance factor, their weights, and what a batch of 128 holds of them.

    Args:
        factor: images of the rarest class over images of the most frequent, one of TAIL_FACTORS.
        k: number of classes, one of TAIL_KS.
        n: images of the most frequent class, one of TAIL_SIZES (137 are those of the digits).
    Raises:
        ValueError: on an option that is not on its slider.
    """
    for name, value, values in (("factor", factor, TAIL_FACTORS), ("k", k, TAIL_KS), ("n", n, TAIL_SIZES)):
        if value not in values:
            raise ValueError(f"{name} must be one of {', '.join(map(str, values))}, got {value!r}")
    options = {"factor": factor, "k": k, "n": n, "batch": 128}
    options |= {"factors": TAIL_FACTORS, "ks": TAIL_KS, "sizes": TAIL_SIZES}
    text = (
        f"{k} classes, the most frequent with {n} images, the rarest with {factor:g} times as many; weights of the "
        "classes, and the chance that a batch of 128 holds none of a class."
    )
    return Lab("tail", options, "A long tail", text, lambda: _profile(factor, k, n))


def _profile(factor: float, k: int, n: int):
    figure, ax = plots.axes(5.6, 3.2)
    ax.bar(range(k), [int(n * factor ** (c / (k - 1))) for c in range(k)], color=plots.BLUE)
    ax.set(xlabel="class", ylabel="images")
    return figure
