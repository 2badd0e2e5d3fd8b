package runtime

import (
	"context"
	"fmt"
	"time"

	"kenserve/tokenizer"
)

// Encode tokenises inputs as Classify would with these options, into inputs
// that hold ids. Whoever asks several tasks about the same texts encodes them
// once; all tasks of an engine share the base's tokenizer. Its errors are those
// that Classify has for inputs. It gives up between two inputs when ctx ends.
func (e *Engine) Encode(ctx context.Context, inputs []Input, opts Options) ([]Input, error) {
	var tokens tokenizer.Encoding // of all inputs, end to end
	o := e.tokenizerOptions(opts)
	ends := make([]int, len(inputs))
	began := time.Now()
	for i, input := range inputs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := e.appendInput(&tokens, input, i, o, opts.Truncate); err != nil {
			return nil, err
		}
		ends[i] = len(tokens.IDs)
	}
	spanTokens(ctx, began, len(inputs), len(tokens.IDs))
	out := make([]Input, len(inputs))
	start := 0
	for i, end := range ends {
		out[i] = Input{IDs: tokens.IDs[start:end:end], types: tokens.TypeIDs[start:end:end]}
		start = end
	}
	return out, nil
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
