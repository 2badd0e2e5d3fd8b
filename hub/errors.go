package hub

import (
	"errors"
)

// Errors that a caller may have to tell apart.
var (
	// ErrNotCached is wrapped by the error of a model that the cache does not have.
	ErrNotCached = errors.New("not in the cache")
	// ErrDenied is wrapped where the hub wants a token, or another one.
	errDenied = errors.New("access denied")
	// ErrNotFound is wrapped where the hub has no such model or revision, or does not show it
	// without a token.
	errNotFound = errors.New("no such model or revision")
	// ErrDigest is wrapped where what arrived is not what the hub says it is.
	errDigest = errors.New("wrong digest")
)
