package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"kenserve/delta"
	"kenserve/delta/internal/container"
	"kenserve/internal/atomicfile"
)

// refsFolder holds, for each version of a distant object, a file with the digest
// of its content: what is in the cache need not be fetched again.
const refsFolder = "refs"

// Object returns the cache's copy of an object of a distant store, which the
// reference (its address and version) stands for. One that is damaged is
// removed.
func (c *Cache) Object(reference string) (File, bool) {
	digest, err := os.ReadFile(c.ref(reference))
	if err != nil {
		return File{}, false
	}
	if _, err := container.HexDigest(string(digest)); err != nil {
		return File{}, false
	}
	path := filepath.Join(c.dir, string(digest)+delta.Extension)
	got, err := fileDigest(path)
	if err != nil {
		return File{}, false
	}
	if got != string(digest) {
		_ = os.Remove(path)
		return File{}, false
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // see unpacked
	return File{Path: path, Fixed: true}, true
}

// Spool opens a temporary file of the cache, which [Cache.Keep] can take. The
// caller closes it and removes what Keep has not taken.
func (c *Cache) Spool() (*os.File, error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, fmt.Errorf("delta: cache: %w", err)
	}
	f, err := os.CreateTemp(c.dir, "."+container.NoDigest+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("delta: cache: %w", err)
	}
	return f, nil
}

// Keep takes the spooled file at path as the copy of the object that reference
// stands for.
func (c *Cache) Keep(path, reference string) (File, error) {
	digest, err := fileDigest(path)
	if err != nil {
		return File{}, fmt.Errorf("delta: cache: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return File{}, fmt.Errorf("delta: cache: %w", err)
	}
	unlock := c.lock(digest)
	defer unlock()
	kept := filepath.Join(c.dir, digest+delta.Extension)
	if err := atomicfile.Move(path, kept); err != nil {
		return File{}, fmt.Errorf("delta: cache: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(c.dir, refsFolder), 0o755); err != nil {
		return File{}, fmt.Errorf("delta: cache: %w", err)
	}
	if err := atomicfile.Write(c.ref(reference), func(w io.Writer) error {
		_, err := io.WriteString(w, digest)
		return err
	}); err != nil {
		return File{}, fmt.Errorf("delta: cache: %w", err)
	}
	c.added(kept, info.Size())
	return File{Path: kept, Fixed: true}, nil
}

func (c *Cache) ref(reference string) string {
	sum := sha256.Sum256([]byte(reference))
	return filepath.Join(c.dir, refsFolder, hex.EncodeToString(sum[:]))
}

// forgetRefs removes references to what is not there any more. Those that are
// being made are left.
func (c *Cache) forgetRefs() {
	dir := filepath.Join(c.dir, refsFolder)
	refs, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, ref := range refs {
		path := filepath.Join(dir, ref.Name())
		if info, err := ref.Info(); err != nil || time.Since(info.ModTime()) < leftoverAge {
			continue
		}
		digest, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(c.dir, filepath.Base(string(digest))+delta.Extension)); errors.Is(err, fs.ErrNotExist) {
			_ = os.Remove(path)
		}
	}
}

func fileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
