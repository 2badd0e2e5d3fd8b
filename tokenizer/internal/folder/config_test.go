package folder

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func settingsOf(t *testing.T, files Files) (Settings, error) {
	t.Helper()
	if files["vocab.txt"] == nil {
		files["vocab.txt"] = []byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
	}
	c, err := files.Components()
	return c.Settings, err
}

func TestMaxLength(t *testing.T) {
	for _, c := range []struct {
		value string
		want  int
		err   string
	}{
		{`512`, 512, ""}, {`512.0`, 512, ""}, {`1`, 1, ""}, {`null`, 0, ""},
		{`1000000000000000019884624838656`, 0, ""}, {`1e30`, 0, ""}, {`1e999999999`, 0, ""}, {`1e20`, 1<<31 - 1, ""}, {`99999999999`, 1<<31 - 1, ""},
		{`0`, 0, "above 0"}, {`-1`, 0, "above 0"}, {`1.5`, 0, "above 0"}, {`"512"`, 0, "above 0"}, {`true`, 0, "above 0"}, {`[]`, 0, "above 0"}, {`-1e999999999`, 0, "above 0"}, {`1e-999999999`, 0, "above 0"},
	} {
		for _, name := range []string{"model_max_length", "max_len"} {
			got, err := settingsOf(t, Files{tokenizerConfig: fmt.Appendf(nil, `{"%s":%s}`, name, c.value)})
			if got.MaxLength != c.want || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s %s: %d, %v, want %d, %q", name, c.value, got.MaxLength, err, c.want, c.err)
			}
		}
	}
}

// TestUnknownSettings: names that no table has, by file. A setting that another class reads is known.
func TestUnknownSettings(t *testing.T) {
	got, err := settingsOf(t, Files{
		tokenizerConfig:  []byte(`{"tokenizer_class":"BertTokenizer","zeta":1,"add_bos_token":true,"padding_side":"left","cls_token":{"content":"[CLS]","zeta":2},"extra_special_tokens":{"x_token":"<x>"},"x_token":"<x>","alpha":{}}`),
		specialTokensMap: []byte(`{"cls":"[CLS]","sep_token":{"content":"[SEP]","beta":1}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, u := range got.Unknown {
		lines = append(lines, u.String())
	}
	want := []string{
		`tokenizer_config.json: 3 settings are unknown and ignored: "alpha", "cls_token.zeta", "zeta"`,
		`special_tokens_map.json: 2 settings are unknown and ignored: "cls", "sep_token.beta"`,
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}

// TestUnknownIsBounded: a file with very many unknown names keeps some of them.
func TestUnknownIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&b, `,"%s%d":0`, strings.Repeat("x", 100), i)
	}
	got, err := settingsOf(t, Files{tokenizerConfig: []byte("{" + b.String()[1:] + "}")})
	if err != nil || len(got.Unknown) != 1 || len(got.Unknown[0].Names) > 1000 || len(got.Unknown[0].String()) > 4000 {
		t.Errorf("%v: %d bytes of warning", err, len(got.Unknown[0].String()))
	}
}

// TestClasses: a class that changes a tokenizer in ways that are not implemented is refused wherever it is
// named, with the remedy.
func TestClasses(t *testing.T) {
	for _, c := range []struct {
		file, content, message string
	}{
		{tokenizerConfig, `{"tokenizer_class":"NllbTokenizerFast"}`, "it adds the token of a language"},
		{tokenizerConfig, `{"tokenizer_class":"MyTokenizer"}`, "transformers 4.57 has no such class"},
		{tokenizerConfig, `{"tokenizer_class":"BertweetTokenizer"}`, "it splits texts by Python code"},
		{tokenizerConfig, `{"tokenizer_class":"RoFormerTokenizer"}`, "it needs code that is not implemented"},
		{tokenizerConfig, `{"tokenizer_class":"T5Tokenizer"}`, `set tokenizer_class to "PreTrainedTokenizerFast"`},
		{modelConfig, `{"tokenizer_class":"MyTokenizer"}`, `config.json: member "tokenizer_class" is "MyTokenizer"`},
		{tokenizerConfig, `{"tokenizer_class":"MPNetTokenizer"}`, `is "MPNetTokenizer", which is not supported without tokenizer.json`},
		{modelConfig, `{"model_type":"mpnet"}`, `is "MPNetTokenizer", which is not supported without tokenizer.json`},
		{tokenizerConfig, `{"tokenizer_class":1}`, `"tokenizer_class" is not a string`},
		{tokenizerConfig, `{"init_inputs":[1]}`, "init_inputs [1] is not implemented"},
		{tokenizerConfig, `{"truncation_side":"middle"}`, `"truncation_side" is "middle", not left or right`},
		{tokenizerConfig, `{"model_input_names":"input_ids"}`, `"model_input_names" is not a list`},
	} {
		if _, err := settingsOf(t, Files{c.file: []byte(c.content)}); err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s %s: error %v, want one with %q", c.file, c.content, err, c.message)
		}
	}
	for _, group := range Classes() {
		if !slices.IsSorted(group.Names) || len(group.Names) == 0 {
			t.Errorf("%s: %v", group.What, group.Names)
		}
	}
}
