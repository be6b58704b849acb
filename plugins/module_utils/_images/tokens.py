# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Challenges of a registry (401), and tokens from the realm that it names (distribution specification, RFC 9110).

A realm is only ever asked when it belongs to the registry: same host, same registrable domain, or allowed by name.
"""

from __future__ import annotations

import dataclasses
import re
import threading
import time
import typing as t
import urllib.parse

from .._core.errors import CorruptData, RegistryError
from .._core.safe_json import field, read_object
from .._core.text import quoted
from .access import Access
from .credentials import Credential
from .transport import ConnectionLost, Patience, Response, Transport, retry_after
from .urls import Endpoint, Url, parse_url

_HEADER_LIMIT = 8192
_TOKEN_LIMIT = 1 << 20
_SHORTEST_LIFE = 60.0  # the specification's default and minimum
_CLIENT_ID = "imagescan"
_PART = re.compile(
    r"""[\s,]*(?:(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"=][^\s,"]*))"""
    r"""|(?P<scheme>[!#$%&'*+.^_`|~0-9A-Za-z-]+)(?=[\s,]|$))"""
)
_TOKEN = re.compile(r"[!-~]+")

# Suffixes below which names belong to different owners. Not the whole public suffix list, which the standard library
# does not have: what is missing matters only to a registry that could ask for the same secrets by basic authentication.
_SHARED_SECOND_LEVELS = frozenset(
    [
        "ac",
        "ad",
        "co",
        "com",
        "edu",
        "gob",
        "gouv",
        "gov",
        "govt",
        "gv",
        "id",
        "info",
        "ltd",
        "mil",
        "ne",
        "net",
        "nhs",
        "nom",
        "or",
        "org",
        "plc",
        "sch",
        "web",
    ]
)
_SHARED_SUFFIXES = frozenset(
    [
        "amazonaws.com",
        "appspot.com",
        "azurecr.io",
        "azurewebsites.net",
        "cloudapp.net",
        "cloudfront.net",
        "cluster.local",
        "fly.dev",
        "github.io",
        "gitlab.io",
        "herokuapp.com",
        "jfrog.io",
        "netlify.app",
        "ngrok.io",
        "ngrok.app",
        "nip.io",
        "onrender.com",
        "openshiftapps.com",
        "pages.dev",
        "run.app",
        "sslip.io",
        "svc.cluster.local",
        "trycloudflare.com",
        "vercel.app",
        "windows.net",
        "workers.dev",
        "xip.io",
    ]
)


@dataclasses.dataclass(frozen=True)
class Challenge:
    """One way to authenticate that a server offers. ``scheme`` and parameter names are in lower case."""

    scheme: str
    parameters: t.Mapping[str, str]


def parse_challenges(headers: t.Iterable[str]) -> list[Challenge]:
    """Read WWW-Authenticate headers, each with one or several challenges. What makes no sense is left out."""
    challenges: list[tuple[str, dict[str, str]]] = []
    for header in headers:
        position = 0
        header = header[:_HEADER_LIMIT]
        is_inside = False
        while True:
            part = _PART.match(header, position)
            if part is None:
                break
            position = part.end()
            if part["scheme"]:
                challenges.append((part["scheme"].lower(), {}))
                is_inside = True
            elif is_inside:
                quoted = part["quoted"]
                value = part["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                challenges[-1][1].setdefault(part["name"].lower(), value)
    return [Challenge(scheme, parameters) for scheme, parameters in challenges]


def registrable_domain(host: str) -> str:
    """The part of a host name that one owner registers, or the host itself where that is not known."""
    labels = host.rstrip(".").split(".")
    if len(labels) < 2 or labels[-1].isdecimal() or ":" in host:
        return host
    length = 2
    if len(labels[-1]) == 2 and labels[-2] in _SHARED_SECOND_LEVELS:
        length = 3
    for label_count in (2, 3):
        if ".".join(labels[-label_count:]) in _SHARED_SUFFIXES:
            length = label_count + 1
    return ".".join(labels[-length:]) if len(labels) >= length else host


def check_realm(realm: str, registry: Endpoint, access: Access) -> Url:
    """The realm as a URL. Raises RegistryError where it is not the registry's own, or not safe to ask."""
    url = parse_url(realm)
    if url is None:
        raise RegistryError(
            f"{registry} names the token realm {quoted(realm, 80)}, which is not a usable URL",
            code="token-realm-refused",
        )
    end = url.endpoint
    is_allowed = not {str(end), end.host}.isdisjoint(host.lower() for host in access.token_realms)
    if (
        end.host != registry.host
        and registrable_domain(end.host) != registrable_domain(registry.host)
        and not is_allowed
    ):
        raise RegistryError(
            f"{registry} sends for a token to {end}, a foreign host; nothing was sent there",
            code="token-realm-refused",
            hint=f"if {end} hands out tokens for it, add it to token_realms",
        )
    if end.scheme != "https" and not (registry.scheme == "http" and end.host == registry.host):
        raise RegistryError(
            f"{registry} sends for a token to {end} over plain HTTP; expected HTTPS", code="token-realm-refused"
        )
    return url


@dataclasses.dataclass(frozen=True)
class _RegistryToken:
    value: str = dataclasses.field(repr=False)
    end: float


class Authenticator:
    """Knows how one registry wants to be asked. Safe to use from several threads."""

    def __init__(self, registry: Endpoint, access: Access, transport: Transport) -> None:
        self._registry = registry
        self._access = access
        self._transport = transport
        self._lock = threading.RLock()
        self._challenge: Challenge | None = None
        self._tokens: dict[tuple[str, Credential | None], _RegistryToken] = {}

    def header(self, scope: str, credential: Credential | None, patience: Patience) -> str:
        """Value for the header Authorization, empty as long as the registry asked for nothing."""
        with self._lock:
            challenge = self._challenge
            if challenge is None:
                return ""
            if challenge.scheme == "basic":
                return self._guarded(credential).basic() if credential and credential.password else ""
            if credential and credential.registry_token:
                return f"Bearer {self._guarded(credential).registry_token}"
            token = self._tokens.get((scope, credential))
            if token is None or time.monotonic() >= token.end:
                token = self._fetch(challenge, scope, credential, patience)
                self._tokens[scope, credential] = token
            return f"Bearer {token.value}"

    def answer(self, response: Response, sent: str, scope: str, credential: Credential | None) -> None:
        """Take in a 401. Raises RegistryError where nothing better can be sent than what was sent."""
        challenge = self._best_challenge(response)
        with self._lock:
            if challenge.scheme == "bearer":
                check_realm(challenge.parameters.get("realm", ""), self._registry, self._access)
                self._forget(scope, credential, sent)
            self._challenge = challenge
            is_basic = challenge.scheme == "basic"
            if is_basic and (credential is None or not credential.password):
                raise self._unauthorized(f"{self._registry} asks for user name and password, and none are given for it")
            if sent and credential is not None and (is_basic or credential.registry_token):
                raise self._unauthorized(f"{self._registry} refuses the credentials of {credential.origin}")

    def _forget(self, scope: str, credential: Credential | None, sent: str) -> None:
        token = self._tokens.get((scope, credential))
        if token is not None and sent == f"Bearer {token.value}":
            del self._tokens[scope, credential]

    def _best_challenge(self, response: Response) -> Challenge:
        challenges = {
            item.scheme: item for item in reversed(parse_challenges(response.headers.get_all("WWW-Authenticate") or []))
        }
        challenge = challenges.get("bearer") or challenges.get("basic")
        if challenge is None:
            asked = ", ".join(challenges) or "no way at all"
            raise self._unauthorized(
                f"{self._registry} asks to authenticate by {quoted(asked, 80)}; expected Basic or Bearer"
            )
        return challenge

    def _guarded(self, credential: Credential, endpoint: Endpoint | None = None) -> Credential:
        """The credential, if it may be sent to the endpoint."""
        endpoint = endpoint or self._registry
        if not self._transport.may_carry_secrets(endpoint):
            raise RegistryError(
                f"credentials are only sent over verified TLS, and {endpoint} is asked without",
                code="credentials-withheld",
                hint="give a file with the certificate of its CA (registry_ca_cert), and verify certificates",
            )
        return credential

    def _fetch(
        self, challenge: Challenge, scope: str, credential: Credential | None, patience: Patience
    ) -> _RegistryToken:
        realm = check_realm(challenge.parameters.get("realm", ""), self._registry, self._access)
        if credential:  # the token is worth as much as the credential
            self._guarded(credential, realm.endpoint)
            self._guarded(credential)
        query = {"service": challenge.parameters.get("service", ""), "scope": scope}
        headers = {"User-Agent": _CLIENT_ID, "Accept": "application/json"}
        method, authorization, body, url = "GET", "", None, realm
        if credential and credential.identity_token:
            query |= {
                "grant_type": "refresh_token",
                "client_id": _CLIENT_ID,
                "refresh_token": credential.identity_token,
            }
            method, body = "POST", urllib.parse.urlencode(query).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        else:
            if credential:
                query["account"] = credential.username
                authorization = credential.basic()
            url = _with_query(realm, query)
        while True:
            try:
                response = self._transport.send(method, url, headers, patience, authorization=authorization, body=body)
                data = response.read_all(_TOKEN_LIMIT, f"the answer of the token server {realm.endpoint}")
            except ConnectionLost as failure:
                patience.pause(failure)
                continue
            if response.status == 200:
                return _read_token(data, f"the answer of the token server {realm.endpoint}")
            error = self._refusal(response, realm.endpoint, credential)
            if not is_transient(response.status):
                raise error
            patience.pause(error, retry_after(response.headers))

    def _refusal(self, response: Response, realm: Endpoint, credential: Credential | None) -> RegistryError:
        server = f"the token server {realm} of {self._registry}" if realm != self._registry else f"{realm}"
        if response.status in (400, 401):
            refusal = (
                f"refuses the credentials of {credential.origin}"
                if credential
                else "asks for credentials; none are given"
            )
            return self._unauthorized(f"{server} {refusal}", response.status)
        return RegistryError(
            f"{server} answers {response.status}", status=response.status, code=status_code(response.status)
        )

    def _unauthorized(self, message: str, status: int = 401) -> RegistryError:
        hint = "add an entry for it to the credentials file"
        if "credentials of" in message:
            hint = "log in again, as with podman login, and see that registry_auth_file names the file that it writes"
        return RegistryError(message, status=status, code="registry-unauthorized", hint=hint)


def is_transient(status: int) -> bool:
    """Return whether the same request can have another answer a little later."""
    return status in (408, 425, 429) or (status >= 500 and status not in (501, 505))


def status_code(status: int) -> str:
    """The stable reason for an HTTP status."""
    codes = {
        401: "registry-unauthorized",
        403: "registry-forbidden",
        404: "image-not-found",
        429: "registry-rate-limited",
    }
    return codes.get(status) or ("registry-unavailable" if status >= 500 or status in (408, 425) else "registry-error")


def _with_query(url: Url, query: t.Mapping[str, str]) -> Url:
    joint = "&" if "?" in url.target else "?"
    parameters = {name: value for name, value in query.items() if value}
    return Url(url.endpoint, f"{url.target}{joint}{urllib.parse.urlencode(parameters)}")


def _read_token(data: bytes, subject: str) -> _RegistryToken:
    document = read_object(data, subject, limit=_TOKEN_LIMIT)
    value = field(document, "token", str, subject) or field(document, "access_token", str, subject)
    if not value or not _TOKEN.fullmatch(value):
        raise CorruptData(f"{subject} has no usable token", code="registry-error")
    life = document.get("expires_in")
    seconds = float(life) if isinstance(life, (int, float)) and not isinstance(life, bool) else _SHORTEST_LIFE
    seconds = min(max(seconds, _SHORTEST_LIFE), 86_400.0)
    return _RegistryToken(value, time.monotonic() + seconds * 0.9)
