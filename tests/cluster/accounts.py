# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts that the role ``setup`` makes: tests run with these, never as administrator."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import Connection, connect
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.service_accounts import (
    Account,
    kubeconfig,
    request_token,
    write_kubeconfig,
)
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment
from ansible_collections.imagescan.openshift.tests.support.role_values import trusted

SETUP = Path(__file__).resolve().parents[2] / "roles/setup"
OWNER = "app.kubernetes.io/managed-by"
OURS = "imagescan.openshift"
PLACE = "imagescan.github.io/namespace"


@dataclasses.dataclass(frozen=True)
class Accounts:
    """Kubeconfigs of the three accounts of a namespace."""

    namespace: str
    folder: Path

    @property
    def discover(self) -> Path:
        """For ``image_info``."""
        return self.folder / "imagescan-discover.kubeconfig"

    @property
    def scan(self) -> Path:
        """For ``image_scan``."""
        return self.folder / "imagescan-scan.kubeconfig"

    @property
    def flag(self) -> Path:
        """For ``image_flag``."""
        return self.folder / "imagescan-flag.kubeconfig"


@dataclasses.dataclass(frozen=True)
class Played:
    """What ansible-playbook did. ``message`` is that of the task that failed, or empty; ``processor`` is in seconds."""

    status: int
    output: str
    changed: int
    message: str
    warnings: tuple[str, ...]
    processor: float


def play(
    cluster: KubernetesCluster, playbook: str, variables: t.Mapping[str, t.Any], home: Path, *options: str
) -> Played:
    """Run a playbook (a path, or of the collection) where the cluster is reached, without settings of the caller."""
    program = Path(sys.executable).parent / "ansible-playbook"
    name = playbook if playbook.startswith("/") else f"imagescan.openshift.{playbook}"
    command = [str(program), "-i", "localhost,", name]
    command += ["-e", json.dumps(dict(variables)), *options]
    before = os.times()
    done = cluster.run(*command, check=False, env=ansible_environment(home), stdin=subprocess.DEVNULL, timeout=600)
    after = os.times()
    output = done.stdout + done.stderr
    recap = re.search(r"^localhost +: .*changed=(\d+)", done.stdout, re.MULTILINE)
    failures = re.findall(r"^(?:fatal|failed): \[localhost\].*? => (\{.*\})$", done.stdout, re.MULTILINE)
    return Played(
        done.returncode,
        output,
        int(recap[1]) if recap else -1,
        str(json.loads(failures[-1])["msg"]) if failures else "",
        tuple(re.findall(r"^\[(?:WARNING|DEPRECATION WARNING)\].*", output, re.MULTILINE)),
        after.children_user + after.children_system - before.children_user - before.children_system,
    )


def play_mistakes(
    cluster: KubernetesCluster, role: str, mistakes: t.Mapping[str, t.Mapping[str, t.Any]], home: Path
) -> dict[str, str]:
    """Give a role one set of variables after the other, in one play that changes nothing; name -> what it failed with.

    Raises AssertionError when a task changed something, warned, or did not fail. Ansible's own start, and reading the
    modules, is most of what such a play costs.
    """
    told = home / "mistakes.json"
    kept = "{{ mistakes__told | default({}) | combine({mistakes__name: %s}) }}"
    # A loop says what was wrong with its items alone.
    items = "ansible_failed_result.results | default([]) | selectattr('failed', 'defined') | selectattr('failed')"
    failure = f"({items} | map(attribute='msg') | list + [ansible_failed_result.msg]) | first"
    tasks: list[dict[str, t.Any]] = [
        {
            "vars": {"mistakes__name": name},
            "block": [
                {"ansible.builtin.include_role": {"name": f"imagescan.openshift.{role}"}, "vars": dict(variables)},
                {"ansible.builtin.set_fact": {"mistakes__told": kept % "'nothing failed'"}},
            ],
            "rescue": [{"ansible.builtin.set_fact": {"mistakes__told": kept % failure}}],
        }
        for name, variables in mistakes.items()
    ]
    content = "{{ mistakes__told | to_json }}"
    tasks.append({"ansible.builtin.copy": {"content": content, "dest": str(told), "mode": "600"}})
    python = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    book = home / "mistakes.yml"
    base = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": python}
    book.write_text(json.dumps([{**base, "tasks": tasks}]), encoding="utf-8")
    played = play(cluster, str(book), {}, home)
    # The file that the play writes is its one change.
    assert (played.status, played.changed, played.warnings) == (0, 1, ()), played.output
    found: dict[str, str] = json.loads(told.read_text(encoding="utf-8"))
    assert found.keys() == mistakes.keys()
    return found


def variables_of(cluster: KubernetesCluster, namespace: str, folder: Path) -> dict[str, t.Any]:
    """What an administrator gives to setup and teardown. Names of the cluster's objects are the namespace's own."""
    return {
        "setup_kubeconfig": str(cluster.kubeconfig),
        "setup_namespace": namespace,
        "setup_cluster_prefix": namespace,
        "setup_kubeconfig_dir": str(folder),
    }


@contextlib.contextmanager
def accounts_in(
    cluster: KubernetesCluster, namespace: str, home: Path, *, by_role: bool = True
) -> t.Iterator[Accounts]:
    """The accounts in a namespace, which may be there already and is then made ours. It stays there afterwards.

    ``by_role``: by the playbook ``setup``, and not by what its role would apply, which takes a tenth of the time.
    """
    cluster.kubectl("label", "--overwrite", "namespace", namespace, f"{OWNER}={OURS}", check=False)
    folder = home / "kubeconfigs"
    if by_role:
        played = play(cluster, "setup", variables_of(cluster, namespace, folder), home)
        assert played.status == 0, played.output
    else:
        _make_accounts(cluster, namespace, folder)
    try:
        yield Accounts(namespace, folder)
    finally:
        cluster.kubectl("delete", "clusterroles,clusterrolebindings", f"--selector={PLACE}={namespace}")


def _make_accounts(cluster: KubernetesCluster, namespace: str, folder: Path) -> None:
    client = connect(Connection(kubeconfig=str(cluster.kubeconfig)))
    variables = yaml.safe_load((SETUP / "vars/main.yml").read_text(encoding="utf-8"))
    roles = client.items("/apis/rbac.authorization.k8s.io/v1/clusterroles", lambda one: str(one["metadata"]["name"]))
    variables |= {
        "setup__accounts": variables["setup__known_accounts"],
        "setup__namespace": namespace,
        "setup__prefix": namespace,
        "setup__network_policy": True,
        "setup__egress_ports": [443, 5000],
        "setup__read_mirrors": client.has_group("config.openshift.io"),
        "setup__role_names": roles,
    }
    safe = trusted(variables)
    parts = Templar(loader=DataLoader(), variables=safe).template(safe["setup__objects"])
    cluster.apply(*(part["object"] for part in parts if part["wanted"]))
    folder.mkdir(mode=0o700)
    for name in variables["setup__known_accounts"]:
        account = Account(namespace, f"imagescan-{name}")
        token = request_token(client, account, 86400).text
        write_kubeconfig(str(folder / f"imagescan-{name}.kubeconfig"), kubeconfig(client, account, token))
