# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random damage to documents, images that fail by the undamaged ones, and what becomes of them by the damaged ones."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
import json
import random
import re
import tarfile
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Inventory, PackageDatabase
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.judge import judge
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import ImageVerdict
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.subject import Subject
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.cpes import parse_cpe
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.model import StatementRow
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.parsing import (
    CSAF,
    Refusal,
    outcome,
    write_outcome,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.writer import IndexWriter
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import Matcher
from ansible_collections.imagescan.openshift.tests.fuzz import trees
from ansible_collections.imagescan.openshift.tests.support import vex
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.documents import real_documents

NOW = datetime.datetime(2026, 8, 21, 13, 0, tzinfo=datetime.timezone.utc)
POLICY = load_policies(
    "- {name: strict, vulnerabilities: {max_severity: none, fixable: false, min_documents: 0}}\n", "strict"
)
_BASH = vex.rpm("bash-5.1.8-9.el9.x86_64")
_DIST_TAG = re.compile(r"\.(el[0-9]+|module[+_][A-Za-z0-9.]+\+[0-9]+\+[0-9a-f]+)")
_BOUNDED = 64 << 10  # bytes of a chunk in most cases


@functools.cache
def every_document() -> dict[str, bytes]:
    """Every real document, by a name; advisories stand in as VEX documents, all else is as the vendor wrote it."""
    found = dict(real_documents())
    with tarfile.open(data_path() / "red_hat_documents.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                data = file.read()
                if b'"csaf_vex"' not in data:
                    item = json.loads(data)
                    item["document"]["category"] = "csaf_vex"
                    data = json.dumps(item).encode()
                found[member.name] = data
    return found


# -- damage --


def _flip(data: bytes, source: random.Random) -> bytes:
    changed = bytearray(data)
    for _byte in range(source.choice((1, 1, 2, 4))):
        changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
    return bytes(changed)


def _span(data: bytes, source: random.Random) -> tuple[int, int]:
    """Beginning and end of a chunk: mostly small, sometimes any part of the document."""
    limit = len(data) if source.random() < 0.3 else min(len(data), _BOUNDED)
    start = source.randrange(len(data))
    return start, min(len(data), start + 1 + int(limit * source.random() ** 3))


def _cut(data: bytes, source: random.Random) -> bytes:
    place = source.randrange(len(data))
    return data[:place] if source.random() < 0.8 else data[place:]


def _lose(data: bytes, source: random.Random) -> bytes:
    start, end = _span(data, source)
    return data[:start] + (b"\0" * (end - start) if source.random() < 0.2 else b"") + data[end:]


def _duplicate(data: bytes, source: random.Random) -> bytes:
    start, end = _span(data, source)
    place = source.randrange(len(data))
    return data[:place] + data[start:end] + data[place + (end - start if source.random() < 0.5 else 0) :]


def _swap(data: bytes, source: random.Random) -> bytes:
    """Two values of the tree change places."""
    root = trees.parsed(data)
    one, two = (source.choice(list(trees.nodes(root))) for _value in range(2))
    if one[: len(two)] == two or two[: len(one)] == one:
        return data
    first, second = trees.at(root, one), trees.at(root, two)
    trees.at(root, one[:-1])[one[-1]] = second
    trees.at(root, two[:-1])[two[-1]] = first
    return trees.written(root)


def _delete(data: bytes, source: random.Random) -> bytes:
    """A key or an item of the tree is gone."""
    root = trees.parsed(data)
    path = source.choice(list(trees.nodes(root)))
    del trees.at(root, path[:-1])[path[-1]]
    return trees.written(root)


def _change(data: bytes, source: random.Random) -> bytes:
    return trees.random_change(trees.parsed(data), source)


KINDS: t.Mapping[str, t.Callable[[bytes, random.Random], bytes]] = {
    "flip": _flip,
    "cut": _cut,
    "lose": _lose,
    "duplicate": _duplicate,
    "swap": _swap,
    "delete": _delete,
    "change": _change,
}


def damaged(data: bytes, source: random.Random) -> tuple[str, bytes]:
    """What was done to a document, and what is left of it: one or two places are damaged."""
    kinds = []
    for _damage in range(source.choice((1, 1, 2))):
        kind = source.choice(list(KINDS))
        try:
            data = KINDS[kind](data, source) if data else data
        except (ValueError, RecursionError):
            continue  # it is no longer a tree
        kinds.append(kind)
    return "+".join(kinds), data


# -- images --


class Victim(t.NamedTuple):
    """A document and an image that fails because of it. ``cpe``: of the image's only repository."""

    path: str
    text: bytes
    image: Inventory
    cpe: str


def image_of(row: StatementRow) -> tuple[Inventory, str] | None:
    """An image with an older build of the package that a statement is about, or of one built from that source."""
    cpe = parse_cpe(row.cpe)
    if cpe is None or row.name == row.module or row.status not in ("fixed", "known_affected"):
        return None
    tag = _DIST_TAG.search(row.evr)
    release = "0.1" + (tag[0] if tag else f".el{cpe.major or 9}")
    is_source = row.arch == "src" or (not row.arch and not row.evr)
    name = f"lib{row.name}-any" if is_source else row.name
    arch = row.arch if row.arch not in ("", "src", "noarch") else "x86_64"
    source = f"{row.name}-0-{release}.src.rpm"
    package = vex.rpm(f"{name}-0-{release}.{arch}", source=source, module="" if row.module == "?" else row.module)
    image = vex.inventory(_BASH, package, version=f"{cpe.major or 9}.4", repositories=["repo"])
    return dataclasses.replace(image, database=_database(2)), row.cpe


def victims(path: str, text: bytes, folder: Path, source: random.Random, count: int) -> list[Victim]:
    """Up to ``count`` images that fail by a document."""
    found = outcome(path, text, (), CSAF)
    if isinstance(found, Refusal):
        return []
    with_one: list[Victim] = []
    rows = [
        StatementRow(name, status, group[1], group[2], "", "", "", "", arch, *found.products[group[7][0]])
        for _cve, packages in found.vulnerabilities
        for name, groups in packages
        for group in groups
        for status in (("fixed", "known_affected", "", "")[group[0]],)
        for arch in (group[8].split(" ")[0].replace("*", ""),)
        if status
    ]
    source.shuffle(rows)
    for row in rows[: 4 * count]:
        image = image_of(row)
        if image is not None and verdict_of(Victim(path, text, *image), text, folder).verdict == "failed":
            with_one.append(Victim(path, text, *image))
            if len(with_one) == count:
                break
    return with_one


def verdict_of(victim: Victim, text: bytes, folder: Path) -> ImageVerdict:
    """The verdict on an image by a feed with one document, and another that says something harmless of each package."""
    dest = folder / "index"
    names = sorted({package.name for package in victim.image.packages})
    neutral = vex.document("CVE-2026-9999", *(vex.not_affected(victim.cpe, name) for name in names))
    with IndexWriter(str(dest)) as writer:
        for path, data in (("2026/cve-2026-9999.json", json.dumps(neutral).encode()), (victim.path, text)):
            found = outcome(path, data, (), CSAF)
            write_outcome(writer, path, hashlib.sha256(data).hexdigest(), "", found, verified=False)
        writer.set_repositories({"repo": [victim.cpe]})
        described = {"serial": "a", "format": "csaf-vex", "checked": "2026-08-21T12:00:00Z"}
        writer.finish({**described, "repository_map": True, "names": []})
    with FeedIndex.open(str(dest)) as index:
        return _judged(victim.image, Matcher(index))


def _judged(image: Inventory, matcher: Matcher) -> ImageVerdict:
    subject = Subject(
        digest="sha256:" + "0" * 64,
        reference="example.com/app:1",
        platform="linux/amd64",
        inventory=image,
        scanned_at="2026-08-21T12:00:00Z",
        match=matcher.match(image),
        feed=matcher.index.info,
    )
    return judge(subject, POLICY, (), now=NOW)


def state_of(victim: Victim, text: bytes) -> str:
    """What becomes of a document: ``read``, ``left out``, or unreadable and ``scoped``, ``wide``."""
    found = outcome(victim.path, text, (), CSAF)
    if not isinstance(found, Refusal):
        return "read"
    return "scoped" if found.scope.names else "wide" if found.is_rejected else "left out"


def keeps_bystander(victim: Victim, text: bytes, folder: Path) -> bool:
    """Whether an image that has none of the names in a damaged document is judged as by the undamaged one."""
    scope = CSAF.format.scope(text, victim.path)
    if "bash" in scope.names:
        return True
    image = dataclasses.replace(victim.image, packages=(_BASH,), database=_database(1))
    bystander = victim._replace(image=image)
    return verdict_of(bystander, text, folder) == verdict_of(bystander, victim.text, folder)


# -- a generated feed --


def numbered(number: int) -> str:
    """The name of a package of the generated feed."""
    return f"package{number}"


def numbered_document(number: int, *, readable: bool = True) -> vex.Json:
    """A document about one package, of which every second one is vulnerable."""
    name = numbered(number)
    said = vex.affected(vex.MAIN_9, name) if number % 2 else vex.not_affected(vex.MAIN_9, name)
    item = vex.document(f"CVE-2026-{1000 + number}", said)
    if not readable:
        item["document"]["category"] = "unreadable"
    return item


def numbered_image(numbers: t.Iterable[int]) -> Inventory:
    """An image with packages of the generated feed."""
    packages = [vex.rpm(f"{numbered(number)}-1.0-1.el9.x86_64") for number in numbers]
    image = vex.inventory(*packages, repositories=["repo"])
    return dataclasses.replace(image, database=_database(len(packages)))


def verdicts(index: Path, images: t.Iterable[Inventory]) -> list[ImageVerdict]:
    """The verdicts on images by an index."""
    with FeedIndex.open(str(index)) as opened:
        matcher = Matcher(opened)
        return [_judged(image, matcher) for image in images]


def _database(rows: int) -> PackageDatabase:
    return PackageDatabase("var/lib/rpm/rpmdb.sqlite", "sqlite", rows)
