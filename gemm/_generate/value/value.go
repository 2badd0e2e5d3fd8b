// Package value names the value codings for which kernels are generated.
package value

// Coding is a way to store kept values. Its name is a part of the names of the
// kernels for it, and is the name of the constant of package sparse.
type Coding string

const (
	Float32  Coding = "Float32"
	BFloat16 Coding = "BFloat16"
	Int8     Coding = "Int8"
	Int4     Coding = "Int4"
	Sign     Coding = "Sign"
)

// Codings lists all codings.
var Codings = []Coding{Float32, BFloat16, Int8, Int4, Sign}

// Scaled reports whether values of the coding are multiplied by a scale.
func (c Coding) Scaled() bool { return c == Int8 || c == Int4 || c == Sign }
