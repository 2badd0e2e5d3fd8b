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

// Verify checks the digests in a file's metadata against the file's bytes. It hashes a file
// once, until the file system tells that it has changed. Errors are [ErrDigest], or tell that
// a key is missing or malformed.
func Verify(f *safetensors.File) error {
	version := f.Version()
	if version == (safetensors.Version{}) {
		return checkDigest(f.Data(), f.Metadata())
	}
	if _, ok := verified.Get(version); ok {
		return nil
	}
	err := checkDigest(f.Data(), f.Metadata())
	if err == nil {
		verified.Add(version, struct{}{})
	}
	return err
}
