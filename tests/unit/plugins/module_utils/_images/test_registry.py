# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    InputError,
    IntegrityError,
    LimitExceeded,
    RegistryError,
    ScanError,
    UnsupportedImage,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images import registry, transport
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.manifests import (
    DOCKER_SCHEMA_1,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Descriptor, Image, ImageIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._images.references import parse_reference
from ansible_collections.imagescan.openshift.plugins.module_utils._images.targets import open_child, open_target
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server

LAYER = bytes(range(256)) * 4096  # 1 MiB
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Fake:
    """A registry in memory. ``paths`` maps a path to an answer, or to what makes one."""

    def __init__(self) -> None:
        self.paths: dict[str, t.Any] = {}
        self.host = ""
        self.requests: list[Request] = []
        self.layer = digest_of(LAYER)
        config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [self.layer]}}
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.blob(json.dumps(config).encode(), OCI_CONFIG),
            "layers": [self.blob(LAYER, LAYER_TYPE)],
        }
        self.manifest = self.put("v1", manifest, OCI_MANIFEST)

    def blob(self, data: bytes, media_type: str) -> dict[str, t.Any]:
        self.paths[f"/v2/a/b/blobs/{digest_of(data)}"] = Answer(200, data)
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    def put(self, tag: str, document: t.Any, media_type: str) -> dict[str, t.Any]:
        data = json.dumps(document).encode()
        answer = Answer(200, data, {"Content-Type": media_type})
        for name in (tag, digest_of(data)):
            self.paths[f"/v2/a/b/manifests/{name}"] = answer
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    def answer(self, request: Request) -> Answer:
        found = self.paths.get(request.target)
        if found is None:
            return Answer(404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}')
        return found if isinstance(found, Answer) else t.cast(Answer, found(request))

    @property
    def access(self) -> Access:
        return Access(plain_http=(self.host,), retries=3, timeout=5.0)

    @property
    def target(self) -> str:
        return f"{self.host}/a/b:v1"

    def open(self, target: str = "") -> Image:
        opened = open_target(target or self.target, self.access)
        assert isinstance(opened, Image)
        return opened


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.fixture
def fake() -> t.Iterator[Fake]:
    made = Fake()
    with running_server(made.answer) as server:
        made.host = server.host
        made.requests = server.requests
        yield made


def read_all(image: Image, piece: int = 1 << 16) -> bytes:
    with contextlib.closing(image.source.open_blob(image.layers[0].descriptor)) as reader:
        pieces: list[bytes] = []
        while True:
            data = reader.read(piece)
            if not data:
                assert reader.read(piece) == b""
                return b"".join(pieces)
            pieces.append(data)


def refused(action: t.Callable[[], object], error: type[ScanError], code: str, *words: str) -> None:
    with pytest.raises(error) as caught:
        action()
    assert caught.value.code == code
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_an_image_is_read(fake: Fake) -> None:
    image = fake.open(f"docker://{fake.target}")
    assert image.digest == fake.manifest["digest"]
    assert read_all(image) == LAYER
    assert not [request for request in fake.requests if "authorization" in request.headers]


@pytest.mark.parametrize("piece", [1, 4096, 1 << 22])
def test_pieces_have_at_most_the_size_asked_for(fake: Fake, piece: int) -> None:
    image = fake.open()
    reader = image.source.open_blob(image.layers[0].descriptor)
    assert 0 < len(reader.read(piece)) <= piece
    reader.close()


def test_a_reader_that_is_closed_early_leaves_the_client_usable(fake: Fake) -> None:
    image = fake.open()
    for _attempt in range(10):
        reader = image.source.open_blob(image.layers[0].descriptor)
        assert reader.read(10) == LAYER[:10]
        reader.close()
    assert read_all(image) == LAYER


def test_layers_are_read_by_several_threads_at_once(fake: Fake) -> None:
    image = fake.open()
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(read_all(image, 5000))) for _attempt in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [LAYER] * 8


def cut_at(*places: int) -> t.Callable[[Request], Answer]:
    """Answers ranges, and cuts the first answers after so many bytes."""
    left = list(places)

    def answer(request: Request) -> Answer:
        start = int(request.headers.get("range", "bytes=0-")[6:-1])
        cut = left.pop(0) if left else None
        if "range" not in request.headers:
            return Answer(200, LAYER, cut=cut)
        said = {"Content-Range": f"bytes {start}-{len(LAYER) - 1}/{len(LAYER)}"}
        return Answer(206, LAYER[start:], said, cut=cut)

    return answer


@pytest.mark.parametrize(
    "places", [(0,), (1,), (500_000,), (len(LAYER) - 1,), (10, 20, 30), (0, 0, 0, 7, 0, 0, 9, 0, 0)]
)
def test_cuts_anywhere_are_resumed(fake: Fake, places: tuple[int, ...]) -> None:
    fake.paths[f"/v2/a/b/blobs/{fake.layer}"] = cut_at(*places)
    assert read_all(fake.open()) == LAYER


def test_a_reset_is_resumed(fake: Fake) -> None:
    reset, ranged = Answer(200, LAYER, cut=500_000, reset=True), cut_at()
    answers = [lambda request: reset, ranged]

    def answer(request: Request) -> Answer:
        return answers.pop(0)(request)

    fake.paths[f"/v2/a/b/blobs/{fake.layer}"] = answer
    assert read_all(fake.open()) == LAYER


def test_cuts_without_progress_end(fake: Fake) -> None:
    fake.paths[f"/v2/a/b/blobs/{fake.layer}"] = cut_at(*[0] * 50)
    image = fake.open()
    refused(lambda: read_all(image), RegistryError, "registry-unavailable", fake.target, fake.layer, "tried 4 times")


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (Answer(200, LAYER[:-1]), IntegrityError, "layer-truncated"),
        (Answer(200, b""), IntegrityError, "layer-truncated"),
        (Answer(200, LAYER + b"x"), IntegrityError, "digest-mismatch"),
        (Answer(200, b"4\r\nabcd\r\n0\r\n\r\n", {"Transfer-Encoding": "chunked"}), IntegrityError, "layer-truncated"),
        (Answer(206, LAYER, {"Content-Range": "bytes 0-9/10"}), RegistryError, "registry-error"),
        (Answer(204, b""), RegistryError, "registry-error"),
        (Answer(416, b""), RegistryError, "registry-error"),
        (Answer(404, b""), RegistryError, "blob-not-found"),
    ],
)  # fmt: skip
def test_layers_of_another_size(fake: Fake, answer: Answer, error: type[ScanError], code: str) -> None:
    fake.paths[f"/v2/a/b/blobs/{fake.layer}"] = answer
    image = fake.open()
    refused(lambda: read_all(image), error, code, fake.target, fake.layer)


def test_a_chunked_layer_with_bytes_behind_it(fake: Fake) -> None:
    body = b"%x\r\n%s\r\n1\r\nx\r\n0\r\n\r\n" % (len(LAYER), LAYER)
    fake.paths[f"/v2/a/b/blobs/{fake.layer}"] = Answer(200, body, {"Transfer-Encoding": "chunked"})
    image = fake.open()
    refused(lambda: read_all(image), IntegrityError, "digest-mismatch", "more than")


def test_a_lost_connection_in_the_middle_of_a_manifest_is_no_short_manifest(fake: Fake) -> None:
    whole = fake.paths["/v2/a/b/manifests/v1"]
    answers = [Answer(200, whole.body, whole.headers, cut=100), Answer(200, whole.body, whole.headers, cut=0), whole]
    fake.paths["/v2/a/b/manifests/v1"] = lambda request: answers.pop(0)
    assert fake.open().digest == fake.manifest["digest"]


def test_digest_header_is_compared(fake: Fake) -> None:
    whole = fake.paths["/v2/a/b/manifests/v1"]
    for said, is_good in ((fake.manifest["digest"], True), ("sha256:" + "0" * 64, False), ("nonsense", True)):
        fake.paths["/v2/a/b/manifests/v1"] = Answer(200, whole.body, {**whole.headers, "Docker-Content-Digest": said})
        if is_good:
            assert fake.open().digest == fake.manifest["digest"]
        else:
            refused(fake.open, IntegrityError, "digest-mismatch", fake.target)


def test_sizes_are_bounded(fake: Fake) -> None:
    fake.paths["/v2/a/b/manifests/v1"] = Answer(200, b" " * (5 << 20), {"Content-Type": OCI_MANIFEST})
    refused(fake.open, LimitExceeded, "limit-exceeded", fake.target)
    big = {"mediaType": OCI_CONFIG, "digest": "sha256:" + "0" * 64, "size": 9 << 20}
    fake.put("v1", {"schemaVersion": 2, "config": big, "layers": []}, OCI_MANIFEST)
    refused(fake.open, LimitExceeded, "limit-exceeded", fake.target)


def test_schema_1_is_named(fake: Fake) -> None:
    fake.put("v1", {"schemaVersion": 1, "fsLayers": []}, DOCKER_SCHEMA_1[0])
    refused(fake.open, UnsupportedImage, "unsupported-image", fake.target, "schema 1")


class TestIndexes:
    @staticmethod
    def entry(child: dict[str, t.Any], architecture: str = "amd64", os: str = "linux") -> dict[str, t.Any]:
        return {**child, "platform": {"os": os, "architecture": architecture}}

    def open_index(self, fake: Fake, *entries: dict[str, t.Any]) -> ImageIndex:
        fake.put("v1", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}, OCI_INDEX)
        opened = open_target(fake.target, fake.access)
        assert isinstance(opened, ImageIndex)
        return opened

    def test_attestations_are_left_out_and_children_opened(self, fake: Fake) -> None:
        child = fake.manifest
        index = self.open_index(fake, self.entry(child), self.entry(child, "unknown", "unknown"))
        assert [str(found.platform) for found in index.children] == ["linux/amd64"]
        image = open_child(index, index.children[0], fake.access)
        assert (image.digest, image.index_digest, image.reference) == (child["digest"], index.digest, fake.target)

    @pytest.mark.parametrize(
        ("config_type", "layer_types", "is_child"),
        [
            (OCI_CONFIG, [], True),
            (OCI_CONFIG, ["application/vnd.in-toto+json"], True),  # CRI-O does not look at the types of layers
            ("application/vnd.oci.empty.v1+json", [], True),  # containerd does not look at the type of the config
            ("application/vnd.oci.empty.v1+json", [LAYER_TYPE], True),
            ("application/vnd.oci.empty.v1+json", ["application/vnd.cncf.helm.chart.content.v1.tar+gzip"], True),
            ("application/vnd.oci.empty.v1+json", ["application/vnd.in-toto+json"], False),
            ("application/vnd.example.config.v1+json", [LAYER_TYPE, "application/spdx+json"], False),
        ],
    )
    def test_an_entry_without_platform_counts_unless_its_manifest_proves_that_it_is_not_an_image(
        self, fake: Fake, config_type: str, layer_types: list[str], is_child: bool
    ) -> None:
        blob = {"digest": "sha256:" + "1" * 64, "size": 2}
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": config_type, **blob},
            "layers": [{"mediaType": kind, **blob} for kind in layer_types],
        }
        said = {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
        other = {**fake.put("other", document, OCI_MANIFEST), **said}
        for entry in (other, self.entry(other)):
            index = self.open_index(fake, self.entry(fake.manifest), entry)
            assert len(index.children) == 1 + (is_child or "platform" in entry)

    @pytest.mark.parametrize("change", [{"digest": "sha256:" + "2" * 64}, {"mediaType": "application/octet-stream"}])
    def test_an_entry_that_cannot_be_read_proves_nothing(self, fake: Fake, change: dict[str, t.Any]) -> None:
        blob = {"digest": "sha256:" + "1" * 64, "size": 2}
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", **blob},
            "layers": [{"mediaType": "application/spdx+json", **blob}],
        }
        entry = fake.put("other", document, OCI_MANIFEST)
        assert len(self.open_index(fake, self.entry(fake.manifest), entry).children) == 1
        assert len(self.open_index(fake, self.entry(fake.manifest), {**entry, **change}).children) == 2

    def test_a_fallback_beside_a_nested_index_may_be_for_any_platform(self, fake: Fake) -> None:
        inner = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [self.entry(fake.manifest, "386")]}
        nested = fake.put("inner", inner, OCI_INDEX)
        index = self.open_index(fake, self.entry(fake.manifest), nested, self.entry(fake.manifest, "arm"))
        assert [found.platform and str(found.platform) for found in index.children] == ["linux/amd64", None, None]
        index = self.open_index(fake, self.entry(fake.manifest), self.entry(fake.manifest, "arm"))
        assert [str(found.platform) for found in index.children] == ["linux/amd64", "linux/arm"]

    def test_nested_indexes_are_flattened(self, fake: Fake) -> None:
        inner = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [self.entry(fake.manifest, "arm64")]}
        nested = fake.put("inner", inner, OCI_INDEX)
        index = self.open_index(fake, self.entry(fake.manifest), nested)
        assert [str(found.platform) for found in index.children] == ["linux/amd64", "linux/arm64"]

    def test_nesting_is_bounded(self, fake: Fake) -> None:
        nested = self.entry(fake.manifest)
        for number in range(5):
            nested = fake.put(f"n{number}", {"schemaVersion": 2, "manifests": [nested]}, OCI_INDEX)
        refused(lambda: self.open_index(fake, nested), LimitExceeded, "limit-exceeded", fake.target)
        refused(lambda: self.open_index(fake, *[fake.put("e", {"schemaVersion": 2, "manifests": []}, OCI_INDEX)] * 20),
                LimitExceeded, "limit-exceeded")  # fmt: skip

    def test_an_index_without_an_image(self, fake: Fake) -> None:
        for entries in ([], [self.entry(fake.manifest, "unknown", "unknown")]):
            # The function is called at once, before the names change.
            refused(lambda: self.open_index(fake, *entries), UnsupportedImage, "unsupported-image")  # noqa: B023

    def test_a_child_must_be_what_the_index_says(self, fake: Fake) -> None:
        other = fake.put("other", {"schemaVersion": 2, "manifests": [self.entry(fake.manifest)]}, OCI_INDEX)
        index = self.open_index(fake, self.entry({**other, "mediaType": OCI_MANIFEST}), self.entry(fake.manifest))
        refused(lambda: open_child(index, index.children[0], fake.access), CorruptData, "corrupt-data", other["digest"])
        stranger = Descriptor(OCI_MANIFEST, "sha256:" + "1" * 64, 5)
        refused(lambda: open_child(index, stranger, fake.access), InputError, "invalid-input", "no child")
        fake.paths[f"/v2/a/b/manifests/{fake.manifest['digest']}"] = Answer(200, b"{}", {})
        refused(lambda: open_child(index, index.children[1], fake.access), IntegrityError, "digest-mismatch")


class TestLists:
    def names(self, fake: Fake) -> list[str]:
        return list(registry.list_tags(fake.host, "a/b", fake.access))

    def page(self, fake: Fake, target: str, names: t.Any, link: str = "") -> None:
        headers = {"Link": link} if link else {}
        fake.paths[target] = Answer(200, json.dumps({"name": "a/b", "tags": names}).encode(), headers)

    def test_pages_are_followed(self, fake: Fake) -> None:
        first, second = "/v2/a/b/tags/list?n=1000", "/v2/a/b/tags/list?n=1000&last=two"
        self.page(fake, first, ["one", "two"], f'<{second}>; rel="next"')
        self.page(fake, second, ["three"], '</v2/>; rel="prev"')
        assert self.names(fake) == ["one", "two", "three"]
        self.page(fake, first, ["one", "two"], f'</v2/>; rel="prev", <{second}>; rel="next"')
        assert self.names(fake) == ["one", "two", "three"]
        # A registry behind a proxy writes the scheme or the port that it knows itself.
        self.page(fake, first, ["one", "two"], f"<https://{fake.host.split(':')[0]}:443{second}>; rel=next")
        assert self.names(fake) == ["one", "two", "three"]

    @pytest.mark.parametrize("names", [None, []])
    def test_no_names(self, fake: Fake, names: t.Any) -> None:
        self.page(fake, "/v2/a/b/tags/list?n=1000", names)
        assert self.names(fake) == []

    def test_a_connection_that_breaks_is_made_again(self, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
        self.page(fake, "/v2/a/b/tags/list?n=1000", ["one"])
        send, sent = transport.Transport.send, []

        def break_once(self: t.Any, *args: t.Any, **options: t.Any) -> t.Any:
            sent.append(args)
            if len(sent) == 1:
                raise transport.ConnectionLost("it broke", code="registry-unavailable")
            return send(self, *args, **options)

        monkeypatch.setattr(transport.Transport, "send", break_once)
        monkeypatch.setattr(time, "sleep", lambda seconds: None)
        assert self.names(fake) == ["one"]
        assert len(sent) == 2

    def test_a_circle_ends(self, fake: Fake) -> None:
        target = "/v2/a/b/tags/list?n=1000"
        self.page(fake, target, ["one"], f'<{target}>; rel="next"')
        refused(lambda: self.names(fake), LimitExceeded, "limit-exceeded", f"{fake.host}/a/b")

    @pytest.mark.parametrize(
        ("link", "code"),
        [
            ('<http://evil.test/v2/x>; rel="next"', "redirect-refused"),
            ('<//evil.test/v2/x>; rel="next"', "redirect-refused"),
            ('</admin>; rel="next"', "redirect-refused"),
            ('<ftp://x/>; rel="next"', "redirect-refused"),
        ],
    )
    def test_links_that_lead_away(self, fake: Fake, link: str, code: str) -> None:
        self.page(fake, "/v2/a/b/tags/list?n=1000", ["one"], link)
        refused(lambda: self.names(fake), RegistryError, code, f"{fake.host}/a/b")
        assert len(fake.requests) == 1

    @pytest.mark.parametrize("names", [["../x"], ["a\x1b[0m"], [5], {"a": 1}, "one", ["x" * 200]])
    def test_names_that_are_none(self, fake: Fake, names: t.Any) -> None:
        self.page(fake, "/v2/a/b/tags/list?n=1000", names)
        refused(lambda: self.names(fake), CorruptData, "corrupt-data", f"{fake.host}/a/b")

    def test_a_repository_that_is_not_there(self, fake: Fake) -> None:
        refused(lambda: self.names(fake), RegistryError, "image-not-found", "a/b")
        refused(lambda: list(registry.list_tags(fake.host, "../x", fake.access)), InputError, "invalid-input")

    def test_a_full_page_without_a_link_is_asked_on(self, fake: Fake) -> None:
        """Whoever stops there has seen the first thousand; a server that begins again has given everything."""
        first = [f"t{number:04}" for number in range(1000)]
        self.page(fake, "/v2/a/b/tags/list?n=1000", first)
        self.page(fake, "/v2/a/b/tags/list?n=1000&last=t0999", ["u1", "u2"])
        assert self.names(fake) == [*first, "u1", "u2"]
        self.page(fake, "/v2/a/b/tags/list?n=1000&last=t0999", first)
        assert self.names(fake) == first

    def test_an_answer_without_a_list_is_no_empty_list(self, fake: Fake) -> None:
        fake.paths["/v2/_catalog?n=1000"] = Answer(200, b"{}")
        with pytest.raises(CorruptData, match="without 'repositories'"):
            list(registry.list_repositories(fake.host, fake.access))
        fake.paths["/v2/_catalog?n=1000"] = Answer(200, b'{"repositories": null}')
        assert list(registry.list_repositories(fake.host, fake.access)) == []

    @pytest.mark.parametrize("link", ["/v2/a/b/tags/list?last=x; rel=next", "</v2/a>; rel='next'"])
    def test_a_link_to_a_next_page_that_cannot_be_read_is_an_error(self, fake: Fake, link: str) -> None:
        self.page(fake, "/v2/a/b/tags/list?n=1000", ["one"], link)
        with pytest.raises(CorruptData, match="next page"):
            self.names(fake)

    def test_the_catalogue(self, fake: Fake) -> None:
        fake.paths["/v2/_catalog?n=1000"] = Answer(200, b'{"repositories": ["a/b", "c"]}')
        assert list(registry.list_repositories(fake.host, fake.access)) == ["a/b", "c"]


class TestAuthentication:
    def write(self, folder: Path, host: str, entry: dict[str, t.Any]) -> str:
        path = folder / "auth.json"
        path.write_text(json.dumps({"auths": {host: entry}}), encoding="utf-8")
        return str(path)

    def test_a_challenge_is_answered_once_and_then_known(self, fake: Fake, tmp_path: Path) -> None:
        def guarded(answer: Answer) -> t.Callable[[Request], Answer]:
            def decide(request: Request) -> Answer:
                if request.basic_login() == ("u", "p"):
                    return answer
                return Answer(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})

            return decide

        fake.paths = {path: guarded(answer) for path, answer in fake.paths.items()}
        auth_file = self.write(tmp_path, fake.host, {"username": "u", "password": "p"})
        opened = open_target(fake.target, Access(plain_http=(fake.host,), auth_files=(auth_file,)))
        assert isinstance(opened, Image)
        assert read_all(opened) == LAYER
        assert ["authorization" in request.headers for request in fake.requests] == [False, True, True, True]

    def test_an_anonymous_token(self, fake: Fake) -> None:
        fake.paths = {
            path: lambda request, answer=answer: (
                answer
                if request.headers.get("authorization") == "Bearer t0k"
                else Answer(401, b"", {"WWW-Authenticate": f'Bearer realm="http://{fake.host}/token?x=y",service="s"'})
            )
            for path, answer in fake.paths.items()
        }
        token = "/token?x=y&service=s&scope=repository%3Aa%2Fb%3Apull"
        answers = [Answer(503, b""), Answer(200, b'{"access_token": "t0k", "expires_in": "soon"}')]
        fake.paths[token] = lambda request: answers.pop(0)
        assert read_all(fake.open()) == LAYER
        assert [request.target for request in fake.requests].count(token) == 2
        assert "authorization" not in next(r for r in fake.requests if r.target == token).headers

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"[]",
            b"{}",
            b'{"token": ""}',
            b'{"token": 5}',
            b'{"token": "a\\r\\nX: y"}',
            b'{"token": "a b"}',
            b"x" * (2 << 20),
        ],
    )
    def test_tokens_that_are_none(self, fake: Fake, answer: bytes) -> None:
        challenge = {"WWW-Authenticate": f'Bearer realm="http://{fake.host}/token"'}
        fake.paths["/v2/a/b/manifests/v1"] = Answer(401, b"", challenge)
        fake.paths["/token?scope=repository%3Aa%2Fb%3Apull"] = Answer(200, answer)
        with pytest.raises(ScanError) as caught:
            fake.open()
        assert fake.target in str(caught.value)

    def test_ways_that_are_not_known(self, fake: Fake) -> None:
        for headers in ({"WWW-Authenticate": "Negotiate"}, {}):
            fake.paths["/v2/a/b/manifests/v1"] = Answer(401, b"", headers)
            refused(fake.open, RegistryError, "registry-unauthorized", "expected Basic or Bearer")

    def test_secrets_are_withheld_from_plain_http_elsewhere(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        challenge = {"WWW-Authenticate": 'Basic realm="x"'}
        with running_server(lambda request: Answer(401, b"", challenge)) as proxy:
            monkeypatch.setenv("http_proxy", f"http://{proxy.host}")  # so that a name that is not loopback is reached
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.delenv("NO_PROXY", raising=False)
            auth_file = self.write(tmp_path, "registry.test:5000", {"username": "u", "password": "s3cret"})
            access = Access(plain_http=("registry.test:5000",), auth_files=(auth_file,))
            refused(
                lambda: open_target("registry.test:5000/a/b:v1", access),
                RegistryError,
                "credentials-withheld",
                "verified TLS",
            )
            assert "authorization" not in proxy.everything()


def test_docker_hub_is_asked_where_it_is() -> None:
    client = registry.open_repository(parse_reference("nginx"), Access())._client
    assert str(client.endpoint) == "registry-1.docker.io"


def test_clients_are_shared_by_equal_access_only() -> None:
    reference = parse_reference("quay.io/a/b")
    first = registry.open_repository(reference, Access())._client
    assert registry.open_repository(reference, Access())._client is first
    assert registry.open_repository(reference, Access(retries=1))._client is not first
