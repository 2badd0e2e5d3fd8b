package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"

	"kenserve/dataset"
	"kenserve/tokenizer"
)

type tokenizeCmd struct {
	Base  string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder with the tokenizer, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	Input string `default:"-" placeholder:"FILE" help:"File with texts, one a line; - means standard input (default)."`
}

func (c *tokenizeCmd) Run(s streams) error {
	in, err := openInput(c.Input, s.in)
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
	err = dataset.EachLine(in, func(number int, line []byte) error {
		encoding, err := t.Encode(string(line), nil, tokenizer.Options{AddSpecialTokens: true})
		if err != nil {
			return fmt.Errorf("tokenize: line %d: %w", number, err)
		}
		return encoder.Encode(struct {
			IDs []int32 `json:"ids"`
		}{encoding.IDs})
	})
	return errors.Join(err, out.Flush())
}
