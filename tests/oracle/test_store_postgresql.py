# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store in a PostgreSQL server of this test's own."""

from __future__ import annotations

import socket
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import Store, open_store
from ansible_collections.imagescan.openshift.tests.support.postgresql import PASSWORD, Postgresql, running_postgresql
from ansible_collections.imagescan.openshift.tests.support.store_contract import StoreContract


@pytest.fixture(scope="module")
def postgresql() -> t.Iterator[Postgresql]:
    with running_postgresql() as server:
        yield server


@pytest.fixture
def server(postgresql: Postgresql) -> str:
    """Host and port."""
    return postgresql.address


class TestPostgresql(StoreContract):
    """The contract."""

    @pytest.fixture
    def open_it(self, postgresql: Postgresql) -> t.Iterator[t.Callable[..., Store]]:
        """A database for each test."""
        postgresql.sql("CREATE DATABASE store")
        yield lambda **options: open_store(f"postgresql://scanner@{postgresql.address}/store", PASSWORD, **options)
        postgresql.sql("DROP DATABASE store WITH (FORCE)")


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
        assert store.images.all() == []
    with pytest.raises(ScanError, match="store is empty"):
        open_store(f"postgresql://scanner@{server}/postgres", PASSWORD, create=False)


def test_a_server_that_stops_is_said(postgresql: Postgresql) -> None:
    with open_store(f"postgresql://scanner@{postgresql.address}/postgres", PASSWORD) as store:
        store.images.all()
        postgresql.stop()
        try:
            for _attempt in range(2):  # first the connection that was open, then a new one
                with pytest.raises(ScanError) as raised:
                    store.images.all()
                assert raised.value.code == "store-unreachable", str(raised.value)
        finally:
            postgresql.start()


def test_a_server_that_is_not_there_is_said() -> None:
    pytest.importorskip("psycopg", reason="the package psycopg is optional")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with pytest.raises(ScanError) as raised:
            open_store(f"postgresql://scanner@127.0.0.1:{probe.getsockname()[1]}/store", PASSWORD)
    assert raised.value.code == "store-unreachable"
    assert PASSWORD not in str(raised.value)
