# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of the last and the next run of a schedule."""

from __future__ import annotations

import base64
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._schedule.summary import (
    ADVICE,
    Runs,
    lines,
    runs_of_cluster,
    runs_of_host,
)

EARLY, LATE, ENDED = "2026-12-02T02:30:00Z", "2026-12-03T02:30:00Z", "2026-12-03T02:41:00Z"


def slurped(text: str) -> dict[str, t.Any]:
    """An answer of the module slurp."""
    return {"content": base64.b64encode(text.encode()).decode()}


def job(started: str, *conditions: tuple[str, str, str]) -> dict[str, t.Any]:
    """A Job. ``conditions``: type, status, reason."""
    kept = [
        {"type": kind, "status": status, "reason": reason, "lastTransitionTime": ENDED}
        for kind, status, reason in conditions
    ]
    return {"metadata": {"creationTimestamp": started}, "status": {"startTime": started, "conditions": kept}}


@pytest.mark.parametrize(
    ("notes", "runs"),
    [
        ([], Runs({}, "")),
        ([{"skipped": True}, {"msg": "file not found"}], Runs({}, "")),
        ([slurped(f"began={LATE}\n"), {}], Runs({"began": LATE}, "")),
        (
            [slurped(f"began={LATE}\nstatus=a=b\n"), slurped(f"{ENDED}\n")],
            Runs({"began": LATE, "status": "a=b"}, ENDED),
        ),
    ],
)
def test_a_host_tells_by_two_files(notes: list[dict[str, t.Any]], runs: Runs) -> None:
    assert runs_of_host(notes) == runs


@pytest.mark.parametrize(
    ("jobs", "last"),
    [
        ([], {}),
        ([{"metadata": {"creationTimestamp": EARLY}}], {"began": EARLY}),
        ([job(LATE), job(EARLY, ("Complete", "True", ""))], {"began": LATE}),
        ([job(LATE, ("Complete", "False", ""), ("Suspended", "True", ""))], {"began": LATE}),
        ([job(LATE, ("Complete", "True", ""))], {"began": LATE, "ended": ENDED, "status": "0"}),
        (
            [job(EARLY), job(LATE, ("Failed", "True", "DeadlineExceeded"))],
            {"began": LATE, "ended": ENDED, "status": "DeadlineExceeded"},
        ),
    ],
)
def test_a_cluster_tells_by_the_newest_job(jobs: list[dict[str, t.Any]], last: dict[str, str]) -> None:
    events: list[dict[str, t.Any]] = [{"lastTimestamp": EARLY}, {"lastTimestamp": LATE}, {"lastTimestamp": None}, {}]
    assert runs_of_cluster(jobs, events) == Runs(last, LATE)
    assert runs_of_cluster(jobs, []).refused == ""


def test_all_of_it_is_said() -> None:
    plan = {"next": [LATE, ENDED], "changes": [{"message": "02:30 does not exist"}]}
    ended = Runs({"began": EARLY, "ended": ENDED, "status": "2"}, LATE)
    assert lines("nightly (cron)", "present", ended, plan, 60) == [
        "nightly (cron) is present",
        f"last run: began {EARLY}, ended {ENDED} with 2",
        f"an overlapping run was refused at {LATE}",
        f"next run: {LATE}, or up to 60 s later",
        "the clock is changed: 02:30 does not exist",
        ADVICE,
    ]
    began = Runs({"began": EARLY}, "")
    assert lines("a", "disabled", began, {}, 60) == ["a is disabled", f"last run: began {EARLY}, has not ended"]
    assert lines("a", "present", Runs({}, ""), {"next": [LATE]}, 0) == [
        "a is present",
        "no run yet",
        f"next run: {LATE}",
    ]
    assert lines("a", "absent", Runs({}, ""), {}, 0) == ["a is absent"]
