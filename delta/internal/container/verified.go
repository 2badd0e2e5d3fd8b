package container

import (
	lru "github.com/hashicorp/golang-lru/v2"

	"kenserve/safetensors"
)

// maxVerified bounds the files that are remembered, at about 200 bytes each.
const maxVerified = 1 << 14

// verified are the files whose digests were right. A task that returns to memory is read
// again, but its file need not be hashed again if it is the same file and nobody has
// written to it.
var verified = newVerified()

func newVerified() *lru.Cache[safetensors.Version, struct{}] {
	c, err := lru.New[safetensors.Version, struct{}](maxVerified)
	if err != nil {
		panic(err) // it only refuses sizes below 1
	}
	return c
}

// Verify does what [CheckDigest] does for an open file. It hashes a file once, until the
// file system tells that it has changed.
func Verify(f *safetensors.File) error {
	version := f.Version()
	if version == (safetensors.Version{}) {
		return CheckDigest(f.Data(), f.Metadata())
	}
	if _, ok := verified.Get(version); ok {
		return nil
	}
	err := CheckDigest(f.Data(), f.Metadata())
	if err == nil {
		verified.Add(version, struct{}{})
	}
	return err
}
