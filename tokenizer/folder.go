package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"kenserve/tokenizer/internal/addedtoken"
	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/postprocessor"
)

// A folder holds the files that describe a tokenizer without tokenizer.json. Files that are not there
// are nil. The tokenizer they make is the one that transformers' fast class makes of them.
type folder struct {
	files      map[string][]byte // of the vocabulary
	config     []byte            // tokenizer_config.json
	specialMap []byte            // special_tokens_map.json, of old folders
	added      []byte            // added_tokens.json, of old folders
	model      []byte            // config.json, whose model_type tells the class if nothing else does
}

// A class is what transformers calls a tokenizer class: how a vocabulary and settings make a
// tokenizer.
type class struct {
	names      []string // without "Fast" at the end
	modelTypes []string // the models whose class it is by default
	vocabulary []string // the files that it needs
	// tokens are the special tokens by default, under the settings that name them.
	tokens map[string]addedtoken.Token
	// build reads the vocabulary and settings; special are the special tokens by the settings that
	// name them.
	build func(f folder, settings *jsonobject.Object, special map[string]string) (classParts, error)
}

// classParts are what a class makes of a vocabulary and settings.
type classParts struct {
	components // tokens are those that the vocabulary itself adds
	// post returns the post-processor; id returns the id of an added token or one of the model.
	post func(id func(token string) int32) postprocessor.PostProcessor
}

// classes are the classes that are known. Of a folder that names none the first counts whose
// vocabulary is there.
var classes = []*class{&bertClass, &robertaClass, &debertaClass, &xlmRobertaClass, &debertaV2Class}

// namedTokens returns special tokens by the settings that name them. Settings and contents take turns.
func namedTokens(list ...string) map[string]addedtoken.Token {
	m := make(map[string]addedtoken.Token)
	for i := 0; i < len(list); i += 2 {
		m[list[i]] = addedtoken.Token{ID: -1, Content: list[i+1]}
	}
	return m
}

// maxFile bounds the files of a folder.
const maxFile = 1 << 28

func openFolder(dir string) (*Tokenizer, error) {
	f := folder{files: make(map[string][]byte)}
	read := func(name string) ([]byte, error) {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err == nil && info.Size() > maxFile {
			err = fmt.Errorf("%s has %d bytes; at most %d are supported", path, info.Size(), maxFile)
		}
		if err != nil {
			return nil, err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		return b, nil
	}
	var err error
	for name, data := range map[string]*[]byte{
		"tokenizer_config.json":   &f.config,
		"special_tokens_map.json": &f.specialMap,
		"added_tokens.json":       &f.added,
		"config.json":             &f.model,
	} {
		if *data, err = read(name); err != nil {
			return nil, err
		}
	}
	var names []string
	for _, c := range classes {
		for _, name := range c.vocabulary {
			if slices.Contains(names, name) {
				continue
			}
			names = append(names, name)
			data, err := read(name)
			if err != nil {
				return nil, err
			}
			if data != nil {
				f.files[name] = data
			}
		}
	}
	if len(f.files) == 0 {
		return nil, fmt.Errorf("%s holds neither tokenizer.json nor any of %s: %w", dir, strings.Join(names, ", "), fs.ErrNotExist)
	}
	t, err := f.parse()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return t, nil
}

// class finds the tokenizer's class: by name, by the kind of model, or by the files there are.
func (f folder) class(settings *jsonobject.Object) (*class, error) {
	if settings.Has("tokenizer_class") && !settings.IsNull("tokenizer_class") {
		name := settings.String("tokenizer_class")
		if settings.Err() != nil {
			return nil, settings.Err()
		}
		for _, c := range classes {
			if slices.Contains(c.names, strings.TrimSuffix(name, "Fast")) {
				return c, f.has(c)
			}
		}
		return nil, fmt.Errorf("tokenizer_config.json: tokenizer_class %q is not supported without tokenizer.json", name)
	}
	if f.model != nil {
		var model struct {
			Type string `json:"model_type"`
		}
		// Whatever is wrong with config.json is its own reader's to tell.
		if json.Unmarshal(f.model, &model) == nil {
			for _, c := range classes {
				if slices.Contains(c.modelTypes, model.Type) {
					return c, f.has(c)
				}
			}
		}
	}
	for _, c := range classes {
		if f.has(c) == nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("the vocabulary is not complete: %s", f.has(&robertaClass))
}

// has returns an error unless the files of a class are there.
func (f folder) has(c *class) error {
	for _, name := range c.vocabulary {
		if f.files[name] == nil {
			return fmt.Errorf("%s needs %s: %w", c.names[0], name, fs.ErrNotExist)
		}
	}
	return nil
}

func (f folder) parse() (*Tokenizer, error) {
	settings, err := readSettings("tokenizer_config.json", f.config)
	if err != nil {
		return nil, err
	}
	c, err := f.class(settings)
	if err != nil {
		return nil, err
	}
	if split := settings.OptionalBool("split_special_tokens"); split != nil && *split {
		settings.Fail("split_special_tokens", "is not supported", nil)
	}
	tokens, special, err := f.specialTokens(settings, c.tokens)
	if err != nil {
		return nil, err
	}
	for _, role := range []string{"unk_token", "cls_token", "sep_token"} {
		if special[role] == "" {
			settings.Fail(role, "is null", nil)
		}
	}
	if settings.Err() != nil {
		return nil, settings.Err()
	}
	p, err := c.build(f, settings, special)
	if err != nil {
		return nil, err
	}
	// A token that the vocabulary adds stays as it is.
	for _, t := range tokens {
		if !slices.ContainsFunc(p.tokens, func(have addedtoken.Token) bool { return have.Content == t.Content }) {
			p.tokens = append(p.tokens, t)
		}
	}
	declared := slices.Clone(p.tokens)
	if tokens, err = addedtoken.Number(p.tokens, p.model); err != nil {
		return nil, err
	}
	ids := make(map[string]int32)
	for i, t := range tokens {
		if want := declared[i].ID; want >= 0 && want != t.ID && t.Content != "" {
			return nil, fmt.Errorf("added token %q has id %d, its place in the vocabulary is %d", t.Content, want, t.ID)
		}
		ids[t.Content] = t.ID
	}
	p.components.tokens = addedtoken.SpecialFirst(tokens)
	p.components.post = p.post(func(token string) int32 {
		if id, ok := ids[token]; ok {
			return id
		}
		return p.model.ID(token)
	})
	return newTokenizer(p.components)
}

// readSettings reads a file with settings of which most concern others; no file has no settings.
func readSettings(name string, data []byte) (*jsonobject.Object, error) {
	if data == nil {
		return jsonobject.Empty(name), nil
	}
	if err := jsonobject.CheckText(data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return jsonobject.Read(name, data)
}

// specialTokenFields are the settings that name a special token, in the order in which those that the
// vocabulary lacks get their ids.
var specialTokenFields = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// specialTokens returns the added tokens, with the ids that they are declared to have or -1, in the
// order in which they are added, and the special tokens by the settings that name them.
func (f folder) specialTokens(settings *jsonobject.Object, defaults map[string]addedtoken.Token) ([]addedtoken.Token, map[string]string, error) {
	modern := settings.Has("added_tokens_decoder")
	var declared []addedtoken.Token
	if modern {
		list := settings.Object("added_tokens_decoder")
		for _, name := range list.Names() {
			id, err := strconv.ParseUint(name, 10, 31)
			if err != nil {
				list.Fail(name, "is not named after an id", nil)
			}
			t := readToken(list, name, false)
			t.ID = int32(id)
			declared = append(declared, t)
		}
		settings.Adopt(list)
	}

	// Special tokens: defaults, then the settings, then in old folders special_tokens_map.json.
	special := maps.Clone(defaults)
	sources := []*jsonobject.Object{settings}
	if !modern {
		old, err := readSettings("special_tokens_map.json", f.specialMap)
		if err != nil {
			return nil, nil, err
		}
		sources = append(sources, old)
	}
	var additional []addedtoken.Token
	for i, source := range sources {
		for _, name := range specialTokenFields {
			if !source.Has(name) {
				continue
			}
			if source.IsNull(name) {
				delete(special, name)
				continue
			}
			special[name] = readToken(source, name, i == 1)
		}
		const name = "additional_special_tokens"
		if source.Has(name) && !source.IsNull(name) {
			list, n := source.Elements(name)
			for k := range n {
				additional = append(additional, readToken(list, strconv.Itoa(k), i == 1))
			}
			source.Adopt(list)
		}
		if source.Err() != nil {
			return nil, nil, source.Err()
		}
	}
	roles := make(map[string]string)
	var wanted []addedtoken.Token
	for _, name := range specialTokenFields {
		if t, ok := special[name]; ok {
			roles[name] = t.Content
			wanted = append(wanted, t)
		}
	}
	wanted = append(wanted, additional...)
	isSpecial := make(map[string]bool)
	for _, t := range wanted {
		isSpecial[t.Content] = true
	}

	if !modern && f.added != nil {
		old, err := readSettings("added_tokens.json", f.added)
		if err != nil {
			return nil, nil, err
		}
		for _, content := range old.Names() {
			s := isSpecial[content]
			declared = append(declared, addedtoken.Token{ID: int32(old.Count(content)), Content: content, Normalized: !s, Special: s})
		}
		if old.Err() != nil {
			return nil, nil, old.Err()
		}
	}

	slices.SortStableFunc(declared, func(a, b addedtoken.Token) int { return cmp.Compare(a.ID, b.ID) })
	var tokens []addedtoken.Token
	seen := make(map[string]bool)
	for _, t := range declared {
		t.Special = t.Special || isSpecial[t.Content]
		seen[t.Content] = true
		tokens = append(tokens, t)
	}
	for _, t := range wanted {
		if !seen[t.Content] {
			t.Special = true
			seen[t.Content] = true
			tokens = append(tokens, t)
		}
	}
	return tokens, roles, nil
}

// readToken reads a field that is a token: a string, or an object with the token's flags. Its id is -1.
// Whether a token is sought in normalized text is, unless said, the opposite of whether it is known
// to be special when it is read.
func readToken(o *jsonobject.Object, name string, special bool) addedtoken.Token {
	t := addedtoken.Token{ID: -1}
	if !o.IsObject(name) {
		t.Content = o.String(name)
		return t
	}
	f := o.Object(name)
	f.Ignore("__type")
	t.Content = f.String("content")
	t.SingleWord = f.BoolOr("single_word", false)
	t.LStrip = f.BoolOr("lstrip", false)
	t.RStrip = f.BoolOr("rstrip", false)
	t.Special = f.BoolOr("special", false) || special
	t.Normalized = f.BoolOr("normalized", !t.Special)
	o.Adopt(f)
	return t
}
