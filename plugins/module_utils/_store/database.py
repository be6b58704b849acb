# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database of a store: URLs, transactions, its schema, and errors that say what is wrong with which store.

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
from .bodies import put_row
from .model import SCHEMA_VERSION
from .names import adopt_references
from .places import dies_with_job, mounts_of_process
from .tables import tables
from .texts import chunks

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
    """An engine with short transactions. ``place`` names the store in messages and never holds a secret."""

    def __init__(self, engine: sa.Engine, place: str, *, read_only: bool) -> None:
        self._engine = engine
        self.where = place
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

    def rows(self, query: sa.Select[t.Any]) -> t.Sequence[t.Any]:
        """Read all rows of a query."""
        with self.reading() as connection:
            return connection.execute(query).all()

    def first(self, query: sa.Select[t.Any]) -> t.Any:
        """Read the first row of a query; None where there is none."""
        with self.reading() as connection:
            return connection.execute(query).first()

    def rows_in(self, query: sa.Select[t.Any], column: t.Any, values: t.Iterable[str]) -> list[t.Any]:
        """Read the rows of a query whose column has one of the values, of which there may be any number."""
        rows: list[t.Any] = []
        with self.reading() as connection:
            for part in chunks(sorted(set(values))):
                rows += connection.execute(query.where(column.in_(part))).all()
        return rows

    def has(self, table: sa.Table) -> bool:
        """Tell whether a table is there; it may not be in a store of an older version that is open for reading."""
        return not self.read_only or table.name in self.table_names()

    def table_names(self) -> set[str]:
        """Read the names of the tables that exist."""
        import sqlalchemy as sa

        with self.reading() as connection:
            return set(sa.inspect(connection).get_table_names())

    def check_version(self) -> None:
        """Refuse what a newer version of the collection wrote. Raises StoreError."""
        row = self.first(_version_query())
        version = str(SCHEMA_VERSION) if row is None else row.value
        if not version.isdecimal() or int(version) > SCHEMA_VERSION:
            raise StoreError(
                f"its schema version is {version[:20]}; this version of the collection knows {SCHEMA_VERSION} at most",
                code="store-too-new",
                hint="update the collection, or give another store",
                subject=f"store {self.where}",
            )

    def upgrade(self) -> None:
        """Note the version in a new store, and bring what an older version wrote to the present form."""
        meta = tables().meta
        row = self.first(_version_query())
        if row is not None and row.value == str(SCHEMA_VERSION):
            return

        def work(connection: sa.Connection) -> None:
            # Of two runs that come at once, the second one waits here and finds nothing to do.
            value = connection.execute(_version_query().with_for_update()).scalar()
            key = {"name": "schema_version"}
            if value is None or int(value) < SCHEMA_VERSION:
                if value is not None:
                    adopt_references(connection)
                put_row(connection, meta, key, {"value": str(SCHEMA_VERSION)}, new=value is None)

        self.write(work)

    def create_tables(self) -> None:
        """Create what is missing of the tables. Two runs may do so at once."""
        self.write(lambda connection: tables().metadata.create_all(connection, checkfirst=True))


def _version_query() -> sa.Select[t.Any]:
    import sqlalchemy as sa

    meta = tables().meta
    return sa.select(meta.c.value).where(meta.c.name == "schema_version")


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


def store_error(error: Exception, place: str) -> ScanError:
    """Say in plain words what a database error means, and what to do."""
    origin = getattr(error, "orig", None) or error
    text = " ".join(str(origin).split())[:300]
    low = text.lower()
    for pattern, code, meaning, hint in _MEANINGS:
        if re.search(pattern, low):
            return StoreError(f"{meaning} ({text})", code=code, hint=hint, subject=f"store {place}")
    return StoreError(text or type(origin).__name__, subject=f"store {place}")


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


def open_database(url: str, password: str, *, create: bool, read_only: bool) -> Database:
    """Open the database of a store and see to its schema; ``open_store`` tells about ``create`` and ``read_only``.

    A new SQLite file gets mode 0600 and missing folders mode 0700, whatever the umask says. Raises StoreError.
    """
    database = _connected(url, password, create=create, read_only=read_only)
    if database is None:
        if read_only:
            return _empty_database()
        raise StoreError(
            "there is no such store",
            code="store-missing",
            hint="scan images into it first, or check the path",
            subject=f"store {url}",
        )
    names = database.table_names()
    if tables().meta.name not in names:
        if read_only:
            database.close()
            return _empty_database()
        if not create:
            problem = "the database holds no store of ours" if names else "the store is empty"
            raise StoreError(problem, code="store-missing", subject=f"store {database.where}")
        database.create_tables()
        names = set(tables().metadata.tables)
    database.check_version()
    if not read_only:
        if not names >= set(tables().metadata.tables):
            database.create_tables()  # An older version of the collection made it, which had fewer tables.
        database.upgrade()
    return database


def _empty_database() -> Database:
    """A database in memory: what check mode sees where there is no store yet."""
    import sqlalchemy as sa

    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool, connect_args={"check_same_thread": False})
    tables().metadata.create_all(engine)
    return Database(engine, "(none yet)", read_only=True)


def sqlite_path(url: str) -> str:
    """Tell which file the store at a URL is; empty for a database of a server. Raises InputError for no such URL."""
    parsed = _parse_url(url, "")
    return str(parsed.database) if parsed.get_backend_name() == "sqlite" else ""


def _connected(url: str, password: str, *, create: bool, read_only: bool) -> Database | None:
    """The database behind a URL; None where it does not exist and may not be created."""
    import sqlalchemy as sa

    parsed = _parse_url(url, password)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(str(parsed.database), create=create, read_only=read_only)
    place = parsed.set(password=None, query={}).render_as_string()
    try:
        engine = sa.create_engine(parsed, pool_pre_ping=True, connect_args={"connect_timeout": 20})
    except sa.exc.ArgumentError as error:
        raise InputError(f"the store's URL cannot be used: {error}") from None
    return Database(engine, place, read_only=read_only)


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
