package prune

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestNoteLabels: labels that transformers reads in a way that their author hardly meant.
func TestNoteLabels(t *testing.T) {
	type object = map[string]any
	for _, c := range []struct {
		name string
		edit func(object)
		want string // in a warning; empty: no warning
	}{
		{"as they are", func(object) {}, ""},
		{"the same name twice", func(c object) { c["id2label"] = object{"0": "a", "1": "a"} }, `labels 0 and 1 are both called "a"`},
		{"no id2label", func(c object) { delete(c, "id2label"); c["label2id"] = object{"no": 0, "yes": 1} }, `label2id of config.json calls label 0 "no", but there is no id2label, so that label 0 is called "LABEL_0"`},
		{"null id2label", func(c object) { c["id2label"] = nil; c["label2id"] = object{"no": 0, "yes": 1} }, `calls label 0 "no"`},
		{"changed places", func(c object) { c["label2id"] = object{"a": 1, "b": 0} }, `calls label 1 "a", but id2label calls it "b"`},
		{"default label2id", func(c object) { c["label2id"] = object{"LABEL_0": 0, "LABEL_1": 1} }, ""},
		{"numbers", func(c object) {
			c["id2label"] = object{"0": -1, "1": 1.5}
			c["label2id"] = object{"-1": 0, "1.5": 1}
		}, ""},
		{"an odd label2id", func(c object) { c["label2id"] = []string{"a", "b"} }, ""},
	} {
		s, err := Open(writePair(t, []string{"a", "b"}, c.edit))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := strings.Join(s.Warnings, "\n"); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: warnings %q, want %q", c.name, got, c.want)
		}
		s.Close()
	}
}

func TestIsFolderOf(t *testing.T) {
	for _, c := range []struct {
		dir, model string
		want       bool
	}{
		{"/models/bert-base-cased", "google-bert/bert-base-cased", true},
		{"/models/Bert-base-cased", "bert-base-cased", true},
		{"/hub/models--google-bert--bert-base-cased/snapshots/0123abc", "google-bert/bert-base-cased", true},
		{"/hub/models--google-bert--bert-base-cased/snapshots/0123abc", "bert-base", false},
		{"/models/base", "/home/me/base", true},
		{"/models/base", "roberta-large", false},
	} {
		if got := isFolderOf(filepath.FromSlash(c.dir), c.model); got != c.want {
			t.Errorf("%s, %s: %v", c.dir, c.model, got)
		}
	}
}
