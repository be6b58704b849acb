# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calendars of schedules, and what looks like a password in their variables."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.imagescan.openshift.plugins.filter.schedule_plan import RUNS, schedule_plan
from ansible_collections.imagescan.openshift.plugins.filter.secrets_in import secrets_in

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("calendar", "cron", "systemd"),
    [
        ("02:30", "30 2 * * *", ["*-*-* 02:30:00 UTC"]),
        ("7:05", "5 7 * * *", ["*-*-* 07:05:00 UTC"]),
        ("0 4 * * sun", "0 4 * * 0", ["Sun *-*-* 04:00:00 UTC"]),
        ("0 4 * * 5-7", "0 4 * * 0,5,6", ["Sun,Fri,Sat *-*-* 04:00:00 UTC"]),
        ("*/30 1-3 1 JAN *", "*/30 1-3 1 JAN *", ["*-01-01 01,02,03:00,30:00 UTC"]),
        # Either day is enough, for which systemd needs two expressions.
        ("0 4 1 * 1", "0 4 1 * 1", ["*-*-01 04:00:00 UTC", "Mon *-*-* 04:00:00 UTC"]),
    ],
)
def test_a_calendar_says_the_same_to_all(calendar: str, cron: str, systemd: list[str]) -> None:
    plan = schedule_plan(calendar)
    assert (plan["cron"], plan["systemd"]) == (cron, systemd)


@pytest.mark.parametrize(
    ("kind", "spring", "autumn"),
    [
        ("systemd", [], ["00:30"]),
        ("cron", ["01:00"], ["00:30"]),
        ("cronjob", [], ["00:30", "01:30"]),
    ],
)
def test_days_on_which_the_clock_is_changed(kind: str, spring: list[str], autumn: list[str]) -> None:
    for day, wanted in (("2026-03-29", spring), ("2026-10-25", autumn)):
        found = schedule_plan("02:30", BERLIN, kind, f"{day}T00:00:00Z")["next"]
        assert [one[11:16] for one in found if one.startswith(day)] == wanted
    told = schedule_plan("02:30", BERLIN, kind, "2026-01-01T00:00:00Z")["changes"]
    days = [("2026-03-29", "gap"), ("2026-10-25", "overlap"), ("2027-03-28", "gap"), ("2027-10-31", "overlap")]
    assert [(one["local"][:10], one["change"]) for one in told] == [day for day in days if RUNS[kind][day[1]] != 1]


@pytest.mark.parametrize(
    ("calendar", "zone"),
    [("01:30", BERLIN), ("03:30", BERLIN), ("02:30", "UTC"), ("30 * * * *", BERLIN), ("30 2 * 6 *", BERLIN)],
)
def test_nothing_is_told_where_each_run_comes_once(calendar: str, zone: str) -> None:
    assert schedule_plan(calendar, zone, "cronjob")["changes"] == []


def test_a_change_at_midnight_is_seen() -> None:
    told = schedule_plan("0:30", "America/Santiago", "cronjob", "2026-01-01T00:00:00Z")["changes"]
    assert {one["change"] for one in told} == {"gap"}
    told = schedule_plan("23:30", "America/Santiago", "cronjob", "2026-01-01T00:00:00Z")["changes"]
    assert {one["change"] for one in told} == {"overlap"}


@pytest.mark.parametrize(
    "calendar",
    [
        *("", "24:00", "2:60", "* * * *", "* * * * * *", "@daily", "5/15 * * * *", "0 0 */2 * 1", "60 * * * *"),
        *("0 0 30 2 *", "0 0 L * *", "0 0 * * 1L", "0 0 * * 1#2", "0 0 ? * *", "a b c d e", "0 5-3 * * *"),
        "* * * * *; x",
    ],
)
def test_what_is_no_calendar_is_refused(calendar: str) -> None:
    with pytest.raises(AnsibleFilterError, match="schedule_plan: "):
        schedule_plan(calendar)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"scan_password": "x", "scan_api_key": "x", "scan_store_password": "x"}, 3),
        ({"scan_password": "", "scan_username": "x"}, 0),
        ({"scan_kubeconfig": {"users": [{"user": {"token": "x", "client-key-data": "x"}}]}}, 2),
        ({"scan_proxy": "http://user:word@proxy:3128"}, 1),
        ({"scan_access": "host=x password=y api_key=z"}, 2),
        ({"scan_access": '{"host": "x", "password": "y", "proxy": "http://user:word@proxy"}'}, 2),
        ({"scan_access": "host=x password= username=y"}, 0),
        ({"scan_access": "{host: x"}, 0),
        ({"scan_proxy": "http://user@proxy:3128", "scan_feed": "https://feed:443/a@b"}, 0),
        ({"scan_registry_auth_file": "/etc/auth.json", "scan_pull_secrets": ["a"], "scan_token_realms": ["b"]}, 0),
        ({"scan_references": ["registry:5000/a/b@sha256:0"]}, 0),
        ({"a": ["-----BEGIN RSA PRIVATE KEY-----"]}, 1),
        ({"a": "$ANSIBLE_VAULT;1.1;AES256"}, 1),
    ],
)
def test_passwords_are_found_and_not_told(value: dict[str, t.Any], found: int) -> None:
    names = secrets_in(value)
    assert len(names) == found
    assert not any("word" in one and "@" in one for one in names)
