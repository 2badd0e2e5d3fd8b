package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestEmptyFolder: which folders without tasks count as a store without tasks.
func TestEmptyFolder(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, f *Folder, path string) // from a folder with the task a
		away bool
	}{
		{"the last task is removed", func(t *testing.T, f *Folder, path string) {
			must(t, f.Remove(context.Background(), "a"))
		}, false},
		{"another folder", func(t *testing.T, f *Folder, path string) {
			must(t, os.Rename(path, path+".old"))
			must(t, os.Mkdir(path, 0o755))
		}, true},
		{"another folder with other files", func(t *testing.T, f *Folder, path string) {
			must(t, os.Rename(path, path+".old"))
			must(t, os.Mkdir(path, 0o755))
			must(t, os.WriteFile(filepath.Join(path, "README"), nil, 0o644))
		}, true},
		{"another folder, after the last task was removed", func(t *testing.T, f *Folder, path string) {
			must(t, f.Remove(context.Background(), "a"))
			if _, err := f.List(context.Background()); err != nil {
				t.Fatal(err)
			}
			must(t, os.Rename(path, path+".old"))
			must(t, os.Mkdir(path, 0o755))
		}, false},
		{"another folder with another task", func(t *testing.T, f *Folder, path string) {
			must(t, os.Rename(path, path+".old"))
			must(t, os.Mkdir(path, 0o755))
			must(t, os.WriteFile(filepath.Join(path, "b.ken"), nil, 0o644))
		}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store")
			must(t, os.Mkdir(path, 0o755))
			f, ctx := NewFolder(path), context.Background()
			if items, err := f.List(ctx); err != nil || len(items) != 0 {
				t.Fatalf("a folder that never had a task: %v, %v", items, err)
			}
			must(t, os.WriteFile(filepath.Join(path, "a.ken"), nil, 0o644))
			if _, err := f.List(ctx); err != nil {
				t.Fatal(err)
			}
			test.make(t, f, path)
			_, errStat := f.Stat(ctx, "a")
			if got := errors.Is(errStat, ErrAway); got != test.away || !got && !errors.Is(errStat, ErrNotFound) {
				t.Errorf("stat: %v", errStat)
			}
			spool, errSpool := f.Spool()
			if errSpool == nil {
				spool.Remove()
			}
			_, errList := f.List(ctx)
			for what, err := range map[string]error{"spool": errSpool, "list": errList} {
				if got := errors.Is(err, ErrAway); got != test.away || !got && err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
