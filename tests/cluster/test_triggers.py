# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what starts a run to what the cluster refuses, on a real cluster: by hand, and by new vulnerability data."""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import KubernetesClient
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts, Played, accounts_in, play
from ansible_collections.imagescan.openshift.tests.cluster.enforced import Enforced, pod, until
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.registries import CountingRegistry, counting_registry
from ansible_collections.imagescan.openshift.tests.support.examples import Runner, examples
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import image

CHECKOUT = Path(__file__).resolve().parents[2]
FINDINGS = {"payments": "CVE-2026-900001", "reports": "CVE-2026-900007"}
ALL_STEPS = "discover, scan, judge, flag, report"

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


@dataclasses.dataclass
class Place:
    """An installation of ``enforce``, the accounts of ``setup``, somebody who deploys, and the example fleet.

    ``digests``: of two images, by name, that the feed knows one important finding of; behind a registry that counts.
    """

    enforced: Enforced
    accounts: Accounts
    tenant: KubernetesClient
    registry: CountingRegistry
    fleet: Path
    digests: dict[str, str]

    @property
    def cluster(self) -> KubernetesCluster:
        """The cluster."""
        return self.enforced.cluster

    def variables(self, home: Path, **more: t.Any) -> dict[str, t.Any]:
        """What a person gives to every run here, beside what the run is about."""
        return {
            "scan_kubeconfig_dir": str(self.accounts.folder),
            "scan_namespace": self.accounts.namespace,
            "scan_scanner_image": self.cluster.scanner_reference,
            "scan_method": "job",
            "scan_pods": "start_timeout=180",
            "scan_registries": {"plain_http_registries": self.registry.host},
            "scan_feed": str(home / "feed"),
            "scan_repository_map": str(self.fleet / "repository-to-cpe.json"),
            "scan_policies": str(self.fleet / "policies.yml"),
            "scan_flag_provider": self.enforced.name,
            "scan_dir": str(home / "scan"),
            **more,
        }

    def reference(self, name: str) -> str:
        """Of an image, by its tag."""
        return f"{self.registry.host}/{self.enforced.name}/{name}:1"

    def pinned(self, name: str) -> str:
        """The same by its digest."""
        return f"{self.reference(name).rpartition(':')[0]}@{self.digests[name]}"

    def tries(self, name: str) -> str:
        """What the tenant is told who creates a pod of an image; empty if it is made, and then it is removed."""
        path = f"/api/v1/namespaces/{self.enforced.work}/pods"
        answer = self.tenant.attempt("POST", path, pod(name, self.pinned(name)))
        if answer.status == 201:
            self.tenant.delete(f"{path}/{name}")
            return ""
        return str(answer.value.get("message"))

    def annotations(self, name: str) -> dict[str, str]:
        """Of an Image object."""
        found = self.cluster.get("images.image.openshift.io", self.digests[name])
        return dict(found["metadata"].get("annotations") or {})

    def pods_so_far(self) -> set[str]:
        """The Jobs and pods that events of the scan namespace tell of, by UID: also those that are gone."""
        events = self.cluster.get("--namespace", self.accounts.namespace, "events")["items"]
        return {one["involvedObject"]["uid"] for one in events if one["involvedObject"]["kind"] in ("Job", "Pod")}


@pytest.fixture(scope="module")
def place(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Place]:
    """Nothing is scanned nor flagged. Each test has an image of its own."""
    cluster.install_openshift_kinds()
    name, home = f"trg-{secrets.token_hex(4)}", tmp_path_factory.mktemp("triggers")
    fleet = home / "fleet"
    subprocess.run([sys.executable, CHECKOUT / "examples/fleet/build.py", fleet], check=True, capture_output=True)
    layout = json.loads((fleet / "images/index.json").read_text(encoding="utf-8"))["manifests"]
    digests = {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in layout}
    enforced = Enforced(cluster, name, home)
    cluster.create_namespace(enforced.work)
    with accounts_in(cluster, name, home) as accounts, counting_registry(cluster) as registry:
        try:
            assert enforced.do("enforce") > 0
            tenant = enforced.user("tenant", enforced.work)
            made = Place(enforced, accounts, tenant, registry, fleet, {one: digests[one] for one in FINDINGS})
            for one in FINDINGS:
                cluster.push(f"oci:{fleet}/images:{one}", f"{name}/{one}:1")
                known: dict[str, t.Any] = {**image("0"), "apiVersion": "image.openshift.io/v1", "kind": "Image"}
                known["metadata"]["name"] = digests[one]
                known["dockerImageReference"] = made.pinned(one)
                cluster.apply(known)
            yield made
        finally:
            names = (digests[one] for one in FINDINGS)
            cluster.kubectl("delete", "--ignore-not-found", "images.image.openshift.io", *names)
            enforced.remove()
            for namespace in (enforced.work, name):
                cluster.remove_namespace(namespace)


def checked(played: Played, status: int = 0) -> str:
    """What a run printed, which ended so and did not warn."""
    assert (played.status, played.warnings) == (status, ()), played.output
    return played.output


def reported(home: Path, digest: str) -> dict[str, t.Any]:
    """The object of an image in report.json."""
    images = json.loads((home / "scan/report/report.json").read_text(encoding="utf-8"))["images"]
    (found,) = [one for one in images if one["digest"] == digest]
    return dict(found)


def test_by_hand_from_the_command_to_the_refused_pod(place: Place, tmp_path: Path) -> None:
    name, finding = "reports", FINDINGS["reports"]
    shutil.copytree(place.fleet / "feed", tmp_path / "feed")
    assert place.tries(name) == ""
    asked = place.variables(tmp_path, scan_references=place.reference(name), scan_steps=ALL_STEPS)

    output = checked(play(place.cluster, "scan", asked, tmp_path))
    assert len(place.pods_so_far()) >= 2  # a Job and a pod
    assert place.registry.fetched()[place.digests[name]] > 0
    assert re.search(rf"^FAILED +{re.escape(place.reference(name))}$", output, re.MULTILINE)
    found = reported(tmp_path, place.digests[name])
    assert found["verdict"] == "failed"
    assert finding in found["reasons"][0]["message"]
    assert place.annotations(name)["images.openshift.io/deny-execution"] == "true"
    until(lambda: place.tries(name))
    assert finding in place.tries(name)

    # In a pipeline: the same verdict ends it, after the report.
    gate = play(place.cluster, "scan", {**asked, "scan_steps": "judge, report", "scan_fail_on": "failed"}, tmp_path)
    page = tmp_path / "scan/report/report.html"
    assert gate.message.startswith("1 of 1 images are failed, and scan_fail_on names that; the report: ")
    assert gate.message.endswith(str(page))
    checked(gate, 2)


def test_new_data_from_the_feed_to_the_refused_pod(place: Place, tmp_path: Path) -> None:
    name, finding = "payments", FINDINGS["payments"]
    news = Path(finding[4:8]) / f"{finding.lower()}.json"
    shutil.copytree(place.fleet / "feed", tmp_path / "feed")
    (tmp_path / "feed" / news).unlink()
    asked = place.variables(tmp_path, scan_references=place.reference(name), scan_steps=ALL_STEPS)
    checked(play(place.cluster, "scan", asked, tmp_path))
    assert reported(tmp_path, place.digests[name])["verdict"] == "passed"
    assert place.annotations(name)["images.openshift.io/deny-execution"] == "false"
    assert place.tries(name) == ""
    pods, pulls = place.pods_so_far(), len(place.registry.requests)

    shutil.copy(place.fleet / "feed" / news, tmp_path / "feed" / news)
    # As docs/triggers/new_data.md says, with an inventory that has what somebody has set once and for all.
    given = {key: value for key, value in asked.items() if key not in ("scan_steps", "scan_references", "scan_dir")}
    given["imagescan_dir"] = asked["scan_dir"]
    given |= {"feed_source": given.pop("scan_feed"), "feed_repository_map": given.pop("scan_repository_map")}
    here = {"hosts": {"localhost": {"ansible_connection": "local", **given}}}
    (tmp_path / "inventory.yml").write_text(json.dumps({"all": here}), encoding="utf-8")
    settings = {**ansible_environment(tmp_path), "ANSIBLE_INVENTORY": str(tmp_path / "inventory.yml")}
    runner = Runner(tmp_path, settings, {})
    (commands,) = examples("triggers", "new_data")
    output = runner.run(commands)
    assert "[WARNING]" not in output
    assert place.pods_so_far() == pods
    assert len(place.registry.requests) == pulls
    assert "1 image has another verdict than before:" in output
    assert re.search(rf"^FAILED +{re.escape(place.reference(name))} was passed$", output, re.MULTILINE)
    found = reported(tmp_path, place.digests[name])
    assert (found["verdict"], found["change"]["before"]) == ("failed", "passed")
    assert [(one["code"], one["state"]) for one in found["change"]["reasons"]] == [("vulnerability", "new")]
    assert finding in found["change"]["reasons"][0]["message"]
    assert place.annotations(name)["images.openshift.io/deny-execution"] == "true"
    until(lambda: place.tries(name))
    assert finding in place.tries(name)

    # Once more: nothing is news, and nothing differs.
    before = place.cluster.get("images.image.openshift.io", place.digests[name])
    again = runner.run(commands)
    assert "another verdict than before" not in again
    assert place.cluster.get("images.image.openshift.io", place.digests[name]) == before
    # The report tells when the feed was asked, and is new for that alone.
    assert re.findall(r"^localhost +: .*changed=(\d+) ", again, re.MULTILINE) == ["0", "1"]
    assert reported(tmp_path, place.digests[name]) == found
