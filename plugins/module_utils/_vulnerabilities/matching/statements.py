# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements about packages of an image, ready to be weighed (``precedence``), and what comes out."""

from __future__ import annotations

import typing as t

from ..cpes import Relation
from ..index.form import STATEMENT_STATUSES, Title
from .builds import Build, BuildStream

FIXED = STATEMENT_STATUSES.index("fixed")
AFFECTED = STATEMENT_STATUSES.index("known_affected")
NOT_AFFECTED = STATEMENT_STATUSES.index("known_not_affected")


class Said(t.NamedTuple):
    """One statement about one package of the image, ready to be weighed.

    ``binary``: it names the package, else its source or its module. ``exact``: its module is the package's.
    ``certain``: the document tells whether what it names is a source package. ``of_module``: ``build`` is a module's.
    """

    relation: Relation
    status: int
    build: Build | None
    stream: BuildStream
    severity: int
    fix_state: int
    advisory: str
    evr: str
    product: int
    rank: int
    binary: bool
    exact: bool
    module: str
    certain: bool
    of_module: bool


class PrecedenceStep(t.NamedTuple):
    """One step of weighing, for explanations.

    ``kind``: ``outranked`` (``said`` by ``other``), ``not_believed`` (a "not affected"), ``compared`` (``order`` of the
    installed build and the one of ``said``), or how it ended: ``nothing_applies``, ``not_affected``, ``investigated``,
    ``fixed_newest``, ``fixed_in_stream``, ``fix_available``, ``open``. ``module``: what the step is about.
    """

    kind: str
    said: Said | None = None
    other: Said | None = None
    order: int = 0
    module: str = ""


class Shared(t.NamedTuple):
    """Statements shared by several vulnerabilities.

    ``fixes``: the fixes named, where nothing but fixes (and "not affected") applies, else None. ``known``: where no
    build is named to compare with, what came out for builds by all that matters of them, else None. ``of``: each
    vulnerability with the document and the CVSS of each statement.
    """

    said: tuple[Said, ...]
    fixes: tuple[Said, ...] | None
    known: dict[tuple[BuildStream, BuildStream, bool], BuildStatus | None] | None
    of: list[tuple[str, list[tuple[Title, str]]]]


def names_fix(statement: Said) -> bool:
    """Return whether a statement names the build that has the fix."""
    return statement.status == FIXED and statement.build is not None


class BuildStatus(t.NamedTuple):
    """Status of a build that is, or may be, vulnerable.

    ``said``: the statement to report. ``status``, ``severity``, ``fixed_in``: as in ``model.Finding``, the severity by
    number. ``elsewhere``: fixes that the image's products do not get.
    """

    said: Said
    status: str
    severity: int
    fixed_in: str
    elsewhere: t.Sequence[Said]


class Origin(t.NamedTuple):
    """Where a package comes from: its source package and, None where no package of the image tells it, its epoch."""

    name: str
    build: str
    epoch: int | None


def readings(statements: t.Sequence[Said], *, is_main: bool) -> t.Iterator[t.Sequence[Said]]:
    """List what the statements may mean if documents do not tell sources from binaries.

    A build of one name may be the package or a source package of that name, from which this package was not built.
    The build of the package's source may be the binary named like it; the source is meant as long as nothing else
    is said of the package by its own name. ``is_main``: the package has the name of its source.
    """
    yield statements
    if is_main or all(statement.certain for statement in statements):
        return
    meanings = (True, False) if any(statement.binary for statement in statements) else (True,)
    for binary in meanings:
        reading = _certain_or_of(statements, binary=not binary)
        if len(reading) < len(statements):
            yield reading


def _certain_or_of(statements: t.Sequence[Said], *, binary: bool) -> list[Said]:
    """Statements without those that may mean a source, or with ``binary`` False a binary, of the name."""
    return [statement for statement in statements if statement.certain or statement.binary == binary]
