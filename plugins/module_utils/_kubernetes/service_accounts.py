# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who we are in a cluster and what we may do; time-bound tokens of service accounts, and kubeconfigs that hold them."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import stat
import typing as t
from datetime import datetime, timezone
from pathlib import Path

from .._core.errors import InputError
from .._core.files import write_whole
from .._core.text import quoted
from .._core.times import utc_text
from .._images.access import read_small_file
from .client import KubernetesClient
from .errors import INVALID, ApiError

_FILE_LIMIT = 4 << 20


@dataclasses.dataclass(frozen=True)
class Account:
    """A service account."""

    namespace: str
    name: str

    @property
    def user(self) -> str:
        """Under which name the API server knows it."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"


@dataclasses.dataclass(frozen=True)
class Token:
    """A bearer token; times are seconds since 1970, as the token itself tells them."""

    text: str = dataclasses.field(repr=False)
    issued: int
    expires: int

    @property
    def expires_text(self) -> str:
        """The end, RFC 3339 in UTC."""
        return utc_text(datetime.fromtimestamp(self.expires, timezone.utc))


@dataclasses.dataclass(frozen=True)
class AccessRequest:
    """Something that an account may want to do. An empty ``namespace`` means in all of them."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        kind = "/".join(filter(None, (self.resource, self.subresource)))
        kind = f"{kind}.{self.group}" if self.group else kind
        return " ".join(filter(None, (self.verb, kind, self.name, f"in {self.namespace}" if self.namespace else "")))


def who_am_i(client: KubernetesClient) -> str:
    """Under which name the server knows us; empty where it does not tell (before Kubernetes 1.28)."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        answer = client.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    except ApiError as error:
        if error.status not in (403, 404):
            raise
        return ""
    status = answer.get("status")
    user = status.get("userInfo") if isinstance(status, dict) else None
    return str(user.get("username") or "") if isinstance(user, dict) else ""


def may(client: KubernetesClient, wish: AccessRequest) -> bool:
    """Return whether the server would let us. What it refuses for other reasons than rights is not seen here."""
    answer = client.create(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in dataclasses.asdict(wish).items() if value}},
        },
    )
    status = answer.get("status")
    return isinstance(status, dict) and status.get("allowed") is True


def request_token(client: KubernetesClient, account: Account, seconds: int) -> Token:
    """A new token that is good for ``seconds``, or for as long as the server allows."""
    answer = client.create(
        f"/api/v1/namespaces/{account.namespace}/serviceaccounts/{account.name}/token",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        },
    )
    status = answer.get("status")
    token = parse_token(status.get("token")) if isinstance(status, dict) else None
    if token is None:
        raise ApiError(f"{client.server} made no token that can be read for {account.user}", code=INVALID)
    return token


def is_accepted(client: KubernetesClient, token: Token, account: Account) -> bool:
    """Return whether the server takes a token as that of this account, which may have been deleted and made anew."""
    answer = client.create(
        "/apis/authentication.k8s.io/v1/tokenreviews",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token.text}},
    )
    status = answer.get("status")
    if not isinstance(status, dict) or status.get("authenticated") is not True:
        return False
    user = status.get("user")
    return isinstance(user, dict) and user.get("username") == account.user


def parse_token(text: t.Any) -> Token | None:
    """A token with its times (RFC 7519); None for what is none, or has no end."""
    if not isinstance(text, str) or text.count(".") != 2:
        return None
    payload = text.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return Token(text, int(claims["iat"]), int(claims["exp"]))
    except (binascii.Error, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def kubeconfig(client: KubernetesClient, account: Account, token: str) -> dict[str, t.Any]:
    """A kubeconfig for the cluster that the client talks to, in the account's namespace."""
    cluster: dict[str, t.Any] = {"server": client.server}
    if client.ca:
        cluster["certificate-authority-data"] = base64.b64encode(client.ca.encode()).decode()
    if not client.verifies:
        cluster = {"server": client.server, "insecure-skip-tls-verify": True}
    if client.tls_server_name:
        cluster["tls-server-name"] = client.tls_server_name
    context = {"cluster": "cluster", "user": account.name, "namespace": account.namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": account.name, "user": {"token": token}}],
        "contexts": [{"name": account.name, "context": context}],
        "current-context": account.name,
    }


def why_renew(
    client: KubernetesClient, account: Account, path: str, seconds: int, now: float
) -> tuple[str, Token | None]:
    """Why the kubeconfig of an account must be written anew ("" when it need not be), and the token that it holds."""
    import yaml

    try:
        info = Path(path).lstat()
    except FileNotFoundError:
        return "there was none", None
    except OSError as error:
        raise InputError(f"the kubeconfig {quoted(path)} cannot be read: {error.strerror or error}") from error
    if not stat.S_ISREG(info.st_mode):
        raise InputError(f"{quoted(path)} is not a regular file", hint="give another path")
    try:
        content = yaml.safe_load(read_small_file(path, "the kubeconfig", _FILE_LIMIT).decode("utf-8"))
        token = parse_token(content["users"][0]["user"]["token"])
    except (yaml.YAMLError, ValueError, KeyError, IndexError, TypeError, RecursionError):
        return "it held no token", None
    if token is None:
        return "it held no token", None
    if content != kubeconfig(client, account, token.text):
        return "it was for another cluster or account", None
    if token.expires - now < (token.expires - token.issued) / 3:
        return "less than a third of its time was left", token
    if token.expires - now > seconds + 60:
        return "it was good for longer than wanted", token
    if not is_accepted(client, token, account):
        return "the server does not take its token any more", token
    if stat.S_IMODE(info.st_mode) & 0o177:
        return "others could read it", token
    return "", token


def write_kubeconfig(path: str, content: t.Mapping[str, t.Any]) -> None:
    """Put a kubeconfig in its place at once, readable for its owner alone. Raises InputError."""
    import yaml

    try:
        write_whole(Path(path), yaml.safe_dump(dict(content), sort_keys=False).encode())
    except OSError as error:
        raise InputError(
            f"the kubeconfig {quoted(path)} cannot be written: {error.strerror or error}",
            hint="check that its folder exists and may be written to",
        ) from error
