package runtime

import (
	"sort"
	"time"

	"kenserve/models"
)

// Input is one text to classify, or a pair of texts.
type Input struct {
	Text string
	Pair *string // nil: a single text
	// IDs, if not nil, are the input instead of texts: token ids as the model
	// takes them, special ones included, all of token type 0. None or one that
	// the tokenizer cannot give is an [InputError] that wraps models.ErrBatch.
	IDs []int32

	types []int32 // the token types of IDs, if Encode made them
}

// Options say how a request is tokenised and scored.
type Options struct {
	// Truncate cuts what is longer than the model allows, longest side first.
	// Without it such a text is an [ErrTooLong].
	Truncate bool
	// TruncateLeft cuts at the beginning instead of the end.
	TruncateLeft bool
	// MaxTokens bounds an input's tokens, special ones included, below what the
	// engine allows; 0: no further.
	MaxTokens int
	// Raw gives logits instead of probabilities.
	Raw bool
}

// Result holds the scores of one request.
type Result struct {
	Task      string
	Labels    []string
	Problem   models.Problem
	Scores    [][]float32 // [inputs, labels], in the order of the inputs and of Labels
	Tokens    int         // tokens computed, special ones included
	Queue     time.Duration
	Inference time.Duration
}

// Score is a label with its score.
type Score struct {
	Label string
	Value float32
}

// Top returns the k best labels of input i, scores falling and equal ones in
// label order; all of them for k ≤ 0.
func (r *Result) Top(i, k int) []Score {
	out := make([]Score, len(r.Labels))
	for j, label := range r.Labels {
		out[j] = Score{label, r.Scores[i][j]}
	}
	sort.SliceStable(out, func(a, b int) bool { return out[a].Value > out[b].Value })
	if k > 0 && k < len(out) {
		out = out[:k]
	}
	return out
}
