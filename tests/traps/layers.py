# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps in what an image is made of: manifests, layers, compression, whiteouts, links, platforms."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.imagescan.openshift.examples.fleet import images, rpmdb

from .situation import BASE, PATCHED, VULNERABLE, Situation, openssl
from .trap import Trap, differs, hides

DATABASE = "var/lib/rpm/rpmdb.sqlite"


def database(packages: t.Sequence[rpmdb.Rpm], place: str = "var/lib/rpm") -> tuple[images.Entry, ...]:
    """A package database as entries of a layer."""
    return tuple(images.files(place, rpmdb.sqlite_files(packages)))


def layer_type(media_type: str, **more: t.Any) -> t.Callable[[images.Json], None]:
    """Change the media type of the last layer."""

    def edit(manifest: images.Json) -> None:
        manifest["layers"][-1].update(mediaType=media_type, **more)

    return edit


def last_layer(blobs: images.Blobs, descriptor: images.Json) -> str:
    """Digest of the last layer."""
    digest: str = json.loads(blobs[descriptor["digest"]])["layers"][-1]["digest"]
    return digest


def cut_layer(blobs: images.Blobs, descriptor: images.Json) -> None:
    digest = last_layer(blobs, descriptor)
    blobs[digest] = blobs[digest][:-40]


def mark_layer(blobs: images.Blobs, descriptor: images.Json) -> None:
    """Change the byte of the gzip header that names the operating system: same content, another digest."""
    digest = last_layer(blobs, descriptor)
    blobs[digest] = blobs[digest][:9] + b"\x00" + blobs[digest][10:]


def remove_layer(blobs: images.Blobs, descriptor: images.Json) -> None:
    del blobs[last_layer(blobs, descriptor)]


def cut_and_declare(manifest: images.Json) -> None:
    """Name one layer less than the config does."""
    manifest["layers"].pop()


def forget_diff_id(config: images.Json) -> None:
    config["rootfs"]["diff_ids"].pop()


def wrong_diff_id(config: images.Json) -> None:
    config["rootfs"]["diff_ids"][-1] = images.digest(b"another tar")


EMPTY_TABLE = b'{"version": 1, "entries": []}'


def name_table(manifest: images.Json) -> None:
    """Name the layer's table of contents, as eStargz does."""
    manifest["layers"][-1]["annotations"] = {"containerd.io/snapshot/stargz/toc.digest": images.digest(EMPTY_TABLE)}


def schema_1(manifest: images.Json) -> None:
    manifest.update(
        schemaVersion=1,
        mediaType="application/vnd.docker.distribution.manifest.v1+prettyjws",
        fsLayers=[{"blobSum": layer["digest"]} for layer in manifest.pop("layers")],
        history=[],
    )


def artifact(manifest: images.Json) -> None:
    manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"


def upper_database(
    packages: t.Sequence[rpmdb.Rpm], *before: images.Entry, after: tuple[images.Entry, ...] = ()
) -> t.Any:
    """Entries of an upper layer that holds a database, for a trap (vulnerable) and its twin (patched)."""
    return (*before, *database(packages), *after)


def in_upper(name: str, fools: str, entries: t.Callable[[t.Sequence[rpmdb.Rpm]], t.Any], **both: t.Any) -> Trap:
    """The upper layer's database counts: vulnerable in the trap, patched in the twin."""
    return differs(name, fools, "upper", entries(VULNERABLE), entries(PATCHED), verdict="failed", **both)


def child(packages: tuple[rpmdb.Rpm, ...], arch: str = "x86_64") -> Situation:
    """An image of an index, all of one architecture."""
    return Situation(packages=tuple(dataclasses.replace(rpm, arch=arch) for rpm in packages))


def tag_twice(files: dict[str, bytes]) -> None:
    """Give the tag to a second image, too."""
    listing = json.loads(files["index.json"])
    blobs: images.Blobs = {}
    other = images.image(blobs, [images.layer([images.Entry("app", b"x")])])
    listing["manifests"].append({**other, "annotations": listing["manifests"][0]["annotations"]})
    files["index.json"] = images.to_json(listing)
    files.update({"blobs/" + name.replace(":", "/"): content for name, content in blobs.items()})


def exchange_manifest(files: dict[str, bytes]) -> None:
    """Put another image's manifest where the index names this one's."""
    digest = json.loads(files["index.json"])["manifests"][0]["digest"]
    name = "blobs/" + digest.replace(":", "/")
    files[name] = files[name].replace(b'"schemaVersion":2', b'"schemaVersion":2 ')


def exchange_config(files: dict[str, bytes]) -> None:
    """Change the config, which names the diffIDs, behind the manifest's back."""
    digest = json.loads(files["index.json"])["manifests"][0]["digest"]
    manifest = json.loads(files["blobs/" + digest.replace(":", "/")])
    name = "blobs/" + manifest["config"]["digest"].replace(":", "/")
    files[name] = files[name].replace(b'"architecture":"amd64"', b'"architecture":"arm64"')


def edit_index(edit: t.Callable[[dict[str, bytes], images.Json], bytes]) -> t.Callable[[dict[str, bytes]], None]:
    """Change the index that the layout names; ``edit`` gets the files and the index, and gives its new bytes."""

    def edit_layout(files: dict[str, bytes]) -> None:
        layout = json.loads(files["index.json"])
        entry = layout["manifests"][0]
        data = edit(files, json.loads(files.pop(f"blobs/{entry['digest'].replace(':', '/')}")))
        entry.update(digest=images.digest(data), size=len(data))
        files[f"blobs/{entry['digest'].replace(':', '/')}"] = data
        files["index.json"] = images.to_json(layout)

    return edit_layout


def nest_first(platform: str) -> t.Callable[[dict[str, bytes]], None]:
    """Put the index's first entry into an index of its own, which is there for ``platform``."""

    def edit(files: dict[str, bytes], content: images.Json) -> bytes:
        inner = images.to_json({**content, "manifests": content["manifests"][:1]})
        name = images.digest(inner)
        files[f"blobs/{name.replace(':', '/')}"] = inner
        system, architecture = platform.split("/")
        content["manifests"][0] = {
            "mediaType": images.INDEX,
            "digest": name,
            "size": len(inner),
            "platform": {"os": system, "architecture": architecture},
        }
        return images.to_json(content)

    return edit_index(edit)


def say_attestation(_files: dict[str, bytes], content: images.Json) -> bytes:
    """Call the first entry an attestation, as buildkit does, but without a platform."""
    del content["manifests"][0]["platform"]
    content["manifests"][0]["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
    return images.to_json(content)


def platform_twice(_files: dict[str, bytes], content: images.Json) -> bytes:
    """Write the first entry's platform twice: Go keeps the variant of the first one."""
    platform = content["manifests"][0]["platform"]
    once = b'"platform":' + images.to_json(platform)
    return images.to_json(content).replace(once, b'"platform":{"variant":"v3"},' + once, 1)


I386 = "linux/386"
AMD, ARM = "linux/amd64", "linux/arm64"
BOTH = (AMD, ARM)


def as_object(packages: t.Sequence[t.Any]) -> dict[str, bytes]:
    """The database under the name that it has in a store of objects."""
    return {"0c2f.file": rpmdb.sqlite_files(packages)["rpmdb.sqlite"]}


TRAPS = [
    # How a layer is packed.
    hides(
        "several-gzip-members",
        "a reader of gzip that stops at the end of the first member sees an image without a database",
        cut_at=DATABASE,
    ),
    hides(
        "several-zstd-frames",
        "a reader of zstd that stops at the end of the first frame sees an image without a database",
        cut_at=DATABASE,
        compression="zstd",
    ),
    hides("plain-layer", "a reader that takes every layer for gzip", compression="none"),
    differs(
        "layer-cut-short",
        "a reader that takes the end of the stream for the end of the tar",
        "edit_blobs",
        cut_layer,
        verdict="error",
        codes="layer-truncated",
    ),
    differs(
        "layer-exchanged",
        "whoever does not hash what it read: a layer that is as good lies where the manifest names another",
        "edit_blobs",
        mark_layer,
        verdict="error",
        codes="digest-mismatch",
    ),
    differs(
        "layer-absent",
        "whoever leaves out a layer that it cannot fetch",
        "edit_blobs",
        remove_layer,
        verdict="error",
        codes="blob-not-found",
    ),
    differs(
        "layer-with-another-diff-id",
        "whoever verifies the compressed layer alone: the runtime refuses it, or unpacks what nobody examined",
        "edit_config",
        wrong_diff_id,
        verdict="error",
        codes="diffid-mismatch",
    ),
    differs(
        "layer-that-the-config-does-not-know",
        "whoever pairs layers with diffIDs and drops what is left over",
        "edit_config",
        forget_diff_id,
        verdict="error",
        codes="corrupt-data",
    ),
    differs(
        "layer-that-the-manifest-does-not-name",
        "whoever reads only the layers that the manifest names, while the config speaks of one more",
        "edit_manifest",
        cut_and_declare,
        verdict="error",
        codes="corrupt-data",
        upper=(images.Entry("opt/app", b"x"),),
    ),
    differs(
        "foreign-layer",
        "whoever skips layers that the registry does not hold",
        "edit_manifest",
        layer_type(
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", urls=["https://example.com/layer.tar.gz"]
        ),
        verdict="error",
        codes="unsupported-image",
    ),
    differs(
        "encrypted-layer",
        "whoever skips layers of a media type that it does not know",
        "edit_manifest",
        layer_type("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
        verdict="error",
        codes="unsupported-image",
    ),
    differs(
        "schema-1",
        "whoever finds no 'layers' in a manifest and reads none",
        "edit_manifest",
        schema_1,
        verdict="error",
        codes="unsupported-image",
    ),
    differs(
        "artifact-in-place-of-an-image",
        "whoever calls a chart or a signature an image without packages",
        "edit_manifest",
        artifact,
        verdict="error",
        codes="unsupported-image",
    ),
    differs(
        "manifest-exchanged",
        "whoever trusts that a file has the digest which is its name",
        "edit_layout",
        exchange_manifest,
        verdict="error",
        codes="digest-mismatch",
    ),
    differs(
        "config-exchanged",
        "the same for the config, by which layers are verified",
        "edit_layout",
        exchange_config,
        verdict="error",
        codes="digest-mismatch",
    ),
    differs(
        "tag-of-two-images",
        "whoever takes the first of two images that bear one tag",
        "edit_layout",
        tag_twice,
        verdict="error",
        codes="invalid-input",
    ),
    hides("docker-archive", "a reader of OCI layouts alone", form="docker-archive"),
    hides("oci-archive", "the same", form="oci-archive"),
    hides("members-with-a-dot", "a reader that compares paths letter by letter: ./var is var", prefix="./"),
    hides("members-with-a-slash", "the same: /var is var", prefix="/"),
    hides("folders-without-entries", "a reader that waits for the entry of a folder", parents=False),
    hides(
        "long-names",
        "a reader that does not know extended headers, where names of more than 100 bytes stand",
        place="opt/" + "a" * 60 + "/" + "b" * 60 + "/" + "c" * 60,
        more=(images.symlink("var/lib/rpm", "/opt/" + "a" * 60 + "/" + "b" * 60 + "/" + "c" * 60),),
    ),
    # What upper layers do to lower ones.
    differs(
        "whiteout-with-a-dot",
        "a reader that compares paths letter by letter keeps a database that is gone",
        "upper",
        (images.whiteout("var/lib/rpm"),),
        (images.whiteout("var/lib/rpm-old"),),
        codes="rpmdb-missing",
        prefix="./",
    ),
    hides(
        "hard-link-into-a-lower-layer",
        "a reader that looks for the link's target in the link's own layer",
        place="opt/state",
        write=as_object,
        upper=(images.hardlink("var/lib/rpm/rpmdb.sqlite", "opt/state/0c2f.file"),),
    ),
    differs(
        "database-whited-out",
        "a reader that sees no database and reports no vulnerable package",
        "upper",
        (images.whiteout("var/lib/rpm"),),
        (images.whiteout("var/lib/rpm-old"),),
        codes="rpmdb-missing",
    ),
    differs(
        "database-file-whited-out",
        "the same, for the file alone",
        "upper",
        (images.whiteout(DATABASE),),
        (images.whiteout(DATABASE + ".bak"),),
        codes="rpmdb-missing",
    ),
    differs(
        "opaque-folder-without-a-database",
        "a reader that does not know opaque folders judges packages that are gone, or none",
        "upper",
        (images.opaque("var/lib/rpm"),),
        (*database(PATCHED), images.opaque("var/lib/rpm")),
        codes="rpmdb-missing",
    ),
    in_upper(
        "opaque-marker-after-its-entries",
        "a reader that lets the marker hide entries of its own layer falls back to the lower, patched database",
        lambda packages: upper_database(packages, after=(images.opaque("var/lib/rpm"),)),
    ),
    in_upper(
        "whiteout-beside-its-own-entry",
        "a reader that lets a whiteout hide an entry of its own layer",
        lambda packages: upper_database(packages, after=(images.whiteout(DATABASE),)),
    ),
    in_upper(
        "upper-database-is-older",
        "a reader that takes the first database that it meets, or the one with the newest packages",
        upper_database,
    ),
    differs(
        "folder-replaced-by-a-file",
        "a reader that keeps what lay below a folder which an upper layer replaced",
        "upper",
        (images.Entry("var/lib/rpm", b"not a folder"),),
        (images.Entry("var/lib/rpm.txt", b"not a folder"),),
        codes="rpmdb-missing",
    ),
    differs(
        "same-member-twice",
        "a reader that keeps the first of two members with one name; the last one counts",
        "more",
        database(VULNERABLE),
        database(PATCHED),
        verdict="failed",
    ),
    differs(
        "parent-of-the-database-is-another-folder",
        "a reader that follows names and no links: var is a link that an upper layer points elsewhere",
        "upper",
        (images.whiteout("var"), images.symlink("var", "srv"), *database(VULNERABLE, "srv/lib/rpm")),
        (images.whiteout("var"), images.symlink("var", "srv"), *database(PATCHED, "srv/lib/rpm")),
        verdict="failed",
    ),
    # Where the database is.
    hides(
        "database-is-a-hard-link",
        "a reader that keeps only regular files: ostree links the database to an object seen earlier",
        place="sysroot/ostree/repo/objects/5a",
        write=as_object,
        more=(images.hardlink("usr/share/rpm/rpmdb.sqlite", "sysroot/ostree/repo/objects/5a/0c2f.file"),),
    ),
    hides(
        "folder-is-a-symlink",
        "a reader that looks for the path var/lib/rpm and does not follow the link",
        place="usr/lib/sysimage/rpm",
        more=(images.symlink("var/lib/rpm", "../../usr/lib/sysimage/rpm"),),
    ),
    hides(
        "folder-is-an-absolute-symlink",
        "a reader that follows an absolute link on its own machine, and finds its own database or none",
        place="opt/state/rpm",
        more=(images.symlink("var/lib/rpm", "/opt/state/rpm"),),
    ),
    differs(
        "folder-is-a-link-to-itself",
        "a reader that gives up on a loop of links, and finds no database",
        "more",
        (
            images.symlink("var/lib/rpm", "../../usr/lib/sysimage/rpm"),
            images.symlink("usr/lib/sysimage/rpm", "/var/lib/rpm"),
        ),
        (images.symlink("usr/lib/sysimage/rpm", "/var/lib/rpm"), images.symlink("var/lib/rpm", "/opt/state")),
        codes="symlink-loop",
        place="opt/state",
    ),
    hides(
        "database-file-is-a-symlink",
        "a reader that keeps only regular files",
        place="opt/state",
        more=(images.symlink("var/lib/rpm/rpmdb.sqlite", "/opt/state/rpmdb.sqlite"),),
    ),
    differs(
        "folder-is-a-dangling-symlink",
        "a reader that finds nothing behind the link, and calls it empty",
        "place",
        "opt/state",
        "opt/other",
        codes="rpmdb-missing",
        more=(images.symlink("var/lib/rpm", "/opt/other"),),
    ),
    hides("database-of-ostree", "a reader that knows only var/lib/rpm", place="usr/share/rpm"),
    differs(
        "database-misplaced",
        "a reader that finds no database where it looks, and says that there are no packages",
        "place",
        "opt/rpm",
        codes="rpmdb-missing",
    ),
    differs(
        "two-databases",
        "a reader that stops at the first place: the other database has what was installed later",
        "more",
        database(VULNERABLE, "usr/lib/sysimage/rpm"),
        database(PATCHED, "usr/lib/sysimage/rpm"),
        verdict="failed",
        codes=("rpmdb-ambiguous", "vulnerability"),
    ),
    differs(
        "table-of-contents-of-another-layer",
        "whoever reads the tar, while a lazy snapshotter mounts what the eStargz table lists",
        "edit_manifest",
        name_table,
        codes="layer-ambiguous",
        more=(images.Entry("stargz.index.json", EMPTY_TABLE),),
    ),
    # Several platforms.
    differs(
        "platform-of-the-nodes-is-missing",
        "whoever judges the images that are there: the node's platform is not among them",
        "platforms",
        BOTH,
        (AMD,),
        codes="platform-missing",
        children=((AMD, child(PATCHED)),),
    ),
    differs(
        "another-platform-was-forgotten",
        "whoever looks at the scanner's own platform only",
        "children",
        ((AMD, child(PATCHED)), (ARM, child((*BASE, openssl("1:3.0.7-27.el9")), "aarch64"))),
        ((AMD, child(PATCHED)), (ARM, child(PATCHED, "aarch64"))),
        verdict="failed",
        platforms=BOTH,
    ),
    differs(
        "index-inside-an-index",
        "whoever skips entries of an index that are not images: nodes look into them",
        "children",
        ((AMD, child(VULNERABLE)),),
        ((AMD, child(PATCHED)),),
        verdict="failed",
        nested=True,
    ),
    differs(
        "newer-variant-beside-a-fallback",
        "whoever takes linux/amd64/v4 for linux/amd64: containerd does not, and falls back to linux/386",
        "children",
        (("linux/amd64/v4", child(PATCHED)), (I386, child(VULNERABLE))),
        (("linux/amd64/v4", child(PATCHED)), (I386, child(PATCHED))),
        verdict="failed",
    ),
    differs(
        "newer-arm64-beside-a-fallback",
        "the same on arm64: most nodes cannot run v9, and containerd falls back to linux/arm",
        "children",
        (("linux/arm64/v9", child(PATCHED)), ("linux/arm/v7", child(VULNERABLE))),
        (("linux/arm64/v9", child(PATCHED)), ("linux/arm/v7", child(PATCHED))),
        verdict="failed",
        platforms=(ARM,),
    ),
    differs(
        "newer-variant-beside-the-baseline",
        "whoever looks at the baseline only: a runtime that knows its processor takes the newer variant",
        "children",
        ((AMD, child(PATCHED)), ("linux/amd64/v3", child(VULNERABLE))),
        ((AMD, child(PATCHED)), ("linux/amd64/v3", child(PATCHED))),
        verdict="failed",
    ),
    differs(
        "image-for-newer-nodes-only",
        "whoever finds an image for the architecture, and does not ask whether all nodes can run it",
        "children",
        (("linux/amd64/v3", child(PATCHED)),),
        ((AMD, child(PATCHED)), ("linux/amd64/v3", child(PATCHED))),
        codes="platform-missing",
    ),
    differs(
        "image-for-a-newer-variant-than-the-nodes",
        "whoever takes linux/arm, which means v7, for an image that v6 can run",
        "children",
        (("linux/arm", child(PATCHED)),),
        (("linux/arm/v6", child(PATCHED)),),
        codes="platform-missing",
        platforms=("linux/arm/v6",),
    ),
    differs(
        "image-without-variant-on-an-older-node",
        "whoever models containerd alone: CRI-O takes linux/arm on every arm node",
        "children",
        (("linux/arm", child(VULNERABLE)), ("linux/arm/v6", child(PATCHED))),
        (("linux/arm", child(PATCHED)), ("linux/arm/v6", child(PATCHED))),
        verdict="failed",
        platforms=("linux/arm/v6",),
    ),
    differs(
        "fallback-in-a-nested-index",
        "whoever drops the fallback because an image for the architecture itself is there: a node looks into the nested"
        " index first",
        "children",
        ((I386, child(VULNERABLE)), (AMD, child(PATCHED))),
        ((I386, child(PATCHED)), (AMD, child(PATCHED))),
        verdict="failed",
        edit_layout=nest_first(AMD),
    ),
    differs(
        "baseline-in-a-nested-index",
        "whoever looks for the architecture itself in a nested index that no node opens, and drops the fallback",
        "children",
        ((AMD, child(PATCHED)), (I386, child(VULNERABLE))),
        ((AMD, child(PATCHED)), (I386, child(PATCHED))),
        verdict="failed",
        edit_layout=nest_first("linux/s390x"),
    ),
    differs(
        "attestation-by-annotation-alone",
        "whoever believes an annotation: containerd and CRI-O do not read it, and run an entry without a platform",
        "children",
        ((AMD, child(VULNERABLE)), (AMD, child((*PATCHED, openssl("1:3.0.7-29.el9_4"))))),
        ((AMD, child(PATCHED)), (AMD, child((*PATCHED, openssl("1:3.0.7-29.el9_4"))))),
        verdict="failed",
        edit_layout=edit_index(say_attestation),
    ),
    differs(
        "platform-that-stands-twice",
        "whoever takes the last of two equal keys: Go merges them, and sees another variant",
        "edit_layout",
        edit_index(platform_twice),
        verdict="error",
        codes="corrupt-data",
        children=((AMD, child(PATCHED)), (I386, child(VULNERABLE))),
    ),
    differs(
        "index-of-attestations-only",
        "whoever finds nothing to complain about in an index without an image",
        "children",
        (("unknown/unknown", child(PATCHED)),),
        ((AMD, child(PATCHED)), ("unknown/unknown", child(PATCHED))),
        verdict="error",
        codes="unsupported-image",
    ),
]
