# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWX as the trigger, end to end: the playbook ``controller`` writes job templates into a fake of AWX's API, and the
real ansible-runner runs them as AWX does, with text from surveys and credentials by the injectors of their types.

No AWX runs here. Nothing that a job leaves behind, and no command line while it runs, holds a secret.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import secrets
import subprocess
import sys
import threading
import typing as t
import urllib.parse
import zlib
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts
from ansible_collections.imagescan.openshift.tests.cluster.enforced import Enforced, pod
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster
from ansible_collections.imagescan.openshift.tests.support.controller_jobs import Controller, Job, running_controller
from ansible_collections.imagescan.openshift.tests.support.postgresql import PASSWORD, Postgresql, running_postgresql
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment
from ansible_collections.imagescan.openshift.tests.support.requirements import missing

CHECKOUT = Path(__file__).resolve().parents[2]
#: Shortest part of a secret that counts as one.
PART = 12

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]


class Secrets:
    """What must not be seen, and in which forms it is looked for: as it is, base64 and URL-encoded, in parts."""

    def __init__(self, values: t.Mapping[str, str]) -> None:
        self._parts: dict[bytes, str] = {}
        for name, value in values.items():
            forms = {
                value.encode(),
                urllib.parse.quote(value, safe="").encode(),
                urllib.parse.quote_plus(value).encode(),
            }
            for before in range(3):  # what stands before it moves all the rest
                plain = b"\0" * before + value.encode()
                cut = slice(-(-before * 4 // 3), len(plain) // 3 * 4)
                forms |= {base64.b64encode(plain)[cut], base64.urlsafe_b64encode(plain)[cut]}
            for form in forms:
                assert len(form) >= PART, name
                self._parts.update({form[at : at + PART]: name for at in range(len(form) - PART + 1)})

    def found(self, data: bytes) -> set[str]:
        """Names of the secrets of which a part is in it."""
        windows = {data[at : at + PART] for at in range(len(data) - PART + 1)}
        return {self._parts[one] for one in windows & self._parts.keys()}


@dataclasses.dataclass
class CommandLines:
    """All command lines of this machine while something runs."""

    seen: set[bytes] = dataclasses.field(default_factory=set)

    @contextlib.contextmanager
    def watched(self) -> t.Iterator[None]:
        """Look at them all the time."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(0.01):
                for path in Path("/proc").glob("[0-9]*/cmdline"):
                    with contextlib.suppress(OSError):
                        self.seen.add(path.read_bytes())

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def signature(kubeconfig: Path) -> tuple[t.Any, str]:
    """A kubeconfig, and of its token what nobody could guess."""
    content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    return content, str(content["users"][0]["user"]["token"]).rpartition(".")[2]


@dataclasses.dataclass
class Stage:
    """A cluster that enforces, images, and a controller with job templates for it."""

    cluster: Cluster
    enforced: Enforced
    accounts: Accounts
    database: Postgresql
    home: Path
    controller: Controller
    secrets: Secrets
    bad: str
    good: str
    lines: CommandLines = dataclasses.field(default_factory=CommandLines)

    def launch(self, template: str, **answers: str) -> Job:
        """Run a job to its end, which must not be a failure."""
        job = self.controller.job(template, answers, self.home / f"job-{secrets.token_hex(4)}")
        with self.lines.watched():
            assert job.start(ansible_environment(self.home)).wait(1800) == 0, job.output
        assert "WARNING" not in job.output, job.output
        return job

    def refused(self, reference: str) -> str:
        """What the cluster says against a pod of an image, or nothing."""
        place = f"--namespace={self.enforced.work}"
        text = json.dumps(pod("probe", reference))
        done = self.cluster.kubectl(place, "create", "--dry-run=server", "--filename=-", input=text, check=False)
        return done.stderr if done.returncode else ""

    def stored(self) -> bytes:
        """All rows of the database, unpacked."""
        import psycopg

        host, _colon, port = self.database.address.partition(":")
        found: list[bytes] = []
        with psycopg.connect(host=host, port=int(port), user="scanner", password=PASSWORD, dbname="postgres") as link:
            tables = link.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (table,) in tables:
                for row in link.execute(t.cast("t.Any", f'SELECT * FROM "{table}"')).fetchall():
                    for value in row:
                        data = bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode()
                        with contextlib.suppress(zlib.error):
                            data = zlib.decompress(data)
                        found.append(data)
        return b"\n".join(found)


@pytest.fixture
def stage(
    cluster: KubernetesCluster, shared_accounts: Accounts, scanner_image: str, tmp_path: Path
) -> t.Iterator[Stage]:
    """Two images in use, one behind a login; enforcement in one namespace; the data file applied to the controller."""
    if not isinstance(cluster, Cluster):
        missing("a cluster of our own, with a registry that wants a login")
    fleet, place = tmp_path / "fleet", shared_accounts.namespace
    subprocess.run([sys.executable, CHECKOUT / "examples/fleet/build.py", fleet], check=True, capture_output=True)
    enforced = Enforced(cluster, f"awx-{secrets.token_hex(4)}", tmp_path)
    cluster.create_namespace(enforced.work)
    with contextlib.ExitStack() as stack:
        stack.callback(cluster.remove_namespace, enforced.work)
        stack.callback(enforced.remove)
        enforced.do("enforce")
        repository = f"{enforced.name}/payments:1"
        bad = cluster.push_with_login(f"oci:{fleet}/images:payments", repository)
        good = cluster.push(f"oci:{fleet}/images:shop-frontend", f"{enforced.name}/frontend:1")
        for name, reference in (("payments", bad), ("frontend", good)):
            options = (f"--image={reference}", "--replicas=0")
            cluster.kubectl("--namespace", enforced.work, "create", "deployment", name, *options)
        login = base64.b64encode(":".join(cluster.login).encode()).decode()
        auth = json.dumps({"auths": {cluster.tls_registry: {"auth": login}}})
        pull = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": enforced.name}}
        kind = {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": auth}}
        cluster.apply({**pull, **kind}, namespace=place)
        stack.callback(cluster.kubectl, f"--namespace={place}", "delete", "secret", enforced.name)

        database = stack.enter_context(running_postgresql())
        controller = stack.enter_context(running_controller(tmp_path / "awx", CHECKOUT / "examples/controller/project"))
        flag, flag_token = signature(shared_accounts.flag)
        known = flag["clusters"][0]["cluster"]
        # Text for all of them, as people write it into a form.
        variables = {
            "scan_namespace": place,
            "scan_scanner_image": scanner_image,
            "scan_pods": f"pods=2 pod_cpu=50m start_timeout=180 pull_secrets={enforced.name}",
            "scan_timeout": "120",
            "imagescan_plain_http_registries": f" {cluster.registry},\n",
            "scan_registries": json.dumps({"registry_ca_cert": str(cluster.ca_file)}),
            "scan_feed": str(fleet / "feed"),
            "scan_repository_map": str(fleet / "repository-to-cpe.json"),
            "scan_policies": str(fleet / "policies.yml"),
            "scan_flag_provider": enforced.name,
            "scan_flag_targets": "deny_list",
            "scan_compliance": "chroot=false",
            "scan_max_unresolved": "",
        }
        inputs = {
            "imagescan accounts": {
                "discover": shared_accounts.discover.read_text(encoding="utf-8"),
                "scan": shared_accounts.scan.read_text(encoding="utf-8"),
            },
            "imagescan flag": {
                "host": known["server"],
                "bearer_token": flag["users"][0]["user"]["token"],
                "verify_ssl": True,
                "ssl_ca_cert": base64.b64decode(known["certificate-authority-data"]).decode(),
            },
            "imagescan registries": {"auth": auth},
            "imagescan store": {"url": f"postgresql://scanner@{database.address}/postgres", "password": PASSWORD},
        }
        # The file that is shipped, without workflow and schedules, which start nothing here.
        objects = tmp_path / "objects.yml"
        shipped = (CHECKOUT / "roles/controller/files/objects.yml").read_text(encoding="utf-8")
        objects.write_text(shipped.partition("\nworkflow_job_templates:")[0], encoding="utf-8")
        given = tmp_path / "controller.json"
        given.touch(0o600)
        settings = {
            "controller_objects": str(objects),
            "controller_project_url": "https://git.example.com/imagescan.git",
            "controller_image": "registry.example.com/imagescan-ee:1",
            "controller_dir": str(tmp_path / "data"),
            "controller_scan_variables": variables,
            "controller_secrets": inputs,
        }
        given.write_text(json.dumps(settings), encoding="utf-8")
        canaries = Secrets(
            {
                "token of imagescan-discover": signature(shared_accounts.discover)[1],
                "token of imagescan-scan": signature(shared_accounts.scan)[1],
                "token of imagescan-flag": flag_token,
                "password of the registry": cluster.login[1],
                "password of the database": PASSWORD,
            }
        )
        made = Stage(
            *(cluster, enforced, shared_accounts, database, tmp_path, controller, canaries),
            bad=_pinned(fleet, bad, "payments"),
            good=_pinned(fleet, good, "shop-frontend"),
        )
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,"]
        command += ["imagescan.openshift.controller", "--diff", "-vvv", "-e", f"@{given}"]
        environ = {**ansible_environment(tmp_path), **controller.settings}
        with made.lines.watched():
            done = subprocess.run(command, env=environ, capture_output=True, timeout=1800, check=False)
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
        assert canaries.found(done.stdout + done.stderr) == set()
        yield made


def _pinned(fleet: Path, reference: str, name: str) -> str:
    layout = json.loads((fleet / "images/index.json").read_text(encoding="utf-8"))["manifests"]
    digests = {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in layout}
    return f"{reference.rpartition(':')[0]}@{digests[name]}"


def test_the_search_for_secrets_finds_them() -> None:
    known = Secrets({"one": "k+/9 canary=ü?secret"})
    assert known.found(b"nothing of it, k+/9 canary alone") == set()
    assert known.found("text k+/9 canary=ü?secret".encode()) == {"one"}
    assert known.found("9 canary=ü?s".encode()) == {"one"}
    for before in ("", "a", "ab", "abc"):
        text = f"{before}k+/9 canary=ü?secret and more".encode()
        assert known.found(b"-" + base64.b64encode(text)) == {"one"}
        assert known.found(b"-" + base64.urlsafe_b64encode(text)) == {"one"}
    assert known.found(b"?key=" + urllib.parse.quote_plus("k+/9 canary=ü?secret").encode()) == {"one"}


def test_job_templates_bring_images_from_the_cluster_to_a_flag_and_show_no_secret(stage: Stage) -> None:
    assert (stage.refused(stage.bad), stage.refused(stage.good)) == ("", "")

    scan = stage.launch(
        "imagescan scan",
        scan_steps="discover, scan",
        scan_sources="workloads, references",
        scan_references=f"{stage.bad}\n{stage.good}\n",
        scan_namespaces=stage.enforced.work,
        scan_in_use="false",
    )
    judge = stage.launch("imagescan judge")
    report = json.loads((stage.home / "data/report/report.json").read_text(encoding="utf-8"))
    verdicts = {one["digest"]: one["verdict"] for one in report["images"]}
    assert verdicts == {stage.bad.partition("@")[2]: "failed", stage.good.partition("@")[2]: "passed"}
    handed = judge.artifacts
    assert handed["scan_counts"] == {"passed": 1, "failed": 1, "inconclusive": 0, "error": 0}
    assert handed["scan_report_files"]["json"] == str(stage.home / "data/report/report.json")
    assert (stage.refused(stage.bad), stage.refused(stage.good)) == ("", "")

    flag = stage.launch("imagescan flag", scan_max_new_flags="100%", scan_flag_grace="")
    assert (flag.artifacts["scan_flagged"], flag.artifacts["scan_cleared"]) == (1, 0)
    assert "denied" in stage.refused(stage.bad)
    assert stage.refused(stage.good) == ""
    again = stage.launch("imagescan flag", scan_max_new_flags="100%", scan_flag_grace="")
    assert again.artifacts["scan_flagged"] == 0

    # It was in play, and is nowhere.
    assert any(b"ansible-playbook" in line and b"scan.yml" in line for line in stage.lines.seen)
    assert any(b"AnsiballZ" in line for line in stage.lines.seen)
    for line in stage.lines.seen:
        assert stage.secrets.found(line) == set(), line
    inside: set[str] = set()
    for job in (scan, judge, flag, again):
        inside |= stage.secrets.found(b"".join(path.read_bytes() for path in (job.folder / "env").iterdir()))
        events = list(job.folder.glob("artifacts/job/job_events/*.json"))
        assert len(events) > 10
        # ansible-runner itself notes there what it was given; AWX removes it with the folder.
        written = [path for path in (job.folder / "artifacts").rglob("*") if path.is_file() and path.name != "command"]
        for path in [*written, job.folder / "stdout"]:
            assert stage.secrets.found(path.read_bytes()) == set(), path
    assert len(inside) == 5, inside
    for path in (stage.home / "data").rglob("*"):
        assert not path.is_file() or stage.secrets.found(path.read_bytes()) == set(), path
    stored = stage.stored()
    assert b"payments" in stored
    assert stage.secrets.found(stored) == set()
