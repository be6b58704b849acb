# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole profiles in real pods: image_scan in a namespace under ``restricted`` says what oscap says to root in a chroot.

The roots are those of ``tests/oracle/test_openscap.py``, as images; one call has all of them in one pod.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import secrets
import tarfile
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import images
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.codec import results_from_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import open_store
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts, accounts_in
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import RESTRICTED, KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.scans import (
    Scans,
    by_pods,
    check_nothing_is_left,
    write_images,
)
from ansible_collections.imagescan.openshift.tests.support.evaluations import (
    KINDS,
    MAIN,
    MAJORS,
    Outcome,
    Roots,
    assert_enough,
    assert_same,
    content_for,
    outcome_of,
)
from ansible_collections.imagescan.openshift.tests.support.roots import layer_of

BASELINE = dict.fromkeys(RESTRICTED, "baseline")
VARIABLES = ("PATH=/usr/local/bin:/usr/bin:/bin",)  # of the images' configs
LIMIT = 64 << 20
CHROOT, CONTENT = "chroot", "content"
SYS_CHROOT = 1 << 18
PATIENCE = 1500.0
pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]
#: Run in a container: all its processes as the kernel sees them, its mounts, and whether it may write beside them.
_LOOK = """
import glob, json
def read(path):
    try:
        with open(path) as stream:
            return stream.read()
    except OSError:
        return ""
def why_not():
    try:
        open("/written", "w").close()
    except OSError as error:
        return error.strerror
found = [read(path) for path in glob.glob("/proc/[0-9]*/status")]
print(json.dumps({"processes": found, "mounts": read("/proc/self/mounts"), "write": why_not()}))
"""


class Stage:
    """A registry with an image of each root, and what a playbook's calls of image_scan leave in their stores."""

    def __init__(self, cluster: KubernetesCluster, folder: Path) -> None:
        self.cluster = cluster
        self.roots = Roots(folder / "roots", VARIABLES)
        names = {f"{kind}{major}": (kind, major) for kind in KINDS for major in MAJORS}
        layers = {name: layer_of(self.roots(*root)) for name, root in names.items()}
        layers[CONTENT] = _content_layer(9)
        built = {
            name: functools.partial(images.image, layers=[images.layer_of_tar(layer)]) for name, layer in layers.items()
        }
        digests = write_images(folder / "images", built)
        for name in layers:
            cluster.push(f"oci:{folder}/images:{name}", f"profiles/{name}:1")
        self.references = {name: f"{cluster.registry}/profiles/{name}@{digest}" for name, digest in digests.items()}
        self.digests = {root: digests[name] for name, root in names.items()}

    def call(self, accounts: Accounts, profile: str, names: t.Iterable[str], **options: t.Any) -> dict[str, t.Any]:
        """A call of image_scan: one pod for all of its images. ``options``: of ``compliance``."""
        wanted = {"profile": profile, "max_image_size": str(LIMIT), **options}
        given = {"images": [self.references[name] for name in names], "compliance": wanted, "pods": 1}
        return by_pods(self.cluster, accounts, self.cluster.scanner_reference, "job", **given)


def _content_layer(major: int) -> bytes:
    path = content_for(major)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(path.name)
        member.size, member.mode = path.stat().st_size, 0o644
        with path.open("rb") as stream:
            archive.addfile(member, stream)
    return buffer.getvalue()


class Watch:
    """While it is open: the pods of a namespace, and what is seen inside the first of each Job that runs oscap."""

    def __init__(self, cluster: KubernetesCluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = f"--namespace={namespace}"
        self.pods: dict[str, dict[str, t.Any]] = {}
        self.inside: dict[str, dict[str, dict[str, t.Any]]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch-pods")

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            for pod in self._cluster.get("pods", self._namespace)["items"]:
                uid = pod["metadata"]["uid"]
                self.pods[uid] = pod
                states = [one.get("state", {}) for one in pod["status"].get("containerStatuses", ())]
                if uid not in self.inside and len(states) == 2 and all("running" in state for state in states):
                    seen = {name: self._look(pod["metadata"]["name"], name) for name in ("oscap", "scanner")}
                    if all(seen.values()) and any("Name:\toscap" in one for one in seen["oscap"]["processes"]):
                        self.inside[uid] = seen

    def _look(self, pod: str, container: str) -> dict[str, t.Any]:
        command = ("exec", self._namespace, pod, f"--container={container}", "--", "python3", "-c", _LOOK)
        done = self._cluster.kubectl(*command, check=False)
        return dict(json.loads(done.stdout)) if done.returncode == 0 else {}


class Played(t.NamedTuple):
    """A playbook that ran, and the pods that it had."""

    scans: Scans
    watch: Watch
    namespace: str

    def outcome(self, call: str, digest: str) -> Outcome:
        """What a call found for an image."""
        with open_store(self.scans.store(call), read_only=True) as store:
            found = store.evaluations.get(digest)
        assert found is not None
        assert found.error_code == ""
        assert found.results is not None
        return outcome_of(results_from_dict(found.results))

    def problems(self, call: str, digest: str) -> list[dict[str, str]]:
        """What the module says is wrong with an image."""
        (image,) = (one for one in self.scans.result(call)["images"] if one["digest"] == digest)
        return list(image["problems"])


@contextlib.contextmanager
def played(
    cluster: KubernetesCluster, accounts: Accounts, home: Path, calls: t.Mapping[str, t.Mapping[str, t.Any]]
) -> t.Iterator[Played]:
    """Run a playbook beside what is done inside; afterwards it has come to its end."""
    scans = Scans(home, calls)
    with Watch(cluster, accounts.namespace) as watch:
        process = scans.start()
        try:
            yield Played(scans, watch, accounts.namespace)
            assert process.wait(PATIENCE) == 0, scans.output
        finally:
            process.kill()
            process.wait()
    assert "WARNING" not in scans.output, scans.output
    check_nothing_is_left(cluster, accounts.namespace)


@pytest.fixture(scope="module")
def stage(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The images of all roots."""
    return Stage(cluster, tmp_path_factory.mktemp("profiles"))


@pytest.fixture(scope="module", params=MAIN)
def by_profile(
    request: pytest.FixtureRequest,
    stage: Stage,
    cluster: KubernetesCluster,
    shared_accounts: Accounts,
    tmp_path_factory: pytest.TempPathFactory,
) -> Played:
    """A profile on every root, in a namespace under ``restricted``."""
    profile = request.param
    names = sorted(set(stage.references) - {CONTENT})
    calls = {profile: stage.call(shared_accounts, profile, names)}
    with played(cluster, shared_accounts, tmp_path_factory.mktemp(profile), calls) as done:
        for kind, major in stage.digests:  # meanwhile
            stage.roots.plain(kind, major, profile)
    return done


@pytest.fixture(scope="module")
def by_restricted(
    stage: Stage, cluster: KubernetesCluster, shared_accounts: Accounts, tmp_path_factory: pytest.TempPathFactory
) -> Played:
    """What else there is to see there: content of an image's, and a pod that may not start."""
    content = {"content_image": stage.references[CONTENT]}
    refused = stage.call(shared_accounts, "cis", ["services9"], chroot=True)
    calls = {
        CONTENT: stage.call(shared_accounts, "cis", ("services8", "services9"), **content),
        CHROOT: {**refused, "start_timeout": 10},
    }
    with played(cluster, shared_accounts, tmp_path_factory.mktemp("restricted"), calls) as done:
        pass
    return done


@pytest.fixture(scope="module")
def by_baseline(
    stage: Stage, cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory
) -> t.Iterator[Played]:
    """oscap may chroot, in a namespace under ``baseline``."""
    name = f"baseline-{secrets.token_hex(4)}"
    home = tmp_path_factory.mktemp("baseline")
    with accounts_in(cluster, name, home) as accounts:
        labels = [f"{label}={level}" for label, level in BASELINE.items()]
        cluster.kubectl("label", "--overwrite", "namespace", name, *labels)
        # Of all images, so that there is time to look at what runs.
        calls = {CHROOT: stage.call(accounts, "cis", sorted(set(stage.references) - {CONTENT}), chroot=True)}
        with played(cluster, accounts, home, calls) as done:
            pass
        yield done
    cluster.remove_namespace(name)


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_pod_gives_what_plain_oscap_gives(stage: Stage, by_profile: Played, kind: str, major: int) -> None:
    (profile,) = by_profile.scans.calls
    ours = by_profile.outcome(profile, stage.digests[kind, major])
    assert_same(ours, stage.roots.plain(kind, major, profile), kind)


@pytest.mark.parametrize("major", MAJORS)
def test_enough_rules_pass_and_fail(stage: Stage, by_profile: Played, major: int) -> None:
    (profile,) = by_profile.scans.calls
    assert_enough(by_profile.outcome(profile, stage.digests[kind, major]) for kind in KINDS)


def test_all_images_of_a_call_share_a_pod(by_profile: Played, cluster: KubernetesCluster) -> None:
    assert labels_of(cluster, by_profile.namespace).items() >= RESTRICTED.items()
    assert len(by_profile.watch.pods) == 1


def labels_of(cluster: KubernetesCluster, namespace: str) -> dict[str, str]:
    """Labels of a namespace."""
    return dict(cluster.get("namespace", namespace)["metadata"]["labels"])


def fields(status: str) -> dict[str, str]:
    """What the kernel says of a process."""
    return {
        name: " ".join(value.split()) for name, _colon, value in (line.partition(":") for line in status.split("\n"))
    }


@pytest.mark.parametrize("container", ["scanner", "oscap"])
def test_no_process_of_a_pod_may_do_anything(by_profile: Played, container: str) -> None:
    assert by_profile.watch.inside
    for uid, seen in by_profile.watch.inside.items():
        (tree,) = (one for one in by_profile.watch.pods[uid]["spec"]["volumes"] if one["name"] == "tree")
        for status in seen[container]["processes"]:
            process = fields(status)
            assert {process[f"Cap{which}"] for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}, status
            assert (process["Uid"], process["Gid"]) == (" ".join(["65534"] * 4),) * 2, status
            assert (process["NoNewPrivs"], process["Seccomp"]) == ("1", "2"), status  # 2: a filter
        assert seen[container]["write"] == "Read-only file system"
        mounts = {point: (kind, options.split(",")) for _device, point, kind, options in mounts_of(seen[container])}
        assert "ro" in mounts["/"][1]
        kind, options = mounts["/tree"]
        assert kind == "tmpfs"
        assert f"size={int(tree['emptyDir']['sizeLimit']) // 1024}k" in options


def mounts_of(seen: t.Mapping[str, t.Any]) -> list[list[str]]:
    """Device, mount point, type and options of each mount of a container."""
    return [line.split()[:4] for line in seen["mounts"].splitlines()]


def test_a_namespace_under_restricted_refuses_pods_that_chroot(stage: Stage, by_restricted: Played) -> None:
    (problem,) = by_restricted.problems(CHROOT, stage.digests["services", 9])
    assert problem["code"] == "pod-refused"
    assert 'violates PodSecurity "restricted' in problem["message"]


@pytest.mark.parametrize("major", MAJORS)
def test_pods_that_chroot_give_the_same_under_baseline(stage: Stage, by_baseline: Played, major: int) -> None:
    ours = by_baseline.outcome(CHROOT, stage.digests["services", major])
    assert_same(ours, stage.roots.plain("services", major, "cis"), "services")


def test_oscap_may_chroot_there_and_nothing_else(by_baseline: Played, cluster: KubernetesCluster) -> None:
    assert labels_of(cluster, by_baseline.namespace).items() >= BASELINE.items()
    (seen,) = by_baseline.watch.inside.values()
    for container, rights in (("oscap", SYS_CHROOT), ("scanner", 0)):
        for status in seen[container]["processes"]:
            process = fields(status)
            assert {int(process[f"Cap{which}"], 16) for which in ("Prm", "Eff", "Bnd")} == {rights}, status
            assert process["NoNewPrivs"] == "1", status
        assert seen[container]["write"] == "Read-only file system"


def test_content_from_an_image_gives_the_same(stage: Stage, by_restricted: Played) -> None:
    ours = by_restricted.outcome(CONTENT, stage.digests["services", 9])
    assert_same(ours, stage.roots.plain("services", 9, "cis"), "services")


def test_content_that_the_image_lacks_is_missing(stage: Stage, by_restricted: Played) -> None:
    """Though the scanner's own image has it."""
    digest = stage.digests["services", 8]
    assert [one["code"] for one in by_restricted.problems(CONTENT, digest)] == ["content-missing"]
    with open_store(by_restricted.scans.store(CONTENT), read_only=True) as store:
        found = store.evaluations.get(digest)
    assert found is not None
    assert found.results is not None
    assert found.results["rules"] == []


def test_content_is_mounted_where_oscap_is_and_cannot_be_changed(stage: Stage, by_restricted: Played) -> None:
    specs = [pod["spec"] for pod in by_restricted.watch.pods.values()]
    reference = {"reference": stage.references[CONTENT], "pullPolicy": "IfNotPresent"}
    (spec,) = (one for one in specs if any(volume.get("image") == reference for volume in one["volumes"]))
    mounts = {(one["name"], mount["mountPath"]) for one in spec["containers"] for mount in one["volumeMounts"]}
    assert {name for name, path in mounts if path == "/content-image"} == {"oscap"}
    (oscap,) = (one for one in spec["containers"] if one["name"] == "oscap")
    (mount,) = (one for one in oscap["volumeMounts"] if one["mountPath"] == "/content-image")
    assert mount["readOnly"]
