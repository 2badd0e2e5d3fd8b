package tune

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kenserve/bulk"
	"kenserve/dataset"
	"kenserve/delta"
	"kenserve/delta/inspect"
	"kenserve/evaluate"
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/models/tiny"
	"kenserve/runtime"
)

// texts returns a CSV with n texts, which are labelled by one of their words.
func texts(n int, seed uint64, label func(word int) string) string {
	rng := rand.New(rand.NewPCG(seed, 3))
	topics := []string{"good", "bad", "city"}
	fillers := tiny.Words[5:10]
	out := strings.Builder{}
	out.WriteString("text,label\n")
	for range n {
		c := rng.IntN(len(topics))
		words := []string{fillers[rng.IntN(len(fillers))], topics[c], fillers[rng.IntN(len(fillers))]}
		rng.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
		words = append(words, fillers[rng.IntN(len(fillers))])
		fmt.Fprintf(&out, "%s,%s\n", strings.Join(words, " "), label(c))
	}
	return out.String()
}

func names(word int) string { return []string{"praise", "blame", "place"}[word] }

func reader(t testing.TB, data string) *dataset.Reader {
	t.Helper()
	r, err := dataset.NewReader("data.csv", strings.NewReader(data), dataset.Options{Labelled: true, Unlabelled: true, Weighted: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tinyBase(t testing.TB, family string) string {
	t.Helper()
	dir := t.TempDir()
	if err := tiny.WriteFamily(dir, family, 1); err != nil {
		t.Fatal(err)
	}
	return dir
}

// options are those of a short run.
func options(t testing.TB, base string) Options {
	return Options{
		BaseDir: base, Out: filepath.Join(t.TempDir(), "t.ken"), Train: reader(t, texts(150, 1, names)), Dev: reader(t, texts(60, 2, names)), Producer: "test",
		Recipe: Recipe{Method: Sparse, Share: 0.3, Epochs: 8, Batch: 8, Rate: 1e-2, HeadRate: 2, Dropout: -1, HeadEpochs: -1, Contrastive: -1},
	}
}

func tuneOnce(t testing.TB, o Options) *Report {
	t.Helper()
	r, err := Run(context.Background(), o, Events{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRun tunes tasks of all kinds over all kinds of bases, in all ways, and classifies with
// the delta.
func TestRun(t *testing.T) {
	for _, test := range []struct {
		name, family string
		change       func(o *Options)
	}{
		{"sparse", "bert", func(o *Options) {}},
		{"signs", "bert", func(o *Options) { o.Recipe.Values, o.Recipe.HeadValues, o.Recipe.Epochs = delta.Sign, delta.Int4, 12 }},
		{"exact", "bert", func(o *Options) { o.Recipe.Values, o.Recipe.Vectors, o.Recipe.HeadValues = "f32", "f32", "f32" }},
		{"change mask", "bert", func(o *Options) { o.Recipe.Mask = "change" }},
		{"full, everything kept", "bert", func(o *Options) { o.Recipe.Method, o.Recipe.Rate = Full, 3e-3 }},
		{"full and pruned", "bert", func(o *Options) { o.Recipe.Method, o.Recipe.Rate, o.Tolerance = Full, 3e-3, 0.02 }},
		{"vectors", "bert", func(o *Options) { o.Recipe.Method, o.Recipe.Epochs = Vectors, 12 }},
		{"split", "bert", func(o *Options) { o.Dev = nil }},
		{"contrastive", "bert", func(o *Options) { o.Recipe.Contrastive, o.Recipe.HeadEpochs = 1, 1 }},
		{"search", "bert", func(o *Options) { o.Search, o.Recipe.Epochs = 2, 8 }},
		{"bfloat16", "bert", func(o *Options) { o.Compute = gemm.BFloat16 }},
		{"roberta", "roberta", func(o *Options) {}},
		{"distilbert", "distilbert", func(o *Options) {}},
		{"modernbert", "modernbert", func(o *Options) {}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options(t, tinyBase(t, test.family))
			test.change(&o)
			r := tuneOnce(t, o)
			dev := r.Dev.(*evaluate.SingleLabel)
			t.Logf("accuracy %.3f, %d bytes, temperature %.2f", dev.Accuracy, r.Bytes, r.Temperature)
			if dev.Accuracy < 0.8 {
				t.Errorf("accuracy %g on the dev set", dev.Accuracy)
			}
			// The values that were trained are those of the delta.
			if r.Recipe.Method != Full && (r.Best.Score-dev.Accuracy > 0.02 || dev.Accuracy-r.Best.Score > 0.02) {
				t.Errorf("the delta has accuracy %g, training had %g", dev.Accuracy, r.Best.Score)
			}
			c, err := bulk.Open(context.Background(), o.Out, o.BaseDir, nil, gemm.Float32)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			got, err := c.Engine.Classify(context.Background(), c.Task, []runtime.Input{{Text: "the good the is"}}, runtime.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Top(0, 1)[0].Label != "praise" || got.Temperature != r.Temperature {
				t.Errorf("scores %v at temperature %g, want praise at %g", got.Top(0, 0), got.Temperature, r.Temperature)
			}
			d, err := delta.Open(o.Out)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if report := inspect.Fast(o.Out, d, false); !bytes.Contains(report.Recipe, []byte(`"method":"`+r.Recipe.Method+`"`)) {
				t.Errorf("the delta has the recipe %s", report.Recipe)
			}
		})
	}
}

// TestProblems tunes tasks that are not of one label a text.
func TestProblems(t *testing.T) {
	base := tinyBase(t, "bert")
	for _, test := range []struct {
		name    string
		label   func(word int) string
		problem models.Problem
		check   func(t *testing.T, r *Report)
	}{
		{"several labels", func(w int) string { return []string{"praise|any", "any", "place|any"}[w] }, "", func(t *testing.T, r *Report) {
			if m := r.Dev.(*evaluate.MultiLabel); m.MicroF1 < 0.8 || len(r.Thresholds) != 3 {
				t.Errorf("micro F1 %g, thresholds %v", m.MicroF1, r.Thresholds)
			}
			served(t, base, r)
		}},
		{"regression", func(w int) string { return []string{"3100", "-900", "1100"}[w] }, models.Regression, func(t *testing.T, r *Report) {
			// Values of thousands are learnt as well as those near 1.
			if m := r.Dev.(*evaluate.Regression); *m.Pearson < 0.7 || m.MSE > 1500000 || r.Temperature != 0 {
				t.Errorf("Pearson %g, MSE %g, temperature %g", *m.Pearson, m.MSE, r.Temperature)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options(t, base)
			o.Train, o.Dev, o.Problem = reader(t, texts(150, 1, test.label)), reader(t, texts(60, 2, test.label)), test.problem
			test.check(t, tuneOnce(t, o))
		})
	}
}

// served checks that an engine applies the temperature and tells the thresholds.
func served(t *testing.T, base string, r *Report) {
	t.Helper()
	ctx := context.Background()
	c, err := bulk.Open(ctx, r.File, base, nil, gemm.Float32)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	input := []runtime.Input{{Text: "the good the is"}}
	raw, err := c.Engine.Classify(ctx, c.Task, input, runtime.Options{Raw: true})
	if err != nil {
		t.Fatal(err)
	}
	scores, err := c.Engine.Classify(ctx, c.Task, input, runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range raw.Scores[0] {
		want := 1 / (1 + math.Exp(-float64(x)/r.Temperature))
		if got := float64(scores.Scores[0][i]); math.Abs(got-want) > 1e-6 {
			t.Errorf("probability %g of a logit of %g, want %g at temperature %g", got, x, want, r.Temperature)
		}
	}
	if info, _ := c.Engine.Task(c.Task); !slices.Equal(info.Thresholds, r.Thresholds) {
		t.Errorf("the engine has thresholds %v, want %v", info.Thresholds, r.Thresholds)
	}
}

// TestTeacher tunes on labels of which half are wrong, with a teacher that knows better.
func TestTeacher(t *testing.T) {
	base := tinyBase(t, "bert")
	teacher := options(t, base)
	tuneOnce(t, teacher)
	n := 0
	wrong := func(word int) string {
		if n++; n%2 == 0 {
			return names((word + n/2) % 3)
		}
		return names(word)
	}
	o := options(t, base)
	o.Train, o.Teacher, o.Recipe.TeacherShare = reader(t, texts(150, 1, wrong)), teacher.Out, 1
	r := tuneOnce(t, o)
	if a := r.Dev.(*evaluate.SingleLabel).Accuracy; a < 0.8 {
		t.Errorf("accuracy %g with a teacher", a)
	}
	o.Train, o.Dev, o.Labels = reader(t, texts(150, 1, wrong)), reader(t, texts(60, 2, names)), []string{"praise", "blame", "place", "more"}
	if _, err := Run(context.Background(), o, Events{}); err == nil || !strings.Contains(err.Error(), "4") {
		t.Errorf("a teacher with other labels: %v", err)
	}
}

// TestKilled kills a process that tunes, again and again, and compares the delta with that of
// a run without an interruption, and of runs with other numbers of workers.
func TestKilled(t *testing.T) {
	base := tinyBase(t, "bert")
	want := ""
	for _, workers := range []int{1, 2, 4} {
		o := options(t, base)
		o.Workers, o.Recipe.Epochs = workers, 4
		tuneOnce(t, o)
		got, err := os.ReadFile(o.Out)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = string(got)
		} else if string(got) != want {
			t.Errorf("%d workers give another delta", workers)
		}
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 1))
	kills := 0
	for attempt := 0; ; attempt++ {
		if attempt > 200 {
			t.Fatal("the run does not come to its end")
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestHelperProcess$")
		cmd.Env = append(os.Environ(), "TUNE_BASE="+base, "TUNE_DIR="+dir)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		// The process works for at least a moment more in every attempt, so that some are
		// killed early and one comes to the end.
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(time.Duration(50+attempt*20+rng.IntN(150)) * time.Millisecond):
			_ = cmd.Process.Kill()
			<-done
			kills++
			continue
		}
		break
	}
	got, err := os.ReadFile(filepath.Join(dir, "t.ken"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("killed %d times", kills)
	if string(got) != want {
		t.Error("the resumed run gives another delta")
	}
	if entries, _ := filepath.Glob(filepath.Join(dir, "*.tuning")); len(entries) != 0 {
		t.Errorf("checkpoints are left: %v", entries)
	}
}

// TestHelperProcess is the process that TestKilled kills.
func TestHelperProcess(t *testing.T) {
	if os.Getenv("TUNE_DIR") == "" {
		t.Skip("for TestKilled only")
	}
	o := options(t, os.Getenv("TUNE_BASE"))
	o.Out, o.Recipe.Epochs = filepath.Join(os.Getenv("TUNE_DIR"), "t.ken"), 4
	o.Checkpoint, o.CheckpointSteps, o.Resume = filepath.Join(os.Getenv("TUNE_DIR"), "t.tuning"), 5, true
	tuneOnce(t, o)
}

// TestEnds ends runs by their context, by an error of Between, and by time.
func TestEnds(t *testing.T) {
	base := tinyBase(t, "bert")
	ctx, cancel := context.WithCancel(context.Background())
	steps := 0
	events := Events{Progress: func(Progress) {
		if steps++; steps == 20 {
			cancel()
		}
	}}
	o := options(t, base)
	if _, err := Run(ctx, o, events); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled run returns %v", err)
	}
	stop := errors.New("stop")
	o = options(t, base)
	o.Between = func(context.Context) error { return stop }
	if _, err := Run(context.Background(), o, Events{}); !errors.Is(err, stop) {
		t.Errorf("a run whose Between fails returns %v", err)
	}
	if _, err := os.Stat(o.Out); err == nil {
		t.Error("a run that failed has written a delta")
	}
	o = options(t, base)
	o.Time, o.Recipe.Epochs, o.Recipe.Values, o.Recipe.Vectors, o.Recipe.HeadValues = time.Nanosecond, 50, "f32", "f32", "f32"
	if r := tuneOnce(t, o); r.Ended == "" || r.Steps >= r.Planned {
		t.Errorf("%d of %d steps in no time, ended by %q", r.Steps, r.Planned, r.Ended)
	}
	o = options(t, base)
	o.Recipe.Rate, o.Recipe.Clip, o.Recipe.Warmup = 9, -1, -1
	if _, err := Run(context.Background(), o, Events{}); err != nil && !strings.Contains(err.Error(), "learning rate") {
		t.Errorf("a rate that is far too large: %v", err)
	}
}

func TestCheckOptions(t *testing.T) {
	for _, test := range []struct {
		want   string
		change func(o *Options)
	}{
		{"its name must be", func(o *Options) { o.Out = "x.bin" }},
		{"want one of them", func(o *Options) { o.DevShare = 0.1 }},
		{"unknown method", func(o *Options) { o.Recipe.Method = "lora" }},
		{"unknown mask", func(o *Options) { o.Recipe.Mask = "best" }},
		{"unknown decay", func(o *Options) { o.Recipe.Schedule = "step" }},
		{"unknown value coding", func(o *Options) { o.Recipe.Values = "f64" }},
		{"dropout is 1", func(o *Options) { o.Recipe.Dropout = 1 }},
		{"cannot be resumed", func(o *Options) { o.Search, o.Resume = 3, true }},
		{"class weights", func(o *Options) { o.ClassWeights = "nobody=2" }},
		{"row", func(o *Options) { o.Train = reader(t, "text,label\na,b\na\n") }},
	} {
		o := options(t, tinyBase(t, "bert"))
		test.change(&o)
		if _, err := Run(context.Background(), o, Events{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one with %q", err, test.want)
		}
	}
}
