# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read from which repositories and products RPMs came: content manifests, labels of the build, the dnf history.

Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from ..._core.errors import ScanError
from ..._core.safe_json import read_json
from ..._images.file_selection import FileSelection
from ..._images.model import KeptFile, Problem, RootContent
from ..model import Package, RepositoryId
from ..problems import problem
from .history import Nevra, repositories_of_packages
from .sqlite import is_hot_journal

#: dnf 5, then dnf 4; where both know a package, the newer program's history counts.
_HISTORIES = ("usr/lib/sysimage/libdnf5/transaction_history.sqlite", "var/lib/dnf/history.sqlite")
_MANIFEST_FOLDERS = ("root/buildinfo/content_manifests", "usr/share/buildinfo/content_manifests")
_SHARED_FOLDER = "usr/share/buildinfo"
_LABEL_FOLDERS = ("root/buildinfo", _SHARED_FOLDER)
_MAX_MANIFEST = 8 * 1024 * 1024
_MAX_MANIFESTS = 64 * 1024 * 1024  # of all layers together
_MAX_LABELS = 256 * 1024
_MAX_ID = 512  # of one repository id or CPE

#: The files that tell where packages came from.
ORIGIN_FILES = FileSelection(
    files=frozenset(history + end for history in _HISTORIES for end in ("", "-wal", "-journal")),
    folders={
        **dict.fromkeys(_MANIFEST_FOLDERS, ("*.json",)),
        _SHARED_FOLDER: ("*.json",),
        "root/buildinfo": ("labels.json",),
    },
    layer_folders=frozenset((*_MANIFEST_FOLDERS, *_LABEL_FOLDERS)),
)


def _buildinfo(content: RootContent) -> list[KeptFile]:
    """JSON files of the build in the merged root and in each layer, each content once, in a stable order."""
    folders = (*_MANIFEST_FOLDERS, *_LABEL_FOLDERS)
    files = [*content.layer_files, *(content.files[path] for path in sorted(content.files))]
    unique: dict[tuple[str, bytes], KeptFile] = {}
    for file in files:
        if file.path.rpartition("/")[0] in folders and file.path.endswith(".json"):
            digest = hashlib.sha256(file.data[: _MAX_MANIFEST + 1]).digest()
            unique.setdefault((file.path, digest), file)
    return list(unique.values())


def _may_be_manifest(path: str, data: bytes) -> bool:
    folder, _slash, name = path.rpartition("/")
    if name == "labels.json" or folder == "root/buildinfo":
        return False
    if b'"content_sets"' in data or b'"from_dnf_hint"' in data:
        return True
    # A document of this size without either key at its beginning is an SBOM.
    return len(data) <= _MAX_MANIFEST and (folder in _MANIFEST_FOLDERS or name == "content-sets.json")


def _is_id(identifier: object) -> bool:
    return isinstance(identifier, str) and 0 < len(identifier) <= _MAX_ID


def read_content_manifests(content: RootContent) -> tuple[list[RepositoryId], bool, list[Problem]]:
    """Repository ids of all content manifests, whether one of them points to the dnf history, and what is damaged.

    The folders also hold other documents (SBOMs). One that is not JSON is a problem where it may be a manifest: it
    names the keys of one, or lies in a folder for manifests. Passing over it would shorten the list of CPEs, and so
    the list of findings.
    """
    ids: dict[str, None] = {}
    hint = False
    problems: list[Problem] = []
    bytes_left = _MAX_MANIFESTS
    for file in _buildinfo(content):
        data = bytes(file.data[: _MAX_MANIFEST + 1])
        if not _may_be_manifest(file.path, data):
            continue
        bytes_left -= len(data)
        if bytes_left < 0:
            message = f"the content manifests have more than {_MAX_MANIFESTS} bytes together"
            problems.append(problem("content-manifest-unreadable", message))
            break
        try:
            document = read_json(data, file.path, limit=_MAX_MANIFEST)
        except ScanError as error:
            problems.append(problem("content-manifest-unreadable", error.message))
            continue
        if not isinstance(document, dict) or not {"content_sets", "from_dnf_hint"} & set(document):
            continue
        hint = hint or document.get("from_dnf_hint") is True
        sets = document.get("content_sets")
        if sets is None:
            continue
        if not isinstance(sets, list) or not all(map(_is_id, sets)):
            problems.append(
                problem("content-manifest-unreadable", f"content_sets of {file.path} is not a list of repository ids")
            )
            continue
        ids.update(dict.fromkeys(sets))
    return [RepositoryId(name, "content_manifest") for name in sorted(ids)], hint, problems


def read_dnf_history(files: t.Mapping[str, KeptFile]) -> tuple[dict[Nevra, str], list[Problem]]:
    """The repository of each package that the dnf history tells, and what of the history is damaged."""
    origins: dict[Nevra, str] = {}
    problems: list[Problem] = []
    for path in _HISTORIES:
        if path not in files:
            continue
        journal = files.get(path + "-journal")
        if journal is not None and is_hot_journal(journal.data):
            problems.append(problem("dnf-history-unreadable", f"{path} was left in the middle of a transaction"))
        wal = files.get(path + "-wal")
        if not files[path].data and not (wal and wal.data):
            continue  # SQLite's own form of a database in which nothing was ever written
        try:
            history = repositories_of_packages(files[path].data, wal.data if wal else None, path)
        except ScanError as error:
            problems.append(problem("dnf-history-unreadable", f"{path}: {error.message}"))
            continue
        origins = {**history, **origins}
    return origins, problems


def with_repository(package: Package, origins: t.Mapping[Nevra, str]) -> Package:
    """The package with the repository that the history tells."""
    key = (package.name, package.epoch or 0, package.version, package.release, package.arch)
    repository = origins.get(key, "")
    return dataclasses.replace(package, repository=repository) if repository else package


def read_label_cpes(content: RootContent, labels: t.Mapping[str, str]) -> tuple[tuple[str, ...], list[Problem]]:
    """CPEs of every labels.json and of the config's label ``cpe``. A build defect quotes values twice."""
    cpes: dict[str, None] = {}
    problems: list[Problem] = []
    for file in _buildinfo(content):
        if file.path.rpartition("/")[2] != "labels.json":
            continue
        try:
            document = read_json(bytes(file.data[: _MAX_LABELS + 1]), file.path, limit=_MAX_LABELS)
        except ScanError as error:
            problems.append(problem("labels-unreadable", error.message))
            continue
        if isinstance(document, dict):
            cpes[bare_label(document.get("cpe"))] = None
    cpes[bare_label(labels.get("cpe"))] = None
    return usable_cpes(cpes), problems


def usable_cpes(cpes: t.Iterable[str]) -> tuple[str, ...]:
    """Those that are CPEs, sorted."""
    return tuple(sorted(cpe for cpe in cpes if cpe.startswith("cpe:") and len(cpe) <= _MAX_ID))


def bare_label(value: object) -> str:
    """A label's text without quotes around it; empty for what is not a text."""
    return value.strip().strip("\"'").strip() if isinstance(value, str) else ""
