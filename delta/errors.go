package delta

import (
	"errors"

	"kenserve/delta/internal/container"
)

// The errors by which a caller decides. Damage of the container itself is
// reported by the errors of package safetensors.
var (
	// ErrCorrupt means that the file is not a valid delta file, or does not fit
	// the base that it names. The message says which part of which tensor departs
	// from the format, what it has, and what the format wants.
	ErrCorrupt = errors.New("not a valid delta file")
	// ErrDigest means that the file's digest is not that of its bytes: it was
	// damaged on the way. Such a file is ErrCorrupt too.
	ErrDigest = container.ErrDigest
	// ErrLayout means that the file is in another layout than the one asked for,
	// fast or small. Such a file is ErrCorrupt too.
	ErrLayout = errors.New("another layout")
	// ErrBase means that the delta was made for another base.
	ErrBase = errors.New("delta of another base")
)
