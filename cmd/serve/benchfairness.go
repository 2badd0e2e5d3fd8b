package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	goruntime "runtime"
	"time"

	"kenserve/bench"
	"kenserve/delta/store"
	"kenserve/gemm"
	"kenserve/runtime"
)

type benchFairnessCmd struct {
	File     string        `arg:"" placeholder:"FILE.ken" help:"Delta file. Every task is a link to it."`
	Base     string        `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	Trickles int           `default:"99" placeholder:"N" help:"Number of tasks with little load (default ${default})."`
	Share    float64       `default:"0.3" placeholder:"F" help:"Load of these tasks together, as a share of the throughput of one client, above 0 and below 1 (default ${default})."`
	Flood    int           `default:"32" placeholder:"N" help:"Number of requests at a time to the flooded task (default ${default})."`
	Batch    int           `default:"32" placeholder:"N" help:"Number of texts in a request to the flooded task (default ${default})."`
	Tokens   int           `default:"25" placeholder:"N" help:"Mean number of tokens in a text, special tokens included (default ${default})."`
	Duration time.Duration `default:"10s" placeholder:"TIME" help:"Duration of each of the two measurements, without and with the flood (default ${default})."`
	Threads  int           `placeholder:"N" help:"Number of cores to use (default: all)."`
	Memory   byteSize      `default:"8GiB" placeholder:"BYTES" help:"Maximum memory for loaded tasks in bytes, without the base (default ${default})."`
	JSON     bool          `name:"json" help:"Print the result as JSON."`
}

func (c *benchFairnessCmd) Run(ctx context.Context, s streams) (err error) {
	if c.Trickles < 1 || c.Flood < 1 || c.Batch < 1 || c.Tokens < 1 || c.Threads < 0 || c.Duration <= 0 || !(c.Share > 0 && c.Share < 1) {
		return usageError{errors.New("bench: --trickles, --flood, --batch, --tokens and --duration must be positive, --share above 0 and below 1, and --threads not negative")}
	}
	if c.Threads > 0 {
		defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(c.Threads))
	}
	folder, err := bench.LinkTasks(c.File, c.Trickles+1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Remove()) }()
	e, err := runtime.Open(ctx, runtime.Config{
		BaseDir: c.Base, Store: store.NewFolder(folder.Path("")), Budget: int64(c.Memory), Compute: gemm.Float32, Workers: c.Threads, Log: discardLog(),
		MaxWaiting: 1 << 20, MaxWaitingTokens: 1 << 30, // so that no request is refused
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	_ = reportUnknown("bench", false, s.warn("bench"), e.Base().Unknown()...)
	f, err := bench.Fairness(ctx, e, bench.FairnessOptions{
		Trickles: c.Trickles, Share: c.Share, Flood: c.Flood, Batch: c.Batch, Tokens: c.Tokens, Duration: c.Duration,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.out).Encode(f)
	}
	_, err = fmt.Fprintf(s.out, `trickles      %d tasks, together %.1f requests of one text a second, %d in all, %d threads
alone         %s
beside flood  %s
ratio         %.2f at 99%%
flood         %.0f texts/s
`, f.Trickles, f.Rate, f.Requests, f.Threads, formatQuantiles(f.Alone), formatQuantiles(f.Beside), f.P99Ratio, f.FloodTexts)
	return err
}
