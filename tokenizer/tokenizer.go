package tokenizer

import (
	"fmt"
	"slices"
	"sync"
	"unicode/utf8"
	"unsafe"

	"kenserve/tokenizer/internal/addedtoken"
	"kenserve/tokenizer/internal/folder"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/normalizer"
	"kenserve/tokenizer/internal/postprocessor"
	"kenserve/tokenizer/internal/pretokenizer"
)

// A Tokenizer turns texts into token ids. It is immutable: any number of goroutines may use one.
type Tokenizer struct {
	addedRaw        *addedtoken.Set // sought in the text as it is given; nil: none
	addedNormalized *addedtoken.Set // sought in the normalized text; nil: none
	normalizer      []normalizer.Normalizer
	preTokenizer    []pretokenizer.PreTokenizer
	model           model.Model
	assemblies      [2][2]postprocessor.Assembly // by whether there is a pair, and whether special tokens are added
	size            int

	fastPath *fastPath // nil: the pipeline has none
	scratch  sync.Pool // of *scratch
}

// Options say how Encode treats a text. The zero value adds no special tokens and truncates nothing.
// Truncation and padding that a tokenizer.json asks for are not applied: that is the caller's part.
type Options struct {
	MaxTokens        int        // most tokens of an encoding, special ones included; 0: any number
	Truncation       Truncation // which text of a pair loses tokens
	Direction        Direction  // at which end
	AddSpecialTokens bool       // whether the post-processor's special tokens are added
}

// An Encoding is a tokenized text, or a pair of them, as a model takes it.
type Encoding struct {
	IDs     []int32 // token ids
	TypeIDs []int32 // which text a token belongs to, as the post-processor numbers them
	Special []bool  // whether the post-processor added the token; one that stood in the text is not
	Dropped int     // how many tokens truncation took away
}

// Open reads the tokenizer of a Hugging Face folder: tokenizer.json, or if there is none vocab.txt, or
// vocab.json and merges.txt, or a SentencePiece model, with the settings of tokenizer_config.json.
func Open(dir string) (*Tokenizer, error) {
	c, err := folder.Read(dir)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", dir, err)
	}
	t, err := newTokenizer(c)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", dir, err)
	}
	return t, nil
}

// Parse reads a tokenizer.json.
func Parse(tokenizerJSON []byte) (*Tokenizer, error) {
	c, err := folder.Parse(tokenizerJSON)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	t, err := newTokenizer(c)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return t, nil
}

func newTokenizer(c folder.Components) (*Tokenizer, error) {
	t := &Tokenizer{normalizer: c.Normalizer, preTokenizer: c.PreTokenizer, model: c.Model}
	t.scratch.New = func() any { return new(scratch) }
	var err error
	if t.addedRaw, err = addedtoken.NewSet(c.AddedTokens, false, nil); err != nil {
		return nil, err
	}
	if t.addedNormalized, err = addedtoken.NewSet(c.AddedTokens, true, c.Normalizer); err != nil {
		return nil, err
	}
	largest := c.Model.MaxID()
	for _, a := range c.AddedTokens {
		largest = max(largest, a.ID)
	}
	for pair := range 2 {
		for special := range 2 {
			a, err := postprocessor.NewAssembly(c.PostProcessor, pair == 1, special == 1)
			if err != nil {
				return nil, fmt.Errorf("post-processor: %w", err)
			}
			for _, p := range a.Parts {
				largest = max(largest, p.ID)
			}
			t.assemblies[pair][special] = a
		}
	}
	t.size = int(largest) + 1
	t.fastPath = newFastPath(t)
	return t, nil
}

// Size returns one more than the largest id that an encoding may hold: how many rows a model's
// embedding table needs.
func (t *Tokenizer) Size() int { return t.size }

// Encode tokenizes text and, if pair is not nil, a second text that belongs to it. Its error, if
// any, is about the options or the text, and wraps errTruncation or ErrGrowth where those apply.
func (t *Tokenizer) Encode(text string, pair *string, o Options) (Encoding, error) {
	var e Encoding
	err := t.AppendEncode(&e, text, pair, o)
	return e, err
}

// AppendEncode is Encode that appends to e, which may hold earlier encodings, and adds to e.Dropped.
// It reuses e's memory. After an error e is as it was.
func (t *Tokenizer) AppendEncode(e *Encoding, text string, pair *string, o Options) error {
	if o.MaxTokens < 0 || o.Truncation > OnlySecond || o.Direction > Left {
		return fmt.Errorf("tokenizer: options %+v are out of range", o)
	}
	a := &t.assemblies[boolIndex(pair != nil)][boolIndex(o.AddSpecialTokens)]
	budget := -1
	if o.MaxTokens > 0 {
		if budget = o.MaxTokens - a.Added; budget < 0 {
			return fmt.Errorf("tokenizer: %w to %d tokens: %d are special tokens", errTruncation, o.MaxTokens, a.Added)
		}
	}

	s := t.scratch.Get().(*scratch)
	defer func() {
		if s.bytes() <= retainedBytes {
			t.scratch.Put(s)
		}
	}()
	if err := t.encodeText(s, &s.first, text, budget, o.Direction); err != nil {
		return err
	}
	first, second := s.first.Total, -1
	if pair != nil {
		if err := t.encodeText(s, &s.second, *pair, budget, o.Direction); err != nil {
			return err
		}
		second = s.second.Total
	}
	total := first + max(second, 0)
	if budget >= 0 {
		var err error
		if first, second, err = o.Truncation.lengths(first, second, budget); err != nil {
			return fmt.Errorf("tokenizer: to %d tokens: %w", o.MaxTokens, err)
		}
	}
	e.Dropped += total - first - max(second, 0)
	texts := [2][]int32{s.first.Cut(first)}
	if pair != nil {
		texts[1] = s.second.Cut(second)
	}
	e.assemble(a, texts)
	return nil
}

func boolIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

// assemble appends the tokens of texts and special tokens as a says.
func (e *Encoding) assemble(a *postprocessor.Assembly, texts [2][]int32) {
	n := a.Added + len(texts[0]) + len(texts[1])
	e.IDs = slices.Grow(e.IDs, n)
	e.TypeIDs = slices.Grow(e.TypeIDs, n)
	e.Special = slices.Grow(e.Special, n)
	for _, p := range a.Parts {
		one := [1]int32{p.ID}
		ids := one[:]
		if p.Text >= 0 {
			ids = texts[p.Text]
		}
		from, to := len(e.IDs), len(e.IDs)+len(ids)
		e.IDs, e.TypeIDs, e.Special = e.IDs[:to], e.TypeIDs[:to], e.Special[:to]
		copy(e.IDs[from:], ids)
		for i := from; i < to; i++ {
			e.TypeIDs[i], e.Special[i] = p.TypeID, p.Special
		}
	}
}

// encodeText collects the ids of one text in out.
func (t *Tokenizer) encodeText(s *scratch, out *model.IDs, text string, budget int, d Direction) error {
	out.Reset(budget, d == Left)
	s.model.Out = out
	// The bytes are only read.
	b := unsafe.Slice(unsafe.StringData(text), len(text))
	if !utf8.Valid(b) {
		s.text = appendValidUTF8(s.text[:0], b)
		b = s.text
	}
	if t.addedRaw == nil {
		return t.encodeRaw(s, b)
	}
	scan := t.addedRaw.Scan(b)
	for {
		part, id, ok := scan.Next()
		switch {
		case !ok:
			return nil
		case id >= 0:
			out.Add(id)
		default:
			if err := t.encodeRaw(s, part); err != nil {
				return err
			}
		}
	}
}

// encodeRaw collects the ids of text as it is given, without tokens that are sought in it.
func (t *Tokenizer) encodeRaw(s *scratch, text []byte) error {
	if t.fastPath != nil {
		return t.fastPath.encode(t, s, text)
	}
	return t.encodeStages(s, text)
}

// encodeStages takes text through normalizers, added tokens, pre-tokenizers and model one stage
// after another.
func (t *Tokenizer) encodeStages(s *scratch, text []byte) error {
	normal, err := s.normal.Normalize(t.normalizer, text)
	if err != nil {
		return fmt.Errorf("tokenizer: %w", err)
	}
	if t.addedNormalized == nil {
		t.encodeNormalized(s, normal)
		return nil
	}
	scan := t.addedNormalized.Scan(normal)
	for {
		part, id, ok := scan.Next()
		switch {
		case !ok:
			return nil
		case id >= 0:
			s.model.Out.Add(id)
		default:
			t.encodeNormalized(s, part)
		}
	}
}

// encodeNormalized collects the ids of normalized text without added tokens.
func (t *Tokenizer) encodeNormalized(s *scratch, text []byte) {
	if len(text) == 0 {
		return
	}
	s.pieces.Cut(t.preTokenizer, text)
	for i := range s.pieces.Len() {
		t.model.Encode(&s.model, s.pieces.Piece(i))
	}
}
