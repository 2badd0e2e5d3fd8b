package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"kenserve/delta"
	"kenserve/ken"
	"kenserve/prune"
	"kenserve/safetensors"
)

type pruneCmd struct {
	Base         string             `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base."`
	Tuned        string             `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the checkpoint tuned from it, or of a LoRA adapter."`
	Out          string             `required:"" placeholder:"FILE.ken" help:"Delta file to write; its name is the task's."`
	Select       string             `default:"ken" enum:"ken,delta,magnitude,random" help:"Rule that picks the values to keep: ${enum}."`
	K            *int               `placeholder:"N" xor:"keep" help:"Values to keep of each row, or of what --budget says."`
	Keep         *float64           `placeholder:"F" xor:"keep" help:"Share of them to keep, above 0 and at most 1 (default 0.5)."`
	Budget       string             `default:"row" enum:"row,tensor,model" help:"What --k and --keep count in: ${enum}. The best values of a whole tensor or model may lie anywhere in it; not for ken."`
	Scope        string             `default:"all" enum:"all,attention" help:"Tensors to keep values of, ${enum}: everything, or the encoder's layers."`
	Values       string             `default:"f32" enum:"f32,bf16,int8,int4,sign" help:"Coding of kept values: ${enum}."`
	Vectors      string             `placeholder:"whole|select" enum:"whole,select," default:"" help:"Biases and layer norms: kept whole, or selected from like matrices (default: whole with --budget tensor and model, else select)."`
	VectorValues string             `placeholder:"CODING" enum:"f32,bf16,int8,int4,sign," default:"" help:"Coding of biases and layer norms (default: int8 for whole ones beside int4 and sign, else that of --values)."`
	Factor       string             `placeholder:"F|auto" default:"1" help:"What kept changes are multiplied by, whole vectors aside; auto fits it to --dev."`
	KindFactors  map[string]float64 `placeholder:"KIND=F;..." help:"What --factor is multiplied by for tensors of a kind, their name with * for the number of a layer, or for a layer, as in encoder.layer.3.*. Inspect tells those that --auto fitted."`
	Auto         bool               `help:"Find the smallest delta that is within --tolerance on --dev: the flags from --select to --factor are chosen by a search."`
	Dev          string             `placeholder:"FILE" help:"Labelled texts for --auto and --factor auto, not those of training: JSON lines {\"text\", \"text_pair\", \"label\"}."`
	Tolerance    float64            `placeholder:"F" default:"0.005" help:"Accuracy that --auto may lose against the full model."`
	Confidence   float64            `placeholder:"F" default:"0.7" help:"How sure to be of that, from 0.5, where the dev set is believed, to below 1: share of a paired bootstrap's draws (default ${default}). Deltas become larger."`
	Points       string             `placeholder:"FILE.json" help:"Where to write every point that --auto tried (default: beside --out, NAME.auto.json)."`
	Plot         string             `placeholder:"FILE" help:"Where to draw them, size against accuracy, .svg or .png (default: beside --out, NAME.auto.svg)."`
	Labels       []string           `placeholder:"LABEL,..." help:"Labels of a LoRA adapter in the order of its head's outputs, if its folder has no config.json (default: LABEL_0, LABEL_1, ...)."`
	Seed         uint64             `default:"1" help:"Seed of the selection random."`
	Workers      int                `placeholder:"N" help:"Cores to use (default: all)."`
	Report       string             `placeholder:"FILE" help:"Write what was kept of every tensor, with its mask's digest, as JSON."`
	Notes        string             `placeholder:"TEXT" help:"Free text to put into the delta."`
}

// fitted is the value of --factor that stands for a fit.
const fitted = "auto"

func (c *pruneCmd) Run(ctx context.Context, s streams) (err error) {
	options, err := c.options()
	if err != nil {
		return usageError{err}
	}
	p, err := prune.Open(prune.Config{BaseDir: c.Base, TunedDir: c.Tuned, Labels: c.Labels, Producer: "kenserve " + version(), Notes: c.Notes})
	if err != nil {
		if errors.As(err, new(*prune.LabelsError)) {
			return usageError{fmt.Errorf("prune: --labels: %w", err)}
		}
		return err
	}
	defer p.Close()
	if p.Unservable != "" {
		fmt.Fprintf(s.err, "prune: %s\n", p.Unservable)
	}
	switch {
	case c.Auto:
		options, err = c.search(ctx, s, p, options)
	case c.Factor == fitted:
		options, err = c.fit(ctx, s, p, options)
	}
	if err != nil {
		return err
	}
	options.Masks = c.Report != ""
	bar := newProgress(s.err, "pruning rows", p.Rows(options))
	options.Progress = bar.add
	start := time.Now()
	report, err := p.Write(ctx, c.Out, options)
	bar.finish()
	if err != nil {
		return err
	}
	if c.Report != "" {
		if err := writeJSON(c.Report, report); err != nil {
			return fmt.Errorf("prune: write report: %w", err)
		}
	}
	return c.summarize(s, p.Weights(), report, time.Since(start))
}

// options checks the flags and returns what they say of pruning.
func (c *pruneCmd) options() (ken.Options, error) {
	o := ken.Options{
		Selection: ken.Selection(c.Select), Budget: ken.Budget(c.Budget), Scope: ken.Scope(c.Scope),
		WholeVectors: c.Vectors == "whole" || c.Vectors == "" && c.Budget != string(ken.BudgetRow),
		Coding:       delta.Coding(c.Values), VectorCoding: delta.Coding(c.VectorValues),
		Keep: 0.5, Factor: 1, Factors: c.KindFactors, Seed: c.Seed, Workers: c.Workers,
	}
	if o.VectorCoding == "" && o.WholeVectors && (o.Coding == delta.Int4 || o.Coding == delta.Sign) {
		o.VectorCoding = delta.Int8
	}
	if c.K != nil {
		if o.K, o.Keep = *c.K, 0; o.K < 1 {
			return o, fmt.Errorf("prune: --k is %d: it must be positive", o.K)
		}
	}
	if c.Keep != nil {
		o.Keep = *c.Keep
	}
	if c.Factor != fitted {
		var err error
		if o.Factor, err = strconv.ParseFloat(c.Factor, 64); err != nil || !(o.Factor > 0) {
			return o, fmt.Errorf("prune: --factor is %q: it must be a number above 0, or %s", c.Factor, fitted)
		}
	}
	if err := o.Validate(); err != nil {
		return o, err
	}
	if _, ok := delta.TaskName(c.Out); !ok {
		return o, fmt.Errorf("prune: %s: a delta is called NAME%s, with a name of letters, digits, dots, underscores and hyphens", c.Out, delta.Extension)
	}
	if c.Report != "" && samePath(c.Report, c.Out) {
		return o, fmt.Errorf("prune: --report and --out are the same file, %s", c.Out)
	}
	return o, c.checkSearch()
}

// summarize prints what the delta costs.
func (c *pruneCmd) summarize(s streams, total int, report *ken.Report, took time.Duration) error {
	file, err := os.Stat(c.Out)
	if err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	stored := 0
	for _, t := range report.Tensors {
		stored += t.Stored
	}
	_, err = fmt.Fprintf(s.out, "%s: %s, %.1f%% of the full float32 checkpoint; %d of %d weights differ from the base (%.1f%%); selected in %.2f s\n",
		c.Out, size(file.Size()), 100*float64(file.Size())/float64(4*total), stored, total, 100*float64(stored)/float64(total), took.Seconds())
	return err
}

// samePath tells whether two paths name the same file or folder, which need
// not exist.
func samePath(a, b string) bool {
	if x, err := os.Stat(a); err == nil {
		if y, err := os.Stat(b); err == nil {
			return os.SameFile(x, y)
		}
	}
	x, errX := filepath.Abs(a)
	y, errY := filepath.Abs(b)
	return errX == nil && errY == nil && x == y
}

// size writes bytes for people.
func size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.2f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

// writeJSON writes a file of JSON.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return safetensors.Replace(path, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}
