# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that oscap evaluates in scanner pods: it says there what it says in a chroot of root's, rule by rule."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import os
import typing as t
import zipfile
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import images
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.select import EvaluationRequest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.trim import pack_trimmed, trim
from ansible_collections.imagescan.openshift.plugins.module_utils._core.progress import remaining
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import connect
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.connection import Connection
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.controller import JobScan
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.manifests import PodOptions
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.options import ComplianceOptions, ScanOptions
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.bundle import make_bundle
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.model import JobRecord, ScanOutcome
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.plan import PodAccess
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import request_of
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster
from ansible_collections.imagescan.openshift.tests.cluster.recording import Recording, frames
from ansible_collections.imagescan.openshift.tests.cluster.scans import (
    Scans,
    by_pods,
    check_nothing_is_left,
    write_images,
)
from ansible_collections.imagescan.openshift.tests.support.books import MemoryBook
from ansible_collections.imagescan.openshift.tests.support.evaluations import CONTENTS, plain_oscap
from ansible_collections.imagescan.openshift.tests.support.evaluations import Outcome as Plain
from ansible_collections.imagescan.openshift.tests.support.requirements import missing
from ansible_collections.imagescan.openshift.tests.support.roots import (
    build_root,
    copy_of,
    layer_of,
    minimal,
    with_kernel,
)

pytestmark = pytest.mark.full

CONTENT = CONTENTS / "ssg-rhel9-ds.xml"
SIZE = 16 << 20
MEMORY = "512Mi"
SECRET = "compliance-pull"


class Book(MemoryBook):
    """Keeps what a scan finds."""

    def forget(self, digest: str) -> None:
        """Somebody else spoke for a pod of ours."""
        raise AssertionError(digest)

    def record_job(self, job: JobRecord) -> None:
        """No other run adopts it."""

    def forget_job(self, uid: str) -> None:
        """Nobody knew it."""

    def jobs(self, _server: str, _namespace: str) -> list[JobRecord]:
        """There are none."""
        return []


@dataclasses.dataclass(frozen=True)
class Seen:
    """One scan: what became of each image, and the pods that did it, as the API showed them."""

    outcomes: t.Mapping[str, ScanOutcome]
    pods: tuple[dict[str, t.Any], ...]
    logs: t.Mapping[str, bytes]


class Stage:
    """A registry with images, and scans of them."""

    def __init__(self, cluster: Cluster, accounts: Accounts, folder: Path) -> None:
        self._cluster = cluster
        self._accounts = accounts
        self._folder = folder
        roots = {"kernel": with_kernel(9), "minimal": minimal(9)}
        self.roots = {name: build_root(folder / name, specs) for name, specs in roots.items()}
        layers = {name: [images.layer_of_tar(layer_of(root))] for name, root in self.roots.items()}
        layers["large"] = [*layers["minimal"], images.layer([images.Entry("srv/data", os.urandom(SIZE))])]
        self.sizes = {name: sum(len(layer.blob) for layer in parts) for name, parts in layers.items()}
        self.digests = write_images(
            folder / "images", {name: functools.partial(images.image, layers=parts) for name, parts in layers.items()}
        )
        for name in layers:
            cluster.push(f"oci:{folder}/images:{name}", f"compliance/{name}:1")

    def plain(self, name: str, profile: str) -> Plain:
        """What oscap says of an image in a chroot, with the variables that the image's config has."""
        root = copy_of(self.roots[name], self._folder / f"plain-{name}-{profile}")
        return plain_oscap(root, CONTENT, profile, variables=("PATH=/usr/local/bin:/usr/bin:/bin",))

    def image(self, name: str) -> dict[str, t.Any]:
        """As image_info hands it on."""
        digest = self.digests[name]
        reference = f"{self._cluster.registry}/compliance/{name}@{digest}"
        return {"reference": reference, "digest": digest, "kind": "image", "size": self.sizes[name]}

    def scan(self, method: str, names: t.Sequence[str], compliance: ComplianceOptions, *, program: bytes = b"") -> Seen:
        """Scan with one pod at a time. ``program``: for the pods, in place of the real one."""
        cluster, place = self._cluster, self._accounts.namespace
        options = ScanOptions(
            place,
            PodOptions(image=cluster.scanner_reference, cpu="50m", pull_secrets=(SECRET,), registry_token=True),
            PodAccess(plain_http=(cluster.registry,)),
            pods=1,
            start_timeout=180,
            compliance=compliance,
        )
        requests = [request_of(self.image(name)) for name in names]
        book = Book()
        folder = self._folder / f"recording-{len(list(self._folder.iterdir()))}"
        folder.mkdir()
        with Recording(cluster, place, folder) as recording:
            client = connect(Connection(kubeconfig=str(self._accounts.scan)))
            access = Access(plain_http=(cluster.registry,))
            scan = JobScan(book, client, access, options, method=method)
            scan._launcher.program = program
            scan.run(requests, remaining)
            check_nothing_is_left(cluster, place)
        found = {name: one for one in book.outcomes for name, digest in self.digests.items() if one.digest == digest}
        return Seen(found, tuple(one.last for one in recording.seen("pods")), recording.logs())


@pytest.fixture(scope="module")
def stage(cluster: t.Any, shared_accounts: Accounts, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Images that plain oscap can evaluate, too."""
    if not isinstance(cluster, Cluster):
        missing("a cluster of our own: this test reads the logs on its node")
    if not CONTENT.is_file():
        missing(f"the content {CONTENT} (ssg-nondebian)")
    login = json.dumps({"auths": {"registry.example": {"auth": "bm9ib2R5Om5vdGhpbmc="}}})
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}}
    kind = {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": login}}
    cluster.apply({**secret, **kind}, namespace=shared_accounts.namespace)
    return Stage(cluster, shared_accounts, tmp_path_factory.mktemp("compliance"))


@pytest.fixture(scope="module")
def by_job(stage: Stage) -> Seen:
    """Three images in one pod, one after the other; one is larger than there is room for."""
    return stage.scan(
        "job", ("kernel", "large", "minimal"), ComplianceOptions("cis", max_image_size=SIZE, memory=MEMORY)
    )


def assert_plain(outcome: ScanOutcome, plain: Plain) -> None:
    """Rule for rule."""
    assert outcome.compliance_error is None
    assert outcome.inventory is not None
    assert outcome.compliance is not None
    assert {rule.id: rule.result for rule in outcome.compliance.rules} == plain.rules
    assert outcome.compliance.score == pytest.approx(plain.score, abs=1e-4)
    assert {"pass", "fail"} <= set(plain.rules.values())


@pytest.mark.parametrize("name", ["kernel", "minimal"])
def test_a_pod_finds_what_oscap_finds_in_a_chroot(stage: Stage, by_job: Seen, name: str) -> None:
    outcome = by_job.outcomes[name]
    assert_plain(outcome, stage.plain(name, "cis"))
    assert outcome.state == "scanned"
    assert outcome.compliance is not None
    assert outcome.compliance.problems == ()
    assert outcome.arf is None


def test_an_image_without_room_is_an_error_that_names_the_limit(by_job: Seen) -> None:
    outcome = by_job.outcomes["large"]
    error = outcome.compliance_error
    assert error is not None
    assert error.code == "image-too-large-for-compliance"
    assert "16 MiB" in error.message
    assert "max_image_size" in error.hint
    assert outcome.state == "error"
    assert outcome.inventory is not None
    assert outcome.inventory.complete


def test_pods_are_unprivileged_and_oscap_has_no_credential(by_job: Seen) -> None:
    (pod,) = by_job.pods
    spec = pod["spec"]
    assert spec["securityContext"] == {
        **dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), 65534),
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert not spec.get("shareProcessNamespace")
    assert not spec.get("initContainers")
    scanner, oscap = spec["containers"]
    assert (scanner["name"], oscap["name"]) == ("scanner", "oscap")
    for container in (scanner, oscap):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
    volumes = {one["name"]: one for one in spec["volumes"]}
    mounts = {one["name"]: one for one in oscap["volumeMounts"]}
    assert mounts.keys() == {"program", "tree", "work"}
    assert mounts["program"]["readOnly"]
    assert "configMap" in volumes["program"]
    assert volumes["tree"]["emptyDir"] == {"medium": "Memory", "sizeLimit": str(SIZE + SIZE // 8 + (32 << 20))}
    assert set(volumes["work"]["emptyDir"]) == {"sizeLimit"}
    # Whatever the scanner has beside that holds a secret, or the key of its frames.
    assert {one["name"] for one in scanner["volumeMounts"]} >= {"plan", "pull-0", "registry-token"}
    assert not {one["name"] for one in oscap["env"]} & {"IMAGESCAN_POD_UID", "IMAGESCAN_POD_NAME"}
    assert oscap["resources"]["limits"]["memory"] == MEMORY
    assert int(scanner["resources"]["limits"]["memory"]) == (512 << 20) + int(volumes["tree"]["emptyDir"]["sizeLimit"])
    assert {one["name"]: one["state"]["terminated"]["exitCode"] for one in pod["status"]["containerStatuses"]} == {
        "scanner": 0,
        "oscap": 0,
    }


def test_content_of_somebodys_own_and_images_that_are_mounted(stage: Stage, tmp_path: Path) -> None:
    """With the ARF, too. What a user without rights cannot read in a mounted image is a problem of the results."""
    content = tmp_path / "ours-ds.xml"
    content.symlink_to(CONTENT)
    given = pack_trimmed(trim(EvaluationRequest("cis_server_l1"), content))
    wanted = ComplianceOptions("cis_server_l1", content=given, arf=True, max_image_size=SIZE, memory=MEMORY)
    seen = stage.scan("image_volume", ("kernel",), wanted)
    outcome = seen.outcomes["kernel"]
    assert_plain(outcome, stage.plain("kernel", "cis_server_l1"))
    assert outcome.compliance is not None
    assert {one.code for one in outcome.compliance.problems} <= {"unreadable"}
    assert outcome.arf is not None
    assert outcome.arf.startswith(b"\x1f\x8b")
    (pod,) = seen.pods
    (oscap,) = (one for one in pod["spec"]["containers"] if one["name"] == "oscap")
    mounts = {one["mountPath"]: one for one in oscap["volumeMounts"]}
    assert mounts.keys() == {"/program", "/tree", "/tmp", "/content"}


def test_an_evaluator_that_dies_is_named_and_holds_nobody_up(stage: Stage) -> None:
    """The image that was not begun is left to another pod: what became of the first says nothing about it."""
    wanted = ComplianceOptions("cis", max_image_size=SIZE, memory="256Mi")
    seen = stage.scan("job", ("kernel", "minimal"), wanted, program=_greedy())
    for name in ("kernel", "minimal"):
        outcome = seen.outcomes[name]
        assert outcome.state == "error"
        assert outcome.inventory is not None
        error = outcome.compliance_error
        assert error is not None
        assert (error.code, "raise memory of compliance" in error.hint) == ("evaluator-lost", True)
    assert len(seen.pods) == 2
    for pod in seen.pods:
        ended = {one["name"]: one["state"]["terminated"] for one in pod["status"]["containerStatuses"]}
        assert ended["oscap"]["reason"] == "OOMKilled"
        assert ended["scanner"]["exitCode"] == 0
    assert all(b'"counts"' in frames(log)[-1] for log in seen.logs.values())


#: Before the real program: where that is the evaluator it eats up its memory as soon as it has an image.
_GREED = """
import socket, sys, threading

def eat():
    kept = []
    while True:
        kept.append(b"x" * (8 << 20))

def accept(self, plain=socket.socket.accept):
    accepted = plain(self)
    threading.Thread(target=eat, daemon=True).start()
    return accepted

if sys.argv[1:] == ["evaluate"]:
    socket.socket.accept = accept
"""


def _greedy() -> bytes:
    source, changed = zipfile.ZipFile(io.BytesIO(make_bundle())), io.BytesIO()
    with zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            text = source.read(name).decode()
            archive.writestr(name, _GREED + text if name == "__main__.py" else text)
    return changed.getvalue()


def test_image_scan_keeps_results_and_makes_no_pod_for_what_it_has(
    stage: Stage, cluster: Cluster, shared_accounts: Accounts, scanner_image: str, tmp_path: Path
) -> None:
    given = {"images": [stage.image("kernel")], "compliance": {"profile": "cis", "max_image_size": str(SIZE)}}
    call = by_pods(cluster, shared_accounts, scanner_image, "job", **given)
    first, again = (dict(call) for _each in range(2))
    again["store"] = str(tmp_path / "first.db")
    scans = Scans(tmp_path, {"first": first, "again": again})
    scans.run()
    counts = {"scanned": 0, "current": 0, "planned": 0, "error": 0}
    assert scans.result("first")["counts"] == {**counts, "scanned": 1}
    assert scans.result("again")["counts"] == {**counts, "current": 1}
    assert not scans.result("again")["changed"]
    (found,) = scans.result("first")["images"]
    assert found["problems"] == []
    assert sum(found["rules"].values()) > 300
    assert scans.result("again")["images"][0]["rules"] == found["rules"]
