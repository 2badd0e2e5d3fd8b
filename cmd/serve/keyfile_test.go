package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
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
	if err := os.WriteFile(path, []byte("\ufefffirst\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := keyFile(path).keys(); err != nil || len(got) != 1 || got[0] != "first" {
		t.Errorf("with a byte order mark: %q, %v", got, err)
	}
	if got, err := keyFile("").keys(); got != nil || err != nil {
		t.Errorf("no file: %q, %v", got, err)
	}
}

// TestEmptyKeys: a key, a key file or a certificate that is given without a value does
// not start a server, wherever it is given.
func TestEmptyKeys(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"blank": " \n\t\n# comment\n", "mark": "\ufeff\n", "invisible": "\u200b\n", "short": "sha256:12\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := func(text string) string {
		path := filepath.Join(dir, "config.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	serve := func(args ...string) (status int, message string) {
		var out bytes.Buffer
		status = run(t.Context(), append([]string{"serve", "--base", dir, "--store", dir}, args...), streams{strings.NewReader(""), &out, &out})
		return status, out.String()
	}
	none := filepath.Join(dir, "none.yaml")
	if err := os.WriteFile(none, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range needsValue {
		for _, value := range []string{"", "  "} {
			if status, message := serve("--config", none, "--"+name+"="+value); status != exitUsage || !strings.Contains(message, name) {
				t.Errorf("--%s=%q: status %d, %s", name, value, status, message)
			}
		}
		for _, value := range []string{"", "null", "~", `""`, "'  '"} {
			if status, message := serve("--config", config(name+": "+value+"\n")); status != exitUsage || !strings.Contains(message, name) {
				t.Errorf("%s: %s in a configuration: status %d, %s", name, value, status, message)
			}
		}
		t.Run(name, func(t *testing.T) {
			t.Setenv("KENSERVE_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")), "")
			if status, message := serve("--config", none); status != exitUsage || !strings.Contains(message, name) {
				t.Errorf("an empty variable: status %d, %s", status, message)
			}
		})
	}
	for _, file := range []string{"blank", "mark", "invisible", "short"} {
		for _, flag := range []string{"--api-key-file", "--admin-key-file"} {
			if status, message := serve("--config", none, flag, filepath.Join(dir, file)); status == exitDone || !strings.Contains(message, "key") {
				t.Errorf("%s %s: status %d, %s", flag, file, status, message)
			}
		}
	}
	if status, message := serve("--config", config("max-texts: 1\nlog-level: info\nmax-texts: 2\n")); status != exitUsage || !strings.Contains(message, "already defined") {
		t.Errorf("a key twice in a configuration: status %d, %s", status, message)
	}
}
