package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"

	"kenserve/bulk"
	"kenserve/dataset"
	"kenserve/runtime"
	"kenserve/tokenizer"
)

type tokenizeCmd struct {
	File  string `arg:"" optional:"" placeholder:"FILE.ken" help:"Delta file of the task whose tokenizer to use (default: the base's tokenizer)."`
	Base  string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder with the tokenizer, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	Input string `default:"-" placeholder:"FILE" help:"File with texts, one a line; - means standard input (default)."`
	cacheFlags
}

// tokenizer returns the tokenizer of the delta, which may be the base's.
func (c *tokenizeCmd) tokenizer() (*tokenizer.Tokenizer, error) {
	if c.File == "" {
		return tokenizer.Open(c.Base)
	}
	_, d, closeBoth, err := c.openWithBase("tokenize", c.Base, c.File)
	if err != nil {
		return nil, err
	}
	defer closeBoth()
	if !d.OwnTokenizer {
		return tokenizer.Open(c.Base)
	}
	return runtime.NewTokenizer(d)
}

func (c *tokenizeCmd) Run(s streams) error {
	in, err := dataset.Open(c.Input, s.in, dataset.Options{Format: dataset.Text})
	if err != nil {
		return fmt.Errorf("tokenize: %w", err)
	}
	defer in.Close()
	t, err := c.tokenizer()
	if err != nil {
		return err
	}
	_ = reportUnknown("tokenize", false, s.warn("tokenize"), t.Unknown()...)
	out := bufio.NewWriter(s.out)
	encoder := json.NewEncoder(out)
	err = in.Batches(bulk.BatchTexts, func(rows []dataset.Row) error {
		for _, row := range rows {
			encoding, err := t.Encode(row.Text, nil, tokenizer.Options{AddSpecialTokens: true})
			if err != nil {
				return in.At(row, err)
			}
			line := struct {
				IDs []int32 `json:"ids"`
			}{encoding.IDs}
			if line.IDs == nil {
				line.IDs = []int32{} // [] in JSON, not null
			}
			if err := encoder.Encode(line); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("tokenize: %w", err)
	}
	return errors.Join(err, out.Flush())
}
