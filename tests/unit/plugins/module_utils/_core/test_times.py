# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Timestamps are read and written in one place, alike on every Python."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core import times
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData

PLUGINS = Path(times.__file__).resolve().parents[2]
#: Files that may do it by themselves: a day of a policy or an exception is not a timestamp.
OTHERS = {"module_utils/_core/times.py", "module_utils/_verdicts/documents.py"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-08-21T10:11:12Z", "2026-08-21T10:11:12+00:00"),
        ("2026-08-21t10:11:12z", "2026-08-21T10:11:12+00:00"),
        ("2026-08-21T10:11:12+02:00", "2026-08-21T08:11:12+00:00"),
        ("2026-08-21T10:11:12.5Z", "2026-08-21T10:11:12.500000+00:00"),
        ("2026-08-21T10:11:12.123456789Z", "2026-08-21T10:11:12.123456+00:00"),
        ("2026-08-21T10:11:12", "2026-08-21T10:11:12+00:00"),
        ("2026-08-21", "2026-08-21T00:00:00+00:00"),
    ],
)
def test_timestamps_are_read_in_utc(text: str, expected: str) -> None:
    moment = times.read_time(text)
    assert moment is not None
    assert moment.isoformat() == expected
    assert times.parse_time(f" {text}\n", "it") == moment
    zoned = times.read_time(text, zoned=True)
    assert zoned == (moment if text[10:] and re.search(r"[Zz]$|\+", text) else None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z",
        "now",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00+05:00",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    assert times.read_time(text) is None
    with pytest.raises(CorruptData, match=r"^checked is '.*'; expected a time like 2026-08-21T10:11:12Z"):
        times.parse_time(text, "checked")


def test_timestamps_are_written_with_whole_seconds() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=-3))
    assert times.utc_text(datetime.datetime(2026, 1, 2, 23, 4, 5, 999999, zone)) == "2026-01-03T02:04:05Z"
    assert times.utc_text("2026-08-21T10:11:12.9+02:00") == "2026-08-21T08:11:12Z"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", times.now_text())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", times.exact_now_text())


def test_no_other_file_has_a_reader_or_writer_of_its_own() -> None:
    own = re.compile(r"\bfromisoformat\(|\bstrptime\(|\bstrftime\(")
    files = {str(path.relative_to(PLUGINS)) for path in PLUGINS.rglob("*.py") if own.search(path.read_text("utf-8"))}
    assert files <= OTHERS
