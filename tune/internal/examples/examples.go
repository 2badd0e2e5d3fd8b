// Package examples reads labelled texts for training and says what is wrong with them.
//
// Read takes a file of training texts, and perhaps one of dev texts, and returns them with
// their classes as numbers. If there is no file of dev texts, a share of the training
// texts is split off: the same share of every class, and all copies of a text on one side.
//
// Findings name the rows of texts that are left out (empty, or without a label) and of
// texts that make training or its scores worse: duplicates, contradictions, texts of both
// sets, tiny classes. They are known before training starts.
package examples

import (
	"fmt"
	"io"
	"strings"

	"kenserve/dataset"
	"kenserve/models"
)

// Example is one labelled text, or pair of texts.
type Example struct {
	Row     int // in its file, from 1
	Text    string
	Pair    *string // nil: none
	Class   int     // index of the label, for one label a text
	Classes []int   // indices of the labels, rising, for several labels a text
	Value   float64 // for a regression
	Weight  float64 // of the example in the loss; 1 where the file has none
}

// key identifies equal texts.
func (e *Example) key() string {
	if e.Pair == nil {
		return e.Text
	}
	return e.Text + "\x00" + *e.Pair
}

// Schema says what the labels mean. Its zero value finds out.
type Schema struct {
	Problem models.Problem // empty: several labels a text if any label is a list, otherwise one
	Labels  []string       // in the order of the classifier's outputs; nil: all that occur, sorted
}

// Options say how to read and split.
type Options struct {
	Schema
	// DevShare is the share of the training texts that becomes the dev set if there is no
	// other, in (0, 1); 0: DefaultDevShare decides.
	DevShare float64
	Seed     uint64 // of the split
}

// Data is what was read.
type Data struct {
	Problem    models.Problem
	Labels     []string
	Train, Dev []Example
	Split      bool // Dev was split off the training texts
	Findings   []Finding
}

// Read reads training and dev texts. dev may be nil. Errors name the file and the row.
func Read(train, dev *dataset.Reader, o Options) (*Data, error) {
	f := &findings{}
	rows, err := readRows(train, "training", f)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("the training file has no texts with labels")
	}
	d := &Data{}
	resolve, err := d.settle(o.Schema, rows, train)
	if err != nil {
		return nil, err
	}
	if d.Train, err = resolve(rows, train); err != nil {
		return nil, err
	}
	if dev != nil {
		if rows, err = readRows(dev, "dev", f); err != nil {
			return nil, err
		}
		if d.Dev, err = resolve(rows, dev); err != nil {
			return nil, err
		}
		if len(d.Dev) == 0 {
			return nil, fmt.Errorf("the dev file has no texts with labels; leave it out to split a dev set off the training texts")
		}
	}
	f.inspect(d)
	if dev == nil {
		share := o.DevShare
		if share == 0 {
			share = defaultDevShare(len(d.Train))
		}
		d.Split = true
		d.Train, d.Dev = split(d, share, o.Seed)
		if len(d.Dev) == 0 || len(d.Train) == 0 {
			return nil, fmt.Errorf("%d training texts are too few to split a dev set off: every class needs at least %d different texts, or give a dev file", len(d.Train)+len(d.Dev), minSplit)
		}
		f.inspectSplit(d)
	}
	d.Findings = f.list
	return d, nil
}

// readRows reads all rows that have a text and a label.
func readRows(r *dataset.Reader, which string, f *findings) ([]dataset.Row, error) {
	var rows []dataset.Row
	var empty, unlabelled, weightless []int
	for {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		switch {
		case strings.TrimSpace(row.Text) == "" && row.Pair == nil:
			empty = append(empty, row.Number)
		case row.Label.IsAbsent():
			unlabelled = append(unlabelled, row.Number)
		case row.Weight == 0:
			weightless = append(weightless, row.Number)
		default:
			rows = append(rows, row)
		}
	}
	f.add(Finding{Kind: "empty", Set: which, Rows: empty, Message: "empty texts, left out"})
	f.add(Finding{Kind: "unlabelled", Set: which, Rows: unlabelled, Message: "texts without a label, left out"})
	f.add(Finding{Kind: "weight 0", Set: which, Rows: weightless, Message: "texts with the weight 0, left out"})
	return rows, nil
}

// Count returns the number of examples of each label.
func Count(list []Example, problem models.Problem, labels int) []int {
	counts := make([]int, labels)
	for i := range list {
		switch problem {
		case models.SingleLabel:
			counts[list[i].Class]++
		case models.MultiLabel:
			for _, c := range list[i].Classes {
				counts[c]++
			}
		}
	}
	return counts
}
