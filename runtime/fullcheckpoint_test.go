package runtime

import (
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/safetensors"
)

// fullCheckpoint gives a network all weights of a tuned checkpoint, straight from
// the file: without delta and without sharing, as the reference for both.
type fullCheckpoint struct{ *Base }

func (f fullCheckpoint) tensor(name string) *safetensors.Tensor {
	_, t := f.findTensor(name)
	return t
}

func (f fullCheckpoint) Matrix(name string) (*gemm.Matrix, error) {
	t := f.tensor(name)
	if t == nil {
		return nil, errMissing
	}
	rows, columns := t.Shape[0], t.Len()/t.Shape[0]
	var err error
	m := gemm.Pack(rows, columns, func(i int, dst []float32) {
		if e := t.Float32s(dst, i*columns); e != nil {
			err = e
		}
	})
	return m, err
}

func (f fullCheckpoint) Table(name string) (models.Table, error) {
	t := f.tensor(name)
	if t == nil {
		return nil, errMissing
	}
	return table{t}, nil
}

func (f fullCheckpoint) Vector(name string) ([]float32, error) {
	t := f.tensor(name)
	if t == nil {
		return nil, errMissing
	}
	v := make([]float32, t.Len())
	return v, t.Float32s(v, 0)
}
