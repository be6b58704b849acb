#!/usr/bin/env bash
# The playbook: twice, and what it schedules run by hand, on the example fleet. playbook_schedule_states has check mode
# and other states.
set -eux

# ansible-test runs a copy of the targets in a folder below the collection.
name=ansible_collections/imagescan/openshift
root="${PWD%%"/${name}/"*}/${name}"
work="$(mktemp -d)"
trap 'rm -rf "${work}"' EXIT
mkdir "${work}/units"

python "${root}/examples/fleet/build.py" "${work}/fleet"
(umask 077 && printf "ANSIBLE_COLLECTIONS_PATH='%s'\n" "${PWD%%"/${name}/"*}" > "${work}/environment")

play() {
    ansible-playbook imagescan.openshift.schedule -i localhost, --diff \
        -e schedule_activate=no -e "schedule_systemd_dir=${work}/units" -e "schedule_cron_dir=${work}/cron" \
        -e "schedule_dir=${work}/schedules" -e "schedule_environment_file=${work}/environment" \
        -e "{\"schedule_vars\": {\"scan_references\": [\"oci:${work}/fleet/images:payments\"],
             \"scan_feed\": \"${work}/fleet/feed\", \"scan_repository_map\": \"${work}/fleet/repository-to-cpe.json\",
             \"scan_policies\": \"${work}/fleet/policies.yml\", \"scan_dir\": \"${work}/scan\"}}" "$@"
}

play | tee "${work}/first.log"
grep -q 'next run: .*T02:30:00Z' "${work}/first.log"
grep -q 'OnCalendar=\*-\*-\* 02:30:00 UTC' "${work}/first.log"

# As systemd starts it: no terminal, hardly an environment.
env -i HOME="${HOME}" "${work}/schedules/imagescan/run" > "${work}/run.log"
grep -q '^FAILED ' "${work}/run.log"

# While one goes on, another is refused.
exec 9>> "${work}/schedules/imagescan/lock"
flock 9
if env -i "${work}/schedules/imagescan/run" > "${work}/refused.log" 2>&1 9>&-; then
    exit 1
fi
exec 9>&-
grep -q 'imagescan: refused at .* since an earlier run still goes on' "${work}/refused.log"

play | tee "${work}/second.log"
grep -q 'changed=0 ' "${work}/second.log"
grep -q 'last run: began .*, ended .* with 0' "${work}/second.log"
grep -q 'an overlapping run was refused at' "${work}/second.log"

play -e schedule_state=absent > "${work}/absent.log"
test -z "$(find "${work}/units" "${work}/schedules" -mindepth 1)"
test -e "${work}/scan/report/report.json"

if grep -E '^\[(WARNING|DEPRECATION WARNING)\]' "${work}"/*.log; then
    exit 1
fi
