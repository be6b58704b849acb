# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: schedule_plan
short_description: Translate a calendar for systemd, cron and CronJobs, and tell when it comes due
version_added: 0.5.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Reads a time of the day, or the five fields of cron, and writes it for systemd timers and for cron.
  - Tells when it comes due next, and which runs the changes of the clock leave out or double within two years.
  - Needs the Python package cronsim on the controller.
positional: timezone, kind, now
options:
  _input:
    description:
      - Either V(HH:MM), for once a day, or the five fields of cron, with names of months and of days of the week.
      - Where both a day of the month and a day of the week are given, either is enough, as in cron.
    type: str
    required: true
  timezone:
    description: Time zone of the calendar, as in V(Europe/Berlin).
    type: str
    default: UTC
  kind:
    description: By what it is run, since they differ on days on which the clock is changed.
    type: str
    choices: [systemd, cron, cronjob]
    default: systemd
  now:
    description: RFC 3339 time from which on it is looked. The present one where it is not given.
    type: str
"""

EXAMPLES = r"""
- name: Tell when it runs
  ansible.builtin.debug:
    msg: "{{ ('02:30' | imagescan.openshift.schedule_plan('Europe/Berlin')).next }}"
"""

RETURN = r"""
_value:
  description:
    - A dictionary. C(cron) is the five fields; C(systemd) the list of expressions for C(OnCalendar=), with the time
      zone; C(next) the next three times in UTC, without any random delay; C(shortest) the seconds between the two runs
      that are nearest to each other.
    - C(changes) lists runs on days on which the clock is changed that are left out or done twice, as dictionaries with
      C(local) (the local time), C(change) (V(gap) or V(overlap)), C(runs) (how often this kind runs then) and
      C(message).
  type: dict
"""

import re
import typing as t
from datetime import datetime, timedelta, timezone
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ansible.errors import AnsibleFilterError
from ansible_collections.imagescan.openshift.plugins.module_utils._core.times import read_time, utc_text

if t.TYPE_CHECKING:
    from cronsim import CronSim

#: What cron, Kubernetes and we all read alike: no L, W, #, ?, @daily, and steps only of a range.
FIELD = re.compile(r"(?:\*|(?:\d+|[A-Z]{3})(?:-(?:\d+|[A-Z]{3}))?)(?:/\d+)?\Z", re.ASCII)
TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\Z", re.ASCII)
WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
HORIZON = timedelta(days=731)
#: Runs that are looked at to find the shortest time between two: a year of daily ones.
LOOKED_AT = 366
#: How often the kinds run at a local time that does not exist, and at one that is there twice. Measured: see
#: docs/triggers/scheduled.md. Cron catches up when the clock was set forward, and CronJobs are looked up in UTC.
RUNS = {"systemd": {"gap": 0, "overlap": 1}, "cron": {"gap": 1, "overlap": 1}, "cronjob": {"gap": 0, "overlap": 2}}


def schedule_plan(
    calendar: t.Any, timezone: str = "UTC", kind: str = "systemd", now: str | None = None
) -> dict[str, t.Any]:
    """See the documentation of the filter."""
    if kind not in RUNS:
        raise AnsibleFilterError(f"schedule_plan: {kind!r} is not a kind; expected one of {', '.join(RUNS)}")
    zone = zone_of(str(timezone))
    start = moment_of(str(now)) if now else datetime.now(UTC)
    fields = fields_of(str(calendar))
    local = start.astimezone(zone).replace(tzinfo=None, microsecond=0)
    times = parsed(fields, local)
    first = list(islice(times, LOOKED_AT))
    if not first:
        raise AnsibleFilterError(f"schedule_plan: {calendar!r} never comes due")
    due = moments_after(start, first, zone, kind)
    if not due:  # of all that is looked at, all is left out
        raise AnsibleFilterError(f"schedule_plan: {calendar!r} never comes due in {timezone}")
    intervals = [int((b - a).total_seconds()) for a, b in zip(first, first[1:])]
    return {
        "cron": " ".join([*fields[:4], weekdays_of(fields, times)]),
        "systemd": [f"{expression} {zone.key}" for expression in expressions(fields, times)],
        "next": [utc_text(moment) for moment in due[:3]],
        "shortest": min(intervals, default=0),
        "changes": changes(fields, local, zone, kind),
    }


UTC = timezone.utc


def zone_of(name: str) -> ZoneInfo:
    """Look a time zone up by its name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise AnsibleFilterError(
            f"schedule_plan: {name!r} is not a time zone that is known here; write it like Europe/Berlin, and install "
            "the package tzdata where there are none"
        ) from error


def moment_of(text: str) -> datetime:
    """Read a time with its zone."""
    moment = read_time(text)
    if moment is None:
        raise AnsibleFilterError(f"schedule_plan: {text!r} is not an RFC 3339 timestamp")
    return moment


def fields_of(calendar: str) -> list[str]:
    """Read the five fields."""
    time = TIME.match(calendar.strip())
    if time:
        return [str(int(time[2])), str(int(time[1])), "*", "*", "*"]
    fields = calendar.upper().split()
    if len(fields) != 5 or not all(FIELD.match(part) for field in fields for part in field.split(",")):
        raise AnsibleFilterError(
            f"schedule_plan: {calendar!r} is not a calendar; expected HH:MM for once a day, or the five fields of cron "
            "(minute, hour, day of the month, month, day of the week), such as 30 2 * * 1-5"
        )
    check_steps(calendar, fields)
    return fields


def check_steps(calendar: str, fields: t.Sequence[str]) -> None:
    """Refuse the steps that cron and Kubernetes read differently."""
    if any(re.search(r"(^|,)\w+/", field) for field in fields):
        raise AnsibleFilterError(f"schedule_plan: {calendar!r} has a step without a range; write it as in 5-59/15")
    days = (fields[2], fields[4])
    if "*" not in days and any("*" in field for field in days):
        raise AnsibleFilterError(
            f"schedule_plan: {calendar!r} has a step of all days beside other days, which cron and Kubernetes read "
            "differently; name the days"
        )


def parsed(fields: t.Sequence[str], local: datetime) -> CronSim:
    """Compute the local times that come after one, without any time zone."""
    try:
        from cronsim import CronSim, CronSimError
    except ImportError as error:
        raise AnsibleFilterError("schedule_plan: the Python package cronsim is missing on the controller") from error
    try:
        return CronSim(" ".join(fields), local)
    except CronSimError as error:
        raise AnsibleFilterError(f"schedule_plan: {' '.join(fields)!r} is not a calendar: {error}") from error


def numbers(values: t.Iterable[t.Any]) -> str:
    """Write a list of numbers, as all of them read it."""
    return ",".join(str(value) for value in sorted(set(values)))


def weekdays_of(fields: t.Sequence[str], times: CronSim) -> str:
    """Write the days of the week as numbers, and Sunday as 0, since Kubernetes knows no 7."""
    return "*" if fields[4] == "*" else numbers(day % 7 for day in times.weekdays if isinstance(day, int))


def expressions(fields: t.Sequence[str], times: CronSim) -> list[str]:
    """Write it for ``OnCalendar=``, which wants day of the week and date both; where one is enough, there are two."""
    values = (times.minutes, times.hours, times.days, times.months)
    minutes, hours, days, months = map(two_digits, fields, values)
    clock = f"{hours}:{minutes}:00"
    week = ",".join(WEEKDAYS[int(day)] for day in weekdays_of(fields, times).split(",") if day != "*")
    if not week:
        return [f"*-{months}-{days} {clock}"]
    by_week = f"{week} *-{months}-* {clock}"
    return [by_week] if days == "*" else [f"*-{months}-{days} {clock}", by_week]


def two_digits(field: str, values: t.Iterable[t.Any]) -> str:
    """Write the values of a field of cron for systemd."""
    return "*" if field == "*" else ",".join(f"{value:02d}" for value in sorted(values))


def moments(local: datetime, zone: ZoneInfo, kind: str) -> list[datetime]:
    """List when a kind runs what is due at a local time: at no time, once, or twice."""
    early, late = both_moments(local, zone)
    change = change_at(local, zone)
    if not change:
        return [early]
    if change == "overlap":
        return [early, late][: RUNS[kind][change]]
    # As soon as the clock was set forward.
    return [step_after(late, zone)] if RUNS[kind][change] else []


def moments_after(start: datetime, times: t.Iterable[datetime], zone: ZoneInfo, kind: str) -> list[datetime]:
    """List, in order, when a kind runs what is due at local times."""
    return sorted(moment for local in times for moment in moments(local, zone, kind) if moment > start)


def both_moments(local: datetime, zone: ZoneInfo) -> list[datetime]:
    """Convert a local time to UTC, by the offset before and after a change of the clock."""
    return [local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]


def change_at(local: datetime, zone: ZoneInfo) -> str:
    """Return ``gap`` for a local time that does not exist, ``overlap`` for one that comes twice, else an empty text."""
    early, late = both_moments(local, zone)
    if early == late:
        return ""
    return "gap" if early.astimezone(zone).replace(tzinfo=None) != local else "overlap"


def step_after(moment: datetime, zone: ZoneInfo) -> datetime:
    """Find the first minute after a moment with another offset from UTC."""
    offset = moment.astimezone(zone).utcoffset()
    while moment.astimezone(zone).utcoffset() == offset:
        moment += timedelta(minutes=1)
    return moment


def changes(fields: t.Sequence[str], local: datetime, zone: ZoneInfo, kind: str) -> list[dict[str, t.Any]]:
    """List runs on days on which the clock is changed. Of what runs all the time, none is worth a word."""
    if any(field.startswith("*") for field in fields[:2]):
        return []
    changed_runs = []
    day = local.replace(hour=0, minute=0, second=0)
    end = day + HORIZON
    while day < end:
        after = day + timedelta(days=1)
        if day.replace(tzinfo=zone).utcoffset() != after.replace(tzinfo=zone).utcoffset():
            for when in takewhile(after.__gt__, parsed(fields, max(day - timedelta(seconds=1), local))):
                change = change_at(when, zone)
                if change and RUNS[kind][change] != 1:
                    changed_runs.append(described(when, change, zone, kind))
        day = after
    return changed_runs


def described(local: datetime, change: str, zone: ZoneInfo, kind: str) -> dict[str, t.Any]:
    """Describe one run on such a day."""
    runs = RUNS[kind][change]
    says = {"gap": "does not exist", "overlap": "comes twice"}[change]
    does = {0: "leaves this run out", 2: "runs twice"}[runs]
    text = f"{local:%H:%M} {says} on {local:%Y-%m-%d} in {zone.key}: the kind {kind} {does}"
    return {"local": f"{local:%Y-%m-%dT%H:%M}", "change": change, "runs": runs, "message": text}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {"schedule_plan": schedule_plan}
