package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/ken"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/models/tiny"
)

// TestFamilies: for every family, warm and hot, scores have the bits of the full
// checkpoint's if all weights are kept exactly, and of an export of the same delta
// if some are kept in any coding.
func TestFamilies(t *testing.T) {
	for _, modelType := range families.Names() {
		for _, c := range []struct {
			name    string
			options ken.Options
		}{
			{"whole", ken.Options{Selection: ken.KEN, Keep: 1, Coding: delta.Float32}},
			{"half", ken.Options{Selection: ken.KEN, Keep: 0.5, Coding: delta.Float32}},
			{"signs", ken.Options{Selection: ken.LargestChange, Keep: 0.2, Coding: delta.Sign}},
		} {
			t.Run(modelType+", "+c.name, func(t *testing.T) {
				config, err := models.ParseConfig([]byte(`{"model_type":"` + modelType + `","relative_attention":true,"pos_att_type":"c2p"}`))
				must(t, err)
				arch, err := families.New(config)
				must(t, err)
				c.options.Table = TableNames(arch)
				f := newFamilyFixture(t, modelType, 1, c.options)
				full := f.tuned[0]
				if c.name != "whole" {
					full = f.export(t, "t0")
				}
				inputs := texts(12, 3)
				want := reference(t, full, inputs)

				b, err := openBase(f.base, gemm.Float32)
				must(t, err)
				d, err := delta.Open(filepath.Join(f.store, "t0"+delta.Extension))
				must(t, err)
				defer d.Close()
				p, err := planTask(b, &tokenizers{}, d)
				must(t, err)
				task, err := p.load()
				must(t, err)
				for name, bind := range map[string]func() (models.Network, error){"warm": task.Warm, "hot": task.Hot} {
					network, err := bind()
					must(t, err)
					if diff := cmp.Diff(want, forward(t, b, network, inputs)); diff != "" {
						t.Errorf("%s: %s", name, diff)
					}
				}

				e := f.open(t, Config{BatchTokens: 40})
				defer e.Close()
				r, err := e.Classify(context.Background(), "t0", inputs, Options{Raw: true})
				must(t, err)
				if diff := cmp.Diff(want, r.Scores); diff != "" {
					t.Errorf("engine: %s", diff)
				}
			})
		}
	}
}

// TestTasksConfiguration: a task's own configuration counts, as long as its model
// has the base's parameters.
func TestTasksConfiguration(t *testing.T) {
	f := newFamilyFixture(t, "modernbert", 1, ken.Options{Selection: ken.KEN, Keep: 1, Coding: delta.Float32})
	inputs := texts(5, 4)
	first := reference(t, f.tuned[0], inputs)
	path := filepath.Join(f.tuned[0], models.ConfigFile)
	text, err := os.ReadFile(path)
	must(t, err)
	edited := func(from, to string) {
		t.Helper()
		changed := strings.Replace(string(text), from, to, 1)
		if changed == string(text) {
			t.Fatalf("the configuration has no %s", from)
		}
		must(t, os.WriteFile(path, []byte(changed), 0o600))
		f.prune(t, "t0", 0, ken.Options{Selection: ken.KEN, Keep: 1, Coding: delta.Float32})
	}
	classify := func() (*Result, error) {
		e := f.open(t, Config{})
		defer e.Close()
		return e.Classify(context.Background(), "t0", inputs, Options{Raw: true})
	}

	edited(`{`, `{"classifier_pooling":"mean",`)
	mean := reference(t, f.tuned[0], inputs)
	if cmp.Equal(first, mean) {
		t.Fatal("the pooling does not change the scores")
	}
	r, err := classify()
	must(t, err)
	if diff := cmp.Diff(mean, r.Scores); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct{ from, to, wrong string }{
		{`"num_hidden_layers":3`, `"num_hidden_layers":2`, "another model"},
		{`{`, `{"classifier_pooling":"max",`, "classifier_pooling"},
	} {
		edited(c.from, c.to)
		if _, err := classify(); err == nil || !strings.Contains(errors.Unwrap(err).Error(), c.wrong) {
			t.Errorf("%s: error %v, want %q", c.to, err, c.wrong)
		}
	}

	// The limit of tokens is the task's own, above the base's or below.
	for _, limit := range []int{16, 48} {
		edited(`"max_position_embeddings":32`, fmt.Sprintf(`"max_position_embeddings":%d`, limit))
		for _, tokens := range []int{limit, limit + 1} {
			inputs = []Input{{IDs: slices.Repeat([]int32{5}, tokens)}}
			if _, err := classify(); errors.Is(err, ErrTooLong) != (tokens > limit) || err != nil && tokens <= limit {
				t.Errorf("%d tokens for a model of %d: %v", tokens, limit, err)
			}
		}
	}
}

// TestFamilyPrefix: a base may be saved from a model with a head: with the family's
// prefix, and with tensors of the classifier's names.
func TestFamilyPrefix(t *testing.T) {
	for _, modelType := range families.Names() {
		f := newFamilyFixture(t, modelType, 1, ken.Options{Selection: ken.KEN, Keep: 1, Coding: delta.Float32})
		want := reference(t, f.tuned[0], texts(5, 5))
		other := filepath.Join(t.TempDir(), "other")
		must(t, tiny.WriteTuned(other, f.base, []string{"x", "y"}, 77))
		// The other task's checkpoint becomes the base.
		f.base = other
		config, err := models.ReadConfig(other)
		must(t, err)
		arch, err := families.New(config)
		must(t, err)
		head := map[string]bool{}
		for _, p := range arch.Head(2) {
			head[p.Name] = true
		}
		f.prune(t, "t0", 0, ken.Options{Selection: ken.KEN, Keep: 1, Coding: delta.Float32, Head: func(name string) bool { return head[name] }})
		e := f.open(t, Config{})
		r, err := e.Classify(context.Background(), "t0", texts(5, 5), Options{Raw: true})
		must(t, err)
		must(t, e.Close())
		if diff := cmp.Diff(want, r.Scores); diff != "" {
			t.Errorf("%s: %s", modelType, diff)
		}
	}
}
