# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scanner pod's program as a pod runs it: the zip file itself, on several Pythons, against a real registry.

What it finds must be what a local scan of the same images finds, field by field.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import gzip
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet.images import Entry, layer
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.mirrors import Mirror
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Platform
from ansible_collections.imagescan.openshift.plugins.module_utils._images.targets import RootFolder, list_targets
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import inventory_from_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.inventory import take_inventory
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.bundle import make_bundle
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.frames import LINE_LIMIT, Decoder, Record
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.local import LocalScan
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.plan import (
    PlannedImage,
    PodAccess,
    ScanPlan,
    ScanShard,
    plan_to_json,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import request_of
from ansible_collections.imagescan.openshift.tests.support.books import MemoryBook
from ansible_collections.imagescan.openshift.tests.support.certificates import Authority
from ansible_collections.imagescan.openshift.tests.support.layouts import File, digest_of, tar_of
from ansible_collections.imagescan.openshift.tests.support.programs import require_program
from ansible_collections.imagescan.openshift.tests.support.registry import RunningRegistry, running_registry
from ansible_collections.imagescan.openshift.tests.support.requirements import CHECKOUT, missing
from ansible_collections.imagescan.openshift.tests.support.servers import RunningServer, faulty_proxy
from ansible_collections.imagescan.openshift.tests.tools.environments import find_python

KEY, UID, NOBODY = "5c" * 32, "0b5b6a4e-0000-4000-8000-000000000001", 65534
USER, PASSWORD = "auditor", "canary/4711+secret"
PLATFORMS = ("linux/amd64", "linux/arm64")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
MEMORY = 384 << 20
DEADLINE = 300


class Shop(t.NamedTuple):
    """A registry full of images behind a proxy that writes down what is asked for. ``names``: repository:tag each."""

    registry: RunningRegistry
    proxy: RunningServer
    authority: Authority
    names: tuple[str, ...]
    fleet: Path

    def access(self) -> Access:
        """Access of a local scan."""
        return Access(ca_file=str(self.authority.ca_file))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Shop]:
    """The example fleet, images of 0, 1 and 127 layers, an index and a foreign architecture."""
    skopeo = require_program("skopeo")
    folder = tmp_path_factory.mktemp("shop")
    fleet = folder / "fleet"
    subprocess.run([sys.executable, CHECKOUT / "examples" / "fleet" / "build.py", fleet], check=True)
    authority = Authority.create(folder / "authority")
    with (
        running_registry(folder / "registry") as registry,
        faulty_proxy(registry.host, [], tls=authority, upstream_tls=False) as proxy,
    ):
        sources = {name: f"oci:{fleet}/images:{name}" for name in tags_of(fleet / "images") if name != "edge"}
        sources |= {path.stem: list_targets(str(path))[0] for path in fleet.glob("*.tar")}
        for name, source in sources.items():
            target = f"docker://{registry.host}/fleet/{name}:1"
            subprocess.run([skopeo, "copy", "--quiet", "--all", "--dest-tls-verify=false", source, target], check=True)
        push_damaged(registry, fleet / "images")
        own = push_own_images(registry.host)
        names = (*(f"fleet/{name}:1" for name in (*sources, "edge")), *own)
        yield Shop(registry, proxy, authority, names, fleet)


def tags_of(layout: Path) -> list[str]:
    """Names in an OCI layout."""
    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    return [one["annotations"]["org.opencontainers.image.ref.name"] for one in index["manifests"]]


def push_damaged(registry: RunningRegistry, layout: Path) -> None:
    """The fleet's image that was damaged on its way: pushed whole, since registries take nothing else, and damaged."""
    whole = layer([Entry("opt/app/cache.bin", bytes(range(256)) * 64, mode=0o755)])
    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    edge = next(one for one in index["manifests"] if "edge" in one["annotations"].values())

    def blob(digest: str) -> bytes:
        return (layout / "blobs" / "sha256" / digest.partition(":")[2]).read_bytes()

    manifest = json.loads(blob(edge["digest"]))
    for one in (manifest["config"], manifest["layers"][0]):
        push_blob(registry.host, "fleet/edge", blob(one["digest"]), "")
    pushed = push_blob(registry.host, "fleet/edge", whole.blob, "")
    assert pushed["digest"] == manifest["layers"][1]["digest"]
    push_manifest(registry.host, "fleet/edge", "1", manifest["mediaType"], manifest)
    registry.blob(pushed["digest"]).write_bytes(whole.blob[: len(whole.blob) // 2])


def push_own_images(host: str) -> list[str]:
    """Images that no tool would make: without layers, with 127 of them, for another architecture, an index."""
    release = File("etc/os-release", b'ID="rhel"\nVERSION_ID="9.4"\n')
    many = [[File(f"usr/lib/node_modules/m{number}/package.json", b"{}")] for number in range(126)]
    push_image(host, "odd/empty", "1", [])
    push_image(host, "odd/one", "1", [[release]])
    push_image(host, "odd/many", "1", [[release], *many])
    push_image(host, "odd/foreign", "1", [[release, File("a.jar")]], "s390x")
    children = [
        {
            **push_image(host, "odd/index", name, [[release, File(name)]], name),
            "platform": {"os": "linux", "architecture": name},
        }
        for name in ("amd64", "arm64", "s390x")
    ]
    push_manifest(host, "odd/index", "1", INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": children})
    return [f"odd/{name}:1" for name in ("empty", "one", "many", "foreign", "index")]


def push_image(
    host: str, repository: str, tag: str, layers: t.Sequence[t.Sequence[File]], architecture: str = "amd64"
) -> dict[str, t.Any]:
    """Push an image of gzipped layers; its descriptor."""
    tars = [tar_of(layer) for layer in layers]
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Labels": {"name": repository}},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
    }
    gzipped = "application/vnd.oci.image.layer.v1.tar+gzip"
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": push_blob(host, repository, json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [push_blob(host, repository, gzip.compress(tar, 1, mtime=0), gzipped) for tar in tars],
    }
    return push_manifest(host, repository, tag, MANIFEST, manifest)


def push_blob(host: str, repository: str, data: bytes, media_type: str) -> dict[str, t.Any]:
    """Push a blob; its descriptor."""
    digest = digest_of(data)
    location = send(host, "POST", f"/v2/{repository}/blobs/uploads/", b"", 202)["Location"]
    path = location[location.index("/v2/") :]
    send(host, "PUT", f"{path}{'&' if '?' in path else '?'}digest={digest}", data, 201)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def push_manifest(host: str, repository: str, tag: str, media_type: str, document: t.Any) -> dict[str, t.Any]:
    """Push a manifest or an index; its descriptor."""
    data = json.dumps(document).encode()
    send(host, "PUT", f"/v2/{repository}/manifests/{tag}", data, 201, media_type)
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def send(
    host: str, method: str, path: str, body: bytes, status: int, media_type: str = "application/octet-stream"
) -> t.Any:
    """One request to the registry; the headers of the answer."""
    connection = http.client.HTTPConnection(host, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": media_type})
        response = connection.getresponse()
        assert response.status == status, response.read()
        return response.headers
    finally:
        connection.close()


def scanned_here(targets: t.Iterable[str], access: Access) -> MemoryBook:
    """A local scan."""
    kept = MemoryBook()
    platforms = [Platform(*text.split("/")) for text in PLATFORMS]
    LocalScan(kept, access, platforms=platforms).run(list(map(request_of, targets)), lambda done, total, seconds: "")
    return kept


class PodRoot:
    """What is mounted into a pod, below a folder that everybody may enter."""

    def __init__(self, folder: Path, plan: ScanPlan) -> None:
        self.folder = folder
        for name in ("plan", "program", "scratch", "dev", "pull-secrets"):
            (folder / name).mkdir(exist_ok=True)
            (folder / name).chmod(0o777)
        (folder / "program" / "scanner.pyz").write_bytes(make_bundle())
        (folder / "plan" / "plan.json").write_bytes(plan_to_json(plan))
        folder.chmod(0o755)

    def command(self, python: str = sys.executable, *flags: str) -> list[str]:
        """The program, with this folder for /."""
        return [python, *flags, str(self.folder / "program" / "scanner.pyz"), str(self.folder)]

    def environment(self, shard: int = 0) -> dict[str, str]:
        """What a pod has, and no more."""
        return {"IMAGESCAN_POD_UID": UID, "JOB_COMPLETION_INDEX": str(shard), "TMPDIR": str(self.folder / "scratch")}

    def run(self, *command: str, shard: int = 0, cwd: str = "/") -> Told:
        """Run a command to its end."""
        process = subprocess.run(
            command or self.command(),
            capture_output=True,
            env=self.environment(shard),
            cwd=cwd,
            check=False,
            timeout=DEADLINE,
        )
        return read(process.stdout, process.stderr, process.returncode)

    @property
    def status(self) -> dict[str, t.Any]:
        """The termination message."""
        found: dict[str, t.Any] = json.loads((self.folder / "dev" / "termination-log").read_text(encoding="utf-8"))
        return found


@dataclasses.dataclass(frozen=True)
class Told:
    """What a pod said."""

    decoder: Decoder
    records: list[Record]
    noise: str
    status: int

    def of(self, kind: str) -> list[t.Mapping[str, t.Any]]:
        """Bodies of one kind."""
        return [record.body for record in self.records if record.kind == kind]

    @property
    def images(self) -> dict[tuple[int, str], t.Mapping[str, t.Any]]:
        """Images by number and digest."""
        return {(one["number"], one["digest"]): one for one in self.of("image")}


def read(output: bytes, noise: bytes, status: int) -> Told:
    """Decode what a pod wrote; every line of it must be a frame."""
    decoder = Decoder(bytes.fromhex(KEY), UID)
    lines = output.splitlines(keepends=True)
    assert all(len(line) < LINE_LIMIT for line in lines)
    records = [record for record in map(decoder.feed, lines) if record is not None]
    assert (decoder.rejected, decoder.duplicates, decoder.refused) == (0, 0, 0), noise
    assert len(lines) == len(decoder._seen)
    return Told(decoder, records, noise.decode(errors="replace"), status)


@pytest.fixture
def pod(shop: Shop) -> t.Iterator[t.Callable[..., PodRoot]]:
    """Makes a pod for targets (of the shop's registry where no other is named)."""
    with contextlib.ExitStack() as stack:

        def make(*targets: PlannedImage | str, access: PodAccess | None = None, **options: t.Any) -> PodRoot:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            images = tuple(one if isinstance(one, PlannedImage) else PlannedImage(one, "") for one in targets)
            values: dict[str, t.Any] = {"method": "job", "parallel": 2, "memory": MEMORY, "seconds": 120, **options}
            plan = ScanPlan(
                "run-1", platforms=PLATFORMS, access=access or PodAccess(), shards=(ScanShard(KEY, images),), **values
            )
            root = PodRoot(folder, plan)
            shutil.copy(shop.authority.ca_file, folder / "program" / "ca.crt")
            (folder / "program" / "ca.crt").chmod(0o644)
            return root

        yield make


#: The oldest and the newest Python that the program is for, and one between.
PYTHONS = ["3.9", pytest.param("3.11", marks=pytest.mark.full), "3.13"]


@pytest.mark.parametrize("version", PYTHONS)
def test_a_pod_finds_what_a_local_scan_finds(shop: Shop, pod: t.Callable[..., PodRoot], version: str) -> None:
    python = find_python(version)
    if python is None:
        missing(f"Python {version}")
    targets = [f"{shop.proxy.host}/{name}" for name in shop.names]
    here = scanned_here(targets, shop.access())
    # The same again by digest, as discovery would give it.
    pinned = [
        PlannedImage(f"{one.references[0].rpartition(':')[0]}@{one.digest}", one.digest)
        for one in here.outcomes
        if "@" not in one.references[0] and one.inventory is not None
    ][:5]
    root = pod(*targets, *pinned, cache=1 << 28)
    told = root.run(*root.command(python, "-S", "-E"))
    assert told.status == 0, told.noise
    assert told.decoder.whole
    hello = told.of("hello")
    assert [(one["images"], one["python"].rpartition(".")[0], one["problems"]) for one in hello] == [
        (len(targets) + len(pinned), version, [])
    ]
    compare(here, told)
    states = [one["state"] for one in told.of("image")]
    assert told.decoder.bye == {
        "counts": {"scanned": states.count("scanned"), "error": states.count("error"), "index": 2, "left": 0},
        "records": len(told.records),
        "left": [],
    }
    assert states.count("scanned") > 12
    by_digest = {one["digest"]: one for one in told.of("image")}
    for number, planned in enumerate(pinned, len(targets)):
        again = told.images[number, planned.digest]
        assert again["inventory"] == by_digest[planned.digest]["inventory"]


def compare(here: MemoryBook, told: Told) -> None:
    """Every image of the local scan is in what the pod told, equal in every field; and nothing else is."""
    there = {one["digest"]: one for one in told.of("image")}
    assert {one.digest for one in here.outcomes} == set(there)
    for outcome in here.outcomes:
        found = there[outcome.digest]
        assert (found["state"], found["platform"], found["index"]) == (outcome.state, outcome.platform, outcome.index)
        if outcome.inventory is not None:
            assert inventory_from_dict(found["inventory"]) == outcome.inventory
        elif outcome.error is not None:
            assert found["error"]["code"] == outcome.error.code
            assert found["error"]["message"] == outcome.error.message
    indexes = {one["digest"]: one for one in told.of("index")}
    assert {one.digest for one in here.indexes} == set(indexes)
    for index in here.indexes:
        found = indexes[index.digest]
        assert tuple(map(tuple, found["children"])) == index.children
        assert tuple(found["missing"]) == index.missing


def unprivileged() -> list[str]:
    """A command that becomes nobody without any right, on an interpreter that nobody may run."""
    if os.geteuid() != 0:
        return [sys.executable]
    setpriv = [require_program("setpriv"), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
    setpriv += ["--bounding-set=-all", "--inh-caps=-all"]
    for python in (sys.executable, *(shutil.which(name, path="/usr/bin:/bin") for name in ("python3",))):
        if python and subprocess.run([*setpriv, python, "-c", ""], capture_output=True, check=False).returncode == 0:
            return [*setpriv, python]
    missing("a Python that every user may run")
    return []


def test_a_user_without_rights_in_a_folder_that_cannot_be_written(shop: Shop, pod: t.Callable[..., PodRoot]) -> None:
    root = pod(*(f"{shop.proxy.host}/{name}" for name in shop.names[:3]), cache=1 << 28)
    *prefix, python = unprivileged()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        told = root.run(*prefix, *root.command(python, "-S", "-E"), cwd=folder)
    assert told.status == 0, told.noise
    assert told.decoder.whole
    assert [one["state"] for one in told.of("image")] == ["scanned"] * 3
    assert root.status == {"counts": {"scanned": 3, "error": 0, "index": 0, "left": 0}, "seq": told.decoder._last + 1}


def test_layers_that_images_share_are_fetched_once(shop: Shop, pod: t.Callable[..., PodRoot]) -> None:
    host = shop.registry.host
    # Layers of a root without a known file are read once more, for what is left of a package manager.
    base = [File("etc/os-release", b"ID=rhel\n"), *(File(f"usr/share/{n}", os.urandom(5000)) for n in range(50))]
    for number in range(6):
        push_image(host, "family/member", str(number), [base, [File("own", bytes([number]))]])
    targets = [f"{shop.proxy.host}/family/member:{number}" for number in range(6)]
    fetched: dict[int, collections.Counter[str]] = {}
    inventories = {}
    for cache in (0, 1 << 28):
        shop.proxy.requests.clear()
        root = pod(*targets, cache=cache, parallel=3)
        told = root.run()
        assert [one["state"] for one in told.of("image")] == ["scanned"] * 6, told.noise
        inventories[cache] = {one["digest"]: one["inventory"] for one in told.of("image")}
        asked = [one.target.rpartition("/")[2] for one in shop.proxy.requests if "/blobs/" in one.target]
        fetched[cache] = collections.Counter(asked)
    # A config and an own layer each, and the base.
    assert sum(fetched[0].values()) == 6 + 6 + 6
    assert sum(fetched[1 << 28].values()) == 6 + 6 + 1
    assert inventories[0] == inventories[1 << 28]


def test_a_damaged_layer_is_an_error_and_is_not_kept(shop: Shop, pod: t.Callable[..., PodRoot]) -> None:
    # The largest layer is read first.
    good, bad = [File("good", os.urandom(9000))], [File("bad", os.urandom(2000))]
    push_image(shop.registry.host, "damage/a", "1", [good, bad])
    blob = shop.registry.blob(digest_of(gzip.compress(tar_of(bad), 1, mtime=0)))
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(bytes(data))
    root = pod(f"{shop.proxy.host}/damage/a:1", f"{shop.proxy.host}/odd/one:1", cache=1 << 28)
    told = root.run()
    states = {one["number"]: one for one in told.of("image")}
    assert states[0]["error"]["code"] == "digest-mismatch"
    assert states[0]["digest"].startswith("sha256:")
    assert states[1]["state"] == "scanned"
    kept = [path.name for path in (root.folder / "scratch" / "layers").iterdir()]
    assert blob.parent.name not in "".join(kept)
    assert len(kept) == 2


@pytest.fixture
def guarded(tmp_path: Path) -> t.Iterator[tuple[RunningRegistry, Authority]]:
    """A registry with TLS and a password, with one image."""
    authority = Authority.create(tmp_path / "authority")
    with running_registry(tmp_path / "registry") as writable:
        push_image(writable.host, "a", "1", [[File("etc/os-release", b"ID=rhel\n")]])
    with running_registry(tmp_path / "registry", tls=authority, login=(USER, PASSWORD)) as registry:
        yield registry, authority


def login(host: str, username: str = USER, password: str = PASSWORD) -> dict[str, t.Any]:
    """An entry of a pull secret."""
    import base64

    return {host: {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}}


def secrets_of(root: PodRoot, secrets: t.Mapping[str, tuple[str, t.Any]]) -> None:
    """Mount pull secrets: name -> (file, content)."""
    for name, (file, content) in secrets.items():
        folder = root.folder / "pull-secrets" / name
        folder.mkdir()
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / file).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("secrets", "code"),
    [
        ({}, "registry-unauthorized"),
        ({"a": (".dockerconfigjson", {"auths": "HOST"})}, ""),
        ({"a": (".dockercfg", "HOST")}, ""),
        ({"a": (".dockerconfigjson", "junk"), "b": (".dockercfg", "HOST")}, ""),
        ({"a": (".dockerconfigjson", {"auths": "WRONG"}), "b": (".dockercfg", "HOST")}, ""),
        ({"a": (".dockerconfigjson", {"auths": "WRONG"})}, "registry-unauthorized"),
        ({"a": (".dockerconfigjson", "junk")}, "registry-unauthorized"),
        ({"a": ("other", "junk")}, "registry-unauthorized"),
    ],
)
def test_pull_secrets(
    guarded: tuple[RunningRegistry, Authority],
    pod: t.Callable[..., PodRoot],
    secrets: dict[str, tuple[str, t.Any]],
    code: str,
) -> None:
    registry, authority = guarded
    root = pod(f"{registry.host}/a:1")
    shutil.copy(authority.ca_file, root.folder / "program" / "ca.crt")
    entries = {'"HOST"': json.dumps(login(registry.host)), '"WRONG"': json.dumps(login(registry.host, password="x"))}
    filled = json.dumps(secrets)
    for name, entry in entries.items():
        filled = filled.replace(name, entry)
    secrets_of(root, json.loads(filled))
    told = root.run()
    image = told.of("image")[0]
    assert image.get("error", {}).get("code", "") == code, told.noise
    broken = [name for name, (file, content) in secrets.items() if "junk" in (content, file) or file == "other"]
    problems = told.of("hello")[0]["problems"]
    assert [text.split()[3] for text in problems] == broken
    if code and broken:
        assert problems[0] in image["error"]["hint"]
    everything = json.dumps([dict(record.body) for record in told.records]) + told.noise
    assert PASSWORD not in everything
    assert str(root.folder / "pull-secrets" / "a") not in (everything if not broken and not code else "")


def test_the_projected_token_opens_the_integrated_registry(
    guarded: tuple[RunningRegistry, Authority], pod: t.Callable[..., PodRoot], tmp_path: Path
) -> None:
    """A registry that takes the token as a password of any user name, as OpenShift's does: here of the name we send."""
    _registry, authority = guarded
    with running_registry(tmp_path / "registry", tls=authority, login=("serviceaccount", "token-4711")) as registry:
        root = pod(f"{registry.host}/a:1", access=PodAccess(login_registry=registry.host))
        shutil.copy(authority.ca_file, root.folder / "program" / "ca.crt")
        without = root.run().of("image")[0]
        assert without["state"] == "error"
        assert "token" in without["error"]["message"]
        (root.folder / "registry-token").mkdir()
        (root.folder / "registry-token" / "token").write_text("token-4711\n", encoding="utf-8")
        told = root.run()
        assert told.of("image")[0]["state"] == "scanned", told.of("image")
        assert "token-4711" not in json.dumps([dict(record.body) for record in told.records]) + told.noise


def test_mirrors_are_asked(shop: Shop, pod: t.Callable[..., PodRoot]) -> None:
    access = PodAccess(mirrors=(Mirror("r.example/a", (f"{shop.proxy.host}/odd",), "any", True),))
    told = pod("r.example/a/one:1", access=access).run()
    assert told.of("image")[0]["state"] == "scanned", told.of("image")


def test_an_image_that_is_missing_leaves_the_others_alone(shop: Shop, pod: t.Callable[..., PodRoot]) -> None:
    wrong = PlannedImage(f"{shop.proxy.host}/odd/one:1", "sha256:" + "0" * 64)
    told = pod(f"{shop.proxy.host}/odd/none:1", wrong, f"{shop.proxy.host}/odd/one:1").run()
    found = {one["number"]: one for one in told.of("image")}
    assert [found[number].get("error", {}).get("code") for number in range(3)] == [
        "image-not-found",
        "image-changed",
        None,
    ]
    assert told.status == 0


@contextlib.contextmanager
def silent_server() -> t.Iterator[str]:
    """A host that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_registry_that_is_silent_ends_as_a_timeout(shop: Shop, pod: t.Callable[..., PodRoot]) -> None:
    with silent_server() as host:
        access = PodAccess(plain_http=(host,), timeout=600)
        told = pod(f"{host}/a:1", f"{shop.proxy.host}/odd/one:1", access=access, seconds=3).run()
    found = {one["number"]: one for one in told.of("image")}
    assert found[0]["error"]["code"] == "image-timeout"
    assert found[1]["state"] == "scanned"
    assert told.decoder.whole


def test_an_image_that_needs_too_much_memory_is_its_own_error(shop: Shop, pod: t.Callable[..., PodRoot]) -> None:
    host = shop.registry.host
    push_image(host, "odd/huge", "1", [[File("var/lib/rpm/rpmdb.sqlite", bytes(80 << 20))]])
    told = pod(f"{shop.proxy.host}/odd/huge:1", f"{shop.proxy.host}/odd/one:1", memory=32 << 20).run()
    found = {one["number"]: one for one in told.of("image")}
    assert found[0]["error"]["code"] == "image-too-large", found[0]
    assert "pod_memory" in found[0]["error"]["hint"]
    assert found[1]["state"] == "scanned"


@pytest.mark.parametrize("as_first", [False, True])
def test_sigterm_ends_the_pod_at_once_and_says_what_is_left(
    shop: Shop, pod: t.Callable[..., PodRoot], as_first: bool
) -> None:
    """Also as the first process of a container, which has no default handler for SIGTERM."""
    with silent_server() as host:
        access = PodAccess(plain_http=(host,), timeout=600)
        root = pod(f"{shop.proxy.host}/odd/one:1", f"{host}/a:1", f"{host}/a:2", access=access, parallel=1)
        command = root.command()
        if as_first:
            if os.geteuid() != 0:
                missing("root, for a process namespace")
            command = [require_program("unshare"), "--pid", "--fork", "--kill-child", "--mount-proc", *command]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=root.environment())
        output: list[bytes] = []
        reader = threading.Thread(
            target=lambda: output.extend(iter(t.cast("t.IO[bytes]", process.stdout).readline, b""))
        )
        reader.start()
        try:
            wait_for(lambda: len(output) >= 2)
            target = process.pid if not as_first else child_of(process.pid)
            wait_for(lambda: root.status["doing"] == [f"{host}/a:1"])
            started = time.monotonic()
            os.kill(target, signal.SIGTERM)
            process.wait(60)
            spent = time.monotonic() - started
        finally:
            process.kill()
            reader.join(60)
        told = read(b"".join(output), t.cast("t.IO[bytes]", process.stderr).read(), process.returncode)
    assert told.decoder.whole
    assert told.decoder.bye is not None
    assert told.decoder.bye["left"] == [1, 2]
    assert told.status == 143
    assert spent < 30
    assert root.status["counts"]["left"] == 2


def wait_for(holds: t.Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def child_of(pid: int) -> int:
    """The process that another one started."""
    wait_for(lambda: bool(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()))
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()[0])


def test_image_volumes(shop: Shop, pod: t.Callable[..., PodRoot], tmp_path: Path) -> None:
    """Mounted folders are read, one that is only a folder is not, and what may not be read is told."""
    if os.geteuid() != 0:
        missing("root, to mount")
    unshare = require_program("unshare")
    digests = [f"sha256:{digit * 64}" for digit in "123"]
    root = pod(
        *(PlannedImage(f"/images/{number}", digest) for number, digest in enumerate(digests)), method="image_volume"
    )
    skopeo, umoci = require_program("skopeo"), require_program("umoci")
    subprocess.run(
        [skopeo, "copy", "--quiet", f"oci:{shop.fleet}/images:payments", f"oci:{tmp_path}/layout:a"], check=True
    )
    subprocess.run([umoci, "raw", "unpack", "--image", f"{tmp_path}/layout:a", f"{tmp_path}/root"], check=True)
    tmp_path.chmod(0o755)
    unpacked = tmp_path / "root"
    hidden = unpacked / "root" / "hidden"
    hidden.mkdir(parents=True)
    hidden.chmod(0o700)
    for number in range(3):
        (root.folder / "images" / str(number)).mkdir(parents=True)
    (root.folder / "images" / "2" / "etc").mkdir()
    *prefix, python = unprivileged()
    mount = f'mount --bind {unpacked} "$0/images/0" && mount -t tmpfs none "$0/images/1" && exec "$@"'
    told = root.run(unshare, "--mount", "sh", "-c", mount, str(root.folder), *prefix, *root.command(python))
    assert told.status == 0, told.noise
    found = {one["number"]: one for one in told.of("image")}
    here = take_inventory(RootFolder(str(unpacked), digests[0], "here"))
    inventory = inventory_from_dict(found[0]["inventory"])
    assert found[0]["digest"] == digests[0]
    assert len(inventory.packages) > 5
    assert (inventory.packages, inventory.os, inventory.kind) == (here.packages, here.os, here.kind)
    assert [one.message for one in inventory.problems if one.code == "unreadable"] == ["root/hidden: Permission denied"]
    assert not any(one.code == "unreadable" for one in here.problems)
    assert (found[1]["state"], found[1]["inventory"]["packages"]) == ("scanned", [])
    assert found[2]["error"]["code"] == "volume-missing"


@pytest.mark.parametrize("damage", ["no plan", "junk", "no uid", "no shard", "shard 1"])
def test_without_plan_or_name_it_says_why_and_ends(pod: t.Callable[..., PodRoot], damage: str) -> None:
    root = pod("r.example/a:1")
    environment = root.environment()
    if damage == "no plan":
        (root.folder / "plan" / "plan.json").unlink()
    elif damage == "junk":
        (root.folder / "plan" / "plan.json").write_text("junk", encoding="utf-8")
    elif damage == "no uid":
        del environment["IMAGESCAN_POD_UID"]
    elif damage == "no shard":
        del environment["JOB_COMPLETION_INDEX"]
    else:
        environment["IMAGESCAN_SHARD"] = "1"
    process = subprocess.run(root.command(), capture_output=True, env=environment, check=False, timeout=DEADLINE)
    assert process.returncode == 2
    assert process.stdout == b""
    assert root.status["error"] == process.stderr.decode().strip()


def test_the_zip_is_small_and_the_same_each_time() -> None:
    first = make_bundle()
    assert first == make_bundle()
    assert len(first) < 900_000
    other = subprocess.run(
        [sys.executable, "-c", f"import sys, {make_bundle.__module__} as b; sys.stdout.buffer.write(b.make_bundle())"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
    )
    assert hashlib.sha256(other.stdout).digest() == hashlib.sha256(first).digest()


PROBE = f"""
import hashlib

from ansible.module_utils.basic import AnsibleModule
from {make_bundle.__module__} import make_bundle

module = AnsibleModule({{}})
module.exit_json(sha256=hashlib.sha256(make_bundle()).hexdigest(), made_in=make_bundle.__code__.co_filename)
"""


def test_the_zip_can_be_made_where_ansible_sends_a_module(tmp_path: Path) -> None:
    """There our files lie in a zip file themselves, and only those that are imported statically."""
    (tmp_path / "probe.py").write_text(PROBE, encoding="utf-8")
    ansible = Path(sys.executable).parent / "ansible"
    command = [str(ansible), "localhost", "-i", "localhost,", "-c", "local", "-m", "probe"]
    command += ["-e", f"ansible_python_interpreter={sys.executable}"]
    own = {"ANSIBLE_LIBRARY": str(tmp_path), "ANSIBLE_HOME": str(tmp_path / "home"), "ANSIBLE_NOCOLOR": "1"}
    process = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **own}, cwd=tmp_path, timeout=DEADLINE
    )
    assert process.returncode == 0, process.stdout + process.stderr
    found = json.loads(process.stdout[process.stdout.index("{") :])
    assert ".zip/" in found["made_in"]
    assert found["sha256"] == hashlib.sha256(make_bundle()).hexdigest()
