# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps in names: one name that several images have had. A name must not pass by an image that it may not have now.

From what a cluster and a registry tell to the report and the deny list, nothing replaced. Each trap has a twin that
differs in one thing.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import itertools
import json
import random
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.times import exact_now_text
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery import images
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.cluster import Cluster as SearchedCluster
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.search import ImageFilter, discover
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source import openshift, workloads
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.plan import PlanOptions, Seen, make_plan
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.manifests import OCI_MANIFEST
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import named, request_of
from ansible_collections.imagescan.openshift.plugins.module_utils._store.current import in_force
from ansible_collections.imagescan.openshift.plugins.module_utils._store.flagging import read_snapshot
from ansible_collections.imagescan.openshift.plugins.module_utils._store.judging import Judging
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import open_store
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import (
    INTERNAL,
    OPENSHIFT,
    PUBLIC,
    RecordedClient,
    digest,
    image,
    index,
    pod,
    stream,
)
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server
from ansible_collections.imagescan.openshift.tests.support.verdict_store import POLICY, VerdictStore

Object = dict[str, t.Any]
NAME = "registry.example.com/shop/app:1"
GOOD, BAD, OTHER = digest("a"), digest("b"), digest("c")
trap_and_twin = pytest.mark.parametrize("trap", [True, False], ids=["trap", "twin"])


def imported(namespace: str, *digests: str, name: str = NAME, at: str = "2026-01-01T00:00:00Z") -> Object:
    """An image stream whose tag ``1`` was imported from a name; the newest of its images first."""
    repository = name.rpartition(":")[0]
    source = {"name": "1", "from": {"kind": "DockerImage", "name": name}, "generation": 2}
    made = stream(namespace, "app", [source], **{"1": [(one, f"{repository}@{one}") for one in digests]})
    for item in made["status"]["tags"][0]["items"]:
        item["created"] = at
    return made


@dataclasses.dataclass
class Cluster:
    """A cluster, a store that sees it for the first time unless told otherwise, and the verdicts on its images."""

    folder: Path
    verdicts: t.Mapping[str, str]
    access: Access = dataclasses.field(default_factory=lambda: Access(retries=0))
    name: str = "east"

    def find(self, streams: t.Sequence[Object], pods: t.Sequence[Object] = (), *, ask: bool = False) -> list[Object]:
        """What ``image_info`` returns as its images."""
        objects = [image(letter) for letter in "abcde"]
        if digest("d") in self.verdicts:
            objects[3] = index("d", a="amd64", b="arm64")
        lists = {
            f"{images.PREFIX}/images": objects,
            f"{images.PREFIX}/imagestreams": streams,
            "/api/v1/pods": pods,
        }
        searched = SearchedCluster(t.cast("t.Any", RecordedClient(lists, OPENSHIFT)))
        read = openshift.gather(openshift.StreamQuery(), searched)
        uses = workloads.gather(workloads.WorkloadQuery(["pods"]), searched).uses
        catalogue = dataclasses.replace(read.catalogue, cluster=self.name)
        found = discover(read.named, self.access, wish=ImageFilter(ask=ask), catalogue=catalogue, uses=uses)
        return [{**vars(one), "reference": one.references[0]} for one in found.found]

    def keep(self, found: t.Sequence[Object], store: str = "store") -> None:
        """Keep the names as ``image_scan`` does, in this order, and the verdicts."""
        kept = VerdictStore(self.folder / store)
        kept.put({one: verdict for one, verdict in self.verdicts.items() if one != digest("d")}, {})
        if digest("d") in self.verdicts:
            kept.index(digest("d"), [digest("a"), digest("b")], self.verdicts[digest("d")])
        with open_store(str(self.folder / store)) as opened:
            for one in found:
                opened.images.record_names(request_of(one).sightings, now=exact_now_text())

    def report(self, store: str = "store") -> dict[str, set[str]]:
        """Name -> the verdicts under which the report has it."""
        found: dict[str, set[str]] = {}
        with open_store(str(self.folder / store), read_only=True) as opened:
            for document in in_force(opened, None).documents:
                for name in document["references"]:
                    found.setdefault(name, set()).add(document["verdict"])
        return found

    def denied(self, store: str = "store", listed: t.Collection[str] = ()) -> tuple[set[str], set[str]]:
        """Names that a run of flags puts on the deny list, and those of ``listed`` that it takes off."""
        now = datetime.datetime.now(datetime.timezone.utc)
        with open_store(str(self.folder / store), read_only=True) as opened:
            snapshot = read_snapshot(opened, None, [POLICY], now=now)
        before = make_plan(snapshot, Seen(denied={}), PlanOptions(), _Nothing(), now=now)
        entries = dict.fromkeys(listed, next(iter(before.set_references.values()), None))
        seen = Seen(denied=before.set_digests, listed=t.cast("t.Any", entries))
        after = make_plan(snapshot, seen, PlanOptions(), _Nothing(), now=now)
        return set(before.set_references), set(after.clear_references)

    def judged(self, name: str, store: str = "store") -> set[str]:
        """What judging by a name says: the verdicts of all that ends in one."""
        now = datetime.datetime.now(datetime.timezone.utc)
        with open_store(str(self.folder / store), read_only=True) as opened:
            found = Judging(opened, [POLICY], (), None, now=now, dry_run=True).run([named(name)])
        return {reason["code"] for one in found for reason in one.document["reasons"]}


class _Nothing:
    """Nothing runs."""

    images: frozenset[str] = frozenset()

    def images_of(self, names: t.Iterable[str]) -> frozenset[str]:
        """None of them."""
        return frozenset()


@trap_and_twin
@pytest.mark.parametrize("first", ["good", "bad"])
def test_an_old_import_hides_what_was_pushed_since(tmp_path: Path, trap: bool, first: str) -> None:
    """Fools whoever takes the name of an import for one that the image has now: both images have it, one passes.

    The twin imported the same image twice.
    """
    cluster = Cluster(tmp_path, {GOOD: "passed", BAD: "failed"})
    streams = [imported("one", GOOD), imported("two", BAD if trap else GOOD, at="2026-01-02T00:00:00Z")]
    cluster.keep(cluster.find(streams if first == "good" else streams[::-1]))
    assert cluster.report().get(NAME) == ({"failed"} if trap else None)
    assert cluster.report()[f"{NAME}@{GOOD}"] == {"passed"}
    names = {NAME, f"{INTERNAL}/two/app:1"}
    assert names & cluster.denied()[0] == (names if trap else set())
    assert "name-unconfirmed" in cluster.judged(NAME)


@trap_and_twin
def test_one_image_of_an_index_takes_its_name(tmp_path: Path, trap: bool) -> None:
    """Fools whoever gives a name to the one image that an import kept of an index (importMode: Legacy).

    In the twin the other image of the index passes, too.
    """
    verdict = "failed" if trap else "passed"
    cluster = Cluster(tmp_path, {GOOD: "passed", BAD: verdict, digest("d"): verdict})
    cluster.keep(cluster.find([imported("one", GOOD), imported("two", digest("d"))]))
    assert cluster.report().get(NAME) == ({"failed"} if trap else None)
    assert (NAME in cluster.denied()[0]) is trap


@trap_and_twin
def test_a_pod_of_yesterday_speaks_for_its_name(tmp_path: Path, trap: bool) -> None:
    """Fools whoever takes what a pod was started with for what its tag means now: the stream was pushed to since.

    In the twin nobody pushed.
    """
    cluster = Cluster(tmp_path, {GOOD: "passed", BAD: "failed"})
    name = f"{INTERNAL}/shop/app:1"
    now = BAD if trap else GOOD
    streams = [stream("shop", "app", (), **{"1": [(now, f"{INTERNAL}/shop/app@{now}")]})]
    ran = pod("shop", "p", {"main": (name, f"{INTERNAL}/shop/app@{GOOD}")})
    ran["status"]["containerStatuses"][0]["state"] = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    cluster.keep(cluster.find(streams, [ran]))
    assert cluster.report()[name] == {"failed" if trap else "passed"}
    assert (name in cluster.denied()[0]) is trap
    assert "name-unconfirmed" not in cluster.judged(name)


@trap_and_twin
def test_another_cluster_has_a_good_image_of_that_name(tmp_path: Path, trap: bool) -> None:
    """Fools whoever takes the integrated registries of two clusters for one: the later run clears the other's name.

    In the twin it is the same cluster, whose tag was moved.
    """
    cluster = Cluster(tmp_path, {GOOD: "passed", BAD: "failed"})
    name = f"{INTERNAL}/shop/app:1"
    for now, place in ((BAD, "east"), (GOOD, "west" if trap else "east")):
        cluster.name = place
        cluster.keep(cluster.find([stream("shop", "app", (), **{"1": [(now, f"{INTERNAL}/shop/app@{now}")]})]))
    assert cluster.report()[name] == {"failed" if trap else "passed"}
    assert cluster.denied(listed=[name]) == (({name}, set()) if trap else (set(), {name}))


def manifest(letter: str) -> bytes:
    """A manifest that says nothing."""
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "note": letter}).encode()


@trap_and_twin
def test_a_name_is_lifted_by_the_word_of_its_registry_alone(tmp_path: Path, trap: bool) -> None:
    """Fools whoever lifts a name because its image was imported last: only the registry knows what it is now.

    In the twin the registry answers.
    """
    good, bad = (f"sha256:{hashlib.sha256(manifest(one)).hexdigest()}" for one in ("good", "bad"))
    cluster = Cluster(tmp_path, {good: "passed", bad: "failed"})

    def answer(request: Request) -> Answer:
        found = not trap and request.target == "/v2/shop/app/manifests/1"
        return Answer(200, manifest("good"), {"Content-Type": OCI_MANIFEST}) if found else Answer(404)

    with running_server(answer) as server:
        cluster.access = Access(plain_http=(server.host,), retries=0)
        name = f"{server.host}/shop/app:1"
        moved = imported("one", good, bad, name=name, at="2026-01-02T00:00:00Z")
        cluster.keep(cluster.find([imported("one", bad, name=name)]))
        assert cluster.denied()[0] == {name, f"{INTERNAL}/one/app:1", PUBLIC_NAME}
        found = cluster.find([moved], ask=True)
        cluster.keep(found)
    assert cluster.report()[name] == ({"failed"} if trap else {"passed"})
    assert cluster.denied(listed=[name])[1] == (set() if trap else {name})
    assert ("name-unconfirmed" in cluster.judged(name)) is trap


PUBLIC_NAME = f"{PUBLIC}/one/app:1"


@trap_and_twin
def test_whoever_tells_of_a_push_moves_a_name(tmp_path: Path, trap: bool) -> None:
    """Fools whoever believes a webhook: it says that the name of a failed image has a good one now.

    In the twin the registry said so when it was polled.
    """
    cluster = Cluster(tmp_path, {GOOD: "passed", BAD: "failed"})
    cluster.keep([{"digest": BAD, "reference": NAME, "names": [told_by_registry()]}])
    names = {} if trap else {"names": [told_by_registry()]}
    cluster.keep([{"digest": GOOD, "reference": NAME, **names}])
    assert cluster.report()[NAME] == {"failed" if trap else "passed"}
    assert cluster.denied(listed=[NAME]) == (({NAME}, set()) if trap else (set(), {NAME}))


def told_by_registry() -> dict[str, str]:
    """The registry answered just now."""
    return {"reference": NAME, "source": "registry", "seen": exact_now_text()}


def test_no_order_of_reading_changes_a_report_or_a_deny_list(tmp_path: Path) -> None:
    """Six streams in all orders; what is found of their names is written in the order in which it was read."""
    cluster = Cluster(tmp_path, {GOOD: "passed", BAD: "failed", OTHER: "inconclusive"})
    streams = [
        imported("one", GOOD),
        imported("two", BAD, at="2026-01-02T00:00:00Z"),
        imported("three", OTHER, GOOD, at="2026-01-03T00:00:00Z"),
        imported("four", GOOD, BAD, at="2026-01-04T00:00:00Z"),
        stream(
            "shop", "app", (), **{"1": [(BAD, f"{INTERNAL}/shop/app@{BAD}"), (GOOD, f"{INTERNAL}/shop/app@{GOOD}")]}
        ),
        imported("five", OTHER, name="registry.example.com/shop/other:1"),
    ]

    def told(found: t.Iterable[Object]) -> set[tuple[str, ...]]:
        return {(one["digest"], *one["references"], *map(_without_begin, one["names"])) for one in found}

    orders = list(itertools.permutations(streams))
    expected = told(cluster.find(streams))
    assert all(told(cluster.find(order)) == expected for order in orders)
    found = cluster.find(streams)
    random.seed(13)
    results = []
    for number in range(12):
        random.shuffle(found)
        cluster.keep(found, f"store-{number}")
        results.append((cluster.report(f"store-{number}"), cluster.denied(f"store-{number}", listed=[NAME])))
    assert all(one == results[0] for one in results)
    assert results[0][0][NAME] == {"failed", "inconclusive"}
    assert results[0][1] == (
        {NAME, *(f"{host}/{place}" for host in HOSTS for place in ("two/app:1", "shop/app:1"))},
        set(),
    )


HOSTS = (INTERNAL, PUBLIC)


def _without_begin(one: Object) -> str:
    """Who told of a name; when, where that is not the begin of the search."""
    return json.dumps({**one, "seen": one["seen"] if one["source"] == "import" else ""}, sort_keys=True)
