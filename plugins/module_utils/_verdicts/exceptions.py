# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions: what somebody accepted, why, and until when; the file that they are written in, and its JSON Schema."""

from __future__ import annotations

import dataclasses
import datetime
import fnmatch
import re
import typing as t

from .._core.errors import InputError
from .._core.spelling import nearest
from .._core.text import visible
from .documents import VALUE_LIMIT, Field, read_document
from .identifiers import folded_id

#: Why a product is not affected, in the words that OpenVEX and CSAF share.
JUSTIFICATIONS = (
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
)

#: What fnmatch takes for one of several characters, or for any but those; a [ that is never closed is a character.
_BRACKETS = r"\[(?:![\s\S]|[^!])[^\]]*\]"
#: A pattern in which a letter or a digit is meant as such. As [a-z] it names nothing.
_NAMING = rf"^(?:{_BRACKETS}|\[(?!{_BRACKETS[2:]})|[^\[A-Za-z0-9])*[A-Za-z0-9]"
_ID = r"[A-Za-z0-9*?\[\]!._:-]{1,100}"
_RULE = r"[A-Za-z0-9*?\[\]!._-]{1,200}"
_RULE_PREFIX = re.compile(r"xccdf_[A-Za-z0-9.-]+_rule_")
#: A rule without wildcards; or, before the first wildcard, two whole words of what follows the prefix of all rules.
_RULE_NAMING = r"(?:[^*?\[]+|(?:xccdf_[A-Za-z0-9.-]+_rule_)?(?!xccdf)(?:[A-Za-z0-9.-]+_){2}.*)"
#: A package without wildcards; or, before the first wildcard, a whole word of its name: openssl-*, and not *.x86_64.
_PACKAGE_NAMING = r"(?:[^*?\[]*[A-Za-z0-9][^*?\[]*|[A-Za-z0-9][A-Za-z0-9._+]*-[\s\S]*)"
#: Before the first wildcard of an id: three digits of its number.
_ID_NAMING = r"[^*?\[]*\d[-:]\d{3}"
_WILDCARD = r"[*?\[]"

#: Days from now within which an exception must end, unless more are asked for.
MAX_DAYS = 730


@dataclasses.dataclass(frozen=True)
class Acceptance:
    """One entry: accepted findings (``id``) or accepted OpenSCAP rules (``rule``), each a shell pattern.

    ``rule`` is compared with a rule's whole id and with the part that follows ``_rule_``.
    ``expires``: last day on which it holds, UTC; None where it ends with ``until_fixed`` alone: then a finding counts
    again as soon as it has a fix. ``packages``: patterns of package names or of whole
    ``name-epoch:version-release.arch``; ``images``: patterns of references or digests (all references of an image must
    be named, or its digest); ``policies``: patterns of the policies for which it holds; empty tuples mean all.
    ``where`` and ``line`` say where it is written; they are not part of what it means.
    """

    id: str
    reason: str
    expires: datetime.date | None
    owner: str = ""
    packages: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    rule: str = ""
    policies: tuple[str, ...] = ()
    ticket: str = ""
    justification: str = ""
    until_fixed: bool = False
    where: str = dataclasses.field(default="", compare=False)
    line: int = dataclasses.field(default=0, compare=False)

    @property
    def label(self) -> str:
        """Name in reports."""
        return self.id or self.rule

    @property
    def until(self) -> str:
        """When it ends, for a sentence: ``until 2027-03-31 or a fix is there``."""
        ends = [str(self.expires)] if self.expires is not None else []
        return "until " + " or ".join(ends + (["a fix is there"] if self.until_fixed else []))

    def holds(self, day: datetime.date) -> bool:
        """Return whether its date still holds on a day (UTC); it holds through its last day."""
        return self.expires is None or day <= self.expires

    def covers_image(self, digest: str, references: t.Iterable[str]) -> bool:
        """Return whether it is meant for an image: for its digest, or for every name that it has.

        A verdict is about a digest, whatever it is called: an exception for ``dev/*`` alone must not clear the same
        image where it is called ``prod/app``.
        """
        if not self.images or _names(self.images, digest):
            return True
        names = list(references)
        return bool(names) and all(_names(self.images, name) for name in names)

    def covers_id(self, finding_id: str) -> bool:
        """Return whether it is meant for findings of an id."""
        return bool(self.id) and fnmatch.fnmatchcase(folded_id(finding_id), folded_id(self.id))

    def covers_package(self, name: str, package: str) -> bool:
        """Return whether it is meant for what is found in a package."""
        return not self.packages or _names(self.packages, name) or _names(self.packages, package)

    def covers_rule(self, rule_id: str) -> bool:
        """Return whether it is meant for an OpenSCAP rule."""
        short = _RULE_PREFIX.sub("", rule_id, count=1)
        return bool(self.rule) and (fnmatch.fnmatchcase(rule_id, self.rule) or fnmatch.fnmatchcase(short, self.rule))

    def covers_policy(self, name: str) -> bool:
        """Return whether it holds for the verdict of a policy."""
        return not self.policies or _names(self.policies, name)


def load_exceptions(text: str, place: str, *, latest: datetime.date | None = None) -> list[Acceptance]:
    """Read a list of exceptions; an empty file has none.

    ``place`` names the file in errors. ``latest``: the last day on which one may end; None for any. Raises
    ``InputError``.
    """
    root = read_document(text, place)
    if root.value is None:
        return []
    return [_acceptance(field, latest) for field in root.items("a list of exceptions, each beginning with '- id:'")]


def check_policies(acceptances: t.Iterable[Acceptance], names: t.Collection[str]) -> None:
    """Raise ``InputError`` for an exception that is meant for policies of which there is none."""
    for acceptance in acceptances:
        for pattern in acceptance.policies:
            if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
                known_names = ", ".join(sorted(names)[:10])
                raise InputError(
                    f"{acceptance.where}, line {acceptance.line}: exception {acceptance.label}: there is no policy "
                    f"'{visible(pattern, 100)}'{nearest(pattern, names)} (known: {known_names})"
                )


def _names(patterns: tuple[str, ...], text: str) -> bool:
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)


def _acceptance(field: Field, latest: datetime.date | None) -> Acceptance:
    field = field.renamed(f"exception {field.path}")
    fields = field.mapping(_PROPERTIES, "an exception with id (or rule), reason and expires")
    values: dict[str, t.Any] = {"where": field.where, "line": field.line, **_subject(field, fields)}
    if "reason" not in fields:
        raise field.error("reason is missing: why it is accepted")
    if "expires" not in fields and "when" not in fields:
        raise field.error(
            "expires is missing: the last day on which it holds, such as 2027-03-31 (or 'when: fixed'); nothing is "
            "accepted for ever"
        )
    values["reason"] = fields["reason"].text("why it is accepted")
    values["expires"] = _expires(fields["expires"], latest) if "expires" in fields else None
    if "when" in fields:
        fields["when"].choice(("fixed",), "an event that ends an exception")
        values["until_fixed"] = True
        if values["expires"] is None and re.search(_WILDCARD, values["id"]):
            raise fields["when"].error("a pattern of ids accepts what is yet to be found: give 'expires', too")
    for key, parse in _OPTIONAL.items():
        if key in fields:
            values[key] = parse(fields[key])
    for pattern in values.get("packages", ()):
        if not re.fullmatch(_PACKAGE_NAMING, pattern):
            raise fields["packages"].error(_too_many_packages(pattern))
    return Acceptance(**values)


def _subject(field: Field, fields: t.Mapping[str, Field]) -> dict[str, t.Any]:
    """The finding or the rule that an exception is for."""
    if "id" in fields and "rule" in fields:
        raise fields["rule"].error("give id or rule, not both: an exception is for findings or for rules")
    if "id" in fields:
        return {"id": _identifier(fields["id"], "packages" in fields)}
    if "rule" not in fields:
        raise field.error("id is missing: which finding, such as CVE-2026-12345 (or rule: which OpenSCAP rule)")
    rule = _rule(fields["rule"])
    for key in ("packages", "when", "justification"):
        if key in fields:
            raise fields[key].error("is for findings; an exception for a rule has no such key")
    return {"id": "", "rule": rule}


def _read_patterns(field: Field) -> tuple[str, ...]:
    patterns = field.texts("a list of patterns")
    if not patterns:
        raise field.error("an empty list covers nothing: leave the key out to cover all")
    if not all(re.match(_NAMING, pattern) for pattern in patterns):
        raise field.error("a pattern of wildcards alone names nothing: leave the key out to cover all")
    return patterns


_OPTIONAL: t.Mapping[str, t.Callable[[Field], t.Any]] = {
    "owner": lambda field: field.text("who answers for it"),
    "ticket": lambda field: field.text("where it was agreed"),
    "justification": lambda field: field.choice(JUSTIFICATIONS, "a VEX justification"),
    "packages": _read_patterns,
    "images": _read_patterns,
    "policies": _read_patterns,
}


def _expires(field: Field, latest: datetime.date | None) -> datetime.date:
    day = field.date()
    if latest is not None and day > latest:
        raise field.error(
            f"{day} is too far ahead: the last day that is accepted now is {latest}. Write that day or an earlier one "
            "and renew the exception in time, or raise 'exceptions_max_days' (of the role: scan_exceptions_max_days)"
        )
    return day


def _too_many_packages(pattern: str) -> str:
    """Say what a pattern of packages lacks, and how to write it."""
    begun = re.match(r"[A-Za-z0-9][A-Za-z0-9._+]{2,}", pattern)
    example = f"[{begun[0]}, '{begun[0]}-*']" if begun else "[openssl, 'openssl-*']"
    return (
        f"'{visible(pattern, 100)}' covers packages that it does not name: a pattern begins with the name of a package "
        f"up to a hyphen, as in {example}"
    )


def _identifier(field: Field, packages: bool) -> str:
    identifier = field.text("the id of a finding, such as CVE-2026-12345")
    if not re.fullmatch(_ID, identifier) or not re.match(_NAMING, identifier):
        raise field.error("expected the id of a finding or a pattern of it, such as CVE-2026-12345")
    # CVE-* would accept whatever is ever found; a family of findings has the beginning of a number in common.
    begun = re.match(_ID_NAMING, identifier) or not re.search(_WILDCARD, identifier)
    if not begun and not packages:
        raise field.error(
            f"'{identifier}' accepts far too much: name the packages, or more of the id, as in CVE-2026-123*"
        )
    return identifier


def _rule(field: Field) -> str:
    rule = field.text("the id of an OpenSCAP rule, such as no_empty_passwords")
    if not re.fullmatch(_RULE, rule):
        raise field.error("expected the id of an OpenSCAP rule or a pattern of it, such as no_empty_passwords")
    if not re.fullmatch(_RULE_NAMING, rule):
        raise field.error(
            f"'{rule}' accepts far too much: write the rule's id, or two words of what follows _rule_ in it before the "
            "first wildcard, as in sshd_disable_*"
        )
    return rule


def _text(description: str, **extras: t.Any) -> dict[str, t.Any]:
    return {"type": "string", "description": description, "minLength": 1, "maxLength": VALUE_LIMIT, **extras}


def _patterns(description: str, naming: str = _NAMING) -> dict[str, t.Any]:
    pattern = {"type": "string", "pattern": naming, "maxLength": VALUE_LIMIT}
    return {"description": description, "anyOf": [pattern, {"type": "array", "items": pattern, "minItems": 1}]}


_PROPERTIES: t.Mapping[str, dict[str, t.Any]] = {
    "id": _text(
        "Which finding: its id or a shell pattern of it, such as CVE-2026-123*.", pattern=f"(?={_NAMING})^{_ID}$"
    ),
    "rule": _text(
        "Which OpenSCAP rule that failed: its id, the part after _rule_, or a shell pattern of one of them.",
        pattern=f"(?=^{_RULE_NAMING}$)^{_RULE}$",
    ),
    "reason": _text("Why it is accepted."),
    "expires": _text("The last day on which it holds (UTC).", pattern=r"^\d{4}-\d{2}-\d{2}$"),
    "when": {"description": "The exception ends for a finding as soon as that has a fix.", "enum": ["fixed"]},
    "owner": _text("Who answers for it."),
    "ticket": _text("Where it was agreed."),
    "justification": {
        "description": "Why the image is not affected, in the words of VEX; without it the risk is accepted.",
        "enum": list(JUSTIFICATIONS),
    },
    "packages": _patterns(
        "Names of packages, or name-epoch:version-release.arch, or patterns that begin with a name up to a hyphen, "
        "such as openssl-*. Without it: all.",
        f"^{_PACKAGE_NAMING}$",
    ),
    "images": _patterns("References or digests of images. Without it: all."),
    "policies": _patterns("Names of the policies for which it holds. Without it: all."),
}

#: JSON Schema of the file, for editors and for checks before a commit. ``load_exceptions`` asks for more: that a date
#: is one, that patterns name enough.
EXCEPTIONS_SCHEMA: t.Mapping[str, t.Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Exceptions of imagescan.openshift",
    "type": ["array", "null"],
    "items": {
        "type": "object",
        "properties": dict(_PROPERTIES),
        "additionalProperties": False,
        "required": ["reason"],
        "oneOf": [{"required": ["id"]}, {"required": ["rule"]}],
        "anyOf": [{"required": ["expires"]}, {"required": ["when"]}],
        "dependentSchemas": {"rule": {"properties": {"packages": False, "when": False, "justification": False}}},
    },
}
