# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access to an API server: options, kubeconfig or the pod's own account, as one pool of connections.

Credentials come from ``kubeconfig``. Connections are made here, by urllib3: from version to version the package
``kubernetes`` differs in proxies of the environment, default CAs and TLS server names, and opens the CA file again for
every connection.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import math
import os
import ssl
import threading
import time
import typing as t
import urllib.parse

from .._core.errors import InputError
from .._core.text import quoted
from .._images.proxies import is_exempt, proxy_for
from .._images.urls import Endpoint, parse_url
from .errors import config_error
from .kubeconfig import (
    BAD_CONFIG,
    CONFIG_SECONDS,
    Plain,
    forget_files,
    impersonation,
    library_configuration,
    load_kubeconfig,
    read_file,
    reason_of,
)
from .login import log_in, within

if t.TYPE_CHECKING:
    import urllib3

_CONNECTIONS = 32
_TOKEN_SECONDS = 5.0
#: Keys of a kubeconfig below which every value is secret. ``value`` and ``args`` are those of a credential plugin.
_SECRET_KEYS = frozenset(
    {"token", "password", "client-key-data", "client-certificate-data", "config", "proxy-url", "value", "args"}
)


@dataclasses.dataclass(frozen=True)
class Connection:
    """Options of one cluster, named as in kubernetes.core; empty means not given.

    ``kubeconfig`` is a path (several with ``:``) or the content as a dictionary. ``timeout``: seconds of silence in one
    request. ``deadline``: seconds that a request may take with all its repetitions.
    """

    kubeconfig: str | t.Mapping[str, t.Any] = dataclasses.field(default="", repr=False)
    context: str = ""
    host: str = ""
    api_key: str = dataclasses.field(default="", repr=False)
    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    ca_cert: str = ""
    client_cert: str = ""
    client_key: str = ""
    validate_certs: bool | None = None
    proxy: str = dataclasses.field(default="", repr=False)
    no_proxy: str = ""
    proxy_headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    persist_config: bool = False
    impersonate_user: str = ""
    impersonate_groups: tuple[str, ...] = ()
    timeout: float = 20.0
    deadline: float = 60.0

    def __post_init__(self) -> None:
        for name in ("timeout", "deadline"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value}; expected a number of seconds above 0")
        if bool(self.username) != bool(self.password):
            raise config_error(
                "username and password are only good together; one is missing", "give both, or api_key alone"
            )
        if bool(self.client_cert) != bool(self.client_key):
            raise config_error("client_cert and client_key are only good together; one is missing", "give both")
        if self.impersonate_groups and not self.impersonate_user:
            raise config_error("impersonate_groups needs impersonate_user")
        for name in ("api_key", "username", "password", "impersonate_user"):
            if any(character in getattr(self, name) for character in "\r\n\0"):
                raise config_error(
                    f"{name} has a line break or NUL in it", "give it without, such as a file's text without its end"
                )


def secrets_of(kubeconfig: str | t.Mapping[str, t.Any]) -> tuple[set[str], set[str]]:
    """All texts of the option ``kubeconfig``, and those of them that are secret."""
    texts: set[str] = set()
    secrets: set[str] = set()
    waiting: list[tuple[t.Any, bool]] = [(kubeconfig, False)]
    while waiting:
        value, is_secret = waiting.pop()
        if isinstance(value, t.Mapping):
            waiting += [(inner, is_secret or key in _SECRET_KEYS) for key, inner in value.items()]
            texts.update(key for key in value if isinstance(key, str))
        elif isinstance(value, (list, tuple)):
            waiting += [(inner, is_secret) for inner in value]
        elif value is not None:
            texts.add(str(value))
            if is_secret and value != "":
                secrets.add(str(value))
    return texts, secrets


@dataclasses.dataclass(frozen=True)
class Settled:
    """A connection as it will be used. ``authorization`` gives the header's value of this moment, "" for none.

    ``ca`` is the PEM text that the server's certificate is verified with, "" for the system's store.
    """

    server: str
    ca: str
    verifies: bool
    tls_server_name: str
    pool: urllib3.PoolManager
    authorization: t.Callable[[], str]
    impersonate: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _LoadedTarget:
    """Loaded configuration, with the options over it. A copy: the library sets its own again when it renews a token."""

    host: str
    verifies: bool
    ca: str
    ca_file: str
    cert_file: str
    key_file: str
    proxy: str
    tls_server_name: str


def _target(connection: Connection, loaded: t.Any) -> _LoadedTarget:
    cert_file, key_file = _client_files(connection, loaded)
    return _LoadedTarget(
        host=(connection.host or loaded.host).rstrip("/"),
        verifies=bool(loaded.verify_ssl if connection.validate_certs is None else connection.validate_certs),
        ca="" if connection.ca_cert else getattr(loaded, "ca", ""),
        ca_file=connection.ca_cert or loaded.ssl_ca_cert or "",
        cert_file=cert_file,
        key_file=key_file,
        proxy=connection.proxy or loaded.proxy or "",
        tls_server_name=getattr(loaded, "tls_server_name", None) or "",
    )


def _client_files(connection: Connection, loaded: t.Any) -> tuple[str, str]:
    """Paths of the client certificate and its key.

    The identity that was named wins over that of a kubeconfig: a server that is shown a certificate and a token
    believes the certificate.
    """
    if connection.client_cert:
        return connection.client_cert, connection.client_key
    if connection.api_key or connection.username:
        return "", ""
    return loaded.cert_file or "", loaded.key_file or ""


def settle(connection: Connection) -> Settled:
    """Load what the options name. Raises ApiError (``cluster-config``) where they cannot be used."""
    try:
        loaded, impersonate = _load(connection)
        target = _target(connection, loaded)
        server, endpoint = _server(target.host)
        context, ca = _tls_context(target) if endpoint.scheme == "https" else (None, "")
    finally:
        forget_files()
    is_open = endpoint.scheme == "http" and not endpoint.is_loopback
    authorization: t.Callable[[], str]
    if connection.api_key or connection.username:
        token = connection.api_key or (
            "" if is_open else log_in(server, connection.username, connection.password, ca, target.verifies)
        )
        authorization = functools.partial(str, f"Bearer {token}")
    else:
        authorization = str if connection.client_cert else _RenewedToken(loaded)
    if is_open and (target.cert_file or authorization()):
        raise config_error(f"credentials would go to {server} without encryption", "use https:// for the API server")
    return Settled(
        server=server,
        ca=ca,
        verifies=target.verifies,
        tls_server_name=target.tls_server_name,
        pool=_pool(connection, target, endpoint, context),
        authorization=authorization,
        impersonate=impersonation(connection.impersonate_user, connection.impersonate_groups) or impersonate,
        warnings=_warnings(server, target.verifies),
    )


def _load(connection: Connection) -> tuple[t.Any, tuple[tuple[str, str], ...]]:
    """Read a kubeconfig or the pod's account; as ``load_kubeconfig``."""
    is_complete = connection.host and (connection.api_key or connection.username or connection.client_cert)
    if is_complete:
        return Plain(), ()
    if not connection.kubeconfig and not connection.context and "KUBERNETES_SERVICE_HOST" in os.environ:
        from kubernetes import config

        loaded = library_configuration()
        try:
            config.load_incluster_config(client_configuration=loaded)
        except config.ConfigException:
            pass  # no pod, or one without an account
        else:
            return loaded, ()
    return load_kubeconfig(
        connection.kubeconfig,
        connection.context,
        persist_config=connection.persist_config,
        has_host=bool(connection.host),
    )


def _server(host: str) -> tuple[str, Endpoint]:
    url = parse_url(host)
    if url is None:
        shape = "https://name:6443, without user name, blanks or control characters"
        raise config_error("the address of the API server cannot be used", f"expected host to be like {shape}")
    parts = urllib.parse.urlsplit(host)
    if parts.query or parts.fragment:
        raise config_error("the address of the API server has a query", "expected host to be like https://name:6443")
    return f"{url.endpoint.scheme}://{parts.netloc}{parts.path.rstrip('/')}", url.endpoint


def _tls_context(target: _LoadedTarget) -> tuple[ssl.SSLContext, str]:
    """TLS as it was asked for, and the CA's PEM text.

    Files are read here once, so that a wrong one is one message and not an error of each request.
    """
    context, ca = _trusting_context(target)
    if target.cert_file:
        _load_client_certificate(context, target)
    return context, ca


def _trusting_context(target: _LoadedTarget) -> tuple[ssl.SSLContext, str]:
    if target.verifies and (target.ca or target.ca_file):
        # It alone is trusted, as by other clients where a CA is named.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            ca = target.ca or read_file(target.ca_file, "the CA file").decode("ascii")
            context.load_verify_locations(cadata=ca)
        except (ssl.SSLError, ValueError) as error:
            raise config_error(
                f"{'the CA of the kubeconfig' if target.ca else f'the CA file {quoted(target.ca_file)}'}"
                " has no certificates in PEM form",
                "give the CA that signed the API server's certificate",
            ) from error
        return context, ca
    context = ssl.create_default_context()
    # Python 3.13 asks for extensions that the CAs of many clusters lack and that no other client asks for.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if not target.verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context, ""


def _load_client_certificate(context: ssl.SSLContext, target: _LoadedTarget) -> None:
    for path, description in ((target.cert_file, "the client certificate"), (target.key_file, "the client key")):
        if not path:
            raise config_error(f"{description} is missing", "client_cert and client_key are only good together")
        read_file(path, description)
    try:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(target.cert_file, target.key_file, password="")
    except (ssl.SSLError, ValueError) as error:
        raise config_error(
            f"the client certificate {quoted(target.cert_file)} and the key {quoted(target.key_file)} cannot be used",
            "both must be PEM, belong together, and the key must have no password",
        ) from error


def _pool(
    connection: Connection, target: _LoadedTarget, endpoint: Endpoint, context: ssl.SSLContext | None
) -> urllib3.PoolManager:
    import urllib3

    options: dict[str, t.Any] = {"maxsize": _CONNECTIONS}
    if context is not None:
        options["ssl_context"] = context
        if target.tls_server_name:
            options["server_hostname"] = target.tls_server_name
        if context.verify_mode == ssl.CERT_NONE:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # we warn once
    proxy = _proxy(connection, target.proxy, endpoint)
    if proxy is None:
        return urllib3.PoolManager(**options)
    return urllib3.ProxyManager(proxy[0], proxy_headers=proxy[1], **options)


def _proxy(connection: Connection, text: str, endpoint: Endpoint) -> tuple[str, dict[str, str]] | None:
    """Address and headers of the proxy: the option's, else the kubeconfig's, else the environment's."""
    import urllib3

    proxy = None if text else proxy_for(endpoint)
    if (not text and proxy is None) or (connection.no_proxy and is_exempt(endpoint, connection.no_proxy)):
        return None
    address, headers = (f"http://{proxy.endpoint}", dict(proxy.headers)) if proxy else _named_proxy(text)
    option = connection.proxy_headers.get
    headers.update(
        urllib3.util.make_headers(
            user_agent=option("user_agent"),
            basic_auth=option("basic_auth"),
            proxy_basic_auth=option("proxy_basic_auth"),
        )
    )
    return address, headers


def _named_proxy(text: str) -> tuple[str, dict[str, str]]:
    """Address and headers of a proxy by its URL."""
    headers: dict[str, str] = {}
    parts = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https"):
        raise config_error("the proxy cannot be used", "expected proxy to be like http://name:3128")
    if parts.username is not None:
        login = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port else ""), headers


class _RenewedToken:
    """The bearer token of a loaded configuration, which the library renews when it is due. It is asked now and then."""

    def __init__(self, loaded: t.Any) -> None:
        self._loaded = loaded
        self._lock = threading.Lock()
        self._value = ""
        self._until = -math.inf

    def __call__(self) -> str:
        with self._lock:
            if time.monotonic() >= self._until:
                self._value = self._ask() if self._loaded.refresh_api_key_hook is None else self._renew()
                self._until = time.monotonic() + _TOKEN_SECONDS
            return self._value

    def _ask(self) -> str:
        return str(self._loaded.auth_settings().get("BearerToken", {}).get("value") or "")

    def _renew(self) -> str:
        from kubernetes.config import ConfigException

        try:
            return within(CONFIG_SECONDS, self._ask, "the token was not renewed")
        except (ConfigException, *BAD_CONFIG) as error:
            raise config_error(f"the token cannot be renewed: {reason_of(error)}", "log in again") from error
        finally:
            forget_files()


def _warnings(server: str, verifies: bool) -> tuple[str, ...]:
    if verifies or not server.startswith("https:"):
        return ()
    return (
        f"the certificate of {server} is not verified (validate_certs is false); whoever stands between can read the"
        " credentials that are sent there and change the answers",
    )
