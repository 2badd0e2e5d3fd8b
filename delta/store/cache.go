package store

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"kenserve/delta"
	"kenserve/delta/internal/container"
	"kenserve/delta/pack"
	"kenserve/internal/atomicfile"
	"kenserve/internal/stage"
)

// Cache is a folder of this machine with deltas that were unpacked from the small
// layout, and with copies of the objects of a distant store. Each file has its
// digest as its name, DIGEST.ken. A file appears complete and is never written
// again. But the folder is open to others: each file is read into memory and checked there,
// and a folder, pipe or link in the place of a file is moved out of the way. If the files exceed a
// limit, those that are being written included, the least recently used are removed.
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
// with at most limit bytes of files. It removes what killed processes left there.
func NewCache(dir string, limit int64) *Cache {
	stage.Clean(dir)
	return &Cache{dir: dir, limit: limit, locks: map[string]*cacheLock{}}
}

// Open opens the delta file at path, in either layout. A file in the small layout
// is unpacked into the cache, unless it is there. fingerprint must be that of base, the base
// of the delta. Errors are as of delta.Open and [pack.File.Unpack].
func (c *Cache) Open(path string, base delta.Tensors, fingerprint string) (*delta.Delta, error) {
	return c.OpenFile(File{Path: path}, base, fingerprint)
}

// OpenFile does what Open does for a file of a store.
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
// or damaged. Only a folder that cannot be written is an error.
func (c *Cache) unpacked(s *pack.File, base delta.Tensors, fingerprint string) (*delta.Delta, error) {
	if err := s.CheckBase(fingerprint); err != nil {
		return nil, err
	}
	unlock := c.lock(s.FastSHA256)
	defer unlock()
	path := c.path(s.FastSHA256)
	if d, err := delta.Open(path); err == nil {
		if d.SHA256 == s.FastSHA256 {
			c.used(path)
			return d, nil
		}
		_ = d.Close() // another delta under this name
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, err
	}
	folder, err := stage.NewFolder(c.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Remove() }()
	unpacked := folder.Path(filepath.Base(path))
	if err := s.Unpack(unpacked, base, fingerprint); err != nil {
		return nil, err
	}
	d, err := delta.Open(unpacked)
	if err != nil {
		return nil, err
	}
	if c.take(unpacked, path) {
		c.added(path, d.Size)
	}
	return d, nil
}

// path returns the path of the file with this digest.
func (c *Cache) path(digest string) string {
	return filepath.Join(c.dir, digest+delta.Extension)
}

// used notes that a file is used now. If the time cannot be set, the file may be
// removed too early, and is made again.
func (c *Cache) used(path string) {
	now := time.Now()
	_ = os.Chtimes(path, now, now)
}

// take moves a finished file to its place, and moves whatever else is there out of the
// way: it may be damaged, or no file at all. It tells whether it could. If not, the
// caller has the content in memory, and it is made again next time.
func (c *Cache) take(from, to string) bool {
	if info, err := os.Lstat(to); err == nil && info.IsDir() && os.Remove(to) != nil {
		// A folder that is not empty was not made by this cache.
		if os.Rename(to, fmt.Sprintf("%s.aside-%d", to, time.Now().UnixNano())) != nil {
			return false
		}
	}
	return atomicfile.Move(from, to) == nil
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

// leftoverAge is the age above which a reference to a file that is not there counts as
// left by a killed process.
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
	total := stage.Bytes(c.dir) // of files that are being written, here or by other processes
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		name, isDelta := strings.CutSuffix(e.Name(), delta.Extension)
		if _, err := container.HexDigest(name); err != nil || !isDelta {
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
