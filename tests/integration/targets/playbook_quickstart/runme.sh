#!/usr/bin/env bash
# One image and one feed, without a network. In check mode and twice: playbook_quickstart_again.
set -eux

# ansible-test runs a copy of the targets in a folder below the collection.
name=ansible_collections/imagescan/openshift
root="${PWD%%"/${name}/"*}/${name}"
work="$(mktemp -d)"
trap 'rm -rf "${work}"' EXIT

python "${root}/examples/fleet/build.py" "${work}/fleet"

play() {
    (cd "${work}" && ansible-playbook imagescan.openshift.quickstart -i localhost, \
        -e scan_feed="${work}/fleet/feed" -e scan_repository_map="${work}/fleet/repository-to-cpe.json" \
        -e scan_policies="${work}/fleet/policies.yml" -e scan_dir=out "$@")
}

if play > "${work}/none.log"; then
    exit 1
fi
grep -q 'name an image, for example' "${work}/none.log"

play -e scan_references=oci:fleet/images:payments | tee "${work}/first.log"
grep -q '1 image: ' "${work}/first.log"
test -s "${work}/out/report/report.html"

# An image that cannot be read is not a success, and the report says why.
if play -e scan_references=oci:fleet/images:nothing > "${work}/unread.log"; then
    exit 1
fi
grep -q '^ERROR ' "${work}/unread.log"
grep -q '1 of 1 images are error, and scan_fail_on names that; the report: ' "${work}/unread.log"

if grep -E '^\[(WARNING|DEPRECATION WARNING)\]' "${work}"/*.log; then
    exit 1
fi
