# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens and kubeconfigs; tests/cluster/test_setup.py uses them on a server."""

from __future__ import annotations

import base64
import json
import stat
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.service_accounts import (
    AccessRequest,
    Account,
    Token,
    kubeconfig,
    parse_token,
    write_kubeconfig,
)
from ansible_collections.imagescan.openshift.tests.support.certificates import Authority

ACCOUNT = Account("scans", "imagescan-scan")


def token_of(payload: t.Any) -> str:
    """A token with this payload."""
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return f"e30.{base64.urlsafe_b64encode(text).decode().rstrip('=')}.c2ln"


def test_a_token_tells_its_times() -> None:
    text = token_of({"iat": 1_700_000_000, "exp": 1_700_003_600})
    token = parse_token(text)
    assert token == Token(text, 1_700_000_000, 1_700_003_600)
    assert token.expires_text == "2023-11-14T23:13:20Z"
    assert text not in repr(token)


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "opaque",
        "a.b",
        "a.b.c.d",
        "a.!.c",
        "a.\u00e9.c",
        token_of(b"\xff"),
        token_of(b"[" * 100_000),
        token_of([]),
        token_of(7),
        token_of({"iat": 1}),
        token_of({"iat": "x", "exp": 2}),
        token_of({"iat": None, "exp": 2}),
        token_of(b'{"iat": 1e999, "exp": 2}'),
    ],
    ids=range(16),
)
def test_what_is_no_token_with_an_end_is_none(text: t.Any) -> None:
    assert parse_token(text) is None


def client(**options: t.Any) -> KubernetesClient:
    """A client that sends nothing."""
    return connect(Connection(host="https://cluster.example:6443", api_key="admin", **options))


def test_a_kubeconfig_trusts_what_its_maker_trusted(tmp_path: Path) -> None:
    ca = Path(Authority.create(tmp_path).ca_file)
    with_ca = kubeconfig(client(ca_cert=str(ca)), ACCOUNT, "x")["clusters"][0]["cluster"]
    assert base64.b64decode(with_ca["certificate-authority-data"]) == ca.read_bytes()
    assert "insecure-skip-tls-verify" not in with_ca
    assert kubeconfig(client(), ACCOUNT, "x")["clusters"][0]["cluster"] == {"server": "https://cluster.example:6443"}
    blind = kubeconfig(client(validate_certs=False), ACCOUNT, "x")["clusters"][0]["cluster"]
    assert blind == {"server": "https://cluster.example:6443", "insecure-skip-tls-verify": True}


def test_a_written_kubeconfig_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    content = kubeconfig(client(), ACCOUNT, "a-token")
    write_kubeconfig(str(path), content)
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert connect(Connection(kubeconfig=str(path))).server == "https://cluster.example:6443"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kubeconfig_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "kubeconfig"
    (folder / "inside").mkdir(parents=True)
    with pytest.raises(InputError, match="kubeconfig' cannot be written: Is a directory"):
        write_kubeconfig(str(folder), kubeconfig(client(), ACCOUNT, "a-token"))
    assert list(tmp_path.iterdir()) == [folder]


def test_a_wish_is_told_in_words() -> None:
    assert str(AccessRequest("list", "pods")) == "list pods"
    assert str(AccessRequest("get", "pods", subresource="log", namespace="scans")) == "get pods/log in scans"
    assert str(AccessRequest("get", "roles", group="rbac.example", name="one")) == "get roles.rbac.example one"
