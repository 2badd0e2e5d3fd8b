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

	"kenserve/delta"
	"kenserve/ken"
	"kenserve/lora"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/runtime"
	"kenserve/safetensors"
)

// pruning is a checkpoint that is being pruned against its base.
type pruning struct {
	base   *safetensors.Checkpoint
	tuned  delta.Tensors
	pair   *ken.Pair
	config *models.Config      // of the tuned model; nil if it has none
	arch   models.Architecture // nil if it is not known
	info   delta.Info          // but for what the options say
}

// openPruning opens and matches two Hugging Face folders, the second of which
// may be a LoRA adapter. labels are for one that does not tell its own. What the
// delta will not be good for is said on s.err.
func openPruning(baseDir, tunedDir string, labels []string, s streams) (_ *pruning, err error) {
	p := &pruning{}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	if p.base, err = safetensors.OpenCheckpoint(baseDir); err != nil {
		return nil, fmt.Errorf("prune: open base: %w", err)
	}
	config, err := p.openTuned(baseDir, tunedDir, labels)
	if err != nil {
		return nil, err
	}
	if p.pair, err = ken.Match(p.base, p.tuned); err != nil {
		return nil, err
	}
	p.info = delta.Info{
		BaseSHA256: delta.Fingerprint(p.base), BaseName: folderName(baseDir),
		BasePrefix: p.pair.BasePrefix, TunedPrefix: p.pair.TunedPrefix, Absent: p.pair.Absent,
		Producer: "kenserve " + version(), SourceName: folderName(tunedDir), SourceSHA256: delta.Fingerprint(p.tuned),
	}
	if config != nil {
		if p.config, err = describeTask(config, &p.info); err != nil {
			return nil, err
		}
	}
	if p.config == nil {
		fmt.Fprintf(s.err, "prune: %s has no %s: the delta will have no labels and can be exported but not served\n", tunedDir, models.ConfigFile)
	} else if p.arch, err = families.New(p.config); errors.Is(err, families.ErrUnknown) {
		fmt.Fprintf(s.err, "prune: %v: the delta can be made and exported but not served\n", err)
	} else if err != nil {
		return nil, err
	}
	return p, nil
}

// Close unmaps the checkpoints.
func (p *pruning) Close() {
	if p.base != nil {
		_ = p.base.Close()
	}
	if c, ok := p.tuned.(io.Closer); ok {
		_ = c.Close()
	}
}

// openTuned opens what was tuned and returns its config.json, nil if there is
// none.
func (p *pruning) openTuned(baseDir, tunedDir string, labels []string) ([]byte, error) {
	if lora.IsAdapter(tunedDir) {
		adapter, err := lora.Open(tunedDir, p.base)
		if err != nil {
			return nil, fmt.Errorf("prune: %w", err)
		}
		p.tuned = adapter
		return adapterConfig(baseDir, tunedDir, labels, adapter)
	}
	if labels != nil {
		return nil, usageError{fmt.Errorf("prune: --labels is for adapters: a checkpoint's %s names its own", models.ConfigFile)}
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

// complete adds to the options what the architecture tells.
func (p *pruning) complete(o ken.Options) ken.Options {
	if p.arch != nil {
		o.Table = runtime.TableNames(p.arch)
		o.Head = headNames(p.arch, len(p.config.Labels))
	}
	return o
}

// write prunes into a delta file.
func (p *pruning) write(ctx context.Context, path string, o ken.Options) (*ken.Report, error) {
	w, err := delta.Create(path)
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	report, err := ken.Prune(ctx, p.pair, w, o)
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
