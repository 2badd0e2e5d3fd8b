package families_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kenserve/models"
	"kenserve/models/families"
	"kenserve/models/internal/modeltest"
)

// settingLine is a line of testdata/settings/transformers-*.jsonl.
type settingLine struct {
	Family string         `json:"family"`
	Base   map[string]any `json:"base"`
	Set    map[string]any `json:"set"`
	Logits [][]float32    `json:"logits"`
	Same   bool           `json:"same"`  // the logits are those of the base
	Error  bool           `json:"error"` // transformers refuses the configuration
}

// sequences are those of make_settings.py.
var sequences = [][]int32{
	{2, 9, 30, 17, 5, 1, 21, 3, 1, 5, 5, 1},
	{2, 11, 7, 1, 25, 33, 8, 39, 14, 20, 3, 6, 28, 19, 4, 12, 31, 10, 35, 23},
}

// Every setting of every configuration class, away from its default: logits are those of
// transformers, or the configuration is refused.
func TestSettingsAgainstHuggingFace(t *testing.T) {
	files, err := filepath.Glob("testdata/settings/*.jsonl")
	if err != nil || len(files) != 2 {
		t.Fatalf("files %v, error %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".jsonl"), func(t *testing.T) {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var base settingLine
			counts := map[string]int{}
			lines := bufio.NewScanner(f)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				var line settingLine
				if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
					t.Fatal(err)
				}
				if line.Family != "" {
					base = line
				}
				counts[checkSetting(t, base, line)]++
			}
			if err := lines.Err(); err != nil {
				t.Fatal(err)
			}
			t.Logf("%v", counts)
			if counts["equal"] < 300 {
				t.Errorf("only %d configurations have equal logits", counts["equal"])
			}
		})
	}
}

// checkSetting compares one configuration and returns the outcome.
func checkSetting(t *testing.T, base, line settingLine) string {
	config := maps.Clone(base.Base)
	maps.Copy(config, line.Set)
	if _, ok := line.Set["id2label"]; ok {
		delete(config, "num_labels")
	}
	where := fmt.Sprintf("%s %v", base.Family, line.Set)
	got, err := settingLogits(t, config)
	want := line.Logits
	if line.Same {
		want = base.Logits
	}
	switch {
	case err != nil && line.Error:
		return "refused by both"
	case err != nil:
		t.Logf("%s: refused: %v", where, err)
		if line.Set == nil {
			t.Error("a base configuration is refused")
		}
		return "refused"
	case line.Error:
		t.Logf("%s: accepted, transformers refuses it", where)
		return "refused by transformers"
	}
	worst := 0.0
	for i := range want {
		if len(got[i]) != len(want[i]) {
			t.Errorf("%s: %d logits, want %d", where, len(got[i]), len(want[i]))
			return "different"
		}
		for j := range want[i] {
			worst = max(worst, math.Abs(float64(got[i][j]-want[i][j])))
		}
	}
	if !(worst <= 2e-5) {
		t.Errorf("%s: logits %v, want %v: they differ by %.2g", where, got, want, worst)
		return "different"
	}
	return "equal"
}

// settingLogits returns the logits of the sequences.
func settingLogits(t *testing.T, config map[string]any) ([][]float32, error) {
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	c, err := models.ParseConfig(text)
	if err != nil {
		return nil, err
	}
	a, err := families.New(c)
	if err != nil {
		return nil, err
	}
	network, err := a.Bind(hashedWeights(a, len(c.Labels)))
	if err != nil {
		t.Fatal(err)
	}
	var all [][]float32
	w := models.NewWorkspace(nil)
	for _, ids := range sequences {
		b := &models.Batch{IDs: ids, Ends: []int{len(ids)}}
		if tokenTypes(config) > 1 {
			b.TypeIDs = make([]int32, len(ids))
			for i := len(ids) / 2; i < len(ids); i++ {
				b.TypeIDs[i] = 1
			}
		}
		logits := make([]float32, network.Labels())
		if err := network.Forward(w, b, logits); err != nil {
			return nil, err
		}
		all = append(all, logits)
	}
	return all, nil
}

// tokenTypes is the number of token types of a configuration of make_settings.py.
func tokenTypes(config map[string]any) float64 {
	if n, ok := config["type_vocab_size"].(float64); ok {
		return n
	}
	switch config["model_type"] {
	case "bert", "electra", "ernie", "roberta", "xlm-roberta":
		return 2
	}
	return 0
}

// hashedWeights are those of make_settings.py: hashes of a tensor's name in a tuned
// checkpoint and the index of a value.
func hashedWeights(a models.Architecture, labels int) modeltest.Weights {
	weights := modeltest.Weights{}
	for _, p := range append(a.Parameters(), a.Head(labels)...) {
		name := p.Name
		if !p.Head {
			name = a.Prefix() + name
		}
		seed := uint32(2166136261)
		for _, b := range []byte(name) {
			seed = (seed ^ uint32(b)) * 16777619
		}
		n := 1
		for _, d := range p.Shape {
			n *= d
		}
		data := make([]float32, n)
		for i := range data {
			x := uint32(i)*0x9E3779B9 + seed
			x ^= x >> 16
			x *= 0x85EBCA6B
			x ^= x >> 13
			x *= 0xC2B2AE35
			x ^= x >> 16
			u := float32(x>>8)/(1<<23) - 1
			switch {
			case len(p.Shape) > 1:
				u *= 0.5
			case strings.HasSuffix(name, ".weight"):
				u = u*0.25 + 1
			default:
				u *= 0.25
			}
			data[i] = u
		}
		weights[p.Name] = modeltest.Tensor{Shape: p.Shape, Data: data}
	}
	return weights
}
