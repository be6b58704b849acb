# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules share. Each function here has a doc fragment of the same name.

``registry_access`` -> ``plugins/doc_fragments/registry_access.py`` and so on; a test holds them equal.
"""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback

Spec = dict[str, t.Any]


def store() -> Spec:
    """The store, which keeps results."""
    return {
        "store": {"type": "str", "required": True},
        "store_password": {"type": "str", "no_log": True, "fallback": (env_fallback, ["IMAGESCAN_STORE_PASSWORD"])},
    }


def tls() -> Spec:
    """Verification and timeout of a server that is neither a registry nor a cluster."""
    return {
        "ca_cert": {"type": "path"},
        "validate_certs": {"type": "bool", "default": True},
        "timeout": {"type": "float", "default": 20.0},
    }


def registry_access() -> Spec:
    """Access to registries."""
    return {
        "registry_ca_cert": {"type": "path"},
        "registry_validate_certs": {"type": "bool", "default": True},
        "timeout": {"type": "float", "default": 20.0},
        "registry_auth_file": {"type": "path", "fallback": (env_fallback, ["REGISTRY_AUTH_FILE"])},
        "plain_http_registries": {"type": "list", "elements": "str", "default": []},
        "token_realms": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "mirrors": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "source": {"type": "str", "required": True},
                "mirrors": {"type": "list", "elements": "str", "required": True},
                "pulls": {"type": "str", "choices": ["digest", "tag", "any"], "default": "any"},
                "never_contact_source": {"type": "bool", "default": False},
            },
        },
    }


def platforms() -> Spec:
    """Platforms, which choose the images of an index that count."""
    return {"platforms": {"type": "list", "elements": "str", "default": []}}


def exceptions() -> Spec:
    """Accepted findings, and statements of the makers of images."""
    return {
        "exceptions": {"type": "list", "elements": "path", "default": []},
        "exceptions_max_days": {"type": "int", "default": 730},
        "vex": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "path": {"type": "path", "required": True},
                "signature_key": {"type": "path", "required": True, "no_log": False},
            },
        },
    }


def store_password() -> Spec:
    """The password of a store that an option names."""
    return {"store_password": store()["store_password"]}


def _k8s(*names: str, **spec: t.Any) -> Spec:
    """An option that the variables K8S_AUTH_<name> of kubernetes.core give, too."""
    return {"type": "str", **spec, "fallback": (env_fallback, [f"K8S_AUTH_{name}" for name in names])}


def cluster() -> Spec:
    """Access to a cluster. Names, aliases and variables are those of kubernetes.core."""
    return {
        "kubeconfig": _k8s("KUBECONFIG", type="raw", no_log=True),
        "context": _k8s("CONTEXT"),
        "host": _k8s("HOST"),
        "api_key": _k8s("API_KEY", no_log=True),
        "username": _k8s("USERNAME"),
        "password": _k8s("PASSWORD", no_log=True),
        "validate_certs": _k8s("VALIDATE_CERTS", "VERIFY_SSL", type="bool", aliases=["verify_ssl"]),
        "ca_cert": _k8s("CA_CERT", "SSL_CA_CERT", type="path", aliases=["ssl_ca_cert"]),
        "client_cert": _k8s("CLIENT_CERT", "CERT_FILE", type="path", aliases=["cert_file"]),
        "client_key": _k8s("CLIENT_KEY", "KEY_FILE", type="path", aliases=["key_file"], no_log=False),
        "proxy": _k8s("PROXY"),
        "no_proxy": _k8s("NO_PROXY"),
        "proxy_headers": {
            "type": "dict",
            "apply_defaults": True,
            "options": {
                "proxy_basic_auth": _k8s("PROXY_HEADERS_PROXY_BASIC_AUTH", no_log=True),
                "basic_auth": _k8s("PROXY_HEADERS_BASIC_AUTH", no_log=True),
                "user_agent": _k8s("PROXY_HEADERS_USER_AGENT"),
            },
        },
        "persist_config": _k8s("PERSIST_CONFIG", type="bool"),
        "impersonate_user": _k8s("IMPERSONATE_USER"),
        "impersonate_groups": _k8s("IMPERSONATE_GROUPS", type="list", elements="str"),
    }
