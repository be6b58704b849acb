# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import RegistryError
from ansible_collections.imagescan.openshift.plugins.module_utils._images import tokens
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.tokens import (
    Challenge,
    check_realm,
    parse_challenges,
    registrable_domain,
    status_code,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.urls import Endpoint
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            ['Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"'],
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull",
                    },
                )
            ],
        ),
        (["Basic realm=plain"], [Challenge("basic", {"realm": "plain"})]),
        (['BASIC REALM="a \\"b\\", c"'], [Challenge("basic", {"realm": 'a "b", c'})]),
        (
            ['Basic realm="x", Bearer realm="y" , service = "z"'],
            [Challenge("basic", {"realm": "x"}), Challenge("bearer", {"realm": "y", "service": "z"})],
        ),
        (
            ['Basic realm="x"', 'Bearer realm="y"'],
            [Challenge("basic", {"realm": "x"}), Challenge("bearer", {"realm": "y"})],
        ),
        (["Negotiate, Basic"], [Challenge("negotiate", {}), Challenge("basic", {})]),
        (['Bearer realm="first",realm="second"'], [Challenge("bearer", {"realm": "first"})]),
        (["Negotiate abc=="], [Challenge("negotiate", {})]),
        (['realm="nobody"'], []),
        (['Bearer realm="unterminated'], [Challenge("bearer", {})]),
        ([""], []),
        ([], []),
    ],
)
def test_challenges(headers: list[str], expected: list[Challenge]) -> None:
    found = parse_challenges(headers)
    assert found[: len(expected)] == expected
    assert all(item.scheme not in ("basic", "bearer") for item in found[len(expected) :])


@given(st.lists(st.one_of(st.text(max_size=80), st.text('Bearer, ="\\xa', max_size=80)), max_size=3))
def test_any_header_is_read(headers: list[str]) -> None:
    for challenge in parse_challenges(headers):
        assert challenge.scheme == challenge.scheme.lower()


def test_long_headers_do_not_take_long() -> None:
    parse_challenges(['Bearer realm="' + "\\" * 1_000_000, "a=" * 1_000_000, "a " * 1_000_000, "\\" * 1_000_000])


@pytest.mark.parametrize(
    ("life", "seconds"),
    [("", 60), (', "expires_in": 300', 300), (', "expires_in": 5', 60), (', "expires_in": "300"', 60),
     (', "expires_in": true', 60), (', "expires_in": 1e9', 86_400)],
)  # fmt: skip
def test_how_long_a_token_lives(monkeypatch: pytest.MonkeyPatch, life: str, seconds: int) -> None:
    """A tenth less than it says: it must not end on the way."""
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    token = tokens._read_token(f'{{"token": "abc"{life}}}'.encode(), "answer")
    assert (token.value, token.end) == ("abc", 1000 + 0.9 * seconds)


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("registry-1.docker.io", "docker.io"),
        ("quay.io", "quay.io"),
        ("a.b.c.example.com", "example.com"),
        ("registry.example.co.uk", "example.co.uk"),
        ("example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("team.azurecr.io", "team.azurecr.io"),
        ("123.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1.amazonaws.com"),
        ("a.ns.svc.cluster.local", "ns.svc.cluster.local"),
        ("registry", "registry"),
        ("192.0.2.1", "192.0.2.1"),
        ("::1", "::1"),
    ],
)
def test_registrable_domains(host: str, domain: str) -> None:
    assert registrable_domain(host) == domain


HTTPS = Endpoint("https", "registry.example.com", 443)


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        (HTTPS, "https://registry.example.com/token"),
        (HTTPS, "https://registry.example.com:8443/token?a=b"),
        (HTTPS, "https://auth.example.com/token"),
        (HTTPS, "https://example.com/jwt/auth"),
        (HTTPS, "https://AUTH.allowed.test:8443/token"),
        (HTTPS, "https://any-port.test:1234/token"),
        (Endpoint("http", "127.0.0.1", 5000), "http://127.0.0.1:5001/token"),
        (Endpoint("http", "127.0.0.1", 5000), "https://127.0.0.1:5001/token"),
        (Endpoint("https", "registry-1.docker.io", 443), "https://auth.docker.io/token"),
    ],
)
def test_realms_that_are_asked(registry: Endpoint, realm: str) -> None:
    access = Access(token_realms=("auth.allowed.test:8443", "any-port.test"))
    assert str(check_realm(realm, registry, access)).lower() == realm.lower()


@pytest.mark.parametrize(
    ("registry", "realm", "says"),
    [
        (HTTPS, "https://evil.test/token", "foreign host"),
        (HTTPS, "https://example.com.evil.test/token", "foreign host"),
        (HTTPS, "https://registry.example.com@evil.test/token", "not a usable URL"),
        (HTTPS, "https://auth.allowed.test/token", "foreign host"),
        (HTTPS, "http://registry.example.com/token", "plain HTTP"),
        (HTTPS, "http://auth.allowed.test:8443/token", "plain HTTP"),
        (HTTPS, "", "not a usable URL"),
        (HTTPS, "/token", "not a usable URL"),
        (HTTPS, "ftp://registry.example.com/", "not a usable URL"),
        (HTTPS, "https://registry.example.com/\r\nX: y", "not a usable URL"),
        (HTTPS, "https://[::1/", "not a usable URL"),
        (HTTPS, "https://registry.example.com:99999/", "not a usable URL"),
        (Endpoint("https", "a.co.uk", 443), "https://b.co.uk/token", "foreign host"),
        (Endpoint("https", "one.azurecr.io", 443), "https://two.azurecr.io/token", "foreign host"),
        (Endpoint("https", "192.0.2.1", 443), "https://192.0.2.2/token", "foreign host"),
        (Endpoint("https", "registry", 443), "https://auth/token", "foreign host"),
        (Endpoint("http", "127.0.0.1", 5000), "http://localhost:5001/token", "foreign host"),
        # A registry that is asked over plain HTTP lends nobody else the right to be asked so, not even its own domain.
        (Endpoint("http", "registry.example.com", 80), "http://auth.example.com/token", "plain HTTP"),
        (Endpoint("http", "registry.example.com", 80), "http://auth.allowed.test:8443/token", "plain HTTP"),
    ],
)
def test_realms_that_are_refused(registry: Endpoint, realm: str, says: str) -> None:
    with pytest.raises(RegistryError, match=says) as caught:
        check_realm(realm, registry, Access(token_realms=("auth.allowed.test:8443",)))
    assert caught.value.code == "token-realm-refused"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "registry-error"),
        (401, "registry-unauthorized"),
        (403, "registry-forbidden"),
        (404, "image-not-found"),
        (408, "registry-unavailable"),
        (425, "registry-unavailable"),
        (429, "registry-rate-limited"),
        (499, "registry-error"),
        (500, "registry-unavailable"),
        (503, "registry-unavailable"),
    ],
)
def test_each_status_has_its_reason(status: int, code: str) -> None:
    assert status_code(status) == code
