# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of layers, merged into what a process in the container would see."""

from __future__ import annotations

import tarfile

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData
from ansible_collections.imagescan.openshift.plugins.module_utils._images.file_selection import FileSelection
from ansible_collections.imagescan.openshift.plugins.module_utils._images.layer_merge import LayerMerge
from ansible_collections.imagescan.openshift.plugins.module_utils._images.layer_records import LayerRecord
from ansible_collections.imagescan.openshift.plugins.module_utils._images.layer_visitor import layer_visitor
from ansible_collections.imagescan.openshift.plugins.module_utils._images.limits import DEFAULT_LIMITS, Budget
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import KeptFile
from ansible_collections.imagescan.openshift.plugins.module_utils._images.overlay import Interest
from ansible_collections.imagescan.openshift.plugins.module_utils._images.tar import FILE, FOLDER, HARD_LINK, SYMLINK
from ansible_collections.imagescan.openshift.tests.support.layouts import (
    File,
    folder,
    hard_link,
    symlink,
)
from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._images.test_walk import (
    DB,
    WANTED,
    codes,
    read,
    texts,
)

#: Name, kind, and the content of a file or the target of a link.
Entry = tuple[str, str, str]


class Stack:
    """Layers that are merged, and read again as often as more must be known."""

    def __init__(self, *layers: list[Entry], wanted: FileSelection = WANTED) -> None:
        self.wanted = wanted
        self.layers = layers
        self.interest = Interest(wanted.files, wanted.folders)
        self.merge = LayerMerge(wanted, self.interest)

    def once(self) -> tuple[set[str], dict[str, KeptFile]]:
        """Read and merge."""
        records = []
        for entries in self.layers:
            record = LayerRecord()
            visit = layer_visitor(record, self.interest, self.wanted, Budget(DEFAULT_LIMITS))
            for name, kind, text in entries:
                data = text.encode() if kind is FILE else b""
                sink = visit(name, kind, len(data), text)
                if sink is not None:
                    sink.write(memoryview(data))
                    sink.finish()
            records.append(record)
        needed, files = self.merge.merge(records)
        return set(needed), files

    def whole(self) -> dict[str, bytes]:
        """Read until all is known."""
        for _pass in range(10):
            needed, files = self.once()
            if not needed:
                return {path: bytes(file.data[:]) for path, file in files.items()}
        raise AssertionError("it does not end")


def test_a_hard_link_to_what_nobody_asked_for_needs_its_folder() -> None:
    stack = Stack([("objects/ab/cd", FILE, "1")], [(DB, HARD_LINK, "objects/ab/cd")])
    assert stack.once() == ({"objects/ab", "objects", ""}, {})
    assert stack.whole() == {DB: b"1"}
    assert stack.merge.places == {DB: DB}


def test_a_link_to_a_database_says_where_it_really_is() -> None:
    stack = Stack([("var/lib/rpm", SYMLINK, "/srv/db"), ("srv/db/rpmdb.sqlite", FILE, "1")])
    assert stack.whole() == {DB: b"1"}
    assert stack.merge.places == {DB: "srv/db/rpmdb.sqlite"}


def test_symlinks_that_entries_go_through_are_told() -> None:
    link = ("var/lib/rpm", SYMLINK, "../../srv")
    through = Stack([link], [(DB, FILE, "1")])
    assert (through.whole(), through.merge.crossed) == ({DB: b"1"}, {"var/lib/rpm"})
    beside = Stack([link, ("srv/rpmdb.sqlite", FILE, "1")])
    assert (beside.whole(), beside.merge.crossed) == ({DB: b"1"}, frozenset())


def test_problems_are_those_of_the_last_merge() -> None:
    stack = Stack([("etc/os-release", FOLDER, "")])
    assert stack.whole() == {}
    assert [problem.code for problem in stack.merge.problems] == ["not-a-file"]
    stack.layers = ([("etc/os-release", FILE, "ID=x")],)
    assert stack.whole() == {"etc/os-release": b"ID=x"}
    assert not stack.merge.problems


def test_a_loop_is_a_problem_of_a_file_and_of_a_folder_and_of_no_other() -> None:
    stack = Stack(
        [("a", SYMLINK, "b"), ("b", SYMLINK, "a"), ("etc/os-release", SYMLINK, "/a"), ("root", SYMLINK, "a/x")],
        [(DB, FILE, "1")],
    )
    assert stack.whole() == {DB: b"1"}
    messages = ["etc/os-release: too many symlinks", "root/buildinfo: too many symlinks"]
    assert [(problem.code, problem.message) for problem in stack.merge.problems] == [
        ("symlink-loop", message) for message in messages
    ]


def test_a_file_of_a_layer_whose_link_ends_nowhere_is_left_out() -> None:
    labels = "root/buildinfo/labels.json"
    loop: list[Entry] = [("a", SYMLINK, "/b"), ("b", SYMLINK, "/a"), (labels, HARD_LINK, "a")]
    stack = Stack([(labels, FILE, "1")], loop)
    assert stack.whole() == {}
    assert [(file.data, file.layer) for file in stack.merge.layer_files] == [(b"1", 0)]
    assert [problem.message for problem in stack.merge.problems] == [f"{labels}: too many symlinks"]


# Whole images


@pytest.mark.parametrize("path", [DB, "var/lib/rpm", "var/lib", "var"])
def test_a_whiteout_hides_what_is_below_it_in_lower_layers_only(path: str) -> None:
    parent, _slash, name = path.rpartition("/")
    gone = File(f"{parent}/.wh.{name}".lstrip("/"))
    assert texts(read([File(DB, b"1")], [gone])) == {}
    assert texts(read([File(DB, b"1")], [gone, File(DB, b"2")])) == {DB: b"2"}
    assert texts(read([File(DB, b"1")], [File(DB, b"2"), gone])) == {DB: b"2"}
    assert texts(read([File(DB, b"1")], [gone], [File(DB, b"3")])) == {DB: b"3"}
    assert texts(read([gone], [File(DB, b"1")])) == {DB: b"1"}


@pytest.mark.parametrize("path", ["var/lib/rpm", "var/lib", "var", ""])
def test_an_opaque_folder_hides_lower_content_wherever_the_marker_stands(path: str) -> None:
    marker = File(f"{path}/.wh..wh..opq".lstrip("/"))
    wanted = FileSelection(files=frozenset({DB, "var/lib/rpm/Packages"}))
    lower = [File(DB, b"1"), File("var/lib/rpm/Packages", b"1")]
    assert texts(read(lower, [marker], wanted=wanted)) == {}
    for upper in ([marker, File(DB, b"2")], [File(DB, b"2"), marker]):
        assert texts(read(lower, upper, wanted=wanted)) == {DB: b"2"}


def test_a_folder_that_becomes_something_else_takes_its_content_along() -> None:
    assert texts(read([File(DB, b"1")], [File("var/lib", b"file")])) == {}
    assert texts(read([File(DB, b"1")], [symlink("var/lib", "/elsewhere")])) == {}
    assert texts(read([File("var/lib", b"file")], [folder("var/lib"), File(DB, b"2")])) == {DB: b"2"}
    assert texts(read([symlink("var/lib", "/elsewhere")], [folder("var/lib"), File(DB, b"2")])) == {DB: b"2"}
    with pytest.raises(CorruptData, match="not a folder"):
        read([File("var/lib", b"file")], [File(DB, b"2")])


def test_hard_links_to_nothing_or_to_a_folder_are_refused() -> None:
    for entries in ([hard_link(DB, "missing")], [folder("data"), hard_link(DB, "data")], [hard_link(DB, DB)]):
        with pytest.raises(CorruptData) as caught:
            read(entries)
        assert caught.value.code == "layer-entry"


def test_symlinks_never_lead_out_of_the_root() -> None:
    content = read([symlink("etc/os-release", "../../../../../usr/lib/os-release"), File("usr/lib/os-release", b"in")])
    assert texts(content)["etc/os-release"] == b"in"
    content = read([symlink("etc/os-release", "/etc/hostname")])
    assert (content.files, content.problems) == ({}, ())


def test_loops_of_symlinks_are_a_problem() -> None:
    content = read([symlink("etc/os-release", "os-release"), symlink("var", "/var/x"), symlink("root", "/root")])
    assert codes(content) == [
        ("symlink-loop", "etc/os-release"),
        ("symlink-loop", DB),
        ("symlink-loop", "root/buildinfo"),
    ]


def test_what_is_no_file_is_a_problem() -> None:
    content = read(
        [
            File(DB, kind=tarfile.FIFOTYPE),
            folder("etc/os-release"),
            File("usr/lib/os-release/x", b"implied folder"),
            File("etc/yum.repos.d", b"a file"),
            symlink("root/buildinfo/labels.json", "/dev"),
            folder("dev"),
        ]
    )
    assert codes(content) == [
        ("not-a-file", "etc/os-release"),
        ("not-a-file", "usr/lib/os-release"),
        ("not-a-file", DB),
        ("not-a-folder", "etc/yum.repos.d"),
        ("not-a-file", "root/buildinfo/labels.json"),
    ]


def test_files_of_wanted_folders_and_those_of_each_layer() -> None:
    content = read(
        [
            File("etc/yum.repos.d/a.repo", b"1"),
            File("etc/yum.repos.d/a.txt", b""),
            File("root/buildinfo/labels.json", b"1"),
        ],
        [File("root/buildinfo/.wh.labels.json"), File("etc/yum.repos.d/deeper/b.repo", b"")],
        [File("root/buildinfo/labels.json", b"3"), symlink("etc/yum.repos.d/c.repo", "a.txt")],
        [File(".wh.root")],
    )
    assert texts(content) == {"etc/yum.repos.d/a.repo": b"1", "etc/yum.repos.d/c.repo": b""}
    assert [(file.path, file.data, file.layer) for file in content.layer_files] == [
        ("root/buildinfo/labels.json", b"1", 0),
        ("root/buildinfo/labels.json", b"3", 2),
    ]


def test_files_of_each_layer_behind_a_symlinked_folder_have_the_name_asked_for() -> None:
    content = read(
        [symlink("root", "var/roothome"), File("var/roothome/buildinfo/labels.json", b"1")],
        [File("var/roothome/buildinfo/labels.json", b"2")],
    )
    assert texts(content) == {"root/buildinfo/labels.json": b"2"}
    assert [(file.path, file.data, file.layer) for file in content.layer_files] == [
        ("root/buildinfo/labels.json", b"1", 0),
        ("root/buildinfo/labels.json", b"2", 1),
    ]


def test_a_hard_linked_file_of_a_layer_is_reported_and_an_unreadable_one_is_a_problem() -> None:
    labels = "root/buildinfo/labels.json"
    content = read([File("object", b"1"), hard_link(labels, "object")], [File(labels, b"2")])
    assert [(file.data, file.layer) for file in content.layer_files] == [(b"1", 0), (b"2", 1)]
    wanted = FileSelection(folders=WANTED.folders, layer_folders=WANTED.layer_folders, file_limit=10)
    content = read([File(labels, bytes(11))], [File(labels, b"2")], wanted=wanted)
    assert [(file.data, file.layer) for file in content.layer_files] == [(b"2", 1)]
    assert codes(content) == [("file-not-read", labels)]


def test_a_file_over_the_limit_is_a_problem_only_where_it_is_visible() -> None:
    wanted = FileSelection(files=frozenset({DB}), file_limit=100)
    content = read([File(DB, bytes(101))], wanted=wanted)
    assert (content.files, codes(content)) == ({}, [("file-not-read", DB)])
    content = read([File(DB, bytes(101))], [File(DB, bytes(100))], wanted=wanted)
    assert (len(content.files[DB].data), content.problems) == (100, ())
