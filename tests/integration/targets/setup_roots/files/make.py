# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make two roots of RHEL 9 that oscap can evaluate: ``python make.py CHECKOUT DESTINATION``.

``clean`` follows the rules that the targets ask for; in ``weak`` there is telnet, and a second user with the number 0.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

OS_RELEASE = (
    'NAME="Red Hat Enterprise Linux"\nID="rhel"\nVERSION_ID="9.4"\n'
    'CPE_NAME="cpe:/o:redhat:enterprise_linux:9::baseos"\n'
)
PACKAGES = ("redhat-release-9.4-0.5.el9.x86_64", "bash-5.1.8-9.el9.x86_64", "setup-2.13-1.el9.noarch")
PASSWD = "root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/sbin/nologin\n"


def main() -> None:
    """Write both."""
    checkout, destination = (Path(word) for word in sys.argv[1:])
    sys.path.insert(0, str(checkout))
    rpmdb = importlib.import_module("examples.fleet.rpmdb")
    for name, packages, passwd in (
        ("clean", PACKAGES, PASSWD),
        ("weak", (*PACKAGES, "telnet-0.17-85.el9.x86_64"), PASSWD + "toor:x:0:0::/root:/bin/bash\n"),
    ):
        # Signatures of the example fleet are not real, and librpm hides packages whose signature is none.
        files = rpmdb.sqlite_files([rpmdb.parse_rpm(nevra, key_id="") for nevra in packages])
        root = destination / name
        for path, data in {
            "etc/os-release": OS_RELEASE.encode(),
            "etc/redhat-release": b"Red Hat Enterprise Linux release 9.4 (Plow)\n",
            "etc/passwd": passwd.encode(),
            **{f"var/lib/rpm/{name}": data for name, data in files.items()},
        }.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)


if __name__ == "__main__":
    main()
