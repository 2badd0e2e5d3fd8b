package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Shell: ${enum}."`
}

// Run prints a script that completes commands, flags and the values that a flag
// may have; everything else is completed as a file. It is made of the command
// line itself.
func (c *completionCmd) Run(k *kong.Kong, s streams) error {
	script := map[string]func(*strings.Builder, []*kong.Node){"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
	var b strings.Builder
	var commands []*kong.Node
	for _, node := range k.Model.Children {
		commands = append(commands, node)
		commands = append(commands, node.Children...)
	}
	script[c.Shell](&b, commands)
	_, err := fmt.Fprint(s.out, b.String())
	return err
}

// flagWords are the flags of a command as they are typed.
func flagWords(node *kong.Node) string {
	var words []string
	for _, f := range completedFlags(node) {
		words = append(words, "--"+f.Name)
	}
	return strings.Join(words, " ")
}

// completedFlags are a command's own flags, without those that it hides.
func completedFlags(node *kong.Node) []*kong.Flag {
	var flags []*kong.Flag
	for _, group := range node.AllFlags(true) {
		flags = append(flags, group...)
	}
	return flags
}

// values are what a flag may be set to, if that is a list of words.
func values(f *kong.Flag) string { return strings.ReplaceAll(f.Enum, ",", " ") }

func words(nodes []*kong.Node) string {
	var names []string
	for _, node := range nodes {
		names = append(names, node.Name)
	}
	return strings.Join(names, " ")
}

// top are the commands that stand behind the program's name.
func top(commands []*kong.Node) []*kong.Node {
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
		for _, f := range completedFlags(node) {
			if f.Enum != "" {
				fmt.Fprintf(b, "  %q) COMPREPLY=($(compgen -W %q -- \"$word\")); return ;;\n", commandPath(node)+" --"+f.Name, values(f))
			}
		}
	}
	b.WriteString("  esac\n  case $command in\n")
	fmt.Fprintf(b, "  \"\") list=%q ;;\n", words(top(commands))+" "+flagWords(top(commands)[0].Parent))
	for _, node := range commands {
		fmt.Fprintf(b, "  %q) list=%q ;;\n", commandPath(node), strings.TrimSpace(words(node.Children)+" "+flagWords(node)))
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

// quoted is a word for zsh and fish, in single quotes.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func zshCompletion(b *strings.Builder, commands []*kong.Node) {
	b.WriteString("#compdef kenserve\n# zsh completion for kenserve\n_kenserve() {\n  local state line\n  local -a commands\n  commands=(\n")
	describe := func(nodes []*kong.Node) {
		for _, node := range nodes {
			fmt.Fprintf(b, "    %s\n", quoted(node.Name+":"+strings.ReplaceAll(node.Help, ":", `\:`)))
		}
	}
	describe(top(commands))
	b.WriteString("  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n  case $words[2] in\n")
	for _, node := range top(commands) {
		fmt.Fprintf(b, "  %s)\n", node.Name)
		if len(node.Children) > 0 {
			fmt.Fprintf(b, "    (( CURRENT == 3 )) && compadd %s\n", words(node.Children))
		}
		b.WriteString("    _arguments")
		for _, sub := range append([]*kong.Node{node}, node.Children...) {
			for _, f := range completedFlags(sub) {
				spec := "--" + f.Name
				if !f.IsBool() {
					spec += "="
				}
				spec += "[" + strings.NewReplacer("[", "(", "]", ")", ":", `\:`).Replace(f.Help) + "]"
				switch {
				case f.Enum != "":
					spec += ":value:(" + values(f) + ")"
				case !f.IsBool():
					spec += ":value:_files"
				}
				fmt.Fprintf(b, " \\\n      %s", quoted(spec))
			}
		}
		b.WriteString(" \\\n      '*:file:_files'\n    ;;\n")
	}
	b.WriteString("  esac\n}\n_kenserve \"$@\"\n")
}

func fishCompletion(b *strings.Builder, commands []*kong.Node) {
	b.WriteString("# fish completion for kenserve\n")
	for _, node := range top(commands) {
		fmt.Fprintf(b, "complete -c kenserve -n __fish_use_subcommand -f -a %s -d %s\n", node.Name, quoted(node.Help))
	}
	for _, node := range commands {
		when := quoted("__fish_seen_subcommand_from " + node.Name)
		if node.Parent.Type == kong.CommandNode {
			when = quoted("__fish_seen_subcommand_from " + node.Parent.Name + "; and __fish_seen_subcommand_from " + node.Name)
			fmt.Fprintf(b, "complete -c kenserve -n %s -a %s -d %s\n", quoted("__fish_seen_subcommand_from "+node.Parent.Name), node.Name, quoted(node.Help))
		}
		for _, f := range completedFlags(node) {
			line := fmt.Sprintf("complete -c kenserve -n %s -l %s -d %s", when, f.Name, quoted(f.Help))
			switch {
			case f.Enum != "":
				line += " -x -a " + quoted(values(f))
			case !f.IsBool():
				line += " -r"
			}
			fmt.Fprintln(b, line)
		}
	}
}
