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
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		switch {
		case len(via) >= 10:
			return errors.New("too many redirections")
		case next.URL.Host == request.URL.Host:
			return nil
		case method == http.MethodHead:
			// Digest and size are in the hub's own headers, not in those of the storage host.
			return http.ErrUseLastResponse
		}
		next.Header.Del("Authorization") // net/http would keep it for another port of the same host
		return nil
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, temporaryError{err}
	}
	if response.StatusCode/100 == 2 || method == http.MethodHead && response.StatusCode/100 == 3 {
		return response, nil
	}
	response.Body.Close()
	return nil, statusError(response, c.token != "")
}

// statusError returns the error for an answer's status; token says that a token was
// sent.
func statusError(r *http.Response, token bool) error {
	hint := "set HF_TOKEN to a token that may read it"
	if token {
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
