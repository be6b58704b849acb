#!/usr/bin/env bash
# What the role refuses before it asks the controller; playbook_controller has what it does there.
set -eux

work="$(mktemp -d)"
trap 'rm -rf "${work}"' EXIT
cd "${work}"
export CONTROLLER_HOST=http://127.0.0.1:1 CONTROLLER_OAUTH_TOKEN=none

refused() {
    message="$1"
    shift
    if ansible-playbook imagescan.openshift.controller -i localhost, "$@" > refused.log 2>&1; then
        exit 1
    fi
    # Lines are wrapped on some cores.
    tr -s ' \n' '  ' < refused.log | grep -q "${message}"
}

refused 'expected present or absent' -e controller_state=gone
refused 'expected awx.awx or ansible.controller' -e controller_collection=ansible.builtin
refused 'Connection refused'
refused 'Connection refused' -e controller_state=absent

echo 'job_templats: []' > objects.yml
refused 'job_templats is not a kind of object; expected organizations' -e controller_objects=objects.yml
echo 'organizations: [{name: a, descripton: b}]' > objects.yml
refused 'organizations: each needs name, and may have name, description; not descripton' -e controller_objects=objects.yml
echo 'workflow_nodes: [{name: a}]' > objects.yml
refused 'workflow_nodes: each needs identifier' -e controller_objects=objects.yml
refused 'has no credential named imagescan stor' -e '{"controller_secrets": {"imagescan stor": {"password": "canary"}}}'
if grep -q '"canary"' refused.log; then
    exit 1
fi
