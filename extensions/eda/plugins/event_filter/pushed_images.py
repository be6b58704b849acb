# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event filter for ansible-rulebook: images out of the webhooks of registries."""

from __future__ import annotations

import importlib
import os
import sys
import types
import typing as t
import uuid
from pathlib import Path

DOCUMENTATION = r"""
name: pushed_images
short_description: Images out of the webhooks of registries
version_added: 0.5.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Reads the notifications of Docker distribution, Quay and Harbor that C(eda.builtin.webhook) received, and makes of
    each an event as the event source C(imagescan.openshift.images) has it.
  - What is not a push of an image in a known registry becomes an event without images, with the reason.
  - Headers are dropped, since they may hold secrets.
options:
  registries:
    description:
      - Registries whose images are scanned, as C(host) or C(host:port), as they call themselves in their notifications.
        Whoever reaches the webhook could else make the scanner pull from anywhere.
      - A registry that calls itself otherwise than the scanner reaches it is given in a dictionary, with the name under
        which it is reached as the value.
      - Without it, the environment variable E(IMAGESCAN_WEBHOOK_REGISTRIES) is used, a list separated by commas.
    type: raw
    required: true
"""

EXAMPLES = r"""
- eda.builtin.webhook:
    port: 5000
    token: "{{ webhook_token }}"
  filters:
    - imagescan.openshift.pushed_images:
        registries:
          - quay.example.com
          - harbor.example.com:8443

- eda.builtin.webhook:
    port: 5000
    token: "{{ webhook_token }}"
  filters:
    - imagescan.openshift.pushed_images:
        registries:
          registry.internal:5000: registry.example.com
"""

VARIABLE = "IMAGESCAN_WEBHOOK_REGISTRIES"


def _use_this_collection() -> None:
    """Make the collection that this file lies in importable. ansible-rulebook runs the file outside of any package."""
    package = ""
    for part in ("ansible_collections", "imagescan", "openshift"):
        package = f"{package}.{part}".lstrip(".")
        try:
            importlib.import_module(package)
        except ModuleNotFoundError:
            sys.modules[package] = types.ModuleType(package)
            sys.modules[package].__path__ = []
    sys.modules[package].__path__ = [str(Path(__file__).absolute().parents[4])]


def main(event: dict[str, t.Any], registries: t.Any = None) -> dict[str, t.Any]:
    """The images of one webhook."""
    _use_this_collection()
    from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.event_queue import event_of
    from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.webhooks import read_push

    push = read_push(event.get("payload"), registries_of(registries))
    new_event = event_of(push.arrivals, uuid.uuid4().hex, push.reason)
    meta = event.get("meta")
    other_fields = {name: value for name, value in meta.items() if name != "headers"} if isinstance(meta, dict) else {}
    return {**new_event, "meta": other_fields}


def registries_of(registries: t.Any) -> dict[str, str]:
    """The option: name that a registry gives itself -> name under which it is reached."""
    _use_this_collection()
    from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
    from ansible_collections.imagescan.openshift.plugins.module_utils._images.references import parse_registry

    if registries is None:
        registries = os.environ.get(VARIABLE, "")
    if isinstance(registries, str):
        registries = [part.strip() for part in registries.split(",") if part.strip()]
    if isinstance(registries, list):
        registries = {name: name for name in registries}
    if not isinstance(registries, dict) or not registries:
        raise InputError(
            "the filter pushed_images needs registries", hint=f"list them as its option, or in the variable {VARIABLE}"
        )
    return {parse_registry(name): parse_registry(way) for name, way in registries.items()}
