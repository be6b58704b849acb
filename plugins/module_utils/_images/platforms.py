# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images of an index the nodes of a platform may run: the one rule for scanner, judge and modules.

``matches`` is what containerd decides (github.com/containerd/platforms, ``Only``); a differential test compares the
two. ``choose`` goes further on purpose, because nobody knows which runtime and which processor a node has:

* A wanted platform without a variant means every processor of that architecture, so every variant counts, while only
  an image for the baseline (amd64/v1, arm64/v8, arm/v7) serves the platform.
* CRI-O (containers/image, ``WantedPlatforms``) runs an entry without a variant on any node of its architecture.
* An entry without a platform counts always: a node then looks into its config, or takes it for want of another one.

Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import re
import typing as t

from .._core.errors import InputError
from .._core.text import quoted
from .model import Platform

# Other names of architectures, and the variant that the name implies.
_ALIASES: t.Mapping[str, tuple[str, str | None]] = {
    "x86_64": ("amd64", None),
    "x86-64": ("amd64", None),
    "i386": ("386", ""),
    "aarch64": ("arm64", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
# Variants that say the same. The baseline has no variant in the normal form, but for arm.
_VARIANTS: t.Mapping[str, t.Mapping[str, str]] = {
    "amd64": {"v1": ""},
    "arm64": {"8": "", "v8": "", "v8.0": "", "9": "v9", "9.0": "v9", "v9.0": "v9"},
    "arm": {"": "v7", "7": "v7", "5": "v5", "6": "v6", "8": "v8"},
}
# An arm64 processor of version 9.x has all of 8.(x + 5), but version 8 ends with 8.9.
_ARM64 = re.compile(r"v(?:8(?:\.([0-9]))?|9(?:\.([0-7]))?)")
_NUMBER = re.compile(r"v?(\+?[0-9]{1,18})")
_LEVEL = re.compile(r"v([1-9][0-9]{0,17})")


def parse_platform(text: str) -> Platform:
    """Read ``os/architecture[/variant]``, for example linux/arm64. Raises InputError."""
    parts = text.strip().lower().split("/")
    if not 2 <= len(parts) <= 3 or not all(re.fullmatch(r"[a-z0-9._-]+", part) for part in parts):
        raise InputError(f"{quoted(text, 60)} is not a platform; expected os/architecture[/variant], as in linux/arm64")
    return resolve_names(*parts)


def platform_of(text: str) -> Platform | None:
    """Read back a platform that ``str`` wrote, None for anything else."""
    parts = text.split("/")
    return Platform(*parts) if 2 <= len(parts) <= 3 else None


def resolve_names(system: str, architecture: str, variant: str = "") -> Platform:
    """Make a platform of three texts, with the common name of its system and architecture."""
    system, architecture, variant = map(_lowered, (system, architecture, variant))
    architecture, implied = _ALIASES.get(architecture, (architecture, None))
    return Platform("darwin" if system == "macos" else system, architecture, variant if implied is None else implied)


def normalized(platform: Platform) -> Platform:
    """Give platforms that mean the same the same form (containerd's ``Normalize``)."""
    named = resolve_names(platform.os, platform.architecture, platform.variant)
    variants = _VARIANTS.get(named.architecture, {})
    return Platform(named.os, named.architecture, variants.get(named.variant, named.variant))


def matches(node: Platform, image: Platform) -> bool:
    """True if containerd on exactly this node runs an image for that platform, be it for an older or smaller one."""
    node, image = normalized(node), normalized(image)
    if node.os != image.os:
        return False
    if node.architecture == "arm64":
        return _matches_arm64(node.variant or "v8", image)
    return node == image or _is_older(node, image)


def _is_older(node: Platform, image: Platform) -> bool:
    if node.architecture == "amd64":
        older = image.architecture == "amd64" and _level(image.variant or "v1") in range(1, _number(node.variant))
        return older or (image.architecture, image.variant) == ("386", "")
    if node.architecture == "arm" and image.architecture == "arm":
        return _level(image.variant) in range(5, _number(node.variant))
    return False


def is_fallback(platform: Platform | None) -> bool:
    """Return whether nodes of another architecture run such an image too, for want of one of their own."""
    return platform is not None and _architecture(platform)[1] in ("386", "arm")


def choose(
    offered: t.Sequence[Platform | None], platforms: t.Sequence[Platform]
) -> tuple[tuple[int, ...], tuple[Platform, ...]]:
    """Choose among the entries of an index those that any node of the wanted platforms may run.

    ``offered``: platform of each entry, None where it is not known. Returns the positions of the entries that count,
    and the wanted platforms that no entry serves for certain. If nothing is wanted, all count.
    """
    if not platforms:
        return tuple(range(len(offered))), ()
    stated = [platform for platform in offered if platform is not None]
    baselines = _architectures_for_all(stated)
    chosen = tuple(
        position
        for position, platform in enumerate(offered)
        if platform is None or any(_may_run(node, platform, baselines) for node in platforms)
    )
    return chosen, tuple(node for node in platforms if not _is_served(node, stated))


def _architectures_for_all(stated: t.Iterable[Platform]) -> set[tuple[str, str]]:
    """Give the systems and architectures that have an image for every node of theirs."""
    return {_architecture(platform) for platform in stated if normalized(platform) == _baseline(platform)}


def _is_served(node: Platform, stated: t.Iterable[Platform]) -> bool:
    return any(matches(node, platform) for platform in stated)


def _may_run(node: Platform, image: Platform, baselines: set[tuple[str, str]]) -> bool:
    """Return whether any runtime on any node of a platform may run an image of an index.

    ``baselines``: systems and architectures that have an image for every node; those nodes never fall back.
    """
    if _architecture(node) == _architecture(image):
        equal = normalized(node) == normalized(image)
        return equal or not (node.variant and image.variant) or matches(node, image)
    return _architecture(node) not in baselines and matches(_baseline(node), image)


def _architecture(platform: Platform) -> tuple[str, str]:
    form = normalized(platform)
    return form.os, form.architecture


def _baseline(platform: Platform) -> Platform:
    return normalized(Platform(*_architecture(platform)))


def _matches_arm64(variant: str, image: Platform) -> bool:
    version = _ARM64.fullmatch(variant)
    if version is None:
        return False
    if image.architecture == "arm":
        return _level(image.variant) in range(5, 9)
    image_version = _ARM64.fullmatch(image.variant or "v8") if image.architecture == "arm64" else None
    if image_version is None:
        return False
    (eight, nine), (other_eight, other_nine) = (_minors(match) for match in (version, image_version))
    if other_nine >= 0:
        return other_nine <= nine
    return other_eight <= (eight if nine < 0 else min(nine + 5, 9))


def _minors(version: re.Match[str]) -> tuple[int, int]:
    """The minor numbers of versions 8 and 9; -1 for the one that it is not."""
    if version[0].startswith("v9"):
        return -1, int(version[2] or 0)
    return int(version[1] or 0), -1


def _number(variant: str) -> int:
    """The number of a node's variant, with or without its v; 0 for none."""
    number = _NUMBER.fullmatch(variant)
    return int(number[1]) if number else 0


def _level(variant: str) -> int:
    """The number of an image's variant (v3: 3), 0 for anything else."""
    level = _LEVEL.fullmatch(variant)
    return int(level[1]) if level else 0


def _lowered(text: str) -> str:
    # Go lowers each character to one; Python makes two of this one.
    return text.replace("\u0130", "i").lower()
