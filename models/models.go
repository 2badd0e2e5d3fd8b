// Package models turns token ids into logits.
//
// # Idea
//
// Each family of transformers (BERT and its relatives) is one package below
// this one. It reads its part of a Hugging Face config.json into an
// [Architecture], which lists the weights that the family has. Weights come
// from outside, through [Params]: the base's own, or the base's with a task's
// delta applied. Binding an architecture to them gives a [Network], which
// holds only pointers, so that hundreds of tasks can be bound to one base.
//
// A [Batch] is the concatenation of its sequences, without padding: all layers
// work on [tokens, hidden] rows, and only attention knows where a sequence
// ends. The buffers of a forward pass, and the cores it may use, belong to a
// [Workspace] of the caller.
//
// No family multiplies matrices itself: package gemm does.
package models

import (
	"errors"
	"fmt"

	"kenserve/gemm"
)

// Role says how a parameter is used, and so in which form it is kept.
type Role int

const (
	Matrix    Role = iota // weight of a dense layer or a convolution, multiplied; see Parameter.Matrix
	Embedding             // table [entries, width] whose rows are looked up
	Vector                // bias, or a layer norm's gamma or beta
)

// String returns the role's name.
func (r Role) String() string {
	switch r {
	case Matrix:
		return "matrix"
	case Embedding:
		return "embedding"
	case Vector:
		return "vector"
	}
	return fmt.Sprintf("role %d", int(r))
}

// Parameter is one weight tensor of an architecture.
type Parameter struct {
	// Name is the tensor's name in a base checkpoint. In a fine-tuned
	// checkpoint the architecture's prefix comes before it, except before the
	// head's names.
	Name  string
	Shape []int
	Role  Role
	// Head marks the layers that only a fine-tuned checkpoint has.
	Head bool
	// Optional marks what a base checkpoint may lack. A task's delta must then
	// bring it whole.
	Optional bool
}

// Matrix returns the outputs and inputs of a parameter whose role is Matrix: its
// first dimension, and the product of the others.
func (p *Parameter) Matrix() (outputs, inputs int) {
	inputs = 1
	for _, d := range p.Shape[1:] {
		inputs *= d
	}
	return p.Shape[0], inputs
}

// Table looks up rows of an embedding. It must be safe for any number of
// goroutines.
type Table interface {
	// Row copies row i to dst, which is as long as a row. The caller has
	// checked that the row exists.
	Row(i int, dst []float32)
}

// Params gives an architecture its weights by name, without prefix. The
// results are shared and read-only.
type Params interface {
	Matrix(name string) (*gemm.Matrix, error)
	Table(name string) (Table, error)
	Vector(name string) ([]float32, error)
}

// Architecture is one model's structure: a family with its sizes.
type Architecture interface {
	// Parameters lists the encoder's weights, in the order of use.
	Parameters() []Parameter
	// Head lists the weights of a classifier with the given number of labels.
	Head(labels int) []Parameter
	// Prefix is what precedes the encoder's names in a fine-tuned checkpoint,
	// such as "bert.".
	Prefix() string
	// MaxTokens is the longest sequence, special tokens included.
	MaxTokens() int
	// Bind resolves all names and checks all shapes. The number of labels is
	// that of the head's weights. It is cheap: no weight is copied.
	Bind(p Params) (Network, error)
}

// Network is an architecture bound to weights. It is safe for any number of
// goroutines, each with a workspace of its own.
type Network interface {
	// Labels is the number of logits of a sequence.
	Labels() int
	// Forward computes logits [sequences, labels]. An error wraps ErrBatch if
	// the batch is at fault; then logits are left as they were. A sequence's
	// logits do not depend on the others of its batch.
	Forward(w *Workspace, b *Batch, logits []float32) error
}

// Batch is the concatenation of sequences of token ids.
type Batch struct {
	IDs     []int32
	TypeIDs []int32 // token types, as long as IDs; nil for all zero
	Ends    []int   // Ends[i] is the end of sequence i in IDs
}

// TypeID returns the type of token i.
func (b *Batch) TypeID(i int) int {
	if b.TypeIDs == nil {
		return 0
	}
	return int(b.TypeIDs[i])
}

// ErrBatch is wrapped by the errors of batches that a network cannot take: an
// empty or too long sequence, an id outside the vocabulary.
var ErrBatch = errors.New("invalid batch")

// Limits is what a network accepts.
type Limits struct {
	Vocabulary int // token ids are below
	Types      int // token types are below; 0: the model has none and ignores them
	Tokens     int // longest sequence
}

// Check returns an error that wraps ErrBatch unless every sequence has at
// least one token and all of the batch is within the limits.
func (b *Batch) Check(l Limits) error {
	start := 0
	for i, end := range b.Ends {
		switch {
		case end <= start:
			return fmt.Errorf("models: %w: sequence %d is empty", ErrBatch, i)
		case end > len(b.IDs):
			return fmt.Errorf("models: %w: sequence %d ends at token %d of %d", ErrBatch, i, end, len(b.IDs))
		case end-start > l.Tokens:
			return fmt.Errorf("models: %w: sequence %d has %d tokens, the model takes at most %d", ErrBatch, i, end-start, l.Tokens)
		}
		start = end
	}
	if start != len(b.IDs) {
		return fmt.Errorf("models: %w: sequences end at token %d of %d", ErrBatch, start, len(b.IDs))
	}
	for i, id := range b.IDs {
		if id < 0 || int(id) >= l.Vocabulary {
			return fmt.Errorf("models: %w: token %d has id %d, the vocabulary %d entries", ErrBatch, i, id, l.Vocabulary)
		}
	}
	if b.TypeIDs == nil || l.Types == 0 {
		return nil
	}
	if len(b.TypeIDs) != len(b.IDs) {
		return fmt.Errorf("models: %w: %d token types for %d tokens", ErrBatch, len(b.TypeIDs), len(b.IDs))
	}
	for i, id := range b.TypeIDs {
		if id < 0 || int(id) >= l.Types {
			return fmt.Errorf("models: %w: token %d has type %d, the model knows %d", ErrBatch, i, id, l.Types)
		}
	}
	return nil
}
