# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenPGP keys made for a test, and signatures by them."""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

import pysequoia


class Signer:
    """A key of its own."""

    def __init__(self, name: str = "Feed Maker <feed@example.com>") -> None:
        self._key = pysequoia.Tsk.generate(name)
        self.certificate = self._key.extract_certificate()

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint

    @property
    def secret(self) -> bytes:
        """The secret key, armored."""
        return str(self._key).encode()

    def sign(self, data: bytes) -> bytes:
        """A detached signature, armored."""
        return pysequoia.sign(self._key.signer(), data, mode=pysequoia.SignatureMode.DETACHED)

    def sign_file(self, path: Path) -> Path:
        """The signature beside a file, as feeds have it."""
        signature = path.with_name(f"{path.name}.asc")
        signature.write_bytes(self.sign(path.read_bytes()))
        return signature

    def sign_documents(self, feed: Path) -> None:
        """Sign every document of a folder."""
        for path in feed.rglob("*.json"):
            self.sign_file(path)

    def expired(self) -> pysequoia.Cert:
        """The certificate as it looks when its time is over; the library makes keys a minute old."""
        end = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=10)
        return self.certificate.set_expiration(end, self._key.certifier())

    def revoked(self) -> pysequoia.Cert:
        """The certificate with its revocation."""
        revocation = self.certificate.revoke(self._key.certifier())
        return pysequoia.Cert.from_bytes(bytes(self.certificate) + bytes(revocation))


def write_keys(path: Path, *keys: Signer | pysequoia.Cert) -> Path:
    """A key file as a user names it."""
    certificates: list[t.Any] = [key.certificate if isinstance(key, Signer) else key for key in keys]
    path.write_text("".join(map(str, certificates)))
    return path
