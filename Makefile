# The commands of this project; README.md explains them.
PYTHON ?= python3
SITE = $(shell .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

.PHONY: venv demo test fuzz bench clean
venv: .venv/ready

# The link makes imagescan.openshift.* resolve from this checkout; edits are live.
.venv/ready: requirements.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	mkdir -p "$(SITE)/ansible_collections/imagescan"
	ln -sfn "$(CURDIR)" "$(SITE)/ansible_collections/imagescan/openshift"
	touch $@

demo: .venv/ready
	.venv/bin/python examples/fleet/build.py build/demo
	.venv/bin/ansible-playbook imagescan.openshift.scan -e @examples/fleet/vars.yml -e fleet_dir="$(CURDIR)/build/demo"

test: .venv/ready
	$(PYTHON) tests/tools/suite.py

fuzz:
	$(PYTHON) tests/tools/suite.py fuzz

bench:
	$(PYTHON) tests/tools/suite.py bench

clean:
	rm -rf .venv build
