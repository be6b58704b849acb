# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server of a test's own, on loopback, which can be stopped and started."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import typing as t
from pathlib import Path

from .programs import require_program
from .requirements import missing

PASSWORD = "canary-secret"


class Postgresql:
    """A server with the superuser ``scanner`` and its PASSWORD. ``address``: host and port."""

    def __init__(self, programs: Path, folder: Path, port: int, user: str | None) -> None:
        self.address = f"127.0.0.1:{port}"
        self._programs = programs
        self._folder = folder
        self._user = user
        self._options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"

    def create(self) -> None:
        """Make its files."""
        password = self._folder / "password"
        password.write_text(PASSWORD)
        if self._user:
            for path in (self._folder, password):
                shutil.chown(path, self._user)
        self._run("initdb", "-U", "scanner", "--auth=scram-sha-256", f"--pwfile={password}")

    def start(self) -> None:
        """Start it and wait until it serves."""
        self._run("pg_ctl", "-o", self._options, "-l", str(self._folder / "log"), "-w", "start")

    def stop(self) -> None:
        """End it at once, with all connections."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def sql(self, statement: str) -> None:
        """Run one statement."""
        import psycopg

        host, _colon, port = self.address.partition(":")
        with psycopg.connect(
            host=host, port=int(port), user="scanner", password=PASSWORD, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(t.cast("t.Any", statement))

    def _run(self, program: str, *options: str) -> None:
        subprocess.run(
            [str(self._programs / program), "-D", str(self._folder / "data"), *options],
            check=True,
            user=self._user,
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder), "LC_ALL": "C.UTF-8"},
            stdout=subprocess.DEVNULL,
            timeout=120,
        )


@contextlib.contextmanager
def running_postgresql() -> t.Iterator[Postgresql]:
    """Make a server and run it."""
    try:
        import psycopg  # noqa: F401 - is it there?
    except ImportError:
        missing("the Python package psycopg")
    # Debian keeps initdb and pg_ctl off the PATH.
    programs = Path(os.path.realpath(require_program("postgres"))).parent
    if not (programs / "initdb").exists():
        missing("initdb beside postgres")
    # The server refuses to run as root; a folder below tmp_path would not let another user in.
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="imagescan-postgresql-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Postgresql(programs, folder, port, user)
    try:
        server.create()
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
