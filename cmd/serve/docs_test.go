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

// TestDocs keeps docs/cli.md what the program's own help says.
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
	doc.WriteString("# Command line\n\nWhat `kenserve --help` and `kenserve COMMAND --help` print; made by `go test ./cmd/serve -run Docs -update`.\n\n" +
		"Every flag has an environment variable, and those of `serve` a key in [config.yaml](../config.yaml). " +
		"Long work shows its progress, as a bar on a terminal and in lines elsewhere. " +
		"Exit status: 0 done, 1 failed, 2 wrong usage.\n")
	fmt.Fprintf(&doc, "\n## kenserve\n\n```\n%s```\n", help())
	for _, command := range parser.Model.Children {
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
		t.Errorf("docs/cli.md is not what --help prints; rewrite it with -update: %s", diff)
	}
}
