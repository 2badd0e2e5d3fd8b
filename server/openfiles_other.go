//go:build !unix

package server

import "math"

// maxOpenFiles returns the number of files and connections that the system lets this
// process have open: there is no limit.
func maxOpenFiles() int { return math.MaxInt32 }

// noFileLeft tells whether a connection could not be accepted because too many files are open.
func noFileLeft(error) bool { return false }
