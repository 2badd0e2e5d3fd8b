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
		{"nothing", "", nil, ""},
		{"one", "\x03\x00\x00\x00abc", []string{"abc"}, ""},
		{"empty ones", "\x00\x00\x00\x00\x00\x00\x00\x00", []string{"", ""}, ""},
		{"two", "\x01\x00\x00\x00a\x02\x00\x00\x00bc", []string{"a", "bc"}, ""},
		{"cut in a length", "\x01\x00\x00\x00a\x02\x00", nil, "ends inside the length of element 1"},
		{"cut in an element", "\x04\x00\x00\x00abc", nil, "has element 0 of 4 bytes, 3 are left"},
		{"the largest length", "\xff\xff\xff\xffabc", nil, "has element 0 of 4294967295 bytes, 3 are left"},
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
	f.Fuzz(func(t *testing.T, data string, most int) {
		most = most & 0xff
		got, err := readBytesTensor(data, most)
		switch {
		case errors.Is(err, errTooManyElements):
			// What comes before is a tensor of as many as there may be.
			if len(data) < 4*most {
				t.Fatalf("%d bytes are too many elements for %d", len(data), most)
			}
		case err != nil:
			if len(err.Error()) > 100 {
				t.Fatalf("%v", err)
			}
		case len(got) > most:
			t.Fatalf("%d elements, at most %d", len(got), most)
		case string(appendBytesTensor(nil, got)) != data:
			t.Fatalf("%q was read as %q", data, got)
		}
	})
}
