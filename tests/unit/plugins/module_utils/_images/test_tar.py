# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tar walk against ``tarfile``, and the places where dialects, damage and limits are decided."""

from __future__ import annotations

import io
import posixpath
import tarfile
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, LimitExceeded
from ansible_collections.imagescan.openshift.plugins.module_utils._images import tar
from ansible_collections.imagescan.openshift.plugins.module_utils._images.limits import Budget, Limits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
Entry = tuple[str, str, int, str, bytes]


class Sink:
    """Collects a file's content."""

    def __init__(self) -> None:
        self.data = b""
        self.finished = False

    def write(self, data: memoryview) -> None:
        self.data += bytes(data)

    def finish(self) -> None:
        self.finished = True


# Limits are frozen.
def walk(archive: bytes, step: int = 1 << 20, limits: Limits = Limits(), content: bool = True) -> list[Entry]:  # noqa: B008
    """All entries, with the content of files."""
    found: list[tuple[str, str, int, str, Sink | None]] = []

    def visit(name: str, kind: str, size: int, link: str) -> Sink | None:
        sink = Sink() if kind == tar.FILE and content else None
        found.append((name, kind, size, link, sink))
        return sink

    chunks = (archive[at : at + step] for at in range(0, len(archive), step))
    tar.walk_tar(chunks, visit, Budget(limits))
    assert all(sink is None or sink.finished for *_rest, sink in found)
    return [(name, kind, size, link, sink.data if sink else b"") for name, kind, size, link, sink in found]


# Limits are frozen.
def code_of(archive: bytes, step: int = 1 << 20, limits: Limits = Limits()) -> str:  # noqa: B008 - frozen
    """The code of the error that an archive ends in."""
    with pytest.raises((CorruptData, LimitExceeded)) as caught:
        walk(archive, step, limits)
    return caught.value.code


def header(
    name: bytes = b"file",
    *,
    flag: bytes = b"0",
    size: int | bytes = 0,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    signed: bool = False,
    at: t.Mapping[int, bytes] | None = None,
) -> bytes:
    """A tar header block with the right checksum."""
    block = bytearray(512)

    def put(offset: int, value: bytes) -> None:
        block[offset : offset + len(value)] = value

    put(0, name)
    put(100, b"0000644\0")
    put(108, b"0000000\0")
    put(116, b"0000000\0")
    put(124, size if isinstance(size, bytes) else b"%011o\0" % size)
    put(136, b"00000000000\0")
    put(148, b" " * 8)
    put(156, flag)
    put(157, link)
    put(257, magic)
    put(345, prefix)
    for offset, value in (at or {}).items():
        put(offset, value)
    put(148, b"%06o\0 " % (sum(block) - (256 * sum(value > 127 for value in block) if signed else 0)))
    return bytes(block)


def body(data: bytes) -> bytes:
    """Content and padding."""
    return data + bytes(-len(data) % 512)


def pax(*records: tuple[bytes, bytes], flag: bytes = b"x") -> bytes:
    """A PAX header."""
    data = b""
    for key, value in records:
        rest = b" " + key + b"=" + value + b"\n"
        length = len(rest) + len(str(len(rest) + len(str(len(rest)))))
        data += str(length).encode() + rest
    return header(b"pax", flag=flag, size=len(data)) + body(data)


END = bytes(1024)

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
paths = st.lists(names | st.sampled_from([".", "..", "", "x" * 90, "y" * 200]), min_size=1, max_size=4).map("/".join)


@st.composite
def members(draw: st.DrawFn) -> tarfile.TarInfo:
    """One archive member."""
    info = tarfile.TarInfo(draw(paths))
    info.type = draw(
        st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
    )
    if info.issym() or info.islnk():
        info.linkname = draw(paths)
    if info.isreg():
        info.size = draw(st.integers(0, 1500))
    return info


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    infos=st.lists(members(), max_size=6),
    tar_format=st.sampled_from(FORMATS),
    step=st.sampled_from([1, 100, 511, 512, 513, 4096, 1 << 20]),
    padded=st.booleans(),
)
def test_entries_are_those_of_tarfile(infos: list[tarfile.TarInfo], tar_format: int, step: int, padded: bool) -> None:
    buffer = io.BytesIO()
    written = 0
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as archive:
        for info in infos:
            try:
                archive.addfile(info, io.BytesIO(bytes(range(256)) * 6))
            except ValueError:
                continue  # a name that this format cannot hold
            written = archive.offset
    data = buffer.getvalue() if padded or not written else buffer.getvalue()[:written]
    expected = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        kinds = {
            tarfile.REGTYPE: tar.FILE,
            tarfile.DIRTYPE: tar.FOLDER,
            tarfile.SYMTYPE: tar.SYMLINK,
            tarfile.LNKTYPE: tar.HARD_LINK,
            tarfile.FIFOTYPE: tar.SPECIAL,
        }
        for info in archive:
            stream = archive.extractfile(info) if info.isreg() else None
            content = stream.read() if stream else b""
            name = posixpath.normpath("/" + info.name.lstrip("/"))[1:]
            link = info.linkname if info.issym() or info.islnk() else ""
            expected.append((name, kinds[info.type], info.size, link, content))
    assert walk(data, step) == expected


def test_a_ustar_prefix_counts_only_where_the_dialect_has_one() -> None:
    def name_of(**options: t.Any) -> str:
        return walk(header(b"name", **options) + END)[0][0]

    assert name_of(prefix=b"folder") == "folder/name"
    assert name_of(prefix=b"p" * 155) == "p" * 155 + "/name"
    assert name_of(magic=b"ustar  \0", prefix=b"00000000000 00000000000 ") == "name"
    # Docker's writer once put prefixes into GNU headers.
    assert name_of(magic=b"ustar  \0", prefix=b"usr/lib") == "usr/lib/name"
    assert name_of(magic=b"ustar  \0", prefix=b"\xff\xfe") == "name"
    assert name_of(magic=bytes(8), prefix=b"folder") == "name"
    star = header(b"name", at={345: b"p" * 131, 476: b"00000000000\0", 508: b"tar\0"})
    assert walk(star + END)[0][0] == "p" * 131 + "/name"


@pytest.mark.parametrize("size", [0, 5, 8 << 30])
def test_sizes_in_base_256(size: int) -> None:
    field = b"\x80" + size.to_bytes(11, "big")
    block = header(size=field)
    if size > 1000:
        assert code_of(block + END) == "layer-truncated"
    else:
        assert walk(block + body(b"a" * size) + header(b"next") + END)[0][2:] == (size, "", b"a" * size)


@pytest.mark.parametrize(
    "field",
    [
        b"\xff" * 12,
        b"\x80" + b"\xff" * 11,
        b"-0000000001\0",
        b"0x000000001\0",
        b"1_0\0\0\0\0\0\0\0\0\0",
        b"9\0\0\0\0\0\0\0\0\0\0\0",
    ],
)
def test_sizes_that_are_no_numbers_are_damage(field: bytes) -> None:
    assert code_of(header(size=field) + END) == "layer-damaged"


@pytest.mark.parametrize("field", [b"           5", b"5\0\0\0\0\0\0\0\0\0\0\0", b"5 \0garbage\0\0", bytes(12)])
def test_sizes_as_old_programs_write_them(field: bytes) -> None:
    if field == b"5 \0garbage\0\0":
        assert code_of(header(size=field) + END) == "layer-damaged"
        return
    size = 5 if b"5" in field else 0
    assert walk(header(size=field) + body(b"a" * size) + END)[0][2] == size


def test_links_and_folders_have_no_data_whatever_their_size_says() -> None:
    archive = b"".join(header(flag, flag=flag, size=5000, link=b"x") for flag in (b"1", b"2", b"3", b"4", b"5", b"6"))
    assert [entry[2] for entry in walk(archive + END)] == [0] * 6


def test_an_old_header_with_a_slash_is_a_folder() -> None:
    assert walk(header(b"old/", flag=b"\0", size=700) + header(b"new/") + END) == [
        ("old", tar.FOLDER, 0, "", b""),
        ("new", tar.FILE, 0, "", b""),
    ]


def test_gnu_long_names_win_over_pax_and_apply_once() -> None:
    long_name, long_link = b"n" * 300, b"l" * 300
    archive = (
        pax((b"path", b"pax"), (b"linkpath", b"pax-link"))
        + header(b"././@LongLink", flag=b"L", size=301)
        + body(long_name + b"\0")
        + header(b"././@LongLink", flag=b"K", size=301)
        + body(long_link + b"\0")
        + header(flag=b"2", link=b"short")
        + header(b"after", flag=b"2", link=b"short")
        + END
    )
    assert [(entry[0], entry[3]) for entry in walk(archive)] == [
        (long_name.decode(), long_link.decode()),
        ("after", "short"),
    ]


def test_pax_records_apply_to_one_entry_and_an_empty_one_changes_nothing() -> None:
    archive = (
        pax((b"path", b"r\xc3\xa4"), (b"hdrcharset", b"BINARY"), (b"size", b"3"), (b"size", b"4"))
        + header(size=0)
        + body(b"data")
        + pax((b"path", b""), (b"comment", b"x"))
        + header(b"kept")
        + END
    )
    assert [entry[:3] for entry in walk(archive)] == [("r\xe4", tar.FILE, 4), ("kept", tar.FILE, 0)]


def test_names_that_are_not_utf_8_keep_their_bytes() -> None:
    (entry,) = walk(header(b"caf\xe9") + END)
    assert entry[0].encode("utf-8", "surrogateescape") == b"caf\xe9"
    (entry,) = walk(pax((b"path", b"caf\xe9"), (b"hdrcharset", b"BINARY")) + header() + END)
    assert entry[0].encode("utf-8", "surrogateescape") == b"caf\xe9"


@pytest.mark.parametrize(
    "data",
    [b"5 a=b", b"x a=b\n", b"99 a=b\n", b"6 ab\n\n\n", b"5 =bc\n", b"0 a=b\n", b"-6 a=b\n", b"6 a=bc", b"\n" * 30],
)
def test_damaged_pax_headers_are_refused(data: bytes) -> None:
    assert code_of(header(b"pax", flag=b"x", size=len(data)) + body(data) + header() + END) == "layer-damaged"


@pytest.mark.parametrize("record", [(b"path", b"a\0b"), (b"linkpath", b"a\0b"), (b"size", b"-1"), (b"size", b"1x")])
def test_pax_values_that_cannot_be_are_refused(record: tuple[bytes, bytes]) -> None:
    assert code_of(pax(record) + header() + END) == "layer-damaged"


@pytest.mark.parametrize("key", [b"path", b"linkpath", b"size"])
def test_global_headers_that_unpackers_read_differently_are_refused(key: bytes) -> None:
    assert code_of(pax((key, b"1"), flag=b"g") + header() + END) == "layer-ambiguous"
    assert walk(pax((b"comment", b"1"), flag=b"g") + header() + END)[0][0] == "file"


def test_sparse_files_have_their_real_names_and_are_passed_over() -> None:
    old = header(b"old", flag=b"S", size=512, at={482: b"\1"}) + bytes(504) + b"\1" + bytes(7) + bytes(512)
    records = ((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", b"var/new"))
    new = pax(*records, (b"GNU.sparse.realsize", b"100000")) + header(b"GNUSparseFile.0/new", size=600)
    archive = old + bytes(512) + new + body(b"m" * 600) + header(b"next") + END
    assert [entry[:2] for entry in walk(archive)] == [
        ("old", tar.SPARSE),
        ("var/new", tar.SPARSE),
        ("next", tar.FILE),
    ]
    older = pax((b"GNU.sparse.map", b"0,1"), (b"GNU.sparse.name", b"real")) + header(size=1) + body(b"x")
    assert walk(older + END)[0][:2] == ("real", tar.SPARSE)
    unknown = pax((b"GNU.sparse.major", b"7"), (b"GNU.sparse.name", b"real")) + header(b"plain")
    assert walk(unknown + END)[0][:2] == ("plain", tar.FILE)


@pytest.mark.parametrize("flag", [b"7", b"D", b"V", b"X", b"\xff"])
def test_types_that_no_runtime_unpacks_are_refused(flag: bytes) -> None:
    assert code_of(header(flag=flag) + END) == "layer-entry"


def test_checksums_of_signed_bytes_are_accepted_and_wrong_ones_not() -> None:
    assert walk(header(b"caf\xe9", signed=True) + END)[0][1] == tar.FILE
    wrong = bytearray(header())
    wrong[0] ^= 1
    assert code_of(bytes(wrong) + END) == "layer-damaged"
    full = header(b"\xfe" * 100, link=b"\xfe" * 100, prefix=b"\xfe" * 155)
    assert len(walk(full + END)) == 1


def test_the_end_of_an_archive() -> None:
    one = header(size=3) + body(b"abc")
    assert len(walk(b"")) == 0
    assert len(walk(one)) == len(walk(one[:-509])) == len(walk(one[:-1])) == len(walk(one + bytes(512))) == 1
    assert len(walk(one + bytes(512) + bytes(100))) == 1
    assert len(walk(one + END + b"whatever follows")) == 1
    assert code_of(one + bytes(512) + header() + END) == "layer-damaged"


@pytest.mark.parametrize("content", [True, False])
@pytest.mark.parametrize("step", [100, 512, 1 << 20])
def test_data_that_end_inside_a_member_are_truncated(step: int, content: bool) -> None:
    archive = (
        header(b"././@LongLink", flag=b"L", size=600)
        + body(b"n" * 600)
        + pax((b"size", b"700"))
        + header(size=0)
        + body(b"d" * 700)
    )
    ends = [1, 511, 512, 600, 1111, 1112, 1535, 1536, 2047, 2048, 2060, 2559, 2560, 2561, 3071, 3072, 3073, 3771]
    for end in ends:
        with pytest.raises(CorruptData) as caught:
            walk(archive[:end], step, content=content)
        assert caught.value.code == "layer-truncated", end
    assert len(walk(archive[: 3072 + 700], step, content=content)) == 1


def test_names_are_cleaned_like_an_unpacker_does() -> None:
    spelt = {
        "./a": "a",
        "/a": "a",
        "a/": "a",
        "a//b": "a/b",
        "../../a": "a",
        "a/./b": "a/b",
        "a/../b": "b",
        "./": "",
        ".": "",
        "//": "",
        "a//": "a",
        ".a/.b": ".a/.b",
        "..": "",
        "a/..": "",
        "a/.": "a",
        "./.a": ".a",
        "...": "...",
    }
    for name, clean in spelt.items():
        assert walk(header(name.encode(), flag=b"5") + END)[0][0] == clean, name


@pytest.mark.parametrize(
    ("archive", "limits", "code"),
    [
        (header(b"pax", flag=b"x", size=2 << 20), {}, "limit-header"),
        (header(b"@", flag=b"L", size=2 << 20), {}, "limit-header"),
        (b"".join(pax((b"comment", b"x")) for _number in range(50)) + header(), {}, "limit-header"),
        (pax(*[(b"k%d" % number, b"v") for number in range(5000)]) + header(), {}, "limit-header"),
        (pax((b"path", b"x" * 5000)) + header(), {}, "limit-path"),
        (pax((b"path", b"x/" * 1000)) + header(), {}, "limit-path"),
        (pax((b"linkpath", b"x" * 5000)) + header(flag=b"2"), {}, "limit-path"),
        (b"".join(header() for _number in range(2000)), {"entries": 1000}, "limit-entries"),
        (
            header(flag=b"S", at={482: b"\1"}) + (bytes(504) + b"\1" + bytes(7)) * 2000,
            {"entries": 1000},
            "limit-entries",
        ),
    ],
)
def test_limits(archive: bytes, limits: dict[str, t.Any], code: str) -> None:
    assert code_of(archive + END, limits=Limits(**limits)) == code


def test_a_path_may_be_as_deep_and_as_long_as_the_limits() -> None:
    for name, longer in ((b"/".join([b"xx"] * 256), b"/x"), (b"x" * 4096, b"x")):
        assert [entry[0] for entry in walk(pax((b"path", name)) + header() + END)] == [name.decode()]
        assert code_of(pax((b"path", name + longer)) + header() + END) == "limit-path"


def test_time_is_limited() -> None:
    assert code_of(b"".join(header() for _number in range(600)), limits=Limits(seconds=-1)) == "limit-time"
