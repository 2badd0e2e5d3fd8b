package auto

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestWritePlot checks that the extension of the path decides the format.
func TestWritePlot(t *testing.T) {
	w := &simulation{texts: 200, quality: typical, size: typicalSize}
	r, err := w.search(0.02).Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for name, begins := range map[string]string{"a.svg": "<?xml", "b.png": "\x89PNG"} {
		path := filepath.Join(t.TempDir(), name)
		if err := WritePlot(path, r); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(data, []byte(begins)) {
			t.Errorf("%s begins with %.8q (%v)", name, data, err)
		}
	}
	if err := WritePlot("c.pdf", r); err == nil {
		t.Error("c.pdf: no error")
	}
	if err := WritePlot(filepath.Join(t.TempDir(), "d.svg"), &Result{Points: []Point{{Bytes: 10}}, Full: Point{Bytes: 10}}); err != nil {
		t.Errorf("a single point: %v", err)
	}
	text, err := json.Marshal(r)
	if err != nil || !bytes.Contains(text, []byte(`"selection":"delta","budget":"row"`)) {
		t.Errorf("%.200s (%v)", text, err)
	}
}
