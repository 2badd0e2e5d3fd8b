package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// temporaryError wraps an error after which another attempt may succeed.
type temporaryError struct{ error }

func (p temporaryError) Unwrap() error { return p.error }

// attempts is the number of failures in a row, without progress, after which the last
// error is returned.
const attempts = 5

// firstPause is the pause before the second attempt; it doubles with each attempt.
var firstPause = 500 * time.Millisecond

// retry calls do until it succeeds, fails with an error that is not temporary, or has
// failed attempts times.
func (c *Client) retry(ctx context.Context, do func() error) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := do()
		if err == nil || try == attempts || !errors.As(err, new(temporaryError)) || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
		pause *= 2
	}
}

// do sends a request. It returns an error unless the status is 2xx, or the answer to a
// HEAD request redirects to another host. The token is sent only to the endpoint.
func (c *Client) do(ctx context.Context, method, address string, header http.Header) (*http.Response, error) {
	ctx, watchdog := watch(ctx, c.silence)
	response, err := c.send(ctx, method, address, header)
	if err != nil {
		err = because(ctx, err)
		watchdog.end()
		if errors.Is(err, errDowngrade) || errors.Is(err, context.Canceled) {
			return nil, err
		}
		return nil, temporaryError{err}
	}
	if response.StatusCode/100 == 2 || method == http.MethodHead && response.StatusCode/100 == 3 {
		response.Body = watchedBody{response.Body, ctx, watchdog}
		return response, nil
	}
	response.Body.Close()
	watchdog.end()
	return nil, c.statusError(response)
}

// send sends a request, and follows redirections.
func (c *Client) send(ctx context.Context, method, address string, header http.Header) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("User-Agent", "kenserve")
	request.Header.Set("Accept-Encoding", "identity") // sizes and digests are those of the uncompressed file
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	client := *c.http
	client.CheckRedirect = redirect
	return client.Do(request)
}

// statusError returns the error for an answer's status.
func (c *Client) statusError(r *http.Response) error {
	hint := "set HF_TOKEN to a token that may read it"
	switch {
	case c.plain:
		hint = "the token was not sent, because HF_ENDPOINT is not https"
	case c.token != "":
		hint = "the token may not read it"
	}
	switch {
	case r.StatusCode == http.StatusUnauthorized && r.Header.Get("X-Error-Code") == "RepoNotFound", r.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: the hub answers %s (if it is private, %s)", errNotFound, r.Status, hint)
	case r.StatusCode == http.StatusUnauthorized, r.StatusCode == http.StatusForbidden:
		reason := strings.TrimSpace(r.Header.Get("X-Error-Message"))
		if len(reason) > 200 {
			reason = reason[:200]
		}
		if reason != "" {
			reason = ": " + reason
		}
		return fmt.Errorf("%w: the hub answers %s%s (%s)", errDenied, r.Status, reason, hint)
	case r.StatusCode == http.StatusTooManyRequests || r.StatusCode >= 500:
		return temporaryError{fmt.Errorf("the hub answers %s", r.Status)}
	}
	return fmt.Errorf("the hub answers %s", r.Status)
}
