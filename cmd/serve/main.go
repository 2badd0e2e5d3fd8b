// Command serve is the kenserve binary: it serves classifiers as deltas of one
// base, and makes, inspects and applies those deltas. It only wires packages
// together; run it with --help for its commands.
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
	Prune    pruneCmd    `cmd:"" help:"Make a delta from a base and a checkpoint that was tuned from it."`
	Inspect  inspectCmd  `cmd:"" help:"Show what a delta holds and where it comes from."`
	Verify   verifyCmd   `cmd:"" help:"Check a delta in every detail against its base."`
	Export   exportCmd   `cmd:"" help:"Write base and delta as a full Hugging Face checkpoint in float32."`
	Eval     evalCmd     `cmd:"" help:"Score a delta on labelled texts: accuracy, macro F1, a table by class."`
	Classify classifyCmd `cmd:"" help:"Classify texts, one a line, into JSON lines."`
	Viz      vizCmd      `cmd:"" help:"Show what a delta keeps: a page, and pictures."`
	Diff     diffCmd     `cmd:"" help:"Compare the positions that two deltas keep."`
	Pack     packCmd     `cmd:"" help:"Write a delta in the small layout, for transport and storage."`
	Unpack   unpackCmd   `cmd:"" help:"Write a delta in the fast layout again."`
	Pull     pullCmd     `cmd:"" help:"Fetch a model from the Hugging Face Hub into the cache that its libraries share."`
	Tokenize tokenizeCmd `cmd:"" help:"Turn texts, one a line, into JSON lines of token ids."`
	Bench    benchCmd    `cmd:"" help:"Measure throughput, latency and kernels on this machine."`
	Version  versionCmd  `cmd:"" help:"Print the version."`

	Completion completionCmd `cmd:"" help:"Print a script by which a shell completes command lines."`
}

// streams are where a command reads and writes.
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

// exit is panicked by kong after --help and caught by run.
type exit int

// newParser makes the parser of a command line.
func newParser(c *commands, s streams) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("kenserve"),
		kong.Help(printHelp),
		kong.Description("One pre-trained base in memory, every classifier a sparse delta of it."),
		kong.DefaultEnvars("KENSERVE"),
		kong.NamedMapper("model", kong.MapperFunc(decodeModel)),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
}

// run executes one command line and returns its exit status.
func run(ctx context.Context, args []string, s streams) (status int) {
	defer func() {
		if r := recover(); r != nil {
			code, ok := r.(exit)
			if !ok {
				panic(r)
			}
			status = int(code)
		}
	}()
	var c commands
	parser, err := newParser(&c, s)
	if err != nil { // the command line itself is wrong: a programming error
		panic(err)
	}
	command, err := parser.Parse(args)
	if err != nil {
		var parse *kong.ParseError
		var path []string // of the command that was meant
		if errors.As(err, &parse) && parse.Context != nil {
			for node := parse.Context.Selected(); node != nil && node.Parent != nil; node = node.Parent {
				path = append([]string{node.Name}, path...)
			}
		}
		name := strings.Join(path, " ")
		if len(args) > 0 && (len(path) == 0 || args[0] != path[0]) && !strings.HasPrefix(args[0], "-") {
			// Without a command the default one is meant, and complains of an
			// argument; who wrote a word meant a command.
			name, err = "", fmt.Errorf("unknown command %q", args[0])
		}
		fmt.Fprintf(s.err, "kenserve: %v\n", err)
		fmt.Fprintln(s.err, strings.Join(strings.Fields("Run \"kenserve "+name), " ")+" --help\" for what is possible.")
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

// usageError is a command line that parses but makes no sense.
type usageError struct{ error }
