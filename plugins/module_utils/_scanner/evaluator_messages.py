# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the two containers of a scanner pod share: their sockets, the form of messages, and what was unpacked.

``evaluator`` says what they tell each other. Standard library only: it runs in the pod.
"""

from __future__ import annotations

import dataclasses
import json
import socket
import typing as t
from pathlib import Path

from .._core.errors import LimitExceeded
from .._images.model import Problem
from .._images.unpack_metadata import Owner
from .._images.unpack_root import Unpacked

SOCKET, LIFELINE = "evaluator.sock", "lifeline.sock"
#: Of one message (bytes): inventories of 20 MB have been seen, results of 2 MB, and an ARF of 5 MB.
REQUEST_LIMIT, ANSWER_LIMIT = 256 << 20, 32 << 20
#: Between two tries to connect, and two looks at a process that is to end (seconds).
PAUSE = 0.1
#: How long a process may take to end oscap (seconds).
GRACE = 4.0
MEMORY_HINT = "raise memory of compliance"
_STEP = 1 << 18


def listener_at(path: str) -> socket.socket:
    """Make a socket that listens at a path, and does not block. It is at the path only once it listens."""
    listener = socket.socket(socket.AF_UNIX)
    listener.setblocking(False)
    listener.bind(f"{path}~")
    listener.listen(8)
    Path(f"{path}~").rename(path)
    return listener


def send(connection: socket.socket, message: t.Mapping[str, t.Any]) -> None:
    """Send one message. Raises OSError where the other side is gone."""
    connection.sendall(json.dumps(message).encode("ascii") + b"\n")


def receive(connection: socket.socket, limit: int) -> bytes:
    """One message; empty where the other side is gone. Raises LimitExceeded."""
    data = bytearray()
    while not data.endswith(b"\n"):
        if len(data) > limit:
            raise LimitExceeded(f"a message between the pod's containers has more than {limit} bytes")
        # No more than one: the next may have come, too.
        part = connection.recv(_STEP, socket.MSG_PEEK)
        if not part:
            return b""
        data += connection.recv(part.find(b"\n") + 1 or len(part))
    return bytes(data)


def unpacked_to_dict(unpacked: Unpacked) -> dict[str, t.Any]:
    """As ``unpacked_from_dict`` reads it."""
    owners = {path: [owner.mode, owner.uid, owner.gid] for path, owner in unpacked.owners.items()}
    return {**dataclasses.asdict(dataclasses.replace(unpacked, owners={})), "owners": owners}


def unpacked_from_dict(value: dict[str, t.Any]) -> Unpacked:
    """Return what was unpacked, as the scanner tells it."""
    owners = {path: Owner(*numbers) for path, numbers in value.pop("owners").items()}
    problems = tuple(Problem(**problem) for problem in value.pop("problems"))
    return Unpacked(owners=owners, problems=problems, **value)
