package memory

import "context"

// Loan is what one request has taken from an account. Its methods may be called from
// any goroutine. A nil Loan takes from no account and refuses nothing.
type Loan struct {
	account *Account
	// Under the account's mutex.
	taken  [kinds]int64
	total  int64
	closed bool
}

// Open returns the loan of a new request. The caller closes it when the request has
// ended.
func (a *Account) Open() *Loan { return &Loan{account: a} }

// Take takes bytes until [Loan.Give] or [Loan.Close]. The error is a *[FullError];
// then none were taken.
func (l *Loan) Take(kind Kind, bytes int64) error {
	if l == nil {
		return nil
	}
	a := l.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if l.closed {
		// A part of the request outlives it. Its bytes cannot be given back any
		// more, so none are taken.
		return &FullError{kind: kind, bytes: bytes}
	}
	if err := a.takeLocked(kind, bytes, l.total+bytes); err != nil {
		return err
	}
	l.taken[kind] += bytes
	l.total += bytes
	return nil
}

// Give returns bytes of a kind before the request ends.
func (l *Loan) Give(kind Kind, bytes int64) {
	if l == nil {
		return
	}
	a := l.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if l.closed {
		return
	}
	bytes = min(bytes, l.taken[kind])
	a.giveLocked(kind, bytes)
	l.taken[kind] -= bytes
	l.total -= bytes
}

// Taken returns the bytes of a kind that the loan holds.
func (l *Loan) Taken(kind Kind) int64 {
	if l == nil {
		return 0
	}
	l.account.mu.Lock()
	defer l.account.mu.Unlock()
	return l.taken[kind]
}

// Close gives everything back.
func (l *Loan) Close() {
	if l == nil {
		return
	}
	a := l.account
	a.mu.Lock()
	defer a.mu.Unlock()
	for kind, bytes := range l.taken {
		a.giveLocked(Kind(kind), bytes)
	}
	l.taken, l.total, l.closed = [kinds]int64{}, 0, true
}

type loanKey struct{}

// WithLoan returns a context that carries the loan of its request.
func WithLoan(ctx context.Context, l *Loan) context.Context {
	return context.WithValue(ctx, loanKey{}, l)
}

// LoanOf returns the loan that [WithLoan] put into ctx, or nil.
func LoanOf(ctx context.Context) *Loan {
	l, _ := ctx.Value(loanKey{}).(*Loan)
	return l
}
