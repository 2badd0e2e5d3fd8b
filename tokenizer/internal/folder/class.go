package folder

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"kenserve/tokenizer/internal/addedtoken"
	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/postprocessor"
)

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
	build func(f Files, settings *jsonobject.Object, special map[string]string) (classParts, error)
}

// classParts are what a class makes of a vocabulary and settings.
type classParts struct {
	Components // tokens are those that the vocabulary itself adds
	// post returns the post-processor; id returns the id of an added token or one of the model.
	post func(id func(token string) int32) postprocessor.PostProcessor
}

// classes are the classes that are known. Of a folder that names none the first counts whose
// vocabulary is there.
var classes = []*class{&bertClass, &robertaClass, &debertaClass, &xlmRobertaClass, &debertaV2Class}

// tokensByRole returns special tokens by the settings that name them. Settings and contents take turns.
func tokensByRole(list ...string) map[string]addedtoken.Token {
	m := make(map[string]addedtoken.Token)
	for i := 0; i < len(list); i += 2 {
		m[list[i]] = addedtoken.Token{ID: -1, Content: list[i+1]}
	}
	return m
}

// class finds the tokenizer's class: by name, by the kind of model, or by the files there are.
func (f Files) class(settings *jsonobject.Object) (*class, error) {
	if settings.Has("tokenizer_class") && !settings.IsNull("tokenizer_class") {
		name := settings.String("tokenizer_class")
		if settings.Err() != nil {
			return nil, settings.Err()
		}
		for _, c := range classes {
			if slices.Contains(c.names, strings.TrimSuffix(name, "Fast")) {
				return c, f.check(c)
			}
		}
		return nil, fmt.Errorf("tokenizer_config.json: tokenizer_class %q is not supported without tokenizer.json", name)
	}
	if f["config.json"] != nil {
		var model struct {
			Type string `json:"model_type"`
		}
		// Whatever is wrong with config.json is its own reader's to tell.
		if json.Unmarshal(f["config.json"], &model) == nil {
			for _, c := range classes {
				if slices.Contains(c.modelTypes, model.Type) {
					return c, f.check(c)
				}
			}
		}
	}
	for _, c := range classes {
		if f.check(c) == nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("the vocabulary is not complete: %s", f.check(&robertaClass))
}

// has returns an error unless the files of a class are there.
func (f Files) check(c *class) error {
	for _, name := range c.vocabulary {
		if f[name] == nil {
			return fmt.Errorf("%s needs %s: %w", c.names[0], name, fs.ErrNotExist)
		}
	}
	return nil
}

// components makes a tokenizer's stages of the files.
func (f Files) Components() (Components, error) {
	settings, err := readSettings("tokenizer_config.json", f["tokenizer_config.json"])
	if err != nil {
		return Components{}, err
	}
	c, err := f.class(settings)
	if err != nil {
		return Components{}, err
	}
	if split := settings.OptionalBool("split_special_tokens"); split != nil && *split {
		settings.Fail("split_special_tokens", "is not supported", nil)
	}
	tokens, special, err := f.specialTokens(settings, c.tokens)
	if err != nil {
		return Components{}, err
	}
	for _, role := range []string{"unk_token", "cls_token", "sep_token"} {
		if special[role] == "" {
			settings.Fail(role, "is null", nil)
		}
	}
	if settings.Err() != nil {
		return Components{}, settings.Err()
	}
	p, err := c.build(f, settings, special)
	if err != nil {
		return Components{}, err
	}
	// A token that the vocabulary adds stays as it is.
	for _, t := range tokens {
		if !slices.ContainsFunc(p.AddedTokens, func(have addedtoken.Token) bool { return have.Content == t.Content }) {
			p.AddedTokens = append(p.AddedTokens, t)
		}
	}
	declared := slices.Clone(p.AddedTokens)
	if tokens, err = addedtoken.Number(p.AddedTokens, p.Model); err != nil {
		return Components{}, err
	}
	ids := make(map[string]int32)
	for i, t := range tokens {
		if want := declared[i].ID; want >= 0 && want != t.ID && t.Content != "" {
			return Components{}, fmt.Errorf("added token %q has id %d, its place in the vocabulary is %d", t.Content, want, t.ID)
		}
		ids[t.Content] = t.ID
	}
	p.Components.AddedTokens = addedtoken.SpecialFirst(tokens)
	p.Components.PostProcessor = p.post(func(token string) int32 {
		if id, ok := ids[token]; ok {
			return id
		}
		return p.Model.ID(token)
	})
	return p.Components, nil
}

// withMask returns tokens with a mask token that has flags.
func withMask(tokens map[string]addedtoken.Token, mask addedtoken.Token) map[string]addedtoken.Token {
	tokens["mask_token"] = mask
	return tokens
}

// requireEndTokens returns an error unless the tokens at the ends of a text are those that the class, in
// transformers, uses whatever the settings say.
func requireEndTokens(special map[string]string, cls, sep string) error {
	if special["cls_token"] != cls || special["sep_token"] != sep {
		return fmt.Errorf("tokenizer_config.json: cls_token %q and sep_token %q: only %q and %q are supported without tokenizer.json",
			special["cls_token"], special["sep_token"], cls, sep)
	}
	return nil
}
