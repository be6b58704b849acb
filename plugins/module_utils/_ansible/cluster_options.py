# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster that the options of a module name. Apart from ``module``, since most modules need no cluster."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import InputError
from .._kubernetes.client import KubernetesClient, connect
from .._kubernetes.connection import Connection, secrets_of


def connection_of(params: t.Mapping[str, t.Any]) -> Connection:
    """Read the access to a cluster from the options of ``argument_specs.cluster``."""
    names = ["context", "host", "api_key", "username", "password", "ca_cert", "client_cert", "client_key"]
    names += ["proxy", "no_proxy", "impersonate_user"]
    texts: dict[str, t.Any] = {name: params[name] or "" for name in names}
    kubeconfig = params["kubeconfig"] or ""
    if not isinstance(kubeconfig, (str, dict)):
        raise InputError("kubeconfig is neither a path nor a dictionary")
    return Connection(
        kubeconfig=kubeconfig,
        validate_certs=params["validate_certs"],
        proxy_headers={name: value for name, value in (params["proxy_headers"] or {}).items() if value},
        persist_config=bool(params["persist_config"]),
        impersonate_groups=tuple(params["impersonate_groups"] or ()),
        **texts,
    )


def client_of(module: AnsibleModule) -> KubernetesClient:
    """Connect to the cluster of ``argument_specs.cluster``; what a person should know becomes a warning."""
    client = connect_as(module)
    for text in client.warnings:
        module.warn(text)
    return client


def connect_as(module: AnsibleModule, kubeconfig: str = "") -> KubernetesClient:
    """Connect as ``client_of`` does, without warnings; ``kubeconfig``: a file in place of the option's."""
    connection = connection_of({**module.params, "kubeconfig": kubeconfig or module.params["kubeconfig"]})
    _hide_secrets(module)
    return connect(connection)


def _hide_secrets(module: AnsibleModule) -> None:
    """Keep the secrets of the options, and nothing else of them, out of results."""
    params = module.params
    kubeconfig = params["kubeconfig"] or ""
    # All of a kubeconfig is kept out of the log, but only its secrets may be blotted out of results: "v1" stands in it.
    harmless, secrets = secrets_of(kubeconfig)
    hidden = [name for name, option in module.argument_spec.items() if option.get("no_log") and name != "kubeconfig"]
    other_texts = {params[name] for name in hidden if isinstance(params[name], str)}
    other_texts |= set((params["proxy_headers"] or {}).values())
    login = (params["proxy"] or "").rpartition("@")[0].rpartition("/")[2]  # an URL may have one
    if login:
        secrets |= {login, login.partition(":")[2]} - {""}
    module.no_log_values.difference_update(harmless - secrets - other_texts)
    module.no_log_values.update(secrets)
