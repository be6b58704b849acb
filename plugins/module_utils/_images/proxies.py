# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP proxies that the environment names. Standard library only."""

from __future__ import annotations

import base64
import dataclasses
import ipaddress
import typing as t
import urllib.parse
import urllib.request

from .._core.errors import InputError
from .urls import Endpoint


@dataclasses.dataclass(frozen=True)
class Proxy:
    """An HTTP proxy and the headers that it alone gets."""

    endpoint: Endpoint
    headers: t.Mapping[str, str] = dataclasses.field(repr=False)


def proxy_for(endpoint: Endpoint) -> Proxy | None:
    """The proxy that the environment names (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY) for an endpoint.

    NO_PROXY takes networks (10.0.0.0/16) too, as on OpenShift; this machine is never asked through a proxy.
    """
    settings = urllib.request.getproxies_environment()
    text = settings.get(endpoint.scheme) or settings.get("all") or ""
    if not text or endpoint.is_loopback or is_exempt(endpoint, settings.get("no", "")):
        return None
    return _read_proxy(text, endpoint.scheme)


def _read_proxy(text: str, scheme: str) -> Proxy:
    parts = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
    try:
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host, port = None, 0
    if not host or parts.scheme != "http":
        raise InputError(f"the proxy for {scheme} in the environment cannot be used; expected http://host:port")
    headers = {}
    if parts.username is not None:
        login = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    return Proxy(Endpoint("http", host, port), headers)


def is_exempt(endpoint: Endpoint, no_proxy: str) -> bool:
    """Return whether a list of hosts, domains and networks, as in NO_PROXY, has an endpoint."""
    # Not in typeshed; it is what urllib itself asks about NO_PROXY.
    bypass: t.Callable[[str, t.Mapping[str, str]], object] = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined]
    if bypass(f"{endpoint.host}:{endpoint.port}", {"no": no_proxy}):
        return True
    try:
        address = ipaddress.ip_address(endpoint.host)
    except ValueError:
        return False
    for entry in no_proxy.split(","):
        try:
            if "/" in entry and address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False
