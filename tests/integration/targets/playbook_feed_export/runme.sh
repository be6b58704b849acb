#!/usr/bin/env bash
# The playbook on the example fleet's feed: in check mode, twice, and of a compiled index; each bundle is imported.
set -eux

# ansible-test runs a copy of the targets in a folder below the collection.
name=ansible_collections/imagescan/openshift
root="${PWD%%"/${name}/"*}/${name}"
work="$(mktemp -d)"
trap 'rm -rf "${work}"' EXIT

python "${root}/examples/fleet/build.py" "${work}/fleet"

play() {
    ansible-playbook imagescan.openshift.feed_export -i localhost, "$@"
}

feed() {
    play -e "feed_export_source=${work}/fleet/feed" -e "feed_export_dest=${work}/out/feed.tar" \
        -e "feed_export_repository_map=${work}/fleet/repository-to-cpe.json" "$@"
}

import() {
    ansible-playbook imagescan.openshift.feed -i localhost, -e "feed_dir=${work}" "$@"
}

feed --check > "${work}/check.log"
test ! -e "${work}/out"

feed | tee "${work}/first.log"
grep -q 'changed=1 ' "${work}/first.log"
checksum="$(sha256sum "${work}/out/feed.tar" | cut -d ' ' -f 1)"
grep -q "sha256:${checksum}" "${work}/first.log"

import -e "feed_source=${work}/out/feed.tar" -e "feed_checksum=sha256:${checksum}" | tee "${work}/import.log"
grep -q 'changed=1 ' "${work}/import.log"

feed | tee "${work}/second.log"
grep -q 'changed=0 ' "${work}/second.log"

play -e "feed_export_index=${work}/feed.idx" -e "feed_export_dest=${work}/out/index.tar" | tee "${work}/index.log"
grep -q 'changed=1 ' "${work}/index.log"
import -e "feed_source=${work}/out/index.tar" -e "feed_index=${work}/carried.idx" | tee "${work}/carried.log"
grep -q 'changed=1 ' "${work}/carried.log"

if play > "${work}/failing.log"; then
    exit 1
fi
grep -q 'feed_export_dest is not given' "${work}/failing.log"

if grep -E '^\[(WARNING|DEPRECATION WARNING)\]' "${work}"/*.log; then
    exit 1
fi
