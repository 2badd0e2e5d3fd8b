package auto

import (
	"context"
	"errors"
	"fmt"
	"math"

	"kenserve/delta"
	"kenserve/ken"
)

// A Search is what a search needs to know. Make and Judge are called in turns
// from one goroutine.
type Search struct {
	// Make makes the delta for the options, in place of the one before, and
	// returns its size in bytes.
	Make func(ctx context.Context, o ken.Options) (int64, error)
	// Judge returns what the delta made last gives of the dev set: with a Head what
	// goes into it [texts, Head.Features], else the logits [texts, Labels].
	Judge  func(ctx context.Context) ([]float32, error)
	Labels int
	// Head is the fine-tuned model's last layer. All deltas but those of the
	// selection ken are judged with one that is fitted to them; nil: no delta is.
	Head *Head
	Gold []int // the texts' labels
	// Options are those that all candidates have in common: tables, the head,
	// workers. What a candidate says of itself is set over them.
	Options ken.Options
	// Tolerance is how much accuracy may be lost against the full model, in
	// [0, 1).
	Tolerance float64
	// Groups are the kinds of tensors and the layers that may have a factor of
	// their own; nil: all have the same.
	Groups []string
	// Confidence is the share of the bootstrap's draws in which a delta has to be
	// within the tolerance, from 0.5 to below 1.
	Confidence float64
	Tried      func(Point) // called for every point, if not nil

	full   judgement
	target []float32 // the full model's logits
	points []Point
	known  map[Candidate]int // index in points
}

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

// Point is a candidate and how it did on the dev set.
type Point struct {
	Candidate
	Bytes    int64   `json:"bytes"` // of the delta file
	Accuracy float64 `json:"accuracy"`
	Change   float64 `json:"change"` // Accuracy less the full model's
	Low      float64 `json:"low"`    // the 95% interval of Change
	High     float64 `json:"high"`
	Expected float64 `json:"expected"` // what Change would be by the full model's probabilities
	Cautious float64 `json:"cautious"` // what the mean of the two is at least with the search's confidence
	Loss     float64 `json:"loss"`
	Apart    float64 `json:"apart"`  // divergence from the full model's probabilities, in nats a text
	Agrees   float64 `json:"agrees"` // share of the texts on which it decides as the full model does
	Within   bool    `json:"within"` // the tolerance
}

// Result is what a search found.
type Result struct {
	Texts      int     `json:"texts"`
	Tolerance  float64 `json:"tolerance"`
	Confidence float64 `json:"confidence"`
	Full       Point   `json:"full"`
	Best       Point   `json:"best"` // the smallest within the tolerance, but for some bytes
	// KEN is the smallest of the selection ken; it keeps everything if nothing
	// less is within the tolerance.
	KEN    Point   `json:"ken"`
	Points []Point `json:"points"` // all that were tried, in this order
	// Head is the one fitted to Best, to be stored with it; nil: its own.
	Head *Head `json:"-"`
}

// ErrNothing means that no candidate but the full model is within the tolerance.
var ErrNothing = errors.New("auto: no smaller delta is within the tolerance")

// lines are what is searched, the most promising first.
var lines = []Candidate{
	{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAttention, Coding: delta.Sign},
	{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Coding: delta.Sign},
	{Selection: ken.LargestChange, Budget: ken.BudgetTensor, Scope: ken.ScopeAttention, Coding: delta.Sign},
	{Selection: ken.LargestChange, Budget: ken.BudgetModel, Scope: ken.ScopeAttention, Coding: delta.Sign},
	{Selection: ken.LargestChange, Budget: ken.BudgetModel, Scope: ken.ScopeAll, Coding: delta.Sign},
	{Selection: ken.LargestChange, Budget: ken.BudgetRow, Scope: ken.ScopeAttention, Coding: delta.Int4},
}

// kenLines are the lines of the paper's selection.
var kenLines = []Candidate{
	{Selection: ken.KEN, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Coding: delta.Sign, Factor: 1},
	{Selection: ken.KEN, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Coding: delta.Int8, Factor: 1},
}

// kenKeeps are the keep fractions of these lines.
var kenKeeps = []float64{0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1}

// rungs is the number of keep fractions of a line.
const rungs = 18

func keepAt(rung float64) float64 { return math.Pow(2, -1-rung/2) }

func rungOf(keep float64) float64 { return -2 * (math.Log2(keep) + 1) }

// Run searches. On an error, that of a canceled context included, the result
// has the points tried before it; it is nil without any.
func (s *Search) Run(ctx context.Context) (*Result, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	r := &Result{Texts: len(s.Gold), Tolerance: s.Tolerance, Confidence: s.Confidence, Full: s.points[0], KEN: s.points[0]}
	err := s.run(ctx, r)
	r.Points = s.points
	return r, err
}

// begin judges the full model.
func (s *Search) begin(ctx context.Context) error {
	if len(s.Gold) == 0 {
		return errors.New("auto: there are no texts to judge deltas by")
	}
	if !(s.Tolerance >= 0 && s.Tolerance < 1) {
		return fmt.Errorf("auto: the tolerance is %g: it must be at least 0 and below 1", s.Tolerance)
	}
	if !(s.Confidence >= 0.5 && s.Confidence < 1) {
		return fmt.Errorf("auto: the confidence is %g: it must be at least 0.5 and below 1", s.Confidence)
	}
	s.known, s.points = map[Candidate]int{}, nil
	_, err := s.try(ctx, Candidate{Selection: ken.KEN, Budget: ken.BudgetRow, Scope: ken.ScopeAll, Coding: delta.Float32, Keep: 1, Factor: 1})
	return err
}

func (s *Search) run(ctx context.Context, r *Result) error {
	best, rung, err := s.bisect(ctx, lines[0])
	if err != nil {
		return err
	}
	for i, line := range lines {
		from := rung
		if i == 0 && best != nil {
			from++
		}
		p, at, err := s.follow(ctx, line, best, from)
		if err != nil {
			return err
		}
		if p != nil {
			best, rung = p, at
		}
	}
	if best != nil {
		if best, err = s.refine(ctx, best); err != nil {
			return err
		}
		if best, err = s.byGroup(ctx, best); err != nil {
			return err
		}
		r.Best = *best
	}
	if err := s.searchKEN(ctx, r); err != nil {
		return err
	}
	switch {
	case best == nil && r.KEN.Bytes == r.Full.Bytes:
		return ErrNothing
	case best == nil || r.KEN.Bytes < best.Bytes:
		r.Best = r.KEN
	}
	return s.fitHead(ctx, r)
}

// refits tells whether a candidate has a head of its own.
func (s *Search) refits(c Candidate) bool { return s.Head != nil && c.Selection != ken.KEN }

// fitHead makes the best delta once more and fits its head.
func (s *Search) fitHead(ctx context.Context, r *Result) error {
	if !s.refits(r.Best.Candidate) {
		return nil
	}
	if _, err := s.Make(ctx, r.Best.Apply(s.Options)); err != nil {
		return fmt.Errorf("auto: %s: %w", r.Best.Candidate, err)
	}
	features, err := s.judged(ctx)
	if err != nil {
		return fmt.Errorf("auto: %s: %w", r.Best.Candidate, err)
	}
	r.Head, err = s.Head.refit(features, s.target)
	return err
}

// judged returns what Judge does, if that is as much as it should be.
func (s *Search) judged(ctx context.Context) ([]float32, error) {
	x, err := s.Judge(ctx)
	width, what := s.Labels, "logits"
	if s.Head != nil {
		width, what = s.Head.Features, "features"
	}
	if err == nil && len(x) != width*len(s.Gold) {
		err = fmt.Errorf("%d %s for %d texts of %d", len(x), what, len(s.Gold), width)
	}
	return x, err
}

// logits returns those by which a candidate, made last, is judged.
func (s *Search) logits(ctx context.Context, c Candidate) ([]float32, error) {
	x, err := s.judged(ctx)
	switch {
	case err != nil || s.Head == nil:
		return x, err
	case s.refits(c):
		return s.Head.crossfit(x, s.target)
	}
	return s.Head.logits(x), nil
}

// bisect finds the smallest keep fraction of a line that is within the
// tolerance, and its rung; nil and 0 if there is none.
func (s *Search) bisect(ctx context.Context, line Candidate) (best *Point, rung float64, err error) {
	good, bad := -1, rungs
	for bad-good > 1 {
		middle := (good + bad) / 2
		line.Keep = keepAt(float64(middle))
		p, err := s.fit(ctx, line)
		if err != nil {
			return nil, 0, err
		}
		if p.Within {
			good, best = middle, p
		} else {
			bad = middle
		}
	}
	return best, float64(max(good, 0)), nil
}

// patience is how many keep fractions in a row may be beyond the tolerance
// before a line is given up: by chance a smaller delta can be within it.
const patience = 2

// follow walks down a line from a rung on. It returns the smallest delta that
// is within the tolerance and smaller than best, if there is one, and its rung.
func (s *Search) follow(ctx context.Context, line Candidate, best *Point, rung float64) (found *Point, at float64, err error) {
	for misses := 0; rung < rungs && misses < patience; rung++ {
		line.Keep = keepAt(rung)
		if best != nil {
			unscaled := line
			unscaled.Factor = 1
			size, err := s.Make(ctx, unscaled.Apply(s.Options))
			if err != nil {
				return nil, 0, fmt.Errorf("auto: %s: %w", line, err)
			}
			if size >= best.Bytes {
				continue
			}
		}
		p, err := s.fit(ctx, line)
		if err != nil {
			return nil, 0, err
		}
		if !p.Within {
			misses++
			continue
		}
		misses = 0
		if best == nil || p.Bytes < best.Bytes {
			found, best, at = p, p, rung
		}
	}
	return found, at, nil
}

// refine looks between the best keep fraction and the next one of its line, in
// steps that halve.
func (s *Search) refine(ctx context.Context, best *Point) (*Point, error) {
	line, good := best.Candidate, rungOf(best.Keep)
	line.Factor = 0
	for step := 0.5; step >= 0.25; step /= 2 {
		line.Keep = keepAt(good + step)
		p, err := s.fit(ctx, line)
		if err != nil {
			return nil, err
		}
		if p.Within && p.Bytes < best.Bytes {
			best, good = p, good+step
		}
	}
	return best, nil
}

// searchKEN finds the smallest delta of the selection ken.
func (s *Search) searchKEN(ctx context.Context, r *Result) error {
	for _, line := range kenLines {
		good, bad := -1, len(kenKeeps)
		for bad-good > 1 {
			middle := (good + bad) / 2
			line.Keep = kenKeeps[middle]
			p, err := s.try(ctx, line)
			if err != nil {
				return err
			}
			if !p.Within {
				bad = middle
				continue
			}
			good = middle
			if p.Bytes < r.KEN.Bytes {
				r.KEN = *p
			}
		}
	}
	return nil
}

// changes lists, for the texts that are decided otherwise than the full model
// does, what that changes of the number that are right: by their labels, and as
// is to be expected by the full model's probabilities of the two decisions.
func (s *Search) changes(j judgement) (observed, expected []float64) {
	for i, top := range j.top {
		was := s.full.top[i]
		if top == was {
			continue
		}
		change := 0.0
		if j.right[i] {
			change++
		}
		if s.full.right[i] {
			change--
		}
		observed = append(observed, change)
		of := s.full.shares[i*s.Labels:][:s.Labels]
		expected = append(expected, of[top]-of[was])
	}
	return observed, expected
}

// try makes and judges a candidate, unless it is known.
func (s *Search) try(ctx context.Context, c Candidate) (*Point, error) {
	if i, ok := s.known[c]; ok {
		return &s.points[i], nil
	}
	size, err := s.Make(ctx, c.Apply(s.Options))
	if err != nil {
		return nil, fmt.Errorf("auto: %s: %w", c, err)
	}
	logits, err := s.logits(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("auto: %s: %w", c, err)
	}
	j := judge(logits, s.Labels, s.Gold)
	if len(s.points) == 0 {
		s.full, s.target = j, logits
	}
	p := Point{
		Candidate: c, Bytes: size, Accuracy: j.accuracy, Change: j.accuracy - s.full.accuracy, Loss: j.loss,
		Apart: apart(s.full.shares, j.shares, s.Labels),
	}
	observed, expected := s.changes(j)
	for _, x := range expected {
		p.Expected += x / float64(len(s.Gold))
	}
	drawn := bootstrap(observed, len(s.Gold))
	p.Low, p.High = drawn[draws*25/1000], drawn[draws*975/1000-1]
	mean := make([]float64, len(observed))
	for i := range mean {
		mean[i] = (observed[i] + expected[i]) / 2
	}
	p.Cautious = bootstrap(mean, len(s.Gold))[int(draws*(1-s.Confidence))]
	// Accuracies are shares of whole texts, which rounding must not decide.
	const rounding = 1e-9
	p.Within = min((p.Change+p.Expected)/2, p.Cautious) >= -s.Tolerance-rounding && p.Loss <= s.full.loss+LossPerAccuracy*s.Tolerance+rounding
	agree := 0
	for i, top := range j.top {
		if top == s.full.top[i] {
			agree++
		}
	}
	p.Agrees = float64(agree) / float64(len(j.top))
	s.known[c] = len(s.points)
	s.points = append(s.points, p)
	if s.Tried != nil {
		s.Tried(p)
	}
	return &p, nil
}
