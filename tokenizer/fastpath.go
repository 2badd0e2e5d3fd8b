package tokenizer

import "unicode/utf8"

// A fastPath encodes text for BERT's pipeline (BertNormalizer, BertPreTokenizer, WordPiece, and no
// added tokens in normalized text) without going through its stages for every byte.
//
// An ASCII code point never changes for what stands beside it: each of BertNormalizer's steps maps
// it by itself, and in NFD, where marks move past each other, it stays and nothing moves past it.
// Where it is white space or punctuation afterwards, BertPreTokenizer cuts on both sides of it. So
// the text may be cut there to begin with and each stretch be encoded alone. A stretch of nothing
// but plain ASCII is a word after a look in a table for every byte; any other goes through the
// stages.
type fastPath struct {
	kinds    [256]byteKind
	words    [256]byte            // what a byte of kind inWord becomes, 0 for others
	isolated [utf8.RuneSelf]int32 // the id of a byte of kind isolates
	model    *wordPiece
}

// A byteKind says what a byte of the text does.
type byteKind uint8

const (
	needsStages byteKind = iota // not ASCII, dropped or zero: look at the whole stretch
	inWord                      // one byte of a word
	separates                   // white space
	isolates                    // a word by itself
)

// newFastPath returns the fast path of a tokenizer that is complete but for it, nil if its pipeline
// is not BERT's. What a byte does is found by asking the stages.
func newFastPath(t *Tokenizer) *fastPath {
	m, ok := t.model.(*wordPiece)
	if !ok || t.normalized != nil || len(t.normalizer) != 1 || len(t.pre) != 1 {
		return nil
	}
	if _, ok := t.normalizer[0].(*bertNormalizer); !ok || t.pre[0] != bertCutter(unicodeTables()) {
		return nil
	}
	f := &fastPath{model: m}
	s := new(scratch)
	for b := range byte(utf8.RuneSelf) {
		normal, err := s.normalize(t.normalizer, []byte{b})
		if err != nil || len(normal) != 1 {
			continue
		}
		switch p := unicodeTables().of(rune(normal[0])); {
		case p&space != 0:
			f.kinds[b] = separates
		case p&punctuation != 0:
			f.kinds[b] = isolates
			var out kept
			out.reset(-1, false)
			s.out = &out
			m.encode(s, normal)
			f.isolated[b] = out.ids[0] // one byte has one token
		case normal[0] != 0:
			f.kinds[b] = inWord
			f.words[b] = normal[0]
		}
	}
	return f
}

func (f *fastPath) encode(t *Tokenizer, s *scratch, text []byte) error {
	for i := 0; i < len(text); {
		switch b := text[i]; f.kinds[b] {
		case separates:
			i++
			continue
		case isolates:
			s.out.add(f.isolated[b])
			i++
			continue
		}
		from := i
		// Most words are in the vocabulary: walk down its trie along with the text.
		node := trieRoot
		for i < len(text) && f.words[text[i]] != 0 {
			var ok bool
			if node, ok = f.model.tokens.child(node, f.words[text[i]]); !ok {
				break
			}
			i++
		}
		if (i == len(text) || f.kinds[text[i]] >= separates) && f.model.tokens.ends(node) && i-from <= f.model.maxChars {
			s.out.add(f.model.tokens.values[node])
			continue
		}
		for i < len(text) && f.kinds[text[i]] == inWord {
			i++
		}
		if i == len(text) || f.kinds[text[i]] >= separates {
			f.encodeWord(s, text[from:i])
			continue
		}
		for i < len(text) && f.kinds[text[i]] < separates {
			i++
		}
		if err := t.encodeStages(s, text[from:i]); err != nil {
			return err
		}
	}
	return nil
}

// encodeWord encodes a stretch of bytes of kind inWord.
func (f *fastPath) encodeWord(s *scratch, stretch []byte) {
	// Of a word that is too long only so much matters.
	stretch = stretch[:min(len(stretch), f.model.maxChars+1)]
	word := s.word[:0]
	for _, b := range stretch {
		word = append(word, f.words[b])
	}
	s.word = word
	f.model.encode(s, word)
}
