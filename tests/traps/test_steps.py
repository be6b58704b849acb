# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps between the steps of a run: another store, an index that changes while it is read, clocks that differ."""

from __future__ import annotations

import contextlib
import datetime
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.feed_index import young_index
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData
from ansible_collections.imagescan.openshift.plugins.module_utils._core.progress import Progress
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.local import LocalScan
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import named, request_of
from ansible_collections.imagescan.openshift.plugins.module_utils._store import scan_book
from ansible_collections.imagescan.openshift.plugins.module_utils._store.current import in_force
from ansible_collections.imagescan.openshift.plugins.module_utils._store.judging import Judged, Judging
from ansible_collections.imagescan.openshift.plugins.module_utils._store.scan_book import StoreBook
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import open_store
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.parsing import CSAF
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.sources import sources_of
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.tests.support.policies import SMALL_POLICY_TEXT
from ansible_collections.imagescan.openshift.tests.traps.situation import (
    FEED,
    OTHERS,
    VULNERABLE,
    Situation,
    write_image,
)
from ansible_collections.imagescan.openshift.tests.traps.test_history import Life, trap_and_twin

POLICIES = load_policies(SMALL_POLICY_TEXT, "policies.yml")


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return Life(tmp_path)


# -- a step repeated with another store --


def other_store(life: Life, content: str) -> str:
    """A store beside that of the run: none, an empty one, one with another image, or one with the same."""
    other = Life(life.folder / "other")
    other.folder.mkdir()
    if content == "empty":
        with open_store(other.store):
            pass
    elif content == "other image":
        other.push(Situation(labels=(("another", "image"),)))
        other.scan()
        assert other.judge(other.feed()).verdict == "passed"
    elif content == "known by name":
        # The reference stood for another image when this store was written.
        other.image, other.target = life.image, life.target
        kept = life.folder / "kept"
        shutil.move(life.image, kept)
        other.push(Situation(labels=(("another", "image"),)))
        other.scan()
        assert other.judge(other.feed()).verdict == "passed"
        shutil.rmtree(life.image)
        shutil.move(kept, life.image)
    elif content == "not judged":
        other.image, other.target = life.image, life.target
        other.scan()
    return other.store


def verdicts(store: str, index: Path, now: datetime.datetime, *wanted: t.Any) -> list[str]:
    """What is judged of these images by a store."""
    with open_store(store) as opened, FeedIndex.open(str(index)) as feed:
        return [one.verdict for one in Judging(opened, POLICIES, [], feed, now=now).run(list(wanted))]


@pytest.mark.parametrize("content", ["missing", "empty", "other image", "known by name"])
def test_an_image_is_not_passed_by_a_store_that_it_was_not_scanned_into(life: Life, content: str) -> None:
    """Fools whoever names another store for the next step: what was found is not in it."""
    life.push(Situation(packages=VULNERABLE))
    life.scan()
    index = life.feed()
    with open_store(life.store) as store:
        (image,) = store.images.all()
    chosen = named({"digest": image.digest, "reference": life.target})
    assert verdicts(life.store, index, life.now, chosen) == ["failed"]
    assert "passed" not in verdicts(other_store(life, content), index, life.now, chosen)


@pytest.mark.parametrize("content", ["missing", "empty", "other image", "known by name", "not judged"])
def test_a_report_from_another_store_shows_no_pass(life: Life, content: str) -> None:
    """The same for the step that reports."""
    life.push(Situation(packages=VULNERABLE))
    life.scan()
    assert life.judge(life.feed()).verdict == "failed"
    with open_store(life.store) as store:
        (image,) = store.images.all()
    with open_store(other_store(life, content)) as store:
        documents = in_force(store, [named({"digest": image.digest, "reference": life.target})]).documents
    assert [one["verdict"] for one in documents if one["digest"] in ("", image.digest)] != []
    assert {one["verdict"] for one in documents} <= {"inconclusive"}


@pytest.mark.parametrize("content", ["missing", "empty", "other image", "known by name", "not judged"])
def test_a_scan_into_another_store_is_a_scan(life: Life, content: str) -> None:
    """Fools whoever takes an image for known because another store knows it."""
    life.push(Situation(packages=VULNERABLE))
    life.scan()
    life.store = other_store(life, content)
    life.scan()
    index = life.feed()
    with open_store(life.store) as store:
        assert life.judge(index).verdict == "failed"
        assert store.images.all()


# -- an index that changes while images are judged --


def fleet(life: Life, number: int = 3) -> None:
    """Images that differ in a label and have different packages, so that each is matched by itself."""
    for count in range(number):
        packages = VULNERABLE[: len(VULNERABLE) - 1] if count == 0 else VULNERABLE
        life.image, life.target = life.folder / f"image-{count}", f"oci:{life.folder / f'image-{count}'}:app"
        assert write_image(Situation(packages=packages, labels=(("n", str(count)),)), life.image) == life.target
        with open_store(life.store) as store:
            book = StoreBook(store, Progress(), max_age=None, platforms=[])
            LocalScan(book, Access()).run([request_of(life.target)], lambda done, total, seconds: "")


def replace(index: Path, other: Path) -> None:
    """As our own writer does."""
    other.replace(index)


def overwrite(index: Path, other: Path) -> None:
    """``cp other index``: the same file gets another content."""
    index.write_bytes(other.read_bytes())


def truncate(index: Path, other: Path) -> None:
    with index.open("r+b") as stream:
        stream.truncate(4096)


def fill(index: Path, other: Path) -> None:
    """Zeros, as after a full disk."""
    size = index.stat().st_size
    with index.open("r+b") as stream:
        stream.write(b"\0" * size)


def append(index: Path, other: Path) -> None:
    with index.open("ab") as stream:
        stream.write(other.read_bytes())


def delete(index: Path, other: Path) -> None:
    index.unlink()


def exchange_for_a_folder(index: Path, other: Path) -> None:
    index.unlink()
    index.mkdir()


@pytest.mark.parametrize(
    ("change", "consistent"),
    [
        (replace, True),
        (delete, True),
        (exchange_for_a_folder, True),
        (overwrite, False),
        (truncate, False),
        (fill, False),
        (append, False),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_an_index_that_changes_while_images_are_judged(
    life: Life, change: t.Callable[[Path, Path], None], consistent: bool
) -> None:
    """Fools whoever reads half of the old data and half of the new, which say nothing of each other's packages."""
    fleet(life)
    index = life.feed((*FEED, OTHERS)[:2])
    clean = life.feed((OTHERS,))
    with FeedIndex.open(str(index)) as opened:
        serial = opened.info.serial
    changed: list[bool] = []

    def beat(_line: str) -> None:
        if not changed:
            changed.append(True)
            change(index, clean)

    found: list[Judged] = []
    with open_store(life.store) as store, FeedIndex.open(str(index)) as opened:
        judging = Judging(store, POLICIES, [], opened, now=life.now, beat=beat)
        outcome: t.ContextManager[t.Any] = contextlib.nullcontext() if consistent else pytest.raises(CorruptData)
        with outcome as caught:
            found = judging.run(None)
        if not consistent:
            assert caught.value.code in ("feed-index-changed", "feed-index-corrupt")
            assert store.verdicts.in_force([image.key for image in store.images.all()]) == [], (
                "kept, of data that nobody had"
            )
    assert changed
    assert {one.feed for one in found} <= {serial}
    # The first has nothing that is vulnerable.
    assert sorted(one.verdict for one in found) == (["failed"] * 2 + ["passed"] if consistent else [])


# -- clocks that differ --


@trap_and_twin
def test_a_scan_that_a_wrong_clock_stamped_is_done_again(
    life: Life, trap: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fools whoever compares ages alone: what was scanned next year is younger than anything, and stays."""
    present = datetime.datetime.now(datetime.timezone.utc)
    stamp = present + datetime.timedelta(days=365 if trap else 0)
    life.push(Situation())
    with monkeypatch.context() as patch:
        patch.setattr(scan_book, "now_text", lambda: stamp.strftime("%Y-%m-%dT%H:%M:%SZ"))
        life.scan()
    for max_age in (None, 30.0):
        with open_store(life.store) as store:
            (image,) = store.images.all()
            book = StoreBook(store, Progress(), max_age=max_age, platforms=[])
            assert book.is_current(image.digest) is not trap
    index = life.feed()
    assert life.judge(index).codes == (("scan-time",) if trap else ())
    life.scan()
    assert life.judge(index, later=1).verdict == "passed"


@pytest.mark.parametrize("ahead", [-13.0, -1.0, 1.0, 24.0, 24 * 365.0])
def test_an_index_from_the_future_is_not_young(life: Life, ahead: float) -> None:
    """A feed that was checked tomorrow would be left alone until then."""
    index = life.feed(age=-ahead)
    folder = life.folder / "feed-1"
    sources = sources_of(str(folder / "feed"), str(folder / "repository-to-cpe.json"))
    assert (young_index(str(index), 12, life.now, sources, CSAF) is not None) is (-12 <= ahead <= 0)


@pytest.mark.parametrize("ahead", [0.1, 1.0, 24.0, 24 * 365.0])
def test_data_from_the_future_is_of_an_unknown_time(life: Life, ahead: float) -> None:
    life.push(Situation())
    life.scan()
    found = life.judge(life.feed(age=-ahead))
    assert (found.verdict, found.codes) == (("passed", ()) if ahead == 0.1 else ("inconclusive", ("feed-time",)))
