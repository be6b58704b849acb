# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small CSAF-VEX documents, feeds and inventories for tests of the reader, the index and the matcher."""

from __future__ import annotations

import json
import re
import typing as t
import urllib.parse
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import (
    Inventory,
    OsRelease,
    Package,
    RepositoryId,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import (
    match_inventory,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import Match

Json = dict[str, t.Any]

NOW = "2026-08-21T12:00:00Z"
RED_HAT_KEY = "199e2f91fd431d51"
MAIN_8 = "cpe:/o:redhat:enterprise_linux:8::baseos"
MAIN_9 = "cpe:/o:redhat:enterprise_linux:9::baseos"
MAJOR_9 = "cpe:/o:redhat:enterprise_linux:9"
EUS_9_2 = "cpe:/o:redhat:rhel_eus:9.2::baseos"


class Says(t.NamedTuple):
    """One thing that a document says: of which package of which product, and what."""

    status: str
    cpe: str
    name: str
    evr: str = ""
    arch: str = "x86_64"
    module: str = ""
    severity: str = "Moderate"
    state: str = "Affected"
    advisory: str = "RHSA-2026:1001"


def fixed(cpe: str, name: str, evr: str, **more: t.Any) -> Says:
    return Says("fixed", cpe, name, evr, **more)


def affected(cpe: str, name: str, **more: t.Any) -> Says:
    return Says("known_affected", cpe, name, **{"arch": "", **more})


def not_affected(cpe: str, name: str, **more: t.Any) -> Says:
    return Says("known_not_affected", cpe, name, **{"arch": "", **more})


def investigated(cpe: str, name: str, **more: t.Any) -> Says:
    return Says("under_investigation", cpe, name, **{"arch": "", **more})


def purl(said: Says) -> str:
    """The package URL as Red Hat writes it: epoch as a qualifier, left out when it is 0."""
    epoch, _colon, version = said.evr.rpartition(":")
    pairs = [
        ("arch", said.arch),
        ("epoch", epoch if epoch not in ("", "0") else ""),
        ("rpmmod", said.module),
    ]
    query = "&".join(f"{key}={value}" for key, value in pairs if value)
    text = f"pkg:rpm/redhat/{urllib.parse.quote(said.name, safe='')}"
    text += f"@{urllib.parse.quote(version, safe='')}" if version else ""
    return f"{text}?{query}" if query else text


def document(cve: str, *said: Says, date: str = "2026-03-01T10:00:00+00:00", aggregate: str = "Moderate") -> Json:
    """A CSAF-VEX document in the shape of the legacy feed."""
    products: dict[str, Json] = {}
    relationships: dict[str, Json] = {}
    statuses: dict[str, list[str]] = {}
    remediations: list[Json] = []
    threats: list[Json] = []
    for one in said:
        product = "product-" + re.sub(r"[^a-z0-9]+", "-", one.cpe)
        part = one.name + (f"-{one.evr}" if one.evr else "") + (f".{one.arch}" if one.arch else "")
        part += f"::{one.module}" if one.module else ""
        # One id has one status; Red Hat has several products with one CPE.
        while any(f"{product}:{part}" in ids for status, ids in statuses.items() if status != one.status):
            product += "-again"
        products[product] = {"product_id": product, "product_identification_helper": {"cpe": one.cpe}}
        products[part] = {"product_id": part, "product_identification_helper": {"purl": purl(one)}}
        whole = f"{product}:{part}"
        relationships[whole] = {
            "category": "default_component_of",
            "full_product_name": {"product_id": whole, "name": whole},
            "product_reference": part,
            "relates_to_product_reference": product,
        }
        statuses.setdefault(one.status, []).append(whole)
        threats.append({"category": "impact", "details": one.severity, "product_ids": [whole]})
        if one.status == "fixed":
            url = f"https://example.com/errata/{one.advisory}"
            remediations.append({"category": "vendor_fix", "details": "", "product_ids": [whole], "url": url})
        elif one.status == "known_affected":
            category = "none_available" if one.state in ("Affected", "Fix deferred") else "no_fix_planned"
            remediations.append({"category": category, "details": one.state, "product_ids": [whole]})
    return {
        "document": {
            "category": "csaf_vex",
            "csaf_version": "2.0",
            "aggregate_severity": {"text": aggregate},
            "tracking": {"id": cve, "status": "final", "current_release_date": date},
        },
        "product_tree": {
            "branches": [
                {
                    "category": "vendor",
                    "name": "Red Hat",
                    "branches": [
                        {"category": "product_version", "name": key, "product": product}
                        for key, product in products.items()
                    ],
                }
            ],
            "relationships": list(relationships.values()),
        },
        "vulnerabilities": [{"cve": cve, "product_status": statuses, "threats": threats, "remediations": remediations}],
    }


def write_feed(folder: Path, *documents: Json) -> Path:
    """A folder of documents, by year as in the vendor's archive."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in documents:
        cve = one["document"]["tracking"]["id"]
        year = folder / cve.split("-")[1]
        year.mkdir(exist_ok=True)
        (year / f"{cve.lower()}.json").write_text(json.dumps(one), encoding="utf-8")
    return folder


def write_map(path: Path, repositories: t.Mapping[str, t.Sequence[str]]) -> Path:
    path.write_text(json.dumps({"data": {key: {"cpes": list(cpes)} for key, cpes in repositories.items()}}))
    return path


def rpm(
    nevra: str, *, source: str = "", module: str = "", vendor: str = "Red Hat, Inc.", key: str = RED_HAT_KEY
) -> Package:
    """A package from ``name-[epoch:]version-release.arch``; the source is named like it unless told."""
    head, _dot, arch = nevra.rpartition(".")
    name, version, release = head.rsplit("-", 2)
    epoch, colon, version = version.rpartition(":")
    return Package(
        name=name,
        epoch=int(epoch) if colon else None,
        version=version,
        release=release,
        arch=arch,
        source_rpm=source or f"{name}-{version}-{release}.src.rpm",
        vendor=vendor,
        key_id=key,
        modularity=f"{module}:20260101:abcdef01" if module and module.count(":") == 1 else module,
    )


def inventory(
    *packages: Package,
    version: str = "9.4",
    os_id: str = "rhel",
    cpe_name: str = "",
    repositories: t.Sequence[str] = (),
    label_cpes: t.Sequence[str] = (),
    kind: str = "rpm",
) -> Inventory:
    return Inventory(
        kind=kind,
        os=OsRelease(id=os_id, version_id=version, cpe_name=cpe_name),
        packages=packages,
        database=None,
        repositories=tuple(RepositoryId(one, "content_manifest") for one in repositories),
        label_cpes=tuple(label_cpes),
        labels={},
        not_examined={},
        problems=(),
    )


class Feed:
    """Builds an index of documents below a folder and matches against it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0

    def index(
        self, *documents: Json, repositories: t.Mapping[str, t.Sequence[str]] | None = None, **more: t.Any
    ) -> Path:
        self.number += 1
        root = self.folder / str(self.number)
        feed = write_feed(root / "feed", *documents)
        mapped = str(write_map(root / "map.json", repositories)) if repositories else ""
        dest = root / "index"
        build_index(str(feed), str(dest), repository_map=mapped, now=NOW, **more)
        return dest

    def match(self, taken: Inventory, *documents: Json, **more: t.Any) -> Match:
        with FeedIndex.open(str(self.index(*documents, **more))) as index:
            return match_inventory(taken, index)

    def match_with(
        self, cpes: t.Sequence[str], said: t.Sequence[Says], *packages: Package, version: str = "9.4"
    ) -> Match:
        """Match packages of an image whose repositories have these CPEs against one document, CVE-2026-1000."""
        taken = inventory(*packages, version=version, repositories=["repo"])
        return self.match(taken, document("CVE-2026-1000", *said), repositories={"repo": cpes})
