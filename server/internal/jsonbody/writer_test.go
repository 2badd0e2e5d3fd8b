package jsonbody

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAppendString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "s")
		b := AppendString([]byte("x"), want)
		var got string
		if err := json.Unmarshal(b[1:], &got); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if b[0] != 'x' || got != string([]rune(want)) { // []rune replaces what is not UTF-8
			t.Fatalf("%q was written as %q", want, b)
		}
	})
}

func TestAppendFloat(t *testing.T) {
	for _, c := range []struct {
		v    float32
		want string
	}{
		{0, "0.0"}, {1, "1.0"}, {-3, "-3.0"}, {0.1, "0.1"}, {0.98, "0.98"}, {1e-7, "1e-07"}, {1234567, "1.234567e+06"},
		{math.MaxFloat32, "3.4028235e+38"}, {math.SmallestNonzeroFloat32, "1e-45"}, {float32(math.Copysign(0, -1)), "-0.0"},
	} {
		if got := string(AppendFloat(nil, c.v)); got != c.want {
			t.Errorf("%g was written as %s, want %s", c.v, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		v := math.Float32frombits(rapid.Uint32().Draw(t, "bits"))
		if v-v != 0 {
			t.Skip()
		}
		b := AppendFloat([]byte("1"), v)[1:]
		got, err := strconv.ParseFloat(string(b), 32)
		if err != nil || float32(got) != v || !json.Valid(b) || !strings.ContainsAny(string(b), ".e") {
			t.Fatalf("%g was written as %s", v, b)
		}
	})
}
