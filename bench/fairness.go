package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	goruntime "runtime"
	"time"

	"kenserve/runtime"
)

// FairnessReport is the latency of tasks with little load, alone and beside one task that
// is flooded with requests.
type FairnessReport struct {
	Trickles int       `json:"trickles"` // tasks with little load
	Threads  int       `json:"threads"`
	Rate     float64   `json:"requests_per_second"` // of all these tasks together
	Requests int       `json:"requests"`            // in each of the two measurements
	Alone    Quantiles `json:"alone_ms"`            // latency
	Beside   Quantiles `json:"beside_flood_ms"`
	P99Ratio float64   `json:"p99_ratio"` // Beside / Alone
	// FloodTexts is the throughput of the flooded task during the second measurement.
	FloodTexts float64 `json:"flood_texts_per_second"`
}

// FairnessOptions are the options of [Fairness].
type FairnessOptions struct {
	Trickles int           // tasks with little load
	Share    float64       // their load together, as a share of the throughput of one client
	Flood    int           // requests at a time to the flooded task
	Batch    int           // texts in such a request
	Tokens   int           // mean number of tokens in a text
	Duration time.Duration // of each of the two measurements
}

// Fairness measures an engine over the tasks of [LinkTasks], Trickles+1 of them: task 0 is
// flooded in a closed loop, the others get requests in an open loop. Both measurements
// have the same arrivals. Threads in the report is GOMAXPROCS.
func Fairness(ctx context.Context, e *runtime.Engine, o FairnessOptions) (*FairnessReport, error) {
	f, err := o.measure(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return f, nil
}

func (o *FairnessOptions) measure(ctx context.Context, e *runtime.Engine) (*FairnessReport, error) {
	texts, err := SyntheticTexts(ctx, e, 512, o.Tokens)
	if err != nil {
		return nil, err
	}
	// Load every task, then measure the throughput of one client. The rate follows from it.
	one := closedLoop{engine: e, batch: 1, concurrency: 1}
	for i := range o.Trickles + 1 {
		one.task = taskName(i)
		if _, err := one.pass(ctx, texts[:4]); err != nil {
			return nil, err
		}
	}
	p, err := one.pass(ctx, texts)
	if err != nil {
		return nil, err
	}
	f := &FairnessReport{Trickles: o.Trickles, Threads: goruntime.GOMAXPROCS(0), Rate: o.Share * float64(len(texts)) / p.wall.Seconds()}
	alone, err := o.trickle(ctx, e, texts, f.Rate)
	if err != nil {
		return nil, err
	}
	flooding, stop := context.WithCancel(ctx)
	flood := closedLoop{engine: e, task: taskName(0), batch: o.Batch, concurrency: o.Flood}
	defer stop()
	flooded := make(chan error, 1)
	go func() { flooded <- flood.flood(flooding, texts) }()
	before, start := flood.texts.Load(), time.Now()
	beside, err := o.trickle(ctx, e, texts, f.Rate)
	f.FloodTexts = float64(flood.texts.Load()-before) / time.Since(start).Seconds()
	stop()
	if err := errors.Join(err, <-flooded); err != nil {
		return nil, err
	}
	f.Requests, f.Alone, f.Beside = len(alone), quantiles(alone), quantiles(beside)
	f.P99Ratio = f.Beside.P99 / f.Alone.P99
	return f, nil
}

// trickle measures the latency of requests to the tasks with little load.
func (o *FairnessOptions) trickle(ctx context.Context, e *runtime.Engine, texts []runtime.Input, rate float64) ([]time.Duration, error) {
	rng := rand.New(rand.NewPCG(3, 4))
	return openLoop(ctx, e, rng, rate, o.Duration, func() (string, runtime.Input) {
		return taskName(1 + rng.IntN(o.Trickles)), texts[rng.IntN(len(texts))]
	})
}
