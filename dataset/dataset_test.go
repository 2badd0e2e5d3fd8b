package dataset

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEachBatch(t *testing.T) {
	pair := "a film"
	for _, c := range []struct {
		name   string
		format Format
		in     string
		want   [][]Example // batches of two
		err    string
	}{
		{"empty", Auto, "", nil, ""},
		{"plain texts", Auto, "who\n\nwhat", [][]Example{{{Text: "who", line: 1}, {line: 2}}, {{Text: "what", line: 3}}}, ""},
		{"carriage returns", Auto, "who\r\nwhat\r\n", [][]Example{{{Text: "who", line: 1}, {Text: "what", line: 2}}}, ""},
		{"byte order mark", Auto, "\ufeffwho\n", [][]Example{{{Text: "who", line: 1}}}, ""},
		{"JSON", Auto, `{"text": "who", "text_pair": "a film"}` + "\n\n" + `{"text": "", "other": 1}` + "\n",
			[][]Example{{{Text: "who", Pair: &pair, line: 1}, {line: 3}}}, ""},
		{"JSON without a text is plain", Auto, `{"label": 1}`, [][]Example{{{Text: `{"label": 1}`, line: 1}}}, ""},
		{"format given: text", Text, `{"text": "who"}`, [][]Example{{{Text: `{"text": "who"}`, line: 1}}}, ""},
		{"format given: JSON", JSON, "who", nil, "line 1: invalid character"},
		{"missing text", JSON, `{"text": "who"}` + "\n" + `{"text": null}`, nil, `line 2: "text" is missing`},
		{"two objects in a line", JSON, `{"text": "who"} {"text": "what"}`, nil, "after the JSON object"},
		{"not UTF-8", Auto, "who\n\xff\n", nil, "line 2 is not UTF-8"},
		{"too long", Auto, "who\n" + strings.Repeat("x", maxLine+1), nil, "line 2: bufio.Scanner: token too long"},
	} {
		var got [][]Example
		err := EachBatch(strings.NewReader(c.in), c.format, 2, func(batch []Example) error {
			got = append(got, append([]Example(nil), batch...))
			return nil
		})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", c.name, err, c.err)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(Example{})); diff != "" || err != nil {
			t.Errorf("%s: %v: %s", c.name, err, diff)
		}
	}
}

func TestEachBatchStops(t *testing.T) {
	stop, calls := errors.New("stop"), 0
	err := EachBatch(strings.NewReader("a\nb\nc\n"), Auto, 1, func([]Example) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestLabelIndex(t *testing.T) {
	labels := []string{"LOC", "HUM", "NUM"}
	for _, c := range []struct {
		line string
		want int
		err  string
	}{
		{`{"text": "", "label": "HUM"}`, 1, ""},
		{`{"text": "", "label": 2}`, 2, ""},
		{`{"text": "", "label": "X"}`, 0, `line 1: label "X" is not a label of the task`},
		{`{"text": "", "label": 3}`, 0, "line 1: label 3 must be a whole number from 0 to 2"},
		{`{"text": "", "label": -1}`, 0, "label -1"},
		{`{"text": "", "label": 0.5}`, 0, "label 0.5"},
		{`{"text": "", "label": ["HUM"]}`, 0, "a name or a number"},
		{`{"text": "", "label": null}`, 0, "missing"},
		{`{"text": ""}`, 0, "missing"},
	} {
		err := EachBatch(strings.NewReader(c.line), JSON, 1, func(batch []Example) error {
			got, err := batch[0].LabelIndex(labels)
			if got != c.want {
				t.Errorf("%s: %d, want %d", c.line, got, c.want)
			}
			return err
		})
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.line, err, c.err)
		}
	}
}
