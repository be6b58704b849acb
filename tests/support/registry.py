# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real registry (Debian's docker-registry), with TLS, basic authentication or a token server."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import subprocess
import time
import typing as t
from pathlib import Path

from .certificates import Authority
from .programs import require_program
from .servers import Answer, Request, running_server

START_SECONDS = 30
_LISTENING = re.compile(r"listening on ([\d.]+:\d+)")
ISSUER, SERVICE = "imagescan-test", "registry.test"


@dataclasses.dataclass(frozen=True)
class RunningRegistry:
    """``host`` is ``address:port``; ``folder`` is where its blobs are."""

    host: str
    folder: Path
    scheme: str

    def blob(self, digest: str) -> Path:
        """The file of a blob."""
        digits = digest.partition(":")[2]
        return self.folder / "data/docker/registry/v2/blobs/sha256" / digits[:2] / digits / "data"


@contextlib.contextmanager
def running_registry(
    folder: Path,
    *,
    tls: Authority | None = None,
    login: tuple[str, str] | None = None,
    realm: str = "",
    authority: Authority | None = None,
    address: str = "127.0.0.1",
    more: t.Mapping[str, t.Any] | None = None,
) -> t.Iterator[RunningRegistry]:
    """Run docker-registry with its data in ``folder``.

    ``tls``: whose server certificate it shows; without, it speaks plain HTTP. ``login``: user name and password that it
    wants. ``realm``: URL of a token server whose tokens ``authority`` signs (see ``running_token_server``).
    ``address``: where it listens. ``more``: settings beside ours.
    """
    program = require_program("docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    http: dict[str, t.Any] = {"addr": f"{address}:0", "secret": "test"}
    if tls:
        http["tls"] = {"certificate": str(tls.certificate), "key": str(tls.key)}
    settings: dict[str, t.Any] = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": http,
        **(more or {}),
    }
    if login:
        (folder / "htpasswd").write_text(htpasswd_line(*login), encoding="utf-8")
        settings["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    elif realm and authority:
        settings["auth"] = {
            "token": {
                "realm": realm,
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(authority.ca_file),
            }
        }
    (folder / "config.yml").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    log = folder / "registry.log"
    with log.open("wb") as stream:
        process = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=stream, stderr=stream)
    try:
        yield RunningRegistry(_wait(process, log), folder, "https" if tls else "http")
    finally:
        process.terminate()
        process.wait(START_SECONDS)


@contextlib.contextmanager
def running_token_server(authority: Authority, login: tuple[str, str]) -> t.Iterator[TokenServer]:
    """A token server over TLS that gives pull tokens for the right login, GET and POST (identity token)."""
    server = TokenServer(authority, login)
    with running_server(server.answer, tls=authority) as running:
        server.host = running.host
        server.requests = running.requests
        yield server


class TokenServer:
    """What it was asked stands in ``requests``. The identity token that it takes is ``identity:`` and the password."""

    def __init__(self, authority: Authority, login: tuple[str, str]) -> None:
        self.authority = authority
        self.login = login
        self.host = ""
        self.seconds = 300
        self.requests: list[Request] = []

    @property
    def realm(self) -> str:
        """Its URL."""
        return f"https://{self.host}/token"

    @property
    def identity_token(self) -> str:
        """What may be exchanged for a token by POST."""
        return f"identity:{self.login[1]}"

    def answer(self, request: Request) -> Answer:
        """Give a token, or 401."""
        if request.method == "POST":
            fields = request.form()
            is_known = fields.get("refresh_token") == self.identity_token and fields["grant_type"] == "refresh_token"
        else:
            fields = request.query()
            is_known = request.basic_login() == self.login
        if not is_known:
            return Answer(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}')
        kind, name, actions = fields["scope"].split(":")
        access = [{"type": kind, "name": name, "actions": actions.split(",")}]
        token = self.authority.token(ISSUER, fields["service"], access, self.seconds)
        return Answer(200, json.dumps({"token": token, "expires_in": self.seconds}).encode())


def htpasswd_line(username: str, password: str) -> str:
    """A line for a password file; docker-registry takes bcrypt only."""
    import bcrypt

    return f"{username}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"


def _wait(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        found = _LISTENING.search(log.read_text(encoding="utf-8", errors="replace"))
        if found:
            return found[1]
        time.sleep(0.02)
    process.kill()
    raise RuntimeError(f"docker-registry does not start: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
