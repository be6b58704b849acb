# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the trigger for new images with the real ansible-rulebook; write build/bench-events.json.

On the cluster that IMAGESCAN_TEST_CLUSTER names, or one of its own. Nothing here gates a test. ``events.py flag``,
``events.py many`` and ``events.py idle`` measure only that.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from ansible_collections.imagescan.openshift.tests.benchmarks.cluster import running_cluster
from ansible_collections.imagescan.openshift.tests.benchmarks.table import Table
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts, accounts_in
from ansible_collections.imagescan.openshift.tests.cluster.enforced import admin, until
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster, missing_requirements
from ansible_collections.imagescan.openshift.tests.cluster.test_event_source import Fleet, Program, processor_seconds
from ansible_collections.imagescan.openshift.tests.cluster.test_rulebook import (
    MANY,
    many_in_one_event,
    push_to_flag,
    shop_in,
    watched,
)
from ansible_collections.imagescan.openshift.tests.support.event_listener import counted

BUILD = Path(__file__).resolve().parents[2] / "build"
IDLE = 60.0


def measure_flag(table: Table, cluster: Cluster, home: Path) -> None:
    """From a push to the flag, with everything running."""
    with shop_in(cluster, home) as shop, watched(shop, home / "results") as rulebook:
        seconds = []
        for number, tag in enumerate(("bad", "worse", "worst")):
            seconds.append(push_to_flag(shop, tag))
            rulebook.until_idle(number + 2)
    middle = statistics.median(seconds)
    table.row("from the push of an image to its flag", middle, "s", "< 15", middle < 15)
    table.row("the slowest of three", max(seconds), "s")


def measure_many(table: Table, cluster: Cluster, accounts: Accounts, home: Path) -> None:
    """Many images that are known, in one event."""
    made = Fleet(admin(cluster))
    try:
        seconds = many_in_one_event(cluster, made, accounts, home)
    finally:
        made.remove(cluster)
    table.row(f"{MANY} images in one event, from it to the end of its play", seconds, "s", "< 30", seconds < 30)


def measure_idle(table: Table, cluster: Cluster, accounts: Accounts, home: Path) -> None:
    """A source that watches and hears nothing."""
    made = Fleet(admin(cluster))
    account = {"kubeconfig": str(accounts.discover)}
    try:
        digests = made.make(1000)
        running = Program(account, home / "state.json", home)
        try:
            until(lambda: len(counted(running.events(), digests)) == len(digests), 300.0)
            time.sleep(5.0)
            before = processor_seconds(running.process.pid)
            time.sleep(IDLE)
            used = processor_seconds(running.process.pid) - before
            status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="ascii")
        finally:
            running.kill()
    finally:
        made.remove(cluster)
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
    table.row(f"processor time of the source in {IDLE:.0f} idle seconds", used, "s", "<= 1", used <= 1)
    table.row("its peak memory, 1,000 images", peak, "MB")


def main() -> None:
    """All that is asked for."""
    parts = sys.argv[1:] or ["flag", "many", "idle"]
    table = Table()
    lacking = missing_requirements()
    if lacking:
        sys.exit(f"the benchmark of events needs {', '.join(lacking)}")
    with tempfile.TemporaryDirectory() as name, running_cluster() as cluster:
        home = Path(name)
        cluster.install_openshift_kinds()
        for part in parts:
            (home / part / "results").mkdir(parents=True)
        if "flag" in parts:
            measure_flag(table, cluster, home / "flag")
        if set(parts) & {"many", "idle"}:
            with accounts_in(cluster, "bench-events", home) as accounts:
                if "many" in parts:
                    measure_many(table, cluster, accounts, home / "many")
                if "idle" in parts:
                    measure_idle(table, cluster, accounts, home / "idle")
            cluster.remove_namespace("bench-events")
    table.row("load average", os.getloadavg()[0], "")
    table.write(BUILD / "bench-events.json")


if __name__ == "__main__":
    main()
