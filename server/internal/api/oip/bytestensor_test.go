package oip

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBytesTensor(t *testing.T) {
	for _, c := range []struct {
		name, data string
		want       []string
		err        string
	}{
		{"empty", "", nil, ""},
		{"one", "\x03\x00\x00\x00abc", []string{"abc"}, ""},
		{"empty elements", "\x00\x00\x00\x00\x00\x00\x00\x00", []string{"", ""}, ""},
		{"two", "\x01\x00\x00\x00a\x02\x00\x00\x00bc", []string{"a", "bc"}, ""},
		{"truncated length", "\x01\x00\x00\x00a\x02\x00", nil, "ends inside the length of element 1"},
		{"truncated element", "\x04\x00\x00\x00abc", nil, "has 4 bytes in element 0, only 3 are left"},
		{"the largest length", "\xff\xff\xff\xffabc", nil, "has 4294967295 bytes in element 0, only 3 are left"},
		{"too many", strings.Repeat("\x00\x00\x00\x00", 4), nil, "too many elements"},
	} {
		got, err := readBytesTensor(c.data, 3)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func FuzzBytesTensor(f *testing.F) {
	for _, data := range []string{"", "\x00\x00\x00\x00", "\x03\x00\x00\x00abc\x01\x00\x00\x00d", "\xff\xff\xff\xff", "\x01\x00"} {
		f.Add(data, 3)
	}
	f.Fuzz(func(t *testing.T, data string, maxElements int) {
		maxElements = maxElements & 0xff
		got, err := readBytesTensor(data, maxElements)
		switch {
		case errors.Is(err, errTooManyElements):
			// The data must have room for that many elements.
			if len(data) < 4*maxElements {
				t.Fatalf("%d bytes cannot hold more than %d elements", len(data), maxElements)
			}
		case err != nil:
			if len(err.Error()) > 100 {
				t.Fatalf("%v", err)
			}
		case len(got) > maxElements:
			t.Fatalf("%d elements, at most %d", len(got), maxElements)
		case string(appendBytesTensor(nil, got)) != data:
			t.Fatalf("%q was read as %q", data, got)
		}
	})
}
