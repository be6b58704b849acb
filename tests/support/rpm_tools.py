# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What librpm says of a database, and databases that rpm's own programs make."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Package

from .programs import require_program
from .requirements import missing

_TAGS = (
    *("NAME", "EPOCH", "VERSION", "RELEASE", "ARCH", "SOURCERPM", "VENDOR", "LICENSE", "MODULARITYLABEL"),
    *("INSTALLTIME", "LONGSIZE"),
)
#: The signature that ``rpm -qi`` shows.
_SIGNATURE = (
    "%|RSAHEADER?{%{RSAHEADER:pgpsig}}:{%|DSAHEADER?{%{DSAHEADER:pgpsig}}:{%|SIGGPG?{%{SIGGPG:pgpsig}}:"
    "{%|SIGPGP?{%{SIGPGP:pgpsig}}|}|}|}|"
)
_FIELD, _RECORD = "\x1f", "\x1e"
_QUERY = _FIELD.join(f"%{{{tag}}}" for tag in _TAGS) + _FIELD + _SIGNATURE + _RECORD
_KEY = re.compile(r"Key ID ([0-9a-f]{16})")
#: UTF-8, so that rpm prints text as it is stored; a home without macros of the machine's owner.
_ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@dataclasses.dataclass(frozen=True)
class Answer:
    """What rpm printed: packages, its exit code and its complaints."""

    packages: list[Package]
    status: int
    stderr: str


def librpm(folder: Path, backend: str) -> Answer:
    """Every package of a database as librpm sees it, signatures and digests not verified. ``repository`` is empty."""
    result = subprocess.run(
        [
            *(require_program("rpm"), "-qa", "--nosignature", "--nodigest", "--dbpath", str(folder)),
            *("--define", f"_db_backend {backend}", "--qf", _QUERY),
        ],
        capture_output=True,
        env=_ENVIRONMENT,
        check=False,
        timeout=120,
    )
    stderr = result.stderr.decode(errors="replace")
    if "dummy database" in stderr:
        missing(f"an rpm that reads {backend}")
    text = result.stdout.decode("utf-8", errors="replace")
    return Answer([_package(record.split(_FIELD)) for record in text.split(_RECORD)[:-1]], result.returncode, stderr)


def librpm_names(folder: Path, backend: str) -> list[str] | None:
    """``name-version-release`` of whatever librpm lists of a database that may be damaged; None when it crashed."""
    command = [
        *(require_program("rpm"), "-qa", "--nosignature", "--nodigest", "--dbpath", str(folder)),
        *("--define", f"_db_backend {backend}", "--qf", "%{NAME}-%{VERSION}-%{RELEASE}" + _RECORD),
    ]
    try:
        result = subprocess.run(command, capture_output=True, env=_ENVIRONMENT, check=False, timeout=30)
    except subprocess.TimeoutExpired:
        return None
    if result.returncode < 0:
        return None
    return result.stdout.decode("utf-8", errors="replace").split(_RECORD)[:-1]


def librpm_reads_ndb(folder: Path) -> bool:
    """Whether this machine's librpm was built with ndb (Debian's is from 13 on). ``folder``: one with an ndb file."""
    command = (require_program("rpm"), "-qa", "--dbpath", str(folder), "--define", "_db_backend ndb")
    result = subprocess.run(command, capture_output=True, text=True, env=_ENVIRONMENT, check=False)
    return "dummy database" not in result.stderr


def _package(fields: t.Sequence[str]) -> Package:
    name, epoch, version, release, arch, source, vendor, licence, modularity, installed, size, signature = fields
    key = _KEY.search(signature)

    def text(value: str) -> str:
        return "" if value == "(none)" else value

    return Package(
        name=name,
        epoch=int(epoch) if text(epoch) else None,
        version=version,
        release=release,
        arch=text(arch),
        source_rpm=text(source),
        vendor=text(vendor),
        key_id=key[1] if key else "",
        modularity=text(modularity),
        license=text(licence),
        install_time=int(installed) if text(installed) else 0,
        size=int(size) if text(size) else 0,
    )


def comparable(packages: t.Iterable[Package]) -> list[Package]:
    """In one order, and with rpm's "(none)" (as text in old key entries) as nothing."""
    plain = (
        dataclasses.replace(package, source_rpm="" if package.source_rpm == "(none)" else package.source_rpm)
        for package in packages
    )
    return sorted(plain, key=lambda package: (package.nevra, package.install_time, package.license))


def go_rpmdb(path: Path) -> list[dict[str, t.Any]]:
    """Packages as go-rpmdb sees them (trivy and syft use it): the oracle for ndb where librpm was built without."""
    program = "import json, sys, pygorpmrustinfo; print(json.dumps(pygorpmrustinfo.get_rpm_db_info(sys.argv[1])))"
    result = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)
    if "ModuleNotFoundError" in result.stderr:
        missing("the Python package pygorpmrustinfo")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout.splitlines()[-1])  # the library itself may print before
    if isinstance(answer, dict) and "packages" in answer:
        answer = answer["packages"]
    assert isinstance(answer, list), str(answer)[:500]
    return answer


def go_names(path: Path) -> list[str] | None:
    """``name-version-release`` of whatever go-rpmdb lists of a database that may be damaged; None when it fails."""
    try:
        return [f"{one['Name']}-{one['Version']}-{one['Release']}" for one in go_rpmdb(path)]
    except AssertionError:
        return None


def headers(folder: Path) -> dict[int, bytes]:
    """Header blobs by number of a SQLite database, through SQLite itself."""
    with contextlib.closing(sqlite3.connect(folder / "rpmdb.sqlite")) as database:
        return dict(database.execute("SELECT hnum, blob FROM Packages"))


def indexes(folder: Path) -> dict[str, dict[bytes, bytes]]:
    """The indexes of a SQLite database as rpm keeps them in a Berkeley DB on a little-endian machine: key -> places."""
    found: dict[str, dict[bytes, bytes]] = {}
    with contextlib.closing(sqlite3.connect(folder / "rpmdb.sqlite")) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        for (name,) in tables.fetchall():
            if name == "Packages":
                continue
            places: dict[bytes, bytes] = {}
            rows = database.execute(f'SELECT CAST(key AS BLOB), hnum, idx FROM "{name}" ORDER BY hnum, idx')
            for key, *place in rows:
                places[key] = places.get(key, b"") + b"".join(number.to_bytes(4, "little") for number in place)
            found[name] = places
    return found


def load_bdb(blobs: t.Mapping[int, bytes], path: Path, *, byte_order: str, page_size: int = 4096) -> None:
    """A Berkeley DB hash file of these headers, made by Berkeley DB itself. ``byte_order``: ``little`` or ``big``."""
    order = t.cast(t.Literal["little", "big"], byte_order)
    numbered = [(0, max(blobs).to_bytes(4, order)), *blobs.items()]
    pairs = [(number.to_bytes(4, order), blob) for number, blob in numbered]
    _load(path, pairs, kind="hash", byte_order=byte_order, page_size=page_size)


def load_bdb_index(places: t.Mapping[bytes, bytes], path: Path) -> None:
    """A Berkeley DB tree, as rpm's indexes are."""
    _load(path, sorted(places.items()), kind="btree", byte_order="little", page_size=4096)


def _load(path: Path, pairs: t.Iterable[tuple[bytes, bytes]], *, kind: str, byte_order: str, page_size: int) -> None:
    lines = ["VERSION=3", "format=bytevalue", f"type={kind}", f"db_pagesize={page_size}"]
    lines += [f"db_lorder={1234 if byte_order == 'little' else 4321}", "HEADER=END"]
    for key, value in pairs:
        lines += [f" {key.hex()}", f" {value.hex()}"]
    lines.append("DATA=END\n")
    path.unlink(missing_ok=True)
    subprocess.run([require_program("db5.3_load"), str(path)], input="\n".join(lines).encode(), check=True)


def bdb_keys(path: Path) -> int:
    """Number of keys of a Berkeley DB file, by Berkeley DB itself."""
    result = subprocess.run([require_program("db5.3_dump"), str(path)], capture_output=True, check=True)
    body = result.stdout.split(b"HEADER=END\n", 1)[1].split(b"DATA=END", 1)[0]
    return len(body.splitlines()) // 2


def build_database(folder: Path, specs: t.Sequence[str], *, sign: str = "") -> Path:
    """Build packages of spec texts, sign them (``sign``: a GnuPG key type), install them into a new SQLite database."""
    folder.mkdir(parents=True)
    for number, spec in enumerate(specs):
        path = folder / f"{number}.spec"
        path.write_text(spec, encoding="utf-8")
        _run(
            *(
                require_program("rpmbuild"),
                "-bb",
                "--define",
                f"_topdir {folder}/top",
                "--define",
                "debug_package %{nil}",
            ),
            *("--define", "__os_install_post %{nil}", "--define", "_build_id_links none", str(path)),
        )
    rpms = sorted(str(path) for path in (folder / "top" / "RPMS").rglob("*.rpm"))
    database = folder / "db"
    backend = ("--dbpath", str(database), "--define", "_db_backend sqlite")
    rpm = require_program("rpm")
    _run(rpm, *backend, "--initdb")
    if sign:
        key = sign_all(folder / "gnupg", rpms, sign)
        _run(rpm, *backend, "--import", str(key))
    _run(rpm, *backend, "-i", "--justdb", "--nodeps", "--noscripts", "--nosignature", *rpms)
    return database


def sign_all(home: Path, rpms: t.Sequence[str], algorithm: str) -> Path:
    """Sign packages with a new key; returns the path of its public half."""
    gpg = require_program("gpg")
    home.mkdir(mode=0o700)
    curve = "Key-Curve: ed25519" if algorithm == "eddsa" else "Key-Length: 2048"
    parameters = (
        f"%no-protection\nKey-Type: {algorithm}\n{curve}\nKey-Usage: sign\nName-Real: imagescan test\n%commit\n"
    )
    base = (gpg, "--homedir", str(home), "--batch", "--quiet")
    _run(*base, "--gen-key", stdin=parameters)
    public = home / "public.asc"
    _run(*base, "--armor", "--output", str(public), "--export")
    sign = require_program("rpmsign")
    macros = (f"__gpg {gpg}", f"_gpg_path {home}", "_gpg_name imagescan test")
    _run(sign, *(word for macro in macros for word in ("--define", macro)), "--addsign", *rpms)
    shutil.which("gpgconf") and _run("gpgconf", "--homedir", str(home), "--kill", "all")
    return public


def _run(*command: str, stdin: str | None = None) -> str:
    result = subprocess.run(command, input=stdin, capture_output=True, text=True, env=_ENVIRONMENT, check=False)
    assert result.returncode == 0, f"{' '.join(command)[:200]}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
    return result.stdout
