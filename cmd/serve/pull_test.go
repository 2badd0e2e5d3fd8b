package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kenserve/models/tiny"
)

// TestPull downloads a model from a hub and uses it as a base under its name.
func TestPull(t *testing.T) {
	base := filepath.Join(t.TempDir(), "base")
	if err := tiny.WriteBase(base, 1); err != nil {
		t.Fatal(err)
	}
	const commit = "0123456789abcdef0123456789abcdef01234567"
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/models/org/tiny/revision/main" {
			entries, err := os.ReadDir(base)
			if err != nil {
				t.Error(err)
			}
			var siblings []map[string]string
			for _, e := range entries {
				siblings = append(siblings, map[string]string{"rfilename": e.Name()})
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"sha": commit, "siblings": siblings})
			return
		}
		name, ok := strings.CutPrefix(r.URL.Path, "/org/tiny/resolve/"+commit+"/")
		data, err := os.ReadFile(filepath.Join(base, name))
		if !ok || err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Etag", fmt.Sprintf(`"%x"`, sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(data)), data...))))
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data)
	}))
	defer hub.Close()
	cache := t.TempDir()
	t.Setenv("HF_ENDPOINT", hub.URL)
	t.Setenv("HF_HUB_CACHE", cache)
	t.Setenv("HF_TOKEN", "")

	kenserve := func(status int, in string, args ...string) (string, string) {
		t.Helper()
		var out, err bytes.Buffer
		if got := run(t.Context(), args, streams{strings.NewReader(in), &out, &err}); got != status {
			t.Errorf("%q: status %d, want %d: %s", args, got, status, &err)
		}
		return out.String(), err.String()
	}
	_, message := kenserve(exitUsage, "", "tokenize", "--base", "org/tiny")
	if !strings.Contains(message, "kenserve pull org/tiny") {
		t.Errorf("before the download: %s", message)
	}
	dir, _ := kenserve(exitDone, "", "pull", "org/tiny")
	if want := filepath.Join(cache, "models--org--tiny", "snapshots", commit) + "\n"; dir != want {
		t.Errorf("downloaded to %s, want %s", dir, want)
	}
	want, _ := kenserve(exitDone, "a text\n", "tokenize", "--base", base)
	got, _ := kenserve(exitDone, "a text\n", "tokenize", "--base", "org/tiny")
	if got != want || got == "" {
		t.Errorf("tokens %q, want %q", got, want)
	}
	if _, message := kenserve(exitUsage, "", "pull", "../tiny"); !strings.Contains(message, "invalid model name") {
		t.Errorf("a path: %s", message)
	}
	if _, message := kenserve(exitFailed, "", "pull", "org/other"); !strings.Contains(message, "no such model") {
		t.Errorf("unknown model: %s", message)
	}
}
