# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trigger "scheduled", from what starts a run to a flag and a refused pod: a CronJob that its real controller
fires, cron, and the service of systemd.

The CronJob's image is a Debian root with ansible-core, what the collection needs (copied from the environment of the
tests) and the collection itself. A host's schedule is made on this machine, which systemd need not run: its service is
run here as it says, and ``tests/oracle/test_schedule.py`` has systemd itself read it, and the times of its timer.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import io
import json
import os
import pwd
import secrets
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts, Played, accounts_in, play
from ansible_collections.imagescan.openshift.tests.cluster.enforced import Enforced, pod, pod_spec, until
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.images import scanner_layout
from ansible_collections.imagescan.openshift.tests.support.cron import cron
from ansible_collections.imagescan.openshift.tests.support.examples import (
    WITHOUT_INVENTORY,
    Runner,
    examples,
    nested_data_in,
)
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment, require_program
from packaging.requirements import Requirement

pytestmark = pytest.mark.full

CHECKOUT = Path(__file__).resolve().parents[2]
Json = dict[str, t.Any]
NEEDED = ("ansible-core", "SQLAlchemy", "jmespath", "zstandard", "isal", "kubernetes", "packageurl-python")
PLACE = "/opt/imagescan"
SECONDS = 400.0


def distributions(names: t.Iterable[str]) -> dict[str, importlib.metadata.Distribution]:
    """The distributions and all that they need."""
    found: dict[str, importlib.metadata.Distribution] = {}
    left = list(names)
    while left:
        name = left.pop().lower()
        if name in found:
            continue
        found[name] = importlib.metadata.distribution(name)
        for line in found[name].requires or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                left.append(needed.name)
    return found


def collection_files() -> t.Iterator[Path]:
    """What is installed of the collection."""
    yield CHECKOUT / "galaxy.yml"
    for folder in ("plugins", "roles", "playbooks", "meta"):
        yield from sorted(path for path in (CHECKOUT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")


def ansible_layer() -> bytes:
    """A layer with ansible-core, what the collection needs, and the collection."""
    layer = io.BytesIO()
    home = Path(PLACE.lstrip("/"))
    with tarfile.open(fileobj=layer, mode="w") as archive:
        for one in distributions(NEEDED).values():
            for file in one.files or ():
                path = Path(str(one.locate_file(file)))
                if ".." not in file.parts and path.suffix != ".pyc" and path.is_file():
                    archive.add(path, str(home / "python" / file))
        for path in collection_files():
            name = home / "ansible_collections/imagescan/openshift" / path.relative_to(CHECKOUT)
            archive.add(path, str(name))
        text = "#!/usr/bin/python3\nfrom ansible.cli.playbook import main\n\nmain()\n"
        program = tarfile.TarInfo("usr/bin/ansible-playbook")
        program.size, program.mode = len(text), 0o755
        archive.addfile(program, io.BytesIO(text.encode()))
    return layer.getvalue()


def ansible_layout(folder: Path) -> str:
    """The scanner image with one layer more, as an OCI layout. The digest."""
    shutil.copytree(scanner_layout(), folder, copy_function=os.link)
    blobs = folder / "blobs/sha256"
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    entry = index["manifests"][0]
    manifest = json.loads((blobs / entry["digest"].partition(":")[2]).read_text(encoding="utf-8"))
    config = json.loads((blobs / manifest["config"]["digest"].partition(":")[2]).read_text(encoding="utf-8"))

    def add(data: bytes) -> Json:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    layer = ansible_layer()
    media_type = manifest["layers"][0]["mediaType"]
    manifest["layers"].append({"mediaType": media_type, **add(gzip.compress(layer, 1, mtime=0))})
    config["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(layer).hexdigest()}")
    config["config"]["Env"] = [f"PYTHONPATH={PLACE}/python", f"ANSIBLE_COLLECTIONS_PATH={PLACE}", "PATH=/usr/bin:/bin"]
    manifest["config"].update(add(json.dumps(config).encode()))
    entry.update(add(json.dumps(manifest).encode()))
    (folder / "index.json").unlink()  # a link, too
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    return str(entry["digest"])


@pytest.fixture(scope="module")
def image(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of the CronJob's pods, by digest."""
    folder = tmp_path_factory.mktemp("ee") / "layout"
    digest = ansible_layout(folder)
    reference = cluster.push(f"oci:{folder}:test", "imagescan/ee:test")
    return f"{reference.rpartition(':')[0]}@{digest}"


@pytest.fixture(scope="module")
def enforced(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Enforced]:
    """Admission that refuses what is flagged, in namespaces of this test."""
    made = Enforced(cluster, f"sched-{secrets.token_hex(3)}", tmp_path_factory.mktemp("enforced"))
    for name in (made.work, made.strict):
        cluster.create_namespace(name)
    assert made.do("enforce") > 0
    yield made
    made.remove()
    for name in (made.work, made.strict):
        cluster.remove_namespace(name)


@pytest.fixture(scope="module")
def prepared(
    cluster: KubernetesCluster, enforced: Enforced, tmp_path_factory: pytest.TempPathFactory
) -> t.Iterator[Accounts]:
    """A namespace as the role setup makes it."""
    name = f"{enforced.name}-scans"
    with accounts_in(cluster, name, tmp_path_factory.mktemp("accounts")) as made:
        yield made
    cluster.remove_namespace(name)


def make_claim(cluster: KubernetesCluster, namespace: str, folder: Path) -> None:
    """A volume that is a folder of this machine, and the page's claim for it."""
    folder.mkdir(parents=True)
    folder.chmod(0o777)  # of this test alone; the pod's user is not ours
    size: Json = {"storage": "1Gi"}
    modes = ["ReadWriteOnce"]
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": namespace},
            "spec": {"capacity": size, "accessModes": modes, "hostPath": {"path": str(folder)}, "storageClassName": ""},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "imagescan-data", "namespace": namespace},
            "spec": {
                "resources": {"requests": size},
                "accessModes": modes,
                "storageClassName": "",
                "volumeName": namespace,
            },
        },
    )


def events(cluster: KubernetesCluster, namespace: str, name: str, reason: str) -> list[Json]:
    """Events of one reason about the CronJob of that name: others of the namespace may overlap, too."""
    selector = f"--field-selector=reason={reason},involvedObject.name={name}"
    return list(cluster.get("events", f"--namespace={namespace}", selector)["items"])


def tried(cluster: KubernetesCluster, namespace: str, image: str) -> str:
    """What is said to who creates a pod of an image; empty if it is made, and then it is removed."""
    name = f"tried-{secrets.token_hex(4)}"
    create = (f"--namespace={namespace}", "create", "--filename=-")
    done = cluster.kubectl(*create, input=json.dumps(pod(name, image)), check=False)
    if done.returncode == 0:
        cluster.kubectl(
            f"--namespace={namespace}", "delete", "pod", name, "--force", "--grace-period=0", "--wait=false"
        )
        return ""
    return str(done.stderr)


def lines(variables: t.Mapping[str, t.Any], indent: str = "") -> str:
    """Variables as lines of YAML."""
    return "".join(f"{indent}{name}: {json.dumps(value)}\n" for name, value in variables.items())


@pytest.mark.timeout(1800)
def test_from_the_controllers_tick_to_a_refused_pod(
    cluster: KubernetesCluster, enforced: Enforced, prepared: Accounts, image: str, scanner_image: str, tmp_path: Path
) -> None:
    namespace = prepared.namespace
    cluster.install_openshift_kinds()
    fleet, data = tmp_path / "fleet", tmp_path / "data"
    tmp_path.chmod(0o755)
    subprocess.run([sys.executable, CHECKOUT / "examples/fleet/build.py", fleet], check=True, capture_output=True)
    make_claim(cluster, namespace, data)
    for name in ("feed", "repository-to-cpe.json", "policies.yml"):  # as a mirror on the volume
        copy = shutil.copytree if (fleet / name).is_dir() else shutil.copy
        copy(fleet / name, data / name)
    subprocess.run(["chmod", "-R", "a+rX", str(data)], check=True)
    good, bad = (
        cluster.push(f"oci:{fleet}/images:{name}", f"{namespace}/{name}:1") for name in ("shop-frontend", "payments")
    )
    for name, reference in (("good", good), ("bad", bad)):
        options = (f"--namespace={enforced.work}", "create", "deployment", name, f"--image={reference}")
        cluster.kubectl(*options, "--replicas=0")
    # What stands on the page, with what is of this test alone.
    more_vars = {
        "scan_namespaces": [enforced.work],
        "scan_scanner_image": scanner_image,
        "scan_pods": {"start_timeout": 180, "pod_cpu": "50m"},
        "imagescan_plain_http_registries": [cluster.registry],
        "scan_flag_provider": enforced.name,
        "scan_max_new_flags": "100%",
    }
    more = {
        "schedule_namespace": namespace,
        "schedule_cluster_prefix": namespace,
        "schedule_name": "nightly",
        "schedule_pod_cpu": "50m",
    }
    on_the_page = Runner(
        tmp_path,
        {
            **ansible_environment(tmp_path),
            **WITHOUT_INVENTORY,
        },
        {
            '"02:30"': '"* * * * *"',  # not to wait for the night
            "registry.example.com/imagescan/ee@sha256:…": image,
            **nested_data_in("/var/lib/imagescan"),
            "admin.kubeconfig": str(cluster.kubeconfig),
        },
        # It ends with schedule_vars, which goes on.
        {"cluster.yml": lines(more_vars, "  ") + lines(more)},
    )
    content, command = examples("schedule-cluster", "scheduled")
    on_the_page.run(content)
    variables = yaml.safe_load((tmp_path / "cluster.yml").read_text(encoding="utf-8"))
    variables["schedule_kubeconfig"] = str(cluster.kubeconfig)

    def scheduled(*options: str, **more: t.Any) -> Played:
        played = play(cluster, "schedule", {**variables, **more}, tmp_path, *options)
        assert (played.status, played.warnings) == (0, ()), played.output
        return played

    assert scheduled("--check").changed > 0
    assert cluster.get("cronjobs", f"--namespace={namespace}")["items"] == []
    assert "[WARNING]" not in on_the_page.run(command)

    def ended() -> list[Json]:
        jobs = cluster.get("jobs", f"--namespace={namespace}", "--selector=imagescan.github.io/schedule=nightly")[
            "items"
        ]
        return [one for one in jobs if one["status"].get("completionTime") or one["status"].get("failed")]

    until(ended, SECONDS)
    scheduled(schedule_state="disabled")
    (job, *_others) = ended()
    log = cluster.kubectl("logs", f"--namespace={namespace}", f"job/{job['metadata']['name']}", check=False).stdout
    assert job["status"].get("succeeded") == 1, log
    report = json.loads((data / "report/report.json").read_text(encoding="utf-8"))
    assert sorted(one["verdict"] for one in report["images"]) == ["failed", "passed"]
    assert "FAILED" in log

    # What failed is flagged, and so refused; what passed is let in.
    refused = tried(cluster, enforced.work, bad)
    assert "denied" in refused or "refused" in refused, refused
    assert tried(cluster, enforced.work, good) == ""

    played = scheduled(schedule_state="disabled")  # again
    assert played.changed == 0
    assert "last run: began" in played.output
    gone = scheduled(schedule_state="absent")
    assert gone.changed > 0
    for kind in (
        "cronjobs",
        "serviceaccounts/nightly-schedule",
        "configmaps/nightly-vars",
        "rolebindings/nightly-schedule",
    ):
        left = cluster.kubectl("get", kind, f"--namespace={namespace}", "--output=name", check=False).stdout
        assert left == "", left
    bindings = cluster.get("clusterrolebindings", "--selector=imagescan.github.io/schedule=nightly")["items"]
    assert [one for one in bindings if one["metadata"]["name"].startswith(namespace)] == []


def started_as_by_systemd(unit: Path) -> None:
    """Run a service as systemd does, to its end."""
    _before, _title, section = unit.read_text(encoding="utf-8").partition("[Service]\n")
    service = dict(line.split("=", 1) for line in section.splitlines())
    # Nothing of it is left out here.
    assert set(service) == {"Type", "ExecStart", "User", "UMask", "NoNewPrivileges"}
    assert (service["Type"], service["NoNewPrivileges"]) == ("oneshot", "true")
    user = pwd.getpwnam(service["User"])
    done = subprocess.run(
        [require_program("setpriv"), "--no-new-privs", *shlex.split(service["ExecStart"])],
        env={
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
            "HOME": user.pw_dir,
            "LOGNAME": user.pw_name,
            "USER": user.pw_name,
            "SHELL": user.pw_shell,
        },
        cwd="/",
        user=user.pw_uid,
        group=user.pw_gid,
        umask=int(service["UMask"], 8),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("kind", "source"),
    [("cron", "oci:{}/images:reports"), ("systemd", "docker-archive:{}/legacy-billing.tar")],
    ids=["cron", "systemd"],
)
def test_from_a_hosts_tick_to_a_refused_pod(
    cluster: KubernetesCluster, enforced: Enforced, prepared: Accounts, tmp_path: Path, kind: str, source: str
) -> None:
    fleet, scans = tmp_path / "fleet", prepared.namespace
    subprocess.run([sys.executable, CHECKOUT / "examples/fleet/build.py", fleet], check=True, capture_output=True)
    images = {
        "failed": cluster.push(source.format(fleet), f"{scans}/{kind}-bad:1"),
        "passed": cluster.push(f"oci:{fleet}/images:shop-frontend", f"{scans}/{kind}-good:1"),
    }
    # Where the CronJob does not look.
    space = enforced.strict
    for verdict, reference in images.items():
        name = f"{kind}-{verdict}"
        options = (f"--namespace={space}", "create", "deployment", name, f"--image={reference}", "--replicas=0")
        cluster.kubectl(*options)
        assert tried(cluster, space, reference) == ""
    for folder in ("units", "cron.d"):
        (tmp_path / folder).mkdir()
    variables = {
        "schedule_kind": kind,
        "schedule_calendar": "* * * * *",
        "schedule_dir": str(tmp_path / "schedules"),
        "schedule_systemd_dir": str(tmp_path / "units"),
        "schedule_cron_dir": str(tmp_path / "cron.d"),
        "schedule_activate": False,
        "schedule_vars": {
            "scan_steps": ["discover", "scan", "judge", "flag", "report"],
            "scan_sources": ["workloads"],
            "scan_namespaces": [space],
            "scan_kubeconfig_dir": str(prepared.folder),
            "scan_namespace": scans,
            "imagescan_plain_http_registries": [cluster.registry],
            "scan_feed": str(fleet / "feed"),
            "scan_repository_map": str(fleet / "repository-to-cpe.json"),
            "scan_policies": str(fleet / "policies.yml"),
            "scan_flag_provider": enforced.name,
            "scan_max_new_flags": "100%",
            "scan_dir": str(tmp_path / "scan"),
        },
    }
    made = play(cluster, "schedule", variables, tmp_path)
    assert (made.status, made.warnings) == (0, ()), made.output

    last = tmp_path / "schedules/imagescan/last"
    if kind == "systemd":
        started_as_by_systemd(tmp_path / "units/imagescan.service")
    else:
        with cron(tmp_path):
            until(lambda: last.exists() and "status=" in last.read_text(encoding="utf-8"), SECONDS)
        assert "status=0" in last.read_text(encoding="utf-8"), (last.parent / "log").read_text(encoding="utf-8")
    report = json.loads((tmp_path / "scan/report/report.json").read_text(encoding="utf-8"))
    assert sorted(one["verdict"] for one in report["images"]) == ["failed", "passed"]
    refused = tried(cluster, space, images["failed"])
    assert "denied" in refused or "refused" in refused, refused
    assert tried(cluster, space, images["passed"]) == ""
    cluster.kubectl("delete", "deployments", f"--namespace={space}", "--all")


@pytest.mark.timeout(900)
def test_the_controller_refuses_a_second_run(
    cluster: KubernetesCluster, prepared: Accounts, image: str, tmp_path: Path
) -> None:
    namespace = prepared.namespace
    variables = {
        "schedule_kind": "cronjob",
        "schedule_kubeconfig": str(cluster.kubeconfig),
        "schedule_namespace": namespace,
        "schedule_cluster_prefix": namespace,
        "schedule_name": "slow",
        "schedule_calendar": "* * * * *",
        "schedule_image": image,
        # Sleeps before it begins, so that it is still there at the next tick.
        "schedule_spread": 100000,
        "schedule_vars": {"scan_store": "postgresql+psycopg://scans@db.example.com/scans"},
    }
    made = play(cluster, "schedule", variables, tmp_path)
    assert (made.status, made.warnings) == (0, ()), made.output
    until(lambda: events(cluster, namespace, "slow", "JobAlreadyActive"), SECONDS)
    jobs = cluster.get("jobs", f"--namespace={namespace}", "--selector=imagescan.github.io/schedule=slow")["items"]
    assert len(jobs) == 1
    told = play(cluster, "schedule", variables, tmp_path)
    assert (told.status, told.changed) == (0, 0), told.output
    assert "an overlapping run was refused at" in told.output
    # Rights of steps that it does not have are not given.
    assert cluster.get("clusterrolebindings", "--selector=imagescan.github.io/schedule=slow")["items"] == []
    assert play(cluster, "schedule", {**variables, "schedule_state": "absent"}, tmp_path).status == 0


def changes_of_berlin() -> tuple[datetime, datetime]:
    """The last days, at midnight, on which the clock was set forward and back there."""
    zone = ZoneInfo("Europe/Berlin")
    day = datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    found: dict[bool, datetime] = {}
    while len(found) < 2:
        day -= timedelta(days=1)
        before, after = (one.replace(tzinfo=zone).utcoffset() for one in (day, day + timedelta(days=1)))
        assert before is not None
        assert after is not None
        if before != after:
            found.setdefault(after > before, day)
    return found[True], found[False]


@pytest.mark.timeout(900)
def test_the_controller_on_days_on_which_the_clock_is_changed(cluster: KubernetesCluster, namespace: str) -> None:
    # It makes up for what it missed since the last run that it noted, so that it can be asked about days of the past.
    spring, autumn = changes_of_berlin()
    utc = timezone.utc
    #: name -> local time, the last run that was noted, and for when a Job is to be made.
    cases: dict[str, tuple[str, datetime, datetime | None]] = {
        # After the first 02:30 of the day, 00:30 in UTC, comes another.
        "twice": ("02:30", autumn.replace(hour=0, minute=45), autumn.replace(hour=1, minute=30)),
        "left-out": ("02:30", spring - timedelta(hours=12), None),
        "an-hour-later": ("03:30", spring - timedelta(hours=12), spring.replace(hour=1, minute=30)),
    }
    for name, (clock, noted, _made) in cases.items():
        hour, minute = clock.split(":")
        day = autumn if name == "twice" else spring
        calendar = f"{minute} {hour} {day.day} {day.month} *"
        template: Json = {"spec": {"suspend": True, "template": {"spec": {**pod_spec("x"), "restartPolicy": "Never"}}}}
        spec: Json = {"schedule": calendar, "timeZone": "Europe/Berlin", "suspend": True, "jobTemplate": template}
        cluster.apply(
            {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": spec}, namespace=namespace
        )
        status = json.dumps({"status": {"lastScheduleTime": f"{noted:%Y-%m-%dT%H:%M:%SZ}"}})
        patch = (f"--namespace={namespace}", "patch", "cronjob", name, "--type=merge")
        cluster.kubectl(*patch, "--subresource=status", f"--patch={status}")
        cluster.kubectl(*patch, '--patch={"spec": {"suspend": false}}')

    def jobs() -> set[str]:
        return {one["metadata"]["name"] for one in cluster.get("jobs", f"--namespace={namespace}")["items"]}

    # The controller names a Job by the minute for which it is.
    wanted = {
        f"{name}-{int(made.replace(tzinfo=utc).timestamp()) // 60}"
        for name, (_clock, _noted, made) in cases.items()
        if made is not None
    }
    until(lambda: wanted <= jobs(), SECONDS)
    time.sleep(5)  # for the one that is to be left out
    assert jobs() == wanted
