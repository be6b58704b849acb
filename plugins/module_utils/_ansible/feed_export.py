# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``vulnerability_feed_export``: pack vulnerability data into a bundle."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import InputError
from .._core.progress import Progress
from .._core.times import now_text
from .._vulnerabilities.feeds.exporting import export_feed, export_index
from .._vulnerabilities.feeds.signatures import Keys
from .module import make_folder, server_access_of
from .store_options import package_names

#: Options that are for the bundle of a feed alone.
_OF_A_FEED = ("repository_map", "signature_key", "names", "for_store")


def export_data(module: AnsibleModule) -> dict[str, t.Any]:
    """Pack what is asked for. Returns the result of the module."""
    params = module.params
    progress = Progress()
    dest = Path(params["dest"])
    if not module.check_mode:
        make_folder(dest.parent, "bundle")

    def tick() -> None:
        progress.beat("packing")

    if params["index"]:
        for name in _OF_A_FEED:
            if params[name]:
                raise InputError(f"{name} is for the bundle of a feed, not for that of an index")
        exported = export_index(params["index"], str(dest), tick=tick, dry_run=module.check_mode)
    else:
        exported = export_feed(
            params["url"] or params["path"],
            str(dest),
            now=now_text(),
            repository_map=params["repository_map"] or "",
            keys=Keys.read(params["signature_key"]) if params["signature_key"] else None,
            names=_names_of(params, module.check_mode),
            access=server_access_of(params),
            tick=tick,
            dry_run=module.check_mode,
        )
    manifest = exported.manifest
    return {
        "changed": exported.changed,
        "dest": params["dest"],
        **({"checksum": exported.checksum} if exported.checksum else {}),
        "kind": manifest.kind,
        "serial": manifest.serial,
        "checked": manifest.checked,
        "files": len(manifest.files),
        "unsigned": exported.unsigned,
    }


def _names_of(params: dict[str, t.Any], check_mode: bool) -> set[str]:
    """List the names of the packages whose documents need their signatures."""
    names = set(params["names"])
    return names | package_names(params, check_mode) if params["for_store"] else names
