package bulk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kenserve/bulk"
	"kenserve/dataset"
	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/ken"
	"kenserve/models/tiny"
	"kenserve/prune"
)

// writeTask writes a tiny base and a delta with three labels, and returns their paths.
func writeTask(t *testing.T) (base, file string) {
	t.Helper()
	base = filepath.Join(t.TempDir(), "base")
	if err := tiny.WriteBase(base, 1); err != nil {
		t.Fatal(err)
	}
	return base, writeDelta(t, base, 2)
}

// writeDelta writes a delta with three labels for a tiny base.
func writeDelta(t *testing.T, base string, seed uint64) (file string) {
	t.Helper()
	dir := t.TempDir()
	tuned := filepath.Join(dir, "tuned")
	file = filepath.Join(dir, "trec.ken")
	if err := tiny.WriteTuned(tuned, base, []string{"LOC", "HUM", "NUM"}, seed); err != nil {
		t.Fatal(err)
	}
	source, err := prune.Open(prune.Config{BaseDir: base, TunedDir: tuned, Producer: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	o := ken.Options{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Keep: 0.5, Factor: 1, Coding: delta.Float32}
	if _, err := source.Write(context.Background(), file, o); err != nil {
		t.Fatal(err)
	}
	return file
}

func read(t *testing.T, text string) *dataset.Reader {
	t.Helper()
	r, err := dataset.NewReader("texts", strings.NewReader(text), dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLines(t *testing.T) {
	base, file := writeTask(t)
	c, err := bulk.Open(context.Background(), file, base, nil, gemm.Float32)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Task != "trec" {
		t.Errorf("the task is %q", c.Task)
	}
	for _, test := range []struct {
		name    string
		in      string
		options bulk.LineOptions
		lines   int // of output
		labels  int // in a line
		sum     bool
		err     string
	}{
		{"all labels", "what\nwho is\n\n", bulk.LineOptions{}, 3, 3, true, ""},
		{"best label", "what\nwho is\n", bulk.LineOptions{TopK: 1}, 2, 1, false, ""},
		{"logits", `{"text": "what", "text_pair": "a card"}`, bulk.LineOptions{Raw: true}, 1, 3, false, ""},
		{"more than a batch", strings.Repeat("what\n", bulk.BatchTexts+1), bulk.LineOptions{}, bulk.BatchTexts + 1, 3, true, ""},
		{"nothing", "", bulk.LineOptions{}, 0, 0, false, ""},
		{"bad line", "{\"text\": \"what\"}\n{", bulk.LineOptions{}, 1, 3, true, "line 2"},
	} {
		var out bytes.Buffer
		err := c.Lines(context.Background(), read(t, test.in), &out, test.options)
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if out.Len() == 0 {
			lines = nil
		}
		if len(lines) != test.lines {
			t.Errorf("%s: %d lines, want %d", test.name, len(lines), test.lines)
		}
		for _, line := range lines {
			var got struct {
				Label  string
				Score  float64
				Scores []struct {
					Label string
					Score float64
				}
			}
			if err := json.Unmarshal([]byte(line), &got); err != nil || len(got.Scores) != test.labels {
				t.Fatalf("%s: %v: %s", test.name, err, line)
			}
			sum := 0.0
			for i, s := range got.Scores {
				sum += s.Score
				if i > 0 && s.Score > got.Scores[i-1].Score {
					t.Errorf("%s: not sorted: %s", test.name, line)
				}
			}
			if got.Label != got.Scores[0].Label || got.Score != got.Scores[0].Score || test.sum && (sum < 0.999 || sum > 1.001) {
				t.Errorf("%s: %s", test.name, line)
			}
		}
	}
}

// The error about a damaged file gives the reason, which a server hides.
func TestDamagedFile(t *testing.T) {
	base, file := writeTask(t)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 4
	damaged := filepath.Join(t.TempDir(), "any name")
	if err := os.WriteFile(damaged, data, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := bulk.Open(context.Background(), damaged, base, nil, gemm.Float32)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Lines(context.Background(), read(t, "what\n"), &bytes.Buffer{}, bulk.LineOptions{})
	if err == nil || !strings.Contains(err.Error(), damaged) {
		t.Errorf("the error does not name the file: %v", err)
	}
}
