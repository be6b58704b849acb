# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill: whether a cluster refuses a flagged image on every way in, and lets a good one pass.

A way counts as refused only if our policy itself refused it and the same object with a good image passed. Whatever
else stops the flagged image (Pod Security, a quota, missing rights, a policy that cannot be evaluated) proves nothing
about the policy, nor does an answer that is not understood.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._core.text import pad, visible
from .._kubernetes.client import ApiAnswer, KubernetesClient
from .._kubernetes.errors import NOT_FOUND, ApiError
from .drill_cases import INSTANTIATE, KINDS, LABELS, NAME, DrillCase, DrillKind, Images, target, ways

REFUSED = "refused"
WARNED = "warned"
ALLOWED = "allowed"
#: The policy could not be evaluated, which stops good images, too.
MISCONFIGURED = "misconfigured"
#: The answer tells nothing of the policy. Where something else stopped it, ``DrillRow.by`` says what.
UNKNOWN = "unknown"
NOT_TRIED = "not-tried"
#: The server has no such kind, or drops that part of an object without a word.
NOT_SERVED = "not-served"

_TEXT_LIMIT = 2000
#: How a policy refuses; see dispatcher.go of k8s.io/apiserver (pkg/admission/plugin/policy/validating).
_POLICY = re.compile(
    r"^[^ ]+(?: \"[^\"]*\")? is forbidden: "
    r"ValidatingAdmissionPolicy '([^']*)'(?: with binding '[^']*')? denied request: "
)
_WARNING = re.compile(r"^Validation failed for ValidatingAdmissionPolicy '([^']*)' with binding '[^']*': ")
#: What a binding that only warns says of a policy that cannot be evaluated.
_ERROR = re.compile(r"resulted in error: |failed messageExpression: |compilation ")
_RIGHTS = "rights"
#: Who else refuses, and how one knows.
_OTHERS = (
    (_RIGHTS, re.compile(r" is forbidden: (?:User \"|build strategy \w+ is not allowed)")),
    ("Pod Security", re.compile(r"violates PodSecurity ")),
    ("quota", re.compile(r"exceeded quota: |failed quota: ")),
    ("limits", re.compile(r"(?:maximum|minimum) \S+ usage per |limit to request ratio per ")),
    ("security context constraints", re.compile(r"unable to validate against any security context constraint")),
    ("OpenShift ImagePolicy", re.compile(r"this image is prohibited by policy")),
    ("service account", re.compile(r"error looking up service account ")),
    ("namespace", re.compile(r"because it is being terminated")),
)
_NO_KIND = re.compile(r"the server could not find the requested resource|page not found")
#: What OpenShift says to a request for a build that its policies let in: a dry run looks for the Build that it did not
#: keep, and a namespace may have no account for builds.
_PAST_POLICIES = re.compile(
    r"^builds\.build\.openshift\.io \"[^\"]*\" not found|^Internal error occurred: error getting push/pull secrets "
)
_NO_PART = re.compile(r"^buildconfigs\.build\.openshift\.io \"[^\"]*\" not found")
_NO_POLICIES = (
    "OpenShift's own API server, which serves this kind, evaluates no policies here; later patch releases of 4.18 and "
    "newer do"
)
_NO_NAMESPACE = re.compile(r"^namespaces \"[^\"]*\" not found")
_WEBHOOK = re.compile(r"admission webhook \"([^\"]{1,253})\"")


@dataclasses.dataclass(frozen=True)
class DrillRow:
    """Result of one drill case.

    ``outcome``: one of the words above. ``by``: what stopped it, or warned. ``code``: HTTP status, 0 when nothing was
    sent. ``message``: what the user is told, or why nothing is known. ``good``: empty if the same with a good image is
    allowed, else what stopped that. ``claimed``: whether we claim that this way is closed where the policy denies.
    """

    kind: str
    way: str
    image: str
    outcome: str
    by: str
    code: int
    message: str
    good: str
    claimed: bool


@dataclasses.dataclass(frozen=True)
class Drill:
    """Images, namespaces and kinds of a drill.

    ``policy``: name of the ValidatingAdmissionPolicy whose refusals count. ``action``: what its binding is to do
    (``deny``, ``warn``, ``audit``). ``targets``: make objects that start nothing, for what can be tried only on an
    object that is there, and remove them again.
    """

    namespace: str
    images: Images
    policy: str
    action: str
    targets: bool


class _UpdateTarget(t.NamedTuple):
    """Target of updates: the object as the server has it, or why there is none."""

    stored: dict[str, t.Any]
    lacking: str = ""


class _Said(t.NamedTuple):
    """An answer, understood: outcome, who, and the words."""

    outcome: str
    by: str
    code: int
    message: str


def drill(client: KubernetesClient, trial: Drill, warn: t.Callable[[str], None]) -> list[DrillRow]:
    """Try every way. ``warn`` gets what a person should know. Raises ApiError when the cluster does not answer."""
    kinds = [kind for kind in KINDS if not kind.openshift or client.has_group(kind.group)]
    tried = [way for way in ways(trial.images) if way.kind in kinds]
    targets: dict[DrillKind, _UpdateTarget] = {}
    try:
        for kind in dict.fromkeys(way.kind for way in tried if way.request != "create"):
            if trial.targets:
                targets[kind] = _make(client, trial, kind, warn)
            else:
                _warn_of_leftover(client, trial, kind, warn)
        return _claim([_row(client, trial, way, targets) for way in tried])
    finally:
        for kind, stored in targets.items():
            if not stored.lacking:
                _remove(client, trial, kind, warn)


def _claim(rows: t.Sequence[DrillRow]) -> list[DrillRow]:
    """Claim the ways of OpenShift's kinds where the API server that serves them is seen to evaluate policies.

    Where it is seen not to, its rows say so. What the account may not try is left out: OpenShift itself gives nobody
    the custom strategy of builds. So is a request for a build that something else stopped, as more than policies can.
    """
    apart = {kind.name for kind in KINDS if kind.openshift}
    theirs = [row for row in rows if row.kind in apart]
    if any(row.outcome in (REFUSED, WARNED, MISCONFIGURED) for row in theirs):
        closed_off = {row.kind for row in theirs if row.by == _RIGHTS}
        claimed = [
            row
            for row in theirs
            if row.by != _RIGHTS
            and not (row.outcome == NOT_TRIED and row.kind in closed_off)
            and not (row.outcome in (UNKNOWN, NOT_SERVED) and row.way == INSTANTIATE)
        ]
        return [dataclasses.replace(row, claimed=True) if row in claimed else row for row in rows]
    if not any(row.outcome in (REFUSED, WARNED) for row in rows):
        return list(rows)
    return [
        dataclasses.replace(row, message=_NO_POLICIES) if row.kind in apart and row.outcome == ALLOWED else row
        for row in rows
    ]


def open_ways(rows: t.Iterable[DrillRow], action: str) -> list[DrillRow]:
    """Ways that are claimed to be closed and on which the flagged image came in (for ``warn``: without a warning)."""
    return [row for row in _claimed(rows, action) if row.outcome in (ALLOWED, WARNED) and not is_closed(row, action)]


def unproved_ways(rows: t.Iterable[DrillRow], action: str) -> list[DrillRow]:
    """Ways that are claimed to be closed, and of which this drill cannot tell."""
    told = (ALLOWED, WARNED)
    return [row for row in _claimed(rows, action) if row.outcome not in told and not is_closed(row, action)]


def _claimed(rows: t.Iterable[DrillRow], action: str) -> list[DrillRow]:
    return [row for row in rows if row.claimed and action != "audit"]


def is_closed(row: DrillRow, action: str) -> bool:
    """Return whether a way is proved to be as ``action`` wants it. With ``audit`` nobody can see that it is."""
    if action == "audit":
        return False
    return row.outcome in (REFUSED, NOT_SERVED) or (row.outcome == WARNED and action == "warn")


def why_not_proved(let_in: t.Sequence[DrillRow], unproved: t.Sequence[DrillRow], blocked: t.Sequence[DrillRow]) -> str:
    """One sentence on what a drill did not find as it should be; empty if it did."""

    def named(rows: t.Sequence[DrillRow], text: t.Callable[[DrillRow], str]) -> str:
        first = f"{rows[0].kind} ({rows[0].way})"
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        return f"{first}{more}: {text(rows[0])}" if text(rows[0]) else f"{first}{more}"

    said = []
    if let_in:
        done = "only warned of" if all(row.outcome == WARNED for row in let_in) else "let in"
        said.append(f"a flagged image is {done} on {len(let_in)} ways: {named(let_in, lambda row: row.message)}")
    if unproved:
        said.append(f"{len(unproved)} ways are not proved closed: {named(unproved, lambda row: row.message)}")
    if blocked:
        said.append(f"the cluster refuses good images on {len(blocked)} ways: {named(blocked, lambda row: row.good)}")
    return "; ".join(said)


def table(rows: t.Sequence[DrillRow]) -> list[str]:
    """The rows for people: aligned, with the whole message of each."""
    lines = [(row.kind, row.way, _words(row), row.message) for row in rows]
    widths = [max(map(len, column)) for column in list(zip(("", "", "", ""), *lines))[:3]]
    return ["  ".join([*map(pad, line[:3], widths), line[3]]).rstrip() for line in lines]


def _words(row: DrillRow) -> str:
    said = {REFUSED: "refused", WARNED: "WARNED ONLY", ALLOWED: "OPEN" if row.claimed else "open (not claimed closed)"}
    words = said.get(row.outcome, row.outcome.replace("-", " "))
    return f"{words} ({row.by})" if row.by and row.outcome in (UNKNOWN, MISCONFIGURED) else words


def _make(client: KubernetesClient, trial: Drill, kind: DrillKind, warn: t.Callable[[str], None]) -> _UpdateTarget:
    """Make what updates are tried on, anew: what is left of another drill may be of another version, or changed."""

    def make() -> ApiAnswer:
        return client.attempt("POST", kind.path(trial.namespace), target(kind, trial.images.good))

    answer = make()
    if answer.status not in (200, 201) and _is_left(client, trial, kind):
        _remove(client, trial, kind, warn)
        answer = make()
    if answer.status in (200, 201):
        return _UpdateTarget(answer.value)
    if answer.status == 409:
        return _UpdateTarget(
            {}, f"there is a {kind.name} {NAME} that is not known to be of a drill, or cannot be removed"
        )
    return _UpdateTarget({}, f"the {kind.name} to try it on could not be made: {_told(answer)}")


def _warn_of_leftover(client: KubernetesClient, trial: Drill, kind: DrillKind, warn: t.Callable[[str], None]) -> None:
    if _is_left(client, trial, kind):
        why = "was left by a drill that was killed, or one is made just now"
        warn(_leftover(trial, kind, why, "the next drill that may make objects"))


def _is_left(client: KubernetesClient, trial: Drill, kind: DrillKind) -> bool:
    """True if there is an object of a drill, told by a dry run of no change, for which nobody needs further rights."""
    answer = client.attempt("PATCH", f"{kind.path(trial.namespace)}/{NAME}", {}, {"dryRun": "All"})
    labels = (answer.value.get("metadata") or {}).get("labels") or {}
    return answer.status == 200 and LABELS.items() <= labels.items()


def _remove(client: KubernetesClient, trial: Drill, kind: DrillKind, warn: t.Callable[[str], None]) -> None:
    try:
        gone = client.delete(f"{kind.path(trial.namespace)}/{NAME}", {"propagationPolicy": "Background"})
        finalizers = ((gone or {}).get("metadata") or {}).get("finalizers")
        why = f"it waits for {visible(', '.join(map(str, finalizers)), 260)}" if finalizers else ""
    except ApiError as error:
        why = str(error)
    if why:
        warn(_leftover(trial, kind, f"could not be removed ({why})", "the next drill"))


def _leftover(trial: Drill, kind: DrillKind, why: str, who: str) -> str:
    resource = ".".join(filter(None, (kind.resource, kind.group)))
    return (
        f"the {kind.name} {NAME} in the namespace {trial.namespace} {why}; {who} removes it, or: "
        f"kubectl delete {resource} {NAME} --namespace={trial.namespace}"
    )


def _row(
    client: KubernetesClient, trial: Drill, way: DrillCase, targets: t.Mapping[DrillKind, _UpdateTarget]
) -> DrillRow:
    def row(said: _Said, good: str = "") -> DrillRow:
        return DrillRow(way.kind.name, way.name, way.bad, *said, good, way.claimed)

    if way.request != "create":
        stored = targets.get(way.kind, _UpdateTarget({}, "no object to try it on was made"))
        lacking = stored.lacking
        if _holds(stored.stored, way.bad) or _holds(stored.stored, way.good):
            # The server asks no policy of what changes nothing, and ours lets stay what was let in.
            lacking = f"the {way.kind.name} to try it on has this image already"
        if lacking:
            return row(_Said(NOT_TRIED, "", 0, lacking))
    said = _send(client, trial, way, way.bad)
    if said.outcome == NOT_SERVED:
        return row(said)
    twin = _send(client, trial, way, way.good)
    if twin.outcome == ALLOWED:
        return row(said)
    good = twin.message or twin.outcome
    if said.outcome in (REFUSED, WARNED):
        # What stops everything does not tell flagged images from good ones.
        return row(_Said(UNKNOWN, said.by, said.code, f"a good image is not let in, either: {good}"), good)
    return row(said, good)


def _send(client: KubernetesClient, trial: Drill, way: DrillCase, image: str) -> _Said:
    path, method = way.kind.path(trial.namespace), "POST"
    if way.request == INSTANTIATE:
        path = f"{path}/{NAME}/{INSTANTIATE}"
    elif way.request != "create":
        part = "/ephemeralcontainers" if way.request == "ephemeral" else ""
        path, method = f"{path}/{NAME}{part}", "PATCH"
    answer = client.attempt(method, path, way.body(image), {"dryRun": "All"})
    if answer.status == 404 and _NO_NAMESPACE.match(_told(answer)):
        raise ApiError(
            f"there is no namespace {visible(trial.namespace, 260)}",
            code=NOT_FOUND,
            hint="run the playbook imagescan.openshift.enforce, which makes the one for drills, or give another",
            status=404,
        )
    return understand(answer, way, image, trial.policy)


def understand(answer: ApiAnswer, way: DrillCase, image: str, policy: str) -> _Said:
    """Read what the answer to a dry run with an image says of the policy."""
    code, words = answer.status, _told(answer)
    if way.request == INSTANTIATE and (code in (200, 201) or _PAST_POLICIES.match(words)):
        return _Said(ALLOWED, "", code, "")
    if code in (200, 201):
        return _understand_consent(answer, way, image, policy)
    refusal = _POLICY.match(words)
    if refusal:
        name = refusal.group(1)
        if name != policy:
            return _Said(UNKNOWN, name, code, words)
        # Errors of a policy have no reason of their own, so they come as 422. Ours refuses with 403.
        return _Said(REFUSED if code == 403 else MISCONFIGURED, name, code, words)
    if code == 404 and (_NO_KIND.search(words) or (way.request == INSTANTIATE and _NO_PART.match(words))):
        return _Said(NOT_SERVED if way.kind.openshift else UNKNOWN, "", code, words)
    by = _refuser(code, words)
    if not by and not words:
        words = f"the server answered {code} and nothing that is understood"
    return _Said(UNKNOWN, by, code, words)


def _refuser(code: int, words: str) -> str:
    """Tell who refused, other than a policy; empty where the words do not say."""
    is_refusal = 400 <= code < 500
    webhook = _WEBHOOK.search(words)
    if webhook:
        return f"webhook {webhook.group(1)}" if is_refusal and "denied the request" in words else ""
    for name, pattern in _OTHERS:
        if is_refusal and pattern.search(words):
            return name
    return "validation" if code == 422 else ""


def _understand_consent(answer: ApiAnswer, way: DrillCase, image: str, policy: str) -> _Said:
    if answer.value.get("kind") != way.kind.name:
        return _Said(UNKNOWN, "", answer.status, "the server did not answer with the object that was sent")
    if not _holds(answer.value, image):
        if way.is_volume and not _has_key(answer.value, "reference"):
            return _Said(NOT_SERVED, "", answer.status, "this server has no image volumes: it drops them")
        return _Said(UNKNOWN, "", answer.status, "the object came back without this image: something changed it")
    for text in answer.warnings:
        warning = _WARNING.match(text)
        if warning and warning.group(1) == policy:
            outcome = MISCONFIGURED if _ERROR.search(text, warning.end()) else WARNED
            return _Said(outcome, policy, answer.status, visible(text, _TEXT_LIMIT))
    return _Said(ALLOWED, "", answer.status, "")


def _told(answer: ApiAnswer) -> str:
    """The message of a Status, made harmless; empty for anything else."""
    message = answer.value.get("message")
    if answer.value.get("kind") != "Status" or not isinstance(message, str):
        return ""
    return visible(message, _TEXT_LIMIT)


def _holds(value: t.Any, text: str) -> bool:
    """Return whether a text stands anywhere in an object, as a value or as a word of one."""
    if isinstance(value, dict):
        return any(_holds(each, text) for each in value.values())
    if isinstance(value, list):
        return any(_holds(each, text) for each in value)
    return isinstance(value, str) and (value == text or text in value.split())


def _has_key(value: t.Any, key: str) -> bool:
    if isinstance(value, dict):
        return key in value or any(_has_key(each, key) for each in value.values())
    return isinstance(value, list) and any(_has_key(each, key) for each in value)
