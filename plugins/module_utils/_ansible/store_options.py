# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store that the options of a module name, and the images in it."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._scanner.targets import Request, named
from .._store.store import Store, open_store


def existing_store(module: AnsibleModule) -> Store:
    """Open the store of ``argument_specs.store``, which must be there; in check mode to read alone."""
    params = module.params
    return open_store(params["store"], params["store_password"] or "", create=False, read_only=module.check_mode)


def package_names(params: t.Mapping[str, t.Any], check_mode: bool) -> set[str]:
    """Read the names of the packages of all images in the store that the option ``for_store`` names."""
    with open_store(params["for_store"], params["store_password"] or "", create=False, read_only=check_mode) as store:
        return set(store.inventories.package_names())


def requested_images(params: t.Mapping[str, t.Any]) -> list[Request] | None:
    """Read the option ``images``; None for everything in the store."""
    return None if params["images"] is None else [named(image) for image in params["images"]]
