# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reading side of the log protocol: what scanner pods found arrives whole, or is declared lost.

A broken follow looks like a clean end, and a slow follower loses lines by rotation without a word. So only ``bye``
without a gap is whole, and the threads that follow the logs only spool lines: nothing they do waits for the decoder.
Decoding happens in ``poll()``, on the caller's thread.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import re
import tempfile
import threading
import time
import typing as t

from .._core.errors import LimitExceeded
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import ApiError
from .._kubernetes.stream import ResponseStream
from .._scanner.frames import MARK, Decoder, Record
from .manifests import CONTAINER

#: Pods whose logs are followed at once, one thread each; further ones wait for a free thread.
MOST_THREADS = 32
#: Bytes that may wait on disk for the decoder, and bytes that are read of one pod's log in all. A pod's frames take
#: about 6 MiB, and the kubelet keeps 10 MiB of a log, so this is some tens of complete readings.
MOST_SPOOLED = 64 * 1024 * 1024
MOST_BYTES = 256 * 1024 * 1024
#: Bytes of lines that one poll() decodes: some tens of large inventories.
DECODED = 4 * 1024 * 1024
#: A frame is shorter than 16 KiB; of a longer line only the end can be one.
LONGEST = 32 * 1024
#: Three heartbeats (seconds).
READ_TIMEOUT = 30.0
#: Without a channel for this long a pod is lost (seconds): an API server is back after 3 s, a kubelet after 20 s, and
#: a failure has to have its name within 30 s.
PATIENCE = 25.0
#: A pod that runs without a new frame for this long hangs (seconds).
MUTE = 90.0
#: What a connection may still deliver of a pod that is gone (seconds).
FAREWELL = 5.0
#: Complete readings in a row that must have taught nothing: one that was cut short can look like a complete one.
USELESS = 2

RANGES_SHOWN = 5

_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d) ")
_UNAVAILABLE = b"unable to retrieve container logs for "


@dataclasses.dataclass(frozen=True)
class Received:
    """A record of a pod: complete, and with the checksums of that pod."""

    uid: str
    record: Record


@dataclasses.dataclass(frozen=True)
class Finished:
    """The last that is said about a pod. Unless ``whole``, what was not received must be planned again.

    ``reason`` says why a log is not whole, or what was odd about one that is; ``rejected`` counts lines that looked
    like frames and were none of this pod's; ``forged``: somebody else holds the pod's key, so that what was received
    before must be dropped too.
    """

    uid: str
    whole: bool
    reason: str
    rejected: int = 0
    forged: bool = False


class LogCollector:
    """Follows the logs of many pods. One thread calls it."""

    def __init__(
        self, client: KubernetesClient, namespace: str, *, clock: t.Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._clock = clock
        self._logs: dict[str, PodLog] = {}
        self._waiting: collections.deque[PodLog] = collections.deque()
        self._threads: list[threading.Thread] = []

    def follow(self, pod: str, uid: str, key: bytes) -> None:
        """Start with a pod; ``key`` is its shard's."""
        if uid in self._logs:
            return
        log = PodLog(self._client, self._namespace, pod, uid, key, clock=self._clock)
        self._logs[uid] = log
        self._waiting.append(log)
        self._start()

    def tell(self, uid: str, *, ended: bool = False, is_gone: bool = False) -> None:
        """Note what the API says about a pod: its containers ended, or it exists no more."""
        log = self._logs.get(uid)
        if log is not None:
            log.tell(ended=ended, is_gone=is_gone)

    def poll(self) -> list[Received | Finished]:
        """Return what came since the last call. Each pod is finished exactly once, after its records. Never waits.

        A call decodes at most DECODED bytes, since records take many times that in memory: call it again at once while
        it returns something. What a second reading repaired comes out of the pod's own order.
        """
        events: list[Received | Finished] = []
        budget = DECODED
        for uid, log in list(self._logs.items()):
            log_events, used = log.advance(budget)
            events += log_events
            budget -= used
            if log.stopped:
                del self._logs[uid]
        if self._logs:
            # Next time another one comes first.
            first = next(iter(self._logs))
            self._logs[first] = self._logs.pop(first)
        self._waiting = collections.deque(log for log in self._waiting if not log.stopped)
        self._start()
        return events

    def close(self) -> None:
        """Stop following, whatever is still open."""
        for log in self._logs.values():
            log.stop()
        self._logs.clear()
        self._waiting.clear()
        for thread in self._threads:
            thread.join(0.1)

    def _start(self) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        while self._waiting and len(self._threads) < MOST_THREADS:
            log = self._waiting.popleft()
            # A daemon: a silent connection must not keep the module from ending.
            thread = threading.Thread(target=log.run, name=f"imagescan-log-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()


class PodLog:
    """One pod's log. ``run`` and ``read`` belong to the reading thread, everything else to the caller's."""

    def __init__(
        self,
        client: KubernetesClient,
        namespace: str,
        pod: str,
        uid: str,
        key: bytes,
        *,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        self._uid = uid
        self._clock = clock
        self._decoder = Decoder(key, uid)
        self._spool = LogSpool()
        self._wake = threading.Event()
        self.stopped = False
        # The reading thread's own.
        self._since = ""
        self._bytes = 0
        self._said_bye = False
        self._last = b""
        self._newest = b""
        self._reached = False
        self._known = 0
        # Shared, under the lock.
        self._lock = threading.Lock()
        self._ended = False
        self._settling = False
        self._gone_at: float | None = None
        self._stream: ResponseStream | None = None
        self._started = False
        self._connected = False
        self._heard = False
        self._failures = 0
        self._news = 0
        self._completed: list[int] = []
        self._broken_at: float | None = None
        self._news_at: float | None = None
        self._trouble = ""
        self._fatal = ""
        # The caller's own.
        self._useless = 0

    # -- the reading thread

    def run(self) -> None:
        """Read until somebody says stop."""
        try:
            while not self.stopped:
                self._wake.wait(self.read())
                self._wake.clear()
        finally:
            with self._lock:
                self._connected = False
                self._fatal = self._fatal or "its reader ended; this is a defect, please report it"

    def read(self) -> float:
        """Make one connection and spool what it gives. Returns the pause before the next one (seconds)."""
        with self._lock:
            complete, self._known = self._settling, self._news
            self._connected, self._heard = True, False
            if self._news_at is None:
                self._news_at = self._clock()
        params = {"container": CONTAINER, "timestamps": "true", "follow": "false" if complete else "true"}
        if self._since and not complete:
            params["sinceTime"] = self._since
        self._said_bye = False
        self._last, self._reached = b"", not self._newest
        status, trouble, fatal = 200, "", ""
        try:
            with self._client.stream(self._path, params, read_timeout=READ_TIMEOUT) as stream:
                status = stream.status
                self._stream = stream
                trouble = self._spool_lines(stream)
        except ApiError as error:
            status, trouble = error.status or -1, error.message
        except LimitExceeded as error:
            fatal = error.message
        except OSError as error:
            fatal = f"its log could not be kept on the way: {error}"
        finally:
            self._stream = None
        return self._after(complete, status, trouble, fatal)

    def _after(self, complete: bool, status: int, trouble: str, fatal: str) -> float:
        """Book the end of a connection."""
        now = self._clock()
        if self._last and (self._reached or not complete):
            self._newest = self._last
        with self._lock:
            self._connected = False
            self._fatal = self._fatal or fatal
            self._failures += 1
            waits = status in (204, 400) and not self._started
            if waits and not complete:
                self._news_at = now  # Not scheduled, or its image is being pulled: the channel itself is fine.
                self._broken_at = None
                return 1.0
            # A reading that did not get as far as an earlier one was cut, however cleanly it ended.
            if complete and (status in (204, 400) or (status == 200 and not trouble and self._reached)):
                self._completed.append(self._known)
            if self._broken_at is None:
                self._broken_at = now
            self._trouble = trouble or ("" if status == 200 else f"the server answered {status}")
            if self._said_bye and not complete:
                return FAREWELL  # The decoder speaks next, and wakes us if something is missing.
            # At once, since rotation may take what was not read; then less and less often.
            return min((0.5 if complete else 0.05) * 2.0 ** min(self._failures - 1, 9), 2.0)

    def _spool_lines(self, stream: ResponseStream) -> str:
        """Keep the lines that may be frames, up to the end of the answer. Returns what the kubelet says instead."""
        trouble = ""
        stamp: re.Match[bytes] | None = None
        line = b""
        fresh = True
        while not self.stopped:
            piece = stream.readline(LONGEST)
            if not piece:
                break  # A line without an end was cut: it comes again, or is missed by its number.
            self._bytes += len(piece)
            if self._bytes > MOST_BYTES:
                raise LimitExceeded(f"more than {MOST_BYTES // 2**20} MiB of its log were read")
            if fresh:
                stamp = _STAMP.match(piece)
                if stamp is None and piece.startswith(_UNAVAILABLE):
                    trouble = piece.decode("utf-8", "replace").strip()[:200]
                else:
                    self._note_line()
            # Without a newline on standard error its text and a frame share a line. The frame is at the end.
            line = (line + piece)[-LONGEST:] if line else piece
            fresh = piece.endswith(b"\n")
            if not fresh:
                continue
            if stamp is not None:
                # The kubelet's own clock, to the second: what that second held comes twice rather than never.
                self._since = (stamp[1] + stamp[2]).decode("ascii")
            at = line.rfind(MARK)
            if at >= 0:
                frame = line[at:]
                self._last, self._reached = frame, self._reached or frame == self._newest
                self._said_bye = b" bye " in frame
                self._spool.put(frame)
            line = b""
        return trouble

    def _note_line(self) -> None:
        if not self._heard:
            with self._lock:
                self._heard = self._started = True

    # -- the caller's thread

    def tell(self, *, ended: bool, is_gone: bool) -> None:
        """Note what the API says about the pod."""
        with self._lock:
            if is_gone and self._gone_at is None:
                self._gone_at = self._clock()
            self._ended = self._ended or ended
        if ended:
            self._settle()

    def advance(self, budget: int) -> tuple[list[Received | Finished], int]:
        """Decode what was spooled, at most ``budget`` bytes; once that is all, decide if there is enough to decide.

        Returns what is new and the bytes that were decoded.
        """
        # First what is known, then the lines: so all that a booked connection gave is decoded before it is judged.
        with self._lock:
            connected, heard, fatal = self._connected, self._heard, self._fatal
            completed = len(self._completed)
        lines, drained = self._spool.take(budget)
        events, news = self._decode(lines)
        used = sum(map(len, lines))
        decoder, now = self._decoder, self._clock()
        with self._lock:
            if news:
                self._news += news
                self._news_at, self._broken_at, self._failures = now, None, 0
            if not drained:
                return events, used
            for news_count in self._completed[:completed]:
                self._useless = self._useless + 1 if news_count == self._news else 0
            del self._completed[:completed]
            reason = fatal or self._lost(connected, heard, now)
        if decoder.whole:
            return [*events, self._finish(True, "")], used
        if decoder.forged:
            reason = "different frames with good checksums claim the same place: nothing of it can be trusted"
        elif decoder.bye is not None and not decoder.gaps():
            reason = "it says something else than it said that it would"
        elif decoder.bye is not None:
            self._settle()
        return ([*events, self._finish(False, reason)] if reason else events), used

    def _settle(self) -> None:
        """From now on nothing new is written: what is missing can only come by reading everything again."""
        with self._lock:
            if not self._settling:
                self._settling, self._failures = True, 0
                self._wake.set()

    def _decode(self, lines: t.Iterable[bytes]) -> tuple[list[Received | Finished], int]:
        """The records that are complete now, and how many frames were new."""
        decoder, news = self._decoder, 0
        events: list[Received | Finished] = []
        for line in lines:
            before = decoder.rejected + decoder.duplicates
            record = decoder.feed(line)
            news += decoder.rejected + decoder.duplicates == before
            if record is not None:
                events.append(Received(self._uid, record))
        return events, news

    def _lost(self, connected: bool, heard: bool, now: float) -> str:
        """Why nothing more is to be expected, or nothing."""
        trouble = f": {self._trouble}" if self._trouble else ""
        if self._gone_at is not None and (not connected or now - self._gone_at > FAREWELL):
            return "the pod is gone"
        if self._useless >= USELESS:
            return f"the pod ended{trouble}" if self._ended else "its log does not hold all that it wrote"
        if self._broken_at is not None and not (connected and heard) and now - self._broken_at > PATIENCE:
            return f"its log could not be read for {PATIENCE:.0f} s{trouble}"
        if self._news_at is not None and now - self._news_at > MUTE:
            return f"it wrote nothing for {MUTE:.0f} s"
        return ""

    def _finish(self, is_whole: bool, reason: str) -> Finished:
        decoder = self._decoder
        parts = [reason] if reason else []
        if not is_whole:
            parts += _missing(decoder)
        if decoder.rejected:
            parts.append(f"{decoder.rejected} lines looked like frames and were not of this pod or had been altered")
        self.stop()
        return Finished(self._uid, is_whole, "; ".join(parts), decoder.rejected, decoder.forged)

    def stop(self) -> None:
        """Read no more."""
        self.stopped = True
        self._wake.set()
        stream = self._stream
        if stream is not None:
            stream.close()
        self._spool.close()


class LogSpool:
    """Lines on their way from one thread to another: in an anonymous file (mode 0600), since a reader may not wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: t.IO[bytes] | None = None
        self._closed = False
        self._written = 0
        self._taken = 0

    def put(self, line: bytes) -> None:
        """Append a whole line. Raises LimitExceeded and OSError."""
        with self._lock:
            if self._closed:
                return
            if self._file is None:
                self._file = t.cast("t.IO[bytes]", tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 - close() does
            if self._written + len(line) > MOST_SPOOLED:
                raise LimitExceeded(f"more than {MOST_SPOOLED // 2**20} MiB of its log wait to be decoded")
            written = 0
            while written < len(line):
                written += os.pwrite(self._file.fileno(), line[written:], self._written + written)
            self._written += written

    def take(self, most: int) -> tuple[list[bytes], bool]:
        """The next lines, at most ``most`` bytes of them, and whether they are all that were put before the call."""
        with self._lock:
            end, file = self._written, self._file
        if file is None or end == self._taken:
            return [], True
        data = os.pread(file.fileno(), min(max(most, 0), end - self._taken), self._taken)
        data = data[: data.rfind(b"\n") + 1]
        self._taken += len(data)
        drained = self._taken == end
        with self._lock:
            if self._taken == self._written:
                file.truncate(0)
                self._written = self._taken = 0
        return data.splitlines(keepends=True), drained

    def close(self) -> None:
        """Give the file up; what is put later is dropped."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()


def _missing(decoder: Decoder) -> list[str]:
    """Describe what a log lacks."""
    ranges = [f"{first}" if first == last else f"{first}-{last}" for first, last in decoder.missing]
    parts = []
    if ranges:
        ending = ", …" if len(ranges) > RANGES_SHOWN else ""
        parts.append(f"frames {', '.join(ranges[:RANGES_SHOWN])}{ending} are missing")
    if decoder.refused:
        parts.append(f"{decoder.refused} records are malformed")
    if decoder.bye is None:
        parts.append("its last record did not come")
    return parts
