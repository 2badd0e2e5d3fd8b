// Package oip is the Open Inference Protocol v2 of KServe and Triton, over REST and
// gRPC.
//
// A task is a model with one version, "1". Its inputs are BYTES tensors with one
// element for each text: text, and text_pair for pairs. They may have any shape.
// Its outputs are label (BYTES) and score (FP32), in the shape of text, and
// probabilities (FP32, [texts, labels]). With the parameter classification=k, from
// Triton's classification extension, probabilities is a BYTES tensor [texts, k] of
// "score:index:label", best first.
//
// infer.go has what REST and gRPC share. REST supports the binary tensor data
// extension too, in restrequest.go and restanswer.go.
package oip

import (
	"errors"
	"slices"
	"strconv"
	"unicode/utf8"

	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/wire"
)

// modelVersion is the version of every task, and the only one.
const modelVersion = "1"

// The outputs, in the order of an answer to a request that names none.
const (
	outLabel         = "label"
	outScore         = "score"
	outProbabilities = "probabilities"
)

// request is an inference request, over REST or gRPC.
type request struct {
	id      string
	inputs  []runtime.Input
	shape   []int64 // of the tensor text
	outputs []output
	options runtime.Options
}

// output is an output that the request asks for.
type output struct {
	name    string
	classes int  // of the classification extension; 0: the tensor itself
	binary  bool // REST only: as binary data
}

// tensor is an input of the request.
type tensor struct {
	name     string
	datatype string
	shape    []int64
	elements []string
}

// setInputs makes the inputs from the tensors of the request. The error is a
// *[problem.Problem].
func (q *request) setInputs(tensors []tensor, limits core.Limits) error {
	if len(tensors) == 0 {
		return problem.Invalid(problem.Field("inputs"), "must hold the tensor text")
	}
	text, pair := 0, -1
	if len(tensors) > 1 { // a single tensor may have any name
		text = -1
		for i := range tensors {
			switch name := tensors[i].name; {
			case name == "text" && text < 0:
				text = i
			case name == "text_pair" && pair < 0:
				pair = i
			case name == "text" || name == "text_pair":
				return problem.Invalid(inputPath(i), "is the second tensor named %s", name)
			default:
				return problem.Invalid(inputPath(i), "is named %s, must be named text or text_pair", problem.Quote(name))
			}
		}
		if text < 0 {
			return problem.Invalid(problem.Field("inputs"), "must hold the tensor text")
		}
	}
	for i := range tensors {
		if p := tensors[i].check(inputPath(i), limits); p != nil {
			return p
		}
	}
	q.shape = tensors[text].shape
	q.inputs = make([]runtime.Input, len(tensors[text].elements))
	for i, s := range tensors[text].elements {
		q.inputs[i].Text = s
	}
	if pair < 0 {
		return nil
	}
	if len(tensors[pair].elements) != len(q.inputs) {
		return problem.Invalid(inputPath(pair), "has %d elements, text has %d", len(tensors[pair].elements), len(q.inputs))
	}
	for i := range tensors[pair].elements {
		q.inputs[i].Pair = &tensors[pair].elements[i]
	}
	return nil
}

// inputPath is the path of an input tensor.
func inputPath(i int) problem.Path { return problem.Field("inputs").Element(i) }

// textsAt is the path of texts in errors: an element of a tensor has no JSON path.
var textsAt = problem.Values{Name: "text", Listed: true}

// check checks the data type, the shape and the elements. The error is a
// *[problem.Problem].
func (t *tensor) check(at problem.Path, limits core.Limits) error {
	if t.datatype != "BYTES" {
		return problem.Invalid(at.Member("datatype"), "is %s, must be BYTES", problem.Quote(t.datatype))
	}
	if len(t.elements) > limits.MaxTexts {
		return problem.Invalid(at, "holds more than %d texts", limits.MaxTexts)
	}
	size := int64(1)
	for _, d := range t.shape {
		if d < 0 || d > int64(limits.MaxTexts) || size*d > int64(limits.MaxTexts) {
			return problem.Invalid(at.Member("shape"), "must have dimensions of at least 0 and at most %d elements", limits.MaxTexts)
		}
		size *= d
	}
	if len(t.shape) == 0 {
		return problem.Invalid(at.Member("shape"), "must have at least one dimension")
	}
	if size != int64(len(t.elements)) {
		return problem.Invalid(at.Member("shape"), "has %d elements, the data has %d", size, len(t.elements))
	}
	if size == 0 {
		return problem.Invalid(at, "must hold at least one text")
	}
	for i, s := range t.elements {
		switch {
		case len(s) > limits.MaxTextBytes:
			return problem.Invalid(at, "has %d bytes in element %d, at most %d are allowed", len(s), i, limits.MaxTextBytes)
		case !utf8.ValidString(s):
			return problem.Invalid(at, "has invalid UTF-8 in element %d", i)
		}
	}
	return nil
}

// addOutput adds an output to those that the answer has. The error is a
// *[problem.Problem].
func (q *request) addOutput(at problem.Path, out output) error {
	switch out.name {
	case outLabel, outScore, outProbabilities:
	default:
		return problem.Invalid(at.Member("name"), "is %s, must be %s, %s or %s", problem.Quote(out.name), outLabel, outScore, outProbabilities)
	}
	if slices.ContainsFunc(q.outputs, func(o output) bool { return o.name == out.name }) {
		return problem.Invalid(at.Member("name"), "is %s, as in another output", problem.Quote(out.name))
	}
	if out.classes < 0 || out.classes > 0 && out.name != outProbabilities {
		return problem.Invalid(at, "has the parameter classification: it must be at least 1, and only %s may have it", outProbabilities)
	}
	q.outputs = append(q.outputs, out)
	return nil
}

// answer is an output of the answer: strings or numbers.
type answer struct {
	name     string
	datatype string
	shape    []int64
	strings  []string
	floats   []float32
	binary   bool // as binary data
}

// answers returns the outputs of a result.
func (q *request) answers(r *runtime.Result) []answer {
	n := len(r.Scores)
	out := make([]answer, 0, len(q.outputs))
	var order []int32
	for _, o := range q.outputs {
		a := answer{name: o.name, datatype: "FP32", shape: q.shape, binary: o.binary}
		switch {
		case o.classes > 0:
			k := min(o.classes, len(r.Labels))
			a.datatype, a.shape = "BYTES", []int64{int64(n), int64(k)}
			for _, row := range r.Scores {
				order = wire.Rank(order, row, k)
				for _, j := range order {
					a.strings = append(a.strings, classification(row[j], int(j), r.Labels[j]))
				}
			}
		case o.name == outProbabilities:
			a.shape = []int64{int64(n), int64(len(r.Labels))}
			for _, row := range r.Scores {
				a.floats = append(a.floats, row...)
			}
		default:
			for _, row := range r.Scores {
				order = wire.Rank(order, row, 1)
				if o.name == outScore {
					a.floats = append(a.floats, row[order[0]])
				} else {
					a.strings = append(a.strings, r.Labels[order[0]])
				}
			}
			if o.name == outLabel {
				a.datatype = "BYTES"
			}
		}
		out = append(out, a)
	}
	return out
}

// classification formats a class as "score:index:label".
func classification(score float32, index int, label string) string {
	b := strconv.AppendFloat(nil, float64(score), 'f', 6, 32)
	b = strconv.AppendInt(append(b, ':'), int64(index), 10)
	return string(append(append(b, ':'), label...))
}

// setRawElements sets the elements of t from raw data. The error is a
// *[problem.Problem].
func setRawElements(t *tensor, at problem.Path, data string, limits core.Limits) error {
	elements, err := readBytesTensor(data, limits.MaxTexts)
	if errors.Is(err, errTooManyElements) {
		return problem.Invalid(at, "holds more than %d texts", limits.MaxTexts)
	}
	if err != nil {
		return problem.Invalid(at, "%s", err)
	}
	t.elements = elements
	return nil
}
