# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers of API servers mean for a drill. Nothing but the policy's own words may read as its refusal."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement import drill, drill_cases
from ansible_collections.imagescan.openshift.plugins.module_utils._images.references import parse_reference
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    ApiAnswer,
    Connection,
    connect,
)
from ansible_collections.imagescan.openshift.tests.support import servers

POD = 'pods "imagescan-drill-x7k2p" is forbidden: '
OURS = "ValidatingAdmissionPolicy 'imagescan-deny' with binding 'imagescan-deny' "
TRIED = drill_cases.ways(drill_cases.Images())


def way(kind: str = "Pod", name: str = "container, by digest") -> drill_cases.DrillCase:
    """One of the drill_cases."""
    return next(one for one in TRIED if one.kind.name == kind and one.name == name)


def status(code: int, message: t.Any, warnings: tuple[str, ...] = ()) -> ApiAnswer:
    """A refusal as the API server sends it."""
    return ApiAnswer(code, {"kind": "Status", "status": "Failure", "message": message, "code": code}, warnings)


def consent(one: drill_cases.DrillCase, *warnings: str) -> ApiAnswer:
    """The answer to a dry run that is let in."""
    body = one.body(one.bad)
    assert isinstance(body, dict)
    return ApiAnswer(201, body, warnings)


REFUSALS = [
    (403, f"{POD}{OURS}denied request: image x is refused: policy p", "refused", "imagescan-deny"),
    # Another policy, and one that hides behind ours in its text.
    (403, f"{POD}ValidatingAdmissionPolicy 'other' with binding 'b' denied request: {OURS}denied request: x",
     "unknown", "other"),
    (422, f"{POD}ValidatingAdmissionPolicy 'other' with binding 'b' denied request: no", "unknown", "other"),
    # Mistakes of the policy come without a reason, and so as 422.
    (422, f"{POD}{OURS}denied request: failed to configure binding: no params found for policy binding with `Deny` "
     "parameterNotFoundAction", "misconfigured", "imagescan-deny"),
    (422, f"{POD}ValidatingAdmissionPolicy 'imagescan-deny' denied request: failed to configure policy: failed to find "
     "resource referenced by paramKind: 'imagescan.github.io/v1alpha1, Kind=DenyList'",
     "misconfigured", "imagescan-deny"),
    (422, f"{POD}{OURS}denied request: expression 'x' resulted in error: no such key: a",
     "misconfigured", "imagescan-deny"),
    (422, f"{POD}{OURS}denied request: image x is refused", "misconfigured", "imagescan-deny"),
    (403, f'{POD}violates PodSecurity "restricted:latest": runAsNonRoot != true', "unknown", "Pod Security"),
    (403, f"{POD}exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0", "unknown", "quota"),
    (403, f"{POD}failed quota: q: must specify limits.cpu for: main", "unknown", "quota"),
    (403, f"{POD}minimum memory usage per Container is 1Gi, but request is 16Mi", "unknown", "limits"),
    (403, 'pods is forbidden: User "system:serviceaccount:a:b" cannot create resource "pods" in API group "" in the '
     'namespace "c"', "unknown", "rights"),
    (403, f"{POD}unable to validate against any security context constraint: []",
     "unknown", "security context constraints"),
    (403, f'{POD}error looking up service account a/default: serviceaccount "default" not found',
     "unknown", "service account"),
    (403, f"{POD}unable to create new content in namespace a because it is being terminated",
     "unknown", "namespace"),
    (422, 'Pod "x" is invalid: spec.containers[0].image: Forbidden: this image is prohibited by policy',
     "unknown", "OpenShift ImagePolicy"),
    (403, 'admission webhook "validate.kyverno.svc" denied the request: no', "unknown",
     "webhook validate.kyverno.svc"),
    # A webhook may say what it likes; the words of our policy do not make it ours.
    (403, f'admission webhook "evil.example" denied the request: {POD}{OURS}denied request: x', "unknown",
     "webhook evil.example"),
    (500, 'Internal error occurred: failed calling webhook "v.example": connection refused', "unknown", ""),
    (400, 'admission webhook "v.example" does not support dry run', "unknown", ""),
    (422, 'Deployment.apps "x" is invalid: spec.selector: Required value', "unknown", "validation"),
    (404, "the server could not find the requested resource", "unknown", ""),
    (403, "no", "unknown", ""),
    (403, "", "unknown", ""),
    (409, "the object has been modified", "unknown", ""),
    (418, f"{OURS}denied request: x", "unknown", ""),
    (403, None, "unknown", ""),
    (403, {"a": 1}, "unknown", ""),
]  # fmt: skip


@pytest.mark.parametrize(("code", "message", "outcome", "by"), REFUSALS)
def test_a_refusal_is_told_as_what_it_is(code: int, message: t.Any, outcome: str, by: str) -> None:
    said = drill.understand(status(code, message), way(), way().bad, "imagescan-deny")
    assert (said.outcome, said.by, said.code) == (outcome, by, code)
    assert said.message


def test_what_is_no_status_is_not_believed() -> None:
    words = f"{POD}{OURS}denied request: x"
    for value in ({}, {"message": words}, {"kind": "Pod", "message": words}):
        assert drill.understand(ApiAnswer(403, value, ()), way(), way().bad, "imagescan-deny").outcome == "unknown"


def test_consent_is_open_unless_the_object_is_not_the_one_that_was_sent() -> None:
    one = way()
    assert drill.understand(consent(one), one, one.bad, "imagescan-deny").outcome == "allowed"
    assert drill.understand(ApiAnswer(200, {}, ()), one, one.bad, "imagescan-deny").outcome == "unknown"
    changed = consent(one)
    changed.value["spec"]["containers"][0]["image"] = "mirror.example/app:1"
    said = drill.understand(changed, one, one.bad, "imagescan-deny")
    assert (said.outcome, "something changed it" in said.message) == ("unknown", True)


def test_a_server_that_drops_image_volumes_has_no_such_way() -> None:
    one = way(name="image volume, by digest")
    dropped = consent(one)
    dropped.value["spec"]["volumes"] = [{"name": "data"}]
    assert drill.understand(dropped, one, one.bad, "imagescan-deny").outcome == "not-served"
    moved = consent(one)
    moved.value["spec"]["volumes"][0]["image"]["reference"] = "mirror.example/app:1"
    assert drill.understand(moved, one, one.bad, "imagescan-deny").outcome == "unknown"


def test_a_kind_that_only_openshift_has_may_lack() -> None:
    lacking = status(404, "the server could not find the requested resource")
    build = way("Build", "docker strategy, by digest")
    assert drill.understand(lacking, build, build.bad, "imagescan-deny").outcome == "not-served"


NO_SECRETS = "Internal error occurred: error getting push/pull secrets for service account n/builder: not found"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (ApiAnswer(201, {"kind": "Build"}, ()), "allowed"),
        # The Build of a dry run was not kept, and a namespace may lack the account.
        (status(404, 'builds.build.openshift.io "imagescan-drill-1" not found'), "allowed"),
        (status(500, NO_SECRETS), "allowed"),
        (
            status(403, f'buildconfigs "imagescan-drill" is forbidden: {OURS}denied request: image x is refused'),
            "refused",
        ),
        (status(404, 'buildconfigs.build.openshift.io "imagescan-drill" not found'), "not-served"),
        (status(404, "the server could not find the requested resource"), "not-served"),
        (status(404, 'imagestreamtags.image.openshift.io "x" not found'), "unknown"),
        (status(500, "Internal error occurred: failed calling webhook"), "unknown"),
    ],
)
def test_what_comes_after_policies_tells_that_a_request_for_a_build_was_let_in(answer: ApiAnswer, outcome: str) -> None:
    one = way("BuildConfig", drill_cases.INSTANTIATE)
    assert drill.understand(answer, one, one.bad, "imagescan-deny").outcome == outcome
    other = way("BuildConfig", "docker strategy, by digest")
    if answer.status == 404 and outcome != "not-served":
        assert drill.understand(answer, other, other.bad, "imagescan-deny").outcome == "unknown"


def test_rights_for_a_strategy_of_builds_are_rights() -> None:
    one = way("Build", "custom strategy, by digest")
    words = 'builds.build.openshift.io "imagescan-drill-x" is forbidden: build strategy Custom is not allowed'
    assert drill.understand(status(403, words), one, one.bad, "imagescan-deny").by == "rights"


def test_only_warnings_of_the_policy_count_and_no_errors_of_it() -> None:
    one = way()
    start = "Validation failed for ValidatingAdmissionPolicy '{}' with binding 'b': {}"
    for name, text, outcome in (
        ("imagescan-deny", "image x is refused", "warned"),
        ("other", "image x is refused", "allowed"),
        ("imagescan-deny", "expression 'x' resulted in error: no such key", "misconfigured"),
    ):
        said = drill.understand(consent(one, "unknown field", start.format(name, text)), one, one.bad, "imagescan-deny")
        assert said.outcome == outcome


def row(outcome: str, claimed: bool = True, good: str = "") -> drill.DrillRow:
    """A row with an outcome."""
    return drill.DrillRow("Pod", "container", "x", outcome, "", 0, "why", good, claimed)


OUTCOMES = ("refused", "warned", "allowed", "misconfigured", "unknown", "not-tried", "not-served")


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("action", ["deny", "warn", "audit"])
def test_what_is_claimed_is_closed_or_open_or_not_proved(outcome: str, action: str) -> None:
    rows = [row(outcome)]
    closed = drill.is_closed(rows[0], action)
    let_in, unproved = drill.open_ways(rows, action), drill.unproved_ways(rows, action)
    assert [closed, bool(let_in), bool(unproved)].count(True) == (action != "audit")
    expected = {"deny": {"refused", "not-served"}, "warn": {"refused", "not-served", "warned"}, "audit": set()}
    assert closed == (outcome in expected[action])
    assert bool(drill.why_not_proved(let_in, unproved, [])) == (not closed and action != "audit")
    nobody = [row(outcome, claimed=False)]
    assert not drill.open_ways(nobody, action) + drill.unproved_ways(nobody, action)


def test_messages_of_a_server_are_made_harmless() -> None:
    said = drill.understand(
        status(403, f"{POD}{OURS}denied request: \x1b[2J\u202e"), way(), way().bad, "imagescan-deny"
    )
    assert said.outcome == "refused"
    assert said.message.endswith("denied request: \\x1b[2J\\u202e")


# What is sent.


def test_ways_past_the_api_server_of_kubernetes_are_tried_and_not_claimed_closed() -> None:
    apart = {one.kind.name for one in TRIED if one.kind.openshift}
    assert apart == {"DeploymentConfig", "Build", "BuildConfig"}
    assert not any(one.claimed for one in TRIED if one.kind.openshift)


def test_every_way_has_its_own_name_and_a_good_twin_of_the_same_shape() -> None:
    assert len({(one.kind.name, one.name) for one in TRIED}) == len(TRIED)
    for one in TRIED:
        assert one.bad != one.good
        bad, good = parse_reference(one.bad), parse_reference(one.good)
        assert bool(bad.digest) == bool(good.digest) or one.bad == drill_cases.DIGEST or not one.claimed
        assert one.bad in str(one.body(one.bad))
        assert str(one.body(one.bad)).replace(one.bad, "") == str(one.body(one.good)).replace(one.good, "") or (
            "-good" not in one.good and one.good in str(one.body(one.bad))
        )


@pytest.mark.parametrize("reference", [*drill_cases.REFERENCES, "quay.io/team/app:1.0", "docker.io/team/app:2"])
def test_every_spelling_means_the_same(reference: str) -> None:
    spellings = drill_cases.Images(references=(reference,)).by_name(reference)
    assert len(set(spellings)) == len(spellings) > 1
    for bad, good in spellings:
        assert str(parse_reference(bad)).lower() == reference
        assert parse_reference(good).repository == f"{parse_reference(reference).repository}-good"


def test_where_only_the_good_may_run_every_tag_is_bad() -> None:
    images = drill_cases.Images(drill_cases.UNKNOWN_DIGEST, drill_cases.UNKNOWN_REFERENCES, only_good=True)
    tried = drill_cases.ways(images)
    assert all(one.good.endswith(drill_cases.GOOD_DIGEST) for one in tried)
    assert all(one.claimed for one in tried if not one.kind.openshift)


@pytest.mark.parametrize(
    "options",
    [
        {"digest": "sha256:00"},
        {"digest": drill_cases.GOOD_DIGEST},
        {"good": "x"},
        {"references": (f"a.example/b@{drill_cases.DIGEST}",)},
        {"references": ("A B",)},
    ],
)
def test_images_that_make_no_drill_are_refused(options: dict[str, t.Any]) -> None:
    with pytest.raises(InputError):
        drill_cases.Images(**options)


# A whole drill, against a server that keeps objects and has a policy.

Json = dict[str, t.Any]
#: What the policy says to a method of images that are new in their object: HTTP status and message of its refusal.
Policy = t.Callable[[str, t.Sequence[str]], t.Optional[tuple[int, str]]]
BAD = {one.bad for one in TRIED if one.claimed or one.kind.openshift}
UPDATES = [(one.kind.name, one.name) for one in TRIED if one.request == "update" and not one.kind.openshift]
CHANGES = [(one.kind.name, one.name) for one in TRIED if one.request != "create" and not one.kind.openshift]
FLAGGED = f"{POD}{OURS}denied request: image x is refused"


def images_in(value: t.Any) -> list[str]:
    """Every image that an object names."""
    if isinstance(value, list):
        return [image for each in value for image in images_in(each)]
    if not isinstance(value, dict):
        return []
    own = [value[key] for key in ("image", "reference") if isinstance(value.get(key), str)]
    own += [value["name"]] if value.get("kind") in ("DockerImage", "ImageStreamImage") else []
    own += value.get("dockerfile", "").split()[1:]
    return own + [image for each in value.values() for image in images_in(each)]


def patched(stored: Json, change: t.Any) -> Json:
    """The object after a JSON patch as drills send it; their merge patches change nothing."""
    result: Json = copy.deepcopy(stored)
    for step in change if isinstance(change, list) else ():
        *parents, last = step["path"].split("/")[1:]
        place: t.Any = result
        for key in parents:
            place = place[int(key) if isinstance(place, list) else key]
        place[last] = step["value"]
    return result


class Api:
    """An API server. ``objects``: path -> what is there. ``refuses_deletion``: HTTP status, or 0."""

    def __init__(self, policy: Policy, refuses_deletion: int = 0, groups: t.Sequence[str] = ("apps",)) -> None:
        self.groups = groups
        self.objects: dict[str, Json] = {}
        self.policy = policy
        self.refuses_deletion = refuses_deletion
        self.warnings: list[str] = []

    def answer(self, request: servers.Request) -> servers.Answer:
        """One request."""
        path, _sep, query = request.target.partition("?")
        sent = json.loads(request.body) if request.body else None
        code, value = self._do(request.method, path, sent, is_dry="dryRun=All" in query)
        return servers.Answer(code, json.dumps(value).encode())

    def _do(self, method: str, path: str, sent: t.Any, *, is_dry: bool) -> tuple[int, Json]:
        if path == "/apis":
            return 200, {"groups": [{"name": group} for group in self.groups]}
        name = path.replace("/ephemeralcontainers", "")
        if method != "POST" and name not in self.objects:
            return 404, status(404, "not found").value
        if method == "DELETE":
            return self._delete(name)
        old = self.objects[name] if method == "PATCH" else {}
        new = patched(old, sent) if method == "PATCH" else sent
        refusal = self.policy(method, [image for image in images_in(new) if image not in images_in(old)])
        if refusal:
            return refusal[0], status(*refusal).value
        if method == "POST":
            name = f"{path}/{new['metadata'].get('name')}"
            if name in self.objects:
                return 409, status(409, "already exists").value
        if not is_dry:
            self.objects[name] = new
        return 200, new

    def _delete(self, name: str) -> tuple[int, Json]:
        if self.refuses_deletion:
            return self.refuses_deletion, status(self.refuses_deletion, "no").value
        if self.objects[name]["metadata"].get("finalizers"):
            return 200, self.objects[name]
        del self.objects[name]
        return 200, {"kind": "Status", "status": "Success"}

    def drill(self, *, targets: bool = True) -> list[drill.DrillRow]:
        """A drill against it."""
        with servers.running_server(self.answer) as server:
            client = connect(Connection(host=f"http://{server.host}", deadline=1))
            wanted = drill.Drill("n", drill_cases.Images(), "imagescan-deny", "deny", targets)
            return drill.drill(client, wanted, self.warnings.append)

    def leave(self, kind: drill_cases.DrillKind, **metadata: t.Any) -> str:
        """What a drill that was killed leaves; its path."""
        left = drill_cases.target(kind, drill_cases.GOOD_DIGEST)
        left["metadata"].update(metadata)
        path = f"{kind.path('n')}/{drill_cases.NAME}"
        self.objects[path] = left
        return path


def works(_method: str, fresh: t.Sequence[str]) -> tuple[int, str] | None:
    """A policy that refuses what is bad."""
    return (403, FLAGGED) if BAD & set(fresh) else None


def unproved(rows: list[drill.DrillRow]) -> list[tuple[str, str]]:
    """Kind and way of what is not proved."""
    return [(one.kind, one.way) for one in drill.unproved_ways(rows, "deny")]


def test_where_the_policy_works_all_is_proved_and_nothing_is_left() -> None:
    api = Api(works)
    rows = api.drill()
    assert {one.outcome for one in rows if one.claimed} == {"refused"}
    assert not any(one.good for one in rows)
    assert not api.objects
    assert not api.warnings


def test_a_policy_that_refuses_every_change_of_an_image_is_found_to_refuse_good_ones() -> None:
    """The good twin of an update must be a change, too: no policy looks at what stays as it was."""

    def refuses_changes(method: str, fresh: t.Sequence[str]) -> tuple[int, str] | None:
        return (403, FLAGGED) if method == "PATCH" and fresh else works(method, fresh)

    rows = Api(refuses_changes).drill()
    assert unproved(rows) == CHANGES
    assert [(one.kind, one.way) for one in rows if one.good] == CHANGES
    why = drill.why_not_proved([], drill.unproved_ways(rows, "deny"), [one for one in rows if one.good])
    assert f"refuses good images on {len(CHANGES)} ways: Pod (ephemeral container, by digest) and " in why


def test_every_update_changes_what_is_there() -> None:
    for one in TRIED:
        if one.request != "create":
            stored = images_in(drill_cases.target(one.kind, drill_cases.GOOD_DIGEST))
            assert stored
            assert not {one.good, one.bad} & set(stored)


@pytest.mark.parametrize("twin", ["good", "bad"])
def test_an_update_that_would_change_nothing_is_not_tried(monkeypatch: pytest.MonkeyPatch, twin: str) -> None:
    def same(kind: drill_cases.DrillKind, good: str) -> Json:
        images = next(one for one in TRIED if one.kind is kind and one.request == "update")
        return patched(drill_cases.target(kind, good), images.body(getattr(images, twin)))

    monkeypatch.setattr(drill, "target", same)
    rows = Api(lambda method, fresh: None if method == "POST" and len(fresh) == 1 else works(method, fresh)).drill()
    there = [one for one in rows if (one.kind, one.way) in UPDATES]
    assert {(one.outcome, one.code) for one in there} == {("not-tried", 0)}
    assert all("has this image already" in one.message for one in there)


def test_what_a_killed_drill_left_is_removed_by_the_next() -> None:
    api = Api(works)
    # As an earlier version made it, or somebody changed it.
    path = api.leave(drill_cases.DEPLOYMENT)
    change = next(one for one in TRIED if one.kind is drill_cases.DEPLOYMENT and one.request == "update")
    api.objects[path] = patched(api.objects[path], change.body(change.good))
    rows = api.drill()
    assert unproved(rows) == []
    assert not api.objects
    assert not api.warnings


def test_what_a_killed_drill_left_is_told_where_nothing_may_be_made() -> None:
    api = Api(works)
    path = api.leave(drill_cases.DEPLOYMENT)
    api.leave(drill_cases.POD, labels={})  # of somebody else
    rows = api.drill(targets=False)
    assert unproved(rows) == CHANGES
    assert api.warnings == [
        "the Deployment imagescan-drill in the namespace n was left by a drill that was killed, or one is made just "
        "now; the next drill that may make objects removes it, or: "
        "kubectl delete deployments.apps imagescan-drill --namespace=n"
    ]
    assert path in api.objects


def test_what_cannot_be_removed_is_told_by_name() -> None:
    api = Api(works, refuses_deletion=403)
    assert unproved(api.drill()) == []
    assert len(api.warnings) == len(UPDATES) == len(api.objects)
    assert api.warnings[0].startswith("the Pod imagescan-drill in the namespace n could not be removed (403 from ")
    assert api.warnings[0].endswith("removes it, or: kubectl delete pods imagescan-drill --namespace=n")

    held = Api(works)
    held.leave(drill_cases.DEPLOYMENT, finalizers=["example.com/wait"])
    assert unproved(held.drill()) == [("Deployment", UPDATES[1][1])]
    assert len(held.warnings) == 1
    assert "could not be removed (it waits for example.com/wait)" in held.warnings[0]


def test_what_is_not_known_to_be_of_a_drill_is_left_alone() -> None:
    api = Api(works)
    path = api.leave(drill_cases.DEPLOYMENT, labels={"app": "shop"})
    rows = api.drill()
    assert unproved(rows) == [("Deployment", UPDATES[1][1])]
    assert "is not known to be of a drill" in drill.unproved_ways(rows, "deny")[0].message
    assert list(api.objects) == [path]
    assert not api.warnings


def test_what_is_left_is_removed_even_where_nothing_new_may_be_made() -> None:
    api = Api(lambda method, fresh: (403, f"{POD}exceeded quota: q") if method == "POST" else works(method, fresh))
    api.leave(drill_cases.DEPLOYMENT)
    rows = api.drill()
    assert {one.outcome for one in rows if one.claimed} == {"unknown", "not-tried"}
    assert {one.by for one in rows if one.outcome == "unknown"} == {"quota"}
    assert not api.objects


# Kinds that an API server of OpenShift serves.

OPENSHIFT = ("apps", "apps.openshift.io", "build.openshift.io")
APART = {"DeploymentConfig", "Build", "BuildConfig"}


class OpenShift(Api):
    """A cluster with the kinds of OpenShift. ``apart``: what their server says to a resource, instead of a policy."""

    def __init__(self, apart: t.Callable[[str], tuple[int, str] | None] | None = None) -> None:
        super().__init__(works, groups=OPENSHIFT)
        self.apart = apart

    def _do(self, method: str, path: str, sent: t.Any, *, is_dry: bool) -> tuple[int, Json]:
        if path.endswith("/instantiate"):
            refused = works(method, images_in(sent)) if self.apart is None else self.apart("instantiate")
            code, words = refused or (404, 'builds.build.openshift.io "imagescan-drill-1" not found')
            return code, status(code, words).value
        if self.apart is None or "openshift.io" not in path:
            return super()._do(method, path, sent, is_dry=is_dry)
        refusal = self.apart(path.split("/")[6]) if method != "DELETE" else None
        if refusal:
            return refusal[0], status(*refusal).value
        policy, self.policy = self.policy, lambda _method, _fresh: None
        try:
            return super()._do(method, path, sent, is_dry=is_dry)
        finally:
            self.policy = policy


def test_where_the_server_of_openshift_evaluates_policies_its_kinds_are_claimed() -> None:
    api = OpenShift()
    rows = api.drill()
    theirs = [one for one in rows if one.kind in APART]
    assert {(one.outcome, one.claimed, one.good) for one in theirs} == {("refused", True, "")}
    assert {one.kind for one in theirs} == APART
    assert drill_cases.INSTANTIATE in {one.way for one in theirs}
    assert not api.objects


def test_where_it_does_not_they_say_so_and_are_not_claimed() -> None:
    rows = OpenShift(lambda _resource: None).drill()
    theirs = [one for one in rows if one.kind in APART]
    assert {(one.outcome, one.claimed) for one in theirs} == {("allowed", False)}
    assert all("evaluates no policies here" in one.message for one in theirs)
    assert unproved(rows) == []
    assert not drill.open_ways(rows, "deny")
    assert any("open (not claimed closed)" in line and "4.18" in line for line in drill.table(rows))
    # Where nothing is refused at all, nobody can tell.
    api = OpenShift(lambda _resource: None)
    api.policy = lambda _method, _fresh: None
    assert not any(one.message for one in api.drill())


def test_a_policy_that_overlooks_builds_is_found_by_deployment_configs() -> None:
    def apart(resource: str) -> tuple[int, str] | None:
        text = f"{POD}{OURS}denied request: failed to configure binding"
        return (422, text) if resource == "deploymentconfigs" else None

    rows = OpenShift(apart).drill()
    let_in = drill.open_ways(rows, "deny")
    assert {one.kind for one in let_in} == {"Build", "BuildConfig"}
    assert not any("evaluates no policies" in one.message for one in rows)


def test_what_an_account_may_not_try_is_not_claimed() -> None:
    def apart(resource: str) -> tuple[int, str] | None:
        if resource == "deploymentconfigs":
            return 422, f"{POD}{OURS}denied request: failed to configure binding"
        return 403, f'{resource} is forbidden: User "drill" cannot create resource'

    rows = OpenShift(apart).drill()
    assert {one.kind for one in rows if one.kind in APART and one.claimed} == {"DeploymentConfig"}
    assert {one.by for one in rows if one.kind == "Build"} == {"rights"}
