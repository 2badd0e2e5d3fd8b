//go:build soak

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kenserve/delta/store"
	"kenserve/internal/inject"
	"kenserve/internal/stage"
	"kenserve/runtime"
	"kenserve/server"
)

var soakTime = flag.Duration("soak", time.Minute, "duration of TestSoak")

var errInjected = &os.PathError{Op: "injected", Path: "somewhere", Err: syscall.EIO}

// failingListener accepts some connections only at the second try, and cuts others.
type failingListener struct {
	net.Listener
	fail func() bool
}

func (l failingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil && l.fail() {
		_ = c.Close()
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.ECONNABORTED}
	}
	return c, err
}

// TestSoak serves, replaces, copies, removes and unloads tasks while operations on files,
// connections and bodies fail, and while cached files and the base's files are damaged. A
// 200 is always right, a change that was acknowledged is there, and at the end nothing is
// left over:
//
//	go test -tags soak ./cmd/serve -run TestSoak -timeout 1h -soak 30m
func TestSoak(t *testing.T) {
	w := newFixture(t, "v0", "v1", "v2")
	cacheDir, dir := filepath.Join(filepath.Dir(w.base), "cache"), filepath.Dir(w.base)
	// The versions of a task, in both layouts, and the answer of each.
	var versions [][]byte
	for v := range 3 {
		fast := filepath.Join(w.store, fmt.Sprintf("v%d.ken", v))
		small := filepath.Join(dir, fmt.Sprintf("small%d.ken", v))
		if out, err := exec.Command(w.program, "pack", fast, "--base", w.base, "--out", small).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, path := range []string{fast, small} {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			versions = append(versions, b)
		}
		if err := os.Remove(fast); err != nil {
			t.Fatal(err)
		}
	}
	baseFile := filepath.Join(w.base, "model.safetensors")
	baseContent, err := os.ReadFile(baseFile)
	if err != nil {
		t.Fatal(err)
	}

	log := slog.New(slog.DiscardHandler)
	cache := store.NewCache(cacheDir, 200<<10)
	e, err := runtime.Open(context.Background(), runtime.Config{
		BaseDir: w.base, Store: store.NewFolder(w.store), Cache: cache, Budget: 600 << 10,
		Watch: 20 * time.Millisecond, RetryAfter: time.Millisecond, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := server.New(e, server.Options{Logger: log, AdminKeys: []string{"admin"}, MaxBodyBytes: 64 << 10, MaxBodyMemory: 128 << 10, RequestTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var failing atomic.Bool
	fails := func(oneIn int) bool { return failing.Load() && rand.IntN(oneIn) == 0 }
	injected := map[inject.Op]*atomic.Int64{}
	for _, op := range []inject.Op{inject.Open, inject.Read, inject.Create, inject.Write, inject.Sync, inject.Rename, inject.Remove, inject.Body} {
		injected[op] = &atomic.Int64{}
	}
	inject.Set(func(op inject.Op) error {
		if fails(10) {
			injected[op].Add(1)
			return errInjected
		}
		return nil
	})
	defer inject.Set(nil)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	var accepts atomic.Int64 // that failed
	go func() {
		served <- h.Serve(ctx, failingListener{listener, func() bool {
			failed := fails(20)
			if failed {
				accepts.Add(1)
			}
			return failed
		}})
	}()
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2}}
	// do returns the answer, and status 0 if there is none.
	do := func(method, path string, body io.Reader, header ...string) (int, string) {
		q, err := http.NewRequest(method, "http://"+listener.Addr().String()+path, body)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		q.Header.Set("Authorization", "Bearer admin")
		for i := 0; i < len(header); i += 2 {
			q.Header.Set(header[i], header[i+1])
		}
		q.Close = rand.IntN(4) == 0
		answer, err := client.Do(q)
		if err != nil {
			return 0, err.Error()
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			return 0, err.Error()
		}
		return answer.StatusCode, string(text)
	}
	classify := func(task string) (int, string) {
		code, text := do(http.MethodPost, "/classify", strings.NewReader(`{"model":"`+task+`","input":["what","a little house"],"raw_scores":true}`))
		scores, _, _ := strings.Cut(text, `"usage"`)
		_, scores, _ = strings.Cut(scores, `"data"`)
		return code, scores
	}
	put := func(task string, version int) int {
		code, text := do(http.MethodPut, "/tasks/"+task, bytes.NewReader(versions[version]), "Content-Type", "application/octet-stream")
		if code == http.StatusBadRequest || code == http.StatusUnauthorized {
			t.Errorf("PUT %s: %d %s", task, code, text)
		}
		return code
	}

	// The answers of each version, without faults.
	answers := make([]string, len(versions))
	for v := range versions {
		if code := put("t", v); code/100 != 2 {
			t.Fatalf("PUT: %d", code)
		}
		code, scores := classify("t")
		if code != http.StatusOK || scores == "" {
			t.Fatalf("%d %s", code, scores)
		}
		answers[v] = scores
	}
	if answers[0] != answers[1] || answers[0] == answers[2] {
		t.Fatalf("answers: %q", answers)
	}

	// Each task has an owner that changes it, and readers. The owner knows which versions
	// it may have: one after an acknowledged change, and the new one, too, after one whose
	// answer was an error.
	const tasks = 6
	var right, refused, changes atomic.Int64
	over := make(chan struct{})
	var work sync.WaitGroup
	loop := func(f func()) {
		work.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					f()
				}
			}
		})
	}
	final := make([]map[string]bool, tasks)
	for i := range tasks {
		task := fmt.Sprintf("task%d", i)
		possible := map[string]bool{"": true} // "": no such task
		final[i] = possible
		check := func() {
			switch code, scores := classify(task); {
			case code == http.StatusOK && !possible[scores]:
				t.Errorf("%s: %s, possible are %v", task, scores, possible)
			case code == http.StatusOK:
				right.Add(1)
			case code == http.StatusNotFound && !possible[""]:
				t.Errorf("%s is lost", task)
			case code == http.StatusInternalServerError && failing.Load() == false:
				t.Errorf("%s: 500 without faults", task)
			default:
				refused.Add(1)
			}
		}
		loop(func() {
			v := rand.IntN(len(versions))
			code, want := 0, answers[v]
			switch rand.IntN(8) {
			case 0:
				want = ""
				code, _ = do(http.MethodDelete, "/tasks/"+task, nil)
				if code == http.StatusNotFound && possible[""] {
					code = http.StatusNoContent
				}
			case 1, 2, 3:
				code = put(task, v)
			case 4:
				do(http.MethodPost, "/tasks/"+task+"/unload", nil)
				check()
				return
			default:
				check()
				return
			}
			if code/100 == 2 {
				changes.Add(1)
				clear(possible)
			}
			possible[want] = true
			check()
		})
		loop(func() { // a reader, which does not know what is served now
			code, scores := classify(task)
			if code == http.StatusOK && scores != answers[0] && scores != answers[2] && scores != answers[4] {
				t.Errorf("%s: a mixture: %s", task, scores)
			}
		})
	}
	damage := func(path string, content []byte) {
		switch rand.IntN(3) {
		case 0:
			_ = os.Truncate(path, int64(rand.IntN(1000)))
		case 1:
			_ = os.WriteFile(path, make([]byte, len(content)), 0o644)
		case 2:
			if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
				_, _ = f.WriteAt([]byte("damaged"), rand.Int64N(1+int64(len(content))))
				_ = f.Close()
			}
		}
	}
	loop(func() {
		files, _ := filepath.Glob(filepath.Join(cacheDir, "*.ken"))
		for _, path := range files {
			if content, err := os.ReadFile(path); err == nil {
				damage(path, content)
			}
		}
		damage(baseFile, baseContent)
		time.Sleep(20 * time.Millisecond)
	})
	loop(func() { // a body that is cut
		r, body := io.Pipe()
		go func() {
			_, _ = body.Write(versions[0][:100])
			_ = body.CloseWithError(errors.New("cut"))
		}()
		do(http.MethodPut, "/tasks/task0", r, "Content-Type", "application/octet-stream")
		_ = r.Close()
		time.Sleep(10 * time.Millisecond)
	})

	settle := func() (goroutines, files int, heap uint64) {
		client.CloseIdleConnections()
		time.Sleep(200 * time.Millisecond)
		for range 3 {
			goruntime.GC()
		}
		var m goruntime.MemStats
		goruntime.ReadMemStats(&m)
		open, _ := os.ReadDir("/proc/self/fd")
		return goruntime.NumGoroutine(), len(open), m.HeapInuse
	}
	failing.Store(true)
	end := time.After(*soakTime)
	report := time.NewTicker(max(*soakTime/10, time.Second))
	defer report.Stop()
	var firstHeap uint64
	for running := true; running && !t.Failed(); {
		select {
		case <-report.C:
			var m goruntime.MemStats
			goruntime.GC()
			goruntime.ReadMemStats(&m)
			if firstHeap == 0 {
				firstHeap = m.HeapInuse
			}
			open, _ := os.ReadDir("/proc/self/fd")
			t.Logf("%d right, %d refused, %d changes; %d goroutines, %d files, heap %d KiB", right.Load(), refused.Load(), changes.Load(), goruntime.NumGoroutine(), len(open), m.HeapInuse>>10)
		case <-end:
			running = false
		}
	}
	close(over)
	work.Wait()
	failing.Store(false)
	if err := os.WriteFile(baseFile, baseContent, 0o644); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	for i, possible := range final {
		task := fmt.Sprintf("task%d", i)
		if code, _ := do(http.MethodPost, "/tasks/"+task+"/load", nil); code == http.StatusNotFound && possible[""] {
			continue
		}
		if code, scores := classify(task); code != http.StatusOK || !possible[scores] {
			t.Errorf("at the end, %s: %d %s; possible are %v", task, code, scores, possible)
		}
	}
	if right.Load() == 0 || changes.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d right, %d refused, %d changes: the test does not test", right.Load(), refused.Load(), changes.Load())
	}
	for op, n := range injected {
		if t.Logf("%s failed %d times", op, n.Load()); n.Load() == 0 {
			t.Errorf("no %s has failed", op)
		}
	}
	if t.Logf("accept failed %d times", accepts.Load()); accepts.Load() == 0 {
		t.Error("no accept has failed")
	}
	goroutines, files, heap := settle()
	t.Logf("at the end: %d goroutines, %d files, heap %d KiB (%d KiB after a tenth)", goroutines, files, heap>>10, firstHeap>>10)
	if heap > 2*firstHeap+8<<20 {
		t.Errorf("the heap has grown from %d to %d bytes", firstHeap, heap)
	}
	if files > 40 {
		t.Errorf("%d open files", files)
	}
	ready := e.Ready
	for start := time.Now(); ready() != nil && time.Since(start) < 20*time.Second; {
		time.Sleep(10 * time.Millisecond)
	}
	if err := ready(); err != nil {
		t.Errorf("not ready although the base is restored: %v", err)
	}
	stop()
	if err := errors.Join(<-served, e.Close()); err != nil {
		t.Error(err)
	}
	for _, dir := range []string{w.store, cacheDir} {
		if n := stage.Bytes(dir); n != 0 {
			t.Errorf("%d bytes are left unfinished in %s", n, dir)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}
