# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last and the next run of a schedule, as the role ``schedule`` tells them."""

from __future__ import annotations

import base64
import typing as t

_Json = dict[str, t.Any]
ADVICE = "choose another hour, or the time zone UTC, and each run comes exactly once"


class Runs(t.NamedTuple):
    """``last``: when it ``began`` and ``ended`` and with which ``status``, as far as is known; ``refused``: when a run
    was refused the last time because one went on, or an empty text."""

    last: dict[str, str]
    refused: str


def runs_of_host(notes: t.Sequence[_Json]) -> Runs:
    """Read the files ``last`` and ``refused``, as answers of the module slurp."""
    texts = [base64.b64decode(note.get("content", "")).decode().strip() for note in notes] or [""]
    # A run that has no end yet goes on, or was killed.
    return Runs(dict(line.split("=", 1) for line in texts[0].splitlines()), texts[-1])


def runs_of_cluster(jobs: t.Sequence[_Json], events: t.Sequence[_Json]) -> Runs:
    """Read Jobs of a CronJob, and events of refused ones."""
    refused = max((event.get("lastTimestamp") or "" for event in events), default="")
    if not jobs:
        return Runs({}, refused)
    # Of those of one second the last one of the list.
    newest = sorted(jobs, key=lambda job: str(job["metadata"]["creationTimestamp"]))[-1]
    status = newest.get("status") or {}
    last = {"began": status.get("startTime", newest["metadata"]["creationTimestamp"])}
    for condition in status.get("conditions") or []:
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            result = "0" if condition["type"] == "Complete" else condition["reason"]
            return Runs({**last, "ended": condition["lastTransitionTime"], "status": result}, refused)
    return Runs(last, refused)


def lines(title: str, state: str, runs: Runs, plan: t.Mapping[str, t.Any], spread: int) -> list[str]:
    """Say it. ``plan``: of the filter ``schedule_plan``, empty unless runs come; ``spread``: seconds one may wait."""
    sentences = [f"{title} is {state}"]
    if state != "absent":
        sentences.append(_last_line(runs.last))
    if runs.refused:
        sentences.append(f"an overlapping run was refused at {runs.refused}")
    if plan:
        within = f", or up to {spread} s later" if spread > 0 else ""
        sentences.append(f"next run: {plan['next'][0]}{within}")
    changes = plan.get("changes", [])
    sentences += [f"the clock is changed: {change['message']}" for change in changes]
    return [*sentences, ADVICE] if changes else sentences


def _last_line(last: t.Mapping[str, str]) -> str:
    if not last:
        return "no run yet"
    end = f"ended {last['ended']} with {last.get('status', '')}" if last.get("ended") else "has not ended"
    return f"last run: began {last['began']}, {end}"
