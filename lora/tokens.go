package lora

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"kenserve/safetensors"
)

// PEFT's trainable_token_indices trains a few rows of a table and saves them as a tensor.
// In spite of its name the tensor has the rows themselves, and not how they differ from the
// base's (TrainableTokensLayer.merge).
const (
	tokenRows      = ".token_adapter.trainable_tokens_delta"
	tokenBaseLayer = ".token_adapter.base_layer." // the whole table, if the vocabulary was resized
)

// tokenIndices says which rows the tensors of tokenRows are. A list is for the only table.
type tokenIndices struct {
	list    []int
	byTable map[string][]int // by the table's name, or the end of it after a dot
}

func (t *tokenIndices) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return json.Unmarshal(text, &t.byTable)
	}
	return json.Unmarshal(text, &t.list)
}

// of returns the indices for a table.
func (t *tokenIndices) of(module string) []int {
	for name, list := range t.byTable {
		if module == name || strings.HasSuffix(module, "."+name) {
			return list
		}
	}
	return t.list
}

// withTokens returns a table with the trained rows put in. Rows after the last are added if
// there is one for each index up to the highest.
func (t *tokenIndices) withTokens(module string, table, trained *safetensors.Tensor) (*safetensors.Tensor, error) {
	indices := t.of(module)
	switch {
	case table == nil || len(table.Shape) != 2:
		return nil, fmt.Errorf("%w: the base has no table of this name", errUnsupported)
	case len(trained.Shape) != 2 || trained.Shape[0] != len(indices) || trained.Shape[1] != table.Shape[1]:
		return nil, fmt.Errorf("%w: the trained rows have shape %v, want [%d, %d]: %d are listed in trainable_token_indices", errUnsupported, trained.Shape, len(indices), table.Shape[1], len(indices))
	}
	rows, columns := table.Shape[0], table.Shape[1]
	values, err := float32s(table)
	if err != nil {
		return nil, err
	}
	own, err := float32s(trained)
	if err != nil {
		return nil, err
	}
	last := rows - 1
	listed := map[int]bool{}
	for _, index := range indices {
		last = max(last, index)
		listed[index] = true
	}
	for i := rows; i <= last; i++ {
		if !listed[i] {
			return nil, fmt.Errorf("%w: trainable_token_indices has row %d, and the adapter does not have row %d, which is not the base's: save it with save_embedding_layers=True", errUnsupported, last, i)
		}
	}
	values = append(values, make([]float32, (last+1-rows)*columns)...)
	for i, index := range indices {
		if index < 0 {
			return nil, fmt.Errorf("%w: trainable_token_indices has %d", errUnsupported, index)
		}
		copy(values[index*columns:][:columns], own[i*columns:])
	}
	return newTensor(table.Name, []int{last + 1, columns}, values), nil
}
