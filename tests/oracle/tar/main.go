// Copyright (c) 2026, the imagescan.openshift authors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// What Go's archive/tar, with which all container runtimes unpack, sees in archives.
// Each archive on stdin has its length before it (8 bytes, little endian); each answer is one line of JSON.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
)

type entry struct {
	// Paths need not be UTF-8, so that they are written in base 64.
	Name string `json:"name"`
	Link string `json:"link"`
	Flag string `json:"flag"`
	Size int64  `json:"size"`
	Hash string `json:"hash"`
}

type answer struct {
	Entries []entry `json:"entries"`
	Error   string  `json:"error"`
}

func read(data []byte) answer {
	said := answer{Entries: []entry{}}
	reader := tar.NewReader(bytes.NewReader(data))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return said
		}
		if err != nil {
			said.Error = err.Error()
			return said
		}
		hasher := sha256.New()
		// A sparse file may claim any size.
		read, err := io.Copy(hasher, io.LimitReader(reader, 1<<22))
		if err != nil {
			said.Error = err.Error()
			return said
		}
		said.Entries = append(said.Entries, entry{
			Name: base64.StdEncoding.EncodeToString([]byte(header.Name)),
			Link: base64.StdEncoding.EncodeToString([]byte(header.Linkname)),
			Flag: string(rune(header.Typeflag)),
			Size: read,
			Hash: hex.EncodeToString(hasher.Sum(nil)),
		})
		if read == 1<<22 {
			said.Error = "too large to compare"
			return said
		}
	}
}

func main() {
	input := bufio.NewReader(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		var size uint64
		if err := binary.Read(input, binary.LittleEndian, &size); err != nil {
			return
		}
		data := make([]byte, size)
		if _, err := io.ReadFull(input, data); err != nil {
			return
		}
		if err := output.Encode(read(data)); err != nil {
			os.Exit(1)
		}
	}
}
