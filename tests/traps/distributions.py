# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps of distributions that publish advisories: whose they are, for which release and architecture, and for which
module. A feed that is about something else finds nothing."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import typing as t

from ansible_collections.imagescan.openshift.examples.fleet import images, rpmdb
from ansible_collections.imagescan.openshift.tests.support import advisories as make

from .situation import Advisories, Situation
from .trap import Trap, differs

VENDORS = {name: (vendor, key) for name, (vendor, key, _tag) in make.MAKERS.items()}


def release(name: str, version: str) -> bytes:
    return images.os_release(name=name, id=name, version_id=version)


def rpm(distribution: str, nevra: str, **fields: t.Any) -> rpmdb.Rpm:
    vendor, key = VENDORS[distribution]
    return dataclasses.replace(rpmdb.parse_rpm(nevra), **{"vendor": vendor, "key_id": key, **fields})


def packages(distribution: str, *nevras: str) -> tuple[rpmdb.Rpm, ...]:
    return tuple(rpm(distribution, nevra) for nevra in nevras)


def records(*given: make.Json) -> Advisories:
    return Advisories(make.OSV, tuple((f"{one['id']}.json", json.dumps(one).encode()) for one in given))


def records_and(name: str) -> Advisories:
    """A record, and a file that is cut."""
    return Advisories(make.OSV, (("ALSA-2026:1.json", json.dumps(OPENSSL).encode()), (name, b'{"id": "')))


def repository(distribution: str, data: bytes) -> Advisories:
    return Advisories(make.updateinfo(distribution), (("updateinfo.xml", data),))


def with_packages(distribution: str, data: bytes, *names: str) -> Advisories:
    """A repository with its list of packages."""
    listed = make.primary(*names)
    rows = "".join(
        f"<data type='{kind}'><checksum type='sha256'>{hashlib.sha256(content).hexdigest()}</checksum>"
        f"<location href='repodata/{kind}.xml'/></data>"
        for kind, content in (("updateinfo", data), ("primary", listed))
    )
    files = {"updateinfo.xml": data, "primary.xml": listed, "repomd.xml": f"<repomd>{rows}</repomd>".encode()}
    return Advisories(make.updateinfo(distribution), tuple((f"repodata/{name}", files[name]) for name in sorted(files)))


#: An image of AlmaLinux 9 with a package that its advisory fixes, patched.
ALMA: dict[str, t.Any] = {
    "os_release": release("almalinux", "9.4"),
    "manifest": None,
    "packages": packages("almalinux", "bash-5.1.8-9.el9.x86_64", "openssl-libs-1:3.0.7-28.el9.x86_64"),
    "repositories": None,
}
VULNERABLE = packages("almalinux", "bash-5.1.8-9.el9.x86_64", "openssl-libs-1:3.0.7-27.el9.x86_64")
OPENSSL = make.record("ALSA-2026:1", ("openssl-libs", "1:3.0.7-28.el9"))
ROCKYS = make.record("RLSA-2026:1", ("openssl-libs", "1:3.0.7-28.el9"), ecosystem="Rocky Linux:9")
EL8 = make.record("ALSA-2026:1", ("openssl-libs", "1:1.1.1k-9.el8"), ecosystem="AlmaLinux:8")

#: The same of Rocky Linux 9, with the file of its repository.
ROCKY: dict[str, t.Any] = {
    "os_release": release("rocky", "9.4"),
    "manifest": None,
    "packages": packages("rocky", "bash-5.1.8-9.el9.x86_64", "openssl-libs-1:3.0.7-28.el9.x86_64"),
    "repositories": None,
}
FIX = "openssl-libs-1:3.0.7-28.el9.x86_64"
UPDATES = make.updates(make.advisory("RLSA-2026:1", FIX, release="Rocky Linux 9"))

OLD_MYSQL = "mysql-8.0.26-1.module+el9.2.0+10+aaaaaaaa.x86_64"
NEW_MYSQL = "mysql-8.0.32-1.module+el9.2.0+11+bbbbbbbb.x86_64"


def mysql(nevra: str) -> tuple[rpmdb.Rpm, ...]:
    """A package of the module mysql:8.0."""
    return (rpm("rocky", "bash-5.1.8-9.el9.x86_64"), rpm("rocky", nevra, modularity="mysql:8.0:1:c"))


#: The module's fix, and a fix of the ordinary package that is older than both builds above.
MODULES = make.updates(
    make.advisory("RLSA-2026:1", NEW_MYSQL, module="mysql:8.0", title="Important: mysql:8.0 security update"),
    make.advisory("RLSA-2026:2", "mysql-8.0.20-1.el9.x86_64", title="Important: mysql security update"),
)

FULL = "- {name: mine, vulnerabilities: {max_severity: moderate, require_full_coverage: %s}}\n"

TRAPS: list[Trap] = [
    differs(
        "package-older-than-its-advisory",
        "whoever judges AlmaLinux by Red Hat's data, which does not know its packages",
        "packages",
        VULNERABLE,
        verdict="failed",
        codes="vulnerability",
        **{**ALMA, "advisories": records(OPENSSL)},
    ),
    differs(
        "package-that-its-advisory-forgets",
        "whoever looks for names of packages alone: AlmaLinux listed bind-doc and bind-license for a hole in bind-libs",
        "packages",
        (VULNERABLE[0], dataclasses.replace(VULNERABLE[1], source="openssl-3.0.7-27.el9.src.rpm")),
        (ALMA["packages"][0], dataclasses.replace(ALMA["packages"][1], source="openssl-3.0.7-28.el9.src.rpm")),
        verdict="failed",
        **{key: value for key, value in ALMA.items() if key != "packages"},
        advisories=records(make.record("ALSA-2026:1", ("openssl-perl", "1:3.0.7-28.el9"))),
    ),
    differs(
        "feed-of-another-rebuild",
        "whoever takes rebuilds of one source for equal: they number builds and fix at other times",
        "advisories",
        records(ROCKYS),
        records(OPENSSL),
        codes="distribution-not-covered",
        **ALMA,
    ),
    differs(
        "feed-of-another-release",
        "whoever matches names without the release",
        "advisories",
        records(EL8),
        records(OPENSSL),
        codes="distribution-not-covered",
        **ALMA,
    ),
    differs(
        "release-that-nobody-maintains",
        "whoever finds no advisory for a release that gets none any more",
        "os_release",
        release("almalinux", "7.9"),
        release("almalinux", "9.4"),
        codes="distribution-not-covered",
        **{key: value for key, value in ALMA.items() if key != "os_release"},
        advisories=records(OPENSSL),
    ),
    differs(
        "release-that-is-not-told",
        "whoever takes any release where os-release names none",
        "os_release",
        release("almalinux", ""),
        release("almalinux", "9.4"),
        codes="distribution-not-covered",
        **{key: value for key, value in ALMA.items() if key != "os_release"},
        advisories=records(OPENSSL),
    ),
    differs(
        "packages-of-another-release",
        "whoever believes os-release: the packages are for another release, of which nothing was looked up",
        "packages",
        packages("almalinux", "bash-5.1.8-9.el8.x86_64", "openssl-libs-1:3.1.0-5.el8.x86_64"),
        codes="release-mismatch",
        **{**ALMA, "advisories": records(OPENSSL)},
    ),
    differs(
        "package-of-epel",
        "whoever takes what is in no advisory of the distribution for unaffected: it is not the distribution's",
        "packages",
        (*ALMA["packages"], rpm("fedora", "htop-3.3.0-1.el9.x86_64", key_id="8a3872bf3228467c")),
        codes="packages-not-covered",
        **{**ALMA, "advisories": records(OPENSSL)},
    ),
    differs(
        "record-without-a-fix",
        "whoever reads fixes alone: what has none is open",
        "advisories",
        records(
            {
                **OPENSSL,
                "affected": [
                    {
                        **OPENSSL["affected"][0],
                        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
                    }
                ],
            }
        ),
        records(OPENSSL),
        verdict="failed",
        policy="- {name: mine, vulnerabilities: {max_severity: moderate}}\n",
        **ALMA,
    ),
    differs(
        "record-that-is-cut",
        "whoever skips a record that does not parse",
        "advisories",
        Advisories(make.OSV, (("ALSA-2026:1.json", json.dumps(OPENSSL).encode()), ("ALSA-2026:2.json", b'{"id": "AL'))),
        records(OPENSSL),
        codes="feed-incomplete",
        **ALMA,
    ),
    differs(
        "record-without-its-packages",
        "whoever asks a damaged record which packages it is about: it names each of them once",
        "advisories",
        records_and("ALSA-2026:2.json"),
        records_and("RLSA-2026:2.json"),
        codes="feed-incomplete",
        **ALMA,
    ),
    differs(
        "fixes-alone-where-all-is-wanted",
        "whoever takes no advisory for not affected: what has no fix yet is in no advisory",
        "policy",
        FULL % "true",
        FULL % "false",
        codes="feed-coverage",
        **{**ALMA, "advisories": records(OPENSSL)},
    ),
    differs(
        "repository-of-another-architecture",
        "whoever passes over builds for other architectures, here all of them",
        "advisories",
        repository("rocky:9", UPDATES.replace(b'"x86_64"', b'"aarch64"')),
        repository("rocky:9", UPDATES),
        codes="feed-architecture",
        **ROCKY,
    ),
    differs(
        "repository-that-was-not-given",
        "whoever finds nothing for a package because its repository is not among those that were synced",
        "advisories",
        with_packages("rocky:9", UPDATES, "openssl-libs"),
        with_packages("rocky:9", UPDATES, "openssl-libs", "bash"),
        codes="feed-repositories",
        **ROCKY,
    ),
    differs(
        "repository-said-to-be-of-another-release",
        "whoever believes what the user says of a repository",
        "advisories",
        repository("rocky:9", UPDATES.replace(b"Rocky Linux 9", b"Rocky Linux 8")),
        repository("rocky:9", UPDATES),
        codes="feed-missing",
        **ROCKY,
    ),
    differs(
        "repository-whose-builds-are-of-another-release",
        "the same where nothing but the builds tells",
        "advisories",
        repository("rocky:9", make.updates(make.advisory("RLSA-2026:1", "openssl-libs-1:1.1.1k-9.el8.x86_64"))),
        repository("rocky:9", UPDATES),
        codes="feed-release",
        **ROCKY,
    ),
    differs(
        "repository-of-another-distribution",
        "the same, and the advisories are of another distribution",
        "advisories",
        repository("rocky:9", UPDATES.replace(b"RLSA", b"ALSA")),
        repository("rocky:9", UPDATES),
        codes="feed-missing",
        **ROCKY,
    ),
    differs(
        "repository-without-advisories",
        "whoever builds an index out of an empty list",
        "advisories",
        repository("rocky:9", make.updates()),
        repository("rocky:9", UPDATES),
        codes="feed-missing",
        **ROCKY,
    ),
    differs(
        "repository-with-bug-fixes-alone",
        "whoever counts advisories, and not those about vulnerabilities",
        "advisories",
        repository("rocky:9", make.updates(make.advisory("RLBA-2026:1", FIX, kind="bugfix", cves=()))),
        repository("rocky:9", UPDATES),
        codes="feed-missing",
        **ROCKY,
    ),
    differs(
        "list-of-advisories-that-is-cut",
        "whoever reads XML as far as it goes",
        "advisories",
        repository("rocky:9", UPDATES[:-40]),
        repository("rocky:9", UPDATES),
        codes="feed-missing",
        **ROCKY,
    ),
    differs(
        "packed-list-of-advisories-that-is-cut",
        "the same for gzip",
        "advisories",
        Advisories(make.updateinfo("rocky:9"), (("updateinfo.xml.gz", gzip.compress(UPDATES, mtime=0)[:-12]),)),
        Advisories(make.updateinfo("rocky:9"), (("updateinfo.xml.gz", gzip.compress(UPDATES, mtime=0)),)),
        codes="feed-missing",
        **ROCKY,
    ),
    differs(
        "modular-build-beside-a-fix-of-the-ordinary-one",
        "whoever compares without the module: the ordinary package's fix is older than the module's build",
        "packages",
        mysql(OLD_MYSQL),
        mysql(NEW_MYSQL),
        verdict="failed",
        codes="vulnerability",
        **{key: value for key, value in ROCKY.items() if key != "packages"},
        advisories=repository("rocky:9", MODULES),
    ),
    Trap(
        "modular-build-whose-advisory-contradicts-itself",
        "whoever believes the list of builds, which names another stream than the title",
        Situation(
            **{**ROCKY, "packages": mysql(OLD_MYSQL)},
            advisories=repository("rocky:9", MODULES.replace(b'stream="8.0"', b'stream="8.4"')),
        ),
        Situation(
            **{**ROCKY, "packages": mysql(NEW_MYSQL)},
            advisories=repository("rocky:9", MODULES.replace(b'stream="8.0"', b'stream="8.4"')),
        ),
        "failed",
        ("vulnerability",),
    ),
]
