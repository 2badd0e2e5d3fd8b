package vllm

import (
	"testing"

	"kenserve/runtime"
	"kenserve/server/internal/servertest"
)

// Members that change the result become the options of the engine.
func TestOptions(t *testing.T) {
	for _, c := range []struct {
		input, members string
		want           runtime.Options
	}{
		{`"a"`, ``, runtime.Options{TruncateAt: runtime.End}},
		{`"a"`, `"add_special_tokens":false`, runtime.Options{NoSpecialTokens: true, TruncateAt: runtime.End}},
		{`"a"`, `"add_special_tokens":null`, runtime.Options{TruncateAt: runtime.End}},
		{`"a"`, `"use_activation":false`, runtime.Options{Raw: true, TruncateAt: runtime.End}},
		{`"a"`, `"activation":false`, runtime.Options{Raw: true, TruncateAt: runtime.End}},
		{`"a"`, `"softmax":false`, runtime.Options{Raw: true, TruncateAt: runtime.End}},
		{`"a"`, `"softmax":false,"use_activation":true`, runtime.Options{TruncateAt: runtime.End}},
		{`"a"`, `"use_activation":null,"activation":false`, runtime.Options{Raw: true, TruncateAt: runtime.End}},
		{`"a"`, `"truncate_prompt_tokens":4`, runtime.Options{Truncate: true, MaxTokens: 4, TruncateAt: runtime.End}},
		{`"a"`, `"truncate_prompt_tokens":-1`, runtime.Options{Truncate: true, TruncateAt: runtime.End}},
		{`"a"`, `"truncate_prompt_tokens":4,"truncation_side":"left"`, runtime.Options{Truncate: true, MaxTokens: 4, TruncateAt: runtime.Start}},
		{`[1,2]`, `"truncate_prompt_tokens":4`, runtime.Options{Truncate: true, MaxTokens: 4, TruncateAt: runtime.Start}},
		{`[1,2]`, `"truncate_prompt_tokens":4,"truncation_side":"right"`, runtime.Options{Truncate: true, MaxTokens: 4, TruncateAt: runtime.End}},
	} {
		members := c.members
		if members != "" {
			members = "," + members
		}
		q, err := parse(`{"model":"trec","input":`+c.input+members+`}`, servertest.GoldenLimits)
		if err != nil || q.options != c.want {
			t.Errorf("%s, %s: %+v, %v, want %+v", c.input, c.members, q, err, c.want)
		}
	}
}
