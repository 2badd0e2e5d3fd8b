package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"

	"kenserve/bulk"
	"kenserve/dataset"
	"kenserve/tokenizer"
)

type tokenizeCmd struct {
	Base  string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder with the tokenizer, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	Input string `default:"-" placeholder:"FILE" help:"File with texts, one a line; - means standard input (default)."`
}

func (c *tokenizeCmd) Run(s streams) error {
	in, err := dataset.Open(c.Input, s.in, dataset.Options{Format: dataset.Text})
	if err != nil {
		return fmt.Errorf("tokenize: %w", err)
	}
	defer in.Close()
	t, err := tokenizer.Open(c.Base)
	if err != nil {
		return err
	}
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
