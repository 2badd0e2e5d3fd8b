package prune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"kenserve/bulk"
	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/internal/atomicfile"
	"kenserve/ken"
	"kenserve/models"
	"kenserve/runtime"
	"kenserve/tokenizer"
)

// probes are the texts that a new delta classifies.
var probes = []runtime.Input{
	{Text: "The weather was good, and nobody was late."},
	{Text: "no"},
	{Text: "Where is my card? I have waited for 2 weeks & nobody answers..."},
	{Text: "Überraschung: 你好, мир! \U0001f600"},
}

// maxLogitError bounds the difference of a logit of an exact delta from the tuned model's.
// Sums in another order differ by about 1e-6 of the logits.
const maxLogitError = 1e-3

// WriteChecked does what [Source.Write] does. Before the file appears at path it is opened
// on the base in the folder baseDir, as a server does, and classifies a few texts. If the
// options keep all weights exactly, logits are compared with those of the tuned model. If
// the check fails, the path is left as it was. A source that is not servable is not checked;
// if the base cannot be served, as without a tokenizer, a warning says so.
func (s *Source) WriteChecked(ctx context.Context, path, baseDir string, o ken.Options) (*ken.Report, error) {
	if s.Unservable != "" {
		return s.Write(ctx, path, o)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("prune: write %s: %w", path, err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, filepath.Base(path))
	report, err := s.Write(ctx, file, o)
	if err != nil {
		return nil, err
	}
	if err := s.check(ctx, file, baseDir, o); errors.As(err, new(*baseError)) {
		s.Warnings = append(s.Warnings, fmt.Sprintf("the delta was not tried on the base: %v", err))
	} else if err != nil {
		return nil, fmt.Errorf("prune: the new delta does not work, so it was not written: %w", err)
	}
	return report, atomicfile.Move(file, path)
}

// baseError means that the base cannot be served, whatever the delta is.
type baseError struct{ error }

// check classifies the probes with the delta at path.
func (s *Source) check(ctx context.Context, path, baseDir string, o ken.Options) error {
	c, err := bulk.Open(ctx, path, baseDir, nil, gemm.Float32)
	if errors.Is(err, runtime.ErrTaskUnusable) || ctx.Err() != nil {
		return bulk.Reason(err)
	}
	if err != nil {
		return &baseError{err}
	}
	err = s.classifyProbes(ctx, c, o)
	return errors.Join(err, c.Close())
}

func (s *Source) classifyProbes(ctx context.Context, c *bulk.Classifier, o ken.Options) error {
	if _, err := c.Engine.Classify(ctx, c.Task, probes, runtime.Options{Truncate: true}); err != nil {
		return bulk.Reason(err)
	}
	if !isExact(o) {
		return nil
	}
	inputs := s.tokenProbes(c.Engine.Base().Tokenizer)
	got, err := c.Engine.Classify(ctx, c.Task, inputs, runtime.Options{Truncate: true, Raw: true})
	if err != nil {
		return bulk.Reason(err)
	}
	tuned, err := runtime.BindCheckpoint(s.arch, s.tuned, s.base)
	if err != nil {
		return fmt.Errorf("the tuned model: %w", err)
	}
	want := make([]float32, len(s.config.Labels))
	workspace := models.NewWorkspace(nil)
	for i, input := range inputs {
		if err := tuned.Forward(workspace, &models.Batch{IDs: input.IDs, Ends: []int{len(input.IDs)}}, want); err != nil {
			return fmt.Errorf("the tuned model: %w", err)
		}
		for label, w := range want {
			g := got.Scores[i][label]
			if math.Abs(float64(g-w)) > maxLogitError*max(1, math.Abs(float64(w))) || math.IsNaN(float64(w)) {
				return fmt.Errorf("all weights are kept exactly, but for the tokens %v the logit of label %s is %g, and %g of the tuned model: please report this", input.IDs, s.config.Labels[label], g, w)
			}
		}
	}
	return nil
}

// isExact tells whether a delta with these options has all weights of the tuned model.
func isExact(o ken.Options) bool {
	return o.Keep == 1 && (o.Factor == 0 || o.Factor == 1) && len(o.Factors) == 0 && o.Coding == delta.Float32 && (o.VectorCoding == "" || o.VectorCoding == delta.Float32) &&
		o.Scope == ken.ScopeAll && o.HeadTensor == nil
}

// tokenProbes returns inputs of token ids, spread over all that the task admits, the last
// one among them: in a resized table it is one of the added rows.
func (s *Source) tokenProbes(base *tokenizer.Tokenizer) []runtime.Input {
	t := base
	if s.own != nil {
		t = s.own
	}
	vocabulary := min(t.Size(), s.arch.Limits().Vocabulary)
	inputs := []runtime.Input{{IDs: []int32{int32(vocabulary - 1)}}}
	next := uint32(1)
	for _, tokens := range []int{1, 7, 16} {
		ids := make([]int32, min(tokens, s.arch.MaxTokens()))
		for i := range ids {
			next = next*1664525 + 1013904223
			ids[i] = int32(uint64(next) * uint64(vocabulary) >> 32)
		}
		inputs = append(inputs, runtime.Input{IDs: ids})
	}
	return inputs
}
