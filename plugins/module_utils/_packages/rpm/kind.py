# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RPM packages: Enterprise Linux, Fedora, SUSE and their kin. Standard library only: the scanner pod runs this file."""

from __future__ import annotations

import typing as t

from ..._images.file_selection import FileSelection, join_selections
from ..._images.model import Problem
from ..kinds import ImageRoot, KindReading, PackageKind
from ..model import OsRelease, Package, PackageDatabase, RepositoryId
from ..problems import problem
from .databases import choose_database, database_files, read_databases
from .origins import ORIGIN_FILES, read_content_manifests, read_dnf_history, read_label_cpes, with_repository
from .versions import compare_versions

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


def is_rpm_family(os: OsRelease) -> bool:
    """True when the distribution's packages are RPMs."""
    return any(name in _RPM_FAMILY or name.startswith(("opensuse", "sle-", "suse-")) for name in (os.id, *os.id_like))


def _unlisted(traced: t.Iterable[Package], repositories: t.Iterable[RepositoryId]) -> list[RepositoryId]:
    """The repositories that the history has besides.

    Who builds on an image with a manifest may install from other repositories, and writes no manifest.
    """
    more = {package.repository for package in traced} - {repository.id for repository in repositories} - {""}
    return [RepositoryId(name, "dnf_history") for name in sorted(more)]


def _read(root: ImageRoot) -> KindReading:
    content = root.content
    problems: list[Problem] = []
    packages: tuple[Package, ...] = ()
    database: PackageDatabase | None = None
    family = is_rpm_family(root.os)
    readings = read_databases({path: content.files[path].data for path in database_files() if path in content.files})
    if readings:
        chosen, database_problems = choose_database(readings)
        packages, database = chosen.packages, chosen.database
        problems.extend(database_problems)
    elif family:
        name = root.os.pretty_name or root.os.id
        problems.append(problem("rpmdb-missing", f"no rpm database in an image that says it is {name[:100]}"))
    if content.stray_databases:
        number, names = len(content.stray_databases), ", ".join(content.stray_databases[:3])
        problems.append(problem("rpmdb-stray", f"{number} rpm databases outside the three places: {names[:300]}"))
    is_present = bool(readings) or family
    if is_present:
        problems.extend(root.os_problems)
    repositories, hint, manifest_problems = read_content_manifests(content)
    problems.extend(manifest_problems)
    if is_present:
        origins, history_problems = read_dnf_history(content.files)
        problems.extend(history_problems)
        traced = tuple(with_repository(package, origins) for package in packages)
        if hint or not repositories:
            # Beside a manifest the history may name repositories of the build alone, which no map has.
            packages = traced
        repositories += _unlisted(traced, repositories)
    label_cpes, label_problems = read_label_cpes(content, root.labels)
    problems.extend(label_problems)
    return KindReading(
        is_present=is_present,
        packages=packages,
        database=database,
        repositories=tuple(repositories),
        label_cpes=label_cpes,
        problems=tuple(problems),
    )


KIND = PackageKind(
    name="rpm",
    wanted=join_selections((FileSelection(files=database_files()), ORIGIN_FILES)),
    read=_read,
    scheme=compare_versions,
    feeds=("csaf-vex", "osv", "updateinfo"),
    label="RPM",
)
