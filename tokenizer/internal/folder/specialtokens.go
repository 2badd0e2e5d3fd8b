package folder

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"kenserve/tokenizer/internal/addedtoken"
	"kenserve/tokenizer/internal/jsonobject"
)

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
func (f Files) specialTokens(settings *jsonobject.Object, defaults map[string]addedtoken.Token) ([]addedtoken.Token, map[string]string, error) {
	hasDecoder := settings.Has("added_tokens_decoder")
	var declared []addedtoken.Token
	if hasDecoder {
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
	if !hasDecoder {
		old, err := readSettings("special_tokens_map.json", f["special_tokens_map.json"])
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

	if !hasDecoder && f["added_tokens.json"] != nil {
		old, err := readSettings("added_tokens.json", f["added_tokens.json"])
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
