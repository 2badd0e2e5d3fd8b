package tokenizer

import (
	"encoding/json"
	"fmt"

	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/model"
)

// A part is one stretch of a finished encoding: a special token, or all tokens of one of the texts.
type part struct {
	text   int   // 0: the first text, 1: the second, -1: a special token
	id     int32 // the special token's id
	typeID int32
	masked bool // whether the special-token mask is set
}

// An assembly is the order in which the tokens of a text, or of a pair of texts, and special tokens
// make up an encoding.
type assembly struct {
	parts []part
	added int // how many special tokens there are
}

// A postProcessor adds special tokens and sets type ids. What it does depends on the tokens in no
// way, so it works once, when the tokenizer is loaded, on assemblies instead of encodings.
type postProcessor interface {
	// process returns what becomes of texts. The result may have any length; it is joined in
	// the end.
	process(texts []assembly, special bool) ([]assembly, error)
	// added returns how many special tokens the reference reserves in a truncation.
	added(pair bool) int
}

// newAssembly returns how p, nil for none, assembles one text or a pair, with special tokens or
// without.
func newAssembly(p postProcessor, pair, special bool) (assembly, error) {
	texts := []assembly{{parts: []part{{text: 0}}}}
	if pair {
		texts = append(texts, assembly{parts: []part{{text: 1, typeID: 1}}})
	}
	var err error
	if p != nil {
		if texts, err = p.process(texts, special); err != nil {
			return assembly{}, err
		}
	}
	var whole assembly
	var uses [2]int
	for _, t := range texts {
		whole.parts = append(whole.parts, t.parts...)
	}
	for _, q := range whole.parts {
		if q.text < 0 {
			whole.added++
		} else {
			uses[q.text]++
		}
	}
	// The reference would go on and exceed the length it truncates to.
	if uses[0] > 1 || uses[1] > 1 {
		return assembly{}, fmt.Errorf("a text is used twice")
	}
	if p != nil && special && whole.added != p.added(pair) {
		return assembly{}, fmt.Errorf("%d special tokens are added, %d reserved", whole.added, p.added(pair))
	}
	return whole, nil
}

// parsePostProcessor reads a post_processor section, null for none.
func parsePostProcessor(at string, raw []byte, depth int) (postProcessor, error) {
	o, err := jsonobject.ReadTyped(at, raw, depth)
	if o == nil {
		return nil, err
	}
	var p postProcessor
	switch o.Type() {
	case "Sequence":
		var steps processorSequence
		for i, raw := range o.List("processors") {
			inner, err := parsePostProcessor(fmt.Sprintf("%s.processors[%d]", at, i), raw, depth+1)
			if err != nil {
				return nil, err
			}
			if inner != nil {
				steps = append(steps, inner)
			}
		}
		p = steps
	case "TemplateProcessing":
		p, err = parseTemplate(o)
	case "BertProcessing":
		p = bertProcessing{sep: readTokenWithID(o, "sep"), cls: readTokenWithID(o, "cls")}
	case "RobertaProcessing":
		p = robertaProcessing{sep: readTokenWithID(o, "sep"), cls: readTokenWithID(o, "cls")}
		// These say where tokens lie in the text, not what they are.
		o.Bool("trim_offsets")
		o.Bool("add_prefix_space")
	case "ByteLevel":
		p = processorSequence{}
		o.Bool("trim_offsets")
		o.Bool("add_prefix_space")
		o.BoolOr("use_regex", true)
	default:
		return nil, o.UnknownType()
	}
	if err == nil {
		err = o.Close()
	}
	return p, err
}

// processorSequence is Sequence: one post-processor after another.
type processorSequence []postProcessor

func (p processorSequence) process(texts []assembly, special bool) ([]assembly, error) {
	for _, step := range p {
		var err error
		if texts, err = step.process(texts, special); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

func (p processorSequence) added(pair bool) int {
	n := 0
	for _, step := range p {
		n += step.added(pair)
	}
	return n
}

// bertProcessing is BertProcessing: [CLS] A [SEP], or [CLS] A [SEP] B [SEP] with type 1 from B on.
type bertProcessing struct{ sep, cls int32 }

func (p bertProcessing) process(texts []assembly, special bool) ([]assembly, error) {
	if !special {
		return texts, nil
	}
	var out []assembly
	for i, t := range texts {
		var parts []part
		if i == 0 {
			parts = append(parts, part{text: -1, id: p.cls, masked: true})
		}
		for _, q := range t.parts {
			q.masked = false // the mask is new, whatever was there before
			parts = append(parts, q)
		}
		parts = append(parts, part{text: -1, id: p.sep, typeID: int32(min(i, 1)), masked: true})
		out = append(out, assembly{parts: parts})
	}
	return out, nil
}

func (p bertProcessing) added(pair bool) int {
	if pair {
		return 3
	}
	return 2
}

// robertaProcessing is RobertaProcessing: <s> A </s>, or <s> A </s></s> B </s>. All types are 0, also
// where no special tokens are added.
type robertaProcessing struct{ sep, cls int32 }

func (p robertaProcessing) process(texts []assembly, special bool) ([]assembly, error) {
	var out []assembly
	for i, t := range texts {
		first := p.cls
		if i > 0 {
			first = p.sep
		}
		var parts []part
		if special {
			parts = append(parts, part{text: -1, id: first, masked: true})
		}
		for _, q := range t.parts {
			q.typeID, q.masked = 0, q.masked && !special
			parts = append(parts, q)
		}
		if special {
			parts = append(parts, part{text: -1, id: p.sep, masked: true})
		}
		out = append(out, assembly{parts: parts})
	}
	return out, nil
}

func (p robertaProcessing) added(pair bool) int {
	if pair {
		return 4
	}
	return 2
}

// readTokenWithID reads a field such as ["[SEP]", 102] and returns the id.
func readTokenWithID(o *jsonobject.Object, name string) int32 {
	raw := o.Take(name)
	if o.Err() != nil {
		return 0
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil || len(list) != 2 {
		o.Fail(name, "is not a token and its id", err)
		return 0
	}
	var token string
	var id model.ID
	if err := json.Unmarshal(list[0], &token); err != nil || jsonobject.IsNull(list[0]) {
		o.Fail(name, "does not start with a token", err)
	}
	if err := json.Unmarshal(list[1], &id); err != nil {
		o.Fail(name, "does not end with an id", err)
	}
	return int32(id)
}
