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

play imagescan.openshift.quickstart -e image=oci:fleet/images:payments -e feed="${work}/fleet/feed" \
    -e repository_map="${work}/fleet/repository-to-cpe.json"

play imagescan.openshift.explain | tee "${work}/verdict.log"
grep -q 'Verdict: failed' "${work}/verdict.log"
grep -q 'changed=0 ' "${work}/verdict.log"

# In check mode as otherwise, since nothing is written.
play imagescan.openshift.explain -e image=oci:fleet/images:payments -e id=CVE-2026-900001 --check \
    | tee "${work}/finding.log"
grep -q '=> finding: fix available' "${work}/finding.log"

if grep -E '^\[(WARNING|DEPRECATION WARNING)\]' "${work}"/*.log; then
    exit 1
fi
