module imagescan.openshift/tests/oracle/tar

go 1.24
