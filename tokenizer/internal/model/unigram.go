package model

import (
	"encoding/json"
	"fmt"
	"math"
	"unicode/utf8"

	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/trie"
)

// Unigram splits a piece into the tokens with the greatest sum of scores (Kudo, 2018). A score is the
// logarithm of a probability. Among equal sums, the path that the search from the left finds first wins.
type Unigram struct {
	tokens  *trie.Trie
	scores  []float64 // by id
	unknown int32
	bytes   *byteTokens // ids of the bytes of unknown characters; nil: no byte fallback
	penalty float64     // score of an unknown character
}

// unknownPenalty is the difference between the lowest score of a token and the score of an unknown
// character.
const unknownPenalty = 10

// A ScoredToken is an entry of a Unigram vocabulary. Its index is its id.
type ScoredToken struct {
	Token string
	Score float64
}

// parseUnigram reads a model of type Unigram.
func parseUnigram(o *jsonobject.Object) (Model, error) {
	unknown := o.Count("unk_id")
	fallback := o.OptionalBool("byte_fallback")
	list := o.List("vocab")
	entries := make([]ScoredToken, len(list))
	for i, raw := range list {
		var token *string
		var score *float64
		entry := []any{&token, &score}
		var fields []json.RawMessage
		err := json.Unmarshal(raw, &fields)
		for n := 0; err == nil && n < min(len(fields), len(entry)); n++ {
			err = json.Unmarshal(fields[n], entry[n])
		}
		if err == nil && token != nil && score != nil && len(fields) == len(entry) {
			entries[i] = ScoredToken{*token, *score}
			continue
		}
		o.Fail("vocab", fmt.Sprintf("has an element %d that is not a token and a score", i), err)
		break
	}
	if err := o.Close(); err != nil {
		return nil, err
	}
	m, err := NewUnigram(entries, unknown, fallback != nil && *fallback)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Path(), err)
	}
	return m, nil
}

// NewUnigram returns a Unigram. unknown is the id of the token for unknown characters.
func NewUnigram(list []ScoredToken, unknown int, byteFallback bool) (*Unigram, error) {
	m := &Unigram{scores: make([]float64, len(list)), unknown: int32(unknown), penalty: math.Inf(1)}
	ids := make(Vocabulary, len(list))
	for i, e := range list {
		if math.IsNaN(e.Score) || math.IsInf(e.Score, 0) {
			return nil, fmt.Errorf("the score of token %d is %v, not a finite number", i, e.Score)
		}
		// If a token is listed twice, the last one counts.
		ids[e.Token] = ID(i)
		m.scores[i] = e.Score
		m.penalty = min(m.penalty, e.Score-unknownPenalty)
	}
	if err := ids.Check(); err != nil {
		return nil, err
	}
	if unknown >= len(list) {
		return nil, fmt.Errorf("the id of the unknown token is %d, but there are only %d tokens", unknown, len(list))
	}
	m.tokens = ids.trie()
	if byteFallback {
		m.bytes = newByteTokens(m.tokens)
	}
	return m, nil
}

func (m *Unigram) ID(token string) int32 { return m.tokens.Get(token) }
func (m *Unigram) Size() int             { return len(m.scores) }
func (m *Unigram) MaxID() int32          { return int32(len(m.scores)) - 1 }

// A bestPath is the best path from the start of a piece to an offset in it.
type bestPath struct {
	score float64
	from  int32 // offset where its last token starts; -1: there is no path
	id    int32 // id of its last token
}

func (m *Unigram) Encode(s *Scratch, piece []byte) {
	if cap(s.paths) <= len(piece) {
		s.paths = make([]bestPath, len(piece)+1+len(piece)/4)
	}
	paths := s.paths[:len(piece)+1]
	for i := range paths {
		paths[i] = bestPath{from: -1}
	}
	extend := func(from, to int, id int32, score float64) {
		score += paths[from].score
		if p := &paths[to]; p.from < 0 || score > p.score {
			*p = bestPath{score, int32(from), id}
		}
	}
	for i := 0; i < len(piece); {
		_, size := utf8.DecodeRune(piece[i:])
		single := false // this character alone is a token
		node := trie.Root
		for j := i; j < len(piece); j++ {
			var ok bool
			if node, ok = m.tokens.Child(node, piece[j]); !ok {
				break
			}
			if m.tokens.Ends(node) {
				id := m.tokens.Value(node)
				extend(i, j+1, id, m.scores[id])
				single = single || j+1 == i+size
			}
		}
		if !single {
			extend(i, i+size, m.unknown, m.penalty)
		}
		i += size
	}
	m.emit(s, piece, paths)
}

// emit adds the tokens of the best path to the end of the piece. Consecutive unknown characters together
// become one unknown token, or the tokens of their bytes.
func (m *Unigram) emit(s *Scratch, piece []byte, paths []bestPath) {
	// paths leads from the end to the start; ends reverses it.
	ends := s.ids[:0]
	for end := int32(len(piece)); end > 0; end = paths[end].from {
		ends = append(ends, end)
	}
	s.ids = ends
	for i := len(ends) - 1; i >= 0; i-- {
		p := paths[ends[i]]
		if p.id != m.unknown {
			s.Out.Add(p.id)
			continue
		}
		from := p.from
		for i > 0 && paths[ends[i-1]].id == m.unknown {
			i--
		}
		m.emitUnknown(s, piece[from:ends[i]])
	}
}

// emitUnknown adds the tokens of consecutive unknown characters.
func (m *Unigram) emitUnknown(s *Scratch, text []byte) {
	// Several unknown characters together may be a token that the best path does not use.
	if id := m.tokens.GetBytes(text); id >= 0 {
		s.Out.Add(id)
		return
	}
	if !m.bytes.Add(text, s.Out.Add) {
		s.Out.Add(m.unknown)
	}
}
