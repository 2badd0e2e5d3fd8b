package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kenserve/models"
	"kenserve/runtime"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// fakeEngine computes scores from the words of a text. Some tasks do nothing
// but fail in one way.
type fakeEngine struct {
	Engine  // nil: what a test does not replace is not to be called
	labels  map[string][]string
	fail    map[string]error
	unready error
	stats   runtime.Stats
	// before, if set, runs inside Classify.
	before func(ctx context.Context, task string) error

	started, finished, encoded atomic.Int64
}

const fakeMaxTokens = 16

func newFakeEngine() *fakeEngine {
	return &fakeEngine{
		labels: map[string][]string{
			"trec":          {"ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"},
			"sst2":          {"negative", "positive"},
			"odd":           {`a "quoted" \ label`, "line\nbreak", "naïve\xff", "日本"},
			"nan":           {"yes", "no"},
			"short":         {"yes", "no"},
			"few":           {"yes", "no"},
			"panics":        {"yes", "no"},
			"damaged":       nil,
			"busy":          nil,
			"closed":        nil,
			"unknown":       nil,
			"untokenizable": {"yes", "no"},
		},
		fail: map[string]error{
			"damaged": fmt.Errorf("runtime: task damaged: %w: its delta is damaged", runtime.ErrTaskUnusable),
			"busy":    fmt.Errorf("runtime: task busy: %w", runtime.ErrBusy),
			"closed":  fmt.Errorf("runtime: %w", runtime.ErrClosed),
			"unknown": errors.New("runtime: read /var/lib/store/unknown.ken: input/output error"),
		},
		stats: runtime.Stats{
			BaseBytes: 1000, TaskBytes: 200, BudgetBytes: 5000, Resident: 2, Loads: 7, LoadErrors: 1,
			Evictions: 3, LoadSeconds: 1.5, Batches: 40, Tokens: 900, Waiting: 4, WaitingTokens: 120, WorkspaceBytes: 7000,
		},
	}
}

func (e *fakeEngine) Classify(ctx context.Context, task string, inputs []runtime.Input, opts runtime.Options) (*runtime.Result, error) {
	e.started.Add(1)
	if e.before != nil {
		if err := e.before(ctx, task); err != nil {
			return nil, err
		}
	}
	labels, ok := e.labels[task]
	if !ok {
		return nil, fmt.Errorf("runtime: task %s: %w", task, runtime.ErrNoTask)
	}
	if err := e.fail[task]; err != nil {
		return nil, err
	}
	r := &runtime.Result{Task: task, Labels: labels, Queue: 250 * time.Microsecond, Inference: 1500 * time.Microsecond}
	for i, in := range inputs {
		words := strings.Fields(in.Text)
		tokens := 2 + len(words)
		if in.IDs != nil {
			tokens = len(in.IDs)
			for _, id := range in.IDs {
				if id > 1000 {
					return nil, &runtime.InputError{Index: i, Err: fmt.Errorf("runtime: %w: id %d", models.ErrBatch, id)}
				}
				words = append(words, strconv.Itoa(int(id)))
			}
		}
		if in.Pair != nil {
			pair := strings.Fields(*in.Pair)
			tokens += 1 + len(pair)
			words = append(words, pair...)
		}
		most := fakeMaxTokens
		if opts.MaxTokens > 0 {
			most = min(most, opts.MaxTokens)
		}
		if tokens > most {
			if !opts.Truncate {
				return nil, &runtime.InputError{Index: i, Err: fmt.Errorf("%w: %d tokens, model takes %d", runtime.ErrTooLong, tokens, most)}
			}
			if opts.TruncateLeft {
				words = words[tokens-most:]
			}
			tokens = most
		}
		if task == "untokenizable" {
			return nil, &runtime.InputError{Index: i, Err: errors.New("runtime: tokenize: /var/lib/base/tokenizer.json does not know this")}
		}
		r.Tokens += tokens
		r.Scores = append(r.Scores, fakeScores(words, len(labels), opts.Raw))
	}
	if len(inputs) == 0 { // asked for the labels
		return r, nil
	}
	switch task {
	case "nan":
		r.Scores[len(inputs)-1][1] = float32(math.NaN())
	case "short":
		r.Scores[0] = r.Scores[0][:1]
	case "few":
		r.Scores = r.Scores[1:]
	case "panics":
		panic("a fault of /usr/lib/engine")
	}
	e.finished.Add(1)
	return r, nil
}

// Encode leaves the inputs as they are, once it has seen that it could not.
func (e *fakeEngine) Encode(ctx context.Context, inputs []runtime.Input, opts runtime.Options) ([]runtime.Input, error) {
	e.encoded.Add(1)
	for i, in := range inputs {
		if n := 2 + len(strings.Fields(in.Text)); n > fakeMaxTokens && !opts.Truncate {
			return nil, &runtime.InputError{Index: i, Err: fmt.Errorf("%w: %d tokens, model takes %d", runtime.ErrTooLong, n, fakeMaxTokens)}
		}
	}
	return inputs, ctx.Err()
}

// fakeScores gives dyadic fractions, so that every machine writes the same.
func fakeScores(words []string, labels int, raw bool) []float32 {
	scores := make([]float32, labels)
	for j := range scores {
		sum := 0
		for i, w := range words {
			sum += (i + 1) * (len(w) + 3*j)
		}
		scores[j] = float32((sum+5*j)%32) / 32
		if raw {
			scores[j] = 8*scores[j] - 4
		}
	}
	return scores
}

func (e *fakeEngine) info(name string) runtime.TaskInfo {
	info := runtime.TaskInfo{Name: name, Residency: runtime.Cold}
	if name == "trec" {
		info.Labels = e.labels[name]
		info.Residency = runtime.Hot
		info.Bytes = 4096
		info.Requests = 12
		info.LastUsed = time.Date(2025, 11, 24, 17, 0, 0, 123456789, time.FixedZone("", 3600))
	}
	return info
}

func (e *fakeEngine) Tasks() ([]runtime.TaskInfo, error) {
	if e.unready != nil {
		return nil, e.unready
	}
	names := make([]string, 0, len(e.labels))
	for name := range e.labels {
		names = append(names, name)
	}
	sort.Strings(names)
	var infos []runtime.TaskInfo
	for _, name := range names {
		infos = append(infos, e.info(name))
	}
	return infos, nil
}

func (e *fakeEngine) Task(name string) (runtime.TaskInfo, bool) {
	if _, ok := e.labels[name]; !ok {
		return runtime.TaskInfo{}, false
	}
	return e.info(name), true
}

func (e *fakeEngine) Stats() runtime.Stats { return e.stats }
func (e *fakeEngine) Ready() error         { return e.unready }

// newServer makes a server whose clock stands still.
func newServer(t testing.TB, e Engine, o Options) *Server {
	t.Helper()
	s, err := New(e, o)
	if err != nil {
		t.Fatal(err)
	}
	s.core.Now = func() time.Time { return time.Unix(1764000000, 0) }
	return s
}

// do sends a request past the network. header holds names and values in turn.
func do(s *Server, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

func post(s *Server, body string, header ...string) *httptest.ResponseRecorder {
	return do(s, http.MethodPost, "/classify", body, header...)
}

// logger writes what a server logs to a buffer, debug lines too.
func logger(w *strings.Builder) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
