# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against a real API server: every way to log in, what users do wrong, and what breaks on the way."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import threading
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.faults import Fault, Faults, fault_proxy, tunnel
from ansible_collections.imagescan.openshift.tests.support.certificates import Authority

Item = dict[str, t.Any]
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
SECONDS = 120
MANY = 57


@pytest.fixture(scope="module")
def admin(cluster: KubernetesCluster) -> KubernetesClient:
    """A client of the administrator."""
    return connect(Connection(kubeconfig=str(cluster.kubeconfig)))


@pytest.fixture(scope="module")
def ca_file(admin: KubernetesClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The cluster's CA as a file."""
    path = tmp_path_factory.mktemp("cluster") / "ca.crt"
    path.write_text(admin.ca, encoding="ascii")
    return str(path)


@pytest.fixture(scope="module")
def home(cluster: KubernetesCluster) -> t.Iterator[str]:
    """The namespace of an account named robot."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.create_namespace(name)
    cluster.kubectl("--namespace", name, "create", "serviceaccount", "robot")
    yield name
    cluster.remove_namespace(name)


@pytest.fixture(scope="module")
def token(cluster: KubernetesCluster, home: str) -> str:
    """A token of that account."""
    return cluster.kubectl("--namespace", home, "create", "token", "robot").stdout.strip()


@pytest.fixture(scope="module")
def reach(admin: KubernetesClient, ca_file: str, token: str) -> dict[str, t.Any]:
    """Options of that account."""
    return {"host": admin.server, "ca_cert": ca_file, "api_key": token}


@pytest.fixture(scope="module")
def client(reach: dict[str, t.Any]) -> KubernetesClient:
    """A client of that account."""
    return connect(Connection(**reach))


@pytest.fixture
def place(cluster: KubernetesCluster, namespace: str, home: str) -> str:
    """A fresh namespace in which that account may do everything."""
    account = f"--serviceaccount={home}:robot"
    cluster.kubectl("--namespace", namespace, "create", "rolebinding", "robot", "--clusterrole=admin", account)
    return namespace


@pytest.fixture
def proxy(reach: dict[str, t.Any], ca_file: str, tmp_path: Path) -> t.Iterator[Faults]:
    """A proxy in front of the API server, without faults yet."""
    with fault_proxy(reach["host"], Path(ca_file), tmp_path / "proxy") as running:
        yield running


@pytest.fixture
def through(proxy: Faults, token: str) -> KubernetesClient:
    """A client of that account whose requests go through the proxy."""
    return connect(Connection(host=proxy.url, ca_cert=str(proxy.ca_file), api_key=token))


def user_of(client: KubernetesClient) -> tuple[str, set[str]]:
    """Who the server takes the client for, with groups."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    found = client.create(WHO, body)["status"]["userInfo"]
    return found["username"], set(found["groups"])


def configmaps(namespace: str) -> str:
    """The path of ConfigMaps."""
    return f"/api/v1/namespaces/{namespace}/configmaps"


def configmap(name: str, **labels: str) -> Item:
    """A small object."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": "1"}}


def name_of(item: Item) -> str:
    """The name of an object."""
    return str(item["metadata"]["name"])


def fill(client: KubernetesClient, namespace: str) -> set[str]:
    """Many objects with the label a=b; their names."""
    names = {f"c{number}" for number in range(MANY)}
    for name in names:
        client.create(configmaps(namespace), configmap(name, a="b"))
    return names


def test_a_token(client: KubernetesClient, home: str) -> None:
    assert user_of(client)[0] == f"system:serviceaccount:{home}:robot"
    assert client.version() >= (1, 20)
    assert client.has_group("batch")
    assert not client.has_group("none.example")


def test_a_client_certificate(
    cluster: KubernetesCluster, admin: KubernetesClient, ca_file: str, tmp_path: Path
) -> None:
    content = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    user = content["users"][0]["user"]
    if "client-certificate-data" not in user:
        pytest.skip("the administrator of this cluster has no client certificate")
    files = {}
    for kind in ("certificate", "key"):
        files[kind] = tmp_path / kind
        files[kind].write_bytes(base64.b64decode(user[f"client-{kind}-data"]))
    expected = user_of(connect(Connection(kubeconfig=str(cluster.kubeconfig))))
    assert user_of(connect(Connection(kubeconfig=content))) == expected
    named = Connection(
        host=admin.server, ca_cert=ca_file, client_cert=str(files["certificate"]), client_key=str(files["key"])
    )
    assert user_of(connect(named)) == expected


def test_a_named_token_wins_over_the_kubeconfigs_certificate(cluster: KubernetesCluster, token: str, home: str) -> None:
    client = connect(Connection(kubeconfig=str(cluster.kubeconfig), api_key=token))
    assert user_of(client)[0] == f"system:serviceaccount:{home}:robot"


def test_the_account_of_the_pod(
    admin: KubernetesClient, ca_file: str, token: str, home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubernetes.config import incluster_config

    (tmp_path / "token").write_text(token, encoding="ascii")
    host, _colon, port = admin.server.removeprefix("https://").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port or "443")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", ca_file)
    assert user_of(connect(Connection()))[0] == f"system:serviceaccount:{home}:robot"


def test_somebody_else(cluster: KubernetesCluster) -> None:
    eve = Connection(
        kubeconfig=str(cluster.kubeconfig), impersonate_user="eve", impersonate_groups=("readers", "writers")
    )
    assert user_of(connect(eve)) == (
        "eve",
        {"readers", "writers", "system:authenticated"},
    )
    content = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    content["users"][0]["user"].update({"as": "mallory", "as-groups": ["one", "two"]})
    assert user_of(connect(Connection(kubeconfig=content))) == ("mallory", {"one", "two", "system:authenticated"})


def test_an_account_that_may_not_be_somebody_else(reach: dict[str, t.Any]) -> None:
    with pytest.raises(ApiError) as caught:
        connect(Connection(**reach, impersonate_user="eve")).get("/api/v1/namespaces")
    assert caught.value.code == "cluster-forbidden"
    assert "impersonate_user" in caught.value.hint


def test_a_proxy_with_a_login(reach: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    where = reach["host"].removeprefix("https://")
    with tunnel("me:pass word") as running:
        with_login = running.url.replace("http://", "http://me:pass%20word@")
        connect(Connection(**reach, proxy=with_login)).version()
        headers = {"proxy_basic_auth": "me:pass word"}
        connect(Connection(**reach, proxy=running.url, proxy_headers=headers)).version()
        monkeypatch.setenv("HTTPS_PROXY", with_login)
        connect(Connection(**reach)).version()
        assert {target.removesuffix(":443") for target in running.targets} == {where.removesuffix(":443")}
        assert len(running.targets) == 3
        connect(Connection(**reach, no_proxy=where.partition(":")[0])).version()
        assert len(running.targets) == 3
        with pytest.raises(ApiError, match=r"the proxy \S+ refuses the way .* with 407") as caught:
            connect(Connection(**reach, proxy=running.url)).version()
    assert "login" in caught.value.hint
    assert reach["api_key"] not in str(caught.value)
    with pytest.raises(ApiError, match="no answer") as caught:
        connect(Connection(**reach, proxy=running.url)).version()
    assert "proxy" in caught.value.hint


def test_a_server_that_another_authority_signed(reach: dict[str, t.Any], tmp_path: Path) -> None:
    other = Authority.create(tmp_path / "other")
    with pytest.raises(ApiError, match="is not trusted") as caught:
        connect(Connection(**{**reach, "ca_cert": str(other.ca_file)})).version()
    assert (caught.value.code, "ca_cert" in caught.value.hint) == ("cluster-tls", True)
    careless = connect(Connection(**{**reach, "ca_cert": str(other.ca_file)}, validate_certs=False))
    assert careless.version() >= (1, 20)
    assert careless.warnings


def kubeconfig_of(server: str, ca: str = "", token: str = "", **cluster: str) -> dict[str, t.Any]:
    """A kubeconfig."""
    parts = {"server": server, **({"certificate-authority": ca} if ca else {}), **cluster}
    return {
        "clusters": [{"name": "c", "cluster": parts}],
        "users": [{"name": "u", "user": {"token": token} if token else {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


def test_a_name_that_is_not_in_the_certificate(proxy: Faults, token: str) -> None:
    by_other_name = proxy.url.replace("127.0.0.1", "127.0.0.2"), str(proxy.ca_file), token
    with pytest.raises(ApiError, match=r"is not trusted: .*127\.0\.0\.2") as caught:
        connect(Connection(kubeconfig=kubeconfig_of(*by_other_name))).version()
    assert caught.value.code == "cluster-tls"
    named = {"tls-server-name": "foreign.localhost"}
    assert connect(Connection(kubeconfig=kubeconfig_of(*by_other_name, **named))).version() >= (1, 20)
    wrong = {"tls-server-name": "no.such.name"}
    with pytest.raises(ApiError, match=r"is not trusted: .*no\.such\.name"):
        connect(Connection(kubeconfig=kubeconfig_of(*by_other_name, **wrong))).version()


USERS_ERRORS: dict[str, tuple[dict[str, t.Any], str, str]] = {
    # options, code, text of the message with its hint
    "wrong token": ({"api_key": "wrong"}, "cluster-unauthorized", "401 .* not accepted .*log in again"),
    "nobody listens": ({"host": "https://127.0.0.1:1"}, "cluster-unreachable", "Connection refused.*check the address"),
    "no such host": ({"host": "https://no-such-host.invalid"}, "cluster-unreachable", "no-such-host.invalid"),
    "http for https": ({"host": "http://{address}"}, "cluster-config", "without encryption .*use https://"),
    "unknown CA": ({"ca_cert": ""}, "cluster-tls", "not trusted.*ca_cert"),
    "missing CA file": ({"ca_cert": "/no/ca.crt"}, "cluster-config", "'/no/ca.crt' cannot be read.*check the path"),
    "CA that is none": ({"ca_cert": __file__}, "cluster-config", "no certificates in PEM form"),
}


@pytest.mark.parametrize("case", USERS_ERRORS)
def test_what_users_do_wrong_is_one_sentence(case: str, reach: dict[str, t.Any]) -> None:
    options, code, text = USERS_ERRORS[case]
    address = reach["host"].removeprefix("https://")
    wrong = {name: value.replace("{address}", address) for name, value in options.items()}
    began = time.monotonic()
    with pytest.raises(ApiError, match=text) as caught:
        connect(Connection(**{**reach, **wrong})).get("/api/v1/namespaces")
    assert caught.value.code == code
    assert reach["api_key"] not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < SECONDS


def test_plain_http_without_credentials_says_what_to_use(admin: KubernetesClient) -> None:
    address = admin.server.removeprefix("https://")
    server = f"http://{address if ':' in address else address + ':443'}"
    with pytest.raises(ApiError, match="HTTP request to an HTTPS server") as caught:
        connect(Connection(kubeconfig=kubeconfig_of(server))).version()
    assert (caught.value.code, caught.value.hint) == ("cluster-config", "use https:// for the API server")


@pytest.mark.parametrize(
    ("method", "path", "hint"),
    [
        ("list", "/apis/apps/v1/deployments", "grant ClusterRole imagescan-discovery to system:serviceaccount:"),
        (
            "list",
            "/api/v1/pods",
            "grant ClusterRole imagescan-discovery or ClusterRole imagescan-flagger to system:serviceaccount:",
        ),
        ("list", "/api/v1/nodes", "grant list on nodes to system:serviceaccount:"),
        (
            "create",
            "/apis/batch/v1/namespaces/default/jobs",
            "grant Role imagescan-scanner in the namespace default to system:serviceaccount:",
        ),
    ],
)
def test_no_rights(method: str, path: str, hint: str, client: KubernetesClient, home: str) -> None:
    with pytest.raises(ApiError) as caught:
        if method == "list":
            client.items(path, name_of)
        else:
            client.create(path, {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}})
    error = caught.value
    assert (error.code, error.status, error.reason) == ("cluster-forbidden", 403, "Forbidden")
    assert error.hint.startswith(f"{hint}{home}:robot")
    assert f"{method} " in error.message


def test_no_credentials(reach: dict[str, t.Any]) -> None:
    with pytest.raises(ApiError) as caught:
        connect(Connection(kubeconfig=kubeconfig_of(reach["host"], reach["ca_cert"]))).get("/api/v1/pods")
    assert "credentials" in str(caught.value)


def test_what_is_missing(admin: KubernetesClient, client: KubernetesClient, place: str) -> None:
    with pytest.raises(ApiError, match=r'404 .*namespaces "no-such-namespace" not found') as caught:
        admin.create(configmaps("no-such-namespace"), configmap("a"))
    assert "create the namespace no-such-namespace" in caught.value.hint
    with pytest.raises(ApiError) as caught:
        admin.items("/apis/none.example/v1/things", name_of)
    assert (caught.value.code, caught.value.hint) == (
        "cluster-not-found",
        "does this cluster have things of the group none.example?",
    )
    with pytest.raises(ApiError) as caught:
        client.get(f"{configmaps(place)}/none")
    assert (caught.value.code, caught.value.reason, caught.value.hint) == ("cluster-not-found", "NotFound", "")
    assert client.delete(f"{configmaps(place)}/none") is None


@pytest.mark.parametrize("selector", ["a in (b", "a=b=c", "!!x", "-a=b"])
def test_a_bad_selector(selector: str, client: KubernetesClient, place: str) -> None:
    with pytest.raises(ApiError) as caught:
        client.items(configmaps(place), name_of, {"labelSelector": selector})
    assert (caught.value.code, caught.value.status, caught.value.hint) == ("cluster-invalid", 400, "check the selector")


def test_objects_live(client: KubernetesClient, place: str) -> None:
    path = configmaps(place)
    assert client.create(path, configmap("dry"), {"dryRun": "All"})["metadata"]["uid"]
    uid = client.create(path, configmap("real", run="1"))["metadata"]["uid"]
    assert client.get(f"{path}/real")["metadata"]["uid"] == uid
    changed = client.merge_patch(f"{path}/real", {"data": {"a": None, "b": "2"}})
    assert changed["data"] == {"b": "2"}
    with pytest.raises(ApiError) as caught:
        client.create(path, configmap("real", run="1"))
    assert (caught.value.code, caught.value.reason) == ("cluster-conflict", "AlreadyExists")
    gone = client.delete(f"{path}/real", {"preconditions": {"uid": uid}})
    assert gone is not None
    assert client.delete(f"{path}/real") is None
    with pytest.raises(ApiError) as caught:
        client.create(path, configmap("Not A Name"))
    assert (caught.value.code, caught.value.status) == ("cluster-invalid", 422)


@pytest.mark.parametrize(
    "faults",
    [
        [Fault(r"continue=", every=3, times=1, status=410)],
        [Fault(r"configmaps", every=10, status=429, retry_after=0), Fault(r"configmaps", every=7, status=500)],
        [Fault(r"configmaps", every=2, times=6, status=503)],
        [Fault(r"configmaps", every=3, drop="before"), Fault(r"configmaps", every=5, drop="after")],
        [Fault(r"configmaps", every=4, cut=300, how="broken"), Fault(r"configmaps", every=7, cut=900, how="reset")],
        [Fault(r"configmaps", every=2, cut=300, how="clean", times=4)],
    ],
    ids=["410", "429 and 500", "503", "dropped", "cut", "cut as if whole"],
)
def test_a_list_is_whole_whatever_breaks(
    faults: list[Fault], client: KubernetesClient, through: KubernetesClient, proxy: Faults, place: str
) -> None:
    names = fill(client, place) | {"kube-root-ca.crt"}
    proxy.faults += faults
    if faults[0].how == "clean" and faults[0].cut:
        with pytest.raises(ApiError, match="no JSON object"):  # never half a list
            through.items(configmaps(place), name_of, limit=5)
        return
    found = through.items(configmaps(place), name_of, limit=5)
    assert sorted(found) == sorted(names)
    assert all(fault.hits for fault in faults)
    assert through.items(configmaps(place), name_of, {"labelSelector": "a=b"}, limit=5) == sorted(
        names - {"kube-root-ca.crt"}
    )


@pytest.mark.parametrize("drop", ["before", "after"])
def test_what_was_made_is_made_once(
    drop: t.Literal["before", "after"], through: KubernetesClient, proxy: Faults, client: KubernetesClient, place: str
) -> None:
    proxy.faults.append(Fault("^POST", times=1, drop=drop))
    made = through.create(configmaps(place), configmap("mine", run="1"))
    assert proxy.count("^POST") == 2
    assert made["metadata"]["uid"] == client.get(f"{configmaps(place)}/mine")["metadata"]["uid"]


def test_what_somebody_else_made_is_not_ours(
    through: KubernetesClient, proxy: Faults, client: KubernetesClient, place: str
) -> None:
    client.create(configmaps(place), configmap("mine", run="other"))
    proxy.faults.append(Fault("^POST", times=1, drop="before"))
    with pytest.raises(ApiError) as caught:
        through.create(configmaps(place), configmap("mine", run="1"))
    assert caught.value.reason == "AlreadyExists"


def test_changes_and_deletions_are_repeated(
    through: KubernetesClient, proxy: Faults, client: KubernetesClient, place: str
) -> None:
    path = f"{configmaps(place)}/a"
    client.create(configmaps(place), configmap("a"))
    proxy.faults += [Fault("^PATCH", times=2, drop="after"), Fault("^DELETE", times=1, drop="after")]
    assert through.merge_patch(path, {"data": {"a": "2"}})["data"] == {"a": "2"}
    assert through.delete(path) is None  # the lost try deleted it
    with pytest.raises(ApiError, match="not found"):
        client.get(path)


def test_a_slow_server_is_given_up_and_asked_again(proxy: Faults, token: str, place: str) -> None:
    proxy.faults.append(Fault("configmaps", times=1, delay=3.0))
    client = connect(Connection(host=proxy.url, ca_cert=str(proxy.ca_file), api_key=token, timeout=1.0))
    client.version()
    assert client.items(configmaps(place), name_of) == ["kube-root-ca.crt"]
    assert proxy.count("configmaps") == 2


def test_a_watch_tells_what_happens_and_ends_when_it_is_closed(client: KubernetesClient, place: str) -> None:
    path = configmaps(place)
    version = client.get(path)["metadata"]["resourceVersion"]
    with client.stream(path, {"watch": True, "resourceVersion": version}, read_timeout=60) as stream:
        client.create(path, configmap("seen"))
        event = json.loads(stream.readline(1 << 20))
        assert (event["type"], name_of(event["object"])) == ("ADDED", "seen")
        lines: list[bytes] = []
        reader = threading.Thread(target=lambda: lines.append(stream.readline(1 << 20)))
        reader.start()
        time.sleep(0.3)  # so that it waits in the socket
        stream.close()
        reader.join(SECONDS)
        assert not reader.is_alive()
        assert lines == [b""]


def test_a_watch_that_breaks_is_an_error(
    through: KubernetesClient, proxy: Faults, client: KubernetesClient, place: str
) -> None:
    proxy.faults.append(Fault("watch=true", times=1, cut=2000, how="broken"))
    path = configmaps(place)
    with through.stream(path, {"watch": True}, read_timeout=30) as stream:
        for number in range(10):
            client.create(path, configmap(f"seen-{number}"))
        with pytest.raises(ApiError, match="broke") as caught:
            while stream.readline(1 << 20):
                pass
    assert caught.value.code == "cluster-unreachable"


def test_a_watch_that_is_silent_is_an_error(client: KubernetesClient, place: str) -> None:
    version = client.get(configmaps(place))["metadata"]["resourceVersion"]
    with (
        client.stream(configmaps(place), {"watch": True, "resourceVersion": version}, read_timeout=0.5) as stream,
        pytest.raises(ApiError, match="timed out"),
    ):
        stream.readline(1 << 20)


def test_logs_of_a_pod_that_is_missing(client: KubernetesClient, place: str) -> None:
    with pytest.raises(ApiError) as caught, client.stream(f"/api/v1/namespaces/{place}/pods/none/log"):
        pass
    assert (caught.value.status, caught.value.api_message) == (404, 'pods "none" not found')


def test_the_api_server_may_restart(breakable_cluster: Cluster, client: KubernetesClient, place: str) -> None:
    names = fill(client, place)
    found: list[list[str]] = []
    stop = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        number = 0
        try:
            while not stop.is_set():
                found.append(client.items(configmaps(place), name_of, {"labelSelector": "a=b"}, limit=5))
                client.create(configmaps(place), configmap(f"later-{number}", run="1"))
                number += 1
        except ApiError as error:
            errors.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    with contextlib.ExitStack() as ending:
        ending.callback(worker.join, SECONDS)
        ending.callback(stop.set)
        before = len(found)
        breakable_cluster.restart("kube-apiserver")
        end = time.monotonic() + SECONDS
        while len(found) < before + 5 and not errors and time.monotonic() < end:
            time.sleep(0.1)
    assert not errors
    assert len(found) >= before + 5
    assert all(sorted(each) == sorted(names) for each in found)


def test_a_server_that_hangs_is_given_up(breakable_cluster: Cluster, reach: dict[str, t.Any], place: str) -> None:
    client = connect(Connection(**reach, timeout=1.0, deadline=4.0))
    client.version()
    breakable_cluster.pause("kube-apiserver")
    began = time.monotonic()
    try:
        with pytest.raises(ApiError, match=r"timed out \(tried \d+ times\)") as caught:
            client.get(configmaps(place))
    finally:
        breakable_cluster.resume("kube-apiserver")
    assert caught.value.code == "cluster-unreachable"
    assert time.monotonic() - began < SECONDS
