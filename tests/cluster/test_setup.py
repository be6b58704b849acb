# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Setup and teardown on a real cluster: exact rights, nothing left behind, one sentence for each mistake."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import secrets
import stat
import sys
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.service_accounts import (
    Account,
    kubeconfig,
    parse_token,
    request_token,
    why_renew,
    write_kubeconfig,
)
from ansible_collections.imagescan.openshift.tests.cluster.accounts import (
    OURS,
    OWNER,
    PLACE,
    Accounts,
    Played,
    play,
    play_mistakes,
    variables_of,
)
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster

CHECKOUT = Path(__file__).resolve().parents[2]
Rights = dict[str, frozenset[str]]
VERBS = [*("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")]
VERBS += ["bind", "escalate", "impersonate", "use", "approve", "sign"]
NAMES = ("imagescan-discover", "imagescan-scan", "imagescan-flag", "imagescan-puller")


@dataclasses.dataclass(frozen=True)
class Administrator:
    """Runs setup and teardown for one namespace of a test."""

    cluster: KubernetesCluster
    namespace: str
    home: Path

    @property
    def kubeconfigs(self) -> Path:
        """Where the kubeconfigs are written."""
        return self.home / "kubeconfigs"

    def play(self, playbook: str, *options: str, **variables: t.Any) -> Played:
        """Run a playbook; it must not warn."""
        given = {**variables_of(self.cluster, self.namespace, self.kubeconfigs), **variables}
        played = play(self.cluster, playbook, given, self.home, *options)
        assert not played.warnings
        print(f"{playbook} {options} {variables}: {played.processor:.1f} s of processor time, {played.changed} changed")
        return played

    def do(self, playbook: str, *options: str, **variables: t.Any) -> int:
        """Run a playbook that must not fail. How many of its tasks changed something."""
        played = self.play(playbook, *options, **variables)
        assert played.status == 0, played.output
        return played.changed

    def left(self) -> list[str]:
        """Every object of every kind that has the namespace's name in its own, or our labels for it."""
        kinds = self.cluster.kubectl("api-resources", "--verbs=list", "--output=name").stdout.split()
        asked = ",".join(kind for kind in kinds if not kind.startswith("events"))
        columns = "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name,LABELS:.metadata.labels"
        listed = self.cluster.kubectl("get", asked, "--all-namespaces", "--no-headers", f"--output={columns}").stdout
        return [line for line in listed.splitlines() if self.namespace in line]

    def names(self, kind: str) -> set[str]:
        """Names of the objects of a kind that are ours."""
        scope = "--selector=" + (f"{PLACE}={self.namespace}" if kind.startswith("cluster") else f"{OWNER}={OURS}")
        found = self.cluster.get(kind, f"--namespace={self.namespace}", scope)["items"]
        return {one["metadata"]["name"] for one in found}


@pytest.fixture
def administrator(cluster: KubernetesCluster, tmp_path: Path) -> t.Iterator[Administrator]:
    """An administrator and a namespace that is not there yet."""
    name = f"setup-{secrets.token_hex(4)}"
    yield Administrator(cluster, name, tmp_path)
    cluster.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")
    cluster.kubectl("delete", "clusterroles,clusterrolebindings", f"--selector={PLACE}={name}")


@pytest.fixture(scope="module")
def settler(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Administrator]:
    """An administrator who has run setup, on a cluster with the kinds of OpenShift."""
    cluster.install_openshift_kinds()
    made = Administrator(cluster, f"setup-{secrets.token_hex(4)}", tmp_path_factory.mktemp("settled"))
    assert made.do("setup") > 0
    yield made
    cluster.kubectl("delete", "namespace", made.namespace, "--ignore-not-found", "--wait=false")
    cluster.kubectl("delete", "clusterroles,clusterrolebindings", f"--selector={PLACE}={made.namespace}")


@pytest.fixture(scope="module")
def settled(settler: Administrator) -> Accounts:
    """Its accounts, which several tests look at."""
    return Accounts(settler.namespace, settler.kubeconfigs)


@pytest.fixture
def client(cluster: KubernetesCluster) -> KubernetesClient:
    """The cluster as its administrator."""
    return connect(Connection(kubeconfig=str(cluster.kubeconfig)))


# What is made. That nothing of it stays is at the end, since the tests before look at it.


def test_what_is_made_is_ours(settler: Administrator) -> None:
    assert settler.names("serviceaccounts") == set(NAMES)
    assert settler.names("roles") == settler.names("rolebindings") == {"imagescan-scanner"}
    assert settler.names("networkpolicies") == {"imagescan-scanner"}
    labels = settler.cluster.get("namespace", settler.namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels[OWNER] == OURS


@pytest.mark.full
def test_check_mode_changes_nothing(administrator: Administrator) -> None:
    assert administrator.do("setup", "--check", "--diff") > 0
    assert not administrator.left()
    assert not administrator.kubeconfigs.exists()
    assert administrator.do("setup") > 0
    assert administrator.do("setup", "--check", "--diff") == 0
    assert administrator.do("teardown", "--check") > 0
    assert administrator.names("serviceaccounts") == set(NAMES)
    assert administrator.do("teardown") > 0


@pytest.mark.full
def test_what_was_changed_by_hand_is_put_right_and_shown(administrator: Administrator) -> None:
    administrator.do("setup")
    widened = [{"op": "add", "path": "/rules/-", "value": {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}}]
    place = f"--namespace={administrator.namespace}"
    administrator.cluster.kubectl(
        place, "patch", "role", "imagescan-scanner", "--type=json", f"--patch={json.dumps(widened)}"
    )
    label = "pod-security.kubernetes.io/enforce=privileged"
    administrator.cluster.kubectl("label", "--overwrite", "namespace", administrator.namespace, label)

    shown = administrator.play("setup", "--check", "--diff")
    assert shown.changed == 1
    assert "Role imagescan-scanner" in shown.output
    assert "privileged" in shown.output
    assert len(administrator.cluster.get("role", place, "imagescan-scanner")["rules"]) == 7
    assert administrator.do("setup") == 1
    assert len(administrator.cluster.get("role", place, "imagescan-scanner")["rules"]) == 6
    assert administrator.do("setup") == 0


@pytest.mark.full
def test_what_is_not_wanted_any_more_goes(administrator: Administrator) -> None:
    prefix = administrator.namespace
    administrator.cluster.install_openshift_kinds()
    administrator.do("setup")
    everything = {f"{prefix}-{name}" for name in ("discovery", "flagger", "mirrors")}
    assert administrator.names("clusterroles") == administrator.names("clusterrolebindings") == everything
    fewer = {"setup_accounts": "discover", "setup_read_mirrors": "no"}
    assert administrator.do("setup", **fewer) > 0
    assert administrator.names("serviceaccounts") == {"imagescan-discover"}
    assert administrator.names("clusterroles") == administrator.names("clusterrolebindings") == {f"{prefix}-discovery"}
    assert not administrator.names("roles") | administrator.names("rolebindings")
    assert not administrator.names("networkpolicies")
    assert [path.name for path in administrator.kubeconfigs.iterdir()] == ["imagescan-discover.kubeconfig"]
    assert administrator.do("setup", **fewer) == 0
    renamed = {**fewer, "setup_cluster_prefix": f"{prefix}-b"}
    administrator.do("setup", **renamed)
    assert administrator.names("clusterroles") == {f"{prefix}-b-discovery"}


@pytest.mark.full
def test_roles_of_openshift_are_bound_where_they_are(administrator: Administrator) -> None:
    def rule(resource: str, *verbs: str) -> dict[str, t.Any]:
        return {"apiGroups": ["", "image.openshift.io"], "resources": [resource], "verbs": list(verbs)}

    prefix = administrator.namespace
    theirs = {
        "system:image-puller": rule("imagestreams/layers", "get"),
        "system:image-auditor": rule("images", "get", "list", "patch", "update", "watch"),
    }
    there = administrator.cluster.kubectl("get", "clusterroles", "--output=name").stdout
    made = [name for name in theirs if f"clusterrole.rbac.authorization.k8s.io/{name}\n" not in there]
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    administrator.cluster.apply(*({**kind, "metadata": {"name": name}, "rules": [theirs[name]]} for name in made))
    try:
        administrator.do("setup")
        bindings = administrator.cluster.get("clusterrolebindings", f"--selector={PLACE}={prefix}")["items"]
        bound = {(one["subjects"][0]["name"], one["roleRef"]["name"]) for one in bindings}
        assert ("imagescan-puller", "system:image-puller") in bound
        assert ("imagescan-flag", "system:image-auditor") in bound
        rules = administrator.cluster.get("clusterrole", f"{prefix}-flagger")["rules"]
        assert [one["resources"] for one in rules] == [["denylists"], ["passedlists"], ["pods"]]
        assert administrator.do("setup") == 0
    finally:
        if made:
            administrator.cluster.kubectl("delete", "clusterroles", *made)
    if made:
        assert administrator.do("setup") > 0
        assert f"{prefix}-image-puller" not in administrator.names("clusterrolebindings")
        rules = administrator.cluster.get("clusterrole", f"{prefix}-flagger")["rules"]
        assert [one["resources"] for one in rules] == [["denylists"], ["passedlists"], ["pods"], ["images"]]


def test_the_network_policy_names_what_may_be_reached(settled: Accounts, cluster: KubernetesCluster) -> None:
    spec = cluster.get("networkpolicy", f"--namespace={settled.namespace}", "imagescan-scanner")["spec"]
    assert set(spec["policyTypes"]) == {"Ingress", "Egress"}
    assert spec["podSelector"] == {}
    assert not spec.get("ingress")
    names, registries = spec["egress"]
    assert {(one["protocol"], one["port"]) for one in names["ports"]} == {
        (protocol, port) for protocol in ("UDP", "TCP") for port in (53, 5353)
    }
    assert [one["port"] for one in registries["ports"]] == [443, 5000]
    assert registries["to"][0]["ipBlock"] == {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}


def test_the_namespace_refuses_what_is_not_restricted(settled: Accounts, cluster: KubernetesCluster) -> None:
    run = ("run", "probe", "--image=probe", f"--namespace={settled.namespace}", "--dry-run=server")
    refused = cluster.kubectl(*run, check=False)
    assert refused.returncode != 0
    assert 'violates PodSecurity "restricted:latest"' in refused.stderr


# Rights.


def documented() -> dict[str, dict[str, Rights]]:
    """Account -> scope ("namespace", "everywhere") -> rights, with what everyone may do; from docs/rights.md."""
    text = (CHECKOUT / "docs/rights.md").read_text(encoding="utf-8")
    listed = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])

    def rights(*parts: dict[str, str]) -> Rights:
        return {key: frozenset(verbs.split()) for part in parts for key, verbs in part.items()}

    everyone = listed.pop("everyone")
    return {
        name: {
            "namespace": rights(everyone, scopes["everywhere"], scopes["namespace"]),
            "everywhere": rights(everyone, scopes["everywhere"]),
        }
        for name, scopes in listed.items()
    }


def told(cluster: KubernetesCluster, user: str, namespace: str) -> Rights:
    """What ``kubectl auth can-i --list`` tells of a user."""
    text = cluster.kubectl("auth", "can-i", "--list", f"--as={user}", f"--namespace={namespace}").stdout
    header, *lines = text.splitlines()
    at = [header.index(column) for column in ("Resources", "Non-Resource URLs", "Resource Names", "Verbs")]
    found: dict[str, set[str]] = {}
    for line in lines:
        resource, urls, names, verbs = (line[a:b].strip() for a, b in zip(at, [*at[1:], None]))
        key = " ".join(filter(None, (resource, urls.strip("[]"), names.strip("[]"))))
        found.setdefault(key, set()).update(verbs.strip("[]").split())
    return {key: frozenset(verbs) for key, verbs in found.items()}


def test_all_accounts_are_documented() -> None:
    assert set(documented()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_rights_are_exactly_those_of_the_document(settled: Accounts, cluster: KubernetesCluster, name: str) -> None:
    user = f"system:serviceaccount:{settled.namespace}:{name}"
    assert told(cluster, user, settled.namespace) == documented()[name]["namespace"]
    for elsewhere in ("default", "kube-system"):
        assert told(cluster, user, elsewhere) == documented()[name]["everywhere"]


@pytest.mark.parametrize("name", NAMES)
def test_rights_on_the_cluster_are_exactly_those_of_the_document(
    settled: Accounts, client: KubernetesClient, name: str
) -> None:
    allowed = {
        f"{verb} {resource}.{group}".rstrip(".")
        for group, resource in resources_of(client)
        for verb in VERBS
        if may(client, f"system:serviceaccount:{settled.namespace}:{name}", settled.namespace, group, resource, verb)
    }
    served = {f"{resource}.{group}".rstrip(".") for group, resource in resources_of(client)}
    expected = {
        f"{verb} {kind}"
        for kind, verbs in documented()[name]["everywhere"].items()
        for verb in verbs
        if kind in served and not kind.startswith("/")
    }
    assert allowed == expected


def resources_of(client: KubernetesClient) -> list[tuple[str, str]]:
    """Group and name of every kind and part of a kind that the server has, and of all of them ("*")."""
    found = [("", one["name"]) for one in client.get("/api/v1")["resources"]]
    for group in client.get("/apis")["groups"]:
        listed = client.get(f"/apis/{group['preferredVersion']['groupVersion']}")["resources"]
        found += [(group["name"], one["name"]) for one in listed]
    return [*found, ("*", "*")]


def may(client: KubernetesClient, user: str, namespace: str, group: str, resource: str, verb: str) -> bool:
    """Whether a service account may do something in all namespaces."""
    kind, _slash, part = resource.partition("/")
    answer = client.create(
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user,
                "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"],
                "resourceAttributes": {"group": group, "resource": kind, "subresource": part, "verb": verb},
            },
        },
    )
    return bool(answer["status"]["allowed"])


# Kubeconfigs and tokens.


def test_kubeconfigs_work_and_are_their_owners_alone(settled: Accounts, client: KubernetesClient) -> None:
    assert stat.S_IMODE(settled.folder.stat().st_mode) == 0o700
    for path, name in ((settled.discover, "discover"), (settled.scan, "scan"), (settled.flag, "flag")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        own = connect(Connection(kubeconfig=str(path)))
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        user = own.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", body)["status"]["userInfo"]
        assert user["username"] == f"system:serviceaccount:{settled.namespace}:imagescan-{name}"
        assert own.server == client.server
        assert own.verifies
        token = parse_token(token_in(path))
        assert token
        assert 29.9 * 86400 < token.expires - time.time() < 30.1 * 86400


@pytest.mark.full
def test_tokens_are_printed_only_when_asked_for(administrator: Administrator) -> None:
    played = administrator.play("setup", "-vvv")
    assert played.status == 0
    tokens = [token_in(path) for path in administrator.kubeconfigs.iterdir()]
    assert len(tokens) == 3
    for token in tokens:
        assert token not in played.output
        assert base64.b64encode(token.encode()).decode() not in played.output
    assert str(administrator.kubeconfigs / "imagescan-scan.kubeconfig") in played.output
    shown = administrator.play("setup", setup_show_tokens="yes")
    assert shown.changed == 0
    assert all(token in shown.output for token in tokens)


@pytest.mark.full
def test_a_kubeconfig_is_written_anew_when_it_must_be(
    client: KubernetesClient, settled: Accounts, tmp_path: Path
) -> None:
    account = Account(settled.namespace, "imagescan-scan")
    path = tmp_path / "kubeconfig"

    def why(seconds: int = 3600, later: float = 0.0) -> str:
        return why_renew(client, account, str(path), seconds, time.time() + later)[0]

    assert why() == "there was none"
    good = kubeconfig(client, account, request_token(client, account, 3600).text)
    write_kubeconfig(str(path), good)
    assert why() == ""
    assert why(later=2300) == ""
    assert why(later=2500) == "less than a third of its time was left"
    assert why(600) == "it was good for longer than wanted"
    path.chmod(0o640)
    assert why() == "others could read it"

    other = Account(settled.namespace, "imagescan-flag")
    write_kubeconfig(str(path), kubeconfig(client, account, request_token(client, other, 3600).text))
    assert why() == "the server does not take its token any more"
    header, payload, _signature = good["users"][0]["user"]["token"].split(".")
    write_kubeconfig(str(path), kubeconfig(client, account, f"{header}.{payload}.AAAA"))
    assert why() == "the server does not take its token any more"
    moved = {**good, "clusters": [{"name": "cluster", "cluster": {"server": "https://elsewhere:6443"}}]}
    write_kubeconfig(str(path), moved)
    assert why() == "it was for another cluster or account"
    for rubbish in ("", "a: [", "users: []\n", "users: [{user: {token: x.y.z}}]\n", "\x00", "- 1\n"):
        path.write_text(rubbish, encoding="utf-8")
        assert why() == "it held no token"
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ScanError, match="is not a regular file"):
        why()


def token_in(path: Path) -> str:
    """The token of a kubeconfig."""
    return str(yaml.safe_load(path.read_text(encoding="utf-8"))["users"][0]["user"]["token"])


# The global pull secret.


@pytest.mark.full
def test_the_global_pull_secret_is_copied_on_request_and_never_shown(administrator: Administrator) -> None:
    canary = f"canary{secrets.token_hex(8)}"
    content = json.dumps({"auths": {"registry.example": {"auth": canary}}})
    encoded = base64.b64encode(content.encode()).decode()
    home = f"{administrator.namespace}-config"
    administrator.cluster.create_namespace(home)
    administrator.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "pull-secret"},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": encoded},
        },
        namespace=home,
    )
    try:
        wanted = {"setup_copy_global_pull_secret": "yes", "setup_global_pull_secret": f"{home}/pull-secret"}
        place = f"--namespace={administrator.namespace}"
        assert administrator.do("setup", "--check", **wanted) > 0
        played = administrator.play("setup", "-vvv", "--diff", **wanted)
        assert played.status == 0
        copied = administrator.cluster.get("secret", place, "imagescan-global-pull-secret")
        assert (copied["type"], copied["data"]) == ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": encoded})
        assert canary not in played.output
        assert encoded not in played.output
        assert administrator.do("setup", **wanted) == 0
        assert administrator.do("setup") == 1
        assert not administrator.cluster.get("secrets", place)["items"]
        wrong = administrator.play("setup", **{**wanted, "setup_global_pull_secret": f"{home}/nothing"})
        assert f"there is no Secret {home}/nothing; name the right one in setup_global_pull_secret" in wrong.message
    finally:
        administrator.cluster.kubectl("delete", "namespace", home, "--wait=false")


# Mistakes.


@pytest.mark.full
def test_roles_of_somebody_else_are_left_alone(administrator: Administrator) -> None:
    administrator.do("setup", setup_accounts="discover")
    name = f"{administrator.namespace}-flagger"
    administrator.cluster.kubectl("create", "clusterrole", name, "--verb=get", "--resource=pods")
    try:
        played = administrator.play("setup")
        assert (played.status, played.changed) == (2, 0)
        assert f"ClusterRole/{name} exists and does not belong to the installation" in played.message
        assert "give setup_cluster_prefix another value" in played.message
        assert administrator.do("teardown") > 0
        administrator.cluster.get("clusterrole", name)
    finally:
        administrator.cluster.kubectl("delete", "clusterrole", name)


#: What is given, and what is said. Of the credentials; all that can be wrong with them is in test_client.py.
WRONG_CREDENTIALS: t.Final = [
    ({"setup_kubeconfig": "{home}/nothing"}, r"the kubeconfig '.*/nothing' does not exist \(give kubeconfig, or"),
    ({"setup_kubeconfig": "{home}/rubbish"}, r"the kubeconfig '.*/rubbish' is not YAML"),
    ({"setup_context": "nowhere"}, r"has no context 'nowhere' \(it has: "),
    ({"setup_host": "https://127.0.0.1:9", "setup_api_key": "x"}, r"no answer from https://127\.0\.0\.1:9, "),
    ({"setup_ca_cert": "{home}/nothing"}, r"the CA file '.*/nothing' cannot be read: No such file"),
]
MISTAKES: t.Final = [
    ({"setup_api_key": "made-up-token"}, r"401 from .*: the credentials are not accepted \(the token or"),
    ({"setup_state": "gone"}, r"setup_state: gone is not possible; expected present or absent"),
    ({"setup_accounts": "scan,admin"}, r"setup_accounts: admin is not possible; expected any of discover, scan,"),
    ({"setup_namespace": "Image_Scan"}, r"setup_namespace: Image_Scan is not a name of a namespace; use lower case"),
    ({"setup_egress_ports": "443,many"}, r"setup_egress_ports: 443,many holds something that is not a port"),
    ({"setup_global_pull_secret": "pull"}, r"setup_global_pull_secret: pull is not of the form namespace/name"),
    ({"setup_token_days": "0.001"}, r"setup_token_days: 0\.001 is too short; a token is good for ten minutes"),
    ({"setup_kubeconfigs": "perhaps"}, r"'perhaps' is not a truth value: expected yes or no"),
    ({"setup_read_mirrors": "perhaps"}, r"'perhaps' is not a truth value: expected yes or no"),
]


def test_a_mistake_gives_one_sentence(administrator: Administrator, settled: Accounts) -> None:
    """Also what belongs to somebody else, and who is not an administrator; teardown is setup_state=absent."""
    home, theirs = administrator.home, administrator.namespace
    cluster, free = administrator.cluster, f"{theirs}-free"
    foreign = rf"the namespace {theirs} exists and is not ours; choose another as setup_namespace"
    unable = (
        rf"^system:serviceaccount:{settled.namespace}:imagescan-scan may not list clusterroles\..*, .*, .* and \d+"
        r" things more; run setup and teardown as an administrator of the cluster$"
    )
    taken = rf"ClusterRole/{theirs}-flagger exists and does not belong to the installation .* give setup_cluster_prefix"
    absent = {"setup_state": "absent"}
    somebody = {"setup_namespace": free, "setup_kubeconfig": str(settled.scan)}
    mistakes: list[tuple[dict[str, str], str]] = [
        *(({"setup_namespace": free} | variables, sentence) for variables, sentence in MISTAKES),
        ({}, foreign),
        (absent, foreign),
        (somebody, unable),
        ({**somebody, **absent}, unable),
        ({"setup_namespace": free}, taken),
    ]
    usual = variables_of(cluster, theirs, administrator.kubeconfigs)
    given = {str(variables): {**usual, **variables} for variables, _sentence in mistakes}
    cluster.create_namespace(theirs)
    cluster.kubectl("create", "clusterrole", f"{theirs}-flagger", "--verb=get", "--resource=pods")
    try:
        told = play_mistakes(cluster, "setup", given, home)
        for variables, sentence in mistakes:
            assert re.search(sentence, told[str(variables)]), (variables, told[str(variables)])
        assert not administrator.names("clusterroles")
        assert cluster.kubectl("get", "namespace", free, check=False).returncode != 0
    finally:
        cluster.kubectl("delete", "clusterrole", f"{theirs}-flagger")


@pytest.mark.full
def test_a_mistake_in_the_credentials_gives_one_sentence(administrator: Administrator) -> None:
    home = administrator.home
    (home / "rubbish").write_text("a: [\n", encoding="utf-8")
    usual = variables_of(administrator.cluster, administrator.namespace, administrator.kubeconfigs)
    given = {
        str(variables): {**usual, **{key: value.format(home=home) for key, value in variables.items()}}
        for variables, _sentence in WRONG_CREDENTIALS
    }
    told = play_mistakes(administrator.cluster, "setup", given, home)
    for variables, sentence in WRONG_CREDENTIALS:
        assert re.search(sentence, told[str(variables)]), (variables, told[str(variables)])


@pytest.mark.full
def test_rights_that_cannot_be_given_are_named(administrator: Administrator, client: KubernetesClient) -> None:
    """Who may create roles, but not with rights that he lacks, learns which from the server's own words."""
    verbs = ["get", "list", "create", "patch", "delete"]
    name = administrator.namespace
    allowed = {
        "rbac.authorization.k8s.io": ["clusterroles", "clusterrolebindings", "roles", "rolebindings"],
        "": ["namespaces", "serviceaccounts", "serviceaccounts/token", "secrets"],
        "networking.k8s.io": ["networkpolicies"],
    }
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    labels = {PLACE: name}
    subject = {"kind": "ServiceAccount", "name": "half", "namespace": "default"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{name}-half"}
    rules = [{"apiGroups": [group], "resources": names, "verbs": verbs} for group, names in allowed.items()]
    metadata = {"name": f"{name}-half", "labels": labels}
    administrator.cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "half", "namespace": "default"}},
        {**kind, "kind": "ClusterRole", "metadata": metadata, "rules": rules},
        {**kind, "kind": "ClusterRoleBinding", "metadata": metadata, "subjects": [subject], "roleRef": reference},
    )
    try:
        account = Account("default", "half")
        path = administrator.home / "half.kubeconfig"
        write_kubeconfig(str(path), kubeconfig(client, account, request_token(client, account, 3600).text))
        played = administrator.play("setup", setup_kubeconfig=str(path))
        assert played.status == 2
        assert "is attempting to grant RBAC permissions not currently held" in played.message
        assert not played.message.startswith("Failed to create object")
        assert not administrator.names("serviceaccounts")
    finally:
        administrator.cluster.kubectl("delete", "--namespace=default", "serviceaccount", "half")


# The modules by themselves.


@pytest.mark.full
def test_modules_say_what_is_wrong(settled: Accounts, cluster: KubernetesCluster, tmp_path: Path) -> None:
    def call(module: str, *options: str, **arguments: t.Any) -> dict[str, t.Any]:
        content = json.dumps({"kubeconfig": str(cluster.kubeconfig), **arguments})
        interpreter = f"ansible_python_interpreter={sys.executable}"
        command = [str(Path(sys.executable).parent / "ansible"), "localhost", "-i", "localhost,", "-c", "local"]
        command += ["-e", interpreter, "-m", f"imagescan.openshift.{module}", "-a", content, *options]
        told = cluster.run(*command, check=False).stdout
        return dict(json.loads(told[told.index("=> {") + 3 :]))

    place = {"namespace": settled.namespace, "path": str(tmp_path / "kubeconfig")}
    token = "service_account_kubeconfig"
    missing = call(token, **place, service_account="nobody")
    assert missing["code"] == "cluster-not-found"
    assert 'serviceaccounts "nobody" not found' in missing["msg"]
    assert "seconds is 5; expected at least 600" in call(token, **place, service_account="x", seconds=5)["msg"]
    assert "service_account is not a name" in call(token, **place, service_account="../x")["msg"]
    nowhere = {**place, "path": str(tmp_path / "no/folder/kubeconfig")}
    wrong = call(token, **nowhere, service_account="imagescan-scan")
    assert "cannot be written: No such file or directory (check that its folder exists" in wrong["msg"]
    assert not list(tmp_path.iterdir())
    made = call(token, **place, service_account="imagescan-scan")
    assert (made["changed"], made["reason"]) == (True, "there was none")
    again = call(token, **place, service_account="imagescan-scan")
    assert (again["changed"], again["reason"], again["expires"]) == (False, "", made["expires"])
    assert call(token, "--check", **place, service_account="imagescan-scan", seconds=600)["changed"]
    assert call(token, **place, service_account="imagescan-scan")["expires"] == made["expires"]

    several = {"namespace": settled.namespace, "directory": str(tmp_path / "several")}
    both = {"service_accounts": ["imagescan-scan", "imagescan-flag"]}
    planned = call(token, "--check", **several, **both)
    assert planned["changed"]
    assert not (tmp_path / "several").exists()
    written = call(token, **several, **both)
    assert [one["service_account"] for one in written["kubeconfigs"]] == both["service_accounts"]
    assert stat.S_IMODE((tmp_path / "several").stat().st_mode) == 0o700
    assert not call(token, **several, **both)["changed"]
    fewer = {"service_accounts": ["imagescan-scan"], "absent": ["imagescan-flag", "imagescan-discover"]}
    for options, changed in ((["--check"], True), ([], True), ([], False)):
        assert call(token, *options, **several, **fewer)["changed"] is changed
    assert [path.name for path in (tmp_path / "several").iterdir()] == ["imagescan-scan.kubeconfig"]

    wishes = [
        {"verb": "list", "resource": "pods", "namespace": settled.namespace},
        {"verb": "get", "resource": "pods", "subresource": "log", "namespace": settled.namespace},
        {"verb": "create", "resource": "pods", "namespace": settled.namespace},
        {"verb": "list", "resource": "jobs", "group": "batch"},
    ]
    found = call("access_info", kubeconfig=str(settled.scan), access=wishes)
    assert found["user"] == f"system:serviceaccount:{settled.namespace}:imagescan-scan"
    assert found["denied"] == [f"create pods in {settled.namespace}", "list jobs.batch"]
    assert "batch" in found["groups"]
    assert re.fullmatch(r"1\.\d+", found["version"])
    assert call("access_info", kubeconfig=str(tmp_path / "x"))["code"] == "cluster-config"


# Nothing stays.


def test_nothing_changes_a_second_time_and_nothing_is_left(settler: Administrator) -> None:
    """The last of those that look at what setup made, which is gone afterwards."""
    assert settler.do("setup") == 0
    assert settler.do("teardown") > 0
    assert not settler.left()
    assert not list(settler.kubeconfigs.iterdir())
    assert settler.do("teardown") == 0
