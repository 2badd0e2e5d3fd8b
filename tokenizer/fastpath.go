package tokenizer

import (
	"unicode/utf8"

	"kenserve/tokenizer/internal/codepoint"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/normalizer"
	"kenserve/tokenizer/internal/pretokenizer"
	"kenserve/tokenizer/internal/trie"
)

// A fastPath encodes text for BERT's pipeline: BertNormalizer, BertPreTokenizer, WordPiece, and no added
// tokens in normalized text. It goes through the text word by word and does not write the normalized text
// or the list of pieces.
//
// This works because the normal form of a text is the normal forms of its code points, one after another.
// Each step of BertNormalizer maps single code points. Only decomposition (NFD) also reorders marks. Most
// of those are nonspacing marks, which the same step drops. A mark that is reordered and kept is rare;
// the section of text around it goes through the general stages. Marks are never reordered past a code
// point that is not a mark. So such a section can start and end at white space, at punctuation and at an
// ideograph, where BertPreTokenizer splits anyway.
//
// ASCII is faster still: a table gives the kind of each byte, and the path walks down the vocabulary's
// trie while it reads a word.
type fastPath struct {
	kinds          [256]byteKind
	normalized     [256]byte            // normal form of a wordByte, 0 for other bytes
	punctuationIDs [utf8.RuneSelf]int32 // token id of a punctuationByte

	normalizer   *normalizer.Bert
	model        *model.WordPiece
	maxWordBytes int // a word of this length is too long for the model; more bytes cannot change that
}

// A byteKind is the role of a byte of the text.
type byteKind uint8

const (
	otherByte       byteKind = iota // not ASCII, dropped by the normalizer, or zero
	wordByte                        // part of a word
	spaceByte                       // white space
	punctuationByte                 // a piece of its own
)

// newFastPath returns the fast path of t, or nil if the pipeline of t is not BERT's. All other fields of
// t are set. The kinds of bytes come from running the stages on each byte.
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
			f.punctuationIDs[b] = out.Cut(1)[0] // one byte gives one token
		case normal[0] != 0:
			f.kinds[b] = wordByte
			f.normalized[b] = normal[0]
		}
	}
	return f
}

// encode collects the ids of text, which contains no added token.
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
		// Most words are whole tokens: walk down the trie while reading the word.
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

// encodeASCII encodes a word that consists of wordBytes.
func (f *fastPath) encodeASCII(s *scratch, text []byte) {
	word := s.word[:0]
	for _, b := range text[:min(len(text), f.maxWordBytes)] {
		word = append(word, f.normalized[b])
	}
	s.word = word
	f.model.Encode(&s.model, word)
}

// encodeUnicode encodes the section of text before its first spaceByte or punctuationByte. It returns the
// length of the section.
func (f *fastPath) encodeUnicode(t *Tokenizer, s *scratch, text []byte) (int, error) {
	n, u := f.normalizer, f.normalizer.Unicode
	word := s.word[:0]
	from := 0 // word is the normal form of text[from:i]
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
				word = f.endWord(s, word, r, p)
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
				return i, t.encodeStages(s, text[from:i], false)
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

// appendNormalForm appends the normal form of r, whose properties are p, to word. Where the form contains
// a space or punctuation, the word ends and is encoded. It does nothing and returns false if a mark of
// the form may be reordered, or if the form contains such a split and more than one code point.
func (f *fastPath) appendNormalForm(s *scratch, word []byte, r rune, p codepoint.Property) ([]byte, bool) {
	n, u := f.normalizer, f.normalizer.Unicode
	if !n.StripAccents {
		return f.appendCased(s, word, r, p), true
	}
	s.runes = u.AppendDecomposed(s.runes[:0], r, false)
	kept, splits := 0, codepoint.Property(0)
	for _, c := range s.runes {
		if p := u.Properties(c.Rune); p&codepoint.Nonspacing == 0 {
			if c.Class != 0 {
				return word, false
			}
			kept++
			splits |= p & (codepoint.Space | codepoint.Punctuation)
		}
	}
	if kept > 1 && splits != 0 {
		return word, false
	}
	for _, c := range s.runes {
		if p := u.Properties(c.Rune); p&codepoint.Nonspacing == 0 {
			word = f.appendCased(s, word, c.Rune, p)
		}
	}
	return word, true
}

// appendCased appends r, which is decomposed already, to word, or ends the word if r is white space or
// punctuation.
func (f *fastPath) appendCased(s *scratch, word []byte, r rune, p codepoint.Property) []byte {
	if p&(codepoint.Space|codepoint.Punctuation) != 0 {
		return f.endWord(s, word, r, p)
	}
	return f.normalizer.AppendCased(word, r, p)
}

// endWord encodes word and then r, which is white space or punctuation. It returns an empty word.
func (f *fastPath) endWord(s *scratch, word []byte, r rune, p codepoint.Property) []byte {
	word = f.encodeWord(s, word)
	if p&codepoint.Punctuation != 0 {
		word = f.encodeWord(s, utf8.AppendRune(word, r))
	}
	return word
}

// encodeWord encodes word unless it is empty. It returns an empty word in the same memory.
func (f *fastPath) encodeWord(s *scratch, word []byte) []byte {
	if len(word) > 0 {
		f.model.Encode(&s.model, word)
	}
	return word[:0]
}
