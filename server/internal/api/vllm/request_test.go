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
		{`"a"`, ``, runtime.Options{}},
		{`"a"`, `"add_special_tokens":false`, runtime.Options{NoSpecialTokens: true}},
		{`"a"`, `"add_special_tokens":null`, runtime.Options{}},
		{`"a"`, `"use_activation":false`, runtime.Options{Raw: true}},
		{`"a"`, `"activation":false`, runtime.Options{Raw: true}},
		{`"a"`, `"softmax":false`, runtime.Options{Raw: true}},
		{`"a"`, `"softmax":false,"use_activation":true`, runtime.Options{}},
		{`"a"`, `"use_activation":null,"activation":false`, runtime.Options{Raw: true}},
		{`"a"`, `"truncate_prompt_tokens":4`, runtime.Options{Truncate: true, MaxTokens: 4}},
		{`"a"`, `"truncate_prompt_tokens":-1`, runtime.Options{Truncate: true}},
		{`"a"`, `"truncate_prompt_tokens":4,"truncation_side":"left"`, runtime.Options{Truncate: true, MaxTokens: 4, TruncateLeft: true}},
		{`[1,2]`, `"truncate_prompt_tokens":4`, runtime.Options{Truncate: true, MaxTokens: 4, TruncateLeft: true}},
		{`[1,2]`, `"truncate_prompt_tokens":4,"truncation_side":"right"`, runtime.Options{Truncate: true, MaxTokens: 4}},
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
