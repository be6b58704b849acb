# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example fleet: ten names of a small shop, each with a story, and the vulnerability feed to judge them by.

``shop-frontend`` is up to date. ``payments`` missed an update. ``reports`` has a finding that somebody accepted.
``legacy-billing`` still runs on an older release. ``batch`` was slimmed by deleting the package database. ``tools``
has packages of another vendor. ``analytics`` is of a distribution that the feed does not know. ``health-probe`` is a
single program without any package. ``edge`` was damaged on its way. ``gateway`` exists for two platforms, one of
which was forgotten, so that a report counts twelve images: the index and each of its two. The vulnerabilities are
invented: their numbers, from 900001 on, are not assigned to anything.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t
from pathlib import Path

from . import images, rpmdb, vex

#: Key of Fedora's EPEL 9 and of SUSE Linux Enterprise 15 (public).
EPEL_KEY = "8a3872bf3228467c"
SUSE_KEY = "70af9e8139db7c82"

#: Source packages whose binaries have other names.
_SOURCES = {
    "glibc-common": "glibc",
    "glibc-minimal-langpack": "glibc",
    "ncurses-libs": "ncurses",
    "ncurses-base": "ncurses",
    "openssl-libs": "openssl",
    "libcurl-minimal": "curl",
    "curl-minimal": "curl",
    "sqlite-libs": "sqlite",
    "krb5-libs": "krb5",
    "libnghttp2": "nghttp2",
    "systemd-libs": "systemd",
    "coreutils-single": "coreutils",
    "python3-libs": "python3.9",
    "python3": "python3.9",
    "nginx-core": "nginx",
    "libgcc": "gcc",
}

_BASE_9 = """
redhat-release-9.4-0.5.el9 setup-2.13.7-10.el9.noarch filesystem-3.16-2.el9 basesystem-11-13.el9.noarch
ncurses-base-6.2-10.20210508.el9.noarch ncurses-libs-6.2-10.20210508.el9 bash-5.1.8-9.el9 tzdata-2024a-1.el9.noarch
glibc-2.34-100.el9_4.3 glibc-common-2.34-100.el9_4.3 glibc-minimal-langpack-2.34-100.el9_4.3 libgcc-11.4.1-3.el9
zlib-1.2.11-40.el9 libxml2-2.9.13-6.el9_4 sqlite-libs-3.34.1-7.el9_3 krb5-libs-1.21.1-2.el9_4
libnghttp2-1.43.0-5.el9_4.3 curl-minimal-7.76.1-29.el9_4.1 libcurl-minimal-7.76.1-29.el9_4.1
systemd-libs-252-32.el9_4.7 coreutils-single-8.32-35.el9 ca-certificates-2024.2.69_v8.0.303-91.4.el9_4.noarch
openssl-libs-1:3.0.7-28.el9_4
"""
_BASE_8 = """
redhat-release-8.10-0.3.el8 setup-2.12.2-9.el8.noarch filesystem-3.8-6.el8 basesystem-11-5.el8.noarch
bash-4.4.20-5.el8 glibc-2.28-251.el8_10.1 glibc-common-2.28-251.el8_10.1 libgcc-8.5.0-22.el8_10
zlib-1.2.11-25.el8 libxml2-2.9.7-18.el8_9 sqlite-libs-3.26.0-19.el8_9 openssl-libs-1:1.1.1k-12.el8_9
krb5-libs-1.18.2-29.el8_10 coreutils-single-8.30-15.el8 tzdata-2024a-1.el8.noarch
"""
_BASE_SUSE = """
sles-release-15.5-150500.57.1 bash-4.4-150400.27.3.2 glibc-2.31-150300.63.1 libopenssl1_1-1.1.1l-150500.17.34.1
libz1-1.2.13-150500.4.3.1 coreutils-8.32-150400.9.3.1
"""


def packages(text: str, *, arch: str = "x86_64", **fields: t.Any) -> list[rpmdb.Rpm]:
    """Packages from words; a word without an architecture is of ``arch``."""
    found = []
    for word in text.split():
        rpm = rpmdb.parse_rpm(word if word.endswith(".noarch") else f"{word}.{arch}", **fields)
        name = _SOURCES.get(rpm.name, rpm.name)
        found.append(dataclasses.replace(rpm, source=f"{name}-{rpm.version}-{rpm.release}.src.rpm"))
    return found


def with_changes(installed: t.Sequence[rpmdb.Rpm], changes: t.Sequence[rpmdb.Rpm]) -> list[rpmdb.Rpm]:
    """Installed packages after an update: same names are replaced, new ones added."""
    changed = {rpm.name for rpm in changes}
    return [rpm for rpm in installed if rpm.name not in changed] + list(changes)


def red_hat_root(major: str, minor: str, arch: str = "x86_64") -> list[images.Entry]:
    """What a Red Hat base layer has beside its packages: os-release, content manifest, a shell and a loader."""
    release = images.os_release(
        name="Red Hat Enterprise Linux",
        version=f"{major}.{minor}",
        id="rhel",
        id_like="fedora",
        version_id=f"{major}.{minor}",
        platform_id=f"platform:el{major}",
        pretty_name=f"Red Hat Enterprise Linux {major}.{minor}",
        cpe_name=f"cpe:/o:redhat:enterprise_linux:{major}::baseos",
    )
    repositories = [f"rhel-{major}-for-{arch}-{channel}-rpms" for channel in ("baseos", "appstream")]
    manifest = {"metadata": {"icm_version": 1}, "from_dnf_hint": False, "content_sets": repositories}
    return [
        images.symlink("etc/os-release", "../usr/lib/os-release"),
        images.Entry("usr/lib/os-release", release),
        images.Entry(
            f"root/buildinfo/content_manifests/ubi{major}-container-{major}.{minor}-1.json", images.to_json(manifest)
        ),
        images.symlink("bin", "usr/bin"),
        images.symlink("lib64", "usr/lib64"),
        images.Entry("usr/bin/bash", b"\x7fELF example", mode=0o755),
        images.Entry("usr/lib64/ld-linux-x86-64.so.2", b"\x7fELF example", mode=0o755),
    ]


def rpm_layer(installed: t.Sequence[rpmdb.Rpm], *more: images.Entry, write: t.Any = rpmdb.sqlite_files) -> images.Layer:
    """A layer with the package database and other entries."""
    return images.layer([*more, *images.files("var/lib/rpm", write(installed))])


_LABELS = {"vendor": "The Example Shop", "io.k8s.description": "An image of the example fleet"}


def build_images(destination: Path) -> None:
    """Write an OCI layout (``images``), a ``docker save`` archive and an OCI archive below ``destination``."""
    blobs: images.Blobs = {}
    root9 = red_hat_root("9", "4")
    installed = packages(_BASE_9)
    base = rpm_layer(installed, *root9)
    bash_entry = images.Entry("opt/app/run.sh", b"#!/bin/bash\nexec /opt/app/server\n", mode=0o755)
    tags: dict[str, images.Json] = {}

    def add(name: str, *layers: images.Layer) -> None:
        tags[name] = images.image(blobs, layers, labels={**_LABELS, "name": name})

    nginx = packages("nginx-core-1:1.20.1-14.el9_4.1")
    modules = [
        images.Entry(f"opt/app/node_modules/{n}/package.json", b'{"version":"1.0.0"}') for n in ("leftpad", "ms")
    ]
    add("shop-frontend", base, rpm_layer(with_changes(installed, nginx), bash_entry, *modules))

    add("payments", rpm_layer(with_changes(installed, packages("openssl-libs-1:3.0.7-27.el9")), *root9, bash_entry))

    python = packages("python3-3.9.18-3.el9_4.1 python3-libs-3.9.18-3.el9_4.1")
    add("reports", base, rpm_layer(with_changes(installed, python), bash_entry))

    add("batch", base, images.layer([images.whiteout("var/lib/rpm"), bash_entry]))

    epel = packages("htop-3.3.0-1.el9", vendor="Fedora Project", key_id=EPEL_KEY)
    add("tools", base, rpm_layer(with_changes(installed, epel), bash_entry))

    add("health-probe", images.layer([images.Entry("probe", b"\x7fELF example", mode=0o755)]))

    shop = images.layer([images.Entry("opt/app/cache.bin", bytes(range(256)) * 64, mode=0o755)])
    add("edge", base, shop)
    blobs[images.digest(shop.blob)] = shop.blob[: len(shop.blob) // 2]

    arm = packages(_BASE_9, arch="aarch64")
    arm = with_changes(arm, packages("openssl-libs-1:3.0.7-27.el9", arch="aarch64"))
    arm_layer = rpm_layer(arm, *red_hat_root("9", "4", "aarch64"), bash_entry)
    labels = {**_LABELS, "name": "gateway"}
    tags["gateway"] = images.index(
        blobs,
        [
            (images.image(blobs, [base, images.layer([bash_entry])], labels=labels), "linux/amd64"),
            (images.image(blobs, [arm_layer], labels=labels, architecture="arm64"), "linux/arm64"),
        ],
    )
    images.write_folder(destination / "images", images.layout_files(blobs, tags))

    blobs = {}
    node = packages("nodejs-1:18.20.2-1.module+el8.10.0+21670+8a5b3a5f", modularity="nodejs:18:8100020240520:a75119d5")
    old = rpm_layer(packages(_BASE_8) + node, *red_hat_root("8", "10"), bash_entry, write=rpmdb.bdb_files)
    billing = images.image(blobs, [old], labels={**_LABELS, "name": "legacy-billing"})
    archive = images.docker_archive_files(blobs, {"registry.example.com/shop/legacy-billing:7": billing})
    images.write_archive(destination / "legacy-billing.tar", archive)

    blobs = {}
    suse = packages(_BASE_SUSE, vendor="SUSE LLC <https://www.suse.com/>", key_id=SUSE_KEY)
    release = images.os_release(id="sles", version_id="15.5", name="SLES", cpe_name="cpe:/o:suse:sles:15:sp5")
    database = images.files("usr/lib/sysimage/rpm", rpmdb.ndb_files(suse))
    link = images.symlink("var/lib/rpm", "../../usr/lib/sysimage/rpm")
    shell = images.Entry("usr/bin/bash", b"\x7fELF example", mode=0o755)
    layer = images.layer([images.Entry("etc/os-release", release), *database, link, shell])
    analytics = images.image(blobs, [layer], labels={**_LABELS, "name": "analytics"})
    images.write_archive(destination / "analytics.tar", images.layout_files(blobs, {"analytics": analytics}))


def _builds(names: str, evr: str, arches: str = "aarch64 src x86_64") -> tuple[str, ...]:
    return tuple(f"{name}-{evr}.{arch}" for name in names.split() for arch in arches.split())


def documents() -> list[vex.Json]:
    """The example feed."""
    nine, eight = vex.RHEL9_BASEOS, vex.RHEL8_BASEOS
    node = vex.Product(
        "AppStream-8.10.0.Z.MAIN.EUS",
        "Red Hat Enterprise Linux AppStream (v. 8)",
        "cpe:/a:redhat:enterprise_linux:8::appstream",
    )
    says = vex.Says
    return [
        vex.document(
            "CVE-2026-900001",
            "openssl: forged certificate is accepted",
            "Important",
            [
                says(nine, "fixed", _builds("openssl openssl-libs", "1:3.0.7-28.el9_4"), "RHSA-2026:90001"),
                says(vex.RHEL8, "known_not_affected", ("openssl", "openssl-libs", "openssl.src")),
            ],
        ),
        vex.document(
            "CVE-2026-900002",
            "glibc: write beyond a buffer when a name is resolved",
            "Critical",
            [
                says(eight, "fixed", _builds("glibc glibc-common", "0:2.28-251.el8_10.2"), "RHSA-2026:90002"),
                says(nine, "fixed", _builds("glibc glibc-common", "0:2.34-100.el9_4.2"), "RHSA-2026:90003"),
            ],
        ),
        vex.document(
            "CVE-2026-900003",
            "curl: password shows in a redirect",
            "Moderate",
            [
                says(nine, "fixed", _builds("curl-minimal libcurl-minimal", "0:7.76.1-29.el9_4.2"), "RHSA-2026:90004"),
                says(vex.RHEL8, "known_affected", ("curl", "libcurl", "curl.src"), state="Fix deferred"),
            ],
        ),
        vex.document(
            "CVE-2026-900004",
            "libxml2: use after free in the validator",
            "Important",
            [says(vex.RHEL9, "known_affected", ("libxml2", "libxml2.src"), state="Affected")],
        ),
        vex.document(
            "CVE-2026-900005",
            "zlib: slow on hostile input",
            "Low",
            [
                says(vex.RHEL8, "known_affected", ("zlib", "zlib.src"), state="Will not fix"),
                says(vex.RHEL9, "known_affected", ("zlib", "zlib.src"), state="Will not fix"),
            ],
        ),
        vex.document(
            "CVE-2026-900006",
            "nodejs: request smuggling",
            "Important",
            [
                says(
                    node,
                    "fixed",
                    _builds("nodejs", "1:18.20.4-1.module+el8.10.0+22247+5eb8e5ad"),
                    "RHSA-2026:90005",
                    module="nodejs:18",
                )
            ],
        ),
        vex.document(
            "CVE-2026-900007",
            "python: archive member is written outside its folder",
            "Important",
            [says(nine, "fixed", _builds("python3 python3-libs", "0:3.9.18-3.el9_4.5"), "RHSA-2026:90006")],
        ),
        vex.document(
            "CVE-2026-900008",
            "krb5: ticket of another realm is accepted",
            "Important",
            [says(vex.RHEL9, "known_not_affected", ("krb5-libs", "krb5.src"))],
        ),
    ]


def repositories() -> dict[str, list[str]]:
    """Repository ids of the example images -> CPEs."""
    return {
        f"rhel-{major}-for-{arch}-{channel}-rpms": [f"cpe:/{part}:redhat:enterprise_linux:{major}::{channel}"]
        for major in ("8", "9")
        for arch in ("x86_64", "aarch64")
        for channel, part in (("baseos", "o"), ("appstream", "a"))
    }


def build_feed(destination: Path) -> None:
    """Write the feed (``feed/2026/cve-….json``) and ``repository-to-cpe.json`` below ``destination``."""
    contents = {f"feed/{vex.file_name(item['document']['tracking']['id'])}": item for item in documents()}
    contents["repository-to-cpe.json"] = vex.repository_map(repositories())
    images.write_folder(destination, {name: json.dumps(item, indent=1).encode() for name, item in contents.items()})


def build(destination: Path) -> None:
    """Write images, feed, policies and exceptions; a second time nothing changes."""
    build_images(destination)
    build_feed(destination)
    names = ("policies.yml", "exceptions.yml")
    images.write_folder(destination, {name: Path(__file__).with_name(name).read_bytes() for name in names})
