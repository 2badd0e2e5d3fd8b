package gemm

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// KernelsVariable is the environment variable that forces a level of kernels,
// for tests and comparisons: portable, avx2 or avx512.
const KernelsVariable = "KENSERVE_KERNELS"

// level is a set of kernels.
type level uint8

const (
	portable level = iota // Go, on any architecture
	avx2                  // amd64 with AVX2 and FMA
	avx512                // amd64 with AVX-512 F, BW, DQ and VL, and VNNI and BF16 where there are
)

var levelNames = []string{portable: "portable", avx2: "avx2", avx512: "avx512"}

// current is the level in use. It is set before main and only changed by tests.
var current, currentErr = chooseLevel(os.Getenv(KernelsVariable), supportedLevels())

// chooseLevel returns the level asked for, or the best of those supported,
// which are in rising order, if none or one that cannot be used is asked for.
func chooseLevel(name string, supported []level) (level, error) {
	best := supported[len(supported)-1]
	if name == "" {
		return best, nil
	}
	i := slices.Index(levelNames, name)
	if i < 0 {
		return best, fmt.Errorf("gemm: %s is %q, want %s", KernelsVariable, name, strings.Join(levelNames, " or "))
	}
	if !slices.Contains(supported, level(i)) {
		return best, fmt.Errorf("gemm: %s asks for %s kernels, which this processor or build lacks", KernelsVariable, name)
	}
	return level(i), nil
}

// Kernels returns the name of the level of kernels in use: the best that the
// processor has, or the one that the environment variable KENSERVE_KERNELS
// names. The error is that of a variable that asks for an unknown or missing
// level; the best is in use then.
func Kernels() (string, error) { return levelNames[current], currentErr }
