#!/usr/bin/env bash
# The playbook on the example fleet's feed: in check mode, and twice.
set -eux

# ansible-test runs a copy of the targets in a folder below the collection.
name=ansible_collections/imagescan/openshift
root="${PWD%%"/${name}/"*}/${name}"
work="$(mktemp -d)"
trap 'rm -rf "${work}"' EXIT

python "${root}/examples/fleet/build.py" "${work}/fleet"

play() {
    ansible-playbook imagescan.openshift.feed -i localhost, -e "feed_dir=${work}/data" \
        -e "feed_source=${work}/fleet/feed" -e "feed_repository_map=${work}/fleet/repository-to-cpe.json" "$@"
}

play --check > "${work}/check.log"
test ! -e "${work}/data"

play | tee "${work}/first.log"
grep -q 'changed=1 ' "${work}/first.log"
test -s "${work}/data/feed.idx"

play | tee "${work}/second.log"
grep -q 'changed=0 ' "${work}/second.log"

if play -e "feed_source=${work}/missing" > "${work}/failing.log"; then
    exit 1
fi
grep -q '1 of 1 feeds could not be synced' "${work}/failing.log"

# A dry run: one of the documents is cut, and no index is written.
cp -r "${work}/fleet/feed" "${work}/cut"
document="$(find "${work}/cut" -name 'cve-*.json' | sort | head -n 1)"
head -c 100 "${document}" > "${document}.new" && mv "${document}.new" "${document}"
for mode in --check --diff; do
    ansible-playbook imagescan.openshift.feed -i localhost, "${mode}" -e feed_state=checked \
        -e feed_source="${work}/cut" -e feed_dir="${work}/dry" | tee "${work}/dry.log"
    grep -q 'documents can be read, 1 would be refused; of 2026' "${work}/dry.log"
    grep -q '^       1  is not readable JSON: ' "${work}/dry.log"
    grep -q 'changed=0 ' "${work}/dry.log"
    test ! -e "${work}/dry"
done

if grep -E '^\[(WARNING|DEPRECATION WARNING)\]' "${work}"/*.log; then
    exit 1
fi
