# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results made to exhaust whoever reads them: refused, or read, within a second and 100 MB.

Each case runs in a process of its own, which makes its file, reads it, and reports its peak memory above what it had
before, and the processor time that reading took. Measured: at most 0.7 s and 60 MB.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

#: The bar is 1 s; machines that run tests may be slower than the one that it was set on.
SECONDS = 3.0
MEGABYTES = 100

READ = """
import bz2, gzip, json, lzma, sys, time
from pathlib import Path
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.files import read_chunks
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.reader import read_results
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.tests.support import openscap as made

MIB = 1 << 20
WHOLE = made.whole().encode()
HEAD, TAIL = WHOLE.split(b"m &amp; n")
OLD = made.XCCDF_OLD.encode()
WINDOW = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 * MIB, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}]

def prolog(doctype):
    return WHOLE.replace(b"?>", b"?>" + doctype, 1).replace(b"m &amp; n", b"&z;")

def laughs():
    lines = ["<!ENTITY a0 'lol'>"] + [f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 30)]
    return ("<!DOCTYPE z [" + "".join(lines) + "<!ENTITY z '&a29;'>]>").encode()

def quadratic():
    entity = b"<!DOCTYPE z [<!ENTITY z '" + b"a" * MIB + b"'>]>"
    return prolog(entity).replace(b"&z;", b"&z;" * 100_000)

def results():
    return WHOLE.replace(b"<rule-result", made.rule_result("a", "pass").encode() * 20_000 + b"<rule-result", 1)

def bomb(opener, size=1024):
    def write(path):
        head, tail = WHOLE.split(b"d <b>e</b>")
        with opener(path) as out:
            out.write(head)
            for _step in range(size):
                out.write(b" " * MIB)
            out.write(tail)
    return write

def plain(data):
    return lambda path: path.write_bytes(data())

def passing(data):
    return plain(lambda: WHOLE.replace(b"<arf:reports>", data() + b"<arf:reports>"))

CASES = {
    "billion-laughs": plain(lambda: prolog(laughs())),
    "quadratic": plain(quadratic),
    "external-entity": plain(lambda: prolog(b"<!DOCTYPE z [<!ENTITY z SYSTEM 'file:///etc/passwd'>]>")),
    "external-doctype": plain(lambda: prolog(b"<!DOCTYPE z SYSTEM 'http://127.0.0.1:1/z.dtd'>")),
    "parameter-entity": plain(lambda: prolog(b"<!DOCTYPE z [<!ENTITY % z SYSTEM 'file:///etc/passwd'> %z;]>")),
    "nested-from-the-start": plain(lambda: b"<a>" * 200_000),
    "nested-in-a-text": plain(lambda: HEAD + b"<a>" * 200_000 + b"</a>" * 200_000 + TAIL),
    "nested-in-what-passes-by": passing(lambda: b"<a>" * 200_000 + b"</a>" * 200_000),
    "nested-in-a-description": plain(lambda: WHOLE.replace(b"d <b>e</b>", b"<a>" * 3_000_000 + b"</a>" * 3_000_000)),
    "nested-groups": plain(lambda: WHOLE.replace(b"<Group", b"<Group>" * 200_000 + b"<Group", 1)),
    "nested-criteria": plain(lambda: WHOLE.replace(b"<criteria>", b"<criteria>" * 200_000, 1)),
    "attributes": passing(lambda: b"<a " + b" ".join(b'a%d=""' % n for n in range(200_000)) + b"/>"),
    "namespaces": passing(lambda: b"<a " + b" ".join(b'xmlns:a%d="u"' % n for n in range(30_000)) + b"/>"),
    "names": passing(lambda: b"".join(b"<a%d/>" % n for n in range(200_000))),
    "empty-elements": passing(lambda: b"<a/>" * 500_000),
    "one-text": plain(lambda: HEAD + b"a" * (30 * MIB) + TAIL),
    "one-text-that-passes-by": passing(lambda: b"<a>" + b"a" * (30 * MIB) + b"</a>"),
    "one-comment": passing(lambda: b"<!--" + b"a" * (30 * MIB) + b"-->"),
    "one-attribute": passing(lambda: b"<a b='" + b"a" * (30 * MIB) + b"'/>"),
    "one-name": passing(lambda: b"<" + b"a" * (30 * MIB) + b"/>"),
    "many-texts": plain(lambda: HEAD + b"a&amp;" * 200_000 + TAIL),
    "many-messages": plain(lambda: HEAD + b"</message><message>".join([b""] * 120_000) + TAIL),
    "many-results": plain(results),
    "spaces-in-gzip": bomb(lambda path: gzip.open(path, "wb", 1)),
    "spaces-in-bzip2": bomb(lambda path: bz2.open(path, "wb", 1), 128),
    "spaces-in-xz": bomb(lambda path: lzma.open(path, "wb", preset=0)),
    "window-of-xz": plain(lambda: lzma.compress(WHOLE, filters=WINDOW)),
    "gzip-that-was-cut": plain(lambda: gzip.compress(WHOLE)[:-10]),
    "nul": plain(lambda: bytes(30 * MIB)),
    "nul-in-a-text": plain(lambda: HEAD + bytes(9) + TAIL),
    "utf-16-that-is-not": plain(lambda: WHOLE.replace(b"UTF-8", b"UTF-16")),
    "utf-8-that-is-not": plain(lambda: HEAD + b"\\xff\\xfe" + TAIL),
    "utf-7": plain(lambda: WHOLE.replace(b"UTF-8", b"UTF-7")),
    "an-encoding-of-python": plain(lambda: WHOLE.replace(b"UTF-8", b"zlib_codec")),
    "mixed-namespaces": plain(lambda: WHOLE.replace(b"<rule-result ", b'<rule-result xmlns="%s" ' % OLD, 2)),
}

def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024

path = Path(sys.argv[1]) / "results.xml"
CASES[sys.argv[2]](path)
Path("/proc/self/clear_refs").write_text("5")
before, started = peak(), time.process_time()
try:
    found = read_results(read_chunks(path), "it")
    problems = [one.code for one in found.problems]
    result = {"code": "", "message": "read", "rules": len(found.rules), "problems": problems}
except ScanError as error:
    result = {"code": error.code, "message": str(error)}
result |= {"megabytes": peak() - before, "seconds": time.process_time() - started}
print(json.dumps(result))
"""

#: Case -> what the error says; None for what is read to the end, with its rules.
EXPECTED: dict[str, str | None] = {
    "billion-laughs": "declares a document type",
    "quadratic": "declares a document type",
    "external-entity": "declares a document type",
    "external-doctype": "declares a document type",
    "parameter-entity": "declares a document type",
    "nested-from-the-start": "begins with <a>",
    "nested-in-a-text": "nested deeper than 200",
    "nested-in-what-passes-by": "nested deeper than 200",
    "nested-in-a-description": "nested deeper than 200",
    "nested-groups": "nested deeper than 200",
    "nested-criteria": "nested deeper than 200",
    "attributes": "a tag or a text of more than",
    "namespaces": None,
    "names": "more than 20000 names",
    "empty-elements": None,
    "one-text": "a tag or a text of more than",
    "one-text-that-passes-by": None,
    "one-comment": "a tag or a text of more than",
    "one-attribute": "a tag or a text of more than",
    "one-name": "a tag or a text of more than",
    "many-texts": None,
    "many-messages": None,
    "many-results": None,
    "spaces-in-gzip": "a decompression bomb",
    "spaces-in-bzip2": "a decompression bomb",
    "spaces-in-xz": "a decompression bomb",
    "window-of-xz": "cannot be read: the xz stream is damaged: Memory usage limit",
    "gzip-that-was-cut": "ends early",
    "nul": "is not whole XML",
    "nul-in-a-text": "is not whole XML",
    "utf-16-that-is-not": "is not whole XML",
    "utf-8-that-is-not": "is not whole XML",
    "utf-7": "is written in 'UTF-7'",
    "an-encoding-of-python": "is written in 'zlib_codec'",
    "mixed-namespaces": "where none belongs",
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", EXPECTED)
def test_hostile_results_are_refused_or_read_within_bounds(case: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path), case], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    expected = EXPECTED[case]
    if expected is None:
        assert not result["code"], result["message"][:300]
        assert result["rules"] >= 3
        assert result["problems"] == []
    else:
        assert result["code"], f"it was read: {result}"
        assert re.search(expected, result["message"]), result["message"][:300]
        assert len(result["message"]) < 2000
    assert result["seconds"] < SECONDS, result
    assert result["megabytes"] < MEGABYTES, result
