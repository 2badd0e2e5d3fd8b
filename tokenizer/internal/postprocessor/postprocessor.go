package postprocessor

import (
	"kenserve/internal/settings"
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

// Types are the post-processors of the reference, with their settings.
var Types = []jsonobject.Type{
	{Name: "Sequence", Settings: settings.Table{settings.Used("processors")}},
	{Name: "TemplateProcessing", Settings: settings.Table{settings.Used("single"), settings.Used("pair"), settings.Used("special_tokens")}},
	{Name: "BertProcessing", Settings: settings.Table{settings.Used("sep"), settings.Used("cls")}},
	{Name: "RobertaProcessing", Settings: append(settings.Table{settings.Used("sep"), settings.Used("cls")},
		settings.Harmless(offsetsOnly, "trim_offsets", "add_prefix_space")...)},
	{Name: "ByteLevel", Settings: settings.Harmless(offsetsOnly, "trim_offsets", "add_prefix_space", "use_regex")},
}

const offsetsOnly = "it changes offsets of tokens, not ids"

// Parse reads a post-processor of a tokenizer.json. v is null or missing for none.
func Parse(v jsonobject.Value) (PostProcessor, error) {
	o, err := v.Typed(Types)
	if o == nil || err != nil {
		return nil, err
	}
	var p PostProcessor
	switch o.Type() {
	case "Sequence":
		var steps processorSequence
		for _, element := range o.Values("processors") {
			inner, err := Parse(element)
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
	case "ByteLevel":
		p = processorSequence{}
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
