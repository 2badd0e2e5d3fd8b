package delta

import (
	"fmt"

	"kenserve/safetensors"
)

// Load is Open that reads the file into memory instead of mapping it. A store's
// files are put there by people, who may copy a new delta over the old one; a
// map of it would change under the reader, or end in a fault.
func Load(path string) (*Delta, error) {
	f, err := safetensors.Load(path)
	if err != nil {
		return nil, fmt.Errorf("delta: %w", err)
	}
	d, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("delta: open %s: %w", path, err)
	}
	return d, nil
}
