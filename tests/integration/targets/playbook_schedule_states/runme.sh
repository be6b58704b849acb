#!/usr/bin/env bash
# The playbook in check mode, and with a schedule that is switched off.
set -eux

work="$(mktemp -d)"
trap 'rm -rf "${work}"' EXIT
mkdir "${work}/units"

play() {
    ansible-playbook imagescan.openshift.schedule -i localhost, --diff \
        -e schedule_activate=no -e "schedule_systemd_dir=${work}/units" -e "schedule_cron_dir=${work}/cron" \
        -e "schedule_dir=${work}/schedules" \
        -e '{"schedule_vars": {"scan_references": ["registry.example.com/app:1"]}}' "$@"
}

play --check > "${work}/check.log"
test ! -e "${work}/schedules"

play | tee "${work}/first.log"
grep -q 'next run: .*T02:30:00Z' "${work}/first.log"

play -e schedule_state=disabled | tee "${work}/disabled.log"
if grep -q 'next run' "${work}/disabled.log"; then
    exit 1
fi

if grep -E '^\[(WARNING|DEPRECATION WARNING)\]' "${work}"/*.log; then
    exit 1
fi
