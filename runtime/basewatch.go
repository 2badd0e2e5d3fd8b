package runtime

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// baseWatch looks from time to time whether the files of the base are still those that
// were loaded. It asks the file system for their states, which works everywhere, and
// reads a file only if its state has changed.
type baseWatch struct {
	every  time.Duration // 0: whenever ready is called
	log    *slog.Logger
	closed chan struct{}
	done   sync.WaitGroup

	looking sync.Mutex // held during look
	files   *baseFiles

	mu      sync.Mutex
	why     string // they are not the same; "" if they are
	problem string // of the last look
}

// watchShare bounds the share of time spent comparing files, one in watchShare.
const watchShare = 10

// watchBase starts to watch. The caller closes the watch.
func watchBase(files *baseFiles, every time.Duration, log *slog.Logger) *baseWatch {
	w := &baseWatch{files: files, every: every, log: log, closed: make(chan struct{})}
	if every > 0 {
		w.done.Go(w.run)
	}
	return w
}

func (w *baseWatch) run() {
	pause := w.every
	for {
		select {
		case <-time.After(pause):
		case <-w.closed:
			return
		}
		start := time.Now()
		w.look()
		pause = max(w.every, watchShare*time.Since(start))
	}
}

func (w *baseWatch) close() {
	close(w.closed)
	w.done.Wait()
}

// ready returns nil, or an ErrBaseChanged.
func (w *baseWatch) ready() error {
	if w.every == 0 {
		w.look()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.why == "" {
		return nil
	}
	return fmt.Errorf("runtime: %w: %s; requests are answered with the base that was loaded; restart to load the new one, or restore the old files", ErrBaseChanged, w.why)
}

// look compares the files with what was loaded.
func (w *baseWatch) look() {
	w.looking.Lock()
	defer w.looking.Unlock()
	if w.files.touched() == "" {
		return
	}
	why, err := w.files.changed()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		// A file system that is away for a moment is no change.
		if problem := err.Error(); problem != w.problem {
			w.problem = problem
			w.log.Warn("the base's files cannot be compared with what was loaded", "error", err)
		}
		return
	}
	w.problem = ""
	switch {
	case why == w.why:
	case why == "":
		w.log.Info("the base's files are again those that were loaded, so the server is ready")
	default:
		w.log.Error("the base's files have changed since they were loaded: requests are answered with the base that was loaded, and the server is not ready; restart to load the new base, or restore the old files", "reason", why)
	}
	w.why = why
}
