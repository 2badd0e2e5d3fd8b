package bucket

import (
	"context"
	"math/rand/v2"
	"time"

	"gocloud.dev/gcerrors"
)

// retry says how often, and after which pauses, something is tried again.
type retry struct {
	attempts int
	pause    time.Duration // before the second attempt; it doubles from one to the next
}

var defaultRetry = retry{attempts: 4, pause: 100 * time.Millisecond}

// do calls f until it succeeds, fails for a reason that stays, or has been
// called often enough. Pauses vary by half, so that those who failed together
// do not come back together.
func (r retry) do(ctx context.Context, f func() error) error {
	pause := r.pause
	for i := 1; ; i++ {
		err := f()
		if err == nil || i == r.attempts || !passing(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return err
		}
		pause *= 2
	}
}

// passing tells whether an error may be gone on another attempt.
func passing(err error) bool {
	switch gcerrors.Code(err) {
	case gcerrors.NotFound, gcerrors.AlreadyExists, gcerrors.InvalidArgument, gcerrors.PermissionDenied,
		gcerrors.FailedPrecondition, gcerrors.Unimplemented, gcerrors.Canceled:
		return false
	}
	return true
}
