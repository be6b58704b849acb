# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store that would be gone with the job of AWX that wrote it is refused, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._store.database import StoreError
from ansible_collections.imagescan.openshift.plugins.module_utils._store.places import dies_with_job
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import open_store

JOB = {"AWX_PRIVATE_DATA_DIR": "/tmp/awx_61_ifxztvul"}
#: As podman and a kubelet mount things.
MOUNTS = r"""
1 0 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/l
2 1 0:60 / /dev/shm rw,nosuid - tmpfs shm rw
3 1 253:0 /tmp/awx_61_ifxztvul /runner rw,relatime - xfs /dev/mapper/root rw
4 1 253:0 /srv/imagescan /var/lib/imagescan rw,relatime master:1 - xfs /dev/mapper/root rw
5 1 0:70 /exports /with\040blank rw,relatime shared:5 - nfs4 nas:/exports rw
6 1 253:0 /var/lib/kubelet/pods/1-2/volumes/kubernetes.io~empty-dir/scratch /scratch rw - ext4 /dev/sda1 rw
7 1 253:0 /var/lib/kubelet/pods/1-2/volumes/kubernetes.io~csi/pvc-1/mount /claim rw - ext4 /dev/sdb rw
8 1 253:0 /srv/hidden /covered rw - xfs /dev/mapper/root rw
9 8 0:80 / /covered rw - tmpfs tmpfs rw
""".lstrip()
KEPT = ["/var/lib/imagescan/store.db", "/with blank/a/store.db", "/claim/store.db"]
GONE = [
    "/root/.local/share/imagescan/store.db",
    "/var/lib/imagescan-other/store.db",
    "/runner/project/store.db",
    "/tmp/awx_61_ifxztvul/store.db",
    "/dev/shm/store.db",
    "/scratch/store.db",
    "/covered/store.db",
]


@pytest.mark.parametrize("path", KEPT)
def test_what_is_on_a_volume_that_stays_is_kept(path: str) -> None:
    assert not dies_with_job(path, JOB, MOUNTS)


@pytest.mark.parametrize("path", GONE)
def test_what_is_in_the_container_or_a_volume_of_the_job_is_gone(path: str) -> None:
    assert dies_with_job(path, JOB, MOUNTS)


@pytest.mark.parametrize("path", GONE + KEPT)
def test_where_there_is_no_job_everything_is_kept(path: str) -> None:
    assert not dies_with_job(path, {"HOME": "/root"}, MOUNTS)
    assert not dies_with_job(path, {"AWX_PRIVATE_DATA_DIR": ""}, MOUNTS)


def test_where_nothing_is_known_of_volumes_nothing_is_kept() -> None:
    assert dies_with_job(KEPT[0], JOB, "")
    assert dies_with_job(KEPT[0], JOB, "no such line\n")


def test_a_link_counts_as_what_it_leads_to(tmp_path: Path) -> None:
    link = tmp_path / "store.db"
    link.symlink_to("/var/lib/imagescan/store.db")
    assert not dies_with_job(str(link), JOB, MOUNTS)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_store_that_would_be_gone_is_refused_and_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_only: bool
) -> None:
    monkeypatch.setenv("AWX_PRIVATE_DATA_DIR", str(tmp_path))
    path = tmp_path / "deep" / "store.db"
    with pytest.raises(StoreError) as refused:
        open_store(str(path), read_only=read_only)
    assert refused.value.code == "store-not-kept"
    assert "postgresql://USER@HOST/DATABASE" in str(refused.value)
    assert not path.parent.exists()
    monkeypatch.delenv("AWX_PRIVATE_DATA_DIR")
    open_store(str(path), read_only=read_only)
    assert path.exists() is not read_only
