package models

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseConfig(t *testing.T) {
	for _, c := range []struct {
		name, text string
		labels     []string
		problem    Problem
		message    string // part of the error
	}{
		{"defaults", `{"model_type":"bert"}`, []string{"LABEL_0", "LABEL_1"}, SingleLabel, ""},
		{"labels in any order", `{"model_type":"bert","id2label":{"2":"c","0":"a","1":"b"}}`, []string{"a", "b", "c"}, SingleLabel, ""},
		{"multi-label", `{"model_type":"bert","id2label":{"0":"a","1":"b"},"problem_type":"multi_label_classification"}`, []string{"a", "b"}, MultiLabel, ""},
		{"regression", `{"model_type":"bert","id2label":{"0":"a"},"problem_type":"regression"}`, []string{"a"}, Regression, ""},
		{"one label", `{"model_type":"bert","id2label":{"0":"a"},"problem_type":null}`, []string{"a"}, MultiLabel, ""},
		{"one single label", `{"model_type":"bert","id2label":{"0":"a"},"problem_type":"single_label_classification"}`, []string{"a"}, MultiLabel, ""},
		{"only a number", `{"model_type":"bert","num_labels":3}`, []string{"LABEL_0", "LABEL_1", "LABEL_2"}, SingleLabel, ""},
		{"number and labels", `{"model_type":"bert","num_labels":1,"id2label":{"0":"x"}}`, []string{"x"}, MultiLabel, ""},
		{"not JSON", `{`, nil, "", "ends too early"},
		{"not an object", `[]`, nil, "", "want a JSON object"},
		{"no family", `{"hidden_size":3}`, nil, "", `add the name of the model's family, such as "model_type": "bert"`},
		{"gap in labels", `{"model_type":"bert","id2label":{"0":"a","2":"c"}}`, nil, "", "none for 1"},
		{"labels from one", `{"model_type":"bert","id2label":{"1":"a","2":"c"}}`, nil, "", "none for 0"},
		{"labels are whole numbers", `{"model_type":"bert","id2label":{"0":1,"1":-0,"2":123456789012345678901}}`, []string{"1", "0", "123456789012345678901"}, SingleLabel, ""},
		{"labels are fractions", `{"model_type":"bert","id2label":{"0":0.5,"1":1.0,"2":1e16,"3":0.00001,"4":1e2}}`, []string{"0.5", "1.0", "1e+16", "1e-05", "100.0"}, SingleLabel, ""},
		{"labels are booleans", `{"model_type":"bert","id2label":{"0":false,"1":true}}`, []string{"False", "True"}, SingleLabel, ""},
		{"numbers of labels as Python reads them", `{"model_type":"bert","id2label":{" 1":"b","00":"a"}}`, []string{"a", "b"}, SingleLabel, ""},
		{"a label twice", `{"model_type":"bert","id2label":{"1":"b","01":"a"}}`, nil, "", "has label 1 twice"},
		{"a name that is a list", `{"model_type":"bert","id2label":{"0":["a"]}}`, nil, "", `label 0 is ["a"], want a name or a number`},
		{"a name that is null", `{"model_type":"bert","id2label":{"0":null}}`, nil, "", `label 0 is null`},
		{"label2id for id2label", `{"model_type":"bert","id2label":{"a":0,"b":1}}`, nil, "", "the other way round"},
		{"labels in a list", `{"model_type":"bert","id2label":["a"]}`, nil, "", `id2label is ["a"], want an object`},
		{"no number", `{"model_type":"bert","num_labels":null}`, []string{"LABEL_0", "LABEL_1"}, SingleLabel, ""},
		{"the last of a name counts", `{"model_type":"x","model_type":"bert","id2label":{"0":"x","1":"y"},"id2label":{"0":"a"}}`, []string{"a"}, MultiLabel, ""},
		{"names are exact", `{"model_type":"bert","Num_Labels":3,"ID2LABEL":{"0":"x"}}`, []string{"LABEL_0", "LABEL_1"}, SingleLabel, ""},
		{"a byte order mark", "\xef\xbb\xbf" + `{"model_type":"bert"}`, []string{"LABEL_0", "LABEL_1"}, SingleLabel, ""},
		{"UTF-16", "\xff\xfe{\x00", nil, "", "save it as UTF-8"},
		{"LFS pointer", "version https://git-lfs.github.com/spec/v1\n", nil, "", "git lfs pull"},
		{"empty", " \n", nil, "", "the text is empty"},
		{"broken", "{\n\"model_type\": bert}", nil, "", "not JSON, at line 2"},
		{"text for a number", `{"model_type":"bert","num_labels":"3"}`, nil, "", `num_labels is "3", want a whole number`},
		{"no labels", `{"model_type":"bert","id2label":{}}`, nil, "", "empty"},
		{"num_labels differs from id2label", `{"model_type":"bert","num_labels":3,"id2label":{"0":"x"}}`, nil, "", "num_labels is 3"},
		{"huge num_labels", `{"model_type":"bert","num_labels":1000000000}`, nil, "", "num_labels is 1000000000"},
		{"negative num_labels", `{"model_type":"bert","num_labels":-1}`, nil, "", "num_labels is -1"},
		{"unknown problem", `{"model_type":"bert","problem_type":"ranking"}`, nil, "", `problem_type "ranking"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseConfig([]byte(c.text))
			if c.message != "" {
				if err == nil || !strings.Contains(err.Error(), c.message) {
					t.Fatalf("got error %v, want one with %q", err, c.message)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.labels, got.Labels); d != "" {
				t.Error(d)
			}
			if got.Problem != c.problem {
				t.Errorf("problem %q, want %q", got.Problem, c.problem)
			}
		})
	}
}

func TestReadConfig(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadConfig(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: error %v", err)
	}
	path := filepath.Join(dir, ConfigFile)
	if err := os.WriteFile(path, []byte(`{"model_type":"bert","architectures":["BertForSequenceClassification"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := ReadConfig(dir)
	if err != nil || c.ModelType != "bert" {
		t.Errorf("configuration %+v, error %v", c, err)
	}
	if err := os.WriteFile(path, []byte(`{"model_type":"bert","x":"`+strings.Repeat("x", maxConfig)+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadConfig(dir); err == nil || !strings.Contains(err.Error(), "at most 16777216 are allowed") {
		t.Errorf("huge file: error %v", err)
	}
}

func TestCheckClassifier(t *testing.T) {
	for architectures, ok := range map[string]bool{
		``:                                       true,
		`"BertForSequenceClassification"`:        true,
		`"BertModel"`:                            false,
		`"BertForTokenClassification"`:           false,
		`"X","RobertaForSequenceClassification"`: true,
	} {
		c, err := ParseConfig([]byte(`{"model_type":"bert","architectures":[` + architectures + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CheckClassifier(); (err == nil) != ok {
			t.Errorf("%s: got error %v, want none: %v", architectures, err, ok)
		}
	}
}

func TestScores(t *testing.T) {
	for _, c := range []struct {
		problem Problem
		logits  []float32
		want    []float64
	}{
		{SingleLabel, []float32{1, 2, 3}, []float64{0.09003057, 0.24472847, 0.66524096}},
		{SingleLabel, []float32{1000, 0, -1000}, []float64{1, 0, 0}},
		{SingleLabel, []float32{-1000, -1000}, []float64{0.5, 0.5}},
		{MultiLabel, []float32{0, 2, -200, 200}, []float64{0.5, 0.88079708, 0, 1}},
		{Regression, []float32{-3.5, 7}, []float64{-3.5, 7}},
	} {
		got := append([]float32(nil), c.logits...)
		c.problem.Scores(got)
		for i := range got {
			if !(math.Abs(float64(got[i])-c.want[i]) < 1e-7) {
				t.Errorf("%s of %v is %v, want %v", c.problem, c.logits, got, c.want)
				break
			}
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"model_type":"bert","id2label":{"0":"a","1":"b"},"num_labels":2,"problem_type":null}`))
	f.Add([]byte(`{"model_type":"bert","num_labels":3}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseConfig(text)
		if err != nil {
			return
		}
		if c.ModelType == "" || len(c.Labels) == 0 {
			t.Errorf("accepted %+v", c)
		}
		c.Problem.Scores(make([]float32, len(c.Labels)))
	})
}
