package main

import (
	"context"
	"fmt"

	"kenserve/bulk"
	"kenserve/dataset"
	"kenserve/gemm"
)

type classifyCmd struct {
	File      string       `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base      string       `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	Input     string       `default:"-" placeholder:"FILE" help:"File with texts, one a line, or JSON lines {\"text\", \"text_pair\"}; - means standard input (default)."`
	Format    string       `default:"auto" enum:"auto,text,json" help:"Format of the input: ${enum}. auto takes json if the first line is a JSON object with \"text\"."`
	TopK      int          `placeholder:"N" help:"Number of labels to print for each text, best first (default: all)."`
	RawScores bool         `help:"Print logits instead of probabilities."`
	Compute   gemm.Compute `default:"float32" placeholder:"TYPE" help:"Number type of products in dense layers: float32, bfloat16 or int8 (default ${default}). bfloat16 and int8 are less exact, and faster where the processor supports them."`
	cacheFlags
}

func (c *classifyCmd) Run(ctx context.Context, s streams) error {
	if c.TopK < 0 {
		return usageError{fmt.Errorf("classify: --top-k is %d; it must not be negative", c.TopK)}
	}
	in, err := openInput(c.Input, s.in)
	if err != nil {
		return fmt.Errorf("classify: %w", err)
	}
	defer in.Close()
	classifier, err := bulk.Open(ctx, c.File, c.Base, c.cacheFlags.open(), c.Compute)
	if err != nil {
		return err
	}
	defer classifier.Close()
	_ = reportUnknown("classify", false, s.warn("classify"), classifier.Engine.Base().Unknown()...)
	return classifier.Lines(ctx, in, s.out, bulk.LineOptions{Format: dataset.Format(c.Format), TopK: c.TopK, Raw: c.RawScores})
}
