package bert_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"kenserve/internal/parallel"
	"kenserve/models"
	"kenserve/models/internal/modeltest"
)

var checkpoints = []string{"plain", "odd", "one", "wide"}

func load(t testing.TB, name string) (models.Architecture, models.Network, []modeltest.Golden) {
	t.Helper()
	dir := filepath.Join("testdata", name)
	_, arch, weights := modeltest.Load(t, dir)
	network, err := arch.Bind(weights)
	if err != nil {
		t.Fatal(err)
	}
	return arch, network, modeltest.ReadGoldens(t, filepath.Join(dir, "goldens.json"))
}

func TestLogitsAgainstHuggingFace(t *testing.T) {
	pool := parallel.NewPool(3)
	defer pool.Close()
	for _, name := range checkpoints {
		_, network, goldens := load(t, name)
		for poolName, p := range map[string]*parallel.Pool{"alone": nil, "shared": pool} {
			w := models.NewWorkspace(p)
			for _, size := range []int{1, 2, 5, len(goldens)} {
				worst := modeltest.Compare(t, network, w, goldens, size)
				t.Logf("%s, %s, batches of %d: largest difference %.2e", name, poolName, size, worst)
				if worst > 1e-5 {
					t.Errorf("%s, %s, batches of %d: logits differ by %v", name, poolName, size, worst)
				}
			}
		}
	}
}

// TestLogitsDoNotDependOnTheBatch: the logits of a sequence have the same bits in
// any batch and on any number of cores.
func TestLogitsDoNotDependOnTheBatch(t *testing.T) {
	pool := parallel.NewPool(2)
	defer pool.Close()
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range checkpoints {
		_, network, goldens := load(t, name)
		n := network.Labels()
		alone := make([][]float32, len(goldens))
		for i, g := range goldens {
			alone[i] = make([]float32, n)
			if err := network.Forward(models.NewWorkspace(nil), modeltest.Join(g), alone[i]); err != nil {
				t.Fatal(err)
			}
		}
		w := models.NewWorkspace(pool)
		for range 20 {
			var batch []modeltest.Golden
			var which []int
			for range 1 + r.IntN(60) {
				i := r.IntN(len(goldens))
				batch, which = append(batch, goldens[i]), append(which, i)
			}
			logits := make([]float32, len(batch)*n)
			if err := network.Forward(w, modeltest.Join(batch...), logits); err != nil {
				t.Fatal(err)
			}
			for k, i := range which {
				for j := range n {
					if got, want := logits[k*n+j], alone[i][j]; got != want {
						t.Fatalf("%s: logit %d of sequence %d is %v in a batch of %d, %v alone", name, j, i, got, len(batch), want)
					}
				}
			}
		}
	}
}

// TestNoTypesAreZeroTypes: a batch without token types is a batch with types of 0.
func TestNoTypesAreZeroTypes(t *testing.T) {
	_, network, goldens := load(t, "plain")
	b := modeltest.Join(goldens[0], goldens[2], goldens[4])
	want, got := make([]float32, 9), make([]float32, 9)
	w := models.NewWorkspace(nil)
	if err := network.Forward(w, b, want); err != nil {
		t.Fatal(err)
	}
	b.TypeIDs = nil
	if err := network.Forward(w, b, got); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("without types %v, with types of 0 %v", got, want)
	}
}

func TestForwardRefusesBadBatches(t *testing.T) {
	arch, network, _ := load(t, "plain") // 97 token ids, 2 types, 40 positions
	if arch.MaxTokens() != 40 {
		t.Errorf("MaxTokens is %d", arch.MaxTokens())
	}
	long := make([]int32, 41)
	for name, b := range map[string]*models.Batch{
		"id beyond the vocabulary":  {IDs: []int32{1, 97}, Ends: []int{2}},
		"negative id":               {IDs: []int32{-1}, Ends: []int{1}},
		"unknown type":              {IDs: []int32{1}, TypeIDs: []int32{2}, Ends: []int{1}},
		"negative type":             {IDs: []int32{1}, TypeIDs: []int32{-1}, Ends: []int{1}},
		"missing type":              {IDs: []int32{1, 2}, TypeIDs: []int32{0}, Ends: []int{2}},
		"too long":                  {IDs: long, Ends: []int{41}},
		"empty sequence":            {IDs: []int32{1}, Ends: []int{1, 1}},
		"first sequence empty":      {IDs: []int32{1}, Ends: []int{0, 1}},
		"decreasing ends":           {IDs: []int32{1, 2}, Ends: []int{2, 1}},
		"end after the last token":  {IDs: []int32{1}, Ends: []int{2}},
		"tokens after the last end": {IDs: []int32{1, 2}, Ends: []int{1}},
	} {
		logits := make([]float32, 3*len(b.Ends))
		if err := network.Forward(models.NewWorkspace(nil), b, logits); !errors.Is(err, models.ErrBatch) {
			t.Errorf("%s: got error %v, want models.ErrBatch", name, err)
		}
	}
	err := network.Forward(models.NewWorkspace(nil), &models.Batch{IDs: []int32{1}, Ends: []int{1}}, make([]float32, 2))
	if err == nil || errors.Is(err, models.ErrBatch) {
		t.Errorf("logits too short: error %v", err)
	}
	if err := network.Forward(models.NewWorkspace(nil), &models.Batch{}, nil); err != nil {
		t.Errorf("no sequences: error %v", err)
	}
}

func TestBindRefusesWrongWeights(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(w modeltest.Weights)
	}{
		{"missing matrix", func(w modeltest.Weights) { delete(w, "encoder.layer.1.output.dense.weight") }},
		{"missing table", func(w modeltest.Weights) { delete(w, "embeddings.position_embeddings.weight") }},
		{"missing vector", func(w modeltest.Weights) { delete(w, "pooler.dense.bias") }},
		{"matrix of the wrong shape", func(w modeltest.Weights) {
			w["encoder.layer.0.intermediate.dense.weight"] = modeltest.Tensor{Shape: []int{64, 31}, Data: make([]float32, 64*31)}
		}},
		{"head of the wrong shape", func(w modeltest.Weights) {
			w["classifier.weight"] = modeltest.Tensor{Shape: []int{3, 31}, Data: make([]float32, 3*31)}
		}},
		{"vector of the wrong length", func(w modeltest.Weights) {
			w["embeddings.LayerNorm.bias"] = modeltest.Tensor{Shape: []int{31}, Data: make([]float32, 31)}
		}},
	} {
		_, arch, weights := modeltest.Load(t, filepath.Join("testdata", "plain"))
		c.change(weights)
		if _, err := arch.Bind(weights); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
}

func TestForwardIsSafeForManyGoroutines(t *testing.T) {
	pool := parallel.NewPool(2)
	defer pool.Close()
	_, network, goldens := load(t, "odd")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			w := models.NewWorkspace(pool)
			for range 5 {
				if worst := modeltest.Compare(t, network, w, goldens, 6); worst > 1e-5 {
					t.Errorf("logits differ by %v", worst)
				}
			}
		})
	}
	wg.Wait()
}

func TestForwardAllocatesNothing(t *testing.T) {
	pool := parallel.NewPool(2)
	defer pool.Close()
	_, network, goldens := load(t, "wide")
	b := modeltest.Join(goldens...)
	logits := make([]float32, len(b.Ends)*network.Labels())
	for name, p := range map[string]*parallel.Pool{"alone": nil, "shared": pool} {
		w := models.NewWorkspace(p)
		for range 2 { // the buffers grow in the first round
			if err := network.Forward(w, b, logits); err != nil {
				t.Fatal(err)
			}
		}
		if got := testing.AllocsPerRun(20, func() {
			if err := network.Forward(w, b, logits); err != nil {
				t.Fatal(err)
			}
		}); got != 0 {
			t.Errorf("%s: %v allocations per forward pass", name, got)
		}
	}
}
