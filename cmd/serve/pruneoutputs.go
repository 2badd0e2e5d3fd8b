package main

import (
	"context"
	"fmt"
	"path/filepath"

	"kenserve/internal/stage"
)

// pruneOutputs are the files that prune writes.
type pruneOutputs struct {
	delta, report, points, plot *stage.Output // nil: not wanted
}

// createOutputs makes places for the files, before the work begins: a search takes
// minutes.
func (c *pruneCmd) createOutputs() (_ *pruneOutputs, err error) {
	o := &pruneOutputs{}
	defer func() {
		if err != nil {
			o.abort()
		}
	}()
	flagOf := map[string]string{} // by path
	for _, f := range []struct {
		flag, path string
		wanted     bool
		output     **stage.Output
	}{
		{"out", c.Out, true, &o.delta},
		{"report", c.Report, c.Report != "", &o.report},
		{"points", c.pointsPath(), c.Auto, &o.points},
		{"plot", c.plotPath(), c.Auto, &o.plot},
	} {
		if !f.wanted {
			continue
		}
		path, err := filepath.Abs(f.path)
		if err != nil {
			return nil, err
		}
		if other, ok := flagOf[path]; ok {
			return nil, usageError{fmt.Errorf("prune: --%s and --%s are the same file, %s", f.flag, other, f.path)}
		}
		flagOf[path] = f.flag
		if *f.output, err = createOutput("prune", f.flag, f.path, "replace", stage.Options{Replace: c.Force || c.Replace, Inputs: []string{c.Base, c.Tuned, c.Dev}}); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// abort removes what was not committed.
func (o *pruneOutputs) abort() {
	for _, output := range []*stage.Output{o.delta, o.report, o.points, o.plot} {
		if output != nil {
			output.Abort()
		}
	}
}

// commitJSON writes v to an output as indented JSON.
func commitJSON(ctx context.Context, out *stage.Output, flag string, v any) error {
	if err := writeJSON(out.Path(), v); err != nil {
		return fmt.Errorf("prune: write --%s: %w", flag, err)
	}
	return outputError("prune", flag, "replace", out.Commit(ctx))
}
