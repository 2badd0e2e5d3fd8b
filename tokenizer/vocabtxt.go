package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A vocabularyFolder holds the files that describe a BERT tokenizer without tokenizer.json. All but
// vocab may be nil. The tokenizer they make is the one that transformers' BertTokenizerFast makes of
// them.
type vocabularyFolder struct {
	vocab      []byte // vocab.txt: one token a line, ids count lines
	config     []byte // tokenizer_config.json
	specialMap []byte // special_tokens_map.json, of old folders
	added      []byte // added_tokens.json, of old folders
}

func openVocabulary(dir string) (*Tokenizer, error) {
	var f vocabularyFolder
	for name, data := range map[string]*[]byte{
		"vocab.txt":               &f.vocab,
		"tokenizer_config.json":   &f.config,
		"special_tokens_map.json": &f.specialMap,
		"added_tokens.json":       &f.added,
	} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("tokenizer: %w", err)
		}
		*data = b
	}
	if f.vocab == nil {
		return nil, fmt.Errorf("tokenizer: %s holds neither tokenizer.json nor vocab.txt: %w", dir, fs.ErrNotExist)
	}
	t, err := f.parse()
	if err != nil {
		return nil, fmt.Errorf("%w (in %s)", err, dir)
	}
	return t, nil
}

// vocabularyClasses are the tokenizer classes that are BertTokenizer by another name.
var vocabularyClasses = []string{"BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer"}

// specialTokenFields are the settings that name a special token, in the order in which those that
// vocab.txt lacks get their ids.
var specialTokenFields = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

func (f vocabularyFolder) parse() (*Tokenizer, error) {
	v, err := readVocabulary(f.vocab)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: vocab.txt: %w", err)
	}
	settings, err := readSettings("tokenizer_config.json", f.config)
	if err != nil {
		return nil, err
	}
	if class := settings.optionalString("tokenizer_class", vocabularyClasses[0]); settings.err == nil &&
		!slices.Contains(vocabularyClasses, strings.TrimSuffix(class, "Fast")) {
		settings.fail("tokenizer_class", fmt.Sprintf("is %q, which is not supported without tokenizer.json", class), nil)
	}
	if split := settings.optionalBool("split_special_tokens"); split != nil && *split {
		settings.fail("split_special_tokens", "is not supported", nil)
	}
	options := bertOptions{
		cleanText:    true,
		chineseChars: settings.boolOr("tokenize_chinese_chars", true),
		stripAccents: settings.optionalBool("strip_accents"),
		lowercase:    settings.boolOr("do_lower_case", true),
	}
	tokens, roles, err := f.specialTokens(settings)
	if err != nil {
		return nil, err
	}
	for _, role := range []string{"unk_token", "cls_token", "sep_token"} {
		if roles[role] == "" {
			settings.fail(role, "is null", nil)
		}
	}
	if settings.err != nil {
		return nil, settings.err
	}

	m, err := newWordPiece(v, roles["unk_token"], "##", 100)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: vocab.txt: %w", err)
	}
	declared := slices.Clone(tokens)
	if tokens, err = numberAddedTokens(tokens, m); err != nil {
		return nil, err
	}
	ids := make(map[string]int32)
	for i, t := range tokens {
		if want := declared[i].id; want >= 0 && want != t.id && t.content != "" {
			return nil, fmt.Errorf("tokenizer: added token %q has id %d, its place in the vocabulary is %d", t.content, want, t.id)
		}
		ids[t.content] = t.id
	}
	cls := templatePiece{text: -1, ids: []int32{ids[roles["cls_token"]]}}
	sep := templatePiece{text: -1, ids: []int32{ids[roles["sep_token"]]}}
	sepOfPair := sep
	sepOfPair.typeID = 1
	return newTokenizer(components{
		tokens:     specialFirst(tokens),
		normalizer: []normalizer{newBertNormalizer(options)},
		pre:        []preTokenizer{bertCutter(unicodeTables())},
		model:      m,
		post: template{
			single: []templatePiece{cls, {text: 0}, sep},
			pair:   []templatePiece{cls, {text: 0}, sep, {text: 1, typeID: 1}, sepOfPair},
		},
	})
}

// readVocabulary reads a vocab.txt. Lines end as Python's text files do, with a line feed, a carriage
// return or both; of a token that is there twice the last line counts.
func readVocabulary(data []byte) (vocabulary, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
	v := make(vocabulary)
	n := vocabularyID(0)
	for line := range strings.Lines(text) {
		v[strings.TrimSuffix(line, "\n")] = n
		n++
	}
	return v, v.check()
}

// readSettings reads a file with settings of which most concern others; no file has no settings.
func readSettings(name string, data []byte) (*object, error) {
	if data == nil {
		return &object{at: name}, nil
	}
	if err := checkText(data); err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", name, err)
	}
	return readObject(name, data)
}

// boolOr is otherwise for a field that is missing.
func (o *object) boolOr(name string, otherwise bool) bool {
	if !o.has(name) {
		return otherwise
	}
	return o.bool(name)
}

// specialTokens returns the added tokens, with the ids that they are declared to have or -1, in the
// order in which they are added, and the special tokens by the settings that name them.
func (f vocabularyFolder) specialTokens(settings *object) ([]addedToken, map[string]string, error) {
	modern := settings.has("added_tokens_decoder")
	var declared []addedToken
	if modern {
		list := settings.object("added_tokens_decoder")
		for _, name := range list.names() {
			id, err := strconv.ParseUint(name, 10, 31)
			if err != nil {
				list.fail(name, "is not named after an id", nil)
			}
			t := list.token(name, false)
			t.id = int32(id)
			declared = append(declared, t)
		}
		settings.adopt(list)
	}

	// Special tokens: defaults, then the settings, then in old folders special_tokens_map.json.
	special := make(map[string]addedToken)
	for _, name := range specialTokenFields[2:] {
		content := "[" + strings.ToUpper(strings.TrimSuffix(name, "_token")) + "]"
		special[name] = addedToken{id: -1, content: content}
	}
	sources := []*object{settings}
	if !modern {
		old, err := readSettings("special_tokens_map.json", f.specialMap)
		if err != nil {
			return nil, nil, err
		}
		sources = append(sources, old)
	}
	var additional []addedToken
	for i, source := range sources {
		for _, name := range specialTokenFields {
			if !source.has(name) {
				continue
			}
			if isNull(source.fields[name]) {
				delete(special, name)
				continue
			}
			special[name] = source.token(name, i == 1)
		}
		const name = "additional_special_tokens"
		if source.has(name) && !isNull(source.fields[name]) {
			list := &object{at: source.at + "." + name, fields: make(map[string]json.RawMessage)}
			for k, raw := range source.list(name) {
				field := strconv.Itoa(k)
				list.fields[field] = raw
				additional = append(additional, list.token(field, i == 1))
			}
			source.adopt(list)
		}
		if source.err != nil {
			return nil, nil, source.err
		}
	}
	roles := make(map[string]string)
	var wanted []addedToken
	for _, name := range specialTokenFields {
		if t, ok := special[name]; ok {
			roles[name] = t.content
			wanted = append(wanted, t)
		}
	}
	wanted = append(wanted, additional...)
	isSpecial := make(map[string]bool)
	for _, t := range wanted {
		isSpecial[t.content] = true
	}

	if !modern && f.added != nil {
		old, err := readSettings("added_tokens.json", f.added)
		if err != nil {
			return nil, nil, err
		}
		for _, content := range old.names() {
			s := isSpecial[content]
			declared = append(declared, addedToken{id: int32(old.count(content)), content: content, normalized: !s, special: s})
		}
		if old.err != nil {
			return nil, nil, old.err
		}
	}

	slices.SortStableFunc(declared, func(a, b addedToken) int { return cmp.Compare(a.id, b.id) })
	var tokens []addedToken
	seen := make(map[string]bool)
	for _, t := range declared {
		t.special = t.special || isSpecial[t.content]
		seen[t.content] = true
		tokens = append(tokens, t)
	}
	for _, t := range wanted {
		if !seen[t.content] {
			t.special = true
			seen[t.content] = true
			tokens = append(tokens, t)
		}
	}
	return tokens, roles, nil
}

// token reads a field that is a token: a string, or an object with the token's flags. Its id is -1.
// Whether a token is sought in normalized text is, unless said, the opposite of whether it is known
// to be special when it is read.
func (o *object) token(name string, special bool) addedToken {
	t := addedToken{id: -1}
	if raw := o.fields[name]; !strings.HasPrefix(strings.TrimSpace(string(raw)), "{") {
		t.content = o.string(name)
		return t
	}
	f := o.object(name)
	delete(f.fields, "__type")
	t.content = f.string("content")
	t.singleWord = f.boolOr("single_word", false)
	t.lstrip = f.boolOr("lstrip", false)
	t.rstrip = f.boolOr("rstrip", false)
	t.special = f.boolOr("special", false) || special
	t.normalized = f.boolOr("normalized", !t.special)
	o.adopt(f)
	return t
}
