# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema of the report's image object: what expressions in policies are checked against, and what tests check
``image_document`` against. JSON Schema, the few keywords that are needed."""

from __future__ import annotations

import typing as t

from .._compliance.model import RULE_RESULTS, RULE_SEVERITIES
from .._vulnerabilities.model import SEVERITIES, STATUSES
from .model import VERDICTS

#: Kinds of components that no RPM feed covers.
COMPONENTS = ("jar", "python", "npm", "dpkg", "apk")

CPE_SOURCES = ("content_manifest", "dnf_history", "label", "os_release", "assumed")

Schema = t.Mapping[str, t.Any]

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


_REASONS = _list(_object(code={"type": "string", "form": "code", "empty": False}, message=_TEXT))


def _form(name: str, *, empty: bool = True) -> Schema:
    """A text of one of ``forms.FORMS``. ``empty``: it may be empty, too."""
    return {"type": "string", "form": name, "empty": empty}


def _number(minimum: float, maximum: float) -> Schema:
    return {"type": ["number", "null"], "minimum": minimum, "maximum": maximum}


#: What is known of an image before it is judged: the part that expressions may ask about.
FACTS_SCHEMA: Schema = _object(
    digest=_form("digest", empty=False),
    reference=_form("reference"),
    references=_list(_form("reference", empty=False)),
    os=_form("os"),
    platform=_form("platform"),
    packages=_COUNT,
    not_examined=_object(**dict.fromkeys(COMPONENTS, _COUNT)),
    inventory=_object(
        complete={"type": "boolean"},
        problems=_REASONS,
        repositories=_list(_object(cpe=_form("cpe", empty=False), source=_one_of(*CPE_SOURCES))),
    ),
    vulnerabilities=_list(
        _object(
            id=_form("finding", empty=False),
            name=_form("name", empty=False),
            package=_form("package", empty=False),
            severity=_one_of(*SEVERITIES),
            status=_one_of(*STATUSES),
            fixed_in=_TEXT,
            advisory=_form("advisory"),
            module=_TEXT,
            cvss=_form("cvss"),
            cvss_score=_number(0, 10),
            cpe=_form("cpe"),
            product=_TEXT,
            document=_TEXT,
            revision=_form("time"),
            exception=_TEXT,
        )
    ),
    compliance={
        "type": ["object", "null"],
        "properties": {
            "profile": _form("profile"),
            "benchmark": _object(id=_TEXT, version=_TEXT),
            "content": _form("sha256"),
            "tailoring": _form("sha256"),
            "partial": {"type": "boolean"},
            "score": _number(0, 100),
            "counts": _object(**dict.fromkeys(RULE_RESULTS, _COUNT)),
            "problems": _REASONS,
            "rules": _list(
                _object(
                    id=_form("rule", empty=False),
                    title=_TEXT,
                    result=_one_of(*RULE_RESULTS),
                    severity=_one_of(*RULE_SEVERITIES),
                    identifiers=_list(_TEXT),
                    references=_list(_TEXT),
                    exception=_TEXT,
                )
            ),
        },
        "required": ["profile", "benchmark", "content", "tailoring", "partial", "score", "counts", "problems", "rules"],
        "additionalProperties": False,
    },
)

#: The whole image object of the report.
IMAGE_SCHEMA: Schema = _object(
    **FACTS_SCHEMA["properties"],
    verdict=_one_of(*VERDICTS),
    policies=_list(_object(name=_TEXT, sha256=_TEXT, verdict=_one_of(*VERDICTS))),
    reasons=_REASONS,
    exceptions=_list(
        _object(
            id=_TEXT,
            kind=_one_of("exception", "vex"),
            state=_one_of("accepted", "expired", "fix_available"),
            status=_TEXT,
            justification=_TEXT,
            reason=_TEXT,
            owner=_TEXT,
            ticket=_TEXT,
            expires=_TEXT,
            when=_TEXT,
            time=_TEXT,
            policies=_list(_TEXT),
            findings=_list(_object(id=_TEXT, package=_TEXT)),
            rules=_list(_TEXT),
        )
    ),
)


def truth_kinds(schema: Schema) -> set[str]:
    """The kinds of values of a type, without null; whole numbers are numbers."""
    kinds = schema.get("type", ())
    return {"number" if kind == "integer" else kind for kind in ([kinds] if isinstance(kinds, str) else kinds)} - {
        "null"
    }
