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
	Base      string       `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base."`
	Input     string       `default:"-" placeholder:"FILE" help:"Texts, one a line, or JSON lines {\"text\", \"text_pair\"}; - is standard input."`
	Format    string       `default:"auto" enum:"auto,text,json" help:"Format of the input: ${enum}; auto looks at the first line."`
	TopK      int          `placeholder:"N" help:"Labels to print of each text (default: all)."`
	RawScores bool         `help:"Print logits instead of probabilities."`
	Compute   gemm.Compute `default:"float32" placeholder:"TYPE" help:"Type in which dense layers multiply: float32, bfloat16 or int8 (default ${default})."`
	cacheFlags
}

func (c *classifyCmd) Run(ctx context.Context, s streams) error {
	if c.TopK < 0 {
		return usageError{fmt.Errorf("classify: --top-k %d is negative", c.TopK)}
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
	return classifier.Lines(ctx, in, s.out, bulk.LineOptions{Format: dataset.Format(c.Format), TopK: c.TopK, Raw: c.RawScores})
}
