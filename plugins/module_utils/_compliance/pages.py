# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSCAP's own page for an ARF that was kept: it takes seconds and megabytes, so it is made when somebody asks."""

from __future__ import annotations

import os
import subprocess
import tempfile
import zlib
from pathlib import Path

from .._core.errors import CorruptData, LimitExceeded, ScanError

ARF_LIMIT = 256 << 20
SECONDS = 300.0
#: What an image says may be on the page: it may run its own script, and reach nothing.
_POLICY = (
    b"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline';"
    b" script-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'\">"
)


def render_page(arf: bytes, oscap: str) -> bytes:
    """The HTML page. ``arf``: compressed with gzip; ``oscap``: the program.

    Raises CorruptData and LimitExceeded for an ARF that is none, and ScanError ``oscap-report`` where oscap fails.
    """
    reader = zlib.decompressobj(31)
    try:
        document = reader.decompress(arf, ARF_LIMIT)
    except zlib.error as error:
        raise CorruptData(f"the ARF cannot be unpacked: {error}") from error
    if not reader.eof:
        if len(document) >= ARF_LIMIT:
            raise LimitExceeded(f"the ARF has more than {ARF_LIMIT} bytes")
        raise CorruptData("the ARF is cut short")
    with tempfile.TemporaryDirectory(prefix="imagescan-page-") as folder:
        source, page = Path(folder) / "arf.xml", Path(folder) / "page.html"
        source.write_bytes(document)
        command = [oscap, "xccdf", "generate", "report", "--output", str(page), str(source)]
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "HOME": folder}
        try:
            # No module is here, whose run_command there would be.
            process = subprocess.run(  # pylint: disable=ansible-bad-function
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ScanError(f"oscap made no page: {error}", code="oscap-report") from error
        if process.returncode or not page.is_file():
            message = " ".join(process.stderr.decode("utf-8", "replace").split())[-300:]
            raise ScanError(
                f"oscap made no page and ended with {process.returncode}: {message or 'it said nothing'}",
                code="oscap-report",
            )
        html = page.read_bytes()
    head, head_tag, remainder = html.partition(b"<head>")
    if not head_tag:
        raise ScanError("the page that oscap made has no head", code="oscap-report")
    return head + head_tag + _POLICY + remainder
