# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes between controller and scanner pods: the lines of a log, the records in them, and plans.

An input is a letter and what follows. ``L``: lines as they come. ``S``: lines without a checksum, which are signed
here, so that mutants get past it. ``R``: a kind, a blank and the JSON of a record. ``P``: a plan.
"""

from __future__ import annotations

import contextlib
import json
import random

from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner import frames, plan
from ansible_collections.imagescan.openshift.tests.fuzz.mutations import mutate_bytes

READERS = (frames.__file__, plan.__file__)

KEY, UID = bytes(32), "uid"
SIGNING = frames.frame_key(KEY, UID)


def one_case(data: bytes) -> None:
    kind, rest = data[:1], data[1:]
    if kind == b"P":
        with contextlib.suppress(ScanError):
            read = plan.plan_from_json(rest)
            assert plan.plan_from_json(plan.plan_to_json(read)) == read
    elif kind == b"R":
        name, _blank, text = rest.partition(b" ")
        one_record(name.decode(errors="replace"), text)
    else:
        one_log([signed(line) if kind == b"S" else line for line in rest.split(b"\n")])


def one_record(kind: str, text: bytes) -> None:
    if kind not in frames.KINDS:
        return
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(body, dict):
        return
    with contextlib.suppress(ScanError):
        lines: list[bytes] = []
        frames.Encoder(KEY, UID, lines.append).send(kind, body)
        decoder = frames.Decoder(KEY, UID)
        records = [record for record in map(decoder.feed, lines) if record is not None]
        assert [(record.kind, record.body) for record in records] == [(kind, body)]


def one_log(lines: list[bytes]) -> None:
    decoder = frames.Decoder(KEY, UID)
    told = [record for record in map(decoder.feed, lines) if record is not None]
    assert decoder._pending <= 2 * frames.PAYLOAD_LIMIT
    assert len(decoder.missing) <= 20
    assert {record.kind for record in told} <= set(frames.KINDS)
    assert len({record.rid for record in told}) == len(told)
    if decoder.whole:
        assert decoder.bye is not None
        assert decoder.bye["records"] == len(told)
        assert decoder.missing == []
        assert not decoder.gaps()
    before = decoder.rejected + decoder.duplicates
    again = [decoder.feed(line) for line in lines]
    assert not any(again)
    assert decoder.forged or decoder.rejected + decoder.duplicates >= before


def signed(line: bytes) -> bytes:
    """A line without its checksum, signed."""
    head, _blank, text = line.rpartition(b" ")
    return b" ".join((head, frames._checksum(SIGNING, head, text), text))


def unsigned(line: bytes) -> bytes:
    """A line of ours without its checksum."""
    head, text = line.rstrip(b"\n").rsplit(b" ", 2)[::2]
    return head + b" " + text


def seeds() -> list[bytes]:
    from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._scanner.test_frames import (
        BODIES,
        lines_of,
    )
    from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._scanner.test_plan import (
        PLAN,
        VOLUMES,
        WRONG,
        changed,
    )

    small = [(kind, body) for kind, body in BODIES if len(json.dumps(body)) < 10_000]
    lines = lines_of(small, KEY, UID)
    bare = list(map(unsigned, lines))
    long = list(map(unsigned, lines_of(BODIES[:3], KEY, UID)))
    bye = json.dumps({"counts": {}, "records": 1, "left": []}).encode()
    return [
        b"",
        b"L" + b"".join(lines),
        b"L" + lines_of(small, bytes(31), UID)[0],
        *(b"S" + b"\n".join(one) for one in (bare, bare[::-1], bare[1:], bare[:-1], [*bare, bare[0]])),
        *(b"S" + b"\n".join(one) for one in ([bare[0], bare[1].replace(b"@F1 1", b"@F1 0")], long, long[::-1])),
        *(b"R" + kind.encode() + b" " + json.dumps(body).encode() for kind, body in small),
        b"Rbye " + bye,
        b"P" + plan.plan_to_json(PLAN),
        b"P" + plan.plan_to_json(VOLUMES),
        *(b"P" + changed(path, value) for path, value in WRONG),
    ]


def mutate(data: bytes, source: random.Random) -> bytes:
    """Change bytes, or order and number of lines."""
    if data[:1] not in b"LS" or source.random() < 0.5:
        return data[:1] + mutate_bytes(data[1:], source)
    lines = data[1:].split(b"\n")
    one = source.randrange(len(lines))
    change = source.randrange(4)
    if change == 0:
        del lines[one]
    elif change == 1:
        lines.insert(source.randrange(len(lines) + 1), lines[one])
    elif change == 2:
        lines.insert(source.randrange(len(lines)), lines.pop(one))
    else:
        fields = lines[one].split(b" ")
        fields[source.randrange(len(fields))] = str(source.choice((0, 1, 2, 3, 4, 350, 99_999, 4 << 20))).encode()
        lines[one] = b" ".join(fields)
    return data[:1] + b"\n".join(lines)
