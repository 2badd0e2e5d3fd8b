package tune

import (
	"context"
	"fmt"

	"kenserve/models"
	"kenserve/tokenizer"
	"kenserve/tune/internal/examples"
	"kenserve/tune/internal/objective"
	"kenserve/tune/internal/train"
)

// tokenise turns examples into samples. It returns the rows of texts that were shortened.
func (b *base) tokenise(ctx context.Context, list []examples.Example, maxTokens int) (samples []train.Sample, truncated []int, err error) {
	limits := b.arch.Limits()
	if maxTokens == 0 || maxTokens > limits.Tokens {
		maxTokens = limits.Tokens
	}
	o := tokenizer.Options{AddSpecialTokens: true, MaxTokens: maxTokens}
	samples = make([]train.Sample, len(list))
	for i := range list {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		e := &list[i]
		var tokens tokenizer.Encoding
		if err := b.tokenizer.AppendEncode(&tokens, e.Text, e.Pair, o); err != nil {
			return nil, nil, fmt.Errorf("tune: row %d: tokenize: %w", e.Row, err)
		}
		if tokens.Dropped > 0 {
			truncated = append(truncated, e.Row)
		}
		batch := models.Batch{IDs: tokens.IDs, TypeIDs: tokens.TypeIDs, Ends: []int{len(tokens.IDs)}}
		if err := batch.Check(limits); err != nil {
			return nil, nil, fmt.Errorf("tune: row %d: %w", e.Row, err)
		}
		samples[i] = train.Sample{IDs: tokens.IDs, Types: tokens.TypeIDs, Target: objective.Target{Class: e.Class, Classes: e.Classes, Value: e.Value, Weight: e.Weight}}
	}
	return samples, truncated, nil
}
