#!/usr/bin/env bash
# The playbook against a fake of AWX's API: planned, applied, applied again, and all removed again. The modules are the
# real ones of awx.awx, which is not a dependency of this collection and lies beside it for tests alone.
set -eux

# ansible-test runs a copy of the targets in a folder below the collection.
name=ansible_collections/imagescan/openshift
root="${PWD%%"/${name}/"*}/${name}"
work="$(mktemp -d)"
mkdir -p "${work}/elsewhere/ansible_collections/ansible"
cp -r "${root}/examples/controller/project" "${work}/project"
python "${root}/tests/support/fake_controller.py" "${work}" &
fake=$!
trap 'kill "${fake}"; rm -rf "${work}"' EXIT
until test -s "${work}/port"; do
    kill -0 "${fake}"
    sleep 0.1
done
CONTROLLER_HOST="http://127.0.0.1:$(cat "${work}/port")"
export CONTROLLER_HOST CONTROLLER_OAUTH_TOKEN=fake-controller-token CONTROLLER_REQUEST_TIMEOUT=120

# A password that nothing may show.
cat > "${work}/secrets.json" << 'EOF'
{"controller_secrets": {"imagescan store": {"url": "postgresql://scanner@db.example.com/imagescan",
 "password": "canary-of-the-controller"}}}
EOF

# Of what the example takes for granted, the fake has no credential for git.
play() {
    ansible-playbook imagescan.openshift.controller -i localhost, -e "@${root}/examples/controller/controller.yml" \
        -e "@${work}/secrets.json" -e controller_project_credential= "$@"
}
kept() {
    python - "${work}/objects.json" "$@" << 'EOF'
import json
import sys

kept = json.load(open(sys.argv[1], encoding="utf-8"))
names = {kind: sorted(one.get("name") or one["identifier"] for one in kept[kind].values()) for kind in kept
         if kind not in ("associated", "surveys", "secrets", "requests")}
if sys.argv[2] == "nothing":
    made = {kind: found for kind, found in names.items() if found}
    assert made == {"credential_types": ["OpenShift or Kubernetes API Bearer Token"]}, made
elif sys.argv[2] == "planned":
    assert not [one for one in kept["requests"] if not one.startswith("GET ")], kept["requests"]
else:
    assert len(names["job_templates"]) == 5, names
    assert names["workflow_job_template_nodes"] == ["approve", "feed", "flag", "judge", "report", "scan"], names
    assert names["workflow_approval_templates"] == ["Flag what failed"], names
    assert len(names["schedules"]) == 2 and len(kept["surveys"]) == 5, names
    nodes = {one["identifier"]: number for number, one in kept["workflow_job_template_nodes"].items()}
    order = [("feed", "always", "scan"), ("scan", "success", "judge"), ("judge", "success", "report"),
             ("report", "success", "approve"), ("approve", "success", "flag")]
    links = {key: value for key, value in kept["associated"].items() if key.endswith("_nodes")}
    assert links == {f"workflow_job_template_nodes/{nodes[one]}/{when}_nodes": [int(nodes[other])]
                     for one, when, other in order}, links
    assert list(kept["secrets"].values()) == [{"password": "canary-of-the-controller"}]
EOF
}

# The organization is new, so that nothing is there in which other things are made.
play --check --diff | tee "${work}/check.log"
grep -q 'changed=13 ' "${work}/check.log"
kept planned

play --diff -vvv > "${work}/first.log"
grep -q 'changed=13 ' "${work}/first.log"
kept all

play | tee "${work}/second.log"
grep -q 'changed=0 ' "${work}/second.log"
kept all

play --check -e controller_state=absent | tee "${work}/absent-check.log"
kept all

play -e controller_state=absent -e controller_keep_organization=false | tee "${work}/absent.log"
kept nothing

# By the other name of the same modules, which a variable chooses.
ln -s "${root}/../../awx/awx" "${work}/elsewhere/ansible_collections/ansible/controller"
export ANSIBLE_COLLECTIONS_PATH="${work}/elsewhere:${root%"/${name}"}"
play -e controller_state=absent -e controller_keep_organization=no -e controller_collection=ansible.controller \
    | tee "${work}/again.log"
grep -q 'changed=0 ' "${work}/again.log"

# What the module cannot do becomes one message.
if CONTROLLER_OAUTH_TOKEN=wrong play > "${work}/refused.txt" 2>&1; then
    exit 1
fi
grep -q 'Invalid authentication credentials' "${work}/refused.txt"

if grep -F canary-of-the-controller "${work}"/*.log "${work}"/*.txt; then
    exit 1
fi
if grep -E '^\[(WARNING|DEPRECATION WARNING)\]' "${work}"/*.log; then
    exit 1
fi
