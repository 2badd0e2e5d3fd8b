package folder

import (
	"fmt"
	"io/fs"
	"slices"

	"kenserve/tokenizer/internal/addedtoken"
	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/postprocessor"
)

// A class is a tokenizer class of transformers: the rule that makes a tokenizer of a vocabulary and
// settings.
type class struct {
	names      []string // names in tokenizer_class, without the suffix "Fast"
	vocabulary []string // the files that the class needs
	// tokens are the default special tokens by role.
	tokens map[string]addedtoken.Token
	// build makes the stages of the vocabulary and settings. special are the special tokens by role.
	build func(f Files, settings *jsonobject.Object, special map[string]string) (classParts, error)
}

// classParts are the stages that a class makes.
type classParts struct {
	Components // AddedTokens are those of the vocabulary itself; PostProcessor is not set
	// post returns the post-processor. id returns the id of an added token or of a token of the model.
	post func(id func(token string) int32) postprocessor.PostProcessor
}

// classes are the supported classes. If a folder does not name its class, the first one whose vocabulary
// is complete counts.
var classes = []*class{&bertClass, &robertaClass, &debertaClass, &xlmRobertaClass, &debertaV2Class}

// tokensByRole returns special tokens without flags by role. The arguments alternate between role and
// content.
func tokensByRole(list ...string) map[string]addedtoken.Token {
	m := make(map[string]addedtoken.Token)
	for i := 0; i < len(list); i += 2 {
		m[list[i]] = addedtoken.Token{ID: -1, Content: list[i+1]}
	}
	return m
}

// class finds the class of the tokenizer: by its name, by the type of the model, or by the files.
func (f Files) class() (*class, error) {
	name, file, err := f.className()
	if err != nil {
		return nil, err
	}
	if name == "" {
		name, file = loadClasses().models[f.modelType()], modelConfig
	}
	if name != "" {
		if _, err := loadClasses().find(name, file); err != nil {
			return nil, err
		}
		for _, c := range classes {
			if slices.Contains(c.names, name) {
				return c, f.check(c)
			}
		}
		return nil, fmt.Errorf("%s: the tokenizer's class is %q, which is not supported without %s", file, name, tokenizerJSON)
	}
	for _, c := range classes {
		if f.check(c) == nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("the vocabulary is incomplete: %v", f.check(&robertaClass))
}

// check returns an error unless all vocabulary files of a class exist.
func (f Files) check(c *class) error {
	for _, name := range c.vocabulary {
		if f[name] == nil {
			return fmt.Errorf("%s needs %s: %w", c.names[0], name, fs.ErrNotExist)
		}
	}
	return nil
}

// Components makes the stages of a tokenizer of the files.
func (f Files) Components() (Components, error) {
	if f[tokenizerJSON] != nil {
		return f.parse()
	}
	c, err := f.class()
	if err != nil {
		return Components{}, err
	}
	var files []*jsonobject.File
	config, err := f.openConfig(c.names[0], &files)
	if err != nil {
		return Components{}, err
	}
	settings := config.object
	own := config.settings()
	tokens, special, err := f.specialTokens(config, c.tokens, &files)
	if err != nil {
		return Components{}, err
	}
	for _, role := range []string{"unk_token", "cls_token", "sep_token"} {
		if special[role] == "" {
			settings.Fail(role, "is null, but the class needs this token", nil)
		}
	}
	if settings.Err() != nil {
		return Components{}, settings.Err()
	}
	p, err := c.build(f, settings, special)
	if err != nil {
		return Components{}, err
	}
	// A token that the vocabulary adds keeps its flags.
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
			return Components{}, fmt.Errorf("added token %q has id %d, but its id in the vocabulary is %d", t.Content, want, t.ID)
		}
		ids[t.Content] = t.ID
	}
	p.Settings = own
	p.Components.AddedTokens = addedtoken.SpecialFirst(tokens)
	p.Components.PostProcessor = p.post(func(token string) int32 {
		if id, ok := ids[token]; ok {
			return id
		}
		return p.Model.ID(token)
	})
	return p.Components, p.Components.finish(config, files)
}

// withMask adds the token with role mask_token to tokens and returns them.
func withMask(tokens map[string]addedtoken.Token, mask addedtoken.Token) map[string]addedtoken.Token {
	tokens["mask_token"] = mask
	return tokens
}

// requireEndTokens returns an error unless cls and sep are the tokens with roles cls_token and sep_token.
// transformers' class ignores these settings in its post-processor.
func requireEndTokens(special map[string]string, cls, sep string) error {
	if special["cls_token"] != cls || special["sep_token"] != sep {
		return fmt.Errorf("%s: cls_token is %q and sep_token is %q, but only %q and %q are supported without %s",
			tokenizerConfig, special["cls_token"], special["sep_token"], cls, sep, tokenizerJSON)
	}
	return nil
}
