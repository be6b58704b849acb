# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What scanner pods are, as the API shows them while a run is on: unprivileged, without tokens, and silent on secrets.

What the accounts may do is held to its list in test_setup.py.
"""

from __future__ import annotations

import base64
import dataclasses
import http.client
import json
import secrets
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import fleet, images, rpmdb
from ansible_collections.imagescan.openshift.tests.cluster.accounts import OURS, OWNER, Accounts
from ansible_collections.imagescan.openshift.tests.cluster.harness.certificates import Authority
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.images import scanner_layout
from ansible_collections.imagescan.openshift.tests.cluster.harness.sandbox import NODE_ADDRESS
from ansible_collections.imagescan.openshift.tests.cluster.recording import (
    Recording,
    Watched,
    config_map_parts,
    disguises,
    frames,
    leaks,
    store_parts,
)
from ansible_collections.imagescan.openshift.tests.cluster.scans import Scans, by_pods, write_images
from ansible_collections.imagescan.openshift.tests.cluster.test_harness import finished
from ansible_collections.imagescan.openshift.tests.cluster.test_harness import pod as restricted_pod
from ansible_collections.imagescan.openshift.tests.support.requirements import missing
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server

pytestmark = pytest.mark.full

SECONDS = 120
RUN = "imagescan.github.io/run"
CALL = "example.com/call"
MARK = "THE-TARGET-RAN"
PULLER = "imagescan-puller"
#: Where a token of a service account is mounted by default.
DEFAULT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
CALLS = ("job", "image_volume", "token")


class TokenRegistry:
    """Stands for OpenShift's integrated registry: it opens to tokens that the cluster's API server vouches for.

    ``told``: what the API server said of each token that was shown.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.told: dict[str, dict[str, t.Any]] = {}

    def answer(self, request: Request) -> Answer:
        """Forward to the registry behind it, or 401."""
        login = request.basic_login()
        if login is None or not self._reviewed(login[1]).get("authenticated"):
            return Answer(401, b"", {"WWW-Authenticate": 'Basic realm="integrated"'})
        connection = http.client.HTTPConnection(self._cluster.registry, timeout=SECONDS)
        try:
            connection.request(request.method, request.target, None, {"accept": request.headers.get("accept", "*/*")})
            response = connection.getresponse()
            kept = {
                key: value
                for key, value in response.getheaders()
                if key.lower() in ("content-type", "docker-content-digest")
            }
            return Answer(response.status, response.read(), kept)
        finally:
            connection.close()

    def _reviewed(self, token: str) -> dict[str, t.Any]:
        if token not in self.told:
            review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
            made = self._cluster.kubectl("create", "--filename=-", "--output=json", input=json.dumps(review))
            self.told[token] = json.loads(made.stdout)["status"]
        return self.told[token]


@dataclasses.dataclass(frozen=True)
class Run:
    """Three calls of image_scan and all that could be seen of them. ``secrets``: by name, what must not be seen."""

    cluster: Cluster
    accounts: Accounts
    scans: Scans
    recording: Recording
    targets: t.Mapping[str, str]
    secrets: t.Mapping[str, str]
    registry: TokenRegistry

    def pods(self, call: str) -> list[dict[str, t.Any]]:
        """The pods of a call, as they were last seen; each call has a toleration with its name."""
        return [one.last for one in self.recording.seen("pods") if _call_of(one.last) == call]

    def made(self, kind: str) -> list[Watched]:
        """Objects of a kind that a run made."""
        return [one for one in self.recording.seen(kind) if RUN in one.first["metadata"].get("labels", {})]


def _call_of(pod: t.Mapping[str, t.Any]) -> str:
    tolerations = pod["spec"].get("tolerations", ())
    return next((str(one["value"]) for one in tolerations if one.get("key") == CALL), "")


@pytest.fixture(scope="module")
def run(
    cluster: t.Any, shared_accounts: Accounts, scanner_image: str, tmp_path_factory: pytest.TempPathFactory
) -> t.Iterator[Run]:
    """Scan by each method, with secrets of every kind in play, and record it."""
    if not isinstance(cluster, Cluster):
        missing("a cluster of our own: this test reads the logs on its node, and has a registry there")
    home = tmp_path_factory.mktemp("pods")
    place = shared_accounts.namespace
    password = f"c@n/ary+{secrets.token_urlsafe(12)}%"
    targets, digests = push_targets(cluster, place, home)
    good = base64.b64encode(":".join(cluster.login).encode()).decode()
    entries = {
        "dockerconfigjson": {"auths": {f"{cluster.tls_registry}/{place}/private": {"auth": good}}},
        "dockercfg": {f"{cluster.tls_registry}/{place}/refused": {"username": "canary", "password": password}},
    }
    for form, content in entries.items():
        data = {f".{form}": json.dumps(content)}
        about = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"pods-{form}"}}
        cluster.apply({**about, "type": f"kubernetes.io/{form}", "stringData": data}, namespace=place)
    auth_file = home / "auth.json"
    auth_file.touch(0o600)
    auth_file.write_text(json.dumps(entries["dockerconfigjson"]), encoding="utf-8")

    authority = Authority(home / "pki")
    pair = authority.issue("registry", "registry", hosts=[NODE_ADDRESS])
    trust = home / "ca.crt"
    trust.write_bytes(cluster.ca_file.read_bytes() + authority.ca_file.read_bytes())
    registry = TokenRegistry(cluster)
    with running_server(registry.answer, tls=t.cast("t.Any", pair), address=NODE_ADDRESS) as front:
        targets["integrated"] = f"{front.host}/{place}/targets:integrated"
        wanted = [targets[name] for name in ("runnable", "plain", "private", "refused")]

        def call(name: str, method: str, chosen: t.Sequence[t.Any], **options: t.Any) -> dict[str, t.Any]:
            given: dict[str, t.Any] = {
                "images": chosen,
                "registry_ca_cert": str(trust),
                "start_timeout": 15,
                "node_selector": {"kubernetes.io/hostname": cluster.node},
                "tolerations": [{"key": CALL, "operator": "Equal", "value": name, "effect": "NoSchedule"}],
            }
            return by_pods(cluster, shared_accounts, scanner_image, method, **given, **options)

        # Known by its digest, so that the node is the one that is refused.
        refused = {"reference": targets["refused"], "digest": digests["refused"], "kind": "image"}
        pull_secrets = [f"pods-{form}" for form in entries]
        calls = {
            "job": call("job", "job", wanted, pull_secrets=pull_secrets, images_per_pod=2),
            "image_volume": call(
                *("image_volume", "image_volume", [*wanted[:3], refused]),
                pull_secrets=pull_secrets,
                registry_auth_file=str(auth_file),
                integrated_registry=front.host,
            ),
            "token": call("token", "job", [targets["integrated"], targets["plain"]], integrated_registry=front.host),
        }
        scans = Scans(home, calls)
        with Recording(cluster, place, tmp_path_factory.mktemp("recording")) as recording:
            scans.run("-vvv")
            wait_for_nothing(cluster, place)
        tokens = {f"token {number}": token for number, token in enumerate(registry.told)}
        hidden = {
            "password of the registry": cluster.login[1],
            "login as pull secrets have it": good,
            "password that is refused": password,
            "token of the account": token_of(shared_accounts.scan),
            **tokens,
        }
        yield Run(cluster, shared_accounts, scans, recording, targets, hidden, registry)


def push_targets(cluster: Cluster, place: str, home: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Images to scan: one whose program would tell that it ran, and others. References and digests by name."""
    packages = images.files("var/lib/rpm", rpmdb.sqlite_files(fleet.packages("bash-5.1.8-9.el9")))

    def plain(name: str) -> t.Callable[[images.Blobs], images.Json]:
        layer = images.layer([*fleet.red_hat_root("9", "4"), *packages, images.Entry("by", name.encode())])
        return lambda blobs: images.image(blobs, [layer])

    digests = write_images(
        home / "images", {name: plain(name) for name in ("plain", "integrated", "private", "refused")}
    )
    found = {
        name: cluster.push(f"oci:{home}/images:{name}", f"{place}/targets:{name}") for name in ("plain", "integrated")
    }
    for name in ("private", "refused"):
        found[name] = cluster.push_with_login(f"oci:{home}/images:{name}", f"{place}/{name}:1")
    # The scanner's own layers, so that the program really could run.
    layout = home / "runnable"
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)
    for blob in (scanner_layout() / "blobs/sha256").iterdir():
        (blobs / blob.name).symlink_to(blob)
    index = json.loads((scanner_layout() / "index.json").read_text(encoding="utf-8"))
    manifest = json.loads(_blob(layout, index["manifests"][0]))
    config = json.loads(_blob(layout, manifest["config"]))
    config["config"] |= {"Entrypoint": ["python3", "-c", f"print('{MARK}', flush=True)"], "Cmd": []}
    manifest["config"] |= _put(layout, config)
    index["manifests"] = [{**index["manifests"][0], **_put(layout, manifest)}]
    for name, content in (("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        (layout / name).write_text(json.dumps(content), encoding="utf-8")
    found["runnable"] = cluster.push(f"oci:{layout}:test", f"{place}/targets:runnable")
    return found, digests


def _blob(layout: Path, descriptor: t.Mapping[str, t.Any]) -> str:
    digest = str(descriptor["digest"])
    return (layout / "blobs" / digest.replace(":", "/")).read_text(encoding="utf-8")


def _put(layout: Path, value: t.Any) -> dict[str, t.Any]:
    data = json.dumps(value).encode()
    digest = images.digest(data)
    (layout / "blobs" / digest.replace(":", "/")).write_bytes(data)
    return {"digest": digest, "size": len(data)}


def token_of(kubeconfig: Path) -> str:
    """The signature of the token in a kubeconfig: what makes it one."""
    text = kubeconfig.read_text(encoding="utf-8")
    return next(line.split(".")[2] for line in text.split() if line.count(".") == 2 and line.startswith("ey"))


def wait_for_nothing(cluster: Cluster, place: str) -> None:
    """Until nothing of the runs is left, which the cluster removes in its own time."""
    end = time.monotonic() + SECONDS
    while cluster.get("jobs,pods,configmaps", f"--namespace={place}", f"--selector={OWNER}={OURS},{RUN}")["items"]:
        assert time.monotonic() < end, "something of the runs stays"
        time.sleep(0.5)


def test_the_runs_found_what_they_should(run: Run) -> None:
    """Else the other tests would look at nothing."""
    for call in CALLS:
        told = {one["reference"]: one for one in run.scans.result(call)["images"]}
        wanted = ("integrated", "plain") if call == "token" else ("runnable", "plain", "private")
        assert all(told[run.targets[name]]["state"] == "scanned" for name in wanted), told
        if call != "token":
            code = {"job": "registry-unauthorized", "image_volume": "image-pull-failed"}[call]
            refused = next(one for one in told.values() if "/refused" in one["reference"])
            assert [one["code"] for one in refused["problems"]] == [code]
        assert run.pods(call)
    assert len(run.pods("job")) >= 2
    assert {_call_of(one.last) for one in run.recording.seen("pods")} == set(CALLS)
    started = {
        one.last["metadata"]["name"]
        for one in run.recording.seen("pods")
        if any(status.get("containerID") for status in one.last["status"].get("containerStatuses", ()))
    }
    logs = run.recording.logs()
    assert logs.keys() == started
    assert all(b'"counts"' in frames(log)[-1] for log in logs.values()), "a log without its end"


def test_pod_security_restricted_is_enforced_and_refuses_none(run: Run) -> None:
    labels = run.cluster.get("namespace", run.accounts.namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    jobs = {one.last["metadata"]["uid"] for one in run.made("jobs")}
    events = [one.last for one in run.recording.seen("events")]
    reasons = {one["reason"] for one in events if one["involvedObject"]["uid"] in jobs}
    assert "SuccessfulCreate" in reasons
    assert "FailedCreate" not in reasons


@pytest.mark.parametrize("call", CALLS)
def test_pods_are_unprivileged(run: Run, call: str) -> None:
    for pod in run.pods(call):
        spec = pod["spec"]
        assert spec["securityContext"] == {
            **dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), 65534),
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert [one["name"] for one in spec["containers"]] == ["scanner"]
        assert not spec.get("initContainers")
        assert not spec.get("ephemeralContainers")
        container = spec["containers"][0]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        for shared in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
            assert not spec.get(shared)
        writable = {one["name"] for one in container["volumeMounts"] if not one.get("readOnly")}
        assert writable == {"scratch"}
        kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"configMap", "emptyDir", "secret", "projected", "image"}
        resources = container["resources"]
        assert resources["requests"] == {"memory": "512Mi", "cpu": "50m"}
        assert resources["limits"] == {"memory": "512Mi", "cpu": "2"}


@pytest.mark.parametrize("call", CALLS)
def test_pods_give_way_and_say_whose_they_are(run: Run, call: str) -> None:
    jobs = {one.last["metadata"]["uid"] for one in run.made("jobs")}
    runs = set()
    for pod in run.pods(call):
        spec, metadata = pod["spec"], pod["metadata"]
        assert metadata["labels"][OWNER] == OURS
        assert metadata["labels"]["app.kubernetes.io/component"] == "scanner"
        runs.add(metadata["labels"][RUN])
        assert [one["uid"] in jobs for one in metadata["ownerReferences"]] == [True]
        assert (spec["restartPolicy"], spec["terminationGracePeriodSeconds"]) == ("Never", 5)
        assert 0 < spec["activeDeadlineSeconds"] <= 86_400
        assert spec["nodeSelector"] == {"kubernetes.io/hostname": run.cluster.node}
        patience = {one["key"]: one.get("tolerationSeconds") for one in spec["tolerations"]}
        lost = dict.fromkeys(("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"), 30)
        assert patience.items() >= {CALL: None, **lost}.items()
    assert len(runs) == 1


def test_the_network_policy_holds_for_every_pod(run: Run) -> None:
    policies = run.cluster.get("networkpolicies", f"--namespace={run.accounts.namespace}")["items"]
    selectors = [
        one["spec"]["podSelector"] for one in policies if {"Ingress", "Egress"} <= set(one["spec"]["policyTypes"])
    ]
    for call in CALLS:
        for pod in run.pods(call):
            labels = pod["metadata"]["labels"]
            assert any(one.get("matchLabels", {}).items() <= labels.items() for one in selectors)


def test_jobs_begin_suspended_and_stay_long_enough_to_be_adopted(run: Run) -> None:
    jobs = run.made("jobs")
    assert jobs
    for job in jobs:
        assert job.first["spec"]["suspend"] is True
        assert job.last["spec"]["suspend"] is False
        assert job.first["spec"]["ttlSecondsAfterFinished"] >= 3600
        assert job.first["metadata"]["labels"][OWNER] == OURS
        assert {"imagescan.github.io/owner", "imagescan.github.io/images"} <= job.first["metadata"][
            "annotations"
        ].keys()
        assert not job.first["spec"].get("podFailurePolicy")


def test_config_maps_are_immutable_and_go_with_their_jobs(run: Run) -> None:
    jobs = {one.last["metadata"]["uid"]: one.last for one in run.made("jobs")}
    maps = run.made("configmaps")
    owned = set()
    for one in maps:
        metadata = one.first["metadata"]
        assert one.first["immutable"] is True
        assert metadata["labels"][OWNER] == OURS
        assert metadata["ownerReferences"]
        for owner in metadata["ownerReferences"]:
            assert jobs[owner["uid"]]["metadata"]["labels"][RUN] == metadata["labels"][RUN]
            assert not owner.get("blockOwnerDeletion")
            owned.add(owner["uid"])
    assert owned == set(jobs)
    mounted = {
        volume["configMap"]["name"]
        for call in CALLS
        for pod in run.pods(call)
        for volume in pod["spec"]["volumes"]
        if "configMap" in volume
    }
    assert mounted == {one.first["metadata"]["name"] for one in maps}


@pytest.mark.parametrize("call", CALLS)
def test_no_token_but_the_one_that_was_asked_for(run: Run, call: str) -> None:
    for pod in run.pods(call):
        spec = pod["spec"]
        assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == (PULLER, False)
        projected = [volume for volume in spec["volumes"] if "projected" in volume]
        mounts = {one["name"]: one for one in spec["containers"][0]["volumeMounts"]}
        assert not any(one["mountPath"].startswith(DEFAULT_TOKEN) for one in mounts.values())
        if call != "token":
            assert not projected
            continue
        # No audience: that of the API server, which is the one that the integrated registry asks.
        expected = [{"serviceAccountToken": {"path": "token", "expirationSeconds": 600}}]
        assert [one["projected"]["sources"] for one in projected] == [expected]
        assert mounts[projected[0]["name"]]["readOnly"] is True


@pytest.mark.parametrize("call", CALLS)
def test_pull_secrets_are_mounted_only_where_they_are_needed(run: Run, call: str) -> None:
    for pod in run.pods(call):
        mounted = {one["secret"]["secretName"] for one in pod["spec"]["volumes"] if "secret" in one}
        named = {one["name"] for one in pod["spec"].get("imagePullSecrets", ())}
        both = {"pods-dockerconfigjson", "pods-dockercfg"}
        assert mounted == (both if call == "job" else set())
        assert named == (set() if call == "token" else both)


def test_the_token_is_short_lived_and_bound_to_its_pod(run: Run) -> None:
    pods = {pod["metadata"]["name"] for pod in run.pods("token")}
    assert run.registry.told
    for token, told in run.registry.told.items():
        assert told["user"]["username"] == f"system:serviceaccount:{run.accounts.namespace}:{PULLER}"
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        assert claims["exp"] - claims["iat"] <= 600
        assert claims["kubernetes.io"]["pod"]["name"] in pods


def test_nothing_of_a_target_runs(run: Run, scanner_image: str) -> None:
    digest = scanner_image.rpartition("@")[2]
    for call in CALLS:
        for pod in run.pods(call):
            groups = ("containers", "initContainers", "ephemeralContainers")
            assert {one["image"] for group in groups for one in pod["spec"].get(group, ())} == {scanner_image}
            assert all(one["command"] == ["python3", "/program/scanner.pyz"] for one in pod["spec"]["containers"])
            statuses = [
                one
                for group in ("container", "initContainer", "ephemeralContainer")
                for one in pod["status"].get(f"{group}Statuses", ())
            ]
            assert {one["imageID"].rpartition("@")[2] for one in statuses if one["imageID"]} <= {digest}
    ran = {
        one["imageID"] for call in CALLS for pod in run.pods(call) for one in pod["status"].get("containerStatuses", ())
    }
    assert any(image.endswith(digest) for image in ran)
    for name, log in run.recording.logs().items():
        assert MARK.encode() not in log, name


def test_the_target_would_run_if_somebody_ran_it(run: Run, namespace: str) -> None:
    """The twin: the same image, run as people would."""
    wanted = restricted_pod(run.targets["runnable"])
    del wanted["spec"]["containers"][0]["command"]
    run.cluster.apply(wanted, namespace=namespace)
    assert finished(run.cluster, namespace)["exitCode"] == 0
    assert MARK in run.cluster.kubectl("logs", "probe", f"--namespace={namespace}").stdout


def places(run: Run) -> dict[str, list[bytes]]:
    """Everything that people, or other programs, can see of the runs."""
    recording = run.recording
    found = {f"log of {name}": [log, *frames(log)] for name, log in recording.logs().items()}
    for kind in ("pods", "jobs", "events", "configmaps"):
        found[kind] = [recording.raw(kind)]
    for one in recording.seen("configmaps"):
        found["configmaps"] += config_map_parts(one.last)
    for call in CALLS:
        found[f"store of {call}"] = store_parts(run.scans.home / f"{call}.db")
        found[f"result of {call}"] = [(run.scans.home / f"{call}.json").read_bytes()]
    found["output"] = [run.scans.output.encode()]
    return found


def test_secrets_are_seen_nowhere(run: Run) -> None:
    assert leaks(run.secrets, places(run)) == []


def test_the_search_finds_what_is_there(run: Run) -> None:
    """The twin: what does stand in those places is found in each of them, behind all that is packed."""
    seen = places(run)
    known = {"reference": run.targets["plain"].partition("/")[2].partition(":")[0]}
    found = set(leaks(known, seen))
    wanted = {"configmaps", "output", *(f"{what} of {call}" for what in ("store", "result") for call in CALLS)}
    assert {f"reference in {place}" for place in wanted} <= found
    name = run.pods("job")[0]["metadata"]["name"]
    assert leaks(
        {"os": "redhat:enterprise_linux"}, {place: parts for place, parts in seen.items() if "log of" in place}
    )
    assert name in seen["pods"][0].decode()
    data = {"secret": run.secrets["password that is refused"]}
    for form in disguises(data["secret"]):
        assert leaks(data, {"here": [b"before " + form + b" behind"]})
    for before in range(4):
        packed = base64.b64encode(b"x" * before + data["secret"].encode() + b"y")
        assert leaks(data, {"here": [packed]})


def test_secrets_of_the_namespace_are_only_mounted_never_made(run: Run) -> None:
    assert not [one for one in run.recording.seen("secrets") if RUN in one.first["metadata"].get("labels", {})]
