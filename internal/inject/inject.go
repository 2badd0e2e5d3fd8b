// Package inject lets a test make operations on files fail, as a full disk or a broken
// one does. Only programs built with the tag soak can: in others [Fail] is empty and
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
)
