# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of contents of an eStargz layer: whatever it says otherwise than the tar is a problem."""

from __future__ import annotations

import copy
import dataclasses
import gzip
import hashlib
import io
import json
import random
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._images.file_selection import FileSelection
from ansible_collections.imagescan.openshift.plugins.module_utils._images.stargz import DIGEST_ANNOTATION, NAME
from ansible_collections.imagescan.openshift.plugins.module_utils._images.walk import read_root
from ansible_collections.imagescan.openshift.tests.support import layouts
from ansible_collections.imagescan.openshift.tests.support.layouts import GZIP, File, digest_of

#: Made by github.com/containerd/stargz-snapshotter/estargz v0.19.1, with chunks of 8,192 bytes.
LAYER = (Path(__file__).parents[4] / "support" / "estargz_layer.tar.gz").read_bytes()
TABLE = "sha256:e2a7e65042f7824cadd8a9c77d6917f414d4daa409e943897b202ca458e4c0c6"
WANTED = FileSelection(files=frozenset({"etc/os-release", "usr/lib/os-release"}))


def problems(tar: bytes, digest: str, blob: bytes | None = None) -> list[str]:
    image = layouts.image_of_blobs([(GZIP if blob else layouts.PLAIN, blob or tar, tar)])
    layer = image.layers[0]
    marked = dataclasses.replace(layer.descriptor, annotations={DIGEST_ANNOTATION: digest})
    image = dataclasses.replace(image, layers=(dataclasses.replace(layer, descriptor=marked),))
    content = read_root(image, WANTED, threads=1)
    assert {problem.code for problem in content.problems} <= {"layer-ambiguous"}
    return [problem.message for problem in content.problems]


def members(tar: bytes) -> list[File]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return [
            File(
                info.name,
                t.cast("t.IO[bytes]", archive.extractfile(info)).read() if info.isreg() else b"",
                info.type,
                info.linkname,
            )
            for info in archive
        ]


ENTRIES = members(gzip.decompress(LAYER))
DOCUMENT: dict[str, t.Any] = json.loads(ENTRIES[-1].data)


def changed(
    change: t.Callable[[list[dict[str, t.Any]]], t.Any], text: t.Callable[[str], str] = lambda text: text
) -> list[str]:
    """Problems of the layer with a changed table, whose digest the manifest names."""
    document = copy.deepcopy(DOCUMENT)
    change(document["entries"])
    data = text(json.dumps(document)).encode()
    tar = layouts.tar_of([*ENTRIES[:-1], dataclasses.replace(ENTRIES[-1], data=data)])
    return problems(tar, digest_of(data))


def entry(entries: list[dict[str, t.Any]], name: str) -> dict[str, t.Any]:
    return next(one for one in entries if one["name"] == name)


def test_a_layer_of_the_real_tool_is_as_its_table_says() -> None:
    assert problems(gzip.decompress(LAYER), TABLE, LAYER) == []
    assert changed(lambda entries: None) == []


def extra(**fields: t.Any) -> t.Callable[[list[dict[str, t.Any]]], None]:
    return lambda entries: entries.append(fields)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (extra(name="etc/.wh.os-release", type="reg"), "etc/.wh.os-release"),
        (extra(name="var/lib/rpm/rpmdb.sqlite", type="symlink", linkName="/x"), "'var/lib'"),
        (extra(name="etc/os-release", type="dir"), "etc/os-release"),
        (extra(name="opt/", type="dir"), "opt"),
        (lambda entries: entries.remove(entry(entries, "var/.wh.gone")), "gone"),
        (lambda entries: entry(entries, "lib").update(linkName="opt"), "'lib' is a link to 'opt'"),
        (lambda entries: entry(entries, "usr/hard").update(linkName="usr/lib/os-release"), "usr/hard"),
        (lambda entries: entry(entries, "var/pipe").update(type="reg"), "var/pipe"),
        (lambda entries: entry(entries, "etc/os-release").update(size=24), "of 24 bytes"),
        (lambda entries: entry(entries, "etc/os-release").update(chunkDigest="sha256:" + "0" * 64), "another content"),
        (lambda entries: entry(entries, "usr/lib/os-release").update(chunkSize=8191), "another content"),
        (lambda entries: entries.pop(5), "another content"),
        (lambda entries: entries[5].update(chunkOffset=0), "another content"),
        (lambda entries: entries[5].update(chunkDigest=entries[4]["chunkDigest"], chunkOffset=0), "another content"),
        (extra(name="x", type="other"), "unknown type"),
        (extra(name="x", Type="reg", type="dir"), "other letters"),
        (extra(name="x", type="reg", size=-1), "a size that is not one"),
        (extra(name=1, type="reg"), "a name that is not one"),
        (extra(name="lost", type="chunk"), "cannot be read"),
        (lambda entries: entries.append(t.cast("t.Any", [])), "not an object"),
    ],
)
def test_what_the_table_says_otherwise(change: t.Callable[[list[dict[str, t.Any]]], t.Any], named: str) -> None:
    (message,) = changed(change)
    assert named in message
    assert message.startswith("layer 1 has an eStargz table of contents that differs: ")


@pytest.mark.parametrize(
    "text",
    [
        lambda text: text[:-2] + '], "entries": []}',
        lambda text: text[:-1] + ', "Entries": []}',
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: text + "x",
        lambda text: text.replace('"type": "dir"', '"type": "reg", "type": "dir"'),
        lambda text: text[:-3],
        lambda text: "",
        lambda text: text.replace("}, {", "} {"),
    ],
)
def test_a_table_that_readers_understand_differently(text: t.Callable[[str], str]) -> None:
    assert len(changed(lambda entries: None, text)) == 1


def test_a_table_that_is_not_the_one_of_the_manifest() -> None:
    tar = gzip.decompress(LAYER)
    assert "not the one that the manifest names" in problems(tar, "sha256:" + "0" * 64)[0]
    assert f"no {NAME}" in problems(layouts.tar_of(ENTRIES[:-1]), TABLE)[0]


def test_an_empty_table_of_an_empty_layer() -> None:
    data = b'{"version": 1, "entries": []}'
    assert problems(layouts.tar_of([File(NAME, data)]), digest_of(data)) == []
    assert len(problems(layouts.tar_of([File(NAME, data), File("x")]), digest_of(data))) == 1


def test_random_damage_ends_in_a_problem_or_in_nothing_else() -> None:
    chance = random.Random(7)
    for _number in range(400):
        data = bytearray(ENTRIES[-1].data)
        for _change in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(32, 127)
        tar = layouts.tar_of([*ENTRIES[:-1], dataclasses.replace(ENTRIES[-1], data=bytes(data))])
        assert len(problems(tar, "sha256:" + hashlib.sha256(data).hexdigest())) < 2
