package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/gemm"
	"kenserve/ken"
	"kenserve/models"
	"kenserve/models/tiny"
	"kenserve/runtime/internal/sched"
	"kenserve/safetensors"
	"kenserve/tokenizer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a base and a store of tasks t0, t1, …, which were made from tuned
// checkpoints. Task ti has 2+i labels.
type fixture struct {
	base, store string     // folders
	tuned       []string   // by task: the folder of its checkpoint
	labels      [][]string // by task
	// tokenizers are the files of the tokenizers that prune puts into deltas, by task.
	tokenizers map[string]map[string][]byte
}

func newFixture(t *testing.T, tasks int, options ken.Options) *fixture {
	t.Helper()
	return newFamilyFixture(t, "bert", tasks, options)
}

func newFamilyFixture(t *testing.T, modelType string, tasks int, options ken.Options) *fixture {
	t.Helper()
	dir := t.TempDir()
	f := &fixture{base: filepath.Join(dir, "base"), store: filepath.Join(dir, "store")}
	must(t, tiny.WriteFamily(f.base, modelType, 1))
	must(t, os.Mkdir(f.store, 0o755))
	for i := range tasks {
		var labels []string
		for j := range 2 + i {
			labels = append(labels, fmt.Sprintf("task%d-label%d", i, j))
		}
		tuned := filepath.Join(dir, "tuned", fmt.Sprint(i))
		must(t, tiny.WriteTuned(tuned, f.base, labels, uint64(i)))
		f.tuned = append(f.tuned, tuned)
		f.labels = append(f.labels, labels)
		f.prune(t, fmt.Sprintf("t%d", i), i, options)
	}
	return f
}

// prune makes a task of the store from the checkpoint with index tuned.
func (f *fixture) prune(t testing.TB, task string, tuned int, options ken.Options) {
	t.Helper()
	base, err := safetensors.OpenCheckpoint(f.base)
	must(t, err)
	defer base.Close()
	c, err := safetensors.OpenCheckpoint(f.tuned[tuned])
	must(t, err)
	defer c.Close()
	pair, err := ken.Match(base, c)
	must(t, err)
	w, err := delta.Create(filepath.Join(f.store, task+delta.Extension))
	must(t, err)
	defer w.Abort()
	if files := f.tokenizers[task]; files != nil {
		compressed, err := delta.CompressTokenizer(files)
		must(t, err)
		must(t, w.Tokenizer(compressed))
	}
	_, err = ken.Prune(context.Background(), pair, w, options)
	must(t, err)
	config, err := os.ReadFile(filepath.Join(f.tuned[tuned], models.ConfigFile))
	must(t, err)
	must(t, w.Finish(delta.Info{
		Config: string(config), Absent: pair.Absent,
		BaseSHA256: delta.Fingerprint(base), Labels: f.labels[tuned], ProblemType: "single_label_classification",
		Selection: string(options.Selection), Coding: options.Coding, TunedPrefix: pair.TunedPrefix, Producer: "test",
	}))
}

func (f *fixture) open(t *testing.T, c Config) *Engine {
	t.Helper()
	c.BaseDir, c.Store = f.base, store.NewFolder(f.store)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	e, err := Open(context.Background(), c)
	must(t, err)
	return e
}

// taskBytes returns what one warm task takes.
func (f *fixture) taskBytes(t *testing.T, name string) int64 {
	t.Helper()
	e := f.open(t, Config{})
	defer e.Close()
	_, err := e.Classify(context.Background(), name, []Input{{Text: "what"}}, Options{})
	must(t, err)
	return e.Stats().TaskBytes
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ptr(s string) *string { return &s }

// texts returns n random inputs of known words. Every fourth is a pair.
func texts(n int, seed uint64) []Input {
	rng := rand.New(rand.NewPCG(seed, 9))
	phrase := func() string {
		var words []string
		for range 1 + rng.IntN(8) {
			words = append(words, tiny.Words[rng.IntN(len(tiny.Words))])
		}
		return strings.Join(words, " ")
	}
	out := make([]Input, n)
	for i := range out {
		out[i].Text = phrase()
		if i%4 == 3 {
			out[i].Pair = ptr(phrase())
		}
	}
	return out
}

// reference computes logits from a full checkpoint without delta, cache or
// batches: each text alone, by a network over the checkpoint's own weights.
func reference(t *testing.T, dir string, inputs []Input) [][]float32 {
	t.Helper()
	b, err := openBase(dir, gemm.Float32) // a tuned checkpoint is a base with the prefix and a head
	must(t, err)
	network, err := BindCheckpoint(b.arch, b.Checkpoint)
	must(t, err)
	return forward(t, b, network, inputs)
}

// forward computes logits, each text alone.
func forward(t *testing.T, b *Base, network models.Network, inputs []Input) [][]float32 {
	t.Helper()
	var out [][]float32
	for _, input := range inputs {
		encoding, err := b.Tokenizer.Encode(input.Text, input.Pair, tokenizer.Options{AddSpecialTokens: true})
		must(t, err)
		logits := make([]float32, network.Labels())
		must(t, network.Forward(models.NewWorkspace(nil), &models.Batch{IDs: encoding.IDs, TypeIDs: encoding.TypeIDs, Ends: []int{len(encoding.IDs)}}, logits))
		out = append(out, logits)
	}
	return out
}

// TestKeepAll: if all weights are kept exactly, scores have the bits of the full
// checkpoint's.
func TestKeepAll(t *testing.T) {
	f := newFixture(t, 2, ken.Options{Selection: ken.KEN, Keep: 1, Coding: delta.Float32})
	e := f.open(t, Config{BatchTokens: 20})
	defer e.Close()
	inputs := texts(40, 1)
	for i, tuned := range f.tuned {
		r, err := e.Classify(context.Background(), fmt.Sprintf("t%d", i), inputs, Options{Raw: true})
		must(t, err)
		if diff := cmp.Diff(reference(t, tuned, inputs), r.Scores); diff != "" {
			t.Errorf("task %d: %s", i, diff)
		}
		if diff := cmp.Diff(f.labels[i], r.Labels); diff != "" {
			t.Error(diff)
		}
	}
	if s := e.Stats(); s.Batches <= 2 || s.Loads != 2 || s.Resident != 2 {
		t.Errorf("%d batches, %d loads, %d resident; want more than 2 batches, 2 loads and 2 resident", s.Batches, s.Loads, s.Resident)
	}
}

// TestForms: scores are those of an export of the same delta, for matrices, tables
// and vectors in each coding, form of positions (bitmaps, gaps, none) and order of
// values. They have the same bits, except for matrices with few kept values: a product
// sums these apart, so that only the order of float32 sums differs.
func TestForms(t *testing.T) {
	for _, coding := range []delta.Coding{delta.Float32, delta.BFloat16, delta.Int8, delta.Int4, delta.Sign} {
		for _, keep := range []float64{0.04, 0.4, 1} {
			for _, tables := range []string{"none", "embeddings", "all"} {
				t.Run(fmt.Sprintf("%s, keep %g, row by row: %s", coding, keep, tables), func(t *testing.T) {
					f := newFixture(t, 1, ken.Options{Selection: ken.LargestChange, Keep: keep, Coding: coding, Table: func(name string) bool {
						return tables == "all" || tables == "embeddings" && strings.Contains(name, "embeddings")
					}})
					e := f.open(t, Config{})
					defer e.Close()
					inputs := texts(8, 2)
					r, err := e.Classify(context.Background(), "t0", inputs, Options{Raw: true})
					must(t, err)
					tolerance := 0.0
					if keep < 0.1 && tables != "all" {
						tolerance = 5e-6
					}
					if diff := cmp.Diff(reference(t, f.export(t, "t0"), inputs), r.Scores, cmpopts.EquateApprox(0, tolerance)); diff != "" {
						t.Error(diff)
					}
				})
			}
		}
	}
}

// export writes a task as a full checkpoint, row by row with PatchRow.
func (f *fixture) export(t *testing.T, task string) string {
	t.Helper()
	base, err := safetensors.OpenCheckpoint(f.base)
	must(t, err)
	defer base.Close()
	d, err := delta.Open(filepath.Join(f.store, task+delta.Extension))
	must(t, err)
	defer d.Close()
	must(t, d.Check(base, delta.Fingerprint(base)))
	dir := filepath.Join(t.TempDir(), "export")
	must(t, tiny.WriteTuned(dir, f.base, f.labels[0], 0))
	var entries []safetensors.Entry
	for _, name := range base.Names() {
		b, _ := base.Tensor(name)
		values := make([]float32, b.Len())
		must(t, b.Float32s(values, 0))
		if p, ok := d.Tensor(name); ok {
			rows, columns := b.Rows()
			for r := range rows {
				p.Masked.PatchRow(r, values[r*columns:][:columns])
			}
		}
		entries = append(entries, (&safetensors.Tensor{Name: d.TunedName(name), DType: safetensors.F32, Shape: b.Shape, Data: safetensors.Bytes(values)}).Entry())
	}
	for _, p := range d.Tensors {
		if p.Dense != nil {
			entries = append(entries, p.Dense.Entry())
		}
	}
	must(t, safetensors.WriteFile(filepath.Join(dir, safetensors.WeightsFile), nil, entries))
	return dir
}

// TestConcurrent: 200 requests at once for four tasks, with room for two. Every
// request gets the scores that it gets alone, memory stays within the budget, and
// the base does not change.
func TestConcurrent(t *testing.T) {
	f := newFixture(t, 4, ken.Options{Selection: ken.KEN, Keep: 0.5, Coding: delta.Float32})
	budget := int64(0)
	for i := range 4 {
		budget = max(budget, f.taskBytes(t, fmt.Sprintf("t%d", i)))
	}
	budget = 2*budget + budget/2
	e := f.open(t, Config{Budget: budget, BatchTokens: 24})
	defer e.Close()
	panels := packedWeights(e.base)
	type request struct {
		task   string
		inputs []Input
		want   [][]float32
	}
	var requests []request
	for i := range 200 {
		r := request{task: fmt.Sprintf("t%d", i%4), inputs: texts(1+i%5, uint64(i))}
		alone, err := e.Classify(context.Background(), r.task, r.inputs, Options{})
		must(t, err)
		r.want = alone.Scores
		requests = append(requests, r)
	}
	before := e.Stats()
	ctx, stop := context.WithCancel(context.Background())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for ctx.Err() == nil {
			if s := e.Stats(); s.TaskBytes > budget {
				t.Errorf("%d bytes of tasks, the budget is %d", s.TaskBytes, budget)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	var wg sync.WaitGroup
	for _, r := range requests {
		wg.Go(func() {
			got, err := e.Classify(context.Background(), r.task, r.inputs, Options{})
			if err != nil {
				t.Errorf("task %s: %v", r.task, err)
			} else if diff := cmp.Diff(r.want, got.Scores); diff != "" {
				t.Errorf("task %s: %s", r.task, diff)
			}
		})
	}
	wg.Wait()
	stop()
	<-watched
	if after := e.Stats(); after.Evictions == before.Evictions {
		t.Error("no task was evicted: the budget of this test is too large")
	}
	if got := delta.Fingerprint(e.base.Checkpoint); got != e.base.Fingerprint {
		t.Errorf("the base's fingerprint has changed to %s", got)
	}
	if !bytes.Equal(panels, packedWeights(e.base)) {
		t.Error("the base's panels have changed")
	}
}

// packedWeights returns the bytes of all packed matrices and vectors of a base.
func packedWeights(b *Base) []byte {
	var out []byte
	for _, p := range b.arch.Parameters() {
		if m := b.matrices[p.Name]; m != nil {
			row := make([]float32, m.K())
			for i := range m.N() {
				m.Row(i, row)
				out = append(out, safetensors.Bytes(row)...)
			}
		}
		out = append(out, safetensors.Bytes(b.vectors[p.Name])...)
	}
	return out
}

// slowStore counts fetches and delays them.
type slowStore struct {
	store.Store
	mu    sync.Mutex
	opens map[string]int
}

func (s *slowStore) Fetch(ctx context.Context, item store.Item) (store.File, error) {
	s.mu.Lock()
	s.opens[item.Task]++
	s.mu.Unlock()
	time.Sleep(20 * time.Millisecond)
	return s.Store.Fetch(ctx, item)
}

// TestOneLoad: however many requests wait for a task, it is loaded once, and the
// cancellation of a request does not cancel the load.
func TestOneLoad(t *testing.T) {
	f := newFixture(t, 1, ken.Options{Selection: ken.LargestChange, Keep: 0.1, Coding: delta.Sign})
	store := &slowStore{Store: store.NewFolder(f.store), opens: map[string]int{}}
	e, err := Open(context.Background(), Config{BaseDir: f.base, Store: store, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer e.Close()
	cancelled, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range 40 {
		ctx := context.Background()
		if i%4 == 0 {
			ctx = cancelled
		}
		wg.Go(func() {
			_, err := e.Classify(ctx, "t0", texts(1, 1), Options{})
			if ctx == cancelled && err != nil && errors.Is(err, context.Canceled) {
				return
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(5 * time.Millisecond)
	cancel()
	wg.Wait()
	if store.opens["t0"] != 1 {
		t.Errorf("fetched %d times, want once", store.opens["t0"])
	}
}

func TestErrors(t *testing.T) {
	f := newFixture(t, 1, ken.Options{Selection: ken.KEN, Keep: 0.5, Coding: delta.Int8})
	good, err := os.ReadFile(filepath.Join(f.store, "t0.ken"))
	must(t, err)
	damaged := bytes.Clone(good)
	damaged[len(damaged)-100] ^= 1
	must(t, os.WriteFile(filepath.Join(f.store, "damaged.ken"), damaged, 0o644))
	must(t, os.WriteFile(filepath.Join(f.store, "short.ken"), good[:len(good)/2], 0o644))
	must(t, os.WriteFile(filepath.Join(f.store, "empty.ken"), nil, 0o644))
	must(t, os.Mkdir(filepath.Join(f.store, "folder.ken"), 0o755))
	other := newFixture(t, 1, ken.Options{Selection: ken.KEN, Keep: 0.5, Coding: delta.Int8})
	must(t, tiny.WriteBase(other.base, 99))
	must(t, tiny.WriteTuned(other.tuned[0], other.base, other.labels[0], 0))
	other.prune(t, "t0", 0, ken.Options{Selection: ken.KEN, Keep: 0.5, Coding: delta.Int8})
	foreign, err := os.ReadFile(filepath.Join(other.store, "t0.ken"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(f.store, "foreign.ken"), foreign, 0o644))

	e := f.open(t, Config{})
	defer e.Close()
	long := strings.Repeat("what ", 40)
	tests := []struct {
		name   string
		task   string
		inputs []Input
		want   error
		index  int // of the input that the error is about; -1: of none
	}{
		{"no such task", "nothing", texts(1, 1), ErrNoTask, -1},
		{"a name that leads out of the store", "../base", texts(1, 1), ErrNoTask, -1},
		{"empty name", "", texts(1, 1), ErrNoTask, -1},
		{"damaged", "damaged", texts(1, 1), ErrTaskUnusable, -1},
		{"cut off", "short", texts(1, 1), ErrTaskUnusable, -1},
		{"empty", "empty", texts(1, 1), ErrTaskUnusable, -1},
		{"a folder", "folder", texts(1, 1), ErrNoTask, -1},
		{"a delta of another base", "foreign", texts(1, 1), ErrTaskUnusable, -1},
		{"too long", "t0", []Input{{Text: "what"}, {Text: long}}, ErrTooLong, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for range 2 { // the second error is the remembered one
				_, err := e.Classify(context.Background(), test.task, test.inputs, Options{})
				if !errors.Is(err, test.want) {
					t.Fatalf("%v, want %v", err, test.want)
				}
				if strings.Contains(err.Error(), f.store) {
					t.Errorf("the message names a path: %v", err)
				}
				var input *InputError
				if found := errors.As(err, &input); found != (test.index >= 0) || found && input.Index != test.index {
					t.Errorf("input %v, want %d", input, test.index)
				}
			}
		})
	}
	if s := e.Stats(); s.LoadErrors != 4 {
		t.Errorf("%d loads failed, want 4: one for each task that cannot be loaded", s.LoadErrors)
	}
	r, err := e.Classify(context.Background(), "t0", []Input{{Text: long}}, Options{Truncate: true})
	must(t, err)
	if r.Tokens != 32 {
		t.Errorf("%d tokens after truncation, want 32", r.Tokens)
	}
	if tasks, err := e.Tasks(); err != nil || len(tasks) != 5 {
		t.Errorf("tasks: %v", tasks)
	}
	if info, err := e.Task("t0"); err != nil || info.Residency == Cold || len(info.Labels) != 2 || info.Requests == 0 || info.LastUsed.IsZero() {
		t.Errorf("task t0: %+v, %v", info, err)
	}

	small := f.open(t, Config{Budget: 100})
	defer small.Close()
	if _, err := small.Classify(context.Background(), "t0", texts(1, 1), Options{}); !errors.Is(err, ErrTaskUnusable) {
		t.Errorf("task larger than the budget: %v", err)
	}
}

// TestFailureForgotten: a task that could not be loaded is loaded again after
// RetryAfter.
func TestFailureForgotten(t *testing.T) {
	f := newFixture(t, 1, ken.Options{Selection: ken.LargestChange, Keep: 0.5, Coding: delta.Sign})
	path := filepath.Join(f.store, "t0.ken")
	good, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(f.store, "late.ken"), good[:100], 0o644))
	e := f.open(t, Config{RetryAfter: 50 * time.Millisecond})
	defer e.Close()
	if _, err := e.Classify(context.Background(), "late", texts(1, 1), Options{}); !errors.Is(err, ErrTaskUnusable) {
		t.Fatal(err)
	}
	must(t, safetensors.Replace(filepath.Join(f.store, "late.ken"), func(w io.Writer) error {
		_, err := w.Write(good)
		return err
	}))
	time.Sleep(60 * time.Millisecond)
	if _, err := e.Classify(context.Background(), "late", texts(1, 1), Options{}); err != nil {
		t.Fatal(err)
	}
}

func TestCancelledAndClosed(t *testing.T) {
	f := newFixture(t, 1, ken.Options{Selection: ken.LargestChange, Keep: 0.5, Coding: delta.Sign})
	e := f.open(t, Config{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Classify(ctx, "t0", texts(1, 1), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled request: %v", err)
	}
	must(t, e.Ready())
	must(t, e.Close())
	if _, err := e.Classify(context.Background(), "t0", texts(1, 1), Options{}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := e.Ready(); !errors.Is(err, ErrClosed) {
		t.Errorf("Ready after Close: %v", err)
	}
}

// blocking is a network with one label. It sends to begun when a pass begins, and
// the pass ends when end is closed.
type blocking struct{ begun, end chan struct{} }

func (n blocking) Use() (models.Network, func()) { return n, func() {} }
func (n blocking) Labels() int                   { return 1 }
func (n blocking) Weights() *models.TaskWeights  { return nil }
func (n blocking) Forward(*models.Workspace, *models.Batch, []float32) error {
	n.begun <- struct{}{}
	<-n.end
	return nil
}

// TestBusy: a request beyond the bound on waiting requests or tokens is ErrBusy.
func TestBusy(t *testing.T) {
	f := newFixture(t, 1, ken.Options{Selection: ken.LargestChange, Keep: 0.5, Coding: delta.Sign})
	for _, c := range []struct {
		name   string
		config Config
	}{
		{"requests", Config{Workers: 1, MaxWaiting: 1}},
		{"tokens", Config{Workers: 1, MaxWaitingTokens: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := f.open(t, c.config)
			defer e.Close()
			n := blocking{make(chan struct{}, 1), make(chan struct{})}
			long := sched.Request{Context: context.Background(), Task: n, Name: "long", Texts: models.Batch{IDs: []int32{1}, Ends: []int{1}}, Logits: make([]float32, 1)}
			must(t, e.executor.Submit(&long)) // occupies the only worker
			<-n.begun
			waiting := make(chan error, 1)
			go func() {
				_, err := e.Classify(context.Background(), "t0", texts(1, 1), Options{})
				waiting <- err
			}()
			for e.Stats().Waiting == 0 {
				if len(waiting) > 0 {
					t.Fatalf("the request did not wait: %v", <-waiting)
				}
				time.Sleep(time.Millisecond)
			}
			if _, err := e.Classify(context.Background(), "t0", texts(1, 1), Options{}); !errors.Is(err, ErrBusy) {
				t.Errorf("second waiting request: %v", err)
			}
			close(n.end)
			must(t, <-waiting)
			must(t, e.executor.Wait(&long))
		})
	}
}
