package viz

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"kenserve/delta"
	"kenserve/safetensors"
)

// ErrTensor means that neither base nor delta has a tensor of that name, or
// none of that type.
var ErrTensor = errors.New("no such tensor")

// A Model is a task's weights: a base, and the delta that is applied to it. It
// is read-only and may be used by any number of goroutines.
type Model struct {
	delta   *delta.Delta
	base    delta.Tensors
	tuned   delta.Tensors // nil if it is not known
	tensors []Tensor
	index   map[string]int // of tensors, by name
}

// Form is how a task has a tensor.
type Form string

// The forms.
const (
	Masked Form = "masked" // some values of the base's tensor are the delta's
	Dense  Form = "dense"  // all values of the base's tensor are the delta's
	Base   Form = "base"   // the delta keeps nothing of it
	Head   Form = "head"   // the delta's alone: the base has no such tensor
	Absent Form = "absent" // the tuned checkpoint does not have it
)

// Tensor describes a tensor of a model.
type Tensor struct {
	Name    string `json:"name"`  // in the base; in the tuned checkpoint for the head
	Kind    string `json:"kind"`  // the name with a * for the layer's number
	Layer   int    `json:"layer"` // -1 outside the layers
	Rows    int    `json:"rows"`  // 1 for a tensor of one dimension
	Columns int    `json:"columns"`
	Form    Form   `json:"form"`
	Kept    int    `json:"kept"`
}

// Values returns the number of values, kept or not.
func (t *Tensor) Values() int { return t.Rows * t.Columns }

// Share returns the share of the values that is kept.
func (t *Tensor) Share() float64 { return Share(t.Kept, t.Values()) }

// IsMatrix tells matrices from biases and other tensors of one row.
func (t *Tensor) IsMatrix() bool { return t.Rows > 1 }

// IsShown tells whether there is anything to see of the tensor.
func (t *Tensor) IsShown() bool { return t.Kept > 0 }

func Share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// New returns the model of a delta that has been checked against its base
// ([delta.Delta.Check]). tuned is the checkpoint that the delta was made from,
// or nil: with it, views can compare what was kept with all that training
// changed. Where it has a tensor of the base, the shapes must be equal.
func New(d *delta.Delta, base, tuned delta.Tensors) (*Model, error) {
	m := &Model{delta: d, base: base, tuned: tuned, index: map[string]int{}}
	for _, name := range base.Names() {
		b, ok := base.Tensor(name)
		if !ok {
			return nil, fmt.Errorf("viz: tensor %s: listed in the base and not there", name)
		}
		if !b.DType.Float() {
			continue // positions and the like, which no task changes
		}
		t := Tensor{Name: name, Form: Base}
		t.Kind, t.Layer = splitName(name)
		t.Rows, t.Columns = b.Rows()
		if slices.Contains(d.Absent, name) {
			t.Form = Absent
		}
		if entry, ok := d.Tensor(name); ok {
			if entry.Dense != nil {
				t.Form, t.Kept = Dense, t.Values()
			} else {
				t.Form, t.Kept = Masked, entry.Masked.Kept()
			}
		}
		if other := m.tunedTensor(name); other != nil && (!slices.Equal(other.Shape, b.Shape) || !other.DType.Float()) {
			return nil, fmt.Errorf("viz: tensor %s: %s %v in the base, %s %v in the tuned checkpoint", name, b.DType, b.Shape, other.DType, other.Shape)
		}
		m.tensors = append(m.tensors, t)
	}
	for i := range d.Tensors {
		entry := &d.Tensors[i]
		if _, ok := base.Tensor(entry.Name); ok {
			continue
		}
		if entry.Dense == nil {
			return nil, fmt.Errorf("viz: tensor %s: %w in the base", entry.Name, ErrTensor)
		}
		if !entry.Dense.DType.Float() {
			continue
		}
		t := Tensor{Name: entry.Name, Form: Head}
		t.Kind, t.Layer = splitName(entry.Name)
		t.Rows, t.Columns = entry.Dense.Rows()
		t.Kept = t.Values()
		m.tensors = append(m.tensors, t)
	}
	sort.SliceStable(m.tensors, func(i, j int) bool {
		a, b := &m.tensors[i], &m.tensors[j]
		if (a.Form == Head) != (b.Form == Head) {
			return b.Form == Head
		}
		return naturalLess(a.Name, b.Name)
	})
	for i := range m.tensors {
		m.index[m.tensors[i].Name] = i
	}
	return m, nil
}

// Delta returns the delta of the model.
func (m *Model) Delta() *delta.Delta { return m.delta }

// Tensors lists the model's tensors of floats: the base's in the order of
// their names, numbers in them by value, and then the head's. The slice must
// not be written.
func (m *Model) Tensors() []Tensor { return m.tensors }

// Tensor returns the tensor called name, or ErrTensor.
func (m *Model) Tensor(name string) (*Tensor, error) {
	i, ok := m.index[name]
	if !ok {
		return nil, fmt.Errorf("viz: tensor %q: %w", name, ErrTensor)
	}
	return &m.tensors[i], nil
}

// tunedTensor returns the tuned checkpoint's counterpart of a tensor, or nil.
func (m *Model) tunedTensor(name string) *safetensors.Tensor {
	if m.tuned == nil {
		return nil
	}
	t, _ := m.tuned.Tensor(m.delta.TunedName(name))
	return t
}
