package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"kenserve/bulk"
	"kenserve/gemm"
	"kenserve/internal/stage"
)

type classifyCmd struct {
	File      string       `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base      string       `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	Input     string       `default:"-" placeholder:"FILE" help:"File with texts: one a line, JSON lines {\"text\", \"text_pair\", \"id\"}, a JSON array, CSV or TSV; - means standard input (default)."`
	Output    string       `placeholder:"FILE" help:"File to write to, a JSON line for each text in the order of the input (default: standard output)."`
	Resume    bool         `xor:"existing" help:"Continue an --output that a run with the same input and flags has begun."`
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
	out, written := s.out, bulk.Written{}
	if c.Output != "" {
		var f *os.File
		if f, written, err = c.openOutput(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		out = f
	}
	classifier, err := bulk.Open(ctx, c.File, c.Base, c.cacheFlags.open(), c.Compute)
	if err != nil {
		return err
	}
	defer classifier.Close()
	_ = reportUnknown("classify", false, s.warn("classify"), classifier.Engine.Base().Unknown()...)
	lineOptions := bulk.LineOptions{TopK: c.TopK, Raw: c.RawScores, WithText: c.WithText}
	if n := written.Lines; n > 0 {
		if err := classifier.Resume(ctx, in, written, lineOptions); err != nil {
			return fmt.Errorf("classify: resume %s: %w; --force starts again", c.Output, err)
		}
		fmt.Fprintf(s.err, "classify: %s has the answers to the first %d texts; continues with the next\n", c.Output, n)
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
		bar := newReadProgress(s.err, in.Size(), in.Position(), written.Lines)
		show = bar.add
		defer bar.finish()
	}
	lineOptions.Progress = func(b *bulk.Batch) {
		truncated, maxTokens = truncated+b.Result.Truncated, b.Result.MaxTokens
		show(b)
	}
	err = classifier.Lines(ctx, in, out, lineOptions)
	reportIgnored(in, s, "classify")
	return err
}

// openOutput opens the output at the end of what an earlier run has written.
func (c *classifyCmd) openOutput() (*os.File, bulk.Written, error) {
	f, err := stage.OpenInPlace(c.Output, stage.Options{Replace: c.Force || c.Resume, Inputs: []string{c.File, c.Base, c.Input}})
	if err != nil {
		return nil, bulk.Written{}, outputError("classify", "output", "resume to continue it or --force to replace it", err)
	}
	if !c.Resume {
		if err := f.Truncate(0); err != nil {
			return nil, bulk.Written{}, errors.Join(fmt.Errorf("classify: --output: %w", err), f.Close())
		}
		return f, bulk.Written{}, nil
	}
	written, err := continueFile(f)
	if err != nil {
		return nil, bulk.Written{}, errors.Join(fmt.Errorf("classify: resume %s: %w", c.Output, err), f.Close())
	}
	return f, written, nil
}

// continueFile reads what an earlier run has written, removes a line without an end, and
// moves to the end of the file.
func continueFile(f *os.File) (bulk.Written, error) {
	written, err := bulk.ScanLines(f)
	if err != nil {
		return written, err
	}
	if err := f.Truncate(written.Bytes); err != nil {
		return written, err
	}
	_, err = f.Seek(written.Bytes, io.SeekStart)
	return written, err
}
