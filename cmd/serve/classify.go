package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"kenserve/bulk"
	"kenserve/dataset"
	"kenserve/gemm"
	"kenserve/internal/stage"
)

type classifyCmd struct {
	File      string       `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base      string       `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	Input     string       `default:"-" placeholder:"FILE" help:"File with texts: one a line, JSON lines {\"text\", \"text_pair\", \"id\"}, a JSON array, CSV or TSV; - means standard input (default)."`
	Output    string       `placeholder:"FILE" help:"File to write to, a JSON line for each text in the order of the input (default: standard output)."`
	Resume    bool         `xor:"existing" help:"Continue an --output that an interrupted run has begun. Input, delta, base and flags must be the same; FILE.resume beside the output tells, and is removed at the end."`
	Force     bool         `xor:"existing" help:"Replace an --output that exists."`
	WithText  bool         `help:"Write the text too, and the second one of a pair."`
	TopK      int          `placeholder:"N" help:"Number of labels to print for each text, best first (default: all)."`
	RawScores bool         `help:"Print logits instead of probabilities."`
	Compute   gemm.Compute `default:"float32" placeholder:"TYPE" help:"Number type of products in dense layers: float32, bfloat16 or int8 (default ${default}). bfloat16 and int8 are less exact, and faster where the processor supports them."`
	dataFlags
	IDColumn string `name:"id-column" placeholder:"NAME" help:"Member or column of an id, which is written with the text's labels (default: id, where it is there)."`
	cacheFlags
}

func (c *classifyCmd) Run(ctx context.Context, s streams) (err error) {
	if c.TopK < 0 {
		return usageError{fmt.Errorf("classify: --top-k is %d; it must not be negative", c.TopK)}
	}
	if c.Output == "" && (c.Resume || c.Force) {
		return usageError{errors.New("classify: --resume and --force are only valid with --output")}
	}
	options := c.dataFlags.options()
	options.Columns.ID = c.IDColumn
	in, err := openData(c.Input, s, "classify", options)
	if err != nil {
		return err
	}
	defer in.Close()
	out, output := s.out, (*os.File)(nil)
	if c.Output != "" {
		if output, err = c.openOutput(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, output.Close()) }()
		out = output
	}
	classifier, err := bulk.Open(ctx, c.File, c.Base, c.cacheFlags.open(), c.Compute)
	if err != nil {
		return err
	}
	defer classifier.Close()
	_ = reportUnknown("classify", false, s.warn("classify"), classifier.Engine.Base().Unknown()...)
	lineOptions := bulk.LineOptions{TopK: c.TopK, Raw: c.RawScores, WithText: c.WithText}
	before := 0 // texts that an earlier run has classified
	if output != nil {
		journal, err := c.openJournal(ctx, classifier, output, in, lineOptions)
		if err != nil {
			return err
		}
		defer journal.Close()
		lineOptions.Journal = journal
		if before = journal.Rows(); before > 0 {
			fmt.Fprintf(s.err, "classify: %s has the answers to the first %d texts; continues with the next\n", c.Output, before)
		}
	}
	truncated, maxTokens := 0, 0
	defer func() { // after the progress
		if truncated > 0 {
			fmt.Fprintf(s.err, "classify: %d texts have more than %d tokens and were truncated\n", truncated, maxTokens)
		}
	}()
	show := func(*bulk.Batch) {}
	// Progress on the terminal to which the answers are written would be among them.
	if c.Output != "" || !isTerminal(s.out) {
		bar := newReadProgress(s.err, in.Size(), in.Position(), before)
		show = bar.add
		defer bar.finish()
	}
	lineOptions.Progress = func(b *bulk.Batch) {
		truncated, maxTokens = truncated+b.Result.Truncated, b.Result.MaxTokens
		show(b)
	}
	err = classifier.Lines(ctx, in, out, lineOptions)
	reportIgnored(in, s, "classify")
	if err == nil && output != nil {
		err = lineOptions.Journal.Remove()
	}
	return err
}

// openOutput opens the output, with what an earlier run has written if it is to be continued.
func (c *classifyCmd) openOutput() (*os.File, error) {
	f, err := stage.OpenInPlace(c.Output, stage.Options{Replace: c.Force || c.Resume, Inputs: []string{c.File, c.Base, c.Input}})
	if err != nil {
		return nil, outputError("classify", "output", "resume to continue it or --force to replace it", err)
	}
	if !c.Resume {
		if err := f.Truncate(0); err != nil {
			return nil, errors.Join(fmt.Errorf("classify: --output: %w", err), f.Close())
		}
	}
	return f, nil
}

// openJournal opens the journal of the output: an earlier run's, behind whose answers it moves
// the output and the input, or a new one.
func (c *classifyCmd) openJournal(ctx context.Context, classifier *bulk.Classifier, output *os.File, in *dataset.Reader, o bulk.LineOptions) (*bulk.Journal, error) {
	f, err := stage.OpenInPlace(c.Output+".resume", stage.Options{Replace: true, Inputs: []string{c.File, c.Base, c.Input}})
	if err != nil {
		return nil, outputError("classify", "output", "", err)
	}
	var journal *bulk.Journal
	if c.Resume {
		if journal, err = classifier.ContinueJournal(ctx, f, output, in, o); err != nil {
			err = fmt.Errorf("classify: resume %s: %w; --force starts again", c.Output, err)
		}
	} else if journal, err = classifier.StartJournal(ctx, f, o); err != nil {
		err = fmt.Errorf("classify: %w", err)
	}
	if err == nil {
		return journal, nil
	}
	if info, statErr := f.Stat(); statErr == nil && info.Size() == 0 { // it was made just now
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return nil, errors.Join(err, f.Close())
}
