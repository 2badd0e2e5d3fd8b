package prune

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kenserve/delta"
	"kenserve/export"
	"kenserve/ken"
	"kenserve/models/tiny"
	"kenserve/safetensors"
)

// rewrite writes the weights of a folder anew with other names; a tensor whose new name
// is empty is left out. more are tensors to add, of two zeros.
func rewrite(t *testing.T, dir string, rename func(name string) string, more ...string) {
	t.Helper()
	c, err := safetensors.OpenCheckpoint(dir)
	check(t, err)
	defer c.Close()
	var entries []safetensors.Entry
	for _, name := range c.Names() {
		tensor, _ := c.Tensor(name)
		renamed := *tensor
		if renamed.Name = rename(name); renamed.Name != "" {
			entries = append(entries, renamed.Entry())
		}
	}
	for _, name := range more {
		entries = append(entries, (&safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: []int{2}, Data: make([]byte, 8)}).Entry())
	}
	check(t, safetensors.WriteFile(filepath.Join(dir, safetensors.WeightsFile), nil, entries))
}

func same(name string) string { return name }

func without(part string) func(string) string {
	return func(name string) string {
		if strings.Contains(name, part) {
			return ""
		}
		return name
	}
}

func oldNames(name string) string {
	name = strings.Replace(name, "LayerNorm.weight", "LayerNorm.gamma", 1)
	return strings.Replace(name, "LayerNorm.bias", "LayerNorm.beta", 1)
}

func wrapped(prefix string) func(string) string {
	return func(name string) string { return prefix + name }
}

// exact keeps all weights.
var exact = ken.Options{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Keep: 1, Factor: 1, Coding: delta.Float32}

// TestNames prunes pairs whose tensors have other names, exactly. WriteChecked compares
// the logits with those of the tuned checkpoint, and the exported checkpoint has the
// names of transformers.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		name        string
		base, tuned func(string) string
		more        []string // tensors that the tuned checkpoint has beside
		warnings    []string
	}{
		{"as they are", same, same, nil, nil},
		{"older names in the tuned checkpoint", same, oldNames, nil, nil},
		{"older names in the base", oldNames, same, nil, nil},
		{"older names in both", oldNames, oldNames, nil, nil},
		{"torch.compile", same, wrapped("_orig_mod."), nil, []string{"names in the tuned checkpoint have a wrapper, which is left out: _orig_mod."}},
		{"data parallelism", same, wrapped("module."), nil, []string{"is left out: module."}},
		{"a member of a class", same, wrapped("model."), nil, []string{"is left out: model."}},
		{"both wrapped", wrapped("module."), wrapped("_orig_mod.module."), nil, []string{"names in the base", "names in the tuned checkpoint"}},
		{"the base with its prefix", wrapped("bert."), wrapped("_orig_mod."), nil, []string{"left out"}},
		{"the pooler from the base", same, without("pooler"), nil, []string{"the tuned checkpoint lacks 2 tensors: pooler.dense.weight, pooler.dense.bias; the base's values are taken"}},
		{"unused tensors", same, same, []string{"extra.a", "extra.b"}, []string{"nothing uses 2 tensors: extra.a, extra.b"}},
		{"one unused tensor", same, same, []string{"extra.a"}, []string{"nothing uses the tensor extra.a"}},
		{"buffers", same, same, []string{"bert.embeddings.position_ids"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := writePair(t, []string{"a", "b"}, nil)
			rewrite(t, config.BaseDir, c.base)
			rewrite(t, config.TunedDir, c.tuned, c.more...)
			s, err := Open(config)
			check(t, err)
			defer s.Close()
			if len(s.Warnings) != len(c.warnings) {
				t.Errorf("warnings: %q", s.Warnings)
			}
			for i, want := range c.warnings {
				if i < len(s.Warnings) && !strings.Contains(s.Warnings[i], want) {
					t.Errorf("warning %q, want %q", s.Warnings[i], want)
				}
			}
			path := filepath.Join(t.TempDir(), "t.ken")
			_, err = s.WriteChecked(context.Background(), path, config.BaseDir, exact)
			check(t, err)
			d, err := delta.Open(path)
			check(t, err)
			defer d.Close()
			check(t, d.Check(s.base, delta.Fingerprint(s.base)))
			out := t.TempDir()
			check(t, export.Write(out, config.BaseDir, s.base, d))
			full, err := safetensors.OpenCheckpoint(out)
			check(t, err)
			defer full.Close()
			for _, name := range []string{"bert.embeddings.LayerNorm.weight", "bert.encoder.layer.1.output.LayerNorm.bias", "classifier.weight"} {
				if !slices.Contains(full.Names(), name) {
					t.Errorf("the exported checkpoint has no %s: %q", name, full.Names())
				}
			}
			original, err := safetensors.OpenCheckpoint(config.TunedDir)
			check(t, err)
			defer original.Close()
			for _, name := range original.Names() {
				want, _ := original.Tensor(name)
				renamed := strings.NewReplacer("LayerNorm.gamma", "LayerNorm.weight", "LayerNorm.beta", "LayerNorm.bias").Replace(name)
				if got, ok := full.Tensor(renamed); !ok || string(got.Data) != string(want.Data) {
					t.Errorf("%s is not that of the tuned checkpoint", renamed)
				}
			}
		})
	}
}

func TestLongListsAreCut(t *testing.T) {
	names := strings.Fields("a b c d e f g h i j k l")
	if got, want := list(names), "12 tensors: a, b, c, d, e, f, g, h, i, j and 2 more"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestIncompleteCheckpoints checks that errors name what is missing.
func TestIncompleteCheckpoints(t *testing.T) {
	for _, c := range []struct {
		name        string
		base, tuned func(string) string
		edit        func(config map[string]any)
		says        string
	}{
		{"no head", same, without("classifier"), nil, "lacks 2 tensors: classifier.weight, classifier.bias, which BertForSequenceClassification needs"},
		{"a head without bias", same, without("classifier.bias"), nil, "lacks the tensor classifier.bias"},
		{"no pooler anywhere", without("pooler"), without("pooler"), nil, "pooler.dense.weight"},
		{"a layer less", without("layer.1."), without("layer.1."), nil, "lacks 16 tensors: encoder.layer.1.attention"},
		{"a head for other labels", same, same, func(c map[string]any) { c["id2label"] = map[string]string{"0": "a", "1": "b", "2": "c"} }, "tensor classifier.weight of the tuned checkpoint has shape [2 24], and [3 24] by its config.json"},
	} {
		config := writePair(t, []string{"a", "b"}, c.edit)
		rewrite(t, config.BaseDir, c.base)
		rewrite(t, config.TunedDir, c.tuned)
		if _, err := Open(config); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

func TestCompareWithBase(t *testing.T) {
	config := writePair(t, []string{"a", "b"}, nil)
	other := filepath.Join(t.TempDir(), "other")
	check(t, tiny.WriteBase(other, 7))
	for _, c := range []struct {
		name, base string
		wrong      bool
	}{{"its base", config.BaseDir, false}, {"another base", other, true}} {
		config.BaseDir = c.base
		s, err := Open(config)
		check(t, err)
		defer s.Close()
		_, err = s.CompareWithBase(context.Background())
		if errors.As(err, new(*WrongBaseError)) != c.wrong || !c.wrong && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.wrong && !strings.Contains(err.Error(), "% of the weights differ from the base") {
			t.Errorf("the error has no numbers: %v", err)
		}
	}
}

// TestWriteChecked: a delta that does not work leaves the path as it was.
func TestWriteChecked(t *testing.T) {
	config := writePair(t, []string{"a", "b"}, nil)
	s, err := Open(config)
	check(t, err)
	defer s.Close()
	dir := t.TempDir()
	path := filepath.Join(dir, "t.ken")
	check(t, os.WriteFile(path, []byte("before"), 0o644))
	labels := s.info.Labels
	s.info.Labels = append(slices.Clone(labels), "c") // does not fit the head
	if _, err := s.WriteChecked(context.Background(), path, config.BaseDir, exact); err == nil || !strings.Contains(err.Error(), "the new delta does not work") {
		t.Errorf("error %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "before" {
		t.Errorf("the file was replaced: %v", err)
	}
	s.info.Labels = labels
	// The tuned model that logits are compared with has another head.
	tuned := s.tuned
	s.tuned = oneTensor{tuned, "classifier.weight"}
	if err := s.check(context.Background(), writeDelta(t, s, dir), config.BaseDir, exact); err == nil || !strings.Contains(err.Error(), "of the tuned model") {
		t.Errorf("logits that differ: %v", err)
	}
	s.tuned = tuned
	check(t, s.check(context.Background(), writeDelta(t, s, dir), config.BaseDir, exact))
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("%d files are left, %v", len(files), err)
	}
}

// TestBaseWithoutTokenizer: the delta is written, and a warning says that it was not tried.
func TestBaseWithoutTokenizer(t *testing.T) {
	config := writePair(t, []string{"a", "b"}, nil)
	check(t, os.Remove(filepath.Join(config.BaseDir, "vocab.txt")))
	s, err := Open(config)
	check(t, err)
	defer s.Close()
	path := filepath.Join(t.TempDir(), "t.ken")
	_, err = s.WriteChecked(context.Background(), path, config.BaseDir, exact)
	check(t, err)
	if _, err := os.Stat(path); err != nil || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "was not tried on the base") {
		t.Errorf("%v, warnings %q", err, s.Warnings)
	}
}

func writeDelta(t *testing.T, s *Source, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "u.ken")
	_, err := s.Write(context.Background(), path, exact)
	check(t, err)
	return path
}

// oneTensor is a checkpoint with zeros in one tensor.
type oneTensor struct {
	delta.Tensors
	name string
}

func (o oneTensor) Tensor(name string) (*safetensors.Tensor, bool) {
	t, ok := o.Tensors.Tensor(name)
	if name == o.name {
		zeros := *t
		zeros.Data = make([]byte, len(t.Data))
		t = &zeros
	}
	return t, ok
}
