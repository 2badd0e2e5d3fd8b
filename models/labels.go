package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// labels returns the names of id2label by index. Hugging Face leaves the map out
// of the file if it is the default, LABEL_0 and LABEL_1. A name may be a number
// or a boolean, which is written as Python's str() writes it.
func labels(id2label map[string]json.RawMessage, number *int) ([]string, error) {
	n := 2
	if number != nil {
		n = *number
	}
	if id2label == nil {
		if n < 1 || n > 1<<16 {
			return nil, fmt.Errorf("num_labels is %d, want 1 to %d", n, 1<<16)
		}
		names := make([]string, n)
		for i := range names {
			names[i] = "LABEL_" + strconv.Itoa(i)
		}
		return names, nil
	}
	if number != nil && n != len(id2label) {
		// transformers 4 believes id2label, transformers 5 num_labels.
		return nil, fmt.Errorf("num_labels is %d, but id2label has %d labels: remove num_labels, or give every label a name", n, len(id2label))
	}
	if len(id2label) == 0 {
		return nil, errors.New("id2label is empty: remove it, or give every label a name")
	}
	byIndex := map[int]string{}
	for _, key := range slices.Sorted(maps.Keys(id2label)) {
		value := id2label[key]
		i, err := strconv.Atoi(strings.TrimSpace(key))
		if err != nil {
			return nil, fmt.Errorf("id2label has the key %q, want the number of a label; is it label2id, the other way round?", key)
		}
		if _, twice := byIndex[i]; twice {
			return nil, fmt.Errorf("id2label has label %d twice", i)
		}
		if byIndex[i], err = labelName(value); err != nil {
			return nil, fmt.Errorf("id2label: label %d %w", i, err)
		}
	}
	names := make([]string, len(byIndex))
	for i := range names {
		name, ok := byIndex[i]
		if !ok {
			return nil, fmt.Errorf("id2label has %d labels, but none for %d: number them from 0 to %d, in the order of the classifier's outputs", len(names), i, len(names)-1)
		}
		names[i] = name
	}
	return names, nil
}

// labelName returns a label's name as text.
func labelName(value json.RawMessage) (string, error) {
	var v any
	if err := json.Unmarshal(value, &v); err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return map[bool]string{true: "True", false: "False"}[v], nil
	case float64:
		literal := string(value)
		if !strings.ContainsAny(literal, ".eE") { // Python's int, of any size
			if literal == "-0" {
				literal = "0"
			}
			return literal, nil
		}
		return pythonFloat(v), nil
	}
	return "", fmt.Errorf("is %s, want a name or a number", shortValue(value))
}

// pythonFloat writes a number as Python's str(): the shortest digits that give
// it back, with an exponent below 1e-4 and from 1e16 on.
func pythonFloat(v float64) string {
	scientific := strconv.FormatFloat(v, 'e', -1, 64)
	exponent, _ := strconv.Atoi(scientific[strings.IndexByte(scientific, 'e')+1:])
	if v != 0 && (exponent < -4 || exponent >= 16) {
		return scientific
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
