module imagescan.openshift/tests/oracle/platforms

go 1.26.0

require (
	github.com/containerd/platforms v1.0.0-rc.2
	github.com/opencontainers/go-digest v1.0.0
	github.com/opencontainers/image-spec v1.1.1
	go.podman.io/image/v5 v5.39.4
)

require (
	github.com/containerd/log v0.1.0 // indirect
	github.com/containers/libtrust v0.0.0-20230121012942-c1716e8a8d01 // indirect
	github.com/containers/ocicrypt v1.2.1 // indirect
	github.com/docker/docker v28.5.1+incompatible // indirect
	github.com/sirupsen/logrus v1.9.3 // indirect
	go.podman.io/storage v1.62.3 // indirect
	golang.org/x/sys v0.37.0 // indirect
)
