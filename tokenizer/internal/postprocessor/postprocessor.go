package postprocessor

import (
	"fmt"

	"kenserve/tokenizer/internal/jsonobject"
)

// A postProcessor adds special tokens and sets type ids. What it does depends on the tokens in no
// way, so it works once, when the tokenizer is loaded, on assemblies instead of encodings.
type PostProcessor interface {
	// process returns what becomes of texts. The result may have any length; it is joined in
	// the end.
	process(texts []Assembly, special bool) ([]Assembly, error)
	// added returns how many special tokens the reference reserves in a truncation.
	added(pair bool) int
}

// parsePostProcessor reads a post_processor section, null for none.
func Parse(at string, raw []byte, depth int) (PostProcessor, error) {
	o, err := jsonobject.ReadTyped(at, raw, depth)
	if o == nil {
		return nil, err
	}
	var p PostProcessor
	switch o.Type() {
	case "Sequence":
		var steps processorSequence
		for i, raw := range o.List("processors") {
			inner, err := Parse(fmt.Sprintf("%s.processors[%d]", at, i), raw, depth+1)
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
		p = bertProcessing{sep: tokenWithID(o, "sep"), cls: tokenWithID(o, "cls")}
	case "RobertaProcessing":
		p = robertaProcessing{sep: tokenWithID(o, "sep"), cls: tokenWithID(o, "cls")}
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
type processorSequence []PostProcessor

func (p processorSequence) process(texts []Assembly, special bool) ([]Assembly, error) {
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
