# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of the test cluster, built by Go from pinned modules and kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import typing as t
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imagescan-openshift" / "cluster"
KUBERNETES = "1.36.3"
KUBERNETES_PROGRAMS = (*("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl"),)
CONTAINERD_PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr")
#: Where the API server's check of the names of custom resources is, and what becomes of it (see kube/names.go.txt).
NAME_CHECK = ("pkg/registry/customresource/validator.go", "validation.NameIsDNSSubdomain", "a.validateName")
API_EXTENSIONS = "k8s.io/apiextensions-apiserver"
#: Tests wait for the build, and not for the programs: without inlining (but in Go's own library) and debug information
#: it takes little more than half of the processor time. Benchmarks measure what the compiler gives by default.
OPTIMISED = "IMAGESCAN_OPTIMISED_CLUSTER"
QUICK_FLAGS = ("-gcflags=all=-l -dwarf=false", "-gcflags=std=-dwarf=false")


class BuildError(RuntimeError):
    """Go is missing, a build failed, or the source is not the one that we know how to change."""


def programs() -> Path:
    """The folder with all programs; built when it is not there (about 4 minutes on 2 cores, the first time)."""
    folder = _folder()
    with locked(CACHE / "programs.lock"):
        if not folder.is_dir():
            if shutil.which("go") is None:
                raise BuildError("Go is not installed; the programs of the test cluster are built with it")
            with work_folder("programs") as work:
                made = work / "programs"
                made.mkdir()
                _build_kubernetes(made, work)
                _build_containerd(made)
                made.rename(folder)
    return folder


def _compiler_flags() -> tuple[str, ...]:
    return () if os.environ.get(OPTIMISED) == "1" else QUICK_FLAGS


def is_built() -> bool:
    """Whether the programs are there already."""
    return _folder().is_dir()


@contextlib.contextmanager
def locked(path: Path) -> t.Iterator[None]:
    """Hold a lock between processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def work_folder(purpose: str) -> t.Iterator[Path]:
    """A folder to make something in, under the lock of its purpose; one that a killed process left is removed."""
    folder = CACHE / f"{purpose}.work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    seen = hashlib.sha256()
    for name in ("kube/go.mod", "kube/go.sum", "kube/main.go", "kube/names.go.txt"):
        seen.update((SOURCES / name).read_bytes())
    for name in ("containerd/go.mod", "containerd/go.sum"):
        seen.update((SOURCES / name).read_bytes())
    seen.update(repr((KUBERNETES, CONTAINERD_PROGRAMS, NAME_CHECK, _compiler_flags())).encode())
    return CACHE / f"programs-{seen.hexdigest()[:16]}"


def _build_kubernetes(target: Path, work: Path) -> None:
    source = SOURCES / "kube"
    modules = work / "go.mod"
    shutil.copy(source / "go.mod", modules)
    shutil.copy(source / "go.sum", work / "go.sum")
    relaxed = _relaxed_api_extensions(source, work)
    _go(source, "mod", "edit", f"-replace={API_EXTENSIONS}={relaxed}", str(modules))
    major, minor, _patch = KUBERNETES.split(".")
    version = "k8s.io/component-base/version."
    marks = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor}
    flags = " ".join(["-s -w", *(f"-X {version}{key}={value}" for key, value in marks.items())])
    binary = target / "kubernetes"
    built = ("-trimpath", *_compiler_flags(), "-ldflags", flags, "-o", str(binary), ".")
    _go(source, "build", f"-modfile={modules}", *built)
    for name in KUBERNETES_PROGRAMS:
        (target / name).symlink_to(binary.name)


def _relaxed_api_extensions(source: Path, work: Path) -> Path:
    """A copy of the module that serves custom resources, with the names of image.openshift.io let through."""
    found = json.loads(_go(source, "mod", "download", "-json", API_EXTENSIONS))
    copy = work / "apiextensions-apiserver"
    shutil.copytree(found["Dir"], copy, copy_function=shutil.copyfile)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # the module cache is read-only
    relax_name_check(copy)
    return copy


def relax_name_check(module: Path) -> None:
    """Change the one check in a copy of the module; an error when it is not there exactly once."""
    name, old, new = NAME_CHECK
    validator = module / name
    text = validator.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise BuildError(f"{API_EXTENSIONS}: {old} stands {text.count(old)} times in {name}, not once")
    validator.write_text(text.replace(old, new), encoding="utf-8")
    shutil.copy(SOURCES / "kube" / "names.go.txt", validator.with_name("names.go"))


def _build_containerd(target: Path) -> None:
    source = SOURCES / "containerd"
    packages = [f"github.com/containerd/containerd/v2/cmd/{name}" for name in CONTAINERD_PROGRAMS]
    _go(
        source,
        "build",
        "-trimpath",
        *_compiler_flags(),
        "-tags=no_btrfs no_devmapper no_zfs",
        "-ldflags=-s -w",
        "-o",
        str(target),
        *packages,
    )


def _go(folder: Path, *arguments: str) -> str:
    settings = {**os.environ, "GOWORK": "off", "GOGC": "400"}  # a compiler that lives for a second need not tidy up
    print(f"go {' '.join(arguments[:2])} in {folder.name} ...", flush=True)
    result = subprocess.run(["go", *arguments], cwd=folder, env=settings, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise BuildError(f"go {arguments[0]} in {folder.name} ended with {result.returncode}: {result.stderr[-4000:]}")
    return result.stdout
