#!/usr/bin/env bash
# What the playbook unflag refuses, and that the file is then what it was: without a cluster, which it does not get to.
set -eux

# ansible-test runs a copy of the targets in a folder below the collection.
name=ansible_collections/imagescan/openshift
root="${PWD%%"/${name}/"*}/${name}"
work="$(mktemp -d)"
trap 'rm -rf "${work}"' EXIT

python "${root}/examples/fleet/build.py" "${work}/fleet"
unknown="sha256:$(printf "0%.0s" {1..64})"
image="oci:${work}/fleet/images:payments"
export TMPDIR="${work}/temporary"
mkdir "${TMPDIR}"

# What all runs share; nothing listens where the cluster would be.
cat > "${work}/vars.yml" <<END
scan_dir: ${work}/scan
scan_exceptions: ${work}/accepted.yml
scan_exceptions_max_days: 36500
scan_access: {host: "https://127.0.0.1:1", api_key: no-real-token}
scan_fail_on: failed
END

play() {
    ansible-playbook -i localhost, -e "@${work}/vars.yml" "$@"
}

# unflag OPTION VARIABLE=VALUE...: with values that are right but for these.
unflag() {
    local given=("$1")
    for one in "${@:2}"; do
        given+=(-e "${one}")
    done
    play imagescan.openshift.unflag -e "scan_references=${image}" -e unflag_ids=CVE-2026-900001 \
        -e unflag_owner=security@example.com -e unflag_reason=inside -e unflag_expires=2099-12-31 "${given[@]}"
}

# refused MODE MESSAGE VARIABLE=VALUE...: the play fails with these words, leaves the file as it was and nothing else
# behind.
refused() {
    local mode="$1" message="$2"
    shift 2
    sha256sum "${work}/accepted.yml" > "${work}/before.sum"
    stat --format '%i %a %Y' "${work}/accepted.yml" > "${work}/before.stat"
    if unflag "${mode}" "$@" > "${work}/refused.log" 2>&1; then
        cat "${work}/refused.log"
        exit 1
    fi
    # As one line, since ansible-core wraps long messages.
    tr -s ' \n' ' ' < "${work}/refused.log" > "${work}/refused.txt"
    grep -q -e "${message}" "${work}/refused.txt" || { cat "${work}/refused.log"; exit 1; }
    sha256sum --check --quiet "${work}/before.sum"
    stat --format '%i %a %Y' "${work}/accepted.yml" | cmp - "${work}/before.stat"
    test -z "$(find "${TMPDIR}" -name 'imagescan-*')"
}

printf -- '# by us\n- {id: CVE-2020-1, reason: old, expires: 2099-01-01}' > "${work}/accepted.yml"
chmod 644 "${work}/accepted.yml"

refused --diff 'no such store'

# The verdicts of a run that judges by a policy of its own.
printf -- '- {name: own, vulnerabilities: {max_severity: low, min_documents: 1}}\n' > "${work}/own.yml"
play imagescan.openshift.scan -e scan_references="${image}" -e scan_fail_on= -e "scan_policies=${work}/own.yml" \
    -e "scan_feed=${work}/fleet/feed" -e "scan_repository_map=${work}/fleet/repository-to-cpe.json"

# Without it another policy would judge: the built-in one.
refused --diff 'but not given as they were: own\. Given, .* select: default\. Give scan_policies'
sed 's/low/important/' "${work}/own.yml" > "${work}/changed.yml"
refused --diff 'but not given as they were: own\. Given, .* select: own\.' "scan_policies=${work}/changed.yml"
printf -- '- {name: added, vulnerabilities: {max_severity: low, min_documents: 1}}\n' > "${work}/added.yml"
refused --diff 'but not given as they were: none\. Given, .* select: added\.' "scan_policies=${work}/own.yml,${work}/added.yml"
echo "scan_policies: ${work}/own.yml" >> "${work}/vars.yml"

# What is not given, or cannot be.
for missing in scan_references unflag_{ids,owner,reason,expires} scan_exceptions; do
    refused --diff 'somebody answers for' "${missing}="
done
refused --diff 'somebody answers for' '{"unflag_owner": "  "}'
refused --diff 'somebody answers for' '{"unflag_expires": "2099-12-31\n- {id: CVE-2026-9*, reason: x, expires: 2099-01-01}"}'
refused --diff 'expires: expected a date' unflag_expires=2099-02-30
refused --diff 'expires: 2099-01-01 is too far ahead' scan_exceptions_max_days=730
for mode in --check --diff; do
    refused "${mode}" 'unflag_expires is 2020-01-01, which is over' unflag_expires=2020-01-01
done
refused --diff 'accepts far too much' 'unflag_ids=CVE-2026-900001,CVE-*'
refused --diff 'expected the id of a finding' '{"unflag_ids": ["CVE-2026-900001, when: fixed\n- id: x"]}'
refused --diff "no verdict about ${unknown}" "scan_references=${unknown}"
refused --diff 'there is no vulnerability data.*scan_index.*scan_feed' "scan_index=${work}/none.idx"
refused --diff 'none.yml' "scan_exceptions=${work}/none.yml"

# Hostile text: what YAML cannot hold, or reads as something else, and what is too long.
refused --diff 'special characters are not allowed' '{"unflag_owner": "a\u007fb"}'
refused --diff 'read as something else' '{"unflag_reason": "a\u0085b"}'
refused --diff 'longer than 4096 characters' "unflag_reason=$(printf 'x%.0s' {1..5000})"

# Files to which nothing can be added.
printf -- '[{id: CVE-2020-1, reason: old, expires: 2099-01-01}]\n' > "${work}/accepted.yml"
refused --diff 'not valid YAML'
printf -- '- {id: CVE-2020-1, reason: old}\n' > "${work}/accepted.yml"
refused --diff 'expires is missing'

# The twin: what is right is written, whatever the text, and as a whole; then the cluster is not there.
printf -- '# by us\n- {id: CVE-2020-1, reason: old, expires: 2099-01-01}' > "${work}/real.yml"
chmod 644 "${work}/real.yml"
ln -sf real.yml "${work}/accepted.yml"
hostile='{"unflag_reason": "it'"'"'s \"only\": inside\n- {id: CVE-2026-9*, reason: x, expires: 2099-01-01} # \\ ⟨😀⟩ &a *b ] }"}'
if unflag --diff "${hostile}" unflag_ids=CVE-2026-900001,CVE-2026-900002 unflag_ticket=T-1 > "${work}/written.log" 2>&1; then
    exit 1
fi
grep -q '127.0.0.1:1' "${work}/written.log"
test -L "${work}/accepted.yml"
test "$(stat --format %a "${work}/real.yml")" = 600
test -z "$(find "${TMPDIR}" -name 'imagescan-*')"
python - "${work}/accepted.yml" "${hostile}" <<'END'
import json
import pathlib
import sys

import yaml

text = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
assert text.startswith("# by us\n- {id: CVE-2020-1, reason: old, expires: 2099-01-01}\n"), text
old, *new = yaml.safe_load(text)
assert [one["id"] for one in new] == ["CVE-2026-900001", "CVE-2026-900002"], text
for one in new:
    assert one["reason"] == json.loads(sys.argv[2])["unflag_reason"], text
    assert (one["owner"], one["ticket"], one["expires"]) == ("security@example.com", "T-1", "2099-12-31"), text
    assert len(one["images"]) == 1, text
END

# What is there already is not written twice.
cp "${work}/real.yml" "${work}/once.yml"
if unflag --diff "${hostile}" unflag_ids=CVE-2026-900001,CVE-2026-900002 unflag_ticket=T-1 > "${work}/again.log" 2>&1; then
    exit 1
fi
grep -q '127.0.0.1:1' "${work}/again.log"
cmp "${work}/real.yml" "${work}/once.yml"
