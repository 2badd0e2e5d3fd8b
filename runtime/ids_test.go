package runtime

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/ken"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/tokenizer"
)

// TestIDs: the ids of a text give the scores of the text, also if a call has both
// texts and ids.
func TestIDs(t *testing.T) {
	f := newFixture(t, 1, ken.Options{Selection: ken.LargestChange, Keep: 0.5, Coding: delta.Sign})
	e := f.open(t, Config{BatchTokens: 20})
	defer e.Close()
	inputs := texts(12, 7)
	mixed := append([]Input(nil), inputs...)
	for i, input := range inputs {
		if input.Pair == nil && i%3 > 0 {
			encoding, err := e.base.Tokenizer.Encode(input.Text, nil, tokenizer.Options{AddSpecialTokens: true})
			must(t, err)
			mixed[i] = Input{IDs: encoding.IDs}
		}
	}
	want, err := e.Classify(context.Background(), "t0", inputs, Options{})
	must(t, err)
	got, err := e.Classify(context.Background(), "t0", mixed, Options{})
	must(t, err)
	if diff := cmp.Diff(want.Scores, got.Scores); diff != "" || got.Tokens != want.Tokens {
		t.Errorf("%d tokens, want %d: %s", got.Tokens, want.Tokens, diff)
	}
}

// TestTruncation: an input that is truncated, at either end, gives the scores of
// the remaining text.
func TestTruncation(t *testing.T) {
	f := newFixture(t, 1, ken.Options{Selection: ken.LargestChange, Keep: 0.5, Coding: delta.Sign})
	e := f.open(t, Config{})
	defer e.Close()
	for _, c := range []struct {
		name      string
		long, cut Input
		options   Options
		tokens    int
	}{
		{"text, right", Input{Text: "what is the card"}, Input{Text: "what is"}, Options{MaxTokens: 4, Truncate: true}, 4},
		{"text, left", Input{Text: "what is the card"}, Input{Text: "the card"}, Options{MaxTokens: 4, Truncate: true, TruncateAt: Start}, 4},
		{"ids, right", Input{IDs: []int32{2, 5, 6, 7, 3}}, Input{IDs: []int32{2, 5}}, Options{MaxTokens: 2, Truncate: true}, 2},
		{"ids, left", Input{IDs: []int32{2, 5, 6, 7, 3}}, Input{IDs: []int32{7, 3}}, Options{MaxTokens: 2, Truncate: true, TruncateAt: Start}, 2},
		{"short enough", Input{Text: "what is"}, Input{Text: "what is"}, Options{MaxTokens: 1 << 30, TruncateAt: Start}, 4},
	} {
		got, err := e.Classify(context.Background(), "t0", []Input{c.long}, c.options)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		want, err := e.Classify(context.Background(), "t0", []Input{c.cut}, Options{})
		must(t, err)
		if diff := cmp.Diff(want.Scores, got.Scores); diff != "" || got.Tokens != c.tokens {
			t.Errorf("%s: %d tokens, want %d: %s", c.name, got.Tokens, c.tokens, diff)
		}
	}
}

// TestBadIDs: ids that no text has are an error about their input.
func TestBadIDs(t *testing.T) {
	f := newFixture(t, 1, ken.Options{Selection: ken.LargestChange, Keep: 0.5, Coding: delta.Sign})
	e := f.open(t, Config{})
	defer e.Close()
	size := int32(e.base.Tokenizer.Size())
	for _, c := range []struct {
		name    string
		ids     []int32
		options Options
		want    error
	}{
		{"none", []int32{}, Options{}, models.ErrBatch},
		{"negative", []int32{2, -1, 3}, Options{}, models.ErrBatch},
		{"beyond the vocabulary", []int32{2, size, 3}, Options{}, models.ErrBatch},
		{"too many", make([]int32, e.base.arch.MaxTokens()+1), Options{}, ErrTooLong},
		{"too many for the request", make([]int32, 4), Options{MaxTokens: 3}, ErrTooLong},
	} {
		_, err := e.Classify(context.Background(), "t0", []Input{{Text: "what"}, {IDs: c.ids}}, c.options)
		input, ok := errors.AsType[*InputError](err)
		if !errors.Is(err, c.want) || !ok || input.Index != 1 {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := e.Classify(context.Background(), "t0", []Input{{IDs: []int32{size - 1}}}, Options{}); err != nil {
		t.Errorf("the last id: %v", err)
	}
}

// TestBadTexts: a text without any token and a word that the model lacks are an
// error about their input. The tokenizer of this test adds no special tokens.
func TestBadTexts(t *testing.T) {
	f := newFamilyFixture(t, "bloom", 1, ken.Options{Selection: ken.LargestChange, Keep: 0.5, Coding: delta.Sign})
	tokenizer := `{"version":"1.0","pre_tokenizer":{"type":"BertPreTokenizer"},"model":{"type":"WordPiece","unk_token":"[UNK]",` +
		`"continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"[UNK]":0,"what":1,"beyond":1000}}}`
	must(t, os.WriteFile(filepath.Join(f.base, "tokenizer.json"), []byte(tokenizer), 0o600))
	e := f.open(t, Config{})
	defer e.Close()
	for _, text := range []string{"", " ", "what beyond"} {
		_, err := e.Classify(context.Background(), "t0", []Input{{Text: "what"}, {Text: text}}, Options{})
		input, ok := errors.AsType[*InputError](err)
		if !errors.Is(err, models.ErrBatch) || !ok || input.Index != 1 {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := e.Classify(context.Background(), "t0", []Input{{Text: "what"}}, Options{}); err != nil {
		t.Errorf("a word that the model has: %v", err)
	}
}

// TestTokenTypes: a pair with a token type that the model does not have is an error
// about that input, and so is a pair that Encode has tokenised. Other inputs, in
// calls of their own that share its batch, are computed.
func TestTokenTypes(t *testing.T) {
	f := newFamilyFixture(t, "roberta", 1, ken.Options{Selection: ken.LargestChange, Keep: 0.5, Coding: delta.Sign})
	tokenizer := `{"version":"1.0","pre_tokenizer":{"type":"BertPreTokenizer"},` +
		`"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":2}}],"special_tokens":{}},` +
		`"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"[UNK]":0,"what":1}}}`
	must(t, os.WriteFile(filepath.Join(f.base, "tokenizer.json"), []byte(tokenizer), 0o600))
	e := f.open(t, Config{BatchWait: 20 * time.Millisecond})
	defer e.Close()
	pair := Input{Text: "what", Pair: new("what")}
	var calls sync.WaitGroup
	for range 4 {
		calls.Go(func() {
			if _, err := e.Classify(context.Background(), "t0", []Input{{Text: "what"}}, Options{}); err != nil {
				t.Errorf("a single text: %v", err)
			}
		})
	}
	for name, call := range map[string]func() error{
		"Classify": func() error {
			_, err := e.Classify(context.Background(), "t0", []Input{{Text: "what"}, pair}, Options{})
			return err
		},
		"Encode": func() error {
			_, err := e.Encode(context.Background(), []Input{{Text: "what"}, pair}, Options{})
			return err
		},
	} {
		err := call()
		if input, ok := errors.AsType[*InputError](err); !errors.Is(err, models.ErrTokenTypes) || !errors.Is(err, models.ErrBatch) || !ok || input.Index != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	calls.Wait()
}

// TestLimits: for every family, a batch at all limits is computed, and one beyond
// any of them is refused by the check before the forward pass and by the pass
// itself.
func TestLimits(t *testing.T) {
	for _, modelType := range families.Names() {
		f := newFamilyFixture(t, modelType, 1, ken.Options{Selection: ken.LargestChange, Keep: 0.5, Coding: delta.Sign})
		b, err := openBase(f.base, gemm.Float32)
		must(t, err)
		d, err := delta.Open(filepath.Join(f.store, "t0"+delta.Extension))
		must(t, err)
		defer d.Close()
		p, err := planTask(b, &tokenizers{}, d)
		must(t, err)
		task, err := p.load()
		must(t, err)
		network, err := task.Warm()
		must(t, err)
		limits := b.arch.Limits()
		batch := func(tokens, id, tokenType int) *models.Batch {
			x := &models.Batch{Ends: []int{tokens}}
			for range tokens {
				x.IDs, x.TypeIDs = append(x.IDs, int32(id)), append(x.TypeIDs, int32(tokenType))
			}
			return x
		}
		lastType := max(limits.Types-1, 0)
		for _, c := range []struct {
			name  string
			batch *models.Batch
			want  error
		}{
			{"at the limits", batch(limits.Tokens, limits.Vocabulary-1, lastType), nil},
			{"no token", batch(0, 0, 0), models.ErrEmpty},
			{"too many tokens", batch(limits.Tokens+1, 5, 0), models.ErrBatch},
			{"a negative id", batch(1, -1, 0), models.ErrBatch},
			{"an id beyond the table", batch(1, limits.Vocabulary, 0), models.ErrBatch},
			{"a type beyond the table", batch(1, 5, limits.Types), models.ErrTokenTypes},
		} {
			if limits.Types == 0 && c.want == models.ErrTokenTypes {
				continue
			}
			forward := network.Forward(models.NewWorkspace(nil), c.batch, make([]float32, network.Labels()))
			if check := c.batch.Check(limits); !errors.Is(check, c.want) || !errors.Is(forward, c.want) {
				t.Errorf("%s, %s: check: %v, forward pass: %v, want %v", modelType, c.name, check, forward, c.want)
			}
		}
	}
}
