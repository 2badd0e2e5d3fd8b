package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"time"

	"kenserve/bench"
	"kenserve/delta/store"
	"kenserve/gemm"
	"kenserve/runtime"
)

type benchFairnessCmd struct {
	File     string        `arg:"" placeholder:"FILE.ken" help:"Delta file; all tasks are copies of it."`
	Base     string        `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base."`
	Trickles int           `default:"99" placeholder:"N" help:"Tasks that are asked rarely (default ${default})."`
	Share    float64       `default:"0.3" placeholder:"F" help:"Of what the machine can do one at a time, how much they ask for together (default ${default})."`
	Flood    int           `default:"32" placeholder:"N" help:"Requests at a time to the flooding task (default ${default})."`
	Batch    int           `default:"32" placeholder:"N" help:"Texts of such a request (default ${default})."`
	Tokens   int           `default:"25" placeholder:"N" help:"Tokens of a text on average, special ones included (default ${default})."`
	Duration time.Duration `default:"10s" placeholder:"TIME" help:"How long each of the two measurements takes (default ${default})."`
	Threads  int           `placeholder:"N" help:"Cores to use (default: all)."`
	Memory   byteSize      `default:"8GiB" placeholder:"BYTES" help:"Memory for loaded tasks beside the base (default ${default})."`
	JSON     bool          `name:"json" help:"Print JSON."`
}

func (c *benchFairnessCmd) Run(ctx context.Context, s streams) (err error) {
	if c.Trickles < 1 || c.Flood < 1 || c.Batch < 1 || c.Tokens < 1 || c.Threads < 0 || c.Duration <= 0 || !(c.Share > 0 && c.Share < 1) {
		return usageError{errors.New("bench: fairness wants positive numbers, and a share below 1")}
	}
	if c.Threads > 0 {
		defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(c.Threads))
	}
	folder, err := bench.LinkTasks(c.File, c.Trickles+1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	e, err := runtime.Open(ctx, runtime.Config{
		BaseDir: c.Base, Store: store.Folder(folder), Budget: int64(c.Memory), Compute: gemm.Float32, Workers: c.Threads, Log: quiet(),
		MaxWaiting: 1 << 20, MaxWaitingTokens: 1 << 30, // every request is to be measured
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
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
`, f.Trickles, f.Rate, f.Requests, f.Threads, quantiles(f.Alone), quantiles(f.Beside), f.P99Ratio, f.FloodTexts)
	return err
}
