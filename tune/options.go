package tune

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kenserve/dataset"
	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/tune/internal/adamw"
	"kenserve/tune/internal/examples"
	"kenserve/tune/internal/train"
)

// Options say what to tune from, and how.
type Options struct {
	BaseDir string // Hugging Face folder of the base
	Out     string // the delta file to write
	// Train has the training texts. It must have been opened with Labelled, Unlabelled and
	// Weighted.
	Train *dataset.Reader
	Dev   *dataset.Reader // texts to score on; nil: a share of the training texts

	Problem  models.Problem // empty: found from the labels
	Labels   []string       // in the order of the outputs; nil: all that occur, sorted
	DevShare float64        // share of the training texts for the dev set, if there is no other; 0: a default
	// ClassWeights are "none", "auto" or "LABEL=W,…".
	ClassWeights string
	MaxTokens    int // of a text; 0: the model's bound

	Recipe Recipe
	// Teacher is a delta file, or the folder of a tuned checkpoint or an adapter, with the
	// same labels: training also follows its scores. Empty: there is none.
	Teacher string
	// Search is the number of recipes to try; 0 and 1: one.
	Search int
	// Time bounds the training; 0: it has no bound. With a bound, results depend on the
	// speed of the machine.
	Time time.Duration

	Tolerance float64 // with Recipe.Full: accuracy that pruning may lose, in [0, 1)

	Workers int          // cores; 0: all. The result does not depend on it
	Compute gemm.Compute // Float32, or BFloat16 for products of rounded factors
	// Between, if not nil, is called between forward passes: it may wait, so that the
	// training leaves the processor to others. Its error ends the run.
	Between func(ctx context.Context) error

	Checkpoint      string // file of the checkpoint; empty: none is written
	CheckpointSteps int    // steps between two; 0: as often as takes little time
	Resume          bool   // go on from the checkpoint, if there is one

	Producer string // name and version of the program, written to the delta
	Notes    string // free text, written to the delta
}

// Recipe is how a classifier is trained. In Options 0 and "" mean the default for the data and
// the model; a number below 0 means 0.
type Recipe struct {
	// Method is the way that is used: "sparse", "full", "vectors" (biases and layer norms
	// alone) or "head" (new layers alone).
	Method string  `json:"method"`
	Share  float64 `json:"share,omitempty"` // of the encoder's weights that sparse training trains, beside vectors
	Mask   string  `json:"mask,omitempty"`  // gradient, change or base
	// Contrastive are epochs before the training in which texts of a class are brought
	// together.
	Contrastive int `json:"contrastive_epochs,omitempty"`
	// HeadEpochs are epochs before the training in which new layers alone learn.
	HeadEpochs int `json:"head_epochs,omitempty"`
	MaskEpochs int `json:"mask_epochs,omitempty"` // full epochs that choose the mask "change"

	Epochs    int     `json:"epochs"`
	Batch     int     `json:"batch"` // texts of a step
	Rate      float64 `json:"rate"`  // learning rate after the warm-up
	HeadRate  float64 `json:"head_rate"`
	Decay     float64 `json:"decay"`
	Warmup    float64 `json:"warmup"` // share of the steps
	Schedule  string  `json:"schedule"`
	Clip      float64 `json:"clip"`
	Dropout   float64 `json:"dropout"`
	Smoothing float64 `json:"smoothing"`
	// TeacherShare is the share of the teacher in the loss.
	TeacherShare float64 `json:"teacher_share,omitempty"`
	Patience     int     `json:"patience"` // evaluations without a better one that end the training

	Values     delta.Coding `json:"values"`
	Vectors    delta.Coding `json:"vector_values"`
	HeadValues delta.Coding `json:"head_values"`
	Seed       uint64       `json:"seed"`
}

// Methods of a recipe.
const (
	Sparse  = "sparse"
	Full    = "full"
	Vectors = "vectors"
	Head    = "head"
)

// Check returns an error for options that no run can have.
func (o *Options) Check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf("tune: "+format, args...)) }
	if _, ok := delta.TaskName(o.Out); !ok {
		fail("the file to write is %s; its name must be NAME%s, with letters, digits, dots, underscores and hyphens in NAME", o.Out, delta.Extension)
	}
	if !(o.DevShare >= 0 && o.DevShare < 1) {
		fail("the share of the dev set is %g, want at least 0 and below 1", o.DevShare)
	}
	if o.Dev != nil && o.DevShare != 0 {
		fail("a share of the training texts and a file of dev texts are given, want one of them")
	}
	if o.MaxTokens < 0 || o.Search < 0 || o.Time < 0 || o.Workers < 0 || o.CheckpointSteps < 0 {
		fail("a number of tokens, settings, seconds, workers or steps is below 0")
	}
	if !(o.Tolerance >= 0 && o.Tolerance < 1) {
		fail("the tolerance is %g, want at least 0 and below 1", o.Tolerance)
	}
	if o.Search > 1 && o.Resume {
		fail("a search cannot be resumed: repeat it, or train the recipe that it printed")
	}
	r := &o.Recipe
	switch r.Method {
	case "", Sparse, Full, Vectors, Head:
	default:
		fail("unknown method %q, want %s, %s, %s or %s", r.Method, Sparse, Full, Vectors, Head)
	}
	if r.Mask != "" {
		if _, err := train.ParseMask(r.Mask); err != nil {
			fail("%w", err)
		}
	}
	if r.Schedule != "" {
		if _, err := adamw.ParseDecay(r.Schedule); err != nil {
			fail("%w", err)
		}
	}
	for _, c := range []delta.Coding{r.Values, r.Vectors, r.HeadValues} {
		if c == "" {
			continue
		}
		if _, err := delta.ParseCoding(string(c)); err != nil {
			fail("%w", err)
		}
	}
	for _, x := range []struct {
		name  string
		value float64
		below float64
	}{
		{"share", r.Share, 1}, {"rate", r.Rate, 10}, {"head rate", r.HeadRate, 1e4}, {"decay", r.Decay, 10}, {"warm-up", r.Warmup, 1}, {"clipping", r.Clip, 1e6},
		{"dropout", r.Dropout, 1}, {"smoothing", r.Smoothing, 1}, {"teacher's share", r.TeacherShare, 1.0000001},
	} {
		if !(x.value < x.below) {
			fail("the %s is %g, want a number below %g", x.name, x.value, x.below)
		}
	}
	const most = 1 << 20
	if max(r.Epochs, r.Batch, r.HeadEpochs, r.Contrastive, r.MaskEpochs, r.Patience) > most {
		fail("a number of epochs, texts of a step or evaluations is above %d", most)
	}
	return errors.Join(errs...)
}

// Finding is something about the data that a person should know before training.
type Finding = examples.Finding
