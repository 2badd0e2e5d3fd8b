package main

import (
	"fmt"
	"os"
	"path/filepath"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/safetensors"
)

// baseWeights are the weights of a base, for commands that do not run the model.
type baseWeights struct {
	*safetensors.Checkpoint
	fingerprint string
}

// openBase opens the weights in the folder dir. Errors begin with the name of the command.
func openBase(command, dir string) (*baseWeights, error) {
	c, err := safetensors.OpenCheckpoint(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: open base: %w", command, err)
	}
	return &baseWeights{c, delta.Fingerprint(c)}, nil
}

// delta opens a delta in either layout and checks it against the base.
func (b *baseWeights) delta(file string, cache *store.Cache) (*delta.Delta, error) {
	d, err := cache.Open(file, b, b.fingerprint)
	if err != nil {
		return nil, err
	}
	if err := d.Check(b, b.fingerprint); err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// openWithBase opens a delta in either layout, and the base in the folder dir, against
// which it is checked. Errors about the base begin with the name of the command. The
// caller calls close when it needs neither any more.
func (c *cacheFlags) openWithBase(command, dir, file string) (base *baseWeights, d *delta.Delta, close func(), err error) {
	base, err = openBase(command, dir)
	if err != nil {
		return nil, nil, nil, err
	}
	d, err = base.delta(file, c.open())
	if err != nil {
		_ = base.Close()
		return nil, nil, nil, err
	}
	return base, d, func() { _, _ = d.Close(), base.Close() }, nil
}

// cacheFlags are the flags of the cache of unpacked deltas.
type cacheFlags struct {
	Cache     string   `placeholder:"DIR" help:"Folder for deltas unpacked from the small layout or downloaded from a bucket (default: kenserve in the user's cache folder)."`
	CacheSize byteSize `default:"4GiB" placeholder:"BYTES" help:"Maximum size of that folder in bytes (default ${default}); the least recently used files are removed first."`
}

// open returns the cache.
func (c *cacheFlags) open() *store.Cache {
	dir := c.Cache
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil { // the user has no home folder
			user = os.TempDir()
		}
		dir = filepath.Join(user, "kenserve")
	}
	return store.NewCache(dir, int64(c.CacheSize))
}
