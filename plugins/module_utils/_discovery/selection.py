# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selection of what a search looks at, by patterns, namespace and label; and how foreign fields are read."""

from __future__ import annotations

import collections
import dataclasses
import re
import typing as t

from .._core.errors import InputError
from .._core.text import printable, quoted
from .model import Excluded

#: Options that choose within a cluster.
SELECTORS: t.Mapping[str, t.Mapping[str, t.Any]] = {
    "namespaces": {"type": "list", "elements": "str", "default": []},
    "exclude_namespaces": {"type": "list", "elements": "str", "default": []},
    "system_namespaces": {"type": "bool", "default": False},
    "label_selector": {"type": "str"},
}
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclasses.dataclass(frozen=True)
class DiscoverySelection:
    """Which objects are looked at.

    ``namespaces`` and ``exclude``: regular expressions that must match the whole name; no ``namespaces`` means all.
    ``system``: the platform's own namespaces, too. ``label_selector``: for the server, in its own words.
    """

    namespaces: tuple[re.Pattern[str], ...] = ()
    exclude: tuple[re.Pattern[str], ...] = ()
    system: bool = False
    label_selector: str = ""

    @property
    def plain(self) -> tuple[str, ...]:
        """The namespaces, where each is a plain name: then only those are asked for, and rights in them are enough."""
        names = [pattern.pattern for pattern in self.namespaces if _NAMESPACE.fullmatch(pattern.pattern)]
        return tuple(dict.fromkeys(names)) if len(names) == len(self.namespaces) else ()

    @property
    def is_narrow(self) -> bool:
        """True if some objects are not seen at all, so that what nothing names may be named elsewhere."""
        return bool(self.namespaces or self.label_selector)

    def refusal(self, namespace: str, openshift: bool) -> str:
        """Why the objects of a namespace are left out; empty where they are not."""
        if self.exclude and chosen(namespace, self.exclude):
            return "exclude_namespaces names it"
        if not chosen(namespace, self.namespaces):
            return "no pattern of namespaces matches"
        # Who writes out the name of such a namespace means it.
        meant = self.system or any(pattern.pattern == namespace for pattern in self.namespaces)
        if not meant and is_system(namespace, openshift):
            return "it is the platform's own namespace (system_namespaces)"
        return ""


def patterns(options: t.Mapping[str, t.Any], name: str, prefix: str = "") -> tuple[re.Pattern[str], ...]:
    """Compile the regular expressions of an option; ``prefix`` goes before its name in messages."""
    compiled = []
    for expression in options[name]:
        try:
            compiled.append(re.compile(expression))
        except (re.error, RecursionError, OverflowError) as error:
            raise InputError(
                f"{prefix}{name}: {quoted(expression, 100)} is not a regular expression: {error}"
            ) from None
    return tuple(compiled)


def chosen(name: str, patterns: t.Sequence[re.Pattern[str]]) -> bool:
    """Return whether one of the patterns matches the whole name; without patterns every name is chosen."""
    return not patterns or any(pattern.fullmatch(name) for pattern in patterns)


def read_selection(params: t.Mapping[str, t.Any]) -> DiscoverySelection:
    """Read the options of ``SELECTORS``."""
    return DiscoverySelection(
        patterns(params, "namespaces"),
        patterns(params, "exclude_namespaces"),
        params["system_namespaces"],
        params["label_selector"] or "",
    )


def is_system(namespace: str, openshift: bool) -> bool:
    """Return whether a namespace is the platform's: kube-..., and openshift-... on OpenShift, which keeps that name."""
    if namespace.startswith("kube-"):
        return True
    return openshift and (namespace == "openshift" or namespace.startswith("openshift-"))


class LeftOut:
    """Counts what is left out by namespace: one line each, however many objects there are."""

    def __init__(self) -> None:
        self._counts: collections.Counter[tuple[str, str]] = collections.Counter()

    def add(self, name: str, reason: str, count: int = 1) -> None:
        """Count things."""
        self._counts[name, reason] += count

    def lines(self) -> list[Excluded]:
        """The lines, in stable order."""
        return [Excluded(name, reason, count) for (name, reason), count in sorted(self._counts.items())]


def obj(holder: t.Any, *names: str) -> dict[str, t.Any]:
    """The object at a path of fields; an empty one where something else is there."""
    for name in names:
        holder = holder.get(name) if isinstance(holder, dict) else None
    return holder if isinstance(holder, dict) else {}


def array(holder: dict[str, t.Any], name: str, limit: int = 100_000) -> list[t.Any]:
    """A list, cut at ``limit``; an empty one where something else is there."""
    value = holder.get(name)
    return value[:limit] if isinstance(value, list) else []


def entries(holder: dict[str, t.Any], name: str, limit: int = 100_000) -> list[dict[str, t.Any]]:
    """The objects of a list, cut at ``limit``."""
    return [entry for entry in array(holder, name, limit) if isinstance(entry, dict)]


def text(holder: dict[str, t.Any], name: str, limit: int = 1024) -> str:
    """Text that can be printed and stored, cut at ``limit`` characters; empty where something else is there."""
    value = holder.get(name)
    if not isinstance(value, str):
        return ""
    # Half a surrogate pair passes through an API server that keeps unknown fields as they came.
    return value[:limit] if value.isascii() else value[:limit].encode("utf-8", "replace").decode("utf-8")


def full_name(item: dict[str, t.Any]) -> tuple[str, str]:
    """Namespace and name of an object."""
    metadata = obj(item, "metadata")
    return text(metadata, "namespace", 253), text(metadata, "name", 253)


def on_one_line(message: str, limit: int = 300) -> str:
    """Foreign text for a sentence: on one line, without control characters."""
    return printable(" ".join(message[: 2 * limit].split()), limit)
