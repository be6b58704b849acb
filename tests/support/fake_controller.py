# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small fake of the API of AWX: no AWX runs here. It keeps what the modules of awx.awx write, and runs nothing.

What it does like AWX, since the modules lean on it: lookups by fields, secrets that are never shown again, objects that
refuse unknown or missing relations, associations, surveys, approvals of workflow nodes, cascades of deletions, and a
project that is synced before its playbooks are known. Whatever a test of ours does not need is an error 404 or 400.

    python fake_controller.py FOLDER   # writes FOLDER/pid and FOLDER/port; FOLDER/objects.json after each request
"""

from __future__ import annotations

import copy
import http.server
import json
import os
import re
import sys
import typing as t
import urllib.parse
from pathlib import Path

Json = dict[str, t.Any]
PREFIX = "/api/v2/"
ENCRYPTED = "$encrypted$"
TOKEN = "fake-controller-token"
#: Collection -> what an object is called -> fields with their defaults (None: it has to be given).
KINDS: dict[str, tuple[str, Json]] = {
    "organizations": ("organization", {"name": None, "description": "", "max_hosts": 0}),
    "credential_types": (
        "credential_type",
        {"name": None, "description": "", "kind": None, "inputs": {}, "injectors": {}, "managed": False},
    ),
    "credentials": (
        "credential",
        {"name": None, "description": "", "organization": None, "credential_type": None, "inputs": {}},
    ),
    "execution_environments": (
        "execution_environment",
        {"name": None, "description": "", "organization": "", "image": None, "pull": "", "credential": ""},
    ),
    "notification_templates": (
        "notification_template",
        {
            "name": None,
            "description": "",
            "organization": None,
            "notification_type": None,
            "notification_configuration": {},
            "messages": None,
        },
    ),
    "projects": (
        "project",
        {
            "name": None,
            "description": "",
            "organization": None,
            "scm_type": "",
            "scm_url": "",
            "scm_branch": "",
            "scm_update_on_launch": False,
            "credential": "",
            "default_environment": "",
        },
    ),
    "inventories": (
        "inventory",
        {"name": None, "description": "", "organization": None, "kind": "", "host_filter": None, "variables": ""},
    ),
    "hosts": ("host", {"name": None, "description": "", "inventory": None, "enabled": True, "variables": ""}),
    "job_templates": (
        "job_template",
        {
            "name": None,
            "description": "",
            "organization": None,
            "project": None,
            "inventory": None,
            "playbook": None,
            "execution_environment": "",
            "extra_vars": "",
            "survey_enabled": False,
            "ask_job_type_on_launch": False,
            "ask_verbosity_on_launch": False,
            "diff_mode": False,
            "allow_simultaneous": False,
            "timeout": 0,
        },
    ),
    "workflow_job_templates": (
        "workflow_job_template",
        {
            "name": None,
            "description": "",
            "organization": None,
            "extra_vars": "",
            "survey_enabled": False,
            "allow_simultaneous": False,
        },
    ),
    "workflow_job_template_nodes": (
        "workflow_job_template_node",
        {
            "identifier": None,
            "workflow_job_template": None,
            "unified_job_template": "",
            "extra_data": {},
            "all_parents_must_converge": False,
        },
    ),
    "workflow_approval_templates": ("workflow_approval_template", {"name": None, "description": "", "timeout": 0}),
    "schedules": (
        "schedule",
        {
            "name": None,
            "description": "",
            "unified_job_template": None,
            "rrule": None,
            "extra_data": {},
            "enabled": True,
        },
    ),
}
#: Field -> collections in which its id has to be.
RELATIONS = {
    "organization": ("organizations",),
    "credential_type": ("credential_types",),
    "credential": ("credentials",),
    "inventory": ("inventories",),
    "project": ("projects",),
    "execution_environment": ("execution_environments",),
    "default_environment": ("execution_environments",),
    "workflow_job_template": ("workflow_job_templates",),
    "unified_job_template": ("job_templates", "workflow_job_templates", "projects", "workflow_approval_templates"),
}
UNIFIED = RELATIONS["unified_job_template"]
#: Collection -> associations -> collection of what is associated.
NOTIFIED = {f"notification_templates_{when}": "notification_templates" for when in ("started", "success", "error")}
NODES = {f"{when}_nodes": "workflow_job_template_nodes" for when in ("success", "always", "failure")}
ASSOCIATIONS: dict[str, dict[str, str]] = {
    "job_templates": {"credentials": "credentials", **NOTIFIED},
    "workflow_job_templates": {**NOTIFIED, "notification_templates_approvals": "notification_templates"},
    "workflow_job_template_nodes": NODES,
    "schedules": {"credentials": "credentials"},
}
#: Fields by which an object goes with what it belongs to.
OWNERS = ("organization", "inventory", "workflow_job_template", "unified_job_template", "credential_type")
BEARER = {
    "name": "OpenShift or Kubernetes API Bearer Token",
    "kind": "kubernetes",
    "managed": True,
    "inputs": {
        "fields": [{"id": "host"}, {"id": "bearer_token", "secret": True}, {"id": "verify_ssl"}, {"id": "ssl_ca_cert"}]
    },
}
#: What a survey's question must have, and its types.
QUESTION = ("variable", "question_name", "type", "required")
TYPES = ("text", "textarea", "password", "multiplechoice", "multiselect", "integer", "float")


class Refused(Exception):
    """A request that AWX would refuse, with its status."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


class FakeController:
    """The objects. ``playbooks``: what the repository of every project has."""

    def __init__(self, playbooks: t.Iterable[str]) -> None:
        self.playbooks = frozenset(playbooks)
        self.objects: dict[str, dict[int, Json]] = {kind: {} for kind in KINDS}
        self.associated: dict[tuple[str, int, str], list[int]] = {}
        self.surveys: dict[tuple[str, int], Json] = {}
        #: Secrets as they were given, which no answer has.
        self.secrets: dict[int, Json] = {}
        self.requests: list[str] = []
        self._next = 1
        self._add("credential_types", BEARER)

    # -- requests

    def answer(self, method: str, target: str, body: Json) -> tuple[int, Json]:
        """Status and JSON."""
        self.requests.append(f"{method} {target}")
        url = urllib.parse.urlsplit(target)
        if not url.path.startswith(PREFIX):
            raise Refused(404, {"detail": "Not found."})
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = url.path[len(PREFIX) :].strip("/").split("/")
        if parts[0] == "project_updates" and method == "GET":
            return 200, {"id": int(parts[1]), "status": "successful"}
        if parts == ["unified_job_templates"] and method == "GET":
            return 200, self._list([(kind, number) for kind in UNIFIED for number in self.objects[kind]], query)
        kind = parts[0]
        if kind not in self.objects:
            raise Refused(404, {"detail": "Not found."})
        if len(parts) == 1:
            return self._collection(method, kind, query, body)
        number = int(parts[1])
        if number not in self.objects[kind]:
            raise Refused(404, {"detail": "Not found."})
        if len(parts) == 2:
            return self._object(method, kind, number, body)
        return self._part(method, kind, number, parts[2], body)

    def _collection(self, method: str, kind: str, query: t.Mapping[str, str], body: Json) -> tuple[int, Json]:
        if method == "GET":
            return 200, self._list([(kind, number) for number in self.objects[kind]], query)
        if method != "POST" or kind == "workflow_approval_templates":
            raise Refused(405, {"detail": "Method not allowed."})
        return 201, self._shown(kind, self._add(kind, body))

    def _object(self, method: str, kind: str, number: int, body: Json) -> tuple[int, Json]:
        if method == "DELETE":
            if self.objects[kind][number].get("managed"):
                raise Refused(403, {"detail": "Deletion not allowed for managed objects."})
            self._remove(kind, number)
            return 204, {}
        if method == "PATCH":
            self._change(kind, number, body)
        elif method != "GET":
            raise Refused(405, {"detail": "Method not allowed."})
        return 200, self._shown(kind, number)

    def _part(self, method: str, kind: str, number: int, part: str, body: Json) -> tuple[int, Json]:
        if part == "survey_spec" and kind in ("job_templates", "workflow_job_templates"):
            if method == "POST":
                self.surveys[kind, number] = _survey(body)
                return 200, {}
            return 200, self.surveys.get((kind, number), {})
        if part == "create_approval_template" and kind == "workflow_job_template_nodes" and method == "POST":
            made = self._add("workflow_approval_templates", body)
            self.objects[kind][number]["unified_job_template"] = made
            return 201, self._shown("workflow_approval_templates", made)
        if part not in ASSOCIATIONS.get(kind, {}):
            raise Refused(404, {"detail": "Not found."})
        there = self.associated.setdefault((kind, number, part), [])
        if method == "GET":
            return 200, self._list([(ASSOCIATIONS[kind][part], one) for one in there], {})
        one = int(body["id"])
        if one not in self.objects[ASSOCIATIONS[kind][part]]:
            raise Refused(400, {"detail": f"there is no {part} {one}"})
        if body.get("disassociate"):
            there.remove(one)
        elif one not in there:
            there.append(one)
        return 204, {}

    # -- objects

    def _list(self, found: t.Iterable[tuple[str, int]], query: t.Mapping[str, str]) -> Json:
        results = []
        for kind, number in found:
            shown = self._shown(kind, number)
            if all(str(shown.get(key, "")) == value for key, value in query.items()):
                results.append(shown)
        return {"count": len(results), "next": None, "previous": None, "results": results}

    def _add(self, kind: str, body: Json) -> int:
        number, self._next = self._next, self._next + 1
        fields = KINDS[kind][1]
        absent = [key for key, default in fields.items() if default is None and body.get(key) is None]
        absent = [key for key in absent if key not in ("host_filter", "messages")]
        if absent:
            raise Refused(400, {key: ["This field is required."] for key in absent})
        identity = "identifier" if "identifier" in fields else "name"
        within = ("organization", "inventory", "workflow_job_template", "credential_type")
        same = [
            other
            for other in self.objects[kind].values()
            if all(other.get(key) == body.get(key) for key in (identity, *(key for key in within if key in fields)))
        ]
        if same and kind != "workflow_approval_templates":
            raise Refused(400, {"__all__": [f"{KINDS[kind][0]} with this name already exists."]})
        self.objects[kind][number] = {key: copy.deepcopy(value) for key, value in fields.items()}
        try:
            self._change(kind, number, body)
        except Refused:
            del self.objects[kind][number]
            raise
        return number

    def _change(self, kind: str, number: int, body: Json) -> None:
        known = self.objects[kind][number]
        # Like AWX, it says nothing of fields that it does not know.
        given = {key: value for key, value in body.items() if key in known}
        for key, value in given.items():
            if key in RELATIONS and value and not any(value in self.objects[one] for one in RELATIONS[key]):
                raise Refused(400, {key: [f'Invalid pk "{value}" - object does not exist.']})
        if kind == "job_templates" and given.get("playbook", known["playbook"]) not in self.playbooks:
            raise Refused(400, {"playbook": ["Playbook not found for project."]})
        if kind == "schedules" and not re.match(
            r"DTSTART\S*:\S+ RRULE:\S*FREQ=\S*INTERVAL=", str(given.get("rrule", known["rrule"]))
        ):
            raise Refused(400, {"rrule": ["rrule parsing failed validation"]})
        if kind == "credentials" and "inputs" in given:
            given["inputs"] = self._sealed(
                number, given["inputs"], given.get("credential_type") or known["credential_type"]
            )
        known.update(copy.deepcopy(given))

    def _sealed(self, number: int, inputs: Json, credential_type: int) -> Json:
        fields = {one["id"]: one for one in self.objects["credential_types"][credential_type]["inputs"]["fields"]}
        unknown = set(inputs) - set(fields)
        if unknown:
            raise Refused(400, {"inputs": {key: ["unexpected"] for key in unknown}})
        secrets = self.secrets.setdefault(number, {})
        for key, value in inputs.items():
            if fields[key].get("secret") and value != ENCRYPTED:
                secrets[key] = value
        return {key: ENCRYPTED if fields[key].get("secret") else value for key, value in inputs.items()}

    def _remove(self, kind: str, number: int) -> None:
        gone = self.objects[kind].pop(number)
        if kind == "workflow_job_template_nodes":  # an approval belongs to its node
            self.objects["workflow_approval_templates"].pop(gone["unified_job_template"], None)
        self.surveys.pop((kind, number), None)
        self.secrets.pop(number, None)
        for key in [key for key in self.associated if key[:2] == (kind, number)]:
            del self.associated[key]
        for (owner, _number, part), there in self.associated.items():
            if ASSOCIATIONS[owner][part] == kind and number in there:
                there.remove(number)
        for other, objects in self.objects.items():
            for one in list(objects):
                if one in objects and any(
                    objects[one].get(key) == number and kind in RELATIONS[key] for key in OWNERS if key in objects[one]
                ):
                    self._remove(other, one)

    def _shown(self, kind: str, number: int) -> Json:
        url = f"{PREFIX}{kind}/{number}/"
        related = {part: f"{url}{part}/" for part in ("survey_spec", *ASSOCIATIONS.get(kind, {}))}
        summary: Json = {}
        known = self.objects[kind][number]
        if kind == "projects":
            summary["current_update"] = {"id": number}
        if kind == "workflow_job_template_nodes" and known["unified_job_template"]:
            unified = next(one for one in UNIFIED if known["unified_job_template"] in self.objects[one])
            related["unified_job_template"] = f"{PREFIX}{unified}/{known['unified_job_template']}/"
        extra = {"scm_revision": ""} if kind == "projects" else {}
        return {
            "id": number,
            "type": KINDS[kind][0],
            "url": url,
            "related": related,
            "summary_fields": summary,
            **extra,
            **copy.deepcopy(known),
        }

    def state(self) -> Json:
        """All that it keeps, for tests: with secrets."""
        return {
            **{kind: {str(number): one for number, one in objects.items()} for kind, objects in self.objects.items()},
            "associated": {"/".join(map(str, key)): value for key, value in self.associated.items() if value},
            "surveys": {f"{kind}/{number}": spec for (kind, number), spec in self.surveys.items()},
            "secrets": {str(number): one for number, one in self.secrets.items()},
            "requests": self.requests,
        }


def _survey(body: Json) -> Json:
    """A survey as AWX takes it."""
    for key in ("name", "description", "spec"):
        if key not in body:
            raise Refused(400, {"error": f"'{key}' missing from survey spec."})
    names = [one.get("variable") for one in body["spec"]]
    if len(set(names)) != len(names) or not names:
        raise Refused(400, {"error": "a variable is asked for twice, or none is."})
    for one in body["spec"]:
        lacking = [key for key in QUESTION if key not in one]
        if lacking or one["type"] not in TYPES:
            raise Refused(400, {"error": f"question {one.get('variable')}: {lacking or one['type']}"})
        choices = one.get("choices")
        if one["type"] == "multiplechoice" and one.get("default", "") not in ["", *(choices or [])]:
            raise Refused(400, {"error": f"question {one['variable']}: the default is not a choice"})
    return copy.deepcopy(body)


def main(folder: Path) -> None:
    """Serve until killed, for the playbooks in FOLDER/project."""
    controller = FakeController(path.name for path in (folder / "project").glob("*.yml"))

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            try:
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    raise Refused(401, {"detail": "Authentication credentials were not provided."})
                status, answer = controller.answer(self.command, self.path, body)
            except Refused as refused:
                status, answer = refused.status, refused.body
            (folder / "objects.json").write_text(json.dumps(controller.state(), indent=1), encoding="utf-8")
            data = b"" if status == 204 else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("X-API-Product-Name", "AWX")
            self.send_header("X-API-Product-Version", "24.6.1")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_one

        def log_message(self, format: str, *args: t.Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    (folder / "pid").write_text(str(os.getpid()), encoding="utf-8")
    (folder / "port.new").write_text(str(server.server_address[1]), encoding="utf-8")
    (folder / "port.new").rename(folder / "port")
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
