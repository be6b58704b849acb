# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role ``enforce`` on a real cluster: installed, changed, stopped and taken away, also while pods are created."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import secrets
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.drill_cases import DIGEST
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.lists import (
    pass_entries,
    read_lists,
    set_entries,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.lists import Entry
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.names import (
    NAMESPACES_ANNOTATION,
    REQUIRED_LABEL,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.namespace_scope import Reach, read_reach
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import Connection, connect
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.tests.cluster.accounts import OURS, OWNER, Accounts, play_mistakes
from ansible_collections.imagescan.openshift.tests.cluster.enforced import Enforced, admin, pod, until
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.faults import Fault, fault_proxy
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment

pytestmark = pytest.mark.timeout(1800)

BAD = f"drill.imagescan.github.io/app@{DIGEST}"
GOOD = f"drill.imagescan.github.io/app@sha256:{'0' * 64}"
CONFIGURATION = re.compile(r"failed to configure (?:policy|binding): failed to find resource referenced by paramKind")


@pytest.fixture
def enforced(cluster: KubernetesCluster, tmp_path: Path) -> t.Iterator[Enforced]:
    """Nothing is installed yet; all is taken away afterwards."""
    made = Enforced(cluster, f"enf-{secrets.token_hex(4)}", tmp_path)
    cluster.create_namespace(made.work)
    yield made
    made.remove()
    cluster.remove_namespace(made.work)


def left(enforced: Enforced) -> list[str]:
    """What of the installation is there, as kind/name."""
    kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings,namespaces,clusterroles,clusterrolebindings"
    known = enforced.cluster.kubectl("api-resources", "--output=name").stdout.split()
    kinds += "".join(f",{kind}" for kind in known if kind.endswith("lists.imagescan.github.io"))
    found = enforced.cluster.kubectl("get", kinds, "--output=name").stdout.split()
    of_the_test = ("-work", "-strict", "-admin", "-keeps-the-kinds")
    return [one for one in found if enforced.name in one and not one.endswith(of_the_test)]


def told(enforced: Enforced, image: str) -> tuple[int, str, str]:
    """The answer to a dry run of a pod in the namespace for work: status, message and warnings."""
    place = f"--namespace={enforced.work}"
    done = enforced.cluster.kubectl(
        place, "create", "--dry-run=server", "--filename=-", input=json.dumps(pod("probe", image)), check=False
    )
    return done.returncode, done.stderr, "\n".join(re.findall(r"^Warning: (.*)", done.stderr, re.MULTILINE))


def test_a_life_from_nothing_to_nothing(enforced: Enforced) -> None:
    assert enforced.do("enforce") > 0
    assert told(enforced, BAD)[0] != 0
    assert f"ValidatingAdmissionPolicy '{enforced.name}-deny'" in told(enforced, BAD)[1]
    assert told(enforced, GOOD)[0] == 0
    again = enforced.do("enforce")
    assert again == 0
    assert (enforced.home / "kubeconfigs/imagescan-drill.kubeconfig").stat().st_mode & 0o777 == 0o600
    the_account_sees_whether_the_policies_stand(enforced)

    stopped = enforced.play(enforce_state="stopped")
    assert (stopped.status, stopped.changed) == (0, 1)
    assert f"bindings of {enforced.name} that were deleted: 1" in stopped.output
    until(lambda: told(enforced, BAD)[0] == 0, 5)
    assert len(left(enforced)) > 2
    removal_leaves_nothing(enforced)


@pytest.mark.full
def test_the_emergency_stop_and_what_refuses_nothing(enforced: Enforced) -> None:
    assert enforced.do("enforce", "--check", "--diff") > 0
    assert not left(enforced)
    assert enforced.do("enforce") > 0
    planned = enforced.play("--check", enforce_state="stopped")
    assert planned.changed == 1
    assert f"bindings of {enforced.name} that would be deleted: 1" in planned.output
    assert told(enforced, BAD)[0] != 0
    wrong = enforced.play(enforce_state="stopped", enforce_prefix=f"{enforced.name}-b")
    assert (wrong.status, wrong.changed) == (2, 0)
    assert f"nothing was stopped: there is no installation with the prefix {enforced.name}-b; give" in wrong.message
    assert enforced.name in wrong.message.partition("as enforce_prefix: ")[2].split(", ")
    stopped = enforced.play(enforce_state="stopped")
    assert (stopped.status, stopped.changed) == (0, 1)
    assert f"bindings of {enforced.name} that were deleted: 1" in stopped.output
    until(lambda: told(enforced, BAD)[0] == 0, 5)
    again_stopped = enforced.play(enforce_state="stopped")
    assert (again_stopped.status, again_stopped.changed) == (0, 0)
    assert "none, since it was stopped already" in again_stopped.output
    assert len(left(enforced)) > 2

    # It starts again as something milder, which refuses nothing.
    assert enforced.do("enforce", enforce_action="warn") > 0
    status, _message, warnings = told(enforced, BAD)
    assert status == 0
    assert f"ValidatingAdmissionPolicy '{enforced.name}-deny'" in warnings
    assert enforced.do("enforce", enforce_action="audit") > 0
    until(lambda: not told(enforced, BAD)[2], 5)
    assert told(enforced, BAD)[0] == 0
    assert enforced.do("enforce") > 0
    until(lambda: told(enforced, BAD)[0] != 0, 5)

    # What was changed by hand is put right and shown.
    policy = f"validatingadmissionpolicy/{enforced.name}-deny"
    enforced.cluster.kubectl("patch", policy, "--type=merge", '--patch={"spec": {"failurePolicy": "Ignore"}}')
    shown = enforced.play("--check", "--diff")
    assert shown.changed == 1
    assert "Ignore" in shown.output
    assert enforced.do("enforce") == 1
    assert enforced.do("enforce", "--check", "--diff") == 0
    assert enforced.do("enforce", "--check", enforce_state="absent") > 0
    assert told(enforced, BAD)[0] != 0


def removal_leaves_nothing(enforced: Enforced) -> None:
    """Removal leaves nothing, and has nothing to do afterwards."""
    enforced.cluster.apply(
        {
            "apiVersion": "imagescan.github.io/v1alpha1",
            "kind": "DenyList",
            "metadata": {"name": f"{enforced.name}-keeps-the-kinds"},
            "spec": {},
        }
    )  # others test beside us
    assert enforced.do("enforce", enforce_state="absent") > 0
    assert not left(enforced)
    assert not list((enforced.home / "kubeconfigs").iterdir())
    assert told(enforced, BAD)[0] == 0
    assert enforced.do("enforce", enforce_state="absent") == 0
    enforced.cluster.kubectl("delete", "denylists.imagescan.github.io", f"{enforced.name}-keeps-the-kinds")


def the_account_sees_whether_the_policies_stand(enforced: Enforced) -> None:
    """It may read them and nothing else of the cluster."""
    client = connect(Connection(kubeconfig=str(enforced.home / "kubeconfigs/imagescan-drill.kubeconfig")))
    group = "/apis/admissionregistration.k8s.io/v1"
    policy = f"{group}/validatingadmissionpolicies/{enforced.name}-deny"
    bindings = f"{group}/validatingadmissionpolicybindings"
    assert client.get(policy)["kind"] == "ValidatingAdmissionPolicy"
    assert f"{enforced.name}-deny" in client.items(bindings, lambda one: str(one["metadata"]["name"]))
    for method, path in (
        ("DELETE", policy),
        ("PATCH", policy),
        ("GET", f"{group}/validatingadmissionpolicies"),
        ("DELETE", f"{bindings}/{enforced.name}-deny"),
        ("GET", "/apis/imagescan.github.io/v1alpha1/denylists"),
        ("GET", "/api/v1/namespaces"),
    ):
        assert client.attempt(method, path, {}, {}).status == 403, path


@pytest.mark.full
def test_namespaces_are_exempt_by_name_and_by_pattern(enforced: Enforced) -> None:
    there, later, stays = f"{enforced.name}-ex-a", f"{enforced.name}-ex-b", enforced.work
    spaces = [there, later, stays, enforced.name]
    variables = {"enforce_namespaces": spaces, "enforce_exempt_namespaces": f"{enforced.name}-ex-*"}
    enforced.cluster.create_namespace(there)
    enforced.cluster.create_namespace(enforced.name)  # that of scans
    try:
        enforced.do("enforce", **variables)
        enforced.cluster.create_namespace(later)

        def refused() -> dict[str, bool]:
            return {space: told(dataclasses.replace(enforced, space=space), BAD)[0] != 0 for space in spaces}

        # Whoever may make namespaces could have made one of the name of that for scans.
        assert refused() == {there: False, later: False, stays: True, enforced.name: True}
        enforced.cluster.kubectl("label", "namespace", enforced.name, f"{OWNER}={OURS}")
        assert enforced.do("enforce", **variables) == 2  # the policy names what was made since, and a list says so
        until(lambda: refused() == {there: False, later: False, stays: True, enforced.name: False}, 5)
        policy = enforced.cluster.get("validatingadmissionpolicy", f"{enforced.name}-deny")["spec"]
        names = policy["matchConstraints"]["namespaceSelector"]["matchExpressions"]
        assert names[1]["operator"] == "NotIn"
        assert {there, later, "kube-system", enforced.name} <= set(names[1]["values"])
        exempt = (f"{enforced.name}-ex-*", enforced.name, "kube-system")
        assert annotation(enforced) == Reach("deny", tuple(spaces), exempt).text()
    finally:
        for space in (there, later, enforced.name):
            enforced.cluster.remove_namespace(space)


def annotation(enforced: Enforced) -> str:
    """Where the first deny list says that enforcement acts."""
    metadata = enforced.cluster.get("denylists.imagescan.github.io", f"{enforced.name}-0")["metadata"]
    return str(metadata["annotations"][NAMESPACES_ANNOTATION])


@pytest.mark.full
def test_a_trial_that_fails_leaves_no_binding(enforced: Enforced) -> None:
    drills = f"{enforced.name}-drill"
    labels = {OWNER: OURS, "imagescan.github.io/enforce": enforced.name}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    enforced.cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": drills, "labels": labels}},
    )
    enforced.cluster.apply(quota, namespace=drills)
    until(lambda: enforced.cluster.get("resourcequota", "none", f"--namespace={drills}").get("status"))
    played = enforced.play(enforce_wait="1")
    assert played.status == 2
    assert "the drill failed: " in played.message
    assert "Nothing but the namespaces for drills is touched so far" in played.message
    assert not [one for one in left(enforced) if "policybinding" in one]
    assert told(enforced, BAD)[0] == 0
    enforced.cluster.kubectl("delete", "resourcequota", "none", f"--namespace={drills}")
    assert enforced.do("enforce") > 0
    assert told(enforced, BAD)[0] != 0


@pytest.mark.full
def test_a_passed_scan_is_required_and_no_longer_in_an_order_that_refuses_nothing(enforced: Enforced) -> None:
    """What only warns may be tried beside what is new, and what only warned until now is not a reason to refuse all."""
    enforced.cluster.create_namespace(enforced.strict)
    try:
        warns = {"enforce_action": "warn", "enforce_wait": "20"}
        required = {"enforce_require_passed_namespaces": enforced.strict}
        enforced.do("enforce", **warns)
        enforced.do("enforce", **warns, **required)
        reach = read_reach(annotation(enforced))
        assert reach is not None
        assert (reach.action, reach.required) == ("warn", (enforced.strict,))
        played = enforced.play(**required)
        assert (played.status, played.changed) == (2, 0)
        assert f"no digest is known that passed a scan of {enforced.name}" in played.message

        client = admin(enforced.cluster)
        image = f"registry.example/app@sha256:{'1' * 64}"
        over = f"sha256:{'f' * 64}"
        pass_entries(client, read_lists(client, enforced.name), {over: "2026-01-01T00:00:00Z"})
        assert enforced.play(**required).status == 2  # a pass that is over is none
        pass_entries(client, read_lists(client, enforced.name), {image.partition("@")[2]: ""})
        enforced.do("enforce", **required)
        strict = dataclasses.replace(enforced, space=enforced.strict)
        until(lambda: told(strict, GOOD)[0] != 0, 5)
        assert told(strict, image)[0] == 0
        assert labelled(enforced) == {f"{enforced.name}-passed-0": "true", f"{enforced.name}-passed-1": "true"}
        assert enforced.do("enforce", **required) == 0

        # Lists are made anew, empty, but not before nothing reads them.
        done = threading.Event()
        said: list[str] = []

        def ask() -> None:
            while not done.wait(0.1):
                status, message, _warnings = told(strict, image)
                said.extend([message] if status else [])

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            assert enforced.do("enforce", enforce_passed_shards="4") > 0
        finally:
            done.set()
            asking.join()
        assert not said
        assert labelled(enforced) == {f"{enforced.name}-passed-{number}": None for number in range(4)}
        kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings"
        assert enforced.cluster.kubectl("get", kinds, "--output=name").stdout.count(f"{enforced.name}-") == 2
        until(lambda: not [one for one in left(enforced) if one.endswith("-drill-passed")], 60)
    finally:
        enforced.cluster.remove_namespace(enforced.strict)


def labelled(enforced: Enforced) -> dict[str, str | None]:
    """Name of each of our passed lists, and whether it says that it is required."""
    found = enforced.cluster.get("passedlists.imagescan.github.io")["items"]
    ours = [one["metadata"] for one in found if one["metadata"]["name"].startswith(enforced.name)]
    return {one["name"]: one["labels"].get(REQUIRED_LABEL) for one in ours}


@pytest.mark.full
def test_the_lies_of_namespaces_are_not_believed(enforced: Enforced) -> None:
    """Removal goes by names, too: labels are what their owners like."""
    labels = {OWNER: OURS, "imagescan.github.io/enforce": enforced.name}
    other = f"{enforced.name}-theirs"
    enforced.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other, "labels": labels}})
    try:
        enforced.do("enforce", enforce_action="audit")
        enforced.do("enforce", enforce_state="absent")
        assert left(enforced) == [f"namespace/{other}"]
        assert "deletionTimestamp" not in enforced.cluster.get("namespace", other)["metadata"]
    finally:
        enforced.cluster.remove_namespace(other)


# Mistakes.


#: What is given, and what is said.
MISTAKES: t.Final = [
    ({"enforce_state": "gone"}, r"enforce_state: gone is not possible; expected present, stopped or absent"),
    ({"enforce_action": "log"}, r"enforce_action: log is not possible; expected deny, warn or audit"),
    ({"enforce_prefix": "My_Prefix"}, r"enforce_prefix: My_Prefix is not a name; use at most 40"),
    ({"enforce_providers": "a,drill"}, r"enforce_providers: drill is not possible"),
    ({"enforce_providers": "jfrog"}, r"would speak in the name of another maker \(jfrog\)"),
    ({"enforce_namespaces": "a b"}, r"a b is not a name of a namespace"),
    ({"enforce_exempt_namespaces": "a*b"}, r"enforce_exempt_namespaces: a\*b is not a name of a namespace, and no"),
    (
        {"enforce_require_passed_namespaces": "kube-system, shop-a", "enforce_exempt_namespaces": "shop-*"},
        r"enforce_require_passed_namespaces: kube-system, shop-a is exempt, too",
    ),
    (
        {"enforce_prefix": "shop", "enforce_exempt_namespaces": "shop-*"},
        r"enforce_exempt_namespaces: shop-drill, in which drills are made, is exempt",
    ),
    (
        {"enforce_namespaces": "kube-system"},
        r"enforce_namespaces: kube-system is exempt, and there is no other, so nothing would be refused anywhere",
    ),
    ({"enforce_state": "stopped"}, r"nothing was stopped: there is no installation with the prefix enf-"),
    ({"enforce_passed_shards": "3"}, r"enforce_passed_shards: 3 is not possible; expected 1, 2, 4, 8 or 16"),
    ({"enforce_help_url": "javascript:1"}, r"enforce_help_url: expected a web address"),
    ({"enforce_kubeconfigs": "perhaps"}, r"'perhaps' is not a truth value: expected yes or no"),
    ({"enforce_kubeconfig": "/nowhere"}, r"the kubeconfig '/nowhere' does not exist \(give kubeconfig, or"),
]


def test_a_mistake_gives_one_sentence(cluster: KubernetesCluster, tmp_path: Path) -> None:
    """One of them is the prefix of a policy that belongs to somebody else."""
    enforced = Enforced(cluster, f"enf-{secrets.token_hex(4)}", tmp_path)
    taken = f"{enforced.name}-b"
    refused = rf"ValidatingAdmissionPolicy/{taken}-deny exists and does not belong to"
    mistakes = [*MISTAKES, ({"enforce_prefix": taken}, refused)]
    given = {str(variables): {**enforced.variables, **variables} for variables, _sentence in mistakes}
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": f"{taken}-deny"},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": enforced.work}},
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}
                ],
            },
            "validations": [{"expression": "true"}],
        },
    }
    cluster.apply(policy)
    try:
        told = play_mistakes(cluster, "enforce", given, tmp_path)
        for variables, sentence in mistakes:
            assert re.search(sentence, told[str(variables)]), (variables, told[str(variables)])
        assert left(enforced) == [f"validatingadmissionpolicy.admissionregistration.k8s.io/{taken}-deny"]
    finally:
        cluster.kubectl("delete", "validatingadmissionpolicy", f"{taken}-deny")


@pytest.mark.full
def test_who_is_no_administrator_and_what_is_too_old_is_refused(
    enforced: Enforced, shared_accounts: Accounts, tmp_path: Path
) -> None:
    for state in ("present", "absent"):
        played = enforced.play(enforce_kubeconfig=str(shared_accounts.scan), enforce_state=state)
        assert (played.status, played.changed) == (2, 0)
        assert re.search(
            r"imagescan-scan may not create customresourcedefinitions\..*, .*, .* and \d+ things more; run enforce as",
            played.message,
        )

    enforced.user("admin", enforced.work)
    written = yaml.safe_load((enforced.home / f"{enforced.work}-admin.kubeconfig").read_text(encoding="utf-8"))
    group = "rbac.authorization.k8s.io"
    enforced.cluster.apply(
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"{enforced.name}-admin"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "admin", "namespace": enforced.work}],
        }
    )
    try:
        client = admin(enforced.cluster)
        authority = tmp_path / "ca.crt"
        authority.write_bytes(_authority(written))
        minor = str(client.version()[1])
        older = Fault(
            r"^GET /version", change=lambda body: body.replace(f'"minor": "{minor}"'.encode(), b'"minor": "29"')
        )
        with fault_proxy(client.server, authority, tmp_path / "proxy", [older]) as proxy:
            options = {
                "enforce_kubeconfig": "",
                "enforce_host": proxy.url,
                "enforce_ca_cert": str(proxy.ca_file),
                "enforce_api_key": written["users"][0]["user"]["token"],
            }
            played = enforced.play(**options)
            assert (played.status, played.changed) == (2, 0)
            assert "the server is Kubernetes 1.29, and it is too old: ValidatingAdmissionPolicy" in played.message
            assert "since Kubernetes 1.30 (OpenShift 4.17)" in played.message
            proxy.faults[:] = [Fault(r"/apis/admissionregistration\.k8s\.io/v1$", change=_unserved)]
            played = enforced.play(**options)
            assert (played.status, played.changed) == (2, 0)
            assert "does not serve ValidatingAdmissionPolicy" in played.message
        assert not left(enforced)
    finally:
        enforced.cluster.kubectl("delete", "clusterrolebinding", f"{enforced.name}-admin")


def _authority(written: dict[str, t.Any]) -> bytes:
    return base64.b64decode(written["clusters"][0]["cluster"]["certificate-authority-data"])


def _unserved(body: bytes) -> bytes:
    """A list of kinds without the one that is needed, of the same length."""
    return body.replace(b'"ValidatingAdmissionPolicy"', b'"ValidatingAdmissionPolicx"').replace(
        b'"ValidatingAdmissionPolicyBinding"', b'"ValidatingAdmissionPolicxBinding"'
    )


@pytest.mark.full
def test_the_module_keeps_lists_without_their_entries(enforced: Enforced) -> None:
    def call(*options: str, **arguments: t.Any) -> dict[str, t.Any]:
        kubeconfig = {"kubeconfig": str(enforced.cluster.kubeconfig), "prefix": enforced.name}
        # As the role gives them, so that nothing differs.
        where = {"namespaces": enforced.variables["enforce_namespaces"], "exempt_namespaces": ["kube-system"]}
        given = {"providers": [enforced.name], "shards": 2, "action": "audit", **where}
        content = json.dumps({**kubeconfig, **given, **arguments})
        command = [str(Path(sys.executable).parent / "ansible"), "localhost", "-i", "localhost,", "-c", "local"]
        command += ["-e", f"ansible_python_interpreter={sys.executable}", "-a", content]
        command += ["-m", "imagescan.openshift." + "enforcement_lists", *options]
        told = enforced.cluster.run(*command, check=False, env=ansible_environment(enforced.home)).stdout
        return dict(json.loads(told[told.index("=> {") + 3 :]))

    def names() -> set[str]:
        kinds = "denylists.imagescan.github.io,passedlists.imagescan.github.io"
        found = enforced.cluster.get(kinds)["items"]
        return {one["metadata"]["name"] for one in found if one["metadata"]["name"].startswith(enforced.name)}

    enforced.do("enforce", enforce_action="audit")
    name = enforced.name
    wanted = {f"{name}-drill", f"{name}-0", f"{name}-passed-0", f"{name}-passed-1"}
    assert names() == wanted
    client = admin(enforced.cluster)
    set_entries(client, read_lists(client, name), {DIGEST: Entry("policy a: why")}, {})
    assert not call()["changed"]
    planned = call("--check", shards=4)
    assert {one["what"] for one in planned["steps"]} == {"make", "renew"}
    assert names() == wanted
    in_use = call(shards=4, require_passed_namespaces=[enforced.strict])
    assert in_use["code"] == "lists-in-use"
    assert "run once with an empty enforce_require_passed_namespaces" in in_use["msg"]
    assert call(needs_passed=True)["code"] == "nothing-passed"
    assert call(prefix=f"{name}-b")["code"] == "list-taken"
    assert call(shards=4)["changed"]
    again = call(shards=4)
    assert not again["changed"]
    assert names() == wanted | {f"{name}-passed-2", f"{name}-passed-3"}
    assert call(state="tidy")["steps"] == [
        {"what": "remove", "kind": "PassedList", "name": f"{name}-passed-{number}"} for number in (2, 3)
    ]
    assert list(read_lists(client, name).digests) == [DIGEST]
    assert call(state="absent")["changed"]
    assert not names()


# While pods are created.


@dataclasses.dataclass
class Load:
    """Five good pods and five flagged ones a second, real ones. ``answers``: moment, whether it was good, what was told
    (empty when it was made)."""

    enforced: Enforced
    answers: list[tuple[float, bool, str]] = dataclasses.field(default_factory=list)

    def __enter__(self) -> Load:
        self._client = self.enforced.user("load", self.enforced.work)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._create, args=(good,)) for good in (True, False)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _create(self, good: bool) -> None:
        path = f"/api/v1/namespaces/{self.enforced.work}/pods"
        number = 0
        while not self._stop.wait(0.17):
            number += 1
            name = f"{'good' if good else 'bad'}-{number}"
            document = pod(name, GOOD if good else BAD)
            document["spec"]["schedulingGates"] = [{"name": "example.com/never"}]
            begun = time.monotonic()
            try:
                answer = self._client.attempt("POST", path, document, {})
                said = "" if answer.status == 201 else str(answer.value.get("message"))
                if answer.status == 201:
                    self._client.delete(f"{path}/{name}", {"gracePeriodSeconds": 0})
            except ApiError as error:
                if error.status == 409:
                    continue
                said = f"no answer: {error}"
            self.answers.append((begun, good, said))

    def refused(self, since: float, *, good: bool) -> list[str]:
        """What was told since a moment to those who were not let in."""
        return [said for at, one, said in self.answers if at >= since and one == good and said]

    def let_in(self, since: float) -> int:
        """How many flagged pods were created since a moment."""
        return sum(1 for at, good, said in self.answers if at >= since and not good and not said)


@pytest.mark.full
def test_nothing_good_is_refused_and_nothing_flagged_runs_while_pods_are_created(
    breakable_cluster: Cluster, tmp_path: Path
) -> None:
    """Installed everywhere, as by default; so it has the cluster for itself."""
    enforced = Enforced(breakable_cluster, f"enf-{secrets.token_hex(4)}", tmp_path)
    everywhere = {"enforce_namespaces": ""}
    breakable_cluster.create_namespace(enforced.work)
    figures: dict[str, t.Any] = {}
    try:
        with Load(enforced) as load:
            start = time.monotonic()
            until(lambda: len(load.answers) > 20)
            assert enforced.do("enforce", **everywhere) > 0
            installed = time.monotonic()
            figures["install"] = installed - start
            assert figures["install"] > 35  # other API servers have so long to learn of the new kinds
            assert not load.refused(start, good=True)
            figures["good pods while it was installed"] = sum(1 for _at, good, _said in load.answers if good)

            time.sleep(5)
            assert enforced.do("enforce", enforce_help_url="https://help.example.invalid/", **everywhere) > 0
            until(
                lambda: "help.example.invalid" in load.answers[-1][2] or "help.example.invalid" in load.answers[-2][2]
            )
            assert not load.refused(start, good=True)
            assert load.let_in(installed) == 0

            # The configuration error of a server that does not know the lists yet (kubernetes#124237).
            breakable_cluster.kill("kube-apiserver")
            breakable_cluster.spawn("kube-apiserver")
            asked = ("--request-timeout=5s", "get", "--raw=/readyz")
            until(lambda: breakable_cluster.kubectl(*asked, check=False).returncode == 0)
            ready = time.monotonic()
            time.sleep(40)
            lost = [(at, said) for at, good, said in load.answers if at >= ready and good and said]
            assert all(CONFIGURATION.search(said) for _at, said in lost), lost
            figures["seconds after a restart"] = max((at - ready for at, _said in lost), default=0.0)
            assert load.let_in(installed) == 0
            calm = time.monotonic()

            assert enforced.do("enforce", enforce_state="stopped") == 1
            until(lambda: load.let_in(calm) > 5, 10)
            started = time.monotonic()
            assert enforced.do("enforce", **everywhere) > 0
            again = time.monotonic()
            time.sleep(3)
            assert not load.refused(calm, good=True)
            assert load.let_in(again) == 0

            gone = time.monotonic()
            assert enforced.do("enforce", enforce_state="absent") > 0
            until(lambda: load.let_in(gone) > 5, 10)
            assert not load.refused(calm, good=True)
            assert started > calm
        assert figures["seconds after a restart"] <= 35, figures
        print(figures)
    finally:
        enforced.remove()
        breakable_cluster.remove_namespace(enforced.work)
