# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scanner pod says, line by line on its standard output, and how it is put together again.

A log can be cut, repeated, mixed with noise, or end early behind what looks like a clean end. So every line is a frame
with a running number and a checksum, and a pod's output counts as whole only when its last record is there and no
number is missing::

    @F1 <seq> <rid> <kind> <chunk> <chunks> <length> <checksum> <base64>

``seq`` counts the frames of the pod, ``rid`` its records, ``chunk`` the pieces of one record of ``length`` bytes (JSON
packed by zlib). ``checksum``: the first 32 hex digits of an HMAC-SHA256 over all the rest of the line; its key is made
of the shard's secret and the UID of the pod, so that no other pod and no other run can speak for this one.
Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
import json
import re
import typing as t
import zlib

from .._core.errors import CorruptData, LimitExceeded, ScanError
from .._core.safe_json import read_object
from .._images.references import is_digest

SCHEMA_VERSION = 1
#: A kubelet splits longer lines, and another stream's line may then stand inside them.
LINE_LIMIT = 16 * 1024
#: Payload bytes of one frame: with base64 and the longest header a line stays below LINE_LIMIT.
CHUNK = 12_000
#: Of one record, packed. Must fit into what one pod may write at all.
PAYLOAD_LIMIT = 4 << 20
INFLATED_LIMIT = 64 << 20
#: Frames of one pod; a pod that writes 6 MiB and beats for a day stays far below.
FRAME_LIMIT = 100_000
#: Packed bytes of records of which frames are still missing.
_PENDING_LIMIT = 2 * PAYLOAD_LIMIT
_RANGES_SHOWN = 20

KINDS = ("hello", "beat", "index", "image", "bye")
STATES = ("scanned", "error")

#: What a frame begins with.
MARK = b"@F1 "
_NUMBER = rb"(0|[1-9][0-9]{0,8})"
_FRAME = re.compile(
    MARK + rb"%(n)s %(n)s ([a-z]{1,8}) %(n)s %(n)s %(n)s ([0-9a-f]{32}) ([A-Za-z0-9+/]+={0,2})" % {b"n": _NUMBER}
)


def frame_key(shard_key: bytes, pod_uid: str) -> bytes:
    """The key of one pod's checksums."""
    return hmac.new(shard_key, pod_uid.encode(), hashlib.sha256).digest()


def pack(kind: str, body: t.Mapping[str, t.Any]) -> bytes:
    """The payload of a record. Raises ScanError for what the other side would not take, so that it is told here."""
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    _read(kind, data)
    payload = zlib.compress(data, 6)
    if len(payload) > PAYLOAD_LIMIT:
        raise LimitExceeded(f"the record has {len(payload)} packed bytes; at most {PAYLOAD_LIMIT} can be sent")
    return payload


def unpack(kind: str, payload: bytes) -> dict[str, t.Any]:
    """The body of a record, checked field by field. Raises CorruptData and LimitExceeded."""
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(payload, INFLATED_LIMIT + 1)
    except zlib.error as error:
        raise CorruptData(f"a record cannot be unpacked: {error}") from None
    if len(data) > INFLATED_LIMIT:
        raise LimitExceeded(f"a record unpacks to more than {INFLATED_LIMIT} bytes")
    if not inflater.eof or inflater.unused_data:
        raise CorruptData("a record does not end where its payload does")
    return _read(kind, data)


def size_on_line(payload_bytes: int) -> int:
    """Bytes that a payload takes on standard output, frames and all; never too few."""
    chunks = -(-payload_bytes // CHUNK)
    return chunks * 160 + -(-payload_bytes // 3) * 4


class Encoder:
    """Numbers records, cuts them into frames and hands each to ``write`` as one line."""

    def __init__(self, shard_key: bytes, pod_uid: str, write: t.Callable[[bytes], object]) -> None:
        self._key = frame_key(shard_key, pod_uid)
        self._write = write
        self.seq = 0
        self.records = 0
        self.bytes = 0

    def send(self, kind: str, body: t.Mapping[str, t.Any]) -> None:
        """Send one record."""
        self.send_packed(kind, pack(kind, body))

    def send_packed(self, kind: str, payload: bytes) -> None:
        """Send what ``pack`` gave."""
        chunks = -(-len(payload) // CHUNK)
        for chunk in range(chunks):
            text = base64.b64encode(payload[chunk * CHUNK : (chunk + 1) * CHUNK])
            head = MARK + b"%d %d %s %d %d %d" % (self.seq, self.records, kind.encode(), chunk, chunks, len(payload))
            line = head + b" " + _checksum(self._key, head, text) + b" " + text + b"\n"
            self._write(line)
            self.seq += 1
            self.bytes += len(line)
        self.records += 1


def _checksum(key: bytes, head: bytes, text: bytes) -> bytes:
    return hmac.new(key, head + b" " + text, hashlib.sha256).hexdigest()[:32].encode()


@dataclasses.dataclass(frozen=True)
class Record:
    """One record of a pod; the fields of ``body`` are those of its kind and have their types."""

    rid: int
    kind: str
    body: t.Mapping[str, t.Any]


@dataclasses.dataclass
class _Open:
    """A record of which frames are missing."""

    shape: tuple[bytes, int, int]
    chunks: dict[int, bytes]


class Decoder:
    """Puts one pod's lines together, in whatever order and however often they come. Memory is bounded.

    ``rejected``: lines that look like a frame and are none, or have a wrong checksum. ``duplicates``: frames that were
    here already. ``refused``: records that came whole and are not what their kind promises. ``forged``: two different
    frames with a good checksum claim the same place; only who holds the key can do that, so nothing more is taken, and
    nothing that came before should be kept.
    """

    def __init__(self, shard_key: bytes, pod_uid: str) -> None:
        self._key = frame_key(shard_key, pod_uid)
        self._seen: dict[int, bytes] = {}
        self._open: dict[int, _Open] = {}
        self._pending = 0
        self._finished: set[int] = set()
        self._last = -1
        self._bye_seq = -1
        self.bye: t.Mapping[str, t.Any] | None = None
        self.rejected = 0
        self.duplicates = 0
        self.refused = 0
        self.forged = False

    @property
    def whole(self) -> bool:
        """Return whether everything that the pod said is here, its last record included."""
        return (
            self.bye is not None
            and not self.forged
            and not self.refused
            and not self.gaps()
            and self._last == self._bye_seq
            and self.bye["records"] == len(self._finished)
        )

    def gaps(self) -> bool:
        """Return whether numbers are missing below the highest one seen."""
        return len(self._seen) != self._last + 1

    @property
    def missing(self) -> list[tuple[int, int]]:
        """The first gaps as (first, last) number, both included; at most 20."""
        gaps: list[tuple[int, int]] = []
        expected = 0
        for seq in sorted(self._seen):
            if seq != expected:
                gaps.append((expected, seq - 1))
                if len(gaps) == _RANGES_SHOWN:
                    break
            expected = seq + 1
        return gaps

    def _is_signed(self, frame: re.Match[bytes]) -> bool:
        head, _space, _tail = frame[0].rpartition(b" ")[0].rpartition(b" ")
        return hmac.compare_digest(frame[7], _checksum(self._key, head, frame[8]))

    def _seen_again(self, seq: int, checksum: bytes) -> None:
        if self._seen[seq] == checksum:
            self.duplicates += 1
        else:
            self._forge()

    def feed(self, line: bytes) -> Record | None:
        """Take one line (noise is passed over); the record that it completes, if it does."""
        # What comes from standard error without a line end may stand in front.
        start = line.rfind(MARK, max(0, len(line) - LINE_LIMIT))
        if start < 0 or self.forged:
            return None
        frame = _FRAME.fullmatch(line[start:].rstrip(b"\r\n"))
        if frame is None or not self._is_signed(frame):
            self.rejected += 1
            return None
        checksum, text = frame[7], frame[8]
        seq, rid, chunk, chunks, length = (int(frame[group]) for group in (1, 2, 4, 5, 6))
        if seq in self._seen:
            self._seen_again(seq, checksum)
            return None
        shape = (frame[3], chunks, length)
        data = self._data(text, chunk, chunks, length)
        if data is None or frame[3].decode() not in KINDS or seq >= FRAME_LIMIT:
            self.rejected += 1
            return None
        if rid in self._finished or rid > seq or (self.bye is not None and seq > self._bye_seq):
            self._forge()
            return None
        return self._take(seq, rid, chunk, shape, data, checksum)

    def _forge(self) -> None:
        self.forged = True
        self.rejected += 1

    def _data(self, text: bytes, chunk: int, chunks: int, length: int) -> bytes | None:
        """The piece of a payload that a frame holds, None where its numbers do not fit together."""
        if not 0 < length <= PAYLOAD_LIMIT or chunks != -(-length // CHUNK) or chunk >= chunks:
            return None
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return None
        return data if len(data) == min(CHUNK, length - chunk * CHUNK) else None

    def _take(
        self, seq: int, rid: int, chunk: int, shape: tuple[bytes, int, int], data: bytes, checksum: bytes
    ) -> Record | None:
        held = self._open.get(rid)
        if held is not None and (held.shape != shape or chunk in held.chunks):
            self._forge()
            return None
        if self._pending + len(data) > _PENDING_LIMIT:
            # Not marked as seen: it stays a gap that another reading can fill.
            self.rejected += 1
            return None
        if held is None:
            held = self._open[rid] = _Open(shape, {})
        held.chunks[chunk] = data
        self._pending += len(data)
        self._seen[seq] = checksum
        self._last = max(self._last, seq)
        kind, chunks, length = shape
        if len(held.chunks) < chunks:
            return None
        del self._open[rid]
        self._pending -= length
        self._finished.add(rid)
        try:
            record = Record(rid, kind.decode(), unpack(kind.decode(), b"".join(map(held.chunks.pop, range(chunks)))))
        except ScanError:
            self.refused += 1
            return None
        if record.kind == "bye":
            if self._last > seq or self.bye is not None:
                self._forge()
                return None
            self.bye, self._bye_seq = record.body, seq
        return record


_ERROR = {"code": str, "message": str, "hint": str}
_NO_ERROR = dict.fromkeys(_ERROR, "")
#: Of an image that was scanned: results of its rules and a compressed ARF (base64), or why there are none.
_EVALUATED: t.Mapping[str, type] = {"compliance": dict, "arf": str, "compliance_error": dict}
_FIELDS: t.Mapping[str, t.Mapping[str, t.Any]] = {
    "hello": {
        "schema_version": int,
        "run": str,
        "shard": int,
        "pod": str,
        "images": int,
        "python": str,
        "problems": list,
    },
    "beat": {"doing": list},
    "index": {"number": int, "digest": str, "children": list, "missing": list},
    "image": {
        "number": int,
        "digest": str,
        "platform": str,
        "index": str,
        "state": str,
        "inventory": dict,
        "error": dict,
    },
    "bye": {"counts": dict, "records": int, "left": list},
}
_TEXT_LIMIT = 20_000


def _read(kind: str, data: bytes) -> dict[str, t.Any]:
    """Parse and check the JSON of one record. Raises CorruptData and LimitExceeded."""
    subject = f"the record {kind!r}"
    body = read_object(data, subject, limit=INFLATED_LIMIT)
    _check_fields(body, _image_fields(body) if kind == "image" else _FIELDS[kind], subject)
    if kind == "image":
        _check_image(body, subject)
    elif kind == "index":
        _expect(is_digest(body["digest"]), subject)
        _expect(all(map(_is_child, body["children"])) and _are_texts(body["missing"]), subject)
    elif kind == "bye":
        _expect(all(map(_is_number, [*body["counts"].values(), *body["left"]])), subject)
    else:
        _expect(_are_texts(body["doing"] if kind == "beat" else body["problems"]), subject)
    return body


def _image_fields(body: dict[str, t.Any]) -> dict[str, t.Any]:
    """Inventory or error, as the state says; beside an inventory what became of the rules, if they were asked for."""
    fields = dict(_FIELDS["image"])
    scanned = body.get("state") == "scanned"
    fields.pop("error" if scanned else "inventory")
    if scanned:
        fields.update({name: kind for name, kind in _EVALUATED.items() if name in body})
    return fields


def _check_image(body: dict[str, t.Any], subject: str) -> None:
    _expect(body["state"] in STATES, subject)
    _expect(all(not body[name] or is_digest(body[name]) for name in ("digest", "index")), subject)
    if body["state"] == "scanned":
        _expect(bool(body["digest"]), subject)
        _expect(not ("compliance_error" in body and _EVALUATED.keys() & body.keys() != {"compliance_error"}), subject)
        _check_fields(body.get("compliance_error", _NO_ERROR), _ERROR, subject)
    else:
        _check_fields(body["error"], _ERROR, subject)


def _check_fields(body: t.Mapping[str, t.Any], fields: t.Mapping[str, type], subject: str) -> None:
    _expect(body.keys() == fields.keys(), subject)
    for name, kind in fields.items():
        value = body[name]
        _expect(_is_number(value) if kind is int else isinstance(value, kind), subject)
        _expect(kind is not str or name == "arf" or len(value) <= _TEXT_LIMIT, subject)


def _expect(holds: bool, subject: str) -> None:
    if not holds:
        raise CorruptData(f"{subject} is malformed")


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _are_texts(values: t.Sequence[object]) -> bool:
    return all(isinstance(value, str) and len(value) <= _TEXT_LIMIT for value in values)


def _is_child(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and _are_texts(value) and is_digest(value[0])
