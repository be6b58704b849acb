# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell a root of static programs from one of a distribution: shared libraries, dynamic programs, package managers.

Asked only of a root in which none of the wanted files is, so that other images cost nothing. What cannot be told
counts as dynamic: an image is called static only if everything in it was understood. Standard library only.
"""

from __future__ import annotations

import re
import struct
import typing as t

#: A program or library whose headers are this long is not produced by any linker.
HEAD = 64 << 10
_DYNAMIC_LIMIT = 64 << 10
_ELF = b"\x7fELF"
_EXECUTABLE, _SHARED = 2, 3
_PT_DYNAMIC, _PT_INTERP = 2, 3
_DT_NULL, _DT_NEEDED = 0, 1

#: Also loaders under any name: ld64.so.2, ld-2.28.so.
_LIBRARY = re.compile(r"\.so(\.[0-9]+)*$")
#: Folders that package managers keep their state and settings in; below any root, also one inside the root.
_FOLDERS = (
    *("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm", "usr/lib/rpm", "etc/rpm", "etc/pki/rpm-gpg"),
    *("var/lib/dnf", "usr/lib/sysimage/libdnf5", "var/lib/yum", "etc/yum.repos.d", "etc/yum", "etc/dnf"),
    *("var/lib/zypp", "etc/zypp", "var/lib/urpmi", "etc/urpmi"),
    *("var/lib/dpkg", "usr/lib/dpkg", "etc/dpkg", "etc/apt", "var/lib/apt", "usr/lib/apt"),
    *("etc/apk", "lib/apk", "var/lib/pacman", "etc/pacman.d", "usr/lib/opkg", "var/lib/opkg", "etc/opkg"),
    *("var/db/pkg", "etc/portage", "var/db/xbps", "var/lib/xbps", "var/log/packages", "var/lib/pkgtools"),
    *("nix/store", "gnu/store", "usr/share/clear", "usr/share/defaults/swupd", "var/lib/eopkg"),
)
_TRACE = re.compile(
    "(?:^|/)(?:"
    + "|".join(map(re.escape, _FOLDERS))
    + r"|conda-meta|etc/(?:yum|dnf|pacman|opkg)\.conf|etc/(?:debian|slackware)[_-]version"
    + r"|etc/ld\.so\.(?:cache|conf)|(?:etc|usr/lib)/[a-z0-9_-]+-release)(?:/|$)",
    re.IGNORECASE,
)


def is_trace(path: str) -> bool:
    """True if a path is that of a shared library or loader, or is left by a distribution or its package manager."""
    return _LIBRARY.search(path) is not None or _TRACE.search(path) is not None


class ProgramReader:
    """Take the content of one file, in pieces, and say whether it is a dynamically linked program.

    Keeps at most the first ``HEAD`` bytes of an ELF file, and its dynamic section. ``report`` is called once, as soon
    as it shows; ``done`` says that no further piece is needed.
    """

    def __init__(self, size: int, report: t.Callable[[], None]) -> None:
        self._need = min(size, HEAD)
        self._seen = report
        self._at = 0
        self._head = bytearray()
        self._section = bytearray()
        self._start = self._end = 0
        self.done = size < 64  # too short for a header and a segment: the kernel runs no such file

    def write(self, data: memoryview) -> None:
        """Take the next bytes."""
        if self.done:
            return
        if len(self._head) < self._need:
            taken = min(self._need - len(self._head), len(data))
            self._head += data[:taken]
            self._at += taken
            data = data[taken:]
            if self._head[:4] != _ELF[: len(self._head)]:
                self.done = True
            if self.done or len(self._head) < self._need:
                return
            self._read_head()
            if self.done:
                return
            self._section += self._head[self._start : self._end]
        self._section += data[max(self._start - self._at, 0) : max(self._end - self._at, 0)]
        self._at += len(data)
        if self._at >= self._end:
            self._decide(self._needs_library())

    def finish(self) -> None:
        """All bytes were given: a dynamic section that the file does not have whole is not understood."""
        if not self.done:
            self._decide(True)

    def _decide(self, is_dynamic: bool) -> None:
        self.done = True
        if is_dynamic:
            self._seen()

    def _read_head(self) -> None:
        """Read the program headers; what is not as the kernel wants it counts as dynamic."""
        head = self._head
        self._wide, self._order = head[4] == 2, ">" if head[5] == 2 else "<"
        if head[4] not in (1, 2) or head[5] not in (1, 2):
            self._decide(True)
            return
        if self._number("H", 16) not in (_EXECUTABLE, _SHARED):
            self._decide(False)  # an object file, a core
            return
        table = self._number(*(("Q", 32) if self._wide else ("I", 28)))
        size, count = (self._number("H", position) for position in ((54, 56) if self._wide else (42, 44)))
        if size != (56 if self._wide else 32) or table + size * count > len(head):
            self._decide(True)
            return
        segments = [self._segment(position) for position in range(table, table + size * count, size)]
        sections = [(start, length) for kind, start, length in segments if kind == _PT_DYNAMIC]
        if any(kind == _PT_INTERP for kind, _start, _length in segments) or len(sections) > 1:
            self._decide(True)
        elif not sections:
            self._decide(False)
        else:
            self._start, length = sections[0]
            self._end = self._start + length
            if length > _DYNAMIC_LIMIT:
                self._decide(True)

    def _segment(self, position: int) -> tuple[int, int, int]:
        """Kind, start in the file and length of a segment."""
        if self._wide:
            return self._number("I", position), self._number("Q", position + 8), self._number("Q", position + 32)
        return self._number("I", position), self._number("I", position + 4), self._number("I", position + 16)

    def _needs_library(self) -> bool:
        form = self._order + ("qQ" if self._wide else "iI")
        width = struct.calcsize(form)
        for position in range(0, len(self._section) - width + 1, width):
            tag, _value = struct.unpack_from(form, self._section, position)
            if tag == _DT_NEEDED:
                return True
            if tag == _DT_NULL:
                break
        return False

    def _number(self, form: str, position: int) -> int:
        number: int = struct.unpack_from(self._order + form, self._head, position)[0]
        return number
