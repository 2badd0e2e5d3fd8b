package models

import (
	"fmt"
	"slices"

	"kenserve/gemm"
	"kenserve/nn"
)

// segments are the rows and sequences of each task in the batch of a forward pass.
type segments struct {
	list []segment
	gemm []gemm.Segment // of the present step
}

// segment is the part of one task.
type segment struct {
	weights   *TaskWeights
	labels    int
	sequences int // the segment's sequences end before this one
	end       int // the segment's rows end before this one; see Workspace.Divide
}

// start sets the segments of a batch for the network n. It returns the number of logits.
func (s *segments) start(n Network, b *Batch) (logits int, err error) {
	s.list = append(s.list[:0], segment{weights: n.Weights(), labels: n.Labels(), sequences: len(b.Ends)})
	if len(b.Segments) == 0 {
		return len(b.Ends) * n.Labels(), nil
	}
	s.list = s.list[:0]
	first, own := 0, n.Weights()
	for i, part := range b.Segments {
		t := part.Network.Weights()
		switch {
		case part.End <= first:
			return 0, fmt.Errorf("models: %w: segment %d has no sequences", ErrBatch, i)
		case t == nil || own == nil:
			return 0, fmt.Errorf("models: segment %d has a network without weights", i)
		case i == 0 && t != own:
			return 0, fmt.Errorf("models: %w: the first segment is of another network", ErrBatch)
		case len(t.dense) != len(own.dense) || len(t.norms) != len(own.norms) || len(t.tables) != len(own.tables):
			return 0, fmt.Errorf("models: %w: segment %d has a network of another architecture", ErrBatch, i)
		}
		labels := part.Network.Labels()
		s.list = append(s.list, segment{weights: t, labels: labels, sequences: part.End})
		logits += (part.End - first) * labels
		first = part.End
	}
	if first != len(b.Ends) {
		return 0, fmt.Errorf("models: %w: the last segment ends at sequence %d, but there are %d sequences", ErrBatch, first, len(b.Ends))
	}
	return logits, nil
}

// of returns the index of the segment that contains a row.
func (s *segments) of(row int) int {
	i, _ := slices.BinarySearchFunc(s.list, row, func(x segment, row int) int { return x.end - row - 1 })
	return i
}

// dense returns the weights of a layer for the rows of each segment, and whether a
// product of them needs scratch memory.
func (s *segments) dense(d Dense) (list []gemm.Segment, changed bool) {
	s.gemm = s.gemm[:0]
	changed = len(s.list) > 1
	for i := range s.list {
		t := &s.list[i].weights.dense[d.slot]
		changed = changed || t.Weight.IsChanged()
		s.gemm = append(s.gemm, gemm.Segment{End: s.list[i].end, Weight: t.Weight, Bias: t.bias})
	}
	return s.gemm, changed
}

// Divide says to which rows of the following steps the sequences of the batch
// correspond: sequence i ends before row ends[i]. Start divides by the tokens of the
// batch. A network calls Divide when its rows become others, such as one row for each
// sequence.
func (w *Workspace) Divide(ends []int) {
	for i := range w.segments.list {
		s := &w.segments.list[i]
		s.end = 0
		if s.sequences > 0 {
			s.end = ends[s.sequences-1]
		}
	}
}

// DivideTasks says to which rows of the following steps the tasks of the batch
// correspond: task i ends before row ends[i]; see TaskOf.
func (w *Workspace) DivideTasks(ends []int) {
	for i := range w.segments.list {
		w.segments.list[i].end = ends[i]
	}
}

// TaskOf returns the index of the task of a sequence, in the order of the batch. A task
// with several segments has several.
func (w *Workspace) TaskOf(sequence int) int {
	i, _ := slices.BinarySearchFunc(w.segments.list, sequence, func(x segment, sequence int) int { return x.sequences - sequence - 1 })
	return i
}

// Table returns a table of the task with the given index; see TaskOf.
func (w *Workspace) Table(l Lookup, task int) Table {
	return w.segments.list[task].weights.tables[l.slot]
}

// Logits computes logits, the output of the network, from x, which has a row for each
// sequence: x·Weightᵀ + bias, with the weight and bias of each sequence's task.
func (w *Workspace) Logits(logits []float32, x gemm.View, d Dense) {
	w.betweenSteps()
	first := 0
	for i := range w.segments.list {
		s := &w.segments.list[i]
		t := &s.weights.dense[d.slot]
		rows := s.sequences - first
		out := gemm.View{Data: logits[:rows*s.labels], Rows: rows, Cols: s.labels, Stride: s.labels}
		t.Weight.Mul(w.pool, out, x.Slice(first, s.sequences, 0, x.Cols), gemm.Epilogue{Bias: t.bias, Activation: nn.Identity})
		logits = logits[rows*s.labels:]
		first = s.sequences
	}
}
