package lora

import (
	"errors"
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
	for _, name := range []string{"plain", "rich", "transposed"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("testdata", name)
			adapter := filepath.Join(dir, "adapter")
			base := open(t, filepath.Join(dir, "base"))
			if !IsAdapter(adapter) || IsAdapter(filepath.Join(dir, "base")) {
				t.Fatal("IsAdapter does not tell an adapter from a base")
			}
			got, err := Open(adapter, base)
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
		{"DoRA", replace(`"use_dora": false`, `"use_dora": true`), same, "use_dora is true", true},
		{"another kind of adapter", replace(`"LORA"`, `"IA3"`), same, "IA3", true},
		{"alpha pattern", replace(`"alpha_pattern": {}`, `"alpha_pattern": {"query": 3}`), same, "alpha_pattern", true},
		{"bias of the change", replace(`"lora_bias": false`, `"lora_bias": true`), same, "lora_bias", true},
		{"unknown key", replace(`{`, `{"use_more": 2,`), same, "use_more is 2", true},
		{"rank of 0", replace(`"r": 2`, `"r": 0`), same, "r is 0", true},
		{"another rank", replace(`"r": 2`, `"r": 3`), same, "rank 2, r is 3", true},
		{"alpha of a string", replace(`"lora_alpha": 6`, `"lora_alpha": "6"`), same, "lora_alpha", false},
		{"not JSON", replace(`{`, `[`), same, configFile, false},
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
		_, err := Open(dir, base)
		if err == nil || !strings.Contains(err.Error(), test.says) || errors.Is(err, errUnsupported) != test.unsupported {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if _, err := Open(t.TempDir(), base); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := Open("testdata/plain/adapter", open(t, "testdata/transposed/base")); err == nil || !strings.Contains(err.Error(), "trained on this base") {
		t.Errorf("another base: %v", err)
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
		if err == nil && (c.Rank < 1 || math.IsNaN(c.scale(c.Rank))) {
			t.Errorf("%+v was accepted", c)
		}
	})
}
