// Command http measures the cost of serving over HTTP, against the same engine
// called in process, and how the server behaves under overload and when it stops.
//
//	go run ./benchmarks/http [--only PARTS] [--task NAME] [--rounds N] [--overload TIME]
//
// It builds the program, starts it on a free port of 127.0.0.1 and sends requests
// to it. It has its own small driver, for three reasons. The driver is an open
// loop: requests are due at a constant rate, whether or not earlier ones have been
// answered, and a latency is counted from the time at which its request was due, so
// that a stall of the server shows in the latencies. It shares the cores with the
// server, so it must use little processor time. And it runs the engine in process
// too, so that both are measured in turns within one run, with the same texts. It
// runs on Linux only, because it reads /proc.
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
	deltas            []string // files that the part "cold" measures
	coldRounds        int
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

// parts are the measurements, in order. Each is bounded in time.
var parts = []struct {
	name    string
	measure func(ctx context.Context, b *bench) error
}{
	{"full", full},
	{"idle", idle},
	{"cold", cold},
	{"load", load},
	{"overload", overload},
	{"stop", stop},
}

func run(ctx context.Context) (err error) {
	var s settings
	only := flag.String("only", "", "comma-separated `PARTS` of full, idle, cold, load, overload, stop")
	flag.StringVar(&s.base, "base", "examples/demo/base", "Hugging Face `FOLDER` of the base")
	flag.StringVar(&s.store, "store", "examples/demo/tasks", "`FOLDER` of the deltas")
	flag.StringVar(&s.task, "task", "trec", "`TASK` that requests name")
	flag.StringVar(&s.binary, "kenserve", "", "`PROGRAM` to measure; default: built from ./cmd/serve")
	flag.IntVar(&s.rounds, "rounds", 5, "rounds of each measurement; the best one counts")
	flag.DurationVar(&s.round, "round", 4*time.Second, "length of a round")
	flag.DurationVar(&s.overload, "overload", time.Minute, "length of the overload")
	flag.IntVar(&s.connections, "connections", 2048, "maximum number of open connections")
	flag.IntVar(&s.callers, "callers", 64, "concurrent requests at full load")
	flag.Func("deltas", "comma-separated delta `FILES` whose first requests the part cold measures; default: that of --task", func(list string) error {
		s.deltas = strings.Split(list, ",")
		return nil
	})
	flag.IntVar(&s.coldRounds, "cold-rounds", 21, "times that the part cold loads each delta")
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
				return fmt.Errorf("--only: unknown part %q", name)
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
