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
_COUNT: Schema = {"type": "integer"}


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


_REASONS = _list(_object(code=_TEXT, message=_TEXT))

#: What is known of an image before it is judged: the part that expressions may ask about.
FACTS_SCHEMA: Schema = _object(
    digest=_TEXT,
    reference=_TEXT,
    references=_list(_TEXT),
    os=_TEXT,
    platform=_TEXT,
    packages=_COUNT,
    not_examined=_object(**dict.fromkeys(COMPONENTS, _COUNT)),
    inventory=_object(
        complete={"type": "boolean"},
        problems=_REASONS,
        repositories=_list(_object(cpe=_TEXT, source=_one_of(*CPE_SOURCES))),
    ),
    vulnerabilities=_list(
        _object(
            id=_TEXT,
            package=_TEXT,
            severity=_one_of(*SEVERITIES),
            status=_one_of(*STATUSES),
            fixed_in=_TEXT,
            advisory=_TEXT,
            module=_TEXT,
            cvss=_TEXT,
            cpe=_TEXT,
            product=_TEXT,
            document=_TEXT,
            revision=_TEXT,
            exception=_TEXT,
        )
    ),
    compliance={
        "type": ["object", "null"],
        "properties": {
            "profile": _TEXT,
            "benchmark": _object(id=_TEXT, version=_TEXT),
            "content": _TEXT,
            "tailoring": _TEXT,
            "partial": {"type": "boolean"},
            "score": {"type": ["number", "null"]},
            "counts": _object(**dict.fromkeys(RULE_RESULTS, _COUNT)),
            "problems": _REASONS,
            "rules": _list(
                _object(
                    id=_TEXT,
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
