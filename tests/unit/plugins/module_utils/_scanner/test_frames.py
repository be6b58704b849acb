# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's lines: whatever happens to them, they are whole and equal, or the loss is declared."""

from __future__ import annotations

import base64
import json
import time
import typing as t
import zlib

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, LimitExceeded
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import inventory_to_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner import frames
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.frames import Decoder, Encoder, Record
from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._packages.test_codec import FULL
from hypothesis import given, settings
from hypothesis import strategies as st

KEY, UID = bytes(range(32)), "0b5b6a4e-0000-4000-8000-000000000001"
DIGEST = "sha256:" + "a" * 64
INVENTORY = inventory_to_dict(FULL)
HELLO = {
    "schema_version": 1,
    "run": "r",
    "shard": 0,
    "pod": UID,
    "images": 2,
    "python": "3.9.1",
    "problems": ["the pull secret x cannot be read"],
}
SCANNED = {
    "number": 0,
    "digest": DIGEST,
    "platform": "linux/amd64",
    "index": "",
    "state": "scanned",
    "inventory": INVENTORY,
}
FAILED: dict[str, t.Any] = {
    "number": 1,
    "digest": "",
    "platform": "",
    "index": "",
    "state": "error",
    "error": {"code": "image-timeout", "message": "it took too long", "hint": "raise image_timeout"},
}
INDEX = {"number": 1, "digest": DIGEST, "children": [[DIGEST, "linux/amd64"]], "missing": ["linux/arm64"]}


def incompressible(size: int) -> dict[str, t.Any]:
    """An inventory that fills several frames."""
    state, texts = 1, []
    for _number in range(size // 16):
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        texts.append(f"{state:016x}")
    return {**INVENTORY, "label_cpes": texts}


BODIES: list[tuple[str, dict[str, t.Any]]] = [
    ("hello", HELLO),
    ("beat", {"doing": [DIGEST]}),
    ("image", {**SCANNED, "inventory": incompressible(40_000)}),
    ("index", INDEX),
    ("image", FAILED),
    ("image", SCANNED),
    ("image", {**SCANNED, "compliance": {"rules": []}, "arf": "H4sI" * 10_000}),
    ("image", {**SCANNED, "compliance_error": FAILED["error"]}),
]


def lines_of(bodies: t.Sequence[tuple[str, dict[str, t.Any]]], key: bytes = KEY, uid: str = UID) -> list[bytes]:
    """What a pod writes, ``bye`` included."""
    lines: list[bytes] = []
    encoder = Encoder(key, uid, lines.append)
    for kind, body in bodies:
        encoder.send(kind, body)
    encoder.send("bye", {"counts": {"scanned": 2}, "records": encoder.records + 1, "left": []})
    return lines


LINES = lines_of(BODIES)


def read(lines: t.Iterable[bytes], decoder: Decoder | None = None) -> tuple[Decoder, list[Record]]:
    """Feed lines."""
    decoder = decoder or Decoder(KEY, UID)
    return decoder, [record for record in map(decoder.feed, lines) if record is not None]


def told(records: t.Iterable[Record]) -> list[tuple[str, t.Mapping[str, t.Any]]]:
    """What records say, in the order in which they were sent."""
    return [(record.kind, record.body) for record in sorted(records, key=lambda record: record.rid)]


def test_what_was_sent_arrives() -> None:
    decoder, records = read(LINES)
    assert told(records)[:-1] == BODIES
    assert decoder.whole
    assert decoder.bye == {"counts": {"scanned": 2}, "records": len(BODIES) + 1, "left": []}
    assert (decoder.rejected, decoder.duplicates, decoder.refused, decoder.forged) == (0, 0, 0, False)
    assert decoder.missing == []


def test_lines_are_short_enough_for_the_kubelet() -> None:
    assert len(LINES) > 8
    longest: list[bytes] = []
    encoder = Encoder(KEY, UID, longest.append)
    encoder.seq = encoder.records = 10**9 - 1
    encoder.send_packed("hello", b"x" * frames.PAYLOAD_LIMIT)
    assert max(map(len, (*LINES, *longest))) < 16 * 1024
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in LINES)


def test_the_forecast_of_the_size_is_never_too_small() -> None:
    for size in (1, 2, frames.CHUNK - 1, frames.CHUNK, frames.CHUNK + 1, 1_000_000, frames.PAYLOAD_LIMIT):
        lines: list[bytes] = []
        encoder = Encoder(KEY, UID, lines.append)
        encoder.send_packed("image", b"x" * size)
        assert sum(map(len, lines)) == encoder.bytes <= frames.size_on_line(size) < encoder.bytes * 1.02 + 200


@settings(max_examples=3 * settings().max_examples, deadline=None)
@given(data=st.data())
def test_any_damage_is_whole_and_equal_or_declared(data: st.DataObject) -> None:
    """Cuts, changed order, doubles, changed bytes, lines run together, frames of others, noise."""
    lines = list(LINES)
    other_key, other_pod = lines_of(BODIES, key=bytes(32)), lines_of(BODIES, uid="another")
    for _step in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(lines) - 1)) if lines else 0
        damage = data.draw(st.sampled_from(["cut", "double", "move", "alter", "join", "noise", "other", "tail"]))
        if not lines:
            break
        if damage == "cut":
            del lines[at : at + data.draw(st.integers(1, 3))]
        elif damage == "double":
            lines.insert(data.draw(st.integers(0, len(lines))), lines[at])
        elif damage == "move":
            lines.insert(data.draw(st.integers(0, len(lines) - 1)), lines.pop(at))
        elif damage == "alter" and lines[at]:
            line = bytearray(lines[at])
            line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
            lines[at] = bytes(line)
        elif damage == "join":
            lines[at : at + 2] = [b"".join(lines[at : at + 2]).replace(b"\n", b"") + b"\n"]
        elif damage == "noise":
            lines[at] = data.draw(st.binary(max_size=40)) + lines[at]
        elif damage == "other":
            lines.insert(at, data.draw(st.sampled_from([*other_key, *other_pod])))
        else:
            lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
    decoder, records = read(lines)
    assert not decoder.forged
    sent = told(read(LINES)[1])
    assert all(one in sent for one in told(records))
    assert decoder.whole == (told(records) == sent)
    assert decoder.whole or decoder.bye is None or decoder.gaps()
    # Another reading of the log repairs everything.
    again, more = read(LINES, decoder)
    assert again.whole
    assert told([*records, *more]) == sent


def test_gaps_are_named() -> None:
    decoder, _records = read([*LINES[:2], *LINES[4:5], *LINES[7:]])
    assert decoder.gaps()
    assert not decoder.whole
    assert decoder.missing == [(2, 3), (5, 6)]
    many, _records = read(LINES[::2] * 2)
    assert len(many.missing) <= 20


def test_without_bye_nothing_is_whole() -> None:
    decoder, records = read(LINES[:-1])
    assert len(records) == len(BODIES)
    assert not decoder.gaps()
    assert not decoder.whole


def test_a_bye_that_counts_otherwise_is_not_believed() -> None:
    lines: list[bytes] = []
    encoder = Encoder(KEY, UID, lines.append)
    encoder.send("hello", HELLO)
    encoder.send("bye", {"counts": {}, "records": 3, "left": []})
    assert not read(lines)[0].whole


def test_noise_is_passed_over() -> None:
    noise = [
        b"",
        b"\n",
        b"warning: x\n",
        b"@F1\n",
        b"@F2 0 0\n",
        b"\xff" * 100_000,
        b"unable to retrieve container logs",
    ]
    decoder, records = read([piece for line in LINES for piece in (*noise, b"half a line" + line)])
    assert decoder.whole
    assert len(records) == len(BODIES) + 1
    assert decoder.rejected == 0


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_frame_of_another_run_or_pod_is_rejected(number: int) -> None:
    for lines in (lines_of(BODIES, key=bytes(32)), lines_of(BODIES, uid="another")):
        decoder, records = read([lines[number]])
        assert records == []
        assert decoder.rejected == 1
        assert not decoder.forged


def test_two_good_frames_for_one_place_are_a_forgery() -> None:
    for second in ([("hello", HELLO), ("image", FAILED)], [("hello", HELLO), ("image", SCANNED), ("image", FAILED)]):
        decoder, _records = read([*lines_of([("hello", HELLO), ("image", SCANNED)]), *lines_of(second)])
        assert decoder.forged
        assert not decoder.whole
        assert decoder.feed(LINES[0]) is None


def frame(seq: int, rid: int, kind: str, chunk: int, chunks: int, payload: bytes, length: int | None = None) -> bytes:
    """One frame with a good checksum, whatever it says."""
    head = f"@F1 {seq} {rid} {kind} {chunk} {chunks} {len(payload) if length is None else length}".encode()
    text = base64.b64encode(payload)
    return b" ".join((head, frames._checksum(frames.frame_key(KEY, UID), head, text), text)) + b"\n"


def packed(body: t.Any) -> bytes:
    """A payload with whatever in it."""
    return zlib.compress(body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    "line",
    [
        frame(0, 0, "other", 0, 1, packed({})),
        frame(frames.FRAME_LIMIT, 0, "hello", 0, 1, packed(HELLO)),
        frame(0, 0, "hello", 1, 1, packed(HELLO)),
        frame(0, 0, "hello", 0, 2, packed(HELLO)),
        frame(0, 0, "hello", 0, 1, packed(HELLO), length=5),
        frame(0, 0, "hello", 0, 1, b"xx", length=0),
        frame(0, 0, "hello", 0, 400, b"x" * frames.CHUNK, length=frames.PAYLOAD_LIMIT + frames.CHUNK),
        LINES[0].replace(b"@F1 0 0", b"@F1 00 0"),
        LINES[0].replace(b"@F1 0 0", b"@F1 0  0"),
        LINES[0].replace(b"\n", b" x\n"),
        LINES[0].replace(b"\n", b"=\n"),
        b"@F1 " + b"9" * 16_000,
        b"@F1 " * 100_000,
        b"@F1 0 0 hello 0 1 1 " + b"a" * 32 + b" ====\n",
    ],
)
def test_what_is_no_frame_is_rejected(line: bytes) -> None:
    decoder, records = read([line])
    assert records == []
    assert decoder.rejected == 1
    assert read(LINES, decoder)[0].whole


def test_a_record_that_begins_before_its_number_is_a_forgery() -> None:
    assert read([frame(0, 1, "hello", 0, 1, packed(HELLO))])[0].forged
    assert read([*LINES, frame(len(LINES), 7, "hello", 0, 1, packed(HELLO))])[0].forged
    assert read([frame(1, 0, "bye", 0, 1, packed({"counts": {}, "records": 0, "left": []})), *LINES])[0].forged
    long = b"x" * (2 * frames.CHUNK)
    first = frame(0, 0, "image", 0, 2, long[: frames.CHUNK], len(long))
    assert read([first, frame(1, 0, "image", 0, 2, long[: frames.CHUNK], len(long))])[0].forged
    assert read([first, frame(1, 0, "index", 1, 2, long[: frames.CHUNK], len(long))])[0].forged


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("hello", b"junk"),
        ("hello", b"[]"),
        ("hello", b"[" * 100_000),
        ("hello", {}),
        ("hello", {**HELLO, "more": 1}),
        ("hello", {**HELLO, "images": -1}),
        ("hello", {**HELLO, "images": True}),
        ("hello", {**HELLO, "images": 1 << 60}),
        ("hello", {**HELLO, "pod": "x" * 20_001}),
        ("hello", {**HELLO, "problems": [1]}),
        ("beat", {"doing": [{}]}),
        ("index", {**INDEX, "digest": "sha256:x"}),
        ("index", {**INDEX, "children": [[DIGEST]]}),
        ("index", {**INDEX, "children": [["x", "y"]]}),
        ("index", {**INDEX, "children": [{}]}),
        ("index", {**INDEX, "missing": [None]}),
        ("image", {**SCANNED, "digest": ""}),
        ("image", {**SCANNED, "digest": "sha256:" + "A" * 64}),
        ("image", {**SCANNED, "index": "x"}),
        ("image", {**SCANNED, "state": "current"}),
        ("image", {**SCANNED, "state": ["scanned"]}),
        ("image", {**SCANNED, "error": FAILED["error"]}),
        ("image", {**SCANNED, "inventory": []}),
        ("image", {**SCANNED, "compliance": []}),
        ("image", {**SCANNED, "compliance": {}, "arf": 1}),
        ("image", {**SCANNED, "compliance": {}, "compliance_error": FAILED["error"]}),
        ("image", {**SCANNED, "compliance_error": {"code": "x"}}),
        ("image", {**FAILED, "compliance": {}}),
        ("image", {**FAILED, "error": {"code": "x"}}),
        ("image", {**FAILED, "error": {**FAILED["error"], "hint": None}}),
        ("bye", {"counts": {"scanned": "1"}, "records": 1, "left": []}),
        ("bye", {"counts": {}, "records": 1, "left": [-1]}),
    ],
)
def test_a_record_that_is_not_what_its_kind_promises_is_refused(kind: str, body: t.Any) -> None:
    lines = [frame(0, 0, "hello", 0, 1, packed(HELLO)), frame(1, 1, kind, 0, 1, packed(body))]
    decoder, records = read([*lines, frame(2, 2, "bye", 0, 1, packed({"counts": {}, "records": 3, "left": []}))])
    assert [record.rid for record in records] == ([0] if decoder.forged else [0, 2])
    assert decoder.refused == 1
    assert not decoder.whole
    if isinstance(body, dict):
        with pytest.raises(CorruptData):
            frames.pack(kind, body)


@pytest.mark.parametrize(
    "payload",
    [
        zlib.compress(bytes(frames.INFLATED_LIMIT + 1)),
        zlib.compress(b"{}")[:-1],
        zlib.compress(b"{}") + b"x",
        b"x" * 100,
    ],
)
def test_a_payload_that_is_no_bounded_zlib_stream_is_refused(payload: bytes) -> None:
    chunks = -(-len(payload) // frames.CHUNK)
    lines = [
        frame(n, 0, "image", n, chunks, payload[n * frames.CHUNK : (n + 1) * frames.CHUNK], len(payload))
        for n in range(chunks)
    ]
    started = time.process_time()
    decoder, records = read(lines)
    assert records == []
    assert decoder.refused == 1
    assert time.process_time() - started < 20


def test_unfinished_records_take_bounded_memory_and_stay_gaps() -> None:
    piece = b"x" * frames.CHUNK
    length = frames.PAYLOAD_LIMIT
    chunks = -(-length // frames.CHUNK)
    decoder = Decoder(KEY, UID)
    for rid in range(1000):
        decoder.feed(frame(2 * rid, rid, "image", 0, chunks, piece, length))
    assert decoder._pending <= 2 * frames.PAYLOAD_LIMIT
    assert decoder.rejected == 1000 - 2 * frames.PAYLOAD_LIMIT // frames.CHUNK
    assert decoder.gaps()
    assert not decoder.forged


def test_what_could_not_be_taken_there_is_an_error_here() -> None:
    with pytest.raises(LimitExceeded):
        frames.pack("image", {**SCANNED, "inventory": incompressible(16 << 20)})
    with pytest.raises(LimitExceeded):
        frames.pack("image", {**SCANNED, "inventory": {"packages": [0] * 500_000}})
    with pytest.raises(CorruptData):
        frames.pack("image", {**SCANNED, "inventory": {"labels": {"a": "\ud800"}}})
