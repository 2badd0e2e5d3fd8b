package ken

import (
	"errors"
	"fmt"

	"kenserve/delta"
	"kenserve/safetensors"
)

// Scope says which tensors a selection may keep values of; all others go back
// to the base whole.
type Scope string

// The scopes, the paper's two variants.
const (
	ScopeAll       Scope = "all"       // every tensor that base and tuned share
	ScopeAttention Scope = "attention" // those of the encoder's layers
)

// parseScope returns the scope of that name.
func parseScope(name string) (Scope, error) {
	switch s := Scope(name); s {
	case ScopeAll, ScopeAttention:
		return s, nil
	}
	return "", fmt.Errorf("ken: unknown scope %q: it is %q or %q", name, ScopeAll, ScopeAttention)
}

// Budget says what K and Keep count in.
type Budget string

// The budgets.
const (
	BudgetRow    Budget = "row"    // values of each row
	BudgetTensor Budget = "tensor" // of each tensor: the best anywhere in it
	BudgetModel  Budget = "model"  // of all tensors that are selected from: the best anywhere
)

// parseBudget returns the budget of that name.
func parseBudget(name string) (Budget, error) {
	switch b := Budget(name); b {
	case BudgetRow, BudgetTensor, BudgetModel:
		return b, nil
	}
	return "", fmt.Errorf("ken: unknown budget %q: it is %q, %q or %q", name, BudgetRow, BudgetTensor, BudgetModel)
}

// Options say how a checkpoint is pruned.
type Options struct {
	Selection Selection
	K         int     // values kept of what Budget says; 0: Keep decides
	Keep      float64 // share kept of it, in (0, 1]
	Budget    Budget  // empty: BudgetRow, the only one for the selection ken
	Scope     Scope   // empty: ScopeAll
	Coding    delta.Coding
	// Factor is what the change from the base of every selected value is
	// multiplied by; 0: 1.
	Factor float64
	// Factors are what Factor is multiplied by for tensors of a kind or of a layer
	// (see kindOf and layerOf), or by both; 1 for those that are not listed.
	Factors map[string]float64
	// WholeVectors keeps tensors of one dimension, biases and layer norms,
	// whole and as they are, without regard to K, Keep, Factor and Factors.
	WholeVectors bool
	// VectorCoding is the coding of tensors of one dimension; empty: Coding.
	VectorCoding delta.Coding
	Seed         uint64 // of the selection random
	Workers      int    // goroutines; 0: one for each processor

	// Table tells the base's matrices whose rows are looked up one by one
	// (embeddings) and which are therefore stored row by row; nil: none.
	Table func(name string) bool

	// Head tells the tensors of the base that belong to a classifier of its own
	// and that the tuned checkpoint has trained on: as parts of the task's head
	// they are stored whole. nil: none.
	Head func(name string) bool

	// HeadTensor, if not nil, gives the tensor that is stored in the place of one of
	// the head, under the same name; nil: that one.
	HeadTensor func(name string) *safetensors.Tensor

	// Masks asks for the digest of every tensor's mask in the report.
	// Rows that training left alone are then selected from as well.
	Masks bool

	// Progress, if not nil, is called as rows are done, from several
	// goroutines.
	Progress func(rows int)
}

// Validate tells what is wrong with the options.
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
		errBudget = fmt.Errorf("ken: the selection %s is made row by row: it has no budget for a whole %s", KEN, o.Budget)
	}
	var errFactor error
	if o.Factor != 0 && !(o.Factor > 0 && o.Factor <= maxFactor) {
		errFactor = fmt.Errorf("ken: the factor is %g: it must be above 0 and at most %g", o.Factor, float64(maxFactor))
	}
	for kind, f := range o.Factors {
		if !(f > 0 && f <= maxFactor) {
			errFactor = errors.Join(errFactor, fmt.Errorf("ken: the factor of %s is %g: it must be above 0 and at most %g", kind, f, float64(maxFactor)))
		}
	}
	var errKeep error
	switch {
	case o.K < 0:
		errKeep = fmt.Errorf("ken: k is %d: it must be positive", o.K)
	case o.K > 0 && o.Keep != 0:
		errKeep = errors.New("ken: k and a keep fraction are both given")
	case o.K == 0 && !(o.Keep > 0 && o.Keep <= 1):
		errKeep = fmt.Errorf("ken: the keep fraction is %g: it must be above 0 and at most 1", o.Keep)
	}
	return errors.Join(errSelection, errScope, errCoding, errVector, errBudget, errFactor, errKeep)
}

// maxFactor is far above any factor of use, and far below what overflows.
const maxFactor = 1000

// factor returns what the changes of a tensor are multiplied by.
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

// pooled tells whether rows share their budget.
func (o *Options) pooled() bool { return o.Budget == BudgetTensor || o.Budget == BudgetModel }

// coding returns the coding of a tensor of the given shape.
func (o *Options) codingFor(shape []int) delta.Coding {
	if len(shape) < 2 && o.VectorCoding != "" {
		return o.VectorCoding
	}
	return o.Coding
}

// whole tells whether a tensor of that shape is kept whole.
func (o *Options) keepsWhole(shape []int) bool { return o.WholeVectors && len(shape) < 2 }
