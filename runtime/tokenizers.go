package runtime

import (
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"kenserve/delta"
	"kenserve/tokenizer"
)

// tokenizers holds the tokenizers of tasks that do not have the base's. Tasks whose deltas
// have the same files share one.
type tokenizers struct {
	mu       sync.Mutex
	byDigest map[string]*ownTokenizer
	bytes    int64 // of all of them
}

// ownTokenizer is a tokenizer with a count of the tasks that use it.
type ownTokenizer struct {
	*tokenizer.Tokenizer
	owner  *tokenizers
	digest string
	users  int
	bytes  int64 // 0 until it is made

	make sync.Once
	err  error
}

// acquire returns the tokenizer of a delta, nil if it has the base's. The caller releases
// it. The first user of a tokenizer makes it, and others wait for that.
func (s *tokenizers) acquire(d *delta.Delta) (*ownTokenizer, error) {
	if !d.OwnTokenizer {
		return nil, nil
	}
	digest := d.TokenizerDigest()
	s.mu.Lock()
	t := s.byDigest[digest]
	if t == nil {
		t = &ownTokenizer{owner: s, digest: digest}
		if s.byDigest == nil {
			s.byDigest = map[string]*ownTokenizer{}
		}
		s.byDigest[digest] = t
	}
	t.users++
	s.mu.Unlock()
	t.make.Do(func() {
		if t.Tokenizer, t.err = NewTokenizer(d); t.err != nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		t.bytes = t.Bytes()
		s.bytes += t.bytes
	})
	if t.err != nil {
		t.release()
		return nil, t.err
	}
	return t, nil
}

// release gives the tokenizer back. The last user drops it. t may be nil.
func (t *ownTokenizer) release() {
	if t == nil {
		return
	}
	s := t.owner
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(s.byDigest, t.digest)
		s.bytes -= t.bytes
	}
}

// memory returns the bytes that the tokenizers take now.
func (s *tokenizers) memory() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// NewTokenizer makes the tokenizer that a delta has, nil if the task uses the base's. An
// error about the stored files is a delta.ErrCorrupt.
func NewTokenizer(d *delta.Delta) (*tokenizer.Tokenizer, error) {
	files, err := d.TokenizerFiles()
	if files == nil || err != nil {
		return nil, err
	}
	return newTokenizer(files)
}

// newTokenizer makes the tokenizer of the files of a delta. Anybody may have made them, so
// a panic, which would be a fault of package tokenizer, must not end the process.
func newTokenizer(files map[string][]byte) (_ *tokenizer.Tokenizer, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("runtime: %w: make the tokenizer: panic: %v\n%s", delta.ErrCorrupt, reason, debug.Stack())
		}
	}()
	names := tokenizer.FileNames()
	for name := range files {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("runtime: %w: %s is not a file of a tokenizer", delta.ErrCorrupt, name)
		}
	}
	t, err := tokenizer.New(files)
	if err != nil {
		return nil, fmt.Errorf("runtime: %w: %w", delta.ErrCorrupt, err)
	}
	return t, nil
}
