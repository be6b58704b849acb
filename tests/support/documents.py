# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every real CSAF document of the data folder."""

from __future__ import annotations

import functools
import io
import json
import re
import tarfile
import typing as t

import zstandard

from .data import data_path

EXAMPLES = "RedHatProductSecurity+security-data-guidelines"

#: What is missing in documents that are not as Red Hat published them, and what the reader says of them.
CHANGED = {
    # trivy-db made these up: their vulnerabilities have no product_status.
    "legacy/CVE-2024-11111-85c08f.json": ("its vulnerability has no product_status", "its product_status is empty"),
    "legacy/CVE-2024-22222-29fe92.json": ("its vulnerability has no product_status", "its product_status is empty"),
    "legacy/CVE-2024-9999-03be10.json": ("its vulnerability has no product_status", "its product_status is empty"),
    "legacy/CVE-2025-33333-bd5e52.json": ("its vulnerability has no product_status", "its product_status is empty"),
    # vuls-data-update made it up: a build without an architecture, by the generator of the documents with one.
    "new/CVE-2026-7323-b15231.json": (
        "the generator of the flat shape, which it has",
        "mixes the shapes of the feeds vex and vex-feed",
    ),
    # csaf-walker emptied the lists of one and renamed an id in two.
    "advisory/RHSA-2023_1441-f47dba.json": (
        "fixed and known_affected are empty; 35 builds were there",
        "product_status.known_affected' is empty",
    ),
    "advisory/RHSA-2021_3029-dd9eee.json": (
        "the status of one build: its id was prefixed with 'notexits-' in the status list alone",
        "speaks of 'notexits-7ComputeNode-7.7.EUS:microcode_ctl-2:2.1-53.18.el7_7.src'",
    ),
    "advisory/RHSA-2023_4378-7f443b.json": (
        "the relationship of one build: its id was prefixed with 'notmatch-' there alone",
        "has no status for 'notmatch-NFV-9.2.0.Z.MAIN.EUS:kernel-rt-0:5.14.0-284.25.1.rt14.310.el9_2.src'",
    ),
}


def texts() -> t.Iterator[tuple[str, bytes]]:
    """Every file of the data folder that may be a document, those in archives included."""
    root = data_path()
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".json" and not name.startswith("_"):
            yield name, path.read_bytes()
        elif path.suffix == ".txtar":
            parts = re.split(r"^-- (\S+).* --\n", path.read_text("utf-8"), flags=re.MULTILINE)
            yield from ((f"{name}{part}", text.encode()) for part, text in zip(parts[1::2], parts[2::2]))
        elif path.name.endswith(".tar.zst"):
            content = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                for member in archive:
                    if (file := archive.extractfile(member)) is not None:
                        yield f"{name}/{member.name}", file.read()


@functools.cache
def real_documents() -> dict[str, bytes]:
    """Every CSAF document that there is, by a name. Advisories have the same shape, and stand in as VEX documents.

    The page that explains the format has an example without values; it is not a document.
    """
    found: dict[str, bytes] = {}
    for name, data in texts():
        if b'"csaf_version"' not in data or name.startswith(EXAMPLES):
            continue
        document = json.loads(data)
        document["document"]["category"] = "csaf_vex"
        found[f"{len(found):02}-{name.rpartition('/')[2]}"] = json.dumps(document).encode()
    return found


@functools.cache
def red_hat_documents() -> dict[str, bytes]:
    """The documents of ``red_hat_documents.tar.xz`` as they are, by path (``legacy/``, ``advisory/`` or ``new/``)."""
    found: dict[str, bytes] = {}
    with tarfile.open(data_path("red_hat_documents.tar.xz")) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".json") else None
            if file is not None:
                found[member.name] = file.read()
    return found


def whole_documents(*kinds: str) -> dict[str, bytes]:
    """Those of ``red_hat_documents`` of some kinds that nobody changed, by a name without a slash.

    Advisories stand in as VEX documents.
    """
    whole = {}
    for name, data in red_hat_documents().items():
        if name.partition("/")[0] in kinds and name not in CHANGED:
            document = json.loads(data)
            document["document"]["category"] = "csaf_vex"
            whole[name.replace("/", "-")] = json.dumps(document).encode()
    return whole
