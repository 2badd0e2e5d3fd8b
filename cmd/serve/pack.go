package main

import (
	"fmt"
	"os"
	"path/filepath"

	"kenserve/delta"
	"kenserve/delta/pack"
	"kenserve/delta/store"
	"kenserve/safetensors"
)

type packCmd struct {
	File string `arg:"" placeholder:"FILE.ken" help:"Delta file in the fast layout."`
	Base string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base; exact values are written as differences from its own."`
	Out  string `required:"" placeholder:"FILE.ken" help:"File to write, in the small layout."`
}

func (c *packCmd) Run(s streams) error {
	base, err := openBase("pack", c.Base)
	if err != nil {
		return err
	}
	defer base.Close()
	d, err := delta.Open(c.File)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := pack.Write(d, c.Out, base, base.fingerprint); err != nil {
		return err
	}
	file, err := os.Stat(c.Out)
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	_, err = fmt.Fprintf(s.out, "%s: %s, %.1f%% of %s in the fast layout\n", c.Out, size(file.Size()), 100*float64(file.Size())/float64(d.Size), size(d.Size))
	return err
}

type unpackCmd struct {
	File string `arg:"" placeholder:"FILE.ken" help:"Delta file in the small layout."`
	Base string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base."`
	Out  string `required:"" placeholder:"FILE.ken" help:"File to write, in the fast layout: the bytes that were packed."`
}

func (c *unpackCmd) Run(s streams) error {
	base, err := openBase("unpack", c.Base)
	if err != nil {
		return err
	}
	defer base.Close()
	small, err := pack.Open(c.File)
	if err != nil {
		return err
	}
	defer small.Close()
	if err := small.Unpack(c.Out, base, base.fingerprint); err != nil {
		return err
	}
	d, err := delta.Open(c.Out)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Check(base, base.fingerprint); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: %s, from %s in the small layout\n", c.Out, size(d.Size), size(small.Size))
	return err
}

// basis is a base's weights, for commands that need no model.
type basis struct {
	*safetensors.Checkpoint
	fingerprint string
}

// openBase opens the weights of a base for the command of that name.
func openBase(command, dir string) (*basis, error) {
	c, err := safetensors.OpenCheckpoint(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: open base: %w", command, err)
	}
	return &basis{c, delta.Fingerprint(c)}, nil
}

// delta opens a delta of this base, in either layout, and checks it.
func (b *basis) delta(file string, cache *store.Cache) (*delta.Delta, error) {
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

// cacheFlags say where deltas in the small layout are unpacked to.
type cacheFlags struct {
	Cache     string   `placeholder:"DIR" help:"Folder for deltas that were unpacked from the small layout (default: kenserve in the user's cache folder)."`
	CacheSize byteSize `default:"4GiB" placeholder:"BYTES" help:"Bytes of that folder (default ${default}); the least recently used ones go first."`
}

// open returns the cache.
func (c *cacheFlags) open() *store.Cache {
	dir := c.Cache
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil { // no home folder: there is always one for temporary files
			user = os.TempDir()
		}
		dir = filepath.Join(user, "kenserve")
	}
	return store.NewCache(dir, int64(c.CacheSize))
}
