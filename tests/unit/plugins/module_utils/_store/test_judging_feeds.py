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
from ansible_collections.imagescan.openshift.plugins.module_utils._errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._rpm.model import Inventory
from ansible_collections.imagescan.openshift.plugins.module_utils._rpm.serial import inventory_to_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._store.judging import Judged, Judging, in_force
from ansible_collections.imagescan.openshift.plugins.module_utils._store.model import Child
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import Store, open_store
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.parsing import CSAF
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.tests.support import advisories as make
from ansible_collections.imagescan.openshift.tests.support import vex

NOW = datetime.datetime(2026, 8, 22, tzinfo=datetime.timezone.utc)
THEN = "2026-08-21T00:00:00Z"
POLICY = "- {name: all, vulnerabilities: {max_severity: moderate}}\n"
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
        store.record_inventory(digest, f"r.example/a@{digest}", values, platform="linux/amd64", scanned_at=THEN)
    children = [Child(ALMA, "linux/amd64"), Child(EMPTY, "linux/arm64")]
    store.record_index(BOTH, "r.example/a:1", children, wanted_platforms=[], now=THEN)
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


def judged(store: Store, *indexes: FeedIndex, later: int = 0) -> dict[str, Judged]:
    now = NOW + datetime.timedelta(hours=later)
    found = Judging(store, load_policies(POLICY, "test"), [], indexes, now=now).run(None)
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
