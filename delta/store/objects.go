package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"kenserve/delta"
	"kenserve/delta/internal/container"
	"kenserve/internal/regular"
)

// refsFolder is the name of the folder in the cache with references: for each known
// version of a distant object, a file with the digest of its content. An object
// whose content is in the cache is not fetched again.
const refsFolder = "refs"

// Object returns the cache's copy of an object of a distant store. reference is a
// string that identifies the object and its version. The copy is read into memory and
// checked there. Object removes a damaged copy.
func (c *Cache) Object(reference string) (File, bool) {
	ref, err := regular.Read(c.ref(reference), int64(len(container.NoDigest)))
	if err != nil {
		return File{}, false
	}
	digest, err := container.HexDigest(string(ref))
	if err != nil {
		return File{}, false
	}
	path := c.path(digest)
	content, err := regular.Read(path, math.MaxInt64-1)
	if err != nil {
		return File{}, false
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != digest {
		_ = os.Remove(path)
		return File{}, false
	}
	c.used(path)
	return File{path, content}, true
}

// Spool creates a temporary file of the cache for [Cache.Keep]. The caller calls its
// Remove in the end.
func (c *Cache) Spool() (*Spool, error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, fmt.Errorf("store: cache: %w", err)
	}
	s, err := spoolIn(c.dir)
	if err != nil {
		return nil, fmt.Errorf("store: cache: %w", err)
	}
	return s, nil
}

// Keep makes the spooled file, which the caller has closed, the cache's copy of the
// object that reference identifies.
func (c *Cache) Keep(spool *Spool, reference string) (File, error) {
	content, err := regular.Read(spool.Name(), math.MaxInt64-1)
	if err != nil {
		return File{}, fmt.Errorf("store: cache: %w", err)
	}
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	unlock := c.lock(digest)
	defer unlock()
	kept := c.path(digest)
	if !c.take(spool.Name(), kept) {
		return File{spool.Name(), content}, nil
	}
	c.added(kept, int64(len(content)))
	// Without the reference the object is only fetched again.
	ref := spool.folder.Path("ref")
	if os.WriteFile(ref, []byte(digest), 0o644) == nil && os.MkdirAll(filepath.Join(c.dir, refsFolder), 0o755) == nil {
		c.take(ref, c.ref(reference))
	}
	return File{kept, content}, nil
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
		digest, err := regular.Read(path, int64(len(container.NoDigest)))
		if err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(c.dir, filepath.Base(string(digest))+delta.Extension)); errors.Is(err, fs.ErrNotExist) {
			_ = os.Remove(path)
		}
	}
}
