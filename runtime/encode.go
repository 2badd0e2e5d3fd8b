package runtime

import (
	"context"
	"fmt"
	"math"
	"time"

	"kenserve/models"
	"kenserve/tokenizer"
)

// Encode tokenises inputs as Classify would with these options, into inputs
// that hold ids. Whoever asks several tasks about the same texts encodes them
// once; all tasks of an engine share the base's tokenizer. Its errors are those
// that Classify has for inputs. It gives up between two inputs when ctx ends.
func (e *Engine) Encode(ctx context.Context, inputs []Input, opts Options) ([]Input, error) {
	start := time.Now()
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

// encode tokenises inputs until they have maxTokens tokens or end: at least one,
// end to end. index is that of the first in the call. Every text takes this path.
func (e *Engine) encode(ctx context.Context, inputs []Input, index int, opts Options, maxTokens int) (models.Batch, error) {
	var tokens tokenizer.Encoding // of all inputs
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

// tokenizerOptions are what a request's options say to the tokenizer.
func (e *Engine) tokenizerOptions(opts Options) tokenizer.Options {
	o := tokenizer.Options{AddSpecialTokens: true, MaxTokens: e.maxTokens}
	if opts.MaxTokens > 0 {
		o.MaxTokens = min(o.MaxTokens, opts.MaxTokens)
	}
	if opts.TruncateLeft {
		o.Direction = tokenizer.Left
	}
	return o
}

// appendInput appends the tokens of a request's i-th input. Its error is an
// *InputError.
func (e *Engine) appendInput(tokens *tokenizer.Encoding, input Input, i int, o tokenizer.Options, truncate bool) error {
	tokens.Dropped = 0
	if err := e.appendTokens(tokens, input, o); err != nil {
		return &InputError{i, err}
	}
	if tokens.Dropped > 0 && !truncate {
		return &InputError{i, fmt.Errorf("%w: it has more than %d tokens", ErrTooLong, o.MaxTokens)}
	}
	return nil
}

// appendTokens appends an input's tokens. They are checked here, so that they
// cannot fail a batch that others share: ids that come from outside, and those
// of a tokenizer that adds no special tokens or has more than the model.
func (e *Engine) appendTokens(tokens *tokenizer.Encoding, input Input, o tokenizer.Options) error {
	if input.IDs == nil {
		first := len(tokens.IDs)
		if err := e.base.Tokenizer.AppendEncode(tokens, input.Text, input.Pair, o); err != nil {
			return fmt.Errorf("runtime: tokenize: %w", err)
		}
		batch := models.Batch{IDs: tokens.IDs[first:], Ends: []int{len(tokens.IDs) - first}}
		if err := batch.Check(models.Limits{Vocabulary: e.base.vocabularySize(), Tokens: o.MaxTokens}); err != nil {
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
	batch := models.Batch{IDs: ids, Ends: []int{len(ids)}}
	if err := batch.Check(models.Limits{Vocabulary: min(e.base.Tokenizer.Size(), e.base.vocabularySize()), Tokens: o.MaxTokens}); err != nil {
		return fmt.Errorf("runtime: %w", err)
	}
	tokens.IDs = append(tokens.IDs, ids...)
	tokens.TypeIDs = append(tokens.TypeIDs, types...)
	tokens.Special = append(tokens.Special, make([]bool, len(ids))...)
	return nil
}
