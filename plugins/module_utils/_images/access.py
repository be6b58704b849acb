# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to reach registries: credentials, certificates, patience. One value for a whole run."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from .._core.errors import InputError
from .._core.text import quoted
from .mirrors import Mirror
from .references import parse_registry


@dataclasses.dataclass(frozen=True)
class Access:
    """Settings for access to registries.

    ``auth_files``: each a ``config.json``, ``auth.json`` or ``.dockercfg``; without any, pulls are anonymous.
    ``username`` and ``password`` belong to ``login_registry`` alone and win over ``auth_files`` there;
    ``password_file`` instead of a password is read at each use, since a mounted token is renewed while we run.
    ``ca_file``: PEM certificates, trusted beside those of the system.
    ``plain_http``: registries (``host[:port]``) that are asked over HTTP without TLS.
    ``mirrors``: where images lie as well.
    ``token_realms``: hosts (``host[:port]``) outside the registry's own domain that may hand out tokens.
    ``timeout``: seconds of silence. ``retries``: how often one request is repeated.
    ``deadline``: seconds that one request may take with all its repetitions.
    """

    auth_files: tuple[str, ...] = ()
    ca_file: str = ""
    validate_certs: bool = True
    plain_http: tuple[str, ...] = ()
    token_realms: tuple[str, ...] = ()
    timeout: float = 20.0
    retries: int = 5
    deadline: float = 600.0
    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    password_file: str = ""
    login_registry: str = ""
    mirrors: tuple[Mirror, ...] = ()

    def __post_init__(self) -> None:
        for name in ("timeout", "deadline"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value}; expected a number of seconds above 0")
        if self.retries < 0:
            raise InputError(f"retries is {self.retries}; expected 0 or more")
        self._check_login()
        for host in (*self.plain_http, *self.token_realms):
            parse_registry(host)

    def _check_login(self) -> None:
        if self.password and self.password_file:
            raise InputError("a password and a file with one are given; expected only one of them")
        if len({bool(self.username), bool(self.password or self.password_file), bool(self.login_registry)}) > 1:
            raise InputError(
                "user name, password and the registry they belong to are only good together; one is missing"
            )
        if self.login_registry:
            object.__setattr__(self, "login_registry", parse_registry(self.login_registry))
        if any(character in self.username + self.password for character in "\r\n\0") or ":" in self.username:
            raise InputError("the registry's user name or password has a line break, NUL or, in the name, a colon")

    def is_plain_http(self, host: str) -> bool:
        """Return whether ``host[:port]`` may be asked over HTTP without TLS."""
        return host.lower() in (plain.lower() for plain in self.plain_http)


def read_small_file(path: str, subject: str, limit: int) -> bytes:
    """Content of a file that a person named. Raises InputError when it cannot be read or is larger than ``limit``."""
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(
            f"{subject} {quoted(path)} cannot be read: {reason}", hint="check the path and its rights"
        ) from error
    if len(data) > limit:
        raise InputError(f"{subject} {quoted(path)} is larger than {limit} bytes; is it the right file?")
    return data
