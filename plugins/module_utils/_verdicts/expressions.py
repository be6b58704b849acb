# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking JMESPath expressions against a schema before they run.

JMESPath answers null for whatever it does not find, and null is false: a misspelt ``!vulnerabilites`` holds for every
image. So each expression is walked with the type that every step gives (``expression_types``), and then tried on
generated images (``trial``). What can only be a mistake is refused: unknown fields, values that an enumeration or a
text never has, comparisons between kinds that are never equal, numbers as truth values, ``&&`` and ``||`` without
parentheses, and whatever never changes. No library does this: jmespath (1.1) has no notion of a schema.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._core.errors import InputError
from .._core.text import visible
from .expression_types import TypeCheck, named_type
from .rendering import render
from .schema import Schema, truth_kinds
from .trial import try_expression

#: Longest expression in characters.
LENGTH_LIMIT = 2000


@dataclasses.dataclass(frozen=True)
class CheckedExpression:
    """An expression that fits the schema. ``reads``: the fields of the whole object that it asks about, sorted."""

    expression: str
    reads: tuple[str, ...]


def check_expression(expression: str, schema: Schema) -> CheckedExpression:
    """Compile and check one expression. Raises ``InputError`` whose message begins with what is wrong."""
    import jmespath

    if len(expression) > LENGTH_LIMIT:
        raise InputError(f"longer than {LENGTH_LIMIT} characters")
    try:
        tree: t.Any = jmespath.compile(expression).parsed
    except jmespath.exceptions.JMESPathError as error:
        message = visible(" ".join(str(error).split()), 300)
        raise InputError(f"not a JMESPath expression{_syntax_advice(expression)}: {message}") from None
    except RecursionError:
        raise InputError("nested too deep") from None
    check = TypeCheck(schema)
    result = check.type_of(tree, schema)
    kinds = truth_kinds(result)
    if kinds and kinds != {"boolean"}:
        advice = {"array": ": write !(…) for an empty list, or length(…)", "number": ": compare it with something"}
        raise InputError(
            f"gives {named_type(result)}; it must be true where the condition holds, and false elsewhere"
            f"{advice.get(next(iter(kinds)), '') if len(kinds) == 1 else ''}"
        )
    if not check.reads:
        raise InputError("asks nothing about the image")
    if _mixes(expression):
        raise InputError(
            f"mixes && and || without parentheses, and && binds tighter: write {render(tree)}, or put them elsewhere"
        )
    try_expression(tree, schema, check.reads)
    return CheckedExpression(expression, tuple(sorted(check.reads)))


def _mixes(expression: str) -> bool:
    """Return whether && and || stand side by side, so that one must know which binds tighter."""
    import jmespath

    levels: list[set[str]] = [set()]
    for token in jmespath.lexer.Lexer().tokenize(expression):
        kind = token["type"]
        if kind in ("lparen", "lbracket", "filter", "lbrace"):
            levels.append(set())
        elif kind in ("rparen", "rbracket", "rbrace") and len(levels) > 1:
            levels.pop()
        elif kind in ("comma", "pipe"):
            levels[-1] = set()
        elif kind in ("and", "or"):
            levels[-1].add(kind)
            if len(levels[-1]) > 1:
                return True
    return False


#: What people write that JMESPath cannot read -> what to write.
_SYNTAX: tuple[tuple[str, str], ...] = (
    (r"(?<![=!<>])=(?!=)", "equality is written =="),
    (r"\b(and|or|not)\b", "write &&, || and !"),
    (r"(==|!=|<=?|>=?)\s*-?\d", "numbers are written `5`"),
    (r"=~|\bin\b|\blike\b", "write contains(), starts_with() or ends_with()"),
    (r"\{\{|\}\}", "it is not a Jinja template: leave the braces out"),
)


def _syntax_advice(expression: str) -> str:
    plain = re.sub(r"'[^']*'|`[^`]*`|\"[^\"]*\"", "''", expression)
    return next((f" ({advice})" for pattern, advice in _SYNTAX if re.search(pattern, plain)), "")


def evaluate(expression: str, value: t.Any) -> bool:
    """Run a checked expression. Raises ``InputError`` where it gives no boolean."""
    import jmespath

    try:
        result = jmespath.search(expression, value)
    except (jmespath.exceptions.JMESPathError, TypeError, ValueError) as error:
        raise InputError(f"cannot be evaluated: {visible(' '.join(str(error).split()), 300)}") from None
    if not isinstance(result, bool):
        kind = "null" if result is None else f"a {type(result).__name__}"
        raise InputError(f"gave {kind} instead of true or false")
    return result
