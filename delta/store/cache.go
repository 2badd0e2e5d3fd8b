package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"kenserve/delta"
	"kenserve/delta/internal/container"
	"kenserve/delta/pack"
	"kenserve/safetensors"
)

// Cache is a folder of this machine with deltas that were unpacked from the small
// layout, and with copies of the objects of a distant store. Each file has its
// digest as its name, DIGEST.ken. A file appears complete and is never written
// again, so that it may be mapped. If the files exceed a limit, the least recently
// used are removed.
//
// Many goroutines may use a Cache, and many processes may use its folder.
type Cache struct {
	dir   string
	limit int64 // bytes

	mu    sync.Mutex
	locks map[string]*cacheLock
	// total is the number of bytes in the folder when it was last scanned, at the
	// time scanned, plus those that this Cache has added since. Other processes may
	// have added more.
	total   int64
	scanned time.Time
}

// cacheLock lets one goroutine at a time unpack a certain file.
type cacheLock struct {
	sync.Mutex
	users int
}

// NewCache returns the cache in the folder dir, which is created when it is needed,
// with at most limit bytes of files.
func NewCache(dir string, limit int64) *Cache {
	return &Cache{dir: dir, limit: limit, locks: map[string]*cacheLock{}}
}

// Open opens the delta file at path, in either layout. A file in the small layout
// is unpacked into the cache, unless it is there, and opened from there. A file in
// the fast layout is read into memory. fingerprint must be that of base, the base
// of the delta. Errors are as of delta.Open and [pack.File.Unpack].
func (c *Cache) Open(path string, base delta.Tensors, fingerprint string) (*delta.Delta, error) {
	return c.OpenFile(File{Path: path}, base, fingerprint)
}

// OpenFile does what Open does, and maps a file in the fast layout if it is fixed.
func (c *Cache) OpenFile(file File, base delta.Tensors, fingerprint string) (*delta.Delta, error) {
	f, err := file.container()
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if !pack.IsSmall(f) {
		return delta.Read(f, file.Path)
	}
	s, err := pack.Read(f, file.Path)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	d, err := c.unpacked(s, base, fingerprint)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", file.Path, err)
	}
	return d, nil
}

// unpacked opens the fast file of s in the cache, and unpacks s if it is not there
// or damaged.
func (c *Cache) unpacked(s *pack.File, base delta.Tensors, fingerprint string) (*delta.Delta, error) {
	if err := s.CheckBase(fingerprint); err != nil {
		return nil, err
	}
	unlock := c.lock(s.FastSHA256)
	defer unlock()
	path := filepath.Join(c.dir, s.FastSHA256+delta.Extension)
	d, err := delta.Open(path)
	if err == nil && d.SHA256 == s.FastSHA256 {
		// The time of change is the time of the last use. If it cannot be set, the
		// file may be removed too early, and is unpacked again.
		now := time.Now()
		_ = os.Chtimes(path, now, now)
		return d, nil
	}
	if err == nil { // another delta under this name, so damaged
		_ = d.Close()
		err = delta.ErrCorrupt
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, delta.ErrCorrupt), errors.Is(err, safetensors.ErrCorrupt):
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	default:
		return nil, err
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, err
	}
	if err := s.Unpack(path, base, fingerprint); err != nil {
		return nil, err
	}
	if d, err = delta.Open(path); err != nil {
		return nil, err
	}
	c.added(path, d.Size)
	return d, nil
}

// lock waits until nobody else in this process unpacks the file with this digest.
func (c *Cache) lock(digest string) (unlock func()) {
	c.mu.Lock()
	l := c.locks[digest]
	if l == nil {
		l = &cacheLock{}
		c.locks[digest] = l
	}
	l.users++
	c.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		c.mu.Lock()
		defer c.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(c.locks, digest)
		}
	}
}

// leftoverAge is the age above which a temporary file counts as left by a killed
// process.
const leftoverAge = time.Hour

// scanInterval is the time after which the folder is scanned again for files of
// other processes.
const scanInterval = time.Minute

// added counts the new file at path, and shrinks the folder if it may be too large.
func (c *Cache) added(path string, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total += size; c.total > c.limit || time.Since(c.scanned) > scanInterval {
		c.shrinkLocked(path)
	}
}

// shrinkLocked removes files until the rest is within the limit: the least recently
// used first, and last the file at newest, which is open already. It ignores
// errors: they leave the folder too large, and the next call tries again. c.mu must
// be held.
func (c *Cache) shrinkLocked(newest string) {
	c.scanned = time.Now()
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	type file struct {
		path string
		size int64
		used time.Time
	}
	var files []file
	total := int64(0)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		name, isDelta := strings.CutSuffix(e.Name(), delta.Extension)
		if _, err := container.HexDigest(name); err != nil || !isDelta {
			if temporary(e.Name()) && time.Since(info.ModTime()) > leftoverAge {
				_ = os.Remove(filepath.Join(c.dir, e.Name()))
			}
			continue // not a file of the cache
		}
		files = append(files, file{filepath.Join(c.dir, e.Name()), info.Size(), info.ModTime()})
		total += info.Size()
	}
	sort.Slice(files, func(i, j int) bool {
		if (files[i].path == newest) != (files[j].path == newest) {
			return files[j].path == newest
		}
		return files[i].used.Before(files[j].used)
	})
	c.total = total
	for _, f := range files {
		if c.total <= c.limit {
			break
		}
		if os.Remove(f.path) == nil {
			c.total -= f.size
		}
	}
	c.removeStaleRefs()
}

// temporary reports whether a file has the name of an unfinished delta of the
// cache.
func temporary(name string) bool {
	rest, ok := strings.CutPrefix(name, ".")
	if !ok || len(rest) < len(container.NoDigest) {
		return false
	}
	if _, err := container.HexDigest(rest[:len(container.NoDigest)]); err != nil {
		return false
	}
	return strings.HasSuffix(rest, ".spool") || strings.HasSuffix(rest, ".tmp")
}
