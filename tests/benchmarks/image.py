# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the image that the benchmark reads: ``image.py FOLDER`` writes an OCI layout there.

Three gzip layers of about 300, 130 and 70 MB, 400 packages in an SQLite rpmdb of about 17 MB, the middle layer with a
newer database than the first, the last one with whiteouts. The content is made up, the same each time, and compresses
like that of real images (about 2.6 to 1): text of a small vocabulary, records with few changing bytes, noise.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import sys
import tarfile
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.examples.fleet import rpmdb
from ansible_collections.imagescan.openshift.tests.support.layouts import GZIP, digest_of

MB = 1_000_000
#: Megabytes of file content and packages installed after each layer.
LAYERS = ((285, 300), (115, 400), (70, 0))
PACKAGES = 400
POOL = 48 * MB
OS_RELEASE = (
    b'NAME="Red Hat Enterprise Linux"\nID="rhel"\nVERSION_ID="9.4"\nPRETTY_NAME="Red Hat Enterprise Linux 9.4"\n'
)


def pool(source: random.Random) -> bytes:
    """Content to cut files from."""
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(source.choices(letters, k=source.randint(2, 11))) for _word in range(12_000)]
    weights = [1 / (rank + 8) for rank in range(len(words))]
    parts: list[bytes] = []
    size = 0
    while size < POOL:
        kind = source.random()
        if kind < 0.6:
            part = " ".join(source.choices(words, weights, k=20_000)).encode()
        elif kind < 0.94:
            start = source.randrange(1 << 30)
            part = b"".join(
                (start + 24 * number).to_bytes(8, "little")
                + source.randbytes(5)
                + b"\0\0\0"
                + b"\1\0\0\0\x48\x8b\x05\0"
                for number in range(5_000)
            )
        else:
            part = source.randbytes(100_000)
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def packages(count: int, source: random.Random, content: bytes) -> list[rpmdb.Rpm]:
    """Packages whose headers are as large as real ones, which list their files."""
    found = []
    for number in range(count):
        start = source.randrange(len(content) - 40_000)
        text = content[start : start + source.randint(2_000, 40_000)].hex()
        found.append(rpmdb.Rpm(f"package-{number:03}", f"1.{number % 17}", f"{number % 5}.el9", summary=text))
    return found


def write_layer(number: int, megabytes: int, database: bytes, content: bytes, source: random.Random) -> bytes:
    """One layer as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:

        def put(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(data)
            info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
            archive.addfile(info, io.BytesIO(data))

        if number == 0:
            put("usr/lib/os-release", OS_RELEASE)
            put("etc/os-release", kind=tarfile.SYMTYPE, link="../usr/lib/os-release")
            put("etc/redhat-release", b"Red Hat Enterprise Linux release 9.4 (Plow)\n")
            put("lib", kind=tarfile.SYMTYPE, link="usr/lib")
            put("usr/bin/bash", content[:1_000_000])
        put(f"usr/share/part{number}", kind=tarfile.DIRTYPE)
        written = files = 0
        while written < megabytes * MB:
            size = min(int(source.paretovariate(0.75) * 2_500), 12 * MB)
            start = source.randrange(len(content) - size)
            if files % 12 == 0:
                folder = f"usr/share/part{number}/folder{files // 12}"
                put(folder, kind=tarfile.DIRTYPE)
            put(f"{folder}/file{files}.dat", content[start : start + size])
            if files % 9 == 0:
                put(f"{folder}/link{files}", kind=tarfile.SYMTYPE, link=f"file{files}.dat")
            written += size
            files += 1
        if database:
            put("var/lib/rpm", kind=tarfile.DIRTYPE)
            put("var/lib/rpm/rpmdb.sqlite", database)
        else:
            for place in range(40):
                put(f"usr/share/part0/folder{place}/.wh.file{place * 12}.dat")
            put("usr/share/part1/folder3/.wh..wh..opq")
    return buffer.getvalue()


def write_image(folder: Path) -> None:
    """Write the OCI layout."""
    source = random.Random(20260101)
    content = pool(source)
    installed = packages(PACKAGES, source, content)
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes) -> dict[str, t.Any]:
        digest = digest_of(data)
        (blobs / digest.partition(":")[2]).write_bytes(data)
        return {"digest": digest, "size": len(data)}

    diff_ids, layers = [], []
    for number, (megabytes, count) in enumerate(LAYERS):
        database = rpmdb.sqlite_files(installed[:count])["rpmdb.sqlite"] if count else b""
        tar = write_layer(number, megabytes, database, content, source)
        diff_ids.append(digest_of(tar))
        layers.append({"mediaType": GZIP, **put(gzip.compress(tar, 6, mtime=0))})
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created_by": "benchmark"} for _layer in layers],
    }
    kind = "application/vnd.oci.image"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": {"mediaType": f"{kind}.config.v1+json", **put(json.dumps(config).encode())},
        "layers": layers,
    }
    index = {
        "schemaVersion": 2,
        "manifests": [
            {
                "mediaType": f"{kind}.manifest.v1+json",
                **put(json.dumps(manifest).encode()),
                "annotations": {"org.opencontainers.image.ref.name": "latest"},
            }
        ],
    }
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="utf-8")


if __name__ == "__main__":
    write_image(Path(sys.argv[1]))
