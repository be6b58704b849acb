# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxies that the environment names: who is asked through them, and which cannot be used."""

from __future__ import annotations

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.proxies import proxy_for
from ansible_collections.imagescan.openshift.plugins.module_utils._images.urls import Endpoint
from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._images.test_urls import url


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("no_proxy", "target", "used"),
    [
        ("", "https://r.example.com/", True),
        ("example.com", "https://r.example.com/", False),
        (".example.com", "https://r.example.com/", False),
        ("other.com,r.example.com:443", "https://r.example.com/", False),
        ("r.example.com:444", "https://r.example.com/", True),
        ("*", "https://r.example.com/", False),
        ("10.0.0.0/8", "https://10.1.2.3:5000/", False),
        ("10.0.0.0/8, 192.0.2.0/24", "https://192.0.2.3/", False),
        ("10.0.0.0/8", "https://192.0.2.3/", True),
        ("fd00::/8,nonsense/x", "https://[fd00::1]/", False),
        ("", "https://127.0.0.1/", False),
        ("", "https://localhost/", False),
    ],
)
def test_who_is_asked_through_it(no_proxy: str, target: str, used: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert bool(proxy_for(url(target).endpoint)) is used


def test_login_goes_to_the_proxy_alone_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://u%40x:p%3Ass@proxy.test")
    proxy = proxy_for(url("https://r.example.com/").endpoint)
    assert proxy is not None
    assert proxy.endpoint == Endpoint("http", "proxy.test", 80)
    assert proxy.headers == {"Proxy-Authorization": "Basic dUB4OnA6c3M="}
    assert "dUB4" not in repr(proxy)


@pytest.mark.parametrize("setting", ["socks5://p:1", "https://user:s3cret@p:1", "http://", "http://p:99999"])
def test_proxies_that_cannot_be_used(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", setting)
    with pytest.raises(InputError, match="proxy") as caught:
        proxy_for(url("https://r.example.com/").endpoint)
    assert "s3cret" not in str(caught.value)
