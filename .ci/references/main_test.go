package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestCompareCases(t *testing.T) {
	text := "| a | case `disk-full`; case `log-stalls` |"
	for title, test := range map[string]struct {
		programs []string
		want     int
	}{
		"the same":         {[]string{"disk-full", "log-stalls"}, 0},
		"one without name": {[]string{"disk-full", "log-stalls", "reload"}, 1},
		"a name too many":  {[]string{"disk-full"}, 1},
		"another name":     {[]string{"disk-full", "log-stall"}, 2},
	} {
		if got := compareCases(text, test.programs); len(got) != test.want {
			t.Errorf("%s: %q", title, got)
		}
	}
}

func TestLinks(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.md": "", "b.md": "# Two words\n## One, `code`\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := links("[x](b.md) [y](https://example.com) `[z](no.md)` [w](b.md#two-words)\n```\n[v](no.md)\n```\n")
	if want := []string{"b.md", "b.md#two-words"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for link, right := range map[string]bool{
		"b.md": true, "b.md#two-words": true, "b.md#one-code": true, "b.md#three": false, "c.md": false, ".": true,
	} {
		if fault := check(filepath.Join(dir, "a.md"), link); (fault == "") != right {
			t.Errorf("%s: %q", link, fault)
		}
	}
}
