package main

import (
	"io"
	"log/slog"
)

// newLog returns a log in the format "text" or "json".
func newLog(out io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}

// discardLog returns the log for commands that report all errors themselves.
func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }
