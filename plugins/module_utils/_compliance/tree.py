# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare an unpacked root for oscap: what it needs to see the image, and not to take it for something else.

* Packages: librpm opens a database only where its journal can be written, reads only the formats that it was built
  for, and finds nothing in one whose index files are missing; each time oscap calls everything clean. So all headers
  that our own reader finds are written into a new SQLite database of rpm's form, in a folder of its own.
* Symlinks: oscap puts the root before a path and lets the kernel follow, so absolute links would lead into the
  scanner's own root. They are made relative, and none leads out.
* Names of users: see ``without_modules``.
* ``/run/.containerenv`` tells rules that this is a container, and has the word that the canary looks for. ``/proc`` is
  there and empty.

Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import os
import shutil
import stat
import typing as t
from pathlib import Path

from .._core.errors import CorruptData, ScanError
from .._images.file_selection import FileSelection
from .._images.folders import read_folder
from .._images.overlay import parent_of
from .._images.symlinks import PathSteps, SymlinkLoop
from .._images.tar import clean_name
from .._images.unpack_metadata import Owner
from .._packages.model import PackageDatabase
from .._packages.rpm.databases import COMPANIONS, open_rows
from .._packages.rpm.header import lists_of_texts, parse_header
from .content.canary import CANARY_FILE
from .oscap import DATABASE_FOLDER

_DATABASE_LIMIT = 256 * 1024 * 1024
_NAMES_LIMIT = 1 << 20
#: Tables that find packages by what is in a header: table -> tag.
_INDEXES: t.Mapping[str, int] = {
    "Name": 1000,
    "Group": 1016,
    "Providename": 1047,
    "Requirename": 1049,
    "Conflictname": 1054,
    "Obsoletename": 1090,
    "Basenames": 1117,
    "Dirnames": 1118,
}
#: Tables that librpm expects, and that only installing needs.
_EMPTY = (
    *("Triggername", "Installtid", "Sigmd5", "Sha1header", "Filetriggername", "Transfiletriggername"),
    *("Recommendname", "Suggestname", "Supplementname", "Enhancename"),
)


def prepare(root: Path, database: PackageDatabase, token: str) -> int:
    """Prepare a root that is ours and will be thrown away. ``database``: the image's, from its inventory.

    Returns the number of headers in the new database. Raises CorruptData where the database does not hold what it
    held when the inventory was taken, and ScanError where the root cannot be written.
    """
    try:
        headers = _headers(root, database)
        _mend_links(root)
        folder = root / DATABASE_FOLDER
        folder.mkdir(mode=0o755)
        write_database(folder / "rpmdb.sqlite", headers)
        # What an image has there is hidden in a container, and would tell rules of a kernel that is none.
        proc = root / "proc"
        if proc.is_symlink() or proc.is_file():
            proc.unlink()
        elif proc.exists():
            shutil.rmtree(proc)
        _new_folder(proc)
        _new_folder(root / parent_of(CANARY_FILE))
        mark = root / CANARY_FILE
        if mark.is_symlink() or mark.exists():
            mark.unlink()
        mark.write_text(f"imagescan={token}\n", encoding="ascii")
        mark.chmod(0o644)
    except OSError as error:
        raise ScanError(f"the unpacked root cannot be prepared: {error}", code="tree-not-prepared") from error
    return len(headers)


def _new_folder(path: Path) -> None:
    if not path.is_dir():
        path.mkdir()
        path.chmod(0o755)


def _headers(root: Path, database: PackageDatabase) -> list[bytes]:
    """Every header of the image's database, checked."""
    names = {database.path, *(parent_of(database.path) + "/" + name for name in COMPANIONS)}
    files = read_folder(str(root), FileSelection(files=frozenset(names), file_limit=_DATABASE_LIMIT)).files
    if database.path not in files:
        raise CorruptData(f"the root has no {database.path}, which its inventory names", code="tree-other-packages")
    wal = files.get(database.path + "-wal")
    rows = open_rows(files[database.path].data, wal.data if wal else None, database.path)
    headers = []
    for number, blob in rows.rows():
        parse_header(blob, number, database.path)
        headers.append(bytes(blob))
    if len(headers) != database.rows or rows.problem:
        raise CorruptData(
            f"{database.path} has {len(headers)} packages in the unpacked root, and {database.rows} in the inventory",
            code="tree-other-packages",
        )
    return headers


def write_database(path: Path, headers: t.Sequence[bytes]) -> None:
    """Write headers into a new SQLite database as rpm 4.16 and newer make it. Needs no journal to be read."""
    try:
        import sqlite3
    except ImportError as error:
        raise ScanError(
            "this Python has no sqlite3, which makes the package database for oscap", code="sqlite-missing"
        ) from error
    connection = sqlite3.connect(str(path), isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
        connection.executemany("INSERT INTO 'Packages' VALUES (?, ?)", enumerate(headers, 1))
        for table in (*_INDEXES, *_EMPTY):
            connection.execute(
                f"CREATE TABLE '{table}' (key 'TEXT' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL,"
                " FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum))"
            )
        tags = frozenset(_INDEXES.values())
        lists = [lists_of_texts(header, tags) for header in headers]
        for table, tag in _INDEXES.items():
            rows = (
                (text, number, index)
                for number, texts in enumerate(lists, 1)
                for index, text in enumerate(texts.get(tag, ()))
            )
            # The texts are bytes, as they stand in the header: not all are UTF-8.
            connection.executemany(f"INSERT INTO '{table}' VALUES (CAST(? AS TEXT), ?, ?)", rows)
            connection.execute(f"CREATE INDEX '{table}_key_idx' ON '{table}'(key ASC)")
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise ScanError(
            f"the package database for oscap cannot be written: {error}", code="tree-not-prepared"
        ) from error
    finally:
        connection.close()
    path.chmod(0o644)


# Names of users


def without_modules(root: Path) -> None:
    """Let the C library look up names in files alone, in a root that oscap will really chroot into.

    librpm looks up the names of owners while it is in there, and /etc/nsswitch.conf names what is loaded for that: a
    program of the image, with our rights, that could give any rule its result. "files" and "dns" are parts of glibc
    2.34 itself. Raises ScanError where it cannot be written.
    """
    path = root / "etc/nsswitch.conf"
    try:
        if not path.is_file():
            if path.is_symlink():
                path.unlink()
            return  # the default is "files", too
        with path.open("rb") as source:
            text = source.read(_NAMES_LIMIT)
        path.unlink()
        path.write_bytes(b"".join(map(_without_modules, text.splitlines())))
        path.chmod(0o644)
    except OSError as error:
        raise ScanError(f"the unpacked root cannot be prepared: {error}", code="tree-not-prepared") from error


def _without_modules(line: bytes) -> bytes:
    line = line.partition(b"#")[0].replace(b":", b" : ", 1)
    name, *services = line.split() or [b""]
    kept_services = [service for service in services if service in (b"files", b"dns")] or [b"files"]
    return name + b": " + b" ".join(kept_services) + b"\n" if name not in (b"", b":") else b""


# Symlinks


def _leaving_links(root: Path) -> dict[str, str]:
    links: dict[str, str] = {}
    stack = [(str(root), "")]
    while stack:
        folder, inside = stack.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                path = f"{inside}/{entry.name}" if inside else entry.name
                if entry.is_symlink():
                    target = str(Path(entry.path).readlink())
                    if _may_leave(path, target):
                        links[path] = target
                elif entry.is_dir():
                    stack.append((entry.path, path))
    return links


def _mend_links(root: Path) -> None:
    """Make every symlink relative, so that the kernel follows it as a process in the container would."""
    targets = _leaving_links(root)
    for path, target in targets.items():
        place = _resolve(root, path, target, targets)
        depth = path.count("/")
        new = "/".join([".."] * depth + ([place] if place else [])) or "."
        if place is None:
            # A loop of the image is none outside of it, where the old target may lead to something of the scanner.
            new = path.rpartition("/")[2]
        if new != target:
            _replace_link(root / path, new)


def _may_leave(path: str, target: str) -> bool:
    """True if a symlink may lead out of a root that is not "/": all may but those that first go up, and then down."""
    names = [name for name in target.split("/") if name not in ("", ".")]
    ups = names.count("..")
    return target.startswith("/") or ups > path.count("/") or ".." in names[ups:]


def _resolve(root: Path, link: str, target: str, targets: t.Mapping[str, str]) -> str | None:
    """Where a symlink leads inside the root, with the links on the way followed but for the last component.

    ``targets``: those links as they were; the others have no "..". None for a loop.
    """
    names = [] if target.startswith("/") else link.split("/")[:-1]
    steps = PathSteps(target)
    for name in steps:
        if name == "..":
            del names[-1:]
            continue
        names.append(name)
        if not steps.left:
            break
        link_path = "/".join(names)
        link_target = targets.get(link_path)
        if link_target is None:
            try:
                link_target = str((root / link_path).readlink())
            except OSError:
                if (root / link_path).is_dir():
                    continue
                # Nothing, or a file: no ".." behind it leads back to where something is.
                names += [name for name in reversed(steps.left) if name != ".."]
                break
        try:
            steps.follow(link_target)
        except SymlinkLoop:
            return None
        names = [] if link_target.startswith("/") else names[:-1]
    return clean_name("/".join(names))


def _replace_link(path: Path, target: str) -> None:
    status = path.lstat()
    path.unlink()
    path.symlink_to(target)
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        os.lchown(path, status.st_uid, status.st_gid)


# Owners


def owners_for_fakeroot(root: Path, owners: t.Mapping[str, Owner]) -> bytes:
    """Write the input of ``fakeroot -i``: owner and mode of the files whose owner and mode the disk could not have.

    fakeroot shows all other files as root's. What was recorded of a path that is gone, or is something else now, is
    left out.
    """
    lines = []
    for path, owner in owners.items():
        try:
            status = (root / path).lstat()
        except OSError:
            continue
        if stat.S_IFMT(status.st_mode) == stat.S_IFMT(owner.mode):
            lines.append(
                f"dev={status.st_dev:x},ino={status.st_ino},mode={owner.mode:o},uid={owner.uid},gid={owner.gid},"
                f"nlink={status.st_nlink},rdev=0\n"
            )
    return "".join(lines).encode("ascii")
