# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Products and platforms that are there, and that nobody looked at."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import sqlite3
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.examples.fleet import images, rpmdb, vex

from .situation import FEED, OTHERS, PATCHED, REPOSITORIES, VULNERABLE, Situation, document
from .trap import Trap, differs

OPENSHIFT_REPOSITORY = "rhocp-4.14-for-rhel-9-x86_64-rpms"
OPENSHIFT = vex.Product("9Base-RHOSE-4.14", "Red Hat OpenShift 4.14", "cpe:/a:redhat:openshift:4.14::el9")
WITH_OPENSHIFT = {**REPOSITORIES, OPENSHIFT_REPOSITORY: [OPENSHIFT.cpe]}


def history(rpm: rpmdb.Rpm, repository: str) -> tuple[images.Entry, ...]:
    """A dnf history that knows of one package."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.sqlite"
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.executescript(
                """
                CREATE TABLE repo (id INTEGER PRIMARY KEY, repoid TEXT NOT NULL);
                CREATE TABLE trans_item (id INTEGER PRIMARY KEY AUTOINCREMENT, trans_id INTEGER, item_id INTEGER,
                  repo_id INTEGER, action INTEGER NOT NULL, reason INTEGER NOT NULL, state INTEGER NOT NULL);
                CREATE TABLE rpm (item_id INTEGER UNIQUE NOT NULL, name TEXT NOT NULL, epoch INTEGER NOT NULL,
                  version TEXT NOT NULL, release TEXT NOT NULL, arch TEXT NOT NULL);
                """
            )
            database.execute("INSERT INTO repo VALUES (1, ?)", (repository,))
            database.execute("INSERT INTO trans_item VALUES (1, 1, 1, 1, 1, 1, 1)")
            row = (rpm.name, rpm.epoch or 0, rpm.version, rpm.release, rpm.arch)
            database.execute("INSERT INTO rpm VALUES (1, ?, ?, ?, ?, ?)", row)
        return (images.Entry("var/lib/dnf/history.sqlite", path.read_bytes()),)


def of_openshift(name: str, fix: str) -> tuple[vex.Json, ...]:
    """A feed that knows the fix of a package of a layered product."""
    fixes = tuple(f"{name}-0:{fix}.{arch}" for arch in ("x86_64", "src"))
    return (*FEED, document(vex.Says(OPENSHIFT, "fixed", fixes, "RHSA-2026:90077"), cve="CVE-2026-900177"))


CLIENTS = rpmdb.parse_rpm("openshift-clients-4.14.0-20.el9.x86_64")
OLD_HISTORY = history(CLIENTS, OPENSHIFT_REPOSITORY)

COMPAT_FIX = document(
    vex.Says(
        vex.RHEL8_BASEOS,
        "fixed",
        tuple(f"compat-openssl10-1:1.0.2o-4.el8_6.{arch}" for arch in ("x86_64", "src")),
        "RHSA-2026:90078",
    ),
    cve="CVE-2026-900178",
)
COMPAT_UNKNOWN = document(vex.Says(vex.RHEL8, "known_affected", ("zlib.src",)), cve="CVE-2026-900178")

STRICT = "- name: strict\n  vulnerabilities: {max_severity: moderate}\n"
IN_APPSTREAM = vex.Says(vex.RHEL9_APPSTREAM, "known_affected", ("openssl-libs", "openssl.src"), state="Affected")


def said(*says: vex.Says) -> tuple[vex.Json, ...]:
    return (document(*says), OTHERS)


def not_affected(product: vex.Product) -> vex.Says:
    """A build, so that it may stand beside what is said of the package: one id has one status."""
    return vex.Says(product, "known_not_affected", ("openssl-libs-1:3.0.7-1.el9.x86_64",))


def first_platform(platform: t.Mapping[str, str] | None) -> t.Callable[[dict[str, bytes]], None]:
    """Write another platform, or none, into the index's first entry."""

    def edit(files: dict[str, bytes]) -> None:
        layout = json.loads(files["index.json"])
        entry = layout["manifests"][0]
        content = json.loads(files.pop(f"blobs/{entry['digest'].replace(':', '/')}"))
        content["manifests"][0].pop("platform")
        if platform is not None:
            content["manifests"][0]["platform"] = platform
        data = images.to_json(content)
        digest = hashlib.sha256(data).hexdigest()
        files[f"blobs/sha256/{digest}"] = data
        entry.update(digest=f"sha256:{digest}", size=len(data))
        files["index.json"] = images.to_json(layout)

    return edit


def beside(packages: tuple[rpmdb.Rpm, ...]) -> tuple[tuple[str, Situation], ...]:
    """An image and, behind it in the index, one that passes."""
    return (("linux/amd64", Situation(packages=packages)), ("linux/amd64", Situation(labels=(("number", "2"),))))


def on_platform(name: str, fools: str, platform: t.Mapping[str, str] | None) -> Trap:
    edit = first_platform(platform)
    return differs(name, fools, "children", beside(VULNERABLE), beside(PATCHED), verdict="failed", edit_layout=edit)


def rated(word: str) -> tuple[vex.Json, ...]:
    """An important flaw whose impact on the product is written otherwise."""
    item = document()
    item["vulnerabilities"][0]["threats"][0]["details"] = word
    return (item, OTHERS)


def rename_cpe(prefix: str) -> tuple[vex.Json, ...]:
    """A document whose products have a CPE that begins otherwise."""
    text = json.dumps(document()).replace('"cpe:/', f'"{prefix}')
    return (json.loads(text), OTHERS)


TRAPS = [
    differs(
        "impact-none-of-an-important-flaw",
        "whoever takes an impact that nobody rated for none, though the document is rated important",
        "documents",
        rated("None"),
        rated("Low"),
        verdict="failed",
        packages=VULNERABLE,
    ),
    differs(
        "product-with-unreadable-cpe",
        "whoever passes over statements whose product cannot be read, as if nothing had been said",
        "documents",
        rename_cpe(" CPE:/"),
        rename_cpe("cpe:/"),
        codes="feed-incomplete",
    ),
    differs(
        "repository-beside-the-manifest",
        "whoever leaves the dnf history out where the base image has a content manifest: a package of a layered product"
        " was installed on top of it, and what is said for that product is not looked at",
        "documents",
        of_openshift("openshift-clients", "4.14.0-21.el9"),
        of_openshift("openshift-clients", "4.14.0-20.el9"),
        verdict="failed",
        packages=(*PATCHED, CLIENTS),
        repositories=WITH_OPENSHIFT,
        more=OLD_HISTORY,
    ),
    differs(
        "layered-product-that-nothing-names",
        "whoever matches what a layered product brought by the products of Enterprise Linux alone",
        "labels",
        (),
        (("cpe", OPENSHIFT.cpe),),
        codes="product-unknown",
        packages=(*PATCHED, rpmdb.parse_rpm("cri-tools-1.27.0-3.rhaos4.14.el9.x86_64")),
        documents=of_openshift("cri-tools", "1.27.0-3.rhaos4.14.el9"),
    ),
    differs(
        "one-package-of-another-release",
        "whoever takes the release of most packages for that of all: one of Enterprise Linux 8 in an image of 9",
        "documents",
        (*FEED, COMPAT_FIX),
        (*FEED, COMPAT_UNKNOWN),
        codes="release-mismatch",
        packages=(*PATCHED, rpmdb.parse_rpm("compat-openssl10-1:1.0.2o-3.el8.x86_64")),
    ),
    differs(
        "not-affected-in-another-channel",
        "whoever lets what is said of one channel clear what is said of another",
        "documents",
        said(IN_APPSTREAM, not_affected(vex.RHEL9_BASEOS)),
        said(IN_APPSTREAM, not_affected(vex.RHEL9_APPSTREAM)),
        verdict="failed",
        policy=STRICT,
    ),
    differs(
        "not-affected-of-another-product-with-the-same-cpe",
        "whoever takes two products with one CPE for one: an image does not tell which of them it has",
        "documents",
        said(IN_APPSTREAM, not_affected(dataclasses.replace(vex.RHEL9_APPSTREAM, id="AppStream-9.3.0.Z.MAIN.EUS"))),
        said(IN_APPSTREAM, not_affected(vex.RHEL9_APPSTREAM)),
        verdict="failed",
        policy=STRICT,
    ),
    differs(
        "source-package-without-architecture",
        "whoever takes a component without architecture and version for a binary: old documents name sources so",
        "documents",
        said(vex.Says(vex.RHEL9, "known_affected", ("openssl",), state="Affected")),
        said(vex.Says(vex.RHEL9, "known_not_affected", ("openssl",))),
        verdict="failed",
        policy=STRICT,
    ),
    on_platform(
        "image-of-an-index-without-platform",
        "whoever leaves out the image of an index that names no platform: nodes look into its config and run it",
        None,
    ),
    on_platform(
        "platform-by-another-name",
        "whoever compares names of architectures letter by letter: nodes take x86_64 for amd64",
        {"os": "linux", "architecture": "x86_64"},
    ),
    on_platform(
        "platform-without-os",
        "whoever leaves out the image of an index whose platform is not whole: nodes add their own system",
        {"architecture": "amd64"},
    ),
]
