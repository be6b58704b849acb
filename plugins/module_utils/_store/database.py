# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reaching the database: URLs, transactions, and errors that say what is wrong with which store.

SQLite keeps its default rollback journal. A WAL would let readers run beside a writer, but opening one for reading
leaves files behind (check mode must not) and does not work on network file systems; writes here are short instead.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import typing as t
from pathlib import Path

from .._core.errors import InputError, ScanError
from .places import dies_with_job, mounts_of_process

if t.TYPE_CHECKING:
    import sqlalchemy as sa

Result = t.TypeVar("Result")

#: How long a writer waits for another one, in seconds.
BUSY_SECONDS = 60.0
#: How often a transaction is tried when concurrent ones get in its way.
ATTEMPTS = 5
DEFAULT_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
SECRETS_IN_QUERY = ("password", "passwd", "pwd", "sslpassword", "passfile_password")


class StoreError(ScanError):
    """The store cannot be reached, read or written."""

    code = "store-error"


def _parse_url(url: str, password: str) -> sa.URL:
    """Read a store's address: a SQLAlchemy URL, or the path of a SQLite file. A password inside is refused."""
    import sqlalchemy as sa

    if not url.strip():
        raise InputError("the store has no address", hint="give a path or a URL such as sqlite:////var/lib/scan.db")
    if "://" not in url:
        return sa.URL.create("sqlite", database=str(Path(url).expanduser().absolute()))
    scheme = url.partition("://")[0]
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise InputError(
            f"the store's URL, with the scheme {scheme[:40]!r}, cannot be read",
            hint="expected sqlite:///PATH or postgresql://USER@HOST/DATABASE",
        ) from None
    hidden = [name for name in parsed.query if name.lower() in SECRETS_IN_QUERY]
    if parsed.password is not None or hidden:
        raise InputError(
            "the store's URL holds a password, which would show in logs and process lists",
            hint="take it out and give it as store_password, or in the variable IMAGESCAN_STORE_PASSWORD",
        )
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql", "postgres"):
        raise InputError(f"the store cannot be a {backend} database", hint="SQLite and PostgreSQL are supported")
    if backend == "sqlite":
        if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
            raise InputError(f"the SQLite driver {parsed.drivername} is not supported", hint="expected sqlite:///PATH")
        if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
            raise InputError("a SQLite store needs the path of a file", hint="expected sqlite:///PATH")
        return sa.URL.create("sqlite", database=str(Path(parsed.database).expanduser().absolute()))
    if parsed.drivername in DEFAULT_DRIVERS:
        parsed = parsed.set(drivername=DEFAULT_DRIVERS[parsed.drivername])
    return parsed.set(password=password or None)


class Database:
    """An engine with short transactions. ``where`` names the store in messages and never holds a secret."""

    def __init__(self, engine: sa.Engine, where: str, *, read_only: bool) -> None:
        self._engine = engine
        self.where = where
        self.read_only = read_only

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextlib.contextmanager
    def reading(self) -> t.Iterator[sa.Connection]:
        """A connection inside a transaction that is rolled back: one consistent view."""
        import sqlalchemy as sa

        try:
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise store_error(error, self.where) from error

    def write(self, work: t.Callable[[sa.Connection], Result]) -> Result:
        """Run ``work`` in one transaction, again when a concurrent one got in the way; all of it holds, or nothing."""
        import sqlalchemy as sa

        if self.read_only:
            raise StoreError(f"the store {self.where} is opened for reading only", code="store-read-only")
        attempt = 1
        while True:
            try:
                with self._engine.connect().execution_options(imagescan_write=True) as connection, connection.begin():
                    return work(connection)
            except sa.exc.SQLAlchemyError as error:
                if attempt == ATTEMPTS or not _worth_another_try(error):
                    raise store_error(error, self.where) from error
            time.sleep(0.05 * attempt)
            attempt += 1

    def create(self, metadata: sa.MetaData) -> None:
        """Create what is missing of the tables. Two runs may do so at once."""
        self.write(lambda connection: metadata.create_all(connection, checkfirst=True))

    def table_names(self) -> set[str]:
        """Names of the tables that exist."""
        import sqlalchemy as sa

        with self.reading() as connection:
            return set(sa.inspect(connection).get_table_names())


def _worth_another_try(error: Exception) -> bool:
    """Two runs inserted the same row, or PostgreSQL ended one of two transactions that waited for each other."""
    import sqlalchemy as sa

    if isinstance(error, sa.exc.IntegrityError):
        return True
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    if state in ("40001", "40P01"):
        return True
    # Two runs that create the same tables at once.
    return isinstance(error, sa.exc.ProgrammingError) and state in ("42P07", "42710")


def store_error(error: Exception, where: str) -> ScanError:
    """Say in plain words what a database error means, and what to do."""
    origin = getattr(error, "orig", None) or error
    text = " ".join(str(origin).split())[:300]
    low = text.lower()
    for pattern, code, meaning, hint in _MEANINGS:
        if re.search(pattern, low):
            return StoreError(f"{meaning} ({text})", code=code, hint=hint, subject=f"store {where}")
    return StoreError(text or type(origin).__name__, subject=f"store {where}")


_MEANINGS = (
    (r"file is not a database|file is encrypted", "store-invalid", "it is not a SQLite database", "give another path"),
    (r"malformed|disk i/o error", "store-corrupt", "the database is damaged", "restore it or give another path"),
    (r"is full|no space left", "store-full", "nothing more can be written", "make room on the disk and run again"),
    (r"is locked|lock timeout", "store-locked", "another process keeps it locked", "wait for it and run again"),
    (r"readonly database|read-only", "store-unwritable", "it cannot be written", "check owner and mode of the file"),
    (r"unable to open", "store-unreachable", "it cannot be opened", "check the path and who may read it"),
    (
        r"authentication failed|no password supplied",
        "store-refused",
        "the server refuses the login",
        "check user and store_password",
    ),
    (r"does not exist", "store-missing", "something is missing on the server", "create database and role first"),
    (
        r"connection refused|could not translate|failed to resolve|timeout expired|connection failed",
        "store-unreachable",
        "the server cannot be reached",
        "check host and port",
    ),
    (r"permission denied", "store-refused", "the role may not do this", "grant it the rights on schema and tables"),
)


def open_database(url: str, password: str, *, create: bool, read_only: bool) -> Database | None:
    """Open the database behind a URL; None where it does not exist and may not be created.

    A new SQLite file gets mode 0600 and missing folders mode 0700, whatever the umask says.
    """
    import sqlalchemy as sa

    parsed = _parse_url(url, password)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(str(parsed.database), create=create, read_only=read_only)
    where = parsed.set(password=None, query={}).render_as_string()
    try:
        engine = sa.create_engine(parsed, pool_pre_ping=True, connect_args={"connect_timeout": 20})
    except sa.exc.ArgumentError as error:
        raise InputError(f"the store's URL cannot be used: {error}") from None
    return Database(engine, where, read_only=read_only)


def _open_sqlite(path: str, *, create: bool, read_only: bool) -> Database | None:
    import sqlalchemy as sa

    file = Path(path)
    if dies_with_job(path, os.environ, mounts_of_process()):
        raise StoreError(
            f"{path} is in the container of this job, and gone when it ends, with all that a store remembers",
            code="store-not-kept",
            hint="give a PostgreSQL database, as in scan_store: postgresql://USER@HOST/DATABASE with its password in "
            "IMAGESCAN_STORE_PASSWORD, or a file on a volume that is mounted into the execution environment and stays",
        )
    try:
        if file.is_dir():
            raise StoreError(f"{path} is a folder", code="store-invalid", hint="a SQLite store is a file")
        if not file.exists():
            if read_only or not create:
                return None
            Path(file.parent).mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(f"{path}: {reason}", code="store-unreachable", hint="check the path and its rights") from error
    quoted = str(file.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    mode = "ro" if read_only else "rw"
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: _connect(f"file:{quoted}?mode={mode}"),
        poolclass=sa.pool.NullPool,
    )

    def begin(connection: sa.Connection) -> None:
        # The driver would begin a transaction at the first write only: two readers that then write deadlock.
        writing = connection.get_execution_options().get("imagescan_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    sa.event.listen(engine, "begin", begin)
    return Database(engine, path, read_only=read_only)


def _connect(uri: str) -> t.Any:
    import sqlite3

    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection
