# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Absolute URLs of registries, and where a connection for them goes. Standard library only."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import urllib.parse

_URL_LIMIT = 16_384
_BAD_URL = re.compile(r"[^!-~]")
_PORTS = {"http": 80, "https": 443}


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where a connection goes. ``host`` is in lower case and without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """True if what is sent there never leaves the machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@dataclasses.dataclass(frozen=True)
class Url:
    """An absolute URL. ``target`` is path and query; never quoted, since it can be signed."""

    endpoint: Endpoint
    target: str = dataclasses.field(repr=False)

    def __str__(self) -> str:
        return f"{self.endpoint.scheme}://{self.endpoint}{self.target}"


def parse_url(text: str) -> Url | None:
    """An absolute http or https URL without user information, else None."""
    if len(text) > _URL_LIMIT or _BAD_URL.search(text):
        return None
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc or port == 0:
        return None
    return Url(Endpoint(parts.scheme, host.lower(), port or _PORTS[parts.scheme]), _target(parts))


def _target(parts: urllib.parse.SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
