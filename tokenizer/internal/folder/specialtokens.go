package folder

import (
	"cmp"
	"slices"
	"strconv"

	"kenserve/tokenizer/internal/addedtoken"
	"kenserve/tokenizer/internal/jsonobject"
)

// roles are the settings that name a special token. Special tokens that the vocabulary lacks get their
// ids in this order.
var roles = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// A special is a special token of the settings.
type special struct {
	token addedtoken.Token // its ID is -1
	flags bool             // it is an object with flags, or its class gives it flags; otherwise a string
	named bool             // a file names it
}

// A tokenReader collects the special tokens of files. Later files win.
type tokenReader struct {
	byRole     map[string]*special // nil: a file says that there is none
	additional []special
}

// read reads the special tokens of a file. isSpecial makes the token of an object special.
func (r *tokenReader) read(source *jsonobject.Object, isSpecial bool) {
	for _, role := range roles {
		switch {
		case !source.Has(role):
		case source.IsNull(role):
			source.Member(role)
			r.byRole[role] = nil
		default:
			s := readToken(source, role, isSpecial)
			s.named = true
			r.byRole[role] = &s
		}
	}
	r.readList(source, "additional_special_tokens", isSpecial)
	if source.IsObject("extra_special_tokens") { // by name
		extra := source.Map("extra_special_tokens")
		for _, name := range extra.Names() {
			r.additional = append(r.additional, readToken(extra, name, isSpecial))
		}
		source.Adopt(extra)
	} else if source.Has("extra_special_tokens") {
		r.readList(source, "extra_special_tokens", isSpecial)
	}
}

func (r *tokenReader) readList(source *jsonobject.Object, name string, isSpecial bool) {
	if !source.Has(name) || source.IsNull(name) {
		if source.Has(name) {
			source.Member(name)
		}
		return
	}
	list := source.Values(name)
	for _, v := range list {
		if t, err := tokenOf(v, isSpecial); err != nil {
			source.FailWith(err)
		} else if !slices.ContainsFunc(r.additional, func(have special) bool { return have.token.Content == t.token.Content }) {
			r.additional = append(r.additional, t)
		}
	}
}

// contents returns the contents of all special tokens.
func (r *tokenReader) contents() map[string]bool {
	all := make(map[string]bool)
	for _, s := range r.byRole {
		if s != nil {
			all[s.token.Content] = true
		}
	}
	for _, s := range r.additional {
		all[s.token.Content] = true
	}
	return all
}

// specialTokens returns the added tokens of a folder without tokenizer.json, in the order in which
// transformers adds them, and the special tokens by role. The ID of an added token is the one that a file
// declares, or -1. defaults are the class's special tokens by role.
func (f Files) specialTokens(c config, defaults map[string]addedtoken.Token, files *[]*jsonobject.File) (added []addedtoken.Token, byRole map[string]string, err error) {
	r := tokenReader{byRole: map[string]*special{}}
	for role, t := range defaults {
		r.byRole[role] = &special{token: t, flags: true}
	}
	declared, err := f.declaredTokens(c, &r, files)
	if err != nil {
		return nil, nil, err
	}
	byRole = make(map[string]string)
	var wanted []addedtoken.Token
	for _, role := range roles {
		if s := r.byRole[role]; s != nil {
			if d := defaults[role]; !s.flags && d.LStrip { // the class gives a plain string its flags
				s.token.LStrip = true
			}
			byRole[role] = s.token.Content
			wanted = append(wanted, s.token)
		}
	}
	for _, s := range r.additional {
		wanted = append(wanted, s.token)
	}
	isSpecial := r.contents()
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

// declaredTokens reads the special tokens of a folder's files into r, and returns the added tokens that
// the files declare. Newer folders list all of them in tokenizer_config.json. Older ones have two files of
// their own.
func (f Files) declaredTokens(c config, r *tokenReader, files *[]*jsonobject.File) ([]addedtoken.Token, error) {
	r.read(c.object, false)
	if c.object.Has(decoder) {
		declared := readDecoder(c.object)
		return declared, c.object.Err()
	}
	old, err := f.open(specialTokensMap, files, MapTable)
	if err != nil {
		return nil, err
	}
	r.read(old, true)
	if err := old.Close(); err != nil {
		return nil, err
	}
	if err := c.object.Err(); err != nil {
		return nil, err
	}
	return f.oldAddedTokens(r.contents(), files)
}

// decoder is the setting that maps ids to added tokens.
const decoder = "added_tokens_decoder"

// readDecoder reads the added tokens of that setting.
func readDecoder(o *jsonobject.Object) []addedtoken.Token {
	var tokens []addedtoken.Token
	list := o.Map(decoder)
	for _, name := range list.Names() {
		id, err := strconv.ParseUint(name, 10, 31)
		if err != nil {
			list.Fail(name, "must be named by a token id", nil)
		}
		t := readToken(list, name, false).token
		t.ID = int32(id)
		tokens = append(tokens, t)
	}
	o.Adopt(list)
	return tokens
}

// oldAddedTokens reads added_tokens.json, which maps tokens to ids.
func (f Files) oldAddedTokens(isSpecial map[string]bool, files *[]*jsonobject.File) ([]addedtoken.Token, error) {
	old, err := f.open(addedTokens, files)
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

// readToken reads a member that is a token: a string, or an object with the token's flags. If the flag
// "normalized" is missing, it is false for a special token and true for others. isSpecial makes the token
// of an object special; a string has no flags.
func readToken(o *jsonobject.Object, name string, isSpecial bool) special {
	if !o.IsObject(name) {
		return special{token: addedtoken.Token{ID: -1, Content: o.String(name)}}
	}
	s, err := tokenOf(o.Required(name), isSpecial)
	if err != nil {
		o.FailWith(err)
	}
	return s
}

// tokenOf is readToken for a value.
func tokenOf(v jsonobject.Value, isSpecial bool) (special, error) {
	if content, ok := v.Text(); ok {
		return special{token: addedtoken.Token{ID: -1, Content: content}}, nil
	}
	t := addedtoken.Token{ID: -1}
	f := v.Object(tokenTable)
	t.Content = f.String("content")
	t.SingleWord = f.BoolOr("single_word", false)
	t.LStrip = f.BoolOr("lstrip", false)
	t.RStrip = f.BoolOr("rstrip", false)
	t.Special = f.BoolOr("special", false) || isSpecial
	t.Normalized = f.BoolOr("normalized", !t.Special)
	return special{token: t, flags: true}, f.Close()
}
