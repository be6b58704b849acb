# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the processes of a cluster live: a cgroup, a network namespace with no way out, and a mount namespace.

Everything that a cluster starts (shims and containers too) is in its cgroup, so it can be ended whole, whoever started
it. The namespaces are held by one sleeping process and vanish with it; so do all mounts. In the mount namespace the
default folders of containerd, CNI and the kubelet lead into the cluster's own folder, so that clusters live side by
side and leave nothing on the host.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import threading
import time
import typing as t
from pathlib import Path

NODE_ADDRESS = "10.200.0.1"
#: The first address of the services' range: on the node itself, so that pods reach the API server without kube-proxy.
SERVICE_ADDRESS = "10.96.0.1"
CGROUPS = Path("/sys/fs/cgroup")
#: Default folder -> folder below the cluster's own.
REDIRECTED = {
    "/run/containerd": "run/containerd",
    "/run/netns": "run/netns",
    "/var/lib/containerd": "containerd",
    "/var/lib/cni": "cni-state",
    "/var/lib/kubelet": "kubelet",
    "/var/log/pods": "logs/pods",
    "/var/log/containers": "logs/containers",
}
_CLONE_NEWNET = 0x40000000
_JOIN = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 1; shift; done; shift; exec "$@"'
_END_SECONDS = 60


class Sandbox:
    """The cgroup and namespaces of one cluster; ``folder`` is the cluster's."""

    def __init__(self, name: str, folder: Path) -> None:
        self.cgroup = f"imagescan-{name}"
        self.folder = folder
        self._anchor_file = folder / "pids" / "anchor"
        self._children: list[subprocess.Popen[bytes]] = []

    @property
    def network(self) -> Path:
        """The network namespace, for ``nsenter --net=``."""
        return Path("/proc", self._anchor_file.read_text(encoding="ascii"), "ns", "net")

    def create(self) -> None:
        """Make the cgroup and the namespaces."""
        for hierarchy in _hierarchies():
            if (hierarchy / "cgroup.subtree_control").exists() and hierarchy == CGROUPS:
                wanted = (hierarchy / "cgroup.controllers").read_text(encoding="ascii").split()
                _write(hierarchy / "cgroup.subtree_control", " ".join(f"+{name}" for name in wanted))
            group = hierarchy / self.cgroup
            group.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):  # cgroup v1: a group without them takes no process
                if (hierarchy / name).exists() and not (hierarchy / "cgroup.controllers").exists():
                    _write(group / name, (hierarchy / name).read_text(encoding="ascii"))
        (_tracker() / self.cgroup / "system").mkdir(exist_ok=True)
        script = ["set -e"]
        for standard, own in REDIRECTED.items():
            Path(standard).mkdir(parents=True, exist_ok=True)
            (self.folder / own).mkdir(parents=True, exist_ok=True)
            script.append(f"mount --bind '{self.folder / own}' {standard}")
        script += [
            "ip link set lo up",
            "ip link add node0 type bridge",  # not every kernel has the link type dummy
            f"ip address add {NODE_ADDRESS}/24 dev node0",
            f"ip address add {SERVICE_ADDRESS}/32 dev node0",
            "ip link set node0 up",
            "echo ready",
            "exec sleep infinity",
        ]
        self._anchor_file.parent.mkdir(parents=True, exist_ok=True)
        command = self._joined(["unshare", "--mount", "--net", "--", "sh", "-c", "\n".join(script)])
        anchor = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        self._children.append(anchor)
        if anchor.stdout is None or anchor.stderr is None or anchor.stdout.readline() != b"ready\n":
            anchor.kill()
            errors = anchor.communicate()[1].decode()
            raise RuntimeError(f"the namespaces of the test cluster cannot be made: {errors}")
        anchor.stdout.close()
        anchor.stderr.close()
        self._anchor_file.write_text(str(anchor.pid), encoding="ascii")

    def command(self, arguments: t.Sequence[str]) -> list[str]:
        """A command that runs inside both namespaces, but in the caller's cgroup."""
        anchor = self._anchor_file.read_text(encoding="ascii")
        return ["nsenter", f"--net=/proc/{anchor}/ns/net", f"--mount=/proc/{anchor}/ns/mnt", "--", *arguments]

    def spawn(self, name: str, arguments: t.Sequence[str], environment: t.Mapping[str, str]) -> int:
        """Start a process inside, its output in ``logs/NAME.log``; the process id, kept in ``pids/NAME``."""
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as stream:
            process = subprocess.Popen(
                self._joined(self.command(arguments)),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                env=dict(environment),
                cwd=self.folder,
            )
        self._children.append(process)
        while process.pid not in self._members() and process.poll() is None:
            time.sleep(0.005)  # it has not joined the cgroup yet
        (self.folder / "pids" / name).write_text(str(process.pid), encoding="ascii")
        return process.pid

    def pid(self, name: str) -> int | None:
        """The process id of a process that runs, or None. A foreign process that got the number does not count."""
        for child in self._children:
            child.poll()  # or a dead child stays a zombie
        try:
            pid = int((self.folder / "pids" / name).read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        return pid if pid in self._members() else None

    def is_alive(self) -> bool:
        """Whether its namespaces stand."""
        return self.pid("anchor") is not None

    def destroy(self) -> None:
        """End every process of the cluster and remove its cgroup; nothing is left of an earlier one either."""
        end = time.monotonic() + _END_SECONDS
        while members := self._members():
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for child in self._children:
                child.poll()
            if time.monotonic() > end:
                raise RuntimeError(f"processes of {self.cgroup} do not end: {sorted(members)}")
            time.sleep(0.05)
        for child in self._children:
            child.wait()
        self._children.clear()
        for hierarchy in _hierarchies():
            self._remove_group(hierarchy / self.cgroup, end)

    def _remove_group(self, top: Path, end: float) -> None:
        for folder, _folders, _files in os.walk(top, topdown=False):
            while True:
                try:
                    Path(folder).rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:  # EBUSY while the kernel still takes the last process apart
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.05)

    def _joined(self, arguments: t.Sequence[str]) -> list[str]:
        return ["sh", "-c", _JOIN, "sh", str(_tracker() / self.cgroup / "system" / "cgroup.procs"), "--", *arguments]

    def _members(self) -> set[int]:
        """Every living process below the cgroup, in whichever hierarchy."""
        found: set[int] = set()
        for hierarchy in _hierarchies():
            for folder, _folders, _files in os.walk(hierarchy / self.cgroup):
                with contextlib.suppress(OSError):
                    found.update(map(int, Path(folder, "cgroup.procs").read_text(encoding="ascii").split()))
        return {pid for pid in found if not _is_zombie(pid)}


def enter(network: Path) -> None:
    """Move this thread, and what it starts from now on, into a network namespace."""
    if threading.active_count() > 1:
        raise RuntimeError("other threads run already; they would stay outside the namespace")
    library = ctypes.CDLL(None, use_errno=True)  # os.setns is there from Python 3.12 on
    with network.open("rb") as stream:
        if library.setns(stream.fileno(), _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"cannot enter {network}: {os.strerror(number)}")


def remove_folder(folder: Path) -> None:
    """Remove the folder of a cluster that was destroyed; refuses to walk into anything still mounted there."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    inside = [path for path in mounted if Path(path).is_relative_to(folder)]
    for path in sorted(inside, reverse=True):
        subprocess.run(["umount", "--lazy", path], check=True)
    if folder.exists():
        shutil.rmtree(folder)


def _hierarchies() -> list[Path]:
    """All cgroup hierarchies: one on cgroup v2, one for each controller on v1."""
    if (CGROUPS / "cgroup.procs").exists():
        return [CGROUPS]
    return [path for path in sorted(CGROUPS.iterdir()) if (path / "cgroup.procs").exists() and not path.is_symlink()]


def _tracker() -> Path:
    """The hierarchy that our own processes join."""
    return CGROUPS if (CGROUPS / "cgroup.procs").exists() else CGROUPS / "pids"


def _is_zombie(pid: int) -> bool:
    """Whether it has ended. A first thread that ended before the others is a zombie, too, and they hold its sockets."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[0] == "Z" and len(list(Path(f"/proc/{pid}/task").iterdir())) == 1
    except (FileNotFoundError, ProcessLookupError):
        return True


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii")
