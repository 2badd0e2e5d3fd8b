package pack

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"kenserve/delta"
	"kenserve/delta/internal/deltatest"
)

// TestVersion1: a file that was packed before version 2 unpacks to the file of
// version 1 that was packed, and packing that one gives the same bytes again.
func TestVersion1(t *testing.T) {
	base, _, _ := deltatest.Sample()
	s, err := Open("testdata/version1.ken")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fast, small := filepath.Join(t.TempDir(), "fast.ken"), filepath.Join(t.TempDir(), "small.ken")
	if err := s.Unpack(fast, base, s.BaseSHA256); err != nil {
		t.Fatal(err)
	}
	d, err := delta.Open(fast)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := Write(d, small, base, d.BaseSHA256); err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{{fast, "../testdata/version1.ken"}, {small, "testdata/version1.ken"}} {
		got, err := os.ReadFile(pair[0])
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(pair[1])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from the file that an earlier program wrote", pair[1])
		}
	}
}
