# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies: what an image must be like. ``DEFAULT_POLICY_TEXT`` shows and explains every key."""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import json
import re
import typing as t

from .._compliance.model import RULE_SEVERITIES
from .._core.errors import InputError
from .._core.text import visible
from .._vulnerabilities.model import FEED_FORMATS, SEVERITIES
from .documents import Field, read_document
from .expressions import check_expression
from .schema import COMPONENTS, FACTS_SCHEMA

#: The policy that is used where none is given.
DEFAULT_POLICY_TEXT = """\
---
# A list of policies. Each judges the images that it selects; several may judge one image, and the worst verdict counts.
# Durations: 90m, 12h, 7d, 2w or unlimited. Severities: none, low, moderate, important, critical.
- name: default
  description: Nothing critical or important that could be fixed by an update, judged by fresh data.

  # Which images. Every list holds shell patterns; a key that is left out selects all.
  images:
    registries: ["*"]        # quay.io, *.example.com:5000
    repositories: ["*"]      # team/*, without the registry
    platforms: ["*"]         # linux/amd64
    # labels: {com.example.stage: "prod*"}

  vulnerabilities:
    max_severity: moderate   # a finding above this breaks the policy
    fixable: true            # true: only findings with a fix available count; false: all count
    # All distributions but Red Hat's publish fixes alone, nothing of what has none yet: true makes their images
    # inconclusive, false says so in a note.
    require_full_coverage: false
    # A part of the data finds a part of the holes: with fewer documents images are inconclusive. Left out, the number
    # follows from the vendor, and is at least 90 % of what its own list names (docs/feeds.md). One number, or one for
    # each format.
    # min_documents: {csaf-vex: 40000, osv: 4000}

  max_age:
    feed: 7d                 # since the last successful check of the vulnerability data (7d where it is left out)
    # newest: 30d            # since the newest change in it: a mirror that nobody refreshes is checked in vain
    scan: 30d                # since the image was scanned (unlimited where it is left out)

  require_signed_feed: false   # true: every document about the image's packages has a signature that was verified

  # Components that no RPM data covers: ignore, inconclusive or fail; one word for all of them or one for each of
  # jar, python, npm, dpkg, apk. They are counted in the report in any case.
  unexamined: ignore

  # Images without an RPM database are inconclusive unless their kind is accepted: static, dpkg, apk.
  accept: []

  # Packages that the vulnerability data does not cover (built by somebody else): inconclusive or fail, unless the key
  # that signed them is accepted. A vendor text alone can be written by anybody; what it accepts is reported as a guess.
  not_covered: inconclusive
  accept_vendors: []
  #  - {key_id: 21ea45ab2f86d6a1, comment: EPEL 8}
  #  - {fingerprint: ff8ad1344597106ece813b918a3872bf3228467c, comment: EPEL 9}
  #  - {vendor: Example Ltd}

  # Documents of the feed that could not be read hold up every image, since nobody knows what they say. What a person
  # has read is accepted by its name in the feed and its content; when it changes, it holds up again.
  accept_unread: []
  #  - document: 2026/cve-2026-1234.json
  #    sha256: 0f4c6ca86e0f3b1d2b1b2f7ad3c2a08d8e5a9f1f9a3a6f2f0a54b4d1d6f3c7ab
  #    reason: it is about a product that we do not have

  # OpenSCAP results. Severities: info, low, medium, high. Without more, no rule of high severity may fail.
  # compliance: {profile: cis, max_failed_severity: medium, score: 90}

  # Anything else, as JMESPath over the report's image object. It must be true where the condition holds.
  # conditions:
  #   - name: few-low-ones
  #     that: "length(vulnerabilities[?severity == 'low']) < `100`"
  #     message: a hundred small holes are a big one
"""

#: Kinds without an RPM database that a policy can accept. ``unknown`` never: nobody knows what was not seen.
ACCEPTABLE_KINDS = ("static", "dpkg", "apk")
#: Age of the feed that a policy allows when it says nothing.
FEED_AGE = 7 * 86400
#: Raise it when the default of a field changes, or what a field means: verdicts by the old one are then of another
#: policy.
DEFAULTS_REVISION = 1
#: The worst severity of rules that may fail where a policy asks about compliance and says no more. CloudForms 4.2 let
#: an image fail by one rule of high severity.
FAILED_SEVERITY = "medium"

_DOCUMENTS_LIMIT = 1_000_000  # as many as a feed may have
_ACTIONS = ("ignore", "inconclusive", "fail")
_UNREAD = {
    "document": "its path in the feed, as the sync names it",
    "sha256": "so that the next version of the document is not accepted unseen",
    "reason": "why it may be passed over",
}


@dataclasses.dataclass(frozen=True)
class Selection:
    """Shell patterns; an empty tuple selects all. ``labels``: (name, pattern of the value), all must match."""

    registries: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    def selects(self, references: t.Iterable[str], platform: str, labels: t.Mapping[str, str]) -> bool:
        """Whether an image is meant that has these references (one is enough), platform and labels."""
        if not all(name in labels and fnmatch.fnmatchcase(labels[name], pattern) for name, pattern in self.labels):
            return False
        # linux/arm64 means linux/arm64/v8, too.
        if not _matches(platform, self.platforms) and not _matches(platform.rpartition("/")[0], self.platforms):
            return False
        return any(
            _matches(registry, self.registries) and _matches(repository, self.repositories)
            for registry, repository in map(split_reference, references)
        )


@dataclasses.dataclass(frozen=True)
class Condition:
    """A JMESPath expression that must be true. ``reads``: the fields of the image object that it asks about."""

    name: str
    that: str
    message: str
    reads: tuple[str, ...] = dataclasses.field(compare=False)


@dataclasses.dataclass(frozen=True)
class AcceptedVendor:
    """Whose packages may be there although the feed does not cover them. ``key_id``: 16 hex digits or empty."""

    key_id: str = ""
    vendor: str = ""
    comment: str = ""


@dataclasses.dataclass(frozen=True)
class AcceptedDocument:
    """A document of a feed that no program of ours can read, and a person did. ``sha256``: of its content, in hex."""

    document: str
    sha256: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Policy:
    """One policy, checked and normalised. Ages in seconds, None for unlimited. Severities None where not asked for.

    ``min_documents``: (format of a feed, number); for formats that are not named the vendor's own number counts.
    """

    name: str
    description: str = ""
    images: Selection = Selection()
    max_severity: str | None = None
    fixable: bool = False
    require_full_coverage: bool = False
    min_documents: tuple[tuple[str, int], ...] = ()
    feed_age: int | None = FEED_AGE
    scan_age: int | None = None
    newest_age: int | None = None
    require_signed_feed: bool = False
    unexamined: tuple[tuple[str, str], ...] = ()
    accept: tuple[str, ...] = ()
    not_covered: str = "inconclusive"
    accept_vendors: tuple[AcceptedVendor, ...] = ()
    accept_unread: tuple[AcceptedDocument, ...] = ()
    compliance_profile: str = ""
    max_failed_severity: str | None = None
    min_score: float | None = None
    conditions: tuple[Condition, ...] = ()

    @property
    def sha256(self) -> str:
        """Digest of what the policy says, in hexadecimal.

        Layout, comments, the order of keys and defaults that are written out do not change it. A field that a later
        version adds does not, either, as long as a policy does not use it.
        """
        said = {"defaults": DEFAULTS_REVISION, **_said(self)}
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def asks(self, name: str) -> bool:
        """Whether the policy asks about ``vulnerabilities`` or ``compliance``."""
        if name == "vulnerabilities" and self.max_severity is not None:
            return True
        if name == "compliance" and (self.max_failed_severity is not None or self.min_score is not None):
            return True
        # Both the findings and the products of the inventory come from the match.
        names = {"vulnerabilities", "inventory"} if name == "vulnerabilities" else {name}
        return any(names & set(condition.reads) for condition in self.conditions)


def _said(value: t.Any) -> t.Any:
    """A value as JSON has it; of a dataclass the fields that differ from their defaults."""
    if isinstance(value, tuple):
        return [_said(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    pairs = ((field, getattr(value, field.name)) for field in dataclasses.fields(value) if field.compare)
    return {field.name: _said(item) for field, item in pairs if item != field.default}


def split_reference(reference: str) -> tuple[str, str]:
    """(registry, repository) of a reference in full form; the registry is empty for files and folders."""
    name = reference.partition("@")[0]
    registry, slash, rest = name.partition("/")
    # Files and folders are written TRANSPORT:PATH (containers-transports(5)); a port is a number.
    if not slash or re.match(r"(oci|oci-archive|docker-archive|rootfs):", reference):
        return "", reference
    head, _slash, tail = rest.rpartition("/")
    return registry, f"{head}/{tail.partition(':')[0]}" if head else tail.partition(":")[0]


def load_policies(text: str, where: str) -> list[Policy]:
    """Read a list of policies. ``where`` names the file in errors. Raises ``InputError``, also where there is none."""
    root = read_document(text, where)
    if root.value is None or root.value == []:
        raise InputError(f"{where}: no policy in it: expected a list, each entry beginning with '- name:'")
    policies = [_policy(field) for field in root.items("a list of policies, each beginning with '- name:'")]
    names: set[str] = set()
    for policy in policies:
        if policy.name in names:
            raise InputError(f"{where}: two policies are named '{visible(policy.name, 100)}'")
        names.add(policy.name)
    return policies


def _policy(field: Field) -> Policy:
    expected = "a policy, beginning with '- name:'"
    given = field.any_mapping(expected)
    if "name" not in given:
        raise field.renamed("").error("a policy without a name: expected '- name: …'")
    name = given["name"].renamed("name of a policy").text("a name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise given["name"].error(
            f"'{visible(name, 100)}' is not a name: expected letters, digits, '.', '_' and '-', at most 100"
        )
    field = field.renamed(f"policy '{name}'")
    fields = field.mapping(_POLICY_KEYS, expected)
    values: dict[str, t.Any] = {"name": name}
    for key in fields:
        if key != "name":
            values.update(_POLICY_KEYS[key](fields[key]))
    policy = Policy(**values)
    # A policy that asks for nothing would pass everything, which nobody means.
    asked = policy.asks("vulnerabilities") or policy.asks("compliance") or policy.conditions
    if not asked and all(action == "ignore" for _kind, action in policy.unexamined):
        raise field.error("asks for nothing: give vulnerabilities, compliance, conditions or unexamined")
    return policy


def _images(field: Field) -> dict[str, t.Any]:
    fields = field.mapping(("registries", "repositories", "platforms", "labels"), "registries, repositories, …")
    patterns: dict[str, t.Any] = {}
    for key, child in fields.items():
        if key == "labels":
            labels = child.any_mapping("a mapping of label names to patterns")
            patterns[key] = tuple(
                sorted(
                    (name, value.renamed(f"{child.path}.{name}").text("a pattern")) for name, value in labels.items()
                )
            )
        else:
            patterns[key] = child.texts("a list of patterns")
        if not patterns[key]:
            raise child.error("an empty list selects nothing: leave the key out to select all")
    return {"images": Selection(**patterns)}


def _vulnerabilities(field: Field) -> dict[str, t.Any]:
    keys = ("max_severity", "fixable", "require_full_coverage", "min_documents")
    fields = field.mapping(keys, "max_severity, fixable, require_full_coverage and min_documents")
    if "max_severity" not in fields:
        raise field.error("max_severity is missing: the worst severity that is still allowed")
    return {
        "max_severity": fields["max_severity"].choice(SEVERITIES, "a severity"),
        **{key: fields[key].flag() for key in ("fixable", "require_full_coverage") if key in fields},
        **({"min_documents": _min_documents(fields["min_documents"])} if "min_documents" in fields else {}),
    }


def _min_documents(field: Field) -> tuple[tuple[str, int], ...]:
    if isinstance(field.value, str):
        number = field.whole_number(_DOCUMENTS_LIMIT)
        return tuple((name, number) for name in sorted(FEED_FORMATS))
    fields = field.mapping(FEED_FORMATS, f"a number of documents, or one for each of {', '.join(FEED_FORMATS)}")
    return tuple((name, child.whole_number(_DOCUMENTS_LIMIT)) for name, child in sorted(fields.items()))


def _max_age(field: Field) -> dict[str, t.Any]:
    fields = field.mapping(("feed", "newest", "scan"), "feed, newest and scan with durations like 7d")
    return {f"{key}_age": child.duration() for key, child in fields.items()}


def _unexamined(field: Field) -> dict[str, t.Any]:
    what = "what to do about components that are not examined"
    if isinstance(field.value, str):
        action = field.choice(_ACTIONS, what)
        return {"unexamined": tuple((kind, action) for kind in COMPONENTS)}
    fields = field.mapping(
        COMPONENTS, f"ignore, inconclusive or fail, or one of them for each of {', '.join(COMPONENTS)}"
    )
    return {
        "unexamined": tuple(
            (kind, fields[kind].choice(_ACTIONS, what) if kind in fields else "ignore") for kind in COMPONENTS
        )
    }


def _accept(field: Field) -> dict[str, t.Any]:
    kinds = [
        child.choice(ACCEPTABLE_KINDS, "a kind of image that can be accepted")
        for child in field.items(f"a list of {', '.join(ACCEPTABLE_KINDS)}")
    ]
    return {"accept": tuple(sorted(set(kinds)))}


def _not_covered(field: Field) -> dict[str, t.Any]:
    return {"not_covered": field.choice(("inconclusive", "fail"), "what to do about packages that are not covered")}


def _accept_vendors(field: Field) -> dict[str, t.Any]:
    vendors = []
    for child in field.items("a list of vendors"):
        fields = child.mapping(("key_id", "fingerprint", "vendor", "comment"), "key_id, fingerprint or vendor")
        texts = {key: value.text() for key, value in fields.items()}
        if not {"key_id", "fingerprint", "vendor"} & set(texts):
            raise child.error("expected key_id, fingerprint or vendor")
        if {"key_id", "fingerprint"} <= set(texts):
            raise child.error("give key_id or fingerprint, not both")
        key_id = texts.get("key_id", "")
        if key_id:
            key_id = _hex(fields["key_id"], (16,), "the 16 hexadecimal digits of a key id")
        elif "fingerprint" in texts:
            digits = _hex(fields["fingerprint"], (40, 64), "the 40 (or 64) hexadecimal digits of a fingerprint")
            # RFC 9580, 5.5.4: the id is the low end of a version 4 fingerprint, and the high end of a version 6 one.
            key_id = digits[-16:] if len(digits) == 40 else digits[:16]
        vendors.append(AcceptedVendor(key_id, texts.get("vendor", ""), texts.get("comment", "")))
    return {"accept_vendors": tuple(vendors)}


def _accept_unread(field: Field) -> dict[str, t.Any]:
    documents = []
    for child in field.items("a list of documents"):
        keys = ("document", "sha256", "reason")
        fields = child.mapping(keys, "document, sha256 and reason")
        missing = [key for key in keys if key not in fields]
        if missing:
            raise child.error(f"{missing[0]} is missing: {_UNREAD[missing[0]]}")
        digest = _hex(fields["sha256"], (64,), "the 64 hexadecimal digits of the document's SHA-256")
        documents.append(AcceptedDocument(fields["document"].text(), digest, fields["reason"].text()))
    return {"accept_unread": tuple(documents)}


def _hex(field: Field, lengths: tuple[int, ...], expected: str) -> str:
    digits = re.sub(r"[\s:]", "", field.text(expected)).lower().removeprefix("0x")
    if len(digits) not in lengths or not re.fullmatch(r"[0-9a-f]+", digits):
        raise field.error(f"expected {expected}, found '{visible(digits, 100)}' ({len(digits)} characters)")
    return digits


def _compliance(field: Field) -> dict[str, t.Any]:
    fields = field.mapping(("profile", "max_failed_severity", "score"), "profile, max_failed_severity and score")
    values: dict[str, t.Any] = {}
    if "profile" in fields:
        values["compliance_profile"] = fields["profile"].text("the id of a profile, such as cis")
    if "max_failed_severity" in fields:
        severities = ("none", *RULE_SEVERITIES[:-1])
        values["max_failed_severity"] = fields["max_failed_severity"].choice(severities, "a severity of rules")
    if "score" in fields:
        values["min_score"] = fields["score"].number(0, 100)
    if "max_failed_severity" not in fields and "score" not in fields:
        values["max_failed_severity"] = FAILED_SEVERITY
    return values


def _conditions(field: Field) -> dict[str, t.Any]:
    conditions: list[Condition] = []
    for child in field.items("a list of conditions"):
        fields = child.mapping(("name", "that", "message"), "name, that and message")
        for key in ("name", "that"):
            if key not in fields:
                raise child.error(f"{key} is missing")
        name = fields["name"].text("a name")
        if name in [condition.name for condition in conditions]:
            raise fields["name"].error(f"two conditions are named '{visible(name, 100)}'")
        try:
            checked = check_expression(fields["that"].text("a JMESPath expression"), FACTS_SCHEMA)
        except InputError as error:
            if error.message.startswith(f"{field.where}, line"):
                raise
            raise fields["that"].renamed(f"{field.path} '{visible(name, 100)}', that").error(error.message) from None
        message = fields["message"].text() if "message" in fields else ""
        conditions.append(Condition(name, checked.expression, message, checked.reads))
    return {"conditions": tuple(conditions)}


def _matches(text: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)


_POLICY_KEYS: t.Mapping[str, t.Callable[[Field], dict[str, t.Any]]] = {
    "name": lambda field: {},
    "description": lambda field: {"description": field.text()},
    "images": _images,
    "vulnerabilities": _vulnerabilities,
    "max_age": _max_age,
    "require_signed_feed": lambda field: {"require_signed_feed": field.flag()},
    "unexamined": _unexamined,
    "accept": _accept,
    "not_covered": _not_covered,
    "accept_vendors": _accept_vendors,
    "accept_unread": _accept_unread,
    "compliance": _compliance,
    "conditions": _conditions,
}
