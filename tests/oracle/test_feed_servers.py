# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Feeds behind TLS: verified by default, by a given CA, and not at all only when asked for."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.downloads import (
    FeedClient,
    FetchError,
)
from ansible_collections.imagescan.openshift.tests.support.certificates import Authority
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def feed(_request: Request) -> Answer:
    return Answer(200, b"feed")


def test_an_unknown_certificate_is_refused_at_once(authority: Authority) -> None:
    with running_server(feed, tls=authority) as server, pytest.raises(FetchError, match="not trusted"):
        FeedClient(Access(retries=0)).read(f"https://{server.host}/", limit=100)


def test_a_given_ca_is_trusted(authority: Authority) -> None:
    with running_server(feed, tls=authority) as server:
        access = Access(ca_file=str(authority.ca_file))
        assert FeedClient(access).read(f"https://{server.host}/", limit=100) == b"feed"


def test_a_certificate_for_another_name_is_refused(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *more, **options: lookup("127.0.0.1", *more, **options))
    with running_server(feed, tls=authority) as server:
        access = Access(ca_file=str(authority.ca_file), retries=0)
        port = server.host.rpartition(":")[2]
        with pytest.raises(FetchError, match="not trusted"):
            FeedClient(access).read(f"https://feed.example:{port}/", limit=100)


def test_verification_is_left_out_only_when_asked_for(authority: Authority) -> None:
    with running_server(feed, tls=authority) as server:
        assert FeedClient(Access(validate_certs=False)).read(f"https://{server.host}/", limit=100) == b"feed"


def test_from_tls_a_redirect_leads_to_tls_alone(authority: Authority) -> None:
    with running_server(feed) as plain:
        away = Answer(302, headers={"Location": f"http://{plain.host}/"})
        with running_server(lambda _request: away, tls=authority) as server:
            access = Access(ca_file=str(authority.ca_file), retries=0)
            with pytest.raises(FetchError, match="only https") as caught:
                FeedClient(access).read(f"https://user:secret@{server.host}/", limit=100)
        assert not plain.requests
    assert caught.value.code == "feed-redirect" and "secret" not in str(caught.value)


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(InputError, match=name):
            FeedClient(Access(ca_file=str(tmp_path / name)))
