package hub

import (
	"errors"
	"path"
	"regexp"
	"slices"
)

// plainFiles are the files beside the weights that kenserve reads. A model has some of
// them.
var plainFiles = []string{
	"config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
	"vocab.txt", "vocab.json", "merges.txt", "spm.model", "sentencepiece.bpe.model",
}

const (
	weightsFile = "model.safetensors"
	indexFile   = "model.safetensors.index.json"
)

var shardPattern = regexp.MustCompile(`^model-[0-9]{5}-of-[0-9]{5}\.safetensors$`)

// filesToFetch returns the files to download out of all files of a model.
func (c *Client) filesToFetch(names []string) ([]string, error) {
	if !slices.Contains(names, "config.json") {
		return nil, errors.New("the model has no config.json")
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
		return nil, errors.New("the model has its weights only in pickled files (.bin): convert them to safetensors first, for example with save_pretrained of transformers")
	}
	return nil, errors.New("the model has no weights in safetensors files")
}
