# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions over the variables of a role, as ansible-core renders them with the filters of the collection.

Run as a program of its own, since ansible-core replaces how collections are imported: it reads a JSON object with
``role``, ``cases`` and ``expressions``, and prints the values.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

Json = dict[str, t.Any]
COLLECTION = Path(__file__).resolve().parents[2]


def render(role: str, cases: t.Mapping[str, Json], expressions: t.Mapping[str, str]) -> dict[str, Json]:
    """Values by case and name.

    ``cases``: variables beside the defaults. Those in ``facts`` are templates of which the value is kept first, as by
    set_fact. ``expressions``: Jinja without braces.
    """
    import ansible_collections

    folder = Path(next(iter(ansible_collections.__path__))).parent
    environment = {**os.environ, "PYTHONPATH": str(folder), "ANSIBLE_COLLECTIONS_PATH": str(folder)}
    request = json.dumps({"role": role, "cases": cases, "expressions": expressions})
    done = subprocess.run(
        [sys.executable, __file__], input=request, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    values: dict[str, Json] = json.loads(done.stdout)
    return values


def main() -> None:
    """Render what standard input asks for."""
    import yaml
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.loader import init_plugin_loader
    from ansible.template import Templar

    init_plugin_loader()
    request = json.load(sys.stdin)
    folder = COLLECTION / "roles" / request["role"]
    variables: Json = {"role_path": str(folder), "ansible_playbook_python": "/usr/bin/python3"}
    for path in sorted([folder / "defaults/main.yml", *(folder / "vars").rglob("*.yml")]):
        variables |= yaml.safe_load(path.read_text(encoding="utf-8"))
    values: dict[str, Json] = {}
    templar = Templar(loader=DataLoader())  # one for all cases: it keeps the templates that it compiled
    for case, given in request["cases"].items():
        facts = given.pop("facts", {})
        safe = trusted({**variables, **given, **facts})
        templar.available_variables = safe
        given |= {name: templar.template(safe[name]) for name in facts}
        texts = {f"value_of_{name}": f"{{{{ {text} }}}}" for name, text in request["expressions"].items()}
        safe = trusted({**variables, **given, **texts})
        templar.available_variables = safe
        values[case] = {name: templar.template(safe[f"value_of_{name}"]) for name in request["expressions"]}
    print(json.dumps(values))


def trusted(value: t.Any) -> t.Any:
    """Text that may hold templates, which Ansible 2.19 and newer only believe when told so."""
    try:
        from ansible.template import trust_as_template
    except ImportError:
        return value
    if isinstance(value, dict):
        return {key: trusted(one) for key, one in value.items()}
    if isinstance(value, list):
        return [trusted(one) for one in value]
    return trust_as_template(value) if isinstance(value, str) else value


if __name__ == "__main__":
    main()
