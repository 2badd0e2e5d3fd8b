package folder

import (
	"fmt"
	"slices"

	"kenserve/internal/settings"
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
	Settings      Settings
}

// Tables of tokenizer.json.
var (
	// Table are its members.
	Table = settings.Table(slices.Concat(
		usedAll([]string{"version", "added_tokens", "normalizer", "pre_tokenizer", "model", "post_processor", "truncation", "padding"}),
		settings.Harmless(decodingOnly, "decoder"),
	))
	// TruncationTable and PaddingTable are those of its members truncation and padding.
	TruncationTable = settings.Table(slices.Concat(
		usedAll([]string{"direction"}), settings.Harmless(callDecides, "max_length", "strategy", "stride"),
	))
	PaddingTable = settings.Table(slices.Concat(
		usedAll([]string{"pad_token"}), settings.Harmless(neverPadded, "strategy", "direction", "pad_to_multiple_of", "pad_id", "pad_type_id"),
	))
	flagTable = addedtoken.Flags
)

// Parse reads the contents of a tokenizer.json.
func Parse(data []byte) (Components, error) { return Files{tokenizerJSON: data}.parse() }

// parse reads a tokenizer.json, over which settings of the other files win.
func (f Files) parse() (Components, error) {
	var c Components
	file := jsonobject.NewFile(tokenizerJSON)
	files := []*jsonobject.File{file}
	whole, err := file.Parse(f[tokenizerJSON])
	if err != nil {
		return c, err
	}
	o := whole.Object(Table)
	if version := o.StringOr("version", "1.0"); version != "1.0" {
		o.Fail("version", fmt.Sprintf("is %q; only 1.0 is supported", version), nil)
	}
	added, normal, pre, post := o.Member("added_tokens"), o.Member("normalizer"), o.Member("pre_tokenizer"), o.Member("post_processor")
	truncation, padding := o.Member("truncation"), o.Member("padding")
	modelValue := o.Required("model")
	if err := o.Close(); err != nil {
		return c, err
	}
	config, err := f.openConfig("", &files)
	if err != nil {
		return c, err
	}
	c.Settings = config.settings()
	wins := config.overrides(f[tokenizerConfig] != nil || f[modelConfig] != nil)
	var padToken *string
	if padToken, err = c.Settings.readSections(truncation, padding, config); err != nil {
		return c, err
	}

	raw, err := wins.normalize(normal.Raw())
	if err != nil {
		return c, err
	}
	if c.Normalizer, err = normalizer.Parse(normal.WithRaw(raw)); err != nil {
		return c, err
	}
	if raw, err = wins.preTokenize(pre.Raw()); err != nil {
		return c, err
	}
	if c.PreTokenizer, err = pretokenizer.Parse(pre.WithRaw(raw)); err != nil {
		return c, err
	}
	if c.Model, err = model.Parse(modelValue); err != nil {
		return c, err
	}
	own, err := addedtoken.Parse(added, c.Model)
	if err != nil {
		return c, err
	}
	vocabulary := addedtoken.NewVocabulary(own, c.Model)
	byRole, err := f.addTokens(vocabulary, own, config, padToken, &files)
	if err != nil {
		return c, err
	}
	c.AddedTokens = vocabulary.Tokens()
	if c.PostProcessor, err = postprocessor.Parse(post); err != nil {
		return c, err
	}
	if c.PostProcessor, err = wins.postProcessor(c.PostProcessor, byRole, vocabulary.ID); err != nil {
		return c, err
	}
	return c, c.finish(config, files)
}

// readSections reads the members truncation and padding of a tokenizer.json. It returns the padding token.
func (s *Settings) readSections(truncation, padding jsonobject.Value, c config) (padToken *string, err error) {
	if !truncation.Absent() {
		o := truncation.Object(TruncationTable)
		direction := o.OptionalString("direction")
		// Unlike tokenizer_config.json, it writes capital letters.
		if direction != nil && *direction != "Left" && *direction != "Right" {
			o.Fail("direction", fmt.Sprintf("is %q, not Left or Right", *direction), nil)
		}
		if err := o.Close(); err != nil {
			return nil, err
		}
		if !c.hasSide && direction != nil {
			s.TruncateLeft = *direction == "Left"
		}
	}
	if padding.Absent() {
		return nil, nil
	}
	o := padding.Object(PaddingTable)
	padToken = o.OptionalString("pad_token")
	return padToken, o.Close()
}

// finish ends the reading of all files.
func (c *Components) finish(config config, files []*jsonobject.File) error {
	if err := config.object.Close(); err != nil {
		return err
	}
	for _, file := range files {
		if u := file.Unknown(); len(u.Names) > 0 {
			c.Settings.Unknown = append(c.Settings.Unknown, u)
		}
	}
	return nil
}
