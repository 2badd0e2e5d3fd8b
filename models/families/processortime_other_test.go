//go:build !linux

package families_test

import "time"

// processorTime returns the time since some moment.
func processorTime() time.Duration { return time.Since(start) }

var start = time.Now()
