# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A signature counts when a key that the user named made it over exactly these bytes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, LimitExceeded
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.signatures import (
    KEYS_LIMIT,
    SIGNATURE_LIMIT,
    BadSignature,
    Keys,
    read_signature,
)
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.openpgp import Signer, write_keys

VMAAS = "RedHatInsights+vmaas"
RED_HAT_KEY = f"{VMAAS}/conf/csaf-vex-pub-sig-key.txt"
DOCUMENTS = f"{VMAAS}/vmaas/reposcan/redhatcsaf/test"
DATA = b'{"document": "of a feed"}\n'


def signed(name: str) -> tuple[bytes, bytes]:
    """A real document and its signature."""
    return data_path(f"{DOCUMENTS}/{name}").read_bytes(), data_path(f"{DOCUMENTS}/{name}.asc").read_bytes()


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.fixture
def keys(signer: Signer, tmp_path: Path) -> Keys:
    return Keys.read(str(write_keys(tmp_path / "key.asc", signer)))


def test_red_hats_document_is_accepted_with_red_hats_key() -> None:
    keys = Keys.read(str(data_path(RED_HAT_KEY)))
    keys.check(*signed("cve-2026-0006.json"))
    assert keys.fingerprint == "77e79abe93673533ed09ebe2dce3823597f5eac4"


def test_red_hats_document_is_rejected_with_another_key(keys: Keys, signer: Signer) -> None:
    with pytest.raises(BadSignature, match=f"signed by dce3823597f5eac4, and not by a key of .*{signer.fingerprint}"):
        keys.check(*signed("cve-2026-0006.json"))


def test_a_signature_of_another_document_is_rejected() -> None:
    keys = Keys.read(str(data_path(RED_HAT_KEY)))
    with pytest.raises(BadSignature, match="does not fit: file or signature was changed"):
        keys.check(*signed("cve-2023-0030.json"))


def test_one_changed_byte_anywhere_is_rejected() -> None:
    keys = Keys.read(str(data_path(RED_HAT_KEY)))
    document, signature = signed("cve-2026-0006.json")
    places = random.Random(5).sample(range(len(document)), 200)
    for place in places:
        changed = bytearray(document)
        changed[place] ^= 1
        with pytest.raises(BadSignature):
            keys.check(bytes(changed), signature)
    for changed_length in (document[:-1], document + b"\n", b""):
        with pytest.raises(BadSignature):
            keys.check(changed_length, signature)


def test_a_file_is_checked_like_its_bytes(keys: Keys, signer: Signer, tmp_path: Path) -> None:
    path = tmp_path / "archive.tar"
    path.write_bytes(DATA * 100_000)
    signature = signer.sign(path.read_bytes())
    keys.check_file(str(path), signature)
    path.write_bytes(DATA * 99_999)
    with pytest.raises(BadSignature):
        keys.check_file(str(path), signature)


def test_any_of_several_keys_will_do(signer: Signer, tmp_path: Path) -> None:
    other = Signer()
    keys = Keys.read(str(write_keys(tmp_path / "keys.asc", other, signer)))
    keys.check(DATA, signer.sign(DATA))
    keys.check(DATA, other.sign(DATA))
    assert keys.fingerprint == " ".join(sorted([signer.fingerprint, other.fingerprint]))


def test_one_good_signature_of_several_will_do(keys: Keys, signer: Signer) -> None:
    """A vendor that changes its key signs with both for a while."""
    import pysequoia

    both = b"".join(bytes(pysequoia.Sig.from_bytes(one.sign(DATA))) for one in (Signer(), signer))
    keys.check(DATA, both)
    with pytest.raises(BadSignature, match=r"signed by .*; the signature by .* does not fit"):
        keys.check(DATA + b" ", both)


def test_a_binary_key_file_is_read(signer: Signer, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(bytes(signer.certificate))
    Keys.read(str(tmp_path / "key")).check(DATA, signer.sign(DATA))


def test_a_revoked_key_counts_no_more(signer: Signer, tmp_path: Path) -> None:
    revoked = write_keys(tmp_path / "revoked.asc", signer.revoked())
    with pytest.raises(InputError, match=f"{signer.fingerprint} has been revoked") as caught:
        Keys.read(str(revoked))
    assert caught.value.code == "signature-key"
    keys = Keys.read(str(write_keys(tmp_path / "both.asc", signer.revoked(), Signer())))
    with pytest.raises(BadSignature, match="a key that has been revoked"):
        keys.check(DATA, signer.sign(DATA))


def test_an_expired_key_counts_no_more(signer: Signer, tmp_path: Path) -> None:
    """Not even for what it signed in its time: whoever holds an old key can date signatures back."""
    expired = signer.expired()
    assert expired.expiration is not None
    day = expired.expiration.date()
    with pytest.raises(InputError, match=f"{signer.fingerprint} expired on {day}"):
        Keys.read(str(write_keys(tmp_path / "old.asc", expired)))
    keys = Keys.read(str(write_keys(tmp_path / "both.asc", expired, Signer())))
    assert signer.fingerprint not in keys.fingerprint
    with pytest.raises(BadSignature, match=f"a key that expired on {day}"):
        keys.check(DATA, signer.sign(DATA))


@pytest.mark.parametrize(
    "content",
    [b"", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n", b"\0" * 100, b"just text"],
    ids=["empty", "cut", "zeros", "text"],
)
def test_a_key_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(InputError) as caught:
        Keys.read(str(tmp_path / "key"))
    assert caught.value.code == "signature-key"
    assert "backtrace" not in str(caught.value)


def test_a_key_file_that_is_missing_or_huge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        Keys.read(str(tmp_path / "none"))
    (tmp_path / "huge").write_bytes(b"x" * (KEYS_LIMIT + 1))
    with pytest.raises(InputError, match="has more than 4 MiB"):
        Keys.read(str(tmp_path / "huge"))


@pytest.mark.parametrize("content", [b"", b"no signature", b"-----BEGIN PGP SIGNATURE-----\n\n"])
def test_a_signature_that_is_none_is_rejected(keys: Keys, content: bytes) -> None:
    with pytest.raises(BadSignature, match="its signature file is") as caught:
        keys.check(DATA, content)
    assert "backtrace" not in str(caught.value)


def test_a_key_is_no_signature_and_a_pile_of_signatures_is_too_much(keys: Keys, signer: Signer) -> None:
    with pytest.raises(BadSignature, match="not a detached OpenPGP signature"):
        keys.check(DATA, bytes(signer.certificate))
    import pysequoia

    one = bytes(pysequoia.Sig.from_bytes(signer.sign(b"other")))
    with pytest.raises(BadSignature, match="more than 16 packets"):
        keys.check(DATA, one * 17)


def test_secret_parts_of_a_key_file_are_not_handed_on(signer: Signer, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(signer.secret)
    keys = Keys.read(str(tmp_path / "secret"))
    assert "PUBLIC KEY" in keys.public
    assert "PRIVATE" not in keys.public
    Keys.of(keys.public.encode(), "handed on").check(DATA, signer.sign(DATA))


def test_mutated_signatures_are_rejected_in_one_way_only(keys: Keys, signer: Signer) -> None:
    """Whatever a signature file holds, it is good or a BadSignature; and none is good over other bytes."""
    chance = random.Random(6)
    good = signer.sign(DATA)
    for _round in range(3000):
        bad = bytearray(good)
        for _change in range(chance.randint(1, 4)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        if chance.random() < 0.2:
            del bad[chance.randrange(len(bad)) :]
        with pytest.raises(BadSignature):
            keys.check(DATA + b" ", bytes(bad))


def test_a_signature_file_is_read_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "one.asc"
    assert read_signature(path) is None
    path.write_bytes(b"x")
    assert read_signature(path) == b"x"
    path.write_bytes(b"x" * (SIGNATURE_LIMIT + 1))
    with pytest.raises(LimitExceeded, match="64 KiB"):
        read_signature(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_signature(tmp_path)
