//go:build bucket

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

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"kenserve/delta"
	"kenserve/delta/store"
)

// s3 is a server with S3's protocol. It can fail requests, and counts the requests
// for the contents of objects.
type s3 struct {
	handler http.Handler
	fail    atomic.Int64 // requests to answer with 503
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

// newS3 starts such a server with a bucket, and returns an address in it.
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

// addCloudAddresses adds the address of a store that needs a cloud client.
func addCloudAddresses(t *testing.T, addresses map[string]string) {
	_, addresses["s3"] = newS3(t)
}

// TestCache: content is fetched once for each version, also by the next
// process, and again if the copy is damaged.
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
		t.Errorf("%q from a damaged cache", got)
	}
	put(t, s, "task", []byte("other"))
	if _, _, got := fetch(t, s, "task"); string(got) != "other" {
		t.Errorf("%q after a change", got)
	}
	if n := server.gets.Load(); n != 3 {
		t.Errorf("fetched %d times, want 3", n)
	}
}

// TestRetry: failures that pass are not seen; those that stay are an error, and
// leave no file behind.
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
		t.Error("fetched from a server that does not answer")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
