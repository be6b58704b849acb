# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The feed index as a file: whole or refused."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import stat
import time
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, InputError, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.csaf_vex import (
    read_document,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.model import (
    Document,
    StatementRow,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.form import compressed, to_json
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import (
    FeedIndex,
    is_index,
    read_list,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.writer import (
    IndexWriter,
    touch,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import (
    match_inventory,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import (
    SCHEMA_VERSION,
    Statement,
)
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.vex import (
    MAIN_9,
    MAJOR_9,
    NOW,
    Feed,
    affected,
    document,
    fixed,
    inventory,
    rpm,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    documents = [
        document("CVE-2026-1000", affected(MAJOR_9, "tool", severity="Low"), fixed(MAIN_9, "bash", "1:2-3.el9")),
        document("CVE-2026-1001", fixed(MAIN_9, "bash", "1:2-4.el9"), fixed(MAIN_9, "bash", "1:2-4.el9", arch="src")),
    ]
    return Feed(tmp_path).index(*documents, repositories={"repo": [MAIN_9, MAJOR_9], "empty": []})


def edit(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def test_statements_by_name(path: Path) -> None:
    with FeedIndex.open(str(path)) as index:
        found = index.statements(["bash", "tool", "nothing", "bash"])
        assert list(found) == ["bash", "tool"]
        assert found["tool"] == [
            Statement(
                cve="CVE-2026-1000",
                name="tool",
                arch="",
                module="",
                cpe=MAJOR_9,
                product="product-cpe-o-redhat-enterprise-linux-9",
                status="known_affected",
                evr="",
                severity="low",
                fix_state="affected",
                advisory="",
                cvss="",
                revision="2026-03-01T10:00:00Z",
            )
        ]
        assert [(one.cve, one.evr, one.arch, one.advisory) for one in found["bash"]] == [
            ("CVE-2026-1000", "1:2-3.el9", "x86_64", "RHSA-2026:1001"),
            ("CVE-2026-1001", "1:2-4.el9", "src", "RHSA-2026:1001"),
            ("CVE-2026-1001", "1:2-4.el9", "x86_64", "RHSA-2026:1001"),
        ]
        assert index.cpes_of("repo") == (MAIN_9, MAJOR_9)
        assert index.cpes_of("empty") == index.cpes_of("unknown") == ()
        assert (index.info.documents, index.info.statements, index.info.repository_map) == (2, 4, True)


@pytest.mark.parametrize(
    "name",
    [
        "quay+claircore/rhel/vex/testdata/cve-2023-38545.json",
        "quay+claircore/test/acceptance/testdata/cve-2026-2297.json",
    ],
)
def test_nothing_of_a_real_document_is_lost(tmp_path: Path, name: str) -> None:
    """Grouping and compressing give back exactly the rows that were read."""
    read = read_document(data_path(name).read_bytes(), name)
    ((_cve, rows),) = read.vulnerabilities
    dest = tmp_path / "index"
    with IndexWriter(str(dest)) as writer:
        writer.put(name, "0" * 64, "", read, False)
        writer.finish(META)
    with FeedIndex.open(str(dest)) as index:
        statements = [one for found in index.statements(row.name for row in rows).values() for one in found]
        assert index.info.statements == len(statements)
    back = {StatementRow(**{field: getattr(one, field) for field in StatementRow._fields}) for one in statements}
    assert back == set(rows) and len(back) == len(statements)


META = {
    "serial": "s",
    "format": "csaf-vex",
    "checked": "2026-01-01T00:00:00Z",
    "repository_map": False,
    "names": [],
}


def test_an_index_that_is_not_finished_leaves_the_old_one(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(RuntimeError), IndexWriter(str(path)) as writer:
        writer.put("x", "0" * 64, "", Document("csaf_vex", "2026-01-01T00:00:00Z", False, (), {}), False)
        raise RuntimeError
    assert path.read_bytes() == before
    assert sorted(one.name for one in path.parent.iterdir()) == ["feed", "index", "map.json"], "nothing is left behind"


def test_the_folder_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        IndexWriter(str(tmp_path / "missing" / "index"))


def test_a_missing_index_is_told() -> None:
    with pytest.raises(InputError, match="no feed index") as caught:
        FeedIndex.open("/nonexistent/index")
    assert caught.value.code == "no-feed"


def test_a_newer_form_is_refused(path: Path) -> None:
    newer = SCHEMA_VERSION + 1
    edit(path, f"PRAGMA user_version = {newer}")
    with pytest.raises(InputError, match=f"schema version {newer}") as caught:
        FeedIndex.open(str(path))
    assert caught.value.code == "feed-index-newer"
    assert is_index(str(path))


def test_an_older_form_is_refused_and_built_again(path: Path) -> None:
    with FeedIndex.open(str(path)) as index:
        content = list(index.content())
    edit(path, "PRAGMA user_version = 0", "DELETE FROM lists", "CREATE TABLE meta (key TEXT, value TEXT)")
    with pytest.raises(InputError, match="older version") as caught:
        FeedIndex.open(str(path))
    assert caught.value.code == "feed-index-older"
    assert is_index(str(path))
    folder = path.parent
    assert build_index(str(folder / "feed"), str(path), repository_map=str(folder / "map.json"), now=NOW).changed
    with FeedIndex.open(str(path)) as index:
        assert list(index.content()) == content


@pytest.mark.parametrize(
    "statement", ["PRAGMA application_id = 1", "DROP TABLE lists", "DELETE FROM lists", "UPDATE lists SET data = x'00'"]
)
def test_a_damaged_file_is_refused(path: Path, statement: str) -> None:
    edit(path, statement)
    with pytest.raises(CorruptData) as caught:
        FeedIndex.open(str(path))
    assert caught.value.code == "feed-index-corrupt"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema_version", None),
        ("schema_version", "x"),
        ("schema_version", 1),
        ("checked", None),
        ("names", 7),
        ("rejected", []),
    ],
)
def test_a_wrong_description_is_refused(path: Path, key: str, value: object) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        meta = read_list(database, "meta")
        if value is None:
            del meta[key]
        else:
            meta[key] = value
        database.execute("UPDATE lists SET data = ? WHERE key = 'meta'", (compressed(to_json(["meta", meta])),))
        database.commit()
    with pytest.raises(CorruptData) as caught:
        FeedIndex.open(str(path))
    assert caught.value.code == "feed-index-corrupt"


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE packages",
        "DROP TABLE vulnerabilities",
        "DROP TABLE documents",
        "DELETE FROM packages",
        "DELETE FROM vulnerabilities",
        "DELETE FROM documents",
        "DELETE FROM lists WHERE key = 'products'",
        "DELETE FROM lists WHERE key = 'names'",
        "DELETE FROM lists WHERE key = 'dead'",
        "DELETE FROM lists WHERE key = 'repositories'",
        "UPDATE lists SET data = (SELECT data FROM lists WHERE key = 'dead') WHERE key = 'products'",
        "UPDATE lists SET data = (SELECT data FROM lists WHERE key = 'dead') WHERE key = 'names'",
        "UPDATE lists SET data = (SELECT data FROM lists WHERE key = 'dead') WHERE key = 'repositories'",
        "UPDATE packages SET groups = substr(groups, 1, length(groups) - 5)",
        "UPDATE packages SET groups = x'00'",
        "UPDATE packages SET groups = 'text'",
        "UPDATE packages SET groups = 7",
        "UPDATE packages SET groups = (SELECT groups FROM packages WHERE id = 1)",
        "UPDATE vulnerabilities SET cve = 'CVE-2026-1'",
        "UPDATE vulnerabilities SET document = 2",
        "UPDATE documents SET verified = 1",
        "UPDATE documents SET revision = '2027-01-01T00:00:00Z'",
    ],
)
def test_damage_inside_never_looks_like_no_finding(path: Path, statement: str) -> None:
    edit(path, statement)
    taken = inventory(rpm("tool-1-1.el9.x86_64"), rpm("bash-1:2-1.el9.x86_64"), repositories=["repo"])
    with FeedIndex.open(str(path)) as index, pytest.raises(CorruptData) as caught:
        match_inventory(taken, index)
    assert caught.value.code == "feed-index-corrupt"


def test_cut_and_overwritten_files_end_in_an_error_or_the_same_findings(path: Path) -> None:
    taken = inventory(rpm("tool-1-1.el9.x86_64"), rpm("bash-1:2-1.el9.x86_64"), repositories=["repo"])
    with FeedIndex.open(str(path)) as index:
        expected = match_inventory(taken, index).findings
    assert len(expected) == 3
    whole = path.read_bytes()
    errors = 0
    for at in range(0, len(whole), 251):
        for damaged in (whole[:at], whole[:at] + b"\xff" * 64 + whole[at + 64 :]):
            path.write_bytes(damaged)
            try:
                with FeedIndex.open(str(path)) as index:
                    assert match_inventory(taken, index).findings == expected
            except ScanError as error:
                assert str(error)
                errors += 1
    assert errors > 50


def test_other_files_are_not_taken_for_an_index(tmp_path: Path) -> None:
    other = tmp_path / "other"
    for content in (b"", b"text", b"SQLite format 3\0" + bytes(84)):
        other.write_bytes(content)
        assert not is_index(str(other))
        with pytest.raises(ScanError):
            FeedIndex.open(str(other))


def test_a_check_without_change_is_noted(path: Path) -> None:
    touch(str(path), "2026-09-01T00:00:00Z", ["here"])
    with FeedIndex.open(str(path)) as index:
        assert index.info.checked == "2026-09-01T00:00:00Z"
        assert index.meta["sources"] == ["here"]
        assert len(index.statements(["tool"])["tool"]) == 1


def test_paths_with_odd_characters(tmp_path: Path) -> None:
    folder = tmp_path / "a b?mode=rwc#%41ü"
    folder.mkdir()
    path = Feed(folder).index(document("CVE-2026-1000", affected(MAJOR_9, "tool")))
    with FeedIndex.open(str(path)) as index:
        assert index.statements(["tool"])
    touch(str(path), "2026-09-01T00:00:00Z", ["here"])


def test_reading_needs_no_right_to_write(path: Path) -> None:
    path.chmod(stat.S_IRUSR)
    path.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with FeedIndex.open(str(path)) as index:
            assert index.statements(["tool"])
    finally:
        path.parent.chmod(stat.S_IRWXU)


def test_opening_reads_next_to_nothing(tmp_path: Path) -> None:
    """A module opens it for every task: the price must not grow with the feed."""
    said = [affected(MAJOR_9, f"package{number}") for number in range(3000)]
    path = Feed(tmp_path).index(document("CVE-2026-1000", *said))
    start = time.process_time()
    for _time in range(20):
        FeedIndex.open(str(path)).close()
    assert time.process_time() - start < 20
    assert path.stat().st_size < len(json.dumps(document("CVE-2026-1000", *said)))
