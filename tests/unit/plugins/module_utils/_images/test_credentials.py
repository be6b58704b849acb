# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.credentials import Credential, Credentials

SECRET = "pa55:w0rd+/="


def auth(username: str, password: str = SECRET) -> dict[str, t.Any]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def credentials(folder: Path, content: t.Any) -> Credentials:
    path = folder / "auth.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return Credentials(Access(auth_files=(str(path),)))


def found(folder: Path, content: t.Any, registry: str, repository: str = "ns/app") -> str | None:
    credential = credentials(folder, content).find(registry, repository)
    assert credential is None or credential.password == SECRET
    return credential.username if credential else None


def test_the_most_specific_entry_wins(tmp_path: Path) -> None:
    content = {"auths": {name: auth(name) for name in ("r.io", "r.io/ns", "r.io/ns/app", "r.io/n", "s.io/ns/app/x")}}
    assert found(tmp_path, content, "r.io") == "r.io/ns/app"
    assert found(tmp_path, content, "r.io", "ns/other") == "r.io/ns"
    assert found(tmp_path, content, "r.io", "ns/app/deeper") == "r.io/ns/app"
    assert found(tmp_path, content, "r.io", "nss/app") == "r.io"
    assert found(tmp_path, content, "r.io", "") == "r.io"
    assert found(tmp_path, content, "r.io:5000") is None
    assert found(tmp_path, content, "s.io") is None


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("https://quay.io/v2/", "quay.io"),
        ("http://quay.io", "quay.io"),
        ("quay.io/v2", "quay.io"),
        ("QUAY.io", "quay.IO"),
        ("https://quay.io/some/path", "quay.io"),
        ("[::1]:5000", "[::1]:5000"),
        ("*.example.com", "a.example.com"),
        ("quay.*", "quay.io"),
    ],
)
def test_keys_that_mean_a_registry(key: str, registry: str, tmp_path: Path) -> None:
    assert found(tmp_path, {"auths": {key: auth("u")}}, registry) == "u"
    assert found(tmp_path, {key: auth("u")}, registry) == "u"  # .dockercfg


def test_wildcards_stay_inside_a_label_and_come_last(tmp_path: Path) -> None:
    content = {"auths": {"*.example.com": auth("wild"), "a.example.com": auth("plain")}}
    assert found(tmp_path, content, "a.example.com") == "plain"
    assert found(tmp_path, content, "b.example.com") == "wild"
    assert found(tmp_path, content, "a.b.example.com") is None
    assert found(tmp_path, content, "example.com") is None


def test_tokens(tmp_path: Path) -> None:
    entry = {**auth("<token>", "x"), "identitytoken": " abc "}
    found = credentials(tmp_path, {"auths": {"r.io": entry}}).find("r.io")
    assert found is not None
    assert found == Credential("<token>", "x", "abc", "", found.origin)
    given = credentials(tmp_path, {"auths": {"r.io": {"registrytoken": "t0k"}}}).find("r.io")
    assert given is not None and given.registry_token == "t0k"


def test_user_name_and_password_in_plain_fields(tmp_path: Path) -> None:
    assert found(tmp_path, {"auths": {"r.io": {"username": "u", "password": SECRET}}}, "r.io") == "u"


@pytest.mark.parametrize(
    "content", [{}, {"auths": {}}, {"auths": None}, {"HttpHeaders": {"a": "b"}}, {"auths": {"x.io": {}}}]
)
def test_nothing_for_the_registry_is_anonymous(content: t.Any, tmp_path: Path) -> None:
    assert found(tmp_path, content, "r.io") is None
    assert Credentials(Access()).find("r.io") is None


@pytest.mark.parametrize(
    "content",
    [
        {"credHelpers": {"r.io": "ecr-login"}},
        {"credHelpers": {"https://r.io/": "ecr-login"}, "auths": {"other.io": auth("u")}},
        {"credsStore": "desktop"},
        {"credsStore": "desktop", "auths": {"r.io": {}}},
        {"credHelpers": {"r.io": "x"}, "auths": {"r.io": {"email": "a@b"}}},
    ],
)
def test_a_helper_that_would_apply_is_an_error(content: t.Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="credential helper"):
        found(tmp_path, content, "r.io")


def test_a_helper_for_another_registry_or_beside_a_secret_is_not_asked(tmp_path: Path) -> None:
    assert found(tmp_path, {"credHelpers": {"other.io": "x"}}, "r.io") is None
    assert found(tmp_path, {"credsStore": "desktop", "auths": {"r.io": auth("u")}}, "r.io") == "u"


def test_an_empty_entry_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no secret"):
        found(tmp_path, {"auths": {"r.io": {"email": "a@b"}}}, "r.io")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "JSON"),
        ("[]", "not a JSON object"),
        ('{"auths": [1]}', "auths is a list"),
        ('{"auths": {"r.io": 5}}', "is a whole number"),
        ('{"auths": {"r.io": {"auth": 5}}}', "auth is a whole number"),
        ('{"auths": {"r.io": {"auth": "!!!"}}}', "not base64"),
        ('{"auths": {"r.io": {"auth": "cGE1NXcwcmQ="}}}', "no colon"),
        ('{"auths": {"r.io": {"auth": "/////w=="}}}', "not base64"),
        ('{"auths": {"r.io": {"registrytoken": "pa55w0rd\\r\\nX: y"}}}', "line break"),
        ('{"auths": {"r.io": {"username": "u", "password": "pa55w0rd\\u0000x"}}}', "NUL"),
        ('{"credHelpers": 5}', "credHelpers is a whole number"),
        ('{"credsStore": {}}', "credsStore is an object"),
        ('{"r.io": "cGE1NXcwcmQ="}', "is text"),
        ("[" * 100_000, "JSON"),
    ],
)
def test_bad_files_are_refused_without_showing_secrets(content: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says) as caught:
        found(tmp_path, content, "r.io")
    assert "auth.json" in str(caught.value)
    assert "pa55w0rd" not in f"{caught.value} {caught.value.__cause__!r} {caught.value.__context__!r}"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", "a\0b"):
        with pytest.raises(InputError, match="cannot be read"):
            Credentials(Access(auth_files=(str(path),)))
    big = tmp_path / "big"
    big.write_bytes(b" " * (5 << 20))
    with pytest.raises(InputError, match="larger than"):
        Credentials(Access(auth_files=(str(big),)))


def test_values_do_not_show_secrets() -> None:
    credential = Credential("u", SECRET, "identity-" + SECRET, "registry-" + SECRET)
    access = Access(username="u", password=SECRET, login_registry="r.io")
    assert SECRET not in f"{credential} {credential!r} {access} {access!r}"


def test_a_login_belongs_to_one_registry() -> None:
    found_there = Credentials(Access(username="u", password=SECRET, login_registry="r.io:5000"))
    assert found_there.find("R.io:5000", "a") is not None
    assert found_there.find("r.io", "a") is None


@pytest.mark.parametrize(
    "options",
    [
        {"username": "u"},
        {"username": "u", "password": "p"},
        {"login_registry": "r.io"},
        {"username": "u:v", "password": "p", "login_registry": "r.io"},
        {"username": "u", "password": "p\n", "login_registry": "r.io"},
        {"username": "u", "password": "p", "login_registry": "r.io/x"},
        {"timeout": 0},
        {"deadline": float("nan")},
        {"retries": -1},
        {"plain_http": ("http://r.io",)},
        {"token_realms": ("",)},
    ],
)
def test_access_that_makes_no_sense(options: dict[str, t.Any]) -> None:
    with pytest.raises(InputError):
        Access(**options)
