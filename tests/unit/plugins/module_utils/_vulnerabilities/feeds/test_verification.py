# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of an index's documents when their signatures are checked."""

from __future__ import annotations

import hashlib
import json
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Package
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds import verification
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import (
    BuildResult,
    Signatures,
    build_index,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.signatures import Keys
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.verification import (
    VerificationResult,
    verify_index,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import (
    match_inventory,
)
from ansible_collections.imagescan.openshift.tests.support.openpgp import Signer, write_keys
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server
from ansible_collections.imagescan.openshift.tests.support.vex import (
    MAIN_9,
    MAJOR_9,
    NOW,
    affected,
    document,
    fixed,
    inventory,
    not_affected,
    rpm,
    write_feed,
)

TOOL = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
BASH = document("CVE-2026-1001", fixed(MAIN_9, "bash", "0:5.1.8-9.el9"))
CURL = document("CVE-2025-2000", affected(MAJOR_9, "curl"))
PATHS = {"tool": "2026/cve-2026-1000.json", "bash": "2026/cve-2026-1001.json", "curl": "2025/cve-2025-2000.json"}


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
def feed(tmp_path: Path, signer: Signer) -> Path:
    """Three documents in a folder, all of them signed."""
    folder = write_feed(tmp_path / "feed", TOOL, BASH, CURL)
    signer.sign_documents(folder)
    return folder


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "index"


def build(source: object, index: Path, **more: t.Any) -> BuildResult:
    return build_index(str(source), str(index), **{"now": NOW, **more})


def verify(source: object, index: Path, keys: Keys, **more: t.Any) -> VerificationResult:
    return verify_index(str(source), str(index), keys, **more)


def verified(index: Path) -> set[str]:
    """Packages whose documents are verified."""
    names = {path: name for name, path in PATHS.items()}
    with FeedIndex.open(str(index)) as opened:
        return {names[one.path] for one in opened.documents() if one.verified}


def rejected(index: Path) -> dict[str, str]:
    with FeedIndex.open(str(index)) as opened:
        assert opened.info.rejected == len(opened.rejected())
        return {one.path: one.reason for one in opened.rejected()}


def said_of(index: Path, name: str) -> int:
    with FeedIndex.open(str(index)) as opened:
        return len(opened.statements([name]))


def archive(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w") as tar:
        for file in sorted(folder.rglob("*.json*")):
            tar.add(file, file.relative_to(folder).as_posix())
    return path


def test_signed_documents_are_verified_and_remembered(feed: Path, index: Path, keys: Keys) -> None:
    build(feed, index)
    assert verified(index) == set()
    assert verify(feed, index, keys) == VerificationResult(3, (), 0, True)
    assert verified(index) == {"tool", "bash", "curl"}
    with FeedIndex.open(str(index)) as opened:
        assert opened.info.signature_key == keys.fingerprint
        assert opened.info.rejected == 0
    before = index.read_bytes()
    assert verify(feed, index, keys) == VerificationResult(0, (), 0, False)
    assert index.read_bytes() == before


def test_a_badly_signed_document_is_rejected_and_says_nothing(feed: Path, index: Path, keys: Keys) -> None:
    path = feed / PATHS["tool"]
    path.write_text(path.read_text().replace("CVE-2026-1000", "CVE-2026-1009"))
    build(feed, index)
    assert said_of(index, "tool") == 1
    result = verify(feed, index, keys)
    assert (result.verified, [path for path, _reason in result.rejected]) == (2, [PATHS["tool"]])
    assert said_of(index, "tool") == 0
    assert "file or signature was changed" in rejected(index)[PATHS["tool"]]
    again = verify(feed, index, keys)
    assert (again.changed, again.rejected) == (False, result.rejected), "it is listed every time, and changes nothing"


def test_with_another_key_every_document_is_rejected(feed: Path, index: Path, tmp_path: Path) -> None:
    other = Keys.read(str(write_keys(tmp_path / "other.asc", Signer())))
    build(feed, index)
    result = verify(feed, index, other)
    assert (result.verified, len(result.rejected)) == (0, 3)
    assert all("not by a key of" in reason for _path, reason in result.rejected)


def test_a_document_without_a_signature_is_neither(feed: Path, index: Path, keys: Keys) -> None:
    (feed / f"{PATHS['tool']}.asc").unlink()
    build(feed, index)
    assert verify(feed, index, keys) == VerificationResult(2, (), 1, True)
    assert verified(index) == {"bash", "curl"}
    assert said_of(index, "tool") == 1
    assert not rejected(index)


def test_what_was_rejected_counts_again_when_its_signature_is_mended(
    feed: Path, index: Path, keys: Keys, signer: Signer
) -> None:
    """The vendor's mirror had the signature of yesterday."""
    (feed / f"{PATHS['tool']}.asc").write_bytes(signer.sign(b"yesterday's"))
    build(feed, index)
    verify(feed, index, keys)
    assert said_of(index, "tool") == 0
    signer.sign_file(feed / PATHS["tool"])
    assert verify(feed, index, keys) == VerificationResult(1, (), 0, True)
    assert said_of(index, "tool") == 1
    assert verified(index) == {"tool", "bash", "curl"}
    assert not rejected(index)


@pytest.mark.parametrize("signature", ["good", "mended", "bad", "none"])
def test_an_unreadable_document_concerns_what_it_names_only_if_its_maker_wrote_it(
    feed: Path, index: Path, keys: Keys, signer: Signer, signature: str
) -> None:
    path = feed / PATHS["tool"]
    path.write_bytes(path.read_bytes().replace(b'"csaf_vex"', b'"csaf_vexx"'))
    signer.sign_file(path)
    good = path.with_name(path.name + ".asc").read_bytes()
    if signature in ("bad", "mended"):
        (feed / f"{PATHS['tool']}.asc").write_bytes(signer.sign(b"yesterday's"))
    elif signature == "none":
        (feed / f"{PATHS['tool']}.asc").unlink()
    build(feed, index)
    verify(feed, index, keys)
    if signature == "mended":
        (feed / f"{PATHS['tool']}.asc").write_bytes(good)
        verify(feed, index, keys)
    with FeedIndex.open(str(index)) as opened:
        (document,) = opened.rejected()
    assert document.path == PATHS["tool"]
    assert ("tool" in document.scope.names) == (signature in ("good", "mended"))
    assert ("signature" in document.reason) == (signature == "bad")
    build(feed, index)  # an update knows what was verified
    with FeedIndex.open(str(index)) as opened:
        assert opened.rejected() == [document]


def test_another_key_has_everything_checked_anew(feed: Path, index: Path, keys: Keys, tmp_path: Path) -> None:
    build(feed, index)
    verify(feed, index, keys)
    other = Signer()
    other.sign_file(feed / PATHS["bash"])
    new = Keys.read(str(write_keys(tmp_path / "new.asc", other)))
    result = verify(feed, index, new)
    assert (result.verified, len(result.rejected)) == (1, 2)
    assert verified(index) == {"bash"}
    with FeedIndex.open(str(index)) as opened:
        assert opened.info.signature_key == other.fingerprint


def test_one_more_key_leaves_what_was_verified(
    feed: Path, index: Path, keys: Keys, signer: Signer, tmp_path: Path
) -> None:
    build(feed, index)
    verify(feed, index, keys)
    for path in feed.rglob("*.asc"):
        path.unlink()
    more = Keys.read(str(write_keys(tmp_path / "more.asc", signer, Signer())))
    assert verify(feed, index, more) == VerificationResult(0, (), 0, True)
    assert verified(index) == {"tool", "bash", "curl"}


def test_signatures_inside_an_archive_are_found(feed: Path, index: Path, keys: Keys, tmp_path: Path) -> None:
    (feed / f"{PATHS['curl']}.asc").unlink()
    packed = archive(feed, tmp_path / "feed.tar")
    build(packed, index)
    assert verify(packed, index, keys) == VerificationResult(2, (), 1, True)
    assert verified(index) == {"tool", "bash"}


def test_a_changed_document_inside_an_archive_is_rejected(feed: Path, index: Path, keys: Keys, tmp_path: Path) -> None:
    path = feed / PATHS["bash"]
    path.write_bytes(path.read_bytes() + b" ")
    packed = archive(feed, tmp_path / "feed.tar")
    build(packed, index)
    result = verify(packed, index, keys)
    assert (result.verified, [path for path, _reason in result.rejected]) == (2, [PATHS["bash"]])


def test_a_document_of_the_archive_with_its_signature_beside_it(
    feed: Path, index: Path, keys: Keys, tmp_path: Path
) -> None:
    """As a feed is carried over an air gap: the archive, and signatures that were fetched for some of it."""
    site = tmp_path / "site"
    for path in feed.rglob("*.asc"):
        (site / path.parent.name).mkdir(parents=True, exist_ok=True)
        path.rename(site / path.relative_to(feed))
    archive(feed, site / "csaf_vex_2026-08-20.tar")
    (site / "archive_latest.txt").write_text("csaf_vex_2026-08-20.tar")
    build(site, index)
    assert verify(site, index, keys) == VerificationResult(3, (), 0, True)


class Site:
    """A server of documents and signatures that counts what it is asked for."""

    def __init__(self, feed: Path) -> None:
        self.feed = feed
        self.asked: list[str] = []
        self.broken = ""

    def __call__(self, request: Request) -> Answer:
        path = request.target.lstrip("/")
        self.asked.append(path)
        if path == self.broken:
            return Answer(401)
        file = self.feed / path
        return Answer(200, file.read_bytes()) if file.is_file() else Answer(404)


@pytest.fixture
def site(feed: Path) -> t.Iterator[tuple[str, Site]]:
    handler = Site(feed)
    with running_server(handler) as server:
        yield f"http://{server.host}/", handler


def test_a_server_is_asked_for_documents_about_these_packages_alone(
    site: tuple[str, Site], feed: Path, index: Path, keys: Keys
) -> None:
    url, handler = site
    build(feed, index)
    assert verify(url, index, keys, names=["bash", "unknown"]) == VerificationResult(1, (), 0, True)
    assert handler.asked == [f"{PATHS['bash']}.asc", PATHS["bash"]]
    handler.asked.clear()
    assert verify(url, index, keys, names=["bash"]) == VerificationResult(0, (), 0, False)
    assert handler.asked == [], "what is known is not asked for again"
    verify(url, index, keys, names=["bash", "curl"])
    assert handler.asked == [f"{PATHS['curl']}.asc", PATHS["curl"]]


def test_a_document_that_is_newer_on_the_server_is_left_for_the_next_update(
    site: tuple[str, Site], feed: Path, index: Path, keys: Keys, signer: Signer
) -> None:
    url, _handler = site
    build(feed, index)
    path = feed / PATHS["bash"]
    path.write_bytes(path.read_bytes() + b"\n")
    assert verify(url, index, keys) == VerificationResult(2, (), 0, True)
    signer.sign_file(path)
    assert verify(url, index, keys) == VerificationResult(0, (), 0, False)
    assert verified(index) == {"tool", "curl"}


def test_a_server_without_signatures_is_not_asked_for_all_of_them(
    site: tuple[str, Site], feed: Path, index: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, handler = site
    for path in feed.rglob("*.asc"):
        path.unlink()
    build(feed, index)
    monkeypatch.setattr(verification, "GIVEN_UP_AFTER", 2)
    assert verify(url, index, keys).unsigned == 2
    assert len(handler.asked) == 2


def test_what_was_found_before_the_server_failed_is_kept(
    site: tuple[str, Site], feed: Path, index: Path, keys: Keys
) -> None:
    url, handler = site
    build(feed, index)
    handler.broken = f"{PATHS['bash']}.asc"
    with pytest.raises(ScanError, match="the server answers 401"):
        verify(url, index, keys, access=Access(retries=0))
    assert verified(index) == {"curl", "tool"}
    handler.broken = ""
    handler.asked.clear()
    verify(url, index, keys)
    assert handler.asked == [f"{PATHS['bash']}.asc", PATHS["bash"]]


def test_an_image_counts_the_documents_about_its_packages(feed: Path, index: Path, keys: Keys) -> None:
    """Of any product: whether a document applies is what it says, and that is what is not proved."""
    (feed / f"{PATHS['tool']}.asc").unlink()
    bash, tool = rpm("bash-5.1.8-9.el9.x86_64"), rpm("tool-1-1.el9.x86_64")
    part_of_tool = rpm("tool-libs-1-1.el9.x86_64", source="tool-1-1.el9.src.rpm")
    build(feed, index)
    assert unverified(index, bash, tool) == 0, "nothing was checked at all, which the judge says by itself"
    verify(feed, index, keys)
    assert unverified(index, bash) == 0
    assert unverified(index, bash, tool) == 1
    assert unverified(index, part_of_tool) == 1


def unverified(index: Path, *packages: Package) -> int:
    with FeedIndex.open(str(index)) as opened:
        return match_inventory(inventory(*packages), opened).unverified


def test_a_document_that_cleared_an_image_does_so_no_more_when_it_is_rejected(
    tmp_path: Path, index: Path, keys: Keys, signer: Signer
) -> None:
    """The rejected document is counted, and an index that has one lets no image pass (judge: feed-incomplete)."""
    feed = write_feed(tmp_path / "other", document("CVE-2026-1000", not_affected(MAIN_9, "bash")), TOOL_TOO)
    signer.sign_documents(feed)
    (feed / "2026/cve-2026-1000.json").write_text(
        json.dumps(document("CVE-2026-1000", not_affected(MAIN_9, "bash"))) + " "
    )
    build(feed, index)
    verify(feed, index, keys)
    with FeedIndex.open(str(index)) as opened:
        match = match_inventory(inventory(rpm("bash-5.1.8-9.el9.x86_64")), opened)
        assert match.feed is not None
        assert match.feed.rejected == 1
        assert match.counts["statements_seen"] == 0


TOOL_TOO = document("CVE-2026-1002", affected(MAJOR_9, "tool"))


# -- as a part of building --


class Meanwhile:
    """A tick: at the third document, with the first one checked, another run does something."""

    def __init__(self, other: t.Callable[[], object]) -> None:
        self.other = other
        self.ticks = 0

    def __call__(self) -> None:
        self.ticks += 1
        if self.ticks == 3:
            self.other()


def digest(index: Path, path: str) -> str:
    with FeedIndex.open(str(index)) as opened:
        (sha256,) = [one.sha256 for one in opened.documents() if one.path == path]
        return sha256


@pytest.mark.parametrize("was", ["good", "bad", "mended"])
def test_what_was_checked_says_nothing_of_the_document_that_another_run_put_there_meanwhile(
    feed: Path, index: Path, keys: Keys, signer: Signer, was: str
) -> None:
    path = feed / PATHS["curl"]
    build(feed, index)
    if was != "good":
        (feed / f"{PATHS['curl']}.asc").write_bytes(signer.sign(b"yesterday's"))
    if was == "mended":
        verify(feed, index, keys)
        assert list(rejected(index)) == [PATHS["curl"]]
        signer.sign_file(path)
        (feed / PATHS["bash"]).write_bytes(json.dumps(BASH).encode() + b" ")
        (feed / f"{PATHS['bash']}.asc").unlink()
        build(feed, index)  # so that another one is to be checked after it
    newer = json.dumps(document("CVE-2025-2000", fixed(MAIN_9, "curl", "0:8-1.el9"))).encode()

    def other() -> None:
        path.write_bytes(newer)
        build(feed, index)

    ticks = Meanwhile(other)
    if was == "mended":
        ticks.ticks = 1
    result = verify(feed, index, keys, tick=ticks)
    assert ticks.ticks == 3
    assert digest(index, PATHS["curl"]) == hashlib.sha256(newer).hexdigest(), "the newer one stays"
    assert "curl" not in verified(index), "whose signature nobody has checked"
    assert PATHS["curl"] not in rejected(index)
    assert not result.rejected
    assert result.verified == (0 if was == "mended" else 2)
    assert said_of(index, "curl") == 1


def test_a_document_that_is_gone_meanwhile_is_no_error(feed: Path, index: Path, keys: Keys) -> None:
    def other() -> None:
        index.unlink()
        (feed / PATHS["curl"]).unlink()
        build(feed, index)

    build(feed, index)
    assert verify(feed, index, keys, tick=Meanwhile(other)).verified == 2
    assert verified(index) == {"tool", "bash"}


def test_what_another_run_has_checked_with_other_keys_meanwhile_stays(
    feed: Path, index: Path, keys: Keys, signer: Signer, tmp_path: Path
) -> None:
    other = Signer()
    both = Keys.read(str(write_keys(tmp_path / "both.asc", signer, other)))
    build(feed, index)
    with pytest.raises(ScanError, match="with other keys") as caught:
        verify(feed, index, keys, tick=Meanwhile(lambda: verify(feed, index, both)))
    assert caught.value.code == "feed-busy"
    with FeedIndex.open(str(index)) as opened:
        assert opened.info.signature_key == both.fingerprint
    assert verified(index) == {"tool", "bash", "curl"}


def test_building_checks_and_a_second_run_changes_nothing(feed: Path, index: Path, keys: Keys) -> None:
    first = build(feed, index, signatures=Signatures(keys))
    assert (first.changed, first.info.signature_key, first.rejected) == (True, keys.fingerprint, ())
    assert verified(index) == {"tool", "bash", "curl"}
    before = index.read_bytes()
    assert not build(feed, index, signatures=Signatures(keys)).changed
    assert index.read_bytes() == before


def test_a_dry_run_checks_and_writes_nothing(feed: Path, index: Path, keys: Keys) -> None:
    build(feed, index)
    before = index.read_bytes()
    (feed / f"{PATHS['tool']}.asc").write_bytes(b"nothing good")
    result = build(feed, index, signatures=Signatures(keys), dry_run=True)
    assert (result.changed, len(result.rejected)) == (True, 1)
    assert index.read_bytes() == before
    assert [path.name for path in index.parent.glob(".index*")] == []


def test_a_rejected_document_stays_out_while_the_feed_changes(
    feed: Path, index: Path, keys: Keys, signer: Signer
) -> None:
    (feed / f"{PATHS['tool']}.asc").write_bytes(signer.sign(b"other"))
    build(feed, index, signatures=Signatures(keys))
    signer.sign_documents(write_feed(feed, document("CVE-2026-1003", affected(MAJOR_9, "more"))))
    (feed / f"{PATHS['tool']}.asc").write_bytes(signer.sign(b"other"))
    for signatures in (None, Signatures(keys)):
        result = build(feed, index, signatures=signatures)
        assert [one.path for one in result.rejected] == [PATHS["tool"]]
        assert said_of(index, "tool") == 0


def test_what_was_verified_stays_so_for_other_packages(feed: Path, index: Path, keys: Keys) -> None:
    """An index for other names is built anew; what is known of the documents is not asked for again."""
    build(feed, index, signatures=Signatures(keys), names=["bash", "curl"])
    assert verified(index) == {"bash", "curl"}, "of the third document there is nothing to verify"
    for path in feed.rglob("*.asc"):
        path.unlink()
    build(feed, index, signatures=Signatures(keys), names=["bash"])
    assert verified(index) >= {"bash"}


def test_a_signed_archive_verifies_all_that_is_in_it(
    feed: Path, index: Path, keys: Keys, signer: Signer, tmp_path: Path
) -> None:
    for path in feed.rglob("*.asc"):
        path.unlink()
    packed = archive(feed, tmp_path / "feed.tar")
    build(packed, index, signatures=Signatures(keys))
    assert verified(index) == set()
    signer.sign_file(packed)
    build(packed, tmp_path / "other", signatures=Signatures(keys))
    assert verified(tmp_path / "other") == {"tool", "bash", "curl"}


def test_a_key_that_comes_later_has_the_archive_checked(
    feed: Path, index: Path, keys: Keys, signer: Signer, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    for path in feed.rglob("*.asc"):
        path.unlink()
    packed = archive(feed, site / "csaf_vex_2026-08-20.tar")
    (site / "archive_latest.txt").write_text(packed.name)
    signer.sign_file(packed)
    build(site, index)
    assert verified(index) == set()
    assert build(site, index, signatures=Signatures(keys)).changed
    assert verified(index) == {"tool", "bash", "curl"}
    assert not build(site, index, signatures=Signatures(keys)).changed


def test_an_archive_with_a_bad_signature_is_refused(
    feed: Path, index: Path, keys: Keys, signer: Signer, tmp_path: Path
) -> None:
    packed = archive(feed, tmp_path / "feed.tar")
    signer.sign_file(packed)
    build(packed, index, signatures=Signatures(keys))
    before = index.read_bytes()
    (feed / PATHS["tool"]).write_text(json.dumps(document("CVE-2026-1000", not_affected(MAIN_9, "tool"))))
    archive(feed, packed)
    with pytest.raises(CorruptData, match="not what its maker signed") as caught:
        build(packed, index, signatures=Signatures(keys))
    assert caught.value.code == "feed-signature-bad"
    assert index.read_bytes() == before


def test_an_archive_behind_a_url_has_its_signature_beside_it(
    feed: Path, index: Path, keys: Keys, signer: Signer, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    packed = archive(feed, mirror / "feed.tar")
    signer.sign_file(packed)
    with running_server(Site(mirror)) as server:
        build(f"http://{server.host}/feed.tar", index, signatures=Signatures(keys))
    assert verified(index) == {"tool", "bash", "curl"}


def test_a_feed_on_a_server_is_checked_for_the_packages_that_are_asked_for(
    feed: Path, index: Path, keys: Keys, tmp_path: Path
) -> None:
    archive(feed, feed / "csaf_vex_2026-08-20.tar")
    (feed / "archive_latest.txt").write_text("csaf_vex_2026-08-20.tar")
    handler = Site(feed)
    with running_server(handler) as server:
        url = f"http://{server.host}/"
        build(url, index, signatures=Signatures(keys, frozenset(["bash"])))
        assert verified(index) == {"bash"}
        assert not build(url, index, signatures=Signatures(keys, frozenset(["bash"]))).changed
        assert build(url, index, signatures=Signatures(keys, frozenset(["bash", "curl"]))).changed
    assert verified(index) == {"bash", "curl"}
    assert not [path for path in handler.asked if path.startswith(PATHS["tool"])]
