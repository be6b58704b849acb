# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster of one node: started, stopped, broken on purpose, used by ``kubectl``.

Root, Go (for the first build) and the Debian packages of tests/tools/suite.py are needed.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import os
import re
import secrets
import shutil
import signal
import time
import typing as t
from pathlib import Path

import bcrypt

from .access import KubernetesCluster
from .binaries import SOURCES, is_built, programs
from .certificates import Authority, Pair, write_key
from .images import write_pause_archive
from .sandbox import NODE_ADDRESS, SERVICE_ADDRESS, Sandbox, enter, remove_folder

PROCESSES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "containerd", "kubelet")
REGISTRIES = ("registry", "registry-tls")
PAUSE_IMAGE = "test.local/pause:1"
SERVER = f"https://{NODE_ADDRESS}:443"
START_SECONDS = 300
_ETCD = "http://127.0.0.1:2379"
_PROGRAMS = ("runc", "docker-registry", "skopeo", "nsenter", "unshare", "ip", "bash")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a cluster differs from the usual one.

    ``feature_gates``: of the API server. ``kubelet``: fields of KubeletConfiguration. ``api_server``: more flags.
    """

    feature_gates: t.Mapping[str, bool] = dataclasses.field(default_factory=dict)
    kubelet: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    api_server: t.Sequence[str] = ()


#: Kubernetes 1.36 has locked this gate, but not where it behaves as 1.35. The server then drops image volumes silently.
WITHOUT_IMAGE_VOLUMES = Settings({"ImageVolume": False}, api_server=["--emulated-version=1.35"])


def folder_of(name: str) -> Path:
    """Where a cluster has its files; the one called ``hand`` is that of ``make cluster-up``."""
    return SOURCES.parents[1] / "build" / ("cluster" if name == "hand" else f"cluster-{name}")


def missing_requirements() -> list[str]:
    """What a cluster needs and this machine lacks; Go is needed only until the programs are built."""
    lacking = [] if os.geteuid() == 0 else ["root"]
    lacking += [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
    if not Path("/usr/lib/cni/bridge").exists() and not Path("/opt/cni/bin/bridge").exists():
        lacking.append("containernetworking-plugins")
    if shutil.which("go") is None and not is_built():
        lacking.append("Go")
    return lacking


class Cluster(KubernetesCluster):
    """A cluster by ``name`` (clusters of different names live side by side) with all its files in ``folder``.

    What an earlier cluster of the same name left is ended by ``start``. Paths are absolute; addresses are those inside
    the network namespace.
    """

    def __init__(self, name: str, folder: Path, settings: Settings | None = None) -> None:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name):
            raise ValueError(f"{name!r} is not a name for a cluster: lower-case letters, digits, dashes")
        self.name = name
        self.folder = folder.absolute()
        self.settings = settings or Settings()
        super().__init__(self.folder / "kubeconfig", f"{NODE_ADDRESS}:5000", str(self.folder / "bin" / "kubectl"))
        self.server = SERVER
        self.node = "node1"
        self.ca_file = self.folder / "pki" / "ca.crt"
        self.tls_registry = f"{NODE_ADDRESS}:5443"
        self._sandbox = Sandbox(name, self.folder)

    @classmethod
    def load(cls, folder: Path) -> Cluster:
        """The cluster that another process started in this folder."""
        state = json.loads((folder / "cluster.json").read_text(encoding="utf-8"))
        return cls(state["name"], folder, Settings(**state["settings"]))

    @classmethod
    def running(cls, folder: Path) -> Cluster | None:
        """The cluster of this folder, if there is one that runs."""
        found = cls.load(folder) if (folder / "cluster.json").exists() else None
        return found if found is not None and found.is_alive() else None

    @property
    def network(self) -> Path:
        """Its network namespace, for ``nsenter --net=`` and ``enter``."""
        return self._sandbox.network

    @property
    def login(self) -> tuple[str, str]:
        """User name and password of the registry with TLS; its CA is ``ca_file``."""
        username, password = (self.folder / "registry-login").read_text(encoding="utf-8").split(":")
        return username, password

    def is_alive(self) -> bool:
        """Whether it was started and not stopped since."""
        return self._sandbox.is_alive()

    def start(self) -> float:
        """Start all processes and wait until the node is Ready. Gives the seconds from the first process to Ready."""
        lacking = missing_requirements()
        if lacking:
            raise RuntimeError(f"the test cluster needs {', '.join(lacking)}")
        binaries = programs()
        self.stop()
        self.folder.mkdir(parents=True)
        (self.folder / "bin").symlink_to(binaries)
        self._write_files()
        began = time.monotonic()
        self._sandbox.create()
        try:
            for name in ("etcd", *REGISTRIES, "containerd"):
                self._spawn(name)
            self._spawn("kube-apiserver")
            self._wait("containerd", self._containerd_answers)
            self._import_pause()
            self._wait("kube-apiserver", self._api_answers)  # whatever starts earlier waits in longer and longer steps
            for name in ("kubelet", "kube-controller-manager", "kube-scheduler"):
                self._spawn(name)
            for name in REGISTRIES:
                self._wait(name, functools.partial(self._registry_listens, name))
            self.wait_ready()
        except BaseException:
            self._sandbox.destroy()  # the folder with the logs stays
            raise
        return time.monotonic() - began

    def stop(self) -> None:
        """End it and remove all that it made."""
        self._sandbox.destroy()
        remove_folder(self.folder)

    @classmethod
    def sweep(cls, folders: t.Iterable[Path]) -> None:
        """Stop the clusters in these folders, which someone who was killed left."""
        for folder in folders:
            cls.load(folder).stop() if (folder / "cluster.json").exists() else remove_folder(folder)

    def enter(self) -> None:
        """Move the calling process into the cluster's network namespace, for good. Before any thread is started."""
        enter(self.network)

    def push_with_login(self, source: str, repository: str) -> str:
        """As ``push``, into the registry with TLS and a login."""
        reference = f"{self.tls_registry}/{repository}"
        trust = f"--dest-cert-dir={self.folder / 'pki' / 'registry-client'}"
        self._copy(source, reference, trust, f"--dest-creds={':'.join(self.login)}")
        return reference

    def pid(self, process: str) -> int:
        """The process id of a process that runs."""
        found = self._sandbox.pid(process)
        if found is None:
            raise RuntimeError(f"{process} does not run: {self.log(process)[-2000:]}")
        return found

    def log(self, process: str) -> str:
        """What a process wrote."""
        path = self.folder / "logs" / f"{process}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def kill(self, process: str) -> None:
        """End a process with SIGKILL and wait for its end. Containers go on when kubelet or containerd end."""
        os.kill(self.pid(process), signal.SIGKILL)
        end = time.monotonic() + START_SECONDS
        while self._sandbox.pid(process) is not None and time.monotonic() < end:
            time.sleep(0.02)

    def spawn(self, process: str) -> None:
        """Start a process that was killed, without waiting until it serves."""
        if self._sandbox.pid(process) is not None:
            raise RuntimeError(f"{process} runs already")
        self._spawn(process)

    def restart(self, process: str) -> None:
        """Kill a process, start it again, and wait until the cluster serves (of controllers: until they run)."""
        if self._sandbox.pid(process) is not None:
            self.kill(process)
        self._spawn(process)
        if process == "containerd":
            self._wait(process, self._containerd_answers)
        elif process in REGISTRIES:
            self._wait(process, functools.partial(self._registry_listens, process))
        else:
            self._wait(process, self._api_answers)
            self.wait_ready()

    def pause(self, process: str) -> None:
        """Stop a process with SIGSTOP: it keeps its connections and answers nothing."""
        pid = self.pid(process)
        os.kill(pid, signal.SIGSTOP)
        # On a busy machine its threads still answer until one of them takes the signal.
        tasks = Path("/proc", str(pid), "task")
        while any(_state(task) != "T" for task in tasks.iterdir()):
            time.sleep(0.01)

    def resume(self, process: str) -> None:
        """Let a paused process go on."""
        os.kill(self.pid(process), signal.SIGCONT)

    def heal(self) -> None:
        """Resume and start whatever a test left paused or dead, and wait until the node is Ready."""
        for name in (*PROCESSES, *REGISTRIES):
            pid = self._sandbox.pid(name)
            if pid is not None:
                os.kill(pid, signal.SIGCONT)
            else:
                self._spawn(name)
                if name == "containerd":
                    self._wait(name, self._containerd_answers)
        self.wait_ready()

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until the API answers, the node is Ready and pods can be created in the default namespace."""
        self._wait("kubelet", self._node_is_ready, seconds)

    def _inside(self, command: t.Sequence[str]) -> list[str]:
        return self._sandbox.command(command)

    def _spawn(self, name: str) -> None:
        # Some memory of a small cluster is less than the time that collecting garbage takes.
        settings = {"PATH": f"{self.folder / 'bin'}:{_PATH}", "HOME": str(self.folder)}
        settings |= {"GOGC": "800", "GOMEMLIMIT": "1GiB"}
        self._sandbox.spawn(name, self._arguments(name), settings)

    def _wait(self, process: str, holds: t.Callable[[], bool], seconds: float = START_SECONDS) -> None:
        end = time.monotonic() + seconds
        while not holds():
            if self._sandbox.pid(process) is None:
                raise RuntimeError(f"{process} of the test cluster ended: {self.log(process)[-3000:]}")
            if time.monotonic() > end:
                raise TimeoutError(f"{process} of the test cluster is not ready: {self.log(process)[-3000:]}")
            time.sleep(0.1)

    def _api_answers(self) -> bool:
        return self.kubectl("--request-timeout=5s", "get", "--raw=/readyz", check=False).returncode == 0

    def _node_is_ready(self) -> bool:
        wanted = "--request-timeout=5s", "get", "node/" + self.node, "serviceaccount/default", "--output=json"
        answer = self.kubectl(*wanted, check=False)
        if answer.returncode != 0:
            return False
        node = json.loads(answer.stdout)["items"][0]
        ready = (item["status"] == "True" for item in node["status"].get("conditions", ()) if item["type"] == "Ready")
        if not any(ready) or node["spec"].get("taints"):
            return False
        # The node stays Ready for 40 s after its kubelet died, so ask the kubelet itself.
        kubelet = "--request-timeout=5s", "get", f"--raw=/api/v1/nodes/{self.node}/proxy/healthz"
        return self.kubectl(*kubelet, check=False).returncode == 0

    def _containerd_answers(self) -> bool:
        return self.run(str(self.folder / "bin" / "ctr"), "version", check=False).returncode == 0

    def _registry_listens(self, name: str) -> bool:
        host, _colon, port = (self.registry if name == "registry" else self.tls_registry).partition(":")
        return self.run("bash", "-c", f"exec 3<>/dev/tcp/{host}/{port}", check=False).returncode == 0

    def _import_pause(self) -> None:
        archive = self.folder / "pause.tar"
        write_pause_archive(archive)
        name = ("--index-name", PAUSE_IMAGE)
        self.run(str(self.folder / "bin" / "ctr"), "--namespace=k8s.io", "images", "import", *name, str(archive))

    def _arguments(self, name: str) -> list[str]:
        pki = self.folder / "pki"
        program = str(self.folder / "bin" / name)
        if name == "etcd":
            return [
                program,
                f"--data-dir={self.folder / 'etcd'}",
                "--unsafe-no-fsync",
                f"--listen-client-urls={_ETCD}",
                f"--advertise-client-urls={_ETCD}",
                "--listen-peer-urls=http://127.0.0.1:2380",
                "--quota-backend-bytes=4294967296",
                "--auto-compaction-mode=periodic",
                "--auto-compaction-retention=2m",
            ]
        if name == "kube-apiserver":
            gates = ",".join(f"{gate}={str(on).lower()}" for gate, on in self.settings.feature_gates.items())
            return [
                program,
                f"--etcd-servers={_ETCD}",
                "--secure-port=443",
                "--bind-address=0.0.0.0",
                f"--advertise-address={NODE_ADDRESS}",
                f"--tls-cert-file={pki / 'kube-apiserver.crt'}",
                f"--tls-private-key-file={pki / 'kube-apiserver.key'}",
                f"--client-ca-file={pki / 'ca.crt'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={pki / 'service-accounts.key'}",
                f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
                "--allow-privileged=true",
                f"--kubelet-client-certificate={pki / 'admin.crt'}",
                f"--kubelet-client-key={pki / 'admin.key'}",
                f"--kubelet-certificate-authority={pki / 'ca.crt'}",
                "--kubelet-preferred-address-types=InternalIP",
                *([f"--feature-gates={gates}"] if gates else []),
                *self.settings.api_server,
            ]
        if name == "kube-controller-manager":
            return [
                program,
                f"--kubeconfig={self.folder / 'kubeconfig'}",
                f"--service-account-private-key-file={pki / 'service-accounts.key'}",
                f"--root-ca-file={pki / 'ca.crt'}",
                "--use-service-account-credentials",
                "--leader-elect=false",
            ]
        if name == "kube-scheduler":
            return [program, f"--kubeconfig={self.folder / 'kubeconfig'}", "--leader-elect=false"]
        if name == "containerd":
            return [program, f"--config={self.folder / 'containerd.toml'}"]
        if name == "kubelet":
            return [
                program,
                f"--config={self.folder / 'kubelet.json'}",
                f"--kubeconfig={self.folder / 'kubelet.kubeconfig'}",
                f"--hostname-override={self.node}",
                f"--node-ip={NODE_ADDRESS}",
            ]
        return ["docker-registry", "serve", str(self.folder / f"{name}.json")]

    def _write_files(self) -> None:
        authority = Authority(self.folder / "pki")
        server_names = [NODE_ADDRESS, SERVICE_ADDRESS, "127.0.0.1", "localhost"]
        server_names += ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        authority.issue("kube-apiserver", "kube-apiserver", hosts=server_names)
        authority.issue("registry", "registry", hosts=[NODE_ADDRESS])
        authority.issue("kubelet", f"system:node:{self.node}", "system:nodes", hosts=[self.node, NODE_ADDRESS])
        write_key(self.folder / "pki" / "service-accounts.key")
        client_folder = self.folder / "pki" / "registry-client"
        client_folder.mkdir()
        shutil.copy(self.ca_file, client_folder / "ca.crt")
        admin = authority.issue("admin", "admin", "system:masters")
        self._write_kubeconfig(self.kubeconfig, admin)
        node = self.folder / "pki" / "kubelet"
        self._write_kubeconfig(
            self.folder / "kubelet.kubeconfig", Pair(node.with_suffix(".crt"), node.with_suffix(".key"))
        )
        self._write_registries()
        self._write_containerd()
        (self.folder / "resolv.conf").write_text("# no name server\n", encoding="ascii")
        (self.folder / "kubelet.json").write_text(json.dumps(self._kubelet_configuration()), encoding="utf-8")
        state = {"name": self.name, "settings": dataclasses.asdict(self.settings)}
        (self.folder / "cluster.json").write_text(json.dumps(state), encoding="utf-8")

    def _write_kubeconfig(self, path: Path, client: Pair) -> None:
        def data(file: Path) -> str:
            return base64.b64encode(file.read_bytes()).decode()

        cluster = {"server": SERVER, "certificate-authority-data": data(self.ca_file)}
        user = {"client-certificate-data": data(client.certificate), "client-key-data": data(client.key)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.name, "cluster": cluster}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": "user"}}],
            "current-context": self.name,
        }
        path.touch(0o600)
        path.write_text(json.dumps(content, indent=1), encoding="utf-8")

    def _write_registries(self) -> None:
        username, password = "puller", secrets.token_urlsafe(12)
        (self.folder / "registry-login").write_text(f"{username}:{password}", encoding="utf-8")
        hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
        (self.folder / "htpasswd").write_text(f"{username}:{hashed}\n", encoding="utf-8")
        pki = self.folder / "pki"
        tls = {"certificate": str(pki / "registry.crt"), "key": str(pki / "registry.key")}
        for name, host, more in (
            ("registry", self.registry, {}),
            ("registry-tls", self.tls_registry, {"tls": tls}),
        ):
            settings: dict[str, t.Any] = {
                "version": 0.1,
                "log": {"level": "info", "accesslog": {"disabled": True}},
                "storage": {
                    "filesystem": {"rootdirectory": str(self.folder / f"{name}-data")},
                    "delete": {"enabled": True},
                },
                "http": {"addr": host, "secret": "test", **more},
            }
            if more:
                settings["auth"] = {"htpasswd": {"realm": "test", "path": str(self.folder / "htpasswd")}}
            (self.folder / f"{name}.json").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML

    def _write_containerd(self) -> None:
        for host, settings in (
            (self.registry, f'server = "http://{self.registry}"\n'),
            (self.tls_registry, f'server = "https://{self.tls_registry}"\nca = "{self.ca_file}"\n'),
        ):
            folder = self.folder / "certs.d" / host
            folder.mkdir(parents=True)
            (folder / "hosts.toml").write_text(settings, encoding="utf-8")
        interfaces = self.folder / "cni"
        interfaces.mkdir()
        bridge = {
            "type": "bridge",
            "bridge": "pods0",
            "isGateway": True,
            "ipMasq": False,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.244.0.0/22"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
        content = {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}
        (interfaces / "10-pods.conflist").write_text(json.dumps(content), encoding="utf-8")
        (self.folder / "containerd.toml").write_text(
            f"""version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{PAUSE_IMAGE}"
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = "{self.folder / "certs.d"}"
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = false
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["/usr/lib/cni", "/opt/cni/bin"]
conf_dir = "{interfaces}"
""",
            encoding="utf-8",
        )

    def _kubelet_configuration(self) -> dict[str, t.Any]:
        pki = self.folder / "pki"
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "x509": {"clientCAFile": str(pki / "ca.crt")},
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pki / "kubelet.crt"),
            "tlsPrivateKeyFile": str(pki / "kubelet.key"),
            "address": NODE_ADDRESS,
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._sandbox.cgroup}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "enforceNodeAllocatable": [],
            "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "50Mi"},
            "resolvConf": str(self.folder / "resolv.conf"),
            "containerLogMaxSize": "1Mi",
            "containerLogMaxFiles": 2,
            "maxPods": 250,
            "volumePluginDir": str(self.folder / "volume-plugins"),
            **self.settings.kubelet,
        }


def _state(task: Path) -> str:
    """Of a thread, as in proc(5): ``T`` where it is stopped, as is one that is gone."""
    try:
        return (task / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "T"
