# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments and copied trees that the checks run in. All of it lies below build/ and is made on demand."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
BUILD = CHECKOUT / "build"
USER_REQUIREMENTS = (CHECKOUT / "requirements.txt").read_text(encoding="utf-8")
TEST_REQUIREMENTS = (CHECKOUT / "requirements-test.txt").read_text(encoding="utf-8")


def find_python(*versions: str) -> str | None:
    """The first interpreter among versions ("3.13"), by real path: a pyenv shim answers only for the chosen version."""
    installed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in versions:
        candidates = sorted(installed.glob(f"{version}*/bin/python{version}"))
        on_path = shutil.which(f"python{version}")
        for candidate in [*map(str, candidates), *([on_path] if on_path else [])]:
            if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
                return candidate
    return None


def python_folders() -> list[str]:
    """Folders of all interpreters that ansible-test may use."""
    found = (find_python(version) for version in ("3.9", "3.10", "3.11", "3.12", "3.13"))
    return list(dict.fromkeys(str(Path(python).parent) for python in found if python))


def environment(name: str, python: str, requirements: str, *, link: bool = True) -> Path:
    """The folder of a virtual environment with these requirements; made again when they or the interpreter change."""
    folder = BUILD / "venvs" / name
    stamp = folder / "ready"
    wanted = hashlib.sha256(f"{python}\n{requirements}".encode()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    listed = folder / "requirements.txt"
    listed.write_text(requirements, encoding="utf-8")
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", str(listed)], check=True)
    if link:
        link_checkout(folder)
    stamp.write_text(wanted, encoding="utf-8")
    return folder


def link_checkout(folder: Path) -> None:
    """Make imagescan.openshift resolve to the checkout, so that edits are live."""
    command = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([str(folder / "bin" / "python"), "-c", command], check=True, capture_output=True, text=True)
    parent = Path(site.stdout.strip()) / "ansible_collections" / "imagescan"
    parent.mkdir(parents=True, exist_ok=True)
    target = parent / "openshift"
    target.unlink(missing_ok=True)
    target.symlink_to(CHECKOUT)


def copied_tree(name: str) -> Path:
    """A copy of the checkout as ansible_collections/imagescan/openshift with a git of its own, for ansible-test.

    ansible-test refuses a path that leads through a symlink, and asks git which files there are: without a repository
    of its own it asks the outer one about an ignored folder and tests nothing.
    """
    tree = BUILD / "trees" / name / "ansible_collections" / "imagescan" / "openshift"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    )
    kept = tree / "tests" / "output"
    for old in tree.iterdir() if tree.is_dir() else []:
        if old.name not in (".git", "tests"):
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    for old in (tree / "tests").iterdir() if (tree / "tests").is_dir() else []:
        if old != kept:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    for path in filter(None, listed.stdout.split("\0")):
        source = CHECKOUT / path
        if source.is_file():
            target = tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    if not (tree / ".git").is_dir():
        subprocess.run(["git", "init", "--quiet", str(tree)], check=True)
    return tree


def ansible_test_environment(venv: Path) -> dict[str, str]:
    """What ansible-test is started with: a home of its own, real interpreters, nothing of the caller's settings."""
    home = BUILD / "home"
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in ("23_1_2", "24_2", "25_2"):
        shutil.copy2(CHECKOUT / "tests" / "tools" / "get_pip.py", cache / f"get_pip_{version}.py")
    path = [str(venv / "bin"), *python_folders(), "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    return {"HOME": str(home), "LC_ALL": "C.UTF-8", "PATH": ":".join(path)}


def run(command: t.Sequence[str | Path], log: Path, **options: t.Any) -> int:
    """Run a command with all its output in a file; the exit status."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        out.write(f"\n$ {' '.join(map(str, command))}\n".encode())
        out.flush()
        options |= {"stdout": out, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
        return subprocess.run(list(map(str, command)), check=False, **options).returncode


if __name__ == "__main__":
    sys.exit("this file is imported by suite.py")
