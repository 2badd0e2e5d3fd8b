package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Shell to write the script for: ${enum}."`
}

// Run prints a script that completes commands, flags and the values of flags that have a
// list of them. Everything else is completed as a file. The script follows from the
// definition of the commands.
func (c *completionCmd) Run(k *kong.Kong, s streams) error {
	script := map[string]func(*strings.Builder, []*kong.Node){"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
	var b strings.Builder
	var commands []*kong.Node
	for _, node := range k.Model.Children {
		if node.Hidden {
			continue
		}
		commands = append(commands, node)
		commands = append(commands, node.Children...)
	}
	script[c.Shell](&b, commands)
	_, err := fmt.Fprint(s.out, b.String())
	return err
}

// flagWords returns the flags of a command, with dashes and separated by spaces.
func flagWords(node *kong.Node) string {
	var words []string
	for _, f := range visibleFlags(node) {
		words = append(words, "--"+f.Name)
	}
	return strings.Join(words, " ")
}

// visibleFlags returns a command's own flags without hidden ones.
func visibleFlags(node *kong.Node) []*kong.Flag {
	var flags []*kong.Flag
	for _, group := range node.AllFlags(true) {
		flags = append(flags, group...)
	}
	return flags
}

// enumWords returns the values of a flag, separated by spaces, if it has a list of them.
func enumWords(f *kong.Flag) string { return strings.ReplaceAll(f.Enum, ",", " ") }

// commandNames returns the names of commands, separated by spaces.
func commandNames(nodes []*kong.Node) string {
	var names []string
	for _, node := range nodes {
		names = append(names, node.Name)
	}
	return strings.Join(names, " ")
}

// topLevel returns the commands that are not subcommands of others.
func topLevel(commands []*kong.Node) []*kong.Node {
	var out []*kong.Node
	for _, node := range commands {
		if node.Parent.Type == kong.ApplicationNode {
			out = append(out, node)
		}
	}
	return out
}

func bashCompletion(b *strings.Builder, commands []*kong.Node) {
	b.WriteString(`# bash completion for kenserve
_kenserve() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= i list=
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command ${COMP_WORDS[i]}" in
`)
	for _, node := range commands {
		parent := ""
		if node.Parent.Type == kong.CommandNode {
			parent = commandPath(node.Parent)
		}
		fmt.Fprintf(b, "    %q) command=%q ;;\n", parent+" "+node.Name, commandPath(node))
	}
	b.WriteString("    esac\n  done\n  case \"$command $before\" in\n")
	for _, node := range commands {
		for _, f := range visibleFlags(node) {
			if f.Enum != "" {
				fmt.Fprintf(b, "  %q) COMPREPLY=($(compgen -W %q -- \"$word\")); return ;;\n", commandPath(node)+" --"+f.Name, enumWords(f))
			}
		}
	}
	b.WriteString("  esac\n  case $command in\n")
	fmt.Fprintf(b, "  \"\") list=%q ;;\n", commandNames(topLevel(commands))+" "+flagWords(topLevel(commands)[0].Parent))
	for _, node := range commands {
		fmt.Fprintf(b, "  %q) list=%q ;;\n", commandPath(node), strings.TrimSpace(commandNames(node.Children)+" "+flagWords(node)))
	}
	b.WriteString(`  esac
  if [[ $word == -* || -z $command ]]; then
    COMPREPLY=($(compgen -W "$list" -- "$word"))
  else
    COMPREPLY=($(compgen -W "${list//--*/}" -- "$word") $(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _kenserve kenserve
`)
}

// singleQuoted returns a word for zsh and fish in single quotes.
func singleQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func zshCompletion(b *strings.Builder, commands []*kong.Node) {
	b.WriteString("#compdef kenserve\n# zsh completion for kenserve\n_kenserve() {\n  local state line\n  local -a commands\n  commands=(\n")
	describe := func(nodes []*kong.Node) {
		for _, node := range nodes {
			fmt.Fprintf(b, "    %s\n", singleQuoted(node.Name+":"+strings.ReplaceAll(node.Help, ":", `\:`)))
		}
	}
	describe(topLevel(commands))
	b.WriteString("  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n  case $words[2] in\n")
	for _, node := range topLevel(commands) {
		fmt.Fprintf(b, "  %s)\n", node.Name)
		if len(node.Children) > 0 {
			fmt.Fprintf(b, "    (( CURRENT == 3 )) && compadd %s\n", commandNames(node.Children))
		}
		b.WriteString("    _arguments")
		for _, sub := range append([]*kong.Node{node}, node.Children...) {
			for _, f := range visibleFlags(sub) {
				spec := "--" + f.Name
				if !f.IsBool() {
					spec += "="
				}
				spec += "[" + strings.NewReplacer("[", "(", "]", ")", ":", `\:`).Replace(f.Help) + "]"
				switch {
				case f.Enum != "":
					spec += ":value:(" + enumWords(f) + ")"
				case !f.IsBool():
					spec += ":value:_files"
				}
				fmt.Fprintf(b, " \\\n      %s", singleQuoted(spec))
			}
		}
		b.WriteString(" \\\n      '*:file:_files'\n    ;;\n")
	}
	b.WriteString("  esac\n}\n_kenserve \"$@\"\n")
}

func fishCompletion(b *strings.Builder, commands []*kong.Node) {
	b.WriteString("# fish completion for kenserve\n")
	for _, node := range topLevel(commands) {
		fmt.Fprintf(b, "complete -c kenserve -n __fish_use_subcommand -f -a %s -d %s\n", node.Name, singleQuoted(node.Help))
	}
	for _, node := range commands {
		when := singleQuoted("__fish_seen_subcommand_from " + node.Name)
		if node.Parent.Type == kong.CommandNode {
			when = singleQuoted("__fish_seen_subcommand_from " + node.Parent.Name + "; and __fish_seen_subcommand_from " + node.Name)
			fmt.Fprintf(b, "complete -c kenserve -n %s -a %s -d %s\n", singleQuoted("__fish_seen_subcommand_from "+node.Parent.Name), node.Name, singleQuoted(node.Help))
		}
		for _, f := range visibleFlags(node) {
			line := fmt.Sprintf("complete -c kenserve -n %s -l %s -d %s", when, f.Name, singleQuoted(f.Help))
			switch {
			case f.Enum != "":
				line += " -x -a " + singleQuoted(enumWords(f))
			case !f.IsBool():
				line += " -r"
			}
			fmt.Fprintln(b, line)
		}
	}
}
