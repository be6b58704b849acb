# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a walk kept to the inventory of an image. Standard library only: the scanner pod runs this file."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._images.file_selection import FileSelection, join_selections
from .._images.folders import read_folder
from .._images.model import Image, KeptFile, Problem, RootContent
from .._images.targets import RootFolder
from .._images.walk import read_root
from .kinds import ImageRoot, KindReading
from .model import Inventory, OsRelease
from .problems import problem
from .rpm.origins import bare_label, usable_cpes
from .table import PACKAGE_KINDS

if t.TYPE_CHECKING:
    from .._images.unpack import Unpacking

_OS_RELEASE = ("etc/os-release", "usr/lib/os-release")
_MAX_FILE = 256 * 1024 * 1024  # the largest rpm databases in use are below 100 MiB
_MAX_OS_RELEASE = 64 * 1024
_MAX_VALUE = 512  # of os-release

#: Every file that an inventory is made of.
WANTED = dataclasses.replace(
    join_selections((FileSelection(files=frozenset(_OS_RELEASE)), *(kind.wanted for kind in PACKAGE_KINDS.values()))),
    file_limit=_MAX_FILE,
)

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_ESCAPE = re.compile(r"\\(.)")


def take_inventory(opened: Image | RootFolder, *, threads: int = 2, beside: Unpacking | None = None) -> Inventory:
    """Read an opened image, or an unpacked root folder, and say what is in it.

    ``beside``: unpacks the image at the same time (see ``read_root``); a root folder is unpacked already.
    Raises ScanError for what makes the whole image unreadable (a layer that cannot be fetched or verified).
    """
    if isinstance(opened, RootFolder):
        content = read_folder(opened.path, WANTED)
        inventory = inventory_of(content, {})
        if content.entries or content.problems:
            return inventory
        empty = problem("root-empty", "the root folder is empty; was the image mounted or unpacked there?")
        return dataclasses.replace(inventory, problems=(empty,))
    return inventory_of(read_root(opened, WANTED, threads=threads, beside=beside), opened.config.labels)


def _joined(readings: t.Mapping[str, KindReading], field: str) -> tuple[t.Any, ...]:
    return tuple(entry for reading in readings.values() for entry in getattr(reading, field))


def inventory_of(content: RootContent, labels: t.Mapping[str, str]) -> Inventory:
    """The inventory that a walk's content and the labels of the image's config give; what was wrong is in it."""
    os_release, os_problems = _os_release(content.files)
    root = ImageRoot(content, labels, os_release, tuple(os_problems))
    readings = {name: kind.read(root) for name, kind in PACKAGE_KINDS.items()}
    not_examined = dict(content.unexamined)
    not_examined.update({name: reading.counted for name, reading in readings.items() if reading.counted})
    packages = _joined(readings, "packages")
    problems = [*content.problems, *_joined(readings, "problems")]
    return Inventory(
        kind=next((name for name, reading in readings.items() if reading.is_present), _kind_without_packages(content)),
        os=os_release,
        packages=tuple(sorted(packages, key=lambda package: (package.nevra, package.install_time))),
        database=next((reading.database for reading in readings.values() if reading.database), None),
        repositories=_joined(readings, "repositories"),
        label_cpes=_joined(readings, "label_cpes"),
        labels=dict(labels),
        not_examined=not_examined,
        problems=tuple(dict.fromkeys(problems)),
    )


def of_mounted_root(inventory: Inventory, labels: t.Mapping[str, str] | None) -> Inventory:
    """The inventory of an image of which only the merged files could be read, and what that may have hidden.

    ``labels``: of the image's config, None where nobody saw them. Without any content manifest in an image of Red Hat
    one may lie in a lower layer; beside one that is seen a hidden one is not missed, which is a limit of this way.
    """
    problems = list(inventory.problems)
    has_manifest = any(repository.source == "content_manifest" for repository in inventory.repositories)
    if inventory.kind == "rpm" and inventory.os.id == "rhel" and not has_manifest:
        hidden = "a lower layer may hold a content manifest that is hidden here; scan it with method: job"
        problems.append(problem("layers-unseen", hidden))
    cpes = inventory.label_cpes
    if labels is None:
        problems.append(problem("config-unseen", "the image's config could not be read, so its labels are unknown"))
    else:
        cpes = usable_cpes({*cpes, bare_label(labels.get("cpe"))})
    return dataclasses.replace(inventory, labels=dict(labels or {}), label_cpes=cpes, problems=tuple(problems))


def _kind_without_packages(content: RootContent) -> str:
    bare = not (content.files or content.layer_files or content.stray_databases or content.problems)
    return "static" if bare and not content.is_dynamic and not any(content.unexamined.values()) else "unknown"


# os-release


def _os_release(files: t.Mapping[str, KeptFile]) -> tuple[OsRelease, list[Problem]]:
    """The first os-release with an ID, and what an image with RPMs must say about it."""
    present = [files[path] for path in _OS_RELEASE if path in files]
    for file in present:
        if len(file.data) <= _MAX_OS_RELEASE:
            parsed = parse_os_release(bytes(file.data[:]))
            if parsed.id:
                return parsed, []
    if present:
        message = f"{present[0].path} has no ID, or more than {_MAX_OS_RELEASE} bytes"
        return OsRelease(), [problem("os-release-unreadable", message)]
    return OsRelease(), [problem("os-release-missing", "there is neither etc/os-release nor usr/lib/os-release")]


def parse_os_release(data: bytes) -> OsRelease:
    """The fields of an os-release file (os-release(5)): shell-like assignments, the last of a name counts."""
    values: dict[str, str] = {}
    for line in data.decode("utf-8", errors="replace").splitlines():
        match = _ASSIGNMENT.match(line.strip())
        if match:
            values[match[1]] = _unquote(match[2])[:_MAX_VALUE]
    return OsRelease(
        id=values.get("ID", "").lower(),
        version_id=values.get("VERSION_ID", ""),
        name=values.get("NAME", ""),
        pretty_name=values.get("PRETTY_NAME", ""),
        id_like=tuple(values.get("ID_LIKE", "").lower().split()),
        cpe_name=values.get("CPE_NAME", ""),
        variant_id=values.get("VARIANT_ID", ""),
    )


def _unquote(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1]
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return _ESCAPE.sub(r"\1", text[1:-1])
    return _ESCAPE.sub(r"\1", text)
