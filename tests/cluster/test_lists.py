# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists on a real API server: what it takes, what its policy makes of it, and many writers at once."""

from __future__ import annotations

import concurrent.futures
import contextlib
import copy
import functools
import hashlib
import itertools
import random
import re
import secrets
import threading
import time
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement import lists as module
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.lists import (
    DENY_PATH,
    PASSED_PATH,
    clear_entries,
    pass_entries,
    read_lists,
    set_entries,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.lists import (
    Entry,
    deny_text,
    full_reference,
    plan,
    policy_key,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts
from ansible_collections.imagescan.openshift.tests.cluster.enforcing import documents, kinds
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster

KINDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
Json = dict[str, t.Any]

pytestmark = pytest.mark.timeout(600)


def digest(name: object) -> str:
    """A digest."""
    return f"sha256:{hashlib.sha256(str(name).encode()).hexdigest()}"


@pytest.fixture(scope="module")
def admin(cluster: KubernetesCluster) -> KubernetesClient:
    """The administrator, once the kinds are known."""
    client = connect(Connection(kubeconfig=str(cluster.kubeconfig)))
    for kind in kinds():
        try:
            client.create(KINDS, kind)
        except ApiError as error:
            if error.status != 409:
                raise
            client.merge_patch(f"{KINDS}/{kind['metadata']['name']}", {"spec": kind["spec"]})
    eventually(lambda: read_lists(client, "nobody").shards == ())
    return client


@pytest.fixture
def provider(admin: KubernetesClient) -> t.Iterator[str]:
    """A provider with an empty first list and two passed lists, as the role makes them; all its lists go in the end."""
    name = f"lists-{secrets.token_hex(4)}"
    make_list(admin, name, f"{name}-0", {})
    for number, digits in enumerate(("01234567", "89abcdef")):
        make_list(admin, name, f"{name}-passed-{number}", {"prefixes": list(digits)}, PASSED_PATH)
    yield name
    for path in (DENY_PATH, PASSED_PATH):
        selector = {"labelSelector": f"imagescan.github.io/provider={name}"}
        for each in admin.items(path, lambda document: str(document["metadata"]["name"]), selector):
            admin.delete(f"{path}/{each}")


def make_list(client: KubernetesClient, provider: str, name: str, spec: Json, path: str = DENY_PATH) -> None:
    """A list that the policies of the prefix ``provider`` read."""
    kind, word = ("DenyList", "deny") if path == DENY_PATH else ("PassedList", "passed")
    labels = {"list": word, "provider": provider, "enforce": provider}
    metadata = {"name": name, "labels": {f"imagescan.github.io/{key}": value for key, value in labels.items()}}
    body = {"apiVersion": "imagescan.github.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
    client.create(path, body)


def eventually(holds: t.Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds; a refusal counts as no."""
    end = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
            failure = None
        except ApiError as error:
            failure = error
        assert time.monotonic() < end, failure
        time.sleep(0.1)


@contextlib.contextmanager
def installed(client: KubernetesClient, policies: t.Sequence[Json], bindings: t.Sequence[Json]) -> t.Iterator[None]:
    """Policies with their bindings."""
    try:
        for path, objects in ((POLICIES, policies), (BINDINGS, bindings)):
            for each in objects:
                client.create(path, each)
        yield
    finally:
        for path, objects in ((BINDINGS, bindings), (POLICIES, policies)):
            for each in objects:
                client.delete(f"{path}/{each['metadata']['name']}")


def pod(*images: str) -> Json:
    """A pod that Pod Security ``restricted`` admits."""
    closed = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    containers = [{"name": f"c{n}", "image": image, "securityContext": closed} for n, image in enumerate(images)]
    security = {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": containers, "securityContext": security}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": spec}


def refusal(client: KubernetesClient, namespace: str, *images: str) -> str:
    """What the server says to a pod with these images; empty when it would take it."""
    try:
        client.create(f"/api/v1/namespaces/{namespace}/pods", pod(*images), {"dryRun": "All"})
    except ApiError as error:
        if error.status not in (403, 422):
            raise
        return error.api_message
    return ""


# Keys: the policy and Python compute the same.

_PARTS = (
    *("", "a", "A", "nginx", "library", "docker.io", "index.docker.io", "Index.Docker.IO", "localhost", "LOCALHOST"),
    *("reg.example", "Reg.Example:5000", "reg.example:443", "HOST", "host:443", "[::1]:5000", "sha256"),
    *(
        "'",
        '"',
        "\\",
        "{{ 1 }}",
        "${x}",
        "' + variables.keyed[0][0] + '",
        "%s",
        " ",
        "é",
        "\u212a",
        "\U0001d54f",
        "<b>",
    ),
)
_JOINTS = ("/", "/", "/", ":", ":443/", "@", "@sha256:", ".", "")


def images_to_compare(count: int) -> list[str]:
    """Texts of all kinds, most of them no references."""
    chance = random.Random(6)

    def one() -> str:
        parts = [chance.choice(_PARTS) for _part in range(chance.randint(1, 4))]
        return "".join(itertools.chain(*((part, chance.choice(_JOINTS)) for part in parts)))

    known = ["", "nginx", "docker.io:443/nginx:V1", f"reg.example/app:1@{digest(1)}", "HOST/App", "a:443/b:443/c"]
    return known + [one() for _image in range(count)]


def test_the_policy_has_the_keys_that_are_listed(admin: KubernetesClient, namespace: str, provider: str) -> None:
    """The variable ``keyed`` of the policy itself, over texts in a ConfigMap in place of a pod's images."""
    (policy,), _bindings = documents(provider, [namespace])
    (keyed,) = [each for each in policy["spec"]["variables"] if each["name"] == "keyed"]
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    probe = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": f"{provider}-keys"},
        "spec": {
            "matchConstraints": {"namespaceSelector": selector, "resourceRules": [rule]},
            "variables": [
                {"name": "fresh", "expression": "object.data.images.split('\\n')"},
                keyed,
                {"name": "keys", "expression": "variables.keyed.map(e, e[1])"},
            ],
            "validations": [
                {
                    "expression": "variables.keys.join('\\n') == object.data.keys",
                    "messageExpression": "'keys: ' + variables.keys.join('|')",
                }
            ],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": f"{provider}-keys"},
        "spec": {"policyName": f"{provider}-keys", "validationActions": ["Deny"]},
    }

    def answer(images: t.Sequence[str], keys: t.Sequence[str]) -> str:
        data = {"images": "\n".join(images), "keys": "\n".join(keys)}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "keys"}, "data": data}
        try:
            admin.create(f"/api/v1/namespaces/{namespace}/configmaps", body, {"dryRun": "All"})
        except ApiError as error:
            return error.api_message
        return ""

    with installed(admin, [probe], [binding]):
        eventually(lambda: "keys: docker.io/library/x:latest" in answer(["x"], ["wrong"]))
        images = images_to_compare(1500)
        for start in range(0, len(images), 100):
            some = images[start : start + 100]
            if answer(some, list(map(policy_key, some))):
                wrong = {each: answer([each], [policy_key(each)]) for each in some}
                assert not {each: said for each, said in wrong.items() if said}


# What the server takes.


def test_the_server_takes_what_plans_hold_and_nothing_else(admin: KubernetesClient, provider: str) -> None:
    path = f"{DENY_PATH}/{provider}-0"

    def sent(**spec: Json) -> str:
        try:
            admin.merge_patch(path, {"spec": spec})
        except ApiError as error:
            assert error.status == 422
            return error.api_message
        return ""

    longest = "é" * 1024
    hostile = deny_text(["'+\"{{"], [("x", "\x1b[31m\u202e<script> ' + variables.x"), ("y", "z")], "javascript:'\"")
    assert not sent(digests={digest(1): longest, f"sha512:{'a' * 128}": hostile}, references={"reg/app:1": hostile})
    assert read_lists(admin, provider).references == {"reg/app:1": Entry(hostile)}
    for text in ("", "  ", "a\nb", "a\rb", longest + "é"):
        assert sent(digests={digest(2): text}), text
        assert sent(references={"reg/app:2": text}), text
    for key in ("", "sha256:1", digest(1).replace("sha256", "sha1"), f"{digest(1)}0", "nginx:latest"):
        assert sent(digests={key: "why"}), key
    for key in ("", "x", "nginx:latest", "docker.io/library/nginx", "r/" + "r" * 1022 + ":1"):
        assert sent(references={key: "why"}), key
    for until in ("", "tomorrow", "2026-01-31T12:00:00+01:00", "2026-01-31"):
        assert sent(grace={digest(1): until}), until
    assert not sent(grace={digest(1): "2026-01-31T12:00:00Z"})
    assert sent(digests={digest(3): {"a": "b"}})
    held = read_lists(admin, provider)
    assert held.digests.keys() == {digest(1), f"sha512:{'a' * 128}"}
    assert held.digests[digest(1)].grace_until == "2026-01-31T12:00:00Z"
    managed = admin.get(path)["metadata"]["managedFields"]
    assert len(str(managed)) < 2000  # and not some bytes for each entry


def test_passed_lists_hold_digests_with_their_ends(admin: KubernetesClient, provider: str) -> None:
    wanted = {digest(number): "" if number % 2 else "2026-01-31T12:00:00Z" for number in range(1200)}
    written = pass_entries(admin, read_lists(admin, provider), wanted)
    assert (written.entries, read_lists(admin, provider).passed_digests) == (1200, wanted)
    assert pass_entries(admin, read_lists(admin, provider), wanted).patches == 0
    assert pass_entries(admin, written.lists, {}).entries == 1200
    wrong: list[dict[str, t.Any]] = [{"digests": {digest(1): "soon"}}, {"prefixes": []}, {"prefixes": ["G"]}]
    for spec in (*wrong, {"digests": {"x": ""}}):
        with pytest.raises(ApiError, match="422"):
            admin.merge_patch(f"{PASSED_PATH}/{provider}-passed-0", {"spec": spec})


def test_lists_are_bounded_by_bytes_and_go_over_into_the_next(admin: KubernetesClient, provider: str) -> None:
    wanted = {digest(number): Entry(f"{number}: " + "x" * 600) for number in range(2200)}
    written = set_entries(admin, read_lists(admin, provider), wanted, {})
    lists = read_lists(admin, provider)
    assert lists == written.lists
    assert [shard.name for shard in lists.shards] == [f"{provider}-0", f"{provider}-1"]
    assert lists.digests == wanted
    assert set_entries(admin, lists, wanted, {}).patches == 0
    # A text that grows where there is no room any more moves up; the server would take 1.5 MB.
    grown = {key: Entry(entry.text + "y" * 390) for key, entry in wanted.items()}
    set_entries(admin, lists, grown, {})
    clear_entries(admin, lists, grown, {})
    lists = read_lists(admin, provider)
    assert lists.digests == grown
    assert sum(len(shard.digests) for shard in lists.shards) == len(grown)
    assert all(shard.size <= 1 << 20 for shard in lists.shards)
    clear_entries(admin, lists, {}, {})
    assert [(shard.name, shard.digests) for shard in read_lists(admin, provider).shards] == [(f"{provider}-0", {})]


def test_a_shard_that_others_filled_or_removed_is_passed_over(admin: KubernetesClient, provider: str) -> None:
    """More than etcd takes is refused with 500; whoever holds the list as less than full learns it from that."""
    filler = {digest(f"filler{number}"): "z" * 1000 for number in range(1340)}
    for start in range(0, 1340, 335):
        names = sorted(filler)[start : start + 335]
        admin.merge_patch(f"{DENY_PATH}/{provider}-0", {"spec": {"digests": {name: filler[name] for name in names}}})
    make_list(admin, provider, f"{provider}-1", {})
    lists = read_lists(admin, provider)
    assert lists.shards[0].size > 1_400_000
    assert [shard.number for shard in lists.shards] == [0, 1]
    with pytest.raises(ApiError) as caught:
        admin.merge_patch(
            f"{DENY_PATH}/{provider}-0", {"spec": {"digests": {digest(n): "z" * 1000 for n in range(200)}}}
        )
    assert (caught.value.status, caught.value.code) == (413, "cluster-invalid")
    admin.delete(f"{DENY_PATH}/{provider}-1")
    written = set_entries(admin, lists, {digest("new"): Entry("why")}, {})
    assert {shard.name: len(shard.digests) for shard in written.lists.shards} == {
        f"{provider}-0": 1340,
        f"{provider}-1": 1,
    }


def test_rights_that_lack_are_named(admin: KubernetesClient, shared_accounts: Accounts, provider: str) -> None:
    scanner = connect(Connection(kubeconfig=str(shared_accounts.scan)))
    grant = rf"grant ClusterRole imagescan-flagger to system:serviceaccount:{shared_accounts.namespace}:imagescan-scan"
    with pytest.raises(ApiError, match=f"403 .* list denylists.*{grant}"):
        read_lists(scanner, provider)
    lists = read_lists(admin, provider)
    with pytest.raises(ApiError, match=f"403 .* patch denylists.*{grant}"):
        set_entries(scanner, lists, {digest(1): Entry("why")}, {})
    with pytest.raises(ApiError, match=f"403 .* patch passedlists.*{grant}"):
        pass_entries(scanner, lists, {digest(1): ""})
    flagger = connect(Connection(kubeconfig=str(shared_accounts.flag)))
    set_entries(flagger, read_lists(flagger, provider), {digest(1): Entry("why")}, {})
    clear_entries(flagger, read_lists(flagger, provider), {}, {})
    pass_entries(flagger, lists, {digest(1): ""})


# What the policy makes of it.


def test_entries_act_and_are_lifted(admin: KubernetesClient, namespace: str, provider: str) -> None:
    listed = full_reference("Registry.Example:443/team/app:1")
    text = deny_text(
        ["base"], [("vulnerability", "CVE-1 in a'\"{{ b }} is critical; more")], "https://r.example/?a=<b>"
    )
    sneaky = "x'+variables.denied[0][0]+'\"{{ 7*7 }}/y:1"
    with installed(admin, *documents(provider, [namespace])):
        wanted = {digest(number): Entry(text) for number in range(500)}
        references = {listed: Entry(text)}
        set_entries(admin, read_lists(admin, provider), wanted, references)
        eventually(lambda: text in refusal(admin, namespace, f"any/where@{digest(499)}"))
        said = refusal(admin, namespace, f"good@{digest('good')}", f"any/where:tag@{digest(7)}")
        assert f"{provider}-deny" in said
        assert f"image any/where:tag@{digest(7)} is refused: {text}" in said
        for spelling in ("registry.example/team/app:1", "REGISTRY.example:443/team/app:1"):
            assert text in refusal(admin, namespace, spelling), spelling
        for good in (f"registry.example/team/app:1@{digest('good')}", "registry.example/team/app:2", sneaky):
            assert refusal(admin, namespace, good) == "", good

        # What a text says or an image is called is data; a list of somebody's own hand may hold the strangest key.
        set_entries(admin, read_lists(admin, provider), wanted, {**references, policy_key(sneaky): Entry(text)})
        eventually(lambda: f"image {sneaky} is refused: {text}" in refusal(admin, namespace, sneaky))

        # The tag has another digest now: the reference is not wanted any more, while its old digest is.
        clear_entries(admin, read_lists(admin, provider), wanted, {})
        eventually(lambda: refusal(admin, namespace, "registry.example/team/app:1") == "")
        assert text in refusal(admin, namespace, f"registry.example/team/app:1@{digest(7)}")
        clear_entries(admin, read_lists(admin, provider), {}, {})
        started = time.monotonic()
        eventually(lambda: refusal(admin, namespace, f"any/where@{digest(7)}") == "")
        assert time.monotonic() - started < 10  # measured: under a second


# Many at once.


class Watcher(threading.Thread):
    """Reads the lists again and again, and keeps which of ``wanted`` were missing once they had been there."""

    def __init__(self, client: KubernetesClient, provider: str, wanted: t.Collection[str]) -> None:
        super().__init__(daemon=True)
        self.lost: set[str] = set()
        self.looks = 0
        self.is_over = threading.Event()
        self._read = functools.partial(read_lists, client, provider)
        self._wanted = set(wanted)

    def run(self) -> None:
        """Look until it is over."""
        seen: set[str] = set()
        while not self.is_over.is_set():
            now = self._read().digests.keys() & self._wanted
            self.lost |= seen - now
            seen |= now
            self.looks += 1


def test_eight_runs_at_once_end_as_one_after_the_other(
    cluster: KubernetesCluster, admin: KubernetesClient, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each decides on two thirds of the images, all by the same verdicts; shards are small, so that many are made."""
    conflicts: list[str] = []

    class Counted(module._Again):
        def __init__(self, error: ApiError) -> None:
            super().__init__(error)
            conflicts.append(str(error))

    monkeypatch.setattr(module, "plan", functools.partial(plan, limit=30_000, batch=20))
    monkeypatch.setattr(module, "_Again", Counted)
    names = [digest(number) for number in range(400)]
    old = {name: Entry("old") for name in names[:300]}
    set_entries(admin, read_lists(admin, provider), old, {"reg/app:old": Entry("old")})
    before = read_lists(admin, provider)
    # Copies, as two runs leave them that did not see each other.
    spec = {"digests": dict.fromkeys(names[:60:3], "old")}
    admin.merge_patch(f"{DENY_PATH}/{before.shards[-1].name}", {"spec": spec})
    failed = {name: Entry(f"failed: {name[7:17]}") for name in names[100:]}
    references = {f"reg/app:{number}": Entry("failed") for number in range(40)}
    watcher = Watcher(connect(Connection(kubeconfig=str(cluster.kubeconfig))), provider, failed)
    watcher.start()

    clients = [connect(Connection(kubeconfig=str(cluster.kubeconfig))) for _run in range(8)]

    def run(number: int) -> None:
        chance = random.Random(number)
        mine = {name for position, name in enumerate(names) if (position + number) % 3}
        client = clients[number]
        keep = {name for name in names if name not in mine}
        wanted = {name: entry for name, entry in failed.items() if name in mine}
        lists = read_lists(client, provider)
        time.sleep(chance.random())
        set_entries(client, lists, wanted, references, keep=keep)
        time.sleep(chance.random())
        clear_entries(client, lists, wanted, references, keep=keep)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(8)))
    watcher.is_over.set()
    watcher.join(60)
    after = read_lists(admin, provider)
    assert after.digests == failed
    assert after.references == references
    assert len(after.shards) > 1
    assert all(shard.size <= 30_000 for shard in after.shards)
    # One more run finds nothing to do but, at most, copies of entries that two runs made.
    clear_entries(admin, after, failed, references)
    final = read_lists(admin, provider)
    assert (final.digests, final.references) == (failed, references)
    assert sum(len(shard.digests) + len(shard.references) for shard in final.shards) == len(failed) + len(references)
    assert watcher.looks > 3
    assert not watcher.lost
    assert any(re.search("409", each) for each in conflicts)


def test_a_list_that_a_person_wrote_into_is_left_to_its_person(admin: KubernetesClient, provider: str) -> None:
    """Only what is ours is read, changed and taken away."""
    other = f"{provider}-x"
    make_list(admin, other, f"{other}-0", {"digests": {digest(1): "theirs"}})
    try:
        before = copy.deepcopy(admin.get(f"{DENY_PATH}/{other}-0"))
        set_entries(admin, read_lists(admin, provider), {digest(1): Entry("ours")}, {})
        clear_entries(admin, read_lists(admin, provider), {}, {})
        assert admin.get(f"{DENY_PATH}/{other}-0") == before
    finally:
        admin.delete(f"{DENY_PATH}/{other}-0")
