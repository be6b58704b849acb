# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the bytecode of what Ansible sends to a host: a task of ours then costs half the processor time.

Ansible sends a module with all that it imports as a zip archive under a new name, and Python keeps no bytecode of
archives: each task compiles more than a hundred files, and each of them twice. ``environments.py`` puts this file into
the environments of tests, where each Python imports it as it starts. What is not there, or of other bytes than these,
is compiled. Standard library only, and little of it.
"""

from __future__ import annotations

import _imp
import marshal
import os
import sys
import zipimport
from _frozen_importlib_external import MAGIC_NUMBER

TYPE_CHECKING = False  # importing typing takes longer than the rest
if TYPE_CHECKING:
    from types import CodeType

#: How the paths of Ansible's archives end.
ARCHIVE = "_payload.zip" + os.sep
FOLDER = os.path.join(sys.prefix, "zip-bytecode")  # noqa: PTH118 - pathlib takes longer than the rest, too

_compile = zipimport._compile_source


def kept_or_compiled(pathname: str, source: bytes) -> CodeType:
    """The code of a file in an archive (``pathname``: the path of the archive and the name in it)."""
    name = pathname.partition(ARCHIVE)[2]
    if not name:
        return _compile(pathname, source)
    kept = f"{FOLDER}{os.sep}{name.replace(os.sep, '.')}c"
    head = MAGIC_NUMBER + _imp.source_hash(int.from_bytes(MAGIC_NUMBER[:2], "little"), source)
    try:
        with open(kept, "rb") as file:
            data = file.read()
        if data.startswith(head):
            code: CodeType = marshal.loads(data[len(head) :])
            _imp._fix_co_filename(code, pathname)
            return code
    except (OSError, EOFError, ValueError, TypeError):
        pass  # not there, or damaged
    code = _compile(pathname, source)
    fresh = f"{kept}.{os.getpid()}"
    try:
        with open(fresh, "wb") as file:
            file.write(head + marshal.dumps(code))
        os.replace(fresh, kept)  # noqa: PTH105 - as above; at once, since others read it
    except OSError:
        pass  # a task of another user
    return code


zipimport._compile_source = kept_or_compiled
