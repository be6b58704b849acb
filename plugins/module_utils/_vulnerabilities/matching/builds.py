# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds of packages: their order, and the stream (dist tag) that a build was made in.

One vulnerability is fixed several times, once in each stream that gets updates: ``7.76.1-23.el9_2.4`` and
``7.76.1-26.el9_3.2`` are both fixes of curl for Red Hat Enterprise Linux 9. A build is compared with the fix of its own
stream; neither the highest fix nor any fix is right for all.
"""

from __future__ import annotations

import functools
import re
import typing as t

from ..._packages.table import scheme_of

_compare_versions = scheme_of("rpm")

#: The last part of a module build's release, a hash of what it was built against, has no order.
_CONTEXT = re.compile(r"(\.module[+_][^+]*\+[0-9]+)\+[0-9a-f]{8}")
_MODULE = re.compile(r"\.module[+_]el([0-9]+)(?:\.([0-9]+))?([a-z][a-z0-9]*)?")
_MODULE_BUILD = re.compile(r"\.module[+_](.+)")
_NUMBERED = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4}){0,3}")
_OPENSHIFT = re.compile(r"(?:^|[._+])(rhaos[0-9.]+\.el([0-9]+))")
_PLAIN = re.compile(r"(?:^|[._+~^])(el([0-9]+)(?:_([0-9]+))?([a-z][a-z0-9]*)?)(?![a-z])")
#: Oracle publishes builds of one package for live patching and for FIPS beside the ordinary ones, told by high epochs.
_VARIANT = re.compile(r"[._](ksplice|fips)[0-9]*(?![a-z])")
#: Version of a module: its platform (81000 for 8.10.0, 8 for any minor) and the time of the build.
_LABEL = re.compile(r"[^:]+:[^:]+:([0-9]{0,6})([0-9]{14})(?::[^:]*)?")
_PLATFORM = re.compile(r"([0-9]{1,2}?)(?:([0-9]{2})[0-9]{2})?")
_HARDENED = re.compile(r"(?:^|[._+~^])(hum[0-9]+)")


class Build(t.NamedTuple):
    """Epoch (None where it is not known), version, and release without a module's context."""

    epoch: int | None
    version: str
    release: str


class BuildStream(t.NamedTuple):
    """Where a build was made. ``tag`` is equal for builds of one stream; empty when the release does not tell.

    ``major``: of the Enterprise Linux, 0 when unknown. ``minor``: None for none. ``product``: mark of a layered product
    (``sat``, ``rhaos`` …), empty for Enterprise Linux itself.
    """

    tag: str
    major: int
    minor: int | None
    product: str

    @property
    def distinctive(self) -> bool:
        """Only one stream has this tag; plain ``el9`` stands in all of them."""
        return self.minor is not None or bool(self.product)


@functools.lru_cache(maxsize=1 << 16)
def parse_build(evr: str) -> Build:
    """Read ``epoch:version-release`` or, with an unknown epoch, ``version-release``."""
    head, colon, version_release = evr.partition(":")
    epoch = int(head) if colon and head.isascii() and head.isdigit() and len(head) <= 10 else None
    version, _dash, release = (version_release if epoch is not None else evr).rpartition("-")
    return Build(epoch, version, _CONTEXT.sub(r"\1", release))


@functools.lru_cache(maxsize=1 << 16)
def compare_builds(first: Build, second: Build) -> int:
    """Order of two builds: -1, 0 or 1. An epoch that is not known counts as that of the other."""
    if first.epoch is not None and second.epoch is not None and first.epoch != second.epoch:
        return 1 if first.epoch > second.epoch else -1
    return _compare_versions(first.version, second.version) or _compare_versions(first.release, second.release)


def same_version(first: Build, second: Build) -> bool:
    """Return whether epoch and version are the same."""
    epochs = first.epoch is None or second.epoch is None or first.epoch == second.epoch
    return epochs and _compare_versions(first.version, second.version) == 0


@functools.lru_cache(maxsize=1 << 16)
def stream_of(release: str) -> BuildStream:
    """The stream that a release names."""
    match = _MODULE.search(release)
    if match:
        major, minor, product = match.groups("")
        return _stream(f"el{major}" + (f"_{minor}" if minor else "") + product, major, minor, product)
    match = _OPENSHIFT.search(release)
    if match:
        return _stream(match[1], match[2], "", "rhaos")
    match = _PLAIN.search(release)
    if match:
        variant = _VARIANT.search(release)
        return _stream(match[1], match[2], match[3], match[4] or (variant[1] if variant else ""))
    match = _HARDENED.search(release)
    if match:
        return BuildStream(match[1], 0, None, match[1])
    return BuildStream("", 0, None, "")


def _stream(tag: str, major: str, minor: str | None, product: str) -> BuildStream:
    return BuildStream(tag, _small(major) or 0, _small(minor), product)


def module_build(release: str) -> str:
    """The build of a module that a release names (``el9.2.0.z+19113``), without its context; empty for none."""
    match = _MODULE_BUILD.search(_CONTEXT.sub(r"\1", release))
    return match[1] if match else ""


def is_rebuild(first: Build | None, second: Build | None) -> bool:
    """Return whether two builds of one version are the same release in two builds of a module."""
    if first is None or second is None:
        return False
    first_parts, second_parts = (build.release.partition(".module") for build in (first, second))
    return bool(first_parts[1] and second_parts[1]) and first_parts[0] == second_parts[0]


def of_numbered_stream(module: str, build: Build) -> bool:
    """True if a build's version is in the stream of a module that is named by numbers, as 15.3 in ``postgresql:15``."""
    stream = module.partition(":")[2]
    return bool(_NUMBERED.fullmatch(stream)) and (build.version + ".").startswith(stream + ".")


@functools.lru_cache(maxsize=1 << 14)
def parse_label(label: str) -> tuple[Build, BuildStream] | None:
    """The build of a module and its stream by a label ``name:stream:version[:context]``; None for one without them.

    The platform counts as version and the time as release, so that builds for one minor release have one version. The
    context, a hash of what the module was built against, has no order.
    """
    match = _LABEL.fullmatch(label)
    if match is None:
        return None
    platform = _PLATFORM.fullmatch(match[1])
    stream = BuildStream("", 0, None, "")
    if platform:
        tag = f"el{platform[1]}" + (f"_{int(platform[2])}" if platform[2] else "")
        stream = BuildStream(tag, int(platform[1]), _small(platform[2]), "")
    return Build(None, match[1] or "0", match[2]), stream


def _small(text: str | None) -> int | None:
    return int(text) if text and len(text) < 4 else None
