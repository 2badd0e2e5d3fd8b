package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"kenserve/auto"
	"kenserve/delta"
	"kenserve/ken"
	"kenserve/prune"
)

// checkSearchFlags checks the flags of --auto and --factor auto.
func (c *pruneCmd) checkSearchFlags() error {
	if c.Auto {
		set := c.K != nil || c.Keep != nil || c.Vectors != "" || c.VectorValues != "" || c.KindFactors != nil
		if set || c.Select != "ken" || c.Budget != "row" || c.Scope != "all" || c.Values != "f32" || c.Factor != "1" {
			return errors.New("prune: --auto sets --select, --k, --keep, --budget, --scope, --values, --vectors, --vector-values, --factor and --kind-factors itself; remove them")
		}
		if !(c.Tolerance >= 0 && c.Tolerance < 1) {
			return fmt.Errorf("prune: --tolerance is %g; it must be at least 0 and below 1", c.Tolerance)
		}
		if !(c.Confidence >= 0.5 && c.Confidence < 1) {
			return fmt.Errorf("prune: --confidence is %g; it must be at least 0.5 and below 1", c.Confidence)
		}
		if _, err := auto.ParseFormat(c.plotPath()); err != nil {
			return fmt.Errorf("prune: --plot: %w", err)
		}
	}
	if needsDev := c.Auto || c.Factor == factorAuto; needsDev && c.Dev == "" {
		return errors.New("prune: --dev is required by --auto and --factor auto")
	}
	if c.Factor == factorAuto && c.K != nil {
		return errors.New("prune: --factor auto needs --keep instead of --k")
	}
	return nil
}

func (c *pruneCmd) pointsPath() string { return c.pathOr(c.Points, ".json") }

func (c *pruneCmd) plotPath() string { return c.pathOr(c.Plot, ".svg") }

// pathOr returns the path given or, if it is empty, NAME.auto and the ending beside the
// delta.
func (c *pruneCmd) pathOr(given, ending string) string {
	if given != "" {
		return given
	}
	return strings.TrimSuffix(c.Out, delta.Extension) + ".auto" + ending
}

func (c *pruneCmd) bounds() prune.Bounds {
	return prune.Bounds{Tolerance: c.Tolerance, Confidence: c.Confidence}
}

// openTrial reads the dev set and opens an engine, or returns nil without --dev.
func (c *pruneCmd) openTrial(ctx context.Context, s streams, source *prune.Source) (*prune.Trial, error) {
	if c.Dev == "" {
		return nil, nil
	}
	dev, err := openData(c.Dev, s, "prune: --dev", c.labelFlags.options())
	if err != nil {
		return nil, err
	}
	defer dev.Close()
	trial, err := prune.OpenTrial(ctx, c.Base, dev, source)
	reportIgnored(dev, s, "prune: --dev")
	return trial, err
}

// search returns the options of the smallest delta within the tolerance. It writes what
// it tried even if it finds none.
func (c *pruneCmd) search(ctx context.Context, s streams, trial *prune.Trial, o ken.Options, outputs *pruneOutputs) (ken.Options, error) {
	r, err := trial.Smallest(ctx, o, c.bounds(), printPoint(s))
	if r != nil && !errors.Is(err, context.Canceled) {
		if err := commitJSON(ctx, outputs.points, "points", r); err != nil {
			return o, err
		}
		if err := auto.WritePlot(outputs.plot.Path(), r); err != nil {
			return o, err
		}
		if err := outputs.plot.Commit(ctx); err != nil {
			return o, outputError("prune", "plot", "replace", err)
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
			line.name, line.p.Accuracy, line.p.Change, line.p.Low, line.p.High, formatSize(line.p.Bytes), line.p.Candidate)
	}
	fmt.Fprintf(s.out, "%d points: %s, %s\n", len(r.Points), c.pointsPath(), c.plotPath())
	return trial.Apply(o, r), nil
}

// fitFactor returns the options with the factor that fits the dev set best.
func (c *pruneCmd) fitFactor(ctx context.Context, s streams, trial *prune.Trial, o ken.Options) (ken.Options, error) {
	point, err := trial.FitFactor(ctx, o, c.bounds(), printPoint(s))
	if err != nil {
		return o, err
	}
	fmt.Fprintf(s.out, "factor %.4g: accuracy %.4f, %+.4f against the full model (95%% interval %+.4f to %+.4f)\n",
		point.Factor, point.Accuracy, point.Change, point.Low, point.High)
	o.Factor = point.Factor
	return o, nil
}

// printPoint returns a function that prints a delta that a search tried.
func printPoint(s streams) func(auto.Point) {
	return func(p auto.Point) {
		fmt.Fprintf(s.err, "%10s  accuracy %.4f (%+.4f)  loss %.4f  %s\n", formatSize(p.Bytes), p.Accuracy, p.Change, p.Loss, p.Candidate)
	}
}
