# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    InputError,
    IntegrityError,
    LimitExceeded,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images import targets
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Image, ImageIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._images.targets import (
    RootFolder,
    folder_digest,
    list_targets,
    open_child,
    open_target,
)
from ansible_collections.imagescan.openshift.tests.support.layouts import digest_of, write_layout

LAYERS = (b"first layer" * 1000, b"second layer" * 1000)
NAME_ANNOTATION = "org.opencontainers.image.ref.name"


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    path = tmp_path / "layout"
    write_layout(path, LAYERS, tag="v1", compress=True)
    return path


def open_image(target: str) -> Image:
    opened = open_target(target, Access())
    assert isinstance(opened, Image)
    return opened


def read_all(image: Image) -> list[bytes]:
    found = []
    for layer in image.layers:
        reader = image.source.open_blob(layer.descriptor)
        pieces = []
        while True:
            piece = reader.read(1000)
            if not piece:
                break
            assert len(piece) <= 1000
            pieces.append(piece)
        reader.close()
        data = b"".join(pieces)
        assert digest_of(data) == layer.descriptor.digest
        found.append(gzip.decompress(data) if layer.descriptor.media_type.endswith("gzip") else data)
    return found


def pack(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w") as tar:
        tar.add(folder, ".")
    return path


def edit(path: Path, change: t.Callable[[t.Any], None]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def refused(target: str, error: type[ScanError], code: str, *words: str) -> None:
    with pytest.raises(error) as caught:
        open_target(target, Access())
    assert caught.value.code == code
    assert caught.value.subject
    for word in words:
        assert word in str(caught.value)


class TestLayouts:
    def test_folder_and_archive_hold_the_same_image(self, layout: Path, tmp_path: Path) -> None:
        archive = pack(layout, tmp_path / "layout.tar")
        expected = open_image(f"oci:{layout}:v1")
        assert expected.reference == f"oci:{layout}:v1"
        assert read_all(expected) == list(LAYERS)
        for target in (f"oci:{layout}", f"oci:{layout}@{expected.digest}", f"oci-archive:{archive}:v1",
                       f"oci-archive:{archive}", f"oci-archive:{archive}@{expected.digest}"):  # fmt: skip
            image = open_image(target)
            assert (image.digest, image.reference, read_all(image)) == (expected.digest, target, list(LAYERS))

    def test_several_images_are_named_by_tag_or_digest(self, layout: Path, tmp_path: Path) -> None:
        write_layout(tmp_path / "other", [b"other"], tag="v2")
        shutil.copytree(tmp_path / "other" / "blobs", layout / "blobs", dirs_exist_ok=True)
        second = json.loads((tmp_path / "other" / "index.json").read_bytes())["manifests"][0]
        unnamed = {**second, "annotations": {}}
        edit(layout / "index.json", lambda index: index["manifests"].extend([second, unnamed]))
        assert list_targets(str(layout)) == [f"oci:{layout}:v1", f"oci:{layout}:v2", f"oci:{layout}@{second['digest']}"]
        for target in list_targets(str(layout)):
            open_image(target)
        refused(f"oci:{layout}", InputError, "invalid-input", "3 images", "':v1', ':v2'")
        refused(f"oci:{layout}:v3", InputError, "image-not-found", "no image named 'v3'", ":v1")
        edit(layout / "index.json", lambda index: index["manifests"][0]["annotations"].update({NAME_ANNOTATION: "v2"}))
        refused(f"oci:{layout}:v2", InputError, "invalid-input", "2 images")

    def test_tags_and_paths_with_colons(self, layout: Path, tmp_path: Path) -> None:
        name = "registry.example:5000/a/b:v1"
        edit(layout / "index.json", lambda index: index["manifests"][0]["annotations"].update({NAME_ANNOTATION: name}))
        moved = tmp_path / "with:colon"
        layout.rename(moved)
        assert list_targets(str(moved)) == [f"oci:{moved}:{name}"]
        assert open_image(f"oci:{moved}:{name}").digest == open_image(f"oci:{moved}").digest

    def test_an_index_and_its_children(self, layout: Path) -> None:
        entry = json.loads((layout / "index.json").read_bytes())["manifests"][0]
        child = {**entry, "platform": {"os": "linux", "architecture": "s390x"}, "annotations": None}
        data = json.dumps({"schemaVersion": 2, "manifests": [child]}).encode()
        (layout / "blobs/sha256" / digest_of(data)[7:]).write_bytes(data)
        index_type = "application/vnd.oci.image.index.v1+json"
        outer = {"mediaType": index_type, "digest": digest_of(data), "size": len(data)}
        edit(layout / "index.json", lambda index: index.update(manifests=[outer]))
        index = open_target(f"oci:{layout}", Access())
        assert isinstance(index, ImageIndex)
        assert [str(found.platform) for found in index.children] == ["linux/s390x"]
        assert open_child(index, index.children[0], Access()).index_digest == digest_of(data)
        again = ImageIndex(index.digest, index.reference, index.children)
        assert open_child(again, index.children[0], Access()).digest == entry["digest"]

    def test_what_is_no_image_hides_none_behind_it(self, layout: Path) -> None:
        (image,) = json.loads((layout / "index.json").read_bytes())["manifests"]
        empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2}
        blob = {**empty, "mediaType": "application/spdx+json"}
        artifact = {"schemaVersion": 2, "mediaType": image["mediaType"], "config": empty, "layers": [blob]}

        def stored(document: t.Any, media_type: str) -> dict[str, t.Any]:
            data = json.dumps(document).encode()
            (layout / "blobs/sha256" / digest_of(data)[7:]).write_bytes(data)
            return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

        def on(architecture: str, system: str = "linux") -> dict[str, t.Any]:
            return {**image, "platform": {"os": system, "architecture": architecture}, "annotations": None}

        entries = [on("unknown", "unknown"), stored(artifact, image["mediaType"]), on("amd64"), on("arm64")]
        index_type = "application/vnd.oci.image.index.v1+json"
        outer = stored({"schemaVersion": 2, "manifests": entries}, index_type)
        edit(layout / "index.json", lambda index: index.update(manifests=[outer]))
        index = open_target(f"oci:{layout}", Access())
        assert isinstance(index, ImageIndex)
        assert [str(child.platform) for child in index.children] == ["linux/amd64", "linux/arm64"]
        (layout / "blobs/sha256" / image["digest"][7:]).unlink()
        with pytest.raises(ScanError) as caught:
            open_child(index, index.children[0], Access())
        assert caught.value.subject == f"{index.reference}, {image['digest']} (linux/amd64)"

    def test_damage_is_found(self, layout: Path) -> None:
        image = open_image(f"oci:{layout}")
        blobs = layout / "blobs" / "sha256"
        lower = blobs / image.layers[0].descriptor.digest[7:]
        whole = lower.read_bytes()
        for data, code in ((whole[:-1], "layer-truncated"), (whole + b"x", "digest-mismatch")):
            lower.write_bytes(data)
            with pytest.raises(IntegrityError) as caught:
                image.source.open_blob(image.layers[0].descriptor)
            assert caught.value.code == code
        lower.unlink()
        with pytest.raises(CorruptData, match="missing") as missing:
            image.source.open_blob(image.layers[0].descriptor)
        assert missing.value.code == "blob-not-found"
        os.mkfifo(lower)
        with pytest.raises(InputError, match="not a regular file"):
            image.source.open_blob(image.layers[0].descriptor)
        config = blobs / image.config.digest[7:]
        config.write_bytes(config.read_bytes().replace(b"amd64", b"arm64"))
        refused(f"oci:{layout}", IntegrityError, "digest-mismatch", "config")
        manifest = blobs / image.digest[7:]
        manifest.write_bytes(manifest.read_bytes() + b" ")
        refused(f"oci:{layout}", IntegrityError, "digest-mismatch", "the manifest")
        manifest.unlink()
        refused(f"oci:{layout}", CorruptData, "blob-not-found", image.digest[7:])

    def test_folders_that_are_no_layout(self, layout: Path, tmp_path: Path) -> None:
        (layout / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}', encoding="utf-8")
        refused(f"oci:{layout}", InputError, "invalid-input", "'2.0.0'", "1.x")
        (layout / "oci-layout").unlink()
        refused(f"oci:{layout}", CorruptData, "corrupt-data", "no oci-layout")
        refused(f"oci:{tmp_path}/none", InputError, "image-not-found", "does not exist")
        refused("oci:", InputError, "invalid-input", "no path")
        refused(f"oci:{layout}/index.json", InputError, "invalid-input", "not a folder")
        refused(f"oci:{layout}:", InputError, "invalid-input", "expected a tag")

    def test_an_index_that_is_too_big(self, layout: Path) -> None:
        (layout / "index.json").write_bytes(b" " * (5 << 20))
        refused(f"oci:{layout}", LimitExceeded, "limit-exceeded", "index.json")


class Docker:
    """Writes archives as ``docker save`` does."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.links: dict[str, tuple[bytes, str]] = {}
        self.entries: list[dict[str, t.Any]] = []

    def image(self, layers: t.Sequence[tuple[str, bytes]], tags: t.Any, config_name: str = "") -> None:
        diff_ids = [digest_of(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data) for _name, data in layers]
        config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        data = json.dumps(config).encode()
        name = config_name or digest_of(data)[7:] + ".json"
        self.files[name] = data
        self.files.update({name: data for name, data in layers if name not in self.links})
        self.entries.append({"Config": name, "RepoTags": tags, "Layers": [name for name, _data in layers]})

    def write(self, path: Path, reverse: bool = False) -> Path:
        members = {**self.files, "manifest.json": json.dumps(self.entries).encode()}
        with tarfile.open(path, "w") as tar:
            for name in sorted(members, reverse=reverse):
                info = tarfile.TarInfo(name)
                info.size, info.mtime = len(members[name]), int(reverse)
                tar.addfile(info, io.BytesIO(members[name]))
            for name, (kind, target) in self.links.items():
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, target
                tar.addfile(info)
        return path


class TestDockerArchives:
    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
    def test_old_ones_link_equal_layers(self, tmp_path: Path, kind: bytes) -> None:
        docker = Docker()
        target = "../one/layer.tar" if kind == tarfile.SYMTYPE else "one/layer.tar"
        docker.links["two/layer.tar"] = (kind, target)
        docker.image(
            [("one/layer.tar", LAYERS[0]), ("two/layer.tar", LAYERS[0]), ("three/layer.tar", LAYERS[1])], ["a/b:v1"]
        )
        path = docker.write(tmp_path / "a.tar")
        assert list_targets(str(path)) == [f"docker-archive:{path}"]
        assert read_all(open_image(f"docker-archive:{path}")) == [LAYERS[0], LAYERS[0], LAYERS[1]]

    def test_identity_is_that_of_the_content(self, tmp_path: Path) -> None:
        docker = Docker()
        docker.image([("one/layer.tar", LAYERS[0])], ["a/b:v1"])
        first = open_image(f"docker-archive:{docker.write(tmp_path / 'a.tar')}")
        docker.entries[0]["RepoTags"] = ["other:v9"]
        assert open_image(f"docker-archive:{docker.write(tmp_path / 'b.tar', reverse=True)}").digest == first.digest
        size = len(docker.files[docker.entries[0]["Config"]])
        manifest = (
            f'{{"config":{{"digest":"{first.config.digest}",'
            f'"mediaType":"application/vnd.docker.container.image.v1+json","size":{size}}},'
            f'"layers":[{{"digest":"{digest_of(LAYERS[0])}",'
            f'"mediaType":"application/vnd.docker.image.rootfs.diff.tar","size":{len(LAYERS[0])}}}],'
            '"mediaType":"application/vnd.docker.distribution.manifest.v2+json","schemaVersion":2}'
        )
        assert first.digest == "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
        other = Docker()
        other.image([("one/layer.tar", LAYERS[1])], ["a/b:v1"])
        assert open_image(f"docker-archive:{other.write(tmp_path / 'c.tar')}").digest != first.digest

    def test_compressed_layers(self, tmp_path: Path) -> None:
        packed = gzip.compress(LAYERS[0])
        docker = Docker()
        docker.image(
            [(f"blobs/sha256/{digest_of(packed)[7:]}", packed), ("x/layer.tar", gzip.compress(LAYERS[1]))], None
        )
        assert read_all(open_image(f"docker-archive:{docker.write(tmp_path / 'a.tar')}")) == list(LAYERS)

    def test_several_images(self, tmp_path: Path) -> None:
        docker = Docker()
        docker.image([("one/layer.tar", LAYERS[0])], ["app:v1", "docker.io/library/app:v2"])
        docker.image([("two/layer.tar", LAYERS[1])], None)
        path = docker.write(tmp_path / "a.tar")
        assert list_targets(str(path)) == [f"docker-archive:{path}:app:v1", f"docker-archive:{path}:@1"]
        assert [read_all(open_image(target)) for target in list_targets(str(path))] == [[LAYERS[0]], [LAYERS[1]]]
        assert (
            open_image(f"docker-archive:{path}:docker.io/library/app:v1").digest
            == open_image(f"docker-archive:{path}:app:v2").digest
        )
        refused(f"docker-archive:{path}", InputError, "invalid-input", "2 images", ":@1")
        refused(f"docker-archive:{path}:app:v3", InputError, "image-not-found", "app:v3")
        refused(f"docker-archive:{path}:@2", InputError, "image-not-found", "@2")
        refused(f"docker-archive:{path}:@x", InputError, "invalid-input", "@x")
        refused(f"docker-archive:{path}:APP", InputError, "invalid-input", "upper case")
        for number in range(10):
            docker.image([("one/layer.tar", LAYERS[0])], [f"more:v{number}"])
        with pytest.raises(InputError) as caught:
            open_image(f"docker-archive:{docker.write(path)}")
        # The first ten.
        assert ":more:v7" in caught.value.hint and ":more:v8" not in caught.value.hint

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"Config": "none.json"}, "no member"),
            ({"Config": "../../etc/passwd"}, "outside"),
            ({"Config": None}, "without Config"),
            ({"Layers": ["/etc/passwd"]}, "outside"),
            ({"Layers": ["../x"]}, "outside"),
            ({"Layers": [5]}, "odd Layers"),
            ({"Layers": []}, "0 layers, the config 1 diff_ids"),
            ({"RepoTags": ["UPPER"]}, "RepoTags"),
            ({"RepoTags": [5]}, "RepoTags"),
            ({"layers": []}, "'layers'"),
        ],
    )
    def test_archives_that_are_refused(self, tmp_path: Path, change: dict[str, t.Any], says: str) -> None:
        docker = Docker()
        docker.image([("one/layer.tar", LAYERS[0])], ["a:v1"])
        docker.entries[0].update(change)
        refused(f"docker-archive:{docker.write(tmp_path / 'a.tar')}:a:v1", CorruptData, "corrupt-data", says)

    @pytest.mark.parametrize("content", [None, b"{}", b"[]", b"[1]", b"nonsense"])
    def test_manifest_files_that_list_no_images(self, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "a.tar"
        with tarfile.open(path, "w") as tar:
            for name, data in {"other": b"x", "manifest.json": content}.items():
                if data is not None:
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        refused(f"docker-archive:{path}", CorruptData, "corrupt-data", "manifest.json")

    def test_config_of_another_name(self, tmp_path: Path) -> None:
        docker = Docker()
        docker.image([("one/layer.tar", LAYERS[0])], ["a:v1"], config_name="0" * 64 + ".json")
        refused(f"docker-archive:{docker.write(tmp_path / 'a.tar')}", IntegrityError, "digest-mismatch", "config")

    def test_an_archive_of_a_new_docker_is_read_as_a_layout(self, layout: Path, tmp_path: Path) -> None:
        manifest = json.loads((layout / "blobs/sha256" / open_image(f"oci:{layout}").digest[7:]).read_bytes())
        names = [f"blobs/sha256/{layer['digest'][7:]}" for layer in manifest["layers"]]
        entry = {"Config": f"blobs/sha256/{manifest['config']['digest'][7:]}", "RepoTags": ["a:v1"], "Layers": names}
        (layout / "manifest.json").write_text(json.dumps([entry]), encoding="utf-8")
        path = pack(layout, tmp_path / "new.tar")
        assert list_targets(str(path)) == [f"oci-archive:{path}:v1"]
        assert read_all(open_image(f"docker-archive:{path}:a:v1")) == list(LAYERS)


class TestRootFolders:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "root"
        (root / "etc").mkdir(parents=True)
        (root / "var/lib/rpm").mkdir(parents=True)
        (root / "etc/os-release").write_text("ID=x", encoding="utf-8")
        (root / "etc/link").symlink_to("/")
        (root / "etc/loop").symlink_to(".")
        return root

    def test_target(self, root: Path) -> None:
        target = f"rootfs:{root}"
        assert list_targets(str(root)) == [target]
        assert open_target(target, Access()) == RootFolder(str(root), folder_digest(str(root)), target)

    def test_digest_shows_every_change(self, root: Path) -> None:
        seen = {folder_digest(str(root))}
        assert folder_digest(f"{root}/") in seen

        def changed() -> bool:
            before = len(seen)
            seen.add(folder_digest(str(root)))
            return len(seen) == before + 1

        (root / "var/lib/rpm/rpmdb.sqlite").write_bytes(b"1")
        assert changed()
        os.utime(root / "var/lib/rpm/rpmdb.sqlite", ns=(1, 1))
        assert changed()
        (root / "var/lib/rpm/rpmdb.sqlite").chmod(0o600)
        assert changed()
        (root / "etc/link").unlink()
        assert changed()
        (root / "var").rename(root / "val")
        assert changed()
        assert not changed()

    def test_a_folder_that_cannot_be_read_hides_no_change_elsewhere(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scan = os.scandir

        def refuse(path: t.Any) -> t.Any:
            if os.fsencode(path).endswith(b"/etc"):
                raise PermissionError
            return scan(path)

        monkeypatch.setattr(os, "scandir", refuse)
        before = folder_digest(str(root))
        (root / "var/lib/rpm/rpmdb.sqlite").write_bytes(b"1")
        assert folder_digest(str(root)) != before

    def test_links_are_not_followed(self, root: Path, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (root / "etc/out").symlink_to(outside)
        before = folder_digest(str(root))
        (outside / "new").write_bytes(b"x")
        assert folder_digest(str(root)) == before

    def test_entries_are_bounded(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(targets, "ENTRY_LIMIT", 5)
        refused(f"rootfs:{root}", LimitExceeded, "limit-exceeded", "more than 5")

    def test_very_deep_folders_end(self, root: Path) -> None:
        here = os.open(root, os.O_RDONLY)
        try:
            for _attempt in range(600):
                os.mkdir("deepfolder", dir_fd=here)
                deeper = os.open("deepfolder", os.O_RDONLY, dir_fd=here)
                os.close(here)
                here = deeper
        finally:
            os.close(here)
        assert folder_digest(str(root)).startswith("sha256:")
        shutil.rmtree(root)  # here and not later: whoever tidies up need not cope with it

    def test_what_is_no_folder(self, root: Path) -> None:
        refused(f"rootfs:{root}/etc/os-release", InputError, "invalid-input", "not a folder")
        refused(f"rootfs:{root}/none", InputError, "invalid-input", "not a folder")
        refused("rootfs:a\0b", InputError, "invalid-input", "NUL")


class TestLists:
    def test_what_could_be_both_is_asked_back(self, layout: Path) -> None:
        (layout / "etc").mkdir()
        with pytest.raises(InputError, match=r"could be an OCI layout and a root folder.*rootfs:"):
            list_targets(str(layout))

    def test_a_layout_without_images_is_no_empty_list(self, layout: Path, tmp_path: Path) -> None:
        edit(layout / "index.json", lambda index: index.update(manifests=[]))
        for path in (layout, pack(layout, tmp_path / "empty.tar")):
            with pytest.raises(InputError, match="of no image"):
                list_targets(str(path))
        refused(f"oci:{layout}", InputError, "image-not-found", "no image without a name")

    def test_what_is_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        (tmp_path / "text").write_bytes(b"hello")
        with tarfile.open(tmp_path / "root.tar", "w") as tar:
            tar.addfile(tarfile.TarInfo("etc/passwd"))
        expected = {"empty": "neither", "text": "not a readable tar", "root.tar": "of no image"}
        for name, says in {**expected, **dict.fromkeys(("none", "a\0b", "x" * 5000), "does not exist")}.items():
            with pytest.raises(ScanError, match=says):
                list_targets(str(tmp_path / name))


def test_the_subject_is_the_target() -> None:
    for target in ("quay.io/UPPER", "oci:none", "quay.io/a@sha256:1"):
        with pytest.raises(InputError) as caught:
            open_target(target, Access())
        assert caught.value.subject == target
    with pytest.raises(InputError) as long:
        open_target("a" * 100_000, Access())
    assert len(str(long.value)) < 1000
    with pytest.raises(InputError):
        open_target(t.cast("str", 5), Access())
    with pytest.raises(InputError) as hostile:
        open_target("oci:\x1b[31m", Access())
    assert str(hostile.value).isprintable()
