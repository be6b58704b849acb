# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read kubeconfigs, merged as kubectl merges them.

Credential plugins, renewed tokens, credentials in files and the in-cluster account are left to the package
``kubernetes``. It has a stack trace for a kubeconfig that is wrong, no bound for one that is large, and leaves out whom
a user impersonates (older versions also proxy and TLS server name). So kubeconfigs are checked here before it. One with
credentials as texts, as the role setup writes it, is read here alone: importing the package takes longer than most
modules take otherwise.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import logging
import os
import sys
import tempfile
import typing as t
from pathlib import Path

from .._core.errors import InputError
from .._core.text import quoted
from .._images.access import read_small_file
from .errors import config_error
from .login import within

CONFIG_SECONDS = 60.0
BAD_CONFIG = (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError)
_FILE_LIMIT = 16 << 20
_DEFAULT_KUBECONFIG = "~/.kube/config"
#: Fields of a cluster and of a user that are read without the library, and those whose values are not texts.
_PLAIN_CLUSTER = {
    *("server", "certificate-authority-data", "insecure-skip-tls-verify", "tls-server-name", "proxy-url", "extensions")
}
_PLAIN_USER = {"token", "client-certificate-data", "client-key-data", "as", "as-groups", "extensions"}
_DATA = {"certificate-authority-data", "client-certificate-data", "client-key-data"}
_NO_TEXTS = {"insecure-skip-tls-verify", "extensions", "as-groups"}

_files: list[str] = []


@dataclasses.dataclass
class Plain:
    """A configuration with nothing to run and nothing to renew. Fields are those of the library's Configuration.

    ``ca``: PEM text, in place of the file ``ssl_ca_cert``. ``token``: "" for none.
    """

    host: str = ""
    verify_ssl: bool = True
    ca: str = ""
    ssl_ca_cert: str = ""
    cert_file: str = ""
    key_file: str = ""
    proxy: str | None = None
    tls_server_name: str | None = None
    token: str = dataclasses.field(default="", repr=False)
    refresh_api_key_hook: None = None

    def auth_settings(self) -> dict[str, dict[str, str]]:
        """The value of the header, as the library gives it."""
        return {"BearerToken": {"value": f"Bearer {self.token}"}} if self.token else {}


def library_configuration() -> t.Any:
    """A Configuration of the library, without proxies of the environment, which only newer versions read."""
    from kubernetes.client import Configuration

    loaded = Configuration()
    loaded.proxy = loaded.no_proxy = None
    return loaded


def load_kubeconfig(
    kubeconfig: str | t.Mapping[str, t.Any], context: str, *, persist_config: bool, has_host: bool
) -> tuple[t.Any, tuple[tuple[str, str], ...]]:
    """Load the context of a kubeconfig, "" for its current one; the usual places count where ``kubeconfig`` is empty.

    Gives a Plain or the library's Configuration, and the headers of whom the user impersonates. ``has_host``: no
    kubeconfig need be there. Raises ApiError (``cluster-config``).
    """
    source = kubeconfig or os.environ.get("KUBECONFIG") or _DEFAULT_KUBECONFIG
    name = "the given kubeconfig"
    if isinstance(source, str):
        name = f"the kubeconfig {quoted(source)}"
        paths = _existing(source)
        if not paths and not kubeconfig and has_host:
            return Plain(), ()  # a host, and nobody to be there
        if not paths:
            elsewhere = "" if kubeconfig else " and nothing else says where the cluster is"
            raise config_error(
                f"{name} does not exist{elsewhere}", "give kubeconfig, or host with api_key or a client certificate"
            )
        documents = list(map(_read, paths))
        source = os.pathsep.join(paths)
    else:
        documents = [dict(source)]
    cluster, user = _check(name, documents, context)
    try:
        plain = _plain(cluster, user) if len(documents) == 1 else None
    except OSError as error:
        raise config_error(f"{name} cannot be used: {reason_of(error)}") from error
    if plain is not None:
        return plain, _impersonated(user)
    readable = source if isinstance(source, str) else documents[0]
    return _loaded(name, readable, context, cluster, user, persist_config), _impersonated(user)


def _existing(source: str) -> list[str]:
    """The paths of a list of kubeconfigs where there is something."""
    paths = [Path(part).expanduser() for part in source.split(os.pathsep) if part]
    return [str(path) for path in paths if path.exists()]


def _loaded(
    name: str,
    source: str | dict[str, t.Any],
    context: str,
    cluster: t.Mapping[str, t.Any],
    user: t.Mapping[str, t.Any],
    persist_config: bool,
) -> t.Any:
    """Let the library load a context: its Configuration. ``source``: paths, or the one document."""
    from kubernetes.config import ConfigException, kube_config

    loaded = library_configuration()
    loader = kube_config.load_kube_config if isinstance(source, str) else kube_config.load_kube_config_from_dict
    load = functools.partial(
        loader, source, context=context or None, client_configuration=loaded, persist_config=persist_config
    )
    complaints = _Complaints()
    logging.getLogger().addHandler(complaints)
    try:
        within(CONFIG_SECONDS, load, f"{name} gave no credentials")
    except (ConfigException, *BAD_CONFIG) as error:
        raise config_error(f"{name} cannot be used: {reason_of(error)}") from error
    finally:
        logging.getLogger().removeHandler(complaints)
    # Older versions of the library do not read these two.
    loaded.proxy, loaded.tls_server_name = cluster.get("proxy-url"), cluster.get("tls-server-name")
    if "exec" in user and not loaded.auth_settings() and not loaded.cert_file:
        command = user["exec"].get("command") if isinstance(user["exec"], dict) else ""
        raise config_error(
            f"{name}: the credential plugin {quoted(str(command))} gave no credentials: "
            f"{complaints.text or 'it printed no token'}",
            "run kubectl with this kubeconfig to see whether it works there",
        )
    return loaded


def _plain(cluster: t.Mapping[str, t.Any], user: t.Mapping[str, t.Any]) -> Plain | None:
    """Read a context whose credentials are texts in it; None where the library is needed, or tells what is wrong."""
    if not (cluster.keys() <= _PLAIN_CLUSTER and user.keys() <= _PLAIN_USER):
        return None
    texts = {**cluster, **user}
    if not all(isinstance(texts[key], str) for key in texts.keys() - _NO_TEXTS):
        return None
    if not isinstance(cluster.get("insecure-skip-tls-verify", False), bool):
        return None
    plain = Plain(
        host=cluster["server"].rstrip("/"),
        verify_ssl=not cluster.get("insecure-skip-tls-verify", False),
        proxy=cluster.get("proxy-url"),
        tls_server_name=cluster.get("tls-server-name"),
        token=user.get("token", ""),
    )
    if not plain.host.startswith("https"):
        return plain
    try:
        decoded = {
            name: base64.b64decode("".join(texts[name].split()), validate=True) for name in texts if name in _DATA
        }
        plain.ca = decoded.get("certificate-authority-data", b"").decode("ascii")
    except ValueError:
        return None
    if not all(decoded.values()):
        return None
    plain.cert_file = _kept(decoded.get("client-certificate-data"))
    plain.key_file = _kept(decoded.get("client-key-data"))
    return plain


def _kept(content: bytes | None) -> str:
    """The path of a file for what Python's ssl takes from files alone, until ``forget_files``; "" for nothing."""
    if content is None:
        return ""
    number, path = tempfile.mkstemp()
    _files.append(path)
    with open(number, "wb") as stream:
        stream.write(content)
    return path


def _impersonated(user: t.Mapping[str, t.Any]) -> tuple[tuple[str, str], ...]:
    groups = user.get("as-groups")
    return impersonation(str(user.get("as") or ""), map(str, groups if isinstance(groups, list) else ()))


def impersonation(user: str, groups: t.Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The headers of who is impersonated; none without a user."""
    if not user:
        return ()
    return ("Impersonate-User", user), *(("Impersonate-Group", group) for group in groups)


def _read(path: str) -> dict[str, t.Any]:
    import yaml

    try:
        document = yaml.safe_load(read_file(path, "the kubeconfig").decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise config_error(f"the kubeconfig {quoted(path)} is not YAML{line}", "is it the right file?") from error
    if not isinstance(document, dict):
        raise config_error(f"the kubeconfig {quoted(path)} is not a kubeconfig", "is it the right file?")
    return document


def _check(
    name: str, documents: t.Sequence[t.Mapping[str, t.Any]], context: str
) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """Refuse what the library would answer with a stack trace; gives the cluster and the user of the context."""
    entries = _entries(name, documents)
    current = [document["current-context"] for document in documents if document.get("current-context")]
    chosen = context or (current[-1] if current else "")
    names = ", ".join(quoted(str(entry)) for entry in list(entries["contexts"])[:20]) or "none"
    if not chosen:
        raise config_error(f"{name} has no current context", f"give one as context; it has: {names}")
    if chosen not in entries["contexts"]:
        raise config_error(f"{name} has no context {quoted(str(chosen))}", f"it has: {names}")
    parts = entries["contexts"][chosen]
    if not entries["clusters"].get(parts.get("cluster"), {}).get("server"):
        raise config_error(
            f"{name}: the context {quoted(str(chosen))} names no cluster with a server",
            "add the cluster with its server, or name another context",
        )
    if parts.get("user") and parts["user"] not in entries["users"]:
        user = quoted(str(parts["user"]))
        raise config_error(
            f"{name}: the context {quoted(str(chosen))} names the user {user}, who is not in it",
            "add the user, or name another context",
        )
    return entries["clusters"][parts["cluster"]], entries["users"].get(parts.get("user"), {})


def _entries(name: str, documents: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, dict[str, t.Any]]:
    """The contexts, clusters and users by name; the first of a name counts."""
    entries: dict[str, dict[str, t.Any]] = {"contexts": {}, "clusters": {}, "users": {}}
    for document in documents:
        for kind, named in entries.items():
            values = document.get(kind) or []
            if not isinstance(values, list) or not all(isinstance(v, dict) and "name" in v for v in values):
                raise config_error(f"{name}: {kind} is not a list of named entries", "is it the right file?")
            for value in values:
                inner = value.get(kind[:-1])
                named.setdefault(value["name"], inner if isinstance(inner, dict) else {})
    return entries


class _Complaints(logging.Handler):
    """Collects what the library only logs: why a credential plugin failed."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = quoted(" ".join(record.getMessage().split())[:300])


def reason_of(error: Exception) -> str:
    """The text of an error of the library, as far as it may be shown."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {quoted(str(error.filename))}" if error.filename else error.strerror
    text = " ".join(str(error).split())[:200]
    return quoted(text) if isinstance(error, ValueError) or "onfig" in type(error).__name__ else "it is malformed"


def read_file(path: str, description: str) -> bytes:
    """The content of a small file. Raises ApiError (``cluster-config``) where it cannot be read."""
    try:
        return read_small_file(path, description, _FILE_LIMIT)
    except InputError as error:
        raise config_error(error.message, "check the path and its rights") from error


def forget_files() -> None:
    """Remove the files that keys of a kubeconfig were written to, by the library, too.

    It does so itself at the end of the process, which a module may reach without the usual handlers.
    """
    while _files:
        with contextlib.suppress(FileNotFoundError):
            Path(_files.pop()).unlink()
    clean_up = getattr(sys.modules.get("kubernetes.config.kube_config"), "_cleanup_temp_files", None)
    if clean_up is not None:
        clean_up()
