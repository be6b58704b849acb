# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters import little: Ansible imports all of a collection for any of them, in each task."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.filter import survey_value

PACKAGE = "ansible_collections.imagescan.openshift.plugins"
#: Packages that import a client, a database or what reads images.
COSTLY = {"_ansible", "_discovery", "_podscan", "_reports", "_scanner", "_store", "_vulnerabilities"}
LOADED = """
import importlib, json, sys
for name in sys.argv[2:]:
    importlib.import_module(f"{sys.argv[1]}.filter.{name}")
prefix = f"{sys.argv[1]}.module_utils."
print(json.dumps(sorted({name[len(prefix) :].partition(".")[0] for name in sys.modules if name.startswith(prefix)})))
"""


def test_filters_import_nothing_costly() -> None:
    names = sorted(path.stem for path in Path(survey_value.__file__).parent.glob("*.py") if path.stem != "__init__")
    assert len(names) > 5
    command = [sys.executable, "-c", LOADED, PACKAGE, *names]
    packages = set(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert "_core" in packages
    assert not packages & COSTLY
