package safetensors

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// TestStream: a stream reads the same names, types, shapes and bytes as a mapped
// checkpoint has, and a file that is cut meanwhile is an error.
func TestStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), WeightsFile)
	tensors := []Tensor{
		{Name: "a", DType: F32, Shape: []int{2, 3}, Data: bytes.Repeat([]byte{1, 2, 3, 4}, 6)},
		{Name: "b", DType: F16, Shape: []int{5}, Data: []byte("0123456789")},
		{Name: "empty", DType: F32, Shape: []int{0, 4}},
		{Name: "z", DType: U8, Shape: []int{3}, Data: []byte{7, 8, 9}},
	}
	var entries []Entry
	for i := range tensors {
		entries = append(entries, tensors[i].Entry())
	}
	if err := WriteFile(path, nil, entries); err != nil {
		t.Fatal(err)
	}
	s, err := OpenStream(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	buffer := make([]byte, 12) // too small for the first
	for _, want := range tensors {
		if unread, ok := s.Tensor(want.Name); !ok || unread.Len() != want.Len() || unread.Float32s(make([]float32, 1), 0) == nil {
			t.Errorf("%s: before reading: %v", want.Name, unread)
		}
		got, err := s.Read(want.Name, buffer)
		if err != nil || got.DType != want.DType || len(got.Shape) != len(want.Shape) || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("%s: %v, %v", want.Name, got, err)
		}
	}
	if _, err := s.Read("none", nil); err == nil {
		t.Error("read a tensor that is not there")
	}
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read("z", nil); err == nil {
		t.Error("read a tensor that was cut off")
	}
}

// float32s implements Values.
type float32s []float32

func (f float32s) Float32s(dst []float32, from int) { copy(dst, f[from:]) }

// TestFromValues: a tensor of values writes the bytes that the values came from, for each
// half-precision number.
func TestFromValues(t *testing.T) {
	for _, dtype := range []DType{F16, BF16} {
		var file Tensor
		file.Name, file.DType, file.Shape = "t", dtype, []int{256, 256}
		for i := range 1 << 16 {
			file.Data = append(file.Data, byte(i), byte(i>>8))
		}
		values := make(float32s, 1<<16)
		if err := file.Float32s(values, 0); err != nil {
			t.Fatal(err)
		}
		again := FromValues("t", dtype, file.Shape, values)
		var written bytes.Buffer
		if err := again.Write(&written); err != nil || !bytes.Equal(written.Bytes(), file.Data) {
			for i, b := range written.Bytes() {
				if b != file.Data[i] {
					t.Errorf("%s: number %#04x became %#04x", dtype, file.Data[i&^1:i&^1+2], written.Bytes()[i&^1:i&^1+2])
					break
				}
			}
		}
		part := make([]float32, 3)
		if err := again.Float32s(part, 1000); err != nil || math.Float32bits(part[2]) != math.Float32bits(values[1002]) || again.Len() != 1<<16 {
			t.Errorf("%s: %v, %v", dtype, part, err)
		}
		if again.Float32s(part, 1<<16-2) == nil {
			t.Error("read elements beyond the tensor")
		}
	}
}
