package prune

import (
	"context"
	"fmt"
	"math"

	"kenserve/bulk"
	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/ken"
	"kenserve/models"
	"kenserve/runtime"
	"kenserve/tokenizer"
)

// tryTexts are classified with each delta that was written. They differ in length and
// script, so that they reach many tokens.
var tryTexts = []string{
	"a",
	"Where can I find the opening hours of the library?",
	"Das Konto wurde gestern geschlossen, warum?",
	"今日は良い天気ですね。 1234 !?",
	"One two three four five six seven eight nine ten, and then some more words that make this text a little longer than the others are.",
}

// maxLogitError bounds the difference of logits of a delta that keeps everything exactly
// from those of the tuned checkpoint: both are float32 sums in the same order.
const maxLogitError = 1e-3

// TryError means that a delta that was written cannot be served, or computes something
// else than the tuned checkpoint.
type TryError struct{ err error }

func (e *TryError) Error() string { return e.err.Error() }
func (e *TryError) Unwrap() error { return e.err }

// Try opens the delta at path, which the options made, over the base folder, as a server
// does, and classifies a few texts with it. If the delta keeps everything exactly, its
// logits are compared with those of the tuned checkpoint's own weights. A [TryError]
// means that the delta cannot be used; another error that it could not be tried.
func (s *Source) Try(ctx context.Context, path, baseDir string, o ken.Options) error {
	if s.arch == nil {
		return nil // it can only be exported
	}
	c, err := bulk.Open(ctx, path, baseDir, nil, gemm.Float32)
	if err != nil {
		return err
	}
	defer c.Close()
	inputs := make([]runtime.Input, len(tryTexts))
	for i, text := range tryTexts {
		inputs[i].Text = text
	}
	r, err := c.Engine.Classify(ctx, c.Task, inputs, runtime.Options{Truncate: true, Raw: true})
	if err != nil {
		return &TryError{fmt.Errorf("prune: the delta cannot be served on %s: %w", baseDir, bulk.Reason(err))}
	}
	for i, scores := range r.Scores {
		for _, score := range scores {
			if math.IsNaN(float64(score)) || math.IsInf(float64(score), 0) {
				return &TryError{fmt.Errorf("prune: the delta gives the logits %v for the text %q; they must be finite", scores, tryTexts[i])}
			}
		}
	}
	if o.Keep != 1 || o.Coding != delta.Float32 || o.Scope != ken.ScopeAll || o.Factor != 1 || len(o.Factors) > 0 || o.HeadTensor != nil {
		return nil
	}
	return s.compare(c.Engine.Base().Tokenizer, r.Scores)
}

// compare compares logits [texts, labels] with those of the tuned checkpoint's weights.
func (s *Source) compare(t *tokenizer.Tokenizer, logits [][]float32) error {
	network, err := runtime.BindCheckpoint(s.arch, s.tuned, s.base)
	if err != nil {
		return fmt.Errorf("prune: run the tuned checkpoint: %w", err)
	}
	for i, text := range tryTexts {
		e, err := t.Encode(text, nil, tokenizer.Options{AddSpecialTokens: true, MaxTokens: s.arch.MaxTokens()})
		if err != nil {
			return fmt.Errorf("prune: run the tuned checkpoint: %w", err)
		}
		want := make([]float32, network.Labels())
		if err := network.Forward(models.NewWorkspace(nil), &models.Batch{IDs: e.IDs, TypeIDs: e.TypeIDs, Ends: []int{len(e.IDs)}}, want); err != nil {
			return fmt.Errorf("prune: run the tuned checkpoint: %w", err)
		}
		for j := range want {
			if d := math.Abs(float64(logits[i][j]) - float64(want[j])); !(d <= maxLogitError*max(1, math.Abs(float64(want[j])))) {
				return &TryError{fmt.Errorf("prune: the delta keeps everything, but gives the logits %v where the tuned checkpoint gives %v, for the text %q", logits[i], want, text)}
			}
		}
	}
	return nil
}
