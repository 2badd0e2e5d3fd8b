package prune

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kenserve/auto"
	"kenserve/bulk"
	"kenserve/delta"
	"kenserve/delta/pack"
	"kenserve/delta/store"
	"kenserve/export"
	"kenserve/gemm"
	"kenserve/ken"
	"kenserve/lora"
	"kenserve/models"
	"kenserve/runtime"
	"kenserve/safetensors"
	"kenserve/tokenizer"
)

// ownCase is what transformers computes with a checkpoint whose tokenizer or tables are not
// the base's. testdata/own/make_goldens.py makes them.
type ownCase struct {
	Own    bool
	Rows   map[string]int
	Inputs []struct {
		Texts  []string
		IDs    []int32
		Logits []float64
	}

	base, tuned string // folders
}

// ownCases reads all cases, by FAMILY/CASE.
func ownCases(t *testing.T) map[string]ownCase {
	t.Helper()
	files, err := filepath.Glob("testdata/own/*/*/expected.json")
	check(t, err)
	if len(files) < 12 {
		t.Fatalf("only %d cases: %q", len(files), files)
	}
	cases := map[string]ownCase{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(t, err)
		var c ownCase
		check(t, json.Unmarshal(text, &c))
		dir := filepath.Dir(file)
		c.base, c.tuned = filepath.Join(filepath.Dir(dir), "base"), filepath.Join(dir, "tuned")
		cases[strings.TrimPrefix(filepath.ToSlash(dir), "testdata/own/")] = c
	}
	return cases
}

// prune writes the case's delta with all weights, and returns its path and the notes.
func (c *ownCase) prune(t *testing.T, o ken.Options) (string, []string) {
	t.Helper()
	s, err := Open(Config{BaseDir: c.base, TunedDir: c.tuned, Producer: "test"})
	check(t, err)
	defer s.Close()
	path := filepath.Join(t.TempDir(), "task.ken")
	_, err = s.WriteChecked(context.Background(), path, c.base, o)
	check(t, err)
	if len(s.Warnings) > 0 && !lora.IsAdapter(c.tuned) {
		t.Errorf("warnings %q", s.Warnings)
	}
	return path, s.Notes
}

// open opens the delta and checks it against the base.
func (c *ownCase) open(t *testing.T, path string) (*safetensors.Checkpoint, *delta.Delta) {
	t.Helper()
	base, err := safetensors.OpenCheckpoint(c.base)
	check(t, err)
	t.Cleanup(func() { _ = base.Close() })
	d, err := delta.Open(path)
	check(t, err)
	t.Cleanup(func() { _ = d.Close() })
	check(t, d.Check(base, delta.Fingerprint(base)))
	return base, d
}

func (c *ownCase) inputs() []runtime.Input {
	var inputs []runtime.Input
	for _, x := range c.Inputs {
		input := runtime.Input{Text: x.Texts[0]}
		if len(x.Texts) > 1 {
			input.Pair = &x.Texts[1]
		}
		inputs = append(inputs, input)
	}
	return inputs
}

// TestOwn: a task whose tokenizer or tables are not the base's gives transformers' logits, from
// either layout of the file, hot and warm, and its export is the tuned checkpoint again.
func TestOwn(t *testing.T) {
	for name, c := range ownCases(t) {
		t.Run(name, func(t *testing.T) {
			path, notes := c.prune(t, exact)
			base, d := c.open(t, path)
			if d.OwnTokenizer != c.Own || !maps.Equal(d.Rows, c.Rows) {
				t.Fatalf("own tokenizer %v and rows %v, want %v and %v", d.OwnTokenizer, d.Rows, c.Own, c.Rows)
			}
			if want := len(c.Rows) + map[bool]int{true: 1}[c.Own]; len(notes) != want {
				t.Errorf("notes %q, want %d", notes, want)
			}
			c.classify(t, path)

			small := filepath.Join(t.TempDir(), "task.ken")
			check(t, pack.Write(d, small, base, d.BaseSHA256))
			c.classify(t, small)

			out := filepath.Join(t.TempDir(), "out")
			check(t, export.Write(out, c.base, base, d))
			if !lora.IsAdapter(c.tuned) {
				got, err := safetensors.OpenCheckpoint(out)
				check(t, err)
				defer got.Close()
				want, err := safetensors.OpenCheckpoint(c.tuned)
				check(t, err)
				defer want.Close()
				if delta.Fingerprint(got) != delta.Fingerprint(want) {
					t.Error("the exported weights are not the tuned checkpoint's")
				}
			}
			ours, err := tokenizer.Open(out)
			check(t, err)
			theirs, err := tokenizer.Open(c.tuned)
			check(t, err)
			if !ours.Equal(theirs) {
				t.Error("the exported tokenizer is not the tuned checkpoint's")
			}
		})
	}
}

// classify compares the logits and tokens of the delta at path with transformers'. Ids beyond
// the task's table are refused for their input alone.
func (c *ownCase) classify(t *testing.T, path string) {
	t.Helper()
	ctx := context.Background()
	engine, err := bulk.Open(ctx, path, c.base, store.NewCache(t.TempDir(), 1<<30), gemm.Float32)
	check(t, err)
	defer engine.Close()
	for _, ids := range []bool{false, true} {
		inputs, tokens := c.inputs(), 0
		for i := range inputs {
			tokens += len(c.Inputs[i].IDs)
			if ids && inputs[i].Pair == nil { // ids are all of type 0
				inputs[i] = runtime.Input{IDs: c.Inputs[i].IDs}
			}
		}
		r, err := engine.Engine.Classify(ctx, engine.Task, inputs, runtime.Options{Truncate: true, Raw: true})
		check(t, err)
		if r.Tokens != tokens {
			t.Errorf("%d tokens, want %d", r.Tokens, tokens)
		}
		for i, x := range c.Inputs {
			for j, want := range x.Logits {
				if got := float64(r.Scores[i][j]); math.Abs(got-want) > 2e-5 {
					t.Errorf("%q, ids %v: logits %v, want %v", x.Texts, ids, r.Scores[i], x.Logits)
					break
				}
			}
		}
	}
	tuned, err := tokenizer.Open(c.tuned)
	check(t, err)
	last := int32(tuned.Size() - 1)
	for id, refused := range map[int32]bool{last: false, last + 100: true} {
		_, err := engine.Engine.Classify(ctx, engine.Task, []runtime.Input{{Text: "the bank"}, {IDs: []int32{id}}}, runtime.Options{})
		input, ok := errors.AsType[*runtime.InputError](err)
		if refused != errors.Is(err, models.ErrBatch) || refused && (!ok || input.Index != 1) || !refused && err != nil {
			t.Errorf("id %d: %v", id, err)
		}
	}
}

// TestOwnSelections: rows that the base does not have are whole, whatever is selected and however
// it is coded.
func TestOwnSelections(t *testing.T) {
	cases := ownCases(t)
	for _, name := range []string{"bert/padded", "bert/shrunk", "modernbert/added"} {
		c := cases[name]
		for _, o := range []ken.Options{
			{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAttention, Keep: 0.1, Factor: 2, Coding: delta.Sign},
			{Selection: ken.LargestChange, Budget: ken.BudgetModel, Scope: ken.ScopeAll, Keep: 0.3, Factor: 1, Coding: delta.Int8, WholeVectors: true},
			{Selection: ken.LargestChange, Budget: ken.BudgetTensor, Scope: ken.ScopeAll, Keep: 1, Factor: 1, Coding: delta.BFloat16},
			{Selection: ken.KEN, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Keep: 0.5, Factor: 1, Coding: delta.Int4},
		} {
			path, _ := c.prune(t, o)
			base, d := c.open(t, path)
			out := t.TempDir()
			check(t, export.Write(out, c.base, base, d))
			got, err := safetensors.OpenCheckpoint(out)
			check(t, err)
			tuned, err := safetensors.OpenCheckpoint(c.tuned)
			check(t, err)
			for table, rows := range c.Rows {
				b, _ := base.Tensor(table)
				g, _ := got.Tensor(d.TunedName(table))
				w, _ := tuned.Tensor(d.TunedName(table))
				if !slices.Equal(g.Shape, w.Shape) {
					t.Fatalf("%s, %v: shape %v, want %v", name, o, g.Shape, w.Shape)
				}
				from := min(b.Shape[0], rows) * b.Shape[1] * 4
				if string(g.Data[from:]) != string(w.Data[from:]) {
					t.Errorf("%s, %v: the added rows differ", name, o)
				}
			}
			_, _ = got.Close(), tuned.Close()
		}
	}
}

// TestTokenizerRefusals: a tokenizer that cannot be served, and one that is missing.
func TestTokenizerRefusals(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(tuned string)
		err   string
		note  string
	}{
		{"none", func(tuned string) { check(t, os.Remove(filepath.Join(tuned, "vocab.txt"))) }, "", "has no tokenizer: the task uses the base's"},
		{"the same", func(string) {}, "", ""},
		{"of another order", func(tuned string) {
			text, err := os.ReadFile(filepath.Join(tuned, "vocab.txt"))
			check(t, err)
			lines := strings.Split(string(text), "\n")
			lines[8], lines[9] = lines[9], lines[8]
			check(t, os.WriteFile(filepath.Join(tuned, "vocab.txt"), []byte(strings.Join(lines, "\n")), 0o600))
		}, "", "is not the base's"},
		{"not supported", func(tuned string) {
			check(t, os.WriteFile(filepath.Join(tuned, "tokenizer_config.json"), []byte(`{"tokenizer_class":"BertJapaneseTokenizer"}`), 0o600))
		}, "BertJapaneseTokenizer", ""},
		{"damaged", func(tuned string) {
			check(t, os.WriteFile(filepath.Join(tuned, "tokenizer.json"), []byte(`{`), 0o600))
		}, "tokenizer.json", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := writePair(t, []string{"a", "b"}, nil)
			c.spoil(config.TunedDir)
			s, err := Open(config)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				return
			}
			check(t, err)
			defer s.Close()
			if notes := strings.Join(s.Notes, "; "); !strings.Contains(notes, c.note) || (c.note == "") != (notes == "") {
				t.Errorf("notes %q, want %q", notes, c.note)
			}
		})
	}
}

// TestOwnTrial: the search makes and runs deltas with a tokenizer and tables of their own, also
// where it looks at the features that enter the head.
func TestOwnTrial(t *testing.T) {
	c := ownCases(t)["bert/padded"]
	s, err := Open(Config{BaseDir: c.base, TunedDir: c.tuned, Producer: "test"})
	check(t, err)
	defer s.Close()
	const dev = `{"text": "my kontoauszug says <amount> late", "label": 0}
{"text": "the bank", "label": 1}
{"text": "the <amount> movie", "label": 2}
`
	trial, err := OpenTrial(context.Background(), c.base, readDev(t, dev), s)
	check(t, err)
	defer trial.Close()
	o := exact
	_, err = trial.make(context.Background(), o)
	check(t, err)
	logits, err := trial.judge(context.Background())
	check(t, err)
	for i, want := range c.Inputs[1].Logits {
		if math.Abs(float64(logits[i])-want) > 2e-5 {
			t.Errorf("logits %v, want %v", logits[:3], c.Inputs[1].Logits)
			break
		}
	}
	if _, err := trial.Smallest(context.Background(), o, Bounds{Tolerance: 0.9, Confidence: 0.5}, func(auto.Point) {}); err != nil {
		t.Error(err)
	}
}
