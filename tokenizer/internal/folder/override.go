package folder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// bertLike are the classes of transformers whose fast tokenizers give the normalizer of tokenizer.json
// the settings of tokenizer_config.json (BertTokenizerFast.__init__ and its copies), without "Fast".
var bertLike = []string{
	"BertTokenizer", "ConvBertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "FunnelTokenizer",
	"LayoutLMTokenizer", "LxmertTokenizer", "MobileBertTokenizer", "SqueezeBertTokenizer",
}

// bertLikeModels are the types of models that have such a class by default.
var bertLikeModels = []string{
	"bert", "convbert", "distilbert", "electra", "ernie", "layoutlm", "lxmert", "megatron-bert", "mobilebert",
	"nezha", "qdqbert", "squeezebert",
}

// slowOnly are the classes of transformers 4.57 that have no fast tokenizer: they split texts in Python,
// and a tokenizer.json beside them is not what they compute.
var slowOnly = []string{
	"BartphoTokenizer", "BertJapaneseTokenizer", "BertweetTokenizer", "BioGptTokenizer", "BlenderbotSmallTokenizer",
	"ByT5Tokenizer", "CTRLTokenizer", "CanineTokenizer", "CpmAntTokenizer", "EsmTokenizer", "FSMTTokenizer",
	"FlaubertTokenizer", "GPTNeoXJapaneseTokenizer", "GPTSanJapaneseTokenizer", "LukeTokenizer", "MLukeTokenizer",
	"MyT5Tokenizer", "PerceiverTokenizer", "PhobertTokenizer", "ProphetNetTokenizer", "RoCBertTokenizer",
	"TapasTokenizer", "TransfoXLTokenizer", "XLMProphetNetTokenizer", "XLMTokenizer",
}

// className returns the name of the tokenizer's class without "Fast", as AutoTokenizer finds it: the
// tokenizer_class of tokenizer_config.json, or else of config.json; empty if neither has one. The file
// is the one that has it.
func (f Files) className() (name, file string, err error) {
	for _, file := range []string{tokenizerConfig, modelConfig} {
		settings, err := readSettings(file, f[file])
		if err != nil {
			if file == modelConfig {
				continue // another package reads config.json and reports its errors
			}
			return "", "", err
		}
		if settings.Has("tokenizer_class") && !settings.IsNull("tokenizer_class") {
			name := settings.String("tokenizer_class")
			return strings.TrimSuffix(name, "Fast"), file, settings.Err()
		}
	}
	return "", "", nil
}

// modelType returns the model_type of config.json, empty if there is none.
func (f Files) modelType() string {
	var model struct {
		Type string `json:"model_type"`
	}
	if json.Unmarshal(f[modelConfig], &model) != nil {
		return "" // another package reads config.json and reports its errors
	}
	return model.Type
}

// overrides are the settings of tokenizer_config.json that win over tokenizer.json.
type overrides struct {
	bert         bool // the normalizer gets the three settings below
	lowercase    bool
	stripAccents *bool
	chinese      bool
	prefixSpace  *bool // add_prefix_space of a byte-level pre-tokenizer; nil: as in tokenizer.json
}

// overrides reads them. Files that are absent leave tokenizer.json as it is.
func (f Files) overrides() (overrides, error) {
	var o overrides
	name, file, err := f.className()
	if err != nil {
		return o, err
	}
	if slices.Contains(slowOnly, name) {
		return o, fmt.Errorf("%s: member \"tokenizer_class\" is %q, which splits texts by Python code and is not supported", file, name)
	}
	if f[tokenizerConfig] == nil && f[modelConfig] == nil {
		return o, nil
	}
	settings, err := readSettings(tokenizerConfig, f[tokenizerConfig])
	if err != nil {
		return o, err
	}
	if split := settings.OptionalBool("split_special_tokens"); split != nil && *split {
		settings.Fail("split_special_tokens", "is true, which is not supported", nil)
	}
	o.bert = slices.Contains(bertLike, name) || name == "" && slices.Contains(bertLikeModels, f.modelType())
	o.lowercase, o.chinese = true, true // the classes' defaults
	if v := settings.OptionalBool("do_lower_case"); v != nil {
		o.lowercase = *v
	}
	if v := settings.OptionalBool("tokenize_chinese_chars"); v != nil {
		o.chinese = *v
	}
	o.stripAccents = settings.OptionalBool("strip_accents")
	if f[tokenizerConfig] != nil {
		prefix := false
		if v := settings.OptionalBool("add_prefix_space"); v != nil {
			prefix = *v
		}
		o.prefixSpace = &prefix
	}
	return o, settings.Err()
}

// normalizer returns the normalizer of tokenizer.json with the settings of the class. A normalizer
// without such a member, a Sequence among them, stays as it is.
func (o overrides) normalizer(raw json.RawMessage) (json.RawMessage, error) {
	if !o.bert {
		return raw, nil
	}
	return setMembers(raw, map[string]any{"lowercase": o.lowercase, "strip_accents": o.stripAccents, "handle_chinese_chars": o.chinese})
}

// preTokenizer returns the pre-tokenizer of tokenizer.json with add_prefix_space of the settings. A
// Sequence stays as it is, and a Metaspace has other members.
func (o overrides) preTokenizer(raw json.RawMessage) (json.RawMessage, error) {
	var head struct {
		Type string `json:"type"`
	}
	if o.prefixSpace == nil || raw == nil || json.Unmarshal(raw, &head) != nil || head.Type != "ByteLevel" {
		return raw, nil
	}
	return setMembers(raw, map[string]any{"add_prefix_space": *o.prefixSpace})
}

// setMembers sets members of an object that has them all. Anything else it returns as it is.
func setMembers(raw json.RawMessage, values map[string]any) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if raw == nil || json.Unmarshal(raw, &members) != nil || members == nil {
		return raw, nil // the stage's own reader reports it
	}
	for name := range values {
		if _, ok := members[name]; !ok {
			return raw, nil
		}
	}
	changed := false
	for name, value := range values {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(bytes.TrimSpace(members[name]), text) {
			members[name], changed = text, true
		}
	}
	if !changed {
		return raw, nil
	}
	return json.Marshal(members)
}
