//go:build !linux

package jobs

import "os/exec"

// lowerPriority does nothing: other systems have no priority of threads that package
// syscall can set. The pauses between forward passes protect the requests.
func lowerPriority() {}

// isolate does nothing.
func isolate(*exec.Cmd) {}
