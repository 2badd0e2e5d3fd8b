package tune

import (
	"fmt"

	"kenserve/delta"
	"kenserve/models"
	"kenserve/tune/internal/adamw"
	"kenserve/tune/internal/train"
)

// fewTexts is the number of training texts of a class below which a task has few examples.
const fewTexts = 64

// situation is what defaults depend on.
type situation struct {
	texts   int // of training
	labels  int
	problem models.Problem
	width   int  // of the features
	teacher bool // there is one
}

// few reports whether there are few examples.
func (s situation) few() bool {
	return s.problem == models.SingleLabel && s.texts < fewTexts*s.labels
}

// withDefaults returns the recipe with all numbers set. docs/tune.md has the table and how it
// was measured.
func (r Recipe) withDefaults(s situation) Recipe {
	setString(&r.Method, Sparse)
	setNumber(&r.Batch, s.batch())
	setNumber(&r.Epochs, s.epochs(r.Batch))
	setNumber(&r.Rate, s.rate(r.Method))
	setNumber(&r.HeadRate, s.headRate(r.Method))
	setNumber(&r.Warmup, 0.1)
	setNumber(&r.Clip, 1)
	setNumber(&r.Dropout, 0.1)
	setNumber(&r.Patience, s.patience())
	setNumber(&r.Decay, 0)
	setNumber(&r.Smoothing, 0)
	setString(&r.Schedule, string(adamw.Linear))
	setNumber(&r.HeadEpochs, 0)
	setNumber(&r.Contrastive, s.contrastive(r.Batch))
	setNumber(&r.MaskEpochs, 0)
	setNumber(&r.Share, 0)
	if s.teacher {
		setNumber(&r.TeacherShare, 0.5)
	}
	r.TeacherShare = max(0, r.TeacherShare)
	if r.Seed == 0 {
		r.Seed = 1
	}
	switch r.Method {
	case Sparse:
		if r.Share == 0 {
			r.Share = 0.002
		}
		setString(&r.Mask, string(train.Gradient))
		if train.Mask(r.Mask) == train.Change && r.MaskEpochs == 0 {
			r.MaskEpochs = 2
		}
	case Head:
		if r.HeadEpochs == 0 {
			r.HeadEpochs = r.Epochs
		}
		r.Share, r.Mask = 0, ""
	default:
		r.Share, r.Mask = 0, ""
	}
	exact := r.Method == Full // prune chooses its codings
	for _, c := range []*delta.Coding{&r.Values, &r.Vectors, &r.HeadValues} {
		switch {
		case exact:
			*c = delta.Float32
		case *c == "":
			*c = delta.Int8
		}
	}
	return r
}

// String says in one line how a classifier is trained.
func (r Recipe) String() string {
	var how string
	switch r.Method {
	case Sparse:
		how = fmt.Sprintf("%.3g%% of the weights (by %s), biases, layer norms and head", 100*r.Share, r.Mask)
	case Vectors:
		how = "biases, layer norms and head"
	case Head:
		return fmt.Sprintf("the head on the base's features, %d epochs of batches of %d texts, seed %d", r.HeadEpochs, r.Batch, r.Seed)
	default:
		how = "all weights"
	}
	before := ""
	if r.HeadEpochs > 0 {
		before += fmt.Sprintf("%d epochs of the head alone, ", r.HeadEpochs)
	}
	if r.Contrastive > 0 {
		before += fmt.Sprintf("%d contrastive epochs, ", r.Contrastive)
	}
	return fmt.Sprintf("%s; %s%d epochs of batches of %d texts, rate %.3g (head %.3g), %s, warm-up %.3g, dropout %.3g, seed %d", how, before, r.Epochs, r.Batch, r.Rate, r.Rate*r.HeadRate, r.Schedule, r.Warmup, r.Dropout, r.Seed)
}

// batch is the number of texts of a step: smaller for few texts, so that an epoch has enough
// steps.
func (s situation) batch() int {
	switch {
	case s.few(): // the contrastive loss needs several texts of a class
		return 16
	case s.texts < 500:
		return 8
	case s.texts < 2000:
		return 16
	}
	return 32
}

// epochs is a number of epochs with about 1,000 steps, but at least 3.
func (s situation) epochs(batch int) int {
	perEpoch := (s.texts + batch - 1) / batch
	if s.few() {
		return (fewSteps + perEpoch - 1) / perEpoch
	}
	n := min(30, max(3, (1000+perEpoch-1)/perEpoch))
	if s.labels >= 30 { // many labels take longer
		n = min(30, n*3/2)
	}
	return n
}

// Steps of a task with few examples: all of the training, and before it contrastive ones.
const (
	fewSteps         = 250
	contrastiveSteps = 150
)

// contrastive is the number of contrastive epochs.
func (s situation) contrastive(batch int) int {
	if !s.few() {
		return 0
	}
	perEpoch := (s.texts + batch - 1) / batch
	return (contrastiveSteps + perEpoch - 1) / perEpoch
}

// patience is the number of evaluations without a better one that end the training. The dev
// set of a few examples is too small to tell.
func (s situation) patience() int {
	if s.few() {
		return 0
	}
	return 8
}

// rate is the learning rate: smaller for wide models, and larger if few weights are trained.
func (s situation) rate(method string) float64 {
	rate := 1e-4
	if s.width > 512 {
		rate = 5e-5
	}
	if s.labels >= 30 {
		rate *= 2
	}
	if method == Sparse || method == Vectors {
		rate *= 10
	}
	if s.few() {
		rate *= 2
	}
	return rate
}

// headRate multiplies the rate for new layers.
func (s situation) headRate(method string) float64 {
	if method == Full {
		return 10
	}
	return 2
}

// setNumber sets a number that is 0 to its default, and one below 0 to 0.
func setNumber[T int | float64](x *T, value T) {
	switch {
	case *x == 0:
		*x = value
	case *x < 0:
		*x = 0
	}
}

func setString(x *string, value string) {
	if *x == "" {
		*x = value
	}
}
