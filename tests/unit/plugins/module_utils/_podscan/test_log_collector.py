# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of a pod through a channel that does whatever channels do. Time is virtual unless a test says otherwise."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import stat
import threading
import time
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import LimitExceeded
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import KubernetesClient
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan import log_collector as logs
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.log_collector import (
    Finished,
    LogCollector,
    LogSpool,
    PodLog,
    Received,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.frames import Encoder, Record
from hypothesis import event, given, settings
from hypothesis import strategies as st

KEY = bytes(range(32))
UID = "6e2b8c9e-0000-4000-8000-000000000001"
POD = "imagescan-0-abcde"
PATH = f"/api/v1/namespaces/imagescan/pods/{POD}/log"
EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


def pod_lines(images: int = 6, *, key: bytes = KEY, uid: str = UID, size: int = 20_000) -> list[bytes]:
    """What a pod writes: hello, images of about two frames each with beats between them, bye."""
    lines: list[bytes] = []
    encoder = Encoder(key, uid, lines.append)
    encoder.send(
        "hello",
        {
            "schema_version": 1,
            "run": "r",
            "shard": 0,
            "pod": POD,
            "images": images,
            "python": "3.9.1",
            "problems": [],
        },
    )
    for number in range(images):
        digest = f"sha256:{number:064x}"
        encoder.send("beat", {"doing": [digest]})
        # What does not shrink when it is packed.
        inventory = {"packages": [os.urandom(size).hex()]}
        encoder.send(
            "image",
            {
                "number": number,
                "digest": digest,
                "platform": "linux/amd64",
                "index": "",
                "state": "scanned",
                "inventory": inventory,
            },
        )
    encoder.send("bye", {"counts": {"scanned": images}, "records": encoder.records + 1, "left": []})
    return lines


@dataclasses.dataclass
class Fault:
    """What one connection does. ``after``: lines that it gives before its kind of end."""

    kind: str
    after: int = 0


class Pod:
    """A pod's log file, its kubelet and the API server. ``now`` is the clock; whoever waits moves it."""

    def __init__(self, lines: t.Sequence[bytes], faults: t.Sequence[Fault] = (), *, every: float = 1.0) -> None:
        self.now = 1000.0
        self.start = self.now
        self.every = every
        self.lines = list(lines)
        self.faults = [dataclasses.replace(fault) for fault in faults]
        self.first = 0  # Lines below were rotated away.
        self.requests: list[dict[str, str]] = []
        self.closed = 0
        self.polled: t.Callable[[], object] = lambda: None

    def written_at(self, number: int) -> float:
        return self.start + number * self.every

    @property
    def ended(self) -> bool:
        return self.now >= self.written_at(len(self.lines))

    def stamp(self, number: int) -> bytes:
        moment = EPOCH + datetime.timedelta(seconds=self.written_at(number) - self.start + number / 1000)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode()

    @contextlib.contextmanager
    def stream(
        self, path: str, params: t.Mapping[str, str] | None = None, *, read_timeout: float = 20.0
    ) -> t.Iterator[Answer]:
        assert path == PATH
        assert params is not None and params["timestamps"] == "true"
        assert read_timeout == logs.READ_TIMEOUT
        self.requests.append(dict(params))
        self.now += 0.01
        fault = self.faults.pop(0) if self.faults else Fault("whole")
        if fault.kind.isdecimal() and fault.kind != "204":
            raise api_error(int(fault.kind))
        if fault.kind == "refused":
            raise api_error(0)
        if fault.kind == "slow refused":
            self.now += 20
            raise api_error(0)
        yield Answer(self, fault, dict(params), read_timeout)


def api_error(status: int) -> ApiError:
    return ApiError(f"the API server said {status}", status=status, reason="", code="cluster-busy")


class Answer:
    """One answer of pods/log."""

    def __init__(self, pod: Pod, fault: Fault, params: dict[str, str], read_timeout: float) -> None:
        self.pod = pod
        self.fault = fault
        self.status = 204 if fault.kind == "204" else 200
        self.follow = params["follow"] == "true"
        self.timeout = read_timeout
        self.since = params.get("sinceTime", "")
        self.given = 0
        self.rest = b""
        self.next = pod.first
        if self.since:
            moment = datetime.datetime.strptime(self.since, "%Y-%m-%dT%H:%M:%S%z")
            while self.next < len(pod.lines) and pod.stamp(self.next)[:19].decode() < moment.isoformat()[:19]:
                self.next += 1

    def close(self) -> None:
        self.pod.closed += 1

    def readline(self, limit: int) -> bytes:
        if not self.rest:
            self.pod.polled()
            self.rest = self.line()
        piece, self.rest = self.rest[:limit], self.rest[limit:]
        return piece

    def line(self) -> bytes:
        pod, fault = self.pod, self.fault
        if fault.kind in ("204", "empty"):
            return b""
        if fault.kind == "unavailable":
            self.given += 1
            return b"unable to retrieve container logs for containerd://0123" if self.given == 1 else b""
        if fault.kind != "whole" and self.given >= fault.after:
            return self.end()
        if self.next >= len(pod.lines):
            return b""
        due = pod.written_at(self.next)
        if due > pod.now:
            if not self.follow:
                return b""
            if due - pod.now > self.timeout:
                pod.now += self.timeout
                raise api_error(0)
            while pod.now < due:
                pod.now = min(due, pod.now + 1)
                pod.polled()  # The caller does not wait for lines.
        line = pod.stamp(self.next) + pod.lines[self.next]
        self.next += 1
        self.given += 1
        return line

    def end(self) -> bytes:
        pod, fault = self.pod, self.fault
        if fault.kind == "clean end":
            return b""
        if fault.kind == "dropped":
            raise api_error(0)
        if fault.kind == "silence":
            pod.now += self.timeout
            raise api_error(0)
        given, fault.kind = fault.kind, "whole"
        if given in ("cut", "clean cut"):
            fault.kind, fault.after = "dropped" if given == "cut" else "clean end", 0
            return (pod.stamp(self.next) + pod.lines[self.next])[:-40] if self.next < len(pod.lines) else b""
        if given == "rotate":
            # What this follower had not read is gone behind a clean end.
            pod.first = max(pod.first, min(self.next + 3, sum(map(self.was_written, range(len(pod.lines))))))
            return b""
        if given == "repeat":
            self.next = pod.first
        elif given == "altered" and self.next < len(pod.lines):
            line = bytearray(pod.stamp(self.next) + pod.lines[self.next])
            line[-20] ^= 1
            self.next += 1
            return bytes(line)
        elif given == "noise":
            return pod.stamp(0) + b"warning: @F1 is not a frame\n"
        elif given == "noise without end" and self.next < len(pod.lines):
            self.next += 1
            return pod.stamp(self.next - 1) + b"x" * 100_000 + pod.lines[self.next - 1]
        elif given == "skip" and self.follow:
            self.next += 2  # What happens to a slow follower.
        return self.line()

    def was_written(self, number: int) -> bool:
        return self.pod.written_at(number) <= self.pod.now


def as_client(scripted: object) -> KubernetesClient:
    """Only ``stream`` is used of a client."""
    return t.cast(KubernetesClient, scripted)


class Caller:
    """Polls one log as a run does, and keeps what it gets."""

    def __init__(
        self, pod: Pod, *, gone_at: float = float("inf"), deaf: bool = False, budget: int = logs.DECODED
    ) -> None:
        self.pod = pod
        self.budget = budget
        self.gone_at = gone_at
        self.log = PodLog(as_client(pod), "imagescan", POD, UID, KEY, clock=self.clock)
        self._received: list[Record] = []
        self.finished: list[Finished] = []
        if not deaf:
            pod.polled = self.poll

    def clock(self) -> float:
        return self.pod.now

    def poll(self) -> int:
        if self.log.stopped:
            return 0
        self.log.tell(
            ended=self.pod.now >= self.pod.written_at(len(self.pod.lines)) + 1, is_gone=self.pod.now > self.gone_at
        )
        events, used = self.log.advance(self.budget)
        assert used <= self.budget
        for found in events:
            assert not self.finished, "nothing comes after the last word"
            assert found.uid == UID
            if isinstance(found, Received):
                self._received.append(found.record)
            else:
                self.finished.append(found)
        return used

    @property
    def records(self) -> list[Record]:
        """What was received, in the pod's order: what a second reading brings comes late."""
        return sorted(self._received, key=lambda record: record.rid)

    def run(self, limit: float = 3600.0) -> Finished:
        """Until the log is finished; returns how."""
        while not self.log.stopped:
            pause = self.log.read()
            assert 0 < pause <= 5
            self.poll()
            self.pod.now += pause
            while self.poll():
                continue
            assert self.pod.now - self.pod.start < limit, "not decided in time"
        assert len(self.finished) == 1
        return self.finished[0]


def images_of(caller: Caller) -> list[int]:
    return [record.body["number"] for record in caller.records if record.kind == "image"]


def truth(lines: t.Sequence[bytes]) -> list[Record]:
    caller = Caller(Pod(lines))
    assert caller.run().whole
    return caller.records


def test_a_log_without_trouble_is_whole_at_once() -> None:
    pod = Pod(pod_lines(3))
    caller = Caller(pod)
    assert caller.run() == Finished(UID, True, "")
    assert [record.kind for record in caller.records] == ["hello", *["beat", "image"] * 3, "bye"]
    assert pod.requests == [{"container": "scanner", "timestamps": "true", "follow": "true"}], (
        "one connection is enough"
    )


def test_after_the_last_record_the_reader_waits_for_the_decoder() -> None:
    caller = Caller(Pod(pod_lines(3)), deaf=True)
    assert caller.log.read() == logs.FAREWELL
    caller.poll()
    assert [done.whole for done in caller.finished] == [True]


@pytest.mark.parametrize(
    "kind",
    ["clean end", "clean cut", "dropped", "cut", "silence", "repeat", "altered", "noise", "noise without end", "skip"],
)
def test_one_fault_in_the_middle_costs_nothing(kind: str) -> None:
    lines = pod_lines()
    caller = Caller(Pod(lines, [Fault(kind, 5)]))
    done = caller.run()
    assert done.whole
    assert caller.records == truth(lines)
    assert ("looked like frames" in done.reason) == (kind in ("altered", "noise")) == bool(done.rejected)


@pytest.mark.parametrize("kind", ["404", "429", "500", "503", "refused", "empty", "unavailable", "401"])
@pytest.mark.parametrize("before", [0, 4])
def test_trouble_that_passes_costs_nothing(kind: str, before: int) -> None:
    lines = pod_lines()
    caller = Caller(Pod(lines, [Fault("clean end", before), *[Fault(kind)] * 8]))
    assert caller.run().whole
    assert caller.records == truth(lines)


@pytest.mark.parametrize("kind", ["404", "500", "refused", "slow refused", "unavailable", "403"])
def test_trouble_that_stays_is_named_within_30_seconds_of_the_end_of_the_log(kind: str) -> None:
    pod = Pod(pod_lines(20), [Fault("clean end", 9), *[Fault(kind)] * 1000])
    caller = Caller(pod)
    broken = pod.written_at(8)
    done = caller.run()
    assert not done.whole
    assert "could not be read for 25 s" in done.reason
    assert ("unable to retrieve" if kind == "unavailable" else "the API server said") in done.reason
    assert pod.now - broken <= (30 if kind != "slow refused" else 45)
    assert images_of(caller) == [0, 1], "what was complete is kept"


@pytest.mark.parametrize("kind", ["204", "400"])
def test_a_pod_may_wait_as_long_as_its_owner_lets_it(kind: str) -> None:
    pod = Pod(pod_lines(2), [Fault(kind)] * 300)
    pod.start += 300
    caller = Caller(pod)
    assert caller.run().whole
    assert pod.now - pod.start < 60


def test_a_pod_that_never_started_and_is_gone() -> None:
    pod = Pod(pod_lines(2), [Fault("400")] * 10_000)
    caller = Caller(pod, gone_at=pod.start + 40)
    pod.start += 10_000
    done = caller.run(limit=60)
    assert done == Finished(UID, False, "the pod is gone; its last record did not come")
    assert pod.now < 1045


def test_a_pod_that_ended_before_it_was_followed() -> None:
    pod = Pod(pod_lines())
    pod.now += 1000
    caller = Caller(pod)
    caller.poll()
    assert caller.run().whole
    assert pod.requests == [{"container": "scanner", "timestamps": "true", "follow": "false"}]


@pytest.mark.parametrize("kind", ["204", "400", "empty"])
def test_a_pod_that_ended_without_any_log(kind: str) -> None:
    pod = Pod(pod_lines(), [Fault(kind)] * 1000)
    pod.now += 1000
    caller = Caller(pod)
    caller.poll()
    done = caller.run()
    assert not done.whole and done.reason.startswith("the pod ended")
    assert pod.now - 2000 < 5


def test_a_pod_that_was_killed_keeps_what_was_complete() -> None:
    lines = pod_lines()
    pod = Pod(lines[:9])
    caller = Caller(pod)
    done = caller.run()
    assert done == Finished(UID, False, "the pod ended; its last record did not come")
    assert caller.records == truth(lines)[: len(caller.records)]
    assert images_of(caller) == [0, 1]
    assert pod.now - pod.written_at(9) < 5
    complete = [request for request in pod.requests if request["follow"] == "false"]
    assert all("sinceTime" not in request for request in complete) and len(complete) == logs.USELESS


def test_a_complete_reading_that_is_cut_does_not_count_as_one() -> None:
    lines = pod_lines()
    pod = Pod(lines, [Fault("skip", 5), *[Fault("dropped", 2)] * 3, Fault("clean end", 6), Fault("clean end", 9)])
    caller = Caller(pod)
    assert caller.run().whole
    assert caller.records == truth(lines)


@pytest.mark.parametrize("cuts", [(4, 4), (6, 2, 3), (1, 1, 0, 0)])
def test_complete_readings_that_were_cut_cleanly_are_not_believed_too_soon(cuts: tuple[int, ...]) -> None:
    """One at the same place could be the end; one that stops before what is known already cannot."""
    lines = pod_lines()
    pod = Pod(lines, [Fault("clean end", after) for after in cuts])
    pod.now += 1000
    caller = Caller(pod)
    caller.poll()
    assert caller.run().whole
    assert caller.records == truth(lines)


def test_a_channel_that_is_back_may_be_as_quiet_as_the_pod() -> None:
    lines = pod_lines(2)
    caller = Caller(Pod(lines, [Fault("dropped", 3)], every=logs.PATIENCE + 3))
    assert caller.run().whole
    assert len(caller.pod.requests) == 2


def test_what_is_still_on_its_way_from_a_pod_that_is_gone_is_taken() -> None:
    pod = Pod(pod_lines())
    caller = Caller(pod, gone_at=pod.written_at(len(pod.lines) - 4))
    assert caller.run().whole


def test_nothing_is_judged_before_all_that_was_read_is_decoded() -> None:
    pod = Pod(pod_lines())
    caller = Caller(pod, gone_at=1001, deaf=True, budget=logs.LONGEST)
    pod.now += 1000
    caller.log.read()
    while caller.poll():
        continue
    assert [done.whole for done in caller.finished] == [True]


def test_lines_that_were_rotated_away_are_declared() -> None:
    lines = pod_lines(8)
    pod = Pod(lines, [Fault("rotate", 6)])
    pod.every = 0.01
    caller = Caller(pod)
    pod.polled = lambda: None  # A slow reader: everything was written before the channel broke.
    pod.now += 60
    done = caller.run()
    assert not done.whole
    assert "frames 6-8 are missing" in done.reason
    assert len(images_of(caller)) == 6


def test_the_time_of_the_last_line_is_asked_for_again_with_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    pod = Pod([], [])
    log = PodLog(as_client(pod), "imagescan", POD, UID, KEY, clock=time.monotonic)
    monkeypatch.setattr(pod, "stamp", lambda number: b"2026-03-01T01:02:03.123456789+05:30 ")
    pod.lines = pod_lines(1)
    pod.faults = [Fault("clean end", 2), Fault("empty")]
    pod.now += 100
    log.read()
    log.read()
    assert pod.requests[-1]["sinceTime"] == "2026-03-01T01:02:03+05:30"


def test_a_pod_that_is_gone_in_the_middle_is_lost_soon() -> None:
    pod = Pod(pod_lines(40), [Fault("clean end", 20), *[Fault("404")] * 100])
    caller = Caller(pod, gone_at=1019.5)
    done = caller.run()
    assert not done.whole and done.reason.startswith("the pod is gone")
    assert pod.now < 1030


def test_a_connection_to_a_pod_that_is_gone_is_not_waited_for() -> None:
    pod = Pod(pod_lines(2), [])
    pod.every = 100.0
    caller = Caller(pod, gone_at=1000.005)
    done = caller.run()
    assert not done.whole and done.reason.startswith("the pod is gone")
    assert pod.now < 1000 + logs.FAREWELL + logs.READ_TIMEOUT + 1


def test_a_pod_that_hangs_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log can be read, and nothing comes any more."""
    lines = pod_lines()
    pod = Pod(lines[:5])
    monkeypatch.setattr(pod, "written_at", lambda number: 1000.0 + (number if number < 5 else 1e9))
    pod.lines = lines
    caller = Caller(pod)
    done = caller.run()
    assert not done.whole
    assert pod.now - pod.start < 3 * logs.READ_TIMEOUT


def test_noise_does_not_keep_a_pod_that_hangs_alive() -> None:
    lines = [*pod_lines()[:5], *[b"still here\n"] * 1000]
    pod = Pod(lines)
    caller = Caller(pod)
    done = caller.run()
    assert done.reason.startswith(f"it wrote nothing for {logs.MUTE:.0f} s")
    assert pod.now - pod.start < logs.MUTE + 10


@pytest.mark.parametrize(
    ("key", "uid"),
    [(b"\x01" * 32, UID), (KEY, "6e2b8c9e-0000-4000-8000-000000000002")],
    ids=["of another run", "of another pod"],
)
def test_foreign_frames_are_rejected_and_counted(key: bytes, uid: str) -> None:
    lines, foreign = pod_lines(), pod_lines(2, key=key, uid=uid)
    mixed = [line for pair in zip(lines, foreign) for line in pair] + lines[len(foreign) :]
    caller = Caller(Pod(mixed))
    done = caller.run()
    assert done.whole and done.rejected == len(foreign)
    assert caller.records == truth(lines)
    # Alone they are nothing at all.
    caller = Caller(Pod(foreign))
    done = caller.run()
    assert not done.whole and not caller.records
    assert "lines looked like frames" in done.reason


def test_an_altered_line_is_a_gap_and_the_reason_says_so() -> None:
    lines = pod_lines()
    lines[4] = lines[4][:-20] + (b"A" if lines[4][-20:-19] != b"A" else b"B") + lines[4][-19:]
    caller = Caller(Pod(lines))
    done = caller.run()
    assert not done.whole
    assert "frames 4 are missing" in done.reason and "looked like frames" in done.reason
    assert "does not hold all" in done.reason or "the pod ended" in done.reason


def test_doubled_lines_are_no_harm() -> None:
    lines = pod_lines()
    caller = Caller(Pod([line for line in lines for _twice in range(2)]))
    assert caller.run() == Finished(UID, True, "")
    assert caller.records == truth(lines)


def test_two_frames_for_one_place_make_the_pod_forged() -> None:
    one, other = pod_lines(), pod_lines()
    caller = Caller(Pod([*one[:6], other[5], *one[6:]]))
    done = caller.run()
    assert not done.whole and done.forged
    assert "nothing of it can be trusted" in done.reason


def test_a_bye_that_counts_other_records_is_not_whole() -> None:
    lines: list[bytes] = []
    encoder = Encoder(KEY, UID, lines.append)
    encoder.send("beat", {"doing": []})
    encoder.send("bye", {"counts": {}, "records": 7, "left": []})
    done = Caller(Pod(lines)).run()
    assert not done.whole and "something else than it said" in done.reason


def test_giant_lines_take_no_memory_and_hide_no_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = pod_lines()
    lines[3] = b"\0" * 5_000_000 + lines[3]
    lines[5] = b"@F1 " * 1_000_000 + b"\n" + lines[5]
    put: list[int] = []
    plain = LogSpool.put

    def noted(spool: LogSpool, line: bytes) -> None:
        put.append(len(line))
        plain(spool, line)

    monkeypatch.setattr(LogSpool, "put", noted)
    caller = Caller(Pod(lines))
    assert caller.run().whole
    assert max(put) <= logs.LONGEST


def test_a_flood_of_noise_ends_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", 100_000)
    caller = Caller(Pod([*pod_lines(1)[:1], *[b"n" * 1000 + b"\n"] * 1000]))
    caller.pod.every = 0.01
    done = caller.run()
    assert not done.whole and "MiB of its log were read" in done.reason


def test_a_flood_of_frames_fills_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_SPOOLED", 100_000)
    caller = Caller(Pod(pod_lines(20)), deaf=True)
    done = caller.run()
    assert not done.whole and "wait to be decoded" in done.reason
    assert images_of(caller), "what was kept until then is decoded"


def test_a_full_disk_is_a_declared_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    done = Caller(Pod(pod_lines())).run()
    assert not done.whole and "No space left on device" in done.reason


def test_the_spool_is_private_and_is_emptied() -> None:
    spool = LogSpool()
    spool.put(b"@F1 a\n")
    spool.put(b"@F1 b\n")
    file = spool._file
    assert file is not None
    status = os.fstat(file.fileno())
    assert stat.S_IMODE(status.st_mode) == 0o600 and status.st_nlink == 0
    assert spool.take(7) == ([b"@F1 a\n"], False)
    spool.put(b"@F1 c\n")
    assert spool.take(5) == ([], False)
    assert spool.take(1000) == ([b"@F1 b\n", b"@F1 c\n"], True)
    assert spool.take(1000) == ([], True)
    assert os.fstat(file.fileno()).st_size == 0
    spool.close()
    spool.put(b"late\n")


def test_the_spool_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_SPOOLED", 10)
    spool = LogSpool()
    for _turn in range(3):
        spool.put(b"123456789\n")
        with pytest.raises(LimitExceeded):
            spool.put(b"\n")
        assert spool.take(10) == ([b"123456789\n"], True)
    spool.close()


def test_one_poll_holds_few_records_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "DECODED", 100_000)
    uids = ["a", "b", "c"]
    pods = {f"pod-{uid}": Pod(pod_lines(20, uid=uid), every=0.0) for uid in uids}
    collector = LogCollector(as_client(Pods(pods)), "imagescan")
    for uid in uids:
        collector.follow(f"pod-{uid}", uid, KEY)
    for thread in collector._threads:
        thread.join(0.5)  # They have read all, and wait for what the decoder says.
    served: list[str] = []
    done: list[Finished] = []
    deadline = time.monotonic() + 60
    while len(done) < 3 and time.monotonic() < deadline:
        events = collector.poll()
        assert sum(isinstance(found, Received) and found.record.kind == "image" for found in events) <= 4
        served += [found.uid for found in events if isinstance(found, Received)][:1]
        done += [found for found in events if isinstance(found, Finished)]
    assert [found.whole for found in done] == [True] * 3
    assert set(served[:3]) == set(uids), "none waits for another one's end"
    collector.close()


# -- any script of faults

#: What makes a complete reading less than complete without a sign.
CLEAN = ("clean end", "clean cut", "empty", "altered")
PASSING = ("dropped", "cut", "repeat", "noise", "noise without end", "skip")
ANSWERS = ("204", "400", "404", "429", "500", "503", "refused", "unavailable")
LOSING = ("rotate", "silence", "slow refused")
CHAOS_LINES = pod_lines(8)
CHAOS_TRUTH = truth(CHAOS_LINES)


@st.composite
def scripts(draw: st.DrawFn, kinds: t.Sequence[str]) -> list[Fault]:
    fault = st.builds(Fault, st.sampled_from(kinds), st.integers(0, 12))
    return draw(st.lists(fault, max_size=12))


@settings(max_examples=3 * settings().max_examples)
@given(
    script=scripts([*CLEAN, *PASSING, *ANSWERS, *LOSING]),
    every=st.sampled_from([0.0, 0.01, 0.3, 1.0, 9.0]),
    late=st.sampled_from([0.0, 3.0, 1000.0]),
    killed=st.integers(1, len(CHAOS_LINES)),
    gone=st.one_of(st.just(float("inf")), st.floats(0, 60)),
    dead=st.booleans(),
    deaf=st.booleans(),
    budget=st.sampled_from([logs.LONGEST, 100_000, logs.DECODED]),
)
def test_whatever_happens_a_log_is_whole_and_equal_or_declared_lost(
    script: list[Fault], every: float, late: float, killed: int, gone: float, dead: bool, deaf: bool, budget: int
) -> None:
    faults = [*script, *[Fault("refused")] * (10_000 if dead else 0)]
    pod = Pod(CHAOS_LINES[:killed], faults, every=every)
    caller = Caller(pod, gone_at=pod.start + gone, deaf=deaf, budget=budget)
    pod.now += late
    done = caller.run(limit=late + every * killed + len(script) * 35 + 120)
    event("whole" if done.whole else "lost")
    assert not done.forged
    if done.whole:
        assert caller.records == CHAOS_TRUTH
    else:
        assert done.reason
        held = [record for record in CHAOS_TRUTH if record in caller.records]
        assert held == caller.records, "only the truth, and nothing twice"


@settings(max_examples=3 * settings().max_examples // 2)
@given(
    script=scripts(PASSING),
    clean=st.builds(Fault, st.sampled_from(CLEAN), st.integers(0, 12)),
    at=st.integers(0, 12),
    every=st.sampled_from([0.01, 0.3, 1.0, 9.0]),
    late=st.sampled_from([0.0, 3.0, 1000.0]),
)
def test_what_the_node_still_holds_arrives_whole_through_any_passing_faults(
    script: list[Fault], clean: Fault, at: int, every: float, late: float
) -> None:
    # Not more than one: two such readings of a pod that ended are believed.
    script.insert(at, clean)
    pod = Pod(CHAOS_LINES, script, every=every)
    caller = Caller(pod)
    pod.now += late
    done = caller.run()
    assert done.whole, done
    assert caller.records == CHAOS_TRUTH


# -- with threads and real time


class Pods:
    """Many pods behind one client; connections of a pod follow its own script."""

    def __init__(self, pods: dict[str, Pod]) -> None:
        self.pods = pods
        self.open = 0
        self.most = 0
        self.lock = threading.Lock()

    @contextlib.contextmanager
    def stream(
        self, path: str, params: t.Mapping[str, str] | None = None, *, read_timeout: float = 20.0
    ) -> t.Iterator[Answer]:
        with self.lock:
            self.open += 1
            self.most = max(self.most, self.open)
        try:
            with self.pods[path.split("/")[-2]].stream(PATH, params, read_timeout=read_timeout) as answer:
                time.sleep(0.01)
                yield answer
        finally:
            with self.lock:
                self.open -= 1


def test_many_pods_share_a_bounded_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_THREADS", 4)
    uids = [f"uid-{number}" for number in range(24)]
    pods = {
        f"pod-{uid}": Pod(pod_lines(4, uid=uid), [Fault("cut", 3), Fault("dropped", 2), Fault("altered", 2)])
        for uid in uids
    }
    client = Pods(pods)
    collector = LogCollector(as_client(client), "imagescan")
    for uid in uids:
        pods[f"pod-{uid}"].now += 1000
        collector.follow(f"pod-{uid}", uid, KEY)
        collector.follow(f"pod-{uid}", uid, KEY)
    finished: list[Finished] = []
    received: dict[str, int] = dict.fromkeys(uids, 0)
    deadline = time.monotonic() + 120
    while len(finished) < len(uids) and time.monotonic() < deadline:
        for found in collector.poll():
            if isinstance(found, Finished):
                finished.append(found)
            else:
                received[found.uid] += 1
        time.sleep(0.01)
    collector.tell("uid-0", ended=True)
    assert sorted(done.uid for done in finished) == sorted(uids)
    assert all(done.whole for done in finished)
    assert set(received.values()) == {1 + 2 * 4 + 1}
    assert client.most <= 4
    assert not collector.poll()
    collector.close()


def test_a_defect_in_a_reader_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)

    class Broken:
        def stream(self, *args: t.Any, **options: t.Any) -> t.Any:
            raise ZeroDivisionError

    collector = LogCollector(as_client(Broken()), "imagescan")
    collector.follow(POD, UID, KEY)
    deadline = time.monotonic() + 60
    found: list[Received | Finished] = []
    while not found and time.monotonic() < deadline:
        found = collector.poll()
        time.sleep(0.01)
    assert [type(one) for one in found] == [Finished]
    assert "defect" in t.cast(Finished, found[0]).reason
    assert seen
    collector.close()


def test_a_thread_that_waits_for_a_line_is_let_go() -> None:
    class Silent:
        status = 200

        def __init__(self) -> None:
            self.closed = threading.Event()

        def readline(self, limit: int) -> bytes:
            assert self.closed.wait(60)
            return b""

        def close(self) -> None:
            self.closed.set()

    class Quiet:
        @contextlib.contextmanager
        def stream(self, *args: t.Any, **options: t.Any) -> t.Iterator[Silent]:
            yield Silent()

    collector = LogCollector(as_client(Quiet()), "imagescan")
    collector.follow(POD, UID, KEY)
    time.sleep(0.1)
    (thread,) = collector._threads
    collector.close()
    thread.join(30)
    assert not thread.is_alive()


def test_close_stops_the_threads() -> None:
    pod = Pod(pod_lines(), [Fault("400")] * 100_000)
    collector = LogCollector(as_client(Pods({POD: pod})), "imagescan")
    collector.follow(POD, UID, KEY)
    time.sleep(0.1)
    threads = list(collector._threads)
    collector.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert collector.poll() == []
