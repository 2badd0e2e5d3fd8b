package pattern

import (
	"flag"
	"os"
	"testing"
)

// TestMain raises the number of cases of a property test from the library's default of 100. A
// -rapid.checks flag on the command line still wins, because m.Run parses flags later.
func TestMain(m *testing.M) {
	_ = flag.Set("rapid.checks", "2000")
	os.Exit(m.Run())
}
