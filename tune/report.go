package tune

import (
	"time"

	"kenserve/evaluate"
	"kenserve/models"
	"kenserve/tune/internal/train"
)

// Point is an evaluation of a training on the dev set.
type Point = train.Point

// Progress is the state of a training. See Events.
type Progress struct {
	Trial, Trials int    // of a search, from 1
	Stage         string // head, measure, full, contrastive or train
	Step, Steps   int    // of the stage
	Loss          float64
	Score         float64 // of the last evaluation on the dev set; 0: none yet
	Best          float64 // the best so far
	// TextsPerSecond is the rate of training; evaluations are not counted.
	TextsPerSecond float64
	Left           time.Duration // until the end of the stage; 0: not known
	Point          *Point        // the evaluation that this step had; nil: none
}

// Events are called by Run, on its goroutine. Any may be nil.
type Events struct {
	// Data is called once, before training, with the sizes and all findings. An error ends
	// the run.
	Data     func(*DataReport) error
	Progress func(Progress) // after every step
}

// DataReport describes the labelled texts.
type DataReport struct {
	Problem  models.Problem `json:"problem"`
	Labels   []string       `json:"labels"`
	Train    int            `json:"train_texts"`
	Dev      int            `json:"dev_texts"`
	Split    bool           `json:"dev_split"` // the dev set was split off the training texts
	Counts   []int          `json:"train_counts,omitempty"`
	Few      bool           `json:"few_examples"`
	Findings []Finding      `json:"findings"`
	// Verdict says in one sentence what to expect.
	Verdict string `json:"verdict"`
	Recipe  Recipe `json:"recipe"` // with its defaults
}

// Report is the result of a run.
type Report struct {
	Task  string     `json:"task"`
	File  string     `json:"file"`
	Bytes int64      `json:"bytes"`
	Share float64    `json:"share_of_checkpoint"` // of the tuned checkpoint in float32
	Base  string     `json:"base"`
	Data  DataReport `json:"data"`

	Recipe  Recipe  `json:"recipe"`
	Trials  []Trial `json:"trials,omitempty"` // of a search
	History []Point `json:"history"`
	Steps   int     `json:"steps"`
	Planned int     `json:"planned_steps"`
	Ended   string  `json:"ended_early,omitempty"` // why
	Best    Point   `json:"best"`

	// Dev is how the delta scores on the dev set, computed by the engine that serves it.
	Dev         evaluate.Report `json:"dev"`
	Temperature float64         `json:"temperature,omitempty"`
	// CalibrationBefore and CalibrationAfter are expected calibration errors, for one label a
	// text, without and with the temperature. Both are measured on the dev set, on which the
	// temperature was fitted.
	CalibrationBefore float64     `json:"calibration_error_before,omitempty"`
	CalibrationAfter  float64     `json:"calibration_error_after,omitempty"`
	Thresholds        []float64   `json:"thresholds,omitempty"`
	Confusions        []Confusion `json:"confusions,omitempty"`
	Mistakes          []Mistake   `json:"mistakes,omitempty"`
	Seconds           float64     `json:"seconds"`
	TextsPerSecond    float64     `json:"texts_per_second"` // of training
}

// Trial is one recipe of a search.
type Trial struct {
	Recipe  Recipe  `json:"recipe"`
	Score   float64 `json:"score"`
	DevLoss float64 `json:"dev_loss"`
	Failed  string  `json:"failed,omitempty"`
}

// Confusion counts the dev texts of a label that are predicted as another.
type Confusion struct {
	Label     string `json:"label"`
	Predicted string `json:"predicted"`
	Texts     int    `json:"texts"`
}

// Mistake is a dev text whose prediction is wrong with high confidence: either the label or
// the text deserves a look.
type Mistake struct {
	Row        int     `json:"row"` // in its file
	Text       string  `json:"text"`
	Label      string  `json:"label"`
	Predicted  string  `json:"predicted"`
	Confidence float64 `json:"confidence"` // of the prediction
}
