# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes that a person makes with the role ``scan``, by the words of ``docs/mistakes.md``: variables of the role.

In their values ``{work}`` is a folder with the files of ``FILES``, ``{login_page}`` and so on are hosts of ``SERVERS``.
"""

from __future__ import annotations

import contextlib
import json
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.preflight_cluster import SCANNER_RIGHTS

from .rights_server import TOKEN, RightsServer, without
from .servers import Answer, Request, running_server

if t.TYPE_CHECKING:
    from .certificates import Authority

Json = dict[str, t.Any]
DISCOVERY = {
    ("", "pods"): "list",
    ("", "replicationcontrollers"): "list",
    ("apps", "deployments"): "list",
    ("apps", "replicasets"): "list",
    ("apps", "statefulsets"): "list",
    ("apps", "daemonsets"): "list",
    ("batch", "jobs"): "list",
    ("batch", "cronjobs"): "list",
}
FLAGGER = {
    ("", "pods"): "list",
    ("imagescan.github.io", "denylists"): "get list create patch delete",
    ("imagescan.github.io", "passedlists"): "get list patch",
}


def kubeconfig(**parts: t.Any) -> str:
    """A kubeconfig, with other parts where they are given."""
    whole = {
        "kind": "Config",
        "clusters": [{"name": "one", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "me", "user": {"token": TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "one", "user": "me"}}],
        "current-context": "test",
    }
    return json.dumps({**whole, **parts})


FAILING_PLUGIN = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "command": "no-such-plugin",
    "interactiveMode": "Never",
}
FILES: t.Mapping[str, str] = {
    "text": "neither a folder nor anything else",
    "broken.yml": "a: [",
    "list.yml": "[]",
    "kubeconfig": kubeconfig(),
    "no-server.kubeconfig": kubeconfig(clusters=[]),
    "no-user.kubeconfig": kubeconfig(users=[]),
    "plugin.kubeconfig": kubeconfig(users=[{"name": "me", "user": {"exec": FAILING_PLUGIN}}]),
    "typo.yml": "- {name: strict, vulnerabilites: {max_severity: low}}\n",
    "severity.yml": "- {name: strict, vulnerabilities: {max_severity: lo}}\n",
    "policies.yml": "- {name: default, unexamined: fail}\n",
    "endless.yml": "- {id: CVE-2026-1, reason: a}\n",
    "long.yml": "- {id: CVE-2026-1, reason: a, expires: 2099-01-01}\n",
    "auth.json": '{"auths": {"{closed}": {"auth": "YTpi"}}}',
    "feed/archive_latest.txt": "csaf_vex_2026-08-20.tar.zst\n",
}


class Registry:
    """A registry with one image, ``a/b:1``, for ``login`` alone where that is given."""

    def __init__(self, *, is_closed: bool = False) -> None:
        self._is_closed = is_closed

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        if self._is_closed:
            return Answer(401, b"{}", {"WWW-Authenticate": 'Basic realm="test"'})
        if request.target != "/v2/a/b/manifests/1":
            return Answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
        digest = "sha256:" + "0" * 64
        kind = "application/vnd.oci.image.manifest.v1+json"
        part = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": 2}
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": part, "layers": []}
        return Answer(200, json.dumps(manifest).encode(), {"Content-Type": kind})


def feed(request: Request) -> Answer:
    """A feed below ``/feed/``; what is below ``/private/`` wants a login."""
    if request.target.startswith("/private/"):
        return Answer(401)
    return Answer(200 if request.target.startswith("/feed/") else 404)


SERVERS: t.Mapping[str, t.Callable[[Request], Answer]] = {
    "open": Registry(),
    "closed": Registry(is_closed=True),
    "feed": feed,
    "poor": RightsServer(without(DISCOVERY, ("list", "", "pods"), ("list", "batch", "cronjobs"))),
    "local": RightsServer({}, {"shop": DISCOVERY, "till": without(DISCOVERY, ("list", "apps", "deployments"))}),
    "idle": RightsServer(DISCOVERY, {"imagescan": without(SCANNER_RIGHTS, ("create", "batch", "jobs"))}),
    "blind": RightsServer({**DISCOVERY, **SCANNER_RIGHTS}, groups=("apps", "batch", "config.openshift.io")),
    "plain": RightsServer({**DISCOVERY, ("", "pods"): "list"}),
    "timid": RightsServer(
        without(FLAGGER, ("patch", "imagescan.github.io", "denylists")), groups=("apps", "imagescan.github.io")
    ),
    "login_page": lambda _request: Answer(200, b"<html>Log in</html>"),
    "moved": lambda _request: Answer(302, b"", {"Location": "https://elsewhere.example/"}),
    "no_proxy": lambda _request: Answer(403),
    "masked": lambda request: Answer(
        403,
        b'{"kind": "Status", "message": "users \\"chief\\" is forbidden: User \\"tester\\" cannot impersonate resource'
        b' \\"users\\" in API group \\"\\" at the cluster scope"}',
    ),
}


def cluster(server: str, **variables: t.Any) -> Json:
    """Variables of a run over the workloads of a cluster."""
    access = {"host": f"http://{{{server}}}", "api_key": TOKEN, **variables.pop("scan_access", {})}
    return {"scan_sources": ["workloads"], "scan_access": access, **variables}


def by_file(name: str, **access: t.Any) -> Json:
    """The same by a kubeconfig."""
    return {"scan_sources": ["workloads"], "scan_access": {"kubeconfig": f"{{work}}/{name}", **access}}


def image(host: str, **variables: t.Any) -> Json:
    """Variables of a run over one image of a registry."""
    plain = {"plain_http_registries": [f"{{{host}}}"]}
    return {
        "scan_references": [f"{{{host}}}/{variables.pop('name', 'a/b:1')}"],
        "scan_registries": {**plain, **variables.pop("scan_registries", {})},
        **variables,
    }


def fed(url: str, **variables: t.Any) -> Json:
    """Variables of a run with a feed."""
    return {"scan_feed": url, **variables}


#: First words of a row -> variables. ``environment`` and ``absent`` (packages) are about the module.
MISTAKES: t.Mapping[str, Json] = {
    # kubeconfig
    "the kubeconfig does not exist": by_file("none"),
    "the kubeconfig is another file": by_file("list.yml"),
    "the kubeconfig is not YAML": by_file("broken.yml"),
    "the kubeconfig is a folder": by_file(""),
    "the context is misspelt": by_file("kubeconfig", context="prod"),
    "the context's cluster is gone": by_file("no-server.kubeconfig"),
    "the context's user is gone": by_file("no-user.kubeconfig"),
    "its credential plugin is not installed": by_file("plugin.kubeconfig"),
    "the CA file is not one": by_file("kubeconfig", ca_cert="{work}/text"),
    "a client certificate without its key": cluster("poor", scan_access={"client_cert": "{work}/text"}),
    "a user name without a password": cluster("poor", scan_access={"username": "chief"}),
    "the address is not a URL": cluster("poor", scan_access={"host": "api.example.com:6443"}),
    "a token would travel in the open": cluster("poor", scan_access={"host": "http://api.example.com:6443"}),
    # token and server
    "the token is wrong or has expired": cluster("poor", scan_access={"api_key": "a-token-of-yesterday"}),
    "no credentials": {
        "scan_sources": ["workloads"],
        "scan_access": {"host": "http://{poor}"},
    },
    "a token with a line break": cluster("poor", scan_access={"api_key": f"{TOKEN}\n"}),
    "nobody listens at the address": cluster("poor", scan_access={"host": "https://127.0.0.1:1"}),
    "the API server's CA is not known": cluster("poor", scan_access={"host": "https://{tls}"}),
    "https where the server speaks http": cluster("poor", scan_access={"host": "https://{poor}"}),
    "a login page answers": cluster("login_page"),
    "the address redirects": cluster("moved"),
    "the proxy refuses the API server": cluster(
        "poor", scan_access={"host": "https://api.example.com:6443", "proxy": "http://{no_proxy}"}
    ),
    "impersonation is not allowed": cluster("masked", scan_access={"impersonate_user": "chief"}),
    # rights
    "no rights to find images": cluster("poor"),
    "no rights in one of the namespaces": cluster("local", scan_namespaces=["shop", "till"]),
    "no rights to list namespaces": cluster("plain", scan_namespaces=["shop-.*"]),
    "no rights to start pods": cluster("idle", scan_method="job"),
    "no rights to read mirrors": cluster("blind", scan_registries={"mirrors_from_cluster": True}),
    "no rights to flag": cluster("timid", scan_sources=[], scan_steps=["judge", "flag"]),
    "nothing that could be flagged": cluster("plain", scan_sources=[], scan_steps=["judge", "flag"]),
    "a target of flags that does not exist": cluster(
        "timid", scan_sources=[], scan_steps=["judge", "flag"], scan_flag_targets=["denylist"]
    ),
    "OpenShift's images on a cluster without them": cluster("plain", scan_sources=["openshift"]),
    # registry
    "the credentials file does not exist": image("open", scan_registries={"registry_auth_file": "{work}/none.json"}),
    "the credentials file is another file": image("open", scan_registries={"registry_auth_file": "{work}/text"}),
    "the registry's CA file is not one": image("open", scan_registries={"registry_ca_cert": "{work}/text"}),
    "a mirror is a URL": image(
        "open", scan_registries={"mirrors": [{"source": "https://quay.io", "mirrors": ["mirror.example"]}]}
    ),
    "the registry refuses the login": image("closed", scan_registries={"registry_auth_file": "{work}/auth.json"}),
    "the registry wants a login": image("closed"),
    "the registry's CA is not known": image("tls", scan_registries={"plain_http_registries": []}),
    "the registry speaks http": image("open", scan_registries={"plain_http_registries": []}),
    "the name of an image is malformed": image("open", name="A b:1"),
    "the image does not exist": image("open", name="a/b:2"),
    # feed
    "the feed does not exist": fed("{work}/none"),
    "the feed's URL has a typo": fed("http://{feed}/fed/"),
    "the feed wants a login": fed("http://{feed}/private/x.tar"),
    "the feed's CA is not known": fed("https://{tls}/feed/"),
    "the feed speaks http": fed("https://{feed}/feed/"),
    "the feed's scheme is unknown": fed("ftp://feed.example/feed/"),
    "the proxy refuses the feed": fed(
        "https://feed.example/feed/", environment={"HTTPS_PROXY": "http://{no_proxy}", "NO_PROXY": ""}
    ),
    "the feed's CA file is not one": fed("http://{feed}/feed/", scan_feed_ca_cert="{work}/text"),
    "a distribution is missing": fed("http://{feed}/feed/", scan_feed_format="updateinfo"),
    "a distribution is unknown": fed(
        "http://{feed}/feed/", scan_feed_format="updateinfo", scan_feed_distribution="plan9:1"
    ),
    "two addresses for one feed": fed("http://{feed}/feed/ http://{feed}/feed/more/"),
    "the map does not exist": fed("{work}/feed", scan_repository_map="{work}/none.json"),
    "the map's URL has a typo": fed("http://{feed}/feed/", scan_repository_map="http://{feed}/map.json"),
    "the key is not an OpenPGP key": fed("http://{feed}/feed/", scan_feed_signature_key="{work}/text"),
    # policy
    "the policy file does not exist": {"scan_policies": ["{work}/none.yml"]},
    "a policy file is not YAML": {"scan_policies": ["{work}/broken.yml"]},
    "a key of a policy is misspelt": {"scan_policies": ["{work}/typo.yml"]},
    "a value of a policy is misspelt": {"scan_policies": ["{work}/severity.yml"]},
    "two policies have one name": {"scan_policies": ["{work}/policies.yml", "{work}/policies.yml"]},
    "the exceptions file does not exist": {"scan_exceptions": ["{work}/none.yml"]},
    "an exception has no end": {"scan_exceptions": ["{work}/endless.yml"]},
    "an exception lasts too long": {"scan_exceptions": ["{work}/long.yml"]},
    "the key of a VEX document is not there": {
        "scan_vex": [{"path": "{work}/none.json", "signature_key": "{work}/none.asc"}]
    },
    # disk
    "the store's folder is a file": {"scan_store": "{work}/text/store.db"},
    "the store is another file": {"scan_store": "{work}/text"},
    "the store's database is not supported": {"scan_store": "mysql://localhost/x"},
    "the report's folder is a file": {"scan_report_dir": "{work}/text/report"},
    "the metrics' folder is a file": {
        "scan_report_formats": ["json", "metrics"],
        "scan_metrics_file": "{work}/text/x.prom",
    },
    # library
    "the library for clusters is missing": {**cluster("plain"), "absent": ["kubernetes", "urllib3"]},
    "the library for signatures is missing": fed(
        "{work}/feed", scan_feed_signature_key="{work}/text", absent=["pysequoia"]
    ),
    "the library for metrics is missing": {
        "scan_report_formats": ["metrics"],
        "scan_metrics_file": "{work}/x.prom",
        "absent": ["prometheus_client"],
    },
    "the program oscap is missing": {"scan_compliance": {"profile": "cis"}, "environment": {"PATH": "/nowhere"}},
}


class Place:
    """Puts paths and hosts into values. ``requests``: what each server was asked, by its name."""

    def __init__(self, work: Path, hosts: t.Mapping[str, str]) -> None:
        self._texts = {"{work}": str(work), **{f"{{{name}}}": host for name, host in hosts.items()}}
        self.requests: dict[str, list[Request]] = {}

    def __call__(self, value: t.Any) -> t.Any:
        """The value with them."""
        if isinstance(value, dict):
            return {key: self(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self(inner) for inner in value]
        if isinstance(value, str):
            for name, text in self._texts.items():
                value = value.replace(name, text)
        return value


@contextlib.contextmanager
def running_servers(authority: Authority, work: Path) -> t.Iterator[Place]:
    """Write the files and run the servers; gives what puts paths and hosts into values."""
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(running_server(answer)) for name, answer in SERVERS.items()}
        running["tls"] = stack.enter_context(running_server(feed, tls=authority))
        place = Place(work, {name: server.host for name, server in running.items()})
        place.requests = {name: server.requests for name, server in running.items()}
        for name, text in FILES.items():
            (work / name).parent.mkdir(exist_ok=True)
            (work / name).write_text(place(text), encoding="utf-8")
        yield place
