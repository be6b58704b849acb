# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which namespaces lists act. The role ``enforce`` writes it down at the first deny list of each provider."""

from __future__ import annotations

import dataclasses
import json
import typing as t

ACTIONS = ("deny", "warn", "audit")


@dataclasses.dataclass(frozen=True)
class Reach:
    """Where the policies of an installation count.

    ``action``: ``deny``; ``warn`` and ``audit`` refuse nothing. ``only``: the namespaces in which they count, or empty
    for all. ``exempt``: those in which they do not; what ends with ``*`` is the beginning of names. ``required``: those
    in which only digests run that passed.
    """

    action: str = ACTIONS[0]
    only: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
    required: tuple[str, ...] = ()

    def touches(self, namespace: str) -> bool:
        """Return whether they count in a namespace, whatever they do there."""
        return namespace in self.required or (
            (not self.only or namespace in self.only) and not any(_covers(item, namespace) for item in self.exempt)
        )

    def text(self) -> str:
        """As it stands in the annotation: JSON, whatever the order in which the names were given."""
        fields = {key: sorted(set(value)) for key, value in dataclasses.asdict(self).items() if key != "action"}
        return json.dumps({"action": self.action, **fields}, separators=(",", ":"), sort_keys=True)


def read_reach(text: str) -> Reach | None:
    """Parse an annotation. None for what is not understood, which must be taken for every namespace."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, dict) or value.get("action") not in ACTIONS:
        return None
    parts = [_names(value.get(key)) for key in ("only", "exempt", "required")]
    if any(part is None for part in parts):
        return None
    return Reach(value["action"], *(part or () for part in parts))


def _names(value: t.Any) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return tuple(value)


def _covers(pattern: str, namespace: str) -> bool:
    return namespace.startswith(pattern[:-1]) if pattern.endswith("*") else namespace == pattern
