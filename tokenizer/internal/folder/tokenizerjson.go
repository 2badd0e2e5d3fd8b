package folder

import (
	"fmt"

	"kenserve/tokenizer/internal/addedtoken"
	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/normalizer"
	"kenserve/tokenizer/internal/postprocessor"
	"kenserve/tokenizer/internal/pretokenizer"
)

// Components are the stages of a tokenizer.
type Components struct {
	AddedTokens   []addedtoken.Token // special tokens first
	Normalizer    []normalizer.Normalizer
	PreTokenizer  []pretokenizer.PreTokenizer
	Model         model.Model
	PostProcessor postprocessor.PostProcessor // nil: none
}

// Parse reads the contents of a tokenizer.json.
func Parse(data []byte) (Components, error) { return parse(data, overrides{}) }

// parse reads the contents of a tokenizer.json, over whose stages the settings win.
func parse(data []byte, settings overrides) (Components, error) {
	var c Components
	if err := jsonobject.CheckText(data); err != nil {
		return c, fmt.Errorf("%s: %w", tokenizerJSON, err)
	}
	o, err := jsonobject.Read(tokenizerJSON, data)
	if err != nil {
		return c, err
	}
	if version := o.StringOr("version", "1.0"); version != "1.0" {
		o.Fail("version", fmt.Sprintf("is %q; only 1.0 is supported", version), nil)
	}
	// These do not change ids: the caller truncates and pads, and nothing is decoded.
	o.Ignore("truncation", "padding", "decoder")
	added := o.Optional("added_tokens")
	normalizerRaw, preRaw, postRaw := o.Optional("normalizer"), o.Optional("pre_tokenizer"), o.Optional("post_processor")
	modelRaw := o.Take("model")
	if err := o.Close(); err != nil {
		return c, err
	}

	if normalizerRaw, err = settings.normalizer(normalizerRaw); err != nil {
		return c, err
	}
	if preRaw, err = settings.preTokenizer(preRaw); err != nil {
		return c, err
	}
	if c.Model, err = model.Parse(tokenizerJSON+": model", modelRaw); err != nil {
		return c, err
	}
	if c.AddedTokens, err = addedtoken.Parse(tokenizerJSON+": added_tokens", added, c.Model); err != nil {
		return c, err
	}
	if c.Normalizer, err = normalizer.Parse(tokenizerJSON+": normalizer", normalizerRaw, 0); err != nil {
		return c, err
	}
	if c.PreTokenizer, err = pretokenizer.Parse(tokenizerJSON+": pre_tokenizer", preRaw, 0); err != nil {
		return c, err
	}
	c.PostProcessor, err = postprocessor.Parse(tokenizerJSON+": post_processor", postRaw, 0)
	return c, err
}
