package main

import (
	"errors"
	"fmt"

	"kenserve/internal/stage"
)

// createOutput makes a place to write a command's output to, after it has checked that
// nothing is harmed. flag names the flag of the path, force the flag that allows to
// replace what exists. The caller commits the output and then aborts it, which does
// nothing any more.
func createOutput(command, flag, path, force string, options stage.Options) (*stage.Output, error) {
	out, err := stage.Create(path, options)
	return out, outputError(command, flag, force, err)
}

// outputError adds to an error of an output which flag is meant and what helps.
func outputError(command, flag, force string, err error) error {
	refused := (*stage.RefusedError)(nil)
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &refused):
		return fmt.Errorf("%s: --%s: %w", command, flag, err)
	case refused.Exists:
		return usageError{fmt.Errorf("%s: --%s: %w; choose another path, or add --%s", command, flag, err, force)}
	}
	return usageError{fmt.Errorf("%s: --%s: %w; choose another path", command, flag, err)}
}
