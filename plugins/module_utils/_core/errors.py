# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception tree of the collection.

Everything that can go wrong for a reason of the outside world (input, network, a corrupt image, a limit) is a
``ScanError``; anything else that escapes is a defect of ours. Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import typing as t


class ScanError(Exception):
    """Something outside our code is wrong.

    ``code`` is a stable, machine-readable reason (lower case, dashes), kept in stores and reports.
    ``message`` says what failed, on what, and why; ``hint`` says what to do about it.
    ``subject`` names the image, file or pod. ``partial`` is what was learnt before it failed.
    """

    code = "scan-error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str = "",
        subject: str = "",
        partial: t.Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.hint = hint
        self.subject = subject
        self.partial = partial

    def __str__(self) -> str:
        text = f"{self.subject}: {self.message}" if self.subject else self.message
        return f"{text} ({self.hint})" if self.hint else text


class InputError(ScanError):
    """An option, a policy or another document that a person wrote is wrong."""

    code = "invalid-input"


class CorruptData(ScanError):
    """Data from an image, a feed or a file does not have the form that its kind promises."""

    code = "corrupt-data"


class LimitExceeded(ScanError):
    """Data is larger, deeper or slower than we are willing to read."""

    code = "limit-exceeded"


class IntegrityError(ScanError):
    """Bytes do not have the digest that names them."""

    code = "digest-mismatch"


class UnsupportedImage(ScanError):
    """The image uses something that we do not read (schema 1, foreign layers, unknown media types)."""

    code = "unsupported-image"


class RegistryError(ScanError):
    """A registry refused, failed or could not be reached. ``status`` is the HTTP status, 0 without an answer."""

    code = "registry-error"

    def __init__(self, message: str, *, status: int = 0, **details: t.Any) -> None:
        super().__init__(message, **details)
        self.status = status


class Abandoned(ScanError):
    """Nobody waits for the result any more: the watching playbook is gone."""

    code = "abandoned"
