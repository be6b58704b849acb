# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What names and describes images: references, manifests, configs, credentials, challenges, and image archives.

The first byte of an input says which reader gets the rest.
"""

from __future__ import annotations

import functools
import io
import json
import random
import tarfile
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._core import safe_json
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images import (
    archives,
    credentials,
    files,
    layouts,
    manifests,
    references,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Descriptor, Image
from ansible_collections.imagescan.openshift.plugins.module_utils._images.targets import list_targets, open_target
from ansible_collections.imagescan.openshift.plugins.module_utils._images.tokens import parse_challenges
from ansible_collections.imagescan.openshift.tests.fuzz.mutations import mutate_bytes
from ansible_collections.imagescan.openshift.tests.support.layouts import digest_of, write_layout

READERS = tuple(
    str(module.__file__) for module in (archives, credentials, files, layouts, manifests, references, safe_json)
)
MANIFEST, CONFIG, REFERENCE, CREDENTIALS, CHALLENGE, ARCHIVE = range(6)
_JSON = (MANIFEST, CONFIG, CREDENTIALS)
_LAYER = b"layer" * 300
_VALUES: tuple[t.Any, ...] = (
    None,
    True,
    0,
    -1,
    2,
    1 << 70,
    1.5,
    "",
    "x",
    "\u202e\x1b[31m",
    [],
    {},
    [[]],
    [None],
    {"a": 1},
)


_REFERENCES = (
    *(
        "nginx",
        "quay.io:443/a/b:t@sha256:" + "ab" * 32,
        "[::1]:5000/a",
        "localhost/a__b",
        "Q/a",
        "a/B",
        "a//b",
        "[::1/a",
    ),
    *(
        "[::1]x/a",
        "r.io:0/a",
        ":1/a",
        "-r.io/a",
        "h" * 300 + ".io/a",
        "a" * 300,
        "a" * 2000,
        "a b",
        "x://y",
        "a:",
        "a:-",
    ),
    *("a:" + "t" * 200, "a@md5:0", "a@sha256:x", "a@sha256:00", "r.io/", "ab" * 32, "r.io/_"),
)


def one_case(data: bytes) -> None:
    kind, data = (data[0] if data else 0) % 6, data[1:]
    try:
        _ONE_OF[kind](data)
    except ScanError as error:
        assert error.code and str(error).isprintable(), "an error that cannot be shown"


def _manifest(data: bytes) -> None:
    parsed = manifests.parse_manifest(data)
    assert parsed.digest == digest_of(data)
    if isinstance(parsed, manifests.ImageManifest):
        assert all(layer.media_type in manifests.LAYER_COMPRESSIONS for layer in parsed.layers)
        assert all(references.is_digest(layer.digest) for layer in parsed.layers)
    else:
        assert all(isinstance(manifests.is_attestation(entry), bool) for entry in parsed.entries)


def _config(data: bytes) -> None:
    config = manifests.parse_config(data, Descriptor(manifests.OCI_CONFIG, digest_of(data), len(data)))
    assert all(references.is_digest(diff_id) for diff_id in config.diff_ids)
    manifest = manifests.ImageManifest("", "", Descriptor("", "", 0), (Descriptor("", "", 0),))
    assert len(manifests.join_layers(manifest, config)) == 1


def _reference(data: bytes) -> None:
    text = data.decode(errors="replace")
    for parse in (references.parse_registry, references.parse_reference):
        try:
            parsed = parse(text)
        except InputError:
            continue
        assert parse(str(parsed)) == parsed
        if isinstance(parsed, references.Reference):
            assert references.is_repository(parsed.repository) and parsed.version
            assert not parsed.tag or references.is_tag(parsed.tag)


def _credentials(data: bytes) -> None:
    path = _scratch() / "auth.json"
    path.write_bytes(data)
    found = credentials.Credentials(Access(auth_files=(str(path),))).find("r.io", "a/b")
    if found is not None:
        header = found.basic()
        assert "\n" not in header + found.identity_token + found.registry_token
        for secret in (found.password, found.identity_token, found.registry_token):
            assert len(secret) < 12 or secret not in repr(found)


def _challenge(data: bytes) -> None:
    for challenge in parse_challenges([data.decode(errors="replace")]):
        assert challenge.scheme


def _archive(data: bytes) -> None:
    path = _scratch() / "image.tar"
    path.write_bytes(data)
    for target in list_targets(str(path))[:3]:
        opened = open_target(target, Access())
        if isinstance(opened, Image):
            for layer in opened.layers:
                reader = opened.source.open_blob(layer.descriptor)
                assert len(files.read_whole(reader, 1 << 20)) <= len(data)


_ONE_OF = (_manifest, _config, _reference, _credentials, _challenge, _archive)


@functools.lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="imagescan-fuzz-")


def _scratch() -> Path:
    return Path(_folder().name)


def seeds() -> list[bytes]:
    found = [b"", *(bytes((kind,)) + data for kind, data in _seeds())]
    assert len(set(found)) == len(found)
    return found


def _seeds() -> t.Iterator[tuple[int, bytes]]:
    documents: tuple[t.Any, ...] = (*_manifests(), [], None)
    for document in documents:
        yield MANIFEST, json.dumps(document).encode()
    yield MANIFEST, b"[" * 200 + b"]" * 200
    yield MANIFEST, b'{"a": ' + b"9" * 60 + b"}"
    yield MANIFEST, b'{"a": 1.' + b"9" * 60 + b"}"
    yield MANIFEST, b'{"a": NaN}'
    yield MANIFEST, b'{"a": "\\ud800"}'
    yield MANIFEST, b"\xff"
    for config in _configs():
        yield CONFIG, json.dumps(config).encode()
    for text in _REFERENCES:
        yield REFERENCE, text.encode()
    yield from ((CREDENTIALS, json.dumps(document).encode()) for document in _credential_files())
    yield (
        CHALLENGE,
        b'Basic realm="a \\"b\\"", Bearer realm="https://x/",service=y,scope="repository:a:pull" Negotiate a==',
    )
    yield from ((ARCHIVE, data) for data in _archives())


def _described(media_type: str, data: bytes = b"x", **more: t.Any) -> dict[str, t.Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}


def _manifests() -> t.Iterator[dict[str, t.Any]]:
    layer, config = "application/vnd.oci.image.layer.v1.tar", _described(manifests.OCI_CONFIG)
    for kind in (layer, f"{layer}+encrypted", "application/vnd.docker.image.rootfs.foreign.diff.tar", "x"):
        layers = [_described(kind, urls=["https://x"], annotations={"a": "b"})]
        yield {"schemaVersion": 2, "mediaType": manifests.OCI_MANIFEST, "config": config, "layers": layers}
    whole = {"schemaVersion": 2, "config": config, "layers": [_described(layer)]}
    yield {**whole, "config": _described("application/vnd.x", annotations=None), "artifactType": "y"}
    yield {**whole, "config": None}
    yield {**whole, "manifests": []}
    yield {**whole, "mediaType": manifests.OCI_INDEX}
    yield {**whole, "mediaType": "text/x"}
    yield {**whole, "schemaVersion": 3}
    yield {**whole, "Layers": []}
    yield {**whole, "layers": [5]}
    yield {**whole, "layers": [{**_described(layer), "digest": "sha256:x"}]}
    yield {**whole, "layers": [{**_described(layer), "size": -1}]}
    yield {**whole, "layers": [_described(layer)] * 1100}
    yield {**whole, "layers": [_described(layer, urls=[5])]}
    yield {**whole, "layers": [_described(layer, urls=["x"] * 70)]}
    yield {**whole, "layers": [_described(layer, annotations={"a": 5})]}
    yield {"schemaVersion": 1, "fsLayers": []}
    platforms: tuple[dict[str, t.Any] | None, ...] = (
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
        {"os": "unknown", "architecture": "unknown"},
        None,
    )
    entries = [_described(manifests.OCI_MANIFEST, platform=platform) for platform in platforms]
    yield {"schemaVersion": 2, "mediaType": manifests.OCI_INDEX, "manifests": entries}
    yield {"schemaVersion": 2, "manifests": [_described(manifests.OCI_MANIFEST, platform={"os": "x" * 99})]}


def _configs() -> t.Iterator[dict[str, t.Any]]:
    run = {"Labels": {"a": "b"}, "Env": ["PATH=/bin"]}
    rootfs = {"type": "layers", "diff_ids": [digest_of(b"")]}
    config = {
        "os": "linux",
        "architecture": "amd64",
        "created": "2026-01-01T00:00:00Z",
        "config": run,
        "rootfs": rootfs,
    }
    yield config
    yield {**config, "rootfs": None}
    yield {**config, "rootfs": {"type": "x", "diff_ids": []}}
    yield {**config, "rootfs": {"type": "layers", "diff_ids": ["x"]}}
    yield {**config, "rootfs": {"type": "layers", "diff_ids": []}}


def _credential_files() -> t.Iterator[dict[str, t.Any]]:
    entry = {"auth": "dTpjNG5hcnktczNjcmV0LTEyMw=="}
    for name in ("r.io", "https://r.io/v2/", "r.io/a", "*.io"):
        yield {"auths": {name: entry}}
    yield {"r.io": entry}
    yield {"auths": {"r.io": {"identitytoken": "x", "registrytoken": "y"}}}
    yield {"auths": {"r.io": {"auth": "!"}}}
    yield {"auths": {"r.io": {"auth": "eA=="}}}
    yield {"auths": {"r.io": {"username": "u", "password": "p\n"}}}
    yield {"auths": {"r.io": {"username": 5}}}
    yield {"auths": {"r.io": 5}}
    yield {"auths": {"r.io": {}}}
    yield {"auths": 5}
    yield {"credHelpers": {"r.io": "x"}}
    yield {"credsStore": "x"}
    yield {"credsStore": 5}


def _archives() -> t.Iterator[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        for compress in (False, True):
            path = Path(folder, f"layout{compress}")
            write_layout(path, [_LAYER], compress=compress)
            layout = {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
            yield _tar(layout)
            index = json.loads(layout["index.json"])
            yield _tar({**layout, "index.json": json.dumps({**index, "manifests": index["manifests"] * 2}).encode()})
        yield _tar({**layout, "index.json": b'{"manifests": []}'})
        yield _tar({**layout, "oci-layout": b'{"imageLayoutVersion": "2"}'})
        yield _tar({name: data for name, data in layout.items() if not name.startswith("blobs/")})
        yield _tar(
            {
                name: data[:-1] if len(data) < 200 and name.startswith("blobs/") else data
                for name, data in layout.items()
            }
        )
    packed = min(data for data in layout.values() if data[:2] == b"\x1f\x8b")
    for layer, name in (
        (_LAYER, "l/layer.tar"),
        (packed, "l/layer.tar"),
        (packed, f"blobs/sha256/{digest_of(packed)[7:]}"),
    ):
        config = json.dumps({"os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest_of(_LAYER)] * 2}}).encode()
        entry = {"Config": f"{digest_of(config)[7:]}.json", "RepoTags": ["a/b:c"], "Layers": [name, "m/layer.tar"]}
        image = {name: layer, str(entry["Config"]): config}
        for entries in ([entry], [entry, {**entry, "RepoTags": None}], [{**entry, "RepoTags": ["A"]}] * 2, [], [5],
                        [{**entry, "Layers": ["../x"]}], [{**entry, "Config": None}], [{**entry, "Layers": []}],
                        [{**entry, "RepoTags": [5]}] * 2):  # fmt: skip
            yield _tar({**image, "manifest.json": json.dumps(entries).encode()}, {"m/layer.tar": f"../{name}"})
    loop = {"manifest.json": "a", "a": "manifest.json"}
    yield _tar({}, loop)
    yield _tar({}, {"manifest.json": "/etc/passwd"})
    yield _tar({"etc/passwd": b""})
    yield b"\x1f\x8b\x08"
    yield b"x" * 600
    sparse = tarfile.TarInfo("manifest.json")
    sparse.type = tarfile.GNUTYPE_SPARSE
    yield sparse.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024
    long = tarfile.TarInfo("x")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    yield long.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024


def _tar(members: t.Mapping[str, bytes], links: t.Mapping[str, str] | None = None) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in sorted(members.items()):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return stream.getvalue()[: 512 * 40]


def mutate(data: bytes, source: random.Random) -> bytes:
    """Change JSON as JSON, and an archive so that the checksums of its headers stay right."""
    if not data:
        return bytes((source.randrange(6),))
    kind, rest = data[0] % 6, data[1:]
    if kind in _JSON and source.random() < 0.8:
        try:
            document = json.loads(rest)
        except (ValueError, RecursionError):
            return data[:1] + mutate_bytes(rest, source)
        return data[:1] + json.dumps(_changed(document, source)).encode()
    rest = mutate_bytes(rest, source)
    return data[:1] + (_with_checksums(rest) if kind == ARCHIVE else rest)


def _changed(node: t.Any, source: random.Random) -> t.Any:
    if isinstance(node, dict) and node and source.random() < 0.85:
        name = source.choice(sorted(node))
        choice = source.random()
        if choice < 0.1:
            return {key: value for key, value in node.items() if key != name}
        if choice < 0.2:
            return {**node, source.choice((name.upper(), name + "x")): node[name]}
        return {**node, name: _changed(node[name], source)}
    if isinstance(node, list) and node and source.random() < 0.85:
        place = source.randrange(len(node))
        return [*node[:place], _changed(node[place], source), *node[place + source.randrange(2) :]]
    if isinstance(node, str) and source.random() < 0.5:
        return mutate_bytes(node.encode(errors="replace"), source).decode(errors="replace")
    return source.choice(_VALUES)


def _with_checksums(data: bytes) -> bytes:
    blocks = bytearray(data)
    for start in range(0, len(blocks) - 511, 512):
        if blocks[start + 257 : start + 262] == b"ustar":
            blocks[start + 148 : start + 156] = b" " * 8
            blocks[start + 148 : start + 156] = b"%06o\0 " % sum(blocks[start : start + 512])
    return bytes(blocks)
