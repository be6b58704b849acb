# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Over the air gap: what an exporter packs and an importer takes is what a direct build has."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, InputError, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds import importing
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import (
    BuildResult,
    Signatures,
    build_index,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.bundles import (
    digest_file,
    read_bundle,
    write_bundle,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.exporting import (
    Export,
    export_feed,
    export_index,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.importing import import_feed
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.parsing import parse
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.signatures import Keys
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.writer import IndexUpdate
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import (
    match_inventory,
)
from ansible_collections.imagescan.openshift.tests.support import advisories
from ansible_collections.imagescan.openshift.tests.support.openpgp import Signer, write_keys
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server
from ansible_collections.imagescan.openshift.tests.support.vex import (
    MAIN_9,
    MAJOR_9,
    affected,
    document,
    fixed,
    write_feed,
    write_map,
)

from .test_verification import archive

NOW, LATER, LATEST = "2026-08-21T12:00:00Z", "2026-08-22T12:00:00Z", "2026-08-23T12:00:00Z"
TOOL = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
BASH = document("CVE-2026-1001", fixed(MAIN_9, "bash", "0:5.1.8-9.el9"))
CHANGED = document("CVE-2026-1001", fixed(MAIN_9, "bash", "0:5.1.8-10.el9"), date="2026-08-20T10:00:00+00:00")
MAP = {"rhel-9-for-x86_64-baseos-rpms": [MAIN_9]}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.fixture
def keys(signer: Signer, tmp_path: Path) -> Keys:
    return Keys.read(str(write_keys(tmp_path / "key.asc", signer)))


@pytest.fixture
def vendor(tmp_path: Path, signer: Signer) -> Path:
    """A feed in the vendor's layout: an archive, and one document that changed since."""
    folder = write_feed(tmp_path / "vendor", TOOL, BASH)
    archive(folder, folder / "csaf_vex_2026-08-19.tar")
    (folder / "archive_latest.txt").write_text("csaf_vex_2026-08-19.tar")
    (folder / "changes.csv").write_text('"2026/cve-2026-1001.json","2026-08-20T10:00:00+00:00"\n')
    (folder / "deletions.csv").write_text("")
    write_feed(folder, CHANGED)
    signer.sign_documents(folder)
    return folder


def answer_from(folder: Path) -> t.Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        file = folder / request.target.lstrip("/")
        if not file.is_file():
            return Answer(404)
        data = file.read_bytes()
        etag = f'"{digest_file(file).sha256}"'
        if request.headers.get("if-none-match") == etag:
            return Answer(304, headers={"ETag": etag})
        return Answer(200, b"" if request.method == "HEAD" else data, {"ETag": etag}, length=len(data))

    return answer


def export(source: object, dest: Path, **more: t.Any) -> Export:
    return export_feed(str(source), str(dest), **{"now": NOW, **more})


def take(source: object, dest: Path, **more: t.Any) -> BuildResult:
    return import_feed(str(source), str(dest), **{"now": LATEST, **more})


def content(index: Path) -> bytes:
    with FeedIndex.open(str(index)) as opened:
        return b"".join(opened.content())


def verified(index: Path) -> list[str]:
    with FeedIndex.open(str(index)) as opened:
        return sorted(one.path for one in opened.documents() if one.verified)


def names_in(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_a_feed_that_was_carried_over_is_the_feed(vendor: Path, tmp_path: Path) -> None:
    repositories = write_map(tmp_path / "map.json", MAP)
    with running_server(answer_from(vendor)) as server:
        url = f"http://{server.host}/"
        build_index(url, str(tmp_path / "direct"), repository_map=str(repositories), now=NOW)
        export(url, tmp_path / "feed.tar", repository_map=str(repositories))
    result = take(tmp_path / "feed.tar", tmp_path / "carried")
    assert result.changed
    assert content(tmp_path / "carried") == content(tmp_path / "direct")
    with FeedIndex.open(str(tmp_path / "direct")) as direct:
        assert result.info.serial == direct.info.serial
    assert result.info.checked == NOW, "it is as old as the exporter's check, whenever it is imported"


def test_the_bundle_has_the_feeds_own_layout(vendor: Path, tmp_path: Path, keys: Keys) -> None:
    with running_server(answer_from(vendor)) as server:
        result = export(f"http://{server.host}/", tmp_path / "feed.tar", keys=keys)
    manifest = read_bundle(tmp_path / "feed.tar", tmp_path / "unpacked")
    assert result.manifest == manifest
    assert list(manifest.files) == [
        "2026/cve-2026-1001.json",
        "2026/cve-2026-1001.json.asc",
        "archive_latest.txt",
        "changes.csv",
        "csaf_vex_2026-08-19.tar",
        "deletions.csv",
        "signature-key.asc",
    ]
    assert manifest.serial.startswith("csaf_vex_2026-08-19+2026-08-20T10:00:00Z+")
    assert manifest.signature_key == keys.fingerprint
    assert result.checksum == f"sha256:{digest_file(tmp_path / 'feed.tar').sha256}"
    assert not list(tmp_path.glob(".feed.tar*")), "nothing is left beside it"


def test_signatures_of_the_archives_documents_come_along_for_packages_that_are_named(
    vendor: Path, tmp_path: Path, keys: Keys
) -> None:
    export(vendor, tmp_path / "few.tar")
    export(vendor, tmp_path / "more.tar", names=["tool"])
    take(tmp_path / "few.tar", tmp_path / "few", signatures=Signatures(keys))
    take(tmp_path / "more.tar", tmp_path / "more", signatures=Signatures(keys))
    assert verified(tmp_path / "few") == ["2026/cve-2026-1001.json"]
    assert verified(tmp_path / "more") == ["2026/cve-2026-1000.json", "2026/cve-2026-1001.json"]


def test_documents_that_have_no_signature_are_counted(vendor: Path, tmp_path: Path) -> None:
    (vendor / "2026/cve-2026-1000.json.asc").unlink()
    assert export(vendor, tmp_path / "feed.tar", names=["tool", "bash"]).unsigned == 1


def test_exporting_again_changes_only_the_time_of_the_check(vendor: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "feed.tar"
    assert export(vendor, bundle).changed
    before = bundle.read_bytes()
    assert not export(vendor, bundle).changed
    assert bundle.read_bytes() == before
    assert not export(vendor, bundle, now=LATER).changed
    assert read_bundle(bundle, None).checked == LATER, "whoever imports it is told that it is fresh"


def test_a_dry_run_writes_no_bundle(vendor: Path, tmp_path: Path) -> None:
    before = names_in(tmp_path)
    assert export(vendor, tmp_path / "feed.tar", dry_run=True).changed
    assert names_in(tmp_path) == before


def test_importing_again_changes_nothing(vendor: Path, tmp_path: Path, keys: Keys) -> None:
    export(vendor, tmp_path / "feed.tar", names=["tool"])
    assert take(tmp_path / "feed.tar", tmp_path / "index", signatures=Signatures(keys)).changed
    before = (tmp_path / "index").read_bytes()
    assert not take(tmp_path / "feed.tar", tmp_path / "index", signatures=Signatures(keys)).changed
    assert (tmp_path / "index").read_bytes() == before


def test_a_dry_import_writes_nothing(vendor: Path, tmp_path: Path) -> None:
    export(vendor, tmp_path / "feed.tar")
    before = names_in(tmp_path)
    assert take(tmp_path / "feed.tar", tmp_path / "index", dry_run=True).changed
    assert names_in(tmp_path) == before


def test_an_older_bundle_is_refused(vendor: Path, tmp_path: Path) -> None:
    """Imported by mistake, it would take back what is known by now."""
    export(vendor, tmp_path / "old.tar", now=NOW)
    export(vendor, tmp_path / "new.tar", now=LATER)
    take(tmp_path / "new.tar", tmp_path / "index")
    before = (tmp_path / "index").read_bytes()
    with pytest.raises(CorruptData, match=f"checked {NOW}, that of the index {LATER}") as caught:
        take(tmp_path / "old.tar", tmp_path / "index")
    assert caught.value.code == "feed-older"
    assert (tmp_path / "index").read_bytes() == before


def test_a_bundle_that_lost_documents_is_refused(tmp_path: Path) -> None:
    export(write_feed(tmp_path / "all", TOOL, BASH), tmp_path / "all.tar")
    export(write_feed(tmp_path / "half", TOOL), tmp_path / "half.tar", now=LATER)
    take(tmp_path / "all.tar", tmp_path / "index")
    with pytest.raises(CorruptData) as caught:
        take(tmp_path / "half.tar", tmp_path / "index")
    assert caught.value.code in ("feed-shrunk", "feed-older")


def test_folders_and_archives_are_packed_too(vendor: Path, tmp_path: Path, signer: Signer, keys: Keys) -> None:
    plain = write_feed(tmp_path / "plain", TOOL, BASH)
    signer.sign_documents(plain)
    packed = archive(write_feed(tmp_path / "other", TOOL, BASH), tmp_path / "documents.tar")
    signer.sign_file(packed)
    for source in (plain, packed):
        bundle = tmp_path / f"{source.name}.bundle.tar"
        export(source, bundle)
        index = tmp_path / f"{source.name}.index"
        take(bundle, index, signatures=Signatures(keys))
        assert len(verified(index)) == 2


def test_a_folder_is_packed_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundle's first import would not show that a year is missing."""
    folder = write_feed(tmp_path / "plain", TOOL, BASH)
    listed = os.scandir

    def scandir(path: t.Any) -> t.Any:
        if str(path).endswith("/2026"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listed(path)

    with monkeypatch.context() as patch:
        patch.setattr("os.scandir", scandir)
        with pytest.raises(InputError, match=r"the folder .*/2026 cannot be read: Permission denied"):
            export(folder, tmp_path / "feed.tar")
    assert not (tmp_path / "feed.tar").exists()
    assert len(export(folder, tmp_path / "feed.tar").manifest.files) == 2


def test_what_was_taken_back_does_not_return_with_a_bundle(tmp_path: Path) -> None:
    """Of a folder, where the copy still has it."""
    folder = write_feed(tmp_path / "plain", TOOL, BASH)
    (folder / "changes.csv").write_text('"2026/cve-2026-1001.json","2026-08-19T10:00:00+00:00"\n')
    (folder / "deletions.csv").write_text("")
    export(folder, tmp_path / "feed.tar")
    assert take(tmp_path / "feed.tar", tmp_path / "index").info.documents == 2
    (folder / "deletions.csv").write_text('"2026/cve-2026-1001.json","2026-08-20T10:00:00+00:00"\n')
    manifest = export(folder, tmp_path / "feed.tar", now=LATER).manifest
    assert list(manifest.files) == ["2026/cve-2026-1000.json", "changes.csv", "deletions.csv"]
    # The lists tell, too, that this is not a loss.
    result = take(tmp_path / "feed.tar", tmp_path / "index")
    assert (result.changed, result.info.documents) == (True, 1)


def test_a_map_beside_an_archive_comes_along(tmp_path: Path) -> None:
    packed = archive(write_feed(tmp_path / "plain", TOOL, BASH), tmp_path / "documents.tar")
    repositories, other = write_map(tmp_path / "map.json", MAP), write_map(tmp_path / "other.json", {"mine": [MAIN_9]})
    export(packed, tmp_path / "feed.tar", repository_map=str(repositories))
    for number, (given, expected) in enumerate((("", repositories), (str(other), other))):
        build_index(str(packed), str(tmp_path / "direct"), repository_map=str(expected), now=NOW)
        result = take(tmp_path / "feed.tar", tmp_path / f"index{number}", repository_map=given)
        assert result.info.repository_map
        assert content(tmp_path / f"index{number}") == content(tmp_path / "direct")
        assert not take(tmp_path / "feed.tar", tmp_path / f"index{number}", repository_map=given).changed


def test_a_bundle_is_fetched_and_pinned(vendor: Path, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    bundle = tmp_path / "mirror" / "feed.tar"
    checksum = export(vendor, bundle).checksum
    with running_server(answer_from(tmp_path / "mirror")) as server:
        url = f"http://{server.host}/feed.tar"
        with pytest.raises(CorruptData, match="expected sha256:0000"):
            take(url, tmp_path / "index", checksum="sha256:" + "0" * 64)
        assert not (tmp_path / "index").exists()
        assert take(url, tmp_path / "index", checksum=checksum).changed
        asked = len(server.requests)
        assert not take(url, tmp_path / "index", checksum=checksum).changed
        assert [request.method for request in server.requests[asked:]] == ["HEAD"]
        with pytest.raises(CorruptData, match="expected sha256:0000"):
            take(url, tmp_path / "index", checksum="sha256:" + "0" * 64)
    assert not list(tmp_path.glob(".index*"))


def test_only_bundles_have_a_checksum(vendor: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a bundle"):
        take(vendor, tmp_path / "index", checksum="sha256:" + "0" * 64)


def test_what_is_no_bundle_is_read_as_before(vendor: Path, tmp_path: Path) -> None:
    packed = archive(write_feed(tmp_path / "plain", TOOL, BASH), tmp_path / "documents.tar")
    with running_server(answer_from(tmp_path)) as server:
        for number, source in enumerate((vendor, packed, f"http://{server.host}/documents.tar")):
            assert take(source, tmp_path / f"index{number}").changed
            assert not take(source, tmp_path / f"index{number}").changed
        archives = [one.target for one in server.requests if one.method == "GET" and one.target == "/documents.tar"]
    assert len(archives) == 1, "looking what it is costs no second download"


# -- compiled indexes --


@pytest.fixture
def index(vendor: Path, tmp_path: Path, keys: Keys) -> Path:
    path = tmp_path / "compiled"
    build_index(str(vendor), str(path), now=NOW, signatures=Signatures(keys))
    return path


def pack(index: Path, dest: Path, **more: t.Any) -> Export:
    return export_index(str(index), str(dest), tick=lambda: None, **more)


def test_a_compiled_index_is_carried_over(index: Path, tmp_path: Path) -> None:
    assert pack(index, tmp_path / "index.tar").changed
    result = take(tmp_path / "index.tar", tmp_path / "carried")
    assert result.changed
    assert content(tmp_path / "carried") == content(index)
    assert verified(tmp_path / "carried") == verified(index) != []
    assert (result.info.checked, result.info.signature_key) == (
        NOW,
        read_bundle(tmp_path / "index.tar", None).signature_key,
    )
    assert not take(tmp_path / "index.tar", tmp_path / "carried").changed
    assert not pack(index, tmp_path / "index.tar").changed


def test_a_compiled_index_still_tells_packages_of_a_repository_that_was_not_given(tmp_path: Path) -> None:
    """Of which no advisory is not "not affected"."""
    base = advisories.write_repository(
        tmp_path / "BaseOS", advisories.updates(advisories.advisory("RLSA-2026:1", "bash-5.1.8-8.el9.x86_64"))
    )
    form = advisories.updateinfo("rocky:9")
    build_index(str(base), str(tmp_path / "direct"), form=form, now=NOW)
    pack(tmp_path / "direct", tmp_path / "index.tar")
    for _time in range(2):
        take(tmp_path / "index.tar", tmp_path / "carried", form=form)
        with FeedIndex.open(str(tmp_path / "carried")) as opened:
            bash, nginx = (advisories.package("rocky", name, "9", "1.el9") for name in ("bash", "nginx"))
            match = match_inventory(advisories.image("rocky", "9.4", bash, nginx), opened)
        assert [problem.code for problem in match.problems] == ["feed-repositories"]
        assert "nginx-0:9-1.el9.x86_64" in match.problems[0].message


def test_an_old_compiled_index_stays_old(index: Path, tmp_path: Path) -> None:
    pack(index, tmp_path / "index.tar")
    for _time in range(2):
        assert take(tmp_path / "index.tar", tmp_path / "carried", now=LATEST).info.checked == NOW
    with FeedIndex.open(str(tmp_path / "carried")) as opened:
        assert opened.info.checked == NOW


def test_whoever_asks_for_proof_gets_no_index_without(index: Path, tmp_path: Path, keys: Keys, signer: Signer) -> None:
    """Its maker wrote down what is verified; that is his word alone."""
    bundle = tmp_path / "index.tar"
    checksum = pack(index, bundle).checksum
    with pytest.raises(InputError, match="nothing proves who compiled") as caught:
        take(bundle, tmp_path / "carried", signatures=Signatures(keys))
    assert caught.value.code == "feed-unsigned"
    take(bundle, tmp_path / "pinned", signatures=Signatures(keys), checksum=checksum)
    Signer().sign_file(bundle)
    with pytest.raises(CorruptData, match="not what its maker signed"):
        take(bundle, tmp_path / "carried", signatures=Signatures(keys))
    signer.sign_file(bundle)
    take(bundle, tmp_path / "carried", signatures=Signatures(keys))
    assert content(tmp_path / "carried") == content(tmp_path / "pinned")


def test_what_was_taken_without_proof_proves_nothing_later(
    index: Path, tmp_path: Path, keys: Keys, signer: Signer
) -> None:
    """Neither does it become proved by lying here already."""
    bundle, carried = tmp_path / "index.tar", tmp_path / "carried"
    checksum = pack(index, bundle).checksum
    with running_server(answer_from(tmp_path)) as server:
        for source in (str(bundle), f"http://{server.host}/index.tar"):
            take(source, carried)
            before = carried.read_bytes()
            with pytest.raises(InputError, match="nothing proves who compiled") as caught:
                take(source, carried, signatures=Signatures(keys))
            assert (caught.value.code, carried.read_bytes()) == ("feed-unsigned", before)
            take(source, carried, signatures=Signatures(keys), checksum=checksum)
            assert not take(source, carried, signatures=Signatures(keys), checksum=checksum).changed
            carried.unlink()
        take(bundle, carried)
        signer.sign_file(bundle)
        for _time in range(2):
            take(bundle, carried, signatures=Signatures(keys))
            bundle.with_name("index.tar.asc").unlink(missing_ok=True)  # it was proved once


def forge(index: Path, keys: Keys) -> None:
    """What only its maker's word makes verified: the documents' digests, and something else in their place."""
    with FeedIndex.open(str(index)) as opened:
        rows = [row for row in opened.rows() if row.vulnerabilities]
    with IndexUpdate(str(index), str(index)) as update:
        for row in rows:
            nothing = document(row.path[5:-5].upper(), affected(MAJOR_9, "other"))
            update.put_packed(row.path, row.sha256, row.stamp, parse(row.path, json.dumps(nothing).encode(), ()), True)
        update.finish({"signature_key": keys.fingerprint})


@pytest.mark.parametrize("between", [(), ({},), ({"names": ["bash", "tool"]},)], ids=str)
def test_nothing_is_built_on_what_was_taken_without_proof(
    vendor: Path, index: Path, tmp_path: Path, keys: Keys, between: tuple[dict[str, t.Any], ...]
) -> None:
    """A forged index, imported once without a key, must not answer for the maker's own feed afterwards.

    Nor must what was made of it without a key in ``between``.
    """
    forged, carried, signatures = tmp_path / "forged", tmp_path / "carried", Signatures(keys)
    shutil.copyfile(index, forged)
    forge(forged, keys)
    pack(forged, tmp_path / "forged.tar")
    (vendor / "2026/cve-2026-1001.json.asc").unlink()
    build_index(str(vendor), str(tmp_path / "direct"), now=NOW, signatures=signatures)
    take(tmp_path / "forged.tar", carried)
    for options in between:
        take(vendor, carried, **options)
    assert content(carried) != content(tmp_path / "direct")
    take(vendor, carried, signatures=signatures)
    assert content(carried) == content(tmp_path / "direct")
    assert not take(vendor, carried, signatures=signatures).changed


def test_a_signature_is_asked_for_where_it_counts(index: Path, tmp_path: Path, keys: Keys) -> None:
    """And a server may refuse what it does not have."""
    pack(index, tmp_path / "index.tar")
    whole = answer_from(tmp_path)

    def answer(request: Request) -> Answer:
        return Answer(403) if request.target.endswith(".asc") else whole(request)

    with running_server(answer) as server:
        url = f"http://{server.host}/index.tar"
        take(url, tmp_path / "carried")
        assert not [one.target for one in server.requests if one.target.endswith(".asc")]
        with pytest.raises(InputError, match="nothing proves who compiled"):
            take(url, tmp_path / "other", signatures=Signatures(keys), access=Access(retries=0))
        assert [one for one in server.requests if one.target.endswith(".asc")]


def test_an_index_of_another_release_is_refused(tmp_path: Path) -> None:
    """It would tell nothing of the images that it is to be for; and the one that is there would be lost."""
    rocky, other = advisories.updateinfo("rocky:9"), advisories.updateinfo("rocky:8")
    (tmp_path / "updateinfo.xml").write_bytes(
        advisories.updates(advisories.advisory("RLSA-2026:1", "bash-5.1.8-9.el9.x86_64"))
    )
    advisories.build(tmp_path / "updateinfo.xml", tmp_path / "compiled", rocky)
    pack(tmp_path / "compiled", tmp_path / "index.tar")
    assert take(tmp_path / "index.tar", tmp_path / "carried", form=rocky).changed
    before = (tmp_path / "carried").read_bytes()
    for dest in ("new", "carried"):
        with pytest.raises(InputError, match=r"rocky:9.* not updateinfo rocky:8") as caught:
            take(tmp_path / "index.tar", tmp_path / dest, form=other)
        assert caught.value.code == "feed-index-other"
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "carried").read_bytes() == before
    assert not take(tmp_path / "index.tar", tmp_path / "carried", form=rocky).changed


def test_what_another_run_has_put_there_meanwhile_stays(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(index, tmp_path / "index.tar")
    carried = tmp_path / "carried"
    take(tmp_path / "index.tar", carried)
    pack(index, tmp_path / "again.tar")
    shutil.copyfile(carried, tmp_path / "quicker")
    unpack = importing.unpack_file

    def meanwhile(path: str) -> t.Iterator[bytes]:
        (tmp_path / "quicker").replace(carried)
        return unpack(path)

    monkeypatch.setattr(importing, "unpack_file", meanwhile)
    with pytest.raises(ScanError) as caught:
        take(tmp_path / "again.tar", carried)
    assert caught.value.code == "feed-busy"


def test_a_compiled_index_that_is_older_or_smaller_is_refused(index: Path, tmp_path: Path) -> None:
    pack(index, tmp_path / "full.tar")
    build_index(str(write_feed(tmp_path / "half", CHANGED)), str(tmp_path / "less"), now=LATER)
    pack(tmp_path / "less", tmp_path / "less.tar")
    build_index(str(write_feed(tmp_path / "past", TOOL, BASH)), str(tmp_path / "past-index"), now=LATER)
    pack(tmp_path / "past-index", tmp_path / "past.tar")
    take(tmp_path / "full.tar", tmp_path / "carried")
    before = (tmp_path / "carried").read_bytes()
    for name, code in (("less.tar", "feed-shrunk"), ("past.tar", "feed-older")):
        with pytest.raises(CorruptData) as caught:
            take(tmp_path / name, tmp_path / "carried")
        assert caught.value.code == code
    assert (tmp_path / "carried").read_bytes() == before


def test_an_index_that_is_not_what_the_manifest_tells_is_refused(index: Path, tmp_path: Path) -> None:
    """Above all one that is told to be fresher than it is."""
    pack(index, tmp_path / "index.tar")
    manifest = read_bundle(tmp_path / "index.tar", tmp_path / "unpacked")
    for lie in ({"checked": LATEST}, {"serial": "other"}, {"signature_key": "00"}, {"newest": LATEST}):
        write_bundle(tmp_path / "unpacked", dataclasses.replace(manifest, **lie), tmp_path / "lie.tar")
        with pytest.raises(CorruptData, match="not the one that its manifest tells of"):
            take(tmp_path / "lie.tar", tmp_path / "carried")


def test_what_is_packed_as_an_index_and_is_none_is_refused(tmp_path: Path, index: Path) -> None:
    import zstandard

    pack(index, tmp_path / "index.tar")
    manifest = read_bundle(tmp_path / "index.tar", tmp_path / "unpacked")
    packed = tmp_path / "unpacked" / "index.zst"
    for data in (b"no index", index.read_bytes()[:5000]):
        packed.write_bytes(zstandard.compress(data))
        files = {"index.zst": digest_file(packed)}
        write_bundle(tmp_path / "unpacked", dataclasses.replace(manifest, files=files), tmp_path / "bad.tar")
        with pytest.raises(ScanError):
            take(tmp_path / "bad.tar", tmp_path / "carried")
        assert not (tmp_path / "carried").exists()


def test_files_of_others_are_not_overwritten(vendor: Path, index: Path, tmp_path: Path) -> None:
    dest = tmp_path / "mine.txt"
    dest.write_text("mine")
    for act in (lambda: export(vendor, dest), lambda: pack(index, dest)):
        with pytest.raises(InputError, match="is not a bundle; it is not overwritten"):
            act()
    assert dest.read_text() == "mine"
    with pytest.raises(InputError, match="does not exist"):
        export(vendor, tmp_path / "missing" / "feed.tar")
    shutil.rmtree(vendor)
    with pytest.raises(InputError, match="there is no feed"):
        export(vendor, tmp_path / "feed.tar")


def test_a_badly_signed_change_stays_out_until_it_is_mended(
    vendor: Path, tmp_path: Path, keys: Keys, signer: Signer
) -> None:
    """Over a server, where only what changed is fetched. The old statement is gone, too: it may be wrong by now."""
    index, changed = tmp_path / "index", vendor / "2026/cve-2026-1001.json"
    signatures = Signatures(keys, frozenset(["bash", "tool"]))

    def sync(now: str) -> BuildResult:
        return build_index(url, str(index), now=now, signatures=signatures)

    def said() -> int:
        with FeedIndex.open(str(index)) as opened:
            return len(opened.statements(["bash"]))

    with running_server(answer_from(vendor)) as server:
        url = f"http://{server.host}/"
        assert sync(NOW).info.verified == 2
        write_feed(
            vendor, document("CVE-2026-1001", fixed(MAIN_9, "bash", "0:5.1.8-11.el9"), date="2026-08-22T10:00:00+00:00")
        )
        (vendor / "changes.csv").write_text('"2026/cve-2026-1001.json","2026-08-22T10:00:00+00:00"\n')
        result = sync(LATER)
        assert [one.path for one in result.rejected] == ["2026/cve-2026-1001.json"]
        assert (result.changed, result.info.rejected, result.info.verified, said()) == (True, 1, 1, 0)
        result = sync(LATEST)
        assert (result.changed, len(result.rejected), said()) == (False, 1, 0)
        signer.sign_file(changed)
        result = sync(LATEST)
        assert (result.changed, result.rejected, result.info.verified, said()) == (True, (), 2, 1)
        assert not sync(LATEST).changed
