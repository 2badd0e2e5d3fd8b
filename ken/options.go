package ken

import (
	"errors"
	"fmt"

	"kenserve/delta"
	"kenserve/safetensors"
)

// Scope says which tensors a selection may keep values of. All other tensors are
// the base's.
type Scope string

// The scopes, the paper's two variants.
const (
	ScopeAll       Scope = "all"       // every tensor that base and tuned checkpoint share
	ScopeAttention Scope = "attention" // the tensors of the encoder's numbered layers
)

// parseScope returns the scope of that name.
func parseScope(name string) (Scope, error) {
	switch s := Scope(name); s {
	case ScopeAll, ScopeAttention:
		return s, nil
	}
	return "", fmt.Errorf("ken: unknown scope %q, want %q or %q", name, ScopeAll, ScopeAttention)
}

// Budget says what K and Keep count in.
type Budget string

// The budgets.
const (
	BudgetRow    Budget = "row"    // the values of each row
	BudgetTensor Budget = "tensor" // the values of each tensor
	BudgetModel  Budget = "model"  // the values of all tensors of the scope together
)

// parseBudget returns the budget of that name.
func parseBudget(name string) (Budget, error) {
	switch b := Budget(name); b {
	case BudgetRow, BudgetTensor, BudgetModel:
		return b, nil
	}
	return "", fmt.Errorf("ken: unknown budget %q, want %q, %q or %q", name, BudgetRow, BudgetTensor, BudgetModel)
}

// Options say how a checkpoint is pruned.
type Options struct {
	Selection Selection
	K         int     // values kept of each Budget; 0: Keep decides
	Keep      float64 // fraction kept of each Budget, in (0, 1]; with a positive K it must be 0
	Budget    Budget  // empty: BudgetRow, the only one that KEN has
	Scope     Scope   // empty: ScopeAll
	Coding    delta.Coding
	// Factor multiplies the change from the base of every selected value, in
	// (0, 1000]; 0: 1.
	Factor float64
	// Factors multiply Factor for groups of tensors, see [Pair.Groups]. A tensor can
	// be in two groups and is then multiplied by both factors.
	Factors map[string]float64
	// WholeVectors keeps tensors of one dimension (biases, layer norms) whole and
	// unscaled: K, Keep, Factor and Factors do not apply to them.
	WholeVectors bool
	// VectorCoding is the coding of tensors of one dimension; empty: Coding.
	VectorCoding delta.Coding
	Seed         uint64 // for Random
	Workers      int    // goroutines; 0: one for each processor

	// Table reports whether the rows of a tensor of the base are looked up one by
	// one (an embedding); the delta then stores it row by row. nil: none is.
	Table func(name string) bool

	// Head reports whether a tensor of the base belongs to a classifier that the
	// base already has and that was trained further. Such tensors are part of the
	// task's head and stored whole. nil: none does.
	Head func(name string) bool

	// HeadTensor, if not nil, returns the tensor to store in place of the head's
	// tensor of that name, under the same name; nil: the head's own.
	HeadTensor func(name string) *safetensors.Tensor

	// Masks asks for the digest of every tensor's mask in the report. Rows that
	// training left unchanged are then selected from too.
	Masks bool

	// Progress, if not nil, is called with the number of rows just done, from
	// several goroutines. See [Pair.Rows] for the total.
	Progress func(rows int)
}

// Validate returns an error for every option that is invalid.
func (o *Options) Validate() error {
	_, errSelection := parseSelection(string(o.Selection))
	var errScope error
	if o.Scope != "" {
		_, errScope = parseScope(string(o.Scope))
	}
	_, errCoding := delta.ParseCoding(string(o.Coding))
	var errVector error
	if o.VectorCoding != "" {
		_, errVector = delta.ParseCoding(string(o.VectorCoding))
	}
	var errBudget error
	if o.Budget != "" {
		_, errBudget = parseBudget(string(o.Budget))
	}
	if errBudget == nil && o.pooled() && o.Selection == KEN {
		errBudget = fmt.Errorf("ken: the selection %s selects row by row: its budget must be %s, not %s", KEN, BudgetRow, o.Budget)
	}
	var errFactor error
	if o.Factor != 0 && !(o.Factor > 0 && o.Factor <= maxFactor) {
		errFactor = fmt.Errorf("ken: factor is %g, want above 0 and at most %g", o.Factor, float64(maxFactor))
	}
	for group, f := range o.Factors {
		if !(f > 0 && f <= maxFactor) {
			errFactor = errors.Join(errFactor, fmt.Errorf("ken: factor of %s is %g, want above 0 and at most %g", group, f, float64(maxFactor)))
		}
	}
	var errKeep error
	switch {
	case o.K < 0:
		errKeep = fmt.Errorf("ken: k is %d, want a positive number", o.K)
	case o.K > 0 && o.Keep != 0:
		errKeep = errors.New("ken: both k and a keep fraction are given, want one of them")
	case o.K == 0 && !(o.Keep > 0 && o.Keep <= 1):
		errKeep = fmt.Errorf("ken: keep fraction is %g, want above 0 and at most 1", o.Keep)
	}
	return errors.Join(errSelection, errScope, errCoding, errVector, errBudget, errFactor, errKeep)
}

// maxFactor is far above every useful factor and far below one that overflows.
const maxFactor = 1000

// factorFor returns the factor for the changes of a tensor: the common factor times
// those of its groups.
func (o *Options) factorFor(name string) float64 {
	f := o.Factor
	if f == 0 {
		f = 1
	}
	kind, _ := kindOf(name)
	for _, group := range [...]string{kind, layerOf(name)} {
		if of, ok := o.Factors[group]; ok {
			f *= of
		}
	}
	return f
}

// pooled reports whether rows share a budget.
func (o *Options) pooled() bool { return o.Budget == BudgetTensor || o.Budget == BudgetModel }

// codingFor returns the coding for a tensor of that shape.
func (o *Options) codingFor(shape []int) delta.Coding {
	if len(shape) < 2 && o.VectorCoding != "" {
		return o.VectorCoding
	}
	return o.Coding
}

// keepsWhole reports whether a tensor of that shape is kept whole.
func (o *Options) keepsWhole(shape []int) bool { return o.WholeVectors && len(shape) < 2 }
