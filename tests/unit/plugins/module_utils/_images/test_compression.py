# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decompression: what the libraries' own one-shot functions give, in bounded pieces, and no early end accepted."""

from __future__ import annotations

import gzip
import io
import sys
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    LimitExceeded,
    UnsupportedImage,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images import compression
from hypothesis import given, settings
from hypothesis import strategies as st

LIBRARIES = ["isal", "zlib"]


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two libraries that may decompress gzip."""
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    else:
        pytest.importorskip("isal", reason="the package isal is optional")
    return str(request.param)


def unpack(blob: bytes, step: int = 1 << 20) -> list[bytes]:
    """All pieces, read ``step`` bytes at a time."""
    stream = io.BytesIO(blob)
    return list(compression.decompress(lambda size: stream.read(min(size, step))))


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that do not compress."""
    value = bytearray()
    state = seed
    while len(value) < size:
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        value += state.to_bytes(8, "big")
    return bytes(value[:size])


def error_of(blob: bytes, step: int = 1 << 20) -> str:
    """The code of the error that a blob ends in."""
    with pytest.raises((CorruptData, UnsupportedImage, LimitExceeded)) as caught:
        unpack(blob, step)
    return caught.value.code


@pytest.mark.parametrize("step", [1, 3, 512, 1 << 20])
@pytest.mark.parametrize("content", [b"", b"x", b"tar" * 1000])
def test_plain_data_come_as_they_are(content: bytes, step: int) -> None:
    assert b"".join(unpack(content, step)) == content


@given(
    members=st.lists(st.binary(max_size=200), min_size=1, max_size=5),
    padding=st.lists(st.integers(0, 600), min_size=5, max_size=5),
    step=st.sampled_from([1, 2, 3, 7, 64, 1 << 20]),
)
def test_several_gzip_members_with_zero_padding(members: list[bytes], padding: list[int], step: int) -> None:
    blob = b"".join(gzip.compress(member) + bytes(zeros) for member, zeros in zip(members, padding))
    assert b"".join(unpack(blob, step)) == b"".join(members) == gzip.decompress(blob)


@pytest.mark.parametrize("step", [1, 4096, compression.INPUT_STEP])
def test_a_gzip_member_may_end_anywhere_in_a_read(library: str, step: int) -> None:
    first, second = noise(9000), b"second" * 3000
    one, two = gzip.compress(first), gzip.compress(second)
    assert len(one) > 4096 > len(two)
    for cut in (step, len(one), len(one) - 1, len(one) + 1, len(one) - 8):
        parts = [one[:cut], one[cut:] + two[:5], two[5:]]
        stream = iter([part for part in parts if part])
        assert b"".join(compression.decompress(lambda _size, stream=stream: next(stream, b""))) == first + second


def test_pieces_are_bounded(library: str) -> None:
    blob = gzip.compress(bytes(20 << 20))
    pieces = unpack(blob)
    assert sum(map(len, pieces)) == 20 << 20
    assert max(map(len, pieces)) <= compression.OUTPUT_STEP


def test_a_gzip_stream_that_ends_early_is_truncated_wherever(library: str) -> None:
    blob = gzip.compress(b"content" * 50 + noise(300))
    for size in range(2, len(blob)):
        assert error_of(blob[:size]) == "layer-truncated", size
    two = blob + gzip.compress(b"second")
    for size in range(len(blob) + 1, len(two)):
        assert error_of(two[:size]) == "layer-truncated", size


@pytest.mark.parametrize("tail", [b"garbage", b"\0\0garbage", b"\x1fgarbage", b"\0" * 700 + b"x"])
def test_what_follows_a_gzip_stream_must_be_gzip_or_zeros(library: str, tail: bytes) -> None:
    assert error_of(gzip.compress(b"content") + tail) == "layer-damaged"


def test_a_wrong_checksum_or_length_is_damage(library: str) -> None:
    blob = gzip.compress(b"content" * 1000)
    for place in (-1, -4, -5, -8):
        wrong = bytearray(blob)
        wrong[place] ^= 1
        assert error_of(bytes(wrong)) == "layer-damaged", place


@pytest.mark.parametrize("magic", [b"BZh91AY", b"\xfd7zXZ\0\0", b"\x04\x22\x4d\x18\0\0"])
def test_other_compressions_are_refused_by_name(magic: bytes) -> None:
    assert error_of(magic + bytes(100)) == "unsupported-compression"


def skippable(content: bytes, number: int = 0) -> bytes:
    """A zstd frame that decoders pass over."""
    return (0x184D2A50 + number).to_bytes(4, "little") + len(content).to_bytes(4, "little") + content


@settings(deadline=None)
@given(
    frames=st.lists(st.tuples(st.binary(max_size=300), st.booleans(), st.booleans()), min_size=1, max_size=5),
    step=st.sampled_from([1, 2, 5, 64, 1 << 20]),
    skipped=st.binary(max_size=40),
)
def test_several_zstd_frames_and_skippable_ones(
    frames: list[tuple[bytes, bool, bool]], step: int, skipped: bytes
) -> None:
    zstandard = pytest.importorskip("zstandard", reason="the package zstandard is optional")
    blob = skippable(skipped, 15)
    for content, checksum, size in frames:
        compressor = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=size)
        blob += compressor.compress(content) + skippable(skipped)
    assert b"".join(unpack(blob, step)) == b"".join(content for content, _checksum, _size in frames)


@pytest.mark.parametrize("level", [1, 3, 19])
def test_large_zstd_frames_come_in_bounded_pieces(level: int) -> None:
    zstandard = pytest.importorskip("zstandard", reason="the package zstandard is optional")
    content = bytes(3 << 20) + noise(700_000) + b"text " * 300_000
    pieces = unpack(zstandard.ZstdCompressor(level=level).compress(content), 100_000)
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= compression.OUTPUT_STEP + (256 << 10)


def test_a_zstd_stream_that_ends_early_is_truncated_wherever() -> None:
    zstandard = pytest.importorskip("zstandard", reason="the package zstandard is optional")
    compressor = zstandard.ZstdCompressor(write_checksum=True)
    first = compressor.compress(b"content" * 50 + noise(300))
    blob = first + skippable(b"table of contents") + compressor.compress(b"second")
    whole = {len(first), len(first) + 8 + len(b"table of contents")}
    for size in set(range(6, len(blob))) - whole:
        assert error_of(blob[:size]) == "layer-truncated", size


def test_damaged_zstd_is_named() -> None:
    zstandard = pytest.importorskip("zstandard", reason="the package zstandard is optional")
    blob = zstandard.ZstdCompressor(write_checksum=True).compress(b"content" * 50 + noise(3000))
    wrong = bytearray(blob)
    wrong[-1] ^= 1
    assert error_of(bytes(wrong)) == "layer-damaged"
    assert error_of(blob + b"garbage") == "layer-damaged"
    huge_block = blob[:6] + (1 | (1 << 21) - 1 << 3).to_bytes(3, "little") + bytes(1 << 18)
    assert error_of(huge_block) == "layer-damaged"


def test_a_zstd_window_that_needs_too_much_memory_is_refused() -> None:
    zstandard = pytest.importorskip("zstandard", reason="the package zstandard is optional")
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    stream = compressor.compressobj()
    blob = stream.compress(b"content") + stream.flush()
    assert error_of(blob) == "limit-window"


def test_zstd_without_its_library_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert error_of(b"\x28\xb5\x2f\xfd" + bytes(100)) == "zstd-unavailable"
    assert error_of(skippable(b"first")) == "zstd-unavailable"


def test_errors_of_the_source_pass_through() -> None:
    def read(_size: int) -> t.Any:
        raise UnsupportedImage("cut")

    with pytest.raises(UnsupportedImage, match="cut"):
        list(compression.decompress(read))
