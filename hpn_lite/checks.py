"""Instant checks for the assignments: a notebook can tell whether a number is right without holding it.

A check holds a seal, the salted hash of the rounded answer. The hash is slow on purpose (PBKDF2), so that trying all
numbers takes longer than finding the right one, and nothing about the answer can be read off it. Seals are no secret
vault: they spare the honest student a wait, and marks come from the hidden tests.

    python -c "from hpn_lite import checks; print(checks.seal('a1-cube', 3.14, digits=2))"

Needs nothing beyond Python itself. The assignments lie in notebooks/assignments/.

References:
    RFC 8018, Password-Based Cryptography Specification (PBKDF2)
"""

import hashlib
import math
from numbers import Real

from .bounds import whole

__all__ = ["seal", "number"]

ROUNDS = 50_000  # about 20 ms a try; an answer with four digits behind the point has 10,000 neighbours per unit


def seal(task: str, answer: float, *, digits: int = 3) -> str:
    """The salted hash of a rounded number, 16 hexadecimal digits: what a check may show to everybody.

    Args:
        task: the name of the task; it is the salt, so equal answers of different tasks have different seals.
        answer: the right number.
        digits: how many digits behind the point count, 0 to 9.
    Raises:
        TypeError: if the answer is no finite real number (a tensor with one entry is one).
        ValueError: on an empty name or digits out of range.
    """
    return _hash(task, _rounded(answer, _digits(digits)), digits)


def number(task: str, answer: float, sealed: str, *, digits: int = 3) -> None:
    """Say that an answer is right, or raise AssertionError. The last digit may be off by one.

    Args:
        task, digits: as they were given to `seal`.
        answer: the number to check.
        sealed: what `seal` returned for the right one.
    Raises:
        AssertionError: if the answer is wrong, or no finite number.
        ValueError: on an empty name or digits out of range.
    """
    try:
        found = _rounded(answer, _digits(digits))
    except TypeError as error:
        raise AssertionError(f"{task}: {error}") from None
    if sealed not in (_hash(task, found + step, digits) for step in (0, -1, 1)):
        raise AssertionError(f"{task}: {float(answer):.{digits}f} is not the answer ({digits} digits count)")
    print(f"{task}: right")


def _digits(digits: int) -> int:
    if whole("digits", digits, 0) > 9:
        raise ValueError(f"digits must be at most 9, got {digits}")
    return digits


def _rounded(answer: float, digits: int) -> int:
    if hasattr(answer, "reshape"):  # a tensor or an array
        if len(answer.reshape(-1)) != 1:
            raise TypeError(f"answer must be one number, got {type(answer).__name__} of shape {tuple(answer.shape)}")
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, Real) or not math.isfinite(answer):
        raise TypeError(f"answer must be a finite number, got {answer!r}")
    return math.floor(float(answer) * 10**digits + 0.5)


def _hash(task: str, rounded: int, digits: int) -> str:
    if not task:
        raise ValueError("task needs a name")
    text = f"{digits}:{rounded}".encode()
    return hashlib.pbkdf2_hmac("sha256", text, f"hpn_lite:{task}".encode(), ROUNDS, dklen=8).hex()
