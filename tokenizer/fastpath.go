package tokenizer

import (
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/normalizer"
	"kenserve/tokenizer/internal/pretokenizer"
	"kenserve/tokenizer/internal/trie"
)

// A fastPath encodes text for BERT's pipeline (BertNormalizer, BertPreTokenizer, WordPiece, and no
// added tokens in normalized text) word by word, without writing the normalized text and the list of
// its pieces.
//
// It rests on this: the normal form of a text is that of its code points one after another. Each of
// BertNormalizer's steps maps code points by themselves; only decomposition also moves marks past
// each other. Those are mostly nonspacing marks, which the same step drops. A mark that is moved and
// kept is rare, and the stretch of text it stands in goes through the stages. Marks do not move past
// a code point that is none, so such a stretch may start and end at white space, punctuation or an
// ideograph, where BertPreTokenizer cuts anyway.
//
// ASCII takes a shorter way still: what a byte does is looked up, and words are sought in the
// vocabulary while they are read.
type fastPath struct {
	kinds          [256]byteKind
	normalized     [256]byte            // what a byte of kind wordByte becomes, 0 for others
	punctuationIDs [utf8.RuneSelf]int32 // the id of a byte of kind punctuationByte

	normalizer   *normalizer.Bert
	model        *model.WordPiece
	maxWordBytes int // a word of so many bytes is too long for the model, however it goes on
}

// A byteKind says what a byte of the text does.
type byteKind uint8

const (
	otherByte       byteKind = iota // not ASCII, dropped or zero
	wordByte                        // one byte of a word
	spaceByte                       // white space
	punctuationByte                 // a word by itself
)

// newFastPath returns the fast path of a tokenizer that is complete but for it, nil if its pipeline
// is not BERT's. What a byte does is found by asking the stages.
func newFastPath(t *Tokenizer) *fastPath {
	m, ok := t.model.(*model.WordPiece)
	if !ok || t.addedNormalized != nil || len(t.normalizer) != 1 || len(t.preTokenizer) != 1 {
		return nil
	}
	n, ok := t.normalizer[0].(*normalizer.Bert)
	if !ok || t.preTokenizer[0] != pretokenizer.NewBert() {
		return nil
	}
	f := &fastPath{normalizer: n, model: m, maxWordBytes: 4*min(m.MaxChars, 1<<28) + 1}
	s := new(scratch)
	for b := range byte(utf8.RuneSelf) {
		normal, err := s.normal.Normalize(t.normalizer, []byte{b})
		if err != nil || len(normal) != 1 {
			continue
		}
		switch p := codepoint.Load().Properties(rune(normal[0])); {
		case p&codepoint.Space != 0:
			f.kinds[b] = spaceByte
		case p&codepoint.Punctuation != 0:
			f.kinds[b] = punctuationByte
			var out model.IDs
			out.Reset(-1, false)
			s.model.Out = &out
			m.Encode(&s.model, normal)
			f.punctuationIDs[b] = out.Cut(1)[0] // one byte has one token
		case normal[0] != 0:
			f.kinds[b] = wordByte
			f.normalized[b] = normal[0]
		}
	}
	return f
}

func (f *fastPath) encode(t *Tokenizer, s *scratch, text []byte) error {
	for i := 0; i < len(text); {
		switch b := text[i]; f.kinds[b] {
		case spaceByte:
			i++
			continue
		case punctuationByte:
			s.model.Out.Add(f.punctuationIDs[b])
			i++
			continue
		}
		from := i
		// Most words are in the vocabulary: walk down its trie along with the text.
		node := trie.Root
		for i < len(text) && f.normalized[text[i]] != 0 {
			var ok bool
			if node, ok = f.model.Tokens.Child(node, f.normalized[text[i]]); !ok {
				break
			}
			i++
		}
		if (i == len(text) || f.kinds[text[i]] >= spaceByte) && f.model.Tokens.Ends(node) && i-from <= f.model.MaxChars {
			s.model.Out.Add(f.model.Tokens.Value(node))
			continue
		}
		for i < len(text) && f.kinds[text[i]] == wordByte {
			i++
		}
		if i == len(text) || f.kinds[text[i]] >= spaceByte {
			f.encodeASCII(s, text[from:i])
			continue
		}
		n, err := f.encodeUnicode(t, s, text[from:])
		if err != nil {
			return err
		}
		i = from + n
	}
	return nil
}

// encodeASCII encodes a word of bytes of kind wordByte.
func (f *fastPath) encodeASCII(s *scratch, stretch []byte) {
	word := s.word[:0]
	for _, b := range stretch[:min(len(stretch), f.maxWordBytes)] {
		word = append(word, f.normalized[b])
	}
	s.word = word
	f.model.Encode(&s.model, word)
}

// encodeUnicode encodes text up to the first byte that spaceByte or punctuationByte, and returns how long
// that stretch is.
func (f *fastPath) encodeUnicode(t *Tokenizer, s *scratch, text []byte) (int, error) {
	n, u := f.normalizer, f.normalizer.Unicode
	word := s.word[:0]
	from := 0 // word is what text[from:i] becomes
	i := 0
	for i < len(text) && f.kinds[text[i]] < spaceByte {
		if len(word) == 0 {
			from = i
		}
		if text[i] < utf8.RuneSelf {
			if b := n.ASCII[text[i]]; b != normalizer.Dropped {
				word = append(word, b)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		p := u.Properties(r)
		switch {
		case n.CleanText && p&codepoint.Control != 0:
		case n.CleanText && p&codepoint.Space != 0:
			word = f.encodeWord(s, word)
		case p&n.Changes == 0:
			if p&(codepoint.Space|codepoint.Punctuation) == 0 {
				word = append(word, text[i:i+size]...)
			} else {
				word = f.cut(s, word, r, p)
			}
		default:
			isIdeograph := n.ChineseChars && p&codepoint.CJK != 0
			if isIdeograph {
				word, from = f.encodeWord(s, word), i
			}
			var ok bool
			if word, ok = f.appendNormalForm(s, word, r, p); !ok {
				for i < len(text) && f.kinds[text[i]] < spaceByte {
					i++
				}
				s.word = word
				return i, t.encodeStages(s, text[from:i])
			}
			if isIdeograph {
				word = f.encodeWord(s, word)
			}
		}
		word = word[:min(len(word), f.maxWordBytes)]
		i += size
	}
	s.word = f.encodeWord(s, word)
	return i, nil
}

// appendNormalForm appends the normal form of r, a code point with properties p, to word. It does nothing
// and returns false if a mark in it may move, or if word and what comes after a cut inside the form
// would both remain.
func (f *fastPath) appendNormalForm(s *scratch, word []byte, r rune, p codepoint.Property) ([]byte, bool) {
	n, u := f.normalizer, f.normalizer.Unicode
	if !n.StripAccents {
		return f.appendCased(s, word, r, p), true
	}
	s.runes = u.AppendDecomposed(s.runes[:0], r, false)
	remain, cuts := 0, codepoint.Property(0)
	for _, c := range s.runes {
		if p := u.Properties(c.Rune); p&codepoint.Nonspacing == 0 {
			if c.Class != 0 {
				return word, false
			}
			remain++
			cuts |= p & (codepoint.Space | codepoint.Punctuation)
		}
	}
	if remain > 1 && cuts != 0 {
		return word, false
	}
	for _, c := range s.runes {
		if p := u.Properties(c.Rune); p&codepoint.Nonspacing == 0 {
			word = f.appendCased(s, word, c.Rune, p)
		}
	}
	return word, true
}

// appendCased appends r, a code point that is not decomposed any more, to word, or cuts there.
func (f *fastPath) appendCased(s *scratch, word []byte, r rune, p codepoint.Property) []byte {
	if p&(codepoint.Space|codepoint.Punctuation) != 0 {
		return f.cut(s, word, r, p)
	}
	return f.normalizer.AppendCased(word, r, p)
}

// cut encodes word and then r, which is white space or punctuation. It returns an empty word.
func (f *fastPath) cut(s *scratch, word []byte, r rune, p codepoint.Property) []byte {
	word = f.encodeWord(s, word)
	if p&codepoint.Punctuation != 0 {
		word = f.encodeWord(s, utf8.AppendRune(word, r))
	}
	return word
}

// encodeWord encodes word, if there is one, and returns an empty one.
func (f *fastPath) encodeWord(s *scratch, word []byte) []byte {
	if len(word) > 0 {
		f.model.Encode(&s.model, word)
	}
	return word[:0]
}
