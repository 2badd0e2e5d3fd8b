package hub

import "errors"

// ErrNotCached is wrapped by the error of [Client.Find] for a model that is not in the
// cache.
var ErrNotCached = errors.New("not in the cache")

var (
	// errDenied means that the hub wants a token, or another one.
	errDenied = errors.New("access denied")
	// errNotFound means that the hub has no such model or revision, or hides it from
	// requests without a token.
	errNotFound = errors.New("no such model or revision")
	// errDigest means that the received content differs from the digest that the hub
	// gave.
	errDigest = errors.New("wrong digest")
)
