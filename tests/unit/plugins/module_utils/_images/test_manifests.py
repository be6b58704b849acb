# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    IntegrityError,
    LimitExceeded,
    ScanError,
    UnsupportedImage,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images import manifests
from ansible_collections.imagescan.openshift.plugins.module_utils._images.manifests import (
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    ImageManifest,
    Index,
    digest_of,
    is_attestation,
    join_layers,
    parse_config,
    parse_manifest,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Descriptor, Platform
from hypothesis import given
from hypothesis import strategies as st

SHA = "sha256:" + "ab" * 32
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def described(media_type: str, digest: str = SHA, size: t.Any = 7, **more: t.Any) -> dict[str, t.Any]:
    return {"mediaType": media_type, "digest": digest, "size": size, **more}


def manifest(**changes: t.Any) -> dict[str, t.Any]:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described(OCI_CONFIG),
        "layers": [described(OCI_LAYER)],
        **changes,
    }
    return {name: value for name, value in document.items() if value is not ...}


def index(*entries: t.Any, **changes: t.Any) -> dict[str, t.Any]:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries), **changes}


def parse(document: t.Any, media_type: str = "", digest: str = "") -> ImageManifest | Index:
    return parse_manifest(json.dumps(document).encode(), media_type, digest)


@pytest.mark.parametrize(
    ("written", "served", "kind"),
    [
        (OCI_MANIFEST, OCI_MANIFEST, OCI_MANIFEST),
        (OCI_MANIFEST, "", OCI_MANIFEST),
        (OCI_MANIFEST, "text/plain; charset=utf-8", OCI_MANIFEST),
        (..., OCI_MANIFEST + "; charset=utf-8", OCI_MANIFEST),
        (..., DOCKER_MANIFEST, DOCKER_MANIFEST),
        (..., "", OCI_MANIFEST),
        (DOCKER_MANIFEST, "application/octet-stream", DOCKER_MANIFEST),
    ],
)
def test_kinds_of_manifests(written: t.Any, served: str, kind: str) -> None:
    parsed = parse(manifest(mediaType=written), served)
    assert isinstance(parsed, ImageManifest)
    assert parsed.media_type == kind
    assert parsed.layers == (Descriptor(OCI_LAYER, SHA, 7),)


@pytest.mark.parametrize("kind", [OCI_INDEX, DOCKER_INDEX])
def test_kinds_of_indexes(kind: str) -> None:
    arm = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    parsed = parse(index(described(OCI_MANIFEST, platform=arm, annotations={"a": "b"}), mediaType=kind))
    assert isinstance(parsed, Index)
    assert parsed.entries[0].platform == Platform("linux", "arm64", "v8")
    assert parsed.entries[0].annotations == {"a": "b"}


@pytest.mark.parametrize(
    "layer",
    [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
    ],
)
def test_layers_that_are_read(layer: str) -> None:
    assert isinstance(parse(manifest(layers=[described(layer)])), ImageManifest)


SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


@pytest.mark.parametrize(
    ("document", "served", "error", "says"),
    [
        ({"schemaVersion": 1, "fsLayers": []}, "", UnsupportedImage, "schema 1"),
        (manifest(), SCHEMA_1, UnsupportedImage, "schema 1"),
        (manifest(mediaType="application/vnd.oci.artifact.manifest.v1+json"), "", UnsupportedImage, "oci.artifact"),
        (manifest(mediaType=...), "text/html", UnsupportedImage, "text/html"),
        (manifest(layers=[described("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls=["https://x"])]),
         "", UnsupportedImage, "foreign layer"),
        (manifest(layers=[described("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")]),
         "", UnsupportedImage, "foreign layer"),
        (manifest(layers=[described(OCI_LAYER + "+encrypted")]), "", UnsupportedImage, "encrypted"),
        (manifest(layers=[described("application/vnd.dev.cosign.simplesigning.v1+json")]),
         "", UnsupportedImage, "cosign"),
        (manifest(layers=[described("application/vnd.in-toto+json")]), "", UnsupportedImage, "in-toto"),
        (manifest(layers=[described("")]), "", UnsupportedImage, "media type ''"),
        (manifest(config=described("application/vnd.cncf.helm.config.v1+json")), "", UnsupportedImage, "helm"),
        (manifest(config=described("application/vnd.oci.empty.v1+json"), artifactType="application/x.sbom"),
         "", UnsupportedImage, "x.sbom"),
        (manifest(schemaVersion=3), "", CorruptData, "schemaVersion is '3'"),
        (manifest(schemaVersion="2"), "", CorruptData, "schemaVersion is text"),
        (manifest(schemaVersion=...), "", CorruptData, "schemaVersion"),
        (manifest(config=...), "", CorruptData, "no config"),
        (manifest(config=..., layers=...), "", CorruptData, "neither"),
        (manifest(manifests=[]), "", CorruptData, "both"),
        (manifest(Layers=[]), "", CorruptData, "'Layers'"),
        (manifest(mediaType=OCI_INDEX), "", CorruptData, "has layers"),
        (manifest(), OCI_INDEX, CorruptData, "is served as"),
        (index(mediaType=OCI_MANIFEST), "", CorruptData, "has manifests"),
        (manifest(layers={}), "", CorruptData, "layers is an object"),
        (manifest(layers=[5]), "", CorruptData, r"layers\[0\] is not a descriptor"),
        (manifest(layers=[described(OCI_LAYER, "sha256:ab")]), "", CorruptData, "digest"),
        (manifest(layers=[described(OCI_LAYER, "sha256:" + "AB" * 32)]), "", CorruptData, "digest"),
        (manifest(layers=[described(OCI_LAYER, "sha256:../../../etc/passwd")]), "", CorruptData, "digest"),
        (manifest(layers=[described(OCI_LAYER, size=-1)]), "", CorruptData, "size -1"),
        (manifest(layers=[described(OCI_LAYER, size=None)]), "", CorruptData, "size None"),
        (manifest(layers=[described(OCI_LAYER, size=1 << 70)]), "", CorruptData, "size"),
        (manifest(layers=[described(OCI_LAYER, annotations={"a": 1})]), "", CorruptData, "not text"),
        (manifest(layers=[described(OCI_LAYER)] * 2000), "", LimitExceeded, "2000 layers"),
        (index(*[described(OCI_MANIFEST)] * 2000), "", LimitExceeded, "2000 manifests"),
        (index(described(OCI_MANIFEST, platform={"os": "x" * 100})), "", CorruptData, "too long"),
        ([], "", CorruptData, "not a JSON object"),
    ],
)  # fmt: skip
def test_what_is_refused_and_why(document: t.Any, served: str, error: type[ScanError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        parse(document, served)
    assert caught.type is error
    assert len(str(caught.value)) < 500


def test_digest_that_was_asked_for_is_verified() -> None:
    data = json.dumps(manifest()).encode()
    for algorithm in ("sha256", "sha512"):
        digest = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
        assert parse_manifest(data, "", digest).digest == digest
    with pytest.raises(IntegrityError, match="expected sha256:abab"):
        parse_manifest(data, "", SHA)
    assert parse_manifest(data).digest == digest_of(data)


def test_manifests_are_bounded() -> None:
    with pytest.raises(LimitExceeded, match="at most 4194304"):
        parse_manifest(b" " * ((4 << 20) + 1))


@pytest.mark.parametrize(
    ("platform", "annotations", "expected"),
    [
        (Platform("unknown", "unknown"), {}, True),
        # A node would look into its config and run it.
        (None, {"vnd.docker.reference.type": "attestation-manifest"}, False),
        (None, {}, False),
        (Platform("linux", "amd64"), {}, False),
        # A node would choose and run it.
        (Platform("linux", "amd64"), {"vnd.docker.reference.type": "attestation-manifest"}, False),
        (Platform("unknown", "amd64"), {}, False),
    ],
)
def test_attestations(platform: Platform | None, annotations: dict[str, str], expected: bool) -> None:
    assert is_attestation(Descriptor(OCI_MANIFEST, SHA, 7, platform, annotations)) is expected


def config(**changes: t.Any) -> bytes:
    document = {
        "architecture": "arm64",
        "os": "linux",
        "variant": "v8",
        "created": "2026-01-01T00:00:00Z",
        "config": {"Labels": {"a": "b"}, "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [SHA]},
        **changes,
    }
    return json.dumps(document).encode()


def parse_bytes(data: bytes) -> t.Any:
    return parse_config(data, Descriptor(OCI_CONFIG, digest_of(data), len(data)))


def test_config() -> None:
    parsed = parse_bytes(config())
    assert parsed.platform == Platform("linux", "arm64", "v8")
    assert (parsed.labels, parsed.env, parsed.diff_ids) == ({"a": "b"}, ("PATH=/bin",), (SHA,))
    assert parsed.created == "2026-01-01T00:00:00Z"
    bare = parse_bytes(config(config=None, created=None))
    assert (bare.labels, bare.env, bare.created) == ({}, (), "")


def test_labels_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "_PAIR_LIMIT", 2)
    labels = {"a": "1", "b": "2"}
    assert parse_bytes(config(config={"Labels": labels})).labels == labels
    with pytest.raises(LimitExceeded, match="3 entries in Labels; at most 2"):
        parse_bytes(config(config={"Labels": {**labels, "c": "3"}}))


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"rootfs": None}, CorruptData, "no rootfs"),
        ({"rootfs": {"type": "chunks", "diff_ids": []}}, UnsupportedImage, "chunks"),
        ({"rootfs": {"type": "layers", "diff_ids": ["x"]}}, CorruptData, "diff_id"),
        ({"rootfs": {"type": "layers", "diff_ids": [5]}}, CorruptData, "not text"),
        ({"RootFS": {"type": "layers", "diff_ids": []}}, CorruptData, "'RootFS'"),
        ({"config": []}, CorruptData, "config is a list"),
        ({"config": {"Labels": {"a": 5}}}, CorruptData, "Labels has a value"),
        ({"config": {"Labels": ["a"]}}, CorruptData, "Labels is a list"),
        ({"os": 5}, CorruptData, "os is a whole number"),
    ],
)
def test_configs_that_are_refused(changes: dict[str, t.Any], error: type[ScanError], says: str) -> None:
    with pytest.raises(error, match=says):
        parse_bytes(config(**changes))


def test_config_of_another_digest() -> None:
    with pytest.raises(IntegrityError, match="config"):
        parse_config(config(), Descriptor(DOCKER_CONFIG, SHA, 7))


def test_layers_and_diff_ids_must_match() -> None:
    parsed = parse(manifest(layers=[described(OCI_LAYER)] * 2))
    assert isinstance(parsed, ImageManifest)
    with pytest.raises(CorruptData, match="2 layers, its config 1 diff_ids"):
        join_layers(parsed, parse_bytes(config()))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(SHA) | st.just(OCI_LAYER),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["layers", "manifests", "config", "mediaType", "digest", "size", "platform", "os", "rootfs", "diff_ids", "x"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(["schemaVersion", "layers", "manifests", "config", "mediaType"]), JSON), st.data()
)
def test_any_document_is_read_or_refused(changes: dict[str, t.Any], data: st.DataObject) -> None:
    base = data.draw(st.sampled_from([manifest(), index(described(OCI_MANIFEST))]))
    for document, read in (({**base, **changes}, parse_manifest), ({**json.loads(config()), **changes}, parse_bytes)):
        try:
            read(json.dumps(document).encode())
        except ScanError as error:
            assert str(error)
