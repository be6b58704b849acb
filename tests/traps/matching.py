# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps between packages and statements: products, repositories, names, modules, streams, severities."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.imagescan.openshift.examples.fleet import images, rpmdb, vex

from .products import OPENSHIFT, OPENSHIFT_REPOSITORY, WITH_OPENSHIFT
from .situation import (
    APPSTREAM_9,
    BASE,
    BASEOS_9,
    FEED,
    FIX,
    MANIFEST_PATH,
    OTHERS,
    PATCHED,
    REPOSITORIES,
    VULNERABLE,
    content_manifest,
    document,
    openssl,
)
from .trap import Trap, differs, hides

EUS_9 = "rhel-9-for-x86_64-baseos-eus-rpms"
EUS_CPE = "cpe:/o:redhat:rhel_eus:9.2::baseos"
EUS_PRODUCT = vex.Product("BaseOS-9.2.0.Z.EUS", "Red Hat Enterprise Linux BaseOS EUS (v. 9.2)", EUS_CPE)
BASEOS_ARM = "rhel-9-for-aarch64-baseos-rpms"
RHEL10 = vex.Product("BaseOS-10.0.Z", "Red Hat Enterprise Linux BaseOS (v. 10)", "cpe:/o:redhat:enterprise_linux:10.0")
RHEL10_1 = vex.Product(
    "BaseOS-10.1.Z", "Red Hat Enterprise Linux BaseOS (v. 10)", "cpe:/o:redhat:enterprise_linux:10.1"
)
SATELLITE = vex.Product("9Base-satellite-6.16", "Red Hat Satellite 6.16", "cpe:/a:redhat:satellite:6.16::el9")
RHEL8_APPSTREAM = vex.Product(
    "AppStream-8.10.0.Z.MAIN.EUS",
    "Red Hat Enterprise Linux AppStream (v. 8)",
    "cpe:/a:redhat:enterprise_linux:8::appstream",
)
EPEL = {"vendor": "Fedora Project", "key_id": "8a3872bf3228467c"}


def fixed(evr: str, product: vex.Product = vex.RHEL9_BASEOS, names: str = "openssl-libs", **more: t.Any) -> vex.Says:
    """A fix of packages of one product, for one architecture."""
    components = tuple(f"{name}-{evr}.x86_64" for name in names.split())
    return vex.Says(product, "fixed", components, "RHSA-2026:90001", **more)


def feed(*says: vex.Says, **more: t.Any) -> tuple[vex.Json, ...]:
    """A feed with one document of these statements, beside the usual other one."""
    return (document(*says, **more), OTHERS)


def edited(edit: t.Callable[[vex.Json], None], *says: vex.Says, **more: t.Any) -> tuple[vex.Json, ...]:
    """The same, edited."""
    changed = document(*says, **more)
    edit(changed)
    return (changed, OTHERS)


def two(name: str, fools: str, vulnerable: rpmdb.Rpm, patched: rpmdb.Rpm, **both: t.Any) -> Trap:
    """One package beside the usual ones of its release, vulnerable in the trap and patched in the twin."""
    release = re.findall(r"\.(?:module\+)?el(\d+)", vulnerable.release)[0]
    base = tuple(dataclasses.replace(rpm, release=rpm.release.replace("el9", f"el{release}")) for rpm in BASE)
    return differs(name, fools, "packages", (*base, vulnerable), (*base, patched), **{"verdict": "failed", **both})


def rename_severity(word: str) -> t.Callable[[vex.Json], None]:
    """Write the severity in other letters."""

    def edit(item: vex.Json) -> None:
        item["document"]["aggregate_severity"]["text"] = word
        for threat in item["vulnerabilities"][0]["threats"]:
            threat["details"] = word

    return edit


def forget_severity(item: vex.Json) -> None:
    del item["document"]["aggregate_severity"]
    item["vulnerabilities"][0]["threats"] = []


def unrated(item: vex.Json) -> None:
    """Rate nothing: the document's own severity is then None."""
    item["document"]["aggregate_severity"]["text"] = "None"
    item["vulnerabilities"][0]["threats"] = []


def nest_module(item: vex.Json) -> None:
    """The old way to write a module: the component is part of a module's build, and that is part of the product."""
    tree = item["product_tree"]
    build = "nodejs:18:8100020240520:a75119d5"
    tree["branches"][0]["branches"].append(
        {
            "category": "product_version",
            "name": build,
            "product": {
                "name": build,
                "product_id": build,
                "product_identification_helper": {"purl": "pkg:rpmmod/redhat/nodejs@18:8100020240520:a75119d5"},
            },
        }
    )
    for relationship in list(tree["relationships"]):
        product = relationship["relates_to_product_reference"]
        whole = f"{product}:{build}"
        relationship["relates_to_product_reference"] = whole
        tree["relationships"].append(
            {
                "category": "default_component_of",
                "full_product_name": {"name": whole, "product_id": whole},
                "product_reference": build,
                "relates_to_product_reference": product,
            }
        )


def node(release: str, modularity: str = "nodejs:18:8100020240520:a75119d5") -> rpmdb.Rpm:
    """A package of a module."""
    return rpmdb.parse_rpm(f"nodejs-1:18.20.4-{release}.x86_64", modularity=modularity)


MODULAR = {
    "os_release": images.os_release(id="rhel", version_id="8.10", name="Red Hat Enterprise Linux"),
    "manifest": content_manifest("rhel-8-for-x86_64-appstream-rpms"),
    "repositories": {"rhel-8-for-x86_64-appstream-rpms": [RHEL8_APPSTREAM.cpe]},
}
NODE_FIX = fixed("1:18.20.4-2.module+el8.10.0+22247+5eb8e5ad", RHEL8_APPSTREAM, "nodejs", module="nodejs:18")
NODE_OLD, NODE_NEW = node("1.module+el8.10.0+21670+8a5b3a5f"), node("2.module+el8.10.0+22247+5eb8e5ad")

STRICT = "- name: all\n  vulnerabilities: {max_severity: moderate}\n"
MAIN_AND_EUS: dict[str, t.Any] = {
    "manifest": content_manifest(EUS_9, BASEOS_9),
    "repositories": {**REPOSITORIES, EUS_9: [EUS_CPE]},
}
IN_RHEL9 = ("openssl-libs", "openssl.src")
NOT_AFFECTED_IN_9 = vex.Says(vex.RHEL9, "known_not_affected", IN_RHEL9)
AFFECTED_IN_9 = vex.Says(vex.RHEL9, "known_affected", IN_RHEL9, state="Affected")
SCALE_REPOSITORY = "3scale-amp-2-for-rhel-9-x86_64-rpms"
SCALE_11, SCALE_12 = (
    vex.Product(f"9Base-3scale-2.{minor}", f"3scale 2.{minor}", f"cpe:/a:redhat:3scale_amp:2.{minor}::el9")
    for minor in (11, 12)
)
E4S_9 = "rhel-9-for-x86_64-baseos-e4s-rpms"
E4S_PRODUCT = vex.Product("BaseOS-9.2.0.Z.E4S", "RHEL BaseOS E4S (v. 9.2)", "cpe:/o:redhat:rhel_e4s:9.2::baseos")
BASEOS_8 = "rhel-8-for-x86_64-baseos-rpms"


def name_module(item: vex.Json) -> None:
    """The component is the whole module, and not a package of it."""
    for branch in item["product_tree"]["branches"][0]["branches"]:
        for version in branch["branches"]:
            if "purl" in (helper := version["product"]["product_identification_helper"]):
                helper["purl"] = "pkg:rpmmod/redhat/nodejs@18"


def runc(release: str) -> rpmdb.Rpm:
    return rpmdb.parse_rpm(f"runc-4:1.1.12-{release}.x86_64")


TRAPS: list[Trap] = [
    # Which products apply.
    two(
        "build-of-an-update-stream-in-an-image-of-the-main-one",
        "whoever asks for the image's repositories alone: the build is of 9.2, whose fix it has not got, and what the"
        " main stream has become is not affected",
        openssl("1:3.0.7-25.el9_2.2"),
        openssl("1:3.0.7-25.el9_2.3"),
        documents=feed(fixed("1:3.0.7-25.el9_2.3", EUS_PRODUCT), NOT_AFFECTED_IN_9),
        policy=STRICT,
    ),
    two(
        "fix-of-an-update-stream-while-the-main-one-has-none",
        "whoever takes a build that is newer than the only fix for fixed: that is the update stream's, and the main"
        " one, where the build is from, is affected",
        openssl("1:3.2.2-6.el9_5"),
        openssl("1:3.0.7-25.el9_2.3"),
        documents=feed(fixed("1:3.0.7-25.el9_2.3", EUS_PRODUCT), AFFECTED_IN_9),
        policy=STRICT,
        **MAIN_AND_EUS,
    ),
    differs(
        "fix-of-an-update-stream-while-the-main-one-is-investigated",
        "the same while nobody knows whether the main stream is affected",
        "packages",
        (*BASE, openssl("1:3.2.2-6.el9_5")),
        (*BASE, openssl("1:3.0.7-25.el9_2.3")),
        codes="under-investigation",
        documents=feed(fixed("1:3.0.7-25.el9_2.3", EUS_PRODUCT), vex.Says(vex.RHEL9, "under_investigation", IN_RHEL9)),
        policy=STRICT,
        **MAIN_AND_EUS,
    ),
    differs(
        "investigated-and-affected-in-the-main-stream",
        "whoever forgets an investigation as soon as another name of the product is called affected, and takes a fix of"
        " an update stream that the image does not have for its end",
        "documents",
        feed(
            fixed("1:3.2.2-6.el9", EUS_PRODUCT),
            AFFECTED_IN_9,
            vex.Says(vex.RHEL9_BASEOS, "under_investigation", ("openssl-libs",)),
        ),
        feed(fixed("1:3.2.2-6.el9", EUS_PRODUCT), AFFECTED_IN_9),
        codes="under-investigation",
        packages=(*BASE, openssl("1:3.2.2-6.el9")),
        policy=STRICT,
    ),
    two(
        "not-affected-in-the-next-minor-release",
        "whoever lets a word about 10.1, which came with the fix, clear a build that an image of 10.1 kept from 10.0",
        openssl("1:3.2.2-16.el10_0.1"),
        openssl("1:3.2.2-16.el10_0.2"),
        os_release=images.os_release(id="rhel", version_id="10.1", name="Red Hat Enterprise Linux"),
        manifest=None,
        documents=(
            document(fixed("1:3.2.2-16.el10_0.2", RHEL10), vex.Says(RHEL10_1, "known_not_affected", IN_RHEL9)),
            document(vex.Says(RHEL10_1, "known_not_affected", ("bash", "glibc")), cve="CVE-2026-900199"),
        ),
    ),
    differs(
        "not-affected-in-another-enterprise-linux",
        "whoever lets a word about 8 clear a build of 9, in an image that has the repositories of both",
        "documents",
        feed(AFFECTED_IN_9, vex.Says(vex.RHEL8, "known_not_affected", IN_RHEL9)),
        feed(NOT_AFFECTED_IN_9, vex.Says(vex.RHEL8, "known_not_affected", IN_RHEL9)),
        verdict="failed",
        manifest=content_manifest(BASEOS_9, BASEOS_8),
        repositories={**REPOSITORIES, BASEOS_8: [vex.RHEL8_BASEOS.cpe]},
        policy=STRICT,
    ),
    differs(
        "fix-by-its-source-beside-a-binary-of-another-product",
        "whoever leaves out fixes that name a source where another product's fix names a binary",
        "packages",
        (*PATCHED, runc("5.rhaos4.14.el9")),
        (*PATCHED, runc("9.rhaos4.14.el9")),
        verdict="failed",
        manifest=content_manifest(BASEOS_9, OPENSHIFT_REPOSITORY),
        repositories=WITH_OPENSHIFT,
        documents=feed(
            fixed("4:1.1.12-3.el9_4", names="runc"),
            vex.Says(OPENSHIFT, "fixed", ("runc-4:1.1.12-9.rhaos4.14.el9.src",), "RHSA-2026:90001"),
        ),
    ),
    differs(
        "not-affected-in-one-of-several-versions",
        "whoever believes 'not affected' of one version of a product that the image may have in another: the map gives"
        " the repository several",
        "repositories",
        {**REPOSITORIES, SCALE_REPOSITORY: [SCALE_11.cpe, SCALE_12.cpe]},
        {**REPOSITORIES, SCALE_REPOSITORY: [SCALE_12.cpe]},
        verdict="failed",
        manifest=content_manifest(BASEOS_9, SCALE_REPOSITORY),
        documents=feed(
            FIX,
            vex.Says(SCALE_11, "known_affected", ("bash",), state="Affected"),
            vex.Says(SCALE_12, "known_not_affected", ("bash",)),
        ),
        policy=STRICT,
    ),
    differs(
        "not-affected-in-another-kind-of-update-stream",
        "whoever lets a word about EUS 9.2, which has not the component, clear what is said of E4S 9.2",
        "packages",
        (*BASE, openssl("1:3.0.7-25.el9_2.1")),
        (*BASE, openssl("1:3.0.7-25.el9_2.3")),
        verdict="failed",
        manifest=content_manifest(EUS_9, E4S_9),
        repositories={EUS_9: [EUS_CPE], E4S_9: [E4S_PRODUCT.cpe]},
        documents=feed(
            vex.Says(EUS_PRODUCT, "known_not_affected", IN_RHEL9),
            fixed("1:3.0.7-25.el9_2.3", E4S_PRODUCT),
        ),
    ),
    differs(
        "layered-product-beside-another-one",
        "whoever takes an image that names one layered product to name all: a package of Satellite beside OpenShift",
        "documents",
        feed(FIX, vex.Says(SATELLITE, "known_affected", ("foreman-proxy",), state="Affected")),
        feed(FIX, vex.Says(SATELLITE, "known_affected", ("katello",), state="Affected")),
        codes="product-unknown",
        packages=(*PATCHED, rpmdb.parse_rpm("foreman-proxy-3.12.0-1.el9sat.noarch")),
        manifest=content_manifest(BASEOS_9, OPENSHIFT_REPOSITORY),
        repositories=WITH_OPENSHIFT,
    ),
    differs(
        "repository-without-a-product",
        "whoever drops repository ids that the map does not know, and with them the products that apply",
        "repositories",
        {APPSTREAM_9: REPOSITORIES[APPSTREAM_9]},
        REPOSITORIES,
        codes="repository-unmapped",
    ),
    differs(
        "no-map-of-repositories",
        "whoever looks up repository ids in a map that was never fetched",
        "repositories",
        None,
        REPOSITORIES,
        codes="repository-unmapped",
    ),
    hides(
        "map-of-another-product",
        "whoever matches only the product that a wrong map names, which has no statement about these packages",
        repositories={name: ["cpe:/a:redhat:openshift:4.16::el9"] for name in REPOSITORIES},
    ),
    hides(
        "no-content-manifest",
        "whoever has no product to match without a content manifest, and so no finding",
        manifest=None,
    ),
    differs(
        "content-manifest-damaged",
        "whoever ignores a manifest that is not JSON: the repositories that it names are not looked at",
        "more",
        (images.Entry("root/buildinfo/content_manifests/app-1-1.json", b'{"content_sets": ["rhel-9-for'),),
        (images.Entry("root/buildinfo/content_manifests/app-1-1.json", b'{"bomFormat": "CycloneDX"}'),),
        codes="content-manifest-unreadable",
    ),
    hides(
        "content-manifest-hidden-by-an-upper-layer",
        "whoever reads the merged root alone: the layer with the extended-support packages said so, and was hidden",
        manifest=content_manifest(EUS_9),
        upper=(images.whiteout(MANIFEST_PATH), images.Entry(MANIFEST_PATH.replace("ubi9", "app"), content_manifest())),
        repositories={EUS_9: [EUS_CPE]},
        documents=feed(dataclasses.replace(FIX, product=EUS_PRODUCT)),
    ),
    hides(
        "fix-in-extended-support-only",
        "whoever looks at the main product only, while the image is built from an extended-support repository",
        manifest=content_manifest(EUS_9, BASEOS_9),
        repositories={**REPOSITORIES, EUS_9: [EUS_CPE]},
        documents=feed(dataclasses.replace(FIX, product=EUS_PRODUCT)),
    ),
    hides(
        "main-stream-speaks-for-extended-support",
        "whoever looks at the extended-support product only: what is said of the main one holds for it, too",
        manifest=content_manifest(EUS_9),
        repositories={EUS_9: [EUS_CPE]},
    ),
    differs(
        "other-architecture",
        "whoever has a table of products for x86_64 alone",
        "packages",
        tuple(dataclasses.replace(rpm, arch="aarch64") for rpm in VULNERABLE),
        tuple(dataclasses.replace(rpm, arch="aarch64") for rpm in PATCHED),
        verdict="failed",
        manifest=content_manifest(BASEOS_ARM),
        repositories={BASEOS_ARM: ["cpe:/o:redhat:enterprise_linux:9::baseos"]},
    ),
    two(
        "release-with-a-minor-in-its-product",
        "whoever compares enterprise_linux:10 with enterprise_linux:10.0 letter by letter",
        openssl("1:3.2.2-16.el10"),
        openssl("1:3.2.2-16.el10_0.2"),
        os_release=images.os_release(id="rhel", version_id="10.0", name="Red Hat Enterprise Linux"),
        manifest=None,
        documents=(
            document(fixed("1:3.2.2-16.el10_0.2", RHEL10)),
            document(
                vex.Says(
                    dataclasses.replace(vex.RHEL9, cpe="cpe:/o:redhat:enterprise_linux:10"),
                    "known_not_affected",
                    ("bash", "glibc"),
                ),
                cve="CVE-2026-900199",
            ),
        ),
    ),
    hides(
        "statement-for-another-channel",
        "whoever compares the product's channel, and its part: the same package moves between baseos and appstream",
        documents=feed(dataclasses.replace(FIX, product=vex.RHEL9_APPSTREAM)),
        manifest=content_manifest(BASEOS_9),
    ),
    differs(
        "distribution-that-the-feed-does-not-know",
        "whoever matches AlmaLinux packages against nothing, and finds nothing",
        "os_release",
        images.os_release(id="almalinux", id_like="rhel centos fedora", version_id="9.4", name="AlmaLinux"),
        codes="distribution-not-covered",
    ),
    differs(
        "no-os-release",
        "whoever cannot tell the distribution, assumes no product and finds nothing",
        "os_release",
        None,
        codes="os-release-missing",
        manifest=None,
    ),
    differs(
        "distribution-with-another-name",
        "whoever reads the name in os-release alone: a company calls its base image by its own",
        "os_release",
        images.os_release(id="acme", id_like="rhel fedora", version_id="4", name="ACME Linux"),
        codes="distribution-not-covered",
    ),
    differs(
        "os-release-of-another-release",
        "whoever takes the release from os-release alone: a file copied from another base image",
        "os_release",
        images.os_release(id="rhel", version_id="8.10", name="Red Hat Enterprise Linux"),
        codes="release-mismatch",
        manifest=None,
        documents=(*FEED, document(vex.Says(vex.RHEL8, "known_not_affected", ("bash",)), cve="CVE-2026-900198")),
    ),
    # Whose packages.
    differs(
        "package-of-another-vendor",
        "whoever finds no statement about a foreign package, and calls it clean",
        "packages",
        (*PATCHED, rpmdb.parse_rpm("htop-3.3.0-1.el9.x86_64", **EPEL)),
        (*PATCHED, rpmdb.parse_rpm("htop-3.3.0-1.el9.x86_64")),
        codes="packages-not-covered",
    ),
    differs(
        "vendor-of-another-name-and-no-key",
        "the same for a package that nobody signed",
        "packages",
        (*PATCHED, rpmdb.parse_rpm("agent-3.3.0-1.x86_64", vendor="", key_id="")),
        PATCHED,
        codes="packages-not-covered",
    ),
    differs(
        "vendor-text-borrowed",
        "whoever trusts the vendor text: the package was signed by somebody else",
        "packages",
        (*PATCHED, rpmdb.parse_rpm("htop-3.3.0-1.el9.x86_64", key_id=EPEL["key_id"])),
        PATCHED,
        codes="packages-not-covered",
    ),
    # Names and versions.
    two(
        "epoch-ignored",
        "a comparison of versions alone: 3.1 looks newer than 3.0.7, but the fix has a higher epoch",
        openssl("3.1.0-1.el9"),
        openssl("1:3.1.0-1.el9"),
    ),
    two(
        "epoch-of-the-source-ignored",
        "whoever compares sources without any epoch: 3.1 looks newer than the fix, which came with a new one",
        rpmdb.parse_rpm("openssl-3.1.0-1.el9.x86_64"),
        rpmdb.parse_rpm("openssl-1:3.1.0-1.el9.x86_64"),
        documents=feed(vex.Says(vex.RHEL9_BASEOS, "fixed", ("openssl-1:3.0.7-28.el9_4.src",), "RHSA-2026:90001")),
    ),
    hides(
        "statement-about-the-source-package",
        "whoever compares names of binaries only: the statement names the source package",
        documents=feed(vex.Says(vex.RHEL9_BASEOS, "fixed", ("openssl-1:3.0.7-28.el9_4.src",), "RHSA-2026:90001")),
    ),
    two(
        "name-with-a-plus",
        "whoever does not decode package URLs: libstdc%2B%2B is libstdc++",
        rpmdb.parse_rpm("libstdc++-11.4.1-3.el9.x86_64"),
        rpmdb.parse_rpm("libstdc++-11.4.1-4.el9_4.x86_64"),
        documents=feed(fixed("0:11.4.1-4.el9_4", names="libstdc++")),
    ),
    two(
        "version-with-a-tilde",
        "a comparison to which 3.0.7~rc1 is newer than 3.0.7",
        openssl("1:3.0.7~rc1-28.el9_4"),
        openssl("1:3.0.7-28.el9_4"),
    ),
    two(
        "version-with-more-digits",
        "a comparison letter by letter, to which release 9 is newer than release 28",
        openssl("1:3.0.7-9.el9_4"),
        openssl("1:3.0.7-28.el9_4"),
    ),
    two(
        "version-of-the-source",
        "whoever compares the binary's version with the source's: perl-Errno 1.30 comes from perl 5.32.1",
        dataclasses.replace(rpmdb.parse_rpm("perl-Errno-1.30-481.el9.x86_64"), source="perl-5.32.1-481.el9.src.rpm"),
        dataclasses.replace(rpmdb.parse_rpm("perl-Errno-1.30-482.el9.x86_64"), source="perl-5.32.1-482.el9.src.rpm"),
        documents=feed(vex.Says(vex.RHEL9_BASEOS, "fixed", ("perl-4:5.32.1-482.el9.src",), "RHSA-2026:90001")),
    ),
    differs(
        "two-builds-of-one-package",
        "whoever keeps one package for each name: the older one is still there",
        "packages",
        (*PATCHED, openssl("1:3.0.7-27.el9")),
        (*PATCHED, openssl("1:3.0.7-29.el9_4")),
        verdict="failed",
    ),
    differs(
        "second-architecture-of-a-package",
        "the same for the 32-bit library beside the 64-bit one",
        "packages",
        (*PATCHED, openssl("1:3.0.7-27.el9", arch="i686")),
        (*PATCHED, openssl("1:3.0.7-28.el9_4", arch="i686")),
        verdict="failed",
        documents=feed(dataclasses.replace(FIX, components=(*FIX.components, "openssl-libs-1:3.0.7-28.el9_4.i686"))),
    ),
    # Status.
    hides(
        "not-affected-elsewhere",
        "whoever applies 'not affected' of one product to another",
        documents=feed(FIX, vex.Says(vex.RHEL8, "known_not_affected", ("openssl-libs", "openssl.src"))),
    ),
    hides(
        "not-affected-in-general-fixed-in-particular",
        "whoever lets a statement about the whole release hide the one about its repository",
        documents=feed(
            vex.Says(vex.RHEL9_APPSTREAM, "known_not_affected", ("openssl-perl",)),
            FIX,
        ),
    ),
    differs(
        "cpe-with-a-wildcard",
        "whoever compares the versions of products as texts: 4.* is every 4.x",
        "documents",
        feed(
            vex.Says(
                vex.Product("openshift-4", "Red Hat OpenShift 4", "cpe:/a:redhat:openshift:4.*::el9"),
                "known_affected",
                ("openssl-libs",),
                state="Affected",
            )
        ),
        feed(
            vex.Says(
                vex.Product("openshift-5", "Red Hat OpenShift 5", "cpe:/a:redhat:openshift:5.*::el9"),
                "known_affected",
                ("openssl-libs",),
                state="Affected",
            )
        ),
        verdict="failed",
        policy=STRICT,
        manifest=content_manifest(BASEOS_9, "rhocp-4.14-for-rhel-9-x86_64-rpms"),
        repositories={
            **REPOSITORIES,
            "rhocp-4.14-for-rhel-9-x86_64-rpms": ["cpe:/a:redhat:openshift:4.14::el9"],
        },
    ),
    hides(
        "not-affected-said-less-exactly",
        "whoever lets a word about the whole release clear what is said of one of its repositories",
        documents=feed(FIX, vex.Says(vex.RHEL9, "known_not_affected", ("openssl-libs", "openssl.src"))),
    ),
    two(
        "not-affected-in-another-module",
        "whoever lets a word about nodejs:20 clear nodejs:18",
        NODE_OLD,
        NODE_NEW,
        documents=feed(
            NODE_FIX, vex.Says(RHEL8_APPSTREAM, "known_not_affected", ("nodejs", "nodejs.src"), module="nodejs:20")
        ),
        **MODULAR,
    ),
    differs(
        "only-affected-no-fix",
        "whoever knows fixes only, as advisories list them",
        "documents",
        feed(vex.Says(vex.RHEL9, "known_affected", ("openssl-libs", "openssl.src"), state="Affected")),
        verdict="failed",
        policy="- name: all\n  vulnerabilities: {max_severity: moderate}\n",
    ),
    differs(
        "affected-named-by-its-source",
        "the same, named by the source package alone",
        "documents",
        feed(vex.Says(vex.RHEL9, "known_affected", ("openssl.src",), state="Will not fix")),
        verdict="failed",
        policy="- name: all\n  vulnerabilities: {max_severity: moderate}\n",
    ),
    differs(
        "still-investigated",
        "whoever leaves out what the vendor still investigates",
        "documents",
        feed(vex.Says(vex.RHEL9, "under_investigation", ("openssl-libs", "openssl.src"))),
        codes="under-investigation",
        policy="- name: all\n  vulnerabilities: {max_severity: moderate}\n",
    ),
    # Streams.
    two(
        "lower-fix-in-another-stream",
        "whoever takes any fix that is older than the installed build for the fix of that build",
        openssl("1:3.0.7-27.el9_4"),
        openssl("1:3.0.7-28.el9_4"),
        documents=feed(fixed("1:3.0.7-25.el9_2.3"), fixed("1:3.0.7-28.el9_4")),
    ),
    two(
        "rebase-inside-a-stream",
        "whoever takes the lowest fix of a stream: 3.0.9 is newer than the fix for 3.0.7, and has none",
        openssl("1:3.0.9-1.el9_4"),
        openssl("1:3.2.2-6.el9_4"),
        documents=feed(fixed("1:3.0.7-28.el9_4"), fixed("1:3.2.2-6.el9_4")),
    ),
    differs(
        "fixed-in-a-stream-that-does-not-apply",
        "whoever takes the fix of extended support for one: in the main stream there is none, and the build has none",
        "documents",
        feed(
            vex.Says(vex.RHEL9, "known_affected", ("openssl-libs", "openssl.src"), state="Affected"),
            fixed("1:3.0.7-20.el9_2.5", EUS_PRODUCT),
        ),
        verdict="failed",
        policy="- name: all\n  vulnerabilities: {max_severity: moderate}\n",
    ),
    differs(
        "fixed-without-a-version",
        "whoever reads 'fixed' and never asks in which build",
        "documents",
        feed(vex.Says(vex.RHEL9_BASEOS, "fixed", ("openssl-libs",), "RHSA-2026:90001")),
        verdict="failed",
        policy="- name: all\n  vulnerabilities: {max_severity: moderate}\n",
    ),
    # Modules.
    two(
        "module-label-missing",
        "whoever tells modules by the label alone, which some builds lost",
        dataclasses.replace(NODE_OLD, modularity=""),
        NODE_NEW,
        codes=("module-unknown", "vulnerability"),
        documents=feed(NODE_FIX),
        **MODULAR,
    ),
    two(
        "module-ignored",
        "whoever matches modular packages only with statements without a module",
        NODE_OLD,
        NODE_NEW,
        documents=feed(NODE_FIX),
        **MODULAR,
    ),
    two(
        "module-context-compared",
        "whoever compares the build's context: the fix was built again with another one",
        node("1.module+el8.10.0+21670+ffffffff", "nodejs:18:8100020240520:deadbeef"),
        node("2.module+el8.10.0+22247+00000000", "nodejs:18:8100020240801:deadbeef"),
        documents=feed(NODE_FIX),
        **MODULAR,
    ),
    two(
        "module-by-nested-relationships",
        "whoever reads one level of relationships: the package is part of a module, and that of the product",
        NODE_OLD,
        NODE_NEW,
        documents=edited(nest_module, fixed("1:18.20.4-2.module+el8.10.0+22247+5eb8e5ad", RHEL8_APPSTREAM, "nodejs")),
        **MODULAR,
    ),
    two(
        "module-under-its-other-name",
        "whoever knows no alias: the feed says nodejs-devel:18 of packages whose module is nodejs:18",
        NODE_OLD,
        NODE_NEW,
        documents=feed(dataclasses.replace(NODE_FIX, module="nodejs-devel:18")),
        **MODULAR,
    ),
    two(
        "module-as-a-whole",
        "whoever passes over what is said of a module because it is not a package",
        dataclasses.replace(NODE_OLD, name="npm"),
        dataclasses.replace(node("1.module+el8.10.0+21670+8a5b3a5f", "nodejs:20:8100020240520:a75119d5"), name="npm"),
        documents=(
            *edited(
                name_module,
                vex.Says(RHEL8_APPSTREAM, "known_affected", ("nodejs",), state="Affected", module="nodejs:18"),
            ),
            document(vex.Says(vex.RHEL8, "known_not_affected", ("bash", "glibc")), cve="CVE-2026-900198"),
        ),
        policy=STRICT,
        **MODULAR,
    ),
    # Severities.
    hides(
        "severity-per-product",
        "whoever takes the document's severity: it is low in general, and important for this product",
        documents=feed(dataclasses.replace(FIX, severity="Important"), severity="Low"),
    ),
    hides(
        "severity-in-other-letters",
        "whoever compares words letter by letter: IMPORTANT is not Important, and so not above moderate",
        documents=edited(rename_severity(" IMPORTANT ")),
    ),
    hides(
        "severity-by-another-word",
        "whoever knows four words: a severity that cannot be read counts as none",
        documents=edited(rename_severity("Grave")),
    ),
    hides(
        "severity-none-in-general",
        "whoever takes the document's 'None', which means that nobody rated it, for harmless",
        documents=edited(unrated),
    ),
    hides(
        "severity-missing",
        "whoever counts a statement without a severity as harmless",
        documents=edited(forget_severity),
    ),
]
