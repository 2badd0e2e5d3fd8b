package postprocessor

import (
	"errors"
	"fmt"
	"slices"

	"kenserve/internal/settings"
	"kenserve/tokenizer/internal/jsonobject"
)

// A template is the post-processor TemplateProcessing: a list of texts and special tokens with their type
// ids.
type template struct {
	single, pair []piece
}

// A piece of a template is one of the texts, or the ids of a special token; usually that is one id.
type piece struct {
	text   int // 0: the first text; 1: the second text; -1: special tokens
	ids    []int32
	typeID int32
}

// Tables of the objects in a TemplateProcessing.
var (
	specialTable = settings.Table{settings.Used("id"), settings.Used("ids"), settings.Used("tokens")}
	pieceTable   = settings.Table{settings.Used("SpecialToken"), settings.Used("Sequence")}
	bodyTable    = settings.Table{settings.Used("id"), settings.Used("type_id")}
)

// parseTemplate reads a TemplateProcessing.
func parseTemplate(o *jsonobject.Object) (PostProcessor, error) {
	special := make(map[string][]int32)
	tokens := o.Map("special_tokens")
	for _, name := range tokens.Names() {
		t := tokens.Object(name, specialTable)
		if id := t.String("id"); id != name {
			t.Fail("id", fmt.Sprintf("is %q, not the name of the token", id), nil)
		}
		ids := t.IDs("ids")
		if texts := t.Strings("tokens"); len(texts) != len(ids) {
			t.Fail("tokens", fmt.Sprintf("has %d tokens for %d ids", len(texts), len(ids)), nil)
		}
		special[name] = ids
		tokens.Adopt(t)
	}
	o.Adopt(tokens)
	t := template{
		single: readTemplate(o, "single", special),
		pair:   readTemplate(o, "pair", special),
	}
	return t, o.Err()
}

// readTemplate reads a member that is a list of pieces. special are the ids of special tokens by name.
func readTemplate(o *jsonobject.Object, name string, special map[string][]int32) []piece {
	var pieces []piece
	for _, v := range o.Values(name) {
		p, err := readPiece(v, special)
		if err != nil {
			o.FailWith(err)
			return nil
		}
		pieces = append(pieces, p)
	}
	return pieces
}

// readPiece reads a piece of a template.
func readPiece(v jsonobject.Value, special map[string][]int32) (piece, error) {
	o := v.Object(pieceTable)
	var p piece
	kind := "SpecialToken"
	if o.Has("Sequence") {
		kind = "Sequence"
		if o.Has("SpecialToken") {
			o.Fail("SpecialToken", "contradicts \"Sequence\"", nil)
		}
	}
	body := o.Object(kind, bodyTable)
	id := body.String("id")
	p.typeID = int32(body.Count("type_id"))
	if kind == "SpecialToken" {
		ids, ok := special[id]
		if !ok {
			body.Fail("id", fmt.Sprintf("is %q, which is not in special_tokens", id), nil)
		}
		p.text, p.ids = -1, ids
	} else if id == "B" {
		p.text = 1
	} else if id != "A" {
		body.Fail("id", fmt.Sprintf("is %q, not A or B", id), nil)
	}
	o.Adopt(body)
	return p, o.Close()
}

// NewBertTemplate returns the template [CLS] A [SEP], or [CLS] A [SEP] B [SEP] with type 1 from B on.
func NewBertTemplate(cls, sep int32) PostProcessor {
	first := piece{text: -1, ids: []int32{cls}}
	last := piece{text: -1, ids: []int32{sep}}
	lastOfPair := piece{text: -1, ids: []int32{sep}, typeID: 1}
	return template{
		single: []piece{first, {text: 0}, last},
		pair:   []piece{first, {text: 0}, last, {text: 1, typeID: 1}, lastOfPair},
	}
}

// NewBeginEndTemplate returns the template <s> A </s>, or <s> A </s> <s> B </s> with type 1 from B on.
// begin and end are the ids of the special tokens; nil leaves the token out.
func NewBeginEndTemplate(begin, end *int32) PostProcessor {
	var t template
	for text := range 2 {
		if begin != nil {
			t.pair = append(t.pair, piece{text: -1, ids: []int32{*begin}, typeID: int32(text)})
		}
		t.pair = append(t.pair, piece{text: text, typeID: int32(text)})
		if end != nil {
			t.pair = append(t.pair, piece{text: -1, ids: []int32{*end}, typeID: int32(text)})
		}
		if text == 0 {
			t.single = slices.Clone(t.pair)
		}
	}
	return t
}

// NewXLMRobertaTemplate returns the template <s> A </s>, or <s> A </s></s> B </s>, with type 0
// everywhere.
func NewXLMRobertaTemplate(cls, sep int32) PostProcessor {
	first := piece{text: -1, ids: []int32{cls}}
	last := piece{text: -1, ids: []int32{sep}}
	return template{
		single: []piece{first, {text: 0}, last},
		pair:   []piece{first, {text: 0}, last, last, {text: 1}, last},
	}
}

func (t template) process(texts []Assembly, special bool) ([]Assembly, error) {
	pieces := t.single
	switch len(texts) {
	case 1:
	case 2:
		pieces = t.pair
	default:
		return nil, fmt.Errorf("TemplateProcessing: needs 1 or 2 texts, got %d", len(texts))
	}
	var out []Assembly
	for _, piece := range pieces {
		var parts []Part
		switch {
		case piece.text >= len(texts):
			return nil, errors.New("TemplateProcessing: the template for one text uses B")
		case piece.text >= 0:
			for _, q := range texts[piece.text].Parts {
				q.TypeID = piece.typeID
				parts = append(parts, q)
			}
		case !special:
			continue
		default:
			for _, id := range piece.ids {
				parts = append(parts, Part{Text: -1, ID: id, TypeID: piece.typeID, Special: true})
			}
		}
		out = append(out, Assembly{Parts: parts})
	}
	return out, nil
}

func (t template) added(pair bool) int {
	pieces := t.single
	if pair {
		pieces = t.pair
	}
	n := 0
	for _, p := range pieces {
		n += len(p.ids)
	}
	return n
}
