package postprocessor

import (
	"fmt"

	"kenserve/tokenizer/internal/jsonobject"
)

// A PostProcessor adds special tokens and sets type ids. The result does not depend on the tokens of the
// texts. So a post-processor works on assemblies, once, when the tokenizer is loaded.
type PostProcessor interface {
	// process transforms the assemblies of the texts. The result may have any length; NewAssembly joins
	// it.
	process(texts []Assembly, special bool) ([]Assembly, error)
	// added returns the number of special tokens for which the reference reserves room in a truncation.
	added(pair bool) int
}

// Parse reads a post-processor of a tokenizer.json. raw is null for none. path is its location, for
// errors, and depth the number of Sequences around it.
func Parse(path string, raw []byte, depth int) (PostProcessor, error) {
	o, err := jsonobject.ReadTyped(path, raw, depth)
	if o == nil {
		return nil, err
	}
	var p PostProcessor
	switch o.Type() {
	case "Sequence":
		var steps processorSequence
		for i, raw := range o.List("processors") {
			inner, err := Parse(fmt.Sprintf("%s.processors[%d]", path, i), raw, depth+1)
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
		// These change offsets of tokens, not ids.
		o.Bool("trim_offsets")
		o.Bool("add_prefix_space")
	case "ByteLevel":
		p = processorSequence{}
		o.Bool("trim_offsets")
		o.Bool("add_prefix_space")
		o.BoolOr("use_regex", true)
	default:
		return nil, o.UnknownType("Sequence, TemplateProcessing, BertProcessing, RobertaProcessing and ByteLevel")
	}
	if err == nil {
		err = o.Close()
	}
	return p, err
}

// processorSequence is the post-processor Sequence. ByteLevel is an empty one, because it only changes
// offsets.
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
