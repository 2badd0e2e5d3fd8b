package runtime

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kenserve/delta"
	"kenserve/ken"
	"kenserve/models"
	"kenserve/safetensors"
)

// TestBaseInMemory: the tensors of a loaded base have the bytes of its files, whichever
// form they are kept in, and stay when the files are gone.
func TestBaseInMemory(t *testing.T) {
	w := newFixture(t, 0, ken.Options{})
	e := w.open(t, Config{})
	defer e.Close()
	b := e.Base()
	checkpoint, err := safetensors.OpenCheckpoint(w.base)
	if err != nil {
		t.Fatal(err)
	}
	want := delta.Fingerprint(checkpoint)
	if err := checkpoint.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(w.base, safetensors.WeightsFile), 0); err != nil {
		t.Fatal(err)
	}
	if got := delta.Fingerprint(b.Checkpoint); got != want || b.Fingerprint != want {
		t.Errorf("fingerprints %s and %s, want %s", got, b.Fingerprint, want)
	}
}

// TestBaseFilesChange: a file that changes underneath changes no answer. The engine is
// not ready while the files are others than it has loaded, and says why.
func TestBaseFilesChange(t *testing.T) {
	w := newFixture(t, 1, ken.Options{Selection: ken.KEN, Keep: 0.5, Factor: 1, Coding: delta.Float32})
	for _, every := range []time.Duration{0, time.Millisecond} {
		e := w.open(t, Config{Watch: every})
		t.Cleanup(func() { must(t, e.Close()) })
		ask := func() []float32 {
			t.Helper()
			r, err := e.Classify(context.Background(), "t0", []Input{{Text: "what"}}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			return r.Scores[0]
		}
		before := ask()
		weights, config := filepath.Join(w.base, safetensors.WeightsFile), filepath.Join(w.base, models.ConfigFile)
		for _, c := range []struct {
			name   string
			change func(path string, old []byte) error
			path   string
			reason string // empty: the content is the same
		}{
			{"truncated", func(path string, old []byte) error { return os.Truncate(path, 100) }, weights, "model.safetensors has 100 bytes"},
			{"emptied", func(path string, old []byte) error { return os.Truncate(path, 0) }, weights, "model.safetensors has 0 bytes"},
			{"removed", func(path string, old []byte) error { return os.Remove(path) }, weights, "model.safetensors is missing"},
			{"rewritten in place", func(path string, old []byte) error {
				other := append([]byte(nil), old...)
				for i := len(other) / 2; i < len(other); i++ {
					other[i] ^= 0x11
				}
				return os.WriteFile(path, other, 0o644)
			}, weights, "the weights are not the same"},
			{"rewritten with the same", func(path string, old []byte) error { return os.WriteFile(path, old, 0o644) }, weights, ""},
			{"replaced by a copy", func(path string, old []byte) error {
				return errors.Join(os.WriteFile(path+".new", old, 0o644), os.Rename(path+".new", path))
			}, weights, ""},
			{"no valid file", func(path string, old []byte) error { return os.WriteFile(path, make([]byte, len(old)), 0o644) }, weights, "the weights are not the same"},
			{"another configuration", func(path string, old []byte) error { return os.WriteFile(path, append(old, ' '), 0o644) }, config, "config.json is not the same"},
			{"no configuration", func(path string, old []byte) error { return os.Remove(path) }, config, "config.json is not the same"},
			{"touched", func(path string, old []byte) error { return os.Chtimes(path, time.Now(), time.Now()) }, config, ""},
			{"a tokenizer file more", func(path string, old []byte) error {
				t.Cleanup(func() { _ = os.Remove(path) })
				return os.WriteFile(path, []byte("{}"), 0o644)
			}, filepath.Join(w.base, "added_tokens.json"), "added_tokens.json is not the same"},
		} {
			old, err := os.ReadFile(c.path)
			missing := errors.Is(err, os.ErrNotExist)
			if err != nil && !missing {
				t.Fatal(err)
			}
			if err := c.change(c.path, old); err != nil {
				t.Fatal(err)
			}
			wait := func(event string, ok func(error) bool) {
				t.Helper()
				for start := time.Now(); !ok(e.Ready()); time.Sleep(time.Millisecond) {
					if time.Since(start) > 10*time.Second {
						t.Fatalf("watch %v, %s: %s: %v", every, c.name, event, e.Ready())
					}
				}
			}
			if c.reason != "" {
				wait("not ready", func(err error) bool { return errors.Is(err, ErrBaseChanged) && strings.Contains(err.Error(), c.reason) })
			} else {
				time.Sleep(5 * every)
				wait("ready", func(err error) bool { return err == nil })
			}
			if e.Stats().BaseChanged != (c.reason != "") {
				t.Errorf("%s: BaseChanged is %t", c.name, e.Stats().BaseChanged)
			}
			for i, score := range ask() {
				if score != before[i] {
					t.Errorf("%s: score %d was %g and is %g", c.name, i, before[i], score)
				}
			}
			if missing {
				err = os.Remove(c.path)
			} else {
				err = os.WriteFile(c.path, old, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			wait("restored", func(err error) bool { return err == nil })
		}
	}
}
