// Copyright (c) 2026, the imagescan.openshift authors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// What containerd and CRI-O say about platforms; questions and answers are JSON, one object each.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"
)

type index struct {
	Nodes   []specs.Platform  `json:"nodes"`
	Entries []*specs.Platform `json:"entries"`
}

type question struct {
	Platforms []specs.Platform `json:"platforms"`
	Indexes   []index          `json:"indexes"`
}

type answer struct {
	// Row by row: whether containerd on node i runs an image for platform j.
	Matches [][]bool `json:"matches"`
	// For each index, the entry that each node takes; -1 for none.
	Containerd [][]int `json:"containerd"`
	Crio       [][]int `json:"crio"`
}

func main() {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	said := answer{}
	for _, node := range asked.Platforms {
		matcher := platforms.Only(node)
		row := []bool{}
		for _, image := range asked.Platforms {
			row = append(row, matcher.Match(image))
		}
		said.Matches = append(said.Matches, row)
	}
	for _, one := range asked.Indexes {
		var containerd, crio []int
		for _, node := range one.Nodes {
			containerd = append(containerd, takenByContainerd(node, one.Entries))
			crio = append(crio, takenByCrio(node, one.Entries))
		}
		said.Containerd = append(said.Containerd, containerd)
		said.Crio = append(said.Crio, crio)
	}
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// takenByContainerd filters and sorts as Manifest in containerd's core/images/image.go does.
func takenByContainerd(node specs.Platform, entries []*specs.Platform) int {
	matcher := platforms.Only(node)
	var fitting []int
	for position, entry := range entries {
		if entry == nil || matcher.Match(*entry) {
			fitting = append(fitting, position)
		}
	}
	sort.SliceStable(fitting, func(i, j int) bool {
		left, right := entries[fitting[i]], entries[fitting[j]]
		if left == nil {
			return false
		}
		if right == nil {
			return true
		}
		return matcher.Less(*left, *right)
	})
	if len(fitting) == 0 {
		return -1
	}
	return fitting[0]
}

func takenByCrio(node specs.Platform, entries []*specs.Platform) int {
	var manifests []specs.Descriptor
	positions := map[digest.Digest]int{}
	for position, entry := range entries {
		name := digest.FromString(fmt.Sprint(position))
		positions[name] = position
		manifests = append(manifests, specs.Descriptor{
			MediaType: specs.MediaTypeImageManifest, Digest: name, Size: 1, Platform: entry,
		})
	}
	list := manifest.OCI1IndexFromComponents(manifests, nil)
	taken, err := list.ChooseInstance(&types.SystemContext{
		OSChoice: node.OS, ArchitectureChoice: node.Architecture, VariantChoice: node.Variant,
	})
	if err != nil {
		return -1
	}
	return positions[taken]
}
