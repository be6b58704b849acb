# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is noted of the entries of a layer, and what of them is kept."""

from __future__ import annotations

import tarfile
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, LimitExceeded
from ansible_collections.imagescan.openshift.plugins.module_utils._images.file_selection import FileSelection
from ansible_collections.imagescan.openshift.plugins.module_utils._images.layer_records import LayerRecord
from ansible_collections.imagescan.openshift.plugins.module_utils._images.layer_visitor import layer_visitor
from ansible_collections.imagescan.openshift.plugins.module_utils._images.limits import DEFAULT_LIMITS, Budget, Limits
from ansible_collections.imagescan.openshift.plugins.module_utils._images.overlay import (
    IMPLIED,
    OPAQUE,
    WHITEOUT,
    Interest,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.tar import (
    FILE,
    FOLDER,
    HARD_LINK,
    SPARSE,
    SPECIAL,
    SYMLINK,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.walk import read_root
from ansible_collections.imagescan.openshift.tests.support.layouts import (
    PLAIN,
    File,
    folder,
    image_of_blobs,
    symlink,
    tar_of,
)
from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._images.test_walk import (
    DB,
    WANTED,
    codes,
    read,
    texts,
)

#: Name, kind, size and link target of an entry.
Entry = tuple[str, str, int, str]


def visited(*entries: Entry, wanted: FileSelection = WANTED, limits: Limits = DEFAULT_LIMITS) -> LayerRecord:
    """The record of a layer with these entries, of which the content is zeros."""
    record = LayerRecord()
    visit = layer_visitor(record, Interest(wanted.files, wanted.folders), wanted, Budget(limits))
    for name, kind, size, link in entries:
        sink = visit(name, kind, size, link)
        if sink is not None:
            sink.write(memoryview(bytes(size)))
            sink.finish()
    return record


def told(record: LayerRecord) -> list[tuple[str, str]]:
    """Name and kind of each event."""
    return [(name, kind) for name, kind, _link, _content in record.events]


def test_only_what_bears_on_the_wanted_paths_is_told() -> None:
    record = visited(
        ("usr/share/doc/x", FILE, 5, ""),
        ("var", FOLDER, 0, ""),
        ("var/lib", FILE, 7, ""),
        (DB, FILE, 3, ""),
        ("etc/yum.repos.d/a.repo", FILE, 1, ""),
        ("etc/yum.repos.d/a.txt", FILE, 1, ""),
        ("var/lib/rpm/rpmdb.sqlite/x", SPECIAL, 0, ""),
    )
    assert told(record) == [
        ("var", FOLDER),
        ("var/lib", FILE),
        (DB, FILE),
        ("etc/yum.repos.d/a.repo", FILE),
        # A wanted file that is a folder: something stands in it.
        (DB, IMPLIED),
    ]
    contents = [content for _name, _kind, _link, content in record.events if content is not None]
    assert [(content.size, content.data) for content in contents] == [(7, None), (3, bytes(3)), (1, bytes(1))]


def test_all_symlinks_are_noted() -> None:
    record = visited(("a/b", SYMLINK, 0, "../c"), (DB, SYMLINK, 0, "/x"))
    assert record.links == [("a/b", "../c"), (DB, "/x")]
    assert told(record) == [(DB, SYMLINK)]


def test_whiteouts_are_told_and_count_for_the_folders_above() -> None:
    record = visited(("a/b/.wh.c", FILE, 0, ""), ("d/.wh..wh..opq", FILE, 0, ""), (".wh..wh..opq", FILE, 0, ""))
    assert told(record) == [("a/b/c", WHITEOUT), ("d", OPAQUE), ("", OPAQUE)]
    assert (record.whiteouts, record.opaques) == ({"a/b/c"}, {"d", ""})
    assert [record.names_in(folder) for folder in ("a", "a/b", "d", "a/b/c", "e")] == [True, True, True, False, False]


@pytest.mark.parametrize("kind", [FILE, HARD_LINK, SYMLINK, FOLDER, SPECIAL, SPARSE])
def test_a_whiteout_is_one_whatever_its_kind(kind: str) -> None:
    assert told(visited(("var/.wh.lib", kind, 0, "x"))) == [("var/lib", WHITEOUT)]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ((DB, FILE, 11, ""), "it has 11 bytes, more than 10"),
        ((DB, SPARSE, 3, ""), "it is stored as a sparse file, which is not expanded"),
        (("var/lib", FILE, 11, ""), ""),
    ],
)
def test_what_is_not_kept_says_why(entry: Entry, why: str) -> None:
    ((_name, kind, _link, content),) = visited(entry, wanted=FileSelection(WANTED.files, file_limit=10)).events
    assert content is not None
    assert (kind, content.data, content.why) == (FILE, None, why)


def test_files_of_folders_that_are_reported_by_layer_are_told_under_the_name_asked_for() -> None:
    labels = "root/buildinfo/labels.json"
    record = visited((labels, FILE, 2, ""), (labels, HARD_LINK, 0, "x"), (labels, SYMLINK, 0, "x"))
    found = [(asked, name, content and content.data) for asked, name, content in record.files]
    assert found == [(labels, labels, bytes(2)), (labels, labels, None)]


@pytest.mark.parametrize(
    ("entries", "candidates"),
    [
        ([("a.jar", FILE, 0, "")], {"a.jar": "jar"}),
        ([("a.jar", FILE, 0, ""), ("a.jar", SYMLINK, 0, "b")], {}),
        ([("a.jar", FILE, 0, ""), ("a.jar", FOLDER, 0, "")], {}),
        ([("a.jar", FOLDER, 0, ""), ("a.jar", FILE, 0, "")], {"a.jar": "jar"}),
        ([("x.egg-info/PKG-INFO", FILE, 0, "")], {"x.egg-info": "python"}),
        ([("bin/sh", SYMLINK, 0, "bash")], {"bin/sh": "loader"}),
        ([("opt/rpmdb.sqlite", FILE, 0, "")], {"opt/rpmdb.sqlite": "rpmdb"}),
    ],
)
def test_the_last_entry_of_a_name_says_what_it_counts_as(
    entries: t.Sequence[Entry], candidates: dict[str, str]
) -> None:
    assert visited(*entries).candidates == candidates


@pytest.mark.parametrize(
    "name", ["a/{}/b", "{}.jar", ".wh.{}", "x/.wh.{}", "etc/yum.repos.d/{}.repo", "p/{}.dist-info/x"]
)
def test_what_is_noted_of_entries_is_bounded(name: str) -> None:
    with pytest.raises(LimitExceeded) as caught:
        visited(*((name.format(number), FILE, 0, "") for number in range(1000)), limits=Limits(index=40_000))
    assert caught.value.code == "limit-index"


def test_names_that_are_of_no_interest_cost_nothing() -> None:
    visited(*((f"a/{number}", FILE, 0, "") for number in range(1000)), limits=Limits(index=1000))


# Whole layers


def test_a_name_that_only_resembles_a_marker_hides_nothing() -> None:
    assert texts(read([File(DB, b"1")], [File("var/lib/rpm/x.wh..wh..opq"), File("var/lib/rpm/.wh..wh.aufs")])) == {
        DB: b"1"
    }


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh..."])
def test_whiteouts_that_name_no_file_are_refused(name: str) -> None:
    with pytest.raises(CorruptData) as caught:
        read([File(DB, b"1")], [File(f"var/{name}")])
    assert caught.value.code == "layer-entry"


def test_the_root_must_stay_a_folder() -> None:
    for entry in (File("./", b"x"), symlink(".", "/"), symlink("a/..", "/")):
        with pytest.raises(CorruptData):
            read([entry])
    assert texts(read([folder("./"), File(DB, b"1")])) == {DB: b"1"}


@pytest.mark.parametrize("longer", ["name", "target"])
def test_names_and_targets_of_symlinks_count_for_the_index(longer: str) -> None:
    """100 links of 300 characters are too much for 40,000 bytes, of which 200 are for each."""
    name, target = ("x" * 290, "y") if longer == "name" else ("x", "y" * 290)
    tar = tar_of([symlink(f"{name}{number}", target) for number in range(100)])
    with pytest.raises(LimitExceeded) as caught:
        read_root(image_of_blobs([(PLAIN, tar, tar)]), WANTED, limits=Limits(index=40_000))
    assert caught.value.code == "limit-index"


def test_a_sparse_file_is_a_problem() -> None:
    info = tarfile.TarInfo("GNUSparseFile.0/rpmdb.sqlite")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": DB}
    content = read(info.tobuf(tarfile.PAX_FORMAT) + bytes(1024))
    assert (content.files, codes(content)) == ({}, [("file-not-read", DB)])
