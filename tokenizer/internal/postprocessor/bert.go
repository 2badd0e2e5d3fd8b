package postprocessor

import (
	"bytes"
	"encoding/json"
	"strconv"

	"kenserve/tokenizer/internal/jsonobject"
)

// bertProcessing is the post-processor BertProcessing: [CLS] A [SEP], or [CLS] A [SEP] B [SEP] with type
// 1 from B on.
type bertProcessing struct{ sep, cls int32 }

func (p bertProcessing) process(texts []Assembly, special bool) ([]Assembly, error) {
	if !special {
		return texts, nil
	}
	var out []Assembly
	for i, t := range texts {
		var parts []Part
		if i == 0 {
			parts = append(parts, Part{Text: -1, ID: p.cls, Special: true})
		}
		for _, q := range t.Parts {
			q.Special = false // the reference replaces the mask
			parts = append(parts, q)
		}
		parts = append(parts, Part{Text: -1, ID: p.sep, TypeID: int32(min(i, 1)), Special: true})
		out = append(out, Assembly{Parts: parts})
	}
	return out, nil
}

func (p bertProcessing) added(pair bool) int {
	if pair {
		return 3
	}
	return 2
}

// robertaProcessing is the post-processor RobertaProcessing: <s> A </s>, or <s> A </s></s> B </s>. All
// types are 0, even without special tokens.
type robertaProcessing struct{ sep, cls int32 }

// NewRoberta returns RobertaProcessing with the ids of its special tokens.
func NewRoberta(cls, sep int32) PostProcessor { return robertaProcessing{sep: sep, cls: cls} }

func (p robertaProcessing) process(texts []Assembly, special bool) ([]Assembly, error) {
	var out []Assembly
	for i, t := range texts {
		first := p.cls
		if i > 0 {
			first = p.sep
		}
		var parts []Part
		if special {
			parts = append(parts, Part{Text: -1, ID: first, Special: true})
		}
		for _, q := range t.Parts {
			q.TypeID, q.Special = 0, q.Special && !special
			parts = append(parts, q)
		}
		if special {
			parts = append(parts, Part{Text: -1, ID: p.sep, Special: true})
		}
		out = append(out, Assembly{Parts: parts})
	}
	return out, nil
}

func (p robertaProcessing) added(pair bool) int {
	if pair {
		return 4
	}
	return 2
}

// tokenWithID reads a member such as ["[SEP]", 102] and returns the id.
func tokenWithID(o *jsonobject.Object, name string) int32 {
	list := o.List(name)
	if o.Err() != nil {
		return 0
	}
	if len(list) != 2 {
		o.Fail(name, "is not a list of a token and its id", nil)
		return 0
	}
	var token *string
	if err := json.Unmarshal(list[0], &token); err != nil || token == nil {
		o.Fail(name, "does not start with a token", err)
	}
	id, err := strconv.ParseUint(string(bytes.TrimSpace(list[1])), 10, 31)
	if err != nil {
		o.Fail(name, "does not end with a token id", err)
	}
	return int32(id)
}
