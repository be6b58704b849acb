# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``image_flag`` on a real cluster, with the shipped account: what it writes, leaves and survives."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import random
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.annotations import DENY_EXECUTION
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.names import (
    NAMESPACES_ANNOTATION,
    REQUIRED,
    REQUIRED_LABEL,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.namespace_scope import Reach
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import PackageDatabase
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import Reason
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts, play
from ansible_collections.imagescan.openshift.tests.cluster.enforcing import kinds
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.faults import Fault, Faults, fault_proxy
from ansible_collections.imagescan.openshift.tests.support.modules import run_module
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import image
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, running_server
from ansible_collections.imagescan.openshift.tests.support.verdict_store import VerdictStore
from ansible_collections.imagescan.openshift.tests.support.verdicts import INVENTORY
from ansible_collections.imagescan.openshift.tests.support.vex import (
    MAIN_9,
    document,
    fixed,
    rpm,
    write_feed,
    write_map,
)

CHECKOUT = Path(__file__).resolve().parents[2]
MODULE = "ansible_collections.imagescan.openshift.plugins.modules.image_flag"
DENY_LISTS = "/apis/imagescan.github.io/v1alpha1/denylists"
PASSED_LISTS = "/apis/imagescan.github.io/v1alpha1/passedlists"
IMAGES = "/apis/image.openshift.io/v1/images"
PODS = "/api/v1/namespaces/{}/pods"
TEST_LABEL = "imagescan.test/provider"
URL = "https://scans.example.com/{digest}"
WRITES = r"^(POST|PATCH|PUT|DELETE) "

pytestmark = pytest.mark.timeout(900)


def new_digest() -> str:
    """A digest that nothing has."""
    return "sha256:" + secrets.token_hex(32)


def pod_spec(reference: str) -> dict[str, t.Any]:
    """Of a pod that Pod Security ``restricted`` admits and no node takes."""
    security = {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}}
    closed = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "nodeSelector": {"imagescan.test/no": "node"},
        "securityContext": security,
        "containers": [{"name": "main", "image": reference, "securityContext": closed}],
    }


@dataclasses.dataclass
class Place:
    """A provider of its own with an empty deny list, Image objects, and a store."""

    cluster: KubernetesCluster
    admin: KubernetesClient
    accounts: Accounts
    provider: str
    home: Path

    def __post_init__(self) -> None:
        self.store = VerdictStore(self.home / "store.db")
        self.kubeconfig = self.accounts.flag

    # -- what the cluster has

    def make_list(self) -> None:
        """The first deny list, as the role ``enforce`` makes it, for a policy that nobody installed."""
        labels = {
            "imagescan.github.io/list": "deny",
            "imagescan.github.io/provider": self.provider,
            "imagescan.github.io/enforce": self.provider,
        }
        body = {"metadata": {"name": f"{self.provider}-0", "labels": labels}, "spec": {}}
        self.admin.create(DENY_LISTS, {"apiVersion": "imagescan.github.io/v1alpha1", "kind": "DenyList", **body})

    def reach(self, *only: str, required: t.Sequence[str] = ()) -> None:
        """Write down in which namespaces enforcement acts, as the role does."""
        text = Reach(only=only, required=tuple(required)).text()
        patch = {"metadata": {"annotations": {NAMESPACES_ANNOTATION: text}}}
        self.admin.merge_patch(f"{DENY_LISTS}/{self.provider}-0", patch)

    def make_passed_lists(self, number: int = 2, *, required: bool = False) -> None:
        """Passed lists, each for a part of the digests."""
        digits = "0123456789abcdef"
        for each in range(number):
            labels = {"imagescan.github.io/list": "passed", "imagescan.github.io/provider": self.provider}
            labels |= {REQUIRED_LABEL: REQUIRED} if required else {}
            body = {
                "apiVersion": "imagescan.github.io/v1alpha1",
                "kind": "PassedList",
                "metadata": {"name": f"{self.provider}-passed-{each}", "labels": labels},
                "spec": {"prefixes": list(digits[each::number])},
            }
            self.admin.create(PASSED_LISTS, body)

    def make_images(self, *digests: str, **annotations: str) -> None:
        """Image objects."""
        objects = []
        for digest in digests:
            one = image("0")
            one["metadata"] = {"name": digest, "labels": {TEST_LABEL: self.provider}, "annotations": dict(annotations)}
            objects.append({"apiVersion": "image.openshift.io/v1", "kind": "Image", **one})
        self.cluster.kubectl(
            "create", "--filename=-", input=json.dumps({"kind": "List", "apiVersion": "v1", "items": objects})
        )
        selector = {"labelSelector": f"{TEST_LABEL}={self.provider}"}
        end = time.monotonic() + 60
        while not set(digests) <= set(self.admin.items(IMAGES, lambda item: str(item["metadata"]["name"]), selector)):
            assert time.monotonic() < end, "the API server does not list what it has made"
            time.sleep(0.1)

    def make_pod(self, namespace: str, name: str, reference: str) -> None:
        """A pod that no node takes, so that it names its image and never runs it."""
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod_spec(reference)}
        self.admin.create(PODS.format(namespace), pod)

    def make_deployment(self, namespace: str, name: str, reference: str) -> str:
        """A Deployment of such a pod, and the pod's name."""
        labels = {"app": name}
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod_spec(reference)},
            },
        }
        self.admin.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", body)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            selector = {"labelSelector": f"app={name}"}
            found = self.admin.items(PODS.format(namespace), lambda pod: str(pod["metadata"]["name"]), selector)
            if found:
                return found[0]
            time.sleep(0.2)
        raise AssertionError(f"the Deployment {name} made no pod")

    def denied(self) -> dict[str, str]:
        """Digest or reference -> text, of all our shards."""
        found: dict[str, str] = {}
        for spec in self.specs(DENY_LISTS):
            found.update(spec.get("digests") or {})
            found.update(spec.get("references") or {})
        return found

    def grace(self) -> dict[str, str]:
        """Digest or reference -> end of its grace."""
        return {key: until for spec in self.specs(DENY_LISTS) for key, until in (spec.get("grace") or {}).items()}

    def passed(self) -> dict[str, str]:
        """Digest -> end."""
        return {key: until for spec in self.specs(PASSED_LISTS) for key, until in (spec.get("digests") or {}).items()}

    def specs(self, path: str) -> list[dict[str, t.Any]]:
        """The contents of our lists."""
        selector = {"labelSelector": f"imagescan.github.io/provider={self.provider}"}
        return self.admin.items(path, lambda item: dict(item.get("spec") or {}), selector)

    def annotations(self, digest: str) -> dict[str, str]:
        """Of an Image object."""
        return dict(self.admin.get(f"{IMAGES}/{digest}")["metadata"].get("annotations") or {})

    def annotate(self, digest: str, **annotations: str | None) -> None:
        """Somebody changes an Image object by hand."""
        self.admin.merge_patch(f"{IMAGES}/{digest}", {"metadata": {"annotations": annotations}})

    def says(self, digest: str) -> str | None:
        """deny-execution."""
        return self.annotations(digest).get(DENY_EXECUTION)

    # -- the module

    def start(self, *, check: bool = False, kubeconfig: Path | None = None, **options: t.Any) -> subprocess.Popen[str]:
        """Run the module in a process of its own, as Ansible does."""
        given = self.home / f"arguments-{secrets.token_hex(4)}.json"
        arguments = self._arguments(check, kubeconfig, options)
        given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), encoding="utf-8")
        command = [sys.executable, "-m", MODULE, str(given)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def flag(self, *, check: bool = False, kubeconfig: Path | None = None, **options: t.Any) -> dict[str, t.Any]:
        """Run the module to its end; its result."""
        return run_module("image_flag", self._arguments(check, kubeconfig, options), self.home)

    def _arguments(self, check: bool, kubeconfig: Path | None, options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        return {
            "kubeconfig": str(kubeconfig or self.kubeconfig),
            "store": str(self.store.path),
            "provider": self.provider,
            "max_new_flags": "100%",
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            **options,
        }

    @contextlib.contextmanager
    def recorded(self, *faults: Fault) -> t.Iterator[tuple[Faults, Path]]:
        """A proxy that writes down what is asked, and a kubeconfig that leads through it."""
        ca = self.home / "cluster-ca.crt"
        ca.write_text(self.admin.ca, encoding="ascii")
        folder = self.home / f"proxy-{secrets.token_hex(4)}"
        folder.mkdir()
        with fault_proxy(self.admin.server, ca, folder, faults) as proxy:
            content = yaml.safe_load(self.kubeconfig.read_text(encoding="utf-8"))
            known = content["clusters"][0]["cluster"]
            known.pop("certificate-authority-data", None)
            known.update({"server": proxy.url, "certificate-authority": str(proxy.ca_file)})
            path = folder / "kubeconfig"
            path.write_text(yaml.safe_dump(content), encoding="utf-8")
            yield proxy, path


@pytest.fixture(scope="session")
def openshift(cluster: KubernetesCluster) -> KubernetesCluster:
    """The cluster with the kinds of OpenShift and of ``enforce``."""
    cluster.install_openshift_kinds()
    made = kinds()
    names = [f"crd/{one['metadata']['name']}" for one in made]
    cluster.apply(*made)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *names)
    return cluster


@pytest.fixture
def place(openshift: KubernetesCluster, shared_accounts: Accounts, tmp_path: Path) -> t.Iterator[Place]:
    """A provider of its own with an empty deny list."""
    admin = connect(Connection(kubeconfig=str(openshift.kubeconfig)))
    made = Place(openshift, admin, shared_accounts, f"test-{secrets.token_hex(4)}", tmp_path)
    made.make_list()
    yield made
    ours = f"--selector=imagescan.github.io/provider={made.provider}"
    openshift.kubectl("delete", "denylists.imagescan.github.io,passedlists.imagescan.github.io", ours)
    openshift.kubectl("delete", "images.image.openshift.io", f"--selector={TEST_LABEL}={made.provider}")


def lines(result: t.Mapping[str, t.Any], side: str) -> list[str]:
    """One side of a diff."""
    return str(result["diff"][side]).splitlines()


def timeless(result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The result of a run without its moment, and without what others run in the cluster meanwhile.

    The moment is in one annotation of each Image object, and in the diff only where the second is another one than the
    last time.
    """
    moment = re.compile(r"^image \S+ annotation imagescan\.github\.io/written\S*: .*\n", re.MULTILINE)
    diff = {side: moment.sub("", text) for side, text in result["diff"].items()}
    return {**result, "diff": diff, "counts": {**result["counts"], "in_use": 0}}


# What is written, in check mode and really, and that nothing is written again.


def test_flags_follow_verdicts_and_nothing_is_written_twice(place: Place) -> None:
    bad, good, unsure, only_listed = (new_digest() for _each in range(4))
    place.make_images(bad, good, unsure)
    place.store.put(
        {bad: "failed", good: "passed", unsure: "inconclusive", only_listed: "failed"},
        {"Registry.Example.com:443/team/bad:1": bad, "nginx": good},
    )
    with place.recorded() as (proxy, kubeconfig):
        planned = place.flag(check=True, kubeconfig=kubeconfig, report_url=URL)
        assert not [request for request in proxy.requests if re.match(WRITES, request)]
        assert place.denied() == {}
        done = place.flag(kubeconfig=kubeconfig, report_url=URL)
        writes = proxy.count(WRITES)
        # One patch of the list, and one of each of three Image objects.
        assert writes == 4, (proxy.requests, done)
        again = place.flag(kubeconfig=kubeconfig, report_url=URL)
        planned_again = place.flag(check=True, kubeconfig=kubeconfig, report_url=URL)
        assert proxy.count(WRITES) == writes
    assert timeless(planned) == timeless(done)
    assert done["changed"]
    assert {row["digest"] for row in done["flagged"]} == {bad, only_listed}
    assert done["flagged"][0]["why"].startswith("failed: openssl-libs has the important CVE-2026-1001")
    assert (done["cleared"], done["kept"], done["drifted"], done["problems"]) == ([], [], [], [])
    assert set(place.denied()) == {bad, only_listed, "registry.example.com/team/bad:1"}
    assert place.denied()[bad].endswith(f"; https://scans.example.com/{bad}")
    assert [place.says(one) for one in (bad, good, unsure)] == ["true", "false", None]
    # Exactly what stands there now is the diff's other side.
    shown = dict(line.split(": ", 1) for line in lines(done, "after"))
    assert lines(done, "before") == []
    for digest in (bad, good, unsure):
        for key, value in place.annotations(digest).items():
            assert shown[f"image {digest}, annotation {key}"] == value
    assert shown[f"deny list, digest {bad}"] == place.denied()[bad]
    for result in (again, planned_again):
        assert not result["changed"]
        assert {row["digest"] for row in result["kept"]} == {bad, only_listed}
        assert (result["flagged"], result["diff"]) == ([], {"before": "", "after": ""})


def test_only_what_passed_is_cleared_and_the_diff_is_exact(place: Place) -> None:
    first, second, third = (new_digest() for _each in range(3))
    names = {f"quay.io/team/{name}:1": digest for name, digest in zip("abc", (first, second, third))}
    place.make_images(first, second, third)
    place.store.put(dict.fromkeys((first, second, third), "failed"), names)
    place.flag()
    place.store.put({first: "passed", second: "inconclusive", third: "error"}, names)
    before = place.annotations(first)
    planned = place.flag(check=True)
    done = place.flag()
    assert timeless(planned) == timeless(done)
    assert [row["digest"] for row in done["cleared"]] == [first]
    rest = "; only an image that passes is cleared"
    assert {row["digest"]: row["why"] for row in done["kept"]} == {
        second: f"inconclusive: There is no vulnerability data to judge the image by{rest}",
        third: f"error: 401 from registry.example.com{rest}",
    }
    assert set(place.denied()) == {second, third, "quay.io/team/b:1", "quay.io/team/c:1"}
    assert [place.says(one) for one in (first, second, third)] == ["false", "true", "true"]
    after = place.annotations(first)
    own = f"image {first}, annotation "
    for side, values in (("before", before), ("after", after)):
        shown = dict(line.removeprefix(own).split(": ", 1) for line in lines(done, side) if line.startswith(own))
        differing = {key: value for key, value in values.items() if (before.get(key), after.get(key)) != (value, value)}
        assert shown == differing
    assert not place.flag()["changed"]


def test_a_name_is_lifted_when_it_leads_elsewhere(place: Place) -> None:
    old, new = new_digest(), new_digest()
    place.store.put({old: "failed"}, {"quay.io/team/app:1": old})
    place.flag()
    assert set(place.denied()) == {old, "quay.io/team/app:1"}
    place.store.put({new: "inconclusive"}, {"quay.io/team/app:1": new})
    place.flag()
    assert set(place.denied()) == {old}
    place.store.put({new: "failed"}, {"quay.io/team/app:1": new})
    place.flag()
    assert set(place.denied()) == {old, new, "quay.io/team/app:1"}


def test_a_name_stays_while_nobody_knows_whether_what_failed_there_passes_now(place: Place) -> None:
    digest, name = new_digest(), "quay.io/team/app:1"
    place.store.put({digest: "failed"}, {name: digest})
    place.flag()
    place.admin.merge_patch(f"{DENY_LISTS}/{place.provider}-0", {"spec": {"digests": {digest: None}}})
    for verdict in ("error", "inconclusive"):
        place.store.put({digest: verdict}, {name: digest})
        assert not place.flag()["changed"]
        assert set(place.denied()) == {name}
    place.store.put({digest: "passed"}, {name: digest})
    place.flag()
    assert place.denied() == {}


def test_an_index_and_its_images_have_flags_of_their_own(place: Place) -> None:
    index, good, bad = (new_digest() for _each in range(3))
    place.make_images(index, good, bad)
    place.store.put({good: "passed", bad: "failed"})
    place.store.index(index, [good, bad], "failed")
    place.flag()
    assert set(place.denied()) == {index, bad}
    assert [place.says(one) for one in (index, good, bad)] == ["true", "false", "true"]
    place.store.put({bad: "passed"})
    place.store.index(index, [good, bad], "passed")
    assert {row["digest"] for row in place.flag()["cleared"]} == {index, bad}
    assert place.denied() == {}


def test_what_is_ours_is_taken_back_and_nothing_else(place: Place) -> None:
    ours, theirs = new_digest(), new_digest()
    place.make_images(ours)
    place.make_images(theirs, **{DENY_EXECUTION: "true", "quality.images.openshift.io/policy.other": "{broken"})
    place.store.put({ours: "failed", theirs: "failed"}, {"quay.io/team/app:1": ours})
    before = place.annotations(theirs)
    flagged = place.flag(report_url=URL)
    (foreign,) = [row for row in flagged["foreign"] if row["digest"] == theirs]
    assert (foreign["providers"], foreign["unnamed"]) == ([], True)
    assert [(one["scanner"], bool(one["problem"])) for one in foreign["scanners"]] == [("other", True)]
    place.store.put({theirs: "passed"})
    place.flag(report_url=URL)
    assert place.says(theirs) == "true"
    planned = place.flag(check=True, state="absent")
    assert {row["digest"] for row in planned["cleared"]} == {ours}
    assert set(place.denied()) == {ours, "quay.io/team/app:1"}
    only = place.flag(state="absent", images=[theirs])
    assert only["cleared"] == []
    assert set(place.denied()) == {ours, "quay.io/team/app:1"}
    done = place.flag(state="absent")
    assert {row["digest"] for row in done["cleared"]} == {ours}
    assert place.denied() == {}
    assert place.annotations(theirs) == before
    assert place.annotations(ours) == {}
    assert not place.flag(state="absent")["changed"]


def test_required_passed_lists_outlive_the_flags(place: Place) -> None:
    bad, good = new_digest(), new_digest()
    place.make_passed_lists(required=True)
    place.store.put({bad: "failed", good: "passed"})
    place.flag()
    for check in (True, False):
        done = place.flag(state="absent", check=check)
        assert "the passed lists keep 1 images" in json.dumps(done["warnings"])
        assert [row["digest"] for row in done["cleared"]] == [bad]
        assert "passed list" not in done["diff"]["before"]
    assert (place.denied(), set(place.passed())) == ({}, {good})
    assert not place.flag(state="absent", images=[good])["changed"]
    assert set(place.passed()) == {good}


def test_drift_is_repaired_and_told(place: Place) -> None:
    switched, emptied = new_digest(), new_digest()
    place.make_images(switched, emptied)
    place.store.put({switched: "failed", emptied: "failed"})
    place.flag()
    place.annotate(switched, **{DENY_EXECUTION: "false"})
    patch = {"spec": {"digests": {emptied: None}}}
    place.admin.merge_patch(f"{DENY_LISTS}/{place.provider}-0", patch)
    done = place.flag()
    assert {row["digest"]: row["what"] for row in done["drifted"]} == {
        switched: "images.openshift.io/deny-execution of its Image object was changed",
        emptied: "it is not on the deny list",
    }
    assert (done["flagged"], done["changed"]) == ([], True)
    assert place.says(switched) == "true"
    assert set(place.denied()) == {switched, emptied}
    assert place.flag()["drifted"] == []


# Passed lists, and passes that end.


def test_what_passes_is_on_the_passed_lists_and_nothing_else(place: Place) -> None:
    place.make_passed_lists()
    good, bad, unsure, old = (new_digest() for _each in range(4))
    place.store.put({good: "passed", bad: "failed", unsure: "inconclusive"})
    place.store.put({old: "passed"}, age=datetime.timedelta(days=31))  # the built-in policy allows 30 days
    done = place.flag()
    assert set(place.passed()) == {good}
    assert done["next_due"] == place.passed()[good]
    assert not place.flag()["changed"]
    place.store.put({good: "inconclusive", unsure: "passed"})
    place.flag()
    assert set(place.passed()) == {unsure}
    assert set(place.denied()) == {bad}


def test_a_pass_that_ran_out_or_is_of_another_policy_clears_nothing(place: Place) -> None:
    old, other = new_digest(), new_digest()
    place.make_passed_lists()
    place.store.put({old: "failed", other: "failed"}, age=datetime.timedelta(days=31))
    place.flag()
    place.store.put({old: "passed"})
    policy = place.home / "policy.yml"
    policy.write_text("- name: own\n  vulnerabilities: {max_severity: low}\n", encoding="utf-8")
    place.store.put({other: "passed"})
    done = place.flag()
    assert done["cleared"] == []
    assert all("its verdict ran out at" in row["why"] for row in done["kept"])
    done = place.flag(policies=[str(policy)])
    assert all("is not one of the policies given" in row["why"] for row in done["kept"])
    assert set(place.denied()) == {old, other}
    assert place.passed() == {}


def test_a_run_on_some_images_takes_off_what_passes_no_more(place: Place) -> None:
    index, first, second, other = (new_digest() for _each in range(4))
    place.make_passed_lists()
    place.store.put(dict.fromkeys((first, second, other), "passed"))
    place.store.index(index, [first, second], "passed")
    place.flag()
    assert set(place.passed()) == {index, first, second, other}
    place.store.put({first: "inconclusive", other: "inconclusive"})
    place.store.index(index, [first, second], "inconclusive")
    done = place.flag(images=[first])
    assert set(place.passed()) == {second, other}
    assert (done["flagged"], done["cleared"], place.denied()) == ([], [], {})


def test_a_policy_that_is_added_takes_off_what_it_has_not_judged(place: Place) -> None:
    good = new_digest()
    place.make_passed_lists()
    policy = place.home / "policy.yml"
    first = "- name: own\n  vulnerabilities: {max_severity: low}\n"
    policy.write_text(first, encoding="utf-8")
    place.store.put({good: "failed"}, policy=load_policies(first, "it")[0])
    place.flag(policies=[str(policy)])
    assert set(place.denied()) == {good}
    policy.write_text(f"{first}- name: added\n  vulnerabilities: {{max_severity: moderate}}\n", encoding="utf-8")
    place.store.put({good: "passed"}, policy=load_policies(first, "it")[0])
    done = place.flag(policies=[str(policy)])
    assert "it was not judged by the policy 'added', which selects it" in done["kept"][0]["why"]
    assert (set(place.denied()), place.passed()) == ({good}, {})
    policy.write_text(first, encoding="utf-8")
    assert [row["digest"] for row in place.flag(policies=[str(policy)])["cleared"]] == [good]
    assert set(place.passed()) == {good}


# The blast radius, the grace and the circuit breaker.


def test_who_uses_an_image_is_told(place: Place, namespace: str) -> None:
    bad = new_digest()
    web = place.make_deployment(namespace, "web", f"quay.io/team/app@{bad}")
    place.make_pod(namespace, "alone", "team/other:2")
    place.make_pod(namespace, "another", "quay.io/team/third:1")
    place.store.put({bad: "failed"}, {"docker.io/team/other:2": bad})
    told = place.flag(check=True)["affected"]
    assert told == [
        {
            "digest": bad,
            "reference": "docker.io/team/other:2",
            "change": "flagged",
            "pod_count": 2,
            "pods": [f"{namespace}/alone", f"{namespace}/{web}"],
            "owners": [
                {"kind": "Deployment", "namespace": namespace, "name": "web", "pods": 1},
                {"kind": "Pod", "namespace": namespace, "name": "alone", "pods": 1},
            ],
            "namespaces": [namespace],
        }
    ]
    assert place.flag()["affected"] == told
    place.store.put({bad: "passed"})
    assert [one["change"] for one in place.flag()["affected"]] == ["cleared"]


def test_what_runs_when_it_is_flagged_has_a_grace(place: Place, namespace: str) -> None:
    running, idle = new_digest(), new_digest()
    place.make_pod(namespace, "app", f"quay.io/team/app@{running}")
    place.store.put({running: "failed", idle: "failed"})
    before = datetime.datetime.now(datetime.timezone.utc)
    done = place.flag(grace=2)
    ends = place.grace()
    assert set(ends) == {running}
    end = datetime.datetime.fromisoformat(ends[running].replace("Z", "+00:00"))
    assert datetime.timedelta(hours=1.99) < end - before < datetime.timedelta(hours=2.1)
    assert done["next_due"] == ends[running]
    assert not place.flag(grace=5)["changed"]  # it was fixed when the image was flagged
    assert not place.flag()["changed"]  # a run that is not told of any grace
    assert place.flag(grace=0)["changed"]
    assert place.grace() == {}


@pytest.mark.parametrize(("share", "number"), [("10%", 10), pytest.param("25%", 25, marks=pytest.mark.full)])
def test_too_many_new_flags_are_none(place: Place, namespace: str, share: str, number: int) -> None:
    # Others run images in this cluster, too: as many of ours as are too many in any case.
    there = place.flag(check=True)["counts"]["in_use"]
    bad = [new_digest() for _each in range(2 + there * number // (100 - number))]
    good = new_digest()
    place.make_images(*bad)
    for each, digest in enumerate([*bad, good]):
        place.make_pod(namespace, f"app-{each}", f"quay.io/team/app@{digest}")
    place.store.put(dict.fromkeys(bad, "failed"))
    with place.recorded() as (proxy, kubeconfig):
        refused = place.flag(kubeconfig=kubeconfig, max_new_flags=share)
        assert not proxy.count(WRITES)
    assert refused["failed"]
    assert refused["code"] == "too-many-flags"
    assert re.match(rf"nothing was flagged: {len(bad)} of \d+ images in use \(\d+", refused["msg"])
    assert f"run again with max_new_flags: {len(bad)}" in refused["msg"]
    assert place.denied() == {}
    assert [place.says(one) for one in bad] == [None] * len(bad)
    planned = place.flag(check=True, max_new_flags=share)
    assert "this would stop before it starts" in json.dumps(planned["warnings"])
    assert len(planned["flagged"]) == len(bad)
    assert len(place.flag(max_new_flags=str(len(bad)))["flagged"]) == len(bad)


def test_what_runs_elsewhere_does_not_count(place: Place, namespace: str) -> None:
    bad, elsewhere = new_digest(), new_digest()
    place.make_pod(namespace, "app", f"quay.io/team/app@{bad}")
    place.make_pod(namespace, "other", f"quay.io/team/other@{new_digest()}")
    other = place.accounts.namespace
    place.make_pod(other, place.provider, f"quay.io/team/elsewhere@{elsewhere}")
    place.store.put({bad: "failed", elsewhere: "failed"})
    place.reach(namespace)
    try:
        refused = place.flag(max_new_flags="49%")
        assert "nothing was flagged: 1 of 2 images in use where enforcement acts (50%)" in refused["msg"]
        assert place.denied() == {}
        assert len(place.flag(max_new_flags="50%")["flagged"]) == 2
    finally:
        place.admin.delete(f"{PODS.format(other)}/{place.provider}")


def test_losing_a_pass_counts_where_it_is_required(place: Place, namespace: str) -> None:
    used, lost, unused, unclear = (new_digest() for _each in range(4))
    place.make_passed_lists(required=True)
    place.reach(namespace, required=[namespace])
    for name, digest in (("used", used), ("lost", lost)):
        place.make_pod(namespace, name, f"quay.io/team/app@{digest}")
    place.store.put(dict.fromkeys((used, lost, unused, unclear), "passed"))
    place.flag()
    assert len(place.passed()) == 4
    place.store.put({lost: "inconclusive", unused: "failed", unclear: "inconclusive"})
    planned = place.flag(check=True, max_new_flags="0")
    assert "1 of 2 images in use where enforcement acts (50%) would be flagged newly or lose a pass" in json.dumps(
        planned["warnings"]
    )
    refused = place.flag(max_new_flags="0")
    assert refused["code"] == "too-many-flags"
    assert "1 images that failed and that nobody uses were taken off the passed lists" in refused["msg"]
    assert refused["changed"]
    assert (set(place.passed()), place.denied()) == ({used, lost, unclear}, {})
    assert not place.flag(max_new_flags="0")["changed"]
    place.flag(max_new_flags="1")
    assert (set(place.passed()), set(place.denied())) == ({used}, {unused})


def test_a_run_that_breaks_in_the_midst_tells_what_it_did(place: Place, namespace: str) -> None:
    bad, good = new_digest(), new_digest()
    place.make_images(bad, good)
    place.make_pod(namespace, "app", f"quay.io/team/app@{bad}")
    place.store.put({good: "failed"})
    place.flag()
    place.store.put({bad: "failed", good: "passed"})
    # The deny list is written, Image objects cannot be.
    with place.recorded(Fault(pattern=r"^PATCH .*/images/", status=403)) as (_proxy, kubeconfig):
        broken = place.flag(kubeconfig=kubeconfig)
    assert broken["failed"]
    assert broken["changed"]
    assert [row["digest"] for row in broken["flagged"]] == [bad]
    assert [one["digest"] for one in broken["affected"]] == [bad]
    assert (broken["cleared"], set(place.denied())) == ([], {bad, good})
    # Image objects are cleared, and the deny list cannot be.
    fault = Fault(pattern=r"^PATCH .*/denylists/", status=403)
    with place.recorded(fault) as (_proxy, kubeconfig):
        broken = place.flag(kubeconfig=kubeconfig)
    assert broken["changed"]
    assert (broken["flagged"], broken["cleared"], place.says(good)) == ([], [], "false")
    assert set(place.denied()) == {bad, good}
    # The lists are cleared, and the passed ones cannot be written.
    place.make_passed_lists()
    with place.recorded(Fault(pattern=r"^PATCH .*/passedlists/", status=403)) as (_proxy, kubeconfig):
        broken = place.flag(kubeconfig=kubeconfig)
    assert [row["digest"] for row in broken["cleared"]] == [good]
    assert set(place.denied()) == {bad}
    assert [row["digest"] for row in place.flag()["kept"]] == [bad]
    assert set(place.passed()) == {good}


# The role's step, its hooks, and the playbooks.


def variables(place: Place, **more: t.Any) -> dict[str, t.Any]:
    """What a person gives to the playbooks."""
    return {
        "scan_kubeconfig_dir": str(place.accounts.folder),
        "scan_store": str(place.store.path),
        "scan_dir": str(place.home / "results"),
        "scan_flag_provider": place.provider,
        "scan_max_new_flags": "100%",
        **more,
    }


def documented_hook(folder: Path) -> Path:
    """The hook that docs/flagging.md shows."""
    text = (CHECKOUT / "docs/flagging.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml\n(# notify\.yml.*?)```", text, re.DOTALL)
    assert found
    path = folder / "notify.yml"
    path.write_text(found[1], encoding="utf-8")
    return path


def test_the_role_flags_and_calls_hooks_for_each_change(place: Place, namespace: str, tmp_path: Path) -> None:
    bad, good = new_digest(), new_digest()
    web = place.make_deployment(namespace, "web", f"quay.io/team/app@{bad}")
    assert web
    hostile = [Reason("vulnerability", "{{ 7 * 7 }} \"quoted\" 'too' %} {% raw")]
    place.store.put({good: "failed"})
    place.flag()
    place.store.put({bad: "failed"}, {"quay.io/team/app:1": bad}, reasons=hostile)
    place.store.put({good: "passed"})
    with running_server(lambda request: Answer(200)) as chat:
        given = variables(place, scan_steps="flag", scan_hooks=str(documented_hook(tmp_path)))
        given["notify_url"] = f"http://{chat.host}/hook"
        done = play(place.cluster, "scan", given, tmp_path)
        assert (done.status, done.warnings) == (0, ()), done.output
        assert set(place.denied()) == {bad, "quay.io/team/app:1"}
        told = [json.loads(request.body)["text"] for request in chat.requests]
    assert told == [
        f"flagged: quay.io/team/app:1 (failed: {hostile[0].message}), used by web",
        f"cleared: registry.example.com/app@{good} (it passed), used by nobody",
    ]


@pytest.mark.full
def test_the_role_plans_in_check_mode_and_repeats_nothing(place: Place, tmp_path: Path) -> None:
    bad = new_digest()
    place.store.put({bad: "failed"})
    with running_server(lambda request: Answer(200)) as chat:
        given = variables(place, scan_steps="flag", scan_hooks=str(documented_hook(tmp_path)))
        given["notify_url"] = f"http://{chat.host}/hook"
        planned = play(place.cluster, "scan", given, tmp_path, "--check", "--diff")
        assert (planned.status, planned.warnings) == (0, ()), planned.output
        assert planned.changed == 1
        assert f"deny list, digest {bad}: " in planned.output
        assert (place.denied(), chat.requests) == ({}, [])
        assert play(place.cluster, "scan", given, tmp_path).status == 0
        again = play(place.cluster, "scan", given, tmp_path)
        assert (again.status, again.changed) == (0, 0), again.output
        assert len(chat.requests) == 1


@pytest.mark.full
def test_a_play_that_would_flag_too_much_still_reports_and_fails(place: Place, namespace: str, tmp_path: Path) -> None:
    bad = new_digest()
    place.make_pod(namespace, "app", f"quay.io/team/app@{bad}")
    place.store.put({bad: "failed"})
    given = variables(place, scan_steps="flag,report", scan_max_new_flags="0")
    played = play(place.cluster, "scan", given, tmp_path)
    assert played.status == 2
    assert "nothing was flagged: 1 of " in played.message
    assert "run again with max_new_flags: 1" in played.message
    assert place.denied() == {}
    assert (tmp_path / "results/report/report.json").exists()


@pytest.mark.full
def test_broken_data_and_a_slip_in_a_policy_flag_nothing(place: Place, namespace: str, tmp_path: Path) -> None:
    packages = (*INVENTORY.packages, rpm("curl-7.76.1-29.el9.x86_64"))
    database = PackageDatabase("var/lib/rpm/rpmdb.sqlite", "sqlite", len(packages))
    with_curl = dataclasses.replace(INVENTORY, packages=packages, database=database)
    plain, more = [new_digest() for _each in range(16)], [new_digest() for _each in range(2)]
    place.make_images(*more)
    place.reach(namespace)
    for number, digest in enumerate([*plain, *more]):
        place.make_pod(namespace, f"app-{number}", f"quay.io/team/app@{digest}")
    place.store.put(dict.fromkeys(plain, "inconclusive"))
    place.store.put(dict.fromkeys(more, "inconclusive"), inventory=with_curl)
    feed, policy = tmp_path / "feed", tmp_path / "policy.yml"
    bash = document("CVE-2026-1", fixed(MAIN_9, "bash", "5.1.8-8.el9"))

    def publish(severity: str) -> None:
        write_feed(feed, bash, document("CVE-2026-2", fixed(MAIN_9, "curl", "7.76.1-30.el9", severity=severity)))

    def allow(severity: str) -> None:
        policy.write_text(
            f"- name: own\n  vulnerabilities: {{max_severity: {severity}, min_documents: 1}}\n", encoding="utf-8"
        )

    given = variables(
        place,
        scan_steps="judge,flag",
        scan_max_new_flags="",
        scan_feed=str(feed),
        scan_repository_map=str(write_map(tmp_path / "map.json", {INVENTORY.repositories[0].id: [MAIN_9]})),
        scan_policies=str(policy),
    )
    told = "nothing was flagged: 2 of 18 images in use where enforcement acts (11.1%) would be flagged newly, and max_n"
    publish("Moderate")
    allow("important")
    played = play(place.cluster, "scan", given, tmp_path)
    assert (played.status, place.denied()) == (0, {}), played.output
    for severity, allowed in (("Critical", "important"), ("Moderate", "low")):
        publish(severity)
        allow(allowed)
        played = play(place.cluster, "scan", given, tmp_path)
        assert played.status == 2, played.output
        assert told in played.message
        assert "look at the vulnerability data and the policies that changed last" in played.message
        assert "run again with max_new_flags: 2" in played.message
        assert (place.denied(), [place.says(one) for one in more]) == ({}, ["false", "false"])
    allow("important")
    played = play(place.cluster, "scan", given, tmp_path)
    assert (played.status, place.denied()) == (0, {}), played.output
    allow("low")
    played = play(place.cluster, "scan", {**given, "scan_max_new_flags": "2"}, tmp_path)
    assert (played.status, set(place.denied())) == (0, {*more}), played.output


@pytest.mark.full
def test_the_playbook_drift_repairs_and_tells(place: Place, tmp_path: Path) -> None:
    mine, theirs, good = new_digest(), new_digest(), new_digest()
    taken, moved, unknown = (f"quay.io/{place.provider}/{name}:1" for name in ("taken", "moved", "unknown"))
    place.make_images(mine)
    place.make_images(theirs, **{DENY_EXECUTION: "true"})
    place.store.put({mine: "failed"}, {taken: mine, moved: mine})
    place.store.put({good: "passed"})
    place.flag()
    assert {taken, moved} <= set(place.denied())
    place.store.put({good: "passed"}, {moved: good})
    place.annotate(mine, **{DENY_EXECUTION: "false"})
    patch = {"spec": {"references": {taken: None, unknown: "by hand"}}}
    place.admin.merge_patch(f"{DENY_LISTS}/{place.provider}-0", patch)
    told = [
        "deny-execution of its Image object was changed",
        f"its name {taken} is not on the deny list",
        f"its name {moved} is on the deny list, and it is not denied",
        f"{unknown} is on our lists, and the store does not know the name",
    ]
    checked = play(place.cluster, "drift", variables(place), tmp_path, "--check", "--diff")
    assert (checked.status, [one for one in told if one not in checked.output]) == (0, []), checked.output
    assert place.says(mine) == "false"
    # The limits of whole runs are none of this one.
    limits = {"scan_fail_on": "failed", "scan_max_unresolved": "0"}
    done = play(place.cluster, "drift", variables(place, drift_fail="yes", **limits), tmp_path)
    assert (done.status, done.message) == (2, "3 flags were not as we left them")
    assert f"{theirs} is denied by somebody who left no name" in done.output
    assert place.says(mine) == "true"
    assert set(place.denied()) == {mine, taken, unknown}
    again = play(place.cluster, "drift", variables(place, drift_fail="yes"), tmp_path)
    assert (again.status, again.changed, told[0] in again.output) == (0, 0, False), again.output


@pytest.mark.full
def test_the_playbook_drift_goes_by_the_policies_that_judged(place: Place, tmp_path: Path) -> None:
    good, bad = new_digest(), new_digest()
    place.make_passed_lists()
    place.store.put({good: "passed", bad: "failed"})
    place.flag()
    patch = {"spec": {"digests": {bad: None}}}
    place.admin.merge_patch(f"{DENY_LISTS}/{place.provider}-0", patch)
    policy = tmp_path / "policy.yml"
    policy.write_text("- name: own\n  vulnerabilities: {max_severity: low}\n", encoding="utf-8")
    other = play(place.cluster, "drift", variables(place, scan_policies=str(policy)), tmp_path)
    assert other.status == 2
    assert "but not given as they were: default. Given, but no part of" in other.message
    assert (set(place.passed()), place.denied()) == ({good}, {})
    same = play(place.cluster, "drift", variables(place), tmp_path)
    assert same.status == 0, same.output
    assert (set(place.passed()), set(place.denied())) == ({good}, {bad})


@pytest.mark.full
def test_the_playbook_unflag_clears_by_an_exception(place: Place, tmp_path: Path) -> None:
    fleet = tmp_path / "fleet"
    subprocess.run([sys.executable, CHECKOUT / "examples/fleet/build.py", fleet], check=True, capture_output=True)
    accepted = tmp_path / "accepted.yml"
    accepted.write_text("# by us\n- {id: CVE-2020-1, reason: old, expires: 2099-01-01}\n", encoding="utf-8")
    given = variables(
        place,
        scan_paths=f"{fleet}/images",
        scan_feed=f"{fleet}/feed",
        scan_repository_map=f"{fleet}/repository-to-cpe.json",
        scan_policies=f"{fleet}/policies.yml",
        scan_fail_on="none",  # one of the images cannot be read
        scan_flag_targets="deny_list",
        scan_exceptions=str(accepted),
        scan_exceptions_max_days="36500",
    )
    played = play(place.cluster, "scan", {**given, "scan_steps": "discover,scan,judge,flag,report"}, tmp_path)
    assert played.status == 0, played.output
    report = json.loads((tmp_path / "results/report/report.json").read_text(encoding="utf-8"))
    failed = {one["digest"]: one for one in report["images"] if one["verdict"] == "failed"}
    assert set(place.denied()) >= set(failed)
    digest, chosen = next(
        (digest, one)
        for digest, one in failed.items()
        if {reason["code"] for reason in one["reasons"]} == {"vulnerability"} and one["reference"].endswith(":payments")
    )
    wishes = {
        "scan_references": digest,
        "unflag_ids": ",".join(sorted({one["id"] for one in chosen["vulnerabilities"]})),
        "unflag_owner": "security@example.com",
        "unflag_reason": 'it\'s "only" inside: no way in {yet}',
        "unflag_expires": "2099-12-31",
    }
    nobody = play(place.cluster, "unflag", {**given, **wishes, "unflag_owner": ""}, tmp_path)
    assert nobody.status == 2
    assert "an exception that somebody answers for" in nobody.message
    checked = play(place.cluster, "unflag", {**given, **wishes}, tmp_path, "--check")
    assert checked.status == 0, checked.output
    assert digest in place.denied()
    assert len(accepted.read_text(encoding="utf-8").splitlines()) == 2
    # The limits of whole runs are none of this one.
    limits = {"scan_fail_on": "failed,inconclusive", "scan_max_unresolved": "0"}
    done = play(place.cluster, "unflag", {**given, **wishes, **limits}, tmp_path)
    assert done.status == 0, done.output
    assert digest not in place.denied()
    assert set(place.denied()) >= set(failed) - {digest}
    written = accepted.read_text(encoding="utf-8")
    assert written.startswith("# by us\n")
    entry = yaml.safe_load(written)[-1]
    assert (entry["images"], entry["owner"], entry["reason"]) == (
        [digest],
        wishes["unflag_owner"],
        wishes["unflag_reason"],
    )
    again = play(place.cluster, "unflag", {**given, **wishes}, tmp_path)
    assert (again.status, again.changed) == (0, 0), again.output


# Many at once, killed and broken.


class Watching:
    """All versions of our deny lists and Image objects, in the order in which the server made them."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._events: list[tuple[int, str, dict[str, t.Any]]] = []
        self._stop = threading.Event()
        selectors = {
            DENY_LISTS: f"imagescan.github.io/provider={place.provider}",
            IMAGES: f"{TEST_LABEL}={place.provider}",
        }
        self._threads = [
            threading.Thread(target=self._watch, args=(path, selector)) for path, selector in selectors.items()
        ]

    def __enter__(self) -> Watching:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_about: object) -> None:
        time.sleep(1)  # for what is on its way
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _watch(self, path: str, selector: str) -> None:
        """Follow one kind, so that no version is missed; after an API restart, from what is there then."""
        listed = {"labelSelector": selector, "resourceVersion": "0", "sendInitialEvents": "true"}
        version = ""
        while not self._stop.is_set():
            query = {"labelSelector": selector, "watch": "true", "timeoutSeconds": "5", "allowWatchBookmarks": "true"}
            query |= {"resourceVersion": version} if version else {**listed, "resourceVersionMatch": "NotOlderThan"}
            with contextlib.suppress(ApiError), self._place.admin.stream(path, query) as stream:
                while line := stream.readline(4 << 20):
                    event = json.loads(line)
                    if event["type"] == "ERROR":  # the server restarted, and knows no versions of before
                        version = ""
                        break
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        self._events.append((int(version), event["type"], event["object"]))
            self._stop.wait(0.1)

    def states(self) -> t.Iterator[tuple[frozenset[str], frozenset[str]]]:
        """After each change: the digests on the deny lists, and those whose Image object denies."""
        lists: dict[str, t.Any] = {}
        images: dict[str, bool] = {}
        for _version, kind, one in sorted(self._events, key=lambda event: event[0]):
            name = one["metadata"]["name"]
            if one["kind"] == "DenyList":
                lists[name] = {} if kind == "DELETED" else one["spec"].get("digests") or {}
            else:
                images[name] = (one["metadata"].get("annotations") or {}).get(DENY_EXECUTION) == "true"
            yield (
                frozenset(digest for each in lists.values() for digest in each),
                frozenset(digest for digest, denies in images.items() if denies),
            )


def kill_at(process: subprocess.Popen[str], proxy: Faults, patches: int) -> None:
    """Kill a run once it has sent so many patches, the last of which does not arrive."""
    while process.poll() is None:
        if proxy.count(r"^PATCH ") >= patches:
            os.killpg(process.pid, signal.SIGKILL)
            return
        time.sleep(0.02)


def run_many(place: Place, break_in: t.Callable[[t.Sequence[Faults]], bool], seed: int) -> None:
    """Eight runs on overlapping images whose verdicts change meanwhile; two are killed.

    ``break_in``: called again and again, at least until it says that it has done what it is for.
    """
    chance = random.Random(seed)
    bad, good, restless = ([new_digest() for _each in range(5)] for _group in range(3))
    everything = [*bad, *good, *restless]
    names = {f"quay.io/team/app-{number}:1": digest for number, digest in enumerate(everything)}
    place.make_images(*everything)
    place.store.put(dict.fromkeys(everything, "failed"), names)
    place.flag()
    place.store.put(dict.fromkeys(good, "passed"), names)
    faults = [
        Fault(pattern=r"^PATCH ", every=5, status=409),
        Fault(pattern=r"^PATCH ", every=7, drop="after"),
        Fault(pattern=r"^GET ", every=11, status=503),
        Fault(pattern=r".", every=13, drop="before"),
    ]
    with Watching(place) as watching, contextlib.ExitStack() as stack:

        def start(*more: Fault, **options: t.Any) -> tuple[subprocess.Popen[str], Faults]:
            proxy, kubeconfig = stack.enter_context(place.recorded(*more, *map(dataclasses.replace, faults)))
            return place.start(kubeconfig=kubeconfig, **options), proxy

        # Those that are killed are slow, so that it happens in the midst of their work.
        slow = Fault(pattern=r"^PATCH ", delay=1.5)
        doomed = [start(dataclasses.replace(slow), images=chance.sample(everything, 10)) for _each in range(2)]
        killers = [
            threading.Thread(target=kill_at, args=(*each, patches)) for patches, each in enumerate(doomed, start=1)
        ]
        for killer in killers:
            killer.start()
        for process, proxy in doomed:  # otherwise the others may leave them nothing to do
            while process.poll() is None and not proxy.count(r"^PATCH "):
                time.sleep(0.02)
        running = [start(images=chance.sample(everything, 10)) for _each in range(4)]
        running.append(start())
        for turn in range(120):
            has_broken_in = break_in([proxy for _process, proxy in running])
            place.store.put({digest: chance.choice(["passed", "failed"]) for digest in restless}, names)
            if turn > 10 and has_broken_in and not any(killer.is_alive() for killer in killers):
                break
            time.sleep(0.5)
        place.store.put(dict(zip(restless, ["failed", "passed"] * 3)), names)
        running.append(start())
        for process, _proxy in running:
            output, complaints = process.communicate(timeout=300)
            assert process.returncode == 0, output[-2000:] + complaints[-2000:]
        for process, proxy in doomed:
            output, complaints = process.communicate(timeout=300)
            assert process.returncode == -signal.SIGKILL, (output[-2000:], complaints[-2000:], proxy.requests)
    for listed, denied in watching.states():
        # Everything is flagged when it begins, in both places.
        assert set(bad) <= listed | denied
        assert not (set(bad) | set(good)) & (denied - listed)
    # As by one run after the other.
    texts = place.denied()
    alone = Place(place.cluster, place.admin, place.accounts, f"{place.provider}-b", place.home)
    alone.make_list()
    try:
        alone.flag(targets=["deny_list"])
        assert alone.denied() == texts
    finally:
        ours = f"--selector=imagescan.github.io/provider={alone.provider}"
        place.cluster.kubectl("delete", "denylists.imagescan.github.io", ours)
    assert texts.keys() & set(everything) == {*bad, *restless[::2]}
    for digest in everything:
        assert (place.says(digest) == "true") == (digest in texts)
    assert not place.flag()["changed"]


@pytest.mark.full
@pytest.mark.parametrize("seed", [1, 2])
def test_many_runs_at_once_end_as_one_after_the_other(place: Place, seed: int) -> None:
    run_many(place, lambda proxies: True, seed)


@pytest.mark.full
def test_many_runs_survive_restarts_of_the_api(place: Place, breakable_cluster: Cluster) -> None:
    due = [6, 15]  # requests that every run has sent by then: whoever never had an answer gives up soon

    def restart(proxies: t.Sequence[Faults]) -> bool:
        if due and all(len(proxy.requests) >= due[0] for proxy in proxies):
            due.pop(0)
            breakable_cluster.restart("kube-apiserver")
        return len(due) < 2

    run_many(place, restart, 3)
    assert len(due) < 2
