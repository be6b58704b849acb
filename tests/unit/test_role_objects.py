# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles apply to a cluster, and what they decide and say, stays as it is: byte by byte, for many variables.

``golden/role_objects.json`` has the SHA-256 of each value. A change that is meant to alter one renews them::

    IMAGESCAN_GOLDEN=renew make test-one T=tests/unit/test_role_objects.py
"""

from __future__ import annotations

import hashlib
import json
import os
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.tests.support.role_values import render

Json = dict[str, t.Any]
ROLES_FOLDER = Path(__file__).resolve().parents[2] / "roles"
SET_FACT = "ansible.builtin.set_fact"
GOLDEN = Path(__file__).resolve().parent / "golden/role_objects.json"
RENEW = os.environ.get("IMAGESCAN_GOLDEN") == "renew"

HOME = {"metadata": {"name": "scans", "uid": "4f2c"}}
ROLES = ["cluster-admin", "imagescan-discovery", "imagescan-flagger", "imagescan-mirrors", "system:image-auditor"]
PLAN = {"cron": "30 2 * * *", "next": ["2026-12-04T02:30:00Z", "2026-12-05T02:30:00Z"], "changes": []}
CHANGES = [{"message": "02:30 does not exist on 2027-03-28 in Europe/Berlin: the kind cronjob leaves this run out"}]
CRON_JOB: Json = {
    "schedule_kind": "cronjob",
    "schedule_namespace": "scans",
    "schedule_image": "registry.example.com/imagescan:1",
    "schedule_volume_claim": "scans",
    "schedule__plan": PLAN,
    "schedule__cluster": {"groups": ["batch"]},
    "schedule__home": HOME,
    "schedule__roles_there": ROLES,
    "schedule__scanner_there": True,
    "schedule__notes": {},
    "schedule__runs": {"kinds": [{"objects": []}, {"objects": []}]},
}


def job(started: str, *conditions: tuple[str, str, str]) -> Json:
    """A Job that the CronJob made. ``conditions``: type, status, reason."""
    kept = [
        {"type": kind, "status": status, "reason": reason, "lastTransitionTime": "2026-12-03T02:41:00Z"}
        for kind, status, reason in conditions
    ]
    return {"metadata": {"creationTimestamp": started}, "status": {"startTime": started, "conditions": kept}}


def runs(jobs: list[Json], *refused: str) -> Json:
    """What tasks/cluster_runs.yml registers."""
    return {"kinds": [{"objects": jobs}, {"objects": [{"lastTimestamp": at} for at in refused]}]}


def notes(last: str, refused: str = "") -> Json:
    """What tasks/tell.yml registers on a host: base64 of the two files, where they are."""
    import base64

    texts = [text and base64.b64encode(text.encode()).decode() for text in (last, refused)]
    return {"results": [{"content": text} if text else {"failed": False} for text in texts]}


ON_HOST: Json = {
    "schedule__plan": PLAN,
    "schedule__notes": notes(""),
    **{
        name: CRON_JOB[name]
        for name in ("schedule__cluster", "schedule__home", "schedule__roles_there", "schedule__scanner_there")
    },
}
BEFORE, STARTED = "2026-12-02T02:30:00Z", "2026-12-03T02:30:00Z"
SCHEDULE_CASES: dict[str, Json] = {
    "plain": CRON_JOB,
    "full": {
        **CRON_JOB,
        "schedule_name": "nightly",
        "schedule_timezone": "Europe/Berlin",
        "schedule_spread": "600",
        "schedule_timeout": "3600",
        "schedule_catch_up": "no",
        "schedule_history": "5",
        "schedule_cluster_prefix": "shop",
        "schedule_image_pull_secrets": "pull-a, pull-b",
        "schedule_environment_secret": "environment",
        "schedule_config_map": "files",
        "schedule_pod_memory": "2Gi",
        "schedule_pod_cpu": "1",
        "schedule_vars": {
            "scan_sources": "openshift,workloads",
            "scan_method": "job",
            "scan_steps": ["discover", "scan", "judge", "report", "flag"],
            "scan_store": "postgresql+psycopg://scan@db/imagescan",
            "scan_references": ["registry.example.com/a:1"],
        },
        "schedule__cluster": {"groups": ["batch", "security.openshift.io"]},
        "schedule__roles_there": [*ROLES, "shop-discovery", "shop-flagger", "shop-mirrors"],
        "schedule__plan": {**PLAN, "changes": CHANGES},
        "schedule__runs": runs(
            [job(BEFORE, ("Complete", "True", "")), job(STARTED, ("Failed", "True", "DeadlineExceeded"))],
            *("2026-12-03T03:00:00Z", "2026-12-03T02:45:00Z"),
        ),
    },
    "runs": {**CRON_JOB, "schedule__runs": runs([job(STARTED)]), "schedule_vars": {"scan_sources": "openshift"}},
    "ended": {**CRON_JOB, "schedule__runs": runs([job(STARTED, ("Suspended", "False", ""), ("Complete", "True", ""))])},
    "made, not started": {
        **CRON_JOB,
        "schedule__runs": runs([{"metadata": {"creationTimestamp": STARTED}}], "2026-12-03T03:00:00Z"),
    },
    "disabled": {**CRON_JOB, "schedule_state": "disabled", "schedule_spread": 30},
    "absent": {**CRON_JOB, "schedule_state": "absent", "schedule__plan": {"cron": ""}, "schedule__home": {}},
    "not prepared": {
        **CRON_JOB,
        "schedule_vars": {
            "scan_steps": "discover,scan,flag",
            "scan_sources": "workloads",
            "scan_method": "image-volume",
        },
        "schedule__home": {},
        "schedule__roles_there": ["cluster-admin"],
        "schedule__scanner_there": False,
    },
    "no claim": {**CRON_JOB, "schedule_volume_claim": "", "schedule_vars": {"imagescan_store": "sqlite:////a/b.db"}},
    "store elsewhere": {**CRON_JOB, "schedule_vars": {"scan_store": "/var/lib/imagescan/../x.db"}},
    "store in the claim": {**CRON_JOB, "schedule_vars": {"scan_store": "sqlite:////var/lib/imagescan/x.db"}},
    "own folder": {**CRON_JOB, "schedule_vars": {"scan_dir": "/tmp/a", "scan_steps": "judge"}},
    "host, no run": {**ON_HOST},
    "host, a run": {
        **ON_HOST,
        "schedule_kind": "cron",
        "schedule__plan": {**PLAN, "changes": CHANGES},
        "schedule__notes": notes(f"began={STARTED}\nended=2026-12-03T02:41:00Z\nstatus=2\n", "2026-12-03T03:00:00Z\n"),
    },
    "host, running": {**ON_HOST, "schedule_spread": "60", "schedule__notes": notes(f"began={STARTED}\n")},
    "host, absent": {**ON_HOST, "schedule_state": "absent", "schedule__notes": {"skipped": True}},
}
WANTED = "selectattr('wanted', 'true') | map(attribute='object') | list"
SCHEDULE = {
    "applied": f"schedule__parts | {WANTED}",
    "removed": (
        "((schedule__state == 'absent') | ternary(schedule__parts, schedule__parts | rejectattr('wanted', 'true')"
        " | list)) | map(attribute='object') | reverse | list"
    ),
    "store": "[schedule__run.store, schedule__run.keeps_store]",
    "lacking": "schedule__run.missing | sort",
    "told": "schedule__summary.lines",
    "stats": "[schedule__summary.last, schedule__summary.refused, schedule__summary.next, schedule__summary.changes]",
}

ENFORCED = {"app.kubernetes.io/managed-by": "imagescan.openshift", "imagescan.github.io/enforce": "shop"}
OF_SETUP = {"app.kubernetes.io/managed-by": "imagescan.openshift"}
PROVED = {**ENFORCED, "imagescan.github.io/stage": "proved"}
#: Objects as name -> labels, or labels and actions.
Objects = t.Mapping[str, t.Any]
PASSED_BINDINGS = [f"shop-{provider}-passed-{number}" for provider in ("shop", "b") for number in (0, 1)]
REQUIRED: Json = {
    "enforce_prefix": "shop",
    "enforce_providers": "shop, b",
    "enforce_namespaces": "till, window",
    "enforce_require_passed_namespaces": ["till"],
    "enforce_exempt_namespaces": "openshift-*, kube-*, kept",
    "enforce_scan_namespace": "scans",
    "enforce_passed_shards": "2",
    "enforce_help_url": "https://wiki.example.com/refused",
}
NAMESPACES: Objects = {
    "kube-system": {},
    "openshift-dns": {},
    "till": ENFORCED,
    "scans": OF_SETUP,
    "shop-drill": ENFORCED,
    "shop-drill-passed": ENFORCED,
}
INSTALLED: dict[str, Objects] = {
    "ValidatingAdmissionPolicy": {"shop-deny": PROVED, "shop-passed": PROVED, "other-deny": OF_SETUP},
    "ValidatingAdmissionPolicyBinding": {
        name: (ENFORCED, ["Deny", "Audit"]) for name in ("shop-deny", *PASSED_BINDINGS)
    },
    "Namespace": NAMESPACES,
    "ClusterRole": {"shop-drill": ENFORCED},
    "ClusterRoleBinding": {"shop-drill": ENFORCED},
    "DenyList": {"shop-0": ENFORCED, "other-0": {**ENFORCED, "imagescan.github.io/enforce": "other"}},
    "PassedList": {},
}
DENIES: dict[str, Objects] = {
    **INSTALLED,
    "ValidatingAdmissionPolicy": {"shop-deny": PROVED, "shop-passed": ENFORCED},
    "ValidatingAdmissionPolicyBinding": {
        "shop-deny": (ENFORCED, ["Deny"]),
        "shop-shop-passed-0": (ENFORCED, ["Warn"]),
        "shop-shop-passed-3": (ENFORCED, ["Warn"]),
    },
}
ALIEN: dict[str, Objects] = {
    "ValidatingAdmissionPolicy": {"shop-deny": {}},
    "Namespace": {**NAMESPACES, "shop-drill": {}},
    "ClusterRole": {"shop-drill": {}},
}


def facts(role: str) -> Json:
    """What the role keeps of a cluster, as templates."""
    tasks = yaml.safe_load((ROLES_FOLDER / role / "tasks/look.yml").read_text(encoding="utf-8"))
    return {name: value for task in tasks for name, value in task.get(SET_FACT, {}).items()}


def cluster(found: t.Mapping[str, Objects], groups: t.Sequence[str] = (), **variables: t.Any) -> Json:
    """A cluster as the tasks of the role ``enforce`` see it, and what it is told to do."""
    kinds: list[Json] = []
    for kind in INSTALLED:
        objects = []
        for name, value in found.get(kind, {}).items():
            labels, actions = value if isinstance(value, tuple) else (value, [])
            objects.append({"metadata": {"name": name, "labels": labels}, "spec": {"validationActions": actions}})
        kinds.append({"kind": kind, "objects": objects, "served": kind in found})
    bound = [
        {**kind, "objects": [item for item in kind["objects"] if item["metadata"]["labels"]]}
        for kind in (kinds[1], kinds[0])
    ]
    return {
        "facts": facts("enforce"),
        "enforce__answer": {"kinds": kinds},
        "enforce__cluster": {"groups": list(groups), "version": "1.33"},
        "enforce__planned": {"steps": [], "needless": []},
        "enforce__bound": {"kinds": bound},
        **variables,
    }


ENFORCE_CASES: dict[str, Json] = {
    "nothing there": cluster({"Namespace": {"kube-system": {}}}),
    "settled": cluster(INSTALLED, **REQUIRED),
    "other shards": cluster(INSTALLED, **{**REQUIRED, "enforce_passed_shards": 4, "enforce_action": "warn"}),
    "trial of all": cluster({"Namespace": NAMESPACES}, **REQUIRED, enforce__trial=True),
    "trial of passed": cluster(DENIES, **REQUIRED, enforce_action="audit", enforce__trial=True),
    "passed begins": cluster(DENIES, **REQUIRED),
    "no longer required": cluster(INSTALLED, enforce_prefix="shop", enforce_action="audit"),
    "openshift": cluster(INSTALLED, ["security.openshift.io"], **{**REQUIRED, "enforce_exempt_namespaces": ""}),
    "all wrong": cluster(
        ALIEN,
        **{
            **REQUIRED,
            "enforce_require_passed_namespaces": ["scans", "kube-system", "kept", "openshift-dns", "till"],
            "enforce_exempt_namespaces": ["openshift-*", "kept", "shop-*"],
            "enforce_namespaces": ["shop-a", "kube-system", "kept"],
        },
    ),
}
ENFORCE = {
    "kinds": "enforce__crds",
    "without policies": "enforce__namespace_objects + enforce__account_objects + enforce__cluster_objects",
    "policies": "enforce__policies",
    "bindings": "enforce__bindings",
    "pods": "enforce__plan.unscanned_pods",
    "removed": "[enforce__plan.needless, enforce__plan.ours]",
    "stopped": "enforce__bound_bindings",
    "tried": (
        "[enforce__tried_policies | map(attribute='metadata.name') | list, enforce__tried_bindings"
        " | map(attribute='metadata.name') | list, enforce__is_settled | bool]"
    ),
    "drilled": "[enforce__terms.drills_deny, enforce__terms.drills_passed, enforce__terms.denies]",
    "lists": "['has_lists', 'our_lists', 'other_lists', 'needs_passed'] | map('extract', enforce__plan) | list",
    "exempt": "enforce__plan.always_exempt",
    "refused": "enforce__plan.refusals",
}


OF_CLUSTER = {**OF_SETUP, "imagescan.github.io/namespace": "scans"}
PREPARED: dict[str, Objects] = {
    "Namespace": {"scans": OF_SETUP},
    "ClusterRole": {
        **{f"shop-{name}": OF_CLUSTER for name in ("discovery", "mirrors", "flagger")},
        "cluster-admin": {},
        "system:image-puller": {},
        "other-flagger": {**OF_CLUSTER, "imagescan.github.io/namespace": "other"},
    },
    "ClusterRoleBinding": {f"shop-{name}": OF_CLUSTER for name in ("discovery", "mirrors", "flagger", "image-auditor")},
    "ServiceAccount": {"imagescan-scan": OF_SETUP, "imagescan-flag": OF_SETUP, "default": {}},
    "Secret": {"imagescan-global-pull-secret": OF_SETUP},
    "Role": {"imagescan-scanner": OF_SETUP},
    "RoleBinding": {"imagescan-scanner": OF_SETUP},
    "NetworkPolicy": {"imagescan-scanner": OF_SETUP},
}
SHOP: Json = {"setup_namespace": "scans", "setup_cluster_prefix": "shop"}


def prepared(found: t.Mapping[str, Objects], groups: t.Sequence[str] = (), **variables: t.Any) -> Json:
    """A cluster as the tasks of the role ``setup`` see it, and what it is told to do."""
    objects = {
        kind: [{"metadata": {"name": name, "labels": labels}} for name, labels in found.get(kind, {}).items()]
        for kind in PREPARED
    }
    return {
        "facts": facts("setup"),
        "setup__answer": {"kinds": [{"kind": kind, "objects": items} for kind, items in objects.items()]},
        "setup__cluster": {"groups": list(groups)},
        **variables,
    }


SETUP_CASES: dict[str, Json] = {
    "nothing there": prepared({}),
    "all there": prepared(PREPARED, ["config.openshift.io"], **SHOP),
    "fewer accounts": prepared(PREPARED, **SHOP, setup_accounts="discover"),
    "options": prepared(
        {**PREPARED, "ClusterRole": {"system:image-auditor": {}}},
        **SHOP,
        setup_copy_global_pull_secret="yes",
        setup_network_policy="no",
        setup_egress_ports="443,8443",
    ),
    "of others": prepared({"ClusterRole": {"shop-flagger": {}}, "Namespace": {"scans": {}}}, **SHOP),
}
SETUP = {
    "applied": "setup__plan.wanted",
    "removed": "setup__plan.needless",
    "taken": "setup__plan.taken | sort",
    "left": "setup__plan.ours",
}


@pytest.mark.parametrize(
    ("role", "cases", "expressions"),
    [("schedule", SCHEDULE_CASES, SCHEDULE), ("enforce", ENFORCE_CASES, ENFORCE), ("setup", SETUP_CASES, SETUP)],
)
def test_what_a_role_makes_of_its_variables_stays(
    role: str, cases: dict[str, Json], expressions: dict[str, str]
) -> None:
    values = render(role, cases, expressions)
    texts = {case: {name: json.dumps(value) for name, value in found.items()} for case, found in values.items()}
    sums = {
        case: {name: hashlib.sha256(text.encode()).hexdigest() for name, text in found.items()}
        for case, found in texts.items()
    }
    golden = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else {}
    if RENEW:
        GOLDEN.write_text(json.dumps({**golden, role: sums}, indent=1) + "\n", encoding="utf-8")
        return
    changed = [
        (case, name) for case, found in sums.items() for name in found if golden[role][case][name] != found[name]
    ]
    assert not changed, {f"{case}: {name}": texts[case][name] for case, name in changed}
    assert sums == golden[role]
