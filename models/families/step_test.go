package families_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"kenserve/gemm"
	"kenserve/gemm/kernel"
	"kenserve/internal/parallel"
	"kenserve/models"
	"kenserve/models/grad"
	"kenserve/nn"
)

// BenchmarkStep compares training steps (forward pass, backward pass, AdamW) with the
// forward pass that serves, on the same batch of 32 texts of about 25 tokens, in turns. It
// reports how many forward passes a step takes: 3 would be products alone for all weights, 2
// for a few. memory is what the encoder holds, in MB.
func BenchmarkStep(b *testing.B) {
	for _, s := range []struct{ name, fields string }{
		{"MiniLM", `,"hidden_size":384,"num_hidden_layers":6,"intermediate_size":1536,"vocab_size":8000`},
		{"BERT-base", `,"vocab_size":8000`},
	} {
		for _, c := range []struct {
			name    string
			share   float64 // of a matrix that is trained
			micro   int     // texts that are in memory at a time
			options grad.Options
		}{
			{"full", 1, 32, grad.Options{}},
			{"full-by-16", 1, 16, grad.Options{}},
			{"full-by-8", 1, 8, grad.Options{}},
			{"full-by-4", 1, 4, grad.Options{}},
			{"dropout", 1, 32, grad.Options{Dropout: grad.Dropout{Hidden: 0.1, Attention: 0.1}}},
			{"recomputed", 1, 32, grad.Options{Keep: 1}},
			{"sparse", 0.01, 32, grad.Options{}},
			{"bfloat16", 1, 32, grad.Options{Compute: gemm.BFloat16}},
			{"sparse-by-8", 0.01, 8, grad.Options{}},
			{"sparse-bfloat16", 0.01, 32, grad.Options{Compute: gemm.BFloat16}},
		} {
			for _, workers := range []int{1, 2} {
				b.Run(fmt.Sprintf("%s/%s/workers=%d", s.name, c.name, workers), func(b *testing.B) {
					pool := parallel.NewPool(workers)
					defer pool.Close()
					c.options.Pool = pool
					benchmarkStep(b, s.fields, c.share, c.micro, c.options)
				})
			}
		}
	}
}

func benchmarkStep(b *testing.B, fields string, share float64, micro int, o grad.Options) {
	r := rand.New(rand.NewPCG(1, 2))
	arch, weights, products := randomModel(b, r, `{"model_type":"bert"`+fields+`}`)
	network, err := arch.Bind(weights)
	if err != nil {
		b.Fatal(err)
	}
	e, err := grad.NewEncoder(arch, loader{weights}, o)
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range e.Parameters() {
		switch {
		case share == 1 || p.Role == models.Vector:
		case p.Role == models.Embedding:
			p.Freeze()
		default:
			var kept []int
			for i := range elements(p.Shape) {
				if r.Float64() < share {
					kept = append(kept, i)
				}
			}
			if err := p.Keep(kept); err != nil {
				b.Fatal(err)
			}
		}
	}
	batch := randomTexts(r, 8000)
	var parts []*models.Batch
	for i := 0; i < 32; i += micro {
		start := 0
		if i > 0 {
			start = batch.Ends[i-1]
		}
		part := &models.Batch{IDs: batch.IDs[start:batch.Ends[i+micro-1]]}
		for _, end := range batch.Ends[i:][:micro] {
			part.Ends = append(part.Ends, end-start)
		}
		parts = append(parts, part)
	}
	w, logits := models.NewWorkspace(o.Pool), make([]float32, 64)
	optimiser := &adamW{pool: o.Pool}
	limit := kernel.Peak(50 * time.Millisecond)
	runtime.LockOSThread() // processorTime is that of the thread
	defer runtime.UnlockOSThread()
	var forward, step time.Duration
	clock := processorTime
	if o.Pool.Width() > 1 {
		clock = func() time.Duration { return time.Duration(time.Now().UnixNano()) }
	}
	for b.Loop() {
		start := clock()
		if err := network.Forward(w, batch, logits); err != nil {
			b.Fatal(err)
		}
		middle := clock()
		e.ZeroGrad()
		for i, part := range parts {
			x, err := e.Features(part, grad.Mode{Train: true, First: i})
			if err != nil {
				b.Fatal(err)
			}
			if err := e.Backward(x); err != nil {
				b.Fatal(err)
			}
		}
		optimiser.update(e)
		forward += middle - start
		step += clock() - middle
	}
	b.ReportMetric(step.Seconds()/forward.Seconds(), "forwards/step")
	b.ReportMetric(32*float64(b.N)/step.Seconds(), "texts/s")
	b.ReportMetric(float64(e.Bytes())/1e6, "MB")
	b.ReportMetric(2*float64(products*len(batch.IDs)*b.N)/forward.Seconds()/limit/float64(o.Pool.Width()), "forward-of-peak")
}

// adamW is the update of PyTorch's AdamW, for benchmarks.
type adamW struct {
	pool *parallel.Pool
	m, v [][]float32
	e    *grad.Encoder
}

func (a *adamW) update(e *grad.Encoder) {
	a.e = e
	for i, p := range e.Parameters() {
		if len(a.m) == i {
			a.m, a.v = append(a.m, nil), append(a.v, nil)
		}
		a.m[i] = append(a.m[i], make([]float32, len(p.Values)-len(a.m[i]))...)
		a.v[i] = append(a.v[i], make([]float32, len(p.Values)-len(a.v[i]))...)
	}
	a.pool.Run(len(a.m), a)
	e.Updated()
}

func (a *adamW) Do(i, _ int) {
	p := a.e.Parameters()[i]
	nn.AdamW(p.Values, a.m[i], a.v[i], p.Grad, &nn.AdamWStep{Scale: 1, Keep: 1, First: 0.1, Beta2: 0.999, Second: 0.001, Correction: 1, Eps: 1e-8, Step: 1e-9})
}
