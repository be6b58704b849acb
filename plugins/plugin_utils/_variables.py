# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the variables that roles and playbooks have, and texts about names that nobody has."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import typing as t
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import yaml
from ansible.errors import AnsibleError

from ..lookup.option_group import FORMER_NAMES, GROUPS
from ..module_utils._core.spelling import distance, nearest_choice
from ..module_utils._core.text import visible

ROLES = Path(__file__).resolve().parents[2] / "roles"
#: Names with the prefix of a role that are not options of it: what runs hand on to later jobs of a workflow, where AWX
#: gives it to every job as a variable, what hooks get, variables of earlier releases, variables of the playbook
#: feed_export, and how the modules of awx.awx and ansible.controller reach their server.
OTHERS: Mapping[str, tuple[str, ...]] = {
    "controller": (
        *(
            "controller_host",
            "controller_hostname",
            "controller_username",
            "controller_password",
            "controller_oauthtoken",
        ),
        *("controller_oauth_token", "controller_validate_certs", "controller_verify_ssl", "controller_config_file"),
        "controller_request_timeout",
    ),
    "feed": ("feed_indexes", "feed_export_*"),
    "scan": (
        *("scan_counts", "scan_changed_verdicts", "scan_verdict_changes", "scan_flagged", "scan_cleared"),
        *("scan_next_due", "scan_report_files", "scan_clusters", "scan_change"),
        *FORMER_NAMES,
    ),
    "schedule": ("schedule_last", "schedule_refused", "schedule_next", "schedule_changes"),
}
#: Variables that several roles read, and those of the rulebooks, whose inventory is that of the roles.
SHARED = frozenset(
    f"imagescan_{name}"
    for name in (
        *(
            "dir",
            "store",
            "store_password",
            "index",
            "kubeconfig_dir",
            "namespace",
            "timeout",
            "provider",
            "report_url",
        ),
        *(option for group in GROUPS.values() if group.shared for option in group.types),
        *("watch", "registries", "namespaces", "initial", "batch_count", "batch_delay", "state_file", "event_steps"),
        *("webhook_host", "webhook_port", "webhook_token"),
    )
)
#: Beginnings of names of other software that look like a misspelt prefix of ours.
OTHER_PREFIXES = ("scheduler_", "seed_", "need_")


@dataclasses.dataclass(frozen=True)
class Playbook:
    """Variables of a playbook: its ``own``, those of its ``roles``, and ``former`` names of either (until 0.8.0).

    Its own have the types of the filter ``survey_value``.
    """

    own: Mapping[str, str] = dataclasses.field(default_factory=dict)
    roles: tuple[str, ...] = ("scan",)
    former: Mapping[str, str] = dataclasses.field(default_factory=dict)


#: Playbooks that have variables beside those of their roles, or that read those of a role themselves.
PLAYBOOKS: Mapping[str, Playbook] = {
    "clusters": Playbook(own={"clusters_steps": "list"}, former={"steps": "clusters_steps"}),
    "drift": Playbook(own={"drift_fail": "bool"}, former={"fail_on_drift": "drift_fail"}),
    "drill": Playbook(
        own={
            "drill_kubeconfig": "kubeconfig",
            "drill_namespace": "str",
            "drill_policy": "str",
            "drill_action": "str",
            "drill_digest": "str",
            "drill_references": "list",
            "drill_require_passed": "bool",
            "drill_good_digest": "str",
        },
        roles=(),
    ),
    "explain": Playbook(
        own={"explain_id": "str"},
        former={
            "image": "scan_references",
            "id": "explain_id",
            "dest": "scan_dir",
            "store": "scan_store",
            "index": "scan_index",
            "policies": "scan_policies",
            "exceptions": "scan_exceptions",
            "exceptions_max_days": "scan_exceptions_max_days",
        },
    ),
    "feed_export": Playbook(
        own={
            "feed_export_dest": "path",
            "feed_export_index": "path",
            "feed_export_source": "location",
            "feed_export_repository_map": "location",
            "feed_export_signature_key": "path",
            "feed_export_names": "list",
            "feed_export_store": "location",
        },
        roles=(),
    ),
    "quickstart": Playbook(
        former={
            "image": "scan_references",
            "platform": "scan_platforms",
            "feed": "scan_feed",
            "repository_map": "scan_repository_map",
            "dest": "scan_dir",
            "auth_file": "imagescan_registry_auth_file",
        },
    ),
    "unflag": Playbook(
        own={
            "unflag_ids": "list",
            "unflag_owner": "str",
            "unflag_reason": "str",
            "unflag_expires": "str",
            "unflag_ticket": "str",
        },
        former={
            "image": "scan_references",
            "ids": "unflag_ids",
            "owner": "unflag_owner",
            "reason": "unflag_reason",
            "expires": "unflag_expires",
            "ticket": "unflag_ticket",
        },
    ),
}


def unknown_of_role(role: str, variables: Mapping[str, t.Any], is_all: bool = False) -> list[str]:
    """Write a text for each variable with the role's prefix, or one like it, that the role does not have.

    ``is_all``: the variables are there for the role alone, so that those without its prefix are mistakes, too.
    """
    options = options_of(role)
    known = (*options, *OTHERS.get(role, ()))
    owner, prefix = f"the role {role} has", f"{role}_"
    texts = {**_unknown(owner, prefix, options, known, variables), **_unknown_shared(variables)}
    if is_all:
        endings = [option.removeprefix(prefix) for option in options]
        for name in sorted(map(str, variables.keys() - SHARED - texts.keys())):
            if not name.startswith(prefix):
                texts[name] = _text(owner, name, prefix, nearest_choice(name, endings))
    return list(texts.values())


def unknown_of_playbook(name: str, variables: Mapping[str, t.Any]) -> list[str]:
    """Write the same for a playbook and the roles whose variables it takes."""
    playbook = PLAYBOOKS[name]
    texts = list(_unknown(f"the playbook {name} has", f"{name}_", playbook.own, playbook.own, variables).values())
    for role in playbook.roles:
        texts += unknown_of_role(role, variables)
    return list(dict.fromkeys(texts or _unknown_shared(variables).values()))


def _unknown_shared(variables: Mapping[str, t.Any]) -> dict[str, str]:
    """Write the same for the variables that the roles share."""
    return _unknown("the roles have", "imagescan_", sorted(SHARED), sorted(SHARED), variables)


def _unknown(
    owner: str, prefix: str, options: Iterable[str], known: Collection[str], variables: Mapping[str, t.Any]
) -> dict[str, str]:
    """Write the texts, by name. ``known``: patterns of names that are right; ``options``: names that may be meant."""
    endings = [option.removeprefix(prefix) for option in options]
    names, patterns = set(known), [pattern for pattern in known if "*" in pattern]
    loops = {variables.get("ansible_loop_var"), variables.get("ansible_index_var")}
    texts = {}
    for name in sorted(map(str, variables.keys() - names - loops)):
        if is_result(variables[name]) or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            continue
        meant = _meant(name, prefix, endings)
        if meant is not None:
            texts[name] = _text(owner, name, prefix, meant)
    return texts


def _text(owner: str, name: str, prefix: str, meant: str) -> str:
    advice = f"; did you mean '{prefix}{meant}'?" if meant else ""
    return f"{owner} no variable {visible(name, 100)}{advice}"


def _meant(name: str, prefix: str, endings: list[str]) -> str | None:
    """Find the ending that was meant by a name, "" where it is like none; None where the name is not one of ours."""
    if name.startswith(prefix):
        # Without the prefix, which makes all of them alike.
        return None if name.startswith(f"{prefix}_") else nearest_choice(name.removeprefix(prefix), endings)
    # Its underscore and the letter behind it, swapped.
    size = len(prefix)
    swapped = f"{name[: size - 1]}{name[size : size + 1]}{name[size - 1 : size]}{name[size + 1 :]}"
    if swapped.startswith(prefix) and swapped.removeprefix(prefix) in endings:
        return swapped.removeprefix(prefix)
    # One slip in the prefix, which may have taken its underscore.
    for length in range(size - 1, size + 2):
        head, ending = name[:length], name[length:]
        if ending in endings and head not in OTHER_PREFIXES and distance(head.casefold(), prefix) <= 1:
            return ending
    return None


@functools.lru_cache
def options_of(role: str) -> tuple[str, ...]:
    """List the variables that a role's argument spec names. Raises AnsibleError for a role that is not there."""
    path = ROLES / role / "meta" / "argument_specs.yml"
    if not role.isidentifier() or not path.is_file():
        raise AnsibleError(f"unknown_variables: the collection has no role {visible(role, 100)!r}")
    spec: dict[str, t.Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return tuple(spec["argument_specs"]["main"]["options"])


def is_result(value: t.Any) -> bool:
    """Return whether a variable was registered: what a task returns says whether it changed something."""
    return isinstance(value, Mapping) and "changed" in value and bool({"failed", "skipped", "results"} & set(value))
