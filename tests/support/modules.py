# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of modules, each in a process of its own, as Ansible makes them, without the start of Ansible or Python.

Reading the code of a module is most of what a short call costs. So one process reads it once and forks for each call.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import json
import os
import runpy
import secrets
import subprocess
import sys
import threading
import traceback
import typing as t
from pathlib import Path

PACKAGE = "ansible_collections.imagescan.openshift.plugins.modules"
Json = dict[str, t.Any]


def run_module(name: str, arguments: t.Mapping[str, t.Any], home: Path) -> Json:
    """Run a module to its end; its result, also where it failed. ``home``: for its files.

    ``arguments`` may have Ansible's own, such as ``_ansible_check_mode``. Raises AssertionError when the module gives
    no result.
    """
    base = home / f"call-{secrets.token_hex(4)}"
    given = base.with_suffix(".json")
    given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": dict(arguments)}), encoding="utf-8")
    about = {"environment": dict(os.environ), "folder": str(Path.cwd())}
    _server().call({"module": f"{PACKAGE}.{name}", "arguments": str(given), "base": str(base), **about})
    output = base.with_suffix(".out").read_text(encoding="utf-8")
    complaints = base.with_suffix(".err").read_text(encoding="utf-8")
    assert output.strip().startswith("{"), f"{name}: {output[-1000:]}{complaints[-3000:]}"
    return dict(json.loads(output))


def processor_seconds() -> float:
    """What all calls so far used."""
    return _server().used if _server.cache_info().currsize else 0.0


class _Server:
    """The process that forks. It is started by the first call, and so in the network namespace of the caller."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", __name__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lock = threading.Lock()
        self.used = 0.0
        atexit.register(self._end)

    def call(self, question: Json) -> None:
        """Run one module and wait for its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            assert answer, "the process that runs modules has ended"
            self.used = float(answer)

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@functools.cache
def _server() -> _Server:
    return _Server()


def _serve() -> None:
    for line in sys.stdin:
        question = json.loads(line)
        importlib.import_module(question["module"])
        child = os.fork()
        if child == 0:
            _run(question)
        os.waitpid(child, 0)
        print(sum(os.times()[:4]), flush=True)


def _run(question: Json) -> t.NoReturn:
    """Be the module, in a process that was just forked."""
    status = 1
    with contextlib.suppress(BaseException):
        os.chdir(question["folder"])
        os.environ.clear()
        os.environ.update(question["environment"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, suffix in ((1, ".out"), (2, ".err")):
            os.dup2(os.open(question["base"] + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        try:
            sys.argv = [question["module"], question["arguments"]]
            runpy.run_module(question["module"], run_name="__main__", alter_sys=True)
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException:  # noqa: BLE001 - as the interpreter would print it
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve()
