# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a walk kept to the inventory of an image. Standard library only: the scanner pod runs this file."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing as t

from .._core.errors import ScanError
from .._core.safe_json import read_json
from .._images.folders import read_folder
from .._images.model import Image, KeptFile, Problem, RootContent
from .._images.targets import RootFolder
from .._images.walk import read_root
from .._images.wanted import FileSelection
from .model import Inventory, OsRelease, Package, PackageDatabase, RepositoryId
from .problems import problem
from .rpm.databases import choose_database, database_files, read_databases
from .rpm.history import Nevra, repositories_of_packages
from .rpm.sqlite import is_hot_journal

if t.TYPE_CHECKING:
    from .._images.unpack import Unpacking

_OS_RELEASE = ("etc/os-release", "usr/lib/os-release")
#: dnf 5, then dnf 4; where both know a package, the newer program's history counts.
_HISTORIES = ("usr/lib/sysimage/libdnf5/transaction_history.sqlite", "var/lib/dnf/history.sqlite")
_MANIFEST_FOLDERS = ("root/buildinfo/content_manifests", "usr/share/buildinfo/content_manifests")
_SHARED_FOLDER = "usr/share/buildinfo"
_LABEL_FOLDERS = ("root/buildinfo", _SHARED_FOLDER)
_DPKG_STATUS = "var/lib/dpkg/status"
_DPKG_FOLDER = "var/lib/dpkg/status.d"
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")

_MAX_FILE = 256 * 1024 * 1024  # the largest rpm databases in use are below 100 MiB
_MAX_OS_RELEASE = 64 * 1024
_MAX_MANIFEST = 8 * 1024 * 1024
_MAX_MANIFESTS = 64 * 1024 * 1024  # of all layers together
_MAX_LABELS = 256 * 1024
_MAX_ID = 512  # of one repository id, CPE or value of os-release

#: Every file that an inventory is made of.
WANTED = FileSelection(
    files=frozenset(
        database_files()
        | set(_OS_RELEASE)
        | {history + end for history in _HISTORIES for end in ("", "-wal", "-journal")}
        | {_DPKG_STATUS}
        | set(_APK)
    ),
    folders={
        **dict.fromkeys(_MANIFEST_FOLDERS, ("*.json",)),
        _SHARED_FOLDER: ("*.json",),
        "root/buildinfo": ("labels.json",),
        _DPKG_FOLDER: ("*",),
    },
    layer_folders=frozenset((*_MANIFEST_FOLDERS, *_LABEL_FOLDERS)),
    file_limit=_MAX_FILE,
)

#: Distributions whose packages are RPMs, by the ID of os-release; others are told by ID_LIKE.
_RPM_FAMILY = frozenset(
    (
        *(
            "rhel",
            "rhcos",
            "hummingbird",
            "centos",
            "scientific",
            "springdale",
            "ol",
            "almalinux",
            "rocky",
            "eurolinux",
        ),
        *("miraclelinux", "navix", "circle", "cloudlinux", "virtuozzo", "scos", "fedora", "nobara", "amzn"),
        *("suse", "sles", "sled", "sl-micro", "mariner", "azurelinux", "photon", "openeuler", "euleros", "anolis"),
        *("alinux", "tencentos", "opencloudos", "mageia", "mandriva", "openmandriva", "rosa", "altlinux"),
    )
)

_INSTALLED = re.compile(rb"^Status:[^\n]* installed[ \t\r]*$", re.MULTILINE)
_PACKAGE = re.compile(rb"^Package:", re.MULTILINE)
_APK_PACKAGE = re.compile(rb"^P:", re.MULTILINE)
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


def inventory_of(content: RootContent, labels: t.Mapping[str, str]) -> Inventory:
    """The inventory that a walk's content and the labels of the image's config give; what was wrong is in it."""
    problems = list(content.problems)
    os_release, os_problems = _os_release(content.files)
    family = is_rpm_family(os_release)
    counts = {"dpkg": _dpkg_count(content.files), "apk": _apk_count(content.files)}
    packages: tuple[Package, ...] = ()
    database: PackageDatabase | None = None
    readings = read_databases({path: content.files[path].data for path in database_files() if path in content.files})
    if readings:
        chosen, found = choose_database(readings)
        packages, database = chosen.packages, chosen.database
        problems.extend(found)
    elif family:
        name = os_release.pretty_name or os_release.id
        problems.append(problem("rpmdb-missing", f"no rpm database in an image that says it is {name[:100]}"))
    if content.stray_databases:
        number, names = len(content.stray_databases), ", ".join(content.stray_databases[:3])
        problems.append(problem("rpmdb-stray", f"{number} rpm databases outside the three places: {names[:300]}"))
    kind = _kind(content, bool(readings) or family, counts)
    if kind == "rpm":
        problems.extend(os_problems)
    repositories, hint, found_problems = _content_manifests(content)
    problems.extend(found_problems)
    if kind == "rpm":
        origins, found_problems = _dnf_history(content.files)
        problems.extend(found_problems)
        traced = tuple(_with_repository(package, origins) for package in packages)
        known = {repository.id for repository in repositories}
        # Who builds on an image with a manifest may install from other repositories, and writes no manifest.
        more = {package.repository for package in traced} - known - {""}
        repositories += [RepositoryId(name, "dnf_history") for name in sorted(more)]
        if hint or not known:
            # Beside a manifest the history may name repositories of the build alone, which no map has.
            packages = traced
    label_cpes, found_problems = _label_cpes(content, labels)
    problems.extend(found_problems)
    not_examined = dict(content.unexamined)
    not_examined.update({name: count for name, count in counts.items() if count})
    return Inventory(
        kind=kind,
        os=os_release,
        packages=tuple(sorted(packages, key=lambda package: (package.nevra, package.install_time))),
        database=database,
        repositories=tuple(repositories),
        label_cpes=label_cpes,
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
    seen = any(one.source == "content_manifest" for one in inventory.repositories)
    if inventory.kind == "rpm" and inventory.os.id == "rhel" and not seen:
        hidden = "a lower layer may hold a content manifest that is hidden here; scan it with method: job"
        problems.append(problem("layers-unseen", hidden))
    cpes = inventory.label_cpes
    if labels is None:
        problems.append(problem("config-unseen", "the image's config could not be read, so its labels are unknown"))
    else:
        cpes = _usable({*cpes, _bare(labels.get("cpe"))})
    return dataclasses.replace(inventory, labels=dict(labels or {}), label_cpes=cpes, problems=tuple(problems))


def _kind(content: RootContent, rpm: bool, counts: t.Mapping[str, int | None]) -> str:
    if rpm:
        return "rpm"
    for name, count in counts.items():
        if count is not None:
            return name
    bare = not (content.files or content.layer_files or content.stray_databases or content.problems)
    return "static" if bare and not content.is_dynamic and not any(content.unexamined.values()) else "unknown"


# os-release


def is_rpm_family(os: OsRelease) -> bool:
    """True when the distribution's packages are RPMs."""
    return any(name in _RPM_FAMILY or name.startswith(("opensuse", "sle-", "suse-")) for name in (os.id, *os.id_like))


def _os_release(files: t.Mapping[str, KeptFile]) -> tuple[OsRelease, list[Problem]]:
    """The first os-release with an ID, and what an image with RPMs must say about it."""
    present = [files[path] for path in _OS_RELEASE if path in files]
    for file in present:
        if len(file.data) <= _MAX_OS_RELEASE:
            parsed = parse_os_release(bytes(file.data[:]))
            if parsed.id:
                return parsed, []
    if present:
        what = f"{present[0].path} has no ID, or more than {_MAX_OS_RELEASE} bytes"
        return OsRelease(), [problem("os-release-unreadable", what)]
    return OsRelease(), [problem("os-release-missing", "there is neither etc/os-release nor usr/lib/os-release")]


def parse_os_release(data: bytes) -> OsRelease:
    """The fields of an os-release file (os-release(5)): shell-like assignments, the last of a name counts."""
    values: dict[str, str] = {}
    for line in data.decode("utf-8", errors="replace").splitlines():
        match = _ASSIGNMENT.match(line.strip())
        if match:
            values[match[1]] = _unquote(match[2])[:_MAX_ID]
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


# Other package databases: counted, not examined


def _dpkg_count(files: t.Mapping[str, KeptFile]) -> int | None:
    """Installed Debian packages; None without a dpkg database."""
    count = None
    if _DPKG_STATUS in files:
        count = _matches(_INSTALLED, files[_DPKG_STATUS])
    for path, file in files.items():
        if path.startswith(_DPKG_FOLDER + "/") and not path.endswith(".md5sums"):
            count = (count or 0) + min(_matches(_PACKAGE, file), 1)
    return count


def _apk_count(files: t.Mapping[str, KeptFile]) -> int | None:
    counts = [_matches(_APK_PACKAGE, files[path]) for path in _APK if path in files]
    return max(counts) if counts else None


def _matches(pattern: re.Pattern[bytes], file: KeptFile) -> int:
    return sum(1 for _match in pattern.finditer(file.data))


# Repositories and CPEs


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


def _content_manifests(content: RootContent) -> tuple[list[RepositoryId], bool, list[Problem]]:
    """Repository ids of all content manifests, whether one of them points to the dnf history, and what is damaged.

    The folders also hold other documents (SBOMs). One that is not JSON is a problem where it may be a manifest: it
    names the keys of one, or lies in a folder for manifests. Passing over it would shorten the list of CPEs, and so
    the list of findings.
    """
    ids: dict[str, None] = {}
    hint = False
    problems: list[Problem] = []
    left = _MAX_MANIFESTS
    for file in _buildinfo(content):
        folder, _slash, name = file.path.rpartition("/")
        if name == "labels.json" or folder == "root/buildinfo":
            continue
        data = bytes(file.data[: _MAX_MANIFEST + 1])
        named = b'"content_sets"' in data or b'"from_dnf_hint"' in data
        suspect = named or folder in _MANIFEST_FOLDERS or name == "content-sets.json"
        if not suspect:
            continue
        if len(data) > _MAX_MANIFEST and not named:
            # A document of this size without either key at its beginning is an SBOM.
            continue
        left -= len(data)
        if left < 0:
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
        if not isinstance(sets, list) or not all(isinstance(one, str) and 0 < len(one) <= _MAX_ID for one in sets):
            problems.append(
                problem("content-manifest-unreadable", f"content_sets of {file.path} is not a list of repository ids")
            )
            continue
        ids.update(dict.fromkeys(sets))
    return [RepositoryId(name, "content_manifest") for name in sorted(ids)], hint, problems


def _dnf_history(files: t.Mapping[str, KeptFile]) -> tuple[dict[Nevra, str], list[Problem]]:
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
            found = repositories_of_packages(files[path].data, wal.data if wal else None, path)
        except ScanError as error:
            problems.append(problem("dnf-history-unreadable", f"{path}: {error.message}"))
            continue
        origins = {**found, **origins}
    return origins, problems


def _with_repository(package: Package, origins: t.Mapping[Nevra, str]) -> Package:
    key = (package.name, package.epoch or 0, package.version, package.release, package.arch)
    repository = origins.get(key, "")
    return dataclasses.replace(package, repository=repository) if repository else package


def _label_cpes(content: RootContent, labels: t.Mapping[str, str]) -> tuple[tuple[str, ...], list[Problem]]:
    """CPEs of every labels.json and of the config's label ``cpe``. A build defect quotes values twice."""
    found: dict[str, None] = {}
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
            found[_bare(document.get("cpe"))] = None
    found[_bare(labels.get("cpe"))] = None
    return _usable(found), problems


def _usable(cpes: t.Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(cpe for cpe in cpes if cpe.startswith("cpe:") and len(cpe) <= _MAX_ID))


def _bare(value: object) -> str:
    return value.strip().strip("\"'").strip() if isinstance(value, str) else ""
