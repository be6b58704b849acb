# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill against the policy that the role ``enforce`` installs, on a real API server."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import secrets
import sys
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement import drill_cases
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.drill import (
    Drill,
    DrillRow,
    drill,
    open_ways,
    understand,
    unproved_ways,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.drill_cases import (
    DIGEST,
    REFERENCES,
    Images,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.service_accounts import (
    Account,
    kubeconfig,
    request_token,
    write_kubeconfig,
)
from ansible_collections.imagescan.openshift.tests.cluster import enforcing
from ansible_collections.imagescan.openshift.tests.cluster.accounts import play
from ansible_collections.imagescan.openshift.tests.cluster.enforced import Enforced
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.support.modules import run_module
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment

TEXT = 'policy "drill": fix\'it {{ 7 * 7 }} [red] (https://example.invalid/report)'
KINDS = {"Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController"}
KINDS |= {"PodTemplate", "DeploymentConfig", "Build", "BuildConfig"}
WORKLOADS = [kind for kind in drill_cases.KINDS if kind.name in KINDS]
UPDATE = "update of an existing object"
BY_ID = "container, by the ID that a node keeps it under"
UNLISTED = "container, by a tag that is not listed"
Answer = dict[str, t.Any]
Json = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Place:
    """A namespace with a policy of its own, and the account that drills there, with the rights of the role."""

    cluster: KubernetesCluster
    namespace: str
    home: Path

    @property
    def kubeconfig(self) -> Path:
        """Of the account."""
        return self.home / "drill.kubeconfig"

    def drill(self, *options: str, **arguments: t.Any) -> Answer:
        """Call the module as the account; it must not warn."""
        found, told = self.drill_and_listen(*options, **arguments)
        assert not told
        return found

    def drill_and_listen(self, *options: str, **arguments: t.Any) -> tuple[Answer, str]:
        """Call the module as the account. What it found, and what it warned of."""
        given = {**self._arguments(arguments), "_ansible_check_mode": "--check" in options}
        found = run_module("enforcement_info", given, self.home)
        return found, "\n".join(map(str, found.pop("warnings", ())))

    def drill_by_ansible(self) -> Answer:
        """The same by Ansible."""
        content = json.dumps(self._arguments({}))
        command = [str(Path(sys.executable).parent / "ansible"), "localhost", "-i", "localhost,", "-c", "local"]
        command += ["-e", f"ansible_python_interpreter={sys.executable}", "-m", "imagescan.openshift.enforcement_info"]
        done = self.cluster.run(*command, "-a", content, check=False, env=ansible_environment(self.home))
        assert "[WARNING]" not in done.stderr, done.stderr
        return dict(json.loads(done.stdout[done.stdout.index("=> {") + 3 :]))

    def _arguments(self, arguments: t.Mapping[str, t.Any]) -> Json:
        given = {"kubeconfig": str(self.kubeconfig), "namespace": self.namespace, "policy": f"{self.namespace}-deny"}
        return {**given, **arguments}

    def until_proved(self) -> Answer:
        """Drill until the policy works; a new one takes some seconds."""
        end = time.monotonic() + 20
        while True:
            found = self.drill()
            if found["proved"] or time.monotonic() > end:
                return found
            time.sleep(1)

    def listed(self, **spec: t.Any) -> None:
        """The deny list of the namespace."""
        labels = {"imagescan.github.io/list": "deny", "imagescan.github.io/enforce": self.namespace}
        metadata = {"name": self.namespace, "labels": labels}
        version = "imagescan.github.io/v1alpha1"
        self.cluster.apply({"apiVersion": version, "kind": "DenyList", "metadata": metadata, "spec": spec})

    def flagged(self) -> None:
        """What the role puts on the list for drills."""
        self.listed(digests={DIGEST: TEXT}, references=dict.fromkeys(REFERENCES, TEXT))

    def install(self, **options: t.Any) -> None:
        """The role's policy and binding."""
        policies, bindings = enforcing.documents(self.namespace, [self.namespace], **options)
        self.cluster.apply(*policies)
        self.cluster.apply(*bindings)

    def left(self) -> str:
        """What of a drill is in the namespace."""
        kinds = "pods,deployments,replicasets,statefulsets,daemonsets,jobs,cronjobs,replicationcontrollers,podtemplates"
        return self.cluster.kubectl("get", kinds, "--output=name", f"--namespace={self.namespace}").stdout


@pytest.fixture(scope="module")
def place(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Place]:
    """A namespace where the policy works."""
    cluster.install_openshift_kinds()
    name = f"drill-{secrets.token_hex(4)}"
    made = Place(cluster, name, tmp_path_factory.mktemp("drill"))
    cluster.create_namespace(name)
    cluster.apply(*enforcing.kinds())
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd/denylists.imagescan.github.io")
    made.flagged()
    account(connect(Connection(kubeconfig=str(cluster.kubeconfig))), made)
    try:
        made.install()
        found = made.until_proved()
        assert found["proved"], "\n".join(found.get("lines", [str(found)]))
        yield made
    finally:
        for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            cluster.kubectl("delete", kind, "--ignore-not-found", f"{name}-deny")
        cluster.kubectl("delete", "denylists.imagescan.github.io", name)
        cluster.remove_namespace(name)


def account(client: KubernetesClient, place: Place) -> None:
    """The account for drills with the rights that the role gives it."""
    rules = yaml.safe_load((enforcing.VARS / "main.yml").read_text(encoding="utf-8"))["enforce__drill_rules"]
    group = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": "drill", "namespace": place.namespace}
    metadata = {"name": "drill"}
    place.cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "subjects": [subject],
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "drill"},
        },
        namespace=place.namespace,
    )
    who = Account(place.namespace, "drill")
    write_kubeconfig(str(place.kubeconfig), kubeconfig(client, who, request_token(client, who, 3600).text))


def judged(place: Place, action: str = "deny") -> tuple[list[DrillRow], list[DrillRow], list[DrillRow]]:
    """A drill as the account, without Ansible: all rows, those that are open, and those that are not proved."""
    client = connect(Connection(kubeconfig=str(place.kubeconfig)))
    told: list[str] = []
    rows = drill(client, Drill(place.namespace, Images(), f"{place.namespace}-deny", action, targets=True), told.append)
    assert not told
    return rows, open_ways(rows, action), unproved_ways(rows, action)


def soon(place: Place, wanted: t.Callable[[list[DrillRow]], bool], action: str = "deny") -> list[DrillRow]:
    """The rows of a drill, once the server acts on what was just changed."""
    end = time.monotonic() + 60
    while True:
        rows, *_others = judged(place, action)
        if wanted(rows) or time.monotonic() > end:
            return rows
        time.sleep(0.5)


@pytest.fixture
def repaired(place: Place) -> t.Iterator[Place]:
    """The place, whose policy, binding and list are put right afterwards."""
    yield place
    place.flagged()
    place.install()
    rows = soon(place, lambda rows: all(row.outcome == "refused" for row in rows if row.claimed))
    assert not open_ways(rows, "deny")
    assert not unproved_ways(rows, "deny")


# What is told where the policy works.


def test_every_way_is_tried_and_refused_with_the_text_of_the_list(place: Place) -> None:
    found = place.drill_by_ansible()
    assert {row["kind"] for row in found["ways"]} == KINDS
    claimed = [row for row in found["ways"] if row["claimed"]]
    assert len(claimed) > 100
    for row in claimed:
        assert (row["outcome"], row["by"], row["code"], row["good"]) == ("refused", f"{place.namespace}-deny", 403, "")
        assert (TEXT if row["way"] != BY_ID else "named by the ID under which a node keeps it") in row["message"]
        assert row["image"] in row["message"]
    assert found["proved"]
    assert found["control"]
    assert not found["open"]
    assert not found["unproved"]
    assert [row["way"] for row in found["ways"] if row["outcome"] == "allowed"] == [UNLISTED]
    # Our kinds of OpenShift have no such part; its own API server does.
    assert {row["way"] for row in found["ways"] if row["outcome"] == "not-served"} <= {"instantiate"}
    again = place.drill()
    assert not again.get("changed")
    assert again["counts"] == found["counts"]
    assert not place.left()


def test_in_check_mode_nothing_is_made(place: Place) -> None:
    found = place.drill("--check", fail_on_open=True)
    assert not found["proved"]
    assert found["control"]
    assert {row["outcome"] for row in found["unproved"]} == {"not-tried"}
    assert {row["way"].partition(",")[0] for row in found["unproved"]} == {
        *(UPDATE, "ephemeral container", "instantiate")
    }
    assert not place.left()
    unwilling = place.drill(targets=False, fail_on_open=True)
    assert unwilling["code"] == "way-open"
    assert re.match(r"\d+ ways are not proved closed: Pod \(ephemeral container, by digest\) and", unwilling["msg"])


def test_who_may_read_it_is_told_what_is_installed(place: Place) -> None:
    account = place.drill("--check")["installed"]
    assert account["mode"] == "unknown"
    assert "holds in the namespace of the drill alone" in account["scope"]
    assert account["lists"] is None
    assert len(account["unread"]) == 2
    found = place.drill("--check", kubeconfig=str(place.cluster.kubeconfig))["installed"]
    assert found["mode"] == "deny"
    assert found["actions"] == ["Audit", "Deny"]
    assert found["failure_policy"] == "Fail"
    assert found["scope"] == f"{place.namespace}-deny counts only in the namespaces {place.namespace}"
    assert found["only_namespaces"] == [place.namespace]
    assert found["lists"] == [{"name": place.namespace, "digests": 1, "references": 2}]
    assert found["listed"] == sorted([DIGEST, *REFERENCES])
    assert not found["unread"]
    nothing = place.drill("--check", kubeconfig=str(place.cluster.kubeconfig), policy="nobody")
    assert nothing["installed"]["mode"] == "none"
    assert nothing["lines"][-1] == "there is no policy nobody, or no binding of it that does anything"
    # Another policy refuses, whatever it is called; that proves nothing of the one that was asked for.
    assert {row["outcome"] for row in nothing["unproved"]} == {"unknown", "not-tried"}
    assert {row["by"] for row in nothing["unproved"] if row["outcome"] == "unknown"} == {f"{place.namespace}-deny"}
    assert not nothing["proved"]


@pytest.mark.full
def test_limits_that_no_drill_touches_are_told(repaired: Place) -> None:
    """A policy that spares what carries a label, and a binding for one kind: all that a drill sends is refused."""
    policies, bindings = enforcing.documents(repaired.namespace, [repaired.namespace])
    free = {"matchExpressions": [{"key": "free", "operator": "DoesNotExist"}]}
    policies[0]["spec"]["matchConstraints"]["objectSelector"] = free
    policies[0]["spec"]["matchConditions"] = [{"name": "ours", "expression": "request.namespace != 'kube-system'"}]
    bindings[0]["spec"]["matchResources"] = {"excludeResourceRules": [], "objectSelector": {"matchLabels": None}}
    repaired.cluster.apply(*policies)
    repaired.cluster.apply(*bindings)
    soon(repaired, lambda rows: all(row.outcome == "refused" for row in rows if row.claimed))
    found, told = repaired.drill_and_listen(kubeconfig=str(repaired.cluster.kubeconfig))
    assert found["proved"]
    # The server's own defaults of the binding's scope are not a limit.
    stored = repaired.cluster.get("validatingadmissionpolicybinding", f"{repaired.namespace}-deny")["spec"]
    assert "namespaceSelector" in stored["matchResources"]
    assert found["installed"]["limits"] == ["condition: request.namespace != 'kube-system'", "only objects with !free"]
    assert found["lines"][-1].endswith(
        f"{repaired.namespace}, under conditions: request.namespace != 'kube-system'; limited: only objects with !free"
    )
    for limit in found["installed"]["limits"]:
        assert f"{repaired.namespace}-deny does not count everywhere, or not in full: {limit}" in told


# Never falsely safe: what is open is found, and what is not known is said.


def without(*names: str) -> t.Callable[[Json], None]:
    """Take resources out of the rules."""

    def change(policy: Json) -> None:
        for rule in policy["spec"]["matchConstraints"]["resourceRules"]:
            rule["resources"] = [one for one in rule["resources"] if one not in names] or ["events"]

    return change


def replaced(old: str, new: str) -> t.Callable[[Json], None]:
    """Change the text of every expression."""

    def change(policy: Json) -> None:
        text = json.dumps(policy["spec"]["variables"])
        assert old in text
        policy["spec"]["variables"] = json.loads(text.replace(old, new))

    return change


def creating_only(policy: Json) -> None:
    """Look at nothing that changes."""
    for rule in policy["spec"]["matchConstraints"]["resourceRules"]:
        rule["operations"] = ["CREATE"]


def trusting_owners(policy: Json) -> None:
    """Believe what the sender says of owners."""
    policy["spec"]["matchConditions"] = [{"name": "naked", "expression": "!has(object.metadata.ownerReferences)"}]


def of_kind(name: str, row: DrillRow) -> bool:
    """Whether a row is of a kind, and of none of its parts, which have rules of their own."""
    return row.kind == name and "ephemeral" not in row.way and row.way != "instantiate"


FILTER = "filter(c, has(c.image))"
#: A mistake in the policy -> which ways are open then, and no others.
HOLES: dict[str, tuple[t.Callable[[Json], None], t.Callable[[DrillRow], bool]]] = {
    **{kind.name: (without(kind.resource), functools.partial(of_kind, kind.name)) for kind in WORKLOADS},
    "ephemeral containers": (without("pods/ephemeralcontainers"), lambda row: "ephemeral" in row.way),
    "updates": (creating_only, lambda row: row.way == UPDATE or "ephemeral" in row.way),
    "init containers": (
        replaced(f"variables.spec.initContainers.{FILTER}", "variables.spec.initContainers.filter(c, false)"),
        lambda row: row.way.startswith(("init container", "sidecar")),
    ),
    "image volumes": (
        replaced("variables.spec.volumes.filter(v, has(v.image)", "variables.spec.volumes.filter(v, false"),
        lambda row: row.way.startswith("image volume"),
    ),
    "second containers": (
        replaced(f"variables.spec.containers.{FILTER}", "variables.spec.containers.filter(c, c.name != 'second')"),
        lambda row: row.way.startswith("second container"),
    ),
    "source images": (
        replaced("filter(i, has(i.from))", "filter(i, false)"),
        lambda row: row.way.startswith("source image"),
    ),
    "Dockerfiles": (replaced("dockerfile.orValue", "nothing.orValue"), lambda row: row.way.startswith("Dockerfile")),
    "references": (
        replaced("e[1] in variables.references", "false"),
        lambda row: "listed reference" in row.way or row.way.startswith("container, as "),
    ),
    "tag beside a digest": (
        replaced("i.contains('@') ?", "i.contains('@') && !i.contains(':1.0@') ?"),
        lambda row: row.way == "container, by tag and digest",
    ),
    "default tag": (
        replaced("i.lowerAscii() + ':latest'", "i.lowerAscii()"),
        lambda row: row.way.startswith("container, as ") and not row.way.endswith(":latest"),
    ),
    "case": (
        replaced("lowerAscii()", "trim()"),
        lambda row: "as DRILL." in row.way,
    ),
    "short names": (
        replaced("'docker.io/library/' + e[1].substring(10)", "e[1]"),
        lambda row: "imagescan-drill-flagged" in row.way and "library/" not in row.way,
    ),
    "owner references": (trusting_owners, lambda row: row.way.startswith("forged owner")),
}


#: Several mistakes at once, since each drill takes its time.
GROUPS = {
    "some kinds": [kind.name for kind in WORKLOADS[::2]],
    "the other kinds": [kind.name for kind in WORKLOADS[1::2]],
    "places": [
        *("ephemeral containers", "init containers", "image volumes", "references", "owner references"),
        *("source images", "Dockerfiles"),
    ],
    "forms": ["updates", "second containers", "tag beside a digest", "default tag", "case", "short names"],
}


def test_every_hole_is_tried() -> None:
    assert sorted(name for group in GROUPS.values() for name in group) == sorted(HOLES)


@pytest.mark.full
@pytest.mark.parametrize("group", GROUPS)
def test_holes_in_the_policy_are_found_and_nothing_else(repaired: Place, group: str) -> None:
    policies, _bindings = enforcing.documents(repaired.namespace, [repaired.namespace])
    for name in GROUPS[group]:
        HOLES[name][0](policies[0])

    def expected(rows: list[DrillRow]) -> list[DrillRow]:
        return [row for row in rows if row.claimed and any(HOLES[name][1](row) for name in GROUPS[group])]

    repaired.cluster.apply(*policies)
    rows = soon(repaired, lambda rows: open_ways(rows, "deny") == expected(rows))
    assert {(row.kind, row.way) for row in open_ways(rows, "deny")} == {(row.kind, row.way) for row in expected(rows)}
    assert expected(rows)
    assert not unproved_ways(rows, "deny")
    for name in GROUPS[group]:
        assert any(map(HOLES[name][1], open_ways(rows, "deny"))), name


# What is not a refusal by the policy.


def test_without_a_binding_everything_is_open_and_the_task_fails(repaired: Place) -> None:
    repaired.cluster.kubectl("delete", "validatingadmissionpolicybinding", f"{repaired.namespace}-deny")
    rows = soon(repaired, lambda rows: not any(row.outcome == "refused" for row in rows))
    assert len(open_ways(rows, "deny")) == len([row for row in rows if row.claimed])
    found = repaired.drill(fail_on_open=True)
    assert found["code"] == "way-open"
    assert "a flagged image is let in on " in found["msg"]
    assert found["control"]
    assert found["lines"]


@pytest.mark.full
def test_warnings_are_no_refusals(repaired: Place) -> None:
    repaired.install(actions=["Warn", "Audit"])
    rows = soon(repaired, lambda rows: not any(row.outcome == "refused" for row in rows))
    assert {row.outcome for row in rows if row.claimed} == {"warned"}
    assert all(TEXT in row.message for row in rows if row.claimed and row.way != BY_ID)
    assert {row.code for row in rows if row.claimed} == {200, 201}
    assert [row for row in rows if row.claimed] == open_ways(rows, "deny")
    assert not open_ways(rows, "warn")
    assert not unproved_ways(rows, "warn")
    found = repaired.drill(fail_on_open=True)
    assert re.search(r"a flagged image is only warned of on \d+ ways: Pod \(container, by digest\) and", found["msg"])
    assert repaired.drill(fail_on_open=True, action="warn")["proved"]

    repaired.install(actions=["Audit"])
    soon(repaired, lambda rows: not any(row.outcome == "warned" for row in rows))
    assert repaired.drill(fail_on_open=True, action="warn")["code"] == "way-open"
    audit = repaired.drill(action="audit")
    assert not audit["proved"]
    assert not audit["open"]
    assert not audit["unproved"]
    assert audit["control"]
    assert not any(row["refused"] for row in audit["ways"])


@pytest.mark.full
def test_a_policy_without_lists_is_a_mistake_and_no_refusal(repaired: Place) -> None:
    repaired.cluster.kubectl("delete", "denylists.imagescan.github.io", repaired.namespace)
    rows = soon(repaired, lambda rows: {row.outcome for row in rows if row.claimed} <= {"misconfigured", "not-tried"})
    tried = [row for row in rows if row.claimed and row.outcome != "not-tried"]
    assert {(row.outcome, row.by, row.code) for row in tried} == {("misconfigured", f"{repaired.namespace}-deny", 422)}
    assert all("no params found for policy binding with `Deny` parameterNotFoundAction" in row.message for row in tried)
    assert all("could not be made" in row.message for row in rows if row.outcome == "not-tried")
    assert not any(row.outcome == "refused" for row in rows)
    found = repaired.drill(fail_on_open=True)
    assert not found["control"]
    assert "ways are not proved closed" in found["msg"]
    assert "the cluster refuses good images on " in found["msg"]


@pytest.mark.full
def test_a_kind_that_the_server_does_not_know_is_a_mistake_and_no_refusal(repaired: Place) -> None:
    policies, _bindings = enforcing.documents(repaired.namespace, [repaired.namespace])
    policies[0]["spec"]["paramKind"]["kind"] = "UnknownList"
    repaired.cluster.apply(*policies)
    rows = soon(repaired, lambda rows: not any(row.outcome in ("refused", "allowed") for row in rows))
    said = {row.message.partition("denied request: ")[2][:70] for row in rows if row.outcome == "misconfigured"}
    assert said == {"failed to configure policy: failed to find resource referenced by para"}


@pytest.mark.full
def test_an_expression_that_fails_is_a_mistake_and_no_refusal(repaired: Place) -> None:
    policies, _bindings = enforcing.documents(repaired.namespace, [repaired.namespace])
    broken = {
        "expression": "variables.denied.size() == 0 || int(object.metadata.name.substring(0, 1)) == 1",
        "reason": "Forbidden",
    }
    policies[0]["spec"]["validations"] = [broken]
    repaired.cluster.apply(*policies)
    rows = soon(repaired, lambda rows: not any(row.outcome == "refused" for row in rows))
    listed = [row for row in rows if row.claimed and row.way != BY_ID]  # which the broken policy does not look at
    assert {(row.outcome, row.code) for row in listed} == {("misconfigured", 422)}
    assert unproved_ways(rows, "deny") == listed
    assert [row.way for row in open_ways(rows, "deny")] == [BY_ID]


def test_what_refuses_everything_proves_nothing(repaired: Place) -> None:
    """As a policy whose expression is always false, or a quota that leaves nothing: the good image tells it."""
    policies, _bindings = enforcing.documents(repaired.namespace, [repaired.namespace])
    policies[0]["spec"]["validations"][0]["expression"] = "false"
    repaired.cluster.apply(*policies)

    def outcomes(rows: t.Iterable[DrillRow]) -> set[str]:
        return {row.outcome for row in rows if row.claimed}

    # Until the API server has the new policy everywhere, an object to be updated may still come in.
    rows = soon(repaired, lambda rows: outcomes(rows) == {"unknown", "not-tried"})
    claimed = [row for row in rows if row.claimed]
    assert outcomes(rows) == {"unknown", "not-tried"}
    assert all(row.message.startswith("a good image is not let in, either: ") for row in claimed if row.good)


@pytest.mark.full
def test_a_policy_that_refuses_every_change_of_an_image_is_no_proof(repaired: Place) -> None:
    """Updates and ephemeral containers are tried with good images that are new to the object."""
    policies, _bindings = enforcing.documents(repaired.namespace, [repaired.namespace])
    frozen = {"expression": "request.operation != 'UPDATE' || variables.fresh.size() == 0", "reason": "Forbidden"}
    policies[0]["spec"]["validations"].append(frozen)
    repaired.cluster.apply(*policies)

    def changes(row: DrillRow) -> bool:
        return row.claimed and (row.way == UPDATE or "ephemeral" in row.way)

    rows = soon(repaired, lambda rows: not any(row.outcome == "refused" for row in rows if changes(row)))
    assert {(row.outcome, bool(row.good)) for row in rows if changes(row)} == {("unknown", True)}
    assert unproved_ways(rows, "deny") == [row for row in rows if changes(row)]
    found = repaired.drill(fail_on_open=True)
    assert not found["control"]
    assert re.search(
        r"the cluster refuses good images on \d+ ways: Pod \(ephemeral container, by digest\)", found["msg"]
    )


@pytest.mark.full
@pytest.mark.parametrize(
    ("made", "by", "kinds"),
    [
        (
            {
                "apiVersion": "v1",
                "kind": "LimitRange",
                "spec": {"limits": [{"type": "Container", "min": {"memory": "1Gi"}}]},
            },
            "limits",
            {"Pod"},
        ),
        ({"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"pods": "0"}}}, "quota", {"Pod"}),
    ],
)
def test_what_else_refuses_is_told_as_what_it_is(repaired: Place, made: Json, by: str, kinds: set[str]) -> None:
    repaired.cluster.apply({**made, "metadata": {"name": "strict"}}, namespace=repaired.namespace)
    try:
        rows = soon(repaired, lambda rows: not any(row.outcome == "refused" for row in rows if row.kind == "Pod"))
        pods = [row for row in rows if row.claimed and row.kind == "Pod"]
        assert {row.outcome for row in pods} <= {"unknown", "not-tried"}
        assert all(row.by in (by, f"{repaired.namespace}-deny", "") for row in pods)
        assert unproved_ways(rows, "deny") == pods
        assert all(row.outcome == "refused" for row in rows if row.claimed and row.kind not in kinds)
    finally:
        name = f"{made['kind'].lower()}/strict"
        repaired.cluster.kubectl("delete", name, f"--namespace={repaired.namespace}")


@pytest.mark.full
def test_pod_security_is_told_from_the_policy(repaired: Place, cluster: KubernetesCluster) -> None:
    """Flagged pods that are not restricted, as a drill with pods of a careless kind would send."""
    client = connect(Connection(kubeconfig=str(repaired.kubeconfig)))
    way = drill_cases.ways(Images())[0]
    body = way.body(way.bad)
    assert isinstance(body, dict)
    del body["spec"]["securityContext"]
    answer = client.attempt("POST", way.kind.path(repaired.namespace), body, {"dryRun": "All"})
    said = understand(answer, way, way.bad, f"{repaired.namespace}-deny")
    assert (said.outcome, said.by) == ("unknown", "Pod Security")


@pytest.mark.full
def test_who_may_not_create_proves_nothing(place: Place, cluster: KubernetesCluster) -> None:
    name = f"{place.namespace}-bare"
    cluster.create_namespace(name)
    try:
        found = place.drill(namespace=name, fail_on_open=True)
        assert {(row["outcome"], row["by"]) for row in found["ways"] if row["outcome"] != "not-tried"} == {
            ("unknown", "rights")
        }
        assert not found["control"]
        assert found["code"] == "way-open"
        # As administrator: nothing covers that namespace.
        seen = place.drill(namespace=name, kubeconfig=str(cluster.kubeconfig))
        assert len(seen["open"]) == len([row for row in seen["ways"] if row["claimed"]])
        assert seen["installed"]["only_namespaces"] == [place.namespace]
    finally:
        cluster.remove_namespace(name)


def test_mistakes_in_options_are_said(place: Place, cluster: KubernetesCluster) -> None:
    assert "digest is none (give sha256:" in place.drill(digest="sha256:12")["msg"]
    assert "has a digest" in place.drill(references=[f"a.example/b:1@{DIGEST}"])["msg"]
    assert "namespace: '../x' is not a name" in place.drill(namespace="../x")["msg"]
    missing = place.drill(namespace="not-there", kubeconfig=str(cluster.kubeconfig))
    assert missing["code"] == "cluster-not-found"
    assert "there is no namespace not-there (run the playbook imagescan.openshift.enforce" in missing["msg"]


@pytest.mark.full
def test_a_drill_that_was_killed_is_cleaned_up_by_the_next(place: Place, cluster: KubernetesCluster) -> None:
    left = drill_cases.target(drill_cases.DEPLOYMENT, drill_cases.GOOD_DIGEST)
    cluster.apply(left, namespace=place.namespace)
    _found, told = place.drill_and_listen("--check")
    assert f"kubectl delete deployments.apps imagescan-drill --namespace={place.namespace}" in told
    assert place.left().startswith("deployment.apps/imagescan-drill\n")
    # However it was changed since: here to what the next one tries as a good change.
    change = next(
        way for way in drill_cases.ways(Images()) if way.kind is drill_cases.DEPLOYMENT and way.request == "update"
    )
    patch = f"--patch={json.dumps(change.body(change.good))}"
    cluster.kubectl("patch", "deployment", "imagescan-drill", f"--namespace={place.namespace}", "--type=json", patch)
    assert place.drill()["proved"]
    assert not place.left()
    del left["metadata"]["labels"]
    cluster.apply(left, namespace=place.namespace)
    try:
        found = place.drill()
        assert [row["way"] for row in found["unproved"]] == [UPDATE]
        assert "is not known to be of a drill" in found["unproved"][0]["message"]
        assert place.left().startswith("deployment.apps/imagescan-drill\n")
    finally:
        cluster.kubectl("delete", "deployment", "imagescan-drill", f"--namespace={place.namespace}")


@pytest.mark.full
def test_what_a_drill_cannot_remove_is_told(place: Place, cluster: KubernetesCluster) -> None:
    left = drill_cases.target(drill_cases.POD_TEMPLATE, drill_cases.GOOD_DIGEST)
    left["metadata"]["finalizers"] = ["example.com/wait"]
    cluster.apply(left, namespace=place.namespace)
    try:
        found, told = place.drill_and_listen()
        assert [(row["kind"], row["way"]) for row in found["unproved"]] == [("PodTemplate", UPDATE)]
        assert "could not be removed (it waits for example.com/wait); the next drill removes it, or:" in told
        assert f"kubectl delete podtemplates imagescan-drill --namespace={place.namespace}" in told
    finally:
        free = '--patch={"metadata": {"finalizers": null}}'
        cluster.kubectl("patch", "podtemplate", "imagescan-drill", f"--namespace={place.namespace}", free)
    assert place.drill()["proved"]
    assert not place.left()


# The playbook.


@pytest.mark.full
def test_the_playbook_prints_a_table_and_fails_when_a_way_is_open(repaired: Place) -> None:
    place = repaired
    given = {
        "drill_kubeconfig": str(place.kubeconfig),
        "drill_namespace": place.namespace,
        "drill_policy": f"{place.namespace}-deny",
    }
    for options in ((), ("--check",)):
        played = play(place.cluster, "drill", given, place.home, *options)
        assert (played.status, played.changed, played.warnings) == (0, 0, ()), played.output
        assert re.search(
            r"CronJob +sidecar, by digest +refused +cronjobs.batch .* denied request: image ", played.output
        )
    place.cluster.kubectl("delete", "validatingadmissionpolicybinding", f"{place.namespace}-deny")
    soon(place, lambda rows: not any(row.outcome == "refused" for row in rows))
    again = play(place.cluster, "drill", given, place.home)
    assert again.status == 2
    assert re.match(r"a flagged image is let in on \d+ ways: Pod \(container, by digest\) and \d+ more$", again.message)
    assert re.search(r"CronJob +sidecar, by digest +OPEN", again.output)
    nowhere = play(place.cluster, "drill", {**given, "drill_kubeconfig": str(place.home / "none")}, place.home)
    assert nowhere.status == 2
    assert "kubeconfig" in nowhere.message


@pytest.mark.full
def test_the_account_that_the_role_makes_may_drill_and_tell_where_the_policy_counts(
    cluster: KubernetesCluster, tmp_path: Path
) -> None:
    cluster.install_openshift_kinds()
    enforced = Enforced(cluster, f"enf-{secrets.token_hex(4)}", tmp_path)
    try:
        assert enforced.do("enforce") > 0
        given = {
            "imagescan_kubeconfig_dir": str(tmp_path / "kubeconfigs"),
            "drill_namespace": f"{enforced.name}-drill",
            "drill_policy": f"{enforced.name}-deny",
        }
        played = play(cluster, "drill", given, tmp_path)
        assert (played.status, played.changed, played.warnings) == (0, 0, ()), played.output
        assert '"mode": "deny"' in played.output
        assert f'"only_namespaces": ["{enforced.name}"' in re.sub(r"\[\s+", "[", played.output)
        assert '"lists": null' in played.output
        assert not re.search(r"^ +\"\w+ .*(misconfigured|not tried|unknown)", played.output, re.M)
    finally:
        enforced.remove()
