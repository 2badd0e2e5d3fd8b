package ken

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"kenserve/safetensors"
)

// TestFamilies: the masks of a tiny checkpoint of every family are those of the
// reference procedure, whatever the tensors are called, shaped and stored as.
// testdata/family_masks.py made the digests.
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
