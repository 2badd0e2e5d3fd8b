package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"

	"kenserve/delta"
	"kenserve/internal/stage"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/safetensors"
)

// headDelta writes a temporary delta of the model in the folder dir from itself, which is
// its head and nothing else. If the model has no head, as a base has none, the head is
// random, with the labels of the configuration; it takes the same time to compute. The
// caller removes the folder.
func headDelta(dir string) (path string, temporary *stage.Folder, err error) {
	config, err := models.ReadConfig(dir)
	if err != nil {
		return "", nil, err
	}
	arch, err := families.New(config)
	if err != nil {
		return "", nil, err
	}
	c, err := safetensors.OpenCheckpoint(dir)
	if err != nil {
		return "", nil, err
	}
	defer c.Close()
	folder, err := filepath.Abs(dir)
	if err != nil {
		return "", nil, err
	}
	if temporary, err = stage.NewTemporary(); err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			_ = temporary.Remove()
		}
	}()
	path = temporary.Path(filepath.Base(folder) + delta.Extension)
	w, err := delta.Create(path)
	if err != nil {
		return "", nil, err
	}
	defer w.Abort()
	rng := rand.New(rand.NewPCG(1, 1))
	for _, p := range arch.Head(len(config.Labels)) {
		n := 1
		for _, d := range p.Shape {
			n *= d
		}
		values := make([]float32, n)
		if t, ok := c.Tensor(p.Name); !ok {
			for i := range values {
				values[i] = float32(rng.NormFloat64() / math.Sqrt(float64(p.Shape[len(p.Shape)-1])))
			}
		} else if t.Len() != n {
			return "", nil, fmt.Errorf("head of %s: tensor %s has shape %v, by the configuration it must be %v", dir, p.Name, t.Shape, p.Shape)
		} else if err := t.Float32s(values, 0); err != nil {
			return "", nil, err
		}
		if err := w.Dense(&safetensors.Tensor{Name: p.Name, DType: safetensors.F32, Shape: p.Shape, Data: safetensors.Bytes(values)}); err != nil {
			return "", nil, err
		}
	}
	err = w.Finish(delta.Info{
		BaseSHA256: delta.Fingerprint(c), Labels: config.Labels, Selection: "head", Coding: delta.Float32, Producer: "kenserve bench",
	})
	return path, temporary, err
}
