package hub

import (
	"errors"
	"path"
	"regexp"
	"slices"
)

// plain are the files beside the weights that kenserve reads, where they are.
var plainFiles = []string{
	"config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
	"vocab.txt", "vocab.json", "merges.txt", "spm.model", "sentencepiece.bpe.model",
}

const (
	weightsFile = "model.safetensors"
	indexFile   = "model.safetensors.index.json"
)

var shardPattern = regexp.MustCompile(`^model-[0-9]{5}-of-[0-9]{5}\.safetensors$`)

// wanted returns those of a model's files that are to be fetched.
func (c *Client) filesToFetch(names []string) ([]string, error) {
	if !slices.Contains(names, "config.json") {
		return nil, errors.New("it has no config.json")
	}
	var list []string
	for _, name := range plainFiles {
		if slices.Contains(names, name) {
			list = append(list, name)
		}
	}
	switch {
	case slices.Contains(names, weightsFile):
		return append(list, weightsFile), nil
	case slices.Contains(names, indexFile):
		list = append(list, indexFile)
		for _, name := range names {
			if shardPattern.MatchString(name) {
				list = append(list, name)
			}
		}
		return list, nil
	case slices.ContainsFunc(names, func(name string) bool { return path.Ext(name) == ".bin" }):
		return nil, errors.New("it has its weights in pickled files (.bin) only; convert them to safetensors first, as transformers' save_pretrained does")
	}
	return nil, errors.New("it has no weights in safetensors files")
}
