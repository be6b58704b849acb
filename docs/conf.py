# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of Sphinx: ``make docs`` (tests/tools/documentation.py) builds the site, any warning fails."""

from __future__ import annotations

import typing as t

project = "imagescan.openshift"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
# Headings can be linked to.
myst_heading_anchors = 3

_ANSIBLE = "https://docs.ansible.com/ansible/latest/"
#: Labels and variables of Ansible's own documentation that pages of plugins refer to. No inventory is fetched.
ELSEWHERE = {
    "ANSIBLE_COLLECTIONS_PATH": "reference_appendices/config.html#envvar-ANSIBLE_COLLECTIONS_PATH",
    "action_plugins": "plugins/action.html",
    "ansible_collections.ansible.builtin.slurp_module": "collections/ansible/builtin/slurp_module.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "callback_plugins": "plugins/callback.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}


def resolve(app: t.Any, env: t.Any, node: t.Any, content: t.Any) -> t.Any:
    """Return the link for a label of Ansible's, or for one of a role, which Sphinx finds no title for."""
    from docutils import nodes
    from sphinx.util.nodes import make_refnode

    target = node["reftarget"]
    if target in ELSEWHERE:
        return nodes.reference("", "", content, refuri=_ANSIBLE + ELSEWHERE[target], internal=False)
    page, anchor = env.get_domain("std").anonlabels.get(target, ("", ""))
    if page.endswith("_role"):
        name = target.removeprefix("ansible_collections.").removesuffix("_role")
        return make_refnode(app.builder, node["refdoc"], page, anchor, nodes.inline("", f"{name} role"))
    return None


def setup(app: t.Any) -> None:
    """Register what resolves such labels."""
    app.connect("missing-reference", resolve)
