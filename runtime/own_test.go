package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/ken"
	"kenserve/models"
	"kenserve/models/tiny"
	"kenserve/runtime/internal/failure"
	"kenserve/tokenizer"
)

var ownOptions = ken.Options{Selection: ken.KEN, Keep: 1, Coding: delta.Float32}

// rotated returns the files of a tokenizer whose words have the ids of other words.
func rotated(by int) map[string][]byte {
	words := append(slices.Clone(tiny.Words[by:]), tiny.Words[:by]...)
	list := append([]string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}, words...)
	return map[string][]byte{
		"vocab.txt":             []byte(strings.Join(list, "\n") + "\n"),
		"tokenizer_config.json": []byte(`{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}`),
		"config.json":           []byte(`{"model_type":"bert"}`),
	}
}

// newOwnFixture makes tasks t0, t1, …, of which all but t0 have tokenizers of their own: t1 and
// t2 the same one, and t3 another. It returns the logits of each task for the inputs.
func newOwnFixture(t *testing.T, inputs []Input) (f *fixture, want [][][]float32) {
	t.Helper()
	f = newFixture(t, 4, ownOptions)
	f.tokenizers = map[string]map[string][]byte{"t1": rotated(3), "t2": rotated(3), "t3": rotated(7)}
	for i, tuned := range f.tuned {
		name := fmt.Sprintf("t%d", i)
		files := f.tokenizers[name]
		f.prune(t, name, i, ownOptions)
		for file, data := range files {
			if file != models.ConfigFile {
				must(t, os.WriteFile(filepath.Join(tuned, file), data, 0o600))
			}
		}
		want = append(want, reference(t, tuned, inputs))
	}
	if cmp.Equal(want[1], want[2]) || cmp.Equal(want[0], want[1]) {
		t.Fatal("tasks give the same scores")
	}
	return f, want
}

// TestOwnTokenizers: tasks with different tokenizers, at the same time, give the scores of their
// own, also for inputs that they share. Tasks with the same tokenizer have one in memory, and it
// is dropped with the last of them.
func TestOwnTokenizers(t *testing.T) {
	inputs := texts(15, 3)
	f, want := newOwnFixture(t, inputs)
	e := f.open(t, Config{BatchTokens: 20})
	defer e.Close()
	ctx := context.Background()
	shared := Share(inputs)
	var calls sync.WaitGroup
	for range 3 {
		for i := range want {
			for _, inputs := range [][]Input{inputs, shared} {
				calls.Go(func() {
					r, err := e.Classify(ctx, fmt.Sprintf("t%d", i), inputs, Options{Raw: true})
					if err != nil {
						t.Error(err)
					} else if diff := cmp.Diff(want[i], r.Scores); diff != "" {
						t.Errorf("task %d: %s", i, diff)
					}
				})
			}
		}
	}
	calls.Wait()
	for i, input := range shared {
		if n := len(input.shared.tokens); n != 3 {
			t.Errorf("input %d was tokenised %d times, want 3", i, n)
		}
	}
	one, err := tokenizer.New(rotated(3))
	must(t, err)
	for _, step := range []struct {
		unload string
		count  int
	}{{"t0", 2}, {"t1", 2}, {"t3", 1}, {"t2", 0}} {
		must(t, e.Unload(ctx, step.unload))
		if n, bytes := len(e.own.byDigest), e.own.memory(); n != step.count || bytes != int64(step.count)*one.Bytes() {
			t.Errorf("without %s: %d tokenizers with %d bytes, want %d", step.unload, n, bytes, step.count)
		}
	}
}

// TestOwnTokenizersChurn: with room for two of the tasks, requests for all of them give the same
// scores, and tokenizers come and go with their tasks.
func TestOwnTokenizersChurn(t *testing.T) {
	inputs := texts(5, 3)
	f, want := newOwnFixture(t, inputs)
	one, err := tokenizer.New(rotated(3))
	must(t, err)
	e := f.open(t, Config{Budget: 2*(f.taskBytes(t, "t1")+one.Bytes()) + 1})
	defer e.Close()
	var calls sync.WaitGroup
	for worker := range 4 {
		calls.Go(func() {
			for round := range 25 {
				i := (worker + round*(1+worker%3)) % len(want)
				r, err := e.Classify(context.Background(), fmt.Sprintf("t%d", i), inputs, Options{Raw: true})
				if err != nil {
					t.Error(err)
				} else if diff := cmp.Diff(want[i], r.Scores); diff != "" {
					t.Errorf("task %d: %s", i, diff)
				}
			}
		})
	}
	calls.Wait()
	s := e.Stats()
	if s.Evictions == 0 {
		t.Error("nothing was evicted")
	}
	for name := range f.tokenizers {
		must(t, e.Unload(context.Background(), name))
	}
	if n, bytes := len(e.own.byDigest), e.own.memory(); n != 0 || bytes != 0 {
		t.Errorf("%d tokenizers with %d bytes are left", n, bytes)
	}
}

// TestOwnTokenizerCorrupt: a delta whose tokenizer cannot be made is corrupt, for requests and
// for an upload, and other tasks are served.
func TestOwnTokenizerCorrupt(t *testing.T) {
	f := newFixture(t, 1, ownOptions)
	f.tokenizers = map[string]map[string][]byte{
		"damaged": {"tokenizer.json": []byte(`{"version":"1.0"`)},
		"partial": {"tokenizer_config.json": []byte(`{}`)},
		"foreign": {"vocab.txt": []byte("[UNK]\n"), "model.safetensors": []byte("x")},
	}
	for name := range f.tokenizers {
		f.prune(t, name, 0, ownOptions)
	}
	e := f.open(t, Config{})
	defer e.Close()
	ctx := context.Background()
	for name := range f.tokenizers {
		_, err := e.Classify(ctx, name, []Input{{Text: "what"}}, Options{})
		if !errors.Is(err, ErrTaskUnusable) || !errors.Is(failure.Cause(err), delta.ErrCorrupt) || failure.Class(err) != "its delta is not valid" {
			t.Errorf("%s: %v: %v", name, err, failure.Cause(err))
		}
		file, err := os.Open(filepath.Join(f.store, name+delta.Extension))
		must(t, err)
		defer file.Close()
		if _, err := e.Put(ctx, "t0", file, -1); !errors.Is(err, ErrTaskUnusable) {
			t.Errorf("put %s: %v", name, err)
		}
	}
	if _, err := e.Classify(ctx, "t0", []Input{{Text: "what"}}, Options{}); err != nil {
		t.Error(err)
	}
	if n, bytes := len(e.own.byDigest), e.own.memory(); n != 0 || bytes != 0 {
		t.Errorf("%d tokenizers with %d bytes are left", n, bytes)
	}
}

// TestResizedTables: a delta with resized tables needs its own configuration, whose
// sizes are those of the tables.
func TestResizedTables(t *testing.T) {
	f := newFixture(t, 1, ownOptions)
	b, err := openBase(f.base, gemm.Float32)
	must(t, err)
	text, err := os.ReadFile(filepath.Join(f.tuned[0], models.ConfigFile))
	must(t, err)
	vocabulary := fmt.Sprintf(`"vocab_size":%d`, b.arch.Limits().Vocabulary)
	larger := strings.Replace(string(text), vocabulary, `"vocab_size":100`, 1)
	const words = "embeddings.word_embeddings.weight"
	for _, c := range []struct {
		name string
		info delta.Info
		want string // part of the error
	}{
		{"the base's", delta.Info{Config: string(text)}, ""},
		{"larger", delta.Info{Config: larger, Rows: map[string]int{words: 100}}, ""},
		{"no configuration", delta.Info{Rows: map[string]int{words: 100}}, "no configuration"},
		{"the configuration alone", delta.Info{Config: larger}, words + " has shape [100 24]"},
		{"the table alone", delta.Info{Config: string(text), Rows: map[string]int{words: 100}}, words + " has shape"},
		{"a matrix", delta.Info{Config: string(text), Rows: map[string]int{"encoder.layer.0.output.dense.weight": 100}}, "1 resized tensors, of which 0 are tables"},
	} {
		arch, _, err := b.taskArchitecture(&delta.Delta{Info: c.info})
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v, want %q", c.name, err, c.want)
			}
			continue
		}
		must(t, err)
		if rows := c.info.Rows[words]; rows != 0 && arch.Limits().Vocabulary != rows {
			t.Errorf("%s: %d token ids, want %d", c.name, arch.Limits().Vocabulary, rows)
		}
	}
}

// FuzzOwnTokenizer: whatever the files of a delta's tokenizer are, it is made or the delta is
// corrupt, and it tokenises.
func FuzzOwnTokenizer(f *testing.F) {
	f.Add([]byte("[UNK]\n[CLS]\n[SEP]\nword\n"), []byte(`{"tokenizer_class":"BertTokenizer"}`), []byte{})
	f.Add([]byte{}, []byte{}, []byte(`{"version":"1.0","pre_tokenizer":{"type":"BertPreTokenizer"},"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"[UNK]":0,"what":1}}}`))
	f.Fuzz(func(t *testing.T, vocabulary, settings, pipeline []byte) {
		files := map[string][]byte{}
		for name, data := range map[string][]byte{"vocab.txt": vocabulary, "tokenizer_config.json": settings, "tokenizer.json": pipeline} {
			if len(data) > 0 {
				files[name] = data
			}
		}
		own, err := newTokenizer(files)
		if err != nil {
			if !errors.Is(err, delta.ErrCorrupt) || strings.Contains(err.Error(), "panic") {
				t.Fatal(err)
			}
			return
		}
		again, err := newTokenizer(files)
		must(t, err)
		if own.Bytes() <= 0 || !own.Equal(again) {
			t.Fatal("the tokenizer takes no memory, or is not equal to itself")
		}
		_, _ = own.Encode("what is the word?", nil, tokenizer.Options{AddSpecialTokens: true})
	})
}
