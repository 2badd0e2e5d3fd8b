package bucket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	_ "kenserve/delta/internal/deltatest" // for its flag -update, which a command for all packages sets
	"kenserve/delta/store"
)

func open(t *testing.T, address, cache string) *Store {
	t.Helper()
	s, err := Open(context.Background(), address, store.NewCache(cache, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.retry.pause = time.Millisecond
	return s
}

func put(t *testing.T, s *Store, task string, content []byte) {
	t.Helper()
	spool, err := s.Spool()
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Remove()
	if _, err := spool.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(spool.Close(), s.Put(context.Background(), task, spool)); err != nil {
		t.Fatal(err)
	}
}

func fetch(t *testing.T, s *Store, task string) (store.Item, store.File, []byte) {
	t.Helper()
	item, err := s.Stat(context.Background(), task)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Fetch(context.Background(), item)
	if err != nil {
		t.Fatal(err)
	}
	return item, f, read(t, f)
}

func read(t *testing.T, f store.File) []byte {
	t.Helper()
	r, err := f.Reader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// addresses returns the address of a store of each kind that a test can have,
// with the clients of this build.
func addresses(t *testing.T) map[string]string {
	all := map[string]string{"file": "file://" + filepath.ToSlash(t.TempDir()), "mem": "mem://"}
	addCloudAddresses(t, all)
	return all
}

// TestStore: a task that was put is listed, found and fetched. Its version is the
// same in a listing and alone, and changes with the content.
func TestStore(t *testing.T) {
	ctx := context.Background()
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			s := open(t, address, t.TempDir())
			if items, err := s.List(ctx); err != nil || len(items) > 0 {
				t.Fatalf("an empty store lists %v, %v", items, err)
			}
			first, second := []byte("the first content"), []byte("another one that is longer")
			put(t, s, "b", first)
			put(t, s, "a", second)
			a, file, content := fetch(t, s, "a")
			if !bytes.Equal(content, second) || a.Size != int64(len(second)) {
				t.Errorf("%+v, %+v, %q", a, file, content)
			}
			b, _, content := fetch(t, s, "b")
			if !bytes.Equal(content, first) {
				t.Errorf("%q", content)
			}
			items, err := s.List(ctx)
			if diff := cmp.Diff([]store.Item{a, b}, items); diff != "" || err != nil {
				t.Errorf("%v: the listing: %s", err, diff)
			}
			put(t, s, "b", second)
			now, _, content := fetch(t, s, "b")
			if now.Version == b.Version || !bytes.Equal(content, second) {
				t.Errorf("after a change: %+v, before %+v: %q", now, b, content)
			}
			// An old item fetches the current content.
			f, err := s.Fetch(ctx, b)
			if err != nil {
				t.Fatal(err)
			}
			if content := read(t, f); !bytes.Equal(content, second) && !bytes.Equal(content, first) {
				t.Errorf("an old item: %q", content)
			}
			if err := s.Remove(ctx, "b"); err != nil {
				t.Error(err)
			}
			_, gone := s.Stat(ctx, "b")
			_, bad := s.Stat(ctx, "../b")
			for _, err := range []error{gone, bad, s.Remove(ctx, "b")} {
				if !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%v, want %v", err, store.ErrNotFound)
				}
			}
		})
	}
}

// TestRetryAttempts counts attempts.
func TestRetryAttempts(t *testing.T) {
	r := retry{attempts: 3, pause: time.Microsecond}
	for name, test := range map[string]struct {
		errs []error
		want int
	}{
		"success":      {nil, 1},
		"temporary":    {[]error{errors.New("connection reset")}, 2},
		"lasting":      {[]error{errors.New("a"), errors.New("b"), errors.New("c"), errors.New("d")}, 3},
		"not repeated": {[]error{context.Canceled, nil}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			_ = r.do(context.Background(), func() error {
				n++
				if n <= len(test.errs) {
					return test.errs[n-1]
				}
				return nil
			})
			if n != test.want {
				t.Errorf("%d attempts, want %d", n, test.want)
			}
		})
	}
}

// A file:// bucket whose folder is gone is away; it does not count as empty.
func TestFolderGone(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "store")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	s := open(t, "file://"+filepath.ToSlash(folder), filepath.Join(dir, "cache"))
	put(t, s, "a", []byte("content"))
	ctx := context.Background()
	item, err := s.Stat(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(ctx, "b"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such task: %v", err)
	}
	if _, err := s.List(ctx); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(folder, folder+".gone"); err != nil {
		t.Fatal(err)
	}
	checkAway(t, s, item)
	if err := os.Mkdir(folder, 0o755); err != nil { // as the mount point of a share
		t.Fatal(err)
	}
	checkAway(t, s, item)
	if err := os.Remove(folder); err != nil { // nothing was written into it
		t.Fatal(err)
	}
	if err := os.Rename(folder+".gone", folder); err != nil {
		t.Fatal(err)
	}
	if items, err := s.List(ctx); err != nil || len(items) != 1 {
		t.Errorf("back again: %v, %v", items, err)
	}
}

// checkAway checks that all calls say that the store is away, not that task a is gone.
func checkAway(t *testing.T, s *Store, item store.Item) {
	t.Helper()
	ctx := context.Background()
	spool, err := s.Spool()
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Remove()
	_, errList := s.List(ctx)
	_, errStat := s.Stat(ctx, "a")
	_, errFetch := s.Fetch(ctx, item)
	for what, err := range map[string]error{"list": errList, "stat": errStat, "fetch": errFetch, "put": s.Put(ctx, "b", spool), "remove": s.Remove(ctx, "a")} {
		if !errors.Is(err, store.ErrAway) || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
