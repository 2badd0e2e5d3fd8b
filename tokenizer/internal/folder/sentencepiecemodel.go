package folder

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"kenserve/tokenizer/internal/addedtoken"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/normalizer"
)

// A sentencePiece is a SentencePiece model file, without the fields that do not matter here.
type sentencePiece struct {
	pieces   []piece
	kind     uint64                // type of the model: unigramModel or bpeModel
	unknown  int                   // index of the unknown piece
	unkPiece string                // text of the unknown piece, for BPE
	charsmap normalizer.Normalizer // nil: none
}

type piece struct {
	text  string
	score float64
	kind  uint64
}

// Values of enumerations in sentencepiece_model.proto: TrainerSpec.ModelType and SentencePiece.Type.
const (
	unigramModel = 1
	bpeModel     = 2
	controlPiece = 3
	userPiece    = 4
)

// readSentencePiece reads a model file: the protocol buffer ModelProto of sentencepiece_model.proto. It
// skips fields that do not matter here.
func readSentencePiece(data []byte) (*sentencePiece, error) {
	m := &sentencePiece{kind: unigramModel, unkPiece: "<unk>"}
	err := eachField(data, func(number protowire.Number, f field) error {
		switch number {
		case 1:
			p := piece{kind: 1}
			err := eachField(f.bytes, func(number protowire.Number, f field) error {
				switch number {
				case 1:
					p.text = string(f.bytes)
				case 2:
					p.score = float64(math.Float32frombits(uint32(f.number)))
				case 3:
					p.kind = f.number
				}
				return nil
			})
			if err == nil && !utf8.ValidString(p.text) {
				err = errors.New("its text is not valid UTF-8")
			}
			if err != nil {
				return fmt.Errorf("piece %d: %w", len(m.pieces), err)
			}
			m.pieces = append(m.pieces, p)
		case 2:
			return eachField(f.bytes, func(number protowire.Number, f field) error {
				switch number {
				case 3:
					m.kind = f.number
				case 40:
					m.unknown = int(int32(f.number))
				case 45:
					m.unkPiece = string(f.bytes)
				}
				return nil
			})
		case 3:
			return eachField(f.bytes, func(number protowire.Number, f field) error {
				if number != 2 || len(f.bytes) == 0 {
					return nil
				}
				var err error
				if m.charsmap, err = normalizer.NewPrecompiled(f.bytes); err != nil {
					err = fmt.Errorf("character map: %w", err)
				}
				return err
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(m.pieces) == 0 {
		return nil, errors.New("the model has no pieces")
	}
	if m.unknown < 0 || m.unknown >= len(m.pieces) {
		return nil, fmt.Errorf("the index of the unknown piece is %d, but there are %d pieces", m.unknown, len(m.pieces))
	}
	return m, nil
}

// A field is the value of a protocol buffer field: bytes if it has a length, otherwise a number.
type field struct {
	bytes  []byte
	number uint64
}

// eachField calls do for each field of a protocol buffer message.
func eachField(message []byte, do func(number protowire.Number, f field) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		var f field
		switch kind {
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			f.number, n = protowire.ConsumeVarint(message)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(message)
			f.number = uint64(v)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if err := do(number, f); err != nil {
			return err
		}
	}
	return nil
}

// parts makes the model with the given vocabulary, and the added tokens: control pieces and user-defined
// pieces.
func (m *sentencePiece) parts(list []model.ScoredToken, unknown int) (classParts, error) {
	var p classParts
	for _, piece := range m.pieces {
		if piece.kind == controlPiece || piece.kind == userPiece {
			p.AddedTokens = append(p.AddedTokens, addedtoken.Token{ID: -1, Content: piece.text, Special: piece.kind == controlPiece})
		}
	}
	var err error
	switch m.kind {
	case unigramModel:
		p.Model, err = model.NewUnigram(list, unknown, false)
	case bpeModel:
		p.Model, err = m.bpe(list)
	default:
		err = fmt.Errorf("the model has type %d; supported are %d (Unigram) and %d (BPE)", m.kind, unigramModel, bpeModel)
	}
	return p, err
}

// bpe makes a BPE of the vocabulary. The file has no merges. The merges are all splits of a token into
// two tokens, in the order of transformers.
func (m *sentencePiece) bpe(list []model.ScoredToken) (*model.BPE, error) {
	v := make(model.Vocabulary, len(list))
	for i, e := range list {
		v[e.Token] = model.ID(i)
	}
	if err := v.Check(); err != nil {
		return nil, err
	}
	own := make(map[string]int, len(m.pieces))
	for i, p := range m.pieces {
		own[p.text] = i
	}
	type split struct {
		tokens [2]string
		score  float64
		index  [2]int // of the tokens in the model
		length [2]int // of the tokens, in characters
	}
	var splits []split
	done := make(map[string]bool)
	for _, e := range list {
		if done[e.Token] {
			continue
		}
		done[e.Token] = true
		var local []split
		for i := range e.Token {
			left, right := e.Token[:i], e.Token[i:]
			a, ok := own[left]
			b, ok2 := own[right]
			if i > 0 && ok && ok2 {
				local = append(local, split{[2]string{left, right}, list[v[e.Token]].Score, [2]int{a, b},
					[2]int{utf8.RuneCountInString(left), utf8.RuneCountInString(right)}})
			}
		}
		slices.SortStableFunc(local, func(a, b split) int {
			return cmp.Or(cmp.Compare(a.index[0], b.index[0]), cmp.Compare(a.index[1], b.index[1]))
		})
		splits = append(splits, local...)
	}
	slices.SortStableFunc(splits, func(a, b split) int {
		return -cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.length[0], b.length[0]), cmp.Compare(a.length[1], b.length[1]))
	})
	merges := make([][2]string, len(splits))
	for i, c := range splits {
		merges[i] = c.tokens
	}
	return model.NewBPE(v, merges, model.BPESettings{Unknown: &m.unkPiece, FuseUnknown: true})
}
