package dataset

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// parseTestLabel reads a label as JSON, or, behind "csv ", as a CSV's value.
func parseTestLabel(t *testing.T, s string) Label {
	if cell, ok := strings.CutPrefix(s, "csv "); ok {
		return labelFromCell(cell)
	}
	l, err := labelFromJSON(jsontext.Value(s))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestIndex(t *testing.T) {
	topics := []string{"ABBR", "DESC", "HUM"}
	numerals := []string{"1", "2", "3"}
	flags := []string{"0", "1"}
	for _, c := range []struct {
		label  string
		labels []string
		want   int
		err    string
	}{
		{`"HUM"`, topics, 2, ""},
		{`2`, topics, 2, ""},
		{`2.0`, topics, 2, ""},
		{`"2"`, topics, 2, ""},
		{`true`, flags, 1, ""},
		{`["DESC"]`, topics, 1, ""},
		{"csv HUM", topics, 2, ""},
		{"csv  HUM ", topics, 2, ""},
		{"csv 1.0", topics, 1, ""},
		{`"1"`, numerals, 0, ""},
		{"csv 1", numerals, 0, ""},
		{"csv 1", flags, 1, ""},
		{`1`, flags, 1, ""},
		{`1`, numerals, 0, `label 1 is the number of "2" and the name of label number 0; write the name in quotes`},
		{"csv 1.0", numerals, 0, ""},
		{`"3.0"`, numerals, 2, ""},
		{"csv 0", numerals, 0, `label "0" is not one of the task's, and it is hardly a number either: label number 0 is called "1"; write the labels' names`},
		{"csv 1.0", []string{"1.0", "2.0"}, 0, ""},
		{"csv 2", []string{"1.0", "2.0"}, 1, ""},
		{`1`, []string{"1.0", "2.0"}, 0, `label 1 is the number of "2.0" and the name of label number 0; write the name in quotes`},
		{"csv 1.0", []string{"-1", "0", "1"}, 2, ""},
		{"csv 2", []string{"-1", "0", "1"}, 0, `label "2" is not one of the task's, and it is hardly a number either: label number 0 is called "-1"; write the labels' names`},
		{`true`, []string{"True", "False"}, 0, ""},
		{`false`, []string{"True", "False"}, 1, ""},
		{`false`, []string{"true", "false"}, 1, ""},
		{"csv True", []string{"True", "False"}, 0, ""},
		{`"hum"`, topics, 0, `label "hum" is not one of the task's; did you mean "HUM"?`},
		{`"LOC"`, topics, 0, `label "LOC" is not one of the task's: ABBR, DESC, HUM`},
		{`-1`, topics, 0, `label -1 is not a whole number from 0 to 2`},
		{`3`, topics, 0, `label 3 is not a whole number from 0 to 2`},
		{`1.5`, topics, 0, `label 1.5 is not a whole number from 0 to 2`},
		{"csv 7", topics, 0, `label "7" is neither one of the task's nor a whole number from 0 to 2`},
		{`["HUM", "DESC"]`, topics, 0, `label ["HUM", "DESC"] has 2 entries, the task has one label a text`},
		{"csv ", topics, 0, "no label"},
	} {
		got, err := parseTestLabel(t, c.label).Index(c.labels)
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%s: %d, %v; want %d", c.label, got, err, c.want)
		case c.err != "" && (err == nil || err.Error() != c.err):
			t.Errorf("%s: error %v, want %s", c.label, err, c.err)
		}
	}
}

func TestIndices(t *testing.T) {
	labels := []string{"toxic", "insult", "threat"}
	for _, c := range []struct {
		label string
		names []string
		want  []int
		err   string
	}{
		{`["threat", "toxic"]`, labels, []int{0, 2}, ""},
		{`[]`, labels, nil, ""},
		{`[2]`, labels, []int{2}, ""},
		{`[0, 1, 1]`, labels, []int{1, 2}, ""},
		{`[0.0, 1.0, 0.0]`, labels, []int{1}, ""},
		{`[false, true, true]`, labels, []int{1, 2}, ""},
		{`"toxic"`, labels, []int{0}, ""},
		{"csv toxic|threat", labels, []int{0, 2}, ""},
		{"csv toxic; threat", labels, []int{0, 2}, ""},
		{"csv toxic,threat", labels, []int{0, 2}, ""},
		{"csv ['toxic', 'threat']", labels, []int{0, 2}, ""},
		{"csv [0, 0, 1]", labels, []int{2}, ""},
		{"csv 0|2", labels, []int{0, 2}, ""},
		{"csv 0,1,1", labels, []int{1, 2}, ""},
		{"csv 0.0;1.0;0.0", labels, []int{1}, ""},
		{"csv 0,1", []string{"a", "b"}, nil, "a list of 2 numbers for 2 labels can mean two things; write the labels' names"},
		{"csv 0|1", []string{"1", "0"}, []int{0, 1}, ""},
		{"csv a,b", []string{"a,b", "c"}, []int{0}, ""},
		{`[0.0, 1.0]`, []string{"a", "b"}, []int{1}, ""},
		{`[0, 1]`, []string{"a", "b"}, nil, "a list of 2 numbers for 2 labels can mean two things; write the labels' names"},
		{`["toxic", "toxic"]`, labels, nil, `label "toxic" occurs twice`},
		{`["spam"]`, labels, nil, `label "spam" is not one of the task's: toxic, insult, threat`},
		{"csv [1", labels, nil, `label "[1" is not a valid list`},
	} {
		got, err := parseTestLabel(t, c.label).Indices(c.names)
		switch {
		case c.err == "" && (err != nil || !slices.Equal(got, c.want)):
			t.Errorf("%s: %v, %v; want %v", c.label, got, err, c.want)
		case c.err != "" && (err == nil || err.Error() != c.err):
			t.Errorf("%s: error %v, want %s", c.label, err, c.err)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		label string
		want  float64
		ok    bool
	}{
		{`3.5`, 3.5, true}, {`"3.5"`, 3.5, true}, {"csv  -2 ", -2, true}, {`[1]`, 1, true},
		{`"high"`, 0, false}, {`"NaN"`, 0, false}, {`[1, 2]`, 0, false}, {"csv ", 0, false},
	} {
		got, err := parseTestLabel(t, c.label).Number()
		if (err == nil) != c.ok || got != c.want {
			t.Errorf("%s: %v, %v", c.label, got, err)
		}
	}
}
