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

import torch

from . import plots, points, reference, sphere

__all__ = ["Lab", "directions", "hello", "lights", "number", "question", "room", "thomson"]
JS = Path(__file__).parent / "js"
EXPONENTS = (0, 1, 2, 4, 8, 16, 32)

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
