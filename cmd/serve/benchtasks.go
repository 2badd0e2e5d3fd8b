package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"kenserve/bench"
	"kenserve/delta/store"
	"kenserve/gemm"
	"kenserve/internal/stage"
	"kenserve/runtime"
)

type benchTasksCmd struct {
	File        string        `arg:"" placeholder:"FILE.ken" help:"Delta file in the fast layout. Every task is a copy of it with other signs."`
	Base        string        `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	Counts      []int         `default:"1,100,1000" placeholder:"N,..." help:"Numbers of tasks to measure (default ${default}). Ratios compare with the first."`
	Zipf        float64       `default:"1" placeholder:"S" help:"Exponent of the Zipf distribution of requests over tasks: the task of rank r gets a share proportional to r to the power of -S (default ${default}); 0 means equal shares."`
	Tokens      int           `default:"25" placeholder:"N" help:"Mean number of tokens in a text, special tokens included (default ${default})."`
	Concurrency int           `default:"64" placeholder:"N" help:"Number of requests at a time when throughput is measured (default ${default})."`
	Duration    time.Duration `default:"5s" placeholder:"TIME" help:"Duration of each measurement, and of the warm-up before it (default ${default})."`
	Rounds      int           `default:"3" placeholder:"N" help:"Number of times that all --counts are measured in turn (default ${default}). The best round counts."`
	Compute     gemm.Compute  `default:"float32" placeholder:"TYPE" help:"Number type in which dense layers multiply (default ${default}): float32,bfloat16,int8."`
	Threads     int           `placeholder:"N" help:"Number of cores to use (default: all)."`
	Memory      byteSize      `placeholder:"BYTES" help:"Maximum memory of the process in bytes (default: three quarters of the memory of the machine or container)."`
	Out         string        `placeholder:"DIR" help:"Folder to write tasks.json and tasks.png to (default: they are not written). It must be empty or not exist, unless --force is set."`
	Force       bool          `help:"Write to --out even if it is not empty; files of the same name are replaced."`
	JSON        bool          `name:"json" help:"Print the result as JSON."`
}

// Run measures one engine over a temporary store of tasks.
func (c *benchTasksCmd) Run(ctx context.Context, s streams) (err error) {
	if len(c.Counts) == 0 || slices.Min(c.Counts) < 1 || c.Tokens < 1 || c.Concurrency < 1 || c.Rounds < 1 || c.Duration <= 0 || c.Threads < 0 || !(c.Zipf >= 0) {
		return usageError{errors.New("bench: --counts, --tokens, --concurrency, --rounds and --duration must be positive; --threads and --zipf must not be negative")}
	}
	var out *stage.Output
	if c.Out != "" {
		if out, err = createOutput("bench", "out", c.Out, "force", stage.Options{Folder: true, Names: bench.FileNames(), Replace: c.Force, Inputs: []string{c.File, c.Base}}); err != nil {
			return err
		}
		defer out.Abort()
	}
	bar := newProgress(s.err, "tasks", slices.Max(c.Counts))
	folder, deltaBytes, err := bench.WriteVariants(c.File, slices.Max(c.Counts), bar.add)
	bar.finish()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Remove()) }()
	e, err := runtime.Open(ctx, runtime.Config{
		BaseDir: c.Base, Store: store.NewFolder(folder.Path("")), Compute: c.Compute, Memory: int64(c.Memory), Workers: c.Threads, Log: discardLog(), LimitHeap: newHeapLimiter(),
		MaxWaiting: 1 << 20, MaxWaitingTokens: 1 << 30, // so that no request is refused
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	_ = reportUnknown("bench", false, s.warn("bench"), e.Base().Unknown()...)
	options := bench.TasksOptions{
		Counts: c.Counts, Zipf: c.Zipf, Tokens: c.Tokens, Concurrency: c.Concurrency, Duration: c.Duration, Rounds: c.Rounds,
	}
	bar = newProgress(s.err, "measurements", options.Measurements())
	m, err := bench.Tasks(ctx, e, options, bar.add)
	bar.finish()
	if err != nil {
		return err
	}
	m.Threads, m.Compute, m.DeltaBytes, m.Memory = c.Threads, c.Compute.String(), deltaBytes, int64(c.Memory)
	if out != nil {
		if err := m.Write(out.Path()); err != nil {
			return err
		}
		if err := out.Commit(ctx); err != nil {
			return outputError("bench", "out", "force", err)
		}
	}
	if c.JSON {
		return json.NewEncoder(s.out).Encode(m)
	}
	return printTasks(s, m)
}

func printTasks(s streams, m *bench.TasksReport) error {
	fmt.Fprintf(s.out, "%s, texts of %d tokens, %d requests at a time, delta %s, popularity Zipf(%g)\n", m.Compute, m.Tokens, m.Requests, formatSize(m.DeltaBytes), m.Zipf)
	fmt.Fprintf(s.out, "%8s %10s %7s %9s %9s %7s %7s %6s %6s %10s\n", "tasks", "texts/s", "ratio", "p50 ms", "p99 ms", "ratio", "hits", "hot", "warm", "resident")
	for _, r := range m.Rows {
		fmt.Fprintf(s.out, "%8d %10.1f %7.3f %9.2f %9.2f %7.2f %6.1f%% %6d %6d %10s\n",
			r.Tasks, r.Throughput, r.Ratio, r.P50, r.P99, r.P99Ratio, 100*r.HitRate, r.Hot, r.Warm, formatSize(r.RSS))
	}
	_, err := fmt.Fprintf(s.out, "first request, median: hot %.2f ms, warm %.2f ms (%.2f), cold %.2f ms (%.2f)\n", m.HotMS, m.WarmMS, m.WarmMS/m.HotMS, m.ColdMS, m.ColdMS/m.HotMS)
	return err
}
