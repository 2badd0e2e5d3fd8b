package examples

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"kenserve/dataset"
	"kenserve/models"
)

// maxLabels bounds the labels of a classifier, as models.ParseConfig does.
const maxLabels = 1 << 16

// resolver turns rows into examples. Its errors name the row.
type resolver func([]dataset.Row, *dataset.Reader) ([]Example, error)

// settle decides the problem and the labels, and returns the resolver of rows.
func (d *Data) settle(s Schema, rows []dataset.Row, in *dataset.Reader) (resolver, error) {
	d.Problem = s.Problem
	if d.Problem == "" {
		d.Problem = models.SingleLabel
		if slices.ContainsFunc(rows, func(r dataset.Row) bool { return r.Label.List() }) {
			d.Problem = models.MultiLabel
		}
	}
	d.Labels = s.Labels
	if err := checkLabels(d.Labels); err != nil {
		return nil, err
	}
	if d.Problem == models.Regression {
		if len(d.Labels) > 1 {
			return nil, fmt.Errorf("a regression has one label, but %d are given", len(d.Labels))
		}
		if d.Labels == nil {
			d.Labels = []string{"value"}
		}
		return each(func(e *Example, l dataset.Label) (err error) {
			e.Value, err = l.Number()
			return err
		}), nil
	}
	if d.Labels == nil && d.Problem == models.MultiLabel {
		if n := flagLabels(rows); n > 0 {
			for i := range n {
				d.Labels = append(d.Labels, "LABEL_"+strconv.Itoa(i))
			}
			return d.resolveGiven(), nil
		}
	}
	if d.Labels != nil {
		return d.resolveGiven(), nil
	}
	if err := d.findLabels(rows, in); err != nil {
		return nil, err
	}
	return d.resolveFound(), nil
}

// checkLabels checks labels that were given.
func checkLabels(labels []string) error {
	if len(labels) > maxLabels {
		return fmt.Errorf("%d labels are given; at most %d are supported", len(labels), maxLabels)
	}
	seen := map[string]bool{}
	for _, l := range labels {
		if l == "" || seen[l] {
			return fmt.Errorf("the labels given have %q twice, or an empty name", l)
		}
		seen[l] = true
	}
	return nil
}

// flagLabels returns the number of labels if every row has a list of a 0 or 1 for each; 0
// if not.
func flagLabels(rows []dataset.Row) int {
	n := rows[0].Label.Flags()
	for _, r := range rows {
		if r.Label.Flags() != n {
			return 0
		}
	}
	if n < 3 { // 1 and 2 could be meant as numbers of labels
		return 0
	}
	return n
}

// findLabels lists the labels that occur.
func (d *Data) findLabels(rows []dataset.Row, in *dataset.Reader) error {
	seen := map[string]bool{}
	for _, r := range rows {
		names, err := r.Label.Names(d.Problem == models.MultiLabel)
		if err != nil {
			return in.At(r, fmt.Errorf("%w; give the labels' names with --labels, or the kind of task with --problem-type", err))
		}
		for _, name := range names {
			seen[name] = true
		}
		if len(seen) > maxLabels {
			return in.At(r, fmt.Errorf("more than %d labels: is it the right column? For numbers use --problem-type regression", maxLabels))
		}
	}
	d.Labels = slices.SortedFunc(maps.Keys(seen), compareNames)
	switch n := len(d.Labels); {
	case n == 1 && d.Problem == models.SingleLabel:
		return fmt.Errorf("all %d texts have the label %q; a classifier needs at least two labels", len(rows), d.Labels[0])
	case n == 0:
		return fmt.Errorf("no text has a label")
	case n > 2 && n == len(rows) && d.Problem == models.SingleLabel:
		return fmt.Errorf("all %d texts have labels of their own: is it the right column? For numbers use --problem-type regression", n)
	}
	return nil
}

// compareNames orders whole numbers by value, before other names, which it orders as text.
func compareNames(a, b string) int {
	x, errA := strconv.Atoi(a)
	y, errB := strconv.Atoi(b)
	switch {
	case errA == nil && errB == nil && x != y:
		return cmp.Compare(x, y)
	case (errA == nil) != (errB == nil):
		if errA == nil {
			return -1
		}
		return 1
	}
	return cmp.Compare(a, b)
}

// each returns a resolver that sets the label of every example by set.
func each(set func(*Example, dataset.Label) error) resolver {
	return func(rows []dataset.Row, in *dataset.Reader) ([]Example, error) {
		out := make([]Example, len(rows))
		for i, r := range rows {
			out[i] = Example{Row: r.Number, Text: r.Text, Pair: r.Pair, Weight: r.Weight}
			if err := set(&out[i], r.Label); err != nil {
				return nil, in.At(r, err)
			}
		}
		return out, nil
	}
}

// resolveGiven resolves labels as evaluate does, by names or numbers.
func (d *Data) resolveGiven() resolver {
	return each(func(e *Example, l dataset.Label) (err error) {
		if d.Problem == models.SingleLabel {
			e.Class, err = l.Index(d.Labels)
		} else {
			e.Classes, err = l.Indices(d.Labels)
		}
		return err
	})
}

// resolveFound resolves labels by the names that were found in the training texts.
func (d *Data) resolveFound() resolver {
	index := map[string]int{}
	for i, name := range d.Labels {
		index[name] = i
	}
	return each(func(e *Example, l dataset.Label) error {
		names, err := l.Names(d.Problem == models.MultiLabel)
		if err != nil {
			return err
		}
		for _, name := range names {
			i, ok := index[name]
			if !ok {
				return fmt.Errorf("label %q occurs in no training text", name)
			}
			if d.Problem == models.SingleLabel {
				e.Class = i
				continue
			}
			if slices.Contains(e.Classes, i) {
				return fmt.Errorf("label %q occurs twice", name)
			}
			e.Classes = append(e.Classes, i)
		}
		slices.Sort(e.Classes)
		return nil
	})
}
