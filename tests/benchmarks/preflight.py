# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what looking at everything first costs a run without mistakes; write build/bench-preflight.json.

Whole runs with the check and without it, in turn, over one image that is known; and the module alone, in a process of
its own as Ansible makes it, with servers on loopback. Nothing here gates a test.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.preflight_cluster import SCANNER_RIGHTS
from ansible_collections.imagescan.openshift.tests.benchmarks.table import Table
from ansible_collections.imagescan.openshift.tests.support.mistakes import DISCOVERY, FLAGGER
from ansible_collections.imagescan.openshift.tests.support.modules import PACKAGE
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment
from ansible_collections.imagescan.openshift.tests.support.rights_server import TOKEN, RightsServer
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, running_server

CHECKOUT = Path(__file__).resolve().parents[2]
ROUNDS = 7
SERVER = RightsServer(
    {**DISCOVERY, **FLAGGER}, {"imagescan": SCANNER_RIGHTS}, groups=("apps", "batch", "imagescan.github.io")
)


def main() -> None:
    """Measure and tell."""
    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        fleet = work / "fleet"
        subprocess.run([sys.executable, CHECKOUT / "examples/fleet/build.py", fleet], check=True, capture_output=True)
        measure_runs(table, work, fleet)
        measure_module(table, work, fleet)
    (CHECKOUT / "build").mkdir(exist_ok=True)
    table.write(CHECKOUT / "build/bench-preflight.json")


def measure_runs(table: Table, work: Path, fleet: Path) -> None:
    """Whole runs, by the clock."""
    kinds = {"with": work / "with", "without": work / "without"}
    for root in kinds.values():
        place = root / "ansible_collections/imagescan/openshift"
        shutil.copytree(CHECKOUT, place, ignore=shutil.ignore_patterns("build", ".git", "tests", "__pycache__"))
    tasks = kinds["without"] / "ansible_collections/imagescan/openshift/roles/scan/tasks/images.yml"
    text = tasks.read_text(encoding="utf-8")
    tasks.write_text(
        text[: text.index("- name: Check what was given")] + text[text.index("- name: Discover") :], "utf-8"
    )
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _round in range(ROUNDS + 1):
        for kind, root in kinds.items():
            began = time.perf_counter()
            run(root, work, fleet)
            seconds[kind].append(time.perf_counter() - began)
    medians = {kind: statistics.median(values[1:]) for kind, values in seconds.items()}  # the first fills caches
    table.row("whole run, known image", medians["with"], "s")
    table.row("the same / without looking first", medians["with"] / medians["without"], "")
    table.row("difference", medians["with"] - medians["without"], "s")


def run(root: Path, work: Path, fleet: Path) -> None:
    """Run the playbook of a copy of the collection."""
    variables = {
        "ansible_python_interpreter": sys.executable,
        "scan_references": [f"oci:{fleet}/images:payments"],
        "scan_feed": f"{fleet}/feed",
        "scan_repository_map": f"{fleet}/repository-to-cpe.json",
        "scan_policies": [f"{fleet}/policies.yml"],
        "scan_dir": f"{work}/scan",
    }
    program = Path(sys.executable).parent / "ansible-playbook"
    command: list[str | Path] = [program, "-i", "localhost,", "imagescan.openshift.scan", "-e", json.dumps(variables)]
    environment = {**ansible_environment(work), "ANSIBLE_COLLECTIONS_PATH": str(root), "PYTHONPATH": str(root)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def measure_module(table: Table, work: Path, fleet: Path) -> None:
    """The module alone: with files, with a cluster, and with a feed on a server, too."""
    files = {
        "store": f"{work}/scan/store.db",
        "policies": [f"{fleet}/policies.yml"],
        "dest": f"{work}/scan/report",
        "formats": ["json", "html"],
    }
    with running_server(SERVER) as api, running_server(lambda _request: Answer(200)) as feed:
        cluster = {
            "host": f"http://{api.host}",
            "api_key": TOKEN,
            "cluster_steps": ["discover", "scan", "flag"],
            "sources": ["workloads"],
            "scan_method": "job",
        }
        options: dict[str, dict[str, t.Any]] = {
            "module, files alone": files,
            "module, and one account for three steps": {**files, **cluster},
            "module, and a feed on a server": {**files, **cluster, "feed_url": [f"http://{feed.host}/feed/"]},
        }
        for name, given in options.items():
            path = work / "arguments.json"
            path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}), encoding="utf-8")
            seconds = [call(path) for _round in range(ROUNDS)]
            table.row(name, statistics.median(seconds), "s")
        table.row("requests to the API server in a run", len(api.requests) / (2 * ROUNDS), "")
        table.row("requests to the feed's server in a run", len(feed.requests) / ROUNDS, "")


def call(arguments: Path) -> float:
    """Run the module; its seconds by the clock."""
    began = time.perf_counter()
    command = [sys.executable, "-m", f"{PACKAGE}.scan_preflight", str(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert json.loads(done.stdout)["problems"] == [], done.stdout + done.stderr
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
