package runtime

import (
	"sync/atomic"
)

const (
	// scoreRowBytes is what a row of scores takes beside its values.
	scoreRowBytes = 24
	// encodedTokenBytes is what an encoded token takes: id, type, whether it is special, and
	// the unused part of the slices, which double as they grow.
	encodedTokenBytes = 24
	// specialTokens is how many tokens a tokenizer adds to an input, about.
	specialTokens = 4
)

// expectation is what a call will need, before its texts are encoded.
type expectation struct {
	likely  int // tokens, by the usual number of tokens of a byte
	most    int // tokens, if each byte is one
	longest int // bytes of the longest input
}

// expect estimates the tokens of inputs.
func (c encoder) expect(inputs []Input, opts Options) (out expectation) {
	limit := c.options(opts).MaxTokens
	density := c.density.value()
	for i := range inputs {
		if ids := inputs[i].IDs; ids != nil {
			n := min(len(ids), limit)
			out.likely += n
			out.most += n
			continue
		}
		n := inputs[i].textBytes()
		out.longest = max(out.longest, n)
		out.likely += min(int(density*float64(n))+specialTokens, limit)
		out.most += min(n+specialTokens, limit)
	}
	return out
}

// bytes returns the memory of so many of the encoded tokens, and of what the tokenizer
// makes of a text while it reads it.
func (x expectation) bytes(tokens int) int64 {
	return encodedTokenBytes*int64(tokens) + 2*int64(x.longest)
}

// SharedBytes bounds the memory of the tokens that inputs share; see Share. maxTokens is
// the number of tokens to which texts are truncated; 0: it is not known.
func SharedBytes(inputs []Input, maxTokens int) int64 {
	tokens := 0
	for i := range inputs {
		n := inputs[i].textBytes() + specialTokens
		if maxTokens > 0 {
			n = min(n, maxTokens)
		}
		tokens += n
	}
	return encodedTokenBytes * int64(tokens)
}

// textBytes returns the bytes of an input's texts.
func (in *Input) textBytes() int {
	n := len(in.Text)
	if in.Pair != nil {
		n += len(*in.Pair)
	}
	return n
}

// tokenDensity is how many tokens a byte of text has on average, as measured. It is
// only an estimate, so updates may be lost.
type tokenDensity struct {
	bytes, tokens atomic.Int64
}

const (
	firstDensity   = 0.25    // in English, with the usual vocabularies
	densityHistory = 1 << 20 // bytes of text after which older ones count half
)

func (d *tokenDensity) add(bytes, tokens int) {
	if d.bytes.Add(int64(bytes)) > densityHistory {
		d.bytes.Store(d.bytes.Load() / 2)
		d.tokens.Store(d.tokens.Load() / 2)
	}
	d.tokens.Add(int64(tokens))
}

func (d *tokenDensity) value() float64 {
	bytes := d.bytes.Load()
	if bytes < 1<<10 {
		return firstDensity
	}
	return float64(d.tokens.Load()) / float64(bytes)
}
