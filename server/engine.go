package server

import (
	"kenserve/runtime"
	"kenserve/server/internal/api/native"
	"kenserve/server/internal/core"
	"kenserve/server/internal/dashboard"
)

// Engine is what the server needs of the runtime. All methods may be called
// from any goroutine.
type Engine interface {
	core.Engine
	native.Editor
	dashboard.Engine
}

var _ Engine = (*runtime.Engine)(nil)
