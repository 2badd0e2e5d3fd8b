package tokenizer

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kenserve/internal/settings"
	"kenserve/tokenizer/internal/addedtoken"
	"kenserve/tokenizer/internal/folder"
	"kenserve/tokenizer/internal/jsonobject"
	"kenserve/tokenizer/internal/model"
	"kenserve/tokenizer/internal/normalizer"
	"kenserve/tokenizer/internal/postprocessor"
	"kenserve/tokenizer/internal/pretokenizer"
)

var update = flag.Bool("update", false, "rewrite docs/tokenizers.md")

// TestDocs checks that docs/tokenizers.md is up to date. With -update it writes the file.
func TestDocs(t *testing.T) {
	path := filepath.Join("..", "docs", "tokenizers.md")
	want := document()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date; run go test ./tokenizer -run Docs -update", path)
	}
}

// document returns the contents of docs/tokenizers.md.
func document() []byte {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# Tokenizers")
	p("")
	p("<!-- Generated: go test ./tokenizer -run Docs -update -->")
	p("")
	p("A text becomes the token ids that transformers' `AutoTokenizer` makes of the same folder. The reference is transformers 4.57 with tokenizers 0.22. kenserve reads `tokenizer.json`, `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json`, and of `config.json` the settings `tokenizer_class` and `model_type`. A folder without `tokenizer.json` needs `vocab.txt`, `vocab.json` and `merges.txt`, or a SentencePiece model of a class below.")
	p("")
	p("Each setting takes effect, is known to change nothing, or is refused. A name that is in none of the tables below changes nothing, and is reported once, by file and name, by `prune`, `serve`, `pull`, `classify`, `eval`, `verify`, `bench` and `tokenize`; with `--strict`, `prune` and `serve` refuse it.")
	p("")
	p("transformers 5 builds the tokenizers of some classes anew from the vocabulary of `tokenizer.json`, and ignores its normalizer and pre-tokenizer. kenserve does what `tokenizer.json` says, as 4.57 does; for files that transformers itself has written, both are the same. It does not read sentence-transformers' `modules.json` and `sentence_bert_config.json`, which transformers does not read either: a limit of tokens belongs in `model_max_length`.")
	p("")
	p("## Truncation")
	p("")
	p("A text is truncated to the least of what the model takes, `model_max_length`, and `serve --max-tokens`, special tokens included. A `model_max_length` above 10²⁰ means that there is no limit, as in transformers, which writes 10³⁰ for that. It does not count for requests that forbid truncation: such a text may be as long as the model takes. Text Embeddings Inference's `GET /info` has the number as `max_input_length`. A text loses its last tokens, or its first if `truncation_side` is left; requests of Text Embeddings Inference and vLLM have defaults of their own ([http.md](http.md)). In a pair, the longer text loses tokens first. `classify` and `eval` say how many texts were truncated, and to which number.")
	p("")
	p("## tokenizer.json")
	p("")
	table(p, folder.Table)
	p("In `truncation`:")
	p("")
	table(p, folder.TruncationTable)
	p("In `padding`:")
	p("")
	table(p, folder.PaddingTable)
	p("In an element of `added_tokens`, all of which must be there: %s.", used(addedtoken.Table))
	p("")
	for _, stage := range []struct {
		name  string
		types []jsonobject.Type
	}{{"normalizer", normalizer.Types}, {"pre_tokenizer", pretokenizer.Types}, {"model", model.Types}, {"post_processor", postprocessor.Types}} {
		p("### %s", stage.name)
		p("")
		p("| type | settings that take effect | others |")
		p("|---|---|---|")
		for _, t := range stage.types {
			others := cmp.Or(t.Refused, rest(t.Settings))
			p("| `%s` | %s | %s |", t.Name, used(t.Settings), others)
		}
		p("")
	}
	p("These are all types of tokenizers 0.23; another one is refused. Regular expressions (`Split`, `Replace`) are Oniguruma's: literals, escapes, sets, nested sets, `\\s \\d \\w \\h`, `\\p{...}` of a general category, `\\A \\z \\b \\B ^ $`, groups, `(?i:...)` for ASCII letters, alternatives, greedy and lazy repetition, possessive repetition of one character, look-ahead and look-behind without repetition. Anything else, and an expression that matches the empty string, is refused with the expression. A text takes linear time.")
	p("")
	p("## tokenizer_config.json")
	p("")
	p("The settings of every class:")
	p("")
	table(p, folder.ConfigTable)
	p("Some classes read more:")
	p("")
	p("| classes | settings that take effect |")
	p("|---|---|")
	for _, c := range folder.ClassTables {
		names := strings.Join(c.Classes, "`, `")
		note := ""
		if c.OnlyWithout {
			note = " (in a folder without tokenizer.json)"
		}
		p("| `%s`%s | %s |", names, note, used(c.Table))
	}
	p("")
	p("A token in `added_tokens_decoder`, or a special token with flags: %s. Special tokens that `tokenizer.json` lacks are added to it, and tokens that `added_tokens_decoder` lists get its flags. A class may give a special token that is a plain string flags of its own: a mask token of RoBERTa takes the space before it.", used(addedtoken.Flags))
	p("")
	p("## special_tokens_map.json and added_tokens.json")
	p("")
	p("They are read if `tokenizer_config.json` has no `added_tokens_decoder`. In the first: %s; it wins over `tokenizer_config.json`. In the second every member is a token with its id.", used(folder.MapTable))
	p("")
	p("## Classes")
	p("")
	p("`tokenizer_class` of `tokenizer_config.json`, or else of `config.json`, or else the class that `model_type` has in transformers, decides how the settings are read. The suffix `Fast` does not matter.")
	p("")
	p("| with tokenizer.json | classes |")
	p("|---|---|")
	for _, group := range folder.Classes() {
		p("| %s | `%s` |", group.What, strings.Join(group.Names, "`, `"))
	}
	p("")
	p("Any other name is refused.")
	return b.Bytes()
}

// table prints the settings of a table.
func table(p func(string, ...any), t settings.Table) {
	p("Settings that take effect: %s.", used(t))
	p("")
	refused := slices.DeleteFunc(slices.Clone(t), func(s settings.Setting) bool { return s.Refused == "" })
	if len(refused) > 0 {
		p("| setting | values that are accepted | with another value |")
		p("|---|---|---|")
		for _, s := range refused {
			p("| `%s` | absent, `%s` | refused: %s |", s.Name, strings.Join(append([]string{"null"}, s.Allowed...), "`, `"), s.Refused)
		}
		p("")
	}
	if names := reasons(t); len(names) > 0 {
		p("| settings that change nothing | why |")
		p("|---|---|")
		for _, reason := range names {
			p("| %s | %s |", harmless(t, reason), reason)
		}
		p("")
	}
}

// used lists the settings of a table that take effect.
func used(t settings.Table) string {
	return listNames(t, func(s settings.Setting) bool { return s.Harmless == "" && s.Refused == "" })
}

// harmless lists the settings that change nothing, for a reason.
func harmless(t settings.Table, reason string) string {
	return listNames(t, func(s settings.Setting) bool { return s.Harmless == reason })
}

func listNames(t settings.Table, which func(settings.Setting) bool) string {
	var names []string
	for _, s := range t {
		if which(s) {
			names = append(names, "`"+s.Name+"`")
		}
	}
	return strings.Join(names, ", ")
}

// rest describes the settings of a table that do not take effect.
func rest(t settings.Table) string {
	var parts []string
	for _, reason := range reasons(t) {
		parts = append(parts, fmt.Sprintf("%s: %s", harmless(t, reason), reason))
	}
	for _, s := range t {
		if s.Refused != "" {
			parts = append(parts, fmt.Sprintf("`%s`: refused, except null, %s: %s", s.Name, strings.Join(s.Allowed, ", "), s.Refused))
		}
	}
	return strings.Join(parts, "; ")
}

// reasons lists the reasons of a table's harmless settings, each once.
func reasons(t settings.Table) []string {
	var out []string
	for _, s := range t {
		if s.Harmless != "" && !slices.Contains(out, s.Harmless) {
			out = append(out, s.Harmless)
		}
	}
	return out
}
