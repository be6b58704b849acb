# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of a long task: its module runs once, and what it says about its progress is shown meanwhile.

A folder is shared with the module: ``alive`` is touched here every second, ``progress`` is written there. The module
stops when the folder is gone or ``alive`` is old (see ``module_utils/_core/progress.py``), so neither a task that timed
out nor a playbook that was killed leaves a scan behind.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import typing as t
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils._core.progress import VARIABLE

COLLECTION = "imagescan.openshift"
display = Display()


class WatchedAction(ActionBase):
    """Runs the module of the same name. On another host, or with ``async``, it runs without lines."""

    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the module and show its lines."""
        super().run(tmp, task_vars)
        module = f"{COLLECTION}.{self._task.action.rpartition('.')[2]}"
        if self._task.async_val or self._connection.transport != "local":
            return self._module(module, task_vars, wrap_async=bool(self._task.async_val))
        folder = self._shared_folder()
        over = threading.Event()
        host = (task_vars or {}).get("inventory_hostname", "")
        watcher = threading.Thread(target=self._watch, args=(folder, over, host, os.getppid()), daemon=True)
        watcher.start()
        environment = self._task.environment
        self._task.environment = [*(environment or []), {VARIABLE: str(folder)}]
        try:
            return self._module(module, task_vars)
        finally:  # on a timeout too: without its folder the module stops
            self._task.environment = environment
            over.set()
            watcher.join(2)
            shutil.rmtree(folder, ignore_errors=True)

    def _module(self, name: str, task_vars: dict[str, t.Any] | None, *, wrap_async: bool = False) -> dict[str, t.Any]:
        result: dict[str, t.Any] = self._execute_module(name, task_vars=task_vars, wrap_async=wrap_async)
        return result

    @staticmethod
    def _shared_folder() -> Path:
        """A folder that a module which became another user can reach; it can write to one file in it only.

        The folder for temporary files of Ansible is closed to other users, so it is made elsewhere.
        """
        folder = Path(tempfile.mkdtemp(prefix="imagescan-"))
        folder.chmod(0o711)
        for name, mode in (("alive", 0o644), ("progress", 0o666)):
            path = folder / name
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            path.chmod(mode)
        return folder

    def _watch(self, folder: Path, over: threading.Event, host: str, parent: int) -> None:
        """Give signs of life and show lines until the module has ended."""
        shown = ""
        while not over.wait(1):
            if os.getppid() != parent:  # ansible-playbook was killed, and this worker is left over
                shutil.rmtree(folder, ignore_errors=True)
                os._exit(1)
            try:
                os.utime(folder / "alive")
                with (folder / "progress").open(encoding="utf-8", errors="replace") as source:
                    number, _blank, line = source.read(500).partition("\n")[0].partition(" ")
            except OSError:
                continue  # The folder is being removed, or the disk has trouble: the task itself is not hurt.
            if line and number != shown:
                shown = number
                if not self._task.no_log:
                    # On stdout the line would break callbacks that write a document there.
                    display.display(f"[{host}] {line}", stderr=True)
