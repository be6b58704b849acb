# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the real oscap on a prepared root, bounded, with or without the right to chroot.

oscap's probes chroot into the root. Where the kernel allows that to us they do; elsewhere ``fakechroot`` (a library
that is loaded before others) makes them believe it. Likewise ``fakeroot`` shows owners and modes that a user cannot
give to files. Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import time
import typing as t
from pathlib import Path

from .._core.errors import LimitExceeded, ScanError

#: Where ``tree`` puts the new database in the root. No image has this folder, and no rule looks there.
DATABASE_FOLDER = ".imagescan-rpmdb"
_SYS_CHROOT = 1 << 18
_MOUNTS = Path("/etc/mtab")
_SAFE_GLIBC = (2, 34)  # see without_modules of ``tree``
_PATIENCE = 5.0
_POLL = 0.02
_TAIL = 2000
_VERSION = re.compile(r"\(oscap\) (\S+)")
#: What oscap ends with: every rule passed or does not count; some rule failed. Both say nothing yet (see guards).
_FINISHED = (0, 2)
#: oscap's threads crash once in some fifty runs, and not the next time. As a shell tells it: 128 more.
_CRASHES = frozenset(number + base for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT) for base in (0, 128))
_ATTEMPTS = 3


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Of one run. ``seconds``: wall time. ``memory``: bytes of address space. ``output``: bytes of each file."""

    seconds: float = 600.0
    memory: int = 4 << 30
    output: int = 256 << 20


@dataclasses.dataclass(frozen=True)
class Tools:
    """Programs, as paths or names; empty: there is none. ``chroot``: whether this process may change its root.
    ``mounts``: whether there is the list by which oscap tells which file systems are local.
    """

    oscap: str
    fakechroot: str
    fakeroot: str
    chroot: bool
    mounts: bool


@dataclasses.dataclass(frozen=True)
class OscapTask:
    """One run. Paths are of this machine.

    ``work``: a folder of ours for everything that is written. ``owners``: what ``owners_for_fakeroot`` gave, None when
    the root has its owners on disk. ``tailoring``: path or None. ``identifier``: appears as a fact in the results.
    ``environment``: of the image's config, NAME=VALUE each.
    """

    root: Path
    work: Path
    content: Path
    profile: str
    tailoring: Path | None = None
    owners: bytes | None = None
    identifier: str = ""
    environment: tuple[str, ...] = ()


def find_tools() -> Tools:
    """Find the programs of this machine. Raises ScanError when oscap is not among it."""
    oscap = shutil.which("oscap")
    if oscap is None:
        raise ScanError(
            "oscap is not installed where compliance is to be evaluated",
            code="oscap-missing",
            hint="install openscap-scanner and scap-security-guide, or use the scanner image of this collection",
        )
    fakechroot, fakeroot = (shutil.which(name) or "" for name in ("fakechroot", "fakeroot"))
    return Tools(oscap, fakechroot, fakeroot, _may_chroot(), _MOUNTS.exists())


def _may_chroot() -> bool:
    """True if oscap may change its root, and loads nothing from there that is a part of the C library since 2.34."""
    try:
        library, _space, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        if library == "glibc" and tuple(map(int, version.split(".")[:2])) < _SAFE_GLIBC:
            return False
    except ValueError:
        pass  # another C library has no modules
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return bool(int(status.partition("CapEff:")[2].split()[0], 16) & _SYS_CHROOT)
    except (OSError, IndexError, ValueError):
        return False


def run_oscap(task: OscapTask, tools: Tools, bounds: Bounds) -> Path:
    """Evaluate, and give the path of the ARF file. That oscap ended says nothing: see ``guards``.

    Raises ScanError: ``oscap-no-chroot``, ``oscap-no-owners`` (nothing to run with), ``oscap-killed``,
    ``oscap-failed``; and LimitExceeded ``oscap-timeout``, ``oscap-output``.
    """
    results = task.work / "arf.xml"
    home = task.work / "home"
    home.mkdir(exist_ok=True)
    # Debian's rpm looks for its database in the user's home, and any may look where the image has none.
    (home / ".rpmmacros").write_text(f"%_dbpath /{DATABASE_FOLDER}\n%_db_backend sqlite\n", encoding="ascii")
    command = [tools.oscap, "xccdf", "eval", "--skip-validation", "--thin-results", "--profile", task.profile]
    if task.tailoring is not None:
        command += ["--tailoring-file", str(task.tailoring)]
    command += ["--results-arf", str(results), str(task.content)]
    # Only if oscap ends first can fakeroot end its helper, which is in no group of ours, and its message queues.
    timed = ["timeout", "--foreground", f"--kill-after={_PATIENCE}", f"{bounds.seconds:g}", *command]
    wrapped = [*_wrapping(task, tools), *timed]
    for _attempt in range(_ATTEMPTS):
        results.unlink(missing_ok=True)
        started = time.monotonic()
        status, errors = _run(wrapped, _environment(task, home, results), task, bounds)
        if abs(status) not in _CRASHES:
            break
    if status not in _FINISHED and time.monotonic() - started >= bounds.seconds:
        raise LimitExceeded(
            f"oscap took longer than {bounds.seconds:g} seconds",
            code="oscap-timeout",
            hint="allow it more time, or choose a smaller profile",
        )
    if status in _FINISHED and results.is_file():
        return results
    raise _failure(status, errors, bounds)


def _failure(status: int, errors: Path, bounds: Bounds) -> ScanError:
    """Explain how oscap ended."""
    message = _last_lines(errors)
    if status in (-signal.SIGXFSZ, 128 + signal.SIGXFSZ):
        return LimitExceeded(f"oscap wrote more than {bounds.output} bytes", code="oscap-output")
    if status < 0 or status > 128:
        number = -status if status < 0 else status - 128
        hint = "give the scanner more memory" if number == signal.SIGKILL else ""
        return ScanError(f"oscap was ended by signal {number}: {message}", code="oscap-killed", hint=hint)
    return ScanError(f"oscap ended with {status}: {message}", code="oscap-failed")


def check_tools(tools: Tools, *, owning: bool) -> Tools:
    """The same tools, if an evaluation can be done with them. ``owning``: roots have the image's owners on disk.

    Raises ScanError, which says what to install.
    """
    if not owning and not tools.fakeroot:
        raise ScanError(
            "without root or fakeroot rules about owners and modes would see those of the scanner",
            code="oscap-no-owners",
            hint="install fakeroot where compliance is evaluated",
        )
    if not tools.chroot and not tools.fakechroot:
        raise ScanError(
            "oscap needs to chroot, which is not allowed here, and fakechroot is not installed",
            code="oscap-no-chroot",
            hint="install fakechroot, or grant the capability SYS_CHROOT",
        )
    if not tools.mounts:
        raise ScanError(
            f"there is no {_MOUNTS}: without it oscap takes no file system for local, and rules find no file",
            code="oscap-no-mounts",
            hint=f"ln -s /proc/self/mounts {_MOUNTS} where compliance is evaluated, such as in the scanner image",
        )
    return tools


def _wrapping(task: OscapTask, tools: Tools) -> list[str]:
    """The programs that oscap runs under."""
    check_tools(tools, owning=task.owners is None)
    words: list[str] = []
    if task.owners is not None:
        saved = task.work / "owners"
        saved.write_bytes(task.owners)
        words += [tools.fakeroot, "-i", str(saved), "--"]
    if not tools.chroot:
        words += [tools.fakechroot, "--"]
    return words


def _environment(task: OscapTask, home: Path, results: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(home),
        "TMPDIR": str(results.parent),
        "OSCAP_PROBE_ROOT": str(task.root),
        "OSCAP_EVALUATION_TARGET": task.identifier,
        # One a line: what stands behind a line's end would not be seen, or pass for another variable.
        "OSCAP_CONTAINER_VARS": "\n".join(variable.replace("\n", " ") for variable in task.environment),
        # Else fakechroot would show the scanner's own /dev, /proc and /sys.
        "FAKECHROOT_EXCLUDE_PATH": "/nonexistent",
        # Scripts of content would run here, on the scanner, and say what they find of it: they are "notchecked".
        "OSCAP_CHECK_ENGINE_PLUGIN_DIR": "/nonexistent",
    }


def _run(command: list[str], environment: dict[str, str], task: OscapTask, bounds: Bounds) -> tuple[int, Path]:
    """Exit status (negative: a signal) and the file with the complaints."""
    errors = task.work / "oscap.stderr"
    # A shell sets the limits: nothing of ours may run between fork and exec, since other threads are at work.
    limits = f'ulimit -c 0; ulimit -v {bounds.memory // 1024}; ulimit -f {bounds.output // 512}; exec "$@"'
    with errors.open("wb") as complaints:
        try:
            with _on_one_processor() if task.owners is not None else contextlib.nullcontext():
                # A pod and a thread have no module whose run_command there would be.
                process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                    ["/bin/sh", "-c", limits, "oscap", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=complaints,
                    env=environment,
                    cwd=task.work,
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:  # ValueError: a NUL in the environment that an image has
            raise ScanError(f"oscap cannot be started: {error}", code="oscap-failed") from error
        try:
            return process.wait(bounds.seconds + 3 * _PATIENCE), errors
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL, errors
        finally:
            _end_group(process)


@contextlib.contextmanager
def _on_one_processor() -> t.Iterator[None]:
    """Keep the programs that are started inside on one processor: the one that this thread is on now.

    fakeroot asks its helper whenever oscap looks at a file, 37,000 times in a small image, and waits for the answer.
    With the helper on another processor, which must be woken up each time, an evaluation takes twice as long.
    """
    try:
        allowed = os.sched_getaffinity(0)
        processor = int(Path("/proc/thread-self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[36])
        os.sched_setaffinity(0, {processor})
    except (AttributeError, OSError, IndexError, ValueError):
        yield  # not on Linux, or not allowed: it only takes longer
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # those were taken away meanwhile
            os.sched_setaffinity(0, allowed)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End whatever is left of the run."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        end = time.monotonic() + _PATIENCE
        while _group_lives(process) and time.monotonic() < end:
            time.sleep(_POLL)
    process.wait()


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _last_lines(path: Path) -> str:
    """The end of what oscap complained about, on one line."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _TAIL))
        text = stream.read().decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-3:])[-600:] or "it said nothing"
