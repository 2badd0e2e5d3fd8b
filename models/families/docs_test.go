package families_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kenserve/internal/settings"
	"kenserve/models"
	"kenserve/models/families"
)

var update = flag.Bool("update", false, "rewrite docs/families.md")

// TestDocs checks that docs/families.md is up to date. With -update it writes the
// file.
func TestDocs(t *testing.T) {
	want := document(t)
	path := filepath.Join("..", "..", "docs", "families.md")
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
		t.Errorf("%s is out of date; run go test ./models/families -run Docs -update", path)
	}
}

// packages maps model types to the names of their packages, where they differ.
var packages = map[string]string{"deberta-v2": "debertav2", "xlm-roberta": "roberta"}

// document returns the contents of docs/families.md.
func document(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# Model families")
	p("")
	p("<!-- Generated: go test ./models/families -run Docs -update -->")
	p("")
	p("A base and its fine-tuned classifiers are Hugging Face folders. `model_type` in `config.json` names the family. Missing members have the defaults of transformers. If a configuration needs something that is not implemented, opening the folder fails: a model computes the same as in transformers, or it does not load. For the small checkpoints in `models/*/testdata`, which are stored in float32, in bfloat16 and in shards, logits differ from those of transformers by at most 2e-5.")
	p("")
	p("| model_type | classifier class | prefix of weights | maximum text length by default |")
	p("|---|---|---|---|")
	for _, f := range families.All {
		a := build(t, f.ModelType, "")
		p("| [`%s`](#%[1]s) | `%s` | `%s` | %d tokens |", f.ModelType, f.Class, a.Prefix(), a.MaxTokens())
	}
	p("")
	p("The error for another model_type is `%v`.", refusal(t, "gpt2", ""))
	p("")
	p("For all families:")
	p("")
	p("- Weights are float32, float16 or bfloat16, in one file or in shards. In the base and in the classifier, their names may have the family's prefix or not. Tensors that are not listed below, such as the output embeddings of a language model, are ignored.")
	p("- Labels are `id2label`, or `num_labels` labels named `LABEL_0`, `LABEL_1` and so on. `problem_type` may be `%[1]s`, `%[2]s` or `%[3]s`. Without it, a model with several labels uses `%[1]s`. A model with one label uses the sigmoid, unless it is a `%[3]s`. The error for another value is `%[4]v`.", models.SingleLabel, models.MultiLabel, models.Regression, parseError(t, `{"model_type":"bert","problem_type":"ranking"}`))
	p("- Supported activations are %s.", "`"+strings.Join(slices.Sorted(maps.Keys(models.Activations)), "`, `")+"`")
	p("- A checkpoint for another purpose is not accepted as a classifier: `%v`.", classifierError(t))
	p("- The classifier's own configuration describes the classifier, not the base's. Both must have the same weights; heads, pooling and activations may differ.")
	p("")
	p("## Settings")
	p("")
	p("Every member of `config.json` is in a table: it takes effect, or changes nothing, or is refused unless it has a value that changes nothing. The tables are made from the classes of transformers 4.57 and 5.24, which are compared with the logits in `models/families/testdata/settings`. Names are exact, and null where a value is needed is an error. A name that is in no table is reported once, with the file's name, by `prune`, `serve`, `classify`, `eval`, `bench` and `pull`; with `--strict`, `prune` and `serve` refuse it.")
	p("")
	p("For all families, unless a family's own list says otherwise:")
	p("")
	table(p, models.CommonSettings)
	for _, f := range families.All {
		p("")
		p("## %s", f.ModelType)
		p("")
		p("%s", comment(t, f.ModelType))
		p("")
		if optionalParts[f.ModelType] == "" {
			p("Weights, with default sizes:")
		} else {
			p("Weights, with default sizes and `%s`:", optionalParts[f.ModelType])
		}
		p("")
		p("| tensor | shape | role |")
		p("|---|---|---|")
		a := build(t, f.ModelType, optionalParts[f.ModelType])
		for _, line := range weights(a.Parameters()) {
			p("%s", line)
		}
		for _, param := range a.Head(2) {
			p("| `%s` | %s | %s, only in classifiers |", param.Name, shape(param), param.Role)
		}
		p("")
		p("Settings that take effect: %s.", listNames(f.Settings(), func(s settings.Setting) bool { return s.Harmless == "" && s.Refused == "" }))
		if len(f.Aliases) > 0 {
			var list []string
			for _, other := range slices.Sorted(maps.Keys(f.Aliases)) {
				list = append(list, fmt.Sprintf("`%s` is another name of `%s`", other, f.Aliases[other]))
			}
			p("")
			p("%s; it counts if both are there.", strings.Join(list, ", "))
		}
		if own := without(f.Table, models.CommonSettings); len(own) > 0 {
			p("")
			p("Settings of this family that change nothing, or are refused:")
			p("")
			table(p, own)
		}
		p("")
		p("Refused, for example:")
		p("")
		p("| in config.json | error |")
		p("|---|---|")
		for _, fields := range f.Refuses {
			p("| `%s` | %s |", fields, refusal(t, f.ModelType, fields))
		}
	}
	return b.Bytes()
}

// table writes the settings that change nothing, by reason, and the refused ones.
func table(p func(string, ...any), list settings.Table) {
	p("| in config.json | effect |")
	p("|---|---|")
	for _, s := range list {
		if s.Refused != "" {
			values := ""
			if len(s.Allowed) > 0 {
				values = " but for `" + strings.Join(s.Allowed, "`, `") + "`"
			}
			p("| `%s` | refused%s: %s |", s.Name, values, s.Refused)
		}
	}
	var reasons []string
	for _, s := range list {
		if s.Harmless != "" && !slices.Contains(reasons, s.Harmless) {
			reasons = append(reasons, s.Harmless)
		}
	}
	for _, reason := range reasons {
		p("| %s | none: %s |", listNames(list, func(s settings.Setting) bool { return s.Harmless == reason }), reason)
	}
}

func listNames(list settings.Table, take func(settings.Setting) bool) string {
	var names []string
	for _, s := range list {
		if take(s) {
			names = append(names, "`"+s.Name+"`")
		}
	}
	return strings.Join(names, ", ")
}

// without returns the settings that another table does not have.
func without(list, other settings.Table) settings.Table {
	return slices.DeleteFunc(slices.Clone(list), func(s settings.Setting) bool {
		o, ok := other.Find(s.Name)
		return ok && o.Harmless == s.Harmless && o.Refused == s.Refused
	})
}

// optionalParts are fields of configurations with the optionalParts that a family's models may
// have.
var optionalParts = map[string]string{
	"deberta":    `"type_vocab_size":2,"embedding_size":512`,
	"deberta-v2": `"position_buckets":256,"norm_rel_ebd":"layer_norm","conv_kernel_size":3`,
	"ernie":      `"use_task_id":true`,
	"modernbert": `"norm_bias":true,"attention_bias":true,"mlp_bias":true,"classifier_bias":true`,
}

// build returns the architecture of a configuration with the members in more.
func build(t *testing.T, modelType, more string) models.Architecture {
	t.Helper()
	fields := requiredMembers[modelType]
	if fields != "" && more != "" {
		fields += ","
	}
	a, err := families.New(parse(t, modelType, fields+more))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// refusal returns the error for a configuration, without the prefix that is the
// same for all members.
func refusal(t *testing.T, modelType, fields string) string {
	t.Helper()
	_, err := families.New(parse(t, modelType, fields))
	if err == nil {
		t.Fatalf("%s: %s: no error", modelType, fields)
	}
	text := strings.TrimPrefix(err.Error(), "models: ")
	return strings.TrimPrefix(text, modelType+" configuration: ")
}

// parseError returns the error for an invalid configuration.
func parseError(t *testing.T, text string) error {
	t.Helper()
	_, err := models.ParseConfig([]byte(text))
	if err == nil {
		t.Fatalf("%s: no error", text)
	}
	return err
}

// classifierError returns the error for a checkpoint that is not a classifier.
func classifierError(t *testing.T) error {
	t.Helper()
	c := parse(t, "bert", `"architectures":["BertForTokenClassification"]`)
	err := c.CheckClassifier()
	if err == nil {
		t.Fatal("no error")
	}
	return err
}

// comment returns the package comment of a family, without "Package X is".
func comment(t *testing.T, modelType string) string {
	t.Helper()
	dir := modelType
	if name, ok := packages[modelType]; ok {
		dir = name
	}
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", dir, dir+".go"), nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(strings.TrimSpace(f.Doc.Text()), "\n", " ")
	text = strings.TrimPrefix(text, "Package "+dir+" is ")
	return strings.ToUpper(text[:1]) + text[1:]
}

var number = regexp.MustCompile(`\.[0-9]+\.`)

// weights returns the rows of a table of parameters. Parameters that differ only
// by the number of the layer share one row.
func weights(params []models.Parameter) []string {
	var lines []string
	seen := map[string]bool{}
	for _, p := range params {
		p.Name = number.ReplaceAllString(p.Name, ".N.")
		if seen[p.Name] {
			continue
		}
		seen[p.Name] = true
		role := p.Role.String()
		if p.Optional {
			role += ", optional in a base"
		}
		lines = append(lines, fmt.Sprintf("| `%s` | %s | %s |", p.Name, shape(p), role))
	}
	return lines
}

// shape returns the shape of a parameter as text. The number of labels is 2.
func shape(p models.Parameter) string {
	sizes := make([]string, len(p.Shape))
	for i, n := range p.Shape {
		sizes[i] = fmt.Sprint(n)
	}
	if p.Head && (p.Shape[0] == 2) {
		sizes[0] = "labels"
	}
	return strings.Join(sizes, " × ")
}
