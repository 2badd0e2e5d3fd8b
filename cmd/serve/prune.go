package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"kenserve/delta"
	"kenserve/ken"
	"kenserve/models"
	"kenserve/prune"
)

type pruneCmd struct {
	Base         string             `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	Tuned        string             `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the checkpoint tuned from the base, or folder of a LoRA adapter of it."`
	Out          string             `required:"" placeholder:"FILE.ken" help:"Delta file to write. The task's name is the file's without .ken."`
	Select       string             `default:"ken" enum:"ken,delta,magnitude,random" help:"Rule that selects the values to keep: ${enum}. ken is the paper's; delta keeps the largest changes from the base, magnitude the largest values."`
	K            *int               `placeholder:"N" xor:"keep" help:"Number of values to keep in each unit of --budget."`
	Keep         *float64           `placeholder:"F" xor:"keep" help:"Share of the values to keep in each unit of --budget, above 0 and at most 1 (default 0.5)."`
	Budget       string             `default:"row" enum:"row,tensor,model" help:"Unit that --k and --keep count in: ${enum}. With tensor and model, rows with better values keep more of them; --select ken supports row only."`
	Scope        string             `default:"all" enum:"all,attention" help:"Tensors to keep values of: ${enum}. attention means those of the encoder's layers; all other tensors get the base's values."`
	Values       string             `default:"f32" enum:"f32,bf16,int8,int4,sign" help:"Coding of kept values: ${enum}. f32 is exact; the others store the change from the base with fewer bits."`
	Vectors      string             `placeholder:"whole|select" enum:"whole,select," default:"" help:"How to keep biases and layer norms: whole, or selected from as matrices are (default: whole with --budget tensor and model, otherwise select)."`
	VectorValues string             `placeholder:"CODING" enum:"f32,bf16,int8,int4,sign," default:"" help:"Coding of biases and layer norms (default: int8 if they are whole and --values is int4 or sign, otherwise that of --values)."`
	Factor       string             `placeholder:"F|auto" default:"1" help:"Multiplier of the kept changes from the base, except of whole vectors; above 1 it makes up for changes that are not kept. auto fits it on --dev."`
	KindFactors  map[string]float64 `placeholder:"GROUP=F;..." help:"Per-group multiplier of --factor, for example encoder.layer.3.*=1.2. A group is a layer, or one tensor of all layers, such as encoder.layer.*.output.dense.weight. Inspect shows the ones that --auto fitted."`
	Auto         bool               `help:"Search for the smallest delta within --tolerance on --dev. The search sets the flags from --select to --kind-factors."`
	Dev          string             `placeholder:"FILE" help:"Labelled texts, not used in training, for --auto and --factor auto, and to measure what the delta costs: JSON lines {\"text\", \"text_pair\", \"label\"}, a JSON array, CSV or TSV."`
	Tolerance    float64            `placeholder:"F" default:"0.005" help:"Accuracy that --auto may lose against the full model, 0 to 1 (default ${default}, half a percentage point)."`
	Confidence   float64            `placeholder:"F" default:"0.7" help:"Bootstrap confidence required that a delta is within --tolerance, 0.5 to 1 (default ${default}); higher gives larger deltas. With 0.5, being within it on the dev set is enough."`
	Points       string             `placeholder:"FILE.json" help:"JSON file for all deltas that --auto tried, with their sizes and scores (default: NAME.auto.json beside --out)."`
	Plot         string             `placeholder:"FILE" help:"Picture for a plot of their sizes against their accuracies, .svg or .png (default: NAME.auto.svg beside --out)."`
	Labels       []string           `placeholder:"LABEL,..." help:"Labels of a LoRA adapter, in the order of its head's outputs (default: those of its config.json, or LABEL_0, LABEL_1, ...)."`
	ProblemType  string             `placeholder:"TYPE" enum:"single_label_classification,multi_label_classification,regression," default:"" help:"How a LoRA adapter, or a checkpoint whose config.json has no problem_type, scores labels: single_label_classification (softmax), multi_label_classification (sigmoid) or regression (default: the base's problem_type, or single_label_classification)."`
	Force        bool               `help:"Write the delta although the tuned checkpoint seems to belong to another base. Implies --replace."`
	Replace      bool               `help:"Replace --out, --report, --points and --plot if they exist."`
	Seed         uint64             `default:"1" help:"Seed of --select random. The same seed keeps the same positions."`
	Workers      int                `placeholder:"N" help:"Number of cores to use (default: all). The result does not depend on it."`
	Report       string             `placeholder:"FILE" help:"JSON file for the number of values kept of each tensor and the digest of its mask."`
	Strict       bool               `help:"Refuse settings of the models' files that are unknown, instead of a warning: config.json and the tokenizer's files, of the tuned checkpoint and of the base."`
	Notes        string             `placeholder:"TEXT" help:"Free text to store in the delta; inspect shows it."`
	labelFlags                      // of --dev
}

// factorAuto is the value of --factor that asks for a fit.
const factorAuto = "auto"

func (c *pruneCmd) Run(ctx context.Context, s streams) (err error) {
	options, err := c.options()
	if err != nil {
		return usageError{err}
	}
	outputs, err := c.createOutputs()
	if err != nil {
		return err
	}
	defer outputs.abort()
	source, err := prune.Open(prune.Config{BaseDir: c.Base, TunedDir: c.Tuned, Labels: c.Labels, Problem: models.Problem(c.ProblemType), Producer: "kenserve " + version(), Notes: c.Notes})
	if err != nil {
		if errors.As(err, new(*prune.LabelsError)) {
			return usageError{fmt.Errorf("prune: --labels: %w", err)}
		}
		if errors.As(err, new(*prune.ProblemError)) {
			return usageError{fmt.Errorf("prune: --problem-type: %w", err)}
		}
		return err
	}
	defer source.Close()
	if err := reportUnknown("prune", c.Strict, s.warn("prune"), source.Unknown()...); err != nil {
		return err
	}
	warn := s.warn("prune")
	for _, warning := range source.Warnings {
		warn(warning)
	}
	for _, note := range source.Notes {
		fmt.Fprintf(s.err, "prune: %s\n", note)
	}
	if source.Unservable != "" {
		fmt.Fprintf(s.err, "prune: %s\n", source.Unservable)
	}
	if err := c.compareWithBase(ctx, warn, source); err != nil {
		return err
	}
	trial, err := c.openTrial(ctx, s, source)
	if err != nil {
		return err
	}
	if trial != nil {
		defer trial.Close()
	}
	switch {
	case c.Auto:
		options, err = c.search(ctx, s, trial, options, outputs)
	case c.Factor == factorAuto:
		options, err = c.fitFactor(ctx, s, trial, options)
	}
	if err != nil {
		return err
	}
	options.Masks = c.Report != ""
	bar := newProgress(s.err, "pruning rows", source.Rows(options))
	options.Progress = bar.add
	start := time.Now()
	told := len(source.Warnings)
	report, err := source.WriteChecked(ctx, outputs.delta.Path(), c.Base, options)
	bar.finish()
	for _, warning := range source.Warnings[told:] {
		warn(warning)
	}
	if err != nil {
		return err
	}
	if err := outputError("prune", "out", "replace", outputs.delta.Commit(ctx)); err != nil {
		return err
	}
	if outputs.report != nil {
		if err := commitJSON(ctx, outputs.report, "report", report); err != nil {
			return err
		}
	}
	if err := c.printSummary(s, source.Weights(), options, report, time.Since(start)); err != nil || trial == nil {
		return err
	}
	cost, err := trial.Cost(ctx, c.Out)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: accuracy %.4f on %d texts of --dev, %+.4f against the full model's %.4f\n", c.Out, cost.Delta, cost.Texts, cost.Delta-cost.Full, cost.Full)
	return err
}

// compareWithBase returns an error if the tuned checkpoint belongs to another base,
// unless --force is set.
func (c *pruneCmd) compareWithBase(ctx context.Context, warn func(string), source *prune.Source) error {
	warning, err := source.CompareWithBase(ctx)
	switch wrong := (*prune.WrongBaseError)(nil); {
	case errors.As(err, &wrong) && !c.Force:
		return fmt.Errorf("%w; choose its base, or add --force", err)
	case wrong != nil:
		warn(strings.TrimPrefix(err.Error(), "prune: "))
	case err != nil:
		return err
	case warning != "":
		warn(warning)
	}
	return nil
}

// options checks the flags and returns the options for pruning.
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
			return o, fmt.Errorf("prune: --k is %d; it must be positive", o.K)
		}
	}
	if c.Keep != nil {
		o.Keep = *c.Keep
	}
	if c.Factor != factorAuto {
		var err error
		if o.Factor, err = strconv.ParseFloat(c.Factor, 64); err != nil || !(o.Factor > 0) {
			return o, fmt.Errorf("prune: --factor is %q; it must be a number above 0, or %s", c.Factor, factorAuto)
		}
	}
	if err := o.Validate(); err != nil {
		return o, err
	}
	if _, ok := delta.TaskName(c.Out); !ok {
		return o, fmt.Errorf("prune: --out is %s; the file's name must be NAME%s, with letters, digits, dots, underscores and hyphens in NAME", c.Out, delta.Extension)
	}
	return o, c.checkSearchFlags()
}

// printSummary prints what was kept and the size of the delta. weights is the number of
// weights of the tuned checkpoint.
func (c *pruneCmd) printSummary(s streams, weights int, o ken.Options, report *ken.Report, took time.Duration) error {
	file, err := os.Stat(c.Out)
	if err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	stored := 0
	for _, t := range report.Tensors {
		stored += t.Stored
	}
	_, err = fmt.Fprintf(s.out, "%s: kept %s; %s, %.1f%% of the full float32 checkpoint; %d of %d weights differ from the base (%.1f%%); made in %.2f s\n",
		c.Out, describeKept(o), formatSize(file.Size()), 100*float64(file.Size())/float64(4*weights), stored, weights, 100*float64(stored)/float64(weights), took.Seconds())
	return err
}

// describeKept says which values the options keep, and how they are stored.
func describeKept(o ken.Options) string {
	share := fmt.Sprintf("%.3g%%", 100*o.Keep)
	if o.K > 0 {
		share = fmt.Sprintf("%d values", o.K)
	}
	rule := map[ken.Selection]string{ken.KEN: "by KEN", ken.LargestChange: "the largest changes", ken.Magnitude: "the largest values", ken.Random: "at random"}[o.Selection]
	unit := string(o.Budget)
	if o.Budget != ken.BudgetModel {
		unit = "each " + unit
	} else {
		unit = "the model"
	}
	if o.Scope == ken.ScopeAttention {
		unit += " in the layers"
	}
	return fmt.Sprintf("%s of %s (%s) as %s", share, unit, rule, o.Coding)
}
