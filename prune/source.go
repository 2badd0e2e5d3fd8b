// Package prune makes delta files. It opens a base and a checkpoint tuned from it (or a
// LoRA adapter of it), reads what the checkpoint's configuration says about the task,
// lets package ken select the values to keep, and writes them with this metadata.
//
// A [Trial] does the same over and over, to find the smallest delta that is accurate
// enough on labelled texts: package auto chooses what to try, and the trial makes each
// delta in a temporary folder and classifies the texts with it.
package prune

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"kenserve/delta"
	"kenserve/internal/regular"
	"kenserve/internal/settings"
	"kenserve/ken"
	"kenserve/lora"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/runtime"
	"kenserve/safetensors"
	"kenserve/tokenizer"
)

// Config names the checkpoints to open.
type Config struct {
	BaseDir  string // Hugging Face folder of the base
	TunedDir string // Hugging Face folder of the tuned checkpoint, or folder of a LoRA adapter
	// Labels are the labels of a LoRA adapter, in the order of its head's outputs. nil
	// means those of its config.json or, if its folder has none, LABEL_0, LABEL_1, …
	Labels []string
	// Problem is the problem type of a task whose config.json has none, as that of a LoRA
	// adapter; empty: the one that models.ParseProblem assumes.
	Problem  models.Problem
	Producer string // name and version of the program, written to the delta
	Notes    string // free text, written to the delta
}

// LabelsError means that [Config.Labels] does not fit the checkpoint.
type LabelsError struct{ reason string }

func (e *LabelsError) Error() string { return e.reason }

// ProblemError means that [Config.Problem] does not fit the checkpoint.
type ProblemError struct{ reason string }

func (e *ProblemError) Error() string { return e.reason }

// Source is a tuned checkpoint with its base, ready to be pruned.
type Source struct {
	// Unservable says why deltas of this source can be exported but not served. It is
	// empty if they can be served.
	Unservable string
	// Warnings say what was assumed, and what of the tuned checkpoint is odd.
	Warnings []string
	// Notes say what of the task is its own, or the base's, beside the weights.
	Notes []string

	base             *safetensors.Checkpoint
	tuned            delta.Tensors
	pair             *ken.Pair
	config           *models.Config       // of the tuned model; nil if it has none
	arch             models.Architecture  // nil if the configuration is missing or its family is unknown
	info             delta.Info           // metadata of the delta, without what the options say
	tokenizerUnknown []settings.Unknown   // settings of the tuned checkpoint's tokenizer
	baseUnknown      []settings.Unknown   // settings of the base
	own              *tokenizer.Tokenizer // the tuned checkpoint's tokenizer, if it is not the base's
	files            *delta.Tokenizer     // the files of own
}

// Open opens a base and a tuned checkpoint and matches their tensors. The error is a
// [LabelsError] if Labels does not fit, and a [ProblemError] if Problem does not. Call Close afterwards.
func Open(c Config) (_ *Source, err error) {
	s := &Source{}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.base, err = safetensors.OpenCheckpoint(c.BaseDir); err != nil {
		return nil, fmt.Errorf("prune: open base: %w", err)
	}
	s.noteWrapper("the base", s.base)
	config, err := s.openTuned(c)
	if err != nil {
		return nil, err
	}
	s.info = delta.Info{
		BaseSHA256: delta.Fingerprint(s.base), BaseName: folderName(c.BaseDir),
		Producer: c.Producer, SourceName: folderName(c.TunedDir), SourceSHA256: delta.Fingerprint(s.tuned),
		Notes: c.Notes,
	}
	if err := s.describe(config, lora.IsAdapter(c.TunedDir)); err != nil {
		return nil, err
	}
	s.info.BasePrefix, s.info.TunedPrefix, s.info.Absent = s.pair.BasePrefix, s.pair.TunedPrefix, s.pair.Absent
	if config == nil {
		s.Unservable = fmt.Sprintf("%s has no %s: the delta has no labels; it can be exported but not served", c.TunedDir, models.ConfigFile)
	}
	if err := s.takeTokenizer(c); err != nil {
		return nil, err
	}
	s.noteBase(c.BaseDir)
	return s, nil
}

// describe reads the text of the tuned checkpoint's config.json, which is nil if there is
// none, and matches the checkpoint with the base and with the model that it describes.
func (s *Source) describe(config []byte, adapter bool) (err error) {
	table := func(string) bool { return false }
	if config != nil {
		if s.config, err = describeTask(config, &s.info); err != nil {
			return err
		}
		s.noteLabels(config)
		if s.arch, err = families.New(s.config); errors.Is(err, families.ErrUnknown) {
			s.Unservable = fmt.Sprintf("%v: the delta can be exported but not served", err)
		} else if err != nil {
			return err
		} else {
			table = runtime.TableNames(s.arch)
		}
	}
	if s.pair, err = ken.MatchTables(s.base, s.tuned, table); err != nil {
		return err
	}
	if s.arch == nil {
		return nil
	}
	for _, name := range s.pair.Resized {
		b, _ := s.base.Tensor(name)
		s.Notes = append(s.Notes, resizedNote(name, b.Shape[0], s.pair.TunedRows(name)))
	}
	return s.takeInventory(adapter)
}

// Unknown lists, by file, the settings of the tuned checkpoint and of the base that nothing
// reads.
func (s *Source) Unknown() []settings.Unknown {
	var all []settings.Unknown
	if s.config != nil {
		all = append(all, s.config.Unknown)
	}
	all = append(all, s.tokenizerUnknown...)
	return append(all, s.baseUnknown...)
}

// noteBase collects the unknown settings of the base's configuration. A fault of it
// does not matter here, because it is not read any further.
func (s *Source) noteBase(dir string) {
	config, err := models.ReadConfig(dir)
	if err != nil {
		return
	}
	if _, err := families.New(config); err == nil {
		s.noteBaseUnknown(config.Unknown)
	}
}

// noteBaseUnknown collects the unknown settings of files of the base.
func (s *Source) noteBaseUnknown(files ...settings.Unknown) {
	for _, u := range files {
		u.File = "the base's " + u.File
		s.baseUnknown = append(s.baseUnknown, u)
	}
}

// Close unmaps the checkpoints.
func (s *Source) Close() {
	if s.base != nil {
		_ = s.base.Close()
	}
	if c, ok := s.tuned.(io.Closer); ok {
		_ = c.Close()
	}
}

// openTuned opens the tuned checkpoint and returns the text of its config.json, nil if
// it has none.
func (s *Source) openTuned(c Config) ([]byte, error) {
	if lora.IsAdapter(c.TunedDir) {
		adapter, err := lora.Open(c.TunedDir, s.base, isLinear(c.BaseDir))
		if err != nil {
			return nil, fmt.Errorf("prune: %w", err)
		}
		s.tuned = adapter
		if adapter.Warning != "" {
			s.Warnings = append(s.Warnings, adapter.Warning)
		}
		if adapter.Base != "" && !isFolderOf(c.BaseDir, adapter.Base) {
			s.Notes = append(s.Notes, fmt.Sprintf("the adapter says that it was trained on %q: make sure that %s is that model, because an adapter fits any base of the same sizes", adapter.Base, c.BaseDir))
		}
		return s.adapterConfig(c, adapter)
	}
	if c.Labels != nil {
		return nil, &LabelsError{fmt.Sprintf("labels are only for LoRA adapters; the labels of a checkpoint are in its %s", models.ConfigFile)}
	}
	checkpoint, err := safetensors.OpenCheckpoint(c.TunedDir)
	if err != nil {
		return nil, fmt.Errorf("prune: open tuned checkpoint: %w", err)
	}
	s.tuned = checkpoint
	s.noteWrapper("the tuned checkpoint", checkpoint)
	text, err := readConfig(c.TunedDir)
	if err != nil {
		return nil, err
	}
	if text == nil && c.Problem != "" {
		return nil, &ProblemError{fmt.Sprintf("%s has no %s, where the rest of the task is described", c.TunedDir, models.ConfigFile)}
	}
	return setProblem(text, c.Problem)
}

// noteWrapper adds a warning if names of a checkpoint are read without a wrapper.
func (s *Source) noteWrapper(which string, c *safetensors.Checkpoint) {
	if file, name := c.Renamed(); file != "" {
		s.Warnings = append(s.Warnings, fmt.Sprintf("names in %s have a wrapper, which is left out: %s is read as %s", which, file, name))
	}
}

// maxConfig bounds the file of a configuration, in bytes. Large ones have many labels.
const maxConfig = 16 << 20

// readConfig returns the text of a folder's config.json, nil if it has none.
func readConfig(dir string) ([]byte, error) {
	text, err := regular.Read(filepath.Join(dir, models.ConfigFile), maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("prune: read configuration: %w", err)
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), nil
}

// Weights returns the number of weights of the tuned checkpoint.
func (s *Source) Weights() int {
	total := 0
	for _, name := range s.tuned.Names() {
		t, _ := s.tuned.Tensor(name)
		total += t.Len()
	}
	return total
}

// Rows returns the number of rows that Write reports as progress.
func (s *Source) Rows(o ken.Options) int { return s.pair.Rows(s.complete(o)) }

// Write prunes with the options and writes the delta file at path. It sets the options'
// Table and Head itself. An existing file is replaced when the new one is complete.
func (s *Source) Write(ctx context.Context, path string, o ken.Options) (*ken.Report, error) {
	o = s.complete(o)
	w, err := delta.Create(path)
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	if s.files != nil {
		if err := w.Tokenizer(s.files); err != nil {
			return nil, err
		}
	}
	report, err := ken.Prune(ctx, s.pair, w, o)
	if err != nil {
		return nil, err
	}
	return report, w.Finish(describeOptions(s.info, o))
}

// complete sets the options that follow from the architecture.
func (s *Source) complete(o ken.Options) ken.Options {
	if s.arch != nil {
		o.Table = runtime.TableNames(s.arch)
		o.Head = isHead(s.arch, len(s.config.Labels))
	}
	return o
}

// isHead returns a test whether a tensor belongs to the head. Names may have the
// architecture's prefix or not.
func isHead(arch models.Architecture, labels int) func(tensor string) bool {
	names := map[string]bool{}
	for _, p := range arch.Head(labels) {
		names[p.Name] = true
	}
	return func(tensor string) bool { return names[strings.TrimPrefix(tensor, arch.Prefix())] }
}
