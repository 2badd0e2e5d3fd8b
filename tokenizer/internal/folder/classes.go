package folder

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"kenserve/tokenizer/internal/addedtoken"
)

// classText lists the tokenizer classes of transformers, without the suffix Fast. Each line has fields that
// tabs separate:
//
//	types CLASS ROLE=TOKEN ...   a class whose models get token type ids, with its special tokens
//	plain CLASS ROLE=TOKEN ...   a class whose models get none, so that all are 0
//	models CLASS TYPE ...        the model_types that have this class by default
//	python CLASS                 a class that splits texts in Python
//	other CLASS                  a class that needs other packages or files
//
// ROLE:FLAGS=TOKEN is a token that the class gives flags of its own if the settings have a plain string.
//
//go:embed classes.txt
var classText string

// A knownClass is a class of transformers that reads a tokenizer.json.
type knownClass struct {
	name    string
	typeIDs bool                        // the model gets token type ids
	tokens  map[string]addedtoken.Token // special tokens by role; their ID is -1
	flagged map[string]bool             // the roles whose tokens have the flags in tokens although they are a string
}

// classTable are the classes of classText.
type classTable struct {
	known  map[string]*knownClass
	models map[string]string // by model_type: the class
	python map[string]bool
	other  map[string]bool
}

var loadClasses = sync.OnceValue(func() classTable {
	t := classTable{map[string]*knownClass{}, map[string]string{}, map[string]bool{}, map[string]bool{}}
	for line := range strings.Lines(classText) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch name := fields[len(fields[:min(len(fields), 2)])-1]; fields[0] {
		case "types", "plain":
			c := &knownClass{name: name, typeIDs: fields[0] == "types", tokens: map[string]addedtoken.Token{}, flagged: map[string]bool{}}
			for _, f := range fields[2:] {
				role, content, _ := strings.Cut(f, "=")
				role, flags, flagged := strings.Cut(role, ":")
				c.flagged[role] = flagged
				c.tokens[role] = addedtoken.Token{ID: -1, Content: content, LStrip: strings.Contains(flags, "lstrip"), Normalized: strings.Contains(flags, "normalized")}
			}
			t.known[name] = c
		case "models":
			for _, model := range fields[2:] {
				t.models[model] = name
			}
		case "python":
			t.python[name] = true
		case "other":
			t.other[name] = true
		}
	}
	// transformers 5 writes the name of its base class. Unlike that of 4, it gives models no token type ids
	// unless model_input_names asks for them.
	t.known["TokenizersBackend"] = &knownClass{name: "TokenizersBackend"}
	return t
})

// The classes of transformers 4.57 that change a tokenizer.json by more than special tokens.
var (
	// bertLike give BertNormalizer the settings do_lower_case, strip_accents and tokenize_chinese_chars.
	bertLike = []string{
		"BertTokenizer", "ConvBertTokenizer", "DPRQuestionEncoderTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "FunnelTokenizer",
		"LayoutLMTokenizer", "LxmertTokenizer", "MobileBertTokenizer", "RealmTokenizer", "RetriBertTokenizer", "SqueezeBertTokenizer",
	}
	// caseOnly give it do_lower_case and strip_accents.
	caseOnly = []string{"MPNetTokenizer", "SplinterTokenizer"}
	// prefixEverywhere switch add_prefix_space on at any depth of the pre-tokenizer.
	prefixEverywhere = []string{"BloomTokenizer", "CohereTokenizer"}
	// ownTemplate make the post-processor from add_bos_token and add_eos_token. The value says whether
	// add_bos_token is true by default; add_eos_token is not.
	ownTemplate = map[string]bool{"LlamaTokenizer": true, "GemmaTokenizer": true, "CohereTokenizer": true, "GPTNeoXTokenizer": false}
	// refused are classes that change it in other ways.
	refused = map[string]string{
		"CodeLlamaTokenizer": "it adds tokens for filling text in", "LayoutLMv2Tokenizer": "it needs the places of words on a page", "LayoutLMv3Tokenizer": "it needs the places of words on a page",
		"LayoutXLMTokenizer": "it needs the places of words on a page", "UdopTokenizer": "it needs the places of words on a page",
		"MBartTokenizer": "it adds the token of a language", "MBart50Tokenizer": "it adds the token of a language", "NllbTokenizer": "it adds the token of a language",
		"SeamlessM4TTokenizer": "it adds the token of a language", "WhisperTokenizer": "it adds the token of a language",
		"T5Tokenizer": "it adds 100 tokens of its own", "MT5Tokenizer": "it adds 100 tokens of its own", "PegasusTokenizer": "it adds 100 tokens of its own",
	}
)

// Reasons why the classes of classText with "python" and "other" are refused.
const (
	inPython  = "it splits texts by Python code"
	otherCode = "it needs code that is not implemented"
)

// remedy is what to do about a class that is not supported.
const remedy = `if the model was trained with what tokenizer.json alone describes, set tokenizer_class to "PreTrainedTokenizerFast"`

// find returns the class of that name, without the suffix Fast. file is where the name stands.
func (t classTable) find(name, file string) (*knownClass, error) {
	c, reason := t.known[name], refused[name]
	switch {
	case t.python[name]:
		reason = inPython
	case t.other[name]:
		reason = otherCode
	case reason == "" && c != nil:
		return c, nil
	case reason == "":
		reason = "transformers 4.57 has no such class"
	}
	return nil, fmt.Errorf("%s: member \"tokenizer_class\" is %q, which is not supported: %s; %s", file, name, reason, remedy)
}

// is tells whether the class has one of the names.
func (c *knownClass) is(names []string) bool { return c != nil && slices.Contains(names, c.name) }

// A ClassGroup are the classes with one treatment, for the documentation.
type ClassGroup struct {
	What  string
	Names []string // sorted
}

// Classes lists all classes of transformers by what becomes of a folder that names them.
func Classes() []ClassGroup {
	t := loadClasses()
	var groups []ClassGroup
	add := func(what, name string) {
		i := slices.IndexFunc(groups, func(g ClassGroup) bool { return g.What == what })
		if i < 0 {
			i = len(groups)
			groups = append(groups, ClassGroup{What: what})
		}
		groups[i].Names = append(groups[i].Names, name)
	}
	for _, name := range slices.Sorted(maps.Keys(t.known)) {
		if refused[name] == "" {
			add("read", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		if !t.python[name] {
			add("refused: "+refused[name], name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.python)) {
		add("refused: "+inPython, name)
	}
	for _, name := range slices.Sorted(maps.Keys(t.other)) {
		add("refused: "+otherCode, name)
	}
	return groups
}
