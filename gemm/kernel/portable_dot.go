package kernel

// Dot returns the scalar product of x and y, which are equally long. The length is a
// multiple of 16.
func Dot(x, y []float32) float32 { return dotPortable(x, y) }

// dotPortable is the reference of Dot.
func dotPortable(x, y []float32) float32 {
	var s0, s1, s2, s3 float32
	for i := 0; i+4 <= len(x); i += 4 {
		a, b := x[i:i+4:i+4], y[i:i+4:i+4]
		s0 += float32(a[0] * b[0])
		s1 += float32(a[1] * b[1])
		s2 += float32(a[2] * b[2])
		s3 += float32(a[3] * b[3])
	}
	return (s0 + s1) + (s2 + s3)
}
