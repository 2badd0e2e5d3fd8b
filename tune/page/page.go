// Package page writes the result of a tuning as one web page that needs no other file.
package page

import (
	"fmt"

	"kenserve/tune"
)

// Write writes the page to a file.
func Write(path string, r *tune.Report) error { return fmt.Errorf("not yet: %s %v", path, r) }
