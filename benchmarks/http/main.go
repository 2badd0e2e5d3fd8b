// Command http measures what serving over HTTP costs, against the same engine in
// process, and how the server behaves when too much is asked of it.
//
//	go run ./benchmarks/http [--only PARTS] [--task NAME] [--rounds N] [--overload TIME]
//
// It builds the program, starts it on a free port of 127.0.0.1, and drives it
// there. The driver is its own, and small, for three reasons. It is an open loop:
// requests are due at a constant rate whatever became of the ones before, and a
// latency is counted from the moment when its request was due, so that a server
// that stalls cannot make the stall disappear by not being asked meanwhile. It
// shares the cores with the server, so what it costs itself has to be little.
// And it has the engine in process as well, so that both are measured in turns
// within one run, with the same texts. Linux only: it reads /proc.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	base, store, task string
	binary            string
	rounds            int
	round             time.Duration
	overload          time.Duration
	connections       int
	callers           int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "http:", err)
		stop()
		os.Exit(1)
	}
}

// parts are what can be measured, in order. Each is bounded in time.
var parts = []struct {
	name    string
	measure func(ctx context.Context, b *bench) error
}{
	{"full", full},
	{"idle", idle},
	{"load", load},
	{"overload", overload},
	{"stop", stop},
}

func run(ctx context.Context) (err error) {
	var s settings
	only := flag.String("only", "", "comma-separated `PARTS` of full, idle, load, overload, stop")
	flag.StringVar(&s.base, "base", "examples/demo/base", "Hugging Face `FOLDER` of the base")
	flag.StringVar(&s.store, "store", "examples/demo/tasks", "`FOLDER` of the deltas")
	flag.StringVar(&s.task, "task", "trec", "task that is asked for")
	flag.StringVar(&s.binary, "kenserve", "", "the `PROGRAM`; built from ./cmd/serve without it")
	flag.IntVar(&s.rounds, "rounds", 5, "rounds of each measurement that is compared; the best counts")
	flag.DurationVar(&s.round, "round", 4*time.Second, "length of a round")
	flag.DurationVar(&s.overload, "overload", time.Minute, "length of the overload")
	flag.IntVar(&s.connections, "connections", 2048, "most connections at a time")
	flag.IntVar(&s.callers, "callers", 64, "requests under way at full load")
	flag.Parse()
	wanted := strings.Split(*only, ",")
	known := func(name string) bool {
		for _, p := range parts {
			if p.name == name {
				return true
			}
		}
		return false
	}
	if *only != "" {
		for _, name := range wanted {
			if !known(name) {
				return fmt.Errorf("there is no part %q", name)
			}
		}
	}
	b, err := newBench(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	for _, p := range parts {
		if *only != "" && !slices.Contains(wanted, p.name) {
			continue
		}
		if err := p.measure(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}
