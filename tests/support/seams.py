# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the plugins with one more entry in a table: a new file, and what the table says of it.

Nothing else is changed, so a test with a toy entry shows how many files a real one touches.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = "ansible_collections.imagescan.openshift.plugins"
_PLACE = Path(*PACKAGE.split("."))


class Copy:
    """A copy of the plugins below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.plugins = root / _PLACE
        shutil.copytree(CHECKOUT / "plugins", self.plugins, ignore=shutil.ignore_patterns("__pycache__"))

    def add(self, file: str, text: str) -> None:
        """Add a file below module_utils."""
        path = self.plugins / "module_utils" / file
        assert not path.exists()
        path.write_text(text, encoding="utf-8")

    def enter(self, table: str, *lines: tuple[str, str]) -> None:
        """Put lines into a file below module_utils. ``lines``: the text before which a line goes, and the line."""
        path = self.plugins / "module_utils" / table
        content = path.read_text(encoding="utf-8")
        for before, line in lines:
            assert content.count(before) == 1, before
            content = content.replace(before, f"{line}\n{before}")
        path.write_text(content, encoding="utf-8")

    def python(self, script: str, *arguments: str) -> t.Any:
        """Run a script with this copy as the collection; what it prints, read as JSON."""
        environment = {**os.environ, "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", script, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    def module(self, name: str, arguments: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Run a module of this copy; its result."""
        script = f"import runpy; runpy.run_module('{PACKAGE}.modules.{name}', run_name='__main__', alter_sys=True)"
        path = self.root / f"{name}.json"
        path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": dict(arguments)}), encoding="utf-8")
        return dict(self.python(script, str(path)))
