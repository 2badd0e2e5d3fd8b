package lora

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kenserve/internal/settings"
)

var update = flag.Bool("update", false, "rewrite docs/adapters.md")

// TestDocs checks that docs/adapters.md is up to date. With -update it writes the file.
func TestDocs(t *testing.T) {
	path := filepath.Join("..", "docs", "adapters.md")
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
		t.Errorf("%s is out of date; run go test ./lora -run Docs -update", path)
	}
}

// document returns the contents of docs/adapters.md.
func document() []byte {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# LoRA adapters")
	p("")
	p("<!-- Generated: go test ./lora -run Docs -update -->")
	p("")
	p("`kenserve prune --tuned FOLDER` takes an adapter's folder, as PEFT's `save_pretrained` writes it (`adapter_config.json` and `adapter_model.safetensors`), in place of a checkpoint. It merges the adapter into the base as `merge_and_unload` does, and prunes the result.")
	p("")
	p("Its tables may be resized, its folder may have a tokenizer, and it may have rows of `trainable_token_indices`: see [own.md](own.md).")
	p("")
	p("An adapter's folder seldom has a `config.json`. Then the base's is taken, the labels are those of `--labels` or `LABEL_0`, `LABEL_1` and so on, and scores are computed as `--problem-type`, the base's `problem_type`, or `single_label_classification` says. `prune` prints what it assumed.")
	p("")
	p("PEFT saves the layers in `modules_to_save`, which for `SEQ_CLS` are those named `classifier` and `score`. DeBERTa-v2's `pooler` and ModernBERT's `head` are part of the classifier, too: if the base does not have them, they were random in training and have to be in `modules_to_save`. `prune` refuses an adapter without them.")
	p("")
	p("`prune` tells the base that the adapter names (`base_model_name_or_path`) unless the folder of `--base` has that name: an adapter fits any base of the same sizes. It lists modules that `target_modules`, `modules_to_save` and `bias` say were trained and that the adapter has no tensors of; the base's values are taken, as in PEFT. `fan_in_fan_out` is for GPT-2's `Conv1D`; in the families that kenserve serves it does not count, as in PEFT.")
	p("")
	p("## Settings of adapter_config.json")
	p("")
	p("A setting that is in neither table, with a value that is not empty, is refused: it may change the result.")
	p("")
	var used []string
	for _, s := range knownSettings {
		if s.Harmless == "" && s.Refused == "" {
			used = append(used, "`"+s.Name+"`")
		}
	}
	p("Settings that take effect: %s.", strings.Join(used, ", "))
	p("")
	p("| setting | values that are accepted | with another value |")
	p("|---|---|---|")
	for _, s := range knownSettings {
		if s.Refused != "" {
			p("| `%s` | absent, `%s` | %s |", s.Name, strings.Join(append([]string{"null"}, slices.DeleteFunc(slices.Clone(s.Allowed), func(v string) bool { return v == "null" })...), "`, `"), s.Refused)
		}
	}
	p("")
	p("| settings that change nothing | why |")
	p("|---|---|")
	for _, reason := range reasons(knownSettings) {
		var names []string
		for _, s := range knownSettings {
			if s.Harmless == reason {
				names = append(names, "`"+s.Name+"`")
			}
		}
		p("| %s | %s |", strings.Join(names, ", "), reason)
	}
	return b.Bytes()
}

// reasons lists the reasons of a table's harmless settings, each once.
func reasons(list settings.Table) []string {
	var out []string
	for _, s := range list {
		if s.Harmless != "" && !slices.Contains(out, s.Harmless) {
			out = append(out, s.Harmless)
		}
	}
	return out
}
