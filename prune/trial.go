package prune

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"

	"kenserve/auto"
	"kenserve/bulk"
	"kenserve/dataset"
	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/internal/stage"
	"kenserve/ken"
	"kenserve/models"
	"kenserve/runtime"
)

// Trial makes deltas of a source in a temporary folder, one after the other, and scores
// them on labelled texts (the dev set).
type Trial struct {
	source *Source
	folder *stage.Folder   // holds the current delta
	engine *runtime.Engine // serves folder
	inputs []runtime.Input // the dev set
	gold   []int           // index of each text's label

	// adjust, if not nil, changes the options of every delta before it is made.
	adjust func(ken.Options) ken.Options
	// output, if not nil, is the tuned model's output layer. Deltas are then scored by
	// the features that enter it instead of the logits.
	output  *outputLayer
	current ken.Options // of the current delta
	serial  int         // number of deltas made; each gets a new name, so that the engine loads it
}

// Bounds say how much worse than the full model a delta may be. See auto.Search.
type Bounds struct {
	Tolerance  float64 // accuracy that may be lost, in [0, 1)
	Confidence float64 // bootstrap confidence required, in [0.5, 1)
}

// OpenTrial reads the labelled texts of dev and opens an engine over the base folder. The
// source's task must be servable and have one label for each text. Call Close afterwards.
func OpenTrial(ctx context.Context, base string, dev *dataset.Reader, s *Source) (_ *Trial, err error) {
	if s.arch == nil {
		return nil, fmt.Errorf("prune: search on the dev set: deltas of this checkpoint cannot be run: %s", s.Unservable)
	}
	if problem, err := models.ParseProblem(s.info.ProblemType, len(s.config.Labels)); err != nil {
		return nil, err
	} else if problem != models.SingleLabel {
		return nil, fmt.Errorf("prune: search on the dev set: the task's problem_type is %s; deltas are compared by accuracy, which is only defined for %s (kenserve eval scores a finished delta of any kind)", problem, models.SingleLabel)
	}
	t := &Trial{source: s}
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	if err := t.readTexts(dev); err != nil {
		return nil, err
	}
	if t.folder, err = stage.NewTemporary(); err != nil {
		return nil, fmt.Errorf("prune: %w", err)
	}
	// Room for one task with all weights materialised, and for the tasks before it
	// that have not been evicted yet.
	weights := 4 * int64(s.Weights())
	t.engine, err = runtime.Open(ctx, runtime.Config{BaseDir: base, Store: store.NewFolder(t.folder.Path("")), Budget: 3*weights + 64<<20, Log: slog.New(slog.DiscardHandler)})
	return t, err
}

func (t *Trial) readTexts(dev *dataset.Reader) error {
	err := dev.Batches(bulk.BatchTexts, func(rows []dataset.Row) error {
		for _, row := range rows {
			label, err := row.Label.Index(t.source.config.Labels)
			if err != nil {
				return dev.At(row, err)
			}
			t.gold = append(t.gold, label)
		}
		t.inputs = append(t.inputs, bulk.Inputs(rows)...)
		return nil
	})
	if err != nil {
		return fmt.Errorf("prune: dev set: %w", err)
	}
	return nil
}

// Close closes the engine and removes the temporary folder.
func (t *Trial) Close() {
	if t.engine != nil {
		_ = t.engine.Close()
	}
	if t.folder != nil {
		_ = t.folder.Remove()
	}
}

// Smallest searches for the smallest delta within the bounds. The options are those that
// all candidates share. It calls tried with every candidate and its scores. If the
// search fails, the result has the candidates tried before that, or is nil.
func (t *Trial) Smallest(ctx context.Context, o ken.Options, b Bounds, tried func(auto.Point)) (*auto.Result, error) {
	output, err := readOutputLayer(t.source)
	if err != nil {
		return nil, err
	}
	t.output = output
	search := t.search(o, b, tried)
	search.Head, search.Groups = &output.Head, t.source.pair.Groups()
	return search.Run(ctx)
}

// Apply returns the options that make the best delta of a result of Smallest.
func (t *Trial) Apply(o ken.Options, r *auto.Result) ken.Options {
	o = r.Best.Apply(o)
	if r.Head != nil {
		o.HeadTensor = t.output.tensors(r.Head)
	}
	return o
}

// FitFactor searches for the best factor of the delta that the options describe, which
// must give Keep, not K. It calls tried with every candidate and its scores.
func (t *Trial) FitFactor(ctx context.Context, o ken.Options, b Bounds, tried func(auto.Point)) (*auto.Point, error) {
	vectors, coding, factors := o.WholeVectors, o.VectorCoding, o.Factors
	t.adjust = func(candidate ken.Options) ken.Options {
		// A candidate decides these three by its selection and coding. Here the options
		// decide, except for the full model, which must stay exact.
		if candidate.Keep != 1 {
			candidate.WholeVectors, candidate.VectorCoding, candidate.Factors = vectors, coding, factors
		}
		return candidate
	}
	return t.search(o, b, tried).Fit(ctx, auto.Candidate{
		Selection: o.Selection, Budget: o.Budget, Scope: o.Scope, Coding: o.Coding, Keep: o.Keep,
	})
}

// Cost is the accuracy of a delta on the dev set, beside that of the full model.
type Cost struct {
	Texts       int
	Full, Delta float64
}

// Cost classifies the dev set with the full model and with the delta file at path, which
// was made of the source.
func (t *Trial) Cost(ctx context.Context, path string) (Cost, error) {
	t.output, t.adjust = nil, nil
	full := ken.Options{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Keep: 1, Factor: 1, Coding: delta.Float32}
	if _, err := t.make(ctx, full); err != nil {
		return Cost{}, err
	}
	c := Cost{Texts: len(t.gold)}
	var err error
	if c.Full, err = t.accuracy(ctx); err != nil {
		return Cost{}, err
	}
	t.next()
	if err := copyFile(t.path(), path); err != nil {
		return Cost{}, fmt.Errorf("prune: %w", err)
	}
	c.Delta, err = t.accuracy(ctx)
	return c, err
}

// accuracy is the share of the dev set's texts for which the current delta gives their
// label the highest logit.
func (t *Trial) accuracy(ctx context.Context) (float64, error) {
	logits, err := t.judge(ctx)
	if err != nil {
		return 0, err
	}
	right, labels := 0, len(t.source.config.Labels)
	for i, gold := range t.gold {
		of := logits[i*labels:][:labels]
		if slices.Index(of, slices.Max(of)) == gold {
			right++
		}
	}
	return float64(right) / float64(len(t.gold)), nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func (t *Trial) search(o ken.Options, b Bounds, tried func(auto.Point)) *auto.Search {
	return &auto.Search{
		Make: t.make, Predict: t.judge, Labels: len(t.source.config.Labels), Gold: t.gold, Options: o,
		Tolerance: b.Tolerance, Confidence: b.Confidence, Progress: tried,
	}
}

func (t *Trial) name() string { return "t" + strconv.Itoa(t.serial) }

func (t *Trial) path() string { return t.folder.Path(t.name() + delta.Extension) }

// make makes a delta in place of the current one and returns its size in bytes.
func (t *Trial) make(ctx context.Context, o ken.Options) (int64, error) {
	t.next()
	if t.adjust != nil {
		o = t.adjust(o)
	}
	t.current = o
	if _, err := t.source.Write(ctx, t.path(), o); err != nil {
		return 0, err
	}
	file, err := os.Stat(t.path())
	if err != nil {
		return 0, err
	}
	return file.Size(), nil
}

// next removes the current delta and changes path to that of the next one.
func (t *Trial) next() {
	if t.serial > 0 {
		_ = os.Remove(t.path())
	}
	t.serial++
}

// judge classifies the dev set with the current delta. It returns the logits [texts,
// labels] or, if t.output is set, the features that enter that layer [texts, features].
func (t *Trial) judge(ctx context.Context) ([]float32, error) {
	if t.output != nil {
		if err := t.exposeFeatures(ctx); err != nil {
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

// exposeFeatures makes the current delta once more with the identity as output layer and
// a label for each feature, so that the engine's logits are the features.
func (t *Trial) exposeFeatures(ctx context.Context) error {
	s := *t.source
	s.info.Architecture, s.info.ProblemType, s.info.Labels = "", "", nil
	for i := range t.output.Features {
		s.info.Labels = append(s.info.Labels, strconv.Itoa(i))
	}
	o := t.current
	o.HeadTensor = t.output.tensors(t.output.identityHead())
	t.next()
	_, err := s.Write(ctx, t.path(), o)
	return err
}
