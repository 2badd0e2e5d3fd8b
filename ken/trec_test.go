package ken

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"kenserve/safetensors"
)

// TestTrec compares all rows of a whole fine-tuned checkpoint, of 102 tensors, with
// what the published implementation kept with k=192. The checkpoint is not part of
// the repository. To run the test, set KENSERVE_TREC to the folder of the demo's trec
// classifier before pruning, a Hugging Face folder in full precision.
//
// testdata/trec-k192.json has the SHA-256 of every tensor's mask: eight columns a
// byte, least significant bit first, every row padded to a whole byte.
func TestTrec(t *testing.T) {
	dir := os.Getenv("KENSERVE_TREC")
	if dir == "" {
		t.Skip("KENSERVE_TREC is not set to the folder of the trec checkpoint")
	}
	content, err := os.ReadFile("testdata/trec-k192.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		K       int                   `json:"k"`
		Tensors map[string]maskGolden `json:"tensors"`
	}
	if err := json.Unmarshal(content, &golden); err != nil {
		t.Fatal(err)
	}
	checkpoint, err := safetensors.OpenCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer checkpoint.Close()

	compareMasks(t, checkpoint, golden.K, golden.Tensors)
}

// maskGolden is the mask that the reference chose for a tensor.
type maskGolden struct {
	Kept   int    `json:"kept"`
	SHA256 string `json:"mask_sha256"`
}

// compareMasks selects k weights of every row of the checkpoint's tensors and compares
// the masks with the goldens.
func compareMasks(t *testing.T, checkpoint *safetensors.Checkpoint, k int, goldens map[string]maskGolden) {
	t.Helper()
	selector := newSelector(t, KEN)
	rows := 0
	for name, want := range goldens {
		tensor, ok := checkpoint.Tensor(name)
		if !ok {
			t.Errorf("%s: not in the checkpoint", name)
			continue
		}
		height, width := tensor.Rows()
		row := make([]float32, width)
		mask := make([]uint64, maskWords(width))
		digest := sha256.New()
		kept := 0
		for r := range height {
			if err := tensor.Float32s(row, r*width); err != nil {
				t.Fatal(err)
			}
			if err := selector.choose(mask, rowPair{tuned: row}, k); err != nil {
				t.Fatalf("%s: row %d: %v", name, r, err)
			}
			kept += countBits(mask)
			for j := 0; j < width; j += 8 {
				digest.Write([]byte{byte(mask[j/64] >> (j % 64))})
			}
		}
		rows += height
		if got := hex.EncodeToString(digest.Sum(nil)); got != want.SHA256 || kept != want.Kept {
			t.Errorf("%s: %d weights kept with masks %s, want %d with %s", name, kept, got, want.Kept, want.SHA256)
		}
	}
	t.Logf("%d rows of %d tensors", rows, len(goldens))
}
