# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused and what goes on where the role ``enforce`` was run, on a real cluster, with the shipped accounts."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
import time
import typing as t

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import images
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.drill import Drill, DrillRow, drill
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.drill_cases import Images
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.lists import (
    clear_entries,
    pass_entries,
    read_lists,
    set_entries,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.lists import Entry
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts, accounts_in
from ansible_collections.imagescan.openshift.tests.cluster.enforced import (
    Enforced,
    deployment,
    evict,
    failures,
    pod,
    pods_of,
    running,
    until,
)
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.scans import Scans, by_pods, write_images

URL = "https://reports.example.invalid/why?digest=1"
TEXT = f"policy base: 3 critical vulnerabilities (fix_available), see {URL}"
KINDS = {
    *("Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController"),
    *("PodTemplate", "DeploymentConfig", "Build", "BuildConfig"),
}

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


@dataclasses.dataclass(frozen=True)
class Place:
    """An installation with the accounts of ``setup``, and somebody who works in its namespaces."""

    enforced: Enforced
    accounts: Accounts
    tenant: KubernetesClient
    image: str

    @property
    def cluster(self) -> KubernetesCluster:
        """The cluster."""
        return self.enforced.cluster

    @property
    def flagger(self) -> KubernetesClient:
        """The account of the step ``flag``."""
        return connect(Connection(kubeconfig=str(self.accounts.flag)))

    def flag(self, *digests: str, grace_until: str = "", references: t.Collection[str] = ()) -> None:
        """Deny exactly these."""
        client = self.flagger
        lists = read_lists(client, self.enforced.name)
        wanted = {digest: Entry(TEXT, grace_until) for digest in digests}
        named = {reference: Entry(TEXT, grace_until) for reference in references}
        clear_entries(client, set_entries(client, lists, wanted, named).lists, wanted, named)

    def tries(self, document: dict[str, t.Any], namespace: str = "", **params: str) -> str:
        """What the tenant is told who creates a pod; empty if it is made."""
        path = f"/api/v1/namespaces/{namespace or self.enforced.work}/pods"
        answer = self.tenant.attempt("POST", path, document, params)
        return "" if answer.status == 201 else str(answer.value.get("message"))

    def refuses(self, document: dict[str, t.Any]) -> bool:
        """Whether a dry run is refused by our policy."""
        return "is refused: policy base" in self.tries(document, dryRun="All")


def digest_of(reference: str) -> str:
    """The digest in a reference."""
    return reference.partition("@")[2]


def sample(text: str) -> str:
    """A digest that no image has."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def later(seconds: float) -> str:
    """A time, as entries of lists have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


@pytest.fixture(scope="module")
def place(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Place]:
    """The role, run once."""
    cluster.install_openshift_kinds()
    name = f"enf-{secrets.token_hex(4)}"
    home = tmp_path_factory.mktemp("enforced")
    enforced = Enforced(cluster, name, home)
    # An image of our own that runs, since the scanner's own is not to be flagged.
    cluster.create_namespace(enforced.work)
    cluster.create_namespace(enforced.strict)
    with accounts_in(cluster, name, home) as accounts:
        try:
            assert enforced.do("enforce") > 0
            tenant = enforced.user("tenant", enforced.work)
            yield Place(enforced, accounts, tenant, cluster.scanner_reference)
        finally:
            enforced.remove()
            for namespace in (enforced.work, enforced.strict, name):
                cluster.remove_namespace(namespace)


@pytest.fixture
def flags(place: Place) -> t.Iterator[Place]:
    """The place; nothing is flagged afterwards, and nothing runs."""
    yield place
    place.flag()
    kinds = "deployments,pods"
    options = ("--all", f"--namespace={place.enforced.work}", "--grace-period=0", "--force", "--wait=true")
    place.cluster.kubectl("delete", kinds, *options)


def drilled(place: Place, digest: str, reference: str) -> list[DrillRow]:
    """Dry runs of every way in, as the tenant."""
    wanted = Images(digest=digest, references=(reference,))
    where = Drill(place.enforced.work, wanted, f"{place.enforced.name}-deny", "deny", targets=True)
    told: list[str] = []
    rows = drill(place.tenant, where, told.append)
    assert not told
    return rows


def test_a_flagged_image_is_refused_on_every_way_and_allowed_when_cleared(flags: Place) -> None:
    digest, reference = sample("every way"), "docker.io/library/every-way:latest"
    flags.flag(digest, references=[reference])
    probe = pod("probe", f"registry.example/app@{digest}")
    until(lambda: flags.refuses(probe))
    rows = drilled(flags, digest, reference)
    listed = [row for row in rows if "by the ID" not in row.way]  # which are refused without any list
    claimed = [row for row in listed if row.claimed]
    tried = {row.kind for row in claimed}
    assert tried == KINDS
    assert len(claimed) > 60
    for row in claimed:
        assert row.outcome == "refused", row
        assert row.code == 403
        assert f"ValidatingAdmissionPolicy '{flags.enforced.name}-deny'" in row.message
        assert TEXT in row.message
    words = " ".join(row.way for row in claimed)
    for way in ("init", "ephemeral", "volume", "tag and digest", "listed reference", "forged owner"):
        assert way in words
    # Not only in dry runs.
    assert TEXT in flags.tries(probe)

    flags.flag()
    cleared = until(lambda: not flags.tries(probe, dryRun="All"), 10)
    assert cleared < 2
    left = [row.way for row in drilled(flags, digest, reference) if row.outcome == "refused"]
    assert left == ["container, by the ID that a node keeps it under"]


def test_a_deployment_whose_image_is_flagged_gets_no_new_pod_and_says_why(flags: Place) -> None:
    work, cluster = flags.enforced.work, flags.cluster
    cluster.apply(deployment("app", flags.image), namespace=work)
    until(lambda: len(running(cluster, work, "app")) == 1, 120)
    flags.flag(digest_of(flags.image))
    until(lambda: flags.refuses(pod("probe", flags.image)))

    cluster.kubectl("scale", f"--namespace={work}", "deployment/app", "--replicas=3")
    until(lambda: TEXT in failures(cluster, work, "app"), 30)
    assert len(pods_of(cluster, work, "app")) == 1
    cluster.kubectl("scale", f"--namespace={work}", "deployment/app", "--replicas=2")

    flags.flag()
    until(lambda: len(pods_of(cluster, work, "app")) == 2, 60)
    cluster.kubectl("scale", f"--namespace={work}", "deployment/app", "--replicas=0")


def test_what_runs_goes_on_when_its_image_is_flagged(flags: Place) -> None:
    work, cluster, here = flags.enforced.work, flags.cluster, f"--namespace={flags.enforced.work}"
    other = f"registry.example/other@{sample('other')}"
    cluster.apply(deployment("app", flags.image, 2), namespace=work)
    cluster.apply(pod("alone", flags.image), namespace=work)
    until(lambda: len(running(cluster, work, "app")) == 2, 120)
    cluster.kubectl("wait", here, "--for=condition=Ready", "--timeout=120s", "pod/alone")
    flags.flag(digest_of(flags.image), digest_of(other))
    until(lambda: flags.refuses(pod("probe", other)))

    cluster.kubectl("label", here, "pod/alone", "seen=yes")
    cluster.kubectl("annotate", here, "pod/alone", "seen=yes")
    finalizer = '{"metadata": {"finalizers": ["example.com/wait"]}}'
    cluster.kubectl("patch", here, "pod/alone", "--type=merge", f"--patch={finalizer}")
    cluster.kubectl("patch", here, "pod/alone", "--type=merge", '--patch={"metadata": {"finalizers": null}}')
    condition = '{"status": {"conditions": [{"type": "example.com/seen", "status": "True"}]}}'
    cluster.kubectl("patch", here, "pod/alone", "--subresource=status", f"--patch={condition}")
    cluster.kubectl("label", here, "deployment/app", "seen=yes")
    cluster.kubectl("scale", here, "deployment/app", "--replicas=1")
    until(lambda: len(pods_of(cluster, work, "app")) == 1)

    for target in ("pod/alone", "deployment/app"):
        changed = cluster.kubectl("set", "image", here, target, f"main={other}", check=False)
        assert changed.returncode != 0
        assert TEXT in changed.stderr
    # The same flagged image in a new place is new, too.
    container = {"name": "second", "image": flags.image}
    added = json.dumps([{"op": "add", "path": "/spec/template/spec/containers/-", "value": container}])
    done = cluster.kubectl("patch", here, "deployment/app", "--type=json", f"--patch={added}", check=False)
    assert TEXT in done.stderr
    cluster.kubectl("delete", here, "pod/alone", "--wait=true")


def test_grace_lets_the_controllers_start_again_what_ran_until_it_ends(flags: Place) -> None:
    work, cluster = flags.enforced.work, flags.cluster
    cluster.apply(deployment("app", flags.image), namespace=work)
    until(lambda: len(running(cluster, work, "app")) == 1, 120)
    first = running(cluster, work, "app")
    ends = time.time() + 25
    flags.flag(digest_of(flags.image), grace_until=later(25))
    forged = pod(
        "forged",
        flags.image,
        ownerReferences=[{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "app", "uid": secrets.token_hex(8)}],
    )
    until(lambda: flags.refuses(forged))

    evict(cluster, work, first[0])
    until(lambda: len(pods_of(cluster, work, "app")) == 1 and running(cluster, work, "app") not in ([], first), 20)
    assert time.time() < ends
    owned = {**forged, "metadata": {**forged["metadata"], "labels": {"app": "app"}}}
    set_of = cluster.get("replicasets", f"--namespace={work}", "--selector=app=app")["items"][0]["metadata"]
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": True}
    owned["metadata"]["ownerReferences"] = [{**owner, "name": set_of["name"], "uid": set_of["uid"]}]
    assert TEXT in flags.tries(owned)

    # No run of ours takes the grace away: the server's own clock ends it.
    time.sleep(max(0.0, ends + 1.5 - time.time()))
    evict(cluster, work, running(cluster, work, "app")[0])
    until(lambda: TEXT in failures(cluster, work, "app"), 30)
    assert not pods_of(cluster, work, "app")


def test_our_own_scans_go_on(flags: Place, scanner_image: str, tmp_path: t.Any) -> None:
    cluster, place = flags.cluster, flags.accounts.namespace
    made = write_images(tmp_path / "image", {"flagged": _image})
    name = cluster.push(f"oci:{tmp_path}/image:flagged", f"{place}/flagged:1")
    reference = f"{name.rpartition(':')[0]}@{made['flagged']}"
    flags.flag(made["flagged"], digest_of(scanner_image))
    until(lambda: flags.refuses(pod("probe", reference)))
    calls = {
        method: {
            "images": [reference],
            **by_pods(cluster, flags.accounts, scanner_image, method),
            "namespace": place,
        }
        for method in ("job", "image_volume")
    }
    scans = Scans(tmp_path, calls)
    scans.run()
    for method in calls:
        found = scans.result(method)["images"]
        assert [(one["digest"], one["state"]) for one in found] == [(made["flagged"], "scanned")], found


def _image(blobs: images.Blobs) -> images.Json:
    layer = images.layer([images.Entry("opt/app/run", b"#!/bin/sh\n", mode=0o755)])
    return images.image(blobs, [layer])


def _told(tenant: KubernetesClient, namespace: str, document: dict[str, t.Any]) -> str:
    """What a tenant is told of a dry run of a workload; empty if it is let in."""
    path = f"/apis/{document['apiVersion']}/namespaces/{namespace}/{document['kind'].lower()}s"
    answer = tenant.attempt("POST", path, document, {"dryRun": "All"})
    return "" if answer.status == 201 else str(answer.value.get("message"))


def blanks() -> list[dict[str, t.Any]]:
    """Workloads with a place for an image and none in it yet, as triggers of OpenShift fill them."""
    found = [deployment("blank", " "), deployment("blank", "  ")]
    for image in ({"image": ""}, {"image": " "}, {}):
        containers = [{"name": "main", **image}]
        spec = {"replicas": 0, "template": {"spec": {"containers": containers, "initContainers": containers}}}
        kind = {"apiVersion": "apps.openshift.io/v1", "kind": "DeploymentConfig"}
        found.append({**kind, "metadata": {"name": "blank"}, "spec": spec})
    return found


def test_a_place_without_an_image_yet_is_let_in_until_it_is_filled_with_a_flagged_one(flags: Place) -> None:
    work, cluster, bad = flags.enforced.work, flags.cluster, f"registry.example/app@{sample('blank')}"
    flags.flag(digest_of(bad))
    until(lambda: flags.refuses(pod("probe", bad)))
    for one in blanks():
        assert not _told(flags.tenant, work, one)
        template = one["spec"]["template"]["spec"]
        template["containers"] = [*template["containers"], {"name": "second", "image": bad}]
        assert TEXT in _told(flags.tenant, work, one)
    cluster.apply(deployment("blank", " ", 0), namespace=work)
    filled = cluster.kubectl("set", "image", f"--namespace={work}", "deployment/blank", f"main={bad}", check=False)
    assert TEXT in filled.stderr
    cluster.kubectl("set", "image", f"--namespace={work}", "deployment/blank", f"main={flags.image}")


def test_a_namespace_may_require_a_passed_scan(place: Place) -> None:
    """Runs the role twice more, so all of it is one test."""
    enforced, strict = place.enforced, place.enforced.strict
    required = {"enforce_require_passed_namespaces": strict, "enforce_help_url": "https://help.example.invalid/"}
    refused = enforced.play(**required)
    assert refused.status == 2
    assert (
        f"no digest is known that passed a scan of {enforced.name}, so everything would be refused" in refused.message
    )
    assert "let image_flag run, and name them then" in refused.message

    client = place.flagger
    wanted = {digest_of(place.image): later(3600), sample("over"): later(-1), sample("forever"): ""}
    pass_entries(client, read_lists(client, enforced.name), wanted)
    assert enforced.do("enforce", **required) > 0
    tenant = enforced.user("tenant", strict)

    def told(document: dict[str, t.Any], **params: str) -> str:
        answer = tenant.attempt("POST", f"/api/v1/namespaces/{strict}/pods", document, params)
        return "" if answer.status == 201 else str(answer.value.get("message"))

    for digest, words in (
        (sample("unscanned"), "requires a passed scan, and none is known of this digest"),
        (sample("over"), f"requires a passed scan, and that of this digest ended at {wanted[sample('over')]}"),
    ):
        message = told(pod("a", f"registry.example/a@{digest}"))
        assert words in message
        assert f"ValidatingAdmissionPolicy '{enforced.name}-passed'" in message
        assert "(see https://help.example.invalid/)" in message
    for bare in ("registry.example/a:1", "registry.example/a", "registry.example/a@sha256:123"):
        assert "an image must be named by its digest" in told(pod("a", bare))
    for first in "0123456789abcdef":  # whichever list speaks for it
        assert "none is known of this digest" in told(pod("a", f"registry.example/a@sha256:{first * 64}"))
    assert not told(pod("a", f"registry.example/a@{sample('forever')}"), dryRun="All")

    assert not told(pod("runs", place.image))
    place.cluster.kubectl("wait", f"--namespace={strict}", "--for=condition=Ready", "--timeout=120s", "pod/runs")

    # It ends by the server's clock, for new pods and for a change of what runs.
    ends = time.time() + 4
    pass_entries(client, read_lists(client, enforced.name), {**wanted, sample("short"): later(4)})
    path = f"/api/v1/namespaces/{strict}/pods/runs"
    short = f"registry.example/a@{sample('short')}"
    operations = [{"op": "replace", "path": "/spec/containers/0/image", "value": short}]
    until(lambda: not told(pod("short", short), dryRun="All"), 3)
    assert tenant.attempt("PATCH", path, operations, {"dryRun": "All"}).status == 200
    time.sleep(max(0.0, ends + 1.2 - time.time()))
    assert "ended at" in told(pod("short", short))
    changed = tenant.attempt("PATCH", path, operations, {"dryRun": "All"})
    assert changed.status == 403
    assert "ended at" in changed.value["message"]

    for one in blanks():
        assert not _told(tenant, strict, one)
    assert "must be named by its digest" in _told(tenant, strict, deployment("bare", "registry.example/a:1"))

    # Elsewhere nothing is required, and the flagged is still refused.
    assert not place.tries(pod("a", "registry.example/a:1"), dryRun="All")
    # A list that is gone refuses.
    with pytest.raises(ApiError):
        place.tenant.delete(f"/apis/imagescan.github.io/v1alpha1/passedlists/{enforced.name}-passed-0")
    place.cluster.kubectl("delete", "passedlists.imagescan.github.io", f"{enforced.name}-passed-0")
    place.cluster.kubectl("delete", "passedlists.imagescan.github.io", f"{enforced.name}-passed-1")
    until(lambda: "no params found" in told(pod("a", place.image), dryRun="All"), 10)
    # Nothing is required any more.
    assert enforced.do("enforce") > 0
    until(lambda: not told(pod("a", "registry.example/a:1"), dryRun="All"), 10)
