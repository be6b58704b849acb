# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests that tell whether a feed is the same."""

from __future__ import annotations

import hashlib
import typing as t


def digest_of(*parts: str) -> str:
    """SHA-256 of some texts, in hexadecimal; none of them may hold a zero byte."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def content_digest(contents: t.Mapping[str, str]) -> str:
    """Digest of documents, path -> SHA-256, whatever their order."""
    return digest_of(*(f"{path} {digest}" for path, digest in sorted(contents.items())))
