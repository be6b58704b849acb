# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Under which names a feed speaks of a package: its own, its source's and its module's."""

from __future__ import annotations

import re
import typing as t

from ..._packages.model import Inventory, Package
from ..._packages.rpm.modules import is_modular, read_label
from ..documents.csaf_flat import koji_stream
from ..documents.model import UNKNOWN_MODULE
from ..index.form import Group

#: The module of an ordinary build whose label cannot be read: it may be any, or none.
ANY_MODULE = "*"
_KERNEL_HEADERS = re.compile(
    r"kernel(?:-[a-z0-9]+)?-(?:headers|cross-headers|doc|devel|devel-matched|abi-[a-z]+)|kernel-srpm-macros"
)
_SOURCE = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)-(?P<release>[^-]+?)\.(?:no)?src\.rpm")


def source_of(package: Package) -> tuple[str, str]:
    """Name and ``version-release`` of the source package; the package's own where the header does not tell."""
    match = _SOURCE.fullmatch(package.source_rpm)
    if match is None:
        return package.name, f"{package.version}-{package.release}"
    return match["name"], f"{match['version']}-{match['release']}"


def source_epochs(packages: t.Iterable[Package]) -> dict[str, int]:
    """Epoch of each source package (by its file name) that one of the packages tells: one with its name or version.

    The name of a source package has no epoch. Its main package has the same one, and so have packages that inherit its
    version; others have versions and epochs of their own.
    """
    epochs: dict[str, int] = {}
    main: set[str] = set()
    for package in packages:
        name, build = source_of(package)
        if not package.source_rpm:
            continue
        if package.name == name:
            main.add(package.source_rpm)
            epochs[package.source_rpm] = package.epoch or 0
        elif f"{package.version}-{package.release}" == build and package.source_rpm not in main:
            epoch = epochs.get(package.source_rpm)
            epochs[package.source_rpm] = min(package.epoch or 0, (package.epoch or 0) if epoch is None else epoch)
    return epochs


def tells_source(package: Package) -> bool:
    """Return whether the header names the source package."""
    return bool(_SOURCE.fullmatch(package.source_rpm))


def wanted_names(inventory: Inventory) -> tuple[str, ...]:
    """The names that an index must be built for so that it is whole for this inventory.

    Those of packages, of their sources, and of modules.
    """
    names: set[str] = set()
    for package in inventory.packages:
        if package.name != "gpg-pubkey":
            names.update(names_of(package))
    return tuple(sorted(names))


def is_headers(name: str, source: str) -> bool:
    """Return whether a package has headers and documentation of the kernel alone."""
    return source.startswith("kernel") and bool(_KERNEL_HEADERS.fullmatch(name))


def module_of(package: Package) -> str:
    """``name:stream`` of a modular package; unknown if only the release says that it is one.

    With a label that cannot be read, an ordinary build may be of any module, or of none.
    """
    stated = read_label(package.modularity)
    if stated:
        return stated
    if is_modular(package.release):
        return UNKNOWN_MODULE
    return ANY_MODULE if package.modularity else ""


def names_of(package: Package) -> tuple[str, ...]:
    """The names under which a feed may speak of a package: its own, its source's, its module's."""
    return (package.name, source_of(package)[0], *module_names(module_of(package)))


def module_names(module: str) -> tuple[str, ...]:
    """The names under which a feed speaks of a module as a whole; none for a package without a known one."""
    name, colon, stream = module.partition(":")
    if not colon:
        return ()
    streams = dict.fromkeys((stream, koji_stream(stream)))
    return tuple(f"{base}:{own}" for base in (name, f"{name}-devel") for own in streams)


def same_module(stated: str, module: str) -> bool:
    """Return whether a statement's module is the package's (``name:stream``, empty for none)."""
    return is_module(stated, module) or is_companion(stated, module)


def is_module(stated: str, module: str) -> bool:
    """Return whether both are the very same module, or none."""
    if UNKNOWN_MODULE in (stated, module) or module == ANY_MODULE:
        return False
    return koji_stream(stated) == koji_stream(module)


def is_companion(stated: str, module: str) -> bool:
    """Return whether one module is the other's companion for developers, after which some documents name it."""
    stated_name, _colon, stream = stated.partition(":")
    module_name, _colon, own = module.partition(":")
    if koji_stream(stream) != koji_stream(own):
        return False
    return stated_name == f"{module_name}-devel" or module_name == f"{stated_name}-devel"


def may_be_module(group: Group, module: str) -> bool:
    """Return whether one side belongs to a module that is not known, so that the other may be meant."""
    if module == ANY_MODULE:
        return True
    if module == UNKNOWN_MODULE:
        return bool(group.module)
    if group.module != UNKNOWN_MODULE:
        return False
    return bool(module) or not is_modular(group.evr)
