package modernbert

import (
	"maps"
	"math"
	"sync"
	"weak"

	"kenserve/gemm"
	"kenserve/models"
)

// rotation turns pairs of a head's columns by angles that grow with the
// position (rotary positions, Su et al., 2021): columns c and c+half, by default
// by position · theta^(-c/half).
type rotation struct {
	half     int       // half of a head's columns
	cos, sin []float32 // [positions, half]
}

// rotations holds the rotations in use, so that hundreds of tasks of one base
// share one.
var rotations struct {
	sync.Mutex
	known map[rotationKey]weak.Pointer[rotation]
}

type rotationKey struct {
	kind             rotationKind
	width, positions int
}

// sharedRotation returns the rotation of the given kind.
func sharedRotation(kind rotationKind, width, positions int) *rotation {
	rotations.Lock()
	defer rotations.Unlock()
	key := rotationKey{kind, width, positions}
	if r := rotations.known[key].Value(); r != nil {
		return r
	}
	if rotations.known == nil {
		rotations.known = map[rotationKey]weak.Pointer[rotation]{}
	}
	maps.DeleteFunc(rotations.known, func(_ rotationKey, p weak.Pointer[rotation]) bool { return p.Value() == nil })
	r := newRotation(kind, width, positions)
	rotations.known[key] = weak.Make(r)
	return r
}

// newRotation computes the angles as PyTorch does, in float32.
func newRotation(kind rotationKind, width, positions int) *rotation {
	r := &rotation{half: width / 2}
	r.cos, r.sin = make([]float32, positions*r.half), make([]float32, positions*r.half)
	for c, frequency := range kind.frequencies(width) {
		for p := range positions {
			angle := float64(float32(frequency * float32(p)))
			r.cos[p*r.half+c], r.sin[p*r.half+c] = float32(math.Cos(angle))*float32(kind.scale), float32(math.Sin(angle))*float32(kind.scale)
		}
	}
	return r
}

// rotationWork is the work of rotation.apply. A part has rotateRows rows.
type rotationWork struct {
	*rotation
	x    gemm.View
	ends []int
}

const rotateRows = 8

// apply rotates all heads in the rows of x by their positions. The sequences of x
// end at ends.
func (r *rotation) apply(w *models.Workspace, x gemm.View, ends []int) {
	s := models.State[rotationWork](w)
	*s = rotationWork{r, x, ends}
	w.Run((x.Rows+rotateRows-1)/rotateRows, s, x.Rows*x.Cols >= models.SharedValues)
}

// Do implements parallel.Work.
func (s *rotationWork) Do(part, _ int) {
	row := part * rotateRows
	stop := min(row+rotateRows, s.x.Rows)
	i := models.SequenceOf(s.ends, row)
	position := row - (s.ends[i] - models.SequenceLen(s.ends, i))
	for ; row < stop; row++ {
		if row == s.ends[i] {
			i++
			position = 0
		}
		s.row(s.x.Row(row), position, 1)
		position++
	}
}

// row rotates all heads in a row by the angles of its position times sign, 1 or -1.
func (r *rotation) row(x []float32, position int, sign float32) {
	cos, sin := r.cos[position*r.half:][:r.half], r.sin[position*r.half:][:r.half]
	for ; len(x) > 0; x = x[2*r.half:] {
		a, b := x[:r.half], x[r.half:][:r.half]
		for c := range a {
			s := sign * sin[c]
			a[c], b[c] = float32(a[c]*cos[c])-float32(b[c]*s), float32(b[c]*cos[c])+float32(a[c]*s)
		}
	}
}
