package prune

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kenserve/delta"
	"kenserve/ken"
	"kenserve/safetensors"
)

// rewrite replaces the weights of a folder by what edit makes of them, by name.
func rewrite(t *testing.T, dir string, edit func(map[string]*safetensors.Tensor)) {
	t.Helper()
	path := filepath.Join(dir, safetensors.WeightsFile)
	data, err := os.ReadFile(path)
	check(t, err)
	f, err := safetensors.Parse(data)
	check(t, err)
	tensors := map[string]*safetensors.Tensor{}
	for _, name := range f.Names() {
		tensors[name], _ = f.Tensor(name)
	}
	edit(tensors)
	var entries []safetensors.Entry
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		renamed := *tensors[name]
		renamed.Name = name
		entries = append(entries, renamed.Entry())
	}
	check(t, safetensors.WriteFile(path, nil, entries))
}

// TestOddCheckpoints: tensors that are absent, unused or called otherwise.
func TestOddCheckpoints(t *testing.T) {
	rename := func(change func(string) string) func(map[string]*safetensors.Tensor) {
		return func(tensors map[string]*safetensors.Tensor) {
			for name, tensor := range maps.Clone(tensors) {
				delete(tensors, name)
				tensors[change(name)] = tensor
			}
		}
	}
	for _, c := range []struct {
		name    string
		edit    func(map[string]*safetensors.Tensor)
		err     string
		warning string
	}{
		{"complete", func(map[string]*safetensors.Tensor) {}, "", ""},
		{"no head", func(m map[string]*safetensors.Tensor) { delete(m, "classifier.weight") }, "lacks the tensor classifier.weight, which BertForSequenceClassification needs", ""},
		{"no layer", func(m map[string]*safetensors.Tensor) { delete(m, "bert.encoder.layer.0.output.dense.bias") }, "", "lacks the tensor encoder.layer.0.output.dense.bias; the base's values are taken"},
		{"more", func(m map[string]*safetensors.Tensor) { m["cls.predictions.bias"] = m["classifier.bias"] }, "", "nothing uses the tensor cls.predictions.bias"},
		{"torch.compile", rename(func(name string) string { return "_orig_mod." + name }), "", "have the prefixes of a wrapper"},
		{"data parallelism", rename(func(name string) string { return "module." + name }), "", "have the prefixes of a wrapper"},
		{"old layer norms", rename(func(name string) string {
			return strings.Replace(strings.Replace(name, "LayerNorm.weight", "LayerNorm.gamma", 1), "LayerNorm.bias", "LayerNorm.beta", 1)
		}), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := writePair(t, []string{"a", "b"}, nil)
			rewrite(t, config.TunedDir, c.edit)
			s, err := Open(config)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want %q", err, c.err)
				}
				return
			}
			check(t, err)
			defer s.Close()
			warnings := strings.Join(s.Warnings, "\n")
			if !strings.Contains(warnings, c.warning) || c.warning == "" && warnings != "" {
				t.Errorf("warnings %q, want %q", warnings, c.warning)
			}
			// The exact delta computes what the tuned checkpoint computes.
			path := filepath.Join(t.TempDir(), "x.ken")
			o := ken.Options{Selection: ken.LargestChange, Keep: 1, Factor: 1, Scope: ken.ScopeAll, Budget: ken.BudgetRow, Coding: delta.Float32}
			_, err = s.Write(context.Background(), path, o)
			check(t, err)
			check(t, s.Try(context.Background(), path, config.BaseDir, o))
		})
	}
}

// TestTryComparesLogits: a delta that computes something else than its source is found.
func TestTryComparesLogits(t *testing.T) {
	config := writePair(t, []string{"a", "b"}, nil)
	s, err := Open(config)
	check(t, err)
	defer s.Close()
	path := filepath.Join(t.TempDir(), "x.ken")
	o := ken.Options{Selection: ken.LargestChange, Keep: 0.05, Factor: 1, Scope: ken.ScopeAll, Budget: ken.BudgetRow, Coding: delta.Float32}
	_, err = s.Write(context.Background(), path, o)
	check(t, err)
	check(t, s.Try(context.Background(), path, config.BaseDir, o))
	o.Keep = 1 // which the delta is not
	if err := s.Try(context.Background(), path, config.BaseDir, o); !errors.As(err, new(*TryError)) {
		t.Errorf("error %v, want a TryError", err)
	}
}

// TestForeignBase: a checkpoint of another base is refused, with the numbers.
func TestForeignBase(t *testing.T) {
	config := writePair(t, []string{"a", "b"}, nil)
	s, err := Open(config)
	check(t, err)
	defer s.Close()
	check(t, s.CheckDistance(context.Background()))
	rewrite(t, config.TunedDir, func(m map[string]*safetensors.Tensor) {
		for name, tensor := range m {
			if len(tensor.Shape) < 2 {
				continue
			}
			values := make([]float32, tensor.Len())
			check(t, tensor.Float32s(values, 0))
			slices.Reverse(values)
			reversed := *tensor
			reversed.Data = safetensors.Bytes(values)
			m[name] = &reversed
		}
	})
	other, err := Open(config)
	check(t, err)
	defer other.Close()
	if err := other.CheckDistance(context.Background()); !errors.As(err, new(*ForeignError)) || !strings.Contains(err.Error(), "% of the weights differ") {
		t.Errorf("error %v, want a ForeignError", err)
	}
}
