package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite docs/cli.md")

// TestDocs checks that docs/cli.md has the help of every command. With -update it writes
// the file.
func TestDocs(t *testing.T) {
	parser, err := kong.New(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	help := func(args ...string) string {
		var out bytes.Buffer
		if status := run(context.Background(), append(args, "--help"), streams{strings.NewReader(""), &out, &out}); status != exitDone {
			t.Fatalf("%v --help: status %d", args, status)
		}
		return out.String()
	}
	var doc strings.Builder
	doc.WriteString("# Command line\n\n" +
		"This page has the output of `kenserve --help` and `kenserve COMMAND --help`. " +
		"`go test ./cmd/serve -run '^TestDocs$' -update` writes it.\n\n" +
		"Every flag has an environment variable, whose name is given with the flag. " +
		"Flags of `serve` are also keys of [config.yaml](../config.yaml). " +
		"A flag takes precedence over the environment, and the environment over the file.\n\n" +
		"Sizes in bytes may have a unit (`512MiB`, `2GB`), and times have one (`500ms`, `10s`, `2m`). " +
		"Long work shows a progress bar on a terminal, and prints a line every few seconds elsewhere. " +
		"`--json` prints a result for programs. " +
		"The exit status is 0 after success, 1 after a failure, and 2 after an error in the command line.\n")
	fmt.Fprintf(&doc, "\n## kenserve\n\n```\n%s```\n", help())
	for _, command := range parser.Model.Children {
		if command.Hidden {
			continue
		}
		fmt.Fprintf(&doc, "\n## %s\n\n```\n%s```\n", command.Name, help(command.Name))
		for _, sub := range command.Children {
			fmt.Fprintf(&doc, "\n### %s %s\n\n```\n%s```\n", command.Name, sub.Name, help(command.Name, sub.Name))
		}
	}
	const path = "../../docs/cli.md"
	if *update {
		if err := os.WriteFile(path, []byte(doc.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), doc.String()); diff != "" {
		t.Errorf("docs/cli.md differs from the output of --help; rewrite it with -update: %s", diff)
	}
}
