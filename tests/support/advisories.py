# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small OSV records, repositories with updateinfo, and images of the distributions that publish them."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import typing as t
from pathlib import Path
from xml.sax.saxutils import quoteattr

from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import (
    Inventory,
    OsRelease,
    Package,
    PackageDatabase,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.parsing import Form
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import Matcher
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import Match

Json = dict[str, t.Any]

NOW = "2026-08-21T12:00:00Z"
OSV = Form("osv")
#: os-release ID -> (vendor text, key id, dist tag of a release) of its packages.
MAKERS = {
    "almalinux": ("AlmaLinux", "d36cb86cb86b3716", "el{}"),
    "rocky": ("Rocky Enterprise Software Foundation", "702d426d350d275d", "el{}"),
    "ol": ("Oracle America", "bc4d06a08d8b756f", "el{}"),
    "fedora": ("Fedora Project", "c8ac4916105ef944", "fc{}"),
    "amzn": ("Amazon Linux", "e951904ad832c631", "amzn{}"),
}


def updateinfo(distribution: str) -> Form:
    return Form("updateinfo", distribution)


def package(distribution: str, name: str, version: str, release: str, **more: t.Any) -> Package:
    """A package that the distribution signed. ``distribution``: os-release ID."""
    vendor, key, _tag = MAKERS[distribution]
    values: Json = {
        "epoch": None,
        "arch": "x86_64",
        "vendor": vendor,
        "key_id": key,
        "source_rpm": f"{name}-{version}-{release}.src.rpm",
    }
    return Package(name=name, version=version, release=release, **{**values, **more})


def image(distribution: str, version: str, *packages: Package) -> Inventory:
    """An image of a distribution (os-release ID and VERSION_ID) with these packages."""
    return Inventory(
        kind="rpm",
        os=OsRelease(id=distribution, version_id=version),
        packages=packages,
        database=PackageDatabase("var/lib/rpm/rpmdb.sqlite", "sqlite", len(packages)),
        repositories=(),
        label_cpes=(),
        labels={},
        not_examined={},
        problems=(),
    )


def record(identity: str, *fixes: tuple[str, str], ecosystem: str = "AlmaLinux:9", **more: t.Any) -> Json:
    """An OSV record: (package, fixed version) ..."""
    return {
        "id": identity,
        "summary": "Important: openssl security update",
        "modified": "2026-08-01T10:00:00Z",
        "published": "2026-08-01T10:00:00Z",
        "related": ["CVE-2026-1001"],
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": name},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": version}]}],
            }
            for name, version in fixes
        ],
        **more,
    }


def write_records(folder: Path, *records: Json) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for one in records:
        (folder / f"{one['id']}.json").write_text(json.dumps(one))
    return folder


def advisory(
    identity: str,
    *packages: str,
    title: str = "Important: openssl security update",
    severity: str = "Important",
    kind: str = "security",
    release: str = "",
    module: str = "",
    date: str = "2026-08-01 10:00:00",
    cves: t.Sequence[str] = ("CVE-2026-1001",),
    extra: str = "",
) -> str:
    """An ``<update>``. ``packages``: ``name-epoch:version-release.arch``. ``module``: ``name:stream``."""
    rows = []
    for text in packages:
        head, _dot, arch = text.rpartition(".")
        name, version, build = head.rsplit("-", 2)
        epoch, _colon, version = version.rpartition(":")
        rows.append(
            f"<package name={quoteattr(name)} epoch={quoteattr(epoch or '0')} version={quoteattr(version)}"
            f" release={quoteattr(build)} arch={quoteattr(arch)}><filename>x.rpm</filename></package>"
        )
    name, _colon, stream = module.partition(":")
    mark = f"<module name={quoteattr(name)} stream={quoteattr(stream)} version='1' context='c' arch='x86_64'/>"
    references = "".join(f"<reference href='https://example.com/{one}' id='{one}' type='cve'/>" for one in cves)
    return (
        f"<update from='x' status='final' type={quoteattr(kind)} version='2'><id>{identity}</id><title>{title}</title>"
        f"<issued date={quoteattr(date)}/><updated date={quoteattr(date)}/><release>{release}</release>"
        f"<severity>{severity}</severity><description>text</description><references>{references}</references>{extra}"
        f"<pkglist><collection short='c'><name>c</name>{mark if module else ''}{''.join(rows)}</collection></pkglist>"
        "</update>"
    )


def updates(*advisories: str) -> bytes:
    """An ``updateinfo.xml``."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<updates>{"".join(advisories)}</updates>\n'.encode()


def primary(*names: str) -> bytes:
    """The list of packages of a repository."""
    rows = "".join(f"<package type='rpm'><name>{name}</name><arch>x86_64</arch></package>" for name in names)
    return f"<metadata xmlns='http://linux.duke.edu/metadata/common'>{rows}</metadata>".encode()


def write_repository(
    root: Path, data: bytes, *packages: str, checksum: str = "", name: str = "updateinfo.xml.gz"
) -> Path:
    """A repository whose ``repomd.xml`` lists an updateinfo; it has these packages and those of the advisories."""
    folder = root / "repodata"
    folder.mkdir(parents=True, exist_ok=True)
    packed = gzip.compress(data, mtime=0)
    (folder / name).write_bytes(packed)
    digest = checksum or hashlib.sha256(packed).hexdigest()
    named = {one.decode() for one in re.findall(rb'<package name="([^"]*)"', data)}
    listed = gzip.compress(primary(*sorted({*packages, *named})), mtime=0)
    (folder / "primary.xml.gz").write_bytes(listed)
    (folder / "repomd.xml").write_text(
        "<?xml version='1.0'?><repomd xmlns='http://linux.duke.edu/metadata/repo'><revision>1</revision>"
        f"<data type='primary'><checksum type='sha256'>{hashlib.sha256(listed).hexdigest()}</checksum>"
        "<location href='repodata/primary.xml.gz'/></data>"
        f"<data type='updateinfo'><checksum type='sha256'>{digest}</checksum><location href='repodata/{name}'/></data>"
        "</repomd>"
    )
    return root


def build(source: Path | str, dest: Path, form: Form, **options: t.Any) -> t.Any:
    return build_index(str(source), str(dest), form=form, now=options.pop("now", NOW), **options)


def matched(source: Path | str, form: Form, inventory: Inventory, work: Path) -> Match:
    """What a feed says of an image."""
    build(source, work / "index", form)
    with FeedIndex.open(str(work / "index")) as index:
        return Matcher(index).match(inventory)
