package lora

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rewrite copies an adapter of testdata with another configuration, and returns its folder.
func rewrite(t *testing.T, name string, config func(string) string) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range []string{configFile, weightsFile} {
		text, err := os.ReadFile(filepath.Join("testdata", name, "adapter", file))
		if err != nil {
			t.Fatal(err)
		}
		if file == configFile {
			text = []byte(config(string(text)))
		}
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// with returns a change of a configuration that puts members before all others. Their
// own later values are taken out.
func with(members string, without ...string) func(string) string {
	return func(s string) string {
		for _, name := range without {
			s = strings.Replace(s, `"`+name+`"`, `"revision"`, 1)
		}
		return strings.Replace(s, "{", "{"+members, 1)
	}
}

// TestPromises: settings say which modules were trained, and the tensors may have less.
func TestPromises(t *testing.T) {
	for _, c := range []struct {
		name   string
		config func(string) string
		want   string // in the warning; empty: none
	}{
		{"as it is", func(s string) string { return s }, ""},
		{"a target without tensors", with(`"target_modules": ["query", "key"],`, "target_modules"), "0.attention.self.key"},
		{"an expression", with(`"target_modules": ".*key",`, "target_modules"), ""},
		{"a target that the base does not have", with(`"target_modules": ["query", "qkv"],`, "target_modules"), ""},
		{"excluded modules", with(`"exclude_modules": ["layer.1.attention.self.query"], "target_modules": ["query"],`, "exclude_modules", "target_modules"), ""},
		{"a saved module without tensors", with(`"modules_to_save": ["classifier", "score", "word_embeddings"],`, "modules_to_save"), "embeddings.word_embeddings"},
		{"rows of a table", with(`"trainable_token_indices": [1, 2],`, "trainable_token_indices"), "rows of trainable_token_indices"},
		{"biases", with(`"bias": "all",`, "bias"), "biases"},
	} {
		adapter, err := Open(rewrite(t, "plain", c.config), open(t, "testdata/plain/base"), false)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if (adapter.Warning == "") != (c.want == "") || !strings.Contains(adapter.Warning, c.want) {
			t.Errorf("%s: warning %q, want %q", c.name, adapter.Warning, c.want)
		}
	}
	for _, name := range []string{"rich", "transposed", "patterns", "tokens", "resized", "added"} {
		adapter, err := Open(filepath.Join("testdata", name, "adapter"), open(t, filepath.Join("testdata", name, "base")), false)
		if err != nil || adapter.Warning != "" {
			t.Errorf("%s: %v, warning %q", name, err, adapter.Warning)
		}
	}
}

// TestDefaults: absent settings have PEFT's defaults, and fan_in_fan_out does not count
// for torch.nn.Linear.
func TestDefaults(t *testing.T) {
	c, err := parseConfig([]byte(`{"peft_type": "LORA"}`))
	if err != nil || c.Rank != 8 || c.Alpha != 8 {
		t.Errorf("%+v, %v", c, err)
	}
	base := open(t, "testdata/plain/base")
	plain, err := Open("testdata/plain/adapter", base, true)
	if err != nil {
		t.Fatal(err)
	}
	turned, err := Open(rewrite(t, "plain", with(`"fan_in_fan_out": true,`, "fan_in_fan_out")), base, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range plain.Names() {
		a, _ := plain.Tensor(name)
		b, _ := turned.Tensor(name)
		if string(a.Data) != string(b.Data) {
			t.Errorf("%s is another one with fan_in_fan_out", name)
		}
	}
}
