# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images a policy is about, by their references, platforms and labels."""

from __future__ import annotations

import dataclasses
import fnmatch
import re
import typing as t


@dataclasses.dataclass(frozen=True)
class Selection:
    """Shell patterns; an empty tuple selects all. ``labels``: (name, pattern of the value), all must match."""

    registries: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    def selects(self, references: t.Iterable[str], platform: str, labels: t.Mapping[str, str]) -> bool:
        """Return whether an image is meant that has these references (one is enough), platform and labels."""
        if not all(name in labels and fnmatch.fnmatchcase(labels[name], pattern) for name, pattern in self.labels):
            return False
        # linux/arm64 means linux/arm64/v8, too.
        if not _matches(platform, self.platforms) and not _matches(platform.rpartition("/")[0], self.platforms):
            return False
        return any(
            _matches(registry, self.registries) and _matches(repository, self.repositories)
            for registry, repository in map(split_reference, references)
        )


ALL_IMAGES = Selection()


def split_reference(reference: str) -> tuple[str, str]:
    """(registry, repository) of a reference in full form; the registry is empty for files and folders."""
    name = reference.partition("@")[0]
    registry, slash, repository_path = name.partition("/")
    # Files and folders are written TRANSPORT:PATH (containers-transports(5)); a port is a number.
    if not slash or re.match(r"(oci|oci-archive|docker-archive|rootfs):", reference):
        return "", reference
    head, _slash, tail = repository_path.rpartition("/")
    return registry, f"{head}/{tail.partition(':')[0]}" if head else tail.partition(":")[0]


def _matches(text: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)
