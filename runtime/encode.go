package runtime

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"kenserve/internal/memory"
	"kenserve/models"
	"kenserve/tokenizer"
)

// encoder turns inputs into tokens for one task, or for the base.
type encoder struct {
	tokenizer  *tokenizer.Tokenizer
	limits     models.Limits // of the model, and of the configuration
	truncateTo int           // number of tokens to which texts are truncated; at most limits.Tokens
	vocabulary int           // number of token ids that a request may send
	density    *tokenDensity // of texts
}

// encoder returns the encoder of a task's inputs.
func (e *Engine) encoder(p *plan) encoder {
	c := encoder{tokenizer: p.tokenizer(), limits: p.arch.Limits(), vocabulary: p.vocabulary(), density: &e.density}
	if e.config.MaxTokens > 0 {
		c.limits.Tokens = min(c.limits.Tokens, e.config.MaxTokens)
	}
	c.truncateTo = c.limits.Tokens
	if n := c.tokenizer.MaxLength(); n > 0 {
		c.truncateTo = min(c.truncateTo, n)
	}
	return c
}

// MaxTokens returns the number of tokens to which texts of tasks with the base's tokenizer are
// truncated: the least of what the model takes, what the tokenizer's files say
// (model_max_length), and Config.MaxTokens.
func (e *Engine) MaxTokens() int {
	base := plan{base: e.base, arch: e.base.arch}
	return e.encoder(&base).truncateTo
}

// Share returns the same inputs for several calls of Classify with the same options. Each
// text is then tokenised once for all tasks that have the same tokenizer.
func Share(inputs []Input) []Input {
	out := make([]Input, len(inputs))
	for i, input := range inputs {
		input.shared = &sharedTokens{}
		out[i] = input
	}
	return out
}

// sharedTokens are the tokens of one text, for calls that share it.
type sharedTokens struct {
	mu     sync.Mutex
	tokens map[tokenisation]*tokenized
}

// tokenisation is all that tokens depend on beside the text.
type tokenisation struct {
	tokenizer *tokenizer.Tokenizer
	options   tokenizer.Options
}

// tokenized is a tokenised text.
type tokenized struct {
	tokenizer.Encoding
	err error
}

// get returns the tokens of a text, and whether it was this call that tokenised it.
func (s *sharedTokens) get(t *tokenizer.Tokenizer, input Input, o tokenizer.Options) (_ *tokenized, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := tokenisation{t, o}
	if tokens := s.tokens[key]; tokens != nil {
		return tokens, false
	}
	tokens := &tokenized{}
	tokens.err = t.AppendEncode(&tokens.Encoding, input.Text, input.Pair, o)
	if s.tokens == nil {
		s.tokens = map[tokenisation]*tokenized{}
	}
	s.tokens[key] = tokens
	return tokens, true
}

// Encode tokenises inputs as Classify does with these options for the tasks that have the
// base's tokenizer, and returns inputs that hold ids. An error about an input is the one
// that Classify would return. It stops between two inputs when ctx ends.
func (e *Engine) Encode(ctx context.Context, inputs []Input, opts Options) ([]Input, error) {
	start := time.Now()
	base := plan{base: e.base, arch: e.base.arch}
	texts := e.encoder(&base)
	expected := texts.expect(inputs, opts)
	if err := memory.LoanOf(ctx).Take(memory.Tokens, expected.bytes(expected.most)); err != nil {
		return nil, fmt.Errorf("runtime: tokenize: %w", err)
	}
	batch, _, err := texts.encode(ctx, inputs, 0, opts, math.MaxInt)
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

// encoded counts inputs of a call of encode.
type encoded struct {
	fresh     int // tokenised by this call, not by another one that shares them
	truncated int // lost tokens
}

// encode tokenises inputs, one after the other, until their tokens reach maxTokens
// or there are no more inputs. index is the first input's index in the call. All
// texts and ids pass through here.
func (c encoder) encode(ctx context.Context, inputs []Input, index int, opts Options, maxTokens int) (_ models.Batch, counts encoded, err error) {
	var tokens tokenizer.Encoding // of all inputs, end to end
	var ends []int
	o := c.options(opts)
	for i, input := range inputs {
		if err := ctx.Err(); err != nil {
			return models.Batch{}, encoded{}, err
		}
		first, err := c.appendInput(&tokens, input, index+i, o, opts.Truncate)
		if err != nil {
			return models.Batch{}, encoded{}, err
		}
		if first {
			counts.fresh++
		}
		if tokens.Dropped > 0 {
			counts.truncated++
		}
		ends = append(ends, len(tokens.IDs))
		if len(tokens.IDs) >= maxTokens {
			break
		}
	}
	return models.Batch{IDs: tokens.IDs, TypeIDs: tokens.TypeIDs, Ends: ends}, counts, nil
}

// options translates a request's options for the tokenizer.
func (c encoder) options(opts Options) tokenizer.Options {
	o := tokenizer.Options{AddSpecialTokens: !opts.NoSpecialTokens, MaxTokens: c.limits.Tokens, Direction: c.tokenizer.Direction()}
	if opts.Truncate {
		o.MaxTokens = c.truncateTo
	}
	if opts.MaxTokens > 0 {
		o.MaxTokens = min(o.MaxTokens, opts.MaxTokens)
	}
	switch opts.TruncateAt {
	case Start:
		o.Direction = tokenizer.Left
	case End:
		o.Direction = tokenizer.Right
	}
	return o
}

// appendInput appends the tokens of the call's input i, and tells whether it has tokenised
// them. Its error is an *InputError.
func (c encoder) appendInput(tokens *tokenizer.Encoding, input Input, i int, o tokenizer.Options, truncate bool) (fresh bool, err error) {
	tokens.Dropped = 0
	before := len(tokens.IDs)
	if fresh, err = c.appendTokens(tokens, input, o); err != nil {
		return false, &InputError{i, err}
	}
	if tokens.Dropped == 0 && input.IDs == nil {
		c.density.add(input.textBytes(), len(tokens.IDs)-before)
	}
	if tokens.Dropped > 0 && !truncate {
		return false, &InputError{i, fmt.Errorf("%w: it has more than %d tokens", ErrTooLong, o.MaxTokens)}
	}
	return fresh, nil
}

// appendTokens appends an input's tokens, which it has checked against all limits
// of the task's model, so that they cannot fail a batch that other requests share. Ids
// from outside need the check, and so do texts: a tokenizer may add no special
// tokens, so that a text has no token at all, may know more tokens than the model,
// or may give a pair token types that the model does not have.
func (c encoder) appendTokens(tokens *tokenizer.Encoding, input Input, o tokenizer.Options) (fresh bool, err error) {
	limits := c.limits
	limits.Tokens = o.MaxTokens
	if input.IDs == nil {
		first := len(tokens.IDs)
		if fresh, err = c.appendText(tokens, input, o); err != nil {
			return false, fmt.Errorf("runtime: tokenize: %w", err)
		}
		batch := models.Batch{IDs: tokens.IDs[first:], TypeIDs: tokens.TypeIDs[first:], Ends: []int{len(tokens.IDs) - first}}
		if err := batch.Check(limits); err != nil {
			return false, fmt.Errorf("runtime: %w", err)
		}
		return fresh, nil
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
	limits.Vocabulary = min(limits.Vocabulary, c.vocabulary)
	batch := models.Batch{IDs: ids, TypeIDs: types, Ends: []int{len(ids)}}
	if err := batch.Check(limits); err != nil {
		return false, fmt.Errorf("runtime: %w", err)
	}
	tokens.IDs = append(tokens.IDs, ids...)
	tokens.TypeIDs = append(tokens.TypeIDs, types...)
	tokens.Special = append(tokens.Special, make([]bool, len(ids))...)
	return input.types == nil, nil // Encode has counted its own
}

// appendText appends the tokens of a text or pair.
func (c encoder) appendText(tokens *tokenizer.Encoding, input Input, o tokenizer.Options) (fresh bool, err error) {
	if input.shared == nil {
		return true, c.tokenizer.AppendEncode(tokens, input.Text, input.Pair, o)
	}
	shared, fresh := input.shared.get(c.tokenizer, input, o)
	if shared.err != nil {
		return false, shared.err
	}
	tokens.IDs = append(tokens.IDs, shared.IDs...)
	tokens.TypeIDs = append(tokens.TypeIDs, shared.TypeIDs...)
	tokens.Special = append(tokens.Special, shared.Special...)
	tokens.Dropped += shared.Dropped
	return fresh, nil
}
