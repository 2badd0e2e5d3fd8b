package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"kenserve/delta/store"
	"kenserve/runtime"
)

// bench holds the state that the parts share: an engine in process, and the program
// that is started with the same base and store.
type bench struct {
	settings
	folder   string
	engine   *runtime.Engine
	texts    []runtime.Input // of 24 tokens, including the special ones
	encoded  []runtime.Input // the same as ids
	requests [][]byte        // the same as HTTP requests
	peak     float64         // texts per second over HTTP; 0 until it is measured
}

const tokens = 24

func newBench(ctx context.Context, s settings) (_ *bench, err error) {
	b := &bench{settings: s}
	for _, path := range []*string{&b.base, &b.store, &b.binary} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return nil, err
		}
	}
	if b.folder, err = os.MkdirTemp("", "kenserve-http-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.binary == "" {
		b.binary = filepath.Join(b.folder, "kenserve")
		build := exec.CommandContext(ctx, "go", "build", "-o", b.binary, "./cmd/serve")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build the program: %w\n%s", err, out)
		}
	}
	b.engine, err = runtime.Open(ctx, runtime.Config{BaseDir: b.base, Store: store.NewFolder(b.store), BatchTokens: 1024, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return b, b.prepare(ctx)
}

func (b *bench) close() error {
	var err error
	if b.engine != nil {
		err = b.engine.Close()
	}
	return errors.Join(err, os.RemoveAll(b.folder))
}

// words are single tokens of the usual vocabularies.
var words = strings.Fields(`how do i know that my new card has been sent to the right house and when will it come
	where can we see the most beautiful light in the north of the country who wrote the book about the old man and the sea
	what is the name of the first woman who went into space is it far from here to the city by train or by bus`)

// prepare makes 64 texts of exactly tokens tokens, in all three forms.
func (b *bench) prepare(ctx context.Context) error {
	for i := range 64 {
		picked := make([]string, tokens-2)
		for j := range picked {
			picked[j] = words[(i*7+j)%len(words)]
		}
		text := strings.Join(picked, " ")
		r, err := b.engine.Classify(ctx, b.task, []runtime.Input{{Text: text}}, runtime.Options{})
		if err != nil {
			return err
		}
		if r.Tokens != tokens {
			return fmt.Errorf("%q has %d tokens, not %d: the base does not have the vocabulary that the words are from", text, r.Tokens, tokens)
		}
		b.texts = append(b.texts, runtime.Input{Text: text})
		body, err := json.Marshal(map[string]string{"model": b.task, "input": text})
		if err != nil {
			return err
		}
		b.requests = append(b.requests, post("/classify", body))
	}
	var err error
	b.encoded, err = b.engine.Encode(ctx, b.texts, runtime.Options{})
	return err
}

// post returns an HTTP request with a JSON body. headers are complete lines.
func post(path string, body []byte, headers ...string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s", path, len(body), strings.Join(headers, ""), body)
}

// program is the server under test.
type program struct {
	command *exec.Cmd
	address string // host:port
	log     string // file
}

// start starts the server with its default log, and waits until it answers for the
// task.
func (b *bench) start(ctx context.Context, flags ...string) (*program, error) {
	log, err := os.CreateTemp(b.folder, "log")
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the server has its own descriptor
	p := &program{log: log.Name()}
	p.command = exec.CommandContext(ctx, b.binary, append([]string{"serve",
		"--base", b.base, "--store", b.store, "--listen", "127.0.0.1:0", "--log-format", "json"}, flags...)...)
	p.command.Stderr = log
	p.command.Dir = b.folder // a folder without config.yaml
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	for range 300 {
		if err := p.lines(func(l line) {
			if _, address, ok := strings.Cut(l.Address, "://"); ok {
				p.address = address
			}
		}); err != nil {
			return nil, errors.Join(err, p.stop())
		}
		if p.address != "" || ctx.Err() != nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if p.address == "" {
		return nil, errors.Join(errors.New("the server did not start in time"), p.stop())
	}
	c := &conn{address: p.address}
	defer c.close()
	for range 3 {
		if status, err := c.do(ctx, b.requests[0]); err != nil || status != http.StatusOK {
			return nil, errors.Join(fmt.Errorf("the first requests got status %d: %w", status, err), p.stop())
		}
	}
	return p, nil
}

// line has the fields that are read from a line of the log.
type line struct {
	Level, Msg, Address, ID string
	Status                  int
}

// lines calls each for every complete line of the log.
func (p *program) lines(each func(l line)) error {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err
	}
	for row := range strings.Lines(string(text)) {
		var l line
		if !strings.HasSuffix(row, "\n") {
			break // the server is still writing it
		}
		if err := json.Unmarshal([]byte(row), &l); err != nil {
			return fmt.Errorf("parse the server's log: %w: %s", err, row)
		}
		each(l)
	}
	return nil
}

// stop ends the server and waits for it.
func (p *program) stop() error {
	if err := p.command.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	if err := p.command.Wait(); err != nil {
		log, _ := os.ReadFile(p.log)
		return fmt.Errorf("the server ended with %w\n%s", err, log[max(0, len(log)-2000):])
	}
	return nil
}

// cpu returns the processor time that the server has used.
func (p *program) cpu() time.Duration {
	fields := p.proc("stat")
	if i := strings.LastIndexByte(fields, ')'); i >= 0 {
		f := strings.Fields(fields[i+1:])
		if len(f) > 12 {
			user, _ := strconv.Atoi(f[11])
			system, _ := strconv.Atoi(f[12])
			return time.Duration(user+system) * (time.Second / 100) // USER_HZ is 100 on all platforms of Go
		}
	}
	return 0
}

// cpuExact does what cpu does, to the nanosecond. It misses threads that have ended,
// of which Go has few.
func (p *program) cpuExact() time.Duration {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.command.Process.Pid)) // the pattern is valid
	sum := time.Duration(0)
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if fields := strings.Fields(string(text)); len(fields) > 0 {
			ns, _ := strconv.ParseInt(fields[0], 10, 64)
			sum += time.Duration(ns)
		}
	}
	return sum
}

// resident returns the server's resident memory in bytes.
func (p *program) resident() int64 {
	for line := range strings.Lines(p.proc("status")) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

func (p *program) proc(name string) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.command.Process.Pid, name))
	return string(text)
}
