# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs and ConfigMaps: what pods may, what they get, and what is refused before the API sees it."""

from __future__ import annotations

import base64
import dataclasses
import json
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan import manifests
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.manifests import EvaluatorOptions, PodOptions

IMAGE = "r.example/tools/python@sha256:" + "a" * 64


def scanner_job(**options: t.Any) -> dict[str, t.Any]:
    """A Job of the method ``job``."""
    pod = PodOptions(image=IMAGE, **options)
    return manifests.scanner_job(
        "imagescan-r1-1", "r1", pod, parallelism=4, shards=8, annotations={"a": "b"}, pod_seconds=600, job_seconds=4000
    )


def volume_job(**options: t.Any) -> dict[str, t.Any]:
    """A Job of the method ``image_volume``."""
    pod = PodOptions(image=IMAGE, **options)
    images = [f"r.example/a@sha256:{letter * 64}" for letter in "bc"]
    return manifests.volume_job(
        "imagescan-r1-1-3", "r1", pod, plan="imagescan-r1-1", shard=3, images=images, annotations={}, pod_seconds=600
    )


def pod_of(job: dict[str, t.Any]) -> dict[str, t.Any]:
    """The pod's spec."""
    return t.cast("dict[str, t.Any]", job["spec"]["template"]["spec"])


@pytest.mark.parametrize("job", [scanner_job(), volume_job()], ids=["job", "image_volume"])
def test_pods_are_what_pod_security_restricted_demands(job: dict[str, t.Any]) -> None:
    pod = pod_of(job)
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65534,
        "runAsGroup": 65534,
        "fsGroup": 65534,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == "imagescan-puller"
    assert pod["enableServiceLinks"] is False
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} <= {
        *("configMap", "emptyDir", "projected", "secret", "image"),
    }
    assert set(container["resources"]) == {"requests", "limits"}
    assert job["spec"]["suspend"] is True
    assert job["spec"]["ttlSecondsAfterFinished"] >= 3600
    assert pod["terminationGracePeriodSeconds"] == 5
    assert {(one["key"], one["tolerationSeconds"]) for one in pod["tolerations"]} == {
        ("node.kubernetes.io/not-ready", 30),
        ("node.kubernetes.io/unreachable", 30),
    }


EVALUATOR = EvaluatorOptions("768Mi", 1 << 30)


@pytest.mark.parametrize("make", [scanner_job, volume_job], ids=["job", "image_volume"])
def test_the_container_for_oscap_is_as_unprivileged_and_has_no_credential(make: t.Any) -> None:
    pod = pod_of(make(evaluator=EVALUATOR, pull_secrets=("team",), proxy={"https_proxy": "http://proxy.example"}))
    scanner, oscap = pod["containers"]
    assert (scanner["name"], oscap["name"]) == ("scanner", "oscap")
    assert oscap["securityContext"] == scanner["securityContext"]
    assert oscap["image"] == IMAGE
    assert oscap["command"] == ["python3", "/program/scanner.pyz", "evaluate"]
    mounts = {mount["name"]: mount for mount in oscap["volumeMounts"]}
    assert mounts.keys() == {"program", "tree", "work"}
    assert mounts["program"]["readOnly"]
    assert {one["name"] for one in oscap["env"]} == {"HOME", "TMPDIR", "PYTHONDONTWRITEBYTECODE"}
    # It bounds its own address space, and reads in threads.
    assert {"name": "MALLOC_ARENA_MAX", "value": "1"} in scanner["env"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["tree"]["emptyDir"]["medium"] == "Memory"
    assert int(volumes["tree"]["emptyDir"]["sizeLimit"]) >= 1 << 30
    assert not {"tree", "work", "content"} & {volume["name"] for volume in pod_of(make())["volumes"]}


@pytest.mark.parametrize("make", [scanner_job, volume_job], ids=["job", "image_volume"])
@pytest.mark.parametrize("openshift", [False, True])
def test_the_right_to_change_its_root_is_the_only_one_and_oscaps_alone(make: t.Any, openshift: bool) -> None:
    """As user 0: with any other the container would have the capability, and the process in it would not."""
    options = {"evaluator": dataclasses.replace(EVALUATOR, chroot=True), "openshift": openshift}
    with_it, without = pod_of(make(**options)), pod_of(make(**{**options, "evaluator": EVALUATOR}))
    assert with_it["securityContext"] == {**without["securityContext"], "runAsNonRoot": False, "runAsUser": 0}
    scanner, oscap = with_it["containers"]
    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert scanner["securityContext"] == restricted
    assert oscap["securityContext"] == {**restricted, "capabilities": {"drop": ["ALL"], "add": ["SYS_CHROOT"]}}
    other = {key: value for key, value in oscap.items() if key != "securityContext"}
    assert other.items() <= without["containers"][1].items()
    assert scanner == without["containers"][0]


def test_memory_for_unpacked_images_is_the_scanners() -> None:
    def memory(largest: int) -> list[int]:
        scanner, oscap = pod_of(scanner_job(evaluator=EvaluatorOptions("768Mi", 1 << 30, largest=largest)))[
            "containers"
        ]
        assert {oscap["resources"][name]["memory"] for name in ("requests", "limits")} == {"768Mi"}
        return [int(scanner["resources"][name]["memory"]) for name in ("requests", "limits")]

    volume = EVALUATOR.tree_bytes
    assert memory(0) == [(512 << 20) + volume] * 2
    request, limit = memory(100 << 20)
    assert limit == (512 << 20) + volume
    assert (512 << 20) + (300 << 20) < request < limit
    assert memory(1 << 40) == [(512 << 20) + volume] * 2
    with pytest.raises(InputError, match="memory of compliance"):
        EvaluatorOptions("64Mi", 1 << 30)


def test_content_that_a_person_gave_is_mounted_for_oscap_alone() -> None:
    pod = pod_of(scanner_job(evaluator=EvaluatorOptions("768Mi", 1 << 30, given=True)))
    scanner, oscap = pod["containers"]
    assert "content" not in {mount["name"] for mount in scanner["volumeMounts"]}
    (mount,) = (mount for mount in oscap["volumeMounts"] if mount["name"] == "content")
    assert (mount["mountPath"], mount["readOnly"]) == ("/content", True)
    (volume,) = (volume for volume in pod["volumes"] if volume["name"] == "content")
    assert volume["configMap"] == {"name": "imagescan-r1-1-content"}


@pytest.mark.parametrize("make", [scanner_job, volume_job], ids=["job", "image_volume"])
def test_an_image_with_content_is_mounted_for_oscap_alone(make: t.Any) -> None:
    pod = pod_of(make(evaluator=dataclasses.replace(EVALUATOR, content=IMAGE)))
    scanner, oscap = pod["containers"]
    (mount,) = (mount for mount in oscap["volumeMounts"] if mount["name"] == "content-image")
    assert mount["readOnly"]
    assert {"name": "IMAGESCAN_CONTENT", "value": mount["mountPath"]} in oscap["env"]
    (volume,) = (volume for volume in pod["volumes"] if volume["name"] == "content-image")
    assert volume["image"] == {"reference": IMAGE, "pullPolicy": "IfNotPresent"}
    assert "content-image" not in {mount["name"] for mount in scanner["volumeMounts"]}


def test_on_openshift_the_constraints_assign_user_and_group() -> None:
    assert pod_of(scanner_job(openshift=True))["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_a_job_is_indexed_and_never_begins_a_shard_again() -> None:
    spec = scanner_job()["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 8, 4)
    assert spec["backoffLimitPerIndex"] == 0
    assert spec["activeDeadlineSeconds"] == 4000
    # A disruption that is ignored would begin the whole shard again.
    assert not spec.keys() & {"podFailurePolicy", "backoffLimit"}


def test_images_are_mounted_read_only_in_the_order_of_the_shard() -> None:
    job = volume_job(pull_secrets=("team",))
    pod = pod_of(job)
    images = [volume["image"]["reference"][-1] for volume in pod["volumes"] if "image" in volume]
    assert images == ["b", "c"]
    mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    assert [mounts[f"image-{number}"]["mountPath"] for number in (0, 1)] == ["/images/0", "/images/1"]
    assert all(mounts[f"image-{number}"]["readOnly"] for number in (0, 1))
    assert {"name": "IMAGESCAN_SHARD", "value": "3"} in pod["containers"][0]["env"]
    assert (job["spec"]["completions"], job["spec"]["backoffLimit"]) == (1, 0)
    # The kubelet pulls: no credentials come near the program.
    assert pod["imagePullSecrets"] == [{"name": "team"}]
    assert not [volume for volume in pod["volumes"] if "secret" in volume or "projected" in volume]
    assert {volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume} == {
        "imagescan-r1-1-program",
        "imagescan-r1-1-plan",
    }


def test_credentials_are_mounted_by_name_and_the_token_can_only_pull() -> None:
    pod = pod_of(scanner_job(pull_secrets=("one", "two.b"), registry_token=True))
    mounts = {mount["mountPath"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for name in ("one", "two.b"):
        mount = mounts[f"/pull-secrets/{name}"]
        assert mount["readOnly"]
        assert volumes[mount["name"]]["secret"] == {"secretName": name, "defaultMode": 0o440}
    token = volumes[mounts["/registry-token"]["name"]]["projected"]["sources"]
    assert token == [{"serviceAccountToken": {"path": "token", "expirationSeconds": 600}}]
    assert not [volume for volume in pod_of(scanner_job())["volumes"] if "projected" in volume or "secret" in volume]


def test_what_people_choose_arrives() -> None:
    proxy = {"https_proxy": "http://proxy.example:3128", "no_proxy": ".example,10.0.0.0/8"}
    toleration = {"key": "team", "operator": "Exists"}
    pod = pod_of(
        scanner_job(
            memory="1Gi",
            cpu="3",
            proxy=proxy,
            node_selector={"disk": "fast"},
            tolerations=(toleration,),
            priority_class="low",
        )
    )
    container = pod["containers"][0]
    assert container["image"] == IMAGE
    assert container["resources"] == {
        "requests": {"memory": "1Gi", "cpu": "3"},
        "limits": {"memory": "1Gi", "cpu": "3"},
    }
    assert {"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"} in container["env"]
    assert {"name": "NO_PROXY", "value": ".example,10.0.0.0/8"} in container["env"]
    assert pod["nodeSelector"] == {"disk": "fast"}
    assert pod["tolerations"][0] == toleration
    assert pod["priorityClassName"] == "low"
    assert pod_of(scanner_job())["containers"][0]["resources"]["limits"]["cpu"] == "2"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"memory": "64Mi"}, "expected 128Mi or more"),
        ({"memory": "lots"}, "not a quantity"),
        ({"cpu": "-1"}, "not a quantity"),
        ({"cpu": "many"}, "not a quantity"),
        ({"pull_secrets": ("../x",)}, "not a name"),
        ({"pull_secrets": ("Team",)}, "not a name"),
        ({"proxy": {"ftp_proxy": "x"}}, "expected http_proxy"),
        ({"proxy": {"http_proxy": "http://me:secret@proxy.example"}}, "holds a user or a password"),
        ({"image": "not an image"}, "image reference"),
    ],
)
def test_options_that_are_wrong_are_refused(options: dict[str, t.Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as raised:
        PodOptions(**{"image": IMAGE, **options})
    assert "secret@" not in str(raised.value)


def test_config_maps_go_with_the_last_job_and_cannot_be_changed() -> None:
    jobs = [{"metadata": {"name": f"j{number}", "uid": f"u{number}"}} for number in (1, 2)]
    program, plan, content = manifests.config_maps(
        "imagescan-r1-1", "r1", jobs, program=b"PK\3\4", ca=b"PEM", plan=b"{}", evaluator_files={"content": b"<xml/>"}
    )
    assert content["metadata"]["name"] == "imagescan-r1-1-content"
    assert base64.b64decode(content["binaryData"]["content"]) == b"<xml/>"
    assert (program["metadata"]["name"], plan["metadata"]["name"]) == ("imagescan-r1-1-program", "imagescan-r1-1-plan")
    assert base64.b64decode(program["binaryData"]["scanner.pyz"]) == b"PK\3\4"
    assert base64.b64decode(program["binaryData"]["ca.crt"]) == b"PEM"
    assert plan["data"] == {"plan.json": "{}"}
    for one in (program, plan, content):
        assert one["immutable"] is True
        assert [owner["uid"] for owner in one["metadata"]["ownerReferences"]] == ["u1", "u2"]
        # Some clusters refuse blockOwnerDeletion to accounts that cannot update finalizers.
        assert "blockOwnerDeletion" not in json.dumps(one)
        assert one["metadata"]["labels"]["imagescan.github.io/run"] == "r1"
    without = manifests.config_maps("imagescan-r1-1", "r1", jobs, program=b"PK", ca=b"", plan=b"{}")
    assert set(without[0]["binaryData"]) == {"scanner.pyz"}
    assert len(without) == 2


def test_selectors_choose_runs_or_all_of_ours() -> None:
    assert manifests.selector() == (
        "app.kubernetes.io/managed-by=imagescan.openshift,app.kubernetes.io/component=scanner"
    )
    assert manifests.selector("b", "a").endswith(",imagescan.github.io/run in (a,b)")
