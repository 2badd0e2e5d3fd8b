package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interruptible returns a context that ends with the first SIGINT or SIGTERM. The
// command then has time to end well. The second signal ends the process at once. stop
// gives the signals back to the system.
func interruptible(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		s := <-signals
		status := exitFailed
		if number, ok := s.(syscall.Signal); ok {
			status = 128 + int(number) // as shells report a signal
		}
		os.Exit(status)
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel()
	}
}
