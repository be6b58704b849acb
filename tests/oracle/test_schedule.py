# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role ``schedule`` writes, before the programs that read it: systemd's own tool, and a real cron daemon.

For days on which the clock is changed cron runs under libfaketime, 120 times as fast.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import time
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.filter.schedule_plan import schedule_plan
from ansible_collections.imagescan.openshift.tests.support.cron import cron
from ansible_collections.imagescan.openshift.tests.support.examples import (
    WITHOUT_INVENTORY,
    Runner,
    examples,
    nested_data_in,
)
from ansible_collections.imagescan.openshift.tests.support.programs import require_program
from ansible_collections.imagescan.openshift.tests.support.requirements import CHECKOUT

BERLIN = "Europe/Berlin"
SECONDS = 300.0
CALENDARS = ("02:30", "*/15 * * * *", "30 2 * * 1-5", "0 4 1,15 * MON", "5-59/20 0-6/2 * 1,7 7", "30 2 28-31 MAR,OCT *")


def places(folder: Path) -> dict[str, t.Any]:
    """Variables by which nothing of the machine is changed."""
    for name in ("units", "cron.d"):
        (folder / name).mkdir(exist_ok=True)
    return {
        "schedule_dir": str(folder / "schedules"),
        "schedule_systemd_dir": str(folder / "units"),
        "schedule_cron_dir": str(folder / "cron.d"),
        "schedule_activate": False,
    }


def schedule(folder: Path, **variables: t.Any) -> str:
    """Run the playbook. What it printed."""
    given = {**places(folder), **variables}
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i",
        "localhost,",
        "imagescan.openshift.schedule",
    ]
    done = subprocess.run([*command, "-e", json.dumps(given)], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def until(holds: t.Callable[[], t.Any]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


def by_systemd(expressions: t.Sequence[str], start: str, count: int) -> list[str]:
    """The next runs, as systemd has them, ``count`` of each expression."""
    command = [
        require_program("systemd-analyze"),
        "calendar",
        f"--iterations={count}",
        f"--base-time={start}",
        *expressions,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "TZ": "UTC"})
    found = re.findall(r"(?:Next elapse|Iter\. #\d+|\(in UTC\)): \w+ (\S+) (\S+) UTC", done.stdout)
    return sorted({f"{day}T{clock}Z" for day, clock in found})


@pytest.mark.parametrize("calendar", CALENDARS)
@pytest.mark.parametrize("zone", ["UTC", BERLIN, "America/New_York"])
def test_systemd_reads_the_calendar_as_we_do(calendar: str, zone: str) -> None:
    moment = datetime(2026, 1, 31, 22, 10, tzinfo=timezone.utc)
    for _month in range(12):
        plan = schedule_plan(calendar, zone, "systemd", moment.isoformat())
        start = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
        assert by_systemd(plan["systemd"], start, 3)[:3] == plan["next"]
        moment += timedelta(days=31)


@pytest.mark.parametrize(("day", "runs"), [("2026-03-28", 0), ("2026-10-24", 1)])
def test_systemd_on_days_on_which_the_clock_is_changed(day: str, runs: int) -> None:
    plan = schedule_plan("02:30", BERLIN, "systemd", f"{day}T12:00:00Z")
    assert len(plan["systemd"]) == 1
    found = by_systemd(plan["systemd"], f"{day} 12:00:00 UTC", 3)
    assert found == plan["next"]
    following = (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()
    assert len([one for one in found if one.startswith(following)]) == runs
    (change, *_later) = plan["changes"]
    if runs != 1:
        assert (change["local"], change["runs"]) == (f"{following}T02:30", runs)
    else:
        assert change["local"] > following  # of a run that comes once nothing is said


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    schedule(tmp_path, schedule_timezone=BERLIN, schedule_spread=300, schedule_calendar="0 4 1,15 * MON")
    assert verified(tmp_path) == (0, "")
    timer = tmp_path / "units/imagescan.timer"
    timer.write_text(timer.read_text(encoding="utf-8").replace("04:00", "25:00"), encoding="utf-8")
    assert "25:00" in verified(tmp_path)[1]


def verified(folder: Path) -> tuple[int, str]:
    """What systemd says to the units: its status, and what it printed."""
    units = [str(folder / "units" / f"imagescan.{kind}") for kind in ("timer", "service")]
    command = [require_program("systemd-analyze"), "verify", *units]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.full
@pytest.mark.timeout(900)
def test_the_examples_of_the_page_and_from_a_tick_of_cron_to_a_verdict(tmp_path: Path) -> None:
    fleet, etc = tmp_path / "fleet", tmp_path / "etc"
    subprocess.run([sys.executable, CHECKOUT / "examples/fleet/build.py", fleet], check=True, capture_output=True)
    etc.mkdir()
    (etc / "environment").touch(mode=0o600)
    (etc / "environment").write_text("IMAGESCAN_STORE_PASSWORD='not needed'\n", encoding="utf-8")
    (etc / "auth.json").write_text('{"auths": {}}', encoding="utf-8")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    on_the_page = Runner(
        tmp_path,
        {**os.environ, "PATH": path, **WITHOUT_INVENTORY},
        {
            "registry.example.com/shop/frontend:1.4": f"oci:{fleet}/images:payments, oci:{fleet}/images:shop-frontend",
            **nested_data_in(fleet),
            "/var/lib/imagescan": str(tmp_path / "scan"),
            "/etc/imagescan": str(etc),
        },
        {"nightly.yml": "".join(f"{name}: {json.dumps(value)}\n" for name, value in places(tmp_path).items())},
    )
    variables, with_systemd, with_cron = examples("schedule-host", "scheduled")

    assert "[WARNING]" not in on_the_page.run(variables) + on_the_page.run(with_systemd)
    assert verified(tmp_path) == (0, "")

    # Not to wait for the night.
    now = {'"02:30"': '"* * * * *"', "schedule_spread: 900": "schedule_spread: 1", **on_the_page.replaced}
    at_once = dataclasses.replace(on_the_page, replaced=now)
    assert "[WARNING]" not in at_once.run(variables) + at_once.run(with_cron)
    assert list((tmp_path / "units").iterdir()) == []
    report, last = tmp_path / "scan/report/report.json", tmp_path / "schedules/imagescan/last"
    with cron(tmp_path):
        until(lambda: last.exists() and "status=" in last.read_text(encoding="utf-8"))
    # As scan_fail_on has it.
    assert "status=2" in last.read_text(encoding="utf-8"), (last.parent / "log").read_text(encoding="utf-8")
    images = json.loads(report.read_text(encoding="utf-8"))["images"]
    assert sorted(one["verdict"] for one in images) == ["failed", "passed"]


@pytest.mark.full
@pytest.mark.timeout(900)
def test_what_was_missed_is_made_up_for_when_the_machine_starts(tmp_path: Path) -> None:
    runs = {name: counting(tmp_path, name, "0 0 29 2 *", catch_up=True) for name in ("missed", "recent")}
    began = tmp_path / "schedules/missed/began"
    began.touch()
    long_ago = time.time() - 3650 * 86400
    os.utime(began, (long_ago, long_ago))
    with cron(tmp_path):
        until(lambda: runs["missed"]() == 1)
        until((tmp_path / "schedules/recent/began").exists)
    assert {name: count() for name, count in runs.items()} == {"missed": 1, "recent": 0}


@pytest.mark.full
@pytest.mark.timeout(900)
def test_cron_runs_once_on_days_on_which_the_clock_is_changed(tmp_path: Path) -> None:
    faketime = require_program("faketime")
    runs = counting(tmp_path, "nightly", "30 2 * * *", catch_up=False)
    for number, day in enumerate(("2026-03-29", "2026-10-25")):
        end = tmp_path / day
        line = f"SHELL=/bin/sh\n45 3 * * * root touch {end}\n"
        (tmp_path / "cron.d/end").write_text(line, encoding="utf-8")
        (tmp_path / "cron.d/end").chmod(0o600)
        with cron(tmp_path, faketime, "-f", f"@{day} 01:50:00 x120", TZ=BERLIN):
            until(end.exists)
        assert runs() == number + 1
        plan = schedule_plan("02:30", BERLIN, "cron", f"{day}T00:00:00Z")
        assert plan["changes"] == []
        assert len([one for one in plan["next"] if one.startswith(day)]) == 1


def counting(folder: Path, name: str, calendar: str, *, catch_up: bool) -> t.Callable[[], int]:
    """A schedule that only counts its runs. How often it ran."""
    program, count = folder / f"{name}-count", folder / f"{name}.txt"
    program.write_text(f"#!/bin/sh\necho x >> {count}\n", encoding="utf-8")
    program.chmod(0o700)
    given = {"schedule_kind": "cron", "schedule_name": name, "schedule_calendar": calendar}
    schedule(folder, **given, schedule_catch_up=catch_up, schedule_ansible_playbook=str(program))
    return lambda: len(count.read_text(encoding="utf-8").split()) if count.exists() else 0
