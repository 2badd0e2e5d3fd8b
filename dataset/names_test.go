package dataset

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, test := range []struct {
		file, data string
		several    bool
		list       bool
		flags      int
		want       []string // nil: an error
	}{
		{"f.csv", "text,label\na, yes \n", false, false, 0, []string{"yes"}},
		{"f.csv", "text,label\na,\"x, y\"\n", false, false, 0, []string{"x, y"}},
		{"f.csv", "text,label\na,x|y\n", true, true, 0, []string{"x", "y"}},
		{"f.csv", "text,label\na,\"['x', 'y']\"\n", true, true, 0, []string{"x", "y"}},
		{"f.csv", "text,label\na,\"[0,1,1]\"\n", true, true, 3, []string{"0", "1", "1"}},
		{"f.jsonl", `{"text":"a","label":3}`, false, false, 0, []string{"3"}},
		{"f.jsonl", `{"text":"a","label":["x","y"]}`, true, true, 0, []string{"x", "y"}},
		{"f.jsonl", `{"text":"a","label":[]}`, true, true, 0, []string{}},
		{"f.jsonl", `{"text":"a","label":[1,0]}`, true, true, 2, []string{"1", "0"}},
		{"f.jsonl", `{"text":"a","label":["x","y"]}`, false, true, 0, nil},
		{"f.jsonl", `{"text":"a","label":" "}`, false, false, 0, nil},
	} {
		r, err := NewReader(test.file, strings.NewReader(test.data), Options{Labelled: true})
		if err != nil {
			t.Fatal(err)
		}
		row, err := r.Read()
		if err != nil {
			t.Fatalf("%s: %v", test.data, err)
		}
		got, err := row.Label.Names(test.several)
		if (err != nil) != (test.want == nil) || err == nil && !slices.Equal(got, test.want) {
			t.Errorf("%s: names %q, %v; want %q", test.data, got, err, test.want)
		}
		if row.Label.List() != test.list || row.Label.Flags() != test.flags {
			t.Errorf("%s: list %t, flags %d; want %t, %d", test.data, row.Label.List(), row.Label.Flags(), test.list, test.flags)
		}
	}
}

// TestUnlabelled reads rows without labels, but not files without a place for them.
func TestUnlabelled(t *testing.T) {
	o := Options{Labelled: true, Unlabelled: true}
	for _, test := range []struct {
		file, data string
		rows       int // -1: an error
	}{
		{"f.csv", "text,label\na,x\nb,\nc, \n", 3},
		{"f.jsonl", "{\"text\":\"a\",\"label\":1}\n{\"text\":\"b\",\"label\":null}\n", 2},
		{"f.csv", "text,class\na,x\n", -1},
		{"f.txt", "a\n", -1},
	} {
		format := Auto
		if test.file == "f.txt" {
			format = Text
		}
		o.Format = format
		r, err := NewReader(test.file, strings.NewReader(test.data), o)
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for {
			if _, err = r.Read(); err != nil {
				break
			}
			rows++
		}
		if test.rows < 0 && err == io.EOF || test.rows >= 0 && (err != io.EOF || rows != test.rows) {
			t.Errorf("%q: %d rows, %v", test.data, rows, err)
		}
	}
}
