package delta

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"kenserve/delta/internal/container"
	"kenserve/internal/sparse"
	"kenserve/safetensors"
)

// Coded adds a float tensor that the base does not have, a layer of the head, in a coding
// that rounds. Its values are coded as changes from 0.
func (w *Writer) Coded(t *safetensors.Tensor, coding Coding) error {
	if coding == Float32 || t.Len() == 0 {
		return w.Dense(t)
	}
	if err := container.CheckName(t.Name); err != nil {
		return err
	}
	if err := container.CheckFinite(t); err != nil {
		return fmt.Errorf("delta: tensor %s: %w", t.Name, err)
	}
	m, err := encodeWhole(t, coding)
	if err != nil {
		return fmt.Errorf("delta: tensor %s: %w", t.Name, err)
	}
	if err := w.file.Sparse(t.Name, m); err != nil {
		return err
	}
	shape := make([]uint32, len(t.Shape))
	for i, d := range t.Shape {
		shape[i] = uint32(d)
	}
	return w.file.Add(t.Name+"#"+container.PartShape, safetensors.U32, []int{len(shape)}, safetensors.Bytes(shape))
}

// encodeWhole codes a tensor as changes from 0, without positions.
func encodeWhole(t *safetensors.Tensor, coding Coding) (*sparse.Tensor, error) {
	rows, columns := t.Rows()
	values, zeros := make([]float32, t.Len()), make([]float32, columns)
	if err := t.Float32s(values, 0); err != nil {
		return nil, err
	}
	keep := make([]uint64, (columns+63)/64)
	for c := range columns {
		keep[c/64] |= 1 << (c % 64)
	}
	tiles := make([]Tile, rows)
	for r := range tiles {
		var err error
		if tiles[r], err = EncodeTile(coding, 1, columns, r, keep, values[r*columns:][:columns], zeros); err != nil {
			return nil, err
		}
	}
	e := encoder{coding: coding, height: 1, columns: columns, tiles: tiles}
	e.fitScales()
	if !e.canBeWhole() {
		return nil, fmt.Errorf("a value is 0, which the coding %s does not have", coding)
	}
	return e.whole(), nil
}

// Parts returns the parts of a tensor of the head that is stored in a coding, sorted by name;
// nil for other tensors.
func (t *Tensor) Parts() []container.Part { return t.parts }

// readCoded decodes a tensor of the head that is stored in a coding, into float32.
func readCoded(name string, parts map[string]*safetensors.Tensor) (*safetensors.Tensor, Coding, error) {
	coding, err := readCoding(parts)
	if err != nil {
		return nil, "", err
	}
	shape, err := readShape(parts[container.PartShape])
	if err != nil {
		return nil, "", err
	}
	m := &sparse.Tensor{Coding: coding, Height: 1, RowMajor: true}
	if parts[container.PartTiles] != nil || parts[container.PartRows] != nil {
		return nil, "", errors.New("positions in a tensor with a shape, want every value")
	}
	if err := readValues(m, parts[string(coding)]); err != nil {
		return nil, "", err
	}
	if err := readScales(m, parts[container.PartScales]); err != nil {
		return nil, "", err
	}
	if err := m.CheckParts(); err != nil {
		return nil, "", err
	}
	t := &safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape}
	rows, columns := 1, shape[len(shape)-1]
	for _, d := range shape[:len(shape)-1] {
		rows *= d
	}
	if err := m.Check(rows, columns); err != nil {
		return nil, "", err
	}
	values := make([]float32, rows*columns)
	m.PatchRows(0, values)
	t.Data = safetensors.Bytes(values)
	return t, coding, container.CheckFinite(t)
}

// readShape reads the shape of a coded tensor. It bounds the number of values, so that it can
// be compared with the number of stored ones.
func readShape(t *safetensors.Tensor) ([]int, error) {
	dims, err := container.Vector[uint32](t, safetensors.U32)
	if err != nil {
		return nil, err
	}
	if len(dims) == 0 {
		return nil, errors.New("an empty shape")
	}
	shape, n := make([]int, len(dims)), 1
	for i, d := range dims {
		if d == 0 || int64(n)*int64(d) > math.MaxInt32 {
			return nil, fmt.Errorf("shape %v: want dimensions above 0, and at most %d values", dims, math.MaxInt32)
		}
		shape[i] = int(d)
		n *= int(d)
	}
	return shape, nil
}

// partsOf lists the parts of a coded tensor, sorted by name.
func partsOf(parts map[string]*safetensors.Tensor) []container.Part {
	var out []container.Part
	for name, t := range parts {
		out = append(out, container.Part{Name: name, DType: t.DType, Shape: slices.Clone(t.Shape), Data: t.Data})
	}
	slices.SortFunc(out, func(a, b container.Part) int { return strings.Compare(a.Name, b.Name) })
	return out
}
