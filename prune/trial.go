package prune

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"

	"kenserve/auto"
	"kenserve/bulk"
	"kenserve/dataset"
	"kenserve/delta"
	"kenserve/ken"
	"kenserve/models"
	"kenserve/runtime"
)

// Trial makes deltas in a temporary folder and scores them on labelled texts,
// as eval would.
type Trial struct {
	source  *Source
	dir     string
	engine  *runtime.Engine
	inputs  []runtime.Input
	gold    []int
	adjust  func(ken.Options) ken.Options // nil: not at all
	head    *lastLayer                    // nil: deltas are judged with their own
	options ken.Options                   // of the delta made last
	made    int                           // deltas so far
}

// OpenTrial reads the texts and opens the base.
func OpenTrial(ctx context.Context, base, data string, p *Source) (_ *Trial, err error) {
	if p.arch == nil {
		return nil, errors.New("prune: a model that cannot be run cannot be searched for")
	}
	if problem, err := models.ParseProblem(p.info.ProblemType, len(p.config.Labels)); err != nil {
		return nil, err
	} else if problem != models.SingleLabel {
		return nil, fmt.Errorf("prune: the task is of the kind %s; deltas are compared by accuracy, which is for %s", problem, models.SingleLabel)
	}
	t := &Trial{source: p}
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
	err = dataset.EachBatch(in, dataset.JSON, bulk.BatchTexts, func(batch []dataset.Example) error {
		for i := range batch {
			label, err := batch[i].LabelIndex(p.config.Labels)
			if err != nil {
				return err
			}
			t.gold = append(t.gold, label)
		}
		t.inputs = append(t.inputs, bulk.Inputs(batch)...)
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
	t.engine, err = runtime.Open(ctx, runtime.Config{BaseDir: base, Store: delta.Folder(t.dir), Budget: 3*weights + 64<<20, Log: slog.New(slog.DiscardHandler)})
	return t, err
}

// Close removes the deltas.
func (t *Trial) Close() {
	if t.engine != nil {
		_ = t.engine.Close()
	}
	if t.dir != "" {
		_ = os.RemoveAll(t.dir)
	}
}

// Bounds say which deltas a search takes for good.
type Bounds struct {
	Tolerance, Confidence float64 // see auto.Search
}

// Smallest finds the smallest delta within the bounds. On an error the result, if there
// is one, has the points that were tried before it. tried is called for every point.
func (t *Trial) Smallest(ctx context.Context, o ken.Options, b Bounds, tried func(auto.Point)) (*auto.Result, error) {
	search := t.search(o, b, tried)
	search.Groups = t.source.Pair.Groups()
	var err error
	if t.head, err = readHead(t.source); err != nil {
		return nil, err
	}
	search.Head = &t.head.Head
	return search.Run(ctx)
}

// Apply returns the options for the best delta of a result.
func (t *Trial) Apply(o ken.Options, r *auto.Result) ken.Options {
	o = r.Best.Apply(o)
	if r.Head != nil {
		o.HeadTensor = t.head.replaced(r.Head)
	}
	return o
}

// FitFactor finds the factor for what the options say.
func (t *Trial) FitFactor(ctx context.Context, o ken.Options, b Bounds, tried func(auto.Point)) (*auto.Point, error) {
	vectors, coding, factors := o.WholeVectors, o.VectorCoding, o.Factors
	t.adjust = func(made ken.Options) ken.Options {
		if made.Keep != 1 { // the full model keeps everything as it is
			made.WholeVectors, made.VectorCoding, made.Factors = vectors, coding, factors
		}
		return made
	}
	return t.search(o, b, tried).Fit(ctx, auto.Candidate{
		Selection: o.Selection, Budget: o.Budget, Scope: o.Scope, Coding: o.Coding, Keep: o.Keep,
	})
}

func (t *Trial) search(o ken.Options, b Bounds, tried func(auto.Point)) *auto.Search {
	return &auto.Search{
		Make: t.make, Judge: t.judge, Labels: len(t.source.config.Labels), Gold: t.gold, Options: o,
		Tolerance: b.Tolerance, Confidence: b.Confidence, Tried: tried,
	}
}

func (t *Trial) name() string { return "t" + strconv.Itoa(t.made) }

func (t *Trial) path() string { return filepath.Join(t.dir, t.name()+delta.Extension) }

func (t *Trial) make(ctx context.Context, o ken.Options) (int64, error) {
	if t.made > 0 {
		_ = os.Remove(t.path())
	}
	t.made++
	if t.adjust != nil {
		o = t.adjust(o)
	}
	t.options = o
	if _, err := t.source.Write(ctx, t.path(), o); err != nil {
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
func (t *Trial) judge(ctx context.Context) ([]float32, error) {
	if t.head != nil {
		if err := t.probe(ctx); err != nil {
			return nil, err
		}
	}
	var logits []float32
	for from := 0; from < len(t.inputs); from += bulk.BatchTexts {
		to := min(from+bulk.BatchTexts, len(t.inputs))
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
