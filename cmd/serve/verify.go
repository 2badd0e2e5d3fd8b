package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kenserve/bulk"
	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/internal/printable"
	"kenserve/runtime"
)

type verifyCmd struct {
	File string `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	cacheFlags
}

// Run checks the file by itself and against the base, then loads the task and classifies
// a text with it, as the server would.
func (c *verifyCmd) Run(ctx context.Context, s streams) error {
	cache := c.cacheFlags.open()
	classifier, err := bulk.Open(ctx, c.File, c.Base, cache, gemm.Float32)
	if err != nil {
		return err
	}
	defer classifier.Close()
	_ = reportUnknown("verify", false, s.warn("verify"), classifier.Engine.Base().Unknown()...)
	e := classifier.Engine
	d, err := cache.Open(c.File, e.Base().Checkpoint, e.Base().Fingerprint)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Check(e.Base().Checkpoint, e.Base().Fingerprint); err != nil {
		return err
	}
	if _, err := e.Classify(ctx, classifier.Task, []runtime.Input{{Text: "verify"}}, runtime.Options{Truncate: true}); err != nil {
		return fmt.Errorf("verify: %s: %w", c.File, bulk.Reason(err))
	}
	var head []string
	for i := range d.Tensors {
		if name := d.Tensors[i].Name; !hasTensor(e.Base().Checkpoint, name) {
			head = append(head, name)
		}
	}
	beside := ""
	if len(head) > 0 {
		beside = ", with tensors beside the base's: " + strings.Join(printable.Lines(head), ", ")
	}
	if d.OwnTokenizer {
		beside += ", with a tokenizer of its own"
	}
	for _, table := range slices.Sorted(maps.Keys(d.Rows)) {
		beside += fmt.Sprintf(", with %d rows in %s", d.Rows[table], printable.Line(table))
	}
	_, err = fmt.Fprintf(s.out, "%s: good: %s, %d labels, base %s%s\n", printable.Line(c.File), formatSize(d.Size), len(d.Labels), printable.Line(e.Base().Name), beside)
	return err
}

func hasTensor(c delta.Tensors, name string) bool {
	_, ok := c.Tensor(name)
	return ok
}
