# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that real tools make: packages by rpmbuild, installed by rpm, layers committed by buildah. Needs root."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

from .programs import require_program
from .requirements import missing

OS_RELEASE = (
    'NAME="Red Hat Enterprise Linux"\nID="rhel"\nVERSION_ID="9.4"\nCPE_NAME="cpe:/o:redhat:enterprise_linux:9"\n'
)


def build_rpm(folder: Path, name: str, version: str = "1.0", release: str = "1.el9", arch: str = "noarch") -> Path:
    """Build a package with one file with rpmbuild. The path of the RPM file."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = folder / f"{name}.spec"
    spec.write_text(
        f"Name: {name}\nVersion: {version}\nRelease: {release}\nSummary: test\nLicense: MIT\nVendor: Red Hat, Inc.\n"
        f"%description\ntest\n%install\nmkdir -p %{{buildroot}}/usr/share/{name}\n"
        f"echo {name} > %{{buildroot}}/usr/share/{name}/file\n%files\n/usr/share/{name}\n",
        encoding="utf-8",
    )
    define = ("--define", f"_topdir {folder}/top", "--define", "debug_package %{nil}", "--target", arch)
    run(require_program("rpmbuild"), "-bb", *define, str(spec))
    return next((folder / "top" / "RPMS").rglob(f"{name}-{version}-{release}.*.rpm"))


def install_rpms(root: Path, rpms: t.Sequence[Path]) -> None:
    """Install packages into a root folder, with an rpmdb where images have it."""
    flags = ("--root", str(root), "--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite")
    root.mkdir(parents=True, exist_ok=True)
    command = (require_program("rpm"), *flags)
    run(*command, "-i", "--nodeps", "--noscripts", "--nosignature", *map(str, rpms))


class Buildah:
    """buildah with its own storage below ``folder``."""

    def __init__(self, folder: Path) -> None:
        if os.geteuid() != 0:
            missing("root, for buildah")
        storage = ("--root", str(folder / "storage"), "--runroot", str(folder / "run"), "--storage-driver", "vfs")
        self._command = (require_program("buildah"), *storage)

    def commit(self, name: str, root: Path, base: str = "scratch", labels: t.Mapping[str, str] | None = None) -> str:
        """An image ``name``: ``base`` and one layer with what is in ``root``. Returns its name."""
        container = self("from", base).strip()
        self("add", "-q", container, str(root), "/")
        for key, value in (labels or {}).items():
            self("config", "--label", f"{key}={value}", container)
        self("commit", "-q", container, name)
        self("rm", container)
        return name

    def push(self, name: str, destination: str, *options: str) -> None:
        """Push to ``docker://host/repo:tag``, ``oci:path:tag``, ``oci-archive:`` or ``docker-archive:``."""
        self("push", "-q", *options, name, destination)

    def __call__(self, *arguments: str) -> str:
        return run(*self._command, *arguments)


def run(*command: str) -> str:
    """Run a program; its output, or an error with what it complained about."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if result.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {result.returncode}: {result.stderr[-2000:]}")
    return result.stdout
