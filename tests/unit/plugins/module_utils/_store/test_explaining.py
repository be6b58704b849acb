# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explanations of images in a store agree with their verdicts, and name policies and exceptions."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Problem
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import inventory_to_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Package, PackageDatabase
from ansible_collections.imagescan.openshift.plugins.module_utils._store.explaining import Explaining, Explanation
from ansible_collections.imagescan.openshift.plugins.module_utils._store.judging import Judging
from ansible_collections.imagescan.openshift.plugins.module_utils._store.model import StoredChild
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import Store, open_store
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.exceptions import load_exceptions
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import (
    DEFAULT_POLICY_TEXT,
    load_policies,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.tests.support.policies import for_small_feeds
from ansible_collections.imagescan.openshift.tests.support.vex import (
    MAIN_9,
    Feed,
    document,
    fixed,
    inventory,
    rpm,
    write_feed,
    write_map,
)

NOW = datetime.datetime(2026, 8, 22, tzinfo=datetime.timezone.utc)
SCANNED = "2026-08-21T00:00:00Z"
DIGEST = "sha256:" + "a" * 64
INDEX = "sha256:" + "c" * 64
CVE = "CVE-2026-1000"
FOREIGN = rpm("own-1-1.el9.x86_64", vendor="Example Ltd", key="1" * 16)
EXCEPTION = f"- {{id: {CVE}, reason: tested, owner: the owner, expires: 2027-01-01}}\n"
VENDOR = DEFAULT_POLICY_TEXT.replace(
    "accept_vendors: []", "accept_vendors: [{key_id: '1111111111111111', comment: ours}]"
)


class Situation:
    """A store with one image, and the data."""

    def __init__(self, folder: Path) -> None:
        self.store: Store = open_store(str(folder / "store.db"))
        said = fixed(MAIN_9, "tool", "0:1.0-3.el9", severity="Important")
        self.index = Feed(folder).index(document(CVE, said), repositories={"repo": [MAIN_9]})

    def put(self, *packages: Package, **more: t.Any) -> None:
        taken = inventory(*packages, repositories=["repo"])
        taken = dataclasses.replace(taken, database=PackageDatabase("rpmdb.sqlite", "sqlite", len(packages)))
        taken = dataclasses.replace(taken, **more)
        self.store.inventories.record(
            DIGEST, "r.example/a:1", inventory_to_dict(taken), platform="linux/amd64", scanned_at=SCANNED
        )

    def explain(
        self, vulnerability: str = "", *, policy: str = DEFAULT_POLICY_TEXT, exceptions: str = "", data: bool = True
    ) -> tuple[list[Explanation], dict[str, str]]:
        """Explanations, and the verdicts that judging gives."""
        policies = for_small_feeds(load_policies(policy, "policy"))
        with contextlib.ExitStack() as stack:
            indexes = [stack.enter_context(FeedIndex.open(str(self.index)))] if data else []
            judging = Judging(
                self.store, policies, load_exceptions(exceptions, "exceptions"), indexes, now=NOW, dry_run=True
            )
            images, children = judging.images(None)
            found = [Explaining(judging, policies).image(image, children, vulnerability) for image in images]
            return found, {one.key: one.verdict for one in judging.run(None)}


@pytest.fixture
def situation(tmp_path: Path) -> t.Iterator[Situation]:
    found = Situation(tmp_path)
    yield found
    found.store.close()


def test_a_verdict_is_explained_by_itself(situation: Situation) -> None:
    for build, verdict in (("1.0-2.el9", "failed"), ("1.0-3.el9", "passed")):
        situation.put(rpm(f"tool-{build}.x86_64"))
        (found,), verdicts = situation.explain()
        assert (found.outcome, verdicts) == (verdict, {DIGEST: verdict})
        assert f"Verdict: {verdict}" in found.lines
        assert "  nothing is known to be out of sight" in found.lines


def test_a_finding_is_explained_with_what_policies_make_of_it(situation: Situation) -> None:
    situation.put(rpm("tool-1.0-2.el9.x86_64"))
    (found,), _verdicts = situation.explain(CVE)
    assert found.outcome == "affected"
    assert any(line.startswith(f"  policy 'default': {CVE} in tool") for line in found.lines)
    lenient = DEFAULT_POLICY_TEXT.replace("max_severity: moderate", "max_severity: critical")
    (found,), _verdicts = situation.explain(CVE, policy=lenient)
    assert found.outcome == "affected"
    assert any("'default': not broken by it (allows at most critical" in line for line in found.lines)


def test_an_exception_is_named_and_one_that_has_expired_accepts_nothing(situation: Situation) -> None:
    situation.put(rpm("tool-1.0-2.el9.x86_64"))
    (found,), verdicts = situation.explain(CVE, exceptions=EXCEPTION)
    assert (found.outcome, verdicts[DIGEST]) == ("accepted", "passed")
    assert any("by the owner, until 2027-01-01: tested" in line for line in found.lines)
    (found,), verdicts = situation.explain(CVE, exceptions=EXCEPTION.replace("2027-01-01", "2026-08-21"))
    assert (found.outcome, verdicts[DIGEST]) == ("affected", "failed")
    assert any("expired" in line for line in found.lines)


def test_foreign_packages_are_named_with_the_entry_that_accepts_them(situation: Situation) -> None:
    situation.put(rpm("tool-1.0-3.el9.x86_64"), FOREIGN)
    (found,), _verdicts = situation.explain()
    assert found.outcome == "inconclusive"
    assert "    policy 'default': accepts no such key" in found.lines
    (found,), _verdicts = situation.explain(policy=VENDOR)
    assert found.outcome == "passed"
    assert "    policy 'default': accepted by its key (ours)" in found.lines


def test_what_cannot_be_judged_is_not_called_clean(situation: Situation) -> None:
    situation.put(rpm("tool-1.0-3.el9.x86_64"))
    (found,), verdicts = situation.explain(CVE, data=False)
    assert (found.outcome, verdicts[DIGEST]) == ("not_judged", "inconclusive")
    assert situation.explain(CVE)[0][0].outcome == "fixed"


UNREAD = (Problem("rpmdb-unreadable", "page 7 is damaged"),)
FIXED, OTHER = rpm("tool-1.0-3.el9.x86_64"), rpm("other-1-1.el9.x86_64")


@pytest.mark.parametrize(
    ("packages", "seen", "outcome"),
    [
        ([FIXED], {}, "fixed"),
        ([FIXED], {"problems": UNREAD}, "not_judged"),
        ([FIXED], {"database": PackageDatabase("rpmdb.sqlite", "sqlite", 2)}, "not_judged"),
        ([OTHER], {}, "not_mentioned"),
        ([OTHER], {"problems": UNREAD}, "not_judged"),
        ([], {"database": None, "problems": UNREAD}, "not_judged"),
        ([], {"database": None}, "not_judged"),
        ([OTHER], {"kind": "dpkg", "database": None}, "not_judged"),
        ([dataclasses.replace(FOREIGN, name="tool")], {}, "not_covered"),
        ([dataclasses.replace(FOREIGN, name="tool")], {"problems": UNREAD}, "not_judged"),
        ([rpm("tool-1.0-2.el9.x86_64")], {"problems": UNREAD}, "affected"),
    ],
)
def test_nothing_found_in_what_was_not_all_seen_is_not_judged(
    situation: Situation, packages: list[Package], seen: dict[str, t.Any], outcome: str
) -> None:
    situation.put(*packages, **seen)
    (found,), _verdicts = situation.explain(CVE)
    assert found.outcome == outcome
    assert any(line.startswith("Not judged") for line in found.lines) is (outcome == "not_judged")


def test_a_failed_scan_or_unread_data_leave_nothing_clean(situation: Situation, tmp_path: Path) -> None:
    situation.put(FIXED)
    situation.store.images.record_error(DIGEST, "", ScanError("cut", code="registry-error"), now=SCANNED)
    assert situation.explain(CVE)[0][0].outcome == "not_judged"
    situation.put(FIXED)
    assert situation.explain(CVE)[0][0].outcome == "fixed"
    feed = write_feed(tmp_path / "damaged", document(CVE, fixed(MAIN_9, "tool", "0:1.0-3.el9")))
    (feed / "2026" / "cve-2026-1001.json").write_text("{")
    repositories = write_map(tmp_path / "damaged.json", {"repo": [MAIN_9]})
    situation.index = tmp_path / "damaged.idx"
    build_index(str(feed), str(situation.index), repository_map=str(repositories), now=SCANNED)
    assert situation.explain(CVE)[0][0].outcome == "not_judged"


def test_what_is_accepted_is_not_all_where_not_all_was_seen(situation: Situation) -> None:
    for problems, outcome in (((), "accepted"), (UNREAD, "not_judged")):
        situation.put(rpm("tool-1.0-2.el9.x86_64"), problems=problems)
        assert situation.explain(CVE, exceptions=EXCEPTION)[0][0].outcome == outcome


def test_an_id_may_be_written_in_lower_case(situation: Situation) -> None:
    situation.put(rpm("tool-1.0-2.el9.x86_64"))
    (found,), _verdicts = situation.explain(CVE.lower())
    assert (found.id, found.outcome) == (CVE, "affected")


def test_an_index_leads_to_its_images(situation: Situation) -> None:
    situation.put(rpm("tool-1.0-3.el9.x86_64"))
    situation.store.images.record_index(
        INDEX, "r.example/a:2", [StoredChild(DIGEST, "linux/amd64")], wanted_platforms=[], now=SCANNED
    )
    found, _verdicts = situation.explain()
    assert [one.outcome for one in found] == ["passed", "index"]
    assert f"  linux/amd64: {DIGEST}" in found[1].lines
