package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kenserve/delta"
)

// settled is the age of a file from which on the server trusts that its times tell
// every change, so that it need not hash it again.
const settled = 2100 * time.Millisecond

// cold measures the first request for a task that is not in memory, against one for
// the same delta when it is hot. The file of a cold task is a fresh copy, so it is in
// the page cache and no digest of it was ever computed. After its first answer the task is
// unloaded and asked again. The requests take turns, so that other load on the machine
// affects all of them alike.
func cold(ctx context.Context, b *bench) (err error) {
	files := b.deltas
	if len(files) == 0 {
		files = []string{filepath.Join(b.store, b.task+delta.Extension)}
	}
	own := *b
	if own.store, err = os.MkdirTemp(b.folder, "store"); err != nil {
		return err
	}
	fmt.Printf("## Cold\n\nOne text of %d tokens at a time, %d requests in each way in turns, medians; in brackets their processor time on all cores.\n\n| delta | MB | hot | first request | of hot | loaded again | of hot |\n|---|---|---|---|---|---|---|\n", tokens, b.coldRounds)
	for _, file := range files {
		if err := own.coldFile(ctx, file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	fmt.Println()
	return nil
}

// coldFile measures one delta with a server of its own, and prints its row.
func (b *bench) coldFile(ctx context.Context, file string) (err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	path := func(task string) string { return filepath.Join(b.store, task+delta.Extension) }
	const warm = "hot"
	if err := os.WriteFile(path(warm), content, 0o600); err != nil {
		return err
	}
	b.requests = [][]byte{b.coldRequest(warm)}
	const key = "cold-benchmark"
	keys := filepath.Join(b.folder, "keys")
	if err := os.WriteFile(keys, []byte(key+"\n"), 0o600); err != nil {
		return err
	}
	p, err := b.start(ctx, "--watch", "1h", "--admin-key-file", keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop(), os.Remove(path(warm))) }()
	c := &conn{address: p.address}
	defer c.close()
	if err := b.untilHot(ctx, p, c, warm); err != nil {
		return err
	}
	ask := func(task string, took *coldTimes) error {
		request := b.coldRequest(task)
		cpu, start := p.cpuExact(), time.Now()
		status, err := c.do(ctx, request)
		took.latency = append(took.latency, time.Since(start))
		took.cpu = append(took.cpu, p.cpuExact()-cpu)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("task %s: status %d", task, status)
		}
		return err
	}
	name := func(n int) string { return fmt.Sprintf("cold-%d", n) }
	for n := range b.coldRounds {
		if err := os.WriteFile(path(name(n)), content, 0o600); err != nil {
			return err
		}
		defer func() { _ = os.Remove(path(name(n))) }() // after an error; else it is gone
	}
	time.Sleep(settled)
	var hot, first, again, ignored coldTimes
	for n := range b.coldRounds {
		task := name(n)
		for _, step := range []struct {
			task   string
			unload bool
			took   *coldTimes
		}{{warm, false, &ignored}, {warm, false, &hot}, {task, false, &first}, {task, true, &again}, {warm, true, &hot}} {
			if step.unload {
				status, err := c.do(ctx, post("/tasks/"+task+"/unload", nil, "Authorization: Bearer "+key+"\r\n"))
				if err != nil || status/100 != 2 {
					return fmt.Errorf("unload %s: status %d: %w", task, status, err)
				}
			}
			if err := ask(step.task, step.took); err != nil {
				return err
			}
		}
		if err := os.Remove(path(task)); err != nil {
			return err
		}
	}
	fmt.Printf("| %s | %.2f | %s | %s | %s | %s | %s |\n", strings.TrimSuffix(filepath.Base(file), delta.Extension), float64(len(content))/1e6,
		hot.text(), first.text(), first.ratio(hot), again.text(), again.ratio(hot))
	return nil
}

// coldTimes are the times of requests of one kind.
type coldTimes struct {
	latency []time.Duration
	cpu     []time.Duration // of the server, on all cores
}

func (t *coldTimes) text() string {
	return fmt.Sprintf("%.2f ms (%.2f)", milliseconds(quantile(t.latency, .5)), milliseconds(quantile(t.cpu, .5)))
}

// ratio compares medians. The one of processor times depends little on other load.
func (t *coldTimes) ratio(to coldTimes) string {
	return fmt.Sprintf("%.2f (%.2f)", float64(quantile(t.latency, .5))/float64(quantile(to.latency, .5)), float64(quantile(t.cpu, .5))/float64(quantile(to.cpu, .5)))
}

// coldRequest returns the request for a task with the first of the texts.
func (b *bench) coldRequest(task string) []byte {
	body, err := json.Marshal(map[string]string{"model": task, "input": b.texts[0].Text})
	if err != nil {
		panic(err) // strings always have a JSON form
	}
	return post("/classify", body)
}

// untilHot sends requests until the task is hot.
func (b *bench) untilHot(ctx context.Context, p *program, c *conn, task string) error {
	for range 300 {
		for range 10 {
			if _, err := c.do(ctx, b.coldRequest(task)); err != nil {
				return err
			}
		}
		r, err := http.Get("http://" + p.address + "/tasks/" + task)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(r.Body)
		_ = r.Body.Close() // the answer was read
		if err != nil {
			return err
		}
		var info struct{ Residency string }
		if err := json.Unmarshal(text, &info); err != nil {
			return fmt.Errorf("parse the state of task %s: %w: %s", task, err, text)
		}
		if info.Residency == "hot" {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("task %s did not become hot", task)
}
