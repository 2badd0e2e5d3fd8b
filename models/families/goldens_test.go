package families_test

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"kenserve/internal/parallel"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/models/internal/modeltest"
)

// folders returns the small checkpoints in testdata. testdata/make_goldens.py
// writes them.
func folders(t testing.TB) []string {
	t.Helper()
	list, err := filepath.Glob("testdata/*-*")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{"bert": true} // package bert has its own goldens
	for _, dir := range list {
		c, err := models.ReadConfig(dir)
		if err != nil {
			t.Fatal(err)
		}
		found[c.ModelType] = true
	}
	for _, name := range families.Names() {
		if !found[name] {
			t.Errorf("there are no goldens for %s", name)
		}
	}
	return list
}

func load(t testing.TB, dir string) (models.Architecture, models.Network, []modeltest.Golden) {
	t.Helper()
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
	for _, dir := range folders(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			_, network, goldens := load(t, dir)
			worst := 0.0
			for _, p := range []*parallel.Pool{nil, pool} {
				w := models.NewWorkspace(p)
				for _, size := range []int{1, 2, 5, len(goldens)} {
					worst = max(worst, modeltest.Compare(t, network, w, goldens, size))
				}
			}
			t.Logf("largest difference %.2e", worst)
			// The kernels of the reference fuse products and sums. The portable
			// kernels round between the two; that alone gives 1.2e-5 here.
			if worst > 2e-5 {
				t.Errorf("logits differ by %v", worst)
			}
		})
	}
}

// TestLogitsDoNotDependOnTheBatch: the logits of a sequence have the same bits in
// any batch and on any number of cores.
func TestLogitsDoNotDependOnTheBatch(t *testing.T) {
	pool := parallel.NewPool(2)
	defer pool.Close()
	r := rand.New(rand.NewPCG(1, 2))
	for _, dir := range folders(t) {
		_, network, goldens := load(t, dir)
		n := network.Labels()
		alone := make([][]float32, len(goldens))
		for i, g := range goldens {
			alone[i] = make([]float32, n)
			if err := network.Forward(models.NewWorkspace(nil), modeltest.Join(g), alone[i]); err != nil {
				t.Fatal(err)
			}
		}
		w := models.NewWorkspace(pool)
		for range 5 {
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
						t.Fatalf("%s: logit %d of sequence %d is %v in a batch of %d, %v alone", dir, j, i, got, len(batch), want)
					}
				}
			}
		}
	}
}

func TestForwardAllocatesNothing(t *testing.T) {
	pool := parallel.NewPool(2)
	defer pool.Close()
	for _, dir := range folders(t) {
		_, network, goldens := load(t, dir)
		b := modeltest.Join(goldens...)
		logits := make([]float32, len(b.Ends)*network.Labels())
		for name, p := range map[string]*parallel.Pool{"alone": nil, "shared": pool} {
			w := models.NewWorkspace(p)
			for range 2 { // the buffers grow in the first round
				if err := network.Forward(w, b, logits); err != nil {
					t.Fatal(err)
				}
			}
			if got := testing.AllocsPerRun(5, func() {
				if err := network.Forward(w, b, logits); err != nil {
					t.Fatal(err)
				}
			}); got != 0 {
				t.Errorf("%s, %s: %v allocations per forward pass", dir, name, got)
			}
		}
	}
}
