package viz

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"kenserve/delta"
	"kenserve/safetensors"
)

// ErrTensor means that neither base nor delta has a tensor of that name or type.
var ErrTensor = errors.New("no such tensor")

// A Model is the weights of a task: a base and the delta to apply to it. It is read-only and
// may be used by several goroutines at once.
type Model struct {
	delta   *delta.Delta
	base    delta.Tensors
	tuned   delta.Tensors                  // nil: not known
	resized map[string]*safetensors.Tensor // tables of tuned with the base's number of rows
	tensors []Tensor
	index   map[string]int // in tensors, by name
}

// Form says where the values of a task's tensor come from.
type Form string

// The forms.
const (
	Masked Form = "masked" // some values from the delta, the others from the base
	Dense  Form = "dense"  // all values from the delta, in place of the base's
	Base   Form = "base"   // all values from the base
	Head   Form = "head"   // all values from the delta: the base has no such tensor
	Absent Form = "absent" // all values from the base: the tuned checkpoint has no such tensor
)

// Tensor describes a tensor of a model.
type Tensor struct {
	Name    string `json:"name"`  // in the base; in the tuned checkpoint for the head
	Kind    string `json:"kind"`  // the name with a * in place of the layer's number
	Layer   int    `json:"layer"` // -1: in no numbered layer
	Rows    int    `json:"rows"`  // 1 for a tensor of one dimension
	Columns int    `json:"columns"`
	Form    Form   `json:"form"`
	Kept    int    `json:"kept"` // number of values
}

// Values returns the number of all values.
func (t *Tensor) Values() int { return t.Rows * t.Columns }

// Share returns the share of the values that are kept.
func (t *Tensor) Share() float64 { return Share(t.Kept, t.Values()) }

// IsMatrix reports whether the tensor has several rows, unlike a bias.
func (t *Tensor) IsMatrix() bool { return t.Rows > 1 }

// IsShown reports whether any value is kept, so that the tensor has pictures.
func (t *Tensor) IsShown() bool { return t.Kept > 0 }

// Share returns part/whole; 0 if whole is 0.
func Share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// New returns the model of a delta that was checked against its base with
// [delta.Delta.Check]. tuned is the checkpoint that the delta was made from; with it, views
// compare the kept values with all changes of training. It can be nil. It is an error if a
// tensor of tuned has another shape than in the base, unless it is a table that the delta says
// is resized; then the rows of both are compared.
func New(d *delta.Delta, base, tuned delta.Tensors) (*Model, error) {
	m := &Model{delta: d, base: base, tuned: tuned, index: map[string]int{}, resized: map[string]*safetensors.Tensor{}}
	for _, name := range base.Names() {
		b, ok := base.Tensor(name)
		if !ok {
			return nil, fmt.Errorf("viz: tensor %s: in the base's list of names but not in the base", name)
		}
		if !b.DType.Float() {
			continue // for example position indices, which no task changes
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
		if rows := d.Rows[name]; rows != 0 && m.tunedTensor(name) != nil {
			resized, err := asBase(m.tunedTensor(name), b, rows)
			if err != nil {
				return nil, fmt.Errorf("viz: tensor %s: %w", name, err)
			}
			m.resized[name] = resized
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

// Tensors lists the model's tensors of floats: the base's, sorted by name with numbers by
// value, then the head's. The slice must not be changed.
func (m *Model) Tensors() []Tensor { return m.tensors }

// Tensor returns the tensor of that name. The error wraps [ErrTensor] if there is none.
func (m *Model) Tensor(name string) (*Tensor, error) {
	i, ok := m.index[name]
	if !ok {
		return nil, fmt.Errorf("viz: tensor %q: %w", name, ErrTensor)
	}
	return &m.tensors[i], nil
}

// tunedTensor returns the tensor of the tuned checkpoint for a name in the base, or nil. A
// resized table has the base's number of rows.
func (m *Model) tunedTensor(name string) *safetensors.Tensor {
	if m.tuned == nil {
		return nil
	}
	if t := m.resized[name]; t != nil {
		return t
	}
	t, _ := m.tuned.Tensor(m.delta.TunedName(name))
	return t
}
