# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images made by buildah from real packages, pulled from a real registry: as it should be, and with faults between."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import json
import os
import typing as t
import urllib.parse
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    InputError,
    RegistryError,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images import registry as registry_client
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.mirrors import Mirror
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Image, ImageIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._images.targets import (
    list_targets,
    open_child,
    open_target,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.inventory import take_inventory
from ansible_collections.imagescan.openshift.tests.support.certificates import Authority
from ansible_collections.imagescan.openshift.tests.support.images import (
    OS_RELEASE,
    Buildah,
    build_rpm,
    install_rpms,
    run,
)
from ansible_collections.imagescan.openshift.tests.support.programs import require_program
from ansible_collections.imagescan.openshift.tests.support.registry import (
    RunningRegistry,
    running_registry,
    running_token_server,
)
from ansible_collections.imagescan.openshift.tests.support.servers import (
    Answer,
    Fault,
    Request,
    RunningServer,
    faulty_proxy,
    running_server,
)

LOGIN = ("robot$puller", "c4nary-pa55word:with=signs")
NAME = "team/product/app"
MIRROR_LOGIN, MIRRORED = ("mirror", "an0ther-s3cret"), "copies/of/app"
PACKAGES = ["imagescan-base-1.0-1.el9.noarch", "imagescan-extra-2.5-3.el9.noarch"]
FILLING = 5_000_000  # random bytes in the upper layer, so that there is a middle to cut


@dataclasses.dataclass(frozen=True)
class Made:
    """The image that buildah made: an OCI layout of it, and a registry's data folder that holds it."""

    layout: Path
    digest: str
    layers: tuple[str, ...]
    data: Path
    archive: Path
    docker_archive: Path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    skopeo = require_program("skopeo")
    buildah = Buildah(folder)
    base_rpm = build_rpm(folder / "rpms", "imagescan-base")
    extra_rpm = build_rpm(folder / "rpms", "imagescan-extra", "2.5", "3.el9")
    root = folder / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text(OS_RELEASE, encoding="utf-8")
    install_rpms(root, [base_rpm])
    for path in (root / "var/lib/rpm").iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))  # buildah takes equal size and second for an unchanged file
    buildah.commit("base", root, labels={"name": "base"})
    install_rpms(root, [extra_rpm])
    (root / "filling").write_bytes(os.urandom(FILLING))
    buildah.commit("app", root, "base", labels={"name": "app"})
    layout, archive, docker_archive = folder / "layout", folder / "oci.tar", folder / "docker.tar"
    buildah.push("app", f"oci:{layout}:v1", "--compression-format", "gzip")
    run(skopeo, "copy", "-q", f"oci:{layout}:v1", f"oci-archive:{archive}:v1")
    run(skopeo, "copy", "-q", f"oci:{layout}:v1", f"docker-archive:{docker_archive}:registry.test/{NAME}:v1")
    entry = json.loads((layout / "index.json").read_bytes())["manifests"][0]
    manifest = json.loads((layout / "blobs" / entry["digest"].replace(":", "/")).read_bytes())
    with running_registry(folder / "registry") as registry:
        to = f"docker://{registry.host}/{NAME}"
        run(skopeo, "copy", "-q", "--dest-tls-verify=false", f"oci:{layout}:v1", f"{to}:v1")
        run(skopeo, "copy", "-q", "--dest-tls-verify=false", "--format", "v2s2", f"oci:{layout}:v1", f"{to}:docker")
        for number in range(5):
            run(skopeo, "copy", "-q", "--dest-tls-verify=false", f"oci:{layout}:v1", f"{to}/part{number}:v1")
        buildah("manifest", "create", "list")
        for architecture, image in (("amd64", "app"), ("arm64", "base")):
            buildah("manifest", "add", "--arch", architecture, "list", image)
        buildah("manifest", "push", "-q", "--all", "--tls-verify=false", "list", f"{to}:list")
    layers = tuple(layer["digest"] for layer in manifest["layers"])
    return Made(layout, entry["digest"], layers, folder / "registry", archive, docker_archive)


@pytest.fixture(scope="module")
def basic(made: Made, authority: Authority) -> t.Iterator[RunningRegistry]:
    """A registry with TLS and basic authentication."""
    with running_registry(made.data, tls=authority, login=LOGIN) as registry:
        yield registry


@pytest.fixture(scope="module")
def unguarded(made: Made, authority: Authority) -> t.Iterator[RunningRegistry]:
    """A registry with TLS that asks for nothing."""
    with running_registry(made.data, tls=authority) as registry:
        yield registry


def write_auth(folder: Path, content: t.Mapping[str, t.Any], name: str = "config.json") -> str:
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def login_entry(username: str = LOGIN[0], password: str = LOGIN[1]) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def access_to(host: str, authority: Authority, folder: Path, **options: t.Any) -> Access:
    """Access with the right credentials, trust in the CA, and little patience."""
    auth_file = options.pop("auth_file", None) or write_auth(folder, {"auths": {host: login_entry()}})
    return Access(
        auth_files=(auth_file,), ca_file=str(authority.ca_file), **{"retries": 2, "deadline": 60.0, **options}
    )


def open_image(target: str, access: Access) -> Image:
    opened = open_target(target, access)
    assert isinstance(opened, Image)
    return opened


def blobs_of(image: Image, piece: int = 1 << 18) -> tuple[str, ...]:
    """Digests of what the layers really hold."""
    found = []
    for layer in image.layers:
        reader = image.source.open_blob(layer.descriptor)
        hasher = hashlib.sha256()
        while data := reader.read(piece):
            assert len(data) <= piece
            hasher.update(data)
        reader.close()
        found.append(f"sha256:{hasher.hexdigest()}")
    return tuple(found)


def packages_of(image: Image) -> list[str]:
    return [f"{p.name}-{p.version}-{p.release}.{p.arch}" for p in take_inventory(image).packages]


def refused(action: t.Callable[[], object], code: str, *words: str) -> ScanError:
    """The action ends in a ScanError with this code that names image and cause, and no secret."""
    with pytest.raises(ScanError) as caught:
        action()
    error = caught.value
    assert error.code == code, str(error)
    for word in words:
        assert word in str(error), f"{word!r} is not in: {error}"
    assert_no_secret(f"{error} {error!r} {error.__cause__!r}")
    return error


def assert_no_secret(text: str) -> None:
    plain = LOGIN[1]
    for secret in (plain, urllib.parse.quote(plain), urllib.parse.quote_plus(plain), login_entry()["auth"], plain[:14]):
        assert secret not in text


class TestRightAccess:
    def test_basic_authentication_over_tls_gives_the_image_that_buildah_made(
        self, made: Made, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        image = open_image(f"{basic.host}/{NAME}:v1", access_to(basic.host, authority, tmp_path))
        assert image.digest == made.digest
        assert image.reference == f"{basic.host}/{NAME}:v1"
        assert image.config.labels["name"] == "app"
        assert image.config.platform.os == "linux"
        assert blobs_of(image) == made.layers

    def test_packages_in_it_are_those_that_were_installed(
        self, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        image = open_image(f"{basic.host}/{NAME}:v1", access_to(basic.host, authority, tmp_path))
        assert packages_of(image) == PACKAGES

    def test_tag_and_digest_together_ask_for_the_digest(
        self, made: Made, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        image = open_image(f"{basic.host}/{NAME}:gone@{made.digest}", access_to(basic.host, authority, tmp_path))
        assert image.digest == made.digest

    def test_docker_schema_2_manifest(self, basic: RunningRegistry, authority: Authority, tmp_path: Path) -> None:
        image = open_image(f"{basic.host}/{NAME}:docker", access_to(basic.host, authority, tmp_path))
        assert {layer.descriptor.media_type for layer in image.layers} == {
            "application/vnd.docker.image.rootfs.diff.tar.gzip"
        }
        assert blobs_of(image) == tuple(layer.descriptor.digest for layer in image.layers)

    def test_index_gives_children_by_platform(
        self, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        access = access_to(basic.host, authority, tmp_path)
        index = open_target(f"{basic.host}/{NAME}:list", access)
        assert isinstance(index, ImageIndex)
        assert {str(child.platform) for child in index.children} == {"linux/amd64", "linux/arm64"}
        for again in (index, dataclasses.replace(index, source=None)):
            image = open_child(again, index.children[0], access)
            assert image.index_digest == index.digest
            assert image.digest == index.children[0].digest

    def test_layout_and_archives_hold_the_same_image(self, made: Made) -> None:
        targets = [*list_targets(str(made.layout)), *list_targets(str(made.archive))]
        assert targets == [f"oci:{made.layout}:v1", f"oci-archive:{made.archive}:v1"]
        for target in targets:
            image = open_image(target, Access())
            assert image.digest == made.digest
            assert blobs_of(image) == made.layers

    def test_docker_archive_has_the_same_root(self, made: Made) -> None:
        assert list_targets(str(made.docker_archive)) == [f"docker-archive:{made.docker_archive}"]
        image = open_image(f"docker-archive:{made.docker_archive}:registry.test/{NAME}:v1", Access())
        assert image.digest == open_image(f"docker-archive:{made.docker_archive}", Access()).digest
        whole = open_image(f"oci:{made.layout}", Access())
        assert image.config.diff_ids == whole.config.diff_ids
        assert packages_of(image) == PACKAGES

    @pytest.mark.parametrize(
        "content",
        [
            {"auths": {"HOST/team/product": login_entry(), "HOST": login_entry("other", "wrong")}},
            {"auths": {"https://HOST/v2/": {"username": LOGIN[0], "password": LOGIN[1]}}},
            {"HOST": {**login_entry(), "email": "nobody@example.com"}},
            {"auths": {"HOST": login_entry()}, "credsStore": "desktop"},
        ],
        ids=["most specific", "legacy key", "dockercfg", "secret beside a helper"],
    )
    def test_forms_of_credentials(
        self,
        content: dict[str, t.Any],
        basic: RunningRegistry,
        authority: Authority,
        tmp_path: Path,
        made: Made,
    ) -> None:
        auth_file = write_auth(tmp_path, json.loads(json.dumps(content).replace("HOST", basic.host)))
        access = access_to(basic.host, authority, tmp_path, auth_file=auth_file)
        assert open_image(f"{basic.host}/{NAME}:v1", access).digest == made.digest

    def test_user_name_and_password_of_one_registry(
        self, made: Made, basic: RunningRegistry, authority: Authority
    ) -> None:
        access = Access(ca_file=str(authority.ca_file), username=LOGIN[0], password=LOGIN[1], login_registry=basic.host)
        assert open_image(f"{basic.host}/{NAME}:v1", access).digest == made.digest

    def test_renewed_credentials_file_is_read_again(
        self, made: Made, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        auth_file = write_auth(tmp_path, {"auths": {basic.host: login_entry("other", "wrong")}})
        access = access_to(basic.host, authority, tmp_path, auth_file=auth_file)
        refused(lambda: open_target(f"{basic.host}/{NAME}:v1", access), "registry-unauthorized")
        write_auth(tmp_path, {"auths": {basic.host: login_entry()}})
        assert open_image(f"{basic.host}/{NAME}:v1", access).digest == made.digest

    def test_plain_http_only_where_asked_for(self, made: Made) -> None:
        with running_registry(made.data) as plain:
            target = f"{plain.host}/{NAME}:v1"
            error = refused(lambda: open_target(target, Access(retries=0)), "registry-tls", target)
            assert "plain HTTP" in str(error)
            assert open_image(target, Access(plain_http=(plain.host,))).digest == made.digest

    def test_catalogue_and_tags_page_by_page(
        self, basic: RunningRegistry, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(registry_client, "_PAGE", 2)
        access = access_to(basic.host, authority, tmp_path)
        expected = [NAME, *(f"{NAME}/part{number}" for number in range(5))]
        assert sorted(registry_client.list_repositories(basic.host, access)) == expected
        assert sorted(registry_client.list_tags(basic.host, NAME, access)) == ["docker", "list", "v1"]


class TestTokens:
    @pytest.fixture
    def guarded(self, made: Made, authority: Authority) -> t.Iterator[tuple[RunningRegistry, t.Any]]:
        """A registry with TLS behind a token server."""
        with (
            running_token_server(authority, LOGIN) as tokens,
            running_registry(made.data, tls=authority, realm=tokens.realm, authority=authority) as registry,
        ):
            yield registry, tokens

    def test_password_is_exchanged_once_for_all_layers(
        self, guarded: tuple[RunningRegistry, t.Any], made: Made, authority: Authority, tmp_path: Path
    ) -> None:
        registry, tokens = guarded
        image = open_image(f"{registry.host}/{NAME}:v1", access_to(registry.host, authority, tmp_path))
        assert (image.digest, blobs_of(image)) == (made.digest, made.layers)
        assert [(request.method, request.query()["scope"]) for request in tokens.requests] == [
            ("GET", f"repository:{NAME}:pull")
        ]

    def test_identity_token_is_exchanged_by_post(
        self, guarded: tuple[RunningRegistry, t.Any], made: Made, authority: Authority, tmp_path: Path
    ) -> None:
        registry, tokens = guarded
        entry = {"auth": login_entry("<token>", "x")["auth"], "identitytoken": tokens.identity_token}
        access = access_to(
            registry.host, authority, tmp_path, auth_file=write_auth(tmp_path, {"auths": {registry.host: entry}})
        )
        assert open_image(f"{registry.host}/{NAME}:v1", access).digest == made.digest
        assert [request.method for request in tokens.requests] == ["POST"]
        assert all("refresh" not in request.target for request in tokens.requests)

    def test_registry_token_is_sent_as_it_is(
        self, guarded: tuple[RunningRegistry, t.Any], made: Made, authority: Authority, tmp_path: Path
    ) -> None:
        registry, tokens = guarded
        token = authority.token(
            "imagescan-test", "registry.test", [{"type": "repository", "name": NAME, "actions": ["pull"]}]
        )
        auth_file = write_auth(tmp_path, {"auths": {registry.host: {"registrytoken": token}}})
        access = access_to(registry.host, authority, tmp_path, auth_file=auth_file)
        assert open_image(f"{registry.host}/{NAME}:v1", access).digest == made.digest
        assert tokens.requests == []

    def test_token_that_ended_early_is_fetched_anew(
        self, guarded: tuple[RunningRegistry, t.Any], made: Made, authority: Authority, tmp_path: Path
    ) -> None:
        registry, tokens = guarded
        tokens.seconds = -3600  # over before it is used; the client believes in 60 s at least
        access = access_to(registry.host, authority, tmp_path)
        target = f"{registry.host}/{NAME}:v1"
        refused(lambda: open_target(target, access), "registry-unauthorized", target)
        assert len(tokens.requests) == 1
        tokens.seconds = 300
        assert open_image(target, access).digest == made.digest
        assert len(tokens.requests) == 2

    def test_wrong_password_is_an_error_that_says_where_it_came_from(
        self, guarded: tuple[RunningRegistry, t.Any], authority: Authority, tmp_path: Path
    ) -> None:
        registry, tokens = guarded
        auth_file = write_auth(tmp_path, {"auths": {registry.host: login_entry(LOGIN[0], LOGIN[1] + "x")}})
        access = access_to(registry.host, authority, tmp_path, auth_file=auth_file)
        target = f"{registry.host}/{NAME}:v1"
        refused(lambda: open_target(target, access), "registry-unauthorized", target, "config.json", tokens.host)
        assert len(tokens.requests) == 1

    def test_catalogue_needs_a_token_of_its_own(
        self, guarded: tuple[RunningRegistry, t.Any], authority: Authority, tmp_path: Path
    ) -> None:
        registry, tokens = guarded
        access = access_to(registry.host, authority, tmp_path)
        assert NAME in list(registry_client.list_repositories(registry.host, access))
        assert [request.query()["scope"] for request in tokens.requests] == ["registry:catalog:*"]


@contextlib.contextmanager
def proxied(registry: RunningRegistry, authority: Authority, *faults: Fault) -> t.Iterator[RunningServer]:
    with faulty_proxy(registry.host, list(faults), tls=authority) as proxy:
        yield proxy


def status(code: int, reason: str = "", **headers: str) -> t.Callable[[Request, Answer], Answer]:
    """A fault that answers with this status; the body echoes what it was sent, as some servers do."""

    def change(request: Request, answer: Answer) -> Answer:
        echo = f"{request.headers.get('authorization', '')} {request.basic_login()}"
        body = json.dumps({"errors": [{"code": reason, "message": echo, "detail": echo}]}).encode()
        return Answer(code, body, {name.replace("_", "-"): value for name, value in headers.items()})

    return change


class TestFaults:
    MANIFEST = r"GET /v2/.*/manifests/"
    BLOB = r"GET /v2/.*/blobs/"

    def layer(self, made: Made, number: int = -1) -> str:
        return rf"GET /v2/.*/blobs/{made.layers[number]}"

    def test_connection_cut_in_the_middle_of_a_layer_is_resumed(
        self, made: Made, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        def cut(request: Request, answer: Answer) -> Answer:
            return dataclasses.replace(answer, cut=len(answer.body) // 2)

        with proxied(basic, authority, Fault(self.layer(made), cut, times=3)) as proxy:
            image = open_image(f"{proxy.host}/{NAME}:v1", access_to(proxy.host, authority, tmp_path))
            assert blobs_of(image) == made.layers
            ranges = [
                request.headers["range"]
                for request in proxy.requests
                if made.layers[-1] in request.target and "range" in request.headers
            ]
        starts = [int(text.removeprefix("bytes=").removesuffix("-")) for text in ranges]
        assert len(starts) == 3
        assert starts == sorted(starts)
        assert starts[0] > FILLING // 4

    def test_connection_that_is_reset_is_resumed(
        self, made: Made, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        def reset(request: Request, answer: Answer) -> Answer:
            return dataclasses.replace(answer, cut=len(answer.body) // 2, reset=True)

        fault = Fault(self.layer(made), reset, times=2)
        with proxied(basic, authority, fault) as proxy:
            image = open_image(f"{proxy.host}/{NAME}:v1", access_to(proxy.host, authority, tmp_path))
            assert blobs_of(image) == made.layers
        assert fault.times == 0

    def test_inventory_survives_cuts_of_every_layer(
        self, made: Made, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        def cut(request: Request, answer: Answer) -> Answer:
            return dataclasses.replace(answer, cut=len(answer.body) * 2 // 3)

        faults = [Fault(self.layer(made, number), cut, times=2) for number in range(len(made.layers))]
        with proxied(basic, authority, *faults) as proxy:
            image = open_image(f"{proxy.host}/{NAME}:v1", access_to(proxy.host, authority, tmp_path))
            assert packages_of(image) == PACKAGES
        assert all(fault.times == 0 for fault in faults)

    def test_server_that_knows_no_ranges(
        self, made: Made, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        whole = basic.blob(made.layers[-1]).read_bytes()

        def cut_or_start_anew(request: Request, answer: Answer) -> Answer:
            if "range" in request.headers:
                return Answer(200, whole, answer.headers)
            return dataclasses.replace(answer, cut=len(answer.body) // 2)

        with proxied(basic, authority, Fault(self.layer(made), cut_or_start_anew)) as proxy:
            image = open_image(f"{proxy.host}/{NAME}:v1", access_to(proxy.host, authority, tmp_path))
            assert blobs_of(image) == made.layers

    @pytest.mark.parametrize("said", ["bytes 0-9/10", "", "bytes 7-8/*", "chunks 1-2/3"])
    def test_wrong_range_is_refused(
        self, said: str, made: Made, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        def lie(request: Request, answer: Answer) -> Answer:
            if "range" in request.headers:
                return dataclasses.replace(answer, headers={**answer.headers, "Content-Range": said})
            return dataclasses.replace(answer, cut=len(answer.body) // 2)

        with proxied(basic, authority, Fault(self.layer(made), lie)) as proxy:
            image = open_image(f"{proxy.host}/{NAME}:v1", access_to(proxy.host, authority, tmp_path))
            refused(lambda: blobs_of(image), "registry-error", f"{proxy.host}/{NAME}:v1", made.layers[-1])

    def test_connection_that_always_drops_ends(
        self, made: Made, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        fault = Fault(self.layer(made), lambda request, answer: dataclasses.replace(answer, cut=0))
        with proxied(basic, authority, fault) as proxy:
            image = open_image(f"{proxy.host}/{NAME}:v1", access_to(proxy.host, authority, tmp_path, retries=1))
            refused(
                lambda: blobs_of(image), "registry-unavailable", f"{proxy.host}/{NAME}:v1", made.layers[-1], "2 times"
            )

    def test_truncated_layer(self, made: Made, basic: RunningRegistry, authority: Authority, tmp_path: Path) -> None:
        fault = Fault(self.layer(made), lambda request, answer: dataclasses.replace(answer, body=answer.body[:-1000]))
        with proxied(basic, authority, fault) as proxy:
            image = open_image(f"{proxy.host}/{NAME}:v1", access_to(proxy.host, authority, tmp_path))
            for read in (lambda: blobs_of(image), lambda: take_inventory(image)):
                refused(read, "layer-truncated", f"{proxy.host}/{NAME}:v1", made.layers[-1])

    def test_layer_with_bytes_behind_it(
        self, made: Made, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        fault = Fault(self.layer(made), lambda request, answer: dataclasses.replace(answer, body=answer.body + b"more"))
        with proxied(basic, authority, fault) as proxy:
            image = open_image(f"{proxy.host}/{NAME}:v1", access_to(proxy.host, authority, tmp_path))
            refused(lambda: blobs_of(image), "digest-mismatch", f"{proxy.host}/{NAME}:v1", made.layers[-1])

    @staticmethod
    def flip(request: Request, answer: Answer) -> Answer:
        middle = len(answer.body) // 2
        body = answer.body[:middle] + bytes([answer.body[middle] ^ 1]) + answer.body[middle + 1 :]
        return dataclasses.replace(answer, body=body)

    def test_wrong_digest_of_a_layer(
        self, made: Made, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        with proxied(basic, authority, Fault(self.layer(made), self.flip)) as proxy:
            image = open_image(f"{proxy.host}/{NAME}:v1", access_to(proxy.host, authority, tmp_path))
            with pytest.raises(ScanError) as caught:
                take_inventory(image)
        assert caught.value.code in ("digest-mismatch", "corrupt-data")
        assert made.layers[-1] in str(caught.value)

    @pytest.mark.parametrize("tag", ["v1", "docker"])
    def test_wrong_digest_of_a_config(
        self, tag: str, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        with proxied(basic, authority, Fault(self.BLOB, self.flip)) as proxy:
            target = f"{proxy.host}/{NAME}:{tag}"
            refused(
                lambda: open_target(target, access_to(proxy.host, authority, tmp_path)),
                "digest-mismatch",
                target,
                "config",
                "expected sha256:",
            )

    def test_wrong_digest_of_a_manifest(
        self, made: Made, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        def no_header(request: Request, answer: Answer) -> Answer:
            changed = self.flip(request, answer)
            kept = {name: value for name, value in changed.headers.items() if name.lower() != "docker-content-digest"}
            return dataclasses.replace(changed, headers=kept)

        for name, change in ((f"{NAME}:v1", self.flip), (f"{NAME}@{made.digest}", no_header)):
            with proxied(basic, authority, Fault(self.MANIFEST, change)) as proxy:
                target, access = f"{proxy.host}/{name}", access_to(proxy.host, authority, tmp_path)
                # The function is called at once, before the names change.
                refused(lambda: open_target(target, access), "digest-mismatch", target, "the manifest")  # noqa: B023

    @pytest.mark.parametrize(
        ("code", "reason", "expected", "requests"),
        [
            (401, "UNAUTHORIZED", "registry-unauthorized", 1),
            (403, "DENIED", "registry-forbidden", 1),
            (404, "MANIFEST_UNKNOWN", "image-not-found", 1),
            (429, "TOOMANYREQUESTS", "registry-rate-limited", 3),
            (500, "UNKNOWN", "registry-unavailable", 3),
            (503, "", "registry-unavailable", 3),
            (405, "UNSUPPORTED", "registry-error", 1),
        ],
    )
    @pytest.mark.parametrize("where", ["manifest", "blob"])
    def test_status_is_an_error_that_names_image_and_cause(
        self,
        code: int,
        reason: str,
        expected: str,
        requests: int,
        where: str,
        unguarded: RunningRegistry,
        authority: Authority,
        tmp_path: Path,
    ) -> None:
        pattern = self.MANIFEST if where == "manifest" else self.BLOB
        if where == "blob" and code == 404:
            expected = "blob-not-found"
        with proxied(unguarded, authority, Fault(pattern, status(code, reason))) as proxy:
            target = f"{proxy.host}/{NAME}:v1"
            access = access_to(proxy.host, authority, tmp_path)
            # A 401 without a challenge says nothing about how to do better.
            words = ("authenticate",) if code == 401 else (str(code), reason)
            error = refused(lambda: open_target(target, access), expected, target, *words)
            assert isinstance(error, RegistryError)
            assert error.status == code
            assert len([request for request in proxy.requests if f"/{where}" in request.target]) == requests
            assert_no_secret(str(error.partial))

    def test_errors_that_pass_are_survived(
        self, made: Made, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        faults = [
            Fault(self.MANIFEST, status(429, "TOOMANYREQUESTS", Retry_After="1"), times=1),
            Fault(self.BLOB, status(500), times=1),
            Fault(self.layer(made), status(503), times=2),
        ]
        with proxied(basic, authority, *faults) as proxy:
            image = open_image(f"{proxy.host}/{NAME}:v1", access_to(proxy.host, authority, tmp_path))
            assert blobs_of(image) == made.layers

    def test_wait_that_the_server_asks_for_is_bounded(
        self, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        with proxied(basic, authority, Fault(self.MANIFEST, status(429, Retry_After="86400"))) as proxy:
            target = f"{proxy.host}/{NAME}:v1"
            access = access_to(proxy.host, authority, tmp_path)
            refused(lambda: open_target(target, access), "registry-rate-limited", target, "86400 s", "60 s")

    def test_what_is_not_there(self, basic: RunningRegistry, authority: Authority, tmp_path: Path) -> None:
        access = access_to(basic.host, authority, tmp_path)
        for target in (
            f"{basic.host}/{NAME}:none",
            f"{basic.host}/none/none",
            f"{basic.host}/{NAME}@sha256:{'0' * 64}",
        ):
            # mypy has no type for a lambda with a default.
            refused(lambda target=target: open_target(target, access), "image-not-found", target, "404")  # type: ignore[misc]

    def test_no_or_wrong_credentials(self, basic: RunningRegistry, authority: Authority, tmp_path: Path) -> None:
        target = f"{basic.host}/{NAME}:v1"
        anonymous = Access(ca_file=str(authority.ca_file))
        refused(lambda: open_target(target, anonymous), "registry-unauthorized", target, "none are given")
        auth_file = write_auth(tmp_path, {"auths": {basic.host: login_entry(LOGIN[0], LOGIN[1] + "!")}})
        access = access_to(basic.host, authority, tmp_path, auth_file=auth_file)
        refused(lambda: open_target(target, access), "registry-unauthorized", target, auth_file)

    def test_credential_helper_is_an_error_and_never_an_anonymous_pull(
        self, unguarded: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        for content in ({"credHelpers": {unguarded.host: "ecr-login"}}, {"credsStore": "desktop"}):
            auth_file = write_auth(tmp_path, content)
            access = access_to(unguarded.host, authority, tmp_path, auth_file=auth_file)
            target = f"{unguarded.host}/{NAME}:v1"
            # The function is called at once, before the names change.
            error = refused(lambda: open_target(target, access), "invalid-input", target, "helper")  # noqa: B023
            assert isinstance(error, InputError)

    def test_untrusted_certificate(self, basic: RunningRegistry, tmp_path: Path) -> None:
        other = Authority.create(tmp_path / "other")
        for ca_file in ("", str(other.ca_file)):
            target = f"{basic.host}/{NAME}:v1"
            # The function is called at once, before the names change.
            refused(lambda: open_target(target, Access(ca_file=ca_file)), "registry-tls", target, "trusted")  # noqa: B023

    def test_credentials_are_withheld_from_what_is_not_verified(
        self, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        # Loopback is exempt; the address of another interface would not be.
        access = access_to(basic.host, authority, tmp_path, validate_certs=False)
        client = registry_client.RegistryClient("registry.example:5000", access)
        assert not client._transport.may_carry_secrets(client.endpoint)
        assert open_image(f"{basic.host}/{NAME}:v1", access)


@pytest.fixture(scope="module")
def mirror(made: Made, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[RunningRegistry]:
    """A registry that has the same image under another name, for another user."""
    skopeo = require_program("skopeo")
    with running_registry(tmp_path_factory.mktemp("mirror"), tls=authority, login=MIRROR_LOGIN) as registry:
        options = ["--dest-tls-verify=false", "--dest-creds", ":".join(MIRROR_LOGIN)]
        run(skopeo, "copy", "-q", *options, f"oci:{made.layout}:v1", f"docker://{registry.host}/{MIRRORED}:v1")
        yield registry


class TestMirrors:
    """Two registries with the same image, the mirror under another name and with other credentials."""

    def access(
        self, source: str, mirror: RunningRegistry, authority: Authority, folder: Path, **options: t.Any
    ) -> Access:
        entries = {source: login_entry(), mirror.host: login_entry(*MIRROR_LOGIN)}
        place = Mirror(f"{source}/{NAME}", (f"{mirror.host}/{MIRRORED}",), **options)
        auth_file = write_auth(folder, {"auths": entries})
        return dataclasses.replace(access_to(source, authority, folder, auth_file=auth_file), mirrors=(place,))

    def test_the_mirror_serves_what_the_source_would_while_that_is_down(
        self, made: Made, basic: RunningRegistry, mirror: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        expected = open_image(f"{basic.host}/{NAME}:v1", access_to(basic.host, authority, tmp_path))
        with proxied(basic, authority) as gone:
            source = gone.host
        for version in (":v1", f"@{made.digest}"):
            image = open_image(f"{source}/{NAME}{version}", self.access(source, mirror, authority, tmp_path))
            assert image.digest == expected.digest == made.digest
            assert image.reference == f"{source}/{NAME}{version}"
            assert blobs_of(image) == made.layers
            assert packages_of(image) == PACKAGES

    def test_the_source_serves_while_the_mirror_is_down_or_lacks_it(
        self, made: Made, basic: RunningRegistry, mirror: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        with proxied(mirror, authority) as gone:
            pass
        for place in (gone.host, f"{mirror.host}/empty"):
            access = access_to(basic.host, authority, tmp_path)
            access = dataclasses.replace(access, mirrors=(Mirror(f"{basic.host}", (place,)),))
            image = open_image(f"{basic.host}/{NAME}@{made.digest}", access)
            assert blobs_of(image) == made.layers

    def test_pulls_by_tag_do_not_use_mirrors_for_digests(
        self, made: Made, basic: RunningRegistry, mirror: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        with proxied(basic, authority) as source, proxied(mirror, authority) as copies:
            behind = dataclasses.replace(mirror, host=copies.host)
            access = self.access(source.host, behind, authority, tmp_path, pulls="digest")
            assert open_image(f"{source.host}/{NAME}:v1", access).digest == made.digest
            assert copies.requests == []
            assert source.requests
            before = len(source.requests)
            image = open_image(f"{source.host}/{NAME}@{made.digest}", access)
            assert blobs_of(image) == made.layers
            assert copies.requests
            assert len(source.requests) == before

    def test_wrong_content_of_a_mirror_is_refused(
        self, made: Made, basic: RunningRegistry, mirror: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        def change(request: Request, answer: Answer) -> Answer:
            return dataclasses.replace(answer, body=answer.body.replace(b"sha256", b"sha265"))

        fault = Fault(r"GET /v2/.*/manifests/", change)
        with proxied(mirror, authority, fault) as copies:
            behind = dataclasses.replace(mirror, host=copies.host)
            access = self.access(basic.host, behind, authority, tmp_path)
            target = f"{basic.host}/{NAME}@{made.digest}"
            refused(lambda: open_target(target, access), "digest-mismatch", target)

    def test_a_source_that_may_not_be_contacted_is_not(
        self, made: Made, basic: RunningRegistry, mirror: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        with proxied(basic, authority) as source:
            access = self.access(source.host, mirror, authority, tmp_path, never_contact_source=True)
            assert open_image(f"{source.host}/{NAME}:v1", access).digest == made.digest
            refused(
                lambda: open_target(f"{source.host}/{NAME}:list", access),
                "image-not-found",
                f"{mirror.host}/{MIRRORED}",
            )
            assert source.requests == []


class TestCanary:
    """Whatever a registry answers, credentials reach nobody else."""

    def test_redirected_blob_is_fetched_without_credentials(
        self, made: Made, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        def storage(request: Request) -> Answer:
            return Answer(200, basic.blob(urllib.parse.urlsplit(request.target).path.strip("/")).read_bytes())

        with running_server(storage, tls=authority) as other:

            def redirect(request: Request, answer: Answer) -> Answer:
                digest = request.target.rsplit("/", 1)[1]
                return Answer(307, b"", {"Location": f"https://{other.host}/{digest}?signature=s3cr3t"})

            with proxied(basic, authority, Fault(TestFaults.BLOB, redirect)) as proxy:
                image = open_image(f"{proxy.host}/{NAME}:v1", access_to(proxy.host, authority, tmp_path))
                assert blobs_of(image) == made.layers
            assert len(other.requests) == 1 + len(made.layers)
            assert all("authorization" not in request.headers for request in other.requests)
            assert_no_secret(other.everything())

    @pytest.mark.parametrize("kind", ["downgrade", "unasked", "loop", "nowhere", "user information"])
    def test_redirects_that_are_not_followed(
        self, kind: str, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        with running_server(lambda request: Answer(200, b"{}")) as other:
            places = {
                "downgrade": f"http://{other.host}/x",
                "unasked": "http://127.0.0.1:9/x",
                "loop": "",
                "nowhere": "ftp://127.0.0.1/x",
                "user information": f"https://user:pass@{other.host}/x",
            }

            def redirect(request: Request, answer: Answer) -> Answer:
                return Answer(307, b"", {"Location": places[kind] or request.target})

            with proxied(basic, authority, Fault(TestFaults.BLOB, redirect)) as proxy:
                target = f"{proxy.host}/{NAME}:v1"
                access = access_to(proxy.host, authority, tmp_path)
                refused(lambda: open_target(target, access), "redirect-refused", target)
            assert other.requests == []

    def test_token_realm_on_a_foreign_host_is_refused_and_gets_nothing(
        self, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        with running_server(lambda request: Answer(200, b'{"token": "t"}'), tls=authority) as foreign:
            host = foreign.host.replace("127.0.0.1", "localhost")
            challenge = f'Bearer realm="https://{host}/token",service="s",scope="repository:{NAME}:pull"'
            fault = Fault(TestFaults.MANIFEST, status(401, "UNAUTHORIZED", WWW_Authenticate=challenge))
            with proxied(basic, authority, fault) as proxy:
                target = f"{proxy.host}/{NAME}:v1"
                access = access_to(proxy.host, authority, tmp_path)
                refused(lambda: open_target(target, access), "token-realm-refused", target, host, "foreign")
                assert foreign.requests == []
                # Allowed by name, it is asked, and gets the credentials of this registry.
                allowed = dataclasses.replace(access, token_realms=(host,))
                refused(lambda: open_target(target, allowed), "registry-unauthorized", target)
                assert [request.basic_login() for request in foreign.requests] == [LOGIN]
            assert_no_secret(" ".join(r.target for r in foreign.requests))

    def test_realm_over_plain_http_is_refused(
        self, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        with running_server(lambda request: Answer(200, b'{"token": "t"}')) as plain:
            challenge = f'Bearer realm="http://{plain.host}/token",service="s"'
            fault = Fault(TestFaults.MANIFEST, status(401, "UNAUTHORIZED", WWW_Authenticate=challenge))
            with proxied(basic, authority, fault) as proxy:
                target = f"{proxy.host}/{NAME}:v1"
                access = access_to(proxy.host, authority, tmp_path)
                refused(lambda: open_target(target, access), "token-realm-refused", target, "plain HTTP")
            assert plain.requests == []

    def test_list_that_goes_on_at_another_host_is_not_followed(
        self, basic: RunningRegistry, authority: Authority, tmp_path: Path
    ) -> None:
        def elsewhere(request: Request, answer: Answer) -> Answer:
            return dataclasses.replace(
                answer, headers={**answer.headers, "Link": '<https://localhost:1/v2/_catalog?last=x>; rel="next"'}
            )

        with proxied(basic, authority, Fault("GET /v2/_catalog", elsewhere)) as proxy:
            access = access_to(proxy.host, authority, tmp_path)
            refused(lambda: list(registry_client.list_repositories(proxy.host, access)), "redirect-refused", proxy.host)

    def test_values_never_show_secrets(self, basic: RunningRegistry, authority: Authority, tmp_path: Path) -> None:
        access = Access(username=LOGIN[0], password=LOGIN[1], login_registry=basic.host)
        found = registry_client.RegistryClient(basic.host, access).credentials.find(basic.host)
        assert_no_secret(f"{access!r} {access} {found!r} {found}")
