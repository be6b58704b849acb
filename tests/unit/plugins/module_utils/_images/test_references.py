# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._core.text import quoted
from ansible_collections.imagescan.openshift.plugins.module_utils._images.references import (
    Reference,
    is_digest,
    is_repository,
    is_tag,
    parse_reference,
    parse_registry,
)
from hypothesis import given
from hypothesis import strategies as st

SHA = "sha256:" + "0123456789abcdef" * 4
SHA512 = "sha512:" + "0123456789abcdef" * 8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx", Reference("docker.io", "library/nginx", "latest")),
        ("nginx:1.25", Reference("docker.io", "library/nginx", "1.25")),
        ("bitnami/nginx", Reference("docker.io", "bitnami/nginx", "latest")),
        ("docker.io/nginx", Reference("docker.io", "library/nginx", "latest")),
        ("index.docker.io/library/nginx", Reference("docker.io", "library/nginx", "latest")),
        ("a/b/c/d", Reference("docker.io", "a/b/c/d", "latest")),
        ("localhost/foo", Reference("localhost", "foo", "latest")),
        ("localhost:5000", Reference("docker.io", "library/localhost", "5000")),
        ("localhost:5000/foo:1", Reference("localhost:5000", "foo", "1")),
        ("quay.io/a/b/c:1", Reference("quay.io", "a/b/c", "1")),
        (f"foo:1.2@{SHA}", Reference("docker.io", "library/foo", "1.2", SHA)),
        (f"quay.io:443/a/b@{SHA}", Reference("quay.io:443", "a/b", "", SHA)),
        (f"r.example/a@{SHA512}", Reference("r.example", "a", "", SHA512)),
        ("[::1]:5000/a/b:t", Reference("[::1]:5000", "a/b", "t")),
        ("[2001:db8::1]/a", Reference("[2001:db8::1]", "a", "latest")),
        ("192.0.2.7:5000/a", Reference("192.0.2.7:5000", "a", "latest")),
        ("Registry/a", Reference("Registry", "a", "latest")),
        ("REG.Example/a", Reference("REG.Example", "a", "latest")),
        ("r.example/a__b/c.d/e---f/g_h", Reference("r.example", "a__b/c.d/e---f/g_h", "latest")),
        ("r.example/a:_t.-A", Reference("r.example", "a", "_t.-A")),
        ("xn--n3h.example/a", Reference("xn--n3h.example", "a", "latest")),
        ("image-registry.openshift-image-registry.svc:5000/ns/app", None),
    ],
)
def test_what_references_mean(text: str, expected: Reference | None) -> None:
    parsed = parse_reference(text)
    if expected is not None:
        assert parsed == expected
    assert parse_reference(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("", 1, "empty"),
        ("nginx ", 6, "printable"),
        ("ng\x1b[31minx", 3, "printable"),
        ("nginxé", 6, "printable"),
        ("https://quay.io/a", 6, "scheme"),
        ("0123456789abcdef" * 4, 1, "a local image's ID"),
        ("quay.io/Foo", 9, "upper case"),
        ("quay.io/a/bBc", 12, "upper case"),
        ("quay.io/", 9, "missing"),
        ("/foo", 1, "empty"),
        ("quay.io//a", 9, "empty"),
        ("quay.io/a/", 11, "empty"),
        ("quay.io/a..b", 10, "not allowed"),
        ("quay.io/a___b", 10, "not allowed"),
        ("quay.io/-a", 9, "not allowed"),
        ("quay.io/a-", 10, "not allowed"),
        ("quay.io/../etc", 9, "not allowed"),
        ("quay.io/a:", 11, "tag is empty"),
        ("quay.io/a:-t", 11, "not allowed in a tag"),
        ("quay.io/a:b/c", 12, "not allowed in a tag"),
        ("quay.io/a:" + "t" * 129, 11, "at most 128"),
        ("quay.io/" + "a" * 256, 9, "at most 255"),
        ("a" * 250, 1, "at most 255"),
        ("quay.io:0/a", 9, "port"),
        ("quay.io:65536/a", 9, "port"),
        ("quay.io:/a", 9, "port"),
        ("quay.io:\uff15/a", 9, "printable"),
        ("quay.io:x/a", 9, "port"),
        ("-quay.io/a", 1, "host name"),
        ("quay-.io/a", 1, "host name"),
        ("quay..io/a", 6, "host name"),
        ("a_b.io/a", 1, "host name"),
        (":5000/a", 1, "no host"),
        ("h" * 254 + ".io/a", 1, "at most 253"),
        ("[::1/a", 2, "IPv6"),
        ("[fe80::1%eth0]/a", 2, "IPv6"),
        ("[192.0.2.1]:5000/a", 2, "IPv6"),
        ("[::1]5000/a", 6, "unexpected"),
        ("quay.io/a@", 11, "not a digest algorithm"),
        ("quay.io/a@md5:" + "0" * 32, 11, "not a digest algorithm"),
        ("quay.io/a@sha256", 11, "not a digest algorithm"),
        (f"quay.io/a@{SHA[:-1]}", 81, "64"),
        (f"quay.io/a@{SHA}0", 83, "65 digits"),
        (f"quay.io/a@{SHA.upper().replace('SHA', 'sha')}", 28, "hexadecimal"),
        (f"quay.io/a@{SHA}@{SHA}", 82, "hexadecimal"),
        ("a" * 2000, 1025, "too many"),
    ],
)
def test_errors_say_where_and_what_is_expected(text: str, position: int, says: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_reference(text)
    message = str(caught.value)
    assert f"character {position}:" in message
    assert says in message
    assert message.isprintable() and message.isascii()
    assert len(message) < 500


def test_a_repository_of_255_characters_is_the_longest() -> None:
    assert len(parse_reference("quay.io/" + "a" * 255).repository) == 255
    # library/ counts too.
    assert len(parse_reference("a" * 247).repository) == 255


def test_registries_alone() -> None:
    assert parse_registry("quay.io:443") == "quay.io:443"
    assert parse_registry("index.docker.io") == "docker.io"
    for wrong in ("", "quay.io/a", "https://quay.io", "quay.io:99999", "a b"):
        with pytest.raises(InputError):
            parse_registry(wrong)


HOSTS = st.one_of(
    st.from_regex(r"\A[a-zA-Z0-9]([a-zA-Z0-9-]{0,5}[a-zA-Z0-9])?\.[a-z]{2,5}\Z"),
    st.just("localhost"),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
PORTS = st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}"))
REPOSITORIES = st.lists(
    st.from_regex(r"\A[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}\Z"), min_size=1, max_size=6
).map("/".join)
TAGS = st.one_of(st.just(""), st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z"))
DIGESTS = st.one_of(
    st.just(""),
    st.binary(min_size=32, max_size=32).map(lambda data: f"sha256:{data.hex()}"),
    st.binary(min_size=64, max_size=64).map(lambda data: f"sha512:{data.hex()}"),
)


@given(HOSTS, PORTS, REPOSITORIES, TAGS, DIGESTS)
def test_every_part_survives_the_round_trip(host: str, port: str, repository: str, tag: str, digest: str) -> None:
    text = f"{host}{port}/{repository}{':' + tag if tag else ''}{'@' + digest if digest else ''}"
    parsed = parse_reference(text)
    assert parsed == Reference(f"{host}{port}", repository, tag or ("" if digest else "latest"), digest)
    assert parse_reference(str(parsed)) == parsed
    assert is_repository(repository)
    assert not tag or is_tag(tag)
    assert not digest or is_digest(digest)


@given(st.one_of(st.text(max_size=60), st.text("aZ0:/@._-[]", max_size=40)))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parsed = parse_reference(text)
    except InputError:
        return
    assert parse_reference(str(parsed)) == parsed
    assert is_repository(parsed.repository)
    assert parsed.version


def test_foreign_text_is_shown_harmless_and_short() -> None:
    assert quoted("a\x1b]0;x\x07\n\u202e") == r"'a\x1b]0;x\x07\n\u202e'"
    assert len(quoted("x" * 10_000)) == 202
