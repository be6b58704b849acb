# The commands of this project; README.md explains them.
PYTHON ?= python3

.PHONY: venv demo docs lock sbom test test-full test-one watch fuzz bench mutants cluster-up cluster-down clean
venv: .venv/ready

# The link makes imagescan.openshift.* resolve from this checkout; edits are live.
.venv/ready: requirements.txt
	@$(PYTHON) -m venv .venv
	@$(PYTHON) examples/progress.py .venv/bin/python -m pip install --disable-pip-version-check -r requirements.txt
	@site="$$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ansible_collections/imagescan" && \
	    mkdir -p "$$site" && ln -sfn "$(CURDIR)" "$$site/openshift"
	@touch $@

demo: .venv/ready
	@.venv/bin/python examples/fleet/build.py build/demo
	@ANSIBLE_STDOUT_CALLBACK=imagescan.openshift.terse \
	    .venv/bin/ansible-playbook -i localhost, imagescan.openshift.scan -e @examples/fleet/vars.yml \
	    -e '{"fleet_dir": "$(CURDIR)/build/demo"}'

# The guides, and a page for each plugin, role and event source: build/docs/index.html.
docs:
	$(PYTHON) tests/tools/documentation.py

# The versions that a release was tested with, and the hashes of all their files, for Python 3.11 and newer.
lock: .venv/ready
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	( echo '# Made by "make lock" from requirements.txt. Install it with pip install --require-hashes -r requirements.lock'; \
	    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes \
	    --no-header --no-annotate --no-emit-index-url --no-emit-find-links requirements.txt ) > requirements.lock.new
	mv requirements.lock.new requirements.lock

# The collection and what requirements.lock pins, as CycloneDX: build/sbom.cdx.json.
sbom:
	$(PYTHON) tests/tools/sbom.py

# What decides about every change. Tests that are marked "full" are left to test-full, which runs everything.
test:
	$(PYTHON) tests/tools/suite.py

test-full:
	$(PYTHON) tests/tools/suite.py full

# make test-one T=tests/unit/test_suite.py runs what pytest is given; watch runs it again after each change.
test-one:
	@$(PYTHON) tests/tools/one.py

watch:
	@$(PYTHON) tests/tools/one.py watch

fuzz:
	$(PYTHON) tests/tools/suite.py fuzz

bench:
	$(PYTHON) tests/tools/suite.py bench

# 300 small changes of the code that decides, each of which a test must notice. About an hour; not part of any other.
mutants:
	$(PYTHON) tests/tools/mutants.py

# A real Kubernetes of one node, as the tests use it (root, Go): kubeconfig in build/cluster.
cluster-up cluster-down:
	$(PYTHON) tests/tools/suite.py $@

clean:
	rm -rf .venv build
