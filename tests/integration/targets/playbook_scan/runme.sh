#!/usr/bin/env bash
# The playbook on the example fleet: twice, and in check mode before.
set -eux

# ansible-test runs a copy of the targets in a folder below the collection.
name=ansible_collections/imagescan/openshift
root="${PWD%%"/${name}/"*}/${name}"
work="$(mktemp -d)"
trap 'rm -rf "${work}"' EXIT

python "${root}/examples/fleet/build.py" "${work}/fleet"

play() {
    ansible-playbook imagescan.openshift.scan -i localhost, \
        -e "@${root}/examples/fleet/vars.yml" -e "fleet_dir=${work}/fleet" "$@"
}

play --check > "${work}/check.log"
test ! -e "${work}/fleet/scan"

play | tee "${work}/first.log"
grep -q '^FAILED ' "${work}/first.log"
grep -q '^PASSED ' "${work}/first.log"
grep -q '^INCONCLUSIVE ' "${work}/first.log"
grep -q '^ERROR ' "${work}/first.log"
grep -q "^HTML page: ${work}/fleet/scan/report/report.html$" "${work}/first.log"
cp "${work}/fleet/scan/report/report.json" "${work}/first.json"

play | tee "${work}/second.log"
grep -q 'changed=0 ' "${work}/second.log"
cmp "${work}/first.json" "${work}/fleet/scan/report/report.json"

# A verdict that is worse than allowed makes the playbook fail, after the report.
if play -e scan_steps=report -e scan_fail_on=failed > "${work}/failing.log"; then
    exit 1
fi
grep -q 'scan_fail_on names that' "${work}/failing.log"

if grep -E '^\[(WARNING|DEPRECATION WARNING)\]' "${work}"/*.log; then
    exit 1
fi
