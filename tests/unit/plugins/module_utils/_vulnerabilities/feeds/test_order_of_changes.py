# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of rows in changes.csv and deletions.csv says nothing: newest first is a habit, and no promise."""

from __future__ import annotations

import io
import json
import random
import tarfile
import typing as t
import urllib.parse
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server
from ansible_collections.imagescan.openshift.tests.support.vex import MAJOR_9, affected, document, not_affected

Rows = list[tuple[str, str]]

FIRST, SECOND = "2026-05-02T06:00:00Z", "2026-05-10T06:00:00Z"
#: What is in the archive of 1 May.
OLD = {f"2026/cve-2026-{number}.json": f"2026-04-{number - 990:02d}T00:00:00+00:00" for number in range(1000, 1006)}
#: What changed after the first sync: one got worse, one is new, one was taken back, one came back.
WORSE, ADDED, GONE, BACK = (f"2026/cve-2026-{number}.json" for number in (1000, 2000, 1001, 1002))
CHANGED = {WORSE: "2026-05-05T00:00:00+00:00", ADDED: "2026-05-06T00:00:00+00:00", BACK: "2026-05-08T00:00:00+00:00"}
DELETED = {GONE: "2026-05-07T00:00:00+00:00", BACK: "2026-05-04T00:00:00+00:00"}


def newest_first(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: row[1], reverse=True)


def oldest_first(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: row[1])


def by_path(rows: Rows) -> Rows:
    return sorted(rows)


def shuffled(rows: Rows) -> Rows:
    return random.Random(7).sample(rows, len(rows))


def stale_rows_after(rows: Rows) -> Rows:
    """Each document twice, with the time that it had before at the end."""
    return [*newest_first(rows), *((path, OLD[path]) for path, _time in rows if path in OLD)]


def stale_rows_before(rows: Rows) -> Rows:
    return [*((path, OLD[path]) for path, _time in rows if path in OLD), *oldest_first(rows)]


def repeated(rows: Rows) -> Rows:
    return shuffled(rows * 3)


ORDERS = [newest_first, oldest_first, by_path, shuffled, stale_rows_after, stale_rows_before, repeated]


def csv(rows: Rows) -> bytes:
    return "".join(f'"{path}","{moment}"\n' for path, moment in rows).encode()


def content(path: str, date: str, worse: bool = False) -> bytes:
    number = path[-9:-5]
    said = affected(MAJOR_9, f"tool{number}") if worse else not_affected(MAJOR_9, f"tool{number}")
    return json.dumps(document(f"CVE-2026-{number}", said, date=date)).encode()


def archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for path, date in OLD.items():
            data = content(path, date)
            info = tarfile.TarInfo(path)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return out.getvalue()


def synced(order: t.Callable[[Rows], Rows], dest: Path) -> tuple[str, dict[str, list[str]], list[str]]:
    """Serial of the index after both syncs, what it says of each package, and what the second one fetched."""
    files = {
        "/archive_latest.txt": b"csaf_vex_2026-05-01.tar\n",
        "/csaf_vex_2026-05-01.tar": archive(),
        "/changes.csv": csv(order(list(OLD.items()))),
        "/deletions.csv": b"",
    }
    requests: list[str] = []

    def serve(request: Request) -> Answer:
        path = urllib.parse.urlsplit(request.target).path
        requests.append(path)
        if path not in files:
            return Answer(404)
        headers = {"ETag": f'"{hash(files[path])}"'} if path.endswith(".tar") else {}
        if request.method == "HEAD":
            return Answer(200, b"", headers, length=len(files[path]))
        return Answer(200, files[path], headers)

    with running_server(serve) as server:
        url = f"http://{server.host}"
        build_index(url, str(dest), access=Access(), now=FIRST)
        files["/changes.csv"] = csv(order(list({**OLD, **CHANGED}.items())))
        files["/deletions.csv"] = csv(order(list(DELETED.items())))
        files.update({f"/{path}": content(path, date, worse=True) for path, date in CHANGED.items()})
        requests.clear()
        build_index(url, str(dest), access=Access(), now=SECOND)
    with FeedIndex.open(str(dest)) as index:
        said = {
            name: sorted(one.status for one in found) for name, found in index.statements(sorted(index.names())).items()
        }
        return index.info.serial, said, sorted(set(requests) & {f"/{path}" for path in CHANGED})


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, list[str]], list[str]]:
    return synced(newest_first, tmp_path_factory.mktemp("expected") / "index")


def test_what_changed_is_read(expected: tuple[str, dict[str, list[str]], list[str]]) -> None:
    _serial, said, fetched = expected
    assert {name: said.get(name, []) for name in ("tool1000", "tool2000", "tool1001", "tool1002", "tool1003")} == {
        "tool1000": ["known_affected"],
        "tool2000": ["known_affected"],
        "tool1001": [],
        "tool1002": ["known_affected"],
        "tool1003": ["known_not_affected"],
    }
    assert fetched == sorted(f"/{path}" for path in CHANGED)


@pytest.mark.parametrize("order", ORDERS[1:], ids=lambda order: order.__name__)
def test_no_order_of_rows_hides_a_change(
    order: t.Callable[[Rows], Rows], expected: tuple[str, dict[str, list[str]], list[str]], tmp_path: Path
) -> None:
    """Fools whoever reads the list until it comes to what is known: what stands below is never read."""
    assert synced(order, tmp_path / "index") == expected
