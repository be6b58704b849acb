# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import json
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    InputError,
    IntegrityError,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.manifests import OCI_CONFIG, OCI_MANIFEST
from ansible_collections.imagescan.openshift.plugins.module_utils._images.mirrors import Mirror
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Image
from ansible_collections.imagescan.openshift.plugins.module_utils._images.targets import open_target
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, RunningServer, running_server

LAYER = bytes(range(256)) * 4096  # 1 MiB
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


CONFIG = json.dumps(
    {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [digest_of(LAYER)]}}
).encode()
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": digest_of(CONFIG), "size": len(CONFIG)},
        "layers": [{"mediaType": LAYER_TYPE, "digest": digest_of(LAYER), "size": len(LAYER)}],
    }
).encode()


class Shop:
    """A registry with one image in every repository, and what it answers instead to what matches."""

    def __init__(self) -> None:
        self.host = ""
        self.requests: list[Request] = []
        self.instead: dict[str, t.Callable[[Request], Answer | None]] = {}

    def answer(self, request: Request) -> Answer:
        kind, version = request.target.split("/")[-2:]
        for part, change in self.instead.items():
            said = change(request) if part in request.target else None
            if said is not None:
                return said
        if kind == "manifests" and version in ("v1", digest_of(MANIFEST)):
            return Answer(200, MANIFEST, {"Content-Type": OCI_MANIFEST})
        blobs = {digest_of(data): data for data in (CONFIG, LAYER)}
        data = blobs.get(version)
        if kind != "blobs" or data is None:
            return Answer(404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}')
        start = int(request.headers.get("range", "bytes=0-")[len("bytes=") : -1])
        if start:
            headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
            return Answer(206, data[start:], headers)
        return Answer(200, data)

    def asked(self, part: str = "") -> int:
        return len([request for request in self.requests if part in request.target])


@contextlib.contextmanager
def running(shop: Shop) -> t.Iterator[RunningServer]:
    with running_server(shop.answer) as server:
        shop.host, shop.requests = server.host, server.requests
        yield server


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.fixture
def shops() -> t.Iterator[tuple[Shop, Shop]]:
    """A mirror and a source."""
    mirror, source = Shop(), Shop()
    with running(mirror), running(source):
        yield mirror, source


def access(shops: tuple[Shop, Shop], **options: t.Any) -> Access:
    """Access to both, where the mirror serves ``copy`` for ``team``."""
    mirror, source = shops
    entry = Mirror(f"{source.host}/team", (f"{mirror.host}/copy",), **options)
    return Access(plain_http=(mirror.host, source.host), retries=2, timeout=5.0, mirrors=(entry,))


def pull(target: str, access: Access, piece: int = 1 << 16) -> Image:
    opened = open_target(target, access)
    assert isinstance(opened, Image)
    with contextlib.closing(opened.source.open_blob(opened.layers[0].descriptor)) as reader:
        data = b"".join(iter(lambda: reader.read(piece), b""))
    assert data == LAYER
    return opened


def always(status: int) -> t.Callable[[Request], Answer | None]:
    return lambda request: Answer(status, b'{"errors":[{"code":"X"}]}')


def test_a_mirror_is_asked_first_and_alone(shops: tuple[Shop, Shop]) -> None:
    mirror, source = shops
    image = pull(f"{source.host}/team/app:v1", access(shops))
    assert image.digest == digest_of(MANIFEST)
    assert image.reference == f"{source.host}/team/app:v1"
    assert mirror.asked("/v2/copy/app/") == mirror.asked() == 3
    assert source.asked() == 0


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_a_mirror_that_does_not_serve_is_followed_by_the_source(shops: tuple[Shop, Shop], status: int) -> None:
    mirror, source = shops
    mirror.instead["/manifests/"] = always(status)
    assert pull(f"{source.host}/team/app:v1", access(shops)).digest == digest_of(MANIFEST)
    assert source.asked("/v2/team/app/") == 3
    # The source answered last, so the layers come from there too.
    assert mirror.asked("/blobs/") == 0


def test_a_mirror_that_is_gone_is_followed_by_the_source(shops: tuple[Shop, Shop]) -> None:
    mirror, source = shops
    with running(Shop()) as gone:
        host = gone.host
    dead = dataclasses.replace(access(shops), mirrors=(Mirror(source.host, (host, mirror.host)),))
    dead = dataclasses.replace(dead, plain_http=(*dead.plain_http, host))
    pull(f"{source.host}/team/app:v1", dead)
    assert mirror.asked() == 3
    assert source.asked() == 0


@pytest.mark.parametrize("part", [digest_of(CONFIG), digest_of(LAYER)])
def test_a_blob_that_the_mirror_lost_comes_from_the_source(shops: tuple[Shop, Shop], part: str) -> None:
    mirror, source = shops
    mirror.instead[part] = always(404)
    pull(f"{source.host}/team/app:v1", access(shops))
    assert source.asked(part) == 1
    assert source.asked("/manifests/") == 0


@pytest.mark.parametrize("cut", [0, 1, 65536, 700_000, len(LAYER) - 1])
def test_a_layer_goes_on_at_the_next_place_where_the_mirror_broke_off(shops: tuple[Shop, Shop], cut: int) -> None:
    mirror, source = shops
    answers = [lambda request: Answer(200, LAYER, cut=cut)]
    mirror.instead[digest_of(LAYER)] = lambda request: answers.pop()(request) if answers else Answer(503)
    pull(f"{source.host}/team/app:v1", access(shops))
    assert source.asked() == 1
    assert source.requests[0].headers.get("range") == (f"bytes={cut}-" if cut else None)


def test_pulls_by_tag_do_not_ask_mirrors_for_digests(shops: tuple[Shop, Shop]) -> None:
    mirror, source = shops
    pull(f"{source.host}/team/app:v1", access(shops, pulls="digest"))
    assert mirror.asked() == 0
    pull(f"{source.host}/team/app@{digest_of(MANIFEST)}", access(shops, pulls="digest"))
    assert mirror.asked() == 3


def test_every_place_is_named_where_none_serves(shops: tuple[Shop, Shop]) -> None:
    mirror, source = shops
    target = f"{source.host}/team/app:v2"
    with pytest.raises(ScanError) as caught:
        open_target(target, access(shops))
    assert caught.value.code == "image-not-found"
    assert str(caught.value).startswith(f"{target}: none of the places that were asked gives it")
    for name in (f"{mirror.host}/copy/app: ", f"{source.host}/team/app: "):
        assert name in str(caught.value)
    # What one place lacks may be at the other, which cannot be asked: the image is not missing.
    mirror.instead["/manifests/"] = always(500)
    with pytest.raises(ScanError) as caught:
        open_target(target, access(shops))
    assert caught.value.code == "registry-unavailable"
    assert "answers 500" in str(caught.value)
    assert "answers 404" in str(caught.value)


def test_a_layer_that_no_place_has(shops: tuple[Shop, Shop]) -> None:
    for shop in shops:
        shop.instead[digest_of(LAYER)] = always(404)
    target = f"{shops[1].host}/team/app:v1"
    with pytest.raises(ScanError) as caught:
        pull(target, access(shops))
    assert caught.value.code == "blob-not-found"
    assert str(caught.value).startswith(f"{target}, layer {digest_of(LAYER)}: ")


def test_wrong_content_is_never_taken_and_never_passed_over(shops: tuple[Shop, Shop]) -> None:
    mirror, source = shops
    mirror.instead["/manifests/"] = lambda request: Answer(200, MANIFEST + b" ", {"Content-Type": OCI_MANIFEST})
    with pytest.raises(IntegrityError, match=f"the manifest that {mirror.host}/copy/app sent"):
        open_target(f"{source.host}/team/app@{digest_of(MANIFEST)}", access(shops))
    mirror.instead = {digest_of(CONFIG): lambda request: Answer(200, CONFIG[:-1] + b" ")}
    with pytest.raises(IntegrityError, match=f"the blob that {mirror.host}/copy/app sent"):
        open_target(f"{source.host}/team/app:v1", access(shops))
    assert source.asked() == 0


def test_a_source_that_may_not_be_contacted_is_not(shops: tuple[Shop, Shop]) -> None:
    mirror, source = shops
    mirror.instead["/manifests/"] = always(404)
    with pytest.raises(ScanError) as caught:
        open_target(f"{source.host}/team/app:v1", access(shops, never_contact_source=True))
    assert f"{mirror.host}/copy/app" in str(caught.value)
    with pytest.raises(ScanError, match="may not be asked itself"):
        open_target(f"{source.host}/team/app:v1", access(shops, pulls="digest", never_contact_source=True))
    assert source.asked() == 0


class TestCredentials:
    """Several files, as a pod has several pull secrets."""

    def write(self, folder: Path, name: str, entries: dict[str, t.Any]) -> str:
        path = folder / name
        path.write_text(json.dumps({"auths": entries} if name.endswith("json") else entries), encoding="utf-8")
        return str(path)

    def entry(self, username: str) -> dict[str, str]:
        return {"auth": base64.b64encode(f"{username}:secret".encode()).decode()}

    def guard(self, shop: Shop, username: str, denied: int) -> None:
        """The shop serves one user; others it denies in its own way."""

        def check(request: Request) -> Answer | None:
            login = request.basic_login()
            if login is None:
                return Answer(401, b"", {"WWW-Authenticate": "Basic"})
            return None if login[0] == username else Answer(denied, b"")

        shop.instead["/"] = check

    @pytest.mark.parametrize("denied", [401, 403, 404])
    def test_each_file_has_its_try(self, shops: tuple[Shop, Shop], tmp_path: Path, denied: int) -> None:
        mirror, source = shops
        self.guard(source, "b", denied)
        self.guard(mirror, "nobody", denied)
        files = (
            self.write(tmp_path, "a.json", {source.host: self.entry("a"), mirror.host: self.entry("m")}),
            self.write(tmp_path, "b.dockercfg", {source.host: self.entry("b")}),
        )
        pull(f"{source.host}/team/app:v1", dataclasses.replace(access(shops), auth_files=files))
        assert {(request.basic_login() or ("",))[0] for request in mirror.requests} <= {"", "m"}
        assert (source.requests[-1].basic_login() or ("",))[0] == "b"

    def test_an_outage_is_not_asked_again_with_the_next_file(self, shops: tuple[Shop, Shop], tmp_path: Path) -> None:
        source = shops[1]
        source.instead["/"] = always(500)
        files = tuple(self.write(tmp_path, f"{name}.json", {source.host: self.entry(name)}) for name in "ab")
        plain = Access(plain_http=(source.host,), retries=2, auth_files=files)
        with pytest.raises(ScanError) as caught:
            open_target(f"{source.host}/team/app:v1", plain)
        assert source.asked() == 3
        assert "none of the places" not in str(caught.value)

    def test_what_is_left_to_a_helper_is_told_but_does_not_stop_the_other_places(
        self, shops: tuple[Shop, Shop], tmp_path: Path
    ) -> None:
        mirror, source = shops
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"credHelpers": {mirror.host: "x"}}), encoding="utf-8")
        held = dataclasses.replace(access(shops), auth_files=(str(path),))
        pull(f"{source.host}/team/app:v1", held)
        assert mirror.asked() == 0
        with pytest.raises(InputError, match="credential helper"):
            open_target(f"{mirror.host}/copy/app:v1", held)

    def test_a_token_in_a_file_is_read_at_each_use(self, shops: tuple[Shop, Shop], tmp_path: Path) -> None:
        source = shops[1]
        token = tmp_path / "token"
        token.write_text("first\n", encoding="utf-8")
        seen: list[str] = []

        def check(request: Request) -> Answer | None:
            login = request.basic_login()
            if login is None:
                return Answer(401, b"", {"WWW-Authenticate": "Basic"})
            seen.append(login[1])
            return None

        source.instead["/"] = check
        held = Access(
            plain_http=(source.host,),
            username="puller",
            password_file=str(token),
            login_registry=source.host,
        )
        opened = open_target(f"{source.host}/team/app:v1", held)
        assert isinstance(opened, Image)
        token.write_text("second\n", encoding="utf-8")
        opened.source.open_blob(opened.layers[0].descriptor).close()
        assert seen == ["first", "first", "second"]
        token.write_text("", encoding="utf-8")
        with pytest.raises(InputError, match="holds no token"):
            open_target(f"{source.host}/team/app:v1", held)
        token.unlink()
        with pytest.raises(InputError, match="cannot be read"):
            open_target(f"{source.host}/team/app:v1", held)
