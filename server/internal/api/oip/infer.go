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

// Inference of the Open Inference Protocol v2, whatever carries it: REST is in
// inferrest.go, gRPC in grpc.go.
//
// A task is a model of one version, "1". Its input is the BYTES tensor text, and
// text_pair if there are pairs, of any shape with one element a text. Its
// outputs are label (BYTES) and score (FP32), of the input's shape, and
// probabilities (FP32), [texts, labels]. An output that is asked for as a
// classification of k classes is a BYTES tensor [texts, k] of
// "score:index:label", best first, as Triton's extension has it.

const Version = "1"

// The outputs, in the order in which they are returned when none are named.
const (
	outLabel         = "label"
	outScore         = "score"
	outProbabilities = "probabilities"
)

// request is an inference request as both carriers parse it.
type request struct {
	id      string
	inputs  []runtime.Input
	pairs   bool
	shape   []int64 // of the input
	outputs []output
	options runtime.Options
}

// output is an output that is asked for.
type output struct {
	name    string
	classes int  // of a classification; 0: the tensor itself
	binary  bool // for REST
}

// tensor is an input as it is sent.
type tensor struct {
	name     string
	datatype string
	shape    []int64
	elements []string // of the data
}

// take makes the request's inputs from its tensors.
func (q *request) take(tensors []tensor, limits core.Limits) error {
	if len(tensors) == 0 {
		return problem.Invalid(problem.Field("inputs"), "must hold the tensor text")
	}
	text, pair := 0, -1
	if len(tensors) > 1 { // a tensor by itself may have any name
		text = -1
		for i := range tensors {
			switch name := tensors[i].name; {
			case name == "text" && text < 0:
				text = i
			case name == "text_pair" && pair < 0:
				pair = i
			case name == "text" || name == "text_pair":
				return problem.Invalid(inputPath(i), "is named %s, as another is", name)
			default:
				return problem.Invalid(inputPath(i), "is named %s; there are text and text_pair", problem.Quote(name))
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
	q.pairs = true
	for i := range tensors[pair].elements {
		q.inputs[i].Pair = &tensors[pair].elements[i]
	}
	return nil
}

func inputPath(i int) problem.Path { return problem.Field("inputs").Element(i) }

// textsAt is what an error about a text names: elements have no place of their
// own in a tensor's data.
var textsAt = problem.Values{Name: "text", Listed: true}

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
			return problem.Invalid(at.Member("shape"), "has a dimension below 0, or more than %d elements", limits.MaxTexts)
		}
		size *= d
	}
	if len(t.shape) == 0 {
		return problem.Invalid(at.Member("shape"), "must have a dimension")
	}
	if size != int64(len(t.elements)) {
		return problem.Invalid(at.Member("shape"), "is of %d elements, the data are %d", size, len(t.elements))
	}
	if size == 0 {
		return problem.Invalid(at, "must hold at least one text")
	}
	for i, s := range t.elements {
		switch {
		case len(s) > limits.MaxTextBytes:
			return problem.Invalid(at, "has %d bytes in element %d, at most %d are allowed", len(s), i, limits.MaxTextBytes)
		case !utf8.ValidString(s):
			return problem.Invalid(at, "is not valid UTF-8 in element %d", i)
		}
	}
	return nil
}

// want adds an output to those that are returned.
func (q *request) want(at problem.Path, out output) error {
	switch out.name {
	case outLabel, outScore, outProbabilities:
	default:
		return problem.Invalid(at.Member("name"), "is %s; there are %s, %s and %s", problem.Quote(out.name), outLabel, outScore, outProbabilities)
	}
	if slices.ContainsFunc(q.outputs, func(o output) bool { return o.name == out.name }) {
		return problem.Invalid(at.Member("name"), "is %s again", problem.Quote(out.name))
	}
	if out.classes < 0 || out.classes > 0 && out.name != outProbabilities {
		return problem.Invalid(at, "asks for a classification: that is a number of classes from 1, of %s", outProbabilities)
	}
	q.outputs = append(q.outputs, out)
	return nil
}

// answer is an output as it is returned: strings or numbers.
type answer struct {
	name     string
	datatype string
	shape    []int64
	strings  []string
	floats   []float32
	binary   bool // as it was asked for
}

// answers makes the outputs of a result.
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

// classification writes one class of Triton's classification extension.
func classification(score float32, index int, label string) string {
	b := strconv.AppendFloat(nil, float64(score), 'f', 6, 32)
	b = strconv.AppendInt(append(b, ':'), int64(index), 10)
	return string(append(append(b, ':'), label...))
}

// takeBytes is what a binary tensor's error is for a client.
func takeBytes(t *tensor, at problem.Path, data string, limits core.Limits) error {
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
