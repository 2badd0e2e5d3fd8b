package kernel

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// levelVariable is the environment variable that forces a level of kernels, for
// tests and comparisons: portable, avx2 or avx512.
const levelVariable = "KENSERVE_KERNELS"

// Level is a set of kernels. Levels are ordered: a higher one needs a processor with
// more vector instructions.
type Level uint8

const (
	Portable Level = iota // Go, for every architecture
	AVX2                  // amd64 with AVX2, FMA and BMI2
	AVX512                // amd64 with AVX-512 F, BW, DQ and VL; uses VNNI and BF16 where present
)

var levelNames = []string{Portable: "portable", AVX2: "avx2", AVX512: "avx512"}

// String returns the name of the level, as in levelVariable.
func (l Level) String() string { return levelNames[l] }

// current is the level in use. It is set before main starts; only tests change it.
var current, currentErr = chooseLevel(os.Getenv(levelVariable), SupportedLevels())

// chooseLevel returns the level with the given name, or the best supported level if
// name is empty. An unknown or unsupported name is an error, with the best level.
// supported is in rising order.
func chooseLevel(name string, supported []Level) (Level, error) {
	best := supported[len(supported)-1]
	if name == "" {
		return best, nil
	}
	i := slices.Index(levelNames, name)
	if i < 0 {
		return best, fmt.Errorf("gemm/kernel: %s is %q, want %s", levelVariable, name, strings.Join(levelNames, " or "))
	}
	if !slices.Contains(supported, Level(i)) {
		return best, fmt.Errorf("gemm/kernel: %s is %s, but this processor or build has no %s kernels", levelVariable, name, name)
	}
	return Level(i), nil
}

// CurrentLevel returns the level in use: the best that the processor supports, or the
// one that levelVariable names. The error says that the variable names an unknown or
// unsupported level; then the best level is in use.
func CurrentLevel() (Level, error) { return current, currentErr }

// UseLevel makes a supported level the one in use, and returns the level before. It
// is for tests: no kernel may run at the same time.
func UseLevel(l Level) (before Level) {
	if !slices.Contains(SupportedLevels(), l) {
		panic("gemm/kernel: use of an unsupported level")
	}
	before, current = current, l
	return before
}
