#!/usr/bin/env bash
# What playbook_quickstart does, in check mode and twice.
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

play -e scan_references=oci:fleet/images:payments --check > "${work}/check.log"
test ! -e "${work}/out"

play -e scan_references=oci:fleet/images:payments | tee "${work}/first.log"
cp "${work}/out/report/report.json" "${work}/first.json"

play -e scan_references=oci:fleet/images:payments | tee "${work}/second.log"
grep -q 'changed=0 ' "${work}/second.log"
cmp "${work}/first.json" "${work}/out/report/report.json"

if grep -E '^\[(WARNING|DEPRECATION WARNING)\]' "${work}"/*.log; then
    exit 1
fi
