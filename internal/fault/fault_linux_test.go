package fault

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// mapped returns a mapped file of two pages whose second page is gone.
func mapped(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	size := 2 * os.Getpagesize()
	if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(data) })
	if err := os.Truncate(path, int64(size/2)); err != nil {
		t.Fatal(err)
	}
	return data
}

// TestContain: a fault in a mapped file is an error, in Go's code and in the copies of its
// run-time; any other panic goes on.
func TestContain(t *testing.T) {
	data := mapped(t)
	sum := 0
	for name, read := range map[string]func(){
		"Go": func() {
			for _, b := range data {
				sum += int(b)
			}
		},
		"copy": func() { copy(make([]byte, len(data)), data) },
	} {
		if err := contained(read); !errors.Is(err, errFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := contained(func() {}); err != nil {
		t.Error(err)
	}
	defer func() {
		if reason := recover(); reason != "another" {
			t.Errorf("recovered %v", reason)
		}
	}()
	_ = contained(func() { panic("another") })
}

func contained(f func()) (err error) {
	defer Contain(&err)()
	f()
	return nil
}
