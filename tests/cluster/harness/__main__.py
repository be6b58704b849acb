# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test cluster by hand: ``python -m ….tests.cluster.harness up|down|programs|binaries`` (see the Makefile)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .binaries import programs
from .images import scanner_layout


def main(arguments: list[str] | None = None) -> int:
    """Start or stop a cluster; ``binaries`` only builds what one needs, ``programs`` what Go builds of that."""
    parser = argparse.ArgumentParser(prog="harness", description=__doc__)
    parser.add_argument("action", choices=("up", "down", "programs", "binaries"))
    parser.add_argument("--name", default="hand", help="clusters of different names live side by side")
    parser.add_argument(
        "--folder", type=Path, help="where its files are (default: build/cluster, or build/cluster-NAME)"
    )
    parser.add_argument("--openshift", action="store_true", help="make OpenShift's kinds known")
    options = parser.parse_args(arguments)
    if options.action in ("programs", "binaries"):
        print(programs())
        if options.action == "binaries":
            print(scanner_layout())
        return 0
    from .cluster import Cluster, folder_of  # needs more than the standard library; building does not

    cluster = Cluster(options.name, options.folder or folder_of(options.name))
    if options.action == "down":
        cluster.stop()
        return 0
    seconds = cluster.start()
    if options.openshift:
        cluster.install_openshift_kinds()
    cluster.push_scanner()
    username, password = cluster.login
    print(
        f"Ready after {seconds:.1f} s\n"
        f"kubeconfig        {cluster.kubeconfig}\n"
        f"registry          {cluster.registry} (plain HTTP)\n"
        f"registry with TLS {cluster.tls_registry} (CA {cluster.ca_file}, login {username}:{password})\n"
        f"scanner image     {cluster.scanner_image} = {cluster.scanner_reference}\n"
        f"enter it with     nsenter --net={cluster.network} env KUBECONFIG={cluster.kubeconfig}"
        f" PATH={cluster.folder / 'bin'}:$PATH bash"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
