package examples

import (
	"fmt"
	"slices"
	"strings"

	"kenserve/models"
)

// Finding is something about the data that a person should know before training.
type Finding struct {
	Kind    string `json:"kind"` // empty, unlabelled, duplicates, contradictions, …
	Set     string `json:"set"`  // the file that Rows count in: training or dev
	Count   int    `json:"count"`
	Rows    []int  `json:"rows,omitempty"` // the first of them, from 1
	Message string `json:"message"`        // names what is counted: "empty texts, left out"
	Warning bool   `json:"warning"`        // it probably makes the classifier or its scores worse
}

// maxRows bounds the rows that a finding lists.
const maxRows = 20

// String returns the finding as a sentence.
func (f Finding) String() string {
	out := fmt.Sprintf("%s: %d", f.Message, f.Count)
	if len(f.Rows) == 0 {
		return out
	}
	rows := make([]string, len(f.Rows))
	for i, r := range f.Rows {
		rows[i] = fmt.Sprint(r)
	}
	more := ""
	if f.Count > len(f.Rows) {
		more = ", …"
	}
	return fmt.Sprintf("%s (%s rows %s%s)", out, f.Set, strings.Join(rows, ", "), more)
}

// NewFinding returns a finding about these rows, of which it lists the first.
func NewFinding(kind, set, message string, rows []int) Finding {
	return Finding{Kind: kind, Set: set, Count: len(rows), Rows: slices.Clone(rows[:min(len(rows), maxRows)]), Message: message}
}

// findings collects findings.
type findings struct{ list []Finding }

// add adds a finding unless it has neither rows nor a count. Unless Count is set, it is the
// number of rows.
func (f *findings) add(x Finding) {
	if x.Count == 0 {
		x.Count = len(x.Rows)
	}
	if x.Count == 0 {
		return
	}
	x.Rows = slices.Clone(x.Rows[:min(len(x.Rows), maxRows)])
	f.list = append(f.list, x)
}

// sameLabel tells whether two examples have the same label.
func sameLabel(a, b *Example, p models.Problem) bool {
	switch p {
	case models.SingleLabel:
		return a.Class == b.Class
	case models.MultiLabel:
		return slices.Equal(a.Classes, b.Classes)
	}
	return a.Value == b.Value
}

// inspect looks for duplicates, contradictions and texts of both sets, and for classes that
// are too small or hardly differ by name.
func (f *findings) inspect(d *Data) {
	first := map[string]*Example{}
	var duplicates, contradictions, shared []int
	for i := range d.Train {
		e := &d.Train[i]
		switch before := first[e.key()]; {
		case before == nil:
			first[e.key()] = e
		case sameLabel(before, e, d.Problem):
			duplicates = append(duplicates, e.Row)
		default:
			contradictions = append(contradictions, e.Row)
		}
	}
	for i := range d.Dev {
		if first[d.Dev[i].key()] != nil {
			shared = append(shared, d.Dev[i].Row)
		}
	}
	f.add(Finding{Kind: "duplicates", Set: "training", Rows: duplicates, Message: "texts that occur before with the same label"})
	f.add(Finding{Kind: "contradictions", Set: "training", Rows: contradictions, Message: "texts that occur before with another label (correct one of them)", Warning: true})
	f.add(Finding{Kind: "leaks", Set: "dev", Rows: shared, Message: "dev texts that are training texts too, so that the dev score is too good (remove them from one file)", Warning: true})
	f.inspectClasses(d)
}

// Bounds of the findings about classes.
const (
	tinyClass = 8  // texts below which a class is hardly learnt
	imbalance = 10 // times that the largest class exceeds the smallest
)

func (f *findings) inspectClasses(d *Data) {
	if d.Problem == models.Regression {
		return
	}
	counts := Count(d.Train, d.Problem, len(d.Labels))
	var absent, tiny []string
	smallest, largest := 0, 0 // indices, of classes that occur
	for i, n := range counts {
		switch {
		case n == 0:
			absent = append(absent, d.Labels[i])
			continue
		case n < tinyClass:
			tiny = append(tiny, fmt.Sprintf("%s (%d)", d.Labels[i], n))
		}
		if n < counts[smallest] || counts[smallest] == 0 {
			smallest = i
		}
		if n > counts[largest] {
			largest = i
		}
	}
	f.add(Finding{Kind: "absent classes", Count: len(absent), Message: "labels without a training text (" + list(absent) + ")", Warning: true})
	f.add(Finding{Kind: "tiny classes", Count: len(tiny), Message: fmt.Sprintf("labels with fewer than %d training texts (%s)", tinyClass, list(tiny)), Warning: true})
	if s, l := counts[smallest], counts[largest]; s > 0 && l >= imbalance*s {
		f.add(Finding{Kind: "imbalance", Count: l, Message: fmt.Sprintf("only %d texts have the label %s (if rare labels matter as much, use --class-weights auto); texts with the label %s", s, d.Labels[smallest], d.Labels[largest])})
	}
	f.inspectNames(d.Labels, counts)
}

// inspectNames looks for labels that are probably meant as one.
func (f *findings) inspectNames(labels []string, counts []int) {
	alike := map[string][]string{}
	var order []string
	for i, l := range labels {
		plain := strings.ToLower(strings.Join(strings.FieldsFunc(l, func(r rune) bool { return r == ' ' || r == '_' || r == '-' || r == '\t' }), " "))
		if alike[plain] == nil {
			order = append(order, plain)
		}
		alike[plain] = append(alike[plain], fmt.Sprintf("%q (%d)", l, counts[i]))
	}
	for _, plain := range order {
		if names := alike[plain]; len(names) > 1 {
			f.add(Finding{Kind: "similar labels", Count: len(names), Message: "labels that differ in case, spaces or hyphens only (" + strings.Join(names, ", ") + ")", Warning: true})
		}
	}
}

// inspectSplit looks for classes without a dev text.
func (f *findings) inspectSplit(d *Data) {
	if d.Problem == models.Regression {
		return
	}
	var absent []string
	for i, n := range Count(d.Dev, d.Problem, len(d.Labels)) {
		if n == 0 {
			absent = append(absent, d.Labels[i])
		}
	}
	f.add(Finding{Kind: "classes without dev texts", Count: len(absent), Message: fmt.Sprintf("labels with fewer than %d different texts, so that none is in the dev set (%s)", minSplit, list(absent)), Warning: true})
}

// list lists names, at most eight of them.
func list(names []string) string {
	const most = 8
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
