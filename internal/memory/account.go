// Package memory keeps the account of the memory that requests take.
//
// A process has one [Account] with a fixed number of bytes. Code that is about
// to allocate memory for a request takes the bytes from the account first: the body
// before it is read, its parsed copy before it is parsed, the answer before it is
// written. So however many requests there are, together they hold no more than the
// account has. A request takes its bytes through a [Loan], which its context carries,
// and which gives everything back when the request ends.
//
// A part of the account is reserved for small requests. Large ones cannot take it, so
// they can neither shut small ones out nor make them wait. Another part is reserved for
// connections.
package memory

import (
	"fmt"
	"sync"

	"kenserve/internal/inject"
)

// Kind says what bytes are taken for.
type Kind int

// The kinds.
const (
	Connections Kind = iota // buffers and goroutines of open connections
	Requests                // header, state and goroutines of a request
	Bodies                  // bytes of a body as received and decoded
	Copies                  // what is made of a body: buffers, strings, messages, ids
	Tokens                  // token ids that wait or are computed
	Scores                  // results of the engine
	Answers                 // encoded answers until the client has read them
	kinds
)

var kindNames = [kinds]string{"connections", "requests", "bodies", "copies", "tokens", "scores", "answers"}

func (k Kind) String() string { return kindNames[k] }

const (
	// smallBytes is what a small request takes at most.
	smallBytes = 128 << 10
	// reservedShare is the share, one in reservedShare, of an account that only small
	// requests may take.
	reservedShare = 8
	// connectionShare is the share, one in connectionShare, that only connections may
	// take. Probes come on new connections, and must be answered while many requests,
	// each of which is small, fill the rest.
	connectionShare = 32
)

// Account is a number of bytes that requests share. Its methods may be called from any
// goroutine.
type Account struct {
	limit  int64
	behind func() bool // see RefuseLargeWhile; nil: never

	mu    sync.Mutex
	used  int64
	kinds [kinds]kindState
}

type kindState struct {
	limit   int64 // 0: that of the account
	used    int64
	peak    int64
	refused uint64
}

// New returns an account of limit bytes.
func New(limit int64) *Account { return &Account{limit: limit} }

// Limit is the number of bytes of the account.
func (a *Account) Limit() int64 { return a.limit }

// Bound bounds the bytes of one kind below the account's limit.
func (a *Account) Bound(kind Kind, limit int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kinds[kind].limit = limit
}

// RefuseLargeWhile makes the account refuse bytes to large requests while behind returns
// true: bytes that were given back are still in memory, because the garbage collector
// has not kept up. Call it before the account is used.
func (a *Account) RefuseLargeWhile(behind func() bool) { a.behind = behind }

// Used returns the bytes that are taken now.
func (a *Account) Used() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used
}

// Usage is the state of one kind.
type Usage struct {
	Kind    Kind
	Used    int64  // bytes that are taken now
	Peak    int64  // most bytes that were taken at a time
	Refused uint64 // times that bytes were refused
}

// Usage returns the state of all kinds.
func (a *Account) Usage() []Usage {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Usage, kinds)
	for k := range kinds {
		s := &a.kinds[k]
		out[k] = Usage{k, s.used, s.peak, s.refused}
	}
	return out
}

// FullError is a refusal: the account has not the bytes that a request asks for.
type FullError struct {
	kind  Kind
	bytes int64 // that the request would hold with those it asked for
	// Never tells that the request does not fit an empty account either, so that
	// there is no use in a retry.
	Never bool
}

func (e *FullError) Error() string {
	if e.Never {
		return fmt.Sprintf("memory: the request needs %d bytes (the last ones for %s), more than the server has for one request", e.bytes, e.kind)
	}
	return fmt.Sprintf("memory: the account of requests is full: %d bytes (the last ones for %s) were refused", e.bytes, e.kind)
}

// Take takes bytes that belong to no request. The error is a *[FullError].
func (a *Account) Take(kind Kind, bytes int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.takeLocked(kind, bytes, bytes)
}

// Give returns bytes that [Account.Take] took.
func (a *Account) Give(kind Kind, bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.giveLocked(kind, bytes)
}

// takeLocked takes bytes for a holder that has total bytes with them.
func (a *Account) takeLocked(kind Kind, bytes, total int64) error {
	k := &a.kinds[kind]
	if kind == Bodies && inject.Fail(inject.Body) != nil {
		k.refused++
		return &FullError{kind: kind, bytes: total}
	}
	limit := a.limit
	if total <= smallBytes {
		if kind != Connections {
			limit -= a.limit / connectionShare
		}
	} else {
		limit -= a.limit / reservedShare
		if a.behind != nil && a.behind() {
			k.refused++
			return &FullError{kind: kind, bytes: total, Never: total > limit}
		}
	}
	if a.used+bytes > limit || k.limit > 0 && k.used+bytes > k.limit {
		k.refused++
		return &FullError{kind: kind, bytes: total, Never: total > limit || k.limit > 0 && bytes > k.limit}
	}
	a.used += bytes
	k.used += bytes
	k.peak = max(k.peak, k.used)
	return nil
}

func (a *Account) giveLocked(kind Kind, bytes int64) {
	a.used -= bytes
	a.kinds[kind].used -= bytes
}
