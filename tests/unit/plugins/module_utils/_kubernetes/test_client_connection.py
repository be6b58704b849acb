# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options, kubeconfigs and variables: which of them counts, and what is said of wrong ones."""

from __future__ import annotations

import base64
import copy
import dataclasses
import errno
import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.cluster_options import client_of
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes import kubeconfig, login
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import Connection, connect
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.connection import secrets_of, settle
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.tests.support.certificates import Authority
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server

PLAIN: dict[str, t.Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [
        {"name": "one", "cluster": {"server": "https://one.example:6443"}},
        {"name": "two", "cluster": {"server": "https://two.example"}},
    ],
    "users": [{"name": "me", "user": {"token": "canary-token"}}, {"name": "nobody", "user": {}}],
    "contexts": [
        {"name": "first", "context": {"cluster": "one", "user": "me"}},
        {"name": "second", "context": {"cluster": "two", "user": "nobody"}},
    ],
    "current-context": "first",
}


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no file of the person who runs the tests."""
    for name in list(os.environ):
        if name.startswith("K8S_AUTH_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def changed(**parts: t.Any) -> dict[str, t.Any]:
    """The plain kubeconfig with other parts."""
    return {**copy.deepcopy(PLAIN), **parts}


def with_user(**user: t.Any) -> dict[str, t.Any]:
    """The plain kubeconfig with another user."""
    return changed(users=[{"name": "me", "user": user}])


def written(path: Path, content: t.Any) -> str:
    """A file with a kubeconfig, or with any text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def test_a_kubeconfig_is_a_file_or_a_dictionary(tmp_path: Path) -> None:
    for source in (written(tmp_path / "config", PLAIN), PLAIN):
        settled = settle(Connection(kubeconfig=source))
        assert (settled.server, settled.authorization()) == ("https://one.example:6443", "Bearer canary-token")


def test_the_context_chooses() -> None:
    settled = settle(Connection(kubeconfig=PLAIN, context="second"))
    assert (settled.server, settled.authorization()) == ("https://two.example", "")


def test_several_files_are_one_kubeconfig(tmp_path: Path) -> None:
    users = written(tmp_path / "users", {"users": PLAIN["users"]})
    rest = written(tmp_path / "rest", {name: value for name, value in PLAIN.items() if name != "users"})
    settled = settle(Connection(kubeconfig=f"{rest}:{users}:{tmp_path / 'missing'}"))
    assert settled.authorization() == "Bearer canary-token"


def test_options_win_over_the_kubeconfig() -> None:
    settled = settle(Connection(kubeconfig=PLAIN, host="https://other.example/", api_key="mine"))
    assert (settled.server, settled.authorization()) == ("https://other.example", "Bearer mine")


@pytest.mark.parametrize("place", ["KUBECONFIG", "home"])
def test_without_options_the_usual_places_count(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "home" / ".kube" / "config" if place == "home" else tmp_path / "elsewhere"
    written(path, PLAIN)
    if place == "KUBECONFIG":
        monkeypatch.setenv("KUBECONFIG", str(path))
    assert settle(Connection()).server == "https://one.example:6443"


def test_a_user_of_a_kubeconfig_may_be_somebody_else() -> None:
    settled = settle(Connection(kubeconfig=with_user(token="x", **{"as": "boss", "as-groups": ["a", "b"]})))
    assert settled.impersonate == (
        ("Impersonate-User", "boss"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
    )


def plugin(folder: Path, says: str, status: int = 0) -> dict[str, t.Any]:
    """A user whose credentials a program gives."""
    program = folder / "plugin"
    program.write_text(f"#!{sys.executable}\nimport sys\nprint({says!r}, end='')\n", encoding="utf-8")
    with program.open("a", encoding="utf-8") as script:
        script.write(f"print('no ticket', file=sys.stderr)\nsys.exit({status})\n")
    program.chmod(0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "args": ["get-token"]}}


def test_a_credential_plugin_gives_the_token(tmp_path: Path) -> None:
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "fresh"},
    }
    settled = settle(Connection(kubeconfig=with_user(**plugin(tmp_path, json.dumps(credential)))))
    assert settled.authorization() == "Bearer fresh"


@pytest.mark.parametrize(
    ("says", "status", "text"),
    [("", 3, "process returned 3. no ticket"), ("no json", 0, "failed to decode"), ("{}", 0, "missing key")],
)
def test_a_credential_plugin_that_fails_says_why(says: str, status: int, text: str, tmp_path: Path) -> None:
    with pytest.raises(ApiError, match=f"credential plugin .*plugin' gave no credentials: .*{text}") as caught:
        settle(Connection(kubeconfig=with_user(**plugin(tmp_path, says, status))))
    assert caught.value.code == "cluster-config"


def test_a_token_file_is_read(tmp_path: Path) -> None:
    written(tmp_path / "token", "from-file")
    assert (
        settle(Connection(kubeconfig=with_user(tokenFile=str(tmp_path / "token")))).authorization()
        == "Bearer from-file"
    )


WRONG: dict[str, tuple[t.Any, str, str, str]] = {
    # kubeconfig (a dictionary of that file's parts, text for a file, or None for no file), context, message, hint
    "missing": (None, "", "the kubeconfig '.*config' does not exist", "give kubeconfig, or host with api_key"),
    "not YAML": ("a: [", "", "is not YAML \\(line 1\\)", "right file"),
    "not text": ("\x00\x01", "", "is not YAML", "right file"),
    "a list": ("- a", "", "is not a kubeconfig", "right file"),
    "empty": ("", "", "is not a kubeconfig", "right file"),
    "other YAML": ("a: 1", "", "has no current context", "it has: none"),
    "no such context": (PLAIN, "third", "has no context 'third'", "it has: 'first', 'second'"),
    "no current context": (
        changed(**{"current-context": ""}),
        "",
        "has no current context",
        "it has: 'first', 'second'",
    ),
    "no such cluster": (changed(clusters=[]), "", "'first' names no cluster with a server", ""),
    "no such user": (changed(users=[]), "", "'first' names the user 'me', who is not in it", ""),
    "contexts is an object": (
        changed(contexts={"a": 1}),
        "",
        "contexts is not a list of named entries",
        "right file",
    ),
    "cluster without server": (
        changed(clusters=[{"name": "one", "cluster": {}}]),
        "",
        "names no cluster with a server",
        "",
    ),
    "no CA file": (
        changed(clusters=[{"name": "one", "cluster": {"server": "https://one", "certificate-authority": "/no/ca"}}]),
        "",
        "cannot be used: File does not exist: /no/ca|/no/ca",
        "",
    ),
    "CA is not base64": (
        changed(clusters=[{"name": "one", "cluster": {"server": "https://one", "certificate-authority-data": "%%%"}}]),
        "",
        "cannot be used|no certificates",
        "",
    ),
    "no client certificate": (
        with_user(**{"client-certificate": "/no/cert", "client-key": "/no/key"}),
        "",
        "/no/cert",
        "",
    ),
    "no token file": (with_user(tokenFile="/no/token"), "", "/no/token", ""),
    "an address that is none": (
        changed(clusters=[{"name": "one", "cluster": {"server": "one.example:6443"}}]),
        "",
        "the address of the API server cannot be used",
        "https://name:6443",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_kubeconfig_is_one_sentence(case: str, tmp_path: Path) -> None:
    content, context, text, hint = WRONG[case]
    path = tmp_path / "config"
    if content is not None:
        written(path, content)
    with pytest.raises(ApiError, match=text) as caught:
        settle(Connection(kubeconfig=str(path), context=context))
    assert caught.value.code == "cluster-config"
    assert hint in caught.value.hint
    assert "canary" not in str(caught.value)


def test_an_unreadable_kubeconfig_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match=r"the kubeconfig .* cannot be read: Is a directory") as caught:
        settle(Connection(kubeconfig=str(tmp_path)))
    assert "check the path" in caught.value.hint


def test_nothing_that_says_where_the_cluster_is() -> None:
    with pytest.raises(ApiError, match="nothing else says where the cluster is") as caught:
        settle(Connection())
    assert "give kubeconfig, or host with api_key" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"username": "me"}, "username and password are only good together"),
        ({"client_cert": "/a"}, "client_cert and client_key are only good together"),
        ({"impersonate_groups": ("a",)}, "impersonate_groups needs impersonate_user"),
        ({"api_key": "a\r\nX: y"}, "api_key has a line break"),
        ({"timeout": 0.0}, "timeout is 0.0"),
        ({"deadline": float("nan")}, "deadline is nan"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, t.Any], text: str) -> None:
    with pytest.raises((ApiError, InputError), match=text):
        Connection(host="https://one.example", **options)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"ca_cert": "/no/ca"}, "the CA file '/no/ca' cannot be read: No such file"),
        ({"ca_cert": __file__}, "has no certificates in PEM form"),
        ({"client_cert": "/no/c", "client_key": "/no/k"}, "the client certificate '/no/c' cannot be read"),
        ({"client_cert": __file__, "client_key": __file__}, "the client certificate .* and the key .* cannot be used"),
        ({"proxy": "socks5://p:1"}, "the proxy cannot be used"),
        ({"proxy": "http://p:port"}, "the proxy cannot be used"),
        ({"host": "one.example"}, "address of the API server cannot be used"),
        ({"host": "https://user:pw@one.example"}, "address of the API server cannot be used"),
        ({"host": "https://one.example?x=1"}, "has a query"),
        ({"host": "http://one.example"}, "would go to http://one.example without encryption"),
    ],
)
def test_a_wrong_option_is_one_sentence(options: dict[str, t.Any], text: str) -> None:
    wanted: dict[str, t.Any] = {"host": "https://one.example", "api_key": "canary", **options}
    with pytest.raises(ApiError, match=text) as caught:
        settle(Connection(**wanted))
    assert caught.value.code == "cluster-config"
    assert "canary" not in str(caught.value)
    assert "pw" not in str(caught.value)


def test_verification_that_is_off_is_a_warning() -> None:
    assert settle(Connection(host="https://one.example", api_key="a")).warnings == ()
    (text,) = connect(Connection(host="https://one.example", api_key="a", validate_certs=False)).warnings
    assert "the certificate of https://one.example is not verified" in text
    cluster = {"server": "https://one.example", "insecure-skip-tls-verify": True}
    kubeconfig = changed(clusters=[{"name": "one", "cluster": cluster}])
    assert settle(Connection(kubeconfig=kubeconfig)).warnings
    assert not settle(Connection(kubeconfig=kubeconfig, validate_certs=True)).warnings


def proxy_of(**options: t.Any) -> tuple[str, t.Mapping[str, str]]:
    """Address of the proxy that is used, and its headers; ("", {}) without one."""
    pool: t.Any = settle(Connection(**{"host": "https://one.example", "api_key": "a", **options})).pool
    return (str(pool.proxy), pool.proxy_headers) if getattr(pool, "proxy", None) else ("", {})


def test_which_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_of() == ("", {})
    monkeypatch.setenv("HTTPS_PROXY", "http://environment:3128")
    assert proxy_of()[0] == "http://environment:3128"
    assert proxy_of(no_proxy=".example")[0] == ""
    assert proxy_of(proxy="http://option:1")[0] == "http://option:1"
    cluster = {"server": "https://one.example", "proxy-url": "http://kubeconfig:2"}
    kubeconfig = changed(clusters=[{"name": "one", "cluster": cluster}])
    assert proxy_of(host="", api_key="", kubeconfig=kubeconfig)[0] == "http://kubeconfig:2"
    monkeypatch.setenv("NO_PROXY", "example")
    assert proxy_of()[0] == ""


def test_the_login_of_a_proxy_goes_to_it_alone() -> None:
    login_header = "Basic " + base64.b64encode(b"me:p w").decode()
    address, headers = proxy_of(proxy="http://me:p%20w@option:1")
    assert (address, headers) == ("http://option:1", {"Proxy-Authorization": login_header})
    address, headers = proxy_of(proxy="http://option:1", proxy_headers={"proxy_basic_auth": "me:p w"})
    assert headers == {"proxy-authorization": login_header}


@pytest.mark.parametrize("address", ["10.1.2.3", "one.example", "sub.one.example"])
def test_networks_and_domains_without_a_proxy(address: str) -> None:
    options = {"host": f"https://{address}", "proxy": "http://option:1"}
    assert proxy_of(**options)[0]
    assert not proxy_of(**options, no_proxy="10.0.0.0/8,one.example")[0]


@pytest.mark.parametrize(("remover", "others"), [((Path, "unlink"), {}), ((os, "remove"), {"username": "me"})])
def test_keys_of_a_kubeconfig_are_left_in_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, remover: tuple[t.Any, str], others: dict[str, str]
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    seen: list[str] = []
    original = getattr(*remover)

    def remove(path: t.Any) -> None:
        seen.append(stat.filemode(Path(path).stat().st_mode))
        original(path)

    monkeypatch.setattr(*remover, remove)
    certificate, key = (base64.b64encode(text).decode() for text in (b"no certificate", b"no key"))
    user = {"client-certificate-data": certificate, "client-key-data": key, **others}
    with pytest.raises(ApiError, match="cannot be used"):
        settle(Connection(kubeconfig=with_user(**user)))
    assert seen == ["-rw-------"] * 2
    assert not list(folder.iterdir())


def test_what_is_read_without_the_library_is_what_the_library_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = Authority.create(tmp_path / "pki")
    ca, certificate, key = (
        base64.encodebytes(path.read_bytes()).decode()
        for path in (authority.ca_file, authority.certificate, authority.key)
    )
    clusters: list[dict[str, t.Any]] = [
        {"server": "https://one:6443/"},
        {"server": "https://one", "certificate-authority-data": ca, "tls-server-name": "two"},
        {"server": "https://one", "certificate-authority-data": ca, "insecure-skip-tls-verify": True},
        {"server": "https://one", "insecure-skip-tls-verify": False, "proxy-url": "http://proxy:3128"},
        {"server": "http://127.0.0.1:8001", "certificate-authority-data": ca, "extensions": []},
        *({"server": "https://one", "certificate-authority-data": wrong} for wrong in ("", "%%%", "YQ", "bm9uZQ==", 5)),
    ]
    users: list[dict[str, t.Any]] = [
        {},
        {"token": "t"},
        {"token": ""},
        {"token": "t", "as": "other", "as-groups": ["a", "b"]},
        {"client-certificate-data": certificate, "client-key-data": key},
        {"client-certificate-data": certificate, "client-key-data": key, "token": "t"},
        *({"client-certificate-data": certificate, "client-key-data": wrong} for wrong in ("", "%%%", "bm9uZQ==", 5)),
        {"client-certificate-data": certificate},
    ]

    def settled(cluster: dict[str, t.Any], user: dict[str, t.Any]) -> t.Any:
        content = changed(
            clusters=[{"name": "one", "cluster": cluster}], users=[{"name": "me", "user": user}] if user else []
        )
        content["contexts"] = [{"name": "first", "context": {"cluster": "one", **({"user": "me"} if user else {})}}]
        try:
            found = settle(Connection(kubeconfig=content))
        except ApiError as error:
            return error.code
        return (
            dataclasses.replace(found, pool=None, authorization=str),
            found.authorization(),
            type(found.pool).__name__,
        )

    pairs = [(cluster, user) for cluster in clusters for user in users]
    plain = [settled(*pair) for pair in pairs]
    assert len([outcome for outcome in plain if isinstance(outcome, str)]) in range(10, len(pairs) - 20)
    monkeypatch.setattr(kubeconfig, "_plain", lambda _cluster, _user: None)
    for pair, outcome in zip(pairs, plain):
        assert settled(*pair) == outcome, pair


def test_a_full_disk_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: t.Any, **_options: t.Any) -> t.NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "mkstemp", full)
    data = base64.b64encode(b"a key").decode()
    with pytest.raises(ApiError, match="the given kubeconfig cannot be used: No space left on device"):
        settle(Connection(kubeconfig=with_user(**{"client-certificate-data": data, "client-key-data": data})))


def test_a_kubeconfig_of_setup_is_read_without_the_library(tmp_path: Path) -> None:
    path = written(tmp_path / "config", PLAIN)
    code = (
        "import sys\n"
        "from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.connection import *\n"
        f"print(settle(Connection(kubeconfig={path!r})).authorization(), 'kubernetes' in sys.modules)"
    )
    # ``ansible-test units`` finds collections by the path of this process alone.
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=settings)
    assert done.stdout == "Bearer canary-token False\n"


def test_only_the_secrets_of_a_kubeconfig_are_blotted_out() -> None:
    user = {
        "token": "t0ken",
        "client-key-data": "k3y",
        "exec": {"command": "aws", "args": ["--pw"], "env": [{"value": "v"}]},
    }
    everything, secrets = secrets_of(with_user(**user))
    assert secrets == {"t0ken", "k3y", "--pw", "v"}
    assert {"v1", "Config", "first", "aws", "t0ken", "https://one.example:6443"} <= everything
    assert secrets_of("/a/path") == ({"/a/path"}, set())


class Module:
    """What ``client_of`` needs of an AnsibleModule, whose own options come from standard input."""

    def __init__(self, **given: t.Any) -> None:
        self.argument_spec = {**argument_specs.cluster(), "store_password": argument_specs.store()["store_password"]}
        result = ArgumentSpecValidator(self.argument_spec).validate(given)
        self.params = result.validated_parameters
        self.no_log_values = set(result._no_log_values)
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def test_a_module_gets_its_client_and_its_warning() -> None:
    module: t.Any = Module(host="https://one.example", api_key="canary", validate_certs=False)
    assert client_of(module).server == "https://one.example"
    assert len(module.warnings) == 1
    assert "canary" in module.no_log_values


def test_a_module_blots_out_secrets_and_nothing_else() -> None:
    module: t.Any = Module(kubeconfig=PLAIN, proxy="http://me:pw@proxy:3128")
    client_of(module)
    assert module.no_log_values == {"canary-token", "me:pw", "pw"}
    module = Module(kubeconfig=PLAIN, store_password="Config")  # a word that stands in the kubeconfig, too
    client_of(module)
    assert module.no_log_values == {"canary-token", "Config"}
    module = Module(kubeconfig="/no/such/config")
    with pytest.raises(ApiError):
        client_of(module)
    assert module.no_log_values == set()


def test_a_token_is_renewed_when_it_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = "2020-01-01T00:00:00Z"
    says = "{'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential', 'status': "
    program = tmp_path / "plugin"
    program.write_text(
        f"#!{sys.executable}\nimport json, time\n"
        f"print(json.dumps({says}{{'token': str(time.time_ns()), 'expirationTimestamp': '{begin}'}}}}))\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program)}}
    settled = settle(Connection(kubeconfig=with_user(**user), host="https://other.example", validate_certs=False))
    first = settled.authorization()
    assert settled.authorization() == first  # not with every request
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    second = settled.authorization()
    assert second not in ("", first)
    assert not settled.verifies  # the library sets what stands in the kubeconfig again


def parameters(**given: t.Any) -> dict[str, t.Any]:
    """Options as a module gets them."""
    result = ArgumentSpecValidator(argument_specs.cluster()).validate(given)
    assert not result.error_messages
    return t.cast("dict[str, t.Any]", result.validated_parameters)


def test_variables_of_kubernetes_core_count(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "KUBECONFIG": "kubeconfig",
        "CONTEXT": "context",
        "HOST": "host",
        "API_KEY": "api_key",
        "USERNAME": "username",
        "PASSWORD": "password",
        "SSL_CA_CERT": "ca_cert",
        "CERT_FILE": "client_cert",
        "KEY_FILE": "client_key",
        "PROXY": "proxy",
        "NO_PROXY": "no_proxy",
        "IMPERSONATE_USER": "impersonate_user",
    }
    for name in texts:
        monkeypatch.setenv(f"K8S_AUTH_{name}", f"/value/of/{name}")
    monkeypatch.setenv("K8S_AUTH_VERIFY_SSL", "no")
    monkeypatch.setenv("K8S_AUTH_IMPERSONATE_GROUPS", "a,b")
    monkeypatch.setenv("K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH", "me:pw")
    found = parameters()
    assert {option: found[option] for option in texts.values()} == {
        option: f"/value/of/{name}" for name, option in texts.items()
    }
    assert found["validate_certs"] is False
    assert found["impersonate_groups"] == ["a", "b"]
    assert found["proxy_headers"]["proxy_basic_auth"] == "me:pw"
    assert parameters(host="https://option")["host"] == "https://option"


def test_without_variables_nothing_is_set() -> None:
    found = parameters()
    assert found.pop("proxy_headers") == {"proxy_basic_auth": None, "basic_auth": None, "user_agent": None}
    assert set(found.values()) == {None}


class OAuth:
    """OpenShift's OAuth server: the challenging client of ``oc login``."""

    def __init__(self) -> None:
        self.host = ""

    def __call__(self, request: Request) -> Answer:
        if request.target == "/.well-known/oauth-authorization-server":
            ends = {f"{name}_endpoint": f"http://{self.host}/{name}" for name in ("authorization", "token")}
            return Answer(200, json.dumps(ends).encode())
        if request.target.startswith("/authorization?"):
            if request.basic_login() != ("me", "canary-password"):
                return Answer(401)
            return Answer(302, b"", {"Location": "http://nowhere/?code=abc&state=1"})
        if request.target == "/token" and request.form()["code"] == "abc":
            return Answer(
                200, json.dumps({"access_token": "sha256~t", "expires_in": 86400, "scope": "user:full"}).encode()
            )
        return Answer(404)


def test_a_password_becomes_a_token_on_openshift() -> None:
    pytest.importorskip("openshift", reason="the package openshift is optional")
    oauth = OAuth()
    with running_server(oauth) as server:
        oauth.host = server.host
        os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
        try:
            wanted = Connection(host=f"http://{server.host}", username="me", password="canary-password")
            assert settle(wanted).authorization() == "Bearer sha256~t"
            with pytest.raises(ApiError, match="does not accept the password of 'me'") as caught:
                settle(Connection(host=f"http://{server.host}", username="me", password="canary-wrong"))
        finally:
            del os.environ["OAUTHLIB_INSECURE_TRANSPORT"]
    assert caught.value.code == "cluster-unauthorized"
    assert "canary" not in str(caught.value)


def test_plain_kubernetes_has_no_passwords() -> None:
    pytest.importorskip("openshift", reason="the package openshift is optional")
    with running_server(lambda _request: Answer(404)) as server, pytest.raises(ApiError) as caught:
        settle(Connection(host=f"http://{server.host}", username="me", password="canary"))
    assert "has no login by user name and password; only OpenShift has" in caught.value.message
    assert "give api_key" in caught.value.hint


def test_what_never_ends_is_left_behind() -> None:
    with pytest.raises(ScanError, match="no token within 0 s"):
        login.within(0.2, threading.Event().wait, "no token")
