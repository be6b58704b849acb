# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exceptions that hold, as OpenVEX 0.2.0, for whoever runs another scanner over the same images.

An exception with a justification says ``not_affected``; one without accepts a risk, which is ``affected`` with what
was decided about it. Each product is an image by digest, with the packages in question as its subcomponents. What
makers of images say is left to their own documents, and rules of OpenSCAP are not vulnerabilities. A finding that still
counts, for another policy or another product of the image, is left out: who reads the document knows neither.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

from .._verdicts.selection import split_reference
from .._verdicts.vex import CONTEXT
from .._verdicts.vex_names import PACKAGE, namespaces_of
from .document import ReportFormat

_NOBODY = "unknown"
#: Time of a report about nothing, for which the format demands one all the same.
_NEVER = "1970-01-01T00:00:00Z"
_TOOL = "imagescan.openshift"


def render(report: t.Mapping[str, t.Any]) -> bytes:
    """The bytes of report.openvex.json; an equal report gives equal bytes. Without exceptions it has no statement."""
    #: (vulnerability, what is said of it) -> image -> packages
    claims: dict[tuple[str, str], dict[str, set[str]]] = {}
    authors: set[str] = set()
    for image in report["images"]:
        for exception, identifier, package in _accepted(image):
            authors.add(exception["owner"] or _NOBODY)
            products = claims.setdefault((identifier, json.dumps(_claim(exception), sort_keys=True)), {})
            products.setdefault(_image_url(image), set()).add(_package_url(package, image["os"]))
    statements = [
        {
            **json.loads(claim),
            "vulnerability": {"name": identifier},
            "products": [
                {
                    "@id": url,
                    "identifiers": {"purl": url},
                    "subcomponents": [{"@id": part, "identifiers": {"purl": part}} for part in sorted(parts)],
                }
                for url, parts in sorted(products.items())
            ],
        }
        for (identifier, claim), products in sorted(claims.items())
    ]
    document = {
        "@context": CONTEXT,
        "author": ", ".join(sorted(authors)) or _NOBODY,
        "timestamp": report["as_of"] or _NEVER,
        "version": 1,
        "tooling": _TOOL,
        "statements": statements,
    }
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode("ascii")).hexdigest()
    document["@id"] = f"https://openvex.dev/docs/public/vex-{digest}"
    return (json.dumps(document, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


def _accepted(image: t.Mapping[str, t.Any]) -> t.Iterator[tuple[t.Mapping[str, t.Any], str, str]]:
    """The exceptions by which nothing of a finding counts, each with the finding's id and package."""
    findings = image["vulnerabilities"] if image["digest"] else ()
    counting = {(finding["id"], finding["package"]) for finding in findings if not finding["exception"]}
    accepted = {(finding["id"], finding["package"]) for finding in findings} - counting
    for exception in image.get("exceptions", ()):
        if (exception["kind"], exception["state"]) == ("exception", "accepted"):
            for finding in exception["findings"]:
                if (finding["id"], finding["package"]) in accepted:
                    yield exception, finding["id"], finding["package"]


def _claim(exception: t.Mapping[str, t.Any]) -> dict[str, str]:
    ends = [exception["expires"]] if exception["expires"] else []
    until = " or ".join(ends + (["a fix is there"] if exception["when"] else []))
    ticket = f" ({exception['ticket']})" if exception["ticket"] else ""
    owner = exception["owner"] or _NOBODY
    if exception["justification"]:
        # The format's schema allows an impact statement only instead of a justification.
        notes = f"{exception['reason']}{ticket}; decided by {owner} until {until}"
        return {"status": "not_affected", "justification": exception["justification"], "status_notes": notes}
    action = f"The risk is accepted by {owner} until {until}: {exception['reason']}{ticket}"
    return {"status": "affected", "action_statement": action}


def _image_url(image: t.Mapping[str, t.Any]) -> str:
    import packageurl

    registry, repository = split_reference(image["reference"])
    qualifiers = {}
    if registry:
        name = repository.rpartition("/")[2]
        qualifiers["repository_url"] = f"{registry}/{repository}"
    else:
        # Of a file or folder only its name is told, not where it lies on this machine.
        name = re.sub(r"[^A-Za-z0-9._-]", "-", repository.rpartition("/")[2]) or "image"
    architecture = image["platform"].split("/")[1:2]
    if architecture:
        qualifiers["arch"] = architecture[0]
    return str(packageurl.PackageURL("oci", None, name.lower(), image["digest"], qualifiers).to_string())


def _package_url(package: str, os_name: str) -> str:
    import packageurl

    distribution, _space, version = os_name.partition(" ")
    parts = PACKAGE.fullmatch(package)
    name, build, qualifiers = package, None, {}
    if parts is not None:
        name, build = parts["name"], parts["build"]
        qualifiers["arch"] = parts["arch"]
        if parts["epoch"] != "0":
            qualifiers["epoch"] = parts["epoch"]
    if distribution:
        qualifiers["distro"] = f"{distribution}-{version}" if version else distribution
    namespace = namespaces_of(distribution)[:1]
    url = packageurl.PackageURL("rpm", namespace[0] if namespace else None, name, build, qualifiers)
    return str(url.to_string())


FORMAT = ReportFormat("openvex", "OpenVEX", "report.openvex.json", render)
