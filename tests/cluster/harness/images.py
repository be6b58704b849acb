# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that the cluster needs: pods' pause image, and the scanner's, whose root folder mmdebstrap makes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
import typing as t
from pathlib import Path

from .binaries import CACHE, BuildError, locked, work_folder

SCANNER_PACKAGES = (
    *("python3-minimal", "libpython3-stdlib", "ca-certificates"),
    *("openscap-scanner", "rpm-common", "fakechroot", "fakeroot"),  # librpm does nothing without its macros
)
#: Content for oscap, from this machine: its package has 1.5 GB. Its layer has /etc/mtab, too, without which oscap is
#: refused, and which containerd does not make.
SCANNER_CONTENTS = tuple(Path(f"/usr/share/xml/scap/ssg/content/ssg-rhel{major}-ds.xml") for major in (8, 9))
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
#: What pods do not need: 60 % of the files.
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/var/lib/apt/lists/*")


def write_layout(folder: Path, layers: t.Sequence[bytes], config: t.Mapping[str, t.Any], tag: str = "test") -> str:
    """Write an OCI image layout (layers are tar archives); the digest of its manifest."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def add(data: bytes, media_type: str) -> dict[str, t.Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digest}", "size": len(data)}

    described = [add(gzip.compress(layer, 6, mtime=0), "layer.v1.tar+gzip") for layer in layers]
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    whole_config = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": add(json.dumps(whole_config).encode(), "config.v1+json"),
        "layers": described,
    }
    entry = add(json.dumps(manifest).encode(), "manifest.v1+json")
    annotations = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
    index = {"schemaVersion": 2, "manifests": [{**entry, **annotations}]}
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="utf-8")
    return str(entry["digest"])


def layout_digest(folder: Path) -> str:
    """The digest of the manifest in a layout that ``write_layout`` wrote."""
    return str(json.loads((folder / "index.json").read_text(encoding="utf-8"))["manifests"][0]["digest"])


def write_pause_archive(path: Path) -> None:
    """An OCI archive with a program that sleeps, for the first process of each pod."""
    program = pause_program()
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        member = tarfile.TarInfo("pause")
        member.mode, member.size = 0o755, len(program)
        archive.addfile(member, io.BytesIO(program))
    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        layout = Path(work, "pause")
        write_layout(layout, [layer.getvalue()], {"Entrypoint": ["/pause"], "User": "65535:65535"}, "")
        with tarfile.open(path, "w") as archive:
            for file in sorted(layout.rglob("*")):
                archive.add(file, str(file.relative_to(layout)))


def pause_program() -> bytes:
    """An ELF program of a few bytes: ``while (1) pause();``. PID 1 of a pod; the kernel ignores SIGTERM for it."""
    code = {
        # mov eax, 34 (pause); syscall; jmp back
        "x86_64": (62, bytes.fromhex("b8220000000f05ebf7")),
        # mov x8, 73 (ppoll); x0..x4 = 0; svc 0; b back
        "aarch64": (
            183,
            b"".join(
                v.to_bytes(4, "little")
                for v in (
                    0xD2800928,
                    0xD2800000,
                    0xD2800001,
                    0xD2800002,
                    0xD2800003,
                    0xD2800004,
                    0xD4000001,
                    0x17FFFFF9,
                )
            ),
        ),
    }
    machine, text = code[platform.machine()]
    base, headers = 0x400000, 64 + 56
    numbers = ((2, 2), (machine, 2), (1, 4), (base + headers, 8), (64, 8), (0, 8), (0, 4), (64, 2), (56, 2), (1, 2))
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + b"".join(v.to_bytes(size, "little") for v, size in numbers) + bytes(6)
    size = headers + len(text)
    segment = ((1, 4), (5, 4), (0, 8), (base, 8), (base, 8), (size, 8), (size, 8), (0x1000, 8))
    return head + b"".join(v.to_bytes(width, "little") for v, width in segment) + text


def scanner_layout() -> Path:
    """The OCI layout of the scanner image, made once and kept in the cache folder."""
    release = _debian_release()
    contents = _contents_layer()
    text = json.dumps([release, SCANNER_PACKAGES, _LEFT_OUT, hashlib.sha256(contents).hexdigest()])
    layout = CACHE / f"scanner-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    with locked(CACHE / "scanner.lock"):
        if not layout.exists():
            if shutil.which("mmdebstrap") is None:
                raise BuildError("mmdebstrap is not installed; it makes the scanner image")
            with work_folder("scanner") as work:
                root = work / "root.tar"
                command = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(SCANNER_PACKAGES)}"]
                command += [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
                command += [release, str(root)]
                settings = {**os.environ, "TMPDIR": str(work)}
                print("making the scanner image ...", flush=True)
                made = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
                if made.returncode != 0:
                    raise BuildError(f"mmdebstrap ended with {made.returncode}: {made.stderr[-4000:]}")
                config = {"Cmd": ["/usr/bin/python3"], "User": "65534:65534", "WorkingDir": "/"}
                write_layout(work / "layout", [root.read_bytes(), contents], config)
                (work / "layout").rename(layout)
    return layout


def _contents_layer() -> bytes:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        for path in SCANNER_CONTENTS:
            if not path.is_file():
                raise BuildError(f"there is no {path}, which the scanner image needs: install ssg-nondebian")
            member = tarfile.TarInfo(str(path).lstrip("/"))
            member.size, member.mode = path.stat().st_size, 0o644
            with path.open("rb") as stream:
                archive.addfile(member, stream)
        mounts = tarfile.TarInfo("etc/mtab")
        mounts.type, mounts.linkname = tarfile.SYMTYPE, "/proc/self/mounts"
        archive.addfile(mounts)
    return layer.getvalue()


def _debian_release() -> str:
    for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        key, _equals, value = line.partition("=")
        if key == "VERSION_CODENAME":
            return value.strip('"')
    raise BuildError("the scanner image is made on Debian or Ubuntu only")
