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

// Cache is a folder of deltas that were unpacked from small files, each called
// by its digest: DIGEST.ken. Copies of a distant store's objects lie there, too. It may be used by many goroutines, and the folder
// by many processes. Files are made under another name and renamed, and are
// never written again, so that they may be mapped; the least recently used ones
// are removed when there are too many.
type Cache struct {
	dir   string
	limit int64 // bytes

	mu    sync.Mutex
	locks map[string]*cacheLock
	// total is what the folder held when it was last looked through, and what
	// was added since; other processes add unseen. looked is when.
	total  int64
	looked time.Time
}

// cacheLock lets one goroutine at a time unpack a file.
type cacheLock struct {
	sync.Mutex
	users int
}

// NewCache returns the cache in dir, which is made when it is needed, with at
// most limit bytes of files.
func NewCache(dir string, limit int64) *Cache {
	return &Cache{dir: dir, limit: limit, locks: map[string]*cacheLock{}}
}

// Open opens the delta file at path in either layout, as [File.Open] does: one in the
// small layout is unpacked into the cache unless it is there, and opened there.
// base is its base, whose fingerprint is given.
func (c *Cache) Open(path string, base delta.Tensors, fingerprint string) (*delta.Delta, error) {
	return c.OpenFile(File{Path: path}, base, fingerprint)
}

// OpenFile is Open of a file that may be mapped if it is fixed.
func (c *Cache) OpenFile(file File, base delta.Tensors, fingerprint string) (*delta.Delta, error) {
	f, err := file.container()
	if err != nil {
		return nil, fmt.Errorf("delta: %w", err)
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
		return nil, fmt.Errorf("delta: open %s: %w", file.Path, err)
	}
	return d, nil
}

// unpacked opens the file that s holds.
func (c *Cache) unpacked(s *pack.File, base delta.Tensors, fingerprint string) (*delta.Delta, error) {
	if s.BaseSHA256 != fingerprint {
		return nil, fmt.Errorf("%w: made for %s (%s), this is %s", delta.ErrBase, s.BaseSHA256, s.BaseName, fingerprint)
	}
	unlock := c.lock(s.FastSHA256)
	defer unlock()
	path := filepath.Join(c.dir, s.FastSHA256+delta.Extension)
	d, err := delta.Open(path)
	if err == nil && d.SHA256 == s.FastSHA256 {
		// What was just used is not removed next. If the time cannot be set, it
		// may be, and is unpacked again.
		now := time.Now()
		_ = os.Chtimes(path, now, now)
		return d, nil
	}
	if err == nil { // another delta under this name
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

// lock waits until nobody else unpacks the file of this digest.
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

// leftoverAge is when a temporary file is taken for one that a process left
// when it was killed.
const leftoverAge = time.Hour

// lookEvery is how often the folder is looked through for what others put there.
const lookEvery = time.Minute

// added counts the file at path and shrinks the folder if that may be due.
func (c *Cache) added(path string, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total += size; c.total > c.limit || time.Since(c.looked) > lookEvery {
		c.shrink(path)
	}
}

// shrink removes files until the rest is within the limit: those not used for
// the longest time first, and newest, which is open already, last. Errors leave
// the folder larger and harm nothing: the next call tries again.
func (c *Cache) shrink(newest string) {
	c.looked = time.Now()
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
			continue // what else is there is not the cache's
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
	c.forgetRefs()
}

// temporary tells whether a file's name is one that an unfinished delta of the
// cache has.
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
