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
	"strings"
	"sync/atomic"
	"time"

	"github.com/alecthomas/kong"

	"kenserve/gemm/kernel"
	"kenserve/internal/fault"
	"kenserve/internal/printable"
	"kenserve/internal/stage"
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

	TuneJob tuneJobCmd `cmd:"" hidden:"" help:"Run a job of serve; the server starts it."`

	PrintVersion versionFlag `name:"version" env:"-" help:"Print the version."`
}

// streams are the standard streams of a command.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := interruptible(context.Background())
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
	s.out, s.err = newScreen(s.out), newScreen(s.err)
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
			s.fail(err)
			return exitUsage
		}
	}
	if err != nil {
		path, err := describeParseError(args, err)
		s.fail(fmt.Errorf("%w\nRun \"%s --help\" for usage.", err, strings.Join(append([]string{"kenserve"}, path...), " ")))
		return exitUsage
	}
	if _, err := kernel.CurrentLevel(); err != nil {
		s.fail(err)
		return exitUsage
	}
	command.Bind(func() (*serveSettings, error) { return readSettings(args, s) })
	command.BindTo(ctx, (*context.Context)(nil))
	command.Bind(s)
	drains := new(atomic.Bool)
	command.Bind(drains)
	switch err := runCommand(ctx, command, drains); {
	case err == nil:
		return exitDone
	case errors.As(err, new(usageError)):
		s.fail(err)
		return exitUsage
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		s.fail(errors.New("interrupted"))
		return exitFailed
	default:
		s.fail(err)
		return exitFailed
	}
}

// failTimeout bounds the time that the last message of a command may take: a reader of
// the standard error that has stalled must not keep the process alive.
const failTimeout = time.Second

// fail prints why a command failed.
func (s streams) fail(err error) {
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		fmt.Fprintf(s.err, "kenserve: %s\n", printable.Error(err))
	}()
	select {
	case <-printed:
	case <-time.After(failTimeout):
	}
}

// interruptTime is the time that a command has to end by itself after an interrupt. Some
// steps, as the digest of a large base, cannot be interrupted.
const interruptTime = 100 * time.Millisecond

// runCommand runs a command. If it is interrupted and does not end soon, runCommand
// returns while it still runs: the process must end then. Nothing unfinished is left. A
// command that has set drains ends by itself: a server answers what it has accepted.
func runCommand(ctx context.Context, command *kong.Context, drains *atomic.Bool) error {
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() { done <- err }()
		defer fault.Contain(&err)()
		err = command.Run()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(interruptTime):
	}
	if drains.Load() {
		return <-done
	}
	stage.Abandon()
	return ctx.Err()
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
