# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store in a PostgreSQL server of this test's own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import Store, open_store
from ansible_collections.imagescan.openshift.tests.support.programs import require_program
from ansible_collections.imagescan.openshift.tests.support.requirements import missing
from ansible_collections.imagescan.openshift.tests.support.store_contract import StoreContract

PASSWORD = "canary-secret"


def find_server_programs() -> Path:
    """Folder of initdb and pg_ctl: Debian keeps them off the PATH."""
    beside = Path(os.path.realpath(require_program("postgres"))).parent
    if not (beside / "initdb").exists():
        missing("initdb beside postgres")
    return beside


@pytest.fixture(scope="module")
def server() -> t.Iterator[str]:
    """Host and port of a fresh server."""
    try:
        import psycopg  # noqa: F401 - is it there?
    except ImportError:
        missing("the Python package psycopg")
    programs = find_server_programs()
    # The server refuses to run as root; a folder below tmp_path would not let another user in.
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="imagescan-postgresql-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    password = folder / "password"
    password.write_text(PASSWORD)
    if user:
        for path in (folder, password):
            shutil.chown(path, user)

    def run(*command: str | Path) -> None:
        subprocess.run(
            list(map(str, command)),
            check=True,
            user=user,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"},
            stdout=subprocess.DEVNULL,
            timeout=120,
        )

    data = folder / "data"
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        run(programs / "initdb", "-D", data, "-U", "scanner", "--auth=scram-sha-256", f"--pwfile={password}")
        run(programs / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        try:
            yield f"127.0.0.1:{port}"
        finally:
            run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sql(server: str, statement: str) -> None:
    """Run one statement."""
    import psycopg

    host, _colon, port = server.partition(":")
    with psycopg.connect(
        host=host, port=int(port), user="scanner", password=PASSWORD, dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(statement)


class TestPostgresql(StoreContract):
    """The contract."""

    @pytest.fixture
    def open_it(self, server: str) -> t.Iterator[t.Callable[..., Store]]:
        """A database for each test."""
        sql(server, "CREATE DATABASE store")
        yield lambda **options: open_store(f"postgresql://scanner@{server}/store", PASSWORD, **options)
        sql(server, "DROP DATABASE store WITH (FORCE)")


@pytest.mark.parametrize(
    ("database", "password", "code"),
    [("postgres", "wrong", "store-refused"), ("nothing", PASSWORD, "store-missing")],
)
def test_a_server_that_refuses_is_said_without_secrets(server: str, database: str, password: str, code: str) -> None:
    with pytest.raises(ScanError) as raised:
        open_store(f"postgresql://scanner@{server}/{database}", password)
    assert raised.value.code == code
    assert password not in str(raised.value)


def test_check_mode_takes_a_database_without_tables_for_an_empty_store(server: str) -> None:
    with open_store(f"postgresql://scanner@{server}/postgres", PASSWORD, read_only=True) as store:
        assert store.images() == []
    with pytest.raises(ScanError, match="store is empty"):
        open_store(f"postgresql://scanner@{server}/postgres", PASSWORD, create=False)


def test_a_server_that_is_not_there_is_said() -> None:
    pytest.importorskip("psycopg")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with pytest.raises(ScanError) as raised:
            open_store(f"postgresql://scanner@127.0.0.1:{probe.getsockname()[1]}/store", PASSWORD)
    assert raised.value.code == "store-unreachable"
    assert PASSWORD not in str(raised.value)
