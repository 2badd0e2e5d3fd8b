// Package models computes a classifier's logits from token ids.
//
// # Idea
//
// Each family of transformers (BERT and its relatives) is one package below
// this one. It reads its part of a Hugging Face config.json into an
// [Architecture], which lists the weights of the family. The caller supplies
// weights through [Params]: those of the base, or those of the base with a
// task's delta applied. Binding an architecture to weights gives a [Network].
// A network holds only pointers, so hundreds of tasks can share one base.
//
// A [Batch] is the concatenation of its sequences, without padding. All layers
// work on rows [tokens, hidden]; only attention knows where a sequence ends.
// The caller owns a [Workspace] with the buffers of a forward pass and the
// cores that it may use.
//
// The sequences of a batch may be of several tasks, each with a network of its own
// ([Batch].Segments). There is one forward pass nevertheless, that of the first
// network. Binding numbers the parameters ([TaskWeights]), and every step of the
// workspace looks up its parameter for each task's rows by that number. Where the
// tasks share the base's matrix, there is one product of it for all rows.
//
// Families do not multiply matrices themselves; package gemm does.
//
// Package grad computes gradients for training, and has the backward pass of each family's
// operations. Package families lists all families. Packages internal/encoder and
// internal/disentangled hold the code that several families share.
package models

import (
	"errors"
	"fmt"

	"kenserve/gemm"
)

// Role is how the network uses a parameter. It decides the form in memory.
type Role int

const (
	Matrix    Role = iota // weight of a dense layer or a convolution; see Parameter.Matrix
	Embedding             // table [entries, width] for row lookups
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
	// checkpoint, all names except those of the head have the architecture's
	// prefix.
	Name  string
	Shape []int
	Role  Role
	// Head is true for layers that only a fine-tuned checkpoint has.
	Head bool
	// Optional is true for a tensor that a base checkpoint may lack. In that
	// case, a task's delta must contain the whole tensor.
	Optional bool
}

// Matrix returns the outputs and inputs of a parameter with role Matrix: its
// first dimension, and the product of the others.
func (p *Parameter) Matrix() (outputs, inputs int) {
	inputs = 1
	for _, d := range p.Shape[1:] {
		inputs *= d
	}
	return p.Shape[0], inputs
}

// Table looks up rows of an embedding. It must be safe for concurrent use.
type Table interface {
	// Row copies row i to dst, which has the length of a row. The caller
	// guarantees that the row exists.
	Row(i int, dst []float32)
}

// Params gives an architecture its weights by name, without the prefix.
// Callers share the results and must not write to them.
type Params interface {
	Matrix(name string) (*gemm.Matrix, error)
	Table(name string) (Table, error)
	Vector(name string) ([]float32, error)
}

// Architecture is the structure of one model: a family with its sizes.
type Architecture interface {
	// Parameters lists the encoder's weights, in the order of use.
	Parameters() []Parameter
	// Head lists the weights of a classifier with the given number of labels.
	Head(labels int) []Parameter
	// Prefix is the prefix of the encoder's names in a fine-tuned checkpoint,
	// such as "bert.".
	Prefix() string
	// MaxTokens is the maximum number of tokens of a sequence, including
	// special tokens: Limits().Tokens.
	MaxTokens() int
	// Limits are all limits of the batches that its networks accept. A caller
	// that checks each input against them, with [Batch.Check], gets no ErrBatch
	// from Forward.
	Limits() Limits
	// Bind looks up all weights and checks their shapes. The number of labels
	// is the number of outputs of the head. Bind copies no weights.
	Bind(p Params) (Network, error)
}

// Network is an architecture bound to weights. It is safe for concurrent use
// if each goroutine has its own workspace.
type Network interface {
	// Labels returns the number of logits of a sequence.
	Labels() int
	// Forward computes logits [sequences, labels], row-major. The error for an
	// invalid batch wraps ErrBatch and leaves logits unchanged. The logits of
	// a sequence do not depend on the other sequences of the batch. In a batch of
	// several networks, each sequence has as many logits as its network has labels.
	Forward(w *Workspace, b *Batch, logits []float32) error
	// Weights returns what the network is bound to; nil: it cannot share a batch.
	Weights() *TaskWeights
}

// Batch is the concatenation of sequences of token ids.
type Batch struct {
	IDs     []int32
	TypeIDs []int32 // token types, one per id; nil if all are zero
	Ends    []int   // sequence i ends before IDs[Ends[i]]
	// Segments divides the sequences among the networks of several tasks, which the
	// same architecture was bound to. The first one is the network whose Forward is
	// called. Empty: all sequences are of that network.
	Segments []Segment
}

// Segment is the consecutive sequences of a batch that are of one network.
type Segment struct {
	Network Network
	End     int // the segment's sequences end before Ends[End]
}

// TypeID returns the type of token i.
func (b *Batch) TypeID(i int) int {
	if b.TypeIDs == nil {
		return 0
	}
	return int(b.TypeIDs[i])
}

// ErrBatch is wrapped by the error for a batch that a network does not accept:
// an empty or too long sequence, or an id outside the vocabulary.
var ErrBatch = errors.New("invalid batch")

// ErrTokenTypes is wrapped, beside ErrBatch, by the error for a token type that
// the model does not have: a pair of texts for a model with one token type.
var ErrTokenTypes = fmt.Errorf("%w: token type", ErrBatch)

// ErrEmpty is wrapped, beside ErrBatch, by the error for a sequence without tokens.
var ErrEmpty = fmt.Errorf("%w: no tokens", ErrBatch)

// Limits are the limits of the batches that a network accepts.
type Limits struct {
	Vocabulary int // number of token ids
	Types      int // number of token types; 0: the model ignores token types
	Tokens     int // maximum tokens of a sequence
}

// Check returns an error that wraps ErrBatch unless each sequence has at least
// one token and the whole batch is within the limits.
func (b *Batch) Check(l Limits) error {
	start := 0
	for i, end := range b.Ends {
		switch {
		case end <= start:
			return fmt.Errorf("models: %w: sequence %d is empty", ErrEmpty, i)
		case end > len(b.IDs):
			return fmt.Errorf("models: %w: sequence %d ends at token %d, but there are %d tokens", ErrBatch, i, end, len(b.IDs))
		case end-start > l.Tokens:
			return fmt.Errorf("models: %w: sequence %d has %d tokens; the model accepts at most %d", ErrBatch, i, end-start, l.Tokens)
		}
		start = end
	}
	if start != len(b.IDs) {
		return fmt.Errorf("models: %w: the last sequence ends at token %d, but there are %d tokens", ErrBatch, start, len(b.IDs))
	}
	for i, id := range b.IDs {
		if id < 0 || int(id) >= l.Vocabulary {
			return fmt.Errorf("models: %w: token %d has id %d, but the vocabulary has %d entries", ErrBatch, i, id, l.Vocabulary)
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
			return fmt.Errorf("models: %w: token %d has type %d, but the model has %d types", ErrTokenTypes, i, id, l.Types)
		}
	}
	return nil
}
