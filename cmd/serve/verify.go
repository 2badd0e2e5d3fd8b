package main

import (
	"context"
	"fmt"
	"math"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/gemm"
	"kenserve/runtime"
)

type verifyCmd struct {
	File string `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base."`
	cacheFlags
}

// Run checks the file by itself and against the base, and then loads the task
// and classifies a text with it, which is all that serving does.
func (c *verifyCmd) Run(ctx context.Context, s streams) error {
	cache := c.cacheFlags.open()
	e, task, err := openTask(ctx, c.File, c.Base, cache, gemm.Float32)
	if err != nil {
		return err
	}
	defer e.Close()
	d, err := cache.Open(c.File, e.Base().Checkpoint, e.Base().Fingerprint)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Check(e.Base().Checkpoint, e.Base().Fingerprint); err != nil {
		return err
	}
	if _, err := e.Classify(ctx, task, []runtime.Input{{Text: "verify"}}, runtime.Options{Truncate: true}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: good: %s, %d labels, base %s\n", c.File, size(d.Size), len(d.Labels), e.Base().Name)
	return err
}

// openTask opens an engine with one task, the delta in file. configure, if there
// is any, changes the configuration before.
func openTask(ctx context.Context, file, base string, cache *store.Cache, compute gemm.Compute, configure ...func(*runtime.Config)) (*runtime.Engine, string, error) {
	task, ok := delta.TaskName(file)
	if !ok {
		task = "task" // a delta may be looked at under any name
	}
	config := runtime.Config{
		BaseDir: base, Store: store.Single{Task: task, Path: file}, Cache: cache, Budget: math.MaxInt64, Pin: []string{task}, Compute: compute, Log: quiet(),
	}
	for _, f := range configure {
		f(&config)
	}
	e, err := runtime.Open(ctx, config)
	return e, task, err
}
