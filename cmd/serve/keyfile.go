package main

import (
	"fmt"
	"os"
	"strings"
)

// keyFile is the path of a file with one key a line. Blank lines and lines that begin with
// # are skipped.
type keyFile string

// keys reads the file. No path means no keys; a file without keys is an error.
func (f keyFile) keys() ([]string, error) {
	if f == "" {
		return nil, nil
	}
	text, err := os.ReadFile(string(f))
	if err != nil {
		return nil, fmt.Errorf("serve: read keys: %w", err)
	}
	var keys []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			keys = append(keys, line)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("serve: read keys: %s has no key", f)
	}
	return keys, nil
}
