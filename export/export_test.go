package export_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"kenserve/delta"
	"kenserve/export"
	"kenserve/ken"
	"kenserve/models/tiny"
	"kenserve/prune"
	"kenserve/safetensors"
)

// TestWrite exports a delta that keeps everything exactly: weights are the tuned
// checkpoint's to the bit, the configuration is its own or, where it has none, the
// base's, and the tokenizer is the base's.
func TestWrite(t *testing.T) {
	for _, c := range []struct {
		name   string
		config bool // the tuned checkpoint has a config.json
	}{{"with a configuration", true}, {"without", false}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			baseDir, tuned, out := filepath.Join(dir, "base"), filepath.Join(dir, "tuned"), filepath.Join(dir, "new", "out")
			check(t, tiny.WriteBase(baseDir, 1))
			check(t, tiny.WriteTuned(tuned, baseDir, []string{"a", "b"}, 2))
			if !c.config {
				check(t, os.Remove(filepath.Join(tuned, "config.json")))
			}
			source, err := prune.Open(prune.Config{BaseDir: baseDir, TunedDir: tuned, Producer: "test"})
			check(t, err)
			defer source.Close()
			if (source.Unservable == "") != c.config {
				t.Errorf("unservable: %q", source.Unservable)
			}
			file := filepath.Join(dir, "task.ken")
			o := ken.Options{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Keep: 1, Factor: 1, Coding: delta.Float32}
			_, err = source.Write(context.Background(), file, o)
			check(t, err)

			base, err := safetensors.OpenCheckpoint(baseDir)
			check(t, err)
			defer base.Close()
			d, err := delta.Open(file)
			check(t, err)
			defer d.Close()
			check(t, d.Check(base, delta.Fingerprint(base)))
			check(t, export.Write(out, baseDir, base, d))

			if got, want := fingerprint(t, out), fingerprint(t, tuned); got != want {
				t.Errorf("fingerprint %s, want %s", got, want)
			}
			config := d.Config + "\n"
			if !c.config {
				config = read(t, filepath.Join(baseDir, "config.json"))
			}
			if got := read(t, filepath.Join(out, "config.json")); got != config {
				t.Errorf("config.json: %s", got)
			}
			if got, want := read(t, filepath.Join(out, "vocab.txt")), read(t, filepath.Join(baseDir, "vocab.txt")); got != want {
				t.Errorf("vocab.txt: %s", got)
			}
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	check(t, err)
	return string(text)
}

func fingerprint(t *testing.T, dir string) string {
	t.Helper()
	c, err := safetensors.OpenCheckpoint(dir)
	check(t, err)
	defer c.Close()
	return delta.Fingerprint(c)
}
