# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing lists while others do, at chosen moments; and what a server may refuse. The rest is in tests/cluster."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement import lists as module
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.lists import (
    DENY_PATH,
    PASSED_PATH,
    Lists,
    Written,
    clear_entries,
    pass_entries,
    read_lists,
    set_entries,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.lists import PATCH_ENTRIES, Entry
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.namespace_scope import Reach
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.tests.support.servers import (
    Answer,
    Request,
    RunningServer,
    running_server,
)

Json = dict[str, t.Any]
ENTRY = Entry("CVE-2026-1234 is critical")


def digest(name: object) -> str:
    """A digest."""
    return f"sha256:{hashlib.sha256(str(name).encode()).hexdigest()}"


def labels(provider: str, kind: str = "deny") -> dict[str, str]:
    """Labels of a list that the role made."""
    name = "imagescan.github.io"
    return {f"{name}/list": kind, f"{name}/provider": provider, f"{name}/enforce": "site"}


class Server:
    """Objects with versions, merge patches, preconditions; ``before`` runs once before a request that it chooses.

    ``refuse`` gives a status for a request, or 0. ``largest``: bytes of an object that are taken.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.writes: list[str] = []
        self.before: t.Callable[[Request], None] = lambda _request: None
        self.refuse: t.Callable[[Request], tuple[int, str]] = lambda _request: (0, "")
        self.largest = 10**9
        self._version = 0

    def put(self, path: str, body: Json) -> Json:
        """Store an object."""
        self._version += 1
        stored = copy.deepcopy(body)
        stored["metadata"] |= {"resourceVersion": str(self._version), "uid": f"uid-{body['metadata']['name']}"}
        self.objects[path] = stored
        return stored

    def make(self, name: str, spec: Json, provider: str = "p", kind: str = "deny", path: str = DENY_PATH) -> None:
        """A list as the role makes it."""
        self.put(f"{path}/{name}", {"metadata": {"name": name, "labels": labels(provider, kind)}, "spec": spec})

    def denied(self) -> dict[str, set[str]]:
        """Names of the deny lists and what stands in them."""
        return {
            path.rpartition("/")[2]: {*each["spec"].get("digests", ()), *each["spec"].get("references", ())}
            for path, each in self.objects.items()
            if path.startswith(DENY_PATH)
        }

    def __call__(self, request: Request) -> Answer:
        self.before(request)
        status, message = self.refuse(request)
        if status:
            return answer(status, {"kind": "Status", "message": message, "reason": "Reason"})
        path = request.target.partition("?")[0]
        if request.method == "GET":
            items = [each for name, each in self.objects.items() if name.startswith(f"{path}/")]
            return answer(200, {"items": items})
        self.writes.append(f"{request.method} {path.rpartition('/')[2]}")
        body = json.loads(request.body)
        if request.method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            return conflict() if path in self.objects else answer(201, self.put(path, body))
        if path not in self.objects:
            return answer(404, {"message": "not found", "details": {"name": "x"}})
        now = self.objects[path]
        if request.method == "DELETE":
            if body["preconditions"] != {key: now["metadata"][key] for key in ("resourceVersion", "uid")}:
                return conflict()
            return answer(200, self.objects.pop(path))
        if body["metadata"].pop("resourceVersion") != now["metadata"]["resourceVersion"]:
            return conflict()
        changed = copy.deepcopy(now)
        for part, changes in body["spec"].items():
            merged = {**changed["spec"].get(part, {}), **changes}
            changed["spec"][part] = {key: value for key, value in merged.items() if value is not None}
        if len(json.dumps(changed["spec"])) > self.largest:
            return answer(500, {"message": "etcdserver: request is too large"})
        return answer(200, self.put(path, changed))


def answer(status: int, value: Json) -> Answer:
    """A JSON answer."""
    return Answer(status, json.dumps(value).encode())


def conflict() -> Answer:
    """What a server says to a version that is not the newest."""
    return answer(409, {"message": "the object has been modified", "reason": "Conflict"})


def client_of(server: RunningServer) -> KubernetesClient:
    """A client without patience."""
    return connect(Connection(host=f"http://{server.host}", api_key="x", deadline=2))


@pytest.fixture
def api() -> Server:
    """A server with the first shard of provider ``p`` and the lists of others."""
    server = Server()
    server.make("p-0", {})
    server.make("other-0", {"digests": {digest("other"): "theirs"}}, "other")
    for number, prefixes in enumerate(("01234567", "89abcdef")):
        server.make(f"p-passed-{number}", {"prefixes": list(prefixes)}, kind="passed", path=PASSED_PATH)
    return server


def once(api: Server, method: str, action: t.Callable[[], None]) -> None:
    """Do something right before the first request of a kind."""

    def before(request: Request) -> None:
        if request.method == method:
            api.before = lambda _request: None
            action()

    api.before = before


def test_entries_are_set_then_cleared_and_only_ours(api: Server) -> None:
    wanted = {digest(number): ENTRY for number in range(3)}
    references = {"registry.example/app:1": ENTRY}
    with running_server(api) as server:
        client = client_of(server)
        lists = read_lists(client, "p")
        assert (lists.enforced_by, lists.digests, len(lists.passed)) == ("site", {}, 2)
        written = set_entries(client, lists, wanted, references)
        assert (written.patches, written.entries, written.lists.digests) == (1, 4, wanted)
        assert written.lists.references == references
        again = set_entries(client, written.lists, wanted, references)
        assert (again.patches, again.lists) == (0, written.lists)
        del wanted[digest(0)]
        assert set_entries(client, written.lists, wanted, {}).patches == 0
        assert clear_entries(client, written.lists, wanted, {}).entries == 2
        assert api.denied() == {"p-0": set(wanted), "other-0": {digest("other")}}
        assert api.writes == ["PATCH p-0", "PATCH p-0"]


def test_another_run_writes_between_reading_and_writing(api: Server) -> None:
    with running_server(api) as server:
        client = client_of(server)
        lists = read_lists(client, "p")
        once(api, "PATCH", lambda: api.make("p-0", {"digests": {digest("theirs"): "x"}}))
        set_entries(client, lists, {digest("ours"): ENTRY}, {})
    assert api.denied()["p-0"] == {digest("theirs"), digest("ours")}
    assert api.writes == ["PATCH p-0", "PATCH p-0"]


def test_a_shard_that_is_gone_meanwhile_is_made_again_or_left(api: Server) -> None:
    api.make("p-1", {"digests": {digest("old"): "x"}})
    with running_server(api) as server:
        client = client_of(server)
        lists = read_lists(client, "p")
        for name in ("p-0", "p-1"):
            del api.objects[f"{DENY_PATH}/{name}"]
        written = set_entries(client, lists, {digest("old"): Entry("x"), digest("new"): ENTRY}, {})
        assert [shard.name for shard in written.lists.shards] == ["p-0"]
        assert api.denied()["p-0"] == {digest("old"), digest("new")}
        made = api.objects[f"{DENY_PATH}/p-0"]
        assert made["metadata"]["labels"] == labels("p")
        assert (made["apiVersion"], made["kind"]) == ("imagescan.github.io/v1alpha1", "DenyList")
        clear_entries(client, written.lists, {}, {})
    assert api.denied()["p-0"] == set()


def test_what_is_cleared_is_cleared_where_another_run_put_it_meanwhile(api: Server) -> None:
    api.make("p-0", {"digests": {digest("gone"): "x"}})
    with running_server(api) as server:
        client = client_of(server)
        lists = read_lists(client, "p")
        api.make("p-1", {"digests": {digest("gone"): "x", digest("theirs"): "x"}})
        clear_entries(client, lists, {}, {}, keep={digest("theirs")})
    assert api.denied() == {"p-0": set(), "p-1": {digest("theirs")}, "other-0": {digest("other")}}


def test_an_empty_shard_goes_unless_somebody_has_written_to_it(api: Server) -> None:
    for number in (1, 2):
        api.make(f"p-{number}", {"digests": {digest(number): "x"}})
    with running_server(api) as server:
        client = client_of(server)
        once(api, "DELETE", lambda: api.make("p-1", {"digests": {digest("new"): "x"}}))
        clear_entries(client, read_lists(client, "p"), {}, {}, keep={digest("new")})
    assert api.denied() == {"p-0": set(), "p-1": {digest("new")}, "other-0": {digest("other")}}


def test_a_full_shard_is_passed_over(api: Server) -> None:
    api.make("p-0", {"digests": {digest(number): "x" for number in range(5)}})
    api.largest = 480
    old = {digest(number): Entry("x") for number in range(5)}
    with running_server(api) as server:
        client = client_of(server)
        set_entries(client, read_lists(client, "p"), {**old, digest("new"): ENTRY}, {})
    assert api.denied()["p-1"] == {digest("new")}
    assert api.denied()["p-0"] == set(old)


def test_two_runs_make_the_same_shard(api: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.imagescan.openshift.plugins.module_utils._flags.lists._FILL", 0.0)
    with running_server(api) as server:
        client = client_of(server)
        once(api, "POST", lambda: api.make("p-1", {"digests": {digest("theirs"): "x"}}))
        set_entries(client, read_lists(client, "p"), {digest("ours"): ENTRY}, {}, keep={digest("theirs")})
    assert api.denied() == {
        "p-0": set(),
        "p-1": {digest("theirs")},
        "p-2": {digest("ours")},
        "other-0": {digest("other")},
    }


def test_a_name_that_is_not_ours_is_passed_over(api: Server) -> None:
    del api.objects[f"{DENY_PATH}/p-0"]
    api.make("p-0", {}, "somebody")
    with running_server(api) as server:
        client = client_of(server)
        set_entries(client, read_lists(client, "p"), {digest(1): ENTRY}, {})
    assert api.denied()["p-1"] == {digest(1)}


def test_passed_digests_are_written_to_both_halves(api: Server) -> None:
    wanted = {digest(number): "2026-01-31T12:00:00Z" for number in range(20)}
    with running_server(api) as server:
        client = client_of(server)
        written = pass_entries(client, read_lists(client, "p"), wanted)
        assert written.lists.passed_digests == wanted
        assert (written.patches, written.entries) == (2, 20)
        assert pass_entries(client, written.lists, wanted).patches == 0
        assert pass_entries(client, written.lists, {}).entries == 20
        del api.objects[f"{PASSED_PATH}/p-passed-1"]
        with pytest.raises(ScanError, match="no PassedList speaks for sha256"):
            pass_entries(client, read_lists(client, "p"), wanted)


def refusing(method: str, status: int, message: str) -> t.Callable[[Request], tuple[int, str]]:
    """Refuse all requests of a kind."""
    return lambda request: (status, message) if request.method == method else (0, "")


@pytest.mark.parametrize(
    ("method", "status", "message", "code", "sentence"),
    [
        (
            "GET",
            404,
            "the server could not find the requested resource",
            "cluster-not-found",
            r"the cluster has no denylists\.imagescan\.github\.io: 404 .*imagescan\.openshift\.enforce first",
        ),
        (
            "GET",
            403,
            'denylists is forbidden: User "flagger" cannot list resource',
            "cluster-forbidden",
            r"grant ClusterRole imagescan-flagger to flagger; the role imagescan\.openshift\.setup makes it",
        ),
        (
            "PATCH",
            403,
            'denylists is forbidden: User "flagger" cannot patch resource',
            "cluster-forbidden",
            r"asked to patch denylists\.imagescan\.github\.io p-0.* \(grant ClusterRole imagescan-flagger to flagger",
        ),
        ("GET", 410, "too old", "cluster-expired", r"forgot the list 5 times while it was read"),
        (
            "PATCH",
            413,
            "Request entity too large",
            "cluster-invalid",
            r"413 .*p-0 or one request with its entries is larger than the cluster takes; a proxy .* 1 MB pass",
        ),
        (
            "PATCH",
            422,
            "spec.digests: Invalid value",
            "cluster-invalid",
            r"422 .*spec\.digests: Invalid value \(the installed kinds are of another version .*enforce again\)",
        ),
        ("PATCH", 409, "modified", "cluster-conflict", r"409 .*modified"),
        ("PATCH", 404, "not found", "cluster-not-found", r"404 .*not found"),
    ],
)
def test_what_a_server_refuses_is_said_with_what_to_do(
    api: Server,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    status: int,
    message: str,
    code: str,
    sentence: str,
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.2)
    api.refuse = refusing(method, status, message)
    with running_server(api) as server, pytest.raises(ApiError) as caught:
        client = client_of(server)
        set_entries(client, read_lists(client, "p"), {digest(1): ENTRY}, {})
    assert (caught.value.code, caught.value.status) == (code, status)
    assert re.search(sentence, str(caught.value)), str(caught.value)


def test_without_a_list_that_names_the_policy_none_is_made(api: Server) -> None:
    """It would stand there, and nothing would read it."""
    for name in ("p-0", "other-0"):
        del api.objects[f"{DENY_PATH}/{name}"]
    with (
        running_server(api) as server,
        pytest.raises(ApiError, match=r"there is no DenyList p-0.*enforce first") as caught,
    ):
        set_entries(client_of(server), Lists("p"), {digest(1): ENTRY}, {})
    assert caught.value.code == "cluster-not-found"
    assert not api.writes


@pytest.mark.parametrize(
    ("path", "document", "sentence"),
    [
        (DENY_PATH, {"metadata": {}}, "'' is damaged: it has no name or no version"),
        (DENY_PATH, {"spec": {"digests": ["x"]}}, "'x' is damaged: spec.digests does not map text to text"),
        (DENY_PATH, {"spec": {"grace": {"x": 1}}}, "'x' is damaged: spec.grace does not map text to text"),
        (PASSED_PATH, {"spec": {}}, "'x' is damaged: spec.prefixes is not a list of hexadecimal digits"),
        (PASSED_PATH, {"spec": {"prefixes": [""]}}, "'x' is damaged: spec.prefixes is not a list"),
    ],
)
def test_a_damaged_list_is_no_empty_list(api: Server, path: str, document: Json, sentence: str) -> None:
    kind = "deny" if path == DENY_PATH else "passed"
    metadata = {"name": "x", "labels": labels("p", kind), "resourceVersion": "1"}
    api.objects[f"{path}/x"] = {"metadata": metadata, **document}
    with running_server(api) as server, pytest.raises(ApiError, match=re.escape(sentence)):
        read_lists(client_of(server), "p")


def test_where_enforcement_acts_is_read_with_the_lists(api: Server) -> None:
    api.make("p-1", {})
    note = "imagescan.github.io/namespaces"
    reach = Reach(only=("shop",), required=("vault",))
    with running_server(api) as server:
        client = client_of(server)
        found = read_lists(client, "p")
        assert (found.reach, found.is_required) == (None, False)
        api.objects[f"{DENY_PATH}/p-0"]["metadata"]["annotations"] = {note: reach.text()}
        api.objects[f"{DENY_PATH}/p-1"]["metadata"]["annotations"] = {note: Reach().text()}
        api.objects[f"{PASSED_PATH}/p-passed-0"]["metadata"]["labels"]["imagescan.github.io/required"] = "true"
        found = read_lists(client, "p")
        assert (found.reach, found.is_required) == (reach, True)
        api.objects[f"{DENY_PATH}/p-0"]["metadata"]["annotations"] = {note: "everywhere"}
        assert read_lists(client, "p").reach is None


def test_what_was_written_before_an_error_is_told(api: Server) -> None:
    wanted = {digest(number): ENTRY for number in range(PATCH_ENTRIES + 1)}

    def refuse(request: Request) -> tuple[int, str]:
        return (403 if request.method == "PATCH" and api.denied()["p-0"] else 0, "no more")

    api.refuse = refuse
    with running_server(api) as server:
        client = client_of(server)
        with pytest.raises(ApiError) as caught:
            set_entries(client, read_lists(client, "p"), wanted, {})
    written = caught.value.partial
    assert isinstance(written, Written)
    assert written.lists.digests.keys() == api.denied()["p-0"] < wanted.keys()
    assert len(written.lists.digests) == PATCH_ENTRIES
