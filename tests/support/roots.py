# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roots that rpm itself installs, for evaluations by oscap: with few and many packages, in each database format."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import tarfile
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.examples.fleet.rpmdb import ndb_files

from .programs import require_program
from .rpm_tools import headers, indexes, load_bdb, load_bdb_index

#: Packages that only have to be there: rules ask for them by name.
_SERVICES = (
    *(
        "systemd",
        "audit",
        "audit-libs",
        "rsyslog",
        "chrony",
        "firewalld",
        "nftables",
        "aide",
        "cronie",
        "crypto-policies",
    ),
    *("openssh-server", "openssh-clients", "libselinux", "selinux-policy", "selinux-policy-targeted", "dnf", "rpm"),
    *("libpwquality", "authselect", "openssl", "sudo", "tmux", "usbguard", "fapolicyd", "policycoreutils", "gnutls"),
    *("telnet-server", "vsftpd", "httpd", "squid", "tftp-server", "ypserv"),
)
_SSHD = "Protocol 2\nPermitRootLogin no\nPermitEmptyPasswords no\nX11Forwarding yes\nMaxAuthTries 4\nUsePAM yes\n"
_PAM = (
    "auth        required      pam_env.so\nauth        sufficient    pam_unix.so nullok\n"
    "password    requisite     pam_pwquality.so retry=3\npassword    sufficient    pam_unix.so sha512 shadow\n"
)


@dataclasses.dataclass(frozen=True)
class Spec:
    """A package. ``files``: path -> (content, mode). ``owner``: name of the user who owns them."""

    name: str
    version: str = "1.0"
    files: t.Mapping[str, tuple[str, int]] = dataclasses.field(default_factory=dict)
    owner: str = "root"


def os_release(major: int) -> str:
    """os-release of Red Hat Enterprise Linux."""
    return (
        f'NAME="Red Hat Enterprise Linux"\nVERSION="{major}.4"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="{major}.4"\n'
        f'PRETTY_NAME="Red Hat Enterprise Linux {major}.4"\nCPE_NAME="cpe:/o:redhat:enterprise_linux:{major}::baseos"\n'
    )


def minimal(major: int) -> list[Spec]:
    """What every image of the distribution has."""
    return [
        Spec(
            "redhat-release",
            f"{major}.4",
            {
                "/usr/lib/os-release": (os_release(major), 0o644),
                "/etc/redhat-release": (f"Red Hat Enterprise Linux release {major}.4 (Plow)\n", 0o644),
            },
        ),
        Spec("redhat-release-eula", f"{major}.4"),
        Spec(
            "setup",
            "2.13",
            {
                "/etc/passwd": (
                    "root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/sbin/nologin\n"
                    "user:x:1000:1000::/home/user:/bin/bash\n",
                    0o644,
                ),
                "/etc/shadow": ("root:*:19000:0:99999:7:::\nbin:*:19000:0:99999:7:::\nuser::19000:0:99999:7:::\n", 0),
                "/etc/group": ("root:x:0:\nbin:x:1:\nuser:x:1000:\n", 0o644),
                "/etc/gshadow": ("root:::\nbin:::\nuser:!::\n", 0),
                "/etc/bashrc": ("umask 022\n", 0o644),
                "/etc/profile": ("umask 027\n", 0o644),
            },
        ),
        Spec("bash", "5.1", {"/bin/bash": ("\x7fELF", 0o755)}),
        Spec("glibc", "2.34", {"/lib64/libc.so.6": ("\x7fELF", 0o755)}),
    ]


def with_kernel(major: int) -> list[Spec]:
    """With an empty kernel: most rules apply to what boots only."""
    return [
        *minimal(major),
        Spec("kernel", "5.14"),
        Spec("grub2-common", "2.06", {"/boot/grub2/grub.cfg": ("set timeout=5\n", 0o600)}),
    ]


def with_services(major: int) -> list[Spec]:
    """With the packages and the settings that most rules look at."""
    settings = {
        "shadow-utils": {"/etc/login.defs": ("PASS_MAX_DAYS 99999\nPASS_MIN_DAYS 7\nUMASK 077\n", 0o644)},
        "pam": {"/etc/pam.d/system-auth": (_PAM, 0o644), "/etc/pam.d/password-auth": (_PAM, 0o644)},
        "openssh-server": {"/etc/ssh/sshd_config": (_SSHD, 0o600)},
        "sudo": {"/etc/sudoers": ("Defaults use_pty\nroot ALL=(ALL) ALL\n", 0o440), "/usr/bin/sudo": ("", 0o4755)},
        "audit": {
            "/etc/audit/auditd.conf": ("max_log_file = 8\nspace_left_action = email\n", 0o640),
            "/etc/audit/rules.d/audit.rules": ("-D\n-w /etc/passwd -p wa -k identity\n", 0o600),
            "/usr/sbin/auditctl": ("", 0o755),
        },
        "rsyslog": {"/etc/rsyslog.conf": ("*.* /var/log/messages\n", 0o600), "/var/log/messages": ("", 0o640)},
        "chrony": {"/etc/chrony.conf": ("server time.example.com\n", 0o644)},
        "dnf": {"/etc/dnf/dnf.conf": ("[main]\ngpgcheck=1\nlocalpkg_gpgcheck=1\n", 0o644)},
        "crypto-policies": {"/etc/crypto-policies/config": ("DEFAULT\n", 0o644)},
        "libselinux": {"/etc/selinux/config": ("SELINUX=enforcing\nSELINUXTYPE=targeted\n", 0o644)},
        "systemd": {
            "/usr/lib/systemd/systemd": ("\x7fELF", 0o755),
            "/etc/systemd/coredump.conf": ("Storage=none\n", 0o644),
        },
        "util-linux": {"/usr/bin/su": ("", 0o4755), "/usr/bin/write": ("", 0o2755)},
        "strange": {"/usr/bin/odd": ("", 0o757), "/srv/open": ("", 0o666)},
    }
    names = sorted({*settings, *_SERVICES})
    return [*with_kernel(major), *(Spec(name, "3.0", settings.get(name, {})) for name in names)]


def hardened(major: int) -> list[Spec]:
    """With services that are set up as profiles ask for it."""
    quality = (
        "dcredit = -1\nlcredit = -1\nocredit = -1\nucredit = -1\nminlen = 15\nminclass = 4\nretry = 3\ndifok = 8\n"
    )
    settings = {
        "pam-settings": {
            "/etc/security/faillock.conf": ("deny = 3\nfail_interval = 900\nunlock_time = 0\naudit\n", 0o644),
            "/etc/security/pwquality.conf": (quality, 0o644),
            "/etc/pam.d/su": ("auth required pam_wheel.so use_uid\n", 0o644),
        },
        "dnf-automatic": {"/etc/dnf/automatic.conf": ("[commands]\napply_updates = yes\n", 0o644)},
        "systemd-settings": {"/etc/systemd/system.conf": ("[Manager]\nCtrlAltDelBurstAction=none\n", 0o644)},
        "usbguard-settings": {
            "/etc/usbguard/usbguard-daemon.conf": ("AuditBackend=LinuxAudit\n", 0o600),
            "/etc/usbguard/rules.conf": ("allow with-interface match-all { 03:*:* 09:00:* }\n", 0o600),
        },
    }
    names = ("gnutls-utils", "openscap-scanner", "scap-security-guide", "subscription-manager", "rng-tools")
    more = [Spec(name, "3.0", settings.get(name, {})) for name in (*names, *settings)]
    return [*with_services(major), *more]


def build_root(folder: Path, specs: t.Sequence[Spec], major: int = 9) -> Path:
    """Build packages with rpmbuild and install them with rpm into ``folder/root``, whose path is given. Needs root."""
    folder.mkdir(parents=True)
    texts = []
    for spec in specs:
        lines = [
            f"Name: {spec.name}",
            f"Version: {spec.version}",
            f"Release: 1.el{major}",
            "Summary: test",
            "License: MIT",
        ]
        lines += ["Vendor: Red Hat, Inc.", "BuildArch: noarch", "%description", "test", "%install"]
        lines.append("mkdir -p %{buildroot}")
        files = []
        for number, (path, (content, mode)) in enumerate(spec.files.items()):
            source = folder / f"{spec.name}-{number}"
            source.write_text(content, encoding="utf-8")
            lines.append(f"install -D {source} %{{buildroot}}{path}")
            files.append(f"%attr({mode:04o},{spec.owner},root) {path}")
        lines += ["%files", *files]
        text = folder / f"{spec.name}.spec"
        text.write_text("\n".join(lines) + "\n", encoding="utf-8")
        texts.append(str(text))
    macros = (f"_topdir {folder}/top", "debug_package %{nil}", "__os_install_post %{nil}")
    defines = [word for macro in macros for word in ("--define", macro)]
    _run(require_program("rpmbuild"), "-bb", "--quiet", *defines, *texts)
    root = folder / "root"
    root.mkdir()
    flags = ("--root", str(root), "--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite")
    rpms = sorted(str(path) for path in (folder / "top" / "RPMS").rglob("*.rpm"))
    _run(require_program("rpm"), *flags, "-i", "--nodeps", "--noscripts", "--nosignature", *rpms)
    if not (root / "etc/os-release").exists():
        (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    for name in ("run", "tmp", "proc", "root", "home"):
        (root / name).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "root").chmod(0o550)
    (root / "var/run").symlink_to("/run")
    for name in ("rpmdb.sqlite-shm", "rpmdb.sqlite-wal", ".rpm.lock"):
        (root / "var/lib/rpm" / name).unlink(missing_ok=True)
    return root


def as_bdb(root: Path, *, whole: bool = False) -> None:
    """Turn the database of a root into a Berkeley DB one: ``Packages`` alone, of which oscap sees nothing, or with the
    indexes that rpm keeps beside it (``whole``).
    """
    folder = root / "var/lib/rpm"
    for name, places in indexes(folder).items() if whole else ():
        load_bdb_index(places, folder / name)
    load_bdb(headers(folder), folder / "Packages", byte_order="little")
    for path in folder.glob("rpmdb.sqlite*"):
        path.unlink()


def as_ndb(root: Path) -> None:
    """Turn the database of a root into one in rpm's own format."""
    folder = root / "var/lib/rpm"
    for name, data in ndb_files(list(headers(folder).values())).items():
        (folder / name).write_bytes(data)
    for path in folder.glob("rpmdb.sqlite*"):
        path.unlink()


def layer_of(root: Path) -> bytes:
    """A root as the tar archive of a layer, with its owners and modes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(root, arcname=".")
    return buffer.getvalue()


def copy_of(root: Path, to: Path) -> Path:
    """A copy with owners, modes, times and links."""
    _run("cp", "-a", "--no-target-directory", str(root), str(to))
    return to


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{' '.join(command)[:200]}\n{done.stderr[-2000:]}"
