// Package prune makes a delta file from a base and a checkpoint that was tuned from
// it, or a LoRA adapter, and searches for the smallest one that does as well.
package prune

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

	"kenserve/delta"
	"kenserve/ken"
	"kenserve/lora"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/runtime"
	"kenserve/safetensors"
)

// Source is a checkpoint that is being pruned against its base.
type Source struct {
	Pair *ken.Pair
	// Unservable says why a delta of it can be exported but not served; empty if it
	// can be.
	Unservable string

	base   *safetensors.Checkpoint
	tuned  delta.Tensors
	config *models.Config      // of the tuned model; nil if it has none
	arch   models.Architecture // nil if it is not known
	info   delta.Info          // but for what the options say
}

// Config names what to prune.
type Config struct {
	BaseDir, TunedDir string   // Hugging Face folders, the second of which may be a LoRA adapter
	Labels            []string // for an adapter that does not tell its own; nil: none
	Producer          string   // the program, for the delta
	Notes             string   // for the delta
}

// LabelsError means that the labels of a [Config] are not what the checkpoint wants.
type LabelsError struct{ reason string }

func (e *LabelsError) Error() string { return e.reason }

// Open opens and matches a base and a checkpoint.
func Open(c Config) (_ *Source, err error) {
	p := &Source{}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	if p.base, err = safetensors.OpenCheckpoint(c.BaseDir); err != nil {
		return nil, fmt.Errorf("prune: open base: %w", err)
	}
	config, err := p.openTuned(c.BaseDir, c.TunedDir, c.Labels)
	if err != nil {
		return nil, err
	}
	if p.Pair, err = ken.Match(p.base, p.tuned); err != nil {
		return nil, err
	}
	p.info = delta.Info{
		BaseSHA256: delta.Fingerprint(p.base), BaseName: folderName(c.BaseDir),
		BasePrefix: p.Pair.BasePrefix, TunedPrefix: p.Pair.TunedPrefix, Absent: p.Pair.Absent,
		Producer: c.Producer, SourceName: folderName(c.TunedDir), SourceSHA256: delta.Fingerprint(p.tuned),
		Notes: c.Notes,
	}
	if config != nil {
		if p.config, err = describeTask(config, &p.info); err != nil {
			return nil, err
		}
	}
	if p.config == nil {
		p.Unservable = fmt.Sprintf("%s has no %s: the delta will have no labels and can be exported but not served", c.TunedDir, models.ConfigFile)
	} else if p.arch, err = families.New(p.config); errors.Is(err, families.ErrUnknown) {
		p.Unservable = fmt.Sprintf("%v: the delta can be made and exported but not served", err)
	} else if err != nil {
		return nil, err
	}
	return p, nil
}

// Close unmaps the checkpoints.
func (p *Source) Close() {
	if p.base != nil {
		_ = p.base.Close()
	}
	if c, ok := p.tuned.(io.Closer); ok {
		_ = c.Close()
	}
}

// openTuned opens what was tuned and returns its config.json, nil if there is
// none.
func (p *Source) openTuned(baseDir, tunedDir string, labels []string) ([]byte, error) {
	if lora.Is(tunedDir) {
		adapter, err := lora.Open(tunedDir, p.base)
		if err != nil {
			return nil, fmt.Errorf("prune: %w", err)
		}
		p.tuned = adapter
		return adapterConfig(baseDir, tunedDir, labels, adapter)
	}
	if labels != nil {
		return nil, &LabelsError{fmt.Sprintf("only an adapter takes labels; a checkpoint's %s has its own", models.ConfigFile)}
	}
	c, err := safetensors.OpenCheckpoint(tunedDir)
	if err != nil {
		return nil, fmt.Errorf("prune: open tuned checkpoint: %w", err)
	}
	p.tuned = c
	return readConfig(tunedDir)
}

// readConfig returns a folder's config.json, nil if it has none.
func readConfig(dir string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, models.ConfigFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("prune: read configuration: %w", err)
	}
	return text, nil
}

// Complete adds to the options what the architecture tells.
func (p *Source) Complete(o ken.Options) ken.Options {
	if p.arch != nil {
		o.Table = runtime.TableNames(p.arch)
		o.Head = headNames(p.arch, len(p.config.Labels))
	}
	return o
}

// Weights is the number of weights of the tuned checkpoint.
func (p *Source) Weights() int {
	total := 0
	for _, name := range p.tuned.Names() {
		t, _ := p.tuned.Tensor(name)
		total += t.Len()
	}
	return total
}

// Write prunes into a delta file.
func (p *Source) Write(ctx context.Context, path string, o ken.Options) (*ken.Report, error) {
	w, err := delta.Create(path)
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	report, err := ken.Prune(ctx, p.Pair, w, o)
	if err != nil {
		return nil, err
	}
	info := p.info
	info.Selection, info.K, info.Keep, info.Scope = string(o.Selection), o.K, o.Keep, string(o.Scope)
	info.Coding, info.VectorCoding = o.Coding, o.VectorCoding
	if o.Budget != ken.BudgetRow {
		info.Budget = string(o.Budget)
	}
	if o.Factor != 1 {
		info.Factor = o.Factor
	}
	if len(o.Factors) > 0 {
		info.Factors = o.Factors
	}
	info.HeadFitted = o.HeadTensor != nil
	return report, w.Finish(info)
}

// describeTask puts what the tuned model's config.json says of the task into
// info.
func describeTask(text []byte, info *delta.Info) (*models.Config, error) {
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

// folderName returns the last component of a folder's path.
func folderName(dir string) string {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	return filepath.Base(dir)
}
