package pattern

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// matches returns the matches of p in text.
func matches(p *Pattern, text string) [][2]int {
	var all [][2]int
	p.Each([]byte(text), func(from, to int) bool {
		all = append(all, [2]int{from, to})
		return true
	})
	return all
}

// TestRefusedPatterns: syntax that is not implemented, and expressions that match the empty string.
func TestRefusedPatterns(t *testing.T) {
	for _, c := range []struct{ expression, message string }{
		{"", "empty string"}, {"a*", "empty string"}, {"a?", "empty string"}, {"a|", "empty string"}, {"(a|b*)", "empty string"}, {`\b`, "empty string"}, {"(?=a)", "empty string"},
		{"(", "closing"}, {")", "opening"}, {"(?<x>a)", "(?<"}, {"(?>a)", "(?>a"}, {"(?x: a)", "(?x:"}, {"(?m:a)", "(?m:"}, {"a(?i)b", "(?i)"}, {"(?i)a|b", "(?i)"},
		{`\p{Greek}`, "Greek"}, {`\p{}`, "property"}, {`\p{L`, "brace"}, {`\pL`, `\p`}, {`\1a`, `\1`}, {`\k<a>`, `\k`}, {`\G`, `\G`}, {`\Z`, `\Z`}, {`\R`, `\R`}, {`\X`, `\X`}, {`\xFF`, `\xFF`}, {`\x{110000}`, "110000"}, {`\`, "escape"}, {`a\`, "escape"},
		{"+a", "not supported here"}, {"a**", "repetition of a repetition"}, {"a+++", "repetition of a repetition"}, {"a?+?", "repetition of a repetition"}, {"a{2}{3}", "repetition of a repetition"}, {"a{0,2}+b", "can be empty"}, {"a{2}++", "repetition of a repetition"},
		{"(a*)*b", "can be empty"}, {`(?:\b)+a`, "can be empty"}, {"(ab)++", "possessive"}, {"a{2}?", "{n}?"}, {"a{x}", "brace"}, {"a{", "brace"}, {"a{,}", "brace"}, {"a{2,1}", "brace"}, {"a{1001}", "brace"}, {"a{0,200}b", "choices"}, {"(((a{1000}){1000}){1000})b", "instructions"},
		{"]", "here"}, {"}", "here"}, {"[", "closing bracket"}, {"[]", "empty"}, {"[]a]", "starts with a bracket"}, {"[a", "closing bracket"}, {"[^]", "empty"}, {"[a-", "bracket"}, {"[z-a]", "later"}, {`[a-\s]`, "later"}, {`[\s-a]`, "hyphen"}, {"[a-c-e]", "hyphen"}, {"[[:alpha:]]", "[:"}, {"[a&&b]", "&&"}, {"[[[[[[[[[[a]]]]]]]]]]", "nested"},
		{"(?=a*)b", "repetition in a look"}, {"(?<=ab)c", "one character"}, {"(?!" + strings.Repeat("(a|b)", 10) + ")c", "ways"},
		{"(?i:straße)", "ASCII"}, {"(?i:ss)", `"ss"`}, {"(?i:of+i)", `"fi"`}, {`(?i:\p{Lu})`, "property"}, {strings.Repeat("(", 100) + "a" + strings.Repeat(")", 100), "groups"},
	} {
		if _, err := compileRegexp(c.expression); err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%q: error %v, want one with %q", c.expression, err, c.message)
		}
	}
}

// TestAgainstRegexp: the matches are those of package regexp where both have the same syntax.
func TestAgainstRegexp(t *testing.T) {
	atom := rapid.SampledFrom([]string{"a", "b", "ab", "[ab]", "[^a]", ".", "é", `\n`, "(?:a|ab)", "(a|b|)", "(?:ab|é)", `\x{61}`, `\Aa`, `b\z`})
	again := rapid.SampledFrom([]string{"", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}?", "{2,}"})
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for range rapid.IntRange(1, 4).Draw(t, "alternatives") {
			if b.Len() > 0 {
				b.WriteByte('|')
			}
			for range rapid.IntRange(1, 4).Draw(t, "atoms") {
				b.WriteString("(?:" + atom.Draw(t, "atom") + ")" + again.Draw(t, "repetition"))
			}
		}
		p, err := compileRegexp(b.String())
		if err != nil {
			t.Skip(err)
		}
		// In Ruby's syntax a line feed ends no word and the dot is not a line feed, as in Go.
		re, err := regexp.Compile(b.String())
		if err != nil {
			t.Fatal(err)
		}
		text := rapid.StringOfN(rapid.RuneFrom([]rune("aaabbé \n")), 0, 20, -1).Draw(t, "text")
		got := matches(p, text)
		want := re.FindAllStringIndex(text, -1)
		if len(got) != len(want) {
			t.Fatalf("%s: %q: got %v, want %v", &b, text, got, want)
		}
		for i := range want {
			if got[i] != [2]int{want[i][0], want[i][1]} {
				t.Fatalf("%s: %q: got %v, want %v", &b, text, got, want)
			}
		}
	})
}

// TestLinearTime: a text that is 16 times as long takes about 16 times as many steps.
func TestLinearTime(t *testing.T) {
	for _, expression := range []string{"(?:a|aa)+b", "a++b", `a+(?!\S)|a+b`, "(?:a?){9}b", `\s*b|a*b`, `(?:aa|a)*?b`} {
		p, err := compileRegexp(expression)
		if err != nil {
			continue // some are refused because a part can be empty
		}
		steps := func(n int) int {
			m := &memory{}
			p.program.search(m, []byte(strings.Repeat("a", n)), func(_, _ int) bool { return true })
			return m.steps
		}
		if small, large := steps(1<<10), steps(1<<14); large > 17*small {
			t.Errorf("%s: %d steps for 1 KiB, %d for 16 KiB", expression, small, large)
		}
	}
}

// FuzzPattern: any expression is refused, or its matches are in order and not empty.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{
		`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
		`[^\r\n\p{L}\p{N}]?+\p{L}++|\s++$`, `(?<=a)b|(?<!\d)c{2,}?`, `[a-z[^b]&\-]+`, `^ |\A\z\n|[\p{^Lu}]`,
	} {
		f.Add(s, "I'll 'S ſ 12345  \r\n \u3000é")
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		if !strings.Contains(text, "\ufffd") {
			text = strings.ToValidUTF8(text, "\ufffd")
		}
		p, err := compileRegexp(strings.ToValidUTF8(expression, ""))
		if err != nil {
			return
		}
		last := 0
		for _, m := range matches(p, text) {
			if m[0] < last || m[1] <= m[0] || m[1] > len(text) {
				t.Fatalf("%q in %q: %v", expression, text, m)
			}
			last = m[1]
		}
	})
}
