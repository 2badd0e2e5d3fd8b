//go:build !unix

package regular

// This system has no such flags; the checks before and after opening must be enough.
const nonblock, noFollow = 0, 0
