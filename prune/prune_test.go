package prune

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kenserve/auto"
	"kenserve/dataset"
	"kenserve/delta"
	"kenserve/ken"
	"kenserve/models/tiny"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// writePair writes a tiny base and a checkpoint tuned from it. edit, if not nil, changes
// the tuned config.json.
func writePair(t *testing.T, labels []string, edit func(config map[string]any)) Config {
	t.Helper()
	dir := t.TempDir()
	c := Config{BaseDir: filepath.Join(dir, "base"), TunedDir: filepath.Join(dir, "tuned"), Producer: "test"}
	check(t, tiny.WriteBase(c.BaseDir, 1))
	check(t, tiny.WriteTuned(c.TunedDir, c.BaseDir, labels, 2))
	if edit != nil {
		path := filepath.Join(c.TunedDir, "config.json")
		text, err := os.ReadFile(path)
		check(t, err)
		var config map[string]any
		check(t, json.Unmarshal(text, &config))
		edit(config)
		text, err = json.Marshal(config)
		check(t, err)
		check(t, os.WriteFile(path, text, 0o644))
	}
	return c
}

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		err    string
		labels bool // a LabelsError
	}{
		{"no base", func(c *Config) { c.BaseDir += "x" }, "prune: open base", false},
		{"no checkpoint", func(c *Config) { c.TunedDir += "x" }, "prune: open tuned checkpoint", false},
		{"labels of a checkpoint", func(c *Config) { c.Labels = []string{"a", "b"} }, "only for LoRA adapters", true},
	} {
		config := writePair(t, []string{"a", "b"}, nil)
		c.change(&config)
		_, err := Open(config)
		if err == nil || !strings.Contains(err.Error(), c.err) || errors.As(err, new(*LabelsError)) != c.labels {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// An unknown family can be pruned, but not served.
func TestUnservable(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(config map[string]any)
		want string
	}{
		{"known", nil, ""},
		{"unknown", func(config map[string]any) { config["model_type"] = "abacus" }, "can be exported but not served"},
	} {
		s, err := Open(writePair(t, []string{"a", "b"}, c.edit))
		check(t, err)
		defer s.Close()
		if (s.Unservable == "") != (c.want == "") || !strings.Contains(s.Unservable, c.want) {
			t.Errorf("%s: %q", c.name, s.Unservable)
		}
		if c.want == "" {
			continue
		}
		if _, err := OpenTrial(context.Background(), "", nil, s); err == nil || !strings.Contains(err.Error(), "cannot be run") {
			t.Errorf("%s: trial: %v", c.name, err)
		}
	}
}

func TestClassifierConfig(t *testing.T) {
	for _, c := range []struct{ encoder, want string }{
		{`{"architectures": ["BertModel"], "hidden_size": 24}`,
			`{"architectures":["BertForSequenceClassification"],"hidden_size":24,"id2label":{"0":"a","1":"b"},"label2id":{"a":0,"b":1}}`},
		{`{"architectures": ["RobertaForMaskedLM"], "id2label": {"0": "x"}}`,
			`{"architectures":["RobertaForSequenceClassification"],"id2label":{"0":"a","1":"b"},"label2id":{"a":0,"b":1}}`},
		{`{"architectures": ["ElectraForPreTraining"]}`,
			`{"architectures":["ElectraForSequenceClassification"],"id2label":{"0":"a","1":"b"},"label2id":{"a":0,"b":1}}`},
		{`{"architectures": ["BertForSequenceClassification"]}`,
			`{"architectures":["BertForSequenceClassification"],"id2label":{"0":"a","1":"b"},"label2id":{"a":0,"b":1}}`},
		{`{}`, `{"id2label":{"0":"a","1":"b"},"label2id":{"a":0,"b":1}}`},
	} {
		got, err := classifierConfig([]byte(c.encoder), []string{"a", "b"})
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v: %s", c.encoder, err, got)
		}
	}
	if _, err := classifierConfig([]byte("{"), nil); err == nil {
		t.Error("invalid JSON is accepted")
	}
}

func TestDescribeOptions(t *testing.T) {
	info := delta.Info{Producer: "test"}
	for _, c := range []struct {
		name    string
		options ken.Options
		want    delta.Info
	}{
		{"defaults are left out",
			ken.Options{Selection: ken.KEN, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Keep: 0.5, Factor: 1, Factors: map[string]float64{}, Coding: delta.Float32},
			delta.Info{Producer: "test", Selection: "ken", Keep: 0.5, Scope: "all", Coding: delta.Float32}},
		{"all options",
			ken.Options{Selection: ken.LargestChange, Budget: ken.BudgetModel, Scope: ken.ScopeAttention, K: 7, Factor: 2, Factors: map[string]float64{"h.*.a": 3}, Coding: delta.Sign, VectorCoding: delta.Int8, HeadTensor: (&outputLayer{}).tensors(nil)},
			delta.Info{Producer: "test", Selection: "delta", K: 7, Budget: "model", Scope: "attention", Factor: 2, Factors: map[string]float64{"h.*.a": 3}, Coding: delta.Sign, VectorCoding: delta.Int8, HeadFitted: true}},
	} {
		if diff := cmp.Diff(c.want, describeOptions(info, c.options)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

const devSet = `{"text": "where is the river", "label": "LOC"}
{"text": "who is the card", "label": "HUM"}
{"text": "how", "label": 2}
`

func readDev(t *testing.T, text string) *dataset.Reader {
	t.Helper()
	r, err := dataset.NewReader("dev.jsonl", strings.NewReader(text), dataset.Options{Labelled: true})
	check(t, err)
	return r
}

func TestOpenTrialErrors(t *testing.T) {
	for _, c := range []struct {
		name, dev, err string
		edit           func(config map[string]any)
	}{
		{"unknown label", `{"text": "who", "label": "X"}`, `line 1: label "X"`, nil},
		{"not JSON", "who", "line 1", nil},
		{"several labels a text", devSet, "only defined for single_label_classification",
			func(config map[string]any) { config["problem_type"] = "multi_label_classification" }},
	} {
		config := writePair(t, []string{"LOC", "HUM", "NUM"}, c.edit)
		s, err := Open(config)
		check(t, err)
		defer s.Close()
		if _, err := OpenTrial(context.Background(), config.BaseDir, readDev(t, c.dev), s); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
	}
}

// The features that a trial exposes are those from which the output layer computes the
// logits.
func TestExposeFeatures(t *testing.T) {
	config := writePair(t, []string{"LOC", "HUM", "NUM"}, nil)
	s, err := Open(config)
	check(t, err)
	defer s.Close()
	trial, err := OpenTrial(context.Background(), config.BaseDir, readDev(t, devSet), s)
	check(t, err)
	defer trial.Close()
	if diff := cmp.Diff([]int{0, 1, 2}, trial.gold); diff != "" {
		t.Error(diff)
	}
	size, err := trial.make(context.Background(), ken.Options{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Keep: 0.5, Factor: 1, Coding: delta.Int8})
	check(t, err)
	if file, err := os.Stat(trial.path()); err != nil || file.Size() != size {
		t.Errorf("%d bytes, %v", size, err)
	}
	logits, err := trial.judge(context.Background())
	check(t, err)
	trial.output, err = readOutputLayer(s)
	check(t, err)
	features, err := trial.judge(context.Background())
	check(t, err)
	h := trial.output.Head
	if len(features) != 3*h.Features || len(logits) != 3*h.Labels {
		t.Fatalf("%d features, %d logits", len(features), len(logits))
	}
	for text := range 3 {
		for label := range h.Labels {
			want := float64(h.Bias[label])
			for j, w := range h.Weight[label*h.Features:][:h.Features] {
				want += float64(w) * float64(features[text*h.Features+j])
			}
			if got := float64(logits[text*h.Labels+label]); math.Abs(got-want) > 1e-5 {
				t.Errorf("text %d, label %d: logit %g, from features %g", text, label, got, want)
			}
		}
	}
	if files, err := filepath.Glob(trial.folder.Path("*.ken")); err != nil || len(files) != 1 {
		t.Errorf("%d deltas in the temporary folder, %v", len(files), err)
	}
}

func TestFitFactor(t *testing.T) {
	config := writePair(t, []string{"LOC", "HUM", "NUM"}, nil)
	s, err := Open(config)
	check(t, err)
	defer s.Close()
	trial, err := OpenTrial(context.Background(), config.BaseDir, readDev(t, devSet), s)
	check(t, err)
	var tried []auto.Point
	o := ken.Options{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Keep: 0.2, Factor: 1, Coding: delta.Sign}
	point, err := trial.FitFactor(context.Background(), o, Bounds{Tolerance: 0.5, Confidence: 0.5}, func(p auto.Point) { tried = append(tried, p) })
	check(t, err)
	if len(tried) < 3 || tried[0].Keep != 1 || point.Keep != 0.2 || point.Factor <= 0 {
		t.Errorf("%d points, the best is %+v", len(tried), point)
	}
	trial.Close()
	if _, err := os.Stat(trial.folder.Path("")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary folder is left: %v", err)
	}
}
