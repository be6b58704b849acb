# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures that GnuPG makes are read as GnuPG reads them, and ours are good for it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.signatures import (
    BadSignature,
    Keys,
)
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.openpgp import Signer, write_keys
from ansible_collections.imagescan.openshift.tests.support.programs import require_program

DATA = b'{"document": "of a feed"}\n'
VMAAS = "RedHatInsights+vmaas"


class Gpg:
    """GnuPG with a key ring of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._program = require_program("gpg")

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        command = [self._program, "--batch", "--quiet", "--yes", *arguments]
        environment = {**os.environ, "GNUPGHOME": str(self.home)}
        return subprocess.run(command, check=check, capture_output=True, env=environment, timeout=120)

    def key(self, name: str, kind: str = "ed25519", expires: str = "never", *more: str) -> bytes:
        self.run(*more, "--passphrase", "", "--quick-gen-key", name, kind, "sign", expires)
        return self.run("--export", name).stdout

    def sign(self, name: str, *more: str) -> bytes:
        path = self.home / "data"
        path.write_bytes(DATA)
        return self.run(*more, "--local-user", name, "--armor", "--output", "-", "--detach-sign", str(path)).stdout

    def accepts(self, data: bytes, signature: bytes) -> bool:
        (self.home / "data").write_bytes(data)
        (self.home / "data.asc").write_bytes(signature)
        arguments = ["--verify", str(self.home / "data.asc"), str(self.home / "data")]
        return self.run(*arguments, check=False).returncode == 0


@pytest.fixture
def gpg() -> t.Iterator[Gpg]:
    # Its sockets stand in this folder, whose path must be short.
    with tempfile.TemporaryDirectory(prefix="gpg") as home:
        program = Gpg(Path(home))
        yield program
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, timeout=60)


@pytest.mark.parametrize("kind", ["ed25519", "rsa3072", "nistp256"])
def test_what_gpg_signs_is_accepted_and_what_it_refuses_is_not(gpg: Gpg, kind: str) -> None:
    keys = Keys.of(gpg.key("maker@example.com", kind), "key")
    signature = gpg.sign("maker@example.com")
    keys.check(DATA, signature)
    assert gpg.accepts(DATA, signature)
    with pytest.raises(BadSignature):
        keys.check(DATA + b" ", signature)
    assert not gpg.accepts(DATA + b" ", signature)


def test_gpg_accepts_what_our_tests_sign(gpg: Gpg, tmp_path: Path) -> None:
    signer = Signer()
    gpg.run("--import", str(write_keys(tmp_path / "key.asc", signer)))
    assert gpg.accepts(DATA, signer.sign(DATA))
    assert not gpg.accepts(DATA + b" ", signer.sign(DATA))


def test_the_real_documents_are_judged_alike(gpg: Gpg) -> None:
    key = data_path(f"{VMAAS}/conf/csaf-vex-pub-sig-key.txt")
    gpg.run("--import", str(key))
    keys = Keys.read(str(key))
    ours = {}
    for name in ("cve-2026-0006.json", "cve-2023-0030.json"):
        document = data_path(f"{VMAAS}/vmaas/reposcan/redhatcsaf/test/{name}")
        data, signature = document.read_bytes(), document.with_name(f"{name}.asc").read_bytes()
        try:
            keys.check(data, signature)
            ours[name] = True
        except BadSignature:
            ours[name] = False
        assert gpg.accepts(data, signature) is ours[name]
    assert ours == {"cve-2026-0006.json": True, "cve-2023-0030.json": False}


def test_a_weak_digest_is_rejected(gpg: Gpg) -> None:
    keys = Keys.of(gpg.key("maker@example.com", "rsa2048"), "key")
    keys.check(DATA, gpg.sign("maker@example.com", "--digest-algo", "SHA256"))
    with pytest.raises(BadSignature, match="uses the digest SHA1, which can be forged"):
        keys.check(DATA, gpg.sign("maker@example.com", "--digest-algo", "SHA1"))


def test_a_signature_over_text_is_rejected(gpg: Gpg) -> None:
    """It would hold for other bytes, too: with other line ends."""
    keys = Keys.of(gpg.key("maker@example.com"), "key")
    with pytest.raises(BadSignature, match="not one over a file's bytes"):
        keys.check(DATA, gpg.sign("maker@example.com", "--textmode"))


def test_keys_and_signatures_of_another_time(gpg: Gpg) -> None:
    past = ("--faked-system-time", "20200101T000000")
    old = gpg.key("old@example.com", "ed25519", "1y", *past)
    with pytest.raises(InputError, match=r"expired on 2020-12-31"):
        Keys.of(old, "key")
    keys = Keys.of(old + gpg.key("lasting@example.com", "ed25519", "never", *past), "key")
    with pytest.raises(BadSignature, match="a key that expired on 2020-12-31"):
        keys.check(DATA, gpg.sign("old@example.com", *past))
    keys.check(DATA, gpg.sign("lasting@example.com", *past))
    with pytest.raises(BadSignature, match="expired on 2020-01-02"):
        keys.check(DATA, gpg.sign("lasting@example.com", *past, "--default-sig-expire", "1d"))
