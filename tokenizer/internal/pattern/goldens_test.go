package pattern

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"slices"
	"testing"
)

// TestGoldens compares with Oniguruma, the reference's engine. make_settings.py of package tokenizer writes
// the goldens.
func TestGoldens(t *testing.T) {
	file, err := os.Open("../../testdata/regexps.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	expressions := 0
	scan := bufio.NewScanner(bytes.NewReader(data))
	scan.Buffer(nil, 1<<24)
	for scan.Scan() {
		var line struct {
			Texts      []string
			Expression string
			Matches    [][][2]int
		}
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line.Texts != nil {
			texts = line.Texts
			continue
		}
		expressions++
		p, err := compileRegexp(line.Expression)
		if err != nil {
			t.Errorf("%s: %v", line.Expression, err)
			continue
		}
		for i, want := range line.Matches {
			if got := matches(p, texts[i]); !slices.Equal(got, want) {
				t.Errorf("%s: %q: got %v, want %v", line.Expression, texts[i], got, want)
				break
			}
		}
	}
	if expressions < 70 {
		t.Errorf("only %d expressions", expressions)
	}
}
