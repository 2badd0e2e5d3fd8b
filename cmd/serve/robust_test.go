package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"kenserve/internal/printable"
	"kenserve/models/tiny"
)

// within waits until a condition holds.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// get sends a request with a key and returns the status and the body.
func (r *running) get(path, key string) (int, string) {
	q, err := http.NewRequest(http.MethodGet, r.address+path, nil)
	if err != nil {
		return 0, err.Error()
	}
	if key != "" {
		q.Header.Set("X-Api-Key", key)
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body)
}

// TestReload sends SIGHUP after changes of keys and configuration, good ones and bad
// ones, and again and again under load.
func TestReload(t *testing.T) {
	w := newFixture(t, "one")
	dir := filepath.Dir(w.base)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const common = "base: base\nstore: store\nlisten: 127.0.0.1:0\napi-key-file: keys\n"
	write("keys", "old\nboth\n")
	write("config.yaml", common)
	r := w.start(t, nil, "--config", filepath.Join(dir, "config.yaml"))
	reload := func(what string) {
		t.Helper()
		before := strings.Count(r.text(), `"msg":"reloaded"`) + strings.Count(r.text(), `"msg":"not reloaded`)
		if err := r.command.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		within(t, 20*time.Second, what, func() bool {
			return strings.Count(r.text(), `"msg":"reloaded"`)+strings.Count(r.text(), `"msg":"not reloaded`) > before
		})
	}
	check := func(when string, old, next int) {
		t.Helper()
		a, _ := r.get("/tasks", "old")
		b, _ := r.get("/tasks", "new")
		if got, want := fmt.Sprint(a, b), fmt.Sprint(old, next); got != want {
			t.Errorf("%s: old and new key: %s, want %s\n%s", when, got, want, r.text())
		}
	}
	check("at first", 200, 401)

	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // no request is dropped meanwhile
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if status, body := r.get("/tasks", "both"); status != http.StatusOK {
				t.Errorf("during reloads: %d %s", status, body)
				return
			}
		}
	}()
	write("keys", "new\nboth\n")
	check("without a signal", 200, 401)
	reload("the new keys")
	check("the new keys", 401, 200)
	write("keys", "\n  \n")
	reload("no keys")
	check("no keys", 401, 200)
	write("keys", "old\nboth\n")
	write("config.yaml", common+"log-level: loud\n")
	reload("a wrong configuration")
	check("a wrong configuration", 401, 200)
	write("config.yaml", common+"max-texts: 7\nlog-level: debug\n")
	reload("a good configuration")
	check("a good configuration", 200, 401)
	for range 20 {
		reload("again")
	}
	close(stop)
	<-stopped
	if _, body := r.get("/metrics", "both"); !strings.Contains(body, `kenserve_reloads_total{result="failed"} 2`+"\n") || !strings.Contains(body, "kenserve_log_lines_lost_total 0\n") {
		t.Error("the metrics do not count the failed reloads")
	}
	if err := r.stop(t); err != nil {
		t.Error(err)
	}
	if log := r.text(); !strings.Contains(log, `"setting":"max-texts"`) || !strings.Contains(log, `"level":"DEBUG"`) {
		t.Errorf("the log names no setting that needs a restart, or has no debug lines: %s", log)
	}
}

// TestSecondSignal: a second signal ends a process that drains at once.
func TestSecondSignal(t *testing.T) {
	w := newFixture(t, "one")
	for _, signals := range [][2]syscall.Signal{{syscall.SIGINT, syscall.SIGINT}, {syscall.SIGTERM, syscall.SIGINT}, {syscall.SIGINT, syscall.SIGTERM}} {
		r := w.start(t, nil, "--base", w.base, "--store", w.store, "--listen", "127.0.0.1:0", "--grace", "5m", "--drain-timeout", "5m")
		if err := r.command.Process.Signal(signals[0]); err != nil {
			t.Fatal(err)
		}
		within(t, 20*time.Second, "drains", func() bool { return strings.Contains(r.text(), `"msg":"draining"`) })
		if status, _ := r.get("/healthz", ""); status != http.StatusOK {
			t.Errorf("while it drains: status %d", status)
		}
		began := time.Now()
		if err := r.command.Process.Signal(signals[1]); err != nil {
			t.Fatal(err)
		}
		<-r.end
		_ = r.command.Wait()
		if took := time.Since(began); took > 10*time.Second || r.command.ProcessState.ExitCode() != 128+int(signals[1]) {
			t.Errorf("%v: ended after %s with %s", signals, took, r.command.ProcessState)
		}
	}
}

// TestLogReaderStalls: a reader of the log that stalls, and one that goes away, cost
// lines and nothing else. The process ends in time, too.
func TestLogReaderStalls(t *testing.T) {
	w := newFixture(t, "one")
	for _, gone := range []bool{false, true} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer read.Close()
		port := "127.0.0.1:" + freePort(t)
		command := exec.Command(w.program, "serve", "--base", w.base, "--store", w.store, "--listen", port, "--log-format", "json")
		command.Stderr = write
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- command.Wait() }()
		t.Cleanup(func() { _ = command.Process.Kill() })
		write.Close()
		r := &running{address: "http://" + port}
		within(t, 30*time.Second, "it serves", func() bool { status, _ := r.get("/healthz", ""); return status == http.StatusOK })
		if gone {
			read.Close()
		}
		path := "/none/" + strings.Repeat("x", 200) // a line of the log each
		lost := func() bool {
			_, body := r.get("/metrics", "")
			return !strings.Contains(body, "kenserve_log_lines_lost_total 0\n")
		}
		for range 8000 {
			if status, body := r.get(path, ""); status != http.StatusNotFound {
				t.Fatalf("gone %t: %d %s", gone, status, body)
			}
		}
		within(t, 10*time.Second, "lines are lost", lost)
		if !gone { // the reader comes back
			report := make(chan struct{})
			go func() {
				var log bytes.Buffer
				buf := make([]byte, 1<<16)
				for {
					n, err := read.Read(buf)
					log.Write(buf[:n])
					if strings.Contains(log.String(), "lines of the log were lost") {
						close(report)
						_, _ = io.Copy(io.Discard, read)
						return
					}
					if err != nil {
						return
					}
				}
			}()
			select {
			case <-report:
			case <-time.After(20 * time.Second):
				t.Error("the log does not say that lines were lost")
			}
		}
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("gone %t: %v", gone, err)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("gone %t: it does not end", gone)
		}
	}
}

// freePort returns a port of the loopback address that nobody uses now.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := strings.Cut(ln.Addr().String(), ":")
	return port
}

// TestControlCharacters: the strings in a delta cannot write to the terminal or forge a
// line, whichever command prints it.
func TestControlCharacters(t *testing.T) {
	w := newFixture(t)
	dir := filepath.Dir(w.base)
	tuned := filepath.Join(dir, "tuned\x1b[31m\u202e")
	labels := []string{"a\x1b]0;title\a", "b\nforged: line\u009b\u202e\x7f\tc"}
	if err := tiny.WriteTuned(tuned, w.base, labels, 1); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(w.store, "odd.ken")
	small := filepath.Join(dir, "odd.ken")
	data := filepath.Join(dir, "data.jsonl")
	if err := os.WriteFile(data, []byte(`{"text":"what","label":0}`+"\n"+`{"text":"how","label":1}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	layout := strings.NewReplacer("\r", "", "\n", "", "\t", "")
	for _, args := range [][]string{
		{"prune", "--base", w.base, "--tuned", tuned, "--out", file},
		{"inspect", file},
		{"inspect", file, "--json"},
		{"verify", file, "--base", w.base},
		{"eval", file, "--base", w.base, "--data", data},
		{"eval", file, "--base", w.base, "--data", data, "--json"},
		{"classify", file, "--base", w.base, "--input", data},
		{"diff", file, file, "--base", w.base},
		{"pack", file, "--base", w.base, "--out", small},
		{"inspect", small},
		{"serve", "--base", w.base, "--store", w.store, "--check"},
		{"inspect", filepath.Join(dir, "no\x1b[1m\nkenserve: forged.ken")},
	} {
		out, _ := exec.Command(w.program, args...).CombinedOutput()
		if len(out) == 0 {
			t.Errorf("%q: no output", args)
		}
		if text := layout.Replace(string(out)); printable.Line(text) != text || !utf8.Valid(out) {
			t.Errorf("%q prints what a terminal obeys: %q", args, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "forged") || strings.HasPrefix(line, "kenserve: forged") {
				t.Errorf("%q prints a line that is forged: %q", args, out)
			}
		}
	}
}
