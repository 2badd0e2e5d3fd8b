package main

import (
	"io"
	"os"

	"golang.org/x/term"

	"kenserve/internal/printable"
)

// screen is a standard stream to which commands print. Names, labels and notes come
// from files that others made, so it escapes what a terminal obeys. Only progress bars
// use the stream itself.
type screen struct {
	io.Writer
	raw io.Writer
}

func newScreen(w io.Writer) *screen { return &screen{printable.Writer(w), w} }

// bare returns the stream below a screen.
func bare(w io.Writer) io.Writer {
	if s, ok := w.(*screen); ok {
		return s.raw
	}
	return w
}

func isTerminal(w io.Writer) bool {
	f, ok := bare(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
