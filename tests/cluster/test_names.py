# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One name that several images have had, on a real cluster: what is refused by its tag, from a store that is new."""

from __future__ import annotations

import dataclasses
import json
import secrets
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import images
from ansible_collections.imagescan.openshift.tests.cluster import enforcing
from ansible_collections.imagescan.openshift.tests.cluster.enforced import pod, until
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.scans import write_images
from ansible_collections.imagescan.openshift.tests.support.modules import run_module
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import image
from ansible_collections.imagescan.openshift.tests.support.verdict_store import VerdictStore

Json = dict[str, t.Any]
API = "image.openshift.io/v1"

pytestmark = pytest.mark.timeout(900)


@dataclasses.dataclass(frozen=True)
class Place:
    """Two namespaces, in one of which what is on the deny list is refused. ``name``: of both, and the provider."""

    cluster: KubernetesCluster
    name: str
    home: Path

    @property
    def spaces(self) -> tuple[str, str]:
        """The namespaces."""
        return f"{self.name}-one", f"{self.name}-two"

    def module(self, name: str, **options: t.Any) -> Json:
        """Run a module as Ansible does; it must not fail."""
        result = run_module(name, options, self.home)
        assert not result.get("failed"), result
        return result

    def run(self, store: VerdictStore, verdicts: t.Mapping[str, str], index: str = "", **options: t.Any) -> None:
        """Find, scan and flag what the streams of the two namespaces name. ``index``: one that fails.

        The verdicts are given, since judging is not what these tests are about.
        """
        access = {"kubeconfig": str(self.cluster.kubeconfig)}
        registries: Json = {"plain_http_registries": [self.cluster.registry]}
        finding: Json = {"sources": ["openshift"], "namespaces": list(self.spaces), **access, **registries, **options}
        found = self.module("image_info", **finding)["images"]
        kept = {"store": str(store.path)}
        self.module("image_scan", images=found, **kept, **registries)
        store.put(verdicts, {})
        if index:
            store.index(index, verdicts, "failed")
        flagging: Json = {"provider": self.name, "max_new_flags": "100%", "targets": ["deny_list"]}
        self.module("image_flag", **access, **kept, **flagging)

    def report(self, store: VerdictStore, name: str) -> set[str]:
        """The verdicts under which the report has a name."""
        dest = self.home / f"report-{secrets.token_hex(4)}"
        self.module("scan_report", store=str(store.path), dest=str(dest), formats=["json"])
        listed = json.loads((dest / "report.json").read_text(encoding="utf-8"))["images"]
        return {one["verdict"] for one in listed if name in (one["reference"], *one["references"])}

    def tries(self, name: str) -> str:
        """What somebody is told who would run a pod by a name; empty if it is let in."""
        body = json.dumps(pod("by-name", name))
        options = ("create", "--dry-run=server", "--filename=-", f"--namespace={self.spaces[0]}")
        done = self.cluster.kubectl(*options, input=body, check=False)
        return "" if done.returncode == 0 else str(done.stderr)

    def imports(self, namespace: str, name: str, *digests: str, at: str, children: t.Sequence[str] = ()) -> None:
        """An image stream whose tag was imported from a name: its images, newest first, as OpenShift keeps them."""
        repository, _colon, tag = name.rpartition(":")
        for digest in digests:
            one: Json = {**image("0", repository), "metadata": {"name": digest}}
            one["dockerImageReference"] = f"{repository}@{digest}"
            if children and digest == digests[0]:
                one["dockerImageManifestMediaType"] = images.INDEX
                one["dockerImageManifests"] = [
                    {"digest": child, "os": "linux", "architecture": arch}
                    for child, arch in zip(children, ("amd64", "arm64"))
                ]
            self.cluster.apply({"apiVersion": API, "kind": "Image", **one})
        source = {"name": tag, "from": {"kind": "DockerImage", "name": name}, "generation": 2}
        items = [
            {"image": one, "dockerImageReference": f"{repository}@{one}", "generation": 2, "created": at}
            for one in digests
        ]
        status = {"tags": [{"tag": tag, "items": items}]}
        metadata = {"name": "app"}
        made = {"metadata": metadata, "spec": {"tags": [source]}, "status": status}
        self.cluster.apply({"apiVersion": API, "kind": "ImageStream", **made}, namespace=namespace)


@pytest.fixture(scope="module")
def installed(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Place]:
    """The policy of the role ``enforce``, and a deny list."""
    cluster.install_openshift_kinds()
    name = f"names-{secrets.token_hex(4)}"
    made = Place(cluster, name, tmp_path_factory.mktemp("names"))
    for namespace in made.spaces:
        cluster.create_namespace(namespace)
    kinds = enforcing.kinds()
    cluster.apply(*kinds)
    established = [f"crd/{one['metadata']['name']}" for one in kinds]
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *established)
    labels = {f"imagescan.github.io/{key}": value for key, value in (("list", "deny"), ("provider", name))}
    labels["imagescan.github.io/enforce"] = name
    first = {"apiVersion": "imagescan.github.io/v1alpha1", "kind": "DenyList", "spec": {}}
    cluster.apply({**first, "metadata": {"name": f"{name}-0", "labels": labels}})
    policies, bindings = enforcing.documents(name, [made.spaces[0]])
    try:
        cluster.apply(*policies)
        cluster.apply(*bindings)
        yield made
    finally:
        for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            cluster.kubectl("delete", kind, "--ignore-not-found", f"{name}-deny")
        cluster.kubectl("delete", "denylists.imagescan.github.io", f"--selector=imagescan.github.io/provider={name}")
        for namespace in made.spaces:
            cluster.remove_namespace(namespace)


@pytest.fixture
def place(installed: Place) -> t.Iterator[Place]:
    """The place; its streams are gone afterwards."""
    yield installed
    for namespace in installed.spaces:
        installed.cluster.kubectl("delete", "imagestreams.image.openshift.io", "--all", f"--namespace={namespace}")


def single(name: str) -> t.Callable[[images.Blobs], Json]:
    """An image with one file; the name is its architecture, or it is for amd64."""

    def build(blobs: images.Blobs) -> Json:
        layers = [images.layer([images.Entry("opt/app", name.encode())])]
        return images.image(blobs, layers, architecture="arm64" if name == "arm64" else "amd64")

    return build


def test_an_import_of_yesterday_does_not_clear_the_tag_that_was_pushed_again(place: Place, tmp_path: Path) -> None:
    """Then the tag is pushed once more: its registry's word alone lifts the name. Other orders are in tests/traps."""
    one, two = place.spaces
    made = write_images(tmp_path / "images", {"good": single("good"), "bad": single("bad")})
    good, bad = made["good"], made["bad"]
    place.cluster.push(f"oci:{tmp_path}/images:good", f"{place.name}/app:1")
    name = place.cluster.push(f"oci:{tmp_path}/images:bad", f"{place.name}/app:1")
    verdicts = {good: "passed", bad: "failed"}
    place.imports(one, name, bad, at="2026-01-02T00:00:00Z")
    place.imports(two, name, good, at="2026-01-01T00:00:00Z")
    store = VerdictStore(tmp_path / "store.db")
    place.run(store, verdicts, ask_registries=False)
    assert place.report(store, name) == {"failed"}
    until(lambda: "is refused" in place.tries(name))
    # Nobody asks its registry: an import that is newer says nothing of what the name is now.
    place.cluster.push(f"oci:{tmp_path}/images:good", f"{place.name}/app:1")
    place.imports(one, name, good, bad, at="2026-01-03T00:00:00Z")
    place.run(store, verdicts, ask_registries=False)
    assert "is refused" in place.tries(name)
    place.run(store, verdicts)
    assert place.report(store, name) == {"passed"}
    until(lambda: not place.tries(name))


def test_one_image_of_an_index_does_not_clear_the_name_of_the_index(place: Place, tmp_path: Path) -> None:
    """One namespace has the index, the other its image for amd64 alone (importMode: Legacy)."""
    made: dict[str, str] = {}

    def build(blobs: images.Blobs) -> Json:
        children = {arch: single(arch)(blobs) for arch in ("amd64", "arm64")}
        made.update({arch: str(one["digest"]) for arch, one in children.items()})
        return images.index(blobs, [(one, f"linux/{arch}") for arch, one in children.items()])

    made |= write_images(tmp_path / "images", {"index": build})
    name = place.cluster.push(f"oci:{tmp_path}/images:index", f"{place.name}/multi:1")
    children = [made["amd64"], made["arm64"]]
    place.imports(place.spaces[0], name, made["index"], at="2026-01-01T00:00:00Z", children=children)
    place.imports(place.spaces[1], name, made["amd64"], at="2026-01-02T00:00:00Z")
    store = VerdictStore(tmp_path / "store.db")
    verdicts = {made["amd64"]: "passed", made["arm64"]: "failed"}
    place.run(store, verdicts, made["index"], ask_registries=False)
    assert place.report(store, name) == {"failed"}
    until(lambda: "is refused" in place.tries(name))
    assert not place.tries(f"{name.rpartition(':')[0]}@{made['amd64']}")
