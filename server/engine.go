package server

import (
	"kenserve/runtime"
	"kenserve/server/internal/api/native"
	"kenserve/server/internal/core"
	"kenserve/server/internal/dashboard"
	"kenserve/tune/jobs"
)

// Engine is the part of the runtime that the server calls. All methods may be
// called from any goroutine.
type Engine interface {
	core.Engine      // classify; find, load and unload tasks
	native.Editor    // change the store
	dashboard.Engine // inspect deltas; counters

	// Problems returns why the store's present deltas of tasks are not served, by
	// task.
	Problems() map[string]string
	// Digests returns the SHA-256 of the deltas in memory, in hexadecimal, by task.
	Digests() map[string]string
}

// Tuner runs jobs that tune tasks.
type Tuner interface {
	native.Tuner
	// Counts returns the numbers for metrics.
	Counts() jobs.Counts
}

var _ Tuner = (*jobs.Jobs)(nil)
var _ jobs.Engine = (*runtime.Engine)(nil)

var _ Engine = (*runtime.Engine)(nil)
