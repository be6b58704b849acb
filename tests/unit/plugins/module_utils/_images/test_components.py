# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an entry of a tree counts as."""

from __future__ import annotations

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._images.components import component_of
from ansible_collections.imagescan.openshift.plugins.module_utils._images.tar import FILE, FOLDER, SYMLINK


@pytest.mark.parametrize(
    ("folder", "base", "kind", "component"),
    [
        ("opt/app/node_modules/left-pad", "package.json", FILE, "npm"),
        ("node_modules/left-pad", "package.json", FILE, "npm"),
        ("opt/app/node_modules/@scope/pad", "package.json", FILE, "npm"),
        ("node_modules/@scope/pad", "package.json", FILE, "npm"),
        ("opt/app/node_modules/@scope", "package.json", FILE, ""),
        ("opt/node_modules/app/pad", "package.json", FILE, ""),
        ("opt/node_modules/app/@scope/pad", "package.json", FILE, ""),
        ("opt/lib/@scope/pad", "package.json", FILE, ""),
        ("opt/app", "package.json", FILE, ""),
        ("opt/app/node_modules/left-pad", "package.json", SYMLINK, ""),
        ("opt", "app.jar", FILE, "jar"),
        ("opt", "app.jar", SYMLINK, ""),
        ("opt", "app.jar", FOLDER, ""),
    ],
)
def test_components(folder: str, base: str, kind: str, component: str) -> None:
    assert component_of(folder, base, kind) == component
