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

// readSettings starts to read a JSON file. A missing file (nil) has no members. The caller does not close
// the result, because most members concern other programs.
func readSettings(name string, data []byte) (*jsonobject.Object, error) {
	if data == nil {
		return jsonobject.Empty(name), nil
	}
	if err := jsonobject.CheckText(data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return jsonobject.Read(name, data)
}

// roles are the settings that name a special token. Special tokens that the vocabulary lacks get their
// ids in this order.
var roles = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// specialTokens returns the added tokens, in the order in which transformers adds them, and the special
// tokens by role. The ID of an added token is the one that a file declares, or -1. defaults are the
// class's special tokens by role.
func (f Files) specialTokens(settings *jsonobject.Object, defaults map[string]addedtoken.Token) (added []addedtoken.Token, byRole map[string]string, err error) {
	// Newer folders list all added tokens in tokenizer_config.json. Older ones have two files of their
	// own.
	sources := []*jsonobject.Object{settings}
	newer := settings.Has("added_tokens_decoder")
	var declared []addedtoken.Token
	if newer {
		declared = readDecoder(settings)
	} else {
		old, err := readSettings(specialTokensMap, f[specialTokensMap])
		if err != nil {
			return nil, nil, err
		}
		sources = append(sources, old)
	}

	special := maps.Clone(defaults)
	var additional []addedtoken.Token
	for i, source := range sources {
		additional = append(additional, readSpecialTokens(source, i == 1, special)...)
		if err := source.Err(); err != nil {
			return nil, nil, err
		}
	}
	byRole = make(map[string]string)
	var wanted []addedtoken.Token
	for _, role := range roles {
		if t, ok := special[role]; ok {
			byRole[role] = t.Content
			wanted = append(wanted, t)
		}
	}
	wanted = append(wanted, additional...)
	isSpecial := make(map[string]bool)
	for _, t := range wanted {
		isSpecial[t.Content] = true
	}

	if !newer {
		if declared, err = f.oldAddedTokens(isSpecial); err != nil {
			return nil, nil, err
		}
	}
	slices.SortStableFunc(declared, func(a, b addedtoken.Token) int { return cmp.Compare(a.ID, b.ID) })
	seen := make(map[string]bool)
	for _, t := range declared {
		t.Special = t.Special || isSpecial[t.Content]
		seen[t.Content] = true
		added = append(added, t)
	}
	for _, t := range wanted {
		if !seen[t.Content] {
			t.Special = true
			seen[t.Content] = true
			added = append(added, t)
		}
	}
	return added, byRole, nil
}

// readDecoder reads the member "added_tokens_decoder", which maps ids to added tokens.
func readDecoder(settings *jsonobject.Object) []addedtoken.Token {
	var tokens []addedtoken.Token
	list := settings.Object("added_tokens_decoder")
	for _, name := range list.Names() {
		id, err := strconv.ParseUint(name, 10, 31)
		if err != nil {
			list.Fail(name, "must be named by a token id", nil)
		}
		t := readToken(list, name, false)
		t.ID = int32(id)
		tokens = append(tokens, t)
	}
	settings.Adopt(list)
	return tokens
}

// readSpecialTokens reads the special tokens of a file. It sets those with a role in byRole, or removes
// them if they are null, and returns the additional ones. special is passed to readToken.
func readSpecialTokens(source *jsonobject.Object, special bool, byRole map[string]addedtoken.Token) (additional []addedtoken.Token) {
	for _, role := range roles {
		switch {
		case !source.Has(role):
		case source.IsNull(role):
			delete(byRole, role)
		default:
			byRole[role] = readToken(source, role, special)
		}
	}
	const name = "additional_special_tokens"
	if source.Has(name) && !source.IsNull(name) {
		list, n := source.Elements(name)
		for i := range n {
			additional = append(additional, readToken(list, strconv.Itoa(i), special))
		}
		source.Adopt(list)
	}
	return additional
}

// oldAddedTokens reads added_tokens.json, which maps tokens to ids.
func (f Files) oldAddedTokens(isSpecial map[string]bool) ([]addedtoken.Token, error) {
	old, err := readSettings(addedTokens, f[addedTokens])
	if err != nil {
		return nil, err
	}
	var tokens []addedtoken.Token
	for _, content := range old.Names() {
		s := isSpecial[content]
		tokens = append(tokens, addedtoken.Token{ID: int32(old.Count(content)), Content: content, Normalized: !s, Special: s})
	}
	return tokens, old.Err()
}

// readToken reads a member that is a token: a string, or an object with the token's flags. The ID of the
// result is -1. If the flag "normalized" is missing, it is false for a special token and true for others.
// special makes the token of an object special; a string has no flags.
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
