# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How names, what a cluster knows and what registries answer come together: one image a digest, nothing lost."""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timezone

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import Abandoned, RegistryError
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery import model, search
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.model import (
    Catalogue,
    DiscoveredImage,
    Discovery,
    Excluded,
    ImageFacts,
    NamedImage,
    NameUsage,
    fold,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.search import ImageFilter, discover
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import (
    Descriptor,
    Image,
    ImageConfig,
    ImageIndex,
    Layer,
    Platform,
)

APP = "quay.io/team/app"
AMD, ARM = Platform("linux", "amd64"), Platform("linux", "arm64")


def digest(letter: str) -> str:
    """A digest that is easy to tell from others."""
    return "sha256:" + letter * 64


def image(letter: str, config: str = "0", labels: t.Mapping[str, str] | None = None) -> Image:
    """An image with one layer."""
    settings = ImageConfig(digest(config), AMD, "2026-01-02T03:04:05Z", labels or {}, (), ())
    return Image(digest(letter), "", settings, (Layer(Descriptor("", digest("9"), 7), ""),), t.cast("t.Any", None))


def index(letter: str, *children: str) -> ImageIndex:
    """An index of images."""
    return ImageIndex(digest(letter), "", tuple(Descriptor("", digest(child), 1, AMD) for child in children))


class Registries:
    """What registries answer: an image or an error by target."""

    def __init__(self) -> None:
        self.answers: dict[str, t.Any] = {}
        self.children: dict[str, t.Any] = {}
        self.asked: list[str] = []

    def open_target(self, target: str, access: Access) -> t.Any:
        """Stands for the registries."""
        self.asked.append(target)
        answer = self.answers.get(target, RegistryError("404 for it", status=404, code="image-not-found"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def open_child(self, parent: ImageIndex, child: Descriptor, access: Access) -> t.Any:
        """Opens an image of an index."""
        return self.children[child.digest]


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> Registries:
    """Registries without any image yet."""
    made = Registries()
    monkeypatch.setattr(search, "open_target", made.open_target)
    monkeypatch.setattr(search, "open_child", made.open_child)
    return made


def catalogue(*facts: ImageFacts, **more: t.Any) -> Catalogue:
    """What a cluster knows."""
    return Catalogue({one.digest: one for one in facts}, **more)


def described(letter: str, **more: t.Any) -> ImageFacts:
    """An image as a cluster describes it."""
    return ImageFacts(digest(letter), "image", f"{APP}@{digest(letter)}", "linux/amd64", **more)


def by_digest(found: Discovery) -> dict[str, DiscoveredImage]:
    """The images."""
    return {one.digest: one for one in found.found}


def ran(letter: str = "", name: str = f"{APP}:1", image_id: str = "") -> NamedImage:
    """A name that a workload gave."""
    return NamedImage(name, "workloads", digest(letter) if letter else "", image_id)


def used(*names: NamedImage, pods: t.Iterable[int] = (1,), namespace: str = "shop") -> dict[NamedImage, NameUsage]:
    """The same use of every name."""
    return {one: NameUsage(set(pods), {namespace}) for one in names}


def test_an_image_of_stream_registry_and_workload_is_one(registries: Registries) -> None:
    registries.answers["reg.example.com/app:1"] = image("a")
    named = [
        NamedImage("reg.example.com/app:1", "registry"),
        NamedImage("own:5000/shop/app:1", "openshift", digest("a")),
    ]
    found = discover(
        named,
        Access(),
        catalogue=catalogue(described("a", size=5), registries=("own:5000",)),
        uses=used(ran("a"), pods=(1, 2)),
    )
    (one,) = found.found
    assert one.sources == ["openshift", "registry", "workloads"]
    assert one.references == [f"{APP}:1", "reg.example.com/app:1", f"{APP}@{digest('a')}", "own:5000/shop/app:1"]
    assert (one.size, one.used_by) == (5, {"count": 2, "namespaces": ["shop"]})
    assert registries.asked == ["reg.example.com/app:1"]  # what the cluster describes is not asked for


def test_what_nobody_describes_is_asked_for_once(registries: Registries) -> None:
    registries.answers[f"{APP}@{digest('a')}"] = image("a")
    found = discover([NamedImage(f"{APP}:2", "openshift", digest("a"))], Access(), uses=used(ran("a")))
    assert registries.asked == [f"{APP}@{digest('a')}"]
    (one,) = found.found
    assert (one.kind, one.platform, one.size, one.layers) == ("image", "linux/amd64", 7, ["9" * 12])


def test_a_digest_that_the_cluster_tells_is_found_though_its_registry_is_down(registries: Registries) -> None:
    registries.answers[f"{APP}@{digest('a')}"] = RegistryError("no connection", code="registry-unavailable")
    found = discover([], Access(), uses=used(ran("a")))
    assert [(one.digest, one.kind) for one in found.found] == [(digest("a"), "")]
    assert not found.unidentified


def test_a_reference_that_cannot_be_asked_is_reported_with_who_uses_it(registries: Registries) -> None:
    named = ran()
    uses = {named: NameUsage(set(), {"shop", "test"})}
    (problem,) = discover([], Access(), uses=uses).unidentified
    assert (problem.name, problem.source, problem.code) == (f"{APP}:1", "workloads", "image-not-found")
    assert "used in namespace shop and 1 more" in problem.message


def test_registries_are_not_asked_where_that_is_not_wanted(registries: Registries) -> None:
    found = discover([], Access(), uses=used(ran(), ran("a", f"{APP}:2")), wish=ImageFilter(ask=False))
    assert [one.code for one in found.unidentified] == ["not-resolved"]
    assert [one.digest for one in found.found] == [digest("a")]
    assert not registries.asked


def test_a_stream_tag_that_the_cluster_knows(registries: Registries) -> None:
    known = catalogue(described("a"), tags={"own:5000/shop/app:1": digest("a")})
    found = discover([], Access(), catalogue=known, uses=used(ran(name="own:5000/shop/app:1")))
    assert [one.digest for one in found.found] == [digest("a")]
    assert not registries.asked


def test_an_image_id_is_the_digest_or_config_of_a_described_image(registries: Registries) -> None:
    known = catalogue(described("a", config=digest("c")), described("b", config=digest("c")), described("d"))
    ids = [ran(image_id=digest("c")), ran(name=f"{APP}:2", image_id=digest("d"))]
    found = by_digest(discover([], Access(), catalogue=known, uses=used(*ids), wish=ImageFilter(in_use=True)))
    # Two manifests with one config are the same files: both run.
    assert set(found) == {digest("a"), digest("b"), digest("d")}
    assert not registries.asked


@pytest.mark.parametrize("form", ["manifest", "config", "child"])
def test_an_image_id_that_the_registry_proves(registries: Registries, form: str) -> None:
    if form == "manifest":
        registries.answers[f"{APP}@{digest('c')}"] = image("c")
    elif form == "config":
        registries.answers[f"{APP}:1"] = image("a", config="c")
    else:
        registries.answers[f"{APP}:1"] = index("f", "a", "b")
        registries.children = {digest("a"): image("a", config="1"), digest("b"): image("b", config="c")}
    found = discover([], Access(), uses=used(ran(image_id=digest("c"))))
    expected = {"manifest": "c", "config": "a", "child": "b"}[form]
    assert [one.digest for one in found.found] == [digest(expected)]
    assert not found.unidentified


def test_an_image_id_that_nothing_proves_is_not_guessed(registries: Registries) -> None:
    registries.answers[f"{APP}:1"] = image("a", config="b")
    found = discover([], Access(), uses=used(ran(image_id=digest("c"))))
    assert not found.found
    (problem,) = found.unidentified
    assert problem.code == "image-id-unresolved"
    assert digest("c") in problem.message


def test_an_image_id_whose_registry_is_down(registries: Registries) -> None:
    registries.answers[f"{APP}@{digest('c')}"] = RegistryError("no connection", code="registry-unavailable")
    (problem,) = discover([], Access(), uses=used(ran(image_id=digest("c")))).unidentified
    assert problem.code == "registry-unavailable"


def test_in_use(registries: Registries) -> None:
    facts = [described(letter) for letter in "ab"]
    facts.append(ImageFacts(digest("f"), "index", f"{APP}@{digest('f')}", children=((digest("d"), "linux/arm64"),)))
    facts.append(described("d"))
    named = [NamedImage(f"{APP}:{letter}", "openshift", digest(letter)) for letter in "abf"]
    uses = {
        **used(ran("a")),
        ran("f", f"{APP}:f2"): NameUsage({2}, {"shop"}),
        ran("b", f"{APP}:b2"): NameUsage(set(), {"x"}),
    }
    found = discover(named, Access(), catalogue=catalogue(*facts), uses=uses, wish=ImageFilter(in_use=True))
    # Of an index that runs all images count. What is only named (by a template, say) does not run.
    assert set(by_digest(found)) == {digest("a"), digest("f"), digest("d")}
    assert by_digest(found)[digest("d")].indexes == [digest("f")]
    assert {one.name for one in found.excluded} == {f"{APP}:b", f"{APP}:b2"}


def test_images_of_a_cluster_that_nothing_chosen_names_are_counted(registries: Registries) -> None:
    known = catalogue(*map(described, "abcde"), reported=frozenset({digest("e")}))
    named = [NamedImage(f"{APP}:a", "openshift", digest("a")), NamedImage("x.io/b:1", "openshift", digest("b"))]
    found = discover(named, Access(), catalogue=known, wish=ImageFilter(exclude=(re.compile("^x.io"),)))
    assert [one.digest for one in found.found] == [digest("a")]
    assert [(one.name, one.count) for one in found.excluded] == [("x.io/b:1", 1), ("images.image.openshift.io", 2)]


def test_an_image_with_another_name_is_found_under_that(registries: Registries) -> None:
    named = [NamedImage(f"{APP}:a", "openshift", digest("a")), NamedImage("x.io/a:1", "openshift", digest("a"))]
    found = discover(
        named, Access(), catalogue=catalogue(described("a")), wish=ImageFilter(exclude=(re.compile("quay"),))
    )
    assert found.found[0].references == ["x.io/a:1"]


@pytest.mark.parametrize(("known", "label", "gone"), [("a", True, True), ("a", False, False), ("b", True, False)])
def test_our_scanner_needs_digest_and_label(registries: Registries, known: str, label: bool, gone: bool) -> None:
    labels = {model.SCANNER_LABEL[0]: model.SCANNER_LABEL[1]} if label else {}
    registries.answers[f"{APP}:1"] = image("a", labels=labels)
    found = discover([NamedImage(f"{APP}:1", "registry")], Access(), wish=ImageFilter(scanner_digest=digest(known)))
    assert bool(found.found) is not gone
    assert bool(found.excluded) is gone


def test_age(registries: Registries) -> None:
    facts = [described("a", created="2026-01-01T00:00:00Z"), described("b", created="2020-01-01T00:00:00Z")]
    facts += [described("c"), described("d", created="1970-01-01T00:00:00Z"), described("e", created="<script>")]
    named = [NamedImage(f"{APP}:{letter}", "openshift", digest(letter)) for letter in "abcde"]
    wish = ImageFilter(newer_than=datetime(2025, 1, 1, tzinfo=timezone.utc))
    found = discover(named, Access(), catalogue=catalogue(*facts), wish=wish)
    assert set(by_digest(found)) == {digest(letter) for letter in "acde"}
    assert [one.name for one in found.excluded] == [f"{APP}:b"]


def test_a_repository_that_need_not_have_the_digest_comes_last(registries: Registries) -> None:
    sure = NamedImage(f"z.io/app@{digest('a')}", "workloads", digest("a"))
    doubtful = NamedImage("a.io/app:1", "workloads", digest("a"), doubtful=True)
    (one,) = discover([], Access(), uses=used(sure, doubtful)).found
    assert one.references == [sure.name, doubtful.name]
    assert registries.asked == [sure.name]


def test_who_waits_for_nothing_ends_the_search(registries: Registries) -> None:
    def gone(done: int, total: int) -> None:
        raise Abandoned("gone")

    with pytest.raises(Abandoned):
        discover([NamedImage(f"{APP}:1", "registry")], Access(), beat=gone)


def test_equal_lines_are_added_up_and_many_become_one() -> None:
    lines = [Excluded("namespace a", "system", 3), Excluded("namespace a", "system", 4), Excluded("x", "other")]
    assert fold(lines) == [Excluded("namespace a", "system", 7), Excluded("x", "other", 1)]
    many = fold(Excluded(f"name {number}", "old", 2) for number in range(model.LINES + 50))
    assert len(many) == model.LINES + 1
    assert many[-1] == Excluded("100 more", "old", 100)
