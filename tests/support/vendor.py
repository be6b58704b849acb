# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A vendor that publishes CSAF-VEX documents in the layout of Red Hat's feed, as files by path, over some days.

It keeps the promises that the real one keeps: documents first, lists of changes later, archives of what there was.
"""

from __future__ import annotations

import dataclasses
import datetime
import email.utils
import hashlib
import io
import json
import random
import tarfile
import typing as t
from pathlib import Path

from .servers import Answer, Request
from .vex import MAIN_9, MAJOR_9, affected, document, fixed, not_affected

START = datetime.datetime(2026, 5, 1, 6, 0, tzinfo=datetime.timezone.utc)
HOUR = datetime.timedelta(hours=1)
NAMES = ("bash", "curl", "glibc", "kernel-core", "openssl", "python3", "tool", "zlib")


def stamp(moment: datetime.datetime) -> str:
    """A time as the lists write it."""
    return moment.isoformat()


@dataclasses.dataclass
class Vendor:
    """``now``: the vendor's clock. ``padding``: bytes in each archive that are not part of a document."""

    seed: int = 0
    padding: int = 0
    now: datetime.datetime = START
    documents: dict[str, bytes] = dataclasses.field(default_factory=dict)
    changes: dict[str, datetime.datetime] = dataclasses.field(default_factory=dict)
    deletions: dict[str, datetime.datetime] = dataclasses.field(default_factory=dict)
    archive: str = ""
    archives: dict[str, tuple[bytes, datetime.datetime]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def publish(self, number: int) -> str:
        """A new version of a document; gives its path."""
        chance = self.random
        name = chance.choice(NAMES)
        said = [affected(MAJOR_9, name), not_affected(MAJOR_9, chance.choice(NAMES) + "-libs")]
        if chance.random() < 0.5:
            said.append(fixed(MAIN_9, name, f"0:1.{chance.randrange(100)}-{chance.randrange(100)}.el9"))
        cve = f"CVE-{2024 + number % 3}-{1000 + number}"
        path = f"{cve[4:8]}/{cve.lower()}.json"
        self.documents[path] = json.dumps(document(cve, *said, date=stamp(self.now))).encode()
        self.changes[path] = self.now
        return path

    def delete(self, path: str) -> None:
        """Take a document back."""
        del self.documents[path]
        del self.changes[path]
        self.deletions[path] = self.now

    def make_archive(self) -> None:
        """An archive of what there is; only the newest two are kept."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, data in [*sorted(self.documents.items()), ("README", self.random.randbytes(self.padding))]:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        self.archive = f"csaf_vex_{self.now:%Y-%m-%d}.tar"
        self.archives[self.archive] = (out.getvalue(), self.now)
        for old in sorted(self.archives)[:-2]:
            del self.archives[old]

    def pass_hours(self, hours: float) -> None:
        """Time goes on."""
        self.now += hours * HOUR

    def files(self) -> dict[str, bytes]:
        """Everything that is published, by path."""
        return {
            "archive_latest.txt": f"{self.archive}\n".encode(),
            "changes.csv": _rows(self.changes),
            "deletions.csv": _rows(self.deletions),
            **self.documents,
            **{name: data for name, (data, _made) in self.archives.items()},
        }

    def write(self, folder: Path) -> Path:
        """All of it as a folder."""
        for name, data in self.files().items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder

    def serve(self, request: Request, files: t.Mapping[str, bytes] | None = None) -> Answer:
        """Answer a request as a web server does: validators, 304, parts. ``files``: instead of what is published."""
        files = self.files() if files is None else files
        name = request.target.lstrip("/")
        data = files.get(name)
        if data is None:
            return Answer(404, b"not found")
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()[:16]}"'}
        if name in self.archives:
            headers["Last-Modified"] = email.utils.format_datetime(self.archives[name][1], usegmt=True)
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Answer(304, headers=headers)
        if request.method == "HEAD":
            return Answer(200, headers=headers, length=len(data))
        start = 0
        if "range" in request.headers and request.headers.get("if-range") == headers["ETag"]:
            start = int(request.headers["range"][len("bytes=") : -1])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return Answer(206 if start else 200, data[start:], headers)


def _rows(moments: t.Mapping[str, datetime.datetime]) -> bytes:
    """The newest first."""
    rows = sorted(moments.items(), key=lambda row: (row[1], row[0]), reverse=True)
    return "".join(f'"{path}","{stamp(moment)}"\n' for path, moment in rows).encode()
