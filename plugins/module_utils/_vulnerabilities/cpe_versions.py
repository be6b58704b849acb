# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions in CPEs that have wildcards (NISTIR 7695 and 7696).

A wildcard stands at the beginning or end of a value: ``*`` for any run of characters, each ``?`` for one or none. In a
CPE 2.2 URI they are written ``%02`` and ``%01``; Red Hat also writes ``*`` and ``?``, as in ``openshift:4.*``.
"""

from __future__ import annotations

import functools
import re

_SOUND = re.compile(r"(?P<start>\*|\?*)(?P<text>[^*?]*)(?P<end>\*|\?*)")
_WHOLE_MAJOR = re.compile(r"[0-9]{1,3}\.\*")


def is_sound(version: str) -> bool:
    """Return whether the wildcards of a version stand where they may; a version without any is sound."""
    return all(character.isprintable() for character in version) and _SOUND.fullmatch(version) is not None


def has_wildcard(version: str) -> bool:
    return "*" in version or "?" in version


def matches(pattern: str, version: str) -> bool:
    """True if a version may be meant by a pattern: the version itself, a part of it up to a dot, or what it begins.

    A version that is less exact than the pattern (``4`` for ``4.*``) may be meant, and so may one that is more exact
    (``4.12.3`` for ``4.1?``). Two patterns match when their fixed beginnings agree.
    """
    if has_wildcard(version):
        prefix, version_prefix = _beginning(pattern), _beginning(version)
        return prefix.startswith(version_prefix) or version_prefix.startswith(prefix)
    parts = version.split(".")
    loose = _expression(pattern, exact=False)
    return (
        not version
        or any(loose.fullmatch(".".join(parts[:count])) for count in range(1, len(parts) + 1))
        or _beginning(pattern).startswith(version + ".")
    )


def matches_exactly(pattern: str, version: str) -> bool:
    """Return whether a pattern means this very version, each ``?`` being one character."""
    return bool(version) and not has_wildcard(version) and bool(_expression(pattern, exact=True).fullmatch(version))


def is_whole_major(pattern: str) -> bool:
    """Return whether a pattern is a major version with any minor (``9.*``)."""
    return _WHOLE_MAJOR.fullmatch(pattern) is not None


def exactness(version: str) -> int:
    """The higher, the more exact: how many parts of a version are told, without those that have a wildcard."""
    text = _beginning(version).rpartition(".")[0] if has_wildcard(version) else version
    return 1 + text.count(".") if text else 0


def _beginning(pattern: str) -> str:
    return re.split(r"[*?]", pattern, maxsplit=1)[0]


@functools.lru_cache(maxsize=4096)
def _expression(pattern: str, *, exact: bool) -> re.Pattern[str]:
    match = _SOUND.fullmatch(pattern)
    if match is None:
        raise ValueError(f"{pattern!r} has a wildcard between other characters")

    def wild(text: str) -> str:
        if text == "*":
            return ".*"
        return f".{{{len(text)}}}" if exact else f".{{0,{len(text)}}}"

    return re.compile(wild(match["start"]) + re.escape(match["text"]) + wild(match["end"]), re.DOTALL)
