# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry credentials out of ``config.json`` (docker), ``auth.json`` (containers-auth.json(5)) and ``.dockercfg``.

Only secrets that stand in the file are used. Where a credential helper would have to be asked, that is an error: an
anonymous request instead of it could silently see other images, or none.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import fnmatch
import typing as t

from .._core.errors import InputError
from .._core.safe_json import read_object, type_name
from .._core.text import quoted
from .access import Access, read_small_file
from .references import DOCKER_HUB

_FILE_LIMIT = 4 << 20
_PASSWORD_LIMIT = 1 << 16
_DOCKER_HUB_KEYS = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
_SETTINGS = ("auths", "credHelpers", "credsStore")
_HELPER_HINT = "write a file with the secrets in it, with podman login --authfile or oc registry login --to"


@dataclasses.dataclass(frozen=True)
class Credential:
    """Credential of an entry. ``identity_token`` is exchanged for a token, ``registry_token`` is one. Never printed."""

    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    identity_token: str = dataclasses.field(default="", repr=False)
    registry_token: str = dataclasses.field(default="", repr=False)
    origin: str = ""
    password_file: str = ""

    def current(self) -> Credential:
        """The credential with the password that its file holds now. Raises InputError."""
        if not self.password_file:
            return self
        subject = "the file with the registry's token"
        data = read_small_file(self.password_file, subject, _PASSWORD_LIMIT)
        try:
            password = data.decode("ascii").strip()
        except ValueError:
            password = ""  # Not the cause, which quotes it.
        if not password or not password.isprintable():
            raise InputError(f"{subject} {quoted(self.password_file)} holds no token")
        return dataclasses.replace(self, password=password)

    def is_same_secret(self, credential: Credential) -> bool:
        """Return whether the other is the same but for where it was found."""
        return dataclasses.replace(self, origin=credential.origin) == credential

    def basic(self) -> str:
        """Value of the header Authorization for HTTP basic authentication."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


#: What could add a header to a request.
_BREAKS = frozenset("\r\n\0")


class Credentials:
    """The credentials of one run. Entries are looked at only when they are asked for."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._files = tuple(map(_AuthFile, access.auth_files))

    def find(self, registry: str, repository: str = "") -> Credential | None:
        """The credential for a repository, the most specific entry first; None means anonymous. Raises InputError."""
        credentials = self.find_all(registry, repository)
        return credentials[0].current() if credentials else None

    def find_all(self, registry: str, repository: str = "") -> tuple[Credential, ...]:
        """The credentials that could open a repository, one of each file, as the kubelet tries all its pull secrets.

        Raises InputError where no file has one and one of them leaves that to something that we do not run.
        """
        access = self._access
        if access.login_registry and access.login_registry.lower() == registry.lower():
            return (_given(access),)
        credentials: list[Credential] = []
        errors: list[InputError] = []
        for file in self._files:
            try:
                credential = file.find(registry, repository)
            except InputError as error:
                errors.append(error)
                continue
            if credential is not None and not any(credential.is_same_secret(earlier) for earlier in credentials):
                credentials.append(credential)
        if errors and not credentials:
            raise errors[0]
        return tuple(credentials)


def _given(access: Access) -> Credential:
    origin = "the user name and password given"
    if access.password_file:
        origin = f"the token in {quoted(access.password_file)}"
    return Credential(access.username, access.password, origin=origin, password_file=access.password_file)


class _AuthFile:
    """One file with credentials."""

    def __init__(self, path: str) -> None:
        self._where = f"the credentials file {quoted(path)}"
        self._entries: dict[str, tuple[str, t.Any]] = {}
        self._helpers: frozenset[str] = frozenset()
        self._store = ""
        self._load(path)

    def find(self, registry: str, repository: str) -> Credential | None:
        """The file's credential for a repository, the most specific entry first."""
        host = _host_key(registry)
        for key, entry in self._candidates(host, repository):
            credential = self._read(key, entry)
            if credential is not None:
                return credential
            if not (self._store or host in self._helpers):
                raise InputError(f"{self._where}: the entry {quoted(key)} holds no secret", hint=_HELPER_HINT)
        if host in self._helpers or self._store:
            kind = "credHelpers" if host in self._helpers else "credsStore"
            raise InputError(
                f"{self._where} leaves {registry} to a credential helper ({kind}), which is not run", hint=_HELPER_HINT
            )
        return None

    def _load(self, path: str) -> None:
        data = read_small_file(path, "the credentials file", _FILE_LIMIT)
        try:
            document = read_object(data, self._where, limit=_FILE_LIMIT, error=InputError)
        except InputError as error:
            error.hint = "give the file that podman login or docker login writes"
            raise
        if any(name in document for name in _SETTINGS):
            entries = self._part(document, "auths")
            self._helpers = frozenset(_host_key(_split_key(key)[0]) for key in self._part(document, "credHelpers"))
            self._store = self._named_store(document)
        else:
            # .dockercfg: the entries stand at the top. A config.json without logins has settings there, in plain words.
            entries = {key: entry for key, entry in document.items() if "." in key or ":" in key or key == "localhost"}
        for key, entry in entries.items():
            host, path = _split_key(key)
            self._entries[f"{_host_key(host)}/{path}" if path else _host_key(host)] = (key, entry)

    def _named_store(self, document: dict[str, t.Any]) -> str:
        store = document.get("credsStore")
        if not isinstance(store, (str, type(None))):
            raise InputError(f"{self._where}: credsStore is {type_name(store)}; expected the name of a helper")
        return store or ""

    def _part(self, document: dict[str, t.Any], name: str) -> dict[str, t.Any]:
        part = document.get(name)
        if part is None:
            return {}
        if not isinstance(part, dict):
            raise InputError(f"{self._where}: {name} is {type_name(part)}; expected an object")
        return part

    def _candidates(self, host: str, repository: str) -> t.Iterator[tuple[str, t.Any]]:
        parts = repository.split("/") if repository else []
        for length in range(len(parts), -1, -1):
            name = "/".join([host, *parts[:length]])
            if name in self._entries:
                yield self._entries[name]
        # The kubelet takes * inside the labels of a host.
        for pattern, entry in self._entries.items():
            wild, _sep, path = pattern.partition("/")
            if "*" in wild and _matches(host, wild) and (not path or f"{repository}/".startswith(f"{path}/")):
                yield entry

    def _read(self, key: str, entry: t.Any) -> Credential | None:
        where = f"{self._where}, entry {quoted(key)}"
        if not isinstance(entry, dict):
            raise InputError(f"{where} is {type_name(entry)}; expected an object with auth")
        values = {
            name: _text(entry, name, where)
            for name in ("auth", "username", "password", "identitytoken", "registrytoken")
        }
        username, password = values["username"], values["password"]
        if values["auth"]:
            username, password = _decode(values["auth"], where)
        identity, token = values["identitytoken"].strip(), values["registrytoken"].strip()
        for name, text in (("user name", username), ("password", password), ("token", identity + token)):
            if _BREAKS & set(text):
                raise InputError(f"{where}: the {name} has a line break or NUL in it")
        if not identity and not token and not (username and password):
            return None
        return Credential(username, password, identity, token, origin=where)


def _text(entry: dict[str, t.Any], name: str, where: str) -> str:
    value = entry.get(name)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{where}: {name} is {type_name(value)}; expected text")
    return value or ""


def _decode(auth: str, where: str) -> tuple[str, str]:
    try:
        decoded = base64.b64decode("".join(auth.split()), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        # Neither the value nor the cause, which quotes it.
        raise InputError(f"{where}: auth is not base64 of user:password") from None
    username, colon, password = decoded.partition(":")
    if not colon:
        raise InputError(f"{where}: auth is not base64 of user:password; there is no colon in it")
    return username, password.strip("\0")


def _split_key(key: str) -> tuple[str, str]:
    """Host and repository prefix of an entry's key. With a scheme or an API version behind it only the host counts."""
    scheme, separator, address = key.partition("://")
    name = address if separator else scheme
    host, _sep, path = name.strip("/").partition("/")
    return host, "" if separator or path in ("v1", "v2") else path


def _host_key(host: str) -> str:
    host = host.lower()
    return DOCKER_HUB if host in _DOCKER_HUB_KEYS else host


def _matches(host: str, pattern: str) -> bool:
    labels, pattern_labels = host.split("."), pattern.split(".")
    return len(labels) == len(pattern_labels) and all(map(fnmatch.fnmatchcase, labels, pattern_labels))
