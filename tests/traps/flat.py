# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps of the ``vex-feed``: its builds are those of sources, binaries or whole modules, without architecture."""

from __future__ import annotations

import copy
import dataclasses
import json
import typing as t

from ansible_collections.imagescan.openshift.examples.fleet import images, rpmdb, vex

from .matching import (
    EUS_PRODUCT,
    IN_RHEL9,
    MODULAR,
    NOT_AFFECTED_IN_9,
    RHEL8_APPSTREAM,
    STRICT,
    fixed,
    two,
)
from .situation import BASE, OTHERS, PATCHED, document, openssl
from .trap import Trap, differs

EUS_8_8 = vex.Product(
    "AppStream-8.8.0.Z.EUS", "Red Hat Enterprise Linux AppStream EUS (v. 8.8)", "cpe:/a:redhat:rhel_eus:8.8::appstream"
)
OTHERS_8 = document(vex.Says(vex.RHEL8, "known_not_affected", ("bash", "glibc")), cve="CVE-2026-900198")
GIT = "git-0:2.43.5-1.el9_4.src"


def flat(item: vex.Json, *told: str) -> vex.Json:
    """A document in the flat shape. Of ``told`` it keeps that they are sources, of other sources not."""
    result = copy.deepcopy(item)
    result["document"]["tracking"]["generator"]["engine"] = {"name": "CSAF Generator", "version": "2.0.1"}
    leaves: list[vex.Json] = []
    pending = result["product_tree"]["branches"]
    while pending:
        pending = [inner for branch in pending for inner in branch.get("branches", ())]
        leaves += [branch for branch in pending if "product" in branch]
    result["product_tree"]["branches"] = [{"category": "vendor", "name": "Red Hat", "branches": leaves}]
    text = json.dumps(result)
    for leaf in leaves:
        identity = leaf["product"]["product_id"]
        purl = leaf["product"]["product_identification_helper"].get("purl", "")
        if "@" in purl and identity not in told:
            text = text.replace(purl, purl.replace("arch=src", "epoch=0"))
            text = text.replace(identity, identity.removesuffix(".src"))
    value: vex.Json = json.loads(text)
    return value


def source_fix(build: str, product: vex.Product = vex.RHEL9_APPSTREAM) -> vex.Says:
    """A fix that is stated of a source package, or of a module."""
    return vex.Says(product, "fixed", (f"{build}.src",), "RHSA-2026:90001")


def built(name: str, source: str, **fields: t.Any) -> rpmdb.Rpm:
    """A package with the version and release of its source."""
    _name, version, release = source.rsplit("-", 2)
    return rpmdb.Rpm(name, version, release, source=f"{source}.src.rpm", **fields)


def python(version: str) -> rpmdb.Rpm:
    """A package of python39:3.9 as of a build of the module; its own version is the same in all of them."""
    label = f"python39:3.9:{version}:d47b87a4"
    return built("python39-six", "python3x-six-1.15.0-3.module+el8.10.0+1+aaaaaaaa", modularity=label)


def in_9(*says: vex.Says, told: tuple[str, ...] = ()) -> tuple[vex.Json, ...]:
    return (flat(document(*says), *told), OTHERS)


MODULES: dict[str, t.Any] = {
    **MODULAR,
    "documents": (
        flat(
            document(
                source_fix("python39-0:3.9-8100020240826142629.d47b87a4", RHEL8_APPSTREAM),
                source_fix("python39-0:3.9-8080020240911100614.93c2fc2f", EUS_8_8),
            )
        ),
        OTHERS_8,
    ),
}


def mixed() -> tuple[vex.Json, ...]:
    """One build of a legacy document has lost its architecture: it would be one of the flat shape."""
    item = document(fixed("1:3.0.7-28.el9_4"), NOT_AFFECTED_IN_9)
    text = json.dumps(item).replace("openssl-libs-1:3.0.7-28.el9_4.x86_64", "openssl-libs-1:3.0.7-28.el9_4")
    return (json.loads(text.replace("arch=x86_64&", "")), OTHERS)


TRAPS: list[Trap] = [
    # Sources.
    two(
        "fix-stated-of-a-source",
        "whoever takes a build without an architecture for a binary: nothing is called dotnet6.0, and nothing is found",
        built("dotnet-runtime-6.0", "dotnet6.0-6.0.125-1.el9_3"),
        built("dotnet-runtime-6.0", "dotnet6.0-6.0.126-1.el9_3"),
        documents=in_9(source_fix("dotnet6.0-0:6.0.126-1.el9_3")),
    ),
    two(
        "fix-of-a-source-that-is-named-like-the-binary-of-another",
        "whoever compares the binary python3, built from python3.9, with the build of the source python3",
        built("python3", "python3.9-3.9.18-2.el9"),
        built("python3", "python3.9-3.9.18-3.el9"),
        documents=in_9(source_fix("python3-0:3.6.8-67.el9"), source_fix("python3.9-0:3.9.18-3.el9")),
    ),
    two(
        "fix-of-a-source-of-which-one-binary-is-affected",
        "whoever lets the build of git clear git-core, of which the document says that it has no fix",
        built("git-core", "git-2.43.5-1.el9_4"),
        built("git-gui", "git-2.43.5-1.el9_4"),
        documents=in_9(
            vex.Says(vex.RHEL9_APPSTREAM, "fixed", (GIT,), "RHSA-2026:90001"),
            vex.Says(vex.RHEL9, "known_affected", ("git-core",), state="Affected"),
        ),
        policy=STRICT,
    ),
    two(
        "source-with-an-epoch-that-a-binary-does-not-have",
        "whoever compares without the epoch, which the name of a source package does not have: 9.0 came before 1:1.0",
        built("tool-libs", "tool-9.0-1.el9"),
        built("tool-libs", "tool-9.0-1.el9", epoch=1),
        documents=(document(source_fix("tool-1:1.0-2.el9")), OTHERS),
    ),
    differs(
        "source-that-the-header-does-not-name",
        "whoever takes a package without a source for its own one: what the feed says of openssl is not seen",
        "packages",
        (*BASE, dataclasses.replace(openssl("1:3.0.7-28.el9_4"), source="openssl")),
        PATCHED,
        codes="source-unknown",
        documents=in_9(source_fix("openssl-1:3.0.7-28.el9_4"), told=("openssl-1:3.0.7-28.el9_4.src",)),
    ),
    # Modules.
    two(
        "fix-stated-of-a-module",
        "whoever compares the build of a module with the versions of packages, or finds no package of its name",
        python("8100020240826142628"),
        python("8100020240826142629"),
        **MODULES,
    ),
    two(
        "fix-of-a-module-for-another-minor-release",
        "whoever takes a build that is newer than a fix for fixed: the fix is that for 8.8, and the build is for 8.10",
        python("8100020240601000000"),
        python("8080020240911100614"),
        **MODULES,
    ),
    two(
        "label-without-the-build-of-the-module",
        "whoever cannot compare, and finds nothing",
        dataclasses.replace(python("8100020240826142629"), modularity="python39:3.9"),
        python("8100020240826142629"),
        **MODULES,
    ),
    # Both shapes.
    differs(
        "document-of-both-shapes",
        "whoever guesses which of the shapes a damaged document has, and reads a statement as one of something else",
        "documents",
        mixed(),
        (document(fixed("1:3.0.7-28.el9_4"), NOT_AFFECTED_IN_9), OTHERS),
        codes="feed-incomplete",
        packages=PATCHED,
    ),
    # What an update stream began with.
    differs(
        "build-of-the-minor-release-that-an-update-stream-began-with",
        "whoever asks for the dist tag alone: the plain build is that of 9.2, whose update stream fixed it, and what"
        " the main stream has become is not affected",
        "os_release",
        images.os_release(id="rhel", version_id="9.2", name="Red Hat Enterprise Linux"),
        images.os_release(id="rhel", version_id="9.6", name="Red Hat Enterprise Linux"),
        verdict="failed",
        packages=(*BASE, openssl("1:3.0.7-25.el9")),
        documents=(
            document(fixed("1:3.0.7-25.el9_2.3", EUS_PRODUCT), vex.Says(vex.RHEL9, "known_not_affected", IN_RHEL9)),
            OTHERS,
        ),
        policy=STRICT,
    ),
]
