package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"kenserve/delta"
	"kenserve/delta/internal/deltatest"
	"kenserve/delta/pack"
)

// example returns a delta of deltatest.Base in the fast layout and in the small
// one.
func example(t *testing.T, seed uint64) (fast, small []byte) {
	t.Helper()
	base := deltatest.Base()
	path := filepath.Join(t.TempDir(), "fast.ken")
	w, err := delta.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	changes, head := deltatest.Example(0.4, seed)
	for _, x := range changes {
		words := (x.Columns + 63) / 64
		var tiles []delta.Tile
		for r := range x.Rows {
			row := func(values []float32) []float32 { return values[r*x.Columns : (r+1)*x.Columns] }
			tile, err := delta.EncodeTile(delta.Float32, 1, x.Columns, r, x.Keep[r*words:(r+1)*words], row(x.Tuned), row(x.Base))
			if err != nil {
				t.Fatal(err)
			}
			tiles = append(tiles, tile)
		}
		if err := w.Masked(x.Name, delta.Float32, 1, x.Columns, tiles); err != nil {
			t.Fatal(err)
		}
	}
	fingerprint := delta.Fingerprint(base)
	err = errors.Join(w.Dense(head), w.Finish(delta.Info{BaseSHA256: fingerprint, Selection: "ken", Coding: delta.Float32, Producer: "kenserve test"}))
	if err != nil {
		t.Fatal(err)
	}
	d, err := delta.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := pack.Write(d, path+".small", base, fingerprint); err != nil {
		t.Fatal(err)
	}
	fast, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	small, err = os.ReadFile(path + ".small")
	if err != nil {
		t.Fatal(err)
	}
	return fast, small
}

// smallFiles writes a file taskSEED.ken of the small layout for each seed, and
// returns the bytes of the same deltas in the fast layout, by task.
func smallFiles(t *testing.T, dir string, seeds ...uint64) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, seed := range seeds {
		name := "task" + string(rune('0'+seed))
		fast, small := example(t, seed)
		if err := os.WriteFile(filepath.Join(dir, name+delta.Extension), small, 0o644); err != nil {
			t.Fatal(err)
		}
		out[name] = fast
	}
	return out
}

func cacheFiles(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestCache: a small file opens as the delta that was packed. It is unpacked once,
// and again if the unpacked file is damaged.
func TestCache(t *testing.T) {
	store, dir := t.TempDir(), filepath.Join(t.TempDir(), "not", "yet", "there")
	want := smallFiles(t, store, 1)["task1"]
	base := deltatest.Base()
	fingerprint := delta.Fingerprint(base)
	cache := NewCache(dir, 1<<20)
	path := filepath.Join(store, "task1"+delta.Extension)
	open := func() *delta.Delta {
		t.Helper()
		d, err := cache.Open(path, base, fingerprint)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		if got, _ := os.ReadFile(filepath.Join(dir, d.SHA256+delta.Extension)); !bytes.Equal(got, want) {
			t.Fatal("opened another delta than was packed")
		}
		return d
	}
	d := open()
	names := cacheFiles(t, dir)
	if len(names) != 1 || names[0] != d.SHA256+delta.Extension {
		t.Fatalf("the cache holds %v", names)
	}
	cached := filepath.Join(dir, names[0])
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(cached, old, old); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(cached)
	if err != nil {
		t.Fatal(err)
	}
	open()
	after, err := os.Stat(cached)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("a file of the cache was unpacked again")
	}
	if !after.ModTime().After(old) {
		t.Error("opening did not update the time of the last use")
	}

	other, _ := example(t, 9)
	for name, damage := range map[string][]byte{
		"flipped": append(bytes.Clone(want[:len(want)-1]), 1), "cut": want[:len(want)/2], "empty": nil, "another delta": other,
	} {
		// Replace the file, because others may have the old one mapped.
		if err := errors.Join(os.Remove(cached), os.WriteFile(cached, damage, 0o644)); err != nil {
			t.Fatal(err)
		}
		open()
		if got, _ := os.ReadFile(cached); !bytes.Equal(got, want) {
			t.Errorf("%s: the damaged file was not replaced", name)
		}
	}

	another := deltatest.Set{}
	another.Add("matrix", make([]float32, 37*13), 37, 13)
	if _, err := cache.Open(path, another, delta.Fingerprint(another)); !errors.Is(err, delta.ErrBase) {
		t.Errorf("another base: %v, want %v", err, delta.ErrBase)
	}
	fast := filepath.Join(store, "fast.ken")
	if err := os.WriteFile(fast, want, 0o644); err != nil {
		t.Fatal(err)
	}
	if d, err := cache.Open(fast, base, fingerprint); err != nil || d.SHA256 != open().SHA256 {
		t.Errorf("a fast file: %v", err)
	}
	if err := os.WriteFile(path, []byte("nothing of the kind"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Open(path, base, fingerprint); err == nil {
		t.Error("opened a text file")
	}
}

// TestCacheLimit: the least recently used files are removed, files that are not the
// cache's stay, and a file above the limit can still be opened.
func TestCacheLimit(t *testing.T) {
	store, dir := t.TempDir(), t.TempDir()
	files := smallFiles(t, store, 1, 2, 3, 4)
	base := deltatest.Base()
	fingerprint := delta.Fingerprint(base)
	size := int64(len(files["task1"]))
	for _, f := range files {
		size = max(size, int64(len(f)))
	}
	for _, name := range []string{filepath.Join(dir, "notes.txt"), filepath.Join(dir, "x.ken")} {
		if err := os.WriteFile(name, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-2 * time.Hour)
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	cache := NewCache(dir, 2*size)
	digests := map[string]string{}
	age := 60 * time.Minute
	open := func(task string) {
		t.Helper()
		d, err := cache.Open(filepath.Join(store, task+delta.Extension), base, fingerprint)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		// Opening compared the digest with the bytes; the file may be removed by now.
		if !bytes.Contains(files[task], []byte(d.SHA256)) {
			t.Fatal("opened another delta than was packed")
		}
		digests[task] = d.SHA256
		// The file system may store times coarsely, so set distinct ones.
		age -= time.Minute
		used := time.Now().Add(-age)
		_ = os.Chtimes(filepath.Join(dir, d.SHA256+delta.Extension), used, used)
	}
	there := func(task string) bool {
		_, err := os.Stat(filepath.Join(dir, digests[task]+delta.Extension))
		return err == nil
	}
	open("task1")
	open("task2")
	open("task1")
	open("task3") // removes task2, the least recently used
	if !there("task1") || there("task2") || !there("task3") {
		t.Errorf("the cache holds %v", cacheFiles(t, dir))
	}
	open("task4")
	if there("task1") || !there("task3") || !there("task4") {
		t.Errorf("the cache holds %v", cacheFiles(t, dir))
	}
	for name, want := range map[string]bool{filepath.Join(dir, "notes.txt"): true, filepath.Join(dir, "x.ken"): true} {
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s exists: %t, want %t", name, err == nil, want)
		}
	}
	cache = NewCache(dir, size/2)
	open("task2")
	if there("task2") || there("task3") || there("task4") {
		t.Errorf("a file above the limit was kept: %v", cacheFiles(t, dir))
	}
}

// TestCacheTogether: many goroutines can open the same files at the same time.
func TestCacheTogether(t *testing.T) {
	store, dir := t.TempDir(), t.TempDir()
	files := smallFiles(t, store, 1, 2)
	base := deltatest.Base()
	cache := NewCache(dir, 1<<20)
	var group sync.WaitGroup
	for range 8 {
		for task, want := range files {
			group.Go(func() {
				d, err := cache.Open(filepath.Join(store, task+delta.Extension), base, delta.Fingerprint(base))
				if err != nil {
					t.Error(err)
					return
				}
				defer d.Close()
				if got, _ := os.ReadFile(filepath.Join(dir, d.SHA256+delta.Extension)); !bytes.Equal(got, want) {
					t.Errorf("%s is another delta than was packed", task)
				}
			})
		}
	}
	group.Wait()
	if names := cacheFiles(t, dir); len(names) != 2 {
		t.Errorf("the cache holds %v", names)
	}
	if len(cache.locks) != 0 {
		t.Errorf("%d locks left", len(cache.locks))
	}
}
