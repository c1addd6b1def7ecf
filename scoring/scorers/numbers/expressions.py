"""The value of an expression without variables: 3π/4, 1 + √2, (2/3)^4, 2 × 3.

Rational values are exact. An expression that is not understood whole has no value.
"""

import re
from fractions import Fraction
from math import isfinite, pi
from typing import Final, TypeAlias

from shadow.errors import ShadowError

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])|\d+(?:\.\d+)?(?![\d,.]\d)|\.\d+)|(?P<pi>π|pi\b)"
    r"|(?P<root>[√∛∜]|sqrt\b)|(?P<raised>[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)|(?P<sign>\*\*|[-+−–*×·⋅÷/⁄^()\[\]]))"
)
_OPERATORS: Final = re.compile(r"[+*×·⋅÷/⁄^√∛∜π()²³]|sqrt|pi\b")
_NORMAL: Final = {"−": "-", "–": "-", "×": "*", "·": "*", "⋅": "*", "÷": "/", "⁄": "/", "**": "^", "[": "(", "]": ")"}
_SUPERSCRIPTS: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_DEGREES: Final = {"√": 2, "sqrt": 2, "∛": 3, "∜": 4}
_PI, _OPENED = "π", "("
_MOST_TOKENS: Final = 64
_MOST_CHARACTERS: Final = 200
_MOST_BITS: Final = 1_024

Value: TypeAlias = Fraction | float


class NotComputableError(ShadowError):
    """The text is no expression that can be computed."""


def value(text: str) -> int | float | None:
    """The value of the expression; None where it is not one, has no operator, or is not a finite number."""
    if len(text) > _MOST_CHARACTERS or not _OPERATORS.search(text):
        return None
    try:
        reader = _Reader(_tokens(text))
        found = reader.sum(0)
        if reader.peek() is not None:
            return None
    except (NotComputableError, ZeroDivisionError, OverflowError):
        return None
    if isinstance(found, Fraction) and found.denominator == 1:
        return found.numerator
    try:
        number = float(found)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def _tokens(text: str) -> list[str | Fraction]:
    tokens: list[str | Fraction] = []
    at, text = 0, text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or len(tokens) >= _MOST_TOKENS:
            raise NotComputableError
        at = found.end()
        if (number := found["number"]) is not None:
            if tokens and isinstance(tokens[-1], Fraction):
                raise NotComputableError  # two numbers side by side
            tokens.append(Fraction(number.replace(",", "")))
        elif found["pi"]:
            tokens.append("π")
        elif found["root"]:
            tokens.append(found["root"])
        elif (raised := found["raised"]) is not None:
            tokens += [
                "^",
                "(",
                *(["-"] if raised[0] == "⁻" else []),
                Fraction(raised.translate(_SUPERSCRIPTS).lstrip("+-")),
                ")",
            ]
        else:
            tokens.append(_NORMAL.get(found["sign"], found["sign"]))
    return tokens


class _Reader:
    """Recursive descent: sums of products of powers. Juxtaposition multiplies: 2√3, 3π."""

    def __init__(self, tokens: list[str | Fraction]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self) -> str | Fraction | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self) -> str | Fraction:
        if self.at >= len(self.tokens):
            raise NotComputableError
        self.at += 1
        return self.tokens[self.at - 1]

    def sum(self, depth: int) -> Value:
        if depth > 12:
            raise NotComputableError
        total: Value = self.product(depth)
        while self.peek() in ("+", "-"):
            sign = self.take()
            term = self.product(depth)
            total = _checked(total + term if sign == "+" else total - term)
        return total

    def product(self, depth: int) -> Value:
        sign = 1
        while self.peek() in ("+", "-"):
            sign *= -1 if self.take() == "-" else 1
        total: Value = sign * self.power(depth)
        while (following := self.peek()) is not None:
            if following == "*":
                self.take()
                total = _checked(total * self.power(depth))
            elif following == "/":
                self.take()
                total = _checked(total / self.power(depth))
            elif isinstance(following, str) and following in "(π√∛∜sqrt":
                total = _checked(total * self.power(depth))
            else:
                break
        return total

    def power(self, depth: int) -> Value:
        base = self.atom(depth)
        if self.peek() == "^":
            self.take()
            sign = -1 if self.peek() == "-" else 1
            if sign < 0:
                self.take()
            exponent = sign * self.power(depth + 1)
            return _raised(base, exponent)
        return base

    def atom(self, depth: int) -> Value:
        token = self.take()
        if isinstance(token, Fraction):
            return token
        if token == _PI:
            return pi
        if token == _OPENED:
            inside = self.sum(depth + 1)
            if self.take() != ")":
                raise NotComputableError
            return inside
        if token in _DEGREES:
            if depth > 12:
                raise NotComputableError
            return _root(self.atom(depth + 1), _DEGREES[token])
        raise NotComputableError


def _checked(value: Value) -> Value:
    if isinstance(value, Fraction) and max(value.numerator.bit_length(), value.denominator.bit_length()) > _MOST_BITS:
        raise NotComputableError
    return value


def _raised(base: Value, exponent: Value) -> Value:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if abs(exponent) * bits > _MOST_BITS:
            raise NotComputableError
        return base**exponent.numerator
    if base < 0:
        raise NotComputableError
    return float(pow(float(base), float(exponent)))


def _root(radicand: Value, degree: int) -> Value:
    if radicand < 0:
        raise NotComputableError
    root = float(radicand) ** (1 / degree)
    exact = Fraction(round(root)) if root < 2**40 else None
    return exact if exact is not None and exact**degree == radicand else root
