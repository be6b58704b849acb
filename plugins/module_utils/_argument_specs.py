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
    """Where results are kept."""
    return {
        "store": {"type": "str", "required": True},
        "store_password": {"type": "str", "no_log": True, "fallback": (env_fallback, ["IMAGESCAN_STORE_PASSWORD"])},
    }


def tls() -> Spec:
    """How a server that is neither a registry nor a cluster proves who it is, and how long it may take."""
    return {
        "ca_cert": {"type": "path"},
        "validate_certs": {"type": "bool", "default": True},
        "timeout": {"type": "float", "default": 20.0},
    }


def registry_access() -> Spec:
    """How registries are reached."""
    return {
        "registry_ca_cert": {"type": "path"},
        "registry_validate_certs": {"type": "bool", "default": True},
        "timeout": {"type": "float", "default": 20.0},
        "registry_auth_file": {"type": "path", "fallback": (env_fallback, ["REGISTRY_AUTH_FILE"])},
        "plain_http_registries": {"type": "list", "elements": "str", "default": []},
        "token_realms": {"type": "list", "elements": "str", "default": [], "no_log": False},
    }


def platforms() -> Spec:
    """Which images of an index count."""
    return {"platforms": {"type": "list", "elements": "str", "default": []}}


def store_password() -> Spec:
    """The password of a store that an option names."""
    return {"store_password": store()["store_password"]}
