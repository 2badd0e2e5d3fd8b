package auto

import (
	"fmt"
	"math"

	"kenserve/delta"
	"kenserve/ken"
)

// Candidate is what differs between the deltas of a search.
type Candidate struct {
	Selection ken.Selection `json:"selection"`
	Budget    ken.Budget    `json:"budget"`
	Scope     ken.Scope     `json:"scope"`
	Coding    delta.Coding  `json:"coding"`
	Keep      float64       `json:"keep"`
	Factor    float64       `json:"factor"`
	// Factors are those of kinds of tensors and of layers, beside Factor, in the
	// order of their names: GROUP=FACTOR;… As text they can be compared.
	Factors string `json:"factors,omitempty"`
}

// Apply returns the options with what the candidate says. All selections but
// the paper's keep vectors whole, with sign and int4 in int8.
func (c Candidate) Apply(o ken.Options) ken.Options {
	o.Selection, o.Budget, o.Scope, o.Coding, o.K, o.Keep, o.Factor = c.Selection, c.Budget, c.Scope, c.Coding, 0, c.Keep, c.Factor
	o.Factors = parseFactors(c.Factors)
	o.WholeVectors, o.VectorCoding = c.Selection != ken.KEN, ""
	if o.WholeVectors && (c.Coding == delta.Sign || c.Coding == delta.Int4) {
		o.VectorCoding = delta.Int8
	}
	return o
}

// String is the candidate in a few words.
func (c Candidate) String() string {
	s := fmt.Sprintf("%s, %.3g%% of %s %s, %s", c.Selection, 100*c.Keep, c.Budget, c.Scope, c.Coding)
	if c.Factor != 1 {
		s += fmt.Sprintf(" × %.3g", c.Factor)
	}
	if c.Factors != "" {
		s += ", by group"
	}
	return s
}

// lines are what is searched, the most promising first.
var configurations = []Candidate{
	{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAttention, Coding: delta.Sign},
	{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Coding: delta.Sign},
	{Selection: ken.LargestChange, Budget: ken.BudgetTensor, Scope: ken.ScopeAttention, Coding: delta.Sign},
	{Selection: ken.LargestChange, Budget: ken.BudgetModel, Scope: ken.ScopeAttention, Coding: delta.Sign},
	{Selection: ken.LargestChange, Budget: ken.BudgetModel, Scope: ken.ScopeAll, Coding: delta.Sign},
	{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAttention, Coding: delta.Int4},
}

// kenLines are the lines of the paper's selection.
var kenConfigurations = []Candidate{
	{Selection: ken.KEN, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Coding: delta.Sign, Factor: 1},
	{Selection: ken.KEN, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Coding: delta.Int8, Factor: 1},
}

// kenKeeps are the keep fractions of these lines.
var kenKeepFractions = []float64{0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1}

// rungs is the number of keep fractions of a line.
const keepSteps = 18

func keepAt(rung float64) float64 { return math.Pow(2, -1-rung/2) }

func stepOf(keep float64) float64 { return -2 * (math.Log2(keep) + 1) }
