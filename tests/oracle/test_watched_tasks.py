# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long tasks under a real ansible-playbook: lines while they run, and no module that outlives its playbook.

The registry of these tests takes connections and never answers, so a scan of it is busy for as long as a test likes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.tests.support.requirements import missing

#: A module must have stopped after 15 s; the machine may be busy.
DEADLINE = 45.0


@pytest.fixture
def silent_registry() -> t.Iterator[str]:
    """Host and port of a server that says nothing."""
    connections = []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connections.append(server.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
    for connection in connections:
        connection.close()


@contextlib.contextmanager
def playing(folder: Path, registry: str, **keywords: t.Any) -> t.Iterator[subprocess.Popen[str]]:
    """ansible-playbook with one scan that does not end, in a process group of its own."""
    program = Path(sys.executable).parent / "ansible-playbook"
    if not program.exists():
        missing("ansible-playbook beside the running Python")
    task = {
        "imagescan.openshift.image_scan": {
            "images": [f"{registry}/a/b:{number}" for number in range(9)],
            "store": str(folder / "store.db"),
            "plain_http_registries": [registry],
            "timeout": 300,
        },
        **keywords,
    }
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "tasks": [task],
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    (folder / "temp").mkdir()
    settings = {**os.environ, "TMPDIR": str(folder / "temp"), "ANSIBLE_NOCOLOR": "1"}
    # Lines of the task go to stderr; in one pipe they stay in order.
    with subprocess.Popen(
        [str(program), "-i", "localhost,", "play.yml"],
        cwd=folder,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def line_of(process: subprocess.Popen[str], wanted: str) -> str:
    """The first line with a text in it."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if wanted in line:
            return line
    raise AssertionError(f"no line with {wanted!r} in:\n{''.join(seen)}")


def modules(folder: Path) -> list[int]:
    """Processes of modules: those that were told of a progress folder in this test's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            environment = (entry / "environ").read_bytes()
            if f"IMAGESCAN_PROGRESS={folder}/temp/".encode() in environment:
                found.append(int(entry.name))
    return found


def assert_all_gone(folder: Path) -> None:
    """The module ends by itself, and takes its shared folder along."""
    end = time.monotonic() + DEADLINE
    while modules(folder):
        assert time.monotonic() < end, f"still running: {modules(folder)}"
        time.sleep(0.2)


def test_progress_shows_while_the_task_runs(tmp_path: Path, silent_registry: str) -> None:
    with playing(tmp_path, silent_registry) as process:
        first = line_of(process, "scanned 0/9")
        started = time.monotonic()
        assert first.startswith("[localhost] ")
        assert modules(tmp_path)
        line_of(process, "scanned 0/9")
        assert time.monotonic() - started > 5, "the same line again, but not as a flood"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda how: how.name)
def test_a_module_does_not_outlive_its_playbook(tmp_path: Path, silent_registry: str, how: signal.Signals) -> None:
    with playing(tmp_path, silent_registry) as process:
        line_of(process, "scanned 0/9")
        assert modules(tmp_path)
        process.send_signal(how)
        assert_all_gone(tmp_path)


def test_an_interrupt_at_the_keyboard_ends_all(tmp_path: Path, silent_registry: str) -> None:
    with playing(tmp_path, silent_registry) as process:
        line_of(process, "scanned 0/9")
        # About once in ten times ansible-core 2.19 misses an interrupt that comes while it shows a line, and waits for
        # its worker. A person presses again.
        for _attempt in range(3):
            time.sleep(1)
            os.killpg(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
                break
        assert process.poll() is not None
        assert_all_gone(tmp_path)


def test_a_module_does_not_outlive_playbook_and_workers(tmp_path: Path, silent_registry: str) -> None:
    with playing(tmp_path, silent_registry) as process:
        line_of(process, "scanned 0/9")
        alone = modules(tmp_path)
        assert alone
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                number = int(entry.name)
                if os.getpgid(number) == process.pid and number not in alone:
                    os.kill(number, signal.SIGKILL)
        assert_all_gone(tmp_path)


def test_a_task_that_times_out_ends_its_module(tmp_path: Path, silent_registry: str) -> None:
    with playing(tmp_path, silent_registry, timeout=6) as process:
        line_of(process, "fatal: [localhost]")
        assert_all_gone(tmp_path)
        assert process.wait(DEADLINE) != 0
    assert [path for path in (tmp_path / "temp").iterdir() if path.name.startswith("imagescan-")] == []


def test_no_log_keeps_lines_to_itself(tmp_path: Path, silent_registry: str) -> None:
    with playing(tmp_path, silent_registry, timeout=8, no_log=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
    assert "scanned" not in output
    assert "fatal: [localhost]" in output
