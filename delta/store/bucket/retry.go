package bucket

import (
	"context"
	"math/rand/v2"
	"time"

	"gocloud.dev/gcerrors"
)

// retry is how often a request is tried, and after which pauses.
type retry struct {
	attempts int
	pause    time.Duration // before the second attempt; each further pause is twice as long
}

var defaultRetry = retry{attempts: 4, pause: 100 * time.Millisecond}

// do calls f until it succeeds, fails for a lasting reason, or has been called
// attempts times. Each pause is varied at random by up to half, so that clients
// that failed at the same time do not return at the same time.
func (r retry) do(ctx context.Context, f func() error) error {
	pause := r.pause
	for i := 1; ; i++ {
		err := f()
		if err == nil || i == r.attempts || !temporary(err) || ctx.Err() != nil {
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

// temporary reports whether another attempt may succeed.
func temporary(err error) bool {
	switch gcerrors.Code(err) {
	case gcerrors.NotFound, gcerrors.AlreadyExists, gcerrors.InvalidArgument, gcerrors.PermissionDenied,
		gcerrors.FailedPrecondition, gcerrors.Unimplemented, gcerrors.Canceled:
		return false
	}
	return true
}
