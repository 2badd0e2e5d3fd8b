package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kenserve/tune/jobs"
)

// TestTuneOnServer tunes a task on a server, and again on one that is killed meanwhile: the
// delta is the same, and is served.
func TestTuneOnServer(t *testing.T) {
	w := newFixture(t)
	dir := t.TempDir()
	keys, tunings := filepath.Join(dir, "admin.key"), filepath.Join(dir, "tunings")
	if err := os.WriteFile(keys, []byte("admin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var texts bytes.Buffer
	texts.WriteString("text,label\n")
	words := []string{"what", "who", "film", "is", "the", "where", "city", "a"}
	for i := range 200 {
		fmt.Fprintf(&texts, "%s %s %s,%s\n", words[i%8], words[i/8%8], words[i/64%8], []string{"no", "yes"}[i/3%2])
	}
	start := func() *running {
		return w.start(t, nil, "serve", "--base", w.base, "--store", w.store, "--listen", "127.0.0.1:0", "--admin-key-file", keys, "--tune-dir", tunings)
	}
	call := func(r *running, method, path, body string) (status int, answer string) {
		t.Helper()
		q, err := http.NewRequest(method, r.address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer admin")
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatalf("%v\n%s", err, r.text())
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, string(b)
	}
	queue := func(r *running) {
		t.Helper()
		if status, answer := call(r, "POST", "/tasks/mine/tune?epochs=15&method=sparse&share=0.3&batch=8", texts.String()); status != http.StatusAccepted {
			t.Fatalf("status %d: %s", status, answer)
		}
	}
	// follow waits until the job is done or holds.
	follow := func(r *running, holds func(jobs.Job) bool) jobs.Job {
		t.Helper()
		for end := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
			var job jobs.Job
			if _, answer := call(r, "GET", "/tasks/mine/tune", ""); json.Unmarshal([]byte(answer), &job) != nil {
				t.Fatal(answer)
			}
			switch {
			case job.State == jobs.Done || holds(job):
				return job
			case job.State.Final() || time.Now().After(end):
				t.Fatalf("the job is %s: %s", job.State, r.text())
			}
		}
	}
	never := func(jobs.Job) bool { return false }
	trains := func(j jobs.Job) bool { return j.Progress != nil && j.Progress.Stage == "train" && j.Progress.Step > 30 }
	file := filepath.Join(w.store, "mine.ken")

	r := start()
	if status, answer := call(r, "POST", "/tasks/mine/tune", "text,label\nwhat,yes\n\"who,no\n"); status != http.StatusUnprocessableEntity || !strings.Contains(answer, "row 2") {
		t.Errorf("a bad row: status %d: %s", status, answer)
	}
	queue(r)
	follow(r, never)
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := call(r, "POST", "/classify", `{"model":"mine","input":"what film"}`); status != http.StatusOK || !strings.Contains(answer, `"label":"yes"`) {
		t.Errorf("the new task: status %d: %s", status, answer)
	}
	if status, answer := call(r, "DELETE", "/tasks/mine", ""); status != http.StatusNoContent {
		t.Fatal(answer)
	}

	queue(r)
	follow(r, trains)
	if err := r.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-r.end
	_ = r.command.Wait()
	r = start()
	job := follow(r, never)
	if job.Resumed > 1 {
		t.Errorf("resumed %d times", job.Resumed)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the delta of a job whose server was killed differs: resumed %d times", job.Resumed)
	}
	if err := r.stop(t); err != nil {
		t.Errorf("%v\n%s", err, r.text())
	}
}
