package pattern

import "testing"

// TestUnsupportedPatterns: compile refuses syntax that has another meaning in Go than in Oniguruma, and
// expressions that match the empty string.
func TestUnsupportedPatterns(t *testing.T) {
	tests := []string{
		"", "a*", "a?", "a|", "(a|b*)", "(", ")", "(?i)a", "(?=a)b", "(?<x>a)", `\d`, `\w`, `\b`, `\p{L}`, `\h`, `\x41`, `\`, `a\`,
		"^a", "a$", "+a", "a**", "a++", "a?+", "a{2}{3}", "a{2}?", "a{,3}", "a{x}", "a{", "a{2,1}", "a{1001}", "]", "}",
		"[", "[]", "[]a]", "[a", "[^]", "[a-", "[a-]", "[-a]", "[z-a]", "[a[^b]]", "[a[]]", "[a[b]", "[[[[[[[[[[a]]]]]]]]]]", "[[:alpha:]]", "[a&&b]", `[\S]`, `[\d]`, "[a^]", `[a-\s]`,
	}
	for _, pattern := range tests {
		if _, err := compile(pattern); err == nil {
			t.Errorf("%q: no error", pattern)
		}
	}
}
