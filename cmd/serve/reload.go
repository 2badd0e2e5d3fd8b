package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"kenserve/server"
)

// reloadable are the names of the settings that SIGHUP reads again. Others need a
// restart.
var reloadable = []string{"api-key", "api-key-file", "admin-key-file", "tls-cert", "tls-key", "allowed-host", "cors-origin", "log-level"}

// serveSettings are the settings of the command line, the environment and the
// configuration file.
type serveSettings struct {
	serve  *serveCmd
	values map[string]string // of each flag
}

// readSettings reads the settings as they are now.
func readSettings(args []string, s streams) (*serveSettings, error) {
	var c commands
	parser, err := newParser(&c, s)
	if err != nil {
		return nil, err
	}
	command, err := parser.Parse(args)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for _, flag := range command.Selected().Flags {
		values[flag.Name] = fmt.Sprint(flag.Target.Interface())
	}
	return &serveSettings{&c.Serve, values}, nil
}

// reloader reads keys, certificate and configuration again whenever the process gets
// SIGHUP.
type reloader struct {
	server *server.Server
	read   func() (*serveSettings, error)
	first  *serveSettings // with which the server was started
	level  *slog.LevelVar
	log    *slog.Logger
}

// run reloads until ctx ends.
func (r *reloader) run(ctx context.Context, hangups <-chan os.Signal) {
	for {
		select {
		case <-hangups:
			r.reload()
		case <-ctx.Done():
			return
		}
	}
}

func (r *reloader) reload() {
	var next *serveSettings
	err := r.server.Reload(func() (server.Options, error) {
		var err error
		if next, err = r.read(); err != nil {
			return server.Options{}, err
		}
		return next.serve.serverOptions(r.log, r.certificateFailed)
	})
	if err != nil {
		return // the server has logged it
	}
	r.level.Set(next.serve.LogLevel)
	r.log.Info("reloaded")
	for name, value := range next.values {
		if value != r.first.values[name] && !slices.Contains(reloadable, name) {
			r.log.Warn("a changed setting takes effect after a restart", "setting", name)
		}
	}
}

// certificateFailed logs and counts that a changed certificate cannot be read.
func (r *reloader) certificateFailed(err error) { r.server.ReloadFailed("certificate", err) }

// catchHangups returns a channel with the process's SIGHUPs, which do not end it from
// now on. A broken pipe at standard output or error does not end it either.
func catchHangups() (hangups <-chan os.Signal, stop func()) {
	signal.Ignore(syscall.SIGPIPE)
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() {
		signal.Stop(c)
		signal.Reset(syscall.SIGPIPE)
	}
}
