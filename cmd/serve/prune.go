package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kenserve/delta"
	"kenserve/ken"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/runtime"
	"kenserve/safetensors"
)

type pruneCmd struct {
	Base         string   `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base."`
	Tuned        string   `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the checkpoint tuned from it."`
	Out          string   `required:"" placeholder:"FILE.ken" help:"Delta file to write; its name is the task's."`
	Select       string   `default:"ken" enum:"ken,delta,magnitude,random" help:"Rule that picks the values to keep: ${enum}."`
	K            *int     `placeholder:"N" xor:"keep" help:"Values to keep of each row, or of what --budget says."`
	Keep         *float64 `placeholder:"F" xor:"keep" help:"Share of them to keep, above 0 and at most 1 (default 0.5)."`
	Budget       string   `default:"row" enum:"row,tensor,model" help:"What --k and --keep count in: ${enum}. The best values of a whole tensor or model may lie anywhere in it; not for ken."`
	Scope        string   `default:"all" enum:"all,attention" help:"Tensors to keep values of, ${enum}: everything, or the encoder's layers."`
	Values       string   `default:"f32" enum:"f32,bf16,int8,int4,sign" help:"Coding of kept values: ${enum}."`
	Vectors      string   `placeholder:"whole|select" enum:"whole,select," default:"" help:"Biases and layer norms: kept whole, or selected from like matrices (default: whole with --budget tensor and model, else select)."`
	VectorValues string   `placeholder:"CODING" enum:"f32,bf16,int8,int4,sign," default:"" help:"Coding of biases and layer norms (default: int8 for whole ones beside int4 and sign, else that of --values)."`
	Factor       float64  `placeholder:"F" default:"1" help:"What kept changes are multiplied by; whole vectors are not."`
	Seed         uint64   `default:"1" help:"Seed of the selection random."`
	Workers      int      `placeholder:"N" help:"Cores to use (default: all)."`
	Report       string   `placeholder:"FILE" help:"Write what was kept of every tensor, with its mask's digest, as JSON."`
	Notes        string   `placeholder:"TEXT" help:"Free text to put into the delta."`
}

func (c *pruneCmd) Run(ctx context.Context, s streams) (err error) {
	options := ken.Options{
		Selection: ken.Selection(c.Select), Scope: ken.Scope(c.Scope),
		Budget: ken.Budget(c.Budget), Factor: c.Factor,
		WholeVectors: c.Vectors == "whole" || c.Vectors == "" && c.Budget != string(ken.BudgetRow),
		Coding:       delta.Coding(c.Values), VectorCoding: delta.Coding(c.VectorValues),
		Seed: c.Seed, Workers: c.Workers, Masks: c.Report != "",
	}
	if options.VectorCoding == "" && options.WholeVectors && (options.Coding == delta.Int4 || options.Coding == delta.Sign) {
		options.VectorCoding = delta.Int8
	}
	switch {
	case c.K != nil:
		if options.K = *c.K; options.K < 1 {
			return usageError{fmt.Errorf("prune: --k is %d: it must be positive", options.K)}
		}
	case c.Keep != nil:
		options.Keep = *c.Keep
	default:
		options.Keep = 0.5
	}
	if !(c.Factor > 0) {
		return usageError{fmt.Errorf("prune: --factor is %g: it must be above 0", c.Factor)}
	}
	if err := options.Validate(); err != nil {
		return usageError{err}
	}
	if _, ok := delta.TaskName(c.Out); !ok {
		return usageError{fmt.Errorf("prune: %s: a delta is called NAME%s, with a name of letters, digits, dots, underscores and hyphens", c.Out, delta.Extension)}
	}
	if c.Report != "" && samePath(c.Report, c.Out) {
		return usageError{fmt.Errorf("prune: --report and --out are the same file, %s", c.Out)}
	}
	base, err := safetensors.OpenCheckpoint(c.Base)
	if err != nil {
		return fmt.Errorf("prune: open base: %w", err)
	}
	defer base.Close()
	tuned, err := safetensors.OpenCheckpoint(c.Tuned)
	if err != nil {
		return fmt.Errorf("prune: open tuned checkpoint: %w", err)
	}
	defer tuned.Close()
	pair, err := ken.Match(base, tuned)
	if err != nil {
		return err
	}
	info := delta.Info{
		BaseSHA256: delta.Fingerprint(base), BaseName: folderName(c.Base),
		Selection: c.Select, K: options.K, Keep: options.Keep, Scope: c.Scope, Coding: options.Coding,
		VectorCoding: options.VectorCoding,
		BasePrefix:   pair.BasePrefix, TunedPrefix: pair.TunedPrefix, Absent: pair.Absent,
		Producer: "kenserve " + version(), SourceName: folderName(c.Tuned), SourceSHA256: delta.Fingerprint(tuned), Notes: c.Notes,
	}
	if options.Budget != ken.BudgetRow {
		info.Budget = c.Budget
	}
	if options.Factor != 1 {
		info.Factor = options.Factor
	}
	config, err := describeTask(c.Tuned, &info)
	if err != nil {
		return err
	}
	if config == nil {
		fmt.Fprintf(s.err, "prune: %s has no %s: the delta will have no labels and can be exported but not served\n", c.Tuned, models.ConfigFile)
	} else if arch, err := families.New(config); err == nil {
		options.Table = runtime.TableNames(arch)
		options.Head = headNames(arch, len(config.Labels))
	} else if errors.Is(err, families.ErrUnknown) {
		fmt.Fprintf(s.err, "prune: %v: the delta can be made and exported but not served\n", err)
	} else {
		return err
	}

	w, err := delta.Create(c.Out)
	if err != nil {
		return err
	}
	defer w.Abort()
	bar := newProgress(s.err, "pruning rows", pair.Rows(options))
	options.Progress = bar.add
	start := time.Now()
	report, err := ken.Prune(ctx, pair, w, options)
	bar.finish()
	if err != nil {
		return err
	}
	if err := w.Finish(info); err != nil {
		return err
	}
	if c.Report != "" {
		text, err := json.MarshalIndent(report, "", " ")
		if err != nil {
			return fmt.Errorf("prune: write report: %w", err)
		}
		err = safetensors.Replace(c.Report, func(w io.Writer) error {
			_, err := w.Write(append(text, '\n'))
			return err
		})
		if err != nil {
			return fmt.Errorf("prune: write report: %w", err)
		}
	}
	return c.summarize(s, pair, report, time.Since(start))
}

// summarize prints what the delta costs.
func (c *pruneCmd) summarize(s streams, pair *ken.Pair, report *ken.Report, took time.Duration) error {
	file, err := os.Stat(c.Out)
	if err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	total, stored := 0, 0
	for _, name := range pair.Tuned.Names() {
		t, _ := pair.Tuned.Tensor(name)
		total += t.Len()
	}
	for _, t := range report.Tensors {
		stored += t.Stored
	}
	_, err = fmt.Fprintf(s.out, "%s: %s, %.1f%% of the full float32 checkpoint; %d of %d weights differ from the base (%.1f%%); selected in %.2f s\n",
		c.Out, size(file.Size()), 100*float64(file.Size())/float64(4*total), stored, total, 100*float64(stored)/float64(total), took.Seconds())
	return err
}

// describeTask puts what the tuned model's config.json says of the task into
// info. It returns nil if there is none.
func describeTask(dir string, info *delta.Info) (*models.Config, error) {
	text, err := os.ReadFile(filepath.Join(dir, models.ConfigFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("prune: read configuration: %w", err)
	}
	config, err := models.ParseConfig(text)
	if err != nil {
		return nil, err
	}
	if err := config.CheckClassifier(); err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return nil, fmt.Errorf("prune: read configuration: %w", err)
	}
	info.Config = compact.String()
	if len(config.Architectures) > 0 {
		info.Architecture = config.Architectures[0]
	}
	info.Labels, info.ProblemType = config.Labels, string(config.Problem)
	return config, nil
}

// headNames returns a test for the names, with or without the architecture's
// prefix, of a classifier's head.
func headNames(arch models.Architecture, labels int) func(tensor string) bool {
	names := map[string]bool{}
	for _, p := range arch.Head(labels) {
		names[p.Name] = true
	}
	return func(tensor string) bool { return names[strings.TrimPrefix(tensor, arch.Prefix())] }
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

// folderName returns the last component of a folder's path.
func folderName(dir string) string {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	return filepath.Base(dir)
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
