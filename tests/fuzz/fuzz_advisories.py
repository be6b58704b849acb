# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz the readers of advisories, of what lists them, and of bundles.

An input is a letter and what follows. ``O``: an OSV record. ``U``: an ``updateinfo.xml``. ``M``: a ``repomd.xml``.
``C``: a list of changes. ``B``: a manifest of a bundle. ``T``: a bundle.

Beside "nothing but a ScanError": reading for one package alone gives just what is said of it, it does not matter how a
stream is cut, and a bundle that is read is one that could be written.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import random
import tempfile
import typing as t
from pathlib import Path
from xml.etree import ElementTree

from ansible_collections.imagescan.openshift.plugins.module_utils._core import times
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents import (
    advisories,
    osv,
    updateinfo,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.model import Document
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds import (
    bundles,
    layout,
    repodata,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import SEVERITIES
from ansible_collections.imagescan.openshift.tests.fuzz import trees
from ansible_collections.imagescan.openshift.tests.fuzz.mutations import mutate_bytes
from ansible_collections.imagescan.openshift.tests.support.advisories import record

READERS = [str(module.__file__) for module in (advisories, osv, updateinfo, times)]

_XML = b"UM"
_JSON = b"OB"


def one_case(data: bytes) -> None:
    reader = _READERS.get(data[:1])
    if reader is None:
        return
    try:
        reader(data[1:])
    except ScanError as error:
        assert error.code and str(error).isprintable(), "an error that cannot be shown"


def _record(data: bytes) -> None:
    read = osv.read_record(data, "record")
    _check(read, functools.partial(osv.read_record, data, "record"))


def _updateinfo(data: bytes) -> None:
    parts = list(updateinfo.split([data], "updateinfo"))
    assert parts == list(updateinfo.split([data[at : at + 7] for at in range(0, len(data), 7)], "updateinfo"))
    for _identity, text in parts:
        with contextlib.suppress(ScanError):
            read = functools.partial(updateinfo.read_advisory, text, "advisory", distribution="rocky:9")
            _check(read(), read)


def _check(read: Document, again: t.Callable[..., Document]) -> None:
    assert times.utc_text(read.revision) == read.revision
    rows = [row for _cve, found in read.vulnerabilities for row in found]
    for row in rows:
        assert advisories.is_name(row.name) and row.severity in SEVERITIES and row.product.isprintable()
        assert row.evr or row.status == "known_affected", "a fix without a version"
        "".join(row).encode("utf-8")
    for name in sorted({row.name for row in rows})[:3]:
        own = [row for _cve, found in again(names={name}).vulnerabilities for row in found]
        assert own == [row for row in rows if row.name == name]


def _repomd(data: bytes) -> None:
    for listed in repodata.read_repomd(data, "repository"):
        assert ".." not in listed.path.split("/") and not listed.path.startswith("/")


def _changes(data: bytes) -> None:
    for path, moment in layout.read_rows(data, "changes.csv").items():
        assert ".." not in path and times.utc_text(moment) == moment


def _manifest(data: bytes) -> None:
    manifest = bundles.read_manifest(data, "bundle")
    assert bundles.read_manifest(manifest.encoded(), "bundle") == manifest


def _bundle(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=_folder().name) as folder:
        path = Path(folder) / "bundle.tar"
        path.write_bytes(data)
        if not bundles.is_bundle(path):
            return
        inside = Path(folder) / "inside"
        inside.mkdir()
        manifest = bundles.read_bundle(path, inside)
        found = {one.relative_to(inside).as_posix() for one in inside.rglob("*") if not one.is_dir()}
        assert found == set(manifest.files)
        for name, file in manifest.files.items():
            content = (inside / name).read_bytes()
            assert (hashlib.sha256(content).hexdigest(), len(content)) == file
        assert sorted(one.name for one in Path(folder).iterdir()) == ["bundle.tar", "inside"]


_READERS: t.Mapping[bytes, t.Callable[[bytes], None]] = {
    b"O": _record,
    b"U": _updateinfo,
    b"M": _repomd,
    b"C": _changes,
    b"B": _manifest,
    b"T": _bundle,
}


@functools.lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="imagescan-fuzz-")


_FIX = ("openssl-libs", "1:3.0.7-28.el9_4")
_MODULAR = ("python39", "3.9.13-2.module_el8.7.0+3351+e02cdf9b")


def _records() -> t.Iterator[t.Any]:
    yield record("ALSA-2026:1", _FIX, _MODULAR, summary="Important: python39:3.9 security update")
    yield record("RLSA-2026:1", _FIX, ecosystem="Rocky Linux:9", related=[], summary="An update")
    yield record("ALBA-2026:1", _FIX, related=[])
    yield record("ALSA-2026:1", _FIX, withdrawn="2026-08-02T00:00:00Z")
    yield record("ALSA-2026:1", _FIX, database_specific={"severity": "Critical"}, upstream=["CVE-2026-1234"])
    yield record("GHSA-1", _FIX, ecosystem="Debian:12")
    yield record("GHSA-1", _FIX, ecosystem="AlmaLinux:x")
    yield record("../x", _FIX)
    yield {"id": "ALSA-2026:1"}
    for path, value in (
        (("affected", 0, "ranges", 0, "events"), [{"introduced": "0"}]),
        (("affected", 0, "ranges", 0, "events"), []),
        (("affected", 0, "ranges"), []),
        (("affected", 0, "package", "name"), "../x"),
        (("affected", 0, "ranges", 0, "events", 1, "fixed"), "later"),
        (("affected",), [5]),
        (("affected",), []),
        (("related",), [5]),
        (("related",), [f"CVE-2026-{number}" for number in range(10_000, 15_100)]),
    ):
        changed = record("ALSA-2026:1", _FIX)
        trees.at(changed, path[:-1])[path[-1]] = value
        yield changed


def _update(identity: str, packages: str = "", *more: str, kind: str = "security", **attributes: str) -> str:
    own = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return (
        f'<update from="x" type="{kind}" status="final" version="2"{own}><id>{identity}</id>'
        "<title>Important: perl:5.32 security update</title><severity>None</severity>"
        '<issued date="2026-03-01"/><updated date="2026-03-01 10:00:00"/><release>Rocky Linux 9</release>'
        "<description>CVE-2026-1000 and &lt;more&gt;</description>"
        f'<references><reference href="https://x" id="CVE-2026-1001" type="cve" title="t"/></references>{"".join(more)}'
        f'<pkglist><collection short="a"><name>b</name>{packages}</collection></pkglist></update>'
    )


def _package(release: str = "1.el9", **more: str) -> str:
    values = {"name": "perl", "epoch": "4", "version": "5.32", "release": release, "arch": "x86_64", **more}
    return f"<package {' '.join(f'{key}={value!r}' for key, value in values.items())}><filename>x</filename></package>"


def _files() -> t.Iterator[str]:
    module = '<module name="perl" stream="5.32" version="1" context="a" arch="x86_64"/>'
    modular = _package("1.module+el9.0.0+1+aaaaaaaa")
    yield ""
    yield "<updates/>"
    yield "<updates>"
    yield "<html/>"
    yield "<!DOCTYPE a [<!ENTITY b 'c'>]><updates/>"
    for one in (
        _update("RLSA-2026:1", module + modular + _package()) * 2 + _update("RLSA-2026:1", _package()),
        _update("RLSA-2026:1", module.replace("5.32", "5.30") + modular),
        _update("RLSA-2026:1", module.replace("5.32", ":") + modular),
        _update("RLSA-2026:1", modular + _package("1.el8", epoch="", arch="a-b", name="perl-libs")),
        _update("RLSA-2026:1", _package("x y")),
        _update("RLSA-2026:1", _package(name="..")),
        _update("RLSA-2026:1"),
        _update("RLBA-2026:1", _package(), kind="bugfix").replace('type="cve"', 'type="other"'),
        _update("RLSA-2026:1", _package(), kind="other"),
        _update("RLSA-2026:1", _package()).replace('type="cve"', 'type="other"').replace("CVE-2026-1001", "x"),
        _update("RLSA-2026:1", _package()).replace('status="final"', 'status="retracted"'),
        _update("RLSA-2026:1", _package()).replace("Rocky Linux 9", "Rocky Linux 8"),
        _update("RLSA-2026:1", _package()).replace("2026-03-01", "soon"),
        _update("RLSA-2026:1", _package()).replace("Important:", ""),
        _update("ALSA-2026:1", _package()),
        _update("../x", _package()),
        "<update>" + "<x>" * 40 + "</x>" * 40 + "</update>",
        "<update><package/></update>",
    ):
        yield f"<updates>{one}</updates>"


def _lists() -> t.Iterator[str]:
    yield '"2026/cve-2026-1234.json","2026-08-21T10:11:12+00:00"\n"2026/cve-2026-1.json","2026-08-21T10:11:12Z"\n\n'
    yield '"../../x.json","2026-08-21T10:11:12+00:00"'
    yield '"2026/cve-2026-1234.json","yesterday"'
    yield '"2026/cve-2026-1234.json"'
    yield '"2026/cve'


def _repositories() -> t.Iterator[str]:
    for path, kind in (("repodata/a-updateinfo.xml.gz", "sha256"), ("../../etc/passwd", "sha256"), ("a", "md5")):
        yield (
            '<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary"><location href="b"/></data>'
            f'<data type="updateinfo"><checksum type="{kind}">{"ab" * 32}</checksum><location href="{path}"/></data>'
            "</repomd>"
        )
    yield "<repomd/>"


def _bundles() -> t.Iterator[tuple[bytes, bytes]]:
    """Manifest and whole of a bundle."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {}
        for path, content in (("changes.csv", b""), ("2026/cve-2026-1.json", b"{}")):
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(content)
            files[path] = bundles.digest_file(folder / path)
        moment = "2026-08-21T10:11:12Z"
        manifest = bundles.BundleManifest("feed", "csaf-vex", "a+b", moment, moment, "", files)
        bundles.write_bundle(folder, manifest, folder / "bundle.tar")
        yield manifest.encoded(), (folder / "bundle.tar").read_bytes()


def seeds() -> list[bytes]:
    found = [b"O" + json.dumps(value).encode() for value in _records()]
    for letter, texts in ((b"U", _files()), (b"C", _lists()), (b"M", _repositories())):
        found += [letter + text.encode() for text in texts]
    for manifest, whole in _bundles():
        found += [b"B" + manifest, b"T" + whole]
    return found


def mutate(data: bytes, source: random.Random) -> bytes:
    letter, rest = data[:1], data[1:]
    if source.random() < 0.7:
        with contextlib.suppress(ValueError, RecursionError, ElementTree.ParseError):
            if letter and letter in _XML:
                return letter + trees.random_xml_change(rest, source)
            if letter and letter in _JSON:
                return letter + trees.random_change(trees.parsed(rest), source)
    return letter + mutate_bytes(rest, source)
