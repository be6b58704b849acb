# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps that need a past: what was once true must not clear an image today. The services and a real store run here.

Each test has a trap and a twin, as the corpus has: the twin differs in one thing, and passes.
"""

from __future__ import annotations

import datetime
import json
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import vex
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import discovering
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.feed_index import young_index
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._core.progress import Progress
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.model import (
    NamedImage,
    NameUsage,
    Unidentified,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.search import ImageFilter, discover
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner import model as scanner
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.local import LocalScan
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import named, request_of
from ansible_collections.imagescan.openshift.plugins.module_utils._store.current import in_force
from ansible_collections.imagescan.openshift.plugins.module_utils._store.judging import Judging
from ansible_collections.imagescan.openshift.plugins.module_utils._store.scan_book import StoreBook, read_requests
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import open_store
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.exceptions import load_exceptions
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import VERDICTS
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import (
    DEFAULT_POLICY_TEXT,
    load_policies,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.parsing import CSAF
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.sources import sources_of
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.tests.support import advisories as make
from ansible_collections.imagescan.openshift.tests.support.policies import SMALL_POLICY_TEXT, for_small_feeds
from ansible_collections.imagescan.openshift.tests.traps import distributions
from ansible_collections.imagescan.openshift.tests.traps.feeds import no_documents
from ansible_collections.imagescan.openshift.tests.traps.layers import child
from ansible_collections.imagescan.openshift.tests.traps.situation import (
    FEED,
    HOUR,
    OTHERS,
    PATCHED,
    VULNERABLE,
    Outcome,
    Situation,
    document,
    write_feed,
    write_image,
)

trap_and_twin = pytest.mark.parametrize("trap", [True, False], ids=["trap", "twin"])


class Life:
    """An installation over several days: one store, one image reference, feeds that come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.image = folder / "image"
        self.target = f"oci:{self.image}:app"
        self.store = f"sqlite:///{folder / 'store.sqlite'}"
        # Scans are stamped by the clock: what judges, judges after them, however slow they are.
        self.now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + HOUR
        self.number = 0

    def push(self, situation: Situation) -> None:
        """Put another image under the same reference."""
        shutil.rmtree(self.image, ignore_errors=True)
        assert write_image(situation, self.image) == self.target

    def damage(self) -> None:
        """Cut every layer of the image short, as a disk or a proxy does."""
        index = json.loads((self.image / "index.json").read_text())
        manifest = json.loads(self.blob(index["manifests"][0]["digest"]).read_text())
        for layer in manifest["layers"]:
            path = self.blob(layer["digest"])
            path.write_bytes(path.read_bytes()[:-40])

    def blob(self, digest: str) -> Path:
        """Where a blob lies."""
        return self.image / "blobs" / digest.replace(":", "/")

    def scan(self, *, again: bool = False) -> None:
        """Scan the reference; ``again``: even if it is known."""
        with open_store(self.store) as store:
            book = StoreBook(store, Progress(), max_age=-1 if again else None, platforms=[])
            LocalScan(book, Access()).run([request_of(self.target)], lambda done, total, seconds: "")

    def feed(
        self,
        documents: t.Sequence[t.Any] = FEED,
        age: float = 0,
        index: Path | None = None,
        edit: t.Callable[[Path], None] | None = None,
    ) -> Path:
        """Build the index of a feed that was checked so many hours ago; ``index``: in the place of this one."""
        self.number += 1
        folder = self.folder / f"feed-{self.number}"
        folder.mkdir()
        feed, repositories = write_feed(Situation(documents=tuple(documents), edit_feed=edit), folder)
        path = index or folder / "index"
        build_index(str(feed), str(path), repository_map=repositories, now=self.now - age * HOUR)
        return path

    def judge(
        self,
        index: Path,
        *,
        later: float = 0,
        name: str = "",
        policy: str = DEFAULT_POLICY_TEXT,
        exceptions: str = "",
    ) -> Outcome:
        """Judge the reference; the worst verdict in force of what bears this name."""
        with open_store(self.store) as store, FeedIndex.open(str(index)) as opened:
            policies = for_small_feeds(load_policies(policy, "policies.yml"))
            entries = load_exceptions(exceptions, "exceptions.yml")
            judging = Judging(store, policies, entries, opened, now=self.now + later * HOUR)
            name = name or self.target
            found = [one for one in judging.run([named(name)]) if name in one.document["references"]]
        judged = max(found, key=lambda one: VERDICTS.index(one.verdict))
        reasons = judged.document["reasons"]
        return Outcome(
            judged.verdict,
            tuple(reason["code"] for reason in reasons),
            tuple(reason["message"] for reason in reasons),
        )


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return Life(tmp_path)


def check(found: Outcome, trap: bool, verdict: str, code: str) -> None:
    assert found.verdict == (verdict if trap else "passed"), found
    if trap:
        assert code in found.codes, found


@trap_and_twin
def test_scan_error_after_a_pass(life: Life, trap: bool) -> None:
    """Fools whoever judges the inventory of the last scan that worked."""
    life.push(Situation())
    life.scan()
    index = life.feed()
    assert life.judge(index).verdict == "passed"
    if trap:
        life.damage()
    life.scan(again=True)
    check(life.judge(index, later=1), trap, "error", "layer-truncated")


def test_scan_error_does_not_erase_a_failure(life: Life) -> None:
    """Fools whoever lets "could not be scanned" take the place of "is vulnerable"."""
    life.push(Situation(packages=VULNERABLE))
    life.scan()
    index = life.feed()
    assert life.judge(index).verdict == "failed"
    life.damage()
    life.scan(again=True)
    check(life.judge(index, later=1), True, "failed", "vulnerability")


@trap_and_twin
def test_tag_moves_to_another_image(life: Life, trap: bool) -> None:
    """Fools whoever keeps verdicts by reference: the tag now names an image that was never looked at."""
    life.push(Situation())
    life.scan()
    index = life.feed()
    assert life.judge(index).verdict == "passed"
    life.push(Situation(packages=VULNERABLE if trap else PATCHED, labels=(("version", "2"),)))
    life.scan()
    check(life.judge(index, later=1), trap, "failed", "vulnerability")


@trap_and_twin
def test_tag_is_gone(life: Life, trap: bool) -> None:
    """Fools whoever answers for a reference with the image that it once named."""
    life.push(Situation())
    life.scan()
    index = life.feed()
    assert life.judge(index).verdict == "passed"
    if trap:
        shutil.rmtree(life.image)
    life.scan(again=True)
    check(life.judge(index, later=1), trap, "error", "image-not-found")


@trap_and_twin
def test_image_that_was_never_scanned(life: Life, trap: bool) -> None:
    """Fools whoever reports what is in the store, and forgets what was asked for."""
    life.push(Situation())
    life.scan()
    name = "registry.example.com/never:seen" if trap else life.target
    check(life.judge(life.feed(), name=name), trap, "inconclusive", "not_scanned_yet")


@trap_and_twin
def test_new_statement_about_an_old_image(life: Life, trap: bool) -> None:
    """Fools whoever judges an image once, when it is scanned."""
    life.push(Situation(packages=VULNERABLE))
    life.scan()
    assert life.judge(life.feed((OTHERS,), age=5)).verdict == "passed"
    check(life.judge(life.feed(FEED if trap else (OTHERS,)), later=1), trap, "failed", "vulnerability")


@trap_and_twin
def test_older_data_does_not_take_a_failure_back(life: Life, trap: bool) -> None:
    """Fools whoever lets the last one who judges win, by yesterday's copy of the feed."""
    life.push(Situation(packages=VULNERABLE))
    life.scan()
    ages = (0, 30) if trap else (30, 60)
    assert life.judge(life.feed(FEED, age=ages[0])).verdict == "failed"
    newer = life.feed((OTHERS,), age=ages[1] if trap else 0)
    check(life.judge(newer, later=1), trap, "failed", "vulnerability")


@trap_and_twin
def test_image_of_an_index_cannot_be_read(life: Life, trap: bool) -> None:
    """Fools whoever judges an index by those of its images that could be read."""
    platforms = (("linux/amd64", child(PATCHED)), ("linux/arm64", child(PATCHED, "aarch64")))
    life.push(Situation(children=platforms))
    if trap:
        index = json.loads((life.image / "index.json").read_text())["manifests"][0]["digest"]
        children = json.loads(life.blob(index).read_text())["manifests"]
        manifest = json.loads(life.blob(children[1]["digest"]).read_text())
        layer = life.blob(manifest["layers"][0]["digest"])
        layer.write_bytes(layer.read_bytes()[:-40])
    life.scan()
    check(life.judge(life.feed()), trap, "error", "layer-truncated")


@trap_and_twin
def test_feed_could_not_be_refreshed(life: Life, trap: bool) -> None:
    """Fools whoever counts an attempt to refresh the feed as a refresh: the old data ages on."""
    life.push(Situation())
    life.scan()
    index = life.feed(age=24 * 10)
    if trap:
        with pytest.raises(ScanError):
            life.feed(index=index, edit=no_documents)
    else:
        life.feed(index=index)
    check(life.judge(index), trap, "inconclusive", "feed-stale")


@trap_and_twin
def test_feed_shrinks(life: Life, trap: bool) -> None:
    """Fools whoever takes half a copy for the whole: documents are gone that nobody took back."""
    life.push(Situation(packages=VULNERABLE))
    life.scan()
    index = life.feed(FEED if trap else (OTHERS,), age=1)
    if trap:
        with pytest.raises(ScanError):
            life.feed((OTHERS,), index=index)
    else:
        life.feed((OTHERS,), index=index)
    check(life.judge(index), trap, "failed", "vulnerability")


@trap_and_twin
def test_feed_goes_back(life: Life, trap: bool) -> None:
    """Fools whoever takes an older copy for the newest: the statement had not been made when it was."""
    life.push(Situation(packages=VULNERABLE))
    life.scan()
    before = document(vex.Says(vex.RHEL9, "known_not_affected", ("openssl-libs",)), released="2026-01-01T00:00:00Z")
    after = document(released="2026-02-20T00:00:00Z") if trap else before
    index = life.feed((after, OTHERS), age=1)
    if trap:
        with pytest.raises(ScanError):
            life.feed((before, OTHERS), index=index)
    else:
        life.feed((before, OTHERS), index=index)
    check(life.judge(index), trap, "failed", "vulnerability")


@trap_and_twin
def test_feed_lost_documents_and_got_as_many_others(life: Life, trap: bool) -> None:
    """Fools whoever counts: half a copy has as many documents as the index when new ones came meanwhile."""
    life.push(Situation(packages=VULNERABLE if trap else PATCHED))
    life.scan()
    index = life.feed()
    assert life.judge(index).verdict == ("failed" if trap else "passed")
    other = document(
        vex.Says(vex.RHEL9, "known_not_affected", ("zlib",)),
        cve="CVE-2026-900155",
        released="2026-02-20T10:00:00+00:00",
    )
    with pytest.raises(ScanError) as caught:
        life.feed((OTHERS, other), index=index)
    assert caught.value.code == "feed-shrunk"
    check(life.judge(index, later=1), trap, "failed", "vulnerability")


@trap_and_twin
def test_verdict_of_a_clock_that_was_ahead(life: Life, trap: bool) -> None:
    """Fools whoever keeps the verdict with the latest time: for a year nothing would change it."""
    life.push(Situation(packages=VULNERABLE))
    if not trap:
        life.push(Situation())
    life.now += datetime.timedelta(days=365)
    life.scan()
    assert life.judge(life.feed((OTHERS,))).verdict == "inconclusive"  # scanned, it seems, a year ago
    life.now -= datetime.timedelta(days=365)
    check(life.judge(life.feed(), later=1), trap, "failed", "vulnerability")


@trap_and_twin
def test_report_after_a_scan_that_nobody_judged(life: Life, trap: bool) -> None:
    """Fools whoever reads the report of a run that scanned and did not judge: it shows what passed before."""
    life.push(Situation())
    life.scan()
    index = life.feed(age=1)
    moment = -61 / 60 if trap else 1 / 60  # judged a minute before all this, or after it
    assert life.judge(index, later=moment).verdict == "passed"
    with open_store(life.store) as store:
        (found,) = in_force(store, [named(life.target)]).documents
    assert found["verdict"] == ("inconclusive" if trap else "passed")
    assert [reason["code"] for reason in found["reasons"]] == (["not_judged_yet"] if trap else [])


@trap_and_twin
def test_young_index_of_another_feed(life: Life, trap: bool) -> None:
    """Fools whoever looks at the age of an index alone: the feed was exchanged, and the old one's index stays."""
    index = life.feed()
    asked = life.folder / ("feed-2" if trap else "feed-1")
    sources = sources_of(str(asked / "feed"), str(life.folder / "feed-1" / "repository-to-cpe.json"))
    found = young_index(str(index), 12, life.now, sources, CSAF)
    assert (found is None) is trap


@trap_and_twin
def test_reproducible_image_that_seems_old(life: Life, trap: bool) -> None:
    """Fools whoever believes that an image was made in 1970, and leaves it out as too old: it is never looked at."""
    created = "1970-01-01T00:00:00Z" if trap else "2020-01-01T00:00:00Z"
    life.push(Situation(packages=VULNERABLE, edit_config=lambda config: config.update(created=created)))
    found = discover([NamedImage(life.target, "paths")], Access(), wish=ImageFilter(newer_than=life.now - 24 * HOUR))
    assert bool(found.found) is trap
    assert bool(found.excluded) is not trap


@trap_and_twin
def test_feed_that_nobody_refreshes_any_more(life: Life, trap: bool) -> None:
    """Fools whoever keeps what newer data said for ever: who had them is gone, and all that is left are old ones."""
    life.push(Situation())
    life.scan()
    old, new = life.feed(age=10 * 24), life.feed()
    assert life.judge(new).verdict == "passed"
    check(life.judge(old if trap else new, later=48), trap, "inconclusive", "feed-stale")


@trap_and_twin
def test_stricter_policy_with_older_data(life: Life, trap: bool) -> None:
    """Fools whoever lets the verdict of a lax policy stand for that of a strict one, since its data were newer."""
    life.push(Situation(packages=VULNERABLE))
    life.scan()
    old, new = life.feed(age=1), life.feed()
    lax = "- name: lax\n  vulnerabilities: {max_severity: critical}\n"
    assert life.judge(new, policy=lax).verdict == "passed"
    found = life.judge(old, later=1, policy=lax.replace("critical", "moderate") if trap else lax)
    check(found, trap, "failed", "vulnerability")


def accepted(life: Life, days: int = 9) -> str:
    """An exception for every finding, that holds until so many days from now."""
    return f"- {{id: 'CVE-2026-900*', reason: tested, expires: {life.now.date() + datetime.timedelta(days=days)}}}\n"


@trap_and_twin
def test_exception_that_expired_with_older_data(life: Life, trap: bool) -> None:
    """Fools whoever lets what newer data said stand although it passed by an exception that holds no more."""
    life.push(Situation(packages=VULNERABLE))
    life.scan()
    old, new = life.feed(age=1), life.feed()
    exceptions = accepted(life, 0 if trap else 9)
    assert life.judge(new, exceptions=exceptions).verdict == "passed"
    check(life.judge(old, later=24, exceptions=exceptions), trap, "failed", "vulnerability")


@trap_and_twin
def test_exception_that_was_withdrawn_with_older_data(life: Life, trap: bool) -> None:
    """Fools whoever asks of the verdict with the newer data only by which policies it was made."""
    life.push(Situation(packages=VULNERABLE))
    life.scan()
    old, new = life.feed(age=1), life.feed()
    assert life.judge(new, exceptions=accepted(life)).verdict == "passed"
    found = life.judge(old, later=1, exceptions="" if trap else accepted(life))
    check(found, trap, "failed", "vulnerability")


@trap_and_twin
def test_exception_that_expired_and_older_data_that_know_no_flaw(life: Life, trap: bool) -> None:
    """Fools whoever finds nothing in old data, and shows what newer data had passed by an exception that is over."""
    life.push(Situation(packages=VULNERABLE))
    life.scan()
    old, new = life.feed((OTHERS, document(vex.Says(vex.RHEL9, "known_not_affected", ("zlib",)))), age=1), life.feed()
    exceptions = accepted(life, 0 if trap else 9)
    assert life.judge(new, exceptions=exceptions).verdict == "passed"
    check(life.judge(old, later=24, exceptions=exceptions), trap, "inconclusive", "not_judged_yet")


def judged_together(life: Life, entries: t.Sequence[t.Any]) -> dict[str, t.Any]:
    """Scan what a discovery found and what it could not identify, and judge it: verdicts by the name that is shown."""
    with open_store(life.store) as store, FeedIndex.open(str(life.feed())) as index:
        book = StoreBook(store, Progress(), max_age=None, platforms=[])
        LocalScan(book, Access()).run(read_requests(list(entries), book), lambda done, total, seconds: "")
        judging = Judging(store, load_policies(SMALL_POLICY_TEXT, "policies.yml"), [], index, now=life.now)
        return {one.document["reference"]: one.verdict for one in judging.run([named(one) for one in entries])}


@trap_and_twin
def test_what_runs_is_not_what_its_tag_means_now(life: Life, trap: bool) -> None:
    """Fools whoever files what runs under the name of its pod: the image behind the tag answers for it, and passes."""
    life.push(Situation())
    index = json.loads((life.image / "index.json").read_text())
    manifest = json.loads(life.blob(index["manifests"][0]["digest"]).read_text())
    runs = NamedImage(life.target, "workloads", image_id="sha256:" + "e" * 64 if trap else manifest["config"]["digest"])
    found = discover([NamedImage(life.target, "references")], Access(), uses={runs: NameUsage({1}, {"shop"})})
    told = discovering.result_of(found, [], [])
    verdicts = judged_together(life, [*told["images"], *told["unidentified"]])
    assert verdicts.pop(life.target) == "passed"
    assert list(verdicts.values()) == (["error"] if trap else [])


@trap_and_twin
def test_a_name_that_was_found_and_not_identified(life: Life, trap: bool) -> None:
    """Fools whoever keeps one entry a name: a source that knows its image clears what another could not read."""
    life.push(Situation())
    found = discover([NamedImage(life.target, "references")], Access())
    failed = [Unidentified(life.target, "workloads", "image-id", "the runtime reports an image ID that is none")]
    told = discovering.result_of(found, [], failed if trap else [])
    verdicts = judged_together(life, [*told["images"], *told["unidentified"]])
    assert verdicts.pop(life.target) == "passed"
    assert list(verdicts.values()) == (["error"] if trap else [])


@trap_and_twin
def test_inventory_that_somebody_else_told(life: Life, trap: bool) -> None:
    """Fools whoever keeps what a forged log told beside the error that says so: the next run finds it."""
    life.push(Situation())
    life.scan()
    with open_store(life.store) as store:
        book = StoreBook(store, Progress(), max_age=None, platforms=[])
        (digest,) = book.known
        if trap:
            book.forget(digest)
        error = ScanError("somebody else spoke for its pod", code="result-refused")
        book.record(scanner.ScanOutcome(digest, (life.target,), "error", error=error))
    with open_store(life.store) as store:
        assert StoreBook(store, Progress(), max_age=None, platforms=[]).is_current(digest) is not trap
    life.damage()  # nobody can read it any more
    life.scan()
    check(life.judge(life.feed()), trap, "error", "layer-truncated")


@trap_and_twin
def test_a_new_list_of_a_repository_beside_its_old_advisories(life: Life, trap: bool) -> None:
    """Fools whoever asks the old files whether they are the old ones: a copy that broke off looks checked today."""
    life.push(Situation(**distributions.ROCKY))
    life.scan()
    form, index, repository = make.updateinfo("rocky:9"), life.folder / "index", life.folder / "repository"
    make.write_repository(repository, distributions.UPDATES, "bash")
    build_index(str(repository), str(index), form=form, now=life.now - 10 * 24 * HOUR)
    old = {path: path.read_bytes() for path in (repository / "repodata").glob("*.gz")}
    hole = make.advisory("RLSA-2026:2", "openssl-libs-1:3.0.7-29.el9.x86_64", release="Rocky Linux 9")
    if trap:
        make.write_repository(repository, distributions.UPDATES.replace(b"</updates>", hole.encode() + b"</updates>"))
        for path, content in old.items():
            path.write_bytes(content)
        with pytest.raises(ScanError) as caught:
            build_index(str(repository), str(index), form=form, now=life.now)
        assert caught.value.code == "feed-damaged"
    else:
        build_index(str(repository), str(index), form=form, now=life.now)
    check(life.judge(index), trap, "inconclusive", "feed-stale")
