// Command serve is the kenserve program: it serves classifiers as sparse deltas of one
// base, and makes, inspects and applies such deltas.
//
// This package holds flags, wiring and printing only; every command calls a package that
// does the work. Run kenserve --help for the commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"kenserve/gemm/kernel"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// commands is the command line.
type commands struct {
	Serve    serveCmd    `cmd:"" default:"withargs" help:"Serve the tasks of a store over HTTP (the default command)."`
	Tune     tuneCmd     `cmd:"" help:"Train a classifier from labelled texts and write its delta."`
	Prune    pruneCmd    `cmd:"" help:"Make a delta from a base and a checkpoint tuned from it."`
	Inspect  inspectCmd  `cmd:"" help:"Show a delta's metadata, tensors and sizes."`
	Verify   verifyCmd   `cmd:"" help:"Check a delta completely against its base."`
	Export   exportCmd   `cmd:"" help:"Write a base with a delta applied as a full Hugging Face checkpoint in float32."`
	Eval     evalCmd     `cmd:"" help:"Score a delta on labelled texts: accuracy, F1 and a table of classes, or correlations of a regression."`
	Classify classifyCmd `cmd:"" help:"Classify texts of a file and write JSON lines."`
	Viz      vizCmd      `cmd:"" help:"Draw which weights a delta keeps: a web page and pictures."`
	Diff     diffCmd     `cmd:"" help:"Compare the positions that two deltas keep."`
	Pack     packCmd     `cmd:"" help:"Compress a delta into the small layout, for transport and storage."`
	Unpack   unpackCmd   `cmd:"" help:"Restore a delta from the small layout to the fast one."`
	Pull     pullCmd     `cmd:"" help:"Download a model from the Hugging Face Hub into the cache of its libraries."`
	Tokenize tokenizeCmd `cmd:"" help:"Tokenize texts, one a line, and write JSON lines of token ids."`
	Bench    benchCmd    `cmd:"" help:"Measure throughput, latency and matrix kernels on this machine."`
	Version  versionCmd  `cmd:"" help:"Print the version."`

	Completion completionCmd `cmd:"" help:"Print a script for command completion in a shell."`

	PrintVersion versionFlag `name:"version" env:"-" help:"Print the version."`
}

// streams are the standard streams of a command.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(status)
}

// exitCode is the panic value with which kong ends the program after --help; run recovers
// it.
type exitCode int

// newParser returns a parser of command lines that sets c.
func newParser(c *commands, s streams) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("kenserve"),
		kong.Help(printHelp),
		kong.Description("Serve many fine-tuned classifiers as sparse deltas of one base in memory."),
		kong.DefaultEnvars("KENSERVE"),
		kong.NamedMapper("model", kong.MapperFunc(decodeModel)),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { panic(exitCode(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
}

// run executes one command line and returns its exit status.
func run(ctx context.Context, args []string, s streams) (status int) {
	defer func() {
		if r := recover(); r != nil {
			code, ok := r.(exitCode)
			if !ok {
				panic(r)
			}
			status = int(code)
		}
	}()
	var c commands
	parser, err := newParser(&c, s)
	if err != nil { // the definition of the commands is wrong: a programming error
		panic(err)
	}
	command, err := parser.Parse(args)
	if err == nil {
		if err := refuseRepeated(command); err != nil {
			fmt.Fprintf(s.err, "kenserve: %v\n", err)
			return exitUsage
		}
	}
	if err != nil {
		path, err := describeParseError(args, err)
		fmt.Fprintf(s.err, "kenserve: %v\nRun \"%s --help\" for usage.\n", err, strings.Join(append([]string{"kenserve"}, path...), " "))
		return exitUsage
	}
	if _, err := kernel.CurrentLevel(); err != nil {
		fmt.Fprintf(s.err, "kenserve: %v\n", err)
		return exitUsage
	}
	command.BindTo(ctx, (*context.Context)(nil))
	command.Bind(s)
	switch err := command.Run(); {
	case err == nil:
		return exitDone
	case errors.As(err, new(usageError)):
		fmt.Fprintf(s.err, "kenserve: %v\n", err)
		return exitUsage
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(s.err, "kenserve: interrupted")
		return exitFailed
	default:
		fmt.Fprintf(s.err, "kenserve: %v\n", err)
		return exitFailed
	}
}

// describeParseError returns the words of the command that was meant, and an error that
// says what is wrong with the command line.
func describeParseError(args []string, err error) (path []string, _ error) {
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		for node := parse.Context.Selected(); node != nil && node.Parent != nil; node = node.Parent {
			path = append([]string{node.Name}, path...)
		}
	}
	if len(args) > 0 && (len(path) == 0 || args[0] != path[0]) && !strings.HasPrefix(args[0], "-") {
		// Kong took the first word for an argument of the default command, and complains
		// about that. It was meant as a command.
		return nil, fmt.Errorf("unknown command %q", args[0])
	}
	return path, err
}

// refuseRepeated returns an error for a flag with a single value that is given twice.
func refuseRepeated(command *kong.Context) error {
	given := map[*kong.Flag]bool{}
	for _, element := range command.Path {
		f := element.Flag
		if f == nil || element.Resolved || f.IsCumulative() || f.IsCounter() {
			continue
		}
		if given[f] {
			return fmt.Errorf("--%s is given more than once; it has a single value", f.Name)
		}
		given[f] = true
	}
	return nil
}

// usageError is an error of the command line, for exit status 2.
type usageError struct{ error }
