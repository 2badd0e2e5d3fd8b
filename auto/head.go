package auto

import (
	"fmt"

	"gonum.org/v1/gonum/mat"
)

// Head is the last linear layer of a classifier: logits = Weight·features + Bias.
type Head struct {
	Labels, Features int
	Weight           []float32 // [Labels, Features]
	Bias             []float32 // [Labels]; nil: none
}

// logits returns the logits, [texts, Labels], of features, [texts, Features].
func (h *Head) logits(features []float32) []float32 {
	texts := len(features) / h.Features
	out := make([]float32, texts*h.Labels)
	for i := range texts {
		h.logitsOf(features[i*h.Features:][:h.Features], out[i*h.Labels:][:h.Labels])
	}
	return out
}

// logitsOf computes the logits, [Labels], of one text's features, [Features].
func (h *Head) logitsOf(features, logits []float32) {
	for l := range logits {
		sum := 0.0
		if h.Bias != nil {
			sum = float64(h.Bias[l])
		}
		for j, w := range h.Weight[l*h.Features:][:h.Features] {
			sum += float64(w) * float64(features[j])
		}
		logits[l] = float32(sum)
	}
}

// ridge is the strength of the ridge penalty, relative to the mean square of the
// features: it keeps the fitted head close to the original one.
const ridge = 0.1

// fit returns a head close to h that maps a pruned model's features, [texts, Features],
// to the full model's logits, [texts, Labels], by ridge regression. With X the features
// and a column of ones for the bias, and R the full model's logits minus those of h, it
// adds to the head
//
//	(XᵀX + λ·m·I)⁻¹·XᵀR
//
// where m is the mean of the diagonal of XᵀX and λ is ridge.
func (h *Head) fit(features, target []float32) (*Head, error) {
	s := h.moments(features, target)
	return h.solve(s, newMoment(s.all.cross.Dims()))
}

// crossFolds is the number of folds of cross-fitting.
const crossFolds = 5

// crossFit returns the logits, [texts, Labels], of heads fitted as by fit: each text's
// logits come from a head that was fitted to the texts of the other folds.
func (h *Head) crossFit(features, target []float32) ([]float32, error) {
	s := h.moments(features, target)
	out := make([]float32, len(target))
	for fold := range s.folds {
		moved, err := h.solve(s, s.folds[fold])
		if err != nil {
			return nil, err
		}
		for i := fold; i < len(target)/h.Labels; i += crossFolds {
			moved.logitsOf(features[i*h.Features:][:h.Features], out[i*h.Labels:][:h.Labels])
		}
	}
	return out, nil
}

// moment holds XᵀX and XᵀR of some texts, see Head.fit.
type moment struct {
	gram  *mat.SymDense // [columns, columns]
	cross *mat.Dense    // [columns, Labels]
}

// newMoment returns the moment of no texts.
func newMoment(columns, labels int) moment {
	return moment{mat.NewSymDense(columns, nil), mat.NewDense(columns, labels, nil)}
}

// moments are the moment of all texts and the moment of each fold.
type moments struct {
	all   moment
	folds []moment
}

func (h *Head) moments(features, target []float32) moments {
	columns := h.Features
	if h.Bias != nil {
		columns++
	}
	s := moments{all: newMoment(columns, h.Labels)}
	logits := h.logits(features)
	for fold := range crossFolds {
		var x, r []float64
		rows := 0
		for i := fold; i < len(target)/h.Labels; i += crossFolds {
			for _, f := range features[i*h.Features:][:h.Features] {
				x = append(x, float64(f))
			}
			if h.Bias != nil {
				x = append(x, 1)
			}
			for l := i * h.Labels; l < (i+1)*h.Labels; l++ {
				r = append(r, float64(target[l])-float64(logits[l]))
			}
			rows++
		}
		m := newMoment(columns, h.Labels)
		if rows > 0 {
			xs := mat.NewDense(rows, columns, x)
			m.gram.SymOuterK(1, xs.T())
			m.cross.Mul(xs.T(), mat.NewDense(rows, h.Labels, r))
			s.all.gram.AddSym(s.all.gram, m.gram)
			s.all.cross.Add(s.all.cross, m.cross)
		}
		s.folds = append(s.folds, m)
	}
	return s
}

// solve returns the head fitted to all texts but those of the moment without.
func (h *Head) solve(s moments, without moment) (*Head, error) {
	columns, labels := s.all.cross.Dims()
	gram, cross := mat.NewSymDense(columns, nil), mat.NewDense(columns, labels, nil)
	cross.Sub(s.all.cross, without.cross)
	trace := 0.0
	for i := range columns {
		for j := i; j < columns; j++ {
			gram.SetSym(i, j, s.all.gram.At(i, j)-without.gram.At(i, j))
		}
		trace += gram.At(i, i)
	}
	out := &Head{Labels: h.Labels, Features: h.Features, Weight: append([]float32(nil), h.Weight...)}
	if h.Bias != nil {
		out.Bias = append([]float32{}, h.Bias...)
	}
	if trace == 0 { // no texts, or all features are 0
		return out, nil
	}
	for i := range columns {
		gram.SetSym(i, i, gram.At(i, i)+ridge*trace/float64(columns))
	}
	var factors mat.Cholesky
	if !factors.Factorize(gram) {
		return nil, fmt.Errorf("auto: fit the head: the Gram matrix of %d features has no Cholesky decomposition", h.Features)
	}
	var change mat.Dense
	if err := factors.SolveTo(&change, cross); err != nil {
		return nil, fmt.Errorf("auto: fit the head: %w", err)
	}
	for l := range h.Labels {
		for j := range h.Features {
			out.Weight[l*h.Features+j] += float32(change.At(j, l))
		}
		if h.Bias != nil {
			out.Bias[l] += float32(change.At(h.Features, l))
		}
	}
	return out, nil
}
