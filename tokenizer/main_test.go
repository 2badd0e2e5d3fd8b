package tokenizer

import (
	"flag"
	"os"
	"testing"
)

// TestMain makes property tests try more than the library's hundred cases; the flag still rules.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "1000"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
