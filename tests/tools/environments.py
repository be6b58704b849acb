# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments and copied trees that the checks run in. All of it lies below build/ and is made on demand."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
BUILD = CHECKOUT / "build"
LOGS = BUILD / "logs"
#: A line for each command of a run: name of its log, seconds, seconds of CPU with all that it waited for.
TIMES = LOGS / "times.tsv"
USER_REQUIREMENTS = (CHECKOUT / "requirements.txt").read_text(encoding="utf-8")
TEST_REQUIREMENTS = (CHECKOUT / "requirements-test.txt").read_text(encoding="utf-8")
#: What several checkouts share.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imagescan-openshift"
#: Releases of the package ``ansible`` that bring kubernetes.core: the oldest that galaxy.yml allows, and a new one.
KUBERNETES_CORE = {"oldest": ("11.0.0", "5.0.0"), "newest": ("14.5.0", "6.6.0")}
#: The last one that brings awx.awx, which the playbook ``controller`` uses.
AWX = ("12.3.0", "24.6.1")

# Without its bytecode Ansible takes two seconds of processor time to start, and each module half a second more.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

#: Where the operating system has its interpreters.
SYSTEM_BINARIES = Path("/usr/bin")

#: Who is told the processor seconds of each command that ``run`` ran.
LISTENERS: list[t.Callable[[float], None]] = []

#: Stages run side by side, and what they share is made once.
_making = threading.RLock()


def find_python(*versions: str) -> str | None:
    """The first interpreter among versions ("3.13"), by real path: a pyenv shim answers only for the chosen version.

    That of the operating system comes before those of pyenv. Distributions build theirs with the profile of a run
    (PGO), and pyenv does not by default: everything here then takes a quarter more processor time.
    """
    installed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in versions:
        program = f"python{version}"
        on_path = shutil.which(program)
        candidates = [SYSTEM_BINARIES / program, *sorted(installed.glob(f"{version}*/bin/{program}"))]
        for candidate in map(str, [*candidates, *([on_path] if on_path else [])]):
            if os.access(candidate, os.X_OK) and _can_make_environments(candidate):
                return candidate
    return None


def _can_make_environments(python: str) -> bool:
    """Whether it runs and has ensurepip, which Debian keeps in a package of its own."""
    return subprocess.run([python, "-c", "import ensurepip"], capture_output=True, check=False).returncode == 0


def this_python() -> str:
    """The interpreter for tests: of the version that the user has, see ``find_python``."""
    return find_python(f"{sys.version_info.major}.{sys.version_info.minor}") or sys.executable


def python_folders() -> list[str]:
    """Folders of all interpreters that ansible-test may use."""
    found = (find_python(version) for version in ("3.9", "3.10", "3.11", "3.12", "3.13"))
    return list(dict.fromkeys(str(Path(python).parent) for python in found if python))


def kubernetes_core(release: str = "newest") -> Path:
    """The folder of the collection kubernetes.core, on which ours depends."""
    return bundled_collection("kubernetes.core", *KUBERNETES_CORE[release])


def bundled_collection(name: str, ansible: str, version: str) -> Path:
    """The folder of a collection; kept in the cache.

    It comes out of the wheel of the package ``ansible``: the package index has that, and Galaxy need not be reached.
    The rest of the wheel (500 MB unpacked) is left there.
    """
    kept = CACHE / "collections" / f"{name}-{version}"
    if (kept / "MANIFEST.json").is_file():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        pip = [str(installer() / "bin" / "python"), "-m", "pip", "download"]
        pip += ["--quiet", "--disable-pip-version-check", "--no-deps"]
        pip += ["--only-binary", ":all:", "--python-version", "3.12", "--dest", scratch, f"ansible=={ansible}"]
        subprocess.run(pip, check=True)
        prefix = f"ansible_collections/{name.replace('.', '/')}/"
        with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
            wheel.extractall(scratch, [name for name in wheel.namelist() if name.startswith(prefix)])
        found = json.loads((Path(scratch) / prefix / "MANIFEST.json").read_text(encoding="utf-8"))
        if found["collection_info"]["version"] != version:
            sys.exit(f"ansible {ansible} brings {name} {found['collection_info']['version']}, not {version}")
        shutil.rmtree(kept, ignore_errors=True)
        (Path(scratch) / prefix).rename(kept)
    return kept


def environment(
    name: str, python: str, requirements: str, *, link: bool = True, collections: str | None = "newest"
) -> Path:
    """The folder of a virtual environment with these requirements; made again when they or the interpreter change.

    ``link``: imagescan.openshift is found there, and its tasks cost less (see zip_bytecode.py). ``collections``: which
    kubernetes.core is, with awx.awx, or None.
    """
    with _making:
        folder = made_environment(name, python, requirements)
        if link:
            link_collection(folder, "imagescan/openshift", CHECKOUT)
            keep_zip_bytecode(folder)
        if collections:
            link_collection(folder, "kubernetes/core", kubernetes_core(collections))
            link_collection(folder, "awx/awx", bundled_collection("awx.awx", *AWX))
    return folder


def made_environment(name: str, python: str, requirements: str) -> Path:
    """See ``environment``: the packages alone.

    uv takes a tenth of the time of pip. It does not read the settings of pip, so pip is asked where uv fails.
    """
    # By its real path: a suite that was started from one of these environments must not take it down to make it anew.
    python = os.path.realpath(python)
    folder = BUILD / "venvs" / name
    stamp = folder / "ready"
    wanted = hashlib.sha256(f"{python}\n{requirements}".encode()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return folder
    listed = folder / "requirements.txt"
    uv = str(installer() / "bin" / "uv")
    interpreter = ["--python", str(folder / "bin" / "python")]
    steps = [
        [uv, "venv", "--quiet", "--seed", "--no-project", "--python", python, str(folder)],
        [uv, "pip", "install", "--quiet", *interpreter, "--requirement", str(listed)],
    ]
    shutil.rmtree(folder, ignore_errors=True)
    for step in steps:
        if subprocess.run(step, check=False).returncode != 0:
            print(f"uv could not make the environment {name}; pip makes it", file=sys.stderr, flush=True)
            _environment_of_pip(folder, python, requirements)
            break
        listed.write_text(requirements, encoding="utf-8")
    stamp.write_text(wanted, encoding="utf-8")
    return folder


@functools.cache
def installer() -> Path:
    """The environment of pip and uv: a Python of the operating system may have neither."""
    folder = BUILD / "venvs" / "installer"
    if not (folder / "bin" / "uv").is_file():
        _environment_of_pip(folder, os.path.realpath(this_python()), "uv\n")
    return folder


def _environment_of_pip(folder: Path, python: str, requirements: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    listed = folder / "requirements.txt"
    listed.write_text(requirements, encoding="utf-8")
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-compile"]  # what is imported is compiled then, and the most is not
    subprocess.run([*pip, "--requirement", str(listed)], check=True)


def keep_zip_bytecode(venv: Path) -> None:
    """Have each Python of an environment import zip_bytecode.py, and make the folder that it uses."""
    (venv / "zip-bytecode").mkdir(exist_ok=True)
    site = next(venv.glob("lib/python3*/site-packages"))
    link_folder(site / "imagescan_zip_bytecode.py", CHECKOUT / "tests" / "tools" / "zip_bytecode.py")
    starter = site / "imagescan_zip_bytecode.pth"
    if not starter.is_file():  # others may be starting there
        starter.write_text("import imagescan_zip_bytecode\n", encoding="ascii")


def link_collection(venv: Path, name: str, source: Path) -> None:
    """Make a collection ("namespace/name") resolve to a folder; ours is the checkout, so that edits are live."""
    site = next(venv.glob("lib/python3*/site-packages"))
    link_folder(site / "ansible_collections" / name, source)


def link_folder(target: Path, source: Path) -> None:
    """A link that is exchanged at once, since another check may be reading through it."""
    if target.is_symlink() and target.readlink() == source:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(source)
    fresh.replace(target)


def copied_tree(name: str, collections: str = "newest") -> Path:
    """A copy of the checkout as ansible_collections/imagescan/openshift with a git of its own, for ansible-test.

    ansible-test refuses a path that leads through a symlink, and asks git which files there are: without a repository
    of its own it asks the outer one about an ignored folder and tests nothing.
    """
    root = BUILD / "trees" / name / "ansible_collections"
    tree = root / "imagescan" / "openshift"
    with _making:
        link_folder(root / "kubernetes" / "core", kubernetes_core(collections))
        link_folder(root / "awx" / "awx", bundled_collection("awx.awx", *AWX))
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


def sanity_environments(venv: Path) -> Path:
    """The folder in the cache where ``ansible-test sanity`` keeps its environments, named by what they need."""
    interpreters = hashlib.sha256(
        "\n".join([*python_folders(), os.path.realpath(venv / "bin" / "python")]).encode()
    ).hexdigest()[:8]
    folder = CACHE / "ansible-test" / f"{venv.name}-{interpreters}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(folder: Path) -> t.Iterator[None]:
    """Keep other suites out of a folder of the cache meanwhile: ansible-test removes what another is just making."""
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ansible_test_environment(venv: Path) -> dict[str, str]:
    """What ansible-test is started with: a home of its own, real interpreters, nothing of the caller's settings."""
    # One for each core: two that run at once would make the same environments in it.
    home = BUILD / "home" / venv.name
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in ("23_1_2", "24_2", "25_2"):
        shutil.copy2(CHECKOUT / "tests" / "tools" / "get_pip.py", cache / f"get_pip_{version}.py")
    environments = home / ".ansible" / "test" / "venv"
    if not environments.is_symlink():
        shutil.rmtree(environments, ignore_errors=True)
    link_folder(environments, sanity_environments(venv))
    path = [str(venv / "bin"), *python_folders(), "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    return {"HOME": str(home), "LC_ALL": "C.UTF-8", "PATH": ":".join(path)}


def run(command: t.Sequence[str | Path], log: Path, **options: t.Any) -> int:
    """Run a command with all its output in a file; the exit status. How long it took is kept in TIMES."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        out.write(f"\n$ {' '.join(map(str, command))}\n".encode())
        out.flush()
        options |= {"stdout": out, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
        began = time.monotonic()
        process = subprocess.Popen(list(map(str, command)), **options)
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)  # subprocess did not see its end
    seconds = used.ru_utime + used.ru_stime
    for listener in LISTENERS:
        listener(seconds)
    with TIMES.open("a", encoding="utf-8") as times:
        times.write(f"{log.stem}\t{time.monotonic() - began:.1f}\t{seconds:.1f}\n")
    return process.returncode


if __name__ == "__main__":
    sys.exit("this file is imported by suite.py")
