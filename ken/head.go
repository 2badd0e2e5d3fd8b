package ken

import (
	"kenserve/safetensors"
)

func (o *Options) isHead(name string) bool { return o.Head != nil && o.Head(name) }

// headTensor returns what is stored of a tensor of the head.
func (o *Options) headTensor(t *safetensors.Tensor) *safetensors.Tensor {
	if o.HeadTensor != nil {
		if other := o.HeadTensor(t.Name); other != nil {
			return other
		}
	}
	return t
}

// widened returns a tensor of floats in float32, under another name.
func widenToFloat32(name string, t *safetensors.Tensor) *safetensors.Tensor {
	values := make([]float32, t.Len())
	if err := t.Float32s(values, 0); err != nil { // Match lets floats through only
		panic(err)
	}
	return &safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: t.Shape, Data: safetensors.Bytes(values)}
}
