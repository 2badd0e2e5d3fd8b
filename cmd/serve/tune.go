package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kenserve/delta"
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/tune"
	"kenserve/tune/page"
)

type tuneCmd struct {
	Data string `arg:"" placeholder:"FILE" help:"Labelled texts: CSV or TSV with columns text and label, JSON lines {\"text\", \"text_pair\", \"label\", \"weight\"} or a JSON array; - means standard input."`
	Base string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	Out  string `required:"" placeholder:"FILE.ken" help:"Delta file to write. The task's name is the file's without .ken."`
	Dev  string `placeholder:"FILE" help:"Labelled texts to choose the best step on, not used in training (default: a share of the data, split off by label)."`

	DevShare     float64  `placeholder:"F" help:"Share of the data for the dev set if there is no --dev, above 0 and below 1 (default: 0.2 below 1,000 texts, otherwise 0.1 or less)."`
	WeightColumn string   `placeholder:"NAME" help:"Member or column of the texts' weights in the loss (default: weight, where it is there)."`
	ProblemType  string   `placeholder:"TYPE" enum:"single_label_classification,multi_label_classification,regression," default:"" help:"Kind of task: single_label_classification, multi_label_classification or regression (default: found from the labels; a number is a name unless this says regression)."`
	Labels       []string `placeholder:"LABEL,..." help:"Labels in the order of the outputs (default: all labels of the data, sorted)."`
	ClassWeights string   `placeholder:"none|auto|LABEL=W,..." default:"none" help:"Weight of each label in the loss: none, auto (rare labels weigh more), or weights by label."`
	MaxTokens    int      `placeholder:"N" help:"Maximum tokens of a text; longer texts are cut (default: the model's maximum)."`

	Sparse    *float64 `placeholder:"F" xor:"method" help:"Share of the encoder's weights to train beside biases, layer norms and head, above 0 and below 1 (default: 0.002). More is larger and a little more accurate."`
	Full      bool     `xor:"method" help:"Train all weights, then search the smallest delta within --tolerance, as prune --auto does."`
	Vectors   bool     `xor:"method" help:"Train biases, layer norms and head only: the smallest delta."`
	HeadOnly  bool     `xor:"method" help:"Train the head only, on the base's features: the fastest way."`
	Mask      string   `placeholder:"RULE" enum:"gradient,change,base," default:"" help:"Rule that chooses the weights of --sparse: gradient (largest squared gradients of the first batches), change (largest changes of a full training before), or base (smallest weights of the base) (default: gradient)."`
	Values    string   `placeholder:"CODING" enum:"f32,bf16,int8,int4,sign," default:"" help:"Coding of trained weights in the delta: f32, bf16, int8, int4 or sign (default: int8). The last part of the training sees the rounded values."`
	VectorVal string   `name:"vector-values" placeholder:"CODING" enum:"f32,bf16,int8,int4,sign," default:"" help:"Coding of biases and layer norms in the delta: f32, bf16, int8, int4 or sign (default: int8)."`
	HeadVal   string   `name:"head-values" placeholder:"CODING" enum:"f32,bf16,int8,int4,sign," default:"" help:"Coding of the head's matrices in the delta: f32, bf16, int8, int4 or sign (default: int8)."`
	Tolerance float64  `placeholder:"F" default:"0.005" help:"Accuracy that the search after --full may lose, 0 to 1 (default ${default}). 0 keeps everything, exactly."`

	Epochs      int      `placeholder:"N" help:"Passes over the training texts (default: by the number of texts). The learning rate falls to 0 over all of them, so 2 of 4 epochs are not a run of 2."`
	Batch       int      `placeholder:"N" help:"Texts of one step (default: 8 to 32, by the number of texts). More is steadier and takes more memory."`
	Rate        float64  `placeholder:"F" help:"Learning rate after the warm-up: about how far a step moves each weight (default: by method and model)."`
	HeadRate    float64  `placeholder:"F" help:"Factor of the head's learning rate to --rate (default: by method). The head begins untrained and needs larger steps."`
	Decay       float64  `placeholder:"F" help:"Weight decay of matrices: the share of a weight, times the rate, that a step takes away (default: 0)."`
	Warmup      *float64 `placeholder:"F" help:"Share of the steps in which the learning rate rises (default: 0.1); 0 means none."`
	Schedule    string   `placeholder:"NAME" enum:"linear,cosine,constant," default:"" help:"Fall of the learning rate: linear, cosine or constant (default: linear)."`
	Clip        *float64 `placeholder:"F" help:"Largest norm of a step's gradients; larger ones are scaled down to it (default: 1); 0 means no bound."`
	Dropout     *float64 `placeholder:"F" help:"Share of activations and attention weights to set to 0 in each training step, against overfitting (default: 0.1); 0 means none."`
	Smoothing   float64  `placeholder:"F" help:"Label smoothing: the share of each target that is spread over all labels, 0 to 1 (default: 0). More makes the probabilities less extreme."`
	Contrastive *int     `placeholder:"N" help:"Epochs before the training that bring texts of the same label together (default: by the number of texts); 0 means none."`
	HeadEpochs  *int     `placeholder:"N" help:"Epochs before the training in which only the head learns (default: by the number of texts); 0 means none."`
	Patience    *int     `placeholder:"N" help:"Evaluations on the dev set without a better one that end the training (default: 8); 0 means none. The best step counts, not the last."`

	Teacher      string        `placeholder:"PATH" help:"Delta file, or folder of a tuned checkpoint, with the same labels, whose scores the training also follows."`
	TeacherShare float64       `placeholder:"F" help:"Share of the teacher in the loss, 0 to 1; the labels have the rest (default: 0.5 with --teacher)."`
	Search       int           `placeholder:"N" help:"Number of recipes to try; the best on the dev set is kept (default: 1). The time grows with it."`
	Time         time.Duration `placeholder:"DURATION" help:"Maximum time of training, such as 20m. The best step so far is kept."`

	Seed            uint64       `default:"1" help:"Seed of the split, the order of texts, the head and dropout. The same data and seed give the same delta."`
	Workers         int          `placeholder:"N" help:"Number of cores to use (default: all). The result does not depend on it."`
	Compute         gemm.Compute `default:"float32" placeholder:"TYPE" help:"Number type of products: float32 or bfloat16 (default ${default}). bfloat16 is faster where the processor supports it."`
	Resume          bool         `help:"Go on from the checkpoint of an interrupted run with the same data and flags: the result is the same."`
	CheckpointSteps int          `placeholder:"N" help:"Steps between two checkpoints, NAME.tuning beside --out (default: as often as takes under 5% of the time)."`
	CheckOnly       bool         `name:"check" help:"Only read the data and print what is wrong with it."`

	JSON   bool   `name:"json" help:"Print the result as JSON."`
	Report string `placeholder:"FILE.html" help:"Web page to write with the result, curves, confusions and wrong texts. It needs no other file."`
	Notes  string `placeholder:"TEXT" help:"Free text to store in the delta; inspect shows it."`
	labelFlags
}

// errChecked ends a run with --check.
var errChecked = errors.New("checked")

func (c *tuneCmd) Run(ctx context.Context, s streams) error {
	o, err := c.options()
	if err != nil {
		return usageError{err}
	}
	read := c.labelFlags.options()
	read.Unlabelled, read.Weighted, read.Columns.Weight = true, true, c.WeightColumn
	if o.Train, err = openData(c.Data, s, "tune", read); err != nil {
		return err
	}
	defer o.Train.Close()
	if c.Dev != "" {
		if o.Dev, err = openData(c.Dev, s, "tune: --dev", read); err != nil {
			return err
		}
		defer o.Dev.Close()
	}
	line := &tuneProgress{out: s.err, terminal: isTerminal(s.err)}
	report, err := tune.Run(ctx, o, tune.Events{
		Data: func(d *tune.DataReport) error {
			reportIgnored(o.Train, s, "tune")
			if c.CheckOnly && c.JSON {
				if err := json.NewEncoder(s.out).Encode(d); err != nil {
					return err
				}
			} else {
				printData(s, d)
			}
			if c.CheckOnly {
				return errChecked
			}
			return nil
		},
		Progress: line.show,
	})
	line.finish()
	if errors.Is(err, errChecked) {
		return nil
	}
	if err != nil {
		if ctx.Err() != nil && o.Checkpoint != "" {
			if _, statErr := os.Stat(o.Checkpoint); statErr == nil {
				fmt.Fprintf(s.err, "tune: %s has the state of the run; repeat the command with --resume to go on\n", o.Checkpoint)
			}
		}
		return err
	}
	if c.Report != "" {
		if err := page.Write(c.Report, report); err != nil {
			return err
		}
	}
	if c.JSON {
		return json.NewEncoder(s.out).Encode(report)
	}
	return printTuning(s, report)
}

// given returns the value of a flag for a recipe, in which 0 stands for the default and a
// number below 0 for 0.
func given[T int | float64](flag *T) T {
	switch {
	case flag == nil:
		return 0
	case *flag == 0:
		return -1
	}
	return *flag
}

// options checks the flags and returns the options of the run.
func (c *tuneCmd) options() (tune.Options, error) {
	r := tune.Recipe{
		Mask: c.Mask, Contrastive: given(c.Contrastive), HeadEpochs: given(c.HeadEpochs), Epochs: c.Epochs, Batch: c.Batch, Rate: c.Rate, HeadRate: c.HeadRate, Decay: c.Decay,
		Warmup: given(c.Warmup), Schedule: c.Schedule, Clip: given(c.Clip), Dropout: given(c.Dropout), Smoothing: c.Smoothing, TeacherShare: c.TeacherShare, Patience: given(c.Patience),
		Values: delta.Coding(c.Values), Vectors: delta.Coding(c.VectorVal), HeadValues: delta.Coding(c.HeadVal), Seed: c.Seed,
	}
	switch {
	case c.Full:
		r.Method = tune.Full
	case c.Vectors:
		r.Method = tune.Vectors
	case c.HeadOnly:
		r.Method = tune.Head
	case c.Sparse != nil:
		if r.Method, r.Share = tune.Sparse, *c.Sparse; !(r.Share > 0 && r.Share < 1) {
			return tune.Options{}, fmt.Errorf("tune: --sparse is %g; it must be above 0 and below 1", r.Share)
		}
	}
	if c.Mask != "" && (c.Full || c.Vectors || c.HeadOnly) {
		return tune.Options{}, errors.New("tune: --mask is only for --sparse")
	}
	if c.TeacherShare != 0 && c.Teacher == "" {
		return tune.Options{}, errors.New("tune: --teacher-share needs --teacher")
	}
	o := tune.Options{
		BaseDir: c.Base, Out: c.Out, Problem: models.Problem(c.ProblemType), Labels: c.Labels, DevShare: c.DevShare, ClassWeights: c.ClassWeights, MaxTokens: c.MaxTokens,
		Recipe: r, Teacher: c.Teacher, Search: c.Search, Time: c.Time, Tolerance: c.Tolerance, Workers: c.Workers, Compute: c.Compute,
		Checkpoint: strings.TrimSuffix(c.Out, delta.Extension) + ".tuning", CheckpointSteps: c.CheckpointSteps, Resume: c.Resume,
		Producer: "kenserve " + version(), Notes: c.Notes,
	}
	if err := o.Check(); err != nil {
		return o, err
	}
	if c.Data == "-" && c.Dev == "-" {
		return o, errors.New("tune: the data and --dev are both standard input")
	}
	for _, path := range []string{c.Out, c.Report} { // training takes minutes: check now that its result can be written
		if path == "" {
			continue
		}
		if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
			return o, fmt.Errorf("tune: cannot write %s: %s is not a folder", path, filepath.Dir(path))
		}
	}
	return o, nil
}
