package bucket

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"kenserve/delta"
	_ "kenserve/delta/internal/deltatest" // for its flag -update, which a command for all packages sets
	"kenserve/delta/store"
)

// s3 is a server with S3's protocol. It can fail requests, and counts the requests
// for the contents of objects.
type s3 struct {
	handler http.Handler
	fail    atomic.Int64 // number of next requests to answer with 503
	gets    atomic.Int64
}

func (s *s3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.fail.Add(-1) >= 0 {
		http.Error(w, "<Error><Code>SlowDown</Code></Error>", http.StatusServiceUnavailable)
		return
	}
	if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, delta.Extension) {
		s.gets.Add(1)
	}
	s.handler.ServeHTTP(w, r)
}

// newS3 starts a server with a bucket, and returns the address of a store in it.
func newS3(t *testing.T) (*s3, string) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	backend := s3mem.New()
	if err := backend.CreateBucket("models"); err != nil {
		t.Fatal(err)
	}
	s := &s3{handler: gofakes3.New(backend).Server()}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	query := url.Values{"endpoint": {server.URL}, "region": {"us-east-1"}, "use_path_style": {"true"}}
	return s, "s3://models/some/tasks?" + query.Encode()
}

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
	defer os.Remove(spool.Name())
	if _, err := spool.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(spool.Close(), s.Put(context.Background(), task, spool.Name())); err != nil {
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
	content, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	return item, f, content
}

// addresses returns an address of each kind of store that works without a provider.
func addresses(t *testing.T) map[string]string {
	_, s3 := newS3(t)
	return map[string]string{"s3": s3, "file": "file://" + filepath.ToSlash(t.TempDir()), "mem": "mem://"}
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
			if !file.Fixed || !bytes.Equal(content, second) || a.Size != int64(len(second)) {
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
			if content, _ := os.ReadFile(f.Path); !bytes.Equal(content, second) && !bytes.Equal(content, first) {
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

// TestCache: the content of a version is fetched once, also by another process, and
// again if the copy is damaged.
func TestCache(t *testing.T) {
	server, address := newS3(t)
	dir := t.TempDir()
	s := open(t, address, dir)
	content := []byte("some content")
	put(t, s, "task", content)
	_, f, _ := fetch(t, s, "task")
	fetch(t, s, "task")
	fetch(t, open(t, address, dir), "task")
	if n := server.gets.Load(); n != 1 {
		t.Errorf("fetched %d times, want once", n)
	}
	if err := errors.Join(os.Remove(f.Path), os.WriteFile(f.Path, []byte("damaged"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, _, got := fetch(t, s, "task"); !bytes.Equal(got, content) {
		t.Errorf("got %q from a damaged cache", got)
	}
	put(t, s, "task", []byte("other"))
	if _, _, got := fetch(t, s, "task"); string(got) != "other" {
		t.Errorf("%q after a change", got)
	}
	if n := server.gets.Load(); n != 3 {
		t.Errorf("fetched %d times, want 3", n)
	}
}

// TestRetry: the store retries after temporary failures. A lasting failure is an
// error and leaves no file.
func TestRetry(t *testing.T) {
	server, address := newS3(t)
	dir := t.TempDir()
	s := open(t, address, dir)
	put(t, s, "task", []byte("some content"))
	server.fail.Store(2)
	if _, _, got := fetch(t, s, "task"); string(got) != "some content" {
		t.Errorf("%q", got)
	}
	server.fail.Store(1 << 40)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, err := s.Fetch(ctx, store.Item{Task: "other", Version: "1", Size: 5}); err == nil {
		t.Error("Fetch succeeds with a server that does not answer")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("Fetch left %v, %v", left, err)
	}
}

// TestRetryAttempts: a request is repeated only after errors that may pass.
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
