# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dry run over a feed: all that would be refused is told, by cause, and nothing is written."""

from __future__ import annotations

import copy
import io
import json
import tarfile
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.unread import EVERYTHING
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.checking import (
    CAUSES_LIMIT,
    OTHER,
    Cause,
    cause_of,
    check_feed,
    group_causes,
    lines_of,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.parsing import Form
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import RejectedDocument
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, running_server
from ansible_collections.imagescan.openshift.tests.support.vex import MAJOR_9, NOW, affected, document, write_feed

Edit = t.Callable[[dict[str, t.Any]], t.Any]


def cut_tracking(value: dict[str, t.Any]) -> None:
    value["document"]["tracking"]["current_release_date"] = []


def lose_statuses(value: dict[str, t.Any]) -> None:
    value["vulnerabilities"][0]["product_status"] = {}


def odd_version(value: dict[str, t.Any]) -> None:
    value["document"]["csaf_version"] = "9.9"


#: How often, and what is done to so many documents.
DAMAGE: tuple[tuple[int, Edit], ...] = ((4, cut_tracking), (2, lose_statuses), (1, odd_version))


def refused(path: str, reason: str) -> RejectedDocument:
    return RejectedDocument(path, "a" * 64, reason, EVERYTHING)


def numbers(causes: t.Iterable[Cause]) -> list[tuple[str, int]]:
    return [(one.cause, one.count) for one in causes]


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    """Twelve documents: seven are damaged in three ways, one is cut."""
    folder = tmp_path / "feed"
    documents = [document(f"CVE-2026-{1000 + n}", affected(MAJOR_9, f"tool{n}")) for n in range(12)]
    write_feed(folder, *documents)
    paths = sorted(folder.rglob("cve-*.json"))
    edits = [edit for count, edit in DAMAGE for _each in range(count)]
    for path, edit in zip(paths, edits):
        value = copy.deepcopy(json.loads(path.read_text()))
        edit(value)
        path.write_text(json.dumps(value))
    paths[len(edits)].write_bytes(paths[len(edits)].read_bytes()[:-30])
    (folder / "index.json").write_text("{}")
    return folder


def test_refused_documents_are_told_by_cause_and_count(feed: Path) -> None:
    checked = check_feed(str(feed), now=NOW)
    assert checked.info is not None
    assert (checked.info.documents, len(checked.rejected)) == (4, 8)
    assert [one.count for one in checked.causes] == [4, 2, 1, 1]
    assert sum(one.count for one in checked.causes) == len(checked.rejected)
    first, second = checked.causes[:2]
    assert first.documents == tuple(f"2026/cve-2026-{number}.json" for number in (1000, 1001, 1002))
    assert "current_release_date" in first.cause
    assert "product_status is empty" in second.cause
    assert second.reason.startswith("cve-2026-1004.json")
    assert not any("CVE-2026" in one.cause.upper() or "100" in one.cause for one in checked.causes)
    assert checked.skipped == {"not_csaf": 1}


def test_the_table_says_all_of_it(feed: Path) -> None:
    lines = lines_of(check_feed(str(feed), now=NOW), str(feed))
    text = "\n".join(lines)
    assert all(len(line) <= 100 for line in lines)
    assert "4 documents can be read, 8 would be refused; of 2026; 1 file is not part" in " ".join(text.split())
    assert [line.split()[0] for line in lines if line[:8].strip().isdigit()] == ["4", "2", "1", "1"]
    assert "2026/cve-2026-1000.json, 2026/cve-2026-1001.json, 2026/cve-2026-1002.json …" in text
    assert "at least 40,000 documents" in text


def test_nothing_is_written(feed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    before = sorted(tmp_path.rglob("*"))
    check_feed(str(feed), now=NOW)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_feed_of_which_nothing_can_be_read_is_told_in_the_same_way(feed: Path) -> None:
    for path in sorted(feed.rglob("cve-*.json"))[8:]:
        path.write_text("<html>")
    checked = check_feed(str(feed), now=NOW)
    assert checked.info is None
    assert len(checked.rejected) == 12
    assert checked.causes[0].count == 4
    assert "0 documents can be read, 12 would be refused" in lines_of(checked, "feed")[0]


def test_an_archive_and_a_url_are_told_as_the_folder(feed: Path, tmp_path: Path) -> None:
    wanted = check_feed(str(feed), now=NOW).causes
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        archive.add(feed, arcname="vex")
    path = tmp_path / "vex.tar.gz"
    path.write_bytes(content.getvalue())
    assert numbers(check_feed(str(path), now=NOW).causes) == numbers(wanted)
    with running_server(lambda request: Answer(200, content.getvalue())) as server:
        url = f"http://{server.host}/csaf_vex_2026-08-01.tar.gz"
        found = check_feed(url, now=NOW, access=Access())
    assert numbers(found.causes) == numbers(wanted)


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no feed at"):
        check_feed(str(tmp_path / "nothing"), now=NOW)
    with pytest.raises(InputError, match="format"):
        check_feed(str(tmp_path), now=NOW, form=Form("other"))


@pytest.mark.parametrize(
    ("path", "reason", "cause"),
    [
        ("2024/cve-2024-1.json", "cve-2024-1.json: document is not an object", "document is not an object"),
        ("a.json", "a.json defines 'x:y-1.el9.noarch' twice, and not alike", "defines … twice, and not alike"),
        ("a.json", f"a.json defines {ascii('x' * 200)[:100]} twice, and not alike", "defines … twice, and not alike"),
        ("a.json", 'a.json defines "it\'s" twice, and not alike', "defines … twice, and not alike"),
        (
            "a.json",
            "it is about CVE-2026-1, and so is 2026/cve-2026-1.json; a feed says it once",
            "it is about …, and so is …; a feed says it once",
        ),
        (
            "ALSA-2024:1.json",
            "ALSA-2024:1.json is not readable JSON: Expecting value at line 3, column 14",
            "is not readable JSON: Expecting value at line …, column …",
        ),
        ("a.json", "it has more than 67108864 bytes", "it has more than … bytes"),
        ("a.json", "", "no reason was given"),
        ("a.json", "a.json", "no reason was given"),
        ("a.json", "bad \x1b[31m\u202e thing", "bad \\x1b[31m\\u202e thing"),
    ],
)
def test_a_cause_has_nothing_of_one_document(path: str, reason: str, cause: str) -> None:
    assert cause_of(refused(path, reason)) == cause


def test_causes_are_bounded() -> None:
    rejected = [refused(f"{number}.json", "x" * (number % 1000 + 1)) for number in range(3000)]
    causes = group_causes(rejected)
    assert len(causes) <= CAUSES_LIMIT + 1
    assert sum(one.count for one in causes) == 3000
    assert all(len(one.cause) <= 200 for one in causes)
    assert [one.cause for one in causes].count(OTHER) <= 1


def test_what_it_tells_is_what_an_index_refuses(feed: Path, tmp_path: Path) -> None:
    built = build_index(str(feed), str(tmp_path / "index"), now=NOW)
    assert check_feed(str(feed), now=NOW).rejected == built.rejected


def test_a_dry_run_over_real_documents(tmp_path: Path) -> None:
    """Of real documents, too, every refused one has a cause without identifiers."""
    with tarfile.open(data_path("red_hat_documents.tar.xz")) as archive:
        # Debian's 3.11.2 has no filters yet.
        options: dict[str, t.Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path / "real", **options)
    checked = check_feed(str(tmp_path / "real"), now=NOW)
    assert checked.info is not None
    assert checked.info.documents > 30
    assert sum(one.count for one in checked.causes) == len(checked.rejected)
    for cause in checked.causes:
        assert not any(character.isdigit() for character in cause.cause), cause
        assert len(set(cause.documents)) == min(cause.count, 3)
