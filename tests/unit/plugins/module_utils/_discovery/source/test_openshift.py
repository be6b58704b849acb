# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image objects and image streams: what they name, what is left out, and what of them is broken."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery import images
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.cluster import Cluster
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.images import StreamTags
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.model import DiscoveredImage, Discovery
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.search import ImageFilter, discover
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.selection import DiscoverySelection
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source.model import Gathered
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source.openshift import (
    StreamQuery,
    gather,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import (
    INTERNAL,
    OPENSHIFT,
    PUBLIC,
    Object,
    RecordedClient,
    damaged,
    digest,
    image,
    index,
    stream,
)
from hypothesis import given

IMAGES, STREAMS = f"{images.PREFIX}/images", f"{images.PREFIX}/imagestreams"
SILENT = ImageFilter(ask=False)


def recorded(objects: t.Sequence[Object], streams: t.Sequence[Object] = ()) -> RecordedClient:
    """A cluster with these objects."""
    return RecordedClient({IMAGES: objects, STREAMS: streams}, OPENSHIFT)


def read(
    objects: t.Sequence[Object],
    streams: t.Sequence[Object] = (),
    selection: DiscoverySelection | None = None,
    query: StreamQuery | None = None,
) -> Gathered:
    """What the image API tells."""
    client = t.cast("t.Any", recorded(objects, streams))
    return gather(query or StreamQuery(), Cluster(client, selection or DiscoverySelection()))


def found(read_ones: Gathered, wish: ImageFilter = SILENT) -> Discovery:
    """What the search makes of it, with no registry to ask."""
    return discover(read_ones.named, Access(), wish=wish, catalogue=read_ones.catalogue)


def only(read_ones: Gathered) -> DiscoveredImage:
    """The one image that is found."""
    (one,) = found(read_ones).found
    return one


def patterns(*texts: str) -> tuple[re.Pattern[str], ...]:
    """Compiled."""
    return tuple(map(re.compile, texts))


def test_an_image_under_all_its_names() -> None:
    spec = {"name": "1", "from": {"kind": "DockerImage", "name": "quay.io/team/app:1.0"}, "generation": 2}
    one = only(
        read(
            [image("a")],
            [
                stream("shop", "app", [spec], **{"1": [(digest("a"), f"quay.io/team/app@{digest('a')}")]}),
                stream("test", "copy", latest=[(digest("a"), f"{INTERNAL}/shop/app@{digest('a')}")]),
            ],
        )
    )
    assert one.references == [
        "quay.io/team/app:1.0",
        f"quay.io/team/app@{digest('a')}",
        f"{PUBLIC}/shop/app:1",
        f"{PUBLIC}/test/copy:latest",
        f"{INTERNAL}/shop/app:1",
        f"{INTERNAL}/test/copy:latest",
        f"{INTERNAL}/shop/app@{digest('a')}",
    ]
    assert (one.kind, one.platform, one.created) == ("image", "linux/amd64", "2026-01-02T03:04:05Z")
    assert (one.size, one.layers) == (120, ["1" * 12, "2" * 12])
    assert (one.labels, one.sources, one.used_by) == ({"name": "team/app"}, ["openshift"], None)


@pytest.mark.parametrize(("order", "first"), [("ascending", "1"), ("descending", "2"), ("", "1")])
def test_the_order_of_the_layers(order: str, first: str) -> None:
    item = image("a")
    item["metadata"]["annotations"] = {images.LAYERS_ORDER: order}
    assert only(read([item])).layers[0] == first * 12


def test_an_image_of_which_its_object_says_nothing_may_be_an_index() -> None:
    bare = {"metadata": {"name": digest("a")}, "dockerImageReference": f"quay.io/team/app@{digest('a')}"}
    assert only(read([bare])).kind == ""
    assert only(read([{**image("a"), "dockerImageManifestMediaType": None}])).kind == "image"


def test_an_origin_that_has_changed_since_the_import_is_no_name_of_the_image() -> None:
    spec = {"name": "1", "from": {"kind": "DockerImage", "name": "quay.io/team/app:2.0"}, "generation": 3}
    given = stream("shop", "app", [spec], **{"1": [(digest("a"), f"quay.io/team/app@{digest('a')}")]})
    assert "quay.io/team/app:2.0" not in only(read([image("a")], [given])).references


def test_history_keeps_the_images_and_only_the_newest_has_the_tag() -> None:
    history = [(digest(letter), f"quay.io/team/app@{digest(letter)}") for letter in "abc"]
    given = [image(letter) for letter in "abc"], [stream("shop", "app", latest=history)]
    everything = found(read(*given))
    tagged = {one.digest for one in everything.found if f"{INTERNAL}/shop/app:latest" in one.references}
    assert (len(everything.found), tagged) == (3, {digest("a")})
    newest = read(*given, query=StreamQuery(history=False))
    search = found(newest)
    assert [one.digest for one in search.found] == [digest("a")]
    assert [one.count for one in (*newest.excluded, *search.excluded)] == [2, 2]


def test_an_image_that_no_stream_names() -> None:
    assert only(read([image("a")])).references == [f"quay.io/team/app@{digest('a')}"]


def test_an_image_without_any_name() -> None:
    read_ones = read([image("a", dockerImageReference="")])
    assert [(one.name, one.code) for one in read_ones.unidentified] == [(digest("a"), "no-reference")]
    search = found(read_ones)
    assert not search.found and not search.excluded


def test_a_reference_with_another_digest_cannot_lead_elsewhere() -> None:
    one = only(read([image("a", dockerImageReference=f"quay.io/team/app@{digest('b')}")]))
    assert one.references == [f"quay.io/team/app@{digest('a')}"]


def test_a_stream_whose_image_object_is_gone() -> None:
    one = only(read([], [stream("shop", "app", latest=[(digest("a"), f"quay.io/team/app@{digest('a')}")])]))
    assert (one.digest, one.kind) == (digest("a"), "")
    assert f"quay.io/team/app@{digest('a')}" in one.references


def test_a_tag_that_only_points_elsewhere_is_asked_for() -> None:
    read_ones = read([], [stream("shop", "app", latest=[("", "quay.io/team/app:1.0")])])
    assert [(one.name, one.digest) for one in read_ones.named] == [("quay.io/team/app:1.0", "")]
    assert [one.code for one in found(read_ones).unidentified] == ["not-resolved"]


def test_imports_that_failed() -> None:
    given = stream(
        "shop", "app", [{"name": "new", "from": {"kind": "DockerImage", "name": "quay.io/team/none:1"}}], bad=[], ok=[]
    )
    condition = {"type": "ImportSuccess", "status": "False", "message": "unauthorized:\x1b[31m no"}
    given["status"]["tags"][0]["conditions"] = [condition]
    told = {one.name: one for one in read([], [given]).unidentified}
    assert {one.code for one in told.values()} == {"import-failed"}
    assert "unauthorized:?[31m no" in told[f"{INTERNAL}/shop/app:bad"].message
    assert "no image yet" in told[f"{INTERNAL}/shop/app:ok"].message
    assert "DockerImage quay.io/team/none:1" in told[f"{INTERNAL}/shop/app:new"].message


def test_a_cluster_without_the_integrated_registry() -> None:
    given = stream("shop", "app", latest=[(digest("a"), f"quay.io/team/app@{digest('a')}")], bad=[])
    del given["status"]["dockerImageRepository"], given["status"]["publicDockerImageRepository"]
    read_ones = read([image("a")], [given])
    assert only(read_ones).references == [f"quay.io/team/app@{digest('a')}"]
    assert [one.name for one in read_ones.unidentified] == ["image stream shop/app, tag bad"]


def test_an_index_and_its_images() -> None:
    read_ones = read(
        [index("f", a="amd64", b="arm64", e="unknown"), image("a"), image("b"), image("e")],
        [stream("shop", "app", latest=[(digest("f"), f"quay.io/team/app@{digest('f')}")])],
    )
    images_found = {one.digest: one for one in found(read_ones).found}
    assert set(images_found) == {digest("f"), digest("a"), digest("b")}
    assert images_found[digest("f")].kind == "index"
    assert images_found[digest("f")].platforms == ["linux/amd64", "linux/arm64"]
    assert images_found[digest("a")].indexes == [digest("f")]
    assert [(one.reason, one.count) for one in read_ones.excluded] == [
        ("they only describe images of an index (unknown/unknown)", 1)
    ]


def test_the_images_of_an_index_without_any_name_are_found() -> None:
    read_ones = read([{**index("f", a="amd64"), "dockerImageReference": ""}, image("a")])
    assert only(read_ones).digest == digest("a")
    assert [(one.name, one.code) for one in read_ones.unidentified] == [(digest("f"), "no-reference")]


def test_the_images_of_an_index_that_is_left_out_are_left_out_too() -> None:
    read_ones = read(
        [index("f", a="amd64"), image("a")],
        [stream("openshift", "app", latest=[(digest("f"), f"quay.io/team/app@{digest('f')}")])],
    )
    search = found(read_ones)
    assert not search.found
    assert [(one.name, one.count) for one in (*read_ones.excluded, *search.excluded)] == [
        ("namespace openshift", 1),
        ("images.image.openshift.io", 2),
    ]


NAMESPACES = ("shop", "shop-test", "openshift", "openshift-config", "kube-system", "default")


@pytest.mark.parametrize(
    ("selection", "kept"),
    [
        (DiscoverySelection(), {"shop", "shop-test", "default"}),
        (DiscoverySelection(system=True), set(NAMESPACES)),
        (DiscoverySelection(patterns("shop.*")), {"shop", "shop-test"}),
        (DiscoverySelection(patterns(".*"), patterns("shop-.*")), {"shop", "default"}),
        (DiscoverySelection(patterns("openshift", "shop.*")), {"openshift", "shop", "shop-test"}),
        (DiscoverySelection(exclude=patterns("default")), {"shop", "shop-test"}),
    ],
)
def test_namespaces(selection: DiscoverySelection, kept: set[str]) -> None:
    streams, objects = [], []
    for letter, name in zip("abcdef", NAMESPACES):
        streams.append(stream(name, "app", latest=[(digest(letter), f"quay.io/{name}/app@{digest(letter)}")]))
        objects.append(image(letter, f"quay.io/{name}/app"))
    read_ones = read(objects, streams, selection)
    search = found(read_ones)
    assert {one.references[0].split("/")[1] for one in search.found} == kept
    left = len(NAMESPACES) - len(kept)
    assert sum(one.count for one in read_ones.excluded) == left
    assert sum(one.count for one in search.excluded) == left


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ({"streams": patterns("app")}, {"a", "b"}),
        ({"streams": patterns("shop/.*")}, {"a", "c"}),
        ({"tags": patterns("v1")}, {"a", "b", "c"}),
        ({"tags": patterns("v2")}, set()),
        ({"streams": patterns("app"), "tags": patterns("v.")}, {"a", "b"}),
    ],
)
def test_streams_and_tags(query: dict[str, t.Any], kept: set[str]) -> None:
    streams = [
        stream(namespace, name, v1=[(digest(letter), f"quay.io/x/{letter}@{digest(letter)}")])
        for namespace, name, letter in (("shop", "app", "a"), ("test", "app", "b"), ("shop", "db", "c"))
    ]
    read_ones = read([image(letter) for letter in "abcd"], streams, query=StreamQuery(**query))
    search = found(read_ones)
    assert {one.digest for one in search.found} == {digest(letter) for letter in kept}
    # The image that no stream names is not chosen either, and counted.
    assert sum(one.count for one in search.excluded) == 4 - len(kept)
    assert sum(one.count for one in read_ones.excluded) == 3 - len(kept)


def test_plain_namespaces_are_asked_alone_and_labels_by_the_server() -> None:
    client = recorded([image("a")])
    selection = DiscoverySelection(patterns("shop"), label_selector="tier=1")
    gather(StreamQuery(), Cluster(t.cast("t.Any", client), selection))
    path = f"{images.PREFIX}/namespaces/shop/imagestreams"
    assert client.asked == [(IMAGES, {}), (path, {"labelSelector": "tier=1"})]


def test_no_openshift() -> None:
    with pytest.raises(InputError, match="it is not OpenShift"):
        gather(StreamQuery(), Cluster(t.cast("t.Any", RecordedClient({}))))


def test_a_list_that_is_refused_is_no_empty_list() -> None:
    client = recorded([image("a")])
    client.refused[STREAMS] = 403
    with pytest.raises(ApiError):
        gather(StreamQuery(), Cluster(t.cast("t.Any", client)))


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"metadata": None},
        {"metadata": {"name": "sha256:short"}},
        {"metadata": {"name": ["x"]}},
        {"metadata": {"name": "rootfs:/etc"}},
    ],
)
def test_an_object_without_identity_is_reported(broken: Object) -> None:
    read_ones = read([broken, image("a")])
    assert [one.code for one in read_ones.unidentified] == ["corrupt-data"]
    assert only(read_ones).digest == digest("a")


@pytest.mark.parametrize(
    "value", [None, 7, "x", [], [None], {"x": 1}, {"Labels": 3}, -1, True, "\ud800", "\x1b" * 5000]
)
@pytest.mark.parametrize(
    "name",
    [
        "dockerImageLayers",
        "dockerImageMetadata",
        "dockerImageManifests",
        "dockerImageManifestMediaType",
        "dockerImageReference",
    ],
)
def test_fields_of_another_type(name: str, value: t.Any) -> None:
    read_ones = read([image("a", **{name: value})])
    search = found(read_ones)
    assert len(search.found) + len(read_ones.unidentified) == 1
    str([vars(one) for one in search.found]).encode("utf-8")


NO_TAGS: t.Sequence[t.Any] = (7, "x", {"a": 1}, [None], [{}], [{"tag": 1}], [{"tag": "t", "items": [None, 3]}])
NO_HOLDER: t.Sequence[t.Any] = (7, "x", [1], {"tags": 5})


@pytest.mark.parametrize(
    ("place", "value", "broken"),
    [
        *(("tags", value, True) for value in NO_TAGS),
        *((place, value, True) for place in ("spec", "status") for value in NO_HOLDER),
        *((place, None, False) for place in ("spec", "status", "tags")),
    ],
)
def test_streams_of_another_shape(place: str, value: t.Any, broken: bool) -> None:
    given = stream("shop", "app", latest=[(digest("a"), f"quay.io/team/app@{digest('a')}")])
    if place == "tags":
        given["status"]["tags"] = value
    else:
        given[place] = value
    read_ones = read([], [given])
    assert bool(read_ones.unidentified) is broken
    assert bool(read_ones.named) is (place == "spec")


def test_a_history_without_end_is_cut_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "HISTORY_LIMIT", 2)
    history = [(digest(letter), f"quay.io/team/app@{digest(letter)}") for letter in "abc"]
    read_ones = read([], [stream("shop", "app", latest=history)])
    assert {one.digest for one in read_ones.named} == {digest("a"), digest("b")}
    assert "not all of its history" in read_ones.unidentified[0].message


def test_a_tag_that_comes_twice_is_said() -> None:
    given = stream("shop", "app", latest=[(digest("a"), f"quay.io/team/app@{digest('a')}")])
    twin = stream("shop", "app", latest=[(digest("b"), f"quay.io/team/app@{digest('b')}")])
    given["status"]["tags"] += twin["status"]["tags"]
    read_ones = read([], [given])
    assert [one.code for one in read_ones.unidentified] == ["corrupt-data"]
    assert "the tag latest twice" in read_ones.unidentified[0].message


def test_a_tag_is_found_in_a_stream_that_was_not_listed() -> None:
    given = stream("shop", "app", latest=[(digest("a"), f"quay.io/team/app@{digest('a')}")])
    client = RecordedClient({f"{images.PREFIX}/namespaces/shop/imagestreams": [given]}, OPENSHIFT)
    tags = StreamTags(t.cast("t.Any", client), {})
    assert tags.find("shop", "app", "latest") == (f"{INTERNAL}/shop/app:latest", digest("a"))
    assert tags.find("shop", "app", "latest")[1] == digest("a")
    assert len(client.asked) == 1
    for name, tag in (("app", "none"), ("none", "latest")):
        with pytest.raises(ScanError):
            tags.find("shop", name, tag)


@given(damaged(stream("shop", "app", latest=[(digest("a"), f"quay.io/team/app@{digest('a')}")])))
def test_no_stream_makes_the_search_fail_or_vanishes(item: t.Any) -> None:
    read_ones = read([], [item, stream("shop", "good", latest=[(digest("b"), "quay.io/b:1")])])
    found(read_ones)
    assert digest("b") in {one.digest for one in read_ones.named}
    repr(read_ones).encode("utf-8")


@given(damaged(image("a")) | damaged(index("a", b="amd64")))
def test_no_image_object_makes_the_search_fail_or_vanishes(item: t.Any) -> None:
    read_ones = read([item])
    search = found(read_ones)
    assert len(search.found) + len(read_ones.unidentified) == 1
    repr((read_ones, search)).encode("utf-8")


def test_a_namespace_that_nobody_knows_and_that_is_empty_is_reported() -> None:
    selection = DiscoverySelection(patterns("secret"))
    read_ones = gather(StreamQuery(), Cluster(t.cast("t.Any", recorded([])), selection, unsure=["secret"]))
    assert [one.code for one in read_ones.unidentified] == ["namespace-unknown"]
