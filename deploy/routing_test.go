//go:build deploy

// Package deploy tests the configurations in this folder with HAProxy and nginx. The script
// deploy/test runs it.
package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	tasks    = 24 // copies of the demo's tasks
	replicas = 3
	callers  = 24
)

// proxies are the programs to test. For the test only the addresses in their configurations
// are replaced.
var proxies = []struct {
	program, file string
	replicas      *regexp.Regexp // the address of a replica
	listen        [2]string
	run           func(config, folder string) *exec.Cmd
	readsBody     bool // the proxy finds the task in the body of /classify
}{
	{
		program: "haproxy", file: "haproxy/haproxy.cfg",
		replicas: regexp.MustCompile(`10\.0\.0\.\d:8080`), listen: [2]string{"bind :8000", "bind "},
		run:       func(config, _ string) *exec.Cmd { return exec.Command("haproxy", "-db", "-f", config) },
		readsBody: true,
	},
	{
		program: "nginx", file: "nginx/nginx.conf",
		replicas: regexp.MustCompile(`10\.0\.0\.\d:8080`), listen: [2]string{"listen 8000", "listen "},
		run: func(config, folder string) *exec.Cmd {
			return exec.Command("nginx", "-p", folder, "-e", "error.log", "-c", config, "-g", "daemon off; pid nginx.pid;")
		},
	},
}

// TestRouting checks that each task has one replica; that a replica killed under load loses
// only requests that were active on it, and a stopped one loses none; and that the tasks of
// other replicas stay there.
func TestRouting(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "kenserve")
	build := exec.Command("go", "build", "-o", binary, "../cmd/serve")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	store := t.TempDir()
	for i := range tasks {
		source := []string{"trec", "sst2", "emotion"}[i%3]
		if err := os.Link("../examples/demo/tasks/"+source+".ken", filepath.Join(store, fmt.Sprintf("%s-%d.ken", source, i))); err != nil {
			body, err := os.ReadFile("../examples/demo/tasks/" + source + ".ken")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(store, fmt.Sprintf("%s-%d.ken", source, i)), body, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, proxy := range proxies {
		t.Run(proxy.program, func(t *testing.T) {
			if _, err := exec.LookPath(proxy.program); err != nil {
				t.Fatalf("%v: run deploy/test, which installs it", err)
			}
			var running []*replica
			for range replicas {
				running = append(running, startReplica(t, binary, store, ""))
			}
			text, err := os.ReadFile(proxy.file)
			if err != nil {
				t.Fatal(err)
			}
			next := 0
			config := proxy.replicas.ReplaceAllStringFunc(string(text), func(string) string {
				next++
				return running[next-1].address
			})
			if next != replicas {
				t.Fatalf("%s names %d replicas", proxy.file, next)
			}
			front := freePort(t)
			config = strings.Replace(config, proxy.listen[0], proxy.listen[1]+front, 1)
			folder := t.TempDir()
			path := filepath.Join(folder, "config")
			if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
				t.Fatal(err)
			}
			startProxy(t, proxy.run(path, folder), front)

			// Requests for a task go to one replica, by any route.
			names := running[0].tasks(t)
			for n, name := range slices.Sorted(maps.Keys(names)) {
				routes := []route{byHeader, byModelsPath, byTEIPath, byInferPath}
				if proxy.readsBody {
					routes = append(routes, byBody)
				}
				for i, w := range routes {
					if status, err := w.send(front, name, n+i); err != nil || status != http.StatusOK {
						t.Fatalf("%s for %s: %d, %v", w.name, name, status, err)
					}
				}
			}
			before := replicasOf(t, running)
			used := map[int]int{}
			for name, where := range before {
				if len(where) != 1 {
					t.Errorf("task %s is on replicas %v", name, where)
				}
				used[where[0]]++
			}
			t.Logf("tasks per replica: %v", used)
			if len(used) != replicas {
				t.Errorf("tasks per replica: %v, want some on every replica", used)
			}

			// One replica is killed under load.
			killed := 0
			outcome := underLoad(t, front, slices.Sorted(maps.Keys(names)), func() {
				running[killed].stop(t, syscall.SIGKILL)
			})
			expected := 0
			for _, q := range outcome.failed {
				if q.began.After(outcome.event) || !slices.Contains(before[q.task], killed) {
					t.Errorf("task %s, request %s after the kill: lost although the replica was not killed, or the request came later: %v", q.task, q.began.Sub(outcome.event), q.err)
				} else {
					expected++
				}
			}
			t.Logf("SIGKILL: %d requests answered, %d active on the replica at that moment, of which %d were lost, %d others lost",
				outcome.answered, outcome.active(before, killed), expected, len(outcome.failed)-expected)

			// The tasks of the other replicas did not move.
			after := replicasOf(t, []*replica{nil, running[1], running[2]})
			for name, where := range before {
				if where[0] != killed && !slices.Equal(after[name], where) {
					t.Errorf("task %s moved from %v to %v", name, where, after[name])
				}
			}

			// The replica is started again, and another one is stopped under load.
			running[killed] = startReplica(t, binary, store, running[killed].address)
			time.Sleep(3 * time.Second)
			outcome = underLoad(t, front, slices.Sorted(maps.Keys(names)), func() {
				running[1].stop(t, syscall.SIGTERM)
			})
			for _, q := range outcome.failed {
				t.Errorf("SIGTERM: task %s, request %s after the signal: %v", q.task, q.began.Sub(outcome.event), q.err)
			}
			t.Logf("SIGTERM: %d requests answered, %d lost", outcome.answered, len(outcome.failed))
		})
	}
}

// replica is a running kenserve.
type replica struct {
	address string
	command *exec.Cmd
	ended   chan error
}

// startReplica starts kenserve at an address; empty: on a free port.
func startReplica(t *testing.T, binary, store, address string) *replica {
	t.Helper()
	if address == "" {
		address = freePort(t)
	}
	r := &replica{address: address, ended: make(chan error, 1)}
	r.command = exec.Command(binary, "serve", "--base", "../examples/demo/base", "--store", store, "--listen", r.address,
		"--memory", "2GiB", "--log-level", "warn")
	r.command.Stderr = os.Stderr
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- r.command.Wait() }()
	t.Cleanup(func() {
		if r.command.ProcessState == nil {
			r.stop(t, syscall.SIGTERM)
		}
	})
	waitFor(t, "http://"+r.address+"/readyz")
	return r
}

// stop sends a signal and waits for the end of the process.
func (r *replica) stop(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := r.command.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-r.ended:
		if s == syscall.SIGTERM && err != nil {
			t.Errorf("stopped replica ended with %v, want exit status 0", err)
		}
	case <-time.After(40 * time.Second):
		t.Error("replica did not end within 40 seconds")
	}
}

// tasks returns the number of requests that the replica answered for each task.
func (r *replica) tasks(t *testing.T) map[string]int {
	t.Helper()
	answer, err := http.Get("http://" + r.address + "/tasks?labels=false")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var list struct {
		Data []struct {
			Name     string
			Requests int
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, task := range list.Data {
		out[task.Name] = task.Requests
	}
	return out
}

// replicasOf returns the replicas that have answered for each task.
func replicasOf(t *testing.T, running []*replica) map[string][]int {
	t.Helper()
	out := map[string][]int{}
	for i, r := range running {
		if r == nil {
			continue
		}
		for name, n := range r.tasks(t) {
			if n > 0 {
				out[name] = append(out[name], i)
			}
		}
	}
	return out
}

// startProxy starts a proxy and waits until it answers at front.
func startProxy(t *testing.T, command *exec.Cmd, front string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
		_ = log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("%s", text[max(0, len(text)-4000):])
		}
	})
	waitFor(t, "http://"+front+"/readyz")
}

// waitFor waits until a URL answers with status 200.
func waitFor(t *testing.T, url string) {
	t.Helper()
	for range 300 {
		if answer, err := http.Get(url); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s does not answer", url)
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// route is one of the routes on which a client can classify.
type route struct {
	name   string
	path   func(task string) string
	body   func(task string) string
	header bool // send the task in the header too
}

var (
	byHeader     = route{"header", fixedPath("/classify"), nativeBody, true}
	byBody       = route{"body", fixedPath("/classify"), nativeBody, false}
	byModelsPath = route{"/models", func(task string) string { return "/models/" + task }, fixedBody(`{"inputs": "Who wrote Hamlet?"}`), false}
	byTEIPath    = route{"/tei", func(task string) string { return "/tei/" + task + "/predict" }, fixedBody(`{"inputs": "Who wrote Hamlet?"}`), false}
	byInferPath  = route{"/v2", func(task string) string { return "/v2/models/" + task + "/infer" }, fixedBody(`{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["Who wrote Hamlet?"]}]}`), false}
)

func fixedPath(path string) func(string) string { return func(string) string { return path } }
func fixedBody(body string) func(string) string { return func(string) string { return body } }
func nativeBody(task string) string {
	return fmt.Sprintf(`{"input": "Who wrote Hamlet?", "model": %q}`, task)
}

var client = &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: callers}}

func (w route) send(address, task string, n int) (int, error) {
	q, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+address+w.path(task), strings.NewReader(w.body(task)))
	if err != nil {
		return 0, err
	}
	q.Header.Set("Content-Type", "application/json")
	if w.header {
		q.Header.Set("X-Kenserve-Task", task)
	}
	answer, err := client.Do(q)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// sentRequest is a request of the load.
type sentRequest struct {
	task         string
	began, ended time.Time
	err          error
}

type loadOutcome struct {
	event    time.Time // just before the event
	answered int
	failed   []sentRequest
	all      []sentRequest
}

// active counts the requests that a replica had when the event came.
func (o *loadOutcome) active(owners map[string][]int, replica int) int {
	n := 0
	for _, q := range o.all {
		if slices.Contains(owners[q.task], replica) && q.began.Before(o.event) && q.ended.After(o.event) {
			n++
		}
	}
	return n
}

// underLoad sends requests for random tasks, from several callers. After 3 seconds it calls
// event, and 6 seconds later it stops.
func underLoad(t *testing.T, front string, names []string, event func()) *loadOutcome {
	t.Helper()
	var out loadOutcome
	var mu sync.Mutex
	var wait sync.WaitGroup
	stop := make(chan struct{})
	for c := range callers {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(c)))
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				q := sentRequest{task: names[random.IntN(len(names))], began: time.Now()}
				status, err := byHeader.send(front, q.task, n)
				q.ended = time.Now()
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("status %d", status)
				}
				q.err = err
				mu.Lock()
				out.all = append(out.all, q)
				if err == nil {
					out.answered++
				} else {
					out.failed = append(out.failed, q)
				}
				mu.Unlock()
			}
		})
	}
	time.Sleep(3 * time.Second)
	out.event = time.Now()
	event()
	time.Sleep(6 * time.Second)
	close(stop)
	wait.Wait()
	return &out
}
