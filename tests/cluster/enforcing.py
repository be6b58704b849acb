# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents of the role ``enforce``, for tests that need its policies without its playbook."""

from __future__ import annotations

import typing as t
from pathlib import Path

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.role_plan import passed_bindings
from ansible_collections.imagescan.openshift.tests.support.role_values import trusted

VARS = Path(__file__).resolve().parents[2] / "roles/enforce/vars/main"
Json = dict[str, t.Any]


def only_in(*namespaces: str) -> Json:
    """A selector of namespaces by name."""
    values = list(namespaces)
    return {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": values}]}


def kinds() -> list[Json]:
    """The CustomResourceDefinitions."""
    text = (VARS / "crds.yml").read_text(encoding="utf-8")
    return list(yaml.safe_load(text)["enforce__crds"])


def documents(
    prefix: str,
    namespaces: t.Sequence[str],
    *,
    passed: t.Mapping[str, str] | None = None,
    passed_namespaces: t.Sequence[str] = (),
    actions: t.Sequence[str] = ("Deny", "Audit"),
    failure_policy: str = "Fail",
    exempt_beginnings: t.Sequence[str] = (),
    url: str = "",
) -> tuple[list[Json], list[Json]]:
    """Policies and bindings as the role makes them: ``<prefix>-deny``, and ``<prefix>-passed`` where lists are named.

    ``passed``: name of a PassedList -> first digits of the digests that it speaks for. DenyLists count that have the
    labels ``imagescan.github.io/list: deny`` and ``imagescan.github.io/enforce: <prefix>``.
    """
    variables = yaml.safe_load((VARS / "policy.yml").read_text(encoding="utf-8"))
    variables |= {
        "enforce__prefix": prefix,
        "enforce__owner": {
            "app.kubernetes.io/managed-by": "imagescan.openshift",
            "imagescan.github.io/enforce": prefix,
        },
        "enforce__help": f" (see {url})" if url else "",
        "enforce__plan": {"exempt_beginnings": list(exempt_beginnings), "passed": dict(passed or {})},
    }
    variables["enforce__terms"] = {
        "stage": "proved",
        "selector": only_in(*namespaces),
        "passed_selector": only_in(*passed_namespaces),
        "failure_policy": failure_policy,
        "actions": list(actions),
        "passed_bindings": passed_bindings(prefix, passed or {}, list(actions), variables["enforce__owner"]),
    }
    safe = trusted(variables)
    templar = Templar(loader=DataLoader(), variables=safe)
    return templar.template(safe["enforce__policies"]), templar.template(safe["enforce__bindings"])
