package delta

import (
	"os"
	"path/filepath"
	"testing"

	"kenserve/delta/internal/container"
	"kenserve/delta/internal/deltatest"
)

// TestVersion1: testdata/version1.ken is the sample as programs wrote it before
// version 2. It still opens, and its tensors are those of a new file.
func TestVersion1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.ken")
	sample(t, path)
	fresh, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile("testdata/version1.ken")
	if err != nil {
		t.Fatal(err)
	}
	d, err := parse(old)
	if err != nil {
		t.Fatal(err)
	}
	base, _, _ := deltatest.Sample()
	if err := d.Check(base, d.BaseSHA256); err != nil {
		t.Fatal(err)
	}
	a, b := deltatest.TakeApart(t, old), deltatest.TakeApart(t, fresh)
	if a.Metadata[container.VersionKey] != container.Version1 || b.Metadata[container.VersionKey] != container.Version2 {
		t.Fatalf("versions %q and %q", a.Metadata[container.VersionKey], b.Metadata[container.VersionKey])
	}
	if len(a.Tensors) != len(b.Tensors) {
		t.Fatalf("%d tensors before, %d now", len(a.Tensors), len(b.Tensors))
	}
	for i := range a.Tensors {
		if x, y := a.Tensors[i], b.Tensors[i]; x.Name != y.Name || string(x.Data) != string(y.Data) {
			t.Errorf("tensor %s differs from %s", x.Name, y.Name)
		}
	}
}
