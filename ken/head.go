package ken

import "kenserve/safetensors"

// isHead reports whether a tensor of the base belongs to the task's head.
func (o *Options) isHead(name string) bool { return o.Head != nil && o.Head(name) }

// headTensor returns the tensor to store for t, a tensor of the head.
func (o *Options) headTensor(t *safetensors.Tensor) *safetensors.Tensor {
	if o.HeadTensor != nil {
		if other := o.HeadTensor(t.Name); other != nil {
			return other
		}
	}
	return t
}

// widenToFloat32 returns a float32 copy of a tensor of floats, under another name.
func widenToFloat32(name string, t *safetensors.Tensor) *safetensors.Tensor {
	values := make([]float32, t.Len())
	if err := t.Float32s(values, 0); err != nil { // Match lists only tensors of floats as shared
		panic(err)
	}
	return &safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: t.Shape, Data: safetensors.Bytes(values)}
}
