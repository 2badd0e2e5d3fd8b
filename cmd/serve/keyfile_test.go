package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte("# comment\n  first \n\nsecond with a blank\r\n#third\nlast"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := keyFile(path).keys()
	if diff := cmp.Diff([]string{"first", "second with a blank", "last"}, got); diff != "" || err != nil {
		t.Errorf("%v: %s", err, diff)
	}
	if got, err := keyFile("").keys(); got != nil || err != nil {
		t.Errorf("no file: %q, %v", got, err)
	}
}
