package huggingface

import (
	"testing"

	"kenserve/runtime"
	"kenserve/server/internal/servertest"
)

// Parameters that change the result become the options of the engine.
func TestOptions(t *testing.T) {
	for _, c := range []struct {
		parameters string
		want       runtime.Options
		topK       int
	}{
		{``, runtime.Options{Truncate: true}, 0},
		{`"truncation":false`, runtime.Options{}, 0},
		{`"truncation":"do_not_truncate"`, runtime.Options{}, 0},
		{`"truncation":"longest_first"`, runtime.Options{Truncate: true}, 0},
		{`"truncation_side":"left"`, runtime.Options{Truncate: true, TruncateAt: runtime.Start}, 0},
		{`"max_length":8`, runtime.Options{Truncate: true, MaxTokens: 8}, 0},
		{`"max_length":8,"truncation":false`, runtime.Options{}, 0},
		{`"add_special_tokens":false`, runtime.Options{Truncate: true, NoSpecialTokens: true}, 0},
		{`"function_to_apply":"none"`, runtime.Options{Truncate: true, Raw: true}, 0},
		{`"return_all_scores":false`, runtime.Options{Truncate: true}, 1},
		{`"return_all_scores":false,"top_k":3`, runtime.Options{Truncate: true}, 3},
		{`"return_all_scores":true`, runtime.Options{Truncate: true}, 0},
	} {
		q, err := parse(`{"inputs":"a","parameters":{`+c.parameters+`}}`, servertest.GoldenLimits)
		if err != nil || q.options != c.want || q.topK != c.topK {
			t.Errorf("%s: %+v, %v, want %+v and top_k %d", c.parameters, q, err, c.want, c.topK)
		}
	}
}
