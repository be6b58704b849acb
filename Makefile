PYTHON ?= python3
.venv/ready: requirements.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --requirement requirements.txt
	site="$$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ansible_collections/imagescan" && \
	    mkdir -p "$$site" && ln -sfn "$(CURDIR)" "$$site/openshift"
	touch $@
