# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The annotations of an OpenShift Image object: what we write, what others wrote, and who denies its execution.

Quality annotations are those of openshift-docs, security-container-content-external-scanning. Written strictly, read
tolerantly; what others wrote is never changed, and shortened is only what is ours.

``images.openshift.io/deny-execution`` has one value for all who write it, so it is the OR over its owners. Each of our
providers says in a mark of its own, ``imagescan.github.io/deny.<provider>``, what it says ("true", "false"), in the
same patch as the value. A value that no mark explains is somebody else's word: it is kept, and when we must deny on top
of it, kept in ``deny.foreign`` and put back when we clear. A value that is gone is nobody's word: whoever removed it,
nothing but our marks says any more who denies. Whoever wants to be an owner who is always seen writes a mark of an own
name. A word that leaves the value as it is, such as a person's "true" on what we deny already, cannot be seen: a patch
that changes nothing leaves no trace on the server.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import typing as t
import urllib.parse

from .._core.errors import InputError, LimitExceeded, ScanError
from .._core.safe_json import read_json
from .._core.text import visible
from .._core.times import CLOCK_SKEW, read_time, utc_text
from .._verdicts.codes import CODES
from .facts import SEVERITIES, ComplianceFacts, FlagFacts
from .names import DEFAULT_PROVIDER, FOREIGN, PREFIX
from .transition import CLEAR, KEEP, SET

DENY_EXECUTION = "images.openshift.io/deny-execution"
QUALITY = "quality.images.openshift.io/"
FAILED_POLICY, SUCCESSFUL_POLICY = "security.manageiq.org/failed-policy", "security.manageiq.org/successful-policy"
_MARK = f"{PREFIX}/deny."
_FOREIGN_MARK = f"{_MARK}{FOREIGN}"
_POLICY_KEY = f"{PREFIX}/policy-key."
#: Bytes of all annotations of an object together, names and values (apimachinery, TotalAnnotationSizeLimitB).
SIZE_LIMIT = 256 << 10
#: What did not change is written again after this time, so that readers see that somebody still looks.
REFRESH = datetime.timedelta(days=7)
_URL_LIMIT = 2000
_REASONS_LIMIT = 1000
_DESCRIPTION_LIMIT = 300
_COMPLIANCE_CODES = frozenset(("compliance-rule-failed", "compliance-score"))

Annotations = t.Mapping[str, str]
Wanted = dict[str, t.Optional[str]]


@dataclasses.dataclass(frozen=True)
class AnnotationPatch:
    """The content of a merge patch; None removes a key. False when nothing has to be written."""

    annotations: t.Mapping[str, str | None]
    labels: t.Mapping[str, str | None]

    def __bool__(self) -> bool:
        return bool(self.annotations or self.labels)


@dataclasses.dataclass(frozen=True)
class Deny:
    """Who denies the execution of an image.

    ``value``: of deny-execution. ``mark``: our own, "true" or "false"; None if we say nothing. ``others``: names of the
    further owners that deny; ``spoken``: some have a mark, be it "false". ``foreign``: the word of somebody without a
    mark; None if there is none. ``leftover``: it is "true", and stands beside a failed-policy that CloudForms wrote.
    """

    value: str | None
    mark: str | None
    others: tuple[str, ...]
    spoken: bool
    foreign: str | None
    leftover: bool

    @property
    def ours(self) -> bool:
        """We deny."""
        return _denies(self.mark)

    @property
    def is_foreign(self) -> bool:
        """Somebody without a mark denies."""
        return _denies(self.foreign)

    @property
    def drifted(self) -> bool:
        """We deny, and somebody changed the value."""
        return self.ours and self.value != "true"


def _denies(word: str | None) -> bool:
    """Whatever is not plainly "false" denies: nobody's flag is taken for none because of how it is written."""
    return word is not None and word != "false"


def _said(current: Annotations) -> Annotations:
    """Without empty texts, which say nothing: an API server makes them of null where an object is written whole."""
    return {key: word for key, word in current.items() if word.strip()}


def read_deny(current: Annotations, provider: str) -> Deny:
    """Who denies, from an image's annotations."""
    current = _said(current)
    marks = {key[len(_MARK) :]: word for key, word in current.items() if key.startswith(_MARK) and key != _FOREIGN_MARK}
    denying = sorted(name for name, word in marks.items() if _denies(word))
    value, recorded = current.get(DENY_EXECUTION), current.get(_FOREIGN_MARK)
    foreign = _foreign_word(value, recorded, is_marked=bool(marks), is_denied=bool(denying))
    return Deny(
        value,
        marks.get(provider),
        tuple(name for name in denying if name != provider),
        any(name != provider for name in marks),
        foreign,
        foreign == "true" and _is_of_cloudforms(current, FAILED_POLICY),
    )


def _foreign_word(value: str | None, recorded: str | None, *, is_marked: bool, is_denied: bool) -> str | None:
    """The word of somebody without a mark. ``recorded``: what was kept of it when an owner denied."""
    # Beside a mark that denies owners write nothing but "true": another value is the last word of somebody else.
    if is_denied and value == "true":
        return recorded
    return None if not is_denied and is_marked and value == "false" else value


def ours(current: Annotations, provider: str, *, adopt: bool = False) -> bool:
    """Return whether the flag of an image is ours to clear. ``adopt``: leftovers of CloudForms are, too."""
    deny = read_deny(current, provider)
    return deny.ours or (adopt and deny.leftover)


def check_report_url(text: str) -> str:
    """Where people read on, as it was given. ``{digest}`` in it stands for the image's digest.

    Raises InputError for what is not an http or https URL, too long, or holds a user name or password.
    """
    try:
        parts = urllib.parse.urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        parts, good = urllib.parse.SplitResult("", "", "", "", ""), False
    if not good or len(text) > _URL_LIMIT or not re.fullmatch(r"[!-~]+", text):
        raise InputError(
            f"report_url is {visible(text, 200)!r}, which is not a URL that people could follow",
            hint="give one that begins with https:// or http://, without spaces; {digest} in it becomes the image's",
        )
    if parts.username is not None or parts.password is not None:
        raise InputError("report_url holds a user name or password, which everybody could read in the cluster")
    return text


class _Keys:
    """The keys that belong to one provider. Facts of the default one have plain names, those of others a suffix."""

    def __init__(self, provider: str) -> None:
        suffix = "" if provider == DEFAULT_PROVIDER else f".{provider}"
        self.verdict, self.policy, self.scanned, self.report, self.reasons, self.written = (
            f"{PREFIX}/{name}{suffix}" for name in ("verdict", "policy", "scanned", "report", "reasons", "written")
        )
        self.mark = f"{_MARK}{provider}"
        self.policy_key = f"{_POLICY_KEY}{provider}"
        self.vulnerability, self.compliance = (f"{QUALITY}{kind}.{provider}" for kind in ("vulnerability", "policy"))
        self.quality = (self.vulnerability, self.compliance)
        self.facts = (self.verdict, self.policy, self.scanned, self.report, self.reasons, self.written)
        #: They differ from run to run, and are not a reason to write.
        self.volatile = (self.scanned, self.report, self.written)


def verdict_label(provider: str) -> str:
    """The label that holds an image's verdict, for selectors."""
    return _Keys(provider).verdict


def desired(
    facts: FlagFacts,
    fate: str,
    current: Annotations,
    labels: Annotations,
    *,
    provider: str,
    adopt: bool = False,
    cloudforms_keys: bool = False,
    now: datetime.datetime,
) -> AnnotationPatch:
    """Plan the changes of an image; nothing unless verdict, counts, reasons or the flag differ, or after seven days.

    ``fate``: what ``transition.fate`` says; ``adopt``: leftovers of CloudForms count as ours; ``cloudforms_keys``: also
    write the keys that CloudForms wrote. Without a report's URL, new or written earlier, there are no quality
    annotations, which must name one. Raises LimitExceeded where what others wrote leaves no room even for the flag.
    """
    keys = _Keys(provider)
    url = facts.report_url or _usable_url(current.get(keys.report, ""))
    flag = _flag(facts, fate, current, keys, provider, adopt, cloudforms_keys)
    label: Wanted = {keys.verdict: facts.verdict}
    for values in _versions(facts, url, keys, provider, now):
        values.update(flag)
        if _size(current, values) <= SIZE_LIMIT:
            is_due = _is_due(current.get(keys.written, ""), now)
            if not is_due and not _differs(current, values, keys) and not _differences(labels, label):
                return AnnotationPatch({}, {})
            return AnnotationPatch(_differences(current, values), _differences(labels, label))
    if fate != SET and flag.get(keys.mark) != "true":
        return absent(current, labels, provider=provider, adopt=adopt and fate == CLEAR)
    raise LimitExceeded(
        f"the other annotations of the image leave no room for a flag: together they may have {SIZE_LIMIT} bytes",
        code="annotations-full",
        subject=facts.digest,
        hint="remove annotations of the Image object that nobody needs; the deny list does not need them",
    )


def absent(current: Annotations, labels: Annotations, *, provider: str, adopt: bool = False) -> AnnotationPatch:
    """Take back exactly what is ours, or with ``adopt`` also what CloudForms left."""
    keys = _Keys(provider)
    values: Wanted = dict.fromkeys((*keys.facts, *keys.quality, keys.mark))
    deny = read_deny(current, provider)
    foreign = None if adopt and deny.leftover else deny.foreign
    values[_FOREIGN_MARK] = foreign if deny.others else None
    if deny.others:
        values[DENY_EXECUTION] = "true"
    elif foreign is not None:
        values[DENY_EXECUTION] = foreign
    elif deny.mark is not None or foreign != deny.foreign:
        values[DENY_EXECUTION] = "false" if deny.spoken else None
    values.update(_policy_keys(None, "", current, keys, adopts=adopt))
    return AnnotationPatch(_differences(current, values), _differences(labels, {keys.verdict: None}))


def _flag(
    facts: FlagFacts, fate: str, current: Annotations, keys: _Keys, provider: str, adopt: bool, cloudforms_keys: bool
) -> Wanted:
    """deny-execution and what belongs to it."""
    deny = read_deny(current, provider)
    is_ours = fate == SET or (fate == KEEP and deny.ours)
    lifts = not is_ours and (fate == CLEAR or facts.verdict == "passed")
    adopts = adopt and (is_ours or lifts)
    foreign = None if adopts and deny.leftover else deny.foreign
    values = _deny_keys(deny, foreign, keys, is_ours=is_ours, lifts=lifts)
    chosen_key = FAILED_POLICY if is_ours else SUCCESSFUL_POLICY if lifts and not deny.others else ""
    names = visible(", ".join(facts.policies), _DESCRIPTION_LIMIT) or provider
    values.update(_policy_keys(chosen_key if cloudforms_keys else None, names, current, keys, adopts=adopts))
    return values


def _deny_keys(deny: Deny, foreign: str | None, keys: _Keys, *, is_ours: bool, lifts: bool) -> Wanted:
    """The value and the marks. ``is_ours``: we deny; ``lifts``: we say that we do not."""
    if is_ours or deny.others:
        values: Wanted = {_FOREIGN_MARK: foreign, DENY_EXECUTION: "true"}
        if is_ours or deny.ours:
            values[keys.mark] = "true" if is_ours else "false"
        return values
    # Beside no deny of ours the value itself is their word; a record that outlived it would speak for them later.
    values = {_FOREIGN_MARK: None}
    if foreign is not None and not (foreign == "false" and deny.spoken):
        values[DENY_EXECUTION] = foreign
        if deny.ours:
            values[keys.mark] = None
    elif lifts:  # a foreign "false" beside another mark that says so would be nobody's at the next look
        values[DENY_EXECUTION] = values[keys.mark] = "false"
    return values


def _wrote(current: Annotations, record: str | None, key: str) -> bool:
    """Return whether a provider's ``policy-key`` says that what stands under a key of CloudForms is its own.

    Version 0.3.0 recorded the key alone.
    """
    return key in current and record in (_record(key, current[key]), key.partition("/")[2])


def _record(key: str, value: str) -> str:
    return f"{key.partition('/')[2]}: {value}"


def _is_of_cloudforms(current: Annotations, key: str) -> bool:
    """Return whether a key of CloudForms stands that none of our providers wrote."""
    records = [word for name, word in current.items() if name.startswith(_POLICY_KEY)]
    return key in current and not any(_wrote(current, record, key) for record in records)


def _policy_keys(chosen_key: str | None, names: str, current: Annotations, keys: _Keys, *, adopts: bool) -> Wanted:
    """CloudForms' keys, of which we let one stand at a time; what others wrote is kept, not replaced.

    ``chosen_key``: the key to write, with ``names``; empty where neither is true, None where none is asked for. Success
    yields to our failure, and that of CloudForms to our not knowing. ``adopts``: its failed-policy is ours to remove.
    """
    current = _said(current)
    removed_keys = {
        key for key in (FAILED_POLICY, SUCCESSFUL_POLICY) if _wrote(current, current.get(keys.policy_key), key)
    }
    if adopts and _is_of_cloudforms(current, FAILED_POLICY):
        removed_keys.add(FAILED_POLICY)
    if chosen_key == FAILED_POLICY or (chosen_key == "" and _is_of_cloudforms(current, SUCCESSFUL_POLICY)):
        removed_keys.add(SUCCESSFUL_POLICY)
    values: Wanted = {keys.policy_key: None, **dict.fromkeys(removed_keys)}
    if chosen_key and not {FAILED_POLICY, SUCCESSFUL_POLICY} & current.keys() - removed_keys:
        values[chosen_key] = names
        values[keys.policy_key] = _record(chosen_key, names)
    return values


def _versions(facts: FlagFacts, url: str, keys: _Keys, provider: str, now: datetime.datetime) -> t.Iterator[Wanted]:
    """Facts and quality annotations, each version shorter than the one before; the last has nothing of them."""
    for reasons, description, quality, has_facts in (
        (_REASONS_LIMIT, _DESCRIPTION_LIMIT, True, True),
        (200, 0, True, True),
        (0, 0, False, True),
        (0, 0, False, False),
    ):
        values: Wanted = dict.fromkeys((*keys.facts, *keys.quality))
        if has_facts:
            values[keys.verdict] = facts.verdict
            values[keys.written] = utc_text(now)
            values[keys.policy] = visible(", ".join(facts.policies), _DESCRIPTION_LIMIT) or None
            values[keys.scanned] = facts.scanned_at or None
            values[keys.report] = url or None
            values[keys.reasons] = reasons_text(facts.reasons, reasons) or None if reasons else None
        if quality and url and facts.scanned_at:
            values[keys.vulnerability] = _quality(facts, provider, url, _of_vulnerabilities(facts), description)
            if facts.compliance is not None:
                rules = _of_rules(facts, facts.compliance)
                values[keys.compliance] = _quality(facts, provider, url, rules, description)
        yield values


def reasons_text(reasons: t.Sequence[tuple[str, str]], limit: int) -> str:
    """The reasons in one line of at most ``limit`` characters, whole ones as far as there is room."""
    texts: list[str] = []
    room = limit - 20  # for "(and 12345 more)"
    for code, message in reasons:
        text = f"{visible(code, 100)}: {visible(message, limit)}"
        if len(text) > room and texts:
            break
        if len(text) > room:
            text = text[: max(0, room - 1)] + "…"
        texts.append(text)
        room -= len(text) + 2
    hidden_count = len(reasons) - len(texts)
    return "; ".join(texts) + (f" (and {hidden_count} more)" if hidden_count else "")


def _of_vulnerabilities(facts: FlagFacts) -> dict[str, t.Any]:
    broken = {code for code, _message in facts.reasons if code in CODES and CODES[code].effect == "failed"}
    compliant = {"passed": True, "failed": False}.get(facts.verdict)
    if broken and broken <= _COMPLIANCE_CODES and compliant is False:
        compliant = None  # OpenSCAP rules alone made it fail
    detail = f": {reasons_text(facts.reasons, _DESCRIPTION_LIMIT)}" if facts.reasons else ""
    return {"compliant": compliant, "description": f"{facts.verdict}{detail}", "counts": facts.counts}


def _of_rules(facts: FlagFacts, results: ComplianceFacts) -> dict[str, t.Any]:
    compliant = None
    if facts.verdict == "failed" and any(code in _COMPLIANCE_CODES for code, _message in facts.reasons):
        compliant = False
    elif facts.verdict == "passed" and not results.undecided and not any(results.counts.values()):
        compliant = True  # a policy that passed need not have asked about rules, so the rules themselves count
    score = "" if results.score is None else f", score {results.score:g}"
    profile = f"OpenSCAP profile {results.profile}{score}"
    return {"compliant": compliant, "description": profile, "counts": results.counts}


def _quality(facts: FlagFacts, provider: str, url: str, summary: t.Mapping[str, t.Any], limit: int) -> str:
    """A quality annotation's text; without a description where ``limit``, its characters, is 0."""
    name = "imagescan.openshift" if provider == DEFAULT_PROVIDER else f"imagescan.openshift ({provider})"
    value: dict[str, t.Any] = {"name": name, "timestamp": facts.scanned_at, "reference": url}
    value["compliant"] = summary["compliant"]
    if limit:
        value["description"] = visible(summary["description"], limit)
    value["scannerVersion"] = facts.scanner_version
    value["summary"] = [
        {"label": label, "data": str(summary["counts"].get(label, 0)), "severityIndex": index, "reference": None}
        for label, index in SEVERITIES
    ]
    return json.dumps(value, separators=(",", ":"))


def _usable_url(text: str) -> str:
    try:
        return check_report_url(text) if text else ""
    except InputError:
        return ""


def _is_due(written: str, now: datetime.datetime) -> bool:
    """Return whether what stands there is old, or nobody can say from when it is."""
    moment = read_time(written)
    return moment is None or not -CLOCK_SKEW <= now - moment < REFRESH


def _size(current: Annotations, values: Wanted) -> int:
    """Bytes of all annotations once ``values`` is written."""
    texts = {key: value for key, value in {**current, **values}.items() if value is not None}
    return sum(len(key.encode()) + len(value.encode("utf-8", "surrogatepass")) for key, value in texts.items())


def _differences(current: Annotations, values: Wanted) -> dict[str, str | None]:
    return {key: value for key, value in values.items() if current.get(key) != value}


def _differs(current: Annotations, values: Wanted, keys: _Keys) -> bool:
    """Return whether verdict, counts, reasons or the flag differ."""
    for key in _differences(current, values):
        before, after = current.get(key), values[key]
        if before is not None and after is not None:
            if key in keys.volatile:
                continue
            if key in keys.quality and _lasting(before) == _lasting(after):
                continue
        return True
    return False


def _lasting(text: str) -> t.Any:
    """Select the part of our quality annotation that is worth a write; None for anything else."""
    try:
        value = read_json(text.encode("utf-8", "surrogatepass"), "a quality annotation", limit=SIZE_LIMIT)
    except ScanError:
        return None
    if not isinstance(value, dict):
        return None
    return {key: part for key, part in value.items() if key not in ("timestamp", "reference", "scannerVersion")}


@dataclasses.dataclass(frozen=True)
class Quality:
    """Content of a quality annotation, as far as it could be read; all text is harmless to show.

    ``kind``: "vulnerability", "policy", ...; ``scanner``: its id. ``counts``: label in lower case -> number.
    ``problem``: why it could not be read, else empty.
    """

    kind: str
    scanner: str
    name: str = ""
    timestamp: str = ""
    reference: str = ""
    compliant: bool | None = None
    counts: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    problem: str = ""


def others_say(current: Annotations, provider: str) -> tuple[Quality, ...]:
    """The quality annotations of other scanners, ordered by key.

    Read are whole numbers where texts are meant and the reverse (ManageIQ), and a summary that is JSON in a text.
    """
    own_keys = _Keys(provider).quality
    qualities = []
    for key in sorted(current):
        if key.startswith(QUALITY) and key not in own_keys:
            kind, _dot, scanner = key[len(QUALITY) :].partition(".")
            qualities.append(_read_quality(visible(kind, 63), visible(scanner, 63), current[key]))
    return tuple(qualities)


def _read_quality(kind: str, scanner: str, text: str) -> Quality:
    try:
        value = _parsed(text)
        if not isinstance(value, dict):
            return Quality(kind, scanner, problem="it is not a JSON object")
        summary = value.get("summary")
        if isinstance(summary, str):
            summary = _parsed(summary)
    except ScanError as error:
        return Quality(kind, scanner, problem=visible(error.message, 300))
    counts: dict[str, int] = {}
    for line in summary if isinstance(summary, list) else ():
        number = _number(line.get("data")) if isinstance(line, dict) else None
        if number is not None and len(counts) < 20:
            label = _word(line.get("label"), 40).lower()
            counts[label] = counts.get(label, 0) + number
    return Quality(
        kind,
        scanner,
        _word(value.get("name"), 100),
        _word(value.get("timestamp"), 40),
        _word(value.get("reference"), _URL_LIMIT),
        {"true": True, "false": False}.get(_word(value.get("compliant"), 10).lower()),
        counts,
    )


def _parsed(text: str) -> t.Any:
    return read_json(text.encode("utf-8", "surrogatepass"), "the annotation", limit=SIZE_LIMIT)


def _word(value: object, limit: int) -> str:
    return visible(str(value), limit) if isinstance(value, (str, int)) else ""


def _number(value: object) -> int | None:
    text = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    return int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else None
