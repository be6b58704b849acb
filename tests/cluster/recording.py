# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that happens in a namespace while a test looks elsewhere, and a search for secrets in it.

Objects come from the API's own watches, so none is missed, however short it lived. Logs are taken from the node's disk:
a file that is open stays readable when its pod, and its name, are gone.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import io
import json
import os
import re
import sqlite3
import subprocess
import threading
import types
import typing as t
import urllib.parse
import zipfile
import zlib
from pathlib import Path

from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster

PATHS = {
    "pods": "/api/v1/namespaces/{}/pods",
    "events": "/api/v1/namespaces/{}/events",
    "configmaps": "/api/v1/namespaces/{}/configmaps",
    "secrets": "/api/v1/namespaces/{}/secrets",
    "jobs": "/apis/batch/v1/namespaces/{}/jobs",
}
_FRAME = re.compile(rb"@F1 \d+ (\d+) [a-z]+ (\d+) (\d+) \d+ [0-9a-f]{32} ([A-Za-z0-9+/=]+)")
_LOG_LINE = re.compile(rb"^\S+ (?:stdout|stderr) ([PF]) (.*)\n?", re.MULTILINE)
_STEP = 0.02
_INFLATED_LIMIT = 64 << 20


@dataclasses.dataclass(frozen=True)
class Watched:
    """One object: how it came, and how it was last seen."""

    first: dict[str, t.Any]
    last: dict[str, t.Any]


class Recording:
    """A context manager: while it is open everything in ``namespace`` is kept in ``folder``."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._logs: dict[tuple[int, int], tuple[str, int]] = {}
        self._earlier: set[Path] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_logs, name="keep-logs")

    def __enter__(self) -> Recording:
        # A node keeps the logs of pods of earlier tests for a while.
        self._earlier = set(self._pod_folders())
        kubectl = str(self._cluster.folder / "bin/kubectl")
        for kind, path in PATHS.items():
            question = f"--raw={path.format(self._namespace)}?watch=true"
            with (self._folder / kind).open("wb") as stream:
                command = [kubectl, f"--kubeconfig={self._cluster.kubeconfig}", "get", question]
                self._processes.append(subprocess.Popen(command, stdout=stream, stdin=subprocess.DEVNULL))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        for process in self._processes:
            process.terminate()
            process.wait()
        with (self._folder / "logs.json").open("w", encoding="utf-8") as stream:
            read = [(pod, base64.b64encode(_content(handle)).decode()) for pod, handle in self._logs.values()]
            json.dump(read, stream)

    def _pod_folders(self) -> t.Iterator[Path]:
        return (self._cluster.folder / "logs/pods").glob(f"{self._namespace}_*")

    def _keep_logs(self) -> None:
        while not self._stop.wait(_STEP):
            folders = [folder for folder in self._pod_folders() if folder not in self._earlier]
            for path in (path for folder in folders for path in folder.glob("*/*.log")):
                with contextlib.suppress(FileNotFoundError):
                    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                    about = os.fstat(handle)
                    key = (about.st_dev, about.st_ino)
                    if key in self._logs:
                        os.close(handle)
                    else:
                        self._logs[key] = (path.parts[-3].split("_")[1], handle)

    def raw(self, kind: str) -> bytes:
        """All that a watch said."""
        return (self._folder / kind).read_bytes()

    def seen(self, kind: str) -> list[Watched]:
        """The objects of a kind, in the order in which they came."""
        found: dict[str, Watched] = {}
        for line in self.raw(kind).splitlines():
            event = json.loads(line)
            assert event["type"] != "ERROR", event
            one = event["object"]
            uid = one["metadata"]["uid"]
            found[uid] = Watched(found[uid].first if uid in found else one, one)
        return list(found.values())

    def logs(self) -> dict[str, bytes]:
        """Pod -> what its containers wrote, both streams."""
        found: dict[str, bytes] = {}
        for pod, text in json.loads((self._folder / "logs.json").read_text(encoding="utf-8")):
            lines = _LOG_LINE.findall(base64.b64decode(text))
            found[pod] = found.get(pod, b"") + b"".join(part + b"\n" * (end == b"F") for end, part in lines)
        return found


def _content(handle: int) -> bytes:
    with os.fdopen(handle, "rb") as stream:
        return stream.read()


def frames(log: bytes) -> list[bytes]:
    """What the records in a pod's log hold, unpacked."""
    records: dict[bytes, dict[int, bytes]] = {}
    for record, chunk, _chunks, text in _FRAME.findall(log):
        records.setdefault(record, {})[int(chunk)] = base64.b64decode(text)
    return [
        zlib.decompressobj().decompress(b"".join(chunks[number] for number in sorted(chunks)), _INFLATED_LIMIT)
        for chunks in records.values()
    ]


def config_map_parts(one: t.Mapping[str, t.Any]) -> list[bytes]:
    """The files of a ConfigMap, and what zip files among them hold."""
    parts = [text.encode() for text in (one.get("data") or {}).values()]
    for text in (one.get("binaryData") or {}).values():
        data = base64.b64decode(text)
        parts.append(data)
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                parts += [archive.read(name) for name in archive.namelist()]
    return parts


def store_parts(path: Path) -> list[bytes]:
    """Every value of every table of a SQLite store, unpacked where it is packed, and the file itself."""
    parts = [path.read_bytes()]
    with contextlib.closing(sqlite3.connect(path)) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    parts.append(str(value).encode() if not isinstance(value, bytes) else value)
                    if isinstance(value, bytes):
                        with contextlib.suppress(zlib.error):
                            parts.append(zlib.decompressobj().decompress(value, _INFLATED_LIMIT))
    return parts


def disguises(secret: str) -> list[bytes]:
    """How a secret may stand in a text: as it is, URL-encoded, in JSON, in hexadecimal, and in base64 of any text."""
    data = secret.encode()
    plain = {
        secret,
        urllib.parse.quote(secret),
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        json.dumps(secret)[1:-1],
        binascii.hexlify(data).decode(),
    }
    found = [text.encode() for text in plain]
    for before in range(3):
        # What stands before and behind it changes the digits at its ends, which are left out.
        whole = base64.b64encode(bytes(before) + data)
        start = -(-before * 4 // 3)
        end = (before + len(data)) * 4 // 3
        found += [whole[start:end], whole[start:end].translate(bytes.maketrans(b"+/", b"-_"))]
    return found


def leaks(secrets: t.Mapping[str, str], places: t.Mapping[str, t.Iterable[bytes]]) -> list[str]:
    """Which secrets (by name) stand in which places."""
    wanted = {name: disguises(secret) for name, secret in secrets.items()}
    return [
        f"{name} in {place}"
        for place, parts in places.items()
        for part in parts
        for name, forms in wanted.items()
        if any(form in part for form in forms)
    ]
