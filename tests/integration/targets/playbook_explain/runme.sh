#!/usr/bin/env bash
# What the quickstart left behind is explained, without a network.
set -eux

# ansible-test runs a copy of the targets in a folder below the collection.
name=ansible_collections/imagescan/openshift
root="${PWD%%"/${name}/"*}/${name}"
work="$(mktemp -d)"
trap 'rm -rf "${work}"' EXIT

python "${root}/examples/fleet/build.py" "${work}/fleet"

play() {
    (cd "${work}" && ansible-playbook -i localhost, "$@")
}

# It warns, too, that there are no vulnerability data.
if play imagescan.openshift.explain > "${work}/none.txt" 2>&1; then
    exit 1
fi
grep -q 'there is no such store' "${work}/none.txt"

play imagescan.openshift.quickstart -e scan_references=oci:fleet/images:payments -e scan_feed="${work}/fleet/feed" \
    -e scan_repository_map="${work}/fleet/repository-to-cpe.json"

play imagescan.openshift.explain | tee "${work}/verdict.log"
grep -q 'Verdict: failed' "${work}/verdict.log"
grep -q 'changed=0 ' "${work}/verdict.log"

# In check mode as otherwise, since nothing is written.
play imagescan.openshift.explain -e scan_references=oci:fleet/images:payments -e explain_id=CVE-2026-900001 --check \
    | tee "${work}/finding.log"
grep -q '=> finding: fix available' "${work}/finding.log"

if play imagescan.openshift.explain -e scan_references=oci:fleet/images:payment > "${work}/unknown.log" 2>&1; then
    exit 1
fi
grep -q 'the store does not know .*payment (did you mean .*payments' "${work}/unknown.log"

# A misspelt variable is told before anything is looked for; a former name counts, with a warning.
if play imagescan.openshift.explain -e scan_stor=nothing.db -e explain_ids=x > "${work}/misspelt.log" 2>&1; then
    exit 1
fi
grep -q "no variable explain_ids; did you mean 'explain_id'?; .* scan_stor; did you mean 'scan_store'?" "${work}/misspelt.log"
if grep -q 'TASK \[Ask\]' "${work}/misspelt.log"; then
    exit 1
fi
ANSIBLE_DEPRECATION_WARNINGS=true play imagescan.openshift.explain -e image=oci:fleet/images:payments \
    -e id=CVE-2026-900001 > "${work}/former.txt" 2>&1
grep -q '=> finding: fix available' "${work}/former.txt"
# Old cores wrap warnings.
tr -s '\n ' ' ' < "${work}/former.txt" | grep -q 'The variable image is now called scan_references'

if grep -E '^\[(WARNING|DEPRECATION WARNING)\]' "${work}"/*.log; then
    exit 1
fi
