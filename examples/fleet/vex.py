# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write vulnerability statements: CSAF-VEX documents in the shape that Red Hat's legacy feed has, and its map.

The documents are examples. Publisher and notes say so, so that nobody takes one for a statement of Red Hat.
Shape: CSAF 2.0, product tree of branches (vendor, product family, product; vendor, architecture, component) joined by
relationships, as Red Hat publishes it. Standard library only.
"""

from __future__ import annotations

import dataclasses
import typing as t

Json = dict[str, t.Any]

NOTICE = (
    "This document is an example, generated for tests and demonstrations. It is not a statement of Red Hat, and "
    "says nothing about real software."
)


@dataclasses.dataclass(frozen=True)
class Product:
    """A product of the feed: its id in the documents, its title and its CPE."""

    id: str
    title: str
    cpe: str


RHEL8 = Product("red_hat_enterprise_linux_8", "Red Hat Enterprise Linux 8", "cpe:/o:redhat:enterprise_linux:8")
RHEL9 = Product("red_hat_enterprise_linux_9", "Red Hat Enterprise Linux 9", "cpe:/o:redhat:enterprise_linux:9")
RHEL8_BASEOS = Product(
    "BaseOS-8.10.0.Z.MAIN.EUS",
    "Red Hat Enterprise Linux BaseOS (v. 8)",
    "cpe:/o:redhat:enterprise_linux:8::baseos",
)
RHEL9_BASEOS = Product(
    "BaseOS-9.4.0.Z.MAIN.EUS",
    "Red Hat Enterprise Linux BaseOS (v. 9)",
    "cpe:/o:redhat:enterprise_linux:9::baseos",
)
RHEL9_APPSTREAM = Product(
    "AppStream-9.4.0.Z.MAIN.EUS",
    "Red Hat Enterprise Linux AppStream (v. 9)",
    "cpe:/a:redhat:enterprise_linux:9::appstream",
)


@dataclasses.dataclass(frozen=True)
class Says:
    """What a document says of components of one product.

    ``components``: ``name-epoch:version-release.arch`` for ``fixed`` (and for what is named by build), else
    ``name`` or ``name.src``. ``status``: the CSAF product status. ``state``: the remediation's words for what is not
    fixed (``Affected``, ``Fix deferred``, ``Will not fix``, ``Out of support scope``). ``module``: ``name:stream``.
    """

    product: Product
    status: str
    components: tuple[str, ...]
    advisory: str = ""
    state: str = ""
    severity: str = ""
    module: str = ""


_STATE_CATEGORIES = {
    "Affected": "none_available",
    "Fix deferred": "none_available",
    "Will not fix": "no_fix_planned",
    "Out of support scope": "no_fix_planned",
}


def _purl(component: str, module: str) -> str:
    suffix = f"rpmmod={module}" if module else ""
    if ":" in component:
        rest, arch = component.rsplit(".", 1)
        name, version, release = rest.rsplit("-", 2)
        epoch, version = version.split(":", 1)
        query = [f"arch={arch}"] + ([f"epoch={epoch}"] if epoch != "0" else []) + ([suffix] if suffix else [])
        return f"pkg:rpm/redhat/{name.replace('+', '%2B')}@{version}-{release}?" + "&".join(query)
    name, source, _rest = component.partition(".src")
    query = (["arch=src"] if source else []) + ([suffix] if suffix else [])
    return f"pkg:rpm/redhat/{name.replace('+', '%2B')}" + ("?" + "&".join(query) if query else "")


def document(
    cve: str,
    title: str,
    severity: str,
    says: t.Sequence[Says],
    *,
    released: str = "2026-02-02T10:00:00+00:00",
    score: float = 0.0,
) -> Json:
    """One CSAF-VEX document. ``severity`` (``Low`` … ``Critical``) holds where a ``Says`` names no other."""
    products: dict[str, Product] = {}
    components: dict[str, tuple[str, str]] = {}
    relationships: list[Json] = []
    status: dict[str, list[str]] = {}
    remediations: list[Json] = []
    impacts: dict[str, list[str]] = {}
    for item in says:
        products[item.product.id] = item.product
        ids = []
        for component in item.components:
            component_id = f"{component}::{item.module}" if item.module else component
            components[component_id] = (component, item.module)
            full = f"{item.product.id}:{component_id}"
            ids.append(full)
            relationships.append(
                {
                    "category": "default_component_of",
                    "full_product_name": {
                        "name": f"{component} as a component of {item.product.title}",
                        "product_id": full,
                    },
                    "product_reference": component_id,
                    "relates_to_product_reference": item.product.id,
                }
            )
        status.setdefault(item.status, []).extend(ids)
        if item.status != "known_not_affected":
            impacts.setdefault(item.severity or severity, []).extend(ids)
        if item.status == "fixed":
            remediations.append(
                {
                    "category": "vendor_fix",
                    "date": released,
                    "details": "Update the package.",
                    "product_ids": ids,
                    "url": f"https://access.redhat.com/errata/{item.advisory}",
                }
            )
        elif item.state:
            remediations.append({"category": _STATE_CATEGORIES[item.state], "details": item.state, "product_ids": ids})
    branches: list[Json] = [
        {
            "category": "product_family",
            "name": product.title,
            "branches": [
                {
                    "category": "product_name",
                    "name": product.title,
                    "product": {
                        "name": product.title,
                        "product_id": product.id,
                        "product_identification_helper": {"cpe": product.cpe},
                    },
                }
            ],
        }
        for product in products.values()
    ]
    arches: dict[str, list[Json]] = {}
    for component_id, (component, module) in components.items():
        arch = component.rsplit(".", 1)[1] if ":" in component or component.endswith(".src") else "noarch"
        arches.setdefault(arch, []).append(
            {
                "category": "product_version",
                "name": component_id,
                "product": {
                    "name": component_id,
                    "product_id": component_id,
                    "product_identification_helper": {"purl": _purl(component, module)},
                },
            }
        )
    branches += [
        {"category": "architecture", "name": arch, "branches": versions} for arch, versions in sorted(arches.items())
    ]
    vulnerability: Json = {
        "cve": cve,
        "title": title,
        "discovery_date": released,
        "release_date": released,
        "notes": [{"category": "description", "text": NOTICE, "title": "Vulnerability description"}],
        "product_status": status,
        "remediations": remediations,
        "threats": [{"category": "impact", "details": details, "product_ids": ids} for details, ids in impacts.items()],
        "references": [],
    }
    if score:
        everything = [full for ids in impacts.values() for full in ids]
        vulnerability["scores"] = [{"cvss_v3": {"baseScore": score, "version": "3.1"}, "products": everything}]
    not_affected = status.get("known_not_affected")
    if not_affected:
        vulnerability["flags"] = [{"label": "vulnerable_code_not_present", "product_ids": not_affected}]
    return {
        "document": {
            "aggregate_severity": {
                "namespace": "https://access.redhat.com/security/updates/classification/",
                "text": severity,
            },
            "category": "csaf_vex",
            "csaf_version": "2.0",
            "lang": "en",
            "notes": [{"category": "general", "text": NOTICE, "title": "Example"}],
            "publisher": {
                "category": "other",
                "name": "Example fleet of imagescan.openshift",
                "namespace": "https://imagescan.github.io/example-fleet",
            },
            "references": [],
            "title": title,
            "tracking": {
                "current_release_date": released,
                "generator": {"date": released, "engine": {"name": "imagescan example fleet", "version": "1"}},
                "id": cve,
                "initial_release_date": released,
                "revision_history": [{"date": released, "number": "1", "summary": "Example"}],
                "status": "final",
                "version": "1",
            },
        },
        "product_tree": {
            "branches": [{"category": "vendor", "name": "Red Hat", "branches": branches}],
            "relationships": relationships,
        },
        "vulnerabilities": [vulnerability],
    }


def file_name(cve: str) -> str:
    """Where a feed keeps a document: ``2026/cve-2026-0001.json``."""
    return f"{cve.split('-')[1]}/{cve.lower()}.json"


def repository_map(repositories: t.Mapping[str, t.Sequence[str]]) -> Json:
    """``repository-to-cpe.json``: repository id -> CPEs."""
    return {"data": {name: {"cpes": list(cpes)} for name, cpes in repositories.items()}}
