package runtime

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kenserve/delta"
	"kenserve/ken"
)

// TestModelMaxLength: texts are truncated to the least of what the model takes (16 tokens), what the
// tokenizer's files say and what the engine's configuration says, at the end that the files say unless
// the request does. A request that forbids truncation may send as much as the model takes.
func TestModelMaxLength(t *testing.T) {
	const settings = `{"tokenizer_class":"BertTokenizer","model_max_length":`
	for _, c := range []struct {
		name, settings string
		maxTokens      int // of Config
		at             TruncateAt
		want           int
		text           string // to which the long text is truncated
	}{
		{"the file says less", settings + `5}`, 0, 0, 5, "what is the"},
		{"from the left", settings + `5,"truncation_side":"left"}`, 0, 0, 5, "good film city"},
		{"the request says where", settings + `5,"truncation_side":"left"}`, 0, End, 5, "what is the"},
		{"the request says left", settings + `5}`, 0, Start, 5, "good film city"},
		{"the configuration says less", settings + `7}`, 4, 0, 4, "what is"},
		{"no limit", settings + `1000000000000000019884624838656}`, 6, 0, 6, "what is the card"},
		{"null", settings + `null}`, 6, 0, 6, "what is the card"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, 1, ken.Options{Selection: ken.LargestChange, Keep: 0.5, Coding: delta.Sign})
			must(t, os.WriteFile(filepath.Join(f.base, "tokenizer_config.json"), []byte(c.settings), 0o600))
			e := f.open(t, Config{MaxTokens: c.maxTokens})
			defer e.Close()
			if e.MaxTokens() != c.want {
				t.Errorf("engine: %d tokens, want %d", e.MaxTokens(), c.want)
			}
			ctx := context.Background()
			long := Input{Text: "what is the card not good film city"} // 10 tokens
			inputs := []Input{long, {Text: "what"}, {Text: c.text}}
			got, err := e.Classify(ctx, "t0", inputs, Options{Truncate: true, TruncateAt: c.at})
			must(t, err)
			if got.Truncated != 1 || got.MaxTokens != c.want {
				t.Errorf("%d texts truncated to %d tokens, want 1 to %d", got.Truncated, got.MaxTokens, c.want)
			}
			if diff := cmp.Diff(got.Scores[0], got.Scores[2]); diff != "" {
				t.Errorf("the long text has other scores than %q: %s", c.text, diff)
			}
			whole, err := e.Classify(ctx, "t0", []Input{long}, Options{})
			if c.maxTokens > 0 {
				if !errors.Is(err, ErrTooLong) {
					t.Errorf("without truncation: %v, want ErrTooLong", err)
				}
				return
			}
			must(t, err)
			if whole.Tokens != 10 || whole.Truncated != 0 {
				t.Errorf("without truncation: %d tokens", whole.Tokens)
			}
		})
	}
}
