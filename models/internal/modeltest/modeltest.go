// Package modeltest helps to test model families against checkpoints.
package modeltest

import (
	"fmt"
	"testing"

	"kenserve/gemm"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/safetensors"
)

// Weights are all tensors of a fine-tuned checkpoint in float32, by their names
// without the architecture's prefix. They implement models.Params.
type Weights map[string]Tensor

// Tensor is a row-major tensor.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Load reads a fine-tuned Hugging Face folder. The test fails unless the folder
// has exactly the tensors that the architecture lists.
func Load(t testing.TB, dir string) (*models.Config, models.Architecture, Weights) {
	t.Helper()
	config, err := models.ReadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	arch, err := families.New(config)
	if err != nil {
		t.Fatal(err)
	}
	checkpoint, err := safetensors.OpenCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer checkpoint.Close()
	weights := Weights{}
	for _, p := range append(arch.Parameters(), arch.Head(len(config.Labels))...) {
		name := p.Name
		if !p.Head {
			name = arch.Prefix() + name
		}
		tensor, ok := checkpoint.Tensor(name)
		if !ok {
			t.Fatalf("%s has no tensor %s", dir, name)
		}
		if fmt.Sprint(tensor.Shape) != fmt.Sprint(p.Shape) {
			t.Fatalf("%s is %v, want %v", name, tensor.Shape, p.Shape)
		}
		w := Tensor{Shape: p.Shape, Data: make([]float32, tensor.Len())}
		if err := tensor.Float32s(w.Data, 0); err != nil {
			t.Fatal(err)
		}
		weights[p.Name] = w
	}
	if got := len(checkpoint.Names()); got != len(weights) {
		t.Fatalf("%s has %d tensors, the architecture lists %d", dir, got, len(weights))
	}
	return config, arch, weights
}

// get returns a tensor with at least the given number of dimensions.
func (w Weights) get(name string, dims int) (Tensor, error) {
	t, ok := w[name]
	if !ok {
		return t, fmt.Errorf("no tensor %s", name)
	}
	if len(t.Shape) < dims {
		return t, fmt.Errorf("tensor %s has shape %v, want at least %d dimensions", name, t.Shape, dims)
	}
	return t, nil
}

// Matrix packs the weight of a dense layer.
func (w Weights) Matrix(name string) (*gemm.Matrix, error) {
	t, err := w.get(name, 2)
	if err != nil {
		return nil, err
	}
	p := models.Parameter{Shape: t.Shape}
	n, k := p.Matrix()
	return gemm.Pack(n, k, func(i int, dst []float32) { copy(dst, t.Data[i*k:]) }), nil
}

// Vector returns a bias, gamma or beta.
func (w Weights) Vector(name string) ([]float32, error) {
	t, err := w.get(name, 1)
	return t.Data, err
}

// Table returns an embedding table.
func (w Weights) Table(name string) (models.Table, error) {
	t, err := w.get(name, 2)
	return table{t}, err
}

type table struct{ t Tensor }

func (t table) Row(i int, dst []float32) {
	width := t.t.Shape[1]
	copy(dst, t.t.Data[i*width:][:width])
}
