// Package demo compares the demo's tasks, served with real weights, with what transformers
// computes from the same weights (make_goldens.py).
package demo

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"sync"
	"testing"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/runtime"
)

// tolerance is the largest accepted difference of a logit from that of transformers.
const tolerance = 1e-4

type golden struct {
	Labels []string
	Inputs [][]string // a text, or a pair
	Logits [][]float64
}

func readGoldens(t *testing.T) map[string]golden {
	t.Helper()
	f, err := os.Open("goldens.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var goldens map[string]golden
	if err := json.NewDecoder(z).Decode(&goldens); err != nil {
		t.Fatal(err)
	}
	return goldens
}

// input returns input i.
func (g *golden) input(i int) runtime.Input {
	in := runtime.Input{Text: g.Inputs[i][0]}
	if len(g.Inputs[i]) > 1 {
		in.Pair = &g.Inputs[i][1]
	}
	return in
}

// check compares scores with the golden logits of input i.
func (g *golden) check(i int, scores []float32) error {
	for j, want := range g.Logits[i] {
		if diff := math.Abs(float64(scores[j]) - want); !(diff <= tolerance) {
			return fmt.Errorf("input %d, label %s: logit is %g, want %g", i, g.Labels[j], scores[j], want)
		}
	}
	return nil
}

func open(t *testing.T, budget int64) *runtime.Engine {
	t.Helper()
	e, err := runtime.Open(context.Background(), runtime.Config{
		BaseDir: "base", Store: store.NewFolder("tasks"), Budget: budget, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestLogits(t *testing.T) {
	e := open(t, 0)
	for task, g := range readGoldens(t) {
		t.Run(task, func(t *testing.T) {
			var inputs []runtime.Input
			for i := range g.Inputs {
				inputs = append(inputs, g.input(i))
			}
			r, err := e.Classify(context.Background(), task, inputs, runtime.Options{Raw: true})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(r.Labels, g.Labels) {
				t.Fatalf("labels %v, want %v", r.Labels, g.Labels)
			}
			for i := range inputs {
				if err := g.check(i, r.Scores[i]); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestConcurrent sends 200 requests for the four tasks at once, with a budget for two tasks. It
// checks that every answer is the one that transformers gives for the text alone, and that the
// base is unchanged.
func TestConcurrent(t *testing.T) {
	const budget = 17 << 20
	e := open(t, budget)
	goldens := readGoldens(t)
	var tasks []string
	for task := range goldens {
		tasks = append(tasks, task)
	}
	var wg sync.WaitGroup
	for i := range 200 {
		task := tasks[i%len(tasks)]
		g := goldens[task]
		wg.Go(func() {
			r, err := e.Classify(context.Background(), task, []runtime.Input{g.input(i)}, runtime.Options{Raw: true})
			if err == nil {
				err = g.check(i, r.Scores[0])
			}
			if err != nil {
				t.Errorf("task %s: %v", task, err)
			}
		})
	}
	wg.Wait()
	s := e.Stats()
	if s.Evictions == 0 || s.TaskBytes > budget {
		t.Errorf("%d evictions, want some; tasks hold %d bytes, want at most %d", s.Evictions, s.TaskBytes, int64(budget))
	}
	if got := delta.Fingerprint(e.Base().Checkpoint); got != e.Base().Fingerprint {
		t.Errorf("fingerprint of the base is %s, was %s", got, e.Base().Fingerprint)
	}
}
