# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two clusters in one test: each has a network of its own with the same addresses, so a relay leads into the second.

As a program it is one end of the relay: ``relay.py LISTEN CONNECT``, each ``unix:PATH`` or ``ADDRESS:PORT``.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import yaml

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def _connect(place: str) -> Streams:
    if place.startswith("unix:"):
        return await asyncio.open_unix_connection(place[5:])
    address, _colon, port = place.rpartition(":")
    return await asyncio.open_connection(address, int(port))


async def relay(listen: str, connect: str) -> None:
    """Take connections at one place and lead each to another one, until the process is stopped."""

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            other_reader, other_writer = await _connect(connect)
        except OSError:
            writer.close()  # Whoever asks sees that nobody is there.
            return
        await asyncio.gather(_pass_on(reader, other_writer), _pass_on(other_reader, writer))

    if listen.startswith("unix:"):
        server = await asyncio.start_unix_server(lead, listen[5:])
    else:
        address, _colon, port = listen.rpartition(":")
        server = await asyncio.start_server(lead, address, int(port))
    async with server:
        await server.serve_forever()


@contextlib.contextmanager
def leading_into(network: Path, server: str, home: Path, port: int) -> t.Iterator[str]:
    """A way from here to ``server`` (address and port) in another network namespace. The URL that leads there."""
    door = f"unix:{home / 'door'}"
    here = f"127.0.0.1:{port}"
    inside = subprocess.Popen(["nsenter", f"--net={network}", sys.executable, __file__, door, server])
    outside = subprocess.Popen([sys.executable, __file__, here, door])
    try:
        end = time.monotonic() + 60
        while not (home / "door").exists():
            assert time.monotonic() < end, "the relay does not start"
            time.sleep(0.05)
        yield f"https://{here}"
    finally:
        for process in (outside, inside):
            process.terminate()
            process.wait(30)


def lead_kubeconfig(source: Path, target: Path, url: str) -> Path:
    """A kubeconfig that goes another way to its server."""
    content = yaml.safe_load(source.read_text(encoding="utf-8"))
    for one in content["clusters"]:
        one["cluster"]["server"] = url
    target.write_text(yaml.safe_dump(content), encoding="utf-8")
    target.chmod(0o600)
    return target


if __name__ == "__main__":
    asyncio.run(relay(*sys.argv[1:]))
