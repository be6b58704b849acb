# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of a local scan: what is opened, what is read, and what each image ends as. Images are made up here."""

from __future__ import annotations

import threading
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    Abandoned,
    InputError,
    RegistryError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import (
    Descriptor,
    Image,
    ImageConfig,
    ImageIndex,
    Platform,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Inventory, OsRelease
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner import local
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.local import LocalScan
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.model import IndexOutcome, ScanOutcome
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import Request, request_of

AMD = Platform("linux", "amd64")
ARM = Platform("linux", "arm64", "v8")


def digest(letter: str) -> str:
    """A digest that is easy to tell from others."""
    return "sha256:" + letter * 64


def image(letter: str, platform: Platform = AMD) -> Image:
    """An image without layers."""
    config = ImageConfig(digest("0"), platform, "", {}, (), ())
    return Image(digest(letter), f"r.example/a:{letter}", config, (), t.cast("t.Any", None))


def index(letter: str, **children: Platform | None) -> ImageIndex:
    """An index of images, named by their letters."""
    listed = tuple(Descriptor("", digest(name), 1, platform) for name, platform in children.items())
    return ImageIndex(digest(letter), f"r.example/a:{letter}", listed)


INVENTORY = Inventory("rpm", OsRelease(), (), None, (), (), {}, {}, ())


class World:
    """What registries would answer, and a book that keeps what it is told."""

    def __init__(self, *opened: t.Any) -> None:
        self.by_name = {one.reference: one for one in opened if not isinstance(one, Exception)}
        self.current: set[str] = set()
        self.known_children: dict[str, tuple[tuple[str, str], ...]] = {}
        self.opened: list[str] = []
        self.read: list[str] = []
        self.outcomes: list[ScanOutcome] = []
        self.indexes: list[IndexOutcome] = []
        self.lines: list[str] = []
        self.threads: set[int] = set()
        self.trouble: dict[str, Exception] = {}

    def open_target(self, target: str, access: Access) -> t.Any:
        """Stands for the registries."""
        self.opened.append(target)
        if target in self.trouble:
            raise self.trouble[target]
        for one in self.by_name.values():
            if target.endswith(one.digest):
                return one
        return self.by_name[target]

    def open_child(self, parent: ImageIndex, child: Descriptor, access: Access) -> Image:
        """Opens a child."""
        if child.digest in self.trouble:
            raise self.trouble[child.digest]
        return image(child.digest[-1], child.platform or AMD)

    def take_inventory(self, opened: Image, *, threads: int) -> Inventory:
        """Stands for reading layers."""
        self.read.append(opened.digest)
        if opened.digest in self.trouble:
            raise self.trouble[opened.digest]
        return INVENTORY

    def is_current(self, digest: str) -> bool:
        return digest in self.current

    def children_of(self, digest: str) -> tuple[tuple[str, str], ...] | None:
        return self.known_children.get(digest)

    def record(self, outcome: ScanOutcome) -> None:
        self.threads.add(threading.get_ident())
        self.outcomes.append(outcome)

    def record_index(self, outcome: IndexOutcome) -> None:
        self.indexes.append(outcome)

    def beat(self, line: str) -> None:
        self.lines.append(line)

    def scan(self, monkeypatch: pytest.MonkeyPatch, *requests: Request, **options: t.Any) -> dict[str, str]:
        """Run; the state of each image by the last letter of its digest."""
        for name in ("open_target", "open_child", "take_inventory"):
            monkeypatch.setattr(local, name, getattr(self, name))
        LocalScan(self, Access(), **options).run(requests, lambda done, total, seconds: "")
        return {outcome.digest[-1:]: outcome.state for outcome in self.outcomes if outcome.state != "same"}


def asked(*letters: str) -> list[Request]:
    """Requests by tag."""
    return [request_of(f"r.example/a:{letter}") for letter in letters]


def test_new_images_are_read_and_known_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(image("a"), image("b"))
    world.current = {digest("b")}
    assert world.scan(monkeypatch, *asked("a", "b")) == {"a": "scanned", "b": "current"}
    assert world.read == [digest("a")]
    assert world.threads == {threading.get_ident()}
    assert world.lines[-1] == "scanned 2/2, 1 current"


def test_a_known_digest_asks_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.current = {digest("a"), digest("c"), digest("d")}
    world.known_children = {digest("b"): ((digest("c"), "linux/amd64"), (digest("d"), "linux/arm64/v8"))}
    requests = [request_of({"digest": digest(letter), "reference": f"r.example/a:{letter}"}) for letter in "ab"]
    assert world.scan(monkeypatch, *requests) == {"a": "current", "c": "current", "d": "current"}
    assert world.opened == []


def test_a_known_index_is_opened_again_when_one_of_its_images_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(index("b", c=AMD, d=ARM))
    world.current = {digest("c")}
    world.known_children = {digest("b"): ((digest("c"), "linux/amd64"), (digest("d"), "linux/arm64/v8"))}
    request = request_of({"digest": digest("b"), "reference": "r.example/a:b"})
    assert world.scan(monkeypatch, request) == {"c": "current", "d": "scanned"}


@pytest.mark.parametrize(
    ("platforms", "states", "missing"),
    [
        ([], {"c": "scanned", "d": "scanned", "e": "scanned"}, ()),
        ([AMD], {"c": "scanned", "e": "scanned"}, ()),
        ([Platform("linux", "arm64")], {"d": "scanned", "e": "scanned"}, ()),
        ([Platform("linux", "arm64", "v9")], {"d": "scanned", "e": "scanned"}, ()),
        ([Platform("linux", "arm", "v7")], {"e": "scanned"}, ("linux/arm/v7",)),
        ([AMD, Platform("linux", "s390x")], {"c": "scanned", "e": "scanned"}, ("linux/s390x",)),
    ],
)
def test_an_index_gives_the_wanted_images_and_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, platforms: list[Platform], states: dict[str, str], missing: tuple[str, ...]
) -> None:
    world = World(index("b", c=AMD, d=ARM, e=None))
    assert world.scan(monkeypatch, *asked("b"), platforms=platforms) == states
    assert [found.missing for found in world.indexes] == [missing]
    assert [child for child, _platform in world.indexes[0].children] == [digest("c"), digest("d"), digest("e")]


def test_trouble_with_one_image_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(image("a"), image("b"), image("c"), index("e", f=AMD))
    world.trouble = {
        "r.example/a:d": RegistryError("no", code="registry-denied", status=403),
        digest("b"): InputError("broken"),
        digest("c"): ZeroDivisionError("a defect"),
        digest("f"): RegistryError("gone", code="registry-error"),
    }
    states = world.scan(monkeypatch, *asked("a", "b", "c", "d", "e"))
    assert states == {"a": "scanned", "b": "error", "c": "error", "": "error", "f": "error"}
    codes = {outcome.references[0]: outcome.error.code for outcome in world.outcomes if outcome.error}
    assert codes == {
        "r.example/a:b": "invalid-input",
        "r.example/a:c": "internal-error",
        "r.example/a:d": "registry-denied",
        f"r.example/a@{digest('f')}": "registry-error",
    }


def test_an_image_that_changed_since_discovery_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(image("a"))
    world.by_name = {"rootfs:/x": image("a")}
    world.scan(monkeypatch, Request("rootfs:/x", digest("b"), ("rootfs:/x",)))
    assert [(one.digest, one.error.code) for one in world.outcomes if one.error] == [(digest("b"), "image-changed")]
    assert world.read == []


def test_names_of_one_image_are_all_kept_and_it_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(image("a"), index("b", a=AMD))
    world.by_name["r.example/a:other"] = image("a")
    states = world.scan(monkeypatch, *asked("a", "other", "b"), parallel=1)
    assert states == {"a": "scanned"}
    assert world.read == [digest("a")]
    names = {name for outcome in world.outcomes for name in outcome.references}
    assert names >= {"r.example/a:a", "r.example/a:other"}
    assert world.lines[-1] == "scanned 1/1"


def test_planning_reads_no_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(image("a"), index("b", c=AMD))
    assert world.scan(monkeypatch, *asked("a", "b"), plan_only=True) == {"a": "planned", "c": "planned"}
    assert world.read == []


def test_an_abandoned_scan_starts_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(*(image(letter) for letter in "abcdef"))
    gate = threading.Event()

    def take(opened: Image, *, threads: int) -> Inventory:
        world.read.append(opened.digest)
        gate.wait(30)
        return INVENTORY

    def beat(line: str) -> None:
        if world.read:
            raise Abandoned("nobody waits")

    monkeypatch.setattr(world, "take_inventory", take)
    monkeypatch.setattr(world, "beat", beat)
    try:
        with pytest.raises(Abandoned):
            world.scan(monkeypatch, *asked(*"abcdef"), parallel=1)
    finally:
        gate.set()
    assert len(world.read) == 1
    assert world.outcomes == []


@pytest.mark.parametrize(
    "given",
    [5, None, [], {}, {"digest": "x", "reference": "a"}, {"digest": digest("a")}, {"reference": 5}, "a/UPPER", ""],
)
def test_what_names_no_image_is_refused(given: t.Any) -> None:
    with pytest.raises(InputError):
        request_of(given)


def test_a_tag_is_pinned_to_what_was_discovered() -> None:
    request = request_of({"digest": digest("a"), "reference": "r.example/a:1", "references": ["r.example/a:2"]})
    assert request.target == f"r.example/a@{digest('a')}"
    assert request.references == ("r.example/a:1", "r.example/a:2")
