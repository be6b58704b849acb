# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests may do with any cluster: the harness's own (``cluster.Cluster``) or one that the user names."""

from __future__ import annotations

import json
import shutil
import subprocess
import typing as t
from pathlib import Path

from .binaries import SOURCES, programs
from .images import layout_digest, scanner_layout

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


class KubernetesCluster:
    """A cluster by its kubeconfig, and a registry (``host:port``) that both the tests and its nodes reach."""

    def __init__(self, kubeconfig: Path, registry: str, kubectl: str) -> None:
        self.kubeconfig = kubeconfig
        self.registry = registry
        self.scanner_image = f"{registry}/imagescan/scanner:test"
        self._kubectl = kubectl

    @classmethod
    def named(cls, kubeconfig: Path, registry: str) -> KubernetesCluster:
        """A cluster of the user's, as administrator; by the kubectl that is installed, or else by our own."""
        return cls(kubeconfig, registry, shutil.which("kubectl") or str(programs() / "kubectl"))

    def run(self, *command: str, **options: t.Any) -> subprocess.CompletedProcess[str]:
        """Run a command from where the cluster is reached. Options as ``subprocess.run``; text, checked, 5 minutes."""
        check = options.pop("check", True)
        options = {"capture_output": True, "text": True, "timeout": 300, **options}
        result: subprocess.CompletedProcess[str] = subprocess.run(self._inside(command), check=False, **options)
        if check and result.returncode != 0:
            raise RuntimeError(f"{' '.join(command[:4])} ended with {result.returncode}: {result.stderr[-2000:]}")
        return result

    def kubectl(self, *arguments: str, **options: t.Any) -> subprocess.CompletedProcess[str]:
        """Run kubectl as administrator. Options are those of ``subprocess.run`` (``input``, ``check=False``)."""
        return self.run(self._kubectl, f"--kubeconfig={self.kubeconfig}", *arguments, **options)

    def get(self, *arguments: str) -> t.Any:
        """What ``kubectl get`` gives, as data."""
        return json.loads(self.kubectl("get", *arguments, "--output=json").stdout)

    def apply(self, *objects: t.Mapping[str, t.Any], namespace: str = "") -> None:
        """Create or change objects."""
        scope = (f"--namespace={namespace}",) if namespace else ()
        content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl(*scope, "apply", "--filename=-", input=content)

    def create_namespace(self, name: str) -> None:
        """A namespace with Pod Security ``restricted``, in which pods can be created at once."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}})
        account = "serviceaccount/default"
        self.kubectl("wait", f"--namespace={name}", "--for=create", "--timeout=60s", account)

    def remove_namespace(self, name: str) -> None:
        """Remove a namespace: its pods at once, the rest goes in the background."""
        self.kubectl("delete", "pods", "--all", f"--namespace={name}", "--force", "--grace-period=0", "--wait=false")
        self.kubectl("delete", "namespace", name, "--wait=false")

    def install_openshift_kinds(self) -> None:
        """Make the kinds of OpenShift that we use known (see crds/), unless the server has them, as OpenShift does."""
        # Exit status 1 means that some aggregated API does not answer; the others are listed all the same.
        served = self.kubectl("api-resources", "--output=name", check=False).stdout.split()
        wanted = [file for file in sorted((SOURCES / "crds").glob("*.yaml")) if file.stem not in served]
        if wanted:
            files = [f"--filename={file}" for file in wanted]
            self.kubectl("apply", *files)
            self.kubectl("wait", "--for=condition=Established", "--timeout=60s", *files)

    def push(self, source: str, repository: str) -> str:
        """Copy an image (``oci:FOLDER:TAG``) into the registry as ``repository`` with its tag. The reference."""
        reference = f"{self.registry}/{repository}"
        self._copy(source, reference, "--dest-tls-verify=false")
        return reference

    @property
    def scanner_reference(self) -> str:
        """The scanner image by digest, once it was pushed."""
        return f"{self.registry}/imagescan/scanner@{layout_digest(scanner_layout())}"

    def push_scanner(self) -> None:
        """Push the scanner image. Call it before ``enter``: what it is made of comes from outside."""
        self.push(f"oci:{scanner_layout()}:test", self.scanner_image.removeprefix(f"{self.registry}/"))

    def _copy(self, source: str, reference: str, *options: str) -> None:
        command = ("skopeo", "--insecure-policy", "copy", "--all", "--quiet", *options)
        self.run(*command, source, f"docker://{reference}")

    def _inside(self, command: t.Sequence[str]) -> list[str]:
        return list(command)
