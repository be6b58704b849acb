# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything of an image beside its database that an inventory is made of, and inventories read back from JSON.

An input is a list of files: a byte for the path (index into PATHS), three bytes of length, the content. The last path
is not a file of an image but an inventory in JSON.
"""

from __future__ import annotations

import contextlib
import json
import random
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.examples.fleet import rpmdb
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._core.safe_json import read_json
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import KeptFile, RootContent
from ansible_collections.imagescan.openshift.plugins.module_utils._packages import apk, codec, dpkg, inventory
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm import kind, origins
from ansible_collections.imagescan.openshift.tests.fuzz.mutations import mutate_bytes

READERS = tuple(module.__file__ for module in (inventory, codec, dpkg, apk, kind, origins))

PATHS = (
    "etc/os-release",
    "usr/lib/os-release",
    "root/buildinfo/content_manifests/a.json",
    "usr/share/buildinfo/content-sets.json",
    "usr/share/buildinfo/labels.json",
    "root/buildinfo/labels.json",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d/a",
    "lib/apk/db/installed",
    "var/lib/rpm/Packages.db",
    "var/lib/dnf/history.sqlite",
    "var/lib/dnf/history.sqlite-journal",
    "config-label-cpe",
    "inventory.json",
)


def one_case(data: bytes) -> None:
    files = dict(parts(data))
    stored = files.pop("inventory.json", None)
    if stored is not None:
        with contextlib.suppress(ScanError):
            again = codec.inventory_from_dict(read_json(stored, "inventory", limit=1 << 20))
            assert codec.inventory_from_dict(codec.inventory_to_dict(again)) == again
    label = files.pop("config-label-cpe", b"").decode(errors="replace")
    kept = {path: KeptFile(path, content, 0) for path, content in files.items()}
    for layers in ((), tuple(kept.values())):
        found = inventory.inventory_of(RootContent(kept, layers, {}, 0, bool(layers), ()), {"cpe": label})
        text = json.dumps(codec.inventory_to_dict(found))
        try:
            assert codec.inventory_from_dict(json.loads(text)) == found
        except CorruptData as error:
            raise AssertionError("an inventory of ours is not one") from error
        text.encode()
        if found.kind == "rpm" and not found.packages:
            assert found.problems, "an RPM system without packages passes for whole"


def parts(data: bytes) -> t.Iterator[tuple[str, bytes]]:
    while len(data) >= 4:
        length = int.from_bytes(data[1:4], "big")
        yield PATHS[data[0] % len(PATHS)], data[4 : 4 + length]
        data = data[4 + length :]


def pack(files: t.Mapping[str, bytes]) -> bytes:
    return b"".join(
        bytes((PATHS.index(path),)) + len(content).to_bytes(3, "big") + content for path, content in files.items()
    )


def seeds() -> list[bytes]:
    from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._packages.rpm.test_history import dnf4
    from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._packages.test_codec import FULL

    with tempfile.TemporaryDirectory() as folder:
        history = dnf4(Path(folder, "h"), [(1, 1, "install"), (2, 2, "upgrade")])
    rpms = [rpmdb.Rpm("bash", "5.1", "1.el9"), rpmdb.Rpm("openssl", "3.0", "2.el9", epoch=1)]
    system = {
        "etc/os-release": b'# x\nID="rhel"\nVERSION_ID=\'9\'\nNAME="a\\"b"\nID_LIKE="fedora centos"\n',
        "var/lib/rpm/Packages.db": rpmdb.ndb_files(rpms)["Packages.db"],
    }
    manifest = {"root/buildinfo/content_manifests/a.json": b'{"content_sets": ["rhel-9", "x"], "from_dnf_hint": true}'}
    damaged = {
        "root/buildinfo/content_manifests/a.json": b'{"content_sets": [1]}',
        "usr/share/buildinfo/content-sets.json": b'{"content_sets"',
        "usr/share/buildinfo/labels.json": b"{",
    }
    labels = {
        "usr/share/buildinfo/labels.json": b'{"cpe": "\\"cpe:/a:redhat:x:1\\""}',
        "config-label-cpe": b"cpe:/a:b:c",
    }
    others = {
        "var/lib/dpkg/status": b"Package: a\nStatus: install ok installed\n\n",
        "var/lib/dpkg/status.d/a": b"Package: a\n",
        "lib/apk/db/installed": b"P:musl\nV:1\n",
    }
    journal = {"var/lib/dnf/history.sqlite-journal": bytes.fromhex("d9d505f920a163d7")}
    stored = codec.inventory_to_dict(FULL)
    return [
        b"",
        pack(system),
        pack({**system, **manifest, **labels}),
        pack({**system, **damaged}),
        pack({**system, "var/lib/dnf/history.sqlite": history}),
        pack({**system, "var/lib/dnf/history.sqlite": history[:3000], **journal}),
        pack({"var/lib/rpm/Packages.db": b"", "var/lib/dnf/history.sqlite": b""}),
        pack({"etc/os-release": b"ID=rhel\n"}),
        pack({"etc/os-release": b"junk", "var/lib/rpm/Packages.db": b"junk"}),
        pack({"usr/lib/os-release": b"ID=debian\n", **others}),
        pack(others),
        *(pack({"inventory.json": json.dumps(one).encode()}) for one in variants(stored)),
    ]


def variants(stored: dict[str, t.Any]) -> t.Iterator[t.Any]:
    """The inventory, and near it what the strict reader refuses, one kind of fault each."""
    yield stored
    yield []
    for name, value in stored.items():
        yield {key: one for key, one in stored.items() if key != name}
        yield {**stored, name: 99 if not isinstance(value, int) else "x"}
        if isinstance(value, list):
            yield {**stored, name: [*value, {"unknown": 1}]}
    yield {**stored, "kind": "other"}
    yield {**stored, "unknown": 1}


def mutate(data: bytes, source: random.Random) -> bytes:
    """Change one file and keep the frame around all of them."""
    files = dict(parts(data))
    if not files or source.random() < 0.1:
        return mutate_bytes(data, source)
    path = source.choice(sorted(files))
    files[path] = mutate_bytes(files[path], source)
    if source.random() < 0.2:
        files[source.choice(PATHS)] = files.pop(path)
    return pack(files)
