package hub

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	firstPause = time.Millisecond
	goleak.VerifyTestMain(m)
}

const (
	firstCommit  = "0123456789abcdef0123456789abcdef01234567"
	secondCommit = "fedcba9876543210fedcba9876543210fedcba98"
)

// A fakeHub answers as the hub does. It redirects requests for large files to another host.
type fakeHub struct {
	t      *testing.T
	commit string
	files  map[string][]byte
	token  string // required, if not empty

	mu       sync.Mutex
	requests []string
	cut      map[string]int  // bytes of a file sent before the connection breaks, once
	spoil    map[string]bool // files whose content differs from the digest
	ranges   bool            // whether range requests are supported
	fail     int             // number of requests to answer with 503 first

	hub, store *httptest.Server
}

func newFakeHub(t *testing.T) *fakeHub {
	h := &fakeHub{
		t: t, commit: firstCommit, ranges: true, cut: map[string]int{}, spoil: map[string]bool{},
		files: map[string][]byte{
			"config.json":       []byte(`{"model_type":"bert"}`),
			"vocab.txt":         {},
			"README.md":         []byte("not wanted"),
			"pytorch_model.bin": []byte("not wanted"),
			"model.safetensors": bytes.Repeat([]byte("weights "), 300_000),
		},
	}
	h.store = httptest.NewServer(http.HandlerFunc(h.serveStore))
	h.hub = httptest.NewServer(http.HandlerFunc(h.serveHub))
	t.Cleanup(h.store.Close)
	t.Cleanup(h.hub.Close)
	return h
}

func (h *fakeHub) client(t *testing.T) *Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &Client{endpoint: h.hub.URL, cache: t.TempDir(), token: h.token, silence: 5 * time.Second, http: &http.Client{Transport: transport}}
}

func large(name string) bool { return strings.HasSuffix(name, ".safetensors") }

func digestOf(name string, data []byte) string {
	if large(name) {
		return fmt.Sprintf("%x", sha256.Sum256(data))
	}
	return fmt.Sprintf("%x", sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(data)), data...)))
}

func (h *fakeHub) serveHub(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, r.Method+" "+r.URL.Path+" "+r.Header.Get("Range"))
	if h.fail > 0 {
		h.fail--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if h.token != "" && r.Header.Get("Authorization") != "Bearer "+h.token {
		w.Header().Set("X-Error-Message", "Access to model org/model is restricted.")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if rev, ok := strings.CutPrefix(r.URL.Path, "/api/models/org/model/revision/"); ok && (rev == "main" || rev == "v1/x" || rev == h.commit) {
		type sibling struct {
			Name string `json:"rfilename"`
		}
		var siblings []sibling
		for name := range h.files {
			siblings = append(siblings, sibling{name})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"sha": h.commit, "siblings": siblings})
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/org/model/resolve/"+h.commit+"/")
	data, exists := h.files[name]
	if !ok || !exists {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	etag := digestOf(name, data)
	w.Header().Set("X-Repo-Commit", h.commit)
	if large(name) {
		w.Header().Set("X-Linked-Etag", `"`+etag+`"`)
		w.Header().Set("X-Linked-Size", fmt.Sprint(len(data)))
		w.Header().Set("Etag", `"other"`)
		http.Redirect(w, r, h.store.URL+"/"+name, http.StatusFound)
		return
	}
	w.Header().Set("Etag", `W/"`+etag+`"`)
	h.serveData(w, r, name, data)
}

func (h *fakeHub) serveStore(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Header.Get("Authorization") != "" {
		h.t.Error("the token went to another host")
	}
	name := r.URL.Path[1:]
	h.requests = append(h.requests, r.Method+" store "+name+" "+r.Header.Get("Range"))
	h.serveData(w, r, name, h.files[name])
}

func (h *fakeHub) serveData(w http.ResponseWriter, r *http.Request, name string, data []byte) {
	if h.spoil[name] {
		data = bytes.ToUpper(data)
	}
	if n, ok := h.cut[name]; ok && r.Method == http.MethodGet {
		delete(h.cut, name)
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data[:n])
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	if !h.ranges {
		r.Header.Del("Range")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

func checkSnapshot(t *testing.T, h *fakeHub, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(want) {
		t.Errorf("%s holds %v, want %v", dir, entries, want)
	}
	for _, name := range want {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(data, h.files[name]) {
			t.Errorf("%s: %d bytes, want %d; %v", name, len(data), len(h.files[name]), err)
		}
		target, err := os.Readlink(filepath.Join(dir, name))
		if want := "../../blobs/" + digestOf(name, h.files[name]); err != nil || filepath.ToSlash(target) != want {
			t.Errorf("%s is a link to %s, want %s; %v", name, target, want, err)
		}
	}
}

func pull(t *testing.T, c *Client, model string) (string, error) {
	t.Helper()
	m, err := ParseModel(model)
	if err != nil {
		t.Fatal(err)
	}
	return c.Pull(t.Context(), m, nil)
}

func TestPull(t *testing.T) {
	h := newFakeHub(t)
	c := h.client(t)
	m := Model{"org/model", "main"}
	if _, err := c.Find(m); !errors.Is(err, ErrNotCached) {
		t.Errorf("before: %v", err)
	}
	dir, err := pull(t, c, "org/model")
	if err != nil {
		t.Fatal(err)
	}
	checkSnapshot(t, h, dir, "config.json", "vocab.txt", "model.safetensors")
	if want := filepath.Join(c.cache, "models--org--model", "snapshots", firstCommit); dir != want {
		t.Errorf("pulled to %s, want %s", dir, want)
	}
	for _, m := range []Model{m, {"org/model", firstCommit}} {
		if found, err := c.Find(m); err != nil || found != dir {
			t.Errorf("%s: found %s, %v", m, found, err)
		}
	}
	if _, err := c.Find(Model{"org/model", "v1/x"}); !errors.Is(err, ErrNotCached) {
		t.Errorf("another revision: %v", err)
	}

	// Files in the cache are not downloaded again.
	h.requests = nil
	if _, err := pull(t, c, "org/model@v1/x"); err != nil {
		t.Fatal(err)
	}
	for _, r := range h.requests {
		if !strings.HasPrefix(r, "HEAD") && !strings.Contains(r, "/api/") {
			t.Errorf("downloaded again: %s", r)
		}
	}
	if found, err := c.Find(Model{"org/model", "v1/x"}); err != nil || found != dir {
		t.Errorf("by the other revision: %s, %v", found, err)
	}

	// A new commit shares unchanged files.
	h.commit, h.files["config.json"] = secondCommit, []byte(`{"model_type":"other"}`)
	h.requests = nil
	second, err := pull(t, c, "org/model")
	if err != nil {
		t.Fatal(err)
	}
	checkSnapshot(t, h, second, "config.json", "vocab.txt", "model.safetensors")
	if strings.Contains(strings.Join(h.requests, "\n"), "store") {
		t.Errorf("weights were downloaded again: %q", h.requests)
	}
	if found, _ := c.Find(m); found != second {
		t.Errorf("main is at %s, want %s", found, second)
	}
}

func TestShards(t *testing.T) {
	h := newFakeHub(t)
	delete(h.files, "model.safetensors")
	h.files["model.safetensors.index.json"] = []byte("{}")
	h.files["model-00001-of-00002.safetensors"] = []byte("one")
	h.files["model-00002-of-00002.safetensors"] = []byte("two")
	h.files["onnx/model.safetensors"] = []byte("not wanted")
	dir, err := pull(t, h.client(t), "org/model")
	if err != nil {
		t.Fatal(err)
	}
	checkSnapshot(t, h, dir, "config.json", "vocab.txt", "model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
}

// TestResume checks that a broken download resumes where it stopped, in the same pull or
// in a later one.
func TestResume(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		h := newFakeHub(t)
		h.ranges = ranges
		h.cut["model.safetensors"] = 1_000_000
		h.fail = 2
		c := h.client(t)
		dir, err := pull(t, c, "org/model")
		if err != nil {
			t.Fatal(err)
		}
		checkSnapshot(t, h, dir, "config.json", "vocab.txt", "model.safetensors")
		resumed := false
		for _, r := range h.requests {
			resumed = resumed || strings.Contains(r, "store") && strings.Contains(r, "bytes=")
		}
		if !resumed {
			t.Errorf("no request resumed the download: %q", h.requests)
		}
	}

	h := newFakeHub(t)
	c := h.client(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := c.Pull(ctx, Model{"org/model", "main"}, func(name string, done, size int64) {
		if name == "model.safetensors" && done > 0 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) && err != nil {
		t.Fatalf("cancelled: %v", err)
	}
	h.requests = nil
	if err != nil { // without an error the whole file arrived before the cancellation
		if _, err := c.Find(Model{"org/model", "main"}); !errors.Is(err, ErrNotCached) {
			t.Errorf("an incomplete model: %v", err)
		}
	}
	dir, err := pull(t, c, "org/model")
	if err != nil {
		t.Fatal(err)
	}
	checkSnapshot(t, h, dir, "config.json", "vocab.txt", "model.safetensors")
	left, err := filepath.Glob(filepath.Join(c.cache, "models--org--model", "blobs", "*.incomplete"))
	if len(left) > 0 || err != nil {
		t.Errorf("incomplete blobs left: %v, %v", left, err)
	}
}

func TestWrongDigest(t *testing.T) {
	for _, name := range []string{"model.safetensors", "config.json"} {
		h := newFakeHub(t)
		h.spoil[name] = true
		c := h.client(t)
		if _, err := pull(t, c, "org/model"); !errors.Is(err, errDigest) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.Find(Model{"org/model", "main"}); !errors.Is(err, ErrNotCached) {
			t.Errorf("%s: found: %v", name, err)
		}
		// The wrong content was removed, so that another pull starts from the beginning.
		h.spoil[name] = false
		dir, err := pull(t, c, "org/model")
		if err != nil {
			t.Fatal(err)
		}
		checkSnapshot(t, h, dir, "config.json", "vocab.txt", "model.safetensors")
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name    string
		model   string
		change  func(h *fakeHub, c *Client)
		wraps   error
		message string
	}{
		{"no such model", "org/other", nil, errNotFound, "404"},
		{"no such revision", "org/model@v9", nil, errNotFound, "404"},
		{"no token", "org/model", func(h *fakeHub, c *Client) { h.token = "secret" }, errDenied, "is restricted"},
		{"wrong token", "org/model", func(h *fakeHub, c *Client) { h.token, c.token = "secret", "guess" }, errDenied, "the token may not read it"},
		{"down", "org/model", func(h *fakeHub, c *Client) { h.fail = 100 }, nil, "503"},
		{"no weights", "org/model", func(h *fakeHub, c *Client) { delete(h.files, "model.safetensors") }, nil, "pickled files"},
		{"no weights at all", "org/model", func(h *fakeHub, c *Client) {
			delete(h.files, "model.safetensors")
			delete(h.files, "pytorch_model.bin")
		}, nil, "no weights"},
		{"no configuration", "org/model", func(h *fakeHub, c *Client) { delete(h.files, "config.json") }, nil, "no config.json"},
		{"no commit", "org/model", func(h *fakeHub, c *Client) { h.commit = "../../x" }, nil, "for its commit"},
		{"no hub", "org/model", func(h *fakeHub, c *Client) { c.endpoint = "http://127.0.0.1:1" }, nil, "refused"},
	}
	for _, test := range tests {
		h := newFakeHub(t)
		c := h.client(t)
		if test.change != nil {
			test.change(h, c)
		}
		_, err := pull(t, c, test.model)
		if err == nil || !strings.Contains(err.Error(), test.message) || test.wraps != nil && !errors.Is(err, test.wraps) {
			t.Errorf("%s: %v", test.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the token is in %v", test.name, err)
		}
	}
	h := newFakeHub(t)
	h.token = "secret"
	if _, err := pull(t, h.client(t), "org/model"); err != nil {
		t.Errorf("with the token: %v", err)
	}
}

func TestParseModel(t *testing.T) {
	for s, want := range map[string]Model{
		"org/name":                    {"org/name", "main"},
		"bert-base-uncased":           {"bert-base-uncased", "main"},
		"org/name@v1.0":               {"org/name", "v1.0"},
		"org/name@refs/pr/1":          {"org/name", "refs/pr/1"},
		"o.r_g/n-a.me@" + firstCommit: {"o.r_g/n-a.me", firstCommit},
	} {
		if got, err := ParseModel(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "/", "a/b/c", "../x", "a/..", "/etc", "a--b/c", "a/b@", "a/b@../x", "a/b@x/../y", "a b", "a/b@-x", "a/b@x//y", ".a/b", "a/b@c@d"} {
		if m, err := ParseModel(s); err == nil {
			t.Errorf("%q: %v", s, m)
		}
	}
}

func TestFromEnvironment(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"HF_ENDPOINT", "HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", home)
	check := func(cache, token string) {
		t.Helper()
		c, err := FromEnvironment()
		if err != nil || c.cache != cache || c.token != token || strings.HasSuffix(c.endpoint, "/") {
			t.Errorf("got %+v, %v; want %s, %q", c, err, cache, token)
		}
	}
	check(filepath.Join(home, ".cache", "huggingface", "hub"), "")
	t.Setenv("HF_HOME", filepath.Join(home, "hf"))
	if err := errors.Join(os.Mkdir(filepath.Join(home, "hf"), 0o700), os.WriteFile(filepath.Join(home, "hf", "token"), []byte("abc\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	check(filepath.Join(home, "hf", "hub"), "abc")
	t.Setenv("HF_HUB_CACHE", home)
	t.Setenv("HF_TOKEN", "def")
	t.Setenv("HF_ENDPOINT", "http://localhost:1/")
	check(home, "def")
	// A token is not sent in clear text, but to this machine.
	for endpoint, token := range map[string]string{
		"https://hub.example": "def", "http://hub.example": "", "http://127.0.0.1:8080": "def", "http://[::1]:80": "def",
		"http://localhost.example": "", "http://127.0.0.1.example": "", "http://10.0.0.1": "",
	} {
		t.Setenv("HF_ENDPOINT", endpoint)
		check(home, token)
	}
	for _, endpoint := range []string{"hub.example", "ftp://hub.example", "https://", "http://%zz"} {
		t.Setenv("HF_ENDPOINT", endpoint)
		if _, err := FromEnvironment(); err == nil || !strings.Contains(err.Error(), "HF_ENDPOINT") {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}
