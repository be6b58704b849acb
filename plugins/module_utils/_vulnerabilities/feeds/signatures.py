# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detached OpenPGP signatures of feed files, checked with keys that the user names; no key is ever looked up.

Sequoia (``pysequoia``) does the checking and says only whether a signature holds. Why it does not is worked out here,
for the message; what is worked out never makes a signature good.

Stricter than Sequoia: a certificate that has expired or was revoked by now is not used at all, since whoever holds its
secret key can date signatures back; and a signature must be over the bytes, not over text whose line ends may change.
"""

from __future__ import annotations

import contextlib
import datetime
import typing as t
from pathlib import Path

from ..._core.errors import CorruptData, InputError, LimitExceeded

if t.TYPE_CHECKING:
    import pysequoia

#: Ends the name of the signature of a file.
SUFFIX = ".asc"
#: Begins the reason of a document that is rejected for its signature.
REJECTED_FOR = "signature: "
SIGNATURE_LIMIT = 64 << 10
KEYS_LIMIT = 4 << 20
_SIGNATURES_LIMIT = 16  # in one file: a key that follows another signs beside it for a while
_HINT = "get the vendor's current key, over a way that you trust"


class BadSignature(CorruptData):
    """A signature does not hold. Its message says why, and can follow "rejected: "."""

    code = "feed-signature-bad"


class Keys:
    """The certificates of a key file. ``fingerprint``: those of the usable ones, sorted, with a space between."""

    def __init__(self, path: str, certificates: t.Sequence[pysequoia.Cert]) -> None:
        present = datetime.datetime.now(datetime.timezone.utc)
        self._path = path
        self._unusable: dict[str, str] = {}
        self._usable: list[pysequoia.Cert] = []
        self._owners: dict[str, str] = {}
        #: The public parts, armored: what may be handed on, even where the file has secret ones.
        self.public = "".join(map(str, certificates))
        for certificate in certificates:
            name = certificate.fingerprint
            self._owners.update((key, name) for key in _key_ids(certificate))
            if certificate.is_revoked:
                self._unusable[name] = "has been revoked"
            elif certificate.expiration is not None and certificate.expiration <= present:
                self._unusable[name] = f"expired on {certificate.expiration.date()}"
            else:
                self._usable.append(certificate)
        self.fingerprint = " ".join(sorted(certificate.fingerprint for certificate in self._usable))
        if not self._usable:
            reasons = "; ".join(f"{name} {reason}" for name, reason in self._unusable.items())
            raise InputError(f"no key of {path} can be used: {reasons}", code="signature-key", hint=_HINT)

    @classmethod
    def read(cls, path: str) -> Keys:
        """The certificates of a file, armored or binary, one or several.

        Raises InputError (``signature-key``) where it has none that can be used, ImportError without pysequoia.
        """
        try:
            with Path(path).open("rb") as stream:
                data = stream.read(KEYS_LIMIT + 1)
        except OSError as error:
            raise InputError(
                f"the key file {path} cannot be read: {error.strerror or error}",
                code="signature-key",
                hint="check the path and its rights",
            ) from error
        return cls.of(data, path)

    @classmethod
    def of(cls, data: bytes, path: str) -> Keys:
        """The certificates of a key file's content. ``path`` for messages."""
        import pysequoia

        if len(data) > KEYS_LIMIT:
            raise InputError(f"the key file {path} has more than {KEYS_LIMIT >> 20} MiB", code="signature-key")
        try:
            certificates = pysequoia.Cert.split_bytes(data)
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"the key file {path} cannot be read as OpenPGP keys: {_first_line(error)}",
                code="signature-key",
                hint=_HINT,
            ) from error
        if not certificates:
            raise InputError(f"the key file {path} has no OpenPGP key in it", code="signature-key", hint=_HINT)
        return cls(path, certificates)

    def check(self, data: bytes, signature: bytes) -> None:
        """Raise BadSignature unless one of the signatures in ``signature`` is a good one over ``data``."""
        self._check(signature, {"bytes": data})

    def check_file(self, path: str, signature: bytes) -> None:
        """The same for a large file."""
        self._check(signature, {"file": path})

    def _check(self, signature: bytes, signed_content: dict[str, t.Any]) -> None:
        import pysequoia

        reasons = []
        for parsed in _signatures(signature):
            try:
                reason = self._stands_against(parsed)
            except (RuntimeError, ValueError, OverflowError) as error:
                reason = f"the signature cannot be understood: {_first_line(error)}"
            if not reason:
                try:
                    pysequoia.verify(store=lambda _ids: self._usable, signature=parsed, **signed_content)
                except RuntimeError:
                    reason = f"the signature by {self._signer(parsed)} does not fit: file or signature was changed"
                else:
                    return
            reasons.append(reason)
        raise BadSignature("; ".join(reasons))

    def _stands_against(self, signature: pysequoia.Sig) -> str:
        """Why a signature cannot count, whatever it is over; empty where nothing is known against it."""
        present = datetime.datetime.now(datetime.timezone.utc)
        signer = self._signer(signature)
        owner = self._owners.get(signer, "")
        digest = str(signature.hash_algorithm).rpartition(".")[2]
        if not str(signature.signature_type).endswith(".Binary"):
            return f"the signature by {signer} is not one over a file's bytes"
        if not owner:
            have = ", ".join(self.fingerprint.split(" "))
            return f"it is signed by {signer}, and not by a key of {self._path} ({have})"
        if owner in self._unusable:
            return f"it is signed by {signer}, a key that {self._unusable[owner]}"
        if digest in ("MD5", "SHA1", "RipeMD"):
            return f"the signature by {signer} uses the digest {digest}, which can be forged"
        if signature.expiration is not None and signature.expiration <= present:
            return f"the signature by {signer} expired on {signature.expiration.date()}"
        return ""

    @staticmethod
    def _signer(signature: pysequoia.Sig) -> str:
        return (signature.issuer_fingerprint or signature.issuer_key_id or "nobody named").lower()


def read_signature(path: Path) -> bytes | None:
    """The signature in a file; None where there is none. Raises InputError, LimitExceeded."""
    try:
        with path.open("rb") as stream:
            data = stream.read(SIGNATURE_LIMIT + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"the signature {path} cannot be read: {error.strerror or error}") from error
    if len(data) > SIGNATURE_LIMIT:
        raise LimitExceeded(f"the signature {path} has more than {SIGNATURE_LIMIT >> 10} KiB")
    return data


def _signatures(data: bytes) -> list[pysequoia.Sig]:
    import pysequoia

    try:
        packets = [bytes(packet) for packet in pysequoia.packet.PacketPile.from_bytes(data)]
        if not packets:
            raise BadSignature("its signature file is empty")
        if len(packets) > _SIGNATURES_LIMIT:
            raise BadSignature(f"its signature file has more than {_SIGNATURES_LIMIT} packets")
        return [pysequoia.Sig.from_bytes(packet) for packet in packets]
    except (RuntimeError, ValueError) as error:
        raise BadSignature(f"its signature file is not a detached OpenPGP signature: {_first_line(error)}") from error


def _key_ids(certificate: pysequoia.Cert) -> t.Iterator[str]:
    """Fingerprints and key ids of a certificate's keys."""
    import pysequoia

    with contextlib.suppress(RuntimeError, ValueError):
        for packet in pysequoia.packet.PacketPile.from_bytes(bytes(certificate)):
            name = (packet.fingerprint or "").lower()
            if name:
                yield name
                # RFC 9580, 5.5.4: version 4 counts from the end, later ones from the start.
                yield name[-16:] if len(name) == 40 else name[:16]


def _first_line(error: Exception) -> str:
    """The library's messages carry a backtrace of a hundred lines."""
    return ascii(str(error).partition("\n")[0])[1:-1][:200]
