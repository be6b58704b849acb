# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person who waits for a long scan sees at least every 10 seconds that it works: on a terminal, and in AWX's events.

A slow registry makes one image take half a minute in which nothing new is to be told. Both ways of running it go side
by side, each with a store and pods of its own. They take two minutes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import typing as t
from datetime import datetime
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.registries import (
    counting_registry,
    different_images,
    push_images,
)
from ansible_collections.imagescan.openshift.tests.cluster.scans import Scans, by_pods
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment
from ansible_collections.imagescan.openshift.tests.support.requirements import missing

pytestmark = pytest.mark.full

IMAGES = 4
REPOSITORY = "progress/app"
#: Before each answer of the registry (seconds). An image takes three of them.
DELAY = 10.0
#: The bar is 10 s between two lines. Few may be late, since the machine may be busy, and none by much.
BAR, LATEST = 10.0, 20.0
LINE = re.compile(r"\[localhost\] scanned (\d+)/(\d+)(.*)")


@pytest.fixture(scope="module")
def digests(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return push_images(cluster, tmp_path_factory.mktemp("images"), REPOSITORY, different_images(IMAGES, 40))


def check(moments: t.Sequence[tuple[float, str]]) -> None:
    """Lines come in time, tell how far it is, and do not flood. ``moments``: (seconds, line)."""
    (began,) = (moment for moment, line in moments if "TASK [scan]" in line)
    ended = next(moment for moment, line in moments if "changed: [localhost]" in line)
    found = [(moment, match) for moment, line in moments if (match := LINE.search(line))]
    times = [began, *(moment for moment, _match in found), ended]
    pauses = [later - earlier for earlier, later in zip(times, times[1:])]
    print(f"{len(found)} lines in {ended - began:.0f} s, the longest pauses {sorted(pauses)[-3:]}")
    assert ended - began > 120, "the run was to take two minutes"
    assert sum(pause > BAR for pause in pauses) <= len(pauses) // 5, pauses
    assert max(pauses) < LATEST, pauses
    assert len(found) < (ended - began) / 2
    assert [int(match[1]) for _moment, match in found] == sorted(int(match[1]) for _moment, match in found)
    assert any("pod running" in match[3] for _moment, match in found)
    assert any(match[1] not in ("0", match[2]) for _moment, match in found)


def test_a_long_scan_prints_in_time_on_the_terminal_and_in_the_events_of_runner(
    cluster: KubernetesCluster, shared_accounts: Accounts, digests: list[str], tmp_path: Path
) -> None:
    with counting_registry(cluster, DELAY) as registry:
        call = by_pods(cluster, shared_accounts, cluster.scanner_reference, "job", pods=1)
        call["images"] = [f"{registry.host}/{REPOSITORY}@{digest}" for digest in digests]
        call["plain_http_registries"] = [registry.host]
        terminal, runner = (Scans(tmp_path / name, {"scan": call}) for name in ("terminal", "runner"))
        for scans in (terminal, runner):
            scans.home.mkdir()
        in_runner = start_in_runner(runner)
        with subprocess.Popen(
            terminal.command(),
            env=ansible_environment(terminal.home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            moments = [(time.time(), line) for line in t.cast("t.IO[str]", process.stdout)]
        assert process.returncode == 0, moments
        assert in_runner.wait(300) == 0, runner.output
    for scans in (terminal, runner):
        assert scans.result("scan")["counts"]["scanned"] == IMAGES
    check(moments)
    events = [
        json.loads(path.read_text(encoding="utf-8")) for path in runner.home.glob("artifacts/*/job_events/*.json")
    ]
    events.sort(key=lambda event: int(event["counter"]))
    created = [datetime.fromisoformat(event["created"]).timestamp() for event in events]
    check([(at, event["stdout"]) for at, event in zip(created, events)])


def start_in_runner(scans: Scans) -> subprocess.Popen[bytes]:
    """The same playbook as AWX runs it; what it prints is in ``output``, and what AWX shows in ``artifacts``."""
    program = Path(sys.executable).parent / "ansible-runner"
    if not program.exists():
        missing("the Python package ansible-runner")
    (scans.home / "inventory").mkdir()
    hosts = f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n"
    (scans.home / "inventory" / "hosts").write_text(hosts, encoding="utf-8")
    playbook = ("--project-dir", str(scans.home), "--playbook", scans.write().name)
    with (scans.home / "output").open("wb") as stream:
        return subprocess.Popen(
            [str(program), "run", str(scans.home), *playbook],
            env=ansible_environment(scans.home),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
