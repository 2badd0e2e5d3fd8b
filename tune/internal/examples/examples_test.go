package examples

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"kenserve/dataset"
	"kenserve/models"
)

func reader(t testing.TB, name, data string) *dataset.Reader {
	t.Helper()
	r, err := dataset.NewReader(name, strings.NewReader(data), dataset.Options{Labelled: true, Unlabelled: true, Weighted: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// csv makes a file with n texts of each label.
func csv(labels map[string]int) string {
	out := "text,label\n"
	for _, l := range []string{"a", "b", "c"} {
		for i := range labels[l] {
			out += fmt.Sprintf("text %s %d,%s\n", l, i, l)
		}
	}
	return out
}

func TestSchema(t *testing.T) {
	for _, test := range []struct {
		name, file, data string
		schema           Schema
		problem          models.Problem
		labels           []string
		err              string
	}{
		{"names", "f.csv", "text,label\nx,b\ny,a\nz,b\n", Schema{}, models.SingleLabel, []string{"a", "b"}, ""},
		{"numbers sort by value", "f.csv", "text,label\nx,10\ny,9\nz,9\n", Schema{}, models.SingleLabel, []string{"9", "10"}, ""},
		{"numbers of JSON", "f.jsonl", "{\"text\":\"x\",\"label\":2}\n{\"text\":\"y\",\"label\":1}\n{\"text\":\"z\",\"label\":1}", Schema{}, models.SingleLabel, []string{"1", "2"}, ""},
		{"given", "f.csv", "text,label\nx,1\ny,yes\n", Schema{Labels: []string{"no", "yes"}}, models.SingleLabel, []string{"no", "yes"}, ""},
		{"several", "f.csv", "text,label\nx,b|a\ny,a\n", Schema{}, models.MultiLabel, []string{"a", "b"}, ""},
		{"a comma is part of a name", "f.csv", "text,label\nx,\"b, c\"\ny,a\nz,a\n", Schema{}, models.SingleLabel, []string{"a", "b, c"}, ""},
		{"commas if asked", "f.csv", "text,label\nx,\"b, c\"\ny,a\n", Schema{Problem: models.MultiLabel}, models.MultiLabel, []string{"a", "b", "c"}, ""},
		{"flags", "f.jsonl", "{\"text\":\"x\",\"label\":[0,1,1]}\n{\"text\":\"y\",\"label\":[0,0,0]}", Schema{}, models.MultiLabel, []string{"LABEL_0", "LABEL_1", "LABEL_2"}, ""},
		{"regression", "f.csv", "text,label\nx,0.5\ny,-3\n", Schema{Problem: models.Regression}, models.Regression, []string{"value"}, ""},
		{"no number", "f.csv", "text,label\nx,0.5\ny,high\n", Schema{Problem: models.Regression}, "", nil, "row 2"},
		{"one label", "f.csv", "text,label\nx,a\ny,a\n", Schema{}, "", nil, "at least two labels"},
		{"all differ", "f.csv", "text,label\nx,1.5\ny,2.5\nz,3.5\n", Schema{}, "", nil, "regression"},
		{"unknown label", "f.csv", "text,label\nx,a\ny,c\n", Schema{Labels: []string{"a", "b"}}, "", nil, "row 2"},
		{"a label twice", "f.csv", "text,label\nx,a|a\n", Schema{}, "", nil, "row 1"},
		{"a list for one label", "f.jsonl", `{"text":"x","label":["a","b"]}`, Schema{Problem: models.SingleLabel}, "", nil, "line 1"},
		{"too many values", "f.csv", "text,label\nx,a,b\n", Schema{}, "", nil, "row 1"},
		{"nothing", "f.csv", "text,label\n", Schema{}, "", nil, "no texts"},
		{"labels given twice", "f.csv", "text,label\nx,a\n", Schema{Labels: []string{"a", "a"}}, "", nil, "twice"},
	} {
		// Dev texts are given, so that nothing is split off.
		d, err := Read(reader(t, test.file, test.data), reader(t, test.file, test.data), Options{Schema: test.schema})
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want one with %q", test.name, err, test.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if d.Problem != test.problem || !slices.Equal(d.Labels, test.labels) {
			t.Errorf("%s: %s %q, want %s %q", test.name, d.Problem, d.Labels, test.problem, test.labels)
		}
	}
}

func TestFindings(t *testing.T) {
	train := "text,label,weight\n,a,1\nx,,1\nx,a,1\nx,a,1\nx,b,1\ny,b,0\nz,B,1\n  ,b,1\n"
	dev := "text,label,weight\nz,b,1\nw,a,1\n"
	d, err := Read(reader(t, "train.csv", train), reader(t, "dev.csv", dev), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]int{"empty": {1, 8}, "unlabelled": {2}, "weight 0": {6}, "duplicates": {4}, "contradictions": {5}, "leaks": {1}, "tiny classes": nil, "similar labels": nil}
	for _, f := range d.Findings {
		rows, ok := want[f.Kind]
		if !ok || !slices.Equal(f.Rows, rows) {
			t.Errorf("unexpected finding: %s: %s", f.Kind, f)
		}
		delete(want, f.Kind)
	}
	for kind := range want {
		t.Errorf("no finding of %s", kind)
	}
}

func TestSplit(t *testing.T) {
	data := csv(map[string]int{"a": 100, "b": 20, "c": 3}) + "text a 1,a\ntext a 2,a\ntext a 2,b\n"
	first, err := Read(reader(t, "f.csv", data), nil, Options{DevShare: 0.2, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	counts := Count(first.Dev, first.Problem, 3)
	for i, want := range []int{20, 4, 1} {
		if counts[i] < want || counts[i] > want+3 { // copies follow their text
			t.Errorf("dev set has %d texts of %s, want about %d", counts[i], first.Labels[i], want)
		}
	}
	dev := map[string]bool{}
	for _, e := range first.Dev {
		dev[e.Text] = true
	}
	for _, e := range first.Train {
		if dev[e.Text] {
			t.Errorf("%q is on both sides", e.Text)
		}
	}
	again, _ := Read(reader(t, "f.csv", data), nil, Options{DevShare: 0.2, Seed: 7})
	other, _ := Read(reader(t, "f.csv", data), nil, Options{DevShare: 0.2, Seed: 8})
	texts := func(list []Example) (out []string) {
		for _, e := range list {
			out = append(out, e.Text)
		}
		return out
	}
	if !slices.Equal(texts(first.Dev), texts(again.Dev)) {
		t.Error("the same seed splits in another way")
	}
	if slices.Equal(texts(first.Dev), texts(other.Dev)) {
		t.Error("another seed splits in the same way")
	}
	if _, err := Read(reader(t, "f.csv", "text,label\nx,a\ny,b\n"), nil, Options{}); err == nil {
		t.Error("two texts are split")
	}
}

func TestClassWeights(t *testing.T) {
	d := &Data{Problem: models.SingleLabel, Labels: []string{"a", "a=1,b", "c"}}
	for range 6 {
		d.Train = append(d.Train, Example{Class: 0})
	}
	d.Train = append(d.Train, Example{Class: 1}, Example{Class: 1})
	for _, test := range []struct {
		text string
		want []float64
		err  string
	}{
		{"none", nil, ""},
		{"auto", []float64{8.0 / 12, 2, 1}, ""},
		{"c=3", []float64{1, 1, 3}, ""},
		{"a=2,c=0", []float64{2, 1, 0}, ""},
		{"a=1,b=5, c=2", []float64{1, 5, 2}, ""},
		{"d=1", nil, "does not begin"},
		{"c=-1", nil, "from 0 on"},
		{"c=1,c=2", nil, "twice"},
	} {
		got, err := ClassWeights(test.text, d)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want one with %q", test.text, err, test.err)
			}
			continue
		}
		if err != nil || !slices.EqualFunc(got, test.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }) {
			t.Errorf("%s: %v, %v; want %v", test.text, got, err, test.want)
		}
	}
}

// FuzzRead reads any file. Every refusal of a row names it.
func FuzzRead(f *testing.F) {
	for _, data := range []string{"text,label\nx,a\ny,b\n", "text,label,weight\nx,a|b,2\n\"y,b\n", "text;label\nx;[0, 1, 1]\n", "{\"text\":\"x\",\"label\":[1]}", "text,label\n,\n"} {
		f.Add("f.csv", data, "")
		f.Add("f", data, "regression")
	}
	f.Fuzz(func(t *testing.T, name, data, problem string) {
		var readers []*dataset.Reader
		for range 2 {
			r, err := dataset.NewReader(name, strings.NewReader(data), dataset.Options{Labelled: true, Unlabelled: true, Weighted: true})
			if err != nil {
				return
			}
			readers = append(readers, r)
		}
		o := Options{}
		if problem == string(models.Regression) || problem == string(models.MultiLabel) {
			o.Problem = models.Problem(problem)
		}
		for _, dev := range []*dataset.Reader{nil, readers[1]} {
			d, err := Read(readers[0], dev, o)
			if err != nil {
				whole := strings.Contains(err.Error(), "texts") || strings.Contains(err.Error(), "no text has a label")
				if !whole && !strings.Contains(err.Error(), "row ") && !strings.Contains(err.Error(), "line ") {
					t.Errorf("an error without a row: %v", err)
				}
				return
			}
			for _, e := range append(d.Train, d.Dev...) {
				if e.Class >= len(d.Labels) || len(e.Classes) > 0 && e.Classes[len(e.Classes)-1] >= len(d.Labels) {
					t.Fatalf("row %d has a class beyond the labels", e.Row)
				}
			}
			readers[0], _ = dataset.NewReader(name, strings.NewReader(data), dataset.Options{Labelled: true, Unlabelled: true, Weighted: true})
		}
	})
}
