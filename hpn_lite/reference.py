"""Best known values of point sets on spheres, to compare ours with: energies and cosines, each with its source.

    >>> from hpn_lite import reference
    >>> reference.thomson(12).value, round(reference.tammes(12).angle, 6)
    (49.165253057629, 63.434949)

The numbers are facts taken from published tables or found by our own search; every row says which. "Best known" is not
"optimal": `proved` is true where somebody has shown that nothing better exists. The files under `tables/` hold the
numbers, their headers name the sources in full.
"""

import csv
import functools
import math
from dataclasses import dataclass
from pathlib import Path

from hpn_lite.sphere import whole

TABLES = Path(__file__).parent / "tables"
SOURCES = {
    "": "exact",
    "exact": "exact",
    "L": "Lai, Yue, Hao, Glover and Lü 2023",
    "S": "Sloane, Hardin and Smith, Tables of spherical codes",
    "W": "Wales and Ulker 2006",
    "C": "coordinates distributed with spherical_code 1.0.2, recomputed",
    "search": "found by our own search, not a published table",
}

# Sizes whose best configuration is proved for s = 0, 1 and 2: by Cohn and Kumar 2007 (theorem 1.2: the simplices, the
# octahedron and the icosahedron, for every s), and 5 points by Dragnev, Legg and Townsend 2002 (s = 0) and
# Schwartz 2013, 2016 (s up to 15.04).
PROVED = (2, 3, 4, 5, 6, 12)


@dataclass(frozen=True)
class Row:
    """A best known value.

    value: an energy (sum over unordered pairs) or a largest cosine; n, d: number of points, dimension of the space;
    quantity: "thomson", "log", "riesz2" or "tammes"; source: where the value is from; proved: whether it is proved to
    be the best possible; searched: whether it comes from our own search, not from a publication.
    """

    value: float
    n: int
    d: int
    quantity: str
    source: str
    proved: bool

    @property
    def searched(self) -> bool:
        return self.source == SOURCES["search"]

    @property
    def angle(self) -> float:
        """The smallest angle in degrees that belongs to a largest cosine (NaN for energies)."""
        return math.degrees(math.acos(self.value)) if self.quantity == "tammes" else math.nan


@dataclass(frozen=True)
class Code:
    """A named configuration: n points of R^d whose largest cosine has a closed form, written out in `exact`."""

    name: str
    d: int
    n: int
    value: float
    exact: str
    proved: bool
    source: str


def thomson(n: int) -> Row:
    """Least known sum over pairs of 1/distance for n points on S^2, 2 <= n <= 200.

    Raises:
        ValueError: if n is outside the table.
    Source: Wales and Ulker 2006 up to 100; above, coordinates distributed with spherical_code 1.0.2, recomputed.
    """
    return _row("thomson", n, "exact" if n in (2, 3) else "W" if n <= 100 else "C", n in PROVED)


def tammes(n: int) -> Row:
    """Least known largest cosine of n points on S^2, 2 <= n <= 200; `.angle` gives it in degrees.

    Raises:
        ValueError: if n is outside the table.
    Source: Sloane, Hardin and Smith (Tables of spherical codes) and Lai et al. 2023, the better of the two.
    """
    line = _line("tammes", n)
    return _row("tammes", n, line["tammes_source"], line["tammes_proved"] == "1")


def riesz(n: int, s: float) -> Row:
    """Least known sum over pairs of 1/distance^s (s = 0: of log 1/distance) for n points on S^2.

    Args:
        n: number of points, 2 to 200 for s = 1, 2 to 130 for s = 0 and 2.
        s: 0, 1 or 2; math.inf gives the row of `tammes`.

    Raises:
        ValueError: if n or s is outside the table.
    Source: s = 1 as in `thomson`; s = 0 and 2 were found by our own search (30 or more random starts each).
    """
    if s == 1:
        return thomson(n)
    if s == math.inf:
        return tammes(n)
    if s not in (0, 2):
        raise ValueError(f"there are tables for s = 0, 1, 2 (and inf, which is tammes), got s={s!r}")
    return _row("log" if s == 0 else "riesz2", n, "search", n in PROVED)


def sizes(quantity: str) -> range:
    """The numbers of points that the table of a quantity ("thomson", "tammes", "log", "riesz2") holds."""
    table = _sphere3()
    if quantity not in ("thomson", "tammes", "log", "riesz2"):
        raise ValueError(f'quantity must be "thomson", "tammes", "log" or "riesz2", got {quantity!r}')
    filled = [n for n in table if table[n][quantity]]
    return range(filled[0], filled[-1] + 1)


@functools.cache
def codes() -> tuple[Code, ...]:
    """The named configurations with known coordinates, smallest dimension first."""
    rows = csv.DictReader(_lines("codes.csv"))
    return tuple(
        Code(r["name"], int(r["d"]), int(r["n"]), _fraction(r["exact"]), r["exact"], r["proved"] == "1", r["source"])
        for r in rows
    )


def code(name: str) -> Code:
    """The named configuration, for example code("24-cell").

    Raises:
        ValueError: if there is none of that name; the message lists them.
    """
    for c in codes():
        if c.name == name:
            return c
    raise ValueError(f"no code is called {name!r}; there are: {', '.join(c.name for c in codes())}")


def _row(quantity: str, n: int, source: str, proved: bool) -> Row:
    return Row(float(_line(quantity, n)[quantity]), n, 3, quantity, SOURCES[source], proved)


def _line(quantity: str, n: int) -> dict:
    n = whole("n", n, 2)
    known = sizes(quantity)
    if n not in known:
        raise ValueError(f"the {quantity} table goes from n = {known[0]} to {known[-1]}, got {n}")
    return _sphere3()[n]


@functools.cache
def _sphere3() -> dict[int, dict]:
    return {int(row["n"]): row for row in csv.DictReader(_lines("sphere3.csv"))}


def _lines(name: str) -> list[str]:
    path = TABLES / name
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileNotFoundError(f"{path} is missing or cannot be read: install hpn-lite again") from error
    return [line for line in text.splitlines() if not line.startswith("#")]


def _fraction(exact: str) -> float:
    """The closed forms of the table: p/q, 1/sqrt(q) and (1+sqrt(5))/4."""
    if exact == "(1+sqrt(5))/4":
        return (1 + math.sqrt(5)) / 4
    above, below = exact.split("/")
    return int(above) / (math.sqrt(int(below[5:-1])) if below.startswith("sqrt(") else int(below))
