# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading wanted files out of layers: verification, overlay rules, what is kept, what is counted, what is said."""

from __future__ import annotations

import gzip
import mmap
import sys
import tarfile
import tempfile
import threading
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    IntegrityError,
    LimitExceeded,
    RegistryError,
    ScanError,
    UnsupportedImage,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.file_selection import (
    SPOOL_FROM,
    FileSelection,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.limits import Limits
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Image, Layer, RootContent
from ansible_collections.imagescan.openshift.plugins.module_utils._images.walk import read_root
from ansible_collections.imagescan.openshift.tests.support.layouts import (
    GZIP,
    PLAIN,
    ZSTD,
    File,
    MemorySource,
    digest_of,
    folder,
    hard_link,
    image_of,
    image_of_blobs,
    symlink,
    tar_of,
)

DB = "var/lib/rpm/rpmdb.sqlite"
REAL_DB = "usr/lib/sysimage/rpm/rpmdb.sqlite"
WANTED = FileSelection(
    files=frozenset({DB, REAL_DB, "etc/os-release", "usr/lib/os-release"}),
    folders={"etc/yum.repos.d": ("*.repo",), "root/buildinfo": ("labels.json",)},
    layer_folders=frozenset({"root/buildinfo"}),
)


@pytest.fixture(params=[1, 2, 4])
def threads(request: pytest.FixtureRequest) -> int:
    """Without threads, with the usual number, with more than there are layers."""
    return t.cast(int, request.param)


def read(*layers: t.Iterable[File] | bytes, wanted: FileSelection = WANTED, threads: int = 1) -> RootContent:
    """Read an image of plain layers."""
    return read_root(image_of(*layers), wanted, threads=threads)


def texts(content: RootContent) -> dict[str, bytes]:
    """The files as bytes."""
    return {path: bytes(file.data[:]) for path, file in content.files.items()}


def codes(content: RootContent) -> list[tuple[str, str]]:
    """Code and path of each problem."""
    return [(problem.code, problem.message.partition(":")[0]) for problem in content.problems]


def replaced(image: Image, number: int, layer: Layer, **blobs: bytes) -> Image:
    """The image with another layer, and other blobs."""
    layers = tuple(layer if at == number else old for at, old in enumerate(image.layers))
    source = t.cast(MemorySource, image.source)
    return Image(image.digest, image.reference, image.config, layers, MemorySource({**source.blobs, **blobs}))


# Reading and verification


@pytest.mark.parametrize("pack", ["plain", "gzip", "zstd"])
def test_layers_of_all_compressions(pack: str, threads: int) -> None:
    layers = [tar_of([File(DB, b"old" * 1000)]), tar_of([File(DB, b"new" * 1000), File("etc/os-release", b"ID=x")])]
    blobs = []
    for tar in layers:
        if pack == "zstd":
            zstandard = pytest.importorskip("zstandard", reason="the package zstandard is optional")
            blobs.append((ZSTD, zstandard.compress(tar), tar))
        else:
            blobs.append((PLAIN, tar, tar) if pack == "plain" else (GZIP, gzip.compress(tar), tar))
    content = read_root(image_of_blobs(blobs, step=777), WANTED, threads=threads)
    assert texts(content) == {DB: b"new" * 1000, "etc/os-release": b"ID=x"}
    assert content.files[DB].layer == 1
    assert content.entries == 3
    assert content.problems == ()


def test_what_a_blob_is_its_bytes_say_not_its_media_type() -> None:
    tar = tar_of([File(DB, b"data")])
    assert texts(read_root(image_of_blobs([(PLAIN, gzip.compress(tar), tar)]), WANTED)) == {DB: b"data"}
    assert texts(read_root(image_of_blobs([(GZIP, tar, tar)]), WANTED)) == {DB: b"data"}


def test_a_layer_that_occurs_twice_is_read_once() -> None:
    empty = tar_of([])
    image = image_of(empty, [File(DB, b"data")], empty)
    assert texts(read_root(image, WANTED)) == {DB: b"data"}
    assert set(t.cast(MemorySource, image.source).opened.values()) == {1}


def test_a_wrong_byte_is_a_digest_mismatch_that_names_the_layer(threads: int) -> None:
    tar = tar_of([File(DB, b"data" * 5000)])
    for kind, blob in ((PLAIN, tar), (GZIP, gzip.compress(tar))):
        image = image_of_blobs([(PLAIN, tar_of([]), tar_of([])), (kind, blob, tar)])
        for place in (0, 100, len(blob) // 2, len(blob) - 1):
            wrong = bytearray(blob)
            wrong[place] ^= 1
            other = replaced(image, 1, image.layers[1], **{digest_of(blob): bytes(wrong)})
            with pytest.raises(IntegrityError) as caught:
                read_root(other, WANTED, threads=threads)
            assert caught.value.code == "digest-mismatch"
            assert digest_of(blob) in caught.value.message
            assert "layer 2 of 2" in caught.value.message
            assert caught.value.subject == image.reference


def test_content_with_another_diff_id_is_refused(threads: int) -> None:
    tar, other = tar_of([File(DB, b"data")]), tar_of([File(DB, b"else")])
    image = image_of_blobs([(GZIP, gzip.compress(tar), other)])
    with pytest.raises(IntegrityError) as caught:
        read_root(image, WANTED, threads=threads)
    assert caught.value.code == "diffid-mismatch"
    assert digest_of(other) in caught.value.message


def test_a_blob_that_ends_early_is_truncated(threads: int) -> None:
    tar = tar_of([File(DB, b"data" * 50_000)])
    for kind, blob in ((PLAIN, tar), (GZIP, gzip.compress(tar, 0))):
        image = image_of_blobs([(kind, blob, tar)])
        for size in (0, 1, 511, 512, 1000, len(blob) // 2, len(blob) - 1):
            cut = replaced(image, 0, image.layers[0], **{digest_of(blob): blob[:size]})
            with pytest.raises(ScanError) as caught:
                read_root(cut, WANTED, threads=threads)
            assert caught.value.code == "layer-truncated", size


def test_a_whole_blob_of_a_truncated_archive_is_refused(threads: int) -> None:
    tar = tar_of([File(DB, b"data" * 50_000)])
    packed = gzip.compress(tar)
    for blob, unpacked in ((tar[:2000], tar[:2000]), (packed[:-20], tar), (gzip.compress(tar[:2000]), tar[:2000])):
        with pytest.raises(CorruptData) as caught:
            read_root(image_of_blobs([(GZIP, blob, unpacked)]), WANTED, threads=threads)
        assert caught.value.code == "layer-truncated"


def test_a_blob_with_more_bytes_than_its_descriptor_says_is_refused() -> None:
    tar = tar_of([File(DB, b"data")])
    image = image_of(tar)
    longer = replaced(image, 0, image.layers[0], **{digest_of(tar): tar + bytes(512)})
    with pytest.raises(IntegrityError) as caught:
        read_root(longer, WANTED)
    assert caught.value.code == "digest-mismatch"


@pytest.mark.parametrize("digest", ["md5:" + "0" * 32, "sha256:12", "nothing"])
def test_digests_of_other_kinds_are_refused(digest: str) -> None:
    image = image_of([File(DB, b"data")])
    layer = Layer(image.layers[0].descriptor, digest)
    with pytest.raises((UnsupportedImage, CorruptData)):
        read_root(replaced(image, 0, layer), WANTED)


def test_an_error_of_the_registry_ends_the_reading_and_all_threads(threads: int) -> None:
    class Source(MemorySource):
        def open_blob(self, descriptor: t.Any, /) -> t.Any:
            if descriptor.digest == broken:
                raise RegistryError("connection reset", status=0)
            return super().open_blob(descriptor)

    image = image_of(*[[File(f"file{number}", bytes(200_000))] for number in range(6)])
    broken = image.layers[3].descriptor.digest
    image = Image(
        image.digest, image.reference, image.config, image.layers, Source(t.cast(MemorySource, image.source).blobs, 500)
    )
    before = set(threading.enumerate())
    with pytest.raises(RegistryError, match=r"layer 4 of 6.*connection reset"):
        read_root(image, WANTED, threads=threads)
    assert set(threading.enumerate()) <= before


# Overlay rules


def test_the_newest_layer_wins_and_the_last_entry_in_it(threads: int) -> None:
    content = read([File(DB, b"1")], [File(DB, b"2"), File("./" + DB, b"3")], [File("etc/x", b"")], threads=threads)
    assert texts(content) == {DB: b"3"}
    assert content.files[DB].layer == 1


def test_a_database_behind_a_symlinked_folder(threads: int) -> None:
    link = symlink("var/lib/rpm", "../../usr/lib/sysimage/rpm")
    content = read([link, File(REAL_DB, b"1")], [File(REAL_DB, b"2")], threads=threads)
    assert texts(content) == {DB: b"2", REAL_DB: b"2"}
    # Entries that go through the symlink of a lower layer land in its target.
    assert texts(read([link, File(REAL_DB, b"1")], [File(DB, b"2")])) == {DB: b"2", REAL_DB: b"2"}
    assert texts(read([link, File(REAL_DB, b"1")], [File("var/lib/rpm/.wh.rpmdb.sqlite")])) == {}
    # A folder entry replaces the symlink, as every unpacker does.
    assert texts(read([link, File(REAL_DB, b"1")], [folder("var/lib/rpm"), File(DB, b"2")])) == {
        DB: b"2",
        REAL_DB: b"1",
    }


def test_symlinks_that_lead_to_paths_nobody_asked_for_need_one_more_pass() -> None:
    image = image_of(
        [
            symlink("var/lib/rpm", "/data/db"),
            symlink("data", "srv/./data/../data"),
            File("srv/data/db/rpmdb.sqlite", b"1"),
        ],
        [File("etc/hosts", b"")],
    )
    assert texts(read_root(image, WANTED)) == {DB: b"1"}
    assert set(t.cast(MemorySource, image.source).opened.values()) == {2}


def test_entries_that_are_read_again_count_once() -> None:
    links = [symlink("var/lib/rpm", "/data/db"), symlink("data", "srv"), File("srv/db/rpmdb.sqlite", b"1")]
    limits = Limits(entries=len(links))
    assert texts(read_root(image_of(links), WANTED, limits=limits)) == {DB: b"1"}
    unpackaged = [File(f"opt/{number}", b"") for number in range(3)]
    assert not read_root(image_of(unpackaged), WANTED, limits=limits).files
    with pytest.raises(LimitExceeded, match="more than 3 tar entries"):
        read_root(image_of([*unpackaged, File("opt/3", b"")]), WANTED, limits=limits)


def test_a_usual_image_is_read_in_one_pass() -> None:
    links = [symlink("lib", "usr/lib"), symlink("bin", "usr/bin"), symlink("etc/os-release", "../usr/lib/os-release")]
    image = image_of(
        [*links, File("usr/lib/os-release", b"ID=x"), File(DB, b"1"), File("usr/bin/bash", b"")],
        [File(DB, b"2"), File("usr/lib/.wh.something"), symlink("usr/lib/a", "b"), hard_link("usr/c", "usr/bin/bash")],
    )
    assert texts(read_root(image, WANTED))[DB] == b"2"
    assert set(t.cast(MemorySource, image.source).opened.values()) == {1}


def test_hard_links_take_the_file_of_that_moment(threads: int) -> None:
    # ostree: the database is a link to an object that nobody asked for.
    content = read([File("objects/ab/cd.file", b"1"), hard_link(DB, "objects/ab/cd.file")], threads=threads)
    assert texts(content) == {DB: b"1"}
    lower = [File("object", b"1")]
    assert texts(read(lower, [hard_link(DB, "./object"), File("object", b"2")])) == {DB: b"1"}
    assert texts(read(lower, [File("object", b"2"), hard_link(DB, "/object")])) == {DB: b"2"}
    assert texts(read(lower, [hard_link(DB, "object")], [File(".wh.object")])) == {DB: b"1"}
    assert texts(read(lower, [hard_link("other", "object"), hard_link(DB, "other")])) == {DB: b"1"}
    assert texts(read([symlink("link", "/object"), *lower], [hard_link(DB, "link")])) == {DB: b"1"}


# What is kept


def test_a_large_file_is_spooled_and_mapped(threads: int) -> None:
    data = bytes(range(256)) * 5000
    content = read([File(DB, data), File("etc/os-release", b"small")], threads=threads)
    kept = t.cast(t.Any, content.files[DB].data)
    assert isinstance(kept, mmap.mmap)
    assert (len(kept), kept[1000:1010]) == (len(data), data[1000:1010])
    assert bytes(memoryview(kept)) == data
    assert content.files["etc/os-release"].data == b"small"


def test_a_full_disk_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, _data: t.Any) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_options: Full())
    with pytest.raises(ScanError, match="No space left") as caught:
        read([File(DB, bytes(1_000_000))])
    assert caught.value.code == "spool-failed"


# Limits


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"uncompressed": 10_000}, "limit-uncompressed"),
        ({"expansion": 2, "expansion_free": 10_000}, "limit-expansion"),
        ({"entries": 50}, "limit-entries"),
        ({"kept": 1000}, "limit-kept"),
        ({"index": 5000}, "limit-index"),
        ({"seconds": -1}, "limit-time"),
    ],
)
def test_limits_are_errors_with_numbers(limits: dict[str, int], code: str, threads: int) -> None:
    tar = tar_of([File(DB, bytes(100_000)), *[symlink(f"link{number}", "x") for number in range(300)]])
    image = image_of_blobs([(GZIP, gzip.compress(tar), tar)])
    before = set(threading.enumerate())
    with pytest.raises(LimitExceeded, match=r"layer 1 of 1.*\d") as caught:
        read_root(image, WANTED, limits=Limits(**limits), threads=threads)
    assert caught.value.code == code
    assert set(threading.enumerate()) <= before


def test_the_largest_file_that_is_kept_in_memory_counts_for_the_index() -> None:
    tar = tar_of([File(DB, bytes(SPOOL_FROM))])
    with pytest.raises(LimitExceeded) as caught:
        read_root(image_of_blobs([(PLAIN, tar, tar)]), WANTED, limits=Limits(index=SPOOL_FROM - 1))
    assert caught.value.code == "limit-index"
    tar = tar_of([File(DB, bytes(SPOOL_FROM + 1))])
    assert read_root(image_of_blobs([(PLAIN, tar, tar)]), WANTED, limits=Limits(index=SPOOL_FROM - 1)).files


def test_zero_filled_files_pass() -> None:
    tar = tar_of([File("swap", bytes(64 << 20)), File(DB, b"1")])
    assert texts(read_root(image_of_blobs([(GZIP, gzip.compress(tar), tar)]), WANTED)) == {DB: b"1"}


def test_zstd_without_its_library_is_an_error(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    zstandard = pytest.importorskip("zstandard", reason="the package zstandard is optional")
    tar = tar_of([File(DB, b"1")])
    image = image_of_blobs([(ZSTD, zstandard.compress(tar), tar)])
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(UnsupportedImage) as caught:
        read_root(image, WANTED, threads=threads)
    assert caught.value.code == "zstd-unavailable"


def test_entries_through_too_many_symlinks_are_given_up_aloud() -> None:
    entries = [entry for number in range(1200) for entry in (symlink(f"l{number}", "/var"), File(f"l{number}/x"))]
    with pytest.raises(LimitExceeded) as caught:
        read(entries)
    assert caught.value.code == "limit-paths"


# Components


def count(*layers: t.Iterable[File]) -> dict[str, int]:
    """Numbers of components, without zeros."""
    return {kind: number for kind, number in read(*layers).unexamined.items() if number}


def test_components_are_counted_once_each() -> None:
    modules = "app/node_modules"
    assert count(
        [
            File("opt/a.jar"),
            File("opt/b.war"),
            File("opt/c.ear"),
            File("opt/d.jar.txt"),
            symlink("opt/link.jar", "a.jar"),
            folder("opt/folder.jar"),
            File("usr/lib/python3/site-packages/a-1.dist-info/METADATA"),
            File("usr/lib/python3/site-packages/a-1.dist-info/RECORD"),
            folder("usr/lib/python3/site-packages/b-1.egg-info"),
            File("usr/lib/python3/site-packages/c-1.egg-info"),
            File(f"{modules}/a/package.json"),
            File(f"{modules}/a/lib/package.json"),
            File(f"{modules}/@scope/b/package.json"),
            File(f"{modules}/@scope/package.json"),
            File("app/package.json"),
            File("node_modules/c/package.json"),
            File("package.json"),
        ]
    ) == {"jar": 3, "python": 3, "npm": 3}


@pytest.mark.parametrize(
    ("upper", "jars"),
    [
        ([File("other")], 2),
        ([File("opt/a.jar", b"new")], 2),
        ([File("opt/.wh.a.jar")], 1),
        ([File(".wh.opt")], 0),
        ([File("opt/.wh..wh..opq")], 0),
        ([File(".wh..wh..opq")], 0),
        ([File("opt/.wh..wh..opq"), File("opt/a.jar")], 1),
        ([File("opt", b"a file")], 0),
        ([symlink("opt", "srv")], 0),
        ([folder("opt/a.jar")], 1),
        ([File("opt/a.jar/x")], 1),
        ([symlink("opt/a.jar", "b.jar")], 1),
        ([File("opt/a.jar"), File("opt/a.jar", kind=tarfile.FIFOTYPE)], 1),
    ],
)
def test_hidden_components_do_not_count(upper: list[File], jars: int) -> None:
    lower = [File("opt/a.jar"), File("opt/deep/er/b.jar")]
    assert count(lower, upper).get("jar", 0) == jars
    assert count([File("x")], lower, [File("y")], upper, [File("z")]).get("jar", 0) == jars


def test_a_python_distribution_survives_that_a_file_of_it_is_replaced() -> None:
    lower = [File("lib/a.dist-info/METADATA"), File("lib/a.dist-info/RECORD")]
    assert count(lower, [File("lib/a.dist-info/RECORD", b"new")]) == {"python": 1}
    assert count(lower, [File("lib/.wh.a.dist-info")]) == {}


def test_a_python_distribution_shows_by_a_file_deep_in_it() -> None:
    assert count([File("lib/a.dist-info/licenses/more/LICENSE")]) == {"python": 1}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("bin/sh", True),
        ("usr/bin/bash", True),
        ("bin/busybox", True),
        ("lib64/ld-linux-x86-64.so.2", True),
        ("lib/ld-musl-x86_64.so.1", True),
        ("usr/share/sh", False),
        ("usr/bin/app", False),
    ],
)
def test_a_shell_or_a_loader_shows(path: str, found: bool) -> None:
    assert read([File(path)]).is_dynamic is found
    parent, _slash, name = path.rpartition("/")
    assert read([File(path)], [File(f"{parent}/.wh.{name}")]).is_dynamic is False
