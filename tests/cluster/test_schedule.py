# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster's own controller makes of a CronJob's time zone on days on which the clock is changed."""

from __future__ import annotations

import json
import time
import typing as t
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.imagescan.openshift.tests.cluster.enforced import pod_spec, until
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster

Json = dict[str, t.Any]
SECONDS = 400.0


def changes_of_berlin() -> tuple[datetime, datetime]:
    """The last days, at midnight, on which the clock was set forward and back there."""
    zone = ZoneInfo("Europe/Berlin")
    day = datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    found: dict[bool, datetime] = {}
    while len(found) < 2:
        day -= timedelta(days=1)
        before, after = (one.replace(tzinfo=zone).utcoffset() for one in (day, day + timedelta(days=1)))
        assert before is not None
        assert after is not None
        if before != after:
            found.setdefault(after > before, day)
    return found[True], found[False]


@pytest.mark.timeout(900)
def test_the_controller_on_days_on_which_the_clock_is_changed(cluster: KubernetesCluster, namespace: str) -> None:
    # It makes up for what it missed since the last run that it noted, so that it can be asked about days of the past.
    spring, autumn = changes_of_berlin()
    utc = timezone.utc
    #: name -> local time, the last run that was noted, and for when a Job is to be made.
    cases: dict[str, tuple[str, datetime, datetime | None]] = {
        # After the first 02:30 of the day, 00:30 in UTC, comes another.
        "twice": ("02:30", autumn.replace(hour=0, minute=45), autumn.replace(hour=1, minute=30)),
        "left-out": ("02:30", spring - timedelta(hours=12), None),
        "an-hour-later": ("03:30", spring - timedelta(hours=12), spring.replace(hour=1, minute=30)),
    }
    for name, (clock, noted, _made) in cases.items():
        hour, minute = clock.split(":")
        day = autumn if name == "twice" else spring
        calendar = f"{minute} {hour} {day.day} {day.month} *"
        template: Json = {"spec": {"suspend": True, "template": {"spec": {**pod_spec("x"), "restartPolicy": "Never"}}}}
        spec: Json = {"schedule": calendar, "timeZone": "Europe/Berlin", "suspend": True, "jobTemplate": template}
        cluster.apply(
            {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": spec}, namespace=namespace
        )
        status = json.dumps({"status": {"lastScheduleTime": f"{noted:%Y-%m-%dT%H:%M:%SZ}"}})
        patch = (f"--namespace={namespace}", "patch", "cronjob", name, "--type=merge")
        cluster.kubectl(*patch, "--subresource=status", f"--patch={status}")
        cluster.kubectl(*patch, '--patch={"spec": {"suspend": false}}')

    def jobs() -> set[str]:
        return {one["metadata"]["name"] for one in cluster.get("jobs", f"--namespace={namespace}")["items"]}

    # The controller names a Job by the minute for which it is.
    wanted = {
        f"{name}-{int(made.replace(tzinfo=utc).timestamp()) // 60}"
        for name, (_clock, _noted, made) in cases.items()
        if made is not None
    }
    until(lambda: wanted <= jobs(), SECONDS)
    time.sleep(5)  # for the one that is to be left out
    assert jobs() == wanted
