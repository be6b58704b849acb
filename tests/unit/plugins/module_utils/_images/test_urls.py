# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs: what is taken, what is refused, what is not shown."""

from __future__ import annotations

from ansible_collections.imagescan.openshift.plugins.module_utils._images.urls import Endpoint, Url, parse_url


def url(text: str) -> Url:
    """A URL that can be parsed."""
    parsed = parse_url(text)
    assert parsed is not None
    return parsed


def test_urls() -> None:
    parsed = url("HTTPS://Example.COM/a?b=c#d")
    assert parsed == Url(Endpoint("https", "example.com", 443), "/a?b=c")
    assert str(url("http://[::1]:5000")) == "http://[::1]:5000/"
    for wrong in (
        "",
        "//a/b",
        "file:///etc/passwd",
        "http://",
        "http://u@h/",
        "http://h:0/",
        "http://h/\n",
        "http://h/" + "a" * 20_000,
    ):
        assert parse_url(wrong) is None


def test_a_signed_address_is_not_shown_by_accident() -> None:
    assert "s3cret" not in repr(url("https://storage.example/x?signature=s3cret"))
