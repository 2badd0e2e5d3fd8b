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

// refsFolder is the name of the folder in the cache with references: for each known
// version of a distant object, a file with the digest of its content. An object
// whose content is in the cache is not fetched again.
const refsFolder = "refs"

// Object returns the cache's copy of an object of a distant store. reference is a
// string that identifies the object and its version. Object removes a damaged copy.
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
	_ = os.Chtimes(path, now, now) // the time of the last use, see unpacked
	return File{Path: path, Fixed: true}, true
}

// Spool creates a temporary file of the cache for [Cache.Keep]. The caller closes
// it, and removes it unless Keep has succeeded with it.
func (c *Cache) Spool() (*os.File, error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, fmt.Errorf("store: cache: %w", err)
	}
	f, err := os.CreateTemp(c.dir, "."+container.NoDigest+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("store: cache: %w", err)
	}
	return f, nil
}

// Keep makes the spooled file at path the cache's copy of the object that reference
// identifies.
func (c *Cache) Keep(path, reference string) (File, error) {
	digest, err := fileDigest(path)
	if err != nil {
		return File{}, fmt.Errorf("store: cache: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return File{}, fmt.Errorf("store: cache: %w", err)
	}
	unlock := c.lock(digest)
	defer unlock()
	kept := filepath.Join(c.dir, digest+delta.Extension)
	if err := atomicfile.Move(path, kept); err != nil {
		return File{}, fmt.Errorf("store: cache: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(c.dir, refsFolder), 0o755); err != nil {
		return File{}, fmt.Errorf("store: cache: %w", err)
	}
	if err := atomicfile.Write(c.ref(reference), func(w io.Writer) error {
		_, err := io.WriteString(w, digest)
		return err
	}); err != nil {
		return File{}, fmt.Errorf("store: cache: %w", err)
	}
	c.added(kept, info.Size())
	return File{Path: kept, Fixed: true}, nil
}

// ref returns the path of the file with the digest of the object.
func (c *Cache) ref(reference string) string {
	sum := sha256.Sum256([]byte(reference))
	return filepath.Join(c.dir, refsFolder, hex.EncodeToString(sum[:]))
}

// removeStaleRefs removes references to files that are not in the cache any more. It
// leaves new references, because their files may be about to appear.
func (c *Cache) removeStaleRefs() {
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

// fileDigest returns the SHA-256 of a file, in hexadecimal.
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
