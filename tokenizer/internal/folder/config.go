package folder

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"kenserve/internal/settings"
	"kenserve/tokenizer/internal/jsonobject"
)

// Settings are what the files say besides the stages.
type Settings struct {
	MaxLength    int  // number of tokens to which texts are truncated; 0: the files do not say it
	TruncateLeft bool // truncation drops the first tokens
	NoTypeIDs    bool // the model gets no token type ids: all are 0
	SplitSpecial bool // special tokens in a text are ordinary text
	Unknown      []settings.Unknown
}

// Reasons why a setting changes nothing.
const (
	decodingOnly = "it is for turning ids into text"
	pythonOnly   = "only the tokenizers that split texts in Python read it"
	otherClasses = "the tokenizer's class does not read it"
	neverPadded  = "texts are not padded"
	callDecides  = "as in transformers, the call decides: longest_first, and no stride"
	chatOnly     = "it is for chats"
	origin       = "it says where the file comes from"
	convertsOnly = "only the conversion of a vocabulary without tokenizer.json by other classes reads it"
)

// ConfigTable are the settings of tokenizer_config.json for every class.
var ConfigTable = settings.Table(slices.Concat(
	[]settings.Setting{
		settings.Used("tokenizer_class"), settings.Used("model_max_length"), settings.Used("max_len"), settings.Used("truncation_side"),
		settings.Used("model_input_names"), settings.Used("added_tokens_decoder"), settings.Used("additional_special_tokens"),
		settings.Used("extra_special_tokens"), settings.Used("split_special_tokens"), settings.Used("add_prefix_space"),
		settings.Refused("fix_mistral_regex", "save the tokenizer after transformers has mended its expression", "false"),
		settings.Refused("init_inputs", "give the settings by name", "[]"),
		settings.Refused("gguf_file", "save the tokenizer as tokenizer.json"),
	},
	usedAll(roles),
	settings.Harmless(otherClasses, classSettings...),
	settings.Harmless(decodingOnly, "clean_up_tokenization_spaces", "errors", "spaces_between_special_tokens", "skip_special_tokens"),
	settings.Harmless("it changes offsets of tokens, not ids", "trim_offsets"),
	settings.Harmless(pythonOnly, "do_basic_tokenize", "never_split", "clean_text", "wordpieces_prefix", "sp_model_kwargs", "legacy", "use_fast", "from_slow", "slow_tokenizer_class", "sp_model", "max_input_chars_per_word"),
	settings.Harmless(convertsOnly, "keep_accents", "remove_space", "vocab_type", "extra_ids", "offset"),
	settings.Harmless(neverPadded, "padding_side", "padding", "pad_to_multiple_of", "pad_token_type_id", "pad_token_id"),
	settings.Harmless(callDecides, "truncation_strategy", "truncation", "stride", "max_length"),
	settings.Harmless(chatOnly, "chat_template", "response_schema", "response_template", "default_chat_template", "use_default_system_prompt"),
	settings.Harmless("it is for images and sound, or for generated text", "processor_class", "feature_extractor_type", "image_processor_type", "return_tensors", "return_token_type_ids", "return_attention_mask", "verbose"),
	settings.Harmless("the classes of transformers are implemented here; code of the folder is not run", "auto_map", "backend", "trust_remote_code"),
	settings.Harmless(origin, "name_or_path", "_name_or_path", "_commit_hash", "special_tokens_map_file", "tokenizer_file", "vocab_file", "merges_file", "full_tokenizer_file", "added_tokens_file", "transformers_version", "tokenizer_type", "is_local", "local_files_only", "_is_local", "_from_auto", "language", "device_map"),
))

// classSettings are settings that some classes read.
var classSettings = []string{"do_lower_case", "strip_accents", "tokenize_chinese_chars", "split_by_punct", "add_bos_token", "add_eos_token"}

// ClassTables are the settings of tokenizer_config.json that classes read besides those of every class, by
// what they do.
var ClassTables = []struct {
	Classes     []string
	OnlyWithout bool // only in a folder without tokenizer.json
	Table       settings.Table
}{
	{Classes: bertLike, Table: usedAll([]string{"do_lower_case", "strip_accents", "tokenize_chinese_chars"})},
	{Classes: caseOnly, Table: usedAll([]string{"do_lower_case", "strip_accents"})},
	{Classes: []string{"CohereTokenizer", "GPTNeoXTokenizer", "GemmaTokenizer", "LlamaTokenizer"}, Table: usedAll([]string{"add_bos_token", "add_eos_token"})},
	{Classes: []string{"DebertaV2Tokenizer"}, OnlyWithout: true, Table: usedAll([]string{"do_lower_case", "split_by_punct"})},
}

func usedAll(names []string) settings.Table {
	var t settings.Table
	for _, name := range names {
		t = append(t, settings.Used(name))
	}
	return t
}

// MapTable are the settings of special_tokens_map.json.
var MapTable = append(usedAll(roles), settings.Used("additional_special_tokens"), settings.Used("extra_special_tokens"))

// tokenTable are the members of a token in tokenizer_config.json and special_tokens_map.json.
var tokenTable = append(slices.Clone(flagTable), settings.Harmless("the token's other members say what it is", "__type", "id")...)

// A config is tokenizer_config.json, with the class that reads it.
type config struct {
	class   *knownClass // nil: the files do not name one
	object  *jsonobject.Object
	hasSide bool // it has truncation_side
}

// open opens a JSON file. A missing file has no members.
func (f Files) open(name string, files *[]*jsonobject.File, tables ...settings.Table) (*jsonobject.Object, error) {
	if f[name] == nil {
		return jsonobject.Empty(name), nil
	}
	file := jsonobject.NewFile(name)
	*files = append(*files, file)
	v, err := file.Parse(f[name])
	if err != nil {
		return nil, err
	}
	var o *jsonobject.Object
	if tables == nil {
		o = v.Map()
	} else {
		o = v.Object(tables...)
	}
	return o, o.Err()
}

// openConfig opens tokenizer_config.json for the class of the tokenizer, which is otherwise if the files do
// not name one; otherwise may be empty. It refuses classes that are not supported.
func (f Files) openConfig(otherwise string, files *[]*jsonobject.File) (config, error) {
	name, file, err := f.className()
	if err != nil {
		return config{}, err
	}
	classes := loadClasses()
	var c config
	if name == "" {
		name, file = cmp.Or(classes.models[f.modelType()], otherwise), modelConfig
	}
	if name != "" {
		if c.class, err = classes.find(name, file); err != nil {
			return c, err
		}
	}
	var tables []settings.Table
	for _, t := range ClassTables {
		if c.class.is(t.Classes) && (!t.OnlyWithout || f[tokenizerJSON] == nil) {
			tables = append(tables, t.Table)
		}
	}
	// transformers also writes extra tokens as members of their own.
	var extra settings.Table
	var peek struct {
		Extra map[string]json.RawMessage `json:"extra_special_tokens"`
	}
	if json.Unmarshal(f[tokenizerConfig], &peek) == nil {
		for name := range peek.Extra {
			extra = append(extra, settings.Harmless("extra_special_tokens has it", name)...)
		}
	}
	if c.object, err = f.open(tokenizerConfig, files, append(tables, ConfigTable, extra)...); err != nil {
		return c, err
	}
	c.hasSide = c.object.Has("truncation_side") && !c.object.IsNull("truncation_side")
	return c, nil
}

// className returns the name of the tokenizer's class without "Fast", as AutoTokenizer finds it: the
// tokenizer_class of tokenizer_config.json, or else of config.json; empty if neither has one. The file
// is the one that has it.
func (f Files) className() (name, file string, err error) {
	for _, file := range []string{tokenizerConfig, modelConfig} {
		var ignored []*jsonobject.File
		o, err := f.open(file, &ignored)
		if err != nil {
			if file == modelConfig {
				continue // another package reads config.json and reports its errors
			}
			return "", "", err
		}
		if o.Has("tokenizer_class") && !o.IsNull("tokenizer_class") {
			name := o.String("tokenizer_class")
			return strings.TrimSuffix(name, "Fast"), file, o.Err()
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

// settings reads the settings besides stages and tokens.
func (c config) settings() Settings {
	var s Settings
	o := c.object
	o.OptionalString("tokenizer_class") // className has read it
	s.MaxLength = maxLength(o, "model_max_length")
	if old := maxLength(o, "max_len"); s.MaxLength == 0 { // its old name
		s.MaxLength = old
	}
	s.TruncateLeft = side(o, "truncation_side", false)
	if split := o.OptionalBool("split_special_tokens"); split != nil {
		s.SplitSpecial = *split
	}
	s.NoTypeIDs = c.class != nil && !c.class.typeIDs
	if o.Has("model_input_names") && !o.IsNull("model_input_names") {
		s.NoTypeIDs = !slices.Contains(o.Strings("model_input_names"), "token_type_ids")
	} else {
		o.Member("model_input_names")
	}
	return s
}

// side reads a member that is "left" or "right". It returns whether it is left, or otherwise if the member
// is missing.
func side(o *jsonobject.Object, name string, otherwise bool) bool {
	s := o.OptionalString(name)
	if s == nil {
		return otherwise
	}
	if *s != "left" && *s != "right" {
		o.Fail(name, fmt.Sprintf("is %q, not left or right", *s), nil)
	}
	return *s == "left"
}

// largeInteger is the number above which model_max_length means that there is no limit: transformers writes
// int(1e30) for that.
const largeInteger = 1e20

// maxLength reads a number of tokens. It returns 0 if the member is missing, null or says that there is no
// limit.
func maxLength(o *jsonobject.Object, name string) int {
	v := o.Member(name)
	if v.Absent() {
		return 0
	}
	// A number that is too large for a float64 becomes infinite.
	number, err := strconv.ParseFloat(strings.TrimSpace(string(v.Raw())), 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange), number < 1, number != math.Trunc(number):
		o.Fail(name, fmt.Sprintf("is %.40s, not a number of tokens above 0", v.Raw()), nil)
		return 0
	case number > largeInteger:
		return 0
	}
	return int(min(number, math.MaxInt32))
}
