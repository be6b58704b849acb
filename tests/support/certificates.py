# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A throwaway certificate authority and the server certificates and tokens that it signs, for tests on loopback."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import ipaddress
import json
import secrets
import time
import typing as t
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

_NAMES = (
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.DNSName("localhost"),
    x509.DNSName("foreign.localhost"),
)


@dataclasses.dataclass(frozen=True)
class Authority:
    """``ca_file`` is what clients trust; ``certificate`` and ``key`` are a server's, for 127.0.0.1 and localhost."""

    ca_file: Path
    certificate: Path
    key: Path
    token_key: ec.EllipticCurvePrivateKey
    token_chain: str

    @classmethod
    def create(cls, folder: Path) -> Authority:
        """Make a CA and a server certificate in ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test CA {secrets.token_hex(4)}")])
        ca = _certificate(ca_name, ca_name, ca_key, ca_key, is_ca=True)
        server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test server")])
        server = _certificate(server_name, ca_name, server_key, ca_key, is_ca=False)
        paths = folder / "ca.pem", folder / "server.pem", folder / "server.key"
        paths[0].write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(server.public_bytes(serialization.Encoding.PEM))
        paths[2].write_bytes(
            server_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        chain = base64.b64encode(server.public_bytes(serialization.Encoding.DER)).decode()
        return cls(*paths, server_key, chain)

    def token(self, issuer: str, audience: str, access: t.Sequence[t.Mapping[str, t.Any]], seconds: int = 300) -> str:
        """A token of the kind that docker-registry's ``auth: token`` takes: JWT, ES256, certificate in x5c."""
        now = int(time.time())
        claims = {
            "iss": issuer,
            "sub": "test",
            "aud": audience,
            "exp": now + seconds,
            "nbf": now - 10,
            "iat": now - 10,
            "jti": secrets.token_hex(8),
            "access": access,
        }
        head = {"typ": "JWT", "alg": "ES256", "x5c": [self.token_chain]}
        signed = b".".join(_base64url(json.dumps(part).encode()) for part in (head, claims))
        r, s = decode_dss_signature(self.token_key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return b".".join((signed, _base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big")))).decode()


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if is_ca:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    else:
        builder = builder.add_extension(x509.SubjectAlternativeName(_NAMES), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
