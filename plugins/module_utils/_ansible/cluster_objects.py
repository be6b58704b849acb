# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``cluster_objects``: apply or delete objects of a cluster."""

from __future__ import annotations

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import InputError, ScanError
from .._kubernetes.errors import OF_THE_CLUSTER, ApiError
from .._kubernetes.objects import UNCHANGED, ObjectChange, ObjectClient, check_definition
from .cluster_options import client_of

HIDDEN = "(not shown)"


def change_objects(module: AnsibleModule) -> dict[str, t.Any]:
    """Apply or delete the objects. Returns the result of the module."""
    params = module.params
    definitions = [check_definition(definition) for definition in params["definitions"]]
    for option in ("wait_timeout", "settle"):
        if not 0 <= params[option] <= 86_400:
            raise InputError(f"{option} is {params[option]}; expected seconds, at most 86400")
    client = ObjectClient(client_of(module))
    changes: list[ObjectChange] = []
    try:
        for definition in definitions:
            changes.append(_change(client, definition, changes, module))
    except ScanError as error:
        error.partial = _result(changes)
        raise
    if params["settle"] and not module.check_mode and any(change.method for change in changes):
        time.sleep(params["settle"])
    return _result(changes)


def _change(
    client: ObjectClient, definition: dict[str, t.Any], changes: list[ObjectChange], module: AnsibleModule
) -> ObjectChange:
    params = module.params
    try:
        if params["state"] == "absent":
            return _delete(client, definition, module)
        planned = {f"{change.definition['kind']}/{change.definition['metadata']['name']}" for change in changes}
        change = client.apply(definition, planned=planned, dry_run=module.check_mode)
    except ApiError as error:
        if not params["continue_on_error"] or error.code in OF_THE_CLUSTER:
            raise
        return ObjectChange(definition, UNCHANGED, {}, {}, error=error)
    if params["wait"] and not module.check_mode and definition["kind"] == "CustomResourceDefinition":
        client.wait_until_established(definition, params["wait_timeout"])
    return change


def _delete(client: ObjectClient, definition: dict[str, t.Any], module: AnsibleModule) -> ObjectChange:
    change = client.delete(definition, dry_run=module.check_mode)
    if module.params["wait"] and not module.check_mode and change.method:
        client.wait_until_gone(definition, module.params["wait_timeout"])
    return change


def _result(changes: t.Sequence[ObjectChange]) -> dict[str, t.Any]:
    return {
        "changed": any(change.method for change in changes),
        "objects": [
            {
                "kind": change.definition["kind"],
                "name": change.definition["metadata"]["name"],
                "namespace": change.definition["metadata"].get("namespace") or "",
                "method": change.method,
                "created": change.created,
                "error": change.error.message if change.error else "",
            }
            for change in changes
        ],
        "diff": [_difference(change) for change in changes if change.method],
    }


def _difference(change: ObjectChange) -> dict[str, t.Any]:
    metadata = change.definition["metadata"]
    place = f" in {metadata['namespace']}" if metadata.get("namespace") else ""
    header = f"{change.definition['kind']} {metadata['name']}{place}"
    return {
        "before_header": header,
        "after_header": header,
        "before": _shown(change.before),
        "after": _shown(change.after),
    }


def _shown(document: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what may be printed of an object."""
    if document.get("kind") != "Secret":
        return document
    return {key: HIDDEN if key in ("data", "stringData") else value for key, value in document.items()}
