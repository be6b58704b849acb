# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging with an index for each distribution: which one an image is judged by, and what stays in force."""

from __future__ import annotations

import contextlib
import datetime
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import inventory_to_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Inventory
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import named
from ansible_collections.imagescan.openshift.plugins.module_utils._store.current import in_force
from ansible_collections.imagescan.openshift.plugins.module_utils._store.judging import Judged, Judging
from ansible_collections.imagescan.openshift.plugins.module_utils._store.model import StoredChild
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import Store, open_store
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.exceptions import load_exceptions
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.parsing import CSAF
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.tests.support import advisories as make
from ansible_collections.imagescan.openshift.tests.support import vex

NOW = datetime.datetime(2026, 8, 22, tzinfo=datetime.timezone.utc)
THEN = "2026-08-21T00:00:00Z"
POLICY = "- {name: all, vulnerabilities: {max_severity: moderate, min_documents: 0}}\n"
ALMA = "sha256:" + "a" * 64
ROCKY = "sha256:" + "b" * 64
RHEL = "sha256:" + "c" * 64
FEDORA = "sha256:" + "d" * 64
EMPTY = "sha256:" + "e" * 64
BOTH = "sha256:" + "f" * 64


def image(name: str, version: str, release: str) -> Inventory:
    return make.image(name, version, make.package(name, "openssl-libs", "3.0.7", release, epoch=1))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One patched image of AlmaLinux, RHEL and Fedora, one of Rocky Linux that is not, and one not scanned yet."""
    store = open_store(str(tmp_path / "store.db"))
    red_hats = make.image("rhel", "9.4", vex.rpm("openssl-libs-1:3.0.7-28.el9.x86_64"))
    for digest, inventory in (
        (ALMA, image("almalinux", "9.4", "28.el9")),
        (ROCKY, image("rocky", "9.4", "27.el9")),
        (RHEL, red_hats),
        (FEDORA, image("fedora", "42", "28.fc42")),
    ):
        values = inventory_to_dict(inventory)
        store.inventories.record(digest, f"r.example/a@{digest}", values, platform="linux/amd64", scanned_at=THEN)
    children = [StoredChild(ALMA, "linux/amd64"), StoredChild(EMPTY, "linux/arm64")]
    store.images.record_index(BOTH, "r.example/a:1", children, wanted_platforms=[], now=THEN)
    return store


@pytest.fixture
def index(tmp_path: Path) -> t.Iterator[t.Callable[[str], FeedIndex]]:
    """The index of a distribution, checked in another hour each."""
    sources = {
        "almalinux": (make.OSV, "2026-08-21T01:00:00Z"),
        "rocky": (make.updateinfo("rocky:9"), "2026-08-21T02:00:00Z"),
        "rhel": (CSAF, "2026-08-21T03:00:00Z"),
    }
    make.write_records(tmp_path / "almalinux", make.record("ALSA-2026:1", ("openssl-libs", "1:3.0.7-28.el9")))
    make.write_repository(
        tmp_path / "rocky", make.updates(make.advisory("RLSA-2026:1", "openssl-libs-1:3.0.7-28.el9.x86_64"))
    )
    fix = vex.fixed(vex.MAIN_9, "openssl-libs", "1:3.0.7-28.el9")
    vex.write_feed(tmp_path / "rhel", vex.document("CVE-2026-1001", fix))
    with contextlib.ExitStack() as stack:

        def opened(name: str) -> FeedIndex:
            form, checked = sources[name]
            path = tmp_path / f"{name}.idx"
            make.build(tmp_path / name, path, form, now=checked)
            return stack.enter_context(FeedIndex.open(str(path)))

        yield opened


def judged(store: Store, *indexes: FeedIndex, later: int = 0, exceptions: str = "", **more: t.Any) -> dict[str, Judged]:
    now = NOW + datetime.timedelta(hours=later)
    entries = load_exceptions(exceptions, "test")
    found = Judging(store, load_policies(POLICY, "test"), entries, indexes, now=now, **more).run(None)
    return {one.key: one for one in found}


def codes(one: Judged) -> list[str]:
    return [reason["code"] for reason in one.document["reasons"]]


def test_each_image_is_judged_by_its_own_distributions_data(store: Store, index: t.Callable[[str], FeedIndex]) -> None:
    indexes = [index(name) for name in ("rhel", "rocky", "almalinux")]
    for order in (indexes, indexes[::-1]):
        found = judged(store, *order)
        assert {key: one.verdict for key, one in found.items()} == {
            ALMA: "passed",
            ROCKY: "failed",
            RHEL: "passed",
            FEDORA: "inconclusive",
            BOTH: "inconclusive",
        }
        serials = {one.info.distributions[0]: one.info.serial for one in indexes}
        assert [found[key].feed for key in (ALMA, ROCKY, RHEL)] == [
            serials[name] for name in ("almalinux", "rocky", "rhel")
        ]
        assert "feed-fixes-only" in codes(found[ALMA])
        assert "feed-fixes-only" not in codes(found[RHEL])
        assert "distribution-not-covered" in codes(found[FEDORA])
        assert "not_scanned_yet" in codes(found[BOTH])


def test_two_indexes_of_one_distribution_are_refused(
    store: Store, index: t.Callable[[str], FeedIndex], tmp_path: Path
) -> None:
    other = make.write_repository(
        tmp_path / "other", make.updates(make.advisory("ALSA-2026:1", "openssl-libs-1:3.0.7-28.el9.x86_64"))
    )
    make.build(other, tmp_path / "other.idx", make.updateinfo("almalinux:9"))
    with FeedIndex.open(str(tmp_path / "other.idx")) as second, pytest.raises(InputError, match="almalinux") as caught:
        judged(store, index("almalinux"), second)
    assert caught.value.code == "index-twice"


def test_what_another_distributions_data_says_does_not_outlast_the_own(
    store: Store, index: t.Callable[[str], FeedIndex]
) -> None:
    """Red Hat's data was checked later than AlmaLinux's, and knows nothing of the image all the same."""
    assert judged(store, index("rhel"))[ALMA].verdict == "inconclusive"
    found = judged(store, index("rhel"), index("almalinux"), later=1)[ALMA]
    assert (found.verdict, found.state) == ("passed", "changed")
    # And it does not stay when the index that it came from is not given any more.
    assert judged(store, index("rhel"), later=2)[ALMA].verdict == "inconclusive"


def test_reports_know_the_newest_data_that_was_used(store: Store, index: t.Callable[[str], FeedIndex]) -> None:
    judged(store, *(index(name) for name in ("almalinux", "rocky", "rhel")))
    found = in_force(store, None)
    assert found.feed is not None
    assert (found.feed.checked, found.feed.distributions) == ("2026-08-21T03:00:00Z", ("rhel", "rhcos"))


# What passed with newer data, and older data today.

FLAW = vex.fixed(vex.MAIN_9, "openssl-libs", "1:3.0.7-28.el9", severity="Important")
AMD = ["linux/amd64"]


class Shared:
    """A store with an image of RHEL in an index, judged with data that were checked at one hour or a later one."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.store = stack.enter_context(open_store(str(folder / "shared.db")))
        self._folder, self._stack = folder, stack
        children = [StoredChild(RHEL, "linux/amd64"), StoredChild(EMPTY, "linux/arm64")]
        self.store.images.record_index(BOTH, "r.example/a:1", children, wanted_platforms=[], now=THEN)

    def put(self, release: str, at: str = THEN, **more: t.Any) -> None:
        found = make.image("rhel", "9.4", vex.rpm(f"openssl-libs-1:3.0.7-{release}.x86_64"))
        values = {**inventory_to_dict(found), **more}
        self.store.inventories.record(RHEL, f"r.example/a@{RHEL}", values, platform="linux/amd64", scanned_at=at)

    def data(self, hour: int, *said: vex.Says) -> FeedIndex:
        folder = self._folder / f"checked-{hour}"
        vex.write_feed(folder, vex.document("CVE-2026-1001", *(said or (FLAW,))))
        make.build(folder, self._folder / f"{hour}.idx", CSAF, now=f"2026-08-21T{hour:02}:00:00Z")
        return self._stack.enter_context(FeedIndex.open(str(self._folder / f"{hour}.idx")))

    def report(self, day: str = "2026-08-22") -> dict[str, str]:
        found = in_force(self.store, None, datetime.date.fromisoformat(day)).documents
        return {one["digest"]: one["verdict"] for one in found}


@pytest.fixture
def shared(tmp_path: Path) -> t.Iterator[Shared]:
    with contextlib.ExitStack() as stack:
        yield Shared(tmp_path, stack)


ACCEPTED = "- {id: CVE-2026-1001, reason: tested, expires: 2026-08-22}\n"
ALL = (RHEL, BOTH)


@pytest.mark.parametrize(
    ("later", "exceptions", "verdict"),
    [(1, ACCEPTED, "passed"), (24, ACCEPTED, "failed"), (1, "", "failed"), (24, "", "failed")],
    ids=["holds", "expired", "withdrawn", "withdrawn-and-a-day-later"],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_what_passed_by_an_exception_passes_by_it_alone(
    shared: Shared, later: int, exceptions: str, verdict: str, dry_run: bool
) -> None:
    """With older data, too, and so does an index of it; what is said is what a report then shows."""
    shared.put("27.el9")
    old, new = shared.data(1), shared.data(2)
    first = judged(shared.store, new, exceptions=ACCEPTED, platforms=AMD)
    assert [first[key].verdict for key in ALL] == ["passed"] * 2
    found = judged(shared.store, old, later=later, exceptions=exceptions, platforms=AMD, dry_run=dry_run)
    assert [found[key].verdict for key in ALL] == [verdict] * 2
    if not dry_run:
        assert [shared.report()[key] for key in ALL] == [verdict] * 2


def test_what_newer_data_passed_stays_for_an_index_as_for_its_image(shared: Shared) -> None:
    """Newer data took the statement back: older data make neither of the two worse."""
    shared.put("27.el9")
    old, new = shared.data(1), shared.data(2, vex.not_affected(vex.MAIN_9, "openssl-libs"))
    assert [judged(shared.store, new, platforms=AMD)[key].verdict for key in ALL] == ["passed"] * 2
    found = judged(shared.store, old, later=1, platforms=AMD)
    assert [(found[key].state, found[key].verdict) for key in ALL] == [
        ("superseded", "passed"),
        ("unchanged", "passed"),
    ]
    assert [shared.report()[key] for key in ALL] == ["passed"] * 2


def test_what_was_scanned_again_is_judged_by_what_was_seen(shared: Shared) -> None:
    shared.put("28.el9")
    old, new = shared.data(1), shared.data(2)
    assert [judged(shared.store, new, platforms=AMD)[key].verdict for key in ALL] == ["passed"] * 2
    shared.put("27.el9", at="2026-08-22T00:30:00Z")
    found = judged(shared.store, old, later=1, platforms=AMD)
    assert [(found[key].state, found[key].verdict) for key in ALL] == [("changed", "failed")] * 2
    assert [shared.report()[key] for key in ALL] == ["failed"] * 2


def test_what_passed_by_an_exception_is_not_passed_by_data_that_know_less(shared: Shared) -> None:
    """Nothing is found now, with older data, and the newer verdict passed by what has expired since."""
    shared.put("27.el9")
    old, new = shared.data(1, vex.not_affected(vex.MAIN_9, "openssl-libs")), shared.data(2)
    judged(shared.store, new, exceptions=ACCEPTED, platforms=AMD)
    found = judged(shared.store, old, later=24, exceptions=ACCEPTED, platforms=AMD)
    assert (found[RHEL].state, found[RHEL].document["verdict"]) == ("superseded", "inconclusive")
    assert [found[key].verdict for key in ALL] == ["inconclusive"] * 2
    assert [shared.report("2026-08-23")[key] for key in ALL] == ["inconclusive"] * 2


def test_what_a_clock_that_is_behind_finds_is_no_better(shared: Shared) -> None:
    """The verdicts in force were made later than now; an image of the index was scanned again after both."""
    shared.put("28.el9")
    new = shared.data(2)
    judged(shared.store, new, later=2, platforms=AMD)
    shared.put("27.el9", at="2026-08-22T03:00:00Z")
    found = judged(shared.store, new, later=1, platforms=AMD)
    assert [found[key].verdict for key in ALL] == ["inconclusive"] * 2
    assert [shared.report()[key] for key in ALL] == ["inconclusive"] * 2


def test_an_index_is_inconclusive_when_one_of_its_images_was_judged_anew_alone(shared: Shared) -> None:
    shared.put("27.el9")
    data = shared.data(1)
    judged(shared.store, data, exceptions=ACCEPTED, platforms=AMD)
    Judging(shared.store, load_policies(POLICY, "test"), [], data, now=NOW + datetime.timedelta(hours=1)).run(
        [named(RHEL)]
    )
    assert [shared.report()[key] for key in ALL] == ["failed", "inconclusive"]
