package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kenserve/delta"
	"kenserve/models/families"
	"kenserve/models/tiny"
	"kenserve/safetensors"
)

// TestFamilies runs the commands on a checkpoint of every family. If everything is kept, the
// export is the tuned checkpoint to the bit.
func TestFamilies(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families.Names() {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			program := filepath.Join(dir, "kenserve") // under this name the test binary runs main
			if err := os.Symlink(self, program); err != nil {
				t.Fatal(err)
			}
			if err := tiny.WriteFamily(filepath.Join(dir, "base"), family, 1); err != nil {
				t.Fatal(err)
			}
			if err := tiny.WriteTuned(filepath.Join(dir, "tuned"), filepath.Join(dir, "base"), []string{"a", "b", "c"}, 2); err != nil {
				t.Fatal(err)
			}
			run := func(input string, args ...string) string {
				t.Helper()
				var out, errs bytes.Buffer
				c := exec.Command(program, args...)
				c.Dir, c.Stdin, c.Stdout, c.Stderr = dir, strings.NewReader(input), &out, &errs
				if err := c.Run(); err != nil {
					t.Fatalf("%v: %v\n%s", args, err, errs.String())
				}
				return out.String()
			}
			const texts = "what is a card\nthe river\n"
			run("", "prune", "--base", "base", "--tuned", "tuned", "--out", "whole.ken", "--keep", "1.0", "--values", "f32")
			run("", "export", "whole.ken", "--base", "base", "--out", "full")
			if full, tuned := fingerprint(t, filepath.Join(dir, "full")), fingerprint(t, filepath.Join(dir, "tuned")); full != tuned {
				t.Errorf("the export's fingerprint is %s, the tuned checkpoint's %s", full, tuned)
			}
			answers := run(texts, "classify", "whole.ken", "--base", "base", "--raw-scores")
			if n := strings.Count(answers, `"label":"`); n != 2*4 {
				t.Errorf("%d labels in %s", n, answers)
			}
			run("", "prune", "--base", "base", "--tuned", "tuned", "--out", "small.ken", "--select", "delta", "--keep", "0.1", "--values", "int8")
			run("", "verify", "small.ken", "--base", "base")
			if family == "deberta-v2" { // it has a tensor of three dimensions
				run("", "inspect", "small.ken")
				run("", "diff", "small.ken", "whole.ken", "--base", "base")
				run("", "pack", "small.ken", "--base", "base", "--out", "packed.ken")
				run("", "viz", "small.ken", "--base", "base", "--out", "viz")
			}
		})
	}
}

func fingerprint(t *testing.T, dir string) string {
	t.Helper()
	c, err := safetensors.OpenCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return delta.Fingerprint(c)
}
