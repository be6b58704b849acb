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

    The page that explains the format has an example without values; it is no document.
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
