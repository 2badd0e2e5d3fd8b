package runtime

import (
	"context"
	"fmt"
	"math"
	"time"

	"kenserve/internal/memory"
	"kenserve/models"
	"kenserve/tokenizer"
)

// Encode tokenises inputs as Classify does with these options, and returns inputs
// that hold ids. All tasks share the base's tokenizer, so a caller that sends the
// same texts to several tasks can encode them once. An error about an input is
// the one that Classify would return. It stops between two inputs when ctx ends.
func (e *Engine) Encode(ctx context.Context, inputs []Input, opts Options) ([]Input, error) {
	start := time.Now()
	expected := e.expectTokens(inputs, opts)
	if err := memory.LoanOf(ctx).Take(memory.Tokens, e.tokenBytes(expected.most, expected)); err != nil {
		return nil, fmt.Errorf("runtime: tokenize: %w", err)
	}
	batch, err := e.encode(ctx, inputs, 0, opts, math.MaxInt)
	if err != nil {
		return nil, err
	}
	traceTokenize(ctx, start, len(inputs), len(batch.IDs))
	out := make([]Input, len(inputs))
	first := 0
	for i, end := range batch.Ends {
		out[i] = Input{IDs: batch.IDs[first:end:end], types: batch.TypeIDs[first:end:end]}
		first = end
	}
	return out, nil
}

// encode tokenises inputs, one after the other, until their tokens reach maxTokens
// or there are no more inputs. index is the first input's index in the call. All
// texts and ids pass through here.
func (e *Engine) encode(ctx context.Context, inputs []Input, index int, opts Options, maxTokens int) (models.Batch, error) {
	var tokens tokenizer.Encoding // of all inputs, end to end
	var ends []int
	o := e.tokenizerOptions(opts)
	for i, input := range inputs {
		if err := ctx.Err(); err != nil {
			return models.Batch{}, err
		}
		if err := e.appendInput(&tokens, input, index+i, o, opts.Truncate); err != nil {
			return models.Batch{}, err
		}
		ends = append(ends, len(tokens.IDs))
		if len(tokens.IDs) >= maxTokens {
			break
		}
	}
	return models.Batch{IDs: tokens.IDs, TypeIDs: tokens.TypeIDs, Ends: ends}, nil
}

// tokenizerOptions translates a request's options for the tokenizer.
func (e *Engine) tokenizerOptions(opts Options) tokenizer.Options {
	o := tokenizer.Options{AddSpecialTokens: !opts.NoSpecialTokens, MaxTokens: e.maxTokens}
	if opts.MaxTokens > 0 {
		o.MaxTokens = min(o.MaxTokens, opts.MaxTokens)
	}
	if opts.TruncateLeft {
		o.Direction = tokenizer.Left
	}
	return o
}

// appendInput appends the tokens of the call's input i. Its error is an
// *InputError.
func (e *Engine) appendInput(tokens *tokenizer.Encoding, input Input, i int, o tokenizer.Options, truncate bool) error {
	tokens.Dropped = 0
	before := len(tokens.IDs)
	if err := e.appendTokens(tokens, input, o); err != nil {
		return &InputError{i, err}
	}
	if tokens.Dropped == 0 && input.IDs == nil {
		e.density.add(input.textBytes(), len(tokens.IDs)-before)
	}
	if tokens.Dropped > 0 && !truncate {
		return &InputError{i, fmt.Errorf("%w: it has more than %d tokens", ErrTooLong, o.MaxTokens)}
	}
	return nil
}

// appendTokens appends an input's tokens, which it has checked against all limits
// of the model, so that they cannot fail a batch that other requests share. Ids
// from outside need the check, and so do texts: a tokenizer may add no special
// tokens, so that a text has no token at all, may know more tokens than the model,
// or may give a pair token types that the model does not have. The limits of a
// task are at least those of the base; see taskArchitecture.
func (e *Engine) appendTokens(tokens *tokenizer.Encoding, input Input, o tokenizer.Options) error {
	limits := e.base.Arch.Limits()
	limits.Tokens = o.MaxTokens
	if input.IDs == nil {
		first := len(tokens.IDs)
		if err := e.base.Tokenizer.AppendEncode(tokens, input.Text, input.Pair, o); err != nil {
			return fmt.Errorf("runtime: tokenize: %w", err)
		}
		batch := models.Batch{IDs: tokens.IDs[first:], TypeIDs: tokens.TypeIDs[first:], Ends: []int{len(tokens.IDs) - first}}
		if err := batch.Check(limits); err != nil {
			return fmt.Errorf("runtime: %w", err)
		}
		return nil
	}
	ids, types := input.IDs, input.types
	if types == nil {
		types = make([]int32, len(ids))
	}
	if n := len(ids) - o.MaxTokens; n > 0 {
		tokens.Dropped += n
		if o.Direction == tokenizer.Left {
			ids, types = ids[n:], types[n:]
		} else {
			ids, types = ids[:o.MaxTokens], types[:o.MaxTokens]
		}
	}
	limits.Vocabulary = min(limits.Vocabulary, e.base.Tokenizer.Size())
	batch := models.Batch{IDs: ids, TypeIDs: types, Ends: []int{len(ids)}}
	if err := batch.Check(limits); err != nil {
		return fmt.Errorf("runtime: %w", err)
	}
	tokens.IDs = append(tokens.IDs, ids...)
	tokens.TypeIDs = append(tokens.TypeIDs, types...)
	tokens.Special = append(tokens.Special, make([]bool, len(ids))...)
	return nil
}
