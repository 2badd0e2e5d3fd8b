package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"kenserve/auto"
	"kenserve/delta"
	"kenserve/ken"
	"kenserve/models"
	"kenserve/runtime"
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
func (c *pruneCmd) search(ctx context.Context, s streams, p *pruning, o ken.Options) (ken.Options, error) {
	t, err := openTrial(ctx, c.Base, c.Dev, p)
	if err != nil {
		return o, err
	}
	defer t.Close()
	search := t.search(o, s)
	search.Tolerance, search.Confidence, search.Groups = c.Tolerance, c.Confidence, p.pair.Groups()
	if t.head, err = readHead(p); err != nil {
		return o, err
	}
	search.Head = &t.head.Head
	r, err := search.Run(ctx)
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
	o = r.Best.Apply(o)
	if r.Head != nil {
		o.HeadTensor = t.head.replaced(r.Head)
	}
	return o, nil
}

// fit finds the factor for what the flags say.
func (c *pruneCmd) fit(ctx context.Context, s streams, p *pruning, o ken.Options) (ken.Options, error) {
	if o.K != 0 {
		return o, usageError{errors.New("prune: --factor auto goes with --keep, not --k")}
	}
	t, err := openTrial(ctx, c.Base, c.Dev, p)
	if err != nil {
		return o, err
	}
	defer t.Close()
	vectors, coding, factors := o.WholeVectors, o.VectorCoding, o.Factors
	t.adjust = func(made ken.Options) ken.Options {
		if made.Keep != 1 { // the full model keeps everything as it is
			made.WholeVectors, made.VectorCoding, made.Factors = vectors, coding, factors
		}
		return made
	}
	search := t.search(o, s)
	search.Tolerance, search.Confidence = c.Tolerance, c.Confidence
	point, err := search.Fit(ctx, auto.Candidate{
		Selection: o.Selection, Budget: o.Budget, Scope: o.Scope, Coding: o.Coding, Keep: o.Keep,
	})
	if err != nil {
		return o, err
	}
	fmt.Fprintf(s.out, "factor %.4g: accuracy %.4f, %+.4f against the full model (95%% interval %+.4f to %+.4f)\n",
		point.Factor, point.Accuracy, point.Change, point.Low, point.High)
	o.Factor = point.Factor
	return o, nil
}

// trial makes deltas in a temporary folder and scores them on labelled texts,
// as eval would.
type trial struct {
	pruning *pruning
	dir     string
	engine  *runtime.Engine
	inputs  []runtime.Input
	gold    []int
	adjust  func(ken.Options) ken.Options // nil: not at all
	head    *lastLayer                    // nil: deltas are judged with their own
	options ken.Options                   // of the delta made last
	made    int                           // deltas so far
}

// openTrial reads the texts and opens the base.
func openTrial(ctx context.Context, base, data string, p *pruning) (_ *trial, err error) {
	if p.arch == nil {
		return nil, errors.New("prune: a model that cannot be run cannot be searched for")
	}
	if problem, err := models.ParseProblem(p.info.ProblemType, len(p.config.Labels)); err != nil {
		return nil, err
	} else if problem != models.SingleLabel {
		return nil, fmt.Errorf("prune: the task is of the kind %s; deltas are compared by accuracy, which is for %s", problem, models.SingleLabel)
	}
	t := &trial{pruning: p}
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	in, err := os.Open(data)
	if err != nil {
		return nil, fmt.Errorf("prune: open dev set: %w", err)
	}
	defer in.Close()
	err = eachBatch(in, "json", batchTexts, func(batch []example) error {
		for i := range batch {
			label, err := labelIndex(batch[i].Label, p.config.Labels)
			if err != nil {
				return fmt.Errorf("line %d: %w", batch[i].line, err)
			}
			t.gold = append(t.gold, label)
			t.inputs = append(t.inputs, batch[i].input())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("prune: dev set %s: %w", data, err)
	}
	if t.dir, err = os.MkdirTemp("", "kenserve-prune-"); err != nil {
		return nil, fmt.Errorf("prune: %w", err)
	}
	// Room for the task at hand, whole, and those before it to be evicted.
	weights := int64(0)
	for _, name := range p.tuned.Names() {
		tensor, _ := p.tuned.Tensor(name)
		weights += 4 * int64(tensor.Len())
	}
	t.engine, err = runtime.Open(ctx, runtime.Config{BaseDir: base, Store: delta.Folder(t.dir), Budget: 3*weights + 64<<20, Log: quiet()})
	return t, err
}

// Close removes the deltas.
func (t *trial) Close() {
	if t.engine != nil {
		_ = t.engine.Close()
	}
	if t.dir != "" {
		_ = os.RemoveAll(t.dir)
	}
}

// search returns a search that is still without a tolerance and a confidence.
func (t *trial) search(o ken.Options, s streams) *auto.Search {
	return &auto.Search{
		Make: t.make, Predict: t.judge, Labels: len(t.pruning.config.Labels), Gold: t.gold, Options: o,
		Progress: func(p auto.Point) {
			fmt.Fprintf(s.err, "%10s  accuracy %.4f (%+.4f)  loss %.4f  %s\n", size(p.Bytes), p.Accuracy, p.Change, p.Loss, p.Candidate)
		},
	}
}

func (t *trial) name() string { return "t" + strconv.Itoa(t.made) }

func (t *trial) path() string { return filepath.Join(t.dir, t.name()+delta.Extension) }

func (t *trial) make(ctx context.Context, o ken.Options) (int64, error) {
	if t.made > 0 {
		_ = os.Remove(t.path())
	}
	t.made++
	if t.adjust != nil {
		o = t.adjust(o)
	}
	t.options = o
	if _, err := t.pruning.write(ctx, t.path(), o); err != nil {
		return 0, err
	}
	file, err := os.Stat(t.path())
	if err != nil {
		return 0, err
	}
	return file.Size(), nil
}

// judge returns the logits that the delta made last gives of the texts or, if
// there is a head, what goes into that.
func (t *trial) judge(ctx context.Context) ([]float32, error) {
	if t.head != nil {
		if err := t.probe(ctx); err != nil {
			return nil, err
		}
	}
	var logits []float32
	for from := 0; from < len(t.inputs); from += batchTexts {
		to := min(from+batchTexts, len(t.inputs))
		r, err := t.engine.Classify(ctx, t.name(), t.inputs[from:to], runtime.Options{Truncate: true, Raw: true})
		if err != nil {
			return nil, err
		}
		for _, scores := range r.Scores {
			logits = append(logits, scores...)
		}
	}
	return logits, nil
}
