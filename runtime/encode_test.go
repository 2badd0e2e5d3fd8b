package runtime

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kenserve/delta"
	"kenserve/ken"
)

// TestEncode: inputs that were encoded once give the scores of their texts with
// every task, also pairs and truncated texts.
func TestEncode(t *testing.T) {
	f := newFixture(t, 2, ken.Options{Selection: ken.LargestChange, Keep: 0.5, Coding: delta.Sign})
	e := f.open(t, Config{BatchTokens: 20})
	defer e.Close()
	ctx := context.Background()
	inputs := append(texts(12, 7), Input{Text: "what is", Pair: ptr("the card")}, Input{IDs: []int32{2, 5, 6, 3}})
	for _, o := range []Options{{}, {Truncate: true, MaxTokens: 5}, {Truncate: true, MaxTokens: 6, TruncateAt: Start}, {Raw: true}} {
		encoded, err := e.Encode(ctx, inputs, o)
		must(t, err)
		for _, task := range []string{"t0", "t1"} {
			want, err := e.Classify(ctx, task, inputs, o)
			must(t, err)
			got, err := e.Classify(ctx, task, encoded, o)
			must(t, err)
			if diff := cmp.Diff(want.Scores, got.Scores); diff != "" || got.Tokens != want.Tokens {
				t.Errorf("%s %+v: %d tokens, want %d: %s", task, o, got.Tokens, want.Tokens, diff)
			}
		}
	}
}

// TestEncodeErrors: Encode returns the error that Classify returns for an input.
func TestEncodeErrors(t *testing.T) {
	f := newFixture(t, 1, ken.Options{Selection: ken.LargestChange, Keep: 0.5, Coding: delta.Sign})
	e := f.open(t, Config{})
	defer e.Close()
	ctx := context.Background()
	for _, c := range []struct {
		name    string
		bad     Input
		options Options
	}{
		{"too long", Input{Text: "what is the card"}, Options{MaxTokens: 4}},
		{"no ids", Input{IDs: []int32{}}, Options{}},
		{"unknown id", Input{IDs: []int32{1 << 30}}, Options{}},
	} {
		inputs := []Input{{Text: "what"}, c.bad, c.bad}
		_, got := e.Encode(ctx, inputs, c.options)
		_, want := e.Classify(ctx, "t0", inputs, c.options)
		var at *InputError
		if got == nil || want == nil || got.Error() != want.Error() || !errors.As(got, &at) || at.Index != 1 {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := e.Encode(ended, []Input{{Text: "what"}}, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
