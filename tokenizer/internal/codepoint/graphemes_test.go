package codepoint

import (
	"slices"
	"testing"
)

// TestClusters: clusters cover the text. The cases include the examples of Unicode Standard Annex 29.
func TestClusters(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"a\r\nb", []string{"a", "\r\n", "b"}},
		{"\r\r\n\n", []string{"\r", "\r\n", "\n"}},
		{"e\u0301\u0302x", []string{"e\u0301\u0302", "x"}},
		{"\n\u0301", []string{"\n", "\u0301"}},
		{"각각한", []string{"각", "각", "한"}},
		{"\u1100\u1161\u11a8\u1100", []string{"\u1100\u1161\u11a8", "\u1100"}},
		{"🇦🇧🇨🇩🇪", []string{"🇦🇧", "🇨🇩", "🇪"}},
		{"🇦\u0301🇧", []string{"🇦\u0301", "🇧"}},
		{"👩\u200d💻👩💻", []string{"👩\u200d💻", "👩", "💻"}},
		{"👍🏽\u200d👍a\u200d👍", []string{"👍🏽\u200d👍", "a\u200d", "👍"}},
		{"\u0600\u0600a", []string{"\u0600\u0600a"}},
		{"\u0600\n", []string{"\u0600", "\n"}},
		{"\u0915\u094d\u0937\u093f", []string{"\u0915\u094d\u0937\u093f"}},
		{"\u0915\u0937", []string{"\u0915", "\u0937"}},
		{"\u0915\u0301\u0937", []string{"\u0915\u0301", "\u0937"}},
	}
	for _, test := range tests {
		var got []string
		for rest := []byte(test.text); len(rest) > 0; {
			n := Load().ClusterLen(rest)
			got = append(got, string(rest[:n]))
			rest = rest[n:]
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}
