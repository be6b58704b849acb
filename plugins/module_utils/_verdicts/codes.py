# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The codes of reasons: what each means and what to do. Judge, documentation and HTML report use this one table."""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True)
class Code:
    """``effect``: the verdict that a reason with this code leads to, or ``note`` where it changes nothing."""

    effect: str
    meaning: str
    remedy: str


#: Reasons that the judge gives. Errors of a scan keep the code of their ``ScanError``; problems of an inventory keep
#: theirs and follow ``inventory-incomplete``.
CODES: t.Mapping[str, Code] = {
    "vulnerability": Code(
        "failed",
        "A finding is worse than the policy allows.",
        "Update the package to the fixed version and rebuild the image, or accept the finding in an exception.",
    ),
    "condition-broken": Code(
        "failed", "A condition of the policy does not hold.", "Read the condition's message; change the image."
    ),
    "unexamined-components": Code(
        "failed",
        "The image holds components that RPM data says nothing about, and the policy forbids them.",
        "Remove them, examine them with another tool, or allow them under 'unexamined'.",
    ),
    "packages-forbidden": Code(
        "failed",
        "Packages are there that the vulnerability data does not cover, and the policy forbids them.",
        "Remove them, or accept the key that signed them under 'accept_vendors'.",
    ),
    "compliance-rule-failed": Code(
        "failed", "An OpenSCAP rule failed that is worse than the policy allows.", "Change the image as the rule says."
    ),
    "compliance-score": Code(
        "failed", "The OpenSCAP score is lower than the policy demands.", "Repair the rules that failed."
    ),
    "scan-error": Code("error", "The image could not be scanned.", "Read the cause; scan again."),
    "name-unconfirmed": Code(
        "inconclusive",
        "The image was asked for by a name with a tag, and its registry has not said which image it has now.",
        "Have the step 'discover' ask it: name it in scan_references, and let ask_registries be true.",
    ),
    "not_scanned_yet": Code("inconclusive", "The image was never scanned.", "Run the step 'scan'."),
    "no-policy": Code(
        "inconclusive",
        "No policy selects this image.",
        "Add a policy that selects it; one without 'images' selects all.",
    ),
    "policy-error": Code(
        "inconclusive",
        "A condition of the policy could not be evaluated on this image.",
        "Correct the expression; it must be true or false for every image.",
    ),
    "inventory-incomplete": Code(
        "inconclusive",
        "Something in the image could not be read, so packages may be missing.",
        "The reasons that follow name what; repair the image or scan it in another way.",
    ),
    "no-package-database": Code(
        "inconclusive",
        "The image has no RPM database where there should be one.",
        "Scan it with a tool for its kind, or accept the kind under 'accept' (static, dpkg, apk).",
    ),
    "no-packages": Code(
        "inconclusive",
        "The RPM database is there, and no package is in it.",
        "Find out who emptied it; build the image so that its database stays.",
    ),
    "package-count": Code(
        "inconclusive",
        "The RPM database counts other packages than were read.",
        "Scan again; if it stays, report the image to us.",
    ),
    "distribution-not-covered": Code(
        "inconclusive",
        "The vulnerability data does not cover this distribution.",
        "Give a feed for it, or select the image by a policy that does not ask about vulnerabilities.",
    ),
    "no-product": Code(
        "inconclusive",
        "No product of the vulnerability data applies to this image.",
        "Check the repository ids of the image and the repository map of the feed.",
    ),
    "release-mismatch": Code(
        "inconclusive",
        "The packages are built for another Enterprise Linux than os-release and repositories name.",
        "Find out where the os-release or the content manifest comes from; keep those of the base image.",
    ),
    "product-unknown": Code(
        "inconclusive",
        "Packages are built for a layered product, and nothing in the image says for which.",
        "Keep the dnf history in the image, or build it with content manifests or the label 'cpe'.",
    ),
    "source-unknown": Code(
        "inconclusive",
        "The headers of packages name no source package, by which the vulnerability data speaks of most packages.",
        "Install the packages as the vendor built them: its headers name it.",
    ),
    "nothing-applicable": Code(
        "inconclusive",
        "The vulnerability data says nothing at all about any package of this image, which is not credible.",
        "Check that the feed is whole and for this distribution.",
    ),
    "repository-unmapped": Code(
        "inconclusive",
        "Repositories of the image have no product in the map, so a product may not have been looked at.",
        "Sync the feed with an up-to-date repository-to-cpe.json.",
    ),
    "packages-not-covered": Code(
        "inconclusive",
        "Packages are there that the vulnerability data does not cover.",
        "Examine them in another way, or accept the key that signed them under 'accept_vendors'.",
    ),
    "feed-missing": Code("inconclusive", "There is no vulnerability data to judge by.", "Sync a feed."),
    "feed-stale": Code(
        "inconclusive", "The vulnerability data is older than the policy allows.", "Sync the feed, then judge again."
    ),
    "feed-time": Code(
        "inconclusive",
        "When the vulnerability data was last checked is not known, or that or its newest change lies in the future.",
        "Set the clocks right and sync the feed; if its vendor dates a document in the future, drop 'max_age.newest'.",
    ),
    "feed-incomplete": Code(
        "inconclusive",
        "A document of the feed could not be read, and it names packages of the image or nothing tells what it names.",
        "Sync the feed again once the vendor has corrected the document; or read it yourself, and accept it by its path"
        " and SHA-256 under 'accept_unread' if it says nothing of your images.",
    ),
    "feed-too-small": Code(
        "inconclusive",
        "The vulnerability data has fewer documents than its vendor publishes, so it is a part of them.",
        "Sync the whole feed; or state under 'vulnerabilities.min_documents' how many documents it has.",
    ),
    "feed-partial": Code(
        "inconclusive",
        "The index was built for other packages than this image has.",
        "Build the index again with this image's packages, or for all.",
    ),
    "feed-unsigned": Code(
        "inconclusive",
        "The policy requires a signed feed, and what says something of the image's packages has no verified signature.",
        "Sync the feed with 'signature_key', for the packages of the store ('for_store').",
    ),
    "match-outdated": Code(
        "inconclusive",
        "The image was matched against other data than is at hand.",
        "Judge again with the current index.",
    ),
    "feed-coverage": Code(
        "inconclusive",
        "The vulnerability data lists published fixes alone, and the policy wants to know of what has no fix yet, too.",
        "Drop 'vulnerabilities.require_full_coverage'; distributions other than Red Hat publish no such data.",
    ),
    "feed-architecture": Code(
        "inconclusive",
        "The vulnerability data names packages of this image for other architectures alone.",
        "Sync the feed of the image's architecture.",
    ),
    "feed-repositories": Code(
        "inconclusive",
        "Packages of this image are in none of the repositories that the vulnerability data is of.",
        "Sync with every repository that the image has packages from.",
    ),
    "feed-release": Code(
        "inconclusive",
        "The vulnerability data names builds for another release than it is said to be about.",
        "Sync with the right 'distribution'.",
    ),
    "cvss-missing": Code(
        "inconclusive",
        "A condition asks about CVSS scores, and its outcome depends on findings that have none.",
        "Say in the condition what a missing score counts as, as in not_null(cvss_score, `10`) >= `9`.",
    ),
    "under-investigation": Code(
        "inconclusive",
        "The vendor still investigates whether the package is affected, and the severity is above the limit.",
        "Wait for the vendor, or accept the finding in an exception.",
    ),
    "scan-stale": Code("inconclusive", "The image was scanned longer ago than the policy allows.", "Scan it again."),
    "scan-time": Code(
        "inconclusive",
        "When the image was scanned is not known, or lies in the future.",
        "Set the clocks right and scan again.",
    ),
    "components-not-examined": Code(
        "inconclusive",
        "The image holds components that RPM data says nothing about.",
        "Examine them with another tool, or allow them under 'unexamined'.",
    ),
    "compliance-missing": Code(
        "inconclusive", "The policy asks about OpenSCAP results, and there are none.", "Scan with a compliance profile."
    ),
    "compliance-incomplete": Code(
        "inconclusive",
        "OpenSCAP rules ended in an error or were not evaluated, and the policy would not let them fail.",
        "Check them by hand and tailor them out of the profile, or allow rules of their severity to fail.",
    ),
    "compliance-profile": Code(
        "inconclusive",
        "The rules of another profile were evaluated than the policy asks for.",
        "Scan with the profile that the policy names.",
    ),
    "platform-missing": Code(
        "inconclusive",
        "The index has no image that every node of a wanted platform can run.",
        "Push an image for the platform, or do not ask for it. If all nodes have a newer processor, name its variant.",
    ),
    "index-empty": Code("inconclusive", "The index names no image.", "Push the images that belong to it."),
    "compliance-partial": Code(
        "note",
        "Only single rules of the profile were asked for, so nothing is known of the others.",
        "Nothing; or scan without a list of rules.",
    ),
    "exception-applied": Code("note", "Findings are accepted by an exception.", "Nothing until it expires."),
    "exception-expired": Code(
        "note", "An exception has expired and no longer accepts its findings.", "Renew it or repair the image."
    ),
    "exception-ended": Code(
        "note",
        "An exception ended because its findings have a fix now, so they count again.",
        "Update the package; take the exception out of the file.",
    ),
    "vex-applied": Code(
        "note", "Findings do not matter or are fixed, says signed VEX of the image's maker.", "Nothing."
    ),
    "vendor-guessed": Code(
        "note",
        "Packages are accepted by the vendor text in their header alone, which anybody can write.",
        "Accept the vendor's key instead of the text.",
    ),
    "kind-accepted": Code("note", "The image has no RPM database, and the policy accepts that.", "Nothing."),
    "feed-fixes-only": Code(
        "note",
        "The vulnerability data lists published fixes alone: packages without an advisory may be vulnerable, too.",
        "Nothing; or refuse such data with 'vulnerabilities.require_full_coverage'.",
    ),
    "feed-unread-accepted": Code(
        "note",
        "Documents of the feed that may be about the image could not be read, and the policy accepts each of them.",
        "Sync the feed again; take those that can be read by now out of 'accept_unread'.",
    ),
    "repositories-assumed": Code(
        "note",
        "The image does not say from which repositories it was built; the distribution's own were assumed.",
        "Build with content manifests, or keep the dnf history in the image.",
    ),
}
