# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where advisories come from: zips, folders and archives of OSV records, repositories here and on a real server."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import lzma
import struct
import tarfile
import typing as t
import zipfile
import zlib
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    InputError,
    LimitExceeded,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds import advisories
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.parsing import CSAF, Form
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.tests.support import advisories as make
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server

ROCKY = make.updateinfo("rocky:9")
ONE = make.advisory("RLSA-2026:1", "openssl-libs-1:3.0.7-28.el9.x86_64")
TWO = make.advisory("RLSA-2026:2", "curl-7.76.1-26.el9.x86_64", cves=["CVE-2026-1002"], date="2026-08-02 00:00:00")
RECORDS = [
    make.record("ALSA-2026:1", ("openssl-libs", "1:3.0.7-28.el9")),
    make.record("ALSA-2026:2", ("curl", "7.76.1-26.el9"), related=["CVE-2026-1002"]),
]


def paths(index: Path) -> list[str]:
    with FeedIndex.open(str(index)) as opened:
        return sorted(document.path for document in opened.documents())


def content(index: Path) -> bytes:
    with FeedIndex.open(str(index)) as opened:
        return b"".join(opened.content())


def zip_of(records: t.Sequence[make.Json], **more: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in records:
            archive.writestr(f"{one['id']}.json", json.dumps(one))
        for name, data in more.items():
            archive.writestr(f"{name}.json", data)
    return target.getvalue()


def tar_of(records: t.Sequence[make.Json]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for one in records:
            data = json.dumps(one).encode()
            member = tarfile.TarInfo(f"advisories/{one['id']}.json")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return target.getvalue()


@contextlib.contextmanager
def served(files: dict[str, bytes]) -> t.Iterator[tuple[str, list[str]]]:
    """A server with files, and the log of what was asked."""
    log: list[str] = []

    def answer(request: Request) -> Answer:
        log.append(f"{request.method} {request.target}")
        data = files.get(request.target)
        if data is None:
            return Answer(404)
        body = b"" if request.method == "HEAD" else data
        return Answer(200, body, {"ETag": f'"{zlib.crc32(data)}"'}, length=len(data))

    with running_server(answer) as server:
        yield f"http://{server.host}", log


# -- OSV records --


def test_a_folder_a_tar_and_a_zip_are_the_same(tmp_path: Path) -> None:
    make.write_records(tmp_path / "folder", *RECORDS)
    (tmp_path / "feed.tar.gz").write_bytes(tar_of(RECORDS))
    (tmp_path / "all.zip").write_bytes(zip_of(RECORDS))
    serials = []
    for number, source in enumerate(("folder", "feed.tar.gz", "all.zip")):
        built = make.build(tmp_path / source, tmp_path / f"{number}.idx", make.OSV)
        serials.append(built.info.serial.rpartition("+")[0].rpartition("+")[2])
        assert (built.info.documents, built.info.distributions) == (2, ("almalinux",))
        with FeedIndex.open(str(tmp_path / f"{number}.idx")) as index:
            assert [one.evr for one in index.statements(["curl"])["curl"]] == ["7.76.1-26.el9"]
    assert len(set(serials)) == 1


def test_a_zip_behind_a_url_is_fetched_once(tmp_path: Path) -> None:
    with served({"/AlmaLinux/all.zip": zip_of(RECORDS)}) as (url, log):
        built = make.build(f"{url}/AlmaLinux/all.zip", tmp_path / "index", make.OSV)
        again = make.build(f"{url}/AlmaLinux/all.zip", tmp_path / "index", make.OSV)
    assert (built.changed, again.changed, built.info.documents) == (True, False, 2)
    assert log.count("GET /AlmaLinux/all.zip") == 1
    (local := tmp_path / "all.zip").write_bytes(zip_of(RECORDS))
    make.build(local, tmp_path / "local", make.OSV)
    assert content(tmp_path / "index") == content(tmp_path / "local")


def test_a_record_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_bytes(zip_of(RECORDS, **{"ALSA-2026:3": b"{", "package": b'{"name": "x"}'}))
    built = make.build(tmp_path / "all.zip", tmp_path / "index", make.OSV)
    assert [one.path for one in built.rejected] == ["ALSA-2026:3.json"]
    assert (built.info.rejected, built.skipped["not_osv"]) == (1, 1)


@pytest.mark.parametrize("size", [0.1, 0.5, 0.9, 0.999])
def test_a_zip_that_is_cut(tmp_path: Path, size: float) -> None:
    data = zip_of(RECORDS)
    (tmp_path / "all.zip").write_bytes(data[: int(len(data) * size)])
    with pytest.raises(CorruptData) as caught:
        make.build(tmp_path / "all.zip", tmp_path / "index", make.OSV)
    assert caught.value.code == "feed-truncated"
    assert not (tmp_path / "index").exists()


def test_a_zip_with_a_changed_byte(tmp_path: Path) -> None:
    data = bytearray(zip_of(RECORDS))
    data[data.index(b"PK\x03\x04") + 60] ^= 0xFF
    (tmp_path / "all.zip").write_bytes(bytes(data))
    with pytest.raises(CorruptData) as caught:
        make.build(tmp_path / "all.zip", tmp_path / "index", make.OSV)
    assert caught.value.code == "feed-damaged"


def test_a_member_that_is_too_large_is_rejected_and_a_bomb_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advisories, "RECORD_LIMIT", 100_000)
    (tmp_path / "all.zip").write_bytes(zip_of(RECORDS, **{"ALSA-2026:3": b" " * 200_000}))
    built = make.build(tmp_path / "all.zip", tmp_path / "index", make.OSV)
    assert [one.path for one in built.rejected] == ["ALSA-2026:3.json"]
    limits = advisories.LIMITS.__class__(uncompressed=1 << 20, expansion=400, entries=1000)
    monkeypatch.setattr(advisories, "LIMITS", limits)
    bomb = zip_of([], **{f"ALSA-2026:{number}": b" " * 99_000 for number in range(20)})
    (tmp_path / "bomb.zip").write_bytes(bomb)
    with pytest.raises(LimitExceeded):
        make.build(tmp_path / "bomb.zip", tmp_path / "other", make.OSV)


def test_a_list_of_members_that_is_too_long_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisories, "_DIRECTORY_LIMIT", 50)
    (tmp_path / "all.zip").write_bytes(zip_of(RECORDS))
    with pytest.raises(LimitExceeded, match="list of members"):
        make.build(tmp_path / "all.zip", tmp_path / "index", make.OSV)


def test_a_zip64_does_not_hide_how_long_its_list_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own record of the end counts, and not the one that says one byte."""
    data = zip_of(RECORDS)
    end = data.rindex(b"PK\x05\x06")
    size, offset = struct.unpack("<LL", data[end + 12 : end + 20])
    zip64 = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    small = data[end : end + 12] + struct.pack("<LL", 1, offset) + data[end + 20 :]
    (tmp_path / "all.zip").write_bytes(data[:end] + zip64 + locator + small)
    assert make.build(tmp_path / "all.zip", tmp_path / "index", make.OSV).info.documents == 2
    monkeypatch.setattr(advisories, "_DIRECTORY_LIMIT", 60)
    with pytest.raises(LimitExceeded, match="list of members"):
        make.build(tmp_path / "all.zip", tmp_path / "other", make.OSV)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_bounds_are_not_read(tmp_path: Path, method: int) -> None:
    def packed(kind: int) -> Path:
        with zipfile.ZipFile(tmp_path / f"{kind}.zip", "w", kind) as archive:
            for one in RECORDS:
                archive.writestr(f"{one['id']}.json", json.dumps(one))
        return tmp_path / f"{kind}.zip"

    with pytest.raises(CorruptData, match=f"packed with the method {method} of zip") as caught:
        make.build(packed(method), tmp_path / "index", make.OSV)
    assert caught.value.code == "feed-damaged"
    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        assert make.build(packed(kind), tmp_path / f"index{kind}", make.OSV).info.documents == 2


def test_records_of_others_alone_are_no_feed(tmp_path: Path) -> None:
    make.write_records(tmp_path / "feed", make.record("DSA-2026-1", ("curl", "1-1"), ecosystem="Debian:12"))
    with pytest.raises(CorruptData) as caught:
        make.build(tmp_path / "feed", tmp_path / "index", make.OSV)
    assert caught.value.code == "feed-empty"


def test_records_of_two_distributions_in_one_index(tmp_path: Path) -> None:
    rocky = make.record("RLSA-2026:1", ("curl", "0:7.76.1-26.el9"), ecosystem="Rocky Linux:9")
    make.write_records(tmp_path / "feed", *RECORDS, rocky)
    built = make.build(tmp_path / "feed", tmp_path / "index", make.OSV)
    assert built.info.distributions == ("almalinux", "rocky")


# -- repositories --


@pytest.mark.parametrize("name", ["updateinfo.xml", "updateinfo.xml.gz", "abc-updateinfo.xml.xz", "x.xml"])
def test_a_file(tmp_path: Path, name: str) -> None:
    data = make.updates(ONE, TWO)
    packed = gzip.compress(data) if name.endswith("gz") else lzma.compress(data) if name.endswith("xz") else data
    (tmp_path / name).write_bytes(packed)
    built = make.build(tmp_path / name, tmp_path / "index", ROCKY)
    assert (built.info.documents, built.info.newest) == (2, "2026-08-02T00:00:00Z")
    assert paths(tmp_path / "index") == ["RLSA-2026:1", "RLSA-2026:2"]


def test_a_folder_with_several_repositories(tmp_path: Path) -> None:
    """One advisory may stand in both, with other packages in each."""
    make.write_repository(tmp_path / "9/BaseOS/x86_64/os", make.updates(ONE))
    make.write_repository(tmp_path / "9/AppStream/x86_64/os", make.updates(ONE.replace("openssl-libs", "openssl"), TWO))
    built = make.build(tmp_path / "9", tmp_path / "index", ROCKY)
    assert built.info.documents == 3
    assert paths(tmp_path / "index") == [
        "AppStream/x86_64/os/RLSA-2026:1",
        "AppStream/x86_64/os/RLSA-2026:2",
        "BaseOS/x86_64/os/RLSA-2026:1",
    ]
    for source in ("9/BaseOS/x86_64/os", "9/BaseOS/x86_64/os/repodata/repomd.xml", "9/BaseOS/x86_64/os/repodata"):
        make.build(tmp_path / source, tmp_path / "one", ROCKY)
        assert paths(tmp_path / "one") == ["RLSA-2026:1"]
        (tmp_path / "one").unlink()


def test_a_repository_behind_a_link_is_not_passed_over(tmp_path: Path) -> None:
    make.write_repository(tmp_path / "9.4/BaseOS", make.updates(ONE))
    (tmp_path / "9").symlink_to("9.4")
    make.build(tmp_path, tmp_path / "index", ROCKY)
    assert paths(tmp_path / "index") == ["9.4/BaseOS/RLSA-2026:1"]
    with pytest.raises(InputError, match="9 is a link to what is not read"):
        (tmp_path / "root").mkdir()
        (tmp_path / "root/9").symlink_to(tmp_path / "9.4")
        make.build(tmp_path / "root", tmp_path / "other", ROCKY)


def test_repositories_on_a_server(tmp_path: Path) -> None:
    folders = {
        f"/rocky/9/{name}/os": make.write_repository(tmp_path / name, make.updates(text))
        for name, text in (("BaseOS", ONE), ("AppStream", TWO))
    }
    files = {
        f"{base}/repodata/{name}": (folder / "repodata" / name).read_bytes()
        for base, folder in folders.items()
        for name in ("repomd.xml", "updateinfo.xml.gz", "primary.xml.gz")
    }
    with served(files) as (url, log):
        source = f"{url}/rocky/9/BaseOS/os/ {url}/rocky/9/AppStream/os"
        built = make.build(source, tmp_path / "index", ROCKY)
        asked = len(log)
        again = make.build(source, tmp_path / "index", ROCKY, now="2026-08-22T12:00:00Z")
    assert (built.changed, built.info.documents, again.changed) == (True, 2, False)
    assert again.info.checked == "2026-08-22T12:00:00Z"
    # An unchanged repository costs its repomd.xml.
    assert log[asked:] == [
        "GET /rocky/9/BaseOS/os/repodata/repomd.xml",
        "GET /rocky/9/AppStream/os/repodata/repomd.xml",
    ]
    assert paths(tmp_path / "index") == ["rocky/9/AppStream/os/RLSA-2026:2", "rocky/9/BaseOS/os/RLSA-2026:1"]


def test_loose_files_are_told_apart(tmp_path: Path) -> None:
    """Their names may have dots; and a new advisory in either is seen."""
    folder = tmp_path / "loose"
    folder.mkdir()
    for release, text in (("9.2", ONE), ("9.4", ONE)):
        (folder / f"rocky-{release}-updateinfo.xml").write_bytes(make.updates(text))
    make.build(folder, tmp_path / "index", ROCKY)
    assert paths(tmp_path / "index") == ["rocky-9.2-updateinfo/RLSA-2026:1", "rocky-9.4-updateinfo/RLSA-2026:1"]
    (folder / "rocky-9.2-updateinfo.xml").write_bytes(make.updates(ONE, TWO))
    built = make.build(folder, tmp_path / "index", ROCKY)
    assert (built.changed, built.info.documents) == (True, 3)


def test_repositories_that_cannot_be_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "loose"
    folder.mkdir()
    (folder / "updateinfo.xml").write_bytes(make.updates(ONE))
    make.build(folder, tmp_path / "index", ROCKY)
    (folder / "updateinfo.xml.gz").write_bytes(gzip.compress(make.updates(TWO)))
    with pytest.raises(InputError, match=r"the same path: .*updateinfo\.xml and .*updateinfo\.xml\.gz"):
        make.build(folder, tmp_path / "index", ROCKY)


def test_a_new_list_beside_files_of_yesterday(tmp_path: Path) -> None:
    """A copy that broke off is not a feed that did not change, which would make the index look fresh."""
    folder = make.write_repository(tmp_path / "repo", make.updates(ONE)) / "repodata"
    old = {name: (folder / name).read_bytes() for name in ("updateinfo.xml.gz", "primary.xml.gz")}
    make.build(tmp_path / "repo", tmp_path / "index", ROCKY)
    before = (tmp_path / "index").read_bytes()
    for stale in ([*old], ["updateinfo.xml.gz"], ["primary.xml.gz"]):
        make.write_repository(tmp_path / "repo", make.updates(ONE, TWO), "bash")
        for name in stale:
            (folder / name).write_bytes(old[name])
        with pytest.raises(CorruptData, match=f"{stale[0]} does not have the checksum") as caught:
            make.build(tmp_path / "repo", tmp_path / "index", ROCKY, now="2026-08-22T12:00:00Z")
        assert caught.value.code == "feed-damaged"
    assert (tmp_path / "index").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("sha256'>", "sha256'>0"), "checksum"),
        (lambda text: text.replace("'primary'", "'other'"), "no checksum of primary"),
        (lambda text: text.replace("repodata/primary", "repodata/updateinfo"), "does not have the checksum"),
        (lambda text: text.replace("sha256", "md5"), "no checksum of updateinfo that can be relied on"),
        (lambda text: text.replace("repodata/updateinfo", "../../etc/updateinfo"), "outside of the repository"),
        (lambda text: text.replace("repodata/updateinfo", "/etc/updateinfo"), "outside of the repository"),
        (lambda text: text.replace("repodata/updateinfo", "http://x/updateinfo"), "outside of the repository"),
        (lambda text: text.replace("'updateinfo'", "'other'"), "has no updateinfo"),
        (lambda text: text[:-20], "not whole XML"),
        (lambda text: text.replace("<repomd", "<!DOCTYPE a><repomd"), "document type"),
    ],
)
def test_a_repository_that_does_not_hold_what_it_lists(
    tmp_path: Path, change: t.Callable[[str], str], message: str
) -> None:
    make.write_repository(tmp_path / "repo", make.updates(ONE))
    path = tmp_path / "repo/repodata/repomd.xml"
    path.write_text(change(path.read_text()))
    with pytest.raises(CorruptData, match=message):
        make.build(tmp_path / "repo", tmp_path / "index", ROCKY)


def test_the_names_of_packages_survive_a_check_that_finds_nothing_new(tmp_path: Path) -> None:
    def names() -> t.Any:
        with FeedIndex.open(str(tmp_path / "index")) as index:
            return index.meta["feed"]

    make.write_repository(tmp_path / "repo", make.updates(ONE), "bash")
    make.build(tmp_path / "repo", tmp_path / "index", ROCKY)
    assert names() == {"package_names": ["bash", "openssl-libs"]}
    again = make.build(tmp_path / "repo", tmp_path / "index", ROCKY, now="2026-08-22T12:00:00Z")
    assert (again.changed, names()) == (False, {"package_names": ["bash", "openssl-libs"]})
    # The same advisories, and one package more.
    make.write_repository(tmp_path / "repo", make.updates(ONE), "bash", "zlib")
    make.build(tmp_path / "repo", tmp_path / "index", ROCKY, now="2026-08-23T12:00:00Z")
    assert names() == {"package_names": ["bash", "openssl-libs", "zlib"]}


@pytest.mark.parametrize("change", [lambda data: data[:-20], lambda data: b"<!DOCTYPE a>" + data])
def test_a_list_of_packages_that_is_not_whole(tmp_path: Path, change: t.Callable[[bytes], bytes]) -> None:
    make.write_repository(tmp_path / "repo", make.updates(ONE))
    folder = tmp_path / "repo/repodata"
    old = hashlib.sha256((folder / "primary.xml.gz").read_bytes()).hexdigest()
    data = gzip.compress(change(make.primary("bash")))
    (folder / "primary.xml.gz").write_bytes(data)
    text = (folder / "repomd.xml").read_text()
    (folder / "repomd.xml").write_text(text.replace(old, hashlib.sha256(data).hexdigest()))
    with pytest.raises(CorruptData, match="list of packages"):
        make.build(tmp_path / "repo", tmp_path / "index", ROCKY)


def test_an_updateinfo_of_another_time_than_its_repomd(tmp_path: Path) -> None:
    make.write_repository(tmp_path / "repo", make.updates(ONE), checksum="0" * 64)
    with pytest.raises(CorruptData, match="does not have the checksum"):
        make.build(tmp_path / "repo", tmp_path / "index", ROCKY)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (make.updates(), "feed-empty"),
        (make.updates(make.advisory("RLBA-2026:1", "a-1-1.x86_64", kind="bugfix", cves=())), "feed-empty"),
        (make.updates(ONE)[:-30], "feed-truncated"),
        (gzip.compress(make.updates(ONE))[:-9], "feed-truncated"),
        (lzma.compress(make.updates(ONE))[:-30], "feed-truncated"),
        (make.updates(ONE.replace("RLSA", "ALSA")), "feed-distribution"),
    ],
)
def test_what_is_no_feed_leaves_the_index_as_it_is(tmp_path: Path, data: bytes, code: str) -> None:
    path = tmp_path / "updateinfo.xml"
    path.write_bytes(make.updates(ONE, TWO))
    make.build(path, tmp_path / "index", ROCKY)
    before = (tmp_path / "index").read_bytes()
    path.write_bytes(data)
    for dest in ("index", "new"):
        if dest == "index" and code == "feed-empty" and b"RLBA" in data:
            continue  # it keeps the advisories that are no longer listed
        with pytest.raises(ScanError) as caught:
            make.build(path, tmp_path / dest, ROCKY)
        assert caught.value.code == code
    assert (tmp_path / "index").read_bytes() == before
    assert not (tmp_path / "new").exists()


def test_advisories_that_leave_a_repository_stay_true(tmp_path: Path) -> None:
    path = tmp_path / "updateinfo.xml"
    path.write_bytes(make.updates(ONE))
    make.build(path, tmp_path / "index", ROCKY)
    path.write_bytes(make.updates(TWO))
    built = make.build(path, tmp_path / "index", ROCKY)
    assert (built.changed, built.info.documents) == (True, 2)
    package = make.package("rocky", "openssl-libs", "3.0.7", "27.el9", epoch=1)
    assert make.matched(path, ROCKY, make.image("rocky", "9.4", package), tmp_path).findings


def test_an_advisory_that_is_published_again_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "updateinfo.xml"
    path.write_bytes(make.updates(ONE))
    make.build(path, tmp_path / "index", ROCKY)
    path.write_bytes(make.updates(ONE.replace("28.el9", "29.el9")))
    make.build(path, tmp_path / "index", ROCKY)
    with FeedIndex.open(str(tmp_path / "index")) as index:
        assert [one.evr for one in index.statements(["openssl-libs"])["openssl-libs"]] == ["1:3.0.7-29.el9"]


def test_an_index_holds_one_kind_of_data(tmp_path: Path) -> None:
    path = tmp_path / "updateinfo.xml"
    path.write_bytes(make.updates(ONE))
    make.build(path, tmp_path / "index", ROCKY)
    before = (tmp_path / "index").read_bytes()
    for form in (CSAF, make.OSV, make.updateinfo("rocky:8")):
        with pytest.raises(InputError) as caught:
            make.build(path, tmp_path / "index", form)
        assert caught.value.code == "feed-index-other"
    assert (tmp_path / "index").read_bytes() == before


@pytest.mark.parametrize(
    ("form", "options", "message"),
    [
        (Form("oval"), {}, "not known"),
        (Form("updateinfo"), {}, "no distribution is given; expected one of almalinux"),
        (Form("osv", "rocky:9"), {}, "says by itself"),
        (make.OSV, {"repository_map": "map.json"}, "belongs to Red Hat's data"),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, form: Form, options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make.build(tmp_path, tmp_path / "index", form, **options)


def test_there_has_to_be_a_feed(tmp_path: Path) -> None:
    for form in (make.OSV, ROCKY):
        with pytest.raises(InputError) as caught:
            make.build(tmp_path / "nothing", tmp_path / "index", form)
        assert caught.value.code == "feed-not-found"
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="neither a repository"):
        make.build(tmp_path / "empty", tmp_path / "index", ROCKY)


def test_a_server_without_the_repository(tmp_path: Path) -> None:
    with served({}) as (url, _log), pytest.raises(ScanError) as caught:
        make.build(f"{url}/rocky/9", tmp_path / "index", ROCKY, access=Access(retries=0))
    assert caught.value.code == "feed-not-found"


def test_only_the_wanted_packages(tmp_path: Path) -> None:
    path = tmp_path / "updateinfo.xml"
    path.write_bytes(make.updates(ONE, TWO))
    built = make.build(path, tmp_path / "index", ROCKY, names=["curl"])
    assert (built.info.names, built.info.statements) == (("curl",), 1)
