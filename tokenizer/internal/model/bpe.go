package model

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/trie"
)

// BPE is byte pair encoding (Sennrich et al., 2016). It starts from the characters of a piece and merges
// neighbouring tokens. The merge that training learned first has priority.
type BPE struct {
	tokens  *trie.Trie
	count   int
	largest int32
	merges  map[pair]merge

	unknown      int32       // id for unknown characters; -1: they are dropped
	fuseUnknown  bool        // consecutive unknown characters become one token
	bytes        *byteTokens // ids of the bytes of unknown characters; nil: no byte fallback
	ignoreMerges bool        // a piece that is a token becomes that token, whatever the merges
	prefix       string      // prefix, in the vocabulary, of all characters of a piece but the first
	suffix       string      // suffix, in the vocabulary, of the last character of a piece

	// selfTokens has one bit for each token that is the encoding of its own text. Encode sets the bits as
	// it meets pieces. Most pieces are such tokens, so they need no merging the next time.
	selfTokens []atomic.Uint32
}

type pair struct{ left, right int32 }

// A merge is the token that a pair becomes and the rank of the merge; lower ranks come first.
type merge struct{ rank, id int32 }

// parseBPE reads a model of type BPE.
func parseBPE(o *jsonobject.Object) (Model, error) {
	flag := func(name string) bool { v := o.OptionalBool(name); return v != nil && *v }
	var s BPESettings
	s.Unknown = o.OptionalString("unk_token")
	if prefix := o.OptionalString("continuing_subword_prefix"); prefix != nil {
		s.prefix = *prefix
	}
	if suffix := o.OptionalString("end_of_word_suffix"); suffix != nil {
		s.suffix = *suffix
	}
	s.FuseUnknown, s.byteFallback, s.ignoreMerges = flag("fuse_unk"), flag("byte_fallback"), flag("ignore_merges")
	v := readVocabulary(o, "vocab")
	merges := readMerges(o, "merges")
	if err := o.Close(); err != nil {
		return nil, err
	}
	m, err := NewBPE(v, merges, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Path(), err)
	}
	return m, nil
}

// readMerges reads a member that is a list of token pairs. Each pair is a list of two strings, or in
// older files one string with a space between the tokens.
func readMerges(o *jsonobject.Object, name string) [][2]string {
	raw := o.Required(name).Raw()
	if o.Err() != nil {
		return nil
	}
	var pairs [][]string
	if json.Unmarshal(raw, &pairs) == nil {
		out := make([][2]string, len(pairs))
		for i, p := range pairs {
			if len(p) != 2 {
				o.Fail(name, fmt.Sprintf("has %d tokens in element %d, not 2", len(p), i), nil)
				return nil
			}
			out[i] = [2]string(p)
		}
		return out
	}
	var lines []string
	if err := json.Unmarshal(raw, &lines); err != nil {
		o.Fail(name, "is not a list of token pairs", err)
		return nil
	}
	out := make([][2]string, len(lines))
	for i, line := range lines {
		var err error
		if out[i], err = splitMerge(line); err != nil {
			o.Fail(name, fmt.Sprintf("has an invalid element %d", i), err)
			return nil
		}
	}
	return out
}

// splitMerge splits a merge at its space into two tokens.
func splitMerge(line string) ([2]string, error) {
	left, right, ok := strings.Cut(line, " ")
	if !ok || strings.Contains(right, " ") {
		return [2]string{}, fmt.Errorf("%q is not two tokens with a space between", line)
	}
	return [2]string{left, right}, nil
}

// BPESettings are the settings of a BPE besides vocabulary and merges.
type BPESettings struct {
	Unknown                                 *string // token for unknown characters; nil: they are dropped
	prefix, suffix                          string
	FuseUnknown, byteFallback, ignoreMerges bool
}

// NewBPE returns a BPE. merges are in order of priority.
func NewBPE(v Vocabulary, merges [][2]string, s BPESettings) (*BPE, error) {
	m := &BPE{
		tokens: v.trie(), count: len(v), largest: v.maxID(), merges: make(map[pair]merge, len(merges)),
		unknown: -1, fuseUnknown: s.FuseUnknown, ignoreMerges: s.ignoreMerges, prefix: s.prefix, suffix: s.suffix,
	}
	if s.Unknown != nil {
		id, ok := v[*s.Unknown]
		if !ok {
			return nil, fmt.Errorf("the unknown token %q is not in the vocabulary", *s.Unknown)
		}
		m.unknown = int32(id)
	}
	if s.byteFallback {
		m.bytes = newByteTokens(m.tokens)
	}
	for rank, tokens := range merges {
		left, ok := v[tokens[0]]
		right, ok2 := v[tokens[1]]
		rest, ok3 := strings.CutPrefix(tokens[1], s.prefix)
		if !ok3 {
			// The reference removes that many bytes without a check.
			return nil, fmt.Errorf("merge %d: the token %q does not start with the prefix %q", rank, tokens[1], s.prefix)
		}
		id, ok4 := v[tokens[0]+rest]
		if !ok || !ok2 || !ok4 {
			return nil, fmt.Errorf("merge %d: one of %q, %q and the merged token is not in the vocabulary", rank, tokens[0], tokens[1])
		}
		// If a pair is listed twice, the last one counts.
		m.merges[pair{int32(left), int32(right)}] = merge{int32(rank), int32(id)}
	}
	if m.largest > maxVocabularyTokens {
		return nil, fmt.Errorf("token id %d is too large; at most %d is supported", m.largest, maxVocabularyTokens)
	}
	m.selfTokens = make([]atomic.Uint32, m.largest/32+1)
	return m, nil
}

// byteTokens are the ids of the tokens "<0x00>" to "<0xFF>", -1 for tokens that are not in the
// vocabulary.
type byteTokens [256]int32

func newByteTokens(t *trie.Trie) *byteTokens {
	var ids byteTokens
	for b := range ids {
		ids[b] = t.Get(fmt.Sprintf("<0x%02X>", b))
	}
	return &ids
}

// add calls add for the token of each byte of text. If a byte has no token, or ids is nil, it calls
// nothing and returns false.
func (ids *byteTokens) Add(text []byte, add func(id int32)) bool {
	if ids == nil {
		return false
	}
	for _, b := range text {
		if ids[b] < 0 {
			return false
		}
	}
	for _, b := range text {
		add(ids[b])
	}
	return true
}

func (m *BPE) ID(token string) int32 { return m.tokens.Get(token) }
func (m *BPE) Size() int             { return m.count }
func (m *BPE) MaxID() int32          { return m.largest }

func (m *BPE) Encode(s *Scratch, piece []byte) {
	id := m.tokens.GetBytes(piece)
	if id >= 0 && (m.ignoreMerges || m.selfTokens[id/32].Load()&(1<<(id%32)) != 0) {
		s.Out.Add(id)
		return
	}
	m.startSymbols(s, piece)
	m.merge(s)
	n := 0
	for i := range s.symbols {
		if s.symbols[i].id >= 0 {
			s.Out.Add(s.symbols[i].id)
			n++
		}
	}
	if n == 1 && id >= 0 && s.symbols[0].id == id {
		m.selfTokens[id/32].Or(1 << (id % 32))
	}
}

// A symbol is a token in the linked list of a piece's tokens. A merge keeps the left symbol, so the first
// symbol always stays.
type symbol struct {
	id         int32 // -1: merged into the symbol before
	prev, next int32 // -1: none
}

// startSymbols puts the tokens of the piece's characters into s.symbols.
func (m *BPE) startSymbols(s *Scratch, piece []byte) {
	symbols := s.symbols[:0]
	add := func(id int32) {
		n := int32(len(symbols))
		symbols = append(symbols, symbol{id, n - 1, n + 1})
	}
	// The token for unknown characters is added late: before the next known character, so after the byte
	// tokens that stand between. The reference does the same.
	unknown := false
	for i := 0; i < len(piece); {
		_, size := utf8.DecodeRune(piece[i:])
		character := piece[i : i+size]
		id := m.characterID(s, character, i == 0, i+size == len(piece))
		i += size
		switch {
		case id >= 0:
			if unknown {
				add(m.unknown)
				unknown = false
			}
			add(id)
		case m.bytes.Add(s.word, add):
		case m.unknown >= 0:
			if unknown && !m.fuseUnknown {
				add(m.unknown)
			}
			unknown = true
		}
	}
	if unknown {
		add(m.unknown)
	}
	if len(symbols) > 0 {
		symbols[len(symbols)-1].next = -1
	}
	s.symbols = symbols
}

// characterID returns the id of a character with the prefix and suffix for its position, -1 if that is
// not in the vocabulary. It leaves the character with prefix and suffix in s.word.
func (m *BPE) characterID(s *Scratch, character []byte, first, last bool) int32 {
	s.word = s.word[:0]
	if !first {
		s.word = append(s.word, m.prefix...)
	}
	s.word = append(s.word, character...)
	if last {
		s.word = append(s.word, m.suffix...)
	}
	return m.tokens.GetBytes(s.word)
}

// merge merges s.symbols until no merge is possible.
func (m *BPE) merge(s *Scratch) {
	symbols := s.symbols
	queue := s.merges[:0]
	for i := 0; i+1 < len(symbols); i++ {
		if to, ok := m.merges[pair{symbols[i].id, symbols[i+1].id}]; ok {
			queue = append(queue, candidate{to.rank, int32(i), to.id})
		}
	}
	queue.init()
	for len(queue) > 0 {
		top := queue.pop()
		left := &symbols[top.at]
		if left.id < 0 || left.next < 0 {
			continue
		}
		right := &symbols[left.next]
		// The symbols may have changed since. Like the reference, it is enough that they still merge to
		// the same token.
		if to, ok := m.merges[pair{left.id, right.id}]; !ok || to.id != top.id {
			continue
		}
		left.id, left.next = top.id, right.next
		right.id = -1
		if right.next >= 0 {
			symbols[right.next].prev = top.at
		}
		if left.prev >= 0 {
			if to, ok := m.merges[pair{symbols[left.prev].id, left.id}]; ok {
				queue.push(candidate{to.rank, left.prev, to.id})
			}
		}
		if left.next >= 0 {
			if to, ok := m.merges[pair{left.id, symbols[left.next].id}]; ok {
				queue.push(candidate{to.rank, top.at, to.id})
			}
		}
	}
	s.merges = queue
}
