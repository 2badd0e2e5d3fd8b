package folder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"kenserve/tokenizer/internal/addedtoken"
	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/postprocessor"
)

// overrides are the settings of tokenizer_config.json that win over the stages of tokenizer.json, as
// transformers 4.57 lets them win (PreTrainedTokenizerFast.__init__ and those of its subclasses).
type overrides struct {
	normalizer  map[string]any // members of a BertNormalizer
	prefixSpace *bool          // add_prefix_space of a byte-level pre-tokenizer; nil: as in tokenizer.json
	everywhere  bool           // it is switched on at any depth
	template    bool           // the post-processor adds the tokens below
	bos, eos    bool
}

// overrides reads them. Files that are absent leave tokenizer.json as it is.
func (c config) overrides(present bool) overrides {
	var v overrides
	o := c.object
	flag := func(name string, otherwise bool) bool {
		if b := o.OptionalBool(name); b != nil {
			return *b
		}
		return otherwise
	}
	if c.class.is(bertLike) || c.class.is(caseOnly) {
		v.normalizer = map[string]any{"lowercase": flag("do_lower_case", true), "strip_accents": o.OptionalBool("strip_accents")}
		if c.class.is(bertLike) {
			v.normalizer["handle_chinese_chars"] = flag("tokenize_chinese_chars", true)
		}
	}
	prefix := flag("add_prefix_space", false)
	if present {
		v.prefixSpace = &prefix
		v.everywhere = prefix && c.class.is(prefixEverywhere)
	}
	if c.class != nil {
		if bos, ok := ownTemplate[c.class.name]; ok {
			v.template, v.bos, v.eos = true, flag("add_bos_token", bos), flag("add_eos_token", false)
		}
	}
	return v
}

// normalize returns the normalizer of tokenizer.json with the settings of the class. A normalizer without
// such a member, a Sequence among them, stays as it is.
func (v overrides) normalize(raw json.RawMessage) (json.RawMessage, error) {
	if v.normalizer == nil {
		return raw, nil
	}
	return setMembers(raw, v.normalizer)
}

// preTokenize returns the pre-tokenizer of tokenizer.json with add_prefix_space of the settings. A Sequence
// stays as it is unless the class changes it everywhere, and a Metaspace has other members.
func (v overrides) preTokenize(raw json.RawMessage) (json.RawMessage, error) {
	var head struct {
		Type  string            `json:"type"`
		Inner []json.RawMessage `json:"pretokenizers"`
	}
	if v.prefixSpace == nil || raw == nil || json.Unmarshal(raw, &head) != nil {
		return raw, nil
	}
	switch {
	case head.Type == "ByteLevel":
		return setMembers(raw, map[string]any{"add_prefix_space": *v.prefixSpace})
	case head.Type == "Sequence" && v.everywhere:
		for i, inner := range head.Inner {
			var err error
			if head.Inner[i], err = v.preTokenize(inner); err != nil {
				return nil, err
			}
		}
		return setMembers(raw, map[string]any{"pretokenizers": head.Inner})
	}
	return raw, nil
}

// postProcessor returns the post-processor of a class that makes its own, or p. byRole are the special
// tokens.
func (v overrides) postProcessor(p postprocessor.PostProcessor, byRole map[string]addedtoken.Token, id func(string) int32) (postprocessor.PostProcessor, error) {
	if !v.template {
		return p, nil
	}
	ids := map[string]*int32{}
	for role, wanted := range map[string]bool{"bos_token": v.bos, "eos_token": v.eos} {
		if !wanted {
			continue
		}
		t, ok := byRole[role]
		n := id(t.Content)
		if !ok || n < 0 {
			return nil, fmt.Errorf("%s: add_%s is true, but there is no such token", tokenizerConfig, role)
		}
		ids[role] = &n
	}
	return postprocessor.NewBeginEndTemplate(ids["bos_token"], ids["eos_token"]), nil
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

// addTokens adds the tokens of the settings to those of tokenizer.json, as transformers 4.57 does
// (PreTrainedTokenizerBase._from_pretrained and PreTrainedTokenizerFast.__init__): all that files declare,
// and special tokens that are new or whose flags the class sets. It returns the special tokens by role.
func (f Files) addTokens(v *addedtoken.Vocabulary, own []addedtoken.Token, c config, padToken *string, files *[]*jsonobject.File) (map[string]addedtoken.Token, error) {
	r := tokenReader{byRole: map[string]*special{}}
	newer := c.object.Has(decoder) // until it is read
	declared, err := f.declaredTokens(c, &r, files)
	if err != nil {
		return nil, err
	}
	if !newer {
		declared = append(declared, own...)
	}
	byContent := make(map[string]addedtoken.Token)
	for _, t := range declared {
		byContent[t.Content] = t
	}
	slices.SortStableFunc(declared, func(a, b addedtoken.Token) int { return int(a.ID) - int(b.ID) })

	byRole := make(map[string]addedtoken.Token)
	listed := make(map[string]bool) // contents of the special tokens
	var wanted []special
	want := func(s special) {
		if t, ok := byContent[s.token.Content]; ok && s.named {
			s = special{token: t, flags: true}
		}
		if !listed[s.token.Content] {
			listed[s.token.Content] = true
			wanted = append(wanted, s)
		}
	}
	for _, role := range roles {
		s, ok := r.byRole[role]
		switch {
		case ok && s == nil:
			continue
		case ok:
			if c.class != nil && c.class.flagged[role] && !s.flags {
				if _, isDeclared := byContent[s.token.Content]; !isDeclared {
					t := c.class.tokens[role]
					t.Content = s.token.Content
					s = &special{token: t, flags: true}
				}
			}
		case c.class != nil && c.class.tokens[role].Content != "":
			s = &special{token: c.class.tokens[role], flags: c.class.flagged[role]}
		case role == "pad_token" && padToken != nil:
			s = &special{token: addedtoken.Token{ID: -1, Content: *padToken}}
		default:
			continue
		}
		byRole[role] = s.token
		want(*s)
	}
	for _, s := range r.additional {
		want(s)
	}
	var add []addedtoken.Token
	known := make(map[string]bool) // contents
	for _, t := range v.Tokens() {
		known[t.Content] = true
	}
	same := make(map[addedtoken.Token]bool)
	for _, t := range declared {
		t.Special = t.Special || listed[t.Content]
		t.ID = 0
		known[t.Content], same[t] = true, true
		add = append(add, t)
	}
	for _, s := range wanted {
		t := s.token
		t.Special, t.ID = true, 0
		if s.flags && same[t] || !s.flags && known[t.Content] {
			continue
		}
		add = append(add, t)
	}
	v.Add(add)
	for _, t := range declared {
		if id := v.ID(t.Content); id != t.ID && t.Content != "" {
			return nil, fmt.Errorf("added token %q has id %d, but its id in the vocabulary is %d", t.Content, t.ID, id)
		}
	}
	return byRole, nil
}
