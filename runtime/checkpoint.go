package runtime

import (
	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/safetensors"
)

// FindTensor returns the checkpoint's tensor for a parameter, and its name there;
// nil if there is none. The name may begin with the architecture's prefix, as in a
// tuned checkpoint and in a base saved from one, and layer norms may have the names
// of older checkpoints.
func FindTensor(c delta.Tensors, arch models.Architecture, parameter string) (string, *safetensors.Tensor) {
	names := []string{parameter}
	if old, ok := delta.LegacyName(parameter); ok {
		names = append(names, old)
	}
	for _, name := range names {
		for _, name := range []string{name, arch.Prefix() + name} {
			if t, ok := c.Tensor(name); ok {
				return name, t
			}
		}
	}
	return "", nil
}

// BindCheckpoint binds an architecture to all weights of a tuned checkpoint, without
// a delta and without sharing: the reference for tasks. It takes a tensor from the
// first of the checkpoints that has it.
func BindCheckpoint(arch models.Architecture, checkpoints ...delta.Tensors) (models.Network, error) {
	return arch.Bind(fullCheckpoint{arch, checkpoints})
}

// fullCheckpoint implements models.Params.
type fullCheckpoint struct {
	arch        models.Architecture
	checkpoints []delta.Tensors
}

func (f fullCheckpoint) tensor(name string) (*safetensors.Tensor, error) {
	for _, c := range f.checkpoints {
		if _, t := FindTensor(c, f.arch, name); t != nil {
			return t, nil
		}
	}
	return nil, errMissing
}

// Matrix implements models.Params.
func (f fullCheckpoint) Matrix(name string) (*gemm.Matrix, error) {
	t, err := f.tensor(name)
	if err != nil {
		return nil, err
	}
	return packRows(t, nil), nil
}

// Table implements models.Params.
func (f fullCheckpoint) Table(name string) (models.Table, error) {
	t, err := f.tensor(name)
	if err != nil {
		return nil, err
	}
	return table{t}, nil
}

// Vector implements models.Params.
func (f fullCheckpoint) Vector(name string) ([]float32, error) {
	t, err := f.tensor(name)
	if err != nil {
		return nil, err
	}
	v := make([]float32, t.Len())
	return v, t.Float32s(v, 0)
}
