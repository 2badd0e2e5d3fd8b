package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// errImpossible means that this machine cannot run the campaign.
var errImpossible = errors.New("not possible here")

// server is a running kenserve.
type server struct {
	dir     string
	process *exec.Cmd
	ended   chan struct{}
	http    string // address
	grpc    string
	group   string // says in which control group it runs
	groupAt string // its folder; empty: none
	tasks   []string
}

// copies is how often each of the demo's tasks is in the store, so that they do not all
// fit the memory.
const copies = 6

// start starts a server with so much memory.
func start(c *campaign, memory int64) (*server, error) {
	if _, err := os.Stat("/proc/self/status"); err != nil || c.program == "" {
		return nil, fmt.Errorf("%w: it needs /proc, and the flag -kenserve", errImpossible)
	}
	dir, err := os.MkdirTemp("", "memory")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, ended: make(chan struct{}), http: freeAddress(), grpc: freeAddress()}
	store := filepath.Join(dir, "store")
	if err := os.Mkdir(store, 0o755); err != nil {
		return nil, err
	}
	files, _ := filepath.Glob(filepath.Join(c.demo, "tasks", "*.ken"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(filepath.Base(file), ".ken")
		for i := range copies {
			task := fmt.Sprintf("%s%d", name, i)
			s.tasks = append(s.tasks, task)
			if err := os.WriteFile(filepath.Join(store, task+".ken"), data, 0o644); err != nil {
				return nil, err
			}
		}
	}
	if len(s.tasks) == 0 {
		return nil, fmt.Errorf("%w: %s has no tasks", errImpossible, c.demo)
	}
	s.makeGroup(memory + memory/10)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	none := filepath.Join(dir, "none.yaml")
	if err := os.WriteFile(none, nil, 0o644); err != nil {
		return nil, err
	}
	args := []string{c.program, "serve", "--base", filepath.Join(c.demo, "base"), "--store", store, "--cache", filepath.Join(dir, "cache"), "--config", none,
		"--listen", s.http, "--grpc-listen", s.grpc, "--memory", strconv.FormatInt(memory, 10) + "B", "--log-level", "warn", "--write-timeout", "5s", "--request-timeout", "20s"}
	if s.groupAt != "" {
		args = append([]string{"sh", "-c", `echo $$ > "$0" && exec "$@"`, filepath.Join(s.groupAt, "cgroup.procs")}, args...)
	}
	s.process = exec.Command(args[0], args[1:]...)
	s.process.Stderr = log
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.process.Wait()
		close(s.ended)
	}()
	for range 600 {
		if conn, err := net.Dial("tcp", s.http); err == nil {
			conn.Close()
			return s, nil
		}
		select {
		case <-s.ended:
			return nil, fmt.Errorf("the server did not start: %s", s.lastLog())
		case <-time.After(50 * time.Millisecond):
		}
	}
	s.stop()
	return nil, errors.New("the server did not start within 30 s")
}

// freeAddress returns an address that nobody listens on.
func freeAddress() string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:18080"
	}
	defer ln.Close()
	return ln.Addr().String()
}

// makeGroup makes a control group with a limit, of version 1 or 2, if it may.
func (s *server) makeGroup(limit int64) {
	s.group = "no control group, the peak is measured"
	for _, place := range []struct{ dir, file string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
		{"/sys/fs/cgroup", "memory.max"},
	} {
		dir := filepath.Join(place.dir, fmt.Sprintf("kenserve-memory-%d", os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		if os.WriteFile(filepath.Join(dir, place.file), []byte(strconv.FormatInt(limit, 10)), 0o644) == nil {
			s.groupAt, s.group = dir, fmt.Sprintf("in a control group of %d MiB", limit>>20)
			return
		}
		_ = os.Remove(dir)
	}
}

// stop ends the server and removes what it left.
func (s *server) stop() {
	_ = s.process.Process.Signal(syscall.SIGKILL)
	<-s.ended
	if s.groupAt != "" {
		for range 100 {
			if os.Remove(s.groupAt) == nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	_ = os.RemoveAll(s.dir)
}

// peak returns the largest resident memory of the process so far, and whether it runs.
func (s *server) peak() (bytes int64, alive bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10, true
		}
	}
	return 0, false // it has ended, and nobody has waited for it yet
}

// lastLog returns the end of the log.
func (s *server) lastLog() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(text[max(0, len(text)-300):])
}

// smallTimes says how long small requests took.
type smallTimes struct {
	answered, failed int
	median, worst    time.Duration
}

// small sends a small request every pause, each on a connection of its own, for a time.
func (s *server) small(ctx context.Context, length, pause time.Duration) smallTimes {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	body, _ := json.Marshal(map[string]any{"model": s.tasks[0], "input": "Who wrote Hamlet?", "top_k": 1})
	var out smallTimes
	var times []time.Duration
	for ctx.Err() == nil {
		begin := time.Now()
		answer, err := client.Post("http://"+s.http+"/classify", "application/json", bytes.NewReader(body))
		if err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
		if err != nil || answer.StatusCode != http.StatusOK {
			out.failed++
		} else {
			times = append(times, time.Since(begin))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	if out.answered = len(times); out.answered > 0 {
		slices.Sort(times)
		out.median, out.worst = times[len(times)/2], times[len(times)-1]
	}
	return out
}
