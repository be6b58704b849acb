# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell from its name what an entry of a root counts as: a component, a loader or a shell, an rpm database.

Components are counted and not examined, and no package kind covers them. The walk over the layers decides it for every
entry, so it stands here and not beside the package kinds. Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

from .tar import FOLDER, SPECIAL, SYMLINK

#: Kinds of components.
COMPONENTS = ("jar", "npm", "python")
#: What a root of static programs alone does not have: a loader of dynamic ones, or a shell.
LOADER = "loader"
DATABASE = "rpmdb"

ARCHIVES = (".jar", ".war", ".ear")
PYTHON = (".dist-info", ".egg-info")
LOADERS = ("ld-linux", "ld-musl")
SHELLS = frozenset(("sh", "bash", "busybox"))
#: Names of rpm databases; the last one only in a folder of rpm's.
DATABASES = frozenset(("rpmdb.sqlite", "Packages.db", "Packages"))
#: Where rpm-ostree keeps what the base image had; the image's own database has all of it, too.
_BASE_DATABASE = "rpm-ostree-base-db"


def component_of(folder: str, base: str, kind: str) -> str:
    """Return what an entry counts as. Folders above it are not looked at, but for ``node_modules`` and ``bin``."""
    if base.endswith(PYTHON):
        return "" if kind is SYMLINK or kind is SPECIAL else "python"
    if kind is FOLDER or kind is SPECIAL:
        return ""
    if base in SHELLS:
        return LOADER if folder.endswith("bin") else ""
    if base.startswith(LOADERS):
        return LOADER
    if kind is SYMLINK:
        return ""
    if base in DATABASES:
        return _database(folder, base)
    if base == "package.json":
        return _npm_package(folder)
    return "jar" if base.endswith(ARCHIVES) else ""


def _database(folder: str, base: str) -> str:
    in_place = base != "Packages" or folder.endswith("rpm")
    return DATABASE if in_place and not folder.endswith(_BASE_DATABASE) else ""


def _npm_package(folder: str) -> str:
    parts = folder.rsplit("/", 3)
    name = parts[-1]
    if name.startswith("@") or len(parts) < 2:
        return ""
    scoped = len(parts) > 2 and parts[-2].startswith("@") and parts[-3] == "node_modules"
    return "npm" if scoped or parts[-2] == "node_modules" else ""
