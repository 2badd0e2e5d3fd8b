package lora

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kenserve/safetensors"
)

func open(t *testing.T, path string) *safetensors.Checkpoint {
	t.Helper()
	c, err := safetensors.OpenCheckpoint(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestPEFT compares with PEFT's own merge of adapters that PEFT wrote.
// testdata/make_adapters.py made them.
func TestPEFT(t *testing.T) {
	for _, name := range []string{"plain", "rich", "transposed", "patterns", "tokens", "resized", "added"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("testdata", name)
			adapter := filepath.Join(dir, "adapter")
			base := open(t, filepath.Join(dir, "base"))
			if !IsAdapter(adapter) || IsAdapter(filepath.Join(dir, "base")) {
				t.Fatal("IsAdapter does not tell an adapter from a base")
			}
			got, err := Open(adapter, base, false)
			if err != nil {
				t.Fatal(err)
			}
			want, err := safetensors.Open(filepath.Join(dir, "merged.safetensors"))
			if err != nil {
				t.Fatal(err)
			}
			defer want.Close()
			if !slices.Equal(got.Names(), slices.Sorted(slices.Values(want.Names()))) {
				t.Fatalf("%q, want %q", got.Names(), want.Names())
			}
			changed := 0
			for _, name := range want.Names() {
				w, _ := want.Tensor(name)
				g, _ := got.Tensor(name)
				if g.Name != name || !slices.Equal(g.Shape, w.Shape) {
					t.Errorf("tensor %s has shape %v, want %s with %v", g.Name, g.Shape, name, w.Shape)
					continue
				}
				a, _ := float32s(g)
				b, _ := float32s(w)
				for i := range a {
					if math.Abs(float64(a[i]-b[i])) > 1e-7 {
						t.Errorf("%s: value %d is %v, want %v", name, i, a[i], b[i])
						break
					}
				}
				if before, ok := base.Tensor(name[strings.Index(name, ".")+1:]); ok && string(before.Data) != string(g.Data) {
					changed++
				}
			}
			if changed < 2 {
				t.Errorf("%d tensors differ from the base, want at least 2", changed)
			}
		})
	}
}

// TestTokenRows: rows of a table that an adapter has trained, by their indices.
func TestTokenRows(t *testing.T) {
	table := newTensor("x.weight", []int{3, 2}, []float32{0, 1, 2, 3, 4, 5})
	trained := newTensor("", []int{2, 2}, []float32{10, 11, 12, 13})
	for _, c := range []struct {
		name, indices string // JSON
		want          []float32
		says          string
	}{
		{"a list", `[2, 0]`, []float32{12, 13, 2, 3, 10, 11}, ""},
		{"by the table's name", `{"y": [1, 1], "x": [1, 0]}`, []float32{12, 13, 10, 11, 4, 5}, ""},
		{"added rows", `[4, 3]`, []float32{0, 1, 2, 3, 4, 5, 12, 13, 10, 11}, ""},
		{"an added row is missing", `[4, 0]`, nil, "row 4, and the adapter does not have row 3"},
		{"a huge index", `[1000000000000, 3]`, nil, "save_embedding_layers=True"},
		{"a negative index", `[-1, 0]`, nil, "-1"},
		{"too few indices", `[1]`, nil, "shape [2 2], want [1, 2]"},
		{"of another table", `{"y": [1, 0]}`, nil, "want [0, 2]"},
		{"none", `null`, nil, "want [0, 2]"},
	} {
		var indices tokenIndices
		if err := json.Unmarshal([]byte(c.indices), &indices); err != nil {
			t.Fatal(err)
		}
		got, err := indices.withTokens("a.x", table, trained)
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: error %v, want %q", c.name, err, c.says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if values, _ := float32s(got); !slices.Equal(values, c.want) {
			t.Errorf("%s: %v, want %v", c.name, values, c.want)
		}
	}
}

// TestRefusals checks that the error names the unsupported feature.
func TestRefusals(t *testing.T) {
	text, err := os.ReadFile("testdata/plain/adapter/adapter_config.json")
	if err != nil {
		t.Fatal(err)
	}
	weights, err := os.ReadFile("testdata/plain/adapter/adapter_model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	base := open(t, "testdata/plain/base")
	replace := func(old, new string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("%s is not in the configuration", old)
			}
			return strings.Replace(s, old, new, 1)
		}
	}
	same := func(s string) string { return s }
	tests := []struct {
		name            string
		config, weights func(string) string
		says            string
		unsupported     bool
	}{
		{"DoRA", replace(`"use_dora": false`, `"use_dora": true`), same, "use_dora true", true},
		{"another kind of adapter", replace(`"LORA"`, `"IA3"`), same, "IA3", true},
		{"alpha pattern that is no expression", replace(`"alpha_pattern": {}`, `"alpha_pattern": {"que(ry": 3}`), same, "alpha_pattern", true},
		{"alpha pattern of a string", replace(`"alpha_pattern": {}`, `"alpha_pattern": {"query": "3"}`), same, "alpha_pattern", true},
		{"bias of the change", replace(`"lora_bias": false`, `"lora_bias": true`), same, "lora_bias true", true},
		{"another task", replace(`"task_type": "SEQ_CLS"`, `"task_type": "TOKEN_CLS"`), same, `task_type "TOKEN_CLS"`, true},
		{"unknown key", replace(`{`, `{"use_more": 2,`), same, `the setting "use_more" = 2`, true},
		{"rank of 0", replace(`"r": 2`, `"r": 0`), same, "r is 0", true},
		{"another rank", replace(`"r": 2`, `"r": 3`), same, "rank 2, and 3 by r and rank_pattern", true},
		{"another rank of a module", replace(`"rank_pattern": {}`, `"rank_pattern": {"layer.0.attention.self.query": 4}`), same, "rank 2, and 4 by r and rank_pattern", true},
		{"rank pattern that is no expression", replace(`"rank_pattern": {}`, `"rank_pattern": {"que(ry": 3}`), same, "rank_pattern has the key", true},
		{"alpha of a string", replace(`"lora_alpha": 6`, `"lora_alpha": "6"`), same, "lora_alpha is a JSON string", true},
		{"a null alpha", replace(`"lora_alpha": 6`, `"lora_alpha": null`), same, "lora_alpha is null", true},
		{"not JSON", replace(`{`, `[`), same, "not a JSON object", true},
		{"LFS pointer", func(string) string { return "version https://git-lfs.github.com/spec/v1\n" }, same, "git lfs pull", false},
		{"A without B", same, func(s string) string {
			return strings.Replace(s, "0.attention.self.query.lora_A", "0.attention.self.other.lora_A", 1)
		}, "not the base's", false},
		{"unknown tensor", same, func(s string) string { return strings.Replace(s, "query.lora_A.weight", "query.lora_magnitud", 1) }, "lora_magnitud", true},
		{"names without the prefix", same, func(s string) string { return strings.ReplaceAll(s, "base_model.model.", "base_model_model.") }, "does not begin", true},
		{"truncated weights", same, func(s string) string { return s[:100] }, "header", false},
	}
	for _, test := range tests {
		dir := t.TempDir()
		for name, content := range map[string]string{configFile: test.config(string(text)), weightsFile: test.weights(string(weights))} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Open(dir, base, false)
		if err == nil || !strings.Contains(err.Error(), test.says) || errors.Is(err, errUnsupported) != test.unsupported {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if _, err := Open(t.TempDir(), base, false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := Open("testdata/plain/adapter", open(t, "testdata/transposed/base"), false); err == nil || !strings.Contains(err.Error(), "trained on this base") {
		t.Errorf("another base: %v", err)
	}
}

// TestWrappedNames: names of tensors may have wrappers around the whole model or a part.
func TestWrappedNames(t *testing.T) {
	base := open(t, "testdata/plain/base")
	want, err := Open("testdata/plain/adapter", base, false)
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile("testdata/plain/adapter/adapter_config.json")
	if err != nil {
		t.Fatal(err)
	}
	weights, err := safetensors.Open("testdata/plain/adapter/adapter_model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer weights.Close()
	for _, to := range []string{"_orig_mod.base_model.model.", "module.base_model.model.", "base_model.model._orig_mod."} {
		dir := t.TempDir()
		var entries []safetensors.Entry
		for _, name := range weights.Names() {
			tensor, _ := weights.Tensor(name)
			renamed := *tensor
			renamed.Name = strings.Replace(name, "base_model.model.", to, 1)
			entries = append(entries, renamed.Entry())
		}
		err := errors.Join(os.WriteFile(filepath.Join(dir, configFile), config, 0o644), safetensors.WriteFile(filepath.Join(dir, weightsFile), nil, entries))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Open(dir, base, false)
		if err != nil {
			t.Errorf("%s: %v", to, err)
			continue
		}
		for _, name := range want.Names() {
			w, _ := want.Tensor(name)
			if g, ok := got.Tensor(name); !ok || string(g.Data) != string(w.Data) {
				t.Errorf("%s: tensor %s differs", to, name)
			}
		}
	}
}

// TestOldWeights: weights in the format of older versions of PEFT are not read; the error
// has the command that converts them.
func TestOldWeights(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{configFile: `{"peft_type": "LORA", "r": 2, "lora_alpha": 4}`, oldWeightsFile: "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(dir, open(t, "testdata/plain/base"), false); err == nil || !strings.Contains(err.Error(), "convert it with: python -c '") {
		t.Errorf("%v", err)
	}
}

// TestInit has every initialisation that PEFT knows: those that leave the base's weights
// alone are accepted, the others are refused with the remedy.
func TestInit(t *testing.T) {
	for _, c := range []struct {
		value    string
		accepted bool
	}{
		{"true", true},
		{"false", true},
		{"null", true},
		{`"gaussian"`, true},
		{`"Gaussian"`, true},
		{`"eva"`, true},
		{`"orthogonal"`, true},
		{`"pissa"`, false},
		{`"pissa_niter_16"`, false},
		{`"olora"`, false},
		{`"corda"`, false},
		{`"loftq"`, false},
		{`"lora_ga"`, false},
		{`"another"`, false},
		{"1", false},
	} {
		_, err := parseConfig([]byte(`{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "init_lora_weights": ` + c.value + `}`))
		if (err == nil) != c.accepted {
			t.Errorf("init_lora_weights %s: %v", c.value, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "init_lora_weights "+c.value) || !strings.Contains(err.Error(), "path_initial_model_for_weight_conversion")) {
			t.Errorf("init_lora_weights %s: the error has not the remedy: %v", c.value, err)
		}
	}
}

// TestSettings checks that every setting of PEFT's LoraConfig, which testdata/settings.txt
// lists with its default, is in the table and that its default is accepted.
func TestSettings(t *testing.T) {
	text, err := os.ReadFile("testdata/settings.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, ok := knownSettings.Find(name); !ok {
			t.Errorf("%s is not in the table", name)
		}
		config := `{"peft_type": "LORA", "r": 2, "lora_alpha": 4`
		if name != "peft_type" && name != "r" && name != "lora_alpha" {
			config += fmt.Sprintf(", %q: %s", name, value)
		}
		if _, err := parseConfig([]byte(config + "}")); err != nil {
			t.Errorf("%s %s: %v", name, value, err)
		}
	}
}

// TestScale checks the scale of single modules.
func TestScale(t *testing.T) {
	c, err := parseConfig([]byte(`{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "alpha_pattern": {"layer.0.query": 10, "query": 6, "^bert.key": 8, "lay.*value": 12}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		module string
		want   float64
	}{
		{"bert.layer.0.query", 5}, // the first that matches
		{"bert.layer.1.query", 3},
		{"bert.layer.0.myquery", 2}, // only after a dot
		{"bert.key", 4},
		{"a.bert.key", 2},
		{"bert.layer.3.value", 6},
		{"bert.layer.3.dense", 2},
	} {
		if got, err := c.scale(test.module, 2); err != nil || got != test.want {
			t.Errorf("%s: %g, %v, want %g", test.module, got, err, test.want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, name := range []string{"plain", "rich", "transposed"} {
		text, err := os.ReadFile(filepath.Join("testdata", name, "adapter", configFile))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseConfig(text)
		if err != nil {
			return
		}
		if scale, err := c.scale("encoder.query", c.Rank); c.Rank < 1 || err == nil && math.IsNaN(scale) {
			t.Errorf("%+v was accepted", c)
		}
	})
}
