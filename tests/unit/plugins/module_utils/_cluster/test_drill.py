# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers of API servers mean for a drill. Nothing but the policy's own words may read as its refusal."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._cluster import drill, ways
from ansible_collections.imagescan.openshift.plugins.module_utils._cluster.client import Answer
from ansible_collections.imagescan.openshift.plugins.module_utils._errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.references import parse_reference

POD = 'pods "imagescan-drill-x7k2p" is forbidden: '
OURS = "ValidatingAdmissionPolicy 'imagescan-deny' with binding 'imagescan-deny' "
TRIED = ways.ways(ways.Images())


def way(kind: str = "Pod", name: str = "container, by digest") -> ways.Way:
    """One of the ways."""
    return next(one for one in TRIED if one.kind.name == kind and one.name == name)


def status(code: int, message: t.Any, warnings: tuple[str, ...] = ()) -> Answer:
    """A refusal as the API server sends it."""
    return Answer(code, {"kind": "Status", "status": "Failure", "message": message, "code": code}, warnings)


def consent(one: ways.Way, *warnings: str) -> Answer:
    """The answer to a dry run that is let in."""
    body = one.body(one.bad)
    assert isinstance(body, dict)
    return Answer(201, body, warnings)


REFUSALS = [
    (403, f"{POD}{OURS}denied request: image x is refused: policy p", "refused", "imagescan-deny"),
    # Another policy, and one that hides behind ours in its text.
    (403, f"{POD}ValidatingAdmissionPolicy 'other' with binding 'b' denied request: {OURS}denied request: x",
     "refused-otherwise", "other"),
    (422, f"{POD}ValidatingAdmissionPolicy 'other' with binding 'b' denied request: no", "refused-otherwise", "other"),
    # Mistakes of the policy come without a reason, and so as 422.
    (422, f"{POD}{OURS}denied request: failed to configure binding: no params found for policy binding with `Deny` "
     "parameterNotFoundAction", "misconfigured", "imagescan-deny"),
    (422, f"{POD}ValidatingAdmissionPolicy 'imagescan-deny' denied request: failed to configure policy: failed to find "
     "resource referenced by paramKind: 'imagescan.github.io/v1alpha1, Kind=DenyList'",
     "misconfigured", "imagescan-deny"),
    (422, f"{POD}{OURS}denied request: expression 'x' resulted in error: no such key: a",
     "misconfigured", "imagescan-deny"),
    (422, f"{POD}{OURS}denied request: image x is refused", "misconfigured", "imagescan-deny"),
    (403, f'{POD}violates PodSecurity "restricted:latest": runAsNonRoot != true', "refused-otherwise", "Pod Security"),
    (403, f"{POD}exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0", "refused-otherwise", "quota"),
    (403, f"{POD}failed quota: q: must specify limits.cpu for: main", "refused-otherwise", "quota"),
    (403, f"{POD}minimum memory usage per Container is 1Gi, but request is 16Mi", "refused-otherwise", "limits"),
    (403, 'pods is forbidden: User "system:serviceaccount:a:b" cannot create resource "pods" in API group "" in the '
     'namespace "c"', "refused-otherwise", "rights"),
    (403, f"{POD}unable to validate against any security context constraint: []",
     "refused-otherwise", "security context constraints"),
    (403, f'{POD}error looking up service account a/default: serviceaccount "default" not found',
     "refused-otherwise", "service account"),
    (403, f"{POD}unable to create new content in namespace a because it is being terminated",
     "refused-otherwise", "namespace"),
    (422, 'Pod "x" is invalid: spec.containers[0].image: Forbidden: this image is prohibited by policy',
     "refused-otherwise", "OpenShift ImagePolicy"),
    (403, 'admission webhook "validate.kyverno.svc" denied the request: no', "refused-otherwise",
     "webhook validate.kyverno.svc"),
    # A webhook may say what it likes; the words of our policy do not make it ours.
    (403, f'admission webhook "evil.example" denied the request: {POD}{OURS}denied request: x', "refused-otherwise",
     "webhook evil.example"),
    (500, 'Internal error occurred: failed calling webhook "v.example": connection refused', "unknown", ""),
    (400, 'admission webhook "v.example" does not support dry run', "unknown", ""),
    (422, 'Deployment.apps "x" is invalid: spec.selector: Required value', "refused-otherwise", "validation"),
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
        assert drill.understand(Answer(403, value, ()), way(), way().bad, "imagescan-deny").outcome == "unknown"


def test_consent_is_open_unless_the_object_is_not_the_one_that_was_sent() -> None:
    one = way()
    assert drill.understand(consent(one), one, one.bad, "imagescan-deny").outcome == "allowed"
    assert drill.understand(Answer(200, {}, ()), one, one.bad, "imagescan-deny").outcome == "unknown"
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
    build = way("Build", "image that is built on, by digest")
    assert drill.understand(lacking, build, build.bad, "imagescan-deny").outcome == "not-served"


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


def row(outcome: str, claimed: bool = True, good: str = "") -> drill.Row:
    """A row with an outcome."""
    return drill.Row("Pod", "container", "x", outcome, "", 0, "why", good, claimed)


OUTCOMES = ("refused", "warned", "allowed", "refused-otherwise", "misconfigured", "unknown", "not-tried", "not-served")


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


def test_every_way_has_its_own_name_and_a_good_twin_of_the_same_shape() -> None:
    assert len({(one.kind.name, one.name) for one in TRIED}) == len(TRIED)
    for one in TRIED:
        assert one.bad != one.good
        bad, good = parse_reference(one.bad), parse_reference(one.good)
        assert bool(bad.digest) == bool(good.digest) or one.bad == ways.DIGEST or not one.claimed
        assert one.bad in str(one.body(one.bad))
        assert str(one.body(one.bad)).replace(one.bad, "") == str(one.body(one.good)).replace(one.good, "") or (
            "-good" not in one.good and one.good in str(one.body(one.bad))
        )


@pytest.mark.parametrize("reference", [*ways.REFERENCES, "quay.io/team/app:1.0", "docker.io/team/app:2"])
def test_every_spelling_means_the_same(reference: str) -> None:
    spellings = ways.Images(references=(reference,)).by_name(reference)
    assert len(set(spellings)) == len(spellings) > 1
    for bad, good in spellings:
        assert str(parse_reference(bad)).lower() == reference
        assert parse_reference(good).repository == f"{parse_reference(reference).repository}-good"


def test_where_only_the_good_may_run_every_tag_is_bad() -> None:
    images = ways.Images(ways.UNKNOWN_DIGEST, ways.UNKNOWN_REFERENCES, only_good=True)
    tried = ways.ways(images)
    assert all(one.good.endswith(ways.GOOD_DIGEST) for one in tried)
    assert all(one.claimed for one in tried if one.kind.name != "Build")


@pytest.mark.parametrize(
    "options",
    [
        {"digest": "sha256:00"},
        {"digest": ways.GOOD_DIGEST},
        {"good": "x"},
        {"references": (f"a.example/b@{ways.DIGEST}",)},
        {"references": ("A B",)},
    ],
)
def test_images_that_make_no_drill_are_refused(options: dict[str, t.Any]) -> None:
    with pytest.raises(InputError):
        ways.Images(**options)
