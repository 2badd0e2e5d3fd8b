package main

import (
	"context"
	"errors"
	"fmt"

	"kenserve/internal/printable"
	"kenserve/runtime"
)

// check loads every task of the store, one after the other, computes with it, and prints the tasks that
// cannot be served with the reason.
func (c *serveCmd) check(ctx context.Context, e *runtime.Engine, s streams) error {
	tasks, err := e.Tasks()
	if err != nil {
		return fmt.Errorf("serve: check: %w", err)
	}
	failed := 0
	bar := newProgress(s.err, "check", len(tasks))
	for _, task := range tasks {
		_, err := e.Classify(ctx, task.Name, []runtime.Input{{Text: "check"}}, runtime.Options{Truncate: true})
		switch reason := errors.Unwrap(err); {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, runtime.ErrTaskUnusable) && reason != nil:
			failed++
			fmt.Fprintf(s.out, "%s: %s\n", task.Name, printable.Error(reason))
		case err != nil:
			failed++
			fmt.Fprintf(s.out, "%s: %s\n", task.Name, printable.Error(err))
		}
		bar.add(1)
	}
	bar.finish()
	if failed > 0 {
		return fmt.Errorf("serve: check: %d of %d tasks cannot be served", failed, len(tasks))
	}
	_, err = fmt.Fprintf(s.out, "base %s and %d tasks can be served\n", printable.Line(e.Base().Name), len(tasks))
	return err
}
