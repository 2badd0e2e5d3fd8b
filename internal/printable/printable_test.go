package printable

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for _, c := range []struct{ in, line, text string }{
		{"", "", ""},
		{"Zürich 日本 😀", "Zürich 日本 😀", "Zürich 日本 😀"},
		{"a\x1b[31mred", `a\u001b[31mred`, `a\u001b[31mred`},
		{"\x1b]0;title\a", `\u001b]0;title\u0007`, `\u001b]0;title\u0007`},
		{"a\nb\tc", `a\u000ab\u0009c`, "a\nb\tc"},
		{"a\rb", `a\u000db`, `a\u000db`},
		{"a\x7fb\u009b31m", `a\u007fb\u009b31m`, `a\u007fb\u009b31m`},
		{"user\u202etxt.exe\u2066\u200f\u061c", `user\u202etxt.exe\u2066\u200f\u061c`, `user\u202etxt.exe\u2066\u200f\u061c`},
		{"a\u2028b\u2029", `a\u2028b\u2029`, `a\u2028b\u2029`},
		{"bad \xff\xc2", "bad \ufffd\ufffd", "bad \ufffd\ufffd"},
		{"zero\u200dwidth joiner", "zero\u200dwidth joiner", "zero\u200dwidth joiner"}, // part of emoji and of scripts
	} {
		if got := Line(c.in); got != c.line {
			t.Errorf("Line(%q) = %q, want %q", c.in, got, c.line)
		}
		if got := lines(c.in); got != c.text {
			t.Errorf("lines(%q) = %q, want %q", c.in, got, c.text)
		}
	}
	if got := Error(errors.New("tensor a\nkenserve: forged")); got != "tensor a\n  kenserve: forged" {
		t.Errorf("Error: %q", got)
	}
}

// The writer gives the same output however its input is cut.
func TestWriterSplits(t *testing.T) {
	const in = "a\x1b[0m é 😀 \u009b \u202e\n\ttab\r"
	want := `a\u001b[0m é 😀 \u009b \u202e` + "\n\ttab\r"
	for size := 1; size <= len(in); size++ {
		var out bytes.Buffer
		w := Writer(&out)
		for rest := in; rest != ""; {
			n := min(size, len(rest))
			if got, err := w.Write([]byte(rest[:n])); got != n || err != nil {
				t.Fatalf("wrote %d of %d: %v", got, n, err)
			}
			rest = rest[n:]
		}
		if out.String() != want {
			t.Errorf("in pieces of %d: %q, want %q", size, out.String(), want)
		}
	}
}

func FuzzJSON(f *testing.F) {
	f.Add("plain", "a\u009bb\u202e\x7f")
	f.Fuzz(func(t *testing.T, key, value string) {
		text, err := json.Marshal(map[string]string{key: value})
		if err != nil {
			t.Skip()
		}
		escaped := AppendJSON(nil, string(text))
		var before, after map[string]string
		if err := errors.Join(json.Unmarshal(text, &before), json.Unmarshal(escaped, &after)); err != nil {
			t.Fatal(err)
		}
		for k, v := range before {
			if after[k] != v {
				t.Errorf("%q: %q became %q", k, v, after[k])
			}
		}
		if strings.ContainsFunc(string(escaped), obeyed) || !utf8.Valid(escaped) {
			t.Errorf("%q", escaped)
		}
	})
}
