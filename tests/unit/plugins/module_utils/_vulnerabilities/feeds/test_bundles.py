# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes out of a bundle is what was put in, all of it and nothing else; or nothing comes out."""

from __future__ import annotations

import gzip
import io
import json
import resource
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    Abandoned,
    CorruptData,
    InputError,
    LimitExceeded,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds import bundles
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.bundles import (
    MANIFEST,
    BundleManifest,
    check_checksum,
    digest_file,
    is_bundle,
    read_bundle,
    read_manifest,
    write_bundle,
)

CONTENT = {
    "archive_latest.txt": b"csaf_vex_2026-08-20.tar",
    "csaf_vex_2026-08-20.tar": b"an archive" * 30_000,
    "changes.csv": b"",
    "2026/cve-2026-1.json": b"{}",
    "2026/cve-2026-1.json.asc": b"signature",
}
MOMENT = "2026-08-21T12:00:00Z"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "files"
    for path, content in CONTENT.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


@pytest.fixture
def manifest(folder: Path) -> BundleManifest:
    files = {path: digest_file(folder / path) for path in CONTENT}
    return BundleManifest("feed", "csaf-vex", "csaf_vex_2026-08-20+x", MOMENT, MOMENT, "", files)


@pytest.fixture
def bundle(folder: Path, manifest: BundleManifest, tmp_path: Path) -> Path:
    write_bundle(folder, manifest, tmp_path / "bundle.tar")
    return tmp_path / "bundle.tar"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "unpacked").mkdir()
    return tmp_path / "unpacked"


class Member(t.NamedTuple):
    name: str
    data: bytes = b""
    type: bytes = tarfile.REGTYPE


def tar_of(path: Path, *members: Member) -> Path:
    with tarfile.open(path, "w") as tar:
        for one in members:
            info = tarfile.TarInfo(one.name)
            info.size = len(one.data)
            info.type = one.type
            info.linkname = "/etc/passwd" if one.type in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            tar.addfile(info, io.BytesIO(one.data))
    return path


def members_of(path: Path) -> list[Member]:
    with tarfile.open(path) as tar:
        found = []
        for info in tar:
            content = tar.extractfile(info)
            assert content is not None
            found.append(Member(info.name, content.read()))
        return found


def test_what_comes_out_is_what_was_put_in(bundle: Path, manifest: BundleManifest, out: Path) -> None:
    assert is_bundle(bundle)
    assert read_bundle(bundle, out) == manifest
    assert files_of(out) == CONTENT


def test_equal_input_gives_equal_bytes(bundle: Path, folder: Path, manifest: BundleManifest, tmp_path: Path) -> None:
    checksum = write_bundle(folder, manifest, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == bundle.read_bytes()
    assert checksum == f"sha256:{digest_file(bundle).sha256}"
    assert bundle.stat().st_mode & 0o777 == 0o600


def test_any_tar_program_reads_it(bundle: Path) -> None:
    assert {one.name: one.data for one in members_of(bundle)[1:]} == CONTENT


def test_a_bundle_that_was_compressed_on_the_way_is_read(bundle: Path, out: Path, tmp_path: Path) -> None:
    packed = tmp_path / "bundle.tar.gz"
    packed.write_bytes(gzip.compress(bundle.read_bytes()))
    assert is_bundle(packed)
    read_bundle(packed, out)
    assert files_of(out) == CONTENT


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8bbroken", b"SQLite format 3\0" + b"\0" * 600])
def test_other_files_are_no_bundles(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert not is_bundle(tmp_path / "file")
    tar_of(tmp_path / "archive.tar", Member("2026/cve-2026-1.json", b"{}"))
    assert not is_bundle(tmp_path / "archive.tar")


def test_a_changed_byte_anywhere_is_found(bundle: Path, tmp_path: Path) -> None:
    """In a header, the manifest, a file, the padding that nobody reads excepted."""
    whole = bundle.read_bytes()
    accepted = []
    for place in [*range(0, 4096, 7), *range(4096, len(whole), 1499)]:
        changed = bytearray(whole)
        changed[place] ^= 0x01
        (tmp_path / "changed.tar").write_bytes(changed)
        (tmp_path / "target").mkdir()
        try:
            if is_bundle(tmp_path / "changed.tar"):
                found = read_bundle(tmp_path / "changed.tar", tmp_path / "target")
                accepted.append((place, found.files == read_bundle(bundle, None).files))
                assert files_of(tmp_path / "target") == CONTENT
        except ScanError:
            pass
        finally:
            _remove(tmp_path / "target")
    assert all(same for _place, same in accepted)


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def test_a_cut_bundle_is_refused_wherever_it_is_cut(bundle: Path, tmp_path: Path) -> None:
    whole = bundle.read_bytes()
    ends = [600, 1024, 2000, len(whole) // 2, len(whole) - 20_000]
    for end in ends:
        (tmp_path / "cut.tar").write_bytes(whole[:end])
        with pytest.raises(CorruptData):
            read_bundle(tmp_path / "cut.tar", None)


def test_a_file_that_was_left_out_is_missed(bundle: Path, tmp_path: Path) -> None:
    for number, one in enumerate(members_of(bundle)[1:], 1):
        rest = [each for place, each in enumerate(members_of(bundle)) if place != number]
        tar_of(tmp_path / "less.tar", *rest)
        with pytest.raises(CorruptData, match=f"{one.name} is expected|lacks 1 of its files, the first: {one.name}"):
            read_bundle(tmp_path / "less.tar", None)


def test_what_the_manifest_does_not_name_is_refused(bundle: Path, out: Path, tmp_path: Path) -> None:
    tar_of(tmp_path / "more.tar", *members_of(bundle), Member("2026/cve-2026-2.json", b"{}"))
    with pytest.raises(CorruptData, match=r"cve-2026-2.json' after the last of its files"):
        read_bundle(tmp_path / "more.tar", out)
    twice = members_of(bundle)
    tar_of(tmp_path / "twice.tar", *twice, twice[-1])
    with pytest.raises(CorruptData, match="after the last"):
        read_bundle(tmp_path / "twice.tar", None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("archive_latest.txt", tarfile.SYMTYPE),
        ("archive_latest.txt", tarfile.LNKTYPE),
        ("archive_latest.txt", tarfile.DIRTYPE),
        ("archive_latest.txt", tarfile.CHRTYPE),
        ("archive_latest.txt", tarfile.FIFOTYPE),
    ],
)
def test_what_is_no_file_is_refused(bundle: Path, out: Path, tmp_path: Path, name: str, kind: bytes) -> None:
    head, _first, *rest = members_of(bundle)
    tar_of(tmp_path / "hostile.tar", head, Member(name, b"", kind), *rest)
    with pytest.raises(CorruptData, match="not a regular file"):
        read_bundle(tmp_path / "hostile.tar", out)
    assert not files_of(out)


@pytest.mark.parametrize(
    "path",
    [
        "../evil",
        "/etc/evil",
        "a/../../evil",
        "a//b",
        "",
        ".",
        "a/./b",
        ".hidden",
        "a\nb",
        "a b",
        "ä",
        "a" * 300,
        "a\\b",
    ],
)
def test_paths_that_lead_elsewhere_are_refused(tmp_path: Path, path: str, manifest: BundleManifest) -> None:
    values = json.loads(manifest.encoded())
    values["files"][path] = values["files"]["changes.csv"]
    with pytest.raises(CorruptData, match="is not allowed there"):
        read_manifest(json.dumps(values).encode(), "x")


def changed(manifest: BundleManifest, **fields: t.Any) -> bytes:
    return json.dumps({**json.loads(manifest.encoded()), **fields}).encode()


DIGEST = {"sha256": "0" * 64, "size": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"schema_version": 0},
        {"schema_version": None},
        {"kind": "other"},
        {"kind": None},
        {"serial": 7},
        {"newest": "yesterday"},
        {"checked": ""},
        {"signature_key": None},
        {"files": {}},
        {"files": []},
        {"files": {"a": {"sha256": "0" * 63, "size": 1}}},
        {"files": {"a": {"sha256": "0" * 64, "size": -1}}},
        {"files": {"a": {"sha256": "0" * 64, "size": True}}},
        {"files": {"a": {"sha256": "0" * 64}}},
        {"files": {"a": DIGEST, "a/b": DIGEST}},
        {"files": {MANIFEST: DIGEST}},
        {"kind": "index", "files": {"other.zst": DIGEST}},
        {"kind": "index", "files": {"index.zst": DIGEST, "more": DIGEST}},
    ],
    ids=str,
)
def test_a_manifest_that_is_not_one_is_refused(manifest: BundleManifest, fields: dict[str, t.Any]) -> None:
    with pytest.raises(CorruptData, match="manifest") as caught:
        read_manifest(changed(manifest, **fields), "x")
    assert caught.value.code in ("bundle-damaged", "corrupt-data")
    read_manifest(changed(manifest), "the twin that is right")


def test_a_manifest_of_a_newer_form_is_refused(manifest: BundleManifest) -> None:
    with pytest.raises(InputError, match="2; 1 is the newest known") as caught:
        read_manifest(changed(manifest, schema_version=2, files="whatever comes"), "x")
    assert caught.value.code == "bundle-newer"


def test_times_of_a_manifest_are_those_of_one_clock(manifest: BundleManifest) -> None:
    """They are compared as texts, and elsewhere it is tomorrow already."""
    found = read_manifest(
        changed(manifest, checked="2026-08-22T09:00:00+14:00", newest="2026-08-20T23:30:00-01:00"), "x"
    )
    assert (found.checked, found.newest) == ("2026-08-21T19:00:00Z", "2026-08-21T00:30:00Z")
    assert read_manifest(changed(manifest), "the twin that is right").checked == MOMENT


def test_a_huge_manifest_and_a_bomb_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MANIFEST_LIMIT", 1000)
    tar_of(tmp_path / "huge.tar", Member(MANIFEST, b" " * 1001))
    with pytest.raises(LimitExceeded):
        read_bundle(tmp_path / "huge.tar", None)


def test_no_bundle_at_all_is_refused(tmp_path: Path) -> None:
    tar_of(tmp_path / "empty.tar")
    with pytest.raises(CorruptData, match="no manifest"):
        read_bundle(tmp_path / "empty.tar", None)
    tar_of(tmp_path / "other.tar", Member("file", b"x"))
    with pytest.raises(CorruptData, match="does not start with"):
        read_bundle(tmp_path / "other.tar", None)
    with pytest.raises(InputError, match="cannot be read"):
        is_bundle(tmp_path / "missing.tar")


def test_a_checksum_pins_a_bundle(bundle: Path) -> None:
    right = f"sha256:{digest_file(bundle).sha256}"
    check_checksum(bundle, right)
    check_checksum(bundle, right.upper())
    with pytest.raises(CorruptData, match=f"{right}; expected sha256:0000") as caught:
        check_checksum(bundle, "sha256:" + "0" * 64)
    assert caught.value.code == "bundle-checksum"
    for wrong in ("0" * 64, "md5:" + "0" * 32, "sha256:xyz", ""):
        with pytest.raises(InputError, match="is not like sha256:"):
            check_checksum(bundle, wrong)


def test_a_file_that_changes_while_it_is_packed_is_not_packed(
    folder: Path, manifest: BundleManifest, tmp_path: Path
) -> None:
    dest = tmp_path / "new.tar"
    dest.write_bytes(b"the old one")
    path = folder / "csaf_vex_2026-08-20.tar"
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    with pytest.raises(CorruptData, match="another digest"):
        write_bundle(folder, manifest, dest)
    assert dest.read_bytes() == b"the old one"
    assert {one.name for one in tmp_path.iterdir()} == {"files", "new.tar"}


def test_a_full_disk_leaves_the_old_bundle(folder: Path, manifest: BundleManifest, tmp_path: Path) -> None:
    dest = tmp_path / "new.tar"
    dest.write_bytes(b"the old one")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(ScanError, match="is there room") as caught:
            write_bundle(folder, manifest, dest)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.code == "bundle-unwritable"
    assert dest.read_bytes() == b"the old one"
    assert {one.name for one in tmp_path.iterdir()} == {"files", "new.tar"}


def test_a_full_disk_is_named_when_unpacking(bundle: Path, out: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(ScanError, match="cannot be unpacked: File too large"):
            read_bundle(bundle, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_nobody_waits_for_the_rest(bundle: Path, out: Path) -> None:
    """The playbook is gone: that comes out as it is."""

    def gone() -> None:
        raise Abandoned("nobody waits")

    with pytest.raises(Abandoned):
        read_bundle(bundle, out, gone)
