# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is new and what is known, what is remembered over a restart, and how it is handed on in batches."""

from __future__ import annotations

import asyncio
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery import event_queue as module
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.event_publisher import Handing
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.event_queue import (
    Backlog,
    State,
    event_of,
    read_state,
    write_state,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.model import Arrival
from ansible_collections.imagescan.openshift.plugins.module_utils._images.sightings import Sighting
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import request_of

Json = dict[str, t.Any]
SECONDS = 30


def arrival(number: int, tag: str = "1", **more: str) -> Arrival:
    """An image."""
    return Arrival(f"registry.example.com/team/app:{tag}", f"sha256:{number:064x}", "pods", "shop", **more)


def digests(found: t.Iterable[Arrival]) -> list[int]:
    """Which images."""
    return [int(one.digest[7:], 16) for one in found]


def test_what_is_known_waiting_or_in_hand_is_no_news() -> None:
    backlog = Backlog(State())
    backlog.offer([arrival(1), arrival(1), arrival(2)])
    assert backlog.waiting[0] == 2
    assert digests(backlog.take(1)) == [1]
    backlog.offer([arrival(1), arrival(2)])
    assert digests(backlog.take(5)) == [2]


def test_what_was_handed_on_is_known_only_when_it_was_taken() -> None:
    state = State()
    backlog = Backlog(state)
    backlog.offer([arrival(1)])
    backlog.take(5)
    assert not state.known
    backlog.done()
    backlog.offer([arrival(1)])
    assert backlog.waiting[0] == 0
    assert set(state.known) == {arrival(1).print}


def test_another_name_and_an_object_made_anew_are_news() -> None:
    backlog = Backlog(State())
    told = [arrival(1), arrival(1, "2"), arrival(1, mark="uid-1"), arrival(1, mark="uid-2")]
    backlog.offer(told)
    assert backlog.take(9) == told
    backlog.done()
    backlog.offer(told)
    assert backlog.waiting[0] == 0


def test_a_tag_that_its_holder_moved_back_is_news() -> None:
    backlog = Backlog(State())
    for number in (1, 2, 1, 1, 2):
        backlog.offer([arrival(number, told="registry", seen="2026-01-01T00:00:00Z")])
        backlog.take(5)
        backlog.done()
    backlog.offer([arrival(1, told="registry", seen="2026-01-02T00:00:00Z")])
    assert backlog.take(5) == [arrival(1, told="registry", seen="2026-01-02T00:00:00Z")]
    # It is handed on although the image is in hand, since another one was told of meanwhile.
    backlog.offer([arrival(2, told="registry"), arrival(3, told="pod")])
    backlog.offer([arrival(1, told="registry")])
    assert digests(backlog.take(5)) == [2, 3, 1]
    backlog.done()
    # What a pod was started with moves no tag.
    backlog.offer([arrival(3, told="pod"), arrival(2, told="pod")])
    assert backlog.waiting[0] == 0


def test_a_batch_has_so_many_images_with_all_their_names() -> None:
    backlog = Backlog(State())
    backlog.offer([arrival(1), arrival(2), arrival(1, "2"), arrival(3)])
    assert digests(backlog.take(2)) == [1, 2, 1]
    assert digests(backlog.take(2)) == [3]


def test_what_a_first_list_has_can_count_as_known() -> None:
    backlog = Backlog(State())
    backlog.offer([arrival(1)], known=True)
    backlog.offer([arrival(1), arrival(2)])
    assert digests(backlog.take(9)) == [2]


def test_the_known_are_bounded_and_what_is_still_seen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KNOWN_LIMIT", 3)
    state = State()
    backlog = Backlog(state)
    backlog.offer([arrival(number) for number in (1, 2, 3)], known=True)
    backlog.offer([arrival(1)])
    backlog.offer([arrival(4)], known=True)
    assert list(state.known) == [arrival(number).print for number in (3, 1, 4)]


def test_a_state_is_kept_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    assert read_state(path) == State()
    state = State({arrival(1).print: None}, {"/api/v1/pods"})
    write_state(path, state)
    assert read_state(path) == state
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a state file"),
        ("[]", "not a state file"),
        ('{"schema_version": 1}', "not a state file"),
        ('{"schema_version": 1, "known": ["x"], "looked": []}', "not a state file"),
        ('{"schema_version": 1, "known": [], "looked": [1]}', "not a state file"),
        ('{"schema_version": 2, "known": [], "looked": []}', "newer version"),
        ("[" * 100_000, "not a state file"),
    ],
)
def test_a_file_that_is_no_state_is_refused_and_stays(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_state(path)
    assert path.read_text(encoding="utf-8") == content


def test_a_state_that_cannot_be_kept_says_so(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="cannot be written"):
        write_state(tmp_path, State())


def test_an_event_is_what_a_scan_reads() -> None:
    problem = Arrival("image stream shop/web, tag 1", source="openshift", code="import-failed", message="it failed")
    told = event_of([arrival(1), arrival(1, "2"), arrival(2), problem], "b1")["imagescan"]
    assert (told["count"], told["batch"]) == (3, "b1")
    first, second, third = told["images"]
    assert first == {
        "reference": "registry.example.com/team/app:1",
        "digest": arrival(1).digest,
        "source": "pods",
        "namespace": "shop",
        "references": ["registry.example.com/team/app:1", "registry.example.com/team/app:2"],
    }
    assert request_of(first).references == ("registry.example.com/team/app:1", "registry.example.com/team/app:2")
    assert request_of(second).digest == arrival(2).digest
    sure = event_of([arrival(1, told="registry", seen="2026-01-01T00:00:00Z", cluster="east")], "b2")["imagescan"]
    name = "registry.example.com/team/app:1"
    assert request_of(sure["images"][0]).sightings == (
        Sighting(name, arrival(1).digest, "registry", "2026-01-01T00:00:00Z", "east"),
    )
    assert request_of(first).sightings[0] == Sighting(name, arrival(1).digest, "told")
    assert (third["code"], third["message"]) == ("import-failed", "it failed")


def test_foreign_text_in_an_event_is_never_a_template() -> None:
    evil = "{{ lookup('pipe', 'id') }}{% raw %}{#\n\x1b\ud800"
    told = event_of([Arrival(evil, evil, evil, evil, evil, evil, evil)], "b", evil)
    assert not {"{", "}", "\n", "\x1b", "\ud800"} & set("".join(_texts(told)))
    assert len(event_of([Arrival("x" * 10_000)], "b")["imagescan"]["images"][0]["reference"]) == module.TEXT_LIMIT


def _texts(value: t.Any) -> t.Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


class Reader:
    """A rulebook: a handing with a queue, as ansible-rulebook has them."""

    def __init__(self, state: State, path: Path | None = None, most: int = 100, delay: float = 0.01) -> None:
        self.queue: asyncio.Queue[Json] = asyncio.Queue(1)
        self.handing = Handing(
            self.queue, lambda changed: Backlog(state, changed), most=most, delay=delay, state_file=path
        )
        self.backlog = self.handing.backlog
        self.task = asyncio.ensure_future(self.handing.run())

    async def get(self) -> list[str]:
        """The digests of the next event."""
        event = await asyncio.wait_for(self.queue.get(), SECONDS)
        return [one["digest"] for one in event["imagescan"]["images"]]

    async def until(self, holds: t.Callable[[], t.Any]) -> None:
        """Wait."""
        for _try in range(SECONDS * 100):
            if holds():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("not in time")


def played(scene: t.Callable[[], t.Coroutine[t.Any, t.Any, None]]) -> None:
    """Run a scene in an event loop of its own."""
    asyncio.run(scene())


def test_what_comes_while_nobody_reads_is_in_the_next_batch(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "state.json"
        reader = Reader(State(), path)
        reader.backlog.offer([arrival(1)])
        await reader.until(reader.queue.full)
        for number in range(2, 50):
            reader.backlog.offer([arrival(number)])
        await asyncio.sleep(0.1)
        assert not path.exists()
        assert await reader.get() == [arrival(1).digest]
        assert await reader.get() == [arrival(number).digest for number in range(2, 50)]
        await reader.until(lambda: len(read_state(path).known) == 49)
        reader.task.cancel()

    played(scene)


def test_a_full_batch_waits_for_nobody_and_a_small_one_for_others() -> None:
    async def scene() -> None:
        reader = Reader(State(), most=3, delay=3600)
        reader.backlog.offer([arrival(number) for number in range(4)])
        assert len(await reader.get()) == 3
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reader.queue.get(), 0.2)
        reader.backlog.offer([arrival(number) for number in (4, 5)])
        assert len(await reader.get()) == 3
        reader.task.cancel()

    played(scene)


def test_with_feedback_an_event_is_known_when_it_came_back(tmp_path: Path) -> None:
    async def scene() -> None:
        path, state = tmp_path / "state.json", State()
        queue: asyncio.Queue[Json] = asyncio.Queue(1)
        feedback: asyncio.Queue[Json] = asyncio.Queue(1)
        handing = Handing(
            queue, lambda changed: Backlog(state, changed), most=9, delay=0, state_file=path, feedback=feedback
        )
        task = asyncio.ensure_future(handing.run())
        handing.backlog.offer([arrival(1)])
        event = await asyncio.wait_for(queue.get(), SECONDS)
        await asyncio.sleep(0.1)
        assert not state.known
        await feedback.put({"imagescan": {"batch": "of somebody else"}})
        await feedback.put(event)
        handing.backlog.offer([arrival(2)])
        assert (await asyncio.wait_for(queue.get(), SECONDS))["imagescan"]["images"][0]["digest"] == arrival(2).digest
        assert list(read_state(path).known) == [arrival(1).print]
        task.cancel()

    played(scene)


def test_a_first_look_without_news_is_remembered(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "state.json"
        reader = Reader(State(), path)
        reader.backlog.offer([arrival(1)], known=True)
        reader.backlog.looked("/api/v1/pods")
        await reader.until(path.exists)
        found = read_state(path)
        assert (list(found.known), found.looked) == ([arrival(1).print], {"/api/v1/pods"})
        reader.task.cancel()

    played(scene)


def test_the_end_comes_although_nobody_reads() -> None:
    async def scene() -> None:
        reader = Reader(State())
        reader.backlog.offer([arrival(1)])
        await reader.until(reader.queue.full)
        reader.backlog.offer([arrival(2)])
        reader.handing.end()
        await asyncio.wait_for(reader.task, SECONDS)

    played(scene)


def test_a_state_that_cannot_be_written_ends_it(tmp_path: Path) -> None:
    async def scene() -> None:
        reader = Reader(State(), tmp_path)
        reader.backlog.offer([arrival(1)])
        await reader.get()
        with pytest.raises(ScanError, match="cannot be written"):
            await asyncio.wait_for(reader.task, SECONDS)

    played(scene)


def test_state_files_hold_no_names(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state = State()
    Backlog(state).offer([arrival(1)], known=True)
    write_state(path, state)
    assert "registry.example.com" not in path.read_text(encoding="utf-8")
    assert set(json.loads(path.read_text(encoding="utf-8"))) == {"schema_version", "known", "looked"}
