package tokenizer

import (
	"fmt"
	"slices"
	"sync"
	"unicode/utf8"
	"unsafe"

	"kenserve/internal/settings"
	"kenserve/tokenizer/internal/addedtoken"
	"kenserve/tokenizer/internal/folder"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/normalizer"
	"kenserve/tokenizer/internal/postprocessor"
	"kenserve/tokenizer/internal/pretokenizer"
)

// A Tokenizer turns texts into token ids. It is immutable and safe for concurrent use.
type Tokenizer struct {
	addedRaw        *addedtoken.Set // tokens to find in the original text; nil: none
	addedNormalized *addedtoken.Set // tokens to find in the normalized text; nil: none
	normalizer      []normalizer.Normalizer
	preTokenizer    []pretokenizer.PreTokenizer
	model           model.Model
	assemblies      [2][2]postprocessor.Assembly // [is there a pair][are special tokens added], by boolIndex
	size            int                          // see Size
	settings        folder.Settings
	needsHead       bool // the pre-tokenizer looks at where a piece starts in the text

	fastPath *fastPath // nil if the pipeline is not BERT's
	scratch  sync.Pool // of *scratch
}

// Options control Encode. The zero value adds no special tokens and does not truncate. The truncation and
// padding settings of a tokenizer.json are ignored; the caller chooses.
type Options struct {
	MaxTokens        int       // maximum tokens of an encoding, including special tokens; 0: no limit
	Direction        Direction // which end of a text to truncate
	AddSpecialTokens bool      // add the special tokens of the post-processor
}

// An Encoding is a tokenized text or pair of texts. IDs, TypeIDs and Special have the same length.
type Encoding struct {
	IDs     []int32 // token ids
	TypeIDs []int32 // type (segment) of each token, set by the post-processor
	Special []bool  // true if the post-processor added the token; false for a special token that is in the text
	Dropped int     // number of tokens that truncation dropped
}

// Open reads the tokenizer of a Hugging Face folder. It reads tokenizer.json if there is one. Otherwise
// it reads vocab.txt, vocab.json and merges.txt, or a SentencePiece model, with the settings of
// tokenizer_config.json.
func Open(dir string) (*Tokenizer, error) {
	f, err := ReadFiles(dir)
	if err != nil {
		return nil, err
	}
	t, err := New(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return t, nil
}

// parse reads the contents of a tokenizer.json.
func parse(tokenizerJSON []byte) (*Tokenizer, error) { return assemble(folder.Parse(tokenizerJSON)) }

// assemble returns the tokenizer of the stages that were read, or the error of reading
// them.
func assemble(c folder.Components, err error) (*Tokenizer, error) {
	var t *Tokenizer
	if err == nil {
		t, err = newTokenizer(c)
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return t, nil
}

// newTokenizer returns the tokenizer of the given stages.
func newTokenizer(c folder.Components) (*Tokenizer, error) {
	t := &Tokenizer{
		normalizer: c.Normalizer, preTokenizer: c.PreTokenizer, model: c.Model, settings: c.Settings,
		needsHead: pretokenizer.NeedsHead(c.PreTokenizer),
	}
	t.scratch.New = func() any { return new(scratch) }
	var err error
	if t.addedRaw, err = addedtoken.NewSet(c.AddedTokens, false, nil, c.Settings.SplitSpecial); err != nil {
		return nil, err
	}
	if t.addedNormalized, err = addedtoken.NewSet(c.AddedTokens, true, c.Normalizer, c.Settings.SplitSpecial); err != nil {
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
			for i, p := range a.Parts {
				largest = max(largest, p.ID)
				if c.Settings.NoTypeIDs {
					a.Parts[i].TypeID = 0
				}
			}
			t.assemblies[pair][special] = a
		}
	}
	t.size = int(largest) + 1
	t.fastPath = newFastPath(t)
	return t, nil
}

// MaxLength returns the number of tokens, special tokens included, to which the files say that texts are
// truncated (model_max_length); 0 if they do not say it.
func (t *Tokenizer) MaxLength() int { return t.settings.MaxLength }

// Direction returns the end of a text that loses tokens if a caller does not choose one (truncation_side).
func (t *Tokenizer) Direction() Direction {
	if t.settings.TruncateLeft {
		return Left
	}
	return Right
}

// Unknown lists, by file, the settings that nothing reads.
func (t *Tokenizer) Unknown() []settings.Unknown { return t.settings.Unknown }

// Size returns one more than the largest id that an encoding can contain. The embedding table of a model
// needs at least that many rows.
func (t *Tokenizer) Size() int { return t.size }

// Encode tokenizes text, or the pair of text and *pair if pair is not nil. It returns an error for
// invalid options, for a text that cannot be truncated to o.MaxTokens, and for a text that a normalizer
// makes many times longer.
func (t *Tokenizer) Encode(text string, pair *string, o Options) (Encoding, error) {
	var e Encoding
	err := t.AppendEncode(&e, text, pair, o)
	return e, err
}

// AppendEncode is like Encode but appends to e, which may contain earlier encodings, and adds to
// e.Dropped. It reuses the memory of e. On an error it leaves e unchanged.
func (t *Tokenizer) AppendEncode(e *Encoding, text string, pair *string, o Options) error {
	if o.MaxTokens < 0 || o.Direction > Left {
		return fmt.Errorf("tokenizer: invalid options %+v: MaxTokens must not be negative, and Direction must be one of its constants", o)
	}
	a := &t.assemblies[boolIndex(pair != nil)][boolIndex(o.AddSpecialTokens)]
	budget := -1
	if o.MaxTokens > 0 {
		if budget = o.MaxTokens - a.Added; budget < 0 {
			return fmt.Errorf("tokenizer: %w to %d tokens: the special tokens alone are %d", errTruncation, o.MaxTokens, a.Added)
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
		first, second = truncated(first, second, budget)
	}
	e.Dropped += total - first - max(second, 0)
	texts := [2][]int32{s.first.Cut(first)}
	if pair != nil {
		texts[1] = s.second.Cut(second)
	}
	e.assemble(a, texts)
	return nil
}

// boolIndex returns 1 for true and 0 for false.
func boolIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

// assemble appends the tokens of texts and the special tokens in the order of a.
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

// encodeText collects the ids of one text in out. budget is the number of ids that a truncation can keep,
// -1 without truncation.
func (t *Tokenizer) encodeText(s *scratch, out *model.IDs, text string, budget int, d Direction) error {
	out.Reset(budget, d == Left)
	s.model.Out = out
	// No stage writes to the text, so the string's bytes can be used without a copy.
	b := unsafe.Slice(unsafe.StringData(text), len(text))
	if !utf8.Valid(b) {
		s.text = appendValidUTF8(s.text[:0], b)
		b = s.text
	}
	if t.addedRaw == nil {
		return t.encodeRaw(s, b, true)
	}
	scan := t.addedRaw.Scan(b)
	for first := true; ; first = false {
		part, id, ok := scan.Next()
		switch {
		case !ok:
			return nil
		case id >= 0:
			out.Add(id)
		default:
			if err := t.encodeRaw(s, part, first); err != nil {
				return err
			}
		}
	}
}

// encodeRaw collects the ids of a part of the original text that contains no token of addedRaw. first
// tells whether the part is the start of the text.
func (t *Tokenizer) encodeRaw(s *scratch, text []byte, first bool) error {
	if t.fastPath != nil {
		return t.fastPath.encode(t, s, text)
	}
	return t.encodeStages(s, text, first)
}

// encodeStages collects the ids of text with one stage after another: normalizers, added tokens,
// pre-tokenizers, model. first tells whether text is the start of the whole text.
func (t *Tokenizer) encodeStages(s *scratch, text []byte, first bool) error {
	head := 0
	var err error
	if first && t.needsHead {
		if head, err = s.normal.Head(t.normalizer, text); err != nil {
			return fmt.Errorf("tokenizer: %w", err)
		}
	}
	normal, err := s.normal.Normalize(t.normalizer, text)
	if err != nil {
		return fmt.Errorf("tokenizer: %w", err)
	}
	if t.addedNormalized == nil {
		t.encodeNormalized(s, normal, head)
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
			offset := cap(normal) - cap(part) // of part in normal
			t.encodeNormalized(s, part, max(head-offset, 0))
		}
	}
}

// encodeNormalized collects the ids of normalized text that contains no added token. The first head bytes
// come from the first character of the whole text.
func (t *Tokenizer) encodeNormalized(s *scratch, text []byte, head int) {
	if len(text) == 0 {
		return
	}
	s.pieces.Cut(t.preTokenizer, text, head)
	for i := range s.pieces.Len() {
		t.model.Encode(&s.model, s.pieces.Piece(i))
	}
}
