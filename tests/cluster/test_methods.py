# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods find what a local scan finds: ``job`` field by field, ``image_volume`` all that an unprivileged user may read.

One playbook scans the same images by all three methods, each into a store of its own. What a method cannot see must
stand in the inventory's problems.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import fleet, images, rpmdb
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster
from ansible_collections.imagescan.openshift.tests.cluster.scans import Scans, Stored, by_pods, write_images
from ansible_collections.imagescan.openshift.tests.support.requirements import missing

CHECKOUT = Path(__file__).resolve().parents[2]
FLEET = ("shop-frontend", "payments", "reports", "batch", "tools", "health-probe", "edge", "gateway")
ARCHIVES = {"legacy-billing": "docker-archive:{}/legacy-billing.tar", "analytics": "oci-archive:{}/analytics.tar"}
PLATFORMS = ["linux/amd64", "linux/arm64"]
METHODS = ("local", "job", "image_volume")
#: Fields of an inventory that say what is in an image.
CONTENT = ("kind", "os", "packages", "database", "repositories", "label_cpes", "labels", "not_examined")
Layers = t.Sequence[images.Layer]


@dataclasses.dataclass(frozen=True)
class Case:
    """An image, and what ``image_volume`` does not see of it: fields, and the problems that say so."""

    layers: t.Callable[[], Layers]
    unseen: frozenset[str] = frozenset()
    problems: frozenset[str] = frozenset()
    architecture: str = "amd64"
    by: str = "tag"


def red_hat(modes: t.Mapping[str, int] | None = None) -> list[images.Entry]:
    """The entries of a Red Hat base layer with its package database. ``modes``: of paths; of folders with a slash."""
    modes = modes or {}
    installed = fleet.packages("bash-5.1.8-9.el9 glibc-2.34-100.el9 openssl-libs-1:3.0.7-27.el9 zlib-1.2.11-40.el9")
    entries = [*fleet.red_hat_root("9", "4"), *images.files("var/lib/rpm", rpmdb.sqlite_files(installed))]
    folders = [images.Entry(path, kind="folder", mode=mode) for path, mode in modes.items() if path.endswith("/")]
    named = [dataclasses.replace(one, path=one.path.rstrip("/")) for one in folders]
    return [*named, *(dataclasses.replace(one, mode=modes.get(one.path, one.mode)) for one in entries)]


def one(entries: t.Sequence[images.Entry], *more: images.Entry) -> t.Callable[[], Layers]:
    """One layer."""
    return lambda: [images.layer([*entries, *more])]


def many() -> Layers:
    """127 layers, as many as overlayfs takes: one changes the packages, one hides a folder, one replaces os-release."""
    layers = [images.layer([*red_hat(), images.Entry("opt/old/node_modules/ms/package.json", b"{}")])]
    newer = fleet.packages("bash-5.1.8-10.el9 htop-3.3.0-1.el9")
    special = {
        40: images.files("var/lib/rpm", rpmdb.sqlite_files(newer)),
        80: [images.whiteout("opt/old")],
        120: [images.Entry("usr/lib/os-release", images.os_release(id="rhel", version_id="9.5"))],
    }
    for number in range(1, 127):
        layers.append(images.layer(special.get(number, [images.Entry(f"opt/part/{number}", b"x" * number)])))
    return layers


ROOT_ONLY = "unreadable"
LAYERS = "layers-unseen"
#: The limit of image volumes that the documentation of image_scan names: this one image looks whole, and is not.
HIDDEN_BESIDE = "manifest-hidden-beside-another"
MANIFEST = "root/buildinfo/content_manifests/ubi9-container-9.4-1.json"
NO_DATABASE = frozenset(("packages", "database"))
JAR = images.Entry("opt/app/lib/app.jar", b"PK\x03\x04")
SECOND_MANIFEST = images.Entry(
    "root/buildinfo/content_manifests/app-1-1.json",
    images.to_json({"metadata": {"icm_version": 1}, "content_sets": ["rhel-9-for-x86_64-highavailability-rpms"]}),
)

CASES: t.Mapping[str, Case] = {
    "no-layer": Case(list),
    "one-layer": Case(one(red_hat(), JAR)),
    "127-layers": Case(many),
    "by-digest": Case(one(red_hat(), images.Entry("by", b"digest")), by="digest"),
    "by-both": Case(one(red_hat(), images.Entry("by", b"both")), by="both"),
    "foreign": Case(one(red_hat(), images.Entry("by", b"arm")), architecture="arm64"),
    "foreign-by-digest": Case(one(red_hat(), images.Entry("by", b"s390x")), architecture="s390x", by="digest"),
    "dpkg": Case(one([images.Entry("var/lib/dpkg/status", b"Package: a\nStatus: install ok installed\n")])),
    "apk": Case(one([images.Entry("lib/apk/db/installed", b"P:musl\nV:1\n\n")])),
    "two-manifests": Case(lambda: [images.layer(red_hat()), images.layer([SECOND_MANIFEST])]),
    # What only root may read. Nobody else sees it, so it has to be said.
    "rpmdb-0600": Case(
        one(red_hat({"var/lib/rpm/rpmdb.sqlite": 0o600})), NO_DATABASE, frozenset((ROOT_ONLY, "rpmdb-missing"))
    ),
    "rpmdb-0000": Case(
        one(red_hat({"var/lib/rpm/rpmdb.sqlite": 0})), NO_DATABASE, frozenset((ROOT_ONLY, "rpmdb-missing"))
    ),
    "rpmdb-folder-0700": Case(
        one(red_hat({"var/lib/rpm/": 0o700})), NO_DATABASE, frozenset((ROOT_ONLY, "rpmdb-missing"))
    ),
    "rpmdb-folder-0000": Case(one(red_hat({"var/lib/rpm/": 0})), NO_DATABASE, frozenset((ROOT_ONLY, "rpmdb-missing"))),
    "os-release-0600": Case(
        one(red_hat({"usr/lib/os-release": 0o600})),
        frozenset(("os",)),
        frozenset((ROOT_ONLY, "os-release-missing")),
    ),
    # As in Red Hat's own images.
    "root-folder-0550": Case(
        one(red_hat({"root/": 0o550})), frozenset(("repositories",)), frozenset((ROOT_ONLY, LAYERS))
    ),
    "manifest-0600": Case(
        one(red_hat({MANIFEST: 0o600})), frozenset(("repositories",)), frozenset((ROOT_ONLY, LAYERS))
    ),
    "component-folder-0000": Case(
        one([images.Entry("opt/app/lib", kind="folder", mode=0), *red_hat()], JAR),
        frozenset(("not_examined",)),
        frozenset((ROOT_ONLY,)),
    ),
    "other-file-0000": Case(one(red_hat(), images.Entry("etc/shadow", b"root:*:", mode=0))),
    "everything-0000": Case(
        one([images.Entry("opt", kind="folder", mode=0)], images.Entry("opt/static", b"x", mode=0)),
        frozenset(("kind",)),
        frozenset((ROOT_ONLY,)),
    ),
    # Hidden by a later layer: only who reads the layers sees it.
    "manifest-hidden": Case(
        lambda: [images.layer(red_hat()), images.layer([images.whiteout(MANIFEST)])],
        frozenset(("repositories",)),
        frozenset((LAYERS,)),
    ),
    "no-manifest": Case(one([entry for entry in red_hat() if entry.path != MANIFEST]), problems=frozenset((LAYERS,))),
    HIDDEN_BESIDE: Case(
        lambda: [images.layer(red_hat()), images.layer([SECOND_MANIFEST, images.whiteout(MANIFEST)])],
        frozenset(("repositories",)),
    ),
}
BROKEN = "fleet-edge"


@dataclasses.dataclass(frozen=True)
class Found:
    """What all methods found. ``names``: case -> reference."""

    scans: Scans
    names: t.Mapping[str, str]
    stored: t.Mapping[str, t.Mapping[str, Stored]]

    def of(self, method: str, name: str) -> Stored:
        """What a method found in the image, or index, of a case."""
        found = [one for one in self.stored[method].values() if self.names[name] in one.references]
        assert len(found) == 1, (method, name, found)
        return found[0]

    def pair(self, method: str, name: str) -> list[tuple[Stored, Stored]]:
        """What a local scan and a method found: of the image of a case, or of the images of its index."""
        mine, its = self.of("local", name), self.of(method, name)
        if not mine.children:
            return [(mine, its)]
        return [(self.stored["local"][digest], self.stored[method][digest]) for digest, _platform in mine.children]


def build(case: Case) -> t.Callable[[images.Blobs], images.Json]:
    """Makes the image of a case."""

    def image(blobs: images.Blobs) -> images.Json:
        labels = {"name": "test", "cpe": "cpe:/a:redhat:test:1"}
        return images.image(blobs, case.layers(), labels=labels, architecture=case.architecture)

    return image


@pytest.fixture(scope="module")
def names(
    request: pytest.FixtureRequest,
    cluster: KubernetesCluster,
    shared_accounts: Accounts,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """Case -> reference of its image in the registry."""
    folder = tmp_path_factory.mktemp("images")
    wanted = asked(request)
    cases = {name: case for name, case in CASES.items() if name in wanted}
    digests = write_images(folder / "cases", {name: build(case) for name, case in cases.items()})
    repository = f"{shared_accounts.namespace}/cases"
    found = {}
    for name, case in cases.items():
        tagged = cluster.push(f"oci:{folder}/cases:{name}", f"{repository}:{name}")
        pinned = f"{cluster.registry}/{repository}@{digests[name]}"
        found[name] = {"tag": tagged, "digest": pinned, "both": f"{tagged}@{digests[name]}"}[case.by]
    found |= push_fleet(cluster, shared_accounts.namespace, folder / "fleet", wanted)
    return found


def push_fleet(cluster: KubernetesCluster, namespace: str, folder: Path, wanted: t.Container[str]) -> dict[str, str]:
    """Images of the example fleet. The one whose layer is cut short is cut in the registry's own folder."""
    subprocess.run([sys.executable, CHECKOUT / "examples/fleet/build.py", folder], check=True, capture_output=True)
    index = json.loads((folder / "images/index.json").read_text(encoding="utf-8"))
    tags = {one["annotations"]["org.opencontainers.image.ref.name"] for one in index["manifests"]}
    assert tags == set(FLEET)
    whole = images.layer([images.Entry("opt/app/cache.bin", bytes(range(256)) * 64, mode=0o755)]).blob
    name = images.digest(whole).partition(":")[2]
    cut = folder / "images/blobs/sha256" / name
    short = cut.read_bytes()
    assert whole.startswith(short)
    cut.write_bytes(whole)
    sources = {tag: f"oci:{folder}/images:{tag}" for tag in FLEET}
    sources |= {tag: source.format(folder) for tag, source in ARCHIVES.items()}
    assert {path.stem for path in folder.glob("*.tar")} == set(ARCHIVES)
    # The index is there by its digest, too.
    pushed = [tag for tag in sources if f"fleet-{tag}" in wanted or tag == "gateway"]
    found = {f"fleet-{tag}": cluster.push(sources[tag], f"{namespace}/fleet:{tag}") for tag in pushed}
    if isinstance(cluster, Cluster):
        data = cluster.folder / "registry-data/docker/registry/v2/blobs/sha256" / name[:2] / name / "data"
        assert data.read_bytes() in (whole, short)  # cut already, in a cluster that is used again
        data.write_bytes(short)
    else:
        del found[BROKEN]
    if "fleet-gateway" not in wanted:
        del found["fleet-gateway"]
    content = (folder / "images/index.json").read_text(encoding="utf-8")
    digest = next(one["digest"] for one in json.loads(content)["manifests"] if "index" in one["mediaType"])
    found["index-by-digest"] = f"{cluster.registry}/{namespace}/fleet@{digest}"
    return found


@pytest.fixture(scope="module")
def found(
    cluster: KubernetesCluster,
    shared_accounts: Accounts,
    scanner_image: str,
    names: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Found:
    """All images scanned by all methods."""
    common: dict[str, t.Any] = {"images": sorted(names.values()), "platforms": PLATFORMS}
    local = {**common, "method": "local", "plain_http_registries": [cluster.registry]}
    calls = {
        method: {**by_pods(cluster, shared_accounts, scanner_image, method, start_timeout=30), **common}
        for method in METHODS[1:]
    }
    scans = Scans(tmp_path_factory.mktemp("methods"), {"local": local, **calls})
    scans.run()
    return Found(scans, names, {method: scans.stored(method) for method in METHODS})


#: What another image has, too, in another form: a mode, a manager of packages, a way to name it.
TWINS = frozenset(
    (
        *("by-both", "foreign-by-digest", "apk", "other-file-0000", "manifest-0600"),
        *("rpmdb-0000", "rpmdb-folder-0700", "rpmdb-folder-0000", "fleet-gateway"),
        *(f"fleet-{name}" for name in (*FLEET[:5], *ARCHIVES)),
    )
)
IMAGES = [*CASES, *(f"fleet-{name}" for name in (*FLEET, *ARCHIVES)), "index-by-digest"]
GOOD = [pytest.param(name, marks=pytest.mark.full) if name in TWINS else name for name in IMAGES if name != BROKEN]


def asked(request: pytest.FixtureRequest) -> set[str]:
    """The images that the tests of this session look at."""
    calls = [one.callspec.params for one in request.session.items if hasattr(one, "callspec")]
    return {BROKEN, "rpmdb-0600"} | {str(params["name"]) for params in calls if "name" in params}


def test_every_image_has_one_outcome_by_every_method(found: Found) -> None:
    # s390x is not a platform of the list, which is of indexes alone.
    local = found.stored["local"]
    for method in METHODS[1:]:
        assert found.stored[method].keys() == local.keys()
        told, expected = found.scans.result(method), found.scans.result("local")
        assert told["counts"] == expected["counts"]
        assert [
            (one["reference"], one["digest"], one["platform"], one["index"], one["state"]) for one in told["images"]
        ] == [
            (one["reference"], one["digest"], one["platform"], one["index"], one["state"]) for one in expected["images"]
        ]


@pytest.mark.parametrize("name", GOOD)
def test_a_job_finds_the_same_field_by_field(found: Found, name: str) -> None:
    assert found.of("local", name) == found.of("job", name)
    for mine, its in found.pair("job", name):
        assert mine.inventory is not None
        assert its == mine


@pytest.mark.parametrize("name", GOOD)
def test_image_volumes_show_the_same_but_what_root_alone_may_read(found: Found, name: str) -> None:
    case = CASES.get(name, Case(list))
    outer, same = found.of("local", name), found.of("image_volume", name)
    assert dataclasses.replace(same, inventory=None) == dataclasses.replace(outer, inventory=None)
    for mine, its in found.pair("image_volume", name):
        assert mine.inventory is not None
        assert its.inventory is not None
        differing = {field for field in CONTENT if mine.inventory[field] != its.inventory[field]}
        codes = {one["code"] for one in its.inventory["problems"]}
        more = codes - {one["code"] for one in mine.inventory["problems"]}
        if differing and name != HIDDEN_BESIDE:
            assert more, f"{name} looks whole, and lacks of {differing}"
        assert (differing, more) == (set(case.unseen), set(case.problems))
        # What was seen locally as wrong is not forgotten.
        assert codes >= {one["code"] for one in mine.inventory["problems"]}
        assert its.inventory.keys() == mine.inventory.keys()


def test_what_cannot_be_read_is_named(found: Found) -> None:
    told = found.of("image_volume", "rpmdb-0600").inventory
    assert told is not None
    messages = [one["message"] for one in told["problems"] if one["code"] == ROOT_ONLY]
    assert messages == ["var/lib/rpm/rpmdb.sqlite: Permission denied"]


def test_a_layer_cut_short_is_an_error_by_every_method(found: Found) -> None:
    if BROKEN not in found.names:
        missing("a registry of our own, to cut a layer in it")
    errors = {method: found.of(method, BROKEN).error for method in METHODS}
    assert errors == {"local": "layer-truncated", "job": "layer-truncated", "image_volume": "image-pull-failed"}
    assert all(found.of(method, BROKEN).inventory is None for method in METHODS)


# A registry that wants a login.


@dataclasses.dataclass(frozen=True)
class Private:
    """Images behind a login, each of which another pull secret opens: ``json`` and ``cfg`` name the secret's format."""

    scans: Scans
    references: t.Mapping[str, str]

    def of(self, call: str, name: str) -> Stored:
        """What a call found in an image."""
        return next(one for one in self.scans.stored(call).values() if self.references[name] in one.references)


@pytest.fixture(scope="module")
def private(
    cluster: KubernetesCluster,
    shared_accounts: Accounts,
    scanner_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Private:
    """Images behind a login, scanned with what each method uses to get at them."""
    if not isinstance(cluster, Cluster):
        missing("a registry of our own that wants a login")
    folder = tmp_path_factory.mktemp("private")
    built = {name: build(Case(one(red_hat(), images.Entry("by", name.encode())))) for name in ("json", "cfg")}
    digests = write_images(folder / "images", built)
    place = shared_accounts.namespace
    references = {name: cluster.push_with_login(f"oci:{folder}/images:{name}", f"{place}/{name}:1") for name in built}
    entries = {name: {f"{cluster.tls_registry}/{place}/{name}": {"auth": images_login(cluster)}} for name in built}
    cluster.apply(
        secret("pull-json", "dockerconfigjson", {"auths": entries["json"]}),
        secret("pull-cfg", "dockercfg", entries["cfg"]),
        namespace=place,
    )
    auth_file = folder / "auth.json"
    auth_file.touch(0o600)
    auth_file.write_text(json.dumps({"auths": {cluster.tls_registry: {"auth": images_login(cluster)}}}), "utf-8")

    def pods(method: str, *secrets: str, **options: t.Any) -> dict[str, t.Any]:
        given: dict[str, t.Any] = {"images": list(references.values()), "pull_secrets": secrets, "start_timeout": 30}
        return by_pods(cluster, shared_accounts, scanner_image, method, **{**given, **options})

    trust = {"registry_ca_cert": str(cluster.ca_file)}
    login = {**trust, "registry_auth_file": str(auth_file)}
    discovered = [
        {"digest": digests[name], "reference": references[name], "kind": "image", "platform": "linux/amd64"}
        for name in built
    ]
    calls = {
        "local": {"images": list(references.values()), **login},
        "job": pods("job", "pull-json", "pull-cfg", **trust),
        "job-without-one": pods("job", "pull-json", **trust),
        "image_volume": pods("image_volume", "pull-json", "pull-cfg", **login),
        # The nodes reach the registry, and this host does not.
        "image_volume-unseen": pods("image_volume", "pull-json", "pull-cfg", images=discovered),
    }
    scans = Scans(tmp_path_factory.mktemp("private-scans"), calls)
    scans.run()
    return Private(scans, references)


def images_login(cluster: Cluster) -> str:
    """User name and password as they stand in a pull secret."""
    return base64.b64encode(":".join(cluster.login).encode()).decode()


def secret(name: str, form: str, content: t.Any) -> dict[str, t.Any]:
    """A pull secret of one of the two formats."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": f"kubernetes.io/{form}",
        "stringData": {f".{form}": json.dumps(content)},
    }


@pytest.mark.parametrize("name", ["json", "cfg"])
@pytest.mark.parametrize("method", METHODS[1:])
def test_pull_secrets_of_both_formats_open_a_registry(private: Private, method: str, name: str) -> None:
    mine = private.of("local", name)
    assert mine.inventory is not None
    assert private.of(method, name) == mine


def test_without_its_pull_secret_an_image_is_an_error(private: Private) -> None:
    assert private.of("job-without-one", "json") == private.of("local", "json")
    refused = private.of("job-without-one", "cfg")
    assert (refused.error, refused.inventory) == ("registry-unauthorized", None)


@pytest.mark.parametrize("name", ["json", "cfg"])
def test_labels_that_nobody_saw_are_a_problem(private: Private, name: str) -> None:
    mine, its = private.of("local", name).inventory, private.of("image_volume-unseen", name).inventory
    assert mine is not None
    assert its is not None
    assert {field for field in CONTENT if mine[field] != its[field]} == {"labels", "label_cpes"}
    assert [one["code"] for one in its["problems"]] == ["config-unseen"]
