package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kenserve/auto"
	"kenserve/delta"
	"kenserve/ken"
	"kenserve/prune"
)

// checkSearch checks the flags of --auto and --factor auto.
func (c *pruneCmd) checkSearch() error {
	if c.Auto {
		set := c.K != nil || c.Keep != nil || c.Vectors != "" || c.VectorValues != "" || c.KindFactors != nil
		if set || c.Select != "ken" || c.Budget != "row" || c.Scope != "all" || c.Values != "f32" || c.Factor != "1" {
			return errors.New("prune: --auto chooses --select, --k, --keep, --budget, --scope, --values, --vectors, --vector-values, --factor and --kind-factors: give none of them")
		}
		if !(c.Tolerance >= 0 && c.Tolerance < 1) {
			return fmt.Errorf("prune: --tolerance is %g: it must be at least 0 and below 1", c.Tolerance)
		}
		if !(c.Confidence >= 0.5 && c.Confidence < 1) {
			return fmt.Errorf("prune: --confidence is %g: it must be at least 0.5 and below 1", c.Confidence)
		}
		if _, err := auto.ParseFormat(c.plotPath()); err != nil {
			return fmt.Errorf("prune: --plot: %w", err)
		}
		// What is found after minutes has to have a place.
		for _, path := range []string{c.Out, c.beside(c.Points, ".json"), c.plotPath()} {
			if _, err := os.Stat(filepath.Dir(path)); err != nil {
				return fmt.Errorf("prune: --auto writes to %s: %w", path, err)
			}
		}
	}
	if c.searches() != (c.Dev != "") {
		return errors.New("prune: --dev goes with --auto and --factor auto, and these with it")
	}
	return nil
}

func (c *pruneCmd) searches() bool { return c.Auto || c.Factor == fitted }

// beside returns a path for what is written beside the delta.
func (c *pruneCmd) beside(given, ending string) string {
	if given != "" {
		return given
	}
	return strings.TrimSuffix(c.Out, delta.Extension) + ".auto" + ending
}

func (c *pruneCmd) plotPath() string { return c.beside(c.Plot, ".svg") }

// search finds the smallest delta within the tolerance.
func (c *pruneCmd) search(ctx context.Context, s streams, p *prune.Source, o ken.Options) (ken.Options, error) {
	t, err := prune.OpenTrial(ctx, c.Base, c.Dev, p)
	if err != nil {
		return o, err
	}
	defer t.Close()
	r, err := t.Smallest(ctx, o, prune.Bounds{Tolerance: c.Tolerance, Confidence: c.Confidence}, printPoint(s))
	if r != nil && !errors.Is(err, context.Canceled) {
		if err := writeJSON(c.beside(c.Points, ".json"), r); err != nil {
			return o, fmt.Errorf("prune: write points: %w", err)
		}
		if err := auto.WritePlot(c.plotPath(), r); err != nil {
			return o, err
		}
	}
	if err != nil {
		return o, err
	}
	fmt.Fprintf(s.out, "full model   accuracy %.4f on %d texts\n", r.Full.Accuracy, r.Texts)
	for _, line := range []struct {
		name string
		p    auto.Point
	}{{"smallest", r.Best}, {"smallest ken", r.KEN}} {
		fmt.Fprintf(s.out, "%-12s accuracy %.4f (%+.4f, 95%% interval %+.4f to %+.4f)  %s: %s\n",
			line.name, line.p.Accuracy, line.p.Change, line.p.Low, line.p.High, size(line.p.Bytes), line.p.Candidate)
	}
	fmt.Fprintf(s.out, "%d points: %s, %s\n", len(r.Points), c.beside(c.Points, ".json"), c.plotPath())
	return t.Apply(o, r), nil
}

// fit finds the factor for what the flags say.
func (c *pruneCmd) fit(ctx context.Context, s streams, p *prune.Source, o ken.Options) (ken.Options, error) {
	if o.K != 0 {
		return o, usageError{errors.New("prune: --factor auto goes with --keep, not --k")}
	}
	t, err := prune.OpenTrial(ctx, c.Base, c.Dev, p)
	if err != nil {
		return o, err
	}
	defer t.Close()
	point, err := t.FitFactor(ctx, o, prune.Bounds{Tolerance: c.Tolerance, Confidence: c.Confidence}, printPoint(s))
	if err != nil {
		return o, err
	}
	fmt.Fprintf(s.out, "factor %.4g: accuracy %.4f, %+.4f against the full model (95%% interval %+.4f to %+.4f)\n",
		point.Factor, point.Accuracy, point.Change, point.Low, point.High)
	o.Factor = point.Factor
	return o, nil
}

// printPoint prints a point that a search tried.
func printPoint(s streams) func(auto.Point) {
	return func(p auto.Point) {
		fmt.Fprintf(s.err, "%10s  accuracy %.4f (%+.4f)  loss %.4f  %s\n", size(p.Bytes), p.Accuracy, p.Change, p.Loss, p.Candidate)
	}
}
