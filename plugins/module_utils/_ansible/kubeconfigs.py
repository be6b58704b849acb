# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``service_account_kubeconfig``: keep one kubeconfig, or several."""

from __future__ import annotations

import os
import re
import stat
import time
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import InputError
from .._kubernetes.client import KubernetesClient
from .._kubernetes.service_accounts import Account, kubeconfig, request_token, why_renew, write_kubeconfig
from .cluster_options import client_of

SHORTEST = 600
LONGEST = 1 << 32
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def keep_kubeconfigs(module: AnsibleModule) -> dict[str, t.Any]:
    """Renew what is due, and remove what is to be absent. Returns the result of the module."""
    params = module.params
    names = _check(params)
    if params["path"]:
        result = _keep(client_of(module), module, names[0], params["path"])
        return {**result, "changed": bool(result["reason"]), "removed": []}
    folder = Path(params["directory"])
    is_made, kubeconfigs = False, []
    if names:
        is_made = _make_folder(folder, dry_run=module.check_mode)
        client = client_of(module)
        kubeconfigs = [_keep(client, module, name, str(folder / f"{name}.kubeconfig")) for name in names]
    paths = [str(folder / f"{name}.kubeconfig") for name in params["absent"]]
    removed = [path for path in paths if _remove_file(path, dry_run=module.check_mode)]
    changed = is_made or bool(removed) or any(kubeconfig["reason"] for kubeconfig in kubeconfigs)
    return {"changed": changed, "kubeconfigs": kubeconfigs, "removed": removed}


def _check(params: t.Mapping[str, t.Any]) -> list[str]:
    """Check the options. Returns the names of the accounts. Raises InputError."""
    names = params["service_accounts"] or ([params["service_account"]] if params["service_account"] else [])
    for option, text in [("namespace", params["namespace"]), *(("service_account", name) for name in names)]:
        if not _NAME.fullmatch(text):
            raise InputError(f"{option} is not a name: lower case letters, digits, dashes and dots are expected")
    if not SHORTEST <= params["seconds"] <= LONGEST:
        raise InputError(f"seconds is {params['seconds']}; expected at least {SHORTEST} and at most {LONGEST}")
    return list(names)


def _keep(client: KubernetesClient, module: AnsibleModule, name: str, path: str) -> dict[str, str]:
    """Renew one kubeconfig if that is due."""
    account, seconds = Account(module.params["namespace"], name), module.params["seconds"]
    reason, token = why_renew(client, account, path, seconds, time.time())
    expires = token.expires_text if token is not None and not reason else ""
    if reason and not module.check_mode:
        fresh = request_token(client, account, seconds)
        write_kubeconfig(path, kubeconfig(client, account, fresh.text))
        expires = fresh.expires_text
    return {"path": path, "service_account": name, "server": client.server, "expires": expires, "reason": reason}


def _make_folder(folder: Path, *, dry_run: bool) -> bool:
    """Make the folder of kubeconfigs readable for its owner alone, and tell whether it was not. Raises InputError."""
    try:
        if folder.is_dir() and not stat.S_IMODE(folder.stat().st_mode) & 0o077:
            return False
        if not dry_run:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be made: {error.strerror or error}", hint="give another directory"
        ) from error
    return True


def _remove_file(path: str, *, dry_run: bool) -> bool:
    """Remove a file, and tell whether it was there. Raises InputError."""
    try:
        if not os.path.lexists(path):
            return False
        if not dry_run:
            Path(path).unlink()
    except OSError as error:
        raise InputError(
            f"{path} cannot be removed: {error.strerror or error}", hint="check the rights of its folder"
        ) from error
    return True
