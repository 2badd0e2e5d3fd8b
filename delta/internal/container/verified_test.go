package container

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"kenserve/safetensors"
)

// TestVerify: a file is hashed once, and again after every change, also one that keeps
// size and time of modification. A file that has just changed is never remembered.
func TestVerify(t *testing.T) {
	t.Parallel()
	samples, err := filepath.Glob("../../testdata/*.ken")
	if err != nil || len(samples) == 0 {
		t.Fatalf("no sample files: %v", err)
	}
	content, err := os.ReadFile(samples[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.ken")
	write := func(content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func() *safetensors.File {
		f, err := safetensors.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	write(content)
	if f := load(); f.Version() != (safetensors.Version{}) || Verify(f) != nil {
		t.Errorf("a new file: version %v, error %v; want none", f.Version(), Verify(f))
	}
	if runtime.GOOS == "linux" {
		time.Sleep(2100 * time.Millisecond) // the age from which on times are trusted
		f := load()
		if f.Version() == (safetensors.Version{}) || verified.Contains(f.Version()) {
			t.Fatalf("an old file: version %v, remembered %v", f.Version(), verified.Contains(f.Version()))
		}
		if err := Verify(f); err != nil || !verified.Contains(f.Version()) || load().Version() != f.Version() || Verify(load()) != nil {
			t.Errorf("error %v, remembered %v", err, verified.Contains(f.Version()))
		}
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-100] ^= 1
	write(content)
	if err := os.Chtimes(path, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := Verify(load()); !errors.Is(err, ErrDigest) {
		t.Errorf("a changed file: error %v, want %v", err, ErrDigest)
	}
	if runtime.GOOS == "linux" {
		time.Sleep(2100 * time.Millisecond)
		for range 2 { // a wrong digest is never remembered as right
			if err := Verify(load()); !errors.Is(err, ErrDigest) {
				t.Errorf("an old file that was changed: error %v, want %v", err, ErrDigest)
			}
		}
	}
}
