package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"kenserve/models/tiny"
)

// TestChangeTasks changes the tasks of a running program while clients send requests: no
// request fails, a bad file changes nothing, and a good one takes effect at once.
func TestChangeTasks(t *testing.T) {
	w := newFixture(t, "one")
	dir := filepath.Dir(w.base)
	file := func(name string, labels ...string) []byte {
		tuned, out := filepath.Join(dir, "tuned", name), filepath.Join(dir, name+".ken")
		if err := tiny.WriteTuned(tuned, w.base, labels, 9); err != nil {
			t.Fatal(err)
		}
		if text, err := exec.Command(w.program, "prune", "--base", w.base, "--tuned", tuned, "--out", out).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	three := file("three", "a", "b", "c")
	broken := bytes.Clone(three)
	broken[len(broken)-1] ^= 4
	keys := filepath.Join(dir, "admin.keys")
	if err := os.WriteFile(keys, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := w.start(t, nil, "--base", w.base, "--store", w.store, "--listen", "127.0.0.1:0", "--admin-key-file", keys)

	do := func(method, path string, body []byte, header ...string) (int, string) {
		q, err := http.NewRequest(method, r.address+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer secret")
		for i := 0; i < len(header); i += 2 {
			q.Header.Set(header[i], header[i+1])
		}
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	labels := func(task string) int {
		status, text := do(http.MethodPost, "/classify", []byte(`{"model":"`+task+`","input":"what"}`))
		var answer struct{ Data [][]struct{ Label string } }
		if err := json.Unmarshal([]byte(text), &answer); err != nil || status != http.StatusOK {
			t.Fatalf("%s: status %d, %v: %s", task, status, err, text)
		}
		return len(answer.Data[0])
	}

	var over atomic.Bool
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for !over.Load() {
				answer, err := http.Post(r.address+"/classify", "", strings.NewReader(`{"model":"one","input":["what","the card"]}`))
				if err != nil {
					t.Error(err)
					return
				}
				text, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if err != nil || answer.StatusCode != http.StatusOK {
					t.Errorf("request while tasks change: status %d, %v: %s", answer.StatusCode, err, text)
					return
				}
			}
		})
	}
	for _, c := range []struct {
		name, method, path string
		body               []byte
		header             []string
		status             int
		text               string
		labels             int // of task one afterwards
	}{
		{"upload a damaged delta", "PUT", "/tasks/one", broken, nil, 422, "the delta cannot be served", 2},
		{"upload a file that is not a delta", "PUT", "/tasks/one", []byte("nonsense"), nil, 422, "not valid", 2},
		{"replace a task", "PUT", "/tasks/one", three, nil, 200, `"name":"one"`, 3},
		{"add a task", "PUT", "/tasks/two", three, nil, 201, `"name":"two"`, 3},
		{"unload", "POST", "/tasks/two/unload", nil, nil, 200, `"residency":"cold"`, 3},
		{"load", "POST", "/tasks/two/load", nil, nil, 200, `"labels":["a","b","c"]`, 3},
		{"copy", "PUT", "/tasks/copy", []byte(`{"source":"two"}`), []string{"Content-Type", "application/json"}, 201, `"name":"copy"`, 3},
		{"copy an unknown task", "PUT", "/tasks/copy", []byte(`{"source":"none"}`), []string{"Content-Type", "application/json"}, 404, "none", 3},
		{"remove", "DELETE", "/tasks/two", nil, nil, 204, "", 3},
		{"remove again", "DELETE", "/tasks/two", nil, nil, 404, "two", 3},
		{"load as Triton does", "POST", "/v2/repository/models/copy/load", nil, nil, 200, "{}", 3},
		{"unload as Triton does", "POST", "/v2/repository/models/copy/unload", nil, nil, 200, "{}", 3},
	} {
		status, text := do(c.method, c.path, c.body, c.header...)
		if status != c.status || !strings.Contains(text, c.text) || strings.Contains(text, dir) {
			t.Errorf("%s: status %d, want %d and %s: %s", c.name, status, c.status, c.text, text)
		}
		if got := labels("one"); got != c.labels {
			t.Errorf("%s: task one has %d labels, want %d", c.name, got, c.labels)
		}
	}
	over.Store(true)
	asking.Wait()
	if got := labels("copy"); got != 3 {
		t.Errorf("the copy has %d labels", got)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := r.stop(t); err != nil {
		t.Errorf("%v: %s", err, r.text())
	}
	left, err := filepath.Glob(filepath.Join(w.store, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("files left in the store: %q, %v", left, err)
	}
}
