package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func completionScript(t *testing.T, shell string) string {
	t.Helper()
	var out strings.Builder
	if status := run(context.Background(), []string{"completion", shell}, streams{strings.NewReader(""), &out, &out}); status != exitDone {
		t.Fatalf("status %d: %s", status, &out)
	}
	return out.String()
}

// TestBashCompletion sources the script in bash and completes lines with it.
func TestBashCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "completion")
	if err := os.WriteFile(script, []byte(completionScript(t, "bash")), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "trec.ken"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line string // words; the last one is completed
		want []string
		not  []string
	}{
		{"kenserve pr", []string{"prune"}, []string{"serve"}},
		{"kenserve ", []string{"serve", "prune", "completion", "version"}, nil},
		{"kenserve serve --ma", []string{"--max-body", "--max-texts"}, []string{"--listen", "--keep"}},
		{"kenserve prune --s", []string{"--select", "--scope"}, []string{"--store"}},
		{"kenserve prune --scope ", []string{"all", "attention"}, []string{"trec.ken"}},
		{"kenserve prune --base base --sc", []string{"--scope"}, nil},
		{"kenserve bench k", []string{"kernels"}, nil},
		{"kenserve inspect tr", []string{"trec.ken"}, []string{"--json"}},
		{"kenserve inspect -", []string{"--json"}, []string{"trec.ken"}},
	} {
		words := strings.Split(c.line, " ")
		command := exec.Command(bash, "--norc", "-c", `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _kenserve; printf '%s\n' "${COMPREPLY[@]}"`, "bash", script)
		command.Args = append(command.Args, words...)
		command.Dir = dir
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", c.line, err, out)
		}
		got := strings.Fields(string(out))
		for _, want := range c.want {
			if !slices.Contains(got, want) {
				t.Errorf("%q: no %s in %q", c.line, want, got)
			}
		}
		for _, not := range c.not {
			if slices.Contains(got, not) {
				t.Errorf("%q: %s in %q", c.line, not, got)
			}
		}
	}
}

// TestCompletionScripts checks that all scripts name every command and flag, and are valid
// if the shell is installed.
func TestCompletionScripts(t *testing.T) {
	parser, err := kong.New(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		text := completionScript(t, shell)
		for _, node := range parser.Model.Children {
			if strings.Contains(text, node.Name) == node.Hidden {
				t.Errorf("%s: %s, hidden: %t", shell, node.Name, node.Hidden)
			}
			if node.Hidden {
				continue
			}
			for _, f := range visibleFlags(node) {
				if !strings.Contains(text, f.Name) {
					t.Errorf("%s: no --%s", shell, f.Name)
				}
			}
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		command := exec.Command(path, "-n")
		command.Stdin = strings.NewReader(text)
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", shell, err, out)
		}
	}
}

// TestExamples parses the examples of the help, and finds them there.
func TestExamples(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("config.yaml", []byte("base: base\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"base", "tuned/trec", "sentence-transformers/all-MiniLM-L6-v2"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, list := range examples {
		for _, line := range list {
			line, _, _ = strings.Cut(line, " <")
			line, _, _ = strings.Cut(line, " >")
			args := strings.Fields(line)[1:]
			parser, err := newParser(&commands{}, streams{})
			if err != nil {
				t.Fatal(err)
			}
			k, err := parser.Parse(args)
			if err != nil {
				t.Errorf("%s: %v", line, err)
				continue
			}
			if got := commandPath(k.Selected()); path != "" && got != path {
				t.Errorf("%s: the command is %s, want %s", line, got, path)
			}
		}
		var help strings.Builder
		if status := run(context.Background(), append(strings.Fields(path), "--help"), streams{strings.NewReader(""), &help, &help}); status != exitDone || !strings.Contains(help.String(), list[0]) {
			t.Errorf("%s --help: status %d: %s", path, status, &help)
		}
	}
}
