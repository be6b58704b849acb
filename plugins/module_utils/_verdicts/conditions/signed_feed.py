# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``require_signed_feed``: only data counts whose signatures were verified."""

from __future__ import annotations

import dataclasses
import typing as t

from ..model import Reason
from ..wording import counted
from .base import Case, Code, Condition, Reasons, Step, Terms

EXAMPLE = """\

  require_signed_feed: false   # true: every document about the image's packages has a signature that was verified
"""
CODES: t.Mapping[str, Code] = {
    "feed-unsigned": Code(
        "inconclusive",
        "The policy requires a signed feed, and what says something of the image's packages has no verified signature.",
        "Sync the feed with 'signature_key', for the packages of the store ('for_store').",
    ),
}


@dataclasses.dataclass(frozen=True, init=False, repr=False, eq=False)
class SignatureTerms(Terms):
    """Whether data must be signed."""

    require_signed_feed: bool = False


def _reasons(policy: SignatureTerms, case: Case) -> Reasons:
    if case.data is None or not policy.require_signed_feed:
        return
    required = f"The policy '{policy.name}' requires a signed feed"
    if not case.data.feed.signature_key:
        yield Reason("feed-unsigned", f"{required}, and no signature of the vulnerability data was checked")
    elif case.data.match.unverified:
        documents = counted(case.data.match.unverified, "document")
        text = f"{required}, and {documents} about packages of the image without a verified signature"
        yield Reason("feed-unsigned", text)


REQUIRE_SIGNED_FEED = Condition(
    "require_signed_feed",
    EXAMPLE,
    lambda field: {"require_signed_feed": field.flag()},
    CODES,
    {Step.SIGNATURES: _reasons},
)
