// Package inject lets a test make operations on files, and the allocation of bodies, fail,
// as a full disk, a broken one or a full memory does. Only programs built with the tag soak can: in others [Fail] is empty and
// compiles to nothing.
package inject

// Op is a kind of operation.
type Op string

// The operations that can fail.
const (
	Open   Op = "open"
	Read   Op = "read"
	Create Op = "create"
	Write  Op = "write"
	Sync   Op = "sync"
	Rename Op = "rename"
	Remove Op = "remove"
	Body   Op = "body" // memory for a part of a request's body
)
