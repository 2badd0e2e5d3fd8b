package bulk

import (
	"errors"

	"kenserve/runtime"
)

// Reason returns the reason why a task cannot be loaded, if err says that it cannot, and
// err otherwise. The engine's message hides the reason, because clients of a server may
// see the message; here the reason is an error of this user's own file.
func Reason(err error) error {
	if reason := errors.Unwrap(err); errors.Is(err, runtime.ErrTaskUnusable) && reason != nil {
		return reason
	}
	return err
}
