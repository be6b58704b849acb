# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Job templates of the fake controller, launched by the real ansible-runner with what AWX gives it.

As AWX does: survey answers are text in the extra variables, credentials become files, environment variables and extra
variables by the injectors of their type, and the inventory is a script.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

from .fake_controller import TOKEN
from .requirements import missing

Json = dict[str, t.Any]
FAKE = Path(__file__).with_name("fake_controller.py")


@dataclasses.dataclass(frozen=True)
class Controller:
    """The fake, as a process of its own. ``folder`` has its project and what it keeps."""

    folder: Path
    host: str

    @property
    def settings(self) -> dict[str, str]:
        """Environment variables by which the modules reach it."""
        return {"CONTROLLER_HOST": self.host, "CONTROLLER_OAUTH_TOKEN": TOKEN, "CONTROLLER_REQUEST_TIMEOUT": "120"}

    @property
    def state(self) -> Json:
        """All that it keeps."""
        return dict(json.loads((self.folder / "objects.json").read_text(encoding="utf-8")))

    def job(self, template: str, answers: t.Mapping[str, str], folder: Path) -> Job:
        """What AWX makes of a launch. ``folder``: ansible-runner's, which must not be there yet."""
        return _prepared(self.state, template, answers, folder, self.folder / "project")


@dataclasses.dataclass(frozen=True)
class Job:
    """A folder of ansible-runner. ``playbook``: in its project."""

    folder: Path
    playbook: str

    def start(self, environ: t.Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Run it; what it prints goes to ``stdout``."""
        program = Path(sys.executable).parent / "ansible-runner"
        if not program.exists():
            missing("the Python package ansible-runner")
        with (self.folder / "stdout").open("wb") as stream:
            return subprocess.Popen(
                [str(program), "run", str(self.folder), "--playbook", self.playbook, "--ident", "job"],
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        """What it printed."""
        return (self.folder / "stdout").read_text(encoding="utf-8", errors="replace")

    @property
    def artifacts(self) -> Json:
        """What the job hands to later ones of a workflow, as AWX takes it from the last event."""
        for path in self.folder.glob("artifacts/job/job_events/*.json"):
            event = json.loads(path.read_text(encoding="utf-8"))
            if event["event"] == "playbook_on_stats":
                return dict(event["event_data"]["artifact_data"])
        return {}


@contextlib.contextmanager
def running_controller(folder: Path, project: Path) -> t.Iterator[Controller]:
    """Run the fake with a project."""
    shutil.copytree(project, folder / "project")
    with subprocess.Popen([sys.executable, str(FAKE), str(folder)], stdin=subprocess.DEVNULL) as process:
        try:
            port = folder / "port"
            while not port.exists():
                assert process.poll() is None
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.05)
            yield Controller(folder, f"http://127.0.0.1:{port.read_text(encoding='utf-8')}")
        finally:
            process.kill()


def _prepared(state: Json, template: str, answers: t.Mapping[str, str], folder: Path, project: Path) -> Job:
    number, found = next((key, one) for key, one in state["job_templates"].items() if one["name"] == template)
    questions = state["surveys"][f"job_templates/{number}"]["spec"] if found["survey_enabled"] else []
    assert set(answers) <= {one["variable"] for one in questions}, "AWX ignores what the survey does not ask for"
    variables: Json = json.loads(found["extra_vars"] or "{}")
    variables |= {one["variable"]: str(one.get("default", "")) for one in questions}
    variables |= dict(answers)
    variables |= {f"{prefix}_job_id": 61 for prefix in ("awx", "tower")}
    environ = {"AWX_PRIVATE_DATA_DIR": str(folder), "JOB_ID": "61"}
    for name in ("env", "inventory"):
        (folder / name).mkdir(parents=True, mode=0o700)
    shutil.copytree(project, folder / "project")
    for one in state["associated"].get(f"job_templates/{number}/credentials", ()):
        _inject(state, str(one), folder / "env", environ, variables)
    hosts = {
        one["name"]: json.loads(one["variables"] or "{}")
        for one in state["hosts"].values()
        if one["inventory"] == found["inventory"]
    }
    inventory = json.dumps({"all": {"hosts": list(hosts)}, "_meta": {"hostvars": hosts}})
    _write(folder / "inventory" / "hosts", f"#!/usr/bin/env python3\nprint({inventory!r})\n", 0o700)
    _write(folder / "env" / "envvars", json.dumps(environ))
    _write(folder / "env" / "extravars", json.dumps(variables))
    return Job(folder, found["playbook"])


def _inject(state: Json, credential: str, folder: Path, environ: dict[str, str], variables: Json) -> None:
    """What a credential gives to a job, by the injectors of its type."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    known = state["credentials"][credential]
    kind = state["credential_types"][str(known["credential_type"])]
    inputs = {**known["inputs"], **state["secrets"].get(credential, {})}
    if kind["kind"] == "kubernetes":  # the built-in type for a bearer token
        environ["K8S_AUTH_HOST"] = inputs["host"]
        environ["K8S_AUTH_API_KEY"] = inputs["bearer_token"]
        environ["K8S_AUTH_VERIFY_SSL"] = str(bool(inputs["verify_ssl"] and inputs["ssl_ca_cert"]))
        if inputs["verify_ssl"] and inputs["ssl_ca_cert"]:
            path = folder / f"ca-{credential}"
            _write(path, inputs["ssl_ca_cert"])
            environ["K8S_AUTH_SSL_CA_CERT"] = str(path)
        return
    jinja = ImmutableSandboxedEnvironment(keep_trailing_newline=True)
    files: Json = {}
    for label, template in kind["injectors"].get("file", {}).items():
        path = folder / f"tmp-{credential}-{label.replace('.', '-')}"
        _write(path, jinja.from_string(template).render(inputs))
        files[label.partition(".")[2]] = str(path)
    names = {**inputs, "tower": {"filename": files.get("", files)}}
    for key, template in kind["injectors"].get("env", {}).items():
        environ[key] = jinja.from_string(template).render(names)
    for key, template in kind["injectors"].get("extra_vars", {}).items():
        variables[key] = jinja.from_string(template).render(names)


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    path.touch(mode)
    path.write_text(text, encoding="utf-8")
