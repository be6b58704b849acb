# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vulnerability data made to exhaust whoever reads it: each ends in a clear error, within seconds and 200 MB.

Each case runs in a process of its own, which makes its input, reads it, and reports its peak memory above that of the
input, and the processor time that reading took.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 20.0
MEGABYTES = 200

READ = """
import dataclasses, datetime, gzip, io, json, lzma, resource, sys, tarfile, time, zipfile
from pathlib import Path
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts import exceptions, vex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents import (
    csaf_vex, osv, updateinfo,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds import (
    advisories, archives, bundles, layout, repodata, repository_map,
)

work = Path(sys.argv[1])
NOW = datetime.datetime(2026, 11, 24, tzinfo=datetime.timezone.utc)
MIB = 1 << 20
TRACKING = {"id": "CVE-2026-1000", "status": "final", "current_release_date": "2026-02-02T10:00:00Z"}
DOCUMENT = {"category": "csaf_vex", "csaf_version": "2.0", "tracking": TRACKING}
HEAD = json.dumps({"document": DOCUMENT})[:-1].encode() + b", "

def advisories_of(data):
    for identity, text in updateinfo.split(data, "updateinfo.xml"):
        updateinfo.read_advisory(text, identity, distribution="rocky:9")

def unpacked(name, write):
    path = work / name
    write(path)
    limits = dataclasses.replace(archives.LIMITS, expansion_free=64 * MIB)  # so that the bombs can be small
    return lambda: archives.read_archive(
        str(path), lambda _path: True, lambda _path, _data: None, member_limit=MIB, limits=limits
    )

def zipped(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(10):
            with archive.open(f"ALSA-2026:{number}.json", "w", force_zip64=True) as member:
                for _step in range(17):
                    member.write(bytes(MIB))

class Sink:
    def take(self, path, data, stamp=""):
        assert data is None

def zip_feed():
    path = work / "bomb.zip"
    zipped(path)
    advisories.LIMITS = dataclasses.replace(advisories.LIMITS, expansion_free=64 * MIB)
    feed = advisories._ZipFeed(advisories._Local(path), lambda: None)
    return lambda: feed.read(Sink())

def zeros(opener, size):
    def write(path):
        with opener(path) as out:
            info = tarfile.TarInfo("2026/cve-2026-1.json")
            info.size = size
            out.write(info.tobuf())
            for _step in range(size // (4 * MIB)):
                out.write(bytes(4 * MIB))
    return write

def zstd(path):
    import zstandard
    return zstandard.open(path, "wb")

def chained(depth):
    lines = ["- &a0 {id: CVE-2026-1000, reason: a, expires: 2027-01-01}"]
    lines += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, depth)]
    return "\\n".join(lines)

def relationships(count, start=b"", end=b""):
    links = [
        dict(full_product_name={"product_id": f"l{n}"}, product_reference=f"l{n + 1}", relates_to_product_reference="x")
        for n in range(count)
    ]
    tree = {"relationships": links}
    status = [{"cve": "CVE-2026-1000", "product_status": {"fixed": ["l0"]}}]
    return HEAD + json.dumps({"product_tree": tree, "vulnerabilities": status})[1:].encode()

def colons():
    status = [{"cve": "CVE-2026-1000", "product_status": {"fixed": [":" * MIB, "a" + ":a" * MIB]}}]
    return HEAD + b'"vulnerabilities": ' + json.dumps(status).encode() + b"}"

def branches():
    inner = b'{"branches": [' * 100_000
    return HEAD + b'"product_tree": ' + inner + b"]}" * 100_000 + b"}"

def manifest():
    files = {f"a/{n}": {"sha256": "0" * 64, "size": 1} for n in range(200_000)}
    values = dict(schema_version=1, kind="feed", format="x", serial="x", newest="2026-01-01T00:00:00Z", files=files)
    return json.dumps({**values, "checked": "2026-01-01T00:00:00Z", "signature_key": ""}).encode()

def entities():
    lines = [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)]
    return f'<!DOCTYPE updates [<!ENTITY a0 "x">{"".join(lines)}]><updates>&a11;</updates>'.encode()

def csaf(data):
    csaf_vex.read_document(data, "it")

def record(data):
    osv.read_record(data, "it")

def whole(data):
    advisories_of([data])

def maker(data):
    vex.read_vex(data, "it", now=NOW)

def written(text):
    exceptions.load_exceptions(text, "it")

def rows(data):
    layout.read_rows(data, "changes.csv")

def mapping(data):
    repository_map.read_repository_map(data, "it")

def reader(function, data):
    return lambda: function(data)

CASES = {
    "csaf-of-nested-lists": lambda: reader(csaf, b'{"document":' + b"[" * (64 * MIB - 100)),
    "csaf-of-empty-lists": lambda: reader(csaf, b'{"document":[' + b"[]," * (20 * MIB) + b"[]]}"),
    "csaf-of-one-number": lambda: reader(csaf, b'{"document":' + b"9" * (60 * MIB) + b"}"),
    "csaf-of-one-text": lambda: reader(csaf, b'{"document":"' + b"a" * (60 * MIB) + b'"}'),
    "csaf-too-large": lambda: reader(csaf, bytes(65 * MIB)),
    "csaf-of-a-long-chain": lambda: reader(csaf, relationships(100_000)),
    "csaf-of-colons": lambda: reader(csaf, colons()),
    "csaf-of-deep-branches": lambda: reader(csaf, branches()),
    "osv-of-nested-lists": lambda: reader(record, b'{"id":' + b"[" * (15 * MIB)),
    "osv-of-empty-lists": lambda: reader(record, b'{"id":[' + b"[]," * (4 * MIB) + b"[]]}"),
    "osv-too-large": lambda: reader(record, bytes(17 * MIB)),
    "updateinfo-of-entities": lambda: reader(whole, entities()),
    "updateinfo-of-external-entities": lambda: reader(whole, b'<!DOCTYPE updates SYSTEM "file:///x"><updates/>'),
    "updateinfo-of-nested-elements": lambda: reader(whole, b"<updates>" + b"<update>" * (8 * MIB)),
    "updateinfo-of-one-tag": lambda: reader(lambda d: advisories_of([b"<updates "] + [d] * 64), b"a" * MIB),
    "updateinfo-of-one-text": lambda: reader(
        lambda d: advisories_of([b"<updates><update><id>"] + [d] * 64), b"a" * MIB
    ),
    "updateinfo-of-attributes": lambda: reader(
        whole, b"<updates " + b" ".join(b'a%d=""' % n for n in range(500_000))
    ),
    "updateinfo-of-packages": lambda: reader(
        lambda d: advisories_of([b"<updates><update><pkglist><collection>"] + [d] * 1000), b"<package/>" * 1000
    ),
    "repomd-of-entities": lambda: reader(lambda d: repodata.read_repomd(d, "it"), entities()),
    "repomd-of-nested-elements": lambda: reader(lambda d: repodata.read_repomd(d, "it"), b"<repomd>" * 500_000),
    "changes-of-one-line": lambda: reader(rows, b'"' + b"a" * (60 * MIB)),
    "changes-of-commas": lambda: reader(rows, b"," * (16 * MIB)),
    "changes-of-empty-lines": lambda: reader(rows, b"\\n" * (8 * MIB) + b"x"),
    "map-of-nested-lists": lambda: reader(mapping, b'{"data":' + b"[" * (60 * MIB)),
    "manifest-of-too-many-files": lambda: reader(lambda d: bundles.read_manifest(d, "it"), manifest()),
    "exceptions-of-aliases": lambda: reader(written, chained(12)),
    "exceptions-of-nested-lists": lambda: reader(written, "[" * 500_000),
    "exceptions-of-one-text": lambda: reader(written, "- id: " + "a" * (32 * MIB)),
    "vex-of-nested-lists": lambda: reader(maker, b'{"@context":' + b"[" * (32 * MIB)),
    "vex-of-empty-lists": lambda: reader(maker, b'{"@context":[' + b"[]," * (8 * MIB) + b"[]]}"),
    "tar-of-gzip": lambda: unpacked("a.tar.gz", zeros(lambda path: gzip.open(path, "wb", 9), 512 * MIB)),
    "tar-of-xz": lambda: unpacked("a.tar.xz", zeros(lambda path: lzma.open(path, "wb", preset=0), 512 * MIB)),
    "tar-of-zstd": lambda: unpacked("a.tar.zst", zeros(zstd, 512 * MIB)),
    "zip": zip_feed,
}

def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024

case = CASES[sys.argv[2]]()
Path("/proc/self/clear_refs").write_text("5")
before, started = peak(), time.process_time()
try:
    case()
    result = {"code": "", "message": "read"}
except ScanError as error:
    result = {"code": error.code, "message": str(error)}
result |= {"megabytes": peak() - before, "seconds": time.process_time() - started}
print(json.dumps(result))
"""

#: Case -> what the error says; "" for what may be read to the end.
EXPECTED = {
    "csaf-of-nested-lists": "values",
    "csaf-of-empty-lists": "values",
    "csaf-of-one-number": "'category'|document is not an object",
    "csaf-of-one-text": "document is not an object",
    "csaf-too-large": "bytes",
    "csaf-of-a-long-chain": "no status for|nested too deep|does not define",
    "csaf-of-colons": "does not define",
    "csaf-of-deep-branches": "nested",
    "osv-of-nested-lists": "values",
    "osv-of-empty-lists": "values",
    "osv-too-large": "bytes",
    "updateinfo-of-entities": "declares a document type",
    "updateinfo-of-external-entities": "declares a document type",
    "updateinfo-of-nested-elements": "",
    "updateinfo-of-one-tag": "a tag of more than",
    "updateinfo-of-one-text": "characters",
    "updateinfo-of-attributes": "",
    "updateinfo-of-packages": "packages",
    "repomd-of-entities": "declares a document type",
    "repomd-of-nested-elements": "nested|not whole XML",
    "changes-of-one-line": "line 1",
    "changes-of-commas": "line 1",
    "changes-of-empty-lines": "is not like",
    "map-of-nested-lists": "is not one",
    "manifest-of-too-many-files": "200000 files|values",
    "exceptions-of-aliases": "",
    "exceptions-of-nested-lists": "",
    "exceptions-of-one-text": "",
    "vex-of-nested-lists": "",
    "vex-of-empty-lists": "",
    "tar-of-gzip": "decompression bomb",
    "tar-of-xz": "decompression bomb",
    "tar-of-zstd": "decompression bomb",
    "zip": "decompression bomb",
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", EXPECTED)
def test_hostile_data_ends_in_an_error_within_bounds(case: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", READ, str(tmp_path), case]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert result["code"], f"it was read: {result}"
    assert re.search(EXPECTED[case], result["message"]), result["message"][:300]
    assert len(result["message"]) < 2000
    assert result["seconds"] < SECONDS, result
    assert result["megabytes"] < MEGABYTES, result
