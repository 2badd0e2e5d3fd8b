//go:build deploy

// Package deploy tests the configurations in this folder with the real programs.
// The script test runs it.
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
	tasks    = 24 // copies of the demo's
	replicas = 3
	callers  = 24
)

// proxies are the programs, and how a configuration is made one for the test: the
// addresses are replaced, the rest is as it stands in the folder.
var proxies = []struct {
	program, file string
	replicas      *regexp.Regexp // the address of a replica
	listen        [2]string
	run           func(config, folder string) *exec.Cmd
	readsBody     bool // the task is found in the body of /classify
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

// TestRouting: each task has one replica; a replica that dies under load loses at
// most the requests that were under way there, one that is stopped loses none, and
// the tasks of the others stay where they are.
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
				t.Fatalf("%v: the script test installs it", err)
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

			// Each task is on one replica, whichever route and client.
			names := running[0].tasks(t)
			for n, name := range slices.Sorted(maps.Keys(names)) {
				ways := []way{byHeader, byModelsPath, byTEIPath, byInferPath}
				if proxy.readsBody {
					ways = append(ways, byBody)
				}
				for i, w := range ways {
					if status, err := w.ask(front, name, n+i); err != nil || status != http.StatusOK {
						t.Fatalf("%s for %s: %d, %v", w.name, name, status, err)
					}
				}
			}
			before := places(t, running)
			used := map[int]int{}
			for name, where := range before {
				if len(where) != 1 {
					t.Errorf("task %s is on replicas %v", name, where)
				}
				used[where[0]]++
			}
			t.Logf("tasks a replica: %v", used)
			if len(used) != replicas {
				t.Errorf("the replicas have %v tasks", used)
			}

			// One dies under load.
			died := 0
			outcome := underLoad(t, front, slices.Sorted(maps.Keys(names)), func() {
				running[died].kill(t, syscall.SIGKILL)
			})
			here := 0
			for _, q := range outcome.failed {
				if q.began.After(outcome.event) || !slices.Contains(before[q.task], died) {
					t.Errorf("task %s, asked %s after the death, of a replica that did not die or afterwards: %v", q.task, q.began.Sub(outcome.event), q.err)
				} else {
					here++
				}
			}
			t.Logf("SIGKILL: %d answered, %d under way at that moment on the replica, %d of those not answered, %d others not answered",
				outcome.answered, outcome.underWay(before, died), here, len(outcome.failed)-here)

			// The tasks of the others are where they were.
			moved := places(t, []*replica{nil, running[1], running[2]})
			for name, where := range before {
				if where[0] != died && !slices.Equal(moved[name], where) {
					t.Errorf("task %s moved from %v to %v", name, where, moved[name])
				}
			}

			// It comes back, and another one is stopped under load.
			running[died] = startReplica(t, binary, store, running[died].address)
			time.Sleep(3 * time.Second)
			outcome = underLoad(t, front, slices.Sorted(maps.Keys(names)), func() {
				running[1].kill(t, syscall.SIGTERM)
			})
			for _, q := range outcome.failed {
				t.Errorf("SIGTERM: task %s, asked %s after the signal: %v", q.task, q.began.Sub(outcome.event), q.err)
			}
			t.Logf("SIGTERM: %d answered, %d not", outcome.answered, len(outcome.failed))
		})
	}
}

// replica is a running kenserve.
type replica struct {
	address string
	command *exec.Cmd
	ended   chan error
}

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
			r.kill(t, syscall.SIGTERM)
		}
	})
	waitFor(t, "http://"+r.address+"/readyz")
	return r
}

func (r *replica) kill(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := r.command.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-r.ended:
		if s == syscall.SIGTERM && err != nil {
			t.Errorf("a replica that was stopped ended with %v", err)
		}
	case <-time.After(40 * time.Second):
		t.Error("a replica does not end")
	}
}

// tasks are how often the replica answered for each task.
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

// places are the replicas that have answered for each task.
func places(t *testing.T, running []*replica) map[string][]int {
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

// way is one of the ways to ask for a task.
type way struct {
	name string
	path func(task string) string
	body func(task string) string
	head bool // with the header
}

var (
	byHeader     = way{"header", at("/classify"), native, true}
	byBody       = way{"body", at("/classify"), native, false}
	byModelsPath = way{"/models", func(task string) string { return "/models/" + task }, fixed(`{"inputs": "Who wrote Hamlet?"}`), false}
	byTEIPath    = way{"/tei", func(task string) string { return "/tei/" + task + "/predict" }, fixed(`{"inputs": "Who wrote Hamlet?"}`), false}
	byInferPath  = way{"/v2", func(task string) string { return "/v2/models/" + task + "/infer" }, fixed(`{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["Who wrote Hamlet?"]}]}`), false}
)

func at(path string) func(string) string    { return func(string) string { return path } }
func fixed(body string) func(string) string { return func(string) string { return body } }
func native(task string) string {
	return fmt.Sprintf(`{"input": "Who wrote Hamlet?", "model": %q}`, task)
}

var client = &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: callers}}

func (w way) ask(address, task string, n int) (int, error) {
	q, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+address+w.path(task), strings.NewReader(w.body(task)))
	if err != nil {
		return 0, err
	}
	q.Header.Set("Content-Type", "application/json")
	if w.head {
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

// asked is a request of the load.
type asked struct {
	task         string
	began, ended time.Time
	err          error
}

type loadOutcome struct {
	event    time.Time // just before it
	answered int
	failed   []asked
	all      []asked
}

// underWay counts the requests that a replica had when the event came.
func (o *loadOutcome) underWay(places map[string][]int, replica int) int {
	n := 0
	for _, q := range o.all {
		if slices.Contains(places[q.task], replica) && q.began.Before(o.event) && q.ended.After(o.event) {
			n++
		}
	}
	return n
}

// underLoad has callers ask for tasks at random until some seconds after an event
// that comes in between.
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
				q := asked{task: names[random.IntN(len(names))], began: time.Now()}
				status, err := byHeader.ask(front, q.task, n)
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
