package codepoint

import (
	"strings"
	"testing"
)

// TestReadErrors: read returns an error for each malformed line.
func TestReadErrors(t *testing.T) {
	for _, text := range []string{"word 41-", "word G", "word 5-4", "word 110000", "class", "class x 41", "class 256 41", "nfd 41", "nfd 41 x", "lower 110000 41", "compose 41 42", "other 41 42"} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: got error %v, want one for line 1", text, err)
		}
	}
}

func BenchmarkReadUnicode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := read(unicodeText); err != nil {
			b.Fatal(err)
		}
	}
}
