package auto

import (
	"fmt"
	"math"

	"kenserve/delta"
	"kenserve/ken"
)

// Candidate is the options that differ between the deltas of a search.
type Candidate struct {
	Selection ken.Selection `json:"selection"`
	Budget    ken.Budget    `json:"budget"`
	Scope     ken.Scope     `json:"scope"`
	Coding    delta.Coding  `json:"coding"`
	Keep      float64       `json:"keep"`
	Factor    float64       `json:"factor"`
	// Factors are the factors of groups of tensors, as GROUP=FACTOR;… sorted by
	// group. They are text so that candidates can be compared with ==.
	Factors string `json:"factors,omitempty"`
}

// Apply returns the options with those of the candidate set. All selections but ken
// keep vectors whole, in int8 if the candidate's coding is sign or int4.
func (c Candidate) Apply(o ken.Options) ken.Options {
	o.Selection, o.Budget, o.Scope, o.Coding, o.K, o.Keep, o.Factor = c.Selection, c.Budget, c.Scope, c.Coding, 0, c.Keep, c.Factor
	o.Factors = parseFactors(c.Factors)
	o.WholeVectors, o.VectorCoding = c.Selection != ken.KEN, ""
	if o.WholeVectors && (c.Coding == delta.Sign || c.Coding == delta.Int4) {
		o.VectorCoding = delta.Int8
	}
	return o
}

// String describes the candidate in a few words.
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

// configurations are searched in this order, the most promising first. Keep and Factor
// are set by the search.
var configurations = []Candidate{
	{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAttention, Coding: delta.Sign},
	{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Coding: delta.Sign},
	{Selection: ken.LargestChange, Budget: ken.BudgetTensor, Scope: ken.ScopeAttention, Coding: delta.Sign},
	{Selection: ken.LargestChange, Budget: ken.BudgetModel, Scope: ken.ScopeAttention, Coding: delta.Sign},
	{Selection: ken.LargestChange, Budget: ken.BudgetModel, Scope: ken.ScopeAll, Coding: delta.Sign},
	{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAttention, Coding: delta.Int4},
}

// kenConfigurations are those of the paper's selection.
var kenConfigurations = []Candidate{
	{Selection: ken.KEN, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Coding: delta.Sign, Factor: 1},
	{Selection: ken.KEN, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Coding: delta.Int8, Factor: 1},
}

// kenKeepFractions are the keep fractions to try for kenConfigurations.
var kenKeepFractions = []float64{0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1}

// keepSteps is the number of keep fractions of a configuration.
const keepSteps = 18

// keepAt returns the keep fraction of a step, 2^(−1−step/2).
func keepAt(step float64) float64 { return math.Pow(2, -1-step/2) }

// stepOf is the inverse of keepAt.
func stepOf(keep float64) float64 { return -2 * (math.Log2(keep) + 1) }
