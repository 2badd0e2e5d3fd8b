package train

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"kenserve/delta"
	"kenserve/internal/parallel"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/models/grad"
	"kenserve/models/tiny"
	"kenserve/safetensors"
	"kenserve/tune/internal/adamw"
	"kenserve/tune/internal/head"
	"kenserve/tune/internal/objective"
)

// base is a tiny model in memory.
type base struct {
	arch       models.Architecture
	checkpoint *safetensors.Checkpoint
}

func openBase(t testing.TB) *base {
	t.Helper()
	dir := t.TempDir()
	if err := tiny.WriteBase(dir, 1); err != nil {
		t.Fatal(err)
	}
	config, err := models.ReadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := &base{}
	if b.arch, err = families.New(config); err != nil {
		t.Fatal(err)
	}
	if b.checkpoint, err = safetensors.OpenCheckpoint(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.checkpoint.Close() })
	return b
}

// Load implements grad.Loader.
func (b *base) Load(p models.Parameter, dst []float32) error {
	t, ok := b.checkpoint.Tensor(p.Name)
	if !ok {
		return errors.New("missing")
	}
	return t.Float32s(dst, 0)
}

// Table implements grad.Loader.
func (b *base) Table(p models.Parameter) (models.Table, error) {
	t, _ := b.checkpoint.Tensor(p.Name)
	return table{t}, nil
}

type table struct{ *safetensors.Tensor }

func (t table) Row(i int, dst []float32) {
	if err := t.Float32s(dst, i*len(dst)); err != nil {
		panic(err)
	}
}

// model returns a new model with this many labels.
func (b *base) model(t testing.TB, labels, workers int, dropout float32) *Model {
	t.Helper()
	pool := parallel.NewPool(workers)
	t.Cleanup(pool.Close)
	d := grad.Dropout{Hidden: dropout, Attention: dropout, Seed: 5}
	e, err := grad.NewEncoder(b.arch, b, grad.Options{Pool: pool, Dropout: d})
	if err != nil {
		t.Fatal(err)
	}
	inBase := func(p models.Parameter) bool { _, ok := b.checkpoint.Tensor(p.Name); return ok }
	h, err := head.New(b.arch, labels, d, 3, func(p models.Parameter) ([]float32, error) {
		if !inBase(p) {
			return nil, nil
		}
		values := make([]float32, 0)
		x, _ := b.checkpoint.Tensor(p.Name)
		values = make([]float32, x.Len())
		return values, x.Float32s(values, 0)
	})
	if err != nil {
		t.Fatal(err)
	}
	return NewModel(e, h, inBase)
}

// samples returns texts of random tokens, whose class is which of the first tokens of the
// vocabulary they have.
func samples(n, classes int, seed uint64) []Sample {
	rng := rand.New(rand.NewPCG(seed, 2))
	out := make([]Sample, n)
	for i := range out {
		s := &out[i]
		s.Class, s.Weight = rng.IntN(classes), 1
		s.Value = float64(s.Class) - 1
		s.Classes = []int{s.Class}
		s.IDs = []int32{2}
		for range 2 + rng.IntN(6) {
			s.IDs = append(s.IDs, int32(12+rng.IntN(8)))
		}
		s.IDs[1+rng.IntN(len(s.IDs)-1)] = int32(5 + s.Class)
		s.IDs = append(s.IDs, 3)
		s.Types = make([]int32, len(s.IDs))
	}
	return out
}

func testConfig(problem models.Problem, labels int) Config {
	return Config{
		Objective: objective.Objective{Problem: problem, Labels: labels}, Batch: 8, PassTokens: 40, Epochs: 6, Rate: 5e-3, HeadRate: 3, VectorRate: 1,
		Warmup: 0.1, Schedule: adamw.Linear, Clip: 1, Mask: Gradient, MeasureBatches: 8, MaskEpochs: 1, CodedShare: 0.4,
		Codings: Codings{delta.Float32, delta.Float32, delta.Float32}, Every: 10, Seed: 7,
	}
}

func run(t testing.TB, m *Model, c Config, train, dev []Sample, resume bool) *Result {
	t.Helper()
	r, err := NewRun(m, train, dev, c).Train(context.Background(), resume)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestLearns trains each kind of task in several ways, and finds the class of nearly all texts.
func TestLearns(t *testing.T) {
	b := openBase(t)
	coded := Codings{delta.Int8, delta.Int8, delta.Int8}
	for _, test := range []struct {
		name    string
		problem models.Problem
		labels  int
		change  func(c *Config)
		atLeast float64
	}{
		{"full", models.SingleLabel, 3, func(c *Config) {}, 0.9},
		{"gradient mask", models.SingleLabel, 3, func(c *Config) { c.Sparse, c.Codings = 0.2, coded }, 0.8},
		{"change mask", models.SingleLabel, 3, func(c *Config) { c.Sparse, c.Mask, c.Epochs = 0.2, Change, 8 }, 0.8},
		{"base mask", models.SingleLabel, 3, func(c *Config) { c.Sparse, c.Mask, c.Epochs = 0.2, Base, 8 }, 0.7},
		{"signs", models.SingleLabel, 3, func(c *Config) {
			c.Sparse, c.Epochs, c.Codings = 0.2, 10, Codings{delta.Sign, delta.Int8, delta.Int4}
		}, 0.7},
		{"head first", models.SingleLabel, 3, func(c *Config) { c.HeadEpochs, c.Contrastive = 2, 2 }, 0.9},
		{"several labels", models.MultiLabel, 3, func(c *Config) {}, 0.9},
		{"regression", models.Regression, 1, func(c *Config) { c.Epochs = 10 }, 0.7},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := testConfig(test.problem, test.labels)
			test.change(&c)
			r := run(t, b.model(t, test.labels, 2, 0), c, samples(160, 3, 1), samples(80, 3, 2), false)
			t.Logf("score %.3f, loss %.3f", r.Best.Score, r.Best.DevLoss)
			if r.Best.Score < test.atLeast {
				t.Errorf("score %g, want at least %g", r.Best.Score, test.atLeast)
			}
			if s, loss := score(r.devLogits, test.labels, samples(80, 3, 2), test.problem); s != r.Best.Score || math.Abs(loss-r.Best.DevLoss) > 1e-5 {
				t.Errorf("the values returned have score %g and loss %g, the best point %g and %g", s, loss, r.Best.Score, r.Best.DevLoss)
			}
		})
	}
}

// bits returns all trained values of a model.
func bits(m *Model) map[string][]float32 {
	out := map[string][]float32{}
	for _, w := range m.Weights() {
		values := make([]float32, w.Elements())
		w.Read(values)
		out[w.Name] = values
	}
	return out
}

func sameBits(t *testing.T, what string, got, want map[string][]float32) {
	t.Helper()
	for name, values := range want {
		for i, v := range values {
			if math.Float32bits(got[name][i]) != math.Float32bits(v) {
				t.Errorf("%s: element %d of %s is %g, want %g", what, i, name, got[name][i], v)
				return
			}
		}
	}
}

// kinds are configurations whose runs go through all stages.
var kinds = map[string]func(c *Config){
	"full": func(c *Config) {},
	"sparse": func(c *Config) {
		c.Sparse, c.HeadEpochs, c.Codings = 0.1, 1, Codings{delta.Int8, delta.Int8, delta.Int8}
	},
	"change": func(c *Config) {
		c.Sparse, c.Mask, c.Contrastive, c.Codings = 0.1, Change, 1, Codings{delta.Sign, delta.Int8, delta.Int4}
	},
}

// TestWorkers checks that the number of workers changes no bit.
func TestWorkers(t *testing.T) {
	b := openBase(t)
	train, dev := samples(50, 3, 1), samples(20, 3, 2)
	for name, change := range kinds {
		c := testConfig(models.SingleLabel, 3)
		c.Epochs = 2
		change(&c)
		var want map[string][]float32
		for _, workers := range []int{1, 2, 4} {
			m := b.model(t, 3, workers, 0.1)
			c.Pool = parallel.NewPool(workers)
			t.Cleanup(c.Pool.Close)
			run(t, m, c, train, dev, false)
			if want == nil {
				want = bits(m)
				continue
			}
			sameBits(t, name, bits(m), want)
		}
	}
}

// TestResume ends runs after any number of steps, and goes on from the checkpoint.
func TestResume(t *testing.T) {
	b := openBase(t)
	train, dev := samples(50, 3, 1), samples(20, 3, 2)
	for name, change := range kinds {
		c := testConfig(models.SingleLabel, 3)
		c.Epochs, c.CheckpointSteps, c.Fingerprint = 3, 3, name
		change(&c)
		whole := b.model(t, 3, 1, 0.1)
		want := run(t, whole, c, train, dev, false)
		c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint")
		stop := errors.New("stop")
		total := 0
		for attempt := 0; ; attempt++ {
			m := b.model(t, 3, 1, 0.1)
			passes := 0
			c.Between = func() error {
				if passes++; passes > 45 { // forward passes, of which a step has two or more
					return stop
				}
				return nil
			}
			if attempt > 40 {
				t.Fatalf("%s: the run does not come to its end", name)
			}
			r, err := NewRun(m, train, dev, c).Train(context.Background(), true)
			if errors.Is(err, stop) {
				total++
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			sameBits(t, name, bits(m), bits(whole))
			if len(r.History) != len(want.History) {
				t.Errorf("%s: %d evaluations, want %d", name, len(r.History), len(want.History))
			}
			for i, p := range r.History {
				if p != want.History[i] {
					t.Errorf("%s: evaluation %d is %+v, want %+v", name, i, p, want.History[i])
				}
			}
			break
		}
		t.Logf("%s: resumed %d times", name, total)
		c.Fingerprint, c.Between = "other", nil
		if _, err := NewRun(b.model(t, 3, 1, 0), train, dev, c).Train(context.Background(), true); !errors.Is(err, errOther) {
			t.Errorf("%s: a checkpoint of other data is accepted: %v", name, err)
		}
	}
}
