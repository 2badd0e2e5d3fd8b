//go:build unix

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kenserve/delta"
	"kenserve/delta/internal/deltatest"
	"kenserve/internal/regular"
	"kenserve/internal/stage"
)

// foreign puts things that are no files at a path.
var foreign = map[string]func(path string) error{
	"empty folder":      func(path string) error { return os.Mkdir(path, 0o755) },
	"folder":            func(path string) error { return os.MkdirAll(filepath.Join(path, "inside"), 0o755) },
	"pipe":              func(path string) error { return syscall.Mkfifo(path, 0o644) },
	"link to nothing":   func(path string) error { return os.Symlink("nothing", path) },
	"link to itself":    func(path string) error { return os.Symlink(filepath.Base(path), path) },
	"link to a folder":  func(path string) error { return os.Symlink(".", path) },
	"link to a device":  func(path string) error { return os.Symlink("/dev/zero", path) },
	"socket":            func(path string) error { return listenUnix(path) },
	"unreadable file":   func(path string) error { return os.WriteFile(path, []byte("x"), 0) },
	"endless-like file": func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o644), os.Truncate(path, 1<<20)) },
}

func listenUnix(path string) error {
	// The path of a socket is short; make it elsewhere and move it.
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false)
	return errors.Join(l.Close(), os.Rename(filepath.Join(dir, "s"), path))
}

// within fails the test if f takes longer than some seconds, as a read of a pipe does.
func within(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}

// TestCacheForeign: whatever is under the name of a cached file, the delta opens, and the
// cache has the file afterwards.
func TestCacheForeign(t *testing.T) {
	base := deltatest.Base()
	fingerprint := delta.Fingerprint(base)
	for name, put := range foreign {
		t.Run(name, func(t *testing.T) {
			store, dir := t.TempDir(), t.TempDir()
			want := smallFiles(t, store, 1)["task1"]
			cache := NewCache(dir, 1<<20)
			open := func() string {
				d, err := cache.Open(filepath.Join(store, "task1"+delta.Extension), base, fingerprint)
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				return d.SHA256
			}
			digest := open()
			path := cache.path(digest)
			if err := errors.Join(os.Remove(path), put(path)); err != nil {
				t.Fatal(err)
			}
			within(t, func() { open() })
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Errorf("the cache has no such file: %v", err)
			}
			if name == "folder" { // it is not the cache's to remove
				if aside, _ := filepath.Glob(path + ".aside-*/inside"); len(aside) != 1 {
					t.Errorf("the folder is gone: %v", cacheFiles(t, dir))
				}
			}
		})
	}
}

// TestObjectForeign: the same for the copies of objects and for references to them.
func TestObjectForeign(t *testing.T) {
	for name, put := range foreign {
		t.Run(name, func(t *testing.T) {
			cache := NewCache(t.TempDir(), 1<<20)
			keep := func() {
				t.Helper()
				s, err := cache.Spool()
				if err != nil {
					t.Fatal(err)
				}
				defer s.Remove()
				if _, err := s.WriteString("content"); err != nil {
					t.Fatal(err)
				}
				if _, err := cache.Keep(s, "reference"); err != nil {
					t.Error(err)
				}
				if f, ok := cache.Object("reference"); !ok || string(f.content) != "content" {
					t.Errorf("%v, %t", f, ok)
				}
			}
			keep()
			f, _ := cache.Object("reference")
			for _, path := range []string{f.Path, cache.ref("reference")} {
				if err := errors.Join(os.Remove(path), put(path)); err != nil {
					t.Fatal(err)
				}
				within(t, func() {
					if _, ok := cache.Object("reference"); ok {
						t.Error("an object was found")
					}
					keep()
				})
			}
		})
	}
}

// content returns all numbers of a delta as text.
func content(d *delta.Delta) string {
	var b strings.Builder
	for _, t := range d.Tensors {
		if t.Dense != nil {
			fmt.Fprintf(&b, "%s %+v\n", t.Name, *t.Dense)
		} else {
			fmt.Fprintf(&b, "%s %+v\n", t.Name, *t.Masked)
		}
	}
	return b.String()
}

// TestCacheInMemory: a delta that is open does not depend on its file in the cache.
func TestCacheInMemory(t *testing.T) {
	base := deltatest.Base()
	store, dir := t.TempDir(), t.TempDir()
	smallFiles(t, store, 1)
	cache := NewCache(dir, 1<<20)
	for _, change := range []func(path string) error{
		func(path string) error { return os.Truncate(path, 0) },
		func(path string) error {
			old, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, make([]byte, len(old)), 0o644))
		},
	} {
		d, err := cache.Open(filepath.Join(store, "task1"+delta.Extension), base, delta.Fingerprint(base))
		if err != nil {
			t.Fatal(err)
		}
		before := content(d)
		if err := change(cache.path(d.SHA256)); err != nil {
			t.Fatal(err)
		}
		if content(d) != before {
			t.Error("the open delta has changed with its file")
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestCacheCountsUnfinished: files that are being written count for the limit.
func TestCacheCountsUnfinished(t *testing.T) {
	base := deltatest.Base()
	store, dir := t.TempDir(), t.TempDir()
	files := smallFiles(t, store, 1, 2)
	size := int64(max(len(files["task1"]), len(files["task2"])))
	cache := NewCache(dir, 2*size)
	open := func(task string) {
		d, err := cache.Open(filepath.Join(store, task+delta.Extension), base, delta.Fingerprint(base))
		if err != nil {
			t.Fatal(err)
		}
		_ = d.Close()
	}
	open("task1")
	s, err := cache.Spool()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Remove()
	if err := s.Truncate(size); err != nil {
		t.Fatal(err)
	}
	cache.scanned = time.Time{} // as if a minute had passed
	open("task2")
	deltas := 0
	for _, name := range cacheFiles(t, dir) {
		if strings.HasSuffix(name, delta.Extension) {
			deltas++
		}
	}
	if deltas != 1 {
		t.Errorf("the cache holds %v beside an unfinished file of half its limit", cacheFiles(t, dir))
	}
}

// TestFolderForeign: only files are tasks of a folder; no operation waits for anything
// else, reads it or removes it.
func TestFolderForeign(t *testing.T) {
	ctx := context.Background()
	for name, put := range foreign {
		if strings.HasSuffix(name, "file") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			f := NewFolder(t.TempDir())
			path := f.path("odd")
			if err := put(path); err != nil {
				t.Fatal(err)
			}
			link := strings.HasPrefix(name, "link")
			within(t, func() {
				if items, err := f.List(ctx); err != nil || len(items) > 0 {
					t.Errorf("List: %v, %v", items, err)
				}
				if _, err := f.Stat(ctx, "odd"); !errors.Is(err, ErrNotFound) && name != "link to itself" {
					t.Errorf("Stat: %v", err)
				}
				file, err := f.Fetch(ctx, Item{Task: "odd"})
				if err != nil {
					t.Error(err)
				}
				if _, err := file.Open(); err == nil {
					t.Error("it was opened as a delta")
				}
				if _, err := file.Reader(); err == nil {
					t.Error("it was opened for reading")
				}
				s, err := f.Spool()
				if err != nil {
					t.Fatal(err)
				}
				defer s.Remove()
				if err := errors.Join(s.Close(), f.Put(ctx, "odd", s)); link != (err == nil) || !link && !errors.Is(err, regular.ErrNotRegular) {
					t.Errorf("Put: %v", err)
				}
				if link {
					_ = os.Remove(path)
					if err := put(path); err != nil {
						t.Fatal(err)
					}
				}
				if err := f.Remove(ctx, "odd"); link != (err == nil) || !link && !errors.Is(err, ErrNotFound) {
					t.Errorf("Remove: %v", err)
				}
			})
			if _, err := os.Lstat(path); link == (err == nil) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestFolderLeftovers: the spool of a killed process is removed, and one in use stays.
func TestFolderLeftovers(t *testing.T) {
	f := NewFolder(t.TempDir())
	dead, err := stage.NewFolder(f.root.path)
	if err != nil {
		t.Fatal(err)
	}
	// A process that ends loses its lock and leaves the folder.
	left := dead.Path("")
	if err := errors.Join(os.Rename(left, left+"-dead"), dead.Remove()); err != nil {
		t.Fatal(err)
	}
	s, err := f.Spool()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Remove()
	if _, err := f.List(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left + "-dead"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the leftover: %v", err)
	}
	if _, err := os.Stat(s.Name()); err != nil {
		t.Errorf("the spool in use: %v", err)
	}
}
