// Memory is a campaign against a server's --memory. It starts the real binary, in a
// control group of that size and a tenth more where the machine allows it, and sends
// mixes of hundreds of requests at the same time: large bodies, many texts, many tasks,
// lists of ids, gRPC messages that become large, bodies that arrive slowly and answers
// that are read slowly, while tasks change places in memory. Meanwhile a client sends
// small requests. The server must live, its peak must be within --memory, and the small
// requests must be answered.
//
//	go run ./conformance/faults/memory -kenserve PROGRAM -demo examples/demo
//	go run ./conformance/faults/memory -kenserve PROGRAM -demo examples/demo -long
//
// It prints a line for each mix, and exits with 0 if all is right, 1 if not, and 2 if
// the machine cannot run it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// campaign is what the flags set.
type campaign struct {
	program, demo string
	sizes         []int64 // MiB
	mixes         int
	requests      int // at the same time
	length        time.Duration
	maxRatio      float64 // of the time of a small request to its usual time
	seed          uint64
}

func main() {
	var c campaign
	sizes := flag.String("memory", "400", "values of --memory in MiB, separated by commas")
	flag.StringVar(&c.program, "kenserve", "", "the program")
	flag.StringVar(&c.demo, "demo", "examples/demo", "folder with the demo's base and tasks")
	flag.IntVar(&c.mixes, "mixes", 3, "number of mixes for each size")
	flag.IntVar(&c.requests, "requests", 100, "requests at the same time")
	flag.DurationVar(&c.length, "length", 4*time.Second, "time for each mix")
	flag.Float64Var(&c.maxRatio, "small", 0, "largest median time of a small request, as a ratio to its usual time; 0: not checked")
	flag.Uint64Var(&c.seed, "seed", 1, "seed of the mixes")
	long := flag.Bool("long", false, "the whole campaign: 20 mixes of 500 requests for 400, 1024 and 4096 MiB")
	flag.Parse()
	if *long {
		*sizes, c.mixes, c.requests, c.length = "400,1024,4096", 20, 500, 15*time.Second
	}
	for text := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			fmt.Fprintln(os.Stderr, "memory: -memory:", err)
			os.Exit(2)
		}
		c.sizes = append(c.sizes, n)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	wrong := 0
	for _, size := range c.sizes {
		n, err := c.run(ctx, size<<20)
		switch {
		case errors.Is(err, errImpossible):
			fmt.Println(err)
			os.Exit(2)
		case err != nil:
			fmt.Println(err)
			os.Exit(1)
		}
		wrong += n
	}
	fmt.Printf("%d mixes, %d wrong\n", c.mixes*len(c.sizes), wrong)
	if wrong > 0 {
		os.Exit(1)
	}
}

// run sends the mixes to a server with so much memory. It returns how many went wrong.
func (c *campaign) run(ctx context.Context, memory int64) (wrong int, err error) {
	s, err := start(c, memory)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	fmt.Printf("--memory %d MiB, %s; %d requests at the same time\n", memory>>20, s.group, c.requests)
	usual := s.small(ctx, 2*time.Second, 20*time.Millisecond)
	if usual.answered == 0 {
		return 0, fmt.Errorf("no small request was answered before the campaign")
	}
	fmt.Printf("%4s  %-60s %9s %6s  %s\n", "mix", "answers", "peak MiB", "share", fmt.Sprintf("small: %s usual", usual.median.Round(100*time.Microsecond)))
	for i := range c.mixes {
		if ctx.Err() != nil {
			return wrong, ctx.Err()
		}
		counts, small := s.load(ctx, newMix(c.seed, i), c.requests, c.length)
		peak, alive := s.peak()
		share := float64(peak) / float64(memory)
		ratio := float64(small.median) / float64(usual.median)
		var faults []string
		switch {
		case !alive:
			faults = append(faults, "the process ended: "+s.lastLog())
		case peak > memory:
			faults = append(faults, "the peak is above --memory")
		}
		if small.answered == 0 {
			faults = append(faults, "no small request was answered")
		}
		if c.maxRatio > 0 && ratio > c.maxRatio {
			faults = append(faults, "small requests wait")
		}
		fmt.Printf("%4d  %-60s %9.0f %6.2f  %d answered, %d not, median ×%.1f, worst %s  %s\n",
			i+1, counts, float64(peak)/(1<<20), share, small.answered, small.failed, ratio, small.worst.Round(time.Millisecond), strings.Join(faults, "; "))
		if len(faults) > 0 {
			wrong++
		}
		if !alive {
			return wrong, nil
		}
	}
	return wrong, nil
}
