package main

import (
	"bytes"
	"io"
	"log/slog"
	"time"

	"google.golang.org/grpc/grpclog"

	"kenserve/internal/logwriter"
)

// logFlushTimeout bounds the time that a shutdown waits for the last lines of the log.
const logFlushTimeout = time.Second

// newLog returns a log in the format "text" or "json".
func newLog(out io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}

// newServerLog is [newLog] for a server, which must never wait for the reader of its
// log. It also takes what libraries print. lines counts the lines that were lost.
// The caller closes lines.
func newServerLog(out io.Writer, format string, level slog.Leveler) (log *slog.Logger, lines *logwriter.Writer) {
	lines = logwriter.New(out, func(n uint64) []byte {
		var line bytes.Buffer
		newLog(&line, format, slog.LevelInfo).Warn("lines of the log were lost, its reader was too slow or gone", "lines", n)
		return line.Bytes()
	})
	log = newLog(lines, format, level)
	slog.SetDefault(log) // of package log too
	errors := slog.NewLogLogger(log.Handler(), slog.LevelWarn).Writer()
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, errors))
	return log, lines
}

// discardLog returns the log for commands that report all errors themselves.
func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }
