package ken

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"kenserve/safetensors"
)

// TestFamilies compares the masks of a tiny checkpoint of every family with those of
// the reference procedure. The families differ in the names, shapes and dtypes of
// their tensors. testdata/family_masks.py made the digests.
func TestFamilies(t *testing.T) {
	text, err := os.ReadFile("testdata/families.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		K       int
		Folders map[string]map[string]maskGolden
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Folders) != 10 {
		t.Errorf("%d checkpoints, want one of each of 10 families", len(golden.Folders))
	}
	for folder, tensors := range golden.Folders {
		checkpoint, err := safetensors.OpenCheckpoint(filepath.Join("../models", folder))
		if err != nil {
			t.Fatal(err)
		}
		defer checkpoint.Close()
		if got := len(checkpoint.Names()); got != len(tensors) {
			t.Errorf("%s: %d tensors, want %d", folder, got, len(tensors))
		}
		compareMasks(t, checkpoint, golden.K, tensors)
	}
}
